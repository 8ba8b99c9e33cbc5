//! Sending a clip while it is being recorded: parts are registered and put as their bytes become stable, and what is left
//! soon after the recorder's stop (contract §5.4).
//!
//! | State | Event | Next state | What is done |
//! | --- | --- | --- | --- |
//! | `Waiting`: no asset yet | two parts are whole, and it may | `Creating` | an asset is asked for |
//! | | its recorder is done | `Finished` | the usual way: nothing was begun |
//! | `Creating` | an asset | `Recording` | it is written down |
//! | | refused | `Finished` | the usual way |
//! | | trouble | `Waiting` | again, later and later |
//! | `Recording` | on disk | `Sending` | |
//! | `Sending` | a part is whole and the line is free | | it is registered: its address is written down, then it is put |
//! | | a part is confirmed | | written down |
//! | | its recorder is done, and every part but the first and the last is confirmed | `Comparing` | what was sent is compared with the file |
//! | | the asset or a registration is refused, or the file is shorter than what was sent | `Finished` | the usual way |
//! | | trouble | | again, later and later |
//! | | the recorder goes on | | as before it was done; what was compared counts no more |
//! | `Comparing` | what has other bytes now | `Sending` | those parts again, under the same numbers |
//! | | nothing has | `Sending` | the first and the last part, with which the clip is whole |
//! | `Sending` | all confirmed and on disk | `Finished` | done |
//! | any | its file is gone | `Finished` | gone |
//!
//! Invariants, which the random walk of the tests holds against a model of the cloud and of a recorder:
//!
//! - Nothing is put whose address is not on disk, and nothing counts that is not on disk.
//! - No part is registered that is not followed by a byte, but the last one of a clip whose recorder is done.
//! - The first part goes with the last, and both only after everything else was compared: recorders write their headers
//!   again.
//! - A clip that is whole in the cloud has the bytes of the file, whatever its recorder wrote again before its stop.
//! - Once its recorder is done, trouble ends and nothing stands in the way, it comes to an end.
//!
//! # Decisions
//! - Whatever can't go on this way goes the usual one, as a whole and once its recorder is done: the cloud has no way to
//!   take back what it has of the asset, which counts as an orphan.
//! - Numbers and ranges follow from a rule ([`plan`]), so only addresses and digests need to be kept.
//! - An address is forgotten with its part: a part that must go again is registered again, which gives a new one.
//! - Trouble of one recording is its own. Others, and the queue, meet the same soon enough.
mod answers;
mod event;
mod line;
pub mod plan;

use std::collections::{BTreeMap, BTreeSet};

use crate::secret::Secret;
use crate::seq::Seq;
use crate::time::BootTime;
use plan::{LONGEST, start};

pub use event::{Action, Ending, Event, Kept, NewPart};

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Creating(Seq),
    Recording(Seq, String),
    Sending,
    Comparing(Seq),
    Finished,
}

/// A registration that is under way: asked for, or being written down.
#[derive(Debug)]
struct Registering {
    seq: Seq,
    parts: Vec<NewPart>,
    /// Of the clip, where its last part is among them.
    size: Option<u64>,
    written: bool,
}

/// One recording.
#[derive(Debug)]
pub struct Growing {
    state: State,
    seq: Seq,
    asset_id: String,
    stable: u64,
    size: Option<u64>,
    may: bool,
    slots: usize,
    confirmed: BTreeSet<u32>,
    urls: BTreeMap<u32, Secret>,
    registering: Option<Registering>,
    in_flight: BTreeSet<u32>,
    unrecorded: BTreeSet<u32>,
    dropping: BTreeSet<u32>,
    dead: BTreeMap<u32, u32>,
    /// Everything but the first and the last part is what the file has.
    compared: bool,
    /// The last part is registered, of a clip of this size: nothing can be added.
    closed: Option<u64>,
    troubles: u32,
    retry_at: Option<BootTime>,
    leaving: Option<Ending>,
}

