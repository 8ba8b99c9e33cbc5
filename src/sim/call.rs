//! One device-facing call: what is known about it, its events, and its answer on the way out.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri, header};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use url::{Host, Url};

use super::app::App;
use super::clock;
use super::connection::Connection;
use super::event::{Endpoint, Event, EventKind};
use super::fault::FaultKind;
use super::reply::{Payload, Reply};

/// What becomes known while the call goes on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) client_id: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) asset: Option<String>,
    pub(crate) part: Option<u64>,
    pub(crate) size: Option<u64>,
    pub(crate) sha256: Option<String>,
    pub(crate) detail: Option<String>,
}

/// A call in progress. If its handler is dropped before an answer, the client has gone away; that is an event too.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: HeaderMap,
    pub(crate) uri: Uri,
    /// The identifier in the path, where the endpoint has one.
    pub(crate) id: Option<String>,
    pub(crate) fault: Option<FaultKind>,
    /// The connection was used for a pairing code before.
    pub(crate) repeats_code_request: bool,
    method: Method,
    request: u64,
    pub(crate) body_in: AtomicU64,
    body_out: AtomicU64,
    known: Mutex<Known>,
    over: AtomicBool,
}

impl Call {
    pub(crate) fn new(
        app: Arc<App>,
        connection: Arc<Connection>,
        (endpoint, id): (Endpoint, Option<String>),
        parts: http::request::Parts,
        fault: Option<FaultKind>,
    ) -> Self {
        let request = connection.next_request();
        Self {
            app,
            endpoint,
            headers: parts.headers,
            uri: parts.uri,
            id,
            fault,
            repeats_code_request: endpoint == Endpoint::DeviceCode && !connection.first_code_request(),
            connection,
            method: parts.method,
            request,
            body_in: AtomicU64::new(0),
            body_out: AtomicU64::new(0),
            known: Mutex::new(Known::default()),
            over: AtomicBool::new(false),
        }
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A name for this attempt, unique in the simulator's life.
    pub(crate) fn unique(&self) -> String {
        format!("{}-{}", self.connection.id, self.request)
    }

    /// Where the device believes this server to be; upload addresses must lead it the same way back.
    pub(crate) fn base(&self) -> String {
        let scheme = if self.app.tls { "https" } else { "http" };
        let host = self.header("host").filter(|host| host.parse::<http::uri::Authority>().is_ok());
        host.map_or_else(
            || self.app.base.as_str().trim_end_matches('/').to_owned(),
            |host| format!("{scheme}://{host}"),
        )
    }

    /// Where a person's browser reaches this server: where the device does, but for a device on this machine, which may call
    /// it by a name that no phone can.
    pub(crate) fn page_base(&self) -> String {
        let base = self.base();
        let here = Url::parse(&base).is_ok_and(|base| match base.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        });
        let lan = self.app.lan.as_ref().filter(|_| here);
        let chosen = self.app.verification_base.as_ref().or(lan);
        chosen.map_or(base, |url| url.as_str().trim_end_matches('/').to_owned())
    }

    fn event(&self, kind: EventKind) -> Event {
        let known = self.known().clone();
        let clean = |text: String| {
            if text.contains(&self.app.marker) { "(hidden: contains a secret)".to_owned() } else { text }
        };
        let ended = matches!(kind, EventKind::Replied | EventKind::Cut);
        Event {
            n: 0,
            ms: 0,
            kind,
            connection: self.connection.id,
            request: self.request,
            method: self.method.to_string(),
            path: clean(self.uri.path().chars().take(200).collect()),
            endpoint: self.endpoint,
            client_id: known.client_id.map(clean),
            status: known.status.filter(|_| ended),
            error: known.error.filter(|_| ended),
            fault: self.fault.as_ref().map(FaultKind::word),
            body_in: self.body_in.load(Ordering::Relaxed),
            body_out: self.body_out.load(Ordering::Relaxed),
            asset: known.asset.map(clean),
            part: known.part,
            size: known.size,
            sha256: known.sha256,
            detail: known.detail.map(clean),
        }
    }

    /// Records a stage, and stands still if it is held.
    pub(crate) async fn reach(&self, kind: EventKind) {
        let held = self.note(kind);
        self.stand(held).await;
    }

    /// Records a stage. The answer is for [`Call::stand`].
    pub(crate) fn note(&self, kind: EventKind) -> Option<u64> {
        let (n, held) = self.app.journal.record(self.event(kind), self.app.now().ms);
        held.then_some(n)
    }

    /// Stands still at an event that is held.
    pub(crate) async fn stand(&self, held: Option<u64>) {
        if let Some(n) = held {
            self.app.journal.released(n).await;
        }
    }

    /// Ends the connection without (the rest of) an answer. Never returns: the connection takes the handler down.
    pub(crate) async fn cut(&self, reset: bool) -> std::convert::Infallible {
        self.over.store(true, Ordering::Relaxed);
        self.reach(EventKind::Cut).await;
        self.connection.cut(reset);
        std::future::pending().await
    }

