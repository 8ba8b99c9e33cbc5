//! Carries the queue to the cloud: answers people's questions about it, and drives the [`Upload`](upload::Upload)s that
//! have their turn.
//!
//! # Decisions
//! - Trouble on the way pauses the whole queue with a growing delay: every clip would meet the same trouble. A clip that
//!   is itself the trouble is failed, or put aside with a growing delay of its own, and the next one has its turn.
//! - The delay is forgotten as soon as a part is through and on disk, unless the provider itself has named it. Before it
//!   is on disk a full one would have the same part sent again and again.
//! - An end that can't be written is kept and written later: a row that says "uploading" while nobody uploads it would
//!   stay there until the next start.
//! - A token that the provider refused is not used again; new turns wait for the keeper's next one.
//! - A pause cuts the parts in flight: when it is answered nothing leaves the rig any more. While the camera records they
//!   only stand still, and go on without loss after a short take.
mod answer;
mod ask;
mod claim;
mod end;
mod show;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ask::Asked;
use claim::Opened;
use end::End;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use show::Meter;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use turn::Turn;

use crate::clock::Clock;
use crate::http::{Congestion, Transport};
use crate::link::{Access, ToKeeper, ToQueue};
use crate::media::Pacer;
use crate::store::Limits;
use crate::tasks::{Door, Parts, Strongroom};
use rigpost_core::backoff::{Jitter, doubled};
use rigpost_core::command::Refusal;
use rigpost_core::identity::oauth::AccessToken;
use rigpost_core::provider::FrameIo;
use rigpost_core::provider::wire::Connection;
use rigpost_core::queue::etag::EtagKind;
use rigpost_core::queue::item::{FileFacts, Item, ItemId};
use rigpost_core::queue::order::{self, Line, Next};
use rigpost_core::queue::upload;
use rigpost_core::time::BootTime;
use rigpost_core::view::{ItemNews, QueueView, Reason};

const FIRST_RETRY: Duration = Duration::from_secs(2);
const MAX_RETRY: Duration = Duration::from_secs(120);
/// At 1 % loss one connection fills a twelfth of a link, and eight fill half of it.
const SLOTS_WITHOUT_BBR: usize = 12;

/// From the configuration.
#[derive(Clone, Debug)]
pub struct UploaderSettings {
    /// Who may come in, and what a file must be to be sent.
    pub door: Arc<Door>,
    /// Items that are not sent yet, at most: all of them, and those of one user.
    pub limits: Limits,
    /// Parts in flight at once.
    pub parallel_parts: usize,
}

/// The task's ends of the channels.
pub struct Lines {
    /// People, sources and the network.
    pub inbox: mpsc::Receiver<ToQueue>,
    /// What calls to the provider have shown.
    pub keeper: mpsc::Sender<ToKeeper>,
    /// What calls may carry.
    pub access: watch::Receiver<Option<Access>>,
    /// The snapshot.
    pub view: watch::Sender<QueueView>,
    /// Items that changed.
    pub news: broadcast::Sender<Arc<ItemNews>>,
}

/// What a future came back with.
enum Done {
    /// A claim of something above this priority.
    Claimed(Option<i32>, Result<Option<Box<Opened>>, Refusal>),
    Machine(ItemId, upload::Event),
    PartSent(ItemId, u32, Result<upload::Confirmed, upload::PartError>),
    /// The item as it is now, if it still is one.
    Ended(ItemId, Result<Option<Box<Item>>, End>),
    /// What was asked, items that changed, and the answer.
    Answered(Asked, Vec<Item>, Option<ask::Reply>),
    Told,
}

/// Nothing is begun before.
struct Retry {
    at: BootTime,
    /// The provider named it: nothing shortens it.
    firm: bool,
}

