//! What issuers say of themselves, by provider.
use rigpost_core::provider::ProviderKey;
use rigpost_core::provider::kept::{Document, KeptDocument, MOST};
use rigpost_daemon::clock::Clock;
use rigpost_daemon::store::{ClientKind, Location, Store};
use rigpost_daemon::vault::KeySource;
use tempfile::TempDir;

use crate::support::*;

/// Said then.
pub(crate) fn metadata(boot: u64, text: &str) -> KeptDocument {
    let (document, from) = (Document::Metadata, "https://login.example/".to_owned());
    KeptDocument { document, from, text: Some(text.to_owned()), said: at(boot) }
}

/// Opened for this provider, as the daemon has it after its start.
async fn used_with(dir: &TempDir, provider: ProviderKey) -> Store {
    let location = Location {
        dir: dir.path().to_owned(),
        key: KeySource::File { path: dir.path().join("root.key") },
        client_id: None,
        provider,
        client: ClientKind::default(),
    };
    let store = Store::at(location, Clock::system());
    assert_eq!(store.load().await.0.unusable, None);
    store
}

async fn known(store: &Store) -> Vec<KeptDocument> {
    store.grants().await.unwrap().issuer
}

#[tokio::test]
async fn each_document_is_kept_in_place_of_the_one_before() {
    let dir = dir();
    let keys = KeptDocument {
        document: Document::Keys,
        from: "https://login.example/keys".to_owned(),
        ..metadata(5, "[]")
    };
    {
        let store = used_with(&dir, login()).await;
        assert_eq!(known(&store).await, []);
        store.keep_issuer(vec![metadata(1, "old"), keys.clone()]).await.unwrap();
        store.keep_issuer(vec![metadata(2, "new")]).await.unwrap();
    }
    let store = used_with(&dir, login()).await;
    assert_eq!(known(&store).await, [keys.clone(), metadata(2, "new")]);
    store.keep_issuer(vec![KeptDocument { text: None, ..metadata(3, "") }]).await.unwrap();
    assert_eq!(known(&store).await, [keys], "nothing in place of it");
}

#[tokio::test]
async fn what_one_issuer_said_is_not_another_s_nor_another_application_s() {
    let dir = dir();
    used_with(&dir, login()).await.keep_issuer(vec![metadata(1, "{}")]).await.unwrap();
    let tenant = ProviderKey::oauth(&"https://login.example/realms/b".parse().unwrap(), "app-1");
    let application = ProviderKey::oauth(&"https://login.example/".parse().unwrap(), "app-2");
    for other in [tenant, application, cloud()] {
        let store = used_with(&dir, other).await;
        assert_eq!(known(&store).await, []);
        store.keep_issuer(vec![metadata(2, "theirs")]).await.unwrap();
    }
    assert_eq!(known(&used_with(&dir, login()).await).await, [metadata(1, "{}")], "as before");
}

#[tokio::test]
async fn the_database_takes_none_that_is_too_large() {
    let dir = dir();
    let store = used_with(&dir, login()).await;
    store.keep_issuer(vec![metadata(1, &"x".repeat(MOST))]).await.unwrap();
    assert!(store.keep_issuer(vec![metadata(2, &"x".repeat(MOST + 1))]).await.is_err());
    assert_eq!(known(&store).await[0].said, at(1), "all or nothing");
}
