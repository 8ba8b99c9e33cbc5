//! Clips on their way: what arrives, what is refused, and what trouble does to the others.
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use rigpost_daemon::clock::Clock;
use rigpost_sim::{Endpoint, EventKind, HoldPoint};

use crate::common::*;

const CHUNK: u64 = 64 * 1024;

/// A cloud that asks for small parts.
fn small_parts() -> Setup {
    Setup::cloud(|c| c.chunk_size = CHUNK)
}

#[tokio::test]
async fn a_clip_arrives_as_it_is() {
    let rig = Setup::new().paired().await;
    let clip = rig.clip("A001.mp4", 100_000);
    let id = rig.add(&clip).await.unwrap();
    let item = rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(text(&item, "asset_id"), rig.sim.assets()[0].id);
    assert_eq!(rig.sim.assets()[0].filetype, "video/mp4");
    let left = |p: &Dict| p["FilesLeft"].downcast_ref::<u32>().unwrap() == 0;
    rig.wait(QUEUE, "an empty queue", left).await;
}

#[tokio::test]
async fn a_clip_of_many_parts_arrives_as_it_is() {
    let rig = small_parts().paired().await;
    let clip = rig.clip("long.mov", 10 * CHUNK as usize + 17);
    let id = rig.add(&clip).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    let asset = &rig.sim.assets()[0];
    assert_eq!((asset.parts_total, asset.resent), (11, 0));
}

/// The properties of the queue at one moment, with what is being sent.
fn numbers(all: &Dict) -> (BTreeMap<&'static str, u64>, Vec<Dict>) {
    let long = |key: &'static str| (key, all[key].downcast_ref::<u64>().unwrap());
    let short = |key: &'static str| (key, all[key].downcast_ref::<u32>().unwrap().into());
    let numbers = [
        long("BytesLeft"),
        long("BytesTotal"),
        long("RetryAt"),
        long("Rate"),
        short("FilesLeft"),
        short("FilesTotal"),
    ];
    (numbers.into(), all["Current"].try_clone().unwrap().try_into().unwrap())
}

#[tokio::test]
async fn the_numbers_of_the_queue_are_those_of_its_items() {
    let rig = Setup { parallel_parts: 2, ..small_parts() }.paired().await;
    rig.sim.inject("part#4@b.mov:stall:forever".parse().unwrap());
    rig.sim.inject("part#5@b.mov:stall:forever".parse().unwrap());
    let sizes = [2 * CHUNK + 5, 5 * CHUNK, 3 * CHUNK];
    let mut ids = Vec::new();
    for (name, size) in ["a.mov", "b.mov", "c.mov"].into_iter().zip(sizes) {
        ids.push(rig.add(rig.clip(name, size as usize)).await.unwrap());
    }
    rig.wait_item(ids[0], "done").await;
    let of = |item: &Dict, key: &str| item[key].downcast_ref::<u64>().unwrap();
    // Shown and on disk: three parts of five, and the others hang.
    let three = |p: &Dict| numbers(p).1.iter().any(|item| of(item, "sent") == 3 * CHUNK);
    let (shown, current) = numbers(&rig.wait(QUEUE, "three parts", three).await);
    let rows: Vec<Dict> = [rig.item(ids[1]).await, rig.item(ids[2]).await].into();
    assert_eq!(of(&rows[0], "sent"), 3 * CHUNK, "what the cloud has confirmed, and nothing else");
    let left: u64 = rows.iter().map(|row| of(row, "size") - of(row, "sent")).sum();
    assert_eq!((shown["BytesLeft"], shown["FilesLeft"]), (left, 2));
    assert_eq!((shown["BytesTotal"], shown["FilesTotal"]), (sizes.iter().sum(), 3));
    let b = current.iter().find(|item| of(item, "id") == ids[1]).unwrap();
    assert!(of(b, "on_the_way") <= 2 * CHUNK, "{current:?}");
    rig.sim.clear_faults();
    rig.queue("Pause").await.unwrap();
    rig.queue("Resume").await.unwrap();
    rig.wait_item(ids[2], "done").await;
    let empty = |p: &Dict| numbers(p).0["FilesLeft"] == 0;
    let (shown, current) = numbers(&rig.wait(QUEUE, "an empty queue", empty).await);
    assert_eq!((shown["BytesLeft"], shown["RetryAt"], current.len()), (0, 0, 0));
    assert_eq!((shown["BytesTotal"], shown["FilesTotal"]), (sizes.iter().sum(), 3), "a full bar");
    rig.queue("Pause").await.unwrap();
    rig.add(rig.clip("d.mov", 77)).await.unwrap();
    let (shown, _) = numbers(&rig.properties(QUEUE).await);
    assert_eq!((shown["BytesTotal"], shown["FilesTotal"]), (77, 1), "and another one");
}

