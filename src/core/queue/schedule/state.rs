//! What the machine knows.
use std::collections::{BTreeMap, BTreeSet};

use super::event::{Access, Claimed, End, Options};
use super::retry::Retry;
use crate::oauth::AccessToken;
use crate::queue::etag::EtagKind;
use crate::queue::item::{FileFacts, Item, ItemId, ItemState};
use crate::queue::order::{Backlog, TurnStatus};
use crate::queue::upload::Upload;
use crate::time::BootTime;

/// What had its turn at the last stop goes back to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resume {
    /// With the next claim.
    Due,
    Running,
    Done,
}

/// A claim that is on its way.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) above: Option<i32>,
    /// A wish came meanwhile: what it brings goes back.
    pub(super) give_back: bool,
}

/// An item whose turn is over.
#[derive(Debug)]
pub(super) enum Leaving {
    /// Its file is being compared with what was delivered before.
    Comparing(Box<Claimed>),
    /// Everything is sent, or this end is to follow because the file could not be read: it is looked at once more.
    Looking(Box<Item>, Option<End>),
    Writing(End),
    Unwritten(End),
}

impl Leaving {
    /// The item whose file is being compared.
    pub(super) fn compared(&self) -> Option<&Item> {
        match self {
            Leaving::Comparing(claimed) => Some(&claimed.item),
            Leaving::Looking(..) | Leaving::Writing(_) | Leaving::Unwritten(_) => None,
        }
    }
}

/// How the queue is read: one reading at a time, each begun after what it is to show.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// It is being read; it will show this many pauses that are on disk.
    pub(super) running: Option<usize>,
    /// Something has changed since that was begun.
    pub(super) again: bool,
    /// Pauses that are on disk and that no reading shows yet.
    pub(super) unseen: usize,
}

/// The queue as far as sending goes: takes events at [`Schedule::on`] and answers with what is to be done.
#[derive(Debug)]
pub struct Schedule {
    pub(super) options: Options,
    pub(super) access: Option<Access>,
    /// `None`: not known.
    pub(super) paused: Option<bool>,
    pub(super) recording: bool,
    /// Pauses that no reading has shown yet.
    pub(super) pausing: usize,
    /// Items whose cancellation is on its way to the disk, and by how many commands.
    pub(super) cancelling: BTreeMap<ItemId, usize>,
    pub(super) stopping: bool,
    pub(super) turns: BTreeMap<ItemId, Turn>,
    pub(super) leaving: BTreeMap<ItemId, Leaving>,
    pub(super) backlog: Backlog,
    pub(super) claim: Option<Claim>,
    pub(super) resume: Resume,
    pub(super) reading: Reading,
    /// How the files of those looked that may still be being written.
    pub(super) seen: BTreeMap<ItemId, FileFacts>,
    /// Clips that are cut off, and when they go as they are.
    pub(super) cut_off: BTreeMap<ItemId, BootTime>,
    /// Those that were compared, and are no copies: they need not be compared again.
    pub(super) unlike: BTreeSet<ItemId>,
    pub(super) refused: Option<AccessToken>,
    /// The last that was paired.
    pub(super) project: Option<String>,
    pub(super) retry: Retry,
    pub(super) etags: EtagKind,
    /// The next asset may be asked for then.
    pub(super) next_create: BootTime,
}

/// Times that something of the queue waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    pub(super) queue: Option<BootTime>,
    pub(super) aside: Option<BootTime>,
    pub(super) cut_off: Option<BootTime>,
}

impl Waits {
    /// Nothing is done before with an item in this state.
    pub fn of(self, state: ItemState) -> Option<BootTime> {
        match state {
            ItemState::Queued => self.queue.max(self.aside),
            ItemState::Incomplete => self.cut_off,
            ItemState::Uploading
            | ItemState::Recording
            | ItemState::Held
            | ItemState::Away
            | ItemState::Done
            | ItemState::Failed
            | ItemState::Cancelled => None,
        }
    }
}

/// One item that has its turn.
#[derive(Debug)]
pub struct Turn {
    /// As it was claimed; `sent`, `asset_id` and the priority are those of now.
    pub item: Item,
    /// What it has come to.
    pub upload: Upload,
    /// Parts that were sent again because their ETag was not what they should be.
    pub(super) doubted: BTreeSet<u32>,
    /// Somebody knew nothing of its upload.
    pub(super) unfound: bool,
    /// The token that the asset was asked for with.
    pub(super) used: Option<AccessToken>,
}

impl Turn {
    pub(super) fn status(&self) -> TurnStatus {
        TurnStatus {
            id: self.item.id,
            priority: self.item.clip.priority,
            ready: self.upload.ready(),
            preparing: self.upload.preparing(),
            in_flight: self.upload.in_flight(),
        }
    }
}
