//! What the screen may know: the mirror of the D-Bus contract, without a bus.
use crate::identity::oauth::{DeviceInfo, DeviceStatus, UserCode, VerificationUriComplete};
use crate::queue::item::{Counters, ItemId, ItemState};
use crate::time::{BootTime, WallTime};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The word on the bus and in the journal.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// `Pairing.State`.
    State {
        /// The root key, or what is sealed with it, can't be read.
        SecretUnavailable = "secret-unavailable",
        /// There is no client secret yet.
        Unprovisioned = "unprovisioned",
        /// Ready to pair.
        Unpaired = "unpaired",
        /// A code is on its way.
        RequestingCode = "requesting-code",
        /// A code is on offer.
        WaitingForUser = "waiting-for-user",
        /// Authorized, whatever the network does.
        Paired = "paired",
        /// Was paired; the server ended it.
        NeedsPairing = "needs-pairing",
    }
}

words! {
    /// `Pairing.Reason`.
    Reason {
        /// All is well, or the state says it all.
        None = "none",
        /// The person said no.
        Denied = "denied",
        /// The time limit of the pairing ran out.
        Expired = "expired",
        /// The access token's time is up, and the provider gave nothing to renew it with.
        AccessExpired = "access-expired",
        /// The grant was ended on the other side.
        Revoked = "revoked",
        /// The answer to a refresh was lost, and the old token is no longer accepted.
        InterruptedRefresh = "interrupted-refresh",
        /// No way to the provider.
        Network = "network",
        /// Something in between answers in the provider's place.
        CaptivePortal = "captive-portal",
        /// Something in between shows a certificate of its own, or the provider's is of a private authority.
        Certificate = "certificate",
        /// Something in between wants a log-in of the kind that proxies want.
        Proxy = "proxy",
        /// TLS fails because of the time.
        Clock = "clock",
        /// The provider does not accept this identity or secret.
        ClientRejected = "client-rejected",
        /// The provider answers with errors.
        Provider = "provider",
        /// The disk is full, or the store can't be read.
        Storage = "storage",
    }
}

words! {
    /// `Device.Protection`: how the root key is kept.
    Protection {
        /// Sealed to this board's TPM.
        Tpm2 = "tpm2",
        /// Sealed with systemd's host key, which lies on the same disk.
        HostKey = "host-key",
        /// A file that only the daemon's user may read.
        File = "file",
        /// There is no usable key.
        None = "none",
    }
}

/// Everything about identity and authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RigView {
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
    /// `client_id`; empty while the store can't be read.
    pub client_id: String,
    /// How the root key is kept.
    pub protection: Protection,
}

impl RigView {
    /// The snapshot before the store is read.
    pub fn unread() -> RigView {
        RigView {
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
            client_id: String::new(),
            protection: Protection::None,
        }
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
    /// Which.
    pub id: ItemId,
    /// What the cloud calls it.
    pub name: String,
    /// Bytes in all.
    pub size: u64,
    /// Bytes sent so far, those of unfinished parts included.
    pub sent: u64,
}

/// Everything about the queue that a screen shows at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueView {
    /// A person has paused sending.
    pub paused: bool,
    /// The camera records, and asked that nothing be sent meanwhile.
    pub recording: bool,
    /// Bytes per second for file data; 0: no limit.
    pub bandwidth_limit: u64,
    /// Kept by the store.
    pub counters: Counters,
    /// Bytes per second now.
    pub rate: u64,
    /// What is being sent.
    pub current: Vec<Sending>,
    /// Why the item at the head does not move: a code and a sentence.
    pub trouble: Option<(Reason, String)>,
}

/// One item entered a new state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemNews {
    /// Which.
    pub id: ItemId,
    /// Its state now.
    pub state: ItemState,
    /// A word.
    pub reason: String,
    /// What the cloud calls it.
    pub name: String,
    /// Bytes in all.
    pub size: u64,
    /// Bytes confirmed.
    pub sent: u64,
}

/// `Device.SafeToPowerOff`: nothing would be lost (a clip being recorded, tokens that are not on disk), nothing ended (a
/// refresh whose answer nobody hears), and nothing is to be sent again (parts in flight). What waits is on disk.
pub fn safe_to_power_off(rig: &RigView, queue: &QueueView) -> bool {
    !queue.recording && !rig.tokens_at_risk && queue.current.is_empty()
}

