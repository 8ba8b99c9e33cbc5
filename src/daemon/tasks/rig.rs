//! The rig's identity and tokens: drives [`Rig`] against the provider, the store and the people.
mod publish;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::http::Transport;
use crate::link::{DEPTH, Reply, ToRig};
use crate::tasks::delivery::{Deliverer, bound};
use crate::tasks::deps::{Deps, too_many};
use crate::tasks::exchange::exchange;
use crate::tasks::presence::SocketWish;
use crate::tasks::revocation;
use rigpost_core::command::{Ended, ProofOptions, Refusal};
use rigpost_core::disk::DiskError;
use rigpost_core::identity::rig::{
    self, AccessId, Action, Change, CommandId, Event, Provisioned, Question, Rig,
};
use rigpost_core::oauth::{AccessToken, Cause, DeviceInfo, SignIn, TokenError, Trouble};
use rigpost_core::provider::exchange::Step;
use rigpost_core::provider::proof::Subject;
use rigpost_core::provider::wire::{Connection, trouble};
use rigpost_core::provider::{Client, Provider};
use rigpost_core::queue::schedule::Access;
use rigpost_core::time::BootTime;
use rigpost_core::view::RigView;

/// How soon a disk that was of no use is looked at again. The timer is there only while it is: a rig that works is never
/// woken for it.
const LOAD_AGAIN: Duration = Duration::from_secs(2);

/// What a future came back with.
struct Done {
    event: Option<Event>,
    date: Option<i64>,
    from_disk: bool,
    /// Who we are to the provider from now on, where that changed.
    client: Option<Option<Client>>,
}

impl Done {
    const NOTHING: Done = Done { event: None, date: None, from_disk: false, client: None };
}

/// The task's ends of the channels.
pub struct RigLinks {
    /// What it is asked and told.
    pub inbox: mpsc::Receiver<ToRig>,
    /// The snapshot.
    pub view: watch::Sender<RigView>,
    /// What calls for clips may carry.
    pub access: watch::Sender<Option<Access>>,
    /// The socket that there is to be.
    pub socket: watch::Sender<Option<SocketWish>>,
    /// What the rig is signed in with.
    pub sign_in: watch::Sender<Option<SignIn>>,
}

/// The task. Everything it needs is given to it; everything it says goes out through the watches.
pub struct RigTask<T> {
    rig: Rig,
    client: Option<Client>,
    deps: Deps<T>,
    inbox: mpsc::Receiver<ToRig>,
    view: watch::Sender<RigView>,
    access: watch::Sender<Option<Access>>,
    socket: watch::Sender<Option<SocketWish>>,
    sign_in: watch::Sender<Option<SignIn>>,
    /// Who waits for what, by the machine's numbers.
    commanders: BTreeMap<CommandId, Reply<Option<Ended>>>,
    programs: BTreeMap<AccessId, Reply<(AccessToken, BootTime)>>,
    /// Answers that go out with the next snapshot: whoever hears one finds the rig as it says.
    answers: Vec<rig::Reply>,
    asked: u64,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Cancelled when the revocations that are under way are given up.
    revoking: CancellationToken,
    disk_queue: VecDeque<Change>,
    disk_busy: bool,
    /// The disk was of no use: everything is read again then.
    load_at: Option<BootTime>,
    /// It was the last time that it was looked at.
    load_waits: bool,
    /// That the grant has ended is on its way to the disk. Told before that, a crash would give it another reason.
    ending: bool,
    /// What was odd about the last answer to who we are.
    noted: String,
}

impl<T: Transport> RigTask<T> {
    /// Nothing happens before [`RigTask::run`].
    pub fn new(deps: Deps<T>, rig: Rig, links: RigLinks) -> RigTask<T> {
        let RigLinks { inbox, view, access, socket, sign_in } = links;
        RigTask {
            rig,
            client: None,
            deps,
            inbox,
            view,
            access,
            socket,
            sign_in,
            commanders: BTreeMap::new(),
            programs: BTreeMap::new(),
            answers: Vec::new(),
            asked: 0,
            running: FuturesUnordered::new(),
            revoking: CancellationToken::new(),
            disk_queue: VecDeque::new(),
            disk_busy: false,
            load_at: None,
            load_waits: false,
            ending: false,
            noted: String::new(),
        }
    }

