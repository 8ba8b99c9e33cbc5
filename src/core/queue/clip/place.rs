//! Which project a clip belongs to, and whether it may go there now.
//!
//! | Its project | Made before the pairing | Where |
//! | --- | --- | --- |
//! | another than the one that is paired | – | held: `other-project` |
//! | the one that is paired | surely, and its policy is `ask` | held: `before-pairing` |
//! | | surely, and its policy is `ignore` | cancelled: `before-pairing` |
//! | | not surely, or it was seen to appear after it, or its policy is `queue` | queued |
//! | none, and nothing is paired | – | queued: it is bound to the next pairing |
//!
//! # Decisions
//! - Where it can't be known whether a clip is older than the pairing, it is not: too much is sent, not too little.
use std::time::Duration;

use crate::queue::item::{BeforePairing, Clip, ItemReason, ItemState};
use crate::queue::ledger::{BootWall, age};
use crate::time::{BootId, Now, WallTime};

/// 2001-01-01: no wall clock before this was ever set.
const EARLIEST: WallTime = WallTime(978_307_200);

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

pub(super) const QUEUED: Place = Place { state: ItemState::Queued, reason: ItemReason::None };

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
    if new.appeared {
        return Ok(place);
    }
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
