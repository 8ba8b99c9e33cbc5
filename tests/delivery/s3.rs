//! A bucket: the rig signs in with oidc-provider, and SeaweedFS gives keys for that and takes the clips.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use serde_json::json;
use zbus::Variant;

use crate::common::*;
use crate::place::{Kind, Place, Unusual, What};

/// As the storage writes it.
fn crc(bytes: &[u8]) -> String {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes);
    base64::prelude::BASE64_STANDARD.encode(sum.to_be_bytes())
}

const CLIENT: &str = "public";
const MARK: &str = "x-amz-meta-rigpost-clip";
/// More than one part.
const LONG: usize = 40 * MIB + 12_345;

struct Desk {
    rig: Rig,
    oidc: Oidc,
    storage: Seaweed,
}

async fn provider() -> Oidc {
    Oidc::start(json!({ "access": 3600, "code": 120, "edits": { "device-code": { "interval": 1 } } })).await
}

/// The rig's configuration for these two, with more lines of `[delivery]`.
fn setup(oidc: &Oidc, storage: &Seaweed, more: &str) -> Setup {
    let issuer = oidc.issuer();
    let provider = format!("kind = \"oauth\"\nissuer = {issuer:?}\nclient_id = {CLIENT:?}\n");
    let (url, bucket, role) = (storage.url(), storage.bucket(), storage.role());
    let drop_in = format!(
        "[delivery]\nkind = \"s3\"\nendpoint = {url:?}\nbucket = {bucket:?}\nrole = {role:?}\n{more}\n"
    );
    Setup { provider: Some(provider), drop_in, ..Setup::new() }
}

async fn pair(rig: &Rig, oidc: &Oidc, bucket: &str) {
    let code = rig.start_pairing().await;
    oidc.approve(&code, "ada.lovelace").await;
    rig.wait_project(bucket).await;
}

async fn desk_with(storage: impl AsyncFnOnce(&Oidc) -> Seaweed, more: &str) -> Desk {
    let oidc = provider().await;
    let storage = storage(&oidc).await;
    let rig = setup(&oidc, &storage, more).start().await;
    pair(&rig, &oidc, "footage").await;
    Desk { rig, oidc, storage }
}

async fn desk() -> Desk {
    desk_with(async |oidc| Seaweed::start(oidc.issuer(), CLIENT).await, "").await
}

impl Desk {
    /// The object of this clip is there once, has its bytes and says whose it is.
    async fn has(&self, clip: &Path) {
        let name = clip.file_name().unwrap().to_str().unwrap();
        let keys = self.storage.keys().await;
        let of_it: Vec<&String> = keys.iter().filter(|key| key.rsplit('/').next() == Some(name)).collect();
        let [key] = of_it[..] else { panic!("{name} among {keys:?}") };
        let (bytes, headers) = self.storage.object(key).await.unwrap();
        assert!(bytes == std::fs::read(clip).unwrap(), "{key}: {} other bytes", bytes.len());
        let steps: Vec<&str> = key.split('/').collect();
        let [date, _device, id, _] = steps[..] else { panic!("{key}") };
        assert_eq!(headers[MARK], id, "{key}");
        assert!(date.len() == 10 && date.starts_with("20"), "{key}");
        assert!(headers["x-amz-meta-rigpost-created"].starts_with(date), "{headers:?}");
        assert!(!headers["x-amz-meta-rigpost-device"].is_empty(), "{headers:?}");
        let theirs = headers.get("x-amz-checksum-crc64nvme");
        assert_eq!(theirs, Some(&crc(&bytes)), "the storage knows what it has: {headers:?}");
    }

