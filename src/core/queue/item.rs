//! One clip in the queue, as everybody in the house speaks of it.
use std::fmt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh64::Xxh64;

use crate::queue::checksum::Checksum;
use crate::queue::evidence::{Fingerprint, Sighting, Volume};
use crate::secret::Secret;
use crate::time::Now;

pub use crate::queue::evidence::FileFacts;
pub use rigpost_contract::item::{BeforePairing, ItemReason, ItemState};

/// Given by the store, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A file that was taken in: what the queue knows of a clip beside where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clip {
    /// Absolute; may be any bytes.
    pub path: PathBuf,
    /// What the cloud shall call it.
    pub name: String,
    /// MIME type.
    pub filetype: String,
    /// As seen when it was taken in.
    pub facts: FileFacts,
    /// The file system that it lies on.
    pub volume: Volume,
    /// Evidence of its bytes; `None` in rows of versions that took none.
    pub fingerprint: Option<Fingerprint>,
    /// The class it fell in (`proxy`, `audio`, ...), for people; empty where nobody said.
    pub class: String,
    /// Larger goes first.
    pub priority: i32,
    /// Which camera or recorder behind this rig made it (contract §5.6); 0 where there is only one.
    pub channel: u8,
    /// The name of the media source that found it; `None`: somebody asked for it.
    pub source: Option<String>,
    /// The user who asked for it; 0 for what a source found.
    pub uid: u32,
    /// What becomes of it when it was made before the pairing.
    pub before_pairing: BeforePairing,
    /// Its writer is known to be done. Otherwise it must be seen unchanged once more before it is sent.
    pub settled: bool,
    /// The project that was paired; `None`: bound to the next one that is.
    pub project_id: Option<String>,
    /// When the clip was made, as far as the rig can tell.
    pub created: Now,
    /// When it was queued.
    pub added: Now,
    /// It came into being while its directory was watched. Not kept.
    pub appeared: bool,
    /// The cloud's id of the asset that it is a new version of; empty where it is none.
    pub version_of: String,
    /// A person wants it sent whether or not it was delivered before.
    pub anyway: bool,
    /// It goes though it is cut off.
    pub as_is: bool,
    /// It goes whatever its file is by now: a person wants it tried again.
    pub afresh: bool,
}

impl Clip {
    /// How its file looked.
    pub fn sighting(&self) -> Sighting {
        Sighting {
            path: self.path.clone(),
            facts: self.facts,
            volume: self.volume.clone(),
            fingerprint: self.fingerprint,
        }
    }

    /// Its file looks like this now.
    pub fn take(&mut self, seen: Sighting) {
        (self.path, self.facts, self.volume, self.fingerprint) =
            (seen.path, seen.facts, seen.volume, seen.fingerprint);
    }
}

/// One row of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Given by the store.
    pub id: ItemId,
    /// What was added.
    pub clip: Clip,
    /// Where it stands.
    pub state: ItemState,
    /// Why it stands there.
    pub reason: ItemReason,
    /// One sentence.
    pub detail: String,
    /// Times it had its turn.
    pub attempts: u32,
    /// Bytes of parts that the cloud has confirmed.
    pub sent: u64,
    /// Empty before the asset exists.
    pub asset_id: String,
    /// What people call the project that it is bound to; empty where there is none, or nobody has said.
    pub project_name: String,
}

/// The asset the provider made for an item: how to send what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The provider's id.
    pub id: String,
    /// One presigned URL for each part, in byte order. Bearer secrets.
    pub urls: Vec<Secret>,
    /// When the answer arrived: the URLs live for a day from then.
    pub created: Now,
    /// Numbers of the parts that are confirmed, ascending, from 0.
    pub finished: Vec<u32>,
}

/// What the bytes of one part were, computed while they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartDigest {
    /// For comparing with the storage's ETag; `None` where that is known to be none.
    pub md5: Option<[u8; 16]>,
    /// XXH64 with seed 0.
    pub xxh64: u64,
    /// The one that the storage checks, where it does.
    pub checksum: Option<Checksum>,
}

