//! The bytes of one part, read and hashed as they are sent.
//!
//! # Decisions
//! - `pread` 64 KiB at a time where the body is polled. `tokio::fs` would hop through another thread for every read,
//!   which doubles the processor time of an upload.
//! - The read buffers are used again once the connection has let go of them, so a part of any size costs two.
//! - Hashed here because here the bytes are warm, and these are the bytes that leave: a hash of the file could be of
//!   other ones. `md-5` is from the family of our SHA-2, `xxhash-rust` the crate that the domain fingerprints with.
//! - MD5 is a storage's checksum, not a protection: S3 names a part by it. It costs more than the rest of sending over
//!   plain TCP, so it is done only where the storage's names are known to be of that kind.
use std::fs::File;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use bytes::Bytes;
use http_body::Frame;
use md5::{Digest, Md5};
use rustix::buffer::spare_capacity;
use rustix::io::pread;
use xxhash_rust::xxh64::Xxh64;

use super::pacer::Pacer;
use rigpost_core::queue::item::PartDigest;

const READ: usize = 64 * 1024;

/// What is known of a part that is being sent, for those who don't send it.
#[derive(Debug, Default)]
pub struct PartWatch {
    /// Bytes handed to the connection so far.
    pub sent: AtomicU64,
    /// The file ended early: it is not what was queued.
    pub shorter: AtomicBool,
    /// The file could not be read: its card is gone, or its disk fails.
    pub unreadable: AtomicBool,
    held: AtomicBool,
    digest: Mutex<Option<PartDigest>>,
}

impl PartWatch {
    /// The pacer keeps the part from sending: that nothing moves is not the connection's fault.
    pub fn held(&self) -> bool {
        self.held.load(Relaxed)
    }

    /// Of exactly the part's bytes as the latest attempt read them; `None` until it has read the last of them.
    pub fn digest(&self) -> Option<PartDigest> {
        *self.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_digest(&self, digest: Option<PartDigest>) {
        *self.digest.lock().unwrap_or_else(PoisonError::into_inner) = digest;
    }
}

/// Which checksums are worth their time. xxHash always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// About a second and a half of processor time per GiB.
    pub md5: bool,
}

/// The body. Memory: two read buffers, whatever the part's size.
pub struct PartBody {
    file: Arc<File>,
    from: u64,
    len: u64,
    checks: Checks,
    watch: Arc<PartWatch>,
    pacer: Pacer,
    /// Not read yet.
    unread: u64,
    /// Read and hashed, but not handed on yet.
    unsent: Bytes,
    md5: Option<Md5>,
    xxh64: Xxh64,
    /// Buffers that the connection may still be using.
    lent: [Option<Bytes>; 2],
    waiting: Option<Pin<Box<dyn Future<Output = usize> + Send>>>,
}

impl PartBody {
    /// `len` bytes of the file from `from` on, as fast as `pacer` allows.
    pub fn new(
        file: Arc<File>,
        from: u64,
        len: u64,
        checks: Checks,
        watch: Arc<PartWatch>,
        pacer: Pacer,
    ) -> PartBody {
        watch.sent.store(0, Relaxed);
        watch.set_digest(None);
        PartBody {
            file,
            from,
            len,
            checks,
            watch,
            pacer,
            unread: len,
            unsent: Bytes::new(),
            md5: checks.md5.then(Md5::new),
            xxh64: Xxh64::new(0),
            lent: [None, None],
            waiting: None,
        }
    }

    /// The same part from its beginning, for another attempt. What this one had sent counts no more.
    pub fn again(&self) -> PartBody {
        let (file, watch, pacer) = (self.file.clone(), self.watch.clone(), self.pacer.clone());
        PartBody::new(file, self.from, self.len, self.checks, watch, pacer)
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

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = self.buffer();
        let at = self.from + (self.len - self.unread);
        pread(&self.file, spare_capacity(&mut buffer), at)?;
        // The next part's bytes are not ours.
        buffer.truncate(usize::try_from(self.unread).unwrap_or(READ));
        if buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        self.unread -= buffer.len() as u64;
        if let Some(md5) = &mut self.md5 {
            md5.update(&buffer);
        }
        self.xxh64.update(&buffer);
        if self.unread == 0 {
            let md5 = self.md5.take().map(|md5| md5.finalize().into());
            self.watch.set_digest(Some(PartDigest { md5, xxh64: self.xxh64.digest() }));
        }
        self.unsent = Bytes::from(buffer);
        self.lend(self.unsent.clone());
        Ok(())
    }

