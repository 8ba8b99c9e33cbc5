//! The way to storage of one's own: what it tells strangers, and what the daemon has seen of it.
//!
//! # Decisions
//!
//! - Asked as a stranger: the rig's sign-in is the daemon's, and what that comes to the daemon says itself (`rigpost status`,
//!   `rigpost queue`). A storage tells strangers enough to know one step from another.
//! - What strangers can't read is no fault: storages may answer them as they like. The daemon is asked first what became of
//!   the last clip, and where it has seen nothing either, that is said.

mod bucket;
mod seen;
mod told;
mod tus;

use super::config::{Facts, Storage};
use super::report::Report;
use crate::exit::Failure;
use rigpost_daemon::http::Http;

pub(super) use seen::{Seen, seen, sent};

/// Checks it, where clips go to one. `seen`: what the daemon has; `None`: it could not be asked.
pub(super) async fn check(
    facts: &Facts,
    http: &Http,
    seen: Option<&Seen>,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    match &facts.storage {
        None => Ok(()),
        Some(Storage::Bucket(facts)) => bucket::check(facts, http, seen, report).await,
        Some(Storage::Tus(endpoint)) => report.add(tus::check(endpoint, http, seen).await),
    }
}
