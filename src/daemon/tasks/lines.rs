//! The parts that may be on their way at once, shared by the queue and by what is sent while it is recorded.
//!
//! # Decisions
//! - Recordings have half of them, and one at least, while they have something to send: what is wanted seconds after the stop
//!   can't wait for a card of yesterday. Neither takes one before the other has let go of it: together they never exceed the
//!   limit.
use tokio::sync::watch;

use crate::http::Congestion;
use rigpost_core::queue::order::Slots;

/// Parts at once where nobody has said how many.
const SLOTS: usize = 4;
/// At 1 % loss one connection without BBR fills a twelfth of a link, and eight fill half of it.
const SLOTS_WITHOUT_BBR: usize = 12;

/// Parts in flight at once. What somebody has set is the limit, whatever the kernel has.
pub(super) fn slots(parallel_parts: Option<usize>, congestion: Congestion) -> Slots {
    let count = parallel_parts.unwrap_or(match congestion {
        Congestion::Default => SLOTS_WITHOUT_BBR,
        Congestion::Untried | Congestion::Bbr => SLOTS,
    });
    Slots { count, limit: parallel_parts.is_some() }
}

/// Clones share the same lines.
#[derive(Clone, Debug)]
pub struct Lines {
    /// What recordings want for themselves.
    wanted: watch::Sender<usize>,
    /// Parts of the queue that are on their way.
    queue: watch::Sender<usize>,
    /// Parts of recordings that are on their way.
    recordings: watch::Sender<usize>,
    /// Recordings that would be cut, or sent again in part, if the power went now.
    under_way: watch::Sender<usize>,
}

impl Default for Lines {
    fn default() -> Lines {
        let [wanted, queue, recordings, under_way] = [(); 4].map(|()| watch::Sender::new(0));
        Lines { wanted, queue, recordings, under_way }
    }
}

/// Of `total`, how many recordings may want.
fn share(total: usize) -> usize {
    (total / 2).max(1)
}

impl Lines {
    /// Of `total`, how many the queue may have on their way.
    pub(super) fn for_queue(&self, total: usize) -> usize {
        let kept = (*self.wanted.borrow()).max(*self.recordings.borrow());
        total.saturating_sub(kept)
    }

    /// Of `total`, how many recordings may have on their way.
    pub(super) fn for_recordings(&self, total: usize) -> usize {
        total.saturating_sub(*self.queue.borrow()).min(share(total))
    }

    /// Recordings have something to send, or nothing any more.
    pub(super) fn want(&self, something: bool, total: usize) {
        set(&self.wanted, if something { share(total) } else { 0 });
    }

    /// So many parts of the queue are on their way.
    pub(super) fn queue_has(&self, parts: usize) {
        set(&self.queue, parts);
    }

    /// So many parts of recordings are on their way.
    pub(super) fn recordings_have(&self, parts: usize) {
        set(&self.recordings, parts);
    }

    /// So many recordings are under way.
    pub(super) fn are_under_way(&self, recordings: usize) {
        set(&self.under_way, recordings);
    }

    /// How many are.
    pub(super) fn under_way(&self) -> usize {
        *self.under_way.borrow()
    }

    /// Tells the queue that its share has changed, or what is under way.
    pub(super) fn of_recordings(&self) -> [watch::Receiver<usize>; 3] {
        [self.wanted.subscribe(), self.recordings.subscribe(), self.under_way.subscribe()]
    }

    /// Tells recordings that their share has changed.
    pub(super) fn of_queue(&self) -> watch::Receiver<usize> {
        self.queue.subscribe()
    }
}

fn set(to: &watch::Sender<usize>, n: usize) {
    to.send_if_modified(|old| std::mem::replace(old, n) != n);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_they_never_exceed_the_limit() {
        for total in 1..=16 {
            let lines = Lines::default();
            assert_eq!(lines.for_queue(total), total);
            lines.queue_has(total);
            lines.want(true, total);
            assert_eq!((lines.for_recordings(total), lines.for_queue(total)), (0, total - share(total)));
            // As it lets go.
            for queue in (0..total).rev() {
                lines.queue_has(queue);
                let recordings = lines.for_recordings(total);
                assert!(queue + recordings <= total && recordings <= share(total), "{queue} of {total}");
            }
            lines.recordings_have(share(total));
            lines.want(false, total);
            assert_eq!(lines.for_queue(total), total - share(total), "as long as they are on their way");
            lines.recordings_have(0);
            assert_eq!(lines.for_queue(total), total);
        }
    }

    #[test]
    fn what_is_set_is_a_limit_that_no_kernel_raises() {
        let table = [
            (None, Congestion::Untried, 4),
            (None, Congestion::Bbr, 4),
            (None, Congestion::Default, 12),
            (Some(1), Congestion::Untried, 1),
            (Some(1), Congestion::Bbr, 1),
            (Some(1), Congestion::Default, 1),
            (Some(4), Congestion::Default, 4),
            (Some(16), Congestion::Default, 16),
        ];
        for (set, congestion, expected) in table {
            let expected = Slots { count: expected, limit: set.is_some() };
            assert_eq!(slots(set, congestion), expected, "{set:?}, {congestion:?}");
        }
    }
}
