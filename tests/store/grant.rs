//! Client secret, tokens, code, project.
use std::time::Duration;

use rigpost_core::identity::pairing::{Running, TimeLimit};
use rigpost_core::identity::rig::Parting;
use rigpost_core::identity::tokens::Ending;
use rigpost_core::oauth::{Binding, Thumbprint, TokenSet};
use rigpost_core::queue::item::ItemState;
use rigpost_core::time::WallTime;
use rigpost_daemon::store::{Grants, Store, StoreError};

use crate::support::*;

#[tokio::test]
async fn a_new_rig_has_nothing() {
    let dir = dir();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.created());
    assert_eq!(store.grants().await.unwrap(), Grants::default());
    assert_eq!(store.mark_refresh().await, Err(StoreError::NotFound("identity".into())));
    store.identity(None, &cloud()).await.unwrap();
    assert_eq!(store.grants().await.unwrap(), Grants::default());
    assert_eq!(store.mark_refresh().await, Err(StoreError::NotFound("tokens".into())));
    assert!(matches!(store.end_grant(Ending::Revoked, false).await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn everything_comes_back_after_a_power_cut() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_client_secret(&client_secret()).await.unwrap();
    store.save_tokens(&tokens(1)).await.unwrap();
    store.save_device(&device("p")).await.unwrap();
    store.save_pairing(Some(&code()), Some(limit())).await.unwrap();
    store.set_paused(true).await.unwrap();
    store.mark_refresh().await.unwrap();
    let copy = cut_power(dir.path());
    let again = ready(copy.path()).await;
    assert!(!again.created());
    let expected = Grants {
        client_secret: Some(client_secret()),
        tokens: Some((tokens(1), true)),
        ended: None,
        device: Some(device("p")),
        pairing: Some(Running { code: Some(code()), limit: Some(limit()) }),
        paused: true,
        refreshed_at: Some(WallTime(1_790_000_000)),
        revocations: vec![],
        issuer: vec![],
        broken: vec![],
    };
    assert_eq!(again.grants().await.unwrap(), expected);
    assert_eq!(again.verify().await, Ok(()));
}

#[tokio::test]
async fn new_tokens_end_the_mark_the_ending_and_the_pairing_at_once() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_tokens(&tokens(1)).await.unwrap();
    store.mark_refresh().await.unwrap();
    store.end_grant(Ending::ClientRejected, true).await.unwrap();
    let loaded = store.grants().await.unwrap();
    assert_eq!((loaded.ended, loaded.tokens), (Some(Ending::ClientRejected), Some((tokens(1), false))));
    store.save_pairing(Some(&code()), None).await.unwrap();
    let mut next = tokens(2);
    next.refresh = None;
    store.save_tokens(&next).await.unwrap();
    let loaded = store.grants().await.unwrap();
    assert_eq!((loaded.ended, loaded.tokens, loaded.pairing), (None, Some((next, false)), None));
    assert_eq!(sealed_names(dir.path()), ["access_token", "key-check"]);
}

#[tokio::test]
async fn an_ended_grant_leaves_no_token_and_says_how() {
    let dir = dir();
    let store = ready(dir.path()).await;
    for ending in [Ending::Revoked, Ending::InterruptedRefresh, Ending::ClientRejected, Ending::Unreadable] {
        store.save_tokens(&tokens(1)).await.unwrap();
        store.save_device(&device("p")).await.unwrap();
        store.end_grant(ending, false).await.unwrap();
        let loaded = store.grants().await.unwrap();
        assert_eq!((loaded.ended, loaded.tokens, loaded.device), (Some(ending), None, Some(device("p"))));
        assert_eq!(sealed_names(dir.path()), ["key-check"]);
    }
}

#[tokio::test]
async fn unpairing_keeps_identity_secret_and_queue() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let name = store.identity(None, &cloud()).await.unwrap().client_id;
    store.save_client_secret(&client_secret()).await.unwrap();
    store.save_tokens(&tokens(1)).await.unwrap();
    store.save_device(&device("p")).await.unwrap();
    store.save_pairing(None, None).await.unwrap();
    assert_eq!(store.grants().await.unwrap().pairing, running(None));
    let id = add_one(&store, clip(1, Some("p"))).await;
    store.erase_tokens(&Parting::default()).await.unwrap();
    let expected = Grants { client_secret: Some(client_secret()), ..Grants::default() };
    assert_eq!(store.grants().await.unwrap(), expected);
    assert_eq!(store.identity(None, &cloud()).await.unwrap().client_id, name);
    assert_eq!(store.get(&[id]).await.unwrap()[0].state, ItemState::Queued);
}

