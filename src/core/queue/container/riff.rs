//! WAV, RF64, BW64, AVI, and their kin W64, AIFF and CAF: chunks with sizes, most in one that says how long they are
//! together.
//!
//! Microsoft, *Multimedia Programming Interface and Data Specifications 1.0* (RIFF); *OpenDML AVI File Format
//! Extensions 1.02* (more than one RIFF); EBU Tech 3306 and ITU-R BS.2088 (`ds64`: sizes of 64 bits where those of 32
//! are all ones); Apple, *AIFF* and *Core Audio Format*; Sony Pictures Digital, *Wave64*.
//!
//! # Decisions
//! - A size of nothing, or all ones without `ds64`, is what a recorder writes when it starts and fills in when it
//!   stops. Only beyond 4 GiB all ones may be the best that a program without `ds64` can say.
//! - A size that is too large by a header's eight bytes is a known mistake of programs. Where the chunks add up all the
//!   same, the file is not called cut, nor whole.
//! - CAF says nowhere how long all of it is. A chunk that is longer than the file tells that it is cut, and nothing
//!   that it is whole.
//! - An odd chunk is followed by a byte of padding, but not by every program at the end.
use crate::queue::container::seen::{Judged, MAX_READ, Seen, Wanted, be32, be64, code, le32, le64};
use crate::queue::container::verdict::{Cut, Wholeness};

/// Chunks that are looked at.
const MAX_CHUNKS: usize = 4096;
/// What the size of the whole may be too large by.
const SLACK: u64 = 8;
/// Those of which we know what holds the media. The last is Wave64's.
const FORMS: [&[u8; 4]; 5] = [b"WAVE", b"AVI ", b"AIFF", b"AIFC", b"wave"];
const ONES: u64 = u32::MAX as u64;
/// The rest of the GUIDs of Wave64, whose first four bytes are letters: those of `riff`, and of the chunks.
const W64_RIFF: &[u8] = &[0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0x00, 0x00];

/// How the chunks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Riff,
    /// RF64 and BW64.
    Rf64,
    Aiff,
    W64,
    Caf,
}

#[derive(Clone, Copy)]
struct Chunk {
    id: [u8; 4],
    size: u64,
    body: u64,
}

/// What a file with these first bytes is.
pub(super) fn begins(head: &[u8]) -> Option<Kind> {
    match (&code(head, 0)?, &code(head, 8)?) {
        (b"RIFF", _) => Some(Kind::Riff),
        (b"RF64" | b"BW64", b"WAVE") => Some(Kind::Rf64),
        (b"FORM", b"AIFF" | b"AIFC") => Some(Kind::Aiff),
        (b"riff", _) if head.get(4..16) == Some(W64_RIFF) => Some(Kind::W64),
        (b"caff", _) => Some(Kind::Caf),
        _ => None,
    }
}

impl Kind {
    /// Key and size.
    fn header(self) -> u64 {
        match self {
            Kind::Riff | Kind::Rf64 | Kind::Aiff => 8,
            Kind::W64 => 24,
            Kind::Caf => 12,
        }
    }

    fn align(self, at: u64) -> u64 {
        match self {
            Kind::Riff | Kind::Rf64 | Kind::Aiff => at.saturating_add(at & 1),
            Kind::W64 => at.checked_next_multiple_of(8).unwrap_or(u64::MAX),
            Kind::Caf => at,
        }
    }

    /// `None`: too few bytes for another one.
    fn chunk(self, file: &Seen, at: u64) -> Result<Option<Chunk>, Wanted> {
        let head = file.bytes(at, 24)?;
        let size = match self {
            Kind::Riff | Kind::Rf64 => le32(head, 4).map(u64::from),
            Kind::Aiff => be32(head, 4).map(u64::from),
            // Of the chunk with its header.
            Kind::W64 => le64(head, 16).map(|size| size.saturating_sub(self.header())),
            Kind::Caf => be64(head, 4),
        };
        Ok(code(head, 0).zip(size).map(|(id, size)| Chunk {
            id,
            size,
            body: at.saturating_add(self.header()),
        }))
    }
}

impl Chunk {
    fn end(&self) -> u64 {
        self.body.saturating_add(self.size)
    }

    fn is_named(&self) -> bool {
        self.id.iter().all(|b| (0x20..0x7F).contains(b) || *b == 0xA9)
    }
}

pub(super) fn judge(file: &Seen, kind: Kind) -> Judged {
    if kind == Kind::Caf {
        // A header of eight bytes, and chunks to the end.
        return Chunks::new(kind, file.size(), None).walk(file, 8);
    }
    let Some(whole) = kind.chunk(file, 0)? else { return Ok(Wholeness::Unknown) };
    // Behind what it is of.
    let first = whole.body + if kind == Kind::W64 { 16 } else { 4 };
    match kind {
        Kind::Rf64 => {
            let Some(ds64) = kind.chunk(file, first)?.filter(|chunk| chunk.id == *b"ds64") else {
                return Ok(Wholeness::Unknown);
            };
            let sizes = file.bytes(ds64.body, 16)?;
            let (Some(riff), Some(data)) = (le64(sizes, 0), le64(sizes, 8)) else {
                return Ok(Wholeness::Cut(Cut::Short));
            };
            let size = if whole.size == ONES { riff } else { whole.size };
            riffs(file, kind, Chunk { size, ..whole }, first, Some(data))
        }
        Kind::Riff | Kind::Aiff | Kind::W64 | Kind::Caf => riffs(file, kind, whole, first, None),
    }
}

