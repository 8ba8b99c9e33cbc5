//! The rig's task against a provider that spends a refresh token the moment it is used, in virtual time and on a real disk.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::http::{PutError, Transport};
use crate::link::{DEPTH, ToQueue, ToRig};
use crate::media::{FdStore, Kept, Pacer, PartBody, Workers};
use crate::store::{ClientKind, Limits, Location, Store};
use crate::tasks::{
    Channels, CommentsDue, Deliverer, Deps, Intake, Lines, RigLinks, RigTask, UploadSettings, UploadTask,
};
use crate::vault::KeySource;
use rigpost_contract::ending::Revocation;
use rigpost_contract::provider::ProviderKind;
use rigpost_core::command::{Asking, QueueCommand, Refusal, RigCommand};
use rigpost_core::identity::rig::{Presence, Rig};
use rigpost_core::oauth::{Cause, ClientSecret, Trouble};
use rigpost_core::provider::wire::{Authorization, Body, Method, PartRequest, Request, Response, trouble};
use rigpost_core::provider::{FrameIo, Provider, ProviderKey};
use rigpost_core::queue::class::Classes;
use rigpost_core::queue::item::BeforePairing;
use rigpost_core::queue::schedule::Access;
use rigpost_core::secret::Secret;
use rigpost_core::time::WallTime;
use rigpost_core::view::{Protection, QueueView, Reason, RigView, State};

const LIFE: Duration = Duration::from_secs(8 * 3600);
const BEAT: Duration = Duration::from_secs(120);
const DAY: Duration = Duration::from_secs(86_400);

#[expect(clippy::disallowed_methods, reason = "virtual time, which never sleeps through a suspend")]
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// What the provider knows, and what it has seen.
struct Books {
    current: u32,
    issued: Instant,
    refreshes: u32,
    refresh_requests: u32,
    in_flight: u32,
    /// Of the last call that was accepted, and the longest silence between two.
    heard: Option<Instant>,
    silence: Duration,
    beats: u32,
    looks: u32,
    paused: bool,
    revoked: Vec<String>,
}

/// A provider that rotates strictly: only the newest refresh token is good, and only once.
struct Cloud {
    store: Store,
    books: Mutex<Books>,
    /// Every refresh waits for a permit before it is answered.
    gate: Semaphore,
    /// Every seventh refresh fails.
    failing: bool,
}

fn field(request: &Request, name: &str) -> String {
    match &request.body {
        Body::Multipart(fields) | Body::Form(fields) => {
            fields.iter().find(|(n, _)| *n == name).map(|(_, v)| v.expose().to_owned()).unwrap_or_default()
        }
        Body::Empty | Body::Json(_) | Body::Xml(_) => String::new(),
    }
}

fn answer(status: u16, body: impl Into<String>) -> Result<Response, Trouble> {
    let body = body.into().into_bytes().into();
    Ok(Response { status, content_type: "application/json".to_owned(), body, ..Response::default() })
}

