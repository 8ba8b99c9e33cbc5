//! A rig's life in random steps: a provider that rotates strictly, a disk that is sometimes full, people who change
//! their minds, restarts, reboots, suspends and wrong clocks. After every step the rules that must always hold are held
//! against what the provider and the disk really know.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::identity::pairing::Running;
use crate::identity::socket::{SocketNews, SocketUse};
use crate::identity::tokens::Ending;
use crate::oauth::{
    ClientSecret, DeviceAuthorization, DeviceCode, Revocable, Revoked, TokenError, TokenResponse, TokenSet,
    Trouble, UserCode,
};
use crate::provider::SocketEnd;
use crate::secret::Secret;
use crate::time::BootId;
use crate::view::State;
use rigpost_contract::exit::ExitCode;

/// Rarer than in life, so that beats do not crowd out everything else.
const PRESENCE: Presence =
    Presence { heartbeat: Some(Duration::from_secs(3600)), socket: SocketUse::WhenBusy };
/// Everything is answered within this, whatever the network does.
const BOUND: Duration = Duration::from_secs(25);

fn serial(token: &RefreshToken) -> usize {
    token.expose().trim_start_matches('r').parse().unwrap()
}

fn response(n: usize) -> TokenResponse {
    TokenResponse {
        access_token: AccessToken(Secret::new(format!("a{n}"))),
        refresh_token: Some(RefreshToken(Secret::new(format!("r{n}")))),
        expires_in: Some(Duration::from_secs(8 * 3600)),
        id_token: None,
        binding: None,
    }
}

/// Tokens are numbered; each new one spends the one before.
#[derive(Default)]
struct Cloud {
    /// The project of each token that was ever issued.
    project_of: Vec<u32>,
    current: Option<usize>,
    rotated: BTreeSet<usize>,
}

impl Cloud {
    fn issue(&mut self, project: u32) -> TokenResponse {
        self.project_of.push(project);
        self.current = Some(self.project_of.len() - 1);
        response(self.project_of.len() - 1)
    }
}

/// What the store holds, with the store's own rules.
#[derive(Clone, Default)]
struct Disc {
    tokens: Option<(TokenSet, bool)>,
    ended: Option<Ending>,
    device: Option<DeviceInfo>,
    pairing: Option<Running>,
    provisioned: bool,
    kept: BTreeMap<RevocationId, (usize, Progress)>,
}

impl Disc {
    /// What is kept when a grant ends.
    fn part(&self, parting: Parting) -> BTreeMap<RevocationId, (usize, Progress)> {
        let mut kept = self.kept.clone();
        kept.retain(|id, _| !parting.gone.contains(id));
        if let Some(Keep { id, of, now, .. }) = parting.keep {
            let Revocable::Refresh(token) = of else { panic!("every grant has a refresh token") };
            kept.insert(id, (serial(&token), Progress { tries: 0, spent: Duration::ZERO, noted: now }));
        }
        kept
    }

    fn loaded(&self) -> Loaded {
        Loaded {
            client_id: "rig-7".to_owned(),
            provisioned: self.provisioned,
            tokens: self.tokens.clone(),
            ended: self.ended,
            device: self.device.clone(),
            pairing: self.pairing.clone(),
            revocations: self
                .kept
                .iter()
                .map(|(id, (_, progress))| Kept { id: *id, ours: true, progress: *progress })
                .collect(),
            ..Loaded::default()
        }
    }

    fn holds(&self) -> Option<usize> {
        self.tokens.as_ref().and_then(|(t, _)| t.refresh.as_ref()).map(serial)
    }

