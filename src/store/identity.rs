//! The rig's `client_id`: made once, kept for life.
//!
//! # Decisions
//! - Never a new one because the old one can't be read: that a name was made is noted apart from the name, and the name
//!   carries its own check sum, because SQLite would hand out a flipped byte as it is and the cloud would see a
//!   stranger.
//! - The configuration wins over the stored name: it is how a maker moves a rig to serial numbers. The old name stays as
//!   an older row, and what was granted to it stays tagged with it: it is not used under the new name, and it is in
//!   force again when the configuration is put right. Erasing it would let a typing error end a grant.
use super::{Store, StoreError, Tx};
use rusqlite::OptionalExtension;
use sha2::{Digest, Sha256};

/// Who the rig is to the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// RFC 6749 `client_id`.
    pub client_id: String,
    /// It was another one until now. The grant of the other one is not used; its items in the queue are kept.
    pub changed: bool,
}

impl Store {
    /// The rig's name, made now if there is none; `wanted`, from the configuration, is the name to use. Comes before
    /// [`Store::load`]. Upholds: the identity stays for life, and an unreadable one is never replaced.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where there was a name and it can't be read.
    pub async fn identity(&self, wanted: Option<&str>) -> Result<Identity, StoreError> {
        let wanted = wanted.map(str::to_owned);
        let (identity, new) = self
            .tx(move |tx| {
                let stored = stored(tx)?;
                let client_id = match (wanted, &stored) {
                    (Some(wanted), _) => wanted,
                    (None, Some(stored)) => stored.clone(),
                    (None, None) => fresh()?,
                };
                let new = stored.as_ref() != Some(&client_id);
                if new {
                    insert(tx, &client_id)?;
                }
                Ok((Identity { changed: new && stored.is_some(), client_id }, new))
            })
            .await?;
        if new {
            self.fold_log().await?;
        }
        Ok(identity)
    }

    /// The name must not be in the log alone: a log can get lost without leaving a trace.
    async fn fold_log(&self) -> Result<(), StoreError> {
        self.run(|shared| Ok(shared.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)).await
    }
}

/// The name in force; [`StoreError::NotFound`] before [`Store::identity`] has made one.
pub(super) fn current(tx: &Tx<'_>) -> Result<String, StoreError> {
    stored(tx)?.ok_or_else(|| StoreError::NotFound("identity".into()))
}

fn stored(tx: &Tx<'_>) -> Result<Option<String>, StoreError> {
    let made: bool = tx.query_row("SELECT identity_made FROM rig WHERE id = 1", [], |r| r.get(0))?;
    let sql = "SELECT client_id, check_sha256 FROM identity ORDER BY seq DESC LIMIT 1";
    let row: Option<(String, Vec<u8>)> =
        tx.prepare_cached(sql)?.query_row([], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
    match row {
        None if made => Err(StoreError::Corrupt("the rig's identity is gone".into())),
        None => Ok(None),
        Some((client_id, check)) if check == check_of(&client_id) => Ok(Some(client_id)),
        Some(_) => Err(StoreError::Corrupt("the rig's identity fails its check sum".into())),
    }
}

fn insert(tx: &Tx<'_>, client_id: &str) -> Result<(), StoreError> {
    let check = check_of(client_id);
    tx.execute("INSERT INTO identity (client_id, check_sha256) VALUES (?1, ?2)", (client_id, check))?;
    tx.execute("UPDATE rig SET identity_made = 1 WHERE id = 1", [])?;
    Ok(())
}

pub(super) fn erase(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM identity", [])?;
    tx.execute("UPDATE rig SET identity_made = 0 WHERE id = 1", [])?;
    Ok(())
}

fn check_of(client_id: &str) -> Vec<u8> {
    Sha256::digest(client_id).to_vec()
}

/// RFC 9562 version 4, from the kernel's randomness; unlike the crate's own maker it can say that there was none.
fn fresh() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Io(format!("no randomness for an identity: {e}")))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}
