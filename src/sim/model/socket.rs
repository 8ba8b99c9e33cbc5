//! One socket of a device: what came over it, and how it is shown.
use serde::Serialize;

/// A socket, open or closed.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(super) n: u64,
    pub(super) client_id: String,
    /// The pairing that it was opened with.
    pub(super) authorization: String,
    pub(super) opened: String,
    pub(super) topic: Option<String>,
    pub(super) heard_ms: u64,
    pub(super) heartbeats: u64,
    pub(super) pushed: Vec<String>,
    /// The status that the device knows.
    pub(super) told: &'static str,
    /// A person wants it cut off.
    pub(super) cut: bool,
    pub(super) closed: Option<String>,
}

impl Socket {
    pub(super) fn view(&self) -> SocketView {
        SocketView {
            n: self.n,
            client_id: self.client_id.clone(),
            opened: self.opened.clone(),
            topic: self.topic.clone(),
            heartbeats: self.heartbeats,
            pushed: self.pushed.clone(),
            closed: self.closed.clone(),
        }
    }
}

/// A socket, as tests and the page see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SocketView {
    /// Tells it from the others; later ones have higher numbers.
    pub n: u64,
    /// The device that opened it.
    pub client_id: String,
    /// When it was opened, RFC 3339.
    pub opened: String,
    /// The topic that was joined, as long as it is.
    pub topic: Option<String>,
    /// Keep-alives that arrived.
    pub heartbeats: u64,
    /// The statuses that were pushed to the device, oldest first.
    pub pushed: Vec<String>,
    /// Why it was closed; `None` while it is open.
    pub closed: Option<String>,
}
