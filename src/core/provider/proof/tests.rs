use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::secret::Secret;
use crate::time::{BootId, BootTime, WallTime};

/// RFC 9449 §4.1, figure 2.
fn key() -> PublicKey {
    PublicKey {
        x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs".to_owned(),
        y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA".to_owned(),
    }
}

fn at(boot: u64, wall: i64) -> Now {
    Now { boot_id: BootId(1), boot: BootTime(Duration::from_secs(boot)), wall: WallTime(wall) }
}

fn subject<'a>(url: &'a Url, access: Option<&'a AccessToken>) -> Subject<'a> {
    Subject { method: "POST", url, access, nonce: None }
}

/// Header and claims.
fn read(message: &str) -> (Value, Value) {
    let (header, claims) = message.split_once('.').unwrap();
    let value = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (value(header), value(claims))
}

fn answer(status: u16, body: &str) -> Response {
    Response { status, body: body.as_bytes().to_vec().into(), ..Response::default() }
}

#[test]
fn a_key_has_the_thumbprint_of_the_standards_example() {
    // RFC 9449 §6.1.
    assert_eq!(key().thumbprint().0, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    let mut point = vec![4];
    point.extend(URL_SAFE_NO_PAD.decode(&key().x).unwrap());
    point.extend(URL_SAFE_NO_PAD.decode(&key().y).unwrap());
    assert_eq!(PublicKey::of_point(&point), Some(key()));
    point[0] = 2;
    assert_eq!(PublicKey::of_point(&point), None, "a compressed one");
    point[0] = 4;
    assert_eq!(PublicKey::of_point(&point[..64]), None);
    assert_eq!(PublicKey::of_point(&[]), None);
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//= type=test
//# The JOSE Header of a DPoP JWT MUST contain at least the following parameters
//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//= type=test
//# It MUST NOT be none or an identifier for a symmetric algorithm
//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//= type=test
//# It MUST NOT contain a private key.
//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//= type=test
//# The payload of a DPoP proof MUST contain at least the following claims
//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//= type=test
//# When the DPoP proof is used in conjunction with the presentation of an access token
//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//= type=test
//# The value MUST be the result of a base64url encoding
#[test]
fn a_proof_says_what_it_is_for_and_nothing_else() {
    let url = "https://login.example/token?a=b#c".parse().unwrap();
    let message = Servers::default().message(&key(), subject(&url, None), 7, at(10, 1_790_000_000));
    let (header, claims) = read(&message);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": key().x, "y": key().y});
    assert_eq!(header, json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}));
    assert_eq!(
        claims,
        json!({
            "jti": "00000000000000000000000000000007", "htm": "POST", "htu": "https://login.example/token",
            "iat": 1_790_000_000,
        })
    );
    // RFC 9449 §7.1, figure 12.
    let access = AccessToken(Secret::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"));
    let (_, claims) = read(&Servers::default().message(&key(), subject(&url, Some(&access)), 7, at(0, 0)));
    assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    assert_eq!(signed("a.b", &[0xff; 3]), "a.b.____");
}

#[test]
fn a_proof_is_dated_by_the_servers_clock_whatever_the_rigs_says() {
    let url: Url = "https://login.example/token".parse().unwrap();
    let dated =
        |servers: &Servers, now| read(&servers.message(&key(), subject(&url, None), 1, now)).1["iat"].clone();
    for wall in [0, 1_790_000_000 + 30 * 365 * 86_400, -1] {
        let mut servers = Servers::default();
        assert_eq!(dated(&servers, at(100, wall)), wall, "nobody has said anything yet");
        let date = Response { date: Some(1_790_000_000), ..answer(400, "") };
        // That of a document may have been kept on the way.
        servers.heard(&url, false, &date, at(100, wall));
        assert_eq!(dated(&servers, at(100, wall)), wall);
        servers.heard(&url, true, &date, at(100, wall));
        assert_eq!(
            dated(&servers, at(160, wall + 1_000_000)),
            1_790_000_060,
            "a minute later, whatever was set"
        );
        servers.heard(&url, true, &answer(200, ""), at(170, wall));
        assert_eq!(
            dated(&servers, at(170, wall)),
            1_790_000_070,
            "an answer without a date takes nothing back"
        );
        let odd = Response { date: Some(i64::MIN), ..answer(400, "") };
        servers.heard(&url, true, &odd, at(170, wall));
        assert_eq!(dated(&servers, at(170, wall)), wall, "no date at all");
    }
}

//= https://www.rfc-editor.org/rfc/rfc9449#section-4.2
//= type=test
//# provides a DPoP-Nonce HTTP header in a response
//= https://www.rfc-editor.org/rfc/rfc9449#section-8.2
//= type=test
//# The client MUST use the new nonce value supplied for the next token request and for all subsequent token
//# requests
#[test]
fn a_nonce_is_of_its_server_and_the_last_one_counts() {
    let [login, api]: [Url; 2] =
        ["https://login.example/token", "https://api.example/me"].map(|url| url.parse().unwrap());
    let elsewhere = "https://login.example/userinfo".parse().unwrap();
    let mut servers = Servers::default();
    let mut hear = |url: &Url, nonce: &str| {
        let answer = Response { dpop_nonce: nonce.to_owned(), ..answer(200, "") };
        servers.heard(url, false, &answer, at(1, 1));
        servers.clone()
    };
    let nonce = |servers: &Servers, url| {
        read(&servers.message(&key(), subject(url, None), 1, at(1, 1))).1["nonce"].clone()
    };
    let known = hear(&login, "n1");
    assert_eq!((nonce(&known, &login), nonce(&known, &api)), ("n1".into(), Value::Null));
    assert_eq!(nonce(&known, &elsewhere), "n1", "of the same origin");
    hear(&api, "n2");
    let known = hear(&login, "n3");
    assert_eq!((nonce(&known, &login), nonce(&known, &api)), ("n3".into(), "n2".into()));
    for odd in ["", "with space", "quote\"", "back\\slash", "n\u{e9}", &"x".repeat(1025)] {
        assert_eq!(nonce(&hear(&login, odd), &login), "n3", "{odd}");
    }
    let known = (0..100).map(|n| hear(&format!("https://{n}.example").parse().unwrap(), "n")).last().unwrap();
    assert_eq!(known.nonces.len(), MOST_SERVERS);
    let given = Subject { nonce: Some("mine"), ..subject(&api, None) };
    assert_eq!(read(&known.message(&key(), given, 1, at(1, 1))).1["nonce"], "mine");
}

#[test]
fn another_proof_is_made_for_words_about_the_proof_only() {
    let nonce = |response| Response { dpop_nonce: "n".to_owned(), ..response };
    for yes in [
        answer(400, r#"{"error":"use_dpop_nonce"}"#),
        answer(400, r#"{"error":"invalid_dpop_proof","error_description":"iat"}"#),
        answer(401, r#"{"error":"use_dpop_nonce"}"#),
        nonce(answer(401, "")),
    ] {
        assert!(wants_another(&yes), "{yes:?}");
    }
    for no in [
        answer(200, r#"{"access_token":"a"}"#),
        nonce(answer(200, r#"{"access_token":"a"}"#)),
        nonce(answer(400, r#"{"error":"authorization_pending"}"#)),
        nonce(answer(400, r#"{"error":"invalid_grant"}"#)),
        answer(401, ""),
        answer(401, r#"{"error":"invalid_token"}"#),
        answer(503, ""),
    ] {
        assert!(!wants_another(&no), "{no:?}");
    }
}
