//! What is done to a file while it is sent: whatever lies at its path in the end, no clip counts as sent whose asset was read
//! before and after somebody wrote to it.
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::cards::{PART, assert_delivered, date, hours_ago, rig as with_source, so_many};
use crate::common::*;
use crate::sources::found;
use crate::steering::set_limit;

const SIZE: usize = 8 * PART as usize;

/// Paired, and slow enough to be overtaken.
async fn rig() -> Rig {
    let rig = Setup::cloud(|c| c.chunk_size = PART).paired().await;
    set_limit(&rig, 60_000).await.unwrap();
    rig
}

async fn half_sent(rig: &Rig, id: u64) {
    rig.wait_item_that(id, "some of it", |i| *i["sent"].downcast_ref::<&u64>().unwrap() >= 2 * PART).await;
}

/// In its place, as a recorder patches its header.
fn patch(path: &Path, at: u64) {
    File::options().write(true).open(path).unwrap().write_all_at(b"patched", at).unwrap();
}

fn versions(rig: &Rig, hash: &str) -> usize {
    rig.sim.assets().iter().filter(|asset| asset.sha256.as_deref() == Some(hash)).count()
}

#[tokio::test]
async fn what_was_written_on_and_taken_away_is_not_called_sent() {
    // What had left already, and what was never to leave.
    for at in [0, PART + 5, SIZE as u64] {
        let rig = rig().await;
        let clip = rig.clip("A001.MOV", SIZE);
        let id = rig.add(&clip).await.unwrap();
        half_sent(&rig, id).await;
        patch(&clip, at);
        let hash = sha256(&clip);
        let kept = rig.path("kept.mov");
        fs::copy(&clip, &kept).unwrap();
        fs::remove_file(&clip).unwrap();
        set_limit(&rig, 0).await.unwrap();
        let item = rig.wait_item(id, "away").await;
        assert!(text(&item, "detail").contains("written on while it was sent"), "{at}");
        assert_eq!((text(&item, "asset_id").as_str(), versions(&rig, &hash)), ("", 0), "{at}");
        // It is brought back.
        fs::copy(&kept, &clip).unwrap();
        rig.queue_items("Retry", &[id]).await.unwrap();
        rig.wait_item(id, "done").await;
        assert_eq!(versions(&rig, &hash), 1, "{at}");
    }
}

#[tokio::test]
async fn what_was_only_taken_away_or_given_another_date_is_sent() {
    for touched in [false, true] {
        let rig = rig().await;
        let clip = rig.clip("A001.MOV", SIZE);
        let hash = sha256(&clip);
        let id = rig.add(&clip).await.unwrap();
        half_sent(&rig, id).await;
        if touched {
            date(&clip, hours_ago(5));
        }
        fs::remove_file(&clip).unwrap();
        set_limit(&rig, 0).await.unwrap();
        rig.wait_item(id, "done").await;
        assert_delivered(&rig, &[hash]);
    }
}

#[tokio::test]
async fn what_was_written_on_between_its_ends_is_begun_anew() {
    let rig = rig().await;
    let clip = rig.clip("A001.MOV", SIZE);
    let id = rig.add(&clip).await.unwrap();
    half_sent(&rig, id).await;
    // Neither end, nor the size.
    patch(&clip, PART + 5);
    let hash = sha256(&clip);
    set_limit(&rig, 0).await.unwrap();
    rig.wait_item(id, "done").await;
    assert_eq!((versions(&rig, &hash), rig.sim.assets().len()), (1, 2));
}

#[tokio::test]
async fn a_recorder_that_patches_and_renames_its_clip_has_it_sent_as_it_is_then() {
    let rig = with_source().await;
    set_limit(&rig, 60_000).await.unwrap();
    let [recording, clip] = ["R001.MOV", "A001.MOV"].map(|name| rig.path("media/card").join(name));
    fill(&recording, SIZE, 1);
    date(&recording, hours_ago(1));
    half_sent(&rig, found(&rig, "R001.MOV").await).await;
    patch(&recording, 4);
    fs::rename(&recording, &clip).unwrap();
    set_limit(&rig, 0).await.unwrap();
    let done = so_many(&rig, 1, "done").await;
    assert_eq!(versions(&rig, &sha256(&clip)), 1);
    let items = rig.items().await;
    let of_clip: Vec<_> = items.iter().filter(|item| text(item, "path").ends_with("/A001.MOV")).collect();
    assert!(
        of_clip.iter().any(|item| done.contains(item["id"].downcast_ref::<&u64>().unwrap())),
        "{items:#?}"
    );
    assert!(
        items.iter().all(|item| ["done", "cancelled"].contains(&text(item, "state").as_str())),
        "{items:#?}"
    );
}
