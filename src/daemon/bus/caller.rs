//! Who calls: the user behind a connection of the bus.
//!
//! # Decisions
//! - The bus is asked once for each connection: it never gives a unique name twice while it runs, and a connection keeps
//!   the user, the groups and the process that it was made with. What is remembered is bounded; the oldest is forgotten
//!   first and asked for again.
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Serialize, Serializer};
use zbus::message::Header;
use zbus::names::{OwnedUniqueName, UniqueName};
use zbus::wire::DynamicType;
use zbus::{Connection, Message, Signature};

use crate::bus::credentials::{self, Credentials};
use rigpost_core::command::Refusal;
use rigpost_core::queue::rights::User;

/// More programs than ever speak to a rig at the same time.
const REMEMBERED: usize = 64;

/// What the bus knows of a connection.
#[derive(Clone, Debug)]
struct Caller {
    user: User,
    pid: Option<u32>,
}

/// The last callers.
#[derive(Clone, Debug, Default)]
pub struct Callers(Arc<Mutex<VecDeque<(OwnedUniqueName, Caller)>>>);

impl Callers {
    /// The user who made this call. Fails when the caller has left the bus: then nobody can say who it was.
    pub async fn uid(&self, header: &Header<'_>, connection: &Connection) -> Result<u32, Refusal> {
        Ok(self.caller(header, connection).await?.user.uid)
    }

    /// The user with all groups, for what depends on rights.
    pub async fn user(&self, header: &Header<'_>, connection: &Connection) -> Result<User, Refusal> {
        Ok(self.caller(header, connection).await?.user)
    }

    /// The user and the process, for the journal.
    pub async fn uid_and_pid(
        &self,
        header: &Header<'_>,
        connection: &Connection,
    ) -> Result<(u32, u32), Refusal> {
        let Caller { user, pid } = self.caller(header, connection).await?;
        Ok((user.uid, pid.ok_or_else(gone)?))
    }

    /// For the journal, as far as it is known.
    pub async fn whoever(&self, header: &Header<'_>, connection: &Connection) -> (Option<u32>, Option<u32>) {
        let caller = self.caller(header, connection).await.ok();
        (caller.as_ref().map(|caller| caller.user.uid), caller.and_then(|caller| caller.pid))
    }

    fn caller<'a>(
        &'a self,
        header: &'a Header<'_>,
        connection: &'a Connection,
    ) -> Pin<Box<dyn Future<Output = Result<Caller, Refusal>> + Send + 'a>> {
        Box::pin(async move {
            let sender = header.sender().ok_or_else(gone)?;
            if let Some(caller) = self.known(sender) {
                return Ok(caller);
            }
            let caller = ask(connection, sender).await.ok_or_else(gone)?;
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            last.truncate(REMEMBERED - 1);
            last.push_front((sender.to_owned().into(), caller.clone()));
            Ok(caller)
        })
    }

    fn known(&self, sender: &UniqueName<'_>) -> Option<Caller> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().find(|(name, _)| **name == *sender).map(|(_, caller)| caller.clone())
    }
}

fn gone() -> Refusal {
    Refusal::NotAllowed("the caller left the bus before the answer".to_owned())
}

async fn ask(connection: &Connection, of: &UniqueName<'_>) -> Option<Caller> {
    let (bus, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
    let told = answer(connection, [bus, path, bus, "GetConnectionCredentials"], Of::Connection(of)).await?;
    let Credentials { uid, pid, groups } =
        credentials::read(told.body().data().bytes(), told.data().first() == Some(&b'l'));
    Some(Caller { user: User { uid: uid?, groups }, pid })
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