/// `Device.Blockers`: why nothing moves, most important first.
pub fn blockers(rig: &RigView, queue: &QueueView) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let state = match rig.state {
        State::SecretUnavailable => {
            Some("The rig's secrets can't be read. Run \"rigpost doctor\"; provisioning again mends it.")
        }
        State::Unprovisioned => Some("The rig has no client secret yet. Run \"rigpost provision\"."),
        State::Unpaired | State::RequestingCode | State::WaitingForUser => {
            Some("The rig is not paired with a project. Pair it from the menu or with \"rigpost pair\".")
        }
        State::NeedsPairing => {
            Some("The project ended this rig's authorization. Pair it again; the queue is kept.")
        }
        State::Paired => None,
    };
    if let Some(sentence) = state {
        let code = match rig.state {
            State::RequestingCode | State::WaitingForUser => State::Unpaired.as_str(),
            State::SecretUnavailable
            | State::Unprovisioned
            | State::Unpaired
            | State::Paired
            | State::NeedsPairing => rig.state.as_str(),
        };
        all.push((code, sentence.to_owned()));
    }
    for (reason, detail) in
        [Some((rig.reason, rig.detail.clone())), queue.trouble.clone()].into_iter().flatten()
    {
        if reason != Reason::None && !all.iter().any(|(code, _)| *code == reason.as_str()) {
            all.push((reason.as_str(), sentence(reason, &detail)));
        }
    }
    if rig.is_paused_in_project() {
        let sentence = "Somebody has paused this rig in the project: nothing new is sent, and what is recorded meanwhile \
                        never will be. It goes on when they resume it there.";
        all.push(("device-paused", sentence.to_owned()));
    }
    let waiting = queue.counters.files_left > 0;
    if queue.recording && waiting {
        all.push(("recording", "The camera is recording. Sending goes on when it stops.".to_owned()));
    }
    if queue.paused && waiting {
        all.push(("queue-paused", "Sending is paused. Resume it when you want it to go on.".to_owned()));
    }
    if queue.counters.held > 0 {
        let sentence = match queue.counters.held {
            1 => {
                "1 clip is of another project, or older than the pairing. Release it or cancel it.".to_owned()
            }
            n => format!(
                "{n} clips are of another project, or older than the pairing. Release or cancel them."
            ),
        };
        all.push(("held", sentence));
    }
    all
}

/// The one line a technician wants: `systemctl status` shows it.
pub fn status_line(rig: &RigView, queue: &QueueView) -> String {
    let state = match rig.state {
        State::Paired => match rig.device.as_ref().map(|d| d.project_name.as_str()).filter(|n| !n.is_empty())
        {
            Some(project) => format!("paired with {project}"),
            None => "paired".to_owned(),
        },
        State::WaitingForUser => "waiting for the code to be typed".to_owned(),
        State::RequestingCode => "asking for a code".to_owned(),
        State::Unpaired => "not paired".to_owned(),
        State::Unprovisioned => "not provisioned".to_owned(),
        State::NeedsPairing => "needs pairing".to_owned(),
        State::SecretUnavailable => "the rig's secrets can't be read".to_owned(),
    };
    let held = if rig.is_paused_in_project() { ", paused in the project" } else { "" };
    let reason = match rig.reason.as_str() {
        "none" => String::new(),
        word => format!(" ({word})"),
    };
    let c = &queue.counters;
    let files = match c.files_left {
        0 => "nothing left to send".to_owned(),
        n => {
            let word = if n == 1 { "file" } else { "files" };
            let why = match (queue.paused, queue.recording) {
                (true, _) => ", paused",
                (false, true) => ", waiting while the camera records",
                (false, false) => "",
            };
            format!("{n} {word} left, {}{why}", bytes(c.bytes_left))
        }
    };
    let more = [(c.held, "held"), (c.failed, "failed")];
    let more: String = more.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!(", {n} {word}")).collect();
    format!("{state}{held}{reason}, {files}{more}")
}

/// A size for people, as disks and clouds print it: powers of 1000.
pub fn bytes(n: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// What a reason means to a person; `detail` is appended in brackets.
pub fn sentence(reason: Reason, detail: &str) -> String {
    let plain = match reason {
        Reason::None => "",
        Reason::Denied => "The person at the web page refused this rig.",
        Reason::Expired => "Nobody typed the code in time.",
        Reason::AccessExpired => {
            "The authorization has run out, and the provider gave nothing to renew it with. Pair again."
        }
        Reason::Revoked => "The authorization was ended in the project.",
        Reason::InterruptedRefresh => {
            "The answer to a token refresh was lost, and the old token is no longer accepted. Pair again."
        }
        Reason::Network => "The provider can't be reached. The rig keeps trying.",
        Reason::CaptivePortal => {
            "This network shows a log-in page instead of the internet. Log in to it, or change network."
        }
        Reason::Certificate => {
            "The provider's certificate is not one that this rig trusts: a proxy or filter on this network opens what is \
             sent, or a private authority is missing in the configuration (ca_file)."
        }
        Reason::Proxy => {
            "A proxy on this network wants a log-in of its own before it lets anything through. Use another network."
        }
        Reason::Clock => "The clock is wrong, so the provider's certificate is not accepted. Set the time.",
        Reason::ClientRejected => {
            "The provider does not accept this rig's client secret. Provision it again."
        }
        Reason::Provider => "The provider answers with errors. The rig keeps trying.",
        Reason::Storage => "The rig's own disk is full or can't be read.",
    };
    if detail.is_empty() { plain.to_owned() } else { format!("{plain} [{detail}]") }
}

#[cfg(test)]
mod tests;
