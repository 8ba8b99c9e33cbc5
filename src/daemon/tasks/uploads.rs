//! Carries the queue to the cloud: performs what the [`Schedule`] wants and tells it what came of it, and publishes what
//! people may see. It has no opinion of its own.
//!
//! # Decisions
//! - Nothing is awaited within the loop: what goes to the disk, to the cloud or to a card is a future among
//!   [`UploadTask::running`], and comes back as an [`Outcome`]. A slow disk makes nobody wait who does not need it.
//! - What people and programs are told waits until the snapshot shows it ([`publish`]).
mod assets;
mod away;
mod claims;
mod commands;
mod ends;
mod parts;
mod progress;
mod publish;
mod state;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::http::Transport;
use crate::link::{DEPTH, ToQueue, ToRig};
use crate::media::{Kept, Pacer, Workers};
use crate::store::StoreError;
use crate::tasks::delivery::Deliverer;
use crate::tasks::deps::{Deps, too_many};
use crate::tasks::lines::slots;
use crate::watch::Mounts;
use rigpost_core::backoff::doubled;
use rigpost_core::command::Refusal;
use rigpost_core::provider::wire::Connection;
use rigpost_core::queue::handed::known_as;
use rigpost_core::queue::item::{ItemId, ItemState, shown};
use rigpost_core::queue::order::Slots;
use rigpost_core::queue::promises::Promises;
use rigpost_core::queue::schedule::{Action, Event, Options, Postponed, Schedule};
use rigpost_core::queue::upload::Confirmed;
use rigpost_core::view::QueueView;
use state::{Outcome, Progress, Publications, logged};

pub use state::{Channels, UploadSettings, UploadTask};

/// For an answer that is under way when the daemon stops.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// What nobody heard is said again after this, and then after twice as long each time, up to an hour.
const GIVE_UP_FIRST: Duration = Duration::from_secs(60);
const GIVE_UP_MOST: Duration = Duration::from_secs(3600);

impl<T: Transport> UploadTask<T> {
    /// Nothing happens before [`UploadTask::run`].
    pub fn new(
        deps: Deps<T>,
        workers: Workers,
        kept: Kept,
        settings: watch::Receiver<UploadSettings>,
        channels: Channels,
        pacer: Pacer,
        seed: u64,
    ) -> UploadTask<T> {
        let Deps { delivery: cloud, transport, store, clock, .. } = deps;
        let slots = Slots { count: 1, limit: true };
        let promises = cloud.as_ref().map_or(Promises::FRAMEIO, Deliverer::promises);
        let options = Options { slots, settle: Duration::ZERO, usable: false, promises };
        UploadTask {
            schedule: Schedule::new(options, seed),
            options,
            settings,
            cloud,
            transport,
            store,
            workers,
            kept,
            pacer,
            clock,
            channels,
            running: FuturesUnordered::new(),
            commands: 0,
            media: BTreeMap::new(),
            progress: Progress::default(),
            publications: Publications::default(),
            told_sends: false,
            giving_up: false,
            give_up_at: None,
            gave_up_in_vain: 0,
        }
    }

