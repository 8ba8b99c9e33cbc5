//! What is done on cards, one thing at a time, by the workers of each.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::BorrowedFd;
use tokio::sync::mpsc;

use super::known::Mark;
use super::links::{Resolved, follow};
use crate::link::ToQueue;
use crate::media::{NotAnswering, Step, Visitor, Volume, Walk, Workers, glance, peek};
use crate::store::{Store, StoreError};
use crate::tasks::intake::{Intake, Taken, with_fingerprints};
use crate::watch::{WatchError, Watcher};
use rigpost_core::command::Refusal;
use rigpost_core::queue::item::FileFacts;
use rigpost_core::time::Now;

/// Files in one job, and in one transaction.
pub(super) const BATCH: usize = 500;
/// Entries of directories, or files, in one call to a card: each may cost a slow one tens of milliseconds.
const STEP: usize = 100;

/// What came of a job.
pub(super) enum Done {
    /// A walk has begun there, or could not.
    Begun(PathBuf, Option<WatchError>, io::Result<(Walk, Step)>),
    /// Where a root and the sources beneath it really lie; its walk is to begin there. Or why nobody can tell.
    Resolved(PathBuf, Vec<Resolved>, io::Result<PathBuf>),
    /// It went on.
    Stepped(PathBuf, Walk, Step, Option<WatchError>),
    /// Files as they are now; `None` where there is none. And those whose cards do not answer.
    Looked(Vec<(PathBuf, Option<FileFacts>)>, Vec<PathBuf>),
    /// The batch, what of it was left, and what the store said.
    Queued(Vec<Found>, Left, Result<Queued, StoreError>),
    /// The walk that began there was lost with its card.
    Hangs(PathBuf),
}

/// What did not pass the intake.
#[derive(Default)]
pub(super) struct Left {
    /// It can't be read, and why.
    pub(super) unread: Vec<(PathBuf, String)>,
    /// Its card does not answer.
    pub(super) silent: Vec<PathBuf>,
    /// For each frame that its source leaves out, its sequence.
    pub(super) frames: Vec<PathBuf>,
}

/// What the store made of a batch.
pub(super) struct Queued {
    /// Files that were new.
    pub(super) added: usize,
    /// There was not room for all.
    pub(super) left_out: bool,
}

/// Goes where the sources want to go, and watches each directory on the way.
pub(super) struct SourceVisitor {
    pub(super) intake: Arc<Intake>,
    pub(super) watcher: Option<Arc<Watcher>>,
    /// A directory that could not be watched.
    pub(super) unwatched: Option<WatchError>,
}

impl Visitor for SourceVisitor {
    fn enters(&self, dir: &Path) -> bool {
        self.intake.sources.iter().any(|source| source.reaches(dir) || source.path.starts_with(dir))
    }

    fn wants(&self, file: &Path) -> bool {
        self.intake.source_of(file).is_some()
    }

    fn entered(&mut self, dir: BorrowedFd<'_>, path: &Path) -> bool {
        match self.watcher.as_ref().map(|watcher| watcher.watch(dir, path)) {
            Some(Ok(())) => true,
            Some(Err(why)) => {
                self.unwatched = Some(why);
                false
            }
            None => false,
        }
    }
}

/// Where a root and the sources beneath it lie.
pub(super) async fn resolve(
    workers: Workers,
    configured: Arc<Intake>,
    watcher: Option<Arc<Watcher>>,
    root: PathBuf,
) -> Done {
    let mut all = Vec::new();
    let mut real = Ok(root.clone());
    for source in configured.sources.iter().filter(|source| source.path.starts_with(&root)) {
        let mut links = Vec::new();
        let found =
            follow(&workers, watcher.as_ref(), &configured.media_dirs, &source.path, &mut links).await;
        let found = match found {
            Ok(found) => found,
            Err(NotAnswering(_)) => return Done::Hangs(root),
        };
        let path = found.as_ref().ok().cloned();
        all.push(Resolved { source: source.name.clone(), path, links });
        if source.path == root {
            real = found;
        }
    }
    Done::Resolved(root, all, real)
}

/// Begins a walk. Where a root is missing, the way to it is watched.
pub(super) async fn begin(
    workers: Workers,
    mut visitor: SourceVisitor,
    place: PathBuf,
    is_root: bool,
) -> Done {
    let at = place.clone();
    let begun = workers.run(&at, move || {
        let intake = visitor.intake.clone();
        let mut begun = Walk::begin(&intake.media_dirs, &place, &mut visitor);
        let mut way = None;
        while let Some(watcher) = visitor.watcher.clone().filter(|_| is_root && is_missing(&begun)) {
            match watcher.watch_way_to(&place) {
                // Nothing came while we looked for the last directory that is there.
                Ok(nearest) if way == Some(nearest.clone()) => break,
                Ok(nearest) => way = Some(nearest),
                Err(why) => {
                    visitor.unwatched = Some(why);
                    break;
                }
            }
            begun = Walk::begin(&intake.media_dirs, &place, &mut visitor);
        }
        Done::Begun(place, visitor.unwatched, begun)
    });
    begun.await.unwrap_or(Done::Hangs(at))
}

