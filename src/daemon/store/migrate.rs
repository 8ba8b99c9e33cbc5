//! From the version in the file to the one this program writes.
//!
//! # Decisions
//! - `PRAGMA user_version` and numbered SQL files. A released file is never edited; there is no way down: an older
//!   program refuses a newer file and leaves it alone.
//! - All missing steps are one transaction with the new number, after a copy made with `VACUUM INTO`. The copy goes
//!   when the new version is committed: it holds sealed tokens that would be spent by then.
//! - Whether there is room for that is asked before anything is written. A start on a full disk is tried again every few
//!   seconds, and a copy that ends where the disk does would wear the flash out.
use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use rustix::fs::statvfs;

use super::error::StoreError;
use super::files;

/// Step `n` (from 0) leads to version `n + 1`.
pub(super) const STEPS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_sources.sql"),
    include_str!("migrations/0003_providers.sql"),
    include_str!("migrations/0004_origins.sql"),
    include_str!("migrations/0005_clips.sql"),
    include_str!("migrations/0006_revocations.sql"),
    include_str!("migrations/0007_issuers_and_projects.sql"),
    include_str!("migrations/0008_recordings_and_channels.sql"),
    include_str!("migrations/0009_uploads_to_give_up.sql"),
    include_str!("migrations/0010_checksums.sql"),
];

/// [`StoreError::TooNew`] where `found` is beyond what `steps` lead to.
pub(super) fn refuse_newer(found: u32, steps: &[&str]) -> Result<(), StoreError> {
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    if found > known { Err(StoreError::TooNew { found, known }) } else { Ok(()) }
}

/// Runs what is missing. `existing` is the database's path when it holds anything worth a copy.
pub(super) fn run(conn: &mut Connection, steps: &[&str], existing: Option<&Path>) -> Result<(), StoreError> {
    let found = version(conn)?;
    refuse_newer(found, steps)?;
    let Some(missing @ [_, ..]) = steps.get(found as usize..) else { return Ok(()) };
    let copy = existing.map(|path| files::beside(path, &format!(".v{found}")));
    if let Some(copy) = &copy {
        copy_aside(conn, copy)?;
    }
    let migrated = apply(conn, missing, steps.len());
    // A step that failed for want of room has changed nothing, and the copy is in the way of the next try.
    if let Some(copy) = copy.filter(|_| matches!(migrated, Ok(()) | Err(StoreError::Full))) {
        files::remove(&copy);
    }
    migrated
}

fn apply(conn: &mut Connection, missing: &[&str], version: usize) -> Result<(), StoreError> {
    // A table that others refer to may be built anew, as SQLite advises: without its rows' going from the others.
    conn.pragma_update(None, "foreign_keys", false)?;
    let applied = in_one(conn, missing, version);
    conn.pragma_update(None, "foreign_keys", true)?;
    applied
}

fn in_one(conn: &mut Connection, missing: &[&str], version: usize) -> Result<(), StoreError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for sql in missing {
        tx.execute_batch(sql)?;
    }
    if tx.prepare("PRAGMA foreign_key_check")?.exists([])? {
        return Err(StoreError::Io("a step would have left a row without the one it belongs to".to_owned()));
    }
    tx.pragma_update(None, "user_version", u32::try_from(version).unwrap_or(u32::MAX))?;
    Ok(tx.commit()?)
}

fn copy_aside(conn: &Connection, copy: &Path) -> Result<(), StoreError> {
    let name = copy.to_str().ok_or_else(|| StoreError::Io(format!("{} is not UTF-8", copy.display())))?;
    files::remove(copy);
    check_room(conn, copy)?;
    // SQLite writes into an empty file and keeps its mode.
    files::create_private(copy)?;
    let copied = conn.execute("VACUUM INTO ?1", [name]).map_err(StoreError::from).and_then(|_| {
        File::open(copy).and_then(|file| file.sync_all()).map_err(|e| StoreError::file(copy, &e))
    });
    if copied.is_err() {
        files::remove(copy);
    }
    copied
}

