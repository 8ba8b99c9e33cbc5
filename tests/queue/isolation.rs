//! Cards that hang: each keeps its own clips waiting, by name, and nobody else.
//!
//! A card is made after its rig, so that it is thawed first: a process with a call that hangs can't end.
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use rigpost_sim::{Endpoint, EventKind};
use tokio::time::Instant;

use crate::common::*;
use crate::fuse_card::{Act, Call, FuseCard};

/// As long as a card may take, and what a busy machine adds.
const NOTICED: Duration = Duration::from_secs(20);
/// What a busy machine adds to an answer.
const JITTER: Duration = Duration::from_millis(20);

fn card_of(rig: &Rig) -> FuseCard {
    FuseCard::mount(rig.path("media/A-CAM"))
}

/// The card is named, with what that means.
async fn named(rig: &Rig) {
    rig.wait_blocker("not-answering").await;
    let all: Vec<(String, String, String)> = rig.get(DEVICE, "Blockers").await;
    let sentence = "The card A-CAM does not answer; its clips wait, the others go on.";
    assert!(all.contains(&("not-answering".to_owned(), sentence.to_owned(), String::new())), "{all:?}");
    assert!(!rig.get::<bool>(DEVICE, "SafeToPowerOff").await);
}

async fn well_again(rig: &Rig) {
    let well = |p: &Dict| {
        let all: Vec<(String, String, String)> = p["Blockers"].try_clone().unwrap().try_into().unwrap();
        all.is_empty() && *p["SafeToPowerOff"].downcast_ref::<&bool>().unwrap()
    };
    rig.wait(DEVICE, "no blocker", well).await;
}

/// What a screen waits for its answers, in the middle and at worst.
async fn answers(rig: &Rig, calls: usize) -> (Duration, Duration) {
    let mut took = Vec::new();
    for _ in 0..calls {
        let began = Instant::now();
        rig.get::<u32>(QUEUE, "FilesLeft").await;
        took.push(began.elapsed());
    }
    took.sort();
    (took[calls / 2], took[calls - 1])
}

async fn good_clips(rig: &Rig, count: usize) -> Vec<(PathBuf, u64)> {
    let mut clips = Vec::new();
    for n in 0..count {
        let clip = rig.clip(&format!("good{n}.mov"), 20_000 + n);
        clips.push((clip.clone(), rig.add(&clip).await.unwrap()));
    }
    clips
}

async fn arrive(rig: &Rig, clips: Vec<(PathBuf, u64)>) {
    for (clip, id) in clips {
        rig.wait_item(id, "done").await;
        rig.assert_arrived(&clip, PROJECT);
    }
}

#[tokio::test]
async fn a_read_that_hangs_keeps_its_card_waiting_and_nobody_else() {
    let mut setup = Setup::cloud(|c| (c.chunk_size, c.access_expires_in) = (64 * 1024, 6));
    setup.watchdog = Some(Duration::from_secs(2));
    let rig = setup.paired().await;
    let card = card_of(&rig);
    let (idle, _) = answers(&rig, 200).await;
    let bad = card.clip("A001.mov", 1_000_000);
    rig.queue("Pause").await.unwrap();
    let id = rig.add(&bad).await.unwrap();
    card.on(Call::Read, None, Act::Hang);
    rig.queue("Resume").await.unwrap();
    card.hangs(1).await;
    // Before anybody can know.
    let (fed, renewed) = (rig.notes.len(), rig.now());
    let (middle, worst) = answers(&rig, 200).await;
    assert!(middle < 10 * idle + JITTER, "{middle:?}, and {idle:?} when idle");
    assert!(worst < Duration::from_secs(5), "{worst:?}");
    let good = good_clips(&rig, 4).await;
    arrive(&rig, good).await;
    named(&rig).await;
    let waits = |item: &Dict| text(item, "state") == "queued" && text(item, "reason") == "not-answering";
    let item = rig.wait_item_that(id, "waits for its card", waits).await;
    assert_eq!(*item["attempts"].downcast_ref::<&u32>().unwrap(), 0, "that was no turn");
    let (middle, _) = answers(&rig, 50).await;
    assert!(middle < 10 * idle + JITTER, "{middle:?}, and {idle:?} when idle");
    rig.notes.wait(fed, "WATCHDOG=1").await;
    rig.event(renewed, Endpoint::Refresh, EventKind::Replied).await;
    card.thaw();
    rig.wait_item(id, "done").await;
    let there = rig.complete("A001.mov");
    assert_eq!(there.len(), 1);
    assert_eq!(there[0].sha256.as_deref(), Some(sha256(&card.behind().join("A001.mov")).as_str()));
    well_again(&rig).await;
}

