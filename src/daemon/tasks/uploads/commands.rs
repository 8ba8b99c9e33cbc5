//! People's commands: what they mean to the machine, their way to the disk, and their answers.
use std::path::PathBuf;

use tracing::info;

use super::state::{Answer, Outcome, UploadSettings, UploadTask};
use crate::http::Transport;
use crate::link::{Descriptor, ItemNow, Page, Reply, ToQueue};
use crate::media::{Kept, Workers};
use crate::store::Store;
use crate::tasks::comments::CommentsDue;
use crate::tasks::delivery::Deliverer;
use crate::tasks::intake::with_fingerprints;
use rigpost_core::command::{AddOptions, Added, Answers, QueueCommand, Refusal};
use rigpost_core::delivery::keys::Keys;
use rigpost_core::queue::handed::{known_as, stays_open};
use rigpost_core::queue::item::{Item, ItemId, ItemState, Receipt, shown};
use rigpost_core::queue::schedule::{Event, Intent};
use rigpost_core::time::Now;

/// Files that are looked at in one call to their card: each may cost a slow one tens of milliseconds.
const AT_ONCE: usize = 50;
/// More than this changed by one command is not told one by one: the list says it.
const MAX_TOLD: usize = 100;

impl<T: Transport> UploadTask<T> {
    pub(super) fn command(&mut self, command: QueueCommand, reply: Reply<Answers>) {
        if matches!(command, QueueCommand::Release(_)) && self.cloud.is_none() {
            return Answer::new(reply, Err(takes_no_clips())).send();
        }
        if matches!(command, QueueCommand::Comment(..))
            && self.cloud.as_ref().is_some_and(|c| c.frameio().is_none())
        {
            let why = "comments are of projects: the bucket that clips go to keeps none".to_owned();
            return Answer::new(reply, Err(Refusal::NotSupported(why))).send();
        }
        if let QueueCommand::SetRecording(true) = command
            && let Some(source) = self.settings.borrow().intake.sent_while_recording()
        {
            let why = format!(
                "the media source \"{source}\" is sent while it is recorded, so nothing can be held back for that \
                 (while_recording in the configuration); to pause everything: rigpost pause"
            );
            return Answer::new(reply, Err(Refusal::NotAllowed(why))).send();
        }
        let store = self.store.clone();
        let comments = matches!(command, QueueCommand::Comment(..)).then(|| self.channels.comments.clone());
        self.ask_disk(Some(intent(&command)), reply, async move {
            let done = perform(&store, command).await;
            comments.iter().for_each(CommentsDue::tell);
            match done {
                Ok(answers) => {
                    let ids: Vec<_> =
                        answers.iter().filter(|(_, said)| said.has_moved()).map(|a| a.0).collect();
                    (Ok(answers), told(&store, &ids).await)
                }
                Err(refusal) => (Err(refusal), vec![]),
            }
        });
    }

    pub(super) fn add(&mut self, paths: Vec<PathBuf>, options: AddOptions, reply: Reply<Vec<Added>>) {
        if self.cloud.is_none() {
            return Answer::new(reply, Err(takes_no_clips())).send();
        }
        let (store, workers) = (self.store.clone(), self.workers.clone());
        let (settings, now) = (self.settings.borrow().clone(), self.clock.now());
        self.ask_disk(Some(Intent::Change), reply, async move {
            let added = accept(&store, &workers, settings, now, paths, options).await;
            let in_queue = |added: &&Added| added.outcome.word().is_in_the_queue();
            let ids: Vec<_> = added.iter().flatten().filter(in_queue).map(|added| added.id).collect();
            let changed = told(&store, &ids).await;
            (added, changed)
        });
    }

    pub(super) fn add_fd(&mut self, file: Descriptor, options: AddOptions, reply: Reply<Added>) {
        if self.cloud.is_none() {
            return Answer::new(reply, Err(takes_no_clips())).send();
        }
        let (store, workers, kept) = (self.store.clone(), self.workers.clone(), self.kept.clone());
        let (settings, now) = (self.settings.borrow().clone(), self.clock.now());
        self.ask_disk(Some(Intent::Change), reply, async move {
            let added = accept_open(&store, &workers, &kept, settings, now, file, options).await;
            let in_queue = |added: &&Added| added.outcome.word().is_in_the_queue();
            let ids: Vec<_> = added.iter().filter(in_queue).map(|added| added.id).collect();
            let changed = told(&store, &ids).await;
            (added, changed)
        });
    }

    /// Lets go of the open files that nobody needs any more.
    pub(super) fn let_go(&self) {
        let (store, kept) = (self.store.clone(), self.kept.clone());
        let ids = kept.ids();
        if ids.is_empty() {
            return;
        }
        self.running.push(Box::pin(async move {
            // Where that can't be known, the next reading of the queue asks again.
            if let Ok(items) = store.get(&ids).await {
                let needed = |id: &ItemId| items.iter().any(|item| item.id == *id && stays_open(item));
                kept.let_go(&ids.into_iter().filter(|id| !needed(id)).collect::<Vec<_>>());
            }
            Outcome::Told
        }));
    }

