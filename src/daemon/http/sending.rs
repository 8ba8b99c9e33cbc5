//! The thread on which parts are sent.
//!
//! # Decisions
//! - Of its own: TLS makes whoever sends as fast as the link allows a thread that is always busy, and the kernel lets such
//!   a thread wait for its next turn for milliseconds. The daemon's main thread, which answers the screen, never is one.
//! - With its runtime, its connections and its stack it is there from the first part to the next rest, and costs an idle
//!   daemon nothing.
//! - So is room in the heap for what is encrypted and not written yet. The unit has the heap give back what is free at its
//!   end at once, which an idle rig is small by; each record would come from there, and go, and the kernel would clear
//!   its pages every time: that cost more than all the rest of sending. Below something that stays they are used again.
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::names::LOOKUPS;
use super::pool::Pool;

/// Starts the thread when it is needed.
#[derive(Default)]
pub(super) struct Sending(Mutex<Option<Running>>);

struct Running {
    _room: Room,
    handle: Handle,
    jobs: TaskTracker,
    pool: Arc<Pool>,
}

impl Sending {
    /// Does `job` there, with the connections that are open. Dropping the handle drops the job, there and soon.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn spawn<F>(
        &self,
        job: impl FnOnce(Arc<Pool>) -> F,
    ) -> io::Result<AbortOnDropHandle<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match &mut *running {
            Some(running) => running,
            none => none.insert(Running::start()?),
        };
        let job = running.jobs.spawn_on(job(running.pool.clone()), &running.handle);
        Ok(AbortOnDropHandle::new(job))
    }

    /// Closes idle connections. The thread ends with the last job.
    pub(super) fn rest(&self) {
        if let Some(running) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            running.jobs.close();
        }
    }
}

/// Ends without waiting for look-ups that nobody waits for any more. Also where there was no thread for it: dropped as
/// it is, on the thread of another runtime, it would panic.
struct Quiet(Option<Runtime>);

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Running {
    fn start() -> io::Result<Running> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(LOOKUPS).build()?;
        let (handle, jobs) = (runtime.handle().clone(), TaskTracker::new());
        let ended = jobs.clone();
        let runtime = Quiet(Some(runtime));
        thread::Builder::new().name("send".to_owned()).spawn(move || {
            if let Some(runtime) = &runtime.0 {
                runtime.block_on(ended.wait());
            }
        })?;
        Ok(Running { _room: Room::make(), handle, jobs, pool: Arc::default() })
    }
}

/// Bytes of each block: what is larger the unit has come from elsewhere than the heap.
const BLOCK: usize = 48 * 1024;
/// For eight connections, each with the records of a frame.
const BLOCKS: usize = 12;

/// What lies above free room at the end of the heap, so that it stays there. Its pages are touched when they are used.
struct Room(#[expect(dead_code, reason = "it is there")] Vec<u8>);

impl Room {
    fn make() -> Room {
        let mut blocks: Vec<Vec<u8>> = (0..=BLOCKS).map(|_| Vec::with_capacity(BLOCK)).collect();
        // Otherwise none of them would be made at all.
        Room(std::hint::black_box(&mut blocks).pop().unwrap_or_default())
    }
}
