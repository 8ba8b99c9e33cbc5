//! From the claim to the first part: whether it is the clip that was queued, whole, and not in the cloud already; and the
//! last look.
//!
//! # Decisions
//! - A file whose writer is not known to be done is looked at twice, some time apart, and sent only when nothing has
//!   changed in between. The first look is not written down: after a restart there is simply another.
//! - Parts of two clips never meet in one asset. What was written on while it was sent is begun anew; what was only given
//!   another date is not.
//! - A file at whose path another one lies by now was read from what was opened: it is sent, and whole unless that was
//!   written on ([`super::last_look`]).
use std::collections::BTreeSet;
use std::time::Duration;

use super::event::{Action, Claimed, Comparison, End, FileError, Opened, Seen};
use super::last_look::{Last, last};
use super::state::{Leaving, Schedule, Turn};
use super::turn::postponed;
use crate::queue::clip::{Copy, DISPLACED};
use crate::queue::evidence::{Relation, Sighting};
use crate::queue::handed::{LET_GO, is_handed_over};
use crate::queue::item::{Item, ItemId, ItemReason, ItemState};
use crate::queue::upload::Upload;
use crate::time::Now;
use rigpost_contract::pairing::Reason;

/// How long a copy waits before it is looked at again whether the other one is through.
const AFTER_THE_OTHER: Duration = Duration::from_secs(15);

/// How soon the disk is asked again to queue what was cut off.
const DISK_AGAIN: Duration = Duration::from_secs(30);

impl Schedule {
    /// Begins the turn, or ends it at once: written like any end, and then the next. One bad file never blocks the
    /// others.
    //= frameio-c2c#6.3
    //# A file that can't be read, has gone or is being written waits or fails alone.
    pub(super) fn begin(&mut self, mut claimed: Claimed, now: Now, out: &mut Vec<Action>) {
        let id = claimed.item.id;
        let seen = match &claimed.file {
            Ok(seen) => seen.clone(),
            Err(FileError::Gone) => return self.write_end(gone(&claimed.item), out),
            Err(FileError::Unreadable(why)) => {
                return self.write_end(End::failed(id, ItemReason::Unreadable, why.clone()), out);
            }
            Err(FileError::NotAnswering(why)) => {
                let end = self.wait_for_card(&claimed.item, why.clone(), now, out);
                return self.write_end(end, out);
            }
        };
        // Where parts of it have left, only the same bytes will do.
        let begun = !matches!(claimed.asset, Ok(None));
        if seen.relation == Relation::Rewritten {
            return self.begin_anew(&claimed.item, seen.sighting, now, out);
        }
        if !seen.relation.is_the_same_file() {
            return self.write_end(displaced(id), out);
        }
        if !claimed.item.clip.settled && !begun && self.seen.get(&id) != Some(&seen.sighting.facts) {
            return self.wait_for_writer(&claimed.item, seen.sighting, now, out);
        }
        self.seen.remove(&id);
        self.cut_off.remove(&id);
        if let (Some(why), false) = (&seen.cut, begun || claimed.item.clip.as_is) {
            match claimed.patience {
                Some(Duration::ZERO) => claimed.item.clip.as_is = true,
                patience => return self.wait_for_the_rest(id, why.clone(), patience, now, out),
            }
        }
        let before = claimed.item.clip.sighting();
        claimed.item.clip.take(if begun { seen.sighting.dated_as(&before) } else { seen.sighting });
        match claimed.copy {
            Copy::Free => self.turn_begins(claimed, now, out),
            Copy::Of(_) if self.unlike.remove(&id) => self.turn_begins(claimed, now, out),
            Copy::After(other) => self.let_go_first(&claimed.item, other, now, out),
            Copy::Of(other) => {
                self.leaving.insert(id, Leaving::Comparing(Box::new(claimed)));
                out.push(Action::Compare(id, other));
            }
        }
    }

    fn turn_begins(&mut self, claimed: Claimed, now: Now, out: &mut Vec<Action>) {
        let Claimed { item, asset, .. } = claimed;
        let id = item.id;
        let asset = match asset {
            Ok(asset) => asset,
            // Its own trouble, as far as is known: where it is the disk's, the next claim meets it too.
            Err(why) => {
                self.retry.put_aside(id, Reason::Storage, &why, now.boot);
                out.push(postponed(&item, ItemReason::Storage, &why, true));
                return self.write_end(End::queued(id, ItemReason::Storage, why), out);
            }
        };
        let (upload, actions) = Upload::begin(id, item.clip.facts.size, asset, self.options.promises, now);
        self.turns.insert(id, Turn { item, upload, doubted: BTreeSet::new(), unfound: false, used: None });
        out.push(Action::Began(id));
        actions.into_iter().for_each(|action| self.perform(id, action, now, out));
    }

    fn wait_for_writer(&mut self, item: &Item, seen: Sighting, now: Now, out: &mut Vec<Action>) {
        let changed = seen.facts != item.clip.facts;
        self.settle(item, seen, changed, now, out);
    }

    /// What was sent of it is of no use.
    fn begin_anew(&mut self, item: &Item, seen: Sighting, now: Now, out: &mut Vec<Action>) {
        self.settle(item, seen, true, now, out);
    }

    fn settle(&mut self, item: &Item, seen: Sighting, anew: bool, now: Now, out: &mut Vec<Action>) {
        self.unlike.remove(&item.id);
        self.seen.insert(item.id, seen.facts);
        self.retry.wait_for_writer(item.id, now.boot + self.options.settle);
        let detail = "the file may still be being written".to_owned();
        let end = End::queued(item.id, ItemReason::Settling, detail);
        self.write_end(End { rewritten: anew.then(|| Box::new(seen)), ..end }, out);
    }

