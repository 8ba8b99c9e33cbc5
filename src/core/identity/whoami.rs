//! Asking the provider, after every grant and refresh and now and then, who we are to it and which project we serve.
//!
//! Uploads wait for the first answer: a clip is bound to the project's id, and never goes anywhere else.
//!
//! | The answer | What it says of who authorized the rig | Then |
//! | --- | --- | --- |
//! | who we are | their name, or nothing that will be believed | nothing more; the ID token is let go |
//! | who we are | a document does not come ([`Wanting::Passing`]) | again with back-off, [`MOST_MORE`] times, and when the way may be open again; the ID token stays |
//! | who we are | a document is none ([`Wanting::Document`]) | again with the next access token; the ID token stays |
//! | none | | again with back-off, as long as there is a grant |
//!
//! # Decisions
//! - A name that does not come yet is no trouble that a screen shows: nobody waits for it, and the rig works.
//! - The ID token stays in memory only, until somebody has verified it: the next set of tokens may come without one, and
//!   takes it off the disk.
//! - An answer that says what is on disk already is not written again: it comes every few minutes, and cards wear out.
use std::time::Duration;

use crate::backoff::{Jitter, KEPT_DOUBLINGS, doubled};
use crate::disk::DiskError;
use crate::identity::tokens::Trouble;
use crate::oauth::{AccessToken, Cause, DeviceInfo, IdToken, TokenError, Wanting};
use crate::seq::Seq;
use crate::time::{BootTime, Now, WallTime};

const FIRST_RETRY: Duration = Duration::from_secs(2);
const MAX_RETRY: Duration = Duration::from_secs(600);
/// About three quarters of an hour.
const MOST_MORE: u32 = 12;

#[derive(Debug, PartialEq, Eq)]
enum State {
    Idle,
    Due { at: BootTime, attempt: u32 },
    InFlight { seq: Seq, token: AccessToken, attempt: u32 },
    Saving { seq: Seq, info: DeviceInfo, attempt: u32 },
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the request with this access token.
    Ask(Seq, AccessToken),
    /// Write the answer down, synced.
    Save(Seq, DeviceInfo),
    /// It is on disk: show it, bind clips to it.
    Known(DeviceInfo),
    /// The provider's own 401 for this token.
    Unauthorized(AccessToken),
    /// This token was accepted.
    Accepted(AccessToken),
}

/// At most one question at a time.
#[derive(Debug)]
pub struct Whoami {
    state: State,
    seq: Seq,
    jitter: Jitter,
    trouble: Option<Trouble>,
    /// Why the person's name has not come yet.
    wanting: Wanting,
    /// What may tell it, and when it came.
    statement: Option<Statement>,
}

/// An ID token, and when it came; `None` where no clock that can be trusted tells.
pub type Statement = (IdToken, Option<WallTime>);

impl Whoami {
    /// Nothing to ask.
    pub fn new(jitter: Jitter) -> Whoami {
        Whoami {
            state: State::Idle,
            seq: Seq::default(),
            jitter,
            trouble: None,
            wanting: Wanting::Nothing,
            statement: None,
        }
    }

    /// There is a new access token: ask now.
    #[must_use]
    pub fn ask(&mut self, token: AccessToken) -> Vec<Action> {
        let seq = self.seq.step();
        self.state = State::InFlight { seq, token: token.clone(), attempt: 0 };
        vec![Action::Ask(seq, token)]
    }

    /// Somebody may have paused the rig, or renamed its project: ask, unless that is under way or backing off.
    #[must_use]
    pub fn look(&mut self, token: &AccessToken) -> Vec<Action> {
        if self.state == State::Idle { self.ask(token.clone()) } else { vec![] }
    }

    /// Nothing is being asked, nor will be by itself.
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// There is no grant any more.
    pub fn stop(&mut self) {
        self.state = State::Idle;
        self.trouble = None;
        (self.wanting, self.statement) = (Wanting::Nothing, None);
    }

    /// What the next question carries: what came with the tokens in force, else what nobody could verify yet.
    pub fn statement(&mut self, came: Option<Statement>) -> Option<Statement> {
        if came.is_some() {
            self.statement = came;
        }
        self.statement.clone()
    }

    /// What kept the last question from being answered, or its answer from being written down.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// When [`Whoami::timer`] is next worth calling.
    pub fn deadline(&self) -> Option<BootTime> {
        match self.state {
            State::Due { at, .. } => Some(at),
            State::Idle | State::InFlight { .. } | State::Saving { .. } => None,
        }
    }

