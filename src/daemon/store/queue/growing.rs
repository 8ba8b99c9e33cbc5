//! Clips that are sent while they are recorded: their rows, the parts that were registered, and how they end.
//!
//! # Decisions
//! - The row comes with the intent to ask for an asset, and not before: of a recording of which nothing was begun nothing is
//!   written. It is in a state of its own, so no claim and no resumption takes it for a clip that lies still.
//! - Its size is what was seen of it when something of it was written down last: it grows with its parts.
//! - Addresses are sealed with the numbers of their parts. One of a part that is confirmed is of no use and stays until the
//!   next writing.
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::OptionalExtension as _;
use zeroize::Zeroizing;

use super::candidates::candidates;
use super::intake::insert;
use super::{bind, history};
use crate::store::asset::{answered, count_part, drop_asset, insert as insert_asset, uploading, urls_name};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::receipt::{self, FileDigest};
use crate::store::tx::Tx;
use crate::store::{asset, counters, rows};
use rigpost_core::queue::clip::{self, Finding, New, Place, place_of};
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::growing::Kept;
use rigpost_core::queue::growing::plan::{MOST_PARTS, part_len};
use rigpost_core::queue::item::{Clip, FileFacts, Item, ItemId, ItemReason, ItemState};
use rigpost_core::queue::upload::Confirmed;
use rigpost_core::secret::Secret;
use rigpost_core::time::Now;

/// A recording that an earlier run has left, or whose sending goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its row.
    pub item: Item,
    /// Its asset; `None`: it has none any more, and goes the usual way once its recorder is done.
    pub kept: Option<Kept>,
    /// XXH64 of each part that is confirmed; a part of which nobody noted it is not confirmed.
    pub digests: BTreeMap<u32, u64>,
}

/// How a recording ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingEnd {
    /// All of it is in the cloud: the file as it was sent, and XXH64 of all its bytes.
    Delivered(Sighting, u64),
    /// It goes as every clip does: the file as it is now, whether its recorder is known to be done, and one sentence.
    Queued(Sighting, bool, String),
    /// Its recorder threw it away.
    ThrownAway,
    /// Its card is not there any more.
    Away,
}

impl Store {
    /// A row for a recording of which something is to be sent now. `None`: a row of its file is there already, it does not go
    /// to the project that is paired, or there is no room for one more.
    pub async fn begin_recording(&self, clip: Clip, max_items: u64) -> Result<Option<Item>, StoreError> {
        self.tx(move |tx| {
            let pairing = bind::current_pairing(tx)?;
            let Some(project) = &pairing.project else { return Ok(None) };
            let clip = Clip { project_id: Some(project.clone()), ..clip };
            let totals = counters::totals(tx)?;
            let room = max_items > totals.unfinished();
            let seen = clip.sighting();
            let Finding::New(New { version_of: None, project: None, anyway: false, displaced }) =
                clip::found(&seen, &candidates(tx, &seen)?, room, &pairing)
            else {
                return Ok(None);
            };
            let decided = New { displaced, ..New::default() };
            let (id, state) = insert(tx, clip, decided, &pairing)?;
            if state != ItemState::Queued {
                // Held, or not wanted: that is said of the whole clip, later.
                let sql = "DELETE FROM item WHERE id = ?1";
                tx.prepare_cached(sql)?.execute([rows::sql_id(id)])?;
                return Ok(None);
            }
            rows::set_state(tx, id, ItemState::Recording, ItemReason::None, "")?;
            history::prune(tx, totals.all().saturating_sub(max_items), 1)?;
            rows::item_now(tx, id).map(|item| Some(rows::told(item)))
        })
        .await
    }

    /// Recordings whose sending was begun, by an earlier run for example. Assets whose addresses do not open are orphans.
    pub async fn recordings(&self) -> Result<Vec<Recording>, StoreError> {
        self.tx(|tx| {
            let ids = rows::ids(tx, "SELECT id FROM item WHERE state = 'recording' ORDER BY id", [])?;
            ids.into_iter().map(|id| recording(tx, id)).collect()
        })
        .await
    }

    /// The item of a recording as it is now; `None` where it is one no more: somebody took it off, or holds it.
    pub async fn recording_now(&self, id: ItemId) -> Result<Option<Item>, StoreError> {
        self.tx(move |tx| match rows::item_now(tx, id) {
            Ok(item) => Ok((item.state == ItemState::Recording).then(|| rows::told(item))),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        })
        .await
    }

    /// Writes down the asset that the provider made for a recording.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the item is no recording any more: nobody will send to this asset.
    pub async fn save_growing_asset(&self, id: ItemId, asset_id: &str, now: Now) -> Result<(), StoreError> {
        let asset_id = asset_id.to_owned();
        self.tx(move |tx| {
            uploading(tx, id)?;
            answered(tx, id)?;
            drop_asset(tx, id)?;
            insert_asset(tx, id, &asset_id, u64::from(MOST_PARTS), now)?;
            let sql = "UPDATE asset SET grows = 1 WHERE item_id = ?1";
            tx.prepare_cached(sql)?.execute([rows::sql_id(id)])?;
            let sql = "UPDATE item SET asset_id = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(id), &asset_id))?;
            seal(tx, id, &BTreeMap::new())
        })
        .await
    }

