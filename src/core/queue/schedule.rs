//! When which clip goes, and what follows from what comes of it: everything that the queue has an opinion on.
//!
//! One clip, as far as this machine knows it:
//!
//! | State | Event | Next state | What is done |
//! | --- | --- | --- | --- |
//! | `Elsewhere`: only the store knows it | claimed | `Turn` | its turn is told |
//! | | claimed, and a wish came meanwhile | `Writing` | back to the queue |
//! | | claimed, its file gone, or another clip at its place | `Writing` | away |
//! | | claimed, its file unreadable | `Writing` | failed: `unreadable` |
//! | | claimed, its writer maybe not done | `Writing`, aside | queued: `settling`; with new facts where it was written on |
//! | | claimed, its file written on, with an asset | `Writing`, aside | queued: `settling`; begun anew as a new version |
//! | | claimed, its file cut off, no asset | `Writing` | incomplete; after its time queued again, to go as it is |
//! | | claimed, maybe a copy of one that is on its way | `Writing`, aside | queued: it lets that one go first |
//! | | claimed, maybe a copy of one that was delivered | `Comparing` | all bytes are compared |
//! | | claimed, its asset can't be read | `Writing`, aside | queued: `storage` |
//! | | claimed, its card does not answer | `Writing`, aside | queued: `not-answering` |
//! | `Turn`: an [`upload::Upload`] drives it | done | `Looking` | a last look at the file |
//! | | failed | `Writing` | failed, by the upload's word |
//! | | failed, its file unreadable or shorter | `Looking` | away where it is gone or another one; queued where it was written on; else failed |
//! | | later | `Writing` | queued; the whole queue waits |
//! | | aside, forbidden | `Writing`, aside | queued; it waits alone, at the `forbidden` of a second clip in a row all do |
//! | | not answering | `Writing`, aside | queued: `not-answering`; it waits alone, until other cards answer than do now |
//! | | unauthorized | `Writing` | queued; the token is reported and not used again |
//! | | stopped | `Writing` | queued |
//! | | cancel, pause, another project, stop | `Turn` | what is in flight is let go |
//! | `Comparing` | the same bytes | `Writing` | done: `duplicate`; delivered to another project: cancelled |
//! | | others | `Turn` | its turn is told; queued where something stands in the way now |
//! | | the file can't be read | `Writing` | failed: `unreadable` |
//! | | its card does not answer | `Writing`, aside | queued: `not-answering` |
//! | | stopped: cancel, pause, another project, stop | `Writing` | queued |
//! | `Looking` | the same file with any date, another one at its place, or none | `Writing` | done |
//! | | written on | `Writing`, aside | queued: `settling`; begun anew as a new version |
//! | | written on, and not at its place any more | `Writing` | away; begun anew as a new version when it is back |
//! | `Writing` | written | `Elsewhere` | – |
//! | | not written | `Unwritten` | the whole queue waits |
//! | `Unwritten` | the queue's wait is over | `Writing` | the same end again |
//!
//! What stands in the way of something:
//!
//! | What | Claims | Parts | Until |
//! | --- | --- | --- | --- |
//! | trouble of the way, of the disk, of the project | no | none begins | its time; a network comes up; a person wants it tried; bytes get through; another project is paired. A time that the provider named: only that, a person, or another project |
//! | a person's pause | no | let go | a person goes on |
//! | the camera records | no | stand still | the take ends |
//! | a pause on its way to the disk, or a queue that has not been read | no | none begins | the queue has been read |
//! | no pairing, a pause in the project, a token that was refused | no | go on | other access |
//! | secrets that can't be sealed | no | none begins | they can |
//! | a card that does not answer | none of its clips | of its clips: end | it answers; or after a while, should it answer already |
//! | what had its turn at the last stop is not queued again | no | – | a claim that queues it |
//!
//! Invariants, which the random walk of the tests holds against a model of the cloud, the disk and the people:
//!
//! - A clip is in one state. Each claim has one end, and each end is written once.
//! - Nothing is claimed that has a turn, an end or a wait of its own, or that a person is taking off.
//! - One claim and one reading of the queue are on their way at most; slots and turns are bounded.
//! - Nothing is begun while something stands in its way, and nothing goes on for another project than the one that is
//!   paired.
//! - Nothing is written down that did not happen: no part that the storage has not confirmed, no end `done` without all
//!   of them.
//! - Once trouble ends and nobody holds it, every clip that can go goes, and then the machine is at rest.
//!
//! # Decisions
//! - Trouble on the way pauses the whole queue with a growing delay: every clip would meet the same trouble. A clip that
//!   is itself the trouble is failed, or put aside with a growing delay of its own, and the next one has its turn.
//! - The delay is forgotten as soon as a part is through and on disk, unless the provider itself has named it. Before it
//!   is on disk a full one would have the same part sent again and again.
//! - Which cards answer the machine does not know, only that it has changed: claims leave out what lies on one that does
//!   not, so that a card with ten thousand clips is not claimed clip by clip while it hangs.
//! - A card that does not answer is nobody's failure: the turn counts for nothing, and what was confirmed stays.
//! - An end that can't be written is kept and written later: a row that says "uploading" while nobody uploads it would
//!   stay there until the next start.
//! - A token that the provider refused is not used again; new turns wait for the next one.
//! - A pause cuts the parts in flight: when it is answered nothing leaves the rig any more. While the camera records they
//!   only stand still, and go on without loss after a short take.
//! - Whether a person has paused the queue is what the disk says, read after the last wish was written. While that can't
//!   be read nothing is begun: the answer may be yes. That trouble is over with the next reading that works, whatever
//!   else is in trouble.
//! - A claim takes a while. What people, sources and the provider say meanwhile it may not have seen, so what it brings
//!   after a wish goes back, and after other news the backlog is taken for unknown.
mod begin;
mod commands;
mod event;
mod last_look;
mod retry;
mod state;
mod turn;

