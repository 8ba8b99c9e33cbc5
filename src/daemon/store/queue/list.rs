//! The queue as people look at it: page by page.
//!
//! # Decisions
//! - A page begins behind an item (`after`), and then the middle of a million costs what the start does: the index is
//!   entered there. An offset is counted through, from the nearer end; it stays for whoever has it.
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::{counters, rows};
use rigpost_core::queue::item::{Item, ItemId, ItemState};

impl Store {
    /// Items in a state, or all, oldest first: those with a number greater than that of `after`, from `offset`; and how
    /// many there are in all, whatever the page is.
    pub async fn list(
        &self,
        filter: Option<ItemState>,
        after: Option<ItemId>,
        offset: u64,
        limit: u64,
    ) -> Result<(Vec<Item>, u64), StoreError> {
        self.tx(move |tx| {
            let totals = counters::totals(tx)?;
            let total = filter.map_or(totals.all(), |state| totals.of(state).items);
            // What is nearer to the end is reached from there.
            let (offset, limit) = (offset.min(total), limit.min(total));
            let from_start = limit.min(total - offset);
            let back = total - offset - from_start;
            let (order, skip, limit) = match after {
                None if back < offset => ("DESC", back, from_start),
                None | Some(_) => ("", offset, limit),
            };
            let mut statement = tx.prepare_cached(&page(filter.is_some(), order))?;
            let after = after.map_or(0, rows::sql_id);
            let params = (filter.map(ItemState::as_str), after, rows::signed(limit), rows::signed(skip));
            let items = statement.query_map(params, rows::item)?.map(|item| Ok(rows::told(item?)));
            Ok((items.collect::<Result<_, StoreError>>()?, total))
        })
        .await
    }

    /// Those of the items that exist, in the order asked for.
    pub async fn get(&self, ids: &[ItemId]) -> Result<Vec<Item>, StoreError> {
        let ids = ids.to_vec();
        self.tx(move |tx| {
            let found = ids.into_iter().map(|id| rows::item_now(tx, id).map(rows::told));
            found.filter(|item| !matches!(item, Err(StoreError::NotFound(_)))).collect()
        })
        .await
    }
}

/// The inner statement walks an index; only the rows that are shown are read.
fn page(of_state: bool, order: &str) -> String {
    let which = if of_state { "state = ?1" } else { "?1 IS NULL" };
    let columns = rows::ITEM;
    format!(
        "SELECT {columns} FROM item WHERE id IN
             (SELECT id FROM item WHERE {which} AND id > ?2 ORDER BY id {order} LIMIT ?3 OFFSET ?4) ORDER BY id"
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, StatementStatus};

    use super::page;
    use crate::store::{migrate, rows};

    const ITEMS: i64 = 20_000;

    /// What SQLite does for a page of 50, in steps of its machine.
    fn steps(conn: &Connection, of_state: bool, after: i64, offset: i64) -> i32 {
        let mut statement = conn.prepare(&page(of_state, "")).unwrap();
        let state = of_state.then_some("done");
        let found = statement.query_map((state, after, 50, offset), rows::item).unwrap();
        let first = if of_state { 2 * (after / 2 + offset + 1) } else { after + offset + 1 };
        let ids: Vec<i64> = found.map(|item| i64::try_from(item.unwrap().id.0).unwrap()).collect();
        assert_eq!((ids.len(), ids[0]), (50, first));
        statement.get_status(StatementStatus::VmStep)
    }

    #[test]
    fn the_middle_costs_what_the_start_does() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(migrate::STEPS.concat().as_str()).unwrap();
        let boot = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let fill = format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ITEMS})
             INSERT INTO item (path, name, filetype, size_bytes, mtime_ns, dev, ino, priority, created_boot_id,
                 created_boot_us, created_wall_s, added_boot_id, added_boot_us, added_wall_s, state)
             SELECT CAST('/media/' || n AS BLOB), 'n', '', 1, n, 1, n, 0, '{boot}', 0, 0, '{boot}', 0, 0,
                 CASE n % 2 WHEN 0 THEN 'done' ELSE 'queued' END FROM n"
        );
        conn.execute_batch(&fill).unwrap();
        for of_state in [false, true] {
            let start = steps(&conn, of_state, 0, 0);
            let half = if of_state { ITEMS / 4 } else { ITEMS / 2 };
            let middle = steps(&conn, of_state, ITEMS / 2, 0);
            assert!(middle.abs_diff(start) < 50, "{start} at the start, {middle} in the middle");
            let counted = steps(&conn, of_state, 0, half);
            assert!(counted > 5 * start, "an offset is counted through: {counted}");
        }
    }
}
