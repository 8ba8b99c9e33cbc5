//! The daemon's words as a person reads them, and what to do about what they say.
//!
//! # Decisions
//!
//! - What a word means and what to do about it is the contract's; here is only which of several things comes first.
//! - An unknown state or reason is shown as it is: the contract allows new ones, and a newer daemon must not be hidden.

use url::Url;

use super::bus::{Pairing, Queue, Snapshot};
use super::out::Tone;
use super::text::{capitalized, clean};
use rigpost_contract::blocker::Blocker;
use rigpost_contract::pairing::{Protection, Reason, State};
use rigpost_contract::provider::ProviderKind;

/// The provider's name as its users write it.
pub(crate) fn provider(name: &str) -> String {
    match (name, kind(name)) {
        (_, Some(kind)) => kind.name().to_owned(),
        ("", None) => "the provider".to_owned(),
        (other, None) => clean(other),
    }
}

/// What a provider is, by the daemon's word; `None`: one that only a newer daemon knows, or none at all.
pub(crate) fn kind(name: &str) -> Option<ProviderKind> {
    name.parse().ok()
}

/// A state as a clause, with what a rig is paired with at such a provider.
pub(crate) fn clause(state: State, provider: &str) -> String {
    kind(provider).map_or_else(|| state.clause().to_owned(), |kind| state.clause_at(kind))
}

/// Where the link for the code leads, in ASCII letters; empty where there is none.
pub(crate) fn host(pairing: &Pairing) -> String {
    let links = [&pairing.verification_uri, &pairing.verification_uri_complete];
    let link = links.into_iter().find(|link| !link.is_empty()).and_then(|link| Url::parse(link).ok());
    link.and_then(|link| link.host_str().map(str::to_owned)).unwrap_or_default()
}

/// By what the page that asks for consent tells this rig from another: name and serial, as far as they are known.
pub(crate) fn rig(pairing: &Pairing, device_id: &str) -> String {
    match (clean(&pairing.device_name), clean(device_id)) {
        (name, id) if id.is_empty() || name.contains(&id) => name,
        (name, id) if name.is_empty() => id,
        (name, id) => format!("{name} ({id})"),
    }
}

/// How the secrets of this rig are protected.
pub(crate) fn protection(name: &str) -> String {
    match (name, name.parse::<Protection>()) {
        (_, Ok(known)) => known.meaning().to_owned(),
        ("", Err(_)) => "unknown".to_owned(),
        (other, Err(_)) => clean(other),
    }
}

/// A reason as a clause, without a full stop; `None` when there is none.
pub(crate) fn reason(name: &str) -> Option<String> {
    let clause = name.parse().map_or_else(|_| clean(name), |reason: Reason| reason.clause().to_owned());
    (!clause.is_empty()).then_some(clause)
}

/// Its own disk, or the database on it, is of no use, so that the daemon can't say what it would find there.
pub(crate) fn is_without_disk(pairing: &Pairing) -> bool {
    pairing.state == State::SecretUnavailable.as_str() && pairing.reason == Reason::Storage.as_str()
}

/// A clause: why the power should not be cut, where that is so.
pub(crate) fn why_not_safe(queue: &Queue) -> &'static str {
    match queue.recording {
        true => "the camera is recording",
        false => "something is on its way (but no clip would be lost)",
    }
}

/// The state in one short sentence, without a full stop.
pub(crate) fn headline(pairing: &Pairing, provider: &str) -> (Tone, String) {
    let Ok(state) = pairing.state.parse::<State>() else {
        let what = clean(&pairing.state);
        return (Tone::Warn, format!("In the state \"{what}\", which this program does not know"));
    };
    let headline = capitalized(state.headline());
    match (state, pairing.project_name.as_str()) {
        (State::Paired, "") => (Tone::Good, headline + kind(provider).map_or("", ProviderKind::with)),
        (State::Paired, project) => (Tone::Good, format!("{headline} with {}", clean(project))),
        (State::Unpaired | State::Unprovisioned | State::RequestingCode | State::WaitingForUser, _) => {
            (Tone::Warn, headline)
        }
        // No secret is lost.
        (State::SecretUnavailable, _) if is_without_disk(pairing) => {
            (Tone::Bad, "Can't work without its disk".to_owned())
        }
        (State::SecretUnavailable | State::NeedsPairing, _) => (Tone::Bad, headline),
    }
}

