//! When a file is whole: who has it open, who opens it again, and how it came. Real writers, links, mounts and an FTP
//! server, so these need root.
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use rustix::process::{Pid, Signal, kill_process};

use super::cards::{assert_delivered, rig as with_source, so_many};
use super::sources::{Card, card, found, names, old, queued, set, write};
use crate::common::*;
use crate::fuse_card::FuseCard;

/// Longer than a file of nobody waits, and shorter than one of a writer.
const SECONDS: Duration = Duration::from_secs(10);

/// Lets time pass for everything else, by clips that come one after the other.
async fn others(rig: &Rig, prefix: &str, before: u32, count: u32) {
    for n in 0..count {
        write(&rig.path(&format!("media/card/{prefix}{n}.mov")), "x");
        queued(rig, before + n + 1).await;
    }
}

/// A rig that watches an empty card: what lay there has been found.
async fn watching() -> Rig {
    let mut rig = card("").build().await;
    old(&rig.path("media/card/first.mov"), "x");
    rig.start().await;
    queued(&rig, 1).await;
    rig
}

async fn within_seconds(event: impl Future<Output = ()>) {
    tokio::time::timeout(SECONDS, event).await.expect("it waits for a writer that is not there");
}

async fn size(rig: &Rig, name: &str) -> u64 {
    found(rig, name).await;
    let items = rig.items().await;
    let all: Vec<_> = items.iter().filter(|i| text(i, "name") == name).collect();
    assert_eq!(all.len(), 1, "{name} is there once");
    *all[0]["size"].downcast_ref::<&u64>().unwrap()
}

