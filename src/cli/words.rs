//! The daemon's states and reasons in plain words, and what to do about them.
//!
//! # Decisions
//!
//! - Words for a person on a set, not for a developer: no "token", no "OAuth", no "provider dialect".
//! - An unknown state or reason is shown as it is: the contract allows new ones, and a newer daemon must not be hidden.

use super::bus::{Pairing, Snapshot};
use super::out::Tone;
use super::text::clean;

/// The provider's name as its users write it.
pub(crate) fn provider(name: &str) -> String {
    match name {
        "frameio" => "Frame.io".to_owned(),
        "oauth" => "the sign-in provider".to_owned(),
        "" => "the provider".to_owned(),
        other => clean(other),
    }
}

/// How the secrets of this rig are protected.
pub(crate) fn protection(name: &str) -> String {
    match name {
        "tpm2" => "sealed by this board's security chip (TPM)".to_owned(),
        "host-key" => "sealed by this system's own key".to_owned(),
        "file" => "sealed by a key file; whoever can read the disk can open them".to_owned(),
        "none" => "not available: there is no usable key".to_owned(),
        "" => "unknown".to_owned(),
        other => clean(other),
    }
}

/// A reason as a clause, without a full stop; `None` when there is none.
pub(crate) fn reason(name: &str) -> Option<String> {
    let words = match name {
        "none" | "" => return None,
        "denied" => "the pairing was denied",
        "expired" => "the pairing ran out of time",
        "revoked" => "the authorization was ended in the cloud",
        "access-expired" => "the authorization has run out, and the provider gave nothing to renew it with",
        "interrupted-refresh" => "a renewal was interrupted, and the old authorization is no longer accepted",
        "network" => "there is no network, or the provider can't be reached",
        "captive-portal" => "this network answers with a log-in page of its own",
        "certificate" => {
            "the provider's certificate is not trusted: a proxy or filter on this network opens what is sent"
        }
        "proxy" => "a proxy on this network wants a log-in of its own",
        "clock" => "the clock of this rig is wrong, so secure connections fail",
        "client-rejected" => "the provider does not accept this rig's identity or secret",
        "provider" => "the provider has trouble",
        "storage" => "the rig's own disk is full or can't be written",
        other => return Some(clean(other)),
    };
    Some(words.to_owned())
}

/// The state in one short sentence, without a full stop.
pub(crate) fn headline(pairing: &Pairing) -> (Tone, String) {
    let project = match pairing.project_name.is_empty() {
        true => "a project".to_owned(),
        false => clean(&pairing.project_name),
    };
    match pairing.state.as_str() {
        "paired" => (Tone::Good, format!("Paired with {project}")),
        "unpaired" => (Tone::Warn, "Ready to pair".to_owned()),
        "unprovisioned" => (Tone::Warn, "This rig has no client secret yet".to_owned()),
        "secret-unavailable" => (Tone::Bad, "This rig can't open its sealed secrets".to_owned()),
        "requesting-code" => (Tone::Warn, "Pairing: asking for a code".to_owned()),
        "waiting-for-user" => (Tone::Warn, "Pairing: waiting for somebody to enter the code".to_owned()),
        "needs-pairing" => (Tone::Bad, "No longer paired".to_owned()),
        other => (Tone::Warn, format!("In the state \"{}\", which this program does not know", clean(other))),
    }
}

/// What to do next, if anything.
pub(crate) fn next(now: &Snapshot) -> Option<String> {
    let trouble = match now.pairing.reason.as_str() {
        "network" => Some("check cable, Wi-Fi or modem; `rigpost doctor` finds out more"),
        "certificate" => {
            Some("use another network, or give the authority's certificate in `provider.ca_file`")
        }
        "proxy" => Some("use another network, or have the rig let through"),
        "captive-portal" => Some("log in to this network with a browser behind it, or use another one"),
        "clock" => {
            Some("connect to a network with a time server, or: sudo timedatectl set-time 'YYYY-MM-DD HH:MM'")
        }
        "access-expired" => Some("pair again: rigpost pair"),
        "client-rejected" => {
            Some("check identity and secret with whoever issued them, then: sudo rigpost provision")
        }
        "storage" => Some("free some space on the disk of /var/lib/rigpost"),
        _ => None,
    };
    let step = match now.pairing.state.as_str() {
        "secret-unavailable" => Some(
            "`rigpost doctor` says why; if the key is lost for good: sudo rigpost provision, then rigpost pair",
        ),
        "unprovisioned" => Some("sudo rigpost provision"),
        "waiting-for-user" => Some("rigpost pair shows the code; rigpost cancel ends the pairing"),
        "unpaired" | "needs-pairing" => trouble.or(Some("rigpost pair")),
        "paired" if trouble.is_none() => return next_for_queue(now).map(str::to_owned),
        _ => trouble,
    };
    step.map(str::to_owned)
}

fn next_for_queue(now: &Snapshot) -> Option<&'static str> {
    match () {
        () if now.queue.paused && now.queue.files_left > 0 => Some("rigpost resume"),
        () if now.queue.failed > 0 => {
            Some("rigpost queue --failed says why; rigpost queue retry ID (or --all) tries again")
        }
        () if now.queue.held > 0 => Some(
            "rigpost queue --held shows them; rigpost queue release ID sends one, rigpost queue cancel ID drops it",
        ),
        // Ends by itself.
        () if now.queue.recording => None,
        () if !now.device.blockers.is_empty() => Some("rigpost doctor"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [&str; 7] = [
        "secret-unavailable",
        "unprovisioned",
        "unpaired",
        "requesting-code",
        "waiting-for-user",
        "paired",
        "needs-pairing",
    ];
    const REASONS: [&str; 13] = [
        "denied",
        "expired",
        "revoked",
        "access-expired",
        "interrupted-refresh",
        "network",
        "captive-portal",
        "certificate",
        "proxy",
        "clock",
        "client-rejected",
        "provider",
        "storage",
    ];

    fn in_state(state: &str, reason: &str) -> Snapshot {
        let pairing = Pairing { state: state.into(), reason: reason.into(), ..Pairing::default() };
        Snapshot { pairing, ..Snapshot::default() }
    }

    #[test]
    fn every_state_and_reason_has_words() {
        for state in STATES {
            let (_, words) = headline(&in_state(state, "none").pairing);
            assert!(!words.contains('"') && words.starts_with(char::is_uppercase), "{state}: {words}");
        }
        for name in REASONS {
            assert_ne!(reason(name).as_deref(), Some(name));
        }
        assert_eq!(reason("none"), None);
        assert_eq!(reason("quota\u{1b}").as_deref(), Some("quota\u{fffd}"));
        assert!(headline(&in_state("sleeping", "none").pairing).1.contains("\"sleeping\""));
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
        now.queue.paused = true;
        assert_eq!(next(&now), None);
        now.queue.files_left = 3;
        assert_eq!(next(&now).as_deref(), Some("rigpost resume"));
    }
}
