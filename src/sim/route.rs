//! What a device's call is for, by its method, its path and (where both grants share an address) its body.

use axum::http::Method;

use super::event::Endpoint;
use super::form::Content;
use super::phoenix;

/// The endpoint, and the identifier in its path if it has one.
pub(crate) fn of<'a>(method: &Method, path: &'a str, content: &Content) -> (Endpoint, Option<&'a str>) {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let plain = |endpoint| (endpoint, None);
    match (method.as_str(), segments.as_slice()) {
        ("POST", ["v2", "auth", "device", "code"]) => plain(Endpoint::DeviceCode),
        ("POST", ["v2", "auth", "token"]) => plain(token(content)),
        ("POST", ["v2", "auth", "revoke"]) => plain(Endpoint::Revoke),
        ("GET", ["v2", "devices", "me"]) => plain(Endpoint::Me),
        // `/v2/assets` is the older name of the same call.
        ("POST", ["v2", "devices", "assets"] | ["v2", "assets"]) => plain(Endpoint::Create),
        ("POST", ["v2", "devices", "assets", id, "realtime_upload", "parts"]) => {
            (Endpoint::Register, Some(id))
        }
        ("POST", ["v2", "devices", "assets", id, "comments"]) => (Endpoint::Comment, Some(id)),
        ("POST", ["v2", "devices", "channels"]) => plain(Endpoint::Connect),
        ("POST", ["v2", "devices", "channels", "disconnect"]) => plain(Endpoint::Disconnect),
        ("POST", ["v2", "devices", "channels", id, "disconnect"]) => (Endpoint::Disconnect, Some(id)),
        ("POST", ["v2", "devices", "heartbeat"]) => plain(Endpoint::Heartbeat),
        ("GET", path) if *path == phoenix::PATH => plain(Endpoint::Socket),
        ("GET", ["health"]) => plain(Endpoint::Health),
        _ => plain(Endpoint::Other),
    }
}

fn token(content: &Content) -> Endpoint {
    match content {
        Content::Form(form) if form.get("grant_type").is_some_and(|grant| grant == "refresh_token") => {
            Endpoint::Refresh
        }
        Content::Form(_) | Content::Json(_) | Content::Unreadable => Endpoint::TokenPoll,
    }
}
