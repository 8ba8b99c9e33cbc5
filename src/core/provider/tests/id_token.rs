//! ID tokens, and whom they name. Signatures are real: keys and tokens are made here, with another library than the one that
//! checks them.
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SigningKey};
use serde_json::{Value, json as value};

use super::oauth::*;
use super::*;
use crate::oauth::{IdToken, Wanting};
use crate::provider::exchange::Step;
use crate::provider::id_token::{Distrust, Expected, Keys, verify};
use crate::time::WallTime;

const CAME: i64 = 1_790_000_000;

pub(super) struct Signer {
    key: KeyPair,
    kid: &'static str,
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn bytes(base64: &str) -> Vec<u8> {
    let digit = |b: u8| DIGITS.iter().position(|d| *d == b).unwrap() as u32;
    let four = |chunk: &[u8]| {
        let n = chunk.iter().fold(0, |n, b| n << 6 | digit(*b)) << (6 * (4 - chunk.len()));
        n.to_be_bytes()[1..chunk.len()].to_vec()
    };
    base64.as_bytes().chunks(4).flat_map(four).collect()
}

fn base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(char::from(DIGITS[(n >> (18 - 6 * i) & 63) as usize]));
        }
    }
    out
}

/// DER's two integers as the 64 bytes of JWS (RFC 7518 §3.4).
fn fixed(der: &[u8]) -> Vec<u8> {
    let number = |at: usize| {
        let len = usize::from(der[at + 1]);
        let bytes = &der[at + 2..at + 2 + len];
        let bytes = &bytes[bytes.len().saturating_sub(32)..];
        let mut padded = vec![0; 32 - bytes.len()];
        padded.extend_from_slice(bytes);
        (padded, at + 2 + len)
    };
    let (r, next) = number(2);
    [r, number(next).0].concat()
}

impl Signer {
    pub(super) fn new(kid: &'static str) -> Signer {
        Signer { key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), kid }
    }

    pub(super) fn jwk(&self) -> Value {
        let point = self.key.der_bytes();
        let (x, y) = (base64(&point[1..33]), base64(&point[33..65]));
        value!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": self.kid, "use": "sig", "alg": "ES256"})
    }

    fn sign(&self, header: &Value, claims: &Value) -> IdToken {
        let message =
            format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
        let signature = base64(&fixed(&self.key.sign(message.as_bytes()).unwrap()));
        IdToken(Secret::new(format!("{message}.{signature}")))
    }

    pub(super) fn token(&self, claims: &Value) -> IdToken {
        self.sign(&value!({"alg": "ES256", "kid": self.kid}), claims)
    }
}

pub(super) fn claims() -> Value {
    value!({"iss": ISSUER, "aud": "app-1", "sub": "auth0|7", "exp": CAME + 3600, "iat": CAME, "name": "Jess Temporal"})
}

/// Asks who said yes, with the keys that are published, and how often they were fetched.
pub(super) fn ask(
    p: &Provider,
    token: IdToken,
    keys: &[Value],
    came: Option<i64>,
) -> (usize, Result<DeviceInfo, TokenError>) {
    let question = Identify {
        token: AccessToken(Secret::new("at")),
        key: None,
        id_token: Some(token),
        came: came.map(WallTime),
    };
    let document = value!({"keys": keys}).to_string();
    let (asked, outcome) = play(p.identify(question), |url| match url.strip_prefix(ISSUER).unwrap() {
        "/.well-known/openid-configuration" => json(200, &metadata(ISSUER).to_string()),
        "/found/keys" => json(200, &document),
        other => panic!("{other}"),
    });
    (asked.iter().filter(|url| url.ends_with("/keys")).count(), outcome)
}

/// Whom it names.
fn believed(outcome: (usize, Result<DeviceInfo, TokenError>)) -> String {
    outcome.1.unwrap().authorized_by
}

pub(super) fn openid() -> Provider {
    rig_at(ClientAuth::None, found(true, false))
}

