//! Parts in trouble: chosen by number and name, and what is known of them afterwards.

use rigpost_sim::{Etags, EventKind, Fault, FaultKind, Sim, SimOptions, StorageError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{PATIENCE, Rig, pass, quick};
use crate::uploads::{hex_md5, hex_sha256, media, xml_code};

fn inject(sim: &Sim, spec: &str) {
    sim.inject(spec.parse::<Fault>().unwrap());
}

#[tokio::test]
async fn faults_choose_parts_and_clips() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    inject(&sim, "create@B.mov:403:2");
    inject(&sim, "part#2@A001.mov:503:2");
    let body = |name: &str| serde_json::json!({"name": name, "filetype": "a/b", "filesize": 1});
    assert_eq!(rig.create(body("A.mov")).await.status, 201);
    assert_eq!(rig.create(body("B.mov")).await.status, 403);
    let (_, urls) = rig.clip(12, 3).await;
    for (n, status) in [(0, 200), (1, 503), (2, 200), (1, 503), (1, 200)] {
        assert_eq!(rig.put(&urls[n], "abcd").await.status, status, "part {}", n + 1);
    }
    assert_eq!(sim.faults().len(), 1, "one creation of B.mov is still to be refused");
    let seen: Vec<(u64, u32, u32, u32)> =
        sim.parts().iter().map(|p| (p.part, p.begun, p.finished, p.begun_again)).collect();
    assert_eq!(seen, [(1, 1, 1, 0), (2, 3, 1, 0), (3, 1, 1, 0)]);
    assert!(sim.parts_begun_again().is_empty());
}

#[tokio::test]
async fn the_storage_refuses_in_its_own_words() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(4, 1).await;
    for error in StorageError::ALL {
        inject(&sim, &format!("part:s3={}", error.word()));
        let answer = rig.put(&urls[0], "abcd").await;
        let (status, code, message) = error.answer();
        assert_eq!(xml_code(&answer), (status, code.to_owned()));
        assert!(answer.text.contains(message), "{}", answer.text);
    }
    inject(&sim, "part:bare=403");
    let answer = rig.put(&urls[0], "abcd").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (403, "simulated failure\n"));
    assert_eq!((sim.assets()[0].parts_done, sim.parts()[0].begun), (0, 11));
}

/// Sends the head and a part of the body by hand, goes on writing until that fails, and answers with what there was
/// to read.
async fn stubborn(sim: &Sim, url: &str, size: usize) -> (std::io::Result<()>, String) {
    let address = format!("127.0.0.1:{}", sim.url().port().unwrap());
    let mut stream = TcpStream::connect(address).await.unwrap();
    let path = url.split_once("//").unwrap().1.split_once('/').unwrap().1;
    let head = format!(
        "PUT /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: video/quicktime\r\nx-amz-acl: private\r\n\
         content-length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let block = vec![0; 1 << 16];
    let writing = async {
        for _ in 0..size / block.len() {
            stream.write_all(&block).await?;
        }
        Ok(())
    };
    let written = timeout(PATIENCE, writing).await.expect("the connection ends, or takes it all");
    let mut answer = Vec::new();
    let _reset = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    (written, String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn an_early_rejection_leaves_the_body_unread() {
    const SIZE: usize = 256 << 20;
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(SIZE, 1).await;
    inject(&sim, "part:reject-early");
    let (written, answer) = stubborn(&sim, &urls[0], SIZE).await;
    assert!(written.is_err(), "who goes on sending meets a broken pipe or a reset");
    assert!(answer.is_empty() || answer.contains("Request has expired"), "{answer}");
    let replied =
        sim.wait_for(|e| e.kind == EventKind::Replied && e.fault.is_some(), PATIENCE).await.unwrap();
    assert_eq!((replied.status, replied.body_in), (Some(403), 0));
    // And a client that looks at the answer first can read it.
    inject(&sim, "part:reject-early=SignatureDoesNotMatch");
    let endless = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request = rig.part(&urls[0], reqwest::Body::wrap_stream(endless)).header("content-length", SIZE);
    let answer = timeout(PATIENCE, rig.send(request)).await.unwrap().unwrap();
    assert_eq!(xml_code(&answer), (403, "SignatureDoesNotMatch".into()));

    let sim = Sim::start(SimOptions { reject_early: true, ..quick() }).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(SIZE, 1).await;
    sim.advance(86_400);
    assert!(stubborn(&sim, &urls[0], SIZE).await.0.is_err());
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(SIZE, 1).await;
    sim.advance(86_400);
    let (written, answer) = stubborn(&sim, &urls[0], SIZE).await;
    assert!(written.is_ok() && answer.contains("Request has expired"), "{written:?} {answer}");
}

#[tokio::test]
async fn a_damaged_part_is_missing_until_it_arrives_sound() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(8, 2).await;
    assert_eq!(rig.put(&urls[0], "abcd").await.status, 200);
    inject(&sim, "part#2:wrong-etag");
    let answer = rig.put(&urls[1], "efgh").await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.headers["etag"], hex_md5(b"efgh").as_str());
    assert_eq!(answer.headers["etag"], hex_md5(b"dfgh").as_str(), "one bit");
    let part = sim.parts().remove(1);
    assert!(part.damaged && part.finished == 1 && part.sha256 == Some(hex_sha256(b"dfgh")), "{part:?}");
    assert_eq!((sim.assets()[0].parts_done, sim.assets()[0].complete), (1, false));
    assert_eq!(rig.put(&urls[1], "efgh").await.headers["etag"], hex_md5(b"efgh").as_str());
    assert_eq!(sim.assets()[0].sha256, Some(hex_sha256(b"abcdefgh")));
    assert!(sim.parts_begun_again().is_empty(), "to send a damaged part again is right");
    assert_eq!(sim.assets()[0].resent, 1);
}

#[tokio::test]
async fn etags_need_not_be_hashes() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(8, 2).await;
    inject(&sim, "part:opaque-etag");
    let opaque = rig.put(&urls[0], "abcd").await.headers["etag"].clone();
    assert_ne!(opaque, hex_md5(b"abcd").as_str());
    assert_eq!(opaque.len(), 34);
    assert_eq!(rig.put(&urls[1], "efgh").await.headers["etag"], hex_md5(b"efgh").as_str());
    assert_eq!(sim.assets()[0].sha256, Some(hex_sha256(b"abcdefgh")));
    let sim = Sim::start(SimOptions { etags: Etags::Opaque, ..quick() }).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(4, 1).await;
    assert_eq!(rig.put(&urls[0], "abcd").await.headers["etag"], opaque);
}

