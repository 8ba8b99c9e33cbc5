//! What is done on the disk, one thing at a time.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::BorrowedFd;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::link::ToQueue;
use crate::media::{Step, Visitor, Walk, glance};
use crate::store::{Store, StoreError};
use crate::tasks::intake::Intake;
use crate::watch::{WatchError, Watcher};
use rigpost_core::command::Refusal;
use rigpost_core::queue::item::{Clip, FileFacts};
use rigpost_core::time::Now;

/// Files in one job, and in one transaction.
pub(super) const BATCH: usize = 500;
/// Entries of directories in one step of a walk.
const STEP: usize = BATCH;

/// What came of a job.
pub(super) enum Done {
    /// A walk has begun there, or could not.
    Begun(PathBuf, Option<WatchError>, io::Result<(Walk, Step)>),
    /// It went on.
    Stepped(PathBuf, Walk, Step, Option<WatchError>),
    /// Files as they are now; `None` where there is none.
    Looked(Vec<(PathBuf, Option<FileFacts>)>),
    /// The batch, what of it can't be read, and what the store said.
    Queued(Vec<(PathBuf, bool)>, Vec<(PathBuf, String)>, Result<Queued, StoreError>),
    /// It was cut short, and everything in its hands with it.
    Lost,
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

    fn entered(&mut self, dir: BorrowedFd<'_>, path: &Path) {
        if let Some(Err(why)) = self.watcher.as_ref().map(|watcher| watcher.watch(dir, path)) {
            self.unwatched = Some(why);
        }
    }
}

/// Begins a walk. Where a root is missing, the way to it is watched.
pub(super) async fn begin(mut visitor: SourceVisitor, place: PathBuf, is_root: bool) -> Done {
    let task = spawn_blocking(move || {
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
    joined(task).await
}

fn is_missing(begun: &io::Result<(Walk, Step)>) -> bool {
    matches!(begun, Err(e) if e.kind() == io::ErrorKind::NotFound)
}

pub(super) async fn step(mut visitor: SourceVisitor, place: PathBuf, mut walk: Walk) -> Done {
    joined(spawn_blocking(move || {
        let step = walk.step(STEP, &mut visitor);
        Done::Stepped(place, walk, step, visitor.unwatched)
    }))
    .await
}

pub(super) async fn look(intake: Arc<Intake>, files: Vec<PathBuf>) -> Done {
    joined(spawn_blocking(move || {
        let seen = |path: PathBuf| {
            let facts = glance(&intake.media_dirs, &path);
            (path, facts)
        };
        Done::Looked(files.into_iter().map(seen).collect())
    }))
    .await
}

/// Brings files to the intake and what passes it into the queue, and tells whoever sends.
pub(super) async fn queue(
    intake: Arc<Intake>,
    store: Store,
    queue: mpsc::Sender<ToQueue>,
    batch: Vec<(PathBuf, bool)>,
    max_items: u64,
    now: Now,
) -> Done {
    let at_door = spawn_blocking(move || {
        let (items, refused) = pass(&intake, &batch, now);
        (batch, items, refused)
    });
    let Ok((batch, items, refused)) = at_door.await else { return Done::Lost };
    if items.is_empty() {
        return Done::Queued(batch, refused, Ok(Queued { added: 0, left_out: false }));
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
    Done::Queued(batch, refused, found)
}

/// What passes the intake, and what is refused there for other reasons than not being there any more.
fn pass(intake: &Intake, batch: &[(PathBuf, bool)], now: Now) -> (Vec<Clip>, Vec<(PathBuf, String)>) {
    let (mut items, mut refused) = (Vec::new(), Vec::new());
    for (path, closed) in batch {
        let Some(source) = intake.source_of(path) else { continue };
        match intake.found(path.clone(), source, *closed, now) {
            Ok(item) => items.push(item),
            Err(Refusal::NotFound(_)) => {}
            Err(e) => refused.push((path.clone(), e.to_string())),
        }
    }
    (items, refused)
}

async fn joined(task: tokio::task::JoinHandle<Done>) -> Done {
    task.await.unwrap_or(Done::Lost)
}
