//! Items and receipts as the daemon gives them.

use serde::Serialize;

use super::{Dict, take};

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
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) priority: i32,
    pub(crate) class: String,
    pub(crate) channel: u8,
    pub(crate) source: String,
    pub(crate) uid: u32,
    pub(crate) project_id: String,
    pub(crate) asset_id: String,
    pub(crate) attempts: u32,
    pub(crate) added: i64,
}

impl Item {
    /// Reads an item; what is missing is empty.
    pub(crate) fn read(all: &mut Dict) -> Self {
        let path_bytes: Vec<u8> = take(all, "path_bytes");
        Self {
            id: take(all, "id"),
            path: take(all, "path"),
            path_bytes: Some(path_bytes).filter(|bytes| !bytes.is_empty()),
            name: take(all, "name"),
            size: take(all, "size"),
            sent: take(all, "sent"),
            state: take(all, "state"),
            reason: take(all, "reason"),
            detail: take(all, "detail"),
            priority: take(all, "priority"),
            class: take(all, "class"),
            channel: take(all, "channel"),
            source: take(all, "source"),
            uid: take(all, "uid"),
            project_id: take(all, "project_id"),
            asset_id: take(all, "asset_id"),
            attempts: take(all, "attempts"),
            added: take(all, "added"),
        }
    }

    /// Its name, else the last part of its path.
    pub(crate) fn title(&self) -> &str {
        match self.name.is_empty() {
            false => &self.name,
            true => self.path.rsplit('/').next().unwrap_or(&self.path),
        }
    }

    /// What there is to say of its state, if anything.
    pub(crate) fn why(&self) -> &str {
        match (self.detail.as_str(), self.reason.as_str()) {
            ("", "none") => "",
            ("", reason) => reason,
            (detail, _) => detail,
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
}

impl Receipt {
    /// Reads a receipt; what is missing is empty.
    pub(crate) fn read(all: &mut Dict) -> Self {
        Self {
            delivered: take(all, "delivered"),
            algorithm: take(all, "algorithm"),
            chunk_size: take(all, "chunk_size"),
            parts: take(all, "parts"),
            digest: take(all, "digest"),
            item: Item::read(all),
        }
    }
}
