//! Clips that are handed over as open files: what may be, how long they stay open, and what outlasts what.
//!
//! The daemon of these tests has no power over the files of others, as the service's user has none: what is closed to it is
//! open to whoever runs the test.
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open};
use tokio::time::Instant;

use crate::cards::PART;
use crate::common::*;
use crate::fuse_card::{Act, Call, FuseCard};
use crate::steering::set_limit;

/// Somebody who is not the daemon's user.
const ANA: u32 = 64_321;

/// A clip on a card that a desktop has mounted for one person: no other may look into the directory above it.
fn closed_card(rig: &Rig, name: &str, size: usize) -> PathBuf {
    let own = rig.path("media/ana");
    if !own.exists() {
        fs::create_dir_all(own.join("CARD")).unwrap();
        chown(&own, Some(ANA), Some(ANA)).unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o750)).unwrap();
    }
    let clip = own.join("CARD").join(name);
    fill(&clip, size, name.bytes().map(u64::from).sum());
    clip
}

/// The names in this order of what the service manager keeps; it hears of a change a moment after everybody else.
async fn kept(rig: &Rig, before: usize, line: &str, names: &[&str]) {
    rig.notes.wait(before, line).await;
    assert_eq!(rig.fd_store.names(), names);
}

fn handed_over(item: &Dict) -> bool {
    *item["handed_over"].downcast_ref::<&bool>().unwrap()
}

#[tokio::test]
async fn what_the_daemon_cannot_reach_goes_by_its_descriptor() {
    let rig = Setup::new().paired().await;
    let clip = closed_card(&rig, "A001.mov", 200_000);
    let refused = rig.add(&clip).await.unwrap_err();
    assert!(refused.text.contains("may not be read by the daemon's user"), "{refused:?}");
    let mut file = File::open(&clip).unwrap();
    // The place in the file is the caller's own.
    file.seek(SeekFrom::Start(77)).unwrap();
    let (id, found) = rig.hand_over(&file, "").await.unwrap();
    assert_eq!(found, "new");
    let item = rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert!(handed_over(&item));
    assert_eq!(
        (text(&item, "path"), text(&item, "name")),
        (clip.to_str().unwrap().into(), "A001.mov".into())
    );
    assert_eq!(file.stream_position().unwrap(), 77);
    rig.log.wait(0, "handed over as an open file").await;
    let by_path = rig.clip("B001.mov", 5000);
    assert!(!handed_over(&rig.item(rig.add(&by_path).await.unwrap()).await));
    // It is known now, however it comes.
    assert_eq!(rig.hand_over(&file, "").await.unwrap(), (id, "delivered".to_owned()));
    let other = File::open(&by_path).unwrap();
    assert_eq!(rig.hand_over(&other, "").await.unwrap().1.replace("waiting", "delivered"), "delivered");
}

#[tokio::test]
async fn it_may_lie_anywhere_and_is_called_as_the_caller_says() {
    let rig = Setup::new().paired().await;
    let outside = rig.path("export");
    fill(&outside, 70_000, 9);
    assert_eq!(rig.add(&outside).await.unwrap_err().name, "OutsideMediaDirs");
    let (id, _) = rig.hand_over(File::open(&outside).unwrap(), "A001_proxy.mov").await.unwrap();
    let item = rig.wait_item(id, "done").await;
    let said = ["name", "class"].map(|key| text(&item, key));
    assert_eq!(said, ["A001_proxy.mov", "proxy"]);
    assert_eq!(rig.complete("A001_proxy.mov")[0].sha256.as_deref(), Some(sha256(&outside).as_str()));
}

#[tokio::test]
async fn only_files_that_are_open_for_reading_are_taken() {
    let rig = Setup::new().paired().await;
    let clip = rig.clip("A001.mov", 5000);
    let (empty, gone) = (rig.path("empty"), rig.path("gone"));
    fs::write(&empty, "").unwrap();
    fs::write(&gone, "x").unwrap();
    let nameless = File::open(&gone).unwrap();
    fs::remove_file(&gone).unwrap();
    let opened = |path: &Path, flags| open(path, flags, Mode::empty()).unwrap();
    let memory = memfd_create("clip", MemfdFlags::empty()).unwrap();
    fs::write(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&memory)), "x").unwrap();
    let of_memory = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&memory));
    let not_reading = "opened for reading, and for nothing else";
    let bad: [(OwnedFd, &str); 10] = [
        (opened(&clip, OFlags::WRONLY), not_reading),
        (opened(&clip, OFlags::RDWR), not_reading),
        (opened(&clip, OFlags::PATH), not_reading),
        (opened(rig.dir.path(), OFlags::RDONLY), "not a regular file"),
        (opened(Path::new("/dev/zero"), OFlags::RDONLY), "not a regular file"),
        (std::io::pipe().unwrap().0.into(), "not a regular file"),
        (opened(&empty, OFlags::RDONLY), "the file is empty"),
        (nameless.into(), "without a name"),
        (memory, not_reading),
        (opened(Path::new(&of_memory), OFlags::RDONLY), "without a name"),
    ];
    for (fd, why) in &bad {
        let refused = rig.hand_over(fd, "").await.unwrap_err();
        assert!(refused.name == "NotAllowed" && refused.text.contains(why), "{why}: {refused:?}");
    }
    assert_eq!((rig.items().await.len(), rig.fd_store.names().len()), (0, 0));
    let (id, _) = rig.hand_over(opened(&clip, OFlags::RDONLY), "").await.unwrap();
    rig.wait_item(id, "done").await;
}

