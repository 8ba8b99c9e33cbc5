//! What people do with cards: a clip is its bytes, wherever it lies and whatever it is called. Real file systems in images,
//! which are put in and pulled out, so these need root.
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use zbus::Variant;

use crate::common::*;
use crate::sources::{card, found};
use crate::steering::set_limit;

/// 1980-01-01: what a camera writes whose clock was never set.
pub(crate) const UNSET: u64 = 315_532_800;

pub(crate) const PART: u64 = 64 * 1024;

/// What a card is formatted with. Those of cameras are mounted by FUSE, as on a board whose kernel has no driver.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    Ext4,
    ExFat,
    Ntfs,
}

/// A card with a file system of its own.
pub(crate) struct Disk {
    format: Format,
    image: PathBuf,
    at: Option<PathBuf>,
}

impl Disk {
    pub(crate) fn formatted(rig: &Rig, name: &str) -> Disk {
        Disk::with(Format::Ext4, rig, name)
    }

    pub(crate) fn with(format: Format, rig: &Rig, name: &str) -> Disk {
        let image = rig.path(&format!("{name}.img"));
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        match format {
            Format::Ext4 => run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image)),
            Format::ExFat => run(Command::new("mkfs.exfat").arg(&image)),
            Format::Ntfs => run(Command::new("mkfs.ntfs").args(["-q", "-Q", "-F"]).arg(&image)),
        }
        Disk { format, image, at: None }
    }

    pub(crate) fn insert(&mut self, at: &Path) {
        fs::create_dir_all(at).unwrap();
        let kind = match self.format {
            Format::Ext4 => "ext4",
            Format::ExFat => "exfat-fuse",
            Format::Ntfs => "ntfs-3g",
        };
        run(Command::new("mount").args(["-t", kind, "-o", "loop"]).arg(&self.image).arg(at));
        self.at = Some(at.to_owned());
    }

    /// As soon as nobody has anything open on it.
    pub(crate) fn eject(&mut self) {
        let at = self.at.take().expect("it is in");
        let unmounted = || Command::new("umount").arg("-q").arg(&at).status().unwrap().success();
        let tries = (0..500).any(|_| {
            unmounted() || {
                std::thread::sleep(Duration::from_millis(20));
                false
            }
        });
        assert!(tries, "{} can't be removed", at.display());
    }

    /// A clip on it, which is in, with bytes of its own.
    pub(crate) fn clip(&self, name: &str, size: usize, seed: u64) -> PathBuf {
        let path = self.at.as_ref().expect("it is in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fill(&path, size, seed);
        date(&path, hours_ago(1));
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(at) = &self.at {
            let _ = Command::new("umount").args(["-q", "-l"]).arg(at).status();
        }
    }
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output();
    let needs = "this needs root, loop devices, FUSE, and what tests/setup installs";
    assert!(output.as_ref().is_ok_and(|o| o.status.success()), "{command:?}: {needs}: {output:?}");
}

pub(crate) fn hours_ago(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap() - Duration::from_secs(3600 * n)
}

pub(crate) fn date(path: &Path, then: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

/// Paired, with the source `media/card`.
pub(crate) async fn rig() -> Rig {
    rig_of(PART).await
}

/// The same, whose cloud wants parts of that size.
pub(crate) async fn rig_of(part: u64) -> Rig {
    let setup = Setup { drop_in: card("").drop_in, ..Setup::cloud(|c| c.chunk_size = part) };
    let mut rig = setup.build().await;
    fs::create_dir(rig.path("media/card")).unwrap();
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    rig
}

/// Numbers of the items in a state, once there are so many.
pub(crate) async fn so_many(rig: &Rig, count: usize, state: &str) -> BTreeSet<u64> {
    so_many_that(rig, count, state, |i| text(i, "state") == state).await
}

/// Numbers of the items that are wanted, once there are so many.
pub(crate) async fn so_many_that(
    rig: &Rig,
    count: usize,
    what: &str,
    wanted: impl Fn(&Dict) -> bool,
) -> BTreeSet<u64> {
    let mut signals = rig.bus.signals(&rig.ui).await;
    let mut last = Vec::new();
    let look = async {
        loop {
            last = rig.items().await;
            let of_these = last.iter().filter(|i| wanted(i));
            let ids: BTreeSet<u64> = of_these.map(|i| *i["id"].downcast_ref::<&u64>().unwrap()).collect();
            if ids.len() == count {
                return ids;
            }
            signals.next().await.expect("the bus is there").unwrap();
        }
    };
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(ids) => ids,
        Err(_) => panic!("waited for {count} items that are {what}; there are {last:#?}"),
    }
}

