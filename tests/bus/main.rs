//! The D-Bus objects: what they are, what they bear, and who may use them.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall end")]

mod bounds;
mod callers;
#[path = "../common/lib.rs"]
mod common;
mod contract;
#[path = "../common/introspected.rs"]
mod introspected;
mod policy;
mod queue;
mod screen;
