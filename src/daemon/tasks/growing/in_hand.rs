//! Which recordings are in hand: for whoever watches the directories that they lie in.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::link::ToGrowing;

/// What is done with a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::tasks) struct Held {
    /// It has a row, or is about to have one: nobody else queues it.
    pub(in crate::tasks) begun: bool,
    /// Its file is open for it.
    pub(in crate::tasks) open: bool,
}

/// The recordings in hand, by their paths. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct InHand(Arc<Mutex<BTreeMap<PathBuf, Held>>>);

impl InHand {
    /// `None`: it is not in hand.
    pub(in crate::tasks) fn of(&self, path: &Path) -> Option<Held> {
        self.held().get(path).copied()
    }

    /// Whether there are any.
    pub(in crate::tasks) fn is_any(&self) -> bool {
        !self.held().is_empty()
    }

    pub(super) fn set(&self, path: &Path, held: Held) {
        self.held().insert(path.to_owned(), held);
    }

    pub(super) fn forget(&self, path: &Path) {
        self.held().remove(path);
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who sends recordings.
pub struct Recordings {
    /// They are told what is seen.
    pub to: mpsc::Sender<ToGrowing>,
    /// What they have in hand.
    pub in_hand: InHand,
    /// Files that they have let go of, though they were finished.
    pub again: mpsc::Receiver<PathBuf>,
}