    /// Runs until `stop`: parts in flight are let go, what is finished is on disk.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut silent = self.workers.silent();
        let mut mounts = Mounts::new(self.media_dirs()).ok();
        let [mut wanted, mut taken, mut under_way] = self.channels.lines.of_recordings();
        self.event(Event::Started);
        self.look_for_away();
        loop {
            let deadlines = [self.schedule.deadline(), self.progress_due(), self.give_up_at];
            let deadline = deadlines.into_iter().flatten().min();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.wind_up().await,
                Some(outcome) = self.running.next() => self.outcome(outcome),
                Some(message) = self.channels.inbox.recv() => self.message(message),
                changed = self.channels.access.changed() => {
                    if changed.is_err() { return }
                    self.look_around(true);
                }
                changed = silent.changed() => {
                    if changed.is_err() { return }
                    self.event(Event::CardsChanged);
                }
                Ok(()) = self.channels.missing_sources.changed() => self.publish(),
                Ok(()) = wanted.changed() => self.event(Event::Timer),
                Ok(()) = taken.changed() => self.event(Event::Timer),
                Ok(()) = under_way.changed() => self.publish(),
                Ok(()) = self.channels.sub_devices.changed() => self.event(Event::CardsChanged),
                () = away::mounted(&mut mounts) => self.look_for_away(),
                () = self.clock.sleep_until_some(deadline) => self.tick(),
            }
        }
    }

    /// Lets go of what is in flight, and hears out what the cloud was asked for: or it would be asked for twice.
    async fn wind_up(&mut self) {
        self.channels.inbox.close();
        while let Ok(message) = self.channels.inbox.try_recv() {
            commands::refuse(message, &Refusal::Stopping);
        }
        self.event(Event::Stop);
        let patience = self.clock.now().boot + LAST_WORDS;
        while self.schedule.busy() || self.commands > 0 || !self.publications.is_empty() {
            tokio::select! {
                biased;
                Some(outcome) = self.running.next() => self.outcome(outcome),
                () = self.clock.sleep_until(patience) => return,
            }
        }
    }

    /// Every event finds the machine with the options and the access of now.
    fn event(&mut self, event: Event) {
        self.look_around(false);
        self.step(event);
    }

    fn look_around(&mut self, access_changed: bool) {
        let options = self.options_now();
        if self.options != options {
            self.options = options;
            self.step(Event::Options(options));
        }
        if access_changed || self.channels.access.has_changed().unwrap_or(false) {
            let access = self.channels.access.borrow_and_update().clone();
            let is_there = access.is_some();
            self.step(Event::Access(access));
            if is_there {
                self.give_up();
            }
        }
    }

    fn step(&mut self, event: Event) {
        for action in self.schedule.on(event, self.clock.now()) {
            self.perform(action);
        }
        self.media.retain(|id, _| self.schedule.reads(*id));
        self.channels.lines.queue_has(self.schedule.turns().map(|turn| turn.upload.in_flight()).sum());
        self.publish();
        if self.schedule.at_rest() && !self.progress.at_rest() {
            // What only sending needs, when there will be none for a while.
            self.progress = Progress::default();
            self.transport.rest(Connection::Pooled);
            self.transport.rest(Connection::Fresh);
        }
    }

    fn options_now(&self) -> Options {
        let settings = self.settings.borrow();
        let slots = slots(settings.parallel_parts, self.transport.congestion());
        let slots = Slots { count: self.channels.lines.for_queue(slots.count), ..slots };
        Options { slots, settle: settings.intake.settle, usable: self.store.usable(), ..self.options }
    }

    fn media_dirs(&self) -> Vec<PathBuf> {
        self.settings.borrow().intake.media_dirs.clone()
    }

    fn tick(&mut self) {
        let now = self.clock.now().boot;
        if self.progress_due().is_some_and(|at| now >= at) {
            self.show_progress();
        }
        if self.give_up_at.take_if(|at| now >= *at).is_some() {
            self.give_up();
        }
        self.event(Event::Timer);
    }

    fn message(&mut self, message: ToQueue) {
        if self.commands >= DEPTH && commands::is_command(&message) {
            return commands::refuse(message, &too_many());
        }
        match message {
            ToQueue::Ping(reply) => {
                // Pings come often enough for options that nobody tells us of.
                self.look_around(false);
                // Whoever asked has gone meanwhile.
                let _ = reply.send(());
            }
            ToQueue::Found(ids) => self.found(ids),
            ToQueue::Recorded(id) => {
                self.channels.view.send_modify(QueueView::sent);
                self.found(vec![id]);
            }
            ToQueue::NetworkUp => self.event(Event::NetworkUp),
            ToQueue::Do(command, reply) => self.command(command, reply),
            ToQueue::Add { paths, options, reply } => self.add(paths, options, reply),
            ToQueue::AddFd { file, options, reply } => self.add_fd(file, options, reply),
            ToQueue::List { state, after, offset, limit, reply } => {
                self.list(state, after, offset, limit, reply);
            }
            ToQueue::Item(id, reply) => self.item(id, reply),
            ToQueue::Receipt(id, reply) => self.receipt(id, reply),
            ToQueue::StorageKey(keys, reply) => self.storage_key(keys, reply),
            ToQueue::Clear { states, ids, reply } => self.clear(states, ids, reply),
        }
    }

    fn outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Event(event) => {
                let recorded = if let Event::Recorded(id, _, true) = event { Some(id) } else { None };
                if recorded.is_some() {
                    self.channels.comments.tell();
                }
                self.event(event);
                if let Some(id) = recorded {
                    self.give_up_strays(id);
                }
            }
            Outcome::Claimed(answer) => self.claimed(answer),
            Outcome::Dropped(event, orphans) => {
                self.channels.view.send_modify(|v| v.orphans += orphans);
                self.event(event);
                self.give_up();
            }
            Outcome::PartSent(id, n, answer) => {
                self.part_over(id, n);
                self.event(Event::PartSent(id, n, answer));
            }
            Outcome::PartRecorded(id, n, ok) => {
                if ok {
                    self.count_down(id, n);
                }
                self.event(Event::PartRecorded(id, n, ok));
            }
            Outcome::Written(id, written, item) => {
                if let Some(item) = item {
                    if item.state == ItemState::Done {
                        self.channels.view.send_modify(QueueView::sent);
                    }
                    self.publications.news(*item);
                }
                self.event(Event::Written(id, written));
                // What it was sent as before may be over.
                self.give_up();
            }
            Outcome::Answered(intent, changed, answer) => self.answered(intent, changed, answer),
            Outcome::Read(queue_summary) => self.show_queue(queue_summary),
            Outcome::CameBack(ids) if ids.is_empty() => {}
            Outcome::CameBack(ids) => self.found(ids),
            Outcome::GaveUp { unheard } => {
                self.giving_up = false;
                let wait = doubled(GIVE_UP_FIRST, self.gave_up_in_vain, GIVE_UP_MOST);
                self.give_up_at = unheard.then(|| self.clock.now().boot + wait);
                self.gave_up_in_vain = if unheard { self.gave_up_in_vain.saturating_add(1) } else { 0 };
            }
            Outcome::Told => {}
        }
    }

    fn perform(&mut self, action: Action) {
        let store = self.store.clone();
        if let Some((id, part, what)) = step(&action) {
            debug!(item = id.0, part, "{what}");
        }
        match action {
            Action::Resume => self.disk(async move { store.resume_uploading().await }, Event::Resumed),
            Action::Claim { project, above, but, resume } => self.claim(project, above, but, resume),
            Action::Began(id) => self.began(id),
            Action::Create { id, seq, at, token } => self.create(id, seq, at, token),
            Action::Record(id, seq, asset) => {
                let upload = self.cloud.as_ref().and_then(|cloud| cloud.upload(&asset.urls));
                let save = assets::save(store, id, asset, upload);
                self.disk(save, move |ok| Event::Recorded(id, seq, ok));
            }
            Action::Forget(id, seq) => self.forget(id, seq),
            Action::Rewind(id, seq, n) => self.rewind(id, seq, n),
            Action::Complete { id, seq, .. } => self.complete(id, seq),
            Action::Send { id, n, md5 } => self.send(id, n, md5),
            Action::RecordPart { id, asset_id, n, bytes, confirmed } => {
                self.running.push(Box::pin(async move {
                    let Confirmed { etag, digest } = confirmed;
                    let recorded = store.finish_part(id, &asset_id, n, &etag, bytes, digest).await;
                    Outcome::PartRecorded(id, n, logged(recorded))
                }))
            }
            Action::Cut(id) => {
                if let Some(media) = self.media.get(&id) {
                    media.let_go();
                }
            }
            Action::Compare(id, other) => self.compare(id, other),
            Action::SendAsItIs(id) => {
                self.disk(async move { store.send_as_it_is(id).await }, move |ok| Event::AsItIs(id, ok));
            }
            Action::LookAgain(item) => self.look_again(*item),
            Action::WriteEnd(end) => self.write_end(end),
            Action::Postponed(postponed) => log_postponed(&postponed),
            Action::ReportRefused(token) => {
                let to_rig = self.channels.to_rig.clone();
                self.running.push(Box::pin(async move {
                    // The rig's task ends only with the daemon.
                    let _ = to_rig.send(ToRig::Unauthorized(token)).await;
                    Outcome::Told
                }));
            }
            Action::Read => {
                self.publications.reading();
                self.running.push(Box::pin(async move { Outcome::Read(store.queue_summary().await) }));
            }
        }
    }

    fn disk<V>(
        &mut self,
        write: impl Future<Output = Result<V, StoreError>> + Send + 'static,
        event: impl FnOnce(bool) -> Event + Send + 'static,
    ) {
        self.running.push(Box::pin(async move { Outcome::Event(event(logged(write.await))) }));
    }

    fn began(&mut self, id: ItemId) {
        if let Some(turn) = self.schedule.turn(id) {
            info!(item = id.0, file = %shown(&known_as(&turn.item.clip.path)), "sending");
            self.tell(&turn.item);
        }
        self.show_progress();
    }
}

