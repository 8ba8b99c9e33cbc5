//! The handle that everybody has, and the worker behind it.
//!
//! # Decisions
//! - The connection is used on a blocking thread, by one job after the other ([`Jobs`]). There is one writer anyway, and no
//!   reader is worth a second cache on a small board.
//! - The runtime's pool of blocking threads is for this, for names that are looked up and for keys and configurations
//!   that are read. Whatever may touch a card has threads of its own (`media::Workers`): a card that hangs must never
//!   keep a token waiting for its commit.
//! - A store that can't be opened does not end the daemon: the handle holds the reason and answers every call with it,
//!   until [`Store::load`] has opened it. What a person has to decide (a damaged or a newer file) is not tried again.
//! - The queue's statements stay prepared while there is work and go, with the memory that they hold, when there was none
//!   for a moment. Preparing one costs more processor than running it: a clip's statements bring all triggers with them.
//!   The rig's go at once, two hundred kilobytes: what the rig keeps of the answer would come to lie above them in the
//!   heap, and hold it there for good.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{error, info};

use super::error::StoreError;
use super::jobs::{Jobs, Lane};
use super::location::Location;
use super::open::open;
use super::slot::{Slot, Work};
use super::tx::{Opened, Tx};
use crate::clock::Clock;
use rigpost_core::disk::DiskError;

/// Nothing to do for so long is rest.
const REST_AFTER: Duration = Duration::from_secs(2);

/// Everything durable goes through here. Clones share one connection; when the last is dropped the log is folded into
/// the database.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) location: Location,
    clock: Clock,
    jobs: Jobs<Job>,
    slot: Mutex<Slot>,
    created: AtomicBool,
    /// Why sealing does not work, so that nothing that the provider hands out can be kept, as it was last found.
    trouble: Mutex<Option<DiskError>>,
    /// Somebody waits for the rest.
    resting: AtomicBool,
}

/// One kind of task for all transactions, which leave what they came to at its place: each kind of its own would cost the
/// daemon two kilobytes.
struct Job {
    lane: Lane,
    work: Work,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// Where what a job came to is put and found.
type Place<T> = Arc<Mutex<Option<T>>>;

fn put<T>(place: &Place<T>, value: T) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl Store {
    /// Opens the database in `dir`, makes both where they are missing, and brings an older one up to date: for tools that
    /// have nothing to say without one. Blocks, for milliseconds.
    ///
    /// # Errors
    /// A database that is damaged or newer is left as it was; a missing one is made only where nothing hints that there
    /// was one.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        let (opened, created) = open(dir)?;
        Ok(Store::new(Location::of_dir(dir), Clock::system(), Slot::Open(opened), created))
    }

    /// The same for the daemon: where it can't be opened the handle says so, and [`Store::load`] tries again. Blocks, for
    /// milliseconds.
    pub fn at(location: Location, clock: Clock) -> Store {
        let dir = &location.dir;
        let (slot, created) = match open(dir) {
            Ok((opened, created)) => (Slot::Open(opened), created),
            Err(why) => {
                error!(dir = %dir.display(), "the store can't be opened: {why}");
                (Slot::Shut(why), false)
            }
        };
        if created {
            info!(dir = %dir.display(), "new database");
        }
        Store::new(location, clock, slot, created)
    }

    fn new(location: Location, clock: Clock, slot: Slot, created: bool) -> Store {
        let (slot, created) = (Mutex::new(slot), AtomicBool::new(created));
        let (trouble, resting) = (Mutex::new(Some(DiskError::NoKey(String::new()))), AtomicBool::new(false));
        Store {
            shared: Arc::new(Shared { location, clock, jobs: Jobs::new(), slot, created, trouble, resting }),
        }
    }

    /// True when there was no database and this one is new: worth a line in the journal.
    pub fn created(&self) -> bool {
        self.shared.created.load(Ordering::Relaxed)
    }

    /// Sealing works, so that what the provider hands out can be kept.
    pub fn usable(&self) -> bool {
        self.trouble().is_none()
    }

