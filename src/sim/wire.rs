//! The way of every device-facing call: name it, let a fault strike, run the model, answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};

use super::app::App;
use super::call::Call;
use super::connection::Connection;
use super::event::{Endpoint, EventKind};
use super::fault::Target;
use super::form::{self, Content};
use super::reply::Reply;
use super::{endpoints, faulty, parts};

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
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if head.method == Method::PUT && path.starts_with("/s3/parts/") {
        let fault = parts::strike(&app, path);
        let call = Arc::new(Call::new(app, connection, Endpoint::Part, head, fault));
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
    let endpoint = classify(&head.method, path, &content);
    let item = match (&content, endpoint) {
        (Content::Json(body), Endpoint::Create) => body.get("name").and_then(serde_json::Value::as_str),
        (Content::Form(form), Endpoint::Create) => form.get("name").map(String::as_str),
        (Content::Form(_) | Content::Json(_) | Content::Unreadable, _) => None,
    };
    let fault = app.faults().strike(&Target { endpoint, part: None, item });
    let call = Arc::new(Call::new(app, connection, endpoint, head, fault));
    call.body_in.store(size, Ordering::Relaxed);
    endpoints::note_caller(&call, &content);
    call.reach(EventKind::Received).await;
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

fn classify(method: &Method, path: &str, content: &Content) -> Endpoint {
    match (method.as_str(), path) {
        ("POST", "/v2/auth/device/code") => Endpoint::DeviceCode,
        ("POST", "/v2/auth/token") => match content {
            Content::Form(form) if form.get("grant_type").is_some_and(|grant| grant == "refresh_token") => {
                Endpoint::Refresh
            }
            Content::Form(_) | Content::Json(_) | Content::Unreadable => Endpoint::TokenPoll,
        },
        ("POST", "/v2/auth/revoke") => Endpoint::Revoke,
        ("GET", "/v2/devices/me") => Endpoint::Me,
        // `/v2/assets` is the older name of the same call.
        ("POST", "/v2/devices/assets" | "/v2/assets") => Endpoint::Create,
        ("POST", "/v2/devices/heartbeat") => Endpoint::Heartbeat,
        ("GET", "/health") => Endpoint::Health,
        _ => Endpoint::Other,
    }
}
