//! Requests and answers as plain values: a dialect builds the first and reads the second, and never sends anything.
use std::borrow::Cow;
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

use crate::oauth::{AccessToken, Cause, ClientId, ClientSecret, Trouble};
use crate::secret::Secret;

/// How the connection for a request comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// A new TCP connection, closed after the answer.
    Fresh,
    /// One that is open already, if there is one.
    Pooled,
}

/// One field of a form.
pub type Field = (Cow<'static, str>, Secret);

/// What a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    Empty,
    /// `multipart/form-data`, in this order.
    Multipart(Vec<Field>),
    /// `application/x-www-form-urlencoded`, in this order.
    Form(Vec<Field>),
    /// `application/json`, already written.
    Json(Zeroizing<Vec<u8>>),
}

/// By which a request shows who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// RFC 6750 §2.1.
    Bearer(AccessToken),
    /// RFC 6749 §2.3.1: both are form-encoded before they are joined.
    Basic {
        /// The user's place.
        id: ClientId,
        /// The password's place.
        secret: ClientSecret,
    },
}

/// One request. `name` is all that a log may say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// For the journal: "device code", "token refresh".
    pub name: &'static str,
    /// True for POST, false for GET.
    pub post: bool,
    /// Never holds a secret: those go into the body.
    pub url: Url,
    /// In addition to what the body and the authorization bring.
    pub headers: Vec<(&'static str, String)>,
    /// For `Authorization`.
    pub authorization: Option<Authorization>,
    /// What it carries.
    pub body: Body,
    /// From the first byte out to the last byte in.
    pub timeout: Duration,
    /// Of its own or shared.
    pub connection: Connection,
}

/// One answer, body read to its end (at most [`MAX_BODY`] bytes).
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, lower case.
    pub content_type: String,
    /// `Retry-After` in seconds, or Frame.io's `x-ratelimit-window`.
    pub retry_after: Option<Duration>,
    /// `ETag`, as written.
    pub etag: String,
    /// `Date`, Unix seconds.
    pub date: Option<i64>,
    /// Overwritten when dropped: it may hold tokens.
    pub body: Zeroizing<Vec<u8>>,
}

/// More than any answer of these APIs, little enough for a small board.
pub const MAX_BODY: usize = 1 << 20;

impl Response {
    /// The body as a JSON object of the expected shape; `None` for anything else.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// It looks like a page for a person.
    pub fn is_html(&self) -> bool {
        self.content_type.starts_with("text/html")
            || self.body.trim_ascii_start().first().is_some_and(|b| *b == b'<')
    }
}

/// A transient trouble after which the request may have had its effect.
pub fn trouble(cause: Cause, why: impl Into<String>, retry_after: Option<Duration>) -> Trouble {
    Trouble { cause, why: why.into(), retry_after, maybe_applied: true }
}
