//! A card whose reader misbehaves: a file system of our own over a directory, in which any call can hang, be slow or fail.
//!
//! # Decisions
//! - FUSE by `fuser`, which is kept and mounts without a helper where the test is root: the kernel's part of it is the
//!   one that NTFS and exFAT cards, SFTP and phones have too.
//! - Read only through the mount. A camera writes to the directory behind it ([`FuseCard::behind`]), of which this
//!   kernel tells nobody anything, as with a card that another machine writes to.
//! - A call that hangs keeps no thread: its answer is put away until [`FuseCard::thaw`].
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry,
    ReplyOpen, Request, SessionACL,
};
use tempfile::TempDir;
use tokio::sync::watch;

/// What is asked of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A name is looked up: the first thing that touches a file by its path.
    Lookup,
    Stat,
    Open,
    Read,
    List,
    /// `close(2)` asks for it, and waits.
    Close,
}

/// What the card does instead of answering.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Nothing, until it is thawed.
    Hang,
    /// Takes its time.
    Slow(Duration),
    /// `EIO`.
    Fail,
}

type Answer = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    /// By inode number less one; the first is the card itself.
    paths: Vec<PathBuf>,
    rules: Vec<(Call, Option<OsString>, Act)>,
    hung: Vec<Answer>,
}

struct Shared {
    /// How long the kernel may believe what it was told of a name or a file.
    cached: Duration,
    state: Mutex<State>,
    hanging: watch::Sender<usize>,
}

/// Unmounted when dropped, and what hangs is answered then.
pub(crate) struct FuseCard {
    pub(crate) at: PathBuf,
    behind: TempDir,
    shared: Arc<Shared>,
    session: Option<BackgroundSession>,
}

impl FuseCard {
    /// Mounted at this directory, which is made.
    pub(crate) fn mount(at: PathBuf) -> FuseCard {
        FuseCard::caching(at, Duration::ZERO)
    }

    /// The kernel asks for what it knows of a file only after this time.
    pub(crate) fn caching(at: PathBuf, cached: Duration) -> FuseCard {
        fs::create_dir_all(&at).unwrap();
        let behind = tempfile::tempdir().unwrap();
        let state = State { paths: vec![behind.path().to_owned()], ..State::default() };
        let shared = Shared { cached, state: Mutex::new(state), hanging: watch::Sender::new(0) };
        let mut card = FuseCard { at, behind, shared: Arc::new(shared), session: None };
        card.put_in();
        card
    }

    /// Out of its reader, whoever has something open on it. What is behind stays.
    pub(crate) fn take_out(&mut self) {
        if let Some(session) = self.session.take() {
            session.umount_and_join().ok();
        }
    }

    /// Again: with other inode numbers, as of a file system that has none of its own.
    pub(crate) fn put_in(&mut self) {
        let mut state = self.shared.state();
        let made_up = (0..state.paths.len()).map(|n| self.behind.path().join(format!("no {n}")));
        state.paths = std::iter::once(self.behind.path().to_owned()).chain(made_up).collect();
        drop(state);
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("card".to_owned()), MountOption::NoDev];
        config.acl = SessionACL::All;
        let session = fuser::spawn_mount(Card(self.shared.clone()), &self.at, &config);
        self.session = Some(session.expect("tests mount file systems: run them as root"));
    }

    /// The directory that is shown through the mount.
    pub(crate) fn behind(&self) -> &Path {
        self.behind.path()
    }

    /// A clip on the card: its path through the mount.
    pub(crate) fn clip(&self, name: &str, size: usize) -> PathBuf {
        let seed = name.bytes().fold(size as u64, |s, b| s.wrapping_mul(31).wrapping_add(b.into()));
        crate::common::fill(&self.behind().join(name), size, seed);
        self.at.join(name)
    }

    /// From now on, of files of this name, or of all.
    pub(crate) fn on(&self, call: Call, name: Option<&str>, act: Act) {
        self.shared.state().rules.push((call, name.map(OsString::from), act));
    }

    /// Waits until so many calls hang.
    pub(crate) async fn hangs(&self, calls: usize) {
        let mut hanging = self.shared.hanging.subscribe();
        crate::common::soon("a call that hangs", hanging.wait_for(|n| *n >= calls)).await.unwrap();
    }

    /// The card is well again, and answers what it was asked.
    pub(crate) fn thaw(&self) {
        let mut state = self.shared.state();
        state.rules.clear();
        let hung = std::mem::take(&mut state.hung);
        drop(state);
        self.shared.hanging.send_replace(0);
        hung.into_iter().for_each(|answer| answer());
    }
}

impl Drop for FuseCard {
    fn drop(&mut self) {
        self.thaw();
        self.take_out();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, ino: INodeNo) -> PathBuf {
        self.state().paths[usize::try_from(u64::from(ino)).unwrap() - 1].clone()
    }

