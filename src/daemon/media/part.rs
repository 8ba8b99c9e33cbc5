//! The bytes of one part, read and hashed ahead of the connection that sends them.
//!
//! # Decisions
//! - By the volume's workers, and not where the body is polled: one read of a card that hangs would be the end of
//!   everything that the one thread of the runtime does. Hashed there too, which lets a board with two cores send and
//!   hash at once.
//! - Each chunk costs a hop to another thread and back, so it is as large as the memory allows that all parts on their way
//!   share: 256 KiB for four at once. One is read while the one before it is sent, and no more: the memory of a part is
//!   two chunks, whatever its size. A buffer comes back when the connection has let go of all of it, and nothing is read
//!   before: left to itself a connection takes hundreds of kilobytes that it can't send yet, and a buffer made anew for
//!   each chunk cost half as much processor again as sending it.
//! - Hashed here because here the bytes are warm, and these are the bytes that leave: a hash of the file could be of
//!   other ones. `md-5` is kept by the RustCrypto project, `xxhash-rust` is the crate that the domain fingerprints with.
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
use tokio::sync::mpsc;

use super::ahead::{Chunk, ReadPlan, Reader};
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

    /// Of exactly the part's bytes as the latest attempt sent them; `None` until it has begun with the last of them.
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
    /// Not taken from the reader yet.
    ahead: u64,
    chunks: Option<mpsc::Receiver<Result<Chunk, ReadError>>>,
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
            ahead: len,
            chunks: None,
            unsent: Bytes::new(),
            waiting: None,
        }
    }

    /// The same part from its beginning, for another attempt. What this one had sent counts no more.
    pub fn again(&self) -> PartBody {
        let (file, watch, pacer) = (self.file.clone(), self.watch.clone(), self.pacer.clone());
        PartBody::new(file, self.from, self.len, self.plan, watch, pacer).after(self.skip)
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
        let (mut chunks, watch) = (Reader::start(self.file.clone(), from, len, plan), self.watch.clone());
        async move {
            while let Some(chunk) = chunks.recv().await {
                match chunk {
                    Ok(Chunk { digest: Some(digest), .. }) => return Ok(digest),
                    Ok(_) => {}
                    Err(why) => {
                        watch.failed(&why);
                        return Err(why);
                    }
                }
            }
            Err(cut_short())
        }
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
        let chunks = self
            .chunks
            .get_or_insert_with(|| Reader::start(self.file.clone(), self.from, self.len, self.plan));
        let chunk = ready!(chunks.poll_recv(cx));
        Poll::Ready(chunk.unwrap_or_else(|| Err(cut_short())))
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

fn cut_short() -> ReadError {
    ReadError::Unreadable(io::Error::other("the reading was cut short"))
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
mod tests {
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    use http_body_util::BodyExt;
    use md5::{Digest, Md5};
    use xxhash_rust::xxh64::xxh64;

    use super::super::workers::Workers;
    use super::*;
    use crate::clock::Clock;
    use rigpost_core::queue::checksum::Checksum;

    fn holding(bytes: &[u8]) -> Arc<MediaFile> {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        let volume = Workers::new(Clock::system()).volumes().of(Path::new("/"));
        Arc::new(MediaFile::new(file, volume))
    }

    fn file(len: usize) -> (Arc<MediaFile>, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        (holding(&bytes), bytes)
    }

    fn part(file: &Arc<MediaFile>, from: u64, len: u64, md5: bool) -> (PartBody, Arc<PartWatch>) {
        let watch = Arc::new(PartWatch::default());
        let (plan, pacer) = (ReadPlan::new(md5, 8), Pacer::new(Clock::system()));
        (PartBody::new(file.clone(), from, len, plan, watch.clone(), pacer), watch)
    }

    #[tokio::test]
    async fn exactly_the_parts_bytes_are_read_and_hashed() {
        let (file, bytes) = file(300_000);
        for (from, len) in
            [(0, 1), (0, 300_000), (1_000, 65_536), (1_000, 65_537), (299_999, 1), (65_536, 131_072)]
        {
            let (mut body, watch) = part(&file, from, len, true);
            let mut got = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.unwrap().into_data().unwrap();
                assert!(frame.len() <= FRAME);
                got.extend_from_slice(&frame);
            }
            let wanted = &bytes[from as usize..(from + len) as usize];
            assert!(got == wanted, "{from}+{len}");
            let digest = watch.digest().unwrap();
            assert_eq!(digest.md5, Some(Md5::digest(wanted).into()), "{from}+{len}");
            assert_eq!(digest.xxh64, xxh64(wanted, 0), "{from}+{len}");
            assert_eq!(watch.sent.load(Relaxed), len);
        }
    }

    #[tokio::test]
    async fn checksums_are_the_known_ones() {
        let file = holding(b"abc");
        let (body, watch) = part(&file, 0, 3, true);
        assert_eq!(watch.digest(), None);
        body.collect().await.unwrap();
        let md5 = *b"\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72";
        assert_eq!(
            watch.digest(),
            Some(PartDigest { md5: Some(md5), xxh64: 0x44bc_2cf5_ad77_0999, checksum: None })
        );
        let (body, watch) = part(&file, 0, 3, false);
        body.collect().await.unwrap();
        assert_eq!(watch.digest().unwrap().md5, None, "not asked for");
    }

    #[tokio::test]
    async fn what_goes_ahead_of_a_part_is_of_what_is_sent_and_the_digest_of_all_of_it() {
        let file = holding(b"..123456789");
        let (body, watch) = part(&file, 0, 11, false);
        let body = body.after(2);
        let ahead = body.read_before(Some(Algorithm::Crc64Nvme), true).await.unwrap();
        // The catalogue's check value.
        assert_eq!(ahead.checksum, Some(Checksum::Crc64Nvme(0xae8b_1486_0a79_9888)));
        assert_eq!(ahead.md5, Some(Md5::digest(b"123456789").into()));
        assert_eq!(watch.digest(), None, "nothing has left");
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(9));
        assert_eq!(body.collect().await.unwrap().to_bytes(), &b"123456789"[..]);
        assert_eq!(watch.digest().unwrap().xxh64, xxh64(b"..123456789", 0));
        assert_eq!(watch.sent.load(Relaxed), 9);
        let (body, watch) = part(&file, 2, 9, false);
        body.read_through().await.unwrap();
        assert_eq!(watch.digest().unwrap().xxh64, xxh64(b"123456789", 0));
        for (algorithm, first) in [(Algorithm::Sha256, 0x15), (Algorithm::Sha1, 0xf7)] {
            let sum = body.read_before(Some(algorithm), false).await.unwrap().checksum.unwrap();
            let is_known = match sum {
                Checksum::Sha256(sum) => sum[0] == first,
                Checksum::Sha1(sum) => sum[0] == first,
                Checksum::Crc64Nvme(_) | Checksum::Md5(_) => false,
            };
            assert!(is_known, "{sum}");
        }
        let (short, watch) = part(&file, 2, 100, false);
        assert!(short.read_before(None, false).await.is_err() && watch.shorter.load(Relaxed));
    }

    #[test]
    fn parts_on_their_way_share_the_memory() {
        for (at_once, chunk) in
            [(0, 512), (1, 512), (2, 512), (4, 256), (5, 204), (8, 128), (12, 128), (64, 128)]
        {
            assert_eq!(ReadPlan::new(false, at_once).chunk / 1024, chunk, "{at_once}");
        }
    }

    #[tokio::test]
    async fn two_buffers_are_used_again_and_again_and_nothing_is_read_into_a_third() {
        let chunk = ReadPlan::new(false, 8).chunk;
        let (file, _) = file(40 * chunk);
        let (mut body, _) = part(&file, 0, 40 * chunk as u64, false);
        let (mut places, mut held) = (std::collections::BTreeSet::new(), Vec::new());
        // A connection that takes what it gets.
        for _ in 0..2 * chunk / FRAME {
            held.push(body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        for _ in 0..100 {
            assert!(poll(&mut body).is_pending());
            tokio::task::yield_now().await;
        }
        places.extend(held.drain(..).map(|frame| frame.as_ptr() as usize));
        while let Some(frame) = body.frame().await {
            places.insert(frame.unwrap().into_data().unwrap().as_ptr() as usize);
        }
        assert!(places.len() <= 2 * chunk / FRAME, "{} frames of two buffers", places.len());
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_told_from_a_broken_connection() {
        let (file, _) = file(100_000);
        let (body, watch) = part(&file, 50_000, 60_000, true);
        assert!(body.collect().await.is_err());
        assert!(watch.shorter.load(Relaxed));
        assert_eq!(watch.digest(), None, "not of the part");
    }

    #[tokio::test]
    async fn another_attempt_begins_at_the_beginning() {
        let (file, bytes) = file(200_000);
        let (mut body, watch) = part(&file, 10, 150_000, true);
        body.frame().await.unwrap().unwrap();
        let again = body.again();
        assert_eq!(watch.sent.load(Relaxed), 0);
        assert!(again.collect().await.unwrap().to_bytes() == bytes[10..150_010]);
        assert_eq!(watch.digest().unwrap().xxh64, xxh64(&bytes[10..150_010], 0));
    }

    #[tokio::test]
    async fn a_frozen_part_hands_on_nothing_and_says_why() {
        let (file, _) = file(200_000);
        let (mut body, watch) = part(&file, 0, 200_000, false);
        body.pacer.freeze(true);
        // The first chunk is read, and goes nowhere.
        while !watch.held() {
            assert!(poll(&mut body).is_pending());
            tokio::task::yield_now().await;
        }
        assert!(poll(&mut body).is_pending() && watch.sent.load(Relaxed) == 0);
        body.pacer.freeze(false);
        let next = poll(&mut body);
        assert!(next.is_ready() && !watch.held());
    }

    fn poll(body: &mut PartBody) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        use http_body::Body;

        Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()))
    }
}
