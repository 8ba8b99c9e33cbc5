//! The uploader, as the daemon has it, and what must hold of what it sends.
use std::collections::BTreeMap;

use super::{Asset, Held, Life, Turn, is_alike};
use crate::queue::clip::Copy;
use crate::queue::clip::walk::cards::{Bytes, Found};
use crate::queue::clip::walk::store::Entry;
use crate::queue::evidence::{Relation, Sighting};
use crate::queue::item::{FileFacts, ItemId, ItemReason, ItemState};

impl Life {
    pub(super) fn claim(&mut self, lot: usize) -> Held {
        if self.paused || self.turns.len() == 2 {
            return Ok(());
        }
        let Some(id) = self.store.claim(&self.waiting) else { return Ok(()) };
        let before = self.store.entry(id).row.seen.clone();
        let Some(file) = self.cards.at(&before.path) else {
            self.store.finish(id, ItemState::Away, ItemReason::Vanished);
            return Ok(());
        };
        self.rules.at.entry(before.path.clone()).or_default().insert(file.bytes);
        let mut relation = file.seen.relation(&before);
        if relation.is_the_same_file() && !file.seen.untouched_since(&before) && !self.is_same(id, &file, lot)
        {
            relation = Relation::Displaced;
            if !self.store.entry(id).afresh {
                self.store.beside(id, &file.seen, file.bytes);
            }
        }
        let entry = self.store.entry(id);
        if entry.afresh && !relation.is_the_same_file() {
            if entry.parts.is_some() {
                entry.begin_anew(&file.seen, file.bytes);
            }
            let project = entry.row.project.clone();
            self.say(file.bytes, project);
            relation = Relation::Same;
        }
        if relation == Relation::Rewritten {
            self.wait_for_writer(id, &file);
            return Ok(());
        }
        if !relation.is_the_same_file() {
            self.store.finish(id, ItemState::Away, ItemReason::Vanished);
            return Ok(());
        }
        let entry = self.store.entry(id);
        let looks = match entry.parts {
            Some(_) => file.seen.clone().dated_as(&before),
            None => file.seen.clone(),
        };
        if looks != before {
            entry.take(&looks, file.bytes);
        }
        if !entry.settled && entry.parts.is_none() && self.looked.get(&id) != Some(&file.seen.facts) {
            self.wait_for_writer(id, &file);
            return Ok(());
        }
        self.looked.remove(&id);
        match self.store.copy_of(id, &file.seen) {
            Copy::Free => self.begin(id, &file),
            Copy::After(_) => {
                self.waiting.push(id);
                self.store.finish(id, ItemState::Queued, ItemReason::Duplicate);
                Ok(())
            }
            Copy::Of(other) => self.compare(id, other, &file),
        }
    }

    /// One part that is confirmed, drawn by lot, is what is there now.
    fn is_same(&mut self, id: ItemId, file: &Found, lot: usize) -> bool {
        let entry = self.store.entry(id);
        let (Some(parts), Some(asset)) = (&entry.parts, entry.asset) else { return true };
        let Some(n) = parts.get(lot % parts.len().max(1)) else { return true };
        self.assets[asset].parts.get(n).copied() == file.bytes.part(*n)
    }

    fn wait_for_writer(&mut self, id: ItemId, file: &Found) {
        let entry = self.store.entry(id);
        if entry.row.seen.facts != file.seen.facts {
            entry.begin_anew(&file.seen, file.bytes);
        }
        self.looked.insert(id, file.seen.facts);
        self.waiting.push(id);
        self.store.finish(id, ItemState::Queued, ItemReason::Settling);
    }

    fn compare(&mut self, id: ItemId, other: ItemId, file: &Found) -> Held {
        self.tally.compared += 1;
        let project = self.store.entry(id).row.project.clone();
        match self.store.delivered(other, &file.seen) {
            Some((bytes, to)) if bytes == file.bytes => {
                if to == project {
                    self.store.finish_copy(id, other, bytes);
                } else {
                    self.store.finish(id, ItemState::Cancelled, ItemReason::DeliveredElsewhere);
                }
                self.tally.copies += 1;
                Ok(())
            }
            Some(_) | None => {
                self.tally.unlike += 1;
                self.begin(id, file)
            }
        }
    }

