//! A clip that is being recorded: how far its bytes have come, and whether they are still those that were sent.
//!
//! # Decisions
//! - Bytes before the first hole are there: who lays a file out in advance leaves holes, or extents that were never written,
//!   where nothing was recorded yet (`lseek`, `SEEK_HOLE`). Where a file system tells none, the end of the file is the first.
//! - Compared in one reading of the file, whose digest is that of the whole clip too.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, SeekFrom, fstat, openat2, seek};
use xxhash_rust::xxh64::Xxh64;

use super::beneath::{beneath, open_named};
use super::file::{MediaFile, ReadError};
use super::reading::{STRETCH, hashed};
use super::walk;
use super::workers::{NotAnswering, Workers};
use rigpost_core::queue::item::FileFacts;

/// How far a recording has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The file as it is now.
    pub facts: FileFacts,
    /// Bytes from its beginning to its first hole, or to its end.
    pub solid: u64,
    /// It has no name any more.
    pub is_deleted: bool,
}

/// Looks at a recording that is open. `solid`: as at the look before; 0 at the first.
///
/// # Errors
/// [`ReadError`].
pub async fn look_at_growth(file: &Arc<MediaFile>, solid: u64) -> Result<Growth, ReadError> {
    let reader = file.clone();
    let look = move || {
        let open = reader.file()?;
        let unreadable = |e: rustix::io::Errno| ReadError::Unreadable(e.into());
        let stat = fstat(open).map_err(unreadable)?;
        let facts = walk::facts(&stat).ok_or(ReadError::Shorter)?;
        // Shorter than it was: from its beginning.
        let from = if solid < facts.size { solid } else { 0 };
        let hole = if facts.size == 0 { Ok(0) } else { seek(open, SeekFrom::Hole(from)) };
        // Where nobody tells of holes there are none.
        let solid = hole.unwrap_or(facts.size).min(facts.size);
        Ok(Growth { facts, solid, is_deleted: stat.st_nlink == 0 })
    };
    file.volume().run(look).await?
}

/// What all bytes of a file are, in one reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// XXH64 of each stretch that was asked for, in order.
    pub stretches: Vec<u64>,
    /// And of all of them, one after the other.
    pub whole: u64,
}

/// Digests of stretches of a file, each with its length, which lie one behind the other from the beginning on. Dropped, it
/// stops after the few megabytes under way.
///
/// # Errors
/// [`ReadError`].
pub async fn digests(file: &Arc<MediaFile>, lengths: &[u64]) -> Result<Digests, ReadError> {
    let (mut whole, mut at, mut stretches) = (Xxh64::new(0), 0, Vec::with_capacity(lengths.len()));
    for length in lengths {
        let (mut one, end) = (Xxh64::new(0), at + length);
        while at < end {
            let (reader, from, len) = (file.clone(), at, STRETCH.min(end - at));
            [one, whole] = file.volume().run(move || hashed(&reader, [one, whole], from, len)).await??;
            at += len;
        }
        stretches.push(one.digest());
    }
    Ok(Digests { stretches, whole: whole.digest() })
}

/// Whether the directory of a file that is gone is there, on the device where the file was: then the file alone is gone, and
/// not its card.
///
/// # Errors
/// [`NotAnswering`].
pub async fn has_its_directory(
    workers: &Workers,
    dirs: Vec<PathBuf>,
    path: &Path,
    dev: u64,
) -> Result<bool, NotAnswering> {
    let dir = path.parent().unwrap_or(path).to_owned();
    let look = move || {
        let (named, rest) = beneath(&dirs, &dir)?;
        let named = open_named(named).ok()?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let found = openat2(&named, rest, flags, Mode::empty(), resolve).ok()?;
        Some(fstat(&found).ok()?.st_dev == dev)
    };
    Ok(workers.run(path, look).await?.unwrap_or(false))
}
