//! Takes messages in, and refuses what is too long or too much.
//!
//! # Decisions
//! - Read ahead from the beginning of a message only, and to the end of one by its own length. As the kernel ends a reading
//!   behind bytes that carry file descriptors, those that wait here are always of one message, the first that names some.
use std::io;
use std::mem::take;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tracing::debug;
use zbus::connection::socket::ReadHalf;
use zbus::export::async_trait::async_trait;
use zbus::message::{Message, Type};
use zbus::names::{OwnedUniqueName, UniqueName};

use crate::bus::call::{called, note};
use crate::bus::error::BusError;
use crate::bus::limits::Limits;
use crate::bus::transport::wire::{self, FIXED, Lengths};
use crate::link::Descriptor;
use rigpost_contract::method::{MAX_MANY, SHORT_CALL};
use rigpost_core::command::Refusal;

/// The flag of a call whose caller wants no answer.
const NO_REPLY_EXPECTED: u8 = 1;
/// What is read ahead, or thrown away, at once.
const CHUNK: usize = 16 << 10;
/// So many messages in a row are refused before others get their turn.
const REFUSED_IN_A_ROW: u32 = 64;

/// A message that is whole and not too long.
struct Arrived {
    message: Message,
    carried: Vec<Descriptor>,
    length: usize,
    silent: bool,
}

/// A call, and what the journal says of it; `None`: it only waits for its turn behind one of the same sender.
pub type Noted = (Message, Option<String>);

/// What the reader has to do with whoever has the connection.
#[derive(Debug)]
pub struct Ends {
    /// Answers, to be sent.
    pub refusals: mpsc::Sender<Message>,
    /// Calls of which the journal has to know first.
    pub notes: mpsc::Sender<Noted>,
    /// These calls, when it does.
    pub noted: mpsc::Receiver<Message>,
}

/// The half that takes messages in.
#[derive(Debug)]
pub struct Reader {
    stream: Arc<UnixStream>,
    limits: Limits,
    ends: Ends,
    /// Read ahead; it begins at `at`.
    ahead: Vec<u8>,
    at: usize,
    fds: Vec<Descriptor>,
    /// Who has calls with the journal, once for each: what they call next is not to overtake those.
    held: Vec<OwnedUniqueName>,
}

impl Reader {
    /// Of a socket.
    pub fn new(stream: Arc<UnixStream>, limits: Limits, ends: Ends) -> Reader {
        Reader { stream, limits, ends, ahead: Vec::new(), at: 0, fds: Vec::new(), held: Vec::new() }
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.stream.async_io(Interest::READABLE, || wire::receive(&self.stream, buffer)).await
    }

    /// Receives into the buffer; the end of the connection is an error.
    async fn more(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = self.receive(buffer).await?;
        self.took(received)
    }

