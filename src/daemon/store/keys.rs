//! Sealed records, and the binding of the database to one root key.
//!
//! # Decisions
//! - A sealed record of known content, the key-check, tells a foreign key from a damaged record. With a foreign key
//!   nothing is opened or sealed: two keys in one database would be a mess that nobody could untangle.
//! - A key that is lost is not replaced behind anyone's back: [`Store::readopt`] is called by provisioning only.
use super::error::StoreError;
use super::handle::Store;
use super::tx::Tx;
use super::{asset, grant, identity, pairing, projects, queue, revocation, storage_key};
use crate::vault::Vault;
use rigpost_core::identity::rig::Parting;
use rigpost_core::oauth::ClientSecret;

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
        self.rig_tx(|tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM sealed WHERE name <> ?1)";
            Ok(tx.query_row(sql, [KEY_CHECK], |r| r.get(0))?)
        })
        .await
    }

    /// Hands the root key over, or says that there is none. A key that does not fit is dropped, and every method that
    /// needs one answers [`StoreError::Sealed`] until a fitting one is attached. Binds a database that holds nothing
    /// sealed to this key.
    pub async fn attach(&self, vault: Option<Vault>) -> Result<VaultState, StoreError> {
        self.run(|opened| {
            opened.vault = vault;
            if opened.vault.is_none() {
                return Ok(VaultState::Absent);
            }
            let bound = opened.tx(bind);
            if bound != Ok(true) {
                opened.vault = None;
            }
            Ok(if bound? { VaultState::Ready } else { VaultState::Foreign })
        })
        .await
    }

    /// Provisioning after the root key was lost: binds the database to `vault` and deletes every sealed record that it
    /// does not open, together with what is no use without it. Items whose URLs are gone start anew. Upholds: identity
    /// and queue survive the loss of the key; and nothing is given up unless `secret` is kept.
    pub async fn readopt(&self, vault: Vault, secret: &ClientSecret) -> Result<(), StoreError> {
        let secret = secret.clone();
        self.run(move |opened| {
            let before = opened.vault.replace(vault);
            let adopted = opened.tx(|tx| {
                drop_what_does_not_open(tx)?;
                grant::keep_client_secret(tx, &secret)
            });
            if adopted.is_err() {
                opened.vault = before;
            }
            adopted
        })
        .await
    }

    /// Erases the identity and everything sealed, but what is needed to tell a provider that a grant is over. Items stay,
    /// held, and start anew when their project is paired again. True: a key for the storage was among them.
    pub async fn forget(&self, parting: &Parting) -> Result<bool, StoreError> {
        let (parting, client) = (parting.clone(), self.shared.location.client.clone());
        self.rig_tx(move |tx| {
            let storage_key = storage_key::is_there(tx)?;
            revocation::part(tx, &parting, &client)?;
            asset::drop_all(tx)?;
            queue::hold_all(tx)?;
            revocation::erase_all_other_secrets(tx)?;
            tx.execute_batch("DELETE FROM grant_state; DELETE FROM device; DELETE FROM pairing;")?;
            identity::erase(tx)?;
            projects::forget(tx)?;
            if tx.vault.is_some() {
                tx.seal(KEY_CHECK, KEY_CHECK_TEXT)?;
            }
            Ok(storage_key)
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
    revocation::drop_without_token(tx)?;
    tx.seal(KEY_CHECK, KEY_CHECK_TEXT)
}

fn names(tx: &Tx<'_>) -> Result<Vec<String>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT name FROM sealed ORDER BY name")?;
    let rows = statement.query_map([], |r| r.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
