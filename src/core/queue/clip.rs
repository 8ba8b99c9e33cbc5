//! What a file that was sighted is to the queue. Plain data in, a decision out: the store finds the rows that may be meant,
//! and writes what was decided. What two looks say about each other is [`Sighting::relation`]; here it meets the states.
//!
//! A media source finds a file ([`found`]); the first line of this table that fits one of the rows:
//!
//! | To its row the file is | and the row | What follows |
//! | --- | --- | --- |
//! | the same | is `away`, failed because its file was out of reach, or was closed for another row | it waits again, where it belongs |
//! | | anything else | nothing |
//! | the same with another date, or copied over | failed because its file had changed | it waits again |
//! | | is `away` or out of reach | it waits again |
//! | | is not over, or done and not copied over | it takes the new facts |
//! | the same, renamed | any | it follows; where it was `away` or out of reach it waits again |
//! | written on in its place, or grown | has its turn, or is recorded (which may rename it too) | nothing: the turn finds out |
//! | | is not over, or failed; no asset | it takes the new facts, and waits again |
//! | | is not over, or failed; with an asset | its asset is for a clip that is no more: begun anew, as a new version of that one |
//! | | cancelled | it takes the new facts |
//! | | cancelled, because another row has its clip | a new row |
//! | | done | a new row: a new version of its asset |
//! | edited, with its date kept | done | a new row: a new version of its asset |
//! | maybe a copy | is `away`, not known to be on another volume, without an asset, and no other project's | it follows: the card is mounted elsewhere |
//! | – | its row is gone, and it is remembered | nothing |
//! | anything else | – | a new row; left out where there is no room |
//! | another one at its path (or edited) | waits, has no turn, and was not handed over open | it is `away`: its card is not there |
//!
//! A person asks for a file ([`asked`]): as above, but
//!
//! | The row that is meant | Its state | What follows |
//! | --- | --- | --- |
//! | this project's, or of no project yet | waits, held, has its turn, is recorded | it is there already |
//! | | done | it was delivered; another row only where they want it again |
//! | | failed, cancelled | it is queued again, with what is said now |
//! | another project's | waits, held, has its turn, is recorded | it stays as it is |
//! | | failed, cancelled | it is queued again for this project; its asset is of no use there |
//! | | done | it was delivered there; another row only where they want it in this project |
//!
//! Before anything is sent of a row that may be a copy of another ([`copy_of`]):
//!
//! | The other | What the row does |
//! | --- | --- |
//! | has its turn | lets it go first |
//! | has an asset and waits | lets it go first, unless it has one, too: each had been begun while the other was away |
//! | is done, in the same project or in another | is compared with what was delivered: equal bytes are not sent again, and of those that were begun not the rest |
//! | anything else | goes |
//!
//! # Decisions
//! - No row is ever overwritten by another clip. What is only like another is a row of its own, and is merged with it when
//!   all bytes were compared.
//! - A person who adds a file that failed or was cancelled wants it tried again; a source that finds it once more wants
//!   nothing. So a source never changes how an item stands, but for one that was out of reach and is back.
//! - One row for each clip and project. A clip that is done for another project is left alone by a source, whatever its
//!   path, name or date; one that was queued for another project, whatever became of it, keeps a copy of it there too.
//! - A row that takes new facts in its place may do so because what it was can't come back: it was the same file, written on.
//! - Where some of a clip was sent nobody takes facts over but its turn, which compares bytes first ([`taken`]). It keeps the
//!   dates: what was given another one since it was begun is compared as a whole by the last look.
mod copies;
mod naming;
mod place;
mod row;
mod taking;

use crate::few;
use crate::queue::evidence::{Relation, Sighting};
use crate::queue::handed::is_handed_over;
use crate::queue::item::{ItemId, ItemReason, ItemState};

pub use copies::{Copy, copy_of};
pub use naming::{Naming, renamed};
pub use place::{Pairing, Place, place, place_of, project_of};
pub use row::Row;
pub use taking::{beside, taken};

/// Why one is `away` at whose path there is another file.
pub const DISPLACED: &str = "another file is in its place; it goes on when its card is back";

/// Of items that failed because their file was out of reach.
const OUT_OF_REACH: [ItemReason; 2] = [ItemReason::Vanished, ItemReason::Unreadable];

/// Of items that are cancelled because another row has their clip.
const CLOSED_FOR_ANOTHER: [ItemReason; 2] = [ItemReason::Duplicate, ItemReason::DeliveredElsewhere];

