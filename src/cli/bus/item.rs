//! Items and receipts as the daemon gives them.
//!
//! # Decisions
//!
//! - Dictionaries are read key by key, here and in the daemon. zvariant can derive that, but its keys are literals: they
//!   would be spelled a second time beside the contract's, and an option that nobody knows could not be refused by its name.

use serde::Serialize;

use super::dict::{Dict, take};
use super::place::{Place, clause};
use crate::clock;
use rigpost_contract::item::{ItemKey, ItemReason};

/// One item of the queue; `sent` and `size` are bytes, `added` is Unix seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) path: String,
    /// The whole path, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path_bytes: Option<Vec<u8>>,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sent: u64,
    /// Bytes that have left and are not confirmed; only of what is being sent.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) on_the_way: u64,
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) priority: i32,
    pub(crate) class: String,
    pub(crate) channel: u8,
    pub(crate) source: String,
    pub(crate) uid: u32,
    pub(crate) project_id: String,
    pub(crate) project_name: String,
    pub(crate) asset_id: String,
    pub(crate) attempts: u32,
    pub(crate) added: i64,
    /// Its open file was handed over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) handed_over: bool,
}

impl Item {
    /// Reads an item; what is missing is empty.
    pub(crate) fn read(all: &mut Dict) -> Self {
        let path_bytes: Vec<u8> = take(all, ItemKey::PathBytes.as_str());
        Self {
            id: take(all, ItemKey::Id.as_str()),
            path: take(all, ItemKey::Path.as_str()),
            path_bytes: Some(path_bytes).filter(|bytes| !bytes.is_empty()),
            name: take(all, ItemKey::Name.as_str()),
            size: take(all, ItemKey::Size.as_str()),
            sent: take(all, ItemKey::Sent.as_str()),
            on_the_way: take(all, ItemKey::OnTheWay.as_str()),
            state: take(all, ItemKey::State.as_str()),
            reason: take(all, ItemKey::Reason.as_str()),
            detail: take(all, ItemKey::Detail.as_str()),
            priority: take(all, ItemKey::Priority.as_str()),
            class: take(all, ItemKey::Class.as_str()),
            channel: take(all, ItemKey::Channel.as_str()),
            source: take(all, ItemKey::Source.as_str()),
            uid: take(all, ItemKey::Uid.as_str()),
            project_id: take(all, ItemKey::ProjectId.as_str()),
            project_name: take(all, ItemKey::ProjectName.as_str()),
            asset_id: take(all, ItemKey::AssetId.as_str()),
            attempts: take(all, ItemKey::Attempts.as_str()),
            added: take(all, ItemKey::Added.as_str()),
            handed_over: take(all, ItemKey::HandedOver.as_str()),
        }
    }

    /// Bytes that a bar shows: confirmed, or on their way.
    pub(crate) fn moved(&self) -> u64 {
        self.sent.saturating_add(self.on_the_way).min(self.size)
    }

    /// Its name, else the last part of its path.
    pub(crate) fn title(&self) -> &str {
        match self.name.is_empty() {
            false => &self.name,
            true => self.path.rsplit('/').next().unwrap_or(&self.path),
        }
    }

    /// Which storage of one's own it goes to, if it does.
    pub(crate) fn place(&self) -> Option<Place> {
        Place::of(&self.project_id, &self.project_name)
    }

    /// What there is to say of its state, if anything: what the daemon said of it, else what its reason means.
    pub(crate) fn why(&self) -> String {
        match (self.detail.as_str(), self.reason.parse::<ItemReason>()) {
            ("", Ok(ItemReason::OtherProject)) if !self.project_name.is_empty() => {
                format!("it belongs to {}, another project than the one that is paired", self.project_name)
            }
            ("", Ok(reason)) => {
                let of_storage = self.place().and_then(|_| clause(reason));
                of_storage.unwrap_or(reason.clause()).to_owned()
            }
            ("", Err(_)) => self.reason.clone(),
            (detail, _) => detail.to_owned(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// All there is to say about one item.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct OneItem {
    #[serde(flatten)]
    pub(crate) item: Item,
    pub(crate) version_of: String,
    pub(crate) as_is: bool,
    /// Seconds from now; `None` where it waits for no time.
    pub(crate) next_try_in: Option<u64>,
}

impl OneItem {
    /// Reads an item; what is missing is empty.
    pub(crate) fn read(all: &mut Dict) -> Self {
        let next_try: u64 = take(all, ItemKey::NextTry.as_str());
        Self {
            version_of: take(all, ItemKey::VersionOf.as_str()),
            as_is: take(all, ItemKey::AsIs.as_str()),
            next_try_in: (next_try > 0).then(|| clock::seconds_until(next_try)),
            item: Item::read(all),
        }
    }
}

/// What was delivered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Receipt {
    #[serde(flatten)]
    pub(crate) item: Item,
    /// Unix seconds.
    pub(crate) delivered: i64,
    pub(crate) algorithm: String,
    pub(crate) chunk_size: u64,
    pub(crate) parts: Vec<String>,
    pub(crate) digest: String,
    pub(crate) vouched: String,
}

impl Receipt {
    /// Reads a receipt; what is missing is empty.
    pub(crate) fn read(all: &mut Dict) -> Self {
        Self {
            delivered: take(all, ItemKey::Delivered.as_str()),
            algorithm: take(all, ItemKey::Algorithm.as_str()),
            chunk_size: take(all, ItemKey::ChunkSize.as_str()),
            parts: take(all, ItemKey::Parts.as_str()),
            digest: take(all, ItemKey::Digest.as_str()),
            vouched: take(all, ItemKey::Vouched.as_str()),
            item: Item::read(all),
        }
    }
}
