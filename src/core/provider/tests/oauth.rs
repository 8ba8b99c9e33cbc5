//! The dialect of RFC 8628, its discovery and its ID tokens. Signatures are real: keys and tokens are made here, with
//! another library than the one that checks them.
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SigningKey};
use serde_json::{Value, json as value};

use super::*;
use crate::oauth::{IdToken, Wanting};
use crate::provider::exchange::Step;
use crate::provider::id_token::{Distrust, Expected, Keys, verify};
use crate::provider::metadata::read as read_metadata;
use crate::time::WallTime;

pub(super) const ISSUER: &str = "https://login.example";
const CAME: i64 = 1_790_000_000;

pub(super) fn found(issuer: bool, named: bool) -> ConfiguredEndpoints {
    let url = |path: &str| format!("{ISSUER}{path}").parse().unwrap();
    let mut found = ConfiguredEndpoints {
        issuer: issuer.then(|| ISSUER.parse().unwrap()),
        ..ConfiguredEndpoints::default()
    };
    if named {
        found.device_authorization = Some(url("/device"));
        found.token = Some(url("/token"));
        found.revocation = Some(url("/revoke"));
        found.jwks = Some(url("/keys"));
    }
    found
}

pub(super) fn rig_at(auth: ClientAuth, found: ConfiguredEndpoints) -> Provider {
    let fields =
        vec![("resource".to_owned(), "r".to_owned()), ("audience".to_owned(), "https://api".to_owned())];
    Provider::OAuth(Arc::new(OAuth::new(
        "app-1".to_owned(),
        auth,
        "openid profile".to_owned(),
        fields,
        found,
    )))
}

/// Nothing needs to be asked for first.
pub(super) fn by_hand(auth: ClientAuth) -> Provider {
    rig_at(auth, found(false, true))
}

/// The same without encryption.
pub(super) fn on_a_desk() -> Provider {
    let url = |path: &str| Some(format!("http://127.0.0.1:3000{path}").parse().unwrap());
    let (device_authorization, token) = (url("/device/auth"), url("/token"));
    rig_at(ClientAuth::None, ConfiguredEndpoints { device_authorization, token, ..found(false, false) })
}

