//! The queue: what was accepted, whose turn it is, and how it ended.
//!
//! # Decisions
//! - Claiming reads one entry of a partial index that holds only queued items, so that a million sent ones cost nothing.
//! - The same file (path, size, time of change) is one row for ever: adding it again answers with that row.
//! - What is sent or taken off is history, and goes, oldest first, only when the queue would outgrow its limit.
use super::{Store, StoreError, Tx, asset, counters, grant, rows};
use crate::domain::item::{Item, ItemId, ItemState, NewItem};
use rusqlite::{OptionalExtension, named_params};

/// `reason` of items that are bound to a project which is not the one that is paired.
const OTHER_PROJECT: &str = "other-project";
/// `reason` of items that were in the queue when the identity was erased.
const FORGOTTEN: &str = "forgotten";

impl Store {
    /// Accepts all of `items`, or none. Answers with an id for each, in order. A file that is there already (path,
    /// size, time of change) keeps its row as it is; one that had failed or was cancelled is queued again with what is
    /// said now. What comes without a project belongs to the one that is paired, or to the next where there is none.
    /// Upholds: what was accepted is on disk before the answer, and footage is held at once when it belongs to another
    /// project than the one that is paired.
    ///
    /// # Errors
    /// [`StoreError::LimitExceeded`] when more than `max_items` would not be sent yet.
    pub async fn add(&self, items: Vec<NewItem>, max_items: u64) -> Result<Vec<ItemId>, StoreError> {
        self.tx(move |tx| {
            let current = grant::current_project(tx)?;
            let bound = items
                .into_iter()
                .map(|item| NewItem { project_id: item.project_id.or_else(|| current.clone()), ..item });
            let ids =
                bound.map(|item| add_one(tx, &item, current.as_deref())).collect::<Result<Vec<_>, _>>()?;
            let totals = counters::totals(tx)?;
            if totals.unfinished() > max_items {
                return Err(StoreError::LimitExceeded { max: max_items });
            }
            prune(tx, totals.all().saturating_sub(max_items))?;
            Ok(ids)
        })
        .await
    }

    /// Gives the next item of this project its turn: the highest priority, then the oldest, except those that `waiting`
    /// names (they have a time of their own to come back). Items that have no project yet are bound to this one first.
    /// Upholds: nothing of another project is ever sent, and one bad file does not block the others.
    pub async fn claim(&self, project_id: &str, waiting: &[ItemId]) -> Result<Option<Item>, StoreError> {
        let project_id = project_id.to_owned();
        let waiting = format!("[{}]", waiting.iter().map(ItemId::to_string).collect::<Vec<_>>().join(","));
        self.tx(move |tx| {
            tx.prepare_cached(BIND_QUEUED)?.execute([&project_id])?;
            let sql = format!(
                "UPDATE item SET state = 'uploading', attempts = attempts + 1, reason = 'none', detail = ''
                 WHERE id = ({NEXT}) RETURNING {}",
                rows::ITEM
            );
            Ok(tx.prepare_cached(&sql)?.query_row((&project_id, &waiting), rows::item).optional()?)
        })
        .await
    }

    /// At the start: whatever was having its turn is queued again, with its asset and its parts. Returns how many.
    pub async fn resume_uploading(&self) -> Result<u64, StoreError> {
        self.tx(|tx| Ok(tx.execute("UPDATE item SET state = 'queued' WHERE state = 'uploading'", [])? as u64))
            .await
    }

