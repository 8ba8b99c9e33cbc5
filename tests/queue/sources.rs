//! Media sources: what is found, when, and what is left alone. Real directories and real mounts, so these need root.
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use rustix::process::{Signal, kill_process};

use crate::common::*;
use crate::junk::{CLIPS, JUNK};

/// One source, `media/card`, that settles quickly, and more keys for it.
pub(crate) fn card(more: &str) -> Setup {
    let drop_in = format!(
        "[queue]\nsettle_seconds = 1\n[[source]]\nname = \"card\"\npath = \"{{dir}}/media/card\"\nbefore_pairing = \"queue\"\n{more}"
    );
    Setup { drop_in, ..Setup::new() }
}

/// A rig that is not paired, so that everything stays in the queue, with an empty card.
pub(super) async fn with_card(more: &str) -> Rig {
    let mut rig = card(more).build().await;
    fs::create_dir(rig.path("media/card")).unwrap();
    rig.start().await;
    rig
}

pub(super) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// As if it had been written an hour ago.
pub(crate) fn old(path: &Path, text: &str) {
    write(path, text);
    let then = SystemTime::UNIX_EPOCH.elapsed().unwrap() - Duration::from_secs(3600);
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + then).unwrap();
}

pub(crate) async fn queued(rig: &Rig, count: u32) {
    let all = |p: &Dict| *p["FilesLeft"].downcast_ref::<&u32>().unwrap() == count;
    rig.wait(QUEUE, &format!("{count} files in the queue"), all).await;
}

/// The number of the item of that name, once there is one.
pub(crate) async fn found(rig: &Rig, name: &str) -> u64 {
    let mut signals = rig.bus.signals(&rig.ui).await;
    let look = async {
        loop {
            if let Some(item) = rig.items().await.iter().find(|i| text(i, "name") == name) {
                return *item["id"].downcast_ref::<&u64>().unwrap();
            }
            signals.next().await.expect("the bus is there").unwrap();
        }
    };
    soon(name, look).await
}

pub(crate) async fn names(rig: &Rig) -> BTreeSet<String> {
    let items = rig.items().await;
    let names: BTreeSet<String> = items.iter().map(|i| text(i, "name")).collect();
    assert_eq!(names.len(), items.len(), "each once: {names:?}");
    names
}

pub(crate) fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// A file system of its own, unmounted at the latest with this.
pub(super) struct Card(pub(super) PathBuf);

impl Card {
    pub(super) fn mount(at: PathBuf) -> Card {
        fs::create_dir_all(&at).unwrap();
        let done = std::process::Command::new("mount").args(["-t", "tmpfs", "card"]).arg(&at).status();
        assert!(done.unwrap().success(), "tests mount file systems: run them as root");
        Card(at)
    }

