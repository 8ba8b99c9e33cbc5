//! How files come in: a person asks for them, or a media source finds them. What each is to the queue decides
//! [`clip`]; here is found what it may be, and written what was decided.
//!
//! # Decisions
//! - A source also knows what it found and what was then cleared or pruned ([`super::memory`]).
//! - A file that nobody has touched since it was seen is known by that alone ([`Store::untouched`]): a card with a million
//!   known clips costs one look in an index for each, and no reading.
use rusqlite::named_params;

use super::candidates::{candidates, is_untouched};
use super::{bind, history};
use crate::store::error::{Limit, StoreError};
use crate::store::handle::Store;
use crate::store::tx::Tx;
use crate::store::{asset, boots, counters, rows};
use rigpost_core::command::{AddOutcome, Added};
use rigpost_core::few;
use rigpost_core::queue::clip::{self, Finding, Naming, New, Pairing, Place, Row, Wanted};
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::handed::is_handed_over;
use rigpost_core::queue::item::{Clip, Item, ItemId, ItemReason, ItemState};
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
    /// Items that got another path or other facts, wait again because their file is back, or are away because another clip
    /// is at their place.
    pub changed: Vec<ItemId>,
    /// Files that were known, those in `changed` included.
    pub known: u64,
    /// Files for which there is no room now: to be found again later.
    pub left_out: u64,
}

