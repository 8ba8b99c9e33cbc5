//! The one place where the simulator looks at a clock.
//!
//! # Decisions
//! Lifetimes are counted on the monotonic clock from the simulator's start, so stepping the machine's wall
//! clock does not expire tokens. The wall clock is only printed (`Date`, `X-Amz-Date`, `inserted_at`), and the
//! skew a test asks for shifts exactly those. The other way round, [`Clock::advance`] lets time pass for everything
//! that has a life (tokens, upload addresses, presence, pauses) and leaves the dates alone, so that a test of a day
//! old upload is no test of a clock that is a day wrong. Tokio's pausable clock was rejected: tests of the daemon pause it
//! at will, and a server does not stop because its client does.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// One reading of both clocks. The model gets it as an argument and never asks for the time itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Milliseconds since the simulator started, monotonic, with what it was moved ahead.
    pub(crate) ms: u64,
    /// What the server believes the date is, skew included.
    pub(crate) wall: Timestamp,
}

/// The simulator's clock: a start, and the skew of the dates it shows.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    skew_seconds: AtomicI64,
    ahead_ms: AtomicU64,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the simulator's own clock access")]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), skew_seconds: AtomicI64::new(0), ahead_ms: AtomicU64::new(0) }
    }

    pub(crate) fn now(&self) -> Moment {
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let ms = ms.saturating_add(self.ahead_ms.load(Ordering::Relaxed));
        let skew = SignedDuration::from_secs(self.skew_seconds.load(Ordering::Relaxed));
        let wall = Timestamp::now();
        Moment { ms, wall: wall.saturating_add(skew).unwrap_or(wall) }
    }

    pub(crate) fn set_skew(&self, seconds: i64) {
        self.skew_seconds.store(seconds, Ordering::Relaxed);
    }

    /// Time passes: everything that has a life is this much older.
    pub(crate) fn advance(&self, seconds: u64) {
        self.ahead_ms.fetch_add(seconds.saturating_mul(1000), Ordering::Relaxed);
    }

    pub(crate) fn skew(&self) -> i64 {
        self.skew_seconds.load(Ordering::Relaxed)
    }
}

/// Waits on the machine's monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the simulator's own clock access; it need not run in suspend")]
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Seconds (as the protocol counts lifetimes) to whole milliseconds; negative and absurd values are clamped.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped on the line itself")]
pub(crate) fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).clamp(0.0, 1.0e15) as u64
}