/// Exactly these bytes are in the cloud, each once, and nothing else was begun.
pub(crate) fn assert_delivered(rig: &Rig, hashes: &[String]) {
    let assets = rig.sim.assets();
    let mut there: Vec<String> = assets.iter().filter_map(|asset| asset.sha256.clone()).collect();
    let mut wanted = hashes.to_vec();
    there.sort();
    wanted.sort();
    assert!(there == wanted && assets.len() == wanted.len(), "{assets:#?}");
}

#[tokio::test]
async fn a_second_card_with_the_same_names_takes_the_place_of_none_of_the_first() {
    let rig = rig().await;
    let at = rig.path("media/card");
    let (mut first, mut second) = (Disk::formatted(&rig, "1"), Disk::formatted(&rig, "2"));
    rig.queue("Pause").await.unwrap();
    let (mut hashes, names) = (Vec::new(), ["C0001.MOV", "C0002.MOV", "C0003.MOV"]);
    first.insert(&at);
    for (n, name) in names.iter().enumerate() {
        hashes.push(sha256(&first.clip(name, 300_000 + 1000 * n, n as u64)));
    }
    let of_first = so_many(&rig, 3, "queued").await;
    first.eject();
    second.insert(&at);
    for (n, name) in names.iter().enumerate() {
        hashes.push(sha256(&second.clip(name, 300_001 + 1000 * n, 10 + n as u64)));
    }
    assert_eq!(so_many(&rig, 3, "away").await, of_first, "their card is not there");
    rig.queue("Resume").await.unwrap();
    so_many(&rig, 3, "done").await;
    assert_delivered(&rig, &hashes[3..]);
    assert!(rig.blockers().await.contains(&"away".to_owned()));
    second.eject();
    first.insert(&at);
    so_many(&rig, 6, "done").await;
    assert_delivered(&rig, &hashes);
}

#[tokio::test]
async fn an_asset_never_holds_bytes_of_two_cards_that_are_alike() {
    let rig = rig().await;
    let at = rig.path("media/card");
    let (mut first, mut second) = (Disk::formatted(&rig, "1"), Disk::formatted(&rig, "2"));
    set_limit(&rig, 60_000).await.unwrap();
    let unset = SystemTime::UNIX_EPOCH + Duration::from_secs(UNSET);
    first.insert(&at);
    let one = first.clip("C0001.MOV", 8 * PART as usize, 1);
    date(&one, unset);
    let hash = sha256(&one);
    let id = found(&rig, "C0001.MOV").await;
    rig.wait_item_that(id, "some of it", |i| *i["sent"].downcast_ref::<&u64>().unwrap() >= PART).await;
    rig.queue("Pause").await.unwrap();
    set_limit(&rig, 0).await.unwrap();
    first.eject();
    second.insert(&at);
    let other = second.clip("C0001.MOV", 8 * PART as usize, 2);
    date(&other, unset);
    rig.queue("Resume").await.unwrap();
    rig.wait_item(id, "away").await;
    so_many(&rig, 1, "done").await;
    assert_eq!(rig.complete("C0001.MOV")[0].sha256.as_deref(), Some(sha256(&other).as_str()));
    second.eject();
    first.insert(&at);
    rig.wait_item(id, "done").await;
    let there: BTreeSet<_> = rig.complete("C0001.MOV").into_iter().filter_map(|a| a.sha256).collect();
    assert_eq!((there.len(), there.contains(&hash)), (2, true));
    assert_eq!(rig.sim.assets().len(), 2, "what was begun went on");
}