    /// Why it does not, as it was last found.
    pub(super) fn trouble(&self) -> Option<DiskError> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was found now; answers with what was found before.
    pub(super) fn set_trouble(&self, found: Option<DiskError>) -> Option<DiskError> {
        std::mem::replace(&mut *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner), found)
    }

    /// Reads every page and says whether the file is sound. Takes a second for each few gigabytes; for a person who asks.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with SQLite's first finding.
    pub async fn verify(&self) -> Result<(), StoreError> {
        self.tx(|tx| {
            let found: String = tx.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
            if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
        })
        .await
    }

    /// Opens what could not be opened so far, where trying again can help.
    pub(super) async fn open_again(&self) -> Result<(), StoreError> {
        let dir = self.shared.location.dir.clone();
        let shared = Arc::downgrade(&self.shared);
        let work = move |slot: &mut Slot| {
            match slot {
                Slot::Shut(why) if why.may_pass() => {}
                Slot::Open(_) | Slot::Shut(_) => return slot.opened().map(drop),
            }
            match open(&dir) {
                Ok((opened, created)) => {
                    *slot = Slot::Open(opened);
                    if let Some(shared) = shared.upgrade() {
                        shared.created.store(created, Ordering::Relaxed);
                    }
                    info!(dir = %dir.display(), "{}", if created { "new database" } else { "the store is open" });
                }
                Err(why) => *slot = Slot::Shut(why),
            }
            slot.opened().map(drop)
        };
        self.job(Lane::Rig, Work::Itself(Box::new(work)), Place::new(Mutex::new(Some(())))).await
    }

    /// Runs `f` in one transaction, off the async threads, when it is the queue's turn.
    pub(super) fn tx<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> {
        self.in_tx(Lane::Queue, f)
    }

    /// The same, ahead of everything of the queue.
    pub(super) fn rig_tx<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> {
        self.in_tx(Lane::Rig, f)
    }

    fn in_tx<T: Send + 'static>(
        &self,
        lane: Lane,
        f: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> {
        let place = Place::default();
        let into = Arc::clone(&place);
        let work = move |tx: &Tx<'_>| {
            put(&into, f(tx)?);
            Ok(())
        };
        self.job(lane, Work::InTx(Box::new(work)), place)
    }

    /// Ahead of everything of the queue, with the connection itself.
    pub(super) fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Opened) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> {
        let place = Place::default();
        let into = Arc::clone(&place);
        let work = move |slot: &mut Slot| {
            put(&into, f(slot.opened()?)?);
            Ok(())
        };
        self.job(Lane::Rig, Work::Itself(Box::new(work)), place)
    }

    /// A kind for each outcome, and not for each transaction. What the work came to is found at its place.
    async fn job<T>(&self, lane: Lane, work: Work, place: Place<T>) -> Result<T, StoreError> {
        let (done, answered) = oneshot::channel();
        self.shared.put(Job { lane, work, done });
        self.shared.rest_later();
        let cut_short = || StoreError::Io("the transaction was cut short".to_owned());
        answered.await.unwrap_or_else(|_| Err(cut_short()))?;
        place.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(cut_short)
    }
}

impl Shared {
    fn put(self: &Arc<Shared>, job: Job) {
        if self.jobs.put(job.lane, job) {
            let shared = Arc::clone(self);
            // It ends when no job is left; its jobs answer for themselves.
            drop(tokio::task::spawn_blocking(move || shared.work()));
        }
    }

    /// Takes jobs until none is left. The last one is answered when this is no owner of the connection any more: who
    /// drops the store then has closed it.
    fn work(self: Arc<Shared>) {
        let mut answer: Option<Answer> = None;
        while let Some(Job { lane, work, done }) = self.jobs.next() {
            tell(answer.take());
            let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
            // A panic has rolled its transaction back: what is behind the lock is whole. Who asked hears of no outcome.
            let outcome = catch_unwind(AssertUnwindSafe(|| slot.work(lane, work)));
            answer = outcome.ok().map(|outcome| (done, outcome));
        }
        drop(self);
        tell(answer);
    }

    /// Sees to it that memory is given back once there is nothing to do.
    fn rest_later(self: &Arc<Shared>) {
        if self.resting.swap(true, Ordering::Relaxed) {
            return;
        }
        // It must not keep the database open.
        let (clock, weak) = (self.clock.clone(), Arc::downgrade(self));
        tokio::spawn(async move {
            loop {
                let Some(before) = weak.upgrade().map(|shared| shared.jobs.taken()) else { return };
                clock.sleep_until(clock.now().boot + REST_AFTER).await;
                let Some(shared) = weak.upgrade() else { return };
                if shared.jobs.taken() != before {
                    continue;
                }
                shared.resting.store(false, Ordering::Relaxed);
                let work = Work::Itself(Box::new(|slot: &mut Slot| slot.opened().map(Opened::rest)));
                return shared.put(Job { lane: Lane::Queue, work, done: oneshot::channel().0 });
            }
        });
    }
}

