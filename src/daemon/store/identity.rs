//! The rig's `client_id`: made once, kept for life.
//!
//! # Decisions
//! - Never a new one because the old one can't be read: that a name was made is noted apart from the name, and the name
//!   carries its own check sum, because SQLite would hand out a flipped byte as it is and the cloud would see a
//!   stranger.
//! - The configuration wins over the stored name: it is how a maker moves a rig to serial numbers. The old name stays as
//!   an older row, and what was granted to it stays tagged with it: it is not used under the new name, and it is in
//!   force again when the configuration is put right. Erasing it would let a typing error end a grant.
//! - The same with the provider: what is granted is tagged with both, so that no token is ever shown to another provider
//!   than the one that gave it. There is one grant at a time: a pairing with another provider replaces it.
use ring::digest::{SHA256, digest};
use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::handle::Store;
use super::providers::{ProviderId, row_of};
use super::tx::Tx;
use rigpost_core::provider::ProviderKey;

/// Who the rig is to the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// RFC 6749 `client_id`.
    pub client_id: String,
    /// It was another one until now. The grant of the other one is not used; its items in the queue are kept.
    pub changed: bool,
}

impl Store {
    /// The rig's name, made now if there is none; `wanted`, from the configuration, is the name to use, `provider` where it
    /// is used. Comes before [`Store::grants`]. Upholds: the identity stays for life, and an unreadable one is never replaced.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where there was a name and it can't be read.
    //= frameio-c2c#2
    //# The client_id is unique for each physical device and ours to make: a serial number, or a random UUID
    //# made once and stored.
    //= frameio-c2c#2
    //# The client_id stays the same from the request for a code to the revocation.
    pub async fn identity(
        &self,
        wanted: Option<&str>,
        provider: &ProviderKey,
    ) -> Result<Identity, StoreError> {
        let (wanted, provider) = (wanted.map(str::to_owned), provider.clone());
        let (identity, new) = self
            .rig_tx(move |tx| {
                let stored = stored(tx)?;
                let client_id = match (wanted, &stored) {
                    (Some(wanted), _) => wanted,
                    (None, Some(stored)) => stored.client_id.clone(),
                    (None, None) => fresh()?,
                };
                let next = Tag { client_id, provider: row_of(tx, &provider)? };
                let new = stored.as_ref() != Some(&next);
                if new {
                    insert(tx, &next)?;
                }
                Ok((Identity { changed: new && stored.is_some(), client_id: next.client_id }, new))
            })
            .await?;
        if new {
            self.fold_log().await?;
        }
        Ok(identity)
    }

    /// The name must not be in the log alone: a log can get lost without leaving a trace.
    async fn fold_log(&self) -> Result<(), StoreError> {
        self.run(|opened| Ok(opened.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)).await
    }
}

/// What grants, codes and the project are tagged with: a name of the rig, and a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) client_id: String,
    pub(super) provider: ProviderId,
}

impl Tag {
    /// For `WHERE client_id = ?1 AND provider = ?2`.
    pub(super) fn sql(&self) -> (&str, i64) {
        (&self.client_id, self.provider.0)
    }
}

/// The name and the provider in force; [`StoreError::NotFound`] before [`Store::identity`] has made one.
pub(super) fn current(tx: &Tx<'_>) -> Result<Tag, StoreError> {
    stored(tx)?.ok_or_else(|| StoreError::NotFound("identity".into()))
}

/// The same, or nothing.
pub(super) fn stored(tx: &Tx<'_>) -> Result<Option<Tag>, StoreError> {
    let made: bool =
        tx.prepare_cached("SELECT identity_made FROM rig WHERE id = 1")?.query_row([], |r| r.get(0))?;
    let sql = "SELECT client_id, provider, check_sha256 FROM identity ORDER BY seq DESC LIMIT 1";
    let row: Option<(Tag, Vec<u8>)> = tx
        .prepare_cached(sql)?
        .query_row([], |r| Ok((Tag { client_id: r.get(0)?, provider: ProviderId(r.get(1)?) }, r.get(2)?)))
        .optional()?;
    match row {
        None if made => Err(StoreError::Corrupt("the rig's identity is gone".into())),
        None => Ok(None),
        Some((tag, check)) if check == check_of(&tag.client_id) => Ok(Some(tag)),
        Some(_) => Err(StoreError::Corrupt("the rig's identity fails its check sum".into())),
    }
}

/// A project of the provider in force, as items name it. Before there is an identity, of the first one.
pub(super) fn project(tx: &Tx<'_>, id: &str) -> Result<String, StoreError> {
    Ok(stored(tx)?.map_or(ProviderId::FIRST, |tag| tag.provider).project(id))
}

fn insert(tx: &Tx<'_>, tag: &Tag) -> Result<(), StoreError> {
    let sql = "INSERT INTO identity (client_id, check_sha256, provider) VALUES (?1, ?2, ?3)";
    tx.execute(sql, (&tag.client_id, check_of(&tag.client_id), tag.provider.0))?;
    tx.execute("UPDATE rig SET identity_made = 1 WHERE id = 1", [])?;
    Ok(())
}

pub(super) fn erase(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM identity", [])?;
    tx.execute("UPDATE rig SET identity_made = 0 WHERE id = 1", [])?;
    Ok(())
}

fn check_of(client_id: &str) -> Vec<u8> {
    digest(&SHA256, client_id.as_bytes()).as_ref().to_vec()
}

/// RFC 9562 version 4, from the kernel's randomness; unlike the crate's own maker it can say that there was none.
pub(super) fn fresh() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Io(format!("no randomness for an identity: {e}")))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}
