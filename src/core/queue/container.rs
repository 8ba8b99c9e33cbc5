//! Whether a media file is cut off, as its own sizes and ends tell: a few bounded reads, and nothing is decoded.
//!
//! A [`Check`] says what it wants read; its caller reads, and says what was there. What a file is, its first bytes
//! tell, and not its name.
//!
//! | Format | What is there | Verdict |
//! | --- | --- | --- |
//! | any | no byte | [`Cut::Empty`] |
//! | | fewer bytes than its size says | [`Cut::Shrank`] |
//! | not known, or not told within the bounds | – | unknown |
//! | MP4, MOV, HEIF and their kin | a box is longer than the file, and the index stands before it | [`Cut::Short`] |
//! | | a fragment without its media | [`Cut::Short`] |
//! | | no index: no `moov`, or no `meta` of a picture | [`Cut::NoIndex`] |
//! | | boxes that add up, index and media | whole |
//! | | the same, and zeros, or the data of Insta360 | whole |
//! | | the same, and bytes that are no box | unknown |
//! | | the same, media last, which ends with zeros | unknown |
//! | | an index without media, or media of no size; a sequence of pictures without a movie | unknown |
//! | | fragments, with their index at the end | whole |
//! | | fragments that add up, without one; segments of a stream | unknown |
//! | MXF | a random index at the end, and the last partition that it lists | whole |
//! | | the same, and zeros | whole |
//! | | a footer is told of and the file ends before it, or the header is open and there is none | [`Cut::NoFooter`] |
//! | | a part is longer than the file | [`Cut::Short`] |
//! | | parts that add up, without a random index; something else at the footer's place | unknown |
//! | WAV, RF64, BW64, AVI, W64, AIFF | no size: nothing, or all ones that nothing explains | [`Cut::Unfinished`] |
//! | | `data` of no size, and bytes behind it | [`Cut::Unfinished`] |
//! | | the whole or a chunk is longer than the file | [`Cut::Short`] |
//! | | chunks that add up, the media among them; further RIFFs of an AVI that do; padding | whole |
//! | | the same, and other bytes; a size that is too large by a header; no media | unknown |
//! | CAF | a chunk is longer than the file | [`Cut::Short`] |
//! | | chunks that add up; `data` that goes on to the end of the file | unknown |
//! | JPEG | coded data to the last byte, or the header is cut | [`Cut::NoEnd`] |
//! | | an end of image at the end, but for zeros, and the images that its index counts | whole |
//! | | the trailer of Samsung or of Insta360, to its end | whole |
//! | | images that its index counts are missing, and it ends in the middle of one | [`Cut::NoEnd`] |
//! | | the same, and it ends with one; other bytes behind the image | unknown |
//!
//! What can't be told: bytes of padding that are missing; a cut at the very seam of two parts that nothing counts
//! together (media boxes behind an index, the RIFFs of an AVI, images that follow each other without an index); and
//! what is missing within the sizes, where a copy took its room first and sound may well be zeros.
//!
//! A whole file of a few seconds costs at most 8 reads and 96 KiB: `containers` among the queue's tests holds that for
//! twenty kinds that ffmpeg writes. No file costs more than [`MAX_READS`] and [`MAX_BYTES`].
//!
//! # Decisions
//! - Cut is only what is cut for certain: a good clip that is held back costs more than a bad one that is sent. Whole
//!   is only what has its sign. Everything else is unknown, and whoever asks goes by the file's silence.
//! - Written here. `mp4san` 0.5 refuses a box that it does not know, and every maker has some; `shiguredo_mp4` says
//!   what to read, as this does, but wants all of an index at once and looks at nothing behind it; `mxf` and `riff`
//!   read for themselves, and `mxf` panics where a read fails.
mod isobmff;
mod jpeg;
mod mxf;
mod riff;
mod seen;
mod verdict;

use seen::{Judged, Seen, Wanted};

pub use seen::MAX_READ;
pub use verdict::{Cut, Wholeness};

/// The most reads of one check.
pub const MAX_READS: usize = 64;
/// The most bytes of all its reads, which it holds until it is done.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A look at one file.
#[derive(Debug)]
pub struct Check {
    seen: Seen,
    step: Option<Step>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read there, and say what was read. Never beyond the size that was said.
    Read {
        /// From the file's beginning.
        offset: u64,
        /// Bytes: at least one, at most [`MAX_READ`].
        length: usize,
    },
    /// That is all.
    Done(Wholeness),
}

impl Check {
    /// Of a file of so many bytes; no file system has larger ones than 2⁶³ − 1.
    pub fn new(size: u64) -> Check {
        Check { seen: Seen::new(size.min(i64::MAX as u64)), step: None }
    }

    /// What to read first. Later: the same as the last answer.
    pub fn start(&mut self) -> Step {
        match self.step {
            Some(step) => step,
            None => self.go(),
        }
    }

    /// The bytes that were asked for. Fewer: the file has shrunk, and is [`Cut::Shrank`]; more are not looked at.
    pub fn read(&mut self, bytes: &[u8]) -> Step {
        let Step::Read { offset, length } = self.start() else { return self.start() };
        match bytes.get(..length) {
            Some(bytes) => {
                self.seen.keep(Wanted { offset, length }, bytes);
                self.go()
            }
            None => self.done(Wholeness::Cut(Cut::Shrank)),
        }
    }

    fn go(&mut self) -> Step {
        match judge(&self.seen) {
            Ok(wholeness) => self.done(wholeness),
            Err(Wanted { length, .. })
                if self.seen.reads() >= MAX_READS || self.seen.held() + length > MAX_BYTES =>
            {
                self.done(Wholeness::Unknown)
            }
            Err(Wanted { offset, length }) => *self.step.insert(Step::Read { offset, length }),
        }
    }

    fn done(&mut self, wholeness: Wholeness) -> Step {
        self.seen.clear();
        *self.step.insert(Step::Done(wholeness))
    }
}

fn judge(file: &Seen) -> Judged {
    if file.size() == 0 {
        return Ok(Wholeness::Cut(Cut::Empty));
    }
    let head = file.bytes(0, 32)?;
    if isobmff::begins(head) {
        return isobmff::judge(file);
    }
    if jpeg::begins(head) {
        return jpeg::judge(file);
    }
    if let Some(kind) = riff::begins(head) {
        return riff::judge(file, kind);
    }
    // The longest run-in, and a key.
    let start = match mxf::begins(head) {
        Some(start) => Some(start),
        None => mxf::begins(file.bytes(0, MAX_READ)?),
    };
    match start {
        Some(start) => mxf::judge(file, start),
        None => Ok(Wholeness::Unknown),
    }
}

#[cfg(test)]
mod tests;
