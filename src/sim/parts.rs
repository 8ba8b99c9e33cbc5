//! The storage side: taking in the parts of an asset.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::app::App;
use super::call::Call;
use super::event::{Endpoint, Event, EventKind};
use super::fault::{FaultKind, Target};
use super::form::Content;
use super::model::part::{Arrival, PartRequest, PartTicket};
use super::options::Etags;
use super::reply::{Payload, Reply};
use super::{clock, faulty};

/// Answers a PUT to an upload address.
pub(crate) async fn serve(call: &Arc<Call>, body: Body) -> Response<Body> {
    let early = match ticket(call) {
        Ok(ticket) => {
            // Such a fault strikes while the body is read.
            call.app.world(call.app.now()).part_begun(&ticket);
            let later = mid_body(call).is_some();
            let fault = if later { None } else { faulty::instead(call, &Content::Unreadable).await };
            fault.map_or(Ok(ticket), Err)
        }
        Err(refusal) => Err(refusal),
    };
    let reply = match early {
        Ok(ticket) => take_in(call, &ticket, body).await,
        Err(refusal) => {
            if !rejects_early(call) {
                drain(body);
            }
            return call.respond(refusal, false);
        }
    };
    let (reply, half) = faulty::spoil(call, reply).await;
    call.respond(reply, half)
}

/// Asset and part number, as the path names them.
fn place(path: &str) -> (&str, u64) {
    let mut segments = path.trim_start_matches("/s3/parts/").split('/');
    let asset = segments.next().unwrap_or_default();
    (asset, segments.next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

/// The fault that strikes this PUT, if one does.
pub(crate) fn strike(app: &App, path: &str) -> Option<FaultKind> {
    let (asset, n) = place(path);
    let name = app.world(app.now()).assets.get(asset).map(|asset| asset.name.clone());
    let target = Target { endpoint: Endpoint::Part, parts: &[n], item: name.as_deref(), again: false };
    app.faults().strike(&target)
}

/// Writes down whose asset this is about, which part, and how large it says it is.
pub(crate) fn note_caller(call: &Call) {
    let (asset, n) = place(call.uri.path());
    let found = call.app.world(call.app.now()).assets.get(asset).map(|asset| asset.device.clone());
    let mut known = call.known();
    if found.is_some() {
        (known.asset, known.part) = (Some(asset.to_owned()), Some(n));
        known.detail = Some(format!("asset {asset} part {n}"));
    }
    known.client_id = found;
    known.size = content_length(call);
}

fn content_length(call: &Call) -> Option<u64> {
    call.header("content-length").and_then(|length| length.parse().ok())
}

/// Whether a refusal leaves the body unread and the connection closed.
fn rejects_early(call: &Call) -> bool {
    call.app.reject_early || matches!(call.fault, Some(FaultKind::RejectEarly(_)))
}

fn ticket(call: &Call) -> Result<PartTicket, Reply> {
    let (asset, n) = place(call.uri.path());
    let query = url::form_urlencoded::parse(call.uri.query().unwrap_or_default().as_bytes());
    let signature: Cow<'_, str> = query
        .into_iter()
        .find(|(name, _)| name == "X-Amz-Signature")
        .map(|(_, value)| value)
        .unwrap_or_default();
    let put = PartRequest {
        asset,
        n,
        signature: &signature,
        has_bearer: call.headers.contains_key("authorization"),
        content_type: call.header("content-type"),
        acl: call.header("x-amz-acl"),
        content_length: content_length(call),
    };
    let now = call.app.now();
    call.app.world(now).check_part(&put, now)
}

async fn take_in(call: &Arc<Call>, ticket: &PartTicket, body: Body) -> Reply {
    match read(call, ticket, body).await {
        Ok(part) => stored(call, ticket, &part).await,
        Err(refusal) => refusal,
    }
}

/// The number of body bytes after which a fault strikes, if it is of that kind.
fn mid_body(call: &Call) -> Option<u64> {
    if let Some(FaultKind::ResetAfter(bytes) | FaultKind::StallAfter(bytes)) = &call.fault {
        Some(*bytes)
    } else {
        None
    }
}

/// Resets the connection, or reads no further for ever. Does not return.
async fn stop(call: &Call) {
    if matches!(call.fault, Some(FaultKind::ResetAfter(_))) {
        match call.cut(true).await {}
    }
    std::future::pending::<()>().await;
}

/// Shows the bytes of one attempt as arriving, until it is dropped.
struct Arriving<'a> {
    call: &'a Call,
    asset: &'a str,
    attempt: String,
}

impl Arriving<'_> {
    fn bytes(&self, bytes: Option<u64>) {
        let app = &self.call.app;
        app.world(app.now()).part_moves(self.asset, &self.attempt, bytes);
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.bytes(None);
    }
}

