//! Sending one clip: create its asset, put its parts, done. Everything durable is in the store, part by part.
//!
//! | State | Leaves by |
//! | --- | --- |
//! | `Creating` | an asset: `Recording`; a refusal: `Failed`; trouble: `Later` |
//! | `Recording` | the asset is on disk: `Sending` |
//! | `Sending` | all parts confirmed and on disk: `Finished(Done)`; dead URLs: `Creating`; trouble: `Later` |
//! | `Finished` | never |
//!
//! # Decisions
//! - Nothing is sent for an asset that is not on disk, and a part counts only once that is on disk: whatever is killed,
//!   what remains is sent again and nothing else.
//! - A part leaves only when the queue gives this turn a slot ([`Event::Slot`]): several clips share the line, and which
//!   of them goes next is not one clip's business.
//! - Trouble ends this turn and not the item: the queue decides when and whether this or another goes next. Trouble of
//!   the way (`Later`) is told from trouble of the clip (`Aside`), so that one bad clip never blocks the others.
//! - A storage that has had enough of a URL may close before it has read anything, and its answer may be lost. Such
//!   early cuts of an asset that has some age, with nothing going through in between, count as a dead URL; those of a
//!   young one as a bad line, because a new asset would throw the finished parts away.
use crate::domain::{
    item::{Asset, ItemId, PartDigest},
    oauth::{Cause, Trouble},
    secret::Secret,
    seq::Seq,
    time::Now,
    view::Reason,
};
use std::{collections::BTreeSet, time::Duration};

/// What an asset is asked for with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetRequest {
    /// What the cloud shall call it.
    pub name: String,
    /// MIME type; the parts must be sent under the same.
    pub filetype: String,
    /// Bytes.
    pub size: u64,
    /// How long ago the clip was made, at the moment of asking.
    pub offset: Duration,
    /// Which camera or recorder behind this rig made it (contract §5.6); 0 where there is only one.
    pub channel: u8,
}

/// What creating an asset can end in besides success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// The provider's own 401.
    Unauthorized,
    /// The clip was made while the device was paused: it is never to be uploaded.
    RecordedWhilePaused,
    /// This clip will not be taken; others may. One sentence.
    Refused(String),
    /// This clip will not be taken as things are; others may. One sentence.
    Conflict(String),
    /// The project takes this clip, and maybe any, only after a person has acted there: permission, plan, the project
    /// itself. One sentence.
    Forbidden(String),
    /// Try again later.
    Transient(Trouble),
}

/// What sending a part can end in besides success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartError {
    /// The URL will not work again: a new asset is needed. One sentence.
    UrlDead(String),
    /// The storage does not accept the URL, and does not say that its time is over. One sentence.
    UrlRefused(String),
    /// The storage refuses this part for a reason of its own. One sentence.
    Refused(String),
    /// The file is not what was queued. A word and one sentence.
    File(&'static str, String),
    /// What arrived is not what was read. One sentence.
    Damaged(String),
    /// The connection ended without an answer before much of the part had left.
    CutEarly(Trouble),
    /// Try again later.
    Transient(Trouble),
}

/// What is known of a part that arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// As the storage wrote it.
    pub etag: String,
    /// Of the bytes that were read for it.
    pub digest: Option<PartDigest>,
}

