//! Bodies of parts, by whoever takes them.
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

#[tokio::test]
async fn what_is_known_of_a_part_is_not_computed_again() {
    let (file, bytes) = file(3_000_000);
    let (body, _) = part(&file, 10, 2_500_000, false);
    let known = body.read_before(Some(Algorithm::Crc64Nvme), false).await.unwrap();
    assert_eq!(known.xxh64, xxh64(&bytes[10..2_500_010], 0), "in several goes");
    let told = PartDigest { xxh64: 7, ..known };
    let body = body.known_as(told);
    let watch = body.watch().clone();
    let again = body.again();
    for mut body in [body, again] {
        let mut sent = 0;
        while sent < 2_500_000 {
            assert_eq!(watch.digest(), None, "before the last bytes");
            sent += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        }
        assert_eq!(watch.digest(), Some(told));
        watch.set_digest(None);
    }
    let (empty, _) = part(&file, 10, 0, false);
    assert_eq!(empty.read_before(None, false).await.unwrap().xxh64, xxh64(b"", 0));
}

#[test]
fn parts_on_their_way_share_the_memory() {
    for (at_once, chunk) in [(0, 512), (1, 512), (2, 512), (4, 256), (5, 204), (8, 128), (12, 128), (64, 128)]
    {
        assert_eq!(ReadPlan::new(false, at_once).chunk / 1024, chunk, "{at_once}");
    }
}

#[tokio::test]
async fn two_buffers_are_used_again_and_again_and_nothing_is_read_into_a_third() {
    let chunk = ReadPlan::new(false, 8).chunk;
    let (file, _) = file(40 * chunk);
    // MD5 is for the threads; what is quicker is read here, in smaller pieces.
    for (md5, frames) in [(true, 2 * chunk / FRAME), (false, 2)] {
        let (mut body, _) = part(&file, 0, 40 * chunk as u64, md5);
        let (mut places, mut held) = (std::collections::BTreeSet::new(), Vec::new());
        // A connection that takes what it gets.
        for _ in 0..frames {
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
        assert!(places.len() <= frames, "{} frames of two buffers", places.len());
    }
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
