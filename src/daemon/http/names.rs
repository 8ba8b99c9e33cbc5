//! Host names.
//!
//! # Decisions
//! - The system's resolver on blocking threads, at most [`LOOKUPS`] at a time: a network that swallows questions would
//!   otherwise hold every blocking thread, and the store needs one.
//! - A look-up belongs to no request. One nameserver that is dead costs five seconds, two cost ten, a router that never
//!   answers for IPv6 fifteen: whoever can't wait for so long leaves the look-up to the next try, and who comes meanwhile
//!   shares it. So a request's own time begins when the name is known.
//! - An answer is kept for [`KEEP`] and not for its time to live, which the system's resolver does not tell; and no longer
//!   than connections to it come about.
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, vec};

use tokio::sync::{Semaphore, watch};

use crate::clock::Clock;
use rigpost_core::time::BootTime;

/// Look-ups at a time.
pub(super) const LOOKUPS: usize = 2;
/// For the polls of a pairing, and the parts of a file.
const KEEP: Duration = Duration::from_secs(60);
/// How long a request waits for a name before it leaves the look-up to the next.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// A rig asks one provider and one storage.
const MOST_HOSTS: usize = 16;

type Found = Result<Vec<SocketAddr>, String>;

/// Shared by both clients.
#[derive(Clone)]
pub(super) struct Names(Arc<Shared>);

struct Shared {
    slots: Arc<Semaphore>,
    clock: Clock,
    hosts: Mutex<HashMap<String, Host>>,
}

/// The last look-up of one.
struct Host {
    begun: BootTime,
    /// `None` until it has ended.
    found: watch::Receiver<Option<Found>>,
}

impl Host {
    fn is_of_use(&self, now: BootTime) -> bool {
        match &*self.found.borrow() {
            Some(Ok(_)) => now.since(self.begun) < KEEP,
            Some(Err(_)) => false,
            // Whoever did it may be gone with its runtime.
            None => self.found.has_changed().is_ok(),
        }
    }
}

impl Names {
    pub(super) fn new(clock: Clock) -> Names {
        let slots = Arc::new(Semaphore::new(LOOKUPS));
        Names(Arc::new(Shared { slots, clock, hosts: Mutex::default() }))
    }

    /// The addresses of a host; the port is left at zero. Takes as long as the system's resolver; dropped, it leaves the
    /// look-up to the next.
    pub(super) async fn addresses(self, host: String) -> io::Result<vec::IntoIter<SocketAddr>> {
        let mut found = self.look_up(host.clone());
        let mut answer = found.wait_for(Option::is_some).await.map(|answer| answer.clone());
        if answer.is_err() {
            // Whoever did it is gone with its runtime.
            found = self.look_up(host);
            answer = found.wait_for(Option::is_some).await.map(|answer| answer.clone());
        }
        let answer = answer.map_err(io::Error::other)?;
        match answer {
            Some(Ok(addresses)) => Ok(addresses.into_iter()),
            Some(Err(why)) => Err(io::Error::other(why)),
            None => Err(io::Error::other("the look-up came to nothing")),
        }
    }

    /// The same within [`PATIENCE`].
    pub(super) async fn in_time(&self, host: &str) -> io::Result<()> {
        if host.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        let deadline = self.0.clock.now().boot + PATIENCE;
        tokio::select! {
            biased;
            found = self.clone().addresses(host.to_owned()) => found.map(drop),
            () = self.0.clock.sleep_until(deadline) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "no nameserver has answered in time"))
            }
        }
    }

    /// No connection came about to what was found: it is looked up anew.
    pub(super) fn doubt(&self, host: &str) {
        let mut hosts = self.hosts();
        if hosts.get(host).is_some_and(|host| host.found.borrow().is_some()) {
            hosts.remove(host);
        }
    }

    fn look_up(&self, host: String) -> watch::Receiver<Option<Found>> {
        let now = self.0.clock.now().boot;
        let mut hosts = self.hosts();
        if let Some(known) = hosts.get(&host).filter(|known| known.is_of_use(now)) {
            return known.found.clone();
        }
        if hosts.len() >= MOST_HOSTS {
            hosts.retain(|_, known| known.is_of_use(now));
        }
        let (tell, found) = watch::channel(None);
        if hosts.len() < MOST_HOSTS {
            hosts.insert(host.clone(), Host { begun: now, found: found.clone() });
        }
        let slots = self.0.slots.clone();
        drop(tokio::spawn(async move {
            let Ok(slot) = slots.acquire_owned().await else { return };
            let looked_up = tokio::task::spawn_blocking(move || {
                // Held until the look-up really ends, also when its runtime ends before.
                let _slot = slot;
                (host.as_str(), 0).to_socket_addrs().map(Iterator::collect).map_err(|e| e.to_string())
            });
            let _ = tell.send(Some(looked_up.await.unwrap_or_else(|e| Err(e.to_string()))));
        }));
        found
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
