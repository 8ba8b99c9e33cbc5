//! What holds the queue up while clips are on their way, and what is left of them afterwards.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use rigpost_sim::{Endpoint, Event, EventKind, HoldPoint, PartView};
use zbus::Variant;

use crate::common::*;

const CHUNK: u64 = 64 * 1024;

/// A cloud that asks for small parts.
fn small_parts(parallel_parts: usize) -> Setup {
    Setup { parallel_parts, ..Setup::cloud(|c| c.chunk_size = CHUNK) }
}

fn digests(path: &Path, chunk: u64) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    bytes.chunks(chunk as usize).map(|part| format!("{:016x}", xxhash_rust::xxh64::xxh64(part, 0))).collect()
}

/// The digests of the receipt are those of the file.
async fn assert_receipt(rig: &Rig, id: u64, clip: &Path) {
    let answer = rig.call(QUEUE, "GetReceipt", &(id, none())).await.unwrap();
    let receipt: Dict = answer.body().deserialize().unwrap();
    let parts: Vec<String> = receipt["parts"].try_clone().unwrap().try_into().unwrap();
    assert_eq!(parts, digests(clip, receipt["chunk_size"].downcast_ref().unwrap()));
}

/// The next time that the rig asks who it is, which it does every few seconds where tokens are short-lived.
async fn looks_again(rig: &Rig) {
    rig.event(rig.now(), Endpoint::Me, EventKind::Replied).await;
}

fn bytes_there(rig: &Rig) -> u64 {
    rig.sim.assets().iter().map(|a| a.bytes_done).sum()
}

fn parts_of(rig: &Rig, name: &str) -> Vec<PartView> {
    rig.sim.parts().into_iter().filter(|p| p.name == name).collect()
}

/// Bytes that are half-way when a camera begins to record stay where they are, and go on from there.
#[tokio::test]
async fn while_a_camera_records_nothing_moves_and_then_everything_goes_on() {
    const PART: u64 = 1_000_000;
    let setup = Setup::cloud(|c| {
        c.chunk_size = PART;
        c.access_expires_in = 3;
    });
    let rig = setup.paired().await;
    let limit = (QUEUE, "BandwidthLimit", Variant::from(PART));
    rig.call("org.freedesktop.DBus.Properties", "Set", &limit).await.unwrap();
    let clip = rig.clip("A001.mov", 5 * PART as usize);
    let id = rig.add(&clip).await.unwrap();
    rig.wait_flight("a part that is there", |f| !f.there.is_empty()).await;

    let camera = rig.bus.connect().await;
    let options = HashMap::from([("while_recording", Variant::from(true))]);
    camera.call_method(Some(NAME), PATH, Some(QUEUE), "Pause", &(options,)).await.unwrap();
    let begun = rig.flight().begun.len();
    let proxy = rig.clip("A002_proxy.mov", 5000);
    let proxy_id = rig.add(&proxy).await.unwrap();
    // What the sockets held is there by the first look; a second that is not held would bring a million bytes.
    looks_again(&rig).await;
    let (there, flight) = (bytes_there(&rig), rig.flight());
    assert!(there < 5 * PART, "the take began too late: {flight:#?}");
    looks_again(&rig).await;
    looks_again(&rig).await;
    assert_eq!(bytes_there(&rig), there, "nothing was received");
    assert_eq!((rig.flight().begun.len(), rig.called(Endpoint::Create)), (begun, 1), "nothing was begun");

    // The camera's program ends, and with it the hold.
    camera.close().await.unwrap();
    rig.wait_item(proxy_id, "done").await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    rig.assert_arrived(&proxy, PROJECT);
    assert!(rig.sim.parts().iter().all(|p| p.begun == 1), "no part began again: {:#?}", rig.sim.parts());
}

//= frameio-c2c#4.5
//= type=test
//# A pause in the project is respected: what is under way ends, and nothing new begins.
#[tokio::test]
async fn a_pause_in_the_project_begins_nothing_new() {
    let rig = Setup::cloud(|c| c.access_expires_in = 3).paired().await;
    let id = rig.device_id().await;
    rig.sim.pause_device(&id).unwrap();
    rig.wait_blocker("device-paused").await;
    // Made before the pause, so that only our own restraint keeps it here.
    let clip = rig.clip("before.mov", 5000);
    let item = rig.add(&clip).await.unwrap();
    looks_again(&rig).await;
    looks_again(&rig).await;
    assert_eq!(
        (rig.called(Endpoint::Create), text(&rig.item(item).await, "state")),
        (0, "queued".to_owned())
    );
    rig.sim.resume_device(&id).unwrap();
    rig.wait_item(item, "done").await;
    rig.assert_arrived(&clip, PROJECT);
}