use std::collections::{BTreeMap, BTreeSet};

use crate::backoff::Jitter;
use crate::few;
use crate::queue::etag::EtagKind;
use crate::queue::item::ItemId;
use crate::queue::order::{self, Backlog, Next};
use crate::queue::upload;
use crate::time::{BootTime, Now};
use retry::Retry;
use rigpost_contract::pairing::Reason;
use state::{Claim, Leaving, Reading, Resume};

pub use event::{
    Access, Action, Claimed, Comparison, End, Event, FileError, Intent, Opened, Options, Postponed, Seen,
    Summary, Written,
};
pub use last_look::{Closer, closer, wants_closer_look, written_on};
pub use state::{Schedule, Turn, Waits};
pub use turn::{CREATE_EVERY, MOST_IN_A_SECOND};

/// Files that are compared at once: while there are more copies than that in a row, nothing else is begun.
const MAX_COMPARING: usize = 2;

impl Schedule {
    /// Nothing happens before [`Event::Started`]. `seed` spreads retries between rigs.
    pub fn new(options: Options, seed: u64) -> Schedule {
        Schedule {
            options,
            access: None,
            paused: None,
            recording: false,
            pausing: 0,
            cancelling: BTreeMap::new(),
            stopping: false,
            turns: BTreeMap::new(),
            leaving: BTreeMap::new(),
            backlog: Backlog::default(),
            claim: None,
            resume: Resume::Due,
            reading: Reading::default(),
            seen: BTreeMap::new(),
            cut_off: BTreeMap::new(),
            unlike: BTreeSet::new(),
            refused: None,
            project: None,
            retry: Retry::new(Jitter::new(seed)),
            etags: EtagKind::default(),
            next_create: BootTime::default(),
        }
    }

    /// Those that have their turn, by id.
    pub fn turns(&self) -> impl Iterator<Item = &Turn> {
        self.turns.values()
    }

    /// One that has its turn.
    pub fn turn(&self, id: ItemId) -> Option<&Turn> {
        self.turns.get(&id)
    }

    /// The item's file is being read, or will be.
    pub fn reads(&self, id: ItemId) -> bool {
        self.turns.contains_key(&id) || self.is_compared(id)
    }

    /// Why nothing moves, or why what moves is not all: a code and a sentence.
    pub fn trouble(&self) -> Option<&(Reason, String)> {
        self.retry.trouble()
    }

    /// What this item waits for, as far as that is a time.
    pub fn waits_of(&self, id: ItemId) -> Waits {
        let (queue, aside) = self.retry.until(id);
        Waits { queue, aside, cut_off: self.cut_off.get(&id).copied() }
    }

