//! One channel of a device: a source of clips behind it.
use serde::Serialize;
use serde_json::{Value, json};

/// A camera or a microphone behind the device, or the device itself (index 0).
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub(super) id: String,
    pub(super) external_index: u64,
    pub(super) name: String,
    /// What the sub-device calls itself; the device's own channel has none.
    pub(super) client_id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) connected: bool,
    pub(super) inserted_at: String,
}

impl Channel {
    /// As the API shows it. The status is that of the device, as long as it is connected.
    pub(super) fn json(&self, device_status: &str) -> Value {
        json!({
            "_type": "project_device_channel",
            "id": self.id,
            "asset_type": "video",
            "external_index": self.external_index,
            "inserted_at": self.inserted_at,
            "name": self.name,
            "real_time_logging_capable": false,
            "status": if self.connected { device_status } else { "offline" },
        })
    }

    pub(super) fn view(&self) -> ChannelView {
        ChannelView {
            id: self.id.clone(),
            external_index: self.external_index,
            name: self.name.clone(),
            client_id: self.client_id.clone(),
            device_model_id: self.model.clone(),
            connected: self.connected,
        }
    }
}

/// A channel, as tests and the page see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelView {
    /// Identifier the cloud gave it.
    pub id: String,
    /// By what the creation of an asset names it.
    pub external_index: u64,
    /// Made from the name of its device model.
    pub name: String,
    /// Identifier of the sub-device; `None` for the device's own channel, and for one that a person connected.
    pub client_id: Option<String>,
    /// The device model it was connected with, likewise.
    pub device_model_id: Option<String>,
    /// Assets can be made on it.
    pub connected: bool,
}
