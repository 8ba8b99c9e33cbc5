//! A tus server: what is its own.
use serde_json::json;

use crate::common::*;
use crate::place::{Kind, Place, Unusual};

async fn place() -> Place {
    Place::new(Kind::Tus, Unusual::default()).await
}

#[tokio::test]
async fn bytes_leave_in_bounded_requests_one_after_the_other_and_none_twice() {
    let place = place().await;
    let size = 20 * MIB + 5;
    let clip = place.rig.clip("long.mov", size);
    let id = place.rig.add(&clip).await.unwrap();
    place.rig.wait_item(id, "done").await;
    place.has(&clip).await;
    let log = place.tus().log().await;
    let patches: Vec<&TusRequest> = log.iter().filter(|r| r.method == "PATCH").collect();
    let mut next = 0;
    for patch in &patches {
        assert_eq!(patch.offset, next, "{patches:?}");
        assert!(patch.length <= 8 << 20 && patch.status == Some(204), "{patch:?}");
        next += patch.length as i64;
    }
    assert_eq!(next, size as i64);
    let asked = |method: &str| log.iter().filter(|r| r.method == method).count();
    assert_eq!((asked("OPTIONS"), asked("POST"), asked("HEAD")), (1, 1, 1), "{log:?}");
}

#[tokio::test]
async fn the_server_is_told_what_is_known_of_the_clip() {
    let place = place().await;
    let clip = place.rig.clip("Ä 1.mov", 5000);
    let id = place.rig.add(&clip).await.unwrap();
    place.rig.wait_item(id, "done").await;
    let [upload] = &place.tus().uploads().await[..] else { panic!("one upload") };
    let told = |key: &str| upload.metadata[key].as_str();
    assert_eq!((told("filename"), told("filetype")), ("Ä 1.mov", "video/quicktime"));
    assert!(told("rigpost-clip").contains(&format!("-{id}-")), "{:?}", upload.metadata);
    assert!(told("rigpost-created").starts_with("20") && !told("rigpost-device").is_empty());
    let item = place.rig.item(id).await;
    assert_eq!(text(&item, "asset_id"), upload.id);
}

#[tokio::test]
async fn of_a_request_that_was_cut_the_rest_leaves_and_no_more() {
    let place = place().await;
    place.tus().fault("PATCH", json!({ "cut": 5 * MIB })).await;
    let clip = place.rig.clip("cut.mov", 8 * MIB);
    let id = place.rig.add(&clip).await.unwrap();
    place.rig.wait_item(id, "done").await;
    place.has(&clip).await;
    let log = place.tus().log().await;
    let last = log.iter().rfind(|r| r.method == "PATCH").unwrap();
    assert!(last.offset >= 4 * MIB as i64, "the server has kept what came: {log:?}");
}

#[tokio::test]
async fn where_bytes_were_cut_is_asked_before_more_leave() {
    let place = place().await;
    // On a connection that has carried a part before.
    place.tus().fault("PATCH", json!({ "cut": 5 * MIB, "after": 1 })).await;
    let clip = place.rig.clip("cut.mov", 20 * MIB);
    let id = place.rig.add(&clip).await.unwrap();
    place.rig.wait_item(id, "done").await;
    place.has(&clip).await;
    let log = place.tus().log().await;
    assert!(log.iter().all(|r| r.status != Some(409)), "{log:?}");
}

#[tokio::test]
async fn requests_that_something_takes_no_larger_are_made_smaller() {
    let place = Place::new(Kind::Tus, Unusual { largest: MIB as u64, ..Unusual::default() }).await;
    let (long, short) = (place.rig.clip("long.mov", 9 * MIB), place.rig.clip("short.mov", 900_000));
    for clip in [&long, &short] {
        let id = place.rig.add(clip).await.unwrap();
        place.rig.wait_item(id, "done").await;
        place.has(clip).await;
    }
    let log = place.tus().log().await;
    let too_large = log.iter().filter(|r| r.length > MIB as u64).count();
    assert_eq!(too_large, 1, "it is found out once: {log:?}");
    assert_eq!(place.tus().uploads().await.len(), 2, "nothing is left of the first");
}

