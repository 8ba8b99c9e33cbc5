//! How files come in: a person asks for them, or a media source finds them. What each is to the queue decides
//! [`clip`]; here is found what it may be, and written what was decided.
//!
//! # Decisions
//! - A source also knows what it found and what was then cleared or pruned ([`super::memory`]).
//! - Of a file that is known nothing more is looked up: a card with a million known clips costs one look in an index for
//!   each.
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, named_params};

use super::{bind, history, memory};
use crate::store::error::{Limit, StoreError};
use crate::store::handle::Store;
use crate::store::tx::Tx;
use crate::store::{asset, boots, counters, rows};
use rigpost_core::queue::clip::{self, Asked, Candidates, Finding, Naming, Pairing, Place, Regrown, Row};
use rigpost_core::queue::item::{Clip, FileFacts, ItemId, ItemState};
use rigpost_core::time::Now;

/// How much may be in the queue that is not sent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of everybody.
    pub max_items: u64,
    /// Of each user but root.
    pub max_per_user: u64,
}

/// What a source's finds came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// New items.
    pub added: Vec<ItemId>,
    /// Items that got another path or other facts (renamed, or grown), or wait again because their file is back.
    pub changed: Vec<ItemId>,
    /// Files that were known, those in `changed` included.
    pub known: u64,
    /// Files for which there is no room now: to be found again later.
    pub left_out: u64,
}

/// What became of an item whose file has other facts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactsUpdate {
    /// It has them.
    Changed,
    /// Another item is that file already; this one is gone.
    Duplicate(ItemId),
    /// There is an asset for what the file was, or it is over: nothing was changed.
    TooLate,
}

impl Store {
    /// Accepts all of `items`, or none. Answers with an id for each, in order. A file that is there already (path,
    /// size, time of change) keeps its row as it is; one that had failed or was cancelled is queued again with what is
    /// said now; one that is done for another project gets a new row. What comes without a project belongs to the one
    /// that is paired, or to the next where there is none. What was made before the pairing follows its
    /// `before_pairing`. Upholds: what was accepted is on disk before the answer, and footage is held at once when it
    /// belongs to another project than the one that is paired.
    ///
    /// # Errors
    /// [`StoreError::LimitExceeded`] when more than `limits` allows would not be sent yet; what is accepted already is
    /// answered all the same.
    pub async fn add(&self, items: Vec<Clip>, limits: Limits) -> Result<Vec<ItemId>, StoreError> {
        self.tx(move |tx| {
            let pairing = bind::current_pairing(tx)?;
            let before = counters::totals(tx)?.unfinished();
            let (users, added) = (users(tx, &items)?, items.len());
            let ids =
                items.into_iter().map(|item| add_one(tx, item, &pairing)).collect::<Result<Vec<_>, _>>()?;
            let totals = counters::totals(tx)?;
            refuse_above(limits.max_items, Limit::Items, before, totals.unfinished())?;
            for (uid, before) in users {
                refuse_above(limits.max_per_user, Limit::PerUser, before, counters::of_user(tx, uid)?)?;
            }
            history::prune(tx, totals.all().saturating_sub(limits.max_items), added)?;
            Ok(ids)
        })
        .await
    }

    /// Queues the files of a media source that nobody knew. Never changes how an item stands: what failed, was
    /// cancelled or is done stays so, also when its row is gone. An item that still waits follows its file to another
    /// name, and takes its new facts where it has no asset. What `max_items` leaves no room for is counted and not
    /// queued. When nothing is new, nothing is written.
    pub async fn found(&self, items: Vec<Clip>, max_items: u64) -> Result<Discovery, StoreError> {
        self.tx(move |tx| {
            let pairing = bind::current_pairing(tx)?;
            let mut room = max_items.saturating_sub(counters::totals(tx)?.unfinished());
            let mut found = Discovery::default();
            for item in items {
                found_one(tx, item, &pairing, &mut room, &mut found)?;
            }
            let added = found.added.len();
            if added > 0 {
                history::prune(tx, counters::totals(tx)?.all().saturating_sub(max_items), added)?;
            }
            Ok(found)
        })
        .await
    }

