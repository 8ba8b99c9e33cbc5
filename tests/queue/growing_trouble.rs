//! Recordings in trouble: thrown away and recorded again, held for another project, ended while nothing may be sent, and names
//! that never become one.
use std::fs;
use std::time::Duration;

use super::growing::{parts, recording_rig};
use super::sources::{found, queued};
use crate::common::*;

const PACE: Duration = Duration::from_millis(60);

/// Waits until the daemon has no file of this name open: its card can be taken out.
async fn let_go(rig: &Rig, name: &str) {
    let dir = format!("/proc/{}/fd", rig.pid().as_raw_nonzero());
    let is_open = || {
        let links = fs::read_dir(&dir).unwrap().filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        links.into_iter().any(|link| link.to_string_lossy().contains(name))
    };
    let gone = async {
        while is_open() {
            tokio::task::yield_now().await;
        }
    };
    soon(&format!("{name} to be let go of"), gone).await;
}

#[tokio::test]
async fn a_take_that_is_recorded_again_under_its_name_is_sent() {
    let rig = recording_rig("").await;
    let path = rig.path("media/card/A001.mov");
    let recorder = Recorder::start(&path, PACE);
    let id = found(&rig, "A001.mov").await;
    parts(&rig, id, 1).await;
    recorder.stop(Stop::Delete);
    rig.wait_item(id, "cancelled").await;
    // Longer than the one before, and on many a file system with its inode.
    let clip = Recorder::start_for(&path, PACE, 40).stop_itself();
    queued(&rig, 1).await;
    rig.wait_item(id + 1, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_card_can_be_taken_out_when_its_recorder_is_done_and_nothing_may_be_sent() {
    let rig = recording_rig("").await;
    let recorder = Recorder::start(&rig.path("media/card/A001.mov"), PACE);
    let id = found(&rig, "A001.mov").await;
    parts(&rig, id, 1).await;
    rig.call(QUEUE, "Pause", &(none(),)).await.unwrap();
    let clip = recorder.stop(Stop::Close);
    let_go(&rig, "A001.mov").await;
    rig.wait(DEVICE, "safe", |p| *p["SafeToPowerOff"].downcast_ref::<&bool>().unwrap()).await;
    rig.call(QUEUE, "Resume", &(none(),)).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
}

#[tokio::test]
async fn a_recording_is_held_where_another_project_is_paired_meanwhile() {
    let rig = recording_rig("").await;
    let recorder = Recorder::start(&rig.path("media/card/A001.mov"), PACE);
    let id = found(&rig, "A001.mov").await;
    parts(&rig, id, 1).await;
    rig.unpair().await.unwrap();
    rig.pair_with("Second Unit").await;
    rig.wait_item(id, "held").await;
    let clip = recorder.stop(Stop::Close);
    let_go(&rig, "A001.mov").await;
    // What comes now goes, also while it is recorded.
    let recorder = Recorder::start(&rig.path("media/card/B001.mov"), PACE);
    let next = found(&rig, "B001.mov").await;
    parts(&rig, next, 1).await;
    let second = recorder.stop(Stop::Close);
    rig.wait_item(next, "done").await;
    rig.assert_arrived(&second, "Second Unit");
    rig.unpair().await.unwrap();
    rig.pair_with(PROJECT).await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn files_that_stay_empty_keep_nobody_from_being_sent() {
    let rig = recording_rig("").await;
    for n in 0..40 {
        fs::write(rig.path(&format!("media/card/empty{n}.mov")), "").unwrap();
    }
    let recorder = Recorder::start(&rig.path("media/card/A001.mov"), PACE);
    let id = found(&rig, "A001.mov").await;
    parts(&rig, id, 1).await;
    let clip = recorder.stop(Stop::Close);
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert!(rig.sim.assets()[0].realtime.is_some());
}
