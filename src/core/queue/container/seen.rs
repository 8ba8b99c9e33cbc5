//! The parts of a file that were read, and the next one that is needed.
//!
//! # Decisions
//! - A format is judged by a plain function over what was read. Where bytes are missing it ends with what to read, and
//!   is run again from its start when they are there: it reads like the standard that it follows, and has no states to
//!   get lost in. What it costs is bounded by the number of reads.
use crate::queue::container::verdict::Wholeness;

/// The most bytes of one read.
pub const MAX_READ: usize = 64 * 1024;
/// The least, but for the end of the file: headers come in groups, and a card reads no less in the same time.
const CHUNK: u64 = 16 * 1024;

/// What to read before anything can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) offset: u64,
    pub(super) length: usize,
}

/// An answer, or what it needs.
pub(super) type Judged = Result<Wholeness, Wanted>;

/// A file of a known size, as far as it was read.
#[derive(Debug)]
pub(super) struct Seen {
    size: u64,
    reads: Vec<(u64, Vec<u8>)>,
    held: usize,
}

impl Seen {
    pub(super) fn new(size: u64) -> Seen {
        Seen { size, reads: Vec::new(), held: 0 }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn reads(&self) -> usize {
        self.reads.len()
    }

    /// Bytes that were read.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn keep(&mut self, wanted: Wanted, bytes: &[u8]) {
        self.held += bytes.len();
        self.reads.push((wanted.offset, bytes.to_vec()));
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        self.reads = Vec::new();
    }

    /// `length` bytes, at most [`MAX_READ`]; fewer only where the file ends.
    pub(super) fn bytes(&self, offset: u64, length: usize) -> Result<&[u8], Wanted> {
        let rest = self.size.saturating_sub(offset);
        let clip = |length: u64| usize::try_from(length.min(rest)).unwrap_or(MAX_READ).min(MAX_READ);
        let length = clip(length as u64);
        if length == 0 {
            return Ok(&[]);
        }
        let part = |(start, bytes): &'_ (u64, Vec<u8>)| -> Option<std::ops::Range<usize>> {
            let from = usize::try_from(offset.checked_sub(*start)?).ok()?;
            let to = from.checked_add(length)?;
            (to <= bytes.len()).then_some(from..to)
        };
        for read in self.reads.iter().rev() {
            if let Some(bytes) = part(read).and_then(|part| read.1.get(part)) {
                return Ok(bytes);
            }
        }
        Err(Wanted { offset, length: length.max(clip(CHUNK)) })
    }

    /// The last bytes; at most [`MAX_READ`].
    pub(super) fn tail(&self, length: usize) -> Result<&[u8], Wanted> {
        self.bytes(self.size.saturating_sub(length as u64), length)
    }

    /// Whether there are only zeros from here on, as far as one read shows.
    pub(super) fn is_padding(&self, offset: u64) -> Result<bool, Wanted> {
        Ok(is_zero(self.bytes(offset, MAX_READ)?))
    }
}

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Four letters.
pub(super) fn code(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    array(bytes, at)
}

/// Big-endian; `None` where there are too few bytes, so for the others.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

pub(super) fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_be_bytes)
}

/// Little-endian.
pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

pub(super) fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// The end of a file of Insta360, a clip or a still: the length of all that follows the format's own end, a version,
/// and these letters. Nothing documents it; it is what programs that read these files agree on.
const INSTA360: &[u8; 32] = b"8db42d694ccc418790edff439fe026bf";

/// Where Insta360's own data begins, which is written last.
pub(super) fn insta360(file: &Seen) -> Result<Option<u64>, Wanted> {
    let end = file.tail(40)?;
    if !end.ends_with(INSTA360) {
        return Ok(None);
    }
    Ok(le32(end, 0).and_then(|length| file.size().checked_sub(u64::from(length))))
}
