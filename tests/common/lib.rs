//! A whole rig for a test: the built daemon on a bus of its own, under the shipped bus policy, beside a cloud in-process.
//!
//! # Decisions
//! - Real parts, and nothing in the daemon that knows of tests: it finds the bus by `DBUS_SYSTEM_BUS_ADDRESS`, the cloud
//!   by its configuration, and the service manager by `NOTIFY_SOCKET`.
//! - Whoever waits, waits for an event: a signal, a line, a datagram or an event of the cloud. Nothing sleeps.
//! - Two checks are made for every test when its rig is dropped: no unannounced line at level error, and nothing done
//!   against the provider's protocol.
#![allow(clippy::print_stderr, reason = "how a failed test tells what its daemon said")]
#![allow(dead_code, unused_imports, reason = "each test program uses its part of it")]

mod bus;
mod calls;
mod daemon;
mod fake_time;
mod fd_store;
mod flight;
mod lines;
mod media;
mod oidc;
mod power_disk;
mod recorder;
mod relay;
mod rig;
mod seaweed;
mod setup;
mod tus;

use std::time::Duration;

pub(crate) use bus::{Bus, Monitor, install};
pub(crate) use calls::{DEVICE, Dict, PAIRING, QUEUE, Refused, none, text};
pub(crate) use fake_time::{EARLY, clock_of};
pub(crate) use flight::{EXPRESS, Flight};
pub(crate) use lines::Lines;
pub(crate) use media::{fill, sha256};
pub(crate) use oidc::{Asked, Oidc, Script};
pub(crate) use power_disk::{PowerDisk, no_power_disk};
pub(crate) use recorder::{MIB, Recorder, Stop};
pub(crate) use relay::Relay;
pub(crate) use rig::{PROJECT, Rig};
pub(crate) use seaweed::Seaweed;
pub(crate) use setup::{MARKER, SECRET, Setup};
pub(crate) use tus::{TusRequest, TusServer, TusUpload};

/// Longer than anything here takes, except when something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// The bus name.
pub(crate) const NAME: &str = "org.rigpost.Rigpost1";
/// The one object.
pub(crate) const PATH: &str = "/org/rigpost/Rigpost1";

/// The event, or a failed test that says what did not come.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    let in_time = tokio::time::timeout(PATIENCE, event).await;
    in_time.unwrap_or_else(|_| panic!("waited {} s for {what}", PATIENCE.as_secs()))
}
