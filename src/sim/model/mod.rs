//! The cloud as a model: codes, devices, tokens, assets, and the rules between them.
//!
//! Nothing here does input or output: every operation takes the [`Moment`] it happens at and answers with data,
//! or with the refusal to send. A client that breaks the protocol is not only refused, it is written down in
//! `violations`, so that a test can fail for it at the end.
//!
//! # Decisions
//! A model with rules instead of a list of canned answers: canned answers confirm whatever the client does,
//! a model contradicts it. State lives in memory only; a restarted simulator is a new cloud.

pub(crate) mod assets;
pub(crate) mod pairing;
pub(crate) mod tokens;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::clock::{Moment, millis};
use super::options::{Lifetimes, SecretOnPoll, SimOptions};
use super::secret;

use assets::Asset;
use pairing::Code;
use tokens::Token;

/// Five minutes without any call to the API and a device shows as offline.
const OFFLINE_AFTER_MS: u64 = 5 * 60 * 1000;

/// The settings the rules go by.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) lives: Lifetimes,
    pub(crate) client_secret: String,
    pub(crate) marker: String,
    pub(crate) secret_on_poll: SecretOnPoll,
    pub(crate) auto_approve_ms: Option<u64>,
    pub(crate) chunk_size: u64,
    pub(crate) enforce_rate_limit: bool,
}

/// A project clips can go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProjectView {
    /// Stable identifier, made from the name.
    pub id: String,
    /// The name people see.
    pub name: String,
}

/// A paired unit, as the cloud knows it.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) client_id: String,
    pub(crate) id: String,
    pub(crate) authorization_id: String,
    pub(crate) name: String,
    pub(crate) project: ProjectView,
    pub(crate) forgotten: bool,
    /// When the pairing ends by itself, if the person gave it an end.
    pub(crate) ends_ms: Option<u64>,
    /// Start and end of each pause; the last one may still run.
    pub(crate) pauses: Vec<(i64, Option<i64>)>,
    pub(crate) last_seen_ms: u64,
    pub(crate) last_seen: String,
    pub(crate) inserted_at: String,
    pub(crate) client_version: Option<String>,
    /// Times of the latest creations, for the rate limit.
    pub(crate) creations: Vec<u64>,
}

impl Device {
    /// `online`, `offline`, `paused` or `forgotten`.
    pub(crate) fn status(&self, now: Moment) -> &'static str {
        if self.forgotten {
            "forgotten"
        } else if self.pauses.last().is_some_and(|(_, end)| end.is_none()) {
            "paused"
        } else if now.ms.saturating_sub(self.last_seen_ms) < OFFLINE_AFTER_MS {
            "online"
        } else {
            "offline"
        }
    }

    pub(crate) fn seen(&mut self, now: Moment, version: Option<&str>) {
        self.last_seen_ms = now.ms;
        self.last_seen = now.wall.to_string();
        if let Some(version) = version {
            self.client_version = Some(version.to_owned());
        }
    }
}

/// A paired device, as tests and the page see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceView {
    /// The identity the device chose.
    pub client_id: String,
    /// The identity the cloud gave it.
    pub id: String,
    /// Display name.
    pub name: String,
    /// The project its clips go to.
    pub project: ProjectView,
    /// `online`, `offline`, `paused` or `forgotten`.
    pub status: String,
    /// When it last called, RFC 3339.
    pub last_seen_at: String,
    /// When it was paired, RFC 3339.
    pub inserted_at: String,
    /// The `x-client-version` of its last call.
    pub client_version: Option<String>,
}

/// Why a person's wish cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    /// No pending code of these digits.
    #[error("no device shows the code {0}")]
    NoSuchCode(String),
    /// The code was right, but too late.
    #[error("the code {0} has expired; the device shows a new one")]
    CodeExpired(String),
    /// The code was approved or denied before.
    #[error("the code {0} has been used already")]
    CodeUsed(String),
    /// No project of that name.
    #[error("there is no project named {0}")]
    NoSuchProject(String),
    /// No paired device with that client identifier.
    #[error("no paired device has the client id {0}")]
    NoSuchDevice(String),
    /// A fault description that says nothing known.
    #[error("{0}")]
    BadFault(String),
}

impl SimError {
    /// The name of the reason, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoSuchCode(_) => "no_such_code",
            Self::CodeExpired(_) => "code_expired",
            Self::CodeUsed(_) => "code_used",
            Self::NoSuchProject(_) => "no_such_project",
            Self::NoSuchDevice(_) => "no_such_device",
            Self::BadFault(_) => "bad_fault",
        }
    }
}

