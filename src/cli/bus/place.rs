//! Storage of one's own, as far as the bus tells of it: what clips are bound to, and whose trouble it is that they wait.
//!
//! # Decisions
//!
//! - Clips are bound to the address of such storage, and to an id anywhere else.
//! - The daemon has one word for a trouble of the provider and for one of the storage. Where clips go to storage of one's own,
//!   what is said here is true of both.

use crate::text::capitalized;
use rigpost_contract::item::ItemReason;
use rigpost_contract::pairing::Reason;

/// What clips go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Bucket,
    /// A tus server. An issuer with a path, of a provider where nothing is uploaded, looks the same.
    Uploads,
}

impl Place {
    /// By an id that clips are bound to, and what people call it; `None`: it is no storage of one's own.
    pub(crate) fn of(id: &str, name: &str) -> Option<Self> {
        let at = id.strip_prefix("https://").or_else(|| id.strip_prefix("http://"))?;
        // An issuer's has no slash at its end.
        let (_, path) = at.split_once('/')?;
        let is_bucket = path == name || path.strip_suffix(name).is_some_and(|before| before.ends_with('/'));
        Some(if is_bucket && !name.is_empty() { Self::Bucket } else { Self::Uploads })
    }
}

/// A reason as a clause, of a clip that goes to storage of one's own; `None`: the contract's says it.
pub(super) fn clause(reason: ItemReason) -> Option<&'static str> {
    match reason {
        ItemReason::Network => Some("the provider or the storage can't be reached"),
        ItemReason::Provider => Some("the provider or the storage answers with errors"),
        ItemReason::Certificate => {
            Some("the certificate of the provider or of the storage is not one that this rig trusts")
        }
        ItemReason::Refused => Some("the storage does not take this clip"),
        ItemReason::None
        | ItemReason::OtherProject
        | ItemReason::BeforePairing
        | ItemReason::Forgotten
        | ItemReason::Duplicate
        | ItemReason::DeliveredElsewhere
        | ItemReason::AsItIs
        | ItemReason::Settling
        | ItemReason::Vanished
        | ItemReason::Unreadable
        | ItemReason::NotAnswering
        | ItemReason::Changed
        | ItemReason::RecordedWhilePaused
        | ItemReason::CaptivePortal
        | ItemReason::Proxy
        | ItemReason::Clock
        | ItemReason::ClientRejected
        | ItemReason::Storage
        | ItemReason::Source
        | ItemReason::Unknown => None,
    }
}

/// The sentence of what stands in the way of delivery there; `None`: the daemon's says it.
pub(super) fn sentence(code: &str, text: &str) -> Option<String> {
    let reason: Reason = code.parse().ok()?;
    let rest = text.strip_prefix(&capitalized(reason.clause()))?;
    Some(format!("{}{rest}", capitalized(clause(reason.into())?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rigpost_contract::pairing::State;

    #[test]
    fn storage_is_known_by_what_clips_are_bound_to() {
        for (id, name, place) in [
            ("https://s3.example/footage", "footage", Some(Place::Bucket)),
            ("http://127.0.0.1:8333/footage", "footage", Some(Place::Bucket)),
            ("https://s3.example/a/footage", "footage", Some(Place::Bucket)),
            ("https://s3.example/old-footage", "footage", Some(Place::Uploads)),
            ("https://uploads.example/files/", "uploads.example", Some(Place::Uploads)),
            ("https://uploads.example/", "uploads.example", Some(Place::Uploads)),
            ("https://uploads.example/files/", "", Some(Place::Uploads)),
            ("https://tenant.auth0.com", "tenant.auth0.com", None),
            ("a4cf7e2e-2d6b-4ed0-8d5e-9a0e7f1c1c55", "Moonrise", None),
            ("", "", None),
        ] {
            assert_eq!(Place::of(id, name), place, "{id} {name}");
        }
    }

    #[test]
    fn what_the_daemon_says_of_both_is_said_of_both() {
        for (reason, words) in [
            (Reason::Network, Some("The provider or the storage can't be reached. The rig keeps trying.")),
            (
                Reason::Provider,
                Some("The provider or the storage answers with errors. The rig keeps trying."),
            ),
            (Reason::Certificate, Some("The certificate of the provider or of the storage is not one that")),
            (Reason::CaptivePortal, None),
            (Reason::Storage, None),
        ] {
            let said = sentence(reason.as_str(), &reason.sentence(State::Paired));
            assert_eq!(said.is_some(), words.is_some(), "{said:?}");
            assert!(said.unwrap_or_default().starts_with(words.unwrap_or_default()), "{reason}");
        }
        assert_eq!(sentence("network", "There is no network."), None, "a newer daemon's words");
    }
}
