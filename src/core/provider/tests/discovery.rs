//! What an issuer publishes, and where that is.
use serde_json::{Value, json as value};

use super::oauth::*;
use super::*;
use crate::provider::metadata::read as read_metadata;

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