/// The task.
pub struct Uploader<T> {
    /// As the last reload left them.
    settings: watch::Receiver<UploaderSettings>,
    /// Where clips go; `None`: this provider takes none.
    cloud: Option<FrameIo>,
    transport: Arc<T>,
    room: Arc<Strongroom>,
    clock: Clock,
    inbox: mpsc::Receiver<ToQueue>,
    keeper: mpsc::Sender<ToKeeper>,
    access: watch::Receiver<Option<Access>>,
    view: watch::Sender<QueueView>,
    news: broadcast::Sender<Arc<ItemNews>>,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    turns: BTreeMap<ItemId, Turn>,
    line: Line,
    claiming: bool,
    /// A wish came while a claim was on its way: what it brings goes back.
    stop_next: bool,
    /// Pauses on their way to the disk.
    pausing: usize,
    /// What had its turn at the last stop is queued again. Nothing is claimed before.
    resumed: bool,
    /// Ends on their way to the disk.
    ending: BTreeSet<ItemId>,
    /// Ends that could not be written yet.
    unwritten: Vec<End>,
    /// Clips in trouble of their own, or still being written, until when.
    aside: BTreeMap<ItemId, BootTime>,
    /// How often each was put aside for trouble of its own, since it was last through or a person acted.
    own_troubles: BTreeMap<ItemId, u32>,
    /// How the files of those looked that may still be being written.
    seen: BTreeMap<ItemId, FileFacts>,
    refused: Option<AccessToken>,
    /// The last that was paired.
    project: Option<String>,
    retry: Option<Retry>,
    troubles: u32,
    /// Clips in a row that the project forbade.
    forbidden: u32,
    etags: EtagKind,
    /// The next asset may be asked for then.
    next_create: BootTime,
    /// Shared by all parts.
    pacer: Pacer,
    meter: Meter,
    jitter: Jitter,
}

impl<T: Transport> Uploader<T> {
    /// Nothing happens before [`Uploader::run`].
    pub fn new(
        parts: Parts<T>,
        settings: watch::Receiver<UploaderSettings>,
        lines: Lines,
        seed: u64,
    ) -> Uploader<T> {
        let Parts { provider, transport, room, clock } = parts;
        let Lines { inbox, keeper, access, view, news } = lines;
        let pacer = Pacer::new(clock.clone());
        Uploader {
            settings,
            cloud: provider.clips().cloned(),
            transport,
            room,
            clock,
            inbox,
            keeper,
            access,
            view,
            news,
            running: FuturesUnordered::new(),
            turns: BTreeMap::new(),
            line: Line::default(),
            claiming: false,
            stop_next: false,
            pausing: 0,
            resumed: false,
            ending: BTreeSet::new(),
            unwritten: Vec::new(),
            aside: BTreeMap::new(),
            own_troubles: BTreeMap::new(),
            seen: BTreeMap::new(),
            refused: None,
            project: None,
            retry: None,
            troubles: 0,
            forbidden: 0,
            etags: EtagKind::default(),
            next_create: BootTime::default(),
            pacer,
            meter: Meter::default(),
            jitter: Jitter::new(seed),
        }
    }

