//! The queue's part of `tests/measure`: what a durable step costs beside one raw sync, and whether a million clips
//! change that.
//!
//! ```text
//! queue steps DIR ROUNDS    each step of a clip's way, between raw writes of 4 KiB; microseconds
//! queue syncs DIR ROUNDS    the same steps and nothing else, for counting system calls from outside
//! queue batch DIR PATHS     so many in one addition, and nothing else; microseconds
//! queue many DIR ITEMS      claiming and listing with 1000 items and with ITEMS; size of the file, at first and later
//! ```
//!
//! Each line that it prints is a name and a number.
//!
//! # Decisions
//!
//! - Everything goes through the store's own methods, its hop to another thread included: that is what the daemon pays.
//! - `many` belongs into memory (`/dev/shm`): it counts what SQLite does, and a million syncs would hide that.
//! - Live data is what `VACUUM INTO` writes: the same rows, packed.
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rigpost_core::oauth::DeviceInfo;
use rigpost_core::provider::ProviderKey;
use rigpost_core::queue::clip::Wanted;
use rigpost_core::queue::evidence::Fingerprint;
use rigpost_core::queue::item::{Asset, Clip, FileFacts, ItemId, ItemReason, ItemState, PartDigest};
use rigpost_core::secret::Secret;
use rigpost_core::time::{BootId, BootTime, Now, WallTime};
use rigpost_daemon::store::{FILE, Limits, Store};
use rigpost_daemon::vault::{KeySource, Vault};

type Failure = Box<dyn Error + Send + Sync>;

const PROJECT: &str = "8a7ddd66-2ff6-4cd5-a2ff-0f4fae1b7f7c";
const LIMITS: Limits = Limits { max_items: 1_000_000, max_per_user: 1_000_000 };
/// Rounds whose pages are counted: fewer than the log holds before it begins anew.
const LOGGED: u64 = 15;
/// Rounds before time is taken.
const WARM: u64 = 100;
/// Paths in one addition.
const BATCH: u64 = 10_000;

fn now() -> Now {
    let boot_id = BootId(0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e);
    Now { boot_id, boot: BootTime(Duration::from_secs(60)), wall: WallTime(1_790_000_000) }
}

#[expect(clippy::disallowed_methods, reason = "nothing is suspended between two ends of a stop-watch")]
fn clock() -> Instant {
    Instant::now()
}

fn print(name: &str, number: f64) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{name} {number:.3}")
}

/// As a camera's proxies come: one folder for a card, one name for a clip.
fn clip(n: u64) -> Clip {
    let path = format!("/media/rigpost/A{:03}/CLIPS/A{:03}C{n:06}_260101_R1AB.mp4", n / 500, n / 500);
    Clip {
        name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        path: path.into(),
        filetype: "video/mp4".to_owned(),
        fingerprint: Some(Fingerprint { whole: n, head: n }),
        facts: FileFacts {
            ctime_ns: 0,
            size: 16 << 20,
            mtime_ns: 1_790_000_000_000_000_000 + n as i64,
            dev: 2049,
            ino: 1000 + n,
        },
        class: "proxy".to_owned(),
        uid: 1000,
        settled: true,
        created: now(),
        added: now(),
        ..Clip::default()
    }
}

fn asset(n: u64) -> Asset {
    let url = format!(
        "https://frameio-uploads-production.s3-accelerate.amazonaws.com/parts/{n:036}/part_1?X-Amz-Signature={n:064}"
    );
    Asset { id: format!("{n:036}"), urls: vec![Secret::new(url)], created: now(), finished: vec![] }
}

async fn open(dir: &Path) -> Result<Store, Failure> {
    fs::create_dir_all(dir)?;
    let key = dir.join("key");
    let store = Store::open(&dir.join("state"))?;
    store.attach(Some(Vault::open(&KeySource::File { path: key }, true)?)).await?;
    let cloud = ProviderKey::frameio(&"https://api.frame.io".parse()?);
    store.identity(None, &cloud).await?;
    let project = DeviceInfo {
        device_name: "Rig".to_owned(),
        project_id: PROJECT.to_owned(),
        project_name: "Project".to_owned(),
        ..DeviceInfo::default()
    };
    store.save_device(&project).await?;
    Ok(store)
}

