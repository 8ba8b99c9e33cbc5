//! Assets on their way: where to send what is left, and what has arrived.
//!
//! # Decisions
//! - Each confirmed part is one synced row, so that a power cut costs one part and not a clip.
//! - A part names the asset it was sent for: an answer that comes late, after the item got a new asset, must not count
//!   for that one.
use rusqlite::OptionalExtension;
use zeroize::Zeroizing;

use super::error::StoreError;
use super::handle::Store;
use super::rows;
use super::tx::Tx;
use rigpost_core::queue::item::{Asset, ItemId, PartDigest};
use rigpost_core::secret::Secret;

impl Store {
    /// How to go on with an item; `None` before it has an asset.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when the URLs do not open: drop the asset.
    pub async fn asset_of(&self, id: ItemId) -> Result<Option<Asset>, StoreError> {
        self.tx(move |tx| load(tx, id)).await
    }

    /// Writes down the asset the provider made, URLs sealed, in place of a former one, which then is an orphan.
    /// Upholds: a file is uploaded once for each asset, because it is on disk before a part leaves.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the item is no longer being sent: nobody will send to this asset.
    pub async fn save_asset(&self, id: ItemId, asset: &Asset) -> Result<(), StoreError> {
        let asset = asset.clone();
        self.tx(move |tx| {
            let size = uploading(tx, id)?;
            if asset.urls.is_empty() {
                return Err(StoreError::NotFound(format!("a URL for item {id}")));
            }
            drop_asset(tx, id)?;
            let (boot_id, boot, wall) = rows::sql_now(asset.created);
            let sql = "INSERT INTO asset (item_id, asset_id, parts, created_boot_id, created_boot_us, created_wall_s)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let parts = rows::signed(asset.urls.len() as u64);
            tx.prepare_cached(sql)?.execute((rows::sql_id(id), &asset.id, parts, boot_id, boot, wall))?;
            let sql = "UPDATE item SET asset_id = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(id), &asset.id))?;
            seal_urls(tx, id, &asset.urls)?;
            for n in &asset.finished {
                let bytes = asset.range(*n, size).map_or(0, |(_, len)| len);
                count_part(tx, id, *n, "", bytes, None)?;
            }
            Ok(())
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

/// The size of an item that is being sent.
fn uploading(tx: &Tx<'_>, id: ItemId) -> Result<u64, StoreError> {
    let sql = "SELECT size_bytes FROM item WHERE id = ?1 AND state = 'uploading'";
    let size = tx.prepare_cached(sql)?.query_row([rows::sql_id(id)], |r| rows::unsigned(r, 0));
    size.optional()?.ok_or_else(|| StoreError::no_item(id))
}

fn count_part(
    tx: &Tx<'_>,
    id: ItemId,
    n: u32,
    etag: &str,
    bytes: u64,
    digest: Option<PartDigest>,
) -> Result<(), StoreError> {
    let id = rows::sql_id(id);
    let sql = "INSERT INTO part (item_id, n, etag, xxh64) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    let xxh64 = digest.map(|digest| digest.xxh64.cast_signed());
    if tx.prepare_cached(sql)?.execute((id, n, etag, xxh64))? == 1 {
        // Never beyond the size, whatever the caller counts.
        let sql = "UPDATE item SET sent_bytes = min(size_bytes, sent_bytes + ?2) WHERE id = ?1";
        tx.prepare_cached(sql)?.execute((id, rows::signed(bytes).min(i64::MAX / 2)))?;
    }
    Ok(())
}

fn load(tx: &Tx<'_>, id: ItemId) -> Result<Option<Asset>, StoreError> {
    let sql =
        "SELECT asset_id, created_boot_id, created_boot_us, created_wall_s FROM asset WHERE item_id = ?1";
    let row = tx.prepare_cached(sql)?.query_row([rows::sql_id(id)], |r| Ok((r.get(0)?, rows::now(r, 1)?)));
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
fn urls_name(id: ItemId) -> String {
    format!("asset/{id}/urls")
}

/// The asset goes with its parts and URLs and is counted as an orphan; the item's progress is back at zero.
pub(super) fn drop_asset(tx: &Tx<'_>, id: ItemId) -> Result<bool, StoreError> {
    let id = rows::sql_id(id);
    if tx.prepare_cached("DELETE FROM asset WHERE item_id = ?1")?.execute([id])? == 0 {
        return Ok(false);
    }
    tx.prepare_cached("UPDATE item SET asset_id = '', sent_bytes = 0 WHERE id = ?1")?.execute([id])?;
    tx.prepare_cached("UPDATE rig SET orphans = orphans + 1 WHERE id = 1")?.execute([])?;
    Ok(true)
}

/// The item is sent: its parts and URLs are of no more use; its asset's id stays.
pub(super) fn complete(tx: &Tx<'_>, id: ItemId) -> Result<(), StoreError> {
    let id = rows::sql_id(id);
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

fn drop_each(tx: &Tx<'_>, sql: &str) -> Result<(), StoreError> {
    rows::ids(tx, sql, [])?.into_iter().try_for_each(|id| drop_asset(tx, id).map(drop))
}
