//! From the version in the file to the one this program writes.
//!
//! # Decisions
//! - `PRAGMA user_version` and numbered SQL files. A released file is never edited; there is no way down: an older
//!   program refuses a newer file and leaves it alone.
//! - All missing steps are one transaction with the new number, after a copy made with `VACUUM INTO`. The copy goes
//!   when the new version is committed: it holds sealed tokens that would be spent by then.
use super::{StoreError, open};
use rusqlite::{Connection, TransactionBehavior};
use std::{fs::File, path::Path};

/// Step `n` (from 0) leads to version `n + 1`.
pub(super) const STEPS: &[&str] = &[include_str!("migrations/0001_first.sql")];

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
    let copy = existing.map(|path| open::beside(path, &format!(".v{found}")));
    if let Some(copy) = &copy {
        copy_aside(conn, copy)?;
    }
    let migrated = apply(conn, missing, steps.len());
    // A step that failed for want of room has changed nothing, and the copy is in the way of the next try.
    if let Some(copy) = copy.filter(|_| matches!(migrated, Ok(()) | Err(StoreError::Full))) {
        open::remove(&copy);
    }
    migrated
}

fn apply(conn: &mut Connection, missing: &[&str], version: usize) -> Result<(), StoreError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for sql in missing {
        tx.execute_batch(sql)?;
    }
    tx.pragma_update(None, "user_version", u32::try_from(version).unwrap_or(u32::MAX))?;
    Ok(tx.commit()?)
}

fn copy_aside(conn: &Connection, copy: &Path) -> Result<(), StoreError> {
    let name = copy.to_str().ok_or_else(|| StoreError::Io(format!("{} is not UTF-8", copy.display())))?;
    open::remove(copy);
    // SQLite writes into an empty file and keeps its mode.
    open::create_private(copy)?;
    let copied = conn.execute("VACUUM INTO ?1", [name]).map_err(StoreError::from).and_then(|_| {
        File::open(copy).and_then(|file| file.sync_all()).map_err(|e| StoreError::file(copy, &e))
    });
    if copied.is_err() {
        open::remove(copy);
    }
    copied
}

fn version(conn: &Connection) -> Result<u32, StoreError> {
    Ok(conn.query_row("PRAGMA user_version", [], |r| r.get(0))?)
}
