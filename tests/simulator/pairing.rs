//! Codes, polls and approval.

use std::time::Duration;

use rigpost_sim::{SecretOnPoll, Sim, SimError, SimOptions};

use crate::client::{DEVICE_GRANT, Rig, http, pass, quick};

const GOOD: [(&str, &str); 3] =
    [("client_id", "rig-1"), ("client_secret", "sim-client-secret"), ("scope", "asset_create offline")];

#[tokio::test]
async fn a_code_is_shown_approved_and_collected_once() {
    let sim = Sim::start(quick()).await.unwrap();
    let mut rig = Rig::new(&sim);
    let code = rig.request_code().await;
    assert_eq!(code.status, 200);
    let body = code.json();
    assert!(body["expires_in"].is_f64() && body["interval"].is_f64(), "{body}");
    assert_eq!(body["name"], "MyDevice-rig-1");
    let digits = code.text_of("user_code");
    assert!(digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
    assert_eq!(code.text_of("verification_uri"), rig.at("/device"));
    assert_eq!(code.text_of("verification_uri_complete"), rig.at(&format!("/device?code={digits}")));
    assert!(code.text_of("device_code").contains("SIMSECRET"));
    assert_eq!(sim.codes().len(), 1);

    let device_code = code.text_of("device_code");
    assert_eq!(rig.poll(&device_code).await.error(), (400, "authorization_pending".into()));
    sim.approve(&digits, "Second Unit").unwrap();
    assert!(sim.codes().is_empty());
    let tokens = rig.poll(&device_code).await;
    assert_eq!((tokens.status.as_u16(), tokens.json()["expires_in"].as_u64()), (200, Some(28_800)));
    assert_eq!(tokens.text_of("token_type"), "bearer");
    rig.take(&tokens);
    assert!(rig.access.contains("SIMSECRET") && rig.refresh.contains("SIMSECRET"));
    assert_eq!(rig.poll(&device_code).await.error(), (400, "invalid_grant".into()));

    let me = rig.me().await.json();
    assert_eq!(me["project"]["name"], "Second Unit");
    assert_eq!(me["project"]["id"], me["project_id"]);
    assert_eq!(me["_type"], "project_device");
    assert_eq!(me["status"], "online");
    assert!(me["authorization"]["expires_at"].is_null());
    assert!(me["authorization"]["creator"]["name"].is_string() && me["channels"][0]["id"].is_string());
    assert!(me["timezone"].is_string());
    let devices = sim.devices();
    assert_eq!((devices[0].client_id.as_str(), devices[0].status.as_str()), ("rig-1", "online"));
    assert_eq!(devices[0].client_version.as_deref(), Some("1.2.3"));
    assert_eq!(sim.violations(), Vec::<String>::new());

    let log = serde_json::to_string(&sim.log()).unwrap();
    assert!(!log.contains("SIMSECRET") && !log.contains(&digits), "{log}");
}

#[tokio::test]
async fn a_second_code_request_on_one_connection_is_told_to_slow_down() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::new(&sim);
    // One client keeps its connection alive: both requests arrive on it.
    let first = rig.form("/v2/auth/device/code", &GOOD).await.unwrap();
    assert_eq!(first.status, 200);
    let second = rig.form("/v2/auth/device/code", &GOOD).await.unwrap();
    assert_eq!(second.error(), (400, "slow_down".into()));
    assert_eq!(sim.log().last().unwrap().connection, 1);
    assert_eq!(sim.violations(), ["asked for a second code on one connection"]);
    assert_eq!(rig.request_code().await.status, 200);
}

/// The rig beside it calls the loopback interface, which no phone can.
#[tokio::test]
async fn a_phone_is_sent_to_an_address_that_it_can_reach() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let sim = Sim::start(SimOptions { listen, ..quick() }).await.unwrap();
    let page = sim.lan_url().unwrap_or(sim.url()).join("/device").unwrap();
    let code = Rig::new(&sim).request_code().await;
    assert_eq!(code.text_of("verification_uri"), page.as_str());
    assert_eq!(http().build().unwrap().get(page).send().await.unwrap().status(), 200);

    let elsewhere = Some("https://rigs.example/".parse().unwrap());
    let sim = Sim::start(SimOptions { listen, verification_base: elsewhere, ..quick() }).await.unwrap();
    let code = Rig::new(&sim).request_code().await;
    assert_eq!(code.text_of("verification_uri"), "https://rigs.example/device");
}

#[tokio::test]
async fn both_form_encodings_are_taken_and_json_is_not() {
    let sim = Sim::start(quick()).await.unwrap();
    let mut rig = Rig::new(&sim);
    let mut form = reqwest::multipart::Form::new();
    for (name, value) in GOOD {
        form = form.text(name, value);
    }
    let answer = rig.send(rig.http.post(rig.at("/v2/auth/device/code")).multipart(form)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.json().get("verification_uri").is_none(), "only with the header: {}", answer.text);
    rig.http = http().build().unwrap();
    let json = rig
        .http
        .post(rig.at("/v2/auth/device/code"))
        .header("content-type", "application/json")
        .body(r#"{"client_id":"rig-1","client_secret":"sim-client-secret","scope":"offline"}"#);
    assert_eq!(rig.send(json).await.unwrap().error(), (400, "bad_request".into()));
}

#[tokio::test]
async fn wrong_code_requests_are_named() {
    let sim = Sim::start(quick()).await.unwrap();
    let mut rig = Rig::new(&sim);
    let (id, secret, scope) = (GOOD[0], GOOD[1], GOOD[2]);
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[id, secret], "bad_request"),
        (&[secret, scope], "bad_request"),
        (&[id, secret, scope, id], "bad_request"),
        (&[("client_id", "a\u{7}b"), secret, scope], "bad_request"),
        (&[id, ("client_secret", "wrong"), scope], "invalid_client"),
        (&[id, secret, ("scope", "asset_create admin")], "invalid_scope"),
    ];
    for (fields, word) in cases {
        rig.http = http().build().unwrap();
        let answer = rig.form("/v2/auth/device/code", fields).await.unwrap();
        assert_eq!(answer.error(), (400, word.into()), "{fields:?}");
    }
    assert!(sim.codes().is_empty());
}

