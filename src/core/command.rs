//! What people ask of the rig, and the ways it says no.
use std::time::Duration;

use url::Url;

use crate::oauth::{AccessToken, ClientSecret};
use crate::queue::clip::Wanted;
use crate::queue::item::ItemId;
use crate::queue::rights::User;
use crate::time::WallTime;
use rigpost_contract::added::AddedAs;
use rigpost_contract::ending::{Erased, Revocation};
use rigpost_contract::error::ErrorName;
use rigpost_contract::pairing::Reason;
use rigpost_contract::steered::Steered;

/// To the rig: about its identity and its grant.
#[derive(Debug)]
pub enum RigCommand {
    /// Pair; answered when a code exists.
    Start {
        /// End it as expired after this.
        limit: Option<Duration>,
    },
    /// End a pairing.
    Cancel,
    /// Erase the tokens and revoke them.
    Unpair(Asking),
    /// Take a client secret.
    Provision(ClientSecret),
    /// Erase the identity too.
    Forget(Asking),
}

/// Whether the provider hears of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Now, and again until it has.
    Provider,
    /// Not now and not later, and of no former grant either.
    Nobody,
}

/// What an end came to, for whoever wanted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What became of the grant at the provider.
    pub revocation: Revocation,
    /// The provider's word, or what stood in the way; may be empty.
    pub detail: String,
    /// It is tried again.
    pub kept: bool,
    /// What is gone from the disk.
    pub erased: Vec<Erased>,
    /// When that was, by the rig's clock.
    pub at: WallTime,
}

/// What a program says that needs an access token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessOptions {
    /// It must live at least so long from now on.
    pub min_validity: Duration,
    /// Its own API has refused this one.
    pub refused: Option<AccessToken>,
    /// It asks for proofs, so one that is bound to the rig's key is of use to it.
    pub dpop: bool,
}

/// What a program says that needs a proof for a request of its own (RFC 9449 §7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofOptions {
    /// Its HTTP method.
    pub method: String,
    /// Its address.
    pub url: Url,
    /// What the API wants to see in it.
    pub nonce: Option<String>,
}

/// To the queue: what is answered by "done", and by what came of each item.
#[derive(Debug)]
pub enum QueueCommand {
    /// Take items off.
    Cancel(Vec<ItemId>),
    /// Put items back.
    Retry(Vec<ItemId>),
    /// Send held items to the project that is paired now.
    Release(Vec<ItemId>),
    /// Larger goes first.
    SetPriority(Vec<ItemId>, i32),
    /// Say this of an item's clip, so many frames from its beginning, once the cloud has an asset of it.
    Comment(ItemId, String, u32),
    /// Stop or go on sending; a person's wish that survives restarts.
    SetPaused(bool),
    /// Nothing is sent while the camera records; ends with the daemon at the latest.
    SetRecording(bool),
    /// Bytes per second for file data; 0: no limit. Survives restarts.
    SetBandwidthLimit(u64),
}

/// What a caller may say with the paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddOptions {
    /// Larger goes first; `None`: as the file's class says.
    pub priority: Option<i32>,
    /// Instead of the file's own name; only for a single path.
    pub name: Option<String>,
    /// The writers of the files are done: nothing needs to settle.
    pub closed: bool,
    /// Which camera or recorder behind this rig; 0 where there is only one.
    pub channel: u8,
    /// Who asks: what they can't read is not taken.
    pub user: User,
    /// What becomes of clips that were delivered.
    pub wanted: Wanted,
}

/// A file that somebody asked for, and is in the queue or was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The item that it is.
    pub id: ItemId,
    /// What it was already.
    pub outcome: AddOutcome,
}

/// What came of each item that somebody named, in the order in which they were named.
pub type Answers = Vec<(ItemId, Steered)>;

/// What a file came to that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddOutcome {
    /// It is queued.
    New,
    /// It was in the queue.
    Waiting,
    /// It was delivered to the project that is paired; nothing was queued.
    Delivered,
    /// It was delivered to this other project; nothing was queued.
    DeliveredTo(String),
}

impl AddOutcome {
    /// The word for it on the bus.
    pub fn word(&self) -> AddedAs {
        match self {
            AddOutcome::New => AddedAs::New,
            AddOutcome::Waiting => AddedAs::Waiting,
            AddOutcome::Delivered => AddedAs::Delivered,
            AddOutcome::DeliveredTo(_) => AddedAs::DeliveredElsewhere,
        }
    }
}

