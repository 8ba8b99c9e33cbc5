//! One rig: the machines together, what people ask of them, and what the screen sees.
//!
//! Events come in from three sides: people (commands), the provider (answers) and the disk (done or not). Actions go
//! out to the same three. The task that drives this has no opinion of its own.
//!
//! # Decisions
//! - One machine over the three, and not three tasks with channels: a grant, an unpairing and a lost secret concern all
//!   of them at once, and here every order of events can be tested as a table.
use crate::domain::{
    backoff::Jitter,
    command::{Refusal, RigCommand},
    oauth::{
        AccessToken, Cause, ClientSecret, DeviceAuthorization, DeviceCode, DeviceInfo, RefreshToken,
        TokenError, TokenResponse, TokenSet,
    },
    pairing::{self, CodeOnOffer, Outcome, Pairing},
    seq::Seq,
    time::{BootTime, Now, WallTime},
    token::{self, Ending, TokenLife},
    view::{Protection, Reason, RigView, State},
    whoami::{self, Whoami},
};

/// Pairs a command with its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// How a write to disk went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Synced.
    Done,
    /// No space; nothing changed.
    Full,
    /// Anything else; nothing changed.
    Failed(String),
}

impl Disk {
    fn ok(&self) -> bool {
        *self == Disk::Done
    }

    fn refusal(self) -> Result<(), Refusal> {
        match self {
            Disk::Done => Ok(()),
            Disk::Full => Err(Refusal::StorageFull),
            Disk::Failed(why) => Err(Refusal::StorageFailed(why)),
        }
    }
}

/// What the store held when it was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// `None`: nothing can be kept safe, for the reason given; everything else is then empty.
    pub usable: Option<()>,
    /// Why not, one sentence.
    pub unusable_because: String,
    /// Identity; empty when the store can't be read.
    pub client_id: String,
    /// A client secret is there and opens.
    pub provisioned: bool,
    /// The tokens, and whether a refresh was marked and not finished.
    pub tokens: Option<(TokenSet, bool)>,
    /// The grant was there and ended, or its tokens don't open any more.
    pub ended: Option<Ending>,
    /// The last answer to "who am I".
    pub device: Option<DeviceInfo>,
    /// A pairing was running, with the code that was on offer.
    pub pairing: Option<Option<CodeOnOffer>>,
    /// The last grant or refresh.
    pub refreshed_at: Option<WallTime>,
}

/// What happened.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the answer to the action of that name")]
pub enum Event {
    /// The store was read: at the start, and after provisioning mended it.
    Loaded(Box<Loaded>, Protection),
    /// A person asks.
    Command(CommandId, RigCommand),
    Code(Seq, Result<DeviceAuthorization, TokenError>),
    CodeSaved(Seq, Disk),
    Polled(Seq, Result<TokenResponse, TokenError>),
    Marked(Seq, Disk),
    Refreshed(Seq, Result<TokenResponse, TokenError>),
    TokensSaved(Seq, Disk),
    Identified(Seq, Result<DeviceInfo, TokenError>),
    DeviceSaved(Seq, Disk),
    /// The client secret is sealed; what the store holds now, if it had to be mended.
    SecretSaved(CommandId, Disk, Option<(Box<Loaded>, Protection)>),
    TokensErased(CommandId, Disk),
    /// All is erased, and this is the new identity.
    Forgotten(CommandId, Disk, String),
    /// An API call that carried this access token came back with the provider's own 401.
    Unauthorized(AccessToken),
    /// An API call that carried this access token was accepted.
    Accepted(AccessToken),
    /// The provider's clock says this many Unix seconds.
    ServerDate(i64),
    Timer,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the machines' own actions say it")]
pub enum Action {
    RequestCode(Seq),
    Poll(Seq, DeviceCode),
    Refresh(Seq, RefreshToken),
    Identify(Seq, AccessToken),
    /// Best effort; nobody waits for the answer.
    Revoke(RefreshToken),
    SaveCode(Seq, CodeOnOffer),
    ErasePairing,
    MarkRefresh(Seq),
    SaveTokens(Seq, TokenSet),
    SaveDevice(Seq, DeviceInfo),
    EndGrant(Ending),
    EraseTokens(CommandId),
    SaveSecret(CommandId, ClientSecret),
    Forget(CommandId),
    Reply(CommandId, Result<(), Refusal>),
}

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
    /// The provider's clock minus ours, seconds.
    skew: Option<i64>,
    /// A wall clock before this can't be right.
    clock_floor: WallTime,
    waiting_for_code: Vec<CommandId>,
    /// Unpair or Forget, held back while a refresh is in flight.
    waiting_for_calm: Vec<(CommandId, bool)>,
    revoke_after: Option<RefreshToken>,
}