    /// The item's file has grown: it takes the new facts, and the time from which its age counts, as long as it has no
    /// asset. Where another item is that file already, the younger of the two goes; but never one that has an asset,
    /// has its turn, or is over.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn update_facts(
        &self,
        id: ItemId,
        facts: FileFacts,
        created: Now,
    ) -> Result<FactsUpdate, StoreError> {
        self.tx(move |tx| {
            let (path, item) = row_now(tx, id)?;
            Ok(match clip::regrown(&item, same_file(tx, &path, facts)?) {
                Regrown::TooLate => FactsUpdate::TooLate,
                Regrown::Duplicate(other) => {
                    history::delete(tx, id)?;
                    FactsUpdate::Duplicate(other)
                }
                Regrown::Takes(other) => {
                    if let Some(other) = other {
                        history::delete(tx, other)?;
                    }
                    set_facts(tx, id, facts, created)?;
                    FactsUpdate::Changed
                }
            })
        })
        .await
    }

    /// The item's file was seen unchanged, or its writer is done.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn settle(&self, id: ItemId) -> Result<(), StoreError> {
        self.tx(move |tx| {
            let sql = "UPDATE item SET settled = 1 WHERE id = ?1";
            match tx.prepare_cached(sql)?.execute([rows::sql_id(id)])? {
                0 => Err(StoreError::no_item(id)),
                _ => Ok(()),
            }
        })
        .await
    }
}

/// Each user but root who is named, and how much of theirs is not sent yet.
fn users(tx: &Tx<'_>, items: &[Clip]) -> Result<Vec<(u32, u64)>, StoreError> {
    let mut users: Vec<u32> = items.iter().map(|item| item.uid).filter(|uid| *uid != 0).collect();
    users.sort_unstable();
    users.dedup();
    users.into_iter().map(|uid| Ok((uid, counters::of_user(tx, uid)?))).collect()
}

fn refuse_above(max: u64, limit: Limit, before: u64, now: u64) -> Result<(), StoreError> {
    if now > max && now > before { Err(StoreError::LimitExceeded { limit, max }) } else { Ok(()) }
}

pub(super) const FIND: &str = "SELECT id, state, reason, project_id, asset_id <> '', watched FROM item
     WHERE path = ?1 AND size_bytes = ?2 AND mtime_ns = ?3";
/// Of what is over there may be any number; what is not is one.
pub(super) const FIND_RENAMED: &str =
    "SELECT id, state, reason, project_id, asset_id <> '', watched FROM item INDEXED BY item_inode
     WHERE ino = ?1 AND size_bytes = ?2 AND dev = ?3 AND mtime_ns = ?4
     AND state IN ('queued', 'uploading', 'held') LIMIT 1";
pub(super) const FIND_GROWN: &str =
    "SELECT max(id), state, reason, project_id, asset_id <> '', watched FROM item INDEXED BY item_file
     WHERE path = ?1 AND state IN ('queued', 'held') AND asset_id = ''";

fn row(r: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: rows::item_id(r, 0)?,
        state: rows::state(r, 1)?,
        reason: rows::reason(r, 2)?,
        project: r.get(3)?,
        begun: r.get(4)?,
        watched: r.get(5)?,
    })
}

fn row_now(tx: &Tx<'_>, id: ItemId) -> Result<(PathBuf, Row), StoreError> {
    let sql = "SELECT id, state, reason, project_id, asset_id <> '', watched, path FROM item WHERE id = ?1";
    let found = tx.prepare_cached(sql)?.query_row([rows::sql_id(id)], |r| Ok((rows::path(r, 6)?, row(r)?)));
    found.optional()?.ok_or_else(|| StoreError::no_item(id))
}