#[test]
fn a_believed_token_says_who_said_yes() {
    let signer = Signer::new("k1");
    let named = |claims: Value| ask(&openid(), signer.token(&claims), &[signer.jwk()], Some(CAME)).1.unwrap();
    let info = named(claims());
    assert_eq!(info.authorized_by, "Jess Temporal");
    assert_eq!((info.project_id.as_str(), info.project_name.as_str()), (ISSUER, "login.example"));
    let mut without = claims();
    without.as_object_mut().unwrap().remove("name");
    assert_eq!(named(without.clone()).authorized_by, "auth0|7");
    (without["given_name"], without["family_name"]) = ("Jess".into(), "T".into());
    assert_eq!(named(without.clone()).authorized_by, "Jess T");
    without.as_object_mut().unwrap().retain(|name, _| !name.ends_with("_name"));
    without["upn"] = "jess@corp.example".into();
    assert_eq!(named(without.clone()).authorized_by, "jess@corp.example");
    without["email"] = "jess@example.com".into();
    assert_eq!(named(without).authorized_by, "jess@example.com");
    let mut several = claims();
    (several["aud"], several["azp"]) = (value!(["api", "app-1"]), "app-1".into());
    assert_eq!(named(several).authorized_by, "Jess Temporal");
}

#[test]
fn an_answer_without_an_id_token_names_nobody() {
    for p in [openid(), by_hand(ClientAuth::None)] {
        let Step::Done(Ok(info)) = p.identify(question(&AccessToken(Secret::new("at")))) else {
            panic!("nothing needs to be asked")
        };
        assert_eq!((info.authorized_by.as_str(), info.project_name.as_str()), ("", "login.example"));
    }
}

//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# MUST exactly match the value of the iss (issuer) Claim
//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# The Client MUST validate that the aud (audience) Claim contains its client_id value
//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# The ID Token MUST be rejected if the ID Token does not list the Client as a valid audience
//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# the Client SHOULD verify that its client_id is the Claim Value
//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# The Client MUST validate the signature of all other ID Tokens
//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# The Client MUST use the keys provided by the Issuer.
//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# The alg value SHOULD be the default of RS256
//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# The current time MUST be before the time represented by the exp Claim.
#[test]
fn a_token_that_is_not_believed_is_named_and_quoted_nowhere() {
    let (signer, stranger) = (Signer::new("k1"), Signer::new("k1"));
    let with = |key: &str, v: Value| {
        let mut claims = claims();
        claims[key] = v;
        signer.token(&claims)
    };
    let mut tampered = signer.token(&claims()).expose().to_owned();
    tampered.replace_range(40..41, if &tampered[40..41] == "A" { "B" } else { "A" });
    let none = signer.sign(&value!({"alg": "none"}), &claims());
    let hmac = signer.sign(&value!({"alg": "HS256", "kid": "k1"}), &claims());
    let rsa = signer.sign(&value!({"alg": "RS256", "kid": "k1"}), &claims());
    for (token, words) in [
        (stranger.token(&claims()), "signature is not the issuer's"),
        (none, "can't be read"),
        (hmac, "not accepted"),
        (rsa, "does not publish"),
        (with("iss", "https://evil.example".into()), "not of this issuer"),
        (with("iss", value!([ISSUER, "https://evil.example"])), "not of this issuer"),
        (with("iss", format!("{ISSUER}/").into()), "not of this issuer"),
        (with("aud", "other".into()), "not for this client"),
        (with("azp", "other".into()), "not for this client"),
        (with("exp", (CAME - 300).into()), "expired"),
        (with("exp", "soon".into()), "can't be read"),
        (IdToken(Secret::new("Jess Temporal")), "can't be read"),
        (IdToken(Secret::new(tampered)), "believed"),
    ] {
        let (_, outcome) = ask(&openid(), token, &[signer.jwk()], Some(CAME));
        let info = outcome.unwrap_or_else(|e| panic!("{words}: {e}"));
        assert_eq!((info.project_id.as_str(), info.authorized_by.as_str()), (ISSUER, ""), "{words}");
        let why = info.note;
        assert!(why.contains(words) && !why.contains("Jess") && !why.contains("evil"), "{why}");
    }
    for (good, why) in [
        (with("exp", (CAME - 299).into()), "clocks differ by five minutes"),
        (with("aud", value!(["app-1"])), "one audience needs no azp"),
        (with("aud", value!(["app-1", "229999@project"])), "an issuer may add its own"),
    ] {
        assert_eq!(believed(ask(&openid(), good, &[signer.jwk()], Some(CAME))), "Jess Temporal", "{why}");
    }
    let old = with("exp", (CAME - 9999).into());
    assert_eq!(
        believed(ask(&openid(), old, &[signer.jwk()], None)),
        "Jess Temporal",
        "no trusted clock, no word about time"
    );
    let critical = signer.sign(&value!({"alg": "ES256", "kid": "k1", "crit": ["x"], "x": 1}), &claims());
    let doubted = ask(&openid(), critical, &[signer.jwk()], Some(CAME)).1.unwrap();
    assert!(doubted.note.contains("does not know"), "{}", doubted.note);
}

