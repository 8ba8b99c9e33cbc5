//! Files of media sources whose rows are gone: a card that is scanned again brings nothing twice.
//!
//! # Decisions
//! - Eight bytes for each file, XXH64 over what identifies it. A new clip that hits one of a million by chance (1 in
//!   10^13) would be taken for known.
//! - The last million: about 40 MB, and as many clips as the queue itself can hold. The oldest is forgotten first; its
//!   card has long been formatted.
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use xxhash_rust::xxh64::Xxh64;

use crate::store::error::StoreError;
use crate::store::tx::Tx;
use rigpost_core::queue::item::FileFacts;

const MOST: i64 = 1_000_000;

pub(super) const KNOWS: &str = "SELECT 1 FROM remembered WHERE hash = ?1";

pub(super) fn knows(tx: &Tx<'_>, path: &Path, facts: FileFacts) -> Result<bool, StoreError> {
    Ok(tx.prepare_cached(KNOWS)?.exists([hash(path, facts)])?)
}

pub(super) fn remember(tx: &Tx<'_>, path: &Path, facts: FileFacts) -> Result<(), StoreError> {
    let sql = "INSERT INTO remembered (hash) VALUES (?1) ON CONFLICT DO NOTHING";
    tx.prepare_cached(sql)?.execute([hash(path, facts)])?;
    Ok(())
}

/// Forgets the oldest of too many. They are numbered without gaps.
pub(super) fn bound(tx: &Tx<'_>) -> Result<(), StoreError> {
    let sql = "DELETE FROM remembered WHERE n <= (SELECT max(n) FROM remembered) - ?1";
    tx.prepare_cached(sql)?.execute([MOST])?;
    Ok(())
}

fn hash(path: &Path, facts: FileFacts) -> i64 {
    let mut hash = Xxh64::new(0);
    // The two numbers have a fixed length, so that no other path and numbers make the same bytes.
    hash.update(&facts.size.to_be_bytes());
    hash.update(&facts.mtime_ns.to_be_bytes());
    hash.update(path.as_os_str().as_bytes());
    hash.digest().cast_signed()
}
