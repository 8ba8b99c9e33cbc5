//! SIGKILL right after every single thing that the cloud can observe while a recording is sent.
use std::fs;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use crate::common::*;

/// Rigs at the same time: each writes and sends some forty megabytes.
const AT_ONCE: usize = 6;
const LENGTH: usize = 24;
const PACE: Duration = Duration::from_millis(90);

fn setup() -> Setup {
    let source = "[queue]\nsettle_seconds = 1\n[[source]]\nname = \"card\"\npath = \"{dir}/media/card\"\n\
                  before_pairing = \"queue\"\nwhile_recording = true\n";
    Setup { drop_in: source.to_owned(), parallel_parts: 2, ..Setup::new() }
}

/// One run with a kill at the event that is the `n`th after the pairing; `None` if the recording was in the cloud before
/// there were so many events, else the number of incomplete assets that it left there.
async fn killed_at(n: u64) -> Option<usize> {
    let mut rig = setup().build().await;
    fs::create_dir(rig.path("media/card")).unwrap();
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    let event = rig.sim.log().last().unwrap().n + n;
    rig.sim.hold_at(event);
    let recorder = Recorder::start_for(&rig.path("media/card/A001.mov"), PACE, LENGTH);
    let whole = async |rig: &Rig| {
        let is_done = |p: &Dict| *p["FilesLeft"].downcast_ref::<&u32>().unwrap() == 0;
        while rig.complete("A001.mov").is_empty() || !recorder.has_stopped() {
            tokio::task::yield_now().await;
        }
        rig.wait(QUEUE, "an empty queue", is_done).await;
    };
    let killed = tokio::select! {
        () = whole(&rig) => false,
        held = rig.sim.wait_for(|e| e.n >= event, PATIENCE) => {
            held.unwrap_or_else(|| panic!("event {n} never came: {:#?}", rig.calls()));
            true
        }
    };
    if killed {
        rig.kill().await;
        rig.sim.release();
        rig.start().await;
        soon(&format!("{n}: the recording in the cloud, which has {:#?}", rig.sim.assets()), whole(&rig))
            .await;
    }
    let clip = recorder.stop(Stop::Close);
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.sim.violations(), Vec::<String>::new(), "{n}");
    assert!(rig.stop().await.success());
    assert_eq!(rig.column("PRAGMA integrity_check"), ["ok"], "{n}");
    assert_eq!(rig.column("SELECT state FROM item"), ["done"], "{n}");
    let assets = rig.sim.assets();
    let incomplete = assets.iter().filter(|asset| !asset.complete).count();
    let counted: usize = rig.column("SELECT CAST(orphans AS TEXT) FROM rig")[0].parse().unwrap();
    // One that the cloud was about to be asked for is counted too: nobody can know.
    assert!((incomplete..=1).contains(&counted), "{n}: {counted} counted, {incomplete} in the cloud");
    // What was on its way, and what a kill between the storage's answer and the disk has forgotten.
    let put: Vec<u64> =
        assets.iter().filter_map(|asset| asset.realtime.as_ref()).flat_map(|g| g.put.clone()).collect();
    let mut parts = put.clone();
    parts.sort_unstable();
    parts.dedup();
    assert!(put.len() - parts.len() <= 2 || incomplete > 0, "{n}: {put:?}");
    killed.then_some(incomplete)
}

#[tokio::test]
async fn a_kill_after_any_event_of_a_recording_loses_nothing() {
    let stride: usize = std::env::var("RIGPOST_CRASH_STRIDE").ok().map_or(1, |s| s.parse().unwrap());
    let runs = stream::iter((1..).step_by(stride)).map(killed_at).buffered(AT_ONCE);
    let orphans: Vec<usize> =
        runs.take_while(|o| std::future::ready(o.is_some())).filter_map(std::future::ready).collect().await;
    println!("{} kills, {} incomplete assets left behind", orphans.len(), orphans.iter().sum::<usize>());
    assert!(orphans.len() >= 20 / stride, "the scenario has more events than {}", orphans.len());
}
