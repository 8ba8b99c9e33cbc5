//! Files that may still be written: each waits here until its writer is done.
//!
//! | what is known of its writer | since | finished |
//! | --- | --- | --- |
//! | open: seen to make it, or to write it though nobody was seen to open it | made and opened; moved in, or found, and changed since | by its close; else after [`LONG`] without a change |
//! | closed | a writer's close that leaves nobody else | the wait after the close, and two looks the same |
//! | busy: somebody has it, to read or to write | opened again while it waited, or one of several closed it | by the last close; else after the silence |
//! | linked: it appeared and nobody opened it (`link`, `linkat` of an `O_TMPFILE`, `mknod`) | made | two looks the same, a settle time apart; longer each time it changed |
//! | moved in, or touched (its times, rights or owner) | told | the same; when it changed, it is open |
//! | unseen: it was there before anybody watched | found by a walk | at once if it is older than half the silence; else after half the silence; when it changed, it is open |
//! | elsewhere: others may write where this kernel tells nothing | found by a walk | at once if it is older than [`OLD`]; else after half the silence; each change doubles that |
//!
//! What always holds: a file whose writer was seen from the beginning is not finished while it has it open, but after
//! [`LONG`]. Nothing is finished that changed since the last look. Nothing waits longer than the silence once nobody has
//! it open and all was seen.
//!
//! # Decisions
//! - A paused recorder holds its file for minutes, so a known writer is believed gone only after an hour. A look every
//!   quarter of it costs nothing.
//! - A close is a hint: many a writer opens its file again, to append or to mend the header. After a close the settle
//!   time runs, and doubles each time a writer closes the file again within it, up to the silence.
//! - The silence is twenty settle times and at most a minute: 60 s as configured.
//! - Of a file that was there before the watch nobody knows a writer, so half the silence is enough, 30 s: a recorder
//!   that writes at all writes every few seconds, and a card that is put in right after the last take must not wait for
//!   minutes. By its date the silence began before anybody looked, so a card of yesterday goes at once, and one whose
//!   dates tell nothing (none, 1980, the future) within the 30 s. So does what a directory held that was made and filled
//!   before it could be watched.
//! - A file that changes though nobody was seen to open it has a writer from before the watch, and that one's close will
//!   be told: from then on it is open. Not so by another name (`link`): the close is told of the name it was opened by.
//! - Elsewhere a date is another machine's clock, which may be hours off, time zones among them: a day tells enough.
//! - Openings are counted, but the kernel makes one event of two alike in a row, so a count may be off by what was told as
//!   one. Where it contradicts itself the silence decides, and not the hour.
//! - A short grace before the first look: many a writer gives the file its name only then, and a burst becomes one batch.
//! - The number of files is bounded. What does not fit is the caller's to find again by a walk.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::queue::item::FileFacts;
use crate::time::BootTime;

const GRACE: Duration = Duration::from_millis(250);
/// A writer that has a file open and is silent for this long is believed gone.
pub const LONG: Duration = Duration::from_secs(3600);
/// A file elsewhere that is older than this is finished, whatever the clocks of two machines make of it.
pub const OLD: Duration = Duration::from_secs(24 * 3600);
/// The silence, in settle times.
const SILENCE: u32 = 20;
/// And at most this, unless the settle time itself is longer.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// What is known of a file's writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Open,
    Closed,
    Busy,
    Linked,
    Moved,
    Unseen,
    Elsewhere,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    writer: Writer,
    /// How often it was seen to be opened and not closed again.
    opens: u32,
    /// How long it must be unchanged.
    wait: Duration,
    /// When that began.
    since: BootTime,
    /// At the last look.
    facts: Option<FileFacts>,
    /// When to look; `None` while somebody does.
    due: Option<BootTime>,
    appeared: bool,
    /// One of those who have it open is the rig itself.
    ours: bool,
}

/// What a walk knows of a file beside its facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// How long ago it changed, by clocks that can be believed.
    pub age: Option<Duration>,
    /// It lies where others may write without this kernel's telling, or in a directory that is not watched.
    pub elsewhere: bool,
    /// Its directory came while the one above was watched.
    pub appeared: bool,
}

/// What a look at a file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is finished, and waits here no more. True: it was seen to appear, in a directory that was watched before.
    Finished(bool),
    /// It will be looked at again.
    Wait,
    /// It is not there any more, or was forgotten in the meantime.
    Forgotten,
}

/// The files that wait.
#[derive(Debug)]
pub struct Settling {
    settle: Duration,
    most: usize,
    files: BTreeMap<PathBuf, Waiting>,
}

