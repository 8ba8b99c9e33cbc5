//! From the end of a turn to its row on disk.
use std::sync::Arc;

use tracing::{info, warn};

use super::state::{Outcome, UploadTask};
use crate::http::Transport;
use crate::media::{self, MediaFile, ReadError, digest, made};
use crate::store::{Store, StoreError};
use rigpost_core::queue::handed::known_as;
use rigpost_core::queue::item::{Item, ItemId, ItemReason, ItemState, shown};
use rigpost_core::queue::schedule::{
    Closer, Comparison, End, Event, Opened, Written, closer, wants_closer_look, written_on,
};
use rigpost_core::time::Now;

impl<T: Transport> UploadTask<T> {
    pub(super) fn look_again(&mut self, item: Item) {
        let (looker, now) = (self.looker(), self.clock.now());
        let (store, file) = (self.store.clone(), self.media.get(&item.id).map(|media| media.file.clone()));
        self.running.push(Box::pin(async move {
            let seen = looker.look(&item, now).await.map(|(_, seen)| Box::new(seen));
            let is_sent = item.sent == item.clip.facts.size;
            let opened = match file {
                Some(file) if is_sent && wants_closer_look(&item.clip.sighting(), &seen) => {
                    look_closer(&store, &item, &file).await
                }
                Some(_) | None => Opened::Unknown,
            };
            Outcome::Event(Event::LookedAgain(item.id, seen, opened))
        }));
    }

    /// Reads all of the file, unless that is let go, and holds it against what was delivered as `other`.
    pub(super) fn compare(&mut self, id: ItemId, other: ItemId) {
        let Some(media) = self.media.get(&id) else {
            return self
                .running
                .push(Box::pin(async move { Outcome::Event(Event::Compared(id, Comparison::Stopped)) }));
        };
        let (file, dropped) = (media.file.clone(), media.dropped.clone());
        let store = self.store.clone();
        self.running.push(Box::pin(async move {
            let comparison = dropped.run_until_cancelled(compared(&store, id, other, &file)).await;
            Outcome::Event(Event::Compared(id, comparison.unwrap_or(Comparison::Stopped)))
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

/// What was opened and sent, whatever lies at its path by now.
pub(super) async fn look_closer(store: &Store, item: &Item, file: &Arc<MediaFile>) -> Opened {
    let before = item.clip.sighting();
    let Ok(now) = media::look_closer(file, &before).await else { return Opened::Unknown };
    let is_as_sent = match closer(&before, &now) {
        Closer::AsSent => true,
        Closer::WrittenOn => false,
        Closer::Compare => match store.sent(item.id).await {
            Ok(Some(sent)) => match digest(file, now.facts.size, sent.chunk_size).await {
                Ok(digest) => digest == sent.xxh64,
                // Its card is out by now.
                Err(_) => {
                    before.facts.mtime_ns == now.facts.mtime_ns && before.fingerprint == now.fingerprint
                }
            },
            Ok(None) | Err(_) => return Opened::Unknown,
        },
    };
    if is_as_sent { Opened::AsSent } else { written_on(before, now) }
}

async fn compared(store: &Store, id: ItemId, other: ItemId, file: &Arc<MediaFile>) -> Comparison {
    let Ok([item]) = store.get(&[id]).await.map(<[Item; 1]>::try_from).unwrap_or(Err(vec![])) else {
        return Comparison::Stopped;
    };
    let size = item.clip.facts.size;
    let known = match store.delivered(other, &item.clip.sighting()).await {
        Ok(Some(known)) => known,
        Ok(None) => return Comparison::Differs,
        // It is asked again with the next turn.
        Err(_) => return Comparison::Stopped,
    };
    match digest(file, size, known.digest.chunk_size).await {
        Ok(now) if now == known.digest.xxh64 => {
            let elsewhere = known.project.filter(|project| item.clip.project_id.as_ref() != Some(project));
            Comparison::Equal(known.id, elsewhere)
        }
        Ok(_) => Comparison::Differs,
        Err(e @ (ReadError::Shorter | ReadError::Unreadable(_))) => Comparison::Unreadable(e.to_string()),
        Err(ReadError::NotAnswering(e)) => Comparison::NotAnswering(e.to_string()),
    }
}

/// Writes it; and the item as it is now, if it still is one.
async fn write(store: &Store, end: &End, now: Now) -> (Written, Option<Box<Item>>) {
    if let Some(seen) = &end.rewritten {
        match store.rewritten(end.id, seen, made(&seen.facts, now)).await {
            Ok(()) => {}
            Err(StoreError::NotFound(_)) => return (Written::Gone, None),
            Err(e) => {
                warn!(item = end.id.0, "what became of the file can't be written yet: {e}");
                return (Written::NotYet, None);
            }
        }
    }
    let written = match end.same_as {
        Some(other) => store.finish_copy(end.id, other, &end.detail, now).await,
        None => store.finish(end.id, end.to, end.reason, &end.detail, now).await,
    };
    match written {
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
    let (id, file) = (item.id.0, shown(&known_as(&item.clip.path)));
    match item.state {
        ItemState::Done if item.reason == ItemReason::Duplicate => {
            info!(item = id, file, "not sent again: {}", item.detail);
        }
        ItemState::Done => info!(item = id, asset_id = item.asset_id, file, "sent"),
        ItemState::Away | ItemState::Incomplete => {
            warn!(item = id, state = item.state.as_str(), file, "waits: {}", item.detail);
        }
        ItemState::Failed => {
            warn!(item = id, reason = item.reason.as_str(), file, "not sent: {}", item.detail)
        }
        ItemState::Queued
        | ItemState::Uploading
        | ItemState::Recording
        | ItemState::Held
        | ItemState::Cancelled => {}
    }
}
