//! Reads a part of a file: from the kernel's memory where its bytes are there, else on the threads of its volume, one chunk
//! ahead of whoever takes them.
//!
//! # Decisions
//! - What the kernel has in memory is asked for by whoever sends, with `RWF_NOWAIT`: that touches no card, and spares a hop
//!   between threads and back for each chunk, which cost more than reading and hashing it. The first bytes that are not there,
//!   a card that does not answer and a file system that knows no such question (exFAT, FUSE) leave the rest of the part to the
//!   threads. What takes long to compute is computed there in any case: the one thread that encrypts has enough to do.
//! - `crc64fast-nvme` computes the one CRC that S3 wants; `crc-fast`, by the same hand, brings every other CRC along: 680 kB of
//!   the daemon. SHA is `ring`'s, which is here anyway.
use std::io::{self, IoSliceMut};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use md5::{Digest, Md5};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use rustix::buffer::spare_capacity;
use rustix::io::{ReadWriteFlags, pread, preadv2};
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
/// Where no other thread has to be woken for it: it stays in the processor's cache.
const SMALL: usize = 64 * 1024;
/// And so many are read in one go. More would make a slow card late that still answers.
const STRETCH: u64 = 1024 * 1024;

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

    /// It takes no longer to compute than to read.
    fn is_quick(self) -> bool {
        !self.md5 && matches!(self.checksum, None | Some(Algorithm::Crc64Nvme))
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
    fn new(plan: ReadPlan) -> Hashes {
        Hashes {
            md5: plan.md5.then(Md5::new),
            xxh64: Xxh64::new(0),
            checksum: plan.checksum.and_then(Running::new),
        }
    }

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

/// What of a part has not been read yet.
struct Unread {
    file: Arc<MediaFile>,
    at: u64,
    len: u64,
    digest: Digesting,
}

/// What becomes the digest of a part.
enum Digesting {
    /// It is known: these bytes were read before.
    Known(PartDigest),
    Computed(Hashes),
}

impl Unread {
    /// For the workers of its volume: the next bytes, at least one and `most` at most, in place of what is in the buffer. With
    /// the last ones, the digest of all.
    fn read(&mut self, buffer: &mut Vec<u8>, most: usize) -> Result<Option<PartDigest>, ReadError> {
        buffer.clear();
        buffer.reserve_exact(most);
        pread(self.file.file()?, spare_capacity(buffer), self.at)
            .map_err(|e| ReadError::Unreadable(e.into()))?;
        // The next part's bytes are not ours.
        buffer.truncate(usize::try_from(self.len).unwrap_or(usize::MAX));
        if buffer.is_empty() {
            return Err(ReadError::Shorter);
        }
        Ok(self.passed(buffer))
    }

    /// For anybody: the same of what is in memory, a few at most. `None`: they are not there, or nobody knows.
    fn read_cached(&mut self, buffer: &mut Vec<u8>) -> Option<Option<PartDigest>> {
        let file = self.file.file().ok().filter(|_| !self.file.volume().is_silent())?;
        let most = usize::try_from(self.len).map_or(SMALL, |len| len.min(SMALL));
        buffer.resize(most, 0);
        let got = preadv2(file, &mut [IoSliceMut::new(buffer)], self.at, ReadWriteFlags::NOWAIT).ok()?;
        buffer.truncate(got);
        (got > 0).then(|| self.passed(buffer))
    }

    fn passed(&mut self, bytes: &[u8]) -> Option<PartDigest> {
        self.at += bytes.len() as u64;
        self.len -= bytes.len() as u64;
        let is_all = self.len == 0;
        match &mut self.digest {
            Digesting::Known(digest) => is_all.then_some(*digest),
            Digesting::Computed(hashes) => {
                hashes.update(bytes);
                is_all.then(|| hashes.digest())
            }
        }
    }
}

/// The digest of `len` bytes from `at` on, which go nowhere. Memory: one small buffer.
///
/// # Errors
/// They can't be read.
pub(super) async fn digest_of(
    file: Arc<MediaFile>,
    at: u64,
    len: u64,
    plan: ReadPlan,
) -> Result<PartDigest, ReadError> {
    if len == 0 {
        return Ok(Hashes::new(plan).digest());
    }
    let volume = file.volume().clone();
    let digest = Digesting::Computed(Hashes::new(plan));
    let (mut unread, mut buffer) = (Unread { file, at, len, digest }, Vec::new());
    loop {
        let digest;
        (unread, buffer, digest) = volume
            .run(move || {
                let stop = unread.len.saturating_sub(STRETCH);
                let mut digest = None;
                while unread.len > stop {
                    digest = unread.read(&mut buffer, SMALL)?;
                }
                Ok::<_, ReadError>((unread, buffer, digest))
            })
            .await??;
        if let Some(digest) = digest {
            return Ok(digest);
        }
    }
}

/// Memory: two buffers, whatever the part's size and whatever the connection holds back.
struct Reader {
    unread: Unread,
    chunk: usize,
    back: mpsc::Sender<Vec<u8>>,
    free: mpsc::Receiver<Vec<u8>>,
}

/// A part, chunk by chunk.
pub(super) struct Chunks(Way);

enum Way {
    /// By whoever takes them.
    Cached(Box<Reader>),
    /// By the threads of the volume.
    Ahead(mpsc::Receiver<Result<Chunk, ReadError>>),
    /// Between the two: never to be seen.
    Over,
}

impl Chunks {
    /// `known`: the digest, where it need not be computed.
    pub(super) fn new(
        file: Arc<MediaFile>,
        at: u64,
        len: u64,
        plan: ReadPlan,
        known: Option<PartDigest>,
    ) -> Chunks {
        let digest = known.map_or_else(|| Digesting::Computed(Hashes::new(plan)), Digesting::Known);
        let unread = Unread { file, at, len, digest };
        let (back, free) = mpsc::channel(BUFFERS);
        (0..BUFFERS).for_each(|_| drop(back.try_send(Vec::new())));
        let is_quick = known.is_some() || plan.is_quick();
        let reader = Box::new(Reader { unread, chunk: plan.chunk, back, free });
        Chunks(if is_quick { Way::Cached(reader) } else { Way::Ahead(reader.start()) })
    }

    /// The next one. None is left after one with a digest, or after an error.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Chunk, ReadError>> {
        loop {
            match &mut self.0 {
                Way::Cached(reader) => {
                    if let Some(chunk) = ready!(reader.poll_cached(cx)) {
                        return Poll::Ready(Ok(chunk));
                    }
                    if let Way::Cached(reader) = std::mem::replace(&mut self.0, Way::Over) {
                        self.0 = Way::Ahead(reader.start());
                    }
                }
                Way::Ahead(chunks) => {
                    let chunk = ready!(chunks.poll_recv(cx));
                    return Poll::Ready(chunk.unwrap_or_else(|| Err(cut_short())));
                }
                Way::Over => return Poll::Ready(Err(cut_short())),
            }
        }
    }
}