    /// Half a clip may be all there is of it, and an unattended rig must not keep it for ever.
    fn wait_for_the_rest(
        &mut self,
        id: ItemId,
        why: String,
        patience: Option<Duration>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        self.cut_off.extend(patience.map(|patience| (id, now.boot + patience)));
        self.write_end(End::to(id, ItemState::Incomplete, ItemReason::None, why), out);
    }

    /// The time of those that were cut off is over. Until the disk has answered they have another one: an item without a time
    /// waits for a person.
    pub(super) fn send_as_they_are(&mut self, now: Now, out: &mut Vec<Action>) {
        for (id, at) in self.cut_off.iter_mut().filter(|(_, at)| now.boot >= **at) {
            *at = now.boot + DISK_AGAIN;
            out.push(Action::SendAsItIs(*id));
        }
    }

    /// It is queued again, or the disk could not.
    pub(super) fn goes_as_it_is(&mut self, id: ItemId, ok: bool, out: &mut Vec<Action>) {
        if ok {
            self.cut_off.remove(&id);
            self.backlog.changed();
            self.read(out);
        }
    }

    fn let_go_first(&mut self, item: &Item, other: ItemId, now: Now, out: &mut Vec<Action>) {
        self.retry.wait_for_writer(item.id, now.boot + AFTER_THE_OTHER);
        let detail = format!("it may be the same clip as #{other}, which goes first");
        self.write_end(End::queued(item.id, ItemReason::Duplicate, detail), out);
    }

    /// All bytes were compared, or could not be.
    pub(super) fn compared(&mut self, id: ItemId, comparison: Comparison, now: Now, out: &mut Vec<Action>) {
        let claimed = self.left(id, |leaving| match leaving {
            Leaving::Comparing(claimed) => Ok(claimed),
            other @ (Leaving::Looking(..) | Leaving::Writing(_) | Leaving::Unwritten(_)) => Err(other),
        });
        let Some(claimed) = claimed else { return };
        let end = match comparison {
            Comparison::Differs if self.may_go(&claimed.item) => return self.turn_begins(*claimed, now, out),
            Comparison::Differs => {
                self.unlike.insert(id);
                End::requeue(id)
            }
            Comparison::Equal(other, None) => {
                let why = format!("the same clip as #{other}, which was delivered");
                End { same_as: Some(other), ..End::to(id, ItemState::Done, ItemReason::Duplicate, why) }
            }
            Comparison::Equal(other, Some(_)) => {
                let why = format!("the same clip as #{other}, which was delivered to another project");
                End::to(id, ItemState::Cancelled, ItemReason::DeliveredElsewhere, why)
            }
            Comparison::Stopped => End::requeue(id),
            Comparison::Unreadable(why) => End::failed(id, ItemReason::Unreadable, why),
            Comparison::NotAnswering(why) => self.wait_for_card(&claimed.item, why, now, out),
        };
        self.write_end(end, out);
    }

    /// Nothing has come into its way since it was claimed.
    fn may_go(&self, item: &Item) -> bool {
        let held = self.stopping || self.recording || self.pausing > 0 || self.paused != Some(false);
        let waits = self.retry.waits() || !self.options.usable;
        !held && !waits && self.project_to_claim() == item.clip.project_id
    }

    /// The last look before an item counts as sent. Or a look at one that could not be read to its end.
    pub(super) fn looked_again(
        &mut self,
        id: ItemId,
        file: Result<Box<Seen>, FileError>,
        opened: Opened,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let looked_at = self.left(id, |leaving| match leaving {
            Leaving::Looking(item, failed) => Ok((item, failed)),
            other @ (Leaving::Comparing(_) | Leaving::Writing(_) | Leaving::Unwritten(_)) => Err(other),
        });
        let Some((item, failed)) = looked_at else { return };
        let end = match (failed, file) {
            (None, file) => match last(file, opened) {
                Last::Sent => {
                    let reason = if item.clip.as_is { ItemReason::AsItIs } else { ItemReason::None };
                    End::to(id, ItemState::Done, reason, "")
                }
                Last::Anew(seen) => return self.begin_anew(&item, seen, now, out),
                Last::AnewWhenBack(at_last) => End { rewritten: Some(Box::new(at_last)), ..torn(id) },
            },
            (Some(_), Ok(seen)) if seen.relation == Relation::Rewritten => {
                return self.begin_anew(&item, seen.sighting, now, out);
            }
            (Some(_), Err(FileError::Gone)) => gone(&item),
            (Some(_), Ok(seen)) if !seen.relation.is_the_same_file() => displaced(id),
            (Some(end), Ok(_) | Err(FileError::Unreadable(_))) => end,
            (Some(_), Err(FileError::NotAnswering(why))) => self.wait_for_card(&item, why, now, out),
        };
        self.write_end(end, out);
    }
}

fn gone(item: &Item) -> End {
    let why = match is_handed_over(&item.clip.path) {
        true => LET_GO,
        false => "the file is not there; it goes on when its card is back, or when somebody retries it",
    };
    End::to(item.id, ItemState::Away, ItemReason::Vanished, why)
}

fn torn(id: ItemId) -> End {
    End::to(
        id,
        ItemState::Away,
        ItemReason::Vanished,
        "the file was written on while it was sent, and is not there; it goes anew when its card is back, or when somebody retries it",
    )
}

fn displaced(id: ItemId) -> End {
    End::to(id, ItemState::Away, ItemReason::Vanished, DISPLACED)
}
