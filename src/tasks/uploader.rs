//! Carries the queue to the cloud: answers people's questions about it, and drives one [`Upload`] after another.
//!
//! # Decisions
//! - Trouble on the way pauses the whole queue with a growing delay: the next clip would meet the same trouble. A clip
//!   that is itself the trouble is failed with its reason, and the next one has its turn.
//! - A token that the provider refused is not used again; the turn waits for the keeper's next one.
use crate::{
    clock::Clock,
    domain::{
        backoff::{Jitter, doubled},
        command::{QueueAnswer, QueueCommand, Refusal},
        item::{Item, ItemId, ItemState, shown},
        oauth::{AccessToken, Cause},
        time::BootTime,
        upload::{self, Action, AssetRequest, Ending, PartError, Upload},
        view::{ItemNews, QueueView, Reason, Sending},
    },
    http::Transport,
    link::{Access, Ask, ToKeeper, ToQueue},
    media::{PartBody, PartWatch, open_beneath},
    provider::{Provider, wire::trouble},
    store::StoreError,
    tasks::{
        Strongroom,
        strongroom::{door, refusal},
    },
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{
    collections::BTreeMap,
    fs::File,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

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
enum Done {
    Claimed(Result<Claim, Refusal>),
    Machine(upload::Event),
    PartSent(u32, Result<String, PartError>),
    Ended(Option<ItemNews>),
    Answered(bool),
}

/// The next item.
enum Claim {
    Turn(Box<Turn>),
    /// Its file was not what was queued, so it was failed.
    Failed(ItemNews),
    Nothing,
}

/// One item that has its turn.
struct Turn {
    item: Item,
    upload: Upload,
    actions: Vec<Action>,
    file: Arc<File>,
    parts: BTreeMap<u32, Arc<PartWatch>>,
    /// Lets go of the parts in flight: nobody wants them any more.
    dropped: CancellationToken,
}

/// The task.
pub struct Uploader<T> {
    settings: UploaderSettings,
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
    claiming: bool,
    /// Nothing was left to claim at the last look.
    nothing_to_do: bool,
    refused: Option<AccessToken>,
    retry_at: Option<BootTime>,
    troubles: u32,
    jitter: Jitter,
    shown: (BootTime, u64),
}

impl<T: Transport> Uploader<T> {
    /// Nothing happens before [`Uploader::run`].
    #[expect(clippy::too_many_arguments, reason = "the wiring of one task, done in one place")]
    pub fn new(
        settings: UploaderSettings,
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
            claiming: false,
            nothing_to_do: false,
            refused: None,
            retry_at: None,
            troubles: 0,
            jitter: Jitter::new(seed),
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
            let deadline = if self.turn.is_some() { Some(self.shown.0 + SHOW_EVERY) } else { self.retry_at };
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
    }

    fn tick(&mut self) {
        if self.turn.is_some() {
            self.show_progress();
        } else {
            self.retry_at = None;
        }
    }

    /// Begins the next turn, if there is one and nothing stands in its way.
    fn take_turn(&mut self) {
        let paused = self.view.borrow().paused;
        if self.turn.is_some() || self.claiming || self.nothing_to_do || paused || self.retry_at.is_some() {
            return;
        }
        let Some(access) = self.access.borrow().clone() else { return };
        if self.refused.as_ref() == Some(&access.token) || !self.room.usable() {
            return;
        }
        self.claiming = true;
        let (room, dirs, clock) = (self.room.clone(), self.settings.media_dirs.clone(), self.clock.clone());
        let parallel = self.settings.parallel_parts;
        self.running
            .push(Box::pin(async move { Done::Claimed(claim(&room, access, dirs, parallel, &clock).await) }));
    }

    async fn done(&mut self, done: Done) {
        match done {
            Done::Claimed(answer) => self.claimed(answer).await,
            Done::Machine(event) => self.feed(event),
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
            Done::Ended(news) => {
                self.claiming = false;
                self.refresh_view().await;
                self.tell(news);
            }
            Done::Answered(changed) => {
                if changed {
                    self.nothing_to_do = false;
                    self.refresh_view().await;
                }
            }
        }
    }

    async fn claimed(&mut self, answer: Result<Claim, Refusal>) {
        self.claiming = false;
        match answer {
            Ok(Claim::Turn(mut turn)) => {
                info!(item = turn.item.id.0, file = %shown(&turn.item.new.path), "sending");
                self.tell(Some(news(&turn.item)));
                self.shown = (self.clock.now().boot, turn.item.sent);
                let actions = std::mem::take(&mut turn.actions);
                self.turn = Some(*turn);
                for action in actions {
                    self.perform(action);
                }
                self.show_progress();
            }
            // Look again at once: one bad file never blocks the others.
            Ok(Claim::Failed(news)) => {
                self.refresh_view().await;
                self.tell(Some(news));
            }
            Ok(Claim::Nothing) => {
                self.nothing_to_do = true;
                self.transport.rest();
            }
            Err(e) => {
                warn!("the queue can't be read: {e}");
                self.later(Reason::Storage, e.to_string(), None);
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

    fn perform(&mut self, action: Action) {
        let Some(turn) = &mut self.turn else { return };
        let (room, id) = (self.room.clone(), turn.item.id);
        match action {
            Action::Create(seq) => {
                let Some(access) = self.access.borrow().clone() else {
                    return self
                        .feed_later(upload::Event::Created(seq, Err(upload::CreateError::Unauthorized)));
                };
                let offset = self.clock.now().age_of(turn.item.new.created).unwrap_or_default();
                let wanted = AssetRequest {
                    name: turn.item.new.name.clone(),
                    filetype: turn.item.new.filetype.clone(),
                    size: turn.item.new.facts.size,
                    offset,
                };
                let request = self.provider.create_asset_request(&access.token, &wanted);
                let (transport, provider, keeper) =
                    (self.transport.clone(), self.provider.clone(), self.keeper.clone());
                self.running.push(Box::pin(async move {
                    let answer = transport.send(request).await;
                    if let Some(date) = answer.as_ref().ok().and_then(|r| r.date) {
                        let _ = keeper.try_send(ToKeeper::ServerDate(date));
                    }
                    let answer =
                        answer.map_err(upload::CreateError::Transient).and_then(|r| provider.read_asset(&r));
                    if answer.is_ok() {
                        let _ = keeper.try_send(ToKeeper::Accepted(access.token));
                    }
                    Done::Machine(upload::Event::Created(seq, answer))
                }));
            }
            Action::Record(seq, asset) => {
                turn.item.sent = 0;
                turn.item.asset_id.clone_from(&asset.id);
                self.running.push(Box::pin(async move {
                    let ok = logged(room.save_asset(id, asset).await);
                    Done::Machine(upload::Event::Recorded(seq, ok))
                }));
            }
            Action::Forget(seq) => self.running.push(Box::pin(async move {
                let ok = logged(room.drop_asset(id).await);
                Done::Machine(upload::Event::Recorded(seq, ok))
            })),
            Action::Send(n) => self.send(n),
            Action::RecordPart(n, etag) => {
                let bytes = turn.upload.part(n).map_or(0, |(_, _, len)| len);
                let asset_id = turn.item.asset_id.clone();
                self.running.push(Box::pin(async move {
                    let ok = logged(room.finish_part(id, &asset_id, n, &etag, bytes).await);
                    Done::Machine(upload::Event::PartRecorded(n, ok))
                }));
            }
            Action::Finish(ending) => self.finish(ending),
        }
    }

    fn feed_later(&mut self, event: upload::Event) {
        self.running.push(Box::pin(async move { Done::Machine(event) }));
    }

    fn send(&mut self, n: u32) {
        let Some(turn) = &mut self.turn else { return };
        let Some((url, from, len)) = turn.upload.part(n) else { return };
        let watch = Arc::new(PartWatch::default());
        turn.parts.insert(n, watch.clone());
        let body = PartBody::new(turn.file.clone(), from, len, watch.clone());
        let headers = self.provider.part_headers(&turn.item.new.filetype);
        let (transport, provider, url) = (self.transport.clone(), self.provider.clone(), url.clone());
        let dropped = turn.dropped.clone();
        self.running.push(Box::pin(async move {
            let sent = dropped.run_until_cancelled(transport.put(&url, headers, len, body)).await;
            let sent = sent.unwrap_or_else(|| Err(trouble(Cause::Network, "cancelled", None)));
            let answer = match sent {
                Ok(r) => provider.read_part(&r).map(|()| r.etag),
                Err(_) if watch.broken.load(Relaxed) => {
                    Err(PartError::File("changed", "the file became shorter or can't be read".to_owned()))
                }
                Err(t) => Err(PartError::Transient(t)),
            };
            Done::PartSent(n, answer)
        }));
    }

    fn finish(&mut self, ending: Ending) {
        let Some(turn) = self.turn.take() else { return };
        let (room, item, dirs) = (self.room.clone(), turn.item, self.settings.media_dirs.clone());
        let id = item.id;
        let file = shown(&item.new.path);
        // No next turn before this one's end is on disk.
        self.claiming = true;
        match ending {
            Ending::Done => {
                self.clear_trouble();
                self.running.push(Box::pin(async move { Done::Ended(finish_done(&room, item, dirs).await) }));
            }
            Ending::Failed(word, why) => {
                warn!(item = id.0, reason = word, file, "not sent: {why}");
                self.running.push(Box::pin(async move {
                    Done::Ended(ended(room.finish(id, ItemState::Failed, word, &why).await))
                }));
            }
            Ending::Later(reason, why, wait) => {
                warn!(item = id.0, reason = reason.as_str(), file, "will be tried again: {why}");
                self.later(reason, why.clone(), wait);
                self.requeue(id, reason.as_str(), why);
            }
            Ending::Unauthorized => {
                if let Some(access) = self.access.borrow().clone() {
                    self.refused = Some(access.token.clone());
                    let _ = self.keeper.try_send(ToKeeper::Unauthorized(access.token));
                }
                self.requeue(id, "none", String::new());
            }
            Ending::Stopped => self.requeue(id, "none", String::new()),
        }
    }

    fn requeue(&mut self, id: ItemId, reason: &'static str, why: String) {
        let room = self.room.clone();
        self.running.push(Box::pin(async move {
            Done::Ended(ended(room.finish(id, ItemState::Queued, reason, &why).await))
        }));
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
            ToQueue::Ask(Ask { command, reply }) => {
                let (room, settings) = (self.room.clone(), self.settings.clone());
                self.prepare(&command);
                let project = self.access.borrow().as_ref().map(|a| a.project_id.clone());
                let clock = self.clock.clone();
                self.running.push(Box::pin(async move {
                    let changes = !matches!(command, QueueCommand::List { .. });
                    let answer = answer(&room, settings, project, &clock, command).await;
                    let changed = changes && answer.is_ok();
                    // Nobody waits any more: their bus connection went away.
                    let _ = reply.send(answer);
                    Done::Answered(changed)
                }));
            }
        }
    }

    /// What a command means for the turn that is under way.
    fn prepare(&mut self, command: &QueueCommand) {
        match command {
            QueueCommand::Cancel(ids) => {
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
                self.feed(upload::Event::Stop);
            }
            QueueCommand::Retry(_) | QueueCommand::SetPaused(false) => self.retry_at = None,
            QueueCommand::Add { .. } | QueueCommand::List { .. } => {}
        }
    }

    async fn refresh_view(&mut self) {
        if let Some((counters, paused)) = self.room.queue_glance().await {
            let idle = self.turn.is_none();
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

    fn tell(&self, news: Option<ItemNews>) {
        // Without listeners there is nobody to tell.
        let _ = news.map(|n| self.news.send(n));
    }
}

/// Takes the next item of the project and opens its file; items whose file is not what was queued are failed here.
async fn claim(
    room: &Strongroom,
    access: Access,
    dirs: Vec<PathBuf>,
    parallel: usize,
    clock: &Clock,
) -> Result<Claim, Refusal> {
    let Some(item) = room.claim(&access.project_id, &[]).await.map_err(refusal)? else {
        return Ok(Claim::Nothing);
    };
    let path = item.new.path.clone();
    let opened = tokio::task::spawn_blocking(move || open_beneath(&dirs, &path)).await;
    let problem = match opened {
        Ok(Ok((file, facts)))
            if facts.size == item.new.facts.size && facts.mtime_ns == item.new.facts.mtime_ns =>
        {
            let asset = room.asset_of(item.id).await.map_err(refusal)?;
            let (upload, actions) = Upload::begin(item.id, facts.size, asset, parallel, clock.now());
            let (parts, dropped) = (BTreeMap::new(), CancellationToken::new());
            let turn = Turn { item, upload, actions, file: Arc::new(file), parts, dropped };
            return Ok(Claim::Turn(Box::new(turn)));
        }
        Ok(Ok(_)) => {
            ("changed", "the file is not the one that was queued: its size or time changed".to_owned())
        }
        Ok(Err(Refusal::NotFound(_))) => ("vanished", "the file is not there any more".to_owned()),
        Ok(Err(why)) => ("unreadable", why.to_string()),
        Err(e) => ("unreadable", e.to_string()),
    };
    warn!(item = item.id.0, reason = problem.0, file = %shown(&item.new.path), "not sent: {}", problem.1);
    let item = room.finish(item.id, ItemState::Failed, problem.0, &problem.1).await.map_err(refusal)?;
    Ok(Claim::Failed(news(&item)))
}

/// The last look before an item counts as sent: the bytes that left are those that were queued.
async fn finish_done(room: &Strongroom, item: Item, dirs: Vec<PathBuf>) -> Option<ItemNews> {
    let path = item.new.path.clone();
    let seen = tokio::task::spawn_blocking(move || open_beneath(&dirs, &path)).await;
    let changed = matches!(&seen, Ok(Ok((_, f))) if f.size != item.new.facts.size || f.mtime_ns != item.new.facts.mtime_ns);
    let (state, reason, why) = if changed {
        (ItemState::Failed, "changed", "the file changed while it was being sent")
    } else {
        (ItemState::Done, "none", "")
    };
    let item = room.finish(item.id, state, reason, why).await;
    if let Ok(item) = &item {
        info!(item = item.id.0, asset_id = item.asset_id, file = %shown(&item.new.path), "{}", item.state.as_str());
    }
    ended(item)
}

async fn answer(
    room: &Strongroom,
    settings: UploaderSettings,
    project: Option<String>,
    clock: &Clock,
    command: QueueCommand,
) -> Result<QueueAnswer, Refusal> {
    match command {
        QueueCommand::Add { paths, priority, name } => {
            let now = clock.now();
            let items = tokio::task::spawn_blocking(move || {
                let door = |p| door(&settings.media_dirs, p, priority, name.clone(), project.clone(), now);
                paths.into_iter().map(door).collect::<Result<Vec<_>, _>>()
            });
            let items = items.await.map_err(|_| Refusal::Stopping)??;
            let ids = room.add(items, settings.max_items).await.map_err(refusal)?;
            Ok(QueueAnswer::Ids(ids))
        }
        QueueCommand::List { state, offset, limit } => {
            let (items, total) = room.list(state, offset, limit).await.map_err(refusal)?;
            Ok(QueueAnswer::Page(items, total))
        }
        QueueCommand::Cancel(ids) => room.cancel(&ids).await.map(|()| QueueAnswer::Done).map_err(refusal),
        QueueCommand::Retry(ids) => room.retry(&ids).await.map(|()| QueueAnswer::Done).map_err(refusal),
        QueueCommand::SetPaused(paused) => {
            room.set_paused(paused).await.map(|()| QueueAnswer::Done).map_err(refusal)
        }
    }
}

fn ended(item: Result<Item, StoreError>) -> Option<ItemNews> {
    match item {
        Ok(item) => Some(news(&item)),
        Err(e) => {
            warn!("the queue can't be written: {e}");
            None
        }
    }
}

fn news(item: &Item) -> ItemNews {
    ItemNews {
        id: item.id,
        state: item.state,
        reason: item.reason.clone(),
        name: item.new.name.clone(),
        size: item.new.facts.size,
        sent: item.sent,
    }
}

fn logged(outcome: Result<(), StoreError>) -> bool {
    if let Err(e) = &outcome {
        warn!("the queue can't be written: {e}");
    }
    outcome.is_ok()
}
