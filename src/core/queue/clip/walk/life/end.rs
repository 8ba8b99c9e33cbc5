//! When all is over: nothing is lost.
use super::{Held, Life, PROJECTS, is_alike};
use crate::queue::clip::walk::cards::{Found, SLOTS};
use crate::queue::clip::walk::store::Entry;
use crate::queue::item::{ItemReason, ItemState};

impl Life {
    /// Every card is put in once more, and what can be sent is sent: nothing is lost.
    pub(in crate::queue::clip::walk) fn end(&mut self) -> Held {
        self.cards.close_all();
        self.pause(false);
        if self.store.pairing.project.is_none() {
            self.store.pair(PROJECTS[0]);
        }
        let all = self.cards.cards.len();
        (0..all).for_each(|card| self.cards.eject(card));
        for card in 0..all {
            self.cards.insert(card, card % SLOTS);
            self.walk(1);
            self.owners();
            self.drain()?;
            self.nothing_is_lost()?;
            self.cards.eject(card);
        }
        Ok(())
    }

    fn drain(&mut self) -> Held {
        for _ in 0..400 {
            let project = self.store.pairing.project.clone();
            let waits = |entry: &Entry| {
                let here = entry.row.project.is_none() || entry.row.project == project;
                entry.is(ItemState::Uploading) || (entry.is(ItemState::Queued) && here)
            };
            if !self.store.rows.values().any(waits) {
                return Ok(());
            }
            let waiting = self.waiting.len();
            self.claim(0)?;
            self.owners();
            if self.turns.is_empty() && self.waiting.len() == waiting {
                self.waiting.clear();
            }
            while !self.turns.is_empty() {
                self.part(0)?;
            }
        }
        Err(format!("the queue never ends: {:?}", self.store.rows))
    }

    fn nothing_is_lost(&mut self) -> Held {
        for Found { seen, bytes, .. } in self.cards.mounted() {
            let delivered = self.assets.iter().any(|asset| asset.delivered == Some(bytes));
            let listed = self.store.rows.values().any(|entry| {
                let stands = matches!(
                    entry.row.state,
                    ItemState::Held | ItemState::Failed | ItemState::Incomplete | ItemState::Queued
                );
                let given_up = entry.is(ItemState::Cancelled) && entry.row.reason != ItemReason::Duplicate;
                entry.bytes == bytes && (stands || given_up)
            });
            if delivered || listed || self.rules.cleared.contains(&bytes) || self.rules.torn.contains(&bytes)
            {
                continue;
            }
            // Name, size and both ends are all that anybody looks at, where it lies as it lay.
            let others = self.rules.at.get(&seen.path);
            if others.is_some_and(|others| others.iter().any(|o| *o != bytes && is_alike(*o, bytes))) {
                self.tally.alike += 1;
                continue;
            }
            let rows: Vec<_> = self.store.rows.values().filter(|entry| entry.bytes == bytes).collect();
            return Err(format!("lost: {bytes:?} at {}: {rows:?}", seen.path.display()));
        }
        Ok(())
    }
}