impl Growing {
    /// One that nothing is known of, or what an earlier run has left. Nothing is done before events say that it may.
    pub fn new(kept: Option<Kept>) -> Growing {
        let state = if kept.is_some() { State::Sending } else { State::Waiting };
        let Kept { asset_id, urls, confirmed, closed } = kept.unwrap_or_default();
        Growing {
            state,
            seq: Seq::default(),
            asset_id,
            stable: 0,
            size: None,
            may: false,
            slots: 0,
            confirmed,
            urls,
            registering: None,
            in_flight: BTreeSet::new(),
            unrecorded: BTreeSet::new(),
            dropping: BTreeSet::new(),
            dead: BTreeMap::new(),
            compared: false,
            closed,
            troubles: 0,
            retry_at: None,
            leaving: None,
        }
    }

    /// Over: no more events matter.
    pub fn finished(&self) -> bool {
        self.state == State::Finished
    }

    /// The cloud's id; empty before there is one.
    pub fn asset_id(&self) -> &str {
        &self.asset_id
    }

    /// It ends as soon as nothing is on its way.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Parts that are on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Addresses of parts that are registered and not confirmed.
    pub fn urls(&self) -> &BTreeMap<u32, Secret> {
        &self.urls
    }

    /// The size of the clip, where its last part is registered.
    pub fn closed(&self) -> Option<u64> {
        self.closed
    }

    /// The address, the offset and the length of a part that is registered.
    pub fn part(&self, n: u32) -> Option<(&Secret, u64, u64)> {
        let (from, len) = self.range(n);
        Some((self.urls.get(&n)?, from, len))
    }

    /// When [`Event::Timer`] is next worth sending.
    pub fn deadline(&self) -> Option<BootTime> {
        self.retry_at.filter(|_| self.may && !self.finished() && self.leaving.is_none())
    }

    /// Takes one event. Late news changes nothing.
    #[must_use]
    pub fn on(&mut self, event: Event, now: BootTime) -> Vec<Action> {
        let mut out = Vec::new();
        if !self.finished() {
            self.take(event, now, &mut out);
            self.drive(&mut out);
        }
        out
    }

    fn take(&mut self, event: Event, now: BootTime, out: &mut Vec<Action>) {
        match event {
            Event::Looked { stable, size } => self.looked(stable, size),
            Event::Gone => self.leave(Ending::Gone),
            Event::May(may) => {
                if may && !self.may {
                    self.retry_at = None;
                }
                self.may = may;
            }
            Event::Slots(slots) => self.slots = slots,
            Event::Created(seq, answer) if self.state == State::Creating(seq) => {
                self.created(answer, now, out)
            }
            Event::Created(..) => {}
            Event::Recorded(seq, ok) => self.recorded(seq, ok, now),
            Event::Registered(seq, answer) => self.registered(seq, answer, now, out),
            Event::Sent(n, answer) => self.sent(n, answer, now, out),
            Event::PartRecorded(n, ok) => self.part_recorded(n, ok, now),
            Event::Compared(seq, answer) if self.state == State::Comparing(seq) => self.compared(answer, out),
            Event::Compared(..) => {}
            Event::Dropped(n, ok) => self.dropped(n, ok, now),
            Event::Timer => {
                if self.retry_at.is_some_and(|at| at <= now) {
                    self.retry_at = None;
                }
            }
        }
    }

    fn looked(&mut self, stable: u64, size: Option<u64>) {
        self.stable = self.stable.max(stable);
        if self.size != size {
            // It goes on, or was done with another size.
            self.compared = false;
            if matches!(self.state, State::Comparing(_)) {
                self.state = State::Sending;
            }
        }
        self.size = size;
        self.fits();
    }

    /// Leaves where what the recorder has left is not what the cloud was told.
    fn fits(&mut self) {
        let Some(size) = self.size else { return };
        let middle =
            self.registering.iter().flat_map(|r| &r.parts).filter(|part| !part.is_final).map(|part| part.n);
        let known = self.confirmed.iter().chain(self.urls.keys()).copied().chain(middle).max();
        match self.closed {
            Some(told) if told != size => self.leave_for("the recorder went on after its stop"),
            None if known.is_some_and(|n| start(n + 1) >= size) => {
                self.leave_for("the recorder made it shorter than it was");
            }
            _ if size > LONGEST => self.leave_for("it is longer than the cloud takes"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
