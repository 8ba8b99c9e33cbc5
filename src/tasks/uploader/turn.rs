//! One turn: from the claim of an item to its end on disk.
use super::{Done, Uploader};
use crate::{
    clock::Clock,
    domain::{
        command::Refusal,
        item::{Item, ItemId, ItemState, shown},
        oauth::{AccessToken, Cause},
        upload::{self, Action, AssetRequest, Ending, PartError, Upload},
        view::ItemNews,
    },
    http::Transport,
    link::{Access, ToKeeper},
    media::{PartBody, PartWatch, open_beneath},
    provider::wire::trouble,
    store::StoreError,
    tasks::{Strongroom, strongroom::refusal},
};
use std::{
    collections::BTreeMap,
    fs::File,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The next item.
pub(super) enum Claim {
    Turn(Box<Turn>),
    /// Its file was not what was queued, so it was failed.
    Failed(ItemNews),
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
                    if answer.is_ok() {
                        let _ = keeper.try_send(ToKeeper::Accepted(access.token));
                    }
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
        let body = PartBody::new(turn.file.clone(), from, len, watch.clone());
        let headers = self.provider.part_headers(&turn.item.new.filetype);
        let (transport, provider, url) = (self.transport.clone(), self.provider.clone(), url.clone());
        let dropped = turn.dropped.clone();
        self.running.push(Box::pin(async move {
            let sent = dropped.run_until_cancelled(transport.put(&url, headers, len, body)).await;
            let sent = sent.unwrap_or_else(|| Err(trouble(Cause::Network, "cancelled", None)));
            let answer = match sent {
                Ok(r) => provider.read_part(&r).map(|()| r.etag),
                Err(_) if watch.broken.load(Relaxed) => {
                    Err(PartError::File("changed", "the file became shorter or can't be read".to_owned()))
                }
                Err(t) => Err(PartError::Transient(t)),
            };
            Done::PartSent(n, answer)
        }));
    }

    fn finish(&mut self, ending: Ending) {
        let Some(turn) = self.turn.take() else { return };
        let (room, item, dirs) = (self.room.clone(), turn.item, self.settings.media_dirs.clone());
        let id = item.id;
        let file = shown(&item.new.path);
        // No next turn before this one's end is on disk.
        self.claiming = true;
        match ending {
            Ending::Done => {
                self.clear_trouble();
                self.running.push(Box::pin(async move { Done::Ended(finish_done(&room, item, dirs).await) }));
            }
            Ending::Failed(word, why) => {
                warn!(item = id.0, reason = word, file, "not sent: {why}");
                self.running.push(Box::pin(async move {
                    Done::Ended(ended(room.finish(id, ItemState::Failed, word, &why).await))
                }));
            }
            Ending::Later(reason, why, wait) => {
                warn!(item = id.0, reason = reason.as_str(), file, "will be tried again: {why}");
                self.later(reason, why.clone(), wait);
                self.requeue(id, reason.as_str(), why);
            }
            Ending::Unauthorized => {
                if let Some(token) = turn.used {
                    self.refused = Some(token.clone());
                    let _ = self.keeper.try_send(ToKeeper::Unauthorized(token));
                }
                self.requeue(id, "none", String::new());
            }
            Ending::Stopped => self.requeue(id, "none", String::new()),
        }
    }

    fn requeue(&mut self, id: ItemId, reason: &'static str, why: String) {
        let room = self.room.clone();
        self.running.push(Box::pin(async move {
            Done::Ended(ended(room.finish(id, ItemState::Queued, reason, &why).await))
        }));
    }
}

/// Takes the next item of the project and opens its file; items whose file is not what was queued are failed here.
pub(super) async fn claim(
    room: &Strongroom,
    access: Access,
    dirs: Vec<PathBuf>,
    parallel: usize,
    clock: &Clock,
) -> Result<Claim, Refusal> {
    let Some(item) = room.claim(&access.project_id, &[]).await.map_err(refusal)? else {
        return Ok(Claim::Nothing);
    };
    let path = item.new.path.clone();
    let opened = tokio::task::spawn_blocking(move || open_beneath(&dirs, &path)).await;
    let problem = match opened {
        Ok(Ok((file, facts)))
            if facts.size == item.new.facts.size && facts.mtime_ns == item.new.facts.mtime_ns =>
        {
            let asset = room.asset_of(item.id).await.map_err(refusal)?;
            let (upload, actions) = Upload::begin(item.id, facts.size, asset, parallel, clock.now());
            let (parts, dropped) = (BTreeMap::new(), CancellationToken::new());
            let turn = Turn { item, upload, actions, file: Arc::new(file), parts, used: None, dropped };
            return Ok(Claim::Turn(Box::new(turn)));
        }
        Ok(Ok(_)) => {
            ("changed", "the file is not the one that was queued: its size or time changed".to_owned())
        }
        Ok(Err(Refusal::NotFound(_))) => ("vanished", "the file is not there any more".to_owned()),
        Ok(Err(why)) => ("unreadable", why.to_string()),
        Err(e) => ("unreadable", e.to_string()),
    };
    warn!(item = item.id.0, reason = problem.0, file = %shown(&item.new.path), "not sent: {}", problem.1);
    let item = room.finish(item.id, ItemState::Failed, problem.0, &problem.1).await.map_err(refusal)?;
    Ok(Claim::Failed(news(&item)))
}

/// The last look before an item counts as sent: the bytes that left are those that were queued.
async fn finish_done(room: &Strongroom, item: Item, dirs: Vec<PathBuf>) -> Option<ItemNews> {
    let path = item.new.path.clone();
    let seen = tokio::task::spawn_blocking(move || open_beneath(&dirs, &path)).await;
    let changed = matches!(&seen, Ok(Ok((_, f))) if f.size != item.new.facts.size || f.mtime_ns != item.new.facts.mtime_ns);
    let (state, reason, why) = if changed {
        (ItemState::Failed, "changed", "the file changed while it was being sent")
    } else {
        (ItemState::Done, "none", "")
    };
    let item = room.finish(item.id, state, reason, why).await;
    if let Ok(item) = &item {
        info!(item = item.id.0, asset_id = item.asset_id, file = %shown(&item.new.path), "{}", item.state.as_str());
    }
    ended(item)
}

fn ended(item: Result<Item, StoreError>) -> Option<ItemNews> {
    match item {
        Ok(item) => Some(news(&item)),
        Err(e) => {
            warn!("the queue can't be written: {e}");
            None
        }
    }
}

pub(super) fn news(item: &Item) -> ItemNews {
    ItemNews {
        id: item.id,
        state: item.state,
        reason: item.reason.clone(),
        name: item.new.name.clone(),
        size: item.new.facts.size,
        sent: item.sent,
    }
}

fn logged(outcome: Result<(), StoreError>) -> bool {
    if let Err(e) = &outcome {
        warn!("the queue can't be written: {e}");
    }
    outcome.is_ok()
}
