//! Sends recordings while they are written: performs what [`Growing`] wants for each, looks at their files, and has the
//! queue take over what can't go on.
//!
//! # Decisions
//! - A look each second at every recording, and none where there is none. What was there at the look before is taken for
//!   written: recorders write on behind what they have, and go back only to their headers, which are compared at the stop.
//! - Its directory's watch says when its recorder is done (as for every clip); its own container says so sooner, right after
//!   a writer's close. One that an earlier run has left, and whose writer nobody saw, is done when it is silent.
//! - The file is held open while it is written, which keeps no card from being removed that is not in use anyway, and costs
//!   the watch one opening that it knows to be ours. Later it is open only while something is done with it.
//! - Nothing is awaited within the loop, as in the uploads.
mod actions;
mod end;
mod entry;
mod in_hand;
mod looks;
mod when;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::Clock;
use crate::http::Transport;
use crate::link::{ToGrowing, ToQueue, ToRig};
use crate::media::{Growth, MediaFile, Pacer, ReadError, Workers};
use crate::store::{Recording, Store, StoreError};
use crate::tasks::comments::CommentsDue;
use crate::tasks::delivery::Deliverer;
use crate::tasks::deps::Deps;
use crate::tasks::lines::{Lines, slots};
use crate::tasks::uploads::UploadSettings;
use entry::{Compared, Entry};
use in_hand::Held;
use rigpost_core::command::Refusal;
use rigpost_core::provider::FrameIo;
use rigpost_core::queue::channel::Channel;
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::growing::Event;
use rigpost_core::queue::item::{Clip, Item, ItemId, ItemState};
use rigpost_core::queue::schedule::Access;
use rigpost_core::queue::upload::CreateError;
use rigpost_core::seq::Seq;
use rigpost_core::view::{ItemNews, QueueView};

pub use in_hand::{InHand, Recordings};

/// Recordings in hand at once; others go the usual way.
const MOST: usize = 16;
/// How often a recording is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How soon what could not be done with the disk is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The task's ends of the channels.
pub struct GrowingLinks {
    /// From whoever watches the directories.
    pub inbox: mpsc::Receiver<ToGrowing>,
    /// To whoever sends comments.
    pub comments: CommentsDue,
    /// Where the channels of sub-devices stand.
    pub sub_devices: watch::Receiver<Vec<Channel>>,
    /// To whoever shows the queue.
    pub queue: mpsc::Sender<ToQueue>,
    /// What calls to the provider have shown.
    pub to_rig: mpsc::Sender<ToRig>,
    /// What calls may carry.
    pub access: watch::Receiver<Option<Access>>,
    /// What people have said of the queue.
    pub view: watch::Receiver<QueueView>,
    /// Items that changed.
    pub news: broadcast::Receiver<Arc<ItemNews>>,
    /// Shared with the queue.
    pub lines: Lines,
    /// Shared with the queue.
    pub pacer: Pacer,
    /// For whoever watches the directories.
    pub in_hand: InHand,
    /// To the same: files that nobody has in hand any more, though they were finished.
    pub again: mpsc::Sender<PathBuf>,
}

/// Numbers recordings of this run.
type Key = u64;

/// What a future came back with.
enum Outcome {
    Left(Result<Vec<Recording>, StoreError>),
    /// For the machine.
    Event(Key, Event),
    /// There is an asset, or not; and the row, where that is new.
    Created(Key, Seq, Option<Box<Item>>, Result<String, CreateError>),
    /// A glance by its name, where it is not open; `None`: it is not there.
    Glanced(Key, Option<Sighting>),
    /// Its file is open, or not.
    Opened(Key, Result<Box<(Clip, MediaFile)>, Refusal>),
    Looked(Key, Result<(Growth, bool), ReadError>),
    /// By its container, it is all there.
    Whole(Key, u64),
    Compared(Key, Seq, Result<Box<Compared>, String>),
    /// It is a recording no more.
    TakenAway(Key),
    /// Its end is on disk.
    Ended(Key, Result<Box<Item>, StoreError>),
    Told,
}

/// Drives one [`rigpost_core::queue::growing::Growing`] for each recording. Everything it needs is given to it.
pub struct GrowingTask<T> {
    settings: watch::Receiver<UploadSettings>,
    cloud: Option<FrameIo>,
    transport: Arc<T>,
    store: Store,
    workers: Workers,
    clock: Clock,
    links: GrowingLinks,
    running: FuturesUnordered<BoxFuture<'static, Outcome>>,
    entries: BTreeMap<Key, Entry>,
    last: Key,
    /// What an earlier run has left was asked for, and is known.
    has_begun: bool,
    knows: bool,
}

