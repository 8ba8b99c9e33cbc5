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
    network::Network,
    provider::{FrameIo, Provider},
    store::Limits,
    tasks::{Door, Found, Keeper, Lines, Parts, Ping, Scout, Strongroom, Uploader, UploaderSettings},
    vault::KeySource,
};
use notify::Notify;
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

pub use logging::start as start_logging;
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

struct Wired {
    desk: Desk,
    keeper: Keeper<Http>,
    uploader: Uploader<Http>,
    /// Where there are media sources.
    scout: Option<(Scout, mpsc::Sender<Ping>)>,
    rig: watch::Receiver<RigView>,
    queue: watch::Receiver<QueueView>,
    transport: Arc<Http>,
}

/// Runs until SIGTERM or SIGINT. `client_id`: the identity that the configuration names, resolved.
pub async fn run(settings: Settings, client_id: Option<String>) -> Result<(), Fatal> {
    let clock = Clock::system();
    let notify = Notify::from_environment();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    info!(version = VERSION, "starting");
    let Wired { desk, keeper, uploader, scout, mut rig, queue, transport } =
        wire(&settings, client_id, &clock)?;
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
    let (watched, watching_clock, network_stop) = (desk.clone(), clock.clone(), stop.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = network_stop.cancelled() => {}
            () = watch_network(&watched, &watching_clock) => {}
        }
        "network"
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
    // Not before: nobody waits for a card to be walked.
    let scout = scout.filter(|_| up).map(|(scout, ping)| {
        let scout_stop = stop.clone();
        tasks.spawn(async move {
            scout.run(scout_stop).await;
            "scout"
        });
        ping
    });
    transport.open();
    let ended = tokio::select! {
        () = std::future::ready(()), if !up => None,
        ended = tasks.join_next() => Some(ended.and_then(Result::ok).unwrap_or("unknown")),
        () = supervise(&notify, &desk, scout.as_ref(), &clock, rig, queue, status) => None,
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

/// Tells the tasks when a network has come up. Never returns: where this can't be known, their own timers are near
/// enough.
async fn watch_network(desk: &Desk, clock: &Clock) {
    let outcome: std::io::Result<()> = async {
        let mut network = Network::listen()?;
        loop {
            network.came_up(clock).await?;
            debug!("a network came up: what waits for one is tried now");
            // A task that has ended has ended the daemon.
            let _ = desk.keeper.send(ToKeeper::NetworkUp).await;
            let _ = desk.queue.send(ToQueue::NetworkUp).await;
        }
    }
    .await;
    if let Err(e) = outcome {
        warn!("the network can't be watched, so what waits for it is tried at its own time: {e}");
    }
    std::future::pending().await
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

fn wire(settings: &Settings, client_id: Option<String>, clock: &Clock) -> Result<Wired, Fatal> {
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
    let door = Arc::new(door(settings, floor));
    let scout = (!door.sources.is_empty()).then(|| {
        let (ping, pings) = mpsc::channel(1);
        let (room, to_queue, max_items) = (room.clone(), to_queue.clone(), settings.queue.max_items);
        let scout = Scout::new(door.clone(), max_items, room, clock.clone(), to_queue, queue.clone(), pings);
        (scout, ping)
    });
    let parts = Parts { provider, transport: transport.clone(), room, clock: clock.clone() };
    let machine = Rig::new(seed, floor, settings.provider.heartbeat);
    let keeper = Keeper::new(parts.clone(), machine, keeper_inbox, rig_out, access_out);
    let uploader_settings = UploaderSettings {
        door,
        limits: Limits {
            max_items: settings.queue.max_items,
            max_per_user: settings.queue.max_items_per_user.min(settings.queue.max_items),
        },
        parallel_parts: settings.queue.parallel_parts,
    };
    let lines =
        Lines { inbox: queue_inbox, keeper: to_keeper.clone(), access, view: queue_out, news: news.clone() };
    let uploader = Uploader::new(parts, uploader_settings, lines, seed ^ 3);
    let desk = Desk { keeper: to_keeper, queue: to_queue, rig: rig.clone(), queue_view: queue.clone(), news };
    Ok(Wired { desk, keeper, uploader, scout, rig, queue, transport })
}

fn door(settings: &Settings, earliest: WallTime) -> Door {
    Door {
        media_dirs: settings.queue.media_dirs.clone(),
        classes: settings.classes.clone(),
        sources: settings.sources.clone(),
        settle: Duration::from_secs(settings.queue.settle_seconds),
        before_pairing: settings.queue.before_pairing,
        earliest,
    }
}

/// Keeps `systemctl status` truthful, and the watchdog fed while every task answers. `told`: the status line that systemd
/// has. Never returns.
async fn supervise(
    notify: &Notify,
    desk: &Desk,
    scout: Option<&mpsc::Sender<Ping>>,
    clock: &Clock,
    mut rig: watch::Receiver<RigView>,
    mut queue: watch::Receiver<QueueView>,
    mut told: String,
) {
    let mut feed_at = notify.watchdog().map(|every| clock.now().boot + every);
    loop {
        let line = status_line(&rig.borrow_and_update(), &queue.borrow_and_update());
        if line != told {
            notify.status(&line);
            told = line;
        }
        tokio::select! {
            changed = rig.changed() => if changed.is_err() { return std::future::pending().await },
            changed = queue.changed() => if changed.is_err() { return std::future::pending().await },
            () = clock.sleep_until_some(feed_at) => {
                if all_answer(desk, scout).await {
                    notify.alive();
                } else {
                    error!("a task does not answer: the watchdog is not fed");
                }
                feed_at = notify.watchdog().map(|every| clock.now().boot + every);
            }
        }
    }
}

async fn all_answer(desk: &Desk, scout: Option<&mpsc::Sender<Ping>>) -> bool {
    let (keeper, keeper_answer) = oneshot::channel();
    let (queue, queue_answer) = oneshot::channel();
    let asked = async {
        desk.keeper.send(ToKeeper::Ping(keeper)).await.ok()?;
        desk.queue.send(ToQueue::Ping(queue)).await.ok()?;
        if let Some(scout) = scout {
            let (ping, answer) = oneshot::channel();
            scout.send(ping).await.ok()?;
            answer.await.ok()?;
        }
        keeper_answer.await.ok()?;
        queue_answer.await.ok()
    };
    matches!(tokio::time::timeout(PING_PATIENCE, asked).await, Ok(Some(())))
}
