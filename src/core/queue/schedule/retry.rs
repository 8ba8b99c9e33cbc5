//! What waits for a better time: the whole queue, or one clip.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::backoff::{Jitter, doubled};
use crate::queue::item::{FileFacts, ItemId};
use crate::time::BootTime;
use rigpost_contract::pairing::Reason;

const FIRST_RETRY: Duration = Duration::from_secs(2);
const MAX_RETRY: Duration = Duration::from_secs(120);

/// How long a clip in trouble of its own is put aside at first, and at most.
const FIRST_ASIDE: Duration = Duration::from_secs(15);
const MAX_ASIDE: Duration = Duration::from_secs(3600);

/// Somebody knows nothing of a clip's upload in so many turns, none of them this soon after the one before: then it is gone,
/// where the storage itself has spoken meanwhile. Where it has not, who speaks may be in its place for as long as this.
const UNFOUND_TURNS: u32 = 4;
const UNFOUND_SOON: Duration = Duration::from_secs(10);
const UNFOUND_ALONE: Duration = Duration::from_secs(3600);

/// A person has to act in the project: asking more often would only be noise.
const PERSON_WAIT: Duration = Duration::from_secs(300);

/// Nothing is begun before.
#[derive(Debug)]
struct Wait {
    at: BootTime,
    /// The provider named it: only a person shortens it.
    firm: bool,
}

/// Somebody knows nothing of a clip's upload.
#[derive(Debug)]
struct Unfound {
    turns: u32,
    since: BootTime,
    last: Option<BootTime>,
    /// The storage itself has said something else since.
    proven: bool,
}

#[derive(Debug)]
pub(super) struct Retry {
    /// Of the whole queue.
    queue: Option<Wait>,
    /// Waits of the whole queue in a row.
    troubles: u32,
    /// The clip that the project forbade last, if it has taken none since.
    forbidden: Option<ItemId>,
    /// Clips in trouble of their own, or still being written, until when.
    aside: BTreeMap<ItemId, BootTime>,
    /// Those of them whose card does not answer.
    cards: BTreeSet<ItemId>,
    /// How often each was put aside for trouble of its own, since it was last through or a person acted.
    own: BTreeMap<ItemId, u32>,
    /// Clips of whose uploads somebody knew nothing in the last turns.
    unfound: BTreeMap<ItemId, Unfound>,
    trouble: Option<(Reason, String)>,
    /// The queue could not be read the last time.
    unread: Option<(Reason, String)>,
    jitter: Jitter,
}

impl Retry {
    pub(super) fn new(jitter: Jitter) -> Retry {
        Retry {
            queue: None,
            troubles: 0,
            forbidden: None,
            aside: BTreeMap::new(),
            cards: BTreeSet::new(),
            own: BTreeMap::new(),
            unfound: BTreeMap::new(),
            trouble: None,
            unread: None,
            jitter,
        }
    }

    pub(super) fn trouble(&self) -> Option<&(Reason, String)> {
        self.unread.as_ref().or(self.trouble.as_ref())
    }

    /// The whole queue waits.
    pub(super) fn waits(&self) -> bool {
        self.queue.is_some()
    }

    pub(super) fn aside(&self) -> impl Iterator<Item = &ItemId> {
        self.aside.keys()
    }

    pub(super) fn is_aside(&self, id: ItemId) -> bool {
        self.aside.contains_key(&id)
    }

    pub(super) fn deadline(&self) -> Option<BootTime> {
        self.queue_until().into_iter().chain(self.aside.values().copied()).min()
    }

    /// When the whole queue goes on.
    pub(super) fn queue_until(&self) -> Option<BootTime> {
        self.queue.as_ref().map(|w| w.at)
    }

    /// When the whole queue, and when this clip goes on.
    pub(super) fn until(&self, id: ItemId) -> (Option<BootTime>, Option<BootTime>) {
        (self.queue_until(), self.aside.get(&id).copied())
    }

    /// Ends the waits whose time has come; true where that was a clip's.
    pub(super) fn tick(&mut self, now: BootTime) -> bool {
        self.queue.take_if(|w| now >= w.at);
        let before = self.aside.len();
        self.aside.retain(|_, until| now < *until);
        self.cards.retain(|id| self.aside.contains_key(id));
        self.aside.len() != before
    }

    /// The way is in trouble: nothing is begun for a while. `at_least`: the provider's own wish.
    //= frameio-c2c#6.3
    //# Trouble with the network is tried again for as long as it takes; no clip is dropped.
    pub(super) fn later(&mut self, reason: Reason, why: String, at_least: Option<Duration>, now: BootTime) {
        self.wait(at_least, now);
        self.trouble = Some((reason, why));
    }

    /// The queue can't be read: nothing is begun for a while.
    pub(super) fn unread(&mut self, why: String, now: BootTime) {
        self.wait(None, now);
        self.unread = Some((Reason::Storage, why));
    }

    /// The queue can be read. What waits goes on at its time.
    pub(super) fn read(&mut self) {
        self.unread = None;
    }

