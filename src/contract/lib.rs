//! The words that the daemon, the command line and whoever else speaks on the bus must have in common, each in one place.
//!
//! A word that is spelled in two places is spelled differently one day. So what crosses the bus or lands in the database
//! is a variant here, with everything that is said of it in the row beside it: the sentence on the camera's screen, the
//! clause in a message, what to do about it at a command line, the exit code. Tests hold the tables against `dbus/*.xml`.
//!
//! No I/O, no clock, nothing that depends on the rig.
//!
//! # Decisions
//! - Enums and total functions, no maps: a new word does not compile until every column of it is filled, and whoever
//!   matches on words is told about it.
//! - Words that others may add to (a newer daemon's state, a database of an older version) are read with [`str::parse`],
//!   which may fail: what is not known is shown as it came.
//! - `glob` for patterns: no dependencies, no regular expressions. `thiserror` as everywhere.

mod table;

pub mod blocker;
pub mod error;
pub mod exit;
pub mod glob;
pub mod human;
pub mod interface;
pub mod item;
pub mod left_out;
pub mod method;
pub mod option;
pub mod pairing;
pub mod property;

pub use table::UnknownWord;

#[cfg(test)]
mod xml;
