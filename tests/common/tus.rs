//! A tus server that is not ours (tests/tus), as a child process, and the door by which a test commands it.
use std::collections::HashMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::oidc::Script;
use super::soon;

/// The server. It ends with this.
pub(crate) struct TusServer {
    script: Script,
    http: reqwest::Client,
    dir: TempDir,
}

/// What lies there.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TusUpload {
    pub(crate) id: String,
    pub(crate) size: u64,
    pub(crate) offset: u64,
    pub(crate) metadata: HashMap<String, String>,
}

/// A request that it was sent.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TusRequest {
    pub(crate) method: String,
    /// -1: it has none.
    pub(crate) offset: i64,
    pub(crate) length: u64,
    /// 0: nothing was answered. Missing while it is under way.
    pub(crate) status: Option<u16>,
}

impl TusServer {
    /// Takes access tokens of this issuer. `options` as tests/tus/server.mjs lists them.
    pub(crate) async fn start(issuer: &str, mut options: Value) -> TusServer {
        let _first = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        options["dir"] = json!(dir.path());
        options["issuer"] = json!(issuer);
        let script = Script::of("tests/tus", "server.mjs", &[&options.to_string()], &[]).await;
        TusServer { script, http: reqwest::Client::builder().no_proxy().build().unwrap(), dir }
    }

    /// Where uploads are created.
    pub(crate) fn url(&self) -> &str {
        &self.script.url
    }

    /// The bytes of an upload.
    pub(crate) fn bytes(&self, id: &str) -> Vec<u8> {
        let path: PathBuf = self.dir.path().join(id);
        std::fs::read(path).unwrap()
    }

    async fn order<R: serde::de::DeserializeOwned>(&self, order: &str, words: Value) -> R {
        let url: url::Url = self.url().parse().unwrap();
        let url = url.join(&format!("/control/{order}")).unwrap();
        let answer = soon(order, self.http.post(url).body(words.to_string()).send()).await.unwrap();
        let (good, text) = (answer.status().is_success(), answer.text().await.unwrap());
        assert!(good, "{order}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn uploads(&self) -> Vec<TusUpload> {
        self.order("uploads", json!({})).await
    }

    pub(crate) async fn log(&self) -> Vec<TusRequest> {
        self.order("log", json!({})).await
    }

    /// The next requests of this method meet a fault, as tests/tus/server.mjs lists them.
    pub(crate) async fn fault(&self, method: &str, mut fault: Value) {
        fault["method"] = json!(method);
        self.order::<()>("fault", fault).await;
    }

    /// How many faults nothing has met.
    pub(crate) async fn pending(&self) -> u64 {
        self.order("pending", json!({})).await
    }

    /// No more faults.
    pub(crate) async fn mend(&self) {
        self.order::<()>("mend", json!({})).await;
    }

    /// What is not finished loses what lies behind so many bytes.
    pub(crate) async fn shorten(&self, bytes: u64) {
        self.order::<()>("shorten", json!({ "bytes": bytes })).await;
    }

    /// It has nothing any more.
    pub(crate) async fn forget(&self) {
        self.order::<()>("forget", json!({})).await;
    }

    /// The same, and something before it speaks in its place.
    pub(crate) async fn forget_without_a_word(&self) {
        self.order::<()>("forget", json!({ "without_a_word": true })).await;
    }
}
