//! What the kernel told, and what follows from it.
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use tracing::{debug, warn};

use super::{MOST_PLACES, SOON, SourceTask, UNWATCHED};
use crate::watch::{WatchError, WatchEvent};
use rigpost_core::few;

impl SourceTask {
    pub(super) fn saw(&mut self, events: io::Result<Vec<WatchEvent>>) {
        match events {
            Ok(events) => events.into_iter().for_each(|event| self.saw_one(event)),
            Err(e) => {
                // A new pair is opened with the next walk.
                self.watcher = None;
                self.unwatched(WatchError::System(e.to_string()));
            }
        }
    }

    fn saw_one(&mut self, event: WatchEvent) {
        let now = self.clock.now().boot;
        let room = match event {
            WatchEvent::Made(path) if self.wants(&path) => self.settling.made(path, now),
            WatchEvent::Opened(path) => {
                self.is_ours(&path);
                self.settling.opened(&path, now);
                Ok(())
            }
            WatchEvent::ClosedUnwritten(path) => {
                self.is_ours(&path);
                self.settling.closed_unwritten(&path, now);
                Ok(())
            }
            WatchEvent::Closed(path) if self.wants(&path) => {
                self.was_closed(&path);
                self.settling.closed(path, now)
            }
            WatchEvent::MovedIn(path, n) if self.wants(&path) => {
                let from = self.moved_out.take().filter(|(_, out)| *out == n).map(|(path, _)| path);
                self.was_moved(from.as_deref(), &path);
                self.settling.moved(from.as_deref(), path, now)
            }
            WatchEvent::MovedOut(path, n) => {
                self.moved_out = Some((path, n));
                Ok(())
            }
            // Perhaps a link on the way to a source.
            WatchEvent::Made(path) | WatchEvent::MovedIn(path, _) => {
                self.turned(&path);
                Ok(())
            }
            WatchEvent::Closed(_) => Ok(()),
            WatchEvent::NewDirectory(path) => {
                self.turned(&path);
                self.is_new(&path);
                self.came(path);
                Ok(())
            }
            WatchEvent::Uncovered(path) => {
                self.came(path);
                Ok(())
            }
            WatchEvent::Gone(path) => {
                self.gone(&path);
                Ok(())
            }
            WatchEvent::Touched(path, true) => {
                if self.said.unread.remove(&path) {
                    self.came(path);
                }
                Ok(())
            }
            WatchEvent::Touched(path, false) if self.wants(&path) => {
                self.said.unread.remove(&path);
                self.settling.touched(path, now)
            }
            WatchEvent::Touched(..) => Ok(()),
            WatchEvent::Overflow => {
                warn!(
                    "more happened in the media sources than the kernel keeps; they are looked through again"
                );
                self.settling.doubt(now);
                self.walk_all();
                Ok(())
            }
        };
        if room.is_err() {
            self.walk_all_in(SOON);
        }
    }

    fn wants(&self, path: &Path) -> bool {
        self.intake.source_of(path).is_some()
    }

    /// A directory: one that a source lies beneath, or one beneath a source.
    fn came(&mut self, path: PathBuf) {
        let above: Vec<PathBuf> =
            self.missing.iter().filter(|root| self.lies_beneath(root, &path)).cloned().collect();
        above.into_iter().for_each(|root| self.walk_from(root));
        if self.intake.sources.iter().any(|source| source.reaches(&path)) {
            self.walk_from(path);
        }
    }

    fn gone(&mut self, path: &Path) {
        if let Some(watcher) = &self.watcher {
            watcher.forget(path);
        }
        // The next card at this place begins anew.
        self.settling.forget_beneath(path);
        self.ready.retain(|file| !file.path.starts_with(path));
        let roots: Vec<PathBuf> =
            self.roots.iter().filter(|root| self.lies_beneath(root, path)).cloned().collect();
        roots.into_iter().for_each(|root| self.walk_from(root));
    }

    /// By its path, or where its links lead.
    fn lies_beneath(&self, root: &Path, dir: &Path) -> bool {
        root.starts_with(dir) || self.real.get(root).is_some_and(|real| real.starts_with(dir))
    }

    /// Something else may stand where a link to a source stood.
    fn turned(&mut self, path: &Path) {
        let roots: Vec<PathBuf> =
            self.links.iter().filter(|(link, _)| *link == path).map(|(_, root)| root.clone()).collect();
        roots.into_iter().for_each(|root| self.walk_from(root));
    }

    /// A directory that was made where we watch: what lies in it is not older than that.
    fn is_new(&mut self, path: &Path) {
        if self.new_dirs.len() < MOST_PLACES && !self.new_dirs.iter().any(|dir| path.starts_with(dir)) {
            self.new_dirs.insert(path.to_owned());
        }
    }

    pub(super) fn remounted(&mut self, points: io::Result<BTreeSet<PathBuf>>) {
        match points {
            Ok(points) => {
                for point in points {
                    debug!(point = %point.display(), "something was mounted or unmounted");
                    self.gone(&point);
                    self.came(point);
                }
            }
            Err(e) => {
                warn!("mounts can't be watched any more, so cards are found late: {e}");
                self.mounts = None;
                self.walk_all_in(UNWATCHED);
            }
        }
    }

    /// The directories of files whose cards do not answer.
    pub(super) fn walk_around(&mut self, silent: &[PathBuf]) {
        let dirs = few::set(silent.iter().map(|path| path.parent().unwrap_or(path)));
        dirs.into_iter().for_each(|dir| self.walk_once_it_answers(dir.to_owned()));
    }

    pub(super) fn walk_once_it_answers(&mut self, place: PathBuf) {
        let answers = !self.workers.volumes().is_silent(&place);
        self.silent.insert(place);
        if self.silent.len() > MOST_PLACES {
            self.silent = few::set(self.roots.iter().cloned());
        }
        if answers {
            // Meanwhile it does again, and nobody will tell.
            self.walk_all_in(SOON);
        }
    }

    pub(super) fn cards_changed(&mut self) {
        let places = std::mem::take(&mut self.silent);
        places.into_iter().for_each(|place| self.walk_from(place));
    }
}