#[tokio::test]
async fn other_bytes_under_a_name_a_size_and_a_date_that_were_delivered_are_sent() {
    let rig = rig().await;
    let at = rig.path("media/card");
    let mut hashes = Vec::new();
    for seed in 0..2 {
        let mut disk = Disk::formatted(&rig, "card");
        disk.insert(&at);
        let clip = disk.clip("C0001.MOV", 200_000, seed);
        date(&clip, SystemTime::UNIX_EPOCH + Duration::from_secs(UNSET));
        hashes.push(sha256(&clip));
        so_many(&rig, hashes.len(), "done").await;
        disk.eject();
    }
    assert_delivered(&rig, &hashes);
}

#[tokio::test]
async fn another_date_is_no_other_clip_neither_before_nor_after_it_was_sent() {
    let rig = rig().await;
    let at = rig.path("media/card");
    let mut disk = Disk::formatted(&rig, "card");
    rig.queue("Pause").await.unwrap();
    disk.insert(&at);
    let clips: Vec<_> = (0..4).map(|n| disk.clip(&format!("A{n:03}.MOV"), 100_000, n)).collect();
    let hashes: Vec<_> = clips.iter().map(|clip| sha256(clip)).collect();
    let ids = so_many(&rig, 4, "queued").await;
    clips.iter().for_each(|clip| date(clip, hours_ago(30)));
    rig.queue("Resume").await.unwrap();
    assert_eq!(so_many(&rig, 4, "done").await, ids);
    // FAT, and another time zone.
    disk.eject();
    disk.insert(&at);
    clips.iter().for_each(|clip| date(clip, hours_ago(25)));
    disk.eject();
    disk.insert(&at);
    let probe = disk.clip("PROBE.MOV", 5000, 99);
    rig.wait_item(found(&rig, "PROBE.MOV").await, "done").await;
    assert_eq!(rig.items().await.len(), 5, "nothing of the others is new");
    assert_delivered(&rig, &[hashes, vec![sha256(&probe)]].concat());
}

#[tokio::test]
async fn a_clip_that_somebody_added_comes_back_with_its_card_though_no_source_looks_for_it() {
    let rig = Setup::new().paired().await;
    let at = rig.path("media/reader");
    let mut disk = Disk::formatted(&rig, "card");
    disk.insert(&at);
    let clip = disk.clip("A001.MOV", 100_000, 1);
    let hash = sha256(&clip);
    rig.queue("Pause").await.unwrap();
    let id = rig.add(&clip).await.unwrap();
    disk.eject();
    rig.queue("Resume").await.unwrap();
    rig.wait_item(id, "away").await;
    disk.insert(&at);
    rig.wait_item(id, "done").await;
    assert_delivered(&rig, &[hash]);
}

