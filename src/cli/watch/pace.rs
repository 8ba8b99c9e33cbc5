//! How fast something moves, and how far the whole is.
//!
//! # Decisions
//!
//! - The daemon tells bytes, not a rate for each clip. The last few seconds count, more recent ones for more: a number that
//!   jumps twice a second can't be read, and one that averages the whole clip says nothing about now.

/// Seconds after which an old measurement has lost most of its weight.
const MEMORY: f64 = 5.0;

/// The speed of one clip.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<(u64, u64)>,
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

/// The whole: what was left when the queue was last empty of news, grown by what came since.
#[derive(Debug, Default)]
pub(super) struct Goal {
    left: u64,
    all: u64,
}

impl Goal {
    /// So much is left now.
    pub(super) fn left(&mut self, bytes: u64) {
        self.all = match self.left {
            0 => bytes,
            before => self.all + bytes.saturating_sub(before),
        };
        self.left = bytes;
    }

    /// Bytes sent, and all of them.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.all.saturating_sub(self.left), self.all)
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
        // Started over from its first part, the clock unchanged: no panic, no nonsense.
        pace.at(0, 30_000_000);
        assert!(pace.rate() < 500_000);
    }

    #[test]
    fn the_whole_grows_with_what_comes_and_starts_anew() {
        let mut goal = Goal::default();
        assert_eq!(goal.progress(), (0, 0));
        goal.left(100);
        goal.left(60);
        assert_eq!(goal.progress(), (40, 100));
        goal.left(160);
        assert_eq!(goal.progress(), (40, 200));
        goal.left(0);
        assert_eq!(goal.progress(), (200, 200));
        goal.left(50);
        assert_eq!(goal.progress(), (0, 50));
    }
}
