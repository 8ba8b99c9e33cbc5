//! What people do with rows.
use super::{Entry, Memory, Store, is_another, is_key};
use crate::queue::clip::place_of;
use crate::queue::item::{ItemId, ItemReason, ItemState};

impl Store {
    pub(in crate::queue::clip::walk) fn cancel(&mut self, id: ItemId) {
        let entry = self.entry(id);
        if !matches!(entry.row.state, ItemState::Done | ItemState::Cancelled) {
            entry.drop_asset();
            entry.set(ItemState::Cancelled, ItemReason::None);
        }
    }

    pub(in crate::queue::clip::walk) fn retry(&mut self, id: ItemId) {
        let pairing = self.pairing.clone();
        let entry = self.entry(id);
        if matches!(entry.row.state, ItemState::Failed | ItemState::Cancelled | ItemState::Away) {
            let place = place_of(entry.row.project.as_deref(), &pairing);
            entry.set(place.state, place.reason);
            entry.afresh = true;
        }
    }

    /// Whether it goes to the project that is paired.
    pub(in crate::queue::clip::walk) fn release(&mut self, id: ItemId) -> bool {
        let Some(project) = self.pairing.project.clone() else { return false };
        if !self.entry(id).is(ItemState::Held) {
            return false;
        }
        if self.entry(id).row.project.as_ref() == Some(&project) {
            self.entry(id).set(ItemState::Queued, ItemReason::None);
            return true;
        }
        self.entry(id).drop_asset();
        let duplicate = self.is_in(&project, id);
        let entry = self.entry(id);
        if duplicate {
            entry.set(ItemState::Cancelled, ItemReason::Duplicate);
        } else {
            entry.set(ItemState::Queued, ItemReason::None);
            entry.row.project = Some(project);
        }
        !duplicate
    }

    fn is_in(&self, project: &str, id: ItemId) -> bool {
        let seen = &self.rows[&id].row.seen;
        let mut rows = self.rows.values().map(|entry| &entry.row);
        rows.any(|row| {
            let other_volume = is_another(&row.seen, seen);
            let there = row.project.as_deref() == Some(project) && row.state != ItemState::Away;
            there && !other_volume && is_key(&row.seen, seen) && row.seen.fingerprint == seen.fingerprint
        })
    }

    /// Takes the row of what is over.
    pub(in crate::queue::clip::walk) fn clear(&mut self, id: ItemId) -> Option<Entry> {
        self.rows.get(&id).filter(|entry| entry.row.state.is_over())?;
        let entry = self.rows.remove(&id)?;
        let is_done = entry.is(ItemState::Done);
        if entry.row.watched || is_done {
            let memory = Memory {
                id,
                seen: entry.row.seen.clone(),
                delivered_to: entry.row.project.clone().filter(|_| is_done),
                receipt: entry.receipt.filter(|_| is_done),
            };
            let same = |m: &&mut Memory| {
                is_key(&m.seen, &memory.seen) && m.seen.fingerprint == memory.seen.fingerprint
            };
            match self.memory.iter_mut().find(same) {
                // That it was delivered is not forgotten for one that was not.
                Some(former) if former.delivered_to.is_some() && memory.delivered_to.is_none() => {}
                Some(former) => *former = memory,
                None => self.memory.push(memory),
            }
        }
        Some(entry)
    }

    pub(super) fn bind(&mut self, project: &str, which: &[ItemState]) {
        let unbound = |entry: &&Entry| entry.row.project.is_none() && which.contains(&entry.row.state);
        let ids: Vec<ItemId> = self.rows.values().filter(unbound).map(|entry| entry.row.id).collect();
        let (second, first): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| self.is_in(project, *id));
        second.into_iter().for_each(|id| self.entry(id).set(ItemState::Cancelled, ItemReason::Duplicate));
        first.into_iter().for_each(|id| self.entry(id).row.project = Some(project.to_owned()));
    }

    pub(in crate::queue::clip::walk) fn pair(&mut self, project: &str) {
        self.pairing.project = Some(project.to_owned());
        self.bind(project, &[ItemState::Queued, ItemState::Held, ItemState::Uploading]);
        for entry in self.rows.values_mut() {
            let here = entry.row.project.as_deref() == Some(project);
            match entry.row.state {
                ItemState::Queued | ItemState::Uploading if !here && entry.row.project.is_some() => {
                    entry.set(ItemState::Held, ItemReason::OtherProject);
                }
                ItemState::Held if here => entry.set(ItemState::Queued, ItemReason::None),
                ItemState::Queued
                | ItemState::Uploading
                | ItemState::Recording
                | ItemState::Held
                | ItemState::Away
                | ItemState::Incomplete
                | ItemState::Done
                | ItemState::Failed
                | ItemState::Cancelled => {}
            }
        }
    }
}