    pub(super) fn list(
        &mut self,
        state: Option<ItemState>,
        after: Option<ItemId>,
        offset: u32,
        limit: u32,
        reply: Reply<Page>,
    ) {
        let store = self.store.clone();
        self.ask_disk(None, reply, async move {
            let page = store.list(state, after, offset.into(), limit.into()).await;
            (page.map(|(items, total)| Page { items, total }).map_err(Refusal::from), vec![])
        });
    }

    pub(super) fn item(&mut self, id: ItemId, reply: Reply<ItemNow>) {
        let store = self.store.clone();
        let waits = self.schedule.waits_of(id);
        self.ask_disk(None, reply, async move {
            let item = store.get(&[id]).await.map_err(Refusal::from).and_then(|items| {
                items.into_iter().next().ok_or_else(|| Refusal::NotFound(format!("item {id}")))
            });
            (item.map(|item| ItemNow { next_try: waits.of(item.state), item }), vec![])
        });
    }

    pub(super) fn receipt(&mut self, id: ItemId, reply: Reply<Receipt>) {
        let store = self.store.clone();
        self.ask_disk(None, reply, async move {
            let none =
                || Refusal::NotFound(format!("a receipt for item {id}: it is not sent, or was cleared"));
            let receipt = store.receipt(id).await.map_err(Refusal::from);
            (receipt.and_then(|receipt| receipt.ok_or_else(none)), vec![])
        });
    }

    pub(super) fn clear(&mut self, states: Vec<ItemState>, ids: Vec<ItemId>, reply: Reply<(u64, Answers)>) {
        let store = self.store.clone();
        self.ask_disk(Some(Intent::Change), reply, async move {
            (store.clear(&states, &ids).await.map_err(Refusal::from), vec![])
        });
    }

    /// What waits for it is tried at once.
    pub(super) fn storage_key(&mut self, keys: Keys, reply: Reply<()>) {
        if !self.cloud.as_ref().is_some_and(Deliverer::takes_own_key) {
            let why =
                "the configuration has clips go nowhere that such a key is for: [delivery] keys = \"vault\"";
            return Answer::new(reply, Err(Refusal::NotSupported(why.to_owned()))).send();
        }
        let store = self.store.clone();
        self.ask_disk(Some(Intent::TryNow), reply, async move {
            (store.save_storage_key(&keys).await.map_err(Refusal::from), vec![])
        });
    }

    /// `work`: the answer, and the items that changed, as they are now. It waits for the disk only. Without an intent
    /// nothing changes.
    fn ask_disk<R: Send + 'static>(
        &mut self,
        intent: Option<Intent>,
        reply: Reply<R>,
        work: impl Future<Output = (Result<R, Refusal>, Vec<Item>)> + Send + 'static,
    ) {
        if let Some(intent) = intent.clone() {
            self.event(Event::Asked(intent));
        }
        self.commands += 1;
        self.running.push(Box::pin(async move {
            let (answer, changed) = work.await;
            Outcome::Answered(intent, changed, Some(Answer::new(reply, answer)))
        }));
    }

    /// The disk has answered. What changes the queue is told once the snapshot shows it.
    pub(super) fn answered(&mut self, intent: Option<Intent>, changed: Vec<Item>, answer: Option<Answer>) {
        self.commands -= usize::from(answer.is_some());
        let Some(intent) = intent else {
            return answer.into_iter().for_each(Answer::send);
        };
        answer.into_iter().for_each(|answer| self.publications.answer(answer));
        let priorities = changed.iter().map(|item| (item.id, item.clip.priority)).collect();
        changed.into_iter().for_each(|item| self.publications.news(item));
        self.event(Event::Answered(intent, priorities));
        // What was taken off the list may have been begun.
        self.give_up();
    }
}

/// Somebody waits for the answer of the disk.
pub(super) fn is_command(message: &ToQueue) -> bool {
    match message {
        ToQueue::Do(..)
        | ToQueue::Add { .. }
        | ToQueue::AddFd { .. }
        | ToQueue::List { .. }
        | ToQueue::Item(..)
        | ToQueue::Receipt(..)
        | ToQueue::StorageKey(..)
        | ToQueue::Clear { .. } => true,
        ToQueue::Ping(_) | ToQueue::Found(_) | ToQueue::Recorded(_) | ToQueue::NetworkUp => false,
    }
}