#[tokio::test]
async fn forgetting_erases_identity_and_secrets_and_holds_the_queue() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let name = store.identity(None, &cloud()).await.unwrap().client_id;
    store.save_client_secret(&client_secret()).await.unwrap();
    store.save_tokens(&tokens(1)).await.unwrap();
    store.save_device(&device("p")).await.unwrap();
    let (a, b) = (add_one(&store, clip(1, Some("p"))).await, add_one(&store, clip(2, None)).await);
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(a, &asset("x", 2)).await.unwrap();
    store.forget(&Parting::default()).await.unwrap();
    assert_eq!(store.grants().await.unwrap(), Grants::default());
    assert_eq!(sealed_names(dir.path()), ["key-check"]);
    assert!(!store.has_sealed_records().await.unwrap());
    for item in store.get(&[a, b]).await.unwrap() {
        assert_eq!(
            (item.state, item.reason.as_str(), item.asset_id.as_str()),
            (ItemState::Held, "forgotten", "")
        );
    }
    assert_eq!(store.orphans().await, Ok(1));
    let next = store.identity(None, &cloud()).await.unwrap();
    assert!(next.client_id != name && !next.changed);
    assert_eq!(store.save_device(&device("p")).await.unwrap(), [a, b]);
    assert!(store.claim("p", &[], None).await.unwrap().is_some_and(|item| item.id == a));
}

#[tokio::test]
async fn a_limit_is_kept_beside_its_code_and_goes_with_it() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.note_pairing(Some(limit()), None).await.unwrap();
    assert_eq!(store.grants().await.unwrap().pairing, None, "there is no pairing to end");
    store.save_pairing(Some(&code()), None).await.unwrap();
    assert_eq!(store.grants().await.unwrap().pairing, running(Some(code())));
    for left in [Duration::ZERO, Duration::from_millis(1500)] {
        let limit = TimeLimit { left, ..limit() };
        store.note_pairing(Some(limit), None).await.unwrap();
        let expected = Running { code: Some(code()), limit: Some(limit) };
        assert_eq!(store.grants().await.unwrap().pairing, Some(expected));
    }
    // A key that is lost takes the code along, and not the limit.
    store.attach(Some(vault(2))).await.unwrap();
    store.readopt(vault(2), &client_secret()).await.unwrap();
    let left = store.grants().await.unwrap().pairing.map(|p| (p.code, p.limit.is_some()));
    assert_eq!(left, Some((None, true)));
    store.save_pairing(None, None).await.unwrap();
    assert_eq!(store.grants().await.unwrap().pairing, running(None));
}

//= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//= type=test
//# the interval MUST be increased by 5 seconds for this and all subsequent requests
#[tokio::test]
async fn a_wait_between_polls_that_has_grown_is_kept_beside_its_code() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let longer = code().auth.interval + Duration::from_secs(5);
    store.note_pairing(None, Some(longer)).await.unwrap();
    assert_eq!(store.grants().await.unwrap().pairing, None, "there is no code to ask about");
    store.save_pairing(Some(&code()), None).await.unwrap();
    store.note_pairing(None, Some(longer)).await.unwrap();
    let kept = store.grants().await.unwrap().pairing.and_then(|running| running.code).unwrap();
    assert_eq!((kept.auth.interval, &kept.auth.device_code), (longer, &code().auth.device_code));
    // The next code brings its own.
    store.save_pairing(Some(&code()), None).await.unwrap();
    assert_eq!(store.grants().await.unwrap().pairing, running(Some(code())));
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.3
//= type=test
//# MUST be kept confidential in transit and storage
#[tokio::test]
async fn no_secret_is_readable_in_any_file() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_client_secret(&client_secret()).await.unwrap();
    store.save_tokens(&tokens(1)).await.unwrap();
    store.save_pairing(Some(&code()), None).await.unwrap();
    let id = add_one(&store, clip(1, Some("p"))).await;
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(id, &asset("x", 2)).await.unwrap();
    for (name, bytes) in contents(dir.path()) {
        for secret in ["model-secret", "access-1", "refresh-1", "device-code-1", "123456", "Signature"] {
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{secret} in {name}");
        }
    }
}

fn sealed_names(dir: &std::path::Path) -> Vec<String> {
    let conn = raw(dir);
    let mut statement = conn.prepare("SELECT name FROM sealed ORDER BY name").unwrap();
    statement.query_map([], |r| r.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// What tokens are bound to is kept with them, and goes with them.
#[tokio::test]
async fn a_binding_is_of_its_tokens() {
    let dir = dir();
    let store = ready(dir.path()).await;
    for access in [true, false] {
        let binding = Some(Binding {
            key: Thumbprint("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".to_owned()),
            access,
        });
        let bound = TokenSet { binding, ..tokens(1) };
        store.save_tokens(&bound).await.unwrap();
        assert_eq!(store.grants().await.unwrap().tokens, Some((bound, false)));
    }
    store.save_tokens(&tokens(2)).await.unwrap();
    assert_eq!(store.grants().await.unwrap().tokens, Some((tokens(2), false)));
}
