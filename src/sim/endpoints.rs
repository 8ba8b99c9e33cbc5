//! The device-facing endpoints: from a request to the model and back.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::clock::Moment;
use super::event::{Endpoint, EventKind};
use super::form::{Content, Fields};
use super::model::asset::Asset;
use super::model::device::Device;
use super::model::{World, rate};
use super::reply::{Payload, Reply};
use super::{secret, socket};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const REFRESH_GRANT: &str = "refresh_token";

fn bearer(call: &Call) -> Option<&str> {
    let (scheme, token) = call.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Writes down who calls, as far as the request says, and what is missing from it.
pub(crate) fn note_caller(call: &Call, content: &Content) {
    let now = call.app.now();
    let mut world = call.app.world(now);
    let named = match content {
        Content::Form(form) => form.get("client_id").map(|id| id.chars().take(255).collect::<String>()),
        Content::Json(_) | Content::Unreadable => None,
    };
    let by_socket = call.endpoint == Endpoint::Socket;
    let token = if by_socket { socket::token(call) } else { bearer(call).map(str::to_owned) };
    let client_id = named.or_else(|| token.and_then(|token| world.owner(&token)));
    let of_the_api = by_socket || call.uri.path().starts_with("/v2/");
    if call.header("x-client-version").is_none() && of_the_api {
        let who = client_id.as_deref().unwrap_or("an unknown device");
        let text = format!("no x-client-version header: {who} at {}", call.endpoint.word());
        if !world.violations.contains(&text) {
            world.violation(text);
        }
    }
    call.known().client_id = client_id;
}

/// Runs the model for one call, and records the effect if there was one.
pub(crate) async fn serve(call: &Arc<Call>, content: &Content) -> Reply {
    let now = call.app.now();
    let outcome = {
        let mut world = call.app.world(now);
        run(call, content, &mut world, now)
    };
    match outcome {
        Ok((reply, changed)) => {
            if changed {
                call.reach(EventKind::Effect).await;
            }
            reply
        }
        Err(refusal) => refusal,
    }
}

/// The answer, and whether anything changed.
type Outcome = Result<(Reply, bool), Reply>;

fn run(call: &Call, content: &Content, world: &mut World, now: Moment) -> Outcome {
    let version = call.header("x-client-version");
    match call.endpoint {
        Endpoint::DeviceCode => device_code(call, form(content)?, world, now),
        Endpoint::TokenPoll => {
            let form = form(content)?;
            match form.get("grant_type").map(String::as_str) {
                Some(DEVICE_GRANT) => world.poll(form, now).map(|tokens| issued(call, tokens)),
                Some(REFRESH_GRANT) | None => Err(Reply::oauth("bad_request")),
                Some(_) => Err(Reply::oauth("unsupported_grant_type")),
            }
        }
        Endpoint::Refresh => world.refresh(form(content)?, now).map(|tokens| issued(call, tokens)),
        Endpoint::Revoke => world.revoke_by_token(form(content)?).map(|body| (Reply::json(body), true)),
        Endpoint::Me => {
            let client_id = world.bearer(bearer(call), version, now)?;
            let device = world.device_mut(&client_id).map_err(|_| Reply::unauthorized())?;
            Ok((Reply::json(me(device, now)), false))
        }
        Endpoint::Heartbeat => {
            let client_id = world.bearer(bearer(call), version, now)?;
            heartbeat(call, &client_id, world, now)
        }
        Endpoint::Create => create(call, content, world, now),
        Endpoint::Register => register(call, content, world, now),
        Endpoint::Comment => comment(call, content, world, now),
        Endpoint::Connect => {
            let client_id = world.bearer(bearer(call), version, now)?;
            let answer = world.connect(&client_id, json(content), now)?;
            let index = answer.get("external_index").and_then(Value::as_u64).unwrap_or(0);
            call.known().detail = Some(format!("channel {index}"));
            Ok((Reply::json(answer), true))
        }
        Endpoint::Disconnect => {
            let client_id = world.bearer(bearer(call), version, now)?;
            world.disconnect(&client_id, call.id.as_deref())?;
            Ok((Reply::new(StatusCode::NO_CONTENT, Payload::Empty), true))
        }
        Endpoint::Health => Ok((Reply::json(json!({ "status": "ok" })), false)),
        Endpoint::Part | Endpoint::Socket | Endpoint::Other | Endpoint::Person => {
            Err(Reply::not_found("There is no such resource"))
        }
    }
}

/// More than one a minute is told to slow down where the limits are enforced, and written down everywhere.
fn heartbeat(call: &Call, client_id: &str, world: &mut World, now: Moment) -> Outcome {
    let (detail, too_soon) = match world.heartbeat(client_id, now) {
        Ok(None) => ("first heartbeat".to_owned(), false),
        Ok(Some(seconds)) => (format!("heartbeat, {seconds} s after the last"), false),
        Err(seconds) => (format!("heartbeat too soon, {seconds} s after the last"), true),
    };
    call.known().detail = Some(detail);
    if too_soon && world.rules.enforce_rate_limit {
        return Err(Reply::rate_limited());
    }
    Ok((Reply::new(StatusCode::NO_CONTENT, Payload::Empty), true))
}

/// The authorization endpoints take form data only.
fn form(content: &Content) -> Result<&Fields, Reply> {
    match content {
        Content::Form(form) => Ok(form),
        Content::Json(_) | Content::Unreadable => Err(Reply::oauth("bad_request")),
    }
}

/// The newer endpoints take JSON only.
fn json(content: &Content) -> Option<&Value> {
    match content {
        Content::Json(body) => Some(body),
        Content::Form(_) | Content::Unreadable => None,
    }
}

fn issued(call: &Call, tokens: Value) -> (Reply, bool) {
    let named = tokens.get("refresh_token").and_then(Value::as_str).map(secret::short).unwrap_or_default();
    call.known().detail = Some(format!("issued refresh token {named}"));
    (Reply::json(tokens), true)
}

fn device_code(call: &Call, form: &Fields, world: &mut World, now: Moment) -> Outcome {
    // Observed of Frame.io: a second code request on one connection is told to slow down, whatever the delay.
    if call.repeats_code_request {
        world.violation("asked for a second code on one connection".to_owned());
        call.known().detail = Some("second code request on this connection".to_owned());
        return Err(Reply::oauth("slow_down"));
    }
    let mut answer = world.request_code(form, call.header("x-client-version"), now)?;
    let user_code = answer.get("user_code").and_then(Value::as_str).unwrap_or_default().to_owned();
    call.known().detail = Some(format!("code {}", secret::short(&user_code)));
    let wants_address = call.header("x-client-platypus-enabled").is_some_and(|value| value == "true");
    if let (true, Some(fields)) = (wants_address, answer.as_object_mut()) {
        let base = call.page_base();
        fields.insert("verification_uri".to_owned(), json!(format!("{base}/device")));
        let complete = json!(format!("{base}/device?code={user_code}"));
        fields.insert("verification_uri_complete".to_owned(), complete);
    }
    Ok((Reply::json(answer), true))
}

fn create(call: &Call, content: &Content, world: &mut World, now: Moment) -> Outcome {
    let client_id = world.bearer(bearer(call), call.header("x-client-version"), now)?;
    call.known().client_id = Some(client_id.clone());
    let body = match content {
        Content::Json(body) => body.clone(),
        Content::Form(form) => {
            let fields = form.iter().map(|(name, value)| (name.clone(), json!(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Content::Unreadable => return Err(Reply::invalid("the body is neither JSON nor form data")),
    };
    let left = world.count_call(&client_id, rate::CREATIONS, now)?;
    let with_limits = |reply| rate::CREATIONS.on(reply, left);
    let address = |asset: &Asset, n: u64, marker: &str| address(call, asset, n, marker, now);
    let answer = world.create_asset(&client_id, &body, address, now).map_err(with_limits)?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut known = call.known();
    known.asset = Some(text("id").to_owned());
    known.size = answer.get("filesize").and_then(Value::as_u64);
    known.detail = Some(format!("asset {} {}", text("id"), text("name")));
    drop(known);
    Ok((with_limits(Reply::new(StatusCode::CREATED, Payload::Json(answer))), true))
}

/// Where a part of an asset goes: to us, or past us to real storage.
fn address(call: &Call, asset: &Asset, n: u64, marker: &str, now: Moment) -> String {
    match &call.app.bucket {
        Some(bucket) => bucket.address(asset, n, now),
        None => format!("{}{}", call.base(), asset.upload_path(n, marker, now)),
    }
}

fn register(call: &Call, content: &Content, world: &mut World, now: Moment) -> Outcome {
    let client_id = world.bearer(bearer(call), call.header("x-client-version"), now)?;
    let left = world.count_call(&client_id, rate::REGISTRATIONS, now)?;
    let with_limits = |reply| rate::REGISTRATIONS.on(reply, left);
    let address = |asset: &Asset, n: u64, marker: &str| address(call, asset, n, marker, now);
    let asset = call.id.as_deref().unwrap_or_default();
    let answer = world.register_parts(&client_id, asset, json(content), address, now).map_err(with_limits)?;
    Ok((with_limits(Reply::json(answer)), true))
}

fn comment(call: &Call, content: &Content, world: &mut World, now: Moment) -> Outcome {
    let client_id = world.bearer(bearer(call), call.header("x-client-version"), now)?;
    let left = world.count_call(&client_id, rate::COMMENTS, now)?;
    let with_limits = |reply| rate::COMMENTS.on(reply, left);
    let asset = call.id.as_deref().unwrap_or_default();
    let answer = world.comment(&client_id, asset, json(content), now).map_err(with_limits)?;
    Ok((with_limits(Reply::json(answer)), true))
}

/// The device as `GET /v2/devices/me` shows it.
fn me(device: &Device, now: Moment) -> Value {
    let ends = device.ends_ms.map(|end| {
        let left = i64::try_from(end.saturating_sub(now.ms) / 1000).unwrap_or(i64::MAX);
        now.wall.saturating_add(jiff::SignedDuration::from_secs(left)).unwrap_or(now.wall).to_string()
    });
    let status = device.status(now);
    let creator = secret::id_for("simulated person");
    json!({
        "_type": "project_device",
        "id": device.id,
        "asset_type": "video",
        "authorization": {
            "_type": "project_device_authorization",
            "creator": { "_type": "user", "id": creator, "name": "Robin Example" },
            "expires_at": ends,
            "id": device.authorization_id,
            "project_device_id": device.id,
            "scopes": { "asset_create": true, "id": secret::id_for("scopes"), "offline": true },
        },
        "channels": device.channels_json(now),
        "creator_id": creator,
        "deleted_at": null,
        "device_id": secret::id_for(&device.client_id),
        "inserted_at": device.inserted_at,
        "last_seen_at": device.last_seen,
        "name": device.name,
        "project": { "_type": "project", "id": device.project.id, "name": device.project.name },
        "project_id": device.project.id,
        "status": status,
        "timezone": "Etc/UTC",
        "updated_at": device.last_seen,
    })
}
