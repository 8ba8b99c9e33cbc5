//! What the kernel tells of directories: what was written, moved in, made, or unmounted.
//!
//! # Decisions
//! - inotify through `rustix`, which is here already. `notify` brings a thread and a walk of its own: by path names,
//!   through a link at the root, into every directory whether we want it or not. Ours enters a directory that it has
//!   open, and watches just that one.
//! - The watch is set through `/proc/self/fd`, so that what is watched is what was opened.
//! - Openings are told beside what is made: a file that appears by a link is made and not opened, and is finished. For
//!   the price of a word for each reader, of which we are one, a writer is known from the beginning.
//! - No word of each write (`IN_MODIFY`): a recording would wake the rig thousands of times a second.
//! - A watch costs the kernel about a kilobyte, so there is a limit of our own below the system's.
pub mod mountinfo;
mod mounts;
pub mod network;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::inotify::{self, CreateFlags, Event, ReadFlags, Reader, WatchFlags};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use mounts::Mounts;

const MAX_WATCHES: usize = 65_536;
const BUFFER: usize = 16 * 1024;

/// Something happened. Paths are as the directory was named when it was watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// A file appeared. Whoever made it by opening it opens it next; a link is not opened.
    Made(PathBuf),
    /// A file was opened, to read or to write.
    Opened(PathBuf),
    /// A file that was open for writing was closed.
    Closed(PathBuf),
    /// A file that was open for reading was closed.
    ClosedUnwritten(PathBuf),
    /// A file left; with the number of the move.
    MovedOut(PathBuf, u32),
    /// A file came; with the number of the move.
    MovedIn(PathBuf, u32),
    /// A directory was made, or came. It is not watched yet.
    NewDirectory(PathBuf),
    /// A directory shows again after an unmount. It is not watched yet.
    Uncovered(PathBuf),
    /// A watched directory left, was deleted, or its file system was unmounted. It is watched no more.
    Gone(PathBuf),
    /// Rights, owner or times of something changed, not by writing; true: of a directory.
    Touched(PathBuf, bool),
    /// More happened than the kernel keeps: anything may have.
    Overflow,
}

/// Why a directory can't be watched. Says which knob of the system to turn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// Too many watches.
    #[error("the limit of watched directories is reached; raise the sysctl fs.inotify.max_user_watches")]
    Watches,
    /// More than this program allows itself.
    #[error("there are more than {MAX_WATCHES} directories")]
    TooMany,
    /// Too many programs of this user watch.
    #[error("the limit of watching programs is reached; raise the sysctl fs.inotify.max_user_instances")]
    Instances,
    /// Anything else.
    #[error("{0}")]
    System(String),
}

/// Watches directories.
#[derive(Debug)]
pub struct Watcher {
    inotify: AsyncFd<OwnedFd>,
    watched: Mutex<BTreeMap<i32, Watched>>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// Only for what will be made on the way to a directory that is missing.
    waypoint: bool,
}

