//! When something is to be done with recordings that no event will tell of.
use super::GrowingTask;
use super::entry::Entry;
use crate::http::Transport;
use rigpost_core::queue::growing::Event;
use rigpost_core::time::BootTime;

impl<T: Transport> GrowingTask<T> {
    pub(super) fn deadline(&self) -> Option<BootTime> {
        self.entries.values().filter(|entry| entry.is_idle()).filter_map(|entry| self.due(entry)).min()
    }

    /// When something is to be done with it that no event will tell of.
    fn due(&self, entry: &Entry) -> Option<BootTime> {
        let look = self.is_looked_at(entry).then_some(entry.look_at);
        let again = entry.machine.deadline().filter(|_| entry.left.is_none());
        // Not before its file may be opened again.
        let again = again.map(|at| if entry.file.is_some() { at } else { at.max(entry.look_at) });
        let open = self.lacks_file(entry).then_some(entry.look_at);
        [look, again, open].into_iter().flatten().min()
    }

    /// It can go on, and its file was let go of.
    pub(super) fn lacks_file(&self, entry: &Entry) -> bool {
        let waits = entry.machine.deadline().is_some() || entry.left.is_some();
        entry.file.is_none() && entry.item.is_some() && !waits && self.may(entry)
    }

    pub(super) fn tick(&mut self) {
        let now = self.clock.now().boot;
        for key in self.entries.keys().copied().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get(&key).filter(|entry| entry.is_idle()) else { continue };
            if self.due(entry).is_none_or(|at| at > now) {
                continue;
            }
            let timer = entry.left.is_none() && entry.machine.deadline().is_some_and(|at| at <= now);
            let (may_open, is_looked_at) = (entry.look_at <= now, self.is_looked_at(entry));
            let is_open = entry.file.is_some();
            if timer && is_open {
                self.event(key, Event::Timer);
            }
            if !is_open && may_open && (timer || self.entries.get(&key).is_some_and(|e| self.lacks_file(e))) {
                self.open(key);
            } else if is_looked_at && may_open {
                self.look(key);
            }
        }
    }
}
