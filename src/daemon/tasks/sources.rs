//! Looks after the media sources: finds what is new in them, waits until it is finished, and has it queued.
//!
//! # Decisions
//! - A walk is the truth, and what the kernel tells only spares us the next one. Whenever something may have been missed
//!   (at the start, after an overflow, when a card came or went, when a directory could not be watched) there is a walk,
//!   and the store knows what is known already. So nothing is remembered here that a crash could lose.
//! - One job on the disk at a time, each of a few hundred files: a card with a million files costs neither memory nor
//!   the uploads their share of the threads. A card that hangs costs the others the time until that is noticed, once;
//!   what was to be done there is done when it answers again.
//! - A walk stays on one mount, and what is mounted within is walked by itself: a card that hangs loses its own walk only.
//! - Nothing is open between jobs but the directories of a walk under way, and those are let go when it has to wait for
//!   long: a card must stay removable.
//! - What the queue has no room for stays in hand and is offered again; no further walk begins before.
mod event;
mod grow;
mod job;
mod known;
mod links;
mod waits;
mod walks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::link::ToQueue;
use crate::media::{Walk, Workers};
use crate::store::{Store, StoreError};
use crate::tasks::growing::Recordings;
use crate::tasks::intake::Intake;
use crate::watch::{Mounts, WatchError, Watcher};
use job::{BATCH, Done, Found, Queued};
use known::{Known, Mark};
use rigpost_core::few;
use rigpost_core::queue::item::shown;
use rigpost_core::queue::sequence::{Tally, Told};
use rigpost_core::queue::whole::{Settling, Verdict};
use rigpost_core::time::BootTime;
use rigpost_core::view::QueueView;
use waits::{events, mounts, room_made, some};

/// Files that may be waited for at once.
const MOST_SETTLING: usize = 4096;
/// Places to walk from; more become walks of whole sources.
const MOST_PLACES: usize = 64;
/// How soon what the queue refused is offered again.
const OFFER_AGAIN: Duration = Duration::from_secs(30);
/// How soon a source is walked again that had more news than fit.
const SOON: Duration = Duration::from_secs(10);
/// How often a source is walked that can't be watched.
const UNWATCHED: Duration = Duration::from_secs(300);

/// Are you alive?
pub type Ping = oneshot::Sender<()>;

/// The task's ends of the channels.
pub struct SourceLinks {
    /// To whoever sends.
    pub queue: mpsc::Sender<ToQueue>,
    /// What people see of the queue.
    pub view: watch::Receiver<QueueView>,
    /// From the watchdog.
    pub pings: mpsc::Receiver<Ping>,
    /// To whoever shows which sources are not there.
    pub missing: watch::Sender<Vec<String>>,
    /// Who sends recordings.
    pub recordings: Recordings,
}

/// Watches the sources and puts what they hold into the queue. Everything it needs is given to it.
pub struct SourceTask {
    /// As the configuration has it.
    configured: Arc<Intake>,
    /// With the sources where they really lie.
    intake: Arc<Intake>,
    workers: Workers,
    max_items: u64,
    store: Store,
    clock: Clock,
    queue: mpsc::Sender<ToQueue>,
    view: watch::Receiver<QueueView>,
    pings: mpsc::Receiver<Ping>,
    /// Each directory that a source names, but those beneath another.
    roots: Vec<PathBuf>,
    /// Where those of them lie whose path leads over links.
    real: BTreeMap<PathBuf, PathBuf>,
    /// The links, and the root behind each.
    links: BTreeMap<PathBuf, PathBuf>,
    watcher: Option<Arc<Watcher>>,
    mounts: Option<Mounts>,
    settling: Settling,
    /// Where walks are to begin.
    places: BTreeSet<PathBuf>,
    /// Directories that were made while we watched, until everything has been walked. A few: others count as old.
    new_dirs: BTreeSet<PathBuf>,
    /// Where to walk again, and when: the kernel does not tell everything that happens there.
    scans: BTreeMap<PathBuf, BootTime>,
    /// What was offered from there.
    known: Known,
    /// Where walks are to begin as soon as the cards there answer.
    silent: BTreeSet<PathBuf>,
    /// The walk under way, and where it began.
    walk: Option<(PathBuf, Walk)>,
    /// Files to be queued: finished, as far as can be seen.
    ready: Vec<Found>,
    job: Option<BoxFuture<'static, Done>>,
    /// The queue takes nothing before this.
    closed_until: Option<BootTime>,
    /// Or before there is room in it.
    full: bool,
    /// Every source is walked again at this time.
    walk_all_at: Option<BootTime>,
    /// Roots that are not there.
    missing: BTreeSet<PathBuf>,
    show_missing: watch::Sender<Vec<String>>,
    recordings: Recordings,
    /// The last file that was moved out, and the number of the move.
    moved_out: Option<(PathBuf, u32)>,
    /// Queued since there was last nothing to do.
    added: usize,
    /// Frames that their source leaves out.
    frames: Tally,
    said: Said,
}