/// Every way a command is refused; each is one D-Bus error. Texts are for people: no secret, no URL with a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Refusal {
    #[error("{said}", said = ErrorName::NotProvisioned.clause())]
    NotProvisioned,
    #[error("{said}", said = ErrorName::NotPaired.clause())]
    NotPaired,
    #[error("{said}", said = Reason::AccessExpired.clause())]
    RanOut,
    #[error("{said}", said = ErrorName::AlreadyPaired.clause())]
    AlreadyPaired,
    #[error("{said}", said = ErrorName::InProgress.clause())]
    InProgress,
    #[error("{said}: {0}", said = ErrorName::NetworkUnavailable.clause())]
    NetworkUnavailable(String),
    #[error("{said}: {0}", said = Reason::Certificate.clause())]
    Certificate(String),
    #[error("{said}: {0}", said = Reason::Proxy.clause())]
    Proxy(String),
    #[error("{said}: {0}", said = ErrorName::CaptivePortal.clause())]
    CaptivePortal(String),
    #[error("{said}: {0}", said = ErrorName::ClockUntrusted.clause())]
    ClockUntrusted(String),
    #[error("{}", with(ErrorName::ClientRejected.clause(), .0))]
    ClientRejected(String),
    #[error("{}", with(ErrorName::SignInBlocked.clause(), .0))]
    SignInBlocked(String),
    #[error("{}", with(ErrorName::Configuration.clause(), .0))]
    Configuration(String),
    #[error("{said}: {0}", said = ErrorName::ProviderError.clause())]
    ProviderError(String),
    #[error("{said}", said = ErrorName::RateLimited.clause())]
    RateLimited,
    #[error("{said}: {0}", said = ErrorName::SecretUnavailable.clause())]
    SecretUnavailable(String),
    #[error("{said}; nothing was changed", said = ErrorName::StorageFull.clause())]
    StorageFull,
    #[error("{said}: {0}", said = ErrorName::IoError.clause())]
    StorageFailed(String),
    #[error("{said}: {0}", said = ErrorName::NotFound.clause())]
    NotFound(String),
    #[error("{said}: {0}", said = ErrorName::OutsideMediaDirs.clause())]
    OutsideMediaDirs(String),
    #[error("the card {0} does not answer")]
    NotAnswering(String),
    #[error("{0}")]
    NotAllowed(String),
    #[error("{said}", said = ErrorName::Cancelled.clause())]
    Cancelled,
    #[error("{said}", said = Reason::Expired.clause())]
    Expired,
    #[error("{said}", said = Reason::Denied.clause())]
    Denied,
    #[error("{0}")]
    InvalidArgs(String),
    #[error("{0}")]
    NotSupported(String),
    #[error("{0}")]
    LimitsExceeded(String),
    #[error("{said}", said = ErrorName::AccessDenied.clause())]
    AccessDenied,
    #[error("{said}", said = ErrorName::PropertyReadOnly.clause())]
    PropertyReadOnly,
    #[error("the daemon is stopping; nothing was changed")]
    Stopping,
    #[error("the daemon stopped before it could answer; whether this was done is not known")]
    OutcomeUnknown,
}

/// With the provider's own words, where it has said any.
fn with(clause: &str, words: &str) -> String {
    if words.is_empty() { clause.to_owned() } else { format!("{clause}: {words}") }
}

impl Refusal {
    /// The error that it is on the bus.
    pub fn error_name(&self) -> ErrorName {
        match self {
            Refusal::NotProvisioned => ErrorName::NotProvisioned,
            Refusal::NotPaired | Refusal::RanOut => ErrorName::NotPaired,
            Refusal::AlreadyPaired => ErrorName::AlreadyPaired,
            Refusal::InProgress => ErrorName::InProgress,
            Refusal::NetworkUnavailable(_) | Refusal::Certificate(_) | Refusal::Proxy(_) => {
                ErrorName::NetworkUnavailable
            }
            Refusal::CaptivePortal(_) => ErrorName::CaptivePortal,
            Refusal::ClockUntrusted(_) => ErrorName::ClockUntrusted,
            Refusal::ClientRejected(_) => ErrorName::ClientRejected,
            Refusal::SignInBlocked(_) => ErrorName::SignInBlocked,
            Refusal::Configuration(_) => ErrorName::Configuration,
            Refusal::ProviderError(_) => ErrorName::ProviderError,
            Refusal::RateLimited => ErrorName::RateLimited,
            Refusal::SecretUnavailable(_) => ErrorName::SecretUnavailable,
            Refusal::StorageFull => ErrorName::StorageFull,
            Refusal::StorageFailed(_) => ErrorName::IoError,
            Refusal::NotFound(_) => ErrorName::NotFound,
            Refusal::OutsideMediaDirs(_) => ErrorName::OutsideMediaDirs,
            Refusal::NotAnswering(_) => ErrorName::NotAnswering,
            Refusal::NotAllowed(_) => ErrorName::NotAllowed,
            Refusal::Cancelled | Refusal::Expired | Refusal::Denied => ErrorName::Cancelled,
            Refusal::InvalidArgs(_) => ErrorName::InvalidArgs,
            Refusal::NotSupported(_) => ErrorName::NotSupported,
            Refusal::LimitsExceeded(_) => ErrorName::LimitsExceeded,
            Refusal::AccessDenied => ErrorName::AccessDenied,
            Refusal::PropertyReadOnly => ErrorName::PropertyReadOnly,
            Refusal::Stopping | Refusal::OutcomeUnknown => ErrorName::NoReply,
        }
    }
}
