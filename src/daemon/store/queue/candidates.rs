//! Which rows a file may be about.
//!
//! # Decisions
//! - By path, by inode and by its bytes, a few rows each and the youngest first: a camera that counts from 0001 after each
//!   format costs no more in its tenth year.
use std::sync::LazyLock;

use super::memory;
use crate::store::error::StoreError;
use crate::store::rows;
use crate::store::tx::Tx;
use rigpost_core::few;
use rigpost_core::queue::clip::{self, Candidates, Row};
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::item::ItemState;

/// More rows of one path or of the same bytes are not looked at.
const MOST_OF_A_PATH: u32 = 64;
const MOST_ALIKE: u32 = 16;

/// The statements that find what a file may be: by path; by inode and size; by its bytes. Written once: a card has a
/// million files, and each is looked up.
pub(super) static FIND: LazyLock<[String; 3]> = LazyLock::new(|| {
    let sighting = rows::SIGHTING;
    let columns = format!("id, state, reason, project_id, asset_id <> '', watched, {sighting}");
    let by = |index: &str, which: &str, most: u32| {
        format!("SELECT {columns} FROM item INDEXED BY {index} WHERE {which} ORDER BY id DESC LIMIT {most}")
    };
    [
        by("item_path", "path = ?1", MOST_OF_A_PATH),
        by("item_inode", "ino = ?1 AND size_bytes = ?2", MOST_ALIKE),
        by("item_fingerprint", "fingerprint = ?1 AND size_bytes = ?2", MOST_ALIKE),
    ]
});

fn row(r: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: rows::item_id(r, 0)?,
        state: rows::state(r, 1)?,
        reason: rows::reason(r, 2)?,
        project: r.get(3)?,
        begun: r.get(4)?,
        watched: r.get(5)?,
        seen: rows::sighting(r, 6)?,
    })
}

fn find_by(tx: &Tx<'_>, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Row>, StoreError> {
    Ok(tx.prepare_cached(sql)?.query_map(params, row)?.collect::<Result<_, _>>()?)
}

/// Rows whose bytes may be those of `seen`.
pub(super) fn alike(tx: &Tx<'_>, seen: &Sighting) -> Result<Vec<Row>, StoreError> {
    let Some(fingerprint) = seen.fingerprint else { return Ok(vec![]) };
    let [_, _, by_bytes] = &*FIND;
    find_by(tx, by_bytes, (fingerprint.whole.cast_signed(), rows::signed(seen.facts.size)))
}

pub(super) fn is_untouched(tx: &Tx<'_>, seen: &Sighting) -> Result<bool, StoreError> {
    let [by_path, ..] = &*FIND;
    let of_path = find_by(tx, by_path, [rows::sql_path(&seen.path)])?;
    // What waits for its file is to be told that it is there.
    let waits_for_it = |row: &Row| row.state == ItemState::Failed || clip::is_out_of_reach(row);
    let same = of_path.iter().find(|row| seen.untouched_since(&row.seen));
    Ok(same.is_some_and(|row| row.watched && !waits_for_it(row)))
}

/// What may be meant by a file.
pub(super) fn candidates(tx: &Tx<'_>, seen: &Sighting) -> Result<Candidates, StoreError> {
    let [by_path, by_inode, _] = &*FIND;
    let mut all = find_by(tx, by_path, [rows::sql_path(&seen.path)])?;
    if !all.iter().any(|row| seen.relation(&row.seen).is_the_same_file()) {
        if clip::is_numbered(seen.facts.ino) {
            let key = (seen.facts.ino.cast_signed(), rows::signed(seen.facts.size));
            all.extend(find_by(tx, by_inode, key)?);
        }
        all.extend(alike(tx, seen)?);
        few::sort_by_key(&mut all, |row| row.id);
        all.dedup_by_key(|row| row.id);
    }
    Ok(Candidates { rows: all, remembered: memory::knows(tx, seen)? })
}