    /// Runs until `stop`. What may bring tokens, and tokens on their way to the disk, are seen through first; whoever
    /// stops us bounds that wait.
    pub async fn run(mut self, stop: CancellationToken) {
        let loaded = load(self.deps.clone()).await;
        self.done(loaded);
        let clock = self.deps.clock.clone();
        let mut stepped = Box::pin(clock.stepped());
        loop {
            let idle = !self.rig.busy() && !self.disk_busy;
            tokio::select! {
                biased;
                () = stop.cancelled(), if idle => return self.wind_up(),
                Some(done) = self.running.next() => self.done(done),
                Some(message) = self.inbox.recv() => self.message(message),
                () = self.deps.clock.sleep_until_some(self.load_at), if !self.disk_busy => self.load_again(),
                () = self.deps.clock.sleep_until_some(self.rig.deadline()), if !idle || !stop.is_cancelled() => {
                    self.event(Event::Timer);
                }
                () = &mut stepped => {
                    stepped = Box::pin(clock.stepped());
                    self.event(Event::ClockStepped);
                }
            }
        }
    }

    /// Whoever waits for the provider's word is told how it stands. What was not begun is refused as such. Whoever was
    /// heard and has no answer yet learns that from their silent channel.
    fn wind_up(mut self) {
        for action in self.rig.stop() {
            self.perform(action);
        }
        self.publish();
        self.inbox.close();
        while let Ok(message) = self.inbox.try_recv() {
            match message {
                ToRig::Do(_, reply) => tell(Some(reply), Err(Refusal::Stopping)),
                ToRig::Access(_, reply) => tell(Some(reply), Err(Refusal::Stopping)),
                ToRig::Prove(_, reply) => tell(Some(reply), Err(Refusal::Stopping)),
                ToRig::Ping(reply) => drop(reply.send(())),
                ToRig::Unauthorized(_)
                | ToRig::Renew(_)
                | ToRig::Accepted(_)
                | ToRig::Unreached(_)
                | ToRig::ServerDate(_)
                | ToRig::Sends(_)
                | ToRig::Socket(..)
                | ToRig::Watched
                | ToRig::NetworkUp => {}
            }
        }
    }

    fn done(&mut self, done: Done) {
        self.disk_busy &= !done.from_disk;
        self.ending &= !done.from_disk;
        if let Some(date) = done.date {
            self.step(Event::ServerDate(date));
        }
        // A new secret is known before what it makes possible; a forgotten one only after its last use, the revocation.
        let forgotten = matches!(done.client, Some(None));
        if matches!(done.event, Some(Event::Forgotten(_, Ok(_)))) {
            self.deps.prover.forget();
        }
        if let Some(Some(client)) = done.client {
            self.client = Some(client);
        }
        match &done.event {
            Some(Event::Loaded(loaded, _)) => {
                self.looked(loaded.unusable.as_ref().is_some_and(DiskError::may_pass));
            }
            // Whoever provisions has everything read, too.
            Some(Event::SecretSaved(_, Ok(Provisioned { mended: Some(_), .. }))) => self.looked(false),
            // Trouble on the way may have left more than the machine knows of.
            Some(Event::SecretSaved(_, Err(_))) if self.rig.is_unusable() => self.looked(true),
            Some(Event::Identified(_, answer) | Event::Known(_, answer)) => self.note(answer.as_ref()),
            Some(_) | None => {}
        }
        match done.event {
            Some(event) => self.event(event),
            None => {
                self.next_write();
                self.publish();
            }
        }
        self.keep_news();
        if self.running.is_empty() && !self.rig.pairing() {
            self.deps.transport.rest(Connection::Fresh);
        }
        if forgotten {
            self.client = None;
        }
    }

    /// What is odd about who we are to the provider, once.
    fn note(&mut self, answer: Result<&DeviceInfo, &TokenError>) {
        let note = match answer {
            Ok(info) => info.note.clone(),
            Err(TokenError::Rejected(why)) => why.clone(),
            Err(_) => return,
        };
        if !note.is_empty() && note != self.noted {
            warn!("who this rig is to the provider: {note}");
        }
        self.noted = note;
    }

