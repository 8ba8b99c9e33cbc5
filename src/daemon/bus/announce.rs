//! The only emitter (but for zbus, which tells what was set): compares the last two snapshots and announces what changed.
//!
//! # Decisions
//! - One signal for each interface and change, with all its properties in it: a screen redraws once.
//! - Properties of the queue at most twice a second; a state of the rig at once. One that is again what it was is told all
//!   the same: somebody may have asked in between, and would believe what they read for good.
//! - What is on offer to one person stays out of signals: the contract says which properties are only named.
//! - One value for each property of the contract, in an exhaustive match: one that is new is announced or does not compile.
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Variant, fdo};

use crate::bus::queue::{self, Dict, Queue};
use crate::clock::Clock;
use crate::link::Handle;
use rigpost_contract::interface::{Interface, OBJECT_PATH};
use rigpost_contract::item::ItemKey;
use rigpost_contract::property::{Changes, Property};
use rigpost_core::few;
use rigpost_core::oauth::DeviceInfo;
use rigpost_core::time::BootTime;
use rigpost_core::view::{ItemNews, QueueView, RigView, blockers, safe_to_power_off};

const QUEUE_EVERY: Duration = Duration::from_millis(500);

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
    pub fn new(handle: &Handle) -> Announcer {
        let (mut rig, mut queue) = (handle.rig_view.clone(), handle.queue_view.clone());
        let (told_rig, told_queue) = (rig.borrow_and_update().clone(), queue.borrow_and_update().clone());
        Announcer { rig, queue, news: handle.news.subscribe(), told_rig, told_queue }
    }
}

