//! A server that does to a part whatever a test wants: it is given the bare connection.
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustix::net::sockopt::set_socket_linger;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// One accepted connection.
pub struct Peer {
    pub io: Box<dyn Io>,
    /// Counts from zero.
    pub number: usize,
    /// Another handle of the same socket, for its options.
    socket: std::net::TcpStream,
    buffer: Vec<u8>,
}

impl Peer {
    /// The head of the next request; empty when the client has closed.
    pub async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let rest = self.buffer.split_off(end + 4);
                let head = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8(head).unwrap().to_ascii_lowercase();
            }
            if self.io.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return String::new();
            }
        }
    }

    /// The next `len` bytes of a body, or as many as there are.
    pub async fn body(&mut self, len: usize) -> Vec<u8> {
        while self.buffer.len() < len {
            if self.io.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return std::mem::take(&mut self.buffer);
            }
        }
        let rest = self.buffer.split_off(len);
        std::mem::replace(&mut self.buffer, rest)
    }

    pub async fn say(&mut self, text: &str) {
        // The client may be gone already.
        self.says(text).await;
    }

    /// The same; false when the client is gone.
    pub async fn says(&mut self, text: &str) -> bool {
        self.io.write_all(text.as_bytes()).await.is_ok() && self.io.flush().await.is_ok()
    }

    /// Takes a whole request, and says 200.
    pub async fn serve(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head().await;
        let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
        if head.contains("expect: 100-continue") {
            self.say("HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        let body = self.body(length).await;
        if body.len() < length {
            return None;
        }
        self.say("HTTP/1.1 200 OK\r\nETag: \"abc\"\r\nContent-Length: 0\r\n\r\n").await;
        Some((head, body))
    }

    /// Closes with a reset, whatever was read.
    pub fn reset(self) {
        set_socket_linger(&self.socket, Some(Duration::ZERO)).unwrap();
    }

    /// Returns once the client has closed.
    pub async fn gone(mut self) {
        let mut scrap = vec![0; 65_536];
        while self.io.read(&mut scrap).await.unwrap_or(0) > 0 {}
    }
}

/// Listens until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    tls: bool,
    _task: JoinSet<()>,
}

impl Server {
    /// Each connection is handed to `handle`.
    pub async fn start<F, Fut>(authority: Option<&Authority>, handle: F) -> Server
    where
        F: Fn(Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Server::on(listener, authority, handle)
    }

    /// The same with a certificate of any kind.
    pub async fn encrypting<F, Fut>(acceptor: TlsAcceptor, handle: F) -> Server
    where
        F: Fn(Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Server::accepting(listener, Some(acceptor), handle)
    }

    pub fn on<F, Fut>(listener: TcpListener, authority: Option<&Authority>, handle: F) -> Server
    where
        F: Fn(Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Server::accepting(listener, authority.map(|a| a.acceptor.clone()), handle)
    }

    fn accepting<F, Fut>(listener: TcpListener, acceptor: Option<TlsAcceptor>, handle: F) -> Server
    where
        F: Fn(Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let (tls, connections) = (acceptor.is_some(), Arc::new(AtomicUsize::new(0)));
        let counter = connections.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let (handle, mut peers) = (Arc::new(handle), JoinSet::new());
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Relaxed);
                let (acceptor, handle) = (acceptor.clone(), handle.clone());
                peers.spawn(async move {
                    if let Some(peer) = accept(stream, acceptor, number).await {
                        handle(peer).await;
                    }
                });
            }
        });
        Server { address, connections, tls, _task: task }
    }

    /// How many were accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// A presigned URL, as a storage makes them.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}/parts/clip%20one.mov?X-Amz-Signature=topsecret&n=1", self.address)
    }
}

async fn accept(stream: TcpStream, acceptor: Option<TlsAcceptor>, number: usize) -> Option<Peer> {
    // Or a small answer would wait here until a reset takes it away.
    stream.set_nodelay(true).unwrap();
    let stream = stream.into_std().unwrap();
    let socket = stream.try_clone().unwrap();
    let stream = TcpStream::from_std(stream).unwrap();
    let io: Box<dyn Io> = match acceptor {
        None => Box::new(stream),
        Some(acceptor) => Box::new(acceptor.accept(stream).await.ok()?),
    };
    Some(Peer { io, number, socket, buffer: Vec::new() })
}

/// A certificate for 127.0.0.1 or for somebody else, and who signed it.
pub struct Authority {
    acceptor: TlsAcceptor,
    dir: TempDir,
}

impl Authority {
    /// The certificate is good from one year to the other.
    pub fn new(from: i32, to: i32) -> Authority {
        Authority::of(&["127.0.0.1"], from, to)
    }

    /// Good today, for these.
    pub fn named(names: &[&str]) -> Authority {
        Authority::of(names, 2020, 2099)
    }

    fn of(names: &[&str], from: i32, to: i32) -> Authority {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (authority.not_before, authority.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2100, 1, 1));
        let authority_key = KeyPair::generate().unwrap();
        let pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let mut leaf =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        leaf.use_authority_key_identifier_extension = true;
        (leaf.not_before, leaf.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
        Authority { acceptor: TlsAcceptor::from(Arc::new(config)), dir }
    }

    /// Good today.
    pub fn good() -> Authority {
        Authority::new(2020, 2099)
    }

    /// Its certificate in PEM.
    pub fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("ca.pem")
    }
}