/// [`headline`], and the reason behind a colon.
pub(crate) fn summary(pairing: &Pairing, provider: &str) -> String {
    let (_, headline) = headline(pairing, provider);
    let why = reason(&pairing.reason).map(|why| format!(": {why}")).unwrap_or_default();
    format!("{headline}{why}")
}

/// What to do next, if anything.
pub(crate) fn next(now: &Snapshot) -> Option<String> {
    let trouble = now.pairing.reason.parse().map_or("", Reason::advice);
    let step = match now.pairing.state.parse() {
        Ok(State::SecretUnavailable) if is_without_disk(&now.pairing) => trouble,
        Ok(state @ (State::SecretUnavailable | State::Unprovisioned | State::WaitingForUser)) => {
            state.advice()
        }
        Ok(state @ (State::Unpaired | State::NeedsPairing)) if trouble.is_empty() => state.advice(),
        // What could not be opened is gone by now, and the secret is there.
        Ok(state @ State::NeedsPairing) if now.pairing.reason == Reason::NoKey.as_str() => state.advice(),
        Ok(State::Paired) if trouble.is_empty() => next_for_queue(now),
        Ok(State::Unpaired | State::NeedsPairing | State::Paired | State::RequestingCode) | Err(_) => trouble,
    };
    (!step.is_empty()).then(|| step.to_owned())
}

