//! The queue: what was accepted, whose turn it is, and how it ended.
//!
//! # Decisions
//! - Claiming reads one entry of a partial index that holds only queued items, so that a million sent ones cost nothing.
//! - What is sent or taken off is history, and goes when a person clears it or, oldest first, when the queue would
//!   outgrow its limit.
mod bind;
mod door;
mod history;
mod memory;
mod steer;

use super::{Store, StoreError, Tx, asset, counters, receipt, rows};
use rigpost_core::queue::item::{Item, ItemId, ItemReason, ItemState};
use rigpost_core::time::Now;

pub(super) use bind::{bind_to, hold_all};
pub use door::{Found, Limits, Refaced};

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
        let (project_id, waiting) = (project_id.to_owned(), waiting.to_vec());
        self.tx(move |tx| {
            bind::queued(tx, &project_id)?;
            let Some((id, _)) = next(tx, &project_id, &waiting, above)? else { return Ok(None) };
            let sql = format!(
                "UPDATE item SET state = 'uploading', attempts = attempts + 1, reason = ?2, detail = ''
                 WHERE id = ?1 RETURNING {}",
                rows::ITEM
            );
            Ok(Some(
                tx.prepare_cached(&sql)?
                    .query_row((rows::sql_id(id), ItemReason::None.as_str()), rows::item)?,
            ))
        })
        .await
    }

    /// The priority of the item that [`Store::claim`] would answer with. Writes nothing.
    pub async fn best_waiting(
        &self,
        project_id: &str,
        waiting: &[ItemId],
    ) -> Result<Option<i32>, StoreError> {
        let (project_id, waiting) = (project_id.to_owned(), waiting.to_vec());
        self.tx(move |tx| Ok(next(tx, &project_id, &waiting, None)?.map(|(_, priority)| priority))).await
    }

    /// At the start: whatever was having its turn is queued again, with its asset and its parts. Returns how many.
    pub async fn resume_uploading(&self) -> Result<u64, StoreError> {
        self.tx(|tx| Ok(tx.execute("UPDATE item SET state = 'queued' WHERE state = 'uploading'", [])? as u64))
            .await
    }

    /// How an item's turn ended. `Done` keeps the asset's id and erases its URLs and parts; `Failed` keeps the asset for
    /// a retry. An item that lost its turn in between (held, cancelled) stays as it is, except that what was sent
    /// completely is done unless it was cancelled. What is done has a receipt from now on, in the same transaction.
    /// Returns the item as it is now.
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
                return Ok(item);
            }
            match to {
                ItemState::Done => {
                    receipt::write(tx, &item, now)?;
                    asset::complete(tx, id)?;
                }
                ItemState::Cancelled => drop(asset::drop_asset(tx, id)?),
                ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Failed => {}
            }
            let sql = format!(
                "UPDATE item SET state = ?2, reason = ?3, detail = ?4,
                     sent_bytes = CASE ?2 WHEN 'done' THEN size_bytes ELSE sent_bytes END
                 WHERE id = ?1 RETURNING {}",
                rows::ITEM
            );
            let params = (rows::sql_id(id), to.as_str(), reason.as_str(), &detail);
            Ok(tx.prepare_cached(&sql)?.query_row(params, rows::item)?)
        })
        .await
    }

    /// The item's turn ended without an end: it is queued again, with its asset. As [`Store::finish`] for one that lost
    /// its turn in between.
    pub async fn requeue(&self, id: ItemId, reason: ItemReason, detail: &str) -> Result<Item, StoreError> {
        // Only a delivery is dated.
        self.finish(id, ItemState::Queued, reason, detail, Now::default()).await
    }

    /// Items in a state, or all, oldest first, from `offset`; and how many there are in all.
    pub async fn list(
        &self,
        filter: Option<ItemState>,
        offset: u64,
        limit: u64,
    ) -> Result<(Vec<Item>, u64), StoreError> {
        self.tx(move |tx| {
            let totals = counters::totals(tx)?;
            let total = filter.map_or(totals.all(), |state| totals.of(state).items);
            let (limit, offset) = (limit.min(total.saturating_sub(offset)), offset.min(total));
            // What is nearer to the end is reached from there.
            let back = total - offset - limit;
            let (order, skip) = if back < offset { ("DESC", back) } else { ("", offset) };
            // The inner statement walks an index; only the rows that are shown are read.
            let which = filter.map_or("?1 IS NULL", |_| "state = ?1");
            let sql = format!(
                "SELECT {} FROM item WHERE id IN
                     (SELECT id FROM item WHERE {which} ORDER BY id {order} LIMIT ?2 OFFSET ?3) ORDER BY id",
                rows::ITEM
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let params = (filter.map(ItemState::as_str), rows::signed(limit), rows::signed(skip));
            let items = statement.query_map(params, rows::item)?.collect::<Result<_, _>>()?;
            Ok((items, total))
        })
        .await
    }

    /// Those of the items that exist, in the order asked for.
    pub async fn get(&self, ids: &[ItemId]) -> Result<Vec<Item>, StoreError> {
        let ids = ids.to_vec();
        self.tx(move |tx| {
            let found = ids.into_iter().map(|id| rows::item_now(tx, id));
            found.filter(|item| !matches!(item, Err(StoreError::NotFound(_)))).collect()
        })
        .await
    }
}