    fn begin(&mut self, id: ItemId, file: &Found) -> Held {
        let entry = self.store.entry(id);
        let project = entry.row.project.clone().unwrap_or_default();
        let asset = match (entry.asset, entry.parts.is_some()) {
            (Some(asset), true) => asset,
            (Some(_) | None, _) => {
                (entry.asset, entry.parts, entry.row.begun) = (Some(self.assets.len()), Some(vec![]), true);
                let said = entry.anyway || entry.version_of.is_some();
                self.tally.versions += u64::from(entry.version_of.is_some());
                self.may_begin(id, &project, file.bytes, said)?;
                self.assets.len() - 1
            }
        };
        let (card, content) = (file.card, file.content);
        self.turns.push(Turn { id, card, mount: file.seen.volume.mount, content, asset, torn: false });
        Ok(())
    }

    /// Once, and only where it belongs.
    fn may_begin(&mut self, id: ItemId, project: &str, bytes: Bytes, said: bool) -> Held {
        let alike = self.assets.iter().filter(|a| a.delivered.is_some_and(|d| is_alike(d, bytes))).count();
        let there = self.assets.iter().any(|a| a.project == project && a.delivered == Some(bytes));
        let owner = self.rules.owner.get(&bytes).is_some_and(|owner| owner != project);
        let person = self.rules.said.contains(&(bytes, project.to_owned()));
        // Of several that are alike only one is compared.
        let hidden = alike > usize::from(there) && alike > 1;
        let torn = self.rules.torn.contains(&bytes);
        if there && !said {
            if !hidden {
                return Err(format!("#{id} is sent to {project} once more: {bytes:?}"));
            }
            self.tally.hidden += 1;
        }
        if owner && !person && !torn {
            let owner = self.rules.owner[&bytes].clone();
            let of_owner = |entry: &Entry| entry.bytes == bytes && entry.row.project.as_ref() == Some(&owner);
            let sent = self.assets.iter().any(|a| a.project == owner && a.delivered == Some(bytes));
            // Its row took what was written over it: nobody can know a copy any more.
            let forgotten = !sent && !self.store.rows.values().any(of_owner);
            self.tally.forgotten += u64::from(forgotten);
            self.tally.hidden += u64::from(hidden);
            if !hidden && !forgotten {
                return Err(format!("#{id} goes to {project} and is {owner}'s: {bytes:?}"));
            }
        }
        let (project, parts) = (project.to_owned(), BTreeMap::new());
        self.assets.push(Asset { project, parts, of: bytes, fair: said, delivered: None, torn: false });
        Ok(())
    }

    pub(super) fn part(&mut self, n: usize) -> Held {
        if self.turns.is_empty() {
            return Ok(());
        }
        let n = n % self.turns.len();
        let (id, asset) = (self.turns[n].id, self.turns[n].asset);
        let count =
            self.store.entry(id).row.seen.facts.size / Bytes { head: 0, middle: 0, tail: 0, parts: 1 }.size();
        let done = self.store.entry(id).parts.clone().unwrap_or_default();
        let Some(next) = (0..count as u32).find(|part| !done.contains(part)) else {
            return self.last_look(n);
        };
        let turn = &self.turns[n];
        let Some(now) = self.cards.read(turn.card, turn.mount, turn.content) else {
            self.unreadable(n, ItemReason::Unreadable);
            return Ok(());
        };
        let Some(part) = now.part(next) else {
            self.unreadable(n, ItemReason::Changed);
            return Ok(());
        };
        let whole = &mut self.assets[asset];
        if whole.parts.is_empty() {
            whole.of = now;
        }
        let others = self.rules.at.get(&self.store.rows[&id].row.seen.path);
        let alike =
            now != whole.of && is_alike(now, whole.of) && others.is_some_and(|o| o.contains(&whole.of));
        self.tally.alike += u64::from(alike);
        let fits = whole.parts.iter().all(|(n, part)| now.part(*n) == Some(*part));
        if !fits && !whole.torn && !alike {
            return Err(format!("#{id} has bytes of two clips: {:?} and {now:?}", whole.of));
        }
        whole.parts.insert(next, part);
        self.store.entry(id).parts.get_or_insert_default().push(next);
        self.tally.parts += 1;
        Ok(())
    }

    fn look(&self, seen: &Sighting) -> Option<(Found, Relation)> {
        let file = self.cards.at(&seen.path)?;
        let relation = file.seen.relation(seen);
        Some((file, relation))
    }

