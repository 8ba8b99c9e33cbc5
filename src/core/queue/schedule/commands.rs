//! What people's commands mean for the turns under way and for what waits.
use super::event::{Action, Intent};
use super::state::Schedule;
use crate::queue::item::ItemId;
use crate::queue::upload;
use crate::time::Now;

impl Schedule {
    /// Before the command is on disk.
    pub(super) fn asked(&mut self, intent: Intent, now: Now, out: &mut Vec<Action>) {
        match intent {
            Intent::Cancel(ids) => {
                self.give_back_claim();
                for id in ids {
                    self.cut(id, now, out);
                    // The look at a file that may be being written begins anew if it comes back.
                    self.seen.remove(&id);
                    self.cut_off.remove(&id);
                    self.unlike.remove(&id);
                    self.retry.release(id);
                    // Its turn must not come again before the wish is on disk.
                    *self.cancelling.entry(id).or_default() += 1;
                }
            }
            Intent::Pause => {
                // No new turn before the wish is on disk and seen.
                self.pausing += 1;
                self.give_back_claim();
                self.cut_all(now, out);
            }
            Intent::Record(recording) => {
                self.recording = recording;
                // No turn begins meanwhile, not even by asking for an asset.
                if recording {
                    self.give_back_claim();
                }
            }
            Intent::TryNow => self.retry.try_now(&self.seen),
            Intent::Change => {}
        }
    }

    /// Once the disk has answered.
    pub(super) fn answered(&mut self, intent: Intent, priorities: &[(ItemId, i32)], out: &mut Vec<Action>) {
        match intent {
            Intent::Cancel(ids) => ids.into_iter().for_each(|id| self.cancelled(id)),
            Intent::Pause => self.reading.unseen += 1,
            Intent::Record(_) | Intent::TryNow | Intent::Change => {}
        }
        self.backlog.changed();
        for (id, priority) in priorities {
            if let Some(turn) = self.turns.get_mut(id) {
                turn.item.clip.priority = *priority;
            }
        }
        self.read(out);
    }

    /// One command that takes it off was answered.
    fn cancelled(&mut self, id: ItemId) {
        if let Some(commands) = self.cancelling.get_mut(&id) {
            *commands -= 1;
            if *commands == 0 {
                self.cancelling.remove(&id);
            }
        }
    }

    /// Ends a turn now: a part that hangs must not keep the others waiting for its time-out.
    pub(super) fn cut(&mut self, id: ItemId, now: Now, out: &mut Vec<Action>) {
        if self.turns.contains_key(&id) {
            self.feed(id, upload::Event::Stop, now, out);
            out.push(Action::Cut(id));
        } else if self.is_compared(id) {
            out.push(Action::Cut(id));
        }
    }

    pub(super) fn cut_all(&mut self, now: Now, out: &mut Vec<Action>) {
        let compared = self.leaving.keys().filter(|id| self.is_compared(**id));
        let all: Vec<_> = self.turns.keys().chain(compared).copied().collect();
        all.into_iter().for_each(|id| self.cut(id, now, out));
    }
}
