//! Every version that was ever released becomes the newest one, with everything in it.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rigpost_core::identity::pairing::Running;
use rigpost_core::identity::revocation::RevocationId;
use rigpost_core::identity::tokens::Ending;
use rigpost_core::oauth::{ClientSecret, Revocable};
use rigpost_core::provider::ProviderKey;
use rigpost_core::queue::evidence::Volume;
use rigpost_core::queue::item::ItemState::*;
use rigpost_core::queue::item::{Clip, Counters, ItemId, ItemReason};
use rigpost_core::secret::Secret;
use rigpost_daemon::store::{Grants, Store};
use tempfile::TempDir;

use crate::issuer::metadata;
use crate::support::*;

pub(crate) const RELEASED: [(&str, &str); 10] = [
    ("v1", include_str!("../fixtures/store/v1.sql")),
    ("v2", include_str!("../fixtures/store/v2.sql")),
    ("v3", include_str!("../fixtures/store/v3.sql")),
    ("v3, of another provider", include_str!("../fixtures/store/v3-oauth.sql")),
    ("v4", include_str!("../fixtures/store/v4.sql")),
    ("v5", include_str!("../fixtures/store/v5.sql")),
    ("v6", include_str!("../fixtures/store/v6.sql")),
    ("v7", include_str!("../fixtures/store/v7.sql")),
    ("v8", include_str!("../fixtures/store/v8.sql")),
    ("v9", include_str!("../fixtures/store/v9.sql")),
];

pub(crate) fn restored(sql: &str) -> TempDir {
    let dir = dir();
    raw(dir.path()).execute_batch(sql).unwrap();
    dir
}

