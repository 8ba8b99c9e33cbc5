//! The simulator's rules, seen from outside: every test is a client that keeps or breaks one of them.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

#[allow(dead_code, reason = "shared with the daemon's test against storage")]
#[path = "simulator/bucket.rs"]
mod bucket;
#[path = "simulator/client.rs"]
mod client;
#[path = "simulator/cloud.rs"]
mod cloud;
#[path = "simulator/faults.rs"]
mod faults;
#[path = "simulator/pairing.rs"]
mod pairing;
#[path = "simulator/parts.rs"]
mod parts;
#[path = "simulator/program.rs"]
mod program;
#[path = "simulator/storage.rs"]
mod storage;
#[path = "simulator/tokens.rs"]
mod tokens;
#[path = "simulator/uploads.rs"]
mod uploads;
