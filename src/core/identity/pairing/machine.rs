//! The machine of a pairing. [`Pairing::on`] takes what happened and when, and says what to do.
//!
//! | State | Leaves by |
//! | --- | --- |
//! | `Idle` | `Start`, or `Resume` after a restart |
//! | `Requesting` | an answer: `Saving`; trouble: `RequestLater`, or the end when a caller is waiting for the first code |
//! | `RequestLater` | its time |
//! | `Saving` | the code is on disk: `Waiting`, and only now shown; not written: the end |
//! | `Waiting` | a grant, a refusal; a code that ran out: `Requesting` |
//!
//! # Decisions
//! - The server judges the code's end: we poll once more after `expires_in` and believe the answer, because a person
//!   who typed the code in its last second has a grant waiting.
//! - A person waits for the first code, so it is tried for at most [`FIRST_CODE_PATIENCE`] and then refused by name.
//!   Renewals are tried for ever.
//! - A code that the server does not know is asked for once more before that is believed: a cluster may not have it
//!   everywhere yet. After that it gets another, but never more than one a minute that no person has asked for.
//! - Codes live only while somebody looks: one that nobody waits for any more is what a stranger can have somebody else
//!   approve (draft-ietf-oauth-cross-device-security §6.1.1). Whoever looks says so again and again.
//! - A time limit does not cut off a poll in flight: its answer may be the grant. A cancel does, and a grant that comes
//!   all the same is handed out to be revoked.
use std::time::Duration;

use crate::backoff::{Jitter, doubled};
use crate::disk::DiskError;
use crate::identity::pairing::event::{Action, Event, Outcome};
use crate::identity::pairing::stored::{CodeOnOffer, Running, TimeLimit};
use crate::oauth::{Cause, DeviceAuthorization, TokenError, TokenResponse};
use crate::seq::Seq;
use crate::time::{BootTime, Now};

/// RFC 8628 §3.5: `slow_down` adds five seconds to this and all later waits.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// Polling at exactly the interval reads as too early on servers that count from their own clock.
const POLL_SLACK: Duration = Duration::from_millis(250);
const MAX_WAIT: Duration = Duration::from_secs(60);
/// More between two polls than any code lives.
const MAX_INTERVAL: Duration = Duration::from_secs(3600);
/// Between two codes that nobody has asked for, where the first has not run out.
const LEAST_BETWEEN_CODES: Duration = Duration::from_secs(60);
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// No new try of the first code begins later than this after `Start`.
pub const FIRST_CODE_PATIENCE: Duration = Duration::from_secs(12);

#[derive(Debug)]
pub(super) enum State {
    Idle,
    Requesting {
        seq: Seq,
        attempt: u32,
    },
    RequestLater {
        at: BootTime,
        attempt: u32,
    },
    Saving {
        seq: Seq,
        code: CodeOnOffer,
    },
    /// `unknown`: the server has said once that it does not know the code.
    Waiting {
        code: CodeOnOffer,
        interval: Duration,
        troubles: u32,
        unknown: bool,
        poll: Poll,
    },
}

#[derive(Debug)]
pub(super) enum Poll {
    /// Not before `soonest`, whatever happens: the provider's interval.
    At {
        at: BootTime,
        soonest: BootTime,
    },
    InFlight(Seq),
}

impl Poll {
    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
    //# Before each new request, the client MUST wait at least the number of seconds specified by the
    //# "interval" parameter
    pub(super) fn after(wait: Duration, now: Now) -> Poll {
        let at = now.boot + wait + POLL_SLACK;
        Poll::At { at, soonest: at }
    }
}

/// All pairings of one rig, at most one at a time.
#[derive(Debug)]
pub struct Pairing {
    pub(super) state: State,
    seq: Seq,
    jitter: Jitter,
    /// A caller waits for the first code, since then.
    first: Option<BootTime>,
    limit_at: Option<BootTime>,
    /// The limit is only that somebody looks.
    attended: bool,
    /// The last transient trouble, until something works again, and the provider's word where it gave one.
    pub(super) trouble: Option<(Cause, String)>,
    /// The last code that the server declared dead before its time was replaced then.
    replaced: Option<BootTime>,
}

impl Pairing {
    /// Idle. The jitter's seed only spreads retries.
    pub fn new(jitter: Jitter) -> Pairing {
        Pairing {
            state: State::Idle,
            seq: Seq::default(),
            jitter,
            first: None,
            limit_at: None,
            attended: false,
            trouble: None,
            replaced: None,
        }
    }