#[tokio::test]
async fn a_delivered_card_is_known_again_under_another_folder_another_place_and_as_a_copy() {
    let rig = rig().await;
    let at = rig.path("media/card/reader1");
    let mut disk = Disk::formatted(&rig, "card");
    disk.insert(&at);
    let clips: Vec<_> = (0..3).map(|n| disk.clip(&format!("CARD01/A{n:03}.MOV"), 100_000, n)).collect();
    let hashes: Vec<_> = clips.iter().map(|clip| sha256(clip)).collect();
    so_many(&rig, 3, "done").await;
    fs::rename(at.join("CARD01"), at.join("CARD01_OK")).unwrap();
    disk.eject();
    let elsewhere = rig.path("media/card/reader2");
    disk.insert(&elsewhere);
    let probe = disk.clip("PROBE.MOV", 5000, 99);
    rig.wait_item(found(&rig, "PROBE.MOV").await, "done").await;
    assert_eq!(rig.items().await.len(), 4, "renamed and mounted elsewhere, they are the same");
    // The second slot of a camera that writes to both.
    let mut second = Disk::formatted(&rig, "second");
    second.insert(&at);
    for (n, clip) in clips.iter().enumerate() {
        second.clip(clip.file_name().unwrap().to_str().unwrap(), 100_000, n as u64);
    }
    so_many(&rig, 7, "done").await;
    let copies = rig.items().await;
    let copies: Vec<_> = copies.iter().filter(|i| text(i, "reason") == "duplicate").collect();
    assert_eq!(copies.len(), 3, "{copies:#?}");
    assert!(text(copies[0], "detail").starts_with("the same clip as #"));
    assert_delivered(&rig, &[hashes, vec![sha256(&probe)]].concat());
}

#[tokio::test]
async fn what_was_delivered_to_one_project_is_not_sent_to_the_next_because_it_is_seen_again() {
    let rig = rig().await;
    let mut disk = Disk::formatted(&rig, "card");
    disk.insert(&rig.path("media/card/a"));
    let clips: Vec<_> = (0..3).map(|n| disk.clip(&format!("A{n:03}.MOV"), 100_000, n)).collect();
    let hashes: Vec<_> = clips.iter().map(|clip| sha256(clip)).collect();
    so_many(&rig, 3, "done").await;
    disk.eject();
    rig.unpair().await.unwrap();
    rig.pair_with("Second Unit").await;
    disk.insert(&rig.path("media/card/b"));
    // A copy of one of them on another disk, and a clip that is new.
    let mut other = Disk::formatted(&rig, "other");
    other.insert(&rig.path("media/card/c"));
    other.clip("COPY.MOV", 100_000, 0);
    let new = other.clip("NEW.MOV", 5000, 99);
    rig.wait_item(found(&rig, "NEW.MOV").await, "done").await;
    let copy = rig.wait_item(found(&rig, "COPY.MOV").await, "cancelled").await;
    assert_eq!(text(&copy, "reason"), "delivered-elsewhere");
    assert_delivered(&rig, &[hashes, vec![sha256(&new)]].concat());
    let to_b = rig.sim.assets().into_iter().filter(|asset| asset.project == "Second Unit").count();
    assert_eq!(to_b, 1);
}

#[tokio::test]
async fn a_tool_that_writes_into_a_delivered_clip_and_keeps_its_date_makes_a_new_version() {
    let rig = rig().await;
    let mut disk = Disk::formatted(&rig, "card");
    let at = rig.path("media/card");
    disk.insert(&at);
    let clip = disk.clip("A001.MOV", 100_000, 1);
    let then = fs::metadata(&clip).unwrap().modified().unwrap();
    let id = found(&rig, "A001.MOV").await;
    rig.wait_item(id, "done").await;
    let edited = at.join(".edited");
    fill(&edited, 100_000, 2);
    date(&edited, then);
    fs::rename(&edited, &clip).unwrap();
    so_many(&rig, 2, "done").await;
    let assets = rig.complete("A001.MOV");
    assert_eq!(assets.len(), 2);
    assert_eq!(assets[1].version_of.as_deref(), Some(assets[0].id.as_str()));
    assert_eq!(assets[1].sha256.as_deref(), Some(sha256(&clip).as_str()));
}

