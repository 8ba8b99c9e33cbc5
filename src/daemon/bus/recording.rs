//! Holds while a camera records: each belongs to the connection of a caller, and ends with it at the latest.
//!
//! # Decisions
//! - A hold is not a pause: a camera program that crashes while it records must not leave the rig silent for good, and a
//!   person's pause must not end because a camera stops. So this one is tied to a connection and survives nothing.
//! - One task owns the holders: the queue hears of the first and of the last in the order in which they came.
//! - Departures are listened to only while there is a hold: an idle rig is not woken by every program that leaves the bus.
//! - A caller that left while its call was waiting is found out by asking the bus after the listening has begun.
//! - The listening has a task of its own that waits for nothing else: what nobody takes off the connection holds back all
//!   that comes behind it, the bus's own answers too.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;
use zbus::message::Type;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream};

use crate::link::{self, Handle, Reply};
use rigpost_core::command::{QueueCommand, Refusal};

/// More cameras than one board serves.
const MAX_HOLDERS: usize = 32;

/// A caller begins or ends its hold, and the way back.
#[derive(Debug)]
pub struct HoldRequest {
    who: OwnedUniqueName,
    hold: bool,
    reply: Reply<()>,
}

/// The interface's side.
#[derive(Clone, Debug)]
pub struct Holds(mpsc::Sender<HoldRequest>);

/// Both ends.
pub fn channel() -> (Holds, mpsc::Receiver<HoldRequest>) {
    let (requests, inbox) = mpsc::channel(link::DEPTH);
    (Holds(requests), inbox)
}

impl Holds {
    /// Begins or ends the hold of this caller. Both may be repeated.
    pub async fn set(&self, who: OwnedUniqueName, hold: bool) -> Result<(), Refusal> {
        link::answer(&self.0, |reply| HoldRequest { who, hold, reply }).await
    }
}

/// Who holds, and the sign that one of them has left.
#[derive(Debug, Default)]
struct Holders {
    names: Mutex<BTreeSet<OwnedUniqueName>>,
    left: Notify,
}

impl Holders {
    fn names(&self) -> MutexGuard<'_, BTreeSet<OwnedUniqueName>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the holders as long as anybody asks.
pub async fn run(connection: &Connection, handle: &Handle, mut requests: mpsc::Receiver<HoldRequest>) {
    let holders = Arc::new(Holders::default());
    let mut departures: Option<AbortOnDropHandle<()>> = None;
    // What the queue was told last.
    let mut told = false;
    loop {
        let (mut reply, mut before) = (None, None);
        tokio::select! {
            request = requests.recv() => {
                let Some(HoldRequest { who, hold, reply: to }) = request else { return };
                reply = Some(to);
                if !hold {
                    holders.names().remove(&who);
                } else if let Err(refusal) = begin(connection, &holders, &mut departures, &who).await {
                    answer(reply.take(), Err(refusal));
                } else {
                    before = Some(who);
                }
            }
            () = holders.left.notified() => {}
        }
        let hold = !holders.names().is_empty();
        let outcome = if hold == told {
            Ok(())
        } else {
            handle.ask_queue(QueueCommand::SetRecording(hold)).await.map(drop)
        };
        if outcome.is_ok() {
            told = hold;
        }
        // A hold that the queue does not know of is none.
        if let (Err(_), Some(who)) = (&outcome, before) {
            holders.names().remove(&who);
        }
        answer(reply, outcome);
        if holders.names().is_empty() {
            departures = None;
        }
    }
}

/// Makes the caller a holder, unless it has left.
async fn begin(
    connection: &Connection,
    holders: &Arc<Holders>,
    departures: &mut Option<AbortOnDropHandle<()>>,
    who: &OwnedUniqueName,
) -> Result<(), Refusal> {
    let silent = |e: zbus::Error| Refusal::NotAllowed(format!("the bus does not say who leaves it: {e}"));
    if holders.names().len() >= MAX_HOLDERS && !holders.names().contains(who) {
        return Err(Refusal::LimitsExceeded(format!("at most {MAX_HOLDERS} connections may hold at once")));
    }
    if departures.is_none() {
        let stream = listen(connection).await.map_err(silent)?;
        *departures = Some(AbortOnDropHandle::new(tokio::spawn(departed(stream, holders.clone()))));
    }
    // Before it is asked: a departure from now on takes it out again.
    let new = holders.names().insert(who.clone());
    let here = is_here(connection, who).await;
    if new && !matches!(here, Ok(true)) {
        holders.names().remove(who);
    }
    here.map(|_| ()).map_err(silent)
}

/// Takes out who leaves.
async fn departed(mut stream: MessageStream, holders: Arc<Holders>) {
    while let Some(message) = stream.next().await {
        if let Some(name) = name_of(message)
            && holders.names().remove(&name)
        {
            holders.left.notify_one();
        }
    }
}

fn name_of(departure: zbus::Result<Message>) -> Option<OwnedUniqueName> {
    let (name, _, _): (String, String, String) = departure.ok()?.body().deserialize().ok()?;
    OwnedUniqueName::try_from(name).ok()
}

fn answer(reply: Option<Reply<()>>, outcome: Result<(), Refusal>) {
    if let Some(reply) = reply {
        // The caller may have left.
        let _ = reply.send(outcome);
    }
}

/// Names that end from now on.
async fn listen(connection: &Connection) -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(2, "")
        .build()?;
    MessageStream::for_match_rule(rule, connection, None).await
}

async fn is_here(connection: &Connection, who: &OwnedUniqueName) -> zbus::Result<bool> {
    // By hand: a proxy would bring forty kilobytes of code for a cache of properties that nobody reads.
    let (bus, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
    let answer = connection.call_method(Some(bus), path, Some(bus), "NameHasOwner", who).await?;
    answer.body().deserialize()
}
