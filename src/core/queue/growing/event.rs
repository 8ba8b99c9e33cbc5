//! What goes in and out of the machine of one recording.
use std::collections::{BTreeMap, BTreeSet};

use crate::queue::upload::{Confirmed, CreateError, PartError};
use crate::secret::Secret;
use crate::seq::Seq;

/// A part to be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPart {
    /// From 0.
    pub n: u32,
    /// Bytes.
    pub len: u64,
    /// The last of its clip.
    pub is_final: bool,
}

/// What is on disk of an earlier run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The cloud's id of the asset.
    pub asset_id: String,
    /// Addresses of parts that are registered and not confirmed.
    pub urls: BTreeMap<u32, Secret>,
    /// Parts that are confirmed.
    pub confirmed: BTreeSet<u32>,
    /// The size of the clip, where its last part is registered.
    pub closed: Option<u64>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The whole clip is in the cloud, with so many bytes.
    Done(u64),
    /// It goes as every clip does, once its recorder is done; where an asset was begun, that is left behind. One sentence.
    UsualWay(String),
    /// Its file is not there any more.
    Gone,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Bytes that the recorder will not write again, as far as can be told, and the size where it is done.
    Looked {
        /// From the beginning.
        stable: u64,
        /// The recorder is done.
        size: Option<u64>,
    },
    /// The file is not there.
    Gone,
    /// Whether anything may be asked for and sent: paired with its project, and nobody has paused it.
    May(bool),
    /// How many parts may be on their way.
    Slots(usize),
    /// The answer to [`Action::Create`]: the asset's id.
    Created(Seq, Result<String, CreateError>),
    /// The answer to [`Action::Record`] and [`Action::Keep`]; true when it is on disk.
    Recorded(Seq, bool),
    /// The answer to [`Action::Register`]: an address for each part, in order.
    Registered(Seq, Result<Vec<Secret>, CreateError>),
    /// The answer to [`Action::Send`].
    Sent(u32, Result<Confirmed, PartError>),
    /// The answer to [`Action::RecordPart`]; true when it is on disk.
    PartRecorded(u32, bool),
    /// The answer to [`Action::Compare`]: parts that have other bytes now, or one sentence.
    Compared(Seq, Result<Vec<u32>, String>),
    /// The answer to [`Action::Drop`]; true when it is on disk.
    Dropped(u32, bool),
    /// The deadline has come.
    Timer,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask for an asset.
    Create(Seq),
    /// Write the asset down, synced.
    Record(Seq, String),
    /// Register these; the size of the whole clip where the last is among them.
    Register(Seq, Vec<NewPart>, Option<u64>),
    /// Write down, synced, the addresses of all parts that are registered and not confirmed ([`super::Growing::urls`]), and
    /// [`super::Growing::closed`].
    Keep(Seq),
    /// Put this part to its address: [`super::Growing::part`].
    Send(u32),
    /// Write down, synced, that this part is confirmed; its address is of no more use.
    RecordPart(u32, u64, Confirmed),
    /// Compare the bytes of all parts that are confirmed with the file.
    Compare(Seq),
    /// Write down, synced, that this part is not confirmed any more.
    Drop(u32),
    /// The provider refused the token.
    ReportRefused,
    /// It is over.
    Finish(Ending),
}
