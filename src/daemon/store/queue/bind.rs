//! Which project an item belongs to, and whether it may go there.
//!
//! # Decisions
//! - A clip that was made before the pairing follows its own policy, once: when it meets that pairing. What then waits
//!   for a person is freed by a person, and not by pairing with the same project again.
//! - A row that would become the second one of its file in a project is cancelled as `duplicate` and keeps the project
//!   it had: nothing vanishes, and the file goes there once.
use crate::store::error::StoreError;
use crate::store::tx::Tx;
use crate::store::{device, rows};
use rigpost_core::queue::clip::Pairing;
use rigpost_core::queue::item::{ItemId, ItemReason};

pub(super) fn current_pairing(tx: &Tx<'_>) -> Result<Pairing, StoreError> {
    let (project, since) = device::pairing(tx)?.unzip();
    Ok(Pairing { project, since: since.flatten() })
}

/// Items without a project, in the order they are bound; the index where one holds just those.
const UNBOUND: [(&str, &str); 3] = [
    ("INDEXED BY item_queued", "state = 'queued' AND project_id IS NULL"),
    ("INDEXED BY item_held", "state = 'held' AND reason <> 'before-pairing' AND project_id IS NULL"),
    ("", "state = 'uploading' AND project_id IS NULL"),
];

/// What belongs to no project yet, and is of this kind, belongs to `project` from now on. Answers with those that
/// change their state thereby.
fn bind(tx: &Tx<'_>, kind: usize, project: &str) -> Result<Vec<ItemId>, StoreError> {
    let any = tx.prepare_cached(&is_unbound(kind))?.exists([])?;
    if !any {
        return Ok(vec![]);
    }
    let [duplicates, policy, rest] = binds(kind);
    let mut changed = rows::ids(tx, &duplicates, (project, ItemReason::Duplicate.as_str()))?;
    changed.extend(rows::ids(tx, &policy, (project, ItemReason::BeforePairing.as_str()))?);
    tx.execute(&rest, [project])?;
    Ok(changed)
}

/// The project ?1 has a row of this item's clip, as far as evidence at the same path goes, whose card is there.
const IS_THERE: &str = "EXISTS (SELECT 1 FROM item AS other INDEXED BY item_path WHERE other.path = item.path
         AND other.size_bytes = item.size_bytes AND other.mtime_ns = item.mtime_ns
         AND other.fingerprint IS item.fingerprint AND other.state <> 'away'
         AND (other.volume = '' OR item.volume = '' OR other.volume = item.volume) AND other.project_id = ?1)";

fn one_is_there() -> String {
    format!("SELECT 1 FROM item WHERE id = ?2 AND {IS_THERE}")
}

/// The project has a row of this item's clip already.
pub(super) fn is_there(tx: &Tx<'_>, project: &str, id: ItemId) -> Result<bool, StoreError> {
    Ok(tx.prepare_cached(&one_is_there())?.exists((project, rows::sql_id(id)))?)
}

fn is_unbound(kind: usize) -> String {
    let (index, which) = UNBOUND[kind];
    format!("SELECT 1 FROM item {index} WHERE {which}")
}

fn binds(kind: usize) -> [String; 3] {
    let (index, which) = UNBOUND[kind];
    [
        format!(
            "UPDATE item {index} SET state = 'cancelled', reason = ?2, detail = '' WHERE {which} AND {IS_THERE} RETURNING id"
        ),
        format!(
            "UPDATE item {index} SET project_id = ?1, reason = ?2, detail = '',
                 state = CASE before_pairing WHEN 'ask' THEN 'held' ELSE 'cancelled' END
             WHERE {which} AND before_pairing <> 'queue' RETURNING id"
        ),
        format!("UPDATE item {index} SET project_id = ?1 WHERE {which}"),
    ]
}

/// Queued items that have no project yet are of this one.
pub(super) fn queued(tx: &Tx<'_>, project: &str) -> Result<(), StoreError> {
    bind(tx, 0, project).map(drop)
}

/// Two ranges of the index, and not one scan of it: usually both are empty.
const HOLD: [&str; 4] = [
    "UPDATE item INDEXED BY item_queued SET state = 'held', reason = ?2, detail = ''
     WHERE state = 'queued' AND project_id < ?1 RETURNING id",
    "UPDATE item INDEXED BY item_queued SET state = 'held', reason = ?2, detail = ''
     WHERE state = 'queued' AND project_id > ?1 RETURNING id",
    "UPDATE item SET state = 'held', reason = ?2, detail = ''
     WHERE state = 'uploading' AND project_id <> ?1 RETURNING id",
    "UPDATE item SET state = 'held', reason = ?2, detail = ''
     WHERE state = 'recording' AND project_id <> ?1 RETURNING id",
];
const FREE: &str = "UPDATE item INDEXED BY item_held SET state = 'queued', reason = ?2, detail = ''
     WHERE state = 'held' AND reason <> 'before-pairing' AND project_id = ?1 RETURNING id";

/// Binds what has no project, holds what has another, and queues what was held for this one. Answers with the items
/// whose state changed.
pub(in crate::store) fn bind_to(tx: &Tx<'_>, project: &str) -> Result<Vec<ItemId>, StoreError> {
    let mut changed = Vec::new();
    for kind in 0..UNBOUND.len() {
        changed.extend(bind(tx, kind, project)?);
    }
    for hold in HOLD {
        changed.extend(rows::ids(tx, hold, [project, ItemReason::OtherProject.as_str()])?);
    }
    changed.extend(rows::ids(tx, FREE, [project, ItemReason::None.as_str()])?);
    changed.sort_unstable();
    changed.dedup();
    Ok(changed)
}

/// Nothing may be sent under the next identity before its project is known.
pub(in crate::store) fn hold_all(tx: &Tx<'_>) -> Result<(), StoreError> {
    let sql = "UPDATE item SET state = 'held', reason = ?1, detail = ''
         WHERE state IN ('queued', 'uploading', 'recording') OR state = 'held' AND reason <> ?2";
    tx.execute(sql, [ItemReason::Forgotten, ItemReason::BeforePairing].map(ItemReason::as_str))?;
    Ok(())
}

/// Every statement here that runs for each clip or refresh, with the index it must use.
#[cfg(test)]
pub(super) fn hot() -> Vec<(String, &'static str)> {
    let by_state = "INDEX item_state (state=?";
    let mut all = Vec::new();
    for kind in 0..UNBOUND.len() {
        let index = if kind == 2 { by_state } else { "(project_id=?" };
        all.extend(binds(kind).into_iter().chain([is_unbound(kind)]).map(|sql| (sql, index)));
    }
    all.extend([HOLD[0], HOLD[1], FREE].map(|sql| (sql.to_owned(), "(project_id")));
    all.extend([HOLD[2], HOLD[3]].map(|sql| (sql.to_owned(), by_state)));
    all.push((one_is_there(), "INTEGER PRIMARY KEY (rowid=?)"));
    all
}
