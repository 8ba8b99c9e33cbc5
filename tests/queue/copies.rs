//! The same clip twice, where neither was through when the other was begun. Cards are images, so these need root.
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::cards::{Disk, PART, assert_delivered, date, hours_ago, rig};
use crate::common::*;
use crate::sources::found;
use crate::steering::set_limit;

const SIZE: u64 = 8 * PART;

/// A card with a clip that differs from others in its middle only. Put in, and taken out again when some of it has arrived:
/// the card, the clip's number, and its bytes' hash.
async fn begun(rig: &Rig, at: &Path, name: &str, middle: &[u8]) -> (Disk, u64, String) {
    let mut disk = Disk::formatted(rig, name);
    set_limit(rig, 60_000).await.unwrap();
    disk.insert(at);
    // Under a name that nobody looks at, until it is what it will be.
    let clip = disk.clip("A001.MOV.filepart", SIZE as usize, 1);
    File::options().write(true).open(&clip).unwrap().write_all_at(middle, SIZE / 2).unwrap();
    date(&clip, hours_ago(1));
    let hash = sha256(&clip);
    fs::rename(&clip, at.join(name)).unwrap();
    let id = found(rig, name).await;
    rig.wait_item_that(id, "some of it", |i| *i["sent"].downcast_ref::<&u64>().unwrap() >= PART).await;
    rig.queue("Pause").await.unwrap();
    disk.eject();
    rig.queue("Resume").await.unwrap();
    rig.wait_item(id, "away").await;
    (disk, id, hash)
}

#[tokio::test]
async fn of_two_that_were_begun_one_is_sent_and_the_other_was_delivered() {
    let rig = rig().await;
    let (at, beside) = (rig.path("media/card/a"), rig.path("media/card/b"));
    let (mut first, one, hash) = begun(&rig, &at, "A001.MOV", b"").await;
    let (mut second, other, _) = begun(&rig, &beside, "B001.MOV", b"").await;
    assert_eq!(rig.sim.assets().len(), 2, "each was begun");
    set_limit(&rig, 0).await.unwrap();
    first.insert(&at);
    rig.wait_item(one, "done").await;
    second.insert(&beside);
    let copy = rig.wait_item(other, "done").await;
    assert_eq!(text(&copy, "reason"), "duplicate");
    assert_eq!(text(&copy, "detail"), format!("the same clip as #{one}, which was delivered"));
    assert_eq!(text(&copy, "asset_id"), text(&rig.items().await[0], "asset_id"));
    let complete: Vec<_> = rig.sim.assets().into_iter().filter_map(|asset| asset.sha256).collect();
    assert_eq!((complete, rig.sim.assets().len()), (vec![hash], 2), "the rest of it was not sent");
    assert_eq!(rig.get::<u32>(QUEUE, "Orphans").await, 1);
}

#[tokio::test]
async fn of_two_that_were_begun_and_differ_between_their_ends_each_goes_on() {
    let rig = rig().await;
    let (at, beside) = (rig.path("media/card/a"), rig.path("media/card/b"));
    let (mut first, one, hash) = begun(&rig, &at, "A001.MOV", b"a").await;
    let (mut second, other, of_other) = begun(&rig, &beside, "B001.MOV", b"b").await;
    set_limit(&rig, 0).await.unwrap();
    first.insert(&at);
    rig.wait_item(one, "done").await;
    second.insert(&beside);
    let sent = rig.wait_item(other, "done").await;
    assert_eq!(text(&sent, "reason"), "none");
    assert_delivered(&rig, &[hash, of_other]);
}
