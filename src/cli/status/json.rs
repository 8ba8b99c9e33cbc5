//! What `rigpost status --json` prints. Keys are stable: they may be added to, never renamed.

use serde::Serialize;

use crate::bus::{Blocker, Device, Item, Pairing, Queue, Snapshot};
use crate::{clock, words};

/// The whole object. Every property of the daemon is in it; times that the daemon counts from its start are given as
/// seconds from now, `null` when there is none.
#[derive(Serialize)]
pub(crate) struct Status {
    /// One sentence for a person.
    summary: String,
    /// What to do next, if anything.
    next: Option<String>,
    device: DeviceJson,
    pairing: PairingJson,
    queue: QueueJson,
}

#[derive(Serialize)]
struct DeviceJson {
    version: String,
    device_id: String,
    provider: String,
    protection: String,
    clock_trusted: bool,
    online: bool,
    safe_to_power_off: bool,
    blockers: Vec<Blocker>,
}

/// Properties of the pairing.
#[derive(Serialize)]
pub(crate) struct PairingJson {
    state: String,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_code: Option<String>,
    verification_uri: String,
    /// Where the link leads, in ASCII letters; empty where there is none.
    verification_host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_uri_complete: Option<String>,
    code_expires_in: Option<u64>,
    device_name: String,
    project_id: String,
    project_name: String,
    authorized_by: String,
    /// Unix seconds.
    authorization_expires: Option<i64>,
    access_expires_in: Option<u64>,
    /// Unix seconds.
    refreshed_at: Option<i64>,
    /// Former authorizations of which the provider has not heard.
    revocations_pending: u32,
}

#[derive(Debug, Serialize)]
struct ChannelJson {
    source: String,
    state: String,
    channel: u32,
    detail: String,
}

impl ChannelJson {
    fn new((source, state, channel, detail): (String, String, u32, String)) -> Self {
        Self { source, state, channel, detail }
    }
}

#[derive(Serialize)]
struct QueueJson {
    paused: bool,
    recording: bool,
    /// Bytes per second; `null`: no limit.
    bandwidth_limit: Option<u64>,
    files_left: u32,
    bytes_left: u64,
    files_total: u32,
    bytes_total: u64,
    retry_in: Option<u64>,
    held: u32,
    away: u32,
    incomplete: u32,
    failed: u32,
    orphans: u32,
    missing_sources: Vec<String>,
    channels: Vec<ChannelJson>,
    rate: u64,
    current: Vec<Item>,
}

impl Status {
    /// Builds the object. `with_code`: put in the code, and the link that contains it.
    pub(crate) fn new(now: &Snapshot, with_code: bool) -> Self {
        Self {
            summary: words::summary(&now.pairing, &now.device.provider),
            next: words::next(now),
            device: device(&now.device),
            pairing: PairingJson::new(&now.pairing, with_code),
            queue: queue(&now.queue),
        }
    }
}

fn device(from: &Device) -> DeviceJson {
    let from = from.clone();
    DeviceJson {
        version: from.version,
        device_id: from.device_id,
        provider: from.provider,
        protection: from.protection,
        clock_trusted: from.clock_trusted,
        online: from.online,
        safe_to_power_off: from.safe_to_power_off,
        blockers: from.blockers,
    }
}

impl PairingJson {
    /// `with_code`: put in the code, and the link that contains it.
    pub(crate) fn new(from: &Pairing, with_code: bool) -> Self {
        let verification_host = words::host(from);
        let from = from.clone();
        Self {
            state: from.state,
            reason: from.reason,
            user_code: with_code.then_some(from.user_code),
            verification_uri: from.verification_uri,
            verification_host,
            verification_uri_complete: with_code.then_some(from.verification_uri_complete),
            code_expires_in: seconds_until(from.code_expires_at),
            device_name: from.device_name,
            project_id: from.project_id,
            project_name: from.project_name,
            authorized_by: from.authorized_by,
            authorization_expires: (from.authorization_expires != 0).then_some(from.authorization_expires),
            access_expires_in: seconds_until(from.access_expires_at),
            refreshed_at: (from.refreshed_at != 0).then_some(from.refreshed_at),
            revocations_pending: from.revocations_pending,
        }
    }
}

/// `None` where there is no such time.
fn seconds_until(boot: u64) -> Option<u64> {
    (boot != 0).then(|| clock::seconds_until(boot))
}

fn queue(from: &Queue) -> QueueJson {
    let from = from.clone();
    QueueJson {
        paused: from.paused,
        recording: from.recording,
        bandwidth_limit: (from.bandwidth_limit != 0).then_some(from.bandwidth_limit),
        files_left: from.files_left,
        bytes_left: from.bytes_left,
        files_total: from.files_total,
        bytes_total: from.bytes_total,
        retry_in: seconds_until(from.retry_at),
        held: from.held,
        away: from.away,
        incomplete: from.incomplete,
        failed: from.failed,
        orphans: from.orphans,
        missing_sources: from.missing_sources,
        channels: from.channels.into_iter().map(ChannelJson::new).collect(),
        rate: from.rate,
        current: from.current,
    }
}
