//! What follows from answers of the cloud, the storage and the disk.
use std::time::Duration;

use super::event::{Action, Ending};
use super::{Growing, State};
use crate::backoff::doubled;
use crate::queue::upload::{Confirmed, CreateError, PartError};
use crate::secret::Secret;
use crate::seq::Seq;
use crate::time::BootTime;

const FIRST_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(60);
/// How often the address of a part may turn out to be dead before it is given up.
const DEAD_TRIES: u32 = 3;

impl Growing {
    pub(super) fn created(
        &mut self,
        answer: Result<String, CreateError>,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        self.state = State::Waiting;
        match answer {
            Ok(id) => {
                let seq = self.seq.step();
                self.state = State::Recording(seq, id.clone());
                out.push(Action::Record(seq, id));
            }
            Err(e) => self.not_taken(e, now, out),
        }
    }

    pub(super) fn recorded(&mut self, seq: Seq, ok: bool, now: BootTime) {
        if let State::Recording(wanted, id) = &self.state
            && *wanted == seq
        {
            if ok {
                self.asset_id.clone_from(id);
                self.state = State::Sending;
            } else {
                // It was made, and nobody will know of it.
                self.state = State::Waiting;
                self.leave_for("the disk takes nothing");
            }
            return;
        }
        let Some(registering) = self.registering.take_if(|r| r.seq == seq && r.written) else { return };
        if ok {
            self.through();
        } else {
            registering.parts.iter().for_each(|part| drop(self.urls.remove(&part.n)));
            self.later(None, now);
        }
    }

    pub(super) fn registered(
        &mut self,
        seq: Seq,
        answer: Result<Vec<Secret>, CreateError>,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        let Some(mut registering) = self.registering.take_if(|r| r.seq == seq && !r.written) else { return };
        match answer {
            Ok(urls) if urls.len() == registering.parts.len() => {
                for (part, url) in registering.parts.iter().zip(urls) {
                    self.urls.insert(part.n, url);
                }
                self.closed = registering.size.or(self.closed);
                self.fits();
                registering.written = true;
                registering.seq = self.seq.step();
                out.push(Action::Keep(registering.seq));
                self.registering = Some(registering);
            }
            Ok(_) => self.later(None, now),
            Err(e) => self.not_taken(e, now, out),
        }
    }

    pub(super) fn sent(
        &mut self,
        n: u32,
        answer: Result<Confirmed, PartError>,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        if !self.in_flight.remove(&n) {
            return;
        }
        match answer {
            Ok(confirmed) => {
                self.unrecorded.insert(n);
                out.push(Action::RecordPart(n, self.range(n).1, confirmed));
            }
            Err(PartError::Transient(trouble) | PartError::CutEarly(trouble)) => {
                // What we let go of ourselves is no trouble.
                if self.may {
                    self.later(trouble.retry_after, now);
                }
            }
            Err(PartError::UrlDead(why) | PartError::UrlRefused(why)) => {
                self.urls.remove(&n);
                let tries = self.dead.entry(n).or_default();
                *tries += 1;
                match *tries {
                    DEAD_TRIES.. => self.leave(Ending::UsualWay(why)),
                    _ => self.later(None, now),
                }
            }
            Err(
                PartError::Damaged(_)
                | PartError::KeysOver(_)
                | PartError::Behind(_)
                | PartError::Forbidden(_)
                | PartError::Unfound(..)
                | PartError::NotAnswering(_),
            ) => self.later(None, now),
            Err(PartError::Refused(why) | PartError::File(_, why)) => self.leave(Ending::UsualWay(why)),
        }
    }

    pub(super) fn part_recorded(&mut self, n: u32, ok: bool, now: BootTime) {
        if !self.unrecorded.remove(&n) {
            return;
        }
        if ok {
            self.through();
            self.urls.remove(&n);
            self.confirmed.insert(n);
        } else {
            self.later(None, now);
        }
    }

    pub(super) fn compared(&mut self, answer: Result<Vec<u32>, String>, out: &mut Vec<Action>) {
        self.state = State::Sending;
        match answer {
            Ok(changed) => {
                self.compared = true;
                for n in changed.into_iter().filter(|n| self.confirmed.remove(n)) {
                    self.dropping.insert(n);
                    out.push(Action::Drop(n));
                }
            }
            Err(why) => self.leave(Ending::UsualWay(why)),
        }
    }

    pub(super) fn dropped(&mut self, n: u32, ok: bool, now: BootTime) {
        if !self.dropping.remove(&n) {
            return;
        }
        if !ok {
            // It is compared again, and dropped again.
            self.confirmed.insert(n);
            self.compared = false;
            self.later(None, now);
        }
    }

    /// An asset or parts of it.
    fn not_taken(&mut self, e: CreateError, now: BootTime, out: &mut Vec<Action>) {
        match e {
            CreateError::Unauthorized => self.refused(out),
            CreateError::Storage => self.later(None, now),
            CreateError::Transient(trouble) => self.later(trouble.retry_after, now),
            CreateError::RecordedWhilePaused => {
                self.leave_for("the device is paused in the project");
            }
            CreateError::Refused(why) | CreateError::Conflict(why) | CreateError::Forbidden(why) => {
                self.leave(Ending::UsualWay(why));
            }
        }
    }

    fn through(&mut self) {
        self.troubles = 0;
    }

    fn refused(&mut self, out: &mut Vec<Action>) {
        // Another one says that it may again.
        self.may = false;
        out.push(Action::ReportRefused);
    }

    fn later(&mut self, wait: Option<Duration>, now: BootTime) {
        let wait = wait.unwrap_or_default().max(doubled(FIRST_RETRY, self.troubles, MAX_RETRY));
        self.troubles = self.troubles.saturating_add(1);
        self.retry_at = Some(now + wait);
    }

    pub(super) fn leave_for(&mut self, why: &str) {
        self.leave(Ending::UsualWay(why.to_owned()));
    }

    pub(super) fn leave(&mut self, ending: Ending) {
        if self.leaving.is_none() || ending == Ending::Gone {
            self.leaving = Some(ending);
        }
    }
}
