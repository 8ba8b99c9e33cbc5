//! Requests to the provider's API: the only file with reqwest in the daemon.
//!
//! # Decisions
//! - A fresh connection for each request that wants one: the pairing guide asks for it, and an API call every few hours
//!   gains nothing from an open one.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder, NoProxy, Proxy, header, multipart, redirect};
use rustls::ClientConfig;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::connect::{CONNECT_TIMEOUT, DEAD_LINK};
use super::failure::AskError;
use super::names::Names;
use super::proxy::Ways;
use super::{answer, failure};
use crate::clock::Clock;
use rigpost_core::oauth::{Cause, Trouble};
use rigpost_core::provider::wire::{
    Authorization, Body, Connection, MAX_BODY, Method, Request, Response, trouble,
};
use rigpost_core::secret::Secret;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = self.clone().addresses(name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(addresses.await?) as Addrs) })
    }
}

/// As many as fit in 64 KiB.
pub(super) const MOST_HEADERS: usize = 11_000;

/// Clients that are built once they are needed.
pub(super) struct Api {
    user_agent: String,
    names: Names,
    ways: Arc<Ways>,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    fresh: Option<Client>,
    pooled: Option<Client>,
}

impl Clients {
    fn of(&mut self, connection: Connection) -> &mut Option<Client> {
        match connection {
            Connection::Fresh => &mut self.fresh,
            Connection::Pooled => &mut self.pooled,
        }
    }
}

impl Api {
    pub(super) fn new(user_agent: String, names: Names, ways: Arc<Ways>) -> Api {
        Api { user_agent, names, ways, clients: Mutex::default() }
    }

    pub(super) fn client(
        &self,
        connection: Connection,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, Trouble>,
    ) -> Result<Client, Trouble> {
        let unusable = |why: String| Trouble { maybe_applied: false, ..trouble(Cause::Provider, why, None) };
        let mut clients =
            self.clients.lock().map_err(|_| unusable("the HTTP client failed before".to_owned()))?;
        let known = clients.of(connection);
        if let Some(client) = known {
            return Ok(client.clone());
        }
        let builder = self.builder(&*tls()?);
        let builder = match connection {
            //= frameio-c2c#3.1
            //# Each request for a code has a TCP connection of its own.
            Connection::Fresh => builder.pool_max_idle_per_host(0),
            Connection::Pooled => builder.pool_idle_timeout(Duration::from_secs(60)),
        };
        let client = self
            .proxies()
            .map(|proxies| proxies.into_iter().fold(builder, ClientBuilder::proxy))
            .and_then(ClientBuilder::build)
            .map_err(|e| unusable(failure::chain(&e.without_url())))?;
        Ok(known.insert(client).clone())
    }

    fn builder(&self, tls: &ClientConfig) -> ClientBuilder {
        Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .http1_max_headers(MOST_HEADERS)
            .dns_resolver(Arc::new(self.names.clone()))
            .user_agent(&self.user_agent)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(DEAD_LINK)
            .tcp_nodelay(true)
    }

    fn proxies(&self) -> reqwest::Result<Vec<Proxy>> {
        let proxies = self.ways.proxies();
        let https = proxies.https.as_ref().map(|proxy| Proxy::https(proxy.url().expose()));
        let http = proxies.http.as_ref().map(|proxy| Proxy::http(proxy.url().expose()));
        let except = |proxy: reqwest::Result<Proxy>| {
            proxy.map(|proxy| proxy.no_proxy(NoProxy::from_string(&proxies.except)))
        };
        https.into_iter().chain(http).map(except).collect()
    }

    pub(super) fn rest(&self, connection: Connection) {
        if let Ok(mut clients) = self.clients.lock() {
            *clients.of(connection) = None;
        }
    }

    /// No client is kept.
    pub(super) fn resting(&self) -> bool {
        self.clients.lock().is_ok_and(|c| c.fresh.is_none() && c.pooled.is_none())
    }
}

/// Sends it and reads the answer to its end.
pub(super) async fn send(
    client: Client,
    request: Request,
    secrets: Vec<Secret>,
    clock: &Clock,
) -> Result<Response, AskError> {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Delete => reqwest::Method::DELETE,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Options => reqwest::Method::OPTIONS,
    };
    let mut builder = match &request.signed {
        None => client.request(method, request.url),
        Some(signed) => client.request(method, signed.expose()),
    };
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    builder = match &request.authorization {
        Some(Authorization::Bearer(token)) => builder.bearer_auth(token.expose()),
        Some(Authorization::Dpop(token)) => {
            let value = Zeroizing::new(format!("DPoP {}", token.expose()));
            builder.header(header::AUTHORIZATION, value.as_str())
        }
        Some(Authorization::Basic { id, secret }) => {
            builder.basic_auth(form_encoded(&id.0).as_str(), Some(form_encoded(secret.expose()).as_str()))
        }
        None => builder,
    };
    builder = match request.body {
        // Some proxies refuse a POST that does not say how long it is.
        Body::Empty if request.method == Method::Post => builder.header(header::CONTENT_LENGTH, 0),
        Body::Empty => builder,
        Body::Multipart(fields) => {
            let form = multipart::Form::new();
            builder.multipart(fields.iter().fold(form, |f, (k, v)| f.text(k.clone(), v.expose().to_owned())))
        }
        Body::Form(fields) => {
            let mut text = form_urlencoded::Serializer::new(String::new());
            text.extend_pairs(fields.iter().map(|(k, v)| (k.as_ref(), v.expose())));
            builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(text.finish())
        }
        Body::Xml(xml) => builder.header(header::CONTENT_TYPE, "application/xml").body(xml),
        Body::Json(json) => builder.header(header::CONTENT_TYPE, "application/json").body(json.to_vec()),
    };
    let mut answer = builder.timeout(request.timeout).send().await.map_err(sorted)?;
    let mut response = answer::head(answer.status(), answer.headers(), clock.now().wall);
    response.secrets = secrets;
    while let Some(chunk) = answer.chunk().await.map_err(sorted)? {
        if response.body.len() + chunk.len() > MAX_BODY {
            return Err(trouble(Cause::Provider, "the answer is larger than 4 MiB", None).into());
        }
        response.body.extend_from_slice(&chunk);
    }
    Ok(response)
}

/// RFC 6749 appendix B.
fn form_encoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect())
}

/// What a failure of the client means, without its URL.
fn sorted(e: reqwest::Error) -> AskError {
    let e = e.without_url();
    let mut error = AskError::new(&e);
    if e.is_timeout() {
        error.root = "no answer in time".to_owned();
    }
    // Before there was a connection nothing can have arrived.
    error.trouble.maybe_applied = !e.is_connect() && !e.is_builder();
    error
}
