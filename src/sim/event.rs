//! The numbered log of everything observable, and the hold points.
//!
//! # Decisions
//! One global count over all connections: a test kills its client "right after event N" and walks N upwards, so
//! every event has exactly one number and control traffic (`/_sim/`, the page) has none. `effect` exists only
//! where state changed: a refused call has nothing to lose between its arrival and its answer.
//! The log keeps the newest 100 000 events; a soak test of days must not eat the machine.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

const KEEP: usize = 100_000;

/// What a device-facing call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// `POST /v2/auth/device/code`.
    DeviceCode,
    /// `POST /v2/auth/token` with the device-code grant (or an unknown one).
    TokenPoll,
    /// `POST /v2/auth/token` with the refresh grant.
    Refresh,
    /// `POST /v2/auth/revoke`.
    Revoke,
    /// `GET /v2/devices/me`.
    Me,
    /// `POST /v2/devices/assets`.
    Create,
    /// `POST /v2/devices/assets/ID/realtime_upload/parts`.
    Register,
    /// `PUT` of one part of an asset.
    Part,
    /// `POST /v2/devices/assets/ID/comments`.
    Comment,
    /// `POST /v2/devices/channels`.
    Connect,
    /// `POST /v2/devices/channels/ID/disconnect`, and that of all channels.
    Disconnect,
    /// `GET /devices/websocket`, and what goes over the socket.
    Socket,
    /// `POST /v2/devices/heartbeat`.
    Heartbeat,
    /// `GET /health`.
    Health,
    /// A path the simulator does not know.
    Other,
    /// Not a device call: something a person (or a test on their behalf) did.
    Person,
}

impl Endpoint {
    /// The word used in fault descriptions and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::DeviceCode => "device-code",
            Self::TokenPoll => "token-poll",
            Self::Refresh => "refresh",
            Self::Revoke => "revoke",
            Self::Me => "me",
            Self::Create => "create",
            Self::Register => "register",
            Self::Part => "part",
            Self::Comment => "comment",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Socket => "socket",
            Self::Heartbeat => "heartbeat",
            Self::Health => "health",
            Self::Other => "other",
            Self::Person => "person",
        }
    }

    /// Reads the word back; `None` for words that are no endpoint.
    pub fn parse(word: &str) -> Option<Self> {
        const ALL: [Endpoint; 16] = [
            Endpoint::DeviceCode,
            Endpoint::TokenPoll,
            Endpoint::Refresh,
            Endpoint::Revoke,
            Endpoint::Me,
            Endpoint::Create,
            Endpoint::Register,
            Endpoint::Part,
            Endpoint::Comment,
            Endpoint::Connect,
            Endpoint::Disconnect,
            Endpoint::Socket,
            Endpoint::Heartbeat,
            Endpoint::Health,
            Endpoint::Other,
            Endpoint::Person,
        ];
        ALL.into_iter().find(|endpoint| endpoint.word() == word)
    }
}

/// The stages of a call, and the things people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The request is here (for parts: its headers), nothing has happened yet.
    Received,
    /// State changed; the answer is not under way yet. Missing where nothing changed.
    Effect,
    /// The whole answer was handed to the connection.
    Replied,
    /// No (whole) answer: a fault cut the connection, or the client went away.
    Cut,
    /// The last part of an asset was there, and the parts were put together. Belongs to no call.
    Assembled,
    /// A person approved, denied, forgot, paused, ... something; or time has passed; or (at `socket`) a socket was opened,
    /// joined, left or closed, or has told its device of a pause.
    Action,
}

impl EventKind {
    /// The word used in logs and in the control API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Effect => "effect",
            Self::Replied => "replied",
            Self::Cut => "cut",
            Self::Assembled => "assembled",
            Self::Action => "action",
        }
    }
}

/// One observable event. It never contains a secret: codes and tokens appear as a short hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Number of the event, from 1, without gaps, over all connections.
    pub n: u64,
    /// Milliseconds since the simulator started, monotonic.
    pub ms: u64,
    /// Which stage this is.
    pub kind: EventKind,
    /// Number of the TCP connection, from 1; 0 for what belongs to no call.
    pub connection: u64,
    /// Number of the request on that connection, from 1; 0 for what belongs to no call.
    pub request: u64,
    /// HTTP method; empty for actions.
    pub method: String,
    /// Path without the query; empty for actions.
    pub path: String,
    /// What the call is for.
    pub endpoint: Endpoint,
    /// The device that called, as far as known at this stage.
    pub client_id: Option<String>,
    /// HTTP status of the answer, from `replied` on.
    pub status: Option<u16>,
    /// The error word or title of a refusing answer.
    pub error: Option<String>,
    /// The fault that was applied to this call.
    pub fault: Option<String>,
    /// Request body bytes read so far.
    pub body_in: u64,
    /// Answer body bytes.
    pub body_out: u64,
    /// The asset that was created, or that the call is about.
    pub asset: Option<String>,
    /// Number of the part, from 1; of a registration of several the first.
    pub part: Option<u64>,
    /// Bytes: of the part as announced (`received`) and as it arrived (`effect`), of the clip (`assembled`, and the
    /// `effect` of a creation).
    pub size: Option<u64>,
    /// SHA-256 of what arrived, hexadecimal: of a part (`effect`) or of the whole clip (`assembled`).
    pub sha256: Option<String>,
    /// Anything else worth reading.
    pub detail: Option<String>,
}

