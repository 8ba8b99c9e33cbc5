//! What a file that was sighted is to the queue. Plain data in, a decision out: the store finds what may be meant and
//! writes what was decided.
//!
//! A row is about the same file when path, size and time of change are the same. A person asks for a file ([`asked`]):
//!
//! | The row that is meant | Its state | What follows |
//! | --- | --- | --- |
//! | none, or one that is done for another project | – | a new row |
//! | this project's, or of no project yet | waits, has its turn, held, done | it stays as it is |
//! | | failed, cancelled | it is queued again, with what is said now |
//! | another project's | waits, has its turn, held | it stays as it is |
//! | | failed, cancelled | it is queued again for this project; its asset is of no use there |
//!
//! A media source finds a file ([`found`]); the first row of this table that fits:
//!
//! | What is known | What follows |
//! | --- | --- |
//! | rows of the same file | nothing; one that failed because its file was out of reach waits again |
//! | its row is gone, and it is remembered | nothing |
//! | another path waits for its inode, size and time of change | it was renamed: the row follows |
//! | its path waits with other facts, without an asset | it has grown: the row takes the new facts |
//! | nothing, and there is no room | it is left out, to be found again |
//! | nothing | a new row |
//!
//! Where a new row, or one that is queued again, belongs ([`place`]):
//!
//! | Its project | Made before the pairing | Where |
//! | --- | --- | --- |
//! | another than the one that is paired | – | held: `other-project` |
//! | the one that is paired | surely, and its policy is `ask` | held: `before-pairing` |
//! | | surely, and its policy is `ignore` | cancelled: `before-pairing` |
//! | | not surely, or its policy is `queue` | queued |
//! | none, and nothing is paired | – | queued: it is bound to the next pairing |
//!
//! An item's own file has grown while it settled ([`regrown`]):
//!
//! | The item | Another row of what the file is now | What follows |
//! | --- | --- | --- |
//! | over, or with an asset | – | nothing: it is too late |
//! | waits, has its turn or is held | none, or one that is done for another project | it takes the new facts |
//! | | a younger one that waits and has no asset | it takes the new facts, the other goes |
//! | | an older one, or one with a turn, an end or an asset | the other is that file; this one goes |
//!
//! # Decisions
//! - A person who adds a file that failed or was cancelled wants it tried again; a source that finds it once more wants
//!   nothing. So a source never changes how an item stands, but for one that failed because its file was gone: a card
//!   that was pulled and is put back goes on by itself.
//! - The same file is one row in each project. Adding a file again that is done for another project is wanting it in
//!   this one too; one that waits or is held for another project is answered as it is, or adding a whole card again
//!   would send held footage to the wrong project.
//! - One path is one file: when it is found with other facts, what waits under it is that file, still growing. Under
//!   another path, with its inode, size and time of change, it was renamed. An inode says nothing about what is sent
//!   already: cards in the same reader share numbers.
//! - Where it can't be known whether a clip is older than the pairing, it is not: too much is sent, not too little.
use std::path::Path;
use std::time::Duration;

use crate::queue::item::{BeforePairing, Clip, FileFacts, Item, ItemId, ItemReason, ItemState, shown};
use crate::queue::ledger::{BootWall, age};
use crate::time::{BootId, Now, WallTime};

/// Of items that failed because their file was out of reach.
const OUT_OF_REACH: [ItemReason; 2] = [ItemReason::Vanished, ItemReason::Unreadable];

/// 2001-01-01: no wall clock before this was ever set.
const EARLIEST: WallTime = WallTime(978_307_200);

/// What is known of a row that may be about the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub id: ItemId,
    /// Where it stands.
    pub state: ItemState,
    /// The word that goes with it.
    pub reason: ItemReason,
    /// `None`: of the next one that is paired.
    pub project: Option<String>,
    /// There is an asset for it.
    pub begun: bool,
    /// A media source has seen its file.
    pub watched: bool,
}

/// The pairing in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairing {
    /// `None`: there is none, or its project is not known yet.
    pub project: Option<String>,
    /// When it began, where that was written down.
    pub since: Option<Now>,
}

/// Where an item belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its state.
    pub state: ItemState,
    /// A word.
    pub reason: ItemReason,
}

