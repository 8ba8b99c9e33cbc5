#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it waits for")]
mod access;
mod ending;
mod phishing;
mod presence;
mod walk;

use super::*;
use crate::backoff::Jitter;
use crate::command::{AccessOptions, Asking, Ended, Refusal};
use crate::identity::pairing::{CodeOnOffer, Running, TimeLimit};
use crate::identity::revocation::{Kept, Over, Progress, RevocationId};
use crate::identity::rig::action::{Keep, Parting};
use crate::identity::rig::event::Fresh;
use crate::identity::tokens::Ending;
use crate::oauth::{
    AccessToken, ClientSecret, DeviceAuthorization, DeviceCode, DeviceInfo, RefreshToken, Revocable, Revoked,
    TokenError, TokenResponse, TokenSet, Trouble, UserCode, VerificationUriComplete,
};
use crate::queue::ledger::BootWall;
use crate::secret::Secret;
use crate::seq::Seq;
use crate::time::{BootId, WallTime};
use crate::view::{RigView, State};
use rigpost_contract::ending::{Erased, Revocation};
use rigpost_contract::provider::ProviderKind;

const EPOCH: i64 = 1_790_000_000;
/// No wall clock was ever set to an earlier time.
const FLOOR: WallTime = WallTime(EPOCH - 1000);
const HOUR: u64 = 3600;

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn at(s: u64) -> Now {
    Now { boot_id: BootId(1), boot: BootTime(secs(s)), wall: WallTime(EPOCH + s as i64) }
}

fn access(n: u32) -> AccessToken {
    AccessToken(Secret::new(format!("a{n}")))
}

fn refresh(n: u32) -> RefreshToken {
    RefreshToken(Secret::new(format!("r{n}")))
}

fn response(n: u32) -> TokenResponse {
    TokenResponse {
        access_token: access(n),
        refresh_token: Some(refresh(n)),
        expires_in: Some(secs(8 * HOUR)),
        id_token: None,
        binding: None,
    }
}

fn set(n: u32) -> TokenSet {
    TokenSet {
        access: access(n),
        refresh: Some(refresh(n)),
        obtained: at(0),
        expires_in: secs(8 * HOUR),
        id_token: None,
        binding: None,
    }
}

fn auth(n: u32) -> DeviceAuthorization {
    DeviceAuthorization {
        device_code: DeviceCode(Secret::new(format!("d{n}"))),
        user_code: UserCode(Secret::new(format!("{n:06}"))),
        verification_uri: Some("https://example.com/pair".parse().unwrap()),
        verification_uri_complete: Some(VerificationUriComplete(Secret::new("https://example.com/pair?c=1"))),
        expires_in: secs(120),
        interval: secs(5),
        device_name: Some("Rig 7".to_owned()),
    }
}

fn device(project: &str) -> DeviceInfo {
    DeviceInfo {
        device_name: "Rig 7".to_owned(),
        project_id: project.to_owned(),
        project_name: format!("Project {project}"),
        ..DeviceInfo::default()
    }
}

fn trouble(cause: Cause) -> TokenError {
    TokenError::Transient(Trouble { cause, why: "why".to_owned(), retry_after: None, maybe_applied: true })
}

fn network() -> TokenError {
    trouble(Cause::Network)
}

fn refused() -> TokenError {
    TokenError::InvalidGrant("invalid_request".to_owned())
}

fn usable() -> Loaded {
    Loaded { client_id: "rig-7".to_owned(), provisioned: true, ..Loaded::default() }
}

fn keeps(n: u64, of: Revocable, now: Now) -> Parting {
    Parting { keep: Some(Keep { id: RevocationId(n), of, now, like: None }), gone: vec![] }
}

fn provisioned(id: CommandId, client_id: &str, mended: Option<(Box<Loaded>, Protection)>) -> Event {
    Event::SecretSaved(id, Ok(Provisioned { client_id: client_id.to_owned(), mended }))
}

fn forgotten(id: CommandId, client_id: &str) -> Event {
    Event::Forgotten(id, Ok(Fresh { client_id: client_id.to_owned(), provisioned: false }))
}

const START: RigCommand = RigCommand::Start { limit: None };
const UNPAIR: RigCommand = RigCommand::Unpair(Asking::Provider);
const FORGET: RigCommand = RigCommand::Forget(Asking::Provider);

/// A rig, its time, and the numbers of its commands.
struct Bench {
    rig: Rig,
    now: Now,
    commands: u64,
    /// The newest question who we are.
    question: Seq,
    /// What was written into the ledger of boots; the disk takes it at once.
    noted: Vec<BootWall>,
}

impl Bench {
    /// Before the store is read.
    fn new(heartbeat: Option<Duration>) -> Bench {
        let rig = Rig::new(ProviderKind::Frameio, 1, FLOOR, heartbeat);
        Bench { rig, now: at(10), commands: 0, question: Seq(0), noted: vec![] }
    }

    fn load(loaded: Loaded) -> (Bench, Vec<Action>) {
        let mut b = Bench::new(None);
        let actions = b.on(Event::Loaded(Box::new(loaded), Protection::File));
        (b, actions)
    }

    /// Provisioned, not paired.
    fn unpaired() -> Bench {
        let (b, actions) = Bench::load(usable());
        assert_eq!(actions, []);
        assert!(!b.rig.pairing());
        b
    }

    /// Paired with project "one" by the tokens 1.
    fn paired() -> Bench {
        let mut b = Bench::unpaired();
        b.grant(1);
        b.identified("one");
        b
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        let mut actions = self.rig.on(event, self.now);
        for note in
            actions.extract_if(.., |a| matches!(a, Action::Write(Change::NoteBoot(_)))).collect::<Vec<_>>()
        {
            let Action::Write(Change::NoteBoot(wall)) = note else { continue };
            self.noted.push(wall);
            assert_eq!(self.rig.on(Event::BootNoted(Ok(())), self.now), []);
        }
        for action in &actions {
            if let Action::Ask(Question::Identify(seq, _)) = action {
                self.question = *seq;
            }
        }
        actions
    }

