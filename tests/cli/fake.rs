//! A daemon that says what a test tells it to, on a bus of its own.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, DBusError, OwnedFd, OwnedVariant, Variant, interface};

use super::PATIENCE;

pub(crate) use rigpost_contract::interface::{BUS_NAME as NAME, OBJECT_PATH as PATH};

pub(crate) type Dict = BTreeMap<String, OwnedVariant>;

/// A bus for one test. Ends with it.
pub(crate) struct Bus {
    daemon: Child,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) address: String,
}

impl Bus {
    /// A bus on which everything is allowed.
    pub(crate) fn new() -> Self {
        Self::with_policy(r#"<allow send_destination="*" eavesdrop="true"/><allow own="*"/>"#)
    }

    /// A bus with this policy for everybody.
    pub(crate) fn with_policy(policy: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("bus.conf");
        let socket = dir.path().join("bus");
        let text = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
            "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth>
            <policy context="default"><allow user="*"/>
            <allow send_destination="org.freedesktop.DBus"/><allow receive_sender="*"/>
            <allow send_type="method_return"/><allow send_type="error"/>
            <allow send_type="signal"/>{policy}</policy></busconfig>"#,
            socket.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .args(["--nofork", "--nopidfile", "--print-address=1", "--config-file"])
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, dir, address: address.trim().to_owned() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[derive(Debug, DBusError)]
#[zbus(prefix = "org.rigpost.Rigpost1.Error")]
pub(crate) enum Error {
    #[zbus(error)]
    ZBus(zbus::Error),
    NotProvisioned(String),
    AlreadyPaired(String),
    NetworkUnavailable(String),
    OutsideMediaDirs(String),
    NotFound(String),
    NotAllowed(String),
    StorageFull(String),
}

/// What happens after `Start`, one step for each code.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Code(&'static str),
    End { state: &'static str, reason: &'static str },
    Grant(&'static str),
}

/// What the daemon shows and what it was told.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Empty: Frame.io.
    pub(crate) provider: String,
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) code: String,
    pub(crate) uri: String,
    pub(crate) uri_complete: String,
    pub(crate) code_expires_at: u64,
    pub(crate) project: String,
    pub(crate) authorized_by: String,
    pub(crate) offline: bool,
    pub(crate) held: u32,
    pub(crate) blockers: Vec<(String, String, String)>,
    pub(crate) paused: bool,
    pub(crate) items: Vec<Dict>,
    pub(crate) qr: String,
    pub(crate) png: Vec<u8>,
    /// The code is asked for, in vain, until this is notified.
    pub(crate) hold_start: Option<Arc<Notify>>,
    pub(crate) refuse_start: Option<fn(String) -> Error>,
    pub(crate) refuse_add: Option<fn(String) -> Error>,
    /// Left over after the first code.
    pub(crate) script: Vec<Step>,
    pub(crate) secret: Vec<u8>,
    pub(crate) added: Vec<(Vec<String>, Option<i32>)>,
    /// What else was said with each of them.
    pub(crate) options: Vec<Dict>,
    /// Any call with one of these paths is refused.
    pub(crate) bad: Vec<String>,
    /// These are out of the daemon's reach; they can be handed over.
    pub(crate) closed: Vec<String>,
    /// What was handed over: where the file lies, and what it shall be called.
    pub(crate) handed: Vec<(String, String)>,
    pub(crate) refuse_fd: Option<fn(String) -> Error>,
    /// What a path is to the queue; what is not named is new.
    pub(crate) known: BTreeMap<String, (u64, &'static str)>,
    /// What is said of an item that somebody steers; of what is not named here, that it changed.
    pub(crate) said: BTreeMap<u64, &'static str>,
    pub(crate) last_id: u64,
    pub(crate) recording: bool,
    pub(crate) bandwidth_limit: u64,
    pub(crate) orphans: u32,
    pub(crate) missing_sources: Vec<String>,
    pub(crate) channels: Vec<(String, String, u32, String)>,
    pub(crate) receipt: Dict,
    pub(crate) calls: Vec<String>,
    pub(crate) revocations_pending: u32,
    /// What became of an authorization that is ended: the word, what is said with it, and whether it is tried again.
    pub(crate) revocation: (&'static str, &'static str, bool),
    pub(crate) limit: Option<u32>,
}

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<World>>, Arc<Notify>);

impl Fake {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Waits until somebody has looked at the queue since the last time.
    pub(crate) async fn looked_at(&self) {
        tokio::time::timeout(PATIENCE, self.1.notified()).await.expect("a look in time");
    }

