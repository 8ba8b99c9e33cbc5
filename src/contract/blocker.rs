//! `Device.Blockers`: what stands in the way of sending, as codes with a sentence each.
//!
//! # Decisions
//! - A sentence is for whoever stands before the rig, with gloves on: what it is, and what can be done about it there. What
//!   a library, the provider or the disk has said goes into the detail beside it, for support.
use crate::human::count;
use crate::pairing::{Reason, State};
use crate::provider::ProviderKind;

const DEVICE_PAUSED: &str = "Somebody has paused this rig in the project: nothing new is sent, and what is recorded \
                             meanwhile never will be. It goes on when they resume it there.";

/// One thing that stands in the way of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocker {
    /// The rig is not paired, for this reason.
    State(State),
    /// A trouble of the way, of the provider, or of the rig's disk.
    Reason(Reason),
    /// Somebody has paused this rig in the project.
    DevicePaused,
    /// A card hangs.
    NotAnswering,
    /// The camera records, and asked that nothing be sent meanwhile.
    Recording,
    /// A person has paused sending.
    QueuePaused,
    /// So many clips wait for a person.
    Held(u64),
    /// So many clips wait for their card.
    Away(u64),
    /// So many clips wait for the rest of them.
    Incomplete(u64),
}

impl Blocker {
    /// What a state has against sending: nothing where the rig is paired.
    pub const fn of_state(state: State) -> Option<Blocker> {
        match state {
            State::Paired => None,
            State::Unpaired
            | State::RequestingCode
            | State::WaitingForUser
            | State::SecretUnavailable
            | State::Unprovisioned
            | State::NeedsPairing => Some(Blocker::State(state)),
        }
    }

