//! How old a clip is, whatever the rig's clock said while it was shot.
//!
//! The cloud is told an age and not a date (contract §5.1, `offset`): it decides by it whether the clip was made while
//! the device was paused, and in which day's folder it lands.
//!
//! # Decisions
//! - Each boot has at most one true offset, written down once its wall clock or the provider's `Date` could be trusted:
//!   wall time at boot. With it every moment of that boot gets its right date, also one that was stamped 1970.
//! - The provider's `Date` goes before the rig's own clock, from which a person or a saved file may have been read; but
//!   any clock that can be right goes before none. A second or two of difference is the way's, and is not written.
//! - What is not known is said as the least that is certain, never as a guess: a clip of an earlier boot is at least as
//!   old as this boot.
use std::time::Duration;

use crate::time::{Now, WallTime};

/// The wall clock at the moment a boot began, Unix seconds, by a source that could be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootWall(pub i64);

impl BootWall {
    /// From any moment of the boot at which the true time was known.
    pub fn from_moment(at: Now, true_wall: WallTime) -> BootWall {
        BootWall(true_wall.0.saturating_sub(secs(at.boot.0)))
    }

    fn wall(self, at: Now) -> i64 {
        self.0.saturating_add(secs(at.boot.0))
    }
}

/// How long ago `then` was. `then_boot`, `now_boot`: what is known of the two boots' clocks; `earliest`: a wall clock
/// before this was never set. Never negative; zero to the second for the future.
//= frameio-c2c#5.1
//# Each creation of an asset says how many seconds ago the clip was made (offset), as of that moment.
pub fn age(
    then: Now,
    then_boot: Option<BootWall>,
    now: Now,
    now_boot: Option<BootWall>,
    earliest: WallTime,
) -> Duration {
    if then.boot_id == now.boot_id {
        return now.boot.since(then.boot);
    }
    let least = now.boot.0;
    let set = |wall: i64| (wall >= earliest.0).then_some(wall);
    let then_wall = then_boot.map(|b| b.wall(then)).or_else(|| set(then.wall.0));
    let now_wall = now_boot.map(|b| b.wall(now)).or_else(|| set(now.wall.0));
    let by_wall = then_wall.zip(now_wall).and_then(|(then, now)| u64::try_from(now.checked_sub(then)?).ok());
    by_wall.map_or(least, |age| Duration::from_secs(age).max(least))
}

/// When this boot's entry is to be written. One write at a time; one that failed is tried at the next look.
#[derive(Debug, Default)]
pub struct Entry {
    on_disk: Option<BootWall>,
    on_its_way: Option<BootWall>,
}

/// Two answers' dates differ by the seconds they are cut to and the time they were under way.
const TOLERANCE_S: u64 = 2;

impl Entry {
    /// The daemon has started in a boot that has an entry.
    pub fn found(&mut self, on_disk: BootWall) {
        self.on_disk = Some(on_disk);
    }

    /// The entry is there: what a clock of unknown worth says at a start is no reason to replace it.
    pub fn is_found(&self) -> bool {
        self.on_disk.is_some()
    }

    /// What to write, if this is news.
    #[must_use]
    pub fn look(&mut self, truth: BootWall) -> Option<BootWall> {
        let near = |known: BootWall| known.0.abs_diff(truth.0) <= TOLERANCE_S;
        if self.on_its_way.is_some() || self.on_disk.is_some_and(near) {
            return None;
        }
        self.on_its_way = Some(truth);
        Some(truth)
    }

    /// The answer to that; true when it is on disk.
    pub fn written(&mut self, ok: bool) {
        let written = self.on_its_way.take();
        if ok {
            self.on_disk = written;
        }
    }
}

fn secs(d: Duration) -> i64 {
    i64::try_from(d.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{BootId, BootTime};

    const FLOOR: WallTime = WallTime(1_700_000_000);
    const TRUE: i64 = 1_790_000_000;

    fn at(id: u128, boot: u64, wall: i64) -> Now {
        Now { boot_id: BootId(id), boot: BootTime(Duration::from_secs(boot)), wall: WallTime(wall) }
    }

    //= frameio-c2c#5.1
    //= type=test
    //# Each creation of an asset says how many seconds ago the clip was made (offset), as of that moment.
    #[test]
    fn the_age_of_a_clip_table() {
        let boot = |wall| Some(BootWall(wall));
        let rows = [
            ("same boot, clock stepped by years", at(1, 100, 100), None, at(1, 160, TRUE), None, 60),
            ("same boot, clock stepped back", at(1, 100, TRUE), None, at(1, 160, 5), None, 60),
            ("two boots with right clocks", at(1, 50, TRUE), None, at(2, 10, TRUE + 500), None, 500),
            (
                "shot in 1970, set later in that boot",
                at(1, 50, 50),
                boot(TRUE),
                at(2, 10, TRUE + 550),
                None,
                500,
            ),
            ("this boot is in 1970, set later", at(1, 50, TRUE), None, at(2, 10, 10), boot(TRUE + 490), 500),
            ("both in 1970 and never set", at(1, 50, 50), None, at(2, 10, 10), None, 10),
            ("shot in 1970, never set", at(1, 50, 50), None, at(2, 10, TRUE), None, 10),
            ("from the future", at(1, 50, TRUE + 9_999), None, at(2, 10, TRUE), None, 10),
            ("younger than this boot can't be", at(1, 50, TRUE), None, at(2, 900, TRUE + 5), None, 900),
            ("a future boot wall", at(1, i64::MAX as u64, i64::MAX), boot(i64::MAX), at(2, 7, TRUE), None, 7),
        ];
        for (name, then, then_boot, now, now_boot, want) in rows {
            assert_eq!(age(then, then_boot, now, now_boot, FLOOR).as_secs(), want, "{name}");
        }
    }

    #[test]
    fn a_boot_is_dated_from_any_moment_of_it() {
        let dated = BootWall::from_moment(at(1, 300, 300), WallTime(TRUE));
        assert_eq!(dated, BootWall(TRUE - 300));
        let shot = at(1, 100, 100);
        assert_eq!(age(shot, Some(dated), at(2, 1, TRUE + 100), None, FLOOR).as_secs(), 300);
    }
}
