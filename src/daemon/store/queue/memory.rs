//! Files of media sources whose rows are gone: a card that is scanned again brings nothing twice.
//!
//! # Decisions
//! - A hash of path, size, date and fingerprint, the fingerprint, and of what was delivered one number for all bytes: enough to know it
//!   again wherever it lies, and to compare it before it is sent once more.
//! - The last million: about 100 MB, and as many clips as the queue itself can hold. The oldest is forgotten first; its
//!   card has long been formatted.
use std::os::unix::ffi::OsStrExt;

use rusqlite::OptionalExtension;
use xxhash_rust::xxh64::Xxh64;

use crate::store::error::StoreError;
use crate::store::receipt::{Delivered, FileDigest};
use crate::store::rows;
use crate::store::tx::Tx;
use rigpost_core::queue::clip::Remembered;
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::item::ItemId;

const MOST: i64 = 1_000_000;

pub(super) const KNOWS: &str = "SELECT item_id, delivered_to FROM remembered WHERE hash = ?1";
pub(super) const KNOWS_BYTES: &str = "SELECT item_id, delivered_to, chunk_bytes, digest FROM remembered
     INDEXED BY remembered_bytes WHERE fingerprint = ?1 AND size_bytes = ?2 AND digest IS NOT NULL ORDER BY n DESC LIMIT 1";

/// What is kept of a row that is gone.
pub(super) struct Memory {
    pub(super) id: ItemId,
    pub(super) seen: Sighting,
    /// Where it was delivered; `None`: nowhere.
    pub(super) delivered_to: Option<String>,
    pub(super) digest: Option<FileDigest>,
}

/// One of the same path, size and date, whose bytes are not known to be others.
pub(super) fn knows(tx: &Tx<'_>, seen: &Sighting) -> Result<Option<Remembered>, StoreError> {
    let mut statement = tx.prepare_cached(KNOWS)?;
    // By its bytes too; or as a version did that took no fingerprints.
    for hash in [hash(seen), hash(&Sighting { fingerprint: None, ..seen.clone() })] {
        let found = statement
            .query_row([hash], |r| Ok(Remembered { id: rows::item_id(r, 0)?, delivered_to: r.get(1)? }));
        if let Some(remembered) = found.optional()? {
            return Ok(Some(remembered));
        }
    }
    Ok(None)
}

/// The youngest that may have had the same bytes and was delivered.
pub(super) fn delivered(tx: &Tx<'_>, seen: &Sighting) -> Result<Option<Delivered>, StoreError> {
    let Some(fingerprint) = seen.fingerprint else { return Ok(None) };
    let key = (fingerprint.whole.cast_signed(), rows::signed(seen.facts.size));
    let found = tx.prepare_cached(KNOWS_BYTES)?.query_row(key, |r| {
        Ok(Delivered {
            id: rows::item_id(r, 0)?,
            project: r.get(1)?,
            digest: FileDigest { chunk_size: rows::unsigned(r, 2)?, xxh64: rows::bits(r, 3)? },
        })
    });
    Ok(found.optional()?)
}

pub(super) fn remember(tx: &Tx<'_>, memory: &Memory) -> Result<(), StoreError> {
    let sql = "INSERT INTO remembered (hash, fingerprint, size_bytes, item_id, delivered_to, chunk_bytes, digest)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (hash) DO UPDATE SET fingerprint = excluded.fingerprint,
                   size_bytes = excluded.size_bytes, item_id = excluded.item_id, delivered_to = excluded.delivered_to,
                   chunk_bytes = excluded.chunk_bytes, digest = excluded.digest
               WHERE excluded.delivered_to IS NOT NULL OR remembered.delivered_to IS NULL";
    let Memory { id, seen, delivered_to, digest } = memory;
    tx.prepare_cached(sql)?.execute((
        hash(seen),
        seen.fingerprint.map(|f| f.whole.cast_signed()),
        rows::signed(seen.facts.size),
        rows::sql_id(*id),
        delivered_to,
        rows::signed(digest.map_or(0, |d| d.chunk_size)),
        digest.map(|d| d.xxh64.cast_signed()),
    ))?;
    Ok(())
}

/// Forgets the oldest of too many. They are numbered without gaps.
pub(super) fn bound(tx: &Tx<'_>) -> Result<(), StoreError> {
    let sql = "DELETE FROM remembered WHERE n <= (SELECT max(n) FROM remembered) - ?1";
    tx.prepare_cached(sql)?.execute([MOST])?;
    Ok(())
}

fn hash(seen: &Sighting) -> i64 {
    let mut hash = Xxh64::new(0);
    // The numbers have a fixed length, so that no other path and numbers make the same bytes.
    hash.update(&seen.facts.size.to_be_bytes());
    hash.update(&seen.facts.mtime_ns.to_be_bytes());
    if let Some(fingerprint) = seen.fingerprint {
        hash.update(&fingerprint.whole.to_be_bytes());
    }
    hash.update(seen.path.as_os_str().as_bytes());
    hash.digest().cast_signed()
}