/// What was said in the journal already.
#[derive(Debug, Default)]
struct Said {
    closed: bool,
    unwatched: Option<WatchError>,
    /// Bounded; what does not fit is said again.
    unread: BTreeSet<PathBuf>,
}

impl SourceTask {
    /// Nothing happens before [`SourceTask::run`]. There is at least one source.
    pub fn new(
        intake: Arc<Intake>,
        workers: Workers,
        max_items: u64,
        store: Store,
        clock: Clock,
        links: SourceLinks,
    ) -> SourceTask {
        let SourceLinks { queue, view, pings, missing: show_missing, recordings } = links;
        let all = few::set(intake.sources.iter().map(|source| source.path.clone()));
        let above = |path: &PathBuf| all.iter().any(|other| path != other && path.starts_with(other));
        let roots = all.iter().filter(|path| !above(path)).cloned().collect();
        SourceTask {
            settling: Settling::new(intake.settle, MOST_SETTLING),
            configured: intake.clone(),
            intake,
            workers,
            max_items,
            store,
            clock,
            queue,
            view,
            pings,
            roots,
            real: BTreeMap::new(),
            links: BTreeMap::new(),
            watcher: None,
            mounts: None,
            places: BTreeSet::new(),
            new_dirs: BTreeSet::new(),
            scans: BTreeMap::new(),
            known: Known::default(),
            silent: BTreeSet::new(),
            walk: None,
            ready: Vec::new(),
            job: None,
            closed_until: None,
            full: false,
            walk_all_at: None,
            missing: BTreeSet::new(),
            show_missing,
            recordings,
            moved_out: None,
            added: 0,
            frames: Tally::default(),
            said: Said::default(),
        }
    }

