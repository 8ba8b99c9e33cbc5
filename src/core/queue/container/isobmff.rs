//! MP4, MOV, 3GP, HEIF, CR3, INSV and their kin: boxes with sizes that add up (ISO/IEC 14496-12 §4.2; QuickTime File
//! Format, "Atoms"), and an index.
//!
//! # Decisions
//! - Boxes that nobody knows are stepped over where they fit: every maker has its own. What can't be a box, or is an
//!   unknown one longer than the file, comes after the last box: makers append things.
//! - No index on the way through the boxes is none: a player goes the same way.
//! - Fragments (§8.8) may end anywhere, so that they add up proves nothing. Where the file ends with their own index
//!   (`mfra`), which is written last, it is whole.
//! - Media that ends with zeros, behind its index: a copy that took its room first looks so, and is not called whole.
use crate::queue::container::seen::{Judged, MAX_READ, Seen, Wanted, be32, be64, code, insta360, is_zero};
use crate::queue::container::verdict::{Cut, Wholeness};

/// A file begins with one of these. `wide`, `free`, `skip`, `pnot`, `mdat` and `moov`: QuickTime without `ftyp`.
const FIRST: [&[u8; 4]; 10] =
    [b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"sidx", b"wide", b"free", b"skip", b"pnot"];
/// And these go on.
const KNOWN: [&[u8; 4]; 14] = [
    b"mfra", b"uuid", b"meta", b"udta", b"PICT", b"ssix", b"prft", b"emsg", b"pdin", b"meco", b"imda",
    b"mpvd", b"thum", b"bloc",
];
/// Room that may be left over.
const ROOM: [&[u8; 4]; 3] = [b"free", b"skip", b"wide"];
/// Brands of pictures, whose index is `meta` (ISO/IEC 23008-12 §10), and of MPEG-21 files, which have no other.
const PICTURES: [&[u8; 4]; 9] =
    [b"mif1", b"mif2", b"heic", b"heix", b"heim", b"heis", b"avif", b"avci", b"mp21"];
/// Those of sequences of pictures, which have a movie too; cameras name them for single ones as well.
const SEQUENCES: [&[u8; 4]; 4] = [b"msf1", b"hevc", b"hevx", b"avis"];
/// Boxes on the way.
const MAX_BOXES: usize = 4096;
/// Reads on the way through the boxes; the others are left for the end of the file.
const MAX_WALK: usize = 40;
/// Reads at the end, for the last fragment.
const MAX_TAIL: usize = 4;
/// So many zeros at the end of media are too many.
const LAST: usize = 64;
/// How far one read of a header reaches.
const REACH: u64 = 16 * 1024;

enum Next {
    Box {
        kind: [u8; 4],
        body: u64,
        end: u64,
    },
    /// One that goes on to the end of the file (§4.2: size 0), or whose size was never filled in.
    Open([u8; 4]),
    Padding,
    /// No box.
    Trailer,
}

/// What was found on the way.
#[derive(Default)]
struct Found {
    picture: bool,
    sequence: bool,
    /// A piece of a stream (§8.16): its index is in another file.
    segment: bool,
    /// `moov`.
    movie: bool,
    /// `meta`, beside the movie.
    meta: bool,
    media: bool,
    /// And nothing behind it.
    media_last: bool,
    fragmented: bool,
    /// A fragment whose media is still to come.
    fragment: bool,
    /// `mfra`.
    fragment_index: bool,
}

/// Whether a file with these first bytes is one.
pub(super) fn begins(head: &[u8]) -> bool {
    let (Some(size), Some(kind)) = (be32(head, 0), code(head, 4)) else { return false };
    match &kind {
        b"ftyp" | b"styp" => (8..=MAX_READ as u32).contains(&size),
        kind => FIRST.contains(&kind) && !(2..8).contains(&size),
    }
}

