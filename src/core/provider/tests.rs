//! Requests field by field, and every shape of answer that was seen, documented or feared.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it waits for")]
use std::time::Duration;

use wire::{Authorization, Body, Connection, Request, Response};

use super::exchange::Step as Stage;
use super::*;
use crate::oauth::{
    Binding, Cause, ClientAuth, ClientId, ClientSecret, RefreshToken, Thumbprint, TokenError, Trouble,
    UserCode,
};
use crate::queue::upload::{AssetRequest, CreateError, PartError};
use crate::secret::Secret;

mod binding;
mod clips;
mod fixtures;
mod kept;
mod links;
mod oauth;

/// Each question as its request and the reader of its answer: what an exchange of one step is.
trait OneStep {
    fn device_authorization_request(&self, client: &Client) -> Request;
    fn read_device_authorization(&self, r: &Response) -> Result<DeviceAuthorization, TokenError>;
    fn device_token_request(&self, client: &Client, code: &DeviceCode) -> Request;
    fn read_device_token(&self, r: &Response) -> Result<TokenResponse, TokenError>;
    fn refresh_request(&self, client: &Client, token: &RefreshToken) -> Request;
    fn read_refresh(&self, r: &Response) -> Result<TokenResponse, TokenError>;
    fn revoke_request(&self, client: &Client, token: &RefreshToken) -> Request;
    fn identify_request(&self, token: &AccessToken) -> Request;
    fn read_identity(&self, r: &Response) -> Result<DeviceInfo, TokenError>;
}

fn first<T>(step: Stage<T>) -> Request {
    match step {
        Stage::Ask(request, _) => *request,
        Stage::Done(_) => panic!("nothing is asked"),
    }
}

fn read<T>(step: Stage<T>, response: &Response) -> Result<T, TokenError> {
    let Stage::Ask(_, next) = step else { panic!("nothing is asked") };
    match next.on(Ok(response)) {
        Stage::Done(outcome) => outcome,
        Stage::Ask(request, _) => panic!("more is asked: {}", request.name),
    }
}

fn renewal(token: &str) -> Renewal {
    Renewal { token: RefreshToken(Secret::new(token)), binding: None }
}

fn question(token: &AccessToken) -> Identify {
    Identify { token: token.clone(), key: None, id_token: None, came: None }
}

impl OneStep for Provider {
    fn device_authorization_request(&self, client: &Client) -> Request {
        first(self.device_authorization(client))
    }
    fn read_device_authorization(&self, r: &Response) -> Result<DeviceAuthorization, TokenError> {
        read(self.device_authorization(&client()), r)
    }
    fn device_token_request(&self, client: &Client, code: &DeviceCode) -> Request {
        first(self.device_token(client, code))
    }
    fn read_device_token(&self, r: &Response) -> Result<TokenResponse, TokenError> {
        read(self.device_token(&client(), &DeviceCode(Secret::new("dc"))), r)
    }
    fn refresh_request(&self, client: &Client, token: &RefreshToken) -> Request {
        first(self.refresh(client, &renewal(token.expose())))
    }
    fn read_refresh(&self, r: &Response) -> Result<TokenResponse, TokenError> {
        read(self.refresh(&client(), &renewal("rt")), r)
    }
    fn revoke_request(&self, client: &Client, token: &RefreshToken) -> Request {
        first(self.revoke(client, &Revocable::Refresh(token.clone())))
    }
    fn identify_request(&self, token: &AccessToken) -> Request {
        first(self.identify(question(token)))
    }
    fn read_identity(&self, r: &Response) -> Result<DeviceInfo, TokenError> {
        read(self.identify(question(&AccessToken(Secret::new("at")))), r)
    }
}

fn frameio() -> FrameIo {
    FrameIo {
        base_url: "https://api.frame.io".parse().unwrap(),
        client_version: "1.4.2".to_owned(),
        url_pairing: true,
        secret_on_poll: false,
    }
}

