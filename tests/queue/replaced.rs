//! Other bytes at the path of a clip that was delivered, of the same size and date: a recorder without a clock, and tools that
//! write into clips and keep their dates. They are sent, whoever asks for them. Cards are images, so these need root.
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::cards::{Disk, PART, UNSET, ask, assert_delivered, date, rig as with_source, so_many};
use crate::common::*;

const SIZE: usize = 4 * PART as usize;

fn unset() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(UNSET)
}

/// How other bytes come there; the date is put back.
type Way = (&'static str, fn(&Path, u64));

const WAYS: &[Way] = &[
    ("written over in its place", |clip, seed| {
        fill(clip, SIZE, seed);
        date(clip, unset());
    }),
    ("removed and made anew", |clip, seed| {
        fs::remove_file(clip).unwrap();
        fill(clip, SIZE, seed);
        date(clip, unset());
    }),
    ("renamed over", |clip, seed| {
        let edited = clip.with_file_name(".edited");
        fill(&edited, SIZE, seed);
        date(&edited, unset());
        fs::rename(&edited, clip).unwrap();
    }),
    ("renamed over, and unlike only between its ends", |clip, seed| {
        let edited = clip.with_file_name(".edited");
        fs::copy(clip, &edited).unwrap();
        let middle = File::options().write(true).open(&edited).unwrap();
        middle.write_all_at(&seed.to_be_bytes(), SIZE as u64 / 2).unwrap();
        date(&edited, unset());
        fs::rename(&edited, clip).unwrap();
    }),
    ("its header patched in its place", |clip, seed| {
        File::options().write(true).open(clip).unwrap().write_all_at(&seed.to_be_bytes(), 40).unwrap();
        date(clip, unset());
    }),
    ("its end patched in its place", |clip, seed| {
        let file = File::options().write(true).open(clip).unwrap();
        file.write_all_at(&seed.to_be_bytes(), SIZE as u64 - 40).unwrap();
        date(clip, unset());
    }),
];

/// A card, and its one clip.
fn card(rig: &Rig, at: &Path) -> (Disk, std::path::PathBuf) {
    let mut disk = Disk::formatted(rig, "card");
    disk.insert(at);
    let clip = disk.clip("C0001.MOV", SIZE, 0);
    date(&clip, unset());
    (disk, clip)
}

#[tokio::test]
async fn a_person_who_adds_other_bytes_of_the_same_size_and_date_is_told_that_they_are_new() {
    let rig = Setup::cloud(|c| c.chunk_size = PART).paired().await;
    let (mut disk, clip) = card(&rig, &rig.path("media/reader"));
    let mut last = rig.add(&clip).await.unwrap();
    rig.wait_item(last, "done").await;
    let mut hashes = vec![sha256(&clip)];
    for (n, (what, replace)) in WAYS.iter().enumerate() {
        assert_eq!(ask(&rig, &clip, None).await, (last, "delivered".to_owned()), "before it is {what}");
        replace(&clip, 10 + n as u64);
        hashes.push(sha256(&clip));
        // One by one, and by the list.
        let id = if n % 2 == 0 {
            rig.add(&clip).await.unwrap()
        } else {
            let (id, word) = ask(&rig, &clip, None).await;
            assert_eq!(word, "new", "{what}");
            id
        };
        assert_ne!(id, last, "{what}");
        let item = rig.wait_item(id, "done").await;
        assert_eq!(text(&item, "reason"), "none", "{what}");
        assert_delivered(&rig, &hashes);
        last = id;
    }
    disk.eject();
}

#[tokio::test]
async fn a_source_that_finds_other_bytes_of_the_same_size_and_date_has_them_sent() {
    let rig = with_source().await;
    let (mut disk, clip) = card(&rig, &rig.path("media/card"));
    so_many(&rig, 1, "done").await;
    let mut hashes = vec![sha256(&clip)];
    for (n, (_, replace)) in WAYS.iter().enumerate() {
        replace(&clip, 10 + n as u64);
        hashes.push(sha256(&clip));
        so_many(&rig, hashes.len(), "done").await;
        assert_delivered(&rig, &hashes);
    }
    assert!(rig.blockers().await.is_empty());
    disk.eject();
}

/// The card is away meanwhile, and another machine or a recorder without a clock writes to it.
#[tokio::test]
async fn other_bytes_that_came_while_the_card_was_away_are_sent_too() {
    for by_source in [true, false] {
        let rig = if by_source {
            with_source().await
        } else {
            Setup::cloud(|c| c.chunk_size = PART).paired().await
        };
        let at = rig.path(if by_source { "media/card" } else { "media/reader" });
        let (mut disk, clip) = card(&rig, &at);
        if !by_source {
            rig.add(&clip).await.unwrap();
        }
        so_many(&rig, 1, "done").await;
        let mut hashes = vec![sha256(&clip)];
        let desk = rig.path("desk");
        // What is unlike between its ends only is taken for what it was: its card was away, and its date is the same.
        for (n, (what, replace)) in WAYS.iter().filter(|(what, _)| !what.contains("between")).enumerate() {
            disk.eject();
            disk.insert(&desk);
            replace(&desk.join("C0001.MOV"), 20 + n as u64);
            disk.eject();
            disk.insert(&at);
            hashes.push(sha256(&clip));
            if !by_source {
                assert_eq!(ask(&rig, &clip, None).await.1, "new", "{what}");
            }
            so_many(&rig, hashes.len(), "done").await;
            assert_delivered(&rig, &hashes);
        }
        disk.eject();
    }
}
