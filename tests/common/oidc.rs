//! An OpenID provider that is not ours (tests/oidc), as a child process, and the door by which a test commands it.
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{PATIENCE, soon};

/// A request that the provider answered. Secrets are marks: the same for the same secret.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Asked {
    pub(crate) n: u64,
    /// When it was answered, on a clock of the provider's own.
    pub(crate) ms: u64,
    pub(crate) connection: u64,
    /// Its number on the connection.
    pub(crate) request: u64,
    pub(crate) endpoint: String,
    pub(crate) path: String,
    /// How the client showed who it is.
    pub(crate) auth: String,
    pub(crate) form: HashMap<String, String>,
    /// Missing where nothing was answered.
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) fault: Option<String>,
    /// The claims of its proof (RFC 9449 §4.2), and `key`.
    pub(crate) proof: Option<Value>,
}

impl Asked {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }
}

/// A program for Node.js that says where it listens; it ends with this.
pub(crate) struct Script {
    _child: Child,
    pub(crate) url: String,
}

impl Script {
    /// One of tests/oidc.
    pub(crate) async fn start(name: &str, arguments: &[&str], env: &[(&str, &str)]) -> Script {
        Self::of("tests/oidc", name, arguments, env).await
    }

    /// One of this folder.
    pub(crate) async fn of(folder: &str, name: &str, arguments: &[&str], env: &[(&str, &str)]) -> Script {
        let dir = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::exists(format!("{dir}/node_modules")).unwrap(), "tests/setup tests installs them");
        let mut command = Command::new("node");
        command.arg(name).args(arguments).envs(env.iter().copied()).current_dir(dir);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("Node.js is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = soon(name, lines.next_line()).await.unwrap().unwrap_or_else(|| panic!("{name} ended"));
        Script { _child: child, url }
    }
}

/// The provider.
pub(crate) struct Oidc {
    script: Script,
    http: reqwest::Client,
}

impl Oidc {
    /// `options` as tests/oidc/provider.mjs lists them.
    pub(crate) async fn start(options: Value) -> Oidc {
        // Another test of this process may have been first; any ring provider will do.
        let _first = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Oidc { script: Script::start("provider.mjs", &[&options.to_string()], &[]).await, http }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.script.url
    }

    /// Without the port.
    pub(crate) fn host(&self) -> String {
        let url: url::Url = self.issuer().parse().unwrap();
        url.host_str().unwrap().to_owned()
    }

    async fn order(&self, order: &str, words: Value) -> Value {
        let url = format!("{}/control/{order}", self.issuer());
        let answer = soon(order, self.http.post(url).body(words.to_string()).send()).await.unwrap();
        let (good, text) = (answer.status().is_success(), answer.text().await.unwrap());
        assert!(good, "{order}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Somebody opens the page, types the code, signs in and agrees.
    pub(crate) async fn approve(&self, code: &str, login: &str) {
        self.order("approve", json!({ "user_code": code, "login": login })).await;
    }

    pub(crate) async fn deny(&self, code: &str) {
        self.order("deny", json!({ "user_code": code })).await;
    }

    pub(crate) async fn expire(&self, code: &str) {
        self.order("expire", json!({ "user_code": code })).await;
    }

    /// The next `times` requests meet a fault.
    pub(crate) async fn fault(&self, endpoint: &str, kind: &str, times: u32) {
        self.order("fault", json!({ "endpoint": endpoint, "kind": kind, "times": times })).await;
    }

    /// No more faults.
    pub(crate) async fn mend(&self) {
        self.order("mend", json!({})).await;
    }

    /// Changes fields of answers from now on.
    pub(crate) async fn edit(&self, edits: Value) {
        self.order("edits", edits).await;
    }

    /// Changes options from now on.
    pub(crate) async fn change(&self, options: Value) {
        self.order("options", options).await;
    }

    /// Signs with another key from now on; the old one is forgotten.
    pub(crate) async fn rotate_keys(&self) {
        self.order("rotate", json!({})).await;
    }

    /// All grants are gone.
    pub(crate) async fn revoke(&self) {
        self.order("revoke", json!({})).await;
    }

    /// Somebody else used all refresh tokens.
    pub(crate) async fn steal(&self) {
        self.order("steal", json!({})).await;
    }

    /// How many grants live.
    pub(crate) async fn grants(&self) -> u64 {
        self.order("grants", json!({})).await.as_u64().unwrap()
    }

    async fn log_after(&self, n: i64) -> Vec<Asked> {
        let url = format!("{}/control/log?after={n}", self.issuer());
        let answer = self.http.get(url).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// All requests until now.
    pub(crate) async fn log(&self) -> Vec<Asked> {
        self.log_after(-1).await
    }

    /// The requests to one endpoint until now.
    pub(crate) async fn asked(&self, endpoint: &str) -> Vec<Asked> {
        self.log().await.into_iter().filter(|a| a.endpoint == endpoint).collect()
    }

    /// Number of the newest request.
    pub(crate) async fn now(&self) -> u64 {
        self.log().await.last().map_or(0, |a| a.n)
    }

    /// The first request after number `after` that `wanted` accepts, once it is there.
    pub(crate) async fn wait(&self, after: u64, what: &str, wanted: impl Fn(&Asked) -> bool) -> Asked {
        let search = async {
            let mut seen = i64::try_from(after).unwrap();
            loop {
                for asked in self.log_after(seen).await {
                    seen = i64::try_from(asked.n).unwrap();
                    if wanted(&asked) {
                        return asked;
                    }
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("the provider was not asked: {what}"))
    }

    /// The next answer of an endpoint.
    pub(crate) async fn next(&self, after: u64, endpoint: &str) -> Asked {
        self.wait(after, endpoint, |a| a.endpoint == endpoint).await
    }
}

impl Drop for Oidc {
    /// Tells what it saw when the test failed.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let address = self.script.url.trim_start_matches("http://");
        let mut text = String::new();
        if let Ok(mut stream) = std::net::TcpStream::connect(address) {
            let _ = stream.write_all(b"GET /control/log?after=-1 HTTP/1.0\r\n\r\n");
            let _ = stream.read_to_string(&mut text);
        }
        let log = text.split("\r\n\r\n").nth(1).unwrap_or_default();
        eprintln!("--- the provider saw ---\n{}", log.replace("},{\"n\"", "}\n{\"n\""));
    }
}
