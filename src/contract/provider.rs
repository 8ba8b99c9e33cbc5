//! The kinds of provider, and what a rig is paired with at each.
//!
//! # Decisions
//! - "Project" is a word of Frame.io: an account is what people have anywhere else. So a text that says what a rig is paired
//!   with asks this table, and one that can't know the kind says neither.
//! - What the queue says of projects stands: clips go to Frame.io, and nowhere else.
use crate::table::table;

struct Row {
    word: &'static str,
    name: &'static str,
    noun: &'static str,
    with: &'static str,
    label: &'static str,
}

table! {
    /// `Device.Provider`; each word is in the configuration and in the database, too.
    ProviderKind: Row {
        /// Frame.io Camera to Cloud.
        Frameio { word: "frameio", name: "Frame.io", noun: "project", with: " with a project", label: "project" }
        /// Any provider of RFC 8628.
        OAuth {
            word: "oauth",
            name: "the sign-in provider",
            noun: "account",
            with: " with an account",
            label: "account at",
        }
    }
}

impl ProviderKind {
    /// As its users write it.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// What a rig is paired with: one word.
    pub const fn noun(self) -> &'static str {
        self.row().noun
    }

    /// The same, to follow "paired" at once; begins with a space.
    pub const fn with(self) -> &'static str {
        self.row().with
    }

    /// What stands before `Pairing.ProjectName`: small letters, no colon.
    pub const fn label(self) -> &'static str {
        self.row().label
    }
}

#[cfg(test)]
mod tests {
    use super::ProviderKind;
    use crate::blocker::Blocker;
    use crate::ending::{Erased, Revocation};
    use crate::error::ErrorName;
    use crate::exit::ExitCode;
    use crate::pairing::{Protection, Reason, State};

    /// All that is said of a rig that has nothing to send.
    fn every_text(kind: ProviderKind) -> Vec<String> {
        let mut all: Vec<String> =
            [kind.name(), kind.noun(), kind.with(), kind.label()].map(str::to_owned).to_vec();
        for state in State::ALL {
            all.extend([state.headline(), state.clause(), state.advice()].map(str::to_owned));
            all.extend([state.clause_at(kind), state.sentence(kind)]);
        }
        for reason in Reason::ALL {
            all.extend(State::ALL.iter().map(|state| reason.sentence(*state)));
            all.extend([reason.clause().to_owned(), reason.advice().to_owned()]);
        }
        for name in ErrorName::ALL {
            all.extend([name.clause().to_owned(), name.advice().to_owned()]);
        }
        for blocker in Blocker::all().filter(|blocker| !is_of_the_queue(*blocker)) {
            all.extend([blocker.sentence(kind), blocker.advice().to_owned()]);
        }
        all.extend(Revocation::ALL.iter().map(|word| word.clause().to_owned()));
        all.extend(Erased::ALL.iter().map(|word| word.name().to_owned()));
        all.extend(Protection::ALL.iter().map(|word| word.meaning().to_owned()));
        all.extend(ExitCode::ALL.iter().map(ToString::to_string));
        all
    }

    fn is_of_the_queue(blocker: Blocker) -> bool {
        match blocker {
            // Frame.io alone pauses a rig.
            Blocker::DevicePaused | Blocker::Held(_) => true,
            Blocker::State(_)
            | Blocker::Reason(_)
            | Blocker::NotAnswering
            | Blocker::Recording
            | Blocker::QueuePaused
            | Blocker::Away(_)
            | Blocker::Incomplete(_) => false,
        }
    }

    #[test]
    fn each_kind_has_its_word() {
        assert_eq!(ProviderKind::ALL, [ProviderKind::Frameio, ProviderKind::OAuth]);
        assert_eq!(
            [ProviderKind::Frameio, ProviderKind::OAuth].map(ProviderKind::as_str),
            ["frameio", "oauth"]
        );
        assert!(ProviderKind::ALL.iter().all(|kind| kind.as_str().parse() == Ok(*kind)));
    }

    #[test]
    fn nothing_that_is_said_of_an_account_speaks_of_a_project() {
        let all = every_text(ProviderKind::OAuth);
        for text in &all {
            assert!(!text.to_lowercase().contains("project"), "{text}");
        }
        assert!(all.iter().any(|text| text == "This rig is not paired with an account. Pair it."));
    }

    #[test]
    fn of_a_project_it_is_said() {
        let all = every_text(ProviderKind::Frameio);
        for said in [
            "This rig is not paired with a project. Pair it.",
            "This rig is no longer paired with a project. Pair it again; the queue is kept.",
        ] {
            assert!(all.iter().any(|text| text == said), "{said}");
        }
        assert!(all.iter().all(|text| !text.contains("an account.")));
    }
}
