//! What was delivered, and when.
//!
//! # Decisions
//! - The digests of the parts move into one row for each file, eight bytes for each part: the rows of the parts go with
//!   their URLs. A receipt lives as long as its item's row.
//! - A receipt in which one part is not known has no digest at all: half a proof is none.
use rusqlite::OptionalExtension;
use rusqlite::types::Type;

use super::error::StoreError;
use super::handle::Store;
use super::rows;
use super::tx::Tx;
use rigpost_core::queue::checksum::{self, Checksum};
use rigpost_core::queue::item::{Item, ItemId, Receipt, file_digest};
use rigpost_core::time::Now;

impl Store {
    /// What was delivered; `None` for an item that is not done, or was done by a version that wrote no receipts.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn receipt(&self, id: ItemId) -> Result<Option<Receipt>, StoreError> {
        self.tx(move |tx| {
            let item = rows::item_now(tx, id)?;
            let sql =
                "SELECT delivered_boot_id, delivered_boot_us, delivered_wall_s, chunk_bytes, parts, digest, vouched
                       FROM receipt WHERE item_id = ?1";
            let row = tx.prepare_cached(sql)?.query_row([rows::sql_id(id)], |r| {
                Ok(Receipt {
                    item: rows::told(item),
                    delivered: rows::now(r, 0)?,
                    chunk_size: rows::unsigned(r, 3)?,
                    parts: numbers(&r.get::<_, Vec<u8>>(4)?)
                        .ok_or_else(|| rows::odd(4, Type::Blob, "no digests of parts"))?,
                    digest: r.get::<_, Option<i64>>(5)?.map(i64::cast_unsigned),
                    vouched: r.get(6)?,
                })
            });
            Ok(row.optional()?)
        })
        .await
    }

    /// What has left of an item of which every part is confirmed; `None` where that was not noted of all of them.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn sent(&self, id: ItemId) -> Result<Option<FileDigest>, StoreError> {
        self.tx(move |tx| {
            let (chunk_size, parts) = sent(tx, &rows::item_now(tx, id)?)?;
            Ok(parts.map(|parts| FileDigest { chunk_size, xxh64: file_digest(&parts) }))
        })
        .await
    }
}

/// One number for all bytes of a file that was sent in chunks of this size ([`file_digest`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// Bytes in every part but the last.
    pub chunk_size: u64,
    /// Over the parts, or of the only one.
    pub xxh64: u64,
}

/// What was delivered, so that another file can be compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// As this item.
    pub id: ItemId,
    /// To this project.
    pub project: Option<String>,
    /// What the bytes were.
    pub digest: FileDigest,
}

pub(super) fn digest(tx: &Tx<'_>, id: ItemId) -> Result<Option<FileDigest>, StoreError> {
    let sql = "SELECT chunk_bytes, digest FROM receipt WHERE item_id = ?1 AND digest IS NOT NULL";
    let row = tx.prepare_cached(sql)?.query_row([rows::sql_id(id)], |r| {
        Ok(FileDigest { chunk_size: rows::unsigned(r, 0)?, xxh64: rows::bits(r, 1)? })
    });
    Ok(row.optional()?)
}

/// The receipt of one that has the same bytes is that of the other; false where that has none.
pub(super) fn copy(tx: &Tx<'_>, from: ItemId, to: ItemId) -> Result<bool, StoreError> {
    let sql =
        "INSERT OR REPLACE INTO receipt (item_id, delivered_boot_id, delivered_boot_us, delivered_wall_s,
                   chunk_bytes, parts, digest, vouched)
               SELECT ?2, delivered_boot_id, delivered_boot_us, delivered_wall_s, chunk_bytes, parts, digest, vouched
               FROM receipt WHERE item_id = ?1";
    Ok(tx.prepare_cached(sql)?.execute((rows::sql_id(from), rows::sql_id(to)))? > 0)
}

