//! Asking the cloud for an asset, whether its clip lies still or is being recorded.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::Clock;
use crate::http::Transport;
use crate::link::ToRig;
use crate::store::{Store, StoreError};
use crate::tasks::storage::Storage;
use rigpost_contract::channel::ChannelState;
use rigpost_core::oauth::{AccessToken, Cause, Trouble};
use rigpost_core::provider::FrameIo;
use rigpost_core::provider::wire::{Response, trouble};
use rigpost_core::queue::channel::Channel;
use rigpost_core::queue::item::{Clip, ItemId};
use rigpost_core::queue::ledger;
use rigpost_core::queue::schedule::CREATE_EVERY;
use rigpost_core::queue::upload::{AssetRequest, CreateError};
use rigpost_core::secret::Secret;
use rigpost_core::time::{BootTime, Now, WallTime};

/// How long an asset waits for the channel of its clip, which may be asked for at this moment.
const CONNECTED_WITHIN: Duration = Duration::from_secs(15);

/// The asset's id, and the addresses of its parts; none of one that grows.
pub(super) type Created = Result<(String, Vec<Secret>), CreateError>;

/// Who is asked.
pub(super) enum Asks<T> {
    /// A project, with what its answer of this kind is read by.
    FrameIo(FrameIo, fn(&FrameIo, &Response) -> Created),
    /// A storage of the site's own, for this clip.
    Storage(Arc<Storage<T>>, Box<Clip>),
}

/// Everything that it needs. Once for both kinds: it is a great future.
pub(super) struct Creation<T> {
    pub(super) id: ItemId,
    pub(super) at: BootTime,
    pub(super) created: Now,
    pub(super) wanted: AssetRequest,
    pub(super) token: AccessToken,
    pub(super) floor: WallTime,
    pub(super) clock: Clock,
    pub(super) store: Store,
    pub(super) asks: Asks<T>,
    pub(super) to_rig: mpsc::Sender<ToRig>,
    /// The media source whose channel it is, where that has one of its own; and where they stand.
    pub(super) channel: Option<(String, watch::Receiver<Vec<Channel>>)>,
    /// Where the asset is made.
    pub(super) project: String,
}

impl<T: Transport> Creation<T> {
    //= frameio-c2c#5.1
    //# Each creation of an asset says how many seconds ago the clip was made (offset), as of that moment.
    pub(super) async fn run(mut self, transport: &T, dropped: &CancellationToken) -> Created {
        if dropped.run_until_cancelled(self.clock.sleep_until(self.at)).await.is_none() {
            return Err(cancelled());
        }
        if let Some((source, channels)) = self.channel.take() {
            let connected =
                dropped.run_until_cancelled(channel_of(&source, &self.project, channels, &self.clock)).await;
            self.wanted.channel = connected.unwrap_or_else(|| Err(cancelled()))?;
        }
        loop {
            self.wanted.offset = self.age().await;
            let answer = self.ask(transport).await;
            let refused = matches!(
                answer,
                Err(CreateError::Refused(_) | CreateError::Forbidden(_) | CreateError::Conflict(_))
            );
            // The asset that it is a version of may have been deleted in the cloud: then it is a clip of its own.
            if !refused || self.wanted.version_of.take().is_none() {
                return answer;
            }
            self.clock.sleep_until(self.clock.now().boot + CREATE_EVERY).await;
        }
    }

    async fn ask(&self, transport: &T) -> Created {
        match &self.asks {
            Asks::FrameIo(cloud, read) => {
                self.note_asked().await?;
                self.ask_project(transport, cloud, *read).await
            }
            Asks::Storage(storage, clip) if !storage.dialect().asks(clip.facts.size) => {
                storage.begin(self.id, clip, self.wanted.offset).await.map_err(|(e, _)| e)
            }
            Asks::Storage(storage, clip) => {
                storage.ready().await?;
                self.note_asked().await?;
                match storage.begin(self.id, clip, self.wanted.offset).await {
                    Ok(begun) => Ok(begun),
                    Err((e, maybe_made)) => {
                        self.note_answer(maybe_made).await;
                        Err(e)
                    }
                }
            }
        }
    }