/// A row that is gone, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The number that it had.
    pub id: ItemId,
    /// Where it was delivered; `None`: nowhere.
    pub delivered_to: Option<String>,
}

/// What the store knows that may be about a file.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// Rows of the same path, of the same inode, and of the same fingerprint; each once.
    pub rows: Vec<Row>,
    /// One of the same path, size and date, or of the same fingerprint, that is gone.
    pub remembered: Option<Remembered>,
}

/// What follows when a file is found or asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is known, and these rows stand so from now on, with what is seen now.
    Known {
        /// Rows of this file that take the facts of now.
        takes: Vec<ItemId>,
        /// Rows that wait again, there.
        back: Vec<(ItemId, Place)>,
    },
    /// It waited under its former name, or was sent under it: the row follows, and waits again where that is said.
    Renamed(ItemId, Option<Place>),
    /// The row takes the new facts, and waits again where that is said.
    Grown(ItemId, Option<Place>),
    /// The row's asset is for a clip that is no more: it takes the new facts, and is begun anew as a new version.
    Anew(ItemId, Place),
    /// It is new, and there is no room.
    LeftOut,
    /// It is new.
    New(New),
    /// A person is told that it is there already.
    Waiting(ItemId),
    /// A person wants it queued again, with what they say now.
    Again {
        /// This row.
        id: ItemId,
        /// Its asset lies in another project.
        drop_asset: bool,
    },
    /// A person is told that it was delivered, as this item.
    Delivered(ItemId),
    /// A person is told that it was delivered to this other project, as this item.
    Elsewhere(ItemId, String),
}

/// A new row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct New {
    /// Its clip is a new version of this one, which was delivered.
    pub version_of: Option<ItemId>,
    /// It is bound to this project, and not to the one that is paired.
    pub project: Option<String>,
    /// A person wants it sent though it was delivered: it is compared with nothing.
    pub anyway: bool,
    /// These are `away` from now on: this file is at their place.
    pub displaced: Vec<ItemId>,
}

/// What a person says about clips that were delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Send it again to the project that has it.
    pub again: bool,
    /// Send it to the project that is paired, though another one has it.
    pub to_this_project: bool,
}

/// An inode number says something: file systems that have none write zeros.
pub fn is_numbered(ino: u64) -> bool {
    ino != 0
}

/// A source has found a file. `room`: there is room for one more that is not sent yet.
pub fn found(seen: &Sighting, known: &Candidates, room: bool, pairing: &Pairing) -> Finding {
    let related = related(seen, known);
    let finding = as_it_is(seen, &related, pairing)
        .or_else(|| renamed_to(seen, &related, pairing))
        .or_else(|| written_on(&related, pairing));
    match finding {
        Some(Finding::Waiting(_)) => Finding::Known { takes: vec![], back: vec![] },
        Some(finding) => finding,
        None if known.remembered.is_some() => Finding::Known { takes: vec![], back: vec![] },
        None if !room => Finding::LeftOut,
        None => Finding::New(new(&related, pairing)),
    }
}

/// A person asks for a file, for `project`.
pub fn asked(
    seen: &Sighting,
    known: &Candidates,
    project: Option<&str>,
    wanted: Wanted,
    pairing: &Pairing,
) -> Finding {
    let related = related(seen, known);
    let is_it = |(relation, row): &&(Relation, &Row)| match relation {
        Relation::Same | Relation::Redated | Relation::Renamed => true,
        Relation::Recopied => row.state != ItemState::Done,
        Relation::Rewritten | Relation::Replaced | Relation::Twin | Relation::Displaced | Relation::None => {
            false
        }
    };
    let rows: Vec<&Row> = related.iter().filter(is_it).map(|(_, row)| *row).collect();
    let anyway = || Finding::New(New { anyway: true, ..New::default() });
    match meant(&rows, project) {
        Some(row) => match row.state {
            ItemState::Queued
            | ItemState::Uploading
            | ItemState::Recording
            | ItemState::Held
            | ItemState::Incomplete => Finding::Waiting(row.id),
            ItemState::Away => Finding::Known {
                takes: vec![row.id],
                back: vec![(row.id, place_of(row.project.as_deref(), pairing))],
            },
            ItemState::Done if wanted.again => anyway(),
            ItemState::Done => Finding::Delivered(row.id),
            ItemState::Failed | ItemState::Cancelled => {
                Finding::Again { id: row.id, drop_asset: row.project.as_deref() != project }
            }
        },
        None if !rows.is_empty() && wanted.to_this_project => anyway(),
        None => match rows.last() {
            Some(row) => Finding::Elsewhere(row.id, row.project.clone().unwrap_or_default()),
            None => asked_anew(seen, &related, known, project, wanted, pairing),
        },
    }
}

