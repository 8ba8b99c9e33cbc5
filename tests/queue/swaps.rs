//! Cards that are changed, and clips that are changed on them, at bad moments.
use std::fs;
use std::os::unix::fs::FileExt as _;

use crate::cards::{
    Disk, PART, assert_delivered, date, hours_ago, movie, rig, rig_of, so_many, so_many_that,
};
use crate::common::*;
use crate::sources::found;
use crate::steering::set_limit;
use crate::whole::{Ftp, half};

/// Beside the cloud, which must answer meanwhile: what it is asked holds a clip open.
async fn ejected(mut disk: Disk) -> Disk {
    tokio::task::spawn_blocking(move || {
        disk.eject();
        disk
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn without_a_way_to_the_cloud_a_second_card_takes_the_place_of_none_of_the_first() {
    let rig = rig().await;
    let at = rig.path("media/card");
    rig.sim.inject("create:503:forever".parse().unwrap());
    let (mut hashes, mut cards) = (Vec::new(), Vec::new());
    for n in 0..2u64 {
        let mut disk = Disk::formatted(&rig, &n.to_string());
        disk.insert(&at);
        for clip in 1..=8u64 {
            let path = disk.clip(&format!("C{clip:04}.MOV"), 100_000 + clip as usize, 8 * n + clip);
            hashes.push(sha256(&path));
        }
        so_many_that(&rig, hashes.len(), "there", |_| true).await;
        cards.push(ejected(disk).await);
    }
    rig.sim.clear_faults();
    for (n, mut disk) in cards.into_iter().enumerate() {
        disk.insert(&at);
        rig.queue("Resume").await.unwrap();
        so_many(&rig, 8 * (n + 1), "done").await;
        assert_delivered(&rig, &hashes[..8 * (n + 1)]);
        ejected(disk).await;
    }
}

/// Pulled out in the middle, or only paused; and seen by its source as it is by then, or not yet.
#[tokio::test]
async fn what_was_changed_between_its_ends_while_it_waited_is_never_mixed_with_what_has_left() {
    for (pulled, found_again) in [(false, false), (false, true), (true, false), (true, true)] {
        // Each has bytes that are no evidence.
        let rig = rig_of(4 * PART).await;
        let at = rig.path("media/card");
        let mut disk = Disk::formatted(&rig, "1");
        disk.insert(&at);
        set_limit(&rig, 250_000).await.unwrap();
        let clip = disk.clip("C0001.MOV", 32 * PART as usize, 1);
        let before = sha256(&clip);
        let id = found(&rig, "C0001.MOV").await;
        let some = |i: &Dict| *i["sent"].downcast_ref::<&u64>().unwrap() >= 4 * PART;
        rig.wait_item_that(id, "some of it", some).await;
        rig.queue("Pause").await.unwrap();
        set_limit(&rig, 0).await.unwrap();
        let desk = rig.path("desk");
        if pulled {
            disk.eject();
            disk.insert(&desk);
        }
        let changed = if pulled { desk.join("C0001.MOV") } else { clip.clone() };
        // All but its ends, which are what counts as evidence.
        let file = fs::File::options().write(true).open(&changed).unwrap();
        file.write_all_at(&vec![0xEE; 30 * PART as usize], PART).unwrap();
        drop(file);
        date(&changed, hours_ago(1));
        if pulled {
            disk.eject();
            disk.insert(&at);
        }
        if found_again {
            // Whatever else was told has been seen when this is.
            disk.clip("PROBE.MOV", 5000, 2);
            found(&rig, "PROBE.MOV").await;
        }
        rig.queue("Resume").await.unwrap();
        rig.wait_item(id, "done").await;
        let whole: Vec<String> = rig.complete("C0001.MOV").into_iter().filter_map(|a| a.sha256).collect();
        assert_eq!(whole, [sha256(&clip)], "pulled {pulled}, found again {found_again}");
        assert!(!whole.contains(&before));
        disk.eject();
    }
}

#[tokio::test]
async fn of_a_clip_that_came_by_a_link_and_left_with_its_card_the_row_stays() {
    let rig = rig().await;
    let at = rig.path("media/card");
    let (mut first, mut second) = (Disk::formatted(&rig, "1"), Disk::formatted(&rig, "2"));
    rig.queue("Pause").await.unwrap();
    first.insert(&at);
    let hidden = first.clip(".made", 90_000, 1);
    fs::hard_link(&hidden, at.join("C0001.MOV")).unwrap();
    let linked = sha256(&at.join("C0001.MOV"));
    let id = found(&rig, "C0001.MOV").await;
    first.eject();
    second.insert(&at);
    let other = sha256(&second.clip("C0001.MOV", 90_000, 2));
    rig.wait_item(id, "away").await;
    rig.queue("Resume").await.unwrap();
    so_many(&rig, 1, "done").await;
    assert_delivered(&rig, std::slice::from_ref(&other));
    second.eject();
    first.insert(&at);
    rig.wait_item(id, "done").await;
    assert_delivered(&rig, &[other, linked]);
}

#[tokio::test]
async fn a_clip_whose_line_was_cut_is_one_asset_however_late_it_is_sent_again() {
    let rig = rig().await;
    let ftp = Ftp::start(&rig.path("media/card"));
    let whole = movie(800_000, 800_000, true);
    let path = rig.path("media/card/A001.MOV");
    let mut cut = half(&ftp, &path, &whole[..300_000]).await;
    cut.kill().unwrap();
    cut.wait().unwrap();
    let id = found(&rig, "A001.MOV").await;
    rig.wait_item(id, "incomplete").await;
    assert!(rig.sim.assets().is_empty(), "long after the settle time");
    ftp.send("A001.MOV", &whole);
    rig.wait_item(id, "done").await;
    assert_delivered(&rig, &[sha256(&path)]);
    // Of a format without a sign of its end the rest is a version of what had to be taken for all of it.
    let notes = rig.path("media/card/NOTES.BIN");
    fs::write(&notes, b"half").unwrap();
    so_many(&rig, 2, "done").await;
    fs::write(&notes, b"half, and the other half").unwrap();
    so_many(&rig, 3, "done").await;
    let versions: Vec<_> =
        rig.complete("NOTES.BIN").into_iter().map(|asset| asset.version_of.is_some()).collect();
    assert_eq!(versions, [false, true]);
}
