//! The daemon as seen from the command line: its methods, its properties, and word when something changed.
//!
//! # Decisions
//!
//! - Properties are read with `GetAll` and never cached: a command is over in milliseconds, and a cache would keep a code
//!   that has been invalidated. A signal is only a reason to read again, so a lost or doubled one does no harm.
//! - Missing properties read as empty: an older daemon than this program must still be shown.
//! - zbus without a feature for a second runtime: everything runs on the one thread of the command.
mod daemon;
mod dict;
mod ended;
mod item;
mod methods;
mod place;

pub(crate) use daemon::{Blocker, Daemon, Device, Event, Pairing, Queue, Snapshot};
pub(crate) use dict::Options;
pub(crate) use ended::Ended;
pub(crate) use item::{Item, OneItem, Receipt};
pub(crate) use methods::QueueMethods;
pub(crate) use place::Place;
