//! Assets on their way: where to send what is left, and what has arrived.
//!
//! # Decisions
//! - Each confirmed part is one synced row, so that a power cut costs one part and not a clip.
//! - A part names the asset it was sent for: an answer that comes late, after the item got a new asset, must not count
//!   for that one.
//! - What can be given up is kept until the storage has heard of it, whatever took its asset away: a trigger does that.
//! - That an asset will be asked for is written down before the request leaves, as a row without URLs under an id that
//!   no provider gives: a power cut while the cloud answers leaves an asset that we never hear of, and it is counted.
use rusqlite::OptionalExtension;
use zeroize::Zeroizing;

use super::error::StoreError;
use super::handle::Store;
use super::rows;
use super::tx::Tx;
use rigpost_core::delivery::dialect::SentPart;
use rigpost_core::queue::checksum::Checksum;
use rigpost_core::queue::etag;
use rigpost_core::queue::item::{Asset, ItemId, PartDigest};
use rigpost_core::secret::Secret;
use rigpost_core::time::Now;

/// In place of an upload: nothing of this asset is left in the cloud when it is given up.
pub const NOTHING: &str = "-";
/// Of an asset that was asked for: whether it was made is not known yet.
const ASKED: &str = "?";

impl Store {
    /// Writes down that an asset is asked for now, in place of a former one, which then is an orphan. The answer is
    /// either [`Store::save_asset`], [`Store::asset_refused`], or, where nobody knows, [`Store::drop_asset`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the item is no longer being sent: don't ask.
    pub async fn asset_asked(&self, id: ItemId, now: Now) -> Result<(), StoreError> {
        self.tx(move |tx| {
            uploading(tx, id)?;
            drop_asset(tx, id)?;
            insert(tx, id, ASKED, 1, now)
        })
        .await
    }

    /// None was made: nothing to count.
    pub async fn asset_refused(&self, id: ItemId) -> Result<(), StoreError> {
        self.tx(move |tx| answered(tx, id).map(drop)).await
    }

    /// How to go on with an item; `None` before it has an asset that its file was cut for.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when the URLs do not open: drop the asset.
    pub async fn asset_of(&self, id: ItemId) -> Result<Option<Asset>, StoreError> {
        self.tx(move |tx| load(tx, id)).await
    }

    /// As [`Store::save_upload`], of an asset that nobody can give up.
    ///
    /// # Errors
    /// The same.
    pub async fn save_asset(&self, id: ItemId, asset: &Asset) -> Result<(), StoreError> {
        self.save_upload(id, asset, None).await
    }

    /// Writes down the asset the provider made, URLs sealed, in place of a former one, which then is an orphan.
    /// `upload`: what a storage can be told to give up of it, which is no secret. Upholds: a file is uploaded once for each
    /// asset, because it is on disk before a part leaves.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the item is no longer being sent: nobody will send to this asset.
    pub async fn save_upload(
        &self,
        id: ItemId,
        asset: &Asset,
        upload: Option<String>,
    ) -> Result<(), StoreError> {
        let asset = asset.clone();
        self.tx(move |tx| {
            let size = uploading(tx, id)?;
            if asset.urls.is_empty() {
                return Err(StoreError::NotFound(format!("a URL for item {id}")));
            }
            answered(tx, id)?;
            drop_asset(tx, id)?;
            insert(tx, id, &asset.id, asset.urls.len() as u64, asset.created)?;
            let sql = "UPDATE item SET asset_id = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(id), &asset.id))?;
            let sql = "UPDATE asset SET upload = ?2 WHERE item_id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(id), upload.unwrap_or_default()))?;
            seal_urls(tx, id, &asset.urls)?;
            for n in &asset.finished {
                let bytes = asset.range(*n, size).map_or(0, |(_, len)| len);
                count_part(tx, id, *n, "", bytes, None)?;
            }
            Ok(())
        })
        .await
    }

