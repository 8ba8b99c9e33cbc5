//! Telling systemd how it goes (`sd_notify`). Without systemd nothing is said.
//!
//! # Decisions
//! - What systemd has kept is taken by `sd-listen-fds`, which takes it as owned: `sd-notify` gives numbers, and what is not
//!   owned can't be closed.
use std::path::PathBuf;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::media::FdStore;

/// What the environment asked for when the program started.
#[derive(Debug)]
pub struct Notify {
    watchdog: Option<Duration>,
}

impl Notify {
    /// Reads `NOTIFY_SOCKET` at each message and `WATCHDOG_USEC` now.
    pub fn from_environment() -> Notify {
        Notify { watchdog: sd_notify::watchdog_enabled().map(|limit| limit / 2) }
    }

    /// How often the watchdog wants to be fed: half its limit.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The name is owned and every property tells the truth; or a reload is over.
    pub fn ready(&self, status: &str) {
        self.say(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The configuration is being read again; [`Notify::ready`] follows.
    pub fn reloading(&self) {
        self.say(&[NotifyState::Reloading]);
    }

    /// For `systemctl status`.
    pub fn status(&self, status: &str) {
        self.say(&[NotifyState::Status(status)]);
    }

    /// An orderly stop has begun.
    pub fn stopping(&self) {
        self.say(&[NotifyState::Stopping]);
    }

    /// Every task has answered.
    pub fn alive(&self) {
        self.say(&[NotifyState::Watchdog]);
    }

    /// The descriptors that systemd has kept, once, and where more are brought to.
    pub fn fd_store(&self) -> FdStore {
        let socket = std::env::var_os("NOTIFY_SOCKET").map(PathBuf::from);
        let kept = sd_listen_fds::get().unwrap_or_default();
        let kept = kept.into_iter().map(|(name, fd)| (name.unwrap_or_default(), fd.into_std())).collect();
        FdStore { socket, kept }
    }

    fn say(&self, state: &[NotifyState<'_>]) {
        if let Err(e) = sd_notify::notify(state) {
            tracing::debug!("systemd does not listen: {e}");
        }
    }
}
