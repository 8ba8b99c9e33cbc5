//! Recordings that are sent while they are written: recorders of several manners, kills, and the cloud's rules.
use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::time::Duration;

use zbus::Variant;

use super::sources::{card, found, queued};
use crate::common::*;

/// A paired rig whose source is sent while it is recorded.
pub(super) async fn recording_rig(more: &str) -> Rig {
    let mut rig = card(&format!("while_recording = true\n{more}")).build().await;
    fs::create_dir(rig.path("media/card")).unwrap();
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    rig
}

/// The numbers of the parts that were put, in the order of their coming, of the only asset.
fn put(rig: &Rig) -> Vec<u64> {
    let assets = rig.sim.assets();
    assert_eq!(assets.len(), 1, "{assets:?}");
    assets[0].realtime.as_ref().expect("it was made for a recording").put.clone()
}

/// The same, of the asset of this name.
pub(super) fn put_of(rig: &Rig, name: &str) -> Vec<u64> {
    let assets = rig.sim.assets();
    let asset = assets.iter().find(|asset| asset.name == name).expect(name);
    asset.realtime.as_ref().map(|growth| growth.put.clone()).unwrap_or_default()
}

fn times(put: &[u64], n: u64) -> usize {
    put.iter().filter(|other| **other == n).count()
}

async fn orphans(rig: &Rig) -> u32 {
    rig.get(QUEUE, "Orphans").await
}

/// Waits until so many parts are confirmed.
pub(super) async fn parts(rig: &Rig, id: u64, count: u64) {
    let enough = |i: &Dict| *i["sent"].downcast_ref::<&u64>().unwrap() >= count * 5 * MIB as u64;
    rig.wait_item_that(id, &format!("{count} parts"), enough).await;
}

const PACE: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_recording_is_sent_while_it_is_written_and_is_whole_soon_after() {
    let mut rig = recording_rig("").await;
    let recorder = Recorder::start(&rig.path("media/card/A001.mov"), PACE);
    let id = found(&rig, "A001.mov").await;
    rig.wait_item(id, "recording").await;
    parts(&rig, id, 3).await;
    assert!(!rig.get::<bool>(DEVICE, "SafeToPowerOff").await, "its recorder writes");
    let options = HashMap::from([("while_recording", Variant::from(true))]);
    let refused = rig.call(QUEUE, "Pause", &(options,)).await.unwrap_err();
    assert!(refused.text.contains("\"card\" is sent while it is recorded"), "{refused:?}");
    let clip = recorder.stop(Stop::Header);
    rig.wait_item(id, "done").await;
    rig.wait(DEVICE, "safe", |p| *p["SafeToPowerOff"].downcast_ref::<&bool>().unwrap()).await;
    rig.assert_arrived(&clip, PROJECT);
    let put = put(&rig);
    assert!(put.iter().position(|n| *n == 1) >= Some(put.len() - 2), "the header goes with the end: {put:?}");
    assert_eq!(rig.sim.violations(), Vec::<String>::new());
    assert_eq!(orphans(&rig).await, 0);
    rig.stop().await;
}

#[tokio::test]
async fn nothing_that_was_confirmed_is_sent_again_after_a_kill() {
    let mut rig = recording_rig("").await;
    let recorder = Recorder::start(&rig.path("media/card/A001.mov"), PACE);
    let id = found(&rig, "A001.mov").await;
    parts(&rig, id, 2).await;
    rig.kill_and_start().await;
    parts(&rig, id, 5).await;
    rig.kill_and_start().await;
    let clip = recorder.stop(Stop::Close);
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    let put = put(&rig);
    let again: Vec<u64> = (1..=put.len() as u64).filter(|n| times(&put, *n) > 1).collect();
    assert!(again.len() <= 2, "at most the part that was on its way, at each kill: {put:?}");
    assert_eq!((rig.sim.violations(), orphans(&rig).await), (vec![], 0));
}

#[tokio::test]
async fn a_recorder_that_stops_while_the_rig_is_off_is_found_out() {
    let mut rig = recording_rig("").await;
    let recorder = Recorder::start(&rig.path("media/card/A001.mov"), PACE);
    let id = found(&rig, "A001.mov").await;
    parts(&rig, id, 2).await;
    rig.kill().await;
    let clip = recorder.stop(Stop::Header);
    rig.start().await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!((put(&rig).len() > 3, rig.sim.violations(), orphans(&rig).await), (true, vec![], 0));
}

#[tokio::test]
async fn what_a_recorder_writes_again_goes_again_under_its_number() {
    let rig = recording_rig("").await;
    let recorder = Recorder::start(&rig.path("media/card/A001.mov"), PACE);
    let id = found(&rig, "A001.mov").await;
    parts(&rig, id, 3).await;
    let clip = recorder.stop(Stop::At(7 * MIB as u64));
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    let put = put(&rig);
    assert_eq!((times(&put, 2), times(&put, 3)), (2, 1), "{put:?}");
    assert_eq!((rig.sim.violations(), orphans(&rig).await), (vec![], 0));
}

#[tokio::test]
async fn a_recording_may_get_its_name_at_the_stop() {
    let rig = recording_rig("").await;
    let recorder = Recorder::start(&rig.path("media/card/recording.mov"), PACE);
    let id = found(&rig, "recording.mov").await;
    parts(&rig, id, 2).await;
    let clip = recorder.stop(Stop::Rename(rig.path("media/card/A001.mov")));
    let item = rig.wait_item(id, "done").await;
    assert_eq!(text(&item, "path"), clip.to_str().unwrap());
    let assets = rig.sim.assets();
    let sums: Vec<_> = assets.iter().map(|asset| asset.sha256.clone().unwrap()).collect();
    assert_eq!(sums, [sha256(&clip)]);
    assert_eq!((rig.sim.violations(), orphans(&rig).await), (vec![], 0));
}

