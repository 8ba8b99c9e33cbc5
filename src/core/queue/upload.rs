//! Sending one clip: create its asset, put its parts, done. Everything durable is in the store, part by part.
//!
//! | State | Leaves by |
//! | --- | --- |
//! | `Creating` | an asset: `Recording`; a refusal: `Failed`; trouble: `Later` |
//! | `Recording` | the asset is on disk: `Sending` |
//! | `Rewinding` | what the storage has lost counts as not sent, on disk: `Sending` |
//! | `Sending` | the storage has less than it had confirmed: `Rewinding`; all parts confirmed and on disk: `Completing` where the storage wants to be told, else `Finished(Done)`; dead URLs: `Creating`; trouble: `Later` |
//! | `Completing` | it is there: `Finished(Done)`; the upload is gone: `Creating`; trouble: `Later` |
//! | `Finished` | never |
//!
//! # Decisions
//! - Nothing is sent for an asset that is not on disk, and a part counts only once that is on disk: whatever is killed,
//!   what remains is sent again and nothing else.
//! - A part leaves only when the queue gives this turn a slot ([`Event::Slot`]): several clips share the line, and which
//!   of them goes next is not one clip's business.
//! - Trouble ends this turn and not the item: the queue decides when and whether this or another goes next. Trouble of
//!   the way (`Later`) is told from trouble of the clip (`Aside`), so that one bad clip never blocks the others.
//! - Where the storage takes bytes at one growing offset only, parts leave one after the other. What it has is its own word,
//!   asked for by whoever sends; where that is less than was confirmed, the parts from there on are sent again, and so often
//!   in one turn and no more.
//! - A storage that has had enough of a URL that ages may close before it has read anything, and its answer may be lost. Such
//!   early cuts of an asset that has some age, with nothing going through in between, count as a dead URL; those of a
//!   young one as a bad line, because a new asset would throw the finished parts away.
mod anew;
mod event;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::few;
use crate::oauth::Cause;
use crate::queue::item::{Asset, ItemId, ItemReason};
use crate::queue::promises::Promises;
use crate::secret::Secret;
use crate::seq::Seq;
use crate::time::Now;
use rigpost_contract::pairing::Reason;

pub use event::{Action, AssetRequest, Completed, Confirmed, CreateError, Ending, Event, PartError};

/// A part is tried this often in one turn.
const PART_TRIES: u32 = 3;
/// Keys that sign URLs have been seen to live for an hour; before that a cut is a bad line.
const URL_SUSPECT: Duration = Duration::from_secs(3600);

/// What comes once nothing is in flight any more.
#[derive(Debug, PartialEq, Eq)]
enum Winding {
    /// The URLs are dead: another asset.
    Anew,
    /// The storage has only the parts before this one.
    Rewind(u32),
    End(Ending),
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Creating(Seq),
    Recording(Seq, Asset),
    Forgetting(Seq),
    Rewinding(Seq, u32),
    Sending,
    Completing(Seq),
    Finished,
}

/// One turn of one item.
#[derive(Debug)]
pub struct Upload {
    /// Of the item.
    pub id: ItemId,
    size: u64,
    promises: Promises,
    state: State,
    seq: Seq,
    asset: Option<Asset>,
    todo: BTreeSet<u32>,
    in_flight: BTreeSet<u32>,
    unrecorded: BTreeSet<u32>,
    tries: std::collections::BTreeMap<u32, u32>,
    assets_tried: u32,
    rewinds: u32,
    /// Early cuts since something went through.
    early_cuts: u32,
    winding: Option<Winding>,
}

