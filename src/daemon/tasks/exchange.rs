//! One question to the provider, request by request.
use tracing::debug;

use crate::http::Transport;
use crate::tasks::prover::Prover;
use rigpost_core::oauth::{TokenError, Trouble};
use rigpost_core::provider::exchange::Step;
use rigpost_core::provider::proof;
use rigpost_core::provider::wire::{Request, Response};

/// Sends what an exchange asks for, one request after another; and the provider's clock, if it showed it.
pub(super) async fn exchange<V, T: Transport>(
    transport: &T,
    prover: &Prover,
    mut step: Step<V>,
) -> (Result<V, TokenError>, Option<i64>) {
    let mut date = None;
    loop {
        let (request, next) = match step {
            Step::Ask(request, next) => (*request, next),
            Step::Done(outcome) => return (outcome, date),
        };
        let (name, reads_only) = (request.name, request.method.reads_only());
        step = match send(transport, prover, request).await {
            Ok(response) => {
                debug!(request = name, status = response.status, "answered");
                // What may be read again may have been kept on the way.
                date = response.date.filter(|_| !reads_only).or(date);
                next.on(Ok(&response))
            }
            Err(t) => {
                debug!(request = name, "{}", t.why);
                next.on(Err(t))
            }
        };
    }
}

/// Sends it, with its proof where it wants one; and again with a better one where the server wants that.
//= https://www.rfc-editor.org/rfc/rfc9449#section-7.3
//# It is RECOMMENDED that clients generate a unique DPoP proof
async fn send<T: Transport>(
    transport: &T,
    prover: &Prover,
    mut request: Request,
) -> Result<Response, Trouble> {
    let mut may_ask_again = request.proof.is_some();
    loop {
        let proven = prover.prove(&mut request).await?;
        let (url, post) = (request.url.clone(), !request.method.reads_only());
        let again = may_ask_again.then(|| request.clone());
        let mut response = transport.send(request).await?;
        prover.heard(&url, post, &response);
        match again.filter(|_| proof::wants_another(&response)) {
            Some(better) => (request, may_ask_again) = (better, false),
            None => {
                response.proven = proven;
                return Ok(response);
            }
        }
    }
}
