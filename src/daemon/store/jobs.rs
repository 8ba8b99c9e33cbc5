//! What waits for the one connection, and in which order it has it.
//!
//! # Decisions
//! - Two lanes. What the rig's grant hangs on (tokens, the mark of a refresh, codes) goes ahead of everything that waits
//!   for the queue: on a disk that takes seconds to sync, six programs that add clips would otherwise keep a refresh
//!   waiting for six transactions. It waits for the one that runs, and for no other.
//! - One worker at a time, however many wait: the daemon's few threads are not taken by jobs that only stand in line.
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Identity and grant.
    Rig,
    /// Everything else.
    Queue,
}

#[derive(Debug)]
pub(super) struct Jobs<J> {
    line: Mutex<Line<J>>,
}

#[derive(Debug)]
struct Line<J> {
    rig: VecDeque<J>,
    queue: VecDeque<J>,
    /// Somebody takes jobs until none is left.
    worker: bool,
    /// How many there ever were.
    taken: u64,
}

impl<J> Jobs<J> {
    pub(super) fn new() -> Jobs<J> {
        let line = Line { rig: VecDeque::new(), queue: VecDeque::new(), worker: false, taken: 0 };
        Jobs { line: Mutex::new(line) }
    }

    /// Puts a job at the end of its lane. True: nobody works, and who asked has to find somebody.
    pub(super) fn put(&self, lane: Lane, job: J) -> bool {
        let mut line = self.line();
        match lane {
            Lane::Rig => line.rig.push_back(job),
            Lane::Queue => line.queue.push_back(job),
        }
        !std::mem::replace(&mut line.worker, true)
    }

    /// The next job; `None`: there is none, and the worker is none any more.
    pub(super) fn next(&self) -> Option<J> {
        let mut line = self.line();
        let next = line.rig.pop_front();
        let next = next.or_else(|| line.queue.pop_front());
        line.worker = next.is_some();
        line.taken += u64::from(next.is_some());
        next
    }

    /// How many were ever taken, those that run included.
    pub(super) fn taken(&self) -> u64 {
        self.line().taken
    }

    fn line(&self) -> MutexGuard<'_, Line<J>> {
        // Nothing that could panic happens under it.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In the lane of the rig, and in the other.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> (usize, usize) {
        let line = self.line();
        (line.rig.len(), line.queue.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rig_goes_first_and_each_lane_in_its_order() {
        let jobs = Jobs::new();
        assert!(jobs.put(Lane::Queue, "add 1"));
        for (lane, job) in
            [(Lane::Queue, "add 2"), (Lane::Rig, "mark"), (Lane::Queue, "add 3"), (Lane::Rig, "tokens")]
        {
            assert!(!jobs.put(lane, job), "somebody was found already");
        }
        let order: Vec<_> = std::iter::from_fn(|| jobs.next()).collect();
        assert_eq!(order, ["mark", "tokens", "add 1", "add 2", "add 3"]);
        assert_eq!((jobs.taken(), jobs.waiting()), (5, (0, 0)));
        assert!(jobs.put(Lane::Rig, "later"), "the worker has gone");
    }
}
