//! Why the daemon does not run.
//!
//! # Decisions
//!
//! - Asked before the bus is: one that is called starts the daemon, and waits for half a minute for one that can't start.
//! - Only what was seen is named: a mistake in the configuration as this user reads it, and what the service manager says of
//!   the unit. Where neither says anything, the daemon may start, and is asked. That it failed at some time says nothing: it is
//!   tried again.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use url::Url;
use zbus::{OwnedVariant, names};

use super::bus::{Daemon, Snapshot};
use super::exit::{ExitCode, Failure, group};
use super::{clock, text};
use rigpost_contract::error::ErrorName;
use rigpost_daemon::config::{ClientIdSource, ConfigError, Problem, Provider, Settings, load_installed};

/// The installed configuration.
pub(crate) const INSTALLED: &str = "/etc/rigpost/rigpost.toml";
const UNIT: &str = "rigpost.service";
const SYSTEMD: &str = "org.freedesktop.systemd1";
/// How often the service manager is asked while the daemon is being started.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Reads everything from a daemon that runs or starts; why it does not, where that is to be seen.
pub(crate) async fn read(daemon: &Daemon, config: &Path) -> Result<Snapshot, Failure> {
    let is_running = daemon.is_running().await.map_err(group)?;
    if let Some(why) = if is_running { None } else { why_not(daemon, config).await } {
        return Err(why);
    }
    let failing = async {
        let before = Unit::find(daemon).await;
        let before = match &before {
            Some(unit) => unit.last_exit().await,
            None => 0,
        };
        loop {
            clock::sleep_until(Some(clock::after(LOOK_EVERY))).await;
            if let Some(why) = of_unit(daemon, Tried::Since(before)).await {
                return why;
            }
        }
    };
    tokio::select! {
        now = daemon.read() => match now {
            Ok(now) => Ok(now),
            Err(error) if is_running => Err(group(error)),
            // What the bus says of a daemon that it could not start is less than the service manager knows by now.
            Err(error) => Err(of_unit(daemon, Tried::ToNoAvail).await.unwrap_or_else(|| group(error))),
        },
        why = failing, if !is_running => Err(why),
    }
}

/// Why a daemon that does not run can't be started; `None` where nothing is to be seen that keeps it from that.
async fn why_not(daemon: &Daemon, config: &Path) -> Option<Failure> {
    if let Err(error) = settings(config) {
        let lines: Vec<String> =
            error.problems.iter().filter(|p| !is_hidden(p)).map(Problem::to_string).collect();
        if !lines.is_empty() {
            return Some(Failure::new(
                ExitCode::Unreachable,
                format!("the daemon can't start: {}", text::clean(&lines.join("; "))),
                "correct that line, then: sudo systemctl restart rigpost",
            ));
        }
    }
    of_unit(daemon, Tried::Before).await
}

/// When the daemon was last started, as far as we know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// At some time: what kept it from running then may have been mended.
    Before,
    /// Because we asked for it; with when it had ended before that, as the service manager counts.
    Since(u64),
    /// Because we asked for it, and that came to nothing.
    ToNoAvail,
}

/// The configuration, as this user reads it.
pub(crate) fn configured(config: &Path) -> Result<Settings, ConfigError> {
    // The installed file may be missing, as for the daemon; one that is named must exist.
    load_installed((config != Path::new(INSTALLED)).then_some(config))
}

/// The server that stands in Frame.io's place, where one is named.
pub(crate) fn stand_in(provider: &Provider) -> Option<&Url> {
    let url = &provider.base_url;
    (provider.oauth.is_none() && *url != Settings::default().provider.base_url).then_some(url)
}

/// All that the daemon reads before it does anything.
fn settings(config: &Path) -> Result<Settings, ConfigError> {
    let settings = configured(config)?;
    settings.device.client_id.as_ref().map(ClientIdSource::resolve).transpose()?;
    Ok(settings)
}

/// It may be the daemon's to read, and is not ours.
pub(crate) fn is_hidden(problem: &Problem) -> bool {
    File::open(&problem.file).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

/// The daemon's unit, as the service manager knows it.
struct Unit<'a> {
    bus: &'a zbus::Connection,
    path: zbus::OwnedObjectPath,
}

const OF_UNIT: &str = "org.freedesktop.systemd1.Unit";
const OF_SERVICE: &str = "org.freedesktop.systemd1.Service";

