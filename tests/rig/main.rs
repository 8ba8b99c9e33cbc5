//! One rig and its cloud: pairing, tokens, identity, and the daemon as a service.
#![allow(clippy::unwrap_used, reason = "a test that can't go on shall end")]

#[path = "../common/lib.rs"]
mod common;
mod disk;
mod ending;
mod identity;
mod pairing;
mod presence;
mod refresh;
mod scripts;
mod secrets;
mod service;
mod socket;
mod station;
mod trust;
mod wall_clock;
