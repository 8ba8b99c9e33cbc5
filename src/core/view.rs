//! What the screen may know: the mirror of the D-Bus contract, without a bus.
use crate::oauth::{DeviceInfo, DeviceStatus, UserCode, VerificationUriComplete};
use crate::queue::channel::Channel;
use crate::queue::item::{Counters, ItemId, ItemReason, ItemState};
use crate::time::{BootTime, WallTime};
use rigpost_contract::blocker::Blocker;
use rigpost_contract::human::{count, size};
use rigpost_contract::provider::ProviderKind;

pub use rigpost_contract::pairing::{Protection, Reason, State};

/// Everything about identity and authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RigView {
    /// Whom the rig is to be paired with.
    pub provider: ProviderKind,
    /// Where the pairing stands.
    pub state: State,
    /// What stands in the way.
    pub reason: Reason,
    /// One sentence more about the reason, for the journal and error texts; empty when there is none.
    pub detail: String,
    /// On offer now.
    pub user_code: Option<UserCode>,
    /// Where to type it.
    pub verification_uri: Option<String>,
    /// The same with the code filled in.
    pub verification_uri_complete: Option<VerificationUriComplete>,
    /// When it runs out.
    pub code_expires_at: Option<BootTime>,
    /// What the cloud calls this rig, as soon as it says so.
    pub device_name: String,
    /// The project we serve, once known.
    pub device: Option<DeviceInfo>,
    /// When the access token runs out.
    pub access_expires_at: Option<BootTime>,
    /// The last grant or refresh.
    pub refreshed_at: Option<WallTime>,
    /// The provider itself answered the last exchange.
    pub online: bool,
    /// The wall clock can be right.
    pub clock_trusted: bool,
    /// A refresh is in flight or new tokens are not on disk.
    pub tokens_at_risk: bool,
    /// Grants that were ended here, of which the provider has not heard.
    pub revocations_pending: u32,
    /// `client_id`; empty while the store can't be read.
    pub client_id: String,
    /// How the root key is kept.
    pub protection: Protection,
}

impl RigView {
    /// The snapshot before the store is read.
    pub fn unread() -> RigView {
        RigView {
            // As good as any other: nothing is said yet of whom the rig is paired with.
            provider: ProviderKind::Frameio,
            state: State::SecretUnavailable,
            reason: Reason::None,
            detail: String::new(),
            user_code: None,
            verification_uri: None,
            verification_uri_complete: None,
            code_expires_at: None,
            device_name: String::new(),
            device: None,
            access_expires_at: None,
            refreshed_at: None,
            online: false,
            clock_trusted: true,
            tokens_at_risk: false,
            revocations_pending: 0,
            client_id: String::new(),
            protection: Protection::None,
        }
    }

    /// Its own disk, or the database on it, is of no use, so that nothing else is known.
    pub fn is_without_disk(&self) -> bool {
        self.state == State::SecretUnavailable && self.reason == Reason::Storage
    }

    /// Somebody has paused this rig in the project that it is paired with.
    pub fn is_paused_in_project(&self) -> bool {
        let status = self.device.as_ref().map(|d| d.status);
        self.state == State::Paired && status == Some(DeviceStatus::Paused)
    }
}

/// One item that is being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// As `Add` has answered.
    pub id: ItemId,
    /// What the cloud calls it.
    pub name: String,
    /// Bytes in all.
    pub size: u64,
    /// Bytes that the cloud has confirmed, and that is on disk.
    pub sent: u64,
    /// Bytes of parts that have left, of which that is not so yet.
    pub on_the_way: u64,
}

/// Everything about the queue that a screen shows at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueView {
    /// A person has paused sending.
    pub paused: bool,
    /// The camera records, and asked that nothing be sent meanwhile.
    pub recording: bool,
    /// Recordings that are sent while they are written, or of which something is on its way.
    pub growing: u64,
    /// Bytes per second for file data; 0: no limit.
    pub bandwidth_limit: u64,
    /// Kept by the store.
    pub counters: Counters,
    /// What was sent since the queue was last empty, or since the start.
    pub session: Session,
    /// What the first and the last of the projects are called that held clips belong to; empty where nobody has said.
    pub held_of: Vec<String>,
    /// Assets that were begun in the cloud and given up.
    pub orphans: u64,
    /// Bytes per second now.
    pub rate: u64,
    /// What is being sent.
    pub current: Vec<Sending>,
    /// Media sources that are not there, by their paths.
    pub missing_sources: Vec<String>,
    /// Cameras and recorders behind this rig that the project is to know by themselves.
    pub channels: Vec<Channel>,
    /// Cards that do not answer, by name.
    pub silent_cards: Vec<String>,
    /// Why the item at the head does not move: a code and a sentence.
    pub trouble: Option<(Reason, String)>,
    /// What waits for a better time goes on then.
    pub retry_at: Option<BootTime>,
}

/// What was sent since the queue was last empty, or since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Clips.
    pub files: u64,
    /// Bytes that the cloud has confirmed.
    pub bytes: u64,
    /// Nothing is left: what comes next is of another session.
    pub over: bool,
}

impl QueueView {
    /// The store was read.
    pub fn count(&mut self, counters: Counters) {
        let is_empty = counters.files_left == 0;
        if self.session.over && !is_empty {
            self.session = Session::default();
        }
        self.session.over = is_empty;
        self.counters = counters;
    }

    /// An item is done. The next reading shows the same.
    pub fn sent(&mut self) {
        self.counters.files_left = self.counters.files_left.saturating_sub(1);
        self.session.files += 1;
    }

