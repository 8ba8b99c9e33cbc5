//! One question to the provider, request by request.
use tracing::debug;

use crate::http::Transport;
use rigpost_core::oauth::TokenError;
use rigpost_core::provider::exchange::Step;

/// Sends what an exchange asks for, one request after another; and the provider's clock, if it showed it.
pub(super) async fn exchange<V, T: Transport>(
    transport: &T,
    mut step: Step<V>,
) -> (Result<V, TokenError>, Option<i64>) {
    let mut date = None;
    loop {
        let (request, next) = match step {
            Step::Ask(request, next) => (*request, next),
            Step::Done(outcome) => return (outcome, date),
        };
        let (name, reads_only) = (request.name, !request.post);
        step = match transport.send(request).await {
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
