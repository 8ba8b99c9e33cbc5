//! A connection, the properties behind it, and what happens there.

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use serde::Serialize;
use zbus::{Connection, DynamicType, MatchRule, Message, MessageStream, Variant};

use super::dict::{Dict, take};
use super::item::Item;
use super::place::{Place, sentence};
use crate::exit::{CALL_TIMEOUT, Failure, group};
use rigpost_contract::interface::{BUS_NAME, ITEM_CHANGED, Interface, OBJECT_PATH};
use rigpost_contract::property::Property;

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

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
    /// [`ExitCode::Unreachable`](super::exit::ExitCode::Unreachable) when there is no bus.
    pub(crate) async fn connect() -> Result<Self, Failure> {
        Self::open().await.map_err(group)
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

    /// Calls a method of the daemon. In [`methods`](super::methods) each has a function that knows its types.
    pub(super) async fn call<T>(
        &self,
        interface: Interface,
        method: &str,
        arguments: &T,
    ) -> zbus::Result<Message>
    where
        T: Serialize + DynamicType,
    {
        self.bus.call_method(Some(BUS_NAME), OBJECT_PATH, Some(interface.as_str()), method, arguments).await
    }

    async fn get_all(&self, interface: Interface) -> zbus::Result<Dict> {
        let of = Some(PROPERTIES);
        let answer =
            self.bus.call_method(Some(BUS_NAME), OBJECT_PATH, of, "GetAll", &interface.as_str()).await?;
        answer.body().deserialize()
    }

    /// Bytes per second for file data; 0: no limit.
    pub(crate) async fn set_bandwidth_limit(&self, limit: u64) -> zbus::Result<()> {
        let property = Property::BandwidthLimit;
        let arguments = (property.interface().as_str(), property.as_str(), Variant::from(limit));
        self.bus.call_method(Some(BUS_NAME), OBJECT_PATH, Some(PROPERTIES), "Set", &arguments).await.map(drop)
    }

    /// Reads the properties of the device.
    pub(crate) async fn read_device(&self) -> zbus::Result<Device> {
        self.get_all(Interface::Device).await.map(|mut all| Device::read(&mut all))
    }

    /// Reads the properties of the pairing.
    pub(crate) async fn read_pairing(&self) -> zbus::Result<Pairing> {
        self.get_all(Interface::Pairing).await.map(|mut all| Pairing::read(&mut all))
    }

    /// Reads the properties of the queue.
    pub(crate) async fn read_queue(&self) -> zbus::Result<Queue> {
        self.get_all(Interface::Queue).await.map(|mut all| Queue::read(&mut all))
    }

    /// Reads everything.
    pub(crate) async fn read(&self) -> zbus::Result<Snapshot> {
        let device = self.read_device().await?;
        let pairing = self.read_pairing().await?;
        Ok(Snapshot { device: device.delivering(&pairing), pairing, queue: self.read_queue().await? })
    }

    /// True when the daemon runs. Does not start it.
    pub(crate) async fn is_running(&self) -> zbus::Result<bool> {
        let name = zbus::names::BusName::try_from(BUS_NAME)?;
        Ok(zbus::fdo::DBusProxy::new(&self.bus).await?.name_has_owner(name).await?)
    }

    /// What happens from now on. Ends when the bus goes away.
    pub(crate) async fn events(&self) -> zbus::Result<BoxStream<'static, Event>> {
        let signals = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender(BUS_NAME)
            .path(OBJECT_PATH)
            .build()?;
        let owner = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .add_arg(BUS_NAME)
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
        ITEM_CHANGED => {
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
#[derive(Debug, Clone, Default, PartialEq)]
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
    pub(crate) blockers: Vec<Blocker>,
}

/// One thing that stands in the way of sending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Blocker {
    pub(crate) code: String,
    /// One sentence for a person.
    pub(crate) text: String,
    /// What a library, the disk or the provider has said, for support; may be empty.
    pub(crate) detail: String,
}

impl Blocker {
    /// The sentence, and the detail behind it in brackets.
    pub(crate) fn whole(&self) -> String {
        let Self { text, detail, .. } = self;
        if detail.is_empty() { text.clone() } else { format!("{text} [{detail}]") }
    }
}

impl Device {
    /// As it is paired so: what keeps clips from storage of one's own is not said to be the provider's.
    pub(crate) fn delivering(mut self, pairing: &Pairing) -> Self {
        if Place::of(&pairing.project_id, &pairing.project_name).is_some() {
            // The pairing's own trouble is the provider's.
            for blocker in self.blockers.iter_mut().filter(|blocker| blocker.code != pairing.reason) {
                if let Some(text) = sentence(&blocker.code, &blocker.text) {
                    blocker.text = text;
                }
            }
        }
        self
    }

