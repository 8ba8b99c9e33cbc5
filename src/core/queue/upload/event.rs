//! What goes in and out of the machine of one upload.
use std::time::Duration;

use crate::oauth::{Cause, Trouble};
use crate::queue::item::{Asset, ItemReason, PartDigest};
use crate::secret::Secret;
use crate::seq::Seq;
use rigpost_contract::pairing::Reason;

/// What an asset is asked for with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetRequest {
    /// What the cloud shall call it.
    pub name: String,
    /// MIME type; the parts must be sent under the same.
    pub filetype: String,
    /// Bytes; `None`: it is still being recorded, and its parts are registered as they come (contract §5.4).
    pub size: Option<u64>,
    /// How long ago the clip was made, at the moment of asking.
    pub offset: Duration,
    /// Which camera or recorder behind this rig made it (contract §5.6); 0 where there is only one.
    pub channel: u8,
    /// The asset that it shall become a new version of, by the cloud's id, in the project of now; `None`: a clip of its
    /// own.
    pub version_of: Option<String>,
}

/// What creating an asset, or registering parts of one that grows, can end in besides success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// The provider's own 401.
    Unauthorized,
    /// The clip was made while the device was paused: it is never to be uploaded.
    RecordedWhilePaused,
    /// This clip will not be taken; others may. One sentence.
    Refused(String),
    /// This clip will not be taken as things are; others may. One sentence.
    Conflict(String),
    /// The project takes this clip, and maybe any, only after a person has acted there: permission, plan, the project
    /// itself. One sentence.
    Forbidden(String),
    /// Nothing was asked for: the disk does not take that it will be.
    Storage,
    /// Try again later.
    Transient(Trouble),
}

/// What sending a part can end in besides success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartError {
    /// The URL will not work again: a new asset is needed. One sentence.
    UrlDead(String),
    /// Somebody knows no such upload, and it may not be the storage that speaks. One sentence; and true where the storage itself
    /// has said something else at that time.
    Unfound(String, bool),
    /// The storage has only so many bytes of the clip, and had confirmed more.
    Behind(u64),
    /// The storage does not accept the URL, and does not say that its time is over. One sentence.
    UrlRefused(String),
    /// The storage takes this part, and maybe any, only after a person has acted there. One sentence.
    Forbidden(String),
    /// The storage takes the keys for over, or the time for another. One sentence.
    KeysOver(String),
    /// The storage refuses this part for a reason of its own. One sentence.
    Refused(String),
    /// The file is not what was queued: why, and one sentence.
    File(ItemReason, String),
    /// The file's card does not answer. One sentence.
    NotAnswering(String),
    /// What arrived is not what was read. One sentence.
    Damaged(String),
    /// The connection ended without an answer before much of the part had left.
    CutEarly(Trouble),
    /// Try again later.
    Transient(Trouble),
}

/// A connection that ends before this much of a part has left, without an answer, was perhaps not wanted.
const EARLY: u64 = 1 << 20;

impl PartError {
    /// What the end of a connection without an answer means for the part of `len` bytes of which `sent` had left.
    /// `held`: we kept the part from moving ourselves, and a server does not wait for ever.
    #[must_use]
    pub fn unanswered(trouble: Trouble, sent: u64, len: u64, held: bool) -> PartError {
        if trouble.maybe_applied && sent < EARLY.min(len) && !held {
            PartError::CutEarly(trouble)
        } else {
            PartError::Transient(trouble)
        }
    }
}

/// What is known of a part that arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// As the storage wrote it.
    pub etag: String,
    /// Of the bytes that were read for it.
    pub digest: Option<PartDigest>,
}

/// What became of a clip of which all parts are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completed {
    /// The storage has it.
    Done,
    /// The storage knows nothing of what was sent, and has not got the clip either. One sentence.
    Gone(String),
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every part is confirmed and that is on disk.
    Done,
    /// Trying again would not help: why, and one sentence.
    Failed(ItemReason, String),
    /// Back to the queue, and why: the way to the provider is in trouble, and the next clip would meet the same.
    Later(Reason, String, Option<Duration>),
    /// Back to the queue: this clip is in trouble, and others are not. One sentence.
    Aside(String),
    /// The same, and the others may meet the same. One sentence.
    Forbidden(String),
    /// Back to the queue until its card answers; clips of other cards go on. One sentence.
    NotAnswering(String),
    /// A new access token is needed first.
    Unauthorized,
    /// A person, or the daemon's stop, took the turn away.
    Stopped,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The answer to [`Action::Create`].
    Created(Seq, Result<(String, Vec<Secret>), CreateError>),
    /// The answer to [`Action::Record`], [`Action::Forget`] and [`Action::Rewind`]; true when it is on disk.
    Recorded(Seq, bool),
    /// One more part may be in flight. Changes nothing unless [`Upload::ready`].
    Slot,
    /// The answer to [`Action::Send`].
    Sent(u32, Result<Confirmed, PartError>),
    /// The answer to [`Action::RecordPart`]; true when it is on disk.
    PartRecorded(u32, bool),
    /// The answer to [`Action::Complete`].
    Completed(Seq, Result<Completed, CreateError>),
    /// End the turn after what is in flight.
    Stop,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the provider for an asset.
    Create(Seq),
    /// Write the asset down, synced.
    Record(Seq, Asset),
    /// Write down that there is no usable asset any more.
    Forget(Seq),
    /// Write down, synced, that this part and those behind it are not confirmed any more.
    Rewind(Seq, u32),
    /// Send this part.
    Send(u32),
    /// Write down, synced, that this part is confirmed.
    RecordPart(u32, Confirmed),
    /// Tell the storage that all parts are there.
    Complete(Seq),
    /// The turn is over.
    Finish(Ending),
}

impl From<Trouble> for Ending {
    fn from(t: Trouble) -> Ending {
        let reason = match t.cause {
            Cause::Network => Reason::Network,
            Cause::CaptivePortal => Reason::CaptivePortal,
            Cause::Certificate => Reason::Certificate,
            Cause::Proxy => Reason::Proxy,
            Cause::Clock => Reason::Clock,
            Cause::Provider | Cause::RateLimited => Reason::Provider,
        };
        Ending::Later(reason, t.why, t.retry_after)
    }
}