    fn after(&mut self, s: u64) -> &mut Bench {
        self.now = at(self.now.boot.0.as_secs() + s);
        self
    }

    /// Time passes by the clock that the rig has, right or wrong.
    fn after_wall(&mut self, s: u64) {
        self.now.boot = self.now.boot + secs(s);
        self.now.wall = WallTime(self.now.wall.0 + s as i64);
    }

    fn command(&mut self, command: RigCommand) -> (CommandId, Vec<Action>) {
        self.commands += 1;
        let id = CommandId(self.commands);
        let actions = self.on(Event::Command(id, command));
        (id, actions)
    }

    /// A command that is answered at once, and its answer.
    fn answer(&mut self, command: RigCommand) -> Result<(), Refusal> {
        let (id, actions) = self.command(command);
        match &actions[..] {
            [.., Action::Reply(Reply::Done(to, answer))] if *to == id => answer.clone(),
            [.., Action::Reply(Reply::Ended(to, _))] if *to == id => Ok(()),
            other => panic!("no answer: {other:?}"),
        }
    }

    /// Up to a code on the screen.
    fn show_code(&mut self) -> CommandId {
        let (id, actions) = self.command(START);
        let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
        let actions = self.on(Event::Code(seq, Ok(auth(1))));
        let [Action::Write(Change::SaveCode(seq, ..))] = actions[..] else { panic!("{actions:?}") };
        assert_eq!(self.on(Event::CodeSaved(seq, Ok(()))), [Action::Reply(Reply::Done(id, Ok(())))]);
        assert!(self.rig.pairing());
        id
    }

    fn poll(&mut self) -> Seq {
        self.due();
        let actions = self.on(Event::Timer);
        let [Action::Ask(Question::Poll(seq, _))] = actions[..] else { panic!("{actions:?}") };
        seq
    }

    fn due(&mut self) {
        let boot = self.rig.deadline().expect("something is due");
        self.now = Now { boot: boot.max(self.now.boot), ..self.now };
    }

    /// From a start to a grant whose tokens are about to be written.
    fn granted(&mut self, n: u32) -> Seq {
        self.show_code();
        let seq = self.poll();
        let actions = self.on(Event::Polled(seq, Ok(response(n))));
        let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
        seq
    }

    /// From a start to tokens on disk; the question who we are has left.
    fn grant(&mut self, n: u32) -> Seq {
        let seq = self.granted(n);
        let actions = self.on(Event::TokensSaved(seq, Ok(())));
        let [Action::Ask(Question::Identify(seq, ref question))] = actions[..] else { panic!("{actions:?}") };
        assert_eq!(question.token, access(n));
        seq
    }

    /// Answers the question who we are, which must have left last.
    fn identified(&mut self, project: &str) {
        let seq = self.question;
        let actions = self.on(Event::Identified(seq, Ok(device(project))));
        assert_eq!(actions, [Action::Write(Change::SaveDevice(seq, device(project)))]);
        assert_eq!(self.on(Event::DeviceSaved(seq, Ok(()))), []);
    }

    /// Lets the refresh that is due leave.
    fn refresh_leaves(&mut self) -> Seq {
        self.due();
        let actions = self.on(Event::Timer);
        let [Action::Write(Change::MarkRefresh(seq))] = actions[..] else { panic!("{actions:?}") };
        let actions = self.on(Event::Marked(seq, Ok(())));
        let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
        seq
    }

    /// Erased, and the provider is asked.
    fn asks(&mut self, event: Event, n: u64) -> Seq {
        let actions = self.on(event);
        let [Action::Ask(Question::Revoke(seq, id))] = actions[..] else { panic!("{actions:?}") };
        assert_eq!(id, RevocationId(n));
        seq
    }

    /// What became of the grant, as the only answer says.
    fn ended(&self, actions: &[Action], id: CommandId) -> (Revocation, String, bool) {
        match actions {
            [.., Action::Reply(Reply::Ended(to, ended))] if *to == id => {
                (ended.revocation, ended.detail.clone(), ended.kept)
            }
            other => panic!("no answer: {other:?}"),
        }
    }

    fn view(&self) -> RigView {
        self.rig.view(self.now)
    }

    fn shows(&self) -> (State, Reason) {
        let view = self.view();
        (view.state, view.reason)
    }
}

#[test]
fn before_the_store_is_read_everything_is_unavailable() {
    let mut b = Bench::new(None);
    assert_eq!(b.view().state, State::SecretUnavailable);
    assert!(matches!(b.answer(START), Err(Refusal::SecretUnavailable(_))));
}

#[test]
fn an_unreadable_vault_refuses_everything_but_provisioning() {
    let broken = || {
        let unusable = Some(DiskError::NoKey("the key is gone".to_owned()));
        Loaded { unusable, ..Loaded::default() }
    };
    let (mut b, actions) = Bench::load(broken());
    assert_eq!(actions, []);
    assert_eq!(b.shows(), (State::SecretUnavailable, Reason::NoKey), "no disk helps it");
    assert_eq!(b.view().detail, "the key is gone");
    let unavailable = Err(Refusal::SecretUnavailable("the key is gone".to_owned()));
    for command in [START, UNPAIR, FORGET] {
        assert_eq!(b.answer(command), unavailable);
    }
    let secret = ClientSecret(Secret::new("s"));
    let (id, actions) = b.command(RigCommand::Provision(secret.clone()));
    assert_eq!(actions, [Action::Write(Change::SaveSecret(id, secret))]);
    let reloaded = Some((Box::new(usable()), Protection::File));
    assert_eq!(b.on(provisioned(id, "rig-7", reloaded)), [Action::Reply(Reply::Done(id, Ok(())))]);
    assert_eq!(b.shows(), (State::Unpaired, Reason::None));
}