    fn message(&mut self, message: ToRig) {
        let is_full = self.commanders.len() + self.programs.len() >= DEPTH;
        match message {
            ToRig::Do(_, reply) if is_full => tell(Some(reply), Err(too_many())),
            ToRig::Access(_, reply) if is_full => tell(Some(reply), Err(too_many())),
            ToRig::Do(command, reply) => {
                self.asked += 1;
                let id = CommandId(self.asked);
                self.commanders.insert(id, reply);
                self.event(Event::Command(id, command));
            }
            ToRig::Access(options, reply) => {
                self.asked += 1;
                let id = AccessId(self.asked);
                self.programs.insert(id, reply);
                self.event(Event::Access(id, options));
            }
            ToRig::Prove(_, reply) if self.running.len() >= DEPTH => tell(Some(reply), Err(too_many())),
            ToRig::Prove(options, reply) => self.prove(options, reply),
            ToRig::Unauthorized(token) => self.event(Event::Unauthorized(token)),
            ToRig::Renew(token) => self.event(Event::Renew(token)),
            ToRig::Accepted(token) => self.event(Event::Accepted(token)),
            ToRig::Unreached(cause) => self.event(Event::Unreached(cause)),
            ToRig::ServerDate(date) => self.event(Event::ServerDate(date)),
            ToRig::Sends(sending) => self.event(Event::Sends(sending)),
            ToRig::Socket(seq, news) => self.event(Event::Socket(seq, news)),
            ToRig::Watched => self.event(Event::Watched),
            ToRig::NetworkUp => self.event(Event::NetworkUp),
            ToRig::Ping(reply) => drop(reply.send(())),
        }
    }

    fn event(&mut self, event: Event) {
        self.step(event);
        self.next_write();
        self.publish();
    }

    fn step(&mut self, event: Event) {
        for action in self.rig.on(event, self.deps.clock.now()) {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Ask(question) => self.question(question),
            Action::Write(change) => self.disk_queue.push_back(change),
            Action::Reply(answer) => self.answers.push(answer),
        }
    }

    fn question(&mut self, question: Question) {
        match question {
            Question::RequestCode(seq) => {
                let step = self.as_client(Provider::device_authorization);
                self.ask(step, move |answer| Event::Code(seq, answer));
            }
            Question::Poll(seq, code) => {
                let step = self.as_client(|p, client| p.device_token(client, &code));
                self.ask(step, move |answer| Event::Polled(seq, answer));
            }
            Question::Refresh(seq, renewal) => {
                let step = self.as_client(|p, client| p.refresh(client, &renewal));
                self.ask(step, move |answer| Event::Refreshed(seq, answer));
            }
            Question::Identify(seq, question) => {
                let step = self.deps.provider.identify(question);
                let binding = self.deps.delivery.as_ref().and_then(Deliverer::binding);
                let asked = matches!(step, Step::Ask(..));
                self.ask(step, move |answer| {
                    let answer = answer.map(|info| bound(info, binding));
                    if asked { Event::Identified(seq, answer) } else { Event::Known(seq, answer) }
                });
            }
            Question::Beat(seq, token) => {
                let step = self.deps.provider.heartbeat(&token);
                self.ask(step, move |answer| Event::Beaten(seq, answer));
            }
            Question::OpenSocket(seq, token, names) => {
                self.socket.send_replace(Some(SocketWish { seq, token, names }));
            }
            Question::CloseSocket => drop(self.socket.send_replace(None)),
            Question::Revoke(seq, id) => {
                let (deps, current) = (self.deps.clone(), self.client.clone());
                let given_up = self.revoking.clone();
                self.running.push(Box::pin(async move {
                    let answer = given_up.run_until_cancelled(revocation::ask(&deps, current, id)).await;
                    let (answer, date) = answer.map_or((None, None), |(answer, date)| (Some(answer), date));
                    let event = answer.map(|answer| Event::Revoked(seq, answer));
                    Done { event, date, from_disk: false, client: None }
                }));
            }
            Question::StopRevoking => std::mem::take(&mut self.revoking).cancel(),
        }
        self.renew();
    }

    /// Beside what somebody waits for, and nobody waits for it: what the provider says of itself is asked for anew.
    fn renew(&mut self) {
        let Some(step) = self.deps.provider.renewal(self.deps.clock.now()) else { return };
        let Deps { transport, prover, .. } = self.deps.clone();
        self.running.push(Box::pin(async move {
            let _ = exchange(transport.as_ref(), &prover, step).await;
            Done::NOTHING
        }));
    }

