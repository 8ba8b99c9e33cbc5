//! Every trouble and every moment of death, one after another. Each test starts many rigs at once, so that they stay
//! apart from tests of a single rig.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall end")]
#![allow(clippy::print_stderr, reason = "a test that is left out says so")]

#[path = "../common/lib.rs"]
mod common;
mod crash;
mod growing;
mod power;
mod retries;