    /// Writes down the addresses of all parts that are registered and not confirmed, and the size of the clip once its last
    /// part is registered. Upholds: nothing is put whose address is not on disk.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when `asset_id` is no longer the item's asset.
    pub async fn keep_registered(
        &self,
        id: ItemId,
        asset_id: &str,
        urls: BTreeMap<u32, Secret>,
        closed: Option<u64>,
    ) -> Result<(), StoreError> {
        let asset_id = asset_id.to_owned();
        self.tx(move |tx| {
            is_its_asset(tx, id, &asset_id)?;
            let sql = "UPDATE asset SET closed_bytes = ?2 WHERE item_id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(id), closed.map(rows::signed)))?;
            seal(tx, id, &urls)
        })
        .await
    }

    /// The cloud confirmed part `n` of `bytes` bytes of a recording that is at least `size` bytes long by now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when `asset_id` is no longer the item's asset.
    pub async fn finish_growing_part(
        &self,
        id: ItemId,
        asset_id: &str,
        n: u32,
        bytes: u64,
        confirmed: Confirmed,
        size: u64,
    ) -> Result<(), StoreError> {
        let asset_id = asset_id.to_owned();
        self.tx(move |tx| {
            is_its_asset(tx, id, &asset_id)?;
            let sql = "UPDATE item SET size_bytes = max(size_bytes, ?2) WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(id), rows::signed(size)))?;
            count_part(tx, id, n, &confirmed.etag, bytes, confirmed.digest)
        })
        .await
    }

    /// A part of a recording goes again: its recorder wrote it anew.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when `asset_id` is no longer the item's asset.
    pub async fn drop_growing_part(&self, id: ItemId, asset_id: &str, n: u32) -> Result<(), StoreError> {
        let asset_id = asset_id.to_owned();
        self.tx(move |tx| {
            is_its_asset(tx, id, &asset_id)?;
            let sql = "DELETE FROM part WHERE item_id = ?1 AND n = ?2";
            if tx.prepare_cached(sql)?.execute((rows::sql_id(id), n))? > 0 {
                let sql = "UPDATE item SET sent_bytes = max(0, sent_bytes - ?2) WHERE id = ?1";
                tx.prepare_cached(sql)?.execute((rows::sql_id(id), rows::signed(part_len(n))))?;
            }
            Ok(())
        })
        .await
    }

    /// The recording has another name, or looks otherwise; nothing happens where it is one no more.
    pub async fn recording_is_at(&self, id: ItemId, seen: &Sighting) -> Result<(), StoreError> {
        let seen = seen.clone();
        self.tx(move |tx| {
            let item = rows::item_now(tx, id)?;
            let seen = Sighting { facts: larger(&item, &seen), ..seen };
            if item.state == ItemState::Recording { rows::set_sighting(tx, id, &seen) } else { Ok(()) }
        })
        .await
    }

    /// Nothing more of it is sent before its recorder is done: `why`, in one sentence. An asset that it has becomes an
    /// orphan. Nothing happens where it is a recording no more.
    pub async fn leave_recording(&self, id: ItemId, why: &str) -> Result<(), StoreError> {
        let why = why.to_owned();
        self.tx(move |tx| {
            if rows::item_now(tx, id)?.state == ItemState::Recording {
                drop_asset(tx, id)?;
                rows::set_state(tx, id, ItemState::Recording, ItemReason::None, &why)?;
            }
            Ok(())
        })
        .await
    }

    /// How a recording ends. One that is none any more (held, cancelled) stays as it is, except that what was sent completely
    /// is done unless it was cancelled. Returns the item as it is now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn end_recording(&self, id: ItemId, end: RecordingEnd, now: Now) -> Result<Item, StoreError> {
        self.tx(move |tx| {
            let item = rows::item_now(tx, id)?;
            if item.state == ItemState::Recording {
                end_as(tx, &item, end, now)?;
            }
            rows::item_now(tx, id).map(rows::told)
        })
        .await
    }
}

