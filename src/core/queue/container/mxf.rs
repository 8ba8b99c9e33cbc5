//! MXF: keys, lengths and values (SMPTE ST 377-1), in partitions of which each says what it is and where the footer is.
//!
//! # Decisions
//! - The random index pack is the last thing in a file (§12). Where it is there and its last partition too, all is
//!   there. It may be left out; but a file that ends without it, at the seam of two parts, may as well be cut there.
//! - Without it, what the header says of the footer counts; and where a header was left open and says nothing, the file
//!   needs a footer, which is searched at its end.
//! - A closed and complete header that tells of no footer may do without one: then only a part that is longer than the
//!   file tells.
use crate::queue::container::seen::{Judged, MAX_READ, Seen, Wanted, be32, be64};
use crate::queue::container::verdict::{Cut, Wholeness};

/// §7.1 and §12, from the designator on: byte 8 is the version of the register, and byte 14 the kind of pack.
const LABEL: &[u8] = &[0x06, 0x0E, 0x2B, 0x34];
const PACK: &[u8] = &[0x02, 0x05, 0x01];
const MXF: &[u8] = &[0x0D, 0x01, 0x02, 0x01, 0x01];
const HEADER: u8 = 0x02;
const FOOTER: u8 = 0x04;
const RANDOM_INDEX: u8 = 0x11;
const CLOSED_COMPLETE: u8 = 0x04;
const KEY: usize = 16;
/// Keys and lengths that are looked at.
const MAX_PARTS: usize = 4096;
/// How many reads back from its end a footer is searched that nothing tells of.
const MAX_TAIL: usize = 8;

#[derive(Clone, Copy)]
struct Part {
    key: [u8; KEY],
    value: u64,
    end: u64,
}

enum Next {
    Part(Part),
    /// The file ends in it.
    Short,
    /// No key.
    Other,
}

/// Which pack a key is of.
fn pack(key: &[u8]) -> Option<u8> {
    let is = |from: usize, what: &[u8]| key.get(from..from + what.len()) == Some(what);
    (is(0, LABEL) && is(4, PACK) && is(8, MXF)).then(|| key.get(13).copied())?
}

/// Where the header begins among the first bytes of a file: at once, or after a run-in (§6.5) of less than 64 KiB.
pub(super) fn begins(head: &[u8]) -> Option<u64> {
    head.windows(KEY).position(|key| pack(key) == Some(HEADER)).map(|at| at as u64)
}

/// `start`: where the header begins, from which offsets count.
pub(super) fn judge(file: &Seen, start: u64) -> Judged {
    if ends_with_index(file, start)? {
        return Ok(Wholeness::Whole);
    }
    let header = match next(file, start)? {
        Next::Part(part) => part,
        Next::Short => return Ok(Wholeness::Cut(Cut::Short)),
        Next::Other => return Ok(Wholeness::Unknown),
    };
    let Some(footer) = be64(file.bytes(header.value, 48)?, 24) else { return Ok(Wholeness::Unknown) };
    if footer != 0 {
        return from_footer(file, start.saturating_add(footer));
    }
    if header.key.get(14) == Some(&CLOSED_COMPLETE) {
        return to_the_end(file, start);
    }
    match last_footer(file, start)? {
        Some(footer) => to_the_end(file, footer),
        None => Ok(Wholeness::Cut(Cut::NoFooter)),
    }
}

