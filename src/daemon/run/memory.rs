//! What is in this process's memory stays there.
//!
//! # Decisions
//! - Not dumpable, besides a core limit of zero: the limit does not hold where cores are piped to a collector, and only
//!   the first also closes `/proc/PID/mem` and `environ` to other processes of the same user.
//! - In the program, not in the unit alone: a daemon started by hand holds the same secrets.
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dump of this process is ever written, and only root may read its memory. Not possible to undo the limit.
///
/// # Errors
/// The kernel refused; secrets could then end up in a core dump.
pub fn seclude() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
