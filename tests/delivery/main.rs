//! Where clips go apart from whom the rig signs in with: storage and sign-in are by others, as on the desk of somebody who owns
//! a bucket.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall end")]

#[path = "../common/lib.rs"]
mod common;
mod s3;
