//! What an issuer publishes about itself: OpenID Connect Discovery §4, and RFC 8414 where there is no such document.
//!
//! # Decisions
//! - Redirects are followed where they stay with the issuer's own host: any other is a log-in page or a mistake, and a
//!   token would follow it.
//! - The second place is asked whatever is wrong with the first: servers that have only one answer at the other with a page,
//!   a 404, or an error of their own.
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::oauth::{Cause, TokenError, Trouble};
use crate::provider::answer::unexpected;
use crate::provider::dialect::expect_success;
use crate::provider::exchange::{Step, harmless};
use crate::provider::proof::ALGORITHM;
use crate::provider::wire::{Method, Request, Response, is_private, trouble};
use crate::provider::words::Asked;

/// Redirects of one document.
const MOST_HOPS: u8 = 5;

/// What we use of it. What is sent in the open (http, but on this machine) is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// As it writes itself: `iss` in its ID tokens is this, letter by letter.
    pub issuer: String,
    /// RFC 8628 §4.
    pub device_authorization: Option<Url>,
    /// RFC 8414 §2.
    pub token: Option<Url>,
    /// RFC 8414 §2.
    pub revocation: Option<Url>,
    /// The keys that sign ID tokens.
    pub jwks: Option<Url>,
    /// OpenID Connect Core §5.3.
    pub userinfo: Option<Url>,
    /// RFC 9449 §5.1: it binds tokens to keys of our kind.
    pub binds: bool,
}

/// What of it is no text.
#[derive(Deserialize)]
struct Lists {
    dpop_signing_alg_values_supported: Vec<String>,
}

impl Metadata {
    /// As a document, which [`read`] reads.
    pub(super) fn text(&self) -> String {
        let mut members = Map::new();
        let mut add =
            |name: &str, text: &str| members.insert(name.to_owned(), Value::String(text.to_owned()));
        add("issuer", &self.issuer);
        for (name, url) in [
            ("device_authorization_endpoint", &self.device_authorization),
            ("token_endpoint", &self.token),
            ("revocation_endpoint", &self.revocation),
            ("jwks_uri", &self.jwks),
            ("userinfo_endpoint", &self.userinfo),
        ] {
            url.as_ref().map(|url| add(name, url.as_str()));
        }
        if self.binds {
            let algorithms = Value::Array(vec![Value::String(ALGORITHM.to_owned())]);
            members.insert("dpop_signing_alg_values_supported".to_owned(), algorithms);
        }
        Value::Object(members).to_string()
    }
}

/// Where the document may be, most likely first.
//= https://www.rfc-editor.org/rfc/rfc8414#section-3.1
//# any terminating "/" MUST be removed before inserting "/.well-known/"
fn places(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/');
    let place = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    [
        place(format!("{path}/.well-known/openid-configuration")),
        // RFC 8414 §3.1: between the host and the path.
        place(format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

/// A question for a document of the issuer's.
//= https://www.rfc-editor.org/rfc/rfc8414#section-3.1
//# An authorization server metadata document MUST be queried using an HTTP "GET" request at the previously
//# specified path.
pub fn request(name: &'static str, url: Url, patience: Duration) -> Request {
    let headers = vec![("accept", "application/json".to_owned())];
    Request { headers, ..Request::plain(name, Method::Get, url, patience) }
}

/// Asks for the document, at one place and then at the other.
pub fn fetch(issuer: &Url, patience: Duration) -> Step<Metadata> {
    let [first, second] = places(issuer);
    let issuer = issuer.clone();
    document("provider metadata", first, patience, move |answer| {
        let (at_first, elsewhere) = match answer {
            Ok(answer) => {
                let read = read(answer, &issuer);
                let elsewhere = may_be_elsewhere(answer, &read);
                (read, elsewhere)
            }
            Err(trouble) => (Err(TokenError::Transient(trouble)), false),
        };
        if !elsewhere {
            return Step::Done(at_first.map_err(harmless));
        }
        document("provider metadata", second, patience, move |answer| {
            // What the second place says counts where it says something.
            let says = answer.ok().filter(|answer| answer.members().is_some());
            Step::Done(says.map_or(at_first, |answer| read(answer, &issuer)).map_err(harmless))
        })
    })
}

/// Asks for a document and follows its redirects.
pub fn document<T: 'static>(
    name: &'static str,
    url: Url,
    patience: Duration,
    then: impl FnOnce(Result<&Response, Trouble>) -> Step<T> + Send + 'static,
) -> Step<T> {
    hop(name, url, patience, MOST_HOPS, Box::new(then))
}

type Then<T> = Box<dyn FnOnce(Result<&Response, Trouble>) -> Step<T> + Send>;

fn hop<T: 'static>(name: &'static str, url: Url, patience: Duration, left: u8, then: Then<T>) -> Step<T> {
    let here = url.clone();
    Step::attempt(request(name, url, patience), move |answer| {
        match answer.as_ref().ok().and_then(|answer| followed(&here, answer)) {
            Some(next) if left > 0 => hop(name, next, patience, left - 1, then),
            Some(_) | None => then(answer),
        }
    })
}

/// Where a redirect leads, if it stays with the same host and encrypts no less.
fn followed(from: &Url, answer: &Response) -> Option<Url> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) || answer.location.is_empty() {
        return None;
    }
    let to = from.join(&answer.location).ok()?;
    let same_host = to.host_str() == from.host_str() && to.username().is_empty() && to.password().is_none();
    let same_kind =
        to.scheme() == from.scheme() && to.port_or_known_default() == from.port_or_known_default();
    (same_host && (same_kind || to.scheme() == "https")).then_some(to)
}

