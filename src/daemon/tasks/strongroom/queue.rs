//! The queue's part of the room: each call goes to the store, or is refused because there is none.
use super::Strongroom;
use crate::store::{Found, Glance, Limits, Refaced, StoreError};
use rigpost_core::queue::item::{
    Asset, FileFacts, Item, ItemId, ItemReason, ItemState, NewItem, PartDigest, Receipt,
};
use rigpost_core::queue::ledger::BootWall;
use rigpost_core::time::{BootId, Now};

impl Strongroom {
    /// At the start: whatever had its turn goes back to the queue, parts and all.
    pub async fn resume_uploading(&self) -> Result<(), StoreError> {
        self.store()?.resume_uploading().await.map(drop)
    }

    /// The counts and the wishes that last; `None` while the store can't be read.
    pub async fn queue_glance(&self) -> Option<Glance> {
        self.store().ok()?.glance().await.ok()
    }

    /// The next item of this project, of a priority greater than `above` where that is given.
    pub async fn claim(
        &self,
        project_id: &str,
        waiting: &[ItemId],
        above: Option<i32>,
    ) -> Result<Option<Item>, StoreError> {
        self.store()?.claim(project_id, waiting, above).await
    }

    /// What is known of an item's asset.
    pub async fn asset_of(&self, id: ItemId) -> Result<Option<Asset>, StoreError> {
        self.store()?.asset_of(id).await
    }

    /// Writes an asset down.
    pub async fn save_asset(&self, id: ItemId, asset: Asset) -> Result<(), StoreError> {
        self.store()?.save_asset(id, &asset).await
    }

    /// There is no usable asset any more.
    pub async fn drop_asset(&self, id: ItemId) -> Result<(), StoreError> {
        self.store()?.drop_asset(id).await.map(drop)
    }

    /// A part is confirmed.
    pub async fn finish_part(
        &self,
        id: ItemId,
        asset: &str,
        n: u32,
        etag: &str,
        bytes: u64,
        digest: Option<PartDigest>,
    ) -> Result<(), StoreError> {
        self.store()?.finish_part(id, asset, n, etag, bytes, digest).await
    }

    /// A turn has ended; the item as it is now.
    pub async fn finish(
        &self,
        id: ItemId,
        to: ItemState,
        reason: ItemReason,
        detail: &str,
        now: Now,
    ) -> Result<Item, StoreError> {
        self.store()?.finish(id, to, reason, detail, now).await
    }

    /// Accepts files, all or none.
    pub async fn add(&self, items: Vec<NewItem>, limits: Limits) -> Result<Vec<ItemId>, StoreError> {
        self.store()?.add(items, limits).await
    }

    /// Queues what a media source found and nobody knew.
    pub async fn found(&self, items: Vec<NewItem>, max_items: u64) -> Result<Found, StoreError> {
        self.store()?.found(items, max_items).await
    }

    /// The item's file has grown.
    pub async fn reface(&self, id: ItemId, facts: FileFacts, created: Now) -> Result<Refaced, StoreError> {
        self.store()?.reface(id, facts, created).await
    }

    /// These items as they are now; those that are gone are left out, and all when the disk does not answer.
    pub async fn items(&self, ids: &[ItemId]) -> Vec<Item> {
        match self.store() {
            Ok(store) => store.get(ids).await.unwrap_or_default(),
            Err(_) => vec![],
        }
    }

    /// A page of the queue, and how many there are.
    pub async fn list(
        &self,
        state: Option<ItemState>,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<Item>, u64), StoreError> {
        self.store()?.list(state, offset.into(), limit.into()).await
    }

    /// Takes items off.
    pub async fn cancel(&self, ids: &[ItemId]) -> Result<(), StoreError> {
        self.store()?.cancel(ids).await.map(drop)
    }

    /// Puts items back.
    pub async fn retry(&self, ids: &[ItemId]) -> Result<(), StoreError> {
        self.store()?.retry(ids).await.map(drop)
    }

    /// Queues held items for the project that is paired now.
    pub async fn release(&self, ids: &[ItemId]) -> Result<(), StoreError> {
        self.store()?.release(ids).await.map(drop)
    }

    /// Larger goes first.
    pub async fn set_priority(&self, ids: &[ItemId], priority: i32) -> Result<(), StoreError> {
        self.store()?.set_priority(ids, priority).await.map(drop)
    }

    /// Takes what is over off the list; how many that were.
    pub async fn clear(&self, states: &[ItemState], ids: &[ItemId]) -> Result<u64, StoreError> {
        self.store()?.clear(states, ids).await
    }

    /// What was delivered.
    pub async fn receipt(&self, id: ItemId) -> Result<Option<Receipt>, StoreError> {
        self.store()?.receipt(id).await
    }

    /// Bytes per second for file data; 0: no limit.
    pub async fn set_bandwidth_limit(&self, limit: u64) -> Result<(), StoreError> {
        self.store()?.set_bandwidth_limit(limit).await
    }

    /// The wall clock when that boot began, if it was ever known.
    pub async fn boot_wall(&self, boot: BootId) -> Result<Option<BootWall>, StoreError> {
        self.store()?.boot_wall(boot).await
    }

    /// Remembers it.
    pub async fn note_boot(&self, boot: BootId, wall: BootWall) -> Result<(), StoreError> {
        self.store()?.note_boot(boot, wall).await
    }

    /// Remembers the person's wish.
    pub async fn set_paused(&self, paused: bool) -> Result<(), StoreError> {
        self.store()?.set_paused(paused).await
    }
}
