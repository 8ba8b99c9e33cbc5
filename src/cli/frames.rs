//! What the cloud's pace means for many clips, and for sequences, of which each frame is one.
//!
//! # Decisions
//! - Said when somebody adds them, because it is then that they can still choose: no line is fast enough to change it.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::text;
use rigpost_core::queue::schedule::{CREATE_EVERY, MOST_IN_A_SECOND};
use rigpost_core::queue::sequence::Frame;

/// Frames among what is added.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    pub(crate) count: u64,
    sequences: BTreeSet<PathBuf>,
}

impl Frames {
    /// Whether this file is a frame of a sequence. Looks for the one before or after it on the disk.
    pub(crate) fn is_one(&mut self, path: &Path) -> bool {
        let is_there = |other: &Path| other.symlink_metadata().is_ok();
        let frame = Frame::of(path).filter(|frame| frame.is_of_sequence(is_there));
        if let Some(frame) = frame {
            self.count += 1;
            self.sequences.insert(frame.sequence());
        }
        frame.is_some()
    }

    /// "3 frames of 1 sequence"
    pub(crate) fn said(&self) -> String {
        let (frames, sequences) =
            (text::count(self.count, "frame"), text::count(self.sequences.len() as u64, "sequence"));
        format!("{frames} of {sequences}")
    }
}

/// A clause: how long so many clips take at least, however small they are and however fast the line is.
pub(crate) fn pace(clips: u64) -> String {
    let a_second = Duration::from_secs(1).div_duration_f64(CREATE_EVERY);
    let seconds = CREATE_EVERY.as_millis().saturating_mul(u128::from(clips)).div_ceil(1000);
    let least = text::duration(u64::try_from(seconds).unwrap_or(u64::MAX));
    format!(
        "the cloud takes at most {MOST_IN_A_SECOND} new clips a second from all devices of one person, and this rig asks for {a_second}: \
         {} need at least {least} on any line",
        text::count(clips, "clip")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_frames_takes_six() {
        let said = pace(86_400);
        assert!(said.ends_with("86400 clips need at least 6 h on any line"), "{said}");
        assert!(said.contains("at most 5 new clips") && said.contains("asks for 4:"), "{said}");
        assert!(pace(3).ends_with("3 clips need at least 1 s on any line"));
    }

    #[test]
    fn frames_are_told_by_what_lies_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut frames = Frames::default();
        for (name, is_one) in [
            ("A01_000001.dng", true),
            ("A01_000002.dng", true),
            ("A.0001.ari", true),
            ("A.0002.ari", true),
            ("B01_000009.dng", false),
            ("C.mov", false),
        ] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
            // What comes after it is there before anybody looks.
            std::fs::write(dir.path().join("A01_000002.dng"), b"x").unwrap();
            std::fs::write(dir.path().join("A.0002.ari"), b"x").unwrap();
            assert_eq!(frames.is_one(&dir.path().join(name)), is_one, "{name}");
        }
        assert_eq!(frames.said(), "4 frames of 2 sequences");
    }
}