impl Event {
    /// An event outside of any call.
    pub(crate) fn action(client_id: Option<String>, detail: String) -> Self {
        Self {
            n: 0,
            ms: 0,
            kind: EventKind::Action,
            connection: 0,
            request: 0,
            method: String::new(),
            path: String::new(),
            endpoint: Endpoint::Person,
            client_id,
            status: None,
            error: None,
            fault: None,
            body_in: 0,
            body_out: 0,
            asset: None,
            part: None,
            size: None,
            sha256: None,
            detail: Some(detail),
        }
    }

    /// Something happened to a device's socket.
    pub(crate) fn of_socket(client_id: &str, detail: String) -> Self {
        Self { endpoint: Endpoint::Socket, ..Self::action(Some(client_id.to_owned()), detail) }
    }

    /// A part was found in a bucket that this simulator does not serve itself.
    pub(crate) fn found(client_id: &str, asset: &str, part: u64, size: u64, sha256: &str) -> Self {
        Self {
            kind: EventKind::Effect,
            endpoint: Endpoint::Part,
            asset: Some(asset.to_owned()),
            part: Some(part),
            size: Some(size),
            sha256: Some(sha256.to_owned()),
            ..Self::action(
                Some(client_id.to_owned()),
                format!("asset {asset} part {part}, found in the bucket"),
            )
        }
    }

    /// An asset was put together; without a hash it could not be.
    pub(crate) fn assembled(client_id: &str, asset: &str, size: u64, sha256: Option<&str>) -> Self {
        let how = sha256.map_or_else(
            || "could not be put together".to_owned(),
            |sha256| format!("complete, {size} bytes, sha256 {sha256}"),
        );
        Self {
            kind: EventKind::Assembled,
            endpoint: Endpoint::Part,
            asset: Some(asset.to_owned()),
            size: Some(size),
            sha256: sha256.map(str::to_owned),
            ..Self::action(Some(client_id.to_owned()), format!("asset {asset} {how}"))
        }
    }
}

/// Where a handler shall stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldPoint {
    /// At the event with this number.
    Number(u64),
    /// At the next event of this stage at this endpoint.
    Next(Endpoint, EventKind),
}

#[derive(Default)]
struct Hold {
    point: Option<HoldPoint>,
    reached: Option<Event>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    events: VecDeque<Event>,
    file: Option<std::fs::File>,
}

/// The log: append, read, wait, hold.
pub(crate) struct Journal {
    inner: Mutex<Inner>,
    last: watch::Sender<u64>,
    hold: watch::Sender<Hold>,
}

impl Journal {
    pub(crate) fn open(file: Option<&Path>) -> std::io::Result<Self> {
        let file =
            file.map(|path| std::fs::OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        let inner = Inner { next: 1, events: VecDeque::new(), file };
        Ok(Self {
            inner: Mutex::new(inner),
            last: watch::Sender::new(0),
            hold: watch::Sender::new(Hold::default()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers and keeps `event`. Returns its number, and whether its handler has to wait in
    /// [`Journal::released`].
    pub(crate) fn record(&self, mut event: Event, now_ms: u64) -> (u64, bool) {
        let mut inner = self.lock();
        event.n = inner.next;
        event.ms = now_ms;
        inner.next += 1;
        if let (Some(file), Ok(mut line)) = (&mut inner.file, serde_json::to_vec(&event)) {
            line.push(b'\n');
            // A full disk must not stop the simulator; the log in memory goes on.
            let _lost = file.write_all(&line);
        }
        if inner.events.len() == KEEP {
            inner.events.pop_front();
        }
        let n = event.n;
        inner.events.push_back(event.clone());
        let held = self.hold.send_if_modified(|hold| {
            let here = match hold.point {
                Some(HoldPoint::Number(number)) => number == n,
                Some(HoldPoint::Next(endpoint, kind)) => endpoint == event.endpoint && kind == event.kind,
                None => false,
            };
            if here {
                hold.point = None;
                hold.reached = Some(event);
            }
            here
        });
        self.last.send_replace(n);
        drop(inner);
        (n, held)
    }

    /// Events with a number above `since`, oldest first.
    pub(crate) fn since(&self, since: u64) -> Vec<Event> {
        self.lock().events.iter().filter(|event| event.n > since).cloned().collect()
    }

    /// The number of the newest event; the receiver wakes with each one.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Arms one hold point; whatever was held before is released.
    pub(crate) fn hold(&self, point: HoldPoint) {
        // Locked to the end, so that the event cannot pass between the look and the arming.
        let inner = self.lock();
        let past = match point {
            HoldPoint::Number(n) => inner.events.iter().find(|event| event.n == n).cloned(),
            HoldPoint::Next(..) => None,
        };
        let point = if past.is_some() { None } else { Some(point) };
        self.hold.send_replace(Hold { point, reached: past });
    }

    /// Lets go whatever is held, and disarms.
    pub(crate) fn release(&self) {
        self.hold.send_replace(Hold::default());
    }

    /// The number of the event at which a handler stands still, if one does.
    pub(crate) fn held_now(&self) -> Option<u64> {
        self.hold.borrow().reached.as_ref().map(|event| event.n)
    }

    /// Resolves with the event at which a handler stands still.
    pub(crate) async fn held(&self) -> Option<Event> {
        let mut hold = self.hold.subscribe();
        hold.wait_for(|hold| hold.reached.is_some()).await.ok().and_then(|hold| hold.reached.clone())
    }

    /// Resolves once event `n` is no longer the held one.
    pub(crate) async fn released(&self, n: u64) {
        let mut hold = self.hold.subscribe();
        let _closed = hold.wait_for(|hold| hold.reached.as_ref().is_none_or(|event| event.n != n)).await;
    }
}
