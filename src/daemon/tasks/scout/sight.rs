//! What the kernel told, and what follows from it.
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use tracing::{debug, warn};

use super::{BLIND, SOON, Scout};
use crate::watch::{Blind, Sight};

impl Scout {
    pub(super) fn saw(&mut self, sights: io::Result<Vec<Sight>>) {
        match sights {
            Ok(sights) => sights.into_iter().for_each(|sight| self.saw_one(sight)),
            Err(e) => {
                // A new pair is opened with the next walk.
                self.eyes = None;
                self.blind(Blind::System(e.to_string()));
            }
        }
    }

    fn saw_one(&mut self, sight: Sight) {
        let now = self.clock.now().boot;
        let room = match sight {
            Sight::Opened(path) if self.wants(&path) => self.settling.opened(path, now),
            Sight::Closed(path) if self.wants(&path) => self.settling.closed(path, now),
            Sight::MovedIn(path, n) if self.wants(&path) => {
                let from = self.moved_out.take().filter(|(_, out)| *out == n).map(|(path, _)| path);
                self.settling.moved(from.as_deref(), path, now)
            }
            Sight::MovedOut(path, n) => {
                self.moved_out = Some((path, n));
                Ok(())
            }
            Sight::Opened(_) | Sight::Closed(_) | Sight::MovedIn(..) => Ok(()),
            Sight::NewDirectory(path) => {
                self.came(path);
                Ok(())
            }
            Sight::Gone(path) => {
                self.gone(&path);
                Ok(())
            }
            Sight::Rights(path, is_dir) if self.said.unread.remove(&path) => {
                if is_dir {
                    self.came(path);
                    Ok(())
                } else {
                    self.settling.closed(path, now)
                }
            }
            Sight::Rights(..) => Ok(()),
            Sight::Overflow => {
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
        self.door.source_of(path).is_some()
    }

    /// A directory: one that a source lies beneath, or one beneath a source.
    fn came(&mut self, path: PathBuf) {
        let above: Vec<PathBuf> =
            self.missing.iter().filter(|root| root.starts_with(&path)).cloned().collect();
        above.into_iter().for_each(|root| self.walk_from(root));
        if self.door.sources.iter().any(|source| source.reaches(&path)) {
            self.walk_from(path);
        }
    }

    fn gone(&mut self, path: &Path) {
        if let Some(eyes) = &self.eyes {
            eyes.forget(path);
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
                self.walk_all_in(BLIND);
            }
        }
    }
}
