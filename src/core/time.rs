//! Moments, as values. Nothing here reads a clock.
//!
//! # Decisions
//! - Deadlines are [`BootTime`]: it counts suspend and nobody can set it. The wall clock of a rig without a battery
//!   starts in 1970 and jumps by years; it serves only for what people read and as a hint after a reboot.
//! - A moment that goes to disk is a whole [`Now`], boot id included: within one boot its age is exact whatever
//!   happened to the wall clock, and across boots we at least know that we only have the wall clock's word.
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Time since the kernel started, suspend included (`CLOCK_BOOTTIME`). Comparable only within one boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(pub Duration);

impl BootTime {
    /// Microseconds, as D-Bus and the kernel's own interfaces count them. Saturates after 584,000 years.
    pub fn as_micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }

    /// The inverse of [`BootTime::as_micros`].
    pub fn from_micros(micros: u64) -> BootTime {
        BootTime(Duration::from_micros(micros))
    }

    /// How long until this moment; zero when it has passed.
    pub fn since(self, earlier: BootTime) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for BootTime {
    type Output = BootTime;
    fn add(self, d: Duration) -> BootTime {
        BootTime(self.0.saturating_add(d))
    }
}

impl Sub<Duration> for BootTime {
    type Output = BootTime;
    fn sub(self, d: Duration) -> BootTime {
        BootTime(self.0.saturating_sub(d))
    }
}

/// Seconds since 1970 by the rig's own clock, which may be wrong by years and may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(pub i64);

impl WallTime {
    /// 2001-01-01. No date before it was ever meant: a clock that was never set writes 1970, and a card that knows no time
    /// 1980.
    pub const FIRST: WallTime = WallTime(978_307_200);
}

impl WallTime {
    /// The time that a build script has written down, in decimal digits; anything else does not compile where the result
    /// is a constant.
    pub const fn of_build(digits: &str) -> WallTime {
        let (bytes, mut seconds, mut i) = (digits.as_bytes(), 0_i64, 0);
        while i < bytes.len() {
            assert!(bytes[i].is_ascii_digit(), "a build time is a number");
            seconds = seconds * 10 + (bytes[i] - b'0') as i64;
            i += 1;
        }
        WallTime(seconds)
    }
}

/// One run of the kernel (`/proc/sys/kernel/random/boot_id`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootId(pub u128);

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl BootId {
    /// Reads 32 hexadecimal digits, hyphens allowed; `None` for anything else.
    pub fn parse(text: &str) -> Option<BootId> {
        let hex: String = text.trim().chars().filter(|c| *c != '-').collect();
        (hex.len() == 32).then(|| u128::from_str_radix(&hex, 16).ok().map(BootId)).flatten()
    }
}

/// All clocks, read together; passed as an argument to everything that needs the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Which boot `boot` belongs to.
    pub boot_id: BootId,
    /// For deadlines.
    pub boot: BootTime,
    /// For people, and for ages across boots.
    pub wall: WallTime,
}

impl Now {
    /// How long ago `then` was. Exact within one boot; across boots by the wall clock, and `None` where that can't be
    /// right (the moment would lie in the future).
    pub fn age_of(&self, then: Now) -> Option<Duration> {
        if then.boot_id == self.boot_id {
            return Some(self.boot.since(then.boot));
        }
        u64::try_from(self.wall.0.checked_sub(then.wall.0)?).ok().map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(id: u128, boot: u64, wall: i64) -> Now {
        Now { boot_id: BootId(id), boot: BootTime(Duration::from_secs(boot)), wall: WallTime(wall) }
    }

    #[test]
    fn within_a_boot_the_wall_clock_does_not_matter() {
        let (then, now) = (at(1, 100, 0), at(1, 160, 1_790_000_000));
        assert_eq!(now.age_of(then), Some(Duration::from_secs(60)));
        let stepped_back = at(1, 160, -5_000_000);
        assert_eq!(stepped_back.age_of(then), Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_build_s_time_is_a_number() {
        for (digits, seconds) in [("", 0), ("7", 7), ("1790000123", 1_790_000_123)] {
            assert_eq!(WallTime::of_build(digits), WallTime(seconds));
        }
        assert!(std::panic::catch_unwind(|| WallTime::of_build("12a")).is_err());
    }

    #[test]
    fn a_moment_is_counted_in_microseconds() {
        let moment = BootTime(Duration::new(7, 1_999));
        assert_eq!(moment.as_micros(), 7_000_001);
        assert_eq!(BootTime::from_micros(7_000_001), BootTime(Duration::from_micros(7_000_001)));
        assert_eq!(BootTime(Duration::MAX).as_micros(), u64::MAX);
    }

    #[test]
    fn across_boots_a_negative_age_is_no_age() {
        assert_eq!(at(2, 5, 1_000).age_of(at(1, 900, 400)), Some(Duration::from_secs(600)));
        assert_eq!(at(2, 5, 30).age_of(at(1, 900, 1_790_000_000)), None);
        assert_eq!(at(2, 5, i64::MIN).age_of(at(1, 900, 1)), None);
    }

    #[test]
    fn a_boot_id_survives_the_round_trip() {
        let id = BootId::parse("0f8fad5b-d9cb-469f-a165-70867728950e\n").unwrap();
        assert_eq!(BootId::parse(&id.to_string()), Some(id));
        for bad in ["", "xyz", "0f8fad5bd9cb469fa16570867728950", "0f8fad5bd9cb469fa16570867728950e00"] {
            assert_eq!(BootId::parse(bad), None, "{bad}");
        }
    }
}
