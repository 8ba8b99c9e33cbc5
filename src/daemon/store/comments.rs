//! What people and cameras have to say of clips, until the cloud has it.
//!
//! # Decisions
//! - A comment belongs to an item and goes to its asset. Of a clip that is not whole yet it stays when it is sent: another
//!   asset may take that one's place, and then it goes there too.
use rusqlite::OptionalExtension as _;

use super::error::{Limit, StoreError};
use super::handle::Store;
use super::tx::Tx;
use super::{identity, rows};
use rigpost_contract::steered::Steered;
use rigpost_core::queue::item::{ItemId, ItemState};

/// Comments that wait, of all items together.
const MOST: u64 = 10_000;

/// One that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its own number.
    pub number: i64,
    /// Of this item.
    pub item: ItemId,
    /// To this asset.
    pub asset_id: String,
    /// What is said.
    pub text: String,
    /// Frames from the clip's beginning.
    pub frames: u32,
}

impl Store {
    /// Queues a comment. Not of what was taken off: nobody will send it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and [`StoreError::LimitExceeded`].
    pub async fn comment(&self, id: ItemId, text: &str, frames: u32) -> Result<Steered, StoreError> {
        let text = text.to_owned();
        self.tx(move |tx| {
            if rows::item_now(tx, id)?.state == ItemState::Cancelled {
                return Ok(Steered::Cancelled);
            }
            let waiting = tx.query_row("SELECT count(*) FROM comment", [], |r| rows::unsigned(r, 0))?;
            if waiting >= MOST {
                return Err(StoreError::LimitExceeded { limit: Limit::Comments, max: MOST });
            }
            let sql = "INSERT INTO comment (item_id, text, frames) VALUES (?1, ?2, ?3)";
            tx.prepare_cached(sql)?.execute((rows::sql_id(id), text, frames))?;
            Ok(Steered::Changed)
        })
        .await
    }

    /// The oldest comment that this project's assets do not have, of those with a number greater than `after`. What is of no
    /// more use goes.
    pub async fn next_comment(&self, project_id: &str, after: i64) -> Result<Option<Comment>, StoreError> {
        let project_id = project_id.to_owned();
        self.tx(move |tx| {
            forget_delivered(tx)?;
            let project = identity::project(tx, &project_id)?;
            let sql = "SELECT comment.id, item_id, asset_id, text, frames FROM comment JOIN item ON item.id = item_id
                 WHERE asset_id <> '' AND sent_to <> asset_id AND project_id = ?1 AND comment.id > ?2 ORDER BY comment.id LIMIT 1";
            let comment = |r: &rusqlite::Row<'_>| {
                Ok(Comment {
                    number: r.get(0)?,
                    item: rows::item_id(r, 1)?,
                    asset_id: r.get(2)?,
                    text: r.get(3)?,
                    frames: r.get(4)?,
                })
            };
            Ok(tx.prepare_cached(sql)?.query_row((project, after), comment).optional()?)
        })
        .await
    }

    /// The cloud has it, for this asset; or will never take it.
    pub async fn comment_over(&self, comment: &Comment) -> Result<(), StoreError> {
        let (number, asset_id) = (comment.number, comment.asset_id.clone());
        self.tx(move |tx| {
            let sql = "UPDATE comment SET sent_to = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((number, asset_id))?;
            forget_delivered(tx)
        })
        .await
    }
}

fn forget_delivered(tx: &Tx<'_>) -> Result<(), StoreError> {
    if !tx.prepare_cached("SELECT 1 FROM comment LIMIT 1")?.exists([])? {
        return Ok(());
    }
    let sql = "DELETE FROM comment WHERE EXISTS (SELECT 1 FROM item WHERE item.id = item_id
               AND (state = 'done' AND asset_id = sent_to OR state = 'cancelled'))";
    tx.prepare_cached(sql)?.execute([])?;
    Ok(())
}
