//! The control interface under `/_sim/`: what [`super::Sim`] offers to tests in-process, over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};

use super::app::App;
use super::clock::{self, millis};
use super::error::SimError;
use super::event::{Endpoint, EventKind, HoldPoint};
use super::fault::{Fault, FaultKind};
use super::options::Lifetimes;

const HELP: &str = "\
rigpost-sim control interface. Bodies are JSON; errors are {\"error\": NAME, \"message\": SENTENCE}.

GET  /_sim/state                    codes, devices, assets (\"realtime\": how one grew), sockets, faults,
                                    lifetimes, violations
GET  /_sim/clips                    every clip with its versions, first to last
GET  /_sim/parts?asset=ID           how often each part was begun and arrived (of all assets without ID)
GET  /_sim/log?since=N&wait=SECONDS events after number N; waits (60 s at most) for the first one
POST /_sim/approve                  {\"user_code\": \"012345\", \"project\": \"Testbed\"}
POST /_sim/deny                     {\"user_code\": \"012345\"}
POST /_sim/revoke | pause | resume  {\"client_id\": \"rig-1\"}
POST /_sim/pause-window             {\"client_id\": \"rig-1\", \"from\": 3600, \"until\": 60}  a pause of the past,
                                    in seconds ago
POST /_sim/rename                   {\"project\": \"Testbed\", \"to\": \"Pickups\"}  its identifier stays
POST /_sim/move                     {\"client_id\": \"rig-1\", \"project\": \"Second Unit\"}
POST /_sim/connect-channel | disconnect-channel
                                    {\"client_id\": \"rig-1\", \"index\": 3}  without a call of the device
POST /_sim/cut-sockets              {\"client_id\": \"rig-1\"}
POST /_sim/burn-refresh             {\"client_id\": \"rig-1\"}  as if someone else had used its refresh token
POST /_sim/expire-access            {\"client_id\": \"rig-1\"}
POST /_sim/end-pairing              {\"client_id\": \"rig-1\", \"seconds\": 60}
POST /_sim/fault                    {\"spec\": \"refresh:lost-answer:1\"}  (see rigpost-sim --help), or
                                    {\"endpoint\": \"create\", \"kind\": \"raw\", \"status\": 418, \"body\": {},
                                     \"name\": \"A001.mov\", \"part\": null, \"times\": 1, \"skip\": 0}
                                    (\"times\": null strikes for ever)
DELETE /_sim/fault                  takes all faults back
POST /_sim/lifetimes                any of code_expires_in, interval, access_expires_in, refresh_expires_in,
                                    url_expires_in (seconds)
POST /_sim/clock                    {\"advance\": 90000}  so many seconds pass for all that has a life; dates stay
POST /_sim/skew                     {\"seconds\": -3600}  shifts the dates the server shows
POST /_sim/hold                     {\"n\": 12} or {\"endpoint\": \"refresh\", \"event\": \"effect\"}
POST /_sim/release                  {}
";

/// Seconds in an order, at most.
const LONGEST: u64 = 1_000_000_000;

type Reply = Response<Body>;

/// Why a control request was refused: a name for programs, a sentence for people.
struct Refusal(StatusCode, &'static str, String);

impl From<SimError> for Refusal {
    fn from(error: SimError) -> Self {
        let status = match error {
            SimError::BadFault(_) => StatusCode::BAD_REQUEST,
            SimError::NoSuchCode(_)
            | SimError::NoSuchProject(_)
            | SimError::NoSuchDevice(_)
            | SimError::NoSuchChannel(_) => StatusCode::NOT_FOUND,
            SimError::CodeExpired(_) | SimError::CodeUsed(_) | SimError::NameTaken(_) => StatusCode::CONFLICT,
        };
        Self(status, error.word(), error.to_string())
    }
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "bad_request", message.into())
}

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/_sim/", get(|| async { HELP }))
        .route("/_sim", get(|| async { HELP }))
        .route("/_sim/state", get(state))
        .route("/_sim/log", get(log))
        .route("/_sim/clips", get(clips))
        .route("/_sim/parts", get(parts))
        .route("/_sim/{order}", post(order).delete(take_back))
}

async fn state(State(app): State<Arc<App>>) -> Json<Value> {
    Json(snapshot(&app))
}

fn snapshot(app: &App) -> Value {
    let now = app.now();
    let world = app.world(now);
    json!({
        "codes": world.code_views(now),
        "devices": world.device_views(now),
        "sockets": world.socket_views(),
        "assets": world.asset_views(),
        "projects": world.projects,
        "lifetimes": world.rules.lives,
        "violations": world.violations,
        "faults": app.faults().views(),
        "skew_seconds": app.clock.skew(),
        "held_at": app.journal.held_now(),
        "last_event": *app.journal.watch().borrow(),
        "storage_dir": app.storage.root(),
    })
}

async fn log(State(app): State<Arc<App>>, Query(query): Query<BTreeMap<String, String>>) -> Reply {
    let number = |name: &str| match query.get(name) {
        None => Ok(0),
        Some(text) => text.parse::<u64>().map_err(|_| bad(format!("{name} is not a number"))),
    };
    let (since, wait) = match (number("since"), number("wait")) {
        (Ok(since), Ok(wait)) => (since, wait.min(60)),
        (Err(refusal), _) | (_, Err(refusal)) => return refuse(refusal),
    };
    let mut news = app.journal.watch();
    let arrived = async {
        // Ends when the simulator does.
        let _ended = news.wait_for(|last| *last > since).await.is_err();
    };
    tokio::select! {
        () = arrived => {}
        () = clock::sleep(Duration::from_secs(wait)) => {}
    }
    Json(app.journal.since(since)).into_response()
}

async fn clips(State(app): State<Arc<App>>) -> Reply {
    Json(app.world(app.now()).clip_views()).into_response()
}

async fn parts(State(app): State<Arc<App>>, Query(query): Query<BTreeMap<String, String>>) -> Reply {
    let mut parts = app.world(app.now()).part_views();
    if let Some(asset) = query.get("asset") {
        parts.retain(|part| part.asset == *asset);
    }
    Json(parts).into_response()
}

fn refuse(Refusal(status, name, message): Refusal) -> Reply {
    (status, Json(json!({ "error": name, "message": message }))).into_response()
}

async fn order(State(app): State<Arc<App>>, Path(order): Path<String>, body: Bytes) -> Reply {
    let parsed = if body.is_empty() { Ok(json!({})) } else { serde_json::from_slice(&body) };
    let done = match parsed {
        Ok(body @ Value::Object(_)) => obey(&app, &order, &body),
        Ok(_) | Err(_) => Err(bad("the body is not a JSON object")),
    };
    match done {
        Ok(()) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Json(json!({ "ok": true })))
            .into_response(),
        Err(refusal) => refuse(refusal),
    }
}

async fn take_back(State(app): State<Arc<App>>, Path(order): Path<String>) -> Reply {
    if order == "fault" {
        app.faults().clear();
        Json(json!({ "ok": true })).into_response()
    } else {
        refuse(Refusal(StatusCode::NOT_FOUND, "no_such_order", format!("nothing to delete at {order}")))
    }
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    body.get(name).and_then(Value::as_str).ok_or_else(|| bad(format!("{name} is missing or not a string")))
}

fn whole(body: &Value, name: &str) -> Result<u64, Refusal> {
    let number = body.get(name).and_then(Value::as_u64).filter(|number| *number <= LONGEST);
    number.ok_or_else(|| bad(format!("{name} is missing or no whole number of seconds up to a billion")))
}

fn obey(app: &App, order: &str, body: &Value) -> Result<(), Refusal> {
    match order {
        "approve" => app.approve(text(body, "user_code")?, text(body, "project")?)?,
        "deny" => app.deny(text(body, "user_code")?)?,
        "revoke" => app.revoke(text(body, "client_id")?)?,
        "pause" => app.pause(text(body, "client_id")?)?,
        "resume" => app.resume(text(body, "client_id")?)?,
        "move" => app.move_device(text(body, "client_id")?, text(body, "project")?)?,
        "burn-refresh" => app.burn_refresh(text(body, "client_id")?)?,
        "expire-access" => app.expire_access(text(body, "client_id")?)?,
        "pause-window" => {
            let (from, until) = (whole(body, "from")?, whole(body, "until")?);
            if until > from {
                return Err(bad("a pause begins before it ends: from is more seconds ago than until"));
            }
            app.paused_before(text(body, "client_id")?, from, until)?;
        }
        "connect-channel" => app.plug(text(body, "client_id")?, index(body)?, true)?,
        "disconnect-channel" => app.plug(text(body, "client_id")?, index(body)?, false)?,
        "cut-sockets" => app.cut_sockets(text(body, "client_id")?)?,
        "rename" => app.rename_project(text(body, "project")?, new_name(body)?)?,
        "clock" => app.advance(whole(body, "advance")?),
        "end-pairing" => app.end_pairing_in(text(body, "client_id")?, whole(body, "seconds")?)?,
        "fault" => app.inject(fault(body)?),
        "lifetimes" => lifetimes(app, body)?,
        "skew" => {
            let seconds = body.get("seconds").and_then(Value::as_i64);
            app.set_skew(seconds.ok_or_else(|| bad("seconds is missing or no whole number"))?);
        }
        "hold" => app.journal.hold(hold_point(body)?),
        "release" => app.journal.release(),
        _ => {
            return Err(Refusal(
                StatusCode::NOT_FOUND,
                "no_such_order",
                format!("there is no order {order}"),
            ));
        }
    }
    Ok(())
}

fn index(body: &Value) -> Result<u64, Refusal> {
    let index = body.get("index").and_then(Value::as_u64);
    index.ok_or_else(|| bad("index is missing or no whole number"))
}

fn new_name(body: &Value) -> Result<&str, Refusal> {
    let name = text(body, "to")?.trim();
    let fits = !name.is_empty() && name.len() <= 255 && !name.chars().any(char::is_control);
    fits.then_some(name).ok_or_else(|| bad("to is no name for a project"))
}

fn fault(body: &Value) -> Result<Fault, Refusal> {
    if let Some(spec) = body.get("spec").and_then(Value::as_str) {
        return Ok(spec.parse()?);
    }
    let endpoint = Fault::parse_endpoint(text(body, "endpoint")?)?;
    let word = text(body, "kind")?;
    let value = match body.get("value") {
        Some(Value::String(value)) => Some(value.clone()),
        Some(Value::Number(value)) => Some(value.to_string()),
        None | Some(Value::Null) => None,
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(bad("value is no word or number"));
        }
    };
    let mut kind = FaultKind::parse(word, value.as_deref())?;
    if word == "raw" {
        let status = body.get("status").and_then(Value::as_u64).unwrap_or(200);
        let status = u16::try_from(status).ok().filter(|status| (200..=599).contains(status));
        let status = status.ok_or_else(|| bad("status is no HTTP status"))?;
        kind = FaultKind::Raw(status, body.get("body").cloned().unwrap_or(Value::Null));
    }
    let count = |name: &str, default| match body.get(name) {
        None => Ok(Some(default)),
        Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.map(Some).ok_or_else(|| bad(format!("{name} is no number")))
        }
    };
    let part = match body.get("part") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_u64().ok_or_else(|| bad("part is no number"))?),
    };
    let item = match body.get("name") {
        None | Some(Value::Null) => None,
        Some(_) => Some(text(body, "name")?.to_owned()),
    };
    let (times, skip) = (count("times", 1)?, count("skip", 0)?.unwrap_or(0));
    Ok(Fault { endpoint, part, item, kind, times, skip }.checked()?)
}

fn lifetimes(app: &App, body: &Value) -> Result<(), Refusal> {
    let now = app.now();
    let current = app.world(now).rules.lives;
    let mut all = serde_json::to_value(current).map_err(|error| bad(error.to_string()))?;
    if let (Value::Object(all), Value::Object(changes)) = (&mut all, body) {
        for (name, value) in changes {
            let known = all.get_mut(name).ok_or_else(|| bad(format!("there is no lifetime {name}")))?;
            *known = value.clone();
        }
    }
    let lives: Lifetimes = serde_json::from_value(all).map_err(|error| bad(error.to_string()))?;
    let seconds = [lives.code_expires_in, lives.interval];
    if seconds.iter().any(|seconds| *seconds < 0.0 || millis(*seconds) > millis(1.0e9)) {
        return Err(bad("seconds must be between 0 and a billion"));
    }
    app.set_lifetimes(lives);
    Ok(())
}

fn hold_point(body: &Value) -> Result<HoldPoint, Refusal> {
    if let Some(n) = body.get("n").and_then(Value::as_u64) {
        return Ok(HoldPoint::Number(n));
    }
    let endpoint = Endpoint::parse(text(body, "endpoint")?).ok_or_else(|| bad("endpoint is unknown"))?;
    let kind = body.get("event").cloned().unwrap_or_default();
    let kind: EventKind = serde_json::from_value(kind).map_err(|_| bad("event is unknown"))?;
    Ok(HoldPoint::Next(endpoint, kind))
}
