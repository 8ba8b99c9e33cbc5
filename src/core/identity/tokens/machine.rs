//! The machine of one grant's tokens.
//!
//! Clocks only schedule. The server alone decides that a grant is dead.
//!
//! | State | Leaves by |
//! | --- | --- |
//! | `None` | a grant, or tokens loaded from disk |
//! | `Saving` | written: `Valid`; not written: `SaveLater` |
//! | `SaveLater` | its time: `Saving` |
//! | `Valid` | its time, or a 401 that counts: `Marking` |
//! | `Marking` | the mark is on disk: `Refreshing`; not written: `RefreshLater` |
//! | `Refreshing` | tokens: `Saving`; a final answer: `Ended`; anything else: `RefreshLater` |
//! | `RefreshLater` | its time: `Marking`, or straight to `Refreshing` where the mark is on disk |
//! | `Ended` | only a new grant |
//!
//! # Decisions
//! - New tokens are not used before they are on disk (`Saving` offers no access token). Working from memory while the
//!   disk is full would let a power cut take the grant along with the first byte sent under it.
//! - A mark is on disk before a refresh leaves. After a crash it tells an interrupted refresh from a revocation.
//!   Without the mark no refresh leaves: a disk that can't take the mark could not take the new tokens either.
//! - No answer says nothing about what the server did. The old token is tried again until there is an answer, and that
//!   answer is believed.
//! - A refused client ends nothing. Providers say it while their own database is away; a secret may have been changed on
//!   their side. The tokens are kept and tried again, soon and then hourly, at each start, and with a new secret.
//! - 401s: only for the token in use, and each refresh that a 401 caused doubles the wait before the next may, so that
//!   a server that answers 401 to everything costs one refresh an hour and not a storm.
//! - A server that hands out lives of seconds is followed for a while, as it may be a test; then the wait grows to half a
//!   minute, because each refresh costs the card two synced writes.
use std::time::Duration;

use crate::backoff::{Jitter, KEPT_DOUBLINGS, doubled};
use crate::identity::tokens::event::{Action, Ending, Event, Trouble};
use crate::oauth::{AccessToken, Cause, Renewal, TokenError, TokenResponse, TokenSet};
use crate::seq::Seq;
use crate::time::{BootTime, Now};

/// A token younger than this is not refreshed because of a 401; doubles with each refresh that a 401 caused.
const MIN_AGE: Duration = Duration::from_secs(30);
const MAX_MIN_AGE: Duration = Duration::from_secs(3600);
/// Refresh when this share of the life is over, plus up to [`REFRESH_SPREAD`] of it as jitter: early enough for hours
/// without a network, late enough that the small gamble each refresh is stays rare.
const REFRESH_AT: f64 = 0.6;
const REFRESH_SPREAD: f64 = 0.1;
/// The least wait after a refresh; doubles after [`SHORT_LIVES`] tokens in a row that live for less than [`MIN_AGE`].
const MIN_WAIT: Duration = Duration::from_secs(1);
const SHORT_LIVES: u32 = 20;
/// RFC 6749 §5.1 leaves `expires_in` optional.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);
/// Longer than any rig: an access token that nothing renews and of whose end nobody has spoken.
const UNSAID_LIFE: Duration = Duration::from_secs(100 * 366 * 86_400);
const FIRST_RETRY: Duration = Duration::from_secs(2);
const MAX_RETRY: Duration = Duration::from_secs(600);
/// Between two tries with an identity or secret that was refused.
const CLIENT_RETRY: Duration = Duration::from_secs(30);
const MAX_CLIENT_RETRY: Duration = Duration::from_secs(3600);
const SAVE_RETRY: Duration = Duration::from_secs(1);
const MAX_SAVE_RETRY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) enum State {
    None,
    Saving { seq: Seq, next: TokenSet, attempt: u32 },
    SaveLater { next: TokenSet, attempt: u32, at: BootTime },
    Valid { tokens: TokenSet, since: BootTime, refresh_at: Option<BootTime>, by_401: bool },
    Marking { seq: Seq, tokens: TokenSet, attempt: u32 },
    Refreshing { seq: Seq, tokens: TokenSet, attempt: u32 },
    RefreshLater { tokens: TokenSet, attempt: u32, at: BootTime, marked: bool },
    Ended(Ending),
}