impl Upload {
    /// Begins a turn with what the store holds.
    //= frameio-c2c#5.3
    //# Addresses that are older than 24 hours are not used: another asset is made.
    //= frameio-c2c#8b
    //# none is created anew while its addresses live, and those left behind are counted
    #[must_use]
    pub fn begin(
        id: ItemId,
        size: u64,
        asset: Option<Asset>,
        promises: Promises,
        now: Now,
    ) -> (Upload, Vec<Action>) {
        let mut upload = Upload {
            id,
            size,
            promises,
            state: State::Finished,
            seq: Seq::default(),
            asset: None,
            todo: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            unrecorded: BTreeSet::new(),
            tries: std::collections::BTreeMap::new(),
            assets_tried: 0,
            rewinds: 0,
            early_cuts: 0,
            winding: None,
        };
        let lives = promises.addresses_live;
        let fresh =
            |a: &Asset| lives.is_none_or(|lives| now.age_of(a.created).is_some_and(|age| age < lives));
        // What is whole already needs no URL any more.
        let usable = |a: &Asset| !a.urls.is_empty() && (fresh(a) || missing(a, size).next().is_none());
        let actions = match asset {
            Some(asset) if usable(&asset) => upload.send(asset),
            Some(_) => upload.forget(),
            None => upload.create(),
        };
        (upload, actions)
    }

    /// Over: no more events matter.
    pub fn finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Would use a slot now.
    pub fn ready(&self) -> bool {
        let free = !self.promises.in_order || self.in_flight.is_empty();
        free && self.state == State::Sending && self.winding.is_none() && !self.todo.is_empty()
    }

    /// Parts that are on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Bytes of parts that are confirmed, and that is not on disk yet.
    pub fn unrecorded(&self) -> u64 {
        self.unrecorded.iter().filter_map(|n| self.part(*n)).map(|(_, _, len)| len).sum()
    }

    /// Its asset is not there yet, so that it will want slots soon.
    pub fn preparing(&self) -> bool {
        matches!(self.state, State::Creating(_) | State::Recording(..) | State::Forgetting(_))
            && self.winding.is_none()
    }

    /// Where the first part goes, which tells what it is a part of.
    pub fn address(&self) -> Option<&Secret> {
        self.asset.as_ref()?.urls.first()
    }

    /// The URL and the byte range of a part.
    pub fn part(&self, n: u32) -> Option<(&Secret, u64, u64)> {
        let asset = self.asset.as_ref()?;
        let (from, len) = asset.range(n, self.size)?;
        Some((asset.urls.get(n as usize)?, from, len))
    }