const QUEUED: Place = Place { state: ItemState::Queued, reason: ItemReason::None };

/// What follows when a person asks for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A new row.
    New,
    /// It is this one, which stays as it is.
    Known(ItemId),
    /// It is this one, which is queued again with what is said now.
    Again {
        /// Which.
        id: ItemId,
        /// Its asset lies in another project.
        drop_asset: bool,
    },
}

/// What the store knows that may be about a file that a source found.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// Every row of the same path, size and time of change.
    pub same: Vec<Row>,
    /// A row of the same file is gone, and a source had seen it.
    pub remembered: bool,
    /// A row that is not over, of the same device, inode, size and time of change.
    pub inode: Option<Row>,
    /// The youngest row that is not over, of the same path.
    pub path: Option<Row>,
}

/// What follows when a source finds a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is known. These rows wait again, there.
    Known(Vec<(ItemId, Place)>),
    /// It waits under its former name: the row follows.
    Renamed(ItemId),
    /// It waits as it was before it grew: the row takes the new facts.
    Grown(ItemId),
    /// It is new, and there is no room.
    LeftOut,
    /// It is new.
    New,
}

/// What follows when an item's own file has grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regrown {
    /// There is an asset for what the file was, or it is over: nothing changes.
    TooLate,
    /// It takes the new facts; this other row goes.
    Takes(Option<ItemId>),
    /// This other row is that file already: the item itself goes.
    Duplicate(ItemId),
}

/// What a row is called from now on whose file has another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// What the cloud shall call it.
    pub name: String,
    /// MIME type.
    pub filetype: String,
    /// The class it falls in.
    pub class: String,
    /// Larger goes first.
    pub priority: i32,
}

/// A person asks for a file, of which these rows are known, for `project`.
pub fn asked(same: &[Row], project: Option<&str>) -> Asked {
    let Some(row) = meant(same, project) else { return Asked::New };
    match row.state {
        ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Done => Asked::Known(row.id),
        ItemState::Failed | ItemState::Cancelled => {
            Asked::Again { id: row.id, drop_asset: row.project.as_deref() != project }
        }
    }
}

/// The row that is meant by a file for `project`: that project's own, then one that has none yet, then one that still
/// waits elsewhere, then one that was given up there. What is done elsewhere is another matter.
fn meant<'a>(same: &'a [Row], project: Option<&str>) -> Option<&'a Row> {
    let rank = |row: &&Row| match row.state {
        _ if row.project.as_deref() == project => Some(0),
        _ if row.project.is_none() => Some(1),
        ItemState::Queued | ItemState::Uploading | ItemState::Held => Some(2),
        ItemState::Failed | ItemState::Cancelled => Some(3),
        ItemState::Done => None,
    };
    same.iter().filter(|row| rank(row).is_some()).min_by_key(rank)
}

impl Candidates {
    /// The file is known as it is: [`found`] looks at nothing else, so that nothing else needs to be looked up.
    pub fn is_same_file(&self) -> bool {
        !self.same.is_empty() || self.remembered
    }
}

/// An inode number says something: file systems that have none write zeros.
pub fn is_numbered(facts: FileFacts) -> bool {
    facts.ino != 0
}

/// A source has found a file with these facts. `room`: there is room for one more that is not sent yet.
pub fn found(facts: FileFacts, known: &Candidates, room: bool, pairing: &Pairing) -> Finding {
    if known.is_same_file() {
        let back = known.same.iter().filter(|row| is_out_of_reach(row));
        let place = |row: &Row| (row.id, place_of(row.project.as_deref(), pairing));
        return Finding::Known(back.map(place).collect());
    }
    if let Some(row) = known.inode.as_ref().filter(|row| is_numbered(facts) && !is_over(row.state)) {
        return Finding::Renamed(row.id);
    }
    let waits = |row: &&Row| matches!(row.state, ItemState::Queued | ItemState::Held) && !row.begun;
    if let Some(row) = known.path.as_ref().filter(waits) {
        return Finding::Grown(row.id);
    }
    if room { Finding::New } else { Finding::LeftOut }
}