    /// A part of the item's asset that the cloud has confirmed, drawn by lot, and what its bytes were; `None` where there
    /// is none of which that was noted. The first only where there is no other: what is alike begins alike.
    pub async fn any_part(&self, id: ItemId) -> Result<Option<(u32, u64)>, StoreError> {
        self.tx(move |tx| {
            let sql = "SELECT n, xxh64 FROM part WHERE item_id = ?1 AND xxh64 IS NOT NULL ORDER BY n = 0, random() LIMIT 1";
            let part = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, rows::bits(r, 1)?));
            Ok(tx.prepare_cached(sql)?.query_row([rows::sql_id(id)], part).optional()?)
        })
        .await
    }

    /// Gives the item's asset up, for example when its URLs have run out; the item starts anew. Nothing happens where
    /// there is none. Returns whether there was one.
    pub async fn drop_asset(&self, id: ItemId) -> Result<bool, StoreError> {
        self.tx(move |tx| {
            rows::item_now(tx, id)?;
            drop_asset(tx, id)
        })
        .await
    }

    /// An upload that is to be given up, at a storage whose addresses begin like this; after the one of this number.
    pub async fn abandoned(&self, at: &str, after: i64) -> Result<Option<(i64, Secret)>, StoreError> {
        let at = at.to_owned();
        self.tx(move |tx| {
            let sql = "SELECT id, upload FROM abandoned WHERE id > ?2 AND substr(upload, 1, length(?1)) = ?1
                       ORDER BY id LIMIT 1";
            let read = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, Secret::new(r.get::<_, String>(1)?)));
            Ok(tx.prepare_cached(sql)?.query_row((at, after), read).optional()?)
        })
        .await
    }

    /// The upload that was asked for is there, and its item wants it no more. Where that had been counted as an orphan, because
    /// nobody knew, it is none now.
    pub async fn abandon(&self, id: ItemId, upload: String) -> Result<(), StoreError> {
        self.tx(move |tx| {
            if !answered(tx, id)? {
                uncount(tx, 1)?;
            }
            tx.prepare_cached("INSERT OR IGNORE INTO abandoned (upload) VALUES (?1)")?.execute([upload])?;
            Ok(())
        })
        .await
    }

    /// So many of those that nobody knew of are gone.
    pub async fn orphans_gone(&self, n: u64) -> Result<(), StoreError> {
        self.tx(move |tx| uncount(tx, n)).await
    }

    /// The storage has heard of it.
    pub async fn given_up(&self, id: i64) -> Result<(), StoreError> {
        self.tx(move |tx| {
            tx.prepare_cached("DELETE FROM abandoned WHERE id = ?1")?.execute([id])?;
            Ok(())
        })
        .await
    }

    /// What the storage has said of the parts that it has confirmed, in byte order.
    pub async fn sent_parts(&self, id: ItemId) -> Result<Vec<SentPart>, StoreError> {
        self.tx(move |tx| {
            let sql = "SELECT etag, checksum FROM part WHERE item_id = ?1 ORDER BY n";
            let mut statement = tx.prepare_cached(sql)?;
            let part = |r: &rusqlite::Row<'_>| {
                Ok(SentPart { etag: r.get(0)?, checksum: Checksum::parse(&r.get::<_, String>(1)?) })
            };
            Ok(statement.query_map([rows::sql_id(id)], part)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// What the storage has named of the parts is not of what it has.
    pub async fn forget_checksums(&self, id: ItemId) -> Result<(), StoreError> {
        self.tx(move |tx| {
            tx.prepare_cached("UPDATE part SET checksum = '' WHERE item_id = ?1")?
                .execute([rows::sql_id(id)])?;
            Ok(())
        })
        .await
    }

    /// Part `n` of the item's asset and those behind it are not confirmed any more: they are to be sent again. Upholds: the
    /// bytes left are exact.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such item.
    pub async fn rewind(&self, id: ItemId, n: u32) -> Result<(), StoreError> {
        self.tx(move |tx| {
            let size = rows::item_now(tx, id)?.clip.facts.size;
            let id = rows::sql_id(id);
            let sql = "SELECT parts FROM asset WHERE item_id = ?1";
            let parts = tx.prepare_cached(sql)?.query_row([id], |r| rows::unsigned(r, 0)).optional()?;
            let Some(parts) = parts else { return Ok(()) };
            tx.prepare_cached("DELETE FROM part WHERE item_id = ?1 AND n >= ?2")?.execute((id, n))?;
            let chunk = size.div_ceil(parts.max(1));
            let sql = "UPDATE item SET sent_bytes = min(sent_bytes, ?2) WHERE id = ?1";
            let sent = chunk.saturating_mul(u64::from(n)).min(size);
            tx.prepare_cached(sql)?.execute((id, rows::signed(sent)))?;
            Ok(())
        })
        .await
    }

    /// The cloud confirmed part `n` (from 0) of `bytes` bytes, and `digest` is what they were. Confirming it again
    /// changes nothing. Upholds: an upload resumes from its last confirmed part, and the bytes left are exact.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when `asset_id` is no longer the item's asset or has no such part.
    pub async fn finish_part(
        &self,
        id: ItemId,
        asset_id: &str,
        n: u32,
        etag: &str,
        bytes: u64,
        digest: Option<PartDigest>,
    ) -> Result<(), StoreError> {
        let (asset_id, etag) = (asset_id.to_owned(), etag.to_owned());
        self.tx(move |tx| {
            let sql = "SELECT 1 FROM asset WHERE item_id = ?1 AND asset_id = ?2 AND parts > ?3";
            if !tx.prepare_cached(sql)?.exists((rows::sql_id(id), &asset_id, n))? {
                return Err(StoreError::NotFound(format!("part {n} of asset {asset_id}")));
            }
            count_part(tx, id, n, &etag, bytes, digest)
        })
        .await
    }
}

pub(super) fn insert(
    tx: &Tx<'_>,
    id: ItemId,
    asset_id: &str,
    parts: u64,
    created: Now,
) -> Result<(), StoreError> {
    let (boot_id, boot, wall) = rows::sql_now(created);
    let sql = "INSERT INTO asset (item_id, asset_id, parts, created_boot_id, created_boot_us, created_wall_s)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let row = (rows::sql_id(id), asset_id, rows::signed(parts), boot_id, boot, wall);
    tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// It is known what became of the asset that was asked for.
pub(super) fn answered(tx: &Tx<'_>, id: ItemId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM asset WHERE item_id = ?1 AND asset_id = ?2";
    Ok(tx.prepare_cached(sql)?.execute((rows::sql_id(id), ASKED))? > 0)
}

/// The size of an item that is being sent, or recorded and sent meanwhile.
pub(super) fn uploading(tx: &Tx<'_>, id: ItemId) -> Result<u64, StoreError> {
    let sql = "SELECT size_bytes FROM item WHERE id = ?1 AND state IN ('uploading', 'recording')";
    let size = tx.prepare_cached(sql)?.query_row([rows::sql_id(id)], |r| rows::unsigned(r, 0));
    size.optional()?.ok_or_else(|| StoreError::no_item(id))
}

pub(super) fn count_part(
    tx: &Tx<'_>,
    id: ItemId,
    n: u32,
    etag: &str,
    bytes: u64,
    digest: Option<PartDigest>,
) -> Result<(), StoreError> {
    let id = rows::sql_id(id);
    let sql = "INSERT INTO part (item_id, n, etag, xxh64, checksum) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO NOTHING";
    let xxh64 = digest.map(|digest| digest.xxh64.cast_signed());
    let vouched = digest.and_then(|digest| digest.checksum.or_else(|| etag::vouched(etag, digest.md5)));
    let vouched = vouched.map_or_else(String::new, |sum| sum.to_string());
    if tx.prepare_cached(sql)?.execute((id, n, etag, xxh64, vouched))? == 1 {
        // Never beyond the size, whatever the caller counts.
        let sql = "UPDATE item SET sent_bytes = min(size_bytes, sent_bytes + ?2) WHERE id = ?1";
        tx.prepare_cached(sql)?.execute((id, rows::signed(bytes).min(i64::MAX / 2)))?;
    }
    Ok(())
}

fn load(tx: &Tx<'_>, id: ItemId) -> Result<Option<Asset>, StoreError> {
    let sql = "SELECT asset_id, created_boot_id, created_boot_us, created_wall_s FROM asset
         WHERE item_id = ?1 AND asset_id <> ?2 AND grows = 0";
    let key = (rows::sql_id(id), ASKED);
    let row = tx.prepare_cached(sql)?.query_row(key, |r| Ok((r.get(0)?, rows::now(r, 1)?)));
    let Some((asset_id, created)) = row.optional()? else { return Ok(None) };
    let name = urls_name(id);
    let broken = || StoreError::Sealed { record: name.clone() };
    let plain = tx.unseal(&name)?.ok_or_else(broken)?;
    let urls: Vec<String> = serde_json::from_slice(&plain).map_err(|_| broken())?;
    let mut statement = tx.prepare_cached("SELECT n FROM part WHERE item_id = ?1 ORDER BY n")?;
    let finished = statement.query_map([rows::sql_id(id)], |r| r.get(0))?.collect::<Result<_, _>>()?;
    Ok(Some(Asset { id: asset_id, urls: urls.into_iter().map(Secret::new).collect(), created, finished }))
}

fn seal_urls(tx: &Tx<'_>, id: ItemId, urls: &[Secret]) -> Result<(), StoreError> {
    let plain: Vec<&str> = urls.iter().map(Secret::expose).collect();
    // Room for all of it from the start: a buffer that grows leaves its smaller selves behind.
    let room = plain.iter().map(|url| 2 * url.len() + 8).sum();
    let mut json = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *json, &plain).map_err(|e| StoreError::Io(e.to_string()))?;
    tx.seal(&urls_name(id), &json)
}

/// The schema's trigger on `asset` knows the name too.
pub(super) fn urls_name(id: ItemId) -> String {
    format!("asset/{id}/urls")
}

/// The asset goes with its parts and URLs, and is counted as an orphan unless all of it is in the cloud; the item's
/// progress is back at zero.
//= frameio-c2c#8b
//# none is created anew while its addresses live, and those left behind are counted
pub(super) fn drop_asset(tx: &Tx<'_>, id: ItemId) -> Result<bool, StoreError> {
    let orphans = u64::from(!is_whole(tx, id)? && !can_be_given_up(tx, id)?);
    let id = rows::sql_id(id);
    if tx.prepare_cached("DELETE FROM asset WHERE item_id = ?1")?.execute([id])? == 0 {
        return Ok(false);
    }
    tx.prepare_cached("UPDATE item SET asset_id = '', sent_bytes = 0 WHERE id = ?1")?.execute([id])?;
    let sql = "UPDATE rig SET orphans = orphans + ?1 WHERE id = 1";
    tx.prepare_cached(sql)?.execute([rows::signed(orphans)])?;
    Ok(true)
}

/// So many were counted as orphans, and are none.
fn uncount(tx: &Tx<'_>, n: u64) -> Result<(), StoreError> {
    let sql = "UPDATE rig SET orphans = max(orphans - ?1, 0) WHERE id = 1";
    tx.prepare_cached(sql)?.execute([rows::signed(n)])?;
    Ok(())
}

/// The file is another one now: what is missing of the asset can't come any more.
pub(super) fn drop_unfinished(tx: &Tx<'_>, id: ItemId) -> Result<(), StoreError> {
    if is_whole(tx, id)? { Ok(()) } else { drop_asset(tx, id).map(drop) }
}

/// It is among those to give up as soon as it is no asset any more, so it will be no orphan.
fn can_be_given_up(tx: &Tx<'_>, id: ItemId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM asset WHERE item_id = ?1 AND upload <> ''";
    Ok(tx.prepare_cached(sql)?.exists([rows::sql_id(id)])?)
}

/// Every byte is confirmed: the cloud has put the asset together, unless it has to be told to.
fn is_whole(tx: &Tx<'_>, id: ItemId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM asset JOIN item ON item.id = asset.item_id
               WHERE item.id = ?1 AND sent_bytes = size_bytes AND length(upload) <= 1";
    Ok(tx.prepare_cached(sql)?.exists([rows::sql_id(id)])?)
}

/// The item is sent: its parts and URLs are of no more use; its asset's id stays.
pub(super) fn complete(tx: &Tx<'_>, id: ItemId) -> Result<(), StoreError> {
    let id = rows::sql_id(id);
    // What is complete is nothing to give up.
    tx.prepare_cached("UPDATE asset SET upload = '' WHERE item_id = ?1 AND upload <> ''")?.execute([id])?;
    tx.prepare_cached("DELETE FROM asset WHERE item_id = ?1")?.execute([id])?;
    Ok(())
}

pub(super) fn drop_all(tx: &Tx<'_>) -> Result<(), StoreError> {
    drop_each(tx, "SELECT item_id FROM asset")
}

/// Assets whose URLs are gone can't be sent to.
pub(super) fn drop_without_urls(tx: &Tx<'_>) -> Result<(), StoreError> {
    drop_each(
        tx,
        "SELECT item_id FROM asset
         WHERE NOT EXISTS (SELECT 1 FROM sealed WHERE name = 'asset/' || item_id || '/urls')",
    )
}

/// At the start: those that were asked for and whose answer nobody heard.
pub(super) fn drop_unanswered(tx: &Tx<'_>) -> Result<(), StoreError> {
    drop_each(tx, &format!("SELECT item_id FROM asset WHERE asset_id = '{ASKED}'"))
}

fn drop_each(tx: &Tx<'_>, sql: &str) -> Result<(), StoreError> {
    rows::ids(tx, sql, [])?.into_iter().try_for_each(|id| drop_asset(tx, id).map(drop))
}
