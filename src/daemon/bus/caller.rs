//! Who calls: the user behind a connection of the bus.
//!
//! # Decisions
//! - The bus is asked once for each connection: it never gives a unique name twice while it runs, and a connection keeps
//!   its user. What is remembered is bounded; the oldest is forgotten first and asked for again.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use zbus::Connection;
use zbus::message::Header;
use zbus::names::{OwnedUniqueName, UniqueName};

use rigpost_core::command::Refusal;

/// More programs than ever speak to a rig at the same time.
const REMEMBERED: usize = 64;

/// The users of the last callers.
#[derive(Clone, Debug, Default)]
pub struct Callers(Arc<Mutex<VecDeque<(OwnedUniqueName, u32)>>>);

impl Callers {
    /// The user who made this call. Fails when the caller has left the bus: then nobody can say who it was.
    pub async fn uid(&self, header: &Header<'_>, connection: &Connection) -> Result<u32, Refusal> {
        let sender = header.sender().ok_or_else(gone)?;
        if let Some(uid) = self.known(sender) {
            return Ok(uid);
        }
        let uid = ask(connection, "GetConnectionUnixUser", sender).await.ok_or_else(gone)?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.truncate(REMEMBERED - 1);
        last.push_front((sender.to_owned().into(), uid));
        Ok(uid)
    }

    /// The user and the process, for the journal.
    pub async fn uid_and_pid(
        &self,
        header: &Header<'_>,
        connection: &Connection,
    ) -> Result<(u32, u32), Refusal> {
        let uid = self.uid(header, connection).await?;
        let sender = header.sender().ok_or_else(gone)?;
        let pid = ask(connection, "GetConnectionUnixProcessID", sender).await.ok_or_else(gone)?;
        Ok((uid, pid))
    }

    fn known(&self, sender: &UniqueName<'_>) -> Option<u32> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().find(|(name, _)| **name == *sender).map(|(_, uid)| *uid)
    }
}

fn gone() -> Refusal {
    Refusal::NotAllowed("the caller left the bus before the answer".to_owned())
}

/// A number that the bus knows of a connection. By hand: a proxy would bring forty kilobytes of code for a cache of
/// properties that nobody reads.
async fn ask(connection: &Connection, question: &str, of: &UniqueName<'_>) -> Option<u32> {
    let (bus, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
    let answer = connection.call_method(Some(bus), path, Some(bus), question, of).await;
    answer.and_then(|reply| reply.body().deserialize::<u32>()).ok()
}
