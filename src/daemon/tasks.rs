//! The imperative shell: one file for each long-running task. They drive the machines of [`rigpost_core`] and have no
//! opinion of their own.
//!
//! # Decisions
//! - Actions become futures whose output is an event, so that results need no callbacks and a task is one `select!`.
//! - Writes to the store leave in the order in which the machine asked for them, one at a time; requests to the
//!   provider run beside them.
mod door;
mod journal;
mod rig;
mod scout;
mod uploads;

use std::sync::Arc;

use crate::clock::Clock;
use crate::store::Store;
use rigpost_core::provider::Provider;

pub use door::Door;
pub use rig::RigTask;
pub use scout::{Ping, Scout};
pub use uploads::{Channels, UploadSettings, UploadTask};

/// What every task works with.
pub struct Parts<T> {
    /// What to say to the cloud.
    pub provider: Provider,
    /// The way there.
    pub transport: Arc<T>,
    /// The disk.
    pub store: Store,
    /// The time.
    pub clock: Clock,
}

// Derived, it would ask the transport to be `Clone`.
impl<T> Clone for Parts<T> {
    fn clone(&self) -> Parts<T> {
        let Parts { provider, transport, store, clock } = self;
        Parts {
            provider: provider.clone(),
            transport: transport.clone(),
            store: store.clone(),
            clock: clock.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
