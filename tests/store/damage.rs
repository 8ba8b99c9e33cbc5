//! Files that are not what we wrote: never a panic, never a new identity, never overwritten.
use std::fs;
use std::path::Path;

use rigpost_daemon::store::{Store, StoreError};
use tempfile::TempDir;

use crate::support::*;

/// A rig with something of everything, closed, and its name.
async fn rig() -> (TempDir, String) {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_client_secret(&client_secret()).await.unwrap();
    store.save_tokens(&tokens(1)).await.unwrap();
    store.save_device(&device("p")).await.unwrap();
    store.save_pairing(Some(&code()), None).await.unwrap();
    add(&store, (0..50).map(|n| clip(n, Some("p"))).collect(), MAX).await.unwrap();
    let id = store.claim("p", &[], None).await.unwrap().unwrap().id;
    store.save_asset(id, &asset("x", 4)).await.unwrap();
    store.finish_part(id, "x", 0, "e", 250, digest(1)).await.unwrap();
    let name = store.identity(None, &cloud()).await.unwrap().client_id;
    (dir, name)
}

/// Uses everything as the daemon does at its start. Errors are fine; another name is not.
async fn use_all(dir: &Path, name: &str, what: &str) -> Result<(), StoreError> {
    let store = Store::open(dir)?;
    assert!(!store.created(), "{what}: taken for a fresh rig");
    let identity = store.identity(None, &cloud()).await?;
    assert_eq!(identity.client_id, name, "{what}");
    store.has_sealed_records().await?;
    store.attach(Some(vault(1))).await?;
    store.grants().await?;
    store.resume_uploading().await?;
    store.list(None, None, 0, 100).await?;
    store.counters().await?;
    store.claim("p", &[], None).await?;
    store.asset_of(rigpost_core::queue::item::ItemId(1)).await.map(drop)
}

#[tokio::test]
async fn a_database_that_was_cut_anywhere_is_never_a_fresh_one() {
    let (dir, name) = rig().await;
    let whole = fs::read(db(dir.path())).unwrap();
    let lengths =
        (0..whole.len()).step_by(509).chain([1, 15, 16, 99, 100, 101, 4095, 4096, 4097, whole.len() - 1]);
    let mut refused = 0;
    for len in lengths {
        let cut = self::dir();
        fs::write(db(cut.path()), &whole[..len]).unwrap();
        let used = use_all(cut.path(), &name, &format!("cut to {len}")).await;
        assert!(is_corrupt(&used), "cut to {len}: {used:?}");
        refused += 1;
    }
    assert!(refused > 100, "{refused} cuts of {} bytes", whole.len());
}

#[tokio::test]
async fn a_cut_database_beside_its_log_is_never_a_fresh_one() {
    let (dir, name) = rig().await;
    let store = ready(dir.path()).await;
    store.save_tokens(&tokens(2)).await.unwrap();
    let copy = cut_power(dir.path());
    let (whole, log) =
        (fs::read(db(copy.path())).unwrap(), fs::read(copy.path().join("rigpost.db-wal")).unwrap());
    assert!(!log.is_empty());
    for len in (0..whole.len()).step_by(4096).chain([0, 50, 5000]) {
        let cut = self::dir();
        fs::write(db(cut.path()), &whole[..len]).unwrap();
        fs::write(cut.path().join("rigpost.db-wal"), &log).unwrap();
        let _ = use_all(cut.path(), &name, &format!("cut to {len} beside a log")).await;
    }
    // A log that was cut loses what had not been folded in, and nothing else.
    for len in (0..log.len()).step_by(1031) {
        let cut = self::dir();
        fs::write(db(cut.path()), &whole).unwrap();
        fs::write(cut.path().join("rigpost.db-wal"), &log[..len]).unwrap();
        assert_eq!(use_all(cut.path(), &name, &format!("log cut to {len}")).await, Ok(()));
    }
}

#[tokio::test]
async fn flipped_bytes_never_make_a_stranger() {
    let (dir, name) = rig().await;
    let whole = fs::read(db(dir.path())).unwrap();
    let mut noticed = 0;
    for at in (0..whole.len()).step_by(101) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let flipped = self::dir();
        fs::write(db(flipped.path()), bytes).unwrap();
        noticed += usize::from(use_all(flipped.path(), &name, &format!("byte {at} flipped")).await.is_err());
    }
    assert!(noticed > 20, "only {noticed} of the flips were noticed: is the file used at all?");
}

#[tokio::test]
async fn what_is_refused_is_left_as_it_was() {
    let foreign = dir();
    raw(foreign.path()).execute_batch("CREATE TABLE t (x); PRAGMA user_version = 1;").unwrap();
    let foreign = fs::read(db(foreign.path())).unwrap();
    let text = b"not a database, but long enough to be one: ".repeat(10);
    for (what, bytes) in [("empty", &[][..]), ("cut", b"SQLite"), ("text", &text), ("foreign", &foreign)] {
        let dir = dir();
        fs::write(db(dir.path()), bytes).unwrap();
        let before = contents(dir.path());
        for _ in 0..2 {
            assert!(is_corrupt(&Store::open(dir.path())), "{what}");
            assert_eq!(contents(dir.path()), before, "{what}");
        }
    }
}

#[tokio::test]
async fn a_log_without_its_database_is_no_fresh_rig() {
    let dir = dir();
    fs::write(dir.path().join("rigpost.db-wal"), "something").unwrap();
    let before = contents(dir.path());
    assert!(is_corrupt(&Store::open(dir.path())));
    assert_eq!(contents(dir.path()), before);
}

#[tokio::test]
async fn what_a_power_cut_left_of_the_making_is_no_hindrance() {
    let dir = dir();
    fs::write(dir.path().join("rigpost.db.new"), "half a database").unwrap();
    fs::write(dir.path().join("rigpost.db.new-journal"), "half a journal").unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.created());
    let names: Vec<_> = contents(dir.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["rigpost.db", "rigpost.db-shm", "rigpost.db-wal"]);
}

#[tokio::test]
async fn a_newer_database_is_refused_byte_for_byte() {
    let (dir, _) = rig().await;
    raw(dir.path()).pragma_update(None, "user_version", 11).unwrap();
    let before = contents(dir.path());
    assert_eq!(before.len(), 1);
    let refused = Store::open(dir.path()).unwrap_err();
    assert_eq!(refused, StoreError::TooNew { found: 11, known: 10 });
    assert_eq!(contents(dir.path()), before);
}

#[tokio::test]
async fn a_newer_version_that_is_only_in_the_log_is_refused_too() {
    let (dir, _) = rig().await;
    let conn = raw(dir.path());
    conn.pragma_update(None, "user_version", 11).unwrap();
    let copy = cut_power(dir.path());
    let before = contents(copy.path());
    assert_eq!(before.len(), 2);
    assert_eq!(Store::open(copy.path()).unwrap_err(), StoreError::TooNew { found: 11, known: 10 });
    let after: Vec<_> =
        contents(copy.path()).into_iter().filter(|(name, _)| !name.ends_with("-shm")).collect();
    assert_eq!(after, before);
}
