#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it waits for")]
mod access;
mod disk;
mod ending;
mod grant;
mod pairing;
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
use crate::identity::rig::state::Presence;
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
    Event::Forgotten(
        id,
        Ok(Fresh { client_id: client_id.to_owned(), provisioned: false, storage_key: false }),
    )
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
        Bench::with(Presence { heartbeat, ..Presence::default() })
    }

    fn with(presence: Presence) -> Bench {
        let rig = Rig::new(ProviderKind::Frameio, 1, FLOOR, presence);
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