    /// The answer as the rules will have it. `answer`: with the error that it is to be.
    fn act(&self, call: Call, path: &Path, answer: impl FnOnce(Option<Errno>) + Send + 'static) {
        let mut state = self.state();
        let name = path.file_name();
        let fits = |(of, only, _): &&(Call, Option<OsString>, Act)| {
            *of == call && only.as_deref().is_none_or(|only| Some(only) == name)
        };
        match state.rules.iter().find(fits).map(|(_, _, act)| *act) {
            None => {
                drop(state);
                answer(None);
            }
            Some(Act::Fail) => answer(Some(Errno::EIO)),
            Some(Act::Slow(time)) => drop(std::thread::spawn(move || {
                std::thread::sleep(time);
                answer(None);
            })),
            Some(Act::Hang) => {
                state.hung.push(Box::new(move || answer(None)));
                self.hanging.send_modify(|n| *n += 1);
            }
        }
    }

    fn attr(&self, path: &Path) -> io::Result<FileAttr> {
        let meta = fs::symlink_metadata(path)?;
        let mut state = self.state();
        let known = state.paths.iter().position(|p| p == path);
        let index = known.unwrap_or_else(|| {
            state.paths.push(path.to_owned());
            state.paths.len() - 1
        });
        Ok(attr_of(INodeNo(index as u64 + 1), &meta))
    }
}

fn attr_of(ino: INodeNo, meta: &Metadata) -> FileAttr {
    let time = |s: i64, ns: i64| UNIX_EPOCH + Duration::new(s.unsigned_abs(), u32::try_from(ns).unwrap());
    FileAttr {
        ino,
        size: meta.len(),
        blocks: meta.blocks(),
        atime: time(meta.atime(), meta.atime_nsec()),
        mtime: time(meta.mtime(), meta.mtime_nsec()),
        ctime: time(meta.ctime(), meta.ctime_nsec()),
        crtime: UNIX_EPOCH,
        kind: if meta.is_dir() { FileType::Directory } else { FileType::RegularFile },
        perm: if meta.is_dir() { 0o755 } else { 0o644 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn errno(e: &io::Error) -> Errno {
    if e.kind() == io::ErrorKind::NotFound { Errno::ENOENT } else { Errno::EIO }
}

struct Card(Arc<Shared>);

impl Filesystem for Card {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (path, shared) = (self.0.path(parent).join(name), self.0.clone());
        self.0.act(Call::Lookup, &path.clone(), move |error| match (error, shared.attr(&path)) {
            (Some(e), _) => reply.error(e),
            (None, Ok(attr)) => reply.entry(&shared.cached, &attr, Generation(0)),
            (None, Err(e)) => reply.error(errno(&e)),
        });
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let (path, shared) = (self.0.path(ino), self.0.clone());
        self.0.act(Call::Stat, &path.clone(), move |error| match (error, shared.attr(&path)) {
            (Some(e), _) => reply.error(e),
            (None, Ok(attr)) => reply.attr(&shared.cached, &attr),
            (None, Err(e)) => reply.error(errno(&e)),
        });
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.0.act(Call::Open, &self.0.path(ino), move |error| match error {
            Some(e) => reply.error(e),
            None => reply.opened(FileHandle(0), FopenFlags::empty()),
        });
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let path = self.0.path(ino);
        self.0.act(Call::Read, &path.clone(), move |error| match (error, read(&path, offset, size)) {
            (Some(e), _) => reply.error(e),
            (None, Ok(bytes)) => reply.data(&bytes),
            (None, Err(e)) => reply.error(errno(&e)),
        });
    }

    fn flush(&self, _: &Request, ino: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.0.act(Call::Close, &self.0.path(ino), move |error| match error {
            Some(e) => reply.error(e),
            None => reply.ok(),
        });
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let (path, shared) = (self.0.path(ino), self.0.clone());
        self.0.act(Call::List, &path.clone(), move |error| {
            if let Some(e) = error {
                return reply.error(e);
            }
            let all = list(&path, &shared);
            for (n, (name, ino, kind)) in all.into_iter().enumerate().skip(usize::try_from(offset).unwrap()) {
                if reply.add(ino, n as u64 + 1, kind, name) {
                    break;
                }
            }
            reply.ok();
        });
    }
}

fn read(path: &Path, offset: u64, size: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size as usize];
    let (file, mut filled) = (File::open(path)?, 0);
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            n => filled += n,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// In an order that lasts.
fn list(dir: &Path, shared: &Shared) -> Vec<(OsString, INodeNo, FileType)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if let Ok(attr) = shared.attr(&entry.path()) {
            all.insert(entry.file_name(), (attr.ino, attr.kind));
        }
    }
    let dots = [".", ".."].map(|dot| (OsString::from(dot), INodeNo::ROOT, FileType::Directory));
    dots.into_iter().chain(all.into_iter().map(|(name, (ino, kind))| (name, ino, kind))).collect()
}
