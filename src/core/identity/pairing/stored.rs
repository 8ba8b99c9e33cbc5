//! What of a pairing outlives a restart.
//!
//! # Decisions
//! - What is stored of a time limit is what is left of it, written anew with each code: a wall clock that was set since
//!   the last code is all that a reboot can get wrong.
use std::time::Duration;

use crate::oauth::DeviceAuthorization;
use crate::time::{BootTime, Now};

/// A code on offer, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeOnOffer {
    /// What the provider said.
    pub auth: DeviceAuthorization,
    /// When its answer arrived.
    pub obtained: Now,
}

/// When a pairing ends as expired, in a form that outlives a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    /// When it was written down.
    pub since: Now,
    /// How much was left then.
    pub left: Duration,
}

impl TimeLimit {
    /// Exact within a boot. Across boots by the wall clock, and where that can't be right the time that was left begins
    /// anew.
    pub(super) fn ends(self, now: Now) -> BootTime {
        now.boot + self.left.saturating_sub(now.age_of(self.since).unwrap_or_default())
    }
}

/// A pairing that runs, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// `None`: there is none, or none that can be read.
    pub code: Option<CodeOnOffer>,
    /// `None`: for as long as it takes.
    pub limit: Option<TimeLimit>,
}
