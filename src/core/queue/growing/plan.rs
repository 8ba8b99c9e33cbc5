//! How a clip that is still being recorded is cut into parts: by a rule, so that a number says where its part lies.
//!
//! # Decisions
//! - The first parts have the least size that the cloud takes, so that the first minute is there early; later ones grow
//!   with the square of their number, so that the longest clip fits the most parts. A take of ten minutes at 20 Mbit/s has
//!   parts of less than 7 MiB: what is left to send when it stops stays short.
//! - Numbers begin at 0, as everywhere in the house; the cloud's begin at 1.

/// The least that a part has, but for the last (contract §5.4).
pub const LEAST: u64 = 5 << 20;
/// The most parts (contract §5.4).
pub const MOST_PARTS: u32 = 10_000;
/// The longest clip (contract §5.4): 5 TiB.
pub const LONGEST: u64 = 5 << 40;
/// A part is longer than the first by so many bytes times the square of its number.
const GROWTH: u64 = 17;

/// The bytes of part `n`, where the clip does not end in it.
pub fn part_len(n: u32) -> u64 {
    let n = u64::from(n);
    LEAST + GROWTH * n * n
}

/// Where part `n` begins.
pub fn start(n: u32) -> u64 {
    let n = u64::from(n);
    // The sum of the squares below n.
    let squares = n.saturating_sub(1) * n * (2 * n).saturating_sub(1) / 6;
    LEAST * n + GROWTH * squares
}

/// Parts from the first on that are whole within `bytes`, with at least one more byte behind them: the last part of a clip
/// is told to be the last, so none is sent that could turn out to be it.
pub fn whole_within(bytes: u64) -> u32 {
    let (mut within, mut beyond) = (0, MOST_PARTS);
    while beyond - within > 1 {
        let middle = within + (beyond - within) / 2;
        if start(middle) < bytes { within = middle } else { beyond = middle }
    }
    within
}

/// The last part of a clip of `size` bytes, which are at least one.
pub fn last_part(size: u64) -> u32 {
    whole_within(size)
}

/// Where part `n` lies in a clip of `size` bytes: offset and length.
pub fn range(n: u32, size: u64) -> (u64, u64) {
    let from = start(n);
    (from, part_len(n).min(size.saturating_sub(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_clip_fits_and_no_part_is_too_small() {
        assert!(start(MOST_PARTS) >= LONGEST, "{} parts hold {}", MOST_PARTS, start(MOST_PARTS));
        assert_eq!(last_part(LONGEST).max(MOST_PARTS - 1), MOST_PARTS - 1);
        let mut next = 0;
        for n in 0..MOST_PARTS {
            assert_eq!(start(n), next, "{n}");
            assert!(part_len(n) >= LEAST && part_len(n) <= 5 << 30, "{n}");
            next += part_len(n);
        }
    }

    #[test]
    fn parts_cover_a_clip_exactly_once() {
        for size in
            [1, LEAST - 1, LEAST, LEAST + 1, 10 * LEAST, 1_500_000_000, start(77), start(77) + 1, LONGEST]
        {
            let last = last_part(size);
            let mut next = 0;
            for n in 0..=last {
                let (from, len) = range(n, size);
                assert_eq!(from, next, "{size}: part {n}");
                assert!(len > 0 && (n == last || len == part_len(n)), "{size}: part {n} of {last}");
                next = from + len;
            }
            assert_eq!(next, size);
        }
    }

    #[test]
    fn a_part_is_whole_only_with_a_byte_behind_it() {
        for n in [0, 1, 2, 50, MOST_PARTS - 1] {
            assert_eq!(whole_within(start(n + 1)), n, "{n}");
            if n + 1 < MOST_PARTS {
                assert_eq!(whole_within(start(n + 1) + 1), n + 1, "{n}");
            }
        }
        assert_eq!(whole_within(0), 0);
    }

    #[test]
    fn ten_minutes_at_20_mbit_end_in_a_short_part() {
        let (_, tail) = (last_part(1_500_000_000), part_len(last_part(1_500_000_000)));
        assert!(tail < 7 << 20, "{tail}");
    }
}
