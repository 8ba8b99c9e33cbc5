//! The rig's `client_id`: made once, kept for life.
//!
//! # Decisions
//! - Never a new one because the old one can't be read: that a name was made is noted apart from the name, and the name
//!   carries its own check sum, because SQLite would hand out a flipped byte as it is and the cloud would see a
//!   stranger.
//! - The configuration wins over the stored name: it is how a maker moves a rig to serial numbers. The old name stays as
//!   an older row, and what was granted to it stays tagged with it: it is not used under the new name, and it is in
//!   force again when the configuration is put right. Erasing it would let a typing error end a grant.
//! - The same with the provider, the realm: what is granted is tagged with both, so that no token is ever shown to another
//!   provider than the one that gave it. There is one grant at a time: a pairing with another provider replaces it.
use rusqlite::OptionalExtension;
use sha2::{Digest, Sha256};

use super::{Store, StoreError, Tx};

/// Who the rig is to the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// RFC 6749 `client_id`.
    pub client_id: String,
    /// It was another one until now. The grant of the other one is not used; its items in the queue are kept.
    pub changed: bool,
}

impl Store {
    /// The rig's name, made now if there is none; `wanted`, from the configuration, is the name to use, `realm` the
    /// provider it is used at (empty: Frame.io). Comes before [`Store::load`]. Upholds: the identity stays for life, and an
    /// unreadable one is never replaced.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where there was a name and it can't be read.
    pub async fn identity(&self, wanted: Option<&str>, realm: &str) -> Result<Identity, StoreError> {
        let (wanted, realm) = (wanted.map(str::to_owned), realm.to_owned());
        let (identity, new) = self
            .tx(move |tx| {
                let stored = stored(tx)?;
                let client_id = match (wanted, &stored) {
                    (Some(wanted), _) => wanted,
                    (None, Some(stored)) => stored.client_id.clone(),
                    (None, None) => fresh()?,
                };
                let same = |s: &Stored| s.client_id == client_id && s.realm == realm;
                let new = !stored.as_ref().is_some_and(same);
                if new {
                    insert(tx, &client_id, &realm)?;
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

/// What is granted to the name in force at the realm in force is tagged with this; [`StoreError::NotFound`] before
/// [`Store::identity`] has made one.
pub(super) fn current(tx: &Tx<'_>) -> Result<String, StoreError> {
    Ok(stored(tx)?.ok_or_else(|| StoreError::NotFound("identity".into()))?.tag)
}

/// The provider in force; before there is an identity, Frame.io.
pub(super) fn realm(tx: &Tx<'_>) -> Result<String, StoreError> {
    Ok(stored(tx)?.map_or_else(String::new, |stored| stored.realm))
}

struct Stored {
    client_id: String,
    realm: String,
    tag: String,
}

fn stored(tx: &Tx<'_>) -> Result<Option<Stored>, StoreError> {
    let made: bool = tx.query_row("SELECT identity_made FROM rig WHERE id = 1", [], |r| r.get(0))?;
    let sql = "SELECT client_id, realm, tag, check_sha256 FROM identity ORDER BY seq DESC LIMIT 1";
    let row: Option<(Stored, Vec<u8>)> = tx
        .prepare_cached(sql)?
        .query_row([], |r| Ok((Stored { client_id: r.get(0)?, realm: r.get(1)?, tag: r.get(2)? }, r.get(3)?)))
        .optional()?;
    match row {
        None if made => Err(StoreError::Corrupt("the rig's identity is gone".into())),
        None => Ok(None),
        Some((stored, check)) if check == check_of(&stored.client_id) => Ok(Some(stored)),
        Some(_) => Err(StoreError::Corrupt("the rig's identity fails its check sum".into())),
    }
}

fn insert(tx: &Tx<'_>, client_id: &str, realm: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO identity (client_id, check_sha256, realm) VALUES (?1, ?2, ?3)";
    tx.execute(sql, (client_id, check_of(client_id), realm))?;
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
