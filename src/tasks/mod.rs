//! The imperative shell: one file for each long-running task. They drive the machines of [`crate::domain`] and have no
//! opinion of their own.
//!
//! # Decisions
//! - Actions become futures whose output is an event, so that results need no callbacks and a task is one `select!`.
//! - Writes to the store leave in the order in which the machine asked for them, one at a time; requests to the
//!   provider run beside them.
mod door;
mod journal;
mod keeper;
mod scout;
mod strongroom;
mod uploader;

pub use door::Door;
pub use keeper::Keeper;
pub use scout::{Ping, Scout};
pub use strongroom::{Found, Strongroom};
pub use uploader::{Uploader, UploaderSettings};

#[cfg(test)]
mod tests;
