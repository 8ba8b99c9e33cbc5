//! A key of a user, out of the vault, for storage without OpenID Connect: s3s-fs, which knows neither tokens nor checksums of
//! multipart uploads, and SeaweedFS.
use std::collections::HashMap;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::Path;

use serde_json::json;
use zbus::{Fd, Variant};

use crate::bucket::{ACCESS_KEY, Bucket, SECRET_KEY};
use crate::common::*;

/// More than one part.
const LONG: usize = 34 * MIB + 5;

struct Desk {
    rig: Rig,
    storage: Bucket,
    _oidc: Oidc,
    _clock: Option<tempfile::NamedTempFile>,
}

async fn desk_with(more: &str) -> Desk {
    desk_at(more, None).await
}

/// `time`: of the rig's clock.
async fn desk_at(more: &str, time: Option<&str>) -> Desk {
    let edits = json!({ "device-code": { "interval": 1 } });
    let oidc = Oidc::start(json!({ "access": 3600, "code": 120, "edits": edits })).await;
    let storage = Bucket::start().await;
    std::fs::create_dir(storage.dir().join("clips")).unwrap();
    let (issuer, endpoint) = (oidc.issuer(), storage.options().endpoint);
    let provider = format!("kind = \"oauth\"\nissuer = {issuer:?}\nclient_id = \"public\"\n");
    let drop_in = format!(
        "[delivery]\nkind = \"s3\"\nendpoint = \"{endpoint}\"\nbucket = \"clips\"\nkeys = \"vault\"\nobject_name = \"{{date}} {{reel}} {{id}}/{{name}}\"\n{more}\n"
    );
    let mut setup = Setup { provider: Some(provider), drop_in, ..Setup::new() };
    let clock = time.map(|time| clock_of(&mut setup, time));
    let rig = setup.start().await;
    let code = rig.start_pairing().await;
    oidc.approve(&code, "ada.lovelace").await;
    rig.wait_project("clips").await;
    Desk { rig, storage, _oidc: oidc, _clock: clock }
}

impl Desk {
    /// As `rigpost provision --s3-key` does.
    async fn key(&self, id: &str, secret: &str) -> Result<(), Refused> {
        let (reader, mut writer) = std::io::pipe().unwrap();
        // As one line or as two.
        let between = if secret == SECRET_KEY { '\n' } else { ':' };
        write!(writer, "{id}{between}{secret}").unwrap();
        drop(writer);
        let options = HashMap::from([("kind", Variant::from("storage-key"))]);
        self.rig.call(DEVICE, "Provision", &(Fd::from(reader.as_fd()), options)).await.map(drop)
    }

    /// The bytes of the one object of this name.
    fn has(&self, clip: &Path) {
        let marks = std::fs::read_dir(self.storage.dir().join("clips")).unwrap();
        let named = marks.map(|mark| mark.unwrap().path().join(clip.file_name().unwrap()));
        let found: Vec<_> = named.filter(|path| path.exists()).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(std::fs::read(&found[0]).unwrap() == std::fs::read(clip).unwrap(), "other bytes");
    }
}

#[tokio::test]
async fn clips_wait_for_the_key_and_go_with_it() {
    let mut desk = desk_with("").await;
    let clip = desk.rig.clip("first.mov", 5000);
    let id = desk.rig.add(&clip).await.unwrap();
    let told = |i: &Dict| text(i, "detail").contains("rigpost provision --s3-key");
    desk.rig.wait_item_that(id, "what is missing", told).await;
    desk.key("NOBODY", "wrong").await.unwrap();
    let told = |i: &Dict| text(i, "detail").contains("NotSignedUp");
    desk.rig.wait_item_that(id, "that it is not taken", told).await;
    desk.key(ACCESS_KEY, SECRET_KEY).await.unwrap();
    desk.rig.wait_item(id, "done").await;
    desk.has(&clip);
    assert_eq!(desk.rig.state().await, "paired");
    // It is on disk, sealed, and outlives a kill.
    desk.rig.kill_and_start().await;
    for (name, size) in [("long.mov", LONG), ("Ä & b.wav", 1)] {
        let clip = desk.rig.clip(name, size);
        let id = desk.rig.add(&clip).await.unwrap();
        desk.rig.wait_item(id, "done").await;
        desk.has(&clip);
    }
    for file in ["rigpost.db", "rigpost.db-wal"] {
        let bytes = std::fs::read(desk.rig.state_dir().join(file)).unwrap();
        let is_there = bytes.windows(SECRET_KEY.len()).any(|bytes| bytes == SECRET_KEY.as_bytes());
        assert!(!is_there, "in the open in {file}");
    }
    let answer = desk.rig.call(DEVICE, "Forget", &(none(),)).await.unwrap();
    let ended: Dict = answer.body().deserialize().unwrap();
    let erased: Vec<String> = ended["erased"].try_clone().unwrap().try_into().unwrap();
    assert!(erased.contains(&"storage-key".to_owned()), "{erased:?}");
    assert_eq!(desk.rig.column("SELECT name FROM sealed WHERE name = 'storage_key'"), [""; 0]);
}

#[tokio::test]
async fn a_storage_that_knows_no_checksums_still_has_the_bytes() {
    for checksum in ["sha256", "none"] {
        let desk = desk_with(&format!("checksum = {checksum:?}")).await;
        desk.key(ACCESS_KEY, SECRET_KEY).await.unwrap();
        let clip = desk.rig.clip("long.mov", LONG);
        let id = desk.rig.add(&clip).await.unwrap();
        desk.rig.wait_item(id, "done").await;
        desk.has(&clip);
    }
}

#[tokio::test]
async fn a_key_is_taken_only_where_there_is_a_use_for_it() {
    let desk = desk_with("").await;
    for (id, secret) in [("", "x"), ("id", ""), ("i d", "x")] {
        assert_eq!(desk.key(id, secret).await.unwrap_err().name, "InvalidArgs", "{id}:{secret}");
    }
    let rig = Setup::new().paired().await;
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"id:secret").unwrap();
    drop(writer);
    let options = HashMap::from([("kind", Variant::from("storage-key"))]);
    let refused = rig.call(DEVICE, "Provision", &(Fd::from(reader.as_fd()), options)).await.unwrap_err();
    assert_eq!(refused.name, "NotSupported", "{}", refused.text);
}

#[tokio::test]
async fn a_rig_without_a_clock_files_nothing_under_1970() {
    let desk = desk_at("", Some(EARLY)).await;
    desk.key(ACCESS_KEY, SECRET_KEY).await.unwrap();
    for (name, size) in [("first.mov", 4000), ("long.mov", LONG)] {
        let clip = desk.rig.clip(name, size);
        let id = desk.rig.add(&clip).await.unwrap();
        let item = desk.rig.wait_item(id, "done").await;
        let date = text(&item, "asset_id");
        assert!(date.starts_with("20"), "{date}");
    }
}
