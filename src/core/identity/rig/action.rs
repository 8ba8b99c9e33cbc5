//! What goes out from the rig's machine, one type for each side.
use std::time::Duration;

use crate::command::{Ended, Refusal};
use crate::identity::pairing::{CodeOnOffer, TimeLimit};
use crate::identity::revocation::{Over, Progress, RevocationId};
use crate::identity::rig::event::{AccessId, CommandId};
use crate::identity::tokens::Ending;
use crate::oauth::{
    AccessToken, ClientSecret, DeviceCode, DeviceInfo, Identify, Renewal, Revocable, TokenSet,
};
use crate::queue::ledger::BootWall;
use crate::seq::Seq;
use crate::time::{BootTime, Now};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one or two at a time, performed at once")]
pub enum Action {
    /// Of the provider; questions run side by side.
    Ask(Question),
    /// To the disk, synced, in this order, one at a time.
    Write(Change),
    /// To whoever asked, once the snapshot shows what the answer speaks of.
    Reply(Reply),
}

/// For the provider. Each is answered by the event of that name, where nothing else is said.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the machines' own actions say it")]
pub enum Question {
    RequestCode(Seq),
    Poll(Seq, DeviceCode),
    Refresh(Seq, Renewal),
    Identify(Seq, Identify),
    Beat(Seq, AccessToken),
    /// In the place of any other; by these names of the device. Tells of itself until it is over.
    OpenSocket(Seq, AccessToken, Vec<String>),
    /// It tells nothing any more.
    CloseSocket,
    /// By its number: what it takes is on the disk.
    Revoke(Seq, RevocationId),
    /// Those that are under way are given up.
    StopRevoking,
}

/// What is kept of a grant that ends here, until the provider has heard of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Its number.
    pub id: RevocationId,
    /// What to revoke.
    pub of: Revocable,
    /// When it ends.
    pub now: Now,
    /// It was granted to who this one was granted to, which the rig may be no more.
    pub like: Option<RevocationId>,
}

/// What an end leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parting {
    /// One more, where there was a grant.
    pub keep: Option<Keep>,
    /// These are kept no longer.
    pub gone: Vec<RevocationId>,
}

/// For the disk.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the machines' own actions say it")]
pub enum Change {
    SaveCode(Seq, CodeOnOffer, Option<TimeLimit>),
    /// A limit of the pairing that runs, or a longer wait between two polls. Nobody waits for it.
    NotePairing(Option<TimeLimit>, Option<Duration>),
    /// Nobody waits for it.
    ErasePairing,
    MarkRefresh(Seq),
    SaveTokens(Seq, TokenSet),
    SaveDevice(Seq, DeviceInfo),
    /// The true clock of this boot, into the ledger.
    NoteBoot(BootWall),
    /// Nobody waits for it.
    EndGrant(Ending),
    EraseTokens(CommandId, Parting),
    SaveSecret(CommandId, ClientSecret),
    Forget(CommandId, Parting),
    KeepRevocation(Parting),
    /// With what stood in the way. Nobody waits for it.
    NoteRevocation(RevocationId, Progress, String),
    EraseRevocation(RevocationId, Over),
}

/// For a person or a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To a command: done, or why not.
    Done(CommandId, Result<(), Refusal>),
    /// To whoever ended a grant: what it came to.
    Ended(CommandId, Ended),
    /// To a program that asked for an access token: the token, and when it runs out.
    Access(AccessId, Result<(AccessToken, BootTime), Refusal>),
}
