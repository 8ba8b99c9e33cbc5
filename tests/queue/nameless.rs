//! Cards that nobody can tell from others: file systems of FUSE, and in memory. What was begun goes on when its card is back
//! and has the bytes; what is alike and another goes beside it. These mount, so they need root.
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::cards::{PART, assert_delivered, date, hours_ago, so_many};
use crate::common::*;
use crate::fuse_card::FuseCard;
use crate::sources::{Card, card, found};
use crate::steering::set_limit;

const SIZE: usize = 8 * PART as usize;

/// Who queues what is on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Source,
    Person,
}

/// Paired; what lies on a card in `media/card` is found, or added by a person.
async fn rig(by: By) -> Rig {
    let drop_in = if by == By::Source { card("scan = \"1s\"\n").drop_in } else { String::new() };
    let mut rig = Setup { drop_in, ..Setup::cloud(|c| c.chunk_size = PART) }.build().await;
    fs::create_dir(rig.path("media/card")).unwrap();
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    rig
}

/// Old enough for nobody to write it any more, wherever that is.
fn clip(path: &Path, seed: u64) -> String {
    fill(path, SIZE, seed);
    date(path, hours_ago(72));
    sha256(path)
}

/// The clip is queued and some of it has left, and the queue stands still.
async fn begun(rig: &Rig, by: By, path: &Path) -> u64 {
    set_limit(rig, 60_000).await.unwrap();
    let id = match by {
        By::Source => found(rig, path.file_name().unwrap().to_str().unwrap()).await,
        By::Person => rig.add(path).await.unwrap(),
    };
    let some = |item: &Dict| *item["sent"].downcast_ref::<&u64>().unwrap() >= 3 * PART;
    rig.wait_item_that(id, "some of it", some).await;
    rig.queue("Pause").await.unwrap();
    set_limit(rig, 0).await.unwrap();
    id
}

/// Its card is out, and that is known.
async fn is_away(rig: &Rig, id: u64) {
    rig.queue("Resume").await.unwrap();
    rig.wait_item(id, "away").await;
}

/// How often it was seen that another file is at a clip's place.
fn displaced(rig: &Rig) -> usize {
    rig.log.all().iter().filter(|line| line.contains("another file is in its place")).count()
}

#[tokio::test]
async fn what_was_begun_on_a_card_without_a_name_goes_on_when_it_is_back() {
    for by in [By::Source, By::Person] {
        let rig = rig(by).await;
        let mut card = FuseCard::mount(rig.path("media/card"));
        let hash = clip(&card.behind().join("A001.MOV"), 1);
        let id = begun(&rig, by, &card.at.join("A001.MOV")).await;
        card.take_out();
        is_away(&rig, id).await;
        card.put_in();
        rig.wait_item(id, "done").await;
        assert_delivered(&rig, &[hash]);
        assert_eq!(rig.items().await.len(), 1, "{by:?}");
        assert_eq!(rig.sim.parts_begun_again(), vec![], "{by:?}");
        assert_eq!(displaced(&rig), 0, "{by:?}");
    }
}

#[tokio::test]
async fn what_was_begun_in_memory_goes_on_when_it_is_there_again() {
    for by in [By::Source, By::Person] {
        let rig = rig(by).await;
        let (at, kept) = (rig.path("media/card"), rig.path("A001.MOV"));
        let hash = clip(&kept, 1);
        let copied = || {
            assert!(
                std::process::Command::new("cp").arg("-p").arg(&kept).arg(&at).status().unwrap().success()
            )
        };
        let memory = Card::mount(at.clone());
        copied();
        let id = begun(&rig, by, &at.join("A001.MOV")).await;
        memory.pull();
        is_away(&rig, id).await;
        let _memory = Card::mount(at.clone());
        copied();
        if by == By::Person {
            // Nobody looks there but when something is mounted.
            assert_eq!(rig.add(at.join("A001.MOV")).await.unwrap(), id);
        }
        rig.wait_item(id, "done").await;
        assert_delivered(&rig, &[hash]);
        assert_eq!(rig.items().await.len(), 1, "{by:?}");
        assert_eq!(rig.sim.parts_begun_again(), vec![], "{by:?}");
    }
}

/// The same size, date and ends, and other bytes in between: two cards of cameras whose clocks were never set.
fn alike(path: PathBuf, seed: u64) -> String {
    clip(&path, 1);
    let middle = vec![seed as u8; SIZE - 2 * PART as usize];
    File::options().write(true).open(&path).unwrap().write_all_at(&middle, PART).unwrap();
    date(&path, hours_ago(72));
    sha256(&path)
}

#[tokio::test]
async fn what_is_alike_and_another_on_a_card_without_a_name_goes_beside_what_was_begun() {
    for by in [By::Source, By::Person] {
        let rig = rig(by).await;
        let mut card = FuseCard::mount(rig.path("media/card"));
        let behind = card.behind().join("A001.MOV");
        let mine = alike(behind.clone(), 3);
        let kept = rig.path("kept.mov");
        assert!(
            std::process::Command::new("cp").arg("-p").args([&behind, &kept]).status().unwrap().success()
        );
        let id = begun(&rig, by, &card.at.join("A001.MOV")).await;
        card.take_out();
        is_away(&rig, id).await;
        let other = alike(behind.clone(), 4);
        date(&behind, fs::metadata(&kept).unwrap().modified().unwrap());
        card.put_in();
        so_many(&rig, 1, "done").await;
        let whole =
            |hash: &String| rig.complete("A001.MOV").iter().any(|asset| asset.sha256.as_ref() == Some(hash));
        assert!(whole(&other), "{by:?}: {:#?}", rig.sim.assets());
        let stays = rig.wait_item(id, "away").await;
        assert!(text(&stays, "detail").contains("its card is back"), "{stays:#?}");
        // Other clips come and go, and the card is looked through again and again.
        for n in 0..3u64 {
            let name = format!("B{n:03}.MOV");
            clip(&card.behind().join(&name), 10 + n);
            let id = match by {
                By::Source => found(&rig, &name).await,
                By::Person => rig.add(card.at.join(&name)).await.unwrap(),
            };
            rig.wait_item(id, "done").await;
        }
        assert_eq!(displaced(&rig), 1, "{by:?}: it stays as it is");
        // Its own card comes back.
        card.take_out();
        assert!(
            std::process::Command::new("cp").arg("-p").args([&kept, &behind]).status().unwrap().success()
        );
        card.put_in();
        rig.wait_item(id, "done").await;
        assert!(whole(&mine) && whole(&other), "{by:?}: {:#?}", rig.sim.assets());
        assert_eq!(rig.complete("A001.MOV").len(), 2, "{by:?}");
        assert_eq!(rig.sim.assets().len(), 5, "{by:?}: what was begun went on");
    }
}
