//! Channels: connecting and disconnecting what is behind a device.
//!
//! # Decisions
//! Frame.io documents the calls and their statuses: 401 and 409 for connecting, 401 and 404 for disconnecting. Assumed here:
//! - Connected is whoever has a device model that was allowed beforehand; any other gets 409, and so does a sub-device that is
//!   connected already, or that was here as another model, or for which no index is left (0 to 100).
//! - A sub-device that comes back gets its channel and its index back.
//! - The device's own channel (index 0) is always connected. Disconnecting it, or what is not connected, is 404.
//! - An asset on a channel that is not connected is refused as other invalid arguments are (422).
//! - Channels belong to the pairing: the next one begins with the device's own.
use axum::http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::channel::Channel;
use super::device::Device;
use super::world::World;
use crate::clock::Moment;
use crate::error::SimError;
use crate::reply::Reply;
use crate::secret;

const HIGHEST_INDEX: u64 = 100;

/// The channel that every device has.
pub(super) fn own(device_id: &str, stamp: &str) -> Channel {
    Channel {
        id: secret::id_for(device_id),
        external_index: 0,
        name: "Channel 0".to_owned(),
        client_id: None,
        model: None,
        connected: true,
        inserted_at: stamp.to_owned(),
    }
}

fn conflict(detail: &str) -> Reply {
    Reply::detailed(StatusCode::CONFLICT, "Conflict", detail)
}

fn uuid<'a>(body: &'a Value, name: &str) -> Result<&'a str, String> {
    let text = body.get(name).and_then(Value::as_str).unwrap_or_default();
    Uuid::parse_str(text).map(|_| text).map_err(|_| format!("{name} is no uuid"))
}

impl Device {
    /// Whether an asset can be made on the channel of this index.
    pub(super) fn has_channel(&self, index: u64) -> bool {
        self.channels.iter().any(|channel| channel.connected && channel.external_index == index)
    }

    fn free_index(&self) -> Option<u64> {
        (1..=HIGHEST_INDEX).find(|index| self.channels.iter().all(|channel| channel.external_index != *index))
    }

    /// The channels as the API shows them.
    pub(crate) fn channels_json(&self, now: Moment) -> Vec<Value> {
        let status = self.status(now);
        self.channels.iter().map(|channel| channel.json(status)).collect()
    }
}

impl World {
    /// Connects a sub-device. `body` is `None` where it was no JSON.
    pub(crate) fn connect(
        &mut self,
        client_id: &str,
        body: Option<&Value>,
        now: Moment,
    ) -> Result<Value, Reply> {
        let read = body.ok_or_else(|| "the body is no JSON".to_owned());
        let read = read.and_then(|body| Ok((uuid(body, "client_id")?, uuid(body, "device_model_id")?)));
        let (sub, model) = read.map_err(|wrong| {
            self.violation(format!("channel connected against the rules: {client_id}: {wrong}"));
            Reply::invalid(&wrong)
        })?;
        let allowed = self.rules.device_models.iter().find(|allowed| allowed.id.eq_ignore_ascii_case(model));
        let allowed = allowed.cloned().ok_or_else(|| conflict("This device model can not be connected"))?;
        let device = self.device_mut(client_id).map_err(|_| Reply::unauthorized())?;
        let status = device.status(now);
        let index = device.free_index();
        let known = device.channels.iter_mut().find(|channel| channel.client_id.as_deref() == Some(sub));
        if let Some(channel) = known {
            if channel.connected {
                return Err(conflict("This device is connected already"));
            }
            if channel.model.as_ref() != Some(&allowed.id) {
                return Err(conflict("This device is known as another model"));
            }
            channel.connected = true;
            return Ok(channel.json(status));
        }
        let channel = Channel {
            id: secret::id(),
            external_index: index.ok_or_else(|| conflict("There is no channel left"))?,
            name: allowed.name,
            client_id: Some(sub.to_owned()),
            model: Some(allowed.id),
            connected: true,
            inserted_at: now.wall.to_string(),
        };
        let answer = channel.json(status);
        device.channels.push(channel);
        Ok(answer)
    }

    /// Disconnects one sub-device, or all of them where no channel is named.
    pub(crate) fn disconnect(&mut self, client_id: &str, channel: Option<&str>) -> Result<(), Reply> {
        let device = self.device_mut(client_id).map_err(|_| Reply::unauthorized())?;
        let connected =
            device.channels.iter_mut().filter(|known| known.external_index > 0 && known.connected);
        let mut asked = connected.filter(|known| channel.is_none_or(|id| known.id == id)).peekable();
        if channel.is_some() && asked.peek().is_none() {
            return Err(Reply::not_found("There is no such channel"));
        }
        asked.for_each(|known| known.connected = false);
        Ok(())
    }

    /// A person plugs something in at this index, or pulls it out again.
    pub(crate) fn plug(
        &mut self,
        client_id: &str,
        index: u64,
        connected: bool,
        now: Moment,
    ) -> Result<(), SimError> {
        let device = self.device_mut(client_id)?;
        let found = device.channels.iter_mut().find(|channel| channel.external_index == index);
        match found {
            _ if !(1..=HIGHEST_INDEX).contains(&index) => return Err(SimError::NoSuchChannel(index)),
            Some(channel) => channel.connected = connected,
            None if connected => device.channels.push(Channel {
                id: secret::id(),
                external_index: index,
                name: format!("Channel {index}"),
                client_id: None,
                model: None,
                connected,
                inserted_at: now.wall.to_string(),
            }),
            None => return Err(SimError::NoSuchChannel(index)),
        }
        Ok(())
    }
}