/// A clip of six parts of which some are there and the others hang; then the rig is paired with another project.
async fn cut_short_by_another_project(rig: &Rig) -> (PathBuf, u64) {
    rig.sim.inject("part#5@ours.mov:stall:forever".parse().unwrap());
    rig.sim.inject("part#6@ours.mov:stall:forever".parse().unwrap());
    let clip = rig.clip("ours.mov", 6 * CHUNK as usize);
    let id = rig.add(&clip).await.unwrap();
    let four = |i: &Dict| i["sent"].downcast_ref::<u64>().unwrap() == 4 * CHUNK;
    rig.wait_item_that(id, "four confirmed parts", four).await;
    rig.wait_flight("the others", |f| f.of("ours.mov") == 2).await;
    rig.unpair().await.unwrap();
    rig.pair_with("Second Unit").await;
    rig.wait_item(id, "held").await;
    (clip, id)
}

#[tokio::test]
async fn a_clip_cut_short_by_another_project_is_released_to_it_whole() {
    let rig = small_parts(2).paired().await;
    let (clip, id) = cut_short_by_another_project(&rig).await;
    let theirs = rig.clip("theirs.mov", 3 * CHUNK as usize);
    rig.wait_item(rig.add(&theirs).await.unwrap(), "done").await;
    rig.assert_arrived(&theirs, "Second Unit");
    assert_eq!(rig.sim.assets().len(), 2, "nothing of ours went there");
    rig.sim.clear_faults();
    rig.queue_items("Release", &[id]).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, "Second Unit");
    assert_receipt(&rig, id, &clip).await;
    let first = rig.sim.assets().remove(0);
    assert_eq!((first.project.as_str(), first.complete, first.parts_done), (PROJECT, false, 4));
}

#[tokio::test]
async fn a_clip_cut_short_by_another_project_goes_on_when_its_own_is_back() {
    let rig = small_parts(2).paired().await;
    let (clip, id) = cut_short_by_another_project(&rig).await;
    rig.sim.clear_faults();
    rig.unpair().await.unwrap();
    rig.pair().await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_receipt(&rig, id, &clip).await;
    assert_eq!(rig.sim.assets().len(), 1, "the same asset");
    assert_eq!(rig.sim.parts_begun_again(), vec![], "no finished part was sent again");
}

/// What of a former asset is still on its way says nothing about the parts of a new one.
#[tokio::test]
async fn a_late_answer_of_the_former_project_confirms_nothing_of_the_new_one() {
    let rig = small_parts(3).paired().await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Part, EventKind::Received));
    let clip = rig.clip("ours.mov", 3 * CHUNK as usize);
    let id = rig.add(&clip).await.unwrap();
    let late = rig.held().await.part.unwrap();
    rig.unpair().await.unwrap();
    rig.pair_with("Second Unit").await;
    rig.wait_item(id, "held").await;
    rig.sim.inject(format!("part#{late}@ours.mov:stall").parse().unwrap());
    let before = rig.now();
    rig.queue_items("Release", &[id]).await.unwrap();
    rig.event(before, Endpoint::Create, EventKind::Replied).await;
    let again = |f: &Flight| f.begun.iter().filter(|(_, n)| *n == late).count() == 2;
    rig.wait_flight("the same part of the new asset", again).await;
    // The cloud answers for the part of the old asset now, if anybody still listens.
    rig.sim.release();
    rig.wait_flight("the other parts of the new asset", |f| f.there.len() >= 4).await;
    rig.queue("Pause").await.unwrap();
    rig.queue("Resume").await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, "Second Unit");
    assert_receipt(&rig, id, &clip).await;
}

/// Parts whose record is on disk, as clip and number. The daemon is off.
fn recorded(rig: &Rig) -> BTreeSet<(String, u64)> {
    let rows =
        rig.column("SELECT item.name || ':' || (part.n + 1) FROM part JOIN item ON item.id = part.item_id");
    let place = |row: String| row.rsplit_once(':').map(|(name, n)| (name.to_owned(), n.parse().unwrap()));
    rows.into_iter().map(|row| place(row).unwrap()).collect()
}

/// How often each part was begun, by clip and number.
fn begun(rig: &Rig) -> BTreeMap<(String, u64), u32> {
    rig.sim.parts().into_iter().map(|p| ((p.name, p.part), p.begun)).collect()
}