#[tokio::test]
async fn one_file_is_one_item_however_its_path_is_spelled() {
    let rig = Setup::new().start().await;
    fs::create_dir(rig.path("media/card")).unwrap();
    let clip = rig.clip("card/A.mov", 1000);
    let card = clip.parent().unwrap().display().to_string();
    std::os::unix::fs::symlink("card", rig.path("media/link")).unwrap();
    let mut ids = BTreeSet::new();
    for spelling in
        ["card/A.mov", "card//A.mov", "./card/./A.mov", "card/../card/A.mov", "link/A.mov", "/card/A.mov"]
    {
        let path = format!("{}/{spelling}", rig.path("media").display());
        ids.insert(rig.add(&path).await.unwrap());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(text(&rig.items().await[0], "path"), format!("{card}/A.mov"));
}

/// An `ftyp` box, and a `mdat` box of `media` bytes of which the first `there` are there; then an index.
pub(crate) fn movie(media: u32, there: usize, index: bool) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x14ftypqt  \0\0\0\0qt  ".to_vec();
    bytes.extend((media + 8).to_be_bytes());
    bytes.extend(b"mdat");
    bytes.extend((0..there).map(|n| (n * 31 % 251) as u8));
    if index {
        bytes.extend(b"\0\0\0\x10moov\0\0\0\x08free");
    }
    bytes
}

#[tokio::test]
async fn a_clip_that_is_cut_off_waits_for_its_rest_and_is_sent_whole_once() {
    let rig = rig().await;
    let at = rig.path("media/card/CUT.MOV");
    fs::write(&at, movie(100_000, 50_000, false)).unwrap();
    let id = found(&rig, "CUT.MOV").await;
    let item = rig.wait_item(id, "incomplete").await;
    assert_ne!(text(&item, "detail"), "");
    assert!(rig.blockers().await.contains(&"incomplete".to_owned()));
    assert!(rig.sim.assets().is_empty());
    fs::write(&at, movie(100_000, 100_000, true)).unwrap();
    rig.wait_item(id, "done").await;
    assert_delivered(&rig, &[sha256(&at)]);
}

#[tokio::test]
async fn a_clip_that_stays_cut_off_goes_as_it_is_and_says_so() {
    for (policy, released) in [("\"1s\"", false), ("\"hold\"", true), ("\"send\"", false)] {
        let drop_in = card(&format!("incomplete = {policy}\n")).drop_in;
        let mut rig = Setup { drop_in, ..Setup::new() }.build().await;
        fs::create_dir(rig.path("media/card")).unwrap();
        rig.start().await;
        rig.provision(SECRET).await.unwrap();
        rig.pair().await;
        let at = rig.path("media/card/CUT.MOV");
        fs::write(&at, movie(100_000, 50_000, false)).unwrap();
        let id = found(&rig, "CUT.MOV").await;
        if released {
            rig.wait_item(id, "incomplete").await;
            let (code, said) = add_and_wait(&rig, &at).await;
            assert_eq!(code, Some(9), "{said}");
            assert!(said.contains("CUT.MOV is held as incomplete: "), "{said}");
            assert!(
                said.ends_with(&format!("send what there is of it: rigpost queue release {id}\n")),
                "{said}"
            );
            rig.queue_items("Release", &[id]).await.unwrap();
        }
        let item = rig.wait_item(id, "done").await;
        assert_eq!(text(&item, "reason"), "as-it-is", "{policy}");
        assert_delivered(&rig, &[sha256(&at)]);
    }
}

/// `rigpost add --wait`: how it ends, and what it says then.
async fn add_and_wait(rig: &Rig, path: &Path) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rigpost"));
    command.args(["add", "--wait"]).arg(path).env("DBUS_SYSTEM_BUS_ADDRESS", &rig.bus.address);
    let output = soon("rigpost add --wait", command.kill_on_drop(true).output()).await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Adds one file, with this option where there is one: its number, and what it was.
