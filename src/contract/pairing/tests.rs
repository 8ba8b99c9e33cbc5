use super::{Protection, Reason, State};
use crate::UnknownWord;
use crate::exit::ExitCode;
use crate::provider::ProviderKind;

/// Too long for the screen of a camera.
const LONG: usize = 190;

fn is_clause(text: &str) -> bool {
    text.starts_with(|c: char| c.is_lowercase()) && !text.ends_with('.')
}

#[test]
fn the_words_are_those_that_were_released() {
    let all = |words: Vec<&'static str>| words.join(" ");
    assert_eq!(
        all(State::ALL.iter().map(|s| s.as_str()).collect()),
        "secret-unavailable unprovisioned unpaired requesting-code waiting-for-user paired needs-pairing"
    );
    assert_eq!(
        all(Reason::ALL.iter().map(|r| r.as_str()).collect()),
        "none denied expired access-expired revoked interrupted-refresh network captive-portal certificate proxy clock \
         client-rejected sign-in-blocked configuration provider no-key storage"
    );
    assert_eq!(all(Protection::ALL.iter().map(|p| p.as_str()).collect()), "tpm2 host-key file none");
}

#[test]
fn every_word_is_read_back_and_no_other() {
    assert!(State::ALL.iter().all(|s| s.as_str().parse() == Ok(*s)));
    assert!(Reason::ALL.iter().all(|r| r.as_str().parse() == Ok(*r)));
    assert!(Protection::ALL.iter().all(|p| p.as_str().parse() == Ok(*p)));
    for other in ["", "Paired", "paired ", "sleeping"] {
        assert_eq!(other.parse::<State>(), Err(UnknownWord), "{other:?}");
    }
    assert_eq!(format!("{:>8}", State::Paired), "  paired");
}

#[test]
fn a_trouble_is_said_in_the_same_words_everywhere() {
    for state in State::ALL {
        let (clause, sentence) = (state.clause(), state.sentence(ProviderKind::Frameio));
        assert!(is_clause(clause) && is_clause(state.headline()), "{state}");
        assert_eq!(sentence[1..clause.len()], clause[1..], "{state}");
        assert!(sentence.ends_with('.') && sentence.len() < LONG, "{state}: {sentence}");
    }
    for reason in Reason::ALL.iter().filter(|r| **r != Reason::None) {
        for state in State::ALL {
            let (clause, sentence) = (reason.clause(), reason.sentence(*state));
            assert!(is_clause(clause), "{reason}");
            assert_eq!(sentence[1..clause.len()], clause[1..], "{reason}");
            assert!(sentence.ends_with('.') && sentence.len() < LONG, "{reason}: {sentence}");
        }
    }
    assert_eq!((Reason::None.clause(), Reason::None.sentence(State::Paired)), ("", String::new()));
}

#[test]
fn what_a_screen_shows_is_for_whoever_stands_before_it() {
    let of_reasons = |state: &State| Reason::ALL.iter().map(|r| r.sentence(*state)).collect::<Vec<_>>();
    let all = State::ALL
        .iter()
        .flat_map(|state| [vec![state.sentence(ProviderKind::Frameio)], of_reasons(state)].concat());
    for sentence in all {
        for jargon in ["rigpost ", "`", "sudo", "token", "OAuth", "TLS", "grant", "ca_file"] {
            assert!(!sentence.contains(jargon), "{jargon:?} in: {sentence}");
        }
    }
}

#[test]
fn what_a_person_can_do_something_about_says_what() {
    for state in [State::SecretUnavailable, State::Unprovisioned, State::Unpaired, State::NeedsPairing] {
        assert!(state.advice().contains("rigpost"), "{state}");
    }
    for reason in Reason::ALL {
        // These end by themselves.
        let nothing = matches!(reason, Reason::None | Reason::Provider);
        assert_eq!(reason.advice().is_empty(), nothing, "{reason}");
        assert_eq!(reason.exit_code() == ExitCode::Done, *reason == Reason::None, "{reason}");
    }
}

#[test]
fn nobody_is_told_that_a_rig_keeps_trying_which_does_not() {
    assert_eq!(
        Reason::Network.sentence(State::Paired),
        "The provider can't be reached. The rig keeps trying."
    );
    assert_eq!(Reason::Network.sentence(State::Unpaired), "The provider can't be reached.");
    assert!(Reason::ClientRejected.sentence(State::Paired).contains("What was paired is kept"));
    let refused = Reason::ClientRejected.sentence(State::Unpaired);
    assert_eq!(refused, "The provider does not accept this rig's identity or secret.");
    let all = State::ALL.iter().flat_map(|s| Reason::ALL.iter().map(|r| (*s, r.sentence(*s))));
    for (state, sentence) in all {
        assert!(state.keeps_trying() || !sentence.contains("keeps trying"), "{state}: {sentence}");
    }
    for told in [Reason::ClientRejected.sentence(State::Paired), Reason::ClientRejected.advice().to_owned()] {
        assert!(!told.to_lowercase().contains("pair it") && !told.contains("rigpost pair"), "{told}");
    }
}
