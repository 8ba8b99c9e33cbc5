//! Telling the provider that a grant is over, until it has heard it.
//!
//! One record for each grant that was ended here. What is needed to revoke it lies sealed on the disk, apart from everything
//! that is in use; here are only its number and its times.
//!
//! | State | Leaves by |
//! | --- | --- |
//! | `Saving` | on disk: `Asking`, or `Later` where it may not be asked; not on disk: gone, and the grant is as it was |
//! | `Asking` | confirmed, not offered, refused for good, or the week is over: `Erasing`; anything else, and a pairing that waits no longer: `Later` |
//! | `Later` | its time, while it may be asked: `Asking`; the week is over while it may not: `Erasing` |
//! | `Erasing` | off the disk: gone; the disk refuses: `Erasing`, again later |
//!
//! # Decisions
//! - On disk before the first request leaves, in the same step that takes the tokens out of use: there is no moment at which
//!   a power cut leaves a live token at the provider and nobody who knows of it.
//! - Not while a grant is in force or a pairing runs. Frame.io forgets the device, Auth0 and Google whatever the same person
//!   gave the same application: a late word about the old grant could end the new one. So long it waits; and a pairing
//!   waits for a request that is under way, for a bounded time, after which that is given up.
//! - A refusal of whoever asks (the client, its rights, a bare 401) is not one of the token: providers say that while their
//!   own database is away, gateways in their place, and a new secret may help. A refusal of the request is final: an
//!   unknown token is answered with success (RFC 7009 §2.2), so what else is refused will be.
//! - The week is counted by the boot clock. Across boots the wall clock is believed, where it does not run backwards and was
//!   ever set; and each start has an hour before it gives up.
use std::time::Duration;

use crate::backoff::{Jitter, KEPT_DOUBLINGS, doubled};
use crate::few;
use crate::oauth::{Revoked, TokenError};
use crate::seq::Seq;
use crate::time::{BootTime, Now, WallTime};
use rigpost_contract::ending::Revocation;

const FIRST_RETRY: Duration = Duration::from_secs(30);
const MAX_RETRY: Duration = Duration::from_secs(3600);
/// As long as it is tried.
pub const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// What is left of it at each start, whatever the clock says.
const LAST: Duration = Duration::from_secs(3600);
/// So many are kept; of more the oldest goes.
pub const MOST: usize = 8;
const ERASE_RETRY: Duration = Duration::from_secs(60);

/// A grant that was ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevocationId(pub u64);

/// What the store held of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub id: RevocationId,
    /// Of the provider that is configured: no other one is asked.
    pub ours: bool,
    /// How it stood when that was written down.
    pub progress: Progress,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Requests that came to nothing.
    pub tries: u32,
    /// Of the week.
    pub spent: Duration,
    /// As of then.
    pub noted: Now,
}

/// Why one is no longer kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// The provider has revoked the grant.
    Confirmed,
    /// The provider can't be told.
    NotOffered,
    /// The provider has said no, in this word.
    Refused(String),
    /// A week has passed. What stood in the way last.
    GivenUp(String),
}

/// What became of it, for whoever waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// In one word.
    pub revocation: Revocation,
    /// The provider's own, or what stood in the way.
    pub detail: String,
    /// It is tried again.
    pub kept: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the request.
    Ask(Seq, RevocationId),
    /// To the disk, with what stood in the way. Nobody waits for it.
    Note(RevocationId, Progress, String),
    /// Off the disk.
    Erase(RevocationId, Over),
    /// To whoever waits for it.
    Tell(RevocationId, Told),
}

#[derive(Debug)]
enum State {
    Saving,
    Asking(Seq),
    Later(BootTime),
    /// `None`: on its way.
    Erasing(Over, Option<BootTime>),
}

#[derive(Debug)]
struct Record {
    id: RevocationId,
    ours: bool,
    tries: u32,
    /// Of the week, until `since`.
    spent: Duration,
    since: BootTime,
    /// What stood in the way last.
    why: String,
    state: State,
}

impl Record {
    fn ends_at(&self) -> BootTime {
        self.since + PATIENCE.saturating_sub(self.spent)
    }

    fn erase(&mut self, over: Over) -> Action {
        self.state = State::Erasing(over.clone(), None);
        Action::Erase(self.id, over)
    }
}

/// All that the provider has not heard yet.
#[derive(Debug)]
pub struct Revocations {
    /// Oldest first.
    records: Vec<Record>,
    seq: Seq,
    jitter: Jitter,
}

impl Revocations {
    /// There are none.
    pub fn new(jitter: Jitter) -> Revocations {
        Revocations { records: vec![], seq: Seq::default(), jitter }
    }