/// The whole cloud.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) projects: Vec<ProjectView>,
    pub(crate) codes: Vec<Code>,
    pub(crate) devices: BTreeMap<String, Device>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) assets: BTreeMap<String, Asset>,
    pub(crate) violations: Vec<String>,
    /// Counts tokens and assets, to tell older from newer.
    pub(crate) serial: u64,
}

impl World {
    pub(crate) fn new(options: &SimOptions) -> Self {
        let rules = Rules {
            lives: options.lifetimes(),
            client_secret: options.client_secret.clone(),
            marker: options.marker.clone(),
            secret_on_poll: options.secret_on_poll,
            auto_approve_ms: options.auto_approve_after.map(|after: Duration| millis(after.as_secs_f64())),
            chunk_size: options.chunk_size.max(1),
            enforce_rate_limit: options.enforce_rate_limit,
        };
        let project = |name: &String| ProjectView { id: secret::id_for(name), name: name.clone() };
        Self {
            rules,
            projects: options.projects.iter().map(project).collect(),
            codes: Vec::new(),
            devices: BTreeMap::new(),
            tokens: BTreeMap::new(),
            assets: BTreeMap::new(),
            violations: Vec::new(),
            serial: 0,
        }
    }

    pub(crate) fn violation(&mut self, text: String) {
        // Bounded, because a client in a tight loop would otherwise fill the memory with one sentence.
        if self.violations.len() < 10_000 {
            self.violations.push(text);
        }
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn project(&self, name: &str) -> Result<ProjectView, SimError> {
        let found = self.projects.iter().find(|project| project.name == name);
        found.cloned().ok_or_else(|| SimError::NoSuchProject(name.to_owned()))
    }

    pub(crate) fn device_mut(&mut self, client_id: &str) -> Result<&mut Device, SimError> {
        let paired = self.devices.get_mut(client_id).filter(|device| !device.forgotten);
        paired.ok_or_else(|| SimError::NoSuchDevice(client_id.to_owned()))
    }

    pub(crate) fn device_views(&self, now: Moment) -> Vec<DeviceView> {
        let view = |device: &Device| DeviceView {
            client_id: device.client_id.clone(),
            id: device.id.clone(),
            name: device.name.clone(),
            project: device.project.clone(),
            status: device.status(now).to_owned(),
            last_seen_at: device.last_seen.clone(),
            inserted_at: device.inserted_at.clone(),
            client_version: device.client_version.clone(),
        };
        self.devices.values().map(view).collect()
    }

    /// Forgets the device: its tokens die, its entry stays and says so.
    pub(crate) fn forget(&mut self, client_id: &str) -> Result<(), SimError> {
        self.device_mut(client_id)?.forgotten = true;
        self.kill_tokens(client_id);
        Ok(())
    }

    /// Opens a pause window now; a second pause changes nothing.
    pub(crate) fn pause(&mut self, client_id: &str, now: Moment) -> Result<(), SimError> {
        let device = self.device_mut(client_id)?;
        if device.pauses.last().is_none_or(|(_, end)| end.is_some()) {
            device.pauses.push((now.ms.cast_signed(), None));
        }
        Ok(())
    }

    /// Closes the pause window, if one is open.
    pub(crate) fn resume(&mut self, client_id: &str, now: Moment) -> Result<(), SimError> {
        let device = self.device_mut(client_id)?;
        if let Some((_, end @ None)) = device.pauses.last_mut() {
            *end = Some(now.ms.cast_signed());
        }
        Ok(())
    }

    /// Moves the device to another project, as after a new pairing elsewhere.
    pub(crate) fn move_device(&mut self, client_id: &str, project: &str) -> Result<(), SimError> {
        let project = self.project(project)?;
        self.device_mut(client_id)?.project = project;
        Ok(())
    }

    /// The id stays: clips go on into the same project.
    pub(crate) fn rename_project(&mut self, project: &str, name: &str) -> Result<(), SimError> {
        let id = self.project(project)?.id;
        let renamed = self.projects.iter_mut().chain(self.devices.values_mut().map(|d| &mut d.project));
        renamed.filter(|p| p.id == id).for_each(|p| name.clone_into(&mut p.name));
        Ok(())
    }

    /// What happens by the mere passing of time: codes approved by themselves, pairings that reach their end.
    /// Returns sentences for the log.
    pub(crate) fn tick(&mut self, now: Moment) -> Vec<(String, String)> {
        let mut news = self.auto_approve(now);
        let over = |device: &&Device| !device.forgotten && device.ends_ms.is_some_and(|end| end <= now.ms);
        let ended: Vec<String> =
            self.devices.values().filter(over).map(|device| device.client_id.clone()).collect();
        for client_id in ended {
            if self.forget(&client_id).is_ok() {
                news.push((client_id, "pairing reached its end".to_owned()));
            }
        }
        news
    }
}
