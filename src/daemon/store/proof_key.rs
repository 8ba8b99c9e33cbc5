//! The key of bound tokens, beside the database.
use tracing::{info, warn};

use super::error::StoreError;
use super::handle::Store;
use crate::vault::{PROOF_KEY, ProofKey};

impl Store {
    /// The rig's key; `None`: there is none, or none that opens. Where `make` says so there is one afterwards, synced.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] without a root key; else the disk's.
    pub async fn proof_key(&self, make: bool) -> Result<Option<ProofKey>, StoreError> {
        let dir = self.shared.location.dir.clone();
        self.run(move |opened| {
            let no_key = || StoreError::Sealed { record: "dpop-key".to_owned() };
            let vault = opened.vault.as_ref().ok_or_else(no_key)?;
            let of_file = |e| StoreError::file(&dir.join(PROOF_KEY), &e);
            match ProofKey::read(&dir, vault).map_err(of_file)? {
                None if make => {
                    let key = ProofKey::make(&dir, vault).map_err(of_file)?;
                    info!(key = key.public().thumbprint().0, "made a key for bound tokens");
                    Ok(Some(key))
                }
                found => Ok(found),
            }
        })
        .await
    }

    /// There is none any more, or the journal says why there is.
    pub(super) async fn erase_proof_key(&self) {
        let dir = self.shared.location.dir.clone();
        let erased =
            self.run(move |_| ProofKey::erase(&dir).map_err(|e| StoreError::file(&dir.join(PROOF_KEY), &e)));
        if let Err(e) = erased.await {
            warn!("the key of bound tokens can't be removed: {e}");
        }
    }
}
