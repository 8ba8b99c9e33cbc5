//! Access tokens for other programs on the rig.
//!
//! # Decisions
//! - Whoever asks while a refresh is under way gets its outcome; nobody starts a second one.
//! - A token of the last half minute is given out as it is: a program that asks for more than a provider gives, again and
//!   again, must not turn into a refresh each time. What no token of this provider could ever satisfy is refused at once.
//! - A failed refresh is told to those who wait, not tried again for them: the rig tries again at its own pace, and a
//!   program that comes back then is served.
//! - A program's word that its API refused a token costs a refresh at most, with the same growing pauses as the
//!   provider's own 401, and never the grant.
//! - A token that is bound to the rig's key is given to whoever says that they ask for proofs too. Sent as a bearer's it
//!   would be refused, and nobody would know why.
use std::time::Duration;

use crate::command::{AccessOptions, Refusal};
use crate::identity::rig::action::{Action, Reply};
use crate::identity::rig::event::AccessId;
use crate::identity::rig::state::{Rig, Waiting};
use crate::identity::rig::trouble::refusal_of_cause;
use crate::identity::tokens::{self, Ending, Trouble};
use crate::oauth::{AccessToken, Cause, Thumbprint, TokenSet};
use crate::time::{BootTime, Now};

/// Every caller is answered within this, less than the 25 seconds that D-Bus clients wait.
const PATIENCE: Duration = Duration::from_secs(22);
/// A token this young is as fresh as it gets.
const YOUNG: Duration = Duration::from_secs(30);
/// More than ever run on a rig.
const MOST_WAITING: usize = 64;

impl Rig {
    pub(super) fn access_deadline(&self) -> Option<BootTime> {
        let caller = self.waiting_for_access.iter().map(|w| w.since + PATIENCE).min();
        // So that the screen says when there is nothing left to wait for.
        caller.into_iter().chain(self.runs_out_at).min()
    }

    /// Answers at once where it can, else when there is news.
    pub(super) fn wants_access(
        &mut self,
        id: AccessId,
        options: AccessOptions,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let reply = |answer| Action::Reply(Reply::Access(id, answer));
        match self.offer(&options, now) {
            Err(refusal) => out.push(reply(Err(refusal))),
            Ok(Some(given)) => out.push(reply(Ok(given))),
            Ok(None) if self.waiting_for_access.len() >= MOST_WAITING => {
                let why = "too many programs wait for an access token".to_owned();
                out.push(reply(Err(Refusal::LimitsExceeded(why))));
            }
            Ok(None) => {
                let not = self.life.access_token().cloned();
                let refused = options.refused.filter(|refused| not.as_ref() == Some(refused));
                self.waiting_for_access.push(Waiting { id, since: now.boot, not, dpop: options.dpop });
                self.live(refused.map_or(tokens::Event::Wanted, tokens::Event::Unauthorized), now, out);
                if !self.life.busy() && self.life.trouble().is_none() {
                    // The last refresh for such a word was too short a time ago.
                    self.waiting_for_access.retain(|w| w.id != id);
                    out.push(reply(Err(Refusal::RateLimited)));
                }
            }
        }
    }

    /// What can be given now; `None`: it has to be fetched.
    fn offer(&self, options: &AccessOptions, now: Now) -> Result<Option<(AccessToken, BootTime)>, Refusal> {
        if let Some(refusal) = self.unavailable() {
            return Err(refusal);
        }
        if !self.life.granted() {
            return Err(self.without_grant());
        }
        // On its way to the disk.
        let Some(tokens) = self.life.tokens() else { return Ok(None) };
        if !options.dpop && tokens.access_key().is_some() {
            return Err(bound());
        }
        let (left, age) = left(tokens, now);
        if options.min_validity > tokens.expires_in {
            return Err(Refusal::LimitsExceeded(format!(
                "access tokens of this provider live for {} s only",
                tokens.expires_in.as_secs()
            )));
        }
        let refused = options.refused.as_ref() == Some(&tokens.access);
        let good =
            !refused && !left.is_zero() && (left >= options.min_validity || age.is_some_and(|a| a < YOUNG));
        match (good, &tokens.refresh) {
            (true, ..) => Ok(Some((tokens.access.clone(), now.boot + left))),
            (false, None) if age.is_none() => {
                let why = "how long the access token has lived can't be told before the clock is set";
                Err(Refusal::ClockUntrusted(why.to_owned()))
            }
            (false, None) if left.is_zero() || refused => Err(Refusal::RanOut),
            (false, None) => Err(Refusal::LimitsExceeded(format!(
                "the access token lives for {} s more, and the provider gave nothing to renew it with",
                left.as_secs()
            ))),
            // Where the refresh waits for a better time already, that is the answer to whoever waits for it.
            (false, Some(_)) => Ok(None),
        }
    }

