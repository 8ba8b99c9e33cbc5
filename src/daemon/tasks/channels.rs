//! Connects the cameras and recorders behind this rig that the project is to know by themselves.
//!
//! # Decisions
//! - Each once in a project; the number is kept. What the provider refuses is tried again now and then: the model may be
//!   allowed by then, and nobody tells.
//! - An answer that got lost looks like a conflict at the next try. Where none of this rig's channels is known to be
//!   connected, all are disconnected once and asked for anew: nobody else has any.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::http::Transport;
use crate::link::ToRig;
use crate::store::{Store, StoreError};
use crate::tasks::delivery::Deliverer;
use crate::tasks::deps::Deps;
use rigpost_contract::channel::ChannelState;
use rigpost_core::backoff::doubled;
use rigpost_core::provider::FrameIo;
use rigpost_core::queue::channel::Channel;
use rigpost_core::queue::schedule::Access;
use rigpost_core::queue::source::Source;
use rigpost_core::queue::upload::CreateError;
use rigpost_core::time::BootTime;

const FIRST_RETRY: Duration = Duration::from_secs(2);
const MAX_RETRY: Duration = Duration::from_secs(300);
/// What was refused.
const REFUSED_AGAIN: Duration = Duration::from_secs(600);

/// A source whose recordings and clips are a sub-device's.
#[derive(Clone, Debug)]
struct Wanted {
    source: String,
    model: String,
}

/// Everything it needs is given to it.
pub struct ChannelTask<T> {
    wanted: Vec<Wanted>,
    cloud: Option<FrameIo>,
    transport: Arc<T>,
    store: Store,
    clock: Clock,
    access: watch::Receiver<Option<Access>>,
    to_rig: mpsc::Sender<ToRig>,
    shows: watch::Sender<Vec<Channel>>,
    troubles: u32,
    /// All were disconnected once, in this project.
    began_anew: bool,
    project: String,
}

