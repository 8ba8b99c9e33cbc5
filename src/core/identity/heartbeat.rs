//! Telling the provider that the rig is there, and looking now and then how the project sees it.
//!
//! A device from which nothing was heard for five minutes is shown as offline, and the parts of a file go to the storage
//! and not to the provider (contract §4.3): without this a rig that is busy with one long clip would look dead.
//!
//! | State | Leaves by |
//! | --- | --- |
//! | `Idle` | any call that was accepted |
//! | `Due` | its time: `InFlight`; another call that was accepted: `Due`, later |
//! | `InFlight` | any answer: `Due` |
//!
//! # Decisions
//! - Whatever the provider accepts counts as a beat. A rig that asks for assets all day sends no beats at all.
//! - Looking rides along with a call that has just worked: the board is awake, and the way is open.
//! - While clips are on their way it looks once in every beat's time, whether or not anything else is asked for: whoever
//!   pauses the device in the project waits for that, and the board is awake.
//! - A refused beat costs more and more patience. There are devices that the provider wants to hear from in another way
//!   (a setting of the device's model, on the server's side); a refresh for each refusal would be a gamble every minute.
//! - Only trouble of the way is shown. A rig that sends its clips is not in trouble because nobody takes its beats.
use std::time::Duration;

use crate::backoff::{Jitter, doubled};
use crate::oauth::{AccessToken, Cause, TokenError};
use crate::seq::Seq;
use crate::time::{BootTime, Now};

/// The provider asks for at most one beat in this time.
const LEAST: Duration = Duration::from_secs(60);
/// The longest wait after trouble; the provider forgets a device after five minutes.
const MAX_RETRY: Duration = Duration::from_secs(290);
/// The longest wait after refusals.
const MAX_REFUSED: Duration = Duration::from_secs(4 * 3600);
/// So many beats from one look to the next, while nobody has paused the device.
const LOOK_EVERY: u32 = 5;

#[derive(Debug, PartialEq, Eq)]
enum State {
    Idle,
    Due { at: BootTime },
    InFlight { seq: Seq, token: AccessToken, sent: BootTime },
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the request with this access token.
    Beat(Seq, AccessToken),
    /// Ask how the project sees this rig.
    Look,
    /// The provider's own 401 for this token.
    Unauthorized(AccessToken),
    /// This token was accepted.
    Accepted(AccessToken),
}

/// At most one beat at a time.
#[derive(Debug)]
pub struct Heartbeat {
    /// `None`: never.
    every: Option<Duration>,
    state: State,
    seq: Seq,
    jitter: Jitter,
    /// Beats that came to nothing, and beats that were refused, since one was accepted.
    troubles: u32,
    refusals: u32,
    /// A beat may have reached the provider, and the next would come too soon before this.
    not_before: BootTime,
    look_at: BootTime,
    /// Clips are on their way.
    sending: bool,
    trouble: Option<Cause>,
}

impl Heartbeat {
    /// Nothing is sent before the first call that is accepted. `every`: 60 to 290 seconds, or never.
    pub fn new(every: Option<Duration>, jitter: Jitter) -> Heartbeat {
        Heartbeat {
            every,
            state: State::Idle,
            seq: Seq::default(),
            jitter,
            troubles: 0,
            refusals: 0,
            not_before: BootTime::default(),
            look_at: BootTime::default(),
            sending: false,
            trouble: None,
        }
    }

    /// Clips are on their way, or no more.
    pub fn sends(&mut self, sending: bool, now: Now) {
        if sending && !self.sending {
            self.look_at = self.look_at.min(now.boot + self.every.unwrap_or_default());
        }
        self.sending = sending;
    }

    /// What stood in the way of the last beat, where that is the way itself.
    pub fn trouble(&self) -> Option<Cause> {
        self.trouble
    }

    /// When [`Heartbeat::timer`] is next worth calling.
    pub fn deadline(&self) -> Option<BootTime> {
        match self.state {
            State::Due { at } if self.sending => Some(at.min(self.look_at)),
            State::Due { at } => Some(at),
            State::Idle | State::InFlight { .. } => None,
        }
    }