    /// Takes one event. Late news changes nothing.
    #[must_use]
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        match event {
            Event::Created(seq, answer) if self.state == State::Creating(seq) => self.created(answer, now),
            Event::Recorded(seq, ok) => self.recorded(seq, ok),
            Event::Slot => self.slot(),
            Event::Sent(n, answer) => self.sent(n, answer, now),
            Event::PartRecorded(n, ok) => self.part_recorded(n, ok),
            Event::Completed(seq, answer) if self.state == State::Completing(seq) => self.completed(answer),
            Event::Stop => self.wind_down(Winding::End(Ending::Stopped)),
            Event::Created(..) | Event::Completed(..) => vec![],
        }
    }

    fn created(&mut self, answer: Result<(String, Vec<Secret>), CreateError>, now: Now) -> Vec<Action> {
        match answer {
            Ok((_, urls)) if urls.is_empty() => self.finish(Ending::Later(
                Reason::Provider,
                "an asset without a URL to send it to".to_owned(),
                None,
            )),
            Ok((id, urls)) => {
                let seq = self.seq.step();
                let asset = Asset { id, urls, created: now, finished: vec![] };
                self.state = State::Recording(seq, asset.clone());
                vec![Action::Record(seq, asset)]
            }
            Err(e) => {
                let ending = self.stopped_or(e);
                self.finish(ending)
            }
        }
    }

    /// Where a stop came first, the answer is nobody's business any more: it may be for a token of another project.
    fn stopped_or(&mut self, e: CreateError) -> Ending {
        match (self.winding.take(), e) {
            (Some(Winding::End(ending)), _) => ending,
            (Some(Winding::Anew | Winding::Rewind(_)) | None, e) => match e {
                CreateError::Unauthorized => Ending::Unauthorized,
                CreateError::RecordedWhilePaused => Ending::Failed(
                    ItemReason::RecordedWhilePaused,
                    "the clip was made while the device was paused in the project".to_owned(),
                ),
                CreateError::Refused(why) => Ending::Failed(ItemReason::Refused, why),
                CreateError::Conflict(why) => Ending::Aside(why),
                CreateError::Forbidden(why) => Ending::Forbidden(why),
                CreateError::Storage => storage(),
                CreateError::Transient(t) => Ending::from(t),
            },
        }
    }

    fn recorded(&mut self, seq: Seq, ok: bool) -> Vec<Action> {
        let known = matches!(
            &self.state,
            State::Recording(s, _) | State::Forgetting(s) | State::Rewinding(s, _) if *s == seq
        );
        if !known {
            return vec![];
        }
        if !ok {
            // Taken away by a person meanwhile, or else the disk.
            let ending = match self.winding.take() {
                Some(Winding::End(ending)) => ending,
                Some(Winding::Anew | Winding::Rewind(_)) | None => storage(),
            };
            return self.finish(ending);
        }
        match std::mem::replace(&mut self.state, State::Finished) {
            // Ends at once where somebody has stopped it meanwhile.
            State::Recording(_, asset) => self.send(asset),
            State::Forgetting(_) if self.winding.is_none() => self.create(),
            State::Rewinding(_, n) if self.winding.is_none() => match self.asset.take() {
                Some(mut asset) => {
                    asset.finished.retain(|finished| *finished < n);
                    self.send(asset)
                }
                None => self.finish(storage()),
            },
            State::Forgetting(_)
            | State::Rewinding(..)
            | State::Creating(_)
            | State::Sending
            | State::Completing(_)
            | State::Finished => match self.winding.take() {
                Some(Winding::End(ending)) => self.finish(ending),
                Some(Winding::Anew | Winding::Rewind(_)) | None => self.finish(Ending::Stopped),
            },
        }
    }

    fn send(&mut self, asset: Asset) -> Vec<Action> {
        self.todo = few::set(missing(&asset, self.size));
        self.asset = Some(asset);
        self.tries.clear();
        self.state = State::Sending;
        self.settle()
    }

    fn slot(&mut self) -> Vec<Action> {
        if !self.ready() {
            return vec![];
        }
        let next = self.todo.pop_first();
        self.in_flight.extend(next);
        next.map(Action::Send).into_iter().collect()
    }

    /// Ends, or begins anew, once nothing is in flight and nothing is left to send.
    fn settle(&mut self) -> Vec<Action> {
        let calm = self.in_flight.is_empty() && self.unrecorded.is_empty();
        if !calm || (self.winding.is_none() && !self.todo.is_empty()) {
            return vec![];
        }
        match self.winding.take() {
            Some(Winding::Anew) => self.forget(),
            Some(Winding::Rewind(n)) => self.rewind(n),
            Some(Winding::End(ending)) => self.finish(ending),
            None if self.promises.completes => {
                let seq = self.seq.step();
                self.state = State::Completing(seq);
                vec![Action::Complete(seq)]
            }
            None => self.finish(Ending::Done),
        }
    }

    /// What is there is there, whoever has stopped it meanwhile.
    fn completed(&mut self, answer: Result<Completed, CreateError>) -> Vec<Action> {
        match answer {
            Ok(Completed::Done) => self.finish(Ending::Done),
            Ok(Completed::Gone(why)) => {
                self.state = State::Sending;
                self.url_dead(why)
            }
            Err(e) => {
                let ending = self.stopped_or(e);
                self.finish(ending)
            }
        }
    }

    fn sent(&mut self, n: u32, answer: Result<Confirmed, PartError>, now: Now) -> Vec<Action> {
        if self.state != State::Sending || !self.in_flight.remove(&n) {
            return vec![];
        }
        match answer {
            Ok(confirmed) => {
                self.early_cuts = 0;
                self.unrecorded.insert(n);
                vec![Action::RecordPart(n, confirmed)]
            }
            Err(PartError::Transient(t)) => {
                // A reset in the middle is worth another try at once; no way to the provider, or its wish for a pause,
                // is not.
                let worth = t.cause != Cause::CaptivePortal && t.maybe_applied && t.retry_after.is_none();
                self.again(n, worth, Ending::from(t))
            }
            Err(PartError::CutEarly(t)) => {
                self.early_cuts += 1;
                let created = self.asset.as_ref().and_then(|a| now.age_of(a.created));
                let may_age = self.promises.addresses_live.is_some();
                if may_age && self.early_cuts >= PART_TRIES && created.is_none_or(|age| age >= URL_SUSPECT) {
                    return self.url_dead(t.why);
                }
                self.again(n, true, Ending::from(t))
            }
            Err(PartError::Damaged(why)) => self.again(n, true, Ending::Aside(why)),
            Err(PartError::KeysOver(why)) => self.again(n, true, Ending::Forbidden(why)),
            Err(PartError::Forbidden(why)) => self.wind_down(Winding::End(Ending::Forbidden(why))),
            Err(PartError::UrlDead(why)) => self.url_dead(why),
            Err(PartError::Behind(has)) => self.behind(has),
            // Storages have been seen to refuse a good signature once; a second time it is the URL.
            Err(PartError::UrlRefused(_)) if !self.tries.contains_key(&n) && self.winding.is_none() => {
                self.tries.insert(n, 1);
                self.todo.insert(n);
                vec![]
            }
            Err(PartError::UrlRefused(why)) => self.url_dead(why),
            Err(PartError::Refused(why) | PartError::Unfound(why, _)) => {
                self.wind_down(Winding::End(Ending::Aside(why)))
            }
            Err(PartError::NotAnswering(why)) => self.wind_down(Winding::End(Ending::NotAnswering(why))),
            Err(PartError::File(word, why)) => self.wind_down(Winding::End(Ending::Failed(word, why))),
        }
    }

    /// Part `n` once more, where that is worth it and was not done often enough; else the end.
    //= frameio-c2c#6.3
    //# costs that part another try
    fn again(&mut self, n: u32, worth: bool, ending: Ending) -> Vec<Action> {
        let tries = self.tries.entry(n).or_default();
        *tries += 1;
        if worth && *tries < PART_TRIES && self.winding.is_none() {
            self.todo.insert(n);
            return vec![];
        }
        self.wind_down(Winding::End(ending))
    }

    fn part_recorded(&mut self, n: u32, ok: bool) -> Vec<Action> {
        if self.state != State::Sending || !self.unrecorded.remove(&n) {
            return vec![];
        }
        if !ok {
            return self.wind_down(Winding::End(storage()));
        }
        if let Some(asset) = &mut self.asset {
            asset.finished.push(n);
        }
        self.settle()
    }

    /// Lets what is in flight end first. What a person wants, and what is wrong with the file, go before the rest.
    fn wind_down(&mut self, to: Winding) -> Vec<Action> {
        if self.state == State::Finished {
            return vec![];
        }
        let weighty = matches!(to, Winding::End(Ending::Failed(..) | Ending::Stopped));
        if self.winding.is_none() || weighty {
            self.winding = Some(to);
        }
        match self.state {
            State::Sending => self.settle(),
            // What comes back from these is written down first: an asset must not be made twice.
            State::Creating(_)
            | State::Recording(..)
            | State::Forgetting(_)
            | State::Rewinding(..)
            | State::Completing(_)
            | State::Finished => vec![],
        }
    }

    fn finish(&mut self, ending: Ending) -> Vec<Action> {
        self.state = State::Finished;
        vec![Action::Finish(ending)]
    }
}

/// The parts that are not confirmed, of those that have bytes.
//= frameio-c2c#5.3
//# An upload goes on after the last part that was confirmed.
fn missing(asset: &Asset, size: u64) -> impl Iterator<Item = u32> {
    let parts = u32::try_from(asset.urls.len()).unwrap_or(0);
    (0..parts).filter(move |n| !asset.finished.contains(n) && asset.range(*n, size).is_some())
}

fn storage() -> Ending {
    Ending::Later(Reason::Storage, String::new(), None)
}

#[cfg(test)]
mod tests;
