//! What is done to a clip that leaves its bytes alone: another date, other rights, another name. Before, while and after it
//! is sent it is the same clip, and goes once. Real file systems in images, so these need root.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cards::{
    Disk, Format, PART, UNSET, assert_delivered, date, hours_ago, rig as with_source, so_many, so_many_that,
};
use crate::common::*;
use crate::sources::found;
use crate::steering::set_limit;

const SIZE: usize = 8 * PART as usize;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

fn unset() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(UNSET)
}

fn rights(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What people and programs do, and when: after how many parts.
type Touch = (&'static str, &'static [(u64, fn(&Path))]);

const TOUCHES: &[Touch] = &[
    ("a new date", &[(2, |clip| date(clip, hours_ago(0)))]),
    (
        "two dates, one after the other",
        &[(1, |clip| date(clip, hours_ago(3))), (4, |clip| date(clip, hours_ago(2)))],
    ),
    ("a date of a clock that was never set", &[(2, |clip| date(clip, unset()))]),
    ("a date to come", &[(2, |clip| date(clip, hours_ago(0) + Duration::from_secs(86_400)))]),
    ("other rights", &[(1, |clip| rights(clip, 0o444)), (3, |clip| rights(clip, 0o640))]),
    ("another name", &[(2, |clip| fs::rename(clip, clip.with_extension("mp4")).unwrap())]),
    ("a second name", &[(2, |clip| fs::hard_link(clip, clip.with_file_name(".second")).unwrap())]),
    (
        "another name and back",
        &[
            (1, |clip| fs::rename(clip, clip.with_file_name(".away")).unwrap()),
            (3, |clip| fs::rename(clip.with_file_name(".away"), clip).unwrap()),
        ],
    ),
];

/// Each of these is done to a clip of its own, which `queue` has queued.
async fn touched_while_they_are_sent(rig: &Rig, dir: &Path, queue: impl AsyncFn(&Path) -> u64) {
    let mut hashes = Vec::new();
    for (n, (what, touches)) in TOUCHES.iter().enumerate() {
        set_limit(rig, 150_000).await.unwrap();
        let clip = dir.join(format!("A{n:03}.MOV"));
        fill(&clip, SIZE, n as u64);
        date(&clip, hours_ago(1));
        hashes.push(sha256(&clip));
        let id = queue(&clip).await;
        for (parts, touch) in *touches {
            let sent = |item: &Dict| *item["sent"].downcast_ref::<&u64>().unwrap() >= parts * PART;
            rig.wait_item_that(id, &format!("{what}: {parts} parts"), sent).await;
            touch(&clip);
        }
        set_limit(rig, 0).await.unwrap();
        let item = rig.wait_item(id, "done").await;
        assert_eq!(text(&item, "reason"), "none", "{what}");
        assert_delivered(rig, &hashes);
    }
    let items = rig.items().await;
    assert_eq!(items.len(), TOUCHES.len(), "{items:#?}");
    assert_eq!(rig.get::<u32>(QUEUE, "Failed").await, 0);
}

#[tokio::test]
async fn what_somebody_has_added_is_done_whatever_date_rights_or_name_it_gets_while_it_is_sent() {
    let rig = Setup::cloud(|c| c.chunk_size = PART).paired().await;
    touched_while_they_are_sent(&rig, &rig.path("media"), async |clip| rig.add(clip).await.unwrap()).await;
}

#[tokio::test]
async fn what_a_source_has_found_is_done_whatever_date_rights_or_name_it_gets_while_it_is_sent() {
    let rig = with_source().await;
    let found = async |clip: &Path| found(&rig, clip.file_name().unwrap().to_str().unwrap()).await;
    touched_while_they_are_sent(&rig, &rig.path("media/card"), found).await;
}

/// What a card's dates are read as, by clocks and file systems that differ: seconds later, and whether only even ones are
/// written.
const CLOCKS: [(&str, i64, bool); 8] = [
    ("five hours later", 5 * HOUR, false),
    ("an hour earlier, in winter", -HOUR, false),
    ("half an hour later, as in India", 30 * MINUTE, false),
    ("three quarters of an hour earlier, as in Nepal", -45 * MINUTE, false),
    ("to two seconds, as FAT has them", 0, true),
    ("to two seconds and another zone", -9 * HOUR + 30 * MINUTE, true),
    ("a day and an hour later", 25 * HOUR, false),
    ("a clock that was never set", -50 * 365 * 24 * HOUR, true),
];

fn shifted(at: SystemTime, by: i64, even: bool) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seconds = i64::try_from(since.as_secs()).unwrap() + by;
    let (seconds, rest) = if even { (seconds & !1, 0) } else { (seconds, since.subsec_nanos()) };
    SystemTime::UNIX_EPOCH + Duration::new(seconds.max(0).unsigned_abs(), rest)
}