impl Cloud {
    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    fn issue(&self) -> Result<Response, Trouble> {
        let mut books = self.books();
        books.current += 1;
        books.issued = Instant::now();
        let n = books.current;
        answer(200, format!(r#"{{"access_token":"a{n}","refresh_token":"r{n}","expires_in":28800}}"#))
    }

    /// An API call, which must carry the newest token.
    fn heard(&self, request: Request) {
        let mut books = self.books();
        let Some(Authorization::Bearer(token)) = request.authorization else { panic!("no token") };
        let bearer = token.expose();
        assert_eq!(bearer, format!("a{}", books.current), "a token that is not the newest");
        let silence = books.heard.map(|at| at.elapsed()).unwrap_or_default();
        (books.heard, books.silence) = (Some(Instant::now()), books.silence.max(silence));
    }

    async fn refresh(&self, request: &Request) -> Result<Response, Trouble> {
        let presented = field(request, "refresh_token");
        let request_number = {
            let mut books = self.books();
            books.refresh_requests += 1;
            books.in_flight += 1;
            assert_eq!(books.in_flight, 1, "two refreshes in flight");
            assert!(books.issued.elapsed() < LIFE, "the access token ran out before it was refreshed");
            books.refresh_requests
        };
        let (loaded, ..) = self.store.load().await;
        let (on_disk, marked) = loaded.tokens.expect("tokens on disk");
        assert!(marked, "a refresh left before its mark was on disk");
        assert_eq!(on_disk.refresh.map(|t| t.expose().to_owned()), Some(presented.clone()));
        self.gate.acquire().await.unwrap().forget();
        pass(Duration::from_secs(2)).await;
        self.books().in_flight -= 1;
        if self.failing && request_number.is_multiple_of(7) {
            return match request_number % 3 {
                0 => answer(503, "<html>busy</html>"),
                // The way broke before the request arrived; the rig can't know that.
                1 => Err(trouble(Cause::Network, "connection reset", None)),
                _ => {
                    pass(Duration::from_secs(18)).await;
                    Err(trouble(Cause::Network, "no answer in time", None))
                }
            };
        }
        if presented != format!("r{}", self.books().current) {
            return answer(400, r#"{"error":"invalid_request"}"#);
        }
        self.books().refreshes += 1;
        self.issue()
    }
}

impl Transport for Cloud {
    async fn send(&self, request: Request) -> Result<Response, Trouble> {
        pass(Duration::from_millis(300)).await;
        match request.name {
            "device code" => {
                answer(200, r#"{"device_code":"d","user_code":"012345","expires_in":120,"interval":5}"#)
            }
            "token poll" => self.issue(),
            "token refresh" => self.refresh(&request).await,
            "token revocation" => {
                self.books().revoked.push(field(&request, "token"));
                answer(200, r#"{"success":true}"#)
            }
            "device identity" => {
                self.heard(request);
                self.books().looks += 1;
                let status = if self.books().paused { "paused" } else { "online" };
                let me = r#"{"project_id":"p1","project":{"name":"Spring"},"name":"Rig","status":""#;
                answer(200, format!("{me}{status}\"}}"))
            }
            "heartbeat" => {
                assert!(request.method == Method::Post && request.body == Body::Empty);
                self.heard(request);
                self.books().beats += 1;
                answer(204, "")
            }
            other => panic!("not asked for here: {other}"),
        }
    }

    async fn put(&self, _: PartRequest, _: u64, _: PartBody) -> Result<Response, PutError> {
        panic!("the rig's task sends no clips")
    }

    fn rest(&self, _: rigpost_core::provider::wire::Connection) {}
}

/// The task at work.
struct Bench {
    cloud: Arc<Cloud>,
    store: Store,
    to: mpsc::Sender<ToRig>,
    view: watch::Receiver<RigView>,
    access: watch::Receiver<Option<Access>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _dir: TempDir,
}

fn nothing() -> RigView {
    Rig::new(ProviderKind::Frameio, 0, WallTime(0), Presence::default())
        .view(rigpost_core::time::Now::default())
}

fn clips<T>() -> Option<Deliverer<T>> {
    provider().clips().cloned().map(Deliverer::FrameIo)
}

fn provider() -> Provider {
    Provider::FrameIo(FrameIo {
        base_url: "https://api.example.com".parse().unwrap(),
        client_version: "1.0.0".to_owned(),
        url_pairing: true,
        secret_on_poll: false,
    })
}

impl Bench {
    fn start(failing: bool) -> Bench {
        Bench::start_in(tempfile::tempdir().unwrap(), failing)
    }

    fn start_in(dir: TempDir, failing: bool) -> Bench {
        let clock = Clock::Virtual { epoch: Instant::now(), wall: 1_790_000_000 };
        let location = Location {
            dir: dir.path().join("state"),
            key: KeySource::File { path: dir.path().join("key") },
            client_id: None,
            provider: ProviderKey::frameio(&"https://api.example.com".parse().unwrap()),
            client: ClientKind::default(),
        };
        let store = Store::at(location, clock.clone());
        let books = Books {
            current: 0,
            issued: Instant::now(),
            refreshes: 0,
            refresh_requests: 0,
            in_flight: 0,
            heard: None,
            silence: Duration::ZERO,
            beats: 0,
            looks: 0,
            paused: false,
            revoked: vec![],
        };
        let gate = Semaphore::new(Semaphore::MAX_PERMITS);
        let cloud = Arc::new(Cloud { store: store.clone(), books: Mutex::new(books), gate, failing });
        let provider = provider();
        let (to, inbox) = mpsc::channel(8);
        let (view_out, view) = watch::channel(nothing());
        let (access_out, access) = watch::channel(None);
        let rig = Rig::new(
            ProviderKind::Frameio,
            7,
            WallTime(0),
            Presence { heartbeat: Some(BEAT), ..Presence::default() },
        );
        let deps = Deps::new(provider, clips(), cloud.clone(), store.clone(), clock);
        let links = RigLinks {
            inbox,
            view: view_out,
            access: access_out,
            socket: watch::channel(None).0,
            sign_in: watch::channel(None).0,
        };
        let rig_task = RigTask::new(deps, rig, links);
        let stop = CancellationToken::new();
        let task = tokio::spawn(rig_task.run(stop.clone()));
        Bench { cloud, store, to, view, access, stop, task, _dir: dir }
    }

    async fn ask(&self, command: RigCommand) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        self.to.send(ToRig::Do(command, reply)).await.unwrap();
        answer.await.unwrap().map(drop)
    }

    async fn paired(failing: bool) -> Bench {
        let mut b = Bench::start(failing);
        let secret = ClientSecret(Secret::new("model-secret"));
        assert_eq!(b.ask(RigCommand::Provision(secret)).await, Ok(()));
        assert_eq!(b.ask(RigCommand::Start { limit: None }).await, Ok(()));
        b.access.wait_for(Option::is_some).await.unwrap();
        assert_eq!(b.view.borrow().state, State::Paired);
        b
    }

    /// What the disk holds: the refresh token, and whether a refresh was marked.
    async fn on_disk(&self) -> Option<(String, bool)> {
        let (loaded, ..) = self.store.load().await;
        let (tokens, marked) = loaded.tokens?;
        Some((tokens.refresh?.expose().to_owned(), marked))
    }
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "how long the test itself takes")]
async fn a_month_of_refreshes() {
    let began = std::time::Instant::now();
    let b = Bench::paired(true).await;
    let mut view = b.view.clone();
    let watcher = tokio::spawn(async move {
        let mut reasons = std::collections::BTreeSet::new();
        while view.changed().await.is_ok() {
            let view = view.borrow_and_update();
            assert_eq!(view.state, State::Paired);
            reasons.insert(view.reason.as_str());
        }
        reasons
    });
    pass(30 * DAY).await;
    let (refreshes, requests, current) = {
        let books = b.cloud.books();
        assert!(books.silence < Duration::from_secs(300), "shown as offline: {:?}", books.silence);
        assert!((20_000..=21_600).contains(&books.beats), "{}", books.beats);
        assert!((4_000..=4_600).contains(&books.looks), "{}", books.looks);
        (books.refreshes, books.refresh_requests, books.current)
    };
    // Every 0.6 to 0.7 of eight hours.
    assert!((128..=150).contains(&refreshes), "{refreshes}");
    assert!(requests - refreshes >= 18, "a seventh of {requests} failed");
    assert_eq!(b.access.borrow().as_ref().map(|a| a.token.expose().to_owned()), Some(format!("a{current}")));
    assert_eq!(b.on_disk().await, Some((format!("r{current}"), false)));
    let left = b.view.borrow().access_expires_at.expect("a life").0;
    assert!(left > 30 * DAY, "the token is good");
    b.stop.cancel();
    b.task.await.unwrap();
    let reasons = watcher.await.unwrap();
    assert_eq!(reasons, ["network", "none", "provider"].into(), "troubles were seen and went");
    assert!(began.elapsed() < Duration::from_secs(60), "a month took {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_answer_in_flight_and_for_the_disk() {
    let b = Bench::paired(false).await;
    let permits = b.cloud.gate.available_permits();
    b.cloud.gate.forget_permits(permits);
    while b.cloud.books().in_flight == 0 {
        pass(Duration::from_secs(60)).await;
    }
    b.stop.cancel();
    pass(Duration::from_secs(15)).await;
    assert!(!b.task.is_finished(), "the answer may be the only refresh token there is");
    assert_eq!(b.on_disk().await, Some(("r1".to_owned(), true)));
    b.cloud.gate.add_permits(1);
    let Bench { task, store, cloud, .. } = b;
    task.await.unwrap();
    assert_eq!(cloud.books().current, 2);
    let (loaded, ..) = store.load().await;
    let (tokens, marked) = loaded.tokens.unwrap();
    assert_eq!((tokens.refresh.unwrap().expose(), marked), ("r2", false));
}

/// Without a restart, and without a word of anybody.
#[tokio::test(start_paused = true)]
async fn a_disk_that_is_good_again_is_seen_within_five_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    std::fs::write(&state, "in the way").unwrap();
    let b = Bench::start_in(dir, false);
    let (mut view, mut access) = (b.view.clone(), b.access.clone());
    let trouble = view.wait_for(|v| v.reason == Reason::Storage).await.unwrap().clone();
    assert_eq!((trouble.state, trouble.client_id.as_str()), (State::SecretUnavailable, ""));
    let secret = || RigCommand::Provision(ClientSecret(Secret::new("model-secret")));
    assert!(matches!(b.ask(secret()).await, Err(Refusal::StorageFailed(_))));
    // However long it takes.
    pass(DAY).await;
    assert_eq!(b.view.borrow().reason, Reason::Storage);
    access.mark_unchanged();
    std::fs::remove_file(&state).unwrap();
    let began = Instant::now();
    view.wait_for(|v| v.state == State::Unprovisioned).await.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(5), "{:?}", began.elapsed());
    access.changed().await.unwrap();
    assert_eq!(b.ask(secret()).await, Ok(()));
    assert_eq!((b.view.borrow().state, b.view.borrow().reason), (State::Unpaired, Reason::None));
}

/// What is mended by provisioning is not the disk's, and nobody is woken for it.
#[tokio::test(start_paused = true)]
async fn a_lost_key_is_not_looked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "no key").unwrap();
    let mut b = Bench::start_in(dir, false);
    b.view.wait_for(|v| !v.client_id.is_empty()).await.unwrap();
    std::fs::remove_file(b._dir.path().join("key")).unwrap();
    pass(DAY).await;
    assert_eq!(
        (b.view.borrow().state, b.view.borrow().reason),
        (State::SecretUnavailable, Reason::NoKey),
        "a person decides"
    );
    let secret = ClientSecret(Secret::new("model-secret"));
    assert_eq!(b.ask(RigCommand::Provision(secret)).await, Ok(()));
    assert_eq!(b.view.borrow().state, State::Unpaired);
}

