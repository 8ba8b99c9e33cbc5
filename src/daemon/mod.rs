//! The daemon: the only place that knows every part. Opens, wires, supervises, stops.
//!
//! # Decisions
//! - All tasks in one set; whichever ends first ends the daemon, by name. Half a daemon is worse than a restart.
//! - The watchdog is fed by the supervising loop, and only after every task has answered: a stuck task is a dead daemon.
//! - Nothing of the orderly stop is needed for correctness. Whatever is killed at any point comes back right.
pub mod args;
pub mod command_line;
mod logging;
mod memory;
mod notify;
mod reload;

use crate::{
    bus::Bus,
    clock::Clock,
    config::{ProviderKind, Settings},
    domain::{
        rig::Rig,
        time::WallTime,
        view::{QueueView, RigView, status_line},
    },
    http::Http,
    link::{DEPTH, Desk, ToKeeper, ToQueue},
    provider::{FrameIo, Provider},
    tasks::{Found, Keeper, Strongroom, Uploader, UploaderSettings},
    vault::KeySource,
};
use notify::Notify;
use reload::Reloader;
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use logging::{LogLevel, start as start_logging};
pub use memory::seclude;

/// The daemon's version, semantic versioning.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// A refresh in flight is seen through for this long; shorter than systemd's patience.
const STOP_PATIENCE: Duration = Duration::from_secs(25);
/// Every task answers a ping within this, or the watchdog is not fed.
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// What ends the process with an error; systemd starts it again.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The bus can't be reached, refuses the name, or went away.
    #[error("{0}")]
    Bus(String),
    /// A task ended that never should.
    #[error("the task \"{0}\" ended")]
    TaskEnded(String),
    /// The system refused something basic.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// What the daemon is started with.
pub struct Launch {
    /// What the configuration says.
    pub settings: Settings,
    /// The identity that the configuration names, resolved.
    pub client_id: Option<String>,
    /// Where the configuration was read, if not from the installed file; for a reload.
    pub config_path: Option<PathBuf>,
    /// For a reload.
    pub log: LogLevel,
}

struct Parts {
    desk: Desk,
    keeper: Keeper<Http>,
    uploader: Uploader<Http>,
    rig: watch::Receiver<RigView>,
    queue: watch::Receiver<QueueView>,
    transport: Arc<Http>,
}

