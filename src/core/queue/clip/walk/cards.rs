//! Cards as cameras, recorders and people leave them: names that repeat, clocks at 1980, inode numbers that are made up.
use std::path::{Path, PathBuf};

use crate::queue::evidence::{FINGERPRINT_END, FileFacts, Fingerprint, Sighting, Volume};

pub(super) const SLOTS: usize = 2;
const FOLDERS: u8 = 3;
const MOST_FILES: usize = 6;

/// What a file holds, told by numbers: equal numbers, equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bytes {
    pub(super) head: u32,
    /// No fingerprint sees it.
    pub(super) middle: u32,
    pub(super) tail: u32,
    pub(super) parts: u32,
}

impl Bytes {
    pub(super) fn size(self) -> u64 {
        u64::from(self.parts) * 2 * FINGERPRINT_END
    }

    /// `None`: it is shorter.
    pub(super) fn part(self, n: u32) -> Option<(u8, u32)> {
        match n {
            _ if n >= self.parts => None,
            0 => Some((0, self.head)),
            _ if n == self.parts - 1 => Some((1, self.tail)),
            _ => Some((2, self.middle)),
        }
    }

    pub(super) fn fingerprint(self) -> Fingerprint {
        let (head, tail) = (u64::from(self.head), u64::from(self.tail));
        Fingerprint { whole: head << 36 | tail << 8 | u64::from(self.parts), head }
    }
}

/// Where a file system has its inode numbers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// From the disk; those of deleted files come again.
    Stable,
    /// Made up at each mount.
    AtMount,
    /// It has none.
    None,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) folder: u8,
    pub(super) number: u8,
    /// Its place in [`Cards::contents`]: what is open stays readable when its name is gone.
    pub(super) content: usize,
    ino: u64,
    pub(super) mtime: i64,
    ctime: i64,
    /// It is still being recorded.
    pub(super) open: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Card {
    /// Empty: nobody can tell.
    id: String,
    numbers: Numbers,
    has_clock: bool,
    pub(super) slot: Option<usize>,
    pub(super) mount: u64,
    /// By the time zone of whoever mounted it.
    shift: i64,
    recorded: u8,
    pub(super) files: Vec<File>,
}

/// A file where it is now.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) seen: Sighting,
    pub(super) bytes: Bytes,
    pub(super) card: usize,
    pub(super) content: usize,
    pub(super) open: bool,
}

pub(super) struct Cards {
    pub(super) cards: Vec<Card>,
    pub(super) contents: Vec<Bytes>,
    /// Fingerprints may be the same for other bytes.
    collide: bool,
    ids: u32,
    mounts: u64,
    ticks: i64,
    paths: Vec<PathBuf>,
}

impl Cards {
    /// A set with its own kinds of cards.
    pub(super) fn new(kind: u64) -> Cards {
        let collide = kind.is_multiple_of(3);
        let card = |n: u64| Card {
            id: if collide || !(kind / 3 + n).is_multiple_of(3) { format!("v{n}") } else { String::new() },
            numbers: match (kind / 9 + n) % 4 {
                0 | 1 => Numbers::Stable,
                2 => Numbers::AtMount,
                _ => Numbers::None,
            },
            // One of the same number, ends and date is the same to anybody.
            has_clock: collide || !(kind / 36 + n).is_multiple_of(2),
            slot: None,
            mount: 0,
            shift: 0,
            recorded: 0,
            files: vec![],
        };
        let path = |n: usize| {
            let (slot, folder, number) = (n / 256 / FOLDERS as usize, n / 256 % FOLDERS as usize, n % 256);
            PathBuf::from(format!("/m/{slot}/{folder}/C{number:04}"))
        };
        Cards {
            cards: (0..2 + kind / 72 % 2).map(card).collect(),
            contents: vec![],
            collide,
            ids: 100,
            mounts: 0,
            ticks: 1_000_000,
            paths: (0..SLOTS * FOLDERS as usize * 256).map(path).collect(),
        }
    }

    fn id(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }

    fn tick(&mut self) -> i64 {
        self.ticks += 1;
        self.ticks
    }

