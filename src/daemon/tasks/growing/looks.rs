//! Looks at recordings: from the first glance by name to the stop.
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use super::entry::Entry;
use super::in_hand::Held;
use super::{AGAIN, GrowingTask, Key, LOOK_EVERY, Outcome};
use crate::http::Transport;
use crate::media::{Growth, MediaFile, ReadError, look_at_growth, peek, wholeness};
use crate::tasks::intake::Taken;
use rigpost_core::command::Refusal;
use rigpost_core::queue::container::Wholeness;
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::growing::Event;
use rigpost_core::queue::growing::plan::start;
use rigpost_core::queue::item::Clip;

/// A recording whose writer nobody saw is done when it is silent for so long: as half of what is waited for a file that was
/// there before anybody watched.
const SILENCE: Duration = Duration::from_secs(30);
/// A part is sent once there are two, and a byte behind them.
const ENOUGH: u32 = 2;

impl<T: Transport> GrowingTask<T> {
    /// Something is to be seen of it.
    pub(super) fn is_looked_at(&self, entry: &Entry) -> bool {
        entry.over.is_none() || entry.file.is_some()
    }

    pub(super) fn look(&mut self, key: Key) {
        let now = self.clock.now();
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.looking || entry.ending {
            return;
        }
        (entry.looking, entry.look_at) = (true, now.boot + LOOK_EVERY);
        let solid = entry.growth.map_or(0, |growth| growth.solid);
        if let Some(file) = entry.file.clone() {
            let (workers, dirs) = (self.workers.clone(), self.settings.borrow().intake.media_dirs.clone());
            let path = entry.path.clone();
            return self.running.push(Box::pin(async move {
                let growth = match look_at_growth(&file, solid).await {
                    Ok(growth) => growth,
                    Err(e) => return Outcome::Looked(key, Err(e)),
                };
                let name = path.clone();
                let named = workers.run(&path, move || peek(&dirs, &name, now.boot_id)).await;
                let is_named = |seen: &Sighting| seen.facts.ino == growth.facts.ino;
                let is_lost = named.is_ok_and(|seen| !seen.as_ref().is_some_and(is_named));
                Outcome::Looked(key, Ok((growth, is_lost)))
            }));
        }
        if entry.item.is_some() && entry.left.is_none() {
            entry.looking = false;
            return self.open(key);
        }
        let (workers, dirs) = (self.workers.clone(), self.settings.borrow().intake.media_dirs.clone());
        let path = entry.path.clone();
        self.running.push(Box::pin(async move {
            let name = path.clone();
            let seen = workers.run(&path, move || peek(&dirs, &name, now.boot_id)).await;
            match seen {
                Ok(seen) => Outcome::Glanced(key, seen),
                Err(e) => Outcome::Opened(key, Err(Refusal::NotAnswering(e.to_string()))),
            }
        }));
    }

    pub(super) fn glanced(&mut self, key: Key, seen: Option<Sighting>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.looking = false;
        match seen {
            None if entry.item.is_some() => self.gone(key),
            // Nothing was begun, and its source finds it again.
            None => self.remove(key),
            Some(seen) if entry.left.is_some() => self.left_looks(key, seen),
            Some(seen) if seen.facts.size > start(ENOUGH) => self.open(key),
            Some(_) => {}
        }
    }

    /// One that goes the usual way, and may still be written.
    fn left_looks(&mut self, key: Key, seen: Sighting) {
        let now = self.clock.now().boot;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let growth = Growth { facts: seen.facts, solid: 0, is_deleted: false };
        if entry.growth.replace(growth).is_none_or(|before| before.facts != growth.facts) {
            entry.changed_at = now;
        }
        let unchanged = now.since(entry.changed_at);
        if (!entry.is_watched && unchanged >= SILENCE) || (entry.was_closed && unchanged >= 2 * SILENCE) {
            self.hand_over(key);
        }
    }

    pub(super) fn open(&mut self, key: Key) {
        let now = self.clock.now();
        let intake = self.settings.borrow().intake.clone();
        let Some(entry) = self.entries.get_mut(&key) else { return };
        (entry.looking, entry.look_at) = (true, now.boot + LOOK_EVERY);
        let (path, clip, workers) = (entry.path.clone(), entry.clip.clone(), self.workers.clone());
        // Before it is: the watch is told of the opening.
        self.links.in_hand.set(&path, Held { begun: entry.item.is_some(), open: true });
        let volume = workers.volumes().of(&path);
        self.running.push(Box::pin(async move {
            let take = move || -> Result<(Clip, File), Refusal> {
                let source = intake.source_of(&path).cloned().unwrap_or_default();
                let unwanted = || Refusal::NotAllowed("no source sends it while it is recorded".to_owned());
                if clip.is_none() && (!source.while_recording || intake.left_out(&path, &source).is_some()) {
                    return Err(unwanted());
                }
                let Taken { clip: now, file } = intake.found(&path, &source, false, now)?;
                // What it is was said when it was begun; how it looks is as it is.
                let clip = match clip {
                    Some(clip) => {
                        let there = now.volume.is_known_to_differ(&clip.volume);
                        if there || now.facts.ino != clip.facts.ino {
                            return Err(Refusal::NotFound("another file is at its place".to_owned()));
                        }
                        Clip { facts: now.facts, ..clip }
                    }
                    None => Clip { appeared: true, ..now },
                };
                Ok((clip, file))
            };
            let taken = match volume.run(take).await {
                Ok(taken) => taken,
                Err(e) => Err(Refusal::NotAnswering(e.to_string())),
            };
            Outcome::Opened(key, taken.map(|(clip, file)| Box::new((clip, MediaFile::new(file, volume)))))
        }));
    }

