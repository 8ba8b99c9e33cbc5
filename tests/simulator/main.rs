//! The simulator's rules, seen from outside: every test is a client that keeps or breaks one of them.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

#[allow(dead_code, reason = "shared with the daemon's test against storage")]
mod bucket;
mod channels;
mod client;
mod cloud;
mod comments;
mod faults;
mod growing;
mod growing_faults;
mod page;
mod pairing;
mod parts;
mod program;
mod sockets;
mod storage;
mod tokens;
mod uploads;
mod versions;
