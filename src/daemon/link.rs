//! How the bus and the tasks speak with each other: commands in, one snapshot out. Values only.
//!
//! # Decisions
//! - Every channel is bounded. A full one makes the caller on the bus wait, not the memory grow.
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use rigpost_core::command::{AccessOptions, QueueAnswer, QueueCommand, Refusal, RigCommand};
use rigpost_core::identity::oauth::{AccessToken, Cause};
use rigpost_core::queue::item::ItemId;
use rigpost_core::time::BootTime;
use rigpost_core::view::{ItemNews, QueueView, RigView};

/// More waiting commands than any screen sends.
pub const DEPTH: usize = 64;

/// The way back to whoever asked. Dropped without an answer when the daemon stops; what was asked may have been done.
pub type Reply<R> = oneshot::Sender<Result<R, Refusal>>;

/// A command and the way back.
#[derive(Debug)]
pub struct Ask<C, R> {
    /// What is asked.
    pub command: C,
    /// The way back.
    pub reply: Reply<R>,
}

/// To the keeper of identity and tokens.
#[derive(Debug)]
pub enum ToKeeper {
    /// A person asks.
    Ask(RigCommand, Reply<()>),
    /// A program needs an access token: the token, and when it runs out.
    Access(AccessOptions, Reply<(AccessToken, BootTime)>),
    /// An API call with this token came back with the provider's own 401.
    Unauthorized(AccessToken),
    /// An API call with this token was accepted.
    Accepted(AccessToken),
    /// An API call came to nothing.
    Unreached(Cause),
    /// The provider's `Date`, Unix seconds.
    ServerDate(i64),
    /// A network interface, address or route appeared: what waits for a better time is tried now.
    NetworkUp,
    /// Are you alive?
    Ping(oneshot::Sender<()>),
}

/// To the queue.
#[derive(Debug)]
pub enum ToQueue {
    /// A person asks.
    Ask(Ask<QueueCommand, QueueAnswer>),
    /// A media source has put these into the queue.
    Found(Vec<ItemId>),
    /// A network interface, address or route appeared: what waits for a better time is tried now.
    NetworkUp,
    /// Are you alive?
    Ping(oneshot::Sender<()>),
}

/// The bus's side.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Commands for the keeper.
    pub keeper: mpsc::Sender<ToKeeper>,
    /// Commands for the queue.
    pub queue: mpsc::Sender<ToQueue>,
    /// The last snapshot.
    pub rig: watch::Receiver<RigView>,
    /// The last snapshot.
    pub queue_view: watch::Receiver<QueueView>,
    /// Items that changed; a slow listener misses some and reads the list. Shared: the channel has room for hundreds.
    pub news: broadcast::Sender<Arc<ItemNews>>,
}

impl Desk {
    /// Asks the rig and waits for its answer, which is bounded by the machine itself.
    pub async fn ask_rig(&self, command: RigCommand) -> Result<(), Refusal> {
        self.answer_of_rig(|reply| ToKeeper::Ask(command, reply)).await
    }

    /// The same for a local program that needs an access token: the token, and when it runs out.
    pub async fn access_token(&self, options: AccessOptions) -> Result<(AccessToken, BootTime), Refusal> {
        self.answer_of_rig(|reply| ToKeeper::Access(options, reply)).await
    }

    async fn answer_of_rig<R>(&self, ask: impl FnOnce(Reply<R>) -> ToKeeper) -> Result<R, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.keeper.send(ask(reply)).await.map_err(|_| Refusal::Stopping)?;
        answer.await.unwrap_or(Err(Refusal::Stopping))
    }

    /// Asks the queue, which waits for the disk only.
    pub async fn ask_queue(&self, command: QueueCommand) -> Result<QueueAnswer, Refusal> {
        let (reply, answer) = oneshot::channel();
        let ask = ToQueue::Ask(Ask { command, reply });
        self.queue.send(ask).await.map_err(|_| Refusal::Stopping)?;
        answer.await.unwrap_or(Err(Refusal::Stopping))
    }
}
