//! How much of the daemon the programs on the bus may have at once: calls that are not answered yet, and their bytes.
//!
//! # Decisions
//! - Refused and not made to wait: a call that waits would hold back the calls of everybody behind it on the one socket.
//! - A connection's first call finds room when others have filled what all may have: a flood shuts out only itself.
//! - A connection is forgotten with its last answer, which is given whether it is still there or not. So nobody has to be
//!   told of connections that end.
//! - What a call carries is laid by here and not in its message: zbus closes what is in a message wherever it drops that,
//!   and to close a file can take as long as its card likes.
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use zbus::message::Header;
use zbus::names::{OwnedUniqueName, UniqueName};

use crate::link::Descriptor;
use rigpost_contract::method::{LONG_CALL, MAX_CALLS, SHORT_CALL};
use rigpost_core::command::Refusal;

/// Calls of all connections, when none of them is a connection's first.
const ALL_CALLS: usize = 512;
/// The same, with first calls.
pub const ALL_CALLS_AND_FIRST: usize = 1024;
/// Bytes of all connections.
const ALL_BYTES: usize = 4 << 20;
/// The same, with first calls that are short.
const ALL_BYTES_AND_FIRST: usize = 8 << 20;

/// A call that was taken.
#[derive(Debug)]
struct Call {
    serial: NonZeroU32,
    bytes: usize,
    /// The caller wants no answer.
    silent: bool,
    /// What it carries, until it is picked up.
    carried: Vec<Descriptor>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Whoever called last.
    last: Option<OwnedUniqueName>,
    callers: HashMap<OwnedUniqueName, Vec<Call>>,
    calls: usize,
    bytes: usize,
}

/// What is taken and not answered; shared by the two halves of the connection.
#[derive(Clone, Debug, Default)]
pub struct Limits(Arc<(Mutex<Taken>, Notify)>);

