//! Uploads that grow at their end: how long they are by the storage's last word, and what has left for them.
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rigpost_core::queue::item::PartDigest;
use rigpost_core::secret::Secret;

/// Of so many at most: what is forgotten is asked for again, or read again.
const MOST: usize = 64;

/// Of uploads, by their addresses.
#[derive(Default)]
pub(super) struct Offsets(Mutex<Known>);

#[derive(Default)]
struct Known {
    lengths: VecDeque<(Secret, u64)>,
    /// The part from there on, as it left last.
    left: VecDeque<(Secret, u64, PartDigest)>,
}

impl Offsets {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: it has to be asked.
    pub(super) fn of(&self, address: &Secret) -> Option<u64> {
        self.known().lengths.iter().find(|(known, _)| known == address).map(|(_, has)| *has)
    }

    /// It is not known what becomes of it now.
    pub(super) fn forget(&self, address: &Secret) {
        self.known().lengths.retain(|(known, _)| known != address);
    }

    /// It has so many bytes.
    pub(super) fn set(&self, address: &Secret, has: u64) {
        self.forget(address);
        let mut known = self.known();
        known.lengths.truncate(MOST - 1);
        known.lengths.push_front((address.clone(), has));
    }

    /// What the part from there on was, if that has left.
    pub(super) fn left(&self, address: &Secret, from: u64) -> Option<PartDigest> {
        let known = self.known();
        let mut all = known.left.iter();
        all.find(|(known, at, _)| known == address && *at == from).map(|(.., digest)| *digest)
    }

    /// The part from there on has left whole, and was this.
    pub(super) fn set_left(&self, address: &Secret, from: u64, digest: PartDigest) {
        let mut known = self.known();
        known.left.retain(|(known, ..)| known != address);
        known.left.truncate(MOST - 1);
        known.left.push_front((address.clone(), from, digest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_the_oldest_go() {
        let offsets = Offsets::default();
        let at = |n: usize| Secret::new(format!("https://tus.example/{n}"));
        for n in 0..=MOST {
            offsets.set(&at(n), n as u64);
            offsets.set_left(&at(n), 8, PartDigest { xxh64: n as u64, ..PartDigest::default() });
        }
        assert_eq!((offsets.of(&at(0)), offsets.of(&at(1))), (None, Some(1)));
        assert_eq!(offsets.left(&at(0), 8), None);
        assert_eq!(offsets.left(&at(1), 8).map(|digest| digest.xxh64), Some(1));
        assert_eq!(offsets.left(&at(1), 9), None, "another part");
        offsets.set(&at(1), 7);
        assert_eq!(offsets.of(&at(1)), Some(7));
        offsets.forget(&at(1));
        assert_eq!(offsets.of(&at(1)), None);
    }
}