/// Nothing of this is begun.
pub(super) fn refuse(message: ToQueue, why: &Refusal) {
    match message {
        ToQueue::Do(_, reply) => Answer::new(reply, Err(why.clone())).send(),
        ToQueue::Add { reply, .. } => Answer::new(reply, Err(why.clone())).send(),
        ToQueue::AddFd { reply, .. } => Answer::new(reply, Err(why.clone())).send(),
        ToQueue::List { reply, .. } => Answer::new(reply, Err(why.clone())).send(),
        ToQueue::Item(_, reply) => Answer::new(reply, Err(why.clone())).send(),
        ToQueue::Receipt(_, reply) => Answer::new(reply, Err(why.clone())).send(),
        ToQueue::StorageKey(_, reply) => Answer::new(reply, Err(why.clone())).send(),
        ToQueue::Clear { reply, .. } => Answer::new(reply, Err(why.clone())).send(),
        ToQueue::Ping(reply) => drop(reply.send(())),
        ToQueue::Found(_) | ToQueue::Recorded(_) | ToQueue::NetworkUp => {}
    }
}

fn takes_no_clips() -> Refusal {
    Refusal::NotSupported(
        "no clips go anywhere from this rig, as its configuration has it ([provider], [delivery])".to_owned(),
    )
}

fn intent(command: &QueueCommand) -> Intent {
    match command {
        QueueCommand::Cancel(ids) => Intent::Cancel(ids.clone()),
        QueueCommand::SetPaused(true) => Intent::Pause,
        QueueCommand::Retry(_) | QueueCommand::SetPaused(false) => Intent::TryNow,
        QueueCommand::SetRecording(recording) => Intent::Record(*recording),
        QueueCommand::Release(_)
        | QueueCommand::SetPriority(..)
        | QueueCommand::Comment(..)
        | QueueCommand::SetBandwidthLimit(_) => Intent::Change,
    }
}

/// Puts a command on disk; what came of the items that it names.
async fn perform(store: &Store, command: QueueCommand) -> Result<Answers, Refusal> {
    let nobody = |()| vec![];
    let answers = match command {
        QueueCommand::Cancel(ids) => store.cancel(&ids).await,
        QueueCommand::Retry(ids) => store.retry(&ids).await,
        QueueCommand::Release(ids) => store.release(&ids).await,
        QueueCommand::SetPriority(ids, to) => store.set_priority(&ids, to).await,
        QueueCommand::Comment(id, text, frames) => {
            store.comment(id, &text, frames).await.map(|said| vec![(id, said)])
        }
        QueueCommand::SetPaused(paused) => store.set_paused(paused).await.map(nobody),
        // Not of the disk's business: it ends with the camera's take.
        QueueCommand::SetRecording(_) => Ok(vec![]),
        QueueCommand::SetBandwidthLimit(limit) => store.set_bandwidth_limit(limit).await.map(nobody),
    };
    answers.map_err(Refusal::from)
}

/// The items of `ids` that are told one by one, as they are now.
pub(super) async fn told(store: &Store, ids: &[ItemId]) -> Vec<Item> {
    if (1..=MAX_TOLD).contains(&ids.len()) { store.get(ids).await.unwrap_or_default() } else { vec![] }
}

async fn accept(
    store: &Store,
    workers: &Workers,
    settings: UploadSettings,
    now: Now,
    paths: Vec<PathBuf>,
    options: AddOptions,
) -> Result<Vec<Added>, Refusal> {
    let (intake, limits, wanted) = (settings.intake, settings.limits, options.wanted);
    let (volumes, mut items) = (workers.volumes(), Vec::with_capacity(paths.len()));
    for (volume, paths) in volumes.group(paths, AT_ONCE, |path| path) {
        let (intake, options) = (intake.clone(), options.clone());
        let asked = volume.run(move || {
            paths.iter().map(|path| intake.asked(path, &options, now)).collect::<Result<Vec<_>, _>>()
        });
        let taken = asked.await??;
        items.extend(with_fingerprints(&volume, taken).await);
    }
    store.add(items, wanted, limits).await.map_err(Refusal::from)
}

/// Takes an open file in and keeps it.
async fn accept_open(
    store: &Store,
    workers: &Workers,
    kept: &Kept,
    settings: UploadSettings,
    now: Now,
    file: Descriptor,
    options: AddOptions,
) -> Result<Added, Refusal> {
    let UploadSettings { intake, limits, .. } = settings;
    if !intake.takes_open_files {
        let why = "this rig is set up to take no open files (queue.take_open_files)";
        return Err(Refusal::NotAllowed(why.to_owned()));
    }
    let fd = file.into_fd().ok_or(Refusal::Stopping)?;
    let (file, seen) = workers.receive(fd, now.boot_id).await?;
    let name = shown(&known_as(&seen.path));
    let coming = kept.bring(seen.path.clone(), file)?;
    let clip = intake.handed_over(seen, &options, now);
    let added = store.add(vec![clip], options.wanted, limits).await?;
    let added = added.into_iter().next().ok_or(Refusal::OutcomeUnknown)?;
    if added.outcome.word().is_in_the_queue() {
        info!(item = added.id.0, caller_uid = options.user.uid, file = name, "handed over as an open file");
        coming.keep(added.id);
    }
    Ok(added)
}
