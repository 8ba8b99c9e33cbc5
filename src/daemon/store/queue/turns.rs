//! Whose turn it is, and how it ended.
use std::path::Path;

use super::{bind, candidates, memory};
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::receipt::Delivered;
use crate::store::tx::Tx;
use crate::store::{asset, identity, providers, receipt, rows};
use rigpost_core::few;
use rigpost_core::queue::clip::{Copy, Row, copy_of};
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::item::{Item, ItemId, ItemReason, ItemState};
use rigpost_core::time::Now;

impl Store {
    /// Gives the next item of this project its turn: the highest priority, then the oldest, except those that `waiting`
    /// names (they have a time of their own to come back), and only one of a priority greater than `above` where that
    /// is given. Items that have no project yet are bound to this one first. Upholds: nothing of another project is
    /// ever sent, and one bad file does not block the others.
    pub async fn claim(
        &self,
        project_id: &str,
        waiting: &[ItemId],
        above: Option<i32>,
    ) -> Result<Option<Item>, StoreError> {
        self.claim_beside(project_id, waiting, above, |_| false).await
    }

    /// The same, of what `out_of_reach` does not hold back. It is asked of every file that goes first and may have to
    /// wait: nothing of that is indexed.
    pub async fn claim_beside(
        &self,
        project_id: &str,
        waiting: &[ItemId],
        above: Option<i32>,
        out_of_reach: impl Fn(&Path) -> bool + Send + 'static,
    ) -> Result<Option<Item>, StoreError> {
        let (project_id, waiting) = (project_id.to_owned(), waiting.to_vec());
        self.tx(move |tx| {
            let project_id = identity::project(tx, &project_id)?;
            bind::queued(tx, &project_id)?;
            let next = next(tx, &project_id, &waiting, above, &out_of_reach)?;
            let Some(id) = next else { return Ok(None) };
            let sql = format!(
                "UPDATE item SET state = 'uploading', attempts = attempts + 1, reason = ?2, detail = ''
                 WHERE id = ?1 RETURNING {}",
                rows::ITEM
            );
            let item = tx
                .prepare_cached(&sql)?
                .query_row((rows::sql_id(id), ItemReason::None.as_str()), rows::item)?;
            Ok(Some(rows::told(item)))
        })
        .await
    }

    /// At the start: whatever was having its turn is queued again, with its asset and its parts. Assets whose answer was
    /// cut off are orphans. Clips that are cut off are looked at anew: nobody knows any more how long they have waited.
    /// Returns how many had their turn.
    //= frameio-c2c#7
    //# The queue outlives a loss of power, and goes on by itself.
    pub async fn resume_uploading(&self) -> Result<u64, StoreError> {
        self.tx(|tx| {
            asset::drop_unanswered(tx)?;
            let resumed = tx.execute("UPDATE item SET state = 'queued' WHERE state = 'uploading'", [])?;
            let project = bind::current_pairing(tx)?.project;
            let sql = "UPDATE item SET state = 'queued' WHERE state = 'incomplete' AND project_id IS ?1";
            tx.execute(sql, [project])?;
            Ok(resumed as u64)
        })
        .await
    }

    /// How an item's turn ended. `Done` keeps the asset's id and erases its URLs and parts; `Failed` keeps the asset for
    /// a retry, unless the file is another one now. An item that lost its turn in between (held, cancelled) stays as it is, except that what was sent
    /// completely is done unless it was cancelled. What is done has a receipt from now on, in the same transaction.
    /// A turn that a hanging card took away was none. Returns the item as it is now.
    pub async fn finish(
        &self,
        id: ItemId,
        to: ItemState,
        reason: ItemReason,
        detail: &str,
        now: Now,
    ) -> Result<Item, StoreError> {
        let detail = detail.to_owned();
        self.tx(move |tx| {
            let item = rows::item_now(tx, id)?;
            let applies = match item.state {
                ItemState::Uploading => true,
                ItemState::Queued | ItemState::Held | ItemState::Away | ItemState::Incomplete => {
                    to == ItemState::Done
                }
                ItemState::Recording | ItemState::Done | ItemState::Failed | ItemState::Cancelled => false,
            };
            if !applies {
                return Ok(rows::told(item));
            }
            match to {
                ItemState::Done => {
                    receipt::write(tx, &item, now)?;
                    asset::complete(tx, id)?;
                }
                ItemState::Cancelled => drop(asset::drop_asset(tx, id)?),
                ItemState::Failed if reason == ItemReason::Changed => asset::drop_unfinished(tx, id)?,
                ItemState::Away => {
                    if let Some(other) = elsewhere(tx, &item)? {
                        let why = format!("the same clip as #{other}, which lies elsewhere now");
                        return end(tx, id, ItemState::Cancelled, ItemReason::Duplicate, &why);
                    }
                }
                ItemState::Queued
                | ItemState::Uploading
                | ItemState::Recording
                | ItemState::Held
                | ItemState::Incomplete
                | ItemState::Failed => {}
            }
            end(tx, id, to, reason, &detail)
        })
        .await
    }

