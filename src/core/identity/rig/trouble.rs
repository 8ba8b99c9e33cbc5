//! How troubles are named to people.
use crate::command::Refusal;
use crate::identity::tokens;
use crate::oauth::{Cause, TokenError};
use crate::view::Reason;

/// What stands in the way, for the screen: the reason, and more about it where there is more to say.
pub(super) fn reason_of_trouble(trouble: &tokens::Trouble) -> (Reason, String) {
    match trouble {
        tokens::Trouble::Storage(e) => (Reason::Storage, e.to_string()),
        tokens::Trouble::Exchange(cause, word) => (reason_of_cause(*cause), word.clone()),
        tokens::Trouble::Client(word) => (Reason::ClientRejected, word.clone()),
    }
}

pub(super) fn reason_of_cause(cause: Cause) -> Reason {
    match cause {
        Cause::Network => Reason::Network,
        Cause::CaptivePortal => Reason::CaptivePortal,
        Cause::Certificate => Reason::Certificate,
        Cause::Proxy => Reason::Proxy,
        Cause::Clock => Reason::Clock,
        Cause::Provider | Cause::RateLimited => Reason::Provider,
    }
}

pub(super) fn reason_of(e: &TokenError) -> Reason {
    match e {
        TokenError::Transient(t) => reason_of_cause(t.cause),
        TokenError::AccessDenied => Reason::Denied,
        TokenError::ClientRejected(_) => Reason::ClientRejected,
        TokenError::NotAllowed(_) => Reason::SignInBlocked,
        TokenError::Rejected(_) => Reason::Configuration,
        TokenError::AuthorizationPending
        | TokenError::SlowDown(_)
        | TokenError::ExpiredToken
        | TokenError::InvalidGrant(_)
        | TokenError::Unauthorized => Reason::Provider,
    }
}

pub(super) fn refusal_of_cause(cause: Cause, why: &str) -> Refusal {
    match cause {
        Cause::Network => Refusal::NetworkUnavailable(why.to_owned()),
        Cause::Certificate => Refusal::Certificate(why.to_owned()),
        Cause::Proxy => Refusal::Proxy(why.to_owned()),
        Cause::CaptivePortal => Refusal::CaptivePortal(why.to_owned()),
        Cause::Clock => Refusal::ClockUntrusted(why.to_owned()),
        Cause::Provider => Refusal::ProviderError(why.to_owned()),
        Cause::RateLimited => Refusal::RateLimited,
    }
}

pub(super) fn refusal_of(e: &TokenError) -> Refusal {
    match e {
        TokenError::Transient(t) => refusal_of_cause(t.cause, &t.why),
        TokenError::SlowDown(_) => Refusal::RateLimited,
        TokenError::ClientRejected(word) => Refusal::ClientRejected(word.clone()),
        TokenError::NotAllowed(word) => Refusal::SignInBlocked(word.clone()),
        TokenError::Rejected(why) => Refusal::Configuration(why.clone()),
        TokenError::AccessDenied => Refusal::Denied,
        TokenError::AuthorizationPending
        | TokenError::ExpiredToken
        | TokenError::InvalidGrant(_)
        | TokenError::Unauthorized => Refusal::ProviderError(e.to_string()),
    }
}
