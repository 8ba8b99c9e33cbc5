//! One name for life.
use rigpost_core::oauth::{Cause, DeviceInfo, IdToken, TokenSet, Wanting};
use rigpost_core::provider::ProviderKey;
use rigpost_core::queue::item::{ItemReason, ItemState};
use rigpost_core::secret::Secret;
use rigpost_daemon::store::{Grants, Identity, Store, StoreError};

use crate::support::*;

//= frameio-c2c#2
//= type=test
//# The client_id is unique for each physical device and ours to make: a serial number, or a random UUID made
//# once and stored.
#[tokio::test]
async fn a_name_is_made_once_and_is_random() {
    let (one, two) = (dir(), dir());
    let first = ready(one.path()).await.identity(None, &cloud()).await.unwrap();
    assert!(!first.changed);
    let uuid = uuid::Uuid::parse_str(&first.client_id).unwrap();
    assert_eq!(uuid.get_version_num(), 4);
    for _ in 0..3 {
        assert_eq!(ready(one.path()).await.identity(None, &cloud()).await.unwrap(), first);
    }
    assert_ne!(ready(two.path()).await.identity(None, &cloud()).await.unwrap().client_id, first.client_id);
}

#[tokio::test]
async fn a_name_survives_the_loss_of_the_log() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let name = store.identity(None, &cloud()).await.unwrap();
    let copy = cut_power(dir.path());
    std::fs::remove_file(db(copy.path()).with_extension("db-wal")).unwrap();
    assert_eq!(Store::open(copy.path()).unwrap().identity(None, &cloud()).await.unwrap(), name);
}

#[tokio::test]
async fn the_configured_name_wins_and_the_grant_of_the_old_one_waits() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let random = store.identity(None, &cloud()).await.unwrap().client_id;
    store.save_client_secret(&client_secret()).await.unwrap();
    store.save_tokens(&tokens(1)).await.unwrap();
    store.save_device(&device("p")).await.unwrap();
    store.save_pairing(Some(&code()), None).await.unwrap();
    let serial = Identity { client_id: "SN-1".into(), changed: true };
    assert_eq!(store.identity(Some("SN-1"), &cloud()).await.unwrap(), serial);
    assert_eq!(
        store.identity(Some("SN-1"), &cloud()).await.unwrap(),
        Identity { changed: false, ..serial.clone() }
    );
    // Without a word from the configuration the last name stays.
    assert_eq!(store.identity(None, &cloud()).await.unwrap(), Identity { changed: false, ..serial });
    let loaded = store.grants().await.unwrap();
    assert_eq!((loaded.tokens, loaded.device, loaded.pairing, loaded.refreshed_at), (None, None, None, None));
    assert_eq!(loaded.client_secret, Some(client_secret()));
    assert!(store.mark_refresh().await.is_err());
    // Put right again, nothing is lost.
    assert!(store.identity(Some(&random), &cloud()).await.unwrap().changed);
    let loaded = store.grants().await.unwrap();
    assert_eq!((loaded.tokens, loaded.device), (Some((tokens(1), false)), Some(device("p"))));
    // A new pairing under the other name replaces it.
    store.identity(Some("SN-1"), &cloud()).await.unwrap();
    store.save_tokens(&tokens(2)).await.unwrap();
    assert_eq!(store.grants().await.unwrap().tokens, Some((tokens(2), false)));
    store.identity(Some(&random), &cloud()).await.unwrap();
    assert_eq!(store.grants().await.unwrap().tokens, None);
}

//= frameio-c2c#2
//= type=test
//# The client_id stays the same from the request for a code to the revocation.
#[tokio::test]
async fn a_name_that_was_damaged_or_lost_is_never_replaced() {
    for damage in [
        "UPDATE identity SET client_id = 'someone-else'",
        "UPDATE identity SET check_sha256 = x'00'",
        "DELETE FROM identity",
    ] {
        let dir = dir();
        drop(ready(dir.path()).await);
        raw(dir.path()).execute_batch(damage).unwrap();
        let store = Store::open(dir.path()).unwrap();
        for wanted in [None, Some("SN-1")] {
            assert!(is_corrupt(&store.identity(wanted, &cloud()).await), "{damage} {wanted:?}");
        }
        assert!(is_corrupt(&store.grants().await), "{damage}");
    }
}

