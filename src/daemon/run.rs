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
mod version;
mod wiring;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::bus::{About, Bus, Log};
use crate::clock::Clock;
use crate::config::Settings;
use crate::link::{Handle, ToQueue, ToRig};
use crate::tasks::Ping;
use crate::watch::network::Network;
use notify::Notify;
use reload::Reloader;
use rigpost_core::time::WallTime;
use rigpost_core::view::{QueueView, RigView, status_line};
use wiring::{Wired, wire};

pub use logging::{LogLevel, start as start_logging};
pub use memory::seclude;
pub use version::VERSION;

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
    /// When this program was built: a wall clock before that was never set.
    pub built: WallTime,
}

/// Runs until SIGTERM or SIGINT. SIGHUP reads the configuration again.
pub async fn run(launch: Launch) -> Result<(), Fatal> {
    let Launch { settings, client_id, config_path, log, built } = launch;
    let clock = Clock::system();
    let notify = Notify::from_environment();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hangup = signal(SignalKind::hangup())?;
    info!(version = VERSION, "starting");
    let (tell_queue, queue_settings) = watch::channel(wiring::for_uploads(&settings, built));
    let Wired {
        handle,
        rig_task,
        uploads,
        growing_task,
        comment_task,
        channel_task,
        presence_task,
        source_task,
        mut rig,
        mut queue,
        transport,
    } = wire(&settings, client_id, queue_settings, &clock, built, notify.fd_store())?;
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (rig_stop, uploads_stop) = (stop.clone(), stop.clone());
    tasks.spawn(async move {
        rig_task.run(rig_stop).await;
        "rig"
    });
    tasks.spawn(async move {
        uploads.run(uploads_stop).await;
        "uploads"
    });
    let growing_stop = stop.clone();
    tasks.spawn(async move {
        growing_task.run(growing_stop).await;
        "recordings"
    });
    let comments_stop = stop.clone();
    tasks.spawn(async move {
        comment_task.run(comments_stop).await;
        "comments"
    });
    let channels_stop = stop.clone();
    tasks.spawn(async move {
        channel_task.run(channels_stop).await;
        "channels"
    });
    let presence_stop = stop.clone();
    tasks.spawn(async move {
        presence_task.run(presence_stop).await;
        "presence"
    });
    let (watched, watching_clock, network_stop) = (handle.clone(), clock.clone(), stop.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = network_stop.cancelled() => {}
            () = watch_network(&watched, &watching_clock) => {}
        }
        "network"
    });
    let bus = tokio::select! {
        bus = come_up(&settings, Arc::new(log.clone()), &handle, &clock, &mut rig, &mut queue) => Some(bus?),
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
    let source_task = source_task.filter(|_| up).map(|(source_task, ping)| {
        let sources_stop = stop.clone();
        tasks.spawn(async move {
            source_task.run(sources_stop).await;
            "sources"
        });
        ping
    });
    transport.open();
    let told =
        Told { status, hangup, reloader: Reloader::new(config_path, settings, log, tell_queue, built) };
    let ended = tokio::select! {
        () = std::future::ready(()), if !up => None,
        ended = tasks.join_next() => Some(ended.and_then(Result::ok).unwrap_or("unknown")),
        () = supervise(&notify, &handle, source_task.as_ref(), &clock, rig, queue, told) => None,
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
async fn watch_network(handle: &Handle, clock: &Clock) {
    let outcome: std::io::Result<()> = async {
        let mut network = Network::listen()?;
        loop {
            network.came_up(clock).await?;
            debug!("a network came up: what waits for one is tried now");
            // A task that has ended has ended the daemon.
            let _ = handle.to_rig.send(ToRig::NetworkUp).await;
            let _ = handle.to_queue.send(ToQueue::NetworkUp).await;
        }
    }
    .await;
    if let Err(e) = outcome {
        warn!("the network can't be watched, so what waits for it is tried at its own time: {e}");
    }
    std::future::pending().await
}

/// Connects, waits for the first snapshots, and owns the name.
async fn come_up(
    settings: &Settings,
    log: Arc<dyn Log>,
    handle: &Handle,
    clock: &Clock,
    rig: &mut watch::Receiver<RigView>,
    queue: &mut watch::Receiver<QueueView>,
) -> Result<Bus, Fatal> {
    let about = About {
        version: VERSION,
        provider: settings.provider.kind.as_str(),
        gives_tokens: settings.tokens.allow,
    };
    let bus = Bus::connect(handle.clone(), clock.clone(), about, log)
        .await
        .map_err(|e| Fatal::Bus(format!("the system bus can't be reached: {e}")))?;
    // Nobody reads a state before there is one.
    let _ = tokio::time::timeout(PING_PATIENCE, first_views(rig, queue)).await;
    bus.own_name().await.map_err(|e| {
        let name = rigpost_contract::interface::BUS_NAME;
        Fatal::Bus(format!("the bus name {name} can't be owned (another daemon, or the bus policy): {e}"))
    })?;
    Ok(bus)
}

/// Returns when everything that a screen may ask for has been read once.
async fn first_views(rig: &mut watch::Receiver<RigView>, queue: &mut watch::Receiver<QueueView>) {
    // Who says nothing any more has ended, and the daemon with it.
    let _ = rig.changed().await;
    let _ = queue.changed().await;
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
    handle: &Handle,
    source_task: Option<&mpsc::Sender<Ping>>,
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
                if all_answer(handle, source_task).await {
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

async fn all_answer(handle: &Handle, source_task: Option<&mpsc::Sender<Ping>>) -> bool {
    let (rig, rig_answer) = oneshot::channel();
    let (queue, queue_answer) = oneshot::channel();
    let asked = async {
        handle.to_rig.send(ToRig::Ping(rig)).await.ok()?;
        handle.to_queue.send(ToQueue::Ping(queue)).await.ok()?;
        if let Some(source_task) = source_task {
            let (ping, answer) = oneshot::channel();
            source_task.send(ping).await.ok()?;
            answer.await.ok()?;
        }
        rig_answer.await.ok()?;
        queue_answer.await.ok()
    };
    matches!(tokio::time::timeout(PING_PATIENCE, asked).await, Ok(Some(())))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_name_waits_for_every_view() {
        for rig_first in [true, false] {
            let (rig_out, mut rig) = watch::channel(RigView::unread());
            let (queue_out, mut queue) = watch::channel(QueueView::default());
            let mut both = Box::pin(first_views(&mut rig, &mut queue));
            assert_eq!((&mut both).now_or_never(), None);
            if rig_first {
                rig_out.send_modify(|_| ())
            } else {
                queue_out.send_modify(|_| ())
            }
            assert_eq!((&mut both).now_or_never(), None, "half is not all");
            if rig_first {
                queue_out.send_modify(|_| ())
            } else {
                rig_out.send_modify(|_| ())
            }
            assert_eq!((&mut both).now_or_never(), Some(()));
        }
    }
}
