//! What can be waited for, and what is said where it is not so.

use crate::args::WaitArgs;
use crate::bus::{Queue, Snapshot};
use crate::{text, words};
use rigpost_contract::blocker::Blocker;
use rigpost_contract::item::ItemState;
use rigpost_contract::pairing::State;

/// One condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// The rig is paired.
    Paired,
    /// The provider answered the last exchange.
    Online,
    /// Nothing is queued or being sent.
    Empty,
    /// The power can be cut.
    SafeToPowerOff,
}

impl Condition {
    /// Those that the arguments name.
    pub(super) fn asked(args: &WaitArgs) -> Vec<Self> {
        let all = [
            (args.paired, Self::Paired),
            (args.online, Self::Online),
            (args.empty, Self::Empty),
            (args.safe_to_power_off, Self::SafeToPowerOff),
        ];
        all.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, condition)| condition).collect()
    }

    /// As the option has it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Paired => "paired",
            Self::Online => "online",
            Self::Empty => "empty",
            Self::SafeToPowerOff => "safe-to-power-off",
        }
    }

    /// It is so.
    pub(super) fn holds(self, now: &Snapshot) -> bool {
        match self {
            Self::Paired => now.pairing.state == State::Paired.as_str(),
            Self::Online => now.device.online,
            Self::Empty => is_known(now) && now.queue.files_left == 0,
            Self::SafeToPowerOff => now.device.safe_to_power_off,
        }
    }

    /// Where it is not so: a clause that says what is instead.
    pub(super) fn missing(self, now: &Snapshot) -> String {
        match self {
            Self::Paired => now.pairing.state.parse().map_or_else(
                |_| format!("this rig is in the state \"{}\"", text::clean(&now.pairing.state)),
                |state: State| words::clause(state, &now.device.provider),
            ),
            Self::Online => "the provider was not reached at the last attempt".to_owned(),
            Self::Empty if !is_known(now) => "what is left to send is not known yet".to_owned(),
            Self::Empty => {
                let verb = if now.queue.files_left == 1 { "is" } else { "are" };
                let clips = text::count(now.queue.files_left.into(), "clip");
                format!("{clips} {verb} left to send, {}", text::size(now.queue.bytes_left))
            }
            Self::SafeToPowerOff => words::why_not_safe(&now.queue).to_owned(),
        }
    }
}

/// The queue was read: a rig whose store can't be read has no identity either, and 0 clips mean nothing then.
fn is_known(now: &Snapshot) -> bool {
    !now.device.device_id.is_empty() && !words::is_without_disk(&now.pairing)
}

/// What stands in the way of sending, without a full stop; without what is said of the pairing already.
pub(super) fn blockers(missing: &[Condition], now: &Snapshot) -> Option<String> {
    let state = now.pairing.state.parse().ok().and_then(Blocker::of_state);
    let said = state.filter(|_| missing.contains(&Condition::Paired)).map(Blocker::code);
    let others = now.device.blockers.iter().filter(|blocker| said != Some(blocker.code.as_str()));
    let sentences: Vec<String> = others.map(|blocker| text::clean(&blocker.whole())).collect();
    let all = sentences.join(" ");
    (!all.is_empty()).then(|| format!("What stands in the way: {}", all.trim_end_matches('.')))
}

/// A queue that is empty may have clips that are not in the cloud: those wait for a person, not for the line.
pub(super) fn not_sent(queue: &Queue) -> Option<String> {
    let all = [
        (queue.held, ItemState::Held),
        (queue.away, ItemState::Away),
        (queue.incomplete, ItemState::Incomplete),
        (queue.failed, ItemState::Failed),
    ];
    let parts: Vec<String> =
        all.into_iter().filter(|(n, _)| *n > 0).map(|(n, state)| format!("{n} {state}")).collect();
    (!parts.is_empty()).then(|| format!("nothing is left to send, but not all is sent: {}", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_was_not_read_is_not_empty() {
        let mut now = Snapshot::default();
        assert!(!Condition::Empty.holds(&now));
        assert_eq!(Condition::Empty.missing(&now), "what is left to send is not known yet");
        now.device.device_id = "a".into();
        assert!(Condition::Empty.holds(&now));
        (now.pairing.state, now.pairing.reason) = ("secret-unavailable".into(), "storage".into());
        assert!(!Condition::Empty.holds(&now));
    }

    #[test]
    fn what_waits_for_a_person_is_not_said_to_be_sent() {
        let mut queue = Queue::default();
        assert_eq!(not_sent(&queue), None);
        (queue.held, queue.failed) = (2, 1);
        let said = "nothing is left to send, but not all is sent: 2 held, 1 failed";
        assert_eq!(not_sent(&queue).as_deref(), Some(said));
    }

    #[test]
    fn a_state_of_a_newer_daemon_is_not_paired() {
        let mut now = Snapshot::default();
        now.pairing.state = "sleeping\u{1b}".into();
        assert!(!Condition::Paired.holds(&now));
        assert_eq!(Condition::Paired.missing(&now), "this rig is in the state \"sleeping\u{fffd}\"");
    }
}
