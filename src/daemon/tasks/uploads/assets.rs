//! Asking the cloud for an asset.
use std::time::Duration;

use tracing::warn;

use super::ends::look_closer;
use super::state::{Outcome, UploadTask, logged};
use crate::http::Transport;
use crate::store::{NOTHING, Store, StoreError};
use crate::tasks::creation::{Asks, Creation};
use crate::tasks::delivery::Deliverer;
use crate::tasks::storage::GivenUp;
use rigpost_core::oauth::AccessToken;
use rigpost_core::provider::FrameIo;
use rigpost_core::queue::item::{Asset, ItemId};
use rigpost_core::queue::schedule::{Event, Opened};
use rigpost_core::queue::upload::{AssetRequest, Completed, CreateError};
use rigpost_core::seq::Seq;
use rigpost_core::time::BootTime;

impl<T: Transport> UploadTask<T> {
    pub(super) fn create(&mut self, id: ItemId, seq: Seq, at: BootTime, token: AccessToken) {
        let (Some(turn), Some(media)) = (self.schedule.turn(id), self.media.get(&id)) else { return };
        // Without clips there is no access either.
        let Some(cloud) = self.cloud.clone() else { return };
        let new = &turn.item.clip;
        let asks = match cloud {
            Deliverer::FrameIo(frameio) => Asks::FrameIo(frameio, FrameIo::read_asset),
            Deliverer::Storage(storage) => Asks::Storage(storage, Box::new(new.clone())),
        };
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
            asks,
            to_rig: self.channels.to_rig.clone(),
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

impl<T: Transport> UploadTask<T> {
    /// All parts are there, and that is on disk.
    pub(super) fn complete(&mut self, id: ItemId, seq: Seq) {
        let Some(turn) = self.schedule.turn(id) else { return };
        let (item, address) = (turn.item.clone(), turn.upload.address());
        let (Some(cloud), Some(address)) = (self.cloud.clone(), address.cloned()) else { return };
        let (store, file) = (self.store.clone(), self.media.get(&id).map(|media| media.file.clone()));
        self.running.push(Box::pin(async move {
            // What a storage has not put together yet can still be kept from having the bytes of two clips.
            let looked = match &file {
                Some(file)
                    if cloud
                        .upload(std::slice::from_ref(&address))
                        .is_some_and(|upload| upload != NOTHING) =>
                {
                    look_closer(&store, &item, file).await
                }
                Some(_) | None => Opened::Unknown,
            };
            let answer = match (looked, store.sent_parts(id).await) {
                (Opened::WrittenOn(_), _) => {
                    Ok(Completed::Gone("it was written on while it was sent".to_owned()))
                }
                (_, Ok(parts)) => match cloud.complete(&address, (id, &item.clip), &parts).await {
                    Ok((completed, true)) => Ok(completed),
                    // What is there is of an upload before: of that the storage has said nothing here.
                    Ok((completed, false)) => {
                        logged(store.forget_checksums(id).await);
                        Ok(completed)
                    }
                    Err(e) => Err(e),
                },
                (_, Err(e)) => {
                    warn!(item = id.0, "what was sent can't be read: {e}");
                    Err(CreateError::Storage)
                }
            };
            Outcome::Event(Event::Completed(id, seq, answer))
        }));
    }

    /// Nothing is sent to it any more.
    pub(super) fn forget(&mut self, id: ItemId, seq: Seq) {
        let store = self.store.clone();
        self.running.push(Box::pin(async move {
            let dropped = store.drop_asset(id).await;
            let orphans = u64::from(*dropped.as_ref().unwrap_or(&false));
            Outcome::Dropped(Event::Recorded(id, seq, logged(dropped)), orphans)
        }));
    }

    /// The storage has lost these parts.
    pub(super) fn rewind(&mut self, id: ItemId, seq: Seq, n: u32) {
        let store = self.store.clone();
        self.disk(async move { store.rewind(id, n).await }, move |ok| Event::Recorded(id, seq, ok));
    }

    /// A clip that had a turn before was begun: what was begun then, and nobody heard of, is given up.
    pub(super) fn give_up_strays(&mut self, id: ItemId) {
        let Some(turn) = self.schedule.turn(id).filter(|turn| turn.item.attempts > 1) else { return };
        let size = turn.item.clip.facts.size;
        let (Some(Deliverer::Storage(storage)), Some(ours)) = (&self.cloud, turn.upload.address()) else {
            return;
        };
        if !storage.dialect().asks(size) {
            return;
        }
        let (storage, key, ours) = (storage.clone(), turn.item.asset_id.clone(), ours.clone());
        let (store, at) = (self.store.clone(), storage.dialect().base());
        self.running.push(Box::pin(async move {
            // What is to be given up anyway was not counted, and may be among them.
            if let Ok(None) = store.abandoned(&at, 0).await {
                let gone = storage.give_up_strays(&key, &ours).await;
                if gone > 0 {
                    logged(store.orphans_gone(gone).await);
                }
            }
            Outcome::Told
        }));
    }

    /// Tells the storage of what it need not keep any more. One after the other; what comes to nothing is told again when
    /// the next one is, there is access again, or a while is over in which nobody answered.
    pub(super) fn give_up(&mut self) {
        let Some(cloud) = self.cloud.clone() else { return };
        let (Some(at), false) = (cloud.base(), self.giving_up) else { return };
        (self.giving_up, self.give_up_at) = (true, None);
        let store = self.store.clone();
        self.running.push(Box::pin(async move {
            let (mut last, mut unheard) = (0, false);
            while let Ok(Some((id, upload))) = store.abandoned(&at, last).await {
                last = id;
                match cloud.give_up(&upload).await {
                    GivenUp::Gone => drop(logged(store.given_up(id).await)),
                    GivenUp::Kept => {}
                    // One of them may be what takes long.
                    GivenUp::Unknown if !unheard => unheard = true,
                    GivenUp::Unknown => break,
                }
            }
            Outcome::GaveUp { unheard }
        }));
    }
}

/// The asset is on disk, or it is an orphan and counted.
pub(super) async fn save(
    store: Store,
    id: ItemId,
    asset: Asset,
    upload: Option<String>,
) -> Result<(), StoreError> {
    let saved = store.save_upload(id, &asset, upload.clone()).await;
    if let Err(StoreError::NotFound(_)) = &saved {
        if let Some(upload) = upload.filter(|upload| upload != NOTHING) {
            logged(store.abandon(id, upload).await);
        }
        // Its item lost its turn while the cloud answered. Where it is gone altogether, that was counted with it.
        let _ = store.drop_asset(id).await;
    }
    saved
}
