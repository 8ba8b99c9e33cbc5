//! What the issuer says of itself ([`rigpost_core::provider::kept`]), by provider.
//!
//! # Decisions
//! - Not sealed: everybody can ask the issuer. What was changed here by somebody who can write the file is held against the
//!   configuration like an answer; whoever can do that can change the program, too.
//! - Behind everything of the queue, and never in the way of tokens: at worst it is asked for again.
use super::error::StoreError;
use super::handle::Store;
use super::identity::{self, Tag};
use super::rows;
use super::tx::Tx;
use rigpost_core::provider::kept::{Document, KeptDocument};

impl Store {
    /// In place of what was kept of the provider in force before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no identity, and so nobody who could have asked.
    pub async fn keep_issuer(&self, news: Vec<KeptDocument>) -> Result<(), StoreError> {
        self.tx(move |tx| {
            let provider = identity::current(tx)?.provider.0;
            for KeptDocument { document, from, text, said } in &news {
                let document = document.as_str();
                tx.execute("DELETE FROM issuer WHERE provider = ?1 AND document = ?2", (provider, document))?;
                let (boot_id, boot, wall) = rows::sql_now(*said);
                let sql = "INSERT INTO issuer SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ?4 IS NOT NULL";
                tx.execute(sql, (provider, document, from, text, boot_id, boot, wall))?;
            }
            Ok(())
        })
        .await
    }
}

/// What is kept of this provider.
pub(super) fn load(tx: &Tx<'_>, tag: &Tag) -> Result<Vec<KeptDocument>, StoreError> {
    let sql = "SELECT document, came_from, text, said_boot_id, said_boot_us, said_wall_s FROM issuer
               WHERE provider = ?1";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query([tag.provider.0])?;
    let mut kept = Vec::new();
    while let Some(r) = rows.next()? {
        let Some(document) = Document::parse(&r.get::<_, String>(0)?) else { continue };
        kept.push(KeptDocument { document, from: r.get(1)?, text: r.get(2)?, said: rows::now(r, 3)? });
    }
    Ok(kept)
}
