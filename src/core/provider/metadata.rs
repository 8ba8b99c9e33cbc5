//! What an issuer publishes about itself: OpenID Connect Discovery §4, and RFC 8414 where there is no such document.
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use crate::oauth::{Cause, TokenError};
use crate::provider::answer::{short, unexpected};
use crate::provider::dialect::expect_success;
use crate::provider::wire::{Body, Connection, Request, Response, trouble};

/// Two of these come before a question that somebody waits for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What we use of it. What is no URL of the issuer's own kind (https) is left out.
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
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    device_authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    jwks_uri: Option<String>,
}

/// Where the document may be, most likely first.
pub fn places(issuer: &Url) -> [Url; 2] {
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

/// The question at one of those places, or for keys.
pub fn request(name: &'static str, url: Url) -> Request {
    Request {
        name,
        post: false,
        url,
        headers: vec![("accept", "application/json".to_owned())],
        authorization: None,
        body: Body::Empty,
        timeout: PATIENCE,
        connection: Connection::Fresh,
    }
}

/// There is no document here, says whoever keeps this place; another place may have one.
pub fn is_elsewhere(response: &Response) -> bool {
    matches!(response.status, 400 | 401 | 403 | 404 | 405 | 410)
}

/// Reads the document of this issuer.
///
/// # Errors
/// [`TokenError::Rejected`] where it is that of another issuer (OpenID Connect Discovery §4.3): somebody could send us to
/// their own endpoints.
pub fn read(response: &Response, asked: &Url) -> Result<Metadata, TokenError> {
    if is_elsewhere(response) {
        let why = format!("the issuer publishes no metadata (HTTP {})", response.status);
        return Err(TokenError::Transient(trouble(Cause::Provider, why, None)));
    }
    expect_success(response)?;
    let d: Document = response.json().ok_or_else(unexpected)?;
    let same = |a: &Url| a.as_str().trim_end_matches('/') == asked.as_str().trim_end_matches('/');
    if !Url::parse(&d.issuer).is_ok_and(|named| same(&named)) {
        let why = format!(
            "the metadata is that of the issuer \"{}\"; set `provider.issuer` to it",
            short(&d.issuer)
        );
        return Err(TokenError::Rejected(why));
    }
    let own = |text: Option<String>| {
        let url = text.and_then(|text| Url::parse(&text).ok())?;
        (url.scheme() == "https" || url.scheme() == asked.scheme()).then_some(url)
    };
    Ok(Metadata {
        issuer: d.issuer,
        device_authorization: own(d.device_authorization_endpoint),
        token: own(d.token_endpoint),
        revocation: own(d.revocation_endpoint),
        jwks: own(d.jwks_uri),
    })
}
