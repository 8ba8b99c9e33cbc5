//! SIGKILL right after every single thing that the cloud can observe, and what is left of the work.
//!
//! The cloud numbers its events. The scenario (pair, renew the tokens, send three clips, one of them in parts) is run
//! once for each number: the cloud stands still at that event, the daemon is killed and started again, and the work is
//! finished. `RIGPOST_CRASH_STRIDE=7` tries every seventh event only.
use std::path::PathBuf;

use futures_util::{StreamExt as _, stream};
use rigpost_sim::{Endpoint, Event, EventKind};

use crate::common::*;

/// Rigs at the same time: mostly they wait.
const AT_ONCE: usize = 10;
const CHUNK: u64 = 16 * 1024;

fn setup() -> Setup {
    let mut setup = Setup::cloud(|c| {
        c.chunk_size = CHUNK;
        c.access_expires_in = 3;
    });
    setup.parallel_parts = 2;
    setup
}

/// The scenario, from whatever state the rig is in. Answers with the reasons for which it had to be paired again.
async fn work(rig: &Rig, clips: &[PathBuf]) -> Vec<String> {
    let mut signals = rig.bus.signals(&rig.ui).await;
    let (mut approved, mut added, mut repaired) = (String::new(), false, Vec::new());
    let paths: Vec<&str> = clips.iter().map(|c| c.to_str().unwrap()).collect();
    loop {
        let shown = rig.properties(PAIRING).await;
        let (state, code) = (text(&shown, "State"), text(&shown, "UserCode"));
        match state.as_str() {
            "unprovisioned" => {
                rig.provision(SECRET).await.unwrap();
                continue;
            }
            "unpaired" | "needs-pairing" => {
                if state == "needs-pairing" {
                    repaired.push(text(&shown, "Reason"));
                }
                rig.ask_to_pair().await.unwrap();
                continue;
            }
            "waiting-for-user" if !code.is_empty() && code != approved => {
                // Where it was approved before the kill, the cloud says so.
                let _ = rig.sim.approve(&code, PROJECT);
                approved = code;
            }
            "paired" if !added => {
                rig.add_many(&paths).await.unwrap();
                added = true;
                continue;
            }
            "paired" => {
                let renewed = |e: &Event| {
                    e.endpoint == Endpoint::Refresh && e.kind == EventKind::Replied && e.status == Some(200)
                };
                let sent = rig.items().await.iter().all(|i| text(i, "state") == "done");
                if sent && rig.sim.log().iter().any(renewed) {
                    return repaired;
                }
            }
            _ => {}
        }
        soon(&format!("news; the rig is {state}"), signals.next()).await.expect("the bus is there").unwrap();
    }
}

/// True where the kill fell between the server's rotation and our commit: only then may the grant be lost.
fn rotation_was_cut(before_the_kill: &[Event]) -> bool {
    let rotated = |e: &Event| e.endpoint == Endpoint::Refresh && e.kind == EventKind::Effect;
    let Some(at) = before_the_kill.iter().rposition(rotated) else { return false };
    // Who we are is asked only once the new tokens are on disk.
    !before_the_kill[at..].iter().any(|e| e.endpoint == Endpoint::Me && e.kind == EventKind::Received)
}

async fn check(mut rig: Rig, clips: &[PathBuf], n: u64, may_lose_grant: bool, repaired: &[String]) -> usize {
    for clip in clips {
        // A part that left before the kill may be the last one, and the cloud puts the clip together in its own time.
        let name = clip.file_name().unwrap().to_str().unwrap();
        let whole = async {
            while rig.complete(name).is_empty() {
                tokio::task::yield_now().await;
            }
        };
        soon(&format!("{n}: {name} in the cloud, which has {:#?}", rig.sim.assets()), whole).await;
        rig.assert_arrived(clip, PROJECT);
    }
    assert_eq!(rig.state().await, "paired");
    assert!(
        repaired.is_empty() || (may_lose_grant && repaired == ["interrupted-refresh"]),
        "{n}: {repaired:?}"
    );
    if !repaired.is_empty() {
        rig.allow_violations();
        let replays = rig.sim.violations();
        assert!(replays.iter().all(|v| v.contains("replayed burnt refresh token")), "{n}: {replays:?}");
        assert_eq!(replays.len(), 1, "{n}: {replays:?}");
    }
    assert!(rig.stop().await.success());
    assert_eq!(rig.column("PRAGMA integrity_check"), ["ok"], "{n}");
    assert_eq!(rig.column("SELECT state FROM item WHERE state <> 'done'"), Vec::<String>::new(), "{n}");
    let incomplete = rig.sim.assets().iter().filter(|a| !a.complete).count();
    // Those for which the cloud was about to be asked are counted too: nobody can know.
    let counted: usize = rig.column("SELECT CAST(orphans AS TEXT) FROM rig")[0].parse().unwrap();
    let expected = incomplete..=clips.len();
    assert!(expected.contains(&counted), "{n}: {counted} counted, {incomplete} in the cloud");
    incomplete
}

/// One run with a kill at event `n`; `None` if the work was done before there were so many events, else the number of
/// incomplete assets it left in the cloud.
async fn killed_at(n: u64) -> Option<usize> {
    let mut rig = setup().build().await;
    let clips =
        [rig.clip("one.mp4", 5000), rig.clip("parts.mov", 3 * CHUNK as usize + 5), rig.clip("two.wav", 700)];
    rig.sim.hold_at(n);
    rig.start().await;
    let id = rig.device_id().await;
    let finished = tokio::select! {
        repaired = work(&rig, &clips) => Some(repaired),
        event = rig.sim.wait_for(|e| e.n >= n, PATIENCE) => {
            event.unwrap_or_else(|| panic!("event {n} never came: {:#?}", rig.calls()));
            None
        }
    };
    if let Some(repaired) = finished {
        check(rig, &clips, n, false, &repaired).await;
        return None;
    }
    rig.kill().await;
    let may_lose_grant = rotation_was_cut(&rig.sim.log());
    rig.sim.release();
    rig.start().await;
    assert_eq!(rig.device_id().await, id, "{n}: the identity is for life");
    let repaired = work(&rig, &clips).await;
    Some(check(rig, &clips, n, may_lose_grant, &repaired).await)
}

//= frameio-c2c#7
//= type=test
//# The queue outlives a loss of power, and goes on by itself.
#[tokio::test]
async fn a_kill_after_any_event_loses_no_clip_and_sends_none_twice() {
    let stride: usize = std::env::var("RIGPOST_CRASH_STRIDE").ok().map_or(1, |s| s.parse().unwrap());
    let runs = stream::iter((1..).step_by(stride)).map(killed_at).buffered(AT_ONCE);
    // The first run that gets through without a kill was the last event's.
    let orphans: Vec<usize> =
        runs.take_while(|o| std::future::ready(o.is_some())).filter_map(std::future::ready).collect().await;
    println!("{} kills, {} incomplete assets left behind", orphans.len(), orphans.iter().sum::<usize>());
    assert!(orphans.len() >= 30 / stride, "the scenario has more events than {}", orphans.len());
    assert!(orphans.iter().all(|o| *o <= 1), "one kill leaves one incomplete asset at most");
}