#[tokio::test]
async fn polling_too_fast_slows_down_for_good_and_is_a_violation() {
    let sim = Sim::start(SimOptions { interval: 0.4, ..SimOptions::default() }).await.unwrap();
    let rig = Rig::new(&sim);
    let code = rig.request_code().await.text_of("device_code");
    assert_eq!(rig.poll(&code).await.error().1, "slow_down", "the first wait counts too");
    assert!(sim.violations()[0].contains("polled too fast: rig-1"), "{:?}", sim.violations());
    // 0.4 s would have been right before; now it takes 5.4 s.
    pass(450).await;
    assert_eq!(rig.poll(&code).await.error().1, "slow_down");

    let patient = Rig { client_id: "rig-2".into(), ..Rig::new(&sim) };
    let code = patient.request_code().await.text_of("device_code");
    pass(370).await;
    assert_eq!(patient.poll(&code).await.error().1, "authorization_pending", "within the slack");
    assert_eq!(sim.violations().len(), 2);
}

#[tokio::test]
async fn every_end_of_a_code_has_its_word() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::new(&sim);
    let old = rig.request_code().await;
    let new = rig.request_code().await;
    assert_eq!(
        rig.poll(&old.text_of("device_code")).await.error().1,
        "invalid_grant",
        "replaced by the newer"
    );
    assert_eq!(rig.poll("made-up").await.error().1, "invalid_grant");
    let stranger = Rig { client_id: "rig-2".into(), ..Rig::new(&sim) };
    assert_eq!(stranger.poll(&new.text_of("device_code")).await.error().1, "invalid_client");
    let digits = new.text_of("user_code");
    assert_eq!(sim.approve(&digits, "Nowhere"), Err(SimError::NoSuchProject("Nowhere".into())));
    sim.deny(&digits).unwrap();
    assert_eq!(sim.approve(&digits, "Testbed"), Err(SimError::CodeUsed(digits)));
    assert_eq!(rig.poll(&new.text_of("device_code")).await.error().1, "access_denied");
    assert_eq!(sim.approve("12", "Testbed"), Err(SimError::NoSuchCode("12".into())));

    let mut lives = sim.lifetimes();
    lives.code_expires_in = 0.0;
    sim.set_lifetimes(lives);
    let late = rig.request_code().await;
    let digits = late.text_of("user_code");
    assert_eq!(sim.approve(&digits, "Testbed"), Err(SimError::CodeExpired(digits)));
    assert_eq!(rig.poll(&late.text_of("device_code")).await.error().1, "expired_token");
    let unknown = [("grant_type", "password"), ("client_id", "rig-1")];
    let answer = rig.form("/v2/auth/token", &unknown).await.unwrap();
    assert_eq!(answer.error().1, "unsupported_grant_type");
}

#[tokio::test]
async fn the_secret_on_polls_follows_the_chosen_rule() {
    use SecretOnPoll::{Accept, Refuse, Require};

    for (rule, bare, right) in [
        (Accept, "authorization_pending", "authorization_pending"),
        (Require, "invalid_client", "authorization_pending"),
        (Refuse, "authorization_pending", "bad_request"),
    ] {
        let sim = Sim::start(SimOptions { secret_on_poll: rule, ..quick() }).await.unwrap();
        let rig = Rig::new(&sim);
        let code = rig.request_code().await.text_of("device_code");
        assert_eq!(rig.poll(&code).await.error().1, bare, "{rule:?}");
        let poll = |secret| {
            [
                ("client_id", "rig-1"),
                ("device_code", &code),
                ("grant_type", DEVICE_GRANT),
                ("client_secret", secret),
            ]
        };
        let answer = rig.form("/v2/auth/token", &poll("sim-client-secret")).await.unwrap();
        assert_eq!(answer.error().1, right, "{rule:?}");
        if rule != Refuse {
            let answer = rig.form("/v2/auth/token", &poll("wrong")).await.unwrap();
            assert_eq!(answer.error().1, "invalid_client", "{rule:?}");
        }
    }
}

#[tokio::test]
async fn codes_can_approve_themselves() {
    let options = SimOptions { auto_approve_after: Some(Duration::ZERO), ..quick() };
    let sim = Sim::start(options).await.unwrap();
    let rig = Rig::new(&sim);
    let code = rig.request_code().await.text_of("device_code");
    assert_eq!(rig.poll(&code).await.status, 200);
    assert_eq!(sim.devices()[0].project.name, "Testbed");
}