/// [`StoreError::Full`] where the copy and what the steps write would not fit beside the database.
fn check_room(conn: &Connection, copy: &Path) -> Result<(), StoreError> {
    let number = |pragma: &str| conn.query_row(pragma, [], |r| r.get::<_, i64>(0));
    let size = number("PRAGMA page_count")?.saturating_mul(number("PRAGMA page_size")?);
    let stat = statvfs(copy.parent().unwrap_or(copy)).map_err(|e| StoreError::file(copy, &e.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    // Where nobody counts blocks nobody knows.
    let is_counted = stat.f_blocks > 0;
    if is_counted && free < room(u64::try_from(size).unwrap_or_default()) {
        return Err(StoreError::Full);
    }
    Ok(())
}

/// Bytes that it takes to bring a database of this size up to date: the copy, and as much again for the log and for what
/// grows. The steps add columns, tables of a few rows, and indexes over the items, which are a part of the database.
fn room(size: u64) -> u64 {
    size.saturating_mul(2)
}

fn version(conn: &Connection) -> Result<u32, StoreError> {
    Ok(conn.query_row("PRAGMA user_version", [], |r| r.get(0))?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;

    use super::*;

    const FILL: &str = "CREATE TABLE t (x INTEGER) STRICT; INSERT INTO t VALUES (1), (2);";
    const TWO: &str = "ALTER TABLE t ADD COLUMN y INTEGER NOT NULL DEFAULT 7;";
    const THREE: &str = "UPDATE t SET y = x + y;";

    fn database(steps: &[&str]) -> (tempfile::TempDir, PathBuf, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rigpost.db");
        let mut conn = Connection::open(&path).unwrap();
        run(&mut conn, steps, None).unwrap();
        (dir, path, conn)
    }

    fn names(dir: &tempfile::TempDir) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn missing_steps_run_once_and_the_copy_goes() {
        let (dir, path, mut conn) = database(&[FILL]);
        for _ in 0..2 {
            run(&mut conn, &[FILL, TWO, THREE], Some(&path)).unwrap();
            assert_eq!(version(&conn).unwrap(), 3);
            let sum: i64 = conn.query_row("SELECT sum(y) FROM t", [], |r| r.get(0)).unwrap();
            assert_eq!(sum, 17);
            assert_eq!(names(&dir), ["rigpost.db"]);
        }
    }

    #[test]
    fn a_step_that_fails_changes_nothing_and_leaves_the_copy() {
        let (dir, path, mut conn) = database(&[FILL]);
        fs::write(dir.path().join("rigpost.db.v1"), "of a former try").unwrap();
        let failed = run(&mut conn, &[FILL, TWO, "INSERT INTO nowhere VALUES (1);"], Some(&path));
        assert!(failed.is_err());
        assert_eq!(version(&conn).unwrap(), 1);
        assert!(conn.prepare("SELECT y FROM t").is_err());
        let copy = dir.path().join("rigpost.db.v1");
        assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o7777, 0o600);
        let copy = Connection::open(copy).unwrap();
        let sum: i64 = copy.query_row("SELECT sum(x) FROM t", [], |r| r.get(0)).unwrap();
        assert_eq!((sum, version(&copy).unwrap()), (3, 1));
        run(&mut conn, &[FILL, TWO], Some(&path)).unwrap();
        drop(copy);
        assert_eq!(names(&dir), ["rigpost.db"]);
    }

    #[test]
    fn a_newer_version_is_refused() {
        let (dir, path, mut conn) = database(&[FILL, TWO]);
        let refused = run(&mut conn, &[FILL], Some(&path)).unwrap_err();
        assert_eq!(refused, StoreError::TooNew { found: 2, known: 1 });
        assert_eq!(names(&dir), ["rigpost.db"]);
    }
}