//= frameio-c2c#7
//= type=test
//# Shown are how many files and bytes are left, how far the current file is, and what became of each.
#[tokio::test]
async fn kills_with_several_clips_on_their_way_send_no_finished_part_again() {
    let mut rig = small_parts(4).paired().await;
    // Two clips that no end keeps from being found half-way, and the others slow enough to be met on their way.
    for fault in ["part#5@A000.mov:stall", "part#5@A001.mov:stall", "part:delay=100:forever"] {
        rig.sim.inject(fault.parse().unwrap());
    }
    let clips: Vec<PathBuf> =
        (0..4).map(|n| rig.clip(&format!("A00{n}.mov"), 5 * CHUNK as usize - n)).collect();
    let paths: Vec<&str> = clips.iter().map(|c| c.to_str().unwrap()).collect();
    let ids = rig.add_many(&paths).await.unwrap();
    let mut kept = BTreeMap::new();
    for left in [16, 11, 6] {
        let fewer = |p: &Dict| p["BytesLeft"].downcast_ref::<u64>().unwrap() <= left * CHUNK;
        rig.wait(QUEUE, &format!("{left} parts left"), fewer).await;
        rig.kill().await;
        // From when a part is on disk it is not begun any more.
        let times = begun(&rig);
        recorded(&rig).into_iter().for_each(|place| {
            kept.entry(place.clone()).or_insert(times[&place]);
        });
        rig.start().await;
    }
    rig.sim.clear_faults();
    for (clip, id) in clips.iter().zip(ids) {
        rig.wait_item(id, "done").await;
        rig.assert_arrived(clip, PROJECT);
    }
    // A kill between the cloud's asset and our record of it leaves that one behind, and nothing was sent to it.
    assert!(rig.sim.assets().iter().all(|a| a.complete || a.bytes_done == 0), "{:#?}", rig.sim.assets());
    let times = begun(&rig);
    assert_eq!(kept.iter().find(|(place, n)| times[place] != **n), None, "sent again: {times:#?}");
    assert!(kept.len() >= 4, "{kept:?}");
}

#[tokio::test]
async fn a_part_that_was_damaged_on_the_way_is_sent_once_more() {
    let rig = small_parts(2).paired().await;
    rig.sim.inject("part#2@A001.mov:wrong-etag".parse().unwrap());
    let clip = rig.clip("A001.mov", 4 * CHUNK as usize + 17);
    let id = rig.add(&clip).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_receipt(&rig, id, &clip).await;
    let begun: Vec<u32> = parts_of(&rig, "A001.mov").iter().map(|p| p.begun).collect();
    assert_eq!(begun, [1, 2, 1, 1, 1]);
    assert_eq!(rig.sim.parts_begun_again(), vec![]);
}

/// A day passes for the cloud: the daemon learns it from the storage, and leaves the old asset behind, counted.
//= frameio-c2c#5.3
//= type=test
//# Addresses that are older than 24 hours are not used: another asset is made.
#[tokio::test]
async fn an_asset_that_is_a_day_old_is_left_behind_and_counted() {
    let mut rig = small_parts(1).paired().await;
    rig.sim.inject("part#3@A001.mov:stall".parse().unwrap());
    let clip = rig.clip("A001.mov", 16 * CHUNK as usize);
    let id = rig.add(&clip).await.unwrap();
    let stalled = |e: &Event| e.fault.as_deref() == Some("stall");
    rig.sim.wait_for(stalled, PATIENCE).await.expect("the third part is under way");
    rig.kill().await;
    rig.sim.advance(86_400);
    rig.start().await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_receipt(&rig, id, &clip).await;
    assert_eq!(rig.sim.assets().len(), 2);
    assert_eq!(rig.get::<u32>(QUEUE, "Orphans").await, 1);
}

/// The cloud has made it, and the rig never hears of it: the answer is lost, or the power is cut before it comes.
//= frameio-c2c#8b
//= type=test
//# none is created anew while its addresses live, and those left behind are counted
#[tokio::test]
async fn an_asset_of_which_no_answer_came_is_counted() {
    let mut rig = small_parts(1).paired().await;
    rig.sim.inject("create:lost-answer".parse().unwrap());
    let lost = rig.clip("lost.mov", 5000);
    let id = rig.add(&lost).await.unwrap();
    rig.wait_item(id, "done").await;
    assert_eq!(rig.get::<u32>(QUEUE, "Orphans").await, 1);

    rig.sim.hold(HoldPoint::Next(Endpoint::Create, EventKind::Effect));
    let cut = rig.clip("cut.mov", 5000);
    let id = rig.add(&cut).await.unwrap();
    rig.sim.held().await.expect("the asset is made");
    rig.kill().await;
    rig.sim.release();
    rig.start().await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&cut, PROJECT);
    let incomplete = rig.sim.assets().iter().filter(|asset| !asset.complete).count();
    assert_eq!((rig.get::<u32>(QUEUE, "Orphans").await, incomplete), (2, 2));
}

#[tokio::test]
async fn an_asset_that_the_cloud_refused_is_not_counted() {
    let rig = small_parts(1).paired().await;
    for fault in ["create:503:1", "create:401:1", "create:429:1"] {
        rig.sim.inject(fault.parse().unwrap());
        let clip = rig.clip(&format!("{}.mov", fault.replace(':', "-")), 5000);
        let id = rig.add(&clip).await.unwrap();
        rig.wait_item(id, "done").await;
    }
    assert_eq!(rig.get::<u32>(QUEUE, "Orphans").await, 0);
    assert!(rig.sim.assets().iter().all(|asset| asset.complete), "{:#?}", rig.sim.assets());
}
