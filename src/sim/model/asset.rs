//! One clip: what it is, where its parts go, and how it is shown.
use std::collections::BTreeMap;

use serde::Serialize;

use super::comment::CommentView;
use super::growth::{Growth, GrowthView};
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
    pub(crate) plan: Plan,
    pub(crate) device: String,
    pub(crate) project: ProjectView,
    pub(crate) channel: u64,
    pub(crate) offset: i64,
    pub(super) version: Version,
    pub(crate) received: BTreeMap<u64, PartState>,
    /// Bytes of bodies that are arriving, by attempt.
    pub(crate) in_flight: BTreeMap<String, u64>,
    /// Oldest first.
    pub(super) comments: Vec<CommentView>,
    /// The parts are being put together; later parts are refused as for any finished upload.
    pub(crate) assembling: bool,
    pub(crate) sha256: Option<String>,
    pub(super) serial: u64,
    pub(super) created: String,
    pub(super) created_ms: u64,
    pub(crate) url_life: u64,
    pub(super) key: String,
}

/// What parts an asset is made of.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// So many bytes in so many parts, known from the start.
    Whole { size: u64, parts: u64 },
    /// It grows while it is sent.
    Growing(Growth),
}

/// Whether an address of a part may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Good,
    Expired,
    /// Nobody handed it out.
    Unknown,
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
    /// Bytes of the whole, as far as it is known.
    pub(crate) fn size(&self) -> u64 {
        match &self.plan {
            Plan::Whole { size, .. } => *size,
            Plan::Growing(growth) => growth.size(),
        }
    }

    /// How many parts there are, as far as it is known.
    pub(super) fn count(&self) -> u64 {
        match &self.plan {
            Plan::Whole { parts, .. } => *parts,
            Plan::Growing(growth) => growth.numbers().count() as u64,
        }
    }

    /// The numbers of the parts, in the order in which they are put together.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        match &self.plan {
            Plan::Whole { parts, .. } => (1..=*parts).collect(),
            Plan::Growing(growth) => growth.numbers().collect(),
        }
    }

    /// What of it grows, if it does.
    pub(super) fn growth(&self) -> Option<&Growth> {
        match &self.plan {
            Plan::Whole { .. } => None,
            Plan::Growing(growth) => Some(growth),
        }
    }

    pub(super) fn growth_mut(&mut self) -> Option<&mut Growth> {
        match &mut self.plan {
            Plan::Whole { .. } => None,
            Plan::Growing(growth) => Some(growth),
        }
    }

    /// Parts that are there and sound.
    pub(super) fn done(&self) -> impl Iterator<Item = &PartState> {
        self.received.values().filter(|part| part.done())
    }

    /// Every part is there, and no more can follow.
    pub(super) fn all_there(&self) -> bool {
        self.growth().is_none_or(Growth::ended) && self.done().count() as u64 == self.count()
    }

    /// Nothing can be added any more.
    pub(super) fn closed(&self) -> bool {
        self.assembling || self.sha256.is_some()
    }

    /// Whether it waits for parts that can come: the addresses work, or did a moment ago.
    pub(crate) fn waits(&self, now: Moment) -> bool {
        let missing = (self.done().count() as u64) < self.count();
        let last = match &self.plan {
            Plan::Whole { .. } => self.end_of_life(self.created_ms),
            Plan::Growing(growth) => growth.last_end(),
        };
        !self.closed() && missing && now.ms < last.saturating_add(60_000)
    }

    /// When an address of that moment stops working.
    pub(super) fn end_of_life(&self, made_ms: u64) -> u64 {
        made_ms.saturating_add(self.url_life.saturating_mul(1000))
    }

    /// What else the address of part `n` carries, signed with the rest. Of a clip that grows, the numbers of parts are those
    /// known so far.
    pub(crate) fn notes(&self, n: u64) -> [(&'static str, String); 6] {
        [
            ("x-amz-meta-asset_id", self.id.clone()),
            ("x-amz-meta-is_realtime_upload", self.growth().is_some().to_string()),
            ("x-amz-meta-part_count", self.count().to_string()),
            ("x-amz-meta-part_number", n.to_string()),
            ("x-amz-meta-project_id", self.project.id.clone()),
            ("x-amz-meta-total_parts", self.count().to_string()),
        ]
    }

    /// Bytes of part `n` (from 1). Of a clip of known size every part is `ceil(size / parts)` long, and the last ones take
    /// what is left.
    pub(crate) fn part_size(&self, n: u64) -> u64 {
        match &self.plan {
            Plan::Whole { size, parts } => {
                let chunk = size.div_ceil(*parts);
                size.saturating_sub(chunk.saturating_mul(n.saturating_sub(1))).min(chunk)
            }
            Plan::Growing(growth) => growth.part_size(n),
        }
    }

    /// What an address of part `n` is signed with: the address that was made last for it.
    fn signature(&self, n: u64, marker: &str) -> String {
        let newest = self.growth().map_or(1, |growth| growth.addresses(n).len());
        self.signature_of(n, newest, marker)
    }

    /// Each address of a part has a signature of its own: with a fresh one, the old one does not live longer.
    fn signature_of(&self, n: u64, which: usize, marker: &str) -> String {
        let hash = secret::sha256_hex(&format!("{}/{n}/{which}", self.key));
        format!("{marker}{hash}")
    }

    /// Whether part `n` may be sent to the address with this signature.
    pub(super) fn address(&self, n: u64, signature: &str, marker: &str, now: Moment) -> Address {
        let ends = match &self.plan {
            Plan::Whole { parts, .. } if (1..=*parts).contains(&n) => vec![self.end_of_life(self.created_ms)],
            Plan::Whole { .. } => Vec::new(),
            Plan::Growing(growth) => growth.addresses(n).to_vec(),
        };
        let mut each = (1..).zip(ends);
        match each.find(|(which, _)| self.signature_of(n, *which, marker) == signature) {
            None => Address::Unknown,
            Some((_, end)) if now.ms >= end => Address::Expired,
            Some(_) => Address::Good,
        }
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssetView {
    /// Identifier the cloud gave it.
    pub id: String,
    /// The name the device gave it.
    pub name: String,
    /// MIME type.
    pub filetype: String,
    /// Bytes of the whole file; of one that grows, those of the parts registered so far.
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
    /// Parts there are; of a file that grows, those registered so far.
    pub parts_total: u64,
    /// Times a part arrived whole that was there already, damaged or not.
    pub resent: u64,
    /// All parts arrived and were put together.
    pub complete: bool,
    /// SHA-256 of the whole file, hexadecimal, once complete.
    pub sha256: Option<String>,
    /// When it was created, RFC 3339.
    pub created: String,
    /// How it grew, if it was made for a real-time upload.
    pub realtime: Option<GrowthView>,
    /// What its device said of it, oldest first.
    pub comments: Vec<CommentView>,
}
