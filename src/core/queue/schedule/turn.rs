//! One item's turn, from the claim to its row on disk.
//!
//! # Decisions
//! - A file whose writer is not known to be done is looked at twice, some time apart, and sent only when nothing has
//!   changed in between. The first look is not written down: after a restart there is simply another.
//! - Assets are asked for a little less often than the provider allows to all devices of one person.
use std::collections::BTreeSet;
use std::time::Duration;

use super::event::{Access, Action, Claimed, End, FileError, Postponed, Written};
use super::state::{Leaving, Resume, Schedule, Turn};
use crate::queue::etag::Verdict;
use crate::queue::item::{FileFacts, Item, ItemId, ItemReason, ItemState};
use crate::queue::upload::{self, Confirmed, CreateError, Ending, PartError, Upload};
use crate::seq::Seq;
use crate::time::Now;
use rigpost_contract::pairing::Reason;

/// Assets that Frame.io makes in a second for all devices of one person.
pub const MOST_IN_A_SECOND: u32 = 5;
/// The time between two requests for an asset: four in a second.
pub const CREATE_EVERY: Duration = Duration::from_millis(250);

impl Schedule {
    pub(super) fn claimed(
        &mut self,
        answer: Result<Option<Box<Claimed>>, String>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let Some(claim) = self.claim.take() else { return };
        if answer.is_ok() {
            self.resume = Resume::Done;
        }
        match answer {
            Ok(Some(claimed)) => {
                self.backlog.claimed(claim.above, Some(claimed.item.clip.priority));
                if claim.give_back {
                    return self.write_end(End::requeue(claimed.item.id), out);
                }
                self.begin(*claimed, now, out);
            }
            Ok(None) => self.backlog.claimed(claim.above, None),
            Err(why) => self.retry.later(Reason::Storage, why, None, now.boot),
        }
    }

    /// Begins the turn, or ends it at once: written like any end, and then the next. One bad file never blocks the
    /// others.
    fn begin(&mut self, claimed: Claimed, now: Now, out: &mut Vec<Action>) {
        let Claimed { item, file, asset } = claimed;
        let id = item.id;
        let facts = match file {
            Ok(facts) => facts,
            Err(FileError::Gone) => {
                return self
                    .write_end(End::failed(id, ItemReason::Vanished, "the file is not there any more"), out);
            }
            Err(FileError::Unreadable(why)) => {
                return self.write_end(End::failed(id, ItemReason::Unreadable, why), out);
            }
            Err(FileError::NotAnswering(why)) => {
                let end = self.wait_for_card(&item, why, now, out);
                return self.write_end(end, out);
            }
        };
        // Where parts of it have left, only the same bytes will do.
        let begun = !matches!(asset, Ok(None));
        if !item.clip.settled && !begun && self.seen.get(&id) != Some(&facts) {
            return self.wait_for_writer(&item, facts, now, out);
        }
        self.seen.remove(&id);
        if !same_bytes(&facts, &item) {
            let why = "the file is not the one that was queued: its size or time changed";
            return self.write_end(End::failed(id, ItemReason::Changed, why), out);
        }
        let asset = match asset {
            Ok(asset) => asset,
            // Its own trouble, as far as is known: where it is the disk's, the next claim meets it too.
            Err(why) => {
                self.retry.put_aside(id, Reason::Storage, &why, now.boot);
                out.push(postponed(&item, ItemReason::Storage, &why, true));
                return self.write_end(End::queued(id, ItemReason::Storage, why), out);
            }
        };
        let (upload, actions) = Upload::begin(id, facts.size, asset, now);
        self.turns.insert(id, Turn { item, upload, doubted: BTreeSet::new(), used: None });
        out.push(Action::Began(id));
        actions.into_iter().for_each(|action| self.perform(id, action, now, out));
    }

    fn wait_for_card(&mut self, item: &Item, why: String, now: Now, out: &mut Vec<Action>) -> End {
        out.push(postponed(item, ItemReason::NotAnswering, &why, true));
        self.retry.wait_for_card(item.id, now.boot);
        End::queued(item.id, ItemReason::NotAnswering, why)
    }