#[test]
fn a_disk_that_cant_be_read_yet_is_named_and_forgotten_when_it_is_good() {
    let failed = |why: &str| Refusal::StorageFailed(why.to_owned());
    for (disk, why, refusal) in [
        (DiskError::Full, "there is no space left", Refusal::StorageFull),
        (DiskError::ReadOnly, "it is read-only", failed("it is read-only")),
        (DiskError::Failed("an I/O error".to_owned()), "an I/O error", failed("an I/O error")),
    ] {
        assert!(disk.may_pass());
        let unreadable = || Loaded { unusable: Some(disk.clone()), ..Loaded::default() };
        let (mut b, actions) = Bench::load(unreadable());
        assert_eq!((actions, b.rig.deadline()), (vec![], None));
        let view = b.view();
        let shown = (view.state, view.reason, view.detail.as_str());
        assert_eq!(shown, (State::SecretUnavailable, Reason::Storage, why));
        for command in [START, UNPAIR, FORGET] {
            assert_eq!(b.answer(command), Err(refusal.clone()));
        }
        // It may be read many times in vain.
        assert_eq!(b.on(Event::Loaded(Box::new(unreadable()), Protection::None)), []);
        let paired = Loaded { tokens: Some((set(1), false)), device: Some(device("one")), ..usable() };
        let _ = b.on(Event::Loaded(Box::new(paired), Protection::File));
        assert_eq!(b.shows(), (State::Paired, Reason::None));
    }
}

#[test]
fn a_database_that_is_damaged_or_newer_is_trouble_of_the_disk_and_not_of_the_key() {
    let why = "the database has version 9";
    let unusable = Some(DiskError::Database(why.to_owned()));
    let (mut b, actions) = Bench::load(Loaded { unusable, ..Loaded::default() });
    assert_eq!((actions, b.rig.deadline()), (vec![], None));
    assert_eq!((b.shows(), b.view().detail.as_str()), ((State::SecretUnavailable, Reason::Storage), why));
    for command in [START, UNPAIR, FORGET] {
        assert_eq!(b.answer(command), Err(Refusal::StorageFailed(why.to_owned())));
    }
    let blockers = crate::view::blockers(&b.view(), &crate::view::QueueView::default());
    let [("storage", sentence, detail)] = blockers.as_slice() else { panic!("{blockers:?}") };
    assert_eq!(detail, why);
    assert!(!sentence.contains(why) && !sentence.contains("rovision"), "{sentence}");
}

#[test]
fn a_secret_that_cant_be_kept_is_refused_by_name() {
    let (mut b, _) = Bench::load(Loaded { provisioned: false, ..usable() });
    assert_eq!(b.shows(), (State::Unprovisioned, Reason::None));
    assert_eq!(b.answer(START), Err(Refusal::NotProvisioned));
    let (id, _) = b.command(RigCommand::Provision(ClientSecret(Secret::new("s"))));
    let full = [Action::Reply(Reply::Done(id, Err(Refusal::StorageFull)))];
    assert_eq!(b.on(Event::SecretSaved(id, Err(DiskError::Full))), full);
    let (id, _) = b.command(RigCommand::Provision(ClientSecret(Secret::new("s"))));
    let no_key = [Action::Reply(Reply::Done(id, Err(Refusal::SecretUnavailable("no key".to_owned()))))];
    assert_eq!(b.on(Event::SecretSaved(id, Err(DiskError::NoKey("no key".to_owned())))), no_key);
    assert_eq!(b.shows(), (State::Unprovisioned, Reason::None));
    assert_eq!(b.view().client_id, "rig-7");
    // The identity may have been made only now.
    let (id, _) = b.command(RigCommand::Provision(ClientSecret(Secret::new("s"))));
    let done = provisioned(id, "rig-8", None);
    assert_eq!(b.on(done), [Action::Reply(Reply::Done(id, Ok(())))]);
    assert_eq!((b.shows(), b.view().client_id), ((State::Unpaired, Reason::None), "rig-8".to_owned()));
}