#[tokio::test]
async fn a_writer_that_closes_after_each_piece_makes_one_clip() {
    let rig = watching().await;
    let path = rig.path("media/card/a.mov");
    for _ in 0..4 {
        let mut file = fs::File::options().create(true).append(true).open(&path).unwrap();
        file.write_all(&[7; 200_000]).unwrap();
        drop(file);
        assert_eq!(names(&rig).await, set(&["first.mov"]));
        #[expect(clippy::disallowed_methods, reason = "a writer with a pace of its own")]
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    assert_eq!(size(&rig, "a.mov").await, 800_000);
}

/// Each opens, appends and closes by a rhythm of its own: bytes of a piece, and what it waits before the next one. The rig waits
/// for a second after the first close, and twice as long after each other one.
#[tokio::test]
async fn whoever_appends_by_a_rhythm_has_one_asset() {
    const RHYTHMS: [(&str, usize, &[u64]); 4] = [
        ("fast.mov", 200_000, &[700, 700, 700]),
        ("as-long-as-the-rig-waits.mov", 50_000, &[1000, 1000, 1000]),
        ("growing.mov", 50_001, &[900, 1800, 3500]),
        ("shrinking.mov", 70_001, &[1000, 500, 0]),
    ];
    let rig = with_source().await;
    let card = rig.path("media/card");
    let writers = RHYTHMS.map(|(name, piece, waits)| {
        let path = card.join(name);
        std::thread::spawn(move || {
            let append = |n: u64| {
                let mut file = fs::File::options().create(true).append(true).open(&path).unwrap();
                file.write_all(&vec![n as u8 + 1; piece]).unwrap();
            };
            append(0);
            for (wait, n) in waits.iter().zip(1..) {
                std::thread::sleep(Duration::from_millis(*wait));
                append(n);
            }
        })
    });
    so_many(&rig, RHYTHMS.len(), "done").await;
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_delivered(&rig, &RHYTHMS.map(|(name, ..)| sha256(&card.join(name))));
}

#[tokio::test]
async fn a_file_that_was_open_before_the_start_waits_for_its_writer() {
    let mut rig = watching().await;
    let path = rig.path("media/card/growing.mov");
    let mut growing = fs::File::create(&path).unwrap();
    growing.write_all(b"first").unwrap();
    old(&rig.path("media/card/second.mov"), "x");
    rig.kill_and_start().await;
    queued(&rig, 2).await;
    others(&rig, "a", 2, 3).await;
    growing.write_all(b" more").unwrap();
    // Its silence is over, and its writer is known by now.
    others(&rig, "b", 5, 10).await;
    assert!(!names(&rig).await.contains("growing.mov"));
    growing.write_all(b" last").unwrap();
    drop(growing);
    assert_eq!(size(&rig, "growing.mov").await, 15);
}

#[tokio::test]
async fn the_first_clip_in_a_new_deep_folder_waits_for_its_writer() {
    let rig = watching().await;
    let path = rig.path("media/card/PRIVATE/AVCHD/BDMV/STREAM/00000.MTS");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut recording = fs::File::create(&path).unwrap();
    recording.write_all(b"first").unwrap();
    others(&rig, "a", 1, 4).await;
    assert!(!names(&rig).await.contains("00000.MTS"), "its writer is silent, and there");
    recording.write_all(b" last").unwrap();
    drop(recording);
    assert_eq!(size(&rig, "00000.MTS").await, 10);
}

/// The folders come at once, level by level, beside others, or anew after they were emptied. Nothing is seen of who made the
/// first clip of one, so that it waits for half a minute, by the settle time that is the default.
#[tokio::test]
async fn the_first_clip_of_a_new_folder_that_is_held_open_and_silent_has_one_asset() {
    let setup = card("");
    let drop_in = setup.drop_in.replace("settle_seconds = 1", "settle_seconds = 3");
    let mut rig = Setup { drop_in, ..setup }.build().await;
    let card = rig.path("media/card");
    fs::create_dir(&card).unwrap();
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    let other = |name: &str| {
        let path = card.join(name);
        old(&path, name);
        path
    };
    let mut whole = vec![other("emptied/first.mov")];
    so_many(&rig, 1, "done").await;
    fs::remove_file(&whole[0]).unwrap();
    fs::remove_dir(card.join("emptied")).unwrap();
    let mut recordings = Vec::new();
    for name in [
        "PRIVATE/M4ROOT/CLIP/C0001.MOV",
        "DCIM/100CANON/A.MOV",
        "XDROOT/Edit/Sub/Clip/0001.MOV",
        "emptied/B.MOV",
    ] {
        let path = card.join(name);
        match name.starts_with("PRIVATE") {
            true => fs::create_dir_all(path.parent().unwrap()).unwrap(),
            false => {
                let mut dir = card.clone();
                for level in Path::new(name).parent().unwrap() {
                    dir.push(level);
                    fs::create_dir(&dir).unwrap();
                    whole.push(other(&format!("{}.mov", level.display())));
                }
            }
        }
        let mut recording = fs::File::create(&path).unwrap();
        recording.write_all(&[7; 1_000_000]).unwrap();
        recordings.push((path, recording));
    }
    // Ten seconds, in which some come one after the other.
    for n in 0..3 {
        whole.push(other(&format!("{n}.mov")));
        so_many(&rig, whole.len(), "done").await;
    }
    let began: Vec<_> = rig.sim.assets().into_iter().filter(|asset| asset.name.ends_with(".MOV")).collect();
    assert!(began.is_empty(), "their writers are silent, and there: {began:#?}");
    let mut hashes: Vec<_> = whole[1..].iter().map(|path| sha256(path)).collect();
    hashes.push(rig.complete("first.mov")[0].sha256.clone().unwrap());
    for (n, (path, mut recording)) in recordings.into_iter().enumerate() {
        recording.write_all(&vec![8; 1000 + n]).unwrap();
        drop(recording);
        hashes.push(sha256(&path));
    }
    so_many(&rig, hashes.len(), "done").await;
    assert_delivered(&rig, &hashes);
}

#[tokio::test]
async fn a_card_whose_clock_was_never_set_goes_within_the_silence() {
    let mut rig = card("").build().await;
    let undated = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(315_532_800);
    for n in 0..300 {
        let path = rig.path(&format!("media/card/{n}.mov"));
        write(&path, "x");
        fs::File::options().write(true).open(&path).unwrap().set_modified(undated).unwrap();
    }
    rig.start().await;
    queued(&rig, 300).await;
}

#[tokio::test]
async fn a_file_that_appears_by_a_link_or_a_move_is_queued_within_seconds() {
    let rig = watching().await;
    let at = |name: &str| rig.path("media/card").join(name);
    // As Qt renames.
    write(&rig.path("media/temporary"), "linked");
    fs::hard_link(rig.path("media/temporary"), at("linked.mov")).unwrap();
    fs::remove_file(rig.path("media/temporary")).unwrap();
    // A file that had no name while it was written.
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let nameless = openat(CWD, at(""), flags, Mode::RUSR | Mode::WUSR).unwrap();
    rustix::io::write(&nameless, b"nameless").unwrap();
    let link = format!("/proc/self/fd/{}", nameless.as_raw_fd());
    linkat(CWD, link, CWD, at("nameless.mov"), AtFlags::SYMLINK_FOLLOW).unwrap();
    drop(nameless);
    write(&rig.path("media/moved"), "moved");
    fs::rename(rig.path("media/moved"), at("moved.mov")).unwrap();
    within_seconds(queued(&rig, 4)).await;
    assert_eq!(names(&rig).await, set(&["first.mov", "linked.mov", "moved.mov", "nameless.mov"]));
}

#[tokio::test]
async fn a_reader_does_not_keep_a_clip() {
    let rig = watching().await;
    let path = rig.path("media/card/a.mov");
    write(&path, "x");
    let reader = fs::File::open(&path).unwrap();
    drop(reader);
    within_seconds(queued(&rig, 2)).await;
}

#[tokio::test]
async fn what_waited_on_a_card_that_was_pulled_does_not_hide_the_next_one() {
    let rig = watching().await;
    let place = rig.path("media/card");
    let first = Card::mount(place.clone());
    old(&place.join("before.mov"), "x");
    queued(&rig, 2).await;
    write(&place.join(".temporary"), "on the first");
    fs::hard_link(place.join(".temporary"), place.join("a.mov")).unwrap();
    let open = fs::File::create(place.join("b.mov")).unwrap();
    (&open).write_all(b"open on the first").unwrap();
    first.pull();
    let other = Card::mount(rig.path("other"));
    old(&other.0.join("a.mov"), "second");
    old(&other.0.join("b.mov"), "second");
    let bound = Command::new("mount").arg("--bind").arg(&other.0).arg(&place).status();
    assert!(bound.unwrap().success());
    let _bound = Card(place);
    within_seconds(queued(&rig, 4)).await;
    assert_eq!((size(&rig, "a.mov").await, size(&rig, "b.mov").await), (6, 6));
}

#[tokio::test]
async fn a_source_behind_a_link_is_found_and_so_is_what_takes_the_links_place() {
    let mut rig = card("").build().await;
    let place = rig.path("media/card");
    old(&rig.path("media/slots/1/a.mov"), "a");
    symlink("slots/1", &place).unwrap();
    rig.start().await;
    queued(&rig, 1).await;
    write(&rig.path("media/slots/1/b.mov"), "b");
    queued(&rig, 2).await;
    // A link beneath it is not followed.
    old(&rig.path("media/elsewhere/x.mov"), "x");
    symlink(rig.path("media/elsewhere"), rig.path("media/slots/1/loop")).unwrap();
    // Another link takes its place.
    old(&rig.path("media/slots/2/c.mov"), "c");
    symlink(rig.path("media/slots/2"), rig.path("media/new")).unwrap();
    fs::rename(rig.path("media/new"), &place).unwrap();
    queued(&rig, 3).await;
    write(&rig.path("media/slots/1/not ours.mov"), "x");
    write(&rig.path("media/slots/2/d.mov"), "d");
    queued(&rig, 4).await;
    // One that leads nowhere.
    fs::remove_file(&place).unwrap();
    symlink("missing", &place).unwrap();
    rig.log.wait(0, "a media source is not there").await;
    old(&rig.path("media/missing/e.mov"), "e");
    queued(&rig, 5).await;
    // One that leads out of what may be read.
    fs::remove_file(&place).unwrap();
    symlink("/etc", &place).unwrap();
    rig.log.wait(0, "leads out of the media directories").await;
    // A real directory.
    fs::remove_file(&place).unwrap();
    old(&place.join("f.mov"), "f");
    queued(&rig, 6).await;
    write(&place.join("g.mov"), "g");
    queued(&rig, 7).await;
    let seven = ["a.mov", "b.mov", "c.mov", "d.mov", "e.mov", "f.mov", "g.mov"];
    assert_eq!(names(&rig).await, set(&seven));
}

#[tokio::test]
async fn where_the_kernel_tells_nothing_the_source_is_looked_through() {
    let mut rig = card("scan = \"1s\"\n").build().await;
    let layer = |name: &str| {
        let path = rig.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    };
    // A file system of their own: an overlay on an overlay has its own rules.
    let layers = Card::mount(layer("layers"));
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| layer(&format!("layers/{name}")));
    layer("layers/upper/DCIM");
    let place = layer("media/card");
    let how = format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    let done = Command::new("mount").args(["-t", "overlay", "overlay", "-o", &how]).arg(&place).status();
    assert!(done.unwrap().success());
    let merged = Card(place);
    rig.start().await;
    write(&merged.0.join("DCIM/told.mov"), "x");
    queued(&rig, 1).await;
    // Around the mount that is watched.
    write(&upper.join("DCIM/untold.mov"), "x");
    queued(&rig, 2).await;
    assert_eq!(names(&rig).await, set(&["told.mov", "untold.mov"]));
    drop(merged);
    drop(layers);
}

