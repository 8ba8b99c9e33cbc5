//! How a grant is ended by people, and what they are told of it.
//!
//! # Decisions
//! - Out of use at once, off the disk before anybody is told; and only then the provider is asked, for whom whoever asked
//!   waits for a bounded time. What the provider has not heard by then it hears later.
//! - Whoever unpairs a rig that is not paired, while a former grant is still to be revoked, has that tried now.
//! - A refresh that is under way is waited for, as its answer may hold the only token that can be revoked; but no longer than
//!   for the provider's word. Whoever asked is told then that the provider has not heard; and the old token is revoked when
//!   there is an answer or none will come, with what that brings, because until then nobody can say that it is over.
use std::time::Duration;

use crate::command::{Asking, Ended, Refusal, RigCommand};
use crate::disk::DiskError;
use crate::few;
use crate::identity::revocation::{self, RevocationId, Told};
use crate::identity::rig::action::{Action, Change, Keep, Parting, Question, Reply};
use crate::identity::rig::event::{CommandId, Fresh};
use crate::identity::rig::leaving::{Cut, Gone, Leaving, Left};
use crate::identity::rig::state::{HeldBack, Rig};
use crate::identity::tokens;
use crate::oauth::{Revocable, Revoked, TokenError, TokenResponse};
use crate::seq::Seq;
use crate::time::{BootTime, Now};
use crate::view::Reason;
use rigpost_contract::ending::{Erased, Revocation};

/// How long whoever ends a grant waits for the provider: for the answer to a refresh, and for its word on the end.
const PATIENCE: Duration = Duration::from_secs(8);
/// What is left of that for the second where the first took long.
const LEAST: Duration = Duration::from_secs(2);
/// How long a pairing waits for a revocation that is under way, the answer to which is a matter of a second.
const BEFORE_PAIRING: Duration = Duration::from_secs(5);

impl Rig {
    /// A person wants the grant to end.
    pub(super) fn wants_end(
        &mut self,
        id: CommandId,
        forget: bool,
        asking: Asking,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let has_grant = self.life.granted() || self.life.ending().is_some();
        let has_more = asking == Asking::Nobody && self.revocations.pending() > 0;
        let nothing = Gone { erased: vec![], secret: false, at: now.wall };
        if forget || has_grant || has_more {
            let (since, gone) = (now.boot, vec![]);
            let leaving = Leaving { id, forget, asking, since, had: false, keep: None, gone };
            self.waiting_for_calm.push(leaving);
        } else if asking == Asking::Provider {
            self.wait_for_newest(id, now.boot, nothing, now, out);
        } else {
            self.answer_end(id, nothing, nobody(false), out);
        }
    }

    /// Erasing waits for a refresh in flight, up to a time.
    //= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
    //# clients must not try to use the token after receipt of an HTTP 200 response
    pub(super) fn after_calm(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(first) = self.waiting_for_calm.first() else { return };
        if self.life.busy() && !self.life.stuck_on_disk() {
            // What the disk is to write it writes first.
            let Some(refresh) = self.life.refreshing() else { return };
            if now.boot < first.since + PATIENCE {
                return;
            }
            let told = self.waiting_for_calm.iter().any(|leaving| leaving.asking == Asking::Provider);
            self.cut = Some(Cut { seq: refresh, late: None, told, kept: None });
        }
        // An answer that comes now must not be written behind the erasure.
        self.stop_presence(now, out);
        let of = self.life.revocable();
        let mut parting = Parting::default();
        for mut leaving in std::mem::take(&mut self.waiting_for_calm) {
            leaving.had = of.is_some();
            let mine = match leaving.asking {
                Asking::Provider => {
                    if let (Some(of), None) = (&of, &parting.keep) {
                        parting = self.parting(of.clone(), now);
                    }
                    parting.clone()
                }
                Asking::Nobody => Parting { keep: None, gone: self.revocations.all() },
            };
            leaving.keep = mine.keep.as_ref().map(|keep| keep.id);
            if let Some(cut) = &mut self.cut {
                cut.kept = cut.kept.or(leaving.keep);
            }
            leaving.gone.clone_from(&mine.gone);
            self.erasing += 1;
            out.push(Action::Write(match leaving.forget {
                true => Change::Forget(leaving.id, mine),
                false => Change::EraseTokens(leaving.id, mine),
            }));
            self.leaving.push(leaving);
        }
    }