pub(super) fn judge(file: &Seen) -> Judged {
    let mut found = Found::default();
    let (mut at, mut reach, mut walked) = (0, 0, 0);
    for _ in 0..MAX_BOXES {
        if at == file.size() {
            return found.ended(file);
        }
        if at + 16 > reach {
            (reach, walked) = (at + REACH, walked + 1);
        }
        if walked > MAX_WALK {
            break;
        }
        match next(file, at)? {
            Next::Box { kind, body, end } if end <= file.size() => {
                let fragments = found.fragmented;
                found.passed(file, kind, body, end)?;
                if found.fragmented && !fragments && has_fragment_index(file)? {
                    return Ok(Wholeness::Whole);
                }
                at = end;
            }
            Next::Box { kind, .. } if is_known(kind) => return Ok(found.overrun(kind)),
            Next::Open(kind) if kind == *b"moov" || kind == *b"meta" => return Ok(Wholeness::Unknown),
            Next::Open(kind) if kind == *b"mdat" => return Ok(found.unless_cut()),
            Next::Box { .. } | Next::Open(_) | Next::Trailer => return found.trailer(file, at),
            Next::Padding => return found.padding(file, at),
        }
    }
    if found.fragmented { last_fragment(file, at) } else { Ok(Wholeness::Unknown) }
}

fn is_known(kind: [u8; 4]) -> bool {
    FIRST.contains(&&kind) || KNOWN.contains(&&kind)
}

fn next(file: &Seen, at: u64) -> Result<Next, Wanted> {
    let head = file.bytes(at, 16)?;
    if is_zero(head.get(..8).unwrap_or(head)) {
        return Ok(Next::Padding);
    }
    let (Some(size), Some(kind)) = (be32(head, 0), code(head, 4)) else { return Ok(Next::Trailer) };
    if !kind.iter().all(|b| (0x20..0x7F).contains(b) || *b == 0xA9) {
        return Ok(Next::Trailer);
    }
    let end = |size: u64| at.saturating_add(size);
    Ok(match (size, be64(head, 8)) {
        (0, _) => Next::Open(kind),
        (1, Some(size)) if size >= 16 => Next::Box { kind, body: at + 16, end: end(size) },
        (1, None) => Next::Box { kind, body: file.size(), end: u64::MAX },
        (1..8, _) => Next::Open(kind),
        (size, _) => Next::Box { kind, body: at + 8, end: end(u64::from(size)) },
    })
}

impl Found {
    fn passed(&mut self, file: &Seen, kind: [u8; 4], body: u64, end: u64) -> Result<(), Wanted> {
        self.media_last = matches!(&kind, b"mdat" | b"imda");
        match &kind {
            b"ftyp" => {
                self.sequence = has_brand(file, body, end, &SEQUENCES)?;
                self.picture = self.sequence || has_brand(file, body, end, &PICTURES)?;
            }
            b"styp" | b"sidx" if !self.movie => self.segment = true,
            b"moov" => {
                // §8.8.1: fragments follow. Behind the media there is nothing to follow.
                self.fragmented |= !self.media && has_child(file, body, end, *b"mvex")?;
                self.movie = true;
            }
            b"meta" => self.meta = true,
            b"mdat" | b"imda" => (self.media, self.fragment) = (true, false),
            b"moof" => {
                self.segment |= !self.movie;
                (self.fragmented, self.fragment) = (true, true);
            }
            b"mfra" => self.fragment_index = true,
            _ => {}
        }
        Ok(())
    }

    fn has_index(&self) -> bool {
        self.movie || self.segment || (self.picture && self.meta)
    }

    /// All boxes have added up.
    fn verdict(&self) -> Wholeness {
        if !self.has_index() {
            return Wholeness::Cut(Cut::NoIndex);
        }
        if self.fragment {
            return Wholeness::Cut(Cut::Short);
        }
        let ended = if self.fragmented { self.fragment_index } else { self.media };
        let indexed = !self.segment && (self.movie || !self.sequence);
        if ended && indexed { Wholeness::Whole } else { Wholeness::Unknown }
    }

    /// What comes is of unknown length.
    fn unless_cut(&self) -> Wholeness {
        if self.has_index() { Wholeness::Unknown } else { Wholeness::Cut(Cut::NoIndex) }
    }

    /// A box is longer than the file.
    fn overrun(&self, kind: [u8; 4]) -> Wholeness {
        if ROOM.contains(&&kind) && self.verdict() == Wholeness::Whole {
            // Of the recording itself nothing is missing.
            return Wholeness::Unknown;
        }
        Wholeness::Cut(if self.has_index() { Cut::Short } else { Cut::NoIndex })
    }

