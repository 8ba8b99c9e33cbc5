//! Items and receipts as dictionaries.
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use zbus::Variant;

use rigpost_contract::item::ItemKey;
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
        (ItemKey::Id.as_str(), s.id.0.into()),
        (ItemKey::Name.as_str(), s.name.clone().into()),
        (ItemKey::Size.as_str(), s.size.into()),
        (ItemKey::Sent.as_str(), s.sent.into()),
        (ItemKey::State.as_str(), ItemState::Uploading.as_str().into()),
    ])
}

/// An item, for `List`.
pub fn item(item: &Item) -> Dict {
    let new = &item.clip;
    let mut dict: Dict = HashMap::from([
        (ItemKey::Id.as_str(), item.id.0.into()),
        (ItemKey::Path.as_str(), shown(&new.path).into()),
        (ItemKey::Name.as_str(), new.name.clone().into()),
        (ItemKey::Size.as_str(), new.facts.size.into()),
        (ItemKey::Sent.as_str(), item.sent.into()),
        (ItemKey::State.as_str(), item.state.as_str().into()),
        (ItemKey::Reason.as_str(), item.reason.as_str().into()),
        (ItemKey::Detail.as_str(), item.detail.clone().into()),
        (ItemKey::Priority.as_str(), new.priority.into()),
        (ItemKey::Class.as_str(), new.class.clone().into()),
        (ItemKey::Channel.as_str(), new.channel.into()),
        (ItemKey::Source.as_str(), new.source.clone().unwrap_or_default().into()),
        (ItemKey::Uid.as_str(), new.uid.into()),
        (ItemKey::ProjectId.as_str(), new.project_id.clone().unwrap_or_default().into()),
        (ItemKey::AssetId.as_str(), item.asset_id.clone().into()),
        (ItemKey::Attempts.as_str(), item.attempts.into()),
        (ItemKey::Added.as_str(), new.added.wall.0.into()),
    ]);
    if new.path.to_str().is_none() {
        dict.insert(ItemKey::PathBytes.as_str(), new.path.as_os_str().as_bytes().to_vec().into());
    }
    dict
}

/// What was delivered, for `GetReceipt`: the item, and how to check it against the file.
pub fn receipt(receipt: &Receipt) -> Dict {
    let parts: Vec<String> = receipt.parts.iter().map(|part| digits(*part)).collect();
    let mut dict = item(&receipt.item);
    dict.extend([
        (ItemKey::Delivered.as_str(), receipt.delivered.wall.0.into()),
        (ItemKey::Algorithm.as_str(), "xxh64".into()),
        (ItemKey::ChunkSize.as_str(), receipt.chunk_size.into()),
        (ItemKey::Parts.as_str(), parts.into()),
        (ItemKey::Digest.as_str(), receipt.digest.map(digits).unwrap_or_default().into()),
    ] as [(&str, Variant<'static>); 5]);
    dict
}

/// As `xxhsum` prints it.
fn digits(hash: u64) -> String {
    format!("{hash:016x}")
}
