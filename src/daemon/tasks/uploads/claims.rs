//! From the queue to a turn: the next item, its file, and what is known of its asset.
use std::path::{Path, PathBuf};

use tracing::warn;

use super::state::{Media, Opened, Outcome, UploadTask};
use crate::http::Transport;
use crate::media::Workers;
use crate::store::{Store, StoreError};
use rigpost_core::command::Refusal;
use rigpost_core::queue::item::ItemId;
use rigpost_core::queue::schedule::{Claimed, Event, FileError};

impl<T: Transport> UploadTask<T> {
    pub(super) fn claim(&mut self, project: String, above: Option<i32>, but: Vec<ItemId>, resume: bool) {
        let (store, workers, dirs) = (self.store.clone(), self.workers.clone(), self.media_dirs());
        self.running.push(Box::pin(async move {
            let claimed = claim(&store, &workers, &project, &but, above, resume, dirs).await;
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
    workers: &Workers,
    project: &str,
    but: &[ItemId],
    above: Option<i32>,
    resume: bool,
    dirs: Vec<PathBuf>,
) -> Result<Option<Box<Opened>>, StoreError> {
    if resume {
        store.resume_uploading().await?;
    }
    let volumes = workers.volumes();
    let hangs = move |path: &Path| volumes.is_silent(path);
    let Some(item) = store.claim_beside(project, but, above, hangs).await? else { return Ok(None) };
    let (file, facts) = match workers.open(dirs, item.clip.path.clone()).await {
        Ok((file, facts)) => (Some(file), Ok(facts)),
        Err(Refusal::NotFound(_)) => (None, Err(FileError::Gone)),
        Err(why @ Refusal::NotAnswering(_)) => (None, Err(FileError::NotAnswering(why.to_string()))),
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