#[tokio::test]
async fn when_it_is_tried_again_is_shown_as_long_as_it_waits() {
    let rig = small_parts().paired().await;
    rig.sim.inject("create:503:forever".parse().unwrap());
    let id = rig.add(rig.clip("a.mov", 77)).await.unwrap();
    let waits = |p: &Dict| numbers(p).0["RetryAt"] > 0;
    let all = rig.wait(QUEUE, "a time", waits).await;
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec.unsigned_abs();
    let at = numbers(&all).0["RetryAt"] / 1_000_000;
    assert!((now.saturating_sub(60)..now + 130).contains(&at), "at {at} seconds, and it is {now}");
    rig.sim.clear_faults();
    rig.wait_item(id, "done").await;
    rig.wait(QUEUE, "no time", |p| !waits(p)).await;
}

#[tokio::test]
async fn trouble_with_a_part_costs_that_part_and_no_other() {
    let cases = ["reset", "500", "503", "lost-answer", "reset-after=20000", "reset-mid-body", "429"];
    let tried = cases.map(async |kind| {
        let setup = Setup { parallel_parts: 1, ..small_parts() };
        let rig = setup.paired().await;
        rig.sim.inject(format!("part:{kind}:1:2").parse().unwrap());
        let clip = rig.clip("clip.mxf", 5 * CHUNK as usize);
        let id = rig.add(&clip).await.unwrap();
        rig.wait_item(id, "done").await;
        rig.assert_arrived(&clip, PROJECT);
        assert_eq!(rig.sim.assets().len(), 1, "{kind}: the same asset");
        assert!(rig.sim.assets()[0].resent <= 1, "{kind}: {:#?}", rig.sim.assets());
    });
    join_all(tried).await;
}

#[tokio::test]
async fn trouble_with_a_new_asset_is_tried_again() {
    let cases = ["reset", "500", "429", "captive-portal", "html-404", "garbage", "lost-answer"];
    let tried = cases.map(async |kind| {
        let rig = Setup::new().paired().await;
        rig.sim.inject(format!("create:{kind}").parse().unwrap());
        let clip = rig.clip("clip.mxf", 5000);
        let id = rig.add(&clip).await.unwrap();
        rig.wait_item(id, "done").await;
        rig.assert_arrived(&clip, PROJECT);
        assert_eq!(rig.state().await, "paired");
    });
    join_all(tried).await;
}

#[tokio::test]
async fn a_clip_that_the_project_forbids_does_not_hold_up_the_others() {
    let rig = Setup::new().paired().await;
    rig.sim.inject("create:403:1".parse().unwrap());
    let (first, second) = (rig.clip("first.mov", 5000), rig.clip("second.mov", 6000));
    let forbidden = rig.add(&first).await.unwrap();
    let refused = |i: &Dict| text(i, "state") == "queued" && text(i, "reason") == "provider";
    rig.wait_item_that(forbidden, "put aside with a reason", refused).await;
    let id = rig.add(&second).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&second, PROJECT);
    // Its turn comes again by itself; a person who has acted need not wait for it.
    rig.queue_items("Retry", &[forbidden]).await.unwrap();
    rig.wait_item(forbidden, "done").await;
    rig.assert_arrived(&first, PROJECT);
}

//= frameio-c2c#5.3
//= type=test
//# An upload goes on after the last part that was confirmed.
#[tokio::test]
async fn a_killed_daemon_goes_on_with_the_parts_that_are_missing() {
    let mut rig = Setup { parallel_parts: 1, ..small_parts() }.paired().await;
    rig.sim.inject("part:stall:1:3".parse().unwrap());
    let clip = rig.clip("long.mov", 6 * CHUNK as usize);
    let id = rig.add(&clip).await.unwrap();
    let three = |i: &Dict| i["sent"].downcast_ref::<u64>().unwrap() == 3 * CHUNK;
    rig.wait_item_that(id, "three confirmed parts", three).await;
    let stalled =
        |e: &rigpost_sim::Event| e.endpoint == Endpoint::Part && e.fault.as_deref() == Some("stall");
    rig.sim.wait_for(stalled, PATIENCE).await.expect("the fourth part is under way");
    rig.kill_and_start().await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.sim.assets().len(), 1, "the same asset");
    assert_eq!(rig.sim.assets()[0].resent, 0, "no finished part was sent again");
}