    /// How an item's turn ended. `Done` keeps the asset's id and erases its URLs and parts; `Failed` keeps the asset for
    /// a retry. An item that lost its turn in between (held, cancelled) stays as it is, except that what was sent
    /// completely is done unless it was cancelled. Returns the item as it is now.
    pub async fn finish(
        &self,
        id: ItemId,
        to: ItemState,
        reason: &str,
        detail: &str,
    ) -> Result<Item, StoreError> {
        let (reason, detail) = (reason.to_owned(), detail.to_owned());
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
                ItemState::Done => asset::complete(tx, id)?,
                ItemState::Cancelled => drop(asset::drop_asset(tx, id)?),
                ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Failed => {}
            }
            set_state(tx, id, to, &reason, &detail)?;
            rows::item_now(tx, id)
        })
        .await
    }

    /// The item's turn ended without an end: it is queued again, with its asset. As [`Store::finish`] for one that lost
    /// its turn in between.
    pub async fn requeue(&self, id: ItemId, reason: &str, detail: &str) -> Result<Item, StoreError> {
        self.finish(id, ItemState::Queued, reason, detail).await
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
            // The inner statement walks an index; only the rows that are shown are read.
            let which = filter.map_or("?1 IS NULL", |_| "state = ?1");
            let sql = format!(
                "SELECT {} FROM item WHERE id IN (SELECT id FROM item WHERE {which} ORDER BY id LIMIT ?2 OFFSET ?3) ORDER BY id",
                rows::ITEM
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let params = (filter.map(ItemState::as_str), rows::signed(limit), rows::signed(offset));
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

    /// Takes items off the queue, all or none; what is sent stays sent. Their assets become orphans. Returns those that
    /// changed; those that were being sent must be stopped.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn cancel(&self, ids: &[ItemId]) -> Result<Vec<ItemId>, StoreError> {
        self.change_each(ids, |tx, item| match item.state {
            ItemState::Done | ItemState::Cancelled => Ok(false),
            ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Failed => {
                asset::drop_asset(tx, item.id)?;
                set_state(tx, item.id, ItemState::Cancelled, "none", "")?;
                Ok(true)
            }
        })
        .await
    }

    /// Queues failed and cancelled items again, all or none; held where they belong to another project than the one
    /// that is paired. Returns those that changed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn retry(&self, ids: &[ItemId]) -> Result<Vec<ItemId>, StoreError> {
        self.change_each(ids, |tx, item| match item.state {
            ItemState::Failed | ItemState::Cancelled => {
                let (state, reason) =
                    place(item.new.project_id.as_deref(), grant::current_project(tx)?.as_deref());
                set_state(tx, item.id, state, reason, "")?;
                Ok(true)
            }
            ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Done => Ok(false),
        })
        .await
    }

    /// A person pauses the queue, or lets it go on; survives restarts.
    pub async fn set_paused(&self, paused: bool) -> Result<(), StoreError> {
        self.tx(move |tx| Ok(tx.execute("UPDATE rig SET paused = ?1 WHERE id = 1", [paused]).map(drop)?))
            .await
    }

    async fn change_each(
        &self,
        ids: &[ItemId],
        change: fn(&Tx<'_>, &Item) -> Result<bool, StoreError>,
    ) -> Result<Vec<ItemId>, StoreError> {
        let ids = ids.to_vec();
        self.tx(move |tx| {
            let mut changed = Vec::new();
            for id in ids {
                if change(tx, &rows::item_now(tx, id)?)? {
                    changed.push(id);
                }
            }
            Ok(changed)
        })
        .await
    }
}

// The indexes are named: the planner would rather walk every queued item. A test looks at the plans.
const BIND_QUEUED: &str =
    "UPDATE item INDEXED BY item_queued SET project_id = ?1 WHERE state = 'queued' AND project_id IS NULL";
const BIND_HELD: &str =
    "UPDATE item INDEXED BY item_held SET project_id = ?1 WHERE state = 'held' AND project_id IS NULL";
const BIND_UPLOADING: &str =
    "UPDATE item SET project_id = ?1 WHERE state = 'uploading' AND project_id IS NULL";
const NEXT: &str = "SELECT id FROM item INDEXED BY item_queued WHERE state = 'queued' AND project_id = ?1
     AND id NOT IN (SELECT value FROM json_each(?2)) ORDER BY priority DESC, id LIMIT 1";
const FIND: &str =
    "SELECT id, state, project_id FROM item WHERE path = ?1 AND size_bytes = ?2 AND mtime_ns = ?3";
/// Two ranges of the index, and not one scan of it: usually both are empty.
const HOLD: [&str; 3] = [
    "UPDATE item INDEXED BY item_queued SET state = 'held', reason = ?2, detail = ''
     WHERE state = 'queued' AND project_id < ?1 RETURNING id",
    "UPDATE item INDEXED BY item_queued SET state = 'held', reason = ?2, detail = ''
     WHERE state = 'queued' AND project_id > ?1 RETURNING id",
    "UPDATE item SET state = 'held', reason = ?2, detail = ''
     WHERE state = 'uploading' AND project_id <> ?1 RETURNING id",
];
const RELEASE: &str = "UPDATE item INDEXED BY item_held SET state = 'queued', reason = 'none', detail = ''
     WHERE state = 'held' AND project_id = ?1 RETURNING id";

/// Where an item of `project` belongs while `current` is paired.
fn place(project: Option<&str>, current: Option<&str>) -> (ItemState, &'static str) {
    match (project, current) {
        (Some(project), Some(current)) if project != current => (ItemState::Held, OTHER_PROJECT),
        _ => (ItemState::Queued, "none"),
    }
}

fn set_state(tx: &Tx<'_>, id: ItemId, to: ItemState, reason: &str, detail: &str) -> Result<(), StoreError> {
    let sql = "UPDATE item SET state = ?2, reason = ?3, detail = ?4 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((rows::sql_id(id), to.as_str(), reason, detail))?;
    Ok(())
}

fn add_one(tx: &Tx<'_>, new: &NewItem, current: Option<&str>) -> Result<ItemId, StoreError> {
    let key = (rows::sql_path(&new.path), rows::signed(new.facts.size), new.facts.mtime_ns);
    let there = tx
        .prepare_cached(FIND)?
        .query_row(key, |r| Ok((rows::item_id(r, 0)?, rows::state(r, 1)?, r.get::<_, Option<String>>(2)?)));
    let Some((id, state, project)) = there.optional()? else { return insert(tx, new, current) };
    match state {
        ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Done => Ok(id),
        ItemState::Failed | ItemState::Cancelled => {
            if project != new.project_id {
                // The asset lies in the other project.
                asset::drop_asset(tx, id)?;
            }
            write(tx, new, current, Some(id))?;
            Ok(id)
        }
    }
}

