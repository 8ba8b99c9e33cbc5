//! What people do with items that are in the queue.
use super::bind::{current_pairing, is_there};
use super::history;
use crate::store::error::StoreError;
use crate::store::handle::Store;
use crate::store::tx::Tx;
use crate::store::{asset, rows};
use rigpost_contract::steered::Steered;
use rigpost_core::command::Answers;
use rigpost_core::queue::clip::{Place, place_of};
use rigpost_core::queue::item::{Item, ItemId, ItemReason, ItemState};
use rigpost_core::queue::steer::{self, Release};

impl Store {
    /// Takes items off the queue, all or none; what is sent stays sent. Their assets become orphans. Those that were being
    /// sent must be stopped.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn cancel(&self, ids: &[ItemId]) -> Result<Answers, StoreError> {
        self.change_each(ids, |tx, item| {
            if let Err(stays) = steer::cancel(item.state) {
                return Ok(stays);
            }
            asset::drop_asset(tx, item.id)?;
            rows::set_state(tx, item.id, ItemState::Cancelled, ItemReason::None, "")?;
            Ok(Steered::Changed)
        })
        .await
    }

    /// Queues what is failed, cancelled, away or incomplete again, all or none; held where it belongs to another project
    /// than the one that is paired. Its file is taken as it will be then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn retry(&self, ids: &[ItemId]) -> Result<Answers, StoreError> {
        self.change_each(ids, |tx, item| match steer::retry(item, &current_pairing(tx)?) {
            Ok(place) => queue_at(tx, item.id, place, "UPDATE item SET afresh = 1 WHERE id = ?1"),
            Err(stays) => Ok(stays),
        })
        .await
    }

    /// Queues held items for the project that is paired now, all or none; an asset in another project becomes an
    /// orphan. One that is incomplete goes as it is. One whose file is in this project's queue already, or done, is cancelled as `duplicate`.
    ///
    /// # Errors
    /// [`StoreError::NotPaired`] and [`StoreError::NotFound`].
    pub async fn release(&self, ids: &[ItemId]) -> Result<Answers, StoreError> {
        self.change_each(ids, |tx, item| {
            let pairing = current_pairing(tx)?;
            let Some(project) = &pairing.project else { return Err(StoreError::NotPaired) };
            match steer::release(item, &pairing) {
                Ok(Release::GoOn) => {
                    rows::set_state(tx, item.id, ItemState::Queued, ItemReason::None, "")?;
                    Ok(Steered::Changed)
                }
                Ok(Release::Move) => move_to(tx, item, project),
                Ok(Release::AsItIs(place)) => queue_at(tx, item.id, place, AS_IT_IS),
                Err(stays) => Ok(stays),
            }
        })
        .await
    }

    /// Those that are away wait again, where they belong; nothing happens to others. Returns those that changed.
    pub async fn come_back(&self, ids: &[ItemId]) -> Result<Vec<ItemId>, StoreError> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let answers = self.change_each(ids, |tx, item| {
            if item.state != ItemState::Away {
                return Ok(Steered::Waiting);
            }
            let place = place_of(item.clip.project_id.as_deref(), &current_pairing(tx)?);
            rows::set_state(tx, item.id, place.state, place.reason, "")?;
            Ok(Steered::Changed)
        });
        let back = answers.await?.into_iter().filter(|(_, said)| *said == Steered::Changed);
        Ok(back.map(|(id, _)| id).collect())
    }

    /// An item that was cut off is queued, to go as it is; nothing happens to any other.
    pub async fn send_as_it_is(&self, id: ItemId) -> Result<(), StoreError> {
        self.tx(move |tx| match rows::item_now(tx, id) {
            Ok(item) if item.state == ItemState::Incomplete => {
                let place = place_of(item.clip.project_id.as_deref(), &current_pairing(tx)?);
                queue_at(tx, item.id, place, AS_IT_IS).map(drop)
            }
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(e) => Err(e),
        })
        .await
    }

    /// Gives items that are not over another priority, all or none.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_priority(&self, ids: &[ItemId], priority: i32) -> Result<Answers, StoreError> {
        self.change_each(ids, move |tx, item| {
            if let Err(stays) = steer::prioritize(item, priority) {
                return Ok(stays);
            }
            let sql = "UPDATE item SET priority = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute((rows::sql_id(item.id), priority))?;
            Ok(Steered::Changed)
        })
        .await
    }

    /// Removes the rows of what is over: every item in one of `states`, and those of `ids` that are. Receipts go with them,
    /// and the assets of failed ones become orphans. Goes in steps, each of them synced: a power cut leaves some. Answers
    /// with how many rows went, and what came of `ids`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for one of `ids`; [`StoreError::NotOver`] for a state that is not `done`, `failed` or
    /// `cancelled`. Then nothing was changed.
    pub async fn clear(&self, states: &[ItemState], ids: &[ItemId]) -> Result<(u64, Answers), StoreError> {
        if let Some(state) = states.iter().find(|state| !state.is_over()) {
            return Err(StoreError::NotOver(format!("items that are {}", state.as_str())));
        }
        let ids = ids.to_vec();
        let (mut cleared, answers) = self.tx(move |tx| history::clear_ids(tx, ids)).await?;
        for state in states.iter().copied() {
            loop {
                let step = self.tx(move |tx| history::clear_step(tx, state)).await?;
                cleared += step;
                if step == 0 {
                    break;
                }
            }
        }
        Ok((cleared, answers))
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
        change: impl Fn(&Tx<'_>, &Item) -> Result<Steered, StoreError> + Send + 'static,
    ) -> Result<Answers, StoreError> {
        let ids = ids.to_vec();
        self.tx(move |tx| ids.into_iter().map(|id| Ok((id, change(tx, &rows::item_now(tx, id)?)?))).collect())
            .await
    }
}

const AS_IT_IS: &str = "UPDATE item SET as_is = 1 WHERE id = ?1";

/// It waits there from now on; `mark`: and is marked so.
fn queue_at(tx: &Tx<'_>, id: ItemId, place: Place, mark: &str) -> Result<Steered, StoreError> {
    rows::set_state(tx, id, place.state, place.reason, "")?;
    tx.prepare_cached(mark)?.execute([rows::sql_id(id)])?;
    Ok(steer::queued_at(place))
}

/// It is queued for another project than its own, unless it is another item's clip there.
fn move_to(tx: &Tx<'_>, item: &Item, project: &str) -> Result<Steered, StoreError> {
    asset::drop_asset(tx, item.id)?;
    if is_there(tx, project, item.id)? {
        rows::set_state(tx, item.id, ItemState::Cancelled, ItemReason::Duplicate, "")?;
        return Ok(Steered::Duplicate);
    }
    let sql = "UPDATE item SET project_id = ?2, state = 'queued', reason = ?3, detail = '' WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((rows::sql_id(item.id), project, ItemReason::None.as_str()))?;
    Ok(Steered::Changed)
}
