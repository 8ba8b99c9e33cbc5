//! The way out: everything that speaks HTTP, and nothing else does.
//!
//! # Decisions
//! - Two clients over the same TLS. reqwest asks the API: few small requests, where comfort counts. Parts of
//!   files go out by hyper on sockets of our own: they need options, timers and an eye on the socket that
//!   reqwest has no place for.
//! - Both are built when needed and dropped when idle: reading the system's certificates costs more than all the rest of
//!   a start, and keeping them half a megabyte for a request every few hours.
//! - No redirects, no cookies, bounded bodies, a time-out on everything. A redirect from these APIs can only be a captive
//!   portal.
//! - Errors never hold a URL: presigned URLs are bearer secrets.
mod answer;
mod api;
mod certificate;
mod connect;
mod failure;
mod names;
mod pool;
mod progress;
mod proxy;
mod sending;
mod shown;
mod socket;
mod tls;
mod upload;
mod verifier;

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use url::Url;

use crate::clock::Clock;
use crate::egress::Egress;
use crate::media::PartBody;
use connect::Connector;
use names::Names;
use proxy::Ways;
use rigpost_core::oauth::{Cause, Trouble};
use rigpost_core::provider::wire::{Connection, PartRequest, Request, Response, trouble};
use rigpost_core::provider::{SocketEnd, SocketRequest};
use shown::Shown;
use tls::Trust;

pub use certificate::{Dates, TlsError};
pub use connect::Congestion;
pub use failure::{AskError, PutError};
pub use progress::Patience;
pub use socket::Socket;

/// Sending a request. Two implementations in use: the client below, and a script for tests in paused time.
pub trait Transport: Send + Sync + 'static {
    /// Sends it and reads the answer to its end. Dropping the future cancels the request.
    fn send(&self, request: Request) -> impl Future<Output = Result<Response, Trouble>> + Send;

    /// Sends `length` bytes of a part, on a connection that parts share one after another. Takes as long as they keep
    /// moving, and then a bounded time for the answer. Dropping the future closes the connection.
    fn put(
        &self,
        part: PartRequest,
        length: u64,
        body: PartBody,
    ) -> impl Future<Output = Result<Response, PutError>> + Send;

    /// Opens a socket. Dropping the future closes the connection. Where there are none, it is refused.
    fn socket(&self, request: SocketRequest) -> impl Future<Output = Result<Socket, SocketEnd>> + Send {
        drop(request);
        std::future::ready(Err(SocketEnd::Refused("there are no sockets here".to_owned())))
    }

    /// Closes idle connections and gives their memory back: nothing of this kind will be sent for a while. What is in
    /// flight goes on.
    fn rest(&self, connection: Connection);

    /// How well one connection can fill a lossy link.
    fn congestion(&self) -> Congestion {
        Congestion::Untried
    }
}

/// The real client.
pub struct Http {
    names: Names,
    clock: Clock,
    open: CancellationToken,
    trust: Arc<Trust>,
    shown: Shown,
    ways: Arc<Ways>,
    user_agent: String,
    connector: Connector,
    api: api::Api,
    uploads: upload::Uploads,
}

impl Http {
    /// Shut until [`Http::open`], and costs nothing until the first request.
    pub fn new(egress: Egress, version: &str, clock: Clock) -> Http {
        Http::with_patience(egress, version, clock, Patience::default())
    }

    /// The same with other limits for connections on which nothing moves.
    pub fn with_patience(egress: Egress, version: &str, clock: Clock, patience: Patience) -> Http {
        let (names, user_agent) = (Names::new(clock.clone()), format!("rigpost/{version}"));
        let ways = Arc::new(Ways::new(egress.proxies.clone()));
        let trust = Arc::new(Trust::new(egress));
        let connector = Connector::new(names.clone(), ways.clone());
        Http {
            names: names.clone(),
            clock: clock.clone(),
            open: CancellationToken::new(),
            trust: trust.clone(),
            shown: Shown::default(),
            ways: ways.clone(),
            user_agent: user_agent.clone(),
            connector: connector.clone(),
            api: api::Api::new(user_agent.clone(), names, ways),
            uploads: upload::Uploads::new(user_agent, connector, clock, patience, trust),
        }
    }

    /// The daemon is up: requests may leave. Those that came before have waited, because building a client takes longer
    /// than all the rest of a start.
    pub fn open(&self) {
        self.open.cancel();
    }

    /// How many addresses a host has, looked up as for a request. `host`: a name or an address, without brackets.
    ///
    /// # Errors
    /// The system's resolver found none. It takes as long as it likes.
    pub async fn resolve(&self, host: &str) -> io::Result<usize> {
        Ok(self.names.clone().addresses(host.to_owned()).await?.len())
    }

    /// The proxy through which this address is reached, without user and password, if there is one. It looks the name up.
    pub fn proxy(&self, url: &Url) -> Option<String> {
        let proxy = self.ways.to(&url.as_str().parse().ok()?)?;
        Some(proxy.uri().to_string().trim_end_matches('/').to_owned())
    }

    /// Whom a request would trust.
    ///
    /// # Errors
    /// Nobody: the certificates of the system or of the configuration can't be used.
    pub fn trust(&self) -> Result<(), Trouble> {
        self.trust.config().map(drop)
    }

    /// [`Transport::send`] for who wants to know more of a failure than its class.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn ask(&self, request: Request) -> Result<Response, AskError> {
        self.open.cancelled().await;
        let client = self.api.client(request.connection, || self.trust.config())?;
        let uri = request.url.as_str().parse().map_err(|_| unusable("the address is none"))?;
        let host = self.ways.next_host(&uri);
        self.names.in_time(&host).await.map_err(|e| unknown(&e))?;
        let secrets = self.shown.add(request.secrets());
        let answer = api::send(client, request, secrets, &self.clock).await;
        if answer.is_err() {
            self.names.doubt(&host);
        }
        answer
    }
}

fn unusable(why: &str) -> AskError {
    AskError::from(Trouble { maybe_applied: false, ..trouble(Cause::Provider, why, None) })
}

/// A name that is not known.
fn unknown(e: &io::Error) -> AskError {
    let error = AskError::new(e);
    AskError { trouble: Trouble { maybe_applied: false, ..error.trouble }, ..error }
}

impl Transport for Http {
    async fn send(&self, request: Request) -> Result<Response, Trouble> {
        self.ask(request).await.map_err(|e| e.trouble)
    }

    async fn put(&self, part: PartRequest, length: u64, body: PartBody) -> Result<Response, PutError> {
        self.open.cancelled().await;
        self.uploads.put(part, length, body).await
    }

    async fn socket(&self, request: SocketRequest) -> Result<Socket, SocketEnd> {
        self.open.cancelled().await;
        Socket::open(&self.connector, &self.trust, &self.clock, &self.user_agent, request).await
    }

    fn rest(&self, connection: Connection) {
        self.api.rest(connection);
        if connection == Connection::Pooled {
            self.uploads.rest();
        }
        if self.api.resting() {
            self.trust.rest();
        }
    }

    fn congestion(&self) -> Congestion {
        self.uploads.congestion()
    }
}
