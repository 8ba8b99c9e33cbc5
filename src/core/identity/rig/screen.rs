//! What the screen sees of the rig.
use crate::disk::DiskError;
use crate::identity::rig::state::Rig;
use crate::identity::rig::trouble::{reason_of_cause, reason_of_trouble};
use crate::identity::tokens::{Ending, Trouble};
use crate::time::{BootTime, Now};
use crate::view::{Reason, RigView, State};

/// More than this between the provider's clock and ours, and ours is not trusted.
const MAX_SKEW_S: u64 = 300;

impl Rig {
    /// What the screen sees now.
    pub fn view(&self, now: Now) -> RigView {
        let code = self.pairing.code();
        let state = self.state();
        let (reason, detail) = self.reason(state, now);
        // What the page shows that asks for consent to this code, before what the rig was called at another time.
        let of_code = code.and_then(|(a, _)| a.device_name.clone()).filter(|name| !name.is_empty());
        let before = || self.device.as_ref().map(|d| d.device_name.clone());
        RigView {
            provider: self.provider,
            state,
            reason,
            detail,
            user_code: code.map(|(a, _)| a.user_code.clone()),
            verification_uri: code.and_then(|(a, _)| a.verification_uri.as_ref()).map(ToString::to_string),
            verification_uri_complete: code.and_then(|(a, _)| a.verification_uri_complete.clone()),
            code_expires_at: code.map(|(_, at)| at),
            device_name: of_code.or_else(before).unwrap_or_default(),
            device: self.device.clone(),
            access_expires_at: self.access_expires_at,
            refreshed_at: self.refreshed_at,
            online: self.online,
            clock_trusted: self.clock_trusted(now),
            tokens_at_risk: self.life.busy(),
            revocations_pending: self.revocations.pending(),
            client_id: self.client_id.clone(),
            protection: self.protection,
        }
    }

    /// The provider's last word on the time, and what the boot clock says has passed since, against the wall clock: so a
    /// clock that is set, or steps, is judged as it stands now.
    pub(super) fn clock_trusted(&self, now: Now) -> bool {
        let off = |(date, read): (i64, BootTime)| {
            let passed = i64::try_from(now.boot.since(read).as_secs()).unwrap_or(i64::MAX);
            date.saturating_add(passed).abs_diff(now.wall.0)
        };
        now.wall >= self.clock_floor && self.server_date.map(off).is_none_or(|off| off <= MAX_SKEW_S)
    }

    fn state(&self) -> State {
        if self.unusable.is_some() {
            State::SecretUnavailable
        } else if self.pairing.code().is_some() {
            State::WaitingForUser
        } else if self.pairing.active() {
            State::RequestingCode
        } else if self.life.granted() && self.grant_unsaved {
            // The person said yes; the disk has not. Not published as paired before it has.
            State::WaitingForUser
        } else if self.life.granted() {
            State::Paired
        } else if self.life.ending().is_some() {
            State::NeedsPairing
        } else if !self.provisioned {
            State::Unprovisioned
        } else {
            State::Unpaired
        }
    }

    fn reason(&self, state: State, now: Now) -> (Reason, String) {
        match state {
            State::SecretUnavailable => {
                // No disk helps where a key is lost.
                let of_disk = self.unusable.as_ref().is_some_and(DiskError::is_of_disk);
                let reason = if of_disk { Reason::Storage } else { Reason::NoKey };
                (reason, self.unusable.as_ref().map(ToString::to_string).unwrap_or_default())
            }
            State::RequestingCode | State::WaitingForUser if self.pairing.active() => {
                let trouble = self.pairing.trouble();
                trouble.map_or((Reason::None, String::new()), |(cause, word)| {
                    (reason_of_cause(cause), word.to_owned())
                })
            }
            State::Paired if self.life.ran_out(now) => (Reason::AccessExpired, String::new()),
            State::Paired | State::RequestingCode | State::WaitingForUser => {
                let beat = self.heartbeat.trouble().map(|cause| Trouble::Exchange(cause, String::new()));
                let trouble = self.life.trouble().or(self.whoami.trouble()).or(beat.as_ref());
                trouble.map_or((Reason::None, String::new()), reason_of_trouble)
            }
            State::NeedsPairing if self.last.0 == Reason::None => {
                let reason = match self.life.ending() {
                    Some(Ending::InterruptedRefresh) => Reason::InterruptedRefresh,
                    Some(Ending::ClientRejected) => Reason::ClientRejected,
                    Some(Ending::Revoked) | None => Reason::Revoked,
                    Some(Ending::Unreadable) => Reason::NoKey,
                };
                (reason, self.life.ended_by().to_owned())
            }
            State::NeedsPairing | State::Unprovisioned | State::Unpaired => self.last.clone(),
        }
    }
}