#[tokio::test]
async fn a_recording_that_is_thrown_away_is_no_clip() {
    let rig = recording_rig("").await;
    let recorder = Recorder::start(&rig.path("media/card/A001.mov"), PACE);
    let id = found(&rig, "A001.mov").await;
    parts(&rig, id, 1).await;
    recorder.stop(Stop::Delete);
    let item = rig.wait_item(id, "cancelled").await;
    assert_eq!(text(&item, "reason"), "vanished");
    rig.wait(QUEUE, "an orphan", |p| *p["Orphans"].downcast_ref::<&u32>().unwrap() == 1).await;
    rig.wait(DEVICE, "safe", |p| *p["SafeToPowerOff"].downcast_ref::<&bool>().unwrap()).await;
    assert_eq!(rig.sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_recorder_that_goes_on_after_its_stop_loses_nothing() {
    let rig = recording_rig("").await;
    let path = rig.path("media/card/A001.mov");
    let recorder = Recorder::start(&path, PACE);
    let id = found(&rig, "A001.mov").await;
    parts(&rig, id, 2).await;
    recorder.stop(Stop::Close);
    rig.wait_item(id, "done").await;
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    file.write_all(&[9; 3 * MIB]).unwrap();
    drop(file);
    queued(&rig, 1).await;
    rig.wait_item(id + 1, "done").await;
    let next = rig.item(id + 1).await;
    assert_eq!(
        (text(&next, "path"), text(&next, "state")),
        (path.to_str().unwrap().to_owned(), "done".to_owned())
    );
    let sums: Vec<_> = rig.sim.assets().iter().map(|asset| asset.sha256.clone().unwrap()).collect();
    assert_eq!((sums.len(), sums[1].as_str()), (2, sha256(&path).as_str()));
    assert_eq!((rig.sim.violations(), orphans(&rig).await), (vec![], 0));
}

#[tokio::test]
async fn a_person_pauses_and_goes_on_and_takes_one_off() {
    let rig = recording_rig("").await;
    let recorder = Recorder::start(&rig.path("media/card/A001.mov"), PACE);
    let id = found(&rig, "A001.mov").await;
    parts(&rig, id, 1).await;
    rig.call(QUEUE, "Pause", &(none(),)).await.unwrap();
    let clip = recorder.stop(Stop::Close);
    assert_eq!(text(&rig.item(id).await, "state"), "recording");
    rig.call(QUEUE, "Resume", &(none(),)).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.sim.violations(), Vec::<String>::new());

    let recorder = Recorder::start(&rig.path("media/card/B001.mov"), PACE);
    let id = found(&rig, "B001.mov").await;
    parts(&rig, id, 1).await;
    rig.call(QUEUE, "Cancel", &(vec![id], none())).await.unwrap();
    rig.wait_item(id, "cancelled").await;
    recorder.stop(Stop::Close);
    rig.clip("card/C001.mov", 5000);
    let last = found(&rig, "C001.mov").await;
    rig.wait_item(last, "done").await;
    assert_eq!(text(&rig.item(id).await, "state"), "cancelled");
    assert_eq!((rig.sim.violations(), orphans(&rig).await), (vec![], 1));
}

/// What the cloud refuses for good goes as every clip does, once it is recorded; other trouble passes.
#[tokio::test]
async fn what_can_t_go_on_goes_as_every_clip_does() {
    for (fault, is_passing) in [
        ("register:404", false),
        ("register:500:3", true),
        ("register:429=1", true),
        ("register:lost-answer", true),
        ("part:500:2", true),
        ("part:lost-answer", true),
    ] {
        let rig = recording_rig("").await;
        rig.sim.inject(fault.parse().unwrap());
        let recorder = Recorder::start(&rig.path("media/card/A001.mov"), PACE);
        let id = found(&rig, "A001.mov").await;
        if is_passing {
            parts(&rig, id, 2).await;
        } else {
            let left = |i: &Dict| !text(i, "detail").is_empty();
            rig.wait_item_that(id, "the usual way", left).await;
        }
        let clip = recorder.stop(Stop::Close);
        rig.wait_item(id, "done").await;
        rig.assert_arrived(&clip, PROJECT);
        assert_eq!(orphans(&rig).await, u32::from(!is_passing), "{fault}");
        assert_eq!(rig.sim.assets().len(), 1 + usize::from(!is_passing), "{fault}");
    }
}

#[tokio::test]
async fn one_after_the_other_and_a_queue_beside_them_stay_within_the_limit() {
    let rig = recording_rig("").await;
    let slots = rig.setup.parallel_parts;
    let other = rig.clip("other.mov", 60 * MIB);
    let other_id = rig.add(&other).await.unwrap();
    let mut all = Vec::new();
    for name in ["A001_S001.mov", "A001_S002.mov"] {
        let recorder = Recorder::start(&rig.path(&format!("media/card/{name}")), PACE);
        let id = found(&rig, name).await;
        parts(&rig, id, 2).await;
        all.push((recorder.stop(Stop::Close), id));
    }
    all.push((other, other_id));
    for (clip, id) in all {
        rig.wait_item(id, "done").await;
        rig.assert_arrived(&clip, PROJECT);
    }
    assert!(rig.flight().most <= slots, "{:#?}", rig.flight());
    assert_eq!((rig.sim.violations(), orphans(&rig).await), (vec![], 0));
}

#[tokio::test]
async fn a_short_recording_goes_as_every_clip_does() {
    let rig = recording_rig("").await;
    let clip = rig.clip("card/A001.mov", 9 * MIB);
    let id = found(&rig, "A001.mov").await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert!(rig.sim.assets()[0].realtime.is_none());
}