/// Of an item whose bytes were delivered by one that is gone.
pub(super) fn of_digest(tx: &Tx<'_>, id: ItemId, digest: FileDigest, now: Now) -> Result<(), StoreError> {
    let (boot_id, boot, wall) = rows::sql_now(now);
    let sql =
        "INSERT OR REPLACE INTO receipt (item_id, delivered_boot_id, delivered_boot_us, delivered_wall_s,
                   chunk_bytes, parts, digest) VALUES (?1, ?2, ?3, ?4, ?5, x'', ?6)";
    let FileDigest { chunk_size, xxh64 } = digest;
    let row = (rows::sql_id(id), boot_id, boot, wall, rows::signed(chunk_size), xxh64.cast_signed());
    tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// For an item that is done now, and whose parts are still there.
pub(super) fn write(tx: &Tx<'_>, item: &Item, now: Now) -> Result<(), StoreError> {
    let id = rows::sql_id(item.id);
    let (chunk, parts) = sent(tx, item)?;
    let digest = parts.as_deref().map(|parts| file_digest(parts).cast_signed());
    let bytes: Vec<u8> = parts.iter().flatten().flat_map(|part| part.to_be_bytes()).collect();
    let (boot_id, boot, wall) = rows::sql_now(now);
    let sql =
        "INSERT OR REPLACE INTO receipt (item_id, delivered_boot_id, delivered_boot_us, delivered_wall_s,
                   chunk_bytes, parts, digest, vouched) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let vouched = vouched(tx, id, item.clip.facts.size, chunk)?;
    let row = (id, boot_id, boot, wall, rows::signed(chunk), bytes, digest, vouched);
    tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// What the storage has vouched for: a checksum of the whole; or by which it has of each part; or nothing.
fn vouched(tx: &Tx<'_>, id: i64, size: u64, chunk: u64) -> Result<String, StoreError> {
    let mut statement = tx.prepare_cached("SELECT checksum FROM part WHERE item_id = ?1 ORDER BY n")?;
    let read = |r: &rusqlite::Row<'_>| Ok(Checksum::parse(&r.get::<_, String>(0)?));
    let parts: Vec<Option<Checksum>> = statement.query_map([id], read)?.collect::<Result<_, _>>()?;
    let is_all = parts.len() as u64 == size.div_ceil(chunk);
    Ok(checksum::vouched(parts.into_iter().zip(checksum::lengths(size, chunk)))
        .filter(|_| is_all)
        .unwrap_or_default())
}

/// How large its parts are, and the digests of all of them where each is known.
fn sent(tx: &Tx<'_>, item: &Item) -> Result<(u64, Option<Vec<u64>>), StoreError> {
    let (id, size) = (rows::sql_id(item.id), item.clip.facts.size);
    let urls = tx
        .prepare_cached("SELECT parts FROM asset WHERE item_id = ?1")?
        .query_row([id], |r| rows::unsigned(r, 0))
        .optional()?;
    let chunk = size.div_ceil(urls.unwrap_or(1).max(1)).max(1);
    Ok((chunk, digests(tx, id, size.div_ceil(chunk))?))
}

/// Of all `count` parts, or `None` where one was sent by nobody who noted it.
fn digests(tx: &Tx<'_>, id: i64, count: u64) -> Result<Option<Vec<u64>>, StoreError> {
    let sql = "SELECT xxh64 FROM part WHERE item_id = ?1 AND n < ?2 ORDER BY n";
    let mut statement = tx.prepare_cached(sql)?;
    let number = |r: &rusqlite::Row<'_>| Ok(r.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned));
    let parts: Vec<Option<u64>> =
        statement.query_map((id, rows::signed(count)), number)?.collect::<Result<_, _>>()?;
    let parts: Option<Vec<u64>> = parts.into_iter().collect();
    Ok(parts.filter(|parts| parts.len() as u64 == count))
}

fn numbers(bytes: &[u8]) -> Option<Vec<u64>> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| numbers.iter().copied().map(u64::from_be_bytes).collect())
}
