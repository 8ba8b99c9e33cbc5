//! How the bus and the tasks speak with each other: commands in, one snapshot out. Values only.
//!
//! # Decisions
//! - Every channel is bounded. A full one makes the caller on the bus wait, not the memory grow. So is what a task has
//!   taken out of its channel and not answered yet: beyond [`DEPTH`] it refuses by name. News and pings always pass.
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use rigpost_core::command::{
    AccessOptions, AddOptions, Added, Answers, Ended, ProofOptions, QueueCommand, Refusal, RigCommand,
};
use rigpost_core::delivery::keys::Keys;
use rigpost_core::identity::socket::SocketNews;
use rigpost_core::oauth::{AccessToken, Cause};
use rigpost_core::queue::item::{Item, ItemId, ItemState, Receipt};
use rigpost_core::seq::Seq;
use rigpost_core::time::BootTime;
use rigpost_core::view::{ItemNews, QueueView, RigView};

/// More commands that wait, or are under way, than any screen sends.
pub const DEPTH: usize = 64;

/// An open file that a caller has handed over, on its way.
///
/// Left on the way, it is closed by a thread of its own: some file systems ask their server when a file is closed.
#[derive(Debug)]
pub struct Descriptor(Option<OwnedFd>);

impl Descriptor {
    /// Whoever has it closes it.
    pub fn into_fd(mut self) -> Option<OwnedFd> {
        self.0.take()
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Descriptor {
        Descriptor(Some(fd))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if let Some(fd) = self.0.take() {
            drop(std::thread::Builder::new().name("close".to_owned()).spawn(move || drop(fd)));
        }
    }
}

/// The way back to whoever asked. Dropped without an answer where the daemon stops in the middle of it: whether it was
/// done is then not known.
pub type Reply<R> = oneshot::Sender<Result<R, Refusal>>;

/// To the rig: its identity and its tokens.
#[derive(Debug)]
pub enum ToRig {
    /// A person asks for something that is done or refused; `Some` where a grant was to end.
    Do(RigCommand, Reply<Option<Ended>>),
    /// A program needs an access token: the token, and when it runs out.
    Access(AccessOptions, Reply<(AccessToken, BootTime)>),
    /// A program needs a proof for the token in force.
    Prove(ProofOptions, Reply<String>),
    /// An API call with this token came back with the provider's own 401.
    Unauthorized(AccessToken),
    /// Somebody needs what comes with a renewal, and had this access token.
    Renew(AccessToken),
    /// An API call with this token was accepted.
    Accepted(AccessToken),
    /// An API call came to nothing.
    Unreached(Cause),
    /// The provider's `Date`, Unix seconds.
    ServerDate(i64),
    /// Clips are on their way to the cloud, or no more.
    Sends(bool),
    /// News of the socket of this number.
    Socket(Seq, SocketNews),
    /// A program on the bus has asked for something, and is still there.
    Watched,
    /// A network interface, address or route appeared: what waits for a better time is tried now.
    NetworkUp,
    /// Are you alive?
    Ping(oneshot::Sender<()>),
}

/// To the queue.
#[derive(Debug)]
pub enum ToQueue {
    /// A person asks for something that is done or refused; where that names items, with what came of each.
    Do(QueueCommand, Reply<Answers>),
    /// Accept files, all or none; the items, in the order of the paths.
    Add {
        /// Absolute.
        paths: Vec<PathBuf>,
        /// What else was said of them.
        options: AddOptions,
        /// What each came to, once that is on disk.
        reply: Reply<Vec<Added>>,
    },
    /// Accept an open file.
    AddFd {
        /// It.
        file: Descriptor,
        /// What else was said of it.
        options: AddOptions,
        /// What it came to, once that is on disk.
        reply: Reply<Added>,
    },
    /// A part of the list.
    List {
        /// Only these.
        state: Option<ItemState>,
        /// Only what comes after this one.
        after: Option<ItemId>,
        /// How many to skip.
        offset: u32,
        /// How many to give.
        limit: u32,
        /// As it is on disk.
        reply: Reply<Page>,
    },
    /// All there is to say about one item.
    Item(ItemId, Reply<ItemNow>),
    /// What was delivered.
    Receipt(ItemId, Reply<Receipt>),
    /// The key of a user of the storage that clips go to.
    StorageKey(Keys, Reply<()>),
    /// Take what is over off the list: these states (of `done`, `failed`, `cancelled`), and these items.
    Clear {
        /// Every item in one of these.
        states: Vec<ItemState>,
        /// These items; not what waits or is being sent.
        ids: Vec<ItemId>,
        /// How many that were, and what came of `ids`.
        reply: Reply<(u64, Answers)>,
    },
    /// A media source has put these into the queue.
    Found(Vec<ItemId>),
    /// A recording is in the cloud.
    Recorded(ItemId),
    /// A network interface, address or route appeared: what waits for a better time is tried now.
    NetworkUp,
    /// Are you alive?
    Ping(oneshot::Sender<()>),
}

/// To whoever sends recordings, from whoever watches the directories that they lie in.
#[derive(Debug)]
pub enum ToGrowing {
    /// Somebody was seen to write this file, in a source whose recordings are sent meanwhile.
    Opened(PathBuf),
    /// Somebody who wrote this file has closed it.
    Closed(PathBuf),
    /// It is finished, as far as can be seen.
    Over(PathBuf),
    /// It has another name.
    Moved(PathBuf, PathBuf),
}

/// A part of the list.
#[derive(Debug)]
pub struct Page {
    /// By number; as many as were asked for, or all that are left.
    pub items: Vec<Item>,
    /// How many there are in all.
    pub total: u64,
}

/// One item.
#[derive(Debug)]
pub struct ItemNow {
    /// As it is on disk.
    pub item: Item,
    /// Nothing is done with it before; `None` where it waits for no time.
    pub next_try: Option<BootTime>,
}

/// The bus's side.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Commands for the rig.
    pub to_rig: mpsc::Sender<ToRig>,
    /// Commands for the queue.
    pub to_queue: mpsc::Sender<ToQueue>,
    /// The last snapshot.
    pub rig_view: watch::Receiver<RigView>,
    /// The last snapshot.
    pub queue_view: watch::Receiver<QueueView>,
    /// Items that changed; a slow listener misses some and reads the list. Shared: the channel has room for hundreds.
    pub news: broadcast::Sender<Arc<ItemNews>>,
}

