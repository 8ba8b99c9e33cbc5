//! What `rigpost watch --json` prints: a line for each change.
//!
//! # Decisions
//!
//! - The whole status at each change, as `rigpost status --json` has it: a program keeps the last line, and needs to put
//!   nothing together. No code is in it, for the reason that is said there.

use std::io;

use serde::Serialize;

use crate::bus::{Item, Snapshot};
use crate::clock;
use crate::out::Out;
use crate::status::Status;

#[derive(Serialize)]
struct Line<'a> {
    /// Unix seconds, by the rig's own clock.
    time: i64,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<News<'a>>,
}

/// What is told of an item when it enters a new state.
#[derive(Serialize)]
struct News<'a> {
    id: u64,
    name: &'a str,
    size: u64,
    sent: u64,
    state: &'a str,
    reason: &'a str,
    detail: &'a str,
}

/// Lines on standard output.
pub(super) struct Lines<'a> {
    out: &'a mut Out,
}

impl<'a> Lines<'a> {
    /// Nothing is printed yet.
    pub(super) fn new(out: &'a mut Out) -> Self {
        Self { out }
    }

    fn line(
        &mut self,
        event: &'static str,
        status: Option<Status>,
        item: Option<News<'_>>,
    ) -> io::Result<()> {
        self.out.json_line(&Line { time: clock::wall_seconds(), event, status, item })
    }

    /// How the rig is.
    pub(super) fn status(&mut self, now: &Snapshot) -> io::Result<()> {
        self.line("status", Some(Status::new(now, false)), None)
    }

    /// An item entered a new state.
    pub(super) fn item(&mut self, item: &Item) -> io::Result<()> {
        let Item { id, name, size, sent, state, reason, detail, .. } = item;
        let (id, size, sent) = (*id, *size, *sent);
        self.line("item", None, Some(News { id, name, size, sent, state, reason, detail }))
    }

    /// The daemon came or went.
    pub(super) fn daemon(&mut self, is_here: bool) -> io::Result<()> {
        self.line(if is_here { "running" } else { "stopped" }, None, None)
    }
}
