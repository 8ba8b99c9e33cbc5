//! What comes in to the machine of a pairing, and what goes out.
use std::time::Duration;

use crate::disk::DiskError;
use crate::identity::pairing::stored::{CodeOnOffer, Running, TimeLimit};
use crate::oauth::{DeviceAuthorization, DeviceCode, TokenError, TokenResponse};
use crate::seq::Seq;

/// How a pairing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The tokens are with the token machine.
    Granted,
    /// The person said no.
    Denied,
    /// The caller's time limit ran out.
    Expired,
    /// The caller changed their mind.
    Cancelled,
    /// The code could not be written down.
    Storage(DiskError),
    /// The provider or the way to it.
    Failed(TokenError),
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A person wants to pair. A pairing that runs goes on.
    Start {
        /// End the pairing as expired after this; ignored where the one that runs ends earlier.
        limit: Option<Duration>,
    },
    /// Somebody looks at the code, and said nothing of a limit: the pairing goes on for so long at least, and ends as expired
    /// where nobody does any more.
    Attended(Duration),
    /// The store held a pairing when the daemon started.
    Resume(Running),
    /// The answer to [`Action::RequestCode`].
    Code(Seq, Result<DeviceAuthorization, TokenError>),
    /// The answer to [`Action::SaveCode`].
    Saved(Seq, Result<(), DiskError>),
    /// The answer to [`Action::Poll`].
    Polled(Seq, Result<TokenResponse, TokenError>),
    /// [`super::Pairing::deadline`] has passed. Early or repeated timers are harmless.
    Timer,
    /// A person does not want to pair any more.
    Cancel,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one or two at a time, performed at once")]
pub enum Action {
    /// Send a device authorization request, on a connection of its own.
    RequestCode(Seq),
    /// Write the code and what is left of the time limit down, synced, then report [`Event::Saved`].
    SaveCode(Seq, CodeOnOffer, Option<TimeLimit>),
    /// Write the limit down beside the code that is stored, if one is.
    SaveLimit(TimeLimit),
    /// The same with the least time between two polls, which has grown.
    SaveInterval(Duration),
    /// The code is safe and visible: whoever waits for it may be answered.
    CodeReady,
    /// Send a device access token request.
    Poll(Seq, DeviceCode),
    /// The person said yes. The token machine alone stores these; storing them erases the code.
    Grant(TokenResponse),
    /// The person said yes to a code that nobody waits for any more.
    Discard(TokenResponse),
    /// The pairing is over. Except after a grant, erase the stored code.
    Finish(Outcome),
}
