//! From the end of a turn to its row on disk.
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use tracing::{info, warn};

use super::claim::{open, same_bytes};
use super::{Done, Turn, Uploader};
use crate::http::Transport;
use crate::link::ToKeeper;
use crate::media::made;
use crate::store::{Refaced, StoreError};
use crate::tasks::Strongroom;
use rigpost_core::backoff::doubled;
use rigpost_core::queue::item::{FileFacts, Item, ItemId, ItemState, shown};
use rigpost_core::queue::upload::Ending;
use rigpost_core::time::Now;
use rigpost_core::view::Reason;

/// How long a clip in trouble of its own is put aside at first, and at most.
const FIRST_ASIDE: Duration = Duration::from_secs(15);
const MAX_ASIDE: Duration = Duration::from_secs(3600);

/// A person has to act in the project: asking more often would only be noise.
const PERSON_WAIT: Duration = Duration::from_secs(300);

/// For an answer that is under way when the daemon stops.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a turn ends, as it is to be written.
#[derive(Debug)]
pub(super) struct End {
    pub(super) id: ItemId,
    pub(super) to: ItemState,
    pub(super) reason: &'static str,
    pub(super) detail: String,
    /// The file has grown since it was queued, and nothing of it has left.
    pub(super) refaced: Option<FileFacts>,
}

impl End {
    /// Back to the queue, and nothing to say about it.
    pub(super) fn requeue(id: ItemId) -> End {
        End::queued(id, "none", String::new())
    }

    pub(super) fn failed(id: ItemId, reason: &'static str, why: impl Into<String>) -> End {
        End { id, to: ItemState::Failed, reason, detail: why.into(), refaced: None }
    }

    pub(super) fn queued(id: ItemId, reason: &'static str, detail: String) -> End {
        End { id, to: ItemState::Queued, reason, detail, refaced: None }
    }
}

impl<T: Transport> Uploader<T> {
    /// Lets go of what is in flight, and hears out what the cloud was asked for: or it would be asked for twice.
    pub(super) async fn wind_up(&mut self) {
        self.stop_next |= self.claiming;
        self.turns.keys().copied().collect::<Vec<_>>().into_iter().for_each(|id| self.cut(id));
        let patience = self.clock.now().boot + LAST_WORDS;
        while self.claiming || !self.turns.is_empty() || !self.ending.is_empty() {
            tokio::select! {
                biased;
                Some(done) = self.running.next() => self.done(done).await,
                () = self.clock.sleep_until(patience) => return,
            }
        }
    }

    pub(super) fn finish(&mut self, id: ItemId, ending: Ending) {
        let Some(turn) = self.turns.remove(&id) else { return };
        let end = match ending {
            Ending::Done => return self.finish_sent(turn),
            Ending::Failed(reason, why) => End::failed(id, reason, why),
            Ending::Later(reason, why, wait) => {
                let file = shown(&turn.item.new.path);
                warn!(item = id.0, reason = reason.as_str(), file, "will be tried again: {why}");
                self.later(reason, why.clone(), wait);
                End::queued(id, reason.as_str(), why)
            }
            Ending::Aside(why) => {
                self.put_aside(&turn.item, Reason::Provider, &why);
                End::queued(id, Reason::Provider.as_str(), why)
            }
            Ending::Forbidden(why) => {
                self.put_aside(&turn.item, Reason::Provider, &why);
                // One may be the clip's own fault. Two in a row are the project's, and all the others would follow.
                self.forbidden += 1;
                if self.forbidden > 1 {
                    self.later(Reason::Provider, why.clone(), Some(PERSON_WAIT));
                }
                End::queued(id, Reason::Provider.as_str(), why)
            }
            Ending::Unauthorized => {
                self.report_refused(turn);
                End::requeue(id)
            }
            Ending::Stopped => End::requeue(id),
        };
        self.write_end(end);
    }

    fn finish_sent(&mut self, turn: Turn) {
        self.clear_trouble();
        let id = turn.item.id;
        self.ending.insert(id);
        let (room, dirs, now) = (self.room.clone(), self.media_dirs(), self.clock.now());
        self.running.push(Box::pin(async move {
            let end = last_look(turn.item, dirs).await;
            Done::Ended(id, write(&room, end, now).await)
        }));
    }

