//! Sub-devices behind this rig (contract §5.6).
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{FrameIo, expect, unusable};
use crate::oauth::AccessToken;
use crate::provider::wire::{Method, Request, Response};
use crate::queue::upload::CreateError;

#[derive(Deserialize)]
struct Connected {
    external_index: u8,
}

impl FrameIo {
    /// Connects a sub-device of this model; `client_id` is its own, a UUID.
    pub fn connect_channel_request(&self, token: &AccessToken, client_id: &str, model: &str) -> Request {
        let body = json!({ "client_id": client_id, "device_model_id": model });
        let json = Zeroizing::new(body.to_string().into_bytes());
        self.api("channel", self.beneath(&["v2", "devices", "channels"]), token, Some(json))
    }

    /// The number that clips of it are sent with.
    pub fn read_channel(&self, response: &Response) -> Result<u8, CreateError> {
        expect(response)?;
        let Connected { external_index } = response.json().ok_or_else(unusable)?;
        Some(external_index).filter(|index| (1..=100).contains(index)).ok_or_else(unusable)
    }

    /// Disconnects all of them.
    pub fn disconnect_channels_request(&self, token: &AccessToken) -> Request {
        let url = self.beneath(&["v2", "devices", "channels", "disconnect"]);
        Request { method: Method::Post, ..self.api("channels", url, token, None) }
    }
}