impl Handle {
    /// Asks the rig and waits for its answer, which is bounded by the machine itself.
    pub async fn ask_rig(&self, command: RigCommand) -> Result<(), Refusal> {
        answer(&self.to_rig, |reply| ToRig::Do(command, reply)).await.map(drop)
    }

    /// The same, with what the end of a grant came to.
    pub async fn end(&self, command: RigCommand) -> Result<Ended, Refusal> {
        let ended = answer(&self.to_rig, |reply| ToRig::Do(command, reply)).await?;
        ended.ok_or(Refusal::OutcomeUnknown)
    }

    /// The same for a local program that needs an access token: the token, and when it runs out.
    pub async fn access_token(&self, options: AccessOptions) -> Result<(AccessToken, BootTime), Refusal> {
        answer(&self.to_rig, |reply| ToRig::Access(options, reply)).await
    }

    /// A proof for a request of a program's, with the access token in force.
    pub async fn proof(&self, options: ProofOptions) -> Result<String, Refusal> {
        answer(&self.to_rig, |reply| ToRig::Prove(options, reply)).await
    }

    /// Tells the queue what to do and waits until it is done: what came of the items that it names. The queue waits for the
    /// disk only, here and below.
    pub async fn ask_queue(&self, command: QueueCommand) -> Result<Answers, Refusal> {
        answer(&self.to_queue, |reply| ToQueue::Do(command, reply)).await
    }

    /// Queues files, all or none: what each came to, in the order of the paths.
    pub async fn add(&self, paths: Vec<PathBuf>, options: AddOptions) -> Result<Vec<Added>, Refusal> {
        answer(&self.to_queue, |reply| ToQueue::Add { paths, options, reply }).await
    }

    /// Queues an open file: what it came to.
    pub async fn add_fd(&self, file: Descriptor, options: AddOptions) -> Result<Added, Refusal> {
        answer(&self.to_queue, |reply| ToQueue::AddFd { file, options, reply }).await
    }

    /// A part of the list.
    pub async fn list(
        &self,
        state: Option<ItemState>,
        after: Option<ItemId>,
        offset: u32,
        limit: u32,
    ) -> Result<Page, Refusal> {
        answer(&self.to_queue, |reply| ToQueue::List { state, after, offset, limit, reply }).await
    }

    /// All there is to say about one item.
    pub async fn item(&self, id: ItemId) -> Result<ItemNow, Refusal> {
        answer(&self.to_queue, |reply| ToQueue::Item(id, reply)).await
    }

    /// What was delivered.
    pub async fn receipt(&self, id: ItemId) -> Result<Receipt, Refusal> {
        answer(&self.to_queue, |reply| ToQueue::Receipt(id, reply)).await
    }

    /// Seals the key of a user of the storage that clips go to.
    pub async fn storage_key(&self, keys: Keys) -> Result<(), Refusal> {
        answer(&self.to_queue, |reply| ToQueue::StorageKey(keys, reply)).await
    }

    /// Takes what is over off the list: how many that were, and what came of `ids`.
    pub async fn clear(&self, states: Vec<ItemState>, ids: Vec<ItemId>) -> Result<(u64, Answers), Refusal> {
        answer(&self.to_queue, |reply| ToQueue::Clear { states, ids, reply }).await
    }
}

/// Asks a task and waits. A task ends only with the daemon, so one that hears nothing any more is one that is stopping.
pub async fn answer<M, R>(to: &mpsc::Sender<M>, ask: impl FnOnce(Reply<R>) -> M) -> Result<R, Refusal> {
    let (reply, answer) = oneshot::channel();
    to.send(ask(reply)).await.map_err(|_| Refusal::Stopping)?;
    answer.await.unwrap_or(Err(Refusal::OutcomeUnknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_was_not_asked_is_known_not_to_be_done() {
        let (to, inbox) = mpsc::channel::<Reply<()>>(1);
        drop(inbox);
        assert_eq!(answer(&to, |reply| reply).await, Err(Refusal::Stopping));
        let (to, mut inbox) = mpsc::channel::<Reply<u64>>(1);
        let task = async { drop(inbox.recv().await) };
        assert_eq!(tokio::join!(answer(&to, |reply| reply), task).0, Err(Refusal::OutcomeUnknown));
        let task = async { inbox.recv().await.map(|reply| reply.send(Ok(7))) };
        assert_eq!(tokio::join!(answer(&to, |reply| reply), task).0, Ok(7));
    }
}