/// §6.3: a key of 16 bytes and a length in BER.
fn next(file: &Seen, at: u64) -> Result<Next, Wanted> {
    let head = file.bytes(at, KEY + 9)?;
    let (label, _) = head.split_at(head.len().min(LABEL.len()));
    if label.is_empty() || !LABEL.starts_with(label) {
        return Ok(Next::Other);
    }
    let (Some(key), Some(first)) = (head.first_chunk(), head.get(KEY)) else { return Ok(Next::Short) };
    let bytes = match first {
        0..0x80 => 0,
        0x81..=0x88 => usize::from(first - 0x80),
        0x80 | 0x89.. => return Ok(Next::Other),
    };
    let Some(long) = head.get(KEY + 1..KEY + 1 + bytes) else { return Ok(Next::Short) };
    let length = match bytes {
        0 => u64::from(*first),
        1.. => long.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    let value = at + (KEY + 1 + bytes) as u64;
    let end = value.saturating_add(length);
    Ok(if end <= file.size() { Next::Part(Part { key: *key, value, end }) } else { Next::Short })
}

/// §12: stream and offset of each partition, and the length of all of it.
fn ends_with_index(file: &Seen, start: u64) -> Result<bool, Wanted> {
    let end = file.tail(12)?;
    let (Some(last), Some(length)) = (be64(end, 0), be32(end, 8)) else { return Ok(false) };
    let Some(at) = file.size().checked_sub(u64::from(length)) else { return Ok(false) };
    match next(file, at)? {
        Next::Part(part) if pack(&part.key) == Some(RANDOM_INDEX) && part.end == file.size() => {
            is_partition(file, start.saturating_add(last))
        }
        Next::Part(_) | Next::Short | Next::Other => Ok(false),
    }
}

fn is_partition(file: &Seen, at: u64) -> Result<bool, Wanted> {
    Ok(match next(file, at)? {
        Next::Part(part) => pack(&part.key).is_some_and(|kind| (HEADER..=FOOTER).contains(&kind)),
        Next::Short | Next::Other => false,
    })
}

/// The header says that the footer begins here.
fn from_footer(file: &Seen, at: u64) -> Judged {
    match next(file, at)? {
        Next::Part(part) if pack(&part.key) == Some(FOOTER) => to_the_end(file, at),
        Next::Short => Ok(Wholeness::Cut(Cut::Short)),
        Next::Other if at >= file.size() || file.is_padding(at)? => Ok(Wholeness::Cut(Cut::NoFooter)),
        // A file that somebody has rewritten.
        Next::Part(_) | Next::Other => Ok(Wholeness::Unknown),
    }
}

/// Goes through the parts from this partition on. That they add up proves nothing, unless a random index is among
/// them.
fn to_the_end(file: &Seen, mut at: u64) -> Judged {
    if counted_end(file, at)? > file.size() {
        return Ok(Wholeness::Cut(Cut::Short));
    }
    let mut indexed = false;
    for _ in 0..MAX_PARTS {
        match next(file, at)? {
            Next::Part(part) => {
                indexed = pack(&part.key) == Some(RANDOM_INDEX);
                at = part.end;
            }
            Next::Short => return Ok(Wholeness::Cut(Cut::Short)),
            Next::Other if indexed && file.is_padding(at)? => return Ok(Wholeness::Whole),
            Next::Other => break,
        }
    }
    Ok(Wholeness::Unknown)
}

/// §7.1: the values of a pack are versions, the KAG's size, this, the previous and the footer's partition, and then how
/// many bytes of metadata and of index follow, which other parts may stand between.
fn counted_end(file: &Seen, at: u64) -> Result<u64, Wanted> {
    let Next::Part(part) = next(file, at)? else { return Ok(at) };
    let value = file.bytes(part.value, 48)?;
    let counts = [be64(value, 32), be64(value, 40)];
    Ok(counts.into_iter().flatten().fold(part.end, u64::saturating_add))
}

fn last_footer(file: &Seen, start: u64) -> Result<Option<u64>, Wanted> {
    let mut end = file.size();
    for _ in 0..MAX_TAIL {
        let from = end.saturating_sub(MAX_READ as u64).max(start);
        let window = file.bytes(from, usize::try_from(end - from).unwrap_or(MAX_READ))?;
        if let Some(at) = window.windows(KEY).rposition(|key| pack(key) == Some(FOOTER)) {
            return Ok(Some(from + at as u64));
        }
        if from <= start {
            break;
        }
        end = from + KEY as u64 - 1;
    }
    Ok(None)
}