#[tokio::test]
async fn what_another_machine_writes_is_seen_in_spite_of_a_cache() {
    let mut rig = card("scan = \"1s\"\n").build().await;
    fs::create_dir(rig.path("media/card")).unwrap();
    let share = FuseCard::caching(rig.path("media/card"), Duration::from_secs(3600));
    rig.start().await;
    let behind = share.behind().to_owned();
    let growing = fs::File::create(behind.join("growing.mov")).unwrap();
    // Longer than a file of another machine must be silent, which this one is not.
    for n in 0..14 {
        (&growing).write_all(b"more").unwrap();
        let other = behind.join(format!("{n}.mov"));
        write(&other, "x");
        let days_ago = SystemTime::UNIX_EPOCH.elapsed().unwrap() - Duration::from_secs(3 * 24 * 3600);
        let days_ago = SystemTime::UNIX_EPOCH + days_ago;
        fs::File::options().write(true).open(&other).unwrap().set_modified(days_ago).unwrap();
        queued(&rig, n + 1).await;
    }
    assert!(!names(&rig).await.contains("growing.mov"));
    assert_eq!(size(&rig, "growing.mov").await, 14 * 4);
}

/// A camera's FTP server on the rig, with the card as its home.
pub(crate) struct Ftp(Child, u16);

