//! What the rig's machine knows, and what it is asked without an event.
use std::time::Duration;

use crate::backoff::Jitter;
use crate::command::{AccessOptions, Refusal, RigCommand};
use crate::disk::DiskError;
use crate::identity::heartbeat::Heartbeat;
use crate::identity::pairing::Pairing;
use crate::identity::revocation::Revocations;
use crate::identity::rig::event::{AccessId, CommandId};
use crate::identity::rig::leaving::{Cut, Leaving, Left};
use crate::identity::socket::{Socket, SocketUse};
use crate::identity::tokens::TokenLife;
use crate::identity::whoami::Whoami;
use crate::oauth::{AccessToken, DeviceInfo, SignIn};
use crate::queue::ledger;
use crate::time::{BootTime, Now, WallTime};
use crate::view::{Protection, Reason};
use rigpost_contract::provider::ProviderKind;

/// How the provider sees that the rig is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// How often it hears from a quiet rig, 60 to 290 seconds; `None`: only when there is something else to say.
    pub heartbeat: Option<Duration>,
    /// When the rig holds a socket.
    pub socket: SocketUse,
}

/// Identity and grant of one rig: takes events at [`Rig::on`] and answers with what is to be done.
#[derive(Debug)]
pub struct Rig {
    pub(super) provider: ProviderKind,
    /// Why nothing can be kept, where that is so.
    pub(super) unusable: Option<DiskError>,
    pub(super) client_id: String,
    pub(super) protection: Protection,
    pub(super) provisioned: bool,
    pub(super) pairing: Pairing,
    pub(super) life: TokenLife,
    pub(super) whoami: Whoami,
    pub(super) heartbeat: Heartbeat,
    pub(super) socket: Socket,
    pub(super) device: Option<DeviceInfo>,
    pub(super) refreshed_at: Option<WallTime>,
    pub(super) access_expires_at: Option<BootTime>,
    /// The same, where nothing will renew it; until then.
    pub(super) runs_out_at: Option<BootTime>,
    /// How the last pairing ended, while that still matters.
    pub(super) last: (Reason, String),
    pub(super) online: bool,
    /// The provider's clock, Unix seconds, and when it was read.
    pub(super) server_date: Option<(i64, BootTime)>,
    /// A wall clock before this can't be right.
    pub(super) clock_floor: WallTime,
    /// This boot's line in the ledger.
    pub(super) boot: ledger::Entry,
    /// The last time that waits were cut short because the way may be open again; may lie ahead.
    pub(super) hurried: Option<BootTime>,
    pub(super) jitter: Jitter,
    /// A grant whose tokens have never been on disk.
    pub(super) grant_unsaved: bool,
    /// How many grants have ended.
    pub(super) grants: u64,
    /// Start, since when.
    pub(super) waiting_for_code: Vec<(CommandId, BootTime)>,
    /// Unpair or Forget, held back while a refresh is in flight.
    pub(super) waiting_for_calm: Vec<Leaving>,
    /// The same, on their way to the disk.
    pub(super) leaving: Vec<Leaving>,
    /// The same, until the provider has said something.
    pub(super) waiting_for_end: Vec<Left>,
    /// Erasures on their way to the disk. Until they are done nothing begins that would write behind them.
    pub(super) erasing: usize,
    /// Commands that came meanwhile; and a pairing that waits for a revocation under way.
    pub(super) held_back: Vec<HeldBack>,
    pub(super) cut: Option<Cut>,
    pub(super) revocations: Revocations,
    /// Programs that wait for a fresh access token.
    pub(super) waiting_for_access: Vec<Waiting>,
}

/// One program that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: AccessId,
    pub(super) since: BootTime,
    /// What was in force when it asked, and is not good enough.
    pub(super) not: Option<AccessToken>,
    /// Bound ones are of use to it.
    pub(super) dpop: bool,
}

/// What waits until an erasure is done.
#[derive(Debug)]
pub(super) enum HeldBack {
    /// And when it came.
    Command(CommandId, RigCommand, BootTime),
    Access(AccessId, AccessOptions),
}

impl Rig {
    /// Before the store is read: everything is unavailable. `seed` spreads retries between rigs.
    pub fn new(provider: ProviderKind, seed: u64, clock_floor: WallTime, presence: Presence) -> Rig {
        Rig {
            provider,
            unusable: Some(DiskError::NoKey(String::new())),
            client_id: String::new(),
            protection: Protection::None,
            provisioned: false,
            pairing: Pairing::new(Jitter::new(seed)),
            life: TokenLife::new(Jitter::new(seed ^ 1)),
            whoami: Whoami::new(Jitter::new(seed ^ 2)),
            heartbeat: Heartbeat::new(presence.heartbeat, Jitter::new(seed ^ 4)),
            socket: Socket::new(presence.socket, Jitter::new(seed ^ 7)),
            device: None,
            refreshed_at: None,
            access_expires_at: None,
            runs_out_at: None,
            last: (Reason::None, String::new()),
            online: false,
            server_date: None,
            clock_floor,
            boot: ledger::Entry::default(),
            hurried: None,
            jitter: Jitter::new(seed ^ 5),
            grant_unsaved: false,
            grants: 0,
            waiting_for_code: Vec::new(),
            waiting_for_calm: Vec::new(),
            leaving: Vec::new(),
            waiting_for_end: Vec::new(),
            erasing: 0,
            held_back: Vec::new(),
            cut: None,
            revocations: Revocations::new(Jitter::new(seed ^ 6)),
            waiting_for_access: Vec::new(),
        }
    }

    /// Nothing can be kept, or nothing was read yet.
    pub fn is_unusable(&self) -> bool {
        self.unusable.is_some()
    }

    /// A pairing is going on: the next question to the provider comes soon.
    pub fn pairing(&self) -> bool {
        self.pairing.active()
    }

    /// A stop should wait: an answer with tokens may be on its way, or they are not on disk.
    pub fn busy(&self) -> bool {
        self.life.busy() || self.pairing.polling() || self.cut.is_some()
    }

    /// What an API call may carry, and for which project; only when both are known, and of the same grant.
    pub fn access(&self) -> Option<(&AccessToken, &DeviceInfo)> {
        self.life.access_token().zip(self.device.as_ref())
    }

    /// The access token in force, and the ID token that came with it, as long as it is kept.
    pub fn sign_in(&self) -> Option<SignIn> {
        let access = self.life.access_token()?.clone();
        let tokens = self.life.tokens()?;
        let (id_token, renews) = (tokens.id_token.clone(), tokens.refresh.is_some());
        let is_bound = tokens.access_key().is_some();
        Some(SignIn { access, id_token, renews, is_bound, grant: self.grants })
    }

    /// There is no grant, or none that is of any use.
    pub(super) fn may_pair(&self, now: Now) -> bool {
        !self.life.granted() || self.life.ran_out(now)
    }

    /// Why a command that needs the disk is refused, where all are.
    pub(super) fn unavailable(&self) -> Option<Refusal> {
        self.unusable.clone().map(Refusal::from)
    }
}
