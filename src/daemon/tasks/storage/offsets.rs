//! How long uploads are that grow at their end, by the storage's last word.
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rigpost_core::secret::Secret;

/// Of so many at most: what is forgotten is asked for again.
const MOST: usize = 64;

/// Of uploads, by their addresses.
#[derive(Default)]
pub(super) struct Offsets(Mutex<VecDeque<(Secret, u64)>>);

impl Offsets {
    /// `None`: it has to be asked.
    pub(super) fn of(&self, address: &Secret) -> Option<u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(known, _)| known == address).map(|(_, has)| *has)
    }

    /// It is not known what becomes of it now.
    pub(super) fn forget(&self, address: &Secret) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| known != address);
    }

    /// It has so many bytes.
    pub(super) fn set(&self, address: &Secret, has: u64) {
        self.forget(address);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(MOST - 1);
        known.push_front((address.clone(), has));
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
        }
        assert_eq!((offsets.of(&at(0)), offsets.of(&at(1))), (None, Some(1)));
        offsets.set(&at(1), 7);
        assert_eq!(offsets.of(&at(1)), Some(7));
        offsets.forget(&at(1));
        assert_eq!(offsets.of(&at(1)), None);
    }
}