pub(crate) async fn ask(rig: &Rig, path: &Path, option: Option<&'static str>) -> (u64, String) {
    let options: HashMap<&str, Variant<'_>> =
        option.map(|key| (key, Variant::from(true))).into_iter().collect();
    let (paths, no_bytes): (_, [Vec<u8>; 0]) = ([path.to_str().unwrap()], []);
    let answer = rig.call(QUEUE, "AddFiles", &(&paths[..], &no_bytes[..], options)).await.unwrap();
    let found: Vec<(u64, String)> = answer.body().deserialize().unwrap();
    assert_eq!(found.len(), 1);
    found.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_person_is_told_where_a_clip_is_already_and_decides() {
    let rig = Setup::cloud(|c| c.chunk_size = PART).paired().await;
    let clip = rig.clip("A001.MOV", 100_000);
    let said = |id: u64, word: &str| (id, word.to_owned());
    rig.queue("Pause").await.unwrap();
    let (first, word) = ask(&rig, &clip, None).await;
    assert_eq!(word, "new");
    assert_eq!(ask(&rig, &clip, None).await, said(first, "waiting"));
    rig.queue("Resume").await.unwrap();
    rig.wait_item(first, "done").await;
    // Whatever it is called by now.
    let renamed = clip.with_file_name("B001.MOV");
    fs::rename(&clip, &renamed).unwrap();
    assert_eq!(ask(&rig, &renamed, None).await, said(first, "delivered"));
    assert_eq!(ask(&rig, &renamed, Some("to_this_project")).await, said(first, "delivered"));
    assert_delivered(&rig, &[sha256(&renamed)]);
    let (again, word) = ask(&rig, &renamed, Some("again")).await;
    assert_eq!((word.as_str(), again == first), ("new", false));
    rig.wait_item(again, "done").await;
    assert_delivered(&rig, &vec![sha256(&renamed); 2]);

    rig.unpair().await.unwrap();
    rig.pair_with("Second Unit").await;
    for option in [None, Some("again")] {
        assert_eq!(ask(&rig, &renamed, option).await, said(again, "delivered-elsewhere"), "{option:?}");
    }
    assert_eq!(rig.items().await.len(), 2, "nothing was queued");
    let (here, word) = ask(&rig, &renamed, Some("to_this_project")).await;
    assert_eq!((word.as_str(), here == again), ("new", false));
    rig.wait_item(here, "done").await;
    assert_delivered(&rig, &vec![sha256(&renamed); 3]);
    let to_second = rig.sim.assets().into_iter().filter(|asset| asset.project == "Second Unit").count();
    assert_eq!(to_second, 1);
    assert_eq!(ask(&rig, &renamed, None).await, said(here, "delivered"));
}

#[tokio::test]
async fn a_clip_that_is_cut_off_goes_as_it_is_or_whole_as_a_person_says() {
    let rig = Setup::cloud(|c| c.chunk_size = PART).paired().await;
    let [half, whole] = ["HALF.MOV", "WHOLE.MOV"].map(|name| rig.path("media").join(name));
    fs::write(&half, movie(100_000, 50_000, false)).unwrap();
    fs::write(&whole, movie(90_000, 50_000, false)).unwrap();
    let (half_id, whole_id) = (rig.add(&half).await.unwrap(), rig.add(&whole).await.unwrap());
    let one = async |id: u64| -> Dict {
        let answer = rig.call(QUEUE, "GetItem", &(id, none())).await.unwrap();
        answer.body().deserialize().unwrap()
    };
    for id in [half_id, whole_id] {
        assert!(!text(&rig.wait_item(id, "incomplete").await, "detail").is_empty());
    }
    assert!(!one(half_id).await["as_is"].downcast_ref::<bool>().unwrap());
    rig.queue_items("Release", &[half_id]).await.unwrap();
    rig.wait_item(half_id, "done").await;
    assert!(one(half_id).await["as_is"].downcast_ref::<bool>().unwrap());
    fs::write(&whole, movie(90_000, 90_000, true)).unwrap();
    rig.queue_items("Retry", &[whole_id]).await.unwrap();
    rig.wait_item(whole_id, "done").await;
    assert!(!one(whole_id).await["as_is"].downcast_ref::<bool>().unwrap());
    assert_delivered(&rig, &[sha256(&half), sha256(&whole)]);
}