    fn parting(&mut self, of: Revocable, now: Now) -> Parting {
        let (id, gone) = self.revocations.keep(now);
        Parting { keep: Some(Keep { id, of, now, like: None }), gone }
    }

    /// What nobody wants any more, and that was never in use.
    pub(super) fn discard(
        &mut self,
        tokens: &TokenResponse,
        like: Option<RevocationId>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let of = Revocable::of(&tokens.access_token, tokens.refresh_token.as_ref());
        let mut parting = self.parting(of, now);
        if let Some(keep) = &mut parting.keep {
            keep.like = like;
        }
        out.push(Action::Write(Change::KeepRevocation(parting)));
    }

    /// The answer to a refresh, which the end of the grant may not have waited for.
    pub(super) fn refreshed(
        &mut self,
        seq: Seq,
        answer: Result<TokenResponse, TokenError>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        match &mut self.cut {
            Some(cut) if cut.seq == seq => cut.late = Some(answer),
            Some(_) | None => return self.live(tokens::Event::Refreshed(seq, answer), now, out),
        }
        self.after_cut(now, out);
    }

    /// What becomes of that answer: for the grant, where it was not erased after all.
    fn after_cut(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.erasing > 0 {
            return;
        }
        match self.cut.take() {
            Some(Cut { seq, late, .. }) if self.life.refreshing() == Some(seq) => {
                if let Some(answer) = late {
                    self.live(tokens::Event::Refreshed(seq, answer), now, out);
                }
            }
            Some(Cut { late: Some(Ok(tokens)), told: true, kept, .. }) => {
                self.discard(&tokens, kept, now, out);
            }
            Some(Cut { late: Some(_), .. }) | None => {}
            on_its_way @ Some(Cut { late: None, .. }) => self.cut = on_its_way,
        }
    }

    /// A pairing waits for a revocation under way: since when.
    fn held_start(&self) -> Option<BootTime> {
        self.held_back.iter().find_map(|held_back| match held_back {
            HeldBack::Command(_, RigCommand::Start { .. }, since) => Some(*since),
            HeldBack::Command(..) | HeldBack::Access(..) => None,
        })
    }

    /// That pairing begins: nothing is under way any more, or it was given up.
    pub(super) fn after_revoking(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(since) = self.held_start().filter(|_| self.erasing == 0) else { return };
        if self.revocations.asking() {
            if now.boot < since + BEFORE_PAIRING {
                return;
            }
            out.push(Action::Ask(Question::StopRevoking));
            let actions = self.revocations.cut(now);
            self.revoke(actions, out);
        }
        self.let_go(now, out);
    }

    /// Nobody wants that pairing any more.
    pub(super) fn cancel_held(&mut self, out: &mut Vec<Action>) {
        self.held_back.retain(|held_back| match held_back {
            HeldBack::Command(id, RigCommand::Start { .. }, _) => {
                out.push(Action::Reply(Reply::Done(*id, Err(Refusal::Cancelled))));
                false
            }
            HeldBack::Command(..) | HeldBack::Access(..) => true,
        });
    }

    /// `Some`: everything is erased, the identity too.
    pub(super) fn erased(
        &mut self,
        id: CommandId,
        outcome: Result<Option<Fresh>, DiskError>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        self.erasing = self.erasing.saturating_sub(1);
        let place = self.leaving.iter().position(|leaving| leaving.id == id);
        let leaving = place.map(|place| self.leaving.remove(place));
        match outcome {
            Ok(fresh) => {
                if let Some(leaving) = leaving {
                    let what = self.left(&leaving, fresh.as_ref(), now);
                    self.forget_grant(fresh, now, out);
                    self.part(leaving, what, now, out);
                }
            }
            Err(e) => {
                let keep = leaving.and_then(|leaving| leaving.keep);
                let shared = self.leaving.iter().any(|other| other.keep == keep);
                if let Some(keep) = keep.filter(|_| !shared) {
                    let actions = self.revocations.saved(keep, false, false, now);
                    self.revoke(actions, out);
                }
                if let Some(token) = self.life.access_token().cloned() {
                    let actions = self.whoami.ask(token);
                    self.identify(actions, now, out);
                }
                out.push(Action::Reply(Reply::Done(id, Err(Refusal::from(e)))));
            }
        }
        if self.erasing == 0 {
            self.after_cut(now, out);
            self.let_go(now, out);
        }
    }

