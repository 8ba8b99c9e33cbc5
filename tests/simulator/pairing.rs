//! Codes, polls and approval.

use std::time::Duration;

use rigpost::sim::{SecretOnPoll, Sim, SimError, SimOptions};

use crate::client::{DEVICE_GRANT, Rig, http, quick};

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
