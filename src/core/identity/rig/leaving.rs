//! Those who end a grant, and how far that has come.
use crate::command::Asking;
use crate::identity::revocation::RevocationId;
use crate::identity::rig::event::CommandId;
use crate::oauth::{TokenError, TokenResponse};
use crate::seq::Seq;
use crate::time::{BootTime, WallTime};
use rigpost_contract::ending::Erased;

/// Unpair or Forget, on its way.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) id: CommandId,
    /// The identity, too.
    pub(super) forget: bool,
    pub(super) asking: Asking,
    pub(super) since: BootTime,
    /// There was a grant; it is revoked under this number, unless nobody is to be asked.
    pub(super) had: bool,
    pub(super) keep: Option<RevocationId>,
    pub(super) gone: Vec<RevocationId>,
}

/// The same, once all is off the disk: the provider's word is waited for.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) id: CommandId,
    pub(super) of: RevocationId,
    pub(super) until: BootTime,
    pub(super) what: Gone,
}

/// A refresh that nobody waited for when the grant was ended.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) seq: Seq,
    /// Its answer, where that came before the erasure was done.
    pub(super) late: Option<Result<TokenResponse, TokenError>>,
    /// What it brings is to be revoked.
    pub(super) told: bool,
    /// What is kept of the tokens that it was to renew.
    pub(super) kept: Option<RevocationId>,
}

/// What was taken off the disk.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) erased: Vec<Erased>,
    /// And the client secret, but for copies that revocations need.
    pub(super) secret: bool,
    pub(super) at: WallTime,
}