/// The tokens of one provider. Everything that stores, uses or ends them asks here.
#[derive(Debug)]
pub struct TokenLife {
    pub(super) state: State,
    seq: Seq,
    jitter: Jitter,
    /// A refresh left and got no answer since the last success.
    lost_answer: bool,
    /// Refreshes that a 401 caused, since a token last proved good.
    storm: u32,
    /// Tokens in a row that live for seconds only.
    short_lives: u32,
    pub(super) trouble: Option<Trouble>,
    /// The server's word that ended the grant.
    pub(super) ended_by: String,
}

impl TokenLife {
    /// No tokens. The jitter decides when refreshes fall due.
    pub fn new(jitter: Jitter) -> TokenLife {
        TokenLife {
            state: State::None,
            seq: Seq::default(),
            jitter,
            lost_answer: false,
            storm: 0,
            short_lives: 0,
            trouble: None,
            ended_by: String::new(),
        }
    }

    fn client_rejected(&self) -> bool {
        matches!(self.trouble, Some(Trouble::Client(_)))
    }

    /// Some troubles may be over: a refresh that waits because of one of those is tried at `at`.
    pub fn hurry(&mut self, at: BootTime, over: impl Fn(Cause) -> bool) {
        let over = matches!(self.trouble, Some(Trouble::Exchange(cause, _)) if over(cause));
        match &mut self.state {
            State::RefreshLater { at: due, attempt, .. } if over => {
                (*due, *attempt) = ((*due).min(at), (*attempt).min(KEPT_DOUBLINGS));
            }
            // On the old way still, as far as we know.
            State::Refreshing { attempt, .. } => *attempt = (*attempt).min(KEPT_DOUBLINGS),
            State::None
            | State::Saving { .. }
            | State::SaveLater { .. }
            | State::Valid { .. }
            | State::Marking { .. }
            | State::RefreshLater { .. }
            | State::Ended(_) => {}
        }
    }

    /// When [`Event::Timer`] is next worth sending.
    pub fn deadline(&self) -> Option<BootTime> {
        match &self.state {
            State::Valid { refresh_at, .. } => *refresh_at,
            State::RefreshLater { at, .. } | State::SaveLater { at, .. } => Some(*at),
            State::None
            | State::Saving { .. }
            | State::Marking { .. }
            | State::Refreshing { .. }
            | State::Ended(_) => None,
        }
    }

    /// Takes one event. Late or repeated news changes nothing.
    #[must_use]
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        use State as S;