/// A card whose dates another machine reads, or writes, by its own clock, and which is put in again.
fn by_another_clock(rig: &Rig, disk: &mut Disk, clips: &[PathBuf], dates: Vec<SystemTime>, at: &Path) {
    disk.eject();
    let desk = rig.path("desk");
    disk.insert(&desk);
    for (clip, then) in clips.iter().zip(dates) {
        date(&desk.join(clip), then);
    }
    disk.eject();
    disk.insert(at);
}

async fn nothing_is_sent_again_by_any_clock(format: Format) {
    let rig = with_source().await;
    let at = rig.path("media/card/reader1");
    let mut disk = Disk::with(format, &rig, "card");
    disk.insert(&at);
    let clips: Vec<PathBuf> = (0..4).map(|n| format!("DCIM/A{n:03}.MOV").into()).collect();
    let made: Vec<PathBuf> =
        clips.iter().zip(0..).map(|(clip, n)| disk.clip(clip.to_str().unwrap(), 100_000, n)).collect();
    let date_of = |clip: &PathBuf| fs::metadata(clip).unwrap().modified().unwrap();
    let dates: Vec<SystemTime> = made.iter().map(date_of).collect();
    let mut hashes: Vec<String> = made.iter().map(|clip| sha256(clip)).collect();
    so_many(&rig, 4, "done").await;
    let by = |(_, by, even): &(&str, i64, bool)| dates.iter().map(|at| shifted(*at, *by, *even)).collect();
    for (n, clock) in CLOCKS.iter().enumerate() {
        by_another_clock(&rig, &mut disk, &clips, by(clock), &at);
        let probe = disk.clip(&format!("PROBE{n}.MOV"), 5000 + n, 100 + n as u64);
        hashes.push(sha256(&probe));
        rig.wait_item(found(&rig, &format!("PROBE{n}.MOV")).await, "done").await;
        assert_delivered(&rig, &hashes);
        assert_eq!(rig.items().await.len(), hashes.len(), "{}: nothing else is new", clock.0);
    }
    // In another reader as well: all bytes are compared, and that is told.
    by_another_clock(&rig, &mut disk, &clips, by(&CLOCKS[1]), &rig.path("media/card/reader2"));
    let last = disk.clip("LAST.MOV", 7000, 200);
    hashes.push(sha256(&last));
    rig.wait_item(found(&rig, "LAST.MOV").await, "done").await;
    so_many_that(&rig, 0, "on their way", |item| text(item, "state") != "done").await;
    assert_delivered(&rig, &hashes);
    let copies = rig.items().await;
    let copies = copies.iter().filter(|item| text(item, "reason") == "duplicate").count();
    assert!(copies >= clips.len(), "{copies} are told to be copies");
    disk.eject();
}

#[tokio::test]
async fn a_delivered_card_is_known_by_whatever_clock_its_dates_are_read() {
    nothing_is_sent_again_by_any_clock(Format::Ext4).await;
}

#[tokio::test]
async fn a_delivered_exfat_card_is_known_by_whatever_clock_its_dates_are_read() {
    nothing_is_sent_again_by_any_clock(Format::ExFat).await;
}

/// The card is pulled in the middle, and another machine has read its dates in another zone.
#[tokio::test]
async fn a_clip_that_was_begun_goes_on_when_its_card_comes_back_with_another_date() {
    let rig = with_source().await;
    let at = rig.path("media/card");
    let mut disk = Disk::formatted(&rig, "card");
    for (n, (what, by, even)) in CLOCKS.iter().enumerate().take(5) {
        set_limit(&rig, 60_000).await.unwrap();
        disk.insert(&at);
        let name = format!("A{n:03}.MOV");
        let clip = disk.clip(&name, SIZE, n as u64);
        let id = found(&rig, &name).await;
        let sent = |item: &Dict| *item["sent"].downcast_ref::<&u64>().unwrap() >= 2 * PART;
        rig.wait_item_that(id, "two parts", sent).await;
        rig.queue("Pause").await.unwrap();
        let then = shifted(fs::metadata(&clip).unwrap().modified().unwrap(), *by, *even);
        by_another_clock(&rig, &mut disk, &[name.into()], vec![then], &at);
        set_limit(&rig, 0).await.unwrap();
        rig.queue("Resume").await.unwrap();
        rig.wait_item(id, "done").await;
        rig.assert_arrived(&clip, PROJECT);
        assert_eq!((rig.sim.assets().len(), rig.items().await.len()), (n + 1, n + 1), "{what}");
        let again = rig.sim.parts_begun_again();
        assert!(again.is_empty(), "{what}: {again:?}");
        disk.eject();
    }
}
