//! Uploads of a clip that were begun, and whose beginning nobody heard of.
//!
//! # Decisions
//! - Looked for where a clip is begun that has had a turn before: an answer may have been lost, or a kill have come first.
//!   Each was counted as left behind then. A role that may not look finds none, and they stay counted.
//! - Beside the clip, which waits for none of it.
use std::time::Duration;

use tracing::debug;

use super::{GivenUp, Storage};
use crate::http::Transport;
use rigpost_core::provider::wire::Response;
use rigpost_core::secret::Secret;

/// More are left for a person: something else is wrong then.
const MOST: usize = 16;
/// No more is begun after this.
const PATIENCE: Duration = Duration::from_secs(60);

impl<T: Transport> Storage<T> {
    /// Gives up all uploads of the object `id` but the one at `ours`. How many of them are gone.
    pub(in crate::tasks) async fn give_up_strays(&self, id: &str, ours: &Secret) -> u64 {
        let read = |answer: &Response| Ok(self.dialect.read_strays(answer, id, ours));
        let found = self.ask(|signer| self.dialect.strays(signer, id), read).await;
        let (mut gone, deadline) = (0, self.clock.now().boot + PATIENCE);
        for stray in found.ok().flatten().unwrap_or_default().iter().take(MOST) {
            if self.clock.now().boot >= deadline {
                break;
            }
            let given_up = self.give_up(stray).await;
            debug!("an upload of the same clip that nobody knew of: {given_up:?}");
            match given_up {
                GivenUp::Gone => gone += 1,
                GivenUp::Kept => {}
                GivenUp::Unknown => break,
            }
        }
        gone
    }
}
