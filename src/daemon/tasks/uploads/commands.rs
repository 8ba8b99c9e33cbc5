//! People's wishes: what they mean for the turns under way, their answers, and what follows.
use std::time::Duration;

use tokio::sync::oneshot;

use super::answer::answer;
use super::{Done, Uploader};
use crate::http::Transport;
use crate::link::Ask;
use rigpost_core::command::{QueueAnswer, QueueCommand, Refusal};
use rigpost_core::queue::item::{Item, ItemId};
use rigpost_core::queue::upload;

/// More than the disk takes for a person's wish.
const WISH_PATIENCE: Duration = Duration::from_secs(60);

/// An answer that waits until the snapshot shows what it speaks of: who is told "paused" must not read otherwise.
pub(super) type Reply = Box<(oneshot::Sender<Result<QueueAnswer, Refusal>>, Result<QueueAnswer, Refusal>)>;

/// What a command was about, as far as it matters once it is answered.
pub(super) enum Asked {
    /// Nothing that changes the queue.
    Nothing,
    /// Something that does.
    Change,
    /// The line was to stop.
    Pause,
    /// These were to be taken off.
    Cancel(Vec<ItemId>),
}

impl<T: Transport> Uploader<T> {
    pub(super) fn ask(&mut self, Ask { command, reply }: Ask<QueueCommand, QueueAnswer>) {
        if self.cloud.is_none() && matches!(command, QueueCommand::Add { .. } | QueueCommand::Release(_)) {
            let why = "the provider that this rig is set up for takes no clips".to_owned();
            // Nobody waits any more: their bus connection went away.
            let _ = reply.send(Err(Refusal::NotSupported(why)));
            return;
        }
        self.prepare(&command);
        let asked = match &command {
            QueueCommand::List { .. } | QueueCommand::Receipt(_) => Asked::Nothing,
            QueueCommand::Cancel(ids) => Asked::Cancel(ids.clone()),
            QueueCommand::Add { .. }
            | QueueCommand::Retry(_)
            | QueueCommand::Release(_)
            | QueueCommand::SetPriority(..)
            | QueueCommand::Clear { .. }
            | QueueCommand::SetPaused(false)
            | QueueCommand::SetRecording(_)
            | QueueCommand::SetBandwidthLimit(_) => Asked::Change,
            QueueCommand::SetPaused(true) => Asked::Pause,
        };
        let (room, settings, clock) = (self.room.clone(), self.settings.borrow().clone(), self.clock.clone());
        self.running.push(Box::pin(async move {
            let (answer, changed) = answer(&room, settings, &clock, command).await;
            Done::Answered(asked, changed, Some(Box::new((reply, answer))))
        }));
    }

    /// What a command means for the turns that are under way.
    fn prepare(&mut self, command: &QueueCommand) {
        match command {
            QueueCommand::Cancel(ids) => {
                self.stop_next |= self.claiming;
                for id in ids {
                    self.cut(*id);
                    // The look at a file that may be being written begins anew if it comes back.
                    self.seen.remove(id);
                    // Its turn must not come again before the wish is on disk.
                    self.aside.insert(*id, self.clock.now().boot + WISH_PATIENCE);
                }
            }
            QueueCommand::SetPaused(true) => {
                // No new turn before the wish is on disk and seen.
                self.pausing += 1;
                self.stop_next |= self.claiming;
                let all: Vec<_> = self.turns.keys().copied().collect();
                all.into_iter().for_each(|id| self.cut(id));
            }
            QueueCommand::SetRecording(recording) => {
                self.view.send_if_modified(|v| std::mem::replace(&mut v.recording, *recording) != *recording);
                self.pacer.freeze(*recording);
                // No turn begins meanwhile, not even by asking for an asset.
                self.stop_next |= *recording && self.claiming;
                self.show_progress();
            }
            QueueCommand::Retry(_) | QueueCommand::SetPaused(false) => {
                self.retry = None;
                self.own_troubles.clear();
                self.aside.retain(|id, _| self.seen.contains_key(id));
            }
            QueueCommand::Add { .. }
            | QueueCommand::List { .. }
            | QueueCommand::Release(_)
            | QueueCommand::SetPriority(..)
            | QueueCommand::Clear { .. }
            | QueueCommand::Receipt(_)
            | QueueCommand::SetBandwidthLimit(_) => {}
        }
    }

    /// Ends a turn now: a part that hangs must not keep the others waiting for its time-out.
    pub(super) fn cut(&mut self, id: ItemId) {
        let Some(dropped) = self.turns.get(&id).map(|t| t.dropped.clone()) else { return };
        self.feed(id, upload::Event::Stop);
        dropped.cancel();
    }

    pub(super) async fn answered(&mut self, asked: Asked, changed: &[Item], reply: Option<Reply>) {
        match asked {
            Asked::Nothing => return say(reply),
            Asked::Change => {}
            Asked::Pause => self.pausing -= 1,
            Asked::Cancel(ids) => {
                for id in &ids {
                    self.aside.remove(id);
                }
            }
        }
        self.line.changed();
        self.refresh_view().await;
        say(reply);
        for item in changed {
            if let Some(turn) = self.turns.get_mut(&item.id) {
                turn.item.new.priority = item.new.priority;
            }
            self.tell(item);
        }
    }
}

fn say(reply: Option<Reply>) {
    if let Some(reply) = reply {
        let (reply, answer) = *reply;
        // Nobody waits any more: their bus connection went away.
        let _ = reply.send(answer);
    }
}