fn schema(dir: &Path) -> Vec<(String, String, Option<String>)> {
    let conn = raw(dir);
    let sql = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name";
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn an_old_database_gets_the_schema_of_a_new_one() {
    let fresh = dir();
    drop(Store::open(fresh.path()).unwrap());
    for (version, sql) in RELEASED {
        let old = restored(sql);
        let store = Store::open(old.path()).unwrap();
        assert!(!store.created(), "{version}");
        assert_eq!(store.verify().await, Ok(()), "{version}");
        drop(store);
        assert_eq!(schema(old.path()), schema(fresh.path()), "{version}");
        let number =
            |dir: &Path| raw(dir).query_row("PRAGMA user_version", [], |r| r.get::<_, u32>(0)).unwrap();
        assert_eq!(number(old.path()), number(fresh.path()), "{version}");
        assert_eq!(contents(old.path()).len(), 1, "{version}: no copy is left");
    }
}

#[tokio::test]
async fn what_version_1_knew_is_still_known() {
    let dir = restored(RELEASED[0].1);
    let store = ready(dir.path()).await;
    assert_eq!(store.identity(None, &cloud()).await.unwrap().client_id, "SN-1");
    let loaded = store.grants().await.unwrap();
    let expected = Grants {
        client_secret: Some(client_secret()),
        tokens: Some((tokens(1), true)),
        ended: None,
        device: Some(device("p")),
        pairing: Some(Running { code: Some(code()), limit: Some(limit()) }),
        paused: true,
        refreshed_at: Some(at(0).wall),
        revocations: vec![],
        issuer: vec![],
        broken: vec![],
    };
    assert_eq!(loaded, expected);
    let (items, total) = store.list(None, None, 0, 100).await.unwrap();
    let states: Vec<_> = items.iter().map(|item| item.state).collect();
    assert_eq!((states, total), (vec![Failed, Uploading, Cancelled, Queued, Queued, Done, Held], 7));
    assert_eq!((items[0].reason.as_str(), items[0].detail.as_str()), ("source", "the file is gone"));
    // What no version before has looked at.
    let unseen = |n| {
        let mut clip = clip(n, Some("p"));
        (clip.fingerprint, clip.volume, clip.facts.ctime_ns) = (None, Volume::default(), 0);
        clip
    };
    assert_eq!(items[1].clip, unseen(2));
    assert_eq!((items[5].asset_id.as_str(), items[5].sent), ("sent", 1006));
    assert_eq!(items[6].clip.path.as_os_str(), OsStr::from_bytes(b"/media/\xff.mov"));
    let mut half = asset("half", 2);
    half.finished = vec![1];
    assert_eq!(store.asset_of(ItemId(2)).await, Ok(Some(half)));
    assert_eq!(store.orphans().await, Ok(1));
    let expected = Counters { files_left: 3, bytes_left: 2510, held: 1, failed: 1, ..Counters::default() };
    assert_eq!(store.counters().await.unwrap(), expected);
    assert_eq!(items[3].clip, unseen(4), "what version 1 did not know has its plain value");
}

#[tokio::test]
async fn what_version_2_had_of_frame_io_is_still_frame_io_s() {
    let dir = restored(RELEASED[1].1);
    let store = ready(dir.path()).await;
    let loaded = store.grants().await.unwrap();
    assert_eq!((loaded.tokens, loaded.device), (Some((tokens(1), true)), Some(device("p"))));
    assert_eq!(loaded.client_secret, Some(client_secret()));
    store.identity(None, &login()).await.unwrap();
    let other = store.grants().await.unwrap();
    assert_eq!((other.client_secret, other.tokens, other.pairing), (None, None, None));
}

/// The version before knew one Frame.io, wherever it was: the one that is configured at the first start is it.
#[tokio::test]
async fn what_version_3_had_of_frame_io_is_the_first_address_s() {
    let staging = ProviderKey::frameio(&"https://staging.example:8443".parse().unwrap());
    for (first, second) in [(cloud(), staging.clone()), (staging, cloud())] {
        let dir = restored(RELEASED[2].1);
        let store = Store::open(dir.path()).unwrap();
        store.attach(Some(vault(1))).await.unwrap();
        for _ in 0..2 {
            assert_eq!(store.identity(None, &first).await.unwrap().client_id, "SN-1");
            let ours = store.grants().await.unwrap();
            assert_eq!((ours.tokens, ours.device), (Some((tokens(1), true)), Some(device("p"))));
            assert_eq!(ours.client_secret, Some(client_secret()));
            assert_eq!(ours.pairing, Some(Running { code: Some(code()), limit: Some(limit()) }));
            assert_eq!(store.claim("p", &[], None).await.unwrap().unwrap().id, ItemId(4));
            store.finish(ItemId(4), Queued, ItemReason::None, "", at(99)).await.unwrap();

            assert!(store.identity(None, &second).await.unwrap().changed);
            let theirs = store.grants().await.unwrap();
            assert_eq!(theirs, Grants { paused: true, ..Grants::default() });
            assert_eq!(store.claim("p", &[], None).await.unwrap(), None);
        }
        // What each application of an issuer had is its own, in the same database.
        store.identity(None, &login()).await.unwrap();
        let secret = store.grants().await.unwrap().client_secret;
        assert_eq!(secret, Some(ClientSecret(Secret::new("app-secret"))));
        let other = ProviderKey::oauth(&"https://login.example".parse().unwrap(), "app-2");
        store.identity(None, &other).await.unwrap();
        assert_eq!(store.grants().await.unwrap().client_secret, None);
    }
}

#[tokio::test]
async fn what_version_3_had_of_another_provider_is_still_that_one_s() {
    let dir = restored(RELEASED[3].1);
    let store = Store::open(dir.path()).unwrap();
    store.attach(Some(vault(1))).await.unwrap();
    assert!(!store.identity(None, &login()).await.unwrap().changed);
    let ours = store.grants().await.unwrap();
    assert_eq!(ours.tokens, Some((tokens(2), false)));
    assert_eq!(ours.client_secret, Some(ClientSecret(Secret::new("app-secret"))));
    assert_eq!(ours.device.unwrap().project_name, "login.example");
    assert_eq!(ours.pairing, Some(Running::default()));
    let tenant = ProviderKey::oauth(&"https://login.example/realms/b".parse().unwrap(), "app-1");
    assert!(store.identity(None, &tenant).await.unwrap().changed);
    assert_eq!(store.grants().await.unwrap(), Grants { paused: true, ..Grants::default() });
    // No address of Frame.io was ever used with this version: the next one is that of the rows.
    store.identity(None, &cloud()).await.unwrap();
    let frameio = store.grants().await.unwrap();
    assert_eq!((frameio.client_secret, frameio.tokens), (Some(client_secret()), None));
}

#[tokio::test]
async fn what_version_1_began_is_brought_to_its_end() {
    let dir = restored(RELEASED[0].1);
    let store = ready(dir.path()).await;
    store.resume_uploading().await.unwrap();
    assert_eq!(store.receipt(ItemId(6)).await, Ok(None), "sent by a version that wrote none");
    let half = store.claim("p", &[], None).await.unwrap().unwrap().id;
    assert_eq!(half, ItemId(2));
    store.finish_part(half, "half", 0, "etag", 501, digest(5)).await.unwrap();
    store.finish(half, Done, ItemReason::None, "", at(99)).await.unwrap();
    let receipt = store.receipt(half).await.unwrap().unwrap();
    assert_eq!((receipt.digest, receipt.parts), (None, vec![]), "the other part's bytes were not noted");
    // Its rows are known to sources, too, and go like new ones.
    let found = store.found(vec![clip(3, None), clip(6, None)], 100).await.unwrap();
    assert_eq!((found.known, found.added), (2, vec![]));
    assert_eq!(store.clear(&[Done, Cancelled], &[]).await.unwrap().0, 3);
    assert_eq!(store.found(vec![clip(3, None), clip(6, None)], 100).await.unwrap().known, 2);
    let kind: i64 = raw(dir.path()).query_row("PRAGMA auto_vacuum", [], |r| r.get(0)).unwrap();
    assert_eq!(kind, 2, "an old file can shrink, too");
}

/// The table of items is built anew, and nothing that belongs to its rows goes with the old one.
#[tokio::test]
async fn what_version_4_had_of_clips_is_all_there() {
    let dir = restored(RELEASED[4].1);
    let count = |dir: &Path, table: &str| -> i64 {
        raw(dir).query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap()
    };
    let tables = ["item", "asset", "part", "receipt", "remembered", "sealed", "caller"];
    let before = tables.map(|table| count(dir.path(), table));
    assert!(before.iter().take(5).all(|rows| *rows > 0), "{before:?}");
    let store = ready(dir.path()).await;
    assert_eq!(tables.map(|table| count(dir.path(), table)), before);
    let sent = store.list(Some(Done), None, 0, 10).await.unwrap().0.remove(0);
    assert_eq!((sent.clip.class.as_str(), sent.clip.channel), ("proxy", 2));
    let receipt = store.receipt(sent.id).await.unwrap().unwrap();
    assert_eq!((receipt.parts, receipt.digest), (vec![7], Some(7)));
    // A card that was sent by it is known, though nobody had taken fingerprints.
    let again = store.found(vec![Clip { source: Some("card".into()), ..clip(6, None) }], 100).await.unwrap();
    assert_eq!((again.added.len(), again.known), (0, 1));
    // Numbers go on where they were.
    let next = add_one(&store, clip(77, Some("p"))).await;
    assert!(next.0 > 7, "{next}");
}

#[tokio::test]
async fn what_version_5_was_granted_is_still_granted_and_nothing_is_to_be_revoked() {
    let dir = restored(RELEASED[5].1);
    let store = ready(dir.path()).await;
    let loaded = store.grants().await.unwrap();
    assert_eq!((loaded.tokens, loaded.revocations), (Some((tokens(1), true)), vec![]));
    assert_eq!(loaded.client_secret, Some(client_secret()));
    let (items, total) = store.list(None, None, 0, 100).await.unwrap();
    assert_eq!((total, items[4].clip.uid), (7, 1000));
    let known = clip(6, None).fingerprint;
    let sent = items.iter().find(|item| item.id == ItemId(6)).unwrap();
    assert_eq!((sent.state, sent.clip.fingerprint), (Done, known));
    let names = [sent, &items[6]].map(|item| item.project_name.as_str());
    assert_eq!(names, ["Project p", ""], "of the project that is paired, and of one that nobody wrote down");
    store.erase_tokens(&parting(1, 1)).await.unwrap();
    assert_eq!(store.grants().await.unwrap().revocations.len(), 1);
}

#[tokio::test]
async fn what_version_6_had_to_revoke_is_still_to_be_revoked_and_of_issuers_it_knew_nothing() {
    let dir = restored(RELEASED[6].1);
    let store = ready(dir.path()).await;
    let db = rusqlite::Connection::open(dir.path().join("rigpost.db")).unwrap();
    let named = db.query_row("SELECT id, name FROM project", [], |r| Ok((r.get(0)?, r.get(1)?)));
    assert_eq!(named, Ok(("p".to_owned(), "Project p".to_owned())), "the one that it serves");
    drop((db, store));
    let dir = restored(RELEASED[6].1);
    let store = ready(dir.path()).await;
    let loaded = store.grants().await.unwrap();
    assert_eq!((loaded.tokens, loaded.revocations.len()), (Some((tokens(1), true)), 1));
    assert_eq!(loaded.issuer, []);
    let (of, client) = store.revocation(RevocationId(7)).await.unwrap().unwrap();
    assert_eq!(of, Revocable::Refresh(tokens(3).refresh.unwrap()));
    assert_eq!((client.id.0.as_str(), client.secret), ("SN-1", Some(client_secret())));
    store.keep_issuer(vec![metadata(1, "{}")]).await.unwrap();
    store.end_grant(Ending::Revoked, false).await.unwrap();
    assert_eq!(store.grants().await.unwrap().issuer, [metadata(1, "{}")], "it is nobody's secret");
}

#[tokio::test]
async fn an_upload_that_nobody_wants_is_still_to_be_given_up() {
    let dir = restored(RELEASED[9].1);
    let store = ready(dir.path()).await;
    let (id, upload) =
        store.abandoned("https://s3.example/footage/", 0).await.unwrap().expect("it was there");
    assert!(upload.expose().ends_with("uploadId=u1"));
    store.given_up(id).await.unwrap();
    assert_eq!(store.abandoned("https://s3.example/footage/", 0).await.unwrap().map(|(id, _)| id), None);
    // Of its part nothing was noted that a storage could vouch for.
    assert_eq!(store.sent_parts(ItemId(2)).await.unwrap()[0].checksum, None);
}
