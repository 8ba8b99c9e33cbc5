//! What the task holds.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::link::{Reply, ToQueue, ToRig};
use crate::media::{Kept, MediaFile, Pacer, PartWatch, Workers};
use crate::store::{Limits, QueueSummary, Store, StoreError};
use crate::tasks::comments::CommentsDue;
use crate::tasks::delivery::Deliverer;
use crate::tasks::intake::Intake;
use crate::tasks::lines::Lines;
use rigpost_core::command::Refusal;
use rigpost_core::queue::channel::Channel;
use rigpost_core::queue::item::{Item, ItemId};
use rigpost_core::queue::schedule::{Access, Claimed, Event, Intent, Options, Schedule, Written};
use rigpost_core::queue::upload::{Confirmed, PartError};
use rigpost_core::time::BootTime;
use rigpost_core::view::{ItemNews, QueueView};

/// From the configuration.
#[derive(Clone, Debug)]
pub struct UploadSettings {
    /// Who may come in, and what a file must be to be sent.
    pub intake: Arc<Intake>,
    /// Items that are not sent yet, at most: all of them, and those of one user.
    pub limits: Limits,
    /// Parts in flight at once; `None`: nobody has set a limit.
    pub parallel_parts: Option<usize>,
}

/// The task's ends of the channels.
pub struct Channels {
    /// People, sources and the network.
    pub inbox: mpsc::Receiver<ToQueue>,
    /// What calls to the provider have shown.
    pub to_rig: mpsc::Sender<ToRig>,
    /// What calls may carry.
    pub access: watch::Receiver<Option<Access>>,
    /// Media sources that are not there; nobody sends where there are none.
    pub missing_sources: watch::Receiver<Vec<String>>,
    /// The snapshot.
    pub view: watch::Sender<QueueView>,
    /// Shared with what is sent while it is recorded.
    pub lines: Lines,
    /// To whoever sends comments.
    pub comments: CommentsDue,
    /// Where the channels of sub-devices stand.
    pub sub_devices: watch::Receiver<Vec<Channel>>,
    /// Items that changed.
    pub news: broadcast::Sender<Arc<ItemNews>>,
}

/// What a future came back with.
pub(super) enum Outcome {
    /// Nothing that anybody else has to see.
    Event(Event),
    Claimed(Result<Option<Box<Opened>>, String>),
    /// An asset was given up, or there was none; and how many orphans there are more.
    Dropped(Event, u64),
    PartSent(ItemId, u32, Result<Confirmed, PartError>),
    PartRecorded(ItemId, u32, bool),
    /// And the item as it is now, if it still is one.
    Written(ItemId, Written, Option<Box<Item>>),
    /// What was asked, where that changes the queue, items that changed, and the answer.
    Answered(Option<Intent>, Vec<Item>, Option<Answer>),
    /// The queue was read, or can't be.
    Read(Result<QueueSummary, StoreError>),
    /// These were away, and wait again.
    CameBack(Vec<ItemId>),
    /// What is to be given up was tried, once; or nobody answered.
    GaveUp {
        unheard: bool,
    },
    /// Somebody was told something.
    Told,
}

/// Drives the [`Schedule`]. Everything it needs is given to it.
pub struct UploadTask<T> {
    pub(super) schedule: Schedule,
    /// As the machine knows them.
    pub(super) options: Options,
    /// As the last reload left them.
    pub(super) settings: watch::Receiver<UploadSettings>,
    /// Where clips go; `None`: this provider takes none.
    pub(super) cloud: Option<Deliverer<T>>,
    pub(super) transport: Arc<T>,
    pub(super) store: Store,
    /// Who touches clips.
    pub(super) workers: Workers,
    /// Clips that were handed over open.
    pub(super) kept: Kept,
    pub(super) clock: Clock,
    pub(super) channels: Channels,
    pub(super) running: FuturesUnordered<BoxFuture<'static, Outcome>>,
    /// Commands among what is running.
    pub(super) commands: usize,
    /// The files of those that have their turn, and their parts in flight.
    pub(super) media: BTreeMap<ItemId, Media>,
    /// Shared by all parts.
    pub(super) pacer: Pacer,
    pub(super) progress: Progress,
    pub(super) publications: Publications,
    /// The rig's task knows that clips are on their way.
    pub(super) told_sends: bool,
    /// The storage is being told of uploads that it need not keep.
    pub(super) giving_up: bool,
    /// It is told again then.
    pub(super) give_up_at: Option<BootTime>,
    /// So often in a row nobody answered.
    pub(super) gave_up_in_vain: u32,
}

