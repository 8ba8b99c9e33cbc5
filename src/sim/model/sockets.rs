//! Sockets: joining, keeping alive, and what a device is told.
//!
//! # Decisions
//! A device whose topic is joined is online. When the socket ends, the five minutes of the other calls count from its last
//! message. A socket ends with the pairing that it was opened with.
use serde_json::Value;

use super::device::Device;
use super::socket::{Socket, SocketView};
use super::world::World;
use crate::clock::Moment;
use crate::error::SimError;
use crate::phoenix::{self, Message};
use crate::secret;

/// Closed ones are remembered, up to here.
const KEEP: usize = 1000;

/// What a socket does next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Turn {
    Send(Value),
    Close(&'static str),
    /// Hang up without a word.
    Cut,
    /// Nothing for so many milliseconds.
    Wait(u64),
}

/// What came of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) reply: Option<Value>,
    pub(crate) close: Option<&'static str>,
    /// A sentence for the log.
    pub(crate) news: Option<String>,
}

fn status(device: &Device) -> &'static str {
    if device.paused_now() { "paused" } else { "online" }
}

impl World {
    fn open_mut(&mut self, n: u64) -> Option<&mut Socket> {
        self.sockets.iter_mut().find(|socket| socket.n == n && socket.closed.is_none())
    }

    /// A device has opened a socket.
    pub(crate) fn open_socket(&mut self, client_id: &str, now: Moment) -> Option<u64> {
        let n = self.next_serial();
        let device = self.device_mut(client_id).ok()?;
        let socket = Socket {
            n,
            client_id: client_id.to_owned(),
            authorization: device.authorization_id.clone(),
            opened: now.wall.to_string(),
            topic: None,
            heard_ms: now.ms,
            heartbeats: 0,
            pushed: Vec::new(),
            told: status(device),
            cut: false,
            closed: None,
        };
        let closed = self.sockets.iter().position(|socket| socket.closed.is_some());
        if let Some(oldest) = closed.filter(|_| self.sockets.len() >= KEEP) {
            self.sockets.remove(oldest);
        }
        self.sockets.push(socket);
        Some(n)
    }

    /// What a socket does now, of itself.
    pub(crate) fn socket_turn(&mut self, n: u64, now: Moment) -> Turn {
        let Some(socket) = self.sockets.iter_mut().find(|socket| socket.n == n && socket.closed.is_none())
        else {
            return Turn::Cut;
        };
        let paired = self.devices.get(&socket.client_id);
        let paired =
            paired.filter(|device| !device.forgotten && device.authorization_id == socket.authorization);
        let Some(device) = paired else { return Turn::Close("the pairing has ended") };
        if socket.cut {
            return Turn::Cut;
        }
        let silent = now.ms.saturating_sub(socket.heard_ms);
        if silent >= phoenix::SILENCE_MS {
            return Turn::Close("no message for a minute");
        }
        let status = status(device);
        match &socket.topic {
            Some(topic) if status != socket.told => {
                socket.told = status;
                socket.pushed.push(status.to_owned());
                Turn::Send(phoenix::status_updated(topic, status))
            }
            Some(_) | None => Turn::Wait(phoenix::SILENCE_MS - silent),
        }
    }

    /// Something came over a socket: a message, or (without text) a frame that is only a sign of life.
    pub(crate) fn socket_heard(&mut self, n: u64, text: Option<&str>, now: Moment) -> Heard {
        let Some(socket) = self.open_mut(n) else { return Heard::default() };
        socket.heard_ms = now.ms;
        let client_id = socket.client_id.clone();
        let Some(text) = text else { return Heard::default() };
        let Some(message) = Message::read(text) else {
            self.violation(format!("sent no message over the socket: {client_id}"));
            return Heard { close: Some("not a message"), ..Heard::default() };
        };
        if (message.topic.as_str(), message.event.as_str()) == phoenix::HEARTBEAT {
            socket.heartbeats += 1;
            if let Some(device) = self.devices.get_mut(&client_id) {
                device.seen(now, None);
            }
            return Heard { reply: Some(message.accepted()), ..Heard::default() };
        }
        let joined = socket.topic.as_ref() == Some(&message.topic);
        match message.event.as_str() {
            phoenix::JOIN => self.join(n, &client_id, &message, now),
            phoenix::LEAVE if joined => {
                socket.topic = None;
                self.count_joined(&client_id);
                let news = Some(format!("socket {n} left"));
                Heard { reply: Some(message.accepted()), close: None, news }
            }
            event => {
                let text = if joined { "an unknown event" } else { "to a topic it has not joined" };
                let event: String = event.chars().take(40).collect();
                self.violation(format!("sent {text} over the socket: {client_id}: {event}"));
                Heard { reply: Some(message.refused("unmatched topic")), ..Heard::default() }
            }
        }
    }

    fn join(&mut self, n: u64, client_id: &str, message: &Message, now: Moment) -> Heard {
        let Some(device) = self.devices.get_mut(client_id) else { return Heard::default() };
        let named = message.topic.strip_prefix(phoenix::TOPIC).unwrap_or_default();
        if named != device.id && named != secret::id_for(client_id) {
            self.violation(format!("joined a topic that is not its own: {client_id}"));
            return Heard { reply: Some(message.refused("unmatched topic")), ..Heard::default() };
        }
        device.seen(now, None);
        let told = status(device);
        if let Some(socket) = self.open_mut(n) {
            socket.topic = Some(message.topic.clone());
            socket.told = told;
        }
        self.count_joined(client_id);
        Heard { reply: Some(message.accepted()), close: None, news: Some(format!("socket {n} joined")) }
    }

    fn count_joined(&mut self, client_id: &str) {
        let Some(device) = self.devices.get_mut(client_id) else { return };
        let joined = |socket: &&Socket| {
            socket.closed.is_none()
                && socket.topic.is_some()
                && socket.client_id == client_id
                && socket.authorization == device.authorization_id
        };
        device.sockets = self.sockets.iter().filter(joined).count() as u64;
    }

    /// A socket is closed. Returns whose it was, unless it was closed before.
    pub(crate) fn close_socket(&mut self, n: u64, why: &str) -> Option<String> {
        let socket = self.open_mut(n)?;
        socket.closed = Some(why.to_owned());
        socket.topic = None;
        let client_id = socket.client_id.clone();
        self.count_joined(&client_id);
        Some(client_id)
    }

    /// A person cuts a device's sockets off.
    pub(crate) fn cut_sockets(&mut self, client_id: &str) -> Result<(), SimError> {
        self.device_mut(client_id)?;
        let own = self.sockets.iter_mut().filter(|socket| socket.client_id == client_id);
        own.for_each(|socket| socket.cut = true);
        Ok(())
    }

    /// Every socket that is remembered, oldest first.
    pub(crate) fn socket_views(&self) -> Vec<SocketView> {
        self.sockets.iter().map(Socket::view).collect()
    }
}