#[tokio::test]
async fn files_of_a_card_on_which_no_file_opens_are_refused_by_name_in_time() {
    let rig = Setup::new().paired().await;
    let card = card_of(&rig);
    let clips: Vec<PathBuf> = (0..10).map(|n| card.clip(&format!("A{n:03}.mov"), 5000)).collect();
    card.on(Call::Open, None, Act::Hang);
    let began = Instant::now();
    let adds = join_all(clips.iter().map(async |clip| rig.add(clip).await.unwrap_err().name));
    let others = async {
        card.hangs(1).await;
        let good = good_clips(&rig, 4).await;
        assert_eq!(rig.items().await.len(), 4);
        arrive(&rig, good).await;
        assert!(began.elapsed() < NOTICED, "nobody waited: {:?}", began.elapsed());
    };
    let (refused, ()) = tokio::join!(adds, others);
    assert!(refused.iter().all(|name| name == "NotAnswering"), "{refused:?}");
    assert!(began.elapsed() < NOTICED, "{:?}", began.elapsed());
    named(&rig).await;
    let began = Instant::now();
    assert_eq!(rig.add(&clips[0]).await.unwrap_err().name, "NotAnswering");
    assert!(began.elapsed() < Duration::from_secs(2), "known by now: {:?}", began.elapsed());
    card.thaw();
    well_again(&rig).await;
    let id = rig.add(&clips[0]).await.unwrap();
    rig.wait_item(id, "done").await;
}

#[tokio::test]
async fn clips_that_can_t_be_opened_any_more_let_ten_others_pass() {
    let mut rig = Setup::new().paired().await;
    let card = card_of(&rig);
    rig.queue("Pause").await.unwrap();
    let mut waiting = Vec::new();
    for n in 0..3 {
        waiting.push(rig.add(card.clip(&format!("A00{n}.mov"), 5000)).await.unwrap());
    }
    let good = good_clips(&rig, 10).await;
    card.on(Call::Open, None, Act::Hang);
    rig.queue("Resume").await.unwrap();
    arrive(&rig, good).await;
    named(&rig).await;
    // Also after a restart, at which they are claimed again.
    rig.queue("Pause").await.unwrap();
    card.thaw();
    card.on(Call::Lookup, None, Act::Hang);
    rig.restart().await;
    rig.queue("Resume").await.unwrap();
    named(&rig).await;
    card.thaw();
    for id in waiting {
        rig.wait_item(id, "done").await;
    }
    well_again(&rig).await;
}

/// Everything beneath the media directory is a source.
fn source() -> Setup {
    let drop_in = "[queue]\nsettle_seconds = 1\n[[source]]\nname = \"all\"\npath = \"{dir}/media\"\nbefore_pairing = \"queue\"\n";
    Setup { drop_in: drop_in.to_owned(), ..Setup::new() }
}

async fn found(rig: &Rig, names: &[&str]) {
    let all = async {
        let mut signals = rig.bus.signals(&rig.ui).await;
        loop {
            let there: Vec<String> = rig.items().await.iter().map(|i| text(i, "name")).collect();
            if names.iter().all(|name| there.iter().any(|n| n == name)) {
                return;
            }
            signals.next().await.expect("the bus is there").unwrap();
        }
    };
    soon(&format!("{names:?}"), all).await;
}