#[tokio::test]
async fn what_one_provider_has_granted_is_not_another_s_and_is_there_again_when_it_is_back() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let name = store.identity(None, &cloud()).await.unwrap().client_id;
    store.save_client_secret(&client_secret()).await.unwrap();
    store.save_tokens(&tokens(1)).await.unwrap();
    store.save_device(&device("p")).await.unwrap();
    let frameio = store.grants().await.unwrap();
    let other = &login();
    let moved = store.identity(None, other).await.unwrap();
    assert_eq!(moved, Identity { client_id: name.clone(), changed: true }, "the rig keeps its own name");
    let there = store.grants().await.unwrap();
    assert_eq!((there.client_secret, there.tokens, there.device), (None, None, None));
    assert_eq!(store.mark_refresh().await, Err(StoreError::NotFound("tokens".into())));
    store.identity(None, &cloud()).await.unwrap();
    assert_eq!(store.grants().await.unwrap(), frameio, "a slip in the configuration loses nothing");
    store.identity(None, other).await.unwrap();
    // A pairing begun there and left, and then a refresh here, which is no new grant.
    store.save_pairing(Some(&code()), None).await.unwrap();
    store.identity(None, &cloud()).await.unwrap();
    store.save_tokens(&tokens(1)).await.unwrap();
    assert_eq!(store.grants().await.unwrap().device, Some(device("p")));
    store.identity(None, other).await.unwrap();
    store.save_tokens(&tokens(2)).await.unwrap();
    store.save_device(&device("https://login.example/")).await.unwrap();
    assert_eq!(store.grants().await.unwrap().tokens, Some((tokens(2), false)));
    store.identity(None, &cloud()).await.unwrap();
    let back = store.grants().await.unwrap();
    assert_eq!(
        (back.client_secret, back.tokens),
        (Some(client_secret()), None),
        "another's tokens are not ours"
    );
}

#[tokio::test]
async fn an_id_token_is_kept_where_keys_may_be_asked_for_with_it() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let id_token = Some(IdToken(Secret::new("h.p.s")));
    store.save_tokens(&TokenSet { id_token: id_token.clone(), ..tokens(1) }).await.unwrap();
    let kept = |loaded: Grants| loaded.tokens.unwrap().0.id_token;
    assert_eq!(kept(store.grants().await.unwrap()), id_token);
    for wanting in [Wanting::Passing(Cause::Network), Wanting::Document] {
        store.save_device(&DeviceInfo { wanting, ..device("p") }).await.unwrap();
        assert_eq!(kept(store.grants().await.unwrap()), id_token, "nobody could verify it");
    }
    store.save_device(&device("p")).await.unwrap();
    assert_eq!(kept(store.grants().await.unwrap()), id_token, "clips are delivered");
    store.save_tokens(&tokens(2)).await.unwrap();
    assert_eq!(store.grants().await.unwrap().tokens.unwrap().0, tokens(2), "it goes with its set");
}

#[tokio::test]
async fn one_cloud_s_projects_are_not_another_s_though_they_have_the_same_names() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_tokens(&tokens(1)).await.unwrap();
    store.save_device(&device("p")).await.unwrap();
    let ours = add_one(&store, clip(1, None)).await;
    let copy = ProviderKey::frameio(&"https://copy.example".parse().unwrap());
    store.identity(None, &copy).await.unwrap();
    assert_eq!(store.claim("p", &[], None).await.unwrap(), None, "nothing is paired here");
    store.save_pairing(None, None).await.unwrap();
    store.save_tokens(&tokens(2)).await.unwrap();
    assert_eq!(store.save_device(&device("p")).await.unwrap(), [ours]);
    let held = store.get(&[ours]).await.unwrap().remove(0);
    let seen = (held.state, held.reason, held.clip.project_id.as_deref());
    assert_eq!(seen, (ItemState::Held, ItemReason::OtherProject, Some("p")));
    store.retry(&[ours]).await.unwrap();
    let theirs = add_one(&store, clip(2, None)).await;
    let next = store.claim("p", &[], None).await.unwrap().unwrap();
    assert_eq!((next.id, next.clip.project_id.as_deref()), (theirs, Some("p")));
    store.finish(theirs, ItemState::Done, ItemReason::None, "", at(3)).await.unwrap();
    let listed = store.list(None, None, 0, 10).await.unwrap().0;
    assert!(listed.iter().all(|item| item.clip.project_id.as_deref() == Some("p")), "{listed:?}");
    assert_eq!(store.receipt(theirs).await.unwrap().unwrap().item.clip.project_id.as_deref(), Some("p"));
    // A person's word sends it to the copy, and nothing else does.
    assert_eq!(store.claim("p", &[], None).await.unwrap(), None);
    store.release(&[ours]).await.unwrap();
    assert_eq!(store.claim("p", &[], None).await.unwrap().unwrap().id, ours);
    store.finish(ours, ItemState::Queued, ItemReason::None, "", at(99)).await.unwrap();
    // Back at the first, what is the copy's is held, and what is new goes there.
    store.identity(None, &cloud()).await.unwrap();
    assert_eq!(store.grants().await.unwrap().tokens, None, "there is one grant at a time");
    store.save_pairing(None, None).await.unwrap();
    store.save_tokens(&tokens(3)).await.unwrap();
    assert_eq!(store.save_device(&device("p")).await.unwrap(), [ours]);
}