/// The URLs of an asset work for a day from its creation; not begun in the last minutes of it.
pub const URL_LIFE: Duration = Duration::from_secs(24 * 3600 - 600);
/// A part is tried this often in one turn.
const PART_TRIES: u32 = 3;
/// Assets whose URLs died at once, in one turn, before it is given up.
const ASSET_TRIES: u32 = 2;
/// Keys that sign URLs have been seen to live for an hour; before that a cut is a bad line.
const URL_SUSPECT: Duration = Duration::from_secs(3600);

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every part is confirmed and that is on disk.
    Done,
    /// Trying again would not help: a word and one sentence.
    Failed(&'static str, String),
    /// Back to the queue, and why: the way to the provider is in trouble, and the next clip would meet the same.
    Later(Reason, String, Option<Duration>),
    /// Back to the queue: this clip is in trouble, and others are not. One sentence.
    Aside(String),
    /// The same, and the others may meet the same. One sentence.
    Forbidden(String),
    /// A new access token is needed first.
    Unauthorized,
    /// A person, or the daemon's stop, took the turn away.
    Stopped,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The answer to [`Action::Create`].
    Created(Seq, Result<(String, Vec<Secret>), CreateError>),
    /// The answer to [`Action::Record`] and [`Action::Forget`]; true when it is on disk.
    Recorded(Seq, bool),
    /// One more part may be in flight. Changes nothing unless [`Upload::ready`].
    Slot,
    /// The answer to [`Action::Send`].
    Sent(u32, Result<Confirmed, PartError>),
    /// The answer to [`Action::RecordPart`]; true when it is on disk.
    PartRecorded(u32, bool),
    /// End the turn after what is in flight.
    Stop,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the provider for an asset.
    Create(Seq),
    /// Write the asset down, synced.
    Record(Seq, Asset),
    /// Write down that there is no usable asset any more.
    Forget(Seq),
    /// Send this part.
    Send(u32),
    /// Write down, synced, that this part is confirmed.
    RecordPart(u32, Confirmed),
    /// The turn is over.
    Finish(Ending),
}

/// What comes once nothing is in flight any more.
#[derive(Debug, PartialEq, Eq)]
enum Winding {
    /// The URLs are dead: another asset.
    Anew,
    End(Ending),
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Creating(Seq),
    Recording(Seq, Asset),
    Forgetting(Seq),
    Sending,
    Finished,
}

/// One turn of one item.
#[derive(Debug)]
pub struct Upload {
    /// Which.
    pub id: ItemId,
    size: u64,
    state: State,
    seq: Seq,
    asset: Option<Asset>,
    todo: BTreeSet<u32>,
    in_flight: BTreeSet<u32>,
    unrecorded: BTreeSet<u32>,
    tries: std::collections::BTreeMap<u32, u32>,
    assets_tried: u32,
    /// Early cuts since something went through.
    early_cuts: u32,
    winding: Option<Winding>,
}

impl Upload {
    /// Begins a turn with what the store holds.
    #[must_use]
    pub fn begin(id: ItemId, size: u64, asset: Option<Asset>, now: Now) -> (Upload, Vec<Action>) {
        let mut upload = Upload {
            id,
            size,
            state: State::Finished,
            seq: Seq::default(),
            asset: None,
            todo: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            unrecorded: BTreeSet::new(),
            tries: std::collections::BTreeMap::new(),
            assets_tried: 0,
            early_cuts: 0,
            winding: None,
        };
        let fresh = |a: &Asset| now.age_of(a.created).is_some_and(|age| age < URL_LIFE);
        let actions = match asset {
            Some(asset) if fresh(&asset) && !asset.urls.is_empty() => upload.send(asset),
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
        self.state == State::Sending && self.winding.is_none() && !self.todo.is_empty()
    }

    /// Parts that are on their way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Its asset is not there yet, so that it will want slots soon.
    pub fn preparing(&self) -> bool {
        matches!(self.state, State::Creating(_) | State::Recording(..) | State::Forgetting(_))
            && self.winding.is_none()
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
            Event::Stop => self.wind_down(Winding::End(Ending::Stopped)),
            Event::Created(..) => vec![],
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
            (Some(Winding::Anew) | None, e) => match e {
                CreateError::Unauthorized => Ending::Unauthorized,
                CreateError::RecordedWhilePaused => Ending::Failed(
                    "recorded-while-paused",
                    "the clip was made while the device was paused in the project".to_owned(),
                ),
                CreateError::Refused(why) => Ending::Failed("refused", why),
                CreateError::Conflict(why) => Ending::Aside(why),
                CreateError::Forbidden(why) => Ending::Forbidden(why),
                CreateError::Transient(t) => Ending::from(t),
            },
        }
    }