//= https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse
//= type=test
//# The sub Claim in the UserInfo Response MUST be verified to exactly match the sub Claim in the ID Token
#[test]
fn userinfo_names_the_same_person_or_nobody() {
    let signer = Signer::new("k1");
    let mut nameless = claims();
    nameless.as_object_mut().unwrap().remove("name");
    let name = |userinfo: Response| {
        let (token, came) = (signer.token(&nameless), Some(WallTime(CAME)));
        let question =
            Identify { token: AccessToken(Secret::new("at")), key: None, id_token: Some(token), came };
        let (asked, outcome) =
            play(openid().identify(question), |url| match url.strip_prefix(ISSUER).unwrap() {
                "/.well-known/openid-configuration" => {
                    let mut document = metadata(ISSUER);
                    document["userinfo_endpoint"] = format!("{ISSUER}/found/userinfo").into();
                    json(200, &document.to_string())
                }
                "/found/keys" => json(200, &value!({"keys": [signer.jwk()]}).to_string()),
                "/found/userinfo" => userinfo.clone(),
                other => panic!("{other}"),
            });
        assert!(asked.last().unwrap().ends_with("/userinfo"));
        outcome.unwrap().authorized_by
    };
    assert_eq!(name(json(200, r#"{"sub":"auth0|7","name":"Ada Lovelace"}"#)), "Ada Lovelace");
    for other in [
        json(200, r#"{"sub":"auth0|8","name":"Eve"}"#),
        json(200, r#"{"name":"Eve"}"#),
        json(200, r#"{"sub":"auth0|7"}"#),
        json(401, r#"{"error":"invalid_token"}"#),
        html(200),
        json(503, ""),
    ] {
        assert_eq!(name(other), "auth0|7", "the subject is better than nothing");
    }
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-7
//= type=test
//# Requests to DPoP-protected resources MUST include both a DPoP proof
//= https://openid.net/specs/openid-connect-core-1_0.html#UserInfoRequest
//= type=test
//# MUST be sent as a Bearer Token
//= https://openid.net/specs/openid-connect-core-1_0.html#UserInfoRequest
//= type=test
//# It is RECOMMENDED that the request use the HTTP GET method and the Access Token be sent using the
//# Authorization header field.
#[test]
fn userinfo_is_read_with_the_access_token() {
    let signer = Signer::new("k1");
    let mut nameless = claims();
    nameless.as_object_mut().unwrap().remove("name");
    let mut document = metadata(ISSUER);
    document["userinfo_endpoint"] = format!("{ISSUER}/found/userinfo").into();
    let asked = |key: Option<Thumbprint>| {
        let question = Identify {
            id_token: Some(signer.token(&nameless)),
            came: Some(WallTime(CAME)),
            key,
            ..question(&AccessToken(Secret::new("at")))
        };
        let mut step = openid().identify(question);
        loop {
            let Step::Ask(request, next) = step else { panic!("nobody is asked for the name") };
            step = next.on(Ok(&match request.name {
                "provider metadata" => json(200, &document.to_string()),
                "provider keys" => json(200, &value!({"keys": [signer.jwk()]}).to_string()),
                _ => return (told(&request), request.proof),
            }));
        }
    };
    let head = format!("GET {ISSUER}/found/userinfo\naccept: application/json\nauthorization: ");
    assert_eq!(asked(None), (format!("{head}Bearer at"), None));
    let key = Thumbprint("k".to_owned());
    assert_eq!(asked(Some(key.clone())), (format!("{head}DPoP at"), Some(Proof::Only(key))));
}

/// The modulus and the token of RFC 7515 §A.2.1.
const RSA_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pC\
     gNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg6\
     65xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW\
     yuXpoQ";
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnV\
     lfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU\
     Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--x\
     i12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypG\
     lUPQGe77Rw";

#[test]
fn an_rsa_key_is_the_same_with_a_sign_byte_before_its_number() {
    let plain = bytes(RSA_MODULUS);
    let signed = [&[0], &plain[..]].concat();
    let mut other = plain.clone();
    other[100] ^= 1;
    let expected = Expected { issuer: "joe", client_id: "app-1", came: None };
    // The token is for nobody: what is wrong with it shows only once its signature is right.
    for (modulus, outcome) in
        [(plain, Distrust::Malformed), (signed, Distrust::Malformed), (other, Distrust::Signature)]
    {
        let document = value!({"keys": [{"kty": "RSA", "n": base64(&modulus), "e": "AQAB"}]});
        let token = IdToken(Secret::new(RSA_TOKEN));
        assert_eq!(verify(&token, &Keys::read(&document).unwrap(), expected), Err(outcome));
    }
}

#[test]
fn a_no_to_the_keys_is_no_no_to_the_grant() {
    for answer in [json(401, r#"{"error":"unauthorized"}"#), detailed(401, "Not Authorized", ""), html(403)] {
        let question = Identify {
            token: AccessToken(Secret::new("at")),
            key: None,
            id_token: Some(Signer::new("k").token(&claims())),
            came: None,
        };
        let (_, outcome) = play(openid().identify(question), |url| match url.ends_with("/keys") {
            true => answer.clone(),
            false => json(200, &metadata(ISSUER).to_string()),
        });
        let info = outcome.unwrap();
        assert_eq!((info.authorized_by.as_str(), info.project_name.as_str()), ("", "login.example"));
        assert!(info.note.contains("keys can't be read"), "{}", info.note);
    }
}

//= https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
//= type=test
//# The Client MUST use the keys provided by the Issuer.
#[test]
fn changed_keys_are_fetched_once() {
    let (old, new) = (Signer::new("k1"), Signer::new("k2"));
    let p = openid();
    let mut sealing = Signer::new("k1").jwk();
    sealing["use"] = "enc".into();
    let both = [value!({"kty": "novel", "kid": "k0"}), sealing, old.jwk()];
    assert_eq!(ask(&p, old.token(&claims()), &both, Some(CAME)).0, 1, "a key of an unknown kind is left out");
    let (fetched, outcome) = ask(&p, old.token(&claims()), &[], Some(CAME));
    assert_eq!((fetched, outcome.is_ok()), (0, true), "known by now");
    let (fetched, outcome) = ask(&p, new.token(&claims()), &[new.jwk()], Some(CAME));
    assert_eq!((fetched, outcome.unwrap().authorized_by.as_str()), (1, "Jess Temporal"));
    let (fetched, outcome) = ask(&p, Signer::new("k3").token(&claims()), &[new.jwk()], Some(CAME));
    assert!(fetched == 1 && outcome.unwrap().note.contains("does not publish"), "once for each question");
    let nameless = || new.sign(&value!({"alg": "ES256"}), &claims());
    let several = [old.jwk(), Signer::new("k4").jwk(), new.jwk()];
    for keys in [&several[2..], &several[..]] {
        assert_eq!(
            believed(ask(&openid(), nameless(), keys, Some(CAME))),
            "Jess Temporal",
            "one of them fits"
        );
    }
    let mut twin = Signer::new("k2").jwk();
    twin["kid"] = "k2".into();
    let twins = [twin, new.jwk()];
    assert_eq!(
        believed(ask(&openid(), new.token(&claims()), &twins, Some(CAME))),
        "Jess Temporal",
        "a name twice"
    );
}

#[test]
fn a_document_that_does_not_come_is_wanting_and_one_that_is_none_is_told_from_it() {
    let signer = Signer::new("k1");
    let mut nameless = claims();
    nameless.as_object_mut().unwrap().remove("name");
    let lost = |cause| Trouble { cause, why: "lost".to_owned(), retry_after: None, maybe_applied: true };
    let good = |url: &str| {
        let mut document = metadata(ISSUER);
        document["userinfo_endpoint"] = format!("{ISSUER}/found/userinfo").into();
        match url.strip_prefix(ISSUER).unwrap() {
            "/found/keys" => json(200, &value!({"keys": [signer.jwk()]}).to_string()),
            "/found/userinfo" => json(200, r#"{"sub":"auth0|7","name":"Ada Lovelace"}"#),
            _ => json(200, &document.to_string()),
        }
    };
    for (place, by) in [("well-known", ""), ("keys", ""), ("userinfo", "auth0|7")] {
        for (answer, wanting) in [
            (Err(Cause::Network), Wanting::Passing(Cause::Network)),
            (Err(Cause::Clock), Wanting::Passing(Cause::Clock)),
            (Ok(html(200)), Wanting::Passing(Cause::CaptivePortal)),
            (Ok(json(429, "{}")), Wanting::Passing(Cause::RateLimited)),
            (Ok(json(503, "")), Wanting::Passing(Cause::Provider)),
            (Ok(json(404, "")), Wanting::Document),
            (Ok(json(403, r#"{"error":"access_denied"}"#)), Wanting::Document),
            (Ok(json(200, "[]")), Wanting::Document),
        ] {
            let p = openid();
            let token = AccessToken(Secret::new("at"));
            let came = Some(WallTime(CAME));
            let question = || Identify {
                token: token.clone(),
                key: None,
                id_token: Some(signer.token(&nameless)),
                came,
            };
            let mut step = p.identify(question());
            let info = loop {
                step = match step {
                    Step::Ask(request, next) if request.url.as_str().contains(place) => match &answer {
                        Ok(answer) => next.on(Ok(answer)),
                        Err(cause) => next.on(Err(lost(*cause))),
                    },
                    Step::Ask(request, next) => next.on(Ok(&good(request.url.as_str()))),
                    Step::Done(outcome) => break outcome.unwrap(),
                };
            };
            // Of metadata it can't be told whether they failed or are not there.
            let expected = match (place, wanting) {
                ("well-known", Wanting::Passing(Cause::Provider)) => Wanting::Document,
                _ => wanting,
            };
            assert_eq!((info.wanting, info.authorized_by.as_str()), (expected, by), "{place} {answer:?}");
            assert!(!info.note.is_empty() && !info.note.contains("Jess"), "{place}: {}", info.note);
            let info = play(p.identify(question()), good).1.unwrap();
            assert_eq!((info.wanting, info.authorized_by.as_str()), (Wanting::Nothing, "Ada Lovelace"));
        }
    }
    // A statement that is not believed wants nothing.
    let (_, outcome) = ask(&openid(), Signer::new("k1").token(&claims()), &[signer.jwk()], Some(CAME));
    assert_eq!(outcome.unwrap().wanting, Wanting::Nothing);
}
