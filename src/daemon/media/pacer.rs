//! The waiting side of the pace: parts wait here for their slot, or for a freeze to end.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::clock::Clock;
use rigpost_core::queue::pace::{Pace, Pass};

/// One pace for all the parts that hold a clone of it. Changes hold for parts that are under way too.
#[derive(Clone, Debug)]
pub struct Pacer {
    clock: Clock,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pace: Mutex<Pace>,
    /// Tells those who wait to ask again.
    changes: watch::Sender<()>,
}

impl Pacer {
    /// Without a limit and not frozen.
    pub fn new(clock: Clock) -> Pacer {
        let shared = Shared { pace: Mutex::default(), changes: watch::Sender::new(()) };
        Pacer { clock, shared: Arc::new(shared) }
    }

    /// Bytes per second for all parts together; `None` and zero for no limit.
    pub fn set_limit(&self, limit: Option<u64>) {
        let changed = self.pace().set_limit(limit, self.clock.now().boot);
        self.tell(changed);
    }

    /// While frozen no part hands on a byte, and none reads more than the chunk that it is ahead; connections stay open as long as the other side lets them.
    pub fn freeze(&self, frozen: bool) {
        let changed = self.pace().freeze(frozen, self.clock.now().boot);
        self.tell(changed);
    }

    /// Nobody has to wait.
    pub(super) fn open(&self) -> bool {
        self.pace().open()
    }

    /// Returns when up to `want` bytes may be sent, and how many.
    pub(super) async fn wait(self, want: usize) -> usize {
        let mut changes = self.shared.changes.subscribe();
        loop {
            let pass = self.pace().take(want, self.clock.now().boot);
            match pass {
                Pass::At(at, bytes) => tokio::select! {
                    biased;
                    _ = changes.changed() => {}
                    () = self.clock.sleep_until(at) => return bytes,
                },
                // The sender lives in `self`, so this ends only by a change.
                Pass::Frozen => drop(changes.changed().await),
            }
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // Whoever panicked left numbers behind, and any numbers will do.
        self.shared.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, changed: bool) {
        if changed {
            self.shared.changes.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn pacer() -> Pacer {
        Pacer::new(Clock::Virtual { epoch: Instant::now(), wall: 0 })
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_held_by_parts_that_wait() {
        let (pacer, began) = (pacer(), Instant::now());
        pacer.set_limit(Some(160_000));
        let part = |pacer: Pacer| async move {
            let mut sent = 0;
            while sent < 400_000 {
                sent += pacer.clone().wait(64 * 1024).await;
            }
        };
        tokio::join!(part(pacer.clone()), part(pacer.clone()));
        let took = began.elapsed().as_secs_f64();
        assert!((4.75..=5.25).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_hears_of_a_new_limit_and_of_the_end_of_a_freeze() {
        let (pacer, began) = (pacer(), Instant::now());
        pacer.set_limit(Some(1));
        let waiting = tokio::spawn(async move {
            // The second has to wait for the 1,024 seconds of the first.
            pacer.clone().wait(2000).await;
            let waiter = tokio::spawn(pacer.clone().wait(2000));
            tokio::task::yield_now().await;
            pacer.freeze(true);
            pacer.set_limit(None);
            tokio::task::yield_now().await;
            assert!(!waiter.is_finished(), "frozen");
            pacer.freeze(false);
            waiter.await.unwrap()
        });
        assert_eq!(waiting.await.unwrap(), 2000);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
