//! Reads a part of a file on the threads of its volume, one chunk ahead of whoever takes them.
//!
//! # Decisions
//! - `crc64fast-nvme` computes the one CRC that S3 wants; `crc-fast`, by the same hand, puts several together (in the core) and
//!   would compute them too, but brings every other CRC along: 680 kB of the daemon. SHA is `ring`'s, which is here anyway.
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest, Md5};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use rustix::buffer::spare_capacity;
use rustix::io::pread;
use tokio::sync::mpsc;
use xxhash_rust::xxh64::Xxh64;

use super::file::{MediaFile, ReadError};
use rigpost_core::queue::checksum::{Algorithm, Checksum};
use rigpost_core::queue::item::PartDigest;

/// Bytes that all parts together read ahead, twice.
const AHEAD: usize = 1024 * 1024;
/// A smaller chunk costs more in hops between threads than it spares in memory.
const LEAST: usize = 128 * 1024;
/// A larger one leaves the processor's cache between the hash and the encryption.
const MOST: usize = 512 * 1024;

/// How a part is read. xxHash is always worth its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPlan {
    /// Computed too: about a second and a half of processor time per GiB.
    pub(super) md5: bool,
    /// And one that the storage checks; SHA by the processor's own instructions, where it has them.
    pub(super) checksum: Option<Algorithm>,
    /// Bytes that are read and hashed in one go.
    pub(super) chunk: usize,
}

impl ReadPlan {
    /// `at_once`: parts that may be on their way at the same time, which share the memory.
    pub fn new(md5: bool, at_once: usize) -> ReadPlan {
        ReadPlan { md5, checksum: None, chunk: (AHEAD / at_once.max(1)).clamp(LEAST, MOST) }
    }
}

impl From<ReadError> for io::Error {
    fn from(why: ReadError) -> io::Error {
        match why {
            ReadError::Shorter => io::Error::new(io::ErrorKind::UnexpectedEof, why),
            ReadError::Unreadable(e) => e,
            ReadError::NotAnswering(e) => io::Error::other(e),
        }
    }
}

/// The next bytes.
#[derive(Debug)]
pub(super) struct Chunk {
    /// At least one.
    pub(super) bytes: Bytes,
    /// Of the whole part, with its last bytes.
    pub(super) digest: Option<PartDigest>,
}

/// One that is being computed.
enum Running {
    Crc64Nvme(Box<crc64fast_nvme::Digest>),
    Sha(Box<ring::digest::Context>, fn(&[u8]) -> Option<Checksum>),
}

impl Running {
    fn new(algorithm: Algorithm) -> Option<Running> {
        let sha = |with, made| Some(Running::Sha(Box::new(ring::digest::Context::new(with)), made));
        match algorithm {
            Algorithm::Crc64Nvme => Some(Running::Crc64Nvme(Box::new(crc64fast_nvme::Digest::new()))),
            Algorithm::Sha256 => sha(&SHA256, |sum| sum.try_into().ok().map(Checksum::Sha256)),
            Algorithm::Sha1 => sha(&SHA1_FOR_LEGACY_USE_ONLY, |sum| sum.try_into().ok().map(Checksum::Sha1)),
            // It has a place of its own.
            Algorithm::Md5 => None,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Running::Crc64Nvme(crc) => crc.write(bytes),
            Running::Sha(sha, _) => sha.update(bytes),
        }
    }

    fn finish(self) -> Option<Checksum> {
        match self {
            Running::Crc64Nvme(crc) => Some(Checksum::Crc64Nvme(crc.sum64())),
            Running::Sha(sha, made) => made(sha.finish().as_ref()),
        }
    }
}

struct Hashes {
    md5: Option<Md5>,
    xxh64: Xxh64,
    checksum: Option<Running>,
}

impl Hashes {
    fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
        self.xxh64.update(bytes);
    }

    fn digest(&mut self) -> PartDigest {
        PartDigest {
            md5: self.md5.take().map(|md5| md5.finalize().into()),
            xxh64: self.xxh64.digest(),
            checksum: self.checksum.take().and_then(Running::finish),
        }
    }
}

/// Of each part.
const BUFFERS: usize = 2;

/// A buffer that comes back once nobody uses its bytes any more.
struct Lent {
    buffer: Vec<u8>,
    back: mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Where the part is over it is of no more use.
        let _ = self.back.try_send(std::mem::take(&mut self.buffer));
    }
}

/// Memory: two buffers, whatever the part's size and whatever the connection holds back.
pub(super) struct Reader {
    file: Arc<MediaFile>,
    at: u64,
    unread: u64,
    chunk: usize,
    hashes: Hashes,
    back: mpsc::Sender<Vec<u8>>,
}

impl Reader {
    /// Reads on until nobody takes any more. Ends after the first error.
    pub(super) fn start(
        file: Arc<MediaFile>,
        at: u64,
        len: u64,
        plan: ReadPlan,
    ) -> mpsc::Receiver<Result<Chunk, ReadError>> {
        let hashes = Hashes {
            md5: plan.md5.then(Md5::new),
            xxh64: Xxh64::new(0),
            checksum: plan.checksum.and_then(Running::new),
        };
        let (back, mut free) = mpsc::channel(BUFFERS);
        (0..BUFFERS).for_each(|_| drop(back.try_send(Vec::new())));
        let mut reader = Reader { file, at, unread: len, chunk: plan.chunk, hashes, back };
        let (out, chunks) = mpsc::channel(1);
        // A task, so that a thread that is free is used at once, also while the connection is stuck.
        tokio::spawn(async move {
            while reader.unread > 0 {
                // Room first: otherwise one more would be read than has a place.
                let Ok(room) = out.reserve().await else { return };
                let Some(buffer) = free.recv().await else { return };
                let chunk;
                (reader, chunk) = match reader.read(buffer).await {
                    Ok((reader, chunk)) => (reader, chunk),
                    Err(why) => return room.send(Err(why)),
                };
                room.send(Ok(chunk));
            }
        });
        chunks
    }

    async fn read(mut self, mut buffer: Vec<u8>) -> Result<(Reader, Chunk), ReadError> {
        let volume = self.file.volume().clone();
        let read = move || {
            buffer.clear();
            buffer.reserve_exact(self.chunk);
            pread(self.file.file()?, spare_capacity(&mut buffer), self.at)
                .map_err(|e| ReadError::Unreadable(e.into()))?;
            // The next part's bytes are not ours.
            buffer.truncate(usize::try_from(self.unread).unwrap_or(usize::MAX));
            if buffer.is_empty() {
                return Err(ReadError::Shorter);
            }
            self.hashes.update(&buffer);
            self.at += buffer.len() as u64;
            self.unread -= buffer.len() as u64;
            let digest = (self.unread == 0).then(|| self.hashes.digest());
            let bytes = Bytes::from_owner(Lent { buffer, back: self.back.clone() });
            Ok((self, Chunk { bytes, digest }))
        };
        volume.run(read).await?
    }
}
