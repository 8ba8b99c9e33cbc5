//! Brings to the cloud what people and cameras have to say of clips, once their assets are there.
//!
//! # Decisions
//! - One after the other, and a few a second: a script supervisor's box that was offline all morning has hundreds.
//! - Trouble is tried again for ever, later and later; what the provider refuses for good is said in the journal and given up.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::http::Transport;
use crate::link::ToRig;
use crate::store::{Comment, Store, StoreError};
use crate::tasks::creation::tell_rig;
use crate::tasks::delivery::Deliverer;
use crate::tasks::deps::Deps;
use rigpost_core::backoff::doubled;
use rigpost_core::provider::FrameIo;
use rigpost_core::queue::schedule::Access;
use rigpost_core::queue::upload::CreateError;
use rigpost_core::time::BootTime;

/// From one to the next.
const PACE: Duration = Duration::from_millis(300);
const FIRST_RETRY: Duration = Duration::from_secs(2);
const MAX_RETRY: Duration = Duration::from_secs(300);

/// Somebody has said something, or there is an asset that it can go to. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CommentsDue(Arc<Notify>);

impl CommentsDue {
    /// There may be one.
    pub(super) fn tell(&self) {
        self.0.notify_one();
    }
}

/// Everything it needs is given to it.
pub struct CommentTask<T> {
    cloud: Option<FrameIo>,
    transport: Arc<T>,
    store: Store,
    clock: Clock,
    due: CommentsDue,
    access: watch::Receiver<Option<Access>>,
    to_rig: mpsc::Sender<ToRig>,
    troubles: u32,
    /// In the cloud, and not written down yet: it is not sent again.
    sent: Option<Comment>,
    /// One that met trouble; the others are tried before it comes again.
    after: i64,
}

/// What is to be waited for.
enum Next {
    /// News.
    News,
    /// Or this long.
    Again(Duration),
}

impl<T: Transport> CommentTask<T> {
    /// Nothing happens before [`CommentTask::run`].
    pub fn new(
        deps: Deps<T>,
        due: CommentsDue,
        access: watch::Receiver<Option<Access>>,
        to_rig: mpsc::Sender<ToRig>,
    ) -> CommentTask<T> {
        let Deps { delivery, transport, store, clock, .. } = deps;
        CommentTask {
            cloud: delivery.as_ref().and_then(Deliverer::frameio).cloned(),
            transport,
            store,
            clock,
            due,
            access,
            to_rig,
            troubles: 0,
            sent: None,
            after: 0,
        }
    }

    /// Runs until `stop`. A request that is under way then is made again at the next start.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut again: Option<BootTime> = None;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = self.access.changed() => if changed.is_err() { return },
                () = self.due.0.notified() => {}
                () = self.clock.sleep_until_some(again) => {}
            }
            let Some(next) = stop.run_until_cancelled(self.step()).await else { return };
            again = match next {
                Next::News => None,
                Next::Again(wait) => Some(self.clock.now().boot + wait),
            };
        }
    }

    async fn step(&mut self) -> Next {
        let access = self.access.borrow_and_update().clone();
        let (Some(access), Some(cloud)) = (access, self.cloud.clone()) else { return Next::News };
        if let Some(comment) = self.sent.take() {
            return self.over(comment).await;
        }
        let comment = match self.store.next_comment(&access.project_id, self.after).await {
            Ok(Some(comment)) => comment,
            Ok(None) if std::mem::take(&mut self.after) > 0 => return Next::Again(PACE),
            Ok(None) => return Next::News,
            Err(e) => return self.later(&e.to_string(), None),
        };
        let request = cloud.comment_request(&access.token, &comment.asset_id, &comment.text, comment.frames);
        let answer = self.transport.send(request).await;
        let answer = answer.map_err(CreateError::Transient).and_then(|r| cloud.read_comment(&r));
        tell_rig(&self.to_rig, &access.token, &answer);
        match answer {
            Ok(()) => {
                info!(item = comment.item.0, "a comment is in the cloud");
                self.over(comment).await
            }
            Err(CreateError::Unauthorized) => {
                // The rig's task ends only with the daemon; another token is news.
                let _ = self.to_rig.send(ToRig::Unauthorized(access.token)).await;
                Next::News
            }
            Err(CreateError::Transient(t)) => {
                self.after = comment.number;
                self.later(&t.why, t.retry_after)
            }
            Err(CreateError::Storage) => self.later("the disk", None),
            Err(CreateError::RecordedWhilePaused) => {
                self.after = comment.number;
                self.later("the device is paused in the project", None)
            }
            Err(CreateError::Refused(why) | CreateError::Conflict(why) | CreateError::Forbidden(why)) => {
                warn!(item = comment.item.0, "a comment is not taken: {why}");
                self.over(comment).await
            }
        }
    }

    async fn over(&mut self, comment: Comment) -> Next {
        match self.store.comment_over(&comment).await {
            Ok(()) | Err(StoreError::NotFound(_)) => {
                self.troubles = 0;
                Next::Again(PACE)
            }
            Err(e) => {
                self.sent = Some(comment);
                self.later(&e.to_string(), None)
            }
        }
    }

    fn later(&mut self, why: &str, wait: Option<Duration>) -> Next {
        if self.troubles == 0 {
            warn!("comments wait: {why}");
        }
        let wait = wait.unwrap_or_default().max(doubled(FIRST_RETRY, self.troubles, MAX_RETRY));
        self.troubles = self.troubles.saturating_add(1);
        Next::Again(wait)
    }
}
