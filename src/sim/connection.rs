//! One TCP connection: its number, its counters, and the switch that cuts it.
//!
//! # Decisions
//! A reset is made with `SO_LINGER` 0 at the socket's end (it sends RST instead of FIN). The HTTP server owns
//! the socket, so the wrapper sets the option when it is dropped and a shared flag asks for it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

type Upgraded = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What handlers know about the connection they serve.
#[derive(Default)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    requests: AtomicU64,
    code_requests: AtomicU64,
    reset: AtomicBool,
    cut: Notify,
    /// The event at which the connection stands still, set by an answer held after it left.
    held: Mutex<Option<u64>>,
    /// What goes on with it when it speaks HTTP no more.
    upgraded: Mutex<Option<Upgraded>>,
}

impl Connection {
    pub(crate) fn new(id: u64) -> Self {
        Self { id, ..Self::default() }
    }

    /// Number of this request on the connection, from 1.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a pairing-code request; `true` for the first one.
    pub(crate) fn first_code_request(&self) -> bool {
        self.code_requests.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Ends the connection at once, with RST if `reset`, else with FIN.
    pub(crate) fn cut(&self, reset: bool) {
        self.reset.store(reset, Ordering::Relaxed);
        self.cut.notify_one();
    }

    /// Resolves when the connection shall end.
    pub(crate) async fn cut_asked(&self) {
        self.cut.notified().await;
    }

    pub(crate) fn hold(&self, n: u64) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(n);
    }

    /// Goes on with `work` after the answer that ends HTTP here.
    pub(crate) fn then(&self, work: impl Future<Output = ()> + Send + 'static) {
        *self.upgraded.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(work));
    }

    pub(crate) fn upgraded(&self) -> Option<Upgraded> {
        self.upgraded.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn take_hold(&self) -> Option<u64> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The socket, with the way it ends left open.
pub(crate) struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, connection: Arc<Connection>) -> Self {
        Self { stream, connection }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.reset.load(Ordering::Relaxed) {
            // A socket that is gone already needs no reset.
            let _gone = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
