//! The dialect of RFC 8628, and its discovery.
use serde_json::{Value, json as value};

use super::*;
use crate::provider::exchange::Step;

pub(super) const ISSUER: &str = "https://login.example";

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
