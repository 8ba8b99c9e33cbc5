//! What is said of clips: kept until their assets are there, and brought to the cloud once.
use std::time::Duration;

use super::growing::{parts, recording_rig};
use super::sources::found;
use crate::common::*;

async fn say(rig: &Rig, id: u64, text: &str, frames: u32) -> Result<(), Refused> {
    rig.call(QUEUE, "Comment", &(id, text, frames, none())).await.map(drop)
}

/// What the cloud was told of the asset of this name: frame and text.
fn said(rig: &Rig, name: &str) -> Vec<(f64, String)> {
    let assets = rig.sim.assets();
    let of = assets.iter().filter(|asset| asset.name == name && asset.complete);
    of.flat_map(|asset| &asset.comments).map(|c| (c.timestamp.unwrap(), c.text.clone())).collect()
}

async fn heard(rig: &Rig, name: &str, wanted: &[(f64, &str)]) {
    let all = async {
        while said(rig, name).len() < wanted.len() {
            tokio::task::yield_now().await;
        }
    };
    soon(&format!("{wanted:?} of {name}"), all).await;
    let wanted: Vec<_> = wanted.iter().map(|(frame, text)| (*frame, (*text).to_owned())).collect();
    assert_eq!(said(rig, name), wanted);
}

#[tokio::test]
async fn a_comment_waits_for_its_asset_and_outlives_a_kill() {
    let mut rig = Setup::new().paired().await;
    rig.call(QUEUE, "Pause", &(none(),)).await.unwrap();
    let clip = rig.clip("A001.mov", 50_000);
    let id = rig.add(&clip).await.unwrap();
    say(&rig, id, "first", 0).await.unwrap();
    say(&rig, id, "second, \u{e4}\u{1f3ac}", 240).await.unwrap();
    rig.kill_and_start().await;
    rig.sim.inject("comment:500:2".parse().unwrap());
    rig.call(QUEUE, "Resume", &(none(),)).await.unwrap();
    rig.wait_item(id, "done").await;
    heard(&rig, "A001.mov", &[(0.0, "first"), (240.0, "second, \u{e4}\u{1f3ac}")]).await;
    // Of one that is delivered it goes at once.
    say(&rig, id, "third", 7).await.unwrap();
    heard(&rig, "A001.mov", &[(0.0, "first"), (240.0, "second, \u{e4}\u{1f3ac}"), (7.0, "third")]).await;
    assert_eq!(rig.sim.violations(), Vec::<String>::new());
    assert_eq!(say(&rig, 99, "x", 0).await.unwrap_err().name, "NotFound");
    for text in ["", " ", &"x".repeat(4097)] {
        assert_eq!(say(&rig, id, text, 0).await.unwrap_err().name, "InvalidArgs");
    }
    rig.stop().await;
    assert_eq!(
        rig.column("SELECT text FROM comment"),
        Vec::<String>::new(),
        "nothing is left of what was said"
    );
}

#[tokio::test]
async fn a_recording_is_commented_while_it_is_recorded() {
    let rig = recording_rig("").await;
    let recorder = Recorder::start(&rig.path("media/card/A001.mov"), Duration::from_millis(60));
    let id = found(&rig, "A001.mov").await;
    say(&rig, id, "good take", 25).await.unwrap();
    parts(&rig, id, 2).await;
    recorder.stop(Stop::Close);
    rig.wait_item(id, "done").await;
    heard(&rig, "A001.mov", &[(25.0, "good take")]).await;
    assert_eq!(rig.sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_cloud_does_not_take_keeps_nothing_back() {
    let rig = Setup::new().paired().await;
    let ids = [rig.clip("A001.mov", 5000), rig.clip("B001.mov", 5000)];
    let [a, b] = [rig.add(&ids[0]).await.unwrap(), rig.add(&ids[1]).await.unwrap()];
    rig.wait_item(a, "done").await;
    rig.wait_item(b, "done").await;
    rig.sim.inject("comment@A001.mov:404".parse().unwrap());
    say(&rig, a, "lost", 0).await.unwrap();
    say(&rig, b, "kept", 0).await.unwrap();
    heard(&rig, "B001.mov", &[(0.0, "kept")]).await;
    assert_eq!(said(&rig, "A001.mov"), []);
    rig.call(QUEUE, "Clear", &(none(),)).await.unwrap();
    assert_eq!(say(&rig, a, "late", 0).await.unwrap_err().name, "NotFound");
}