/// Nobody knows it as it is.
fn asked_anew(
    seen: &Sighting,
    related: &[(Relation, &Row)],
    known: &Candidates,
    project: Option<&str>,
    wanted: Wanted,
    pairing: &Pairing,
) -> Finding {
    if let Some(finding) = renamed_to(seen, related, pairing).or_else(|| written_on(related, pairing)) {
        // A person wants what a source leaves alone.
        return if let Finding::Grown(id, None) = finding {
            Finding::Again { id, drop_asset: true }
        } else {
            finding
        };
    }
    let delivered = known.remembered.as_ref().and_then(|r| Some((r.id, r.delivered_to.clone()?)));
    match delivered {
        Some((id, to)) if Some(to.as_str()) == project && !wanted.again => Finding::Delivered(id),
        Some((id, to)) if Some(to.as_str()) != project && !wanted.to_this_project => {
            Finding::Elsewhere(id, to)
        }
        delivered => Finding::New(New {
            anyway: delivered.is_some() || wanted.again || wanted.to_this_project,
            ..new(related, pairing)
        }),
    }
}

fn related<'a>(seen: &Sighting, known: &'a Candidates) -> Vec<(Relation, &'a Row)> {
    let mut related: Vec<_> = known.rows.iter().map(|row| (seen.relation(&row.seen), row)).collect();
    few::sort_by_key(&mut related, |(_, row)| row.id);
    related
}

/// The row that is meant by a file for `project`: that project's own, then one that has none yet, then one that still
/// waits elsewhere, then one that was given up there. What is done elsewhere is another matter.
fn meant<'a>(rows: &[&'a Row], project: Option<&str>) -> Option<&'a Row> {
    let rank = |row: &Row| match row.state {
        _ if row.project.as_deref() == project => Some(0),
        _ if row.project.is_none() => Some(1),
        ItemState::Queued
        | ItemState::Uploading
        | ItemState::Recording
        | ItemState::Held
        | ItemState::Away
        | ItemState::Incomplete => Some(2),
        ItemState::Failed | ItemState::Cancelled => Some(3),
        ItemState::Done => None,
    };
    // Of several that are done for a project the youngest is the one that counts.
    let rows = rows.iter().rev().filter_map(|row| Some((rank(row)?, *row)));
    rows.min_by_key(|(rank, _)| *rank).map(|(_, row)| row)
}

/// The file is that of rows, under its name.
fn as_it_is(seen: &Sighting, related: &[(Relation, &Row)], pairing: &Pairing) -> Option<Finding> {
    let (mut takes, mut back, mut is_known) = (Vec::new(), Vec::new(), false);
    for (relation, row) in related {
        let redated = match relation {
            Relation::Same => false,
            Relation::Redated => true,
            // Whether what was delivered has these bytes only all of them can tell.
            Relation::Recopied if row.state != ItemState::Done => true,
            Relation::Recopied
            | Relation::Renamed
            | Relation::Rewritten
            | Relation::Replaced
            | Relation::Twin
            | Relation::Displaced
            | Relation::None => continue,
        };
        is_known = true;
        // What has its turn, or is recorded, goes by the facts that its sender sees.
        if !matches!(row.state, ItemState::Uploading | ItemState::Recording) && row.seen != *seen {
            takes.push(row.id);
        }
        let changed = redated && row.state == ItemState::Failed && row.reason == ItemReason::Changed;
        if changed || is_out_of_reach(row) {
            back.push((row.id, place_of(row.project.as_deref(), pairing)));
        }
    }
    is_known.then_some(Finding::Known { takes, back })
}

/// It waits for its file: when the card is back, or was never gone, goes on with what has arrived of it. So does what
/// was closed in its turn for another row of the same evidence: that one may be away by now.
pub fn is_out_of_reach(row: &Row) -> bool {
    let is_duplicate = row.state == ItemState::Cancelled && row.reason == ItemReason::Duplicate;
    let closed = is_duplicate && row.project.is_some();
    let thrown_away = row.state == ItemState::Cancelled && row.reason == ItemReason::Vanished;
    row.state == ItemState::Away
        || closed
        || thrown_away
        || (row.state == ItemState::Failed && OUT_OF_REACH.contains(&row.reason))
}

