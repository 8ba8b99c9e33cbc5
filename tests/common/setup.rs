//! What a rig is made of, before it is switched on.
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::Duration;

use rigpost_sim::{Sim, SimOptions};

use super::daemon::listen;
use super::{Bus, Lines, Rig};

/// In every secret of the cloud.
pub(crate) const MARKER: &str = "SIMSECRET";
/// What the cloud accepts.
pub(crate) const SECRET: &str = "SIMSECRET-client-secret";

/// Everything a test may choose. The defaults are a rig that works, beside a cloud that is quick.
pub(crate) struct Setup {
    pub(crate) sim: SimOptions,
    /// In place of the simulator's own address.
    pub(crate) base_url: Option<String>,
    /// In place of the whole section on the provider.
    pub(crate) provider: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) url_pairing: bool,
    pub(crate) secret_on_poll: bool,
    /// Seconds; 0 for none, so that only tests of it see beats.
    pub(crate) heartbeat: u64,
    pub(crate) state_dir: Option<PathBuf>,
    /// Beneath the rig's directory.
    pub(crate) media_dirs: Vec<&'static str>,
    pub(crate) max_items: u64,
    /// A limit; 0 for none, so that the daemon says how many.
    pub(crate) parallel_parts: usize,
    pub(crate) level: &'static str,
    /// A drop-in of the configuration, with `{dir}` for the rig's directory.
    pub(crate) drop_in: String,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) watchdog: Option<Duration>,
    /// The daemon's user, in place of the test's own. Only root can choose.
    pub(crate) user: Option<&'static str>,
    /// A program and its arguments that start the daemon.
    pub(crate) wrapper: Vec<&'static str>,
}

impl Setup {
    pub(crate) fn new() -> Setup {
        let sim = SimOptions {
            interval: 1.0,
            client_secret: SECRET.to_owned(),
            marker: MARKER.to_owned(),
            ..SimOptions::default()
        };
        Setup {
            sim,
            base_url: None,
            provider: None,
            client_id: None,
            url_pairing: true,
            secret_on_poll: false,
            heartbeat: 0,
            state_dir: None,
            media_dirs: vec!["media"],
            max_items: 1000,
            parallel_parts: 2,
            level: "debug",
            drop_in: String::new(),
            env: Vec::new(),
            watchdog: None,
            user: None,
            wrapper: Vec::new(),
        }
    }

    /// With other options of the cloud.
    pub(crate) fn cloud(change: impl FnOnce(&mut SimOptions)) -> Setup {
        let mut setup = Setup::new();
        change(&mut setup.sim);
        setup
    }

    /// A bus, a cloud, and a daemon that is not started.
    pub(crate) async fn build(self) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let bus = Bus::start(self.user);
        let ui = bus.connect().await;
        let sim = Sim::start(self.sim.clone()).await.unwrap();
        let (notes, fd_store, listener) = listen(&dir.path().join("notify"));
        for media in &self.media_dirs {
            std::fs::create_dir_all(dir.path().join(media)).unwrap();
        }
        let rig = Rig {
            sim,
            bus,
            dir,
            ui,
            log: Lines::new(),
            notes,
            fd_store,
            setup: self,
            daemon: None,
            announced: RefCell::default(),
            misdeeds: Cell::new(false),
            listener,
        };
        rig.write_config();
        if let Some(user) = rig.setup.user {
            let given = std::process::Command::new("chown").arg("-R").arg(user).arg(rig.dir.path()).status();
            assert!(given.unwrap().success());
            super::install(env!("CARGO_BIN_EXE_rigpostd"), &rig.bus.dir().join("rigpostd"));
        }
        rig
    }

    /// As [`Setup::build`], started.
    pub(crate) async fn start(self) -> Rig {
        let mut rig = self.build().await;
        rig.start().await;
        rig
    }

    /// As [`Setup::start`], with the client secret.
    pub(crate) async fn provisioned(self) -> Rig {
        let rig = self.start().await;
        rig.provision(SECRET).await.unwrap();
        rig
    }

    /// As [`Setup::provisioned`], paired with [`super::PROJECT`].
    pub(crate) async fn paired(self) -> Rig {
        let rig = self.provisioned().await;
        rig.pair().await;
        rig
    }
}