    fn ended(&self, file: &Seen) -> Judged {
        let verdict = self.verdict();
        if verdict == Wholeness::Whole && self.media_last && is_zero(file.tail(LAST)?) {
            return Ok(Wholeness::Unknown);
        }
        Ok(verdict)
    }

    fn padding(&self, file: &Seen, at: u64) -> Judged {
        match self.verdict() {
            Wholeness::Whole if !file.is_padding(at)? => Ok(Wholeness::Unknown),
            verdict @ (Wholeness::Whole | Wholeness::Cut(_) | Wholeness::Unknown) => Ok(verdict),
        }
    }

    fn trailer(&self, file: &Seen, at: u64) -> Judged {
        match self.verdict() {
            Wholeness::Whole if insta360(file)? != Some(at) => Ok(Wholeness::Unknown),
            verdict @ (Wholeness::Whole | Wholeness::Cut(_) | Wholeness::Unknown) => Ok(verdict),
        }
    }
}

/// §4.3: the major brand, a version, and others that it is compatible with.
fn has_brand(file: &Seen, body: u64, end: u64, wanted: &[&[u8; 4]]) -> Result<bool, Wanted> {
    let length = usize::try_from(end.saturating_sub(body)).unwrap_or(MAX_READ);
    let brands = file.bytes(body, length)?.chunks_exact(4).enumerate();
    Ok(brands.filter(|(n, _)| *n != 1).any(|(_, brand)| wanted.iter().any(|wanted| brand == *wanted)))
}

fn has_child(file: &Seen, body: u64, end: u64, wanted: [u8; 4]) -> Result<bool, Wanted> {
    let mut at = body;
    for _ in 0..64 {
        match next(file, at)? {
            Next::Box { kind, .. } if kind == wanted => return Ok(true),
            Next::Box { end: to, .. } if to < end => at = to,
            Next::Box { .. } | Next::Open(_) | Next::Padding | Next::Trailer => break,
        }
    }
    Ok(false)
}

/// §8.8.11: the last box of all says how long the index of fragments is, which it ends.
fn has_fragment_index(file: &Seen) -> Result<bool, Wanted> {
    let end = file.tail(16)?;
    if !end.starts_with(b"\0\0\0\x10mfro") {
        return Ok(false);
    }
    let Some(size) = be32(end, 12) else { return Ok(false) };
    let Some(start) = file.size().checked_sub(u64::from(size)) else { return Ok(false) };
    let head = file.bytes(start, 8)?;
    Ok(be32(head, 0) == Some(size) && head.ends_with(b"mfra"))
}

/// Too many fragments to go through: looks for the last one from the end, and whether it is all there. Nothing before
/// `from`.
fn last_fragment(file: &Seen, from: u64) -> Judged {
    let mut end = file.size();
    for _ in 0..MAX_TAIL {
        let start = end.saturating_sub(MAX_READ as u64).max(from);
        let length = usize::try_from(end - start).unwrap_or(MAX_READ);
        let window = file.bytes(start, length)?;
        // `moof` with `mfhd` as its first child (§8.8.5), which is of one size.
        let is_fragment = |w: &&[u8]| w.get(4..8) == Some(b"moof") && w.get(8..) == Some(b"\0\0\0\x10mfhd");
        if let Some(at) = window.windows(16).rposition(|w| is_fragment(&w)) {
            return from_fragment(file, start + at as u64);
        }
        if start <= from {
            break;
        }
        end = start + 15;
    }
    Ok(Wholeness::Unknown)
}

fn from_fragment(file: &Seen, mut at: u64) -> Judged {
    let mut found = Found { movie: true, fragmented: true, ..Found::default() };
    for _ in 0..16 {
        match next(file, at)? {
            Next::Box { kind, body, end } if end <= file.size() => {
                found.passed(file, kind, body, end)?;
                at = end;
            }
            Next::Box { kind, .. } if is_known(kind) => return Ok(found.overrun(kind)),
            Next::Box { .. } | Next::Open(_) | Next::Padding | Next::Trailer => break,
        }
    }
    Ok(found.verdict())
}
