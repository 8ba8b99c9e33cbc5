//! From the queue to a turn: the next item, its file, and what is known of its asset.
//!
//! # Decisions
//! - A file whose writer is not known to be done is looked at twice, some time apart, and sent only when nothing has
//!   changed in between. The first look is not written down: after a restart there is simply another.
use std::fs::File;
use std::path::PathBuf;

use tracing::{info, warn};

use super::{Done, End, Turn, Uploader};
use crate::http::Transport;
use crate::media::open_beneath;
use crate::store::StoreError;
use crate::tasks::Strongroom;
use crate::tasks::strongroom::refusal;
use rigpost_core::command::Refusal;
use rigpost_core::queue::item::{Asset, FileFacts, Item, ItemId, ItemState, shown};
use rigpost_core::queue::upload::{Action, Upload};
use rigpost_core::view::Reason;

/// An item that was claimed, and what its file and its asset are now.
pub(super) struct Opened {
    item: Item,
    file: Result<(File, FileFacts), Refusal>,
    asset: Result<Option<Asset>, StoreError>,
}

impl<T: Transport> Uploader<T> {
    pub(super) fn claim(&mut self, project_id: String, above: Option<i32>) {
        (self.claiming, self.stop_next) = (true, false);
        self.line.asking();
        let (room, dirs, resume) = (self.room.clone(), self.media_dirs(), !self.resumed);
        // A turn may outlast the item's: it is cancelled and queued again while an answer is still awaited.
        let busy = self.turns.keys().chain(&self.ending);
        let waiting: Vec<ItemId> = self.aside.keys().chain(busy).copied().collect();
        self.running.push(Box::pin(async move {
            if resume && let Err(e) = room.resume_uploading().await {
                return Done::Claimed(above, Err(refusal(e)));
            }
            Done::Claimed(above, claim(&room, &project_id, &waiting, above, dirs).await)
        }));
    }

    pub(super) fn media_dirs(&self) -> Vec<PathBuf> {
        self.settings.borrow().door.media_dirs.clone()
    }

    pub(super) fn claimed(&mut self, above: Option<i32>, answer: Result<Option<Box<Opened>>, Refusal>) {
        self.claiming = false;
        self.resumed |= answer.is_ok();
        match answer {
            Ok(Some(opened)) => {
                self.line.claimed(above, Some(opened.item.new.priority));
                self.begin(*opened);
            }
            Ok(None) => self.line.claimed(above, None),
            Err(e) => {
                warn!("the queue can't be read: {e}");
                self.later(Reason::Storage, e.to_string(), None);
            }
        }
    }

    /// Begins the turn, or ends it at once: written like any end, and then the next. One bad file never blocks the
    /// others.
    fn begin(&mut self, opened: Opened) {
        let Opened { item, file, asset } = opened;
        let id = item.id;
        if self.stop_next {
            return self.write_end(End::requeue(id));
        }
        let (file, facts) = match file {
            Ok(opened) => opened,
            Err(Refusal::NotFound(_)) => {
                return self.write_end(End::failed(id, "vanished", "the file is not there any more"));
            }
            Err(why) => return self.write_end(End::failed(id, "unreadable", why.to_string())),
        };
        // Where parts of it have left, only the same bytes will do.
        let begun = !matches!(asset, Ok(None));
        if !item.new.settled && !begun && self.seen.get(&id) != Some(&facts) {
            return self.wait_for_writer(&item, facts);
        }
        self.seen.remove(&id);
        if !same_bytes(&facts, &item) {
            let why = "the file is not the one that was queued: its size or time changed";
            return self.write_end(End::failed(id, "changed", why));
        }
        let asset = match asset {
            Ok(asset) => asset,
            // Its own trouble, as far as is known: where it is the disk's, the next claim meets it too.
            Err(e) => {
                self.put_aside(&item, Reason::Storage, &e.to_string());
                return self.write_end(End::queued(id, Reason::Storage.as_str(), e.to_string()));
            }
        };
        info!(item = id.0, file = %shown(&item.new.path), "sending");
        self.tell(&item);
        let (upload, actions) = Upload::begin(id, facts.size, asset, self.clock.now());
        self.turns.insert(id, Turn::new(item, upload, file));
        self.perform_all(id, actions);
        self.show_progress();
    }

    fn wait_for_writer(&mut self, item: &Item, facts: FileFacts) {
        let grown = !same_bytes(&facts, item);
        self.seen.insert(item.id, facts);
        self.aside.insert(item.id, self.clock.now().boot + self.settings.borrow().door.settle);
        self.write_end(End {
            id: item.id,
            to: ItemState::Queued,
            reason: "settling",
            detail: "the file may still be being written".to_owned(),
            refaced: grown.then_some(facts),
        });
    }

    pub(super) fn perform_all(&mut self, id: ItemId, actions: Vec<Action>) {
        actions.into_iter().for_each(|action| self.perform(id, action));
    }
}

async fn claim(
    room: &Strongroom,
    project_id: &str,
    waiting: &[ItemId],
    above: Option<i32>,
    dirs: Vec<PathBuf>,
) -> Result<Option<Box<Opened>>, Refusal> {
    let Some(item) = room.claim(project_id, waiting, above).await.map_err(refusal)? else { return Ok(None) };
    let file = open(dirs, &item).await;
    let asset = match room.asset_of(item.id).await {
        // Its URLs don't open any more: another asset.
        Err(StoreError::Sealed { .. }) => room.drop_asset(item.id).await.map(|()| None),
        asset => asset,
    };
    Ok(Some(Box::new(Opened { item, file, asset })))
}

/// The item's file as it is now.
pub(super) async fn open(dirs: Vec<PathBuf>, item: &Item) -> Result<(File, FileFacts), Refusal> {
    let path = item.new.path.clone();
    let opened = tokio::task::spawn_blocking(move || open_beneath(&dirs, &path)).await;
    opened.unwrap_or_else(|e| Err(Refusal::NotAllowed(e.to_string())))
}

pub(super) fn same_bytes(facts: &FileFacts, item: &Item) -> bool {
    facts.size == item.new.facts.size && facts.mtime_ns == item.new.facts.mtime_ns
}
