//! The bytes of one part, read and hashed ahead of the connection that sends them.
//!
//! # Decisions
//! - By the volume's workers, and not where the body is polled, unless it is in memory ([`super::ahead`]): one read of a card
//!   that hangs would be the end of everything that the one thread of the runtime does. Hashed where it is read, which lets a
//!   board with two cores send and hash a card's bytes at once.
//! - Each chunk costs a hop to another thread and back, so it is as large as the memory allows that all parts on their way
//!   share: 256 KiB for four at once. One is read while the one before it is sent, and no more: the memory of a part is
//!   two chunks, whatever its size. A buffer comes back when the connection has let go of all of it, and nothing is read
//!   before: left to itself a connection takes hundreds of kilobytes that it can't send yet, and a buffer made anew for
//!   each chunk cost half as much processor again as sending it.
//! - Hashed here because here the bytes are warm, and these are the bytes that leave: a hash of the file could be of
//!   other ones. Unless whoever gets them says what they were ([`PartBody::known_as`]). `md-5` is kept by the RustCrypto project, `xxhash-rust` is the crate that the domain fingerprints with.
//! - MD5 is a storage's checksum, not a protection: S3 names a part by it. It costs more than the rest of sending over
//!   plain TCP, so it is done only where the storage's names are known to be of that kind.
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use bytes::Bytes;
use http_body::Frame;

use super::ahead::{Chunk, Chunks, ReadPlan, digest_of};
use super::file::{MediaFile, ReadError};
use super::pacer::Pacer;
use super::workers::NotAnswering;
use rigpost_core::queue::checksum::Algorithm;
use rigpost_core::queue::item::PartDigest;

/// Handed on at once: what is not on the wire yet is what an early refusal wastes.
const FRAME: usize = 64 * 1024;

/// What is known of a part that is being sent, for those who don't send it.
#[derive(Debug, Default)]
pub struct PartWatch {
    /// Bytes handed to the connection so far.
    pub sent: AtomicU64,
    /// The file ended early: it is not what was queued.
    pub shorter: AtomicBool,
    /// The file could not be read: its card is gone, or its disk fails.
    pub unreadable: AtomicBool,
    /// The file's card does not answer.
    pub silent: OnceLock<NotAnswering>,
    held: AtomicBool,
    digest: Mutex<Option<PartDigest>>,
}

impl PartWatch {
    /// The pacer keeps the part from sending: that nothing moves is not the connection's fault.
    pub fn held(&self) -> bool {
        self.held.load(Relaxed)
    }

    /// Of exactly the part's bytes as the latest attempt sent them, or as it was known before ([`PartBody::known_as`]); `None`
    /// until it has begun with the last of them.
    pub fn digest(&self) -> Option<PartDigest> {
        *self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was sent before, and was this.
    pub fn is_known(&self, digest: PartDigest) {
        self.set_digest(Some(digest));
    }

    fn set_digest(&self, digest: Option<PartDigest>) {
        *self.digest.lock().unwrap_or_else(PoisonError::into_inner) = digest;
    }

    fn failed(&self, why: &ReadError) {
        match why {
            ReadError::Shorter => self.shorter.store(true, Relaxed),
            ReadError::Unreadable(_) => self.unreadable.store(true, Relaxed),
            // Where it is known already it is the same card.
            ReadError::NotAnswering(which) => drop(self.silent.set(which.clone())),
        }
    }
}

/// The body. Nothing is read before it is first polled.
pub struct PartBody {
    file: Arc<MediaFile>,
    from: u64,
    len: u64,
    plan: ReadPlan,
    watch: Arc<PartWatch>,
    pacer: Pacer,
    /// Read and hashed, and not handed on: the storage has these.
    skip: u64,
    /// Of those, not passed yet.
    unskipped: u64,
    /// Of the whole part, where it need not be computed.
    known: Option<PartDigest>,
    /// Not taken from the reader yet.
    ahead: u64,
    chunks: Option<Chunks>,
    /// Read and hashed, but not handed on yet.
    unsent: Bytes,
    waiting: Option<Pin<Box<dyn Future<Output = usize> + Send>>>,
}

impl PartBody {
    /// `len` bytes of the file from `from` on, as fast as `pacer` allows.
    pub fn new(
        file: Arc<MediaFile>,
        from: u64,
        len: u64,
        plan: ReadPlan,
        watch: Arc<PartWatch>,
        pacer: Pacer,
    ) -> PartBody {
        watch.sent.store(0, Relaxed);
        watch.set_digest(None);
        PartBody {
            file,
            from,
            len,
            plan,
            watch,
            pacer,
            skip: 0,
            unskipped: 0,
            known: None,
            ahead: len,
            chunks: None,
            unsent: Bytes::new(),
            waiting: None,
        }
    }

