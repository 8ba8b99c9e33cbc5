//! JPEG: marker segments with lengths up to the first scan, coded data, and an end of image (ITU-T T.81 §B.1, §B.2).
//!
//! # Decisions
//! - Coded data has no length, and going through it would be reading the file. But it has a look: a byte FF in it is
//!   always followed by 00 or by the number of a restart (§B.1.1.5). A file that looks so from its first scan to its
//!   last byte has no end of image; of a large one, its last three quarters of a mebibyte, with more than a few such
//!   bytes and no more zeros than codes have.
//! - Behind the end of image cameras and telephones write more: zeros, further images, which the index of CIPA DC-007
//!   (MPF) counts, a movie, data of their own. Where it can't be told what it is, nor that it is all there, the file is
//!   neither whole nor cut.
//! - An index of images that are not there stays behind when a program strips them: it proves nothing against a file
//!   that ends with an image.
use crate::queue::container::seen::{Judged, MAX_READ, Seen, Wanted, be32, code, insta360, is_zero, le32};
use crate::queue::container::verdict::{Cut, Wholeness};

const END: u8 = 0xD9;
const SCAN: u8 = 0xDA;
const APP2: u8 = 0xE2;
/// Segments before the first scan.
const MAX_SEGMENTS: usize = 1024;
/// Images of one file that are looked at.
const MAX_IMAGES: usize = 16;
/// Reads back from the end of the file: to its last byte that is no zero, and over what may be coded data.
const MAX_TAIL: usize = 12;
/// So many FF 00 in what looks like coded data, and at most one zero in so many bytes: samples of 16 bits have more.
const STUFFED: usize = 8;
const SPARSE: usize = 8;
/// Zeros that an image's end may be followed by before the next one.
const GAP: u64 = 4096;

/// What comes before the coded data.
enum Header {
    /// It ends here; and where the images are that the index counts.
    Scan { at: u64, images: Vec<(u64, u64)> },
    /// The file ends in it.
    Short,
    /// It is not one.
    Odd,
}

pub(super) fn begins(head: &[u8]) -> bool {
    head.starts_with(&[0xFF, 0xD8, 0xFF])
}

pub(super) fn judge(file: &Seen) -> Judged {
    let (scan, images) = match header(file)? {
        Header::Scan { at, images } => (at, images),
        Header::Short => return Ok(Wholeness::Cut(Cut::NoEnd)),
        Header::Odd => return Ok(Wholeness::Unknown),
    };
    let Some(tail) = last_bytes(file, scan)? else { return Ok(Wholeness::Unknown) };
    let ends_with_image = tail.ends_with(&[0xFF, END]);
    let last = images.iter().map(|(from, length)| from.saturating_add(*length)).max().unwrap_or(0);
    if last > file.size() {
        return Ok(if ends_with_image { Wholeness::Unknown } else { Wholeness::Cut(Cut::NoEnd) });
    }
    // Samsung's directory of what it appends ends so; both makers write theirs last.
    if tail.ends_with(b"SEFT") || insta360(file)?.is_some_and(|from| from > scan) {
        return Ok(Wholeness::Whole);
    }
    if ends_with_image {
        let whole = images.is_empty() || are_images(file, &images)?;
        return Ok(if whole { Wholeness::Whole } else { Wholeness::Unknown });
    }
    Ok(if is_coded(file, scan)? { Wholeness::Cut(Cut::NoEnd) } else { Wholeness::Unknown })
}

fn header(file: &Seen) -> Result<Header, Wanted> {
    let mut at = 2;
    let mut images = Vec::new();
    for _ in 0..MAX_SEGMENTS {
        let head = file.bytes(at, 4)?;
        let (marker, length) = match *head {
            [0xFF, marker, high, low] => (marker, u16::from_be_bytes([high, low])),
            [] | [0xFF] | [0xFF, _] | [0xFF, _, _] => return Ok(Header::Short),
            _ => return Ok(Header::Odd),
        };
        match marker {
            // §B.1.1.2: any marker may be preceded by fill bytes.
            0xFF => {
                at += 1;
                continue;
            }
            0xC0..0xD0 | 0xDA..0xFF if length >= 2 => {}
            _ => return Ok(Header::Odd),
        }
        let next = at + 2 + u64::from(length);
        if next > file.size() {
            return Ok(Header::Short);
        }
        match marker {
            SCAN => return Ok(Header::Scan { at: next, images }),
            APP2 if images.is_empty() => {
                images = index(file.bytes(at + 4, usize::from(length) - 2)?, at + 4).unwrap_or_default();
            }
            _ => {}
        }
        at = next;
    }
    Ok(Header::Odd)
}

