//! The socket to the bus: what is too long or too much is refused here, before anything is made of it.
//!
//! # Decisions
//! - Of our own, because zbus takes whatever a bus passes on, up to 128 MiB, and begins every call that arrives. It lets a
//!   connection bring its own socket, so nothing else of it is replaced: framing and values stay with zbus.
//! - The body of a message that is too long is read and thrown away; the answer needs its header only.
//! - A caller that wants no answer is counted as well: the call is taken as one with an answer, which is then not sent.
//! - What can't be read as a message though its length can is left out: nobody on the bus ends the daemon by it.
//! - A call that changes something is held here until the journal knows who called: a caller that has its answer may be gone
//!   a moment later. What is held comes back in its order.
mod reader;
mod wire;

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::net::{Shutdown, shutdown};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use zbus::Address;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::socket::{Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;
use zbus::message::{Header, Message, Type};
use zbus::names::{BusName, UniqueName};

use crate::bus::limits::{ALL_CALLS_AND_FIRST, Limits};
use reader::{Ends, Reader};

pub use reader::Noted;

/// Refusals that wait to be sent.
const REFUSALS: usize = 64;

/// A socket to a bus, not authenticated yet.
#[derive(Debug)]
pub struct Bounded {
    stream: Arc<UnixStream>,
    limits: Limits,
    ends: Ends,
}

/// What is left to do to whoever has the connection.
#[derive(Debug)]
pub struct Tasks {
    /// Answers to what is refused: to be sent.
    pub refusals: mpsc::Receiver<Message>,
    /// What is taken, and what came with it.
    pub limits: Limits,
    /// Calls that change something: for the journal.
    pub notes: mpsc::Receiver<Noted>,
    /// And back.
    pub noted: mpsc::Sender<Message>,
}

impl Bounded {
    /// Connects.
    pub async fn connect(address: &Address) -> zbus::Result<(Bounded, Tasks)> {
        let stream = Arc::new(UnixStream::connect(place(address)?).await?);
        let [(refusals, refused), (noted, back)] = [REFUSALS, ALL_CALLS_AND_FIRST].map(mpsc::channel);
        let (notes, to_note) = mpsc::channel(ALL_CALLS_AND_FIRST);
        let ends = Ends { refusals, notes, noted: back };
        let limits = Limits::default();
        let tasks = Tasks { refusals: refused, limits: limits.clone(), notes: to_note, noted };
        Ok((Bounded { stream, limits, ends }, tasks))
    }
}

/// The system bus is a Unix socket everywhere; the library has a name for one without a file, and so has the kernel.
fn place(address: &Address) -> zbus::Result<PathBuf> {
    if let Transport::Unix(unix) = address.transport() {
        if let UnixSocket::File(path) = unix.path() {
            return Ok(path.clone());
        }
        if let UnixSocket::Abstract(name) = unix.path() {
            let bytes = [b"\0", name.as_bytes()].concat();
            return Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)));
        }
    }
    Err(zbus::Error::Address("the system bus must be unix:path=... or unix:abstract=...".to_owned()))
}

impl Socket for Bounded {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let Bounded { stream, limits, ends } = self;
        let write = Writer { stream: stream.clone(), limits: limits.clone() };
        Split::new(Reader::new(stream, limits, ends), write)
    }
}

/// Lets messages out.
#[derive(Debug)]
pub struct Writer {
    stream: Arc<UnixStream>,
    limits: Limits,
}

#[async_trait]
impl WriteHalf for Writer {
    async fn send_message(&mut self, message: &Message) -> zbus::Result<()> {
        let header = message.header();
        let answered = answered(&header);
        if !answered.is_some_and(|(caller, serial)| self.limits.is_silent(caller, serial)) {
            let (data, mut at) = (message.data(), 0);
            while at < data.len() {
                let fds: Vec<BorrowedFd<'_>> = match at {
                    0 => data.fds().iter().map(|fd| fd.as_fd()).collect(),
                    _ => Vec::new(),
                };
                at += self.sendmsg(&data[at..], &fds).await?;
            }
        }
        if let Some((caller, serial)) = answered {
            self.limits.answered(caller, serial);
        }
        Ok(())
    }

    async fn sendmsg(&mut self, buffer: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.stream.async_io(Interest::WRITABLE, || wire::send(&self.stream, buffer, fds)).await
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(shutdown(&*self.stream, Shutdown::Both)?)
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

/// The call that this message answers.
fn answered<'a>(header: &'a Header<'_>) -> Option<(&'a UniqueName<'a>, NonZeroU32)> {
    match (header.message_type(), header.destination()) {
        (Type::MethodReturn | Type::Error, Some(BusName::Unique(caller))) => {
            Some((caller, header.reply_serial()?))
        }
        (Type::MethodCall | Type::MethodReturn | Type::Error | Type::Signal, _) => None,
    }
}
