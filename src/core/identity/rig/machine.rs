//! What each event means: which of the machines takes it, and what follows for the others.
use std::time::Duration;

use crate::command::{AccessOptions, Refusal, RigCommand};
use crate::disk::DiskError;
use crate::identity::rig::action::{Action, Change, Question, Reply};
use crate::identity::rig::event::{AccessId, CommandId, Event, Loaded, Provisioned};
use crate::identity::rig::state::{HeldBack, Rig};
use crate::identity::rig::trouble::refusal_of_cause;
use crate::identity::{pairing as pair, tokens};
use crate::oauth::Cause;
use crate::time::{BootTime, Now};
use crate::view::{Protection, Reason};

/// `Start` is answered within this, code or not; more than a first code can take.
const START_PATIENCE: Duration = Duration::from_secs(22);

/// A pairing without a limit ends so long after somebody has asked for it last.
const ATTENTION: Duration = Duration::from_secs(900);

impl Rig {
    /// When [`Event::Timer`] is next worth sending.
    pub fn deadline(&self) -> Option<BootTime> {
        let calm = self.erasing == 0;
        let life = self.life.deadline().filter(|_| calm);
        let whoami = self.whoami.deadline().filter(|_| calm);
        let heartbeat = self.heartbeat.deadline().filter(|_| self.may_beat());
        let socket = self.socket.deadline().filter(|_| self.may_beat());
        let caller = self.waiting_for_code.first().map(|(_, since)| *since + START_PATIENCE);
        let access = self.access_deadline();
        let end = self.end_deadline();
        let all = [self.pairing.deadline(), life, whoami, heartbeat, socket, caller, access, end];
        all.into_iter().flatten().min()
    }

