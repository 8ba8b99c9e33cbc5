//! Where a person is sent with the code.
use url::Url;

use super::oauth::by_hand;
use super::*;

/// What is shown of these two, from a provider that is asked over https.
fn read(uri: &str, complete: &str) -> Result<(Option<String>, Option<String>), TokenError> {
    let body = serde_json::json!({
        "device_code": "d",
        "user_code": "1",
        "verification_uri": uri,
        "verification_uri_complete": complete,
    });
    let a = by_hand(ClientAuth::None).read_device_authorization(&json(200, &body.to_string()))?;
    Ok((a.verification_uri.map(String::from), a.verification_uri_complete.map(|u| u.expose().to_owned())))
}

#[test]
fn the_host_of_a_link_stands_there_in_plain_letters() {
    for (given, shown) in [
        ("https://login.example/d?c=1", "https://login.example/d?c=1"),
        ("HTTPS://LOGIN.EXAMPLE/D?C=1", "HTTPS://LOGIN.EXAMPLE/D?C=1"),
        ("login.example/d", "https://login.example/d"),
        ("https://login.example:8443", "https://login.example:8443"),
        ("https://xn--bcher-kva.example?c=1", "https://xn--bcher-kva.example?c=1"),
        // Escapes, and what a browser takes for a slash.
        ("https://%6cogin.example/d", "https://login.example/d"),
        (r"https://evil.example\.login.example/d", "https://evil.example/.login.example/d"),
        ("https:login.example/d", "https://login.example/d"),
        // Read from right to left, a path could look like a host.
        ("https://evil.example/\u{202e}elpmaxe.nigol", "https://evil.example/%E2%80%AEelpmaxe.nigol"),
        ("https://0x7f.1/d", "https://127.0.0.1/d"),
    ] {
        let (uri, complete) = read(given, given).unwrap();
        assert_eq!(complete.as_deref(), Some(shown), "{given}");
        // Where a browser goes is what stands there.
        let host = Url::parse(shown).unwrap().host_str().unwrap().to_owned();
        let at = |text: &str| text.to_ascii_lowercase().find(&format!("://{host}"));
        assert_eq!((at(shown), at(&uri.unwrap())), (Some(5), Some(5)), "{given}");
    }
}

#[test]
fn the_link_with_the_code_leads_to_the_host_of_the_page_or_is_not_shown() {
    let page = "https://login.example/d";
    assert_eq!(
        read(page, "https://login.example/other?c=1").unwrap().1.unwrap(),
        "https://login.example/other?c=1"
    );
    for elsewhere in ["https://login.example.evil.example/d?c=1", "https://evil.example/d?c=1"] {
        assert_eq!(read(page, elsewhere), Ok((Some(page.to_owned()), None)), "{elsewhere}");
    }
}

#[test]
fn a_link_that_hides_its_host_is_refused_by_name() {
    let good = "https://login.example/d";
    for hidden in [
        "https://login.example@evil.example/d",
        "https://login.example:443@evil.example/d",
        "https://:login.example@evil.example/d",
        "login.example@evil.example/d",
        r"https://login.example%2fd@evil.example\d",
    ] {
        for (uri, complete) in [(hidden, good), (good, hidden)] {
            let refused = read(uri, complete);
            let Err(TokenError::Rejected(why)) = &refused else { panic!("{hidden}: {refused:?}") };
            assert!(why.contains("seems to lead elsewhere") && !why.contains("evil"), "{why}");
        }
    }
}

#[test]
fn a_link_with_a_host_in_other_letters_is_refused_by_name() {
    let good = "https://login.example/d";
    // Cyrillic, Greek, a full stop that is none, and one that is honest.
    for odd in [
        "https://аррӏе.example/d",
        "https://gοοgle.example/d",
        "https://login。example/d",
        "bücher.example/d",
    ] {
        for (uri, complete) in [(odd, good), (good, odd)] {
            let refused = read(uri, complete);
            let Err(TokenError::Rejected(why)) = &refused else { panic!("{odd}: {refused:?}") };
            assert!(why.contains("written in ASCII") && why.is_ascii(), "{why}");
        }
    }
}

#[test]
fn a_link_without_encryption_is_refused_where_the_provider_has_it() {
    let good = "https://login.example/d";
    for (uri, complete) in [("http://login.example/d", good), (good, "http://login.example/d?c=1")] {
        let refused = read(uri, complete);
        let Err(TokenError::Rejected(why)) = &refused else { panic!("{refused:?}") };
        assert!(why.contains("is http"), "{why}");
    }
    // On a desk there may be no encryption at all.
    let desk = FrameIo { base_url: "http://127.0.0.1:8080".parse().unwrap(), ..frameio() };
    let body = r#"{"device_code":"d","user_code":"1","verification_uri":"http://127.0.0.1:8080/d"}"#;
    let a = Provider::FrameIo(desk).read_device_authorization(&json(200, body)).unwrap();
    assert_eq!(a.verification_uri.map(String::from).as_deref(), Some("http://127.0.0.1:8080/d"));
}
