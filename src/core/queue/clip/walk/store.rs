//! The queue in memory: it does with rows what the store does with what is decided.
mod people;

use std::collections::BTreeMap;

use super::cards::Bytes;
use crate::queue::clip::{
    Candidates, Copy, Finding, New, Pairing, Place, Remembered, Row, Wanted, asked, copy_of, found,
    is_numbered, is_out_of_reach, place_of, taken,
};
use crate::queue::evidence::Sighting;
use crate::queue::item::{ItemId, ItemReason, ItemState};

const MOST_OF_A_PATH: usize = 64;
const MOST_ALIKE: usize = 16;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) row: Row,
    /// What its file held when it was seen: only the walk knows.
    pub(super) bytes: Bytes,
    pub(super) settled: bool,
    /// The asset's number in the cloud.
    pub(super) asset: Option<usize>,
    /// That asset is not complete; its confirmed parts.
    pub(super) parts: Option<Vec<u32>>,
    pub(super) version_of: Option<usize>,
    pub(super) anyway: bool,
    pub(super) afresh: bool,
    /// What was sent, as its receipt has it.
    pub(super) receipt: Option<Bytes>,
}

impl Entry {
    pub(super) fn is(&self, state: ItemState) -> bool {
        self.row.state == state
    }

    fn set(&mut self, state: ItemState, reason: ItemReason) {
        (self.row.state, self.row.reason) = (state, reason);
    }

    pub(super) fn take(&mut self, seen: &Sighting, bytes: Bytes) {
        self.row.seen.clone_from(seen);
        (self.bytes, self.afresh) = (bytes, false);
    }

    /// As it was found.
    fn follow(&mut self, seen: &Sighting, bytes: Bytes) {
        let looks = taken(self.row.begun, self.row.state, &self.row.seen, seen);
        let bytes = if looks == *seen { bytes } else { self.bytes };
        self.take(&looks, bytes);
    }

    pub(super) fn drop_asset(&mut self) -> bool {
        let there = self.parts.take().is_some();
        if there {
            (self.asset, self.row.begun) = (None, false);
        }
        there
    }

    pub(super) fn begin_anew(&mut self, seen: &Sighting, bytes: Bytes) {
        let former = self.asset;
        if self.drop_asset() {
            self.version_of = former;
        }
        self.take(seen, bytes);
    }
}

struct Memory {
    id: ItemId,
    seen: Sighting,
    delivered_to: Option<String>,
    receipt: Option<Bytes>,
}

/// What came of an `add`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It goes, or waits.
    Taken(ItemId),
    Delivered,
    Elsewhere,
}

#[derive(Default)]
pub(super) struct Store {
    pub(super) rows: BTreeMap<ItemId, Entry>,
    memory: Vec<Memory>,
    pub(super) pairing: Pairing,
    last: u64,
}

