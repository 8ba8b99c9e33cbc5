//! Asking the cloud for an asset.
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::state::{Outcome, UploadTask};
use crate::clock::Clock;
use crate::http::Transport;
use crate::link::ToRig;
use crate::store::Store;
use rigpost_core::oauth::{AccessToken, Cause};
use rigpost_core::provider::FrameIo;
use rigpost_core::provider::wire::trouble;
use rigpost_core::queue::item::ItemId;
use rigpost_core::queue::ledger;
use rigpost_core::queue::schedule::Event;
use rigpost_core::queue::upload::{AssetRequest, CreateError};
use rigpost_core::secret::Secret;
use rigpost_core::seq::Seq;
use rigpost_core::time::{BootTime, Now, WallTime};

/// Everything that it needs.
struct Creation {
    at: BootTime,
    created: Now,
    wanted: AssetRequest,
    token: AccessToken,
    floor: WallTime,
    clock: Clock,
    store: Store,
    cloud: FrameIo,
    to_rig: mpsc::Sender<ToRig>,
}

type Created = Result<(String, Vec<Secret>), CreateError>;

impl<T: Transport> UploadTask<T> {
    pub(super) fn create(&mut self, id: ItemId, seq: Seq, at: BootTime, token: AccessToken) {
        let (Some(turn), Some(media)) = (self.schedule.turn(id), self.media.get(&id)) else { return };
        // Without clips there is no access either.
        let Some(cloud) = self.cloud.clone() else { return };
        let new = &turn.item.clip;
        let creation = Creation {
            at,
            created: new.created,
            wanted: AssetRequest {
                name: new.name.clone(),
                filetype: new.filetype.clone(),
                size: new.facts.size,
                offset: Duration::ZERO,
                channel: new.channel,
                version_of: None,
            },
            token,
            floor: self.settings.borrow().intake.earliest,
            clock: self.clock.clone(),
            store: self.store.clone(),
            cloud,
            to_rig: self.channels.to_rig.clone(),
        };
        let (transport, dropped) = (self.transport.clone(), media.dropped.clone());
        self.running.push(Box::pin(async move {
            let answer = creation.run(transport.as_ref(), &dropped).await;
            Outcome::Event(Event::Created(id, seq, answer))
        }));
    }
}

impl Creation {
    async fn run(mut self, transport: &impl Transport, dropped: &CancellationToken) -> Created {
        if dropped.run_until_cancelled(self.clock.sleep_until(self.at)).await.is_none() {
            return Err(CreateError::Transient(trouble(Cause::Network, "cancelled", None)));
        }
        self.wanted.offset = self.age().await;
        let answer = transport.send(self.cloud.create_asset_request(&self.token, &self.wanted)).await;
        if let Some(date) = answer.as_ref().ok().and_then(|r| r.date) {
            let _ = self.to_rig.try_send(ToRig::ServerDate(date));
        }
        let answer = answer.map_err(CreateError::Transient).and_then(|r| self.cloud.read_asset(&r));
        // What the rig's task has no room for now it learns from the next call.
        let _ = match &answer {
            Ok(_) => self.to_rig.try_send(ToRig::Accepted(self.token)),
            Err(CreateError::Transient(t)) => self.to_rig.try_send(ToRig::Unreached(t.cause)),
            Err(
                CreateError::Unauthorized
                | CreateError::RecordedWhilePaused
                | CreateError::Refused(_)
                | CreateError::Conflict(_)
                | CreateError::Forbidden(_),
            ) => Ok(()),
        };
        answer
    }

    /// At this moment, by what is known of the clocks now.
    async fn age(&self) -> Duration {
        let now = self.clock.now();
        // What can't be read is as good as not known.
        let then_boot = self.store.boot_wall(self.created.boot_id).await.unwrap_or_default();
        let now_boot = self.store.boot_wall(now.boot_id).await.unwrap_or_default();
        ledger::age(self.created, then_boot, now, now_boot, self.floor)
    }
}
