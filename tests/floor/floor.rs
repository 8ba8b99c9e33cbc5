//! The floor: the least program that stands on what the daemon stands on, so that `tests/measure` can say what
//! the daemon itself costs.
//!
//! It serves one interface on the system bus, keeps an SQLite database in WAL mode open, has an HTTPS client
//! ready, says READY=1 and does nothing more.
//!
//! # Decisions
//!
//! - The same profile, the same run, the same bus: only ratios mean something on another machine.
//! - The client is made at start and makes no request. `Fetch` can make one, so that the linker keeps all of it.
//! - Mozilla's roots are linked in rather than read from the system: reading them is one of the daemon's choices.
//! - Everything on the main thread, and nothing is ended in order: it is there to be killed.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use sd_notify::NotifyState;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use zbus::connection::Builder;
use zbus::fdo;

type Failure = Box<dyn Error + Send + Sync>;

/// An HTTPS client with Mozilla's roots, one connection per request.
struct Https(TlsConnector);

impl Https {
    fn new() -> Result<Https, rustls::Error> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Https(TlsConnector::from(Arc::new(config))))
    }

    /// Gets `/` from a host; returns the status and how many bytes came.
    async fn get(&self, host: &str) -> Result<(u16, usize), Failure> {
        let stream = TcpStream::connect((host, 443)).await?;
        let stream = self.0.connect(ServerName::try_from(host.to_owned())?, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::get("/").header(HOST, host).body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        drop(sender);
        connection.await??;
        Ok((status, body.len()))
    }
}

/// The interface: one property, and the one way to make a request.
struct Floor {
    https: Https,
    rows: u32,
}

#[zbus::interface(name = "org.rigpost.Floor1", introspection_docs = false)]
impl Floor {
    async fn fetch(&self, host: &str) -> fdo::Result<(u16, u64)> {
        let (status, length) =
            self.https.get(host).await.map_err(|error| fdo::Error::Failed(error.to_string()))?;
        Ok((status, u64::try_from(length).unwrap_or(u64::MAX)))
    }

    #[zbus(property)]
    fn rows(&self) -> u32 {
        self.rows
    }
}

fn open(path: &Path) -> rusqlite::Result<(Connection, u32)> {
    let database = Connection::open(path)?;
    database.pragma_update(None, "journal_mode", "wal")?;
    database.pragma_update(None, "synchronous", "full")?;
    database.execute_batch("CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, path TEXT NOT NULL)")?;
    let rows = database.query_row("SELECT count(*) FROM item", (), |row| row.get(0))?;
    Ok((database, rows))
}

async fn run() -> Result<(), Failure> {
    let path = std::env::args_os().nth(1).ok_or("usage: floor DATABASE")?;
    let (_database, rows) = open(Path::new(&path))?;
    let floor = Floor { https: Https::new()?, rows };
    let _connection =
        Builder::system().serve_at("/org/rigpost/Floor1", floor).name("org.rigpost.Floor1").build().await?;
    sd_notify::notify(&[NotifyState::Ready])?;
    std::future::pending().await
}

fn main() -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}