/// What is done for an item, for whoever looks closely.
fn step(action: &Action) -> Option<(ItemId, Option<u32>, &'static str)> {
    match action {
        Action::Create { id, .. } => Some((*id, None, "begins an upload")),
        Action::Record(id, ..) => Some((*id, None, "writes down the upload")),
        Action::Forget(id, _) => Some((*id, None, "writes down that the upload is of no use")),
        Action::Rewind(id, _, n) => Some((*id, Some(*n), "writes down what the storage has lost")),
        Action::Send { id, n, .. } => Some((*id, Some(*n), "sends a part")),
        Action::RecordPart { id, n, .. } => Some((*id, Some(*n), "writes down that a part is there")),
        Action::Complete { id, .. } => Some((*id, None, "completes the upload")),
        Action::LookAgain(item) => Some((item.id, None, "looks at the file again")),
        Action::WriteEnd(end) => Some((end.id, None, "writes down the end")),
        Action::Resume
        | Action::Claim { .. }
        | Action::Compare(..)
        | Action::SendAsItIs(_)
        | Action::Began(_)
        | Action::Cut(_)
        | Action::Postponed(_)
        | Action::ReportRefused(_)
        | Action::Read => None,
    }
}

fn log_postponed(postponed: &Postponed) {
    let Postponed { id, path, reason, why, alone } = postponed;
    let (file, reason) = (shown(&known_as(path)), reason.as_str());
    if *alone {
        warn!(item = id.0, reason, file, "put aside, others go on: {why}");
    } else {
        warn!(item = id.0, reason, file, "will be tried again: {why}");
    }
}
