//! Where walks begin, when they begin again, and what they come by.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use super::job::{self, Found, Left};
use super::known::Mark;
use super::links::Resolved;
use super::{MOST_PLACES, SOON, SourceTask, UNWATCHED};
use crate::media::{Met, Step, Walk};
use crate::watch::WatchError;
use rigpost_core::few;
use rigpost_core::queue::whole::{NoRoom, Sight, Verdict};
use rigpost_core::time::BootTime;

impl SourceTask {
    /// Of a root it is asked first where it lies.
    pub(super) fn begin_walk(&mut self, place: PathBuf) {
        let (workers, visitor) = (self.workers.clone(), self.visitor());
        self.job = Some(if self.roots.contains(&place) {
            Box::pin(job::resolve(workers, self.configured.clone(), visitor.watcher, place))
        } else {
            Box::pin(job::begin(workers, visitor, place, false))
        });
    }

    pub(super) fn resolved(&mut self, root: PathBuf, all: Vec<Resolved>, real: std::io::Result<PathBuf>) {
        self.links.retain(|_, behind| *behind != root);
        for Resolved { source, path, links } in all {
            let is_link = !links.is_empty();
            self.links.extend(links.into_iter().map(|link| (link, root.clone())));
            let Some(path) = path else { continue };
            let lies = self.intake.sources.iter().find(|other| other.name == source);
            if let Some(before) = lies.filter(|other| other.path != path).map(|other| other.path.clone()) {
                info!(source, path = %path.display(), "a media source lies elsewhere than its path says");
                self.intake = Arc::new(self.intake.with_source_at(&source, &path));
                if let Some(watcher) = &self.watcher {
                    watcher.forget(&before);
                }
                // What is left there is not ours, and what is ours is watched again.
                self.walk_all();
            }
            if is_link && real.as_ref().is_ok_and(|real| !path.starts_with(real)) {
                self.walk_from(path);
            }
        }
        match real {
            Ok(real) => {
                self.real.insert(root, real.clone());
                let visitor = self.visitor();
                self.job = Some(Box::pin(job::begin(self.workers.clone(), visitor, real, true)));
            }
            Err(e) => self.not_begun(root, &e),
        }
    }

    /// The root that lies here.
    fn root_at(&self, place: &Path) -> Option<PathBuf> {
        let lies = |root: &&PathBuf| *root == place || self.real.get(*root).is_some_and(|real| real == place);
        self.roots.iter().find(lies).cloned()
    }

    pub(super) fn found_root(&mut self, place: &Path) {
        let Some(root) = self.root_at(place) else { return };
        self.said.unread.remove(&root);
        if !self.missing.remove(&root) {
            return;
        }
        self.show_missing();
        info!(path = %root.display(), "a media source is there");
        let is_all = self.missing.is_empty() && self.links.is_empty();
        if let Some(watcher) = self.watcher.as_deref().filter(|_| is_all) {
            watcher.forget_ways();
        }
    }

    fn show_missing(&self) {
        self.show_missing.send_replace(self.missing.iter().map(|root| root.display().to_string()).collect());
    }

    /// Directories that were made while we watched, and are on the mount that is walked: a card that is mounted on a new
    /// directory is not new.
    fn new_dirs_around(&self, place: &Path) -> BTreeSet<PathBuf> {
        if self.new_dirs.is_empty() {
            return BTreeSet::new();
        }
        let volumes = self.workers.volumes();
        let is_one = |dir: &&PathBuf| volumes.are_one(place, dir.parent().unwrap_or(dir));
        few::set(self.new_dirs.iter().filter(is_one).cloned())
    }

    /// As often as the sources there want it.
    fn scan_again(&mut self, place: &Path) {
        let there = |path: &Path| path.starts_with(place) || place.starts_with(path);
        let sources = self.intake.sources.iter().filter(|source| there(&source.path));
        let Some(interval) = sources.filter_map(|source| source.scan).min() else { return };
        let at = self.clock.now().boot + interval;
        if self.scans.len() < MOST_PLACES || self.scans.contains_key(place) {
            self.scans.insert(place.to_owned(), at);
        } else {
            self.walk_all_in(interval);
        }
    }

    /// What was offered, and got an answer that another walk would not change.
    pub(super) fn remember(&mut self, batch: &[Found], left: &Left) {
        let again = few::set(left.unread.iter().map(|(path, _)| path).chain(&left.silent));
        let answered = batch.iter().filter(|file| !again.contains(&file.path));
        answered.filter_map(|file| file.mark).for_each(|mark| self.known.add(mark));
    }

    pub(super) fn scan(&mut self, now: BootTime) {
        let due: Vec<PathBuf> =
            self.scans.iter().filter(|(_, at)| **at <= now).map(|(place, _)| place.clone()).collect();
        for place in due {
            self.scans.remove(&place);
            // A root is asked again where it lies.
            let place = self.root_at(&place).unwrap_or(place);
            self.walk_from(place);
        }
    }

    pub(super) fn not_begun(&mut self, place: PathBuf, e: &std::io::Error) {
        let gone = matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory);
        let Some(place) = self.root_at(&place) else {
            if !gone {
                self.unread(place, &e.to_string());
            }
            return;
        };
        if gone {
            if self.missing.insert(place.clone()) {
                self.show_missing();
                info!(path = %place.display(), "a media source is not there; it is looked at when it comes");
            }
        } else {
            self.unread(place, &e.to_string());
            self.walk_all_in(UNWATCHED);
        }
    }

    pub(super) fn stepped(&mut self, place: PathBuf, walk: Walk, step: Step, unwatched: Option<WatchError>) {
        let now = self.clock.now();
        unwatched.into_iter().for_each(|why| self.unwatched(why));
        if step.untold {
            self.scan_again(&place);
        }
        for (path, why) in step.unread {
            self.unread(path, &why);
        }
        // No more than there are mounts.
        self.places.extend(step.mounts);
        let (new_dirs, is_scanned) = (self.new_dirs_around(&place), self.scans.contains_key(&place));
        for Met { path, facts, elsewhere } in step.files {
            if facts.size == 0 {
                // Something will be told of it, or it is met again.
                continue;
            }
            let mark = Mark::of(&path, &facts);
            if is_scanned && self.known.holds(mark) {
                continue;
            }
            let appeared = new_dirs.iter().any(|dir| path.starts_with(dir));
            let sight = Sight { age: self.intake.age(&facts, now), elsewhere, appeared };
            match self.settling.seen(path.clone(), facts, sight, now.boot) {
                Ok(Verdict::Finished(appeared)) => {
                    self.finished(Found { path, settled: false, appeared, mark: Some(mark) });
                }
                Ok(Verdict::Wait | Verdict::Forgotten) => {}
                Err(NoRoom) => self.walk_all_in(SOON),
            }
        }
        if !step.done {
            self.walk = Some((place, walk));
        }
    }

    pub(super) fn walk_all(&mut self) {
        self.places.extend(self.roots.iter().cloned());
    }

    pub(super) fn walk_all_in(&mut self, delay: Duration) {
        let at = self.clock.now().boot + delay;
        self.walk_all_at = Some(self.walk_all_at.map_or(at, |other| other.min(at)));
    }

    pub(super) fn walk_from(&mut self, place: PathBuf) {
        if self.places.iter().any(|other| place.starts_with(other)) {
            return;
        }
        self.places.retain(|other| !other.starts_with(&place));
        self.places.insert(place);
        if self.places.len() > MOST_PLACES {
            self.places.clear();
            self.walk_all();
        }
    }
}
