//! Answers, and the error shapes the cloud uses: simple (authorization), detailed (devices), XML (storage).

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

/// The body of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Empty,
    Json(Value),
    /// Content type and bytes, as they are.
    Raw(&'static str, Vec<u8>),
    /// Valid JSON of about this many bytes, made while it is sent.
    Huge(u64),
    /// A byte, and after this time another one, for very long.
    Trickle(Duration),
}

/// An answer before it is turned into HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) payload: Payload,
    /// The word a log shows for a refusal.
    pub(crate) error: Option<String>,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, payload: Payload) -> Self {
        Self { status, headers: Vec::new(), payload, error: None }
    }

    pub(crate) fn json(body: Value) -> Self {
        Self::new(StatusCode::OK, Payload::Json(body))
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// The simple shape of the authorization endpoints, status 400.
    pub(crate) fn oauth(word: &str) -> Self {
        let mut reply = Self::new(StatusCode::BAD_REQUEST, Payload::Json(json!({ "error": word })));
        reply.error = Some(word.to_owned());
        reply
    }

    /// The detailed shape of the device endpoints.
    pub(crate) fn detailed(status: StatusCode, title: &str, detail: &str) -> Self {
        let code = status.as_u16();
        let one = json!({ "code": code, "detail": detail, "status": code, "title": title });
        let body = json!({ "code": code, "errors": [one], "message": title });
        let mut reply = Self::new(status, Payload::Json(body));
        reply.error = Some(title.to_owned());
        reply
    }

    /// "Not Authorized": bad, expired or superseded tokens, forgotten devices.
    pub(crate) fn unauthorized() -> Self {
        Self::detailed(
            StatusCode::UNAUTHORIZED,
            "Not Authorized",
            "You are not allowed to access that resource",
        )
    }

    /// Media made inside a pause window.
    pub(crate) fn paused() -> Self {
        Self::detailed(
            StatusCode::CONFLICT,
            "Channel Paused",
            "The channel was paused when this media was created",
        )
    }

    /// 422, invalid arguments.
    pub(crate) fn invalid(detail: &str) -> Self {
        Self::detailed(StatusCode::UNPROCESSABLE_ENTITY, "Invalid Arguments", detail)
    }

    /// 400 in the detailed shape.
    pub(crate) fn bad_request(detail: &str) -> Self {
        Self::detailed(StatusCode::BAD_REQUEST, "Bad Request", detail)
    }

    /// 404 in the detailed shape.
    pub(crate) fn not_found(detail: &str) -> Self {
        Self::detailed(StatusCode::NOT_FOUND, "Not Found", detail)
    }

    /// 429 with everything a client may go by.
    pub(crate) fn rate_limited() -> Self {
        Self::detailed(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", "Rate limit exceeded")
            .header("x-ratelimit-limit", 5)
            .header("x-ratelimit-window", 1000)
            .header("x-ratelimit-remaining", 0)
            .header("retry-after", 1)
    }

    /// The storage's XML shape.
    pub(crate) fn xml(status: StatusCode, code: &str, message: &str) -> Self {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        let mut reply = Self::new(status, Payload::Raw("application/xml", text.into_bytes()));
        reply.error = Some(code.to_owned());
        reply
    }
}