#[tokio::test]
async fn an_upload_of_which_nobody_knows_keeps_nobody_waiting() {
    let place = place().await;
    let clip = place.rig.clip("long.mov", 20 * MIB);
    place.tus().fault("PATCH", json!({ "status": 503, "times": 1000, "after": 1 })).await;
    let id = place.rig.add(&clip).await.unwrap();
    place.rig.wait_item_that(id, "a part there", |i| *i["sent"].downcast_ref::<&u64>().unwrap() > 0).await;
    place.tus().forget_without_a_word().await;
    place.tus().mend().await;
    for _ in 0..2 {
        place.rig.queue_items("Retry", &[id]).await.unwrap();
        let told = |i: &Dict| text(i, "state") == "queued" && text(i, "detail").contains("HTTP 404");
        place.rig.wait_item_that(id, "put aside", told).await;
        let other = place.rig.clip("other.mov", 5000);
        let other = place.rig.add(&other).await.unwrap();
        place.rig.wait_item(other, "done").await;
    }
    // The server itself was asked, and the rig has heard it.
    let log = place.tus().log().await;
    assert!(log.iter().filter(|r| r.method == "OPTIONS").count() > 1, "{log:?}");
}

#[tokio::test]
async fn a_server_that_breaks_off_where_it_is_asked_what_it_can_gets_clips() {
    let place = place().await;
    place.tus().fault("OPTIONS", json!({ "lost": true, "times": 1000 })).await;
    let clip = place.rig.clip("short.mov", 5000);
    let id = place.rig.add(&clip).await.unwrap();
    place.rig.wait_item(id, "done").await;
    place.has(&clip).await;
}

#[tokio::test]
async fn an_upload_that_was_finished_is_never_taken_away() {
    let mut place = place().await;
    // All of it is there, and nobody hears of it: each answer is lost, and then somebody wants it no more.
    place.tus().fault("PATCH", json!({ "lost": true, "times": 1000 })).await;
    place.tus().fault("HEAD", json!({ "status": 503, "times": 1000, "after": 1 })).await;
    let clip = place.rig.clip("finished.mov", 5000);
    let id = place.rig.add(&clip).await.unwrap();
    let there = async {
        while place.found(&clip).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon("all of it", there).await;
    place.rig.queue_items("Cancel", &[id]).await.unwrap();
    place.rig.wait_item(id, "cancelled").await;
    let options = std::collections::HashMap::from([("ids", zbus::Variant::from(vec![id]))]);
    place.rig.call(QUEUE, "Clear", &(options,)).await.unwrap();
    place.rig.kill_and_start().await;
    let forgotten = async {
        loop {
            let left = place.rig.column("SELECT upload FROM abandoned");
            if left.is_empty() {
                return;
            }
            // The next one is looked at as well.
            place.tus().mend().await;
            let other = place.rig.add(place.rig.clip("other.mov", 6000)).await.unwrap();
            place.rig.wait_item(other, "done").await;
        }
    };
    soon("that nobody has to give it up", forgotten).await;
    place.has(&clip).await;
    let log = place.tus().log().await;
    assert!(log.iter().all(|r| r.method != "DELETE"), "{log:?}");
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_renewed_and_named() {
    let place = place().await;
    for (times, words) in [(1, "the sign-in is renewed first"), (1000, "does not take the sign-in's token")] {
        place.tus().fault("POST", json!({ "status": 401, "times": times })).await;
        let clip = place.rig.clip(&format!("refused {times}.mov"), 5000);
        let id = place.rig.add(&clip).await.unwrap();
        let told = |i: &Dict| text(i, "detail").contains(words);
        place.rig.wait_item_that(id, words, told).await;
        assert_eq!(place.rig.state().await, "paired");
        if times == 1 {
            place.rig.wait_item(id, "done").await;
            place.has(&clip).await;
        }
    }
}

#[tokio::test]
async fn what_stands_in_the_way_is_named() {
    for (method, status, words) in [
        ("POST", 404, "`delivery.endpoint` is another"),
        ("POST", 413, "takes no clip of this size"),
        ("POST", 403, "HTTP 403"),
        ("PATCH", 403, "HTTP 403"),
        ("PATCH", 410, "HTTP 410"),
    ] {
        let place = place().await;
        place.tus().fault(method, json!({ "status": status, "times": 1000 })).await;
        let id = place.rig.add(place.rig.clip("short.mov", 4000)).await.unwrap();
        let told = |i: &Dict| text(i, "detail").contains(words);
        place.rig.wait_item_that(id, words, told).await;
        assert_eq!(place.rig.state().await, "paired");
    }
}
