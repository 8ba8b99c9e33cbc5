//! What the queue promises, whatever the way clips go: every row is tried on each.
use std::path::PathBuf;

use crate::common::*;
use crate::place::{Kind, Place, Unusual, What};

/// More than two parts of each way.
const LONG: usize = 34 * MIB + 12_345;
/// Slow enough to be met in the middle.
const SLOW: u64 = 8_000_000;

/// A test of each way for each row.
macro_rules! table {
    ($($row:ident: $($kind:ident)+;)+) => { $(
        mod $row {
            $(
                #[tokio::test]
                async fn $kind() {
                    super::$row(super::$kind).await;
                }
            )+
        }
    )+ };
}

#[allow(non_upper_case_globals, reason = "the table's columns, which name tests")]
const frameio: Kind = Kind::Frameio;
#[allow(non_upper_case_globals, reason = "the table's columns, which name tests")]
const s3: Kind = Kind::S3;
#[allow(non_upper_case_globals, reason = "the table's columns, which name tests")]
const tus: Kind = Kind::Tus;

table! {
    every_size_and_name: frameio s3 tus;
    killed_at_every_event: frameio s3 tus;
    cut_in_the_middle: frameio s3 tus;
    an_answer_that_is_lost: frameio s3 tus;
    access_that_ends_in_the_middle: frameio s3 tus;
    a_clock_in_1970: frameio s3 tus;
    an_upload_that_is_forgotten_there: frameio s3 tus;
    no_room_there: frameio s3 tus;
    a_refusal: frameio s3 tus;
    another_binding: frameio s3 tus;
    paused_in_the_middle: frameio s3 tus;
    cleared_in_the_middle: frameio s3 tus;
    written_on_after_it_was_sent: frameio s3 tus;
    what_was_confirmed_is_lost_there: tus;
}

async fn usual(kind: Kind) -> Place {
    Place::new(kind, Unusual::default()).await
}

/// Sends it, and it is there.
async fn send(place: &Place, clip: &PathBuf) {
    let id = place.rig.add(clip).await.unwrap();
    place.rig.wait_item(id, "done").await;
    place.has(clip).await;
}

/// A clip of which some has left and some has not.
async fn half_sent(place: &Place, name: &str) -> (PathBuf, u64) {
    place.limit(SLOW).await;
    let clip = place.rig.clip(name, LONG);
    let id = place.rig.add(&clip).await.unwrap();
    place.sent(id, 1).await;
    (clip, id)
}

async fn every_size_and_name(kind: Kind) {
    let place = usual(kind).await;
    let clips: Vec<PathBuf> = [
        ("A001_C001.mov", 3000),
        ("one byte.wav", 1),
        ("long.mxf", LONG),
        ("a whole part.mp4", 8 * MIB),
        ("two.mp4", 16 * MIB),
        ("Ä+b c%20&?#.mp4", 5000),
        ("日本語.mov", 77),
    ]
    .map(|(name, size)| place.rig.clip(name, size))
    .into();
    let paths: Vec<&str> = clips.iter().map(|clip| clip.to_str().unwrap()).collect();
    for id in place.rig.add_many(&paths).await.unwrap() {
        place.rig.wait_item(id, "done").await;
    }
    for clip in &clips {
        place.has(clip).await;
    }
    assert_eq!(place.unfinished().await, 0);
}

/// After each line that the daemon writes, in one run after the other, until a clip is through before there are so many.
async fn killed_at_every_event(kind: Kind) {
    let mut place = usual(kind).await;
    let mut kills = 0;
    for lines in 1.. {
        let clip = place.rig.clip(&format!("kill {lines}.mov"), LONG / 2);
        let said = place.rig.log.len();
        let id = place.rig.add(&clip).await.unwrap();
        let is_through = tokio::select! {
            biased;
            () = place.rig.log.grown_to(said + lines) => false,
            _ = place.rig.wait_item(id, "done") => true,
        };
        if !is_through {
            kills += 1;
            place.rig.kill_and_start().await;
            place.rig.wait_item(id, "done").await;
        }
        place.has(&clip).await;
        if is_through {
            break;
        }
    }
    assert!(kills > 5, "{kills}");
    assert!(place.rig.stop().await.success());
    let (left, known) = (place.unfinished().await, place.orphans().await);
    assert!(left <= known, "{left} uploads are left there, and the rig knows of {known}");
}