#[test]
fn from_a_start_to_a_project_on_the_screen() {
    let mut b = Bench::unpaired();
    assert_eq!(b.shows(), (State::Unpaired, Reason::None));
    b.show_code();
    let view = b.view();
    assert_eq!(view.state, State::WaitingForUser);
    assert_eq!(view.user_code, Some(auth(1).user_code));
    assert_eq!(view.verification_uri.as_deref(), Some("https://example.com/pair"));
    assert_eq!(view.code_expires_at, Some(BootTime(secs(130))));
    assert_eq!(view.device_name, "Rig 7");
    let seq = b.poll();
    let actions = b.on(Event::Polled(seq, Ok(response(1))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(b.view().state, State::WaitingForUser, "not paired before the disk says so");
    assert_eq!(b.view().user_code, None);
    assert!(b.view().tokens_at_risk && b.rig.access().is_none());
    assert_eq!(b.on(Event::TokensSaved(seq, Ok(()))).len(), 1);
    assert_eq!(b.shows(), (State::Paired, Reason::None));
    assert!(b.rig.access().is_none(), "the project is not known yet");
    b.identified("one");
    assert_eq!(b.rig.access(), Some((&access(1), &device("one"))));
    let view = b.view();
    assert_eq!(view.refreshed_at, Some(b.now.wall));
    assert_eq!(view.access_expires_at, Some(b.now.boot + secs(8 * HOUR)));
    assert!(view.online && !view.tokens_at_risk);
}

#[test]
fn a_second_start_joins_the_first_and_both_are_answered() {
    let mut b = Bench::unpaired();
    let (one, actions) = b.command(START);
    let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
    let (two, actions) = b.command(START);
    assert_eq!(actions, []);
    let actions = b.on(Event::Code(seq, Ok(auth(1))));
    let [Action::Write(Change::SaveCode(seq, ..))] = actions[..] else { panic!("{actions:?}") };
    let both = [Action::Reply(Reply::Done(one, Ok(()))), Action::Reply(Reply::Done(two, Ok(())))];
    assert_eq!(b.on(Event::CodeSaved(seq, Ok(()))), both);
    assert_eq!(b.answer(START), Ok(()), "and who comes later gets the code that is there");

    let mut b = Bench::unpaired();
    let (one, actions) = b.command(START);
    let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
    let (two, _) = b.command(START);
    let both = [
        Action::Write(Change::ErasePairing),
        Action::Reply(Reply::Done(one, Err(Refusal::ClientRejected(String::new())))),
        Action::Reply(Reply::Done(two, Err(Refusal::ClientRejected(String::new())))),
    ];
    assert_eq!(b.on(Event::Code(seq, Err(TokenError::ClientRejected(String::new())))), both);
    assert_eq!(b.shows(), (State::Unpaired, Reason::ClientRejected));
}

#[test]
fn every_failure_of_a_first_code_has_its_name_and_reason() {
    let why = || "why".to_owned();
    for (error, refusal, reason) in [
        (network(), Refusal::NetworkUnavailable(why()), Reason::Network),
        (trouble(Cause::Certificate), Refusal::Certificate(why()), Reason::Certificate),
        (trouble(Cause::Proxy), Refusal::Proxy(why()), Reason::Proxy),
        (trouble(Cause::CaptivePortal), Refusal::CaptivePortal(why()), Reason::CaptivePortal),
        (trouble(Cause::Clock), Refusal::ClockUntrusted(why()), Reason::Clock),
        (trouble(Cause::Provider), Refusal::ProviderError(why()), Reason::Provider),
        (trouble(Cause::RateLimited), Refusal::RateLimited, Reason::Provider),
        (TokenError::SlowDown(None), Refusal::RateLimited, Reason::Provider),
        (
            TokenError::ClientRejected(String::new()),
            Refusal::ClientRejected(String::new()),
            Reason::ClientRejected,
        ),
        (
            TokenError::NotAllowed("unauthorized_client".into()),
            Refusal::SignInBlocked("unauthorized_client".into()),
            Reason::SignInBlocked,
        ),
        (
            TokenError::Rejected("bad_request".into()),
            Refusal::Configuration("bad_request".into()),
            Reason::Configuration,
        ),
    ] {
        let mut b = Bench::unpaired();
        let (id, mut actions) = b.command(START);
        while let [Action::Ask(Question::RequestCode(seq))] = actions[..] {
            b.after(8);
            actions = b.on(Event::Code(seq, Err(error.clone())));
            if actions.is_empty() {
                assert_eq!(b.shows(), (State::RequestingCode, reason), "{error:?}");
                b.due();
                actions = b.on(Event::Timer);
            }
        }
        assert_eq!(
            actions,
            [Action::Write(Change::ErasePairing), Action::Reply(Reply::Done(id, Err(refusal)))]
        );
        assert_eq!(b.shows(), (State::Unpaired, reason), "{error:?}");
        assert!(b.now.boot <= BootTime(secs(35)), "answered in time");
        assert_eq!(b.rig.deadline(), None);
    }
}

#[test]
fn a_start_that_joins_a_renewal_is_answered_in_time_and_the_renewal_goes_on() {
    let mut b = Bench::unpaired();
    b.show_code();
    let seq = b.poll();
    let actions = b.on(Event::Polled(seq, Err(TokenError::ExpiredToken)));
    let [Action::Ask(Question::RequestCode(mut seq))] = actions[..] else { panic!("{actions:?}") };
    let asked = b.now.boot;
    let (id, actions) = b.command(START);
    assert_eq!(actions, []);
    let answered = loop {
        b.after(8);
        let _ = b.on(Event::Code(seq, Err(network())));
        let actions = loop {
            b.due();
            let actions = b.on(Event::Timer);
            if !actions.is_empty() {
                break actions;
            }
        };
        let reply = actions.iter().any(|a| matches!(a, Action::Reply(Reply::Done(to, Err(_))) if *to == id));
        let request = actions.iter().find_map(|a| match a {
            Action::Ask(Question::RequestCode(seq)) => Some(*seq),
            _ => None,
        });
        if reply {
            break b.now.boot;
        }
        seq = request.expect("it is tried again");
    };
    assert!(answered.since(asked) <= secs(25));
    assert_eq!(b.shows(), (State::RequestingCode, Reason::Network), "renewals are tried for ever");
}

#[test]
fn a_denial_a_limit_and_a_cancel_are_told_apart() {
    let mut b = Bench::unpaired();
    b.show_code();
    let seq = b.poll();
    assert_eq!(
        b.on(Event::Polled(seq, Err(TokenError::AccessDenied))),
        [Action::Write(Change::ErasePairing)]
    );
    assert_eq!(b.shows(), (State::Unpaired, Reason::Denied));

    let mut b = Bench::unpaired();
    let (_, actions) = b.command(RigCommand::Start { limit: Some(secs(20)) });
    let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
    let (id, _) = b.command(START);
    b.after(20);
    let actions = b.on(Event::Timer);
    assert!(actions.contains(&Action::Reply(Reply::Done(id, Err(Refusal::Expired)))), "{actions:?}");
    assert_eq!(b.shows(), (State::Unpaired, Reason::Expired));
    assert_eq!(b.on(Event::Code(seq, Ok(auth(1)))), []);

    let mut b = Bench::unpaired();
    let (start, _) = b.command(START);
    let (cancel, actions) = b.command(RigCommand::Cancel);
    let told = [
        Action::Write(Change::ErasePairing),
        Action::Reply(Reply::Done(start, Err(Refusal::Cancelled))),
        Action::Reply(Reply::Done(cancel, Ok(()))),
    ];
    assert_eq!(actions, told);
    assert_eq!(b.shows(), (State::Unpaired, Reason::None));
    assert_eq!(b.answer(RigCommand::Cancel), Ok(()), "again does no harm");
}

#[test]
fn a_code_that_cant_be_written_down_says_why() {
    for (disk, refusal) in [
        (DiskError::Full, Refusal::StorageFull),
        (DiskError::Failed("broken".to_owned()), Refusal::StorageFailed("broken".to_owned())),
    ] {
        let mut b = Bench::unpaired();
        let (id, actions) = b.command(START);
        let [Action::Ask(Question::RequestCode(seq))] = actions[..] else { panic!("{actions:?}") };
        let _ = b.on(Event::Code(seq, Ok(auth(1))));
        let seq = Seq(seq.0 + 1);
        let told = [Action::Write(Change::ErasePairing), Action::Reply(Reply::Done(id, Err(refusal)))];
        assert_eq!(b.on(Event::CodeSaved(seq, Err(disk))), told);
        assert_eq!(b.shows(), (State::Unpaired, Reason::Storage));
    }
}

#[test]
fn while_a_pairing_runs_the_identity_is_left_alone() {
    let mut b = Bench::unpaired();
    b.show_code();
    let provision = RigCommand::Provision(ClientSecret(Secret::new("s")));
    for command in [UNPAIR, FORGET, provision] {
        assert_eq!(b.answer(command), Err(Refusal::InProgress));
    }
}

#[test]
fn who_is_paired_does_not_pair_again() {
    let mut b = Bench::paired();
    assert_eq!(b.answer(START), Err(Refusal::AlreadyPaired));
    assert_eq!(b.answer(RigCommand::Cancel), Ok(()));
    assert_eq!(b.view().device_name, "Rig 7", "as the project names it");
    assert_eq!(b.shows(), (State::Paired, Reason::None));
}

#[test]
fn a_grant_for_a_cancelled_pairing_is_revoked() {
    let mut b = Bench::unpaired();
    b.show_code();
    let seq = b.poll();
    assert_eq!(b.answer(RigCommand::Cancel), Ok(()));
    let actions = b.on(Event::Polled(seq, Ok(response(1))));
    let parting = keeps(1, Revocable::Refresh(refresh(1)), b.now);
    assert_eq!(actions, [Action::Write(Change::KeepRevocation(parting))]);
    let kept = |outcome| Event::RevocationKept(RevocationId(1), vec![], outcome);
    assert!(matches!(b.on(kept(Ok(())))[..], [Action::Ask(Question::Revoke(_, RevocationId(1)))]));
    assert_eq!(b.shows(), (State::Unpaired, Reason::None));

    let mut b = Bench::unpaired();
    b.show_code();
    let seq = b.poll();
    let _ = b.command(RigCommand::Cancel);
    let _ = b.command(START);
    let actions = b.on(Event::Polled(seq, Ok(response(1))));
    assert!(matches!(actions[..], [Action::Write(Change::KeepRevocation(_))]), "{actions:?}");
    assert_eq!(b.on(kept(Ok(()))), [], "a newer pairing might be taken along");
    let (_, actions) = b.command(RigCommand::Cancel);
    assert!(!actions.iter().any(|a| matches!(a, Action::Ask(_))), "{actions:?}");
    b.due();
    assert!(matches!(b.on(Event::Timer)[..], [Action::Ask(Question::Revoke(_, RevocationId(1)))]));
}

#[test]
fn the_clips_of_the_old_project_are_not_offered_the_tokens_of_a_new_grant() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    assert_eq!(
        b.on(Event::Refreshed(seq, Err(refused()))),
        [Action::Write(Change::EndGrant(Ending::Revoked))]
    );
    assert_eq!(b.shows(), (State::NeedsPairing, Reason::Revoked));
    assert_eq!(b.view().device, Some(device("one")), "the screen still says which project it was");
    let seq = b.granted(2);
    assert_eq!(b.view().state, State::WaitingForUser);
    let _ = b.on(Event::TokensSaved(seq, Ok(())));
    assert_eq!(b.view().state, State::Paired);
    assert_eq!(b.rig.access(), None, "nobody knows yet which project this is");
    assert_eq!(b.view().device, None);
    b.identified("two");
    assert_eq!(b.rig.access(), Some((&access(2), &device("two"))));
}

//= frameio-c2c#3.3
//= type=test
//# After every pairing and after every refresh GET /v2/devices/me is asked.
#[test]
fn who_we_are_is_asked_after_every_grant_and_refresh_and_until_there_is_an_answer() {
    let mut b = Bench::unpaired();
    let mut seq = b.grant(1);
    for _ in 0..5 {
        assert_eq!(b.on(Event::Identified(seq, Err(trouble(Cause::Provider)))), []);
        assert_eq!(b.shows(), (State::Paired, Reason::Provider));
        b.due();
        let actions = b.on(Event::Timer);
        let [Action::Ask(Question::Identify(next, _))] = actions[..] else { panic!("{actions:?}") };
        seq = next;
    }
    b.identified("one");
    assert_eq!(b.shows(), (State::Paired, Reason::None));
    let seq = b.refresh_leaves();
    let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(b.shows().0, State::Paired, "a refresh is not seen");
    let actions = b.on(Event::TokensSaved(seq, Ok(())));
    assert!(matches!(&actions[..], [Action::Ask(Question::Identify(_, q))] if q.token == access(2)));
    assert_eq!(b.rig.access(), Some((&access(2), &device("one"))), "the same grant, the same project");
}

#[test]
fn a_project_that_cant_be_written_down_is_not_served() {
    let mut b = Bench::unpaired();
    let seq = b.grant(1);
    let _ = b.on(Event::Identified(seq, Ok(device("one"))));
    assert_eq!(b.on(Event::DeviceSaved(seq, Err(DiskError::Full))), []);
    assert_eq!(b.shows(), (State::Paired, Reason::Storage));
    assert_eq!(b.rig.access(), None);
}

#[test]
fn network_trouble_changes_the_reason_and_never_the_state() {
    for (cause, reason) in [
        (Cause::Network, Reason::Network),
        (Cause::CaptivePortal, Reason::CaptivePortal),
        (Cause::Clock, Reason::Clock),
        (Cause::Provider, Reason::Provider),
        (Cause::RateLimited, Reason::Provider),
    ] {
        let mut b = Bench::paired();
        let seq = b.refresh_leaves();
        let _ = b.on(Event::Refreshed(seq, Err(trouble(cause))));
        assert_eq!(b.shows(), (State::Paired, reason));
        assert_eq!(b.view().online, matches!(cause, Cause::Provider | Cause::RateLimited));
        assert_eq!(b.rig.access(), Some((&access(1), &device("one"))));
        assert!(!b.view().tokens_at_risk);
    }
}

#[test]
fn a_full_disk_during_a_refresh_keeps_the_rig_paired_and_offers_nothing() {
    for known in [true, false] {
        let mut b = if known { Bench::paired() } else { Bench::unpaired() };
        if !known {
            let seq = b.grant(1);
            let _ = b.on(Event::Identified(seq, Err(TokenError::Unauthorized)));
        }
        let seq = b.refresh_leaves();
        let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
        let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
        assert_eq!(b.on(Event::TokensSaved(seq, Err(DiskError::Full))), []);
        assert_eq!(b.shows(), (State::Paired, Reason::Storage), "known: {known}");
        assert!(b.view().tokens_at_risk && b.rig.access().is_none());
    }
    let mut b = Bench::unpaired();
    let seq = b.granted(1);
    assert_eq!(b.on(Event::TokensSaved(seq, Err(DiskError::Full))), []);
    assert_eq!(b.shows(), (State::WaitingForUser, Reason::Storage), "a first grant is not paired yet");
}

#[test]
fn each_ending_has_its_reason_and_a_failed_pairing_after_it_too() {
    for (ending, reason) in [
        (Ending::Revoked, Reason::Revoked),
        (Ending::InterruptedRefresh, Reason::InterruptedRefresh),
        (Ending::ClientRejected, Reason::ClientRejected),
        (Ending::Unreadable, Reason::NoKey),
    ] {
        let (mut b, actions) = Bench::load(Loaded { ended: Some(ending), ..usable() });
        assert_eq!(actions, []);
        assert_eq!(b.shows(), (State::NeedsPairing, reason));
        b.show_code();
        let seq = b.poll();
        let _ = b.on(Event::Polled(seq, Err(TokenError::AccessDenied)));
        assert_eq!(b.shows(), (State::NeedsPairing, Reason::Denied));
    }
}

#[test]
fn a_lost_answer_then_a_refusal_is_shown_as_an_interrupted_refresh() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    assert_eq!(b.on(Event::Refreshed(seq, Err(network()))), []);
    b.due();
    let actions = b.on(Event::Timer);
    let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let ended = [Action::Write(Change::EndGrant(Ending::InterruptedRefresh))];
    assert_eq!(b.on(Event::Refreshed(seq, Err(refused()))), ended);
    assert_eq!(b.shows(), (State::NeedsPairing, Reason::InterruptedRefresh));
    assert_eq!(b.view().access_expires_at, None);
}