    /// The item has the same bytes as `other`, which was delivered to the same project: it is done, with that one's
    /// receipt and asset, unless it lost its turn in between. An asset that was begun for it becomes an orphan. Returns the
    /// item as it is now.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn finish_copy(
        &self,
        id: ItemId,
        other: ItemId,
        detail: &str,
        now: Now,
    ) -> Result<Item, StoreError> {
        let detail = detail.to_owned();
        self.tx(move |tx| {
            let item = rows::item_now(tx, id)?;
            if item.state != ItemState::Uploading {
                return Ok(rows::told(item));
            }
            asset::drop_asset(tx, id)?;
            if !receipt::copy(tx, other, id)? {
                // Its row is gone, and what is known of it is the digest of all bytes.
                let known = memory::delivered(tx, &item.clip.sighting())?.filter(|known| known.id == other);
                known.map_or(Ok(()), |known| receipt::of_digest(tx, id, known.digest, now))?;
            }
            let sql = "UPDATE item SET asset_id = coalesce((SELECT asset_id FROM item WHERE id = ?2), '') WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(id), rows::sql_id(other)))?;
            end(tx, id, ItemState::Done, ItemReason::Duplicate, &detail)
        })
        .await
    }

    /// What stands between an item and what is to be sent of it: whether another may have the same bytes.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn copy_of(&self, id: ItemId, seen: &Sighting) -> Result<Copy, StoreError> {
        let seen = seen.clone();
        self.tx(move |tx| {
            let item = rows::item_now(tx, id)?;
            if item.clip.anyway || !item.clip.version_of.is_empty() {
                return Ok(Copy::Free);
            }
            let begun = !item.asset_id.is_empty();
            let copy = copy_of(id, item.clip.project_id.as_deref(), begun, &candidates::alike(tx, &seen)?);
            if copy != Copy::Free {
                return Ok(copy);
            }
            Ok(memory::delivered(tx, &seen)?.map_or(Copy::Free, |known| Copy::Of(known.id)))
        })
        .await
    }

    /// What was delivered as this item, whether it has a row or not; `None` where nothing is known of its bytes.
    pub async fn delivered(&self, id: ItemId, seen: &Sighting) -> Result<Option<Delivered>, StoreError> {
        let seen = seen.clone();
        self.tx(move |tx| {
            let row = match rows::item_now(tx, id) {
                Ok(item) => Some(rows::told(item)),
                Err(StoreError::NotFound(_)) => None,
                Err(e) => return Err(e),
            };
            let Some(item) = row else {
                let known = memory::delivered(tx, &seen)?;
                return Ok(known.map(|d| Delivered { project: d.project.map(providers::plain), ..d }));
            };
            let digest = receipt::digest(tx, id)?;
            Ok(digest.map(|digest| Delivered { id, project: item.clip.project_id, digest }))
        })
        .await
    }
}

/// The turn is over.
fn end(tx: &Tx<'_>, id: ItemId, to: ItemState, reason: ItemReason, detail: &str) -> Result<Item, StoreError> {
    let sql = format!(
        "UPDATE item SET state = ?2, reason = ?3, detail = ?4,
             sent_bytes = CASE ?2 WHEN 'done' THEN size_bytes ELSE sent_bytes END,
             attempts = attempts - (?2 = 'queued' AND ?3 = 'not-answering')
         WHERE id = ?1 RETURNING {}",
        rows::ITEM
    );
    let params = (rows::sql_id(id), to.as_str(), reason.as_str(), detail);
    Ok(rows::told(tx.prepare_cached(&sql)?.query_row(params, rows::item)?))
}

/// Another item that found this one's file under another path, where nothing of this one has left: two rows for one clip.
fn elsewhere(tx: &Tx<'_>, item: &Item) -> Result<Option<ItemId>, StoreError> {
    if !item.asset_id.is_empty() {
        return Ok(None);
    }
    let alike = candidates::alike(tx, &item.clip.sighting())?;
    let is_it = |row: &&Row| {
        let goes = matches!(row.state, ItemState::Queued | ItemState::Uploading | ItemState::Done);
        let other_volume = row.seen.volume.is_known_to_differ(&item.clip.volume);
        row.id != item.id && goes && !other_volume && row.project == item.clip.project_id
    };
    Ok(alike.iter().find(is_it).map(|row| row.id))
}

/// The index is named: the planner would rather walk every queued item. A test looks at the plans.
pub(super) const NEXT: &str = "SELECT id, path FROM item INDEXED BY item_queued
     WHERE state = 'queued' AND project_id = ?1 AND priority > ?2 ORDER BY priority DESC, id";

/// The first in the order of turns that need not wait. Reads one entry of the index more than have
/// to wait.
fn next(
    tx: &Tx<'_>,
    project_id: &str,
    waiting: &[ItemId],
    above: Option<i32>,
    out_of_reach: &dyn Fn(&Path) -> bool,
) -> Result<Option<ItemId>, StoreError> {
    let mut statement = tx.prepare_cached(NEXT)?;
    // Every priority is greater than nobody's.
    let above = above.map_or(i64::MIN, i64::from);
    let waits = few::set(waiting);
    let mut in_order = statement.query((project_id, above))?;
    while let Some(row) = in_order.next()? {
        let id = rows::item_id(row, 0)?;
        if !waits.contains(&id) && !out_of_reach(&rows::path(row, 1)?) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