/// There is no document here, as far as this answer tells; another place may have one.
fn may_be_elsewhere(response: &Response, read: &Result<Metadata, TokenError>) -> bool {
    match read {
        Ok(_) | Err(TokenError::Rejected(_)) => false,
        Err(_) => response.status < 300 || response.status >= 400,
    }
}

/// Reads the document of this issuer.
///
/// # Errors
/// [`TokenError::Rejected`] where it is that of another issuer (OpenID Connect Discovery §4.3): somebody could send us to
/// their own endpoints.
pub(super) fn read(response: &Response, asked: &Url) -> Result<Metadata, TokenError> {
    if matches!(response.status, 400 | 401 | 403 | 404 | 405 | 410) {
        let why = format!("the issuer publishes no metadata (HTTP {})", response.status);
        return Err(TokenError::Transient(trouble(Cause::Provider, why, None)));
    }
    expect_success(Asked::Other, response)?;
    let d = response.members().ok_or_else(unexpected)?;
    let issuer = d.get("issuer").ok_or_else(unexpected)?;
    let same = |a: &Url| a.as_str().trim_end_matches('/') == asked.as_str().trim_end_matches('/');
    if issuer.contains('{') {
        let why = "the issuer is one for all tenants: name your tenant in `provider.issuer`, in place of the last \
                   \"common\" or \"organizations\"";
        return Err(TokenError::Rejected(why.to_owned()));
    }
    //= https://www.rfc-editor.org/rfc/rfc8414#section-3.3
    //# The "issuer" value returned MUST be identical
    //= https://www.rfc-editor.org/rfc/rfc8414#section-3.3
    //# If these values are not identical, the data contained in the response MUST NOT be used.
    //= https://www.rfc-editor.org/rfc/rfc8414#section-4
    //# Unicode Normalization [USA15] MUST NOT be applied
    if !Url::parse(issuer).is_ok_and(|named| same(&named)) {
        let named = response.text(issuer);
        let why = format!("the metadata is that of the issuer \"{named}\"; set `provider.issuer` to it");
        return Err(TokenError::Rejected(why));
    }
    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
    //# All requests from the device MUST use the Transport Layer Security (TLS) protocol
    let own = |name: &str| {
        let url = Url::parse(d.get(name)?).ok()?;
        // An issuer on this machine may name its neighbours here, and nobody else may.
        (url.scheme() == "https" || (asked.scheme() == "http" && is_private(&url))).then_some(url)
    };
    for name in ["device_authorization_endpoint", "token_endpoint"] {
        if own(name).is_none() && d.get(name).is_some_and(|url| url.starts_with("http:")) {
            let why = format!("the provider's {name} is http: whoever is on the way could read the tokens");
            return Err(TokenError::Rejected(why));
        }
    }
    Ok(Metadata {
        issuer: issuer.to_owned(),
        device_authorization: own("device_authorization_endpoint"),
        token: own("token_endpoint"),
        revocation: own("revocation_endpoint"),
        jwks: own("jwks_uri"),
        userinfo: own("userinfo_endpoint"),
        binds: response
            .json::<Lists>()
            .is_some_and(|lists| lists.dpop_signing_alg_values_supported.iter().any(|alg| alg == ALGORITHM)),
    })
}
