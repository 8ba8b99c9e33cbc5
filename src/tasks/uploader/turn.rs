//! One turn: from the claim of an item to its end on disk.
use super::{Done, Uploader};
use crate::{
    clock::Clock,
    domain::{
        backoff::doubled,
        command::Refusal,
        item::{FileFacts, Item, ItemId, ItemState, shown},
        oauth::{AccessToken, Cause},
        upload::{self, Action, AssetRequest, Ending, PartError, Upload},
        view::Reason,
    },
    http::{PutError, Transport},
    link::{Access, ToKeeper},
    media::{Checks, PartBody, PartWatch, open_beneath},
    provider::wire::trouble,
    store::StoreError,
    tasks::{Strongroom, strongroom::refusal},
};
use std::time::Duration;
use std::{
    collections::BTreeMap,
    fs::File,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long a clip in trouble of its own is put aside at first, and at most.
const FIRST_ASIDE: Duration = Duration::from_secs(15);
const MAX_ASIDE: Duration = Duration::from_secs(3600);

/// The next item.
pub(super) enum Claim {
    Turn(Box<Turn>),
    /// It is over before it began: its file was not what was queued, or the disk would not say more.
    Over(End),
    Nothing,
}

/// One item that has its turn.
pub(super) struct Turn {
    pub(super) item: Item,
    pub(super) upload: Upload,
    pub(super) actions: Vec<Action>,
    pub(super) file: Arc<File>,
    pub(super) parts: BTreeMap<u32, Arc<PartWatch>>,
    /// The token that the asset was asked for with.
    pub(super) used: Option<AccessToken>,
    /// Lets go of the parts in flight: nobody wants them any more.
    pub(super) dropped: CancellationToken,
}

/// How a turn ends, as it is to be written.
#[derive(Debug)]
pub(super) struct End {
    id: ItemId,
    to: ItemState,
    reason: &'static str,
    detail: String,
}

impl End {
    /// Back to the queue, and nothing to say about it.
    pub(super) fn requeue(id: ItemId) -> End {
        End { id, to: ItemState::Queued, reason: "none", detail: String::new() }
    }
}

impl<T: Transport> Uploader<T> {
    pub(super) fn perform(&mut self, action: Action) {
        let Some(turn) = &mut self.turn else { return };
        let (room, id) = (self.room.clone(), turn.item.id);
        match action {
            Action::Create(seq) => {
                // Token and project come in one value: what was claimed for one project never goes to another.
                let ours = |a: &Access| turn.item.new.project_id.as_deref() == Some(a.project_id.as_str());
                let Some(access) = self.access.borrow().clone().filter(ours) else {
                    return self
                        .feed_later(upload::Event::Created(seq, Err(upload::CreateError::Unauthorized)));
                };
                turn.used = Some(access.token.clone());
                let offset = self.clock.now().age_of(turn.item.new.created).unwrap_or_default();
                let wanted = AssetRequest {
                    name: turn.item.new.name.clone(),
                    filetype: turn.item.new.filetype.clone(),
                    size: turn.item.new.facts.size,
                    offset,
                };
                let request = self.provider.create_asset_request(&access.token, &wanted);
                let (transport, provider, keeper) =
                    (self.transport.clone(), self.provider.clone(), self.keeper.clone());
                self.running.push(Box::pin(async move {
                    let answer = transport.send(request).await;
                    if let Some(date) = answer.as_ref().ok().and_then(|r| r.date) {
                        let _ = keeper.try_send(ToKeeper::ServerDate(date));
                    }
                    let answer =
                        answer.map_err(upload::CreateError::Transient).and_then(|r| provider.read_asset(&r));
                    // What the keeper has no room for now it learns from the next call.
                    let _ = match &answer {
                        Ok(_) => keeper.try_send(ToKeeper::Accepted(access.token)),
                        Err(upload::CreateError::Transient(t)) => {
                            keeper.try_send(ToKeeper::Unreached(t.cause))
                        }
                        Err(_) => Ok(()),
                    };
                    Done::Machine(upload::Event::Created(seq, answer))
                }));
            }
            Action::Record(seq, asset) => {
                turn.item.sent = 0;
                turn.item.asset_id.clone_from(&asset.id);
                self.running.push(Box::pin(async move {
                    let ok = logged(room.save_asset(id, asset).await);
                    Done::Machine(upload::Event::Recorded(seq, ok))
                }));
            }
            Action::Forget(seq) => self.running.push(Box::pin(async move {
                let ok = logged(room.drop_asset(id).await);
                Done::Machine(upload::Event::Recorded(seq, ok))
            })),
            Action::Send(n) => self.send(n),
            Action::RecordPart(n, etag) => {
                let bytes = turn.upload.part(n).map_or(0, |(_, _, len)| len);
                let asset_id = turn.item.asset_id.clone();
                self.running.push(Box::pin(async move {
                    let ok = logged(room.finish_part(id, &asset_id, n, &etag, bytes).await);
                    Done::Machine(upload::Event::PartRecorded(n, ok))
                }));
            }
            Action::Finish(ending) => self.finish(ending),
        }
    }

    fn feed_later(&mut self, event: upload::Event) {
        self.running.push(Box::pin(async move { Done::Machine(event) }));
    }

    fn send(&mut self, n: u32) {
        let Some(turn) = &mut self.turn else { return };
        let Some((url, from, len)) = turn.upload.part(n) else { return };
        let watch = Arc::new(PartWatch::default());
        turn.parts.insert(n, watch.clone());
        let (checks, pacer) = (Checks { md5: false }, self.pacer.clone());
        let body = PartBody::new(turn.file.clone(), from, len, checks, watch.clone(), pacer);
        let headers = self.provider.part_headers(&turn.item.new.filetype);
        let (transport, provider, url) = (self.transport.clone(), self.provider.clone(), url.clone());
        let dropped = turn.dropped.clone();
        self.running.push(Box::pin(async move {
            let sent = dropped.run_until_cancelled(transport.put(&url, headers, len, body)).await;
            let cancelled = || PutError { trouble: trouble(Cause::Network, "cancelled", None), sent: 0 };
            let sent = sent.unwrap_or_else(|| Err(cancelled()));
            let answer = match sent {
                Ok(r) => provider.read_part(&r).map(|()| r.etag),
                Err(_) if watch.broken.load(Relaxed) => {
                    Err(PartError::File("changed", "the file became shorter or can't be read".to_owned()))
                }
                Err(e) => Err(PartError::Transient(e.trouble)),
            };
            Done::PartSent(n, answer)
        }));
    }

    fn finish(&mut self, ending: Ending) {
        let Some(turn) = self.turn.take() else { return };
        let (file, item) = (shown(&turn.item.new.path), turn.item);
        let id = item.id;
        let queued = |reason, detail| End { id, to: ItemState::Queued, reason, detail };
        let end = match ending {
            Ending::Done => {
                self.clear_trouble();
                self.between = true;
                let (room, dirs) = (self.room.clone(), self.settings.borrow().media_dirs.clone());
                return self.running.push(Box::pin(async move {
                    let end = last_look(item, dirs).await;
                    Done::Ended(write(&room, end).await)
                }));
            }
            Ending::Failed(reason, why) => End { id, to: ItemState::Failed, reason, detail: why },
            Ending::Later(reason, why, wait) => {
                warn!(item = id.0, reason = reason.as_str(), file, "will be tried again: {why}");
                self.later(reason, why.clone(), wait);
                queued(reason.as_str(), why)
            }
            Ending::Aside(why) => {
                warn!(item = id.0, reason = "provider", file, "put aside, others go on: {why}");
                let wait = doubled(FIRST_ASIDE, item.attempts.saturating_sub(1), MAX_ASIDE);
                self.aside.insert(id, self.clock.now().boot + wait);
                self.view.send_modify(|v| v.trouble = Some((Reason::Provider, why.clone())));
                queued("provider", why)
            }
            Ending::Unauthorized => {
                if let Some(token) = turn.used {
                    self.refused = Some(token.clone());
                    let keeper = self.keeper.clone();
                    self.running.push(Box::pin(async move {
                        // The keeper ends only with the daemon.
                        let _ = keeper.send(ToKeeper::Unauthorized(token)).await;
                        Done::Told
                    }));
                }
                End::requeue(id)
            }
            Ending::Stopped => End::requeue(id),
        };
        self.write_end(end);
    }

    /// No next turn before this one's end is on disk.
    pub(super) fn write_end(&mut self, end: End) {
        self.between = true;
        let room = self.room.clone();
        self.running.push(Box::pin(async move { Done::Ended(write(&room, end).await) }));
    }
}

/// Takes the next item of the project, but for those put aside, and opens its file.
pub(super) async fn claim(
    room: &Strongroom,
    access: Access,
    aside: &[ItemId],
    dirs: Vec<PathBuf>,
    parallel: usize,
    clock: &Clock,
) -> Result<Claim, Refusal> {
    let Some(item) = room.claim(&access.project_id, aside).await.map_err(refusal)? else {
        return Ok(Claim::Nothing);
    };
    let path = item.new.path.clone();
    let opened = tokio::task::spawn_blocking(move || open_beneath(&dirs, &path)).await;
    let failed = |reason, detail| Claim::Over(End { id: item.id, to: ItemState::Failed, reason, detail });
    let (file, facts) = match opened {
        Ok(Ok((_, facts))) if !same_bytes(&facts, &item) => {
            let why = "the file is not the one that was queued: its size or time changed";
            return Ok(failed("changed", why.to_owned()));
        }
        Ok(Ok(opened)) => opened,
        Ok(Err(Refusal::NotFound(_))) => {
            return Ok(failed("vanished", "the file is not there any more".to_owned()));
        }
        Ok(Err(why)) => return Ok(failed("unreadable", why.to_string())),
        Err(e) => return Ok(failed("unreadable", e.to_string())),
    };
    let asset = match room.asset_of(item.id).await {
        // Its URLs don't open any more: another asset.
        Err(StoreError::Sealed { .. }) => room.drop_asset(item.id).await.map(|()| None),
        asset => asset,
    };
    let Ok(asset) = asset else { return Ok(Claim::Over(End::requeue(item.id))) };
    let (upload, actions) = Upload::begin(item.id, facts.size, asset, parallel, clock.now());
    let (parts, dropped) = (BTreeMap::new(), CancellationToken::new());
    let turn = Turn { item, upload, actions, file: Arc::new(file), parts, used: None, dropped };
    Ok(Claim::Turn(Box::new(turn)))
}

/// The last look before an item counts as sent: the bytes that left are those that were queued.
async fn last_look(item: Item, dirs: Vec<PathBuf>) -> End {
    let path = item.new.path.clone();
    let seen = tokio::task::spawn_blocking(move || open_beneath(&dirs, &path)).await;
    if matches!(&seen, Ok(Ok((_, facts))) if !same_bytes(facts, &item)) {
        let detail = "the file changed while it was being sent".to_owned();
        return End { id: item.id, to: ItemState::Failed, reason: "changed", detail };
    }
    End { id: item.id, to: ItemState::Done, reason: "none", detail: String::new() }
}

fn same_bytes(facts: &FileFacts, item: &Item) -> bool {
    facts.size == item.new.facts.size && facts.mtime_ns == item.new.facts.mtime_ns
}

async fn write(room: &Strongroom, end: End) -> Result<Item, End> {
    match room.finish(end.id, end.to, end.reason, &end.detail).await {
        Ok(item) => {
            let (id, file) = (item.id.0, shown(&item.new.path));
            match item.state {
                ItemState::Done => info!(item = id, asset_id = item.asset_id, file, "sent"),
                ItemState::Failed => {
                    warn!(item = id, reason = item.reason, file, "not sent: {}", item.detail)
                }
                ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Cancelled => {}
            }
            Ok(item)
        }
        Err(e) => {
            warn!(item = end.id.0, "the end of a turn can't be written yet: {e}");
            Err(end)
        }
    }
}

fn logged(outcome: Result<(), StoreError>) -> bool {
    if let Err(e) = &outcome {
        warn!("the queue can't be written: {e}");
    }
    outcome.is_ok()
}