    /// The token in force, for a proof that goes with it.
    ///
    /// # Errors
    /// There is none, or none that needs a proof.
    pub fn bound_token(&self) -> Result<(&AccessToken, &Thumbprint), Refusal> {
        if let Some(refusal) = self.unavailable() {
            return Err(refusal);
        }
        if !self.life.granted() {
            return Err(self.without_grant());
        }
        let tokens = self.life.tokens().ok_or(Refusal::RateLimited)?;
        let plain = || {
            let why =
                "the access token is not bound to the rig's key: send it as a Bearer token, without a proof";
            Refusal::NotSupported(why.to_owned())
        };
        Ok((&tokens.access, tokens.access_key().ok_or_else(plain)?))
    }

    fn without_grant(&self) -> Refusal {
        match self.life.ending() {
            Some(Ending::ClientRejected) => Refusal::ClientRejected(String::new()),
            Some(Ending::Revoked | Ending::InterruptedRefresh | Ending::Unreadable) | None => {
                Refusal::NotPaired
            }
        }
    }

    /// After every event: whoever waited for this one.
    pub(super) fn answer_access(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.waiting_for_access.is_empty() {
            return;
        }
        let is_bound = self.life.tokens().is_some_and(|tokens| tokens.access_key().is_some());
        let news = match (self.life.tokens(), self.life.trouble()) {
            _ if !self.life.granted() => Some(Err(self.without_grant())),
            (_, Some(trouble)) if self.life.deadline().is_some() => Some(Err(refusal_for(trouble))),
            (Some(tokens), _) => Some(Ok((tokens.access.clone(), now.boot + left(tokens, now).0))),
            (None, _) => None,
        };
        for waiting in std::mem::take(&mut self.waiting_for_access) {
            let answer = match &news {
                Some(Ok(_)) if is_bound && !waiting.dpop => Some(Err(bound())),
                Some(Ok((token, expires_at))) if waiting.not.as_ref() != Some(token) => {
                    Some(Ok((token.clone(), *expires_at)))
                }
                Some(Err(refusal)) => Some(Err(refusal.clone())),
                Some(Ok(_)) | None if now.boot >= waiting.since + PATIENCE => Some(Err(Refusal::RateLimited)),
                Some(Ok(_)) | None => None,
            };
            match answer {
                Some(answer) => out.push(Action::Reply(Reply::Access(waiting.id, answer))),
                None => self.waiting_for_access.push(waiting),
            }
        }
    }
}

fn bound() -> Refusal {
    let why = "the access token is bound to the rig's key: ask for it with the option \"dpop\", and send it with a proof \
               (GetDPoPProof)";
    Refusal::NotSupported(why.to_owned())
}

/// How long it still lives by the server's word, and how old it is where that is known.
fn left(tokens: &TokenSet, now: Now) -> (Duration, Option<Duration>) {
    let age = now.age_of(tokens.obtained);
    (age.map_or(Duration::ZERO, |age| tokens.expires_in.saturating_sub(age)), age)
}

fn refusal_for(trouble: &Trouble) -> Refusal {
    match trouble {
        Trouble::Storage(e) => e.clone().into(),
        Trouble::Client(word) => Refusal::ClientRejected(word.clone()),
        Trouble::Exchange(cause @ (Cause::Provider | Cause::RateLimited), word) => {
            let why = "it does not renew the access token now";
            let said = if word.is_empty() { why.to_owned() } else { format!("{why} ({word})") };
            refusal_of_cause(*cause, &said)
        }
        Trouble::Exchange(cause, _) => {
            refusal_of_cause(*cause, "the access token can't be renewed now; the rig keeps trying")
        }
    }
}