/// An item that was claimed, and its file where that could be opened.
pub(super) struct Opened {
    pub(super) claimed: Claimed,
    pub(super) file: Option<Arc<MediaFile>>,
    /// What lies at its path instead, and is new.
    pub(super) beside: Option<ItemId>,
}

/// An answer, and whom to give it.
pub(super) struct Answer(pub(super) Box<dyn FnOnce() + Send>);

impl Answer {
    pub(super) fn new<R: Send + 'static>(to: Reply<R>, answer: Result<R, Refusal>) -> Answer {
        Answer(Box::new(move || {
            // Nobody waits any more: their bus connection went away.
            let _ = to.send(answer);
        }))
    }

    pub(super) fn send(self) {
        (self.0)();
    }
}

/// What one turn sends from.
pub(super) struct Media {
    pub(super) file: Arc<MediaFile>,
    pub(super) parts: BTreeMap<u32, OnTheWay>,
    /// Lets go of what is in flight: nobody wants it any more.
    pub(super) dropped: CancellationToken,
}

pub(super) struct OnTheWay {
    pub(super) watch: Arc<PartWatch>,
    /// Bytes of it that were shown.
    pub(super) shown: u64,
}

impl Media {
    pub(super) fn new(file: Arc<MediaFile>) -> Media {
        Media { file, parts: BTreeMap::new(), dropped: CancellationToken::new() }
    }

    pub(super) fn let_go(&self) {
        self.dropped.cancel();
    }

    /// Bytes of unfinished parts that have left.
    pub(super) fn on_the_way(&self) -> u64 {
        self.parts.values().map(|p| p.watch.sent.load(Relaxed)).sum()
    }

    /// Bytes that left since this was last asked.
    pub(super) fn moved(&mut self) -> u64 {
        let step = |p: &mut OnTheWay| {
            let sent = p.watch.sent.load(Relaxed);
            sent.saturating_sub(std::mem::replace(&mut p.shown, sent))
        };
        self.parts.values_mut().map(step).sum()
    }
}

/// Bytes that moved since the last look.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) since: BootTime,
    /// Of parts that have ended since.
    pub(super) moved: u64,
}

impl Progress {
    /// Nothing was sent since the connections were closed.
    pub(super) fn at_rest(&self) -> bool {
        self.since == BootTime::default()
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.moved += bytes;
    }
}

/// Something to be said.
pub(super) enum Publication {
    Answer(Answer),
    News(Box<Item>),
}

/// What waits for the snapshot.
#[derive(Default)]
pub(super) struct Publications {
    /// The next reading of the queue will show it.
    pub(super) next: Vec<Publication>,
    /// The reading that is under way will.
    pub(super) now: Vec<Publication>,
    /// The queue was read once, or could not be.
    pub(super) begun: bool,
    /// The last reading has failed, and the journal says so.
    pub(super) unread: bool,
}

impl Publications {
    pub(super) fn answer(&mut self, answer: Answer) {
        self.next.push(Publication::Answer(answer));
    }

    pub(super) fn news(&mut self, item: Item) {
        self.next.push(Publication::News(Box::new(item)));
    }

    /// A reading begins: it shows whatever has happened by now.
    pub(super) fn reading(&mut self) {
        self.now.append(&mut self.next);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next.is_empty() && self.now.is_empty()
    }
}

/// Whether it is on disk; the journal says why not.
pub(super) fn logged<V>(outcome: Result<V, StoreError>) -> bool {
    match &outcome {
        Ok(_) => {}
        // Somebody has taken it away meanwhile.
        Err(e @ StoreError::NotFound(_)) => debug!("not written down any more: {e}"),
        Err(e) => warn!("the queue can't be written: {e}"),
    }
    outcome.is_ok()
}
