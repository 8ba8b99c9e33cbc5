//! What is kept of a grant that was ended here, until the provider has heard.
use std::time::Duration;

use rigpost_core::identity::revocation::{Kept, MOST, Progress, RevocationId};
use rigpost_core::identity::rig::Parting;
use rigpost_core::oauth::{ClientSecret, Revocable};
use rigpost_core::secret::Secret;
use rigpost_daemon::store::{Grants, Store, StoreError};

use crate::support::*;

fn kept(id: u64, ours: bool) -> Kept {
    let progress = Progress { tries: 0, spent: Duration::ZERO, noted: at(0) };
    Kept { id: RevocationId(id), ours, progress }
}

async fn paired(dir: &std::path::Path) -> Store {
    let store = ready(dir).await;
    store.save_client_secret(&client_secret()).await.unwrap();
    store.save_tokens(&tokens(1)).await.unwrap();
    store
}

fn sealed(dir: &std::path::Path) -> Vec<String> {
    let conn = raw(dir);
    let mut statement = conn.prepare("SELECT name FROM sealed ORDER BY name").unwrap();
    statement.query_map([], |r| r.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn what_it_takes_to_revoke_survives_a_power_cut_and_is_sealed() {
    let dir = dir();
    let store = paired(dir.path()).await;
    let name = store.identity(None, &cloud()).await.unwrap().client_id;
    store.erase_tokens(&parting(1, 1)).await.unwrap();
    let copy = cut_power(dir.path());
    let again = ready(copy.path()).await;
    let loaded = again.grants().await.unwrap();
    let expected = Grants {
        client_secret: Some(client_secret()),
        revocations: vec![kept(1, true)],
        ..Grants::default()
    };
    assert_eq!(loaded, expected, "out of use, and not forgotten");
    let (of, client) = again.revocation(RevocationId(1)).await.unwrap().unwrap();
    assert_eq!(of, Revocable::Refresh(tokens(1).refresh.unwrap()));
    assert_eq!((client.id.0, client.secret), (name, Some(client_secret())));
    for (file, bytes) in contents(copy.path()) {
        for secret in ["refresh-1", "access-1", "model-secret"] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret} in {file}");
        }
    }
}

#[tokio::test]
async fn forgetting_keeps_what_it_takes_and_nothing_else_that_is_sealed() {
    let dir = dir();
    let store = paired(dir.path()).await;
    let name = store.identity(None, &cloud()).await.unwrap().client_id;
    store.save_pairing(Some(&code()), None).await.unwrap();
    store.forget(&parting(1, 1)).await.unwrap();
    assert_eq!(sealed(dir.path()), ["key-check", "revocation/1/secret", "revocation/1/token"]);
    let next = store.identity(None, &cloud()).await.unwrap().client_id;
    let (_, client) = store.revocation(RevocationId(1)).await.unwrap().unwrap();
    assert_eq!((client.id.0.clone(), client.secret), (name, Some(client_secret())));
    assert_ne!(client.id.0, next, "as whom it was granted to");
    store.erase_revocation(RevocationId(1)).await.unwrap();
    assert_eq!(sealed(dir.path()), ["key-check"]);
    assert!(!store.has_sealed_records().await.unwrap());
    assert_eq!(store.revocation(RevocationId(1)).await, Ok(None));
}

#[tokio::test]
async fn who_goes_goes_in_the_same_step() {
    let dir = dir();
    let store = paired(dir.path()).await;
    for id in 1..=MOST as u64 {
        store.keep_revocation(&parting(id, 1)).await.unwrap();
    }
    store.erase_tokens(&Parting { gone: vec![RevocationId(1)], ..parting(9, 1) }).await.unwrap();
    let ids: Vec<u64> = store.grants().await.unwrap().revocations.iter().map(|kept| kept.id.0).collect();
    assert_eq!(ids, (2..=9).collect::<Vec<_>>());
    let all = (2..=9).map(RevocationId).collect();
    store.erase_tokens(&Parting { keep: None, gone: all }).await.unwrap();
    assert_eq!(sealed(dir.path()), ["client_secret", "key-check"]);
}

#[tokio::test]
async fn what_comes_late_is_revoked_as_whom_it_was_granted_to() {
    let dir = dir();
    let store = paired(dir.path()).await;
    let whose = async |id| store.revocation(RevocationId(id)).await.unwrap().unwrap().1;
    store.forget(&parting(1, 1)).await.unwrap();
    store.identity(None, &cloud()).await.unwrap();
    let mut late = parting(2, 2);
    late.keep.as_mut().unwrap().like = Some(RevocationId(1));
    store.keep_revocation(&late).await.unwrap();
    assert_eq!(whose(2).await, whose(1).await);
    assert!(whose(2).await.secret.is_some());
    // Nobody knows any more whom it was granted to.
    let mut lost = parting(3, 3);
    lost.keep.as_mut().unwrap().like = Some(RevocationId(9));
    store.keep_revocation(&lost).await.unwrap();
    assert_ne!(whose(3).await.id, whose(1).await.id);
}

#[tokio::test]
async fn how_far_it_has_come_is_known_after_a_restart() {
    let dir = dir();
    let store = paired(dir.path()).await;
    store.erase_tokens(&parting(1, 1)).await.unwrap();
    let progress = Progress { tries: 7, spent: Duration::from_secs(90_000), noted: at(99) };
    store.note_revocation(RevocationId(1), progress).await.unwrap();
    store.erase_tokens(&parting(1, 1)).await.unwrap();
    drop(store);
    let loaded = ready(dir.path()).await.grants().await.unwrap();
    assert_eq!(loaded.revocations, [Kept { progress, ..kept(1, true) }]);
}

#[tokio::test]
async fn what_one_provider_gave_is_not_another_s_to_revoke() {
    let dir = dir();
    let store = paired(dir.path()).await;
    store.erase_tokens(&parting(1, 1)).await.unwrap();
    store.identity(None, &login()).await.unwrap();
    assert_eq!(store.grants().await.unwrap().revocations, [kept(1, false)]);
    store.save_tokens(&tokens(2)).await.unwrap();
    store.forget(&parting(2, 2)).await.unwrap();
    store.identity(None, &cloud()).await.unwrap();
    assert_eq!(store.grants().await.unwrap().revocations, [kept(1, true), kept(2, false)]);
    let secret = store.revocation(RevocationId(1)).await.unwrap().unwrap().1.secret;
    assert_eq!(secret, Some(client_secret()), "it outlives who the rig was");
}

#[tokio::test]
async fn a_lost_key_takes_them_along() {
    let dir = dir();
    let store = paired(dir.path()).await;
    store.erase_tokens(&parting(1, 1)).await.unwrap();
    let secret = ClientSecret(Secret::new("another"));
    store.readopt(vault(2), &secret).await.unwrap();
    assert_eq!(store.grants().await.unwrap().revocations, []);
    let rows: i64 = raw(dir.path()).query_row("SELECT count(*) FROM revocation", [], |r| r.get(0)).unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn without_a_key_nothing_is_erased_and_nothing_lost() {
    let dir = dir();
    let store = paired(dir.path()).await;
    store.attach(None).await.unwrap();
    assert!(matches!(store.erase_tokens(&parting(1, 1)).await, Err(StoreError::Sealed { .. })));
    store.attach(Some(vault(1))).await.unwrap();
    let loaded = store.grants().await.unwrap();
    assert_eq!((loaded.tokens, loaded.revocations), (Some((tokens(1), false)), vec![]));
}