    fn left(&self, leaving: &Leaving, fresh: Option<&Fresh>, now: Now) -> Gone {
        let of_former = leaving.asking == Asking::Nobody && !leaving.gone.is_empty();
        let is_renamed = fresh.is_some_and(|fresh| fresh.client_id != self.client_id);
        let all = [
            (leaving.had, Erased::Tokens),
            (is_renamed, Erased::Identity),
            (fresh.is_some_and(|fresh| fresh.storage_key), Erased::StorageKey),
            (of_former, Erased::Revocations),
        ];
        let erased = all.into_iter().filter(|(is_gone, _)| *is_gone).map(|(_, what)| what).collect();
        let secret = self.provisioned && fresh.is_some_and(|fresh| !fresh.provisioned);
        Gone { erased, secret, at: now.wall }
    }

    fn forget_grant(&mut self, fresh: Option<Fresh>, now: Now, out: &mut Vec<Action>) {
        self.live(tokens::Event::Erased, now, out);
        self.stop_presence(now, out);
        self.device = None;
        self.refreshed_at = None;
        (self.access_expires_at, self.runs_out_at) = (None, None);
        self.last = (Reason::None, String::new());
        if let Some(fresh) = fresh {
            (self.client_id, self.provisioned) = (fresh.client_id, fresh.provisioned);
        }
        self.grant_unsaved = false;
    }

    /// Off the disk: the provider is asked, where it is to be.
    fn part(&mut self, leaving: Leaving, what: Gone, now: Now, out: &mut Vec<Action>) {
        self.revocations.gone(&leaving.gone);
        match (leaving.keep, leaving.asking) {
            (Some(of), _) if self.cut.is_some() => {
                let actions = self.revocations.saved(of, true, false, now);
                self.revoke(actions, out);
                let detail = "a renewal that was under way is not answered yet".to_owned();
                let told = Told { revocation: Revocation::NotReached, detail, kept: true };
                self.answer_end(leaving.id, what, told, out);
            }
            (Some(of), _) => {
                let actions = self.revocations.saved(of, true, true, now);
                self.revoke(actions, out);
                self.wait_for(leaving.id, of, leaving.since, what, now);
            }
            (None, Asking::Provider) => self.wait_for_newest(leaving.id, leaving.since, what, now, out),
            (None, Asking::Nobody) => {
                let asked = leaving.had || !leaving.gone.is_empty();
                self.answer_end(leaving.id, what, nobody(asked), out);
            }
        }
    }

    fn wait_for(&mut self, id: CommandId, of: RevocationId, since: BootTime, what: Gone, now: Now) {
        let until = (since + PATIENCE).max(now.boot + LEAST);
        self.waiting_for_end.push(Left { id, of, until, what });
    }

    /// There is no grant. Where a former one is still to be revoked, that is tried now.
    fn wait_for_newest(
        &mut self,
        id: CommandId,
        since: BootTime,
        what: Gone,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        match self.revocations.newest_now() {
            Some((of, actions)) => {
                self.revoke(actions, out);
                self.wait_for(id, of, since, what, now);
            }
            None => self.answer_end(id, what, nobody(false), out),
        }
    }

    fn answer_end(&self, id: CommandId, what: Gone, told: Told, out: &mut Vec<Action>) {
        let mut erased = what.erased;
        if what.secret && self.revocations.pending() == 0 {
            erased.push(Erased::ClientSecret);
        }
        few::sort_by_key(&mut erased, |what| *what);
        let Told { revocation, detail, kept } = told;
        out.push(Action::Reply(Reply::Ended(id, Ended { revocation, detail, kept, erased, at: what.at })));
    }