fn same_file(tx: &Tx<'_>, path: &Path, facts: FileFacts) -> Result<Vec<Row>, StoreError> {
    let key = (rows::sql_path(path), rows::signed(facts.size), facts.mtime_ns);
    Ok(tx.prepare_cached(FIND)?.query_map(key, row)?.collect::<Result<_, _>>()?)
}

/// What may be meant by a file that a source found.
fn candidates(tx: &Tx<'_>, path: &Path, facts: FileFacts) -> Result<Candidates, StoreError> {
    let same = same_file(tx, path, facts)?;
    let remembered = same.is_empty() && memory::knows(tx, path, facts)?;
    let mut known = Candidates { same, remembered, ..Candidates::default() };
    if known.is_same_file() {
        return Ok(known);
    }
    if clip::is_numbered(facts) {
        let key =
            (facts.ino.cast_signed(), rows::signed(facts.size), facts.dev.cast_signed(), facts.mtime_ns);
        known.inode = tx.prepare_cached(FIND_RENAMED)?.query_row(key, row).optional()?;
    }
    // Where there is none, the row of an aggregate is there all the same, and empty.
    let grown = |r: &rusqlite::Row<'_>| r.get::<_, Option<i64>>(0)?.map(|_| row(r)).transpose();
    known.path = tx.prepare_cached(FIND_GROWN)?.query_row([rows::sql_path(path)], grown)?;
    Ok(known)
}

fn add_one(tx: &Tx<'_>, item: Clip, pairing: &Pairing) -> Result<ItemId, StoreError> {
    let new = bound(item, pairing);
    match clip::asked(&same_file(tx, &new.path, new.facts)?, new.project_id.as_deref()) {
        Asked::New => insert(tx, &new, pairing).map(|(id, _)| id),
        Asked::Known(id) => Ok(id),
        Asked::Again { id, drop_asset } => {
            if drop_asset {
                asset::drop_asset(tx, id)?;
            }
            write(tx, &new, pairing, Some(id))?;
            Ok(id)
        }
    }
}

fn bound(item: Clip, pairing: &Pairing) -> Clip {
    Clip { project_id: clip::project_of(item.project_id, pairing), ..item }
}

fn found_one(
    tx: &Tx<'_>,
    item: Clip,
    pairing: &Pairing,
    room: &mut u64,
    found: &mut Discovery,
) -> Result<(), StoreError> {
    let known = candidates(tx, &item.path, item.facts)?;
    for row in known.same.iter().filter(|row| !row.watched) {
        let sql = "UPDATE item SET watched = 1 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute([rows::sql_id(row.id)])?;
    }
    match clip::found(item.facts, &known, *room > 0, pairing) {
        Finding::Known(back) => {
            for (id, place) in back {
                come_back(tx, id, place)?;
                found.changed.push(id);
            }
            found.known += 1;
        }
        Finding::Renamed(id) => {
            rename(tx, id, &item)?;
            found.changed.push(id);
            found.known += 1;
        }
        Finding::Grown(id) => {
            grow(tx, id, &item)?;
            found.changed.push(id);
            found.known += 1;
        }
        Finding::LeftOut => found.left_out += 1,
        Finding::New => {
            let (id, state) = insert(tx, &bound(item, pairing), pairing)?;
            // What is cancelled at once is history, and takes no room.
            *room -= u64::from(state != ItemState::Cancelled);
            found.added.push(id);
        }
    }
    Ok(())
}

/// Goes on with what has arrived of it.
fn come_back(tx: &Tx<'_>, id: ItemId, place: Place) -> Result<(), StoreError> {
    rows::set_state(tx, id, place.state, place.reason, "")
}

fn rename(tx: &Tx<'_>, id: ItemId, new: &Clip) -> Result<(), StoreError> {
    let item = rows::item_now(tx, id)?;
    let sql = "UPDATE item SET path = ?2, watched = 1 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((rows::sql_id(id), rows::sql_path(&new.path)))?;
    if let Some(Naming { name, filetype, class, priority }) = clip::renamed(&item, new) {
        let sql = "UPDATE item SET name = ?2, filetype = ?3, class = ?4, priority = ?5 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute((rows::sql_id(id), name, filetype, class, priority))?;
    }
    Ok(())
}