fn renamed_to(seen: &Sighting, related: &[(Relation, &Row)], pairing: &Pairing) -> Option<Finding> {
    let back = |row: &Row| is_out_of_reach(row).then(|| place_of(row.project.as_deref(), pairing));
    let renamed = related.iter().filter(|(relation, _)| *relation == Relation::Renamed);
    // What is not over goes before what is.
    if let Some((_, row)) = renamed.min_by_key(|(_, row)| row.state.is_over()) {
        let is_recorded = row.state == ItemState::Recording;
        let renamed = || Finding::Renamed(row.id, back(row));
        return Some(if is_recorded { Finding::Waiting(row.id) } else { renamed() });
    }
    let elsewhere = |(relation, row): &&(Relation, &Row)| {
        let on_another = !row.seen.volume.id.is_empty() && row.seen.volume.id != seen.volume.id;
        *relation == Relation::Twin && row.state == ItemState::Away && !row.begun && !on_another
    };
    let (_, row) = related.iter().find(elsewhere)?;
    // Whose it is only all bytes tell, where another project has one like it.
    let is_theirs = |other: &Row| other.project != row.project && other.state != ItemState::Done;
    let in_doubt = related.iter().any(|(relation, other)| *relation == Relation::Twin && is_theirs(other));
    (!in_doubt).then(|| Finding::Renamed(row.id, back(row)))
}

/// The youngest of the rows decides: the others were already other clips.
fn written_on(related: &[(Relation, &Row)], pairing: &Pairing) -> Option<Finding> {
    let newest = |wanted| related.iter().rev().find(|(relation, _)| *relation == wanted).map(|(_, row)| *row);
    let Some(row) = newest(Relation::Rewritten) else {
        let edited = newest(Relation::Replaced).filter(|row| row.state == ItemState::Done)?;
        return Some(Finding::New(version_of(edited, related, pairing)));
    };
    let place = place_of(row.project.as_deref(), pairing);
    Some(match row.state {
        ItemState::Uploading | ItemState::Recording => Finding::Waiting(row.id),
        // Nobody gave it up: what it was is in another row.
        ItemState::Cancelled if [ItemReason::Duplicate, ItemReason::Vanished].contains(&row.reason) => {
            Finding::New(new(related, pairing))
        }
        ItemState::Cancelled => Finding::Grown(row.id, None),
        ItemState::Done => Finding::New(version_of(row, related, pairing)),
        // What a person is asked about stays with them.
        ItemState::Held if !row.begun => {
            Finding::Grown(row.id, Some(Place { state: row.state, reason: row.reason }))
        }
        ItemState::Held => Finding::Anew(row.id, Place { state: row.state, reason: row.reason }),
        ItemState::Queued | ItemState::Away | ItemState::Incomplete | ItemState::Failed if row.begun => {
            Finding::Anew(row.id, place)
        }
        ItemState::Queued | ItemState::Away | ItemState::Incomplete | ItemState::Failed => {
            Finding::Grown(row.id, Some(place))
        }
    })
}

fn version_of(row: &Row, related: &[(Relation, &Row)], pairing: &Pairing) -> New {
    New { version_of: Some(row.id), project: row.project.clone(), ..new(related, pairing) }
}

fn new(related: &[(Relation, &Row)], pairing: &Pairing) -> New {
    let waits = |row: &Row| match row.state {
        ItemState::Queued | ItemState::Held | ItemState::Incomplete => true,
        ItemState::Uploading
        | ItemState::Recording
        | ItemState::Away
        | ItemState::Done
        | ItemState::Failed
        | ItemState::Cancelled => false,
    };
    let displaced = related.iter().filter(|(relation, row)| {
        let other = matches!(relation, Relation::Displaced | Relation::Replaced);
        other && waits(row) && !is_handed_over(&row.seen.path)
    });
    // A copy of what was queued for another project waits there too, whatever became of it.
    let bound = related.iter().find(|(relation, row)| {
        let elsewhere = row.project.is_some() && row.project != pairing.project;
        let closed = row.state == ItemState::Cancelled && CLOSED_FOR_ANOTHER.contains(&row.reason);
        *relation == Relation::Twin && row.state != ItemState::Done && elsewhere && !closed
    });
    New {
        version_of: None,
        project: bound.and_then(|(_, row)| row.project.clone()),
        anyway: false,
        displaced: displaced.map(|(_, row)| row.id).collect(),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;