    fn called(&self, what: &str) {
        self.world().calls.push(what.to_owned());
    }

    fn ended(&self, method: &str, options: &Dict) -> Dict {
        let offline = options.get("offline").is_some_and(|offline| bool::try_from(offline).unwrap());
        self.called(&format!("{method}{}", if offline { " offline" } else { "" }));
        let (word, detail, kept) = self.world().revocation;
        let keys: [(&str, Variant<'_>); 5] = [
            ("revocation", if offline { "not-asked" } else { word }.into()),
            ("detail", detail.into()),
            ("kept", kept.into()),
            ("erased", vec!["tokens", "client-secret", "identity"].into()),
            ("at", 1_790_000_000_i64.into()),
        ];
        keys.into_iter().map(|(key, value)| (key.to_owned(), value.try_into_owned().unwrap())).collect()
    }

    /// Serves on the bus until the connection is dropped.
    pub(crate) async fn serve(&self, bus: &Bus) -> Connection {
        zbus::connection::Builder::address(bus.address.as_str())
            .serve_at(PATH, Device(self.clone()))
            .serve_at(PATH, Pairing(self.clone()))
            .serve_at(PATH, Queue(self.clone()))
            .serve_at(PATH, Tokens(self.clone()))
            .name(NAME)
            .build()
            .await
            .unwrap()
    }

    /// Takes the next step of the script and says so on the bus.
    pub(crate) async fn step(&self, bus: &Connection) {
        let step = self.world().script.remove(0);
        match step {
            Step::Code(code) => self.offer(code),
            Step::End { state, reason } => {
                let mut world = self.world();
                (world.state, world.reason) = (state.into(), reason.into());
                world.code.clear();
            }
            Step::Grant(project) => {
                let mut world = self.world();
                (world.state, world.reason) = ("paired".into(), "none".into());
                world.project = project.into();
                world.authorized_by = "ana@example.com".into();
                world.code.clear();
            }
        }
        self.tell(bus).await;
    }

    /// Says on the bus that something changed.
    pub(crate) async fn tell(&self, bus: &Connection) {
        let emitter = SignalEmitter::new(bus, PATH).unwrap();
        let pairing = Pairing(self.clone());
        pairing.user_code_invalidate(&emitter).await.unwrap();
        pairing.state_changed(&emitter).await.unwrap();
    }

    fn offer(&self, code: &str) {
        let mut world = self.world();
        (world.state, world.reason) = ("waiting-for-user".into(), "none".into());
        world.code = code.into();
        world.code_expires_at = boot_micros() + 300_000_000;
    }
}

pub(crate) fn boot_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}

pub(crate) struct Device(Fake);
pub(crate) struct Pairing(Fake);
pub(crate) struct Queue(Fake);
pub(crate) struct Tokens(Fake);

#[interface(name = "org.rigpost.Rigpost1.Device")]
impl Device {
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &str {
        "9.8.7"
    }
    #[zbus(property)]
    fn device_id(&self) -> &str {
        "3f0c9a5e-0000-4000-8000-00000000c0de"
    }
    #[zbus(property(emits_changed_signal = "const"))]
    fn provider(&self) -> String {
        let provider = self.0.world().provider.clone();
        if provider.is_empty() { "frameio".to_owned() } else { provider }
    }
    #[zbus(property)]
    fn protection(&self) -> &str {
        "host-key"
    }
    #[zbus(property)]
    fn clock_trusted(&self) -> bool {
        true
    }
    #[zbus(property)]
    fn online(&self) -> bool {
        !self.0.world().offline
    }
    #[zbus(property)]
    fn safe_to_power_off(&self) -> bool {
        self.0.world().items.is_empty()
    }
    #[zbus(property)]
    fn blockers(&self) -> Vec<(String, String, String)> {
        self.0.world().blockers.clone()
    }
    fn provision(&self, secret: OwnedFd, _options: Dict) {
        let mut bytes = Vec::new();
        std::fs::File::from(std::os::fd::OwnedFd::from(secret)).read_to_end(&mut bytes).unwrap();
        self.0.world().secret = bytes;
    }
    fn forget(&self, options: Dict) -> Dict {
        self.0.ended("Forget", &options)
    }
}

#[interface(name = "org.rigpost.Rigpost1.Pairing")]
impl Pairing {
    #[zbus(property)]
    fn state(&self) -> String {
        self.0.world().state.clone()
    }
    #[zbus(property)]
    fn reason(&self) -> String {
        self.0.world().reason.clone()
    }
    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn user_code(&self) -> String {
        self.0.world().code.clone()
    }
    #[zbus(property)]
    fn verification_uri(&self) -> String {
        self.0.world().uri.clone()
    }
    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn verification_uri_complete(&self) -> String {
        self.0.world().uri_complete.clone()
    }
    #[zbus(property)]
    fn code_expires_at(&self) -> u64 {
        self.0.world().code_expires_at
    }
    #[zbus(property)]
    fn device_name(&self) -> &str {
        "CAM A"
    }
    #[zbus(property)]
    fn project_id(&self) -> &str {
        "p-1"
    }
    #[zbus(property)]
    fn project_name(&self) -> String {
        self.0.world().project.clone()
    }
    #[zbus(property)]
    fn authorized_by(&self) -> String {
        self.0.world().authorized_by.clone()
    }
    #[zbus(property)]
    fn authorization_expires(&self) -> i64 {
        0
    }
    #[zbus(property)]
    fn access_expires_at(&self) -> u64 {
        boot_micros() + 25_920_000_000
    }
    #[zbus(property)]
    fn refreshed_at(&self) -> i64 {
        1_790_000_000
    }
    #[zbus(property)]
    fn revocations_pending(&self) -> u32 {
        self.0.world().revocations_pending
    }
    async fn start(
        &self,
        options: Dict,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(), Error> {
        self.0.called("Start");
        let hold = self.0.world().hold_start.clone();
        if let Some(hold) = hold {
            (self.0.world().state, self.0.world().reason) = ("requesting-code".into(), "network".into());
            self.state_changed(&emitter).await.unwrap();
            hold.notified().await;
        }
        let refuse = self.0.world().refuse_start;
        if let Some(refuse) = refuse {
            return Err(refuse("said the test".into()));
        }
        let limit = options.get("limit").map(|limit| u32::try_from(limit).unwrap());
        self.0.world().limit = limit;
        let Step::Code(first) = self.0.world().script.remove(0) else {
            panic!("a script begins with a code")
        };
        self.0.offer(first);
        Ok(())
    }
    async fn cancel(&self, _options: Dict, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        self.0.called("Cancel");
        {
            let mut world = self.0.world();
            (world.state, world.reason) = ("unpaired".into(), "none".into());
        }
        self.state_changed(&emitter).await.unwrap();
    }
    fn unpair(&self, options: Dict) -> Dict {
        self.0.ended("Unpair", &options)
    }
    fn qr_code(&self, format: &str, _options: Dict) -> Vec<u8> {
        let world = self.0.world();
        match format {
            "text" => world.qr.clone().into_bytes(),
            "png" => world.png.clone(),
            other => panic!("nobody shows {other}"),
        }
    }
}

#[interface(name = "org.rigpost.Rigpost1.Queue")]
impl Queue {
    #[zbus(property)]
    fn paused(&self) -> bool {
        self.0.world().paused
    }
    #[zbus(property)]
    fn recording(&self) -> bool {
        self.0.world().recording
    }
    #[zbus(property)]
    fn bandwidth_limit(&self) -> u64 {
        self.0.world().bandwidth_limit
    }
    #[zbus(property)]
    fn set_bandwidth_limit(&self, limit: u64) {
        self.0.world().bandwidth_limit = limit;
    }
    #[zbus(property)]
    fn files_left(&self) -> u32 {
        self.0.1.notify_one();
        self.0.world().items.len() as u32
    }
    #[zbus(property)]
    fn bytes_left(&self) -> u64 {
        3_000_000_000 * self.0.world().items.len() as u64
    }
    #[zbus(property)]
    fn files_total(&self) -> u32 {
        self.0.world().items.len() as u32
    }
    #[zbus(property)]
    fn bytes_total(&self) -> u64 {
        3_000_000_000 * self.0.world().items.len() as u64
    }
    #[zbus(property)]
    fn retry_at(&self) -> u64 {
        0
    }
    #[zbus(property)]
    fn held(&self) -> u32 {
        self.0.world().held
    }
    #[zbus(property)]
    fn failed(&self) -> u32 {
        0
    }
    #[zbus(property)]
    fn away(&self) -> u32 {
        0
    }
    #[zbus(property)]
    fn incomplete(&self) -> u32 {
        0
    }
    #[zbus(property)]
    fn orphans(&self) -> u32 {
        self.0.world().orphans
    }
    #[zbus(property)]
    fn channels(&self) -> Vec<(String, String, u32, String)> {
        self.0.world().channels.clone()
    }
    #[zbus(property)]
    fn missing_sources(&self) -> Vec<String> {
        self.0.world().missing_sources.clone()
    }
    #[zbus(property)]
    fn rate(&self) -> u64 {
        if self.0.world().items.is_empty() { 0 } else { 41_000_000 }
    }
    #[zbus(property)]
    fn current(&self) -> Vec<Dict> {
        let is_sent = |item: &&Dict| <&str>::try_from(&item["state"]).unwrap() == "uploading";
        self.0.world().items.iter().filter(is_sent).map(clone_item).collect()
    }
    fn add(&self, path: String, options: Dict) -> Result<u64, Error> {
        self.take(vec![path], vec![], &options).map(|files| files[0].0)
    }
    fn add_many(&self, paths: Vec<String>, options: Dict) -> Result<Vec<u64>, Error> {
        self.take(paths, vec![], &options).map(|files| files.into_iter().map(|(id, _)| id).collect())
    }
    fn add_files(
        &self,
        paths: Vec<String>,
        byte_paths: Vec<Vec<u8>>,
        options: Dict,
    ) -> Result<Vec<(u64, String)>, Error> {
        self.take(paths, byte_paths, &options)
    }
    fn add_fd(&self, file: OwnedFd, name: String, options: Dict) -> Result<(u64, String), Error> {
        assert!(!options.contains_key("name"), "it is said once");
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        let path = path.to_str().unwrap().to_owned();
        let mut world = self.0.world();
        if let Some(refuse) = world.refuse_fd {
            return Err(refuse(path));
        }
        let known = world.known.get(&path).copied();
        let (id, word) = known.unwrap_or_else(|| {
            world.last_id += 1;
            (world.last_id, "new")
        });
        world.handed.push((path, name));
        Ok((id, word.to_owned()))
    }
    fn list(&self, filter: Dict, offset: u32, limit: u32) -> (Vec<Dict>, u32) {
        assert!((1..=1000).contains(&limit), "limit {limit}");
        let state = filter.get("state").map(|state| <&str>::try_from(state).unwrap());
        let matches =
            |item: &&Dict| state.is_none_or(|state| <&str>::try_from(&item["state"]).unwrap() == state);
        let world = self.0.world();
        let all: Vec<&Dict> = world.items.iter().filter(matches).collect();
        let after = filter.get("after").map_or(0, |after| u64::try_from(after).unwrap());
        assert!(!filter.contains_key("after") || after > 0, "an older daemon does not know this option");
        let later = all.iter().filter(|item| u64::try_from(&item["id"]).unwrap() > after);
        let page = later.skip(offset as usize).take(limit as usize).map(|item| clone_item(item)).collect();
        (page, all.len() as u32)
    }
    fn cancel(&self, ids: Vec<u64>, _options: Dict) -> Result<Vec<(u64, String)>, Error> {
        self.0.called(&format!("Cancel {ids:?}"));
        if ids.contains(&404) { Err(Error::NotFound("item 404".into())) } else { Ok(self.said(ids)) }
    }
    fn retry(&self, ids: Vec<u64>, _options: Dict) -> Vec<(u64, String)> {
        self.0.called(&format!("Retry {ids:?}"));
        self.said(ids)
    }
    fn release(&self, ids: Vec<u64>, _options: Dict) -> Vec<(u64, String)> {
        self.0.called(&format!("Release {ids:?}"));
        self.said(ids)
    }
    fn set_priority(&self, ids: Vec<u64>, priority: i32, _options: Dict) -> Vec<(u64, String)> {
        self.0.called(&format!("SetPriority {ids:?} {priority}"));
        self.said(ids)
    }
    fn comment(&self, id: u64, text: &str, frames: u32, _options: Dict) -> Result<(), Error> {
        self.0.called(&format!("Comment {id} {text:?} {frames}"));
        if id == 404 { Err(Error::NotFound("item 404".into())) } else { Ok(()) }
    }
    fn clear(&self, options: Dict) -> (u64, Vec<(u64, String)>) {
        let states = options.get("states").map(|s| Vec::<String>::try_from(s.try_clone().unwrap()).unwrap());
        let ids = options.get("ids").map(|s| Vec::<u64>::try_from(s.try_clone().unwrap()).unwrap());
        self.0.called(&format!("Clear {states:?} {ids:?}"));
        let said = self.said(ids.clone().unwrap_or_default());
        (ids.map_or(3, |_| said.iter().filter(|(_, word)| word == "changed").count() as u64), said)
    }
    fn get_item(&self, id: u64, _options: Dict) -> Result<Dict, Error> {
        let world = self.0.world();
        let item = world.items.iter().find(|item| u64::try_from(&item["id"]).unwrap() == id);
        item.map(clone_item).ok_or_else(|| Error::NotFound(format!("item {id}")))
    }
    fn get_receipt(&self, id: u64, _options: Dict) -> Result<Dict, Error> {
        let world = self.0.world();
        if world.receipt.is_empty() {
            Err(Error::NotFound(format!("item {id}")))
        } else {
            Ok(clone_item(&world.receipt))
        }
    }
    async fn pause(&self, options: Dict, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        self.halt(true, &options, &emitter).await;
    }
    async fn resume(&self, options: Dict, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        self.halt(false, &options, &emitter).await;
    }
    #[zbus(signal)]
    pub(crate) async fn item_changed(emitter: &SignalEmitter<'_>, id: u64, item: Dict) -> zbus::Result<()>;
}

impl Queue {
    fn said(&self, ids: Vec<u64>) -> Vec<(u64, String)> {
        let world = self.0.world();
        let word = |id: u64| (*world.said.get(&id).unwrap_or(&"changed")).to_owned();
        ids.into_iter().map(|id| (id, word(id))).collect()
    }

