//! What people ask of the rig, and the ways it says no.
use std::path::PathBuf;
use std::time::Duration;

use crate::identity::oauth::{AccessToken, ClientSecret};
use crate::queue::item::{Item, ItemId, ItemState, Receipt};

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
    Unpair,
    /// Take a client secret.
    Provision(ClientSecret),
    /// Erase the identity too.
    Forget,
}

/// What a program says that needs an access token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessOptions {
    /// It must live at least so long from now on.
    pub min_validity: Duration,
    /// Its own API has refused this one.
    pub refused: Option<AccessToken>,
}

/// For the queue.
#[derive(Debug)]
pub enum QueueCommand {
    /// Accept files, all or none.
    Add {
        /// Absolute paths.
        paths: Vec<PathBuf>,
        /// What else was said of them.
        wish: AddWish,
    },
    /// Page through the items.
    List {
        /// Only these.
        state: Option<ItemState>,
        /// How many to skip.
        offset: u32,
        /// How many to give.
        limit: u32,
    },
    /// Take items off.
    Cancel(Vec<ItemId>),
    /// Put items back.
    Retry(Vec<ItemId>),
    /// Send held items to the project that is paired now.
    Release(Vec<ItemId>),
    /// Larger goes first.
    SetPriority(Vec<ItemId>, i32),
    /// Take what is over off the list: these states (of `done`, `failed`, `cancelled`), or these items.
    Clear {
        /// Every item in one of these.
        states: Vec<ItemState>,
        /// These items; not what waits or is being sent.
        ids: Vec<ItemId>,
    },
    /// What was delivered.
    Receipt(ItemId),
    /// Stop or go on sending; a person's wish that survives restarts.
    SetPaused(bool),
    /// Nothing is sent while the camera records; ends with the daemon at the latest.
    SetRecording(bool),
    /// Bytes per second for file data; 0: no limit. Survives restarts.
    SetBandwidthLimit(u64),
}

/// What a caller may say with the paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddWish {
    /// Larger goes first; `None`: as the file's class says.
    pub priority: Option<i32>,
    /// Instead of the file's own name; only for a single path.
    pub name: Option<String>,
    /// The writers of the files are done: nothing needs to settle.
    pub closed: bool,
    /// Which camera or recorder behind this rig; 0 where there is only one.
    pub channel: u8,
    /// The user who asks.
    pub uid: u32,
}

/// The queue's answer.
#[derive(Debug, PartialEq, Eq)]
pub enum QueueAnswer {
    /// Done.
    Done,
    /// The items, in the order of the paths.
    Ids(Vec<ItemId>),
    /// A page, and how many there are in all.
    Page(Vec<Item>, u64),
    /// What was delivered.
    Receipt(Box<Receipt>),
    /// How many.
    Count(u64),
}

/// Every way a command is refused; each is one D-Bus error. Texts are for people: no secret, no URL with a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Refusal {
    #[error("the rig has no client secret yet; run \"rigpost provision\"")]
    NotProvisioned,
    #[error("the rig is not paired")]
    NotPaired,
    #[error("the authorization has run out, and the provider gave nothing to renew it with; pair again")]
    RanOut,
    #[error("the rig is paired already; unpair it first")]
    AlreadyPaired,
    #[error("a pairing is running; cancel it first")]
    InProgress,
    #[error("the provider can't be reached: {0}")]
    NetworkUnavailable(String),
    #[error("this network shows a log-in page instead of the internet: {0}")]
    CaptivePortal(String),
    #[error("the clock is wrong, so the provider's certificate is not accepted: {0}")]
    ClockUntrusted(String),
    #[error("the provider does not accept this rig's client secret; provision it again")]
    ClientRejected,
    #[error("the provider refused: {0}")]
    ProviderError(String),
    #[error("the provider asks to slow down; try again in a minute")]
    RateLimited,
    #[error("the rig's secrets can't be read: {0}")]
    SecretUnavailable(String),
    #[error("the rig's own disk is full; nothing was changed")]
    StorageFull,
    #[error("the rig's own disk failed: {0}")]
    StorageFailed(String),
    #[error("not found: {0}")]
    NotFound(String),
    #[error("not beneath a media directory: {0}")]
    OutsideMediaDirs(String),
    #[error("{0}")]
    NotAllowed(String),
    #[error("cancelled")]
    Cancelled,
    #[error("the pairing ran out of time")]
    Expired,
    #[error("the person refused")]
    Denied,
    #[error("{0}")]
    InvalidArgs(String),
    #[error("{0}")]
    NotSupported(String),
    #[error("{0}")]
    LimitsExceeded(String),
    #[error("only root may do this")]
    AccessDenied,
    #[error("the daemon is stopping")]
    Stopping,
}