    pub(super) fn opened(&mut self, key: Key, opened: Result<Box<(Clip, MediaFile)>, Refusal>) {
        let now = self.clock.now().boot;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.looking = false;
        match opened {
            Ok(opened) => {
                let (clip, file) = *opened;
                (entry.clip, entry.file, entry.look_at) = (Some(clip), Some(Arc::new(file)), now);
                self.show(key);
                let may = self.entries.get(&key).is_some_and(|entry| self.may(entry));
                self.event(key, Event::May(may));
                self.event(key, Event::Timer);
                self.look(key);
            }
            Err(Refusal::NotAnswering(_)) => {
                entry.look_at = now + AGAIN;
                self.show(key);
            }
            Err(Refusal::NotFound(_)) if entry.item.is_some() => self.event(key, Event::Gone),
            Err(why) if entry.item.is_some() => {
                entry.look_at = now + AGAIN;
                self.show(key);
                // As a whole, its turn says why.
                self.leave(key, why.to_string());
            }
            // Nothing was begun, and its source finds it.
            Err(_) => self.remove(key),
        }
    }

    /// With whether its name does not lead to it.
    pub(super) fn looked(&mut self, key: Key, growth: Result<(Growth, bool), ReadError>) {
        let now = self.clock.now().boot;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.looking = false;
        let growth = match growth {
            // Renamed out of what is watched, or deleted. A rename within is told soon: only the second look counts.
            Ok((growth, is_lost)) => {
                if is_lost && std::mem::replace(&mut entry.lost, is_lost) || growth.is_deleted {
                    return self.event(key, Event::Gone);
                }
                entry.lost = is_lost;
                growth
            }
            Err(_) => {
                // Its card is gone, or does not answer.
                (entry.file, entry.look_at) = (None, now + AGAIN);
                return self.show(key);
            }
        };
        let before = entry.growth.replace(growth);
        let is_changed = before.is_none_or(|before| before.facts != growth.facts);
        if is_changed {
            entry.changed_at = now;
            // Written on, whatever its size: what was compared is another file.
            entry.over = None;
            if before.is_some() {
                entry.was_closed = entry.closed;
            }
        }
        if std::mem::take(&mut entry.is_done) {
            entry.over = Some(growth.facts.size);
        }
        // Written at the look before, and not in the last moment.
        let written = before.map_or(0, |before| before.facts.size.min(growth.solid));
        let unchanged = now.since(entry.changed_at);
        // A close that nobody spoke of again: its directory's watch has missed something.
        let is_missed = entry.was_closed && unchanged >= 2 * SILENCE;
        let is_silent = is_missed || (!entry.is_watched && unchanged >= SILENCE);
        let stable = if entry.over.is_some() || is_silent { growth.facts.size } else { written };
        let is_begun = !entry.machine.asset_id().is_empty();
        let asks_container = entry.closed && entry.over.is_none() && is_begun && !is_changed;
        let size = entry.over;
        self.event(key, Event::Looked { stable, size });
        if is_silent && size.is_none() {
            self.recorder_is_done(key);
        } else if asks_container {
            self.ask_container(key, growth.facts.size);
        } else if self.entries.get(&key).is_some_and(|entry| entry.closed && entry.over.is_none() && is_begun)
        {
            // The last bytes before the close: seen once more, at once.
            self.with(key, |entry| entry.look_at = now + Duration::from_millis(200));
        }
    }

    /// The sooner it is known to be over, the sooner its rest is sent.
    fn ask_container(&mut self, key: Key, size: u64) {
        let Some(file) = self.entries.get(&key).and_then(|entry| entry.file.clone()) else { return };
        self.with(key, |entry| entry.closed = false);
        self.running.push(Box::pin(async move {
            match wholeness(&file, size).await {
                Ok(Wholeness::Whole) => Outcome::Whole(key, size),
                Ok(Wholeness::Cut(_) | Wholeness::Unknown) | Err(_) => Outcome::Told,
            }
        }));
    }

    pub(super) fn is_whole(&mut self, key: Key, size: u64) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.over.is_none() && entry.growth.is_some_and(|growth| growth.facts.size == size) {
            entry.over = Some(size);
            self.event(key, Event::Looked { stable: size, size: Some(size) });
        }
    }

    /// By the watch of its directory, or by its silence.
    pub(super) fn recorder_is_done(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.left.is_some() {
            return self.hand_over(key);
        }
        if entry.item.is_none() && !entry.creating {
            // Nothing was begun: it is queued by whoever watches.
            return self.remove(key);
        }
        if entry.over.is_none() {
            // As large as the next look finds it.
            (entry.is_done, entry.look_at) = (true, self.clock.now().boot);
            self.look(key);
        }
    }
}
