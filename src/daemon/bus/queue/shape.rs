//! Items and receipts as dictionaries.
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tokio::sync::OwnedSemaphorePermit;
use zbus::{Signature, Type, Variant, as_variant};

use crate::link::ItemNow;
use rigpost_contract::item::ItemKey;
use rigpost_core::queue::handed::{is_handed_over, known_as};
use rigpost_core::queue::item::{Item, ItemState, Receipt, shown};
use rigpost_core::time::BootTime;
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
    on_the_way: u64,
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
            on_the_way: s.on_the_way,
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
        (ItemKey::OnTheWay.as_str(), s.on_the_way.into()),
        (ItemKey::State.as_str(), ItemState::Uploading.as_str().into()),
    ])
}

/// A page of items, for `List`: written from the items themselves, because a value of the library's own for each of their
/// facts would be six times as much.
#[derive(Debug)]
pub struct Items {
    items: Vec<Item>,
    /// Until the answer is out.
    _turn: OwnedSemaphorePermit,
}

impl Items {
    /// The turn is kept as long as the items.
    pub fn new(items: Vec<Item>, turn: OwnedSemaphorePermit) -> Items {
        Items { items, _turn: turn }
    }
}

impl Type for Items {
    const SIGNATURE: &'static Signature = <Vec<Dict> as Type>::SIGNATURE;
}

impl Serialize for Items {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.items.iter().map(Facts))
    }
}

/// One item.
struct Facts<'a>(&'a Item);

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        facts(&mut map, self.0)?;
        map.end()
    }
}

/// One item, for `GetItem`.
#[derive(Debug)]
pub struct OneItem(pub ItemNow);

impl Type for OneItem {
    const SIGNATURE: &'static Signature = <Dict as Type>::SIGNATURE;
}

impl Serialize for OneItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ItemNow { item, next_try } = &self.0;
        let mut map = serializer.serialize_map(None)?;
        facts(&mut map, item)?;
        fact(&mut map, ItemKey::VersionOf, &item.clip.version_of)?;
        fact(&mut map, ItemKey::AsIs, &item.clip.as_is)?;
        fact(&mut map, ItemKey::NextTry, &next_try.map_or(0, BootTime::as_micros))?;
        map.end()
    }
}

/// What was delivered, for `GetReceipt`: the item, and how to check it against the file.
#[derive(Debug)]
pub struct Delivered {
    receipt: Receipt,
    /// Until the answer is out.
    _turn: OwnedSemaphorePermit,
}

impl Delivered {
    /// The turn is kept as long as the receipt.
    pub fn new(receipt: Receipt, turn: OwnedSemaphorePermit) -> Delivered {
        Delivered { receipt, _turn: turn }
    }
}

impl Type for Delivered {
    const SIGNATURE: &'static Signature = <Dict as Type>::SIGNATURE;
}

impl Serialize for Delivered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let receipt = &self.receipt;
        let parts: Vec<String> = receipt.parts.iter().map(|part| digits(*part)).collect();
        let mut map = serializer.serialize_map(None)?;
        facts(&mut map, &receipt.item)?;
        fact(&mut map, ItemKey::Delivered, &receipt.delivered.wall.0)?;
        fact(&mut map, ItemKey::Algorithm, &"xxh64")?;
        fact(&mut map, ItemKey::ChunkSize, &receipt.chunk_size)?;
        fact(&mut map, ItemKey::Parts, &parts)?;
        fact(&mut map, ItemKey::Digest, &receipt.digest.map(digits).unwrap_or_default())?;
        fact(&mut map, ItemKey::Vouched, &receipt.vouched)?;
        map.end()
    }
}

fn facts<M: SerializeMap>(map: &mut M, item: &Item) -> Result<(), M::Error> {
    let clip = &item.clip;
    let path = known_as(&clip.path);
    fact(map, ItemKey::Id, &item.id.0)?;
    fact(map, ItemKey::Path, &shown(&path))?;
    fact(map, ItemKey::HandedOver, &is_handed_over(&clip.path))?;
    fact(map, ItemKey::Name, &clip.name)?;
    fact(map, ItemKey::Size, &clip.facts.size)?;
    fact(map, ItemKey::Sent, &item.sent)?;
    fact(map, ItemKey::State, &item.state.as_str())?;
    fact(map, ItemKey::Reason, &item.reason.as_str())?;
    fact(map, ItemKey::Detail, &item.detail)?;
    fact(map, ItemKey::Priority, &clip.priority)?;
    fact(map, ItemKey::Class, &clip.class)?;
    fact(map, ItemKey::Channel, &clip.channel)?;
    fact(map, ItemKey::Source, &clip.source.as_deref().unwrap_or_default())?;
    fact(map, ItemKey::Uid, &clip.uid)?;
    fact(map, ItemKey::ProjectId, &clip.project_id.as_deref().unwrap_or_default())?;
    fact(map, ItemKey::ProjectName, &item.project_name)?;
    fact(map, ItemKey::AssetId, &item.asset_id)?;
    fact(map, ItemKey::Attempts, &item.attempts)?;
    fact(map, ItemKey::Added, &clip.added.wall.0)?;
    if path.to_str().is_none() {
        fact(map, ItemKey::PathBytes, &path.as_os_str().as_bytes())?;
    }
    Ok(())
}

fn fact<M: SerializeMap, T: Serialize + Type>(map: &mut M, key: ItemKey, value: &T) -> Result<(), M::Error> {
    map.serialize_entry(key.as_str(), &as_variant::Serialize(value))
}

/// As `xxhsum` prints it.
fn digits(hash: u64) -> String {
    format!("{hash:016x}")
}
