//! The key of a user of the site's storage, sealed. It goes with everything else that is sealed when the rig is made to forget.
use super::error::StoreError;
use super::handle::Store;
use super::tx::Tx;
use rigpost_core::delivery::keys::Keys;

const RECORD: &str = "storage_key";

/// Whether there is one, whether it opens or not.
pub(super) fn is_there(tx: &Tx<'_>) -> Result<bool, StoreError> {
    Ok(tx.prepare_cached("SELECT 1 FROM sealed WHERE name = ?1")?.exists([RECORD])?)
}

impl Store {
    /// The key; `None`: there is none.
    ///
    /// # Errors
    /// [`StoreError::Sealed`]: it does not open.
    pub async fn storage_key(&self) -> Result<Option<Keys>, StoreError> {
        self.tx(|tx| {
            let Some(text) = tx.unseal_text(RECORD)? else { return Ok(None) };
            let broken = || StoreError::Sealed { record: RECORD.to_owned() };
            Keys::of_user(&text).map(Some).ok_or_else(broken)
        })
        .await
    }

    /// Seals it, in place of what was there.
    pub async fn save_storage_key(&self, keys: &Keys) -> Result<(), StoreError> {
        let text = keys.written();
        self.tx(move |tx| tx.seal(RECORD, text.expose().as_bytes())).await
    }
}
