//! The queue: what was accepted, whose turn it is, and how it ended.
//!
//! # Decisions
//! - Claiming reads one entry of a partial index that holds only queued items, so that a million sent ones cost nothing.
//! - What is sent or taken off is history, and goes when a person clears it or, oldest first, when the queue would
//!   outgrow its limit.
mod bind;
mod candidates;
mod growing;
mod history;
mod intake;
mod list;
mod memory;
#[cfg(test)]
mod plans;
mod steer;
mod turns;

pub(super) use bind::{bind_to, hold_all};
pub use growing::{Recording, RecordingEnd};
pub use intake::{Discovery, Limits};
