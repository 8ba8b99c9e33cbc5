//! Carries the queue to the cloud: answers people's questions about it, and drives one [`Upload`] after another.
//!
//! # Decisions
//! - Trouble on the way pauses the whole queue with a growing delay: the next clip would meet the same trouble. A clip
//!   that is itself the trouble is failed, or put aside with a growing delay of its own, and the next one has its turn.
//! - An end that can't be written is kept and written later, and nothing else begins before: a row that says
//!   "uploading" while nobody uploads it would stay there until the next start.
//! - A token that the provider refused is not used again; the turn waits for the keeper's next one.
mod answer;
mod turn;

use crate::{
    clock::Clock,
    domain::{
        backoff::{Jitter, doubled},
        command::{QueueCommand, Refusal},
        item::{Item, ItemId, shown},
        oauth::AccessToken,
        time::BootTime,
        upload,
        view::{ItemNews, QueueView, Reason, Sending},
    },
    http::Transport,
    link::{Access, Ask, ToKeeper, ToQueue},
    media::Pacer,
    provider::{Provider, wire::Connection},
    tasks::Strongroom,
};
use answer::answer;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use turn::{Claim, End, Turn, claim};

const FIRST_RETRY: Duration = Duration::from_secs(2);
const MAX_RETRY: Duration = Duration::from_secs(120);
/// How often the bytes of a running upload are shown.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// From the configuration.
#[derive(Clone, Debug)]
pub struct UploaderSettings {
    /// Files are accepted only beneath these.
    pub media_dirs: Vec<PathBuf>,
    /// Items that are not sent yet, at most.
    pub max_items: u64,
    /// Parts in flight at once.
    pub parallel_parts: usize,
}

/// What a future came back with.
#[expect(clippy::large_enum_variant, reason = "one at a time, and moved once")]
enum Done {
    Claimed(Result<Claim, Refusal>),
    Machine(upload::Event),
    PartSent(u32, Result<String, upload::PartError>),
    Ended(Result<Item, End>),
    /// The answer is out; items that changed, if it was about changing any.
    Answered(Option<Vec<Item>>),
    Told,
}

/// The task.
pub struct Uploader<T> {
    /// As the last reload left them; a turn keeps those it began with.
    settings: watch::Receiver<UploaderSettings>,
    provider: Provider,
    transport: Arc<T>,
    room: Arc<Strongroom>,
    clock: Clock,
    inbox: mpsc::Receiver<ToQueue>,
    keeper: mpsc::Sender<ToKeeper>,
    access: watch::Receiver<Option<Access>>,
    view: watch::Sender<QueueView>,
    news: broadcast::Sender<ItemNews>,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    turn: Option<Turn>,
    /// A claim, or the end of a turn, is on its way to the disk.
    between: bool,
    /// An end that could not be written yet.
    unwritten: Option<End>,
    /// A wish came while there was no turn to stop yet.
    stop_next: bool,
    /// Items that are in trouble of their own, until when.
    aside: BTreeMap<ItemId, BootTime>,
    /// Nothing was left to claim at the last look.
    nothing_to_do: bool,
    refused: Option<AccessToken>,
    retry_at: Option<BootTime>,
    troubles: u32,
    jitter: Jitter,
    /// Shared by all parts.
    pacer: Pacer,
    shown: (BootTime, u64),
}

impl<T: Transport> Uploader<T> {
    /// Nothing happens before [`Uploader::run`].
    #[expect(clippy::too_many_arguments, reason = "the wiring of one task, done in one place")]
    pub fn new(
        settings: watch::Receiver<UploaderSettings>,
        provider: Provider,
        transport: Arc<T>,
        room: Arc<Strongroom>,
        clock: Clock,
        inbox: mpsc::Receiver<ToQueue>,
        keeper: mpsc::Sender<ToKeeper>,
        access: watch::Receiver<Option<Access>>,
        view: watch::Sender<QueueView>,
        news: broadcast::Sender<ItemNews>,
        seed: u64,
    ) -> Uploader<T> {
        let pacer = Pacer::new(clock.clone());
        Uploader {
            settings,
            provider,
            transport,
            room,
            clock,
            inbox,
            keeper,
            access,
            view,
            news,
            running: FuturesUnordered::new(),
            turn: None,
            between: false,
            unwritten: None,
            stop_next: false,
            aside: BTreeMap::new(),
            nothing_to_do: false,
            refused: None,
            retry_at: None,
            troubles: 0,
            jitter: Jitter::new(seed),
            pacer,
            shown: (BootTime::default(), 0),
        }
    }