    /// Performs a write, unless the disk is full.
    fn write(&mut self, change: Change, full: bool) -> Option<Event> {
        let before = self.clone();
        let mut disk = if full { Err(DiskError::Full) } else { Ok(()) };
        let event = |disk: Result<(), DiskError>| match change {
            Change::NotePairing(limit, interval) => {
                if let Some(running) = &mut self.pairing {
                    running.limit = limit.or(running.limit);
                    if let (Some(code), Some(interval)) = (&mut running.code, interval) {
                        code.auth.interval = interval;
                    }
                }
                None
            }
            Change::SaveCode(seq, code, limit) => {
                self.pairing = Some(Running { code: Some(code), limit });
                Some(Event::CodeSaved(seq, disk))
            }
            Change::ErasePairing => {
                self.pairing = None;
                None
            }
            Change::MarkRefresh(seq) => Some(Event::Marked(
                seq,
                match &mut self.tokens {
                    Some((_, marked)) => {
                        *marked = true;
                        disk
                    }
                    None => Err(DiskError::Failed("there are no tokens".to_owned())),
                },
            )),
            Change::SaveTokens(seq, tokens) => {
                // Tokens that come of a pairing are for a project that nobody knows yet.
                if self.pairing.take().is_some() {
                    self.device = None;
                }
                (self.tokens, self.ended) = (Some((tokens, false)), None);
                Some(Event::TokensSaved(seq, disk))
            }
            Change::SaveDevice(seq, info) => {
                self.device = Some(info);
                Some(Event::DeviceSaved(seq, disk))
            }
            Change::NoteBoot(_) => Some(Event::BootNoted(disk)),
            Change::EndGrant(ending) => {
                self.ended = self.tokens.is_some().then_some(ending);
                if ending != Ending::ClientRejected {
                    self.tokens = None;
                }
                None
            }
            Change::EraseTokens(id, parting) => {
                *self = Disc { provisioned: self.provisioned, kept: self.part(parting), ..Disc::default() };
                Some(Event::TokensErased(id, disk))
            }
            Change::SaveSecret(id, _) => {
                self.provisioned = true;
                Some(Event::SecretSaved(
                    id,
                    disk.map(|()| Provisioned { client_id: "rig-7".to_owned(), mended: None }),
                ))
            }
            Change::KeepRevocation(parting) => {
                let id = parting.keep.as_ref().expect("one more").id;
                let gone = parting.gone.clone();
                self.kept = self.part(parting);
                Some(Event::RevocationKept(id, gone, disk))
            }
            Change::NoteRevocation(id, progress, _) => {
                self.kept.get_mut(&id).expect("it is kept").1 = progress;
                None
            }
            Change::EraseRevocation(id, _) => {
                self.kept.remove(&id);
                Some(Event::RevocationErased(id, disk))
            }
            Change::Forget(id, parting) => {
                *self = Disc { kept: self.part(parting), ..Disc::default() };
                Some(Event::Forgotten(
                    id,
                    disk.map(|()| Fresh {
                        client_id: "rig-8".to_owned(),
                        provisioned: false,
                        storage_key: false,
                    }),
                ))
            }
        };
        let event = event(std::mem::replace(&mut disk, Ok(())));
        if full {
            *self = before;
        }
        event
    }
}

#[derive(Debug, Default)]
struct Tally {
    grants: u32,
    refreshes: u32,
    beats: u32,
    endings: u32,
    interrupted: u32,
    revoked: u32,
    restarts: u32,
    unpairings: u32,
    told: u32,
    cut: u32,
    strays: u32,
    sockets: u32,
    closed: u32,
}

