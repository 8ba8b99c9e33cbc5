//! A directory's life in random steps: recorders that pause, writers that append, links, moves, readers, dates, lost
//! events, restarts, cards that are swapped. The model knows who has what open and what is still to come.
use std::collections::BTreeMap;

use super::*;

const STEPS: u32 = 20_000;
const NAMES: u64 = 6;

#[derive(Debug, Default)]
struct Model {
    size: u64,
    touched: u64,
    ino: u64,
    changed: BootTime,
    writers: u32,
    readers: u32,
    /// Its one writer was seen to make it, and nothing has blurred that.
    clear: bool,
    /// Its writer was there before the watch, and nobody else touched it since.
    before: bool,
    /// Somebody will append to it until then.
    again: Option<BootTime>,
    /// The facts that were found finished.
    out: Option<FileFacts>,
}

impl Model {
    fn facts(&self) -> FileFacts {
        let mtime_ns = (self.changed.as_micros() * 1000 + self.touched) as i64;
        FileFacts { size: self.size, mtime_ns, ctime_ns: 0, dev: 1, ino: self.ino }
    }

    fn blur(&mut self) {
        (self.clear, self.before) = (false, false);
    }
}

struct World {
    s: Settling,
    files: BTreeMap<PathBuf, Model>,
    now: BootTime,
    dice: u64,
    inodes: u64,
    finished: u32,
    hours: u32,
    appended: u32,
}

