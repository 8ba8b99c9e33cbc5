//! What a file can turn out to be.
use std::fmt;

/// Whether a file is all that its format says it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wholeness {
    /// It has what its format ends with, or all the bytes that it counts.
    Whole,
    /// Something is missing for certain.
    Cut(Cut),
    /// Its format has no sign, or the sign was not found within the bounds.
    Unknown,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Every byte.
    Empty,
    /// It had fewer bytes than its size said: it changed while it was looked at.
    Shrank,
    /// The movie's or the picture's index, which is written when a recording ends, or comes before its media.
    NoIndex,
    /// The end of a part whose length is known.
    Short,
    /// The sizes that a recorder fills in when it stops.
    Unfinished,
    /// The footer that its first partition tells of, or needs.
    NoFooter,
    /// The end of the image.
    NoEnd,
}

impl Cut {
    /// For people; goes after the file's name.
    pub fn sentence(self) -> &'static str {
        match self {
            Cut::Empty => "is empty",
            Cut::Shrank => "became shorter while it was looked at",
            Cut::NoIndex => "has no index: its recording was not ended, or its end is missing",
            Cut::Short => "ends in the middle of a part: its end is missing",
            Cut::Unfinished => "has no sizes in its header: its recording was not ended",
            Cut::NoFooter => "has no footer: its recording was not ended, or its end is missing",
            Cut::NoEnd => "has no end of image: its end is missing",
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}