impl<T: Transport> GrowingTask<T> {
    /// Nothing happens before [`GrowingTask::run`].
    pub fn new(
        deps: Deps<T>,
        workers: Workers,
        settings: watch::Receiver<UploadSettings>,
        links: GrowingLinks,
    ) -> GrowingTask<T> {
        let Deps { delivery, transport, store, clock, .. } = deps;
        GrowingTask {
            settings,
            cloud: delivery.as_ref().and_then(Deliverer::frameio).cloned(),
            transport,
            store,
            workers,
            clock,
            links,
            running: FuturesUnordered::new(),
            entries: BTreeMap::new(),
            last: 0,
            has_begun: false,
            knows: false,
        }
    }

    /// Runs until `stop`: parts in flight are let go, what is confirmed is on disk.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut queue = self.links.lines.of_queue();
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(outcome) = self.running.next() => self.outcome(outcome),
                Some(message) = self.links.inbox.recv() => self.message(message),
                changed = self.links.access.changed() => {
                    if changed.is_err() { return }
                    self.access_changed();
                }
                changed = self.links.view.changed(), if !self.entries.is_empty() => {
                    if changed.is_err() { return }
                    self.look_around();
                }
                Ok(()) = queue.changed(), if !self.entries.is_empty() => self.look_around(),
                news = self.links.news.recv(), if !self.entries.is_empty() => self.heard(news),
                () = self.clock.sleep_until_some(deadline) => self.tick(),
            }
        }
    }

    /// With the first access the addresses that were kept can be opened.
    fn access_changed(&mut self) {
        let is_there = self.links.access.borrow_and_update().is_some();
        if is_there && !std::mem::replace(&mut self.has_begun, true) {
            self.read_what_was_left();
        }
        // Another project may have been paired: then they are held.
        self.ask_again();
        self.look_around();
    }

    fn read_what_was_left(&mut self) {
        let store = self.store.clone();
        self.running.push(Box::pin(async move { Outcome::Left(store.recordings().await) }));
    }

    fn left(&mut self, recordings: Result<Vec<Recording>, StoreError>) {
        match recordings {
            Ok(recordings) => {
                self.knows = true;
                let now = self.clock.now().boot;
                let is_in_hand = |id| self.entries.values().any(|entry| entry.id() == Some(id));
                let news: Vec<_> = recordings.into_iter().filter(|r| !is_in_hand(r.item.id)).collect();
                news.into_iter().for_each(|recording| self.add(Entry::left_by(recording, now)));
            }
            Err(e) => {
                warn!("recordings that an earlier run has left can't be read: {e}");
                let (store, clock) = (self.store.clone(), self.clock.clone());
                self.running.push(Box::pin(async move {
                    clock.sleep_until(clock.now().boot + AGAIN).await;
                    Outcome::Left(store.recordings().await)
                }));
            }
        }
    }

    fn add(&mut self, entry: Entry) {
        if self.entries.is_empty() {
            // What was said while there was nothing to hear it for.
            self.links.news = self.links.news.resubscribe();
        }
        self.last += 1;
        let begun = entry.item.is_some();
        self.links.in_hand.set(&entry.path, Held { begun, open: false });
        self.entries.insert(self.last, entry);
        self.look_around();
    }

    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            entry.dropped.cancel();
            self.links.in_hand.forget(&entry.path);
        }
        self.share_lines();
    }

    fn find(&self, path: &Path) -> Option<Key> {
        self.entries.iter().find(|(_, entry)| entry.path == path).map(|(key, _)| *key)
    }

    /// Keeps what others know of it true.
    fn show(&self, key: Key) {
        if let Some(entry) = self.entries.get(&key) {
            let held = Held { begun: entry.item.is_some() || entry.creating, open: entry.file.is_some() };
            self.links.in_hand.set(&entry.path, held);
        }
    }

    fn message(&mut self, message: ToGrowing) {
        match message {
            ToGrowing::Opened(path) => match self.find(&path) {
                Some(key) => self.with(key, |entry| {
                    (entry.is_watched, entry.closed, entry.was_closed) = (true, false, false)
                }),
                None if self.entries.len() < MOST && self.knows => {
                    self.add(Entry::seen(path, self.clock.now().boot));
                    self.tick();
                }
                None => {}
            },
            ToGrowing::Closed(path) => {
                if let Some(key) = self.find(&path) {
                    self.with(key, |entry| (entry.closed, entry.was_closed) = (true, true));
                    self.look(key);
                }
            }
            ToGrowing::Over(path) => {
                if let Some(key) = self.find(&path) {
                    self.recorder_is_done(key);
                }
            }
            ToGrowing::Moved(from, to) => self.moved(&from, to),
        }
    }

    fn moved(&mut self, from: &Path, to: PathBuf) {
        let Some(key) = self.find(from) else { return };
        self.links.in_hand.forget(from);
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.path = to;
        if entry.item.is_none() && !entry.creating {
            // It is queued by its name of now.
            (entry.clip, entry.file, entry.growth) = (None, None, None);
        }
        let (id, seen) = (entry.id(), entry.sighting());
        self.show(key);
        if let Some(id) = id {
            let store = self.store.clone();
            self.running.push(Box::pin(async move {
                if let Err(e) = store.recording_is_at(id, &seen).await {
                    warn!(item = id.0, "the new name of a recording can't be written: {e}");
                }
                Outcome::Told
            }));
            self.tell_queue(id);
        }
    }

    /// Somebody took it off, or holds it.
    fn heard(&mut self, news: Result<Arc<ItemNews>, broadcast::error::RecvError>) {
        match news {
            Ok(news) if news.state != ItemState::Recording => {
                let ours =
                    self.entries.iter().find(|(_, entry)| entry.id() == Some(news.id) && !entry.ending);
                if let Some(key) = ours.map(|(key, _)| *key) {
                    self.remove(key);
                }
            }
            Ok(_) => {}
            Err(_) => self.ask_again(),
        }
    }

    /// Which of them are recordings still.
    fn ask_again(&mut self) {
        for (key, entry) in &self.entries {
            let (Some(id), key, store) = (entry.id(), *key, self.store.clone()) else { continue };
            self.running.push(Box::pin(async move {
                match store.recording_now(id).await {
                    Ok(None) => Outcome::TakenAway(key),
                    Ok(Some(_)) | Err(_) => Outcome::Told,
                }
            }));
        }
    }

    fn with(&mut self, key: Key, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(&key) {
            change(entry);
        }
    }

    /// Access, wishes and lines as they are now.
    fn look_around(&mut self) {
        for key in self.entries.keys().copied().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get(&key) else { continue };
            let may = self.may(entry);
            if may && entry.file.is_none() && entry.item.is_some() {
                // First its file: the next tick opens it.
                continue;
            }
            self.event(key, Event::May(may));
        }
    }

    /// Whether anything may be asked for and sent for it.
    fn may(&self, entry: &Entry) -> bool {
        let view = self.links.view.borrow();
        if view.paused || view.recording || !self.store.usable() || self.cloud.is_none() {
            return false;
        }
        let access = self.links.access.borrow();
        let Some(access) = access.as_ref() else { return false };
        // What was begun before the pause in the project is seen through (contract §4.5).
        let begun = !entry.machine.asset_id().is_empty();
        let project = entry.item.as_ref().and_then(|item| item.clip.project_id.as_deref());
        (begun || !access.paused) && project.is_none_or(|project| project == access.project_id)
    }

    fn slots(&self) -> usize {
        slots(self.settings.borrow().parallel_parts, self.transport.congestion()).count
    }

    fn share_lines(&self) {
        let in_flight = self.entries.values().map(|entry| entry.machine.in_flight()).sum();
        self.links.lines.recordings_have(in_flight);
        self.links.lines.want(self.entries.values().any(Entry::wants_a_line), self.slots());
        self.links.lines.are_under_way(self.entries.values().filter(|entry| entry.is_under_way()).count());
    }

    /// Every event finds the machine with the lines of now.
    fn event(&mut self, key: Key, event: Event) {
        let in_flight: usize = self.entries.values().map(|entry| entry.machine.in_flight()).sum();
        let free = self.links.lines.for_recordings(self.slots()).saturating_sub(in_flight);
        let now = self.clock.now().boot;
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.left.is_none()) else { return };
        if let Event::May(may) = event {
            entry.may = may;
        }
        let mut actions = entry.machine.on(Event::Slots(entry.machine.in_flight() + free), now);
        actions.extend(entry.machine.on(event, now));
        for action in actions {
            self.perform(key, action);
        }
        self.share_lines();
        self.let_go(key);
    }

    /// Nothing is done with a file whose recorder is done.
    fn let_go(&mut self, key: Key) {
        self.with(key, |entry| {
            let is_over = entry.machine.finished() || entry.left.is_some();
            let waits = !entry.may || entry.machine.deadline().is_some() || is_over;
            let writes = entry.over.is_none() && entry.left.is_none();
            if waits && !writes && entry.machine.in_flight() == 0 && !entry.looking && !entry.ending {
                entry.file = None;
            }
        });
        self.show(key);
    }

    /// Its row has changed.
    fn tell_queue(&mut self, id: ItemId) {
        self.tell(ToQueue::Found(vec![id]));
    }

    fn tell(&mut self, news: ToQueue) {
        let queue = self.links.queue.clone();
        self.running.push(Box::pin(async move {
            // Where nobody listens any more the daemon is stopping.
            let _ = queue.send(news).await;
            Outcome::Told
        }));
    }

    fn outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Left(recordings) => self.left(recordings),
            Outcome::Event(key, event) => self.answered(key, event),
            Outcome::Created(key, seq, item, answer) => self.created(key, seq, item, answer),
            Outcome::Glanced(key, seen) => self.glanced(key, seen),
            Outcome::Opened(key, opened) => self.opened(key, opened),
            Outcome::Looked(key, growth) => self.looked(key, growth),
            Outcome::Whole(key, size) => self.is_whole(key, size),
            Outcome::Compared(key, seq, compared) => self.compared(key, seq, compared),
            Outcome::TakenAway(key) => self.remove(key),
            Outcome::Ended(key, ended) => self.ended(key, ended),
            Outcome::Told => {}
        }
    }
}
