//! Reading an open clip for other reasons than to send it: to compare it, and to see whether it is all there.
//!
//! # Decisions
//! - A few megabytes in each call to the volume's workers: a call that takes long is taken for a card that hangs, and
//!   others want to read from this card too.
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::fs::fstat;
use xxhash_rust::xxh64::Xxh64;

use super::file::{MediaFile, ReadError};
use super::sighting::fingerprint;
use super::walk;
use rigpost_core::queue::container::{Check, Cut, Step, Wholeness};
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::item::file_digest;

/// Bytes that are read at a time.
pub(super) const STRETCH: u64 = 4 * 1024 * 1024;
/// And in one piece.
const PIECE: usize = 128 * 1024;

/// [`file_digest`] of all `size` bytes in parts of `chunk` bytes. Dropped, it stops after the stretch under way.
///
/// # Errors
/// [`ReadError`].
pub async fn digest(file: &Arc<MediaFile>, size: u64, chunk: u64) -> Result<u64, ReadError> {
    let (chunk, mut parts, mut at) = (chunk.max(1), Vec::new(), 0);
    while at < size {
        let len = chunk.min(size - at);
        parts.push(part_digest(file, at, len).await?);
        at += len;
    }
    Ok(file_digest(&parts))
}

/// XXH64 of `len` bytes from `from` on.
///
/// # Errors
/// [`ReadError`].
pub async fn part_digest(file: &Arc<MediaFile>, from: u64, len: u64) -> Result<u64, ReadError> {
    let (mut hashes, mut done) = ([Xxh64::new(0)], 0);
    while done < len {
        let (at, stretch) = (from + done, STRETCH.min(len - done));
        let reader = file.clone();
        hashes = file.volume().run(move || hashed(&reader, hashes, at, stretch)).await??;
        done += stretch;
    }
    let [hash] = hashes;
    Ok(hash.digest())
}

/// Each of the hashes goes on with `len` bytes of the file from `at` on, which are read once.
pub(super) fn hashed<const N: usize>(
    file: &MediaFile,
    mut hashes: [Xxh64; N],
    mut at: u64,
    len: u64,
) -> Result<[Xxh64; N], ReadError> {
    let end = at + len;
    let mut buffer = vec![0; PIECE];
    while at < end {
        let piece = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        read(file, &mut buffer[..piece], at)?;
        hashes.iter_mut().for_each(|hash| hash.update(&buffer[..piece]));
        at += piece as u64;
    }
    Ok(hashes)
}

/// How an open file looks now, whatever lies at its path; without a fingerprint where it can't be read. `before`: how it was
/// seen there.
///
/// # Errors
/// [`ReadError`].
pub async fn look_closer(file: &Arc<MediaFile>, before: &Sighting) -> Result<Sighting, ReadError> {
    let (reader, before) = (file.clone(), before.clone());
    let look = move || {
        let open = reader.file()?;
        let stat = fstat(open).map_err(|e| ReadError::Unreadable(e.into()))?;
        let facts = walk::facts(&stat).unwrap_or(before.facts);
        Ok(Sighting { facts, fingerprint: fingerprint(open, facts).ok(), ..before })
    };
    file.volume().run(look).await?
}

/// What is missing of a file of `size` bytes, as far as its kind tells. A few reads.
///
/// # Errors
/// [`ReadError`].
pub async fn cut_off(file: &Arc<MediaFile>, size: u64) -> Result<Option<Cut>, ReadError> {
    Ok(match wholeness(file, size).await? {
        Wholeness::Cut(cut) => Some(cut),
        Wholeness::Whole | Wholeness::Unknown => None,
    })
}

/// What a file of `size` bytes says of itself. A few reads.
///
/// # Errors
/// [`ReadError`].
pub async fn wholeness(file: &Arc<MediaFile>, size: u64) -> Result<Wholeness, ReadError> {
    let reader = file.clone();
    file.volume().run(move || look_through(&reader, size)).await?
}

fn look_through(file: &MediaFile, size: u64) -> Result<Wholeness, ReadError> {
    let mut check = Check::new(size);
    let mut step = check.start();
    loop {
        match step {
            Step::Read { offset, length } => {
                let mut bytes = vec![0; length];
                read(file, &mut bytes, offset)?;
                step = check.read(&bytes);
            }
            Step::Done(wholeness) => return Ok(wholeness),
        }
    }
}

fn read(file: &MediaFile, into: &mut [u8], at: u64) -> Result<(), ReadError> {
    let read = file.file()?.read_exact_at(into, at);
    read.map_err(|e| {
        let is_shorter = e.kind() == io::ErrorKind::UnexpectedEof;
        if is_shorter { ReadError::Shorter } else { ReadError::Unreadable(e) }
    })
}
