//! Which project an item belongs to, and whether it may go there.
//!
//! # Decisions
//! - A clip that was made before the pairing follows its own policy, once: when it meets that pairing. What then waits
//!   for a person is freed by a person, and not by pairing with the same project again.
//! - Where it can't be known whether a clip is older than the pairing, it is not: too much is sent, not too little.
//! - A row that would become the second one of its file in a project is cancelled as `duplicate` and keeps the project
//!   it had: nothing vanishes, and the file goes there once.
use std::time::Duration;

use super::{BEFORE_PAIRING, DUPLICATE, FORGOTTEN, OTHER_PROJECT};
use crate::store::{StoreError, Tx, boots, grant, rows};
use rigpost_core::queue::item::{BeforePairing, ItemId, ItemState, NewItem};
use rigpost_core::queue::ledger::age;
use rigpost_core::time::{Now, WallTime};

/// 2001-01-01: no wall clock before this was ever set.
const EARLIEST: WallTime = WallTime(978_307_200);

/// The pairing in force.
pub(super) struct Pairing {
    /// `None`: there is none, or its project is not known yet.
    pub(super) project: Option<String>,
    /// When it began, where that was written down.
    since: Option<Now>,
}

impl Pairing {
    pub(super) fn current(tx: &Tx<'_>) -> Result<Pairing, StoreError> {
        let (project, since) = grant::current_pairing(tx)?.unzip();
        Ok(Pairing { project, since: since.flatten() })
    }

    /// Where an item that comes now belongs.
    pub(super) fn place(&self, tx: &Tx<'_>, new: &NewItem) -> Result<(ItemState, &'static str), StoreError> {
        let place = self.place_of(new.project_id.as_deref());
        if place.0 != ItemState::Queued || new.before_pairing == BeforePairing::Queue {
            return Ok(place);
        }
        let Some(since) = self.since else { return Ok(place) };
        if !is_before(tx, new.created, since, new.added)? {
            return Ok(place);
        }
        Ok(match new.before_pairing {
            BeforePairing::Queue => place,
            BeforePairing::Ask => (ItemState::Held, BEFORE_PAIRING),
            BeforePairing::Ignore => (ItemState::Cancelled, BEFORE_PAIRING),
        })
    }

    /// Where an item of `project` belongs that a person wants sent.
    pub(super) fn place_of(&self, project: Option<&str>) -> (ItemState, &'static str) {
        match (project, self.project.as_deref()) {
            (Some(project), Some(current)) if project != current => (ItemState::Held, OTHER_PROJECT),
            _ => (ItemState::Queued, "none"),
        }
    }
}

/// Whether `then` was certainly before `since`, as seen from `now`.
fn is_before(tx: &Tx<'_>, then: Now, since: Now, now: Now) -> Result<bool, StoreError> {
    if then.boot_id == since.boot_id {
        // A clip is dated by its file, to the second: one made right after the pairing may seem to be from before.
        return Ok(then.boot + Duration::from_secs(1) < since.boot);
    }
    let (then_boot, since_boot) = (boots::wall(tx, then.boot_id)?, boots::wall(tx, since.boot_id)?);
    let now_boot = boots::wall(tx, now.boot_id)?;
    if since.boot_id != now.boot_id && since_boot.is_none() && since.wall < EARLIEST {
        return Ok(false);
    }
    let age_of = |moment, boot| age(moment, boot, now, now_boot, EARLIEST);
    Ok(age_of(then, then_boot) > age_of(since, since_boot))
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
    let mut changed = rows::ids(tx, &duplicates, (project, DUPLICATE))?;
    changed.extend(rows::ids(tx, &policy, (project, BEFORE_PAIRING))?);
    tx.execute(&rest, [project])?;
    Ok(changed)
}

fn is_unbound(kind: usize) -> String {
    let (index, which) = UNBOUND[kind];
    format!("SELECT 1 FROM item {index} WHERE {which}")
}

fn binds(kind: usize) -> [String; 3] {
    let (index, which) = UNBOUND[kind];
    [
        format!(
            "UPDATE item {index} SET state = 'cancelled', reason = ?2, detail = '' WHERE {which}
             AND EXISTS (SELECT 1 FROM item AS other WHERE other.path = item.path
                 AND other.size_bytes = item.size_bytes AND other.mtime_ns = item.mtime_ns
                 AND other.project_id = ?1) RETURNING id"
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
const HOLD: [&str; 3] = [
    "UPDATE item INDEXED BY item_queued SET state = 'held', reason = ?2, detail = ''
     WHERE state = 'queued' AND project_id < ?1 RETURNING id",
    "UPDATE item INDEXED BY item_queued SET state = 'held', reason = ?2, detail = ''
     WHERE state = 'queued' AND project_id > ?1 RETURNING id",
    "UPDATE item SET state = 'held', reason = ?2, detail = ''
     WHERE state = 'uploading' AND project_id <> ?1 RETURNING id",
];
const FREE: &str = "UPDATE item INDEXED BY item_held SET state = 'queued', reason = 'none', detail = ''
     WHERE state = 'held' AND reason <> 'before-pairing' AND project_id = ?1 RETURNING id";

/// Binds what has no project, holds what has another, and queues what was held for this one. Answers with the items
/// whose state changed.
pub(in crate::store) fn bind_to(tx: &Tx<'_>, project: &str) -> Result<Vec<ItemId>, StoreError> {
    let mut changed = Vec::new();
    for kind in 0..UNBOUND.len() {
        changed.extend(bind(tx, kind, project)?);
    }
    for hold in HOLD {
        changed.extend(rows::ids(tx, hold, [project, OTHER_PROJECT])?);
    }
    changed.extend(rows::ids(tx, FREE, [project])?);
    changed.sort_unstable();
    changed.dedup();
    Ok(changed)
}

/// Nothing may be sent under the next identity before its project is known.
pub(in crate::store) fn hold_all(tx: &Tx<'_>) -> Result<(), StoreError> {
    let sql = "UPDATE item SET state = 'held', reason = ?1, detail = ''
         WHERE state IN ('queued', 'uploading') OR state = 'held' AND reason <> ?2";
    tx.execute(sql, [FORGOTTEN, BEFORE_PAIRING])?;
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
    all.push((HOLD[2].to_owned(), by_state));
    all
}