#[tokio::test]
async fn what_is_no_clip_is_refused_by_name_and_changes_nothing() {
    let rig = Setup::new().paired().await;
    let media = rig.path("media");
    let good = rig.clip("good.mp4", 100);
    std::fs::write(rig.path("outside.mp4"), "x").unwrap();
    symlink(rig.path("outside.mp4"), media.join("out-link.mp4")).unwrap();
    symlink(rig.dir.path(), media.join("out-dir")).unwrap();
    std::fs::create_dir(media.join("folder")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        media.join("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    std::fs::write(media.join("empty.mp4"), "").unwrap();
    let secret = rig.clip("unreadable.mp4", 100);
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let cases: Vec<(PathBuf, &str)> = vec![
        (rig.path("outside.mp4"), "OutsideMediaDirs"),
        ("/etc/hostname".into(), "OutsideMediaDirs"),
        ("/dev/null".into(), "OutsideMediaDirs"),
        (media.join("../outside.mp4"), "OutsideMediaDirs"),
        (media.join("out-link.mp4"), "OutsideMediaDirs"),
        (media.join("out-dir/outside.mp4"), "OutsideMediaDirs"),
        (rig.path("media-of-another/x.mp4"), "OutsideMediaDirs"),
        (media.join("folder"), "NotAllowed"),
        (media.join("fifo"), "NotAllowed"),
        (media.join("empty.mp4"), "NotAllowed"),
        (secret.clone(), "NotAllowed"),
        (media.join("missing.mp4"), "NotFound"),
        (media.join("good.mp4/below"), "NotFound"),
        ("good.mp4".into(), "InvalidArgs"),
        ("".into(), "InvalidArgs"),
        (media.clone(), "OutsideMediaDirs"),
    ];
    for (path, name) in &cases {
        let refused = rig.add(path).await.expect_err(&path.display().to_string());
        assert_eq!(refused.name, *name, "{}: {}", path.display(), refused.text);
        // One bad path takes the good one beside it back.
        let both = [good.to_str().unwrap(), path.to_str().unwrap()];
        assert_eq!(rig.add_many(&both).await.unwrap_err().name, *name);
    }
    assert_eq!(rig.items().await.len(), 0);
    rig.wait_item(rig.add(&good).await.unwrap(), "done").await;
}

#[tokio::test]
async fn a_link_that_stays_inside_is_followed() {
    let rig = Setup::new().paired().await;
    std::fs::create_dir(rig.path("media/card")).unwrap();
    let clip = rig.clip("card/real.mp4", 1000);
    symlink("card/real.mp4", rig.path("media/linked.mp4")).unwrap();
    let id = rig.add(rig.path("media/linked.mp4")).await.unwrap();
    rig.wait_item(id, "done").await;
    assert_eq!(rig.complete("linked.mp4")[0].sha256.as_deref(), Some(sha256(&clip).as_str()));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_device_among_the_clips_is_refused() {
    let rig = Setup::new().paired().await;
    let device = rig.path("media/device.mp4");
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    let kind = rustix::fs::FileType::CharacterDevice;
    // The kernel's null device; only root can make one.
    rustix::fs::mknodat(rustix::fs::CWD, &device, kind, mode, rustix::fs::makedev(1, 3)).unwrap();
    assert_eq!(rig.add(&device).await.unwrap_err().name, "NotAllowed");
    assert_eq!(rig.items().await.len(), 0);
}

#[tokio::test]
async fn a_clip_that_is_not_what_was_queued_goes_as_it_is_now_or_waits_alone() {
    let rig = Setup::new().paired().await;
    rig.queue("Pause").await.unwrap();
    let clips =
        ["grown.mp4", "shrunk.mp4", "vanished.mp4", "hidden.mp4", "good.mp4"].map(|n| rig.clip(n, 9000));
    let mut ids = Vec::new();
    for clip in &clips {
        ids.push(rig.add(clip).await.unwrap());
    }
    fill(&clips[0], 9001, 1);
    fill(&clips[1], 10, 1);
    std::fs::remove_file(&clips[2]).unwrap();
    std::fs::set_permissions(&clips[3], std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    rig.queue("Resume").await.unwrap();
    for (id, state, reason) in [(ids[2], "away", "vanished"), (ids[3], "failed", "unreadable")] {
        let item = rig.wait_item(id, state).await;
        assert_eq!(text(&item, "reason"), reason);
        assert_ne!(text(&item, "detail"), "");
    }
    for n in [0, 1, 4] {
        rig.wait_item(ids[n], "done").await;
        rig.assert_arrived(&clips[n], PROJECT);
    }
    assert_eq!(rig.sim.assets().len(), 3, "nothing of the others was sent");
    assert_eq!(rig.get::<u32>(QUEUE, "Failed").await, 1);
}

#[tokio::test]
async fn a_clip_that_is_written_on_while_it_is_sent_is_begun_anew_as_its_next_version() {
    let rig = Setup::cloud(|c| c.chunk_size = 64 << 20).paired().await;
    let clip = rig.clip("shrinking.mp4", 24 << 20);
    rig.sim.hold(HoldPoint::Next(Endpoint::Part, EventKind::Received));
    let id = rig.add(&clip).await.unwrap();
    rig.held().await;
    let next = rig.clip("next.mp4", 1000);
    let next_id = rig.add(&next).await.unwrap();
    std::fs::File::options().write(true).open(&clip).unwrap().set_len(1000).unwrap();
    rig.sim.release();
    rig.wait_item(next_id, "done").await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    let versions: Vec<_> =
        rig.sim.assets().into_iter().filter(|asset| asset.name == "shrinking.mp4").collect();
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert_eq!(versions[1].version_of.as_deref(), Some(versions[0].id.as_str()));
    assert_eq!(rig.complete("shrinking.mp4").len(), 1, "of bytes of both there is nothing");
    assert_eq!(rig.get::<u32>(QUEUE, "Orphans").await, 1);
}

//= frameio-c2c#5.1
//= type=test
//# Each creation of an asset says how many seconds ago the clip was made (offset), as of that moment.
#[tokio::test]
async fn a_creation_that_is_tried_again_says_how_old_the_clip_is_by_then() {
    let rig = Setup::cloud(|c| c.chunk_size = 64 << 20).paired().await;
    let clip = rig.clip("shrinking.mp4", 24 << 20);
    rig.sim.hold(HoldPoint::Next(Endpoint::Part, EventKind::Received));
    let id = rig.add(&clip).await.unwrap();
    rig.held().await;
    // What it is to be a version of is gone by then, and that answer takes its time.
    rig.sim.inject("create@shrinking.mp4:404".parse().unwrap());
    std::fs::File::options().write(true).open(&clip).unwrap().set_len(1000).unwrap();
    rig.sim.release();
    rig.sim.hold(HoldPoint::Next(Endpoint::Create, EventKind::Received));
    rig.held().await;
    let clock = Clock::system();
    clock.sleep_until(clock.now().boot + Duration::from_millis(2100)).await;
    rig.sim.release();
    rig.wait_item(id, "done").await;
    let (assets, log) = (rig.sim.assets(), rig.sim.log());
    let asked = |e: &&rigpost_sim::Event| (e.endpoint, e.kind) == (Endpoint::Create, EventKind::Received);
    assert_eq!((assets.len(), log.iter().filter(asked).count()), (2, 3), "{assets:#?}");
    // The storage noticed at once that the file had become shorter, and that is from when on it is another.
    let cut = log.iter().find(|e| (e.endpoint, e.kind) == (Endpoint::Part, EventKind::Replied)).unwrap().ms;
    let age = i64::try_from((log.iter().rfind(asked).unwrap().ms - cut) / 1000).unwrap();
    assert!((age - 1..=age + 1).contains(&assets[1].offset), "{} s instead of {age}", assets[1].offset);
}

#[tokio::test]
async fn the_same_clip_twice_is_one_item() {
    let rig = Setup::new().paired().await;
    let clip = rig.clip("once.mp4", 5000);
    let id = rig.add(&clip).await.unwrap();
    assert_eq!(rig.add(&clip).await.unwrap(), id);
    rig.wait_item(id, "done").await;
    assert_eq!(rig.add(&clip).await.unwrap(), id);
    // Other bytes under the same name are another clip.
    fill(&clip, 5001, 7);
    let other = rig.add(&clip).await.unwrap();
    assert_ne!(other, id);
    rig.wait_item(other, "done").await;
    assert_eq!(rig.complete("once.mp4").len(), 2);
}

#[tokio::test]
async fn clips_shot_before_the_pairing_are_sent_after_it() {
    let mut rig = Setup::new().provisioned().await;
    let clip = rig.clip("early.mp4", 5000);
    let id = rig.add(&clip).await.unwrap();
    assert_eq!(text(&rig.item(id).await, "state"), "queued");
    rig.kill_and_start().await;
    rig.pair().await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
}

#[tokio::test]
async fn clips_of_one_project_never_go_to_another() {
    let rig = Setup::new().paired().await;
    rig.queue("Pause").await.unwrap();
    let clip = rig.clip("ours.mp4", 5000);
    let id = rig.add(&clip).await.unwrap();
    rig.unpair().await.unwrap();
    rig.queue("Resume").await.unwrap();
    rig.pair_with("Second Unit").await;
    rig.wait_item(id, "held").await;
    rig.wait_blocker("held").await;
    let theirs = rig.clip("theirs.mp4", 5000);
    rig.wait_item(rig.add(&theirs).await.unwrap(), "done").await;
    rig.assert_arrived(&theirs, "Second Unit");
    assert_eq!(rig.sim.assets().len(), 1);
    // Back where it belongs.
    rig.unpair().await.unwrap();
    rig.pair().await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
}

#[tokio::test]
async fn a_device_moved_to_another_project_does_not_take_its_clips_along() {
    let mut rig = Setup::cloud(|c| c.access_expires_in = 3).paired().await;
    rig.queue("Pause").await.unwrap();
    let clip = rig.clip("ours.mp4", 5000);
    let id = rig.add(&clip).await.unwrap();
    rig.sim.move_device(&rig.device_id().await, "Second Unit").unwrap();
    rig.wait_project("Second Unit").await;
    rig.queue("Resume").await.unwrap();
    rig.wait_item(id, "held").await;
    rig.kill_and_start().await;
    assert_eq!(text(&rig.item(id).await, "state"), "held");
    assert_eq!(rig.sim.assets().len(), 0);
}

#[tokio::test]
async fn a_paused_queue_stays_paused_and_goes_on_when_asked() {
    let mut rig = Setup::new().paired().await;
    rig.queue("Pause").await.unwrap();
    let clip = rig.clip("later.mp4", 5000);
    let id = rig.add(&clip).await.unwrap();
    rig.wait_blocker("queue-paused").await;
    rig.kill_and_start().await;
    assert!(rig.get::<bool>(QUEUE, "Paused").await);
    assert_eq!(rig.called(Endpoint::Create), 0);
    rig.queue("Resume").await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
}

//= frameio-c2c#7
//= type=test
//# One upload can be cancelled, and all.
#[tokio::test]
async fn an_upload_can_be_paused_and_cancelled_while_it_runs() {
    let rig = Setup { parallel_parts: 1, ..small_parts() }.paired().await;
    let clip = rig.clip("long.mov", 6 * CHUNK as usize);
    rig.sim.inject("part:stall:1:2".parse().unwrap());
    let id = rig.add(&clip).await.unwrap();
    let stalled = |e: &rigpost_sim::Event| e.fault.as_deref() == Some("stall");
    rig.sim.wait_for(stalled, PATIENCE).await.expect("a part is under way");
    rig.queue_items("Cancel", &[id]).await.unwrap();
    rig.wait_item(id, "cancelled").await;
    let next = rig.clip("next.mov", 1000);
    rig.wait_item(rig.add(&next).await.unwrap(), "done").await;
    assert_eq!(rig.complete("long.mov").len(), 0);
    // Second thoughts.
    rig.queue_items("Retry", &[id]).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.queue_items("Cancel", &[4711]).await.unwrap_err().name, "NotFound");
}

#[tokio::test]
async fn names_of_all_kinds_arrive() {
    let rig = Setup::new().paired().await;
    for name in [
        "Take 1 (final).mp4",
        "día 🎬 – キャメラ.mp4",
        "two\nlines.mp4",
        "100% \"quoted\" \\ .mp4",
        ".hidden",
    ] {
        let clip = rig.clip(name, 3000);
        rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
        let asset = rig.sim.assets().pop().unwrap();
        assert!(asset.complete, "{name:?}");
        assert_eq!(asset.sha256.as_deref(), Some(sha256(&clip).as_str()), "{name:?}: {asset:?}");
    }
}

#[tokio::test]
async fn a_clip_the_cloud_refuses_does_not_stop_the_others() {
    let rig = Setup::new().paired().await;
    rig.sim.inject("create:422".parse().unwrap());
    let bad = rig.add(rig.clip("bad.mp4", 3000)).await.unwrap();
    let good = rig.clip("good.mp4", 3000);
    let good_id = rig.add(&good).await.unwrap();
    let item = rig.wait_item(bad, "failed").await;
    assert_ne!((text(&item, "reason").as_str(), text(&item, "detail").as_str()), ("none", ""));
    rig.wait_item(good_id, "done").await;
    rig.assert_arrived(&good, PROJECT);
}