    fn path(&self, slot: usize, file: &File) -> &Path {
        &self.paths[(slot * FOLDERS as usize + file.folder as usize) * 256 + file.number as usize]
    }

    fn find(&self, card: usize, file: &File) -> Option<Found> {
        let on = &self.cards[card];
        let slot = on.slot?;
        let bytes = self.contents[file.content];
        let shift = if on.numbers == Numbers::AtMount { on.shift } else { 0 };
        let facts = FileFacts {
            size: bytes.size(),
            mtime_ns: file.mtime + shift,
            ctime_ns: if on.numbers == Numbers::Stable { file.ctime } else { file.mtime + shift },
            dev: slot as u64 + 1,
            ino: file.ino,
        };
        let seen = Sighting {
            path: self.path(slot, file).to_owned(),
            facts,
            volume: Volume { id: on.id.clone(), mount: on.mount },
            fingerprint: Some(bytes.fingerprint()),
        };
        Some(Found { seen, bytes, card, content: file.content, open: file.open })
    }

    /// Everything that is mounted, as a source walks it.
    pub(super) fn mounted(&self) -> Vec<Found> {
        let all = self.cards.iter().enumerate().filter(|(_, card)| card.slot.is_some());
        all.flat_map(|(n, card)| card.files.iter().filter_map(move |file| self.find(n, file))).collect()
    }

    pub(super) fn at(&self, path: &Path) -> Option<Found> {
        for (n, card) in self.cards.iter().enumerate() {
            let Some(slot) = card.slot else { continue };
            if let Some(file) = card.files.iter().find(|file| self.path(slot, file) == path) {
                return self.find(n, file);
            }
        }
        None
    }

    /// What is read of an open file; `None`: its card was taken out.
    pub(super) fn read(&self, card: usize, mount: u64, content: usize) -> Option<Bytes> {
        let there = self.cards[card].slot.is_some() && self.cards[card].mount == mount;
        there.then(|| self.contents[content])
    }

    pub(super) fn insert(&mut self, card: usize, slot: usize) {
        if self.cards[card].slot.is_some() || self.cards.iter().any(|other| other.slot == Some(slot)) {
            return;
        }
        self.cards[card].slot = Some(slot);
        self.mount(card);
    }

    fn mount(&mut self, card: usize) {
        self.mounts += 1;
        let (mount, on) = (self.mounts, &mut self.cards[card]);
        on.mount = mount;
        if on.numbers == Numbers::AtMount {
            let files = on.files.len() as u64;
            (0..).zip(&mut on.files).for_each(|(n, file)| file.ino = 10 + (n + mount) % files);
        }
    }

    pub(super) fn eject(&mut self, card: usize) {
        self.cards[card].slot = None;
    }

    pub(super) fn shift(&mut self, card: usize, hours: i64) {
        if self.cards[card].slot.is_none() {
            self.cards[card].shift = hours * 3600;
        }
    }

    pub(super) fn format(&mut self, card: usize) {
        let id = self.id();
        let on = &mut self.cards[card];
        on.files.clear();
        on.recorded = 0;
        if !on.id.is_empty() {
            on.id = format!("v{id}");
        }
        if self.cards[card].slot.is_some() {
            self.mount(card);
        }
    }

    pub(super) fn record(&mut self, card: usize, parts: u32, open: bool, like: usize) {
        let (head, middle, tail) = (self.id(), self.id(), self.id());
        let bytes = match self.contents.get(like % (2 * self.contents.len() + 1)) {
            // Silence, or black, with something in between.
            Some(other) if self.collide => Bytes { middle, ..*other },
            // The same head, as some writers make it.
            Some(other) if like.is_multiple_of(4) => Bytes { head: other.head, middle, tail, parts },
            Some(_) | None => Bytes { head, middle, tail, parts },
        };
        if self.cards[card].recorded < 200 {
            self.cards[card].recorded += 1;
        }
        let number = self.cards[card].recorded;
        self.create(card, (0, number), bytes, None, open);
    }

    fn date(&mut self, card: usize) -> i64 {
        let now = self.tick();
        if self.cards[card].has_clock { now } else { 315_532_800 }
    }

