//! The two clocks that the command line reads: boot time for countdowns, wall time for what is compared with a date.
//!
//! # Decisions
//!
//! - rustix instead of `std::time`: the daemon counts in `CLOCK_BOOTTIME`, which the standard library does not offer.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Microseconds since the rig was started, suspend included.
pub(crate) fn boot_micros() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or_default() / 1000)
}

/// Whole seconds until a boot time in microseconds, rounded up; 0 when it has passed.
pub(crate) fn seconds_until(boot: u64) -> u64 {
    boot.saturating_sub(boot_micros()).div_ceil(1_000_000)
}

/// Unix time, in seconds, by the rig's own clock, right or wrong.
pub(crate) fn wall_seconds() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec
}

/// How often a countdown on the screen moves.
pub(crate) const TICK: Duration = Duration::from_millis(500);

/// A moment that far from now, for [`sleep_until`].
pub(crate) fn after(wait: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + wait
}

/// That moment has come.
pub(crate) fn is_over(moment: tokio::time::Instant) -> bool {
    moment <= tokio::time::Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a person or a script that waits, awake as the rig is; suspend only makes it longer"
)]
/// Waits for that moment; for ever where there is none.
pub(crate) async fn sleep_until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_the_past_is_zero_seconds_away() {
        assert_eq!(seconds_until(0), 0);
        let ahead = seconds_until(boot_micros() + 10_000_000);
        assert!((9..=10).contains(&ahead), "{ahead}");
    }
}