    fn read(all: &mut Dict) -> Self {
        let blockers: Vec<(String, String, String)> = take(all, Property::Blockers.as_str());
        let blockers =
            blockers.into_iter().map(|(code, text, detail)| Blocker { code, text, detail }).collect();
        Self {
            version: take(all, Property::Version.as_str()),
            device_id: take(all, Property::DeviceId.as_str()),
            provider: take(all, Property::Provider.as_str()),
            protection: take(all, Property::Protection.as_str()),
            clock_trusted: take(all, Property::ClockTrusted.as_str()),
            online: take(all, Property::Online.as_str()),
            safe_to_power_off: take(all, Property::SafeToPowerOff.as_str()),
            blockers,
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
    pub(crate) revocations_pending: u32,
}

impl Pairing {
    fn read(all: &mut Dict) -> Self {
        Self {
            state: take(all, Property::State.as_str()),
            reason: take(all, Property::Reason.as_str()),
            user_code: take(all, Property::UserCode.as_str()),
            verification_uri: take(all, Property::VerificationUri.as_str()),
            verification_uri_complete: take(all, Property::VerificationUriComplete.as_str()),
            code_expires_at: take(all, Property::CodeExpiresAt.as_str()),
            device_name: take(all, Property::DeviceName.as_str()),
            project_id: take(all, Property::ProjectId.as_str()),
            project_name: take(all, Property::ProjectName.as_str()),
            authorized_by: take(all, Property::AuthorizedBy.as_str()),
            authorization_expires: take(all, Property::AuthorizationExpires.as_str()),
            access_expires_at: take(all, Property::AccessExpiresAt.as_str()),
            refreshed_at: take(all, Property::RefreshedAt.as_str()),
            revocations_pending: take(all, Property::RevocationsPending.as_str()),
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
    pub(crate) files_total: u32,
    pub(crate) bytes_total: u64,
    /// Boot time in microseconds; 0: nothing waits for a time.
    pub(crate) retry_at: u64,
    pub(crate) held: u32,
    pub(crate) away: u32,
    pub(crate) incomplete: u32,
    pub(crate) failed: u32,
    pub(crate) orphans: u32,
    pub(crate) missing_sources: Vec<String>,
    /// Source, state, number, what the provider has said.
    pub(crate) channels: Vec<(String, String, u32, String)>,
    pub(crate) rate: u64,
    pub(crate) current: Vec<Item>,
}

impl Queue {
    /// Bytes that have not left the rig.
    pub(crate) fn to_go(&self) -> u64 {
        let on_the_way = self.current.iter().map(|item| item.on_the_way);
        on_the_way.fold(self.bytes_left, u64::saturating_sub)
    }

    fn read(all: &mut Dict) -> Self {
        let current: Vec<Dict> = take(all, Property::Current.as_str());
        Self {
            paused: take(all, Property::Paused.as_str()),
            recording: take(all, Property::Recording.as_str()),
            bandwidth_limit: take(all, Property::BandwidthLimit.as_str()),
            files_left: take(all, Property::FilesLeft.as_str()),
            bytes_left: take(all, Property::BytesLeft.as_str()),
            files_total: take(all, Property::FilesTotal.as_str()),
            bytes_total: take(all, Property::BytesTotal.as_str()),
            retry_at: take(all, Property::RetryAt.as_str()),
            held: take(all, Property::Held.as_str()),
            away: take(all, Property::Away.as_str()),
            incomplete: take(all, Property::Incomplete.as_str()),
            failed: take(all, Property::Failed.as_str()),
            orphans: take(all, Property::Orphans.as_str()),
            missing_sources: take(all, Property::MissingSources.as_str()),
            channels: take(all, Property::Channels.as_str()),
            rate: take(all, Property::Rate.as_str()),
            current: current.into_iter().map(|mut item| Item::read(&mut item)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use zbus::OwnedVariant;

    use super::*;
    use crate::bus::dict::Options;

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
    fn a_trouble_of_delivery_is_not_laid_at_the_provider_s_door() {
        const PROVIDER: &str = "The provider can't be reached. The rig keeps trying.";
        const EITHER: &str = "The provider or the storage can't be reached. The rig keeps trying.";
        for (project_id, reason, said) in [
            ("https://s3.example/footage", "none", EITHER),
            ("https://s3.example/footage", "network", PROVIDER),
            ("p-1", "none", PROVIDER),
        ] {
            let pairing =
                Pairing { project_id: project_id.into(), reason: reason.into(), ..Pairing::default() };
            let blocker = Blocker { code: "network".into(), text: PROVIDER.into(), ..Blocker::default() };
            let device = Device { blockers: vec![blocker], ..Device::default() };
            assert_eq!(device.delivering(&pairing).blockers[0].text, said, "{project_id} {reason}");
        }
    }

    #[test]
    fn blockers_have_a_code_a_sentence_and_a_detail() {
        let blockers = vec![("network", "There is no network.", "no route to host")];
        let device = Device::read(&mut Dict::from([("Blockers".into(), owned(blockers))]));
        assert_eq!(device.blockers[0].code, "network");
        assert_eq!(device.blockers[0].whole(), "There is no network. [no route to host]");
        assert_eq!(Blocker { text: "Held.".into(), ..Blocker::default() }.whole(), "Held.");
    }
}