/// Announces until the bus refuses.
pub async fn run(connection: &Connection, from: Announcer, clock: &Clock) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, OBJECT_PATH)?;
    let Announcer { mut rig, mut queue, mut news, mut told_rig, mut told_queue } = from;
    let mut queue_due: Option<BootTime> = None;
    let mut queue_told_at = BootTime::default();
    let mut moved = BTreeSet::new();
    loop {
        tokio::select! {
            changed = rig.changed() => if changed.is_err() { return Ok(()) },
            changed = queue.changed() => {
                if changed.is_err() { return Ok(()) }
                moved.extend(differ((&told_rig, &told_queue), (&told_rig, &queue.borrow_and_update())));
                queue_due = queue_due.or(Some(queue_told_at + QUEUE_EVERY));
                continue;
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
        let mut changed = differ((&told_rig, &told_queue), (&new_rig, &new_queue));
        if queue_due.is_none() {
            changed.append(&mut moved);
        }
        for interface in [Interface::Pairing, Interface::Queue, Interface::Device] {
            tell(&emitter, interface, changes(interface, &changed, (&new_rig, &new_queue))).await?;
        }
        (told_rig, told_queue) = (new_rig, new_queue);
    }
}

/// What `PropertiesChanged` says.
#[derive(Debug, Default)]
struct Changed {
    /// With the new values.
    told: HashMap<&'static str, Variant<'static>>,
    /// For whoever asks.
    named: Vec<&'static str>,
}

type Snapshots<'a> = (&'a RigView, &'a QueueView);

/// What says something else in the two.
fn differ(old: Snapshots<'_>, new: Snapshots<'_>) -> BTreeSet<Property> {
    few::set(Property::ALL.iter().copied().filter(|property| value(*property, old) != value(*property, new)))
}

fn changes(interface: Interface, of: &BTreeSet<Property>, new: Snapshots<'_>) -> Changed {
    let mut changed = Changed::default();
    for property in Property::of(interface).filter(|property| of.contains(property)) {
        let Some(now) = value(property, new) else { continue };
        match property.changes() {
            Changes::Never => {}
            Changes::Told => drop(changed.told.insert(property.as_str(), now)),
            //= https://www.rfc-editor.org/rfc/rfc8628#section-5.5
            //# Devices SHOULD take into account the operating environment
            Changes::Named => changed.named.push(property.as_str()),
        }
    }
    changed
}

async fn tell(emitter: &SignalEmitter<'_>, interface: Interface, changed: Changed) -> zbus::Result<()> {
    if changed.told.is_empty() && changed.named.is_empty() {
        return Ok(());
    }
    let interface = InterfaceName::try_from(interface.as_str())?;
    fdo::Properties::properties_changed(emitter, interface, changed.told, Cow::Owned(changed.named)).await
}

async fn tell_item(emitter: &SignalEmitter<'_>, item: &ItemNews) -> zbus::Result<()> {
    let dict: Dict = HashMap::from([
        (ItemKey::State.as_str(), item.state.as_str().into()),
        (ItemKey::Reason.as_str(), item.reason.as_str().into()),
        (ItemKey::Detail.as_str(), item.detail.clone().into()),
        (ItemKey::Name.as_str(), item.name.clone().into()),
        (ItemKey::Size.as_str(), item.size.into()),
        (ItemKey::Sent.as_str(), item.sent.into()),
    ]);
    Queue::item_changed(emitter, item.id.0, dict).await
}

/// What a property says; `None` of one that never changes while the program runs.
fn value(property: Property, (rig, queue): Snapshots<'_>) -> Option<Variant<'static>> {
    let secret = |text: Option<&str>| text.unwrap_or_default().to_owned().into();
    let of_device = |text: fn(&DeviceInfo) -> &str| rig.device.as_ref().map_or("", text).to_owned().into();
    let counters = &queue.counters;
    Some(match property {
        Property::Version | Property::Provider => return None,
        Property::DeviceId => rig.client_id.clone().into(),
        Property::Protection => rig.protection.as_str().into(),
        Property::ClockTrusted => rig.clock_trusted.into(),
        Property::Online => rig.online.into(),
        Property::SafeToPowerOff => safe_to_power_off(rig, queue).into(),
        Property::Blockers => blockers(rig, queue).into(),

        Property::State => rig.state.as_str().into(),
        Property::Reason => rig.reason.as_str().into(),
        //= https://www.rfc-editor.org/rfc/rfc8628#section-5.5
        //# Devices SHOULD take into account the operating environment
        Property::UserCode => secret(rig.user_code.as_ref().map(|c| c.expose())),
        Property::VerificationUri => rig.verification_uri.clone().unwrap_or_default().into(),
        Property::VerificationUriComplete => {
            secret(rig.verification_uri_complete.as_ref().map(|c| c.expose()))
        }
        Property::CodeExpiresAt => rig.code_expires_at.map_or(0, BootTime::as_micros).into(),
        Property::DeviceName => rig.device_name.clone().into(),
        Property::ProjectId => of_device(|d| &d.project_id),
        Property::ProjectName => of_device(|d| &d.project_name),
        Property::AuthorizedBy => of_device(|d| &d.authorized_by),
        Property::AuthorizationExpires => {
            rig.device.as_ref().and_then(|d| d.authorization_expires).unwrap_or(0).into()
        }
        Property::AccessExpiresAt => rig.access_expires_at.map_or(0, BootTime::as_micros).into(),
        Property::RefreshedAt => rig.refreshed_at.map_or(0, |t| t.0).into(),
        Property::RevocationsPending => rig.revocations_pending.into(),

        Property::Paused => queue.paused.into(),
        Property::Recording => queue.recording.into(),
        Property::BandwidthLimit => queue.bandwidth_limit.into(),
        Property::FilesLeft => queue::saturated(counters.files_left).into(),
        Property::BytesLeft => counters.bytes_left.into(),
        Property::FilesTotal => queue::saturated(queue.files_total()).into(),
        Property::BytesTotal => queue.bytes_total().into(),
        Property::RetryAt => queue.retry_at.map_or(0, BootTime::as_micros).into(),
        Property::Held => queue::saturated(counters.held).into(),
        Property::Away => queue::saturated(counters.away).into(),
        Property::Incomplete => queue::saturated(counters.incomplete).into(),
        Property::Failed => queue::saturated(counters.failed).into(),
        Property::Orphans => queue::saturated(queue.orphans).into(),
        Property::MissingSources => queue.missing_sources.clone().into(),
        Property::Channels => queue::channels(queue).into(),
        Property::Rate => queue.rate.into(),
        Property::Current => queue.current.iter().map(queue::sending).collect::<Vec<Dict>>().into(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rigpost_core::oauth::{UserCode, VerificationUriComplete};
    use rigpost_core::queue::channel::Channel;
    use rigpost_core::queue::item::{Counters, ItemId};
    use rigpost_core::secret::Secret;
    use rigpost_core::time::WallTime;
    use rigpost_core::view::{Protection, Reason, Sending, Session, State};

    use super::*;

    /// Differs from the snapshots before the store is read in everything that a snapshot says.
    fn other() -> (RigView, QueueView) {
        let text = |text: &str| text.to_owned();
        let device = DeviceInfo {
            project_id: text("p-1"),
            project_name: text("Moonrise"),
            authorized_by: text("ana"),
            authorization_expires: Some(1_790_000_000),
            ..DeviceInfo::default()
        };
        let rig = RigView {
            state: State::Paired,
            reason: Reason::Network,
            user_code: Some(UserCode(Secret::new("123456"))),
            verification_uri: Some(text("https://x.example/device")),
            verification_uri_complete: Some(VerificationUriComplete(Secret::new(
                "https://x.example/?123456",
            ))),
            code_expires_at: Some(BootTime::from_micros(1)),
            device_name: text("CAM A"),
            device: Some(device),
            access_expires_at: Some(BootTime::from_micros(2)),
            refreshed_at: Some(WallTime(3)),
            revocations_pending: 1,
            online: true,
            clock_trusted: false,
            client_id: text("SN-1"),
            protection: Protection::Tpm2,
            ..RigView::unread()
        };
        let queue = QueueView {
            paused: true,
            recording: true,
            growing: 0,
            bandwidth_limit: 10_000,
            counters: Counters { files_left: 1, bytes_left: 2, held: 3, away: 8, incomplete: 9, failed: 4 },
            orphans: 6,
            rate: 5,
            current: vec![Sending {
                id: ItemId(7),
                name: text("A001.mov"),
                size: 10,
                sent: 3,
                on_the_way: 2,
            }],
            missing_sources: vec![text("/media/card")],
            channels: vec![Channel::waiting("A")],
            silent_cards: vec![],
            trouble: None,
            session: Session { files: 5, bytes: 7, over: false },
            retry_at: Some(BootTime::from_micros(4)),
            held_of: vec![],
        };
        (rig, queue)
    }

    #[test]
    fn everything_that_changes_is_announced() {
        let (old, new) = ((RigView::unread(), QueueView::default()), other());
        for interface in Interface::ALL {
            let differs = differ((&old.0, &old.1), (&new.0, &new.1));
            let changed = changes(*interface, &differs, (&new.0, &new.1));
            let told: BTreeSet<_> = changed.told.keys().copied().collect();
            let named: BTreeSet<_> = changed.named.into_iter().collect();
            let expected = |how| -> BTreeSet<_> {
                let of = Property::of(*interface).filter(|property| property.changes() == how);
                of.map(Property::as_str).collect()
            };
            let hint = "let `value` read it from the snapshot, and `other` differ in it";
            assert_eq!(told, expected(Changes::Told), "{interface}: {hint}");
            assert_eq!(named, expected(Changes::Named), "{interface}: {hint}");
            assert_eq!(differ((&new.0, &new.1), (&new.0, &new.1)), BTreeSet::new(), "nothing changed");
        }
    }

    #[test]
    fn what_is_announced_has_the_type_of_the_contract() {
        let (rig, queue) = other();
        for property in Property::ALL {
            let value = value(*property, (&rig, &queue));
            assert_eq!(value.is_none(), property.changes() == Changes::Never, "{property}");
            let signature = value.map(|value| value.value_signature().to_string());
            assert_eq!(
                signature.unwrap_or(property.signature().to_owned()),
                property.signature(),
                "{property}"
            );
        }
    }
}
