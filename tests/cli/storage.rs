//! What `rigpost doctor` says of storage of one's own, by what it is told and by what the daemon has seen.
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zbus::Variant;

use super::fake::{self, Bus, Dict, Fake};
use super::{check, doctor_with, http};

/// A server that answers so to everything.
async fn answering(answer: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if stream.read(&mut [0; 4096]).await.is_ok_and(|got| got == 0) {
                continue;
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

fn set(item: &mut Dict, key: &str, value: impl Into<Variant<'static>>) {
    item.insert(key.to_owned(), value.into().try_into_owned().unwrap());
}

#[tokio::test]
async fn doctor_asks_the_daemon_what_a_tus_server_does_not_tell_strangers() {
    let (bus, fake) = (Bus::new(), Fake::default());
    let _service = fake.serve(&bus).await;
    let issuer = answering(http("404 Not Found", "text/plain", "", "")).await;
    let endpoint = answering(http("405 Method Not Allowed", "text/html", "", "<html>405")).await;
    let lines = format!(
        "kind = \"oauth\"\nclient_id = \"a\"\nissuer = \"{issuer}\"\n[delivery]\nkind = \"tus\"\nendpoint = \"{endpoint}\"\n"
    );
    let found = doctor_with(&bus, &lines, &[]).await;
    assert_eq!(check(&found, "configuration", "verdict"), "ok", "{found}");
    assert_eq!(check(&found, "uploads", "verdict"), "warn", "{found}");
    assert!(check(&found, "uploads", "next").ends_with("is right shows with the first clip"), "{found}");
    assert_eq!(check(&found, "put", "verdict"), "skipped", "{found}");

    let mut item = fake::item(7, Path::new("/media/a.mov"), "done", "");
    set(&mut item, "project_id", endpoint.clone());
    set(&mut item, "delivered", 1_790_000_000i64);
    (fake.world().items, fake.world().receipt) = (vec![fake::clone_item(&item)], item);
    let found = doctor_with(&bus, &lines, &[]).await;
    assert_eq!(check(&found, "uploads", "verdict"), "ok", "{found}");
    assert!(check(&found, "uploads", "finding").ends_with("taken on 21 Sep 2026, 14:13"), "{found}");
    assert_eq!(check(&found, "put", "verdict"), "ok", "{found}");

    let mut waits = fake::item(8, Path::new("/media/b.mov"), "queued", "HTTP 403");
    set(&mut waits, "attempts", 3u32);
    set(&mut waits, "reason", "not-answering");
    fake.world().items.push(fake::clone_item(&waits));
    let found = doctor_with(&bus, &lines, &[]).await;
    assert_eq!(check(&found, "put", "verdict"), "ok", "a card is no fault of the storage: {found}");
    fake.world().items.pop();
    set(&mut waits, "reason", "provider");
    fake.world().items.push(waits);
    let found = doctor_with(&bus, &lines, &[]).await;
    assert_eq!(check(&found, "uploads", "verdict"), "warn", "{found}");
    assert!(check(&found, "put", "next").contains("retry --all --state queued"), "{found}");
}
