//! One item's turn, from the claim to its row on disk.
//!
//! # Decisions
//! - Assets are asked for a little less often than the provider allows to all devices of one person.
use std::time::Duration;

use super::event::{Access, Action, Claimed, End, FileError, Postponed, Written};
use super::state::{Leaving, Resume, Schedule, Turn};
use crate::oauth::AccessToken;
use crate::queue::etag::Verdict;
use crate::queue::item::{Item, ItemId, ItemReason, ItemState};
use crate::queue::upload::{self, Confirmed, CreateError, Ending, PartError};
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
                    let end = match claimed.file {
                        Err(FileError::NotAnswering(why)) => self.wait_for_card(&claimed.item, why, now, out),
                        Ok(_) | Err(FileError::Gone | FileError::Unreadable(_)) => {
                            End::requeue(claimed.item.id)
                        }
                    };
                    return self.write_end(end, out);
                }
                self.begin(*claimed, now, out);
            }
            Ok(None) => self.backlog.claimed(claim.above, None),
            Err(why) => self.retry.later(Reason::Storage, why, None, now.boot),
        }
    }

    pub(super) fn wait_for_card(&mut self, item: &Item, why: String, now: Now, out: &mut Vec<Action>) -> End {
        out.push(postponed(item, ItemReason::NotAnswering, &why, true));
        self.retry.wait_for_card(item.id, now.boot);
        End::queued(item.id, ItemReason::NotAnswering, why)
    }

    pub(super) fn feed(&mut self, id: ItemId, event: upload::Event, now: Now, out: &mut Vec<Action>) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        for action in turn.upload.on(event, now) {
            self.perform(id, action, now, out);
        }
    }

    pub(super) fn perform(&mut self, id: ItemId, action: upload::Action, now: Now, out: &mut Vec<Action>) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        match action {
            upload::Action::Create(seq) => {
                // Of an asset that was given up: those bytes are left again.
                let given_up = std::mem::take(&mut turn.item.sent);
                self.create(id, seq, now, out);
                if given_up > 0 {
                    self.read(out);
                }
            }
            upload::Action::Record(seq, asset) => {
                turn.item.asset_id.clone_from(&asset.id);
                out.push(Action::Record(id, seq, asset));
            }
            upload::Action::Forget(seq) => {
                turn.doubted.clear();
                out.push(Action::Forget(id, seq));
            }
            upload::Action::Rewind(seq, n) => {
                turn.item.sent = turn.upload.part(n).map_or(turn.item.sent, |(_, from, _)| from);
                out.push(Action::Rewind(id, seq, n));
                self.read(out);
            }
            upload::Action::Send(n) => out.push(Action::Send { id, n, md5: self.etags.wants_md5() }),
            upload::Action::RecordPart(n, confirmed) => {
                let bytes = turn.upload.part(n).map_or(0, |(_, _, len)| len);
                let asset_id = turn.item.asset_id.clone();
                out.push(Action::RecordPart { id, asset_id, n, bytes, confirmed });
            }
            upload::Action::Complete(seq) => self.complete(id, seq, now, out),
            upload::Action::Finish(ending) => self.finish(id, ending, now, out),
        }
    }

    //= frameio-c2c#6.4
    //# At most five assets are created in a second.
    fn create(&mut self, id: ItemId, seq: Seq, now: Now, out: &mut Vec<Action>) {
        let Some(token) = self.use_token(id) else {
            let nobody = upload::Event::Created(seq, Err(CreateError::Unauthorized));
            return self.feed(id, nobody, now, out);
        };
        let at = now.boot.max(self.next_create);
        self.next_create = at + CREATE_EVERY;
        out.push(Action::Create { id, seq, at, token });
    }

    fn complete(&mut self, id: ItemId, seq: Seq, now: Now, out: &mut Vec<Action>) {
        let Some(token) = self.use_token(id) else {
            let nobody = upload::Event::Completed(seq, Err(CreateError::Unauthorized));
            return self.feed(id, nobody, now, out);
        };
        out.push(Action::Complete { id, seq, token });
    }

    /// What the cloud is asked with for this item, if it is of the project that there is access to; the turn remembers it.
    fn use_token(&mut self, id: ItemId) -> Option<AccessToken> {
        let turn = self.turns.get_mut(&id)?;
        let ours = |a: &&Access| turn.item.clip.project_id.as_deref() == Some(a.project_id.as_str());
        let token = self.access.as_ref().filter(ours)?.token.clone();
        turn.used = Some(token.clone());
        Some(token)
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
        let answer = match answer {
            Err(PartError::Unfound(why, proven)) if !std::mem::replace(&mut turn.unfound, true) => {
                let is_gone = self.retry.unfound(id, proven, now.boot);
                Err(if is_gone { PartError::UrlDead(why) } else { PartError::Unfound(why, proven) })
            }
            answer => answer,
        };
        self.feed(id, upload::Event::Sent(n, answer), now, out);
    }

    /// Part `n` is confirmed and on disk.
    pub(super) fn part_recorded(&mut self, id: ItemId, n: u32) {
        self.retry.got_through();
        self.retry.found(id);
        if let Some(turn) = self.turns.get_mut(&id) {
            turn.item.sent += turn.upload.part(n).map_or(0, |(_, _, len)| len);
        }
    }

    fn finish(&mut self, id: ItemId, ending: Ending, now: Now, out: &mut Vec<Action>) {
        let Some(turn) = self.turns.remove(&id) else { return };
        let provider = Reason::Provider;
        let end = match ending {
            Ending::Done => {
                self.retry.got_through();
                return self.look_again(turn.item, None, out);
            }
            Ending::Failed(reason @ (ItemReason::Unreadable | ItemReason::Changed), why) => {
                return self.look_again(turn.item, Some(End::failed(id, reason, why)), out);
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

    fn look_again(&mut self, item: Item, failed: Option<End>, out: &mut Vec<Action>) {
        out.push(Action::LookAgain(Box::new(item.clone())));
        self.leaving.insert(item.id, Leaving::Looking(Box::new(item), failed));
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

    /// Takes out what an item is leaving by, where it is what `wanted` gives out; what that gives back stays.
    pub(super) fn left<L>(
        &mut self,
        id: ItemId,
        wanted: impl FnOnce(Leaving) -> Result<L, Leaving>,
    ) -> Option<L> {
        match wanted(self.leaving.remove(&id)?) {
            Ok(left) => Some(left),
            Err(other) => {
                self.leaving.insert(id, other);
                None
            }
        }
    }

    pub(super) fn write_end(&mut self, end: End, out: &mut Vec<Action>) {
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
        let end = self.left(id, |leaving| match leaving {
            Leaving::Writing(end) => Ok(end),
            other @ (Leaving::Comparing(_) | Leaving::Looking(..) | Leaving::Unwritten(_)) => Err(other),
        });
        let Some(end) = end else { return };
        match written {
            Written::Row(ItemState::Queued) => {
                if !self.retry.is_aside(id) && !self.cancelling.contains_key(&id) {
                    self.backlog.changed();
                }
            }
            Written::Row(
                ItemState::Uploading
                | ItemState::Recording
                | ItemState::Held
                | ItemState::Away
                | ItemState::Incomplete
                | ItemState::Done
                | ItemState::Failed
                | ItemState::Cancelled,
            )
            | Written::Gone => {
                self.seen.remove(&id);
                self.unlike.remove(&id);
                self.retry.forget(id);
                if written != Written::Row(ItemState::Incomplete) {
                    self.cut_off.remove(&id);
                }
            }
            Written::NotYet => {
                self.leaving.insert(id, Leaving::Unwritten(end));
                return self.retry.later(Reason::Storage, String::new(), None, now.boot);
            }
        }
        self.read(out);
    }
}

pub(super) fn postponed(item: &Item, reason: ItemReason, why: &str, alone: bool) -> Action {
    let (id, path, why) = (item.id, item.clip.path.clone(), why.to_owned());
    Action::Postponed(Postponed { id, path, reason, why, alone })
}
