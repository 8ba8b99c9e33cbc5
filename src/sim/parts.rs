//! The storage side: taking in the parts of an asset.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use http_body_util::BodyExt as _;

use super::app::App;
use super::call::Call;
use super::event::EventKind;
use super::fault::FaultKind;
use super::form::Content;
use super::model::assets::{PartRequest, PartTicket};
use super::reply::{Payload, Reply};
use super::storage::PartFile;
use super::{faulty, wire};

/// Answers a PUT to an upload address.
pub(crate) async fn serve(call: &Arc<Call>, body: Body) -> Response<Body> {
    let early = match ticket(call) {
        Ok(ticket) => {
            // Such a fault strikes while the body is read.
            let later = mid_body(call).is_some();
            let fault = if later { None } else { faulty::instead(call, &Content::Unreadable).await };
            fault.map_or(Ok(ticket), Err)
        }
        Err(refusal) => Err(refusal),
    };
    let reply = match early {
        Ok(ticket) => take_in(call, &ticket, body).await,
        Err(refusal) => {
            wire::drain(body);
            return call.respond(refusal, false);
        }
    };
    let (reply, half) = faulty::spoil(call, reply).await;
    call.respond(reply, half)
}

/// Asset and part number, as the path names them.
fn place(call: &Call) -> (&str, u64) {
    let mut segments = call.uri.path().trim_start_matches("/s3/parts/").split('/');
    let asset = segments.next().unwrap_or_default();
    (asset, segments.next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

/// Writes down whose asset this is about.
pub(crate) fn note_caller(call: &Call) {
    let (asset, _) = place(call);
    let owner = call.app.world(call.app.now()).assets.get(asset).map(|asset| asset.device.clone());
    call.known().client_id = owner;
}

fn ticket(call: &Call) -> Result<PartTicket, Reply> {
    let (asset, n) = place(call);
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
        content_length: call.header("content-length").and_then(|length| length.parse().ok()),
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

/// Reads the body to disk. A connection that breaks takes this future down with it.
async fn read(call: &Arc<Call>, ticket: &PartTicket, mut body: Body) -> Result<PartFile, Reply> {
    let broken = |error: std::io::Error| {
        let reply =
            Reply::xml(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "The simulator cannot store this");
        call.known().detail = Some(format!("cannot store: {error}"));
        reply
    };
    let limit = mid_body(call);
    let mut writer = call.app.storage.part(&ticket.asset, ticket.n, &call.unique());
    let mut read = 0;
    if limit == Some(0) {
        stop(call).await;
    }
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let short = Reply::xml(StatusCode::BAD_REQUEST, "IncompleteBody", "The body ended too early");
            return Err(short);
        };
        let Ok(data) = frame.into_data() else { continue };
        read += data.len() as u64;
        call.body_in.store(read, Ordering::Relaxed);
        if limit.is_some_and(|limit| read >= limit) {
            stop(call).await;
        }
        writer.push(data).await.map_err(broken)?;
    }
    if read != ticket.size {
        return Err(Reply::xml(StatusCode::BAD_REQUEST, "IncompleteBody", "The body ended too early"));
    }
    let keep = call.app.world(call.app.now()).wants_part(&ticket.asset);
    writer.finish(keep).await.map_err(broken)
}

async fn stored(call: &Arc<Call>, ticket: &PartTicket, part: &PartFile) -> Reply {
    let now = call.app.now();
    let (times, last) = call.app.world(now).part_done(ticket);
    let again = if times > 1 { ", resent" } else { "" };
    let mut detail = format!("asset {} part {}{again}", ticket.asset, ticket.n);
    if last {
        match assemble(&call.app, &ticket.asset).await {
            Some(sha256) => detail.push_str(&format!(", complete, sha256 {sha256}")),
            None => detail.push_str(", could not be put together"),
        }
    }
    call.known().detail = Some(detail);
    call.reach(EventKind::Effect).await;
    Reply::new(StatusCode::OK, Payload::Empty).header("etag", part.etag())
}

/// Puts the asset together in a task of its own: a client that leaves now must not leave it half done.
async fn assemble(app: &Arc<App>, asset: &str) -> Option<String> {
    let asset = asset.to_owned();
    let now = app.now();
    let (name, parts) = app.world(now).assets.get(&asset).map(|asset| (asset.name.clone(), asset.parts))?;
    let app = Arc::clone(app);
    let work = tokio::task::spawn_blocking(move || {
        let sha256 = app.storage.assemble(&asset, &name, parts).ok();
        let now = app.now();
        app.world(now).assembled(&asset, sha256.clone());
        sha256
    });
    work.await.ok().flatten()
}
