//! Answers with a code, and to polls.
use super::*;

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