    /// A call with the token in force was accepted.
    //= frameio-c2c#4.3
    //# The cloud hears from the device at least every five minutes, and of heartbeats at most one a minute;
    //# parts do not count.
    #[must_use]
    pub fn heard(&mut self, now: Now) -> Vec<Action> {
        let Some(every) = self.every else { return vec![] };
        if matches!(self.state, State::InFlight { .. }) {
            return vec![];
        }
        (self.troubles, self.trouble) = (0, None);
        self.state = State::Due { at: now.boot + doubled(every, self.refusals, MAX_REFUSED) };
        self.look(now)
    }

    /// The project has said how it sees this rig.
    pub fn looked(&mut self, paused: bool, now: Now) {
        let every = self.every.unwrap_or_default();
        if self.sending {
            self.look_at = now.boot + every;
            return;
        }
        let beats = if paused { 1 } else { LOOK_EVERY };
        // Half a beat early: with the beat of that number, and not with the one after it.
        self.look_at = now.boot + every.saturating_mul(beats).saturating_sub(every / 2);
    }

    /// There is no grant any more.
    pub fn stop(&mut self) {
        self.state = State::Idle;
        (self.troubles, self.refusals, self.trouble) = (0, 0, None);
        self.look_at = BootTime::default();
    }

    /// The deadline may have passed. `token` is what may be used now; without one, beats wait for the next.
    //= frameio-c2c#4.3
    //# The cloud hears from the device at least every five minutes, and of heartbeats at most one a minute;
    //# parts do not count.
    #[must_use]
    pub fn timer(&mut self, token: Option<&AccessToken>, now: Now) -> Vec<Action> {
        if self.deadline().is_none_or(|at| now.boot < at) {
            return vec![];
        }
        let Some(token) = token else {
            self.state = State::Idle;
            return vec![];
        };
        if let State::Due { at } = self.state
            && now.boot < at
        {
            // Once in this time, whatever comes of it.
            self.looked(false, now);
            return vec![Action::Look];
        }
        let seq = self.seq.step();
        self.not_before = now.boot + LEAST;
        self.state = State::InFlight { seq, token: token.clone(), sent: now.boot };
        vec![Action::Beat(seq, token.clone())]
    }

    /// The answer to [`Action::Beat`].
    #[must_use]
    pub fn answered(&mut self, seq: Seq, answer: Result<(), TokenError>, now: Now) -> Vec<Action> {
        let (State::InFlight { seq: s, token, sent }, Some(every)) = (&self.state, self.every) else {
            return vec![];
        };
        if *s != seq {
            return vec![];
        }
        let (token, sent) = (token.clone(), *sent);
        self.trouble = None;
        match answer {
            Ok(()) => {
                (self.troubles, self.refusals) = (0, 0);
                self.state = State::Due { at: sent + every };
                let mut actions = vec![Action::Accepted(token)];
                actions.extend(self.look(now));
                actions
            }
            Err(TokenError::Transient(t)) => {
                if t.cause.is_of_the_way() {
                    self.trouble = Some(t.cause);
                }
                if !t.maybe_applied {
                    self.not_before = now.boot;
                }
                let wait = self.jitter.spread(doubled(LEAST, self.troubles, MAX_RETRY)).max(LEAST);
                self.troubles = self.troubles.saturating_add(1);
                self.state = State::Due { at: now.boot + wait.max(t.retry_after.unwrap_or_default()) };
                vec![]
            }
            Err(e) => {
                self.refusals = self.refusals.saturating_add(1);
                self.state = State::Due { at: sent + doubled(every, self.refusals, MAX_REFUSED) };
                let refused = e == TokenError::Unauthorized;
                if refused { vec![Action::Unauthorized(token)] } else { vec![] }
            }
        }
    }

    /// Some troubles may be over: a beat that waits because of one of those is tried at `at`.
    pub fn hurry(&mut self, at: BootTime, over: impl Fn(Cause) -> bool) {
        self.troubles = 0;
        if let State::Due { at: due } = &mut self.state
            && self.trouble.is_some_and(over)
        {
            *due = (*due).min(at.max(self.not_before));
        }
    }

    fn look(&self, now: Now) -> Vec<Action> {
        if now.boot >= self.look_at { vec![Action::Look] } else { vec![] }
    }
}

#[cfg(test)]
mod tests;
