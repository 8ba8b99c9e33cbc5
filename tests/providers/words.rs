//! Answers that people's providers have given, and what a rig makes of them.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::common::*;
use crate::scripted::*;

fn pending() -> String {
    json(400, r#"{"error":"authorization_pending"}"#)
}

/// Paired, with tokens that live for `seconds`.
async fn paired(cloud: &Scripted, seconds: u32) -> Rig {
    cloud.says(POLL, [tokens(1, seconds)]);
    let rig = cloud.rig().start().await;
    rig.ask_to_pair().await.unwrap();
    rig.wait_state("paired").await;
    rig
}

/// Everything that anybody can read of a rig.
async fn readable(rig: &Rig) -> String {
    let status = [rig.blocker_sentences().await, rig.blocker_details().await].concat();
    format!("{}\n{}", status.join("\n"), rig.log.all().join("\n"))
}

#[tokio::test]
async fn a_refusal_of_the_code_request_is_a_mistake_of_configuration_in_the_providers_words() {
    let said = "Service not found: https://scores.example/";
    for (status, body, name, reason) in [
        (
            403,
            format!(r#"{{"error":"access_denied","error_description":"{said}"}}"#),
            "Configuration",
            "configuration",
        ),
        (
            400,
            format!(r#"{{"error":"invalid_scope","error_description":"{said}"}}"#),
            "Configuration",
            "configuration",
        ),
        (
            401,
            format!(r#"{{"error":"something_new","error_description":"{said}"}}"#),
            "Configuration",
            "configuration",
        ),
        (400, format!("error=invalid_request&error_description={said}"), "Configuration", "configuration"),
        (
            400,
            format!(r#"{{"error":"unauthorized_client","error_description":"{said}"}}"#),
            "SignInBlocked",
            "sign-in-blocked",
        ),
        (
            400,
            format!(r#"{{"error":"invalid_grant","error_description":"AADSTS53003: {said}"}}"#),
            "SignInBlocked",
            "sign-in-blocked",
        ),
        (
            401,
            format!(r#"{{"error":"invalid_client","error_description":"{said}"}}"#),
            "ClientRejected",
            "client-rejected",
        ),
    ] {
        let cloud = Scripted::start().await;
        cloud.says(CODE, [json(status, &body)]);
        let rig = cloud.rig().start().await;
        let refused = rig.ask_to_pair().await.unwrap_err();
        assert_eq!((refused.name.as_str(), rig.reason().await.as_str()), (name, reason), "{body}");
        assert!(refused.text.contains(said), "{}", refused.text);
        assert!(readable(&rig).await.contains(said), "{body}");
    }
}

#[tokio::test]
async fn a_link_that_hides_its_host_is_refused_by_name_and_shown_to_nobody() {
    let cloud = Scripted::start().await;
    cloud.says(CODE, [json(200, &A_CODE.replace("https://idp", "https://idp.example@evil"))]);
    let rig = cloud.rig().start().await;
    let refused = rig.ask_to_pair().await.unwrap_err();
    assert_eq!(refused.name, "Configuration");
    assert!(
        refused.text.contains("the provider's link for the code has a user before its host"),
        "{}",
        refused.text
    );
    let shown = rig.properties(PAIRING).await;
    assert_eq!((text(&shown, "UserCode"), text(&shown, "VerificationUri")), (String::new(), String::new()));
    assert!(!readable(&rig).await.contains("evil"));
}

#[tokio::test]
async fn not_yet_is_not_yet_whatever_the_number_and_the_form() {
    let cloud = Scripted::start().await;
    let rig = cloud.rig().start().await;
    cloud.says(
        POLL,
        [
            json(200, r#"{"error":"authorization_pending"}"#),
            json(428, r#"{"error":"authorization_pending","errors":null}"#),
            json(403, r#"{"error":"authorization_pending","message":["a"]}"#),
            json(400, r#"{"status":400,"message":"authorization_pending"}"#),
            raw(
                200,
                "content-type: application/x-www-form-urlencoded\r\n",
                "error=authorization_pending&x=1",
            ),
            raw(401, "content-type: text/html\r\n", "\u{feff}{\"error\":\"authorization_pending\"}"),
            raw(200, "", "access_token=at-1-SIMSECRET&token_type=bearer&scope=repo"),
        ],
    );
    let code = rig.start_pairing().await;
    for polls in 2..7 {
        cloud.wait_asked(POLL, polls).await;
        assert_eq!(
            (rig.state().await.as_str(), rig.reason().await.as_str()),
            ("waiting-for-user", "none"),
            "{polls}"
        );
        assert_eq!(rig.code().await, code);
    }
    rig.wait_state("paired").await;
    assert_eq!(cloud.asked(CODE).len(), 1);
}

#[tokio::test]
async fn a_person_who_says_no_has_said_no_in_entra_too() {
    for word in ["authorization_declined", "access_denied"] {
        let cloud = Scripted::start().await;
        cloud.says(POLL, [pending(), json(400, &format!(r#"{{"error":"{word}"}}"#))]);
        let rig = cloud.rig().start().await;
        rig.start_pairing().await;
        rig.wait_reason("denied").await;
        assert_eq!(rig.state().await, "unpaired");
    }
}

#[tokio::test]
async fn a_code_that_is_dead_under_another_name_is_replaced() {
    for word in ["code_expired", "bad_verification_code", "incorrect_device_code", "device_not_found"] {
        let cloud = Scripted::start().await;
        let second = A_CODE.replace("WDJB-MJHT", "2");
        cloud.says(CODE, [json(200, A_CODE), json(200, &second)]);
        cloud.says(POLL, [json(400, &format!(r#"{{"error":"{word}"}}"#)), pending()]);
        let rig = cloud.rig().start().await;
        rig.start_pairing().await;
        rig.wait(PAIRING, word, |shown| text(shown, "UserCode") == "2").await;
    }
}

#[tokio::test]
async fn a_provider_that_knows_none_of_its_codes_is_not_flooded_and_quoted() {
    let cloud = Scripted::start().await;
    let said = "no such code SIM";
    cloud.says(POLL, [json(400, &format!(r#"{{"error":"invalid_grant","error_description":"{said}"}}"#))]);
    let rig = cloud.rig().start().await;
    rig.start_pairing().await;
    cloud.wait_asked(POLL, 4).await;
    rig.wait_state("requesting-code").await;
    assert_eq!((cloud.asked(POLL).len(), cloud.asked(CODE).len()), (4, 2), "once more before it is believed");
    assert_eq!(rig.reason().await, "provider");
    assert!(readable(&rig).await.contains(said));
}

#[tokio::test]
async fn the_words_that_end_a_grant_end_it_and_are_shown() {
    let words =
        ["token_inactive", "interaction_required", "bad_refresh_token", "login_required", "mfa_required"];
    for (n, word) in words.into_iter().enumerate() {
        let cloud = Scripted::start().await;
        let status = if n % 2 == 0 { 401 } else { 400 };
        let said = format!("AADSTS50079 number {n}");
        cloud.says(REFRESH, [json(status, &format!(r#"{{"error":"{word}","error_description":"{said}"}}"#))]);
        let rig = paired(&cloud, 2).await;
        rig.wait_state("needs-pairing").await;
        assert_eq!(rig.reason().await, "revoked", "{word}");
        let readable = readable(&rig).await;
        assert!(readable.contains(word) && readable.contains(&said), "{readable}");
    }
}

#[tokio::test]
async fn an_unknown_word_to_a_renewal_ends_nothing_and_is_shown_once() {
    let cloud = Scripted::start().await;
    let odd = json(400, r#"{"error":"server_is_sad","error_description":"come back on Monday"}"#);
    cloud.says(REFRESH, [odd.clone(), odd.clone(), odd, tokens(2, 3600)]);
    let rig = paired(&cloud, 2).await;
    rig.wait_reason("provider").await;
    assert!(readable(&rig).await.contains("server_is_sad: come back on Monday"));
    rig.wait_reason("none").await;
    assert_eq!(rig.state().await, "paired");
    let warned = rig.log.all().iter().filter(|l| l.contains("WARN") && l.contains("server_is_sad")).count();
    assert_eq!(warned, 1, "once for the change, and not for each try");
}

#[tokio::test]
async fn a_refused_client_keeps_its_tokens_and_comes_back_by_itself() {
    let cloud = Scripted::start().await;
    cloud.says(
        REFRESH,
        [json(401, r#"{"error":"invalid_client","error_description":"no such app"}"#), tokens(2, 3600)],
    );
    let mut rig = paired(&cloud, 2).await;
    rig.wait_reason("client-rejected").await;
    assert_eq!(rig.state().await, "paired");
    assert!(readable(&rig).await.contains("no such app"));
    assert!(rig.blockers().await.contains(&"client-rejected".to_owned()));
    rig.restart().await;
    rig.wait_reason("none").await;
    assert_eq!(rig.state().await, "paired");
    assert_eq!(cloud.asked(REFRESH).len(), 2);
}

#[tokio::test]
async fn a_token_of_which_no_end_was_said_is_offered_on() {
    let cloud = Scripted::start().await;
    cloud.says(
        POLL,
        [json(200, r#"{"access_token":"at-SIMSECRET","token_type":"bearer","scope":"repo","expires_in":0}"#)],
    );
    let rig = cloud.rig().start().await;
    rig.ask_to_pair().await.unwrap();
    let shown = rig.wait_state("paired").await;
    assert_eq!(text(&shown, "Reason"), "none");
    assert!(cloud.asked(REFRESH).is_empty());
}

#[tokio::test]
async fn a_secret_that_a_server_repeats_is_nowhere_to_be_read() {
    let cloud = Scripted::start().await;
    let echo = |secret: &str| {
        json(400, &format!(r#"{{"error":"odd","error_description":"bad: {secret} ({secret})"}}"#))
    };
    cloud.says(REFRESH, [echo("rt-1-SIMSECRET")]);
    cloud.says(POLL, [echo("dc-1"), tokens(1, 2)]);
    let rig = cloud.rig().start().await;
    rig.start_pairing().await;
    rig.wait_reason("provider").await;
    rig.wait(PAIRING, "the renewal", |p| text(p, "State") == "paired" && text(p, "Reason") == "provider")
        .await;
    let readable = readable(&rig).await;
    assert!(readable.contains("bad: [redacted] ([redacted])"), "{readable}");
    assert!(!readable.contains("rt-1-") && !readable.contains("dc-1"), "{readable}");
}

#[tokio::test]
async fn a_client_secret_that_a_server_repeats_as_a_header_has_it_is_nowhere_to_be_read() {
    let cloud = Scripted::start().await;
    let header = STANDARD.encode(format!("app-1:{SECRET}"));
    cloud.says(CODE, [json(400, &format!(r#"{{"error":"odd","error_description":"bad: Basic {header}"}}"#))]);
    let setup = cloud.rig();
    let provider = setup.provider.as_ref().map(|p| p.replace("\"none\"", "\"client_secret_basic\""));
    let rig = Setup { provider, ..setup }.provisioned().await;
    let refused = rig.ask_to_pair().await.unwrap_err();
    assert!(refused.text.contains("bad: Basic [redacted]"), "{}", refused.text);
    assert!(!readable(&rig).await.contains(header.trim_end_matches('=')));
}

#[tokio::test]
async fn a_time_from_a_cache_is_no_time() {
    let cloud = Scripted::start().await;
    let old = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nage: 7200\r\n";
    cloud.says(CODE, [raw(200, old, A_CODE)]);
    cloud.says(POLL, [raw(400, old, r#"{"error":"authorization_pending"}"#)]);
    let rig = cloud.rig().start().await;
    rig.start_pairing().await;
    cloud.wait_asked(POLL, 2).await;
    assert!(rig.get::<bool>(DEVICE, "ClockTrusted").await);
    // One that is of now, and another, is.
    cloud.says(
        POLL,
        [raw(400, "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", r#"{"error":"authorization_pending"}"#)],
    );
    rig.wait(DEVICE, "a doubt", |p| p["ClockTrusted"] == zbus::Variant::from(false).try_into().unwrap())
        .await;
}

#[tokio::test]
async fn metadata_may_have_moved_on_the_same_host_or_be_at_the_other_place() {
    const FIRST: &str = "/.well-known/openid-configuration";
    const SECOND: &str = "/.well-known/oauth-authorization-server";
    for (first, moved) in [
        (raw(301, "location: /index.php/openid\r\n", ""), "/index.php/openid"),
        (raw(308, "location: openid\r\n", "<html>moved</html>"), "/.well-known/openid"),
        (raw(200, "content-type: text/html\r\n", "<html>Welcome</html>"), SECOND),
        (raw(500, "", ""), SECOND),
        (raw(404, "", ""), SECOND),
    ] {
        let cloud = Scripted::start().await;
        cloud.says(FIRST, [first.clone()]);
        cloud.says(moved, [json(200, &format!("\u{feff}{}", cloud.metadata()))]);
        cloud.says(POLL, [tokens(1, 3600)]);
        let rig = cloud.found().start().await;
        rig.ask_to_pair().await.unwrap_or_else(|e| panic!("{first}: {}", e.text));
        rig.wait_state("paired").await;
    }
    let cloud = Scripted::start().await;
    cloud.says(FIRST, [raw(302, "location: http://127.0.0.2/login\r\n", "")]);
    let rig = cloud.found().start().await;
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "CaptivePortal");
}

#[tokio::test]
async fn an_issuer_for_all_tenants_asks_for_the_tenants_name() {
    let cloud = Scripted::start().await;
    let template = cloud.metadata().replacen(&cloud.url, "https://login.example/{tenantid}/v2.0", 1);
    cloud.says("/.well-known/openid-configuration", [json(200, &template)]);
    let rig = cloud.found().start().await;
    let refused = rig.ask_to_pair().await.unwrap_err();
    assert!(refused.text.contains("name your tenant"), "{}", refused.text);
}

/// Paired at a provider of these metadata, with an ID token that nobody believes.
async fn paired_with_an_odd_id_token(cloud: &Scripted, metadata: &str) -> Rig {
    cloud.says("/.well-known/openid-configuration", [json(200, metadata)]);
    let body = r#"{"access_token":"at-SIMSECRET","token_type":"Bearer","expires_in":3600,"id_token":"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"}"#;
    cloud.says(POLL, [json(200, body)]);
    let rig = cloud.found().start().await;
    rig.ask_to_pair().await.unwrap();
    let shown = rig.wait(PAIRING, "a host", |p| !text(p, "ProjectName").is_empty()).await;
    assert_eq!((text(&shown, "State").as_str(), text(&shown, "Reason").as_str()), ("paired", "none"));
    assert_eq!(
        (text(&shown, "ProjectName").as_str(), text(&shown, "AuthorizedBy").as_str()),
        ("127.0.0.1", "")
    );
    rig
}

#[tokio::test]
async fn keys_that_nobody_hands_out_cost_the_name_and_nothing_else() {
    let cloud = Scripted::start().await;
    // Nobody listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let metadata = cloud.metadata().replace(&format!("{}/keys", cloud.url), &format!("http://{closed}/keys"));
    let rig = paired_with_an_odd_id_token(&cloud, &metadata).await;
    let line = rig.log.wait(0, "who this rig is to the provider").await;
    assert!(line.contains("keys can't be read"), "{line}");
}

#[tokio::test]
async fn metadata_that_do_not_come_again_are_used_as_they_were() {
    const PLACE: &str = "/.well-known/openid-configuration";
    let cloud = Scripted::start().await;
    cloud.says(PLACE, [json(200, &cloud.metadata()), raw(503, "", "")]);
    cloud.says(POLL, [tokens(1, 2)]);
    // Trouble makes the rig look for the endpoints anew, and they are not to be had.
    cloud.says(REFRESH, [raw(503, "", ""), tokens(2, 3600)]);
    let rig = cloud.found().start().await;
    rig.ask_to_pair().await.unwrap();
    cloud.wait_asked(REFRESH, 2).await;
    rig.wait_reason("none").await;
    assert!(cloud.asked(PLACE).len() >= 2);
}

#[tokio::test]
async fn an_id_token_that_is_not_believed_costs_the_name_and_nothing_else() {
    let cloud = Scripted::start().await;
    let rig = paired_with_an_odd_id_token(&cloud, &cloud.metadata()).await;
    let line = rig.log.wait(0, "who this rig is to the provider").await;
    assert!(line.contains("WARN") && line.contains("404"), "{line}");
}

/// What a provider says, of its folder of recorded answers; lives are cut to seconds.
fn recorded(provider: &str, name: &str) -> String {
    let path = format!("{}/tests/fixtures/providers/{provider}/{name}.http", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let (head, body) = text.split_once("\n\n").unwrap();
    let (status, content_type) = head.split_once('\n').unwrap();
    let status: u16 = status.strip_prefix("HTTP/1.1 ").unwrap().parse().unwrap();
    let mut body = body.trim_end().to_owned();
    for life in ["300", "3920", "4799", "28800", "86400", "3600"] {
        body = body.replace(&format!("\"expires_in\":{life}"), "\"expires_in\":2");
        body = body.replace(&format!("expires_in={life}&"), "expires_in=2&");
    }
    raw(status, &format!("{content_type}\r\n"), &body.replace("\"interval\":5", "\"interval\":1"))
}

#[tokio::test]
async fn a_rig_lives_with_each_provider_of_the_recorded_answers() {
    let lives = ["auth0", "google", "entra", "github", "keycloak"].map(async |provider| {
        let of = |name: &str| recorded(provider, name);
        let cloud = Scripted::start().await;
        cloud.says(CODE, [of("code")]);
        cloud.says(POLL, [of("pending"), of("broken"), of("pending"), of("tokens")]);
        cloud.says(REFRESH, [of("client"), of("broken"), of("refreshed"), of("spent")]);
        let mut rig = cloud.rig().start().await;
        let code = rig.start_pairing().await;
        assert!(!code.is_empty(), "{provider}");
        rig.wait_state("paired").await;
        rig.wait_reason("client-rejected").await;
        assert_eq!(rig.state().await, "paired", "{provider}");
        // At a start it is tried again: the provider is in trouble then, and good after that, and at last it is over.
        rig.restart().await;
        rig.wait_state("needs-pairing").await;
        assert_eq!(rig.reason().await, "revoked", "{provider}");
        // The field of the journal is called as the property is.
        let said = readable(&rig).await.replace("project_id", "");
        assert!(said.contains("no longer paired with an account") && !said.contains("project"), "{said}");
        assert_eq!((cloud.asked(CODE).len(), cloud.asked(REFRESH).len()), (1, 4), "{provider}");
    });
    futures_util::future::join_all(lives).await;
}

#[tokio::test]
async fn a_cloud_that_names_no_project_takes_clips_all_the_same() {
    let cloud = Scripted::start().await;
    cloud.says("/v2/auth/device/code", [json(200, A_CODE)]);
    cloud.says("/v2/auth/token", [tokens(1, 3600)]);
    cloud.says("/v2/devices/me", [json(200, "{}")]);
    let asset = format!(r#"{{"id":"asset-1","upload_urls":["{}/put"]}}"#, cloud.url);
    cloud.says("/v2/devices/assets", [json(201, &asset)]);
    // As storages written in Python say it: no body, and a type that would be a page's.
    let sent = "what was recorded";
    cloud.says("/put", [raw(200, "etag: \"anything\"\r\ncontent-type: text/html; charset=utf-8\r\n", "")]);
    let rig = Setup { base_url: Some(cloud.url.clone()), ..Setup::new() }.provisioned().await;
    rig.ask_to_pair().await.unwrap();
    let shown = rig.wait(PAIRING, "whom it serves", |p| !text(p, "ProjectName").is_empty()).await;
    assert_eq!(text(&shown, "ProjectName"), "the provider names no project");
    assert_eq!((text(&shown, "State").as_str(), text(&shown, "Reason").as_str()), ("paired", "none"));
    let clip = rig.path("media").join("notes.txt");
    std::fs::write(&clip, sent).unwrap();
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
    assert_eq!(cloud.asked("/put"), [sent]);
}
