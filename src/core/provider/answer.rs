//! Sorting answers, the same for every dialect: which are the provider's own word, and which are not.
//!
//! # Decisions
//! - Only a JSON error in one of the provider's two shapes is the provider speaking. Everything else, a 404 and a 401
//!   without such a body included, comes from something in between and is transient: a captive portal must never end a
//!   pairing (Frame.io's error guide warns of just that).
use std::time::Duration;

use serde::Deserialize;

use crate::oauth::{Cause, TokenError, Trouble};
use crate::provider::wire::{Response, trouble};

/// An answer, sorted.
#[derive(Debug)]
pub enum Sorted {
    /// 2xx with what may be the expected body.
    Success,
    /// `{"error": "..."}`, RFC 6749 §5.2.
    Word(Word),
    /// Frame.io's detailed shape: status, title, detail.
    Detailed(Detailed),
    /// Not the provider's protocol, or the provider in trouble.
    Trouble(Trouble),
}

/// `{"error": "...", "error_description": "..."}`.
#[derive(Debug, PartialEq, Eq)]
pub struct Word {
    /// HTTP status.
    pub status: u16,
    /// Shortened; for comparing.
    pub word: String,
    /// Shortened; the server's text for people, where there is one.
    pub description: String,
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.word)?;
        if !self.description.is_empty() {
            write!(f, ": {}", self.description)?;
        }
        Ok(())
    }
}

/// `{"code":…, "errors":[{"title":…, "detail":…}], "message":…}`.
#[derive(Debug, PartialEq, Eq)]
pub struct Detailed {
    /// HTTP status.
    pub status: u16,
    /// Shortened; for comparing and for people.
    pub title: String,
    /// Shortened; for people.
    pub detail: String,
}

#[derive(Deserialize)]
struct Shapes {
    error: Option<String>,
    error_description: Option<serde_json::Value>,
    code: Option<serde::de::IgnoredAny>,
    message: Option<String>,
    #[serde(default)]
    errors: Vec<Shape>,
}

#[derive(Deserialize)]
struct Shape {
    title: Option<String>,
    detail: Option<String>,
}

/// Which kind of answer this is.
pub fn sort(response: &Response) -> Sorted {
    let status = response.status;
    match status {
        200..=299 if response.is_html() => {
            Sorted::Trouble(trouble(Cause::CaptivePortal, "a web page came instead of an answer", None))
        }
        200..=299 => Sorted::Success,
        300..=399 | 511 => {
            Sorted::Trouble(trouble(Cause::CaptivePortal, format!("HTTP {status} points elsewhere"), None))
        }
        407 => Sorted::Trouble(trouble(Cause::Proxy, "HTTP 407: a proxy wants a log-in", None)),
        500..=599 => {
            Sorted::Trouble(trouble(Cause::Provider, format!("HTTP {status}"), response.retry_after))
        }
        _ => sort_error(response),
    }
}

fn sort_error(response: &Response) -> Sorted {
    let status = response.status;
    match response.json::<Shapes>() {
        // The word for a poll that came too soon (RFC 8628 §3.5), whatever the number it comes with.
        Some(Shapes { error: Some(word), error_description, .. }) if status != 429 || word == "slow_down" => {
            let text = error_description.as_ref().and_then(serde_json::Value::as_str);
            Sorted::Word(Word { status, word: short(&word), description: short(text.unwrap_or_default()) })
        }
        _ if status == 429 => Sorted::Trouble(trouble(
            Cause::RateLimited,
            "HTTP 429",
            response.retry_after.or(Some(Duration::from_secs(1))),
        )),
        // A message alone is how gateways speak, not the provider behind them.
        Some(Shapes { code, message, mut errors, .. }) if code.is_some() || !errors.is_empty() => {
            let first = if errors.is_empty() { None } else { Some(errors.swap_remove(0)) };
            let (title, detail) = first.map_or((None, None), |e| (e.title, e.detail));
            Sorted::Detailed(Detailed {
                status,
                title: short(&title.or(message).unwrap_or_default()),
                detail: short(&detail.unwrap_or_default()),
            })
        }
        _ if response.is_html() => Sorted::Trouble(trouble(
            Cause::CaptivePortal,
            format!("HTTP {status} with a web page instead of an answer"),
            None,
        )),
        _ => Sorted::Trouble(trouble(Cause::Provider, format!("HTTP {status} without a reason"), None)),
    }
}

/// The standard words (RFC 6749 §5.2, RFC 8628 §3.5) and Frame.io's `bad_request`.
pub fn token_error(sorted: Sorted) -> TokenError {
    match sorted {
        Sorted::Word(word) => match word.word.as_str() {
            "authorization_pending" => TokenError::AuthorizationPending,
            "slow_down" => TokenError::SlowDown,
            "access_denied" => TokenError::AccessDenied,
            "expired_token" => TokenError::ExpiredToken,
            "invalid_grant" => TokenError::InvalidGrant(word.to_string()),
            "invalid_client" => TokenError::ClientRejected,
            "invalid_request"
            | "bad_request"
            | "invalid_scope"
            | "unauthorized_client"
            | "unsupported_grant_type" => TokenError::Rejected(word.to_string()),
            // RFC 6750 §3.1, Frame.io's own words, and whatever else a provider calls it.
            "invalid_token" | "Not Authorized" => TokenError::Unauthorized,
            _ if word.status == 401 => TokenError::Unauthorized,
            _ => TokenError::Transient(trouble(Cause::Provider, format!("error \"{word}\""), None)),
        },
        Sorted::Detailed(d) if d.is_unauthorized() => TokenError::Unauthorized,
        Sorted::Detailed(d) => TokenError::Transient(trouble(Cause::Provider, d.to_string(), None)),
        Sorted::Trouble(t) => TokenError::Transient(t),
        Sorted::Success => unexpected(),
    }
}

/// A success whose body is not what the protocol says.
pub fn unexpected() -> TokenError {
    TokenError::Transient(trouble(Cause::Provider, "an answer that is not of the protocol", None))
}

impl Detailed {
    /// Frame.io has been seen to answer a bad token with 409, so the words count as well as the number.
    pub fn is_unauthorized(&self) -> bool {
        self.status == 401 || self.title == "Not Authorized"
    }
}

impl std::fmt::Display for Detailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {} {}", self.status, self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// Foreign text, made fit for one line of a journal: no control characters, 120 characters at most.
pub fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect()
}