#[test]
fn a_reboot_with_an_interrupted_mark_asks_at_once() {
    let loaded = Loaded { tokens: Some((set(1), true)), device: Some(device("one")), ..usable() };
    let (mut b, actions) = Bench::load(loaded);
    let [Action::Ask(Question::Refresh(seq, _))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(b.shows(), (State::Paired, Reason::None));
    let ended = [Action::Write(Change::EndGrant(Ending::InterruptedRefresh))];
    assert_eq!(b.on(Event::Refreshed(seq, Err(refused()))), ended);
}

#[test]
fn tokens_from_another_boot_in_1970_are_refreshed_and_the_clock_is_not_trusted() {
    let loaded = Loaded { tokens: Some((set(1), false)), device: Some(device("one")), ..usable() };
    let mut rig = Rig::new(ProviderKind::Frameio, 1, FLOOR, None);
    let now = Now { boot_id: BootId(9), boot: BootTime(secs(12)), wall: WallTime(40) };
    let actions = rig.on(Event::Loaded(Box::new(loaded), Protection::Tpm2), now);
    assert!(matches!(actions[..], [Action::Ask(Question::Identify(..))]), "{actions:?}");
    assert_eq!(rig.deadline(), Some(now.boot));
    assert!(matches!(rig.on(Event::Timer, now)[..], [Action::Write(Change::MarkRefresh(_))]));
    let view = rig.view(now);
    assert_eq!((view.state, view.clock_trusted), (State::Paired, false));
}

#[test]
fn the_clock_is_judged_as_it_stands_now() {
    let mut b = Bench::paired();
    assert!(b.view().clock_trusted, "nobody said otherwise");
    let _ = b.on(Event::ServerDate(b.now.wall.0 + 299));
    assert!(b.view().clock_trusted);
    let _ = b.on(Event::ServerDate(b.now.wall.0 + 4000));
    assert!(!b.view().clock_trusted);
    b.after(HOUR);
    assert!(!b.view().clock_trusted);
    b.now.wall = WallTime(b.now.wall.0 + 4000);
    assert!(b.view().clock_trusted, "it was set");
    b.now.wall = WallTime(b.now.wall.0 + 10 * 366 * 86_400);
    assert!(!b.view().clock_trusted, "it stepped away");
    for odd in [i64::MIN, i64::MAX, 0, -1] {
        let _ = b.on(Event::ServerDate(odd));
        b.now.wall = WallTime(odd);
        assert!(b.view().clock_trusted == (odd > EPOCH));
    }
}

//= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
//= type=test
//# clients must not try to use the token after receipt of an HTTP 200 response
#[test]
fn unpairing_revokes_and_erases_and_says_so() {
    let mut b = Bench::paired();
    let (id, actions) = b.command(UNPAIR);
    let parting = keeps(1, Revocable::Refresh(refresh(1)), b.now);
    assert_eq!(actions, [Action::Write(Change::EraseTokens(id, parting))]);
    let seq = b.asks(Event::TokensErased(id, Ok(())), 1);
    assert_eq!(b.shows(), (State::Unpaired, Reason::None));
    assert_eq!(b.view().revocations_pending, 1);
    let erase = Change::EraseRevocation(RevocationId(1), Over::Confirmed);
    assert_eq!(b.on(Event::Revoked(seq, Ok(Revoked::Confirmed))), [Action::Write(erase)]);
    let actions = b.on(Event::RevocationErased(RevocationId(1), Ok(())));
    assert_eq!(b.ended(&actions, id), (Revocation::Revoked, String::new(), false));
    assert_eq!(b.view().revocations_pending, 0);
    let view = b.view();
    assert_eq!((view.device, view.refreshed_at, view.access_expires_at), (None, None, None));
    assert_eq!(b.rig.deadline(), None);
    assert_eq!(b.answer(UNPAIR), Ok(()), "again does no harm");
}

#[test]
fn unpairing_or_forgetting_while_refreshing_waits_and_revokes_the_new_token() {
    for forget in [false, true] {
        let mut b = Bench::paired();
        let seq = b.refresh_leaves();
        let (id, actions) = b.command(if forget { FORGET } else { UNPAIR });
        assert_eq!(actions, [], "the answer may hold the only token that can be revoked");
        let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
        let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
        let actions = b.on(Event::TokensSaved(seq, Ok(())));
        let parting = keeps(1, Revocable::Refresh(refresh(2)), b.now);
        let (erase, erased) = if forget {
            (Action::Write(Change::Forget(id, parting)), forgotten(id, "rig-8"))
        } else {
            (Action::Write(Change::EraseTokens(id, parting)), Event::TokensErased(id, Ok(())))
        };
        assert!(actions.contains(&erase), "{actions:?}");
        b.asks(erased, 1);
        let expected = if forget { State::Unprovisioned } else { State::Unpaired };
        assert_eq!(b.shows(), (expected, Reason::None));
        assert_eq!(b.view().client_id, if forget { "rig-8" } else { "rig-7" });
    }
}

#[test]
fn unpairing_when_new_tokens_cant_be_stored_does_not_wait_for_the_disk_for_ever() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let (id, actions) = b.command(UNPAIR);
    assert_eq!(actions, []);
    let erases =
        |actions: &[Action], id| matches!(actions, [Action::Write(Change::EraseTokens(to, _))] if *to == id);
    assert!(erases(&b.on(Event::TokensSaved(seq, Err(DiskError::Full))), id));
    b.after(3600);
    assert_eq!(b.on(Event::Timer), [], "no tokens are written behind the erasure");
    let full = [Action::Reply(Reply::Done(id, Err(Refusal::StorageFull)))];
    assert_eq!(b.on(Event::TokensErased(id, Err(DiskError::Full))), full);
    assert_eq!(b.shows().0, State::Paired, "nothing was changed");
    b.due();
    assert!(
        matches!(b.on(Event::Timer)[..], [Action::Write(Change::SaveTokens(..))]),
        "and the tokens are tried again"
    );

    let (id, _) = b.command(UNPAIR);
    let seq = Seq(seq.0 + 1);
    assert!(erases(&b.on(Event::TokensSaved(seq, Err(DiskError::Full))), id));
    b.asks(Event::TokensErased(id, Ok(())), 1);
}

