//! Unpairing and forgetting: what is said of the provider, and what it hears of when it can.
use std::collections::HashMap;
use std::time::Duration;

use rigpost_daemon::clock::Clock;
use rigpost_sim::{Endpoint, EventKind, HoldPoint};
use zbus::Variant;

use crate::common::*;

/// What became of it, in the daemon's words.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    word: String,
    detail: String,
    kept: bool,
    erased: Vec<String>,
}

impl Ended {
    fn shortly(&self) -> (&str, bool) {
        (&self.word, self.kept)
    }
}

async fn end(rig: &Rig, interface: &str, method: &str, offline: bool) -> Ended {
    let options: HashMap<&str, Variant<'_>> =
        offline.then(|| ("offline", Variant::from(true))).into_iter().collect();
    let answer = rig.call(interface, method, &(options,)).await.unwrap();
    let ended: Dict = answer.body().deserialize().unwrap();
    assert!(i64::try_from(&ended["at"]).unwrap() > 1_700_000_000);
    Ended {
        word: text(&ended, "revocation"),
        detail: text(&ended, "detail"),
        kept: bool::try_from(&ended["kept"]).unwrap(),
        erased: ended["erased"].try_clone().unwrap().try_into().unwrap(),
    }
}

async fn unpair(rig: &Rig) -> Ended {
    end(rig, PAIRING, "Unpair", false).await
}

async fn pending(rig: &Rig, n: u32) {
    let wanted = |p: &Dict| u32::try_from(&p["RevocationsPending"]).unwrap() == n;
    rig.wait(PAIRING, &format!("{n} pending"), wanted).await;
}

fn fault(rig: &Rig, spec: &str) {
    rig.sim.inject(spec.parse().unwrap());
}

/// The next revocation that is answered well.
async fn confirmed(rig: &Rig, after: u64) {
    let good = |e: &rigpost_sim::Event| {
        e.endpoint == Endpoint::Revoke && e.kind == EventKind::Replied && e.status == Some(200)
    };
    let event = rig.sim.wait_for_after(after, good, PATIENCE).await;
    assert!(event.is_some(), "not revoked: {:#?}", rig.calls());
}

fn kept_names(rig: &Rig) -> Vec<String> {
    rig.column("SELECT name FROM sealed WHERE name GLOB 'revocation/*' ORDER BY name")
}

#[tokio::test]
async fn a_provider_that_confirms_leaves_nothing_behind() {
    let mut rig = Setup::new().paired().await;
    let ended = unpair(&rig).await;
    let tokens = vec!["tokens".to_owned()];
    assert_eq!(ended, Ended { word: "revoked".into(), detail: String::new(), kept: false, erased: tokens });
    pending(&rig, 0).await;
    assert_eq!(unpair(&rig).await.shortly(), ("nothing", false));
    assert_eq!(rig.called(Endpoint::Revoke), 1);
    rig.stop().await;
    assert_eq!(kept_names(&rig), Vec::<String>::new());
}

//= https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1
//= type=test
//# If the server responds with HTTP status code 503, the client must assume the token still exists
#[tokio::test]
async fn a_provider_in_trouble_hears_of_it_later_and_by_itself() {
    let rig = Setup::new().paired().await;
    fault(&rig, "revoke:503");
    let ended = unpair(&rig).await;
    assert_eq!(ended.shortly(), ("not-reached", true));
    assert!(ended.detail.contains("503"), "{}", ended.detail);
    assert_eq!(rig.state().await, "unpaired");
    pending(&rig, 1).await;
    rig.log.wait(0, "has not heard that the authorization is over").await;
    confirmed(&rig, 0).await;
    pending(&rig, 0).await;
    rig.log.wait(0, "the provider has revoked the authorization").await;
    rig.pair().await;
}

#[tokio::test]
async fn what_the_provider_has_not_heard_survives_kills_and_is_sealed() {
    let mut rig = Setup::new().paired().await;
    fault(&rig, "revoke:503:2");
    assert_eq!(unpair(&rig).await.shortly(), ("not-reached", true));
    rig.kill().await;
    assert_eq!(kept_names(&rig), ["revocation/1/secret", "revocation/1/token"]);
    for entry in std::fs::read_dir(rig.state_dir()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(MARKER.len()).any(|w| w == MARKER.as_bytes());
        assert!(!found, "a secret in the open in {}", path.display());
    }
    // Once in vain, and again.
    rig.start().await;
    rig.event(rig.now(), Endpoint::Revoke, EventKind::Replied).await;
    pending(&rig, 1).await;
    let after = rig.now();
    rig.kill_and_start().await;
    confirmed(&rig, after).await;
    pending(&rig, 0).await;
    rig.stop().await;
    assert_eq!(kept_names(&rig), Vec::<String>::new());
}

