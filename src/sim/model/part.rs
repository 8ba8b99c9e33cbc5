//! One part of a clip: what a PUT shows of itself, and what is known of what came.
use serde::Serialize;

use crate::storage::PartFile;

/// What is known of one part of an asset.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartState {
    pub(super) begun: u32,
    pub(crate) finished: u32,
    pub(super) begun_again: u32,
    pub(crate) size: u64,
    pub(super) sha256: Option<String>,
    pub(super) etag: Option<String>,
    /// What lies there is not what was sent, and the `ETag` said so.
    pub(super) damaged: bool,
}

impl PartState {
    /// There, and sound.
    pub(crate) fn done(&self) -> bool {
        self.finished > 0 && !self.damaged
    }
}

/// How often a part was sent, and what is there of it. Tests prove with it that a resumed upload goes on where it
/// was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartView {
    /// Identifier of the asset.
    pub asset: String,
    /// Name of the clip.
    pub name: String,
    /// Number of the part, from 1.
    pub part: u64,
    /// Times its sending was begun with everything in order but the body: what was cut off counts too.
    pub begun: u32,
    /// Times it arrived whole.
    pub finished: u32,
    /// Times its sending was begun though it was there already, and sound.
    pub begun_again: u32,
    /// Bytes, once it is there.
    pub size: u64,
    /// SHA-256 of what is there, hexadecimal.
    pub sha256: Option<String>,
    /// The `ETag` that was answered last, quotes included.
    pub etag: Option<String>,
    /// A fault damaged it on the way; it is not counted as there.
    pub damaged: bool,
}

/// What a part that may be uploaded must look like.
#[derive(Clone, Debug)]
pub(crate) struct PartTicket {
    pub(crate) asset: String,
    pub(crate) n: u64,
    pub(crate) size: u64,
}

/// What a PUT shows of itself before its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartRequest<'a> {
    pub(crate) asset: &'a str,
    pub(crate) n: u64,
    pub(crate) signature: &'a str,
    pub(crate) has_bearer: bool,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) acl: Option<&'a str>,
    pub(crate) content_length: Option<u64>,
}

/// What became of a part that arrived whole.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) file: PartFile,
    pub(crate) etag: String,
    pub(crate) damaged: bool,
}
