//! Permissions, a full disk, a disk that can't be written, and two daemons.
use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use rigpost_core::oauth::{AccessToken, TokenSet};
use rigpost_core::secret::Secret;
use rigpost_daemon::store::{Store, StoreError};
use rustix::fs::inotify;
use tempfile::TempDir;

use crate::migration::{RELEASED, restored};
use crate::support::*;

/// A file system of its own, unmounted when dropped.
struct Mount(TempDir);

impl Mount {
    fn new(size: &str) -> Mount {
        let mount = Mount(dir());
        mount.run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        mount
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, program: &str, args: &[&str]) {
        let status = Command::new(program).args(args).arg(self.path()).status();
        assert!(
            status.is_ok_and(|s| s.success()),
            "{program} {args:?}: these tests need root to mount a tmpfs"
        );
    }

    fn fill(&self) {
        let _ = fs::write(self.path().join("ballast"), vec![1; 16 << 20]);
    }

    fn make_room(&self) {
        // A child of another test's, between its fork and its exec, may have the file open for a moment.
        fs::write(self.path().join("ballast"), b"").unwrap();
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn only_the_owner_can_read_any_file() {
    let root = dir();
    let state = root.path().join("var/lib/rigpost");
    let umask = rustix::process::umask(rustix::fs::Mode::empty());
    let store = ready(&state).await;
    store.save_tokens(&tokens(1)).await.unwrap();
    rustix::process::umask(umask);
    assert_eq!(mode(&state), 0o700);
    let files: Vec<_> = contents(&state).into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, ["rigpost.db", "rigpost.db-shm", "rigpost.db-wal"]);
    for name in &files {
        assert_eq!(mode(&state.join(name)), 0o600, "{name}");
    }
    // Restored from a copy, with the modes of the copy.
    let copy = cut_power(&state);
    let store = ready(copy.path()).await;
    store.save_tokens(&tokens(2)).await.unwrap();
    for name in files {
        assert_eq!(mode(&copy.path().join(&name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_left_behind() {
    let mount = Mount::new("640k");
    let store = ready(mount.path()).await;
    store.save_tokens(&tokens(1)).await.unwrap();
    let id = add_one(&store, clip(1, Some("p"))).await;
    let name = store.identity(None, &cloud()).await.unwrap();
    mount.fill();
    let mut accepted = 1;
    let refused = loop {
        match add(&store, (0..50).map(|n| clip(100 * accepted + n, Some("p"))).collect(), MAX).await {
            Ok(_) => accepted += 50,
            Err(e) => break e,
        }
        assert!(accepted < 100_000, "the disk never got full");
    };
    assert_eq!(refused, StoreError::Full);
    for _ in 0..3 {
        assert_eq!(store.save_tokens(&large_tokens()).await, Err(StoreError::Full));
    }
    assert_eq!(store.grants().await.unwrap().tokens, Some((tokens(1), false)));
    assert_eq!(store.counters().await.unwrap().files_left, accepted);
    drop(store);
    // A start on a full disk works as far as reading goes.
    let store = ready(mount.path()).await;
    assert_eq!(store.identity(None, &cloud()).await.unwrap(), name);
    assert_eq!(store.grants().await.unwrap().tokens, Some((tokens(1), false)));
    mount.make_room();
    store.save_tokens(&tokens(2)).await.unwrap();
    assert_eq!(store.grants().await.unwrap().tokens, Some((tokens(2), false)));
    assert_eq!(store.get(&[id]).await.unwrap().len(), 1);
    assert_eq!(store.verify().await, Ok(()));
}

/// A token set that does not fit into what is left of a page.
fn large_tokens() -> TokenSet {
    TokenSet { access: AccessToken(Secret::new("x".repeat(1 << 20))), ..tokens(2) }
}

#[tokio::test]
async fn a_new_rig_on_a_full_disk_leaves_nothing_behind() {
    let mount = Mount::new("640k");
    mount.fill();
    for _ in 0..2 {
        assert_eq!(Store::open(mount.path()).unwrap_err(), StoreError::Full);
        assert_eq!(contents(mount.path()).len(), 1, "the ballast only");
    }
    mount.make_room();
    let opened = Store::open(mount.path()).map_err(|why| {
        let stat = rustix::fs::statvfs(mount.path()).unwrap();
        format!("{why}: {:?}, {} of {} blocks are free", contents(mount.path()), stat.f_bavail, stat.f_blocks)
    });
    assert!(opened.unwrap().created());
}

/// A start on a full disk is tried again and again: none of them may write what does not fit.
#[tokio::test]
async fn an_upgrade_that_has_no_room_writes_no_copy() {
    let mount = Mount::new("4m");
    let old = restored(RELEASED[1].1);
    fs::copy(db(old.path()), db(mount.path())).unwrap();
    let size = fs::metadata(db(mount.path())).unwrap().len();
    let made = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&made, mount.path(), inotify::WatchFlags::CREATE).unwrap();
    let copies = || {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&made, &mut buffer);
        let names = std::iter::from_fn(|| events.next().ok()?.file_name().map(|n| n.to_bytes().to_vec()));
        names.filter(|name| name.ends_with(b".db.v2")).count()
    };
    // Room for the copy and for half of the rest.
    let stat = rustix::fs::statvfs(mount.path()).unwrap();
    let ballast = stat.f_bavail * stat.f_frsize - size * 3 / 2;
    fs::write(mount.path().join("ballast"), vec![1; ballast as usize]).unwrap();
    for _ in 0..2 {
        assert_eq!(Store::open(mount.path()).unwrap_err(), StoreError::Full);
        assert_eq!(copies(), 0);
    }
    mount.make_room();
    let store = ready(mount.path()).await;
    assert_eq!((copies(), store.verify().await), (1, Ok(())));
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_named() {
    let mount = Mount::new("2m");
    drop(ready(mount.path()).await);
    mount.run("mount", &["-o", "remount,ro"]);
    let refused = Store::open(mount.path()).unwrap_err();
    assert!(
        matches!(&refused, StoreError::ReadOnly(why) if why.contains("Read-only file system")),
        "{refused}"
    );
    let empty = Mount::new("2m");
    empty.run("mount", &["-o", "remount,ro"]);
    let refused = Store::open(empty.path()).unwrap_err();
    assert!(
        matches!(&refused, StoreError::ReadOnly(why) if why.contains("Read-only file system")),
        "{refused}"
    );
}

#[tokio::test]
async fn two_daemons_do_not_share_a_database() {
    let dir = dir();
    let store = Store::open(dir.path()).unwrap();
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(matches!(&refused, StoreError::Io(why) if why.contains("in use")), "{refused}");
    drop(store.clone());
    assert!(Store::open(dir.path()).is_err(), "a clone is the same store");
    drop(store);
    assert!(!Store::open(dir.path()).unwrap().created());
}

#[tokio::test]
async fn what_is_no_file_is_no_database() {
    let dir = dir();
    fs::create_dir(db(dir.path())).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Io(_))));
    let file = self::dir();
    fs::write(file.path().join("state"), "").unwrap();
    assert!(matches!(Store::open(&file.path().join("state")), Err(StoreError::Io(_))));
}
