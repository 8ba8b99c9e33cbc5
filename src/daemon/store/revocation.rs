//! What is kept of a grant that was ended here, until the provider has heard of it.
//!
//! # Decisions
//! - Written in the transaction that erases the tokens: there is no moment at which neither is on disk.
//! - With the client's secret beside the token, sealed as it is: whoever forgets the rig erases the client's own, and the
//!   grant would stay for ever. It goes with the token, in a week at the latest.
//! - Bound to the provider that gave it. What another one gave is neither shown to this one nor thrown away.
use rusqlite::OptionalExtension;
use tracing::{info, warn};

use super::error::StoreError;
use super::handle::Store;
use super::identity::Tag;
use super::location::ClientKind;
use super::providers::ProviderId;
use super::tx::Tx;
use super::{identity, providers, rows};
use rigpost_core::disk::DiskError;
use rigpost_core::identity::revocation::{Kept, Over, Progress, RevocationId};
use rigpost_core::identity::rig::{Keep, Parting};
use rigpost_core::oauth::{AccessToken, ClientId, ClientSecret, RefreshToken, Revocable};
use rigpost_core::provider::Client;
use rigpost_core::secret::Secret;

/// Every record of theirs begins so.
const PREFIX: &str = "revocation/";

fn token_name(id: RevocationId) -> String {
    format!("{PREFIX}{}/token", id.0)
}

fn secret_name(id: RevocationId) -> String {
    format!("{PREFIX}{}/secret", id.0)
}

impl Store {
    /// What it takes to revoke a grant, and as whom; `None` where it is not kept any more, or does not open.
    pub async fn revocation(&self, id: RevocationId) -> Result<Option<(Revocable, Client)>, StoreError> {
        self.rig_tx(move |tx| {
            let sql = "SELECT client_id, refresh FROM revocation WHERE id = ?1";
            let row = tx.query_row(sql, [rows::signed(id.0)], |r| Ok((r.get(0)?, r.get(1)?)));
            let Some((client_id, refresh)) = row.optional()? else { return Ok(None) };
            let mut broken = Vec::new();
            let secret = tx.open_or_note(&secret_name(id), &mut broken)?.map(ClientSecret);
            let Some(token) = tx.open_or_note(&token_name(id), &mut broken)? else { return Ok(None) };
            let of = match refresh {
                true => Revocable::Refresh(RefreshToken(token)),
                false => Revocable::Access(AccessToken(token)),
            };
            Ok(broken.is_empty().then_some((of, Client { id: ClientId(client_id), secret })))
        })
        .await
    }

    /// One more, of a grant that was never in use.
    pub async fn keep_revocation(&self, parting: &Parting) -> Result<(), StoreError> {
        let (parting, client) = (parting.clone(), self.shared.location.client.clone());
        self.rig_tx(move |tx| part(tx, &parting, &client)).await
    }

    /// How far one has come.
    pub async fn note_revocation(&self, id: RevocationId, progress: Progress) -> Result<(), StoreError> {
        self.rig_tx(move |tx| {
            let (boot_id, boot, wall) = rows::sql_now(progress.noted);
            let spent = rows::sql_millis(progress.spent);
            tx.execute(
                "UPDATE revocation SET tries = ?2, spent_ms = ?3, noted_boot_id = ?4, noted_boot_us = ?5, noted_wall_s = ?6
                 WHERE id = ?1",
                (rows::signed(id.0), progress.tries, spent, boot_id, boot, wall),
            )?;
            Ok(())
        })
        .await
    }

    /// One is over.
    pub async fn erase_revocation(&self, id: RevocationId) -> Result<(), StoreError> {
        self.rig_tx(move |tx| drop_all(tx, &[id])).await
    }

    /// As the rig's machine wants it, with a line for the journal.
    pub(super) async fn note_try(&self, id: RevocationId, progress: Progress, why: &str) {
        if progress.tries == 1 {
            warn!(
                "the provider has not heard that the authorization is over; it is tried again for a week: {why}"
            );
        }
        // What stays is the count before: it is tried a little longer.
        if let Err(e) = self.note_revocation(id, progress).await {
            warn!("a try to revoke the authorization can't be written down: {e}");
        }
    }

    /// The same.
    pub(super) async fn end_revocation(&self, id: RevocationId, over: &Over) -> Result<(), DiskError> {
        match over {
            Over::Confirmed => info!("the provider has revoked the authorization"),
            Over::NotOffered => {
                info!(
                    "the provider offers no way to revoke the authorization from here; it may still list the rig"
                );
            }
            Over::Refused(word) => {
                warn!("the provider refused to revoke the authorization; end it there by hand: {word}");
            }
            Over::GivenUp(why) => {
                let why = if why.is_empty() { "another pairing was in force" } else { why };
                warn!(
                    "the authorization could not be revoked for a week; end it at the provider by hand: {why}"
                );
            }
        }
        Ok(self.erase_revocation(id).await?)
    }
}