impl Store {
    fn newest<'a>(
        &'a self,
        which: impl Fn(&Sighting) -> bool + 'a,
        most: usize,
    ) -> impl Iterator<Item = &'a Row> {
        let rows = self.rows.values().rev().map(|entry| &entry.row);
        rows.filter(move |row| which(&row.seen)).take(most)
    }

    pub(super) fn alike(&self, seen: &Sighting) -> Vec<Row> {
        let whole = |s: &Sighting| s.fingerprint.map(|f| f.whole);
        let alike = |s: &Sighting| whole(s) == whole(seen) && s.facts.size == seen.facts.size;
        self.newest(alike, MOST_ALIKE).cloned().collect()
    }

    fn candidates(&self, seen: &Sighting) -> Candidates {
        let mut rows: Vec<Row> = self.newest(|s| s.path == seen.path, MOST_OF_A_PATH).cloned().collect();
        if !rows.iter().any(|row| seen.relation(&row.seen).is_the_same_file()) {
            if is_numbered(seen.facts.ino) {
                let same = |s: &Sighting| s.facts.ino == seen.facts.ino && s.facts.size == seen.facts.size;
                rows.extend(self.newest(same, MOST_ALIKE).cloned());
            }
            rows.extend(self.alike(seen));
            rows.sort_by_key(|row| row.id);
            rows.dedup_by_key(|row| row.id);
        }
        Candidates { rows, remembered: self.remembered(seen) }
    }

    fn remembered(&self, seen: &Sighting) -> Option<Remembered> {
        let same = |m: &&Memory| is_key(&m.seen, seen) && m.seen.fingerprint == seen.fingerprint;
        let known = self.memory.iter().find(same)?;
        Some(Remembered { id: known.id, delivered_to: known.delivered_to.clone() })
    }

    fn delivered_once(&self, seen: &Sighting) -> Option<(ItemId, Bytes, Option<String>)> {
        let alike = |m: &&Memory| m.seen.fingerprint == seen.fingerprint && m.receipt.is_some();
        let memory = self.memory.iter().rev().find(alike)?;
        Some((memory.id, memory.receipt?, memory.delivered_to.clone()))
    }

    pub(super) fn is_untouched(&self, seen: &Sighting) -> bool {
        let mut of_path = self.newest(|s| s.path == seen.path, MOST_OF_A_PATH);
        let waits = |row: &Row| row.state == ItemState::Failed || is_out_of_reach(row);
        of_path.find(|row| seen.untouched_since(&row.seen)).is_some_and(|row| row.watched && !waits(row))
    }

    pub(super) fn found(&mut self, seen: &Sighting, bytes: Bytes, settled: bool) {
        let known = self.candidates(seen);
        for row in known.rows.iter().filter(|row| seen.relation(&row.seen).is_the_same_file()) {
            self.entry(row.id).row.watched = true;
        }
        let finding = found(seen, &known, true, &self.pairing);
        if let Finding::New(new) = finding {
            self.insert(seen, bytes, settled, new, true);
        } else {
            self.follow(seen, bytes, settled, finding, true);
        }
    }

    pub(super) fn add(&mut self, seen: &Sighting, bytes: Bytes, wanted: Wanted) -> Answer {
        let known = self.candidates(seen);
        let project = self.pairing.project.clone();
        let finding = asked(seen, &known, project.as_deref(), wanted, &self.pairing);
        match finding {
            Finding::New(new) => Answer::Taken(self.insert(seen, bytes, true, new, false)),
            Finding::Again { id, drop_asset } => {
                let place = place_of(project.as_deref(), &self.pairing);
                let entry = self.entry(id);
                if drop_asset {
                    entry.drop_asset();
                }
                entry.follow(seen, bytes);
                entry.row.project = project;
                entry.settled = true;
                entry.set(place.state, place.reason);
                Answer::Taken(id)
            }
            Finding::Delivered(_) => Answer::Delivered,
            Finding::Elsewhere(..) => Answer::Elsewhere,
            Finding::Waiting(id) => Answer::Taken(id),
            Finding::LeftOut => unreachable!("a person's file is never left out"),
            Finding::Known { ref back, .. } => {
                let id = back[0].0;
                self.follow(seen, bytes, true, finding, false);
                Answer::Taken(id)
            }
            Finding::Renamed(id, _) | Finding::Grown(id, _) | Finding::Anew(id, _) => {
                self.follow(seen, bytes, true, finding, false);
                Answer::Taken(id)
            }
        }
    }

    pub(super) fn entry(&mut self, id: ItemId) -> &mut Entry {
        self.rows.get_mut(&id).expect("a row that was found")
    }

    fn insert(&mut self, seen: &Sighting, bytes: Bytes, settled: bool, new: New, watched: bool) -> ItemId {
        for id in new.displaced {
            self.entry(id).set(ItemState::Away, ItemReason::Vanished);
        }
        let version_of = new.version_of.and_then(|id| self.entry(id).asset);
        let project = new.project.or_else(|| self.pairing.project.clone());
        let Place { state, reason } = place_of(project.as_deref(), &self.pairing);
        self.last += 1;
        let id = ItemId(self.last);
        let row = Row { id, state, reason, project, begun: false, watched, seen: seen.clone() };
        let entry = Entry {
            row,
            bytes,
            settled,
            asset: None,
            parts: None,
            version_of,
            anyway: new.anyway,
            afresh: false,
            receipt: None,
        };
        self.rows.insert(id, entry);
        id
    }

    fn follow(&mut self, seen: &Sighting, bytes: Bytes, settled: bool, finding: Finding, watched: bool) {
        let (id, place) = match finding {
            Finding::Known { takes, back } => {
                takes.into_iter().for_each(|id| self.entry(id).follow(seen, bytes));
                back.into_iter().for_each(|(id, at)| self.entry(id).set(at.state, at.reason));
                return;
            }
            Finding::Renamed(id, place) => {
                self.entry(id).follow(seen, bytes);
                (id, place)
            }
            Finding::Grown(id, place) => {
                self.entry(id).begin_anew(seen, bytes);
                self.entry(id).settled = settled;
                (id, place)
            }
            Finding::Anew(id, place) => {
                self.entry(id).begin_anew(seen, bytes);
                self.entry(id).settled = settled;
                (id, Some(place))
            }
            Finding::Waiting(_)
            | Finding::Delivered(_)
            | Finding::Elsewhere(..)
            | Finding::Again { .. }
            | Finding::New(_)
            | Finding::LeftOut => return,
        };
        let entry = self.entry(id);
        entry.row.watched |= watched;
        if let Some(place) = place {
            entry.set(place.state, place.reason);
        }
    }

    pub(super) fn beside(&mut self, id: ItemId, seen: &Sighting, bytes: Bytes) {
        let is_it = |row: &Row| row.id != id && seen.looks_like(&row.seen);
        if !self.candidates(seen).rows.iter().any(is_it) {
            let Row { project, watched, .. } = self.entry(id).row.clone();
            self.insert(seen, bytes, false, New { project, ..New::default() }, watched);
        }
    }

    pub(super) fn claim(&mut self, waiting: &[ItemId]) -> Option<ItemId> {
        let project = self.pairing.project.clone()?;
        self.bind(&project, &[ItemState::Queued]);
        let next = |e: &&mut Entry| {
            e.is(ItemState::Queued)
                && e.row.project.as_ref() == Some(&project)
                && !waiting.contains(&e.row.id)
        };
        let entry = self.rows.values_mut().find(next)?;
        entry.set(ItemState::Uploading, ItemReason::None);
        Some(entry.row.id)
    }

    pub(super) fn resume(&mut self) {
        let uploading = self.rows.values_mut().filter(|entry| entry.is(ItemState::Uploading));
        uploading.for_each(|entry| entry.set(ItemState::Queued, ItemReason::None));
    }

    pub(super) fn copy_of(&self, id: ItemId, seen: &Sighting) -> Copy {
        let entry = &self.rows[&id];
        if entry.anyway || entry.version_of.is_some() {
            return Copy::Free;
        }
        match copy_of(id, entry.row.project.as_deref(), entry.parts.is_some(), &self.alike(seen)) {
            Copy::Free => self.delivered_once(seen).map_or(Copy::Free, |(id, ..)| Copy::Of(id)),
            Copy::After(other) => Copy::After(other),
            Copy::Of(other) => Copy::Of(other),
        }
    }

    /// What was delivered as this one, and where.
    pub(super) fn delivered(&self, id: ItemId, seen: &Sighting) -> Option<(Bytes, Option<String>)> {
        match self.rows.get(&id) {
            Some(entry) => Some((entry.receipt?, entry.row.project.clone())),
            None => self.delivered_once(seen).map(|(_, bytes, project)| (bytes, project)),
        }
    }

    /// Equal bytes: with the asset and the receipt of the other, of which only the digest may be known any more.
    pub(super) fn finish_copy(&mut self, id: ItemId, other: ItemId, bytes: Bytes) {
        let asset = self.rows.get(&other).and_then(|entry| entry.asset);
        let entry = self.entry(id);
        entry.drop_asset();
        (entry.asset, entry.receipt, entry.row.begun) = (asset, Some(bytes), asset.is_some());
        entry.set(ItemState::Done, ItemReason::Duplicate);
    }

    /// Whether it applied.
    pub(super) fn finish(&mut self, id: ItemId, to: ItemState, reason: ItemReason) -> bool {
        let Some(entry) = self.rows.get(&id) else { return false };
        let state = entry.row.state;
        if state != ItemState::Uploading && (state.is_over() || to != ItemState::Done) {
            return false;
        }
        let elsewhere = to == ItemState::Away && self.is_elsewhere(entry);
        let entry = self.entry(id);
        if to == ItemState::Done {
            (entry.receipt, entry.parts) = (Some(entry.bytes), None);
        }
        if to == ItemState::Cancelled || (to == ItemState::Failed && reason == ItemReason::Changed) {
            entry.drop_asset();
        }
        match elsewhere {
            true => entry.set(ItemState::Cancelled, ItemReason::Duplicate),
            false => entry.set(to, reason),
        }
        true
    }

    /// Two rows for one clip, of which nothing has left for this one.
    fn is_elsewhere(&self, entry: &Entry) -> bool {
        let is_it = |row: &Row| {
            let goes = matches!(row.state, ItemState::Queued | ItemState::Uploading | ItemState::Done);
            let other_volume = is_another(&row.seen, &entry.row.seen);
            row.id != entry.row.id && goes && !other_volume && row.project == entry.row.project
        };
        entry.asset.is_none() && self.alike(&entry.row.seen).iter().any(is_it)
    }

    pub(super) fn by_number(&self, n: usize) -> Option<ItemId> {
        let n = n % self.rows.len().max(1);
        self.rows.keys().nth(n).copied()
    }

    pub(super) fn has(&self, bytes: Bytes) -> bool {
        self.rows.values().any(|entry| entry.bytes == bytes)
    }
}

fn is_another(a: &Sighting, b: &Sighting) -> bool {
    !a.volume.id.is_empty() && !b.volume.id.is_empty() && a.volume.id != b.volume.id
}

/// What the hash of what is remembered is of.
fn is_key(a: &Sighting, b: &Sighting) -> bool {
    a.path == b.path && a.facts.size == b.facts.size && a.facts.mtime_ns == b.facts.mtime_ns
}