    /// How many are on the disk.
    pub fn pending(&self) -> u32 {
        u32::try_from(self.on_disk().count()).unwrap_or(u32::MAX)
    }

    fn on_disk(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| !matches!(record.state, State::Saving))
    }

    /// The store was read: what it held is tried at once.
    pub fn loaded(&mut self, kept: Vec<Kept>, now: Now) {
        let record = |Kept { id, ours, progress }| Record {
            id,
            ours,
            tries: progress.tries,
            // A start has the last hour in any case: the network comes up after the rig.
            spent: (progress.spent + passed(progress.noted, now)).min(PATIENCE.saturating_sub(LAST)),
            since: now.boot,
            why: String::new(),
            state: State::Later(now.boot),
        };
        self.records = kept.into_iter().map(record).collect();
        few::sort_by_key(&mut self.records, |record| record.id);
    }

    /// One more, on its way to the disk, and those that go for it.
    pub fn keep(&mut self, now: Now) -> (RevocationId, Vec<RevocationId>) {
        let last = self.records.iter().map(|record| record.id.0).max().unwrap_or(0);
        let id = RevocationId(last.saturating_add(1));
        let too_many = (self.records.len() + 1).saturating_sub(MOST);
        let gone = self.records.iter().take(too_many).map(|record| record.id).collect();
        self.records.push(Record {
            id,
            ours: true,
            tries: 0,
            spent: Duration::ZERO,
            since: now.boot,
            why: String::new(),
            state: State::Saving,
        });
        (id, gone)
    }

    /// It is on disk: it is asked for now, or as soon as it may be. Or it is not, and never was.
    #[must_use]
    pub fn saved(&mut self, id: RevocationId, on_disk: bool, may: bool, now: Now) -> Vec<Action> {
        let is_saving = |r: &Record| r.id == id && matches!(r.state, State::Saving);
        let Some(place) = self.records.iter().position(is_saving) else { return vec![] };
        if !on_disk {
            self.records.remove(place);
            return vec![];
        }
        if let (false, Some(record)) = (may, self.records.get_mut(place)) {
            record.state = State::Later(now.boot);
            return vec![];
        }
        self.ask(place).into_iter().collect()
    }

    /// A request is under way.
    pub fn asking(&self) -> bool {
        self.records.iter().any(|record| matches!(record.state, State::Asking(_)))
    }

    /// Requests that are under way are given up: asked again as soon as it may be.
    #[must_use]
    pub fn cut(&mut self, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        for record in self.records.iter_mut().filter(|record| matches!(record.state, State::Asking(_))) {
            record.state = State::Later(now.boot);
            let (revocation, detail) =
                (Revocation::NotReached, "a new pairing began before it answered".to_owned());
            out.push(Action::Tell(record.id, Told { revocation, detail, kept: true }));
        }
        out
    }

    /// These are off the disk.
    pub fn gone(&mut self, ids: &[RevocationId]) {
        self.records.retain(|record| !ids.contains(&record.id));
    }

    /// All that are on the disk.
    pub fn all(&self) -> Vec<RevocationId> {
        self.on_disk().map(|record| record.id).collect()
    }

    /// Somebody asks for the newest one: it is tried now.
    #[must_use]
    pub fn newest_now(&mut self) -> Option<(RevocationId, Vec<Action>)> {
        let place = self.records.iter().rposition(|record| record.ours)?;
        let id = self.records.get(place)?.id;
        match self.records.get(place)?.state {
            State::Later(_) => Some((id, self.ask(place).into_iter().collect())),
            State::Asking(_) => Some((id, vec![])),
            State::Saving | State::Erasing(..) => None,
        }
    }

    /// Another network: what waits is tried at `at`.
    pub fn hurry(&mut self, at: BootTime) {
        for record in self.records.iter_mut().filter(|record| record.ours) {
            if let State::Later(due) = &mut record.state {
                (*due, record.tries) = ((*due).min(at), record.tries.min(KEPT_DOUBLINGS));
            }
        }
    }

    /// When [`Revocations::timer`] is next worth calling. `may`: no grant is in force, and no pairing runs.
    pub fn deadline(&self, may: bool) -> Option<BootTime> {
        let due = |record: &Record| match &record.state {
            State::Later(at) if may && record.ours => Some(*at),
            State::Later(_) => Some(record.ends_at()),
            State::Erasing(_, at) => *at,
            State::Saving | State::Asking(_) => None,
        };
        self.records.iter().filter_map(due).min()
    }

    /// What is due.
    #[must_use]
    pub fn timer(&mut self, may: bool, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        for place in 0..self.records.len() {
            let Some(record) = self.records.get_mut(place) else { break };
            match &record.state {
                State::Later(at) if may && record.ours && now.boot >= *at => out.extend(self.ask(place)),
                State::Later(_) if !(may && record.ours) && now.boot >= record.ends_at() => {
                    let why = std::mem::take(&mut record.why);
                    out.push(record.erase(Over::GivenUp(why)));
                }
                State::Erasing(over, Some(at)) if now.boot >= *at => {
                    let over = over.clone();
                    out.push(record.erase(over));
                }
                State::Saving | State::Asking(_) | State::Later(_) | State::Erasing(..) => {}
            }
        }
        out
    }

    /// The provider's answer. Late news changes nothing.
    #[must_use]
    pub fn answered(&mut self, seq: Seq, answer: Result<Revoked, TokenError>, now: Now) -> Vec<Action> {
        let is_asked = |r: &&mut Record| matches!(r.state, State::Asking(s) if s == seq);
        let Some(record) = self.records.iter_mut().find(is_asked) else { return vec![] };
        let e = match answer {
            Ok(Revoked::Confirmed) => return vec![record.erase(Over::Confirmed)],
            Ok(Revoked::NotOffered) => return vec![record.erase(Over::NotOffered)],
            Err(e) => e,
        };
        let (revocation, least) = match &e {
            //= https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1
            //# If the server responds with HTTP status code 503, the client must assume the token still
            //# exists
            TokenError::Transient(t) => (Revocation::NotReached, t.retry_after),
            TokenError::SlowDown(wait) => (Revocation::NotReached, *wait),
            TokenError::AuthorizationPending => (Revocation::NotReached, None),
            TokenError::ClientRejected(_)
            | TokenError::AccessDenied
            | TokenError::NotAllowed(_)
            | TokenError::Unauthorized => (Revocation::Refused, None),
            TokenError::ExpiredToken | TokenError::InvalidGrant(_) | TokenError::Rejected(_) => {
                return vec![record.erase(Over::Refused(e.to_string()))];
            }
        };
        let why = e.to_string();
        let spent = record.spent + now.boot.since(record.since);
        if spent >= PATIENCE {
            return vec![record.erase(Over::GivenUp(why))];
        }
        let wait = self.jitter.spread(doubled(FIRST_RETRY, record.tries, MAX_RETRY));
        let wait = wait.max(least.unwrap_or_default()).min(MAX_RETRY);
        record.tries = record.tries.saturating_add(1);
        record.why.clone_from(&why);
        record.state = State::Later((now.boot + wait).min(record.ends_at()));
        let told = Told { revocation, detail: why.clone(), kept: true };
        let progress = Progress { tries: record.tries, spent, noted: now };
        vec![Action::Note(record.id, progress, why), Action::Tell(record.id, told)]
    }

    /// What an [`Action::Erase`] came to. Who waits is told in either case: what the provider said stands.
    #[must_use]
    pub fn erased(&mut self, id: RevocationId, off_disk: bool, now: Now) -> Vec<Action> {
        let Some(place) = self.records.iter().position(|record| record.id == id) else { return vec![] };
        let Some(record) = self.records.get_mut(place) else { return vec![] };
        let State::Erasing(over, at) = &mut record.state else { return vec![] };
        *at = Some(now.boot + ERASE_RETRY);
        let told = Action::Tell(id, told(over));
        if off_disk {
            self.records.remove(place);
        }
        vec![told]
    }

    /// How one stands, for who can't wait any longer.
    pub fn stands(&self, id: RevocationId) -> Told {
        let record = self.records.iter().find(|record| record.id == id);
        match record.map(|record| &record.state) {
            Some(State::Erasing(over, _)) => told(over),
            stands @ (Some(State::Saving | State::Asking(_) | State::Later(_)) | None) => {
                let detail = "no answer in time".to_owned();
                Told { revocation: Revocation::NotReached, detail, kept: stands.is_some() }
            }
        }
    }

    fn ask(&mut self, place: usize) -> Option<Action> {
        let seq = self.seq.step();
        let record = self.records.get_mut(place)?;
        record.state = State::Asking(seq);
        Some(Action::Ask(seq, record.id))
    }
}

fn told(over: &Over) -> Told {
    let (revocation, detail) = match over {
        Over::Confirmed => (Revocation::Revoked, String::new()),
        Over::NotOffered => (Revocation::NotOffered, String::new()),
        Over::Refused(word) => (Revocation::Refused, word.clone()),
        Over::GivenUp(why) => (Revocation::NotReached, why.clone()),
    };
    Told { revocation, detail, kept: false }
}

/// How much of the week has passed since; a clock that was never set tells nothing.
fn passed(then: Now, now: Now) -> Duration {
    let known = then.boot_id == now.boot_id || then.wall >= WallTime::FIRST;
    now.age_of(then).filter(|_| known).unwrap_or_default()
}

#[cfg(test)]
mod tests;