    /// The cloud has confirmed so many bytes of an item, and that is on disk.
    pub fn confirmed(&mut self, id: ItemId, bytes: u64) {
        self.counters.bytes_left = self.counters.bytes_left.saturating_sub(bytes);
        self.session.bytes += bytes;
        if let Some(sending) = self.current.iter_mut().find(|sending| sending.id == id) {
            sending.sent += bytes;
            sending.on_the_way = sending.on_the_way.saturating_sub(bytes);
        }
    }

    /// Clips of this session: those that are left, and those that were sent.
    pub fn files_total(&self) -> u64 {
        self.session.files + self.counters.files_left
    }

    /// Their bytes.
    pub fn bytes_total(&self) -> u64 {
        self.session.bytes + self.counters.bytes_left
    }
}

/// One item entered a new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemNews {
    /// As `Add` has answered.
    pub id: ItemId,
    /// Its state now.
    pub state: ItemState,
    /// Why it is in it.
    pub reason: ItemReason,
    /// One sentence.
    pub detail: String,
    /// What the cloud calls it.
    pub name: String,
    /// Bytes in all.
    pub size: u64,
    /// Bytes confirmed.
    pub sent: u64,
}

/// `Device.SafeToPowerOff`: nothing would be lost (a clip being recorded, tokens that are not on disk), nothing ended (a
/// refresh whose answer nobody hears), and nothing is to be sent again (parts in flight). What waits is on disk. What a
/// card that hangs has to say nobody knows: its clips may not be in the queue yet.
pub fn safe_to_power_off(rig: &RigView, queue: &QueueView) -> bool {
    let is_sending = queue.growing > 0 || !queue.current.is_empty();
    !queue.recording && !rig.tokens_at_risk && !is_sending && queue.silent_cards.is_empty()
}

/// One thing that stands in the way of sending: its code, a sentence for a screen, and what a library, the disk or the provider
/// has said of it, for support; that may be empty.
pub type Stands = (&'static str, String, String);

/// `Device.Blockers`: why nothing moves, or why not all does; most important first.
//= frameio-c2c#7
//# The state of the network is shown.
pub fn blockers(rig: &RigView, queue: &QueueView) -> Vec<Stands> {
    let mut all: Vec<Stands> = Vec::new();
    // Where the disk is of no use its sentence follows: no key is lost, and nothing is to be mended.
    let of_state = Blocker::of_state(rig.state).filter(|_| !rig.is_without_disk());
    all.extend(of_state.map(|blocker| (blocker.code(), blocker.sentence(rig.provider), String::new())));
    let of_queue = queue.trouble.as_ref().map(|(reason, detail)| (*reason, detail));
    for (reason, detail) in [(rig.reason, &rig.detail)].into_iter().chain(of_queue) {
        let code = Blocker::Reason(reason).code();
        if reason != Reason::None && !all.iter().any(|(known, ..)| *known == code) {
            all.push((code, reason.sentence(rig.state), detail.clone()));
        }
    }
    let waiting = queue.counters.files_left > 0;
    let others = [
        (rig.is_paused_in_project(), Blocker::DevicePaused),
        (!queue.silent_cards.is_empty(), Blocker::NotAnswering),
        (queue.recording && waiting, Blocker::Recording),
        (queue.paused && waiting, Blocker::QueuePaused),
        (queue.counters.held > 0, Blocker::Held(queue.counters.held)),
        (queue.counters.away > 0, Blocker::Away(queue.counters.away)),
        (queue.counters.incomplete > 0, Blocker::Incomplete(queue.counters.incomplete)),
    ];
    let others = others.into_iter().filter(|(stands, _)| *stands);
    all.extend(others.map(|(_, blocker)| {
        let sentence = if blocker == Blocker::NotAnswering {
            Blocker::of_cards(&queue.silent_cards)
        } else if blocker == Blocker::Held(queue.counters.held) {
            let paired = rig.device.as_ref().map_or("", |device| &device.project_name);
            Blocker::of_held(queue.counters.held, &queue.held_of, paired)
        } else {
            blocker.sentence(rig.provider)
        };
        (blocker.code(), sentence, String::new())
    }));
    all
}

/// The one line a technician wants: `systemctl status` shows it.
pub fn status_line(rig: &RigView, queue: &QueueView) -> String {
    let project = rig.device.as_ref().map(|d| d.project_name.as_str()).filter(|name| !name.is_empty());
    let state = match (rig.state, project) {
        (State::Paired, Some(project)) => format!("{} with {project}", State::Paired.headline()),
        _ if rig.is_without_disk() => Reason::Storage.clause().to_owned(),
        (state, _) => state.headline().to_owned(),
    };
    let held = if rig.is_paused_in_project() { ", paused in the project" } else { "" };
    let is_well = rig.reason == Reason::None;
    let reason = if is_well { String::new() } else { format!(" ({})", rig.reason) };
    let c = &queue.counters;
    let files = match c.files_left {
        0 if rig.is_without_disk() => "the queue can't be read yet".to_owned(),
        0 => "nothing left to send".to_owned(),
        n => {
            let why = match (queue.paused, queue.recording) {
                (true, _) => ", paused",
                (false, true) => ", waiting while the camera records",
                (false, false) => "",
            };
            format!("{} left, {}{why}", count(n, "file"), size(c.bytes_left))
        }
    };
    let more = [
        (c.held, ItemState::Held),
        (c.away, ItemState::Away),
        (c.incomplete, ItemState::Incomplete),
        (c.failed, ItemState::Failed),
    ];
    let more: String =
        more.iter().filter(|(n, _)| *n > 0).map(|(n, state)| format!(", {n} {state}")).collect();
    format!("{state}{held}{reason}, {files}{more}")
}

#[cfg(test)]
mod tests;
