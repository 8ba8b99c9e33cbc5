//! One rig: the machines together, what people ask of them, and what the screen sees.
//!
//! Events come in from three sides: people (commands), the provider (answers) and the disk (done or not). Actions go
//! out to the same three. The task that drives this has no opinion of its own.
//!
//! # Decisions
//! - One machine over the three, and not three tasks with channels: a grant, an unpairing and a lost secret concern all
//!   of them at once, and here every order of events can be tested as a table.
mod access;
mod event;
mod pairing;
mod presence;
mod screen;

use std::time::Duration;

use screen::refusal_of_cause;

use crate::backoff::Jitter;
use crate::command::{Refusal, RigAnswer, RigCommand};
use crate::identity::heartbeat::Heartbeat;
use crate::identity::oauth::{AccessToken, Cause, DeviceInfo, Revocable};
use crate::identity::pairing::{self as pair, Pairing};
use crate::identity::tokens::{self, TokenLife};
use crate::identity::whoami::Whoami;
use crate::queue::ledger;
use crate::time::{BootTime, Now, WallTime};
use crate::view::{Protection, Reason};

pub use event::{Action, CommandId, Disk, Event, Loaded};

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
    heartbeat: Heartbeat,
    device: Option<DeviceInfo>,
    refreshed_at: Option<WallTime>,
    access_expires_at: Option<BootTime>,
    /// The same, where nothing will renew it; until then.
    runs_out_at: Option<BootTime>,
    /// How the last pairing ended, while that still matters.
    last: (Reason, String),
    online: bool,
    /// The provider's clock, Unix seconds, and when it was read.
    server_date: Option<(i64, BootTime)>,
    /// A wall clock before this can't be right.
    clock_floor: WallTime,
    /// This boot's line in the ledger.
    boot: ledger::Entry,
    /// The last time that waits were cut short because the way may be open again; may lie ahead.
    hurried: Option<BootTime>,
    jitter: Jitter,
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
    revoke_after: Option<Revocable>,
    /// Programs that wait for a fresh access token.
    waiting_for_access: Vec<access::Waiting>,
}

/// `Start` is answered within this, code or not; more than a first code can take.
const START_PATIENCE: Duration = Duration::from_secs(22);

impl Rig {
    /// Before the store is read: everything is unavailable. `seed` spreads retries between rigs. `heartbeat`: how often
    /// the provider hears from a quiet rig, 60 to 290 seconds; `None`: only when there is something else to say.
    pub fn new(seed: u64, clock_floor: WallTime, heartbeat: Option<Duration>) -> Rig {
        Rig {
            usable: false,
            unusable_because: String::new(),
            client_id: String::new(),
            protection: Protection::None,
            provisioned: false,
            pairing: Pairing::new(Jitter::new(seed)),
            life: TokenLife::new(Jitter::new(seed ^ 1)),
            whoami: Whoami::new(Jitter::new(seed ^ 2)),
            heartbeat: Heartbeat::new(heartbeat, Jitter::new(seed ^ 4)),
            device: None,
            refreshed_at: None,
            access_expires_at: None,
            runs_out_at: None,
            last: (Reason::None, String::new()),
            online: false,
            server_date: None,
            clock_floor,
            boot: ledger::Entry::default(),
            hurried: None,
            jitter: Jitter::new(seed ^ 5),
            grant_unsaved: false,
            waiting_for_code: Vec::new(),
            waiting_for_calm: Vec::new(),
            erasing: 0,
            held_back: Vec::new(),
            revoke_after: None,
            waiting_for_access: Vec::new(),
        }
    }