impl<'a> Unit<'a> {
    /// Asked for without starting anything: not every system has a service manager.
    async fn find(daemon: &'a Daemon) -> Option<Self> {
        let bus = daemon.bus();
        let (manager, path) = (Some("org.freedesktop.systemd1.Manager"), "/org/freedesktop/systemd1");
        let owned = zbus::fdo::DBusProxy::new(bus).await.ok()?;
        owned.name_has_owner(names::BusName::try_from(SYSTEMD).ok()?).await.ok().filter(|owned| *owned)?;
        let answer = bus.call_method(Some(SYSTEMD), path, manager, "LoadUnit", &UNIT).await.ok()?;
        let path = answer.body().deserialize::<zbus::ObjectPath<'_>>().ok()?.into();
        Some(Self { bus, path })
    }

    async fn get<T: TryFrom<OwnedVariant>>(&self, interface: &str, name: &str) -> Option<T> {
        let properties = Some("org.freedesktop.DBus.Properties");
        let answer = self
            .bus
            .call_method(Some(SYSTEMD), &self.path, properties, "Get", &(interface, name))
            .await
            .ok()?;
        T::try_from(answer.body().deserialize::<OwnedVariant>().ok()?).ok()
    }

    async fn word(&self, interface: &str, name: &str) -> String {
        self.get(interface, name).await.unwrap_or_default()
    }

    /// When its last process ended; 0: none has.
    async fn last_exit(&self) -> u64 {
        self.get(OF_SERVICE, "ExecMainExitTimestampMonotonic").await.unwrap_or_default()
    }

    /// It has failed, as far as that says something of now.
    async fn has_failed(&self, tried: Tried) -> bool {
        let counts = match tried {
            Tried::Before => false,
            Tried::Since(before) => self.last_exit().await != before,
            Tried::ToNoAvail => true,
        };
        counts && self.word(OF_UNIT, "ActiveState").await == "failed"
    }

    /// It fails and is started again, and that not for the first time.
    async fn fails_again(&self) -> bool {
        let restarts: u32 = self.get(OF_SERVICE, "NRestarts").await.unwrap_or_default();
        restarts > 1 && self.word(OF_UNIT, "SubState").await == "auto-restart"
    }
}

/// What the service manager says of a daemon that failed; `None` where it says nothing, or is not there.
async fn of_unit(daemon: &Daemon, tried: Tried) -> Option<Failure> {
    let unit = Unit::find(daemon).await?;
    if unit.word(OF_UNIT, "LoadState").await == "masked" {
        return Some(Failure::new(
            ExitCode::Unreachable,
            format!("the daemon can't start: {UNIT} is masked"),
            "sudo systemctl unmask rigpost, then: sudo systemctl start rigpost",
        ));
    }
    let failed = unit.has_failed(tried).await;
    if !failed && !unit.fails_again().await {
        return None;
    }
    let status: i32 = unit.get(OF_SERVICE, "ExecMainStatus").await.unwrap_or_default();
    let what = ended(&unit.word(OF_SERVICE, "Result").await, status);
    let again = if failed { "" } else { "; it is started again and again" };
    Some(Failure::new(
        ExitCode::Unreachable,
        format!("the daemon can't start: {what}{again}"),
        ErrorName::NoReply.advice(),
    ))
}

/// How the last run ended, by the service manager's words.
fn ended(result: &str, status: i32) -> String {
    match (result, status) {
        // As the daemon ends where it does not take its configuration.
        ("exit-code", 78) => "it did not take its configuration (exit status 78)".to_owned(),
        ("exit-code", status) => format!("it ended with exit status {status}"),
        ("signal" | "core-dump", status) => format!("it was killed by signal {status}"),
        (result, _) => format!("the service manager says \"{}\"", text::clean(result)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_said_in_words() {
        assert_eq!(ended("exit-code", 1), "it ended with exit status 1");
        assert!(ended("exit-code", 78).contains("configuration"));
        assert_eq!(ended("signal", 9), "it was killed by signal 9");
        assert_eq!(ended("resources", 0), "the service manager says \"resources\"");
    }

    #[test]
    fn a_file_that_only_the_daemon_may_read_is_no_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rigpost.toml");
        std::fs::write(&path, "[state]\ndir = 7\n").unwrap();
        let problem = settings(&path).unwrap_err().problems.remove(0);
        assert_eq!(problem.line, Some(2));
        assert!(!is_hidden(&problem));
        assert!(!is_hidden(&Problem { file: dir.path().join("gone"), ..problem }));
    }
}
