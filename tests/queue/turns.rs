//! Turns that go wrong: an answer that comes late, a disk that fails in between, a row that can't be read.
use rigpost_sim::{Endpoint, Event, EventKind};

use crate::common::*;

const CHUNK: u64 = 64 * 1024;

/// A clip of which two parts are confirmed and the third hangs; the daemon is killed.
async fn killed_in_the_middle() -> (Rig, std::path::PathBuf, u64) {
    let setup = Setup::cloud(|c| c.chunk_size = CHUNK);
    let mut rig = Setup { parallel_parts: 1, ..setup }.paired().await;
    rig.sim.inject("part:stall:1:2".parse().unwrap());
    let clip = rig.clip("long.mov", 4 * CHUNK as usize);
    let id = rig.add(&clip).await.unwrap();
    let two = |i: &Dict| i["sent"].downcast_ref::<u64>().unwrap() == 2 * CHUNK;
    rig.wait_item_that(id, "two confirmed parts", two).await;
    let stalled = |e: &Event| e.endpoint == Endpoint::Part && e.fault.as_deref() == Some("stall");
    rig.sim.wait_for(stalled, PATIENCE).await.expect("the third part is under way");
    rig.kill().await;
    (rig, clip, id)
}

#[tokio::test]
async fn a_clip_that_is_queued_again_waits_for_the_end_of_its_former_turn() {
    let rig = Setup::new().paired().await;
    rig.sim.inject("create:delay=1500".parse().unwrap());
    let clip = rig.clip("again.mov", 5000);
    let before = rig.now();
    let id = rig.add(&clip).await.unwrap();
    let asked = rig.event(before, Endpoint::Create, EventKind::Received).await;
    rig.queue_items("Cancel", &[id]).await.unwrap();
    rig.queue_items("Retry", &[id]).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    let replied = rig.event(asked.n, Endpoint::Create, EventKind::Replied).await;
    let again = rig.event(asked.n, Endpoint::Create, EventKind::Received).await;
    assert!(replied.n < again.n, "two turns of one clip at a time: {:#?}", rig.calls());
    assert_eq!(rig.called(Endpoint::Create), 2);
}

#[tokio::test]
async fn what_a_link_leads_to_by_now_is_not_what_was_queued() {
    let rig = Setup::new().paired().await;
    rig.call(QUEUE, "Pause", &(none(),)).await.unwrap();
    let (mine, others) = (rig.clip("mine.mov", 5000), rig.clip("others.mov", 7000));
    let id = rig.add(&mine).await.unwrap();
    rig.queue_items("Cancel", &[id]).await.unwrap();
    std::fs::remove_file(&mine).unwrap();
    std::os::unix::fs::symlink(others.file_name().unwrap(), &mine).unwrap();
    rig.queue_items("Retry", &[id]).await.unwrap();
    rig.call(QUEUE, "Resume", &(none(),)).await.unwrap();
    let over = |i: &Dict| !["queued", "uploading"].contains(&text(i, "state").as_str());
    let item = rig.wait_item_that(id, "a verdict", over).await;
    assert_ne!(text(&item, "state"), "done");
    assert!(rig.sim.assets().is_empty(), "{:#?}", rig.calls());
}

#[tokio::test]
async fn a_clip_whose_asset_can_not_be_read_does_not_hold_up_the_others() {
    let (mut rig, _, bad) = killed_in_the_middle().await;
    rig.database().execute("UPDATE asset SET created_boot_id = 'not a boot'", []).unwrap();
    rig.start().await;
    let good = rig.clip("good.mov", 5000);
    let id = rig.add(&good).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&good, PROJECT);
    let says = |i: &Dict| text(i, "state") == "queued" && text(i, "reason") == "storage";
    rig.wait_item_that(bad, "put aside, and why", says).await;
}

#[tokio::test]
async fn a_disk_that_fails_at_the_start_leaves_no_clip_behind() {
    let (mut rig, clip, id) = killed_in_the_middle().await;
    rig.database()
        .execute_batch(
            "CREATE TRIGGER broken BEFORE UPDATE OF state ON item WHEN OLD.state = 'uploading'
             BEGIN SELECT RAISE(ABORT, 'a disk that fails'); END;",
        )
        .unwrap();
    let before = rig.log.len();
    rig.start().await;
    rig.log.wait(before, "a disk that fails").await;
    // From now on clips can be queued again.
    rig.database().execute_batch("DROP TRIGGER broken").unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.sim.assets().len(), 1, "the same asset");
}

#[tokio::test]
async fn a_clip_that_is_cleared_before_its_turn_is_over_is_no_trouble() {
    let rig = Setup::new().paired().await;
    rig.sim.inject("create:delay=1500".parse().unwrap());
    let before = rig.now();
    let id = rig.add(rig.clip("unwanted.mov", 5000)).await.unwrap();
    rig.event(before, Endpoint::Create, EventKind::Received).await;
    rig.queue_items("Cancel", &[id]).await.unwrap();
    rig.call(QUEUE, "Clear", &(none(),)).await.unwrap();
    // This turn begins after that one has ended.
    rig.event(before, Endpoint::Create, EventKind::Replied).await;
    let good = rig.clip("good.mov", 5000);
    let id = rig.add(&good).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&good, PROJECT);
    let trouble: Vec<String> =
        rig.log.all().into_iter().filter(|l| l.contains("can't be written yet")).collect();
    assert_eq!(trouble, Vec::<String>::new(), "{:?}", rig.blockers().await);
}

#[tokio::test]
async fn a_stop_hears_the_answer_that_is_under_way() {
    let mut rig = Setup::new().paired().await;
    rig.sim.inject("create:delay=1500".parse().unwrap());
    let clip = rig.clip("stopped.mov", 5000);
    let before = rig.now();
    let id = rig.add(&clip).await.unwrap();
    rig.event(before, Endpoint::Create, EventKind::Received).await;
    rig.restart().await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.sim.assets().len(), 1, "asked for once");
}

#[tokio::test]
async fn tokens_that_are_refused_one_after_another_are_a_reason() {
    let rig = Setup::new().paired().await;
    rig.sim.inject("create:401:forever".parse().unwrap());
    let id = rig.add(rig.clip("waits.mov", 5000)).await.unwrap();
    rig.wait_blocker("provider").await;
    assert_eq!((text(&rig.item(id).await, "state"), rig.state().await), ("queued".into(), "paired".into()));
    assert_eq!(rig.called(Endpoint::Create), 2, "not again before there is another token");
}
