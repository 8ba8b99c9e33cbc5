//! Lets a fault strike a call: instead of the model, or on the model's answer.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::call::Call;
use super::clock;
use super::event::Endpoint;
use super::fault::FaultKind;
use super::form::Content;
use super::reply::{Payload, Reply};

const OVERSIZED: u64 = 64 << 20;

const NOT_FOUND_PAGE: &str =
    "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1><hr>proxy</body></html>";
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
        FaultKind::Html404 => Some(bare(404, "text/html", NOT_FOUND_PAGE)),
        FaultKind::CaptivePortal => Some(bare(200, "text/html", PORTAL_PAGE)),
        FaultKind::Redirect => {
            let reply = Reply::new(StatusCode::FOUND, Payload::Empty);
            Some(reply.header("location", "http://captive.example/login"))
        }
        FaultKind::Stall | FaultKind::StallAfter(_) => std::future::pending().await,
        FaultKind::Reset | FaultKind::ResetAfter(_) => match call.cut(true).await {},
        FaultKind::ChannelPaused => Some(Reply::paused()),
        FaultKind::Detailed(status) => Some(detailed(*status)),
        FaultKind::Raw(status, body) => Some(Reply::new(status_code(*status), Payload::Json(body.clone()))),
        FaultKind::Delay(ms) => {
            clock::sleep(Duration::from_millis(*ms)).await;
            None
        }
        FaultKind::ResetMidBody
        | FaultKind::LostAnswer
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
        | FaultKind::Html404
        | FaultKind::CaptivePortal
        | FaultKind::Redirect
        | FaultKind::Stall
        | FaultKind::Reset
        | FaultKind::ResetAfter(_)
        | FaultKind::StallAfter(_)
        | FaultKind::ChannelPaused
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

/// The storage's way to say it.
fn storage(status: u16) -> Reply {
    let (code, message) = match status {
        400 => {
            ("RequestTimeout", "Your socket connection to the server was not read from or written to in time")
        }
        403 => ("AccessDenied", "Access Denied"),
        404 => ("NoSuchUpload", "The specified upload does not exist"),
        503 => ("SlowDown", "Please reduce your request rate"),
        _ => ("InternalError", "We encountered an internal error. Please try again"),
    };
    Reply::xml(status_code(status), code, message)
}

fn detailed(status: u16) -> Reply {
    let (title, detail) = match status {
        401 => return Reply::unauthorized(),
        402 => ("Payment Required", "The plan's limit is exceeded"),
        403 => ("Forbidden", "You do not have access to that resource"),
        404 => ("Not Found", "The resource was moved or deleted"),
        409 => ("Conflict", "The resource is in another state"),
        422 => ("Invalid Arguments", "The arguments are invalid"),
        _ => ("Error", "Simulated failure"),
    };
    Reply::detailed(status_code(status), title, detail)
}