fn grow(tx: &Tx<'_>, id: ItemId, new: &Clip) -> Result<(), StoreError> {
    set_facts(tx, id, new.facts, new.created)?;
    let sql = "UPDATE item SET settled = ?2, watched = 1 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((rows::sql_id(id), new.settled))?;
    Ok(())
}

fn set_facts(tx: &Tx<'_>, id: ItemId, facts: FileFacts, created: Now) -> Result<(), StoreError> {
    let (boot_id, boot, wall) = rows::sql_now(created);
    let sql = "UPDATE item SET size_bytes = ?2, mtime_ns = ?3, dev = ?4, ino = ?5,
                   created_boot_id = ?6, created_boot_us = ?7, created_wall_s = ?8 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((
        rows::sql_id(id),
        rows::signed(facts.size),
        facts.mtime_ns,
        facts.dev.cast_signed(),
        facts.ino.cast_signed(),
        boot_id,
        boot,
        wall,
    ))?;
    Ok(())
}

fn insert(tx: &Tx<'_>, new: &Clip, pairing: &Pairing) -> Result<(ItemId, ItemState), StoreError> {
    let state = write(tx, new, pairing, None)?;
    Ok((ItemId(tx.last_insert_rowid().cast_unsigned()), state))
}

/// A new row, or everything that a person can say anew about the row `id`. Answers with the state it has now.
fn write(tx: &Tx<'_>, new: &Clip, pairing: &Pairing, id: Option<ItemId>) -> Result<ItemState, StoreError> {
    let Place { state, reason } = clip::place(new, pairing, |boot| boots::wall(tx, boot))?;
    let (created_id, created, created_wall) = rows::sql_now(new.created);
    let (added_id, added, added_wall) = rows::sql_now(new.added);
    let sql = "INSERT INTO item (id, path, name, filetype, size_bytes, mtime_ns, dev, ino, priority, project_id,
             created_boot_id, created_boot_us, created_wall_s, added_boot_id, added_boot_us, added_wall_s, state, reason,
             class, channel, source, uid, before_pairing, settled, watched)
         VALUES (:id, :path, :name, :filetype, :size, :mtime, :dev, :ino, :priority, :project,
             :created_id, :created, :created_wall, :added_id, :added, :added_wall, :state, :reason,
             :class, :channel, :source, :uid, :before_pairing, :settled, :source IS NOT NULL)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, filetype = excluded.filetype, dev = excluded.dev,
             ino = excluded.ino, priority = excluded.priority, project_id = excluded.project_id,
             created_boot_id = excluded.created_boot_id, created_boot_us = excluded.created_boot_us,
             created_wall_s = excluded.created_wall_s, added_boot_id = excluded.added_boot_id,
             added_boot_us = excluded.added_boot_us, added_wall_s = excluded.added_wall_s,
             class = excluded.class, channel = excluded.channel, source = excluded.source, uid = excluded.uid,
             before_pairing = excluded.before_pairing, settled = excluded.settled, watched = watched | excluded.watched,
             state = excluded.state, reason = excluded.reason, detail = '', attempts = 0";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": id.map(rows::sql_id), ":path": rows::sql_path(&new.path), ":name": new.name,
        ":filetype": new.filetype, ":size": rows::signed(new.facts.size), ":mtime": new.facts.mtime_ns,
        ":dev": new.facts.dev.cast_signed(), ":ino": new.facts.ino.cast_signed(), ":priority": new.priority,
        ":project": new.project_id, ":created_id": created_id, ":created": created, ":created_wall": created_wall,
        ":added_id": added_id, ":added": added, ":added_wall": added_wall, ":state": state.as_str(), ":reason": reason.as_str(),
        ":class": new.class, ":channel": new.channel, ":source": new.source, ":uid": new.uid,
        ":before_pairing": new.before_pairing.as_str(), ":settled": new.settled,
    })?;
    Ok(state)
}
