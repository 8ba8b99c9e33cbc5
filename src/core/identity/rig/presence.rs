//! The rig in the provider's eyes, and the world in the rig's: who we are, that we are there, whether the way is open, and
//! what time it really is.
use std::time::Duration;

use crate::identity::rig::action::{Action, Change, Question};
use crate::identity::rig::state::Rig;
use crate::identity::socket::{self, SocketNews};
use crate::identity::{heartbeat, tokens, whoami};
use crate::oauth::{AccessToken, Cause, DeviceInfo, DeviceStatus, Identify, TokenError, TokenSet, Wanting};
use crate::provider::SocketEnd;
use crate::queue::ledger::BootWall;
use crate::seq::Seq;
use crate::time::{Now, WallTime};

/// However often a network comes and goes, waits are cut short no more often than this.
const HURRY_GAP: Duration = Duration::from_secs(5);
/// All rigs of a set see the same router come back.
const HURRY_SPREAD: Duration = Duration::from_secs(2);

impl Rig {
    fn question(&mut self, token: AccessToken, now: Now) -> Identify {
        let tokens = self.life.tokens();
        let key = tokens.and_then(TokenSet::access_key).cloned();
        let age = tokens.and_then(|t| now.age_of(t.obtained)).filter(|_| self.clock_trusted(now));
        let came = age.map(|age| WallTime(now.wall.0 - i64::try_from(age.as_secs()).unwrap_or(0)));
        let fresh = tokens.and_then(|t| t.id_token.clone()).map(|id_token| (id_token, came));
        match self.whoami.statement(fresh) {
            Some((id_token, came)) => Identify { token, key, id_token: Some(id_token), came },
            None => Identify { token, key, id_token: None, came },
        }
    }

    /// The answer who we are. `asked`: by the provider itself, just now.
    pub(super) fn identified(
        &mut self,
        seq: Seq,
        mut answer: Result<DeviceInfo, TokenError>,
        asked: bool,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        if let Ok(info) = &mut answer {
            // What is known is of this grant, so it holds until an answer says it anew, and for certain.
            let says = !info.authorized_by.is_empty() && info.wanting == Wanting::Nothing;
            let known = self.device.as_ref().filter(|known| !says && !known.authorized_by.is_empty());
            if let Some(known) = known {
                info.authorized_by.clone_from(&known.authorized_by);
            }
            // And so does the project, where the answer names none.
            if let (true, Some(known)) = (info.nameless, self.device.as_ref().filter(|known| !known.nameless))
            {
                info.project_id.clone_from(&known.project_id);
                info.project_name.clone_from(&known.project_name);
                info.nameless = false;
            }
            // First of all: what follows from the answer may be a reason to look, were this one not counted.
            self.heartbeat.looked(info.status == DeviceStatus::Paused, now);
        }
        let mut actions = self.whoami.answered(seq, answer, self.device.as_ref(), now);
        actions.retain(|action| asked || !matches!(action, whoami::Action::Accepted(_)));
        self.identify(actions, now, out);
    }

    pub(super) fn identify(&mut self, actions: Vec<whoami::Action>, now: Now, out: &mut Vec<Action>) {
        for action in actions {
            match action {
                whoami::Action::Ask(seq, token) => {
                    let question = self.question(token, now);
                    out.push(Action::Ask(Question::Identify(seq, question)));
                }
                whoami::Action::Save(seq, info) => out.push(Action::Write(Change::SaveDevice(seq, info))),
                whoami::Action::Known(info) => self.device = Some(info),
                whoami::Action::Unauthorized(token) => {
                    self.live(tokens::Event::Unauthorized(token), now, out)
                }
                whoami::Action::Accepted(token) => self.accepted(token, now, out),
            }
        }
    }

    pub(super) fn beat(&mut self, actions: Vec<heartbeat::Action>, now: Now, out: &mut Vec<Action>) {
        for action in actions {
            match action {
                heartbeat::Action::Beat(seq, token) => out.push(Action::Ask(Question::Beat(seq, token))),
                heartbeat::Action::Look => self.look(now, out),
                heartbeat::Action::Unauthorized(token) => {
                    self.live(tokens::Event::Unauthorized(token), now, out);
                }
                heartbeat::Action::Accepted(token) => self.live(tokens::Event::Accepted(token), now, out),
            }
        }
    }

    /// How the project sees the rig is asked anew.
    fn look(&mut self, now: Now, out: &mut Vec<Action>) {
        if let Some(token) = self.life.access_token().filter(|_| self.may_beat()) {
            let actions = self.whoami.look(token);
            self.identify(actions, now, out);
        }
    }

