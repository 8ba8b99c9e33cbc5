//! The device authorization grant (RFC 8628): codes, polls, and what the person answers.
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::channels;
use super::code::{Code, CodeState, CodeView, digits};
use super::device::Device;
use super::project::ProjectView;
use super::world::World;
use crate::clock::{Moment, millis};
use crate::error::SimError;
use crate::form::Fields;
use crate::options::SecretOnPoll;
use crate::reply::Reply;
use crate::secret;

/// A poll may be this much early: timers and networks are not exact.
const SLACK_MS: u64 = 50;

/// RFC 8628, section 3.5: `slow_down` adds five seconds to the interval from then on.
const SLOW_DOWN_MS: u64 = 5000;

/// Codes kept after their end, so that a late poll hears why.
const KEEP_CODES: usize = 500;

fn field<'a>(form: &'a Fields, name: &str) -> Result<&'a str, Reply> {
    form.get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Reply::oauth("bad_request"))
}

impl World {
    /// A device asks for a code. Returns the answer without the addresses, which only the server knows.
    pub(crate) fn request_code(
        &mut self,
        form: &Fields,
        version: Option<&str>,
        now: Moment,
    ) -> Result<Value, Reply> {
        let client_id = field(form, "client_id")?;
        let given = field(form, "client_secret")?;
        let scope = field(form, "scope")?;
        if client_id.len() > 255 {
            return Err(Reply::oauth("bad_request"));
        }
        if given != self.rules.client_secret {
            return Err(Reply::oauth("invalid_client"));
        }
        if !scope.split_whitespace().all(|word| matches!(word, "asset_create" | "offline")) {
            return Err(Reply::oauth("invalid_scope"));
        }
        for code in self.codes.iter_mut().filter(|code| code.client_id == client_id) {
            if matches!(code.state, CodeState::Pending | CodeState::Approved(_)) {
                code.state = CodeState::Superseded;
            }
        }
        let code = self.new_code(client_id, version, now);
        let answer = json!({
            "device_code": code.device_code,
            "expires_in": self.rules.lives.code_expires_in,
            "interval": self.rules.lives.interval,
            "name": code.name,
            "user_code": code.user_code,
        });
        if self.codes.len() >= KEEP_CODES {
            self.codes.remove(0);
        }
        self.codes.push(code);
        Ok(answer)
    }

    fn new_code(&self, client_id: &str, version: Option<&str>, now: Moment) -> Code {
        let taken = |digits: &String| self.codes.iter().any(|code| code.user_code == *digits);
        // Ten thousand tries always find one of a million codes while at most five hundred are kept.
        let user_code =
            (0..10_000).map(|_| secret::user_code()).find(|digits| !taken(digits)).unwrap_or_default();
        Code {
            device_code: secret::mint("device", &self.rules.marker),
            user_code,
            client_id: client_id.to_owned(),
            name: format!("MyDevice-{client_id}"),
            state: CodeState::Pending,
            issued_ms: now.ms,
            expires_ms: now.ms.saturating_add(millis(self.rules.lives.code_expires_in)),
            interval_ms: millis(self.rules.lives.interval),
            last_poll_ms: now.ms,
            client_version: version.map(str::to_owned),
        }
    }

    /// A device polls with its device code.
    pub(crate) fn poll(&mut self, form: &Fields, now: Moment) -> Result<Value, Reply> {
        let client_id = field(form, "client_id")?;
        let device_code = field(form, "device_code")?;
        self.check_poll_secret(form.get("client_secret").map(String::as_str))?;
        let Some(code) = self.codes.iter_mut().find(|code| code.device_code == device_code) else {
            return Err(Reply::oauth("invalid_grant"));
        };
        if code.client_id != client_id {
            return Err(Reply::oauth("invalid_client"));
        }
        if matches!(code.state, CodeState::Redeemed | CodeState::Superseded) {
            return Err(Reply::oauth("invalid_grant"));
        }
        if code.expires_ms <= now.ms {
            return Err(Reply::oauth("expired_token"));
        }
        let waited = now.ms.saturating_sub(code.last_poll_ms);
        let due = code.interval_ms;
        code.last_poll_ms = now.ms;
        if waited + SLACK_MS < due {
            code.interval_ms = due + SLOW_DOWN_MS;
            self.violation(format!("polled too fast: {client_id} waited {waited} ms of {due} ms"));
            return Err(Reply::oauth("slow_down"));
        }
        match code.state.clone() {
            CodeState::Pending => Err(Reply::oauth("authorization_pending")),
            CodeState::Denied => Err(Reply::oauth("access_denied")),
            CodeState::Redeemed | CodeState::Superseded => Err(Reply::oauth("invalid_grant")),
            CodeState::Approved(project) => {
                code.state = CodeState::Redeemed;
                let (name, version) = (code.name.clone(), code.client_version.clone());
                let client_id = client_id.to_owned();
                self.pair(&client_id, name, project, version, now);
                Ok(self.issue(&client_id, None, now))
            }
        }
    }

