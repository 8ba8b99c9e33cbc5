//! What goes in and out of the machine of the queue.
use std::path::PathBuf;
use std::time::Duration;

use crate::oauth::AccessToken;
use crate::queue::clip::Copy;
use crate::queue::evidence::{Relation, Sighting};
use crate::queue::item::{Asset, Item, ItemId, ItemReason, ItemState};
use crate::queue::order::Slots;
use crate::queue::promises::Promises;
use crate::queue::upload::{Completed, Confirmed, CreateError, PartError};
use crate::secret::Secret;
use crate::seq::Seq;
use crate::time::BootTime;

/// What an API call may carry, and for which project: both in one value, so that what was claimed for one project never
/// goes to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// On disk, and in force as far as we know.
    pub token: AccessToken,
    /// The project that clips go to.
    pub project_id: String,
    /// Somebody has paused the device in the project: no new clip is begun.
    pub paused: bool,
}

/// What the machine has to know of the configuration, the way and the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Parts in flight at once.
    pub slots: Slots,
    /// A file that did not change for this long is finished.
    pub settle: Duration,
    /// Sealing works, so that what the provider hands out can be kept.
    pub usable: bool,
    /// Of where clips go.
    pub promises: Promises,
}

/// An item that was claimed, and what its file and its asset are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// As the store gave it its turn.
    pub item: Item,
    /// The file as it is now.
    pub file: Result<Seen, FileError>,
    /// What is known of its asset. The error is one sentence.
    pub asset: Result<Option<Asset>, String>,
    /// Whether another item may have the same bytes.
    pub copy: Copy,
    /// How long it waits for the rest of a clip that is cut off; `None`: until somebody says otherwise.
    pub patience: Option<Duration>,
}

/// A file as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How it looks.
    pub sighting: Sighting,
    /// What the row's clip is to it.
    pub relation: Relation,
    /// It is visibly cut off: one sentence.
    pub cut: Option<String>,
}

/// What the file that was opened and sent is by a closer look at it, whatever lies at its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// As it was sent.
    AsSent,
    /// Written on while it was sent: it looks like this now.
    WrittenOn(Box<Sighting>),
    /// Nobody looked, or nobody can tell.
    Unknown,
}

/// What came of comparing a file with a clip that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same bytes, delivered as this item; and to which other project, where it was another.
    Equal(ItemId, Option<String>),
    /// Other bytes, or nothing is known any more of what was delivered.
    Differs,
    /// Somebody wanted something else meanwhile.
    Stopped,
    /// The file can't be read to its end. One sentence.
    Unreadable(String),
    /// Its card does not answer. One sentence.
    NotAnswering(String),
}

/// Why a file can't be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// It is not there.
    Gone,
    /// It is there and can't be had. One sentence.
    Unreadable(String),
    /// Its card does not answer. One sentence.
    NotAnswering(String),
}

/// What the queue says when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// A person has paused sending.
    pub paused: bool,
    /// Items that are queued or have their turn.
    pub left: u64,
}

/// What a command means for turns and waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// These are taken off.
    Cancel(Vec<ItemId>),
    /// Nothing is to be sent.
    Pause,
    /// What waits for a better time is to be tried now.
    TryNow,
    /// The camera records, or does no more.
    Record(bool),
    /// The queue changes in some other way.
    Change,
}

/// What came of writing an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The item is in this state now.
    Row(ItemState),
    /// There is no such item any more: it turned out to be another item's file, or was taken off the list.
    Gone,
    /// The disk could not.
    NotYet,
}

/// How a turn ends, as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Of this item.
    pub id: ItemId,
    /// Where it stands from now on.
    pub to: ItemState,
    /// For programs; [`ItemReason::None`] where the state says it all.
    pub reason: ItemReason,
    /// One sentence.
    pub detail: String,
    /// The file was written on since it was queued, and looks like this now. Where there is an asset, that is for a clip
    /// that is no more.
    pub rewritten: Option<Box<Sighting>>,
    /// It has the same bytes as this one, which was delivered.
    pub same_as: Option<ItemId>,
}

impl End {
    /// Back to the queue, and nothing to say about it.
    pub(super) fn requeue(id: ItemId) -> End {
        End::queued(id, ItemReason::None, String::new())
    }

    pub(super) fn queued(id: ItemId, reason: ItemReason, detail: String) -> End {
        End { id, to: ItemState::Queued, reason, detail, rewritten: None, same_as: None }
    }

    pub(super) fn failed(id: ItemId, reason: ItemReason, why: impl Into<String>) -> End {
        End { id, to: ItemState::Failed, reason, detail: why.into(), rewritten: None, same_as: None }
    }

    /// In any state, with what there is to say.
    pub(super) fn to(id: ItemId, to: ItemState, reason: ItemReason, detail: impl Into<String>) -> End {
        End { id, to, reason, detail: detail.into(), rewritten: None, same_as: None }
    }
}

