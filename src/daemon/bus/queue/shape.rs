//! Items and receipts as dictionaries.
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use zbus::Variant;

use rigpost_core::queue::item::{Item, ItemState, Receipt, shown};
use rigpost_core::view::Sending;

/// One item on the bus.
pub type Dict = HashMap<&'static str, Variant<'static>>;

/// An item that is being sent, as the property `Current` has it. A struct and not a [`Dict`]: zbus makes a variant of a
/// property by serde, and variants inside of it would cost the daemon forty kilobytes.
#[derive(zbus::SerializeDict, zbus::Type)]
#[zbus(signature = "a{sv}")]
pub struct Current {
    id: u64,
    name: String,
    size: u64,
    sent: u64,
    state: &'static str,
}

impl Current {
    /// From what is known of it.
    pub fn of(s: &Sending) -> Current {
        Current {
            id: s.id.0,
            name: s.name.clone(),
            size: s.size,
            sent: s.sent,
            state: ItemState::Uploading.as_str(),
        }
    }
}

/// The same for the signal that announces it.
pub fn sending(s: &Sending) -> Dict {
    HashMap::from([
        ("id", s.id.0.into()),
        ("name", s.name.clone().into()),
        ("size", s.size.into()),
        ("sent", s.sent.into()),
        ("state", ItemState::Uploading.as_str().into()),
    ])
}

/// An item, for `List`.
pub fn item(item: &Item) -> Dict {
    let new = &item.new;
    let mut dict: Dict = HashMap::from([
        ("id", item.id.0.into()),
        ("path", shown(&new.path).into()),
        ("name", new.name.clone().into()),
        ("size", new.facts.size.into()),
        ("sent", item.sent.into()),
        ("state", item.state.as_str().into()),
        ("reason", item.reason.clone().into()),
        ("detail", item.detail.clone().into()),
        ("priority", new.priority.into()),
        ("class", new.class.clone().into()),
        ("channel", new.channel.into()),
        ("source", new.source.clone().unwrap_or_default().into()),
        ("uid", new.uid.into()),
        ("project_id", new.project_id.clone().unwrap_or_default().into()),
        ("asset_id", item.asset_id.clone().into()),
        ("attempts", item.attempts.into()),
        ("added", new.added.wall.0.into()),
    ]);
    if new.path.to_str().is_none() {
        dict.insert("path_bytes", new.path.as_os_str().as_bytes().to_vec().into());
    }
    dict
}

/// What was delivered, for `GetReceipt`: the item, and how to check it against the file.
pub fn receipt(receipt: &Receipt) -> Dict {
    let parts: Vec<String> = receipt.parts.iter().map(|part| digits(*part)).collect();
    let mut dict = item(&receipt.item);
    dict.extend([
        ("delivered", receipt.delivered.wall.0.into()),
        ("algorithm", "xxh64".into()),
        ("chunk_size", receipt.chunk_size.into()),
        ("parts", parts.into()),
        ("digest", receipt.digest.map(digits).unwrap_or_default().into()),
    ] as [(&str, Variant<'static>); 5]);
    dict
}

/// As `xxhsum` prints it.
fn digits(hash: u64) -> String {
    format!("{hash:016x}")
}