    /// When [`Event::Timer`] is next worth sending.
    pub fn deadline(&self) -> Option<BootTime> {
        let calm = self.erasing == 0;
        let life = self.life.deadline().filter(|_| calm);
        let whoami = self.whoami.deadline().filter(|_| calm);
        let heartbeat = self.heartbeat.deadline().filter(|_| self.may_beat());
        let caller = self.waiting_for_code.first().map(|(_, since)| *since + START_PATIENCE);
        let access = self.access_deadline();
        [self.pairing.deadline(), life, whoami, heartbeat, caller, access].into_iter().flatten().min()
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
                self.pair(pair::Event::Code(seq, answer), now, &mut out);
            }
            Event::CodeSaved(seq, disk) => {
                self.pair(pair::Event::Saved(seq, disk.refusal()), now, &mut out);
            }
            Event::Polled(seq, answer) => {
                self.note(&answer);
                self.pair(pair::Event::Polled(seq, answer), now, &mut out);
            }
            Event::Marked(seq, disk) => self.live(tokens::Event::Marked(seq, disk.ok()), now, &mut out),
            Event::Refreshed(seq, answer) => {
                self.note(&answer);
                self.live(tokens::Event::Refreshed(seq, answer), now, &mut out);
            }
            Event::TokensSaved(seq, disk) => {
                self.live(tokens::Event::Saved(seq, disk.ok()), now, &mut out);
            }
            Event::Identified(seq, answer) => {
                self.note(&answer);
                self.identified(seq, answer, true, now, &mut out);
            }
            Event::Known(seq, answer) => self.identified(seq, answer, false, now, &mut out),
            Event::DeviceSaved(seq, disk) => {
                let actions = self.whoami.saved(seq, disk.ok(), now);
                self.identify(actions, now, &mut out);
            }
            Event::Beaten(seq, answer) => {
                self.note(&answer);
                let actions = self.heartbeat.answered(seq, answer, now);
                self.beat(actions, now, &mut out);
            }
            Event::BootNoted(disk) => self.boot.written(disk.ok()),
            Event::SecretSaved(id, disk, client_id, reloaded) => {
                if disk.ok() {
                    self.client_id = client_id;
                    self.secret_saved(reloaded, now, &mut out);
                }
                out.push(Action::Reply(id, disk.refusal().map(|()| RigAnswer::Done)));
            }
            Event::TokensErased(id, disk) => self.erased(id, disk, None, now, &mut out),
            Event::Forgotten(id, disk, client_id, provisioned) => {
                self.erased(id, disk, Some((client_id, provisioned)), now, &mut out);
            }
            Event::Unauthorized(used) if self.erasing == 0 => {
                self.live(tokens::Event::Unauthorized(used), now, &mut out);
            }
            Event::Unauthorized(_) => {}
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
            Event::Timer => self.timer(now, &mut out),
        }
        self.after_calm(&mut out);
        self.answer_access(now, &mut out);
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

    fn command(&mut self, id: CommandId, command: RigCommand, now: Now, out: &mut Vec<Action>) {
        if self.erasing > 0 {
            self.held_back.push((id, command));
            return;
        }
        let refuse = |r| Action::Reply(id, Err(r));
        match command {
            RigCommand::Start { .. } if !self.usable => out.push(refuse(self.unavailable())),
            RigCommand::Start { .. } if !self.may_pair(now) => out.push(refuse(Refusal::AlreadyPaired)),
            RigCommand::Start { .. } if !self.provisioned => out.push(refuse(Refusal::NotProvisioned)),
            RigCommand::Start { limit } => {
                self.waiting_for_code.push((id, now.boot));
                self.last = (Reason::None, String::new());
                self.pair(pair::Event::Start { limit }, now, out);
                if self.pairing.code().is_some() {
                    self.answer_waiting(&Ok(()), out);
                }
            }
            RigCommand::Cancel => {
                self.pair(pair::Event::Cancel, now, out);
                out.push(Action::Reply(id, Ok(RigAnswer::Done)));
            }
            RigCommand::Unpair | RigCommand::Forget | RigCommand::Provision(_) if self.pairing.active() => {
                out.push(refuse(Refusal::InProgress));
            }
            // Provisioning is how an unreadable vault is mended, so it is not refused here.
            RigCommand::Provision(secret) => out.push(Action::SaveSecret(id, secret)),
            RigCommand::Unpair | RigCommand::Forget if !self.usable => out.push(refuse(self.unavailable())),
            RigCommand::Unpair if !self.life.granted() && self.life.ending().is_none() => {
                out.push(Action::Reply(id, Ok(RigAnswer::Done)));
            }
            RigCommand::Unpair => self.waiting_for_calm.push((id, false)),
            RigCommand::Forget => self.waiting_for_calm.push((id, true)),
            RigCommand::Access(wish) => self.wants_access(id, wish, now, out),
        }
    }

    /// There is no grant, or none that is of any use.
    fn may_pair(&self, now: Now) -> bool {
        !self.life.granted() || self.life.ran_out(now)
    }

    fn unavailable(&self) -> Refusal {
        Refusal::SecretUnavailable(self.unusable_because.clone())
    }

    /// Erasing waits for a refresh in flight: its answer may hold the only token that can be revoked.
    fn after_calm(&mut self, out: &mut Vec<Action>) {
        if self.waiting_for_calm.is_empty() || (self.life.busy() && !self.life.stuck_on_disk()) {
            return;
        }
        self.revoke_after = self.life.revocable();
        // An answer that comes now must not be written behind the erasure.
        self.whoami.stop();
        self.heartbeat.stop();
        for (id, forget) in std::mem::take(&mut self.waiting_for_calm) {
            self.erasing += 1;
            out.push(if forget { Action::Forget(id) } else { Action::EraseTokens(id) });
        }
    }

    fn erased(
        &mut self,
        id: CommandId,
        disk: Disk,
        forgot: Option<(String, bool)>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        self.erasing = self.erasing.saturating_sub(1);
        if disk.ok() {
            self.live(tokens::Event::Erased, now, out);
            self.whoami.stop();
            self.heartbeat.stop();
            self.device = None;
            self.refreshed_at = None;
            (self.access_expires_at, self.runs_out_at) = (None, None);
            self.last = (Reason::None, String::new());
            if let Some(forgot) = forgot {
                (self.client_id, self.provisioned) = forgot;
            }
            self.grant_unsaved = false;
            out.extend(self.revoke_after.take().map(Action::Revoke));
        } else if let Some(token) = self.life.access_token().cloned() {
            let actions = self.whoami.ask(token);
            self.identify(actions, now, out);
        }
        out.push(Action::Reply(id, disk.refusal().map(|()| RigAnswer::Done)));
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
        self.live(tokens::Event::NewSecret, now, out);
    }

    fn live(&mut self, event: tokens::Event, now: Now, out: &mut Vec<Action>) {
        for action in self.life.on(event, now) {
            match action {
                tokens::Action::MarkRefresh(seq) => out.push(Action::MarkRefresh(seq)),
                tokens::Action::Refresh(seq, token) => out.push(Action::Refresh(seq, token)),
                tokens::Action::SaveTokens(seq, tokens) => out.push(Action::SaveTokens(seq, tokens)),
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
                    self.whoami.stop();
                    self.heartbeat.stop();
                    (self.access_expires_at, self.runs_out_at) = (None, None);
                    out.push(Action::EndGrant(ending));
                }
            }
        }
    }

    fn note_expiry(&mut self, now: Now) {
        self.access_expires_at = self.life.tokens().map(|t| match now.age_of(t.obtained) {
            Some(age) => now.boot + t.expires_in.saturating_sub(age),
            None => now.boot,
        });
        let renewed = self.life.tokens().is_some_and(|t| t.refresh.is_some());
        self.runs_out_at = self.access_expires_at.filter(|_| !renewed);
    }
}

#[cfg(test)]
mod tests;
