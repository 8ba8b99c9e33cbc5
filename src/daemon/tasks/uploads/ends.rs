//! From the end of a turn to its row on disk.
use tracing::{info, warn};

use super::state::{Outcome, UploadTask};
use crate::http::Transport;
use crate::media::made;
use crate::store::{FactsUpdate, Store, StoreError};
use rigpost_core::queue::item::{Item, ItemState, shown};
use rigpost_core::queue::schedule::{End, Event, Written};
use rigpost_core::time::Now;

impl<T: Transport> UploadTask<T> {
    pub(super) fn look_again(&mut self, item: Item) {
        let (workers, dirs) = (self.workers.clone(), self.media_dirs());
        self.running.push(Box::pin(async move {
            let facts = workers.open(dirs, item.clip.path.clone()).await.ok().map(|(_, facts)| facts);
            Outcome::Event(Event::LookedAgain(item.id, facts))
        }));
    }

    pub(super) fn write_end(&mut self, end: End) {
        let (store, now) = (self.store.clone(), self.clock.now());
        self.running.push(Box::pin(async move {
            let (written, item) = write(&store, &end, now).await;
            Outcome::Written(end.id, written, item)
        }));
    }
}

/// Writes it; and the item as it is now, if it still is one.
async fn write(store: &Store, end: &End, now: Now) -> (Written, Option<Box<Item>>) {
    if let Some(facts) = end.grown {
        match store.update_facts(end.id, facts, made(&facts, now)).await {
            Ok(FactsUpdate::Changed | FactsUpdate::TooLate) => {}
            Ok(FactsUpdate::Duplicate(_)) | Err(StoreError::NotFound(_)) => return (Written::Gone, None),
            Err(e) => {
                warn!(item = end.id.0, "the file's new size can't be written yet: {e}");
                return (Written::NotYet, None);
            }
        }
    }
    match store.finish(end.id, end.to, end.reason, &end.detail, now).await {
        Ok(item) => {
            log(&item);
            (Written::Row(item.state), Some(Box::new(item)))
        }
        // Cancelled, and taken off the list before its turn was over.
        Err(StoreError::NotFound(_)) => (Written::Gone, None),
        Err(e) => {
            warn!(item = end.id.0, "the end of a turn can't be written yet: {e}");
            (Written::NotYet, None)
        }
    }
}

fn log(item: &Item) {
    let (id, file) = (item.id.0, shown(&item.clip.path));
    match item.state {
        ItemState::Done => info!(item = id, asset_id = item.asset_id, file, "sent"),
        ItemState::Failed => {
            warn!(item = id, reason = item.reason.as_str(), file, "not sent: {}", item.detail)
        }
        ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Cancelled => {}
    }
}