/// The key is there again, and the disk takes no secret.
#[tokio::test(start_paused = true)]
async fn a_secret_that_could_not_be_kept_leaves_no_rig_behind_that_waits_for_a_restart() {
    for waits in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "no key").unwrap();
        let mut b = Bench::start_in(dir, false);
        b.view.wait_for(|v| !v.client_id.is_empty()).await.unwrap();
        std::fs::remove_file(b._dir.path().join("key")).unwrap();
        b.store.refuse_client_secrets(true).await;
        let secret = || RigCommand::Provision(ClientSecret(Secret::new("model-secret")));
        assert!(matches!(b.ask(secret()).await, Err(Refusal::StorageFailed(_))));
        assert_eq!(b.view.borrow().state, State::SecretUnavailable, "as far as anybody has looked");
        if waits {
            let began = Instant::now();
            b.view.wait_for(|v| v.state == State::Unprovisioned).await.unwrap();
            assert!(began.elapsed() <= Duration::from_secs(5), "{:?}", began.elapsed());
        }
        b.store.refuse_client_secrets(false).await;
        assert_eq!(b.ask(secret()).await, Ok(()));
        assert_eq!(b.view.borrow().state, State::Unpaired, "who hears \"done\" finds it so");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_pairing() {
    let b = Bench::start(false);
    assert_eq!(b.view.borrow().state, State::SecretUnavailable, "before the store is read");
    let secret = ClientSecret(Secret::new("model-secret"));
    assert_eq!(b.ask(RigCommand::Provision(secret)).await, Ok(()));
    assert_eq!(b.ask(RigCommand::Start { limit: None }).await, Ok(()));
    assert_eq!(b.view.borrow().state, State::WaitingForUser);
    assert_eq!(b.view.borrow().protection, Protection::File);
    b.stop.cancel();
    b.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_stop_is_refused_as_not_done() {
    let b = Bench::paired(false).await;
    pass(Duration::from_secs(60)).await;
    b.stop.cancel();
    assert_eq!(b.ask(RigCommand::Unpair(Asking::Provider)).await, Err(Refusal::Stopping));
    b.task.await.unwrap();
    let (loaded, ..) = b.store.load().await;
    assert!(loaded.tokens.is_some(), "and it was not");
}

#[tokio::test(start_paused = true)]
async fn unpairing_during_a_refresh_revokes_the_new_token_and_empties_the_disk() {
    let b = Bench::paired(false).await;
    let permits = b.cloud.gate.available_permits();
    b.cloud.gate.forget_permits(permits);
    while b.cloud.books().in_flight == 0 {
        pass(Duration::from_secs(60)).await;
    }
    let (reply, answer) = oneshot::channel();
    b.to.send(ToRig::Do(RigCommand::Unpair(Asking::Provider), reply)).await.unwrap();
    pass(Duration::from_secs(5)).await;
    b.cloud.gate.add_permits(1);
    let ended = answer.await.unwrap().unwrap().expect("a grant was to end");
    assert_eq!((ended.revocation, ended.kept), (Revocation::Revoked, false));
    let view = b.view.borrow().clone();
    assert_eq!((view.state, view.reason), (State::Unpaired, Reason::None));
    assert_eq!(b.on_disk().await, None);
    pass(Duration::from_secs(5)).await;
    assert_eq!(b.cloud.books().revoked, ["r2"]);
    assert_eq!(*b.access.borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn a_pause_in_the_project_is_seen_within_minutes_and_its_end_with_the_next_beat() {
    let b = Bench::paired(false).await;
    let mut access = b.access.clone();
    for (paused, patience) in [(true, 5 * BEAT), (false, BEAT)] {
        b.cloud.books().paused = paused;
        let began = Instant::now();
        access.wait_for(|a| a.as_ref().is_some_and(|a| a.paused == paused)).await.unwrap();
        assert!(began.elapsed() <= patience + Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(b.view.borrow().state, State::Paired);
    }
}

#[tokio::test(start_paused = true)]
async fn forgetting_revokes_too() {
    let b = Bench::paired(false).await;
    let before = b.view.borrow().client_id.clone();
    assert_eq!(b.ask(RigCommand::Forget(Asking::Provider)).await, Ok(()));
    assert_eq!(b.view.borrow().state, State::Unprovisioned);
    assert_ne!(b.view.borrow().client_id, before);
    pass(Duration::from_secs(5)).await;
    assert_eq!(b.cloud.books().revoked, ["r1"]);
}

/// The disk does not answer, and somebody asks on and on.
#[tokio::test]
async fn more_commands_than_the_queue_has_room_for_are_refused_and_news_is_not() {
    let b = Bench::start(false);
    let held = b.store.hold().await;
    let (to, inbox) = mpsc::channel(DEPTH);
    let settings = UploadSettings {
        intake: Arc::new(Intake {
            media_dirs: vec![],
            takes_open_files: true,
            classes: Classes::default(),
            sources: vec![],
            settle: Duration::ZERO,
            before_pairing: BeforePairing::Ignore,
            earliest: WallTime(0),
        }),
        limits: Limits { max_items: 1, max_per_user: 1 },
        parallel_parts: Some(1),
    };
    let (view, _view) = watch::channel(QueueView::default());
    let channels = Channels {
        inbox,
        to_rig: b.to.clone(),
        access: b.access.clone(),
        missing_sources: watch::channel(Vec::new()).1,
        view,
        lines: Lines::default(),
        comments: CommentsDue::default(),
        sub_devices: watch::channel(Vec::new()).1,
        news: broadcast::channel(8).0,
    };
    let deps = Deps::new(provider(), clips(), b.cloud.clone(), b.store.clone(), Clock::system());
    let (_settings, settings) = watch::channel(settings);
    let workers = Workers::new(Clock::system());
    let kept = Kept::new(&workers, FdStore::default());
    let task = UploadTask::new(deps, workers, kept, settings, channels, Pacer::new(Clock::system()), 1);
    let stop = CancellationToken::new();
    let task = tokio::spawn(task.run(stop.clone()));
    let mut waiting = vec![];
    for _ in 0..=DEPTH {
        let (reply, answer) = oneshot::channel();
        to.send(ToQueue::Do(QueueCommand::SetBandwidthLimit(0), reply)).await.unwrap();
        waiting.push(answer);
    }
    assert!(matches!(waiting.pop().unwrap().await.unwrap(), Err(Refusal::LimitsExceeded(_))));
    to.send(ToQueue::NetworkUp).await.unwrap();
    let (ping, pong) = oneshot::channel();
    to.send(ToQueue::Ping(ping)).await.unwrap();
    pong.await.unwrap();
    drop(held);
    for answer in waiting {
        assert_eq!(answer.await.unwrap(), Ok(vec![]));
    }
    stop.cancel();
    task.await.unwrap();
}