    fn create(
        &mut self,
        card: usize,
        (folder, number): (u8, u8),
        bytes: Bytes,
        dated: Option<i64>,
        open: bool,
    ) {
        let (now, ctime) = (self.date(card), self.tick());
        let on = &mut self.cards[card];
        let taken = on.files.iter().any(|file| file.folder == folder && file.number == number);
        if taken || on.files.len() == MOST_FILES {
            return;
        }
        let free = (10..).find(|ino| on.files.iter().all(|file| file.ino != *ino));
        let ino = free.filter(|_| on.numbers != Numbers::None).unwrap_or(0);
        let content = self.contents.len();
        on.files.push(File { folder, number, content, ino, mtime: dated.unwrap_or(now), ctime, open });
        self.contents.push(bytes);
    }

    pub(super) fn copy(&mut self, from: usize, to: usize, keeps_dates: bool) {
        if from == to {
            return;
        }
        for file in self.cards[from].files.clone().into_iter().filter(|file| !file.open) {
            let dated = keeps_dates.then_some(file.mtime);
            self.create(to, (file.folder, file.number), self.contents[file.content], dated, false);
        }
    }

    pub(super) fn rename_folder(&mut self, card: usize, from: u8, to: u8) {
        let (from, to) = (from % FOLDERS, to % FOLDERS);
        let ctime = self.tick();
        let files = &mut self.cards[card].files;
        if files.iter().any(|file| file.folder == to) {
            return;
        }
        for file in files.iter_mut().filter(|file| file.folder == from) {
            (file.folder, file.ctime) = (to, ctime);
        }
    }

    /// Of one file, by its place.
    pub(super) fn change(&mut self, card: usize, n: usize, change: Change) {
        if self.cards[card].files.is_empty() {
            return;
        }
        let n = n % self.cards[card].files.len();
        let (now, ctime, id, other) = (self.date(card), self.tick(), self.id(), self.id());
        let content = self.cards[card].files[n].content;
        let bytes = self.contents[content];
        let next = self.contents.len();
        let on = &mut self.cards[card];
        let free = (10..).find(|ino| on.files.iter().all(|file| file.ino != *ino)).unwrap_or(0);
        let ino = if on.numbers == Numbers::None { 0 } else { free };
        let file = &mut on.files[n];
        match change {
            Change::Delete => drop(on.files.remove(n)),
            Change::Rename(number) => {
                let to = 201 + number % 8;
                let (folder, names) = (file.folder, on.files.iter());
                if !names.clone().any(|other| other.folder == folder && other.number == to) {
                    (on.files[n].number, on.files[n].ctime) = (to, ctime);
                }
            }
            Change::Touch => (file.mtime, file.ctime) = (now, ctime),
            Change::Close => file.open = false,
            Change::Recopy => {
                (file.ino, file.mtime, file.ctime, file.content) = (ino, now, ctime, next);
                self.contents.push(bytes);
            }
            Change::Replace => {
                (file.ino, file.ctime, file.content) = (ino, ctime, next);
                self.contents.push(Bytes { head: id, tail: other, ..bytes });
            }
            Change::Grow | Change::Cut | Change::Rewrite => {
                (file.mtime, file.ctime) = (now, ctime);
                let now = match change {
                    Change::Grow => Bytes { parts: bytes.parts + 1, tail: id, ..bytes },
                    Change::Cut if bytes.parts > 2 => Bytes { parts: bytes.parts - 1, tail: id, ..bytes },
                    Change::Cut
                    | Change::Rewrite
                    | Change::Delete
                    | Change::Rename(_)
                    | Change::Touch
                    | Change::Close
                    | Change::Recopy
                    | Change::Replace => Bytes { head: id, middle: id, tail: other, parts: bytes.parts },
                };
                if now.parts <= 6 {
                    self.contents[content] = now;
                }
            }
        }
    }

    pub(super) fn close_all(&mut self) {
        self.cards.iter_mut().flat_map(|card| &mut card.files).for_each(|file| file.open = false);
    }
}

/// What becomes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Delete,
    Rename(u8),
    Touch,
    Close,
    /// The same bytes are put into its place.
    Recopy,
    /// Others are, with its date.
    Replace,
    Grow,
    Cut,
    Rewrite,
}