#[tokio::test]
async fn a_walk_that_hangs_loses_its_own_card_only_and_goes_on_when_that_is_back() {
    for (call, name) in [(Call::List, None), (Call::Lookup, Some("A002.mov"))] {
        let mut rig = source().build().await;
        let card = card_of(&rig);
        card.clip("A001.mov", 3000);
        card.clip("A002.mov", 3000);
        fs::create_dir_all(rig.path("media/B-CAM")).unwrap();
        rig.clip("B-CAM/B001.mov", 3000);
        card.on(call, name, Act::Hang);
        rig.start().await;
        card.hangs(1).await;
        found(&rig, &["B001.mov"]).await;
        named(&rig).await;
        // What comes while it hangs is found too.
        rig.clip("B-CAM/B002.mov", 3000);
        found(&rig, &["B002.mov"]).await;
        card.thaw();
        found(&rig, &["A001.mov", "A002.mov"]).await;
        assert_eq!(rig.items().await.len(), 4, "each once");
    }
}

#[tokio::test]
async fn a_file_that_can_t_be_closed_keeps_nobody_waiting() {
    let rig = Setup::new().paired().await;
    let card = card_of(&rig);
    let first = card.clip("A001.mov", 50_000);
    card.on(Call::Close, None, Act::Hang);
    let id = rig.add(&first).await;
    let good = good_clips(&rig, 3).await;
    arrive(&rig, good).await;
    named(&rig).await;
    card.thaw();
    well_again(&rig).await;
    let id = match id {
        Ok(id) => id,
        Err(refused) => {
            assert_eq!(refused.name, "NotAnswering");
            rig.add(&first).await.unwrap()
        }
    };
    rig.wait_item(id, "done").await;
}

#[tokio::test]
async fn a_card_that_is_slow_is_none_that_hangs() {
    let rig = Setup::cloud(|c| c.chunk_size = 256 * 1024).paired().await;
    let card = card_of(&rig);
    for call in [Call::Lookup, Call::Open, Call::Read] {
        card.on(call, None, Act::Slow(Duration::from_millis(200)));
    }
    let clip = card.clip("A001.mov", 1_500_000);
    let id = rig.add(&clip).await.unwrap();
    rig.wait_item(id, "done").await;
    assert_eq!(rig.complete("A001.mov").len(), 1);
    assert!(!rig.log.all().iter().any(|line| line.contains("does not answer")));
}

#[tokio::test]
async fn a_card_that_fails_is_told_from_one_that_hangs() {
    let rig = Setup::new().paired().await;
    let card = card_of(&rig);
    let clip = card.clip("A001.mov", 50_000);
    card.on(Call::Read, None, Act::Fail);
    let item = rig.wait_item(rig.add(&clip).await.unwrap(), "failed").await;
    assert_eq!(text(&item, "reason"), "unreadable");
    assert_eq!(rig.blockers().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_daemon_stops_while_a_card_hangs() {
    for call in [Call::Open, Call::Read] {
        let mut rig = Setup::new().paired().await;
        let card = card_of(&rig);
        let clip = card.clip("A001.mov", 50_000);
        card.on(call, None, Act::Hang);
        let adding = async { drop(rig.add(&clip).await) };
        tokio::select! {
            () = async { adding.await; std::future::pending().await } => {}
            () = card.hangs(1) => {}
        }
        let began = Instant::now();
        let notes = rig.notes.len();
        rig.daemon.as_ref().unwrap().signal(rustix::process::Signal::TERM);
        rig.notes.wait(notes, "STOPPING=1").await;
        // Off the bus: nothing waits for the card any more. Of its threads only the kernel can rid the process.
        let gone = async {
            while rig.bus.owned(&rig.ui).await {
                tokio::task::yield_now().await;
            }
        };
        soon("the end of its work", gone).await;
        assert!(began.elapsed() < Duration::from_secs(15), "{call:?}: {:?}", began.elapsed());
        card.thaw();
        assert!(rig.daemon.take().unwrap().ended().await.success());
    }
}
