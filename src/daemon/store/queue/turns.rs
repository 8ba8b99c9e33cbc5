//! Whose turn it is, and how it ended.
use std::collections::BTreeSet;
use std::path::Path;

use super::bind;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::tx::Tx;
use crate::store::{asset, identity, receipt, rows};
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
    /// cut off are orphans. Returns how many were queued.
    pub async fn resume_uploading(&self) -> Result<u64, StoreError> {
        self.tx(|tx| {
            asset::drop_unanswered(tx)?;
            Ok(tx.execute("UPDATE item SET state = 'queued' WHERE state = 'uploading'", [])? as u64)
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
                ItemState::Queued | ItemState::Held => to == ItemState::Done,
                ItemState::Done | ItemState::Failed | ItemState::Cancelled => false,
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
                ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Failed => {}
            }
            let sql = format!(
                "UPDATE item SET state = ?2, reason = ?3, detail = ?4,
                     sent_bytes = CASE ?2 WHEN 'done' THEN size_bytes ELSE sent_bytes END,
                     attempts = attempts - (?2 = 'queued' AND ?3 = 'not-answering')
                 WHERE id = ?1 RETURNING {}",
                rows::ITEM
            );
            let params = (rows::sql_id(id), to.as_str(), reason.as_str(), &detail);
            Ok(rows::told(tx.prepare_cached(&sql)?.query_row(params, rows::item)?))
        })
        .await
    }
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
    let waits: BTreeSet<_> = waiting.iter().collect();
    let mut in_order = statement.query((project_id, above))?;
    while let Some(row) = in_order.next()? {
        let id = rows::item_id(row, 0)?;
        if !waits.contains(&id) && !out_of_reach(&rows::path(row, 1)?) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