/// More than this between the provider's clock and ours, and ours is not trusted.
const MAX_SKEW_S: i64 = 300;

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
            skew: None,
            clock_floor,
            waiting_for_code: Vec::new(),
            waiting_for_calm: Vec::new(),
            revoke_after: None,
        }
    }

    /// When [`Event::Timer`] is next worth sending.
    pub fn deadline(&self) -> Option<BootTime> {
        [self.pairing.deadline(), self.life.deadline(), self.whoami.deadline()].into_iter().flatten().min()
    }

    /// A stop should wait: a refresh is in flight, or its tokens are not on disk.
    pub fn busy(&self) -> bool {
        self.life.busy()
    }

    /// What an API call may carry, and for which project; only when both are known.
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
            Event::CodeSaved(seq, disk) => self.pair(pairing::Event::Saved(seq, disk.ok()), now, &mut out),
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
            Event::SecretSaved(id, disk, reloaded) => self.secret_saved(id, disk, reloaded, now, &mut out),
            Event::TokensErased(id, disk) => self.erased(id, disk, None, now, &mut out),
            Event::Forgotten(id, disk, client_id) => self.erased(id, disk, Some(client_id), now, &mut out),
            Event::Unauthorized(used) => self.live(token::Event::Unauthorized(used), now, &mut out),
            Event::Accepted(used) => {
                self.online = true;
                self.live(token::Event::Accepted(used), now, &mut out);
            }
            Event::ServerDate(date) => self.skew = Some(date.saturating_sub(now.wall.0)),
            Event::Timer => {
                self.pair(pairing::Event::Timer, now, &mut out);
                self.live(token::Event::Timer, now, &mut out);
                let actions = self.whoami.timer(self.life.access_token(), now);
                self.identify(actions, now, &mut out);
            }
        }
        self.after_calm(&mut out);
        out
    }

    fn loaded(&mut self, loaded: Loaded, protection: Protection, now: Now, out: &mut Vec<Action>) {
        self.usable = loaded.usable.is_some();
        self.unusable_because = loaded.unusable_because;
        self.client_id = loaded.client_id;
        self.protection = protection;
        self.provisioned = loaded.provisioned;
        self.device = loaded.device;
        self.refreshed_at = loaded.refreshed_at;
        self.life = TokenLife::new(Jitter::new(now.boot.as_micros()));
        if let Some(ending) = loaded.ended {
            self.live(token::Event::Ended(ending, loaded.tokens.map(|(t, _)| t)), now, out);
        } else if let Some((tokens, interrupted)) = loaded.tokens {
            self.live(token::Event::Loaded(tokens, interrupted), now, out);
            self.note_expiry(now);
        } else if let Some(code) = loaded.pairing
            && self.provisioned
        {
            self.pair(pairing::Event::Resume(code), now, out);
        }
    }

    fn command(&mut self, id: CommandId, command: RigCommand, now: Now, out: &mut Vec<Action>) {
        let refuse = |r| Action::Reply(id, Err(r));
        match command {
            RigCommand::Start { .. } if !self.usable => out.push(refuse(self.unavailable())),
            RigCommand::Start { .. } if self.life.granted() => out.push(refuse(Refusal::AlreadyPaired)),
            RigCommand::Start { .. } if !self.provisioned => out.push(refuse(Refusal::NotProvisioned)),
            RigCommand::Start { .. } if self.pairing.code().is_some() => out.push(Action::Reply(id, Ok(()))),
            RigCommand::Start { limit } => {
                self.waiting_for_code.push(id);
                self.last = (Reason::None, String::new());
                self.pair(pairing::Event::Start { limit }, now, out);
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
        for (id, forget) in std::mem::take(&mut self.waiting_for_calm) {
            out.push(if forget { Action::Forget(id) } else { Action::EraseTokens(id) });
        }
    }

    fn erased(&mut self, id: CommandId, disk: Disk, forgot: Option<String>, now: Now, out: &mut Vec<Action>) {
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
            out.extend(self.revoke_after.take().map(Action::Revoke));
        }
        out.push(Action::Reply(id, disk.refusal()));
    }

    fn secret_saved(
        &mut self,
        id: CommandId,
        disk: Disk,
        reloaded: Option<(Box<Loaded>, Protection)>,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if disk.ok() {
            if let Some((loaded, protection)) = reloaded {
                self.loaded(*loaded, protection, now, out);
            }
            self.provisioned = true;
            self.last = (Reason::None, String::new());
            self.live(token::Event::NewSecret, now, out);
        }
        out.push(Action::Reply(id, disk.refusal()));
    }

    fn pair(&mut self, event: pairing::Event, now: Now, out: &mut Vec<Action>) {
        for action in self.pairing.on(event, now) {
            match action {
                pairing::Action::RequestCode(seq) => out.push(Action::RequestCode(seq)),
                pairing::Action::SaveCode(seq, code) => out.push(Action::SaveCode(seq, code)),
                pairing::Action::Poll(seq, code) => out.push(Action::Poll(seq, code)),
                pairing::Action::CodeReady => self.answer_waiting(&Ok(()), out),
                pairing::Action::Grant(tokens) => self.live(token::Event::Granted(tokens), now, out),
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
            Outcome::Storage => (Err(Refusal::StorageFull), Reason::Storage),
            Outcome::Failed(ref e) => (Err(refusal_of(e)), reason_of(e)),
        };
        self.last = match outcome {
            Outcome::Failed(e) => (last, e.to_string()),
            Outcome::Granted | Outcome::Denied | Outcome::Expired | Outcome::Cancelled | Outcome::Storage => {
                (last, String::new())
            }
        };
        self.answer_waiting(&answer, out);
    }

    fn answer_waiting(&mut self, answer: &Result<(), Refusal>, out: &mut Vec<Action>) {
        out.extend(self.waiting_for_code.drain(..).map(|id| Action::Reply(id, answer.clone())));
    }

    fn live(&mut self, event: token::Event, now: Now, out: &mut Vec<Action>) {
        for action in self.life.on(event, now) {
            match action {
                token::Action::MarkRefresh(seq) => out.push(Action::MarkRefresh(seq)),
                token::Action::Refresh(seq, token) => out.push(Action::Refresh(seq, token)),
                token::Action::SaveTokens(seq, tokens) => out.push(Action::SaveTokens(seq, tokens)),
                token::Action::Ready => {
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
        self.online = match answer {
            Err(TokenError::Transient(t)) => match t.cause {
                Cause::Network | Cause::CaptivePortal | Cause::Clock => false,
                Cause::Provider | Cause::RateLimited => true,
            },
            Ok(_) | Err(_) => true,
        };
    }

    /// What the screen sees now.
    pub fn view(&self, now: Now) -> RigView {
        let code = self.pairing.code();
        let state = self.state();
        let (reason, detail) = self.reason(state);
        let named = self.device.as_ref().map(|d| d.device_name.clone()).filter(|n| !n.is_empty());
        RigView {
            state,
            reason,
            detail,
            user_code: code.map(|(a, _)| a.user_code.clone()),
            verification_uri: code.and_then(|(a, _)| a.verification_uri.as_ref()).map(ToString::to_string),
            verification_uri_complete: code.and_then(|(a, _)| a.verification_uri_complete.clone()),
            code_expires_at: code.map(|(_, at)| at),
            device_name: named.or_else(|| code.and_then(|(a, _)| a.device_name.clone())).unwrap_or_default(),
            device: self.device.clone(),
            access_expires_at: self.access_expires_at,
            refreshed_at: self.refreshed_at,
            online: self.online,
            clock_trusted: now.wall >= self.clock_floor && self.skew.is_none_or(|s| s.abs() <= MAX_SKEW_S),
            tokens_at_risk: self.life.busy(),
            client_id: self.client_id.clone(),
            protection: self.protection,
        }
    }

    fn state(&self) -> State {
        if !self.usable {
            State::SecretUnavailable
        } else if self.pairing.code().is_some() {
            State::WaitingForUser
        } else if self.pairing.active() {
            State::RequestingCode
        } else if self.life.granted() && (self.life.tokens().is_some() || self.device.is_some()) {
            State::Paired
        } else if self.life.granted() {
            // The person said yes; the disk has not. Not published as paired before it has.
            State::WaitingForUser
        } else if self.life.ending().is_some() {
            State::NeedsPairing
        } else if !self.provisioned {
            State::Unprovisioned
        } else {
            State::Unpaired
        }
    }

    fn reason(&self, state: State) -> (Reason, String) {
        let of_trouble = |t: Option<token::Trouble>| match t {
            None => Reason::None,
            Some(token::Trouble::Storage) => Reason::Storage,
            Some(token::Trouble::Exchange(cause)) => reason_of_cause(cause),
        };
        match state {
            State::SecretUnavailable => (Reason::Storage, self.unusable_because.clone()),
            State::RequestingCode | State::WaitingForUser if self.pairing.active() => {
                (self.pairing.trouble().map_or(Reason::None, reason_of_cause), String::new())
            }
            State::Paired | State::RequestingCode | State::WaitingForUser => {
                let of_life = of_trouble(self.life.trouble());
                let of_me = self.whoami.trouble().map_or(Reason::None, reason_of_cause);
                (if of_life == Reason::None { of_me } else { of_life }, String::new())
            }
            State::NeedsPairing if self.last.0 == Reason::None => {
                let reason = match self.life.ending() {
                    Some(Ending::InterruptedRefresh) => Reason::InterruptedRefresh,
                    Some(Ending::ClientRejected) => Reason::ClientRejected,
                    Some(Ending::Revoked) | None => Reason::Revoked,
                    Some(Ending::Unreadable) => Reason::Storage,
                };
                (reason, String::new())
            }
            State::NeedsPairing | State::Unprovisioned | State::Unpaired => self.last.clone(),
        }
    }
}

fn reason_of_cause(cause: Cause) -> Reason {
    match cause {
        Cause::Network => Reason::Network,
        Cause::CaptivePortal => Reason::CaptivePortal,
        Cause::Clock => Reason::Clock,
        Cause::Provider | Cause::RateLimited => Reason::Provider,
    }
}

fn reason_of(e: &TokenError) -> Reason {
    match e {
        TokenError::Transient(t) => reason_of_cause(t.cause),
        TokenError::AccessDenied => Reason::Denied,
        TokenError::ClientRejected => Reason::ClientRejected,
        TokenError::AuthorizationPending
        | TokenError::SlowDown
        | TokenError::ExpiredToken
        | TokenError::InvalidGrant(_)
        | TokenError::Unauthorized
        | TokenError::Rejected(_) => Reason::Provider,
    }
}

fn refusal_of(e: &TokenError) -> Refusal {
    match e {
        TokenError::Transient(t) => match t.cause {
            Cause::Network => Refusal::NetworkUnavailable(t.why.clone()),
            Cause::CaptivePortal => Refusal::CaptivePortal(t.why.clone()),
            Cause::Clock => Refusal::ClockUntrusted(t.why.clone()),
            Cause::Provider => Refusal::ProviderError(t.why.clone()),
            Cause::RateLimited => Refusal::RateLimited,
        },
        TokenError::SlowDown => Refusal::RateLimited,
        TokenError::ClientRejected => Refusal::ClientRejected,
        TokenError::AccessDenied => Refusal::Denied,
        TokenError::AuthorizationPending
        | TokenError::ExpiredToken
        | TokenError::InvalidGrant(_)
        | TokenError::Unauthorized
        | TokenError::Rejected(_) => Refusal::ProviderError(e.to_string()),
    }
}