    /// Turns the answer into HTTP. `half` sends only the first half of the body and then resets the connection.
    pub(crate) fn respond(self: &Arc<Self>, reply: Reply, half: bool) -> Response<Body> {
        self.over.store(true, Ordering::Relaxed);
        let (kind, source) = match reply.payload {
            Payload::Empty => (None, Source::Whole(Bytes::new())),
            Payload::Json(value) => (Some("application/json"), Source::Whole(value.to_string().into())),
            Payload::Raw(kind, bytes) => (Some(kind), Source::Whole(bytes.into())),
            Payload::Huge(bytes) => (Some("application/json"), Source::Huge { size: bytes, sent: 0 }),
            Payload::Trickle(every) => {
                (None, Source::Trickle { every, left: TRICKLE, next: Box::pin(clock::sleep(every)) })
            }
        };
        let source = match source {
            Source::Whole(bytes) if half => {
                Source::Half { first: bytes.slice(..bytes.len() / 2), size: bytes.len() }
            }
            other @ (Source::Whole(_)
            | Source::Huge { .. }
            | Source::Half { .. }
            | Source::Trickle { .. }) => other,
        };
        {
            let mut known = self.known();
            known.status = Some(reply.status.as_u16());
            known.error = reply.error;
        }
        self.body_out.store(source.size(), Ordering::Relaxed);
        let mut response = Response::new(Body::new(Outgoing { source, call: Arc::clone(self) }));
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let date = self.app.now().wall.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let date = (header::DATE.as_str(), date);
        for (name, value) in reply.headers.into_iter().chain([date]) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.over.load(Ordering::Relaxed) {
            self.known().detail = Some("the client went away".to_owned());
            self.app.journal.record(self.event(EventKind::Cut), self.app.now().ms);
        }
    }
}

/// What is still to be sent.
enum Source {
    Whole(Bytes),
    /// `{"filler":"xxx..."}`, made in blocks.
    Huge {
        size: u64,
        sent: u64,
    },
    /// The first half of a body of `size` bytes; the rest never comes.
    Half {
        first: Bytes,
        size: usize,
    },
    /// One blank after the other.
    Trickle {
        every: Duration,
        left: u64,
        next: Pin<Box<dyn Future<Output = ()> + Send>>,
    },
}

impl Source {
    fn size(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Huge { size, .. } => *size,
            Self::Half { first, .. } => first.len() as u64,
            Self::Trickle { left, .. } => *left,
        }
    }
}

/// Bytes of an answer that trickles.
const TRICKLE: u64 = 100_000;

const HEAD: &[u8] = b"{\"filler\":\"";
const TAIL: &[u8] = b"\"}";
const FILLER: &[u8] = &[b'x'; 65_536];

/// An answer's body. Its end is the `replied` event: the server drops it when all of it was taken.
struct Outgoing {
    source: Source,
    call: Arc<Call>,
}

impl Outgoing {
    fn next(&mut self) -> Option<Bytes> {
        match &mut self.source {
            Source::Whole(bytes) => (!bytes.is_empty()).then(|| std::mem::take(bytes)),
            Source::Half { first, .. } => (!first.is_empty()).then(|| std::mem::take(first)),
            Source::Trickle { left, .. } => left.checked_sub(1).map(|less| {
                *left = less;
                Bytes::from_static(b" ")
            }),
            Source::Huge { size, sent } => {
                let middle = size.saturating_sub((HEAD.len() + TAIL.len()) as u64);
                let filled = sent.saturating_sub(HEAD.len() as u64);
                let block = if *sent == 0 {
                    HEAD
                } else if filled < middle {
                    let rest = usize::try_from(middle - filled).unwrap_or(usize::MAX);
                    FILLER.get(..rest).unwrap_or(FILLER)
                } else if *sent < *size {
                    TAIL
                } else {
                    return None;
                };
                *sent += block.len() as u64;
                Some(Bytes::from_static(block))
            }
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Source::Trickle { every, next, .. } = &mut self.source {
            ready!(next.as_mut().poll(cx));
            *next = Box::pin(clock::sleep(*every));
        }
        if let Some(bytes) = self.next() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if matches!(self.source, Source::Half { .. }) {
            let call = Arc::clone(&self.call);
            // The bytes handed over leave while this waits; a reset at once would overtake them.
            tokio::spawn(async move {
                clock::sleep(Duration::from_millis(50)).await;
                call.connection.cut(true);
            });
            return Poll::Pending;
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Huge { size, sent } => sent >= size,
            Source::Half { .. } => false,
            Source::Trickle { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.source {
            Source::Whole(bytes) => bytes.len() as u64,
            Source::Huge { size, sent } => size.saturating_sub(*sent),
            Source::Half { first, size } => (size - size / 2 + first.len()) as u64,
            Source::Trickle { left, .. } => *left,
        })
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let whole = http_body::Body::is_end_stream(self);
        let kind = if whole { EventKind::Replied } else { EventKind::Cut };
        let app = &self.call.app;
        let (n, held) = app.journal.record(self.call.event(kind), app.now().ms);
        if held {
            self.call.connection.hold(n);
        }
    }
}
