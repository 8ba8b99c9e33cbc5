//! Clips whose card is not there: looked for when something is mounted.
//!
//! # Decisions
//! - By the table of mounts, which costs nothing in between, and once at the start: also what no source has found comes
//!   back by itself with its card. What comes back without a mount is a source's to find, or a person's to retry.
//! - A look at path and size is enough to give a clip its turn again. Whether it is that clip its turn finds out, and a
//!   clip that is not there goes back to being away.
use tracing::warn;

use super::state::{Outcome, UploadTask};
use crate::http::Transport;
use crate::media::{Workers, peek};
use crate::store::{Store, StoreError};
use crate::watch::Mounts;
use rigpost_core::queue::item::{Item, ItemId, ItemState};
use rigpost_core::time::BootId;

/// Clips that are looked for at a time.
const PAGE: u64 = 100;

impl<T: Transport> UploadTask<T> {
    /// Puts those that are back into the queue again.
    pub(super) fn look_for_away(&mut self) {
        let (store, workers, dirs) = (self.store.clone(), self.workers.clone(), self.media_dirs());
        let boot = self.clock.now().boot_id;
        self.running.push(Box::pin(async move {
            let (mut back, mut after) = (Vec::new(), None);
            loop {
                match page(&store, &workers, &dirs, boot, after).await {
                    Ok((ids, Some(last))) => {
                        back.extend(ids);
                        after = Some(last);
                    }
                    Ok((_, None)) => break,
                    Err(e) => {
                        warn!("the clips that are away can't be read: {e}");
                        break;
                    }
                }
            }
            Outcome::CameBack(back)
        }));
    }
}

/// Those of a page that are back, and the last one that was looked for; `None`: there are no more.
async fn page(
    store: &Store,
    workers: &Workers,
    dirs: &[std::path::PathBuf],
    boot: BootId,
    after: Option<ItemId>,
) -> Result<(Vec<ItemId>, Option<ItemId>), StoreError> {
    let (items, _) = store.list(Some(ItemState::Away), after, 0, PAGE).await?;
    let last = items.last().map(|item| item.id);
    let mut back = Vec::new();
    for (volume, items) in workers.volumes().group(items, PAGE as usize, |item| &item.clip.path) {
        let dirs = dirs.to_vec();
        let look = move || {
            let is_there = |item: &&Item| {
                let size = peek(&dirs, &item.clip.path, boot).map(|seen| seen.facts.size);
                size == Some(item.clip.facts.size)
            };
            items.iter().filter(is_there).map(|item| item.id).collect::<Vec<_>>()
        };
        // A card that does not answer is told of by those who need it.
        back.extend(volume.run(look).await.unwrap_or_default());
    }
    Ok((store.come_back(&back).await?, last))
}

/// Waits until something is mounted or unmounted; for ever where that can't be told.
pub(super) async fn mounted(mounts: &mut Option<Mounts>) {
    if let Some(watched) = mounts {
        match watched.changed().await {
            Ok(_) => return,
            Err(e) => warn!("mounts can't be watched any more, so clips that are away come back late: {e}"),
        }
        *mounts = None;
    }
    std::future::pending().await
}