/// One chunk that holds the others, or several of an AVI, each of which says how long it is.
fn riffs(file: &Seen, kind: Kind, whole: Chunk, first: u64, data: Option<u64>) -> Judged {
    let (mut whole, mut first) = (whole, first);
    for _ in 0..MAX_CHUNKS {
        if is_unset(kind, whole.size) {
            let told = whole.size == 0 || file.size() <= ONES + kind.header();
            return Ok(if told { Wholeness::Cut(Cut::Unfinished) } else { Wholeness::Unknown });
        }
        let end = whole.end();
        if end > file.size().saturating_add(SLACK) {
            return Ok(Wholeness::Cut(Cut::Short));
        }
        let form = code(file.bytes(whole.body, 4)?, 0);
        let needs_media = form.is_some_and(|form| FORMS.contains(&&form));
        let verdict = Chunks { needs_media, ..Chunks::new(kind, end, data) }.walk(file, first)?;
        let next = kind.align(end);
        let Some(riff) =
            kind.chunk(file, next)?.filter(|riff| verdict == Wholeness::Whole && riff.id == *b"RIFF")
        else {
            return Ok(verdict);
        };
        (whole, first) = (riff, riff.body + 4);
    }
    Ok(Wholeness::Unknown)
}

fn is_unset(kind: Kind, size: u64) -> bool {
    match kind {
        Kind::Riff | Kind::Aiff => size == 0 || size == ONES,
        Kind::Rf64 | Kind::W64 => size == 0 || size >= i64::MAX as u64,
        // For the last chunk: to the end of the file.
        Kind::Caf => size == u64::MAX,
    }
}

/// The chunks within one.
struct Chunks {
    kind: Kind,
    /// Where they end, as the header says.
    end: u64,
    /// The size of `data` in `ds64`.
    data: Option<u64>,
    needs_media: bool,
    /// Its size.
    media: Option<u64>,
}

impl Chunks {
    fn new(kind: Kind, end: u64, data: Option<u64>) -> Chunks {
        Chunks { kind, end, data, needs_media: false, media: None }
    }

    fn walk(mut self, file: &Seen, first: u64) -> Judged {
        let mut at = first;
        for _ in 0..MAX_CHUNKS {
            if at >= self.end.min(file.size()) {
                return self.ended(file, at);
            }
            let Some(chunk) = self.kind.chunk(file, at)? else { return Ok(self.stub(file)) };
            let chunk = self.sized(chunk);
            if !chunk.is_named() {
                return Ok(self.unnamed());
            }
            if let Some(verdict) = self.note(file, chunk)? {
                return Ok(verdict);
            }
            at = match chunk.end() {
                end if end > file.size() => return Ok(Wholeness::Cut(Cut::Short)),
                end if end > self.end => return Ok(Wholeness::Unknown),
                end => self.kind.align(end),
            };
        }
        Ok(Wholeness::Unknown)
    }

    /// `ds64` says how long `data` is where 32 bits can't.
    fn sized(&self, chunk: Chunk) -> Chunk {
        match self.data {
            Some(size) if chunk.id == *b"data" && chunk.size == ONES => Chunk { size, ..chunk },
            Some(_) | None => chunk,
        }
    }

    /// Keeps in mind the chunk that holds the media. A verdict where its size was never filled in.
    fn note(&mut self, file: &Seen, chunk: Chunk) -> Result<Option<Wholeness>, Wanted> {
        let is_media = match &chunk.id {
            b"data" | b"SSND" => true,
            b"LIST" => code(file.bytes(chunk.body, 4)?, 0) == Some(*b"movi"),
            _ => false,
        };
        if !is_media {
            return Ok(None);
        }
        self.media = Some(chunk.size);
        let unset = match self.kind {
            Kind::Riff | Kind::Rf64 | Kind::Aiff | Kind::W64 => {
                chunk.id != *b"data" && chunk.size == 0 || chunk.size != 0 && is_unset(self.kind, chunk.size)
            }
            Kind::Caf => false,
        };
        if unset {
            return Ok(Some(Wholeness::Cut(Cut::Unfinished)));
        }
        // It goes on to the end of the file.
        Ok((self.kind == Kind::Caf && chunk.size == u64::MAX).then_some(Wholeness::Unknown))
    }

    /// Bytes that are no chunk.
    fn unnamed(&self) -> Wholeness {
        if self.media == Some(0) { Wholeness::Cut(Cut::Unfinished) } else { Wholeness::Unknown }
    }

    /// Too few bytes for a chunk.
    fn stub(&self, file: &Seen) -> Wholeness {
        if self.end <= file.size() { self.unnamed() } else { Wholeness::Cut(Cut::Short) }
    }

    /// All chunks have added up to what the header says, or to the file.
    fn ended(&self, file: &Seen, at: u64) -> Judged {
        if self.kind == Kind::Caf || self.end > file.size() || (self.needs_media && self.media.is_none()) {
            return Ok(Wholeness::Unknown);
        }
        let next = self.kind.chunk(file, at)?;
        if self.kind == Kind::Riff && next.is_some_and(|next| next.id == *b"RIFF") {
            return Ok(Wholeness::Whole);
        }
        if at < file.size() && (file.size() - at > MAX_READ as u64 || !file.is_padding(at)?) {
            return Ok(self.unnamed());
        }
        Ok(Wholeness::Whole)
    }
}