    /// When something is next begun of what waits for a better time: the whole queue, or what is left of it where nothing has
    /// its turn.
    pub fn retry_at(&self) -> Option<BootTime> {
        let nothing_moves = self.claim.is_none() && self.turns.is_empty();
        self.retry.queue_until().or_else(|| self.retry.deadline().filter(|_| nothing_moves))
    }

    /// The camera records.
    pub fn recording(&self) -> bool {
        self.recording
    }

    /// Nothing is being sent and nothing is about to be: what only sending needs can be given back.
    pub fn at_rest(&self) -> bool {
        !self.retry.waits() && !self.busy()
    }

    /// A stop should wait for this: what the cloud was asked for would be asked for twice, and ends are on their way to
    /// the disk. Ends that could not be written are not waited for.
    pub fn busy(&self) -> bool {
        let ending = |leaving: &Leaving| match leaving {
            Leaving::Comparing(_) | Leaving::Looking(..) | Leaving::Writing(_) => true,
            Leaving::Unwritten(_) => false,
        };
        self.claim.is_some() || !self.turns.is_empty() || self.leaving.values().any(ending)
    }

    /// When [`Event::Timer`] is next worth sending.
    pub fn deadline(&self) -> Option<BootTime> {
        if self.stopping {
            return None;
        }
        self.retry.deadline().into_iter().chain(self.cut_off.values().copied()).min()
    }