/// There is no room for another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl Settling {
    /// At most `most` files at a time. `settle`: how long a file is left alone after a close.
    pub fn new(settle: Duration, most: usize) -> Settling {
        Settling { settle, most, files: BTreeMap::new() }
    }

    /// How many more files there is room for.
    pub fn room(&self) -> usize {
        self.most.saturating_sub(self.files.len())
    }

    /// How long a file must be unchanged that somebody may have open.
    pub fn silence(&self) -> Duration {
        (self.settle * SILENCE).min(LONGEST_SILENCE).max(self.settle)
    }

    /// It was seen to appear. Whoever opens it next has made it by opening it.
    ///
    /// # Errors
    /// [`NoRoom`]; so for the others.
    pub fn made(&mut self, path: PathBuf, now: BootTime) -> Result<(), NoRoom> {
        // Who makes a file anew instead of appending to it will do so again.
        let wait = self.files.get(&path).map_or(self.settle, |w| w.wait.max(self.settle));
        self.put(path, Writer::Linked, wait, true, now)
    }

    /// It was opened, to read or to write.
    pub fn opened(&mut self, path: &Path, now: BootTime) {
        let due = Some(now + GRACE);
        let Some(waiting) = self.files.get_mut(path) else { return };
        waiting.opens = waiting.opens.saturating_add(1);
        match waiting.writer {
            _ if waiting.ours && waiting.opens == 1 => {}
            Writer::Linked => *waiting = Waiting { writer: Writer::Open, facts: None, due, ..*waiting },
            // The wait stays: it is doubled by a writer's close.
            Writer::Closed | Writer::Moved => {
                *waiting = Waiting { writer: Writer::Busy, facts: None, due, ..*waiting };
            }
            Writer::Open | Writer::Busy | Writer::Unseen | Writer::Elsewhere => {}
        }
    }

    /// Somebody who had opened it for writing has closed it.
    pub fn closed(&mut self, path: PathBuf, now: BootTime) -> Result<(), NoRoom> {
        let before = self.files.get(&path).copied();
        let (opens, wait, appeared) = match before {
            None => (0, self.settle, false),
            Some(Waiting { writer: Writer::Closed | Writer::Busy, opens, wait, appeared, .. }) => {
                (opens, (wait * 2).min(self.silence()), appeared)
            }
            Some(Waiting { writer: Writer::Open | Writer::Linked, opens, wait, appeared, .. }) => {
                (opens, wait, appeared)
            }
            Some(Waiting { opens, appeared, .. }) => (opens, self.settle, appeared),
        };
        let (opens, ours) = (opens.saturating_sub(1), before.is_some_and(|w| w.ours));
        let writer = if opens > u32::from(ours) { Writer::Busy } else { Writer::Closed };
        self.put(path.clone(), writer, wait, appeared, now)?;
        self.files.entry(path).and_modify(|waiting| (waiting.opens, waiting.ours) = (opens, ours));
        Ok(())
    }

    /// Somebody who had opened it for reading has closed it.
    pub fn closed_unwritten(&mut self, path: &Path, now: BootTime) {
        let due = Some(now + GRACE);
        let Some(waiting) = self.files.get_mut(path) else { return };
        waiting.opens = waiting.opens.saturating_sub(1);
        if waiting.opens > u32::from(waiting.ours) {
            return;
        }
        match waiting.writer {
            // It was a reader, and not the one who had made it; or two openings were told as one.
            Writer::Open => {
                *waiting = Waiting { writer: Writer::Busy, facts: None, due, ..*waiting };
            }
            Writer::Busy => *waiting = Waiting { writer: Writer::Closed, facts: None, due, ..*waiting },
            Writer::Closed | Writer::Linked | Writer::Moved | Writer::Unseen | Writer::Elsewhere => {}
        }
    }

    /// It is there, like this. Finished: it need not wait, and does not.
    pub fn seen(
        &mut self,
        path: PathBuf,
        facts: FileFacts,
        sight: Sight,
        now: BootTime,
    ) -> Result<Verdict, NoRoom> {
        if self.files.contains_key(&path) {
            return Ok(Verdict::Wait);
        }
        let wait = (self.silence() / 2).max(self.settle);
        let enough = if sight.elsewhere { OLD } else { wait };
        if sight.age.is_some_and(|age| age >= enough) {
            return Ok(Verdict::Finished(sight.appeared));
        }
        let (writer, age) = match sight.elsewhere {
            true => (Writer::Elsewhere, Duration::ZERO),
            false => (Writer::Unseen, sight.age.unwrap_or_default()),
        };
        self.put(path.clone(), writer, wait, sight.appeared, now)?;
        let pace = self.settle.max(wait / 4);
        self.files.entry(path).and_modify(|waiting| {
            (waiting.facts, waiting.since) = (Some(facts), now - age);
            waiting.due = Some((now + pace).min(now + (wait - age)).max(now + GRACE));
        });
        Ok(Verdict::Wait)
    }

    /// It has another name now; `from` where that was known. What is known of its writer goes with it.
    pub fn moved(&mut self, from: Option<&Path>, to: PathBuf, now: BootTime) -> Result<(), NoRoom> {
        let due = Some(now + GRACE);
        match from.and_then(|from| self.files.remove(from)) {
            Some(old) => {
                self.files.insert(to, Waiting { due, facts: None, ..old });
                Ok(())
            }
            None => self.put(to, Writer::Moved, self.settle, true, now),
        }
    }

    /// Its times, rights or owner have changed, and not by writing.
    pub fn touched(&mut self, path: PathBuf, now: BootTime) -> Result<(), NoRoom> {
        match self.files.get_mut(&path) {
            // What it is compared with is no more.
            Some(waiting) => {
                (waiting.facts, waiting.due) = (None, Some(now + GRACE));
                Ok(())
            }
            None => self.put(path, Writer::Moved, self.settle, false, now),
        }
    }

    fn put(
        &mut self,
        path: PathBuf,
        writer: Writer,
        wait: Duration,
        appeared: bool,
        now: BootTime,
    ) -> Result<(), NoRoom> {
        if self.room() == 0 && !self.files.contains_key(&path) {
            return Err(NoRoom);
        }
        let due = Some(now + GRACE);
        let waiting = Waiting { writer, opens: 0, wait, since: now, facts: None, due, appeared, ours: false };
        self.files.insert(path, waiting);
        Ok(())
    }

    /// It is gone from here.
    pub fn forget(&mut self, path: &Path) {
        self.files.remove(path);
    }

    /// The card or the directory is gone from here, with everything on it.
    pub fn forget_beneath(&mut self, dir: &Path) {
        self.files.retain(|path, _| !path.starts_with(dir));
    }

    /// Whether the rig itself has it open: it is no writer, and nobody waits for its close.
    pub fn ours(&mut self, path: &Path, ours: bool) {
        if let Some(waiting) = self.files.get_mut(path) {
            waiting.ours = ours;
        }
    }

    /// Somebody is known to have it open who writes it, or may.
    pub fn is_open(&self, path: &Path) -> bool {
        self.files.get(path).is_some_and(Waiting::may_be_written)
    }

    /// Whether the file waits here.
    pub fn holds(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// What was seen of writers may have been followed by something that was not seen.
    pub fn doubt(&mut self, now: BootTime) {
        let silence = self.silence();
        for waiting in self.files.values_mut() {
            waiting.opens = 0;
            if waiting.writer != Writer::Elsewhere {
                let (writer, due) = (Writer::Unseen, Some(now + GRACE));
                *waiting = Waiting { writer, wait: silence, facts: None, due, ..*waiting };
            }
        }
    }

    /// When to look at a file next.
    pub fn deadline(&self) -> Option<BootTime> {
        self.files.values().filter_map(|w| w.due).min()
    }

    /// At most `most` files to look at now. Each comes back by [`Settling::looked`].
    pub fn due(&mut self, most: usize, now: BootTime) -> Vec<PathBuf> {
        let due = self.files.iter_mut().filter(|(_, w)| w.due.is_some_and(|due| due <= now)).take(most);
        due.map(|(path, waiting)| {
            waiting.due = None;
            path.clone()
        })
        .collect()
    }

    /// What was seen; `None`: nothing that could be sent.
    pub fn looked(&mut self, path: &Path, facts: Option<FileFacts>, now: BootTime) -> Verdict {
        let (settle, silence) = (self.settle, self.silence());
        let Some(waiting) = self.files.get_mut(path) else { return Verdict::Forgotten };
        if waiting.due.is_some() {
            // Something happened to it while it was looked at.
            return Verdict::Wait;
        }
        let Some(facts) = facts.filter(|facts| facts.size > 0 || waiting.may_be_written()) else {
            // It is gone, or empty and nobody has it: whatever happens to it next will be told.
            self.files.remove(path);
            return Verdict::Forgotten;
        };
        match waiting.facts.replace(facts) {
            // Nothing to compare with: it may have changed until now.
            None => waiting.since = now,
            Some(before) if before != facts => waiting.changed(now, settle, silence),
            Some(_) if facts.size > 0 && now.since(waiting.since) >= waiting.needs(silence) => {
                let appeared = waiting.appeared;
                self.files.remove(path);
                return Verdict::Finished(appeared);
            }
            Some(_) => {}
        }
        let left = waiting.needs(silence).saturating_sub(now.since(waiting.since));
        let pace = settle.max(waiting.needs(silence) / 4);
        waiting.due = Some(now + left.min(pace).max(GRACE));
        Verdict::Wait
    }
}

impl Waiting {
    fn may_be_written(&self) -> bool {
        matches!(self.writer, Writer::Open | Writer::Busy)
    }

    /// How long it must be unchanged.
    fn needs(&self, silence: Duration) -> Duration {
        match self.writer {
            Writer::Open => LONG,
            Writer::Busy => silence,
            Writer::Closed | Writer::Linked | Writer::Moved | Writer::Unseen | Writer::Elsewhere => self.wait,
        }
    }

    fn changed(&mut self, now: BootTime, settle: Duration, silence: Duration) {
        self.since = now;
        match self.writer {
            Writer::Moved | Writer::Unseen => (self.writer, self.wait) = (Writer::Open, settle),
            Writer::Linked | Writer::Elsewhere | Writer::Closed => {
                self.wait = (self.wait * 2).min(silence);
            }
            Writer::Open | Writer::Busy => {}
        }
    }
}

#[cfg(test)]
mod tests;