    async fn ask_project(
        &self,
        transport: &T,
        cloud: &FrameIo,
        read: fn(&FrameIo, &Response) -> Created,
    ) -> Created {
        let answer = transport.send(cloud.create_asset_request(&self.token, &self.wanted)).await;
        if let Some(date) = answer.as_ref().ok().and_then(|r| r.date) {
            let _ = self.to_rig.try_send(ToRig::ServerDate(date));
        }
        let maybe_made = maybe_made(&answer);
        let answer = answer.map_err(CreateError::Transient).and_then(|r| read(cloud, &r));
        if answer.is_err() {
            self.note_answer(maybe_made).await;
        }
        tell_rig(&self.to_rig, &self.token, &answer);
        answer
    }

    async fn note_asked(&self) -> Result<(), CreateError> {
        match self.store.asset_asked(self.id, self.clock.now()).await {
            Ok(()) => Ok(()),
            Err(StoreError::NotFound(_)) => Err(cancelled()),
            Err(e) => {
                warn!(item = self.id.0, "no asset is asked for, because that can't be written down: {e}");
                Err(CreateError::Storage)
            }
        }
    }

    /// There is no asset that we know of. Where this can't be written, it is counted at the next start.
    async fn note_answer(&self, maybe_made: bool) {
        let noted = match maybe_made {
            true => self.store.drop_asset(self.id).await.map(drop),
            false => self.store.asset_refused(self.id).await,
        };
        match noted {
            // Cleared meanwhile, and counted.
            Ok(()) | Err(StoreError::NotFound(_)) => {}
            Err(e) => warn!(item = self.id.0, "the end of an asset can't be written: {e}"),
        }
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

/// The number of a source's channel: at once, or when it is connected soon.
async fn channel_of(
    source: &str,
    project: &str,
    mut channels: watch::Receiver<Vec<Channel>>,
    clock: &Clock,
) -> Result<u8, CreateError> {
    let of = |all: &[Channel]| all.iter().find(|channel| channel.source == source).cloned();
    let is_here = |channel: &Channel| channel.project == project && channel.state != ChannelState::Waiting;
    let is_known = |all: &Vec<Channel>| of(all).as_ref().is_none_or(is_here);
    let patience = clock.now().boot + CONNECTED_WITHIN;
    tokio::select! {
        biased;
        _ = channels.wait_for(is_known) => {}
        () = clock.sleep_until(patience) => {}
    }
    let Some(mut channel) = of(&channels.borrow()) else { return Ok(0) };
    if channel.project != project {
        channel = Channel::waiting(source);
    }
    channel.stands_in_the_way().map_or(Ok(channel.index), |why| Err(CreateError::Conflict(why)))
}

fn cancelled() -> CreateError {
    CreateError::Transient(trouble(Cause::Network, "cancelled", None))
}

/// Tells the rig's task what a call with this token has shown. What it has no room for now it learns from the next one.
pub(super) fn tell_rig<A>(
    to_rig: &mpsc::Sender<ToRig>,
    token: &AccessToken,
    answer: &Result<A, CreateError>,
) {
    let _ = match answer {
        Ok(_) => to_rig.try_send(ToRig::Accepted(token.clone())),
        Err(CreateError::Transient(t)) => to_rig.try_send(ToRig::Unreached(t.cause)),
        Err(
            CreateError::Unauthorized
            | CreateError::RecordedWhilePaused
            | CreateError::Refused(_)
            | CreateError::Conflict(_)
            | CreateError::Forbidden(_)
            | CreateError::Storage,
        ) => Ok(()),
    };
}

/// Whether there may be an asset where we got none: no answer came though the request may have arrived, or it was made
/// and its answer is of no use. What the provider or something on the way has refused was not made.
fn maybe_made(answer: &Result<Response, Trouble>) -> bool {
    match answer {
        Ok(response) => (200..300).contains(&response.status) && !response.is_html(),
        Err(trouble) => trouble.maybe_applied,
    }
}
