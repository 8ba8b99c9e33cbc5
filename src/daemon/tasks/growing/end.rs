//! How a recording ends.
use tracing::info;

use super::{AGAIN, GrowingTask, Key, Outcome};
use crate::http::Transport;
use crate::media::has_its_directory;
use crate::store::RecordingEnd;
use rigpost_core::queue::growing::Ending;
use rigpost_core::queue::item::shown;

impl<T: Transport> GrowingTask<T> {
    pub(super) fn finish(&mut self, key: Key, ending: Ending) {
        match ending {
            Ending::Done(_) => self.delivered(key),
            Ending::UsualWay(why) => self.leave(key, why),
            Ending::Gone => self.gone(key),
        }
    }

    fn delivered(&mut self, key: Key) {
        let Some(entry) = self.entries.get(&key) else { return };
        let Some(compared) = &entry.compared else {
            return self.leave(key, "it was compared with nothing".to_owned());
        };
        let mut seen = compared.seen.clone();
        seen.path.clone_from(&entry.path);
        self.write_end(key, RecordingEnd::Delivered(seen, compared.whole));
    }

    /// It goes as every clip does: now, or once its recorder is done.
    fn leave(&mut self, key: Key, why: String) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.dropped.cancel();
        let Some(id) = entry.id() else {
            // There is no row. Where it was finished meanwhile, its source is to find it once more.
            let _ = self.links.again.try_send(entry.path.clone());
            return self.remove(key);
        };
        info!(item = id.0, file = %shown(&entry.path), "goes as every clip does, once it is recorded: {why}");
        entry.left = Some(why.clone());
        if entry.over.is_some() {
            return self.hand_over(key);
        }
        let store = self.store.clone();
        self.running.push(Box::pin(async move {
            match store.leave_recording(id, &why).await {
                Ok(()) => Outcome::Told,
                // What was written before says the same, and it ends soon.
                Err(_) => Outcome::TakenAway(key),
            }
        }));
        self.tell_queue(id);
    }

    /// Its recorder is done, and it is queued.
    pub(super) fn hand_over(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let why = entry.left.clone().unwrap_or_default();
        let mut seen = entry.sighting();
        // The turn takes its fingerprint.
        seen.fingerprint = None;
        self.write_end(key, RecordingEnd::Queued(seen, why));
    }

    pub(super) fn gone(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.dropped.cancel();
        if entry.item.is_none() {
            return self.remove(key);
        }
        entry.ending = true;
        let (workers, dirs) = (self.workers.clone(), self.settings.borrow().intake.media_dirs.clone());
        let (path, dev) = (entry.path.clone(), entry.sighting().facts.dev);
        let (store, id, now) = (self.store.clone(), entry.id(), self.clock.now());
        self.running.push(Box::pin(async move {
            let Some(id) = id else { return Outcome::TakenAway(key) };
            let is_there = has_its_directory(&workers, dirs, &path, dev).await.unwrap_or(false);
            let end = if is_there { RecordingEnd::ThrownAway } else { RecordingEnd::Away };
            let ended = store.end_recording(id, end, now).await;
            Outcome::Ended(key, ended.map(|item| Some(Box::new(item))))
        }));
    }

    fn write_end(&mut self, key: Key, end: RecordingEnd) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Some(id) = entry.id() else { return self.remove(key) };
        entry.ending = true;
        self.running.push(Box::pin(async move {
            let ended = store.end_recording(id, end, now).await;
            Outcome::Ended(key, ended.map(|item| Some(Box::new(item))))
        }));
    }

    /// The disk could not: it ends by what it has come to, once more.
    pub(super) fn write_end_later(&mut self, key: Key) {
        let (clock, store) = (self.clock.clone(), self.store.clone());
        self.with(key, |entry| entry.ending = false);
        self.remove(key);
        self.running.push(Box::pin(async move {
            clock.sleep_until(clock.now().boot + AGAIN).await;
            // As after a start: what is on disk says what is left to do.
            Outcome::Left(store.recordings().await)
        }));
    }
}