impl Ftp {
    pub(crate) fn start(home: &Path) -> Ftp {
        const SERVER: &str = "
import sys, logging
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
logging.basicConfig(level=logging.ERROR)
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user('camera', 'camera', sys.argv[1], perm='elradfmwMT')
server = FTPServer(('127.0.0.1', 0), FTPHandler)
print(server.socket.getsockname()[1], flush=True)
server.serve_forever()
";
        let mut server = Command::new("/usr/bin/python3")
            .args(["-c", SERVER])
            .arg(home)
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/setup installs python3-pyftpdlib");
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Ftp(server, line.trim().parse().expect("tests/setup installs python3-pyftpdlib"))
    }

    /// Sends what is written to its input.
    fn camera(&self, name: &str) -> Child {
        let url = format!("ftp://camera:camera@127.0.0.1:{}/{name}", self.1);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--upload-file", "-", &url]);
        curl.stdin(Stdio::piped()).spawn().unwrap()
    }

    /// Sends all of `bytes`.
    pub(crate) fn send(&self, name: &str, bytes: &[u8]) {
        let mut camera = self.camera(name);
        camera.stdin.take().unwrap().write_all(bytes).unwrap();
        assert!(camera.wait().unwrap().success());
    }
}

impl Drop for Ftp {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends the beginning of a clip and waits until it is on the disk.
pub(crate) async fn half(ftp: &Ftp, path: &PathBuf, bytes: &[u8]) -> Child {
    let mut camera = ftp.camera(path.file_name().unwrap().to_str().unwrap());
    let mut input = camera.stdin.take().unwrap();
    input.write_all(bytes).unwrap();
    // Some of it stays in the client's buffer.
    let most = bytes.len() as u64 / 2;
    let arrived = async {
        while fs::metadata(path).map_or(0, |m| m.len()) < most {
            #[expect(clippy::disallowed_methods, reason = "no event tells of a write")]
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("half a clip", arrived).await;
    // It has more to say: the input stays open.
    camera.stdin = Some(input);
    camera
}

#[tokio::test]
async fn a_clip_whose_line_was_cut_and_that_is_sent_again_is_one_clip() {
    let setup = card("");
    let drop_in = setup.drop_in.replace("settle_seconds = 1", "settle_seconds = 2");
    let mut rig = Setup { drop_in, ..setup }.build().await;
    old(&rig.path("media/card/first.mov"), "x");
    rig.start().await;
    queued(&rig, 1).await;
    let ftp = Ftp::start(&rig.path("media/card"));
    let bytes: Vec<u8> = (0..8_000_000u32).map(|n| n as u8).collect();
    let path = rig.path("media/card/A001.mov");
    let mut cut = half(&ftp, &path, &bytes[..3_000_000]).await;
    cut.kill().unwrap();
    cut.wait().unwrap();
    ftp.send("A001.mov", &bytes);
    assert_eq!(size(&rig, "A001.mov").await, 8_000_000);
    // A line that is dead and does not say so: the server has the file open twice.
    let path = rig.path("media/card/A002.mov");
    let mut dead = half(&ftp, &path, &bytes[..3_000_000]).await;
    kill_process(Pid::from_child(&dead), Signal::STOP).unwrap();
    let mut again = half(&ftp, &path, &bytes[..6_000_000]).await;
    dead.kill().unwrap();
    dead.wait().unwrap();
    others(&rig, "other", 2, 2).await;
    assert!(!names(&rig).await.contains("A002.mov"), "the second line still has it");
    again.stdin.take().unwrap().write_all(&bytes[6_000_000..]).unwrap();
    assert!(again.wait().unwrap().success());
    assert_eq!(size(&rig, "A002.mov").await, 8_000_000);
}