/// What happened. The answers carry the item of the action they answer.
#[derive(Debug)]
pub enum Event {
    /// The daemon has started.
    Started,
    /// The answer to [`Action::Resume`]; true when it is on disk.
    Resumed(bool),
    /// Something of it has changed.
    Options(Options),
    /// Other access, or none any more.
    Access(Option<Access>),
    /// The answer to [`Action::Claim`]; `None`: nothing waits. The error is one sentence.
    Claimed(Result<Option<Box<Claimed>>, String>),
    /// The answer to [`Action::Create`]: the asset's id and the URLs of its parts.
    Created(ItemId, Seq, Result<(String, Vec<Secret>), CreateError>),
    /// The answer to [`Action::Record`] and [`Action::Forget`]; true when it is on disk.
    Recorded(ItemId, Seq, bool),
    /// The answer to [`Action::Send`].
    PartSent(ItemId, u32, Result<Confirmed, PartError>),
    /// The answer to [`Action::RecordPart`]; true when it is on disk.
    PartRecorded(ItemId, u32, bool),
    /// The answer to [`Action::Complete`].
    Completed(ItemId, Seq, Result<Completed, CreateError>),
    /// The answer to [`Action::LookAgain`]: what lies at its path, and what is still open of it.
    LookedAgain(ItemId, Result<Box<Seen>, FileError>, Opened),
    /// The answer to [`Action::Compare`].
    Compared(ItemId, Comparison),
    /// The answer to [`Action::SendAsItIs`]; true when it is on disk, or there is nothing to be done.
    AsItIs(ItemId, bool),
    /// The answer to [`Action::WriteEnd`].
    Written(ItemId, Written),
    /// A person's command, before it goes to the disk.
    Asked(Intent),
    /// The same command, once the disk has answered, well or not; and the priorities of items that it changed.
    Answered(Intent, Vec<(ItemId, i32)>),
    /// A media source has put items into the queue.
    Found,
    /// Which cards answer has changed: a claim finds nothing on one that does not.
    CardsChanged,
    /// A network interface, address or route appeared.
    NetworkUp,
    /// The answer to [`Action::Read`]. The error is one sentence.
    Summary(Result<Summary, String>),
    /// The deadline has come.
    Timer,
    /// The daemon stops.
    Stop,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Queue what had its turn at the last stop, parts and all.
    Resume,
    /// Give the best item of the project its turn that lies on a card that answers, and open its file.
    Claim {
        /// Of this project.
        project: String,
        /// Only of a higher priority than this.
        above: Option<i32>,
        /// None of these.
        but: Vec<ItemId>,
        /// Do [`Action::Resume`] first.
        resume: bool,
    },
    /// Compare all bytes of this item's file with what was delivered as another.
    Compare(ItemId, ItemId),
    /// Queue this item, which was cut off, as it is: it has waited long enough.
    SendAsItIs(ItemId),
    /// The turn of this item has begun: it is among [`super::Schedule::turns`].
    Began(ItemId),
    /// Ask the cloud for an asset.
    Create {
        /// For this item.
        id: ItemId,
        /// To be answered with.
        seq: Seq,
        /// Not before.
        at: BootTime,
        /// For the item's project.
        token: AccessToken,
    },
    /// Write the asset down, synced.
    Record(ItemId, Seq, Asset),
    /// Write down that there is no usable asset any more.
    Forget(ItemId, Seq),
    /// Write down, synced, that this part and those behind it are not confirmed any more.
    Rewind(ItemId, Seq, u32),
    /// Send a part, by the URL and the range that the turn's upload tells.
    Send {
        /// Of this item.
        id: ItemId,
        /// From 0.
        n: u32,
        /// An MD5 of it is worth its time.
        md5: bool,
    },
    /// Write down, synced, that a part is confirmed.
    RecordPart {
        /// Of this item.
        id: ItemId,
        /// Of this asset.
        asset_id: String,
        /// From 0.
        n: u32,
        /// Its length.
        bytes: u64,
        /// What the storage said, and what was read.
        confirmed: Confirmed,
    },
    /// Tell the storage that all parts are there.
    Complete {
        /// Of this item.
        id: ItemId,
        /// To be answered with.
        seq: Seq,
        /// For the item's project.
        token: AccessToken,
    },
    /// Let go of what is in flight of this item: nobody wants it any more. Its answers may still come.
    Cut(ItemId),
    /// Look at the file of an item that is sent, or whose file could not be read to its end.
    LookAgain(Box<Item>),
    /// Write the end of a turn.
    WriteEnd(End),
    /// Say that an item waits, for the journal.
    Postponed(Postponed),
    /// The provider refused this token.
    ReportRefused(AccessToken),
    /// Read the queue: its counts and the wishes that last.
    Read,
}

/// An item whose turn ended in trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postponed {
    /// Of the item.
    pub id: ItemId,
    /// Its file.
    pub path: PathBuf,
    /// A code.
    pub reason: ItemReason,
    /// One sentence.
    pub why: String,
    /// The trouble is its own, and others go on.
    pub alone: bool,
}