impl Watcher {
    /// Opens them. Belongs into a tokio runtime.
    pub fn new() -> Result<Watcher, WatchError> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).map_err(blind)?;
        #[expect(
            deprecated,
            reason = "deprecated for types whose descriptor may change under it; an OwnedFd's can't"
        )]
        let inotify = AsyncFd::with_interest(inotify, Interest::READABLE)
            .map_err(|e| WatchError::System(e.to_string()))?;
        Ok(Watcher { inotify, watched: Mutex::default() })
    }

    /// Tells from now on what happens in this directory, which is to be called `path`.
    pub fn watch(&self, dir: BorrowedFd<'_>, path: &Path) -> Result<(), WatchError> {
        let all = WatchFlags::CLOSE
            | WatchFlags::OPEN
            | WatchFlags::CREATE
            | WatchFlags::MOVE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::EXCL_UNLINK
            | WatchFlags::ONLYDIR;
        self.add(dir, path, all, false)
    }

    /// Tells from now on what is made in the nearest directory above `missing` that exists, and which that is. Blocks on
    /// the disk.
    pub fn watch_way_to(&self, missing: &Path) -> Result<PathBuf, WatchError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let there =
            missing.ancestors().skip(1).find_map(|dir| Some((dir, open(dir, flags, Mode::empty()).ok()?)));
        let Some((path, dir)) = there else {
            return Err(WatchError::System("there is no way to it".to_owned()));
        };
        // Added to what is asked of it already, if it is.
        let made = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::MASK_ADD;
        self.add(dir.as_fd(), path, made, true)?;
        Ok(path.to_owned())
    }

    /// Nothing is missing any more.
    pub fn forget_ways(&self) {
        self.drop_where(|w| w.waypoint);
    }

    /// A directory has left with everything beneath it: what happens there is told no more.
    pub fn forget(&self, path: &Path) {
        self.drop_where(|w| !w.waypoint && w.path.starts_with(path));
    }

    /// Waits until something has happened. What is not taken by a dropped future is told to the next.
    ///
    /// # Errors
    /// The kernel's; then nothing is told any more.
    pub async fn events(&self) -> io::Result<Vec<WatchEvent>> {
        loop {
            let mut ready = self.inotify.readable().await?;
            if let Ok(read) = ready.try_io(|inotify| self.read(inotify.get_ref().as_fd())) {
                return read;
            }
        }
    }

    fn add(
        &self,
        dir: BorrowedFd<'_>,
        path: &Path,
        what: WatchFlags,
        waypoint: bool,
    ) -> Result<(), WatchError> {
        if self.lock().len() >= MAX_WATCHES {
            return Err(WatchError::TooMany);
        }
        let link = format!("/proc/self/fd/{}", dir.as_raw_fd());
        // Not under the lock: a card may be asked for the rights of its directory, and may hang. What happens before the
        // watch has its name is told to nobody, and whoever asked has not looked into the directory yet.
        let id = inotify::add_watch(self.inotify.get_ref(), link, what).map_err(blind)?;
        let mut watched = self.lock();
        let waypoint = waypoint && watched.get(&id).is_none_or(|w| w.waypoint);
        watched.insert(id, Watched { path: path.to_owned(), waypoint });
        Ok(())
    }

    fn drop_where(&self, which: impl Fn(&Watched) -> bool) {
        self.lock().retain(|id, watched| {
            let goes = which(watched);
            if goes {
                // The kernel may have dropped it already.
                let _ = inotify::remove_watch(self.inotify.get_ref(), *id);
            }
            !goes
        });
    }

    fn read(&self, inotify: BorrowedFd<'_>) -> io::Result<Vec<WatchEvent>> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(inotify, &mut buffer);
        let mut events = Vec::new();
        loop {
            let event = reader.next()?;
            events.extend(translate(&mut self.lock(), &event));
            if reader.is_buffer_empty() {
                return Ok(events);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn translate(watched: &mut BTreeMap<i32, Watched>, event: &Event<'_>) -> Option<WatchEvent> {
    let (what, is_dir) = (event.events(), event.events().contains(ReadFlags::ISDIR));
    if what.contains(ReadFlags::QUEUE_OVERFLOW) {
        return Some(WatchEvent::Overflow);
    }
    if what.contains(ReadFlags::IGNORED) {
        return watched.remove(&event.wd()).map(|w| WatchEvent::Gone(w.path));
    }
    let dir = &watched.get(&event.wd())?.path;
    let Some(name) = event.file_name() else {
        return match what {
            _ if what.contains(ReadFlags::UNMOUNT) => Some(WatchEvent::Uncovered(dir.clone())),
            _ if what.contains(ReadFlags::MOVE_SELF) => Some(WatchEvent::Gone(dir.clone())),
            _ => None,
        };
    };
    let path = dir.join(OsStr::from_bytes(name.to_bytes()));
    let has = |flag| what.contains(flag);
    match (is_dir, event.cookie()) {
        (true, _) if has(ReadFlags::CREATE) || has(ReadFlags::MOVED_TO) => {
            Some(WatchEvent::NewDirectory(path))
        }
        (true, _) if has(ReadFlags::MOVED_FROM) => Some(WatchEvent::Gone(path)),
        (false, move_number) if has(ReadFlags::MOVED_TO) => Some(WatchEvent::MovedIn(path, move_number)),
        (false, move_number) if has(ReadFlags::MOVED_FROM) => Some(WatchEvent::MovedOut(path, move_number)),
        (false, _) if has(ReadFlags::CLOSE_WRITE) => Some(WatchEvent::Closed(path)),
        (false, _) if has(ReadFlags::CLOSE_NOWRITE) => Some(WatchEvent::ClosedUnwritten(path)),
        (false, _) if has(ReadFlags::CREATE) => Some(WatchEvent::Made(path)),
        (false, _) if has(ReadFlags::OPEN) => Some(WatchEvent::Opened(path)),
        (_, _) if has(ReadFlags::ATTRIB) => Some(WatchEvent::Touched(path, is_dir)),
        _ => None,
    }
}

fn blind(e: Errno) -> WatchError {
    match e {
        Errno::NOSPC => WatchError::Watches,
        Errno::MFILE | Errno::NFILE => WatchError::Instances,
        e => WatchError::System(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    async fn next(watcher: &Watcher) -> Vec<WatchEvent> {
        tokio::time::timeout(Duration::from_secs(20), watcher.events()).await.expect("an event").unwrap()
    }

    fn watch(watcher: &Watcher, path: &Path) {
        watcher.watch(fs::File::open(path).unwrap().as_fd(), path).unwrap();
    }

    #[tokio::test]
    async fn what_happens_in_a_watched_directory_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let watcher = Watcher::new().unwrap();
        watch(&watcher, dir.path());
        fs::write(at("a"), "x").unwrap();
        fs::create_dir(at("d")).unwrap();
        fs::rename(at("a"), at("b")).unwrap();
        fs::set_permissions(at("b"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let events = next(&watcher).await;
        let WatchEvent::MovedOut(_, n) = events[4] else { panic!("{events:?}") };
        let expected = [
            WatchEvent::Made(at("a")),
            WatchEvent::Opened(at("a")),
            WatchEvent::Closed(at("a")),
            WatchEvent::NewDirectory(at("d")),
            WatchEvent::MovedOut(at("a"), n),
            WatchEvent::MovedIn(at("b"), n),
            WatchEvent::Touched(at("b"), false),
        ];
        assert_eq!(events, expected);
        watch(&watcher, &at("d"));
        fs::remove_dir(at("d")).unwrap();
        assert_eq!(next(&watcher).await, [WatchEvent::Gone(at("d"))]);
        watcher.forget(dir.path());
        assert!(watcher.lock().is_empty());
    }

    #[tokio::test]
    async fn what_is_linked_is_made_and_not_opened_and_readers_are_told_from_writers() {
        use rustix::fs::{AtFlags, CWD, linkat};
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("watched");
        fs::create_dir(&inner).unwrap();
        fs::write(dir.path().join("outside"), "x").unwrap();
        let watcher = Watcher::new().unwrap();
        watch(&watcher, &inner);
        let at = |name: &str| inner.join(name);
        fs::hard_link(dir.path().join("outside"), at("linked")).unwrap();
        assert_eq!(next(&watcher).await, [WatchEvent::Made(at("linked"))]);
        drop(fs::File::open(at("linked")).unwrap());
        let read = [WatchEvent::Opened(at("linked")), WatchEvent::ClosedUnwritten(at("linked"))];
        assert_eq!(next(&watcher).await, read);
        // Nothing is told of a file without a name, nor of its writer after it got one.
        let nameless = open(&inner, OFlags::TMPFILE | OFlags::RDWR, Mode::RUSR).unwrap();
        let link = format!("/proc/self/fd/{}", nameless.as_raw_fd());
        linkat(CWD, link, CWD, at("nameless"), AtFlags::SYMLINK_FOLLOW).unwrap();
        rustix::io::write(&nameless, b"x").unwrap();
        drop(nameless);
        fs::rename(dir.path().join("outside"), at("last")).unwrap();
        let events = next(&watcher).await;
        assert_eq!(events[0], WatchEvent::Made(at("nameless")), "{events:?}");
        assert!(matches!(&events[1..], [WatchEvent::MovedIn(path, _)] if *path == at("last")), "{events:?}");
    }

    #[tokio::test]
    async fn the_way_to_a_missing_directory_is_watched_until_it_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::new().unwrap();
        watcher.watch_way_to(&dir.path().join("a/b/c")).unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        assert_eq!(next(&watcher).await, [WatchEvent::NewDirectory(dir.path().join("a"))]);
        // A directory that is watched for itself stays so.
        watch(&watcher, &dir.path().join("a"));
        watcher.watch_way_to(&dir.path().join("a/b/c")).unwrap();
        watcher.forget_ways();
        assert_eq!(watcher.lock().len(), 1);
        fs::write(dir.path().join("a/x"), "").unwrap();
        let told = next(&watcher).await;
        assert!(told.contains(&WatchEvent::Closed(dir.path().join("a/x"))), "{told:?}");
    }

    #[tokio::test]
    async fn an_overflow_of_the_kernels_queue_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let limit: usize = limit.trim().parse().unwrap();
        let watcher = Watcher::new().unwrap();
        watch(&watcher, dir.path());
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "").unwrap();
        // Two events each, no two alike in a row, and nobody reads.
        for _ in 0..limit / 4 + 1 {
            fs::rename(&a, &b).unwrap();
            fs::rename(&b, &a).unwrap();
        }
        while !next(&watcher).await.contains(&WatchEvent::Overflow) {}
    }

    #[test]
    fn limits_are_named_with_the_knob() {
        assert!(blind(Errno::NOSPC).to_string().contains("fs.inotify.max_user_watches"));
        assert!(blind(Errno::MFILE).to_string().contains("fs.inotify.max_user_instances"));
    }
}
