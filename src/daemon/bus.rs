//! The system bus: `org.rigpost.Rigpost1`. The only folder with zbus, apart from the command line's client.
//!
//! Thin on purpose: a method turns arguments into a command and the answer into a reply, a property reads the last
//! snapshot. Nothing here waits for the network but [`Pairing.Start`](pairing), [`Tokens.GetAccessToken`](tokens), and
//! [what ends an authorization](ending), which the machine bounds.
//!
//! # Decisions
//! - Handlers take `&self`: zbus would hold every other call on the interface back while a `&mut self` one waits.
//! - Objects first, name last, so that nobody who sees the name misses an object.
//! - What is too long or too much is refused at the [socket](transport), before anything is made of it.
//! - A bus that goes away ends the daemon. Service managers restart it with the bus; an orphan would hang unseen.
mod announce;
mod call;
mod caller;
mod credentials;
mod device;
mod ending;
mod error;
mod journal;
mod limits;
mod log_control;
mod options;
mod pairing;
mod qr;
mod queue;
mod recording;
mod screen;
mod tokens;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use zbus::connection::Builder;
use zbus::fdo::RequestNameFlags;
use zbus::{Address, Connection, Message};

use crate::clock::Clock;
use crate::link::Handle;
use rigpost_contract::interface::{BUS_NAME, OBJECT_PATH};

pub use device::About;
pub use log_control::Log;

/// Where service managers look for it.
const LOG_PATH: &str = "/org/freedesktop/LogControl1";
/// A reply that does not come within this is an error for the caller (GetConnectionUnixUser and the like).
const METHOD_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that serves all interfaces and does not own the name yet.
#[derive(Debug)]
pub struct Bus {
    connection: Connection,
    announcer: announce::Announcer,
    clock: Clock,
    handle: Handle,
    hold_requests: mpsc::Receiver<recording::HoldRequest>,
    limits: limits::Limits,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl Bus {
    /// Connects to the system bus (`DBUS_SYSTEM_BUS_ADDRESS` is honoured) and serves the object.
    pub async fn connect(handle: Handle, clock: Clock, about: About, log: Arc<dyn Log>) -> zbus::Result<Bus> {
        Bus::serve(&Address::system()?, handle, clock, about, log).await
    }

    /// The same on the bus at this address.
    pub async fn serve(
        address: &Address,
        handle: Handle,
        clock: Clock,
        about: About,
        log: Arc<dyn Log>,
    ) -> zbus::Result<Bus> {
        let announcer = announce::Announcer::new(&handle);
        let (callers, (holds, hold_requests)) = (caller::Callers::default(), recording::channel());
        let (socket, tasks) = transport::Bounded::connect(address).await?;
        let connection = Builder::socket(socket)
            .method_timeout(METHOD_TIMEOUT)
            .serve_at(
                OBJECT_PATH,
                device::Device::new(handle.clone(), callers.clone(), tasks.limits.clone(), about),
            )
            .serve_at(OBJECT_PATH, pairing::Pairing::new(handle.clone()))
            .serve_at(OBJECT_PATH, tokens::Tokens::new(handle.clone(), callers.clone(), about.gives_tokens))
            .serve_at(
                OBJECT_PATH,
                queue::Queue::new(handle.clone(), callers.clone(), tasks.limits.clone(), holds),
            )
            .serve_at(LOG_PATH, log_control::LogControl::new(log, callers.clone()))
            .build()
            .await?;
        let limits = tasks.limits;
        let journal = journal::write(connection.clone(), callers, tasks.notes, tasks.noted);
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(refuse(connection.clone(), tasks.refusals))),
            AbortOnDropHandle::new(tokio::spawn(journal)),
        ];
        Ok(Bus { connection, announcer, clock, handle, hold_requests, limits, _tasks: tasks })
    }

    /// Owns the name, or says who stands in the way: another daemon, or the bus policy.
    pub async fn own_name(&self) -> zbus::Result<()> {
        self.connection.request_name_with_flags(BUS_NAME, RequestNameFlags::DO_NOT_QUEUE).await.map(|_| ())
    }

    /// Announces changes until the bus goes away (an error) or `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) -> Result<(), String> {
        tokio::select! {
            () = stop.cancelled() => {
                // Best effort: the bus drops the name with the connection anyway.
                let _ = self.connection.release_name(BUS_NAME).await;
                Ok(())
            }
            () = self.connection.closed() => Err("the system bus closed the connection".to_owned()),
            answer = announce::run(&self.connection, self.announcer, &self.clock) => {
                answer.map_err(|e| format!("the system bus: {e}"))
            }
            () = recording::run(&self.connection, &self.handle, self.hold_requests) => Ok(()),
            () = screen::watch(&self.connection, self.limits, &self.handle.to_rig, &self.clock) => Ok(()),
        }
    }
}

/// Sends the answers to what was refused at the socket.
async fn refuse(connection: Connection, mut refusals: mpsc::Receiver<Message>) {
    while let Some(refusal) = refusals.recv().await {
        // The bus that is gone ends the daemon elsewhere.
        let _ = connection.send(&refusal).await;
    }
}
