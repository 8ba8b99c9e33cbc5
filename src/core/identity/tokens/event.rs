//! What comes in to the machine of one grant's tokens, and what goes out.
use crate::disk::DiskError;
use crate::oauth::{AccessToken, Cause, Renewal, TokenError, TokenResponse, TokenSet};
use crate::seq::Seq;

/// Why the server's final answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The grant was ended on the other side.
    Revoked,
    /// The same answer, but an earlier refresh got no answer: it may have spent the token.
    InterruptedRefresh,
    /// The provider did not accept the rig's own identity or secret, and an earlier version took that for an end. The tokens
    /// are kept: they are tried again.
    ClientRejected,
    /// The tokens are on disk and can't be unsealed any more.
    Unreadable,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Found on disk at the start; true when a refresh had been marked and not finished.
    Loaded(TokenSet, bool),
    /// Found on disk at the start: the grant had ended; the tokens, where those of a refused client were kept.
    Ended(Ending, Option<TokenSet>),
    /// A person said yes.
    Granted(TokenResponse),
    /// [`super::TokenLife::deadline`] has passed. Early or repeated timers are harmless.
    Timer,
    /// The answer to [`Action::MarkRefresh`].
    Marked(Seq, Result<(), DiskError>),
    /// The answer to [`Action::Refresh`].
    Refreshed(Seq, Result<TokenResponse, TokenError>),
    /// The answer to [`Action::SaveTokens`].
    Saved(Seq, Result<(), DiskError>),
    /// An API call that carried this access token came back with the provider's own 401.
    Unauthorized(AccessToken),
    /// An API call that carried this access token was accepted.
    Accepted(AccessToken),
    /// Somebody needs a token that lives longer than the one in force. Does nothing where there is none to refresh with.
    Wanted,
    /// The rig has a new client secret.
    NewSecret,
    /// The tokens are erased.
    Erased,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write down, synced, that a refresh is about to leave.
    MarkRefresh(Seq),
    /// Send a refresh request.
    Refresh(Seq, Renewal),
    /// Write down, synced, the new set; this also takes the mark away and erases the code that led here.
    SaveTokens(Seq, TokenSet),
    /// A new access token may be used from now on.
    Ready,
    /// The server ended the grant. Erase the tokens unless the client was rejected.
    End(Ending),
}

/// What stands in the way of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The way to the provider, or the provider, and its word where it gave one.
    Exchange(Cause, String),
    /// The provider does not accept the rig's identity or secret, in this word. The tokens are kept, and tried again.
    Client(String),
    /// The disk, for this reason.
    Storage(DiskError),
}