#[test]
fn nothing_begins_while_an_erasure_is_on_its_way_to_the_disk() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let _ = b.on(Event::Refreshed(seq, Err(network())));
    let (id, actions) = b.command(UNPAIR);
    assert!(matches!(actions[..], [Action::Write(Change::EraseTokens(..))]));
    assert_eq!(b.rig.deadline(), None);
    b.after(HOUR);
    assert_eq!(b.on(Event::Timer), [], "a refresh now would leave a grant that nobody knows");
    assert_eq!(b.on(Event::Unauthorized(access(1))), []);
    let (start, actions) = b.command(START);
    assert_eq!(actions, [], "held back until the disk has answered");
    let seq = b.asks(Event::TokensErased(id, Ok(())), 1);
    let actions = b.on(Event::Revoked(seq, Err(network())));
    let [.., Action::Ask(Question::RequestCode(_))] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(b.view().state, State::RequestingCode);
    let (cancel, actions) = b.command(RigCommand::Cancel);
    assert!(actions.contains(&Action::Reply(Reply::Done(start, Err(Refusal::Cancelled)))));
    assert!(actions.contains(&Action::Reply(Reply::Done(cancel, Ok(())))));
}

#[test]
fn an_answer_who_we_are_is_not_written_behind_an_erasure() {
    let mut b = Bench::unpaired();
    let question = b.grant(1);
    let (id, _) = b.command(UNPAIR);
    assert_eq!(b.on(Event::Identified(question, Ok(device("one")))), []);
    let _ = b.on(Event::TokensErased(id, Err(DiskError::Full)));
    b.identified("one");
    assert_eq!(b.rig.access(), Some((&access(1), &device("one"))), "asked again where nothing was erased");
}

