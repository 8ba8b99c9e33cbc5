//! Sealed records in a transaction.
use std::mem;

use rusqlite::OptionalExtension;
use zeroize::Zeroizing;

use super::error::StoreError;
use super::tx::Tx;
use rigpost_core::secret::Secret;

impl Tx<'_> {
    /// Seals `plain` as `name`, in place of what was there.
    //= https://www.rfc-editor.org/rfc/rfc6749#section-10.3
    //# MUST be kept confidential in transit and storage
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

    /// Opens a record, or notes its name where it is there and does not open.
    pub(super) fn open_or_note(
        &self,
        name: &str,
        broken: &mut Vec<String>,
    ) -> Result<Option<Secret>, StoreError> {
        match self.unseal_text(name) {
            Err(StoreError::Sealed { record }) => {
                broken.push(record);
                Ok(None)
            }
            opened => opened,
        }
    }
}

#[cfg(test)]
impl super::handle::Store {
    /// From now on no client secret is taken, or again.
    pub(crate) async fn refuse_client_secrets(&self, refuse: bool) {
        let sql = match refuse {
            true => {
                "CREATE TRIGGER refuse BEFORE INSERT ON sealed WHEN NEW.name LIKE 'client_secret%'
                 BEGIN SELECT RAISE(ABORT, 'no'); END"
            }
            false => "DROP TRIGGER refuse",
        };
        self.run(|opened| Ok(opened.conn.execute_batch(sql)?)).await.unwrap();
    }
}
