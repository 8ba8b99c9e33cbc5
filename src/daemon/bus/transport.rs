//! The socket to the bus: what is too long or too much is refused here, before anything is made of it.
//!
//! # Decisions
//! - Of our own, because zbus takes whatever a bus passes on, up to 128 MiB, and begins every call that arrives. It lets a
//!   connection bring its own socket, so nothing else of it is replaced: framing and values stay with zbus.
//! - A message is read to its end by its own length and no further. So the file descriptors that come with the bytes are
//!   its own, and those of a message that is refused are closed with it.
//! - The body of a message that is too long is read and thrown away; the answer needs its header only.
//! - A caller that wants no answer is counted as well: the call is taken as one with an answer, which is then not sent.
//! - What can't be read as a message though its length can is left out: nobody on the bus ends the daemon by it.
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{MaybeUninit, take};
use std::num::NonZeroU32;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, recvmsg, sendmsg, shutdown,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tracing::debug;
use zbus::Address;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;
use zbus::message::{Header, Message, Type};
use zbus::names::{BusName, UniqueName};

use crate::bus::error::BusError;
use crate::bus::limits::Limits;
use rigpost_contract::interface::Interface;
use rigpost_contract::method::{self, SHORT_CALL};
use rigpost_core::command::Refusal;

/// What every message begins with.
const FIXED: usize = 16;
/// D-Bus allows no more; who sends it speaks something else.
const MAX_MESSAGE: u64 = 128 << 20;
/// The most that one message may carry.
const MAX_FDS: usize = 253;
/// The flag of a call whose caller wants no answer.
const NO_REPLY_EXPECTED: u8 = 1;
/// What is thrown away at once.
const CHUNK: usize = 64 << 10;
/// Refusals that wait to be sent.
const REFUSALS: usize = 64;

/// A socket to a bus, not authenticated yet.
#[derive(Debug)]
pub struct Bounded {
    stream: Arc<UnixStream>,
    limits: Limits,
    refusals: mpsc::Sender<Message>,
}

impl Bounded {
    /// Connects; and the answers to what is refused, which the caller has to send.
    pub async fn connect(address: &Address) -> zbus::Result<(Bounded, mpsc::Receiver<Message>)> {
        let stream = Arc::new(UnixStream::connect(place(address)?).await?);
        let (refusals, refused) = mpsc::channel(REFUSALS);
        Ok((Bounded { stream, limits: Limits::default(), refusals }, refused))
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
        let Bounded { stream, limits, refusals } = self;
        let write = Writer { stream: stream.clone(), limits: limits.clone() };
        Split::new(Reader { stream, limits, refusals }, write)
    }
}

/// Takes messages in.
#[derive(Debug)]
pub struct Reader {
    stream: Arc<UnixStream>,
    limits: Limits,
    refusals: mpsc::Sender<Message>,
}

/// Bytes and file descriptors that are in already: first those that came before the messages were read here.
struct Ahead<'a> {
    bytes: &'a mut Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl Reader {
    /// Fills the buffer.
    async fn fill(&self, buffer: &mut [u8], ahead: &mut Ahead<'_>) -> io::Result<()> {
        let mut at = ahead.bytes.len().min(buffer.len());
        buffer[..at].copy_from_slice(&ahead.bytes[..at]);
        ahead.bytes.drain(..at);
        while at < buffer.len() {
            let (got, fds) = self.receive(&mut buffer[at..]).await?;
            if got == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += got;
            ahead.fds.extend(fds);
        }
        Ok(())
    }

    async fn throw_away(&self, mut bytes: u64, ahead: &mut Ahead<'_>) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while bytes > 0 {
            let now = chunk.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.fill(&mut chunk[..now], ahead).await?;
            // What it carries goes with it.
            ahead.fds.clear();
            bytes -= now as u64;
        }
        Ok(())
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.stream.async_io(Interest::READABLE, || receive(&self.stream, buffer)).await
    }

    /// The next message that is not too long; `None` for one that is, or that is none.
    async fn next(&self, seq: u64, ahead: &mut Ahead<'_>) -> zbus::Result<Option<Arrived>> {
        let mut bytes = vec![0; FIXED];
        self.fill(&mut bytes, ahead).await?;
        let Lengths { header, total } = Lengths::read(&bytes)?;
        let silent = bytes[2] & NO_REPLY_EXPECTED != 0;
        if bytes[1] == Type::MethodCall as u8 {
            bytes[2] &= !NO_REPLY_EXPECTED;
        }
        let short = usize::try_from(total).ok().filter(|total| *total <= SHORT_CALL);
        let header = usize::try_from(header).ok().filter(|header| *header <= SHORT_CALL);
        // The header, or all of it where that is little.
        let Some(now) = short.or(header) else {
            debug!("left out a message with a header of more than {SHORT_CALL} bytes");
            self.throw_away(total - FIXED as u64, ahead).await?;
            return Ok(None);
        };
        bytes.resize(now, 0);
        self.fill(&mut bytes[FIXED..], ahead).await?;
        let rest = total - now as u64;
        if rest > 0 {
            let Some(long) = self.head(&bytes, seq, ahead).await else {
                self.throw_away(rest, ahead).await?;
                return Ok(None);
            };
            let longest = longest(&long.header());
            let Some(total) = usize::try_from(total).ok().filter(|total| *total <= longest) else {
                self.throw_away(rest, ahead).await?;
                let why = format!("a call of {total} bytes; at most {longest} here");
                self.refuse(&long, silent, Refusal::LimitsExceeded(why)).await;
                return Ok(None);
            };
            bytes.resize(total, 0);
            self.fill(&mut bytes[now..], ahead).await?;
        }
        let length = bytes.len();
        match whole(bytes, take(&mut ahead.fds), seq).await {
            Ok(message) => Ok(Some(Arrived { message, length, silent })),
            Err(e) => {
                debug!("left out what is no message: {e}");
                Ok(None)
            }
        }
    }

    /// A message without its body, to see what it is. Nothing that is long carries file descriptors.
    async fn head(&self, bytes: &[u8], seq: u64, ahead: &mut Ahead<'_>) -> Option<Message> {
        let mut bytes = bytes.to_vec();
        bytes[4..8].fill(0);
        let head = whole(bytes, take(&mut ahead.fds), seq).await;
        head.inspect_err(|e| debug!("left out what is no message: {e}")).ok()
    }

    async fn refuse(&self, message: &Message, silent: bool, refusal: Refusal) {
        debug!("refused {message}: {refusal}");
        if message.message_type() != Type::MethodCall || silent {
            return;
        }
        match zbus::DBusError::create_reply(&BusError::from(refusal), &message.header()) {
            // Whoever sends them ends with the connection.
            Ok(answer) => drop(self.refusals.send(answer).await),
            Err(e) => debug!("no answer can be made of a refusal: {e}"),
        }
    }
}

