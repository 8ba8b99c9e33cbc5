//! Media files: which are taken, and their bytes on the way out. The only place that opens them.
//!
//! # Decisions
//! - `openat2` with `RESOLVE_BENEATH`: the kernel refuses a path that leaves its media directory by `..` or by a link,
//!   in one step, so nothing can be swapped between a check and the opening.
//! - All of this blocks on the card, and a card can hang: only [`Workers`] run it, and never the threads of the runtime.
mod ahead;
mod beneath;
mod file;
mod filetype;
mod growth;
mod handed;
mod kept;
mod pacer;
mod part;
mod reading;
mod rights;
mod sighting;
mod walk;
mod workers;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fd::AsFd as _;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;

use beneath::open_named;
use rigpost_core::command::Refusal;
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::item::{FileFacts, shown};
use rigpost_core::time::{BootId, BootTime, Now, WallTime};

pub use ahead::ReadPlan;
pub use beneath::beneath;
pub use file::{MediaFile, ReadError};
pub use filetype::filetype;
pub use growth::{Digests, Growth, digests, has_its_directory, look_at_growth};
pub use handed::look_at_open;
pub use kept::{FdStore, Kept};
pub use pacer::Pacer;
pub use part::{PartBody, PartWatch};
pub use reading::{cut_off, digest, look_closer, part_digest, wholeness};
pub use rights::{Closed, may_reach, may_read};
pub use sighting::fingerprint;
pub use walk::{Met, Step, Visitor, Walk, glance};
pub use workers::{NotAnswering, PATIENCE, Volume, VolumeKey, Volumes, Workers};

const MAX_PATH: usize = 4096;

/// How a file beneath one of the directories looks, but for its fingerprint: it is not opened for reading. `None` where
/// there is no regular file. Blocks on the disk.
pub fn peek(dirs: &[PathBuf], path: &Path, boot: BootId) -> Option<Sighting> {
    let (named, rest) = beneath(dirs, path)?;
    let dir = open_named(named).ok()?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(&dir, rest, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve).ok()?;
    sighting::sighting(file.as_fd(), dir.as_fd(), named, path, boot).ok()?
}

/// Opens a file beneath one of the directories, for reading, and says how it looks, but for its fingerprint.
///
/// Blocks on the disk. A FIFO or a device is refused without being touched.
pub fn open_beneath(dirs: &[PathBuf], path: &Path, boot: BootId) -> Result<(File, Sighting), Refusal> {
    let shown = || shown(path);
    if path.as_os_str().len() > MAX_PATH {
        return Err(Refusal::InvalidArgs("the path is longer than 4096 bytes".to_owned()));
    }
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Refusal::InvalidArgs(format!("the path must be absolute: {}", shown())));
    }
    let within = beneath(dirs, path).filter(|(_, rest)| !rest.as_os_str().is_empty());
    let (named, rest) = within.ok_or_else(|| Refusal::OutsideMediaDirs(shown()))?;
    let refuse = |e: Errno| match e {
        Errno::NOENT | Errno::NOTDIR => Refusal::NotFound(shown()),
        Errno::XDEV | Errno::LOOP => {
            Refusal::OutsideMediaDirs(format!("{} (a link or \"..\" leads out)", shown()))
        }
        Errno::ACCESS | Errno::PERM => closed_to_us(path),
        e => Refusal::NotAllowed(format!("can't be opened ({e}): {}", shown())),
    };
    let dir = open_named(named).map_err(refuse)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    // Looked at by name only before it is opened for reading: opening a device can have effects.
    let found =
        openat2(&dir, rest, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve).map_err(refuse)?;
    let kind = FileType::from_raw_mode(fstat(&found).map_err(refuse)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(Refusal::NotAllowed(format!("not a regular file: {}", shown())));
    }
    let file = File::from(walk::open_quietly(dir.as_fd(), rest, flags, resolve).map_err(refuse)?);
    let unread = |e: std::io::Error| Refusal::NotAllowed(format!("can't be read ({e}): {}", shown()));
    let seen = sighting::sighting(file.as_fd(), dir.as_fd(), named, path, boot).map_err(unread)?;
    match seen {
        Some(seen) if seen.facts.size > 0 => Ok((file, seen)),
        Some(_) => Err(Refusal::NotAllowed(format!("the file is empty: {}", shown()))),
        None => Err(Refusal::NotAllowed(format!("not a regular file: {}", shown()))),
    }
}

