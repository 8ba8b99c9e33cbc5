//! Real object storage behind the simulator. Signatures, headers and expiry are judged by s3s, which is not ours.
//!
//! # Decisions
//! s3s-fs runs in-process, as a library: there is nothing to install and no process to clean up. 0.14 is the newest that
//! builds with this project's Rust.

use std::process::Stdio;
use std::sync::Arc;

use rigpost_sim::{EventKind, S3Options, Sim, SimOptions};
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::bucket::{ACCESS_KEY, Bucket, SECRET_KEY};
use crate::client::{PATIENCE, Rig, addresses, quick};
use crate::growing::PART;
use crate::uploads::{hex_md5, hex_sha256, media, xml_code};

async fn cloud() -> (Bucket, Sim) {
    let bucket = Bucket::start().await;
    let sim = Sim::start(SimOptions { s3: Some(bucket.options()), ..quick() }).await.unwrap();
    (bucket, sim)
}

#[tokio::test]
async fn a_clip_goes_to_the_bucket_and_comes_back_whole() {
    let (bucket, sim) = cloud().await;
    let rig = Rig::paired(&sim).await;
    let clip = media(3_000_001);
    let (id, urls) = rig.clip(clip.len(), 3).await;
    for url in &urls {
        assert!(url.starts_with(bucket.options().endpoint.as_str()), "{url}");
        for wanted in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Expires=86400",
            "X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-acl",
            "x-amz-meta-part_number=",
            "x-amz-meta-part_count=3",
            "x-amz-meta-total_parts=3",
            "x-amz-meta-asset_id=",
            "x-amz-meta-project_id=",
            "x-amz-meta-is_realtime_upload=false",
        ] {
            assert!(url.contains(wanted), "no {wanted} in {url}");
        }
    }
    for n in [2, 0, 1] {
        let chunk = clip.chunks(1_000_001).nth(n).unwrap();
        let answer = rig.put(&urls[n], chunk.to_vec()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.headers["etag"], hex_md5(chunk).as_str());
    }
    let whole =
        sim.wait_for(|event| event.kind == EventKind::Assembled, PATIENCE).await.expect("it is put together");
    assert_eq!((whole.asset.as_deref(), whole.sha256), (Some(id.as_str()), Some(hex_sha256(&clip))));
    let asset = sim.assets().remove(0);
    assert_eq!((asset.complete, asset.parts_done, asset.bytes_done), (true, 3, 3_000_001));
    assert_eq!(std::fs::read(sim.asset_file(&asset)).unwrap(), clip);
    assert_eq!(bucket.clip(&id, 3), clip);
    let parts = sim.parts();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[0].etag, Some(hex_md5(&clip[..1_000_001])));
    let log = sim.log();
    let found = log.iter().filter(|event| event.kind == EventKind::Effect && event.part.is_some());
    assert_eq!(found.count(), 3);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_clip_that_grows_goes_to_the_bucket_too() {
    let (bucket, sim) = cloud().await;
    let rig = Rig::paired(&sim).await;
    let id = rig.grow("A001.mov").await;
    let clip = media(PART + 7);
    let second = rig.register(
        &id,
        json!({"parts": [{"number": 2, "size": 7, "is_final": true},
        {"number": 1, "size": PART}], "asset_filesize": PART + 7}),
    );
    let urls = addresses(&second.await);
    for url in &urls {
        assert!(url.starts_with(bucket.options().endpoint.as_str()), "{url}");
        assert!(url.contains("x-amz-meta-is_realtime_upload=true"), "{url}");
    }
    assert_eq!(rig.put(&urls[0], clip[PART..].to_vec()).await.status, 200);
    sim.wait_for(
        |event| event.part == Some(2) && event.kind == EventKind::Effect && event.connection == 0,
        PATIENCE,
    )
    .await
    .expect("it is found");
    assert!(!sim.assets()[0].complete);
    assert_eq!(rig.put(&urls[1], clip[..PART].to_vec()).await.status, 200);
    let whole =
        sim.wait_for(|event| event.kind == EventKind::Assembled, PATIENCE).await.expect("it is put together");
    assert_eq!((whole.asset.as_deref(), whole.sha256), (Some(id.as_str()), Some(hex_sha256(&clip))));
    let grown = sim.assets().remove(0).realtime.unwrap();
    assert_eq!((grown.registered, grown.put), (vec![2, 1], vec![2, 1]));
    assert_eq!(bucket.clip(&id, 2), clip);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn the_storage_itself_refuses_what_was_not_signed() {
    let (bucket, sim) = cloud().await;
    let rig = Rig::paired(&sim).await;
    let (id, urls) = rig.clip(8, 2).await;
    let put = |url: &str| rig.http.put(url).body("abcd");
    let refused = (403, "SignatureDoesNotMatch".to_owned());
    let plain = put(&urls[0]).header("content-type", "video/mp4").header("x-amz-acl", "private");
    assert_eq!(xml_code(&plain_send(plain).await), refused, "another content type");
    let no_acl = plain_send(put(&urls[0]).header("content-type", "video/quicktime")).await;
    assert!((400..=403).contains(&no_acl.status.as_u16()), "without the ACL: {no_acl:?}");
    let acl = put(&urls[0]).header("content-type", "video/quicktime").header("x-amz-acl", "public-read");
    assert_eq!(xml_code(&plain_send(acl).await), refused, "another ACL");
    let (head, signature) = urls[0].split_once("X-Amz-Signature=").unwrap();
    let flipped: String = signature.chars().map(|c| if c == '0' { '1' } else { c }).collect();
    let forged = if flipped == signature { "0".repeat(64) } else { flipped };
    let tampered = format!("{head}X-Amz-Signature={forged}");
    assert_eq!(xml_code(&plain_send(rig.part(&tampered, "abcd")).await), refused, "a forged signature");
    let other_key = urls[0].replace(&format!("{id}/1?"), &format!("{id}/2?"));
    assert_eq!(xml_code(&plain_send(rig.part(&other_key, "abcd")).await), refused, "another part");
    let longer = urls[0].replace("X-Amz-Expires=86400", "X-Amz-Expires=604800");
    assert_eq!(xml_code(&plain_send(rig.part(&longer, "abcd")).await), refused, "a longer life");
    let noted = urls[0].replace("part_number=1", "part_number=2");
    assert_eq!(xml_code(&plain_send(rig.part(&noted, "abcd")).await), refused, "another note");
    assert!(!bucket.has(&id, 1), "nothing of it was stored");
    assert_eq!(plain_send(rig.part(&urls[0], "abcd")).await.status, 200, "and as it was signed it is taken");
    assert!(bucket.has(&id, 1));
}

#[tokio::test]
async fn the_storage_itself_refuses_what_is_too_old() {
    let (bucket, sim) = cloud().await;
    let rig = Rig::paired(&sim).await;
    // Signed as of yesterday, for a day.
    sim.set_skew(-86_401);
    let (id, urls) = rig.clip(4, 1).await;
    let answer = plain_send(rig.part(&urls[0], "abcd")).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.text.contains("AccessDenied") || answer.text.contains("xpired"), "{answer:?}");
    assert!(!bucket.has(&id, 1));
    sim.set_skew(-86_000);
    let (id, urls) = rig.clip(4, 1).await;
    assert_eq!(plain_send(rig.part(&urls[0], "abcd")).await.status, 200);
    assert!(bucket.has(&id, 1));
}

