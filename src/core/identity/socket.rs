//! When the rig holds a socket to the provider, over which it is seen at once and told at once.
//!
//! | State | Leaves by |
//! | --- | --- |
//! | `Closed` | wanted for [`SETTLE`]: `Opening` |
//! | `Opening` | joined: `Open`; over: `Waiting`; wanted no more: `Closed` |
//! | `Open` | over: `Waiting`; wanted no more: `Closed` |
//! | `Waiting` | its time, where it is still wanted: `Opening` |
//!
//! The end of the grant closes it from any of these.
//!
//! # Decisions
//! - A socket wants to be spoken to every quarter of a minute, which no idle board should have to. So it is held while clips
//!   are on their way, and while a program on the bus asks for something, which is as near as a bus comes to somebody who
//!   looks at a screen; and a little longer, so that it is not opened anew for each clip.
//! - What it tells is a reason to look, and looks are the heartbeat's: there is one answer to how the project sees the rig.
//! - Beats go on beside it: which of the two makes the device be shown as online is a setting of the device's model, on the
//!   server's side. A provider that refuses the socket hears from the rig by those.
//! - A refusal costs more and more patience, and never a refresh: what is refused may be sockets and not the token.
use std::time::Duration;

use crate::backoff::{Jitter, doubled};
use crate::oauth::{AccessToken, Cause};
use crate::provider::SocketEnd;
use crate::seq::Seq;
use crate::time::{BootTime, Now};

/// Most clips of a phone are through before it would be open.
const SETTLE: Duration = Duration::from_secs(2);
/// After the last clip.
const LINGER: Duration = Duration::from_secs(30);
/// After somebody has asked for something.
const WATCHED: Duration = Duration::from_secs(120);
/// Waits after trouble.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const MAX_RETRY: Duration = Duration::from_secs(300);
/// Waits after refusals.
const FIRST_REFUSED: Duration = Duration::from_secs(300);
const MAX_REFUSED: Duration = Duration::from_secs(4 * 3600);
/// One that was open for so long was not in trouble.
const PROVEN: Duration = Duration::from_secs(60);
/// However often the provider says that something has changed, it is asked no more often than this.
const LOOK_GAP: Duration = Duration::from_secs(1);

/// When a socket is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketUse {
    /// Never.
    #[default]
    Never,
    /// While there is a grant.
    Always,
    /// While there is something to see.
    WhenBusy,
}

/// What became of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketNews {
    /// The device has joined.
    Joined,
    /// The project sees the device in another way than before.
    Updated,
    /// It is over.
    Over(SocketEnd),
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Open one with this access token, in the place of any other.
    Open(Seq, AccessToken),
    /// Close it.
    Close,
    /// Ask how the project sees this rig.
    Look,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Closed,
    Waiting { at: BootTime, cause: Option<Cause> },
    Opening { seq: Seq },
    Open { seq: Seq, since: BootTime },
}

/// At most one socket at a time.
#[derive(Debug)]
pub struct Socket {
    when: SocketUse,
    state: State,
    seq: Seq,
    jitter: Jitter,
    /// There is a token to open one with, and a name for the device.
    ready: bool,
    /// A look would be made, and not put off.
    may_look: bool,
    sending: bool,
    watched_until: BootTime,
    lingers_until: BootTime,
    wanted_since: Option<BootTime>,
    troubles: u32,
    refusals: u32,
    look_at: Option<BootTime>,
    no_look_before: BootTime,
}

/// After every time that counts.
const NEVER: BootTime = BootTime(Duration::MAX);

impl Socket {
    /// Nothing is opened before there is a grant.
    pub fn new(when: SocketUse, jitter: Jitter) -> Socket {
        Socket {
            when,
            state: State::Closed,
            seq: Seq::default(),
            jitter,
            ready: false,
            may_look: false,
            sending: false,
            watched_until: BootTime::default(),
            lingers_until: BootTime::default(),
            wanted_since: None,
            troubles: 0,
            refusals: 0,
            look_at: None,
            no_look_before: BootTime::default(),
        }
    }

    /// Clips are on their way, or no more.
    pub fn sends(&mut self, sending: bool, now: Now) {
        if self.sending && !sending {
            self.lingers_until = now.boot + LINGER;
        }
        self.sending = sending;
    }

    /// A program on the bus has asked for something, and is still there.
    pub fn watched(&mut self, now: Now) {
        self.watched_until = now.boot + WATCHED;
    }

    fn wanted_until(&self) -> BootTime {
        match self.when {
            SocketUse::Never => BootTime::default(),
            SocketUse::Always => NEVER,
            SocketUse::WhenBusy if self.sending => NEVER,
            SocketUse::WhenBusy => self.watched_until.max(self.lingers_until),
        }
    }

