//! Pages that nobody uses any more go back to the file system.
//!
//! # Decisions
//! - Incremental, and only once a fifth of the file is free: what comes next fills free pages first, so a queue whose
//!   history is pruned as it grows moves no page at all. `auto_vacuum = FULL` would move pages at every commit that
//!   frees one, and `VACUUM` would write the whole file through the log at once.
//! - A few hundred pages at a time, in the transaction that freed some: about as many as a step of clearing frees.
use rusqlite::Connection;

use super::error::StoreError;
use super::tx::Tx;

/// Free pages that are not worth a thought: 1 MB.
const FEW: i64 = 256;
/// Pages given back in one transaction, at most.
const STEP: u32 = 512;
/// Pages of a database that is rewritten in memory: 32 MB, some 50,000 clips of version 1.
const CONVERTIBLE: i64 = 8192;

/// Gives a step's worth of pages back where many are free. Does nothing in a file that can't shrink.
pub(super) fn give_back(tx: &Tx<'_>) -> Result<(), StoreError> {
    let number = |pragma: &str| tx.prepare_cached(pragma)?.query_row([], |r| r.get::<_, i64>(0));
    let (free, all) = (number("PRAGMA freelist_count")?, number("PRAGMA page_count")?);
    if free > FEW && free > all / 5 {
        // Each step of the statement frees one page.
        let mut statement = tx.prepare_cached(&format!("PRAGMA incremental_vacuum({STEP})"))?;
        let mut pages = statement.query([])?;
        while pages.next()?.is_some() {}
    }
    Ok(())
}

/// Makes a database that has no table yet one that can shrink.
pub(super) fn prepare(conn: &Connection) -> Result<(), StoreError> {
    Ok(conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?)
}

/// Rewrites a database of version 1, so that it can shrink. One that has no room for that, or is so large that the
/// memory for it may be missing, stays as it is: there, free pages are used again only.
pub(super) fn convert(conn: &Connection) -> Result<(), StoreError> {
    let number = |pragma: &str| conn.query_row(pragma, [], |r| r.get::<_, i64>(0));
    if number("PRAGMA auto_vacuum")? != 0 || number("PRAGMA page_count")? > CONVERTIBLE {
        return Ok(());
    }
    prepare(conn)?;
    match conn.execute_batch("VACUUM").map_err(StoreError::from) {
        Err(StoreError::Full) => Ok(()),
        done => done,
    }
}
