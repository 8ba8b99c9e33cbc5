//! `rigpost-sim`: a cloud for camera rigs, small enough to run on the developer's machine.
//!
//! It speaks the device side of Frame.io Camera to Cloud (pairing by code, token refresh, asset creation,
//! uploads in parts), serves the page on which a person approves a pairing, and can be told to fail in all the
//! ways a film set's network and a busy cloud do. Two kinds of people use it: those who build a camera's user
//! interface and need a cloud that answers, through the `rigpost-sim` program; and tests, in-process, through
//! [`Sim`].
//!
//! # Decisions
//! An independent model: it imports nothing else of this crate. Shared code would let the daemon and its
//! test agree on the same mistake.
//! In-process rather than a child: a test asks it what it saw, holds it at one exact event, and gets no ports,
//! files or processes to clean up.

/// What all connections share, and what people can do to it.
mod app;
/// The arguments of the program.
pub mod args;
/// One call of a device, from its head to its answer.
mod call;
/// The only reader of clocks; can run ahead.
mod clock;
/// Fetches finished parts from real object storage.
mod collector;
/// One connection, and how it can be broken.
mod connection;
/// What tests and people command over HTTP.
mod control;
/// Each address of the API: what it reads and answers.
mod endpoints;
/// Refusals to people and tests.
mod error;
/// The journal of everything that can be observed.
mod event;
/// Faults: how they are written, and when they strike.
mod fault;
/// What a fault does to an answer.
mod faulty;
/// A clip to try with.
mod film;
/// Bodies of requests.
mod form;
/// By what this machine is called from elsewhere.
mod lan;
/// The cloud as a model, without input or output.
mod model;
/// What a simulator is started with.
mod options;
/// Who may command it from a browser.
mod origin;
/// The page on which a person approves a rig.
mod page;
/// Taking in the parts of a clip.
mod parts;
/// The socket's names and messages.
mod phoenix;
/// Answers as data.
mod reply;
/// What a call is for.
mod route;
/// The program.
pub mod run;
/// Real object storage in place of our own.
mod s3;
/// Random values, with a word in them that tests find.
mod secret;
/// Accepts connections.
mod server;
/// Presence by socket.
mod socket;
/// Parts on disk, put together.
mod storage;
/// A certificate of its own making.
mod tls;
/// What tests see.
mod views;
/// The way of every call of a device.
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use app::App;
use clock::Clock;

pub use error::SimError;
pub use event::{Endpoint, Event, EventKind, HoldPoint};
pub use fault::{Fault, FaultKind, FaultView, StorageError};
pub use model::ProjectView;
pub use model::asset::AssetView;
pub use model::channel::ChannelView;
pub use model::code::CodeView;
pub use model::comment::CommentView;
pub use model::device::{DeviceView, PauseView};
pub use model::growth::{GrowthView, RegisteredView};
pub use model::part::PartView;
pub use model::socket::SocketView;
pub use options::{DeviceModel, Etags, Lifetimes, S3Options, SecretOnPoll, SimOptions, Sockets, TlsValidity};

/// A running simulator. It lives on the runtime it was started on; dropping it ends all connections and frees
/// the port as soon as that runtime runs its tasks again.
pub struct Sim {
    app: Arc<App>,
    ca_pem: Option<String>,
    _server: AbortOnDropHandle<()>,
    _collector: Option<AbortOnDropHandle<()>>,
}