#[tokio::test]
async fn a_site_may_forbid_it() {
    let drop_in = "[queue]\ntake_open_files = false\n".to_owned();
    let rig = Setup { drop_in, ..Setup::new() }.paired().await;
    let clip = rig.clip("A001.mov", 5000);
    let refused = rig.hand_over(File::open(&clip).unwrap(), "").await.unwrap_err();
    assert!(refused.name == "NotAllowed" && refused.text.contains("queue.take_open_files"), "{refused:?}");
    let id = rig.add(&clip).await.unwrap();
    rig.wait_item(id, "done").await;
}

#[tokio::test]
async fn it_stays_open_until_it_is_sent_or_taken_off() {
    let rig = Setup::new().paired().await;
    rig.queue("Pause").await.unwrap();
    let [a, b] = ["A001.mov", "B001.mov"].map(|name| closed_card(&rig, name, 5000));
    let (first, _) = rig.hand_over(File::open(&a).unwrap(), "").await.unwrap();
    let (second, _) = rig.hand_over(File::open(&b).unwrap(), "").await.unwrap();
    let names = [first, second].map(|id| format!("clip-{id}"));
    kept(&rig, 0, &format!("FDNAME={}", names[1]), &[&names[0], &names[1]]).await;
    let before = rig.notes.len();
    rig.queue_items("Cancel", &[first]).await.unwrap();
    kept(&rig, before, &format!("FDNAME={}", names[0]), &[&names[1]]).await;
    // The other one's name is gone, and another file at its place; what is open is there.
    let hash = sha256(&b);
    fs::remove_file(&b).unwrap();
    let b = closed_card(&rig, "B001.mov", 6000);
    let (third, found) = rig.hand_over(File::open(&b).unwrap(), "").await.unwrap();
    assert_eq!(found, "new");
    assert_eq!(text(&rig.item(second).await, "state"), "queued");
    let before = rig.notes.len();
    rig.queue("Resume").await.unwrap();
    for id in [second, third] {
        rig.wait_item(id, "done").await;
    }
    for id in [second, third] {
        rig.notes.wait(before, &format!("FDNAME=clip-{id}")).await;
    }
    assert_eq!(rig.fd_store.names(), Vec::<String>::new());
    let mut there: Vec<_> = rig.complete("B001.mov").into_iter().filter_map(|asset| asset.sha256).collect();
    let mut wanted = vec![hash, sha256(&b)];
    there.sort();
    wanted.sort();
    assert_eq!(there, wanted);
}

#[tokio::test]
async fn no_more_are_kept_open_than_there_is_room_for() {
    let rig = Setup::new().paired().await;
    rig.queue("Pause").await.unwrap();
    let mut ids = vec![];
    for n in 0..64 {
        let clip = closed_card(&rig, &format!("A{n:03}.mov"), 1000 + n);
        ids.push(rig.hand_over(File::open(&clip).unwrap(), "").await.unwrap().0);
    }
    let more = closed_card(&rig, "B001.mov", 500);
    let refused = rig.hand_over(File::open(&more).unwrap(), "").await.unwrap_err();
    assert_eq!(refused.name, "LimitsExceeded");
    assert!(refused.text.starts_with("64 files that were handed over are open"), "{refused:?}");
    let before = rig.notes.len();
    rig.queue_items("Cancel", &ids[..1]).await.unwrap();
    rig.notes.wait(before, "FDSTOREREMOVE=1").await;
    assert_eq!(rig.hand_over(File::open(&more).unwrap(), "").await.unwrap().1, "new");
}

/// Half sent, by a descriptor, when the daemon is killed.
async fn killed_in_the_middle(rig: &mut Rig) -> (PathBuf, u64) {
    set_limit(rig, 60_000).await.unwrap();
    let clip = closed_card(rig, "A001.mov", 8 * PART as usize);
    let (id, _) = rig.hand_over(File::open(&clip).unwrap(), "").await.unwrap();
    rig.wait_item_that(id, "some of it", |i| *i["sent"].downcast_ref::<&u64>().unwrap() >= 2 * PART).await;
    rig.kill().await;
    (clip, id)
}

async fn with_store() -> Rig {
    let mut rig = Setup::cloud(|c| c.chunk_size = PART).build().await;
    rig.gives_back_descriptors();
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    rig
}