/// The index is named: the planner would rather walk every queued item. A test looks at the plans.
const NEXT: &str = "SELECT id, priority FROM item INDEXED BY item_queued
     WHERE state = 'queued' AND project_id = ?1 AND priority > ?2 ORDER BY priority DESC, id";

/// The first in the order of turns that need not wait, and its priority. Reads one entry of the index more than have
/// to wait.
fn next(
    tx: &Tx<'_>,
    project_id: &str,
    waiting: &[ItemId],
    above: Option<i32>,
) -> Result<Option<(ItemId, i32)>, StoreError> {
    let mut statement = tx.prepare_cached(NEXT)?;
    // Every priority is greater than nobody's.
    let above = above.map_or(i64::MIN, i64::from);
    let mut in_order = statement.query_map((project_id, above), |r| Ok((rows::item_id(r, 0)?, r.get(1)?)))?;
    let waits: std::collections::BTreeSet<_> = waiting.iter().collect();
    let first = in_order.find(|next| next.as_ref().map_or(true, |(id, _)| !waits.contains(id)));
    Ok(first.transpose()?)
}

fn set_state(
    tx: &Tx<'_>,
    id: ItemId,
    to: ItemState,
    reason: ItemReason,
    detail: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE item SET state = ?2, reason = ?3, detail = ?4 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((rows::sql_id(id), to.as_str(), reason.as_str(), detail))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::door::{FIND, FIND_GROWN, FIND_RENAMED};
    use super::history::OLDEST;
    use super::memory::KNOWS;
    use super::steer::FIND_IN_PROJECT;
    use super::{NEXT, bind};
    use crate::store::migrate;

    /// What runs for each clip or each refresh reads what it needs by index, however many rows there are.
    #[test]
    fn hot_statements_scan_nothing() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(migrate::STEPS.concat().as_str()).unwrap();
        let file = "INDEX item_file (path=? AND size_bytes=? AND mtime_ns=?";
        let own = [
            (FIND, file),
            (FIND_IN_PROJECT, file),
            (FIND_GROWN, "INDEX item_file (path=?"),
            (FIND_RENAMED, "INDEX item_inode (ino=? AND size_bytes=?"),
            (NEXT, "INDEX item_queued (project_id=? AND priority>?"),
            (OLDEST, "COVERING INDEX item_state (state=?"),
        ];
        let others = [
            (KNOWS, "INDEX remembered_hash (hash=?)"),
            ("UPDATE item SET state = 'done' WHERE id = 1", "INTEGER PRIMARY KEY (rowid=?)"),
            ("DELETE FROM item WHERE id = 1", "INTEGER PRIMARY KEY (rowid=?)"),
        ];
        let own = own.into_iter().chain(others).map(|(sql, index)| (sql.to_owned(), index));
        for (sql, index) in own.chain(bind::hot()) {
            let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = vec!["1"; statement.parameter_count()];
            let plan = statement.query_map(rusqlite::params_from_iter(values), |r| r.get(3)).unwrap();
            let plan: Vec<String> = plan.collect::<Result<_, _>>().unwrap();
            assert!(plan[0].starts_with("SEARCH ") && plan[0].contains(index), "{sql}: {plan:?}");
            let scans = |line: &String| line.contains("TEMP B-TREE") || line.starts_with("SCAN ");
            assert!(!plan.iter().any(scans), "{sql}: {plan:?}");
        }
    }
}
