//! Asks a provider to revoke what is kept of a former grant.
use crate::http::Transport;
use crate::tasks::deps::Deps;
use crate::tasks::exchange::exchange;
use rigpost_core::identity::revocation::RevocationId;
use rigpost_core::oauth::{Cause, Revoked, TokenError};
use rigpost_core::provider::Client;
use rigpost_core::provider::wire::trouble;

/// What came of it, and the provider's clock. `current`: who we are now; where that is who got the grant, with the secret of
/// now, which may be the better one.
pub(super) async fn ask<T: Transport>(
    deps: &Deps<T>,
    current: Option<Client>,
    id: RevocationId,
) -> (Result<Revoked, TokenError>, Option<i64>) {
    let unreadable = |why: String| (Err(TokenError::Transient(trouble(Cause::Provider, why, None))), None);
    let (of, kept) = match deps.store.revocation(id).await {
        Ok(Some(kept)) => kept,
        Ok(None) => return unreadable("what was kept of the authorization does not open".to_owned()),
        Err(e) => return unreadable(e.to_string()),
    };
    let is_same = |now: &Client| now.id == kept.id && now.secret.is_some() == kept.secret.is_some();
    let client = current.filter(is_same).unwrap_or(kept);
    let step = deps.provider.revoke(&client, &of);
    let (answer, date) = exchange(deps.transport.as_ref(), &deps.prover, step).await;
    if matches!(answer, Err(TokenError::Transient(_))) {
        deps.provider.doubt();
    }
    (answer, date)
}
