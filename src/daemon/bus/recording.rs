//! Holds while a camera records: each belongs to the connection of a caller, and ends with it at the latest.
//!
//! # Decisions
//! - A hold is not a pause: a camera program that crashes while it records must not leave the rig silent for good, and a
//!   person's pause must not end because a camera stops. So this one is tied to a connection and survives nothing.
//! - One task owns the holders: the queue hears of the first and of the last in the order in which they came.
//! - Departures are listened to only while there is a hold: an idle rig is not woken by every program that leaves the bus.
//! - A caller that left while its call was waiting is found out by asking the bus after the listening has begun.
use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use tokio::sync::{mpsc, oneshot};
use zbus::message::Type;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, MessageStream};

use crate::link::Desk;
use rigpost_core::command::{QueueCommand, Refusal};

/// More cameras than one board serves.
const MAX_HOLDERS: usize = 32;

/// A caller's wish, and the way back.
#[derive(Debug)]
pub struct Wish {
    who: OwnedUniqueName,
    hold: bool,
    reply: oneshot::Sender<Result<(), Refusal>>,
}

/// The interface's side.
#[derive(Clone, Debug)]
pub struct Holds(mpsc::Sender<Wish>);

/// Both ends.
pub fn channel() -> (Holds, mpsc::Receiver<Wish>) {
    let (wishes, inbox) = mpsc::channel(crate::link::DEPTH);
    (Holds(wishes), inbox)
}

impl Holds {
    /// Begins or ends the hold of this caller. Both may be repeated.
    pub async fn set(&self, who: OwnedUniqueName, hold: bool) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Wish { who, hold, reply }).await.map_err(|_| Refusal::Stopping)?;
        answer.await.unwrap_or(Err(Refusal::Stopping))
    }
}

/// Keeps the holders until the bus refuses.
pub async fn run(connection: &Connection, desk: &Desk, mut wishes: mpsc::Receiver<Wish>) -> zbus::Result<()> {
    let mut holders = BTreeSet::new();
    let mut departures: Option<MessageStream> = None;
    // What the queue was told last.
    let mut told = false;
    loop {
        let mut reply = None;
        let before: Option<OwnedUniqueName> = tokio::select! {
            wish = wishes.recv() => {
                let Some(wish) = wish else { return Ok(()) };
                reply = Some(wish.reply);
                if !wish.hold {
                    holders.remove(&wish.who);
                } else if holders.len() >= MAX_HOLDERS && !holders.contains(&wish.who) {
                    let many = format!("at most {MAX_HOLDERS} connections may hold at once");
                    answer(reply.take(), Err(Refusal::LimitsExceeded(many)));
                } else {
                    if departures.is_none() {
                        departures = Some(listen(connection).await?);
                    }
                    if is_here(connection, &wish.who).await? {
                        holders.insert(wish.who.clone());
                    }
                }
                wish.hold.then_some(wish.who)
            }
            gone = next(&mut departures) => {
                if let Some(name) = gone {
                    holders.remove(&name);
                }
                None
            }
        };
        let outcome = match !holders.is_empty() {
            hold if hold == told => Ok(()),
            hold => {
                let told_now = desk.ask_queue(QueueCommand::SetRecording(hold)).await.map(drop);
                told = if told_now.is_ok() { hold } else { told };
                told_now
            }
        };
        // A hold that the queue does not know of is none.
        if let (Err(_), Some(who)) = (&outcome, before) {
            holders.remove(&who);
        }
        answer(reply, outcome);
        if holders.is_empty() {
            departures = None;
        }
    }
}

fn answer(reply: Option<oneshot::Sender<Result<(), Refusal>>>, outcome: Result<(), Refusal>) {
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

/// The next connection that ended; never, while nobody listens.
async fn next(departures: &mut Option<MessageStream>) -> Option<OwnedUniqueName> {
    let Some(stream) = departures else { return std::future::pending().await };
    let Some(message) = stream.next().await else { return std::future::pending().await };
    let (name, _, _): (String, String, String) = message.ok()?.body().deserialize().ok()?;
    OwnedUniqueName::try_from(name).ok()
}

async fn is_here(connection: &Connection, who: &OwnedUniqueName) -> zbus::Result<bool> {
    // By hand: a proxy would bring forty kilobytes of code for a cache of properties that nobody reads.
    let (bus, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
    let answer = connection.call_method(Some(bus), path, Some(bus), "NameHasOwner", who).await?;
    answer.body().deserialize()
}
