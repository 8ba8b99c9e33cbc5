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
use tokio::sync::mpsc;
use zbus::message::Type;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, MessageStream};

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

/// Keeps the holders until the bus refuses.
pub async fn run(
    connection: &Connection,
    handle: &Handle,
    mut requests: mpsc::Receiver<HoldRequest>,
) -> zbus::Result<()> {
    let mut holders = BTreeSet::new();
    let mut departures: Option<MessageStream> = None;
    // What the queue was told last.
    let mut told = false;
    loop {
        let mut reply = None;
        let before: Option<OwnedUniqueName> = tokio::select! {
            request = requests.recv() => {
                let Some(request) = request else { return Ok(()) };
                reply = Some(request.reply);
                if !request.hold {
                    holders.remove(&request.who);
                } else if holders.len() >= MAX_HOLDERS && !holders.contains(&request.who) {
                    let many = format!("at most {MAX_HOLDERS} connections may hold at once");
                    answer(reply.take(), Err(Refusal::LimitsExceeded(many)));
                } else {
                    if departures.is_none() {
                        departures = Some(listen(connection).await?);
                    }
                    if is_here(connection, &request.who).await? {
                        holders.insert(request.who.clone());
                    }
                }
                request.hold.then_some(request.who)
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
                let told_now = handle.ask_queue(QueueCommand::SetRecording(hold)).await;
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