#[tokio::test]
async fn a_kill_before_the_provider_has_answered_loses_nothing() {
    let mut rig = Setup::new().paired().await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Revoke, EventKind::Effect));
    let options = (none(),);
    let asked = rig.ui.call_method(Some(NAME), PATH, Some(PAIRING), "Unpair", &options);
    tokio::select! {
        answer = asked => panic!("nobody knows yet: {answer:?}"),
        _ = rig.held() => {}
    }
    rig.kill().await;
    rig.sim.release();
    let after = rig.now();
    rig.start().await;
    assert_eq!(rig.state().await, "unpaired");
    confirmed(&rig, after).await;
    pending(&rig, 0).await;
}

#[tokio::test]
async fn who_asks_again_has_it_tried_again() {
    for spec in ["revoke:reset", "revoke:error=invalid_client"] {
        let rig = Setup::new().paired().await;
        fault(&rig, spec);
        let word = if spec.ends_with("client") { "refused" } else { "not-reached" };
        assert_eq!(unpair(&rig).await.shortly(), (word, true), "{spec}");
        assert_eq!(unpair(&rig).await.shortly(), ("revoked", false), "{spec}");
        pending(&rig, 0).await;
    }
}

#[tokio::test]
async fn a_refusal_that_stands_is_told_and_not_tried_again() {
    let mut rig = Setup::new().paired().await;
    fault(&rig, "revoke:error=bad_request:forever");
    let ended = unpair(&rig).await;
    assert_eq!(ended.shortly(), ("refused", false));
    assert!(ended.detail.starts_with("bad_request"), "{}", ended.detail);
    rig.log.wait(0, "the provider refused to revoke the authorization").await;
    pending(&rig, 0).await;
    rig.restart().await;
    assert_eq!(unpair(&rig).await.shortly(), ("nothing", false));
    assert_eq!(rig.called(Endpoint::Revoke), 1);
}

#[tokio::test]
async fn a_new_pairing_is_not_taken_along() {
    let mut rig = Setup::new().paired().await;
    fault(&rig, "revoke:503");
    assert_eq!(unpair(&rig).await.shortly(), ("not-reached", true));
    rig.pair().await;
    rig.restart().await;
    let clip = rig.clip("A001.mp4", 5000);
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
    assert_eq!((rig.state().await.as_str(), rig.called(Endpoint::Revoke)), ("paired", 1));
    pending(&rig, 1).await;
    // Both, once this one is over, too.
    assert_eq!(unpair(&rig).await.shortly(), ("revoked", false));
    pending(&rig, 0).await;
}

#[tokio::test]
async fn a_rig_that_is_forgotten_still_tells_the_provider() {
    let mut rig = Setup::new().paired().await;
    let id = rig.device_id().await;
    fault(&rig, "revoke:503");
    let ended = end(&rig, DEVICE, "Forget", false).await;
    assert_eq!(ended.shortly(), ("not-reached", true));
    assert_eq!(ended.erased, ["tokens", "identity"], "the secret is still needed");
    assert_ne!(rig.device_id().await, id);
    let after = rig.now();
    rig.kill_and_start().await;
    confirmed(&rig, after).await;
    pending(&rig, 0).await;
    rig.stop().await;
    assert_eq!(rig.column("SELECT name FROM sealed"), ["key-check"]);
}

#[tokio::test]
async fn forgetting_says_what_was_erased() {
    let rig = Setup::new().paired().await;
    let ended = end(&rig, DEVICE, "Forget", false).await;
    assert_eq!(ended.shortly(), ("revoked", false));
    assert_eq!(ended.erased, ["tokens", "client-secret", "identity"]);
}

#[tokio::test]
async fn offline_nobody_is_asked_and_nothing_stays() {
    let mut rig = Setup::new().paired().await;
    fault(&rig, "revoke:503");
    assert_eq!(unpair(&rig).await.shortly(), ("not-reached", true));
    rig.pair().await;
    let ended = end(&rig, PAIRING, "Unpair", true).await;
    assert_eq!(ended.shortly(), ("not-asked", false));
    assert_eq!(ended.erased, ["tokens", "revocations"]);
    pending(&rig, 0).await;
    rig.restart().await;
    assert_eq!((rig.state().await.as_str(), rig.called(Endpoint::Revoke)), ("unpaired", 1));
    rig.stop().await;
    assert_eq!(kept_names(&rig), Vec::<String>::new());
}

