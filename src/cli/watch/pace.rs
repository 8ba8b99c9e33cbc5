//! How fast something moves.
//!
//! # Decisions
//!
//! - The daemon tells bytes, not a rate for each clip. The last few seconds count, more recent ones for more: a number that
//!   jumps twice a second can't be read, and one that averages the whole clip says nothing about now.
//! - A clip has its turn some time before its first byte leaves: it is looked at, and asked for in the cloud. That time is
//!   not one in which it was sent slowly, so its speed counts from the first byte.

/// Seconds after which an old measurement has lost most of its weight.
const MEMORY: f64 = 5.0;

/// The speed of one clip.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<(u64, u64)>,
    /// Something has left since it was first looked at.
    moves: bool,
    rate: Option<f64>,
}

impl Pace {
    /// `sent` bytes at this boot time, in microseconds.
    pub(super) fn at(&mut self, sent: u64, micros: u64) {
        if let Some((bytes, before)) = self.last {
            let seconds = micros.saturating_sub(before) as f64 / 1e6;
            if seconds < 0.2 {
                return;
            }
            if !self.moves {
                // The first byte left at some time since: measured from here on.
                self.moves = sent > bytes;
                self.last = Some((sent, micros));
                return;
            }
            let now = sent.saturating_sub(bytes) as f64 / seconds;
            let weight = 1.0 - (-seconds / MEMORY).exp();
            self.rate = Some(self.rate.map_or(now, |rate| rate + weight * (now - rate)));
        }
        self.last = Some((sent, micros));
    }

    /// Bytes per second; 0 while nobody can say.
    pub(super) fn rate(&self) -> u64 {
        self.rate.unwrap_or_default().round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_speed_is_that_speed_and_a_stop_is_seen() {
        let mut pace = Pace::default();
        assert_eq!(pace.rate(), 0);
        for half in 0..20 {
            pace.at(half * 5_000_000, half * 500_000);
        }
        assert_eq!(pace.rate(), 10_000_000);
        for half in 20..60 {
            pace.at(95_000_000, half * 500_000);
        }
        assert!(pace.rate() < 500_000, "{}", pace.rate());
        // Looked at and asked for takes three seconds, in which nothing could leave.
        let mut late = Pace::default();
        for half in 0..7 {
            late.at(0, half * 500_000);
        }
        assert_eq!(late.rate(), 0);
        for half in 7..10 {
            late.at((half - 6) * 5_000_000, half * 500_000);
        }
        assert_eq!(late.rate(), 10_000_000, "and not an eighth of it");
        // Started over from its first part, the clock unchanged: no panic, no nonsense.
        pace.at(0, 30_000_000);
        assert!(pace.rate() < 500_000);
    }
}
