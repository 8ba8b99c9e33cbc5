//! What the rig has shown of its secrets, so that nobody who repeats one is quoted with it.
//!
//! # Decisions
//! - The last ones of all requests, and not those of the request that is answered: a provider may repeat a refresh token
//!   in the answer to something else.
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rigpost_core::secret::Secret;

/// Tokens of two sets, the client secret and what a header makes of it, the code, and some that were replaced.
const MOST: usize = 16;

/// Newest last. Overwritten when dropped.
#[derive(Default)]
pub(super) struct Shown(Mutex<VecDeque<Secret>>);

impl Shown {
    /// These are shown now; all that are remembered.
    pub(super) fn add(&self, secrets: Vec<Secret>) -> Vec<Secret> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets {
            known.retain(|before| *before != secret);
            known.push_back(secret);
        }
        let surplus = known.len().saturating_sub(MOST);
        known.drain(..surplus);
        known.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_remembered_once_each() {
        let shown = Shown::default();
        let secret = |n: usize| Secret::new(format!("secret-{n}"));
        for n in 0..40 {
            shown.add(vec![secret(n), secret(0)]);
        }
        let known = shown.add(vec![]);
        assert_eq!(known.len(), MOST);
        assert!(known.contains(&secret(0)) && known.contains(&secret(39)) && !known.contains(&secret(1)));
    }
}
