//! What people ask of the rig, and the ways it says no.
use crate::domain::{
    item::{Item, ItemId, ItemState},
    oauth::ClientSecret,
};
use std::{path::PathBuf, time::Duration};

/// For the keeper of identity and tokens.
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

/// For the queue.
#[derive(Debug)]
pub enum QueueCommand {
    /// Accept files, all or none.
    Add {
        /// Absolute paths.
        paths: Vec<PathBuf>,
        /// Larger goes first.
        priority: i32,
        /// Instead of the file's own name; only for a single path.
        name: Option<String>,
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
    /// Stop or go on sending.
    SetPaused(bool),
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
}

/// Every way a command is refused; each is one D-Bus error. Texts are for people: no secret, no URL with a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Refusal {
    #[error("the rig has no client secret yet; run \"rigpost provision\"")]
    NotProvisioned,
    #[error("the rig is not paired")]
    NotPaired,
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
    LimitsExceeded(String),
    #[error("only root may do this")]
    AccessDenied,
    #[error("the daemon is stopping")]
    Stopping,
}
