//! Presence by socket: when there is one, what it tells, and what becomes of a rig without.
use futures_util::future::join_all;
use rigpost_sim::{Endpoint, Event, EventKind, SocketView, Sockets};

use crate::common::*;

fn presence(word: &str) -> Setup {
    Setup { drop_in: format!("[provider]\npresence = {word:?}\n"), ..Setup::new() }
}

/// What the simulator says of a socket: "joined", "pushed", "closed: ...", after this event.
async fn told(rig: &Rig, after: u64, words: &str) -> Event {
    let wanted = |e: &Event| {
        e.endpoint == Endpoint::Socket && e.detail.as_deref().is_some_and(|detail| detail.contains(words))
    };
    let event = rig.sim.wait_for_after(after, wanted, PATIENCE).await;
    event.unwrap_or_else(|| panic!("no socket {words}: {:#?}", rig.calls()))
}

/// The open ones.
fn open(rig: &Rig) -> Vec<SocketView> {
    rig.sim.sockets().into_iter().filter(|socket| socket.closed.is_none()).collect()
}

/// Begins a clip that takes long.
async fn send_slowly(rig: &Rig) -> u64 {
    rig.sim.inject("create:delay=6000".parse().unwrap());
    let clip = rig.clip("long.mp4", 3000);
    let id = rig.add(&clip).await.unwrap();
    rig.wait_item(id, "uploading").await;
    id
}

//= frameio-c2c#4.4
//= type=test
//# The device holds a websocket for its status.
#[tokio::test]
async fn a_pause_is_noticed_at_once_while_clips_are_sent() {
    // Without beats and with tokens that live for hours nothing else tells of it.
    let rig = Setup::new().paired().await;
    send_slowly(&rig).await;
    let joined = told(&rig, 0, "joined").await;
    let id = rig.device_id().await;
    let device = rig.sim.devices().remove(0);
    assert_eq!((device.sockets, device.presence.as_str()), (1, "online"));
    rig.sim.pause_device(&id).unwrap();
    rig.wait_blocker("device-paused").await;
    told(&rig, joined.n, "pushed the status").await;
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"));
    rig.sim.resume_device(&id).unwrap();
    let well = |p: &Dict| {
        let blockers: Vec<(String, String, String)> = p["Blockers"].try_clone().unwrap().try_into().unwrap();
        blockers.iter().all(|(code, ..)| code != "device-paused")
    };
    rig.wait(DEVICE, "no pause any more", well).await;
    assert_eq!(rig.called(Endpoint::Heartbeat), 0);
    assert_eq!(open(&rig).len(), 1);
}

