//! Creation, parts, pauses, completion.

use md5::Md5;
use rigpost_sim::{EventKind, Fault, Lifetimes, Sim, SimOptions};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::client::{PATIENCE, Rig, pass, quick};

pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The `ETag` of a plain PUT.
pub(crate) fn hex_md5(bytes: &[u8]) -> String {
    let digits: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// Bytes that differ everywhere, so that swapped parts show.
pub(crate) fn media(size: usize) -> Vec<u8> {
    (0..size).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect()
}

#[tokio::test]
async fn parts_sent_in_any_order_become_the_file() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let clip = media(3_000_001);
    let (id, urls) = rig.clip(clip.len(), 3).await;
    assert_eq!(urls.len(), 3);
    for url in &urls {
        assert!(url.starts_with(sim.url().as_str()), "{url}");
        assert!(url.contains("X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-acl"), "{url}");
        assert!(url.contains("X-Amz-Expires=86400") && url.contains("SIMSECRET"), "{url}");
    }
    let chunks: Vec<&[u8]> = clip.chunks(1_000_001).collect();
    for n in [2, 0, 1] {
        assert!(!sim.assets()[0].complete);
        let answer = rig.put(&urls[n], chunks[n].to_vec()).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
        let etag = answer.headers["etag"].to_str().unwrap();
        assert_eq!(etag, hex_md5(chunks[n]));
    }
    let asset = sim.assets().remove(0);
    assert_eq!((asset.id.as_str(), asset.parts_done, asset.complete), (id.as_str(), 3, true));
    assert_eq!(asset.sha256, Some(hex_sha256(&clip)));
    assert_eq!((asset.project.as_str(), asset.device.as_str()), ("Testbed", "rig-1"));
    assert_eq!(std::fs::read(sim.asset_file(&asset)).unwrap(), clip);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

/// The code of the storage's XML answer, with its status.
pub(crate) fn xml_code(answer: &crate::client::Answer) -> (u16, String) {
    assert_eq!(answer.headers["content-type"], "application/xml");
    let code = answer.text.split("<Code>").nth(1).and_then(|rest| rest.split('<').next());
    (answer.status.as_u16(), code.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn creation_takes_numbers_as_text_and_refuses_nonsense() {
    let sim = Sim::start(SimOptions { chunk_size: 100, ..quick() }).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let body =
        json!({"name": "a.wav", "filetype": "audio/wav", "filesize": "1001", "offset": "10", "channel": "0"});
    let answer = rig.create(body).await;
    assert_eq!(answer.json()["_type"], "file", "{}", answer.text);
    assert_eq!(answer.json()["upload_urls"].as_array().unwrap().len(), 11);
    for name in ["x-ratelimit-limit", "x-ratelimit-window", "x-ratelimit-remaining"] {
        assert!(answer.headers[name].to_str().unwrap().parse::<u64>().is_ok(), "{name}");
    }
    let fields = [("name", "b.wav"), ("filetype", "audio/wav"), ("filesize", "0")];
    let form = rig.http.post(rig.at("/v2/devices/assets")).bearer_auth(&rig.access).form(&fields);
    let answer = rig.send(form).await.unwrap();
    assert_eq!(answer.json()["upload_urls"].as_array().unwrap().len(), 1, "{}", answer.text);

    for body in [
        json!({"filetype": "audio/wav", "filesize": 1}),
        json!({"name": "", "filetype": "audio/wav", "filesize": 1}),
        json!({"name": "a", "filetype": "wav", "filesize": 1}),
        json!({"name": "a", "filetype": "audio/wav"}),
        json!({"name": "a", "filetype": "audio/wav", "filesize": -1}),
        json!({"name": "a", "filetype": "audio/wav", "filesize": 1.5}),
        json!({"name": "a", "filetype": "audio/wav", "filesize": 1, "parts": 0}),
        json!({"name": "a", "filetype": "audio/wav", "filesize": 1, "parts": 10_001}),
        json!({"name": "a", "filetype": "audio/wav", "filesize": 1, "offset": "soon"}),
        json!([1, 2]),
    ] {
        let answer = rig.create(body.clone()).await;
        assert_eq!(answer.title().0, 422, "{body}");
    }
    assert_eq!(sim.assets().len(), 2);
    let stranger = Rig { access: "made-up".into(), ..Rig::new(&sim) };
    assert_eq!(stranger.create(json!({})).await.title().0, 401);
}

#[tokio::test]
async fn media_made_while_paused_is_refused_for_ever() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let made = |seconds_ago: i64| json!({"name": "a.mov", "filetype": "video/quicktime", "filesize": 1, "offset": seconds_ago});
    sim.pause_device("rig-1").unwrap();
    assert_eq!(rig.me().await.json()["status"], "paused");
    assert_eq!(rig.create(made(0)).await.title(), (409, "Channel Paused".into()));
    assert_eq!(rig.create(made(3600)).await.status, 201, "made before the pause");
    pass(1100).await;
    sim.resume_device("rig-1").unwrap();
    assert_eq!(rig.me().await.json()["status"], "online");
    assert_eq!(rig.create(made(0)).await.status, 201, "made after it");
    assert_eq!(rig.create(made(1)).await.title().0, 409, "made inside it");
    assert_eq!(rig.create(made(i64::MAX)).await.status, 201);
}

#[tokio::test]
async fn parts_must_match_what_was_signed() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(10, 3).await;
    let plain = |kind: &str, acl: &str| {
        rig.http.put(&urls[0]).body("1234").header("content-type", kind).header("x-amz-acl", acl)
    };
    let refused = (403, "SignatureDoesNotMatch".to_owned());
    assert_eq!(xml_code(&rig.send(plain("video/mp4", "private")).await.unwrap()), refused);
    assert_eq!(xml_code(&rig.send(plain("video/quicktime", "public")).await.unwrap()), refused);
    let swapped = urls[0].replace("SIMSECRET", "SIMSECRE7");
    assert_eq!(xml_code(&rig.put(&swapped, "1234").await), refused);
    let other = urls[0].replace("/1?", "/2?");
    assert_eq!(xml_code(&rig.put(&other, "1234").await), refused);
    let nowhere = rig.at("/s3/parts/none/1?X-Amz-Signature=x");
    assert_eq!(xml_code(&rig.put(&nowhere, "1234").await), refused);
    let bearer = rig.send(rig.part(&urls[0], "1234").bearer_auth(&rig.access)).await.unwrap();
    assert_eq!(xml_code(&bearer), (400, "InvalidArgument".into()));
    assert_eq!(xml_code(&rig.put(&urls[0], "123").await), (400, "EntityTooSmall".into()));
    assert_eq!(xml_code(&rig.put(&urls[0], "12345").await), (400, "EntityTooLarge".into()));
    assert_eq!(sim.violations().len(), 5, "{:?}", sim.violations());
    assert_eq!(rig.put(&urls[0], "1234").await.status, 200);
    assert_eq!(rig.put(&urls[2], "90").await.status, 200, "the last part takes what is left");
    assert_eq!(sim.assets()[0].parts_done, 2);
}

#[tokio::test]
async fn a_part_sent_again_replaces_itself_and_is_noted() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(8, 2).await;
    for (url, body) in [(&urls[0], "xxxx"), (&urls[0], "abcd"), (&urls[1], "efgh"), (&urls[1], "efgh")] {
        assert_eq!(rig.put(url, body).await.status, 200);
    }
    let asset = sim.assets().remove(0);
    assert_eq!(asset.sha256, Some(hex_sha256(b"abcdefgh")));
    assert_eq!(asset.resent, 2);
    let log = sim.log();
    let complete = log.iter().filter(|event| event.kind == EventKind::Assembled);
    assert_eq!(complete.count(), 1, "complete once");
    let again: Vec<(u64, u32, u32, u32)> = sim
        .parts_begun_again()
        .iter()
        .map(|part| (part.part, part.begun, part.finished, part.begun_again))
        .collect();
    assert_eq!(again, [(1, 2, 2, 1), (2, 2, 2, 1)]);
    assert_eq!(std::fs::read(sim.asset_file(&asset)).unwrap(), b"abcdefgh");
    assert!(!sim.storage_dir().join(".incoming").join(&asset.id).exists(), "the last copy was not kept");
}