    /// What it has said is written down for the next start.
    fn keep_news(&mut self) {
        let news = self.deps.provider.news(self.deps.clock.now());
        if news.is_empty() {
            return;
        }
        let store = self.deps.store.clone();
        self.running.push(Box::pin(async move {
            match store.keep_issuer(news).await {
                Ok(()) => debug!("what the provider says of itself is kept"),
                // At worst it is asked for again.
                Err(e) => debug!("what the provider says of itself can't be kept: {e}"),
            }
            Done::NOTHING
        }));
    }

    /// What only a client with its secret can ask.
    fn as_client<V>(&self, ask: impl FnOnce(&Provider, &Client) -> Step<V>) -> Step<V> {
        match &self.client {
            Some(client) => ask(&self.deps.provider, client),
            None => Step::Done(Err(TokenError::Transient(Trouble {
                maybe_applied: false,
                ..trouble(Cause::Provider, "there is no client secret", None)
            }))),
        }
    }

    fn ask<V: Send + 'static>(
        &mut self,
        step: Step<V>,
        read: impl FnOnce(Result<V, TokenError>) -> Event + Send + 'static,
    ) {
        let Deps { transport, provider, prover, .. } = self.deps.clone();
        self.running.push(Box::pin(async move {
            let (answer, date) = exchange(transport.as_ref(), &prover, step).await;
            if matches!(answer, Err(TokenError::Transient(_))) {
                provider.doubt();
            }
            Done { event: Some(read(answer)), date, from_disk: false, client: None }
        }));
    }

    /// Answers with a proof for the token in force.
    fn prove(&mut self, options: ProofOptions, reply: Reply<String>) {
        let (access, key) = match self.rig.bound_token() {
            Ok((access, key)) => (access.clone(), key.clone()),
            Err(refusal) => return tell(Some(reply), Err(refusal)),
        };
        let prover = self.deps.prover.clone();
        self.running.push(Box::pin(async move {
            let ProofOptions { method, url, nonce } = options;
            let (access, nonce) = (Some(&access), nonce.as_deref());
            let subject = Subject { method: &method, url: &url, access, nonce };
            let proof = prover.proof(Some(&key), false, subject).await;
            tell(Some(reply), proof.map(|(_, proof)| proof).map_err(Refusal::SecretUnavailable));
            Done::NOTHING
        }));
    }

    fn next_write(&mut self) {
        if self.disk_busy {
            return;
        }
        let Some(change) = self.disk_queue.pop_front() else { return };
        self.disk_busy = true;
        self.ending = matches!(change, Change::EndGrant(_));
        let (store, boot) = (self.deps.store.clone(), self.deps.clock.now().boot_id);
        self.running.push(Box::pin(async move {
            let (event, client) = store.write(change, boot).await;
            Done { event, date: None, from_disk: true, client }
        }));
    }

    /// Everything was read, or could not be: then it is read again soon.
    fn looked(&mut self, again: bool) {
        self.load_at = again.then(|| self.deps.clock.now().boot + LOAD_AGAIN);
        if std::mem::replace(&mut self.load_waits, again) && !again {
            // The queue can be read again, too: whoever shows it looks at it.
            self.access.send_modify(|_| ());
        }
    }

    fn load_again(&mut self) {
        (self.load_at, self.disk_busy) = (None, true);
        self.running.push(Box::pin(load(self.deps.clone())));
    }
}

fn tell<R>(reply: Option<Reply<R>>, answer: Result<R, Refusal>) {
    if let Some(reply) = reply {
        // Nobody waits any more: their bus connection went away.
        let _ = reply.send(answer);
    }
}

/// Everything that is on disk, and who we are by that.
async fn load<T>(deps: Deps<T>) -> Done {
    let (store, now) = (&deps.store, deps.clock.now());
    let (mut loaded, protection, client, said) = store.load().await;
    loaded.boot_wall = store.boot_wall(now.boot_id).await.unwrap_or_default();
    deps.provider.remember(said, now);
    let event = Some(Event::Loaded(Box::new(loaded), protection));
    Done { event, date: None, from_disk: true, client: Some(client) }
}