impl Limits {
    /// Waits for the next call; who made it, or a later one.
    pub async fn called(&self) -> Option<OwnedUniqueName> {
        self.0.1.notified().await;
        self.taken().last.take()
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a call of this many bytes, or refuses it. `silent`: its answer is not to be sent.
    pub fn take(
        &self,
        caller: &UniqueName<'_>,
        serial: NonZeroU32,
        bytes: usize,
        silent: bool,
    ) -> Result<(), Refusal> {
        let mut taken = self.taken();
        let own = taken.callers.get(caller.as_str());
        let (calls, sum) = own.map_or((0, 0), |own| (own.len(), own.iter().map(|call| call.bytes).sum()));
        if calls >= MAX_CALLS || sum + bytes > LONG_CALL {
            return Err(Refusal::LimitsExceeded(format!(
                "this connection has {calls} calls of {sum} bytes without an answer: read some answers first"
            )));
        }
        let first = calls == 0;
        let most_calls = if first { ALL_CALLS_AND_FIRST } else { ALL_CALLS };
        let most_bytes = if first && bytes <= SHORT_CALL { ALL_BYTES_AND_FIRST } else { ALL_BYTES };
        if taken.calls >= most_calls || taken.bytes + bytes > most_bytes {
            let why = "too many calls of all programs are without an answer: try again".to_owned();
            return Err(Refusal::LimitsExceeded(why));
        }
        taken.calls += 1;
        taken.bytes += bytes;
        let name: OwnedUniqueName = caller.to_owned().into();
        taken.last = Some(name.clone());
        self.0.1.notify_one();
        taken.callers.entry(name).or_default().push(Call { serial, bytes, silent, carried: Vec::new() });
        Ok(())
    }

    /// What a call that was taken carries: it is there as long as the call has no answer.
    pub fn lay_by(&self, caller: &UniqueName<'_>, serial: NonZeroU32, carried: Vec<Descriptor>) {
        let mut taken = self.taken();
        let own = taken.callers.get_mut(caller.as_str());
        if let Some(call) = own.and_then(|own| own.iter_mut().find(|call| call.serial == serial)) {
            call.carried = carried;
        }
    }

    /// The one descriptor that this call carries.
    pub fn pick_up(&self, header: &Header<'_>) -> Result<Descriptor, Refusal> {
        let mut taken = self.taken();
        let own = header.sender().and_then(|caller| taken.callers.get_mut(caller.as_str()));
        let serial = header.primary().serial_num();
        let call = own.and_then(|own| own.iter_mut().find(|call| call.serial == serial));
        let carried = call.map(|call| std::mem::take(&mut call.carried)).unwrap_or_default();
        let one = <[Descriptor; 1]>::try_from(carried).map(|[one]| one);
        one.map_err(|_| Refusal::InvalidArgs("a call carries one file descriptor".to_owned()))
    }

    /// This answer is for a caller that wants none.
    pub fn is_silent(&self, caller: &UniqueName<'_>, serial: NonZeroU32) -> bool {
        let taken = self.taken();
        let own = taken.callers.get(caller.as_str());
        own.and_then(|own| own.iter().find(|call| call.serial == serial)).is_some_and(|call| call.silent)
    }

    /// The call is answered. One that was never taken changes nothing.
    pub fn answered(&self, caller: &UniqueName<'_>, serial: NonZeroU32) {
        let mut taken = self.taken();
        let Some(own) = taken.callers.get_mut(caller.as_str()) else { return };
        let Some(at) = own.iter().position(|call| call.serial == serial) else { return };
        let bytes = own.swap_remove(at).bytes;
        if own.is_empty() {
            taken.callers.remove(caller.as_str());
        }
        taken.calls -= 1;
        taken.bytes -= bytes;
        if taken.callers.is_empty() {
            // What a flood has made grow is given back.
            taken.callers.shrink_to(MAX_CALLS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> UniqueName<'static> {
        UniqueName::try_from(format!(":1.{n}")).unwrap()
    }

    fn serial(n: usize) -> NonZeroU32 {
        NonZeroU32::new(u32::try_from(n).unwrap()).unwrap()
    }

    fn flood(limits: &Limits, caller: usize, bytes: usize) -> usize {
        (1..).take_while(|n| limits.take(&name(caller), serial(*n), bytes, false).is_ok()).count()
    }

    #[test]
    fn a_connection_has_its_share_and_gets_it_back() {
        let limits = Limits::default();
        assert_eq!(flood(&limits, 1, 100), MAX_CALLS);
        assert!(limits.take(&name(2), serial(1), 100, false).is_ok(), "another one has its own");
        limits.answered(&name(1), serial(5));
        limits.answered(&name(1), serial(5));
        limits.answered(&name(3), serial(1));
        assert!(limits.take(&name(1), serial(100), 100, true).is_ok());
        assert!(limits.take(&name(1), serial(101), 100, false).is_err(), "one place was free");
        assert!(limits.is_silent(&name(1), serial(100)) && !limits.is_silent(&name(1), serial(1)));
    }

    #[test]
    fn bytes_are_bounded_for_one_and_for_all() {
        let limits = Limits::default();
        assert_eq!(flood(&limits, 1, LONG_CALL / 4), 4);
        let long = (2..100).filter(|n| limits.take(&name(*n), serial(1), LONG_CALL, false).is_ok()).count();
        assert_eq!(long, ALL_BYTES / LONG_CALL - 1);
        assert!(limits.take(&name(200), serial(1), 100, false).is_ok(), "a first short call finds room");
        assert!(limits.take(&name(200), serial(2), 100, false).is_err());
    }

    #[test]
    fn a_flood_of_connections_is_bounded_and_forgotten() {
        let limits = Limits::default();
        let taken: usize = (0..20).map(|caller| flood(&limits, caller, 10)).sum();
        assert!((ALL_CALLS..ALL_CALLS + 20).contains(&taken), "{taken}");
        assert!(limits.take(&name(50), serial(1), 10, false).is_ok(), "a first call finds room");
        assert_eq!(
            (100..5000).filter(|n| limits.take(&name(*n), serial(1), 10, false).is_ok()).count() + taken + 1,
            1024
        );
        for caller in 0..5000 {
            for n in 1..=MAX_CALLS {
                limits.answered(&name(caller), serial(n));
            }
        }
        let taken = limits.taken();
        assert_eq!((taken.calls, taken.bytes, taken.callers.len()), (0, 0, 0));
        assert!(taken.callers.capacity() < 200, "{}", taken.callers.capacity());
    }
}
