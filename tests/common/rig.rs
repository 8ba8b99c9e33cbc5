//! The rig: switched on and off, and checked at its end.
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rigpost_sim::{AssetView, Endpoint, Event, EventKind, Sim};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio::process::Command;
use zbus::Connection;

use super::daemon::Daemon;
use super::fd_store::FdStore;
use super::{Bus, Lines, Setup, fill, sha256, soon};

/// The first project of the cloud.
pub(crate) const PROJECT: &str = "Testbed";

/// All of it. Field order is drop order: the daemon goes first.
pub(crate) struct Rig {
    pub(crate) daemon: Option<Daemon>,
    pub(crate) sim: Sim,
    /// A screen's connection.
    pub(crate) ui: Connection,
    pub(crate) bus: Bus,
    pub(crate) dir: TempDir,
    /// Standard error of all runs.
    pub(crate) log: Lines,
    /// What the service manager was told in all runs.
    pub(crate) notes: Lines,
    /// What it keeps of the daemon.
    pub(crate) fd_store: FdStore,
    pub(crate) setup: Setup,
    pub(super) announced: RefCell<Vec<String>>,
    pub(super) misdeeds: Cell<bool>,
    pub(super) listener: tokio::task::JoinHandle<()>,
}

impl Rig {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.setup.state_dir.clone().unwrap_or_else(|| self.path("state"))
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("rigpost.toml")
    }

    /// Every key is written that the setup names, so that no default is tested by accident.
    pub(crate) fn write_config(&self) {
        let s = &self.setup;
        let mut text = String::from("[device]\n");
        if let Some(id) = &s.client_id {
            writeln!(text, "client_id = {id:?}").unwrap();
        }
        writeln!(text, "[provider]").unwrap();
        if let Some(provider) = &s.provider {
            writeln!(text, "{provider}").unwrap();
        } else {
            self.write_frameio(&mut text);
        }
        let media: Vec<PathBuf> = s.media_dirs.iter().map(|m| self.path(m)).collect();
        write!(
            text,
            "[state]\ndir = {:?}\n[vault]\nkey_file = {:?}\n",
            self.state_dir(),
            self.path("root.key")
        )
        .unwrap();
        write!(text, "[queue]\nmedia_dirs = {media:?}\nmax_items = {}\n", s.max_items).unwrap();
        if s.parallel_parts > 0 {
            writeln!(text, "parallel_parts = {}", s.parallel_parts).unwrap();
        }
        write!(text, "[log]\nlevel = {:?}\n", s.level).unwrap();
        std::fs::write(self.config(), text).unwrap();
        if !s.drop_in.is_empty() {
            std::fs::create_dir_all(self.path("conf.d")).unwrap();
            let text = s.drop_in.replace("{dir}", self.dir.path().to_str().unwrap());
            std::fs::write(self.path("conf.d/50-test.toml"), text).unwrap();
        }
    }

    fn write_frameio(&self, text: &mut String) {
        let s = &self.setup;
        let base = s.base_url.clone().unwrap_or_else(|| self.sim.url().to_string());
        write!(text, "base_url = {base:?}\nclient_version = \"1.2.3\"\n").unwrap();
        write!(text, "url_pairing = {}\nsecret_on_poll = {}\n", s.url_pairing, s.secret_on_poll).unwrap();
        writeln!(text, "heartbeat = {}", s.heartbeat).unwrap();
        if let Some(pem) = self.sim.ca_pem() {
            let ca = self.path("ca.pem");
            std::fs::write(&ca, pem).unwrap();
            writeln!(text, "ca_file = {ca:?}").unwrap();
        }
    }

    /// The daemon's command line and environment. Run by root it has root's name but no power over others' files, as the
    /// service's user has none.
    pub(crate) fn command(&self) -> Command {
        let mut words: Vec<String> = self.setup.wrapper.iter().map(|w| (*w).to_owned()).collect();
        if let Some(user) = self.setup.user {
            words.extend(["setpriv".to_owned(), format!("--reuid={user}"), "--clear-groups".to_owned()]);
            words.extend(["--".to_owned(), self.bus.dir().join("rigpostd").to_str().unwrap().to_owned()]);
        } else {
            if rustix::process::geteuid().is_root() {
                words.extend(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"].map(str::to_owned));
            }
            words.push(env!("CARGO_BIN_EXE_rigpostd").to_owned());
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.arg("--config").arg(self.config());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus.address);
        command.env("NOTIFY_SOCKET", self.path("notify"));
        if let Some(limit) = self.setup.watchdog {
            command.env("WATCHDOG_USEC", limit.as_micros().to_string());
        }
        command.envs(self.setup.env.iter().map(|(k, v)| (k, v)));
        command
    }

    /// From the next start on the daemon is given what was kept of it.
    pub(crate) fn gives_back_descriptors(&mut self) {
        let (wrapper, env) = self.fd_store.serve(&self.path("fd-store"));
        self.setup.wrapper = wrapper;
        self.setup.env.push(env);
    }

    /// Starts the daemon and waits until it says it is ready.
    pub(crate) async fn start(&mut self) {
        self.spawn();
        let before = self.notes.all().iter().filter(|l| *l == "READY=1").count();
        let notes = self.notes.clone();
        let daemon = self.daemon.as_mut().unwrap();
        let ready = async {
            while notes.all().iter().filter(|l| *l == "READY=1").count() == before {
                notes.wait(notes.len(), "").await;
            }
        };
        let ended = tokio::select! {
            () = ready => None,
            status = daemon.exit() => Some(status),
        };
        assert!(ended.is_none(), "the daemon ended: {}; it said: {:#?}", ended.unwrap(), self.log.all());
    }

    /// Writes another configuration, has the daemon read it, and answers with the status line after that.
    pub(crate) async fn reload(&self, config: &str) -> String {
        std::fs::write(self.config(), config).unwrap();
        let before = self.notes.len();
        self.daemon.as_ref().unwrap().signal(Signal::HUP);
        self.notes.wait(before, "RELOADING=1").await;
        self.notes.wait(before, "READY=1").await;
        let ready = before + self.notes.all()[before..].iter().position(|l| l == "READY=1").unwrap();
        self.notes.wait(ready, "STATUS=").await
    }

    /// Starts the daemon, whatever becomes of it.
    pub(crate) fn spawn(&mut self) {
        assert!(self.daemon.is_none(), "the daemon runs already");
        self.daemon = Some(Daemon::spawn(self.command(), &self.log));
    }

    pub(crate) fn pid(&self) -> Pid {
        self.daemon.as_ref().expect("the daemon runs").pid()
    }

    /// SIGKILL: nothing is finished, nothing is said.
    pub(crate) async fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        daemon.signal(Signal::KILL);
        daemon.ended().await;
    }

    pub(crate) async fn kill_and_start(&mut self) {
        self.kill().await;
        self.start().await;
    }

    /// SIGTERM, as the service manager stops it.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        daemon.signal(Signal::TERM);
        daemon.ended().await
    }

    /// Stopped in order and started again.
    pub(crate) async fn restart(&mut self) {
        assert!(self.stop().await.success());
        self.start().await;
    }

    /// Waits for the daemon to end by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.daemon.take().expect("the daemon runs").ended().await
    }

    /// Lines at level error that hold these words are part of the test.
    pub(crate) fn announce_error(&self, words: &str) {
        self.announced.borrow_mut().push(words.to_owned());
    }

    /// The test makes the daemon break the protocol on purpose, or looks at the violations itself.
    pub(crate) fn allow_violations(&self) {
        self.misdeeds.set(true);
    }

    /// A clip in the first media directory.
    pub(crate) fn clip(&self, name: &str, size: usize) -> PathBuf {
        let path = self.path(self.setup.media_dirs[0]).join(name);
        let seed = name.bytes().fold(size as u64, |s, b| s.wrapping_mul(31).wrapping_add(b.into()));
        fill(&path, size, seed);
        path
    }

    /// The next event of the cloud after event number `after`.
    pub(crate) async fn event(&self, after: u64, endpoint: Endpoint, kind: EventKind) -> Event {
        let wanted = |e: &Event| e.endpoint == endpoint && e.kind == kind;
        let found = self.sim.wait_for_after(after, wanted, super::PATIENCE).await;
        found.unwrap_or_else(|| {
            panic!("no {} {} came; there were {:#?}", endpoint.word(), kind.word(), self.calls())
        })
    }

    /// How often an endpoint was called.
    pub(crate) fn called(&self, endpoint: Endpoint) -> usize {
        self.sim.log().iter().filter(|e| e.endpoint == endpoint && e.kind == EventKind::Received).count()
    }

    /// Number of the newest event.
    pub(crate) fn now(&self) -> u64 {
        self.sim.log().last().map_or(0, |e| e.n)
    }

    /// The cloud's log, for people.
    pub(crate) fn calls(&self) -> Vec<String> {
        let line = |e: &Event| {
            let more = [e.status.map(|s| s.to_string()), e.error.clone(), e.fault.clone(), e.detail.clone()];
            let more: Vec<String> = more.into_iter().flatten().collect();
            format!("{} {} {} {}", e.n, e.endpoint.word(), e.kind.word(), more.join(" "))
        };
        self.sim.log().iter().map(line).collect()
    }

    /// Finished assets of that name.
    pub(crate) fn complete(&self, name: &str) -> Vec<AssetView> {
        self.sim.assets().into_iter().filter(|a| a.complete && a.name == name).collect()
    }

    /// The clip is in the cloud once, byte for byte.
    pub(crate) fn assert_arrived(&self, clip: &Path, project: &str) {
        let name = String::from_utf8_lossy(clip.file_name().unwrap().as_encoded_bytes()).into_owned();
        let found = self.complete(&name);
        assert_eq!(found.len(), 1, "{name} is there once; the cloud has {:#?}", self.sim.assets());
        assert_eq!(found[0].sha256.as_deref(), Some(sha256(clip).as_str()), "{name} is the same");
        assert_eq!(found[0].project, project);
    }

    /// Waits until nothing at all is under way at the cloud's hold point.
    pub(crate) async fn held(&self) -> Event {
        soon("the hold point", self.sim.held()).await.expect("a hold point is set")
    }

    /// The database; the daemon should be off.
    pub(crate) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.state_dir().join("rigpost.db")).unwrap()
    }

    /// The first column of a query, as text.
    pub(crate) fn column(&self, query: &str) -> Vec<String> {
        let db = self.database();
        let mut statement = db.prepare(query).unwrap();
        statement.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn unannounced(&self) -> Vec<String> {
        let announced = self.announced.borrow();
        let bad = |l: &String| {
            (l.trim_start().starts_with("ERROR") || l.contains("panicked at"))
                && !announced.iter().any(|a| l.contains(a))
        };
        self.log.all().into_iter().filter(bad).collect()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(self.daemon.take());
        self.listener.abort();
        if std::thread::panicking() {
            eprintln!("--- the daemon said ---\n{}", self.log.all().join("\n"));
            eprintln!("--- the cloud saw ---\n{}", self.calls().join("\n"));
            return;
        }
        assert_eq!(self.unannounced(), Vec::<String>::new(), "errors that the test did not announce");
        if !self.misdeeds.get() {
            assert_eq!(self.sim.violations(), Vec::<String>::new(), "against the provider's protocol");
        }
    }
}