fn end_as(tx: &Tx<'_>, item: &Item, end: RecordingEnd, now: Now) -> Result<(), StoreError> {
    let id = item.id;
    match end {
        RecordingEnd::Delivered(seen, xxh64) => {
            let seen = Sighting { facts: larger(item, &seen), ..seen };
            rows::set_sighting(tx, id, &seen)?;
            let digest = FileDigest { chunk_size: seen.facts.size, xxh64 };
            receipt::of_digest(tx, id, digest, now)?;
            asset::complete(tx, id)?;
            let sql = "UPDATE item SET sent_bytes = size_bytes, attempts = attempts + 1 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute([rows::sql_id(id)])?;
            rows::set_state(tx, id, ItemState::Done, ItemReason::None, "")
        }
        RecordingEnd::Queued(seen, settled, why) => {
            // What is whole in the cloud stays there: the next is a new version of it.
            let is_whole = item.sent == item.clip.facts.size && !item.asset_id.is_empty();
            drop_asset(tx, id)?;
            let seen = Sighting { facts: larger(&Item { sent: 0, ..item.clone() }, &seen), ..seen };
            rows::set_sighting(tx, id, &seen)?;
            if is_whole {
                let sql = "UPDATE item SET version_of = ?2 WHERE id = ?1";
                tx.prepare_cached(sql)?.execute((rows::sql_id(id), &item.asset_id))?;
            }
            let sql = "UPDATE item SET settled = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(id), settled))?;
            let Place { state, reason } =
                place_of(item.clip.project_id.as_deref(), &bind::current_pairing(tx)?);
            rows::set_state(tx, id, state, reason, &why)
        }
        RecordingEnd::ThrownAway => {
            drop_asset(tx, id)?;
            rows::set_state(
                tx,
                id,
                ItemState::Cancelled,
                ItemReason::Vanished,
                "it was thrown away while it was recorded",
            )
        }
        RecordingEnd::Away => {
            drop_asset(tx, id)?;
            rows::set_state(
                tx,
                id,
                ItemState::Away,
                ItemReason::Vanished,
                "its card went while it was recorded",
            )
        }
    }
}

/// A row never has fewer bytes than were sent of it.
fn larger(item: &Item, seen: &Sighting) -> FileFacts {
    let mut facts = seen.facts;
    facts.size = facts.size.max(item.sent).max(1);
    facts
}

fn recording(tx: &Tx<'_>, id: ItemId) -> Result<Recording, StoreError> {
    let item = rows::told(rows::item_now(tx, id)?);
    let (kept, digests) = match kept(tx, id) {
        Ok(Some((kept, digests))) => (Some(kept), digests),
        Ok(None) => (None, BTreeMap::new()),
        Err(StoreError::Sealed { .. }) => {
            drop_asset(tx, id)?;
            (None, BTreeMap::new())
        }
        Err(e) => return Err(e),
    };
    Ok(Recording { item, kept, digests })
}

/// What was kept of an asset that grows, and the digests of its parts.
type Grown = (Kept, BTreeMap<u32, u64>);

fn kept(tx: &Tx<'_>, id: ItemId) -> Result<Option<Grown>, StoreError> {
    let sql = "SELECT asset_id, closed_bytes FROM asset WHERE item_id = ?1 AND grows = 1";
    let row = tx.prepare_cached(sql)?.query_row([rows::sql_id(id)], |r| {
        let closed = r.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned);
        Ok((r.get::<_, String>(0)?, closed))
    });
    let Some((asset_id, closed)) = row.optional()? else { return Ok(None) };
    let broken = || StoreError::Sealed { record: urls_name(id) };
    let plain = tx.unseal(&urls_name(id))?.ok_or_else(broken)?;
    let urls: Vec<(u32, String)> = serde_json::from_slice(&plain).map_err(|_| broken())?;
    let mut statement =
        tx.prepare_cached("SELECT n, xxh64 FROM part WHERE item_id = ?1 AND xxh64 IS NOT NULL")?;
    let part = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, rows::bits(r, 1)?));
    let digests: BTreeMap<u32, u64> =
        statement.query_map([rows::sql_id(id)], part)?.collect::<Result<_, _>>()?;
    let confirmed: BTreeSet<u32> = digests.keys().copied().collect();
    let urls = urls.into_iter().filter(|(n, _)| !confirmed.contains(n));
    let urls = urls.map(|(n, url)| (n, Secret::new(url))).collect();
    Ok(Some((Kept { asset_id, urls, confirmed, closed }, digests)))
}

fn is_its_asset(tx: &Tx<'_>, id: ItemId, asset_id: &str) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM asset JOIN item ON item.id = item_id
               WHERE item_id = ?1 AND asset.asset_id = ?2 AND grows = 1 AND state = 'recording'";
    match tx.prepare_cached(sql)?.exists((rows::sql_id(id), asset_id))? {
        true => Ok(()),
        false => Err(StoreError::NotFound(format!("the asset {asset_id} of a recording"))),
    }
}

fn seal(tx: &Tx<'_>, id: ItemId, urls: &BTreeMap<u32, Secret>) -> Result<(), StoreError> {
    let plain: Vec<(u32, &str)> = urls.iter().map(|(n, url)| (*n, url.expose())).collect();
    // Room for all of it from the start: a buffer that grows leaves its smaller selves behind.
    let room = plain.iter().map(|(_, url)| 2 * url.len() + 24).sum::<usize>() + 2;
    let mut json = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *json, &plain).map_err(|e| StoreError::Io(e.to_string()))?;
    tx.seal(&urls_name(id), &json)
}