    fn took(&mut self, (got, fds): (usize, Vec<OwnedFd>)) -> io::Result<usize> {
        self.fds.extend(fds.into_iter().map(Descriptor::from));
        if got == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(got) }
    }

    /// Gives a call to the journal, of which it comes back.
    fn hold(&mut self, message: Message, line: Option<String>) {
        let sender = message.header().sender().map(|sender| OwnedUniqueName::from(sender.to_owned()));
        if let (Ok(()), Some(sender)) = (self.ends.notes.try_send((message, line)), sender) {
            self.held.push(sender);
        }
    }

    fn holds(&self, caller: &UniqueName<'_>) -> bool {
        self.held.iter().any(|held| **held == *caller)
    }

    fn let_go(&mut self, noted: &Message) {
        let of = |held: &OwnedUniqueName| noted.header().sender().is_some_and(|sender| **held == *sender);
        if let Some(at) = self.held.iter().position(of) {
            self.held.swap_remove(at);
        }
    }

    /// Begins a message: reads ahead where nothing is left. No memory is held while nothing arrives. Or gives one that is
    /// noted by now.
    async fn begin(&mut self) -> io::Result<Option<Message>> {
        if let Ok(noted) = self.ends.noted.try_recv() {
            return Ok(Some(noted));
        }
        while self.at == self.ahead.len() {
            (self.ahead, self.at) = (Vec::new(), 0);
            tokio::select! {
                biased;
                Some(noted) = self.ends.noted.recv() => return Ok(Some(noted)),
                ready = self.stream.readable() => ready?,
            }
            let mut ahead = vec![0; CHUNK];
            // It was ready once, which may be long ago.
            match self.stream.try_io(Interest::READABLE, || wire::receive(&self.stream, &mut ahead)) {
                Ok(received) => ahead.truncate(self.took(received)?),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                Err(e) => return Err(e),
            }
            self.ahead = ahead;
        }
        Ok(None)
    }

    /// Fills the buffer, with nothing that is beyond the message.
    async fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let left = &self.ahead[self.at..];
        let mut filled = left.len().min(buffer.len());
        buffer[..filled].copy_from_slice(&left[..filled]);
        self.at += filled;
        while filled < buffer.len() {
            filled += self.more(&mut buffer[filled..]).await?;
        }
        Ok(())
    }

    /// Reads the rest of a message that nobody gets, and closes what it carries.
    async fn throw_away(&mut self, mut bytes: u64) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while bytes > 0 {
            let now = chunk.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.fill(&mut chunk[..now]).await?;
            bytes -= now as u64;
        }
        self.fds.clear();
        Ok(())
    }

    /// The next message that is not too long; `None` for one that is, or that is none.
    async fn next(&mut self, seq: u64) -> zbus::Result<Option<Arrived>> {
        let mut bytes = vec![0; FIXED];
        self.fill(&mut bytes).await?;
        let Lengths { header, total } = Lengths::read(&bytes)?;
        let silent = bytes[2] & NO_REPLY_EXPECTED != 0;
        if bytes[1] == Type::MethodCall as u8 {
            bytes[2] &= !NO_REPLY_EXPECTED;
        }
        let within = |length: u64, most: usize| usize::try_from(length).ok().filter(|length| *length <= most);
        // All of it where that is little, or else the header.
        let Some(now) = within(total, SHORT_CALL).or(within(header, SHORT_CALL)) else {
            debug!("left out a message with a header of more than {SHORT_CALL} bytes");
            self.throw_away(total - FIXED as u64).await?;
            return Ok(None);
        };
        bytes.resize(now, 0);
        self.fill(&mut bytes[FIXED..]).await?;
        if total == now as u64 {
            let made = self.make(bytes, seq).await;
            return Ok(made.map(|(message, carried)| Arrived { message, carried, length: now, silent }));
        }
        let mut alone = bytes.clone();
        // A header says how long the body is.
        alone[4..8].fill(0);
        let head = self.make(alone, seq).await.map(|(head, _)| head);
        // No method that takes a long call takes a file descriptor, and the header has those that came.
        let bare = head.as_ref().filter(|head| head.data().fds().is_empty());
        let method = bare.and_then(|head| called(&head.header()));
        let most = if head.is_some() { wire::longest(method) } else { 0 };
        let Some(length) = within(total, most) else {
            self.throw_away(total - now as u64).await?;
            if let Some(head) = head {
                let why = format!("a call of {total} bytes: here at most {most}");
                self.refuse(&head, silent, Refusal::LimitsExceeded(why)).await;
            }
            return Ok(None);
        };
        bytes.resize(length, 0);
        self.fill(&mut bytes[now..]).await?;
        if let (Some(head), Some(method)) = (&head, method)
            && wire::is_crowded(method, &bytes[now..], bytes[0] == b'l')
        {
            let why = format!("at most {MAX_MANY} items or paths at once");
            self.refuse(head, silent, Refusal::LimitsExceeded(why)).await;
            return Ok(None);
        }
        let made = self.make(bytes, seq).await;
        Ok(made.map(|(message, carried)| Arrived { message, carried, length, silent }))
    }

    /// The message of these bytes. Only one that names file descriptors gets those that wait: beside it, and in it as many
    /// of this connection's own stand for them.
    async fn make(&mut self, bytes: Vec<u8>, seq: u64) -> Option<(Message, Vec<Descriptor>)> {
        let made = if self.fds.is_empty() {
            wire::whole(bytes, Vec::new(), seq).await
        } else {
            match wire::whole(bytes.clone(), Vec::new(), seq).await {
                Ok(without) => Ok(without),
                Err(_) => {
                    let carried = take(&mut self.fds);
                    let stand_in = |_: &Descriptor| self.stream.as_fd().try_clone_to_owned();
                    let stand_ins = carried.iter().map(stand_in).collect::<io::Result<_>>().ok()?;
                    let made = wire::whole(bytes, stand_ins, seq).await;
                    return made.ok().map(|message| (message, carried));
                }
            }
        };
        let made = made.inspect_err(|e| debug!("left out what is no message: {e}"));
        made.ok().map(|message| (message, Vec::new()))
    }

    async fn refuse(&self, message: &Message, silent: bool, refusal: Refusal) {
        debug!("refused {message}: {refusal}");
        if message.message_type() != Type::MethodCall || silent {
            return;
        }
        match zbus::DBusError::create_reply(&BusError::from(refusal), &message.header()) {
            // Whoever sends them ends with the connection.
            Ok(answer) => drop(self.ends.refusals.send(answer).await),
            Err(e) => debug!("no answer can be made of a refusal: {e}"),
        }
    }
}

#[async_trait]
impl ReadHalf for Reader {
    async fn receive_message(
        &mut self,
        seq: u64,
        already_received_bytes: &mut Vec<u8>,
        already_received_fds: &mut Vec<OwnedFd>,
    ) -> zbus::Result<Message> {
        // What came with the last word of the authentication; nothing was read here before.
        if !already_received_bytes.is_empty() {
            (self.ahead, self.at) = (take(already_received_bytes), 0);
            self.fds.extend(already_received_fds.drain(..).map(Descriptor::from));
        }
        let mut in_a_row = 0u32;
        loop {
            if let Some(noted) = self.begin().await? {
                self.let_go(&noted);
                return Ok(noted);
            }
            if let Some(Arrived { message, carried, length, silent }) = self.next(seq).await? {
                let header = message.header();
                let taken = match (message.message_type(), header.sender()) {
                    (Type::MethodCall, Some(caller)) => note(&message).and_then(|line| {
                        let serial = header.primary().serial_num();
                        self.limits.take(caller, serial, length, silent)?;
                        if !carried.is_empty() {
                            self.limits.lay_by(caller, serial, carried);
                        }
                        Ok((line.is_some() || self.holds(caller)).then_some(line))
                    }),
                    (Type::MethodCall | Type::MethodReturn | Type::Error | Type::Signal, _) => Ok(None),
                };
                drop(header);
                match taken {
                    Ok(None) => return Ok(message),
                    // As many find room as are taken at once.
                    Ok(Some(line)) => self.hold(message, line),
                    Err(refusal) => self.refuse(&message, silent, refusal).await,
                }
            }
            in_a_row += 1;
            if in_a_row.is_multiple_of(REFUSED_IN_A_ROW) {
                tokio::task::yield_now().await;
            }
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
