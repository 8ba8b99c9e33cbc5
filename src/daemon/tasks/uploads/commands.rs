//! People's commands: what they mean to the machine, their way to the disk, and their answers.
use std::path::PathBuf;

use tokio::sync::oneshot;

use super::{Outcome, UploadSettings, UploadTask};
use crate::clock::Clock;
use crate::http::Transport;
use crate::link::Ask;
use crate::store::StoreError;
use crate::tasks::Strongroom;
use crate::tasks::strongroom::refusal;
use rigpost_core::command::{AddWish, QueueAnswer, QueueCommand, Refusal};
use rigpost_core::queue::item::{Item, ItemId};
use rigpost_core::queue::schedule::{Event, Intent};
use rigpost_core::time::Now;

/// More than this changed by one command is not told one by one: the list says it.
const MAX_TOLD: usize = 100;

/// An answer, and whom to give it.
pub(super) struct Reply {
    to: oneshot::Sender<Result<QueueAnswer, Refusal>>,
    answer: Result<QueueAnswer, Refusal>,
}

impl Reply {
    pub(super) fn send(self) {
        // Nobody waits any more: their bus connection went away.
        let _ = self.to.send(self.answer);
    }
}

impl<T: Transport> UploadTask<T> {
    pub(super) fn ask(&mut self, Ask { command, reply }: Ask<QueueCommand, QueueAnswer>) {
        if self.cloud.is_none() && matches!(command, QueueCommand::Add { .. } | QueueCommand::Release(_)) {
            let why = "the provider that this rig is set up for takes no clips".to_owned();
            return Reply { to: reply, answer: Err(Refusal::NotSupported(why)) }.send();
        }
        let intent = intent(&command);
        if let Some(intent) = intent.clone() {
            self.event(Event::Asked(intent));
        }
        self.commands += 1;
        let (room, settings, clock) = (self.room.clone(), self.settings.borrow().clone(), self.clock.clone());
        self.running.push(Box::pin(async move {
            let (answer, changed) = answer(&room, settings, &clock, command).await;
            Outcome::Answered(intent, changed, Some(Reply { to: reply, answer }))
        }));
    }

    /// The disk has answered. What changes the queue is told once the snapshot shows it.
    pub(super) fn answered(&mut self, intent: Option<Intent>, changed: Vec<Item>, reply: Option<Reply>) {
        self.commands -= usize::from(reply.is_some());
        let Some(intent) = intent else {
            return reply.into_iter().for_each(Reply::send);
        };
        reply.into_iter().for_each(|reply| self.publications.answer(reply));
        let priorities = changed.iter().map(|item| (item.id, item.new.priority)).collect();
        changed.into_iter().for_each(|item| self.publications.news(item));
        self.event(Event::Answered(intent, priorities));
    }
}

/// `None`: nothing that changes the queue.
fn intent(command: &QueueCommand) -> Option<Intent> {
    match command {
        QueueCommand::List { .. } | QueueCommand::Receipt(_) => None,
        QueueCommand::Cancel(ids) => Some(Intent::Cancel(ids.clone())),
        QueueCommand::SetPaused(true) => Some(Intent::Pause),
        QueueCommand::Retry(_) | QueueCommand::SetPaused(false) => Some(Intent::TryNow),
        QueueCommand::SetRecording(recording) => Some(Intent::Record(*recording)),
        QueueCommand::Add { .. }
        | QueueCommand::Release(_)
        | QueueCommand::SetPriority(..)
        | QueueCommand::Clear { .. }
        | QueueCommand::SetBandwidthLimit(_) => Some(Intent::Change),
    }
}

/// The answer, and the items that changed, as they are now. Waits for the disk only.
async fn answer(
    room: &Strongroom,
    settings: UploadSettings,
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
    settings: UploadSettings,
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