    /// Runs until `stop`: parts in flight are let go, what is finished is on disk.
    pub async fn run(mut self, stop: CancellationToken) {
        if let Err(e) = self.room.resume_uploading().await {
            warn!("the queue can't be read: {e}");
        }
        self.refresh_view().await;
        loop {
            self.take_turn();
            let deadline = match &self.turn {
                Some(_) => Some(self.shown.0 + SHOW_EVERY),
                None => self.retry_at.or_else(|| self.aside.values().min().copied()),
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
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

    async fn access_changed(&mut self) {
        self.nothing_to_do = false;
        self.refresh_view().await;
        // Another project, or no grant any more: what is under way is not for it.
        let project = self.access.borrow().as_ref().map(|a| a.project_id.clone());
        let stale = self.turn.as_ref().is_some_and(|t| t.item.new.project_id != project);
        if stale && project.is_some() {
            self.feed(upload::Event::Stop);
        }
        self.stop_next |= self.between;
    }

    fn tick(&mut self) {
        if self.turn.is_some() {
            return self.show_progress();
        }
        let now = self.clock.now().boot;
        if self.retry_at.is_some_and(|at| now >= at) {
            self.retry_at = None;
        }
        let before = self.aside.len();
        self.aside.retain(|_, at| now < *at);
        self.nothing_to_do &= self.aside.len() == before;
    }

    /// Begins the next turn, if there is one and nothing stands in its way.
    fn take_turn(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        if let Some(end) = self.unwritten.take() {
            return self.write_end(end);
        }
        if self.turn.is_some() || self.between || self.nothing_to_do || self.view.borrow().paused {
            return;
        }
        let Some(access) = self.access.borrow().clone() else { return };
        if self.refused.as_ref() == Some(&access.token) || !self.room.usable() {
            return;
        }
        (self.between, self.stop_next) = (true, false);
        let (room, clock) = (self.room.clone(), self.clock.clone());
        let UploaderSettings { media_dirs: dirs, parallel_parts: parallel, .. } =
            self.settings.borrow().clone();
        let aside: Vec<ItemId> = self.aside.keys().copied().collect();
        self.running.push(Box::pin(async move {
            Done::Claimed(claim(&room, access, &aside, dirs, parallel, &clock).await)
        }));
    }

    async fn done(&mut self, done: Done) {
        match done {
            Done::Claimed(answer) => self.claimed(answer).await,
            Done::Machine(event) => {
                if let upload::Event::PartRecorded(n, true) = event {
                    self.count_down(n);
                }
                self.feed(event);
            }
            Done::PartSent(n, answer) => {
                if let (Ok(_), Some(turn)) = (&answer, &mut self.turn) {
                    self.troubles = 0;
                    turn.parts.remove(&n);
                    if let Some((_, _, len)) = turn.upload.part(n) {
                        turn.item.sent += len;
                    }
                }
                self.feed(upload::Event::Sent(n, answer));
            }
            Done::Ended(ended) => self.ended(ended).await,
            Done::Answered(Some(changed)) => {
                self.nothing_to_do = false;
                self.refresh_view().await;
                changed.iter().for_each(|item| self.tell(item));
            }
            Done::Answered(None) | Done::Told => {}
        }
    }

    async fn claimed(&mut self, answer: Result<Claim, Refusal>) {
        self.between = false;
        match answer {
            Ok(Claim::Turn(turn)) if self.stop_next => self.write_end(End::requeue(turn.item.id)),
            Ok(Claim::Turn(mut turn)) => {
                info!(item = turn.item.id.0, file = %shown(&turn.item.new.path), "sending");
                self.tell(&turn.item);
                self.shown = (self.clock.now().boot, turn.item.sent);
                let actions = std::mem::take(&mut turn.actions);
                self.turn = Some(*turn);
                for action in actions {
                    self.perform(action);
                }
                self.show_progress();
            }
            // Written like any end; then the next: one bad file never blocks the others.
            Ok(Claim::Over(end)) => self.write_end(end),
            Ok(Claim::Nothing) => {
                self.nothing_to_do = true;
                self.transport.rest(Connection::Pooled);
                self.transport.rest(Connection::Fresh);
            }
            Err(e) => {
                warn!("the queue can't be read: {e}");
                self.later(Reason::Storage, e.to_string(), None);
            }
        }
    }

    async fn ended(&mut self, ended: Result<Item, End>) {
        match ended {
            Ok(item) => {
                self.between = false;
                self.refresh_view().await;
                self.tell(&item);
            }
            Err(end) => {
                self.unwritten = Some(end);
                self.later(Reason::Storage, String::new(), None);
            }
        }
    }

    fn feed(&mut self, event: upload::Event) {
        let now = self.clock.now();
        let Some(turn) = &mut self.turn else { return };
        for action in turn.upload.on(event, now) {
            self.perform(action);
        }
    }

    fn later(&mut self, reason: Reason, why: String, at_least: Option<Duration>) {
        let wait = self.jitter.spread(doubled(FIRST_RETRY, self.troubles, MAX_RETRY));
        self.troubles += 1;
        self.retry_at = Some(self.clock.now().boot + wait.max(at_least.unwrap_or_default()));
        self.view.send_modify(|v| v.trouble = Some((reason, why)));
    }

    fn clear_trouble(&mut self) {
        self.troubles = 0;
        self.view.send_if_modified(|v| v.trouble.take().is_some());
    }

    fn message(&mut self, message: ToQueue) {
        match message {
            ToQueue::Ping(reply) => drop(reply.send(())),
            ToQueue::Found(_) => self.nothing_to_do = false,
            ToQueue::NetworkUp => {
                self.retry_at = None;
                self.aside.clear();
            }
            ToQueue::Ask(Ask { command, reply }) => {
                let (room, settings) = (self.room.clone(), self.settings.borrow().clone());
                self.prepare(&command);
                let clock = self.clock.clone();
                self.running.push(Box::pin(async move {
                    let changes = !matches!(command, QueueCommand::List { .. });
                    let (answer, changed) = answer(&room, settings, &clock, command).await;
                    // Nobody waits any more: their bus connection went away.
                    let _ = reply.send(answer);
                    Done::Answered(changes.then_some(changed))
                }));
            }
        }
    }

    /// What a command means for the turn that is under way.
    fn prepare(&mut self, command: &QueueCommand) {
        match command {
            QueueCommand::Cancel(ids) => {
                self.stop_next |= self.between;
                if let Some(turn) = self.turn.as_ref().filter(|t| ids.contains(&t.item.id)) {
                    // A part that hangs must not keep the others waiting for its time-out.
                    let dropped = turn.dropped.clone();
                    self.feed(upload::Event::Stop);
                    dropped.cancel();
                }
            }
            QueueCommand::SetPaused(true) => {
                // No new turn before the wish is on disk and seen.
                self.nothing_to_do = true;
                self.stop_next |= self.between;
                self.feed(upload::Event::Stop);
            }
            QueueCommand::Retry(_) | QueueCommand::SetPaused(false) => {
                self.retry_at = None;
                self.aside.clear();
            }
            QueueCommand::Add { .. }
            | QueueCommand::List { .. }
            | QueueCommand::Release(_)
            | QueueCommand::SetPriority(..)
            | QueueCommand::Clear { .. }
            | QueueCommand::Receipt(_)
            | QueueCommand::SetRecording(_)
            | QueueCommand::SetBandwidthLimit(_) => {}
        }
    }

    async fn refresh_view(&mut self) {
        if let Some((counters, paused)) = self.room.queue_glance().await {
            let idle = self.turn.is_none() && !self.between;
            self.view.send_if_modified(|v| {
                let old = v.clone();
                (v.counters, v.paused) = (counters, paused);
                if counters.files_left == 0 {
                    v.trouble = None;
                }
                if idle {
                    v.current.clear();
                    v.rate = 0;
                }
                *v != old
            });
        }
    }

    /// Part `n` is confirmed and on disk.
    fn count_down(&mut self, n: u32) {
        let len = self.turn.as_ref().and_then(|t| t.upload.part(n)).map_or(0, |(_, _, len)| len);
        self.view.send_modify(|v| v.counters.bytes_left = v.counters.bytes_left.saturating_sub(len));
    }

    fn show_progress(&mut self) {
        let Some(turn) = &self.turn else { return };
        let in_flight: u64 = turn.parts.values().map(|p| p.sent.load(Relaxed)).sum();
        let size = turn.item.new.facts.size;
        let sent = (turn.item.sent + in_flight).min(size);
        let now = self.clock.now().boot;
        let elapsed = now.since(self.shown.0).as_secs_f64();
        let moved = sent.saturating_sub(self.shown.1);
        let rate = if elapsed > 0.05 { (moved as f64 / elapsed) as u64 } else { 0 };
        self.shown = (now, sent);
        let current = vec![Sending { id: turn.item.id, name: turn.item.new.name.clone(), size, sent }];
        self.view.send_if_modified(|v| {
            let changed = v.current != current || v.rate != rate;
            (v.current, v.rate) = (current, rate);
            changed
        });
    }

    fn tell(&self, item: &Item) {
        // Without listeners there is nobody to tell.
        let _ = self.news.send(ItemNews {
            id: item.id,
            state: item.state,
            reason: item.reason.clone(),
            name: item.new.name.clone(),
            size: item.new.facts.size,
            sent: item.sent,
        });
    }
}