    /// The same part from its beginning, for another attempt. What this one had sent counts no more.
    pub fn again(&self) -> PartBody {
        let (file, watch, pacer) = (self.file.clone(), self.watch.clone(), self.pacer.clone());
        let again = PartBody::new(file, self.from, self.len, self.plan, watch, pacer);
        PartBody { known: self.known, ..again }.after(self.skip)
    }

    /// Its digest will have this checksum, too.
    pub fn computing(self, checksum: Algorithm) -> PartBody {
        PartBody { plan: ReadPlan { checksum: Some(checksum), ..self.plan }, ..self }
    }

    /// Sends without hashing: whoever gets these bytes tells whether they are those that have this digest.
    pub fn known_as(self, digest: PartDigest) -> PartBody {
        PartBody { known: Some(digest), ..self }
    }

    /// Without the first bytes, of which the digest goes on to be.
    pub fn after(mut self, skip: u64) -> PartBody {
        self.skip = skip.min(self.len);
        self.unskipped = self.skip;
        self
    }

    /// Reads once what this is going to send, and computes what goes ahead of it. Not paced: nothing leaves.
    ///
    /// # Errors
    /// It can't be read, and its watch says why.
    pub fn read_before(
        &self,
        checksum: Option<Algorithm>,
        md5: bool,
    ) -> impl Future<Output = Result<PartDigest, ReadError>> + Send + use<> {
        let plan = ReadPlan { checksum, md5, ..self.plan };
        let (from, len) = (self.from + self.skip, self.len - self.skip);
        let (digest, watch) = (digest_of(self.file.clone(), from, len, plan), self.watch.clone());
        async move { digest.await.inspect_err(|why| watch.failed(why)) }
    }

    /// Reads all of the part, of which nothing is sent: the storage has it. Its watch knows the digest then.
    ///
    /// # Errors
    /// It can't be read, and its watch says why.
    pub fn read_through(&self) -> impl Future<Output = Result<(), ReadError>> + Send + use<> {
        let (read, watch) = (self.again().after(0).read_before(None, false), self.watch.clone());
        async move {
            watch.set_digest(Some(read.await?));
            Ok(())
        }
    }

    /// Shared with whoever made the part.
    pub fn watch(&self) -> &Arc<PartWatch> {
        &self.watch
    }

    /// How many bytes may be handed on now, `want` at most.
    fn poll_pass(&mut self, cx: &mut Context<'_>, want: usize) -> Poll<usize> {
        if self.waiting.is_none() && self.pacer.open() {
            return Poll::Ready(want);
        }
        let pacer = &self.pacer;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(pacer.clone().wait(want)));
        let pass = waiting.as_mut().poll(cx);
        self.watch.held.store(pass.is_pending(), Relaxed);
        if pass.is_ready() {
            self.waiting = None;
        }
        pass
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Chunk, ReadError>> {
        let start = || Chunks::new(self.file.clone(), self.from, self.len, self.plan, self.known);
        self.chunks.get_or_insert_with(start).poll(cx)
    }

    fn take(&mut self, mut chunk: Chunk) {
        self.ahead -= chunk.bytes.len() as u64;
        let passed = usize::try_from(self.unskipped).map_or(chunk.bytes.len(), |n| n.min(chunk.bytes.len()));
        self.unskipped -= passed as u64;
        self.unsent = chunk.bytes.split_off(passed);
        if chunk.digest.is_some() {
            self.watch.set_digest(chunk.digest);
        }
    }
}

impl http_body::Body for PartBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        while this.unsent.is_empty() {
            if this.ahead == 0 {
                return Poll::Ready(None);
            }
            match ready!(this.poll_chunk(cx)) {
                Ok(chunk) => this.take(chunk),
                Err(why) => {
                    this.watch.failed(&why);
                    return Poll::Ready(Some(Err(why.into())));
                }
            }
        }
        let want = this.unsent.len().min(FRAME);
        let pass = ready!(this.poll_pass(cx, want));
        let frame = this.unsent.split_to(pass.min(want));
        this.watch.sent.fetch_add(frame.len() as u64, Relaxed);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.ahead == self.unskipped && self.unsent.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.ahead - self.unskipped + self.unsent.len() as u64)
    }
}

impl fmt::Debug for PartBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartBody").field("from", &self.from).field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
