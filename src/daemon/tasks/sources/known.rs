//! What was offered to the queue of places that are walked again and again.
//!
//! # Decisions
//! - Only a help: a walk of a server with ten thousand clips of today, every 30 s, would wait for each of them and open
//!   each again. What is forgotten, by a restart or because it is too much, is offered again, and the store knows it.
//! - A number for each file, of its path and its facts: another file, or the same one longer, has another.
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use rigpost_core::queue::item::FileFacts;

/// Files. Half a megabyte.
const MOST: usize = 65_536;

/// A file as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(u64);

impl Mark {
    pub(super) fn of(path: &Path, facts: &FileFacts) -> Mark {
        let mut hash = DefaultHasher::new();
        (path, facts.size, facts.mtime_ns, facts.ctime_ns, facts.dev, facts.ino).hash(&mut hash);
        Mark(hash.finish())
    }
}

#[derive(Debug, Default)]
pub(super) struct Known(BTreeSet<Mark>);

impl Known {
    pub(super) fn add(&mut self, mark: Mark) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(mark);
    }

    pub(super) fn holds(&self, mark: Mark) -> bool {
        self.0.contains(&mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_as_it_was() {
        let (path, facts) = (Path::new("/m/a.mov"), FileFacts { size: 5, ..FileFacts::default() });
        let mut known = Known::default();
        known.add(Mark::of(path, &facts));
        assert!(known.holds(Mark::of(path, &facts)));
        assert!(!known.holds(Mark::of(Path::new("/m/b.mov"), &facts)));
        for other in [
            FileFacts { size: 6, ..facts },
            FileFacts { mtime_ns: 1, ..facts },
            FileFacts { ino: 1, ..facts },
        ] {
            assert!(!known.holds(Mark::of(path, &other)));
        }
        (0..MOST as u64 + 5).for_each(|n| known.add(Mark(n)));
        assert!(known.0.len() <= MOST && known.holds(Mark(MOST as u64)));
    }
}