async fn cut_in_the_middle(kind: Kind) {
    let place = usual(kind).await;
    for (n, bytes) in [0, 3 * MIB as u64, 20 * MIB as u64].into_iter().enumerate() {
        let clip = place.rig.clip(&format!("cut {n}.mov"), LONG);
        // Of a part, there; of the line, elsewhere.
        place.cut_after(if kind == Kind::Frameio { bytes.min(7 << 20) } else { bytes });
        send(&place, &clip).await;
        assert!(place.has_struck().await);
    }
    assert_eq!(place.unfinished().await, 0);
}

async fn an_answer_that_is_lost(kind: Kind) {
    let place = usual(kind).await;
    for (n, what) in [What::Begin, What::Part, What::Part].into_iter().enumerate() {
        let clip = place.rig.clip(&format!("lost {n}.mov"), LONG);
        place.lose_answer(what);
        send(&place, &clip).await;
        assert!(place.has_struck().await);
    }
    let left = place.unfinished().await;
    assert!(left <= 1, "only what nobody has the name of: {left}");
}

async fn access_that_ends_in_the_middle(kind: Kind) {
    let place = Place::new(kind, Unusual { brief: Some(5), ..Unusual::default() }).await;
    place.limit(4_000_000).await;
    let clip = place.rig.clip("long.mov", LONG);
    send(&place, &clip).await;
    assert_eq!((place.rig.state().await.as_str(), place.unfinished().await), ("paired", 0));
}

async fn a_clock_in_1970(kind: Kind) {
    let place = Place::new(kind, Unusual { clock: Some(EARLY), ..Unusual::default() }).await;
    for (name, size) in [("short.mov", 4000), ("long.mov", LONG)] {
        send(&place, &place.rig.clip(name, size)).await;
    }
    for date in place.dates().await {
        assert!(date.starts_with("20"), "by the server's clock: {date}");
    }
}

async fn an_upload_that_is_forgotten_there(kind: Kind) {
    let place = usual(kind).await;
    let (clip, id) = half_sent(&place, "forgotten.mov").await;
    place.forget().await;
    place.limit(0).await;
    place.rig.wait_item(id, "done").await;
    place.has(&clip).await;
}

async fn no_room_there(kind: Kind) {
    let place = usual(kind).await;
    place.refuse_parts(2, 507, "InsufficientStorage").await;
    send(&place, &place.rig.clip("full.mov", 5000)).await;
    assert!(place.has_struck().await);
}

async fn a_refusal(kind: Kind) {
    let place = usual(kind).await;
    place.refuse_parts(1, 403, "AccessDenied").await;
    let clip = place.rig.clip("refused.mov", 5000);
    let id = place.rig.add(&clip).await.unwrap();
    if kind != Kind::Frameio {
        // There it may be the address, and another is asked for. Here it is believed.
        let told = |i: &Dict| text(i, "detail").contains("403");
        place.rig.wait_item_that(id, "the storage's word", told).await;
        place.rig.queue_items("Retry", &[id]).await.unwrap();
    }
    place.rig.wait_item(id, "done").await;
    place.has(&clip).await;
    assert!(place.has_struck().await);
    let state = (place.rig.state().await, place.rig.reason().await);
    assert_eq!(state, ("paired".to_owned(), "none".to_owned()), "the sign-in is none of the storage's");
}