fn cut_short() -> ReadError {
    ReadError::Unreadable(io::Error::other("the reading was cut short"))
}

impl Reader {
    /// `None`: it is not in memory.
    fn poll_cached(&mut self, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        // One is with us or comes back: both ends of the channel are.
        let Some(mut buffer) = ready!(self.free.poll_recv(cx)) else { return Poll::Ready(None) };
        let read = self.unread.read_cached(&mut buffer);
        let lent = Lent { buffer, back: self.back.clone() };
        Poll::Ready(read.map(|digest| Chunk { bytes: Bytes::from_owner(lent), digest }))
    }

    /// Reads on until nobody takes any more. Ends after the first error.
    fn start(mut self: Box<Reader>) -> mpsc::Receiver<Result<Chunk, ReadError>> {
        let (out, chunks) = mpsc::channel(1);
        // A task, so that a thread that is free is used at once, also while the connection is stuck.
        tokio::spawn(async move {
            while self.unread.len > 0 {
                // Room first: otherwise one more would be read than has a place.
                let Ok(room) = out.reserve().await else { return };
                let Some(buffer) = self.free.recv().await else { return };
                let chunk;
                (self, chunk) = match self.read(buffer).await {
                    Ok((reader, chunk)) => (reader, chunk),
                    Err(why) => return room.send(Err(why)),
                };
                room.send(Ok(chunk));
            }
        });
        chunks
    }

    async fn read(mut self: Box<Reader>, mut buffer: Vec<u8>) -> Result<(Box<Reader>, Chunk), ReadError> {
        let volume = self.unread.file.volume().clone();
        let read = move || {
            let digest = self.unread.read(&mut buffer, self.chunk)?;
            let bytes = Bytes::from_owner(Lent { buffer, back: self.back.clone() });
            Ok((self, Chunk { bytes, digest }))
        };
        volume.run(read).await?
    }
}
