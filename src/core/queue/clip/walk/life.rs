//! People, the source that walks the cards, the uploader and the cloud; and what must hold after each of their steps.
mod end;
mod uploads;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::cards::{Bytes, Cards, Change, Found, SLOTS};
use super::steps::{Kind, Step, Tally};
use super::store::{Answer, Store};
use crate::queue::clip::Wanted;
use crate::queue::item::{FileFacts, ItemId, ItemReason, ItemState};

const PROJECTS: [&str; 2] = ["p", "q"];

/// What the cloud has of an asset.
struct Asset {
    project: String,
    parts: BTreeMap<u32, (u8, u32)>,
    /// The content of the file whose bytes it has.
    of: Bytes,
    /// Nothing of these bytes was in the project when it was begun, or a person or a version said so.
    fair: bool,
    delivered: Option<Bytes>,
    /// Its file was written to in its place while it was sent: the last look finds out.
    torn: bool,
}

struct Turn {
    id: ItemId,
    card: usize,
    mount: u64,
    content: usize,
    asset: usize,
    /// What is open was written to since it was claimed.
    torn: bool,
}

#[derive(Default)]
pub(super) struct Rules {
    /// Where clips were first queued for, or delivered.
    owner: BTreeMap<Bytes, String>,
    /// Where else a person wanted them.
    said: BTreeSet<(Bytes, String)>,
    /// Not delivered, and taken off the list by a person.
    cleared: BTreeSet<Bytes>,
    /// Sent while they were written over.
    torn: BTreeSet<Bytes>,
    /// What was ever seen at a path.
    at: BTreeMap<PathBuf, BTreeSet<Bytes>>,
}

pub(super) struct Life {
    cards: Cards,
    pub(super) store: Store,
    assets: Vec<Asset>,
    turns: Vec<Turn>,
    waiting: Vec<ItemId>,
    /// How those that settle looked.
    looked: BTreeMap<ItemId, FileFacts>,
    paused: bool,
    rules: Rules,
    pub(super) tally: Tally,
}

type Held = Result<(), String>;

impl Life {
    pub(super) fn new(seed: u64) -> Life {
        Life {
            cards: Cards::new(seed),
            store: Store::default(),
            assets: vec![],
            turns: vec![],
            waiting: vec![],
            looked: BTreeMap::new(),
            paused: false,
            rules: Rules::default(),
            tally: Tally::default(),
        }
    }

    pub(super) fn step(&mut self, step: Step) -> Held {
        let (a, b) = (step.a, step.b);
        let (card, row) = (a % self.cards.cards.len(), self.store.by_number(a));
        match step.kind {
            Kind::Insert => self.cards.insert(card, b % SLOTS),
            Kind::Eject => self.cards.eject(card),
            Kind::Shift => self.cards.shift(card, b as i64 % 3),
            Kind::Walk => self.walk(step.b),
            Kind::Record => self.cards.record(card, 2 + (b % 3) as u32, b.is_multiple_of(5), b / 5),
            Kind::Copy => self.cards.copy(card, b % self.cards.cards.len(), b.is_multiple_of(2)),
            Kind::Folder => self.cards.rename_folder(card, (b % 3) as u8, (b / 3 % 3) as u8),
            Kind::Format => self.cards.format(card),
            Kind::Change(change) => self.change(card, b, change),
            Kind::Add => self.add(a, b),
            Kind::Retry => row.into_iter().for_each(|id| self.store.retry(id)),
            Kind::Cancel => row.into_iter().for_each(|id| self.store.cancel(id)),
            Kind::Clear => row.into_iter().for_each(|id| self.clear(id)),
            Kind::Release => row.into_iter().for_each(|id| self.release(id)),
            Kind::Pair => self.store.pair(PROJECTS[a % PROJECTS.len()]),
            Kind::Pause => self.pause(a.is_multiple_of(2)),
            Kind::Restart => self.restart(),
            Kind::Claim => return self.claim(b),
            Kind::Part => return self.part(a),
            Kind::Trouble => self.trouble(a),
            Kind::Time => self.waiting.clear(),
        }
        self.stop_those_without_a_turn();
        self.owners();
        Ok(())
    }

