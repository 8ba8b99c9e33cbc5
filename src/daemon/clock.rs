//! The one place that reads clocks, and sleeps that survive suspend.
//!
//! # Decisions
//! - A `timerfd` on `CLOCK_BOOTTIME`, and not tokio's timers in slices: those stand still in suspend, so they would have
//!   to wake an idle board every minute to notice. This one fires on time, after any suspend, and wakes nobody before.
#![expect(clippy::disallowed_methods, reason = "the clock itself")]
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use rigpost_core::time::{BootId, BootTime, Now, WallTime};

/// The clocks a program lives by.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The kernel's.
    System {
        /// Read once: it never changes.
        boot_id: BootId,
    },
    /// Follows tokio's clock, which tests pause; `wall` is what the rig's clock reads at `epoch`.
    Virtual {
        /// Boot.
        epoch: tokio::time::Instant,
        /// Unix seconds.
        wall: i64,
    },
}

impl Clock {
    /// The kernel's clocks. Where the boot id can't be read, ages across restarts fall back to the wall clock.
    pub fn system() -> Clock {
        let boot_id =
            std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().and_then(|t| BootId::parse(&t));
        Clock::System { boot_id: boot_id.unwrap_or_else(|| BootId(u128::from(std::process::id()) << 64)) }
    }

    /// All clocks, now.
    pub fn now(&self) -> Now {
        match self {
            Clock::System { boot_id } => {
                let boot = clock_gettime(ClockId::Boottime);
                let since = Duration::new(
                    u64::try_from(boot.tv_sec).unwrap_or(0),
                    u32::try_from(boot.tv_nsec).unwrap_or(0),
                );
                Now { boot_id: *boot_id, boot: BootTime(since), wall: wall() }
            }
            Clock::Virtual { epoch, wall } => {
                let d = epoch.elapsed();
                let secs = i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
                Now { boot_id: BootId(1), boot: BootTime(d), wall: WallTime(wall.saturating_add(secs)) }
            }
        }
    }

    /// Returns at the deadline or soon after, suspend or not. Dropping it cancels it.
    pub async fn sleep_until(&self, deadline: BootTime) {
        let left = deadline.since(self.now().boot);
        if left.is_zero() {
            return;
        }
        match self {
            Clock::Virtual { .. } => tokio::time::sleep(left).await,
            Clock::System { .. } => match boot_timer(deadline) {
                Ok(timer) => {
                    // Readable once the time has come; the timer is used once, so nobody reads it.
                    if timer.readable().await.is_err() {
                        tokio::time::sleep(left).await;
                    }
                }
                // No file descriptor to be had: late after a suspend is better than never.
                Err(_) => tokio::time::sleep(left).await,
            },
        }
    }

    /// Returns when somebody has set the wall clock (NTP after a start in 1970, a person). Costs nothing until then.
    pub async fn stepped(&self) {
        match self {
            Clock::Virtual { .. } => std::future::pending().await,
            Clock::System { .. } => match set_watch() {
                Ok(watch) => {
                    // `timerfd_create(2)`: a timer that is cancelled on set becomes readable, and its read fails so.
                    while let Ok(mut ready) = watch.readable().await {
                        let mut count = [0u8; 8];
                        match rustix::io::read(watch.get_ref(), &mut count) {
                            Err(rustix::io::Errno::CANCELED) => return,
                            Ok(_) | Err(_) => ready.clear_ready(),
                        }
                    }
                    std::future::pending().await
                }
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// For `select!`: never returns when there is nothing to wait for.
    pub async fn sleep_until_some(&self, deadline: Option<BootTime>) {
        match deadline {
            Some(at) => self.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

fn set_watch() -> std::io::Result<AsyncFd<OwnedFd>> {
    let watch = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let never = Itimerspec {
        it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
        it_value: Timespec { tv_sec: i64::MAX / 2_000_000_000, tv_nsec: 0 },
    };
    timerfd_settime(&watch, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &never)?;
    register(watch)
}

/// Through the C library, as TLS reads it, and not by a system call of our own: what gives one program another time, as
/// libfaketime does, changes it there, and the two must never differ.
fn wall() -> WallTime {
    let secs = |d: Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
    WallTime(match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => secs(since),
        Err(before) => -secs(before.duration()),
    })
}

fn boot_timer(deadline: BootTime) -> std::io::Result<AsyncFd<OwnedFd>> {
    let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let at = Timespec {
        tv_sec: i64::try_from(deadline.0.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(deadline.0.subsec_nanos()),
    };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &once)?;
    register(timer)
}

fn register(timer: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "deprecated for types whose descriptor may change under it; an OwnedFd's can't"
    )]
    AsyncFd::with_interest(timer, Interest::READABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_boot_timer_fires_at_its_time_and_not_before() {
        let clock = Clock::system();
        let deadline = clock.now().boot + Duration::from_millis(60);
        clock.sleep_until(deadline).await;
        assert!(clock.now().boot >= deadline);
        clock.sleep_until(deadline).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_virtual_clock_follows_tokio() {
        let clock = Clock::Virtual { epoch: tokio::time::Instant::now(), wall: 1_000 };
        clock.sleep_until(BootTime(Duration::from_secs(86_400))).await;
        assert_eq!(clock.now().wall, WallTime(87_400));
    }
}