/// What the end of a grant leaves, and what goes for it; before anything else is erased.
pub(super) fn part(tx: &Tx<'_>, parting: &Parting, kind: &ClientKind) -> Result<(), StoreError> {
    drop_all(tx, &parting.gone)?;
    if let Some(keep) = &parting.keep {
        insert(tx, keep, kind)?;
    }
    match (&parting.keep, parting.gone.len()) {
        (_, 0) => {}
        (Some(_), n) => {
            warn!("{n} of the authorizations that could not be revoked so far will not be: too many")
        }
        (None, n) => warn!("{n} of the authorizations that could not be revoked so far will not be, by wish"),
    }
    Ok(())
}

/// To whom a grant was given: provider, `client_id`, and the secret of a client that has one.
type Grantee = (ProviderId, String, Option<Secret>);

/// Who the rig is now.
fn own(tx: &Tx<'_>, kind: &ClientKind) -> Result<Grantee, StoreError> {
    let Tag { client_id, provider } = identity::current(tx)?;
    let secret = tx.unseal_text(&providers::secret(tx, provider)?)?.filter(|_| !kind.public);
    Ok((provider, kind.client_id.clone().unwrap_or(client_id), secret))
}

/// Who it was when it kept that one; `None`: that one is told already.
fn former(tx: &Tx<'_>, id: RevocationId) -> Result<Option<Grantee>, StoreError> {
    let sql = "SELECT provider, client_id FROM revocation WHERE id = ?1";
    let row = tx.query_row(sql, [rows::signed(id.0)], |r| Ok((ProviderId(r.get(0)?), r.get(1)?)));
    let Some((provider, client_id)) = row.optional()? else { return Ok(None) };
    Ok(Some((provider, client_id, tx.unseal_text(&secret_name(id))?)))
}

fn insert(tx: &Tx<'_>, keep: &Keep, kind: &ClientKind) -> Result<(), StoreError> {
    let Keep { id, of, now, like } = keep;
    let former = like.map(|like| former(tx, like)).transpose()?.flatten();
    let (provider, client_id, secret) = match former {
        Some(grantee) => grantee,
        None => own(tx, kind)?,
    };
    let (token, refresh) = match of {
        Revocable::Refresh(token) => (token.expose(), true),
        Revocable::Access(token) => (token.expose(), false),
    };
    tx.seal(&token_name(*id), token.as_bytes())?;
    if let Some(secret) = secret {
        tx.seal(&secret_name(*id), secret.expose().as_bytes())?;
    }
    let (boot_id, boot, wall) = rows::sql_now(*now);
    // Two who end the same grant keep the same.
    tx.execute(
        "INSERT INTO revocation (id, provider, client_id, refresh, noted_boot_id, noted_boot_us, noted_wall_s)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        (rows::signed(id.0), provider.0, client_id, refresh, boot_id, boot, wall),
    )?;
    Ok(())
}

fn drop_all(tx: &Tx<'_>, ids: &[RevocationId]) -> Result<(), StoreError> {
    let mut statement = tx.prepare_cached("DELETE FROM revocation WHERE id = ?1")?;
    for id in ids {
        statement.execute([rows::signed(id.0)])?;
    }
    Ok(())
}

/// All that are kept. What does not open any more is no use, and goes.
pub(super) fn load(tx: &Tx<'_>) -> Result<Vec<Kept>, StoreError> {
    let ours = identity::stored(tx)?.map_or(0, |tag| tag.provider.0);
    let sql = "SELECT id, provider = ?1, tries, spent_ms, noted_boot_id, noted_boot_us, noted_wall_s FROM revocation
               ORDER BY id";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map([ours], |r| {
        let progress = Progress { tries: r.get(2)?, spent: rows::millis(r, 3)?, noted: rows::now(r, 4)? };
        Ok(Kept { id: RevocationId(rows::unsigned(r, 0)?), ours: r.get(1)?, progress })
    })?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    if tx.vault.is_none() {
        return Ok(rows);
    }
    let mut kept = Vec::new();
    for row in rows {
        match tx.unseal(&token_name(row.id)) {
            Ok(Some(_)) => kept.push(row),
            Ok(None) | Err(StoreError::Sealed { .. }) => {
                warn!(
                    "what was kept to revoke an authorization does not open; end it at the provider by hand"
                );
                drop_all(tx, &[row.id])?;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(kept)
}

/// Everything sealed goes but theirs.
pub(super) fn erase_all_other_secrets(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM sealed WHERE name NOT GLOB ?1 || '*'", [PREFIX])?;
    Ok(())
}

/// The root key was lost, and with it what was sealed.
pub(super) fn drop_without_token(tx: &Tx<'_>) -> Result<(), StoreError> {
    let sql = "DELETE FROM revocation WHERE NOT EXISTS
               (SELECT 1 FROM sealed WHERE name = ?1 || revocation.id || '/token')";
    tx.execute(sql, [PREFIX])?;
    Ok(())
}
