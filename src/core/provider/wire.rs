//! Requests and answers as plain values: a dialect builds the first and reads the second, and never sends anything.
use std::borrow::Cow;
use std::time::Duration;

use url::{Host, Url};
use zeroize::Zeroizing;

use crate::oauth::{AccessToken, Cause, ClientId, ClientSecret, Thumbprint, Trouble};
use crate::provider::members::{Members, without_mark};
use crate::provider::text::{basic_pair, mask, short};
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
    /// `application/xml`, already written; no secret is in it.
    Xml(String),
}

/// By which a request shows who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// RFC 6750 §2.1.
    Bearer(AccessToken),
    /// RFC 9449 §7.1; a proof goes along.
    Dpop(AccessToken),
    /// RFC 6749 §2.3.1: both are form-encoded before they are joined.
    Basic {
        /// The user's place.
        id: ClientId,
        /// The password's place.
        secret: ClientSecret,
    },
}

/// Which key a request proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The rig's, made for it where there is none yet.
    Own,
    /// This one: with another the request is not sent.
    Only(Thumbprint),
}

/// What a request does (RFC 9110 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads, without the body.
    Head,
    /// Changes something.
    Post,
    /// Takes something away.
    Delete,
    /// Puts bytes in their place.
    Put,
    /// Adds bytes (RFC 5789).
    Patch,
    /// Says what can be done.
    Options,
}

impl Method {
    /// Nothing is changed by it.
    pub fn reads_only(self) -> bool {
        match self {
            Method::Get | Method::Head | Method::Options => true,
            Method::Post | Method::Delete | Method::Put | Method::Patch => false,
        }
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Delete => "DELETE",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Options => "OPTIONS",
        }
    }
}

/// One request. `name` is all that a log may say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// For the journal: "device code", "token refresh".
    pub name: &'static str,
    /// RFC 9110 §9.
    pub method: Method,
    /// Never holds a secret: those go into the body.
    pub url: Url,
    /// The same with a signature in its query, which is a secret as a whole: it is sent in its place.
    pub signed: Option<Secret>,
    /// In addition to what the body and the authorization bring.
    pub headers: Vec<(&'static str, String)>,
    /// For `Authorization`.
    pub authorization: Option<Authorization>,
    /// With a proof of the rig's key, made when it is sent (RFC 9449 §4.2).
    pub proof: Option<Proof>,
    /// What it carries.
    pub body: Body,
    /// From the first byte out to the last byte in.
    pub timeout: Duration,
    /// Of its own or shared.
    pub connection: Connection,
}

/// Where the bytes of a part go, and with what; the bytes come from their file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRequest {
    /// PUT or PATCH.
    pub method: Method,
    /// With a signature in its query, or guessed by nobody.
    pub url: Secret,
    /// In addition to what sending brings.
    pub headers: Vec<(&'static str, String)>,
    /// For `Authorization`; a storage that takes signed addresses wants none.
    pub bearer: Option<AccessToken>,
}

/// Headers of answers that only one dialect reads; their names in lower case.
pub const KEPT_HEADERS: [&str; 10] = [
    "x-amz-meta-rigpost-clip",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha256",
    "tus-extension",
    "tus-checksum-algorithm",
    "tus-max-size",
    "tus-resumable",
    "tus-version",
    "upload-length",
    "upload-offset",
];

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
    /// Those of [`KEPT_HEADERS`] that it has, as written.
    pub kept: Vec<(&'static str, String)>,
    /// `Date`, Unix seconds, of an answer that was made for this question (no `Age`).
    pub date: Option<i64>,
    /// `Location`, as written.
    pub location: String,
    /// `DPoP-Nonce` (RFC 9449 §8), as written.
    pub dpop_nonce: String,
    /// The key that the request has proven.
    pub proven: Option<Thumbprint>,
    /// Overwritten when dropped: it may hold tokens.
    pub body: Zeroizing<Vec<u8>>,
    /// What the request has shown and nobody else may see.
    pub secrets: Vec<Secret>,
}

/// More than any answer of these APIs, little enough for a small board.
pub const MAX_BODY: usize = 4 << 20;
/// The same for a storage's answers, of which there are several at a time.
pub const MAX_PART_ANSWER: usize = 1 << 20;

impl Response {
    /// What one of [`KEPT_HEADERS`] says; empty where it isn't there.
    pub fn header(&self, name: &str) -> &str {
        self.kept.iter().find(|(kept, _)| *kept == name).map_or("", |(_, value)| value.trim())
    }

    /// The body as a JSON object of the expected shape; `None` for anything else.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(without_mark(&self.body)).ok()
    }

    /// The members of the body; `None` where it has none.
    pub fn members(&self) -> Option<Members> {
        Members::read(&self.body)
    }

    /// It is a page for a person: what calls itself one has something in it, and that is no answer.
    pub fn is_html(&self) -> bool {
        let body = self.body.trim_ascii_start();
        let is_page = || self.content_type.starts_with("text/html") && self.members().is_none();
        body.first().is_some_and(|b| *b == b'<' || is_page())
    }

    /// A text of the answer, made fit for a person and a journal: without what the request has shown, in one line, at most
    /// [`crate::provider::text::SHORT`] characters. Every text that is kept or shown passes here.
    pub fn text(&self, text: &str) -> String {
        short(&mask(text, &self.secrets))
    }
}

impl Request {
    /// One that carries nothing and shows nothing of the rig, on a connection of its own.
    pub fn plain(name: &'static str, method: Method, url: Url, timeout: Duration) -> Request {
        Request {
            name,
            method,
            url,
            signed: None,
            headers: vec![],
            authorization: None,
            proof: None,
            body: Body::Empty,
            timeout,
            connection: Connection::Fresh,
        }
    }

    /// What it shows of the rig's secrets.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets = match &self.authorization {
            Some(Authorization::Bearer(token) | Authorization::Dpop(token)) => vec![token.0.clone()],
            Some(Authorization::Basic { id, secret }) => {
                vec![secret.0.clone(), basic_pair(&id.0, &secret.0)]
            }
            None => vec![],
        };
        match &self.body {
            Body::Multipart(fields) | Body::Form(fields) => {
                let hidden = fields.iter().filter(|(name, _)| HIDDEN.contains(&name.as_ref()));
                secrets.extend(hidden.map(|(_, value)| value.clone()));
            }
            Body::Empty | Body::Json(_) | Body::Xml(_) => {}
        }
        secrets
    }
}

/// Whether others on the way can't read what is sent there: https, or this machine (RFC 6761 §6.3).
//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//# All requests from the device MUST use the Transport Layer Security (TLS) protocol
pub fn is_private(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

/// Fields that only the provider may see.
const HIDDEN: [&str; 5] = ["client_secret", "refresh_token", "device_code", "token", "WebIdentityToken"];
/// For a person: a status, and the other side's own word where it has said one.
pub(crate) fn named(status: u16, word: Option<&str>) -> String {
    match word {
        Some(word) => format!("HTTP {status} {word}"),
        None => format!("HTTP {status}"),
    }
}

/// A log-in page answers in the place of whoever was asked.
pub fn web_page() -> Trouble {
    trouble(Cause::CaptivePortal, "a web page came instead of an answer", None)
}

/// A transient trouble after which the request may have had its effect.
pub fn trouble(cause: Cause, why: impl Into<String>, retry_after: Option<Duration>) -> Trouble {
    Trouble { cause, why: why.into(), retry_after, maybe_applied: true }
}
