//! Connections for parts: sockets with the options that a bad link asks for.
//!
//! # Decisions
//! - hyper-util's connector underneath: it tries both address families at once, and reqwest brings it along anyway.
//! - Through a proxy by hyper-util's tunnel around that connector, whatever the address is: the socket, with its options,
//!   is then the one to the proxy, which looks names up.
//! - BBR where the kernel lets us: on a link that loses one packet in a hundred it carries ten times what CUBIC does. It
//!   may be refused (`net.ipv4.tcp_allowed_congestion_control`) or missing; that is said once, and more connections
//!   have to do, where the configuration sets no limit.
//! - Keep-alive probes well within the time after which an unconfirmed byte ends a connection, so that a link that died
//!   while we wait for an answer is seen as soon as one that died under our bytes.
//! - A write that fails is not reported: a server that refuses a part answers and closes, and its answer is there to be
//!   read when our next write meets the closed door. The reading side goes on until it has seen the end, and only
//!   that is the connection's failure.
use std::error::Error;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::vec;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use rustix::net::sockopt::set_tcp_congestion;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;
use tracing::info;

use super::names::Names;
use super::progress::{Ends, Meter};
use super::proxy::Ways;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);
/// A link that confirms nothing for this long is dead (TCP_USER_TIMEOUT).
pub(super) const DEAD_LINK: Duration = Duration::from_secs(30);
const ALGORITHM: &str = "bbr";
const PROBE_AFTER: Duration = Duration::from_secs(10);
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// How our sockets share a link with its losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Congestion {
    /// No connection was made yet.
    Untried,
    /// One connection can fill the link.
    Bbr,
    /// The system's default: a lossy link needs more connections.
    Default,
}

/// Makes connections.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector<Names>,
    names: Names,
    ways: Arc<Ways>,
    bbr: Arc<OnceLock<bool>>,
}

/// A connection, and what can be told of it while hyper has it.
pub(super) struct Connected {
    pub(super) io: Box<dyn Io>,
    pub(super) meter: Arc<Meter>,
    pub(super) ends: Option<Ends>,
}

/// Encrypted or not.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Service<Name> for Names {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<vec::IntoIter<SocketAddr>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().addresses(name.as_str().to_owned()))
    }
}

impl Connector {
    pub(super) fn new(names: Names, ways: Arc<Ways>) -> Connector {
        let mut tcp = HttpConnector::new_with_resolver(names.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_tcp_user_timeout(Some(DEAD_LINK));
        tcp.set_keepalive(Some(PROBE_AFTER));
        tcp.set_keepalive_interval(Some(PROBE_EVERY));
        Connector { tcp, names, ways, bbr: Arc::default() }
    }

    pub(super) fn congestion(&self) -> Congestion {
        match self.bbr.get() {
            None => Congestion::Untried,
            Some(true) => Congestion::Bbr,
            Some(false) => Congestion::Default,
        }
    }

    /// Has the name on the way there looked up, and answers with it: what follows is bounded in time.
    pub(super) async fn look_up(&self, origin: &Uri) -> io::Result<String> {
        let host = self.ways.next_host(origin);
        self.names.in_time(&host).await.map(|()| host)
    }

    /// No connection came about.
    pub(super) fn doubt(&self, host: &str) {
        self.names.doubt(host);
    }

    /// To the host and port of `origin`, encrypted where `tls` is given.
    pub(super) async fn connect(
        &self,
        origin: Uri,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Connected, Box<dyn Error + Send + Sync>> {
        let host = origin.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let socket = self.socket(origin).await?;
        self.ask_for_bbr(&socket);
        let ends = socket.local_addr().and_then(|local| Ok(Ends { local, peer: socket.peer_addr()? })).ok();
        let meter = Arc::<Meter>::default();
        let socket = Metered { socket, meter: meter.clone() };
        let io: Box<dyn Io> = match tls {
            None => Box::new(socket),
            Some(config) => {
                let name = ServerName::try_from(host)?;
                Box::new(TlsConnector::from(config).connect(name, socket).await?)
            }
        };
        Ok(Connected { io: Box::new(Asking { io, asked: false, reader: None }), meter, ends })
    }

    /// To the server, or through a proxy to the server.
    async fn socket(&self, origin: Uri) -> Result<TcpStream, Box<dyn Error + Send + Sync>> {
        let Some(proxy) = self.ways.to(&origin) else {
            return Ok(self.tcp.clone().call(origin).await?.into_inner());
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        Ok(tunnel.call(with_port(origin)?).await?.into_inner())
    }

    fn ask_for_bbr(&self, socket: &TcpStream) {
        let answer = set_tcp_congestion(socket, ALGORITHM);
        self.bbr.get_or_init(|| {
            if let Err(e) = answer {
                info!(
                    "no BBR congestion control for uploads ({e}): a lossy link gets more connections, unless parallel_parts limits them"
                );
            }
            answer.is_ok()
        });
    }
}

/// The tunnel takes an address without a port for one of https.
fn with_port(origin: Uri) -> Result<Uri, http::Error> {
    let plain = origin.port().is_none() && origin.scheme() == Some(&Scheme::HTTP);
    let Some(host) = origin.host().filter(|_| plain) else { return Ok(origin) };
    Uri::builder().scheme(Scheme::HTTP).authority(format!("{host}:80")).path_and_query("/").build()
}

/// A connection on which nothing is heard before something was asked. A server that refuses whatever it will be asked says
/// so at once; to hyper an answer without a request is a broken connection.
struct Asking {
    io: Box<dyn Io>,
    asked: bool,
    /// Waits for the first question.
    reader: Option<Waker>,
}

impl Asking {
    /// Also where the write came to nothing: the door may be closed behind an answer.
    fn written(&mut self) {
        if !std::mem::replace(&mut self.asked, true) {
            self.reader.take().into_iter().for_each(Waker::wake);
        }
    }
}

impl AsyncRead for Asking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.asked {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Asking {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, buf);
        self.written();
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.written();
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A socket that counts, and that keeps a failed write to itself.
struct Metered {
    socket: TcpStream,
    meter: Arc<Meter>,
}

impl Metered {
    fn written(&self, outcome: Poll<io::Result<usize>>, cx: &Context<'_>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(Ok(bytes)) => self.meter.count_written(bytes),
            Poll::Ready(Err(e)) => {
                self.meter.fail(&e);
                // Once more around, to the reading side: from here on only that gets anywhere.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Pending => {}
        }
        outcome
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.meter.count_read(buf.filled().len() - before);
        outcome
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.meter.failed().is_some() {
            return Poll::Pending;
        }
        let outcome = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.written(outcome, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.meter.failed().is_some() {
            return Poll::Pending;
        }
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.written(outcome, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
