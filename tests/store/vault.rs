//! The database and its root key: fitting, lost, foreign, and records that were tampered with.
use rigpost_core::queue::item::ItemState;
use rigpost_daemon::store::{Grants, Store, StoreError, VaultState};

use crate::support::*;

const BROKEN: [&str; 3] = ["client_secret", "access_token", "refresh_token"];

/// A rig that holds one of everything, and the item that has an asset.
async fn full(dir: &std::path::Path) -> (Store, rigpost_core::queue::item::ItemId) {
    let store = ready(dir).await;
    store.save_client_secret(&client_secret()).await.unwrap();
    store.save_tokens(&tokens(1)).await.unwrap();
    store.save_device(&device("p")).await.unwrap();
    let id = add_one(&store, clip(1, Some("p"))).await;
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(id, &asset("x", 2)).await.unwrap();
    store.finish_part(id, "x", 0, "e", 501, digest(1)).await.unwrap();
    (store, id)
}

fn sealed(record: &str) -> StoreError {
    StoreError::Sealed { record: record.into() }
}

#[tokio::test]
async fn a_key_is_bound_at_its_first_use() {
    let dir = dir();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.attach(None).await, Ok(VaultState::Absent));
    assert_eq!(store.save_client_secret(&client_secret()).await, Err(sealed("client_secret")));
    assert!(!store.has_sealed_records().await.unwrap());
    assert_eq!(store.attach(Some(vault(1))).await, Ok(VaultState::Ready));
    assert!(!store.has_sealed_records().await.unwrap(), "the key-check alone is no loss");
    // Nothing is sealed yet: another key may take its place.
    assert_eq!(store.attach(Some(vault(2))).await, Ok(VaultState::Ready));
    store.save_client_secret(&client_secret()).await.unwrap();
    assert!(store.has_sealed_records().await.unwrap());
    assert_eq!(store.attach(Some(vault(1))).await, Ok(VaultState::Foreign));
    assert_eq!(store.save_client_secret(&client_secret()).await, Err(sealed("client_secret")));
    assert_eq!(store.attach(Some(vault(2))).await, Ok(VaultState::Ready));
}

#[tokio::test]
async fn without_the_key_the_rest_is_there_and_nothing_is_lost() {
    let dir = dir();
    let (store, id) = full(dir.path()).await;
    let name = store.identity(None, &cloud()).await.unwrap();
    for key in [None, Some(vault(9))] {
        store.attach(key).await.unwrap();
        let loaded = store.grants().await.unwrap();
        assert_eq!(
            (loaded.broken.as_slice(), loaded.device),
            (BROKEN.map(String::from).as_slice(), Some(device("p")))
        );
        assert_eq!((loaded.client_secret, loaded.tokens), (None, None));
        assert_eq!(store.identity(None, &cloud()).await.unwrap(), name);
        assert_eq!(store.list(Some(ItemState::Uploading), None, 0, 10).await.unwrap().0[0].id, id);
        assert_eq!(store.asset_of(id).await, Err(sealed("asset/1/urls")));
        assert_eq!(store.save_tokens(&tokens(2)).await, Err(sealed("access_token")));
        assert_eq!(store.save_pairing(Some(&code()), None).await, Err(sealed("device_code")));
        add_one(&store, clip(7, Some("p"))).await;
        store.cancel(&[rigpost_core::queue::item::ItemId(2)]).await.unwrap();
    }
    store.attach(Some(vault(1))).await.unwrap();
    assert_eq!(store.grants().await.unwrap().tokens, Some((tokens(1), false)));
}

#[tokio::test]
async fn provisioning_again_keeps_identity_and_queue() {
    let dir = dir();
    let (store, id) = full(dir.path()).await;
    let name = store.identity(None, &cloud()).await.unwrap();
    store.save_pairing(Some(&code()), None).await.unwrap();
    assert_eq!(store.attach(Some(vault(2))).await, Ok(VaultState::Foreign));
    store.readopt(vault(2), &client_secret()).await.unwrap();
    let client_secret = Some(client_secret());
    let device = Some(device("p"));
    let expected =
        Grants { client_secret: client_secret.clone(), device, pairing: running(None), ..Grants::default() };
    assert_eq!(store.grants().await.unwrap(), expected);
    assert_eq!(store.identity(None, &cloud()).await.unwrap(), name);
    assert_eq!((store.asset_of(id).await, store.orphans().await), (Ok(None), Ok(1)));
    let item = &store.get(&[id]).await.unwrap()[0];
    assert_eq!((item.sent, item.asset_id.as_str(), item.state), (0, "", ItemState::Uploading));
    assert_eq!(store.counters().await.unwrap().bytes_left, 1001);
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.attach(Some(vault(2))).await, Ok(VaultState::Ready));
    assert_eq!(store.grants().await.unwrap().client_secret, client_secret);
}