#[tokio::test]
async fn a_storage_that_does_not_let_us_in_is_named() {
    let bucket = Bucket::start().await;
    let why = async |options: S3Options| {
        let started = Sim::start(SimOptions { s3: Some(options), ..quick() }).await;
        started.err().expect("it does not start").to_string()
    };
    let said = why(S3Options { secret_key: "wrong".into(), ..bucket.options() }).await;
    assert!(said.contains("403") && said.contains(&bucket.options().bucket), "{said}");
    let nobody = S3Options { endpoint: "http://127.0.0.1:9".parse().unwrap(), ..bucket.options() };
    let said = why(nobody).await;
    assert!(!said.contains("X-Amz-Signature"), "{said}");
    assert!(!format!("{:?}", bucket.options()).contains(SECRET_KEY));
}

#[tokio::test]
async fn the_program_takes_the_keys_from_its_environment() {
    let bucket = Arc::new(Bucket::start().await);
    let program = |keys: bool, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rigpost-sim"));
        command.args(["--listen", "127.0.0.1:0", "--s3", bucket.options().endpoint.as_str()]).args(more);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        if keys {
            command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        }
        command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for (keys, more, word) in [
        (false, &[][..], "AWS_ACCESS_KEY_ID"),
        (true, &["--fault", "part:reset"], "no effect with --s3"),
        (true, &["--s3-bucket", "no such/bucket"], "cannot start"),
    ] {
        let ended = timeout(PATIENCE, program(keys, more).wait_with_output()).await.unwrap().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success() && said.contains(word), "{more:?}: {said}");
    }
    let ready = bucket.dir().join("ready");
    let started = program(true, &["--s3-bucket", "made-by-it", "--ready-file", ready.to_str().unwrap()]);
    let up = async {
        while !ready.exists() {
            crate::client::pass(10).await;
        }
    };
    timeout(PATIENCE, up).await.unwrap();
    drop(started);
    assert!(bucket.dir().join("made-by-it").is_dir(), "the bucket was made");
}

/// Without the version header, which is the API's and not the storage's.
async fn plain_send(request: reqwest::RequestBuilder) -> crate::client::Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    crate::client::Answer { status, headers, text: response.text().await.unwrap() }
}