type Answer = (oneshot::Sender<Result<(), StoreError>>, Result<(), StoreError>);

fn tell(answer: Option<Answer>) {
    if let Some((done, outcome)) = answer {
        // Nobody waits any more.
        let _ = done.send(outcome);
    }
}

#[cfg(test)]
impl Store {
    /// Keeps the connection busy until what is answered is dropped.
    pub(crate) async fn hold(&self) -> std::sync::mpsc::Sender<()> {
        let (go, gate) = std::sync::mpsc::channel();
        let (entered, running) = oneshot::channel();
        let store = self.clone();
        tokio::spawn(async move {
            let wait = move |_: &Tx<'_>| {
                let _ = entered.send(());
                let _ = gate.recv();
                Ok(())
            };
            store.tx(wait).await
        });
        running.await.expect("the store works");
        go
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;
    use tokio::time::Instant;

    use super::*;

    /// Six programs add clips and the disk takes its time; then a refresh comes.
    #[tokio::test]
    async fn what_the_grant_hangs_on_waits_for_the_transaction_that_runs_and_for_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let (entered, running) = oneshot::channel();
        let slow = store.clone();
        let slow = tokio::spawn(async move {
            slow.tx(move |_| {
                entered.send(()).unwrap();
                gate.recv().unwrap();
                Ok(())
            })
            .await
        });
        running.await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..6 {
            let (store, order) = (store.clone(), order.clone());
            tasks.spawn(async move {
                store
                    .tx(move |_| {
                        order.lock().unwrap().push(n);
                        Ok(())
                    })
                    .await
            });
        }
        while store.shared.jobs.waiting() != (0, 6) {
            tokio::task::yield_now().await;
        }
        let (late, into) = (store.clone(), order.clone());
        tasks.spawn(async move {
            let marked = late.mark_refresh();
            let noted = late.rig_tx(move |_| {
                into.lock().unwrap().push(100);
                Ok(())
            });
            let (marked, noted) = tokio::join!(marked, noted);
            assert_eq!(marked, Err(StoreError::NotFound("identity".into())), "of a rig without a name");
            noted
        });
        while store.shared.jobs.waiting() != (2, 6) {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        slow.await.unwrap().unwrap();
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [100, 0, 1, 2, 3, 4, 5]);
    }

    #[tokio::test]
    async fn a_job_that_panics_keeps_nobody_else_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let cut = store.tx::<()>(|_| panic!("announced: this test is about it")).await;
        assert!(matches!(cut, Err(StoreError::Io(why)) if why.contains("cut short")));
        assert_eq!(store.verify().await, Ok(()));
    }

    #[expect(clippy::disallowed_methods, reason = "virtual time, which never sleeps through a suspend")]
    #[tokio::test(start_paused = true)]
    async fn statements_stay_while_there_is_work_and_go_when_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::Virtual { epoch: Instant::now(), wall: 0 };
        let store = Store::at(Location::of_dir(dir.path()), clock);
        // How often the statement at hand has run since it was prepared.
        let runs = || {
            store.tx(|tx| {
                let mut statement = tx.prepare_cached("SELECT 1")?;
                statement.exists([])?;
                Ok(statement.get_status(StatementStatus::Run))
            })
        };
        assert_eq!((runs().await, runs().await), (Ok(1), Ok(2)));
        for n in 3..8 {
            tokio::time::sleep(REST_AFTER / 2).await;
            assert_eq!(runs().await, Ok(n), "there is work");
        }
        tokio::time::sleep(3 * REST_AFTER).await;
        assert_eq!((runs().await, runs().await), (Ok(1), Ok(2)));
        assert!(store.shared.resting.load(Ordering::Relaxed), "and the next rest comes");
        // What the rig reads leaves them, what it writes does not.
        let rig = |sql| store.rig_tx(move |tx| Ok(tx.prepare_cached(sql)?.raw_execute().is_ok()));
        assert_eq!((rig("SELECT 2").await.is_ok(), runs().await), (true, Ok(3)));
        assert_eq!((rig("UPDATE rig SET id = id").await, runs().await), (Ok(true), Ok(1)));
    }
}
