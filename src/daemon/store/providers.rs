//! Whose grants and projects there are: one row for each provider that the rig was ever used at.
//!
//! # Decisions
//! - A version that did not note the address knew one Frame.io. Its row takes the address that is configured when this
//!   version is first used with Frame.io: before that, no other one can have been meant.
//! - A project is its provider's: a copy of a cloud has the same identifiers, and what was queued for one of them must not
//!   go to the other. The first row's projects are kept as they always were; those of others begin with its number.
use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::tx::Tx;
use rigpost_core::provider::ProviderKey;

/// The row's number; 0 is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProviderId(pub(super) i64);

impl ProviderId {
    /// Frame.io at the address that was first used.
    pub(super) const FIRST: ProviderId = ProviderId(1);

    /// A project of this provider, as items and the pairing name it.
    pub(super) fn project(self, id: &str) -> String {
        if self == ProviderId::FIRST { id.to_owned() } else { format!("{}\n{id}", self.0) }
    }
}

/// The provider's own word for a project of [`ProviderId::project`].
pub(super) fn plain(project: String) -> String {
    match project.split_once('\n') {
        Some((_, id)) => id.to_owned(),
        None => project,
    }
}

/// The provider's row, made or given its address now where there is none.
pub(super) fn row_of(tx: &Tx<'_>, key: &ProviderKey) -> Result<ProviderId, StoreError> {
    let names = (key.kind.as_str(), &key.origin, &key.application);
    let sql = "SELECT id FROM provider WHERE kind = ?1 AND origin = ?2 AND application = ?3";
    let found: Option<i64> = tx.query_row(sql, names, |r| r.get(0)).optional()?;
    if let Some(id) = found {
        let sql = "UPDATE provider SET takes_clips = ?2 WHERE id = ?1 AND takes_clips <> ?2";
        tx.execute(sql, (id, key.takes_clips))?;
        return Ok(ProviderId(id));
    }
    let sql = "UPDATE provider SET origin = ?2 WHERE kind = ?1 AND origin IS NULL AND application = ?3 RETURNING id";
    let adopted: Option<i64> = tx.query_row(sql, names, |r| r.get(0)).optional()?;
    if let Some(id) = adopted {
        return Ok(ProviderId(id));
    }
    let secret = format!("client_secret/{}/{} {}", key.kind.as_str(), key.origin, key.application);
    let sql = "INSERT INTO provider (kind, origin, application, takes_clips, secret) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id";
    let (kind, origin, application) = names;
    let made = tx.query_row(sql, (kind, origin, application, key.takes_clips, secret), |r| r.get(0))?;
    Ok(ProviderId(made))
}

/// The name of its sealed client secret.
pub(super) fn secret(tx: &Tx<'_>, id: ProviderId) -> Result<String, StoreError> {
    Ok(tx.query_row("SELECT secret FROM provider WHERE id = ?1", [id.0], |r| r.get(0))?)
}

/// Whether clips can be sent there.
pub(super) fn takes_clips(tx: &Tx<'_>, id: ProviderId) -> Result<bool, StoreError> {
    let sql = "SELECT takes_clips FROM provider WHERE id = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([id.0], |r| r.get(0)).optional()?.unwrap_or(false))
}