fn is_missing(begun: &io::Result<(Walk, Step)>) -> bool {
    matches!(begun, Err(e) if e.kind() == io::ErrorKind::NotFound)
}

pub(super) async fn step(
    workers: Workers,
    mut visitor: SourceVisitor,
    place: PathBuf,
    mut walk: Walk,
) -> Done {
    let at = place.clone();
    let stepped = workers.run(&at, move || {
        let step = walk.step(STEP, &mut visitor);
        Done::Stepped(place, walk, step, visitor.unwatched)
    });
    stepped.await.unwrap_or(Done::Hangs(at))
}

pub(super) async fn look(workers: Workers, intake: Arc<Intake>, files: Vec<PathBuf>) -> Done {
    let (mut seen, mut silent) = (Vec::with_capacity(files.len()), Vec::new());
    for (volume, files) in workers.volumes().group(files, STEP, |path| path) {
        let (intake, asked) = (intake.clone(), files.clone());
        let look = move || asked.iter().map(|path| glance(&intake.media_dirs, path)).collect::<Vec<_>>();
        match volume.run(look).await {
            Ok(facts) => seen.extend(files.into_iter().zip(facts)),
            Err(NotAnswering(_)) => silent.extend(files),
        }
    }
    Done::Looked(seen, silent)
}

/// Brings files to the intake and what passes it into the queue, and tells whoever sends.
pub(super) async fn queue(
    workers: Workers,
    intake: Arc<Intake>,
    store: Store,
    queue: mpsc::Sender<ToQueue>,
    batch: Vec<Found>,
    max_items: u64,
    now: Now,
) -> Done {
    let (mut items, mut left) = (Vec::with_capacity(batch.len()), Left::default());
    for (volume, files) in workers.volumes().group(batch.clone(), STEP, |file| &file.path) {
        let files = match touched(&volume, &intake, &store, files, now).await {
            Ok(files) => files,
            Err(e) => return Done::Queued(batch, left, Err(e)),
        };
        let (intake, asked) = (intake.clone(), files.clone());
        match volume.run(move || pass(&intake, asked, now)).await {
            Ok((passed, of_these)) => {
                items.extend(with_fingerprints(&volume, passed).await);
                left.unread.extend(of_these.unread);
                left.frames.extend(of_these.frames);
            }
            Err(NotAnswering(_)) => left.silent.extend(files.into_iter().map(|file| file.path)),
        }
    }
    if items.is_empty() {
        return Done::Queued(batch, left, Ok(Queued { added: 0, left_out: false }));
    }
    let found = store.found(items, max_items).await;
    let found = match found {
        Ok(found) => {
            let news: Vec<_> = found.added.iter().chain(&found.changed).copied().collect();
            if !news.is_empty() {
                // Where nobody listens any more the daemon is stopping, and the queue is on disk.
                let _ = queue.send(ToQueue::Found(news)).await;
            }
            Ok(Queued { added: found.added.len(), left_out: found.left_out > 0 })
        }
        Err(e) => Err(e),
    };
    Done::Queued(batch, left, found)
}

/// Those of the files that are not known as they are: only they need to be opened and read.
async fn touched(
    volume: &Volume,
    intake: &Arc<Intake>,
    store: &Store,
    files: Vec<Found>,
    now: Now,
) -> Result<Vec<Found>, StoreError> {
    let (intake, asked) = (intake.clone(), files.clone());
    let peek = move || {
        let look = |file: &Found| peek(&intake.media_dirs, &file.path, now.boot_id).unwrap_or_default();
        asked.iter().map(look).collect::<Vec<_>>()
    };
    // What does not answer is told of by the next call.
    let Ok(seen) = volume.run(peek).await else { return Ok(files) };
    let untouched = store.untouched(seen).await?;
    Ok(files.into_iter().zip(untouched).filter(|(_, untouched)| !untouched).map(|(file, _)| file).collect())
}

/// A file of a batch.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// It was seen to be finished.
    pub(super) settled: bool,
    /// It came into being while its directory was watched.
    pub(super) appeared: bool,
    /// As it was when it was found.
    pub(super) mark: Option<Mark>,
}

/// What passes the intake, and what does not for other reasons than not being there any more.
fn pass(intake: &Intake, files: Vec<Found>, now: Now) -> (Vec<Taken>, Left) {
    let (mut items, mut left) = (Vec::new(), Left::default());
    for Found { path, settled, appeared, mark: _ } in files {
        let Some(source) = intake.source_of(&path) else { continue };
        if let Some(sequence) = intake.left_out(&path, source) {
            left.frames.push(sequence);
            continue;
        }
        match intake.found(&path, source, settled, now) {
            Ok(mut taken) => {
                taken.clip.appeared = appeared;
                items.push(taken);
            }
            Err(Refusal::NotFound(_)) => {}
            Err(e) => left.unread.push((path, e.to_string())),
        }
    }
    (items, left)
}
