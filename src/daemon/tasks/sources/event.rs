//! What the kernel told, and what follows from it.
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use tracing::{debug, warn};

use super::{MOST_PLACES, SOON, SourceTask, UNWATCHED};
use crate::watch::{WatchError, WatchEvent};

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
            WatchEvent::Opened(path) if self.wants(&path) => self.settling.opened(path, now),
            WatchEvent::Closed(path) if self.wants(&path) => self.settling.closed(path, now),
            WatchEvent::MovedIn(path, n) if self.wants(&path) => {
                let from = self.moved_out.take().filter(|(_, out)| *out == n).map(|(path, _)| path);
                self.settling.moved(from.as_deref(), path, now)
            }
            WatchEvent::MovedOut(path, n) => {
                self.moved_out = Some((path, n));
                Ok(())
            }
            WatchEvent::Opened(_) | WatchEvent::Closed(_) | WatchEvent::MovedIn(..) => Ok(()),
            WatchEvent::NewDirectory(path) => {
                self.came(path);
                Ok(())
            }
            WatchEvent::Gone(path) => {
                self.gone(&path);
                Ok(())
            }
            WatchEvent::Rights(path, is_dir) if self.said.unread.remove(&path) => {
                if is_dir {
                    self.came(path);
                    Ok(())
                } else {
                    self.settling.closed(path, now)
                }
            }
            WatchEvent::Rights(..) => Ok(()),
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
            self.missing.iter().filter(|root| root.starts_with(&path)).cloned().collect();
        above.into_iter().for_each(|root| self.walk_from(root));
        if self.intake.sources.iter().any(|source| source.reaches(&path)) {
            self.walk_from(path);
        }
    }

    fn gone(&mut self, path: &Path) {
        if let Some(watcher) = &self.watcher {
            watcher.forget(path);
        }
        let roots: Vec<PathBuf> = self.roots.iter().filter(|root| root.starts_with(path)).cloned().collect();
        roots.into_iter().for_each(|root| self.walk_from(root));
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

    pub(super) fn walk_once_it_answers(&mut self, place: PathBuf) {
        let answers = !self.workers.volumes().is_silent(&place);
        self.silent.insert(place);
        if self.silent.len() > MOST_PLACES {
            self.silent.clone_from(&self.roots.iter().cloned().collect());
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
