//! One rig: the machines together, what people ask of them, and what the screen sees.
//!
//! Events come in from three sides: people (commands), the provider (answers) and the disk (done or not). Actions go
//! out to the same three, each as a type of its own, so that no side gets one that it can't perform. The task that drives
//! this has no opinion of its own.
//!
//! # Decisions
//! - One machine over the three, and not three tasks with channels: a grant, an unpairing and a lost secret concern all
//!   of them at once, and here every order of events can be tested as a table.
mod access;
mod action;
mod ending;
mod event;
mod leaving;
mod machine;
mod pairing;
mod presence;
mod screen;
mod state;
mod trouble;

pub use action::{Action, Change, Keep, Parting, Question, Reply};
pub use event::{AccessId, CommandId, Event, Fresh, Loaded, Provisioned};
pub use state::{Presence, Rig};