/// Reads the body to disk. A connection that breaks takes this future down with it.
async fn read(call: &Arc<Call>, ticket: &PartTicket, mut body: Body) -> Result<Arrival, Reply> {
    let broken = |error: std::io::Error| {
        let reply =
            Reply::xml(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "The simulator cannot store this");
        call.known().detail = Some(format!("cannot store: {error}"));
        reply
    };
    let limit = mid_body(call);
    let arriving = Arriving { call, asset: &ticket.asset, attempt: call.unique() };
    let mut writer = call.app.storage.part(&ticket.asset, ticket.n, &arriving.attempt);
    let mut read = 0;
    let mut damage = call.fault == Some(FaultKind::WrongEtag) && ticket.size > 0;
    if limit == Some(0) {
        stop(call).await;
    }
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let short = Reply::xml(StatusCode::BAD_REQUEST, "IncompleteBody", "The body ended too early");
            return Err(short);
        };
        let Ok(mut data) = frame.into_data() else { continue };
        read += data.len() as u64;
        call.body_in.store(read, Ordering::Relaxed);
        arriving.bytes(Some(read));
        if limit.is_some_and(|limit| read >= limit) {
            stop(call).await;
        }
        if let Some(FaultKind::Slow(rate)) = &call.fault {
            let micros = (data.len() as u64).saturating_mul(1_000_000) / rate;
            clock::sleep(Duration::from_micros(micros)).await;
        }
        if std::mem::take(&mut damage) {
            data = spoiled(&data);
        }
        writer.push(data).await.map_err(broken)?;
    }
    if read != ticket.size {
        return Err(Reply::xml(StatusCode::BAD_REQUEST, "IncompleteBody", "The body ended too early"));
    }
    let keep = call.app.world(call.app.now()).wants_part(&ticket.asset);
    let file = writer.finish(keep).await.map_err(broken)?;
    let opaque = call.app.etags == Etags::Opaque || call.fault == Some(FaultKind::OpaqueEtag);
    let etag = if opaque { file.opaque_etag() } else { file.etag() };
    Ok(Arrival { file, etag, damaged: call.fault == Some(FaultKind::WrongEtag) })
}

/// The same bytes but for one bit.
fn spoiled(data: &Bytes) -> Bytes {
    let mut bytes = data.to_vec();
    if let Some(byte) = bytes.first_mut() {
        *byte ^= 1;
    }
    bytes.into()
}

async fn stored(call: &Arc<Call>, ticket: &PartTicket, part: &Arrival) -> Reply {
    let now = call.app.now();
    let (times, last) = call.app.world(now).part_done(&ticket.asset, ticket.n, part);
    let again = if times > 1 { ", resent" } else { "" };
    let damaged = if part.damaged { ", damaged on the way" } else { "" };
    {
        let mut known = call.known();
        known.size = Some(part.file.size);
        known.sha256 = Some(part.file.sha256.clone());
        known.detail = Some(format!("asset {} part {}{again}{damaged}", ticket.asset, ticket.n));
    }
    let held = call.note(EventKind::Effect);
    if last {
        assemble(&call.app, &ticket.asset).await;
    }
    call.stand(held).await;
    Reply::new(StatusCode::OK, Payload::Empty).header("etag", &part.etag)
}

/// Puts the asset together in a task of its own: a client that leaves now must not leave it half done.
pub(crate) async fn assemble(app: &Arc<App>, asset: &str) {
    let asset = asset.to_owned();
    let found = app.world(app.now()).assets.get(&asset).cloned();
    let Some(clip) = found else { return };
    let app = Arc::clone(app);
    let work = tokio::task::spawn_blocking(move || {
        let sha256 = app.storage.assemble(&asset, &clip.name, &clip.numbers()).ok();
        let now = app.now();
        app.world(now).assembled(&asset, sha256.clone());
        let event = Event::assembled(&clip.device, &asset, clip.size(), sha256.as_deref());
        app.journal.record(event, now.ms);
    });
    // Its end is in the model and in the log.
    let _ended = work.await;
}

/// Reads what is left of a refused body, so that the client can read the refusal instead of a reset. Bounded:
/// storage does not listen for ever either.
fn drain(body: Body) {
    tokio::spawn(async move {
        let read_all = async {
            let mut body = body;
            while let Some(Ok(_ignored)) = body.frame().await {}
        };
        tokio::select! {
            () = read_all => {}
            () = clock::sleep(Duration::from_secs(30)) => {}
        }
    });
}
