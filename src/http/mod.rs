//! The way out: the only file with the HTTP client.
//!
//! # Decisions
//! - reqwest over rustls with ring. Built when needed and dropped when idle: reading the system's certificates costs
//!   more than all the rest of a start, and keeping them half a megabyte for a request every few hours.
//! - No redirects, no cookies, no proxies from the environment, bounded bodies, a time-out on everything. A redirect
//!   from these APIs can only be a captive portal.
//! - Names are resolved by the system's resolver on blocking threads, at most [`LOOKUPS`] at a time: a network that
//!   swallows questions would otherwise hold every blocking thread, and the store needs one.
//! - Errors lose their URL at once: presigned URLs are bearer secrets.
//! - The system's certificate store, plus a file from the configuration: sites with their own TLS inspection exist.
use crate::domain::oauth::{Cause, Trouble};
use crate::domain::secret::Secret;
use crate::media::PartBody;
use crate::provider::wire::{Body, Connection, MAX_BODY, Request, Response, trouble};
use reqwest::{
    Client, ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    header, multipart, redirect,
};
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    future::Future,
    net::ToSocketAddrs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(6);
/// A link that delivers nothing for this long is dead (TCP_USER_TIMEOUT).
const DEAD_LINK: Duration = Duration::from_secs(30);
/// A part may take as long as this rate needs, and a minute more.
const SLOWEST_BYTES_PER_SECOND: u64 = 8 * 1024;

/// Sending a request. Two implementations in use: the client below, and a script for tests in paused time.
pub trait Transport: Send + Sync + 'static {
    /// Sends it and reads the answer to its end. Dropping the future cancels the request.
    fn send(&self, request: Request) -> impl Future<Output = Result<Response, Trouble>> + Send;

    /// Puts one part of a file to a presigned URL, on a shared connection.
    fn put(
        &self,
        url: &Secret,
        headers: Vec<(&'static str, String)>,
        length: u64,
        body: PartBody,
    ) -> impl Future<Output = Result<Response, Trouble>> + Send;

    /// Closes idle connections and gives their memory back: nothing of this kind will be sent for a while. What is in
    /// flight goes on.
    fn rest(&self, connection: Connection);
}

/// The real client.
pub struct Http {
    ca_path: Option<PathBuf>,
    user_agent: String,
    clients: Mutex<Clients>,
    names: Arc<Names>,
    open: CancellationToken,
}

/// Look-ups at a time.
const LOOKUPS: usize = 2;

struct Names(Arc<Semaphore>);

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let slots = self.0.clone();
        Box::pin(async move {
            let slot = slots.acquire_owned().await?;
            let found = tokio::task::spawn_blocking(move || {
                // Held until the look-up really ends, also when nobody waits for it any more.
                let _slot = slot;
                (name.as_str(), 0).to_socket_addrs()
            });
            Ok(Box::new(found.await??) as Addrs)
        })
    }
}

#[derive(Default)]
struct Clients {
    tls: Option<Arc<ClientConfig>>,
    fresh: Option<Client>,
    pooled: Option<Client>,
}

impl Http {
    /// Shut until [`Http::open`], and costs nothing until the first request. `ca_path`: a PEM file of certificates to trust besides the system's.
    pub fn new(ca_path: Option<PathBuf>, version: &str) -> Http {
        Http {
            ca_path,
            user_agent: format!("rigpost/{version}"),
            clients: Mutex::default(),
            names: Arc::new(Names(Arc::new(Semaphore::new(LOOKUPS)))),
            open: CancellationToken::new(),
        }
    }

    /// The daemon is up: requests may leave. Those that came before have waited, because building a client takes longer
    /// than all the rest of a start.
    pub fn open(&self) {
        self.open.cancel();
    }

    fn client(&self, connection: Connection) -> Result<Client, Trouble> {
        let unusable = |why: String| Trouble { maybe_applied: false, ..trouble(Cause::Provider, why, None) };
        let mut clients =
            self.clients.lock().map_err(|_| unusable("the HTTP client failed before".to_owned()))?;
        let known = match connection {
            Connection::Fresh => &clients.fresh,
            Connection::Pooled => &clients.pooled,
        };
        if let Some(client) = known {
            return Ok(client.clone());
        }
        let tls = match &clients.tls {
            Some(tls) => tls.clone(),
            None => {
                clients.tls.insert(Arc::new(tls_config(self.ca_path.as_deref()).map_err(unusable)?)).clone()
            }
        };
        let builder = self.builder(&tls);
        let built = |b: ClientBuilder| b.build().map_err(|e| unusable(chain(&e.without_url())));
        match connection {
            Connection::Fresh => {
                let client = built(builder.pool_max_idle_per_host(0))?;
                Ok(clients.fresh.insert(client).clone())
            }
            Connection::Pooled => {
                let client = built(builder.pool_idle_timeout(Duration::from_secs(60)))?;
                Ok(clients.pooled.insert(client).clone())
            }
        }
    }