struct Walk {
    dice: Jitter,
    rig: Rig,
    now: Now,
    cloud: Cloud,
    disc: Disc,
    /// Answers on their way; true where it is to a refresh.
    answers: Vec<(BootTime, Event, bool)>,
    writes: VecDeque<Change>,
    written: Option<BootTime>,
    asked: BTreeMap<CommandId, BootTime>,
    commands: u64,
    tally: Tally,
    /// The one that was asked for last, as long as the rig wants it.
    socket: Option<Seq>,
    /// The answer to a refresh may have been lost since tokens were last on disk.
    lost: bool,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let mut walk = Walk {
            dice: Jitter::new(seed),
            rig: Rig::new(ProviderKind::Frameio, seed, WallTime(0), PRESENCE),
            now: Now { boot_id: BootId(1), boot: BootTime(Duration::from_secs(9)), wall: WallTime(0) },
            cloud: Cloud::default(),
            disc: Disc::default(),
            answers: Vec::new(),
            writes: VecDeque::new(),
            written: None,
            asked: BTreeMap::new(),
            commands: 0,
            tally: Tally::default(),
            socket: None,
            lost: false,
        };
        walk.event(Event::Loaded(Box::default(), Protection::File));
        let loaded = walk.disc.loaded();
        walk.event(Event::Loaded(Box::new(loaded), Protection::File));
        walk
    }

    fn chance(&mut self, p: f64) -> bool {
        self.dice.unit() < p
    }

    fn seconds(&mut self, most: f64) -> Duration {
        Duration::from_secs_f64(self.dice.unit() * most)
    }

    fn event(&mut self, event: Event) {
        for action in self.rig.on(event, self.now) {
            self.perform(action);
        }
        self.rules();
    }

    fn rules(&self) {
        if let Some((token, device)) = self.rig.access() {
            let on_disk = self.disc.tokens.as_ref().map(|(t, _)| &t.access);
            assert_eq!(on_disk, Some(token), "offered, and not on disk");
            let n: usize = token.expose().trim_start_matches('a').parse().unwrap();
            let project = self.cloud.project_of[n].to_string();
            assert_eq!(device.project_id, project, "clips would land in the wrong project");
        }
        if self.rig.view(self.now).state == State::Paired {
            assert!(self.disc.tokens.is_some(), "paired, and the disk does not know it");
        }
        assert!(self.socket.is_none() || self.rig.life.granted(), "a socket without a grant");
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Ask(Question::RequestCode(seq)) => {
                let revoking = self.answers.iter().any(|(_, event, _)| matches!(event, Event::Revoked(..)));
                assert!(!revoking, "what is revoked could take the new pairing along");
                let answer = self.code();
                self.answer(8.0, Event::Code(seq, answer), false);
            }
            Action::Ask(Question::Poll(seq, _)) => {
                let answer = self.polled();
                self.answer(20.0, Event::Polled(seq, answer), false);
            }
            Action::Ask(Question::Refresh(seq, renewal)) => {
                self.tally.refreshes += 1;
                assert!(!self.answers.iter().any(|(.., refresh)| *refresh), "two refreshes in flight");
                let marked = self.disc.tokens.as_ref().is_some_and(|(_, marked)| *marked);
                assert!(marked, "a refresh without its mark on disk");
                assert_eq!(
                    self.disc.holds(),
                    Some(serial(&renewal.token)),
                    "a refresh with a token from nowhere"
                );
                let answer = self.refreshed(serial(&renewal.token));
                self.answer(20.0, Event::Refreshed(seq, answer), true);
            }
            Action::Ask(Question::Identify(seq, question)) => {
                let n: usize = question.token.expose().trim_start_matches('a').parse().unwrap();
                let answer = if self.chance(0.2) {
                    Err(self.trouble())
                } else if self.cloud.current == Some(n) {
                    let project_id = self.cloud.project_of[n].to_string();
                    let names = vec!["d".to_owned()];
                    Ok(DeviceInfo { project_id, names, ..DeviceInfo::default() })
                } else {
                    Err(TokenError::Unauthorized)
                };
                self.answer(20.0, Event::Identified(seq, answer), false);
            }
            Action::Ask(Question::Beat(seq, token)) => {
                self.tally.beats += 1;
                assert!(!self.answers.iter().any(|(.., refresh)| *refresh), "a beat beside a refresh");
                let n: usize = token.expose().trim_start_matches('a').parse().unwrap();
                let answer = if self.chance(0.2) {
                    Err(self.trouble())
                } else if self.cloud.current == Some(n) {
                    Ok(())
                } else {
                    Err(TokenError::Unauthorized)
                };
                self.answer(20.0, Event::Beaten(seq, answer), false);
            }
            Action::Ask(Question::OpenSocket(seq, token, names)) => {
                self.tally.sockets += 1;
                assert_eq!(self.socket.replace(seq), None, "two sockets");
                assert!(!self.answers.iter().any(|(.., refresh)| *refresh), "a socket beside a refresh");
                assert_eq!((self.rig.life.access_token(), names), (Some(&token), vec!["d".to_owned()]));
                let n: usize = token.expose().trim_start_matches('a').parse().unwrap();
                let is_good = self.cloud.current == Some(n) && self.chance(0.8);
                let news = if is_good { SocketNews::Joined } else { self.socket_end() };
                self.answer(20.0, Event::Socket(seq, news), false);
            }
            Action::Ask(Question::CloseSocket) => {
                self.tally.closed += 1;
                assert!(self.socket.take().is_some(), "there is none");
                self.answers.retain(|(_, event, _)| !matches!(event, Event::Socket(..)));
            }
            Action::Ask(Question::Revoke(seq, id)) => {
                let (n, _) = *self.disc.kept.get(&id).expect("what it takes is on the disk");
                assert_ne!(self.disc.holds(), Some(n), "the grant in force");
                let answer = match (self.dice.unit() * 10.0) as u32 {
                    0..4 => Err(self.trouble()),
                    4 => Err(TokenError::ClientRejected(String::new())),
                    5 => Err(TokenError::Rejected(String::new())),
                    _ => {
                        self.cloud.current = self.cloud.current.filter(|current| *current != n);
                        self.tally.told += 1;
                        Ok(Revoked::Confirmed)
                    }
                };
                self.answer(20.0, Event::Revoked(seq, answer), false);
            }
            Action::Ask(Question::StopRevoking) => {
                let before = self.answers.len();
                self.answers.retain(|(_, event, _)| !matches!(event, Event::Revoked(..)));
                assert!(self.answers.len() < before, "nothing is under way");
                self.tally.cut += 1;
            }
            Action::Reply(Reply::Ended(id, ended)) => {
                let since = self.asked.remove(&id).expect("one answer for each command");
                assert!(self.now.boot.since(since) <= BOUND, "answered too late");
                assert!(!ended.kept || ended.revocation.exit_code() != ExitCode::Done, "{ended:?}");
            }
            Action::Reply(Reply::Access(..)) => panic!("no program asked"),
            Action::Reply(Reply::Done(id, _)) => {
                let since = self.asked.remove(&id).expect("one answer for each command");
                assert!(self.now.boot.since(since) <= BOUND, "answered too late");
            }
            Action::Write(Change::EndGrant(ending)) => {
                self.tally.endings += 1;
                let known = self.disc.holds().filter(|n| self.cloud.current == Some(*n));
                assert!(ending == Ending::ClientRejected || known.is_none(), "only the server ends a grant");
                // What the disk keeps of a rejected client does not tell a lost answer from a refused one.
                let told = self.disc.ended != Some(Ending::ClientRejected);
                let spent = told && self.disc.holds().is_some_and(|n| self.cloud.rotated.contains(&n));
                assert!(
                    ending != Ending::Revoked || !spent,
                    "an interrupted refresh, taken for a revocation"
                );
                assert!(
                    ending != Ending::InterruptedRefresh || self.lost,
                    "a revocation, taken for an interrupted refresh"
                );
                self.tally.interrupted += u32::from(ending == Ending::InterruptedRefresh);
                self.tally.revoked += u32::from(ending == Ending::Revoked);
                self.writes.push_back(Change::EndGrant(ending));
            }
            Action::Write(change) => self.writes.push_back(change),
        }
        if self.written.is_none() && !self.writes.is_empty() {
            self.written = Some(self.now.boot + self.seconds(0.5));
        }
    }

    fn answer(&mut self, longest: f64, event: Event, refresh: bool) {
        let at = self.now.boot + self.seconds(longest);
        self.answers.push((at, event, refresh));
    }

    fn trouble(&mut self) -> TokenError {
        let causes =
            [Cause::Network, Cause::CaptivePortal, Cause::Clock, Cause::Provider, Cause::RateLimited];
        let cause = causes[(self.dice.unit() * 5.0) as usize % 5];
        let maybe_applied = self.chance(0.5);
        TokenError::Transient(Trouble { cause, why: String::new(), retry_after: None, maybe_applied })
    }

    fn socket_end(&mut self) -> SocketNews {
        SocketNews::Over(match self.trouble() {
            TokenError::Transient(t) if self.chance(0.7) => SocketEnd::Trouble(t),
            _ => SocketEnd::Refused("403".to_owned()),
        })
    }

    /// What comes over a socket that is open, and its end.
    fn socket_goes_on(&mut self, event: &Event) {
        let Event::Socket(seq, news) = event else { return };
        match news {
            SocketNews::Over(_) => self.socket = None,
            SocketNews::Joined | SocketNews::Updated => {
                let next = if self.chance(0.8) { SocketNews::Updated } else { self.socket_end() };
                self.answer(300.0, Event::Socket(*seq, next), false);
            }
        }
    }

    /// The request arrived, and the answer did not.
    fn lost_answer(&mut self) -> TokenError {
        self.lost = true;
        TokenError::Transient(Trouble {
            cause: Cause::Network,
            why: String::new(),
            retry_after: None,
            maybe_applied: true,
        })
    }

    fn code(&mut self) -> Result<DeviceAuthorization, TokenError> {
        if self.chance(0.4) {
            return Err(if self.chance(0.2) { TokenError::SlowDown(None) } else { self.trouble() });
        }
        Ok(DeviceAuthorization {
            device_code: DeviceCode(Secret::new("d")),
            user_code: UserCode(Secret::new("000001")),
            verification_uri: None,
            verification_uri_complete: None,
            expires_in: Duration::from_secs(120),
            interval: Duration::from_secs(5),
            device_name: None,
        })
    }

    fn polled(&mut self) -> Result<TokenResponse, TokenError> {
        match (self.dice.unit() * 20.0) as u32 {
            0..3 => {
                self.tally.grants += 1;
                let project = (self.dice.unit() * 4.0) as u32;
                let tokens = self.cloud.issue(project);
                if self.chance(0.1) { Err(self.trouble()) } else { Ok(tokens) }
            }
            3 => Err(TokenError::ExpiredToken),
            4 => Err(TokenError::SlowDown(None)),
            5 => Err(TokenError::AccessDenied),
            6..10 => Err(self.trouble()),
            _ => Err(TokenError::AuthorizationPending),
        }
    }

    fn refreshed(&mut self, n: usize) -> Result<TokenResponse, TokenError> {
        if self.chance(0.15) {
            let trouble = self.trouble();
            self.lost |= matches!(&trouble, TokenError::Transient(t) if t.maybe_applied);
            return Err(trouble);
        }
        if self.chance(0.01) {
            return Err(TokenError::ClientRejected(String::new()));
        }
        if self.cloud.current != Some(n) {
            return Err(TokenError::InvalidGrant("invalid_request".to_owned()));
        }
        self.cloud.rotated.insert(n);
        let tokens = self.cloud.issue(self.cloud.project_of[n]);
        if self.chance(0.03) { Err(self.lost_answer()) } else { Ok(tokens) }
    }

    fn command(&mut self) {
        let command = match (self.dice.unit() * 40.0) as u32 {
            0..25 => {
                let limit = self.chance(0.2).then(|| self.seconds(300.0));
                RigCommand::Start { limit }
            }
            25..30 => RigCommand::Cancel,
            30..32 => RigCommand::Unpair(if self.chance(0.8) { Asking::Provider } else { Asking::Nobody }),
            32 => FORGET,
            _ => RigCommand::Provision(ClientSecret(Secret::new("s"))),
        };
        self.tally.unpairings += u32::from(matches!(command, RigCommand::Unpair(_)));
        self.commands += 1;
        let id = CommandId(self.commands);
        self.asked.insert(id, self.now.boot);
        self.event(Event::Command(id, command));
    }

    /// Killed, and started again on what the disk has; sometimes after a reboot with another wall clock.
    fn restart(&mut self) {
        self.tally.restarts += 1;
        self.lost |= self.disc.tokens.as_ref().is_some_and(|(_, marked)| *marked);
        self.answers.clear();
        self.writes.clear();
        self.asked.clear();
        (self.written, self.socket) = (None, None);
        if self.chance(0.5) {
            self.now.boot_id = BootId(self.now.boot_id.0 + 1);
            self.now.boot = BootTime(self.seconds(60.0));
        }
        self.rig = Rig::new(ProviderKind::Frameio, self.commands, WallTime(0), PRESENCE);
        let loaded = self.disc.loaded();
        self.event(Event::Loaded(Box::new(loaded), Protection::File));
    }

    fn chaos(&mut self) {
        let used = AccessToken(Secret::new(format!("a{}", self.cloud.project_of.len().saturating_sub(1))));
        match (self.dice.unit() * 40.0) as u32 {
            0..10 => self.command(),
            10..16 => self.event(Event::Unauthorized(used)),
            16..20 => self.event(Event::Accepted(used)),
            20 => self.cloud.current = None,
            21 => {
                let asleep = self.seconds(40.0 * 3600.0);
                self.now.boot = self.now.boot + asleep;
                self.asked.values_mut().for_each(|since| *since = *since + asleep);
            }
            22 => self.restart(),
            23..25 => self.event(Event::NetworkUp),
            25 => self.event(Event::ClockStepped),
            32..34 => self.event(Event::Sends(true)),
            34..36 => self.event(Event::Sends(false)),
            36 => self.event(Event::Watched),
            26..32 => {
                self.now.wall = WallTime(((self.dice.unit() - 0.5) * 6e8) as i64);
                let date = (self.dice.unit() * 6e8) as i64;
                self.event(Event::ServerDate(date));
            }
            _ => {}
        }
    }

    fn step(&mut self) {
        if self.chance(0.1) {
            return self.chaos();
        }
        let answer = (0..self.answers.len()).min_by_key(|i| self.answers[*i].0);
        let answer_at = answer.map(|i| self.answers[i].0);
        let times = [answer_at, self.written, self.rig.deadline()];
        let Some(next) = times.iter().flatten().min().copied() else { return self.command() };
        self.now.boot = self.now.boot.max(next);
        if self.written == Some(next) {
            self.written = None;
            let change = self.writes.pop_front().expect("a write is under way");
            let full = self.chance(0.15);
            self.lost &= full || !matches!(change, Change::SaveTokens(..));
            let event = self.disc.write(change, full);
            if !self.writes.is_empty() {
                self.written = Some(self.now.boot + self.seconds(0.5));
            }
            if let Some(Event::TokensErased(_, Ok(())) | Event::Forgotten(_, Ok(_))) = &event {
                // Whose answer comes later is not of the next grant.
                let strays = self.answers.iter_mut().filter(|(.., refresh)| *refresh);
                strays
                    .for_each(|(.., refresh)| (*refresh, self.tally.strays) = (false, self.tally.strays + 1));
            }
            return event.into_iter().for_each(|e| self.event(e));
        }
        match answer {
            Some(i) if answer_at == Some(next) => {
                let (_, event, _) = self.answers.swap_remove(i);
                self.socket_goes_on(&event);
                self.event(event);
            }
            _ => {
                self.event(Event::Timer);
                let later = self.rig.deadline().is_none_or(|at| at > self.now.boot);
                assert!(later, "a timer that gets nowhere: {:?}", self.rig);
            }
        }
    }
}

#[test]
fn whatever_happens_the_rules_hold() {
    let mut total = Tally::default();
    for seed in 0..36 {
        let mut walk = Walk::new(seed);
        walk.tally = total;
        for _ in 0..5000 {
            walk.step();
            let now = walk.now.boot;
            let forgotten = walk.asked.values().any(|since| now.since(*since) > BOUND);
            assert!(!forgotten, "seed {seed}: somebody is not answered");
        }
        total = walk.tally;
    }
    // It went everywhere.
    assert!(total.grants > 500 && total.refreshes > 5000 && total.endings > 200, "{total:?}");
    assert!(total.beats > 1000, "{total:?}");
    assert!(total.interrupted > 30 && total.revoked > 30, "{total:?}");
    assert!(total.restarts > 100 && total.unpairings > 100 && total.told > 50, "{total:?}");
    assert!(total.sockets > 100 && total.closed > 30, "{total:?}");
    assert!(total.cut > 2 && total.strays > 2, "{total:?}");
}