    fn unreadable(&mut self, n: usize, reason: ItemReason) {
        let turn = self.turns.remove(n);
        let seen = self.store.entry(turn.id).row.seen.clone();
        match self.look(&seen) {
            Some((file, Relation::Rewritten)) => self.wait_for_writer(turn.id, &file),
            Some((_, relation)) if relation.is_the_same_file() => {
                self.store.finish(turn.id, ItemState::Failed, reason);
            }
            Some(_) | None => {
                self.store.finish(turn.id, ItemState::Away, ItemReason::Vanished);
            }
        }
    }

    /// What is known of what is open, where it is not what was sent.
    fn written_on(&self, turn: &Turn, seen: &Sighting) -> Option<(Sighting, Bytes)> {
        let asset = &self.assets[turn.asset];
        let Some(now) = self.cards.read(turn.card, turn.mount, turn.content) else {
            // Of a card that was pulled the system still knows size and date.
            return turn.torn.then(|| (seen.clone(), self.store.rows[&turn.id].bytes));
        };
        let all = (0..now.parts).all(|n| asset.parts.get(&n).copied() == now.part(n));
        let facts = FileFacts { size: now.size(), mtime_ns: seen.facts.mtime_ns + 1, ..seen.facts };
        let looks = Sighting { facts, fingerprint: Some(now.fingerprint()), ..seen.clone() };
        (!all || now.size() != seen.facts.size).then_some((looks, now))
    }

    fn last_look(&mut self, n: usize) -> Held {
        let turn = self.turns.remove(n);
        let (seen, bytes) = (self.store.entry(turn.id).row.seen.clone(), self.store.entry(turn.id).bytes);
        let at_path = self.look(&seen);
        if let Some((file, Relation::Rewritten)) = at_path {
            self.wait_for_writer(turn.id, &file);
            return Ok(());
        }
        let is_sure = at_path
            .as_ref()
            .is_some_and(|(file, relation)| *relation == Relation::Same && file.seen.untouched_since(&seen));
        if let Some(now) = self.written_on(&turn, &seen).filter(|_| !is_sure) {
            match at_path {
                Some((file, relation)) if relation.is_the_same_file() => {
                    self.store.entry(turn.id).begin_anew(&file.seen, file.bytes);
                    self.wait_for_writer(turn.id, &file);
                }
                Some(_) | None => {
                    self.store.entry(turn.id).begin_anew(&now.0, now.1);
                    self.store.finish(turn.id, ItemState::Away, ItemReason::Vanished);
                }
            }
            self.tally.torn += 1;
            return Ok(());
        }
        let asset = &self.assets[turn.asset];
        let is_whole = (0..bytes.parts).all(|n| asset.parts.get(&n).copied() == bytes.part(n));
        if !is_whole && !asset.torn && !is_alike(asset.of, bytes) {
            return Err(format!("#{} was delivered with other bytes than {bytes:?}", turn.id));
        }
        let twice = |a: &&Asset| a.project == asset.project && a.delivered == Some(bytes) && !asset.fair;
        if self.assets.iter().any(|a| twice(&a)) {
            let alike =
                self.assets.iter().filter(|a| a.delivered.is_some_and(|d| is_alike(d, bytes))).count();
            // Of several that are alike only one is compared.
            if alike == 1 {
                return Err(format!("#{} was delivered twice: {bytes:?}", turn.id));
            }
            self.tally.hidden += 1;
        }
        // What was written over before its first byte left is whole all the same, and another clip than its row's.
        let is_of_now = self.cards.read(turn.card, turn.mount, turn.content).is_some_and(|now| {
            asset.parts.len() == now.parts as usize
                && (0..now.parts).all(|n| asset.parts.get(&n).copied() == now.part(n))
        });
        self.tally.torn += u64::from(!is_whole);
        if !is_whole && turn.torn && !is_of_now {
            return Err(format!("#{} was written on while it was sent: {bytes:?}", turn.id));
        }
        self.store.finish(turn.id, ItemState::Done, ItemReason::None);
        if !is_whole {
            // Its digests are of what was sent.
            self.store.entry(turn.id).receipt = None;
            self.rules.torn.insert(bytes);
        }
        self.assets[turn.asset].delivered = is_whole.then_some(bytes);
        self.tally.delivered += 1;
        Ok(())
    }
}