/// What was delivered, so that anybody can check it against the file later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The item as it is now.
    pub item: Item,
    /// When the last part was confirmed.
    pub delivered: Now,
    /// Bytes in every part but the last.
    pub chunk_size: u64,
    /// XXH64 of each part, in byte order; empty where there is no digest.
    pub parts: Vec<u64>,
    /// One number for the file: see [`file_digest`]. `None` where a part was sent by a version that did not note it.
    pub digest: Option<u64>,
    /// What the storage has vouched for: a checksum of the file, `algorithm:base64`; `algorithm` alone where it has for each
    /// part; empty where it has said nothing.
    pub vouched: String,
}

/// XXH64 of the whole file where it was sent in one part, else XXH64 over the parts' digests, each as eight bytes, most
/// significant first. Parts are read once, in parallel and in any order, and some before a power cut: a plain digest of
/// the whole file would need a second reading.
pub fn file_digest(parts: &[u64]) -> u64 {
    match parts {
        [one] => *one,
        many => {
            let mut hash = Xxh64::new(0);
            many.iter().for_each(|part| hash.update(&part.to_be_bytes()));
            hash.digest()
        }
    }
}

impl Asset {
    /// Bytes in every part but the last: `ceil(size / parts)`, as Frame.io's own clients cut.
    //= frameio-c2c#5.2
    //# A part has the size of the file divided by the number of addresses, rounded up
    pub fn chunk_size(&self, size: u64) -> u64 {
        size.div_ceil((self.urls.len() as u64).max(1))
    }

    /// Offset and length of part `n` (from 0) of a file of `size` bytes; `None` when there is nothing left for it.
    pub fn range(&self, n: u32, size: u64) -> Option<(u64, u64)> {
        let chunk = self.chunk_size(size);
        let from = chunk.checked_mul(u64::from(n))?;
        (from < size).then(|| (from, chunk.min(size - from)))
    }
}

/// A path for people: replacement characters where it is not UTF-8, no control characters.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Counts that the screen shows; kept by the store, never counted by scanning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Queued, being sent, or recorded and sent meanwhile.
    pub files_left: u64,
    /// Their bytes that are not confirmed.
    pub bytes_left: u64,
    /// Held.
    pub held: u64,
    /// Away.
    pub away: u64,
    /// Incomplete.
    pub incomplete: u64,
    /// Failed.
    pub failed: u64,
}

impl Counters {
    /// Items that are not sent and not taken off: what the queue's limit bounds.
    pub fn unfinished(&self) -> u64 {
        self.files_left + self.held + self.away + self.incomplete + self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(parts: usize) -> Asset {
        Asset {
            id: String::new(),
            urls: vec![Secret::new("u"); parts],
            created: Now::default(),
            finished: vec![],
        }
    }

    #[test]
    fn an_item_is_shown_by_its_number() {
        assert_eq!(ItemId(42).to_string(), "42");
    }

    #[test]
    fn a_file_s_digest_is_that_of_its_only_part_or_of_all_their_digests() {
        assert_eq!(file_digest(&[7]), 7);
        // Most significant byte first.
        let parts = [0x0102_0304_0506_0708_u64, 0x1112_1314_1516_1718];
        let text: Vec<u8> = (1..=8).chain(0x11..=0x18).collect();
        assert_eq!(file_digest(&parts), xxhash_rust::xxh64::xxh64(&text, 0));
        assert_eq!(file_digest(&[]), 0xEF46_DB37_51D8_E999, "that of nothing, as XXH64 publishes it");
    }

    //= frameio-c2c#5.2
    //= type=test
    //# A part has the size of the file divided by the number of addresses, rounded up
    #[test]
    fn parts_cover_the_file_exactly_once() {
        for (size, parts) in [(21_136_250, 2), (1, 1), (10, 3), (7, 7), (5, 4), (4, 3), (1 << 40, 10_000)] {
            let asset = asset(parts);
            let mut next = 0;
            for n in 0..parts as u32 {
                if let Some((from, len)) = asset.range(n, size) {
                    assert_eq!(from, next, "{size}/{parts} part {n}");
                    assert!(len > 0);
                    next = from + len;
                }
            }
            assert_eq!(next, size, "{size}/{parts}");
        }
        assert_eq!(asset(2).chunk_size(21_136_250), 10_568_125);
    }
}