    /// After every event: whether there is to be a socket.
    pub(super) fn hold_socket(&mut self, now: Now, out: &mut Vec<Action>) {
        let named = |(_, device): &(&AccessToken, &DeviceInfo)| !device.names.is_empty();
        let token = self.access().filter(named).map(|(token, _)| token.clone());
        let (token, may_look) = (token.filter(|_| self.may_beat()), self.may_beat() && self.whoami.is_idle());
        let actions = self.socket.turn(token.as_ref(), may_look, now);
        self.perform_socket(actions, now, out);
    }

    fn perform_socket(&mut self, actions: Vec<socket::Action>, now: Now, out: &mut Vec<Action>) {
        for action in actions {
            match action {
                socket::Action::Open(seq, token) => {
                    let names = self.device.as_ref().map(|device| device.names.clone()).unwrap_or_default();
                    out.push(Action::Ask(Question::OpenSocket(seq, token, names)));
                }
                socket::Action::Close => out.push(Action::Ask(Question::CloseSocket)),
                socket::Action::Look => self.look(now, out),
            }
        }
    }

    pub(super) fn socket_news(&mut self, seq: Seq, news: SocketNews, now: Now) {
        match &news {
            SocketNews::Joined | SocketNews::Updated | SocketNews::Over(SocketEnd::Refused(_)) => {
                self.online = true;
            }
            SocketNews::Over(SocketEnd::Trouble(_)) => {}
        }
        self.socket.news(seq, news, now);
    }

    /// There is no grant any more, or it is about to end.
    pub(super) fn stop_presence(&mut self, now: Now, out: &mut Vec<Action>) {
        self.grants += 1;
        self.whoami.stop();
        self.heartbeat.stop();
        let actions = self.socket.stop();
        self.perform_socket(actions, now, out);
    }

    /// Not beside a refresh: the token it replaces may be dead already, and the refresh itself is heard.
    pub(super) fn may_beat(&self) -> bool {
        self.erasing == 0 && !self.life.busy()
    }

    /// A call that carried this token was accepted.
    pub(super) fn accepted(&mut self, used: AccessToken, now: Now, out: &mut Vec<Action>) {
        self.live(tokens::Event::Accepted(used.clone()), now, out);
        self.heard(&used, now, out);
    }

    /// The provider has heard from us.
    pub(super) fn heard(&mut self, used: &AccessToken, now: Now, out: &mut Vec<Action>) {
        if self.erasing == 0 && self.life.access_token() == Some(used) {
            let actions = self.heartbeat.heard(now);
            self.beat(actions, now, out);
        }
    }

    /// Some troubles may be over: what waits because of one of those is tried soon, and what fails after all begins with
    /// short waits again.
    pub(super) fn hurry(&mut self, over: impl Fn(Cause) -> bool, now: Now) {
        let from = match self.hurried {
            Some(ahead) if ahead >= now.boot => ahead,
            Some(last) => now.boot.max(last + HURRY_GAP),
            None => now.boot,
        };
        self.hurried = Some(from);
        let at = from + HURRY_SPREAD.mul_f64(self.jitter.unit());
        self.pairing.hurry(at, &over);
        self.life.hurry(at, &over);
        self.whoami.hurry(at, &over);
        self.heartbeat.hurry(at, &over);
        self.socket.hurry(at, &over);
        if over(Cause::Network) {
            self.revocations.hurry(at);
        }
    }

    /// What this boot's true clock is goes into the ledger, as soon as it is known and whenever it proves to be another.
    /// Not while nothing can be kept: whoever reads the store then begins with it.
    pub(super) fn note_boot(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.unusable.is_some() {
            return;
        }
        let truth = match self.server_date {
            Some((date, read)) if WallTime(date) >= self.clock_floor => {
                Some(BootWall::from_moment(Now { boot: read, ..now }, WallTime(date)))
            }
            Some(_) | None => (now.wall >= self.clock_floor).then(|| BootWall::from_moment(now, now.wall)),
        };
        out.extend(
            truth.and_then(|truth| self.boot.look(truth)).map(|wall| Action::Write(Change::NoteBoot(wall))),
        );
    }

    /// Every answer tells whether the provider itself is there.
    pub(super) fn note<T>(&mut self, answer: &Result<T, TokenError>) {
        match answer {
            Err(TokenError::Transient(t)) => self.note_trouble(t.cause),
            Ok(_) | Err(_) => self.online = true,
        }
    }

    pub(super) fn note_trouble(&mut self, cause: Cause) {
        self.online = !cause.is_of_the_way();
    }
}
