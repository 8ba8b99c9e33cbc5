//! Who touches media: a few threads for each volume, so that a card that hangs keeps nobody else waiting.
//!
//! # Decisions
//! - A volume is a mount, found by the longest prefix of a path in the table of mounts: nothing of the card itself is
//!   touched to know whose turn it is. A card that is mounted anew is another volume, also at the same place.
//! - Each has a pool of its own, tokio's for blocking calls in a runtime that runs nothing else. A pool for all would be
//!   full of one card's calls as soon as that card hangs. Threads come with the work and go soon after it, and the end
//!   of the daemon waits for none: a thread in a system call that does not come back can't be ended.
//! - A call that has not come back in time marks its volume, and while the mark is there every other call is refused at
//!   once: so no more threads hang than a volume has. The mark goes when no such call is left. One that is on its way
//!   when the mark comes is given up too; what it brings nobody sees.
//! - One timer for all calls of a volume, and none for each: a part of an upload makes thousands of calls.
//! - An open file that was handed over lies where its name says, as far as that is known here: whoever handed it over may see
//!   other mounts. So it has the threads of a volume beside that one, which by such a name alone is never said to hang.
//! - By boot time, like everything: a call that was under way in a suspend may count as late, until it is back.
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinError, JoinHandle};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::watch::mountinfo::{MOUNT_TABLE, MountEntry, entries};
use rigpost_core::command::Refusal;
use rigpost_core::queue::handed::{is_handed_over, known_as};
use rigpost_core::queue::item::shown;
use rigpost_core::time::BootTime;

/// How long a call may take before its volume counts as not answering.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Threads of one volume. Reading is one stream for most cards; more only hide the time between two reads.
const THREADS: usize = 4;
/// A thread without work goes after this.
const KEEP_THREAD: Duration = Duration::from_secs(2);
/// Calls that wait for a thread of one volume, at most.
const MOST_WAITING: usize = 1024;
/// Volumes in use at once, at most.
const MOST_VOLUMES: usize = 64;

/// A call to this volume has not come back, or nobody knows whether it will.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the card {0} does not answer")]
pub struct NotAnswering(pub String);

impl From<NotAnswering> for Refusal {
    fn from(NotAnswering(card): NotAnswering) -> Refusal {
        Refusal::NotAnswering(card)
    }
}

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeKey {
    point: PathBuf,
    /// What tells it from another one at the same place.
    ids: Vec<u8>,
}

impl VolumeKey {
    fn of(entry: MountEntry<'_>) -> VolumeKey {
        VolumeKey { ids: entry.ids.to_vec(), point: entry.point }
    }

    /// What people call it: the last part of where it is mounted, as desktops and cameras name a card's directory.
    pub fn name(&self) -> String {
        shown(Path::new(self.point.file_name().unwrap_or(self.point.as_os_str())))
    }
}

/// All of them. Clones are one.
#[derive(Clone, Debug)]
pub struct Workers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    /// Where timers run: a thread of a volume has a runtime that nobody drives.
    main: Handle,
    volumes: Mutex<BTreeMap<VolumeKey, Weak<Inner>>>,
    silent: watch::Sender<BTreeSet<VolumeKey>>,
}

impl Workers {
    /// Belongs into a tokio runtime. Nothing runs before something is asked for.
    pub fn new(clock: Clock) -> Workers {
        let shared = Shared {
            clock,
            main: Handle::current(),
            volumes: Mutex::default(),
            silent: watch::Sender::default(),
        };
        Workers { shared: Arc::new(shared) }
    }

    /// Runs `job`, which touches what lies at `path` and nothing on another volume. Dropped, it goes on alone.
    ///
    /// # Errors
    /// Within [`PATIENCE`]: the volume does not answer.
    pub async fn run<R: Send + 'static>(
        &self,
        path: &Path,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, NotAnswering> {
        self.volumes().of(path).run(job).await
    }

    /// The mounts of this moment, to find volumes in. Reads a file of the kernel's.
    pub fn volumes(&self) -> Volumes {
        let table = std::fs::read(MOUNT_TABLE).unwrap_or_default();
        Volumes { workers: self.clone(), mounts: entries(&table).map(VolumeKey::of).collect() }
    }

    /// What people call the volumes that do not answer at this moment.
    pub fn silent_cards(&self) -> Vec<String> {
        self.shared.silent.borrow().iter().map(VolumeKey::name).collect()
    }

    /// The volumes that do not answer, as they change.
    pub fn silent(&self) -> watch::Receiver<BTreeSet<VolumeKey>> {
        self.shared.silent.subscribe()
    }
}