#[tokio::test]
async fn old_addresses_are_refused_at_once() {
    let sim = Sim::start(SimOptions { url_expires_in: 0, ..quick() }).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(5_000_000, 1).await;
    // The body never ends; the refusal comes all the same.
    let endless = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request = rig.part(&urls[0], reqwest::Body::wrap_stream(endless)).header("content-length", 5_000_000);
    let answer = tokio::time::timeout(PATIENCE, rig.send(request)).await.unwrap().unwrap();
    assert_eq!(xml_code(&answer), (403, "AccessDenied".into()));
    assert!(answer.text.contains("Request has expired"));

    sim.set_lifetimes(Lifetimes { url_expires_in: 60, ..sim.lifetimes() });
    let (_, urls) = rig.clip(4, 1).await;
    assert!(urls[0].contains("X-Amz-Expires=60"));
    assert_eq!(rig.put(&urls[0], "abcd").await.status, 200);
}

#[tokio::test]
async fn a_part_cut_off_leaves_nothing() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (id, urls) = rig.clip(5_000_000, 1).await;
    sim.inject("part:reset-after=2000000".parse::<Fault>().unwrap());
    assert!(rig.send(rig.part(&urls[0], media(5_000_000))).await.is_err());
    let cut = sim.wait_for(|event| event.kind == EventKind::Cut, PATIENCE).await.unwrap();
    assert!((2_000_000..5_000_000).contains(&cut.body_in), "{cut:?}");
    assert_eq!((sim.assets()[0].parts_done, sim.assets()[0].complete), (0, false));
    assert_eq!(rig.put(&urls[0], media(5_000_000)).await.status, 200);
    assert_eq!(sim.assets()[0].sha256, Some(hex_sha256(&media(5_000_000))));
    assert!(!sim.storage_dir().join(".incoming").join(id).exists());
}