    /// Takes one event. Late news changes nothing.
    #[must_use]
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Loaded(loaded, protection) => self.loaded(*loaded, protection, now, &mut out),
            Event::Command(id, command) => self.command(id, command, now.boot, now, &mut out),
            Event::Access(id, options) => self.access_wanted(id, options, now, &mut out),
            Event::Code(seq, answer) => {
                self.note(&answer);
                self.pair(pair::Event::Code(seq, answer), now, &mut out);
            }
            Event::CodeSaved(seq, outcome) => self.pair(pair::Event::Saved(seq, outcome), now, &mut out),
            Event::Polled(seq, answer) => {
                self.note(&answer);
                self.pair(pair::Event::Polled(seq, answer), now, &mut out);
            }
            Event::Marked(seq, outcome) => self.live(tokens::Event::Marked(seq, outcome), now, &mut out),
            Event::Refreshed(seq, answer) => {
                self.note(&answer);
                self.refreshed(seq, answer, now, &mut out);
            }
            Event::TokensSaved(seq, outcome) => self.live(tokens::Event::Saved(seq, outcome), now, &mut out),
            Event::Identified(seq, answer) => {
                self.note(&answer);
                self.identified(seq, answer, true, now, &mut out);
            }
            Event::Known(seq, answer) => self.identified(seq, answer, false, now, &mut out),
            Event::DeviceSaved(seq, outcome) => {
                let actions = self.whoami.saved(seq, outcome, now);
                self.identify(actions, now, &mut out);
            }
            Event::Beaten(seq, answer) => {
                self.note(&answer);
                let actions = self.heartbeat.answered(seq, answer, now);
                self.beat(actions, now, &mut out);
            }
            Event::BootNoted(outcome) => self.boot.written(outcome.is_ok()),
            Event::SecretSaved(id, outcome) => {
                let outcome = outcome.map(|provisioned| self.secret_saved(provisioned, now, &mut out));
                out.push(done(id, outcome));
            }
            Event::TokensErased(id, outcome) => self.erased(id, outcome.map(|()| None), now, &mut out),
            Event::Forgotten(id, outcome) => self.erased(id, outcome.map(Some), now, &mut out),
            Event::Revoked(seq, answer) => self.revoked(seq, answer, now, &mut out),
            Event::RevocationKept(id, gone, outcome) => {
                self.revocation_kept(id, &gone, &outcome, now, &mut out);
            }
            Event::RevocationErased(id, outcome) => {
                self.revocation_erased(id, &outcome, now, &mut out);
            }
            Event::Unauthorized(used) if self.erasing == 0 => {
                self.live(tokens::Event::Unauthorized(used), now, &mut out);
            }
            Event::Unauthorized(_) => {}
            Event::Renew(used) => {
                if self.erasing == 0 && self.life.access_token() == Some(&used) {
                    self.live(tokens::Event::Wanted, now, &mut out);
                }
            }
            Event::Unreached(cause) => self.note_trouble(cause),
            Event::Accepted(used) => {
                self.online = true;
                self.accepted(used, now, &mut out);
            }
            // Nothing is kept by the wall clock; the new view shows what it means.
            Event::ClockStepped => {
                self.note_boot(now, &mut out);
                self.note_expiry(now);
                self.hurry(|cause| cause == Cause::Clock, now);
            }
            Event::ServerDate(date) => {
                self.server_date = Some((date, now.boot));
                self.note_boot(now, &mut out);
            }
            // Another network has another log-in page, or none.
            Event::NetworkUp => {
                self.hurry(|cause| cause.is_of_the_way() && cause != Cause::Clock, now);
            }
            Event::Socket(seq, news) => self.socket_news(seq, news, now),
            Event::Sends(sending) => {
                self.heartbeat.sends(sending, now);
                self.socket.sends(sending, now);
            }
            Event::Watched => self.socket.watched(now),
            Event::Timer => self.timer(now, &mut out),
        }
        self.after_calm(now, &mut out);
        self.after_revoking(now, &mut out);
        self.answer_access(now, &mut out);
        self.hold_socket(now, &mut out);
        out
    }

    fn timer(&mut self, now: Now, out: &mut Vec<Action>) {
        self.runs_out_at = self.runs_out_at.filter(|at| now.boot < *at);
        self.pair(pair::Event::Timer, now, out);
        if self.erasing == 0 {
            self.live(tokens::Event::Timer, now, out);
            let actions = self.whoami.timer(self.life.access_token(), now);
            self.identify(actions, now, out);
        }
        if self.may_beat() {
            let actions = self.heartbeat.timer(self.life.access_token(), now);
            self.beat(actions, now, out);
        }
        self.revoke_in_time(now, out);
        // Those who joined a pairing that goes on without them.
        let cause = self.pairing.trouble().map_or(Cause::Network, |(cause, _)| cause);
        let overdue = |(_, since): &mut (CommandId, BootTime)| now.boot >= *since + START_PATIENCE;
        for (id, _) in self.waiting_for_code.extract_if(.., overdue) {
            let refusal = refusal_of_cause(cause, "there is no code yet; the rig keeps trying");
            out.push(refused(id, refusal));
        }
    }

    fn loaded(&mut self, loaded: Loaded, protection: Protection, now: Now, out: &mut Vec<Action>) {
        self.unusable = loaded.unusable;
        self.client_id = loaded.client_id;
        self.protection = protection;
        self.provisioned = loaded.provisioned;
        self.device = loaded.device;
        self.refreshed_at = loaded.refreshed_at;
        self.grant_unsaved = false;
        self.revocations.loaded(loaded.revocations, now);
        match loaded.boot_wall {
            Some(wall) => self.boot.found(wall),
            None if self.boot.is_found() => {}
            None => self.note_boot(now, out),
        }
        self.live(tokens::Event::Erased, now, out);
        if let Some(ending) = loaded.ended {
            self.live(tokens::Event::Ended(ending, loaded.tokens.map(|(t, _)| t)), now, out);
        } else if let Some((tokens, interrupted)) = loaded.tokens {
            self.live(tokens::Event::Loaded(tokens, interrupted), now, out);
            self.note_expiry(now);
        }
        if let Some(running) = loaded.pairing
            && self.provisioned
            && self.may_pair(now)
        {
            self.pair(pair::Event::Resume(running), now, out);
        }
    }

    /// `since`: when it came.
    fn command(
        &mut self,
        id: CommandId,
        command: RigCommand,
        since: BootTime,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if self.erasing > 0 {
            self.held_back.push(HeldBack::Command(id, command, since));
            return;
        }
        match command {
            // Provisioning is how an unreadable vault is mended, so it is not refused here.
            RigCommand::Provision(_) | RigCommand::Cancel => {}
            RigCommand::Start { .. } | RigCommand::Unpair(_) | RigCommand::Forget(_) => {
                if let Some(refusal) = self.unavailable() {
                    return out.push(refused(id, refusal));
                }
            }
        }
        match command {
            RigCommand::Start { .. } if !self.may_pair(now) => out.push(refused(id, Refusal::AlreadyPaired)),
            RigCommand::Start { .. } if !self.provisioned => out.push(refused(id, Refusal::NotProvisioned)),
            RigCommand::Start { .. } if !self.pairing.active() && self.revocations.asking() => {
                self.held_back.push(HeldBack::Command(id, command, since));
            }
            RigCommand::Start { limit } => {
                self.waiting_for_code.push((id, since));
                self.last = (Reason::None, String::new());
                self.pair(pair::Event::Start { limit }, now, out);
                if limit.is_none() {
                    self.pair(pair::Event::Attended(ATTENTION), now, out);
                }
                if self.pairing.code().is_some() {
                    self.answer_waiting(&Ok(()), out);
                }
            }
            RigCommand::Cancel => {
                self.pair(pair::Event::Cancel, now, out);
                self.cancel_held(out);
                out.push(done(id, Ok(())));
            }
            RigCommand::Unpair(_) | RigCommand::Forget(_) | RigCommand::Provision(_)
                if self.pairing.active() =>
            {
                out.push(refused(id, Refusal::InProgress));
            }
            RigCommand::Provision(secret) => out.push(Action::Write(Change::SaveSecret(id, secret))),
            RigCommand::Unpair(asking) => self.wants_end(id, false, asking, now, out),
            RigCommand::Forget(asking) => self.wants_end(id, true, asking, now, out),
        }
    }

    fn access_wanted(&mut self, id: AccessId, options: AccessOptions, now: Now, out: &mut Vec<Action>) {
        if self.erasing > 0 {
            return self.held_back.push(HeldBack::Access(id, options));
        }
        self.wants_access(id, options, now, out);
    }

    /// Nothing is on its way to the disk any more that must not be written behind.
    pub(super) fn let_go(&mut self, now: Now, out: &mut Vec<Action>) {
        for held_back in std::mem::take(&mut self.held_back) {
            match held_back {
                HeldBack::Command(id, command, since) => self.command(id, command, since, now, out),
                HeldBack::Access(id, options) => self.access_wanted(id, options, now, out),
            }
        }
    }

    fn secret_saved(&mut self, provisioned: Provisioned, now: Now, out: &mut Vec<Action>) {
        self.client_id = provisioned.client_id;
        if let Some((loaded, protection)) = provisioned.mended {
            self.loaded(*loaded, protection, now, out);
        }
        self.provisioned = true;
        self.last = (Reason::None, String::new());
        self.live(tokens::Event::NewSecret, now, out);
    }

    pub(super) fn live(&mut self, event: tokens::Event, now: Now, out: &mut Vec<Action>) {
        for action in self.life.on(event, now) {
            match action {
                tokens::Action::MarkRefresh(seq) => out.push(Action::Write(Change::MarkRefresh(seq))),
                tokens::Action::Refresh(seq, token) => out.push(Action::Ask(Question::Refresh(seq, token))),
                tokens::Action::SaveTokens(seq, tokens) => {
                    out.push(Action::Write(Change::SaveTokens(seq, tokens)))
                }
                //= frameio-c2c#3.3
                //# After every pairing and after every refresh GET /v2/devices/me is asked.
                tokens::Action::Ready => {
                    self.grant_unsaved = false;
                    self.note_expiry(now);
                    self.refreshed_at = self.life.tokens().map(|t| t.obtained.wall);
                    self.last = (Reason::None, String::new());
                    if let Some(token) = self.life.access_token().cloned() {
                        let actions = self.whoami.ask(token.clone());
                        self.identify(actions, now, out);
                        self.heard(&token, now, out);
                    }
                }
                tokens::Action::End(ending) => {
                    self.stop_presence(now, out);
                    (self.access_expires_at, self.runs_out_at) = (None, None);
                    out.push(Action::Write(Change::EndGrant(ending)));
                }
            }
        }
    }

    pub(super) fn note_expiry(&mut self, now: Now) {
        self.access_expires_at = self.life.tokens().map(|t| match now.age_of(t.obtained) {
            Some(age) => now.boot + t.expires_in.saturating_sub(age),
            None => now.boot,
        });
        let renewed = self.life.tokens().is_some_and(|t| t.refresh.is_some());
        self.runs_out_at = self.access_expires_at.filter(|_| !renewed);
    }
}

/// The answer to a command that went to the disk.
fn done(id: CommandId, outcome: Result<(), DiskError>) -> Action {
    Action::Reply(Reply::Done(id, outcome.map_err(Refusal::from)))
}

fn refused(id: CommandId, refusal: Refusal) -> Action {
    Action::Reply(Reply::Done(id, Err(refusal)))
}

#[cfg(test)]
mod tests;