/// A message that is whole and not too long.
struct Arrived {
    message: Message,
    length: usize,
    silent: bool,
}

#[async_trait]
impl ReadHalf for Reader {
    async fn receive_message(
        &mut self,
        seq: u64,
        already_received_bytes: &mut Vec<u8>,
        already_received_fds: &mut Vec<OwnedFd>,
    ) -> zbus::Result<Message> {
        let mut ahead = Ahead { bytes: already_received_bytes, fds: take(already_received_fds) };
        loop {
            if let Some(Arrived { message, length, silent }) = self.next(seq, &mut ahead).await? {
                let header = message.header();
                let taken = match (message.message_type(), header.sender()) {
                    (Type::MethodCall, Some(caller)) => {
                        self.limits.take(caller, header.primary().serial_num(), length, silent)
                    }
                    (Type::MethodCall | Type::MethodReturn | Type::Error | Type::Signal, _) => Ok(()),
                };
                match taken {
                    Ok(()) => {
                        drop(header);
                        return Ok(message);
                    }
                    Err(refusal) => self.refuse(&message, silent, refusal).await,
                }
            }
            // Whoever floods waits for those who don't.
            tokio::task::yield_now().await;
        }
    }

    // For the authentication, which is before all messages.
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.receive(buffer).await
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
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
                    0 => data.fds().iter().map(std::os::fd::AsFd::as_fd).collect(),
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
        self.stream.async_io(Interest::WRITABLE, || send(&self.stream, buffer, fds)).await
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

/// Bytes that a message may have: more where a method takes a list.
fn longest(header: &Header<'_>) -> usize {
    let interface = header.interface().and_then(|name| name.as_str().parse::<Interface>().ok());
    let member = header.member().filter(|_| header.message_type() == Type::MethodCall);
    let known =
        interface.zip(member).and_then(|(interface, member)| method::find(interface, member.as_str()));
    known.map_or(SHORT_CALL, |method| method.longest())
}

/// How long the header is, padding included, and the whole message. Numbers of the wire: on a board with 32 bits their
/// sum may be more than memory has.
struct Lengths {
    header: u64,
    total: u64,
}

impl Lengths {
    fn read(fixed: &[u8]) -> zbus::Result<Lengths> {
        let number = |at: usize| {
            let bytes = fixed.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
            u64::from(if fixed[0] == b'l' { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
        };
        let header = (FIXED as u64 + number(12)).next_multiple_of(8);
        let total = header + number(4);
        if !matches!(fixed[0], b'l' | b'B') || total > MAX_MESSAGE {
            return Err(zbus::Error::ExcessData);
        }
        Ok(Lengths { header, total })
    }
}

/// Bytes of one message, for the library to make it of.
#[derive(Debug)]
struct Whole {
    bytes: Vec<u8>,
    at: usize,
    fds: Vec<OwnedFd>,
}

async fn whole(bytes: Vec<u8>, fds: Vec<OwnedFd>, seq: u64) -> zbus::Result<Message> {
    Whole { bytes, at: 0, fds }.receive_message(seq, &mut Vec::new(), &mut Vec::new()).await
}

#[async_trait]
impl ReadHalf for Whole {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let left = &self.bytes[self.at..];
        let now = left.len().min(buffer.len());
        buffer[..now].copy_from_slice(&left[..now]);
        self.at += now;
        Ok((now, take(&mut self.fds)))
    }
}

fn receive(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(stream, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok((got.bytes, fds))
}

fn send(stream: &UnixStream, buffer: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(sendmsg(stream, &[IoSlice::new(buffer)], &mut control, SendFlags::NOSIGNAL)?)
}