        if matches!(event, Event::Timer) && self.deadline().is_none_or(|at| now.boot < at) {
            return vec![];
        }
        let state = std::mem::replace(&mut self.state, S::None);
        let (next, actions) = match (state, event) {
            (_, Event::Erased) => {
                self.forget_troubles();
                (S::None, vec![])
            }
            (_, Event::Loaded(tokens, interrupted)) => self.loaded(tokens, interrupted, now),
            (_, Event::Ended(Ending::ClientRejected, Some(tokens))) => {
                self.trouble = Some(Trouble::Client(String::new()));
                self.mark(tokens, 0)
            }
            (_, Event::Ended(ending, _)) => (S::Ended(ending), vec![]),
            (_, Event::Granted(new)) => {
                self.forget_troubles();
                self.save(token_set(new, None, now), 0)
            }

            (S::Valid { tokens, by_401, .. }, Event::Timer) => {
                // A token that lived out its time has shown that it was good.
                self.storm = if by_401 { self.storm } else { 0 };
                self.mark(tokens, 0)
            }
            (S::Valid { tokens, .. }, Event::Wanted) if tokens.refresh.is_some() => self.mark(tokens, 0),
            (S::Valid { tokens, since, refresh_at, by_401 }, Event::Unauthorized(used)) => {
                self.unauthorized(tokens, since, refresh_at, by_401, &used, now)
            }
            (state, Event::Accepted(used)) => {
                self.accepted(&state, &used, now);
                (state, vec![])
            }

            (S::RefreshLater { tokens, attempt, marked: true, .. }, Event::Timer) => {
                self.refresh(tokens, attempt)
            }
            (S::RefreshLater { tokens, attempt, .. }, Event::Timer) => self.mark(tokens, attempt),
            (S::Marking { seq, tokens, attempt }, Event::Marked(s, Ok(()))) if s == seq => {
                self.refresh(tokens, attempt)
            }
            (S::Marking { seq, tokens, attempt }, Event::Marked(s, Err(e))) if s == seq => {
                self.trouble = Some(Trouble::Storage(e));
                let at = now.boot + doubled(SAVE_RETRY, attempt, MAX_SAVE_RETRY);
                (S::RefreshLater { tokens, attempt: attempt.saturating_add(1), at, marked: false }, vec![])
            }
            (S::Refreshing { seq, tokens, attempt }, Event::Refreshed(s, answer)) if s == seq => {
                self.refreshed(tokens, attempt, answer, now)
            }
            (S::SaveLater { next, attempt, .. }, Event::Timer) => self.save(next, attempt),
            (S::Saving { seq, next, .. }, Event::Saved(s, Ok(()))) if s == seq => {
                self.forget_exchange_troubles();
                self.short_lives =
                    if next.expires_in < MIN_AGE { self.short_lives.saturating_add(1) } else { 0 };
                self.valid(next, now)
            }
            (S::Saving { seq, next, attempt }, Event::Saved(s, Err(e))) if s == seq => {
                self.trouble = Some(Trouble::Storage(e));
                let at = now.boot + doubled(SAVE_RETRY, attempt, MAX_SAVE_RETRY);
                (S::SaveLater { next, attempt: attempt.saturating_add(1), at }, vec![])
            }
            (S::RefreshLater { tokens, marked, .. }, Event::NewSecret) if self.client_rejected() => {
                if marked { self.refresh(tokens, 0) } else { self.mark(tokens, 0) }
            }

            (
                state,
                Event::Timer
                | Event::Marked(..)
                | Event::Refreshed(..)
                | Event::Saved(..)
                | Event::Unauthorized(_)
                | Event::Wanted
                | Event::NewSecret,
            ) => (state, vec![]),
        };
        self.state = next;
        actions
    }

    /// A token that is still accepted when the wait for the next 401 is over has shown that refreshing helped. Before
    /// that it shows nothing: a provider may accept one kind of call and refuse another for ever.
    fn accepted(&mut self, state: &State, used: &AccessToken, now: Now) {
        if let State::Valid { tokens, since, .. } = state
            && tokens.access == *used
            && now.boot >= *since + doubled(MIN_AGE, self.storm, MAX_MIN_AGE)
        {
            self.storm = 0;
        }
    }

    fn loaded(&mut self, tokens: TokenSet, interrupted: bool, now: Now) -> (State, Vec<Action>) {
        self.lost_answer = interrupted;
        if interrupted {
            // The mark is on disk already; find out at once whether the old token is still good.
            return self.refresh(tokens, 0);
        }
        self.valid(tokens, now)
    }

    //= frameio-c2c#3.3
    //# A refresh needs nobody and raises no alert, unless it fails itself.
    fn valid(&mut self, tokens: TokenSet, now: Now) -> (State, Vec<Action>) {
        let left = match now.age_of(tokens.obtained) {
            // An age that can't be right means "refresh now" and nothing worse.
            None => Duration::ZERO,
            Some(age) => {
                let share = REFRESH_AT + REFRESH_SPREAD * self.jitter.unit();
                tokens.expires_in.mul_f64(share).saturating_sub(age)
            }
        };
        let least = match self.short_lives {
            0 => Duration::ZERO,
            n => doubled(MIN_WAIT, n.saturating_sub(SHORT_LIVES), MIN_AGE),
        };
        let refresh_at = tokens.refresh.is_some().then_some(now.boot + left.max(least));
        (State::Valid { tokens, since: now.boot, refresh_at, by_401: false }, vec![Action::Ready])
    }

    //= frameio-c2c#3.5
    //# A 401 of the API: it is refreshed once, and asked again.
    fn unauthorized(
        &mut self,
        tokens: TokenSet,
        since: BootTime,
        refresh_at: Option<BootTime>,
        by_401: bool,
        used: &AccessToken,
        now: Now,
    ) -> (State, Vec<Action>) {
        if *used != tokens.access || by_401 {
            return (State::Valid { tokens, since, refresh_at, by_401 }, vec![]);
        }
        if tokens.refresh.is_none() {
            return self.end(Ending::Revoked);
        }
        let allowed = since + doubled(MIN_AGE, self.storm, MAX_MIN_AGE);
        self.storm = self.storm.saturating_add(1);
        if now.boot >= allowed {
            return self.mark(tokens, 0);
        }
        let at = refresh_at.map_or(allowed, |at| at.min(allowed));
        (State::Valid { tokens, since, refresh_at: Some(at), by_401: true }, vec![])
    }

    fn refreshed(
        &mut self,
        tokens: TokenSet,
        attempt: u32,
        answer: Result<TokenResponse, TokenError>,
        now: Now,
    ) -> (State, Vec<Action>) {
        let e = match answer {
            Ok(new) => return self.save(token_set(new, Some(&tokens), now), 0),
            Err(e) => e,
        };
        let (trouble, wait) = match e {
            //= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
            //# A client compliant with [RFC6749] must be prepared to handle unexpected token invalidation at
            //# any time.
            e @ (TokenError::InvalidGrant(_) | TokenError::Unauthorized) => {
                //= frameio-c2c#3.3
                //# Where the answer to a refresh was lost, a person pairs the device anew.
                let ending = if self.lost_answer { Ending::InterruptedRefresh } else { Ending::Revoked };
                let ended = self.end(ending);
                self.ended_by = e.to_string();
                return ended;
            }
            TokenError::ClientRejected(word) => {
                (Trouble::Client(word), self.jitter.spread(doubled(CLIENT_RETRY, attempt, MAX_CLIENT_RETRY)))
            }
            TokenError::Transient(t) => {
                self.lost_answer |= t.maybe_applied;
                let wait = self.jitter.spread(doubled(FIRST_RETRY, attempt, MAX_RETRY));
                let (cause, word) = t.shown();
                (Trouble::Exchange(cause, word), wait.max(t.retry_after.unwrap_or_default()))
            }
            // Not among the answers that end a grant: keep it, and keep asking.
            e @ (TokenError::SlowDown(_)
            | TokenError::AuthorizationPending
            | TokenError::NotAllowed(_)
            | TokenError::Rejected(_)
            | TokenError::AccessDenied
            | TokenError::ExpiredToken) => {
                let wait = doubled(FIRST_RETRY, attempt.max(2), MAX_RETRY);
                (Trouble::Exchange(Cause::Provider, e.to_string()), wait)
            }
        };
        self.trouble = Some(trouble);
        let at = now.boot + wait;
        (State::RefreshLater { tokens, attempt: attempt.saturating_add(1), at, marked: true }, vec![])
    }

    //= frameio-c2c#3.3
    //# That a refresh is under way is on disk before it leaves, so that after a crash it is known why a token
    //# is dead.
    fn mark(&mut self, tokens: TokenSet, attempt: u32) -> (State, Vec<Action>) {
        let seq = self.seq.step();
        (State::Marking { seq, tokens, attempt }, vec![Action::MarkRefresh(seq)])
    }

    fn refresh(&mut self, tokens: TokenSet, attempt: u32) -> (State, Vec<Action>) {
        let Some(token) = tokens.refresh.clone() else { return self.end(Ending::Revoked) };
        let seq = self.seq.step();
        let renewal = Renewal { token, binding: tokens.binding.clone() };
        (State::Refreshing { seq, tokens, attempt }, vec![Action::Refresh(seq, renewal)])
    }

    //= frameio-c2c#3.3
    //# New tokens are on disk before one of them is used: both old ones are dead, and no answer comes twice.
    fn save(&mut self, next: TokenSet, attempt: u32) -> (State, Vec<Action>) {
        let seq = self.seq.step();
        (State::Saving { seq, next: next.clone(), attempt }, vec![Action::SaveTokens(seq, next)])
    }

    fn end(&mut self, ending: Ending) -> (State, Vec<Action>) {
        self.forget_troubles();
        (State::Ended(ending), vec![Action::End(ending)])
    }

    fn forget_exchange_troubles(&mut self) {
        self.lost_answer = false;
        self.trouble = None;
        self.ended_by = String::new();
    }

    fn forget_troubles(&mut self) {
        self.forget_exchange_troubles();
        self.storm = 0;
        self.short_lives = 0;
    }
}

/// RFC 6749 §6: a server that sends no new refresh token leaves the old one in force.
//= https://www.rfc-editor.org/rfc/rfc6749#section-6
//# the client MUST discard the old refresh token and replace it with the new refresh token
fn token_set(new: TokenResponse, old: Option<&TokenSet>, now: Now) -> TokenSet {
    let refresh = new.refresh_token.or_else(|| old.and_then(|o| o.refresh.clone()));
    // What nothing renews lasts until the API says that it does not.
    let unsaid = if refresh.is_some() { DEFAULT_LIFE } else { UNSAID_LIFE };
    TokenSet {
        access: new.access_token,
        refresh,
        obtained: now,
        expires_in: new.expires_in.or_else(|| old.map(|o| o.expires_in)).unwrap_or(unsaid),
        id_token: new.id_token,
        binding: new.binding,
    }
}

#[cfg(test)]
mod tests;