fn insert(tx: &Tx<'_>, new: &NewItem, current: Option<&str>) -> Result<ItemId, StoreError> {
    write(tx, new, current, None)?;
    Ok(ItemId(tx.last_insert_rowid().cast_unsigned()))
}

/// A new row, or everything that a person can say anew about the row `id`.
fn write(tx: &Tx<'_>, new: &NewItem, current: Option<&str>, id: Option<ItemId>) -> Result<(), StoreError> {
    let (state, reason) = place(new.project_id.as_deref(), current);
    let (created_id, created, created_wall) = rows::sql_now(new.created);
    let (added_id, added, added_wall) = rows::sql_now(new.added);
    let sql = "INSERT INTO item (id, path, name, filetype, size_bytes, mtime_ns, dev, ino, priority, project_id,
             created_boot_id, created_boot_us, created_wall_s, added_boot_id, added_boot_us, added_wall_s, state, reason)
         VALUES (:id, :path, :name, :filetype, :size, :mtime, :dev, :ino, :priority, :project,
             :created_id, :created, :created_wall, :added_id, :added, :added_wall, :state, :reason)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, filetype = excluded.filetype, dev = excluded.dev,
             ino = excluded.ino, priority = excluded.priority, project_id = excluded.project_id,
             created_boot_id = excluded.created_boot_id, created_boot_us = excluded.created_boot_us,
             created_wall_s = excluded.created_wall_s, added_boot_id = excluded.added_boot_id,
             added_boot_us = excluded.added_boot_us, added_wall_s = excluded.added_wall_s,
             state = excluded.state, reason = excluded.reason, detail = '', attempts = 0";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": id.map(rows::sql_id), ":path": rows::sql_path(&new.path), ":name": new.name,
        ":filetype": new.filetype, ":size": rows::signed(new.facts.size), ":mtime": new.facts.mtime_ns,
        ":dev": new.facts.dev.cast_signed(), ":ino": new.facts.ino.cast_signed(), ":priority": new.priority,
        ":project": new.project_id, ":created_id": created_id, ":created": created, ":created_wall": created_wall,
        ":added_id": added_id, ":added": added, ":added_wall": added_wall, ":state": state.as_str(), ":reason": reason,
    })?;
    Ok(())
}

/// Deletes the oldest `surplus` items that are history.
fn prune(tx: &Tx<'_>, surplus: u64) -> Result<(), StoreError> {
    if surplus == 0 {
        return Ok(());
    }
    let sql = "DELETE FROM item WHERE id IN
         (SELECT id FROM item WHERE state IN ('done', 'cancelled') ORDER BY id LIMIT ?1)";
    tx.execute(sql, [rows::signed(surplus)])?;
    Ok(())
}

/// Binds what has no project, holds what has another, and queues what was held for this one.
pub(super) fn bind_to(tx: &Tx<'_>, project: &str) -> Result<Vec<ItemId>, StoreError> {
    for bind in [BIND_QUEUED, BIND_HELD, BIND_UPLOADING] {
        tx.execute(bind, [project])?;
    }
    let mut changed = Vec::new();
    for hold in HOLD {
        changed.extend(rows::ids(tx, hold, [project, OTHER_PROJECT])?);
    }
    changed.extend(rows::ids(tx, RELEASE, [project])?);
    changed.sort_unstable();
    Ok(changed)
}

/// Nothing may be sent under the next identity before its project is known.
pub(super) fn hold_all(tx: &Tx<'_>) -> Result<(), StoreError> {
    let sql = "UPDATE item SET state = 'held', reason = ?1, detail = '' WHERE state IN ('queued', 'uploading', 'held')";
    tx.execute(sql, [FORGOTTEN])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// What runs for each clip or each refresh reads what it needs by index, however many rows there are.
    #[test]
    fn hot_statements_scan_nothing() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(super::super::migrate::STEPS.concat().as_str()).unwrap();
        let by_file = [(FIND, "INDEX item_file (path=? AND size_bytes=? AND mtime_ns=?)")];
        let by_project =
            [BIND_QUEUED, BIND_HELD, NEXT, HOLD[0], HOLD[1], RELEASE].map(|sql| (sql, "(project_id"));
        let by_state = [BIND_UPLOADING, HOLD[2]].map(|sql| (sql, "INDEX item_state (state=?)"));
        for (sql, index) in by_file.into_iter().chain(by_project).chain(by_state) {
            let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = vec!["1"; statement.parameter_count()];
            let plan = statement.query_map(rusqlite::params_from_iter(values), |r| r.get(3)).unwrap();
            let plan: Vec<String> = plan.collect::<Result<_, _>>().unwrap();
            assert!(plan[0].starts_with("SEARCH item USING") && plan[0].contains(index), "{sql}: {plan:?}");
            assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{sql}: {plan:?}");
        }
    }
}