    //= frameio-c2c#6.3
    //# 429: a second is waited at least, then twice as long each time.
    fn wait(&mut self, at_least: Option<Duration>, now: BootTime) {
        let firm = at_least.is_some();
        let at_least = at_least.unwrap_or_default();
        match &mut self.queue {
            // Several parts find out about the same trouble.
            Some(wait) => {
                wait.at = wait.at.max(now + at_least);
                wait.firm |= firm;
            }
            None => {
                let wait = self.jitter.spread(doubled(FIRST_RETRY, self.troubles, MAX_RETRY));
                self.troubles = self.troubles.saturating_add(1);
                self.queue = Some(Wait { at: now + wait.max(at_least), firm });
            }
        }
    }

    /// Bytes have moved and that is on disk: the way is good.
    pub(super) fn got_through(&mut self) {
        self.troubles = 0;
        self.hurry();
        if self.queue.is_none() {
            self.trouble = None;
        }
    }

    /// The way may be good again.
    pub(super) fn hurry(&mut self) {
        self.queue.take_if(|w| !w.firm);
    }

    /// The clip is in trouble, and others are not.
    pub(super) fn put_aside(&mut self, id: ItemId, reason: Reason, why: &str, now: BootTime) {
        // Turns that ended by another's trouble, by a pause or a restart do not count.
        let times = self.own.entry(id).or_default();
        let wait = doubled(FIRST_ASIDE, *times, MAX_ASIDE);
        self.cards.remove(&id);
        *times = times.saturating_add(1);
        self.aside.insert(id, now + wait);
        self.trouble = Some((reason, why.to_owned()));
    }

    /// The project forbade a clip. One may be the clip's own fault, however often. Two in a row are the project's, and all
    /// the others would follow.
    pub(super) fn forbidden(&mut self, id: ItemId, why: &str, now: BootTime) {
        self.put_aside(id, Reason::Provider, why, now);
        if self.forbidden.replace(id).is_some_and(|before| before != id) {
            self.later(Reason::Provider, why.to_owned(), Some(PERSON_WAIT), now);
        }
    }

    /// Somebody knows nothing of the clip's upload, once in this turn; `proven`: and the storage itself has spoken at that time.
    /// True: it is gone.
    pub(super) fn unfound(&mut self, id: ItemId, proven: bool, now: BootTime) -> bool {
        let new = Unfound { turns: 0, since: now, last: None, proven: false };
        let known = self.unfound.entry(id).or_insert(new);
        known.proven |= proven;
        // A person may be impatient.
        if known.last.is_none_or(|last| now.since(last) >= UNFOUND_SOON) {
            known.turns = known.turns.saturating_add(1);
            known.last = Some(now);
        }
        known.turns >= UNFOUND_TURNS && (known.proven || now.since(known.since) >= UNFOUND_ALONE)
    }

    /// The clip's upload is there.
    pub(super) fn found(&mut self, id: ItemId) {
        self.unfound.remove(&id);
    }

    /// The project took a clip.
    pub(super) fn allowed(&mut self) {
        self.forbidden = None;
        self.unfound.values_mut().for_each(|known| known.proven = true);
    }

    /// The file may still be being written.
    pub(super) fn wait_for_writer(&mut self, id: ItemId, until: BootTime) {
        self.cards.remove(&id);
        self.aside.insert(id, until);
    }

    /// The clip's card does not answer. That counts for no trouble of the clip's own, and claims leave such a card out:
    /// the time is for a call that was refused and the card had answered by then.
    pub(super) fn wait_for_card(&mut self, id: ItemId, now: BootTime) {
        self.cards.insert(id);
        self.aside.insert(id, now + FIRST_ASIDE);
    }

    /// Another card answers, or one does not.
    pub(super) fn cards_changed(&mut self) {
        for id in std::mem::take(&mut self.cards) {
            self.aside.remove(&id);
        }
    }

    /// A person takes it off: where it comes back it waits for nothing.
    pub(super) fn release(&mut self, id: ItemId) {
        self.aside.remove(&id);
    }

    /// A person wants it tried: only files that may still be being written wait on.
    pub(super) fn try_now(&mut self, settling: &BTreeMap<ItemId, FileFacts>) {
        self.queue = None;
        self.own.clear();
        self.aside.retain(|id, _| settling.contains_key(id));
    }

    /// What stood in the way in one project says nothing about the next.
    pub(super) fn forgive(&mut self, settling: &BTreeMap<ItemId, FileFacts>) {
        self.try_now(settling);
        (self.troubles, self.forbidden, self.trouble) = (0, None, None);
        self.unfound.clear();
    }

    /// The item is not in the queue any more.
    pub(super) fn forget(&mut self, id: ItemId) {
        self.own.remove(&id);
        self.unfound.remove(&id);
    }

    /// There is nothing left that could be in trouble.
    pub(super) fn no_trouble(&mut self) {
        self.trouble = None;
    }

    /// To be shown, and nothing waits for it.
    pub(super) fn show(&mut self, reason: Reason, why: &str) {
        self.trouble = Some((reason, why.to_owned()));
    }
}