impl<T: Transport> ChannelTask<T> {
    /// Nothing happens before [`ChannelTask::run`]; `shows` says until then that each of them waits.
    pub fn new(
        deps: Deps<T>,
        sources: &[Source],
        access: watch::Receiver<Option<Access>>,
        to_rig: mpsc::Sender<ToRig>,
        shows: watch::Sender<Vec<Channel>>,
    ) -> ChannelTask<T> {
        let Deps { delivery, transport, store, clock, .. } = deps;
        let wanted = |s: &Source| Some(Wanted { source: s.name.clone(), model: s.model.clone()? });
        let wanted: Vec<Wanted> = sources.iter().filter_map(wanted).collect();
        shows.send_replace(waiting(&wanted));
        ChannelTask {
            wanted,
            cloud: delivery.as_ref().and_then(Deliverer::frameio).cloned(),
            transport,
            store,
            clock,
            access,
            to_rig,
            shows,
            troubles: 0,
            began_anew: false,
            project: String::new(),
        }
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut again: Option<BootTime> = None;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = self.access.changed() => if changed.is_err() { return },
                () = self.clock.sleep_until_some(again) => {}
            }
            let Some(wait) = stop.run_until_cancelled(self.step()).await else { return };
            again = wait.map(|wait| self.clock.now().boot + wait);
        }
    }

    /// Connects what is not connected; how long to wait for the next try, where something is left.
    async fn step(&mut self) -> Option<Duration> {
        let access = self.access.borrow_and_update().clone();
        let project = access.as_ref().map(|access| access.project_id.clone()).unwrap_or_default();
        if self.project != project {
            (self.project, self.began_anew) = (project, false);
            // What the one before has given them says nothing here.
            self.shows.send_replace(waiting(&self.wanted));
        }
        let (access, cloud) = (access?, self.cloud.clone()?);
        let mut may_begin_anew = !self.began_anew && !self.is_any_known().await;
        let mut wait: Option<Duration> = None;
        for wanted in self.wanted.clone() {
            let (channel, again) = match self.connect(&cloud, &access, &wanted).await {
                Ok(index) => {
                    (self.troubles, may_begin_anew) = (0, false);
                    let connected = Channel {
                        project: self.project.clone(),
                        state: ChannelState::Connected,
                        index,
                        ..Channel::waiting(&wanted.source)
                    };
                    (connected, None)
                }
                Err(e) => self.refused(&access, &wanted, e).await,
            };
            let in_conflict = channel.state == ChannelState::Conflict;
            self.show(channel);
            if in_conflict && may_begin_anew {
                self.began_anew = true;
                let _ = self.transport.send(cloud.disconnect_channels_request(&access.token)).await;
                return Some(Duration::ZERO);
            }
            wait = [wait, again].into_iter().flatten().min();
        }
        wait
    }

    async fn connect(&self, cloud: &FrameIo, access: &Access, wanted: &Wanted) -> Result<u8, CreateError> {
        let known = self.store.sub_device(&wanted.source, &wanted.model, &access.project_id).await;
        let known = known.map_err(unwritten)?;
        if let Some(index) = known.index {
            return Ok(index);
        }
        let request = cloud.connect_channel_request(&access.token, &known.client_id, &wanted.model);
        let answer = self.transport.send(request).await.map_err(CreateError::Transient)?;
        let index = cloud.read_channel(&answer)?;
        self.store.channel_connected(&known.client_id, &access.project_id, index).await.map_err(unwritten)?;
        info!(source = wanted.source, channel = index, "connected as a channel of this rig");
        Ok(index)
    }

    /// What stands in the way, and when it is worth another try.
    async fn refused(
        &mut self,
        access: &Access,
        wanted: &Wanted,
        e: CreateError,
    ) -> (Channel, Option<Duration>) {
        let waiting = Channel { project: self.project.clone(), ..Channel::waiting(&wanted.source) };
        let (state, detail, wait) = match e {
            CreateError::Unauthorized => {
                // The rig's task ends only with the daemon; another token is news.
                let _ = self.to_rig.send(ToRig::Unauthorized(access.token.clone())).await;
                return (waiting, None);
            }
            CreateError::Transient(t) => {
                let _ = self.to_rig.try_send(ToRig::Unreached(t.cause));
                let wait = doubled(FIRST_RETRY, self.troubles, MAX_RETRY);
                self.troubles = self.troubles.saturating_add(1);
                return (waiting, Some(wait.max(t.retry_after.unwrap_or_default())));
            }
            CreateError::Storage => return (waiting, Some(FIRST_RETRY)),
            CreateError::Refused(why) | CreateError::Forbidden(why) => {
                (ChannelState::ModelNotAllowed, why, REFUSED_AGAIN)
            }
            CreateError::Conflict(why) => (ChannelState::Conflict, why, REFUSED_AGAIN),
            CreateError::RecordedWhilePaused => (ChannelState::Conflict, String::new(), REFUSED_AGAIN),
        };
        let channel = Channel { state, detail, ..waiting };
        if !self.shows.borrow().contains(&channel) {
            warn!(
                source = wanted.source,
                state = state.as_str(),
                "a channel is not connected: {}",
                channel.detail
            );
        }
        (channel, Some(wait))
    }

    /// One of them has a number in this project; where that can't be known, too.
    async fn is_any_known(&self) -> bool {
        for wanted in &self.wanted {
            match self.store.sub_device(&wanted.source, &wanted.model, &self.project).await {
                Ok(known) if known.index.is_none() => {}
                Ok(_) | Err(_) => return true,
            }
        }
        false
    }

    fn show(&self, channel: Channel) {
        self.shows.send_if_modified(|all| {
            let own = all.iter_mut().find(|other| other.source == channel.source);
            own.is_some_and(|own| std::mem::replace(own, channel.clone()) != channel)
        });
    }
}

fn waiting(wanted: &[Wanted]) -> Vec<Channel> {
    wanted.iter().map(|wanted| Channel::waiting(&wanted.source)).collect()
}

fn unwritten(e: StoreError) -> CreateError {
    warn!("a channel can't be written down: {e}");
    CreateError::Storage
}