    /// What the receipt says the storage has named.
    async fn vouched(&self, id: u64) -> String {
        let asked = (id, HashMap::<&str, Variant<'_>>::new());
        let answer = self.rig.call(QUEUE, "GetReceipt", &asked).await.unwrap();
        let receipt: Dict = answer.body().deserialize().unwrap();
        text(&receipt, "vouched").to_owned()
    }

    async fn limit(&self, bytes: u64) {
        let body = (QUEUE, "BandwidthLimit", Variant::from(bytes));
        self.rig.call("org.freedesktop.DBus.Properties", "Set", &body).await.unwrap();
    }

    async fn clear(&self, id: u64) {
        let options = HashMap::from([("ids", Variant::from(vec![id]))]);
        self.rig.call(QUEUE, "Clear", &(options,)).await.unwrap();
    }

    /// Waits until so much of it is there.
    async fn sent(&self, id: u64, bytes: u64) {
        let enough = |i: &Dict| *i["sent"].downcast_ref::<&u64>().unwrap() >= bytes;
        self.rig.wait_item_that(id, "some of it", enough).await;
    }
}

#[tokio::test]
async fn clips_of_every_size_and_name_are_in_the_bucket_with_their_bytes() {
    let desk = desk().await;
    assert_eq!(desk.rig.text(PAIRING, "ProjectName").await, "footage");
    let clips: Vec<PathBuf> = [
        ("A001_C001.mov", 3000),
        ("one byte.wav", 1),
        ("long.mxf", LONG),
        ("one piece.mp4", 16 * MIB),
        ("Ä+b c%20&?#.mp4", 5000),
    ]
    .map(|(name, size)| desk.rig.clip(name, size))
    .into();
    let paths: Vec<&str> = clips.iter().map(|clip| clip.to_str().unwrap()).collect();
    let ids = desk.rig.add_many(&paths).await.unwrap();
    for id in &ids {
        desk.rig.wait_item(*id, "done").await;
    }
    for (clip, id) in clips.iter().zip(ids) {
        desk.has(clip).await;
        let sum = crc(&std::fs::read(clip).unwrap());
        assert_eq!(desk.vouched(id).await, format!("crc64nvme:{sum}"), "{clip:?}");
    }
    assert_eq!((desk.storage.keys().await.len(), desk.storage.uploads().await), (clips.len(), 0));
}

#[tokio::test]
async fn an_upload_goes_on_after_kills_with_the_keys_of_the_next_run() {
    let mut desk = desk().await;
    desk.limit(8_000_000).await;
    let clip = desk.rig.clip("long.mov", LONG);
    let id = desk.rig.add(&clip).await.unwrap();
    for part in 1..=2 {
        desk.sent(id, part * 13 * MIB as u64).await;
        assert_eq!(desk.storage.uploads().await, 1);
        desk.rig.kill_and_start().await;
    }
    desk.limit(0).await;
    desk.rig.wait_item(id, "done").await;
    desk.has(&clip).await;
    assert_eq!((desk.storage.keys().await.len(), desk.storage.uploads().await), (1, 0));
    assert!(desk.rig.stop().await.success());
    assert_eq!(desk.rig.column("SELECT CAST(orphans AS TEXT) FROM rig"), ["0"]);
}

#[tokio::test]
async fn keys_that_end_in_the_middle_are_renewed() {
    let brief = async |oidc: &Oidc| Seaweed::start_brief(oidc.issuer(), CLIENT, Duration::from_secs(4)).await;
    let desk = desk_with(brief, "").await;
    desk.limit(4_000_000).await;
    let clip = desk.rig.clip("long.mov", LONG);
    let id = desk.rig.add(&clip).await.unwrap();
    desk.rig.wait_item(id, "done").await;
    desk.has(&clip).await;
    assert_eq!((desk.rig.state().await.as_str(), desk.storage.uploads().await), ("paired", 0));
}

#[tokio::test]
async fn a_rig_that_is_started_while_its_provider_is_away_delivers() {
    let Desk { mut rig, oidc, storage } = desk().await;
    let before = rig.add(rig.clip("before.mov", 5000)).await.unwrap();
    rig.wait_item(before, "done").await;
    drop(oidc);
    rig.kill_and_start().await;
    let after = rig.add(rig.clip("after.mov", 5000)).await.unwrap();
    rig.wait_item(after, "done").await;
    assert_eq!(storage.keys().await.len(), 2);
}

#[tokio::test]
async fn a_clock_that_is_wrong_signs_by_the_servers_time() {
    for time in [EARLY, "@2035-01-01 00:00:00"] {
        let oidc = provider().await;
        let storage = Seaweed::start(oidc.issuer(), CLIENT).await;
        let mut setup = setup(&oidc, &storage, "");
        let _time = clock_of(&mut setup, time);
        let rig = setup.start().await;
        pair(&rig, &oidc, "footage").await;
        let desk = Desk { rig, oidc, storage };
        for (name, size) in [("short.mov", 4000), ("long.mov", LONG)] {
            let clip = desk.rig.clip(name, size);
            let id = desk.rig.add(&clip).await.unwrap();
            desk.rig.wait_item(id, "done").await;
            desk.has(&clip).await;
        }
    }
}

#[tokio::test]
async fn what_stands_in_the_way_is_named() {
    for (more, words) in [
        ("role = \"arn:aws:iam::000000000001:role/nobody\"", "the role refuses this rig's sign-in"),
        ("bucket = \"elsewhere\"", "AccessDenied"),
    ] {
        let oidc = provider().await;
        let storage = Seaweed::start(oidc.issuer(), CLIENT).await;
        let mut setup = setup(&oidc, &storage, "");
        let (key, _) = more.split_once(' ').unwrap();
        let others = setup.drop_in.lines().filter(|line| !line.starts_with(key));
        setup.drop_in = others.chain([more]).map(|line| format!("{line}\n")).collect();
        let bucket = if key == "bucket" { "elsewhere" } else { "footage" };
        let rig = setup.start().await;
        pair(&rig, &oidc, bucket).await;
        for (name, size) in [("short.mov", 4000), ("long.mov", LONG)] {
            let id = rig.add(rig.clip(name, size)).await.unwrap();
            let told = |i: &Dict| text(i, "detail").contains(words);
            rig.wait_item_that(id, words, told).await;
        }
        assert_eq!(rig.state().await, "paired", "a refusal of the storage ends no sign-in");
        assert_eq!((storage.keys().await.len(), storage.uploads().await), (0, 0));
    }
}

#[tokio::test]
async fn a_role_that_only_writes_is_enough() {
    let oidc = provider().await;
    let storage = Seaweed::start(oidc.issuer(), CLIENT).await;
    let mut setup = setup(&oidc, &storage, "");
    setup.drop_in = setup.drop_in.replace(storage.role(), storage.writer());
    let rig = setup.start().await;
    pair(&rig, &oidc, "footage").await;
    let mut desk = Desk { rig, oidc, storage };
    desk.limit(8_000_000).await;
    let clips = [("short.mov", 4000), ("long.mov", LONG)].map(|(name, size)| desk.rig.clip(name, size));
    let short = desk.rig.add(&clips[0]).await.unwrap();
    desk.rig.wait_item(short, "done").await;
    let long = desk.rig.add(&clips[1]).await.unwrap();
    desk.sent(long, 13 * MIB as u64).await;
    desk.rig.kill_and_start().await;
    desk.limit(0).await;
    desk.rig.wait_item(long, "done").await;
    for clip in &clips {
        desk.has(clip).await;
    }
    let given_up = desk.rig.clip("given up.mov", LONG);
    desk.limit(8_000_000).await;
    let id = desk.rig.add(&given_up).await.unwrap();
    desk.sent(id, 13 * MIB as u64).await;
    desk.rig.queue_items("Cancel", &[id]).await.unwrap();
    desk.rig.wait_item(id, "cancelled").await;
    desk.clear(id).await;
    none_left(&desk).await;
}

#[tokio::test]
async fn an_upload_goes_on_when_another_person_signs_the_rig_in() {
    let desk = desk().await;
    desk.limit(8_000_000).await;
    let clip = desk.rig.clip("long.mov", LONG);
    let id = desk.rig.add(&clip).await.unwrap();
    desk.sent(id, 13 * MIB as u64).await;
    desk.rig.unpair().await.unwrap();
    desk.rig.wait_state("unpaired").await;
    let item = desk.rig.item(id).await;
    let sent = *item["sent"].downcast_ref::<&u64>().unwrap();
    assert!(sent < LONG as u64, "nothing is sent without a sign-in");
    let code = desk.rig.start_pairing().await;
    desk.oidc.approve(&code, "charles.babbage").await;
    desk.rig.wait_project("footage").await;
    desk.limit(0).await;
    desk.rig.wait_item(id, "done").await;
    desk.has(&clip).await;
    assert_eq!((desk.storage.keys().await.len(), desk.storage.uploads().await), (1, 0));
}

#[tokio::test]
async fn clips_of_another_bucket_wait_for_it() {
    let mut desk = desk().await;
    desk.rig.queue("Pause").await.unwrap();
    let clip = desk.rig.clip("mine.mov", 4000);
    let id = desk.rig.add(&clip).await.unwrap();
    let here = desk.rig.setup.drop_in.clone();
    desk.rig.setup.drop_in = here.replace("bucket = \"footage\"", "bucket = \"elsewhere\"");
    assert!(desk.rig.stop().await.success());
    desk.rig.write_config();
    desk.rig.start().await;
    desk.rig.wait_item(id, "held").await;
    desk.rig.queue("Resume").await.unwrap();
    desk.rig.setup.drop_in = here;
    assert!(desk.rig.stop().await.success());
    desk.rig.write_config();
    desk.rig.start().await;
    desk.rig.wait_item(id, "done").await;
    desk.has(&clip).await;
}

#[tokio::test]
async fn a_sign_in_that_has_run_out_is_renewed_first() {
    let oidc =
        Oidc::start(json!({ "access": 6, "code": 120, "edits": { "device-code": { "interval": 1 } } })).await;
    let storage = Seaweed::start_brief(oidc.issuer(), CLIENT, Duration::from_secs(4)).await;
    let rig = setup(&oidc, &storage, "").start().await;
    pair(&rig, &oidc, "footage").await;
    let desk = Desk { rig, oidc, storage };
    desk.limit(3_000_000).await;
    let clip = desk.rig.clip("long.mov", LONG);
    let id = desk.rig.add(&clip).await.unwrap();
    desk.rig.wait_item(id, "done").await;
    desk.has(&clip).await;
    assert!(!desk.oidc.asked("refresh").await.is_empty());
}

#[tokio::test]
async fn what_is_begun_and_not_wanted_any_more_is_given_up() {
    let mut desk = desk().await;
    desk.limit(8_000_000).await;
    let clips = ["cleared.mov", "rewritten.mov"].map(|name| desk.rig.clip(name, LONG));
    let cleared = desk.rig.add(&clips[0]).await.unwrap();
    desk.sent(cleared, 13 * MIB as u64).await;
    assert_eq!(desk.storage.uploads().await, 1);
    desk.rig.queue_items("Cancel", &[cleared]).await.unwrap();
    desk.rig.wait_item(cleared, "cancelled").await;
    // The storage can't be reached when it is cleared, and the rig is switched off before it can.
    desk.storage.stop();
    desk.clear(cleared).await;
    desk.rig.kill().await;
    desk.storage.go_on();
    desk.rig.start().await;
    none_left(&desk).await;
    let rewritten = desk.rig.add(&clips[1]).await.unwrap();
    desk.sent(rewritten, 13 * MIB as u64).await;
    fill(&clips[1], LONG + 1000, 77);
    desk.limit(0).await;
    let sent =
        |i: &Dict| text(i, "state") == "done" && *i["size"].downcast_ref::<&u64>().unwrap() > LONG as u64;
    desk.rig.wait_item_that(rewritten, "the new bytes", sent).await;
    desk.has(&clips[1]).await;
    none_left(&desk).await;
}

#[tokio::test]
async fn an_upload_whose_beginning_nobody_heard_of_is_given_up_and_counts_no_more() {
    let place = Place::new(Kind::S3, Unusual::default()).await;
    place.lose_answer(What::Begin);
    let clip = place.rig.clip("long.mov", LONG);
    let id = place.rig.add(&clip).await.unwrap();
    place.rig.wait_item(id, "done").await;
    place.has(&clip).await;
    assert_eq!(place.seaweed().uploads().await, 0);
    assert_eq!(place.rig.column("SELECT orphans || '' FROM rig"), ["0"]);
}

/// Waits until no upload is open.
async fn none_left(desk: &Desk) {
    let none = async {
        while desk.storage.uploads().await > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("no upload that nobody wants", none).await;
}

#[tokio::test]
async fn a_clip_that_is_rewritten_in_its_middle_is_there_as_it_is_now() {
    for (name, size, limit, begun) in
        [("short.mov", 3_000_000, 600_000, 0), ("long.mov", LONG, 5_000_000, 13 * MIB)]
    {
        let desk = desk().await;
        desk.limit(limit).await;
        let clip = desk.rig.clip(name, size);
        let id = desk.rig.add(&clip).await.unwrap();
        desk.rig.wait_item(id, "uploading").await;
        desk.sent(id, begun as u64).await;
        let clock = rigpost_daemon::clock::Clock::system();
        clock.sleep_until(clock.now().boot + Duration::from_millis(1000)).await;
        // Both ends stay as they were, and what has left is not what is there.
        let file = std::fs::File::options().write(true).open(&clip).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"patched by the recorder", size as u64 / 4).unwrap();
        drop(file);
        desk.limit(0).await;
        let wanted = std::fs::read(&clip).unwrap();
        let is_there = async {
            loop {
                for key in desk.storage.keys().await {
                    if desk.storage.object(&key).await.is_some_and(|(bytes, _)| bytes == wanted) {
                        return;
                    }
                }
            }
        };
        soon("the bytes of now", is_there).await;
        desk.rig.wait_item(id, "done").await;
        none_left(&desk).await;
    }
}

#[tokio::test]
async fn no_refusal_of_a_storage_ends_a_sign_in_that_can_t_be_renewed() {
    let edits = json!({ "device-code": { "interval": 1 }, "token-poll": { "refresh_token": null } });
    let oidc = Oidc::start(json!({ "access": 3600, "code": 120, "edits": edits })).await;
    let storage = Seaweed::start(oidc.issuer(), CLIENT).await;
    let mut setup = setup(&oidc, &storage, "");
    setup.drop_in = setup.drop_in.replace("role/rig", "role/nobody");
    let rig = setup.start().await;
    pair(&rig, &oidc, "footage").await;
    let id = rig.add(rig.clip("short.mov", 4000)).await.unwrap();
    let told = |i: &Dict| text(i, "detail").contains("pair the rig again");
    rig.wait_item_that(id, "that the sign-in can't be renewed", told).await;
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"));
}
