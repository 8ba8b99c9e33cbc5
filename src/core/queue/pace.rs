//! How fast bytes may leave: a token bucket that every part takes from in turn.
//!
//! # Decisions
//! - A taker reserves the next slot and waits for it, instead of trying again until there is enough: slots are given in
//!   the order of asking, so parts are served alike, and nobody wakes up for nothing.
//! - A sixteenth of a second's bytes at a time, 64 KiB at most: a narrow limit is an even trickle and not a burst every
//!   few seconds, and a wide one costs no more wake-ups than reads.
use std::time::Duration;

use crate::time::BootTime;

/// The most that leaves at once, besides what an idle bucket has saved, which is as much again.
pub const MOST: usize = 64 * 1024;
const LEAST: usize = 1024;

/// What a part may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Send this many bytes from that moment on; it may have passed already.
    At(BootTime, usize),
    /// Nothing leaves until [`Pace::freeze`] says otherwise.
    Frozen,
}

/// The bucket. After a change of the limit or the freeze, those who wait for a slot ask again.
#[derive(Debug, Default)]
pub struct Pace {
    /// Bytes per second; `None` for as fast as the link takes them.
    limit: Option<u64>,
    frozen: bool,
    /// When the next slot begins.
    next: BootTime,
}

impl Pace {
    /// Bytes per second for all parts together; `None` and zero for no limit. True if that changed anything.
    #[must_use]
    pub fn set_limit(&mut self, limit: Option<u64>, now: BootTime) -> bool {
        let limit = limit.filter(|l| *l > 0);
        let changed = self.limit != limit;
        if changed {
            self.limit = limit;
            self.start_over(now);
        }
        changed
    }

    /// Nothing leaves while frozen. True if that changed anything.
    #[must_use]
    pub fn freeze(&mut self, frozen: bool, now: BootTime) -> bool {
        let changed = self.frozen != frozen;
        if changed {
            self.frozen = frozen;
            self.start_over(now);
        }
        changed
    }

    /// Nothing is in the way: every taker may go at once.
    pub fn open(&self) -> bool {
        self.limit.is_none() && !self.frozen
    }

    /// Reserves a slot for up to `want` bytes. One that is not used is lost, as the time that it stood for is.
    pub fn take(&mut self, want: usize, now: BootTime) -> Pass {
        if self.frozen {
            return Pass::Frozen;
        }
        let Some(limit) = self.limit else { return Pass::At(now, want.min(MOST)) };
        let portion = usize::try_from(limit / 16).unwrap_or(MOST).clamp(LEAST, MOST);
        // What a late timer or a slow disk left unused is caught up, up to one portion.
        let saved = now - time_for(portion, limit);
        let at = self.next.max(saved);
        let bytes = want.min(portion);
        self.next = at + time_for(bytes, limit);
        Pass::At(at, bytes)
    }

    /// Slots that nobody has used yet are void.
    fn start_over(&mut self, now: BootTime) {
        self.next = now;
    }
}