impl Sim {
    /// Listens and serves in the background of the current runtime.
    ///
    /// # Errors
    /// The address cannot be bound, the storage directory or log file cannot be made, or the TLS certificate
    /// cannot be; the bucket of [`SimOptions::s3`] is not there and cannot be made.
    pub async fn start(options: SimOptions) -> io::Result<Self> {
        let clock = Clock::start();
        let tls = if options.tls { Some(tls::acceptor(&options, clock.now().wall)?) } else { None };
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let host = match address.ip() {
            // The certificate names the host, and nobody can call "any address".
            ip if options.tls && (ip.is_unspecified() || ip.is_loopback()) => "localhost".to_owned(),
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            ip if ip.is_ipv6() => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        let scheme = if options.tls { "https" } else { "http" };
        let base = Url::parse(&format!("{scheme}://{host}:{}", address.port())).map_err(io::Error::other)?;
        let lan = lan(&base, address)?;
        let app = Arc::new(App::new(&options, clock, base, lan)?);
        let (acceptor, ca_pem) = tls.unzip();
        let mut collector = None;
        if let Some(bucket) = &app.bucket {
            bucket.prepare().await?;
            collector = Some(AbortOnDropHandle::new(tokio::spawn(collector::collect(Arc::clone(&app)))));
        }
        let server = AbortOnDropHandle::new(tokio::spawn(server::run(listener, acceptor, Arc::clone(&app))));
        Ok(Self { app, ca_pem, _server: server, _collector: collector })
    }

    /// Where the simulator is: `http://127.0.0.1:PORT` or `https://localhost:PORT`.
    pub fn url(&self) -> &Url {
        &self.app.base
    }

    /// Where a phone on the same network reaches it; `None` where it listens at one address, or there is no network.
    pub fn lan_url(&self) -> Option<&Url> {
        self.app.lan.as_ref()
    }

    /// The certificate authority to trust, in PEM; `None` without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The directory with the finished clips.
    pub fn storage_dir(&self) -> &Path {
        self.app.storage.root()
    }

    /// The file a finished clip is stored in; it exists once the asset is complete.
    pub fn asset_file(&self, asset: &AssetView) -> PathBuf {
        self.storage_dir().join(storage::file_name(&asset.id, &asset.name))
    }

    /// The person types the code and picks a project by its name.
    ///
    /// # Errors
    /// The code is unknown, expired or used, or there is no such project.
    pub fn approve(&self, user_code: &str, project: &str) -> Result<(), SimError> {
        self.app.approve(user_code, project)
    }

    /// The person refuses the device.
    ///
    /// # Errors
    /// The code is unknown, expired or used.
    pub fn deny(&self, user_code: &str) -> Result<(), SimError> {
        self.app.deny(user_code)
    }

    /// The person forgets the device: its tokens stop working.
    ///
    /// # Errors
    /// There is no such device.
    pub fn revoke_device(&self, client_id: &str) -> Result<(), SimError> {
        self.app.revoke(client_id)
    }

    /// Opens a pause window: media made from now on is refused.
    ///
    /// # Errors
    /// There is no such device.
    pub fn pause_device(&self, client_id: &str) -> Result<(), SimError> {
        self.app.pause(client_id)
    }

    /// Closes the pause window. Media made inside it stays refused.
    ///
    /// # Errors
    /// There is no such device.
    pub fn resume_device(&self, client_id: &str) -> Result<(), SimError> {
        self.app.resume(client_id)
    }

    /// Writes a pause of the past into the record: it began `from` and ended `until` seconds ago. Media made in
    /// between is refused.
    ///
    /// # Errors
    /// There is no such device.
    pub fn record_pause(&self, client_id: &str, from: u64, until: u64) -> Result<(), SimError> {
        self.app.paused_before(client_id, from, until)
    }

    /// Gives a project another name; its identifier, its devices and its clips stay with it.
    ///
    /// # Errors
    /// There is no such project, or another has that name.
    pub fn rename_project(&self, old: &str, new: &str) -> Result<(), SimError> {
        self.app.rename_project(old, new)
    }

    /// Binds the device to another project, tokens unchanged.
    ///
    /// # Errors
    /// There is no such device or project.
    pub fn move_device(&self, client_id: &str, project: &str) -> Result<(), SimError> {
        self.app.move_device(client_id, project)
    }

    /// Connects something at this index behind the device, without a call of the device: creations can name it.
    ///
    /// # Errors
    /// There is no such device, or the index is not one from 1 to 100.
    pub fn connect_channel(&self, client_id: &str, index: u64) -> Result<(), SimError> {
        self.app.plug(client_id, index, true)
    }

    /// Disconnects what is at this index.
    ///
    /// # Errors
    /// There is no such device, or nothing was ever connected there.
    pub fn disconnect_channel(&self, client_id: &str, index: u64) -> Result<(), SimError> {
        self.app.plug(client_id, index, false)
    }

    /// Cuts a device's sockets off, without a word.
    ///
    /// # Errors
    /// There is no such device.
    pub fn cut_sockets(&self, client_id: &str) -> Result<(), SimError> {
        self.app.cut_sockets(client_id)
    }

    /// Burns the device's refresh token as if someone else had used it; its next refresh gets
    /// `invalid_request`, and that is no violation.
    ///
    /// # Errors
    /// The device has no refresh token.
    pub fn burn_refresh(&self, client_id: &str) -> Result<(), SimError> {
        self.app.burn_refresh(client_id)
    }

    /// Ends the device's access token now; the refresh token stays good.
    ///
    /// # Errors
    /// The device has no access token.
    pub fn expire_access(&self, client_id: &str) -> Result<(), SimError> {
        self.app.expire_access(client_id)
    }

    /// Gives the pairing an end, as a person can when approving; the device is forgotten then.
    ///
    /// # Errors
    /// There is no such device.
    pub fn end_pairing_in(&self, client_id: &str, seconds: u64) -> Result<(), SimError> {
        self.app.end_pairing_in(client_id, seconds)
    }

    /// Changes the lifetimes of what is handed out from now on.
    pub fn set_lifetimes(&self, lifetimes: Lifetimes) {
        self.app.set_lifetimes(lifetimes);
    }

    /// Shifts the dates the server shows (`Date`, `X-Amz-Date`) by this many seconds.
    pub fn set_skew(&self, seconds: i64) {
        self.app.set_skew(seconds);
    }

    /// Lets this many seconds pass for everything that has a life: tokens, codes, upload addresses, presence, pauses,
    /// rate limits. The dates the server shows stay (see [`Sim::set_skew`]), and a real storage
    /// ([`SimOptions::s3`]) keeps its own time.
    pub fn advance(&self, seconds: u64) {
        self.app.advance(seconds);
    }

    /// Puts a fault in force.
    pub fn inject(&self, fault: Fault) {
        self.app.inject(fault);
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.app.faults().clear();
    }

    /// All events so far (the newest 100 000).
    pub fn log(&self) -> Vec<Event> {
        self.log_since(0)
    }

    /// The events with a number above `n`.
    pub fn log_since(&self, n: u64) -> Vec<Event> {
        self.app.journal.since(n)
    }

    /// The first event, past or future, that `wanted` accepts; `None` after `timeout`.
    pub async fn wait_for(&self, wanted: impl Fn(&Event) -> bool, timeout: Duration) -> Option<Event> {
        self.wait_for_after(0, wanted, timeout).await
    }

    /// As [`Sim::wait_for`], among the events with a number above `n`.
    pub async fn wait_for_after(
        &self,
        n: u64,
        wanted: impl Fn(&Event) -> bool,
        timeout: Duration,
    ) -> Option<Event> {
        let search = async {
            let mut news = self.app.journal.watch();
            let mut seen = n;
            loop {
                news.borrow_and_update();
                let events = self.log_since(seen);
                seen = events.last().map_or(seen, |event| event.n);
                if let Some(event) = events.into_iter().find(|event| wanted(event)) {
                    return Some(event);
                }
                news.changed().await.ok()?;
            }
        };
        tokio::select! {
            found = search => found,
            () = clock::sleep(timeout) => None,
        }
    }

    /// Makes the handler that reaches event number `n` stand still there until [`Sim::release`]. At a `replied`
    /// event the answer is out, and the connection's next request stands still; at an action nothing does. An
    /// event that has passed already counts as reached. Replaces an earlier hold.
    pub fn hold_at(&self, n: u64) {
        self.hold(HoldPoint::Number(n));
    }

    /// As [`Sim::hold_at`], for the next event of one stage at one endpoint.
    pub fn hold(&self, point: HoldPoint) {
        self.app.journal.hold(point);
    }

    /// Resolves with the event once something stands still at the hold point. Cancel-safe.
    pub async fn held(&self) -> Option<Event> {
        self.app.journal.held().await
    }

    /// Lets go what stands still, and disarms the hold point.
    pub fn release(&self) {
        self.app.journal.release();
    }
}

/// The address of a simulator that listens at all of this machine's, for others.
fn lan(base: &Url, address: SocketAddr) -> io::Result<Option<Url>> {
    if !address.ip().is_unspecified() {
        return Ok(None);
    }
    let reached = lan::addresses().into_iter().find(|ip| ip.is_ipv4() || address.is_ipv6());
    let Some(ip) = reached else { return Ok(None) };
    let at = SocketAddr::new(ip, address.port());
    Url::parse(&format!("{}://{at}", base.scheme())).map(Some).map_err(io::Error::other)
}
