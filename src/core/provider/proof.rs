//! Proofs that the rig has its key (RFC 9449): what they say, when a request carries one, and when a server wants another.
//! Signs nothing, and draws no number.
//!
//! # Decisions
//! - A proof is dated by the server's clock, as the provider last showed it. That of a rig without a battery starts in 1970,
//!   and nobody accepts a proof of then. Before the first answer there is only the rig's own; a provider that refuses it
//!   shows its clock in that very answer, and is asked once more.
//! - A server that wants another proof gets one, once for each request. What it says of the second is its word as any other:
//!   no word about a proof ends a grant.
//! - Nonces are kept by origin and in memory: a server that wants one says so, for one more request after a start.
//! - The refresh token of a public client is bound to the key (§5): with another one the request would cost the grant, so it
//!   does not leave. That of a client with a secret is bound to the secret: it goes on with a new key.
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use url::Url;

use crate::oauth::{AccessToken, Binding, Thumbprint};
use crate::provider::answer::{Sorted, sort};
use crate::provider::client::Client;
use crate::provider::wire::{Authorization, Proof, Request, Response};
use crate::time::Now;

/// How proofs are signed (RFC 7518 §3.4).
//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//# It MUST NOT be none or an identifier for a symmetric algorithm
pub const ALGORITHM: &str = "ES256";
/// Longer than any nonce.
const MAX_NONCE: usize = 1024;
/// Servers that are remembered: the provider's own, and another that says who signed in.
const MOST_SERVERS: usize = 4;
const COORDINATE: usize = 32;

/// The words by which a proof is refused and another may do (§5, §8).
pub(super) const ANOTHER: [&str; 2] = ["use_dpop_nonce", "invalid_dpop_proof"];

/// The half of the rig's key that everybody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    x: String,
    y: String,
}

impl PublicKey {
    /// Of a point on P-256, uncompressed (SEC 1 §2.3.3); `None` for what is none.
    pub fn of_point(point: &[u8]) -> Option<PublicKey> {
        let [4, coordinates @ ..] = point else { return None };
        let (x, y) = coordinates.split_at_checked(COORDINATE)?;
        (y.len() == COORDINATE)
            .then(|| PublicKey { x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) })
    }

    /// RFC 7517, in the order that RFC 7638 §3.3 hashes.
    //= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
    //# It MUST NOT contain a private key.
    fn jwk(&self) -> String {
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, self.x, self.y)
    }

    /// Which key it is.
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint(hashed(&self.jwk()))
    }
}

/// What a proof is for (§4.2).
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// `htm`.
    pub method: &'a str,
    /// `htu` is this without query and fragment.
    pub url: &'a Url,
    /// `ath` is its hash; `None`: a request without one.
    pub access: Option<&'a AccessToken>,
    /// The nonce that this server wants; `None`: what it last said itself.
    pub nonce: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// The request's own.
    pub fn of(request: &'a Request) -> Subject<'a> {
        let access = match &request.authorization {
            Some(Authorization::Dpop(token)) => Some(token),
            Some(Authorization::Bearer(_) | Authorization::Basic { .. }) | None => None,
        };
        Subject { method: request.method.as_str(), url: &request.url, access, nonce: None }
    }
}

/// What servers have said that proofs need.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    /// The provider's clock at this rig's boot, Unix seconds.
    boot: Option<i64>,
    /// By origin, the newest last.
    nonces: Vec<(String, String)>,
}

impl Servers {
    /// An answer has come to a request, which may say what the next proof needs. Only of what can't have been kept on the
    /// way is the date believed.
    //= https://www.rfc-editor.org/rfc/rfc9449#section-8.2
    //# The client MUST use the new nonce value supplied for the next token request and for all subsequent
    //# token requests
    pub fn heard(&mut self, url: &Url, post: bool, response: &Response, now: Now) {
        if let Some(date) = response.date.filter(|_| post) {
            self.boot = date.checked_sub_unsigned(now.boot.0.as_secs());
        }
        if is_nonce(&response.dpop_nonce) {
            let origin = url.origin().ascii_serialization();
            self.nonces.retain(|(of, _)| *of != origin);
            if self.nonces.len() >= MOST_SERVERS {
                self.nonces.remove(0);
            }
            self.nonces.push((origin, response.dpop_nonce.clone()));
        }
    }

    /// What is to be signed (RFC 7515 §5.1). `unique`: drawn for this proof alone.
    //= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
    //# The payload of a DPoP proof MUST contain at least the following claims
    pub fn message(&self, key: &PublicKey, subject: Subject<'_>, unique: u128, now: Now) -> String {
        let origin = || subject.url.origin().ascii_serialization();
        let said = || self.nonces.iter().find(|(of, _)| *of == origin()).map(|(_, nonce)| nonce.as_str());
        let mut bare = subject.url.clone();
        bare.set_query(None);
        bare.set_fragment(None);
        // Nothing in these texts needs to be escaped: a URL has no quotation mark, and no nonce of ours.
        let mut claims = format!(
            r#"{{"jti":"{unique:032x}","htm":"{}","htu":"{bare}","iat":{}"#,
            subject.method,
            self.time(now)
        );
        for (name, value) in [
            //= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
            //# provides a DPoP-Nonce HTTP header in a response
            ("nonce", subject.nonce.or_else(said).map(str::to_owned)),
            //= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
            //# When the DPoP proof is used in conjunction with the presentation of an access token
            ("ath", subject.access.map(|token| hashed(token.expose()))),
        ] {
            if let Some(value) = value {
                let _ = write!(claims, r#","{name}":"{value}""#);
            }
        }
        claims.push('}');
        //= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
        //# The JOSE Header of a DPoP JWT MUST contain at least the following parameters
        let header = format!(r#"{{"typ":"dpop+jwt","alg":"{ALGORITHM}","jwk":{}}}"#, key.jwk());
        [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    }

    /// By the provider's clock, or by ours as long as it has shown none.
    fn time(&self, now: Now) -> i64 {
        let at_boot = |boot: i64| boot.checked_add_unsigned(now.boot.0.as_secs());
        self.boot.and_then(at_boot).unwrap_or(now.wall.0)
    }
}

/// The whole proof (RFC 7515 §3.1).
pub fn signed(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// RFC 9449 §8.1: what a nonce may be, and no longer than fits a header.
pub fn is_nonce(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    !text.is_empty() && text.len() <= MAX_NONCE && text.bytes().all(fits)
}

/// The answer is about the proof, and another one may do.
pub fn wants_another(response: &Response) -> bool {
    match sort(response) {
        Sorted::Word(word) => ANOTHER.iter().any(|another| word.word.eq_ignore_ascii_case(another)),
        // §9: an API may say it in a header only, and gives the nonce with it.
        Sorted::Success | Sorted::Detailed(_) | Sorted::Trouble(_) => {
            response.status == 401 && is_nonce(&response.dpop_nonce)
        }
    }
}

/// What a refresh of a bound grant proves.
//= https://www.rfc-editor.org/rfc/rfc9449#section-5
//# such a client MUST present a DPoP proof for the same key that was used to obtain the refresh token
pub(super) fn of_refresh(client: &Client, binding: Binding) -> Proof {
    if client.secret.is_some() { Proof::Own } else { Proof::Only(binding.key) }
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//# The value MUST be the result of a base64url encoding
fn hashed(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests;
