//! Requests, field by field.
use super::*;

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
        size: Some(21_136_250),
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
        ..asset.clone()
    };
    let other = told(&frameio().create_asset_request(&token, &other));
    assert!(other.contains("\"channel\":2"), "{other}");
    assert!(other.contains("\"auto_version_id\":\"7fd0aa9b-5ac0-4d3a-b9a3-6dd2a2a1d9b0\""), "{other}");
    let growing = AssetRequest { size: None, name: "A001.mov".to_owned(), channel: 0, ..asset };
    assert!(told(&frameio().create_asset_request(&token, &growing)).ends_with(
        "{\"filetype\":\"video/quicktime\",\"is_realtime_upload\":true,\"name\":\"A001.mov\",\"offset\":10}"
    ));
    let parts = [(0, 5_242_880, false), (7, 9, true)].map(|(n, len, is_final)| NewPart { n, len, is_final });
    assert_eq!(
        told(&frameio().register_parts_request(&token, "a/../b", &parts, Some(5_242_889))),
        "POST https://api.frame.io/v2/devices/assets/a%2F..%2Fb/realtime_upload/parts\n\
         x-client-version: 1.4.2\nauthorization: Bearer at\n{\"asset_filesize\":5242889,\"parts\":[\
         {\"is_final\":false,\"number\":1,\"size\":5242880},{\"is_final\":true,\"number\":8,\"size\":9}]}"
    );
    assert_eq!(
        told(&first(provider().heartbeat(&token))),
        "POST https://api.frame.io/v2/devices/heartbeat\nx-client-version: 1.4.2\nauthorization: Bearer at"
    );
    let headers = frameio().part(&Secret::new("https://storage.example/1"), "video/quicktime").headers;
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
        size: Some(1),
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
        frameio().register_parts_request(&AccessToken(Secret::new("s3cret")), "as-1", &[], None),
    ] {
        assert_eq!(request.connection, Connection::Fresh, "{}", request.name);
        assert!(request.timeout <= Duration::from_secs(20));
        assert!(request.headers.contains(&("x-client-version", "1.4.2".to_owned())));
        assert!(!request.url.as_str().contains("s3cret"));
        assert!(!format!("{request:?}").contains("s3cret"));
    }
}