/// Runs until SIGTERM or SIGINT. SIGHUP reads the configuration again.
pub async fn run(launch: Launch) -> Result<(), Fatal> {
    let Launch { settings, client_id, config_path, log } = launch;
    let clock = Clock::system();
    let notify = Notify::from_environment();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hangup = signal(SignalKind::hangup())?;
    info!(version = VERSION, "starting");
    let (tell_queue, queue_settings) = watch::channel(reload::for_uploader(&settings.queue));
    let Parts { desk, keeper, uploader, mut rig, queue, transport } =
        wire(&settings, client_id, queue_settings, &clock)?;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (keeper_stop, uploader_stop) = (stop.clone(), stop.clone());
    tasks.spawn(async move {
        keeper.run(keeper_stop).await;
        "keeper"
    });
    tasks.spawn(async move {
        uploader.run(uploader_stop).await;
        "uploader"
    });
    let bus = tokio::select! {
        bus = come_up(&settings, &desk, &clock, &mut rig) => Some(bus?),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    let bus_failed = Arc::new(OnceLock::new());
    let up = bus.is_some();
    let status = status_line(&rig.borrow(), &queue.borrow());
    if let Some(bus) = bus {
        notify.ready(&status);
        let (bus_stop, bus_failure) = (stop.clone(), bus_failed.clone());
        tasks.spawn(async move {
            if let Err(why) = bus.run(bus_stop).await {
                let _ = bus_failure.set(why);
            }
            "bus"
        });
    }
    transport.open();
    let told = Told { status, hangup, reloader: Reloader::new(config_path, settings, log, tell_queue) };
    let ended = tokio::select! {
        () = std::future::ready(()), if !up => None,
        ended = tasks.join_next() => Some(ended.and_then(Result::ok).unwrap_or("unknown")),
        () = supervise(&notify, &desk, &clock, rig, queue, told) => None,
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    notify.stopping();
    info!("stopping");
    stop.cancel();
    tokio::select! {
        () = async { while tasks.join_next().await.is_some() {} } => {}
        () = clock.sleep_until(clock.now().boot + STOP_PATIENCE) => error!("a task did not stop in time"),
        _ = terminate.recv() => warn!("a second signal: stopping at once"),
        _ = interrupt.recv() => warn!("a second signal: stopping at once"),
    }
    match (bus_failed.get(), ended) {
        (Some(why), _) => Err(Fatal::Bus(why.clone())),
        (None, Some(task)) => Err(Fatal::TaskEnded(task.to_owned())),
        (None, None) => Ok(()),
    }
}

/// Connects, waits for the first snapshot, and owns the name.
async fn come_up(
    settings: &Settings,
    desk: &Desk,
    clock: &Clock,
    rig: &mut watch::Receiver<RigView>,
) -> Result<Bus, Fatal> {
    let bus = Bus::connect(desk.clone(), clock.clone(), VERSION, settings.provider.kind.as_str())
        .await
        .map_err(|e| Fatal::Bus(format!("the system bus can't be reached: {e}")))?;
    // Nobody reads a state before there is one.
    let _ = tokio::time::timeout(PING_PATIENCE, rig.changed()).await;
    bus.own_name().await.map_err(|e| {
        let name = crate::bus::NAME;
        Fatal::Bus(format!("the bus name {name} can't be owned (another daemon, or the bus policy): {e}"))
    })?;
    Ok(bus)
}

fn wire(
    settings: &Settings,
    client_id: Option<String>,
    queue_settings: watch::Receiver<UploaderSettings>,
    clock: &Clock,
) -> Result<Parts, Fatal> {
    let seed = getrandom::u64().map_err(std::io::Error::other)?;
    let provider = match settings.provider.kind {
        ProviderKind::Frameio => Provider::FrameIo(FrameIo {
            base_url: settings.provider.base_url.clone(),
            client_version: settings.provider.client_version.clone(),
            url_pairing: settings.provider.url_pairing,
            secret_on_poll: settings.provider.secret_on_poll,
        }),
    };
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let room = Arc::new(Strongroom::open(Found {
        dir: settings.state.dir.clone(),
        key: KeySource::choose(credentials, settings.vault.key_file.clone()),
        client_id,
    }));
    let transport = Arc::new(Http::new(settings.provider.ca_file.clone(), VERSION, clock.clone()));
    let (to_keeper, keeper_inbox) = mpsc::channel::<ToKeeper>(DEPTH);
    let (to_queue, queue_inbox) = mpsc::channel::<ToQueue>(DEPTH);
    let (rig_out, rig) = watch::channel(RigView::unread());
    let (queue_out, queue) = watch::channel(QueueView::default());
    let (access_out, access) = watch::channel(None);
    let (news, _) = broadcast::channel(DEPTH * 4);
    let floor = WallTime(option_env!("RIGPOST_BUILD_EPOCH").and_then(|t| t.parse().ok()).unwrap_or(0));
    let keeper = Keeper::new(
        Rig::new(seed, floor),
        provider.clone(),
        transport.clone(),
        room.clone(),
        clock.clone(),
        keeper_inbox,
        rig_out,
        access_out,
    );
    let uploader = Uploader::new(
        queue_settings,
        provider,
        transport.clone(),
        room,
        clock.clone(),
        queue_inbox,
        to_keeper.clone(),
        access,
        queue_out,
        news.clone(),
        seed ^ 3,
    );
    let desk = Desk { keeper: to_keeper, queue: to_queue, rig: rig.clone(), queue_view: queue.clone(), news };
    Ok(Parts { desk, keeper, uploader, rig, queue, transport })
}

/// What passes between us and the service manager.
struct Told {
    /// The status line that it has.
    status: String,
    hangup: Signal,
    reloader: Reloader,
}

/// Keeps `systemctl status` truthful, the watchdog fed while every task answers, and the configuration as fresh as the
/// last SIGHUP. Never returns.
async fn supervise(
    notify: &Notify,
    desk: &Desk,
    clock: &Clock,
    mut rig: watch::Receiver<RigView>,
    mut queue: watch::Receiver<QueueView>,
    mut told: Told,
) {
    let mut feed_at = notify.watchdog().map(|every| clock.now().boot + every);
    loop {
        let line = told.line(&rig.borrow_and_update(), &queue.borrow_and_update());
        if line != told.status {
            notify.status(&line);
            told.status = line;
        }
        tokio::select! {
            changed = rig.changed() => if changed.is_err() { return std::future::pending().await },
            changed = queue.changed() => if changed.is_err() { return std::future::pending().await },
            Some(()) = told.hangup.recv() => {
                notify.reloading();
                told.reloader.reload().await;
                told.status = told.line(&rig.borrow(), &queue.borrow());
                notify.ready(&told.status);
            }
            () = clock.sleep_until_some(feed_at) => {
                if all_answer(desk).await {
                    notify.alive();
                } else {
                    error!("a task does not answer: the watchdog is not fed");
                }
                feed_at = notify.watchdog().map(|every| clock.now().boot + every);
            }
        }
    }
}

impl Told {
    fn line(&self, rig: &RigView, queue: &QueueView) -> String {
        let line = status_line(rig, queue);
        match self.reloader.notice() {
            "" => line,
            notice => format!("{line}; {notice}"),
        }
    }
}

async fn all_answer(desk: &Desk) -> bool {
    let (keeper, keeper_answer) = oneshot::channel();
    let (queue, queue_answer) = oneshot::channel();
    let asked = async {
        desk.keeper.send(ToKeeper::Ping(keeper)).await.ok()?;
        desk.queue.send(ToQueue::Ping(queue)).await.ok()?;
        keeper_answer.await.ok()?;
        queue_answer.await.ok()
    };
    matches!(tokio::time::timeout(PING_PATIENCE, asked).await, Ok(Some(())))
}