#[tokio::test]
async fn provisioning_again_gives_nothing_up_for_a_secret_that_can_t_be_kept() {
    let dir = dir();
    let (store, id) = full(dir.path()).await;
    let before = (store.grants().await, store.asset_of(id).await);
    assert_eq!(store.attach(Some(vault(2))).await, Ok(VaultState::Foreign));
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON sealed WHEN NEW.name = 'client_secret'
        BEGIN SELECT RAISE(ABORT, 'no'); END";
    raw(dir.path()).execute_batch(refuse).unwrap();
    assert!(matches!(store.readopt(vault(2), &client_secret()).await, Err(StoreError::Io(_))));
    assert_eq!(store.attach(Some(vault(1))).await, Ok(VaultState::Ready));
    assert_eq!((store.grants().await, store.asset_of(id).await), before);
}

#[tokio::test]
async fn adopting_the_same_key_again_loses_nothing() {
    let dir = dir();
    let (store, id) = full(dir.path()).await;
    let before = (store.grants().await, store.asset_of(id).await);
    store.readopt(vault(1), &client_secret()).await.unwrap();
    assert_eq!((store.grants().await, store.asset_of(id).await), before);
    // One damaged token takes the other with it, and nothing else.
    raw(dir.path()).execute_batch("UPDATE sealed SET value = x'01' WHERE name = 'refresh_token'").unwrap();
    store.readopt(vault(1), &client_secret()).await.unwrap();
    let loaded = store.grants().await.unwrap();
    assert_eq!((loaded.tokens, loaded.client_secret, loaded.broken), (None, Some(client_secret()), vec![]));
    assert_eq!(store.asset_of(id).await, before.1);
}

#[tokio::test]
async fn records_that_were_swapped_or_damaged_do_not_open() {
    let damages: [(&str, &[&str]); 4] = [
        (
            "UPDATE sealed SET value = (SELECT value FROM sealed WHERE name = 'refresh_token') WHERE name = 'access_token'",
            &["access_token"],
        ),
        (
            // The last byte belongs to the tag.
            "UPDATE sealed SET value = CAST(substr(value, 1, length(value) - 1) || x'00' AS BLOB) WHERE name = 'client_secret'",
            &["client_secret"],
        ),
        ("UPDATE sealed SET value = x'' WHERE name = 'refresh_token'", &["refresh_token"]),
        (
            "UPDATE sealed SET value = CAST(x'02' || substr(value, 2) AS BLOB) WHERE name <> 'key-check'",
            &BROKEN,
        ),
    ];
    for (sql, broken) in damages {
        let dir = dir();
        let (store, _) = full(dir.path()).await;
        raw(dir.path()).execute_batch(sql).unwrap();
        let loaded = store.grants().await.unwrap();
        assert_eq!(loaded.broken, broken, "{sql}");
        assert_eq!(loaded.client_secret.is_none(), broken.contains(&"client_secret"), "{sql}");
        assert_eq!(loaded.tokens.is_none(), broken != ["client_secret"], "{sql}");
        assert_eq!(store.attach(Some(vault(1))).await, Ok(VaultState::Ready), "the key itself is right");
    }
}

#[tokio::test]
async fn a_damaged_key_check_is_made_again_by_the_right_key_only() {
    for damage in [
        "DELETE FROM sealed WHERE name = 'key-check'",
        "UPDATE sealed SET value = x'01' WHERE name = 'key-check'",
    ] {
        let dir = dir();
        let (store, _) = full(dir.path()).await;
        raw(dir.path()).execute_batch(damage).unwrap();
        assert_eq!(store.attach(Some(vault(2))).await, Ok(VaultState::Foreign));
        assert_eq!(store.attach(Some(vault(1))).await, Ok(VaultState::Ready));
        assert_eq!(store.grants().await.unwrap().tokens, Some((tokens(1), false)));
    }
}

#[tokio::test]
async fn a_code_that_does_not_open_leaves_a_pairing_without_a_code() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_pairing(Some(&code()), None).await.unwrap();
    raw(dir.path()).execute_batch("UPDATE sealed SET value = x'01' WHERE name = 'user_code'").unwrap();
    let loaded = store.grants().await.unwrap();
    assert_eq!((loaded.pairing, loaded.broken), (running(None), vec!["user_code".to_owned()]));
    store.erase_pairing().await.unwrap();
    assert_eq!(store.grants().await.unwrap(), Grants::default());
}
