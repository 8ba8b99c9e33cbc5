//! Which clip goes next, and how many parts are on their way: the order of the queue as the cloud sees it.
use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::PathBuf;

use rigpost_sim::{Endpoint, EventKind, HoldPoint};
use zbus::Variant;

use crate::common::*;

const CHUNK: u64 = 64 * 1024;

/// A cloud that asks for small parts, of which so many are sent at once; 0: as many as the daemon wants.
fn small_parts(parallel_parts: usize) -> Setup {
    Setup { parallel_parts, ..Setup::cloud(|c| c.chunk_size = CHUNK) }
}

/// How many parts are sent at once where nobody has said so.
fn unlimited() -> usize {
    let allowed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control").unwrap();
    if allowed.split_whitespace().any(|name| name == "bbr") { 4 } else { 12 }
}

/// Lets go of parts that the cloud lets hang, and begins them again.
async fn unstall(rig: &Rig) {
    rig.sim.clear_faults();
    rig.queue("Pause").await.unwrap();
    rig.queue("Resume").await.unwrap();
}

fn stall(rig: &Rig, fault: &str) {
    rig.sim.inject(fault.parse().unwrap());
}

/// Names of the assets, in the order in which they were made.
fn created(rig: &Rig) -> Vec<String> {
    rig.sim.assets().into_iter().map(|a| a.name).collect()
}

#[tokio::test]
async fn a_proxy_overtakes_an_original_that_has_filled_the_line() {
    let rig = small_parts(0).paired().await;
    let slots = unlimited();
    stall(&rig, "part@A001.mov:stall:forever");
    let original = rig.clip("A001.mov", 20 * CHUNK as usize);
    let original_id = rig.add(&original).await.unwrap();
    rig.wait_flight("an original in all slots", |f| f.of("A001.mov") == slots).await;
    let proxy = rig.clip("A001_Proxy.mov", 3 * CHUNK as usize);
    let proxy_id = rig.add(&proxy).await.unwrap();
    rig.wait_item(proxy_id, "done").await;
    rig.assert_arrived(&proxy, PROJECT);
    let flight = rig.flight();
    assert_eq!(flight.of("A001.mov"), slots, "the original's parts are on their way all the time");
    assert_eq!(flight.most, slots + 1, "one part of the proxy at a time in the extra slot");
    unstall(&rig).await;
    rig.wait_item(original_id, "done").await;
    rig.assert_arrived(&original, PROJECT);
    assert_eq!(rig.sim.assets().len(), 2);
    assert_eq!(rig.sim.parts_begun_again(), vec![]);
}

/// Whatever matters, whatever comes, and whatever a person says meanwhile.
#[tokio::test]
async fn never_are_more_parts_on_their_way_than_somebody_has_set() {
    for limit in [1, 2, 3] {
        let rig = small_parts(limit).paired().await;
        rig.sim.inject("part@A001.mov:delay=700:forever".parse().unwrap());
        let original = rig.clip("A001.mov", 8 * CHUNK as usize);
        let mut clips = vec![(rig.add(&original).await.unwrap(), original)];
        rig.wait_flight("an original in all slots", |f| f.of("A001.mov") == limit).await;
        for name in ["A001_proxy.mov", "A002_proxy.mov", "A001.wav", "A001.jpg", "A002.mov"] {
            let clip = rig.clip(name, 2 * CHUNK as usize);
            clips.push((rig.add(&clip).await.unwrap(), clip));
        }
        let urgent = clips[5].0;
        rig.call(QUEUE, "SetPriority", &(&[urgent][..], i32::MAX, none())).await.unwrap();
        for (id, clip) in &clips {
            rig.wait_item(*id, "done").await;
            rig.assert_arrived(clip, PROJECT);
        }
        let flight = rig.flight();
        assert_eq!(flight.most, limit, "{:#?}", flight.begun);
        // Those that were on their way when the proxy came, and those that were begun until its asset was made.
        let of = |name| flight.begun.iter().position(|(clip, _)| clip == name).unwrap();
        let before =
            flight.begun[..of("A001_proxy.mov")].iter().filter(|(name, _)| name == "A001.mov").count();
        assert!(before <= 2 * limit, "what matters more has the next slots: {:#?}", flight.begun);
    }
}

/// As the slots of an original come free, what came later and matters more takes them all.
#[tokio::test]
async fn free_slots_go_to_what_matters_most() {
    let rig = small_parts(2).paired().await;
    let slots = rig.setup.parallel_parts;
    let parts = 2 * slots as u64;
    // The original's first parts come to an end by themselves, at a pace that leaves the proxy time to come.
    rig.sim.inject("part@A001.mov:delay=1500:forever".parse().unwrap());
    let original = rig.clip("A001.mov", (CHUNK * parts * 2) as usize);
    let original_id = rig.add(&original).await.unwrap();
    rig.wait_flight("an original in all slots", |f| f.of("A001.mov") == slots).await;
    let proxy = rig.clip("A001_proxy.mov", (CHUNK * parts) as usize);
    let proxy_id = rig.add(&proxy).await.unwrap();
    rig.wait_item(proxy_id, "done").await;
    rig.wait_item(original_id, "done").await;
    let flight = rig.flight();
    let first = flight.begun.iter().position(|(name, _)| name == "A001_proxy.mov").unwrap();
    let last = flight.begun.iter().rposition(|(name, _)| name == "A001_proxy.mov").unwrap();
    let between = flight.begun[first..last].iter().filter(|(name, _)| name == "A001.mov").count();
    assert_eq!(between, 0, "nothing of the original is begun before the proxy is: {:#?}", flight.begun);
    rig.assert_arrived(&proxy, PROJECT);
    rig.assert_arrived(&original, PROJECT);
}

