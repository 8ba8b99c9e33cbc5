//! Lets a fault strike a call: instead of the model, or on the model's answer.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::call::Call;
use super::clock;
use super::event::Endpoint;
use super::fault::{FaultKind, StorageError};
use super::form::Content;
use super::reply::{Payload, Reply};

const OVERSIZED: u64 = 64 << 20;

const PORTAL_PAGE: &str = "<!doctype html><html><head><title>Guest Wi-Fi</title></head><body><h1>Welcome</h1><p>Please accept the terms.</p></body></html>";

/// The answer of a fault that strikes before anything happens, if one does. A fault that ends the connection
/// does not return.
pub(crate) async fn instead(call: &Arc<Call>, content: &Content) -> Option<Reply> {
    if let (Endpoint::TokenPoll, Some(FaultKind::OAuth(word)), Content::Form(form)) =
        (call.endpoint, &call.fault, content)
        && word == "slow_down"
    {
        let now = call.app.now();
        call.app.world(now).slowed_down(form.get("device_code").map_or("", String::as_str), now);
    }
    match call.fault.as_ref()? {
        FaultKind::OAuth(word) => Some(Reply::oauth(word)),
        FaultKind::RateLimited(seconds) => {
            let mut reply = Reply::rate_limited();
            reply.headers.retain(|(name, _)| *name != "retry-after");
            Some(reply.header("retry-after", seconds))
        }
        FaultKind::Status(status) | FaultKind::Detailed(status) if call.endpoint == Endpoint::Part => {
            Some(storage(*status))
        }
        FaultKind::Status(status) => Some(bare(*status, "text/plain", "simulated failure\n")),
        FaultKind::Bare(status) => Some(bare(*status, "text/plain", "simulated failure\n")),
        FaultKind::Html(status) => Some(bare(*status, "text/html", &proxy_page(*status))),
        FaultKind::CaptivePortal => Some(bare(200, "text/html", PORTAL_PAGE)),
        FaultKind::Redirect => {
            let reply = Reply::new(StatusCode::FOUND, Payload::Empty);
            Some(reply.header("location", "http://captive.example/login"))
        }
        FaultKind::Storage(error) => Some(refused(*error)),
        FaultKind::RejectEarly(error) => Some(refused(*error).header("connection", "close")),
        FaultKind::Stall | FaultKind::StallAfter(_) => std::future::pending().await,
        FaultKind::Reset | FaultKind::ResetAfter(_) => match call.cut(true).await {},
        FaultKind::ChannelPaused => Some(Reply::paused()),
        FaultKind::RefuseAgain => Some(Reply::bad_request("The part is registered already")),
        FaultKind::Detailed(status) => Some(detailed(*status)),
        FaultKind::Raw(status, body) => Some(Reply::new(status_code(*status), Payload::Json(body.clone()))),
        FaultKind::Delay(ms) => {
            clock::sleep(Duration::from_millis(*ms)).await;
            None
        }
        FaultKind::Slow(_)
        | FaultKind::WrongEtag
        | FaultKind::OpaqueEtag
        | FaultKind::ResetMidBody
        | FaultKind::LostAnswer
        | FaultKind::Trickle(_)
        | FaultKind::Garbage
        | FaultKind::Oversized
        | FaultKind::WrongTypes
        | FaultKind::NegativeNumbers
        | FaultKind::HugeNumbers
        | FaultKind::MissingFields => None,
    }
}

/// What a fault makes of the model's answer; the flag asks to send only half of it. A lost answer does not
/// return.
pub(crate) async fn spoil(call: &Arc<Call>, mut reply: Reply) -> (Reply, bool) {
    let Some(fault) = &call.fault else { return (reply, false) };
    let change: fn(&Value) -> Value = match fault {
        FaultKind::LostAnswer => match call.cut(false).await {},
        FaultKind::ResetMidBody => return (reply, true),
        FaultKind::Oversized => {
            reply.payload = Payload::Huge(OVERSIZED);
            return (reply, false);
        }
        FaultKind::Trickle(ms) => {
            reply.payload = Payload::Trickle(Duration::from_millis(*ms));
            return (reply, false);
        }
        FaultKind::Garbage => {
            if let Payload::Json(body) = &reply.payload {
                let text = body.to_string();
                let half: String = text.chars().take(text.chars().count() / 2).collect();
                reply.payload = Payload::Raw("application/json", half.into_bytes());
            }
            return (reply, false);
        }
        FaultKind::WrongTypes => other_type,
        FaultKind::NegativeNumbers => |value| if value.is_number() { json!(-1) } else { value.clone() },
        FaultKind::HugeNumbers => |value| if value.is_number() { json!(1e300) } else { value.clone() },
        FaultKind::MissingFields => {
            if let Payload::Json(body) = &mut reply.payload {
                *body = json!({});
            }
            return (reply, false);
        }
        FaultKind::OAuth(_)
        | FaultKind::RateLimited(_)
        | FaultKind::Status(_)
        | FaultKind::Bare(_)
        | FaultKind::Html(_)
        | FaultKind::CaptivePortal
        | FaultKind::Redirect
        | FaultKind::Storage(_)
        | FaultKind::RejectEarly(_)
        | FaultKind::Stall
        | FaultKind::Reset
        | FaultKind::ResetAfter(_)
        | FaultKind::StallAfter(_)
        | FaultKind::Slow(_)
        | FaultKind::WrongEtag
        | FaultKind::OpaqueEtag
        | FaultKind::ChannelPaused
        | FaultKind::RefuseAgain
        | FaultKind::Detailed(_)
        | FaultKind::Raw(..)
        | FaultKind::Delay(_) => return (reply, false),
    };
    if let Payload::Json(Value::Object(fields)) = &mut reply.payload {
        fields.values_mut().for_each(|value| *value = change(value));
    }
    (reply, false)
}

fn other_type(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => json!([true]),
        Value::Number(_) => json!({ "value": "soon" }),
        Value::String(_) => json!(42),
        Value::Array(_) | Value::Object(_) => json!("none"),
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn bare(status: u16, kind: &'static str, text: &str) -> Reply {
    Reply::new(status_code(status), Payload::Raw(kind, text.as_bytes().to_vec()))
}

fn proxy_page(status: u16) -> String {
    let status = status_code(status);
    format!(
        "<html><head><title>{status}</title></head><body><h1>{}</h1><hr>proxy</body></html>",
        status.canonical_reason().unwrap_or_default()
    )
}

/// The storage's own error, with its own status.
fn refused(error: StorageError) -> Reply {
    let (status, code, message) = error.answer();
    Reply::xml(status_code(status), code, message)
}

/// The storage's way to say any status.
fn storage(status: u16) -> Reply {
    let error = match status {
        400 => StorageError::RequestTimeout,
        403 => StorageError::AccessDenied,
        404 => StorageError::NoSuchUpload,
        503 => StorageError::SlowDown,
        _ => StorageError::InternalError,
    };
    let (_, code, message) = error.answer();
    Reply::xml(status_code(status), code, message)
}

fn detailed(status: u16) -> Reply {
    let (title, detail) = match status {
        400 => return Reply::bad_request("The request is malformed"),
        401 => return Reply::unauthorized(),
        402 => ("Payment Required", "The plan's limit is exceeded"),
        403 => ("Forbidden", "You do not have access to that resource"),
        404 => return Reply::not_found("The resource was moved or deleted"),
        409 => ("Conflict", "The resource is in another state"),
        422 => ("Invalid Arguments", "The arguments are invalid"),
        _ => ("Error", "Simulated failure"),
    };
    Reply::detailed(status_code(status), title, detail)
}
