//! Answers to people's questions about the queue. They wait for the disk only.
use std::path::PathBuf;

use super::UploaderSettings;
use crate::clock::Clock;
use crate::store::StoreError;
use crate::tasks::Strongroom;
use crate::tasks::strongroom::refusal;
use rigpost_core::command::{AddWish, QueueAnswer, QueueCommand, Refusal};
use rigpost_core::queue::item::{Item, ItemId};
use rigpost_core::time::Now;

/// More than this changed by one command is not told one by one: the list says it.
const MAX_TOLD: usize = 100;

/// The answer, and the items that changed, as they are now.
pub(super) async fn answer(
    room: &Strongroom,
    settings: UploaderSettings,
    clock: &Clock,
    command: QueueCommand,
) -> (Result<QueueAnswer, Refusal>, Vec<Item>) {
    let (answer, ids) = match command {
        QueueCommand::Add { paths, wish } => {
            let added = add(room, settings, clock.now(), paths, wish).await;
            let ids = added.as_ref().cloned().unwrap_or_default();
            (added.map(QueueAnswer::Ids), ids)
        }
        QueueCommand::List { state, offset, limit } => {
            let page = room.list(state, offset, limit).await.map_err(refusal);
            (page.map(|(items, total)| QueueAnswer::Page(items, total)), vec![])
        }
        QueueCommand::Cancel(ids) => (done(room.cancel(&ids).await), ids),
        QueueCommand::Retry(ids) => (done(room.retry(&ids).await), ids),
        QueueCommand::SetPaused(paused) => (done(room.set_paused(paused).await), vec![]),
        QueueCommand::Release(ids) => (done(room.release(&ids).await), ids),
        QueueCommand::SetPriority(ids, to) => (done(room.set_priority(&ids, to).await), ids),
        QueueCommand::Clear { states, ids } => {
            (room.clear(&states, &ids).await.map(QueueAnswer::Count).map_err(refusal), vec![])
        }
        QueueCommand::Receipt(id) => (receipt(room, id).await, vec![]),
        // Not of the disk's business: it ends with the camera's take.
        QueueCommand::SetRecording(_) => (Ok(QueueAnswer::Done), vec![]),
        QueueCommand::SetBandwidthLimit(limit) => (done(room.set_bandwidth_limit(limit).await), vec![]),
    };
    let changed = if answer.is_ok() { told(room, &ids).await } else { vec![] };
    (answer, changed)
}

/// The items of `ids` that are told one by one, as they are now.
pub(super) async fn told(room: &Strongroom, ids: &[ItemId]) -> Vec<Item> {
    if (1..=MAX_TOLD).contains(&ids.len()) { room.items(ids).await } else { vec![] }
}

async fn receipt(room: &Strongroom, id: ItemId) -> Result<QueueAnswer, Refusal> {
    let none = || Refusal::NotFound(format!("a receipt for item {id}: it is not sent, or was cleared"));
    let receipt = room.receipt(id).await.map_err(refusal)?.ok_or_else(none)?;
    Ok(QueueAnswer::Receipt(Box::new(receipt)))
}

async fn add(
    room: &Strongroom,
    settings: UploaderSettings,
    now: Now,
    paths: Vec<PathBuf>,
    wish: AddWish,
) -> Result<Vec<ItemId>, Refusal> {
    let (door, limits) = (settings.door, settings.limits);
    let items = tokio::task::spawn_blocking(move || {
        paths.into_iter().map(|path| door.asked(path, &wish, now)).collect::<Result<Vec<_>, _>>()
    });
    let items = items.await.map_err(|_| Refusal::Stopping)??;
    room.add(items, limits).await.map_err(refusal)
}

fn done(outcome: Result<(), StoreError>) -> Result<QueueAnswer, Refusal> {
    outcome.map(|()| QueueAnswer::Done).map_err(refusal)
}
