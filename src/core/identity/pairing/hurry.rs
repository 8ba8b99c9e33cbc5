//! When the way may be open again.
use crate::backoff::KEPT_DOUBLINGS;
use crate::identity::pairing::machine::{Pairing, Poll, State};
use crate::oauth::Cause;
use crate::time::BootTime;

impl Pairing {
    /// Some troubles may be over: what waits because of one of those is tried at `at`, a poll no sooner than it may be.
    pub fn hurry(&mut self, at: BootTime, over: impl Fn(Cause) -> bool) {
        let over = self.trouble.as_ref().is_some_and(|(cause, _)| over(*cause));
        match &mut self.state {
            State::RequestLater { at: due, attempt } if over => {
                (*due, *attempt) = ((*due).min(at), (*attempt).min(KEPT_DOUBLINGS));
            }
            State::Waiting { troubles, poll: Poll::At { at: due, soonest }, .. } if over => {
                *troubles = (*troubles).min(KEPT_DOUBLINGS);
                *due = (*due).min(at.max(*soonest));
            }
            // On the old way still, as far as we know.
            State::Requesting { attempt, .. } => *attempt = (*attempt).min(KEPT_DOUBLINGS),
            State::Waiting { troubles, poll: Poll::InFlight(_), .. } => {
                *troubles = (*troubles).min(KEPT_DOUBLINGS);
            }
            State::Idle | State::RequestLater { .. } | State::Saving { .. } | State::Waiting { .. } => {}
        }
    }
}