/// It is there once, and went on where it was.
async fn goes_on(rig: &Rig, clip: &Path, id: u64) {
    set_limit(rig, 0).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(clip, PROJECT);
    assert_eq!(rig.sim.assets().len(), 1, "of what was begun nothing is left behind");
}

#[tokio::test]
async fn it_outlasts_a_restart_where_somebody_keeps_it() {
    let mut rig = with_store().await;
    let (clip, id) = killed_in_the_middle(&mut rig).await;
    assert_eq!(rig.fd_store.names(), [format!("clip-{id}")]);
    // Nobody could open it any more.
    let out = rig.path("out.mov");
    fs::rename(&clip, &out).unwrap();
    rig.start().await;
    rig.log.wait(0, "open files that were handed over are back").await;
    set_limit(&rig, 0).await.unwrap();
    rig.wait_item(id, "done").await;
    assert_eq!(rig.complete("A001.mov")[0].sha256.as_deref(), Some(sha256(&out).as_str()));
    assert_eq!(rig.sim.assets().len(), 1);
    rig.notes.wait(0, "FDSTOREREMOVE=1").await;
    assert_eq!(rig.fd_store.names(), Vec::<String>::new());
}

#[tokio::test]
async fn after_a_reboot_it_waits_to_be_handed_over_again_and_goes_on() {
    let mut rig = with_store().await;
    let (clip, id) = killed_in_the_middle(&mut rig).await;
    rig.fd_store.clear();
    rig.start().await;
    let item = rig.wait_item(id, "away").await;
    assert!(text(&item, "detail").contains("handed over again (rigpost add)"), "{item:?}");
    // Nothing is opened by what it is called.
    let open = rig.clip("ana.mov", 5);
    fs::copy(&clip, &open).unwrap();
    rig.queue_items("Retry", &[id]).await.unwrap();
    rig.wait_item(id, "away").await;
    let (again, found) = rig.hand_over(File::open(&clip).unwrap(), "").await.unwrap();
    assert_eq!((again, found.as_str()), (id, "waiting"));
    goes_on(&rig, &clip, id).await;
}

#[tokio::test]
async fn what_was_handed_over_may_come_by_its_path_later() {
    let mut rig = with_store().await;
    let (clip, id) = killed_in_the_middle(&mut rig).await;
    rig.fd_store.clear();
    rig.start().await;
    rig.wait_item(id, "away").await;
    fs::set_permissions(rig.path("media/ana"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(rig.add(&clip).await.unwrap(), id);
    goes_on(&rig, &clip, id).await;
    assert!(!handed_over(&rig.item(id).await));
}

#[tokio::test]
async fn what_is_written_on_while_it_is_sent_is_begun_anew() {
    let rig = Setup::cloud(|c| c.chunk_size = PART).paired().await;
    set_limit(&rig, 60_000).await.unwrap();
    let clip = closed_card(&rig, "A001.mov", 8 * PART as usize);
    let (id, _) = rig.hand_over(File::open(&clip).unwrap(), "").await.unwrap();
    rig.wait_item_that(id, "some of it", |i| *i["sent"].downcast_ref::<&u64>().unwrap() >= 2 * PART).await;
    File::options().write(true).open(&clip).unwrap().write_all_at(b"patched", 5).unwrap();
    set_limit(&rig, 0).await.unwrap();
    rig.wait_item(id, "done").await;
    let hash = sha256(&clip);
    assert!(rig.sim.assets().iter().any(|asset| asset.sha256.as_deref() == Some(hash.as_str())));
}

#[tokio::test]
async fn a_card_that_hangs_keeps_whoever_hands_over_waiting_and_nobody_else() {
    let rig = Setup::new().paired().await;
    let card = FuseCard::mount(rig.path("media/A-CAM"));
    let clip = card.clip("A001.mov", 100_000);
    let file = File::open(&clip).unwrap();
    card.on(Call::Read, None, Act::Hang);
    let answers = async {
        card.hangs(1).await;
        let began = Instant::now();
        for _ in 0..20 {
            rig.get::<u32>(QUEUE, "FilesLeft").await;
        }
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    };
    let (refused, ()) = tokio::join!(rig.hand_over(&file, ""), answers);
    assert_eq!(refused.unwrap_err().name, "NotAnswering");
    // As long as it hangs it is said at once, and nobody waits for the end of a descriptor.
    for body in ["a/b", ""] {
        rig.hand_over(&file, body).await.unwrap_err();
        rig.get::<u32>(QUEUE, "FilesLeft").await;
    }
    let good = rig.clip("good.mov", 5000);
    let id = rig.add(&good).await.unwrap();
    rig.wait_item(id, "done").await;
    card.thaw();
    let no_blocker = |p: &Dict| {
        let all: Vec<(String, String, String)> = p["Blockers"].try_clone().unwrap().try_into().unwrap();
        all.is_empty()
    };
    rig.wait(DEVICE, "no blocker", no_blocker).await;
    let (id, _) = rig.hand_over(&file, "").await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
}
