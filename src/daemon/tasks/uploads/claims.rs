//! From the queue to a turn: the next item, its file, and what is known of its asset.
use std::fs::File;
use std::path::PathBuf;

use tracing::warn;

use super::state::{Media, Opened, Outcome, UploadTask};
use crate::http::Transport;
use crate::media::open_beneath;
use crate::store::{Store, StoreError};
use rigpost_core::command::Refusal;
use rigpost_core::queue::item::{FileFacts, Item, ItemId};
use rigpost_core::queue::schedule::{Claimed, Event, FileError};

impl<T: Transport> UploadTask<T> {
    pub(super) fn claim(&mut self, project: String, above: Option<i32>, but: Vec<ItemId>, resume: bool) {
        let (store, dirs) = (self.store.clone(), self.media_dirs());
        self.running.push(Box::pin(async move {
            let claimed = claim(&store, &project, &but, above, resume, dirs).await;
            Outcome::Claimed(claimed.map_err(|e| {
                warn!("the queue can't be read: {e}");
                Refusal::from(e).to_string()
            }))
        }));
    }

    pub(super) fn claimed(&mut self, answer: Result<Option<Box<Opened>>, String>) {
        // First: every event closes the files of those that have no turn, and this one has none yet.
        self.look_around(false);
        let claimed = answer.map(|opened| opened.map(|opened| self.keep_file(*opened)));
        self.step(Event::Claimed(claimed));
    }

    /// The file is there for the turn that may follow.
    fn keep_file(&mut self, opened: Opened) -> Box<Claimed> {
        let Opened { claimed, file } = opened;
        if let Some(file) = file {
            self.media.insert(claimed.item.id, Media::new(file));
        }
        Box::new(claimed)
    }
}

async fn claim(
    store: &Store,
    project: &str,
    but: &[ItemId],
    above: Option<i32>,
    resume: bool,
    dirs: Vec<PathBuf>,
) -> Result<Option<Box<Opened>>, StoreError> {
    if resume {
        store.resume_uploading().await?;
    }
    let Some(item) = store.claim(project, but, above).await? else { return Ok(None) };
    let (file, facts) = match open(dirs, &item).await {
        Ok((file, facts)) => (Some(file), Ok(facts)),
        Err(Refusal::NotFound(_)) => (None, Err(FileError::Gone)),
        Err(why) => (None, Err(FileError::Unreadable(why.to_string()))),
    };
    let asset = match store.asset_of(item.id).await {
        // Its URLs don't open any more: another asset.
        Err(StoreError::Sealed { .. }) => store.drop_asset(item.id).await.map(|_| None),
        asset => asset,
    };
    let asset = asset.map_err(|e| e.to_string());
    Ok(Some(Box::new(Opened { claimed: Claimed { item, file: facts, asset }, file })))
}

/// The item's file as it is now.
pub(super) async fn open(dirs: Vec<PathBuf>, item: &Item) -> Result<(File, FileFacts), Refusal> {
    let path = item.clip.path.clone();
    let opened = tokio::task::spawn_blocking(move || open_beneath(&dirs, &path)).await;
    opened.unwrap_or_else(|e| Err(Refusal::NotAllowed(e.to_string())))
}
