//! Where clips go, apart from whom the rig signs in with.
//!
//! | Dialect | What a clip becomes | It is begun by | A part goes to | It is there when |
//! | --- | --- | --- | --- | --- |
//! | Frame.io | an asset | asking for it, with a token | an address that came with the asset, and lives a day | all parts are |
//! | [`s3`], up to 16 MiB | an object | nothing | the object, signed when it leaves | the part is |
//! | [`s3`], longer | an object | a multipart upload | the upload, signed when it leaves | the upload is completed |
//! | [`tus`] | an upload | creating it | the upload's end, one part after the other, with the sign-in's token | its end is the clip's |
//!
//! # Decisions
//! - What a dialect promises is data ([`Promises`](crate::queue::promises::Promises)): the queue's machines ask for nothing else, so they know no dialect.
pub mod answer;
pub mod dialect;
pub mod keys;
pub mod reel;
pub mod s3;
pub mod sts;
pub mod tus;