#[tokio::test]
async fn small_clips_are_on_their_way_together() {
    let rig = small_parts(4).paired().await;
    stall(&rig, "part:stall:4");
    let clips: Vec<PathBuf> = (0..9).map(|n| rig.clip(&format!("A00{n}.mov"), 5000)).collect();
    let mut ids = Vec::new();
    for clip in &clips {
        ids.push(rig.add(clip).await.unwrap());
    }
    let flight = rig.wait_flight("four clips together", |f| f.clips() >= 4).await;
    assert_eq!(flight.begun[..4].iter().map(|(name, _)| name).max().unwrap(), "A003.mov", "the oldest");
    assert!(flight.most <= rig.setup.parallel_parts, "none matters more than another: {flight:#?}");
    unstall(&rig).await;
    for (clip, id) in clips.iter().zip(ids) {
        rig.wait_item(id, "done").await;
        rig.assert_arrived(clip, PROJECT);
    }
    assert_eq!(rig.sim.assets().len(), clips.len(), "one asset for each");
    assert_eq!(rig.sim.parts_begun_again(), vec![]);
}

#[tokio::test]
async fn no_more_parts_are_on_their_way_than_slots_and_two() {
    let rig = small_parts(0).paired().await;
    let slots = unlimited();
    stall(&rig, "part:stall:forever");
    let mut clips = vec![rig.clip("A001.mov", 20 * CHUNK as usize)];
    let mut ids = vec![rig.add(&clips[0]).await.unwrap()];
    rig.wait_flight("an original in all slots", |f| f.of("A001.mov") == slots).await;
    for n in 2..6 {
        let clip = rig.clip(&format!("A00{n}_proxy.mov"), 3 * CHUNK as usize);
        ids.push(rig.add(&clip).await.unwrap());
        clips.push(clip);
    }
    rig.wait_flight("two proxies in the extra slots", |f| f.now.len() == slots + EXPRESS).await;
    // Whatever comes and however important it is: by the time that this is answered it would have been begun.
    rig.call(QUEUE, "SetPriority", &(&ids[4..], i32::MAX, none())).await.unwrap();
    rig.items().await;
    let flight = rig.flight();
    assert_eq!((flight.most, flight.of("A001.mov")), (slots + EXPRESS, slots));
    unstall(&rig).await;
    for (clip, id) in clips.iter().zip(ids) {
        rig.wait_item(id, "done").await;
        rig.assert_arrived(clip, PROJECT);
    }
    assert_eq!(rig.sim.parts_begun_again(), vec![]);
}

#[tokio::test]
async fn classes_go_in_their_order_and_the_oldest_of_a_class_first() {
    let classes = "[[class]]\nname = \"rushes\"\npatterns = [\"*.rush\"]\npriority = 150\n\
                   [[class]]\nname = \"stills\"\npriority = 220\n";
    let rig = Setup { drop_in: classes.to_owned(), ..small_parts(1) }.paired().await;
    rig.queue("Pause").await.unwrap();
    let mut ids = BTreeMap::new();
    for name in [
        "A001.mov",
        "urgent.mov",
        "day.rush",
        "late.wav",
        "sound.wav",
        "A001.jpg",
        "A001.xml",
        "B_proxy.mov",
        "A_proxy.mov",
        "never mind.lrv",
    ] {
        ids.insert(name, rig.add(rig.clip(name, 1000)).await.unwrap());
    }
    for (name, priority) in [("urgent.mov", 1000), ("never mind.lrv", -1), ("late.wav", 199)] {
        rig.call(QUEUE, "SetPriority", &(&[ids[name]][..], priority, none())).await.unwrap();
    }
    rig.queue("Resume").await.unwrap();
    for id in ids.values() {
        rig.wait_item(*id, "done").await;
    }
    let wanted = [
        "urgent.mov",
        "B_proxy.mov",
        "A_proxy.mov",
        "A001.xml",
        "A001.jpg",
        "sound.wav",
        "late.wav",
        "day.rush",
        "A001.mov",
        "never mind.lrv",
    ];
    assert_eq!(created(&rig), wanted);
}

