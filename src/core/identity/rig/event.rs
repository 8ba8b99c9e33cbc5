//! What comes in to the rig's machine, and what goes out.
use crate::command::{Refusal, RigAnswer, RigCommand};
use crate::identity::oauth::{
    AccessToken, Cause, ClientSecret, DeviceAuthorization, DeviceCode, DeviceInfo, Identify, RefreshToken,
    Revocable, TokenError, TokenResponse, TokenSet,
};
use crate::identity::pairing::{CodeOnOffer, Running, TimeLimit};
use crate::identity::tokens::Ending;
use crate::queue::ledger::BootWall;
use crate::seq::Seq;
use crate::time::WallTime;
use crate::view::Protection;

/// Pairs a command with its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// How a write to disk went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Synced.
    Done,
    /// No space; nothing changed.
    Full,
    /// There is no key to seal with, or no database that this program may write; nothing changed, and trying again does
    /// not help.
    NoKey(String),
    /// Anything else; nothing changed.
    Failed(String),
}

impl Disk {
    pub(super) fn ok(&self) -> bool {
        *self == Disk::Done
    }

    pub(super) fn refusal(self) -> Result<(), Refusal> {
        match self {
            Disk::Done => Ok(()),
            Disk::Full => Err(Refusal::StorageFull),
            Disk::NoKey(why) => Err(Refusal::SecretUnavailable(why)),
            Disk::Failed(why) => Err(Refusal::StorageFailed(why)),
        }
    }
}

/// What the store held when it was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// False: nothing can be kept safe, for the reason given; everything but the identity is then empty.
    pub usable: bool,
    /// Why not, one sentence.
    pub unusable_because: String,
    /// Identity; empty when the store can't be read.
    pub client_id: String,
    /// A client secret is there and opens.
    pub provisioned: bool,
    /// The tokens, and whether a refresh was marked and not finished.
    pub tokens: Option<(TokenSet, bool)>,
    /// The grant was there and ended, or its tokens don't open any more.
    pub ended: Option<Ending>,
    /// The last answer to "who am I".
    pub device: Option<DeviceInfo>,
    /// A pairing was running.
    pub pairing: Option<Running>,
    /// The last grant or refresh.
    pub refreshed_at: Option<WallTime>,
    /// The true clock of this boot, where an earlier run has written it down.
    pub boot_wall: Option<BootWall>,
}

/// What happened.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the answer to the action of that name")]
pub enum Event {
    /// The store was read: at the start, and after provisioning mended it.
    Loaded(Box<Loaded>, Protection),
    /// A person asks.
    Command(CommandId, RigCommand),
    Code(Seq, Result<DeviceAuthorization, TokenError>),
    CodeSaved(Seq, Disk),
    Polled(Seq, Result<TokenResponse, TokenError>),
    Marked(Seq, Disk),
    Refreshed(Seq, Result<TokenResponse, TokenError>),
    TokensSaved(Seq, Disk),
    Identified(Seq, Result<DeviceInfo, TokenError>),
    /// The answer to the same, where nobody had to be asked.
    Known(Seq, Result<DeviceInfo, TokenError>),
    DeviceSaved(Seq, Disk),
    Beaten(Seq, Result<(), TokenError>),
    BootNoted(Disk),
    /// The client secret is sealed for this identity; what the store holds now, if it had to be mended.
    SecretSaved(CommandId, Disk, String, Option<(Box<Loaded>, Protection)>),
    TokensErased(CommandId, Disk),
    /// All is erased; the new identity, and whether that is all that pairing takes.
    Forgotten(CommandId, Disk, String, bool),
    /// An API call that carried this access token came back with the provider's own 401.
    Unauthorized(AccessToken),
    /// An API call that carried this access token was accepted.
    Accepted(AccessToken),
    /// An API call came to nothing.
    Unreached(Cause),
    /// The wall clock was set.
    ClockStepped,
    /// A network interface, address or route appeared.
    NetworkUp,
    /// The provider's clock says this many Unix seconds.
    ServerDate(i64),
    Timer,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the machines' own actions say it")]
pub enum Action {
    RequestCode(Seq),
    Poll(Seq, DeviceCode),
    Refresh(Seq, RefreshToken),
    Identify(Seq, Identify),
    Beat(Seq, AccessToken),
    /// Best effort; nobody waits for the answer.
    Revoke(Revocable),
    SaveCode(Seq, CodeOnOffer, Option<TimeLimit>),
    SaveLimit(TimeLimit),
    ErasePairing,
    MarkRefresh(Seq),
    SaveTokens(Seq, TokenSet),
    SaveDevice(Seq, DeviceInfo),
    /// The true clock of this boot, into the ledger.
    NoteBoot(BootWall),
    EndGrant(Ending),
    EraseTokens(CommandId),
    SaveSecret(CommandId, ClientSecret),
    Forget(CommandId),
    Reply(CommandId, Result<RigAnswer, Refusal>),
}