    async fn halt(&self, halt: bool, options: &Dict, emitter: &SignalEmitter<'_>) {
        if options.contains_key("while_recording") {
            self.0.world().recording = halt;
            self.recording_changed(emitter).await.unwrap();
        } else {
            self.0.world().paused = halt;
            self.paused_changed(emitter).await.unwrap();
        }
    }

    fn take(
        &self,
        mut paths: Vec<String>,
        odd: Vec<Vec<u8>>,
        options: &Dict,
    ) -> Result<Vec<(u64, String)>, Error> {
        let mut world = self.0.world();
        if let Some(refuse) = world.refuse_add {
            return Err(refuse(paths[0].clone()));
        }
        if let Some(bad) = paths.iter().find(|path| world.bad.contains(path)) {
            return Err(Error::OutsideMediaDirs(bad.clone()));
        }
        if let Some(closed) = paths.iter().find(|path| world.closed.contains(path)) {
            return Err(Error::NotAllowed(format!("may not be read by the daemon's user: {closed}")));
        }
        paths.extend(odd.iter().map(|path| format!("bytes: {}", path.escape_ascii())));
        let mut files = Vec::new();
        for path in &paths {
            let (id, word) = world.known.get(path).copied().unwrap_or_else(|| {
                world.last_id += 1;
                (world.last_id, "new")
            });
            files.push((id, word.to_owned()));
        }
        let priority = options.get("priority").map(|n| i32::try_from(n).unwrap());
        world.added.push((paths, priority));
        world.options.push(clone_item(options));
        Ok(files)
    }
}

#[interface(name = "org.rigpost.Rigpost1.Tokens")]
impl Tokens {
    fn get_access_token(&self, options: Dict) -> Result<(String, u64), Error> {
        let proofs = if options.contains_key("dpop") { " with proofs" } else { "" };
        self.0
            .called(&format!("GetAccessToken {}{proofs}", u32::try_from(&options["min_validity"]).unwrap()));
        Ok(("access-token".to_owned(), boot_micros() + 25_920_000_000))
    }

    #[zbus(name = "GetDPoPProof")]
    fn get_dpop_proof(&self, method: &str, url: &str, nonce: &str, _options: Dict) -> Result<String, Error> {
        self.0.called(&format!("GetDPoPProof {method} {url} {nonce}"));
        Ok("a.proof".to_owned())
    }
}

pub(crate) fn clone_item(item: &Dict) -> Dict {
    item.iter().map(|(key, value)| (key.clone(), value.try_clone().unwrap())).collect()
}

/// An item as the daemon lists it.
pub(crate) fn item(id: u64, path: &Path, state: &str, detail: &str) -> Dict {
    let name = path.file_name().unwrap().to_str().unwrap();
    let keys: [(&str, Variant<'_>); 7] = [
        ("id", id.into()),
        ("path", path.to_str().unwrap().into()),
        ("name", name.into()),
        ("size", 3_000_000_000_u64.into()),
        ("sent", (id * 300_000_000 % 3_000_000_000).into()),
        ("state", state.into()),
        ("detail", detail.into()),
    ];
    keys.into_iter().map(|(key, value)| (key.to_owned(), value.try_into_owned().unwrap())).collect()
}