    fn builder(&self, tls: &ClientConfig) -> ClientBuilder {
        Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .dns_resolver(self.names.clone())
            .user_agent(&self.user_agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(DEAD_LINK)
            .tcp_nodelay(true)
    }
}

impl Transport for Http {
    async fn send(&self, request: Request) -> Result<Response, Trouble> {
        self.open.cancelled().await;
        let client = self.client(request.connection)?;
        let mut builder = if request.post { client.post(request.url) } else { client.get(request.url) };
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(token) = &request.bearer {
            builder = builder.bearer_auth(token.expose());
        }
        builder = match request.body {
            Body::Empty => builder,
            Body::Multipart(fields) => {
                let form = multipart::Form::new();
                builder.multipart(fields.iter().fold(form, |f, (k, v)| f.text(*k, v.expose().to_owned())))
            }
            Body::Json(json) => builder.header(header::CONTENT_TYPE, "application/json").body(json.to_vec()),
        };
        let answer = builder.timeout(request.timeout).send().await.map_err(sorted)?;
        read(answer).await
    }

    async fn put(
        &self,
        url: &Secret,
        headers: Vec<(&'static str, String)>,
        length: u64,
        body: PartBody,
    ) -> Result<Response, Trouble> {
        self.open.cancelled().await;
        let client = self.client(Connection::Pooled)?;
        let timeout = Duration::from_secs(60 + length / SLOWEST_BYTES_PER_SECOND);
        let mut builder = client.put(url.expose()).timeout(timeout).header(header::CONTENT_LENGTH, length);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let answer = builder.body(reqwest::Body::wrap(body)).send().await.map_err(sorted)?;
        read(answer).await
    }

    fn rest(&self, connection: Connection) {
        if let Ok(mut clients) = self.clients.lock() {
            match connection {
                Connection::Fresh => clients.fresh = None,
                Connection::Pooled => clients.pooled = None,
            }
            if clients.fresh.is_none() && clients.pooled.is_none() {
                clients.tls = None;
            }
        }
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Response, Trouble> {
    let text =
        |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_ascii_lowercase);
    let seconds = |name: &str| text(name).and_then(|t| t.trim().parse().ok()).map(Duration::from_secs);
    let window = || text("x-ratelimit-window").and_then(|t| t.trim().parse().ok()).map(Duration::from_millis);
    let status = answer.status().as_u16();
    let mut response = Response {
        status,
        content_type: text("content-type").unwrap_or_default(),
        retry_after: seconds("retry-after")
            .or_else(|| (status == 429).then(window).flatten())
            .map(|wait| wait.min(Duration::from_secs(3600))),
        etag: answer
            .headers()
            .get(header::ETAG)
            .and_then(|v| v.to_str().ok())
            .map(|t| t.chars().take(128).collect())
            .unwrap_or_default(),
        date: answer
            .headers()
            .get(header::DATE)
            .and_then(|v| httpdate::parse_http_date(v.to_str().ok()?).ok()?.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_secs()).ok()),
        body: Zeroizing::new(Vec::new()),
    };
    while let Some(chunk) = answer.chunk().await.map_err(sorted)? {
        if response.body.len() + chunk.len() > MAX_BODY {
            return Err(trouble(Cause::Provider, "the answer is larger than 1 MiB", None));
        }
        response.body.extend_from_slice(&chunk);
    }
    Ok(response)
}

fn tls_config(ca_path: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let bundle = openssl_probe::probe().cert_file.and_then(|path| CertificateDer::pem_file_iter(path).ok());
    match bundle {
        // One at a time: all of them at once would leave four hundred kilobytes of holes in the heap for good.
        Some(certs) => certs.filter_map(Result::ok).for_each(|cert| drop(roots.add(cert))),
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if let Some(path) = ca_path {
        let unreadable = |e| format!("certificate file {}: {e}", path.display());
        for cert in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            roots
                .add(cert.map_err(unreadable)?)
                .map_err(|e| format!("certificate file {}: {e}", path.display()))?;
        }
    }
    if roots.is_empty() {
        return Err("there are no certificates to trust; install ca-certificates".to_owned());
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|b| {
            let mut config = b.with_root_certificates(roots).with_no_client_auth();
            // One provider and one storage; the default keeps room for hundreds.
            config.resumption = Resumption::in_memory_sessions(8);
            config
        })
        .map_err(|e| e.to_string())
}

/// What a failure of the client means, without its URL.
fn sorted(e: reqwest::Error) -> Trouble {
    let e = e.without_url();
    let cause = if is_about_time(&e) { Cause::Clock } else { Cause::Network };
    // Before there was a connection nothing can have arrived.
    Trouble { cause, why: chain(&e), retry_after: None, maybe_applied: !e.is_connect() && !e.is_builder() }
}

fn is_about_time(e: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(e);
    while let Some(inner) = source {
        // rustls comes wrapped in one io::Error or two, whose source() skips the error they hold.
        let mut inner = inner;
        while let Some(held) = inner.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()) {
            inner = held;
        }
        if let Some(rustls::Error::InvalidCertificate(why)) = inner.downcast_ref::<rustls::Error>() {
            let text = format!("{why:?}");
            return matches!(why, CertificateError::Expired | CertificateError::NotValidYet)
                || text.starts_with("Expired")
                || text.starts_with("NotValidYet");
        }
        source = inner.source();
    }
    false
}

/// The error and its causes in one line, each said once.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = inner.source();
    }
    crate::provider::short(&text)
}
