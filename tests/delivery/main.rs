//! Where clips go apart from whom the rig signs in with: storage and sign-in are by others, as on the desk of somebody who owns
//! a bucket or a server; and one table of what the queue promises, for each way to send.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall end")]

#[allow(dead_code, reason = "others look into it more closely")]
#[path = "../simulator/bucket.rs"]
mod bucket;
#[path = "../common/lib.rs"]
mod common;
mod mhl;
mod place;
mod s3;
mod table;
mod tus;
mod vault;
