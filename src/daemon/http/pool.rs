//! Connections that are open and wait for the next part.
//!
//! # Decisions
//! - Our own, on top of hyper's single connections: a part has to know which connection it got, to watch its socket and
//!   to close it with the attempt. hyper-util's pooled client hides that, and tries again behind our back.
//! - No task per connection. The attempt drives the connection that it holds; an idle one is driven once, when it is
//!   taken, which tells whether the other side has closed it meanwhile.
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::api::MOST_HEADERS;
use super::connect::{Connected, Io};
use super::progress::{Ends, Meter};
use crate::media::PartBody;
use rigpost_core::time::BootTime;

/// Storages close sooner or later without a word, and a link may have changed: an old connection is a bad bet.
const MAX_IDLE: Duration = Duration::from_secs(15);
/// One read of the file: what is not on the wire yet is what an early refusal wastes.
const BUFFER: usize = 64 * 1024;

type Driver = Connection<TokioIo<Box<dyn Io>>, Gated>;

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) tls: bool,
    pub(super) authority: String,
}

/// A connection that carries one part after another.
pub(super) struct Line {
    pub(super) sender: SendRequest<Gated>,
    pub(super) connection: Pin<Box<Driver>>,
    pub(super) meter: Arc<Meter>,
    pub(super) ends: Option<Ends>,
}

impl Line {
    pub(super) async fn new(connected: Connected) -> hyper::Result<Line> {
        let Connected { io, meter, ends } = connected;
        let (sender, connection) =
            Builder::new().max_buf_size(BUFFER).max_headers(MOST_HEADERS).handshake(TokioIo::new(io)).await?;
        Ok(Line { sender, connection: Box::pin(connection), meter, ends })
    }

    /// Whether it can take another part: the last one is through in both directions, and nobody has closed it.
    pub(super) async fn settle(&mut self) -> bool {
        poll_fn(|cx| {
            let gone = self.connection.as_mut().poll(cx).is_ready();
            Poll::Ready(!gone && self.sender.is_ready())
        })
        .await
    }
}

/// The idle ones. Dropped, it closes them; what is in use then closes with the part that uses it last.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<(Origin, BootTime, Line)>>);

impl Pool {
    /// One that still works.
    pub(super) async fn take(&self, origin: &Origin, now: BootTime) -> Option<Line> {
        loop {
            let mut line = self.pick(origin, now)?;
            if line.settle().await {
                return Some(line);
            }
        }
    }

    fn pick(&self, origin: &Origin, now: BootTime) -> Option<Line> {
        let mut idle = self.0.lock().ok()?;
        idle.retain(|(_, since, _)| now.since(*since) < MAX_IDLE);
        // The one that was used last: it has had the least time to go bad.
        let at = idle.iter().rposition(|(o, ..)| o == origin)?;
        Some(idle.remove(at).2)
    }

    /// For the next part.
    pub(super) fn give_back(&self, origin: Origin, line: Line, now: BootTime) {
        if let Ok(mut idle) = self.0.lock() {
            idle.push((origin, now, line));
        }
    }
}

/// A part that waits until the server has asked for it.
pub(super) struct Gated {
    body: PartBody,
    gate: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Gated {
    /// Goes once `gate` is cancelled; at once without one.
    pub(super) fn new(body: PartBody, gate: Option<CancellationToken>) -> Gated {
        Gated { body, gate: gate.map(|gate| Box::pin(gate.cancelled_owned())) }
    }
}

impl http_body::Body for Gated {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(gate) = &mut self.gate {
            ready!(gate.as_mut().poll(cx));
            self.gate = None;
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
