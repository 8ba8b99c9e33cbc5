//! The socket's names and the shape of its messages: all that is known of them, in one place.
//!
//! # Decisions
//! Frame.io documents that there is a socket, and not its words. These are what an emulator understands that cameras of 2024
//! are content with, and what the Phoenix framework does where a server is written with it; whoever learns better changes
//! this file. Not known, and chosen here:
//! - `devices:ID` may name the device as `id` or as `device_id` of `GET /v2/devices/me`.
//! - The payload of `status_updated` is the status, by the words of `GET /v2/devices/me`.
//! - A token that is not good, or not there, is 403, as Phoenix refuses a socket.

use serde_json::{Value, json};

/// Where the socket is, in segments.
pub(crate) const PATH: [&str; 2] = ["devices", "websocket"];
/// The field of the query with the token: `Bearer TOKEN`, and not a header.
pub(crate) const TOKEN_FIELD: &str = "Authorization";
/// The topic of a device begins with it, and ends with its identifier.
pub(crate) const TOPIC: &str = "devices:";
pub(crate) const JOIN: &str = "phx_join";
pub(crate) const LEAVE: &str = "phx_leave";
const REPLY: &str = "phx_reply";
/// The keep-alive, and the topic that it has to itself.
pub(crate) const HEARTBEAT: (&str, &str) = ("phoenix", "heartbeat");
/// What the device is told when a person pauses or resumes it.
const STATUS_UPDATED: &str = "status_updated";
/// So long without a message, and the socket is closed. Cameras send their keep-alive every 15 seconds.
pub(crate) const SILENCE_MS: u64 = 60_000;

/// What a client sends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) event: String,
    reference: Value,
}

impl Message {
    /// `None` for what is no message: no object, or without topic, event, payload or reference.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let word = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        value.get("payload")?;
        Some(Self { topic: word("topic")?, event: word("event")?, reference: value.get("ref")?.clone() })
    }

    pub(crate) fn accepted(&self) -> Value {
        self.reply("ok", &json!({}))
    }

    pub(crate) fn refused(&self, reason: &str) -> Value {
        self.reply("error", &json!({ "reason": reason }))
    }

    fn reply(&self, status: &str, response: &Value) -> Value {
        let payload = json!({ "response": response, "status": status });
        json!({ "event": REPLY, "payload": payload, "ref": self.reference, "topic": self.topic })
    }
}

/// The news that a person paused or resumed the device.
pub(crate) fn status_updated(topic: &str, status: &str) -> Value {
    json!({ "event": STATUS_UPDATED, "payload": { "status": status }, "ref": null, "topic": topic })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_messages_are_read() {
        let whole = r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"7"}"#;
        let read = Message::read(whole).unwrap();
        assert_eq!((read.topic.as_str(), read.event.as_str()), HEARTBEAT);
        assert_eq!(read.accepted()["ref"], "7");
        for part in ["topic", "event", "payload", "ref"] {
            assert_eq!(Message::read(&whole.replace(part, "other")), None, "{part}");
        }
        assert_eq!(Message::read("[]"), None);
    }
}
