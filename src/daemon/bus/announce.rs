//! The only emitter (but for zbus, which tells what was set): compares the last two snapshots and announces what changed.
//!
//! # Decisions
//! - One signal for each interface and change, with all its properties in it: a screen redraws once.
//! - Properties of the queue at most twice a second; a state of the rig at once.
//! - What is on offer to one person stays out of signals: `UserCode` and `VerificationUriComplete` are only named.
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Variant, fdo};

use crate::bus::PATH;
use crate::bus::queue::{self, Dict, Queue};
use crate::clock::Clock;
use crate::link::Desk;
use rigpost_core::time::BootTime;
use rigpost_core::view::{ItemNews, QueueView, RigView, blockers, safe_to_power_off};

const QUEUE_EVERY: Duration = Duration::from_millis(500);
const INVALIDATED: [&str; 2] = ["UserCode", "VerificationUriComplete"];

type Properties = Vec<(&'static str, Variant<'static>)>;

/// What has been told so far: nothing, at the time of the first look.
#[derive(Debug)]
pub struct Announcer {
    rig: watch::Receiver<RigView>,
    queue: watch::Receiver<QueueView>,
    news: broadcast::Receiver<Arc<ItemNews>>,
    told_rig: RigView,
    told_queue: QueueView,
}

impl Announcer {
    /// Comes before the name is owned: what changes after somebody could look is announced.
    pub fn new(desk: &Desk) -> Announcer {
        let (mut rig, mut queue) = (desk.rig.clone(), desk.queue_view.clone());
        let (told_rig, told_queue) = (rig.borrow_and_update().clone(), queue.borrow_and_update().clone());
        Announcer { rig, queue, news: desk.news.subscribe(), told_rig, told_queue }
    }
}

/// Announces until the bus refuses.
pub async fn run(connection: &Connection, from: Announcer, clock: &Clock) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    let Announcer { mut rig, mut queue, mut news, mut told_rig, mut told_queue } = from;
    let mut queue_due: Option<BootTime> = None;
    let mut queue_told_at = BootTime::default();
    loop {
        tokio::select! {
            changed = rig.changed() => if changed.is_err() { return Ok(()) },
            changed = queue.changed(), if queue_due.is_none() => {
                if changed.is_err() { return Ok(()) }
                queue_due = Some(queue_told_at + QUEUE_EVERY);
            }
            () = clock.sleep_until_some(queue_due) => {}
            item = news.recv() => match item {
                Ok(item) => tell_item(&emitter, &item).await?,
                // The listener reads the list; what was missed is in there.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
        let new_rig = rig.borrow_and_update().clone();
        let now = clock.now().boot;
        let new_queue = if queue_due.is_some_and(|at| now >= at) {
            queue_due = None;
            queue_told_at = now;
            queue.borrow_and_update().clone()
        } else {
            told_queue.clone()
        };
        tell(&emitter, "org.rigpost.Rigpost1.Pairing", pairing(&told_rig), pairing(&new_rig)).await?;
        tell(
            &emitter,
            "org.rigpost.Rigpost1.Queue",
            queue_properties(&told_queue),
            queue_properties(&new_queue),
        )
        .await?;
        tell(
            &emitter,
            "org.rigpost.Rigpost1.Device",
            device(&told_rig, &told_queue),
            device(&new_rig, &new_queue),
        )
        .await?;
        (told_rig, told_queue) = (new_rig, new_queue);
    }
}

async fn tell(
    emitter: &SignalEmitter<'_>,
    interface: &str,
    old: Properties,
    new: Properties,
) -> zbus::Result<()> {
    let mut changed: HashMap<&str, Variant<'_>> = HashMap::new();
    let mut invalidated = Vec::new();
    for ((name, old), (_, new)) in old.into_iter().zip(new) {
        if old == new {
            continue;
        }
        if INVALIDATED.contains(&name) {
            invalidated.push(name);
        } else {
            changed.insert(name, new);
        }
    }
    if changed.is_empty() && invalidated.is_empty() {
        return Ok(());
    }
    let interface = InterfaceName::try_from(interface)?;
    fdo::Properties::properties_changed(emitter, interface, changed, Cow::Owned(invalidated)).await
}

async fn tell_item(emitter: &SignalEmitter<'_>, item: &ItemNews) -> zbus::Result<()> {
    let dict: Dict = HashMap::from([
        ("state", item.state.as_str().into()),
        ("reason", item.reason.clone().into()),
        ("name", item.name.clone().into()),
        ("size", item.size.into()),
        ("sent", item.sent.into()),
    ]);
    Queue::item_changed(emitter, item.id.0, dict).await
}

fn pairing(v: &RigView) -> Properties {
    let device = v.device.clone().unwrap_or_default();
    let secret = |s: Option<&str>| s.unwrap_or_default().to_owned().into();
    vec![
        ("State", v.state.as_str().into()),
        ("Reason", v.reason.as_str().into()),
        ("UserCode", secret(v.user_code.as_ref().map(|c| c.expose()))),
        ("VerificationUri", v.verification_uri.clone().unwrap_or_default().into()),
        ("VerificationUriComplete", secret(v.verification_uri_complete.as_ref().map(|c| c.expose()))),
        ("CodeExpiresAt", v.code_expires_at.map_or(0, BootTime::as_micros).into()),
        ("DeviceName", v.device_name.clone().into()),
        ("ProjectId", device.project_id.into()),
        ("ProjectName", device.project_name.into()),
        ("AuthorizedBy", device.authorized_by.into()),
        ("AuthorizationExpires", device.authorization_expires.unwrap_or(0).into()),
        ("AccessExpiresAt", v.access_expires_at.map_or(0, BootTime::as_micros).into()),
        ("RefreshedAt", v.refreshed_at.map_or(0, |t| t.0).into()),
    ]
}

fn device(rig: &RigView, queue: &QueueView) -> Properties {
    let blockers: Vec<(String, String)> =
        blockers(rig, queue).into_iter().map(|(code, sentence)| (code.to_owned(), sentence)).collect();
    vec![
        ("DeviceId", rig.client_id.clone().into()),
        ("Protection", rig.protection.as_str().into()),
        ("ClockTrusted", rig.clock_trusted.into()),
        ("Online", rig.online.into()),
        ("SafeToPowerOff", safe_to_power_off(rig, queue).into()),
        ("Blockers", blockers.into()),
    ]
}

fn queue_properties(v: &QueueView) -> Properties {
    let current: Vec<Dict> = v.current.iter().map(queue::sending).collect();
    vec![
        ("Paused", v.paused.into()),
        ("Recording", v.recording.into()),
        ("BandwidthLimit", v.bandwidth_limit.into()),
        ("FilesLeft", queue::saturated(v.counters.files_left).into()),
        ("BytesLeft", v.counters.bytes_left.into()),
        ("Held", queue::saturated(v.counters.held).into()),
        ("Failed", queue::saturated(v.counters.failed).into()),
        ("Rate", v.rate.into()),
        ("Current", current.into()),
    ]
}