/// The card is back: goes on with what has arrived of it.
fn is_out_of_reach(row: &Row) -> bool {
    row.state == ItemState::Failed && OUT_OF_REACH.contains(&row.reason)
}

fn is_over(state: ItemState) -> bool {
    match state {
        ItemState::Done | ItemState::Failed | ItemState::Cancelled => true,
        ItemState::Queued | ItemState::Uploading | ItemState::Held => false,
    }
}

/// What `item` is called whose file is now `new`; `None`: as before, because the cloud has been told already. A name and
/// a priority that a person chose stay.
pub fn renamed(item: &Item, new: &Clip) -> Option<Naming> {
    if !item.asset_id.is_empty() {
        return None;
    }
    // A source names its clips by their paths, and a person never one of a source's.
    let own = item.clip.source.is_some()
        || item.clip.path.file_name().is_some_and(|n| shown(Path::new(n)) == item.clip.name);
    let name = if own { &new.name } else { &item.clip.name };
    let priority = if item.clip.class == new.class { item.clip.priority } else { new.priority };
    Some(Naming { name: name.clone(), filetype: new.filetype.clone(), class: new.class.clone(), priority })
}

/// The file of `item` has grown to facts of which the rows `same` are known, its own among them or not.
pub fn regrown(item: &Row, same: Vec<Row>) -> Regrown {
    if is_over(item.state) || item.begun {
        return Regrown::TooLate;
    }
    let others: Vec<_> = same.into_iter().filter(|row| row.id != item.id).collect();
    let Some(other) = meant(&others, item.project.as_deref()) else { return Regrown::Takes(None) };
    let waits = matches!(other.state, ItemState::Queued | ItemState::Held);
    if other.id < item.id || !waits || other.begun {
        Regrown::Duplicate(other.id)
    } else {
        Regrown::Takes(Some(other.id))
    }
}

/// The project of a file that comes now.
pub fn project_of(said: Option<String>, pairing: &Pairing) -> Option<String> {
    said.or_else(|| pairing.project.clone())
}

/// Where an item belongs that comes now. `wall`: what is known of a boot's clock; asked only where it matters.
///
/// # Errors
/// Those of `wall`.
pub fn place<E>(
    new: &Clip,
    pairing: &Pairing,
    wall: impl FnMut(BootId) -> Result<Option<BootWall>, E>,
) -> Result<Place, E> {
    let place = place_of(new.project_id.as_deref(), pairing);
    let held = match new.before_pairing {
        BeforePairing::Queue => return Ok(place),
        BeforePairing::Ask => Place { state: ItemState::Held, reason: ItemReason::BeforePairing },
        BeforePairing::Ignore => Place { state: ItemState::Cancelled, reason: ItemReason::BeforePairing },
    };
    let Some(since) = pairing.since.filter(|_| place.state == ItemState::Queued) else { return Ok(place) };
    Ok(if is_before(new.created, since, new.added, wall)? { held } else { place })
}

/// Where an item of `project` belongs that a person wants sent.
pub fn place_of(project: Option<&str>, pairing: &Pairing) -> Place {
    match (project, pairing.project.as_deref()) {
        (Some(project), Some(current)) if project != current => {
            Place { state: ItemState::Held, reason: ItemReason::OtherProject }
        }
        (Some(_) | None, Some(_) | None) => QUEUED,
    }
}

/// Whether `then` was certainly before `since`, as seen from `now`.
fn is_before<E>(
    then: Now,
    since: Now,
    now: Now,
    mut wall: impl FnMut(BootId) -> Result<Option<BootWall>, E>,
) -> Result<bool, E> {
    if then.boot_id == since.boot_id {
        // A clip is dated by its file, to the second: one made right after the pairing may seem to be from before.
        return Ok(then.boot + Duration::from_secs(1) < since.boot);
    }
    let (then_boot, since_boot, now_boot) = (wall(then.boot_id)?, wall(since.boot_id)?, wall(now.boot_id)?);
    if since.boot_id != now.boot_id && since_boot.is_none() && since.wall < EARLIEST {
        return Ok(false);
    }
    let age_of = |moment, boot| age(moment, boot, now, now_boot, EARLIEST);
    Ok(age_of(then, then_boot) > age_of(since, since_boot))
}

#[cfg(test)]
mod tests;