fn provider() -> Provider {
    Provider::FrameIo(frameio())
}

fn client() -> Client {
    Client { id: ClientId("rig-7".to_owned()), secret: Some(ClientSecret(Secret::new("s3cret"))) }
}

fn answer(status: u16, content_type: &str, body: &str) -> Response {
    Response {
        status,
        content_type: content_type.to_owned(),
        body: body.as_bytes().to_vec().into(),
        ..Response::default()
    }
}

fn json(status: u16, body: &str) -> Response {
    answer(status, "application/json; charset=utf-8", body)
}

fn html(status: u16) -> Response {
    answer(status, "text/html", "<!DOCTYPE html><title>Welcome to Hotel WiFi</title>")
}

fn detailed(status: u16, title: &str, detail: &str) -> Response {
    let body = serde_json::json!({
        "code": status,
        "errors": [{"code": status, "detail": detail, "status": status, "title": title}],
        "message": title,
    });
    json(status, &body.to_string())
}

fn cause(e: &TokenError) -> Option<Cause> {
    match e {
        TokenError::Transient(t) => Some(t.cause),
        _ => None,
    }
}

/// A request as text, multipart fields in order.
fn told(request: &Request) -> String {
    let mut out = format!("{} {}", if request.post { "POST" } else { "GET" }, request.url);
    for (name, value) in &request.headers {
        out += &format!("\n{name}: {value}");
    }
    match &request.authorization {
        Some(Authorization::Bearer(token)) => out += &format!("\nauthorization: Bearer {}", token.expose()),
        Some(Authorization::Dpop(token)) => out += &format!("\nauthorization: DPoP {}", token.expose()),
        Some(Authorization::Basic { id, secret }) => {
            out += &format!("\nauthorization: Basic {} {}", id.0, secret.expose());
        }
        None => {}
    }
    match &request.body {
        Body::Empty => {}
        Body::Multipart(fields) => {
            fields.iter().for_each(|(name, value)| out += &format!("\n[{name}] {}", value.expose()));
        }
        Body::Form(fields) => {
            fields.iter().for_each(|(name, value)| out += &format!("\n{name}={}", value.expose()));
        }
        Body::Json(bytes) => out += &format!("\n{}", String::from_utf8_lossy(bytes)),
    }
    out
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.3
//= type=test
//# The client SHOULD request access tokens with the minimal scope necessary.
//= frameio-c2c#2
//= type=test
//# The scopes of a hardware device are asset_create and offline, with a blank between them.
//= frameio-c2c#3
//= type=test
//# The auth endpoints take forms only, and no JSON; the others take JSON.
#[test]
fn a_code_is_asked_for_with_the_secret_and_the_scopes() {
    let request = provider().device_authorization_request(&client());
    assert_eq!(
        told(&request),
        "POST https://api.frame.io/v2/auth/device/code\nx-client-version: 1.4.2\nx-client-platypus-enabled: true\n\
         [client_id] rig-7\n[client_secret] s3cret\n[scope] asset_create offline"
    );
    assert_eq!(request.timeout, Duration::from_secs(8), "a person waits");
    let plain = FrameIo { url_pairing: false, ..frameio() };
    let request = Provider::FrameIo(plain).device_authorization_request(&client());
    assert!(!told(&request).contains("platypus"));
}

//= frameio-c2c#3.2
//= type=test
//# Polls leave the secret out, as all examples do, and a setting sends it, as the reference has it.
#[test]
fn polls_leave_the_secret_out_unless_it_is_wanted() {
    let code = DeviceCode(Secret::new("dc"));
    let poll = "POST https://api.frame.io/v2/auth/token\nx-client-version: 1.4.2\n[client_id] rig-7\n\
                [device_code] dc\n[grant_type] urn:ietf:params:oauth:grant-type:device_code";
    assert_eq!(told(&provider().device_token_request(&client(), &code)), poll);
    let with = Provider::FrameIo(FrameIo { secret_on_poll: true, ..frameio() });
    assert_eq!(told(&with.device_token_request(&client(), &code)), format!("{poll}\n[client_secret] s3cret"));
}

//= frameio-c2c#3.4
//= type=test
//# A revocation carries client_id, client_secret and the refresh token, and any 2xx confirms it.
#[test]
fn a_refresh_and_a_revocation_carry_the_refresh_token_in_the_body() {
    let token = RefreshToken(Secret::new("rt"));
    assert_eq!(
        told(&provider().refresh_request(&client(), &token)),
        "POST https://api.frame.io/v2/auth/token\nx-client-version: 1.4.2\n[client_id] rig-7\n\
         [client_secret] s3cret\n[grant_type] refresh_token\n[refresh_token] rt"
    );
    assert_eq!(
        told(&provider().revoke_request(&client(), &token)),
        "POST https://api.frame.io/v2/auth/revoke\nx-client-version: 1.4.2\n[client_id] rig-7\n\
         [client_secret] s3cret\n[token] rt"
    );
}

//= frameio-c2c#3
//= type=test
//# The auth endpoints take forms only, and no JSON; the others take JSON.
//= frameio-c2c#5.2
//= type=test
//# A part carries the content-type that its asset was created with, and x-amz-acl: private.
#[test]
fn api_calls_carry_the_access_token_and_the_version() {
    let token = AccessToken(Secret::new("at"));
    assert_eq!(
        told(&provider().identify_request(&token)),
        "GET https://api.frame.io/v2/devices/me\nx-client-version: 1.4.2\nauthorization: Bearer at"
    );
    let asset = AssetRequest {
        name: "A001 \"one\".mov".to_owned(),
        filetype: "video/quicktime".to_owned(),
        size: 21_136_250,
        offset: Duration::from_millis(10_999),
        channel: 0,
        version_of: None,
    };
    assert_eq!(
        told(&frameio().create_asset_request(&token, &asset)),
        "POST https://api.frame.io/v2/devices/assets\nx-client-version: 1.4.2\nauthorization: Bearer at\n\
         {\"filesize\":21136250,\"filetype\":\"video/quicktime\",\"name\":\"A001 \\\"one\\\".mov\",\"offset\":10}"
    );
    let other = AssetRequest {
        channel: 2,
        version_of: Some("7fd0aa9b-5ac0-4d3a-b9a3-6dd2a2a1d9b0".to_owned()),
        ..asset
    };
    let other = told(&frameio().create_asset_request(&token, &other));
    assert!(other.contains("\"channel\":2"), "{other}");
    assert!(other.contains("\"auto_version_id\":\"7fd0aa9b-5ac0-4d3a-b9a3-6dd2a2a1d9b0\""), "{other}");
    assert_eq!(
        told(&first(provider().heartbeat(&token))),
        "POST https://api.frame.io/v2/devices/heartbeat\nx-client-version: 1.4.2\nauthorization: Bearer at"
    );
    let headers = frameio().part_headers("video/quicktime");
    assert_eq!(
        headers,
        [("content-type", "video/quicktime".to_owned()), ("x-amz-acl", "private".to_owned())]
    );
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
//= type=test
//# The parameters can only be transmitted in the request-body
//= frameio-c2c#2
//= type=test
//# x-client-version, a semantic version, goes with every HTTPS call.
//= frameio-c2c#3.1
//= type=test
//# Each request for a code has a TCP connection of its own.
#[test]
fn every_request_has_a_connection_of_its_own_and_no_secret_in_its_url_or_its_debug_text() {
    let (p, c) = (provider(), client());
    let asset = AssetRequest {
        name: String::new(),
        filetype: String::new(),
        size: 1,
        offset: Duration::ZERO,
        channel: 0,
        version_of: None,
    };
    for request in [
        p.device_authorization_request(&c),
        p.device_token_request(&c, &DeviceCode(Secret::new("s3cret"))),
        p.refresh_request(&c, &RefreshToken(Secret::new("s3cret"))),
        p.revoke_request(&c, &RefreshToken(Secret::new("s3cret"))),
        p.identify_request(&AccessToken(Secret::new("s3cret"))),
        frameio().create_asset_request(&AccessToken(Secret::new("s3cret")), &asset),
    ] {
        assert_eq!(request.connection, Connection::Fresh, "{}", request.name);
        assert!(request.timeout <= Duration::from_secs(20));
        assert!(request.headers.contains(&("x-client-version", "1.4.2".to_owned())));
        assert!(!request.url.as_str().contains("s3cret"));
        assert!(!format!("{request:?}").contains("s3cret"));
    }
}

//= frameio-c2c#3.1
//= type=test
//# A user_code is a text of six digits, which may begin with zeros.
#[test]
fn a_code_is_read_as_the_guide_prints_it() {
    let body = r#"{"device_code":"[device_code]","expires_in":120,"interval":5,"name":"MyDevice-1","user_code":"073131"}"#;
    let a = provider().read_device_authorization(&json(200, body)).unwrap();
    assert_eq!(a.user_code, UserCode(Secret::new("073131")), "leading zeros stay");
    assert_eq!((a.expires_in, a.interval), (Duration::from_secs(120), Duration::from_secs(5)));
    assert_eq!(a.device_name.as_deref(), Some("MyDevice-1"));
    assert_eq!((a.verification_uri, a.verification_uri_complete), (None, None));
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.2
//= type=test
//# If no value is provided, clients MUST use 5 as the default.
//= frameio-c2c#3.1
//= type=test
//# expires_in and interval are read as floating point numbers.
#[test]
fn a_code_is_read_with_floats_without_numbers_and_with_numbers_out_of_bounds() {
    let read = |numbers: &str| {
        let body = format!(r#"{{"device_code":"d","user_code":"1"{numbers}}}"#);
        provider().read_device_authorization(&json(200, &body)).map(|a| (a.expires_in, a.interval))
    };
    let ms = |e, i| Ok((Duration::from_millis(e), Duration::from_millis(i)));
    assert_eq!(read(r#","expires_in":119.5,"interval":5.25"#), ms(119_500, 5_250));
    assert_eq!(read(""), ms(120_000, 5_000));
    assert_eq!(read(r#","expires_in":null,"interval":null"#), ms(120_000, 5_000));
    assert_eq!(
        read(r#","expires_in":0,"interval":0"#),
        ms(120_000, 1_000),
        "never faster than once a second"
    );
    assert_eq!(read(r#","expires_in":1e300,"interval":1e300"#), ms(3_600_000, 3_600_000));
    assert_eq!(
        read(r#","expires_in":90,"interval":"300""#),
        ms(90_000, 90_000),
        "kept up to the code's life"
    );
    assert_eq!(read(r#","interval":[],"expires_in":{}"#), ms(120_000, 5_000), "as good as missing");
    for bad in [
        r#","expires_in":-1"#,
        r#","interval":-5"#,
        r#","expires_in":NaN"#,
        r#","interval":1e999"#,
        r#","interval":"five""#,
    ] {
        assert!(read(bad).is_err_and(|e| cause(&e) == Some(Cause::Provider)), "{bad}");
    }
}

//= frameio-c2c#3.1
//= type=test
//# verification_uri_complete is read in this spelling and in that of the checklist,
//# verification_url_complete; null is none.
#[test]
fn both_spellings_of_the_complete_url_are_taken_and_null_is_none() {
    let read = |urls: &str| {
        let body = format!(r#"{{"device_code":"d","user_code":"1"{urls}}}"#);
        let a = provider().read_device_authorization(&json(200, &body)).unwrap();
        (a.verification_uri.map(String::from), a.verification_uri_complete.map(|u| u.expose().to_owned()))
    };
    let full = || Some("https://f.io/d?c=1".to_owned());
    let base = Some("https://f.io/d".to_owned());
    assert_eq!(
        read(r#","verification_uri":"https://f.io/d","verification_uri_complete":"https://f.io/d?c=1""#),
        (base.clone(), full())
    );
    assert_eq!(read(r#","verification_url_complete":"https://f.io/d?c=1""#), (None, full()));
    assert_eq!(
        read(
            r#","verification_uri_complete":"https://f.io/d?c=1","verification_url_complete":"https://f.io/d?c=1""#
        ),
        (None, full())
    );
    assert_eq!(
        read(r#","verification_uri":"https://f.io/d","verification_uri_complete":null"#),
        (base, None)
    );
    for odd in ["javascript:alert(1)", "not a url", "", "file:///etc/passwd"] {
        let urls = format!(r#","verification_uri":"{odd}","verification_uri_complete":"{odd}""#);
        assert_eq!(read(&urls), (None, None), "{odd}");
    }
    let long = format!(r#","verification_uri_complete":"https://f.io/{}""#, "x".repeat(3000));
    assert_eq!(read(&long), (None, None));
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.14
//= type=test
//# The authorization server and client MUST sanitize (and validate when possible) any value received
#[test]
fn a_code_that_no_screen_can_show_is_no_code() {
    let long = "x".repeat(65);
    let huge = "x".repeat(20_000);
    for (device, user) in [
        (r#""d""#, r#""""#),
        (r#""d""#, r#""1\n2""#),
        (r#""d""#, r#""\u001b[2J""#),
        (r#""d""#, &format!(r#""{long}""#)),
        (r#""d""#, "null"),
        (r#""""#, r#""1""#),
        (&format!(r#""{huge}""#), r#""1""#),
        ("5", r#""1""#),
    ] {
        let body = format!(r#"{{"device_code":{device},"user_code":{user}}}"#);
        let read = provider().read_device_authorization(&json(200, &body));
        assert!(read.is_err_and(|e| cause(&e) == Some(Cause::Provider)), "{user}");
    }
}

#[test]
fn every_error_of_a_poll_means_what_the_standard_says() {
    let rejected = |w: &str| TokenError::Rejected(format!("{w}: x"));
    for (word, error) in [
        ("authorization_pending", TokenError::AuthorizationPending),
        ("slow_down", TokenError::SlowDown(None)),
        ("access_denied", TokenError::AccessDenied),
        ("expired_token", TokenError::ExpiredToken),
        ("invalid_grant", TokenError::InvalidGrant("invalid_grant: x".to_owned())),
        ("invalid_client", TokenError::ClientRejected("invalid_client: x".to_owned())),
        ("invalid_request", rejected("invalid_request")),
        ("bad_request", rejected("bad_request")),
        ("invalid_scope", rejected("invalid_scope")),
        ("unauthorized_client", TokenError::NotAllowed("unauthorized_client: x".to_owned())),
        ("unsupported_grant_type", rejected("unsupported_grant_type")),
    ] {
        for status in [200, 400, 401, 403, 428] {
            let body = format!(r#"{{"error":"{word}","error_description":"x"}}"#);
            assert_eq!(provider().read_device_token(&json(status, &body)), Err(error.clone()), "{status}");
        }
    }
    let slow = provider().read_device_token(&json(429, r#"{"error":"slow_down"}"#));
    assert_eq!(slow, Err(TokenError::SlowDown(None)));
    let unknown = provider().read_device_token(&json(400, r#"{"error":"teapot"}"#));
    assert!(unknown.is_err_and(|e| cause(&e) == Some(Cause::Provider)), "an unknown word is no end");
}

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
    };
    assert_eq!(provider().read_identity(&json(200, body)), Ok(expected));
    let read = |body: &str| provider().read_identity(&json(200, body));
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