    fn recorded(&mut self, seq: Seq, ok: bool) -> Vec<Action> {
        let known = matches!(&self.state, State::Recording(s, _) | State::Forgetting(s) if *s == seq);
        if !known {
            return vec![];
        }
        if !ok {
            // Taken away by a person meanwhile, or else the disk.
            let ending = match self.winding.take() {
                Some(Winding::End(ending)) => ending,
                Some(Winding::Anew) | None => storage(),
            };
            return self.finish(ending);
        }
        match std::mem::replace(&mut self.state, State::Finished) {
            State::Recording(_, asset) if self.winding.is_none() => self.send(asset),
            State::Forgetting(_) if self.winding.is_none() => self.create(),
            State::Recording(..)
            | State::Forgetting(_)
            | State::Creating(_)
            | State::Sending
            | State::Finished => match self.winding.take() {
                Some(Winding::End(ending)) => self.finish(ending),
                Some(Winding::Anew) | None => self.finish(Ending::Stopped),
            },
        }
    }

    fn send(&mut self, asset: Asset) -> Vec<Action> {
        let parts = u32::try_from(asset.urls.len()).unwrap_or(0);
        self.todo = (0..parts)
            .filter(|n| !asset.finished.contains(n) && asset.range(*n, self.size).is_some())
            .collect();
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
            Some(Winding::End(ending)) => self.finish(ending),
            None => self.finish(Ending::Done),
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
                if self.early_cuts >= PART_TRIES && created.is_none_or(|age| age >= URL_SUSPECT) {
                    return self.url_dead(t.why);
                }
                self.again(n, true, Ending::from(t))
            }
            Err(PartError::Damaged(why)) => self.again(n, true, Ending::Aside(why)),
            Err(PartError::UrlDead(why)) => self.url_dead(why),
            // Storages have been seen to refuse a good signature once; a second time it is the URL.
            Err(PartError::UrlRefused(_)) if !self.tries.contains_key(&n) && self.winding.is_none() => {
                self.tries.insert(n, 1);
                self.todo.insert(n);
                vec![]
            }
            Err(PartError::UrlRefused(why)) => self.url_dead(why),
            Err(PartError::Refused(why)) => self.wind_down(Winding::End(Ending::Aside(why))),
            Err(PartError::File(word, why)) => self.wind_down(Winding::End(Ending::Failed(word, why))),
        }
    }

    /// Part `n` once more, where that is worth it and was not done often enough; else the end.
    fn again(&mut self, n: u32, worth: bool, ending: Ending) -> Vec<Action> {
        let tries = self.tries.entry(n).or_default();
        *tries += 1;
        if worth && *tries < PART_TRIES && self.winding.is_none() {
            self.todo.insert(n);
            return vec![];
        }
        self.wind_down(Winding::End(ending))
    }

    fn url_dead(&mut self, why: String) -> Vec<Action> {
        // Several parts of one asset may find it dead.
        if self.winding == Some(Winding::Anew) {
            return self.settle();
        }
        self.assets_tried += 1;
        self.early_cuts = 0;
        if self.assets_tried >= ASSET_TRIES {
            return self.wind_down(Winding::End(Ending::Aside(why)));
        }
        self.wind_down(Winding::Anew)
    }

    fn part_recorded(&mut self, n: u32, ok: bool) -> Vec<Action> {
        if self.state != State::Sending || !self.unrecorded.remove(&n) {
            return vec![];
        }
        if !ok {
            return self.wind_down(Winding::End(storage()));
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
            State::Creating(_) | State::Recording(..) | State::Forgetting(_) | State::Finished => vec![],
        }
    }

    fn create(&mut self) -> Vec<Action> {
        let seq = self.seq.step();
        self.state = State::Creating(seq);
        vec![Action::Create(seq)]
    }

    fn forget(&mut self) -> Vec<Action> {
        self.winding = None;
        self.asset = None;
        self.todo.clear();
        let seq = self.seq.step();
        self.state = State::Forgetting(seq);
        vec![Action::Forget(seq)]
    }

    fn finish(&mut self, ending: Ending) -> Vec<Action> {
        self.state = State::Finished;
        vec![Action::Finish(ending)]
    }
}

fn storage() -> Ending {
    Ending::Later(Reason::Storage, String::new(), None)
}

impl From<Trouble> for Ending {
    fn from(t: Trouble) -> Ending {
        let reason = match t.cause {
            Cause::Network => Reason::Network,
            Cause::CaptivePortal => Reason::CaptivePortal,
            Cause::Clock => Reason::Clock,
            Cause::Provider | Cause::RateLimited => Reason::Provider,
        };
        Ending::Later(reason, t.why, t.retry_after)
    }
}

#[cfg(test)]
mod tests;
