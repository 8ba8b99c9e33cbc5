//! One clip: what it is, where its parts go, and how it is shown.
use std::collections::BTreeMap;

use serde::Serialize;

use super::part::PartState;
use super::project::ProjectView;
use crate::clock::Moment;
use crate::secret;

/// One clip, from its creation on.
#[derive(Clone, Debug)]
pub(crate) struct Asset {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) filetype: String,
    pub(crate) size: u64,
    pub(crate) device: String,
    pub(crate) project: ProjectView,
    pub(crate) channel: u64,
    pub(crate) offset: i64,
    pub(crate) parts: u64,
    pub(super) version: Version,
    pub(crate) received: BTreeMap<u64, PartState>,
    /// Bytes of bodies that are arriving, by attempt.
    pub(crate) in_flight: BTreeMap<String, u64>,
    /// The parts are being put together; later parts are refused as for any finished upload.
    pub(crate) assembling: bool,
    pub(crate) sha256: Option<String>,
    pub(super) serial: u64,
    pub(super) created: String,
    pub(super) created_ms: u64,
    pub(crate) url_life: u64,
    pub(super) key: String,
}

/// Where an asset stands among those of its clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// The asset that the device named; `None`: a clip of its own.
    pub(super) of: Option<String>,
    /// The first version of the clip, which may be this one.
    pub(super) clip: String,
    /// From 1.
    pub(super) number: u64,
}

impl Asset {
    /// Parts that are there and sound.
    pub(super) fn done(&self) -> impl Iterator<Item = &PartState> {
        self.received.values().filter(|part| part.done())
    }

    /// Every part is there.
    pub(super) fn all_there(&self) -> bool {
        self.done().count() as u64 == self.parts
    }

    /// Whether it still waits for parts that can come: the addresses work, or did a moment ago.
    pub(crate) fn waits(&self, now: Moment) -> bool {
        let end = self.created_ms.saturating_add(self.url_life.saturating_add(60).saturating_mul(1000));
        self.sha256.is_none() && !self.assembling && now.ms < end
    }

    /// What else the address of part `n` carries, signed with the rest.
    pub(crate) fn notes(&self, n: u64) -> [(&'static str, String); 6] {
        [
            ("x-amz-meta-asset_id", self.id.clone()),
            ("x-amz-meta-is_realtime_upload", "false".to_owned()),
            ("x-amz-meta-part_count", self.parts.to_string()),
            ("x-amz-meta-part_number", n.to_string()),
            ("x-amz-meta-project_id", self.project.id.clone()),
            ("x-amz-meta-total_parts", self.parts.to_string()),
        ]
    }

    /// Bytes of part `n` (from 1): every part is `ceil(size / parts)` long, the last ones take what is left.
    pub(crate) fn part_size(&self, n: u64) -> u64 {
        let chunk = self.size.div_ceil(self.parts);
        self.size.saturating_sub(chunk.saturating_mul(n.saturating_sub(1))).min(chunk)
    }

    pub(super) fn signature(&self, n: u64, marker: &str) -> String {
        let hash = secret::sha256_hex(&format!("{}/{n}", self.key));
        format!("{marker}{hash}")
    }

    /// Path and query of the upload address of part `n`.
    pub(crate) fn upload_path(&self, n: u64, marker: &str, now: Moment) -> String {
        let date = now.wall.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("X-Amz-Algorithm", "AWS4-HMAC-SHA256");
        query.append_pair("X-Amz-Expires", &self.url_life.to_string());
        query.append_pair("X-Amz-Date", &date);
        query.append_pair("X-Amz-SignedHeaders", "content-type;host;x-amz-acl");
        for (name, value) in self.notes(n) {
            query.append_pair(name, &value);
        }
        query.append_pair("X-Amz-Signature", &self.signature(n, marker));
        format!("/s3/parts/{}/{n}?{}", self.id, query.finish())
    }
}

/// A clip, as tests and the page see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssetView {
    /// Identifier the cloud gave it.
    pub id: String,
    /// The name the device gave it.
    pub name: String,
    /// MIME type.
    pub filetype: String,
    /// Bytes of the whole file.
    pub size: u64,
    /// Name of the project it belongs to, as it is now.
    pub project: String,
    /// Identifier of that project.
    pub project_id: String,
    /// Client identifier of the device that made it.
    pub device: String,
    /// The `channel` it was created with, or 0.
    pub channel: u64,
    /// The `offset` it was created with: seconds from the making of the media to the creation of the asset.
    pub offset: i64,
    /// The asset that it was made a new version of, as the device named it.
    pub version_of: Option<String>,
    /// Which version of its clip it is, from 1.
    pub version: u64,
    /// Identifier of the clip's first version, its own where it is that: two assets with different ones are twins.
    pub clip: String,
    /// Bytes that arrived, those of parts on their way among them.
    pub bytes_done: u64,
    /// Parts that arrived sound.
    pub parts_done: u64,
    /// Parts there are.
    pub parts_total: u64,
    /// Times a part arrived whole that was there already, damaged or not.
    pub resent: u64,
    /// All parts arrived and were put together.
    pub complete: bool,
    /// SHA-256 of the whole file, hexadecimal, once complete.
    pub sha256: Option<String>,
    /// When it was created, RFC 3339.
    pub created: String,
}