    /// The deadline may have passed. `token` is what may be used now; without one the question waits for the next.
    #[must_use]
    pub fn timer(&mut self, token: Option<&AccessToken>, now: Now) -> Vec<Action> {
        let State::Due { at, attempt } = self.state else { return vec![] };
        if now.boot < at {
            return vec![];
        }
        let Some(token) = token else {
            self.state = State::Idle;
            return vec![];
        };
        let seq = self.seq.step();
        self.state = State::InFlight { seq, token: token.clone(), attempt };
        vec![Action::Ask(seq, token.clone())]
    }

    /// The answer to [`Action::Ask`]. `known`: what is on disk.
    #[must_use]
    pub fn answered(
        &mut self,
        seq: Seq,
        answer: Result<DeviceInfo, TokenError>,
        known: Option<&DeviceInfo>,
        now: Now,
    ) -> Vec<Action> {
        let State::InFlight { seq: s, token, attempt } = &self.state else { return vec![] };
        if *s != seq {
            return vec![];
        }
        let (token, attempt) = (token.clone(), *attempt);
        match answer {
            Ok(info) if known.is_some_and(|known| known.same_on_disk(&info)) => {
                self.trouble = None;
                self.told(info.wanting, attempt, now);
                vec![Action::Accepted(token), Action::Known(info)]
            }
            Ok(info) => {
                self.trouble.take_if(|t| matches!(t, Trouble::Exchange(..)));
                self.state = State::Saving { seq, info: info.clone(), attempt };
                vec![Action::Accepted(token), Action::Save(seq, info)]
            }
            // A refresh follows, and after it the next question.
            Err(TokenError::Unauthorized) => {
                self.state = State::Idle;
                vec![Action::Unauthorized(token)]
            }
            Err(TokenError::Transient(t)) => {
                let (cause, word) = t.shown();
                self.trouble = Some(Trouble::Exchange(cause, word));
                self.later(attempt, t.retry_after.unwrap_or_default(), now)
            }
            Err(
                e @ (TokenError::AuthorizationPending
                | TokenError::SlowDown(_)
                | TokenError::AccessDenied
                | TokenError::ExpiredToken
                | TokenError::InvalidGrant(_)
                | TokenError::ClientRejected(_)
                | TokenError::NotAllowed(_)
                | TokenError::Rejected(_)),
            ) => {
                self.trouble = Some(Trouble::Exchange(Cause::Provider, e.to_string()));
                self.later(attempt, Duration::ZERO, now)
            }
        }
    }

    /// The answer to [`Action::Save`].
    #[must_use]
    pub fn saved(&mut self, seq: Seq, outcome: Result<(), DiskError>, now: Now) -> Vec<Action> {
        let State::Saving { seq: s, info, attempt } = &self.state else { return vec![] };
        if *s != seq {
            return vec![];
        }
        if let Err(e) = outcome {
            let attempt = *attempt;
            self.trouble = Some(Trouble::Storage(e));
            return self.later(attempt, Duration::ZERO, now);
        }
        let (info, attempt) = (info.clone(), *attempt);
        self.trouble = None;
        self.told(info.wanting, attempt, now);
        vec![Action::Known(info)]
    }

    /// Of who authorized the rig so much is known now.
    fn told(&mut self, wanting: Wanting, attempt: u32, now: Now) {
        self.wanting = wanting;
        self.state = State::Idle;
        match wanting {
            Wanting::Nothing => self.statement = None,
            Wanting::Passing(_) if attempt < MOST_MORE => {
                let _ = self.later(attempt, Duration::ZERO, now);
            }
            Wanting::Passing(_) | Wanting::Document => {}
        }
    }

    /// Some troubles may be over: a question that waits because of one of those is asked at `at`.
    pub fn hurry(&mut self, at: BootTime, over: impl Fn(Cause) -> bool) {
        let no_name = matches!(self.wanting, Wanting::Passing(cause) if over(cause));
        let over = no_name || matches!(self.trouble, Some(Trouble::Exchange(cause, _)) if over(cause));
        match &mut self.state {
            State::Idle if no_name => self.state = State::Due { at, attempt: 0 },
            State::Due { at: due, attempt } if over => {
                (*due, *attempt) = ((*due).min(at), (*attempt).min(KEPT_DOUBLINGS));
            }
            // On the old way still, as far as we know.
            State::InFlight { attempt, .. } => *attempt = (*attempt).min(KEPT_DOUBLINGS),
            State::Idle | State::Due { .. } | State::Saving { .. } => {}
        }
    }

    fn later(&mut self, attempt: u32, at_least: Duration, now: Now) -> Vec<Action> {
        let wait = self.jitter.spread(doubled(FIRST_RETRY, attempt, MAX_RETRY)).max(at_least);
        self.state = State::Due { at: now.boot + wait, attempt: attempt.saturating_add(1) };
        vec![]
    }
}

#[cfg(test)]
mod tests;
