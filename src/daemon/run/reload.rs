//! `systemctl reload`: the configuration is read again, all of it or nothing.
//!
//! # Decisions
//! - What a running task can take without losing its place is applied: what the queue accepts, and the log level. With
//!   identity, provider, database and key everything else was opened: a change there is named, and waits for a restart.
//! - A configuration with a mistake changes nothing. `systemctl status` says so until it is mended: the person who wrote
//!   it may look only there.
use std::path::PathBuf;

use tokio::sync::watch;
use tracing::{error, info, warn};

use super::logging::LogLevel;
use super::wiring::for_uploads;
use crate::config::{self, ClientIdSource, ConfigError, Settings};
use crate::tasks::UploadSettings;
use rigpost_core::time::WallTime;

/// Holds what is in force, and hands out what changes.
pub(super) struct Reloader {
    config_path: Option<PathBuf>,
    in_force: Settings,
    log: LogLevel,
    queue: watch::Sender<UploadSettings>,
    notice: String,
    built: WallTime,
}

impl Reloader {
    pub(super) fn new(
        config_path: Option<PathBuf>,
        in_force: Settings,
        log: LogLevel,
        queue: watch::Sender<UploadSettings>,
        built: WallTime,
    ) -> Reloader {
        Reloader { config_path, in_force, log, queue, notice: String::new(), built }
    }

    /// Reads the files again and applies what they say. Blocks on the disk in another thread.
    pub(super) async fn reload(&mut self) {
        let path = self.config_path.clone();
        match tokio::task::spawn_blocking(move || read(path)).await {
            Ok(Ok(settings)) => self.apply(settings),
            Ok(Err(e)) => {
                e.problems.iter().for_each(|problem| error!("{problem}"));
                self.notice = refusal(&e);
                warn!("the configuration was not taken; what was in force before stays so");
            }
            Err(e) => error!("the configuration can't be read: {e}"),
        }
    }

    fn apply(&mut self, settings: Settings) {
        let waiting = waiting_for_restart(&self.in_force, &settings);
        self.log.set(settings.log.level);
        self.queue.send_replace(for_uploads(&settings, self.built));
        let Settings { classes, queue, log, .. } = settings;
        (self.in_force.classes, self.in_force.queue, self.in_force.log) = (classes, queue, log);
        self.notice = match waiting.as_slice() {
            [] => String::new(),
            some => format!("changes in {} wait for a restart", some.join(", ")),
        };
        info!("configuration reloaded");
        if !waiting.is_empty() {
            warn!("{}", self.notice);
        }
    }

    /// For the status line: what the last reload left undone, or nothing.
    pub(super) fn notice(&self) -> &str {
        &self.notice
    }
}

/// As at the start, so that what is taken here is taken there too.
fn read(config_path: Option<PathBuf>) -> Result<Settings, ConfigError> {
    let settings = config::load_installed(config_path.as_deref())?;
    settings.device.client_id.as_ref().map(ClientIdSource::resolve).transpose()?;
    Ok(settings)
}

fn refusal(e: &ConfigError) -> String {
    let first = e.problems.first().map(ToString::to_string).unwrap_or_default();
    let more = match e.problems.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    format!("the changed configuration was not taken: {first}{more}")
}

/// The sections that differ in what is not applied to a running daemon.
fn waiting_for_restart(in_force: &Settings, wanted: &Settings) -> Vec<&'static str> {
    // Every section is named, so that a new one is not forgotten.
    let Settings { device, provider, delivery, state, tokens, vault, sources, classes: _, queue: _, log: _ } =
        wanted;
    let differs = [
        ("[device]", in_force.device != *device),
        ("[provider]", in_force.provider != *provider),
        ("[delivery]", in_force.delivery != *delivery),
        ("[state]", in_force.state != *state),
        ("[tokens]", in_force.tokens != *tokens),
        ("[vault]", in_force.vault != *vault),
        ("[[source]]", in_force.sources != *sources),
    ];
    differs.iter().filter(|(_, differs)| *differs).map(|(section, _)| *section).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rigpost_core::queue::class::{Classes, ConfiguredClass};
    use rigpost_core::queue::source::Source;

    use super::*;
    use crate::config::keys::{Change, SECTIONS};
    use crate::config::{Delivery, Level};

    /// A change of this section.
    fn change(section: &str, s: &mut Settings) {
        match section {
            "device" => s.device.client_id = Some(ClientIdSource::Literal("SN-1".to_owned())),
            "provider" => s.provider.heartbeat = Some(Duration::from_secs(60)),
            "delivery" => s.delivery = Delivery::None,
            "tokens" => s.tokens.allow = true,
            "state" => s.state.dir = "/srv".into(),
            "vault" => s.vault.key_file = "/srv/key".into(),
            "queue" => s.queue.max_items = 7,
            "source" => s.sources.push(Source::default()),
            "class" => {
                s.classes = Classes::new(vec![ConfiguredClass {
                    name: "proxy".to_owned(),
                    priority: Some(1),
                    patterns: vec![],
                }]);
            }
            "log" => s.log.level = Level::Debug,
            other => panic!("a new section [{other}]"),
        }
    }

    #[test]
    fn what_waits_for_a_restart_is_what_people_are_told() {
        for section in SECTIONS {
            let mut changed = Settings::default();
            change(section.name, &mut changed);
            assert_ne!(changed, Settings::default(), "{}", section.name);
            let waiting = waiting_for_restart(&Settings::default(), &changed);
            let names: Vec<&str> = waiting.iter().map(|name| name.trim_matches(['[', ']'])).collect();
            let told = (section.change == Change::Restart).then_some(section.name);
            assert_eq!(names, Vec::from_iter(told));
        }
    }
}
