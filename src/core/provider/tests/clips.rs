//! Answers about clips: assets, and the parts that the storage takes.
use super::*;

#[test]
fn clips_go_to_a_provider_that_takes_them() {
    assert_eq!(provider().clips().map(|p| p.base_url.as_str()), Some("https://api.frame.io/"));
}

#[test]
fn an_asset_is_read_and_an_unusable_one_is_no_asset() {
    let read = |body: &str| frameio().read_asset(&json(201, body));
    let body = r#"{"_type":"file","id":"as-1","upload_urls":["https://s3/1?X=2","https://s3/2"]}"#;
    let urls = vec![Secret::new("https://s3/1?X=2"), Secret::new("https://s3/2")];
    assert_eq!(read(body), Ok(("as-1".to_owned(), urls)));
    let fits = format!(r#"{{"id":"a","upload_urls":["https://s3/{}"]}}"#, "x".repeat(16_000));
    assert!(read(&fits).is_ok());
    let long = format!(r#"{{"id":"a","upload_urls":["https://s3/{}"]}}"#, "x".repeat(20_000));
    let many = format!(r#"{{"id":"a","upload_urls":[{}"https://s3"]}}"#, r#""https://s3","#.repeat(10_000));
    for bad in [
        "",
        "{}",
        r#"{"id":"a","upload_urls":[]}"#,
        r#"{"id":"a","upload_urls":[5]}"#,
        r#"{"id":"","upload_urls":["https://s3"]}"#,
        r#"{"id":"a","upload_urls":["http://s3/plain"]}"#,
        r#"{"id":"a","upload_urls":["file:///etc/passwd"]}"#,
        &long,
        &many,
    ] {
        assert!(matches!(read(bad), Err(CreateError::Transient(_))), "{:.80}", bad);
    }
    let lab = FrameIo { base_url: "http://127.0.0.1:1".parse().unwrap(), ..frameio() };
    assert!(lab.read_asset(&json(201, r#"{"id":"a","upload_urls":["http://127.0.0.1:2/1"]}"#)).is_ok());
}

#[test]
fn a_growing_asset_has_an_id_and_its_parts_have_addresses_as_many_as_were_registered() {
    let asset = |body: &str| frameio().read_growing_asset(&json(201, body));
    assert_eq!(asset(r#"{"id":"as-1","name":"A001.mov"}"#), Ok(("as-1".to_owned(), vec![])));
    for bad in ["", "{}", r#"{"id":""}"#, r#"{"id":5}"#, r#"{"id":"a\nb"}"#] {
        assert!(matches!(asset(bad), Err(CreateError::Transient(_))), "{bad}");
    }
    let read = |status, body: &str| frameio().read_registered(&json(status, body), 2);
    let urls = vec![Secret::new("https://s3/1"), Secret::new("https://s3/2")];
    assert_eq!(read(200, r#"{"upload_urls":["https://s3/1","https://s3/2"]}"#), Ok(urls));
    for bad in
        ["{}", r#"{"upload_urls":["https://s3/1"]}"#, r#"{"upload_urls":["https://s3/1","ftp://s3/2"]}"#]
    {
        assert!(matches!(read(200, bad), Err(CreateError::Transient(_))), "{bad}");
    }
    let refused = |response: Response| frameio().read_registered(&response, 2).expect_err("a refusal");
    assert_eq!(refused(detailed(401, "Not Authorized", "")), CreateError::Unauthorized);
    assert!(matches!(refused(detailed(400, "Bad Request", "size")), CreateError::Refused(_)));
    assert!(matches!(refused(detailed(404, "Not Found", "")), CreateError::Forbidden(_)));
    assert_eq!(refused(detailed(409, "Channel Paused", "")), CreateError::RecordedWhilePaused);
    for later in [json(503, ""), json(429, ""), json(404, "<html>")] {
        assert!(matches!(refused(later), CreateError::Transient(_)));
    }
}

//= frameio-c2c#4.5
//= type=test
//# What was recorded during a pause (409 Channel Paused) is not sent by itself.
//= frameio-c2c#6.1
//= type=test
//# Both shapes of an error are read
//= frameio-c2c#6.3
//= type=test
//# 402, 403 and 404 to a creation: no clip will be taken, and a person has to act in the project.
//= frameio-c2c#6.3
//= type=test
//# 400 and 422 to a creation: that clip has failed, and the others go on.
#[test]
fn each_refusal_of_an_asset_follows_the_retry_table() {
    let word = |status, w: &str| json(status, &format!(r#"{{"error":"{w}"}}"#));
    let read = |r: &Response| frameio().read_asset(r).expect_err("a refusal");
    for response in [
        detailed(401, "Not Authorized", ""),
        detailed(409, "Not Authorized", ""),
        word(401, "invalid_token"),
        word(401, "unauthorized"),
    ] {
        assert_eq!(read(&response), CreateError::Unauthorized);
    }
    for response in [
        detailed(409, "Channel Paused", "This channel is paused"),
        detailed(409, "Conflict", "The channel was paused then"),
        word(409, "Channel Paused"),
    ] {
        assert_eq!(read(&response), CreateError::RecordedWhilePaused);
    }
    for response in [
        detailed(422, "Unprocessable", "filesize"),
        detailed(400, "Bad Request", "filetype"),
        word(400, "bad_request"),
        word(422, "invalid"),
    ] {
        assert!(matches!(read(&response), CreateError::Refused(_)));
    }
    for (detail, told) in [("", "HTTP 422 Unprocessable"), ("filesize", "HTTP 422 Unprocessable: filesize")] {
        assert_eq!(read(&detailed(422, "Unprocessable", detail)), CreateError::Refused(told.to_owned()));
    }
    for response in [
        detailed(402, "Payment Required", ""),
        word(402, "plan_limit"),
        detailed(403, "Forbidden", ""),
        detailed(404, "Not Found", ""),
        word(403, "forbidden"),
    ] {
        assert!(matches!(read(&response), CreateError::Forbidden(_)), "{}", response.status);
    }
    let conflict = detailed(409, "Conflict", "caused by another asset");
    assert!(matches!(read(&conflict), CreateError::Conflict(_)));
    // In a shape of its own, and read all the same.
    for (body, why) in [
        (r#"{"status": "oh god"}"#, "HTTP 400 without a reason"),
        (r#"{"status": 400, "message": "no .mov here", "description": "Bad"}"#, "HTTP 400: no .mov here"),
        (r#"{"detail": "no\u0007such field"}"#, "HTTP 400: no such field"),
    ] {
        assert_eq!(read(&json(400, body)), CreateError::Conflict(why.to_owned()));
    }
    for (response, expected) in [
        (json(400, "[]"), Cause::Provider),
        (json(400, ""), Cause::Provider),
        (json(404, "{}"), Cause::Provider),
        (json(400, r#"{"message": "Bad Request"}"#), Cause::Provider),
        (word(429, "rate_limited"), Cause::RateLimited),
        (detailed(429, "Too Many Requests", ""), Cause::RateLimited),
        (detailed(500, "Internal", ""), Cause::Provider),
        (html(404), Cause::CaptivePortal),
        (html(200), Cause::CaptivePortal),
        (json(302, ""), Cause::CaptivePortal),
    ] {
        assert!(
            matches!(read(&response), CreateError::Transient(Trouble { cause, .. }) if cause == expected),
            "{}",
            response.status
        );
    }
}

#[test]
fn a_token_that_the_cloud_repeats_is_not_passed_on() {
    let said = |response: Response| {
        let response = Response { secrets: vec![Secret::new("at-1/x+y")], ..response };
        format!("{:?}", frameio().read_asset(&response).unwrap_err())
    };
    let word = r#"{"error":"at-1/x+y","error_description":"no at-1%2Fx%2By here"}"#;
    for response in [
        detailed(422, "at-1/x+y", "the token at-1/x+y is odd"),
        detailed(403, "Forbidden", "at-1/x+y"),
        detailed(409, "Conflict", "for at-1%2Fx%2By"),
        json(400, word),
        json(503, word),
    ] {
        let said = said(response);
        assert!(said.contains("[redacted]") && !said.contains("at-1"), "{said}");
    }
}

//= frameio-c2c#6.3
//= type=test
//# A storage that says that an address has expired: another asset.
#[test]
fn what_the_storage_says_to_a_part() {
    let s3 = |status, code: &str| {
        let body = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>x</Message></Error>"#
        );
        answer(status, "application/xml", &body)
    };
    let read = |r: &Response| frameio().read_part(r);
    assert_eq!(read(&answer(200, "", "")), Ok(()));
    assert_eq!(read(&answer(204, "", "")), Ok(()));
    // Many storages written in Python call nothing a page.
    assert_eq!(read(&answer(200, "text/html; charset=utf-8", "")), Ok(()));
    assert_eq!(read(&answer(200, "text/html", "{}")), Ok(()));
    let over = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    for response in [answer(403, "application/xml", over), s3(404, "NoSuchUpload"), s3(400, "ExpiredToken")] {
        assert!(matches!(read(&response), Err(PartError::UrlDead(_))), "{}", response.status);
    }
    for response in [s3(403, "AccessDenied"), s3(403, "SignatureDoesNotMatch")] {
        assert!(matches!(read(&response), Err(PartError::UrlRefused(_))), "{}", response.status);
    }
    for response in [s3(400, "InvalidRequest"), s3(412, "PreconditionFailed")] {
        assert!(matches!(read(&response), Err(PartError::Refused(_))), "{}", response.status);
    }
    let cause = |r: &Response| match read(r) {
        Err(PartError::Transient(t)) => Some((t.cause, t.retry_after.map(|w| w.as_secs()))),
        _ => None,
    };
    for response in [
        s3(400, "RequestTimeout"),
        s3(500, "InternalError"),
        s3(503, "SlowDown"),
        answer(403, "", ""),
        answer(502, "text/plain", ""),
    ] {
        assert_eq!(cause(&response), Some((Cause::Provider, None)), "{}", response.status);
    }
    for response in [answer(404, "text/plain", "not here"), answer(404, "", ""), answer(410, "", "{}")] {
        let why = format!("HTTP {}", response.status);
        assert_eq!(read(&response), Err(PartError::Unfound(why, false)), "it may not be the storage");
    }
    assert_eq!(cause(&answer(407, "", "")), Some((Cause::Proxy, None)));
    let slow = Response { retry_after: Some(Duration::from_secs(9)), ..s3(503, "SlowDown") };
    assert_eq!(cause(&slow), Some((Cause::Provider, Some(9))));
    for response in [html(200), html(302), html(403), html(404), html(511)] {
        assert_eq!(cause(&response).map(|(c, _)| c), Some(Cause::CaptivePortal), "{}", response.status);
    }
}