/// A look at the table of mounts.
#[derive(Clone, Debug)]
pub struct Volumes {
    workers: Workers,
    mounts: Vec<VolumeKey>,
}

impl Volumes {
    /// Whether one mount holds both.
    pub fn are_one(&self, a: &Path, b: &Path) -> bool {
        self.key(a) == self.key(b)
    }

    /// The one that holds an absolute path.
    pub fn of(&self, path: &Path) -> Volume {
        let shared = &self.workers.shared;
        let key = self.key(path);
        let mut volumes = shared.volumes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inner) = volumes.get(&key).and_then(Weak::upgrade) {
            return Volume { inner };
        }
        volumes.retain(|_, volume| volume.strong_count() > 0);
        let crowded = volumes.len() >= MOST_VOLUMES;
        let threads = Arc::new(Semaphore::new(if crowded { 0 } else { THREADS }));
        let inner = Inner {
            key: key.clone(),
            shared: shared.clone(),
            threads,
            calls: Mutex::default(),
            pool: OnceLock::new(),
        };
        let inner = Arc::new(inner);
        if !crowded {
            volumes.insert(key, Arc::downgrade(&inner));
        }
        Volume { inner }
    }

    /// The files in their order, in runs of one volume and of `most` at most.
    pub fn group<F>(
        &self,
        files: Vec<F>,
        most: usize,
        path: impl Fn(&F) -> &PathBuf,
    ) -> Vec<(Volume, Vec<F>)> {
        let mut runs: Vec<(Volume, Vec<F>)> = Vec::new();
        for file in files {
            let key = self.key(path(&file));
            match runs.last_mut().filter(|(volume, run)| volume.inner.key == key && run.len() < most) {
                Some((_, run)) => run.push(file),
                None => runs.push((self.of(path(&file)), vec![file])),
            }
        }
        runs
    }

    /// Whether the volume of this path does not answer at this moment.
    pub fn is_silent(&self, path: &Path) -> bool {
        let silent = self.workers.shared.silent.borrow();
        !silent.is_empty() && silent.contains(&self.key(path))
    }

    fn key(&self, path: &Path) -> VolumeKey {
        let name = known_as(path);
        // Of two on one place, the later hides the earlier.
        let holding = self.mounts.iter().filter(|mount| name.starts_with(&mount.point));
        let nearest = holding.max_by_key(|mount| mount.point.components().count());
        let key = nearest.cloned();
        let key = key.unwrap_or_else(|| VolumeKey { point: OsStr::new("/").into(), ids: Vec::new() });
        if is_handed_over(path) { VolumeKey { ids: Vec::new(), ..key } } else { key }
    }
}

/// One of them. It is forgotten when nobody holds it and none of its calls is under way.
#[derive(Clone, Debug)]
pub struct Volume {
    inner: Arc<Inner>,
}

impl Volume {
    /// As [`Workers::run`].
    ///
    /// # Errors
    /// As there.
    pub async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, NotAnswering> {
        let slot = Arc::new(Mutex::new(None));
        let filled = slot.clone();
        let job = move || {
            let outcome = job();
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        };
        self.done(Box::new(job)).await?;
        let outcome = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.ok_or_else(|| self.inner.not_answering())
    }

    /// It does not answer at this moment.
    pub fn is_silent(&self) -> bool {
        self.inner.shared.silent.borrow().contains(&self.inner.key)
    }

    /// Once for all kinds of jobs, and behind a pointer for all who wait: it would be a great part of the program.
    fn done(&self, job: Job) -> Pin<Box<dyn Future<Output = Result<(), NotAnswering>> + Send + '_>> {
        let inner = &self.inner;
        Box::pin(async move {
            let mut silent = inner.shared.silent.subscribe();
            if silent.borrow().contains(&inner.key) {
                return Err(inner.not_answering());
            }
            let thread = match inner.threads.clone().try_acquire_owned() {
                Ok(thread) => Some(thread),
                Err(_) => inner.wait_for_thread(&mut silent).await,
            };
            let thread = thread.ok_or_else(|| inner.not_answering())?;
            let Some(running) = inner.start(Some(thread), job) else { return Err(inner.not_answering()) };
            tokio::select! {
                biased;
                done = running => done.map_err(|e| gone(e, inner.not_answering())),
                _ = silent.wait_for(|silent| silent.contains(&inner.key)) => Err(inner.not_answering()),
            }
        })
    }

    /// Runs a job that nobody waits for and that must not be refused: the closing of a file. There are as many as there
    /// were files.
    pub fn last(&self, job: impl FnOnce() + Send + 'static) {
        drop(self.inner.start(None, Box::new(job)));
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// What a job panics with goes on in whoever asked, as if it had been done there.
fn gone(e: JoinError, otherwise: NotAnswering) -> NotAnswering {
    match e.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => otherwise,
    }
}