    fn change(&mut self, card: usize, n: usize, change: Change) {
        if matches!(change, Change::Grow | Change::Cut | Change::Rewrite) {
            let files = &self.cards.cards[card].files;
            let content = files.get(n % files.len().max(1)).map(|file| file.content);
            // What is open of a card that was pulled nobody writes to any more.
            let is_open = |turn: &&mut Turn| {
                Some(turn.content) == content
                    && self.cards.read(turn.card, turn.mount, turn.content).is_some()
            };
            for turn in self.turns.iter_mut().filter(is_open) {
                (turn.torn, self.assets[turn.asset].torn) = (true, true);
            }
        }
        self.cards.change(card, n, change);
    }

    fn walk(&mut self, how: usize) {
        let mut mounted = self.cards.mounted();
        if how.is_multiple_of(2) {
            mounted.reverse();
        }
        for Found { seen, bytes, open, .. } in mounted {
            // Whose writer is known is left alone.
            if open && how.is_multiple_of(3) {
                continue;
            }
            self.rules.at.entry(seen.path.clone()).or_default().insert(bytes);
            if !self.store.is_untouched(&seen) {
                self.store.found(&seen, bytes, !open && !how.is_multiple_of(5));
                self.tally.found += 1;
            }
        }
    }

    fn add(&mut self, a: usize, b: usize) {
        let mounted = self.cards.mounted();
        let Some(file) = mounted.get(a % mounted.len().max(1)) else { return };
        let wanted = Wanted { again: b.is_multiple_of(5), to_this_project: b.is_multiple_of(3) };
        self.rules.at.entry(file.seen.path.clone()).or_default().insert(file.bytes);
        if let Answer::Taken(id) = self.store.add(&file.seen, file.bytes, wanted) {
            let project = self.store.entry(id).row.project.clone();
            self.say(file.bytes, project);
        }
    }

    fn say(&mut self, bytes: Bytes, project: Option<String>) {
        self.rules.said.extend(project.map(|project| (bytes, project)));
    }

    fn release(&mut self, id: ItemId) {
        let bytes = self.store.entry(id).bytes;
        if self.store.release(id) {
            self.say(bytes, self.store.pairing.project.clone());
        }
    }

    fn clear(&mut self, id: ItemId) {
        let Some(entry) = self.store.clear(id).filter(|entry| !entry.is(ItemState::Done)) else { return };
        self.rules.cleared.insert(entry.bytes);
        if !self.store.has(entry.bytes) {
            self.rules.owner.remove(&entry.bytes);
        }
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused;
        if paused {
            let turns = std::mem::take(&mut self.turns);
            for turn in turns {
                self.store.finish(turn.id, ItemState::Queued, ItemReason::None);
            }
        }
    }

    fn restart(&mut self) {
        self.turns.clear();
        self.waiting.clear();
        self.looked.clear();
        self.store.resume();
    }

    fn trouble(&mut self, n: usize) {
        if self.turns.is_empty() {
            return;
        }
        let turn = self.turns.remove(n % self.turns.len());
        self.store.finish(turn.id, ItemState::Queued, ItemReason::None);
    }

    /// Held and cancelled ones are stopped.
    fn stop_those_without_a_turn(&mut self) {
        let rows = &self.store.rows;
        self.turns.retain(|t| rows.get(&t.id).is_some_and(|entry| entry.is(ItemState::Uploading)));
    }

    /// The first project that a clip is queued for is its own.
    fn owners(&mut self) {
        for entry in self.store.rows.values() {
            if let Some(project) = &entry.row.project {
                self.rules.owner.entry(entry.bytes).or_insert_with(|| project.clone());
            }
        }
    }
}

fn is_alike(a: Bytes, b: Bytes) -> bool {
    a.fingerprint() == b.fingerprint()
}
