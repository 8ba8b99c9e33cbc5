//! One rig: the machines together, what people ask of them, and what the screen sees.
//!
//! Events come in from three sides: people (commands), the provider (answers) and the disk (done or not). Actions go
//! out to the same three. The task that drives this has no opinion of its own.
//!
//! # Decisions
//! - One machine over the three, and not three tasks with channels: a grant, an unpairing and a lost secret concern all
//!   of them at once, and here every order of events can be tested as a table.
mod event;
mod screen;

pub use event::{Action, CommandId, Disk, Event, Loaded};

use crate::domain::{
    backoff::Jitter,
    command::{Refusal, RigCommand},
    oauth::{AccessToken, Cause, DeviceInfo, RefreshToken, TokenError},
    pairing::{self, Outcome, Pairing},
    time::{BootTime, Now, WallTime},
    token::{self, TokenLife},
    view::{Protection, Reason},
    whoami::{self, Whoami},
};
use screen::{reason_of, refusal_of, refusal_of_cause};
use std::time::Duration;

/// The machine.
#[derive(Debug)]
pub struct Rig {
    usable: bool,
    unusable_because: String,
    client_id: String,
    protection: Protection,
    provisioned: bool,
    pairing: Pairing,
    life: TokenLife,
    whoami: Whoami,
    device: Option<DeviceInfo>,
    refreshed_at: Option<WallTime>,
    access_expires_at: Option<BootTime>,
    /// How the last pairing ended, while that still matters.
    last: (Reason, String),
    online: bool,
    /// The provider's clock, Unix seconds, and when it was read.
    server_date: Option<(i64, BootTime)>,
    /// A wall clock before this can't be right.
    clock_floor: WallTime,
    /// A grant whose tokens have never been on disk.
    grant_unsaved: bool,
    /// Start, since when.
    waiting_for_code: Vec<(CommandId, BootTime)>,
    /// Unpair or Forget, held back while a refresh is in flight.
    waiting_for_calm: Vec<(CommandId, bool)>,
    /// Erasures on their way to the disk. Until they are done nothing begins that would write behind them.
    erasing: usize,
    /// Commands that came meanwhile.
    held_back: Vec<(CommandId, RigCommand)>,
    revoke_after: Option<RefreshToken>,
}

/// `Start` is answered within this, code or not; more than a first code can take.
const START_PATIENCE: Duration = Duration::from_secs(22);

impl Rig {
    /// Before the store is read: everything is unavailable. `seed` spreads retries between rigs.
    pub fn new(seed: u64, clock_floor: WallTime) -> Rig {
        Rig {
            usable: false,
            unusable_because: String::new(),
            client_id: String::new(),
            protection: Protection::None,
            provisioned: false,
            pairing: Pairing::new(Jitter::new(seed)),
            life: TokenLife::new(Jitter::new(seed ^ 1)),
            whoami: Whoami::new(Jitter::new(seed ^ 2)),
            device: None,
            refreshed_at: None,
            access_expires_at: None,
            last: (Reason::None, String::new()),
            online: false,
            server_date: None,
            clock_floor,
            grant_unsaved: false,
            waiting_for_code: Vec::new(),
            waiting_for_calm: Vec::new(),
            erasing: 0,
            held_back: Vec::new(),
            revoke_after: None,
        }
    }

    /// When [`Event::Timer`] is next worth sending.
    pub fn deadline(&self) -> Option<BootTime> {
        let calm = self.erasing == 0;
        let life = self.life.deadline().filter(|_| calm);
        let whoami = self.whoami.deadline().filter(|_| calm);
        let caller = self.waiting_for_code.first().map(|(_, since)| *since + START_PATIENCE);
        [self.pairing.deadline(), life, whoami, caller].into_iter().flatten().min()
    }

    /// A pairing is going on: the next question to the provider comes soon.
    pub fn pairing(&self) -> bool {
        self.pairing.active()
    }

    /// A stop should wait: an answer with tokens may be on its way, or they are not on disk.
    pub fn busy(&self) -> bool {
        self.life.busy() || self.pairing.polling()
    }

    /// What an API call may carry, and for which project; only when both are known, and of the same grant.
    pub fn access(&self) -> Option<(&AccessToken, &DeviceInfo)> {
        self.life.access_token().zip(self.device.as_ref())
    }

