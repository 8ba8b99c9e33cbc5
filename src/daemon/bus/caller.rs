//! Who calls: the user behind a connection of the bus.
//!
//! # Decisions
//! - The bus is asked once for each connection: it never gives a unique name twice while it runs, and a connection keeps
//!   its user. What is remembered is bounded; the oldest is forgotten first and asked for again.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Serialize, Serializer};
use zbus::message::Header;
use zbus::names::{OwnedUniqueName, UniqueName};
use zbus::wire::DynamicType;
use zbus::{Connection, Message, Signature};

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

/// A number that the bus knows of a connection.
async fn ask(connection: &Connection, question: &str, of: &UniqueName<'_>) -> Option<u32> {
    let (bus, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
    answer(connection, [bus, path, bus, question], Of::Connection(of)).await?.body().deserialize().ok()
}

/// Who is asked about.
pub enum Of<'a> {
    /// The bus.
    Connection(&'a UniqueName<'a>),
    /// systemd.
    Process(u32),
}

impl DynamicType for Of<'_> {
    fn signature(&self) -> Signature {
        match self {
            Of::Connection(_) => Signature::Str,
            Of::Process(_) => Signature::U32,
        }
    }
}

impl Serialize for Of<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Of::Connection(name) => serializer.serialize_str(name),
            Of::Process(pid) => serializer.serialize_u32(*pid),
        }
    }
}

/// Calls a method of a service: its name, the path, the interface, the method. By hand: a proxy would bring forty kilobytes
/// of code for a cache of properties that nobody reads, and a call with arguments of each kind four for each.
pub async fn answer(
    connection: &Connection,
    [service, path, interface, method]: [&str; 4],
    of: Of<'_>,
) -> Option<Message> {
    connection.call_method(Some(service), path, Some(interface), method, &of).await.ok()
}