/// Of the first blocker, in the daemon's order, that a person can do something about; then of what failed.
fn next_for_queue(now: &Snapshot) -> &'static str {
    let known = |code: &str| Blocker::all().find(|blocker| blocker.code() == code);
    let mut blockers = now.device.blockers.iter().map(|stands| known(&stands.code));
    let advice = blockers.find_map(|known| match known {
        // A newer daemon's.
        None => Some("rigpost doctor"),
        Some(known) => Some(known.advice()).filter(|advice| !advice.is_empty()),
    });
    match advice {
        Some(advice) => advice,
        None if now.queue.failed > 0 => {
            "rigpost queue --failed says why; rigpost queue retry ID (or --all) tries again"
        }
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_state(state: &str, reason: &str) -> Snapshot {
        let pairing = Pairing { state: state.into(), reason: reason.into(), ..Pairing::default() };
        Snapshot { pairing, ..Snapshot::default() }
    }

    #[test]
    fn a_word_of_a_newer_daemon_is_shown_as_it_is() {
        assert_eq!(reason("quota\u{1b}").as_deref(), Some("quota\u{fffd}"));
        assert_eq!([reason("none"), reason("")], [None, None]);
        assert!(headline(&in_state("sleeping", "none").pairing, "frameio").1.contains("\"sleeping\""));
        assert_eq!(protection("hsm"), "hsm");
        assert_eq!(next(&in_state("sleeping", "dreams")), None);
    }

    #[test]
    fn every_state_and_reason_has_words() {
        for state in State::ALL {
            let (_, words) = headline(&in_state(state.as_str(), "none").pairing, "frameio");
            assert!(!words.contains('"') && words.starts_with(char::is_uppercase), "{state}: {words}");
        }
        assert_eq!(
            summary(&in_state("unpaired", "network").pairing, "frameio"),
            "Not paired: the provider can't be reached"
        );
    }

    #[test]
    fn a_state_that_needs_a_person_names_the_command() {
        for (state, reason, command) in [
            ("unprovisioned", "none", "sudo rigpost provision"),
            ("unpaired", "none", "rigpost pair"),
            ("unpaired", "denied", "rigpost pair"),
            ("unpaired", "clock", "timedatectl"),
            ("needs-pairing", "revoked", "rigpost pair"),
            ("secret-unavailable", "none", "rigpost doctor"),
            ("secret-unavailable", "storage", "/var/lib/rigpost"),
            ("secret-unavailable", "no-key", "sudo rigpost provision"),
            ("needs-pairing", "no-key", "rigpost pair"),
            ("paired", "captive-portal", "browser"),
        ] {
            let next = next(&in_state(state, reason)).unwrap_or_default();
            assert!(next.contains(command), "{state}/{reason}: {next}");
        }
        assert_eq!(next(&in_state("paired", "none")), None);
    }

    #[test]
    fn a_paused_queue_with_work_is_pointed_out() {
        let mut now = in_state("paired", "none");
        now.queue.failed = 1;
        assert!(next(&now).unwrap().contains("--failed"));
        let blocker = |code: &str| super::super::bus::Blocker { code: code.into(), ..Default::default() };
        now.device.blockers = vec![blocker("recording"), blocker("queue-paused")];
        assert_eq!(next(&now).as_deref(), Some("rigpost resume"), "a take ends by itself");
        now.device.blockers.insert(0, blocker("device-paused"));
        let advice = next(&now).unwrap();
        assert!(advice.contains("whoever runs the project") && !advice.contains("rigpost "), "{advice}");
        now.device.blockers = vec![blocker("overheated")];
        assert_eq!(next(&now).as_deref(), Some("rigpost doctor"));
    }

    #[test]
    fn what_a_rig_is_paired_with_is_said_in_the_provider_s_own_word() {
        let paired = in_state("paired", "none").pairing;
        for (provider, said) in [
            ("frameio", "Paired with a project"),
            ("oauth", "Paired with an account"),
            ("", "Paired"),
            ("newer", "Paired"),
        ] {
            assert_eq!(summary(&paired, provider), said, "{provider:?}");
        }
        assert_eq!(clause(State::Unpaired, "oauth"), "this rig is not paired with an account");
        assert_eq!(clause(State::Unpaired, "newer"), "this rig is not paired");
        for (state, reason) in State::ALL.iter().flat_map(|s| Reason::ALL.iter().map(move |r| (s, r))) {
            let mut now = in_state(state.as_str(), reason.as_str());
            now.device.provider = "oauth".into();
            let all =
                [summary(&now.pairing, "oauth"), clause(*state, "oauth"), next(&now).unwrap_or_default()];
            assert!(all.iter().all(|text| !text.to_lowercase().contains("project")), "{all:?}");
        }
    }

    #[test]
    fn the_host_of_the_link_stands_apart_and_the_rig_beside_it() {
        let link = |uri: &str, complete: &str| Pairing {
            verification_uri: uri.into(),
            verification_uri_complete: complete.into(),
            ..Pairing::default()
        };
        for (uri, complete, shown) in [
            ("https://login.example/device", "https://login.example/device?c=1", "login.example"),
            ("", "https://login.example:8443/d?c=1", "login.example"),
            ("https://xn--bcher-kva.example/d", "", "xn--bcher-kva.example"),
            ("https://real.example@evil.example/d", "", "evil.example"),
            ("", "", ""),
            ("no link", "", ""),
        ] {
            assert_eq!(host(&link(uri, complete)), shown, "{uri} {complete}");
        }
        let called = |name: &str| Pairing { device_name: name.into(), ..Pairing::default() };
        assert_eq!(rig(&called("CAM A"), "SN-7"), "CAM A (SN-7)");
        assert_eq!(rig(&called("Recorder-SN-7"), "SN-7"), "Recorder-SN-7");
        assert_eq!([rig(&called(""), "SN-7"), rig(&called("CAM A"), "")], ["SN-7", "CAM A"]);
    }
}
