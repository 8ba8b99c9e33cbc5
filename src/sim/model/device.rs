//! One paired device: its presence, its pauses, and how it is shown.
use std::collections::BTreeMap;

use serde::Serialize;

use super::channel::{Channel, ChannelView};
use super::project::ProjectView;
use crate::clock::Moment;

/// Five minutes without any call to the API and a device shows as offline.
const OFFLINE_AFTER_MS: u64 = 5 * 60 * 1000;

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
    /// Times of the latest calls of each kind that is limited.
    pub(crate) calls: BTreeMap<&'static str, Vec<u64>>,
    pub(crate) heartbeats: Heartbeats,
    /// The device's own first.
    pub(super) channels: Vec<Channel>,
    /// Open sockets that have joined.
    pub(super) sockets: u64,
    /// The log has said that it is offline.
    pub(crate) said_offline: bool,
}

/// What is known of a device's heartbeats.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heartbeats {
    pub(super) count: u64,
    pub(super) too_soon: u64,
    pub(super) last_ms: Option<u64>,
    pub(super) last: Option<String>,
}

impl Device {
    /// Whether its socket is open, or it called within the last five minutes. Parts go to the storage and do not count.
    fn online(&self, now: Moment) -> bool {
        self.sockets > 0 || now.ms.saturating_sub(self.last_seen_ms) < OFFLINE_AFTER_MS
    }

    pub(super) fn paused_now(&self) -> bool {
        self.pauses.iter().any(|(_, end)| end.is_none())
    }

    /// `online`, `offline`, `paused` or `forgotten`.
    pub(crate) fn status(&self, now: Moment) -> &'static str {
        if self.forgotten {
            "forgotten"
        } else if self.paused_now() {
            "paused"
        } else if self.online(now) {
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

    /// A sentence when presence has changed since the last one.
    pub(super) fn presence_news(&mut self, now: Moment) -> Option<&'static str> {
        let offline = !self.forgotten && !self.online(now);
        if offline == self.said_offline {
            return None;
        }
        self.said_offline = offline;
        match (offline, self.forgotten) {
            (true, _) => Some("went offline: no call for five minutes"),
            (false, true) => None,
            (false, false) => Some("is online again"),
        }
    }

    /// Whether a file made at `made` (milliseconds on the simulator's clock, possibly before its start) falls into
    /// a pause.
    pub(super) fn in_pause(&self, made: i64) -> bool {
        self.pauses.iter().any(|(start, end)| *start <= made && end.is_none_or(|end| made < end))
    }

    pub(super) fn view(&self, now: Moment) -> DeviceView {
        let stamp = |ms: i64| {
            let ago = jiff::SignedDuration::from_millis(now.ms.cast_signed().saturating_sub(ms));
            now.wall.saturating_sub(ago).unwrap_or(now.wall).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        };
        let pause =
            |(from, until): &(i64, Option<i64>)| PauseView { from: stamp(*from), until: until.map(stamp) };
        DeviceView {
            client_id: self.client_id.clone(),
            id: self.id.clone(),
            name: self.name.clone(),
            project: self.project.clone(),
            status: self.status(now).to_owned(),
            presence: if self.online(now) { "online" } else { "offline" }.to_owned(),
            last_seen_at: self.last_seen.clone(),
            quiet_seconds: now.ms.saturating_sub(self.last_seen_ms) / 1000,
            inserted_at: self.inserted_at.clone(),
            client_version: self.client_version.clone(),
            heartbeats: self.heartbeats.count,
            heartbeats_too_soon: self.heartbeats.too_soon,
            last_heartbeat_at: self.heartbeats.last.clone(),
            pauses: self.pauses.iter().map(pause).collect(),
            channels: self.channels.iter().map(Channel::view).collect(),
            sockets: self.sockets,
        }
    }
}

/// A time in which the device's media is not wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PauseView {
    /// RFC 3339.
    pub from: String,
    /// RFC 3339; `null` while it lasts.
    pub until: Option<String>,
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
    /// `online` or `offline`, whether paused or not: five minutes without a call to the API or a socket make the difference.
    /// Parts go to the storage and do not count.
    pub presence: String,
    /// When it last called the API, RFC 3339.
    pub last_seen_at: String,
    /// Seconds since then.
    pub quiet_seconds: u64,
    /// When it was paired, RFC 3339.
    pub inserted_at: String,
    /// The `x-client-version` of its last call.
    pub client_version: Option<String>,
    /// Heartbeats that arrived.
    pub heartbeats: u64,
    /// Those among them less than a minute after the one before; each is a violation too.
    pub heartbeats_too_soon: u64,
    /// When the last one arrived, RFC 3339.
    pub last_heartbeat_at: Option<String>,
    /// Its pauses, oldest first.
    pub pauses: Vec<PauseView>,
    /// Its channels, its own first.
    pub channels: Vec<ChannelView>,
    /// Open sockets that have joined its topic.
    pub sockets: u64,
}
