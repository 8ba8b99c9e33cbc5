//! Delays, as arithmetic; and the small random numbers that spread them.
use std::time::Duration;

/// `base`, doubled `attempt` times, at most `cap`.
pub fn doubled(base: Duration, attempt: u32, cap: Duration) -> Duration {
    base.saturating_mul(2u32.saturating_pow(attempt.min(30))).min(cap)
}

/// Doublings that are kept when a network comes up: the first waits after it are short again, but longer than networks
/// that flap do it.
pub const KEPT_DOUBLINGS: u32 = 2;

/// A stream of numbers for jitter: not secret, not repeated between rigs when seeded from the system's randomness.
///
/// # Decisions
/// - SplitMix64, six lines, so that the pure machines can be given a seed; nothing of it guards a secret.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// Uniform in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `delay` shortened by up to a quarter, so that a fleet does not come back in step.
    pub fn spread(&mut self, delay: Duration) -> Duration {
        delay.mul_f64(1.0 - 0.25 * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_stops_at_the_cap_and_never_overflows() {
        let (s, cap) = (Duration::from_secs(1), Duration::from_secs(60));
        for (attempt, secs) in [(0, 1), (1, 2), (5, 32), (6, 60), (40, 60), (u32::MAX, 60)] {
            assert_eq!(doubled(s, attempt, cap), Duration::from_secs(secs), "attempt {attempt}");
        }
    }

    #[test]
    fn the_stream_is_splitmix64() {
        // The first numbers of the reference implementation for the seed 0, of which a float holds the upper 53 bits.
        let mut j = Jitter::new(0);
        for expected in [0xE220_A839_7B1D_CDAF_u64, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F] {
            assert_eq!((j.unit() * (1u64 << 53) as f64) as u64, expected >> 11);
        }
    }

    #[test]
    fn jitter_stays_in_its_bounds_and_moves() {
        let mut j = Jitter::new(7);
        let d: Vec<_> = (0..1000).map(|_| j.spread(Duration::from_secs(100))).collect();
        assert!(d.iter().all(
            |d| *d > Duration::from_secs(75) - Duration::from_millis(1) && *d <= Duration::from_secs(100)
        ));
        assert!(
            d.iter().any(|d| *d < Duration::from_secs(80)) && d.iter().any(|d| *d > Duration::from_secs(95))
        );
    }
}
