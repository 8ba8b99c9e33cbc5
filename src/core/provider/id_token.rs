//! Verifying an ID token: OpenID Connect Core §3.1.3.7.
//!
//! # Decisions
//! - `jsonwebtoken` takes the token apart, chooses by algorithm and checks the audience; `ring`, which TLS brings anyway,
//!   does the arithmetic. The crate's own backends would bring a second implementation of everything: `rust_crypto`
//!   makes a program that verifies and does nothing else 372 kB larger, where it has `ring` already.
//! - Only signatures with a key pair. `none` and the HMAC family are refused whatever the token says of itself: the second
//!   would make anybody who knows the client secret, which is on every rig of a model, the issuer.
//! - The crate reads the system's clock, so it is not asked about time. `exp` is held against the moment at which the token
//!   came, where a trusted clock knows it.
//! - The crate takes a list of issuers for ours where ours is in it, so it is not asked about that either.
//! - No error holds a part of the token: it names a person.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation, decode, decode_header, signature};
use ring::signature::{self as by, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::oauth::IdToken;
use crate::time::WallTime;

/// Clocks of two honest parties differ by this much, seconds.
const LEEWAY: i64 = 300;

const ACCEPTED: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The issuer's keys (RFC 7517 §5). Those of a kind that this program does not know are left out.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Jwk>);

/// What a token has to be about.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// `iss`, letter by letter.
    pub issuer: &'a str,
    /// `aud`: our `client_id`.
    pub client_id: &'a str,
    /// When it came, by a trusted clock.
    pub came: Option<WallTime>,
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Fetch the keys anew: the issuer may have changed them.
    #[error("it is signed with a key that the issuer does not publish")]
    UnknownKey,
    /// Final for this token, like all that follow.
    #[error("its signature is not the issuer's")]
    Signature,
    #[error("it is signed in a way that is not accepted: only RS, PS, ES and EdDSA are, with a key pair")]
    Algorithm,
    #[error("it is not of this issuer")]
    Issuer,
    #[error("it is not for this client")]
    Audience,
    #[error("it had expired when it came, or a clock is wrong")]
    Expired,
    #[error("it asks for something that this program does not know")]
    Critical,
    #[error("it can't be read")]
    Malformed,
}

/// Whom a token is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// For the screen; `None`: it names nobody.
    pub name: Option<String>,
    /// `sub`.
    pub subject: String,
}

impl Keys {
    /// Reads a key set; `None` for what is none.
    pub fn read(document: &Value) -> Option<Keys> {
        let keys = document.get("keys")?.as_array()?;
        Some(Keys(
            keys.iter()
                .filter(|key| key["use"] != "enc")
                .filter_map(|key| Jwk::deserialize(key).ok())
                .collect(),
        ))
    }

    /// By the name that the token gives; where it gives none, all that fit the way it is signed.
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = DecodingKey> {
        let named =
            self.0.iter().filter(move |key| kid.is_none_or(|k| key.common.key_id.as_deref() == Some(k)));
        named
            .filter_map(|key| DecodingKey::from_jwk(key).ok())
            .filter(move |key| key.family() == algorithm.family())
    }
}