fn time_for(bytes: usize, limit: u64) -> Duration {
    let nanos = (bytes as u128).saturating_mul(1_000_000_000) / u128::from(limit.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts that each take a slot, wait for it and a little longer, and take the next. What each has sent by the end.
    struct Parts {
        pace: Pace,
        /// When each goes on, and with how many bytes.
        waiting: Vec<(BootTime, usize)>,
        sent: Vec<u64>,
        late: Duration,
    }

    impl Parts {
        fn new(count: usize, limit: u64, late: Duration) -> Parts {
            let mut pace = Pace::default();
            assert!(pace.set_limit(Some(limit), BootTime::default()));
            Parts { pace, waiting: vec![(BootTime::default(), 0); count], sent: vec![0; count], late }
        }

        /// All the bytes that left before `until`.
        fn run(&mut self, until: BootTime) -> u64 {
            let before: u64 = self.sent.iter().sum();
            loop {
                let part = (0..self.waiting.len()).min_by_key(|i| self.waiting[*i].0).unwrap();
                let (now, bytes) = self.waiting[part];
                if now >= until {
                    return self.sent.iter().sum::<u64>() - before;
                }
                self.sent[part] += bytes as u64;
                self.waiting[part] = match self.pace.take(usize::MAX, now) {
                    Pass::At(at, bytes) => {
                        (at.max(now) + if at > now { self.late } else { Duration::ZERO }, bytes)
                    }
                    Pass::Frozen => panic!("not frozen"),
                };
            }
        }

        /// What the parts do when the limit changes under them.
        fn change(&mut self, limit: u64, now: BootTime) {
            assert!(self.pace.set_limit(Some(limit), now));
            self.waiting.fill((now, 0));
        }
    }

    fn secs(s: u64) -> BootTime {
        BootTime(Duration::from_secs(s))
    }

    #[test]
    fn the_limit_is_held_and_every_part_gets_its_share() {
        let table = [
            // Bytes per second, parts, how late every timer is (microseconds).
            (16_000, 1, 0),
            (16_000, 8, 5_000),
            (125_000, 3, 1_000),
            (1_250_000, 1, 1_000),
            (1_250_000, 8, 1_000),
            (12_500_000, 1, 1_000),
            (12_500_000, 8, 2_000),
            (50_000_000, 4, 500),
        ];
        for (limit, count, late) in table {
            let mut parts = Parts::new(count, limit, Duration::from_micros(late));
            let sent = parts.run(secs(10));
            let wanted = limit * 10;
            let off = sent.abs_diff(wanted);
            assert!(off <= wanted / 20, "{limit} B/s, {count} parts: {sent} of {wanted}");
            let (least, most) = (*parts.sent.iter().min().unwrap(), *parts.sent.iter().max().unwrap());
            assert!(most - least <= 2 * MOST as u64, "{limit} B/s: between {least} and {most}");
        }
    }

    #[test]
    fn no_more_than_a_burst_leaves_at_once() {
        for limit in [1, 1_000, 100_000, 1_000_000, 1_000_000_000] {
            let mut pace = Pace::default();
            assert!(pace.set_limit(Some(limit), BootTime::default()));
            // An hour of saving.
            let (now, mut burst) = (secs(3600), 0);
            while let Pass::At(at, bytes) = pace.take(usize::MAX, now) {
                if at > now {
                    break;
                }
                burst += bytes;
            }
            assert!(burst > 0 && burst <= 2 * MOST, "{limit}: {burst}");
        }
    }

    #[test]
    fn a_new_limit_holds_from_the_moment_it_is_set() {
        let mut parts = Parts::new(4, 10_000, Duration::from_millis(1));
        parts.run(secs(10));
        parts.change(1_000_000, secs(10));
        let sent = parts.run(secs(20));
        assert!((9_500_000..=10_500_000).contains(&sent), "{sent}");
        parts.change(20_000, secs(20));
        let sent = parts.run(secs(30));
        assert!((190_000..=210_000).contains(&sent), "{sent}");
    }

    #[test]
    fn no_limit_and_zero_are_the_same() {
        let mut pace = Pace::default();
        assert!(pace.open() && !pace.set_limit(Some(0), secs(1)), "zero is no limit");
        assert_eq!(pace.take(usize::MAX, secs(1)), Pass::At(secs(1), MOST));
        assert!(pace.set_limit(Some(5), secs(1)) && !pace.open());
        assert!(!pace.set_limit(Some(5), secs(1)), "the same again changes nothing");
        assert!(pace.set_limit(None, secs(1)) && pace.open());
    }

    #[test]
    fn frozen_is_frozen_with_and_without_a_limit() {
        let mut pace = Pace::default();
        assert!(pace.freeze(true, secs(1)) && !pace.open());
        assert_eq!(pace.take(1, secs(100)), Pass::Frozen);
        assert!(pace.set_limit(Some(1_000), secs(100)));
        assert_eq!(pace.take(1, secs(101)), Pass::Frozen);
        assert!(pace.freeze(false, secs(200)));
        assert_eq!(
            pace.take(usize::MAX, secs(200)),
            Pass::At(secs(200), 1024),
            "nothing was saved meanwhile"
        );
    }
}
