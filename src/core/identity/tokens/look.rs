//! What a grant's tokens are asked without an event.
use crate::identity::tokens::event::{Ending, Trouble};
use crate::identity::tokens::machine::{State, TokenLife};
use crate::oauth::{AccessToken, Revocable, TokenSet};
use crate::seq::Seq;
use crate::time::Now;

impl TokenLife {
    /// The set in force, for showing when it runs out; `None` where there is none or it is not on disk yet.
    pub fn tokens(&self) -> Option<&TokenSet> {
        match &self.state {
            State::Valid { tokens, .. }
            | State::Marking { tokens, .. }
            | State::Refreshing { tokens, .. }
            | State::RefreshLater { tokens, .. } => Some(tokens),
            State::None | State::Saving { .. } | State::SaveLater { .. } | State::Ended(_) => None,
        }
    }

    /// What an API call may carry right now. An access token whose time is up is still offered: the server judges.
    pub fn access_token(&self) -> Option<&AccessToken> {
        self.tokens().map(|t| &t.access)
    }

    /// What a revocation should name, for any grant that is still alive.
    pub fn revocable(&self) -> Option<Revocable> {
        match &self.state {
            State::Saving { next: t, .. }
            | State::SaveLater { next: t, .. }
            | State::Valid { tokens: t, .. }
            | State::Marking { tokens: t, .. }
            | State::Refreshing { tokens: t, .. }
            | State::RefreshLater { tokens: t, .. } => Some(Revocable::of(&t.access, t.refresh.as_ref())),
            State::None | State::Ended(_) => None,
        }
    }

    /// A grant exists and the server has not ended it.
    pub fn granted(&self) -> bool {
        !matches!(self.state, State::None | State::Ended(_))
    }

    /// How the grant ended, if it did.
    pub fn ending(&self) -> Option<Ending> {
        match self.state {
            State::Ended(ending) => Some(ending),
            State::None
            | State::Saving { .. }
            | State::SaveLater { .. }
            | State::Valid { .. }
            | State::Marking { .. }
            | State::Refreshing { .. }
            | State::RefreshLater { .. } => None,
        }
    }

    /// In which word the server ended it, as far as this run has heard it.
    pub fn ended_by(&self) -> &str {
        &self.ended_by
    }

    /// The time of the tokens in force is up by the server's own word, and there is nothing to renew them with. Still
    /// not ended: what is ours to say is that nobody should wait for it.
    pub fn ran_out(&self, now: Now) -> bool {
        match &self.state {
            State::Valid { tokens, .. } => {
                tokens.refresh.is_none()
                    && now.age_of(tokens.obtained).is_some_and(|age| age >= tokens.expires_in)
            }
            State::None
            | State::Saving { .. }
            | State::SaveLater { .. }
            | State::Marking { .. }
            | State::Refreshing { .. }
            | State::RefreshLater { .. }
            | State::Ended(_) => false,
        }
    }

    /// A refresh is in flight or its tokens are not on disk: a stop should wait, a power cut could end the grant.
    pub fn busy(&self) -> bool {
        matches!(
            self.state,
            State::Saving { .. } | State::SaveLater { .. } | State::Marking { .. } | State::Refreshing { .. }
        )
    }

    /// The refresh whose answer is not there yet.
    pub fn refreshing(&self) -> Option<Seq> {
        match &self.state {
            State::Refreshing { seq, .. } => Some(*seq),
            State::None
            | State::Saving { .. }
            | State::SaveLater { .. }
            | State::Valid { .. }
            | State::Marking { .. }
            | State::RefreshLater { .. }
            | State::Ended(_) => None,
        }
    }

    /// The disk refuses the new tokens.
    pub fn stuck_on_disk(&self) -> bool {
        matches!(self.state, State::SaveLater { .. })
    }

    /// What stands in the way of the refresh that is due.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }
}