    /// The provider's answer to a revocation.
    pub(super) fn revoked(
        &mut self,
        seq: Seq,
        answer: Result<Revoked, TokenError>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if answer != Ok(Revoked::NotOffered) {
            self.note(&answer);
        }
        let actions = self.revocations.answered(seq, answer, now);
        self.revoke(actions, out);
    }

    /// One of a grant that was never in use is on disk, or not.
    pub(super) fn revocation_kept(
        &mut self,
        id: RevocationId,
        gone: &[RevocationId],
        outcome: &Result<(), DiskError>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if outcome.is_ok() {
            self.revocations.gone(gone);
        }
        let actions = self.revocations.saved(id, outcome.is_ok(), self.may_revoke(), now);
        self.revoke(actions, out);
    }

    /// One is off the disk, or not.
    pub(super) fn revocation_erased(
        &mut self,
        id: RevocationId,
        outcome: &Result<(), DiskError>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let actions = self.revocations.erased(id, outcome.is_ok(), now);
        self.revoke(actions, out);
    }

    /// What is due, and who can't wait any longer.
    pub(super) fn revoke_in_time(&mut self, now: Now, out: &mut Vec<Action>) {
        let actions = self.revocations.timer(self.may_revoke(), now);
        self.revoke(actions, out);
        let overdue = |left: &mut Left| now.boot >= left.until;
        for left in self.waiting_for_end.extract_if(.., overdue).collect::<Vec<_>>() {
            let told = self.revocations.stands(left.of);
            self.answer_end(left.id, left.what, told, out);
        }
    }

    /// When that is next worth a look.
    pub(super) fn end_deadline(&self) -> Option<BootTime> {
        let caller = self.waiting_for_end.iter().map(|left| left.until).min();
        let refresh = self.waiting_for_calm.first().filter(|_| self.life.refreshing().is_some());
        let refresh = refresh.map(|leaving| leaving.since + PATIENCE);
        let pairing = self.held_start().filter(|_| self.erasing == 0).map(|since| since + BEFORE_PAIRING);
        let all = [self.revocations.deadline(self.may_revoke()), caller, refresh, pairing];
        all.into_iter().flatten().min()
    }

    /// The rig stops: whoever waits for the provider's word learns how it stands.
    pub fn stop(&mut self) -> Vec<Action> {
        let mut out = Vec::new();
        for left in std::mem::take(&mut self.waiting_for_end) {
            let told = self.revocations.stands(left.of);
            self.answer_end(left.id, left.what, told, &mut out);
        }
        out
    }

    /// No grant is in force, and none is coming, that a revocation could take along.
    fn may_revoke(&self) -> bool {
        let none_is_coming = self.held_back.is_empty() && self.cut.is_none() && !self.pairing.active();
        self.erasing == 0 && none_is_coming && !self.life.granted()
    }

    fn revoke(&mut self, actions: Vec<revocation::Action>, out: &mut Vec<Action>) {
        for action in actions {
            match action {
                revocation::Action::Ask(seq, id) => out.push(Action::Ask(Question::Revoke(seq, id))),
                revocation::Action::Note(id, progress, why) => {
                    out.push(Action::Write(Change::NoteRevocation(id, progress, why)));
                }
                revocation::Action::Erase(id, over) => {
                    out.push(Action::Write(Change::EraseRevocation(id, over)));
                }
                revocation::Action::Tell(id, told) => {
                    let waits = |left: &mut Left| left.of == id;
                    for left in self.waiting_for_end.extract_if(.., waits).collect::<Vec<_>>() {
                        self.answer_end(left.id, left.what, told.clone(), out);
                    }
                }
            }
        }
    }
}

/// Nobody is asked, of nothing or by wish.
fn nobody(by_wish: bool) -> Told {
    let revocation = if by_wish { Revocation::NotAsked } else { Revocation::Nothing };
    Told { revocation, detail: String::new(), kept: false }
}
