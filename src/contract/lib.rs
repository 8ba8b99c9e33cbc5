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

/// The macro that makes an enum of a table of words.
mod table;

/// What a file is that somebody adds.
pub mod added;
/// What keeps a rig from sending, or from being switched off.
pub mod blocker;
/// Cameras and recorders behind a rig.
pub mod channel;
/// What ends an authorization, and what came of it.
pub mod ending;
/// Errors on the bus.
pub mod error;
/// Exit codes of the command line.
pub mod exit;
/// Patterns of names, case folded.
pub mod glob;
/// Sizes and durations for people, and back.
pub mod human;
/// Names of the service, its object and its interfaces.
pub mod interface;
/// States of a clip, and the reasons for them.
pub mod item;
/// Names that are never taken.
pub mod left_out;
/// Methods.
pub mod method;
/// Keys of options.
pub mod option;
/// States of the pairing, and the reasons for them.
pub mod pairing;
/// Properties.
pub mod property;
/// Kinds of provider.
pub mod provider;
/// What becomes of an item that somebody steers.
pub mod steered;

pub use table::UnknownWord;

#[cfg(test)]
mod xml;
