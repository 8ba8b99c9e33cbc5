//! Cards as cameras format them, and what boards put over them: a clip is known by its bytes there too, where a file system
//! has no UUID that anybody wrote down, inodes of its own making, or two layers.
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cards::{Disk, Format, assert_delivered, date, hours_ago, rig, run, so_many};
use crate::common::*;
use crate::sources::found;

/// Two cards with the same names and dates, each pulled and put back, and one of them renamed and mounted elsewhere.
async fn two_cards_that_are_alike(format: Format) {
    let rig = rig().await;
    let at = rig.path("media/card");
    let (mut first, mut second) = (Disk::with(format, &rig, "1"), Disk::with(format, &rig, "2"));
    let names = ["DCIM/100/C0001.MOV", "DCIM/100/C0002.MOV"];
    let fill = |disk: &Disk, seed: u64| -> Vec<PathBuf> {
        names.iter().enumerate().map(|(n, name)| disk.clip(name, 300_000 + n, seed + n as u64)).collect()
    };
    rig.queue("Pause").await.unwrap();
    first.insert(&at);
    let mut hashes: Vec<_> = fill(&first, 0).iter().map(|clip| sha256(clip)).collect();
    let of_first = so_many(&rig, 2, "queued").await;
    first.eject();
    second.insert(&at);
    hashes.extend(fill(&second, 10).iter().map(|clip| sha256(clip)));
    assert_eq!(so_many(&rig, 2, "away").await, of_first, "their card is not there");
    rig.queue("Resume").await.unwrap();
    so_many(&rig, 2, "done").await;
    assert_delivered(&rig, &hashes[2..]);
    second.eject();
    first.insert(&at);
    so_many(&rig, 4, "done").await;
    assert_delivered(&rig, &hashes);
    fs::rename(at.join("DCIM/100"), at.join("DCIM/100_OK")).unwrap();
    first.eject();
    first.insert(&rig.path("media/card/reader2"));
    let probe = first.clip("PROBE.MOV", 5000, 99);
    rig.wait_item(found(&rig, "PROBE.MOV").await, "done").await;
    hashes.push(sha256(&probe));
    assert_delivered(&rig, &hashes);
    first.eject();
}

#[tokio::test]
async fn exfat_cards_that_are_alike_are_told_apart_and_known_again() {
    two_cards_that_are_alike(Format::ExFat).await;
}

#[tokio::test]
async fn ntfs_disks_that_are_alike_are_told_apart_and_known_again() {
    two_cards_that_are_alike(Format::Ntfs).await;
}

/// What is written lies on another layer than the card, as on a board whose root is read-only.
struct Overlay(PathBuf);

impl Overlay {
    fn mount(rig: &Rig, at: PathBuf) -> Overlay {
        // Not every file system may hold the upper layer; the tests' own may be an overlay itself.
        let layers = rig.path("layers");
        fs::create_dir(&layers).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&layers));
        let overlay = Overlay(at);
        for layer in ["lower", "upper", "work"] {
            fs::create_dir(layers.join(layer)).unwrap();
        }
        overlay
    }

    fn layer(rig: &Rig, name: &str) -> PathBuf {
        rig.path("layers").join(name)
    }

    fn lay(&self, rig: &Rig) {
        let layer = |name| Overlay::layer(rig, name).display().to_string();
        let options =
            format!("lowerdir={},upperdir={},workdir={}", layer("lower"), layer("upper"), layer("work"));
        run(Command::new("mount").args(["-t", "overlay", "none", "-o", &options]).arg(&self.0));
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let layers = self.0.ancestors().nth(2).map(|home| home.join("layers"));
        for mounted in [Some(self.0.clone()), layers].into_iter().flatten() {
            let _ = Command::new("umount").args(["-q", "-l"]).arg(mounted).status();
        }
    }
}

fn append(path: &Path, more: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(more).unwrap();
}

#[tokio::test]
async fn on_an_overlay_a_clip_is_the_same_when_it_moves_to_the_upper_layer() {
    let rig = rig().await;
    let at = rig.path("media/card");
    let overlay = Overlay::mount(&rig, at.clone());
    let below = Overlay::layer(&rig, "lower").join("A001.MOV");
    fill(&below, 300_000, 1);
    date(&below, hours_ago(2));
    let first = sha256(&below);
    overlay.lay(&rig);
    rig.wait_item(found(&rig, "A001.MOV").await, "done").await;
    // A file manager touches it: the kernel copies it up, with another inode.
    let clip = at.join("A001.MOV");
    date(&clip, hours_ago(1));
    let new = at.join("A002.MOV");
    fill(&new, 5000, 2);
    rig.wait_item(found(&rig, "A002.MOV").await, "done").await;
    assert_delivered(&rig, &[first.clone(), sha256(&new)]);
    // It grows: the next version.
    append(&clip, b"and more");
    so_many(&rig, 3, "done").await;
    assert_delivered(&rig, &[first, sha256(&new), sha256(&clip)]);
}