    fn check_poll_secret(&self, given: Option<&str>) -> Result<(), Reply> {
        match (self.rules.secret_on_poll, given) {
            (SecretOnPoll::Require, None) => Err(Reply::oauth("invalid_client")),
            (SecretOnPoll::Refuse, Some(_)) => Err(Reply::oauth("bad_request")),
            (SecretOnPoll::Accept | SecretOnPoll::Require, Some(secret)) => {
                let right = secret == self.rules.client_secret;
                right.then_some(()).ok_or_else(|| Reply::oauth("invalid_client"))
            }
            (SecretOnPoll::Accept | SecretOnPoll::Refuse, None) => Ok(()),
        }
    }

    /// An injected `slow_down` binds the client like a real one.
    pub(crate) fn slowed_down(&mut self, device_code: &str, now: Moment) {
        if let Some(code) = self.codes.iter_mut().find(|code| code.device_code == device_code) {
            code.interval_ms += SLOW_DOWN_MS;
            code.last_poll_ms = now.ms;
        }
    }

    fn pair(
        &mut self,
        client_id: &str,
        name: String,
        project: ProjectView,
        version: Option<String>,
        now: Moment,
    ) {
        self.kill_tokens(client_id);
        let stamp = now.wall.to_string();
        let old = self.devices.remove(client_id);
        let id = old.as_ref().map_or_else(secret::id, |device| device.id.clone());
        let device = Device {
            client_id: client_id.to_owned(),
            sockets: 0,
            channels: vec![channels::own(&id, &stamp)],
            id,
            authorization_id: secret::id(),
            name,
            project,
            forgotten: false,
            ends_ms: None,
            pauses: old.as_ref().map(|device| device.pauses.clone()).unwrap_or_default(),
            last_seen_ms: now.ms,
            last_seen: stamp.clone(),
            inserted_at: stamp,
            client_version: version,
            calls: BTreeMap::new(),
            heartbeats: old.map(|device| device.heartbeats).unwrap_or_default(),
            said_offline: false,
        };
        self.devices.insert(client_id.to_owned(), device);
    }

    /// The code a person means, while it can still be answered.
    pub(crate) fn open_code(&mut self, typed: &str, now: Moment) -> Result<&mut Code, SimError> {
        let wanted = digits(typed);
        let found = self.codes.iter_mut().rev().find(|code| code.user_code == wanted);
        let Some(code) = found else { return Err(SimError::NoSuchCode(typed.chars().take(20).collect())) };
        match code.state {
            CodeState::Superseded => Err(SimError::CodeExpired(wanted)),
            CodeState::Pending if code.expires_ms <= now.ms => Err(SimError::CodeExpired(wanted)),
            CodeState::Approved(_) | CodeState::Denied | CodeState::Redeemed => {
                Err(SimError::CodeUsed(wanted))
            }
            CodeState::Pending => Ok(code),
        }
    }

    /// The person says yes. Returns the device's client identifier.
    pub(crate) fn approve(&mut self, typed: &str, project: &str, now: Moment) -> Result<String, SimError> {
        let project = self.project(project)?;
        let code = self.open_code(typed, now)?;
        code.state = CodeState::Approved(project);
        Ok(code.client_id.clone())
    }

    /// The person says no. Returns the device's client identifier.
    pub(crate) fn deny(&mut self, typed: &str, now: Moment) -> Result<String, SimError> {
        let code = self.open_code(typed, now)?;
        code.state = CodeState::Denied;
        Ok(code.client_id.clone())
    }

    pub(super) fn auto_approve(&mut self, now: Moment) -> Vec<(String, String)> {
        let (Some(after), Some(project)) = (self.rules.auto_approve_ms, self.projects.first().cloned())
        else {
            return Vec::new();
        };
        let mut news = Vec::new();
        for code in &mut self.codes {
            let due = code.issued_ms.saturating_add(after) <= now.ms && now.ms < code.expires_ms;
            if due && code.state == CodeState::Pending {
                code.state = CodeState::Approved(project.clone());
                news.push((code.client_id.clone(), format!("approved by itself for {}", project.name)));
            }
        }
        news
    }

    /// Codes that are still open, oldest first.
    pub(crate) fn code_views(&self, now: Moment) -> Vec<CodeView> {
        let open = self.codes.iter().filter(|code| code.expires_ms > now.ms);
        let view = |code: &Code| {
            let state = match code.state {
                CodeState::Pending => "pending",
                CodeState::Approved(_) => "approved",
                CodeState::Denied | CodeState::Redeemed | CodeState::Superseded => return None,
            };
            Some(CodeView {
                user_code: code.user_code.clone(),
                client_id: code.client_id.clone(),
                name: code.name.clone(),
                expires_in: (code.expires_ms - now.ms) / 1000,
                state: state.to_owned(),
            })
        };
        open.filter_map(view).collect()
    }
}
