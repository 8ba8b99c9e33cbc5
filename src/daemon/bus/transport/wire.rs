//! What is known of a message from its bytes alone, and the two calls of the kernel that carry file descriptors.
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{MaybeUninit, take};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::net::UnixStream;
use zbus::connection::socket::ReadHalf;
use zbus::export::async_trait::async_trait;
use zbus::message::Message;

use crate::bus::call::number;
use rigpost_contract::method::{MAX_MANY, Method, SHORT_CALL};

/// What every message begins with.
pub const FIXED: usize = 16;
/// D-Bus allows no more; who sends it speaks something else.
const MAX_MESSAGE: u64 = 128 << 20;
/// The most that one message may carry.
const MAX_FDS: usize = 253;

/// Bytes that a message may have: more where a method takes a list.
pub fn longest(method: Option<Method>) -> usize {
    method.map_or(SHORT_CALL, Method::longest)
}

/// This body of a call begins with a list that is too long: found by its lengths alone, because reading what is
/// in it takes longer than a light call may wait.
pub fn is_crowded(method: Method, body: &[u8], little: bool) -> bool {
    let bytes = u64::from(number(body, 0, little));
    if method.takes.starts_with("at") {
        return bytes / 8 > MAX_MANY as u64;
    }
    if !method.takes.starts_with("as") {
        return false;
    }
    let (mut at, end) = (4, (4 + bytes).min(body.len() as u64));
    for _ in 0..MAX_MANY {
        if at >= end {
            return false;
        }
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        // Its length, itself, and the NUL behind it; the next begins at a multiple of four.
        at = (at + 4 + u64::from(number(body, start, little)) + 1).next_multiple_of(4);
    }
    at < end
}

/// How long a message is. Numbers of the wire: on a board with 32 bits their
/// sum may be more than memory has.
pub struct Lengths {
    /// Of the header, padding included.
    pub header: u64,
    /// Of all.
    pub total: u64,
}

impl Lengths {
    /// From what every message begins with.
    pub fn read(fixed: &[u8]) -> zbus::Result<Lengths> {
        let little = fixed.first() == Some(&b'l');
        let number = |at| u64::from(number(fixed, at, little));
        let header = (FIXED as u64 + number(12)).next_multiple_of(8);
        let total = header + number(4);
        if !matches!(fixed.first(), Some(b'l' | b'B')) || total > MAX_MESSAGE {
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

/// The message of these bytes.
pub async fn whole(bytes: Vec<u8>, fds: Vec<OwnedFd>, seq: u64) -> zbus::Result<Message> {
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

/// Bytes, and what came with them: the kernel ends the reading behind bytes that carry file descriptors.
pub fn receive(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
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

/// Bytes, and what goes with them.
pub fn send(stream: &UnixStream, buffer: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(sendmsg(stream, &[IoSlice::new(buffer)], &mut control, SendFlags::NOSIGNAL)?)
}

#[cfg(test)]
mod tests {
    use zbus::wire::serialized::Context;
    use zbus::wire::{BE, Endian, LE, to_bytes};

    use super::*;
    use rigpost_contract::interface::Interface;
    use rigpost_contract::method;

    #[test]
    fn a_list_that_is_too_long_is_known_by_its_lengths() {
        let find = |name| method::find(Interface::Queue, name).unwrap();
        let crowded = |name, endian, body: &zbus::wire::serialized::Data<'_, '_>| {
            is_crowded(find(name), body.bytes(), endian == Endian::Little)
        };
        for endian in [LE, BE] {
            for n in [0, 1, MAX_MANY - 1, MAX_MANY, MAX_MANY + 1, MAX_MANY * 2] {
                for text in ["", "a", "ab", "abc", "/media/A001.mov"] {
                    let paths = to_bytes(Context::new(endian, 0), &(vec![text; n], 7u32)).unwrap();
                    for name in ["AddMany", "AddFiles"] {
                        assert_eq!(crowded(name, endian, &paths), n > MAX_MANY, "{name}: {n} of {text:?}");
                    }
                    assert!(!crowded("Clear", endian, &paths), "it begins with no list");
                }
                let ids = to_bytes(Context::new(endian, 0), &(vec![7u64; n], 7u32)).unwrap();
                assert_eq!(crowded("Retry", endian, &ids), n > MAX_MANY);
            }
        }
        assert!(!is_crowded(find("AddMany"), &[], true) && !is_crowded(find("AddMany"), &[0xff; 7], true));
    }

    #[test]
    fn lengths_of_every_message_are_read_and_of_nothing_else() {
        let message = Message::signal("/a", "b.c", "D").build(&("text", 7u64)).unwrap();
        let bytes = message.data().bytes();
        let Lengths { header, total } = Lengths::read(&bytes[..FIXED]).unwrap();
        assert_eq!((total, total - header), (bytes.len() as u64, message.body().len() as u64));
        for bad in [
            &b""[..],
            b"l",
            b"GET / HTTP/1.1\r\n",
            &[b'l', 1, 0, 1, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0],
        ] {
            let read = Lengths::read(bad);
            assert!(read.is_err() || bad.len() < FIXED, "{bad:?}");
        }
    }
}