impl Store {
    /// Accepts all of `items`, or none. Answers with what each came to, in order ([`clip::asked`]). What comes without a
    /// project belongs to the one that is paired, or to the next where there is none. What was made before the pairing
    /// follows its `before_pairing`. Upholds: what was accepted is on disk before the answer, and footage is held at once
    /// when it belongs to another project than the one that is paired.
    ///
    /// # Errors
    /// [`StoreError::LimitExceeded`] when more than `limits` allows would not be sent yet; what is accepted already is
    /// answered all the same.
    pub async fn add(
        &self,
        items: Vec<Clip>,
        wanted: Wanted,
        limits: Limits,
    ) -> Result<Vec<Added>, StoreError> {
        self.tx(move |tx| {
            let pairing = bind::current_pairing(tx)?;
            let before = counters::totals(tx)?.unfinished();
            let (users, added) = (users(tx, &items)?, items.len());
            let ids = items
                .into_iter()
                .map(|item| add_one(tx, item, wanted, &pairing))
                .collect::<Result<Vec<_>, _>>()?;
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

    /// Queues the files of a media source that nobody knew ([`clip::found`]). What `max_items` leaves no room for is
    /// counted and not queued. When nothing is new, nothing is written.
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

    /// Whether each of these files, of which no fingerprint was taken, is known and was not touched since, so that nothing
    /// follows from seeing it once more.
    pub async fn untouched(&self, seen: Vec<Sighting>) -> Result<Vec<bool>, StoreError> {
        self.tx(move |tx| seen.iter().map(|seen| is_untouched(tx, seen)).collect()).await
    }

    /// The file of an item that has its turn looks like this now, and is the same clip.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn take_sighting(&self, id: ItemId, seen: &Sighting) -> Result<(), StoreError> {
        let seen = seen.clone();
        self.tx(move |tx| {
            rows::item_now(tx, id)?;
            rows::set_sighting(tx, id, &seen)
        })
        .await
    }

    /// The file of an item was written on, and looks like this now: what there is in the cloud is for a clip that is no
    /// more. That asset is left behind, and the next is a new version of it. Nothing happens to one that is over.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn rewritten(&self, id: ItemId, seen: &Sighting, created: Now) -> Result<(), StoreError> {
        let seen = seen.clone();
        self.tx(move |tx| {
            if rows::item_now(tx, id)?.state.is_over() {
                return Ok(());
            }
            begin_anew(tx, id, &seen)?;
            set_created(tx, id, created)
        })
        .await
    }

    /// Another clip lies at the path of an item, which only its bytes tell from that one: it has a row of its own from now on,
    /// unless there is one that saw it so. Answers with the new one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn beside(
        &self,
        id: ItemId,
        seen: &Sighting,
        created: Now,
    ) -> Result<Option<ItemId>, StoreError> {
        let seen = seen.clone();
        self.tx(move |tx| {
            let is_it = |row: &Row| row.id != id && seen.looks_like(&row.seen);
            if candidates(tx, &seen)?.rows.iter().any(is_it) {
                return Ok(None);
            }
            let mut new = clip::beside(rows::item_now(tx, id)?.clip, created);
            new.take(seen);
            let (id, _) = insert(tx, new, New::default(), &bind::current_pairing(tx)?)?;
            Ok(Some(id))
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
    let users = few::set(items.iter().map(|item| item.uid).filter(|uid| *uid != 0));
    users.into_iter().map(|uid| Ok((uid, counters::of_user(tx, uid)?))).collect()
}

fn refuse_above(max: u64, limit: Limit, before: u64, now: u64) -> Result<(), StoreError> {
    if now > max && now > before { Err(StoreError::LimitExceeded { limit, max }) } else { Ok(()) }
}

fn add_one(tx: &Tx<'_>, item: Clip, wanted: Wanted, pairing: &Pairing) -> Result<Added, StoreError> {
    let new = bound(item, pairing);
    let seen = new.sighting();
    let known = candidates(tx, &seen)?;
    let finding = clip::asked(&seen, &known, new.project_id.as_deref(), wanted, pairing);
    let told = |id, outcome| Ok(Added { id, outcome });
    match finding {
        Finding::New(decided) => {
            let (id, _) = insert(tx, new, decided, pairing)?;
            told(id, AddOutcome::New)
        }
        Finding::Again { id, drop_asset } => {
            if drop_asset {
                asset::drop_asset(tx, id)?;
            }
            let mut new = new;
            new.take(taken(&rows::item_now(tx, id)?, &seen));
            write(tx, &new, pairing, Some(id))?;
            told(id, AddOutcome::New)
        }
        Finding::Delivered(id) => told(id, AddOutcome::Delivered),
        Finding::Elsewhere(id, project) => told(id, AddOutcome::DeliveredTo(project)),
        Finding::Waiting(id) => {
            // It may be out of the daemon's reach by its path; what was handed over is not.
            let waits = rows::item_now(tx, id)?.state != ItemState::Uploading;
            if waits && is_handed_over(&seen.path) {
                take(tx, id, &seen)?;
            }
            told(id, AddOutcome::Waiting)
        }
        finding @ (Finding::Known { .. } | Finding::Renamed(..) | Finding::Grown(..) | Finding::Anew(..)) => {
            let ids = follow(tx, &new, finding)?;
            let id =
                ids.first().copied().ok_or_else(|| StoreError::Io("a finding without an item".to_owned()))?;
            told(id, AddOutcome::Waiting)
        }
        // A person's bound is looked at when all are in.
        Finding::LeftOut => Err(StoreError::Io("left out without a bound".to_owned())),
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
    let seen = item.sighting();
    let known = candidates(tx, &seen)?;
    let of_file = |row: &&Row| !row.watched && seen.relation(&row.seen).is_the_same_file();
    for row in known.rows.iter().filter(of_file) {
        let sql = "UPDATE item SET watched = 1 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute([rows::sql_id(row.id)])?;
    }
    match clip::found(&seen, &known, *room > 0, pairing) {
        Finding::LeftOut => found.left_out += 1,
        Finding::New(decided) => {
            found.changed.extend(&decided.displaced);
            let (id, state) = insert(tx, bound(item, pairing), decided, pairing)?;
            // What is cancelled at once is history, and takes no room.
            *room -= u64::from(state != ItemState::Cancelled);
            found.added.push(id);
        }
        finding @ (Finding::Known { .. }
        | Finding::Renamed(..)
        | Finding::Grown(..)
        | Finding::Anew(..)
        | Finding::Waiting(_)
        | Finding::Again { .. }
        | Finding::Delivered(_)
        | Finding::Elsewhere(..)) => {
            found.known += 1;
            found.changed.extend(follow(tx, &item, finding)?);
        }
    }
    Ok(())
}

/// Rows that stand otherwise from now on, or look otherwise to people.
fn follow(tx: &Tx<'_>, new: &Clip, finding: Finding) -> Result<Vec<ItemId>, StoreError> {
    let seen = new.sighting();
    let wait_again = |id, place: Option<Place>| match place {
        Some(Place { state, reason }) => rows::set_state(tx, id, state, reason, ""),
        None => Ok(()),
    };
    match finding {
        Finding::Known { takes, back } => {
            for id in takes {
                take(tx, id, &seen)?;
            }
            let ids: Vec<_> = back.iter().map(|(id, _)| *id).collect();
            back.into_iter().try_for_each(|(id, place)| wait_again(id, Some(place)))?;
            Ok(ids)
        }
        Finding::Renamed(id, place) => {
            rename(tx, id, new)?;
            wait_again(id, place)?;
            Ok(vec![id])
        }
        Finding::Grown(id, place) => {
            begin_anew(tx, id, &seen)?;
            set_written(tx, id, new)?;
            wait_again(id, place)?;
            Ok(vec![id])
        }
        Finding::Anew(id, place) => {
            begin_anew(tx, id, &seen)?;
            set_written(tx, id, new)?;
            wait_again(id, Some(place))?;
            Ok(vec![id])
        }
        Finding::Waiting(id)
        | Finding::Delivered(id)
        | Finding::Elsewhere(id, _)
        | Finding::Again { id, .. } => Ok(vec![id]),
        Finding::New(_) | Finding::LeftOut => Ok(vec![]),
    }
}

fn taken(item: &Item, seen: &Sighting) -> Sighting {
    clip::taken(!item.asset_id.is_empty(), item.state, &item.clip.sighting(), seen)
}

fn take(tx: &Tx<'_>, id: ItemId, seen: &Sighting) -> Result<(), StoreError> {
    let item = rows::item_now(tx, id)?;
    rows::set_sighting(tx, id, &taken(&item, seen))
}

fn rename(tx: &Tx<'_>, id: ItemId, new: &Clip) -> Result<(), StoreError> {
    let item = rows::item_now(tx, id)?;
    rows::set_sighting(tx, id, &taken(&item, &new.sighting()))?;
    let sql = "UPDATE item SET watched = watched | ?2 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((rows::sql_id(id), new.source.is_some()))?;
    if let Some(Naming { name, filetype, class, priority }) = clip::renamed(&item, new) {
        let sql = "UPDATE item SET name = ?2, filetype = ?3, class = ?4, priority = ?5 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute((rows::sql_id(id), name, filetype, class, priority))?;
    }
    Ok(())
}

fn set_written(tx: &Tx<'_>, id: ItemId, new: &Clip) -> Result<(), StoreError> {
    set_created(tx, id, new.created)?;
    let sql = "UPDATE item SET settled = ?2, as_is = 0, watched = watched | ?3 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((rows::sql_id(id), new.settled, new.source.is_some()))?;
    Ok(())
}

fn set_created(tx: &Tx<'_>, id: ItemId, created: Now) -> Result<(), StoreError> {
    let (boot_id, boot, wall) = rows::sql_now(created);
    let sql = "UPDATE item SET created_boot_id = ?2, created_boot_us = ?3, created_wall_s = ?4 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((rows::sql_id(id), boot_id, boot, wall))?;
    Ok(())
}

/// What there is in the cloud is for a clip that is no more: the next asset is a new version of that one.
fn begin_anew(tx: &Tx<'_>, id: ItemId, seen: &Sighting) -> Result<(), StoreError> {
    let Item { asset_id, .. } = rows::item_now(tx, id)?;
    if asset::drop_asset(tx, id)? && !asset_id.is_empty() {
        let sql = "UPDATE item SET version_of = ?2 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute((rows::sql_id(id), asset_id))?;
    }
    rows::set_sighting(tx, id, seen)
}

pub(super) fn insert(
    tx: &Tx<'_>,
    new: Clip,
    decided: New,
    pairing: &Pairing,
) -> Result<(ItemId, ItemState), StoreError> {
    let New { version_of, project, anyway, displaced } = decided;
    for id in displaced {
        rows::set_state(tx, id, ItemState::Away, ItemReason::Vanished, clip::DISPLACED)?;
    }
    let version_of = match version_of {
        Some(id) => rows::item_now(tx, id)?.asset_id,
        None => String::new(),
    };
    let project_id = project.or(new.project_id);
    let new = Clip { version_of, anyway, project_id, ..new };
    let state = write(tx, &new, pairing, None)?;
    Ok((ItemId(tx.last_insert_rowid().cast_unsigned()), state))
}

/// A new row, or everything that a person can say anew about the row `id`. Answers with the state it has now.
fn write(tx: &Tx<'_>, new: &Clip, pairing: &Pairing, id: Option<ItemId>) -> Result<ItemState, StoreError> {
    let Place { state, reason } = clip::place(new, pairing, |boot| boots::wall(tx, boot))?;
    let (created_id, created, created_wall) = rows::sql_now(new.created);
    let (added_id, added, added_wall) = rows::sql_now(new.added);
    let sql = "INSERT INTO item (id, path, name, filetype, size_bytes, mtime_ns, ctime_ns, dev, ino, volume, mount,
             fingerprint, head, priority, project_id,
             created_boot_id, created_boot_us, created_wall_s, added_boot_id, added_boot_us, added_wall_s, state, reason,
             class, channel, source, uid, before_pairing, settled, watched, version_of, anyway)
         VALUES (:id, :path, :name, :filetype, :size, :mtime, :ctime, :dev, :ino, :volume, :mount,
             :fingerprint, :head, :priority, :project,
             :created_id, :created, :created_wall, :added_id, :added, :added_wall, :state, :reason,
             :class, :channel, :source, :uid, :before_pairing, :settled, :source IS NOT NULL, :version_of, :anyway)
         ON CONFLICT (id) DO UPDATE SET path = excluded.path, name = excluded.name, filetype = excluded.filetype,
             size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns,
             dev = excluded.dev, ino = excluded.ino, volume = excluded.volume, mount = excluded.mount,
             fingerprint = excluded.fingerprint, head = excluded.head, priority = excluded.priority,
             project_id = excluded.project_id, created_boot_id = excluded.created_boot_id,
             created_boot_us = excluded.created_boot_us, created_wall_s = excluded.created_wall_s,
             added_boot_id = excluded.added_boot_id, added_boot_us = excluded.added_boot_us,
             added_wall_s = excluded.added_wall_s, class = excluded.class, channel = excluded.channel,
             source = excluded.source, uid = excluded.uid, before_pairing = excluded.before_pairing,
             settled = excluded.settled, watched = watched | excluded.watched, state = excluded.state,
             reason = excluded.reason, detail = '', attempts = 0, as_is = 0, afresh = 0";
    let fingerprint = new.fingerprint;
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": id.map(rows::sql_id), ":path": rows::sql_path(&new.path), ":name": new.name,
        ":filetype": new.filetype, ":size": rows::signed(new.facts.size), ":mtime": new.facts.mtime_ns,
        ":ctime": new.facts.ctime_ns, ":dev": new.facts.dev.cast_signed(), ":ino": new.facts.ino.cast_signed(),
        ":volume": new.volume.id, ":mount": new.volume.mount.cast_signed(),
        ":fingerprint": fingerprint.map(|f| f.whole.cast_signed()),
        ":head": fingerprint.map_or(0, |f| f.head.cast_signed()), ":priority": new.priority,
        ":project": new.project_id, ":created_id": created_id, ":created": created, ":created_wall": created_wall,
        ":added_id": added_id, ":added": added, ":added_wall": added_wall, ":state": state.as_str(), ":reason": reason.as_str(),
        ":class": new.class, ":channel": new.channel, ":source": new.source, ":uid": new.uid,
        ":before_pairing": new.before_pairing.as_str(), ":settled": new.settled, ":version_of": new.version_of,
        ":anyway": new.anyway,
    })?;
    Ok(state)
}
