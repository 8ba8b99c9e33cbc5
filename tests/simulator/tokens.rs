//! Token life: bearer checks, single-use refresh, revocation.

use rigpost_sim::{Endpoint, Fault, FaultKind, Sim};

use crate::client::{Rig, quick};

const NOT_AUTHORIZED: (u16, &str) = (401, "Not Authorized");

fn is_401(answer: &crate::client::Answer) {
    let (status, title) = answer.title();
    assert_eq!((status, title.as_str()), NOT_AUTHORIZED);
    assert_eq!(answer.json()["errors"][0]["detail"], "You are not allowed to access that resource");
}

#[tokio::test]
async fn a_refresh_kills_both_old_tokens_at_once() {
    let sim = Sim::start(quick()).await.unwrap();
    let mut rig = Rig::paired(&sim).await;
    let (old_access, old_refresh) = (rig.access.clone(), rig.refresh.clone());
    let tokens = rig.refresh(&old_refresh).await;
    assert_eq!(tokens.status, 200);
    is_401(&rig.me().await);
    rig.take(&tokens);
    assert_ne!(rig.access, old_access);
    assert_eq!(rig.me().await.status, 200);

    assert_eq!(rig.refresh(&old_refresh).await.error(), (400, "invalid_request".into()));
    let violations = sim.violations();
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert!(violations[0].starts_with("replayed burnt refresh token: rig-1, its successor was used"));
}

#[tokio::test]
async fn a_lost_answer_burns_the_token_and_the_log_can_tell() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    sim.inject(Fault::once(Endpoint::Refresh, FaultKind::LostAnswer));
    let lost = rig.try_refresh(&rig.refresh).await;
    assert!(lost.is_err(), "{lost:?}");
    is_401(&rig.me().await);
    assert_eq!(rig.refresh(&rig.refresh).await.error(), (400, "invalid_request".into()));
    let told = "replayed burnt refresh token: rig-1, its successor was never used (lost answer), replay 1";
    assert_eq!(sim.violations(), [told]);
}

#[tokio::test]
async fn the_refresh_grant_names_what_is_wrong() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    is_401(&rig.refresh("made-up").await);
    is_401(&rig.refresh(&rig.access).await);
    let with = |secret, id| {
        let token = rig.refresh.as_str();
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_secret", secret),
            ("client_id", id),
        ]
    };
    let wrong = rig.form("/v2/auth/token", &with("wrong", "rig-1")).await.unwrap();
    assert_eq!(wrong.error(), (400, "invalid_client".into()));
    let foreign = rig.form("/v2/auth/token", &with("sim-client-secret", "rig-2")).await.unwrap();
    assert_eq!(foreign.error(), (400, "invalid_client".into()));
    let bare = rig.form("/v2/auth/token", &with("sim-client-secret", "rig-1")[..2]).await.unwrap();
    assert_eq!(bare.error(), (400, "bad_request".into()));
    sim.burn_refresh("rig-1").unwrap();
    assert_eq!(rig.refresh(&rig.refresh).await.error(), (400, "invalid_request".into()));
    assert_eq!(sim.violations(), Vec::<String>::new(), "nobody replayed that one");
}

#[tokio::test]
async fn expired_tokens_are_refused_each_in_its_way() {
    let sim = Sim::start(quick()).await.unwrap();
    let mut rig = Rig::paired(&sim).await;
    sim.expire_access("rig-1").unwrap();
    is_401(&rig.me().await);
    let mut lives = sim.lifetimes();
    lives.refresh_expires_in = 0;
    sim.set_lifetimes(lives);
    let tokens = rig.refresh(&rig.refresh).await;
    rig.take(&tokens);
    assert_eq!(rig.me().await.status, 200);
    assert_eq!(rig.refresh(&rig.refresh).await.error(), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn a_forgotten_device_is_a_stranger() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    sim.revoke_device("rig-1").unwrap();
    is_401(&rig.me().await);
    is_401(&rig.refresh(&rig.refresh).await);
    assert_eq!(sim.devices()[0].status, "forgotten");
    assert!(sim.revoke_device("rig-1").is_err());
}

#[tokio::test]
async fn a_device_can_revoke_itself() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let fields =
        [("client_id", "rig-1"), ("client_secret", "sim-client-secret"), ("token", rig.refresh.as_str())];
    let answer = rig.form("/v2/auth/revoke", &fields).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.json()["success"].as_bool()), (200, Some(true)));
    is_401(&rig.me().await);
    assert_eq!(sim.devices()[0].status, "forgotten");
    assert_eq!(rig.form("/v2/auth/revoke", &fields).await.unwrap().status, 200, "again is fine");
}

#[tokio::test]
async fn pairing_again_kills_the_earlier_tokens_and_may_change_the_project() {
    let sim = Sim::start(quick()).await.unwrap();
    let mut rig = Rig::paired(&sim).await;
    let id = rig.me().await.json()["id"].clone();
    let (access, refresh) = (rig.access.clone(), rig.refresh.clone());
    rig.pair("Second Unit").await;
    let me = rig.me().await.json();
    assert_eq!((&me["id"], me["project"]["name"].as_str()), (&id, Some("Second Unit")));
    is_401(&rig.refresh(&refresh).await);
    is_401(&Rig { access, ..Rig::new(&sim) }.me().await);
    sim.move_device("rig-1", "Testbed").unwrap();
    assert_eq!(rig.me().await.json()["project"]["name"], "Testbed");
}

#[tokio::test]
async fn a_pairing_can_have_an_end() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    sim.end_pairing_in("rig-1", 3600).unwrap();
    assert!(rig.me().await.json()["authorization"]["expires_at"].is_string());
    sim.end_pairing_in("rig-1", 0).unwrap();
    is_401(&rig.me().await);
    assert_eq!(sim.devices()[0].status, "forgotten");
}

#[tokio::test]
async fn health_heartbeat_and_missing_version() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let health = rig.http.get(rig.at("/health")).send().await.unwrap();
    assert_eq!(health.text().await.unwrap(), r#"{"status":"ok"}"#);
    let beat = rig.http.post(rig.at("/v2/devices/heartbeat"));
    let answer = rig.send(beat.try_clone().unwrap().bearer_auth(&rig.access)).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    is_401(&rig.send(beat.try_clone().unwrap()).await.unwrap());
    assert_eq!(sim.violations(), Vec::<String>::new(), "/health needs no version");
    sim.advance(60);
    let bare = beat.bearer_auth(&rig.access).send().await.unwrap();
    assert_eq!(bare.status(), 204, "recorded, not refused");
    assert_eq!(sim.violations(), ["no x-client-version header: rig-1 at heartbeat"]);
}