    /// Takes one event. Late news changes nothing.
    #[must_use]
    pub fn on(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Loaded(loaded, protection) => self.loaded(*loaded, protection, now, &mut out),
            Event::Command(id, command) => self.command(id, command, now, &mut out),
            Event::Code(seq, answer) => {
                self.note(&answer);
                self.pair(pairing::Event::Code(seq, answer), now, &mut out);
            }
            Event::CodeSaved(seq, disk) => {
                self.pair(pairing::Event::Saved(seq, disk.refusal()), now, &mut out);
            }
            Event::Polled(seq, answer) => {
                self.note(&answer);
                self.pair(pairing::Event::Polled(seq, answer), now, &mut out);
            }
            Event::Marked(seq, disk) => self.live(token::Event::Marked(seq, disk.ok()), now, &mut out),
            Event::Refreshed(seq, answer) => {
                self.note(&answer);
                self.live(token::Event::Refreshed(seq, answer), now, &mut out);
            }
            Event::TokensSaved(seq, disk) => {
                self.live(token::Event::Saved(seq, disk.ok()), now, &mut out);
            }
            Event::Identified(seq, answer) => {
                self.note(&answer);
                let actions = self.whoami.answered(seq, answer, now);
                self.identify(actions, now, &mut out);
            }
            Event::DeviceSaved(seq, disk) => {
                let actions = self.whoami.saved(seq, disk.ok(), now);
                self.identify(actions, now, &mut out);
            }
            Event::SecretSaved(id, disk, client_id, reloaded) => {
                if disk.ok() {
                    self.client_id = client_id;
                    self.secret_saved(reloaded, now, &mut out);
                }
                out.push(Action::Reply(id, disk.refusal()));
            }
            Event::TokensErased(id, disk) => self.erased(id, disk, None, now, &mut out),
            Event::Forgotten(id, disk, client_id) => self.erased(id, disk, Some(client_id), now, &mut out),
            Event::Unauthorized(used) if self.erasing == 0 => {
                self.live(token::Event::Unauthorized(used), now, &mut out);
            }
            Event::Unauthorized(_) => {}
            Event::Unreached(cause) => self.note_trouble(cause),
            Event::Accepted(used) => {
                self.online = true;
                self.live(token::Event::Accepted(used), now, &mut out);
            }
            // Nothing is kept by the wall clock; the new view shows what it means.
            Event::ClockStepped => {}
            Event::ServerDate(date) => self.server_date = Some((date, now.boot)),
            Event::Timer => self.timer(now, &mut out),
        }
        self.after_calm(&mut out);
        out
    }

    fn timer(&mut self, now: Now, out: &mut Vec<Action>) {
        self.pair(pairing::Event::Timer, now, out);
        if self.erasing == 0 {
            self.live(token::Event::Timer, now, out);
            let actions = self.whoami.timer(self.life.access_token(), now);
            self.identify(actions, now, out);
        }
        // Those who joined a pairing that goes on without them.
        let cause = self.pairing.trouble().unwrap_or(Cause::Network);
        let overdue = |(_, since): &mut (CommandId, BootTime)| now.boot >= *since + START_PATIENCE;
        for (id, _) in self.waiting_for_code.extract_if(.., overdue) {
            let refusal = refusal_of_cause(cause, "there is no code yet; the rig keeps trying");
            out.push(Action::Reply(id, Err(refusal)));
        }
    }

    fn loaded(&mut self, loaded: Loaded, protection: Protection, now: Now, out: &mut Vec<Action>) {
        self.usable = loaded.usable;
        self.unusable_because = loaded.unusable_because;
        self.client_id = loaded.client_id;
        self.protection = protection;
        self.provisioned = loaded.provisioned;
        self.device = loaded.device;
        self.refreshed_at = loaded.refreshed_at;
        self.grant_unsaved = false;
        self.live(token::Event::Erased, now, out);
        if let Some(ending) = loaded.ended {
            self.live(token::Event::Ended(ending, loaded.tokens.map(|(t, _)| t)), now, out);
        } else if let Some((tokens, interrupted)) = loaded.tokens {
            self.live(token::Event::Loaded(tokens, interrupted), now, out);
            self.note_expiry(now);
        }
        if let Some(running) = loaded.pairing
            && self.provisioned
            && !self.life.granted()
        {
            self.pair(pairing::Event::Resume(running), now, out);
        }
    }

    fn command(&mut self, id: CommandId, command: RigCommand, now: Now, out: &mut Vec<Action>) {
        if self.erasing > 0 {
            self.held_back.push((id, command));
            return;
        }
        let refuse = |r| Action::Reply(id, Err(r));
        match command {
            RigCommand::Start { .. } if !self.usable => out.push(refuse(self.unavailable())),
            RigCommand::Start { .. } if self.life.granted() => out.push(refuse(Refusal::AlreadyPaired)),
            RigCommand::Start { .. } if !self.provisioned => out.push(refuse(Refusal::NotProvisioned)),
            RigCommand::Start { limit } => {
                self.waiting_for_code.push((id, now.boot));
                self.last = (Reason::None, String::new());
                self.pair(pairing::Event::Start { limit }, now, out);
                if self.pairing.code().is_some() {
                    self.answer_waiting(&Ok(()), out);
                }
            }
            RigCommand::Cancel => {
                self.pair(pairing::Event::Cancel, now, out);
                out.push(Action::Reply(id, Ok(())));
            }
            RigCommand::Unpair | RigCommand::Forget | RigCommand::Provision(_) if self.pairing.active() => {
                out.push(refuse(Refusal::InProgress));
            }
            // Provisioning is how an unreadable vault is mended, so it is not refused here.
            RigCommand::Provision(secret) => out.push(Action::SaveSecret(id, secret)),
            RigCommand::Unpair | RigCommand::Forget if !self.usable => out.push(refuse(self.unavailable())),
            RigCommand::Unpair if !self.life.granted() && self.life.ending().is_none() => {
                out.push(Action::Reply(id, Ok(())));
            }
            RigCommand::Unpair => self.waiting_for_calm.push((id, false)),
            RigCommand::Forget => self.waiting_for_calm.push((id, true)),
        }
    }

    fn unavailable(&self) -> Refusal {
        Refusal::SecretUnavailable(self.unusable_because.clone())
    }

    /// Erasing waits for a refresh in flight: its answer may hold the only token that can be revoked.
    fn after_calm(&mut self, out: &mut Vec<Action>) {
        if self.waiting_for_calm.is_empty() || (self.life.busy() && !self.life.stuck_on_disk()) {
            return;
        }
        self.revoke_after = self.life.revocable().cloned();
        // An answer that comes now must not be written behind the erasure.
        self.whoami.stop();
        for (id, forget) in std::mem::take(&mut self.waiting_for_calm) {
            self.erasing += 1;
            out.push(if forget { Action::Forget(id) } else { Action::EraseTokens(id) });
        }
    }

    fn erased(&mut self, id: CommandId, disk: Disk, forgot: Option<String>, now: Now, out: &mut Vec<Action>) {
        self.erasing = self.erasing.saturating_sub(1);
        if disk.ok() {
            self.live(token::Event::Erased, now, out);
            self.whoami.stop();
            self.device = None;
            self.refreshed_at = None;
            self.access_expires_at = None;
            self.last = (Reason::None, String::new());
            if let Some(client_id) = forgot {
                self.client_id = client_id;
                self.provisioned = false;
            }
            self.grant_unsaved = false;
            out.extend(self.revoke_after.take().map(Action::Revoke));
        } else if let Some(token) = self.life.access_token().cloned() {
            let actions = self.whoami.ask(token);
            self.identify(actions, now, out);
        }
        out.push(Action::Reply(id, disk.refusal()));
        if self.erasing == 0 {
            for (id, command) in std::mem::take(&mut self.held_back) {
                self.command(id, command, now, out);
            }
        }
    }

    fn secret_saved(&mut self, reloaded: Option<(Box<Loaded>, Protection)>, now: Now, out: &mut Vec<Action>) {
        if let Some((loaded, protection)) = reloaded {
            self.loaded(*loaded, protection, now, out);
        }
        self.provisioned = true;
        self.last = (Reason::None, String::new());
        self.live(token::Event::NewSecret, now, out);
    }

    fn pair(&mut self, event: pairing::Event, now: Now, out: &mut Vec<Action>) {
        for action in self.pairing.on(event, now) {
            match action {
                pairing::Action::RequestCode(seq) => out.push(Action::RequestCode(seq)),
                pairing::Action::SaveCode(seq, code, limit) => {
                    out.push(Action::SaveCode(seq, code, limit));
                }
                pairing::Action::SaveLimit(limit) => out.push(Action::SaveLimit(limit)),
                pairing::Action::Poll(seq, code) => out.push(Action::Poll(seq, code)),
                pairing::Action::CodeReady => self.answer_waiting(&Ok(()), out),
                pairing::Action::Grant(tokens) => {
                    // What is known is of the grant before: its project must not get what this one may send.
                    self.device = None;
                    self.grant_unsaved = true;
                    self.live(token::Event::Granted(tokens), now, out);
                }
                // Only while there is no other grant, which the revocation might take along.
                pairing::Action::Discard(tokens) if !self.life.granted() && !self.pairing.active() => {
                    out.extend(tokens.refresh_token.map(Action::Revoke));
                }
                pairing::Action::Discard(_) => {}
                pairing::Action::Finish(outcome) => self.finished(outcome, out),
            }
        }
    }

    fn finished(&mut self, outcome: Outcome, out: &mut Vec<Action>) {
        if outcome != Outcome::Granted {
            out.push(Action::ErasePairing);
        }
        let (answer, last) = match outcome {
            Outcome::Granted => (Ok(()), Reason::None),
            Outcome::Denied => (Err(Refusal::Denied), Reason::Denied),
            Outcome::Expired => (Err(Refusal::Expired), Reason::Expired),
            Outcome::Cancelled => (Err(Refusal::Cancelled), Reason::None),
            Outcome::Storage(ref why) => (Err(why.clone()), Reason::Storage),
            Outcome::Failed(ref e) => (Err(refusal_of(e)), reason_of(e)),
        };
        self.last = match outcome {
            Outcome::Failed(e) => (last, e.to_string()),
            Outcome::Storage(why) => (last, why.to_string()),
            Outcome::Granted | Outcome::Denied | Outcome::Expired | Outcome::Cancelled => {
                (last, String::new())
            }
        };
        self.answer_waiting(&answer, out);
    }

    fn answer_waiting(&mut self, answer: &Result<(), Refusal>, out: &mut Vec<Action>) {
        out.extend(self.waiting_for_code.drain(..).map(|(id, _)| Action::Reply(id, answer.clone())));
    }

    fn live(&mut self, event: token::Event, now: Now, out: &mut Vec<Action>) {
        for action in self.life.on(event, now) {
            match action {
                token::Action::MarkRefresh(seq) => out.push(Action::MarkRefresh(seq)),
                token::Action::Refresh(seq, token) => out.push(Action::Refresh(seq, token)),
                token::Action::SaveTokens(seq, tokens) => out.push(Action::SaveTokens(seq, tokens)),
                token::Action::Ready => {
                    self.grant_unsaved = false;
                    self.note_expiry(now);
                    self.refreshed_at = self.life.tokens().map(|t| t.obtained.wall);
                    self.last = (Reason::None, String::new());
                    if let Some(token) = self.life.access_token().cloned() {
                        let actions = self.whoami.ask(token);
                        self.identify(actions, now, out);
                    }
                }
                token::Action::End(ending) => {
                    self.whoami.stop();
                    self.access_expires_at = None;
                    out.push(Action::EndGrant(ending));
                }
            }
        }
    }

    fn identify(&mut self, actions: Vec<whoami::Action>, now: Now, out: &mut Vec<Action>) {
        for action in actions {
            match action {
                whoami::Action::Ask(seq, token) => out.push(Action::Identify(seq, token)),
                whoami::Action::Save(seq, info) => out.push(Action::SaveDevice(seq, info)),
                whoami::Action::Known(info) => self.device = Some(info),
                whoami::Action::Unauthorized(token) => self.live(token::Event::Unauthorized(token), now, out),
                whoami::Action::Accepted(token) => self.live(token::Event::Accepted(token), now, out),
            }
        }
    }

    fn note_expiry(&mut self, now: Now) {
        self.access_expires_at = self.life.tokens().map(|t| match now.age_of(t.obtained) {
            Some(age) => now.boot + t.expires_in.saturating_sub(age),
            None => now.boot,
        });
    }

    /// Every answer tells whether the provider itself is there.
    fn note<T>(&mut self, answer: &Result<T, TokenError>) {
        match answer {
            Err(TokenError::Transient(t)) => self.note_trouble(t.cause),
            Ok(_) | Err(_) => self.online = true,
        }
    }

    fn note_trouble(&mut self, cause: Cause) {
        self.online = match cause {
            Cause::Network | Cause::CaptivePortal | Cause::Clock => false,
            Cause::Provider | Cause::RateLimited => true,
        };
    }
}

#[cfg(test)]
mod tests;