#[test]
fn a_rejected_client_is_tried_again_with_a_new_secret() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let refused = || TokenError::ClientRejected("invalid_client: who?".to_owned());
    assert_eq!(b.on(Event::Refreshed(seq, Err(refused()))), []);
    assert_eq!(b.shows(), (State::Paired, Reason::ClientRejected));
    assert_eq!(b.view().detail, "invalid_client: who?");
    let (id, _) = b.command(RigCommand::Provision(ClientSecret(Secret::new("s"))));
    let actions = b.on(provisioned(id, "rig-7", None));
    assert!(
        matches!(actions[..], [Action::Ask(Question::Refresh(..)), Action::Reply(..)]),
        "the mark is on disk already: {actions:?}"
    );
}

#[test]
fn a_project_that_was_named_is_not_lost_to_an_answer_that_names_none() {
    let mut b = Bench::paired();
    let known = b.rig.access().map(|(_, device)| device.project_id.clone());
    let seq = b.refresh_leaves();
    let saves = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = saves[..] else { panic!("{saves:?}") };
    let _ = b.on(Event::TokensSaved(seq, Ok(())));
    let nameless =
        DeviceInfo { nameless: true, project_id: "https://cloud".to_owned(), ..DeviceInfo::default() };
    let seq = b.question;
    let _ = b.on(Event::Identified(seq, Ok(nameless)));
    let _ = b.on(Event::DeviceSaved(seq, Ok(())));
    assert_eq!(b.rig.access().map(|(_, device)| device.project_id.clone()), known);
    assert!(known.is_some_and(|id| id != "https://cloud"));
}

