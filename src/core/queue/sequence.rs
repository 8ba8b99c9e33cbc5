//! What a sequence is: a clip of which each frame is a file. CinemaDNG, ARRIRAW, scans, plates.
//!
//! # Decisions
//! - By names: frames have a format that frames have, the same stem, and numbers that follow each other in one folder. So
//!   a frame shows by the one before or after it, or by a folder that is called like the stem, as Blackmagic, ARRI, DJI,
//!   Atomos and Sigma call it. What is looked up is two names, however long the sequence is.
//! - DNG and TIFF are photographs as well, and photographs are numbered too. Those of a camera lie in DCIM or a folder of
//!   it, or are called by DCF (JEITA CP-3461): four characters and four digits. Renamed ones have few digits, and frames
//!   have five and more. CinemaDNG allows four: then the folder has to say it.
//! - Where nothing tells, a file is a still. It goes a little sooner than it might; the other way round a source that
//!   leaves sequences out would leave a photograph.
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Endings of formats that are frames whenever they are numbered: ARRIRAW, DPX, Cineon, OpenEXR, CinemaDNG, JPEG 2000.
const FRAMES: [&str; 7] = ["ari", "arx", "dpx", "cin", "exr", "cdng", "j2c"];
/// Endings of formats that are photographs as well.
const PHOTOGRAPHS: [&str; 3] = ["dng", "tif", "tiff"];
/// Digits that the number of a frame has at most: a year at 1000 frames a second has eleven.
const MOST_DIGITS: usize = 12;
/// Digits that it has at least where it may be a photograph's, in a folder with another name and in one with the same.
const LEAST_DIGITS: (usize, usize) = (5, 4);
/// The length of a name in DCF, without its ending.
const DCF: usize = 8;
/// Sequences that are told apart when they are counted; more are counted as one.
const MOST_SEQUENCES: usize = 1024;

/// A file that is called as a frame would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    folder: &'a Path,
    stem: &'a [u8],
    digits: &'a str,
    /// With its dot.
    ending: &'a [u8],
    is_photograph: bool,
    is_named_by_folder: bool,
}

impl<'a> Frame<'a> {
    /// Reads a path. `None`: no frame is called like that.
    pub fn of(path: &'a Path) -> Option<Frame<'a>> {
        let (folder, name) = (path.parent()?, path.file_name()?.as_bytes());
        let dot = name.iter().rposition(|b| *b == b'.')?;
        let (base, ending) = name.split_at(dot);
        let is_one_of =
            |endings: &[&str]| endings.iter().any(|e| ending[1..].eq_ignore_ascii_case(e.as_bytes()));
        let is_photograph = is_one_of(&PHOTOGRAPHS);
        if !is_photograph && !is_one_of(&FRAMES) {
            return None;
        }
        let (stem, digits) = base.split_at(base.len() - trailing_digits(base));
        let digits = std::str::from_utf8(digits).ok().filter(|d| (1..=MOST_DIGITS).contains(&d.len()))?;
        let is_named_by_folder = is_named(folder, stem);
        let frame = Frame { folder, stem, digits, ending, is_photograph, is_named_by_folder };
        (!is_photograph || frame.is_no_photograph(base)).then_some(frame)
    }

    fn is_no_photograph(&self, base: &[u8]) -> bool {
        let (anywhere, named) = LEAST_DIGITS;
        if is_in_dcim(self.folder) {
            return false;
        }
        if self.is_named_by_folder {
            return self.digits.len() >= named;
        }
        let is_dcf = base.len() == DCF && !self.stem.is_empty();
        self.digits.len() >= anywhere && !is_dcf
    }

    /// Whether it belongs to a sequence. `is_there`: whether there is a file with this path; asked for two at most.
    pub fn is_of_sequence(&self, mut is_there: impl FnMut(&Path) -> bool) -> bool {
        self.is_named_by_folder || self.neighbours().iter().any(|path| is_there(path))
    }

    /// The format is one of photographs too.
    pub fn is_photograph(&self) -> bool {
        self.is_photograph
    }

    /// What all frames of its sequence have in common: their path, with a `#` for each digit of the number.
    pub fn sequence(&self) -> PathBuf {
        self.folder.join(self.name(&"#".repeat(self.digits.len())))
    }

    /// The frames before and after it.
    fn neighbours(&self) -> Vec<PathBuf> {
        let width = self.digits.len();
        let Ok(number) = self.digits.parse::<u64>() else { return Vec::new() };
        let [after, before] = [number.checked_add(1), number.checked_sub(1)];
        let path = |n: u64| self.folder.join(self.name(&format!("{n:0width$}")));
        after.into_iter().chain(before).map(path).collect()
    }

    fn name(&self, number: &str) -> OsString {
        OsString::from_vec([self.stem, number.as_bytes(), self.ending].concat())
    }
}

fn trailing_digits(base: &[u8]) -> usize {
    base.iter().rev().take_while(|b| b.is_ascii_digit()).count()
}

/// The folder is called like the stem, without what parts that from the number.
fn is_named(folder: &Path, stem: &[u8]) -> bool {
    let end = stem.iter().rposition(|b| !b"_-. ".contains(b)).map_or(0, |last| last + 1);
    let name = folder.file_name().map(OsStr::as_bytes).unwrap_or_default();
    end > 0 && name.eq_ignore_ascii_case(&stem[..end])
}

/// In DCIM itself, or in a folder of it.
fn is_in_dcim(folder: &Path) -> bool {
    let is_dcim = |folder: &Path| folder.file_name().is_some_and(|name| name.eq_ignore_ascii_case("dcim"));
    is_dcim(folder) || folder.parent().is_some_and(is_dcim)
}

/// Frames that were left out, until they are told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Of each sequence, since the last telling.
    frames: BTreeMap<PathBuf, u64>,
    /// The most that was told of each.
    told: BTreeMap<PathBuf, u64>,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Files.
    pub frames: u64,
    /// Clips that they are frames of.
    pub sequences: u64,
}

impl Tally {
    /// One more frame of the sequence that [`Frame::sequence`] names. Bounded: of very many sequences some are one.
    pub fn count(&mut self, sequence: PathBuf) {
        let is_full = self.frames.len() >= MOST_SEQUENCES && !self.frames.contains_key(&sequence);
        *self.frames.entry(if is_full { PathBuf::new() } else { sequence }).or_default() += 1;
    }

    /// What was counted since it was last asked for. `None`: no more than was told already, as when the same card is
    /// looked through again.
    pub fn tell(&mut self) -> Option<Told> {
        let counted = std::mem::take(&mut self.frames);
        let told = Told { frames: counted.values().sum(), sequences: counted.len() as u64 };
        let is_news =
            |(sequence, n): (&PathBuf, &u64)| self.told.get(sequence).is_none_or(|before| before < n);
        if !counted.iter().any(is_news) {
            return None;
        }
        if self.told.len() + counted.len() > MOST_SEQUENCES {
            self.told.clear();
        }
        for (sequence, n) in counted {
            let most = self.told.entry(sequence).or_default();
            *most = n.max(*most);
        }
        Some(told)
    }
}

#[cfg(test)]
mod tests;
