//! Sealed records, and the binding of the database to one root key.
//!
//! # Decisions
//! - A sealed record of known content, the key-check, tells a foreign key from a damaged record. With a foreign key
//!   nothing is opened or sealed: two keys in one database would be a mess that nobody could untangle.
//! - A key that is lost is not replaced behind anyone's back: [`Store::readopt`] is called by provisioning only.
use std::mem;

use rusqlite::OptionalExtension;
use zeroize::Zeroizing;

use super::{Store, StoreError, Tx, asset, grant, identity, pairing, queue};
use crate::vault::Vault;
use rigpost_core::secret::Secret;

const KEY_CHECK: &str = "key-check";
const KEY_CHECK_TEXT: &[u8] = b"rigpost";

/// Whether the root key and the database belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultState {
    /// Secrets can be opened and sealed.
    Ready,
    /// There is no root key.
    Absent,
    /// There is one, and it is not the one that sealed the records here.
    Foreign,
}

impl Store {
    /// True when losing the root key would lose a secret: then no new key may be made in its place.
    pub async fn has_sealed_records(&self) -> Result<bool, StoreError> {
        self.tx(|tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM sealed WHERE name <> ?1)";
            Ok(tx.query_row(sql, [KEY_CHECK], |r| r.get(0))?)
        })
        .await
    }

    /// Hands the root key over, or says that there is none. A key that does not fit is dropped, and every method that
    /// needs one answers [`StoreError::Sealed`] until a fitting one is attached. Binds a database that holds nothing
    /// sealed to this key.
    pub async fn attach(&self, vault: Option<Vault>) -> Result<VaultState, StoreError> {
        self.run(|shared| {
            shared.vault = vault;
            if shared.vault.is_none() {
                return Ok(VaultState::Absent);
            }
            let bound = shared.tx(bind);
            if bound != Ok(true) {
                shared.vault = None;
            }
            Ok(if bound? { VaultState::Ready } else { VaultState::Foreign })
        })
        .await
    }

    /// Provisioning after the root key was lost: binds the database to `vault` and deletes every sealed record that it
    /// does not open, together with what is no use without it. Items whose URLs are gone start anew. Upholds: identity
    /// and queue survive the loss of the key.
    pub async fn readopt(&self, vault: Vault) -> Result<(), StoreError> {
        self.run(|shared| {
            let before = shared.vault.replace(vault);
            let adopted = shared.tx(drop_what_does_not_open);
            if adopted.is_err() {
                shared.vault = before;
            }
            adopted
        })
        .await
    }

    /// Erases the identity and everything sealed. Items stay, held, and start anew when their project is paired again.
    pub async fn forget(&self) -> Result<(), StoreError> {
        self.tx(|tx| {
            asset::drop_all(tx)?;
            queue::hold_all(tx)?;
            tx.execute_batch(
                "DELETE FROM sealed; DELETE FROM grant_state; DELETE FROM device; DELETE FROM pairing;",
            )?;
            identity::erase(tx)?;
            if tx.vault.is_some() { tx.seal(KEY_CHECK, KEY_CHECK_TEXT) } else { Ok(()) }
        })
        .await
    }
}

/// True when the vault at hand is the database's own, which it becomes where nothing speaks against it.
fn bind(tx: &Tx<'_>) -> Result<bool, StoreError> {
    match tx.unseal(KEY_CHECK) {
        Ok(Some(text)) if text.as_slice() == KEY_CHECK_TEXT => return Ok(true),
        Ok(_) | Err(StoreError::Sealed { .. }) => {}
        Err(e) => return Err(e),
    }
    // The key-check is missing, damaged or foreign: the other records decide.
    let names = names(tx)?;
    let mut others = names.iter().filter(|name| *name != KEY_CHECK).peekable();
    let fits = others.peek().is_none() || others.any(|name| matches!(tx.unseal(name), Ok(Some(_))));
    if fits {
        tx.seal(KEY_CHECK, KEY_CHECK_TEXT)?;
    }
    Ok(fits)
}

fn drop_what_does_not_open(tx: &Tx<'_>) -> Result<(), StoreError> {
    let mut lost = Vec::new();
    for name in names(tx)? {
        match tx.unseal(&name) {
            Ok(_) => {}
            Err(StoreError::Sealed { .. }) => {
                tx.erase(&name)?;
                lost.push(name);
            }
            Err(e) => return Err(e),
        }
    }
    let lost = |names: &[&str]| lost.iter().any(|lost| names.contains(&lost.as_str()));
    if lost(&grant::TOKENS) {
        grant::drop_set(tx)?;
    }
    if lost(&pairing::CODES) {
        pairing::drop_code(tx)?;
    }
    asset::drop_without_urls(tx)?;
    tx.seal(KEY_CHECK, KEY_CHECK_TEXT)
}

fn names(tx: &Tx<'_>) -> Result<Vec<String>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT name FROM sealed ORDER BY name")?;
    let rows = statement.query_map([], |r| r.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Tx<'_> {
    /// Seals `plain` as `name`, in place of what was there.
    pub(super) fn seal(&self, name: &str, plain: &[u8]) -> Result<(), StoreError> {
        let vault = self.vault.ok_or_else(|| StoreError::Sealed { record: name.to_owned() })?;
        let value = vault.seal(name, plain)?;
        let sql = "INSERT INTO sealed (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
        self.prepare_cached(sql)?.execute((name, value))?;
        Ok(())
    }

    /// `None` where there is no such record; [`StoreError::Sealed`] where there is and it does not open.
    pub(super) fn unseal(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let sql = "SELECT value FROM sealed WHERE name = ?1";
        let value: Option<Vec<u8>> = self.prepare_cached(sql)?.query_row([name], |r| r.get(0)).optional()?;
        let Some(value) = value else { return Ok(None) };
        let vault = self.vault.ok_or_else(|| StoreError::Sealed { record: name.to_owned() })?;
        Ok(Some(vault.unseal(name, &value)?))
    }

    pub(super) fn unseal_text(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        let Some(mut plain) = self.unseal(name)? else { return Ok(None) };
        // The buffer itself becomes the secret: no copy is left.
        match String::from_utf8(mem::take(&mut *plain)) {
            Ok(text) => Ok(Some(Secret::new(text))),
            Err(e) => {
                drop(Zeroizing::new(e.into_bytes()));
                Err(StoreError::Sealed { record: name.to_owned() })
            }
        }
    }

    pub(super) fn erase(&self, name: &str) -> Result<(), StoreError> {
        self.prepare_cached("DELETE FROM sealed WHERE name = ?1")?.execute([name])?;
        Ok(())
    }
}