    /// Pulled while in use.
    pub(super) fn pull(&self) {
        assert!(std::process::Command::new("umount").arg("-l").arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").args(["-q", "-l"]).arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_clip_that_a_camera_writes_is_sent_by_itself() {
    let mut rig = card("channel = 7\n").build().await;
    fs::create_dir(rig.path("media/card")).unwrap();
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    let device = rig.sim.devices().remove(0).client_id;
    rig.sim.connect_channel(&device, 7).unwrap();
    let clip = rig.clip("card/A001_C001_Proxy.mov", 50_000);
    let id = found(&rig, "A001_C001_Proxy.mov").await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    rig.stop().await;
    let row = rig.column(
        "SELECT source || ' ' || class || ' ' || priority || ' ' || channel || ' ' || settled FROM item",
    );
    assert_eq!(row, ["card proxy 300 7 1"]);
}

#[tokio::test]
async fn everything_that_lies_there_at_the_start_is_found_whatever_its_name() {
    let more = "exclude = [\"*.thm\", \"private\"]\n[[class]]\nname = \"rushes\"\npatterns = [\"*/dailies/*\"]\npriority = 5\n";
    let mut rig = card(more).build().await;
    let card = rig.path("media/card");
    let deep = (0..50).fold(card.clone(), |p, n| p.join(format!("level {n}")));
    let wanted: Vec<PathBuf> = vec![
        card.join("A001.mov"),
        card.join("a b.mov"),
        card.join("\u{1f3ac}\u{fe0f} take.mov"),
        card.join("line\nbreak.mov"),
        card.join("dailies/one.mov"),
        card.join(OsStr::from_bytes(b"\xff\xfe.mov")),
        card.join("'; DROP TABLE item; --.mov"),
        deep.join("deep.mov"),
    ];
    wanted.iter().for_each(|path| old(path, "x"));
    for left_out in [
        ".hidden.mov",
        ".Trash-0/files/a.mov",
        "copy.mov.part",
        "x.tmp",
        "lost+found/a.mov",
        "a.thm",
        "private/a.mov",
    ] {
        old(&card.join(left_out), "x");
    }
    old(&card.join("empty.mov"), "");
    old(&rig.path("media/elsewhere.mov"), "x");
    symlink(rig.path("media/elsewhere.mov"), card.join("link.mov")).unwrap();
    symlink(rig.path("media"), card.join("loop")).unwrap();
    rig.start().await;
    queued(&rig, wanted.len() as u32).await;
    let shown: BTreeSet<String> =
        wanted.iter().map(|p| rigpost_core::queue::item::shown(Path::new(p.file_name().unwrap()))).collect();
    assert_eq!(names(&rig).await, shown);
    rig.stop().await;
    let paths: BTreeSet<PathBuf> = {
        let db = rig.database();
        let mut rows = db.prepare("SELECT path FROM item").unwrap();
        let bytes = rows.query_map([], |r| r.get::<_, Vec<u8>>(0)).unwrap();
        bytes.map(|b| OsStr::from_bytes(&b.unwrap()).into()).collect()
    };
    assert_eq!(paths, wanted.into_iter().collect());
    assert_eq!(rig.column("SELECT class FROM item WHERE priority = 5"), ["rushes"]);
}

#[tokio::test]
async fn what_nobody_means_to_send_is_left_on_the_card() {
    let mut rig = card("").build().await;
    let card = rig.path("media/card");
    JUNK.iter().chain(CLIPS).for_each(|name| old(&card.join(name), "x"));
    rig.start().await;
    let name = |path: &&str| path.rsplit('/').next().unwrap().to_owned();
    let mut clips: BTreeSet<String> = CLIPS.iter().map(name).collect();
    queued(&rig, clips.len() as u32).await;
    assert_eq!(names(&rig).await, clips);
    // Neither is what comes while somebody looks.
    JUNK.iter().for_each(|name| old(&card.join("later").join(name), "x"));
    old(&card.join("later/last.mov"), "x");
    clips.insert("last.mov".to_owned());
    found(&rig, "last.mov").await;
    queued(&rig, clips.len() as u32).await;
    assert_eq!(names(&rig).await, clips);
}

#[tokio::test]
async fn patterns_of_a_source_are_blind_to_case() {
    let mut rig = card("patterns = [\"*.mov\", \"ÉTÉ.*\", \"*/Audio/*\"]\n").build().await;
    let card = rig.path("media/card");
    for name in ["A001.MOV", "b.mov", "été.WAV", "AUDIO/t1.wav", "c.mxf", "t2.wav"] {
        old(&card.join(name), "x");
    }
    rig.start().await;
    queued(&rig, 4).await;
    assert_eq!(names(&rig).await, ["A001.MOV", "b.mov", "été.WAV", "t1.wav"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_file_is_queued_when_its_writer_is_done_and_not_before() {
    let rig = with_card("").await;
    let card = rig.path("media/card");
    write(&card.join("first.mov"), "x");
    queued(&rig, 1).await;
    let mut growing = fs::File::create(card.join("growing.mov")).unwrap();
    growing.write_all(b"first").unwrap();
    for n in 0..4u32 {
        write(&card.join(format!("{n}.mov")), "x");
        queued(&rig, n + 2).await;
        growing.write_all(b" more").unwrap();
    }
    assert!(!names(&rig).await.contains("growing.mov"));
    drop(growing);
    queued(&rig, 6).await;
    let items = rig.items().await;
    let grown = items.iter().find(|i| text(i, "name") == "growing.mov").unwrap();
    assert_eq!(*grown["size"].downcast_ref::<&u64>().unwrap(), 25);
}

#[tokio::test]
async fn a_file_that_gets_its_name_last_is_queued_once_and_by_that_name() {
    let rig = with_card("").await;
    let card = rig.path("media/card");
    for (first, last) in [("a.mov.part", "a.mov"), (".b.mov.xyz", "b.mov"), ("c.recording", "c.mov")] {
        write(&card.join(first), first);
        fs::rename(card.join(first), card.join(last)).unwrap();
    }
    // From elsewhere on the same file system, alone and with its directory.
    write(&rig.path("media/d.mov"), "d");
    fs::rename(rig.path("media/d.mov"), card.join("d.mov")).unwrap();
    write(&rig.path("media/reel/deep/e.mov"), "e");
    fs::rename(rig.path("media/reel"), card.join("reel")).unwrap();
    queued(&rig, 5).await;
    // Whatever else was told has been seen when this is.
    write(&card.join("last.mov"), "x");
    queued(&rig, 6).await;
    assert_eq!(names(&rig).await, set(&["a.mov", "b.mov", "c.mov", "d.mov", "e.mov", "last.mov"]));
    // A directory that moves takes its name along, and what happens in it is still seen.
    fs::rename(card.join("reel"), card.join("reel 1")).unwrap();
    write(&card.join("reel 1/deep/f.mov"), "f");
    queued(&rig, 7).await;
    // One that leaves is not watched any more.
    fs::rename(card.join("reel 1"), rig.path("media/gone")).unwrap();
    write(&rig.path("media/gone/deep/g.mov"), "g");
    write(&card.join("h.mov"), "h");
    queued(&rig, 8).await;
    assert!(names(&rig).await.contains("h.mov"));
}

#[tokio::test]
async fn a_restart_queues_what_is_new_and_nothing_twice() {
    let mut rig = with_card("").await;
    let card = rig.path("media/card");
    for name in ["a.mov", "b.mov"] {
        old(&card.join(name), name);
    }
    queued(&rig, 2).await;
    let id = *rig.items().await[0]["id"].downcast_ref::<&u64>().unwrap();
    rig.queue_items("Cancel", &[id]).await.unwrap();
    rig.stop().await;
    old(&card.join("c.mov"), "c");
    rig.start().await;
    queued(&rig, 2).await;
    rig.kill().await;
    old(&card.join("d.mov"), "d");
    rig.start().await;
    queued(&rig, 3).await;
    assert_eq!(names(&rig).await, set(&["a.mov", "b.mov", "c.mov", "d.mov"]));
    assert_eq!(text(&rig.item(id).await, "state"), "cancelled", "what a person took off stays off");
}

#[tokio::test]
async fn a_card_that_is_pulled_and_put_back_is_seen_each_time() {
    let rig = with_card("").await;
    let place = rig.path("media/card");
    let card = Card::mount(place.clone());
    old(&place.join("a.mov"), "a");
    queued(&rig, 1).await;
    card.pull();
    // Beneath the card there is a directory, and it is looked at again.
    write(&place.join("beneath.mov"), "x");
    queued(&rig, 2).await;
    let card = Card::mount(place.clone());
    write(&place.join("DCIM/b.mov"), "b");
    queued(&rig, 3).await;
    card.pull();
    // Mounted with footage on it: elsewhere first, then moved here.
    let other = Card::mount(rig.path("other"));
    old(&rig.path("other/reel/c.mov"), "c");
    let bound = std::process::Command::new("mount").arg("--bind").arg(&other.0).arg(&place).status();
    assert!(bound.unwrap().success());
    let bound = Card(place.clone());
    queued(&rig, 4).await;
    assert_eq!(names(&rig).await, set(&["a.mov", "beneath.mov", "b.mov", "c.mov"]));
    // Nothing of ours keeps it from being removed.
    drop(other);
    let gone = std::process::Command::new("umount").arg(&bound.0).status().unwrap();
    assert!(gone.success(), "the card is busy");
}

#[tokio::test]
async fn a_card_beneath_a_source_is_seen() {
    let setup = card("");
    let drop_in = setup.drop_in.replace("/media/card", "/media");
    let mut rig = Setup { drop_in, ..setup }.build().await;
    fs::create_dir(rig.path("media/slot")).unwrap();
    rig.start().await;
    write(&rig.path("media/first.mov"), "x");
    queued(&rig, 1).await;
    let card = Card::mount(rig.path("media/slot"));
    write(&card.0.join("reel/a.mov"), "a");
    queued(&rig, 2).await;
    card.pull();
    let card = Card::mount(rig.path("media/new slot"));
    write(&card.0.join("b.mov"), "b");
    queued(&rig, 3).await;
}

#[tokio::test]
async fn a_source_that_is_not_there_is_seen_when_it_comes() {
    let setup = card("");
    let drop_in = setup.drop_in.replace("/media/card", "/media/slot/x/card");
    let rig = Setup { drop_in, ..setup }.start().await;
    rig.log.wait(0, "a media source is not there").await;
    let card = rig.path("media/slot/x/card");
    let shows = |paths: Vec<String>| {
        let paths = zbus::Variant::from(paths);
        move |p: &Dict| *p["MissingSources"] == paths
    };
    rig.wait(QUEUE, "a source that is not there", shows(vec![card.display().to_string()])).await;
    write(&card.join("a.mov"), "a");
    queued(&rig, 1).await;
    write(&card.join("b.mov"), "b");
    queued(&rig, 2).await;
    fs::remove_dir_all(rig.path("media/slot")).unwrap();
    fs::create_dir(rig.path("media/slot")).unwrap();
    write(&card.join("c.mov"), "c");
    queued(&rig, 3).await;
    rig.wait(QUEUE, "no source that is not there", shows(vec![])).await;
    let missing = rig.log.all().iter().filter(|l| l.contains("a media source is not there")).count();
    assert!(missing <= 2, "said each time it goes, and not again");
}

#[tokio::test]
async fn what_the_queue_has_no_room_for_comes_when_there_is_some() {
    let mut rig = Setup { max_items: 3, ..card("") }.build().await;
    let card = rig.path("media/card");
    for n in 0..5 {
        old(&card.join(format!("{n}.mov")), &n.to_string());
    }
    rig.start().await;
    queued(&rig, 3).await;
    rig.log.wait(0, "must wait: the queue is full").await;
    write(&card.join("later.mov"), "x");
    let mut seen = BTreeSet::new();
    for left in [3, 3, 3, 2] {
        let waiting = rig.items().await.into_iter().find(|i| text(i, "state") == "queued").unwrap();
        assert!(seen.insert(text(&waiting, "name")), "what a person took off came back");
        let id = *waiting["id"].downcast_ref::<&u64>().unwrap();
        rig.queue_items("Cancel", &[id]).await.unwrap();
        queued(&rig, left).await;
    }
    let rest = rig.items().await.into_iter().filter(|i| text(i, "state") == "queued");
    seen.extend(rest.map(|i| text(&i, "name")));
    assert_eq!(seen, set(&["0.mov", "1.mov", "2.mov", "3.mov", "4.mov", "later.mov"]));
    let said = rig.log.all().iter().filter(|l| l.contains("must wait: the queue is full")).count();
    assert!(said <= 4, "said when it begins, not each time it is tried: {said}");
}

#[tokio::test]
async fn a_directory_that_may_not_be_read_is_said_once_and_the_others_go_on() {
    let mut rig = card("").build().await;
    let card = rig.path("media/card");
    old(&card.join("locked/a.mov"), "a");
    old(&card.join("unreadable.mov"), "b");
    old(&card.join("good.mov"), "c");
    let rights =
        |path: &str, mode| fs::set_permissions(card.join(path), fs::Permissions::from_mode(mode)).unwrap();
    rights("locked", 0o000);
    rights("unreadable.mov", 0o000);
    rig.start().await;
    queued(&rig, 1).await;
    for path in ["locked", "unreadable.mov"] {
        rig.log.wait(0, path).await;
    }
    rights("locked", 0o755);
    rights("unreadable.mov", 0o644);
    queued(&rig, 3).await;
    assert_eq!(rig.log.all().iter().filter(|l| l.contains("left out")).count(), 2);
}

#[tokio::test]
async fn when_more_happens_than_the_kernel_keeps_everything_is_looked_through() {
    let rig = with_card("").await;
    let card = rig.path("media/card");
    write(&card.join("first.mov"), "x");
    queued(&rig, 1).await;
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    kill_process(rig.pid(), Signal::STOP).unwrap();
    let (a, b) = (card.join(".a"), card.join(".b"));
    write(&a, "x");
    for _ in 0..limit / 4 + 2 {
        fs::rename(&a, &b).unwrap();
        fs::rename(&b, &a).unwrap();
    }
    write(&card.join("missed.mov"), "x");
    write(&card.join("new/missed too.mov"), "x");
    kill_process(rig.pid(), Signal::CONT).unwrap();
    queued(&rig, 3).await;
    rig.log.wait(0, "more happened in the media sources than the kernel keeps").await;
    write(&card.join("new/after.mov"), "x");
    queued(&rig, 4).await;
}

#[tokio::test]
async fn five_thousand_files_are_queued_once_each() {
    let mut rig = Setup { max_items: 10_000, ..card("") }.build().await;
    for n in 0..5000 {
        let dir = rig.path(&format!("media/card/reel {}", n % 50));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("{n:04}.jpg")), n.to_string()).unwrap();
    }
    rig.start().await;
    queued(&rig, 5000).await;
    rig.restart().await;
    write(&rig.path("media/card/reel 7/last.jpg"), "x");
    queued(&rig, 5001).await;
    rig.stop().await;
    assert_eq!(rig.column("SELECT count(DISTINCT path) || ' ' || count(*) FROM item"), ["5001 5001"]);
}

/// A paired rig whose source says nothing of clips from before the pairing, with one of them, which is held.
async fn with_a_held_clip(name: &str) -> Rig {
    let setup = card("");
    let drop_in = setup.drop_in.replace("before_pairing = \"queue\"\n", "");
    let mut rig = Setup { drop_in, ..setup }.build().await;
    old(&rig.path("media/card").join(name), "x");
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    let held = |p: &Dict| *p["Held"].downcast_ref::<&u32>().unwrap() == 1;
    rig.wait(QUEUE, "a held file", held).await;
    rig
}

#[tokio::test]
async fn what_lay_on_the_card_before_the_pairing_waits_for_a_person() {
    let rig = with_a_held_clip("before.mov").await;
    let clip = rig.path("media/card/after.mov");
    write(&clip, "after");
    let id = found(&rig, "after.mov").await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    let before = rig.items().await.into_iter().find(|i| text(i, "name") == "before.mov").unwrap();
    assert_eq!(
        (text(&before, "state").as_str(), text(&before, "reason").as_str()),
        ("held", "before-pairing")
    );
}

#[tokio::test]
async fn a_clip_recorded_after_the_pairing_by_a_camera_whose_clock_is_behind_goes() {
    let rig = with_a_held_clip("CLIPS/before.mov").await;
    // In a directory that was walked, in a new one, and renamed from a name that is never taken.
    let part = rig.path("media/card/CLIPS/third.mov.part");
    old(&part, "third");
    fs::rename(&part, part.with_extension("")).unwrap();
    for (clip, text) in [("CLIPS/first.mov", "first"), ("NEW/DEEP/second.mov", "second")] {
        old(&rig.path("media/card").join(clip), text);
    }
    for name in ["first.mov", "second.mov", "third.mov"] {
        rig.wait_item(found(&rig, name).await, "done").await;
    }
    let states: BTreeSet<_> = rig.items().await.iter().map(|i| (text(i, "name"), text(i, "state"))).collect();
    assert!(
        states.contains(&("before.mov".to_owned(), "held".to_owned())) && states.len() == 4,
        "{states:?}"
    );
}

#[tokio::test]
async fn without_a_source_no_directory_is_watched() {
    let eyes = |rig: &Rig| {
        let fds = fs::read_dir(format!("/proc/{}/fd", rig.pid().as_raw_nonzero())).unwrap();
        let links = fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        links.filter(|l| l.to_string_lossy().contains("inotify") || l.ends_with("mountinfo")).count()
    };
    let rig = Setup::new().start().await;
    assert_eq!(eyes(&rig), 1, "the table of mounts alone, for clips whose card comes back");
    let rig = with_card("").await;
    write(&rig.path("media/card/a.mov"), "x");
    queued(&rig, 1).await;
    assert_eq!(eyes(&rig), 3);
}
