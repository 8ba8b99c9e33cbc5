//! What the answers to a stranger have in common, whatever the storage is.

use std::time::Duration;

use rigpost_core::delivery::answer;
use rigpost_core::provider::wire::Response;

pub(super) const PATIENCE: Duration = Duration::from_secs(10);
pub(super) const ASK_NETWORK: &str = "check `delivery.endpoint` and the network";
pub(super) const WAIT: &str = "wait. Nothing is lost meanwhile";

/// The status, and the storage's own word where it has said one.
pub(super) fn said(response: &Response) -> String {
    let status = response.status;
    answer::code(response)
        .map_or_else(|| format!("status {status}"), |word| format!("status {status} {word}"))
}

/// It is not the storage that has answered: a proxy, or a log-in page. A storage's own pages come with a refusal.
pub(super) fn is_between(response: &Response) -> bool {
    match response.status {
        407 | 511 => true,
        300..=399 => answer::code(response).is_none(),
        200..=299 => answer::is_page(response),
        _ => false,
    }
}
