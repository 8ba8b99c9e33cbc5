//! From the queue to a turn: the next item, its file, and what is known of its asset.
//!
//! # Decisions
//! - What was begun earlier goes on only with the same bytes. A file that nobody has touched since it was begun, in the same
//!   mount, has them; of any other one confirmed part, drawn by lot, is read again and compared first. It keeps the dates that
//!   it had then, so that the last look compares all of what was given others.
//! - A card that nobody can tell from another may have a clip at the same path that is alike and not the same: that one has a
//!   row of its own from then on, and the other waits for its card.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::state::{Media, Opened, Outcome, UploadTask};
use crate::http::Transport;
use crate::media::{Kept, MediaFile, ReadError, Workers, cut_off, look_at_open, made, part_digest};
use crate::store::{Store, StoreError};
use rigpost_core::command::Refusal;
use rigpost_core::queue::clip::Copy;
use rigpost_core::queue::evidence::{Relation, Sighting};
use rigpost_core::queue::handed::is_handed_over;
use rigpost_core::queue::item::{Asset, Item, ItemId};
use rigpost_core::queue::schedule::{Claimed, Event, FileError, Seen};
use rigpost_core::queue::source::Source;
use rigpost_core::time::Now;

/// How long what is cut off waits that no source has found.
const PATIENCE: Duration = Duration::from_secs(600);

impl<T: Transport> UploadTask<T> {
    pub(super) fn claim(&mut self, project: String, above: Option<i32>, but: Vec<ItemId>, resume: bool) {
        let intake = self.settings.borrow().intake.clone();
        let claim = Claim {
            store: self.store.clone(),
            looker: self.looker(),
            sources: intake.sources.clone(),
            now: self.clock.now(),
        };
        self.running.push(Box::pin(async move {
            let claimed = claim.run(&project, &but, above, resume).await;
            Outcome::Claimed(claimed.map_err(|e| {
                warn!("the queue can't be read: {e}");
                Refusal::from(e).to_string()
            }))
        }));
    }

    pub(super) fn claimed(&mut self, answer: Result<Option<Box<Opened>>, String>) {
        // First: every event closes the files of those that have no turn, and this one has none yet.
        self.look_around(false);
        let beside = answer.as_ref().ok().and_then(|opened| opened.as_ref()?.beside);
        let claimed = answer.map(|opened| opened.map(|opened| self.keep_file(*opened)));
        self.step(Event::Claimed(claimed));
        if let Some(id) = beside {
            self.found(vec![id]);
        }
    }

    /// The file is there for the turn that may follow.
    fn keep_file(&mut self, opened: Opened) -> Box<Claimed> {
        let Opened { claimed, file, beside: _ } = opened;
        if let Some(file) = file {
            self.media.insert(claimed.item.id, Media::new(file));
        }
        Box::new(claimed)
    }
}

/// The file, the asset, and what stands between the item and the cloud.
type Known = (Result<Seen, FileError>, Result<Option<Asset>, String>, Copy);

struct Claim {
    store: Store,
    looker: Looker,
    sources: Vec<Source>,
    now: Now,
}

impl Claim {
    async fn run(
        self,
        project: &str,
        but: &[ItemId],
        above: Option<i32>,
        resume: bool,
    ) -> Result<Option<Box<Opened>>, StoreError> {
        if resume {
            self.store.resume_uploading().await?;
        }
        let volumes = self.looker.workers.volumes();
        let hangs = move |path: &Path| volumes.is_silent(path);
        let Some(item) = self.store.claim_beside(project, but, above, hangs).await? else { return Ok(None) };
        let patience = self.patience(&item);
        let (file, seen) = match self.looker.look(&item, self.now).await {
            Ok((file, seen)) => (Some(file), Ok(seen)),
            Err(e) => (None, Err(e)),
        };
        // It has its turn by now: whatever the disk says from here on is the turn's trouble, and ends it.
        let (judged, asset, copy) = match self.known(&item, file.as_ref(), seen.clone()).await {
            Ok(known) => known,
            Err(e) => (seen.clone(), Err(e.to_string()), Copy::Free),
        };
        let beside = match (seen, &judged) {
            (Ok(seen), Ok(judged)) => self.beside(&item, &seen, judged).await,
            (Ok(_) | Err(_), Ok(_) | Err(_)) => None,
        };
        let claimed = Claimed { item, file: judged, asset, copy, patience };
        Ok(Some(Box::new(Opened { claimed, file, beside })))
    }

    /// The row of what only its bytes tell from the item's clip, at its path.
    async fn beside(&self, item: &Item, seen: &Seen, judged: &Seen) -> Option<ItemId> {
        let unlike = seen.relation.is_the_same_file() && judged.relation == Relation::Displaced;
        if !unlike || is_handed_over(&item.clip.path) {
            return None;
        }
        let created = made(&seen.sighting.facts, self.now);
        let beside = self.store.beside(item.id, &seen.sighting, created).await;
        beside.unwrap_or_else(|e| {
            warn!(item = item.id.0, "what lies at its path by now can't be queued: {e}");
            None
        })
    }