    /// The code, for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Blocker::State(state) => state.as_str(),
            Blocker::Reason(reason) => reason.as_str(),
            Blocker::DevicePaused => "device-paused",
            Blocker::NotAnswering => "not-answering",
            Blocker::Recording => "recording",
            Blocker::QueuePaused => "queue-paused",
            Blocker::Held(_) => "held",
            Blocker::Away(_) => "away",
            Blocker::Incomplete(_) => "incomplete",
        }
    }

    /// For a screen, where the provider is of this kind.
    pub fn sentence(self, kind: ProviderKind) -> String {
        match self {
            Blocker::State(state) => state.sentence(kind),
            Blocker::Reason(reason) => reason.sentence(State::Paired),
            Blocker::DevicePaused => DEVICE_PAUSED.to_owned(),
            Blocker::NotAnswering => Blocker::of_cards(&[]),
            Blocker::Recording => "The camera is recording. Sending goes on when it stops.".to_owned(),
            Blocker::QueuePaused => "Sending is paused. Resume it when you want it to go on.".to_owned(),
            Blocker::Held(n) => Blocker::of_held(n, &[String::new()], ""),
            Blocker::Away(1) => "1 clip waits for its card. Put the card in again.".to_owned(),
            Blocker::Away(n) => format!("{} wait for their card. Put it in again.", count(n, "clip")),
            Blocker::Incomplete(1) => "1 clip is cut off, and waits for the rest of it.".to_owned(),
            Blocker::Incomplete(n) => {
                format!("{} are cut off, and wait for the rest of them.", count(n, "clip"))
            }
        }
    }

    /// [`Blocker::NotAnswering`] for a screen, with the names of the cards where they are known.
    pub fn of_cards(names: &[String]) -> String {
        match names {
            [] => "A card does not answer; its clips wait, the others go on.".to_owned(),
            [one] => format!("The card {one} does not answer; its clips wait, the others go on."),
            [all @ .., last] => {
                let all = all.join(", ");
                format!("The cards {all} and {last} do not answer; their clips wait, the others go on.")
            }
        }
    }

    /// [`Blocker::Held`] for a screen, with the names of projects that the clips belong to, each empty where it is not known,
    /// and of the one that is paired.
    pub fn of_held(n: u64, of: &[String], paired: &str) -> String {
        let with = if paired.is_empty() { String::new() } else { format!(" with {paired}") };
        // What is held by reason of an identity that was erased may be of the same project.
        let mut others = of.iter().filter(|name| name.is_empty() || *name != paired);
        let whose = match (others.next().map(String::as_str), others.next()) {
            (None, _) => String::new(),
            (Some(""), None) => "of another project, or ".to_owned(),
            (Some(one), None) => format!("of {one}, or "),
            (Some(one), Some(other)) => {
                let one = if one.is_empty() { other } else { one };
                if one.is_empty() {
                    "of other projects, or ".to_owned()
                } else {
                    format!("of other projects, such as {one}, or ")
                }
            }
        };
        let (are, them) =
            if n == 1 { ("is", "Release it or cancel it") } else { ("are", "Release or cancel them") };
        format!("{} {are} {whose}older than the pairing{with}. {them}.", count(n, "clip"))
    }

    /// The name of a project that [`Blocker::of_held`] has put into this sentence.
    pub fn held_project(sentence: &str) -> Option<&str> {
        let (before, _) = sentence.split_once(", or older than the pairing")?;
        let (_, of) = before.split_once(" of ")?;
        let name = of.strip_prefix("other projects, such as ").unwrap_or(of);
        Some(name).filter(|name| !["another project", "other projects"].contains(name))
    }

    /// What to do next, at a command line; empty where there is nothing to do there.
    pub const fn advice(self) -> &'static str {
        match self {
            Blocker::State(state) => state.advice(),
            Blocker::Reason(reason) => reason.advice(),
            Blocker::DevicePaused => "ask whoever runs the project to resume this rig there",
            Blocker::NotAnswering => "take the card out of its reader and put it in again",
            // Ends by itself.
            Blocker::Recording => "",
            Blocker::QueuePaused => "rigpost resume",
            Blocker::Held(_) => {
                "rigpost queue --held shows them; rigpost queue release ID sends one, rigpost queue cancel ID drops it"
            }
            Blocker::Away(_) => {
                "put the card in again; rigpost queue cancel ID drops a clip whose card is lost"
            }
            Blocker::Incomplete(_) => "rigpost queue release ID sends one as it is",
        }
    }

    /// One of each code that there is.
    pub fn all() -> impl Iterator<Item = Blocker> {
        let states = State::ALL.iter().filter_map(|state| Blocker::of_state(*state));
        let reasons = Reason::ALL.iter().filter(|reason| **reason != Reason::None);
        states
            .chain(reasons.map(|reason| Blocker::Reason(*reason)))
            .chain([Blocker::DevicePaused, Blocker::NotAnswering, Blocker::Recording, Blocker::QueuePaused])
            .chain([Blocker::Held(1), Blocker::Away(1), Blocker::Incomplete(1)])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Blocker;
    use crate::pairing::State;
    use crate::provider::ProviderKind;

    #[test]
    fn the_project_of_held_clips_is_found_again_in_the_sentence() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (n, of, found) in [
            (1, names(&["Dune, or Arrakis"]), Some("Dune, or Arrakis")),
            (1, names(&["A are of B"]), Some("A are of B")),
            (1, names(&[""]), None),
            (2, names(&["", "another"]), Some("another")),
            (2, names(&["", "Moon"]), Some("Moon")),
            (2, names(&["Moon", "Sun"]), Some("Moon")),
            (2, names(&["Paired"]), None),
            (2, names(&[]), None),
        ] {
            let sentence = Blocker::of_held(n, &of, "Paired");
            assert_eq!(Blocker::held_project(&sentence), found, "{sentence}");
        }
    }

    #[test]
    fn each_code_is_there_once_and_has_a_sentence() {
        let codes: Vec<_> = Blocker::all().map(Blocker::code).collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len(), "{codes:?}");
        for blocker in Blocker::all() {
            let sentence = blocker.sentence(ProviderKind::Frameio);
            assert!(sentence.ends_with('.') && sentence.len() > 20, "{}: {sentence}", blocker.code());
            assert!(!sentence.contains('`') && !sentence.contains("rigpost "), "{sentence}");
        }
    }

    #[test]
    fn whoever_sees_a_code_is_not_told_to_pair() {
        for state in [State::RequestingCode, State::WaitingForUser] {
            let blocker = Blocker::of_state(state).unwrap();
            assert_eq!(blocker.code(), state.as_str());
            let sentence = blocker.sentence(ProviderKind::Frameio);
            assert!(!sentence.contains("Pair"), "{sentence}");
        }
        assert_eq!(Blocker::of_state(State::Paired), None);
    }

    #[test]
    fn cards_are_named() {
        let names: Vec<String> = ["A", "B", "C"].map(str::to_owned).to_vec();
        assert!(Blocker::of_cards(&names[..1]).starts_with("The card A does not answer; its clips wait"));
        assert!(Blocker::of_cards(&names[..2]).starts_with("The cards A and B do not answer; their clips"));
        assert!(Blocker::of_cards(&names).starts_with("The cards A, B and C do not answer"));
    }

    #[test]
    fn held_clips_name_their_project_and_the_one_that_is_paired() {
        let said = |n, of: &[&str], paired| {
            Blocker::of_held(n, &of.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), paired)
        };
        for (said, expected) in [
            (
                said(1, &["Moonrise"], "Dune"),
                "1 clip is of Moonrise, or older than the pairing with Dune. Release it or cancel it.",
            ),
            (said(2, &[], "Dune"), "2 clips are older than the pairing with Dune. Release or cancel them."),
            (
                said(2, &["Dune"], "Dune"),
                "2 clips are older than the pairing with Dune. Release or cancel them.",
            ),
            (
                said(2, &["Moonrise", "Arrival"], "Dune"),
                "2 clips are of other projects, such as Moonrise, or older than the pairing with Dune. Release or cancel them.",
            ),
            (
                said(2, &["", "Arrival"], ""),
                "2 clips are of other projects, such as Arrival, or older than the pairing. Release or cancel them.",
            ),
            (
                said(2, &["", ""], ""),
                "2 clips are of other projects, or older than the pairing. Release or cancel them.",
            ),
            (
                said(1, &[""], "Dune"),
                "1 clip is of another project, or older than the pairing with Dune. Release it or cancel it.",
            ),
        ] {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn held_clips_are_counted() {
        assert!(Blocker::Held(1).sentence(ProviderKind::Frameio).starts_with("1 clip is of another project"));
        assert!(
            Blocker::Held(2).sentence(ProviderKind::Frameio).starts_with("2 clips are of another project")
        );
    }
}
