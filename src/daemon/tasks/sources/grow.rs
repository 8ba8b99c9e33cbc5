//! What is sent while it is recorded: what others have in hand is not queued, and they are told what is seen of it.
use std::path::{Path, PathBuf};

use super::job::{self, BATCH, Found};
use super::{SOON, SourceTask};
use crate::link::ToGrowing;
use rigpost_core::time::BootTime;

impl SourceTask {
    /// It is to be queued, unless it is sent already.
    pub(super) fn finished(&mut self, found: Found) {
        let held = self.recordings.in_hand.of(&found.path);
        if held.is_some() && self.recordings.to.try_send(ToGrowing::Over(found.path.clone())).is_err() {
            // A walk sees it again.
            return self.walk_all_in(SOON);
        }
        if !held.is_some_and(|held| held.begun) {
            self.ready.push(found);
        }
    }

    /// It is not there, or empty and closed: nothing will come of it.
    pub(super) fn was_forgotten(&mut self, path: PathBuf) {
        if self.recordings.in_hand.of(&path).is_some_and(|held| !held.begun) {
            let _ = self.recordings.to.try_send(ToGrowing::Over(path));
        }
    }

    /// The queue takes nothing: what others have in hand is looked at all the same.
    pub(super) fn look_for_others(&mut self, now: BootTime) {
        if !self.recordings.in_hand.is_any() {
            return;
        }
        let due = self.settling.due(BATCH, now);
        if !due.is_empty() {
            self.job = Some(Box::pin(job::look(self.workers.clone(), self.intake.clone(), due)));
        }
    }

    /// It waits for its writer.
    pub(super) fn may_grow(&mut self, path: PathBuf) {
        let grows = |path: &Path| self.intake.source_of(path).is_some_and(|source| source.while_recording);
        if self.settling.is_open(&path) && grows(&path) {
            // Where there is no room it goes the usual way, or the next look tells again.
            let _ = self.recordings.to.try_send(ToGrowing::Opened(path));
        }
    }

    /// Its writer has closed it.
    pub(super) fn was_closed(&mut self, path: &Path) {
        let Some(held) = self.recordings.in_hand.of(path) else { return };
        self.settling.ours(path, held.open);
        // A hint: without it the silence decides.
        let _ = self.recordings.to.try_send(ToGrowing::Closed(path.to_owned()));
    }

    /// It has another name.
    pub(super) fn was_moved(&mut self, from: Option<&Path>, to: &Path) {
        let Some(from) = from.filter(|from| self.recordings.in_hand.of(from).is_some()) else { return };
        if self.recordings.to.try_send(ToGrowing::Moved(from.to_owned(), to.to_owned())).is_err() {
            self.walk_all_in(SOON);
        }
    }

    /// Whether who has it open is only the rig itself.
    pub(super) fn is_ours(&mut self, path: &Path) {
        if let Some(held) = self.recordings.in_hand.of(path) {
            self.settling.ours(path, held.open);
        }
    }
}