async fn another_binding(kind: Kind) {
    let mut place = usual(kind).await;
    place.rig.queue("Pause").await.unwrap();
    let clip = place.rig.clip("mine.mov", 4000);
    let id = place.rig.add(&clip).await.unwrap();
    if kind == Kind::Frameio {
        place.rig.unpair().await.unwrap();
        place.rig.wait_state("unpaired").await;
        place.rig.pair_with("Second Unit").await;
        place.rig.wait_item(id, "held").await;
        place.rig.unpair().await.unwrap();
        place.rig.wait_state("unpaired").await;
        place.rig.pair().await;
    } else {
        let here = place.rig.setup.drop_in.clone();
        let elsewhere = here.replace("\"footage\"", "\"elsewhere\"").replace("/files\"", "/elsewhere\"");
        for (told, state) in [(elsewhere, "held"), (here, "queued")] {
            place.rig.setup.drop_in = told;
            assert!(place.rig.stop().await.success());
            place.rig.write_config();
            place.rig.start().await;
            place.rig.wait_item(id, state).await;
        }
    }
    place.rig.queue("Resume").await.unwrap();
    place.rig.wait_item(id, "done").await;
    place.has(&clip).await;
}

async fn paused_in_the_middle(kind: Kind) {
    let mut place = usual(kind).await;
    let (clip, id) = half_sent(&place, "paused.mov").await;
    place.rig.queue("Pause").await.unwrap();
    place.rig.wait_item(id, "queued").await;
    place.limit(0).await;
    place.rig.kill_and_start().await;
    place.rig.wait_item(id, "queued").await;
    place.rig.queue("Resume").await.unwrap();
    place.rig.wait_item(id, "done").await;
    place.has(&clip).await;
    assert_eq!(place.unfinished().await, 0, "what was begun was gone on with");
}

async fn cleared_in_the_middle(kind: Kind) {
    let mut place = usual(kind).await;
    let (clip, id) = half_sent(&place, "cleared.mov").await;
    place.rig.queue_items("Cancel", &[id]).await.unwrap();
    place.rig.wait_item(id, "cancelled").await;
    let options = std::collections::HashMap::from([("ids", zbus::Variant::from(vec![id]))]);
    place.rig.call(QUEUE, "Clear", &(options,)).await.unwrap();
    place.limit(0).await;
    if kind != Kind::Frameio {
        let none = async {
            while place.unfinished().await > 0 {
                tokio::task::yield_now().await;
            }
        };
        soon("that nothing is left there", none).await;
    }
    assert_eq!(place.found(&clip).await.len(), 0);
    assert!(place.rig.stop().await.success());
    assert_eq!(place.orphans().await, place.unfinished().await);
}

async fn written_on_after_it_was_sent(kind: Kind) {
    let place = usual(kind).await;
    let clip = place.rig.clip("again.mov", 9000);
    send(&place, &clip).await;
    let before = std::fs::read(&clip).unwrap();
    fill(&clip, 9500, 77);
    let id = place.rig.add(&clip).await.unwrap();
    place.rig.wait_item(id, "done").await;
    let there = place.found(&clip).await;
    assert_eq!(there.len(), 2, "the one and the other, and neither in the other's place");
    assert!(there.contains(&before) && there.contains(&std::fs::read(&clip).unwrap()));
}

async fn what_was_confirmed_is_lost_there(kind: Kind) {
    for bytes in [0, 5 * MIB as u64, 8 * MIB as u64] {
        let mut place = usual(kind).await;
        let (clip, id) = half_sent(&place, "lost.mov").await;
        place.sent(id, 9 * MIB as u64).await;
        place.rig.kill().await;
        place.tus().shorten(bytes).await;
        place.rig.start().await;
        place.limit(0).await;
        place.rig.wait_item(id, "done").await;
        place.has(&clip).await;
        assert_eq!(place.unfinished().await, 0);
        let begun = place.tus().log().await.iter().filter(|asked| asked.method == "POST").count();
        assert_eq!(begun, 1, "it was gone on with");
    }
}