#[tokio::test]
async fn a_slow_part_shows_how_far_it_is() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let size = 4_000_000;
    let (_, urls) = rig.clip(size, 1).await;
    sim.inject(Fault::once(rigpost_sim::Endpoint::Part, FaultKind::Slow(4_000_000)).for_part(1));
    let before = sim.log().last().unwrap().ms;
    let sending = rig.put(&urls[0], media(size));
    let watching = async {
        loop {
            let asset = sim.assets().remove(0);
            if (1..size as u64).contains(&asset.bytes_done) {
                return asset;
            }
            pass(1).await;
        }
    };
    let (answer, half) = tokio::join!(sending, timeout(PATIENCE, watching));
    assert_eq!((answer.status.as_u16(), half.unwrap().parts_done), (200, 0));
    assert!(sim.log().last().unwrap().ms - before >= 900, "a second for four million bytes");
    let asset = sim.assets().remove(0);
    assert_eq!((asset.bytes_done, asset.sha256), (size as u64, Some(hex_sha256(&media(size)))));
    // What is given up does not count.
    let (_, urls) = rig.clip(size, 1).await;
    inject(&sim, "part:reset-after=1000000");
    assert!(rig.send(rig.part(&urls[0], media(size))).await.is_err());
    sim.wait_for(|event| event.kind == EventKind::Cut, PATIENCE).await.unwrap();
    let gone = async {
        while sim.assets()[1].bytes_done > 0 {
            pass(1).await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn parts_can_be_asked_for_over_http() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (first, urls) = rig.clip(8, 2).await;
    rig.put(&urls[0], "abcd").await;
    let (_, other) = rig.clip(4, 1).await;
    rig.put(&other[0], "abcd").await;
    let ask = async |path: &str| rig.send(rig.http.get(rig.at(path))).await.unwrap().json();
    assert_eq!(ask("/_sim/parts").await.as_array().unwrap().len(), 2);
    let parts = ask(&format!("/_sim/parts?asset={first}")).await;
    assert_eq!(parts.as_array().unwrap().len(), 1);
    assert_eq!((parts[0]["part"].as_u64(), parts[0]["finished"].as_u64()), (Some(1), Some(1)));
    assert_eq!(parts[0]["sha256"], hex_sha256(b"abcd"));
    assert_eq!(parts[0]["etag"], hex_md5(b"abcd"));
}
