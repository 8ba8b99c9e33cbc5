//! How a recording ends.
use tracing::info;

use super::{AGAIN, GrowingTask, Key, Outcome};
use crate::http::Transport;
use crate::media::{has_its_directory, look_closer, peek};
use crate::store::{RecordingEnd, Store, StoreError};
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::growing::Ending;
use rigpost_core::queue::item::{ItemId, shown};
use rigpost_core::time::Now;

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
        let (mut seen, whole) = (compared.seen.clone(), compared.whole);
        seen.path.clone_from(&entry.path);
        let Some(file) = entry.file.clone() else {
            return self.write_end(key, RecordingEnd::Delivered(seen, whole));
        };
        // Written on since it was compared, it is another clip, which goes as a new version of this one.
        let (store, id, now) = (self.store.clone(), entry.id(), self.clock.now());
        self.with(key, |entry| entry.ending = true);
        self.running.push(Box::pin(async move {
            let Some(id) = id else { return Outcome::TakenAway(key) };
            let end = match look_closer(&file, &seen).await {
                Ok(last) if last.facts != seen.facts => {
                    let why = "it was written on while the end of it was sent".to_owned();
                    RecordingEnd::Queued(Sighting { fingerprint: None, ..last }, false, why)
                }
                Ok(_) | Err(_) => RecordingEnd::Delivered(seen, whole),
            };
            written(&store, key, id, end, now).await
        }));
    }

    /// It goes as every clip does: now, or once its recorder is done.
    pub(super) fn leave(&mut self, key: Key, why: String) {
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
                Err(StoreError::NotFound(_)) => Outcome::TakenAway(key),
                // Where the disk takes nothing its end is written later, which says the same.
                Ok(()) | Err(_) => Outcome::Told,
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
        self.write_end(key, RecordingEnd::Queued(seen, true, why));
    }

    pub(super) fn gone(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.dropped.cancel();
        if entry.item.is_none() {
            return self.remove(key);
        }
        entry.ending = true;
        let (workers, dirs) = (self.workers.clone(), self.settings.borrow().intake.media_dirs.clone());
        let facts = entry.sighting().facts;
        let (path, dev, ino) = (entry.path.clone(), facts.dev, facts.ino);
        let (store, id, now) = (self.store.clone(), entry.id(), self.clock.now());
        self.running.push(Box::pin(async move {
            let Some(id) = id else { return Outcome::TakenAway(key) };
            let (beneath, name) = (dirs.clone(), path.clone());
            let named = workers.run(&path, move || peek(&beneath, &name, now.boot_id)).await.ok().flatten();
            let is_there = has_its_directory(&workers, dirs, &path, dev).await.unwrap_or(false);
            let end = match named.filter(|named| named.facts.ino == ino && named.facts.size > 0) {
                // It has been renamed meanwhile: it goes as every clip does, once it lies still.
                Some(named) => {
                    RecordingEnd::Queued(named, false, "it was renamed while it was recorded".to_owned())
                }
                None if is_there => RecordingEnd::ThrownAway,
                None => RecordingEnd::Away,
            };
            written(&store, key, id, end, now).await
        }));
    }

    fn write_end(&mut self, key: Key, end: RecordingEnd) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Some(id) = entry.id() else { return self.remove(key) };
        entry.ending = true;
        self.running.push(Box::pin(async move { written(&store, key, id, end, now).await }));
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

async fn written(store: &Store, key: Key, id: ItemId, end: RecordingEnd, now: Now) -> Outcome {
    Outcome::Ended(key, store.end_recording(id, end, now).await.map(Box::new))
}