impl World {
    fn roll(&mut self, n: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 8) % n
    }

    fn wait(&mut self, until: BootTime) {
        while let Some(due) = self.s.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            for path in self.s.due(100, self.now) {
                let facts = self.files.get(&path).map(Model::facts);
                if let Verdict::Finished(_) = self.s.looked(&path, facts, self.now) {
                    self.check(&path);
                }
            }
        }
        self.now = self.now.max(until);
    }

    fn check(&mut self, path: &Path) {
        let now = self.now;
        let file = self.files.get_mut(path).expect("what is finished is there");
        let silent = now.since(file.changed);
        assert!(file.size > 0 && silent >= SETTLE, "{path:?} {file:?} at {now:?}");
        assert!(file.again.is_none_or(|again| again < now), "more was to come: {path:?} {file:?} at {now:?}");
        if file.writers > 0 && file.clear {
            assert!(silent >= LONG, "its writer was seen: {path:?} {file:?} at {now:?}");
            self.hours += 1;
        } else if file.writers > 0 && file.before {
            assert!(silent >= Duration::from_secs(30), "from before: {path:?} {file:?} at {now:?}");
        }
        file.out = Some(file.facts());
        self.finished += 1;
    }

    /// What a walk finds, by dates that can be believed or not.
    fn walk(&mut self, dated: bool) {
        let all: Vec<(PathBuf, FileFacts, BootTime)> =
            self.files.iter().map(|(path, f)| (path.clone(), f.facts(), f.changed)).collect();
        for (path, facts, changed) in all.into_iter().filter(|(_, facts, _)| facts.size > 0) {
            let sight = Sight { age: dated.then(|| self.now.since(changed)), ..Sight::default() };
            if self.files[&path].out == Some(facts) {
                continue;
            }
            if let Verdict::Finished(_) = self.s.seen(path.clone(), facts, sight, self.now).unwrap() {
                self.check(&path);
            }
        }
    }

    /// Every open file is now one that was open before the watch.
    fn forgotten(&mut self) {
        for file in self.files.values_mut() {
            (file.before, file.clear, file.again) = (file.writers > 0, false, None);
        }
    }

    fn step(&mut self) {
        let path = PathBuf::from(format!("/m/{}", self.roll(NAMES)));
        let (now, what) = (self.now, self.roll(24));
        let there = self.files.contains_key(&path);
        self.inodes += 1;
        let new = Model { ino: self.inodes, changed: now, ..Model::default() };
        let Some(file) = self.files.get_mut(&path) else {
            match what {
                0..=9 => {
                    self.files.insert(path.clone(), Model { writers: 1, clear: true, ..new });
                    self.s.made(path.clone(), now).unwrap();
                    self.s.opened(&path, now);
                }
                10..=12 => {
                    self.files.insert(path.clone(), Model { size: 7, ..new });
                    self.s.made(path, now).unwrap();
                }
                13..=15 => {
                    self.files.insert(path.clone(), Model { size: 7, ..new });
                    self.s.moved(None, path, now).unwrap();
                }
                _ => {}
            }
            return;
        };
        assert!(there);
        match what {
            0..=5 if file.writers > 0 => (file.size, file.changed) = (file.size + 1, now),
            6..=9 if file.writers > 0 => {
                file.writers -= 1;
                file.again = None;
                // Of two from before the watch nobody can tell how many they are.
                file.before = false;
                self.s.closed(path.clone(), now).unwrap();
                if self.roll(2) == 0 {
                    self.append(&path);
                }
            }
            10 if file.writers == 0 && file.readers == 0 && !self.s.holds(&path) => {
                // An append to one that was finished: nobody waits for it before its close.
                (file.writers, file.again) = (1, None);
                file.blur();
                self.s.opened(&path, now);
            }
            11 if file.writers < 2 => {
                file.writers += 1;
                file.blur();
                self.s.opened(&path, now);
            }
            12 if file.readers < 2 => {
                file.readers += 1;
                file.clear &= file.writers > 0;
                self.s.opened(&path, now);
            }
            13 | 14 if file.readers > 0 => {
                file.readers -= 1;
                self.s.closed_unwritten(&path, now);
            }
            15 => {
                file.touched += 1;
                file.before = false;
                self.s.touched(path, now).unwrap();
            }
            16 => {
                let to = PathBuf::from(format!("/m/{}", self.roll(NAMES)));
                if to != path {
                    let file = self.files.remove(&path).unwrap();
                    let held = self.s.holds(&path);
                    // One that was finished and is open again is new under its new name.
                    self.files.insert(to.clone(), Model { clear: file.clear && held, before: false, ..file });
                    self.s.moved(Some(&path), to, now).unwrap();
                }
            }
            17 => {
                self.files.remove(&path);
                self.s.forget(&path);
            }
            18 if self.roll(8) == 0 => {
                // More happened than is told.
                self.forgotten();
                self.s.doubt(now);
                self.walk(true);
            }
            19 if self.roll(8) == 0 => {
                self.s = Settling::new(SETTLE, 100);
                self.forgotten();
                let dated = self.roll(2) == 0;
                self.walk(dated);
            }
            20 if self.roll(8) == 0 => {
                // Another card, with finished clips at the same places.
                self.s.forget_beneath(Path::new("/m"));
                for (n, file) in self.files.values_mut().enumerate() {
                    *file = Model { size: 9, ino: self.inodes + n as u64, ..Model::default() };
                }
                self.inodes += NAMES;
                self.walk(true);
                for (path, file) in &self.files {
                    assert!(file.out.is_some() && !self.s.holds(path), "it waits for a card that is gone");
                }
            }
            _ => {}
        }
    }

    /// A writer that closes after each piece.
    fn append(&mut self, path: &Path) {
        let pieces = 1 + self.roll(6);
        for _ in 0..pieces {
            let file = self.files.get_mut(path).unwrap();
            if file.writers > 0 || file.readers > 0 {
                return;
            }
            file.blur();
            let gap = Duration::from_millis(self.roll(2900));
            let again = self.now + gap;
            self.files.get_mut(path).unwrap().again = Some(again);
            self.wait(again);
            let file = self.files.get_mut(path).unwrap();
            (file.size, file.changed, file.again) = (file.size + 1, again, None);
            self.s.opened(path, again);
            self.s.closed(path.to_owned(), again).unwrap();
            self.appended += 1;
        }
    }

    /// Everybody closes everything; then nothing waits for longer than the silence and some looks.
    fn end(&mut self) {
        let paths: Vec<PathBuf> = self.files.keys().cloned().collect();
        for path in paths {
            let file = self.files.get_mut(&path).unwrap();
            let (writers, readers) = (std::mem::take(&mut file.writers), std::mem::take(&mut file.readers));
            file.again = None;
            (0..readers).for_each(|_| self.s.closed_unwritten(&path, self.now));
            (0..writers).for_each(|_| self.s.closed(path.clone(), self.now).unwrap());
        }
        self.wait(self.now + self.s.silence() * 2 + GRACE * 4);
        for (path, file) in &self.files {
            let right = file.size == 0 || file.out == Some(file.facts());
            assert!(right, "{path:?} {file:?} is kept: {:?}", self.s.files.get(path));
        }
    }
}

#[test]
fn nothing_is_finished_before_its_time_and_nothing_is_kept() {
    let (mut finished, mut hours, mut appended) = (0, 0, 0);
    for seed in 1..=50u64 {
        let mut w = World {
            s: Settling::new(SETTLE, 100),
            files: BTreeMap::new(),
            now: at(1_000_000),
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            inodes: 0,
            finished: 0,
            hours: 0,
            appended: 0,
        };
        for step in 0..STEPS / 50 {
            w.step();
            let pause = match w.roll(40) {
                0 => 4_000_000,
                1..=3 => w.roll(100_000),
                4..=20 => w.roll(8_000),
                _ => w.roll(200),
            };
            w.wait(w.now + Duration::from_millis(pause));
            if step % 100 == 99 {
                w.end();
            }
        }
        (finished, hours, appended) = (finished + w.finished, hours + w.hours, appended + w.appended);
    }
    assert!(finished > 1000 && hours > 20 && appended > 500, "{finished} {hours} {appended}");
}