    /// Runs until `stop`: parts in flight are let go, what is finished is on disk.
    pub async fn run(mut self, stop: CancellationToken) {
        // Or else with the first claim.
        let resumed = self.room.resume_uploading().await;
        self.resumed = resumed.inspect_err(|e| warn!("the queue can't be read yet: {e}")).is_ok();
        self.refresh_view().await;
        loop {
            self.drive();
            let deadline = self.deadline();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.wind_up().await,
                Some(done) = self.running.next() => self.done(done).await,
                Some(message) = self.inbox.recv() => self.message(message),
                changed = self.access.changed() => {
                    if changed.is_err() { return }
                    self.access_changed().await;
                }
                () = self.clock.sleep_until_some(deadline) => self.tick(),
            }
        }
    }

    /// Uses the line as far as nothing stands in the way.
    fn drive(&mut self) {
        if self.retry.is_some() {
            return;
        }
        for end in std::mem::take(&mut self.unwritten) {
            self.write_end(end);
        }
        while self.may_send() {
            let project = self.project_to_claim();
            let standings: Vec<_> = self.turns.values().map(Turn::standing).collect();
            let claiming = self.claiming || project.is_none();
            match order::next(&standings, self.slots(), self.line, claiming) {
                Next::Part(id) => self.feed(id, upload::Event::Slot),
                Next::Claim(above) => project.into_iter().for_each(|project| self.claim(project, above)),
                Next::Wait => break,
            }
        }
        self.rest();
    }

    /// Parts in flight at once: more where one connection alone can't fill a lossy link.
    fn slots(&self) -> usize {
        let parts = self.settings.borrow().parallel_parts;
        if self.transport.congestion() == Congestion::Default { parts.max(SLOTS_WITHOUT_BBR) } else { parts }
    }

    fn may_send(&self) -> bool {
        let held = {
            let v = self.view.borrow();
            v.paused || v.recording
        };
        !held && self.pausing == 0 && self.retry.is_none() && self.room.usable()
    }

    /// The project whose clips may have a turn now.
    fn project_to_claim(&self) -> Option<String> {
        let access = self.access.borrow();
        let access = access.as_ref().filter(|a| !a.paused && self.refused.as_ref() != Some(&a.token))?;
        Some(access.project_id.clone())
    }

    /// Gives back what only sending needs, when there will be none for a while.
    fn rest(&mut self) {
        let idle = self.turns.is_empty() && !self.claiming && self.ending.is_empty();
        if idle && !self.meter.at_rest() {
            self.meter = Meter::default();
            self.transport.rest(Connection::Pooled);
            self.transport.rest(Connection::Fresh);
        }
    }

    fn deadline(&self) -> Option<BootTime> {
        let retry = self.retry.as_ref().map(|r| r.at);
        let aside = self.aside.values().min().copied();
        [retry, aside, self.show_at()].into_iter().flatten().min()
    }

    fn tick(&mut self) {
        let now = self.clock.now().boot;
        if self.show_at().is_some_and(|at| now >= at) {
            self.show_progress();
        }
        if self.retry.as_ref().is_some_and(|r| now >= r.at) {
            self.retry = None;
        }
        let before = self.aside.len();
        self.aside.retain(|_, until| now < *until);
        if self.aside.len() != before {
            self.line.changed();
        }
    }

    async fn access_changed(&mut self) {
        self.line.changed();
        self.refresh_view().await;
        // Another project, or no grant any more: what is under way is not for it.
        let project = self.access.borrow().as_ref().map(|a| a.project_id.clone());
        if project.is_some() {
            if self.project != project {
                self.forgive();
                self.project.clone_from(&project);
            }
            let stale = |t: &&Turn| t.item.new.project_id != project;
            let stale: Vec<_> = self.turns.values().filter(stale).map(|t| t.item.id).collect();
            stale.into_iter().for_each(|id| self.cut(id));
        }
        self.stop_next |= self.claiming;
    }

    /// What stood in the way in one project says nothing about the next.
    fn forgive(&mut self) {
        (self.retry, self.troubles, self.forbidden) = (None, 0, 0);
        self.own_troubles.clear();
        self.aside.retain(|id, _| self.seen.contains_key(id));
        self.view.send_if_modified(|v| v.trouble.take().is_some());
    }

    async fn done(&mut self, done: Done) {
        match done {
            Done::Claimed(above, answer) => self.claimed(above, answer),
            Done::Machine(id, event) => {
                if let upload::Event::PartRecorded(n, true) = event {
                    self.clear_trouble();
                    self.count_down(id, n);
                }
                if let upload::Event::Created(_, Ok(_)) = event {
                    self.forbidden = 0;
                }
                self.feed(id, event);
            }
            Done::PartSent(id, n, answer) => self.part_sent(id, n, answer),
            Done::Ended(id, ended) => self.ended(id, ended).await,
            Done::Answered(asked, changed, reply) => self.answered(asked, &changed, reply).await,
            Done::Told => {}
        }
    }

    fn feed(&mut self, id: ItemId, event: upload::Event) {
        let now = self.clock.now();
        let Some(turn) = self.turns.get_mut(&id) else { return };
        for action in turn.upload.on(event, now) {
            self.perform(id, action);
        }
    }

    /// The way is in trouble: nothing is begun for a while. `at_least`: the provider's own wish.
    fn later(&mut self, reason: Reason, why: String, at_least: Option<Duration>) {
        let now = self.clock.now().boot;
        let firm = at_least.is_some();
        match &mut self.retry {
            // Several parts find out about the same trouble.
            Some(retry) => {
                retry.at = retry.at.max(now + at_least.unwrap_or_default());
                retry.firm |= firm;
            }
            None => {
                let wait = self.jitter.spread(doubled(FIRST_RETRY, self.troubles, MAX_RETRY));
                self.troubles = self.troubles.saturating_add(1);
                self.retry = Some(Retry { at: now + wait.max(at_least.unwrap_or_default()), firm });
            }
        }
        self.view.send_modify(|v| v.trouble = Some((reason, why)));
    }

    /// Bytes have moved and that is on disk: the way is good.
    fn clear_trouble(&mut self) {
        self.troubles = 0;
        self.retry.take_if(|r| !r.firm);
        if self.retry.is_none() {
            self.view.send_if_modified(|v| v.trouble.take().is_some());
        }
    }

    fn message(&mut self, message: ToQueue) {
        match message {
            ToQueue::Ping(reply) => drop(reply.send(())),
            ToQueue::Found(ids) => {
                self.line.changed();
                let room = self.room.clone();
                self.running.push(Box::pin(async move {
                    Done::Answered(Asked::Change, answer::told(&room, &ids).await, None)
                }));
            }
            ToQueue::NetworkUp => {
                self.retry.take_if(|r| !r.firm);
            }
            ToQueue::Ask(ask) => self.ask(ask),
        }
    }
}