    pub(super) fn put_aside(&mut self, item: &Item, reason: Reason, why: &str) {
        let (id, file) = (item.id, shown(&item.new.path));
        warn!(item = id.0, reason = reason.as_str(), file, "put aside, others go on: {why}");
        // Turns that ended by another's trouble, by a pause or a restart do not count.
        let times = self.own_troubles.entry(id).or_default();
        let wait = doubled(FIRST_ASIDE, *times, MAX_ASIDE);
        *times = times.saturating_add(1);
        self.aside.insert(id, self.clock.now().boot + wait);
        self.view.send_modify(|v| v.trouble = Some((reason, why.to_owned())));
    }

    fn report_refused(&mut self, turn: Turn) {
        let Some(token) = turn.used else { return };
        // One is renewed and that is all. A second may be followed by a long wait for the third.
        if self.refused.replace(token.clone()).is_some_and(|former| former != token) {
            let why = "HTTP 401 for one access token after another".to_owned();
            self.view.send_modify(|v| v.trouble = Some((Reason::Provider, why)));
        }
        let keeper = self.keeper.clone();
        self.running.push(Box::pin(async move {
            // The keeper ends only with the daemon.
            let _ = keeper.send(ToKeeper::Unauthorized(token)).await;
            Done::Told
        }));
    }

    pub(super) fn write_end(&mut self, end: End) {
        let id = end.id;
        self.ending.insert(id);
        let (room, now) = (self.room.clone(), self.clock.now());
        self.running.push(Box::pin(async move { Done::Ended(id, write(&room, end, now).await) }));
    }

    pub(super) async fn ended(&mut self, id: ItemId, ended: Result<Option<Box<Item>>, End>) {
        self.ending.remove(&id);
        if !matches!(&ended, Ok(Some(item)) if item.state == ItemState::Queued) && ended.is_ok() {
            self.seen.remove(&id);
            self.own_troubles.remove(&id);
        }
        match ended {
            // It turned out to be another item's file, or is gone.
            Ok(None) => self.refresh_view().await,
            Ok(Some(item)) => {
                if item.state == ItemState::Queued && !self.aside.contains_key(&item.id) {
                    self.line.changed();
                }
                self.refresh_view().await;
                self.tell(&item);
            }
            Err(end) => {
                self.unwritten.push(end);
                self.later(Reason::Storage, String::new(), None);
            }
        }
    }
}

/// The last look before an item counts as sent: the bytes that left are those that were queued. A file that is gone by
/// now has been sent all the same.
async fn last_look(item: Item, dirs: Vec<PathBuf>) -> End {
    match open(dirs, &item).await {
        Ok((_, facts)) if !same_bytes(&facts, &item) => {
            End::failed(item.id, "changed", "the file changed while it was being sent")
        }
        Ok(_) | Err(_) => {
            End { id: item.id, to: ItemState::Done, reason: "none", detail: String::new(), refaced: None }
        }
    }
}

async fn write(room: &Strongroom, end: End, now: Now) -> Result<Option<Box<Item>>, End> {
    if let Some(facts) = end.refaced {
        match room.reface(end.id, facts, made(&facts, now)).await {
            Ok(Refaced::Changed | Refaced::TooLate) => {}
            Ok(Refaced::Duplicate(_)) | Err(StoreError::NotFound(_)) => return Ok(None),
            Err(e) => {
                warn!(item = end.id.0, "the file's new size can't be written yet: {e}");
                return Err(end);
            }
        }
    }
    match room.finish(end.id, end.to, end.reason, &end.detail, now).await {
        Ok(item) => {
            let (id, file) = (item.id.0, shown(&item.new.path));
            match item.state {
                ItemState::Done => info!(item = id, asset_id = item.asset_id, file, "sent"),
                ItemState::Failed => {
                    warn!(item = id, reason = item.reason, file, "not sent: {}", item.detail)
                }
                ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Cancelled => {}
            }
            Ok(Some(Box::new(item)))
        }
        // Cancelled, and taken off the list before its turn was over.
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(e) => {
            warn!(item = end.id.0, "the end of a turn can't be written yet: {e}");
            Err(end)
        }
    }
}