    /// One that nobody uses any more, or a new one.
    fn buffer(&mut self) -> Vec<u8> {
        for lent in &mut self.lent {
            if lent.as_ref().is_some_and(Bytes::is_unique)
                && let Some(Ok(mut free)) = lent.take().map(Bytes::try_into_mut)
            {
                free.clear();
                return Vec::from(free);
            }
        }
        Vec::with_capacity(READ)
    }

    fn lend(&mut self, bytes: Bytes) {
        self.lent.swap(0, 1);
        self.lent[0] = Some(bytes);
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
        if this.is_end_stream() {
            return Poll::Ready(None);
        }
        let want = match this.unsent.len() {
            0 => usize::try_from(this.unread).unwrap_or(READ).min(READ),
            unsent => unsent,
        };
        let pass = ready!(this.poll_pass(cx, want));
        if this.unsent.is_empty()
            && let Err(e) = this.read()
        {
            let shorter = e.kind() == io::ErrorKind::UnexpectedEof;
            let why = if shorter { &this.watch.shorter } else { &this.watch.unreadable };
            why.store(true, Relaxed);
            return Poll::Ready(Some(Err(e)));
        }
        let frame = this.unsent.split_to(pass.min(this.unsent.len()));
        this.watch.sent.fetch_add(frame.len() as u64, Relaxed);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.unread == 0 && self.unsent.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.unread + self.unsent.len() as u64)
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

    use http_body_util::BodyExt;
    use xxhash_rust::xxh64::xxh64;

    use super::*;
    use crate::clock::Clock;

    fn file(len: usize) -> (Arc<File>, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        (Arc::new(file), bytes)
    }

    fn part(file: &Arc<File>, from: u64, len: u64, md5: bool) -> (PartBody, Arc<PartWatch>) {
        let watch = Arc::new(PartWatch::default());
        let pacer = Pacer::new(Clock::system());
        (PartBody::new(file.clone(), from, len, Checks { md5 }, watch.clone(), pacer), watch)
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
                assert!(frame.len() <= READ);
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
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"abc", 0).unwrap();
        let file = Arc::new(file);
        let (body, watch) = part(&file, 0, 3, true);
        assert_eq!(watch.digest(), None);
        body.collect().await.unwrap();
        let md5 = *b"\x90\x01\x50\x98\x3c\xd2\x4f\xb0\xd6\x96\x3f\x7d\x28\xe1\x7f\x72";
        assert_eq!(watch.digest(), Some(PartDigest { md5: Some(md5), xxh64: 0x44bc_2cf5_ad77_0999 }));
        let (body, watch) = part(&file, 0, 3, false);
        body.collect().await.unwrap();
        assert_eq!(watch.digest().unwrap().md5, None, "not asked for");
    }

    #[tokio::test]
    async fn buffers_are_used_again() {
        let (file, _) = file(40 * READ);
        let (mut body, _) = part(&file, 0, 40 * READ as u64, false);
        let mut places = std::collections::BTreeSet::new();
        let mut last = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.unwrap().into_data().unwrap();
            places.insert(frame.as_ptr() as usize);
            // As a connection does that is not through with the one before.
            last.replace(frame);
        }
        assert!(places.len() <= 2, "{} buffers", places.len());
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
        let mut next = poll(&mut body);
        assert!(next.is_pending() && watch.held());
        body.pacer.freeze(false);
        next = poll(&mut body);
        assert!(next.is_ready() && !watch.held());
    }

    fn poll(body: &mut PartBody) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        use http_body::Body;

        Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()))
    }
}