    /// When [`Socket::turn`] is next worth calling.
    pub fn deadline(&self) -> Option<BootTime> {
        match self.state {
            State::Closed => self.wanted_since.filter(|_| self.ready).map(|since| since + self.settle()),
            State::Waiting { at, .. } => self.wanted_since.filter(|_| self.ready).map(|_| at),
            State::Opening { .. } => Some(self.wanted_until()).filter(|until| *until < NEVER),
            State::Open { .. } => {
                let until = Some(self.wanted_until()).filter(|until| *until < NEVER);
                until.into_iter().chain(self.look_at.filter(|_| self.may_look)).min()
            }
        }
    }

    fn settle(&self) -> Duration {
        if self.when == SocketUse::Always { Duration::ZERO } else { SETTLE }
    }

    //= frameio-c2c#4.4
    //# The device holds a websocket for its status.
    /// Something may have changed, or a deadline has passed. `token`: what may be used now; `None`: nothing to open one with.
    /// `may_look`: nobody is being asked already; news of a change that came meanwhile is not forgotten.
    #[must_use]
    pub fn turn(&mut self, token: Option<&AccessToken>, may_look: bool, now: Now) -> Vec<Action> {
        (self.ready, self.may_look) = (token.is_some(), may_look);
        let is_wanted = now.boot < self.wanted_until();
        self.wanted_since = is_wanted.then(|| self.wanted_since.unwrap_or(now.boot));
        let due = match (&self.state, self.wanted_since) {
            (State::Closed, Some(since)) => now.boot >= since + self.settle(),
            (State::Waiting { at, .. }, Some(_)) => now.boot >= *at,
            (State::Opening { .. } | State::Open { .. }, None) => {
                self.state = State::Closed;
                return vec![Action::Close];
            }
            (State::Opening { .. } | State::Open { .. }, Some(_))
            | (State::Closed | State::Waiting { .. }, None) => false,
        };
        if let (true, Some(token)) = (due, token) {
            let seq = self.seq.step();
            self.state = State::Opening { seq };
            return vec![Action::Open(seq, token.clone())];
        }
        let is_open = matches!(self.state, State::Open { .. });
        if is_open && may_look && self.look_at.is_some_and(|at| now.boot >= at) {
            (self.look_at, self.no_look_before) = (None, now.boot + LOOK_GAP);
            return vec![Action::Look];
        }
        vec![]
    }

    /// News of the socket that [`Action::Open`] was for; of any other it changes nothing. [`Socket::turn`] says what follows.
    pub fn news(&mut self, seq: Seq, news: SocketNews, now: Now) {
        let since = match self.state {
            State::Opening { seq: s } if s == seq => None,
            State::Open { seq: s, since } if s == seq => Some(since),
            State::Opening { .. } | State::Open { .. } | State::Closed | State::Waiting { .. } => return,
        };
        match news {
            SocketNews::Joined => {
                self.state = State::Open { seq, since: since.unwrap_or(now.boot) };
                // It may have been paused a moment before.
                self.look_at = Some(now.boot.max(self.no_look_before));
            }
            SocketNews::Updated => self.look_at = Some(now.boot.max(self.no_look_before)),
            SocketNews::Over(end) => {
                if since.is_some_and(|since| now.boot.since(since) >= PROVEN) {
                    (self.troubles, self.refusals) = (0, 0);
                }
                self.wait(end, now);
            }
        }
    }

    fn wait(&mut self, end: SocketEnd, now: Now) {
        self.look_at = None;
        let (wait, cause) = match end {
            SocketEnd::Refused(_) => {
                self.refusals = self.refusals.saturating_add(1);
                (self.jitter.spread(doubled(FIRST_REFUSED, self.refusals - 1, MAX_REFUSED)), None)
            }
            SocketEnd::Trouble(t) => {
                self.troubles = self.troubles.saturating_add(1);
                let wait = self.jitter.spread(doubled(FIRST_RETRY, self.troubles - 1, MAX_RETRY));
                (wait.max(t.retry_after.unwrap_or_default()), Some(t.cause))
            }
        };
        self.state = State::Waiting { at: now.boot + wait, cause };
    }

    /// There is no grant any more.
    #[must_use]
    pub fn stop(&mut self) -> Vec<Action> {
        let was_open = matches!(self.state, State::Opening { .. } | State::Open { .. });
        self.state = State::Closed;
        (self.ready, self.troubles, self.refusals, self.look_at) = (false, 0, 0, None);
        if was_open { vec![Action::Close] } else { vec![] }
    }

    /// Some troubles may be over: one that waits because of those is tried at `at`.
    pub fn hurry(&mut self, at: BootTime, over: impl Fn(Cause) -> bool) {
        self.troubles = 0;
        if let State::Waiting { at: due, cause: Some(cause) } = &mut self.state
            && over(*cause)
        {
            *due = (*due).min(at);
        }
    }
}

#[cfg(test)]
mod tests;