#[tokio::test]
async fn somebody_who_looks_is_told_at_once() {
    let rig = Setup::new().paired().await;
    let looks = async {
        loop {
            rig.state().await;
            rig.sim.wait_for_after(rig.now(), |_| true, std::time::Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        _ = told(&rig, 0, "joined") => {}
        () = looks => {}
    }
    rig.sim.pause_device(&rig.device_id().await).unwrap();
    rig.wait_blocker("device-paused").await;
}

#[tokio::test]
async fn a_pause_while_the_socket_was_away_is_noticed_when_it_is_back() {
    let rig = presence("socket").paired().await;
    let id = rig.device_id().await;
    let joined = told(&rig, 0, "joined").await;
    rig.sim.inject("socket:503:1".parse().unwrap());
    rig.sim.cut_sockets(&id).unwrap();
    let closed = told(&rig, joined.n, "closed").await;
    rig.sim.pause_device(&id).unwrap();
    told(&rig, closed.n, "joined").await;
    rig.wait_blocker("device-paused").await;
    assert_eq!(open(&rig).len(), 1);
    assert_eq!(rig.sim.sockets().last().unwrap().pushed, Vec::<String>::new(), "it was asked for");
}

#[tokio::test]
async fn a_socket_that_is_always_held_is_kept_alive() {
    let rig = presence("socket").paired().await;
    told(&rig, 0, "joined").await;
    let beats = async {
        while open(&rig).iter().all(|socket| socket.heartbeats == 0) {
            rig.sim.wait_for_after(rig.now(), |_| true, std::time::Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(15) + PATIENCE, beats).await.expect("no keep-alive");
}

#[tokio::test]
async fn a_cloud_without_sockets_is_asked_once_and_sees_the_rig_by_its_calls() {
    for (sockets, word) in [(Sockets::Missing, "Not Found"), (Sockets::Refused, "Forbidden")] {
        let mut setup = Setup::cloud(|c| c.sockets = sockets);
        setup.heartbeat = 60;
        let rig = setup.paired().await;
        let id = send_slowly(&rig).await;
        let refused = |e: &Event| e.endpoint == Endpoint::Socket && e.kind == EventKind::Replied;
        rig.sim.wait_for_after(0, refused, PATIENCE).await.expect("it is tried");
        let said = rig.log.wait(0, "takes no socket").await;
        assert!(said.ends_with(word), "{said}");
        rig.wait_item(id, "done").await;
        assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"));
        assert_eq!(rig.called(Endpoint::Socket), 1);
        assert_eq!(rig.sim.devices().remove(0).presence, "online");
    }
}

#[tokio::test]
async fn who_wants_none_opens_none() {
    for word in ["heartbeat", "none"] {
        let rig = presence(word).paired().await;
        let id = send_slowly(&rig).await;
        // For three times as long as it takes where one is wanted.
        rig.wait_item(id, "done").await;
        assert_eq!((rig.called(Endpoint::Socket), rig.sim.sockets().len()), (0, 0), "{word}");
    }
}

#[tokio::test]
async fn the_socket_goes_with_the_pairing_and_comes_with_the_next() {
    let mut rig = presence("socket").paired().await;
    let joined = told(&rig, 0, "joined").await;
    rig.unpair().await.unwrap();
    let closed = told(&rig, joined.n, "closed").await;
    assert_eq!(closed.detail.as_deref().unwrap().split(": ").last(), Some("the device closed it"));
    assert_eq!(open(&rig).len(), 0);
    rig.pair().await;
    let joined = told(&rig, closed.n, "joined").await;
    assert!(rig.stop().await.success());
    let closed = told(&rig, joined.n, "closed").await;
    assert_eq!(closed.detail.as_deref().unwrap().split(": ").last(), Some("the device closed it"));
    rig.start().await;
    told(&rig, closed.n, "joined").await;
}

#[tokio::test]
async fn a_refresh_leaves_the_socket_open() {
    let mut setup = presence("socket");
    setup.sim.access_expires_in = 4;
    let rig = setup.paired().await;
    let joined = told(&rig, 0, "joined").await;
    for _ in 0..2 {
        rig.event(rig.now(), Endpoint::Me, EventKind::Replied).await;
    }
    assert_eq!(open(&rig).len(), 1);
    let after = rig.sim.log().into_iter().filter(|e| e.n > joined.n && e.endpoint == Endpoint::Socket);
    assert_eq!(after.filter(|e| e.kind == EventKind::Replied).count(), 0, "one socket");
}

/// While the socket meets this, a clip is sent and the rig is well.
async fn is_well_with(fault: &str) {
    let rig = Setup::new().paired().await;
    rig.sim.inject(format!("socket:{fault}:9").parse().unwrap());
    let id = send_slowly(&rig).await;
    let asked = |e: &Event| e.endpoint == Endpoint::Socket && e.fault.is_some();
    rig.sim.wait_for_after(0, asked, PATIENCE).await.unwrap_or_else(|| panic!("{fault}: it is tried"));
    rig.wait_item(id, "done").await;
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"), "{fault}");
    assert_eq!(rig.called(Endpoint::Refresh), 0, "{fault}: no refresh for it");
}

#[tokio::test]
async fn trouble_with_the_socket_is_none_of_the_rig_and_no_token_is_told() {
    let faults = [
        "reset",
        "stall",
        "lost-answer",
        "garbage",
        "captive-portal",
        "html-403",
        "redirect",
        "429=1",
        "500",
        "detailed=401",
        "oversized",
        "reset-mid-body",
    ];
    // Each rig looks at its own log for secrets when it ends.
    join_all(faults.map(is_well_with)).await;
}

#[tokio::test]
async fn it_is_encrypted_like_everything_else() {
    let mut setup = presence("socket");
    setup.sim.tls = true;
    let rig = setup.paired().await;
    told(&rig, 0, "joined").await;
    rig.sim.pause_device(&rig.device_id().await).unwrap();
    rig.wait_blocker("device-paused").await;
}
