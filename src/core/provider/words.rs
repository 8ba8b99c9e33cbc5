//! What a provider's word means, by what it was asked.
//!
//! The words of RFC 6749 §5.2 and RFC 8628 §3.5, and those that providers use in their place. A word that is not in the
//! table is trouble: it is shown, and ends nothing.
//!
//! # Decisions
//! - The word decides, and not the number that it comes with: providers send the same word with 200, 400, 401, 403, 428
//!   and 429.
//! - A code request is refused before anybody was asked. Whatever is said to it speaks of the configuration here or there,
//!   and of no person.
//! - No word ends anything that comes with a 5xx: a server that fails has not judged what it was asked.
//! - A refused client ends no grant: a provider says it, too, while its own database is away.

/// Which question a word answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// For a code (RFC 8628 §3.1).
    Code,
    /// Whether somebody has entered it (RFC 8628 §3.4).
    Poll,
    /// For new tokens (RFC 6749 §6).
    Refresh,
    /// Anything else, with an access token or without.
    Other,
}

/// What it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nobody has entered the code yet.
    Pending,
    /// Ask less often.
    SlowDown,
    /// The person said no.
    Denied,
    /// The code is dead.
    CodeOver,
    /// What was presented is not known: for a refresh token the end, for a code perhaps.
    NotKnown,
    /// `client_id` or `client_secret` is not accepted.
    ClientRefused,
    /// The application may not do this (RFC 6749 §5.2 `unauthorized_client`).
    NotAllowed,
    /// A mistake in the request: trying again does not help.
    Mistake,
    /// The access token is not accepted (RFC 6750 §3.1).
    TokenRefused,
    /// Nothing that is known.
    Trouble,
}

struct Row {
    word: &'static str,
    poll: Meaning,
    refresh: Meaning,
}

const fn row(word: &'static str, poll: Meaning, refresh: Meaning) -> Row {
    Row { word, poll, refresh }
}

const ROWS: [Row; 33] = {
    use Meaning as M;
    [
        row("authorization_pending", M::Pending, M::Trouble),
        row("slow_down", M::SlowDown, M::SlowDown),
        row("access_denied", M::Denied, M::Trouble),
        // Entra.
        row("authorization_declined", M::Denied, M::Trouble),
        row("expired_token", M::CodeOver, M::Trouble),
        row("code_expired", M::CodeOver, M::Trouble),
        // Entra, GitHub, django-oauth-toolkit, Twitch.
        row("bad_verification_code", M::CodeOver, M::Trouble),
        row("incorrect_device_code", M::CodeOver, M::Trouble),
        row("device_not_found", M::CodeOver, M::Trouble),
        row("invalid device code", M::CodeOver, M::Trouble),
        row("invalid_grant", M::NotKnown, M::NotKnown),
        // Hydra, GitHub, Twitch.
        row("token_inactive", M::Trouble, M::NotKnown),
        row("bad_refresh_token", M::Trouble, M::NotKnown),
        row("invalid refresh token", M::Trouble, M::NotKnown),
        // OpenID Connect Core §3.1.2.6, and Entra's and Auth0's own beside them: a person has to act.
        row("interaction_required", M::Trouble, M::NotKnown),
        row("login_required", M::Trouble, M::NotKnown),
        row("consent_required", M::Trouble, M::NotKnown),
        row("account_selection_required", M::Trouble, M::NotKnown),
        row("mfa_required", M::Trouble, M::NotKnown),
        row("invalid_client", M::ClientRefused, M::ClientRefused),
        // GitHub.
        row("incorrect_client_credentials", M::ClientRefused, M::ClientRefused),
        row("unauthorized_client", M::NotAllowed, M::ClientRefused),
        row("invalid_request", M::Mistake, M::Mistake),
        // Frame.io.
        row("bad_request", M::Mistake, M::Mistake),
        row("invalid_scope", M::Mistake, M::Mistake),
        row("unsupported_grant_type", M::Mistake, M::Mistake),
        // GitHub, where the application has no device flow.
        row("device_flow_disabled", M::NotAllowed, M::Mistake),
        // Google, by the rules of an organisation.
        row("admin_policy_enforced", M::NotAllowed, M::Trouble),
        row("org_internal", M::NotAllowed, M::Trouble),
        row("invalid_token", M::TokenRefused, M::TokenRefused),
        // Of the proof, and not of what was presented with it (RFC 9449 §5 and §8).
        row("use_dpop_nonce", M::Trouble, M::Trouble),
        row("invalid_dpop_proof", M::Trouble, M::Trouble),
        // Frame.io.
        row("Not Authorized", M::TokenRefused, M::TokenRefused),
    ]
};

/// What a word means that was said to this question.
pub fn meaning(asked: Asked, word: &str) -> Meaning {
    let Some(row) = find(word) else {
        return if asked == Asked::Code { Meaning::Mistake } else { Meaning::Trouble };
    };
    match (asked, row.poll) {
        (Asked::Poll, meaning) => meaning,
        (Asked::Refresh, _) => row.refresh,
        (Asked::Code, meaning @ (Meaning::SlowDown | Meaning::ClientRefused | Meaning::NotAllowed)) => {
            meaning
        }
        (
            Asked::Code,
            Meaning::Pending
            | Meaning::Denied
            | Meaning::CodeOver
            | Meaning::NotKnown
            | Meaning::Mistake
            | Meaning::TokenRefused
            | Meaning::Trouble,
        ) => Meaning::Mistake,
        (Asked::Other, meaning) => meaning,
    }
}

/// It is a word of the table.
pub fn is_known(word: &str) -> bool {
    find(word).is_some()
}

fn find(word: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.word.eq_ignore_ascii_case(word.trim()))
}

/// An organisation's rule forbids to sign in by code, or the application is not one that may: what the words beside the
/// word say (Entra's conditional access; Auth0's and Okta's grants).
pub fn forbids_codes(description: &str) -> bool {
    ["AADSTS53003", "AADSTS50199"].iter().any(|code| description.contains(code))
}