/// A priority that changes while others are on their way is in force for the next slot.
#[tokio::test]
async fn what_becomes_important_while_others_are_sent_overtakes_them() {
    let rig = small_parts(0).paired().await;
    stall(&rig, "part@A001.mov:stall:forever");
    let first = rig.add(rig.clip("A001.mov", 20 * CHUNK as usize)).await.unwrap();
    let slots = unlimited();
    rig.wait_flight("an original in all slots", |f| f.of("A001.mov") == slots).await;
    let clip = rig.clip("A002.mov", 1000);
    let second = rig.add(&clip).await.unwrap();
    assert_eq!(text(&rig.item(second).await, "state"), "queued", "it matters no more than the first");
    rig.call(QUEUE, "SetPriority", &(&[second][..], 1i32, none())).await.unwrap();
    rig.wait_item(second, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.flight().of("A001.mov"), slots);
    unstall(&rig).await;
    rig.wait_item(first, "done").await;
}

/// Clips that were overtaken keep their turns, and all the extra slots are in use: what matters most has the next one.
#[tokio::test]
async fn a_proxy_comes_next_behind_a_ladder_of_what_matters_more_and_more() {
    let rig = small_parts(0).paired().await;
    let slots = unlimited();
    stall(&rig, "part@A001.mov:stall:forever");
    stall(&rig, "part@A001.wav:stall:forever");
    // Slower than making the proxy's asset.
    rig.sim.inject("part@A001.jpg:delay=300:forever".parse().unwrap());
    let mut ids = vec![rig.add(rig.clip("A001.mov", 20 * CHUNK as usize)).await.unwrap()];
    rig.wait_flight("an original in all slots", |f| f.of("A001.mov") == slots).await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Part, EventKind::Received));
    for name in ["A001.jpg", "A001.wav"] {
        ids.push(rig.add(rig.clip(name, 20 * CHUNK as usize)).await.unwrap());
        rig.wait_flight(name, |f| f.of(name) == 1).await;
    }
    let proxy = rig.clip("A001_proxy.mov", 1000);
    ids.push(rig.add(&proxy).await.unwrap());
    // The still goes on, one of its many parts after the other.
    rig.sim.release();
    rig.wait_item(ids[3], "done").await;
    rig.assert_arrived(&proxy, PROJECT);
    let flight = rig.flight();
    let began = flight.begun.iter().position(|(name, _)| name == "A001_proxy.mov").unwrap();
    let stills = flight.begun[..began].iter().filter(|(name, _)| name == "A001.jpg").count();
    assert!(stills < 20, "the proxy waited for all of the still: {:#?}", flight.begun);
    unstall(&rig).await;
    for id in ids {
        rig.wait_item(id, "done").await;
    }
}

#[tokio::test]
async fn a_file_that_is_still_written_waits_and_others_go_on() {
    let rig = Setup { drop_in: "[queue]\nsettle_seconds = 3\n".to_owned(), ..small_parts(2) }.paired().await;
    let path = rig.path("media/growing.mov");
    let mut writer = std::fs::File::create(&path).unwrap();
    let piece = vec![7; 40_000];
    writer.write_all(&piece).unwrap();
    let id = rig.add(&path).await.unwrap();
    let looked_at = |size: usize| {
        move |i: &Dict| {
            text(i, "reason") == "settling" && i["size"].downcast_ref::<u64>().unwrap() == size as u64
        }
    };
    rig.wait_item_that(id, "settling", looked_at(piece.len())).await;
    for pieces in 2..4 {
        writer.write_all(&piece).unwrap();
        rig.wait_item_that(id, "seen to have grown", looked_at(pieces * piece.len())).await;
    }
    let other = rig.clip("other.mov", 3000);
    rig.wait_item(rig.add(&other).await.unwrap(), "done").await;
    assert_eq!(created(&rig), ["other.mov"], "nothing of what still grows was begun");
    drop(writer);
    let item = rig.wait_item(id, "done").await;
    assert_eq!(item["size"].downcast_ref::<u64>().unwrap(), 120_000);
    rig.assert_arrived(&path, PROJECT);
}

#[tokio::test]
async fn a_file_that_is_said_to_be_closed_does_not_wait() {
    // Whoever waits for this waits longer than the test does.
    let rig =
        Setup { drop_in: "[queue]\nsettle_seconds = 3600\n".to_owned(), ..small_parts(2) }.paired().await;
    let (open, closed) = (rig.path("media/open.mov"), rig.path("media/closed.mov"));
    for path in [&open, &closed] {
        std::fs::write(path, path.to_str().unwrap()).unwrap();
    }
    let waits = rig.add(&open).await.unwrap();
    rig.wait_item_that(waits, "settling", |i| text(i, "reason") == "settling").await;
    let options = HashMap::from([("closed", Variant::from(true))]);
    let answer = rig.call(QUEUE, "Add", &(closed.to_str().unwrap(), options)).await.unwrap();
    rig.wait_item(answer.body().deserialize().unwrap(), "done").await;
    rig.assert_arrived(&closed, PROJECT);
    assert_eq!(text(&rig.item(waits).await, "state"), "queued");
    assert_eq!(rig.sim.assets().len(), 1);
}