#[tokio::test]
async fn storage_is_kept_where_asked_and_removed_where_not() {
    let dir = tempfile::tempdir().unwrap();
    let sim = Sim::start(SimOptions { storage_dir: Some(dir.path().to_owned()), ..quick() }).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let body = json!({"name": "../../x y.mov", "filetype": "video/quicktime", "filesize": 4});
    let answer = rig.create(body).await;
    let url = answer.json()["upload_urls"][0].as_str().unwrap().to_owned();
    rig.put(&url, "abcd").await;
    let file = dir.path().join(format!("{}-.._.._x_y.mov", answer.text_of("id")));
    assert_eq!(std::fs::read(file).unwrap(), b"abcd");

    let sim = Sim::start(quick()).await.unwrap();
    let made_up = sim.storage_dir().to_owned();
    assert!(made_up.is_dir());
    drop(sim);
    tokio::task::yield_now().await;
    assert!(!made_up.exists());
}

#[tokio::test]
async fn the_rate_limit_is_enforced_on_request() {
    let sim = Sim::start(SimOptions { enforce_rate_limit: true, ..quick() }).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let mut limited = None;
    for _ in 0..50 {
        let answer = rig.create(json!({"name": "a", "filetype": "a/b", "filesize": 1})).await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("fifty creations in a row pass five a second");
    assert_eq!(limited.headers["x-ratelimit-remaining"], "0");
    assert_eq!(limited.headers["retry-after"], "1");
}
