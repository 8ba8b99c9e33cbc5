//! Notices that a network has come up, so that nobody sits out a long wait on a way that is open again.
//!
//! # Decisions
//! - The kernel's own announcements (`rtnetlink(7)`), not NetworkManager's or networkd's on the bus: rigs have one, the
//!   other or neither, and this needs no rights.
//! - A socket of `rustix`, which the clock has brought along already, and forty lines that read four fields.
//!   `netlink-packet-route` reads every attribute of every message: 336 kB for the same, and nothing at all of a message
//!   in which it does not know something, or whose end did not fit.
//! - Nothing is asked, only listened to: while nothing changes nothing wakes up.
//! - Renewed leases and router advertisements announce again what is there already. What has been seen and has not gone
//!   away is no news; a socket that overflowed is.
mod message;

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::clock::Clock;
use message::Seen;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR`, `RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/// A link, its address and its route come one after another; the last one counts.
const SETTLED: Duration = Duration::from_secs(1);
/// A network that never settles is tried all the same.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any announcement of an address or a route. Of a link's only the beginning matters.
const DATAGRAM: usize = 8192;

/// Listens for as long as it lives.
#[derive(Debug)]
pub struct Network {
    socket: AsyncFd<OwnedFd>,
    seen: Seen,
}

impl Network {
    /// Begins to listen; needs a tokio runtime.
    ///
    /// # Errors
    /// There are no such sockets here: a sandbox without `AF_NETLINK`, or no file descriptors left.
    pub fn listen() -> io::Result<Network> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // No protocol is `NETLINK_ROUTE`, which is zero.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        #[expect(
            deprecated,
            reason = "deprecated for types whose descriptor may change under it; an OwnedFd's can't"
        )]
        let socket = AsyncFd::with_interest(socket, Interest::READABLE)?;
        Ok(Network { socket, seen: Seen::default() })
    }

    /// Returns when a link, an address or a default route has appeared and things have settled, for a second or after
    /// five. Dropping it loses what was about to be told.
    ///
    /// # Errors
    /// The socket is broken; there will be no more news.
    pub async fn came_up(&mut self, clock: &Clock) -> io::Result<()> {
        self.news().await?;
        let first = clock.now().boot;
        loop {
            let settled = (clock.now().boot + SETTLED).min(first + PATIENCE);
            tokio::select! {
                biased;
                () = clock.sleep_until(settled) => return Ok(()),
                more = self.news() => more?,
            }
        }
    }

    /// Until something has appeared. May be dropped at any time.
    async fn news(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            match read(self.socket.get_ref(), &mut self.seen) {
                Ok(true) => return Ok(()),
                Ok(false) | Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => ready.clear_ready(),
                // Announcements were lost, and maybe the one that counts.
                Err(Errno::NOBUFS) => {
                    self.seen = Seen::default();
                    return Ok(());
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// One datagram; true when it tells of something that has appeared.
fn read(socket: &OwnedFd, seen: &mut Seen) -> Result<bool, Errno> {
    let mut datagram = [0; DATAGRAM];
    let (length, _, from) = recvfrom(socket, &mut datagram, RecvFlags::empty())?;
    // The kernel's own, and no program's that found out our address.
    let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
    Ok(from.is_some_and(|from| from.pid() == 0) && seen.read(&datagram[..length]))
}