/// One clip's way. `step` is told the name of each step, and what it took.
async fn round(store: &Store, n: u64, step: &mut impl FnMut(&'static str, Duration)) -> Result<(), Failure> {
    let began = clock();
    store.add(vec![clip(n)], Wanted::default(), LIMITS).await?;
    step("add", began.elapsed());
    let began = clock();
    let id = store.claim(PROJECT, &[], None).await?.ok_or("nothing to claim")?.id;
    step("claim", began.elapsed());
    let asset = asset(n);
    let began = clock();
    store.save_asset(id, &asset).await?;
    step("save_asset", began.elapsed());
    let digest = Some(PartDigest { xxh64: n, ..PartDigest::default() });
    let etag = "\"0123456789abcdef0123456789abcdef\"";
    let began = clock();
    store.finish_part(id, &asset.id, 0, etag, 16 << 20, digest).await?;
    step("finish_part", began.elapsed());
    let began = clock();
    store.finish(id, ItemState::Done, ItemReason::None, "", now()).await?;
    step("finish", began.elapsed());
    Ok(())
}

fn median(mut all: Vec<Duration>) -> f64 {
    all.sort_unstable();
    all.get(all.len() / 2).map_or(0.0, |d| d.as_secs_f64() * 1e6)
}

async fn steps(dir: &Path, rounds: u64) -> Result<(), Failure> {
    let store = open(dir).await?;
    let raw = File::create(dir.join("raw"))?;
    raw.write_all_at(&[0; 4096], 0)?;
    raw.sync_all()?;
    let log = dir.join("state").join(format!("{FILE}-wal"));
    let written = || fs::metadata(&log).map_or(0, |m| m.len());
    let (mut before, mut grown) = (written(), BTreeMap::<&str, u64>::new());
    for n in 0..LOGGED {
        let step = |name, _| {
            *grown.entry(name).or_default() += written() - before;
            before = written();
        };
        round(&store, n, &mut { step }).await?;
    }
    for (name, bytes) in grown {
        print(&format!("bytes.{name}"), bytes as f64 / LOGGED as f64)?;
    }
    // From here on the log is written over, and not made longer.
    for n in LOGGED..WARM {
        round(&store, n, &mut |_, _| ()).await?;
    }
    let mut taken: Vec<(&'static str, Vec<Duration>)> = Vec::new();
    let mut note = |name: &'static str, took: Duration| match taken.iter_mut().find(|(n, _)| *n == name) {
        Some((_, all)) => all.push(took),
        None => taken.push((name, vec![took])),
    };
    for n in WARM..WARM + rounds {
        let mut failed = None;
        round(&store, n, &mut |name, took| {
            note(name, took);
            let began = clock();
            // Other bytes each time: a disk may notice that nothing changed.
            let written = raw.write_all_at(&[n as u8; 4096], 0).and_then(|()| raw.sync_data());
            note("raw", began.elapsed());
            failed = failed.take().or(written.err());
        })
        .await?;
        failed.map_or(Ok(()), Err)?;
    }
    taken.into_iter().try_for_each(|(name, all)| print(name, median(all)))?;
    Ok(())
}

async fn syncs(dir: &Path, rounds: u64) -> Result<(), Failure> {
    let store = open(dir).await?;
    for n in 0..rounds {
        round(&store, n, &mut |_, _| ()).await?;
    }
    // As a rig ends: closing would fold the log, and count.
    std::mem::forget(store);
    Ok(())
}

async fn batch(dir: &Path, paths: u64) -> Result<(), Failure> {
    let store = open(dir).await?;
    let clips = (0..paths).map(clip).collect();
    let began = clock();
    store.add(clips, Wanted::default(), LIMITS).await?;
    print("batch", began.elapsed().as_secs_f64() * 1e6)?;
    std::mem::forget(store);
    Ok(())
}

struct Files {
    state: PathBuf,
    log_peak: u64,
}

impl Files {
    fn look(&mut self) {
        let log = self.state.join(format!("{FILE}-wal"));
        self.log_peak = self.log_peak.max(fs::metadata(log).map_or(0, |m| m.len()));
    }

    /// The database once the log is folded in, and the same rows packed; bytes.
    fn sizes(&self) -> Result<(u64, u64), Failure> {
        let path = self.state.join(FILE);
        let database = rusqlite::Connection::open(&path)?;
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let packed = self.state.join("packed");
        let name = packed.to_str().ok_or("a path that is not UTF-8")?;
        database.execute("VACUUM INTO ?1", [name])?;
        let sizes = (fs::metadata(&path)?.len(), fs::metadata(&packed)?.len());
        fs::remove_file(packed)?;
        Ok(sizes)
    }

    fn print(&self, when: &str) -> Result<(), Failure> {
        let (file, live) = self.sizes()?;
        print(&format!("{when}.file"), file as f64)?;
        print(&format!("{when}.live"), live as f64)?;
        Ok(())
    }
}

async fn reads(store: &Store, when: &str) -> Result<(), Failure> {
    let (mut claims, mut lists, mut middles) = (vec![], vec![], vec![]);
    let total = store.totals().await?.all();
    for _ in 0..500 {
        let began = clock();
        let item = store.claim(PROJECT, &[], None).await?.ok_or("nothing to claim")?;
        claims.push(began.elapsed());
        store.finish(item.id, ItemState::Queued, ItemReason::None, "", now()).await?;
        let began = clock();
        store.list(Some(ItemState::Queued), None, 0, 50).await?;
        lists.push(began.elapsed());
    }
    for _ in 0..20 {
        let began = clock();
        store.list(None, Some(ItemId(total / 2)), 0, 50).await?;
        middles.push(began.elapsed());
    }
    print(&format!("{when}.claim"), median(claims))?;
    print(&format!("{when}.list"), median(lists))?;
    print(&format!("{when}.list_middle"), median(middles))?;
    Ok(())
}

async fn many(dir: &Path, items: u64) -> Result<(), Failure> {
    let store = open(dir).await?;
    let mut files = Files { state: dir.join("state"), log_peak: 0 };
    store.add((0..1000).map(clip).collect(), Wanted::default(), LIMITS).await?;
    reads(&store, "few").await?;
    let mut from = 1000;
    while from < items {
        let to = (from + BATCH).min(items);
        store.add((from..to).map(clip).collect(), Wanted::default(), LIMITS).await?;
        from = to;
        files.look();
    }
    reads(&store, "many").await?;
    print("log.filling", files.log_peak as f64)?;
    files.print("full")?;

    // A twentieth is sent, the rest but a twentieth is taken off: history of both kinds, in an order of its own.
    files.log_peak = 0;
    for n in 0..items / 20 {
        let item = store.claim(PROJECT, &[], None).await?.ok_or("nothing to claim")?;
        let asset = asset(n);
        store.save_asset(item.id, &asset).await?;
        let digest = Some(PartDigest { xxh64: n, ..PartDigest::default() });
        store.finish_part(item.id, &asset.id, 0, "etag", 16 << 20, digest).await?;
        store.finish(item.id, ItemState::Done, ItemReason::None, "", now()).await?;
        files.look();
    }
    let left: Vec<ItemId> = (items / 20 + 1..=items).filter(|n| n % 20 != 0).map(ItemId).collect();
    for some in left.chunks(1000) {
        store.cancel(some).await?;
        files.look();
    }
    files.print("history")?;
    let began = clock();
    let cleared = store.clear(&[ItemState::Done, ItemState::Cancelled], &[]).await?.0;
    print("clear.row", began.elapsed().as_secs_f64() * 1e6 / cleared as f64)?;
    files.look();
    files.print("cleared")?;
    print("log.using", files.log_peak as f64)?;

    // As many again, through a queue that holds a thousand.
    files.log_peak = 0;
    let limits = Limits { max_items: items / 20 + 1000, ..LIMITS };
    for n in items..items + items / 5 {
        let id = store.add(vec![Clip { priority: 1, ..clip(n) }], Wanted::default(), limits).await?[0].id;
        store.claim(PROJECT, &[], Some(0)).await?;
        store.finish(id, ItemState::Done, ItemReason::None, "", now()).await?;
        files.look();
    }
    print("log.passing", files.log_peak as f64)?;
    files.print("passed")
}

async fn run() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: queue steps|syncs|batch|many DIR NUMBER";
    let (what, dir, number) =
        (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let (dir, number) = (Path::new(&dir), number.parse()?);
    match what.as_str() {
        "steps" => steps(dir, number).await,
        "syncs" => syncs(dir, number).await,
        "batch" => batch(dir, number).await,
        "many" => many(dir, number).await,
        _ => Err(usage.into()),
    }
}

fn main() -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}
