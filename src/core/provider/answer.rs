//! Sorting answers, the same for every dialect: which are the provider's own word, and which are not.
//!
//! # Decisions
//! - Only a JSON object or a form with a word of the protocol is the provider speaking, whatever its number. Everything else,
//!   a 404 and a 401 without such a body included, comes from something in between and is transient: a captive portal must
//!   never end a pairing (Frame.io's error guide warns of just that).
//! - A success is one that has what was asked for: GitHub says "not yet" with 200.
use std::time::Duration;

use serde_json::Value;

use crate::oauth::{Cause, TokenError, Trouble};
use crate::provider::members::Members;
use crate::provider::wire::{Response, trouble, web_page};
use crate::provider::words::{self, Asked, Meaning};

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
    /// A member of its own, and not a part of another API's error.
    pub of_protocol: bool,
    /// Between two polls, where it says so (RFC 8628 §3.5 has that in the first answer only).
    pub interval: Option<Duration>,
    /// As the header says.
    pub retry_after: Option<Duration>,
}

impl Word {
    /// A server in trouble, or that wants fewer questions: it has not judged what was asked.
    pub fn is_of_now(&self) -> bool {
        self.status == 429 || self.status >= 500
    }

    /// What it is then.
    pub fn trouble(self) -> Trouble {
        let cause = if self.status == 429 { Cause::RateLimited } else { Cause::Provider };
        trouble(cause, self.to_string(), self.retry_after)
    }
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

/// What an answer has that is a success, whatever it says besides.
const GRANTS: [&str; 2] = ["access_token", "device_code"];
/// The same, unless it has a word of the protocol.
const GOODS: [&str; 4] = ["id", "project_id", "issuer", "sub"];

/// Which kind of answer this is.
//= frameio-c2c#6.1
//# Both shapes of an error are read
pub fn sort(response: &Response) -> Sorted {
    let status = response.status;
    let points_elsewhere = matches!(status, 300..=399 | 407 | 511);
    let members = response.members().filter(|_| !points_elsewhere);
    if let Some(word) = members.as_ref().and_then(|members| word(response, members)) {
        return Sorted::Word(word);
    }
    match status {
        200..=299 if response.is_html() => Sorted::Trouble(web_page()),
        200..=299 => Sorted::Success,
        300..=399 | 511 => {
            Sorted::Trouble(trouble(Cause::CaptivePortal, format!("HTTP {status} points elsewhere"), None))
        }
        407 => Sorted::Trouble(trouble(Cause::Proxy, "HTTP 407: a proxy wants a log-in", None)),
        //= frameio-c2c#6.3
        //# 429: a second is waited at least, then twice as long each time.
        429 => {
            let wait = response.retry_after.or(Some(Duration::from_secs(1)));
            Sorted::Trouble(trouble(Cause::RateLimited, "HTTP 429", wait))
        }
        500..=599 => {
            Sorted::Trouble(trouble(Cause::Provider, format!("HTTP {status}"), response.retry_after))
        }
        _ => sort_error(response),
    }
}

/// RFC 6749 §5.2; Twitch's `message` in its place, where that is a word of the protocol; an object of Google's other APIs.
fn word(response: &Response, members: &Members) -> Option<Word> {
    let made = |word: &str, description: &str| Word {
        status: response.status,
        word: response.text(word),
        description: response.text(description),
        of_protocol: true,
        interval: members.get("interval").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
        retry_after: response.retry_after,
    };
    let error = members.text("error");
    let is_known = error.is_some_and(words::is_known);
    let has = |goods: &[&str]| goods.iter().any(|good| members.get(good).is_some());
    let is_good = has(&GRANTS) || (has(&GOODS) && !is_known);
    if is_good && (200..300).contains(&response.status) {
        return None;
    }
    let message = members.text("message").filter(|message| words::is_known(message));
    if let Some(message) = message.filter(|_| !is_known) {
        return Some(made(message, ""));
    }
    if let Some(error) = error {
        return Some(made(error, members.text("error_description").unwrap_or_default()));
    }
    let nested = response.json::<Value>()?;
    let error = nested.get("error")?.as_object()?;
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let nested = || Word { of_protocol: false, ..made(text("status"), text("message")) };
    (!text("status").is_empty()).then(nested)
}

//= frameio-c2c#6.1
//# What has neither shape comes from something on the way, whatever its number
fn sort_error(response: &Response) -> Sorted {
    let status = response.status;
    if let Some(detailed) = detailed(response) {
        return Sorted::Detailed(detailed);
    }
    let portal = || format!("HTTP {status} with a web page instead of an answer");
    let said = || match words_of(response) {
        Some(words) => format!("HTTP {status}: {words}"),
        None => format!("HTTP {status} without a reason"),
    };
    match response.is_html() {
        true => Sorted::Trouble(trouble(Cause::CaptivePortal, portal(), None)),
        false => Sorted::Trouble(trouble(Cause::Provider, said(), None)),
    }
}

/// What whoever it is says for people: shown, and not believed.
fn words_of(response: &Response) -> Option<String> {
    let body = response.json::<Value>()?;
    let said = ["message", "detail", "description", "error_description", "title"];
    let said = said.into_iter().find_map(|name| body.get(name).and_then(Value::as_str));
    said.map(|words| response.text(words)).filter(|words| !words.is_empty())
}

/// A message alone is how gateways speak, not the provider behind them.
fn detailed(response: &Response) -> Option<Detailed> {
    let body = response.json::<Value>()?;
    let errors = body.get("errors").and_then(Value::as_array);
    let first = errors.and_then(|errors| errors.first());
    if first.is_none() && body.get("code").is_none_or(Value::is_null) {
        return None;
    }
    let of = |value: Option<&Value>| -> Option<String> {
        match value? {
            Value::String(text) => Some(text.clone()),
            Value::Array(texts) => texts.iter().find_map(Value::as_str).map(str::to_owned),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        }
    };
    let said = |name: &str| first.and_then(|first| of(first.get(name)));
    Some(Detailed {
        status: response.status,
        title: response.text(&said("title").or_else(|| of(body.get("message"))).unwrap_or_default()),
        detail: response.text(&said("detail").unwrap_or_default()),
    })
}

/// What an answer to this question means that is no success.
pub fn token_error(asked: Asked, sorted: Sorted) -> TokenError {
    match sorted {
        Sorted::Word(word) => of_word(asked, word),
        Sorted::Detailed(d) if d.is_unauthorized() => TokenError::Unauthorized,
        Sorted::Detailed(d) => TokenError::Transient(trouble(Cause::Provider, d.to_string(), None)),
        Sorted::Trouble(t) => TokenError::Transient(t),
        Sorted::Success => unexpected(),
    }
}

fn of_word(asked: Asked, word: Word) -> TokenError {
    let meaning = words::meaning(asked, &word.word);
    let is_of_a_flow = matches!(meaning, Meaning::Pending | Meaning::SlowDown);
    if word.is_of_now() && !is_of_a_flow {
        return TokenError::Transient(word.trouble());
    }
    if words::forbids_codes(&word.description) {
        return TokenError::NotAllowed(word.to_string());
    }
    match meaning {
        Meaning::Pending => TokenError::AuthorizationPending,
        Meaning::SlowDown => TokenError::SlowDown(word.interval),
        Meaning::Denied => TokenError::AccessDenied,
        Meaning::CodeOver => TokenError::ExpiredToken,
        Meaning::NotKnown => TokenError::InvalidGrant(word.to_string()),
        Meaning::ClientRefused => TokenError::ClientRejected(word.to_string()),
        Meaning::NotAllowed => TokenError::NotAllowed(word.to_string()),
        Meaning::TokenRefused => TokenError::Unauthorized,
        // A gateway has words of its own for what it does not find.
        Meaning::Mistake if !words::is_known(&word.word) && word.status > 403 => {
            TokenError::Transient(word.trouble())
        }
        Meaning::Mistake => TokenError::Rejected(word.to_string()),
        // Frame.io's 401 has many words. One that is known elsewhere does not mean that here.
        Meaning::Trouble if is_refusal(asked, &word) => TokenError::Unauthorized,
        Meaning::Trouble => TokenError::Transient(word.trouble()),
    }
}

fn is_refusal(asked: Asked, word: &Word) -> bool {
    word.status == 401 && word.of_protocol && asked != Asked::Poll && !words::is_known(&word.word)
}

/// A success whose body is not what the protocol says.
pub fn unexpected() -> TokenError {
    TokenError::Transient(trouble(Cause::Provider, "an answer that is not of the protocol", None))
}

impl Detailed {
    /// Frame.io has been seen to answer a bad token with 409, so the words count as well as the number.
    //= frameio-c2c#6.1
    //# Title and message decide beside the number
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