    /// True from `Start` or `Resume` to `Finish`.
    pub fn active(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// A poll is in flight: its answer may bring tokens that are given out only once.
    pub fn polling(&self) -> bool {
        matches!(self.state, State::Waiting { poll: Poll::InFlight(_), .. })
    }

    /// The code to show, and when it runs out; only once it is on disk.
    pub fn code(&self) -> Option<(&DeviceAuthorization, BootTime)> {
        match &self.state {
            State::Waiting { code, .. } => Some((&code.auth, code.obtained.boot + code.auth.expires_in)),
            State::Idle | State::Requesting { .. } | State::RequestLater { .. } | State::Saving { .. } => {
                None
            }
        }
    }

    /// The transient trouble that stands in the way now.
    pub fn trouble(&self) -> Option<(Cause, &str)> {
        self.trouble.as_ref().map(|(cause, why)| (*cause, why.as_str()))
    }

    /// When [`Event::Timer`] is next worth sending.
    pub fn deadline(&self) -> Option<BootTime> {
        let own = match &self.state {
            State::RequestLater { at, .. } | State::Waiting { poll: Poll::At { at, .. }, .. } => Some(*at),
            // The answer will come, or the request's own time-out will. A limit waits for the answer to a poll.
            State::Waiting { poll: Poll::InFlight(_), .. } => return None,
            State::Idle | State::Requesting { .. } | State::Saving { .. } => None,
        };
        match (own, self.limit_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Takes one event. Late answers, and events that make no sense now, change nothing.
    #[must_use]
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        match event {
            Event::Start { limit } => self.start(limit, now),
            Event::Attended(patience) => self.attended(now.boot + patience, now),
            Event::Resume(running) => self.resume(running, now),
            //= frameio-c2c#7
            //# An authorization can be cancelled at every step.
            Event::Cancel if self.active() => self.finish(Outcome::Cancelled),
            Event::Cancel => vec![],
            Event::Timer => self.timer(now),
            Event::Code(seq, answer) => match &self.state {
                State::Requesting { seq: s, attempt } if *s == seq => self.code_answer(answer, *attempt, now),
                State::Idle
                | State::Requesting { .. }
                | State::RequestLater { .. }
                | State::Saving { .. }
                | State::Waiting { .. } => vec![],
            },
            Event::Saved(seq, outcome) => self.saved(seq, outcome, now),
            Event::Polled(seq, answer) => match &self.state {
                State::Waiting { poll: Poll::InFlight(s), .. } if *s == seq => self.poll_answer(answer, now),
                State::Idle
                | State::Requesting { .. }
                | State::RequestLater { .. }
                | State::Saving { .. }
                | State::Waiting { .. } => answer.ok().map(Action::Discard).into_iter().collect(),
            },
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
    //# the client SHOULD only commence a device authorization request when prompted by the user and not
    //# automatically
    fn start(&mut self, limit: Option<Duration>, now: Now) -> Vec<Action> {
        let limit_at = limit.map(|l| now.boot + l);
        if self.active() {
            let Some(at) = limit_at.filter(|at| self.limit_at.is_none_or(|old| *at < old)) else {
                return vec![];
            };
            (self.limit_at, self.attended) = (Some(at), false);
            return self.limit(now).map(Action::SaveLimit).into_iter().collect();
        }
        self.first = Some(now.boot);
        (self.limit_at, self.attended) = (limit_at, false);
        self.trouble = None;
        self.request(0)
    }

    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
    //# SHOULD wait for user interaction before restarting
    fn attended(&mut self, until: BootTime, now: Now) -> Vec<Action> {
        let is_limited = !self.attended && self.limit_at.is_some();
        if !self.active() || is_limited || self.limit_at.is_some_and(|at| at >= until) {
            return vec![];
        }
        (self.limit_at, self.attended) = (Some(until), true);
        // Before there is a code it is written with that.
        let on_disk = matches!(self.state, State::Waiting { .. });
        self.limit(now).filter(|_| on_disk).map(Action::SaveLimit).into_iter().collect()
    }

    fn resume(&mut self, running: Running, now: Now) -> Vec<Action> {
        if self.active() {
            return vec![];
        }
        // Whoever has set a limit is gone with the run before.
        (self.limit_at, self.attended) = (running.limit.map(|limit| limit.ends(now)), true);
        if self.limit_at.is_some_and(|at| now.boot >= at) {
            return self.finish(Outcome::Expired);
        }
        // From here on it counts by the clock of this boot.
        let mut actions: Vec<_> = self.limit(now).map(Action::SaveLimit).into_iter().collect();
        let good = running
            .code
            .filter(|c| c.obtained.boot_id == now.boot_id && now.boot < c.obtained.boot + c.auth.expires_in);
        let Some(code) = good else {
            actions.extend(self.request(0));
            return actions;
        };
        let interval = code.auth.interval;
        // When the last poll was is not known: wait a whole interval.
        let poll = Poll::after(interval, now);
        self.state = State::Waiting { code, interval, troubles: 0, unknown: false, poll };
        actions.push(Action::CodeReady);
        actions
    }

    /// The limit, as it is stored now.
    fn limit(&self, now: Now) -> Option<TimeLimit> {
        self.limit_at.map(|at| TimeLimit { since: now, left: at.since(now.boot) })
    }

    fn code_answer(
        &mut self,
        answer: Result<DeviceAuthorization, TokenError>,
        attempt: u32,
        now: Now,
    ) -> Vec<Action> {
        match answer {
            Ok(auth) => {
                self.trouble = None;
                let seq = self.seq.step();
                let code = CodeOnOffer { auth, obtained: now };
                self.state = State::Saving { seq, code: code.clone() };
                vec![Action::SaveCode(seq, code, self.limit(now))]
            }
            Err(e @ TokenError::SlowDown(_)) => {
                self.request_later(e, (Cause::RateLimited, String::new()), SLOW_DOWN, attempt, now)
            }
            Err(TokenError::Transient(t)) => {
                let wait = doubled(FIRST_RETRY, attempt, MAX_WAIT).max(t.retry_after.unwrap_or_default());
                let shown = t.shown();
                self.request_later(TokenError::Transient(t), shown, wait, attempt, now)
            }
            Err(
                e @ (TokenError::AuthorizationPending
                | TokenError::AccessDenied
                | TokenError::ExpiredToken
                | TokenError::InvalidGrant(_)
                | TokenError::ClientRejected(_)
                | TokenError::NotAllowed(_)
                | TokenError::Unauthorized
                | TokenError::Rejected(_)),
            ) => self.finish(Outcome::Failed(e)),
        }
    }

    fn request_later(
        &mut self,
        e: TokenError,
        trouble: (Cause, String),
        wait: Duration,
        attempt: u32,
        now: Now,
    ) -> Vec<Action> {
        let at = now.boot + wait;
        if self.first.is_some_and(|since| at > since + FIRST_CODE_PATIENCE) {
            return self.finish(Outcome::Failed(e));
        }
        self.trouble = Some(trouble);
        let at = if self.first.is_some() { at } else { now.boot + self.jitter.spread(wait) };
        self.state = State::RequestLater { at, attempt: attempt.saturating_add(1) };
        vec![]
    }

    fn saved(&mut self, seq: Seq, outcome: Result<(), DiskError>, now: Now) -> Vec<Action> {
        let State::Saving { seq: s, code } = &self.state else { return vec![] };
        if *s != seq {
            return vec![];
        }
        if let Err(why) = outcome {
            return self.finish(Outcome::Storage(why));
        }
        let (code, interval) = (code.clone(), code.auth.interval);
        let poll = Poll::after(interval, now);
        self.state = State::Waiting { code, interval, troubles: 0, unknown: false, poll };
        self.first = None;
        vec![Action::CodeReady]
    }

    fn poll_answer(&mut self, answer: Result<TokenResponse, TokenError>, now: Now) -> Vec<Action> {
        let State::Waiting { code, interval, troubles, unknown, poll } = &mut self.state else {
            return vec![];
        };
        let expires_at = code.obtained.boot + code.auth.expires_in;
        let mut slower = None;
        match answer {
            Ok(tokens) => {
                self.reset();
                return vec![Action::Grant(tokens), Action::Finish(Outcome::Granted)];
            }
            //= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
            //# If the client receives an error response with any other error code, it MUST stop polling
            Err(TokenError::AccessDenied) => return self.finish(Outcome::Denied),
            //= frameio-c2c#3.2
            //# invalid_client to a poll is a mistake of the configuration and ends the pairing.
            Err(e @ TokenError::ClientRejected(_)) => return self.finish(Outcome::Failed(e)),
            // Some servers forget a code, and the word for it, with its time.
            Err(
                TokenError::ExpiredToken
                | TokenError::InvalidGrant(_)
                | TokenError::NotAllowed(_)
                | TokenError::Unauthorized
                | TokenError::Rejected(_),
            ) if now.boot >= expires_at => return self.request(0),
            //= frameio-c2c#3.2
            //# expired_token: another code is asked for on a new connection, and shown.
            Err(TokenError::ExpiredToken) => {
                return self.replace("the code has expired before its time", now);
            }
            //= frameio-c2c#3.2
            //# invalid_grant to a poll: the code is dead, another is asked for.
            Err(TokenError::InvalidGrant(word)) if *unknown => return self.replace(&word, now),
            Err(TokenError::InvalidGrant(word)) => {
                *unknown = true;
                self.trouble = Some((Cause::Provider, word));
                *poll = Poll::after(*interval, now);
                return self.after_poll(expires_at, now);
            }
            //= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
            //# The client SHOULD repeat the access token request to the token endpoint (a process known as
            //# polling).
            Err(TokenError::AuthorizationPending) => {
                *troubles = 0;
                self.trouble = None;
                *poll = Poll::after(*interval, now);
            }
            //= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
            //# the interval MUST be increased by 5 seconds for this and all subsequent requests
            Err(TokenError::SlowDown(named)) => {
                *interval =
                    interval.saturating_add(SLOW_DOWN).max(named.unwrap_or_default().min(MAX_INTERVAL));
                slower = Some(Action::SaveInterval(*interval));
                self.trouble = None;
                *poll = Poll::after(*interval, now);
            }
            //= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
            //# On encountering a connection timeout, clients MUST unilaterally reduce their polling frequency
            //# before retrying.
            //= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
            //# The use of an exponential backoff algorithm to achieve this
            //= frameio-c2c#3.2
            //# Trouble with the network ends no pairing: polls come less often, and go on until the code has
            //# run out.
            Err(TokenError::Transient(t)) => {
                *troubles = troubles.saturating_add(1);
                self.trouble = Some(t.shown());
                let wait = doubled(*interval, *troubles, MAX_WAIT).max(t.retry_after.unwrap_or_default());
                let soonest = now.boot + *interval + POLL_SLACK;
                // A code that has run out is not left on the screen for the rest of a long wait.
                let at = (now.boot + wait + POLL_SLACK).min(expires_at).max(soonest + *interval);
                *poll = Poll::At { at, soonest };
            }
            //= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
            //# If the client receives an error response with any other error code, it MUST stop polling
            Err(e @ (TokenError::Unauthorized | TokenError::NotAllowed(_) | TokenError::Rejected(_))) => {
                return self.finish(Outcome::Failed(e));
            }
        }
        if let State::Waiting { unknown, .. } = &mut self.state {
            *unknown = false;
        }
        slower.into_iter().chain(self.after_poll(expires_at, now)).collect()
    }

    fn after_poll(&mut self, expires_at: BootTime, now: Now) -> Vec<Action> {
        if self.limit_at.is_some_and(|at| now.boot >= at) {
            return self.finish(Outcome::Expired);
        }
        if now.boot >= expires_at { self.request(0) } else { vec![] }
    }

    /// Another code for one that died before its time. The first comes at once; nobody has asked for the others, and a
    /// server that knows none of its codes is not to be flooded.
    fn replace(&mut self, why: &str, now: Now) -> Vec<Action> {
        let soonest = self.replaced.map_or(now.boot, |at| at + LEAST_BETWEEN_CODES);
        self.replaced = Some(soonest.max(now.boot));
        if now.boot >= soonest {
            return self.request(0);
        }
        self.trouble = Some((Cause::Provider, why.to_owned()));
        self.state = State::RequestLater { at: soonest, attempt: 0 };
        vec![]
    }

    fn timer(&mut self, now: Now) -> Vec<Action> {
        let polling = matches!(self.state, State::Waiting { poll: Poll::InFlight(_), .. });
        if !polling && self.limit_at.is_some_and(|at| now.boot >= at) {
            return self.finish(Outcome::Expired);
        }
        match &mut self.state {
            State::RequestLater { at, attempt } if now.boot >= *at => {
                let attempt = *attempt;
                self.request(attempt)
            }
            State::Waiting { code, poll: poll @ Poll::At { .. }, .. } => {
                if !matches!(poll, Poll::At { at, .. } if now.boot >= *at) {
                    return vec![];
                }
                let seq = self.seq.step();
                *poll = Poll::InFlight(seq);
                vec![Action::Poll(seq, code.auth.device_code.clone())]
            }
            State::Idle
            | State::Requesting { .. }
            | State::RequestLater { .. }
            | State::Saving { .. }
            | State::Waiting { .. } => vec![],
        }
    }

    fn request(&mut self, attempt: u32) -> Vec<Action> {
        let seq = self.seq.step();
        self.state = State::Requesting { seq, attempt };
        vec![Action::RequestCode(seq)]
    }

    fn finish(&mut self, outcome: Outcome) -> Vec<Action> {
        self.reset();
        vec![Action::Finish(outcome)]
    }

    fn reset(&mut self) {
        self.state = State::Idle;
        self.first = None;
        (self.limit_at, self.attended) = (None, false);
        self.trouble = None;
        self.replaced = None;
    }
}

#[cfg(test)]
mod tests;
