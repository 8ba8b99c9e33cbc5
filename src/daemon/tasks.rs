//! The imperative shell: one file for each long-running task. They drive the machines of [`rigpost_core`] and have no
//! opinion of their own.
//!
//! # Decisions
//! - Actions become futures whose output is an event, so that results need no callbacks and a task is one `select!`.
//! - Writes to the store leave in the order in which the machine asked for them, one at a time; requests to the
//!   provider run beside them.
mod channels;
mod comments;
mod creation;
mod delivery;
mod deps;
mod exchange;
mod growing;
mod intake;
mod journal;
mod keys;
mod lines;
mod presence;
mod prover;
mod revocation;
mod rig;
mod sent;
mod sources;
mod storage;
mod uploads;

pub use channels::ChannelTask;
pub use comments::{CommentTask, CommentsDue};
pub use delivery::Deliverer;
pub use deps::Deps;
pub use growing::{GrowingLinks, GrowingTask, InHand, Recordings};
pub use intake::Intake;
pub use keys::Source;
pub use lines::Lines;
pub use presence::{PresenceTask, SocketWish};
pub use rig::{RigLinks, RigTask};
pub use sources::{Ping, SourceLinks, SourceTask};
pub use uploads::{Channels, UploadSettings, UploadTask};

#[cfg(test)]
mod tests;
