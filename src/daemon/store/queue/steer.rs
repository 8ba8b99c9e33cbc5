//! What people do with items that are in the queue.
use super::bind::current_pairing;
use super::history;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::tx::Tx;
use crate::store::{asset, rows};
use rigpost_core::queue::clip::place_of;
use rigpost_core::queue::item::{Item, ItemId, ItemReason, ItemState};

impl Store {
    /// Takes items off the queue, all or none; what is sent stays sent. Their assets become orphans. Returns those that
    /// changed; those that were being sent must be stopped.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn cancel(&self, ids: &[ItemId]) -> Result<Vec<ItemId>, StoreError> {
        self.change_each(ids, |tx, item| match item.state {
            ItemState::Done | ItemState::Cancelled => Ok(false),
            ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Failed => {
                asset::drop_asset(tx, item.id)?;
                rows::set_state(tx, item.id, ItemState::Cancelled, ItemReason::None, "")?;
                Ok(true)
            }
        })
        .await
    }

    /// Queues failed and cancelled items again, all or none; held where they belong to another project than the one
    /// that is paired. Returns those that changed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn retry(&self, ids: &[ItemId]) -> Result<Vec<ItemId>, StoreError> {
        self.change_each(ids, |tx, item| match item.state {
            ItemState::Failed | ItemState::Cancelled => {
                let place = place_of(item.clip.project_id.as_deref(), &current_pairing(tx)?);
                rows::set_state(tx, item.id, place.state, place.reason, "")?;
                Ok(true)
            }
            ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Done => Ok(false),
        })
        .await
    }

    /// Queues held items for the project that is paired now, all or none; an asset in another project becomes an
    /// orphan. One whose file is in this project's queue already, or done, is cancelled as `duplicate`. Returns those
    /// that changed.
    ///
    /// # Errors
    /// [`StoreError::NotPaired`] and [`StoreError::NotFound`].
    pub async fn release(&self, ids: &[ItemId]) -> Result<Vec<ItemId>, StoreError> {
        self.change_each(ids, |tx, item| {
            let Some(project) = current_pairing(tx)?.project else { return Err(StoreError::NotPaired) };
            if item.state != ItemState::Held {
                return Ok(false);
            }
            if item.clip.project_id.as_ref() == Some(&project) {
                rows::set_state(tx, item.id, ItemState::Queued, ItemReason::None, "")?;
                return Ok(true);
            }
            asset::drop_asset(tx, item.id)?;
            let key = (
                rows::sql_path(&item.clip.path),
                rows::signed(item.clip.facts.size),
                item.clip.facts.mtime_ns,
                &project,
            );
            if tx.prepare_cached(FIND_IN_PROJECT)?.exists(key)? {
                rows::set_state(tx, item.id, ItemState::Cancelled, ItemReason::Duplicate, "")?;
                return Ok(true);
            }
            let sql =
                "UPDATE item SET project_id = ?2, state = 'queued', reason = ?3, detail = '' WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(item.id), project, ItemReason::None.as_str()))?;
            Ok(true)
        })
        .await
    }

    /// Gives items that are not over another priority, all or none. Returns those that changed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_priority(&self, ids: &[ItemId], priority: i32) -> Result<Vec<ItemId>, StoreError> {
        self.change_each(ids, move |tx, item| {
            let over = matches!(item.state, ItemState::Done | ItemState::Cancelled);
            if over || item.clip.priority == priority {
                return Ok(false);
            }
            let sql = "UPDATE item SET priority = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(item.id), priority))?;
            Ok(true)
        })
        .await
    }

    /// Removes the rows of what is over: every item in one of `states`, and `ids`, of which none where one is refused.
    /// Receipts go with them, and the assets of failed ones become orphans. Goes in steps, each of them synced: a power
    /// cut leaves some. Answers with how many rows went.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::NotOver`] for an item, or a state, that is not `done`, `failed` or
    /// `cancelled`. Then nothing was changed.
    pub async fn clear(&self, states: &[ItemState], ids: &[ItemId]) -> Result<u64, StoreError> {
        if let Some(state) = states.iter().find(|state| !state.is_over()) {
            return Err(StoreError::NotOver(format!("items that are {}", state.as_str())));
        }
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let mut cleared = self.tx(move |tx| history::clear_ids(tx, &ids)).await?;
        for state in states.iter().copied() {
            loop {
                let step = self.tx(move |tx| history::clear_step(tx, state)).await?;
                cleared += step;
                if step == 0 {
                    break;
                }
            }
        }
        Ok(cleared)
    }

    /// A person pauses the queue, or lets it go on; survives restarts.
    pub async fn set_paused(&self, paused: bool) -> Result<(), StoreError> {
        self.tx(move |tx| Ok(tx.execute("UPDATE rig SET paused = ?1 WHERE id = 1", [paused]).map(drop)?))
            .await
    }

    /// Bytes per second for file data, 0 for no limit; survives restarts.
    pub async fn set_bandwidth_limit(&self, limit: u64) -> Result<(), StoreError> {
        let sql = "UPDATE rig SET bandwidth_limit = ?1 WHERE id = 1";
        self.tx(move |tx| Ok(tx.execute(sql, [rows::signed(limit)]).map(drop)?)).await
    }

    async fn change_each(
        &self,
        ids: &[ItemId],
        change: impl Fn(&Tx<'_>, &Item) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<Vec<ItemId>, StoreError> {
        let ids = ids.to_vec();
        self.tx(move |tx| {
            let mut changed = Vec::new();
            for id in ids {
                if change(tx, &rows::item_now(tx, id)?)? {
                    changed.push(id);
                }
            }
            Ok(changed)
        })
        .await
    }
}

pub(super) const FIND_IN_PROJECT: &str =
    "SELECT 1 FROM item WHERE path = ?1 AND size_bytes = ?2 AND mtime_ns = ?3 AND project_id = ?4";