#[test]
fn the_word_that_ended_a_grant_is_shown() {
    let mut b = Bench::paired();
    let seq = b.refresh_leaves();
    let word = "interaction_required: AADSTS50079".to_owned();
    let _ = b.on(Event::Refreshed(seq, Err(TokenError::InvalidGrant(word.clone()))));
    assert_eq!(b.shows(), (State::NeedsPairing, Reason::Revoked));
    assert_eq!(b.view().detail, word);
}

#[test]
fn a_pairing_that_ran_when_the_daemon_stopped_goes_on() {
    let code = CodeOnOffer { auth: auth(3), obtained: at(1) };
    let running = Running { code: Some(code), limit: None };
    let (b, actions) = Bench::load(Loaded { pairing: Some(running.clone()), ..usable() });
    assert_eq!(actions, []);
    assert_eq!(b.view().user_code, Some(auth(3).user_code));
    let (_, actions) = Bench::load(Loaded { pairing: Some(Running::default()), ..usable() });
    assert!(matches!(actions[..], [Action::Ask(Question::RequestCode(_))]));
    let unprovisioned = Loaded { pairing: Some(running.clone()), provisioned: false, ..usable() };
    assert_eq!(Bench::load(unprovisioned).1, []);
    let paired = Loaded { pairing: Some(running.clone()), tokens: Some((set(1), false)), ..usable() };
    assert!(matches!(Bench::load(paired).1[..], [Action::Ask(Question::Identify(..))]));
    let over = Running { limit: Some(TimeLimit { since: at(1), left: secs(5) }), ..running };
    let (b, actions) = Bench::load(Loaded { pairing: Some(over), ..usable() });
    assert_eq!(actions, [Action::Write(Change::ErasePairing)]);
    assert_eq!(b.shows(), (State::Unpaired, Reason::Expired));
}

#[test]
fn who_joins_a_pairing_with_a_limit_is_answered_and_tightens_it() {
    let mut b = Bench::unpaired();
    b.show_code();
    let (id, actions) = b.command(RigCommand::Start { limit: Some(secs(60)) });
    let limit = TimeLimit { since: b.now, left: secs(60) };
    assert_eq!(
        actions,
        [Action::Write(Change::NotePairing(Some(limit), None)), Action::Reply(Reply::Done(id, Ok(())))]
    );
    let (id, actions) = b.command(RigCommand::Start { limit: Some(secs(90)) });
    assert_eq!(actions, [Action::Reply(Reply::Done(id, Ok(())))]);
}

#[test]
fn a_stop_waits_for_tokens_and_for_what_may_bring_them() {
    let mut b = Bench::unpaired();
    b.show_code();
    assert!(!b.rig.busy());
    b.poll();
    assert!(b.rig.busy(), "the answer to a poll is given only once");
    let mut b = Bench::paired();
    assert!(!b.rig.busy());
    let seq = b.refresh_leaves();
    assert!(b.rig.busy());
    let actions = b.on(Event::Refreshed(seq, Ok(response(2))));
    let [Action::Write(Change::SaveTokens(seq, _))] = actions[..] else { panic!("{actions:?}") };
    let _ = b.on(Event::TokensSaved(seq, Err(DiskError::Full)));
    assert!(b.rig.busy());
}

#[test]
fn an_upload_that_reaches_nobody_shows_a_rig_without_a_cloud_and_still_paired() {
    let mut b = Bench::paired();
    let _ = b.on(Event::Accepted(set(1).access));
    assert!(b.view().online);
    assert_eq!(b.on(Event::Unreached(Cause::Network)), []);
    assert!(!b.view().online);
    assert_eq!(b.shows().0, State::Paired);
    assert_eq!(b.on(Event::Unreached(Cause::Provider)), []);
    assert!(b.view().online, "an error of the provider's own comes from the provider");
}
