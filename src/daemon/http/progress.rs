//! Whether anything still moves on a connection.
//!
//! # Decisions
//! - No limit on how long a part takes, only on how long nothing moves: a slow link is no reason to begin again.
//! - The kernel's own count of what the other side has not confirmed is asked where our writes stand still: on a link
//!   that became slow, a full socket takes minutes to have room again, and all that time bytes arrive. It is read from
//!   `/proc/self/net/tcp`, because the system call for it has no safe wrapper, and only in doubt.
//! - What comes in is no movement: a storage that sends its answer a byte at a time, or one interim answer after another
//!   (RFC 9110 §15.2), would hold a part for ever. An answer is whole in time, or it is none.
//! - A part that the pacer holds back moves nothing and is not the connection's fault: its clock stands still.
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::media::PartWatch;
use rigpost_core::time::BootTime;

/// How long nothing may move before a connection is given up. It is noticed within a quarter more.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// While there are bytes of the part left to send.
    pub sending: Duration,
    /// From the last byte out to the end of the answer: a storage may have to put gigabytes together first. An answer
    /// that comes earlier has this long from its head to its end.
    pub answer: Duration,
    /// For a name, a connection and its encryption together.
    pub connecting: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            sending: Duration::from_secs(24),
            answer: Duration::from_secs(75),
            connecting: Duration::from_secs(15),
        }
    }
}

/// What one socket has moved.
#[derive(Debug, Default)]
pub(super) struct Meter {
    read: AtomicU64,
    written: AtomicU64,
    /// Why nothing can be written any more.
    failed: Mutex<Option<String>>,
}

impl Meter {
    pub(super) fn count_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn count_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes that the kernel took, of every layer.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    pub(super) fn fail(&self, why: &std::io::Error) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert_with(|| why.to_string());
    }

    pub(super) fn failed(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
}

/// Returns when nothing has moved for too long, with a sentence. `length`: of the part.
pub(super) async fn stalled(
    clock: &Clock,
    patience: Patience,
    meter: &Meter,
    ends: Option<Ends>,
    watch: &PartWatch,
    length: u64,
) -> String {
    let mut now = clock.now().boot;
    let mut seen = Seen { still_since: now, ..Seen::default() };
    let mut read = meter.read.load(Relaxed);
    loop {
        clock.sleep_until(now + patience.sending / 4).await;
        now = clock.now().boot;
        let (written, sent) = (meter.written(), watch.sent.load(Relaxed));
        seen.look((written, sent), watch.held(), now, || ends.and_then(unconfirmed));
        if seen.still_since == now {
            read = meter.read.load(Relaxed);
        }
        let limit = if sent >= length { patience.answer } else { patience.sending };
        let still = now.since(seen.still_since);
        if still >= limit {
            let what = if meter.read.load(Relaxed) == read { "nothing has moved" } else { "no whole answer" };
            return format!("{what} for {} s", still.as_secs());
        }
    }
}

#[derive(Default)]
struct Seen {
    /// Bytes written, and bytes of the part among them.
    counts: (u64, u64),
    unconfirmed: Option<u64>,
    still_since: BootTime,
}

impl Seen {
    fn look(
        &mut self,
        counts: (u64, u64),
        held: bool,
        now: BootTime,
        unconfirmed: impl FnOnce() -> Option<u64>,
    ) {
        if held || counts != self.counts {
            *self = Seen { counts, unconfirmed: None, still_since: now };
            return;
        }
        let (before, left) = (self.unconfirmed, unconfirmed());
        self.unconfirmed = left;
        if let (Some(before), Some(left)) = (before, left)
            && left < before
        {
            self.still_since = now;
        }
    }
}

/// Bytes in the kernel's hands that the other side has not confirmed; `None` where it doesn't say.
fn unconfirmed(ends: Ends) -> Option<u64> {
    let table = if ends.local.is_ipv4() { "/proc/self/net/tcp" } else { "/proc/self/net/tcp6" };
    find(&std::fs::read_to_string(table).ok()?, ends)
}

fn find(table: &str, ends: Ends) -> Option<u64> {
    let (local, peer) = (as_listed(ends.local), as_listed(ends.peer));
    table.lines().find_map(|line| {
        // sl, local_address, rem_address, st, tx_queue:rx_queue
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ours = fields.next()? == local && fields.next()? == peer;
        let queues = fields.nth(1)?;
        ours.then(|| u64::from_str_radix(queues.split(':').next()?, 16).ok())?
    })
}

/// The address in words of the processor's own byte order, the port as people write it; all hexadecimal.
fn as_listed(address: SocketAddr) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut text = String::new();
    for word in bytes.chunks_exact(4) {
        // Writing to a String can't fail.
        let _ = write!(text, "{:08X}", u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn at(secs: u64) -> BootTime {
        BootTime(Duration::from_secs(secs))
    }

    #[test]
    fn what_counts_as_movement() {
        let table = [
            // counts, held, unconfirmed: whether the clock starts anew
            ((1, 1), false, Some(900), true),
            ((1, 1), false, Some(900), false),
            ((1, 1), false, Some(800), true),
            ((1, 1), false, Some(800), false),
            ((1, 1), false, None, false),
            ((1, 1), true, None, true),
            ((1, 2), false, None, true),
            ((2, 2), false, None, true),
            ((2, 2), false, Some(5), false),
        ];
        let mut seen = Seen::default();
        for (n, (counts, held, unconfirmed, moved)) in table.into_iter().enumerate() {
            let now = at(n as u64 + 1);
            seen.look(counts, held, now, || unconfirmed);
            assert_eq!(seen.still_since == now, moved, "line {n}");
        }
    }

    #[test]
    fn the_kernel_tells_what_was_not_confirmed() {
        for here in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(here) else {
                assert!(here.starts_with('['), "no IPv4 loopback");
                continue;
            };
            let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (theirs, _) = listener.accept().unwrap();
            let ends = Ends { local: ours.local_addr().unwrap(), peer: ours.peer_addr().unwrap() };
            assert_eq!(unconfirmed(ends), Some(0), "{here}");
            ours.set_nonblocking(true).unwrap();
            while ours.write(&[0; 65_536]).is_ok() {}
            assert!(unconfirmed(ends).unwrap() > 0, "{here}: nobody reads");
            drop((ours, theirs));
        }
    }
}
