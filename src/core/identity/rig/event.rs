//! What comes in to the rig's machine.
use crate::command::{AccessOptions, RigCommand};
use crate::disk::DiskError;
use crate::identity::pairing::Running;
use crate::identity::revocation::{Kept, RevocationId};
use crate::identity::socket::SocketNews;
use crate::identity::tokens::Ending;
use crate::oauth::{
    AccessToken, Cause, DeviceAuthorization, DeviceInfo, Revoked, TokenError, TokenResponse, TokenSet,
};
use crate::queue::ledger::BootWall;
use crate::seq::Seq;
use crate::time::WallTime;
use crate::view::Protection;

/// Pairs a command with its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// Pairs a program's question for an access token with its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessId(pub u64);

/// What the store held when it was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Why nothing can be kept safe, where that is so; everything but the identity is then empty.
    pub unusable: Option<DiskError>,
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
    /// Grants that are over here, of which the provider has not heard.
    pub revocations: Vec<Kept>,
}

/// The client secret is sealed.
#[derive(Debug)]
pub struct Provisioned {
    /// For this identity; it may have been made only now.
    pub client_id: String,
    /// What the store holds now, if it had to be mended.
    pub mended: Option<(Box<Loaded>, Protection)>,
}

/// All is erased.
#[derive(Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The new identity; empty when there is none yet.
    pub client_id: String,
    /// That is all that pairing takes.
    pub provisioned: bool,
    /// A key for the site's storage is erased, too.
    pub storage_key: bool,
}

/// What happened.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the answer to the action of that name")]
pub enum Event {
    /// The store was read: at the start, and after provisioning mended it.
    Loaded(Box<Loaded>, Protection),
    /// A person asks.
    Command(CommandId, RigCommand),
    /// A program needs an access token.
    Access(AccessId, AccessOptions),
    Code(Seq, Result<DeviceAuthorization, TokenError>),
    CodeSaved(Seq, Result<(), DiskError>),
    Polled(Seq, Result<TokenResponse, TokenError>),
    Marked(Seq, Result<(), DiskError>),
    Refreshed(Seq, Result<TokenResponse, TokenError>),
    TokensSaved(Seq, Result<(), DiskError>),
    Identified(Seq, Result<DeviceInfo, TokenError>),
    /// The answer to the same, where nobody had to be asked.
    Known(Seq, Result<DeviceInfo, TokenError>),
    DeviceSaved(Seq, Result<(), DiskError>),
    Beaten(Seq, Result<(), TokenError>),
    /// News of the socket of this number.
    Socket(Seq, SocketNews),
    BootNoted(Result<(), DiskError>),
    SecretSaved(CommandId, Result<Provisioned, DiskError>),
    TokensErased(CommandId, Result<(), DiskError>),
    Forgotten(CommandId, Result<Fresh, DiskError>),
    Revoked(Seq, Result<Revoked, TokenError>),
    /// And these are kept no longer.
    RevocationKept(RevocationId, Vec<RevocationId>, Result<(), DiskError>),
    RevocationErased(RevocationId, Result<(), DiskError>),
    /// An API call that carried this access token came back with the provider's own 401.
    Unauthorized(AccessToken),
    /// Somebody needs what comes with a renewal, and had this access token.
    Renew(AccessToken),
    /// An API call that carried this access token was accepted.
    Accepted(AccessToken),
    /// An API call came to nothing.
    Unreached(Cause),
    /// The wall clock was set.
    ClockStepped,
    /// A network interface, address or route appeared.
    NetworkUp,
    /// Clips are on their way to the cloud, or no more.
    Sends(bool),
    /// A program on the bus has asked for something, and is still there.
    Watched,
    /// The provider's clock says this many Unix seconds.
    ServerDate(i64),
    Timer,
}
