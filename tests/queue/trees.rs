//! What cameras make of a card: sequences of frames, files by other names, and names that repeat.
use std::collections::BTreeSet;
use std::fs;

use crate::common::*;
use crate::sources::{card, found, names, old, queued, set};

/// A take beside a sequence, and photographs, one of them in the format of the frames.
const TAKE: &str = "A001/A001_C001.mov";
const FRAMES: [&str; 3] =
    ["A001/A001_C002_000000.dng", "A001/A001_C002_000001.dng", "A001/A001_C002_000002.dng"];
const STILLS: [&str; 2] = ["DCIM/100LEICA/L1000001.DNG", "DCIM/100LEICA/L1000002.DNG"];

fn name(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

fn all() -> impl Iterator<Item = &'static str> {
    [TAKE].into_iter().chain(FRAMES).chain(STILLS)
}

#[tokio::test]
async fn a_sequence_goes_with_the_originals_and_photographs_before_them() {
    let mut rig = card("").build().await;
    all().for_each(|path| old(&rig.path("media/card").join(path), path));
    rig.start().await;
    // Nothing is sent before all of it waits.
    queued(&rig, 6).await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    for path in all() {
        let id = found(&rig, &name(path)).await;
        rig.wait_item(id, "done").await;
    }
    let made: Vec<String> = rig.sim.assets().into_iter().map(|asset| asset.name).collect();
    let (first, then) = made.split_at(STILLS.len());
    let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(sorted(first), STILLS.map(name).into(), "{made:?}");
    assert_eq!(sorted(then), [TAKE].into_iter().chain(FRAMES).map(name).collect(), "{made:?}");
    rig.stop().await;
    let classes = rig.column("SELECT name || ' ' || class || ' ' || priority FROM item ORDER BY name");
    let is = |path: &str, class: &str| format!("{} {class}", name(path));
    let mut wanted: Vec<String> = [TAKE].into_iter().chain(FRAMES).map(|p| is(p, "originals 0")).collect();
    wanted.extend(STILLS.map(|path| is(path, "stills 100")));
    wanted.sort();
    assert_eq!(classes, wanted);
}

#[tokio::test]
async fn a_source_leaves_sequences_out_and_says_how_many_frames() {
    let mut rig = card("sequences = false\n").build().await;
    all().for_each(|path| old(&rig.path("media/card").join(path), path));
    rig.start().await;
    queued(&rig, 3).await;
    rig.log.wait(0, "left out what is a sequence, as the media source says").await;
    let said: Vec<String> = rig.log.all().into_iter().filter(|line| line.contains("is a sequence")).collect();
    assert!(said.len() == 1 && said[0].contains("frames=3") && said[0].contains("sequences=1"), "{said:?}");
    let kept: BTreeSet<String> = [TAKE].into_iter().chain(STILLS).map(name).collect();
    assert_eq!(names(&rig).await, kept);
    // Neither is one that comes while somebody looks, from its first frame on where the folder says it.
    for n in 0..3 {
        let frame = format!("media/card/B_001/B_001.{n:07}.ari");
        old(&rig.path(&frame), "x");
    }
    old(&rig.path("media/card/B_001/last.mov"), "x");
    found(&rig, "last.mov").await;
    let mut kept = kept;
    kept.insert("last.mov".to_owned());
    assert_eq!(names(&rig).await, kept);
}

#[tokio::test]
async fn clips_whose_names_repeat_get_those_that_their_source_makes() {
    let mut rig = card("clip_name = \"{parent}_{file}\"\n").build().await;
    for folder in ["CARD01", "CARD02"] {
        old(&rig.path("media/card").join(folder).join("C0001.MP4"), folder);
    }
    rig.start().await;
    queued(&rig, 2).await;
    assert_eq!(names(&rig).await, set(&["CARD01_C0001.MP4", "CARD02_C0001.MP4"]));
    // While it waits, the name follows its folder.
    fs::rename(rig.path("media/card/CARD01"), rig.path("media/card/CARD03")).unwrap();
    let id = found(&rig, "CARD03_C0001.MP4").await;
    assert_eq!(names(&rig).await, set(&["CARD02_C0001.MP4", "CARD03_C0001.MP4"]));
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    rig.wait_item(id, "done").await;
    assert_eq!(rig.complete("CARD03_C0001.MP4").len(), 1);
}

#[tokio::test]
async fn the_cloud_is_told_what_a_file_is_that_has_a_name_of_its_makers() {
    let rig = card("").paired().await;
    for (file, is) in [
        ("DJI_0001.LRF", "video/mp4"),
        ("VID_20260110_121609_00_657.insv", "video/mp4"),
        ("A001_C001.braw", "video/x-blackmagic-raw"),
        ("A001C001.0000001.ari", "image/x-arriraw"),
        ("GX010001.THM", "image/jpeg"),
    ] {
        let clip = rig.clip(file, 1000);
        rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
        // The storage has taken it by that type: it is signed.
        rig.assert_arrived(&clip, PROJECT);
        assert_eq!(rig.complete(file)[0].filetype, is, "{file}");
    }
}
