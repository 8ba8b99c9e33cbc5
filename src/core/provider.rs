//! What to say to a provider and how to read its answers. Builds requests, reads responses, sends nothing.
//!
//! # Decisions
//! - An enum and not a trait: the set is closed and chosen in the configuration, every difference is visible side by
//!   side, and a new provider makes the compiler list each decision. What is the same in all of them, the flow itself,
//!   is written once ([`dialect`]); a provider that differs in words only is a page of data for it.
mod answer;
mod client;
pub mod dialect;
pub mod exchange;
mod frameio;
mod hints;
mod id_token;
pub mod kept;
mod key;
mod learned;
mod members;
mod metadata;
mod oauth;
pub mod proof;
mod revocation;
mod socket;
mod text;
mod who;
pub mod wire;
mod words;

use std::sync::Arc;
use std::time::Duration;

use crate::oauth::{
    AccessToken, DeviceAuthorization, DeviceCode, DeviceInfo, Identify, Renewal, Revocable, Revoked,
    TokenResponse,
};
use crate::time::Now;
use dialect::{Dialect, Endpoints};
use exchange::Step;
use kept::KeptDocument;
use oauth::IsLast;
use wire::Proof;
use words::Asked;

pub use answer::{Sorted, sort};
pub use client::Client;
pub use frameio::FrameIo;
pub use hints::hint;
pub use id_token::ends as id_token_ends;
pub use key::{ProviderKey, ProviderKind};
pub use oauth::{Binds, ConfiguredEndpoints, OAuth};
pub use socket::{Said, Session, SocketEnd, SocketRequest};
pub use text::{mask, short};

/// A provider's dialect.
#[derive(Clone, Debug)]
pub enum Provider {
    /// Frame.io Camera to Cloud, hardware devices.
    FrameIo(FrameIo),
    /// Any provider of RFC 8628, with OpenID Connect where it has that.
    OAuth(Arc<OAuth>),
}

impl Provider {
    /// RFC 8628 §3.1 and §3.2. `SlowDown` here means: ask for the code again later.
    pub fn device_authorization(&self, client: &Client) -> Step<DeviceAuthorization> {
        let (dialect, client) = (self.dialect(), client.clone());
        self.at(dialect::CODE_TIMEOUT, kept::is_last, move |at| {
            let request = dialect.code_request(&client, &at.device_authorization);
            let dialect = dialect.clone();
            Step::last(request, move |answer| dialect.read_code(answer, &at.device_authorization))
        })
    }

    /// RFC 8628 §3.4 and §3.5.
    //= https://www.rfc-editor.org/rfc/rfc9449#section-5
    //# the client MUST provide a valid DPoP proof JWT in a DPoP header
    pub fn device_token(&self, client: &Client, code: &DeviceCode) -> Step<TokenResponse> {
        let (dialect, client, code) = (self.dialect(), client.clone(), code.clone());
        self.at(dialect::TIMEOUT, kept::is_last, move |at| {
            let mut request = dialect.poll_request(&client, &code, &at.token);
            request.proof = at.binds.then_some(Proof::Own);
            let dialect = dialect.clone();
            Step::last(request, move |answer| dialect.read_poll(answer))
        })
    }

    /// RFC 6749 §6. Only answers that end the grant for good come back as `InvalidGrant`, `Unauthorized` or
    /// `ClientRejected`. Of a bound grant it goes with a proof, whatever is configured for new ones.
    pub fn refresh(&self, client: &Client, renewal: &Renewal) -> Step<TokenResponse> {
        let (dialect, client, renewal) = (self.dialect(), client.clone(), renewal.clone());
        self.at(dialect::TIMEOUT, kept::is_last, move |at| {
            let mut request = dialect.refresh_request(&client, &renewal.token, &at.token);
            request.proof = renewal.binding.clone().map(|binding| proof::of_refresh(&client, binding));
            let dialect = dialect.clone();
            Step::last(request, move |answer| dialect.read_refresh(answer))
        })
    }

    /// RFC 7009.
    pub fn revoke(&self, client: &Client, token: &Revocable) -> Step<Revoked> {
        let (dialect, client, token) = (self.dialect(), client.clone(), token.clone());
        // That there is no place for it is as final as a word.
        let is_last = |outcome: &_| *outcome == Ok(Revoked::NotOffered) || kept::is_last(outcome);
        self.at(dialect::TIMEOUT, is_last, move |at| match &at.revocation {
            Some(endpoint) => Step::last(dialect.revoke_request(&client, &token, endpoint), revocation::read),
            None => Step::Done(Ok(Revoked::NotOffered)),
        })
    }

    /// Who are we to the provider, and who said yes?
    pub fn identify(&self, question: Identify) -> Step<DeviceInfo> {
        match self {
            Provider::FrameIo(p) => {
                let frameio = p.clone();
                Step::last(p.identify_request(&question.token), move |answer| frameio.read_identity(answer))
            }
            Provider::OAuth(p) => who::identify(p, question),
        }
    }

    /// The rig is there. Nothing to say where no provider waits for it.
    pub fn heartbeat(&self, token: &AccessToken) -> Step<()> {
        match self {
            Provider::FrameIo(p) => {
                Step::last(p.heartbeat_request(token), |answer| dialect::expect_success(Asked::Other, answer))
            }
            Provider::OAuth(_) => Step::Done(Ok(())),
        }
    }

    /// A socket over which the rig is seen, and what to ask for it with; `None`: this provider has none.
    pub fn socket(&self, token: &AccessToken) -> Option<SocketRequest> {
        match self {
            Provider::FrameIo(p) => Some(p.socket_request(token)),
            Provider::OAuth(_) => None,
        }
    }

    /// Where clips go; `None`: this provider takes none.
    pub fn clips(&self) -> Option<&FrameIo> {
        match self {
            Provider::FrameIo(p) => Some(p),
            Provider::OAuth(_) => None,
        }
    }

    /// An exchange came to nothing: endpoints that were asked for are asked for anew.
    pub fn doubt(&self) {
        match self {
            Provider::FrameIo(_) => {}
            Provider::OAuth(p) => p.doubt(),
        }
    }

    /// What a run before has kept of what this provider says of itself.
    pub fn remember(&self, kept: Vec<KeptDocument>, now: Now) {
        match self {
            Provider::FrameIo(_) => {}
            Provider::OAuth(p) => p.remember(kept, now),
        }
    }

    /// What of what it says of itself is to be kept from now on.
    pub fn news(&self, now: Now) -> Vec<KeptDocument> {
        match self {
            Provider::FrameIo(_) => vec![],
            Provider::OAuth(p) => p.news(now),
        }
    }

    /// Asks anew what it says of itself, beside what somebody waits for, where it is time for that.
    pub fn renewal(&self, now: Now) -> Option<Step<()>> {
        match self {
            Provider::FrameIo(_) => None,
            Provider::OAuth(p) => oauth::renewal(p, now),
        }
    }

    fn dialect(&self) -> Dialect {
        match self {
            Provider::FrameIo(p) => p.dialect(),
            Provider::OAuth(p) => p.dialect.clone(),
        }
    }

    /// Goes on once it is known where to ask.
    fn at<T: Send + 'static>(
        &self,
        patience: Duration,
        is_last: IsLast<T>,
        then: impl Fn(Endpoints) -> Step<T> + Send + 'static,
    ) -> Step<T> {
        match self {
            Provider::FrameIo(p) => then(p.endpoints()),
            Provider::OAuth(p) => oauth::at(p, patience, is_last, Box::new(then)),
        }
    }
}

#[cfg(test)]
mod tests;
