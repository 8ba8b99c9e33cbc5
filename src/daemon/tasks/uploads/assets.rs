//! Asking the cloud for an asset.
use std::time::Duration;

use super::state::{Outcome, UploadTask};
use crate::http::Transport;
use crate::store::{Store, StoreError};
use crate::tasks::creation::Creation;
use rigpost_core::oauth::AccessToken;
use rigpost_core::provider::FrameIo;
use rigpost_core::queue::item::{Asset, ItemId};
use rigpost_core::queue::schedule::Event;
use rigpost_core::queue::upload::AssetRequest;
use rigpost_core::seq::Seq;
use rigpost_core::time::BootTime;

impl<T: Transport> UploadTask<T> {
    pub(super) fn create(&mut self, id: ItemId, seq: Seq, at: BootTime, token: AccessToken) {
        let (Some(turn), Some(media)) = (self.schedule.turn(id), self.media.get(&id)) else { return };
        // Without clips there is no access either.
        let Some(cloud) = self.cloud.clone() else { return };
        let new = &turn.item.clip;
        let creation = Creation {
            id,
            at,
            created: new.created,
            wanted: AssetRequest {
                name: new.name.clone(),
                filetype: new.filetype.clone(),
                size: Some(new.facts.size),
                offset: Duration::ZERO,
                channel: new.channel,
                version_of: Some(new.version_of.clone()).filter(|id| !id.is_empty()),
            },
            token,
            floor: self.settings.borrow().intake.earliest,
            clock: self.clock.clone(),
            store: self.store.clone(),
            cloud,
            to_rig: self.channels.to_rig.clone(),
            read: FrameIo::read_asset,
            project: new.project_id.clone().unwrap_or_default(),
            channel: self.settings.borrow().intake.channel_of(new, &self.channels.sub_devices),
        };
        let (transport, dropped) = (self.transport.clone(), media.dropped.clone());
        self.running.push(Box::pin(async move {
            let answer = creation.run(transport.as_ref(), &dropped).await;
            Outcome::Event(Event::Created(id, seq, answer))
        }));
    }
}

/// The asset is on disk, or it is an orphan and counted.
pub(super) async fn save(store: Store, id: ItemId, asset: Asset) -> Result<(), StoreError> {
    let saved = store.save_asset(id, &asset).await;
    if let Err(StoreError::NotFound(_)) = &saved {
        // Its item lost its turn while the cloud answered. Where it is gone altogether, that was counted with it.
        let _ = store.drop_asset(id).await;
    }
    saved
}