    /// Runs until `stop`. A file that was not queued by then is found again at the next start.
    pub async fn run(mut self, stop: CancellationToken) {
        self.mounts = Mounts::new(self.configured.media_dirs.clone())
            .inspect_err(|e| warn!("mounts can't be watched, so cards are found late: {e}"))
            .ok();
        if self.mounts.is_none() {
            self.walk_all_in(UNWATCHED);
        }
        self.walk_all();
        let mut cards = self.workers.silent();
        loop {
            self.begin_job();
            let deadline = self.deadline();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                // Nobody waits any more: the watchdog has given up.
                Some(ping) = self.pings.recv() => { let _ = ping.send(()); }
                done = some(&mut self.job) => {
                    self.job = None;
                    self.done(done);
                }
                events = events(self.watcher.as_deref()) => self.saw(events),
                () = room_made(&mut self.view, self.max_items), if self.full => {
                    (self.full, self.closed_until) = (false, None);
                }
                points = mounts(&mut self.mounts) => self.remounted(points),
                Ok(()) = cards.changed() => self.cards_changed(),
                Some(path) = self.recordings.again.recv() => self.walk_from(path.parent().unwrap_or(&path).to_owned()),
                () = self.clock.sleep_until_some(deadline) => self.tick(),
            }
        }
    }

    /// When there is something to do that no event will tell of.
    fn deadline(&self) -> Option<BootTime> {
        let settled = self.settling.deadline().filter(|_| self.job.is_none());
        let scan = self.scans.values().min().copied();
        // A queue that is full keeps no recording from its end.
        let settled = settled.filter(|_| self.closed_until.is_none() || self.recordings.in_hand.is_any());
        [self.closed_until, settled, self.walk_all_at, scan].into_iter().flatten().min()
    }

    fn tick(&mut self) {
        let now = self.clock.now().boot;
        if self.closed_until.is_some_and(|at| at <= now) {
            (self.full, self.closed_until) = (false, None);
        }
        if self.walk_all_at.is_some_and(|at| at <= now) {
            self.walk_all_at = None;
            self.walk_all();
        }
        self.scan(now);
    }

    /// The next thing to do on the disk, if there is any and the queue takes something.
    fn begin_job(&mut self) {
        if self.job.is_some() {
            return;
        }
        let now = self.clock.now();
        if self.closed_until.is_some() {
            return self.look_for_others(now.boot);
        }
        if !self.ready.is_empty() {
            // Room that is made from now on counts.
            self.view.mark_unchanged();
            let batch = self.ready.drain(..self.ready.len().min(BATCH)).collect();
            let (workers, intake) = (self.workers.clone(), self.intake.clone());
            let (store, queue) = (self.store.clone(), self.queue.clone());
            let job = job::queue(workers, intake, store, queue, batch, self.max_items, now);
            self.job = Some(Box::pin(job));
            return;
        }
        let due = self.settling.due(BATCH, now.boot);
        if !due.is_empty() {
            self.job = Some(Box::pin(job::look(self.workers.clone(), self.intake.clone(), due)));
        } else if self.settling.room() < BATCH {
            // The walk goes on once some have settled.
        } else if let Some((place, walk)) = self.walk.take() {
            self.job = Some(Box::pin(job::step(self.workers.clone(), self.visitor(), place, walk)));
        } else if let Some(place) = self.places.pop_first() {
            self.begin_walk(place);
        } else {
            self.rest();
        }
    }

    fn visitor(&mut self) -> job::SourceVisitor {
        if self.watcher.is_none() {
            match Watcher::new() {
                Ok(watcher) => self.watcher = Some(Arc::new(watcher)),
                Err(why) => self.unwatched(why),
            }
        }
        job::SourceVisitor { intake: self.intake.clone(), watcher: self.watcher.clone(), unwatched: None }
    }

    /// There is nothing to do for now.
    fn rest(&mut self) {
        self.new_dirs.clear();
        if self.added > 0 {
            info!(files = self.added, "queued what is new in the media sources");
            self.added = 0;
        }
        if let Some(Told { frames, sequences }) = self.frames.tell() {
            info!(frames, sequences, "left out what is a sequence, as the media source says");
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Resolved(root, all, real) => self.resolved(root, all, real),
            Done::Begun(place, unwatched, Ok((walk, step))) => {
                self.found_root(&place);
                self.stepped(place, walk, step, unwatched);
            }
            Done::Begun(place, unwatched, Err(e)) => {
                unwatched.into_iter().for_each(|why| self.unwatched(why));
                self.not_begun(place, &e);
            }
            Done::Stepped(place, walk, step, unwatched) => self.stepped(place, walk, step, unwatched),
            Done::Looked(files, silent) => {
                let now = self.clock.now().boot;
                silent.iter().for_each(|path| self.settling.forget(path));
                self.walk_around(&silent);
                for (path, facts) in files {
                    match self.settling.looked(&path, facts, now) {
                        Verdict::Finished(appeared) => {
                            let mark = facts.map(|facts| Mark::of(&path, &facts));
                            self.finished(Found { path, settled: true, appeared, mark });
                        }
                        Verdict::Wait => self.may_grow(path),
                        Verdict::Forgotten => self.was_forgotten(path),
                    }
                }
            }
            Done::Queued(batch, left, found) => {
                let is_over = found.as_ref().is_ok_and(|found| !found.left_out);
                if is_over && !self.scans.is_empty() {
                    self.remember(&batch, &left);
                }
                left.unread.into_iter().for_each(|(path, why)| self.unread(path, &why));
                self.walk_around(&left.silent);
                // What is offered again is counted then.
                left.frames.into_iter().filter(|_| is_over).for_each(|frame| self.frames.count(frame));
                self.queued(batch, found);
            }
            Done::Hangs(place) => self.walk_once_it_answers(place),
        }
    }

    fn queued(&mut self, batch: Vec<Found>, found: Result<Queued, StoreError>) {
        let why = match found {
            Ok(found) => {
                self.added += found.added;
                self.full = found.left_out;
                found.left_out.then(|| "the queue is full".to_owned())
            }
            Err(e) => Some(e.to_string()),
        };
        let Some(why) = why else {
            if std::mem::take(&mut self.said.closed) {
                info!("new files of the media sources are queued again");
            }
            return;
        };
        if !std::mem::replace(&mut self.said.closed, true) {
            warn!("new files of the media sources must wait: {why}");
        }
        self.ready.splice(..0, batch);
        self.closed_until = Some(self.clock.now().boot + OFFER_AGAIN);
        // This may last: no card is kept from being removed.
        if let Some((place, _)) = self.walk.take() {
            self.walk_from(place);
        }
    }

    /// Said once; the sources are walked now and then instead.
    fn unwatched(&mut self, why: WatchError) {
        if self.said.unwatched.as_ref() != Some(&why) {
            let minutes = UNWATCHED.as_secs() / 60;
            warn!(
                "not everything in the media sources can be watched, so they are looked through every {minutes} minutes: {why}"
            );
            self.said.unwatched = Some(why);
        }
        self.walk_all_in(UNWATCHED);
    }

    /// Said once; it is tried again when its rights change, and at the next walk.
    fn unread(&mut self, path: PathBuf, why: &str) {
        if self.said.unread.contains(&path) {
            return;
        }
        warn!(path = %shown(&path), "left out: {why}");
        if self.said.unread.len() < MOST_SETTLING {
            self.said.unread.insert(path);
        }
    }
}
