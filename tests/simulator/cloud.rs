//! Presence, heartbeats, pauses, projects, and the passing of time.

use rigpost_sim::{EventKind, Sim, SimOptions};
use serde_json::json;

use crate::client::{Answer, Rig, quick};
use crate::uploads::xml_code;

async fn heartbeat(rig: &Rig<'_>) -> Answer {
    rig.send(rig.http.post(rig.at("/v2/devices/heartbeat")).bearer_auth(&rig.access)).await.unwrap()
}

fn said(sim: &Sim, words: &str) -> usize {
    let log = sim.log();
    log.iter().filter(|event| event.detail.as_deref().is_some_and(|detail| detail.contains(words))).count()
}

#[tokio::test]
async fn a_device_that_is_silent_for_five_minutes_shows_offline() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(8, 2).await;
    sim.advance(290);
    assert_eq!((sim.devices()[0].status.as_str(), sim.devices()[0].presence.as_str()), ("online", "online"));
    // Parts go to the storage and do not count.
    assert_eq!(rig.put(&urls[0], "abcd").await.status, 200);
    sim.advance(20);
    let device = sim.devices().remove(0);
    assert_eq!((device.status.as_str(), device.presence.as_str()), ("offline", "offline"));
    assert!(device.quiet_seconds >= 310, "{device:?}");
    assert_eq!(said(&sim, "went offline"), 1);
    assert_eq!(heartbeat(&rig).await.status, 204);
    assert_eq!(sim.devices()[0].status, "online");
    assert_eq!((said(&sim, "went offline"), said(&sim, "is online again")), (1, 1));
    sim.advance(299);
    rig.refresh(&rig.refresh).await;
    sim.advance(299);
    assert_eq!(sim.devices()[0].presence, "online", "a refresh is a call too");
}

#[tokio::test]
async fn more_than_one_heartbeat_a_minute_is_noted() {
    for enforce_rate_limit in [false, true] {
        let sim = Sim::start(SimOptions { enforce_rate_limit, ..quick() }).await.unwrap();
        let rig = Rig::paired(&sim).await;
        assert_eq!(heartbeat(&rig).await.status, 204);
        sim.advance(60);
        assert_eq!(heartbeat(&rig).await.status, 204);
        assert_eq!(sim.violations(), Vec::<String>::new());
        assert_eq!(heartbeat(&rig).await.status, if enforce_rate_limit { 429 } else { 204 });
        let device = sim.devices().remove(0);
        assert_eq!((device.heartbeats, device.heartbeats_too_soon), (3, 1));
        assert!(device.last_heartbeat_at.is_some());
        assert_eq!(sim.violations().len(), 1, "{:?}", sim.violations());
        // A refusal has no effect, only an answer.
        let stages = if enforce_rate_limit { 1 } else { 2 };
        assert_eq!((said(&sim, "heartbeat, 60 s after"), said(&sim, "heartbeat too soon")), (2, stages));
        let stranger = Rig { access: "made-up".into(), ..Rig::new(&sim) };
        assert_eq!(heartbeat(&stranger).await.title().0, 401);
    }
}

#[tokio::test]
async fn a_recorded_pause_refuses_what_was_made_inside_it() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    sim.record_pause("rig-1", 3600, 1800).unwrap();
    let made = |ago: i64| json!({"name": "a.mov", "filetype": "a/b", "filesize": 1, "offset": ago});
    for (ago, status) in [(3700, 201), (3500, 409), (1900, 409), (1700, 201), (0, 201)] {
        assert_eq!(rig.create(made(ago)).await.status, status, "{ago}");
    }
    let refused = rig.create(made(2000)).await;
    assert_eq!(refused.title(), (409, "Channel Paused".into()));
    assert_eq!(refused.json()["errors"][0]["code"], 409);
    assert_eq!((rig.me().await.json()["status"].as_str()), Some("online"), "the pause is over");
    // The pause moves into the past with everything else.
    sim.advance(1000);
    assert_eq!(rig.create(made(2700)).await.status, 201);
    assert_eq!(rig.create(made(2900)).await.status, 409);
    sim.pause_device("rig-1").unwrap();
    sim.advance(400);
    let device = sim.devices().remove(0);
    assert_eq!((device.status.as_str(), device.presence.as_str()), ("paused", "offline"));
    assert_eq!(device.pauses.iter().map(|pause| pause.until.is_none()).collect::<Vec<_>>(), [false, true]);
    assert!(device.pauses[0].from < device.pauses[1].from, "{:?}", device.pauses);
    sim.resume_device("rig-1").unwrap();
    assert!(sim.devices()[0].pauses.iter().all(|pause| pause.until.is_some()));
    assert!(sim.record_pause("nobody", 2, 1).is_err());
}

#[tokio::test]
async fn a_renamed_project_keeps_its_identifier_and_its_clips() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    rig.clip(4, 1).await;
    let before = rig.me().await.json()["project"].clone();
    sim.rename_project("Testbed", "Pickups").unwrap();
    let after = rig.me().await.json()["project"].clone();
    assert_eq!((&after["id"], after["name"].as_str()), (&before["id"], Some("Pickups")));
    let asset = sim.assets().remove(0);
    assert_eq!((asset.project.as_str(), after["id"].as_str()), ("Pickups", Some(asset.project_id.as_str())));
    assert!(sim.rename_project("Testbed", "Again").is_err(), "that name is gone");
    assert!(sim.rename_project("Pickups", "Second Unit").is_err(), "that one is taken");
    sim.move_device("rig-1", "Second Unit").unwrap();
    sim.move_device("rig-1", "Pickups").unwrap();
}

#[tokio::test]
async fn upload_addresses_and_tokens_age_with_the_clock() {
    let sim = Sim::start(quick()).await.unwrap();
    let mut rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(8, 2).await;
    let date = rig.me().await.headers["date"].clone();
    sim.advance(86_400 - 60);
    assert_eq!(rig.put(&urls[0], "abcd").await.status, 200);
    sim.advance(61);
    assert_eq!(xml_code(&rig.put(&urls[1], "efgh").await), (403, "AccessDenied".into()));
    assert_eq!(rig.me().await.title().0, 401, "the access token lives eight hours");
    let tokens = rig.refresh(&rig.refresh).await;
    rig.take(&tokens);
    let day = |date: &reqwest::header::HeaderValue| date.to_str().unwrap()[..7].to_owned();
    assert_eq!(day(&rig.me().await.headers["date"]), day(&date), "the dates stay");
    let log = sim.log();
    assert!(
        log.iter().any(|e| e.kind == EventKind::Action && e.detail.as_deref() == Some("61 s have passed"))
    );
}

#[tokio::test]
async fn what_a_creation_says_can_be_seen() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    sim.connect_channel("rig-1", 3).unwrap();
    let body = json!({"name": "a.mov", "filetype": "a/b", "filesize": 10, "offset": "90", "channel": 3, "parts": "4"});
    assert_eq!(rig.create(body).await.json()["upload_urls"].as_array().unwrap().len(), 4);
    let asset = sim.assets().remove(0);
    assert_eq!((asset.channel, asset.offset, asset.parts_total), (3, 90, 4));
}
