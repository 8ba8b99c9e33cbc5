//! What real providers answer, from the folder of each, and what it has to mean. Another dialect is one row here, one
//! folder of answers under those names, and its page of data.
use std::fs;
use std::path::Path;

use super::*;

/// A row: the folder, and who reads it.
fn dialects() -> Vec<(&'static str, Provider)> {
    let client = |auth| oauth::by_hand(auth);
    vec![
        ("frameio", provider()),
        ("auth0", client(ClientAuth::Post)),
        ("oidc-provider", oauth::on_a_desk()),
        ("google", client(ClientAuth::Post)),
        ("entra", client(ClientAuth::None)),
        ("github", client(ClientAuth::None)),
        ("keycloak", client(ClientAuth::Basic)),
    ]
}

/// Not every provider says everything: what the folder of one has not, its documentation does not mention.
const SAID_BY_SOME: [&str; 4] = ["slow-down", "expired", "expired-otherwise", "blocked"];

fn fixture(dialect: &str, name: &str) -> Response {
    said(dialect, name).unwrap_or_else(|| panic!("{dialect} has no answer {name}"))
}

fn said(dialect: &str, name: &str) -> Option<Response> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../tests/fixtures/providers/{dialect}/{name}.http"));
    let text = fs::read_to_string(&path).ok()?;
    let (head, body) = text.split_once("\n\n").unwrap();
    let (status, content_type) = head.split_once('\n').unwrap();
    let status = status.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap();
    Some(answer(status, content_type.strip_prefix("content-type: ").unwrap(), body))
}

/// What a poll or a refresh came to, as one word.
fn meaning(outcome: &Result<TokenResponse, TokenError>) -> &'static str {
    match outcome {
        Ok(_) => "tokens",
        Err(TokenError::AuthorizationPending) => "pending",
        Err(TokenError::SlowDown(_)) => "slow-down",
        Err(TokenError::AccessDenied) => "denied",
        Err(TokenError::ExpiredToken) => "expired",
        Err(TokenError::InvalidGrant(_)) => "spent",
        Err(TokenError::ClientRejected(_)) => "client",
        Err(TokenError::NotAllowed(_)) => "not-allowed",
        Err(TokenError::Unauthorized) => "unauthorized",
        Err(TokenError::Rejected(_)) => "rejected",
        Err(TokenError::Transient(t)) if t.cause == Cause::CaptivePortal => "portal",
        Err(TokenError::Transient(_)) => "later",
    }
}

#[test]
fn every_providers_answers_mean_the_same() {
    const POLLS: [(&str, &str); 9] = [
        ("pending", "pending"),
        ("slow-down", "slow-down"),
        ("denied", "denied"),
        ("expired", "expired"),
        ("expired-otherwise", "expired"),
        ("blocked", "not-allowed"),
        ("tokens", "tokens"),
        ("client", "client"),
        ("broken", "later"),
    ];
    const REFRESHES: [(&str, &str); 4] =
        [("refreshed", "tokens"), ("spent", "spent"), ("client", "client"), ("broken", "later")];
    for (dialect, p) in dialects() {
        let code = p.read_device_authorization(&fixture(dialect, "code")).unwrap();
        assert!(!code.user_code.expose().is_empty(), "{dialect}");
        assert_eq!(code.device_code.expose(), "dc-1", "{dialect}");
        assert_eq!(code.interval, Duration::from_secs(5), "{dialect}: said, or the standard's own");
        for (name, expected) in POLLS.into_iter().chain([("portal", "portal")]) {
            match said(dialect, name) {
                Some(answer) => {
                    assert_eq!(meaning(&p.read_device_token(&answer)), expected, "{dialect}: {name}")
                }
                None => assert!(SAID_BY_SOME.contains(&name), "{dialect}: {name}"),
            }
        }
        if let Some(blocked) = said(dialect, "blocked") {
            let code = p.read_device_authorization(&blocked);
            assert!(matches!(code, Err(TokenError::NotAllowed(_))), "{dialect}: {code:?}");
        }
        for (name, expected) in REFRESHES.into_iter().chain([("portal", "portal")]) {
            let read = p.read_refresh(&fixture(dialect, name));
            assert_eq!(meaning(&read), expected, "{dialect}: {name}");
        }
        let portal = p.read_device_authorization(&fixture(dialect, "portal"));
        assert_eq!(portal.err().as_ref().and_then(cause), Some(Cause::CaptivePortal), "{dialect}");
        let tokens = p.read_device_token(&fixture(dialect, "tokens")).unwrap();
        assert_eq!(tokens.refresh_token, Some(RefreshToken(Secret::new("rt-1"))), "{dialect}");
    }
}

#[test]
fn a_server_text_is_passed_on() {
    let read = oauth::by_hand(ClientAuth::None).read_refresh(&fixture("auth0", "spent"));
    let expected = "invalid_grant: Unknown or invalid refresh token.";
    assert_eq!(read, Err(TokenError::InvalidGrant(expected.to_owned())));
}
