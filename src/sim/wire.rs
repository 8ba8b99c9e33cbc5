//! The way of every device-facing call: name it, let a fault strike, run the model, answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::upgrade::OnUpgrade;

use super::app::App;
use super::call::Call;
use super::connection::Connection;
use super::event::{Endpoint, EventKind};
use super::fault::Target;
use super::form::{self, Content};
use super::model::registered_numbers;
use super::reply::Reply;
use super::{endpoints, faulty, parts, route, socket};

/// Largest body of anything but a part.
const LARGEST_BODY: usize = 1 << 20;

/// The fallback of the router: everything that is not the page or the control interface.
pub(crate) async fn serve(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<Arc<Connection>>,
    request: Request<Body>,
) -> Response<Body> {
    if let Some(n) = connection.take_hold() {
        app.journal.released(n).await;
    }
    let (mut head, body) = request.into_parts();
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let path = head.uri.path();
    if head.method == Method::PUT && path.starts_with("/s3/parts/") {
        let fault = parts::strike(&app, path);
        let call = Arc::new(Call::new(app, connection, (Endpoint::Part, None), head, fault));
        parts::note_caller(&call);
        call.reach(EventKind::Received).await;
        return parts::serve(&call, body).await;
    }
    let bytes = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(whole) => Some(whole.to_bytes()),
        Err(_too_long_or_broken) => None,
    };
    let size = bytes.as_ref().map_or(0, Bytes::len) as u64;
    let content = match &bytes {
        Some(bytes) => form::read(&head.headers, bytes.clone()).await,
        None => Content::Unreadable,
    };
    let (endpoint, id) = route::of(&head.method, path, &content);
    let id = id.map(str::to_owned);
    let subject = Subject::of(&app, endpoint, id.as_deref(), &content);
    let fault = app.faults().strike(&subject.target(endpoint));
    let call = Arc::new(Call::new(app, connection, (endpoint, id), head, fault));
    subject.note(&call);
    call.body_in.store(size, Ordering::Relaxed);
    endpoints::note_caller(&call, &content);
    call.reach(EventKind::Received).await;
    if endpoint == Endpoint::Socket {
        return socket::serve(&call, upgrade).await;
    }
    if bytes.is_none() {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return call.respond(Reply::detailed(status, "Payload Too Large", "The body is too large"), false);
    }
    if let Some(reply) = faulty::instead(&call, &content).await {
        return call.respond(reply, false);
    }
    let reply = endpoints::serve(&call, &content).await;
    let (reply, half) = faulty::spoil(&call, reply).await;
    call.respond(reply, half)
}

/// What a call is about, before anything is done for it.
#[derive(Debug, Default)]
struct Subject {
    name: Option<String>,
    asset: Option<String>,
    parts: Vec<u64>,
    again: bool,
}

impl Subject {
    fn of(app: &App, endpoint: Endpoint, id: Option<&str>, content: &Content) -> Self {
        match (endpoint, content) {
            (Endpoint::Create, Content::Json(body)) => {
                let name = body.get("name").and_then(serde_json::Value::as_str).map(str::to_owned);
                Self { name, ..Self::default() }
            }
            (Endpoint::Create, Content::Form(form)) => {
                Self { name: form.get("name").cloned(), ..Self::default() }
            }
            (Endpoint::Comment | Endpoint::Register, _) => {
                let id = id.unwrap_or_default();
                let parts = match content {
                    Content::Json(body) if endpoint == Endpoint::Register => registered_numbers(body),
                    Content::Json(_) | Content::Form(_) | Content::Unreadable => Vec::new(),
                };
                let world = app.world(app.now());
                let name = world.assets.get(id).map(|asset| asset.name.clone());
                let asset = name.is_some().then(|| id.to_owned());
                Self { name, asset, again: world.registers_again(id, &parts), parts }
            }
            _ => Self::default(),
        }
    }

    fn target(&self, endpoint: Endpoint) -> Target<'_> {
        Target { endpoint, parts: &self.parts, item: self.name.as_deref(), again: self.again }
    }

    fn note(self, call: &Call) {
        let mut known = call.known();
        known.part = self.parts.first().copied();
        let parts = if self.parts.is_empty() { String::new() } else { format!(" parts {:?}", self.parts) };
        known.detail = self.asset.as_ref().map(|asset| format!("asset {asset}{parts}"));
        known.asset = self.asset;
    }
}
