//! The whole cloud: what there is of everything, and what happens by the passing of time.
use std::collections::BTreeMap;
use std::time::Duration;

use super::asset::Asset;
use super::code::Code;
use super::device::Device;
use super::project::ProjectView;
use super::socket::Socket;
use super::token::Token;
use crate::clock::{Moment, millis};
use crate::error::SimError;
use crate::options::{DeviceModel, Lifetimes, SecretOnPoll, SimOptions};
use crate::secret;

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
    pub(crate) device_models: Vec<DeviceModel>,
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
    /// In the order of their numbers.
    pub(super) sockets: Vec<Socket>,
    pub(crate) violations: Vec<String>,
    /// Counts tokens, assets and sockets, to tell older from newer.
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
            device_models: options.device_models.clone(),
        };
        let project = |name: &String| ProjectView { id: secret::id_for(name), name: name.clone() };
        Self {
            rules,
            projects: options.projects.iter().map(project).collect(),
            codes: Vec::new(),
            devices: BTreeMap::new(),
            tokens: BTreeMap::new(),
            assets: BTreeMap::new(),
            sockets: Vec::new(),
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

    /// Gives a project another name. Its identifier, its devices and its clips stay with it.
    pub(crate) fn rename_project(&mut self, old: &str, new: &str) -> Result<(), SimError> {
        let id = self.project(old)?.id;
        if self.project(new).is_ok() {
            return Err(SimError::NameTaken(new.to_owned()));
        }
        let projects = self.projects.iter_mut();
        let projects = projects.chain(self.devices.values_mut().map(|device| &mut device.project));
        let approved = self.codes.iter_mut().filter_map(Code::project_mut);
        let clips = self.assets.values_mut().map(|asset| &mut asset.project);
        for project in projects.chain(approved).chain(clips).filter(|project| project.id == id) {
            new.clone_into(&mut project.name);
        }
        Ok(())
    }

    /// What happens by the mere passing of time: codes approved by themselves, pairings that reach their end,
    /// devices that fall silent and call again.
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
        let heard = |device: &mut Device| {
            let sentence = device.presence_news(now)?;
            Some((device.client_id.clone(), sentence.to_owned()))
        };
        news.extend(self.devices.values_mut().filter_map(heard));
        news
    }
}
