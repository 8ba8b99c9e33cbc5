//! How rows leave: history makes room, and people clear what is over.
//!
//! # Decisions
//! - In steps of a few hundred rows: a step's pages fit into the log beside its usual four megabytes, and whoever waits
//!   for the store waits for one step only.
//! - Pruning takes twice what came, so that a limit that was lowered is reached soon and no single addition pays for
//!   all of it.
use rusqlite::OptionalExtension;

use super::memory::{self, Memory};
use crate::store::error::StoreError;
use crate::store::tx::Tx;
use crate::store::{asset, receipt, rows, space};
use rigpost_contract::steered::Steered;
use rigpost_core::command::Answers;
use rigpost_core::queue::item::{ItemId, ItemState};
use rigpost_core::queue::steer;

/// Rows in one step.
const STEP: u64 = 500;

pub(super) const OLDEST: &str = "SELECT id FROM item WHERE state = ?1 ORDER BY id LIMIT ?2";

fn oldest(tx: &Tx<'_>, state: ItemState, at_most: u64) -> Result<Vec<ItemId>, StoreError> {
    rows::ids(tx, OLDEST, (state.as_str(), rows::signed(at_most)))
}

/// Deletes the oldest of what is sent or was taken off: `surplus` rows, or as many as this transaction may. `added` is
/// how many came in it.
pub(super) fn prune(tx: &Tx<'_>, surplus: u64, added: usize) -> Result<(), StoreError> {
    let step = surplus.min(STEP.max(2 * added as u64));
    if step == 0 {
        return Ok(());
    }
    let mut ids = oldest(tx, ItemState::Done, step)?;
    ids.extend(oldest(tx, ItemState::Cancelled, step)?);
    ids.sort_unstable();
    ids.truncate(usize::try_from(step).unwrap_or(usize::MAX));
    remove(tx, &ids)
}

/// One step of clearing a state; zero when nothing is left to do.
pub(super) fn clear_step(tx: &Tx<'_>, state: ItemState) -> Result<u64, StoreError> {
    let ids = oldest(tx, state, STEP)?;
    remove(tx, &ids)?;
    Ok(ids.len() as u64)
}

/// Those of these that are over; none where one of them is no item. How many went, and what came of each.
pub(super) fn clear_ids(tx: &Tx<'_>, ids: Vec<ItemId>) -> Result<(u64, Answers), StoreError> {
    let (mut answers, mut over) = (vec![], vec![]);
    for id in ids {
        let said = match steer::clear(rows::item_now(tx, id)?.state) {
            Ok(()) => {
                over.push(id);
                Steered::Changed
            }
            Err(stays) => stays,
        };
        answers.push((id, said));
    }
    over.sort_unstable();
    over.dedup();
    remove(tx, &over)?;
    Ok((over.len() as u64, answers))
}

/// What a source has seen, or was delivered, is remembered.
fn remove(tx: &Tx<'_>, ids: &[ItemId]) -> Result<(), StoreError> {
    for id in ids {
        if let Some(memory) = memory_of(tx, *id)? {
            memory::remember(tx, &memory)?;
        }
        asset::drop_asset(tx, *id)?;
        delete(tx, *id)?;
    }
    memory::bound(tx)?;
    space::give_back(tx)
}

fn memory_of(tx: &Tx<'_>, id: ItemId) -> Result<Option<Memory>, StoreError> {
    let sql = format!("SELECT watched, state, project_id, {} FROM item WHERE id = ?1", rows::SIGHTING);
    let row = tx.prepare_cached(&sql)?.query_row([rows::sql_id(id)], |r| {
        let (watched, is_done) = (r.get::<_, bool>(0)?, rows::state(r, 1)? == ItemState::Done);
        Ok((watched, is_done, r.get::<_, Option<String>>(2)?, rows::sighting(r, 3)?))
    });
    let Some((watched, is_done, project, seen)) = row.optional()? else { return Ok(None) };
    if !watched && !is_done {
        return Ok(None);
    }
    let digest = if is_done { receipt::digest(tx, id)? } else { None };
    Ok(Some(Memory { id, seen, delivered_to: project.filter(|_| is_done), digest }))
}

/// The row, and by the schema its asset and its receipt.
pub(super) fn delete(tx: &Tx<'_>, id: ItemId) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM item WHERE id = ?1")?.execute([rows::sql_id(id)])?;
    Ok(())
}