/// The daemon's user has no right to a file; nobody else is spoken of.
pub fn closed_to_us(path: &Path) -> Refusal {
    Refusal::NotAllowed(format!("may not be read by the daemon's user: {}", shown(path)))
}

impl Workers {
    /// [`open_beneath`] and [`fingerprint`], by the workers of the file's volume.
    ///
    /// # Errors
    /// As there; and [`Refusal::NotAnswering`].
    pub async fn open(
        &self,
        dirs: Vec<PathBuf>,
        path: PathBuf,
        boot: BootId,
    ) -> Result<(MediaFile, Sighting), Refusal> {
        let volume = self.volumes().of(&path);
        let opened = volume.run(move || -> Result<(File, Sighting), Refusal> {
            let (file, seen) = open_beneath(&dirs, &path, boot)?;
            let unread = |e| Refusal::NotAllowed(format!("can't be read ({e}): {}", shown(&path)));
            let fingerprint = Some(fingerprint(&file, seen.facts).map_err(unread)?);
            Ok((file, Sighting { fingerprint, ..seen }))
        });
        let (file, seen) = opened.await??;
        Ok((MediaFile::new(file, volume), seen))
    }
}

/// When the clip was made, as far as its time of change tells; never in the future. A date that was written by a clock
/// that was never set tells nothing: the clip is taken to be new.
pub fn made(facts: &FileFacts, now: Now) -> Now {
    let mtime_s = facts.mtime_ns.div_euclid(1_000_000_000);
    if mtime_s < WallTime::FIRST.0 && now.wall >= WallTime::FIRST {
        return now;
    }
    let Some(age) =
        now.wall.0.checked_sub(mtime_s).and_then(|a| u64::try_from(a).ok()).map(Duration::from_secs)
    else {
        return now;
    };
    if age <= now.boot.0 {
        return Now { boot: now.boot - age, wall: WallTime(mtime_s), ..now };
    }
    // Before this boot: only the wall clock knows.
    Now { boot_id: BootId(0), boot: BootTime::default(), wall: WallTime(mtime_s) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot: u64, wall: i64) -> Now {
        Now { boot_id: BootId(1), boot: BootTime(Duration::from_secs(boot)), wall: WallTime(wall) }
    }

    fn written(mtime_s: i64) -> FileFacts {
        FileFacts { mtime_ns: mtime_s * 1_000_000_000, ..FileFacts::default() }
    }

    #[test]
    fn the_age_of_a_clip_is_what_its_date_says_where_that_can_be_right() {
        let now = at(1000, 1_790_000_000);
        let age = |mtime_s| now.age_of(made(&written(mtime_s), now)).unwrap().as_secs();
        assert_eq!(age(1_790_000_000 - 60), 60);
        assert_eq!(age(1_790_000_000 - 86_400), 86_400, "before this boot the wall clock's word counts");
        assert_eq!(age(1_790_000_000 + 500), 0, "never from the future");
        assert_eq!(age(120), 0, "1970 is no date");
        assert_eq!(age(315_532_800), 0, "1980 is no date");
    }

    #[test]
    fn a_step_of_the_clock_after_the_door_does_not_age_a_clip() {
        // Shot 30 s ago by a clock that still says 1970.
        let door = at(100, 100);
        let made = made(&written(70), door);
        assert_eq!(at(160, 1_790_000_000).age_of(made), Some(Duration::from_secs(90)));
    }
}
