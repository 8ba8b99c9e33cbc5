//! The daemon as seen from the command line: its methods, its properties, and word when something changed.
//!
//! # Decisions
//!
//! - Properties are read with `GetAll` and never cached: a command is over in milliseconds, and a cache would keep a code
//!   that has been invalidated. A signal is only a reason to read again, so a lost or doubled one does no harm.
//! - Missing properties read as empty: an older daemon than this program must still be shown.
//! - zbus without a feature for a second runtime: everything runs on the one thread of the command.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedVariant, Variant};

use super::exit::{Doing, Failure, from_bus};

mod item;

pub(crate) use item::{Item, Receipt};

/// The daemon's name on the bus.
pub(crate) const NAME: &str = "org.rigpost.Rigpost1";
/// The daemon's only object.
pub(crate) const PATH: &str = "/org/rigpost/Rigpost1";
/// How long a call may take. The slowest answer that the daemon promises takes 25 seconds.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Options of a method: none unless said otherwise.
pub(crate) type Options<'a> = BTreeMap<&'a str, Variant<'a>>;
/// Properties of an interface, or keys of an item.
pub(crate) type Dict = BTreeMap<String, OwnedVariant>;

#[zbus::proxy(
    interface = "org.rigpost.Rigpost1.Device",
    default_service = "org.rigpost.Rigpost1",
    default_path = "/org/rigpost/Rigpost1"
)]
pub(crate) trait Device {
    fn provision(&self, secret: zbus::Fd<'_>, options: Options<'_>) -> zbus::Result<()>;
    fn forget(&self, options: Options<'_>) -> zbus::Result<()>;
}

#[zbus::proxy(
    interface = "org.rigpost.Rigpost1.Pairing",
    default_service = "org.rigpost.Rigpost1",
    default_path = "/org/rigpost/Rigpost1"
)]
pub(crate) trait Pairing {
    fn start(&self, options: Options<'_>) -> zbus::Result<()>;
    fn cancel(&self, options: Options<'_>) -> zbus::Result<()>;
    fn unpair(&self, options: Options<'_>) -> zbus::Result<()>;
    fn qr_code(&self, format: &str, options: Options<'_>) -> zbus::Result<Vec<u8>>;
}

#[zbus::proxy(
    interface = "org.rigpost.Rigpost1.Queue",
    default_service = "org.rigpost.Rigpost1",
    default_path = "/org/rigpost/Rigpost1"
)]
pub(crate) trait Queue {
    fn add(&self, path: &str, options: Options<'_>) -> zbus::Result<u64>;
    fn add_many(&self, paths: &[&str], options: Options<'_>) -> zbus::Result<Vec<u64>>;
    fn list(&self, filter: Options<'_>, offset: u32, limit: u32) -> zbus::Result<(Vec<Dict>, u32)>;
    fn cancel(&self, ids: &[u64], options: Options<'_>) -> zbus::Result<()>;
    fn retry(&self, ids: &[u64], options: Options<'_>) -> zbus::Result<()>;
    fn release(&self, ids: &[u64], options: Options<'_>) -> zbus::Result<()>;
    fn set_priority(&self, ids: &[u64], priority: i32, options: Options<'_>) -> zbus::Result<()>;
    fn clear(&self, options: Options<'_>) -> zbus::Result<u64>;
    fn get_receipt(&self, id: u64, options: Options<'_>) -> zbus::Result<Dict>;
    fn pause(&self, options: Options<'_>) -> zbus::Result<()>;
    fn resume(&self, options: Options<'_>) -> zbus::Result<()>;
}

#[zbus::proxy(
    interface = "org.rigpost.Rigpost1.Tokens",
    default_service = "org.rigpost.Rigpost1",
    default_path = "/org/rigpost/Rigpost1"
)]
pub(crate) trait Tokens {
    fn get_access_token(&self, options: Options<'_>) -> zbus::Result<(String, u64)>;
}

#[zbus::proxy(
    interface = "org.freedesktop.DBus.Properties",
    default_service = "org.rigpost.Rigpost1",
    default_path = "/org/rigpost/Rigpost1"
)]
pub(crate) trait Properties {
    fn get_all(&self, interface: &str) -> zbus::Result<Dict>;
    fn set(&self, interface: &str, name: &str, value: Variant<'_>) -> zbus::Result<()>;
}

/// A connection to the system bus, and the daemon behind it.
pub(crate) struct Daemon {
    bus: Connection,
}

/// A reason to read the properties again.
#[derive(Debug)]
pub(crate) enum Event {
    /// Properties changed.
    Changed,
    /// An item of the queue entered a new state.
    Item(Box<Item>),
    /// The daemon left the bus (false) or came (true).
    Owner(bool),
}

impl Daemon {
    /// Connects to the system bus, or to the one that `DBUS_SYSTEM_BUS_ADDRESS` names. Does not start the daemon.
    ///
    /// # Errors
    ///
    /// [`Code::Unreachable`](super::exit::Code::Unreachable) when there is no bus.
    pub(crate) async fn connect() -> Result<Self, Failure> {
        Self::open().await.map_err(|error| from_bus(&error, Doing::Group))
    }

    /// As [`connect`](Self::connect), with the error of the bus.
    pub(crate) async fn open() -> zbus::Result<Self> {
        let bus = zbus::connection::Builder::system().method_timeout(CALL_TIMEOUT).build().await?;
        Ok(Self { bus })
    }

    /// The bus itself.
    pub(crate) fn bus(&self) -> &Connection {
        &self.bus
    }

    /// The methods of the device.
    pub(crate) async fn device(&self) -> zbus::Result<DeviceProxy<'_>> {
        DeviceProxy::builder(&self.bus).cache_properties(zbus::proxy::CacheProperties::No).build().await
    }

    /// The methods of the pairing.
    pub(crate) async fn pairing(&self) -> zbus::Result<PairingProxy<'_>> {
        PairingProxy::builder(&self.bus).cache_properties(zbus::proxy::CacheProperties::No).build().await
    }

    /// The methods of the queue.
    pub(crate) async fn queue(&self) -> zbus::Result<QueueProxy<'_>> {
        QueueProxy::builder(&self.bus).cache_properties(zbus::proxy::CacheProperties::No).build().await
    }

    /// The methods for other programs.
    pub(crate) async fn tokens(&self) -> zbus::Result<TokensProxy<'_>> {
        TokensProxy::builder(&self.bus).cache_properties(zbus::proxy::CacheProperties::No).build().await
    }

    async fn properties(&self) -> zbus::Result<PropertiesProxy<'_>> {
        PropertiesProxy::builder(&self.bus).cache_properties(zbus::proxy::CacheProperties::No).build().await
    }

    async fn get_all(&self, interface: &str) -> zbus::Result<Dict> {
        self.properties().await?.get_all(&format!("{NAME}.{interface}")).await
    }

    /// Bytes per second for file data; 0: no limit.
    pub(crate) async fn set_bandwidth_limit(&self, limit: u64) -> zbus::Result<()> {
        self.properties().await?.set(&format!("{NAME}.Queue"), "BandwidthLimit", limit.into()).await
    }

    /// Reads the properties of the device.
    pub(crate) async fn read_device(&self) -> zbus::Result<Device> {
        self.get_all("Device").await.map(|mut all| Device::read(&mut all))
    }

    /// Reads the properties of the pairing.
    pub(crate) async fn read_pairing(&self) -> zbus::Result<Pairing> {
        self.get_all("Pairing").await.map(|mut all| Pairing::read(&mut all))
    }

    /// Reads the properties of the queue.
    pub(crate) async fn read_queue(&self) -> zbus::Result<Queue> {
        self.get_all("Queue").await.map(|mut all| Queue::read(&mut all))
    }

    /// Reads everything.
    pub(crate) async fn read(&self) -> zbus::Result<Snapshot> {
        Ok(Snapshot {
            device: self.read_device().await?,
            pairing: self.read_pairing().await?,
            queue: self.read_queue().await?,
        })
    }

    /// True when the daemon runs. Does not start it.
    pub(crate) async fn is_running(&self) -> zbus::Result<bool> {
        let name = zbus::names::BusName::try_from(NAME)?;
        Ok(zbus::fdo::DBusProxy::new(&self.bus).await?.name_has_owner(name).await?)
    }

    /// What happens from now on. Ends when the bus goes away.
    pub(crate) async fn events(&self) -> zbus::Result<BoxStream<'static, Event>> {
        let signals =
            MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(NAME).path(PATH).build()?;
        let owner = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .add_arg(NAME)
            .build()?;
        let signals = MessageStream::for_match_rule(signals, &self.bus, None).await?;
        let owner = MessageStream::for_match_rule(owner, &self.bus, None).await?;
        let both = stream::select(signals, owner);
        Ok(both.filter_map(async |message| message.ok().as_ref().and_then(event_of)).boxed())
    }
}

fn event_of(message: &Message) -> Option<Event> {
    let header = message.header();
    match header.member()?.as_str() {
        "PropertiesChanged" => Some(Event::Changed),
        "ItemChanged" => {
            let (id, mut item): (u64, Dict) = message.body().deserialize().ok()?;
            Some(Event::Item(Box::new(Item { id, ..Item::read(&mut item) })))
        }
        "NameOwnerChanged" => {
            let (_, _, new): (String, String, String) = message.body().deserialize().ok()?;
            Some(Event::Owner(!new.is_empty()))
        }
        _ => None,
    }
}

/// Everything that the daemon shows, at about the same time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// Who this rig is.
    pub(crate) device: Device,
    /// Its authorization.
    pub(crate) pairing: Pairing,
    /// Its clips.
    pub(crate) queue: Queue,
}

/// Properties of `org.rigpost.Rigpost1.Device`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Device {
    pub(crate) version: String,
    pub(crate) device_id: String,
    pub(crate) provider: String,
    pub(crate) protection: String,
    pub(crate) clock_trusted: bool,
    pub(crate) online: bool,
    pub(crate) safe_to_power_off: bool,
    pub(crate) blockers: Vec<(String, String)>,
}

impl Device {
    fn read(all: &mut Dict) -> Self {
        Self {
            version: take(all, "Version"),
            device_id: take(all, "DeviceId"),
            provider: take(all, "Provider"),
            protection: take(all, "Protection"),
            clock_trusted: take(all, "ClockTrusted"),
            online: take(all, "Online"),
            safe_to_power_off: take(all, "SafeToPowerOff"),
            blockers: take(all, "Blockers"),
        }
    }
}

/// Properties of `org.rigpost.Rigpost1.Pairing`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pairing {
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: String,
    pub(crate) code_expires_at: u64,
    pub(crate) device_name: String,
    pub(crate) project_id: String,
    pub(crate) project_name: String,
    pub(crate) authorized_by: String,
    pub(crate) authorization_expires: i64,
    pub(crate) access_expires_at: u64,
    pub(crate) refreshed_at: i64,
}

impl Pairing {
    fn read(all: &mut Dict) -> Self {
        Self {
            state: take(all, "State"),
            reason: take(all, "Reason"),
            user_code: take(all, "UserCode"),
            verification_uri: take(all, "VerificationUri"),
            verification_uri_complete: take(all, "VerificationUriComplete"),
            code_expires_at: take(all, "CodeExpiresAt"),
            device_name: take(all, "DeviceName"),
            project_id: take(all, "ProjectId"),
            project_name: take(all, "ProjectName"),
            authorized_by: take(all, "AuthorizedBy"),
            authorization_expires: take(all, "AuthorizationExpires"),
            access_expires_at: take(all, "AccessExpiresAt"),
            refreshed_at: take(all, "RefreshedAt"),
        }
    }
}

/// Properties of `org.rigpost.Rigpost1.Queue`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Queue {
    pub(crate) paused: bool,
    pub(crate) recording: bool,
    pub(crate) bandwidth_limit: u64,
    pub(crate) files_left: u32,
    pub(crate) bytes_left: u64,
    pub(crate) held: u32,
    pub(crate) failed: u32,
    pub(crate) rate: u64,
    pub(crate) current: Vec<Item>,
}

impl Queue {
    fn read(all: &mut Dict) -> Self {
        let current: Vec<Dict> = take(all, "Current");
        Self {
            paused: take(all, "Paused"),
            recording: take(all, "Recording"),
            bandwidth_limit: take(all, "BandwidthLimit"),
            files_left: take(all, "FilesLeft"),
            bytes_left: take(all, "BytesLeft"),
            held: take(all, "Held"),
            failed: take(all, "Failed"),
            rate: take(all, "Rate"),
            current: current.into_iter().map(|mut item| Item::read(&mut item)).collect(),
        }
    }
}

pub(super) fn take<T: TryFrom<OwnedVariant> + Default>(all: &mut Dict, key: &str) -> T {
    all.remove(key).and_then(|value| T::try_from(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned<'a>(value: impl Into<Variant<'a>>) -> OwnedVariant {
        value.into().try_into_owned().unwrap()
    }

    #[test]
    fn missing_and_mistyped_properties_are_empty() {
        let mut all =
            Dict::from([("State".into(), owned("paired")), ("CodeExpiresAt".into(), owned("soon"))]);
        let pairing = Pairing::read(&mut all);
        assert_eq!(pairing, Pairing { state: "paired".into(), ..Pairing::default() });
    }

    #[test]
    fn items_inside_the_queue_are_read() {
        let item = Options::from([("id", Variant::from(7_u64)), ("path", Variant::from("/media/A001.mov"))]);
        let mut all = Dict::from([("Current".into(), owned(vec![item])), ("Rate".into(), owned(5_u64))]);
        let queue = Queue::read(&mut all);
        assert_eq!((queue.rate, queue.current.len()), (5, 1));
        assert_eq!((queue.current[0].id, queue.current[0].title()), (7, "A001.mov"));
    }

    #[test]
    fn blockers_are_pairs() {
        let blockers = vec![("network", "There is no network.")];
        let device = Device::read(&mut Dict::from([("Blockers".into(), owned(blockers))]));
        assert_eq!(device.blockers, [("network".to_owned(), "There is no network.".to_owned())]);
    }
}