pub(super) fn app(secret: bool) -> Client {
    Client { id: ClientId("app-1".to_owned()), secret: secret.then(|| ClientSecret(Secret::new("s3cret"))) }
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//= type=test
//# REQUIRED if the client is not authenticating with the authorization server as described in Section 3.2.1.
//# of [RFC6749].
//= https://www.rfc-editor.org/rfc/rfc6749#section-2.3
//= type=test
//# The client MUST NOT use more than one authentication method in each request.
#[test]
fn a_code_is_asked_for_as_each_client_may() {
    let plain = "POST https://login.example/device\naccept: application/json\nclient_id=app-1\nscope=openid profile\n\
                 resource=r\naudience=https://api";
    let asked = |auth, secret| told(&first(by_hand(auth).device_authorization(&app(secret))));
    assert_eq!(asked(ClientAuth::None, false), plain);
    let post = plain.replace("client_id=app-1\n", "client_id=app-1\nclient_secret=s3cret\n");
    assert_eq!(asked(ClientAuth::Post, true), post);
    let basic = plain.replace("json\nclient", "json\nauthorization: Basic app-1 s3cret\nclient");
    assert_eq!(asked(ClientAuth::Basic, true), basic);
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//= type=test
//# Request and response parameters MUST NOT be included more than once.
//= https://www.rfc-editor.org/rfc/rfc8628#section-3.4
//= type=test
//# Value MUST be set to "urn:ietf:params:oauth:grant-type:device_code".
//= https://www.rfc-editor.org/rfc/rfc8628#section-3.4
//= type=test
//# REQUIRED. The device verification code
//= https://www.rfc-editor.org/rfc/rfc8628#section-3.4
//= type=test
//# REQUIRED if the client is not authenticating with the authorization server
//= https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
//= type=test
//# The parameters can only be transmitted in the request-body
//= https://www.rfc-editor.org/rfc/rfc6749#section-3.2
//= type=test
//# The client MUST use the HTTP "POST" method when making access token requests.
//= https://www.rfc-editor.org/rfc/rfc6749#section-6
//= type=test
//# REQUIRED. Value MUST be set to "refresh_token".
//= https://www.rfc-editor.org/rfc/rfc6749#section-6
//= type=test
//# REQUIRED. The refresh token issued to the client.
//= https://www.rfc-editor.org/rfc/rfc6749#section-6
//= type=test
//# The requested scope MUST NOT include any scope not originally granted by the resource owner
//= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
//= type=test
//# REQUIRED. The token that the client wants to get revoked.
#[test]
fn polls_refreshes_and_revocations_carry_the_same_credentials() {
    let p = by_hand(ClientAuth::Post);
    let client = app(true);
    let head = "accept: application/json\nclient_id=app-1";
    assert_eq!(
        told(&first(p.device_token(&client, &DeviceCode(Secret::new("dc"))))),
        format!(
            "POST https://login.example/token\n{head}\ndevice_code=dc\n\
             grant_type=urn:ietf:params:oauth:grant-type:device_code\nclient_secret=s3cret"
        )
    );
    assert_eq!(
        told(&first(p.refresh(&client, &renewal("rt")))),
        format!(
            "POST https://login.example/token\n{head}\nclient_secret=s3cret\ngrant_type=refresh_token\n\
             refresh_token=rt"
        )
    );
    let revoke = |token| told(&first(p.revoke(&client, &token)));
    assert_eq!(
        revoke(Revocable::Refresh(RefreshToken(Secret::new("rt")))),
        format!(
            "POST https://login.example/revoke\n{head}\nclient_secret=s3cret\ntoken=rt\ntoken_type_hint=refresh_token"
        )
    );
    assert!(
        revoke(Revocable::Access(AccessToken(Secret::new("at"))))
            .ends_with("token=at\ntoken_type_hint=access_token")
    );
    let no_revocation =
        rig_at(ClientAuth::Post, ConfiguredEndpoints { revocation: None, ..found(false, true) });
    let token = Revocable::Refresh(RefreshToken(Secret::new("rt")));
    assert!(
        matches!(no_revocation.revoke(&client, &token), Step::Done(Ok(Revoked::NotOffered))),
        "not asked"
    );
}

//= frameio-c2c#3.4
//= type=test
//# A revocation carries client_id, client_secret and the refresh token, and any 2xx confirms it.
#[test]
fn a_revocation_is_confirmed_by_any_success_whatever_it_says() {
    let token = Revocable::Refresh(RefreshToken(Secret::new("rt")));
    for p in [Provider::FrameIo(super::frameio()), by_hand(ClientAuth::Post)] {
        let said = |r: &Response| super::read(p.revoke(&app(true), &token), r);
        for body in ["", r#"{"success": true}"#, r#""revoked""#, "OK", "{}"] {
            for status in [200, 202, 204] {
                assert_eq!(said(&json(status, body)), Ok(Revoked::Confirmed), "{status} {body}");
            }
        }
        for no in [json(503, ""), json(400, r#"{"error":"invalid_request"}"#), html(200), json(302, "")] {
            assert!(said(&no).is_err(), "{} {:?}", no.status, no.body);
        }
    }
}

#[test]
fn at_a_refresh_only_the_standards_words_are_final() {
    let p = by_hand(ClientAuth::None);
    for response in [
        json(400, r#"{"error":"invalid_request"}"#),
        json(401, r#"{"error":"unauthorized"}"#),
        detailed(401, "Not Authorized", ""),
        json(403, r#"{"error":"forbidden"}"#),
    ] {
        let text = String::from_utf8_lossy(&response.body).into_owned();
        let ends = matches!(
            p.read_refresh(&response),
            Err(TokenError::InvalidGrant(_) | TokenError::Unauthorized | TokenError::ClientRejected(_))
        );
        assert!(!ends, "{text}");
    }
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-7.1
//= type=test
//# The client MUST NOT use an access token if it does not understand the token type.
#[test]
fn token_types_are_compared_without_case_and_others_are_not_used() {
    let p = by_hand(ClientAuth::None);
    let read = |kind: &str| {
        p.read_device_token(&json(200, &format!(r#"{{"access_token":"a","token_type":{kind}}}"#)))
    };
    for kind in [r#""Bearer""#, r#""bearer""#, r#""BEARER""#] {
        let tokens = read(kind).unwrap();
        assert_eq!((tokens.refresh_token, tokens.expires_in, tokens.id_token), (None, None, None), "{kind}");
    }
    for kind in [r#""DPoP""#, r#""mac""#] {
        assert!(matches!(read(kind), Err(TokenError::Rejected(_))), "{kind}");
    }
}

pub(super) fn metadata(issuer: &str) -> Value {
    value!({
        "issuer": issuer,
        "device_authorization_endpoint": format!("{ISSUER}/found/device"),
        "token_endpoint": format!("{ISSUER}/found/token"),
        "jwks_uri": format!("{ISSUER}/found/keys"),
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:device_code"],
    })
}

/// Plays the provider: answers each request in turn by what the closure says to its URL; all URLs, and the outcome.
pub(super) fn play<T>(
    mut step: Step<T>,
    mut answer: impl FnMut(&str) -> Response,
) -> (Vec<String>, Result<T, TokenError>) {
    let mut asked = Vec::new();
    loop {
        step = match step {
            Step::Ask(request, next) => {
                asked.push(request.url.to_string());
                next.on(Ok(&answer(request.url.as_str())))
            }
            Step::Done(outcome) => return (asked, outcome),
        };
        assert!(asked.len() < 9, "no end: {asked:?}");
    }
}

pub(super) const CODE: &str =
    r#"{"device_code":"d","user_code":"1","verification_uri":"https://login.example/d"}"#;

#[test]
fn endpoints_are_found_once_and_again_when_they_do_not_answer() {
    let p = rig_at(ClientAuth::None, found(true, false));
    let cloud = |url: &str| match url.strip_prefix(ISSUER).unwrap() {
        "/.well-known/openid-configuration" => json(200, &metadata(ISSUER).to_string()),
        "/found/device" => json(200, CODE),
        other => panic!("{other}"),
    };
    let (asked, code) = play(p.device_authorization(&app(false)), cloud);
    assert!(code.is_ok());
    assert_eq!(
        asked,
        [format!("{ISSUER}/.well-known/openid-configuration"), format!("{ISSUER}/found/device")]
    );
    let (asked, _) = play(p.device_authorization(&app(false)), cloud);
    assert_eq!(asked, [format!("{ISSUER}/found/device")], "known by now");
    let (_, refused) = play(p.device_authorization(&app(false)), |_| json(404, "{}"));
    assert_eq!(cause(&refused.unwrap_err()), Some(Cause::Provider));
    p.doubt();
    let (asked, code) = play(p.device_authorization(&app(false)), cloud);
    assert_eq!((asked.len(), code.is_ok()), (2, true), "looked up anew");
}

#[test]
fn endpoints_by_hand_need_no_document_although_there_is_an_issuer() {
    let p = rig_at(ClientAuth::None, ConfiguredEndpoints { revocation: None, ..found(true, true) });
    let request = first(p.device_authorization(&app(false)));
    assert_eq!(request.url.as_str(), format!("{ISSUER}/device"));
}

#[test]
fn the_second_place_is_that_of_rfc_8414() {
    let issuer = format!("{ISSUER}/realms/set");
    let p = rig_at(
        ClientAuth::None,
        ConfiguredEndpoints { issuer: Some(issuer.parse().unwrap()), ..ConfiguredEndpoints::default() },
    );
    let (asked, code) =
        play(p.device_authorization(&app(false)), |url| match url.strip_prefix(ISSUER).unwrap() {
            "/realms/set/.well-known/openid-configuration" => html(404),
            "/.well-known/oauth-authorization-server/realms/set" => json(200, &metadata(&issuer).to_string()),
            "/found/device" => json(200, CODE),
            other => panic!("{other}"),
        });
    assert_eq!((asked.len(), code.is_ok()), (3, true), "{asked:?}");
}

//= https://www.rfc-editor.org/rfc/rfc8414#section-3.1
//= type=test
//# An authorization server metadata document MUST be queried using an HTTP "GET" request at the previously
//# specified path.
//= https://www.rfc-editor.org/rfc/rfc8414#section-3.1
//= type=test
//# any terminating "/" MUST be removed before inserting "/.well-known/"
#[test]
fn documents_are_asked_for_where_the_standards_say_and_only_read() {
    for (issuer, openid, rfc_8414) in [
        ("", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
        ("/", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
        ("/set", "/set/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/set"),
        (
            "/realms/set/",
            "/realms/set/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/realms/set",
        ),
    ] {
        let issuer = format!("{ISSUER}{issuer}").parse().unwrap();
        let configured = ConfiguredEndpoints { issuer: Some(issuer), ..ConfiguredEndpoints::default() };
        let mut step = rig_at(ClientAuth::None, configured).device_authorization(&app(false));
        for place in [openid, rfc_8414] {
            let Step::Ask(request, next) = step else { panic!("{place} is not asked") };
            assert_eq!(told(&request), format!("GET {ISSUER}{place}\naccept: application/json"));
            step = next.on(Ok(&html(404)));
        }
    }
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-3.2
//= type=test
//# which MUST be retained when adding additional query parameters
#[test]
fn an_endpoint_keeps_its_query() {
    let mut document = metadata(ISSUER);
    document["token_endpoint"] = format!("{ISSUER}/token?p=policy&q=a%20b").into();
    document["revocation_endpoint"] = format!("{ISSUER}/revoke?p=policy").into();
    let p = rig_at(ClientAuth::Post, found(true, false));
    let at = |url: &str| match url.ends_with("configuration") {
        true => json(200, &document.to_string()),
        false => json(503, ""),
    };
    let (client, token) = (app(true), RefreshToken(Secret::new("rt")));
    let poll = play(p.device_token(&client, &DeviceCode(Secret::new("dc"))), at).0;
    let refresh = play(p.refresh(&client, &renewal("rt")), at).0;
    let revoke = play(p.revoke(&client, &Revocable::Refresh(token)), at).0;
    for (asked, place) in [
        (poll, "/token?p=policy&q=a%20b"),
        (refresh, "/token?p=policy&q=a%20b"),
        (revoke, "/revoke?p=policy"),
    ] {
        assert_eq!(asked.last(), Some(&format!("{ISSUER}{place}")));
    }
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-5.1
//= type=test
//# The client MUST ignore unrecognized value names in the response.
#[test]
fn what_else_an_answer_says_is_passed_over() {
    let p = by_hand(ClientAuth::None);
    let bare = r#"{"access_token":"a","token_type":"bearer","refresh_token":"r","expires_in":60}"#;
    let more = r#"{"example_parameter":"example_value","access_token":"a","scope":["a",{"b":null}],"token_type":"bearer",
        "x":{"access_token":"of something else","error":"invalid_grant"},"refresh_token":"r","not-before-policy":0,
        "expires_in":60,"error_uri":null}"#;
    assert_eq!(p.read_refresh(&json(200, more)), p.read_refresh(&json(200, bare)));
    assert!(p.read_refresh(&json(200, more)).is_ok());
    let code = r#"{"device_code":"d","user_code":"1","verification_uri":"https://login.example/d","message":"Go to …","x":[1]}"#;
    assert_eq!(p.read_device_authorization(&json(200, code)), p.read_device_authorization(&json(200, CODE)));
}

//= https://www.rfc-editor.org/rfc/rfc8414#section-3.3
//= type=test
//# The "issuer" value returned MUST be identical
//= https://www.rfc-editor.org/rfc/rfc8414#section-3.3
//= type=test
//# If these values are not identical, the data contained in the response MUST NOT be used.
#[test]
fn trouble_with_the_metadata_is_named_and_spends_nothing() {
    let refused = |answer: Response| {
        let p = rig_at(ClientAuth::None, found(true, false));
        play(p.refresh(&app(false), &renewal("rt")), move |_| answer.clone()).1.unwrap_err()
    };
    let mut bare = metadata(ISSUER);
    bare["token_endpoint"] = Value::Null;
    let mut plain = metadata(ISSUER);
    plain["token_endpoint"] = "http://login.example/token".into();
    for (answer, words) in [
        (json(200, &metadata("https://evil.example").to_string()), "https://evil.example"),
        (json(200, &metadata("https://login.example/other").to_string()), "https://login.example/other"),
        (json(200, &bare.to_string()), "no token_endpoint"),
        (json(200, &plain.to_string()), "token_endpoint is http"),
    ] {
        let TokenError::Rejected(why) = refused(answer) else { panic!("{words}") };
        assert!(why.contains(words), "{why}");
    }
    for (answer, expected) in [
        (html(200), Cause::CaptivePortal),
        (json(302, ""), Cause::CaptivePortal),
        (json(503, ""), Cause::Provider),
        (json(200, "[]"), Cause::Provider),
        (html(404), Cause::Provider),
    ] {
        let TokenError::Transient(t) = refused(answer) else { panic!("final") };
        assert_eq!((t.cause, t.maybe_applied), (expected, false), "{}", t.why);
    }
    // Whoever keeps a document may say no to that, and to nothing else.
    for word in ["invalid_grant", "invalid_client", "slow_down", "access_denied", "expired_token"] {
        let TokenError::Transient(t) = refused(json(409, &format!(r#"{{"error":"{word}"}}"#))) else {
            panic!("{word}")
        };
        assert_eq!((t.cause, t.maybe_applied), (Cause::Provider, false), "{word}");
    }
    let trailing = json(200, &metadata(&format!("{ISSUER}/")).to_string());
    let p = rig_at(ClientAuth::None, found(true, false));
    let code = play(p.device_authorization(&app(false)), |url| match url.ends_with("/device") {
        true => json(200, CODE),
        false => trailing.clone(),
    });
    assert!(code.1.is_ok(), "a slash at the end makes no other issuer");
}

//= https://www.rfc-editor.org/rfc/rfc8414#section-4
//= type=test
//# Unicode Normalization [USA15] MUST NOT be applied
#[test]
fn an_issuer_that_only_looks_the_same_is_another() {
    // An accent of its own, and one that is a part of its letter.
    let (composed, apart) = ("https://login.example/caf\u{e9}", "https://login.example/cafe\u{301}");
    for (asked, said, same) in
        [(composed, composed, true), (apart, apart, true), (composed, apart, false), (apart, composed, false)]
    {
        let read = read_metadata(&json(200, &metadata(said).to_string()), &asked.parse().unwrap());
        assert_eq!(read.is_ok(), same, "{asked:?} {said:?}");
        assert!(same || matches!(read, Err(TokenError::Rejected(_))));
    }
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
//= type=test
//# All requests from the device MUST use the Transport Layer Security (TLS) protocol
#[test]
fn an_issuer_without_tls_may_name_endpoints_without_it() {
    let lab: url::Url = "http://127.0.0.1:9".parse().unwrap();
    let document = value!({"issuer": lab, "token_endpoint": "http://127.0.0.1:9/token", "jwks_uri": format!("{ISSUER}/keys")});
    let found = read_metadata(&json(200, &document.to_string()), &lab).unwrap();
    assert_eq!(found.token.unwrap().as_str(), "http://127.0.0.1:9/token");
    assert_eq!(found.jwks.unwrap().as_str(), "https://login.example/keys");
    let open = value!({"issuer": ISSUER, "revocation_endpoint": "http://login.example/revoke"});
    let found = read_metadata(&json(200, &open.to_string()), &ISSUER.parse().unwrap()).unwrap();
    assert_eq!(found.revocation, None);
    let neighbours = value!({
        "issuer": lab, "revocation_endpoint": "http://localhost:8/revoke",
        "jwks_uri": "http://login.example/keys", "userinfo_endpoint": "http://192.0.2.7:9/userinfo",
    });
    let found = read_metadata(&json(200, &neighbours.to_string()), &lab).unwrap();
    assert_eq!(found.revocation.unwrap().as_str(), "http://localhost:8/revoke");
    assert_eq!((found.jwks, found.userinfo), (None, None), "on the way there anybody can read");
    let elsewhere = value!({"issuer": lab, "token_endpoint": "http://192.0.2.7:9/token"});
    let refused = read_metadata(&json(200, &elsewhere.to_string()), &lab);
    assert!(matches!(refused, Err(TokenError::Rejected(why)) if why.contains("token_endpoint is http")));
    let far = ISSUER.parse().unwrap();
    let near = value!({"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/keys", "userinfo_endpoint": "http://localhost/"});
    let found = read_metadata(&json(200, &near.to_string()), &far).unwrap();
    assert_eq!(
        (found.jwks, found.userinfo),
        (None, None),
        "an issuer elsewhere knows nothing of this machine"
    );
}

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

#[test]
fn a_word_of_something_else_ends_no_grant_by_its_number() {
    let frameio = Provider::FrameIo(super::frameio());
    for body in [
        r#"{"error":"access_denied"}"#,
        r#"{"error":"expired_token"}"#,
        r#"{"error":401}"#,
        r#"{"error":{"status":"UNAUTHENTICATED","message":"a gateway's own"}}"#,
    ] {
        for p in [&frameio, &by_hand(ClientAuth::None)] {
            let read = p.read_refresh(&json(401, body));
            assert!(
                matches!(read, Err(TokenError::Transient(_) | TokenError::AccessDenied)),
                "{body}: {read:?}"
            );
        }
    }
    // A success with an id, and a word of the protocol beside it, is none.
    let poll = by_hand(ClientAuth::None)
        .read_device_token(&json(200, r#"{"error":"authorization_pending","id":"req-1"}"#));
    assert_eq!(poll, Err(TokenError::AuthorizationPending));
    let life = |body: &str| {
        by_hand(ClientAuth::None)
            .read_refresh(&json(200, body))
            .unwrap()
            .expires_in
            .map(|life| life.as_secs())
    };
    assert_eq!(life(r#"{"access_token":"a","refresh_token":"r","refresh_expires_in":2592000}"#), Some(3600));
    assert_eq!(
        life(r#"{"access_token":"a","refresh_token":"r","expires_in":300,"refresh_expires_in":60}"#),
        Some(60)
    );
    assert_eq!(
        life(r#"{"access_token":"a","refresh_token":"r","expires_in":300,"refresh_expires_in":0}"#),
        Some(300)
    );
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