    fn wait_for_writer(&mut self, item: &Item, facts: FileFacts, now: Now, out: &mut Vec<Action>) {
        let grown = !same_bytes(&facts, item);
        self.seen.insert(item.id, facts);
        self.retry.wait_for_writer(item.id, now.boot + self.options.settle);
        let detail = "the file may still be being written".to_owned();
        let end = End { grown: grown.then_some(facts), ..End::queued(item.id, ItemReason::Settling, detail) };
        self.write_end(end, out);
    }

    pub(super) fn feed(&mut self, id: ItemId, event: upload::Event, now: Now, out: &mut Vec<Action>) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        for action in turn.upload.on(event, now) {
            self.perform(id, action, now, out);
        }
    }

    fn perform(&mut self, id: ItemId, action: upload::Action, now: Now, out: &mut Vec<Action>) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        match action {
            upload::Action::Create(seq) => self.create(id, seq, now, out),
            upload::Action::Record(seq, asset) => {
                turn.item.sent = 0;
                turn.item.asset_id.clone_from(&asset.id);
                out.push(Action::Record(id, seq, asset));
            }
            upload::Action::Forget(seq) => {
                turn.doubted.clear();
                out.push(Action::Forget(id, seq));
            }
            upload::Action::Send(n) => out.push(Action::Send { id, n, md5: self.etags.wants_md5() }),
            upload::Action::RecordPart(n, confirmed) => {
                let bytes = turn.upload.part(n).map_or(0, |(_, _, len)| len);
                let asset_id = turn.item.asset_id.clone();
                out.push(Action::RecordPart { id, asset_id, n, bytes, confirmed });
            }
            upload::Action::Finish(ending) => self.finish(id, ending, now, out),
        }
    }

    fn create(&mut self, id: ItemId, seq: Seq, now: Now, out: &mut Vec<Action>) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let ours = |a: &&Access| turn.item.clip.project_id.as_deref() == Some(a.project_id.as_str());
        let Some(token) = self.access.as_ref().filter(ours).map(|a| a.token.clone()) else {
            let nobody = upload::Event::Created(seq, Err(CreateError::Unauthorized));
            return self.feed(id, nobody, now, out);
        };
        turn.used = Some(token.clone());
        let at = now.boot.max(self.next_create);
        self.next_create = at + CREATE_EVERY;
        out.push(Action::Create { id, seq, at, token });
    }

    pub(super) fn part_sent(
        &mut self,
        id: ItemId,
        n: u32,
        answer: Result<Confirmed, PartError>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let answer = answer.and_then(|confirmed| {
            let md5 = confirmed.digest.and_then(|d| d.md5);
            let again = turn.doubted.contains(&n);
            match self.etags.judge(&confirmed.etag, md5, again) {
                Verdict::Accept => Ok(confirmed),
                Verdict::Resend => {
                    turn.doubted.insert(n);
                    Err(PartError::Damaged("the storage's ETag of a part is not its MD5".to_owned()))
                }
            }
        });
        if answer.is_ok() {
            turn.item.sent += turn.upload.part(n).map_or(0, |(_, _, len)| len);
        }
        self.feed(id, upload::Event::Sent(n, answer), now, out);
    }

    fn finish(&mut self, id: ItemId, ending: Ending, now: Now, out: &mut Vec<Action>) {
        let Some(turn) = self.turns.remove(&id) else { return };
        let provider = Reason::Provider;
        let end = match ending {
            Ending::Done => {
                self.retry.got_through();
                out.push(Action::LookAgain(Box::new(turn.item.clone())));
                self.leaving.insert(id, Leaving::Looking(Box::new(turn.item)));
                return;
            }
            Ending::Failed(reason, why) => End::failed(id, reason, why),
            Ending::Later(reason, why, wait) => {
                out.push(postponed(&turn.item, reason.into(), &why, false));
                self.retry.later(reason, why.clone(), wait, now.boot);
                End::queued(id, reason.into(), why)
            }
            Ending::NotAnswering(why) => self.wait_for_card(&turn.item, why, now, out),
            Ending::Aside(why) => {
                out.push(postponed(&turn.item, provider.into(), &why, true));
                self.retry.put_aside(id, provider, &why, now.boot);
                End::queued(id, provider.into(), why)
            }
            Ending::Forbidden(why) => {
                out.push(postponed(&turn.item, provider.into(), &why, true));
                self.retry.forbidden(id, &why, now.boot);
                End::queued(id, provider.into(), why)
            }
            Ending::Unauthorized => {
                self.report_refused(turn, out);
                End::requeue(id)
            }
            Ending::Stopped => End::requeue(id),
        };
        self.write_end(end, out);
    }

    fn report_refused(&mut self, turn: Turn, out: &mut Vec<Action>) {
        let Some(token) = turn.used else { return };
        // Late news of one that is not in force any more must not make us forget that the one in force was refused.
        let in_force = self.access.as_ref().is_some_and(|a| a.token == token);
        // One is renewed and that is all. A second may be followed by a long wait for the third.
        if in_force && self.refused.replace(token.clone()).is_some_and(|former| former != token) {
            self.retry.show(Reason::Provider, "HTTP 401 for one access token after another");
        }
        out.push(Action::ReportRefused(token));
    }

    /// The last look before an item counts as sent: the bytes that left are those that were queued. A file that is gone
    /// by now has been sent all the same.
    pub(super) fn looked_again(&mut self, id: ItemId, facts: Option<FileFacts>, out: &mut Vec<Action>) {
        let Some(Leaving::Looking(item)) = self.leaving.get(&id) else { return };
        let end = match facts {
            Some(facts) if !same_bytes(&facts, item) => {
                End::failed(id, ItemReason::Changed, "the file changed while it was being sent")
            }
            Some(_) | None => End::done(id),
        };
        self.write_end(end, out);
    }

    fn write_end(&mut self, end: End, out: &mut Vec<Action>) {
        self.leaving.insert(end.id, Leaving::Writing(end.clone()));
        out.push(Action::WriteEnd(end));
    }

    pub(super) fn write_unwritten(&mut self, out: &mut Vec<Action>) {
        for leaving in self.leaving.values_mut() {
            if let Leaving::Unwritten(end) = leaving {
                out.push(Action::WriteEnd(end.clone()));
                *leaving = Leaving::Writing(end.clone());
            }
        }
    }

    pub(super) fn written(&mut self, id: ItemId, written: Written, now: Now, out: &mut Vec<Action>) {
        let end = match self.leaving.remove(&id) {
            Some(Leaving::Writing(end)) => end,
            Some(other @ (Leaving::Looking(_) | Leaving::Unwritten(_))) => {
                self.leaving.insert(id, other);
                return;
            }
            None => return,
        };
        match written {
            Written::Row(ItemState::Queued) => {
                if !self.retry.is_aside(id) && !self.cancelling.contains_key(&id) {
                    self.backlog.changed();
                }
            }
            Written::Row(
                ItemState::Uploading
                | ItemState::Held
                | ItemState::Done
                | ItemState::Failed
                | ItemState::Cancelled,
            )
            | Written::Gone => {
                self.seen.remove(&id);
                self.retry.forget(id);
            }
            Written::NotYet => {
                self.leaving.insert(id, Leaving::Unwritten(end));
                return self.retry.later(Reason::Storage, String::new(), None, now.boot);
            }
        }
        self.read(out);
    }
}

fn same_bytes(facts: &FileFacts, item: &Item) -> bool {
    facts.size == item.clip.facts.size && facts.mtime_ns == item.clip.facts.mtime_ns
}

fn postponed(item: &Item, reason: ItemReason, why: &str, alone: bool) -> Action {
    let (id, path, why) = (item.id, item.clip.path.clone(), why.to_owned());
    Action::Postponed(Postponed { id, path, reason, why, alone })
}