#[derive(Debug)]
struct Inner {
    key: VolumeKey,
    shared: Arc<Shared>,
    threads: Arc<Semaphore>,
    calls: Mutex<Calls>,
    pool: OnceLock<Option<Runtime>>,
}

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    running: BTreeMap<u64, Running>,
    waiting: usize,
    /// Somebody looks at the time.
    timed: bool,
}

#[derive(Debug)]
struct Running {
    late_at: BootTime,
    late: bool,
}

impl Inner {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        // Nothing that could panic happens under it.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> Option<&Runtime> {
        let build = || {
            let mut builder = Builder::new_current_thread();
            builder.thread_name("media").max_blocking_threads(THREADS).thread_keep_alive(KEEP_THREAD);
            builder.build().ok()
        };
        self.pool.get_or_init(build).as_ref()
    }

    fn not_answering(&self) -> NotAnswering {
        NotAnswering(self.key.name())
    }

    /// `None`: no thread can be had at all.
    fn start(self: &Arc<Inner>, thread: Option<OwnedSemaphorePermit>, job: Job) -> Option<JoinHandle<()>> {
        let call = self.begin(thread);
        let running = self.pool()?.spawn_blocking(move || {
            job();
            drop(call);
        });
        Some(running)
    }

    /// `None`: none has become free in time, the volume does not answer, or too many wait.
    async fn wait_for_thread(
        &self,
        silent: &mut watch::Receiver<BTreeSet<VolumeKey>>,
    ) -> Option<OwnedSemaphorePermit> {
        let _waiting = self.queue_up()?;
        let clock = &self.shared.clock;
        tokio::select! {
            biased;
            thread = self.threads.clone().acquire_owned() => thread.ok(),
            _ = silent.wait_for(|silent| silent.contains(&self.key)) => None,
            () = clock.sleep_until(clock.now().boot + PATIENCE) => None,
        }
    }

    fn queue_up(&self) -> Option<Waiting<'_>> {
        let mut calls = self.calls();
        (calls.waiting < MOST_WAITING).then(|| calls.waiting += 1)?;
        Some(Waiting(self))
    }

    fn begin(self: &Arc<Inner>, thread: Option<OwnedSemaphorePermit>) -> Call {
        let late_at = self.shared.clock.now().boot + PATIENCE;
        let mut calls = self.calls();
        let number = calls.next;
        calls.next += 1;
        calls.running.insert(number, Running { late_at, late: false });
        if !std::mem::replace(&mut calls.timed, true) {
            drop(self.shared.main.spawn(time(self.clone())));
        }
        drop(calls);
        Call { inner: self.clone(), number, _thread: thread }
    }

    /// Marks what is late by now; and when to look again, if anything is still in time.
    fn look(&self, now: BootTime) -> Option<BootTime> {
        let mut calls = self.calls();
        for call in calls.running.values_mut() {
            call.late |= call.late_at <= now;
        }
        if calls.running.values().any(|call| call.late) {
            let is_new = |silent: &mut BTreeSet<VolumeKey>| silent.insert(self.key.clone());
            if self.shared.silent.send_if_modified(is_new) {
                warn!(mount = %shown(&self.key.point), "a card does not answer: its clips wait, the others go on");
            }
        }
        let next = calls.running.values().filter(|call| !call.late).map(|call| call.late_at).min();
        calls.timed = next.is_some();
        next
    }
}

/// Keeps the volume's time while calls are under way, and the volume itself.
async fn time(inner: Arc<Inner>) {
    while let Some(at) = inner.look(inner.shared.clock.now().boot) {
        inner.shared.clock.sleep_until(at).await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Dropped as it is, it would wait for its threads.
        if let Some(pool) = self.pool.take().flatten() {
            pool.shutdown_background();
        }
    }
}

/// One that waits for a thread.
struct Waiting<'a>(&'a Inner);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.calls().waiting -= 1;
    }
}

/// One that is under way.
struct Call {
    inner: Arc<Inner>,
    number: u64,
    _thread: Option<OwnedSemaphorePermit>,
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut calls = self.inner.calls();
        let was_late = calls.running.remove(&self.number).is_some_and(|call| call.late);
        if was_late && !calls.running.values().any(|call| call.late) {
            let (silent, key) = (&self.inner.shared.silent, &self.inner.key);
            if silent.send_if_modified(|silent| silent.remove(key)) {
                info!(mount = %shown(&key.point), "a card answers again");
            }
        }
    }
}

#[cfg(test)]
mod tests;