    /// Takes one event. Late news changes nothing.
    #[must_use]
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        self.take(event, now, &mut actions);
        self.drive(now, &mut actions);
        actions
    }

    fn take(&mut self, event: Event, now: Now, out: &mut Vec<Action>) {
        match event {
            Event::Started => {
                self.resume = Resume::Running;
                out.push(Action::Resume);
            }
            Event::Resumed(ok) => self.resumed(ok, out),
            Event::Options(options) => self.options = options,
            Event::Access(access) => self.access_changed(access, now, out),
            Event::Claimed(answer) => self.claimed(answer, now, out),
            Event::Created(id, seq, answer) => {
                // Where nothing is asked for a short clip, that it was begun shows nothing.
                if answer.is_ok() && !self.options.promises.completes {
                    self.retry.allowed();
                }
                self.feed(id, upload::Event::Created(seq, answer), now, out);
            }
            Event::Recorded(id, seq, ok) => self.feed(id, upload::Event::Recorded(seq, ok), now, out),
            Event::PartSent(id, n, answer) => self.part_sent(id, n, answer, now, out),
            Event::PartRecorded(id, n, ok) => {
                if ok {
                    self.retry.allowed();
                    self.part_recorded(id, n);
                }
                self.feed(id, upload::Event::PartRecorded(n, ok), now, out);
            }
            Event::Completed(id, seq, answer) => {
                self.feed(id, upload::Event::Completed(seq, answer), now, out);
            }
            Event::LookedAgain(id, file, opened) => self.looked_again(id, file, opened, now, out),
            Event::AsItIs(id, ok) => self.goes_as_it_is(id, ok, out),
            Event::Compared(id, comparison) => self.compared(id, comparison, now, out),
            Event::Written(id, written) => self.written(id, written, now, out),
            Event::Asked(intent) => self.asked(intent, now, out),
            Event::Answered(intent, priorities) => self.answered(intent, &priorities, out),
            Event::Found => self.backlog.changed(),
            Event::CardsChanged => {
                self.retry.cards_changed();
                self.backlog.changed();
            }
            Event::NetworkUp => self.retry.hurry(),
            Event::Summary(summary) => self.summary(summary, now, out),
            Event::Timer => {
                if self.retry.tick(now.boot) {
                    self.backlog.changed();
                }
                self.send_as_they_are(now, out);
            }
            Event::Stop => {
                self.stopping = true;
                self.give_back_claim();
                self.cut_all(now, out);
            }
        }
    }

    /// Uses the line as far as nothing stands in the way.
    fn drive(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.stopping || self.retry.waits() {
            return;
        }
        self.write_unwritten(out);
        while self.may_begin(out) {
            let project = self.project_to_claim();
            let turns: Vec<_> = self.turns.values().map(Turn::status).collect();
            let claiming = self.claim.is_some() || project.is_none() || self.comparing() >= MAX_COMPARING;
            match order::next(&turns, self.options.slots, self.backlog, claiming) {
                Next::Part(id) => self.feed(id, upload::Event::Slot, now, out),
                Next::Claim(above) => project.into_iter().for_each(|project| self.claim(project, above, out)),
                Next::Wait => break,
            }
        }
    }

    /// Reads the queue first where nobody knows whether a person has paused it.
    fn may_begin(&mut self, out: &mut Vec<Action>) -> bool {
        let free = !self.recording && self.pausing == 0 && !self.retry.waits() && self.options.usable;
        if !free || (self.turns.is_empty() && self.project_to_claim().is_none()) {
            return false;
        }
        match self.paused {
            Some(paused) => !paused,
            None => {
                if self.reading.running.is_none() {
                    self.read(out);
                }
                false
            }
        }
    }

    /// The project whose clips may have a turn now.
    //= frameio-c2c#4.5
    //# A pause in the project is respected: what is under way ends, and nothing new begins.
    fn project_to_claim(&self) -> Option<String> {
        let usable = |a: &&Access| !a.paused && self.refused.as_ref() != Some(&a.token);
        let access = self.access.as_ref().filter(usable).filter(|_| self.resume != Resume::Running)?;
        Some(access.project_id.clone())
    }

    fn comparing(&self) -> usize {
        self.leaving.values().filter_map(Leaving::compared).count()
    }

    fn is_compared(&self, id: ItemId) -> bool {
        self.leaving.get(&id).and_then(Leaving::compared).is_some()
    }

    fn claim(&mut self, project: String, above: Option<i32>, out: &mut Vec<Action>) {
        self.claim = Some(Claim { above, give_back: false });
        self.backlog.asking();
        // A turn may outlast the item's: it is cancelled and queued again while an answer is still awaited.
        let busy = self.turns.keys().chain(self.leaving.keys()).chain(self.cancelling.keys());
        let but = few::set(self.retry.aside().chain(busy).copied());
        let but = but.into_iter().collect();
        out.push(Action::Claim { project, above, but, resume: self.resume != Resume::Done });
    }

    /// What a claim brings that is on its way goes back to the queue.
    fn give_back_claim(&mut self) {
        if let Some(claim) = &mut self.claim {
            claim.give_back = true;
        }
    }

    fn resumed(&mut self, ok: bool, out: &mut Vec<Action>) {
        if self.resume == Resume::Running {
            self.resume = if ok { Resume::Done } else { Resume::Due };
            self.read(out);
        }
    }

    fn access_changed(&mut self, access: Option<Access>, now: Now, out: &mut Vec<Action>) {
        self.access = access;
        self.backlog.changed();
        self.read(out);
        // Another project, or a token that can be of one: what is under way may not be for it.
        self.give_back_claim();
        let Some(project) = self.access.as_ref().map(|a| a.project_id.clone()) else { return };
        let project = Some(project);
        if self.project != project {
            self.retry.forgive(&self.seen);
            self.project.clone_from(&project);
        }
        let turns = self.turns.values().map(|turn| &turn.item);
        let compared = self.leaving.values().filter_map(Leaving::compared);
        let stale = turns.chain(compared).filter(|item| item.clip.project_id != project);
        let stale: Vec<_> = stale.map(|item| item.id).collect();
        stale.into_iter().for_each(|id| self.cut(id, now, out));
    }

    /// Has the queue read, from a moment that is not before now.
    fn read(&mut self, out: &mut Vec<Action>) {
        if self.reading.running.is_some() {
            self.reading.again = true;
            return;
        }
        self.reading.running = Some(std::mem::take(&mut self.reading.unseen));
        out.push(Action::Read);
    }

    fn summary(&mut self, summary: Result<Summary, String>, now: Now, out: &mut Vec<Action>) {
        let Some(shown) = self.reading.running.take() else { return };
        self.pausing = self.pausing.saturating_sub(shown);
        let would_send = self.may_want_to_send();
        self.paused = summary.as_ref().ok().map(|s| s.paused);
        match summary {
            Ok(Summary { left, .. }) => {
                self.retry.read();
                if left == 0 {
                    self.retry.no_trouble();
                }
            }
            Err(why) if would_send => self.retry.unread(why, now.boot),
            Err(_) => {}
        }
        if std::mem::take(&mut self.reading.again) {
            self.read(out);
        }
    }

    fn may_want_to_send(&self) -> bool {
        self.options.usable && (!self.turns.is_empty() || self.project_to_claim().is_some())
    }
}

#[cfg(test)]
mod tests;
