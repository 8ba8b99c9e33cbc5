//! The power is cut at any moment, while a recording grows and clips are sent: what the disk had not flushed is gone.
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rigpost_core::backoff::Jitter;
use rigpost_daemon::clock::Clock;

use crate::common::*;

/// Rigs at the same time: each writes and sends some thirty megabytes.
const AT_ONCE: usize = 4;
const CUTS: usize = 3;
const LENGTH: usize = 24;
const PACE: Duration = Duration::from_millis(250);
const CHUNK: u64 = 256 * 1024;
const PARALLEL: usize = 2;

fn setup(state: PathBuf) -> Setup {
    let source = "[queue]\nsettle_seconds = 1\n[[source]]\nname = \"card\"\npath = \"{dir}/media/card\"\n\
                  before_pairing = \"queue\"\nwhile_recording = true\n";
    let mut setup = Setup::cloud(|c| c.chunk_size = CHUNK);
    setup.state_dir = Some(state);
    Setup { drop_in: source.to_owned(), parallel_parts: PARALLEL, ..setup }
}

/// The rig and its disk lose their power at once: nobody does anything between the two.
async fn cut(rig: &mut Rig, disk: &mut PowerDisk) {
    rustix::process::kill_process(rig.pid(), rustix::process::Signal::STOP).unwrap();
    disk.cut();
    rig.kill().await;
}

async fn all_there(rig: &Rig, names: &[String]) {
    let is_done = |p: &Dict| *p["FilesLeft"].downcast_ref::<&u32>().unwrap() == 0;
    let arrived = async {
        while names.iter().any(|name| rig.complete(name).is_empty()) {
            tokio::task::yield_now().await;
        }
    };
    soon(&format!("everything in the cloud, which has {:#?}", rig.sim.assets()), arrived).await;
    rig.wait(QUEUE, "an empty queue", is_done).await;
}

/// Returns how many parts were put again, and how many assets stayed incomplete.
async fn a_day_with_cuts(seed: u64) -> (usize, usize) {
    let (mut dice, clock) = (Jitter::new(seed), Clock::system());
    let power = tempfile::tempdir().unwrap();
    let mut disk = PowerDisk::new(power.path());
    let mut rig = setup(disk.place().join("state")).build().await;
    fs::create_dir(rig.path("media/card")).unwrap();
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    let id = rig.device_id().await;
    let clips: Vec<PathBuf> = (0..4).map(|n| rig.clip(&format!("clip{n}.mp4"), 1_000_000 + n)).collect();
    let paths: Vec<&str> = clips.iter().map(|clip| clip.to_str().unwrap()).collect();
    rig.add_many(&paths).await.unwrap();
    let recorder = Recorder::start_for(&rig.path("media/card/A001.mov"), PACE, LENGTH);
    for n in 0..CUTS {
        // At any moment: of the recording, of its end, or of what comes after.
        let moment = Duration::from_secs_f64(dice.unit() * 3.0);
        clock.sleep_until(clock.now().boot + moment).await;
        cut(&mut rig, &mut disk).await;
        disk.switch_on();
        rig.start().await;
        assert_eq!((rig.state().await.as_str(), n), ("paired", n), "seed {seed}");
        assert_eq!(rig.device_id().await, id, "seed {seed}: the identity is for life");
    }
    let recording = recorder.stop_itself();
    let names: Vec<String> = clips
        .iter()
        .chain([&recording])
        .map(|clip| clip.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    all_there(&rig, &names).await;
    for clip in clips.iter().chain([&recording]) {
        rig.assert_arrived(clip, PROJECT);
    }
    assert!(rig.stop().await.success());
    assert_eq!(rig.column("PRAGMA integrity_check"), ["ok"], "seed {seed}");
    assert_eq!(rig.column("SELECT DISTINCT state FROM item"), ["done"], "seed {seed}");
    assert_eq!(rig.column("SELECT count(*) || '' FROM item"), [names.len().to_string()], "seed {seed}");
    let assets = rig.sim.assets();
    let incomplete = assets.iter().filter(|asset| !asset.complete).count();
    let counted: usize = rig.column("SELECT CAST(orphans AS TEXT) FROM rig")[0].parse().unwrap();
    // One that the cloud was about to be asked for is counted too: nobody can know.
    assert!(
        (incomplete..=CUTS * PARALLEL).contains(&counted),
        "seed {seed}: {counted} counted, {incomplete} in the cloud"
    );
    let mut again = 0;
    for asset in assets.iter().filter_map(|asset| asset.realtime.as_ref()) {
        let mut parts = asset.put.clone();
        parts.sort_unstable();
        parts.dedup();
        again += asset.put.len() - parts.len();
    }
    // Those on their way at a cut, and those that the storage had taken and the disk not yet; and what the recorder wrote again.
    assert!(again <= CUTS * PARALLEL + 1, "seed {seed}: {again} parts again");
    (again, incomplete)
}

//= frameio-c2c#7
//= type=test
//# The queue outlives a loss of power, and goes on by itself.
#[tokio::test]
async fn power_cuts_at_any_moment_lose_nothing() {
    if let Some(why) = no_power_disk() {
        eprintln!("LEFT OUT: power cuts: {why}");
        return;
    }
    let runs: u64 = std::env::var("RIGPOST_CUT_RUNS").ok().map_or(8, |s| s.parse().unwrap());
    let first: u64 = std::env::var("RIGPOST_CUT_SEED").ok().map_or(0, |s| s.parse().unwrap());
    let days = stream::iter(first..first + runs).map(a_day_with_cuts).buffer_unordered(AT_ONCE);
    let ended: Vec<(usize, usize)> = days.collect().await;
    let (again, incomplete) = ended.iter().fold((0, 0), |(a, i), (x, y)| (a + x, i + y));
    println!("{} cuts: {again} parts put again, {incomplete} incomplete assets", ended.len() * CUTS);
}
