//! Host names.
//!
//! # Decisions
//! - The system's resolver on blocking threads, at most [`LOOKUPS`] at a time: a network that swallows questions would
//!   otherwise hold every blocking thread, and the store needs one.
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::{io, vec};

use tokio::sync::Semaphore;

/// Look-ups at a time.
pub(super) const LOOKUPS: usize = 2;

/// Shared by both clients.
#[derive(Clone)]
pub(super) struct Names(Arc<Semaphore>);

impl Default for Names {
    fn default() -> Names {
        Names(Arc::new(Semaphore::new(LOOKUPS)))
    }
}

impl Names {
    /// The addresses of a host; the port is left at zero.
    pub(super) async fn addresses(self, host: String) -> io::Result<vec::IntoIter<SocketAddr>> {
        let slot = self.0.acquire_owned().await.map_err(io::Error::other)?;
        let found = tokio::task::spawn_blocking(move || {
            // Held until the look-up really ends, also when nobody waits for it any more.
            let _slot = slot;
            (host.as_str(), 0).to_socket_addrs()
        });
        found.await?
    }
}
