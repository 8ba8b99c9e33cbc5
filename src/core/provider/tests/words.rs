//! Which answers are final, and what the others mean.
use super::*;

/// Every answer that is not the provider's last word, whatever was asked.
fn not_final() -> Vec<(Response, Cause)> {
    let oversized = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(20_000));
    let limited = Response { retry_after: Some(Duration::from_secs(7)), ..json(429, "{}") };
    vec![
        (html(200), Cause::CaptivePortal),
        (answer(200, "application/json", "  <html>"), Cause::CaptivePortal),
        (html(401), Cause::CaptivePortal),
        (html(403), Cause::CaptivePortal),
        (html(404), Cause::CaptivePortal),
        (json(301, ""), Cause::CaptivePortal),
        (json(302, ""), Cause::CaptivePortal),
        (json(307, r#"{"error":"invalid_grant"}"#), Cause::CaptivePortal),
        (json(511, ""), Cause::CaptivePortal),
        (json(500, r#"{"error":"invalid_grant"}"#), Cause::Provider),
        (json(502, r#"{"error":"invalid_client"}"#), Cause::Provider),
        (html(503), Cause::Provider),
        (detailed(500, "Not Authorized", ""), Cause::Provider),
        (limited, Cause::RateLimited),
        (json(429, r#"{"error":"invalid_request"}"#), Cause::RateLimited),
        (html(429), Cause::RateLimited),
        (json(200, ""), Cause::Provider),
        (json(204, ""), Cause::Provider),
        (json(200, r#"{"access_token":"a","refresh_tok"#), Cause::Provider),
        (json(200, r#"{"access_token":5}"#), Cause::Provider),
        (json(200, r#"{"access_token":null}"#), Cause::Provider),
        (json(200, r#"{"access_token":"a\u0000b"}"#), Cause::Provider),
        (json(200, r#"{"access_token":""}"#), Cause::Provider),
        (json(200, r#"["a"]"#), Cause::Provider),
        (json(200, &oversized), Cause::Provider),
        (json(400, ""), Cause::Provider),
        (json(400, "garbage"), Cause::Provider),
        (json(400, r#"{"error":{"code":"invalid_grant"}}"#), Cause::Provider),
        (json(401, ""), Cause::Provider),
        (json(401, r#"{"message":"Unauthorized"}"#), Cause::Provider),
        (json(403, r#"{"message":"Forbidden"}"#), Cause::Provider),
        (json(404, r#"{"error":"no such route"}"#), Cause::Provider),
        (detailed(404, "Not Found", ""), Cause::Provider),
        (detailed(422, "Unprocessable", ""), Cause::Provider),
        (answer(407, "", ""), Cause::Proxy),
        (answer(0, "", ""), Cause::Provider),
    ]
}

//= frameio-c2c#6.1
//= type=test
//# What has neither shape comes from something on the way, whatever its number
#[test]
fn only_the_providers_own_words_are_ever_final() {
    for (response, expected) in not_final() {
        let text = format!("{} {:?}", response.status, String::from_utf8_lossy(&response.body));
        let mut reads = vec![
            provider().read_refresh(&response).map(drop),
            provider().read_device_token(&response).map(drop),
            provider().read_device_authorization(&response).map(drop),
        ];
        // Any object may be the answer of a server that names no project.
        if response.status != 200 || response.members().is_none() {
            reads.push(provider().read_identity(&response).map(drop));
        }
        for read in reads {
            assert_eq!(read.err().as_ref().and_then(cause), Some(expected), "{text}");
        }
    }
}

//= frameio-c2c#6.3
//= type=test
//# 429: a second is waited at least, then twice as long each time.
#[test]
fn a_wait_that_the_provider_asks_for_is_passed_on() {
    let wait = |response: &Response| match provider().read_refresh(response) {
        Err(TokenError::Transient(t)) => t.retry_after.map(|w| w.as_secs()),
        other => panic!("{other:?}"),
    };
    let after = |status| Response { retry_after: Some(Duration::from_secs(30)), ..json(status, "") };
    assert_eq!(wait(&after(429)), Some(30));
    assert_eq!(wait(&after(503)), Some(30));
    assert_eq!(wait(&json(429, "")), Some(1), "as Frame.io advises");
}

//= frameio-c2c#3.3
//= type=test
//# A 401 to a refresh: the grant is over, and a person pairs the device anew.
//= frameio-c2c#3.3
//= type=test
//# A refresh token that was used before is answered with invalid_request: the grant is over.
//= frameio-c2c#6.1
//= type=test
//# Both shapes of an error are read
//= frameio-c2c#6.1
//= type=test
//# Title and message decide beside the number
#[test]
fn what_ends_a_grant_at_a_refresh() {
    let word = |w: &str| json(400, &format!(r#"{{"error":"{w}"}}"#));
    let gone = |w: &str| Err(TokenError::InvalidGrant(w.to_owned()));
    for (response, expected) in [
        (word("invalid_request"), gone("invalid_request")),
        (word("invalid_grant"), gone("invalid_grant")),
        (word("invalid_client"), Err(TokenError::ClientRejected("invalid_client".to_owned()))),
        (
            json(401, r#"{"error":"invalid_client"}"#),
            Err(TokenError::ClientRejected("invalid_client".to_owned())),
        ),
        (json(401, r#"{"error":"Not Authorized"}"#), Err(TokenError::Unauthorized)),
        (json(401, r#"{"error":"anything"}"#), Err(TokenError::Unauthorized)),
        (
            json(400, r#"{"error":"Bad Request","status":400,"message":"Invalid refresh token"}"#),
            gone("Invalid refresh token"),
        ),
        (
            detailed(401, "Not Authorized", "You are not allowed to access that resource"),
            Err(TokenError::Unauthorized),
        ),
        (detailed(409, "Not Authorized", ""), Err(TokenError::Unauthorized)),
        (json(409, r#"{"errors":[{"title":"Not Authorized"}]}"#), Err(TokenError::Unauthorized)),
        (json(409, r#"{"code":409,"message":"Not Authorized"}"#), Err(TokenError::Unauthorized)),
        (word("invalid_token"), Err(TokenError::Unauthorized)),
        (word("bad_request"), Err(TokenError::Rejected("bad_request".to_owned()))),
    ] {
        let text = String::from_utf8_lossy(&response.body).into_owned();
        assert_eq!(provider().read_refresh(&response), expected, "{text}");
    }
}

#[test]
fn tokens_are_read_and_an_odd_life_does_not_lose_them() {
    let body = r#"{"access_token":"a.b-c","expires_in":28800,"refresh_token":"r","token_type":"bearer"}"#;
    let tokens = TokenResponse {
        access_token: AccessToken(Secret::new("a.b-c")),
        refresh_token: Some(RefreshToken(Secret::new("r"))),
        expires_in: Some(Duration::from_secs(28_800)),
        id_token: None,
        binding: None,
    };
    assert_eq!(provider().read_device_token(&json(200, body)), Ok(tokens.clone()));
    assert_eq!(provider().read_refresh(&json(200, body)), Ok(tokens));
    for (life, secs) in [
        ("3600.5", Some(3600.5)),
        (r#""3600""#, Some(3600.0)),
        ("0", None),
        ("1e30", Some(366.0 * 86_400.0)),
        ("-5", None),
        ("1e999", None),
        ("null", None),
        ("true", None),
        (r#""soon""#, None),
        (r#""NaN""#, None),
        (r#""inf""#, None),
        (r#"{"a":[1]}"#, None),
    ] {
        let body = format!(r#"{{"access_token":"a","expires_in":{life},"refresh_token":"r"}}"#);
        let tokens = provider().read_refresh(&json(200, &body)).unwrap_or_else(|e| panic!("{life}: {e}"));
        assert_eq!(tokens.expires_in, secs.map(Duration::from_secs_f64), "{life}");
        assert_eq!(tokens.refresh_token, Some(RefreshToken(Secret::new("r"))));
    }
    for body in [r#"{"access_token":"a"}"#, r#"{"access_token":"a","refresh_token":null}"#] {
        let tokens = provider().read_refresh(&json(201, body)).unwrap();
        assert_eq!((tokens.refresh_token, tokens.expires_in), (None, None));
    }
}

//= frameio-c2c#4.1
//= type=test
//# An authorization that has an end shows it.
#[test]
fn who_we_are_is_read_as_the_guide_prints_it() {
    let body = r#"{"_type":"project_device","id":"a7e95254","asset_type":"video","authorization":{"creator":
        {"_type":"user","id":"e7","name":"Harry Potter"},"expires_at":null,"scopes":{"offline":true}},
        "name":"Frameio-BPEAKE","project":{"_type":"project","id":"2ad59fe6","name":"Testbed"},
        "project_id":"2ad59fe6","status":"online"}"#;
    let expected = DeviceInfo {
        nameless: false,
        note: String::new(),
        wanting: crate::oauth::Wanting::Nothing,
        device_name: "Frameio-BPEAKE".to_owned(),
        project_id: "2ad59fe6".to_owned(),
        project_name: "Testbed".to_owned(),
        authorized_by: "Harry Potter".to_owned(),
        authorization_expires: None,
        status: crate::oauth::DeviceStatus::Online,
        names: vec!["a7e95254".to_owned()],
    };
    assert_eq!(provider().read_identity(&json(200, body)), Ok(expected));
    let read = |body: &str| provider().read_identity(&json(200, body));
    for (ids, names) in [
        (r#"{"id":"p1","device_id":"d1"}"#, &["d1", "p1"][..]),
        (r#"{"id":"p1","device_id":"p1"}"#, &["p1"]),
        (r#"{"id":"p1","device_id":null}"#, &["p1"]),
        (r#"{"id":"a\u0007b","device_id":7}"#, &[]),
        ("{}", &[]),
    ] {
        assert_eq!(read(ids).unwrap().names, names, "{ids}");
    }
    let nameless = read("{}").unwrap();
    assert_eq!(
        (nameless.project_id.as_str(), nameless.project_name.as_str()),
        ("https://api.frame.io", nameless.note.as_str())
    );
    assert_eq!(nameless.note, "the provider names no project");
    let bare = DeviceInfo { project_id: "p".to_owned(), ..DeviceInfo::default() };
    assert_eq!(read(r#"{"project_id":"p"}"#), Ok(bare.clone()));
    assert_eq!(read(r#"{"project":{"id":"p"},"authorization":null,"name":null}"#), Ok(bare));
    let ends = |at: &str| {
        read(&format!(r#"{{"project_id":"p","authorization":{{"expires_at":{at}}}}}"#))
            .unwrap()
            .authorization_expires
    };
    assert_eq!(ends(r#""2026-09-01T00:00:00.000000Z""#), Some(1_788_220_800));
    assert_eq!(ends("1788220800"), Some(1_788_220_800));
    assert_eq!(ends(r#""soon""#), None);
    let status = |word: &str| read(&format!(r#"{{"project_id":"p","status":{word}}}"#)).unwrap().status;
    for (word, expected) in [
        (r#""online""#, crate::oauth::DeviceStatus::Online),
        (r#""offline""#, crate::oauth::DeviceStatus::Offline),
        (r#""paused""#, crate::oauth::DeviceStatus::Paused),
        (r#""resting""#, crate::oauth::DeviceStatus::Online),
        ("null", crate::oauth::DeviceStatus::Online),
        ("7", crate::oauth::DeviceStatus::Online),
    ] {
        assert_eq!(status(word), expected, "{word}");
    }
    let long = format!(r#"{{"project_id":"{}"}}"#, "p".repeat(300));
    for bad in [r#"{"project_id":"a\nb"}"#, &long, "[]"] {
        assert!(read(bad).is_err_and(|e| cause(&e) == Some(Cause::Provider)), "{bad}");
    }
    for odd in [r#"{"project_id":""}"#, r#"{"project_id":null,"project":[]}"#, r#"{"project":7,"name":{}}"#] {
        assert_eq!(read(odd).unwrap().project_id, "https://api.frame.io", "{odd}");
    }
    let name = read(r#"{"project_id":"p","project":{"name":"a\u001b[2Jb\nc"}}"#).unwrap().project_name;
    assert_eq!(name, "a [2Jb c", "no control characters reach a screen");
}

//= frameio-c2c#6.1
//= type=test
//# Title and message decide beside the number
#[test]
fn a_refused_token_is_told_from_everything_else() {
    let read = |r: &Response| provider().read_identity(r);
    for response in [
        detailed(401, "Not Authorized", "You are not allowed to access that resource"),
        detailed(409, "Not Authorized", ""),
        json(401, r#"{"error":"invalid_token"}"#),
        json(401, r#"{"error":"unauthorized"}"#),
    ] {
        assert_eq!(read(&response), Err(TokenError::Unauthorized));
    }
    for response in [html(401), json(401, ""), detailed(403, "Forbidden", ""), detailed(409, "Conflict", "")]
    {
        assert_ne!(read(&response), Err(TokenError::Unauthorized));
    }
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.14
//= type=test
//# The authorization server and client MUST sanitize (and validate when possible) any value received
#[test]
fn foreign_text_fits_in_one_line_of_a_journal() {
    assert_eq!(short("a\nb\u{1b}[31mc\u{0}"), "a b [31mc ");
    assert_eq!(short(&"é".repeat(500)).chars().count(), 200);
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.14
//= type=test
//# The authorization server and client MUST sanitize (and validate when possible) any value received
#[test]
fn no_bytes_make_a_reader_panic() {
    let mut dice = crate::backoff::Jitter::new(7);
    let seeds: Vec<Vec<u8>> = not_final().into_iter().map(|(r, _)| r.body.to_vec()).collect();
    for round in 0..20_000 {
        let mut body = seeds[round % seeds.len()].clone();
        for _ in 0..3 {
            let (at, byte) = (dice.unit() * (body.len() + 1) as f64, (dice.unit() * 256.0) as u8);
            match body.get_mut(at as usize) {
                Some(b) => *b = byte,
                None => body.push(byte),
            }
        }
        let status = [200, 400, 401, 403, 404, 409, 422, 429, 500][round % 9];
        let response = Response { status, body: body.into(), ..Response::default() };
        let p = provider();
        let _ = (p.read_device_authorization(&response), p.read_device_token(&response));
        let _ = (p.read_refresh(&response), p.read_identity(&response));
        let _ = (frameio().read_asset(&response), frameio().read_part(&response));
    }
}