    /// What the file is by a closer look, its asset, and what stands between it and the cloud.
    async fn known(
        &self,
        item: &Item,
        file: Option<&Arc<MediaFile>>,
        seen: Result<Seen, FileError>,
    ) -> Result<Known, StoreError> {
        let mut asset = Ok(self.asset(item.id).await?);
        let (Some(file), Ok(found)) = (file, seen.clone()) else { return Ok((seen, asset, Copy::Free)) };
        let judged = self.judge(item, file, found, &mut asset).await?;
        let mut copy = Copy::Free;
        if let (Ok(judged), Ok(_)) = (&judged, &asset)
            && judged.relation.is_the_same_file()
        {
            copy = self.store.copy_of(item.id, &judged.sighting).await?;
        }
        Ok((judged, asset, copy))
    }

    async fn asset(&self, id: ItemId) -> Result<Option<Asset>, StoreError> {
        match self.store.asset_of(id).await {
            // Its URLs don't open any more: another asset.
            Err(StoreError::Sealed { .. }) => self.store.drop_asset(id).await.map(|_| None),
            asset => asset,
        }
    }

    /// Looks closer where that is needed, and has the row take what is seen where it is the same clip.
    async fn judge(
        &self,
        item: &Item,
        file: &Arc<MediaFile>,
        mut seen: Seen,
        asset: &mut Result<Option<Asset>, String>,
    ) -> Result<Result<Seen, FileError>, StoreError> {
        let before = item.clip.sighting();
        if let Ok(Some(begun)) = &*asset
            && seen.relation.is_the_same_file()
            && !seen.sighting.untouched_since(&before)
        {
            match self.is_same(item, file, begun).await? {
                Ok(true) => {}
                // In its place on the card that it was on, it was written on: what has left of it is no more. Otherwise its own
                // card may come back.
                Ok(false) if seen.sighting.volume.is_that_of(&before.volume) => {
                    seen.relation = Relation::Rewritten;
                }
                Ok(false) => seen.relation = Relation::Displaced,
                Err(e) => return Ok(Err(file_error(e))),
            }
        }
        // At its place, and not where a link leads now: what lies there was nobody's to send.
        let is_at_its_place = seen.sighting.path == before.path;
        if item.clip.afresh && is_at_its_place && !seen.relation.is_the_same_file() {
            if !matches!(asset, Ok(None)) {
                self.store.rewritten(item.id, &seen.sighting, item.clip.created).await?;
                *asset = Ok(None);
            }
            seen.relation = Relation::Same;
        }
        if !seen.relation.is_the_same_file() {
            return Ok(Ok(seen));
        }
        let looks = match asset {
            Ok(None) => match cut_off(file, seen.sighting.facts.size).await {
                Ok(cut) => {
                    seen.cut = cut.map(|cut| cut.to_string());
                    seen.sighting.clone()
                }
                Err(e) => return Ok(Err(file_error(e))),
            },
            Ok(Some(_)) | Err(_) => seen.sighting.clone().dated_as(&before),
        };
        if looks != before {
            self.store.take_sighting(item.id, &looks).await?;
        }
        Ok(Ok(seen))
    }

    /// One part that the cloud has confirmed is what was sent; or nobody noted what that was.
    async fn is_same(
        &self,
        item: &Item,
        file: &Arc<MediaFile>,
        asset: &Asset,
    ) -> Result<Result<bool, ReadError>, StoreError> {
        let Some((n, digest)) = self.store.any_part(item.id).await? else { return Ok(Ok(true)) };
        let Some((from, len)) = asset.range(n, item.clip.facts.size) else { return Ok(Ok(false)) };
        Ok(part_digest(file, from, len).await.map(|now| now == digest))
    }

    /// As the source says that found it.
    fn patience(&self, item: &Item) -> Option<Duration> {
        let source = item.clip.source.as_ref();
        let source = source.and_then(|name| self.sources.iter().find(|source| source.name == *name));
        source.map_or(Some(PATIENCE), |source| source.incomplete)
    }
}

fn file_error(e: ReadError) -> FileError {
    match e {
        ReadError::Shorter | ReadError::Unreadable(_) => FileError::Unreadable(e.to_string()),
        ReadError::NotAnswering(_) => FileError::NotAnswering(e.to_string()),
    }
}

/// What it takes to look at the files of items.
pub(super) struct Looker {
    workers: Workers,
    kept: Kept,
    dirs: Vec<PathBuf>,
}

impl<T: Transport> UploadTask<T> {
    pub(super) fn looker(&self) -> Looker {
        Looker { workers: self.workers.clone(), kept: self.kept.clone(), dirs: self.media_dirs() }
    }
}

impl Looker {
    /// The item's file as it is now, and what it is to the item.
    pub(super) async fn look(&self, item: &Item, now: Now) -> Result<(Arc<MediaFile>, Seen), FileError> {
        let (file, sighting) = self.open(item, now).await?;
        let relation = sighting.relation(&item.clip.sighting());
        Ok((file, Seen { sighting, relation, cut: None }))
    }

    async fn open(&self, item: &Item, now: Now) -> Result<(Arc<MediaFile>, Sighting), FileError> {
        let path = item.clip.path.clone();
        if is_handed_over(&path) {
            let file = self.kept.get(item.id, &path).ok_or(FileError::Gone)?;
            let seen = look_at_open(&file, path, now.boot_id).await.map_err(file_error)?;
            return Ok((file, seen));
        }
        match self.workers.open(self.dirs.clone(), path, now.boot_id).await {
            Ok((file, sighting)) => Ok((Arc::new(file), sighting)),
            Err(Refusal::NotFound(_)) => Err(FileError::Gone),
            Err(why @ Refusal::NotAnswering(_)) => Err(FileError::NotAnswering(why.to_string())),
            Err(why) => Err(FileError::Unreadable(why.to_string())),
        }
    }
}