/// Checks everything, and says whom the token is about.
pub fn verify(token: &IdToken, keys: &Keys, expected: Expected<'_>) -> Result<Person, Distrust> {
    // A second call finds the first one's, which is the same.
    let _ = RING.install_default();
    let text = token.expose();
    let header = decode_header(text).map_err(|e| distrust(&e))?;
    // RFC 7515 §4.1.11: what must be understood, and is not, makes the token invalid.
    if header.crit.is_some() {
        return Err(Distrust::Critical);
    }
    //= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    //# The alg value SHOULD be the default of RS256
    if !ACCEPTED.contains(&header.alg) {
        return Err(Distrust::Algorithm);
    }
    let mut rules = Validation::new(header.alg);
    (rules.validate_exp, rules.validate_nbf) = (false, false);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    //= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    //# The Client MUST validate that the aud (audience) Claim contains its client_id value
    //= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    //# The ID Token MUST be rejected if the ID Token does not list the Client as a valid audience
    rules.set_audience(&[expected.client_id]);
    let mut outcome = Err(Distrust::UnknownKey);
    //= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    //# The Client MUST validate the signature of all other ID Tokens
    for key in keys.find(header.kid.as_deref(), header.alg) {
        outcome = decode::<Map<String, Value>>(text, &key, &rules).map_err(|e| distrust(&e));
        // Another of that name, or of no name, may be the one.
        if outcome.as_ref().err() != Some(&Distrust::Signature) {
            break;
        }
    }
    let claims = outcome?.claims;
    //= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    //# MUST exactly match the value of the iss (issuer) Claim
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err(Distrust::Issuer);
    }
    // Several audiences are no reason for doubt (some issuers add their own); another authorized party is.
    //= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    //# the Client SHOULD verify that its client_id is the Claim Value
    if claims.get("azp").and_then(Value::as_str).is_some_and(|azp| azp != expected.client_id) {
        return Err(Distrust::Audience);
    }
    let (Some(subject), Some(exp)) =
        (claims.get("sub").and_then(Value::as_str), claims.get("exp").and_then(Value::as_f64))
    else {
        return Err(Distrust::Malformed);
    };
    //= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    //# The current time MUST be before the time represented by the exp Claim.
    if !expected.came.is_none_or(|came| exp + LEEWAY as f64 > came.0 as f64) {
        return Err(Distrust::Expired);
    }
    Ok(Person { name: name_in(&claims), subject: subject.to_owned() })
}

/// When an ID token runs out, Unix seconds, by its own word and unverified: whoever it is shown to verifies it.
pub fn ends(token: &IdToken) -> Option<i64> {
    let claims = token.expose().split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims).ok()?;
    claims.get("exp")?.as_f64().map(|exp| exp as i64)
}

/// A person's name for a screen, of these claims (OpenID Connect Core §5.1; `upn` is Entra's).
pub fn name_in(claims: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| {
        let text = claims.get(name).and_then(Value::as_str)?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let whole = || Some([text("given_name")?, text("family_name")?].join(" "));
    let others = ["preferred_username", "nickname", "email", "upn"];
    text("name").or_else(whole).or_else(|| text("given_name")).or_else(|| others.into_iter().find_map(text))
}

fn distrust(e: &Error) -> Distrust {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the crate may add kinds; all of them are a no")]
    match e.kind() {
        ErrorKind::InvalidSignature => Distrust::Signature,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm
        | ErrorKind::MissingAlgorithm => Distrust::Algorithm,
        ErrorKind::InvalidAudience => Distrust::Audience,
        _ => Distrust::Malformed,
    }
}

/// Verifies; never signs.
static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

struct Verifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(Verifier { algorithm: *algorithm, key: key.clone() }))
}

impl JwtVerifier for Verifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl signature::Verifier<Vec<u8>> for Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let rsa = |parameters: &'static by::RsaParameters| match self.key.kind() {
            // Some issuers write a sign byte before the number.
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let n = n.iter().position(|b| *b != 0).map_or(&n[..], |first| &n[first..]);
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            DecodingKeyKind::SecretOrDer(_) => Err(ring::error::Unspecified),
        };
        let plain = |algorithm: &'static dyn VerificationAlgorithm| match self.key.kind() {
            DecodingKeyKind::SecretOrDer(key) => {
                UnparsedPublicKey::new(algorithm, key).verify(message, signature)
            }
            DecodingKeyKind::RsaModulusExponent { .. } => Err(ring::error::Unspecified),
        };
        let verified = match self.algorithm {
            Algorithm::RS256 => rsa(&by::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => rsa(&by::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => rsa(&by::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => rsa(&by::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => rsa(&by::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => rsa(&by::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => plain(&by::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => plain(&by::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => plain(&by::ED25519),
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 | _ => Err(ring::error::Unspecified),
        };
        verified.map_err(|_| signature::Error::new())
    }
}