/// CIPA DC-007 §5: an index as TIFF writes it, whose offsets count from its own beginning. Offset and length of each
/// image.
fn index(segment: &[u8], at: u64) -> Option<Vec<(u64, u64)>> {
    let tiff = segment.strip_prefix(b"MPF\0")?;
    let base = at + 4;
    let number: fn(&[u8], usize) -> Option<u32> = match &code(tiff, 0)? {
        b"MM\0\x2A" => be32,
        b"II\x2A\0" => le32,
        _ => return None,
    };
    let place = |at| usize::try_from(number(tiff, at)?).ok();
    let directory = tiff.get(place(4)?..)?;
    let entries = directory.get(2..)?.chunks_exact(12).take(16);
    // Tag B002, its type, its length, and where it is: 16 bytes for each image.
    let list =
        entries.filter(|entry| matches!(entry, [0xB0, 0x02, ..] | [0x02, 0xB0, ..])).find_map(|entry| {
            let (length, at) = (number(entry, 4)?, number(entry, 8)?);
            tiff.get(usize::try_from(at).ok()?..)?.get(..usize::try_from(length).ok()?)
        })?;
    let image = |entry: &[u8]| {
        let (length, offset) = (number(entry, 4)?, number(entry, 8)?);
        Some((if offset == 0 { 0 } else { base + u64::from(offset) }, u64::from(length)))
    };
    list.chunks_exact(16).take(MAX_IMAGES).map(image).collect()
}

/// Whether each ends like one, but for the padding that some cameras count; and nothing follows the last.
fn are_images(file: &Seen, images: &[(u64, u64)]) -> Result<bool, Wanted> {
    let mut last = 0;
    for (from, length) in images {
        let end = from.saturating_add(*length);
        last = last.max(end);
        let window = (*length).min(GAP);
        let bytes = file.bytes(end - window, usize::try_from(window).unwrap_or(0))?;
        if !trimmed(bytes).ends_with(&[0xFF, END]) {
            return Ok(false);
        }
    }
    file.is_padding(last)
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    bytes.get(..end).unwrap_or(bytes)
}

/// The last so many bytes before `end`, but none before the scan.
fn window(file: &Seen, scan: u64, end: u64) -> Result<(u64, &[u8]), Wanted> {
    let start = end.saturating_sub(MAX_READ as u64).max(scan);
    Ok((start, file.bytes(start, usize::try_from(end.saturating_sub(start)).unwrap_or(MAX_READ))?))
}

/// The last bytes of the coded data, or of what follows it, without zeros at the end.
fn last_bytes(file: &Seen, scan: u64) -> Result<Option<&[u8]>, Wanted> {
    let mut end = file.size();
    for _ in 0..MAX_TAIL {
        let (start, bytes) = window(file, scan, end)?;
        if !is_zero(bytes) || start <= scan {
            return Ok(Some(trimmed(bytes)));
        }
        end = start;
    }
    Ok(None)
}

/// Whether this is coded data to its last byte: for certain, where all of it from the scan on was read.
fn is_coded(file: &Seen, scan: u64) -> Result<bool, Wanted> {
    let (mut end, mut next) = (file.size(), None);
    let (mut stuffed, mut zeros, mut length) = (0, 0, 0);
    for _ in 0..MAX_TAIL {
        let (start, bytes) = window(file, scan, end)?;
        let bytes = if length == 0 { trimmed(bytes) } else { bytes };
        let Some((more_stuffed, more_zeros)) = count(bytes, next) else { return Ok(false) };
        (stuffed, zeros, length) = (stuffed + more_stuffed, zeros + more_zeros, length + bytes.len());
        if start <= scan {
            return Ok(true);
        }
        (end, next) = (start, bytes.first().copied());
    }
    Ok(stuffed >= STUFFED && zeros <= length / SPARSE)
}

/// How many FF 00, and how many other zeros; `None` where a marker stands that is none of coded data. `next`: the byte
/// behind these.
fn count(bytes: &[u8], next: Option<u8>) -> Option<(usize, usize)> {
    let (mut stuffed, mut zeros) = (0, 0);
    let mut rest = bytes.iter().copied().chain(next);
    while let Some(byte) = rest.next() {
        match byte {
            0xFF => match rest.next() {
                Some(0) => stuffed += 1,
                // Restarts; and what stands between the scans of a progressive image (§B.2.4).
                Some(0xD0..=0xD7 | 0xC4 | 0xDA | 0xDC | 0xDD) | None => {}
                Some(_) => return None,
            },
            0 => zeros += 1,
            _ => {}
        }
    }
    Some((stuffed, zeros))
}