#[tokio::test]
async fn a_refresh_that_hangs_keeps_nobody_waiting_and_what_it_brings_is_revoked_too() {
    let rig = Setup::cloud(|c| c.access_expires_in = 3).provisioned().await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Refresh, EventKind::Effect));
    rig.pair().await;
    rig.held().await;
    let asked = Clock::system().now().boot;
    let ended = unpair(&rig).await;
    assert_eq!(ended.shortly(), ("not-reached", true));
    assert!(ended.detail.contains("a renewal"), "{}", ended.detail);
    let waited = Clock::system().now().boot.since(asked);
    assert!(waited > Duration::from_secs(6) && waited < Duration::from_secs(14), "{waited:?}");
    assert_eq!(rig.state().await, "unpaired");
    pending(&rig, 1).await;
    assert_eq!(rig.called(Endpoint::Revoke), 0, "what is to be revoked is not known yet");
    let before = rig.now();
    rig.sim.release();
    confirmed(&rig, before).await;
    pending(&rig, 0).await;
    assert_eq!((rig.state().await.as_str(), rig.called(Endpoint::Revoke)), ("unpaired", 2));
    rig.sim.set_lifetimes(Default::default());
    rig.pair().await;
}

/// The cloud knows nobody by the rig's new name.
#[tokio::test]
async fn what_such_a_refresh_brings_to_a_rig_that_was_forgotten_is_revoked_as_who_it_was() {
    let rig = Setup::cloud(|c| c.access_expires_in = 3).provisioned().await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Refresh, EventKind::Effect));
    rig.pair().await;
    rig.held().await;
    let ended = end(&rig, DEVICE, "Forget", false).await;
    assert_eq!(ended.shortly(), ("not-reached", true));
    let before = rig.now();
    rig.sim.release();
    confirmed(&rig, before).await;
    pending(&rig, 0).await;
    let told = |e: &&rigpost_sim::Event| e.endpoint == Endpoint::Revoke && e.kind == EventKind::Replied;
    let statuses: Vec<_> = rig.sim.log().iter().filter(told).map(|e| e.status).collect();
    assert_eq!(statuses, [Some(200), Some(200)]);
    assert_eq!(kept_names(&rig), [""; 0]);
}

#[tokio::test]
async fn a_pairing_that_waits_too_long_cuts_a_revocation_which_is_told_later() {
    let rig = Setup::new().paired().await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Revoke, EventKind::Received));
    let (ended, code) = tokio::join!(unpair(&rig), async {
        rig.held().await;
        let asked = Clock::system().now().boot;
        rig.ask_to_pair().await.unwrap();
        let waited = Clock::system().now().boot.since(asked);
        assert!(waited < Duration::from_secs(12), "{waited:?}");
        // The handler sees that nobody listens any more.
        rig.event(0, Endpoint::Revoke, EventKind::Cut).await;
        rig.code().await
    });
    assert_eq!(ended.shortly(), ("not-reached", true));
    assert!(ended.detail.contains("a new pairing began"), "{}", ended.detail);
    rig.sim.release();
    rig.sim.approve(&code, PROJECT).unwrap();
    rig.wait_project(PROJECT).await;
    pending(&rig, 1).await;
    assert_eq!(rig.called(Endpoint::Revoke), 1);
    assert_eq!(unpair(&rig).await.shortly(), ("revoked", false));
    pending(&rig, 0).await;
}

#[tokio::test]
async fn a_pairing_waits_for_a_revocation_that_is_answered() {
    let rig = Setup::new().paired().await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Revoke, EventKind::Received));
    let (ended, ()) = tokio::join!(unpair(&rig), async {
        rig.held().await;
        tokio::join!(async { rig.ask_to_pair().await.unwrap() }, async {
            // The bus has the call before this one's answer.
            assert_eq!(rig.state().await, "unpaired");
            assert_eq!(rig.called(Endpoint::DeviceCode), 1, "that of the first pairing");
            rig.sim.release();
        });
    });
    assert_eq!(ended.shortly(), ("revoked", false));
    let revoked = |e: &&rigpost_sim::Event| e.endpoint == Endpoint::Revoke && e.kind == EventKind::Replied;
    let asked = |e: &&rigpost_sim::Event| e.endpoint == Endpoint::DeviceCode && e.kind == EventKind::Received;
    let calls = rig.sim.log();
    let (revoked, asked) = (calls.iter().rfind(revoked).unwrap().n, calls.iter().rfind(asked).unwrap().n);
    assert!(revoked < asked, "{calls:#?}");
    pending(&rig, 0).await;
}
