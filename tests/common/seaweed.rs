//! Object storage that is not ours, with a token service that believes an OpenID provider: SeaweedFS, as a child process.
//!
//! # Decisions
//! - What a token, a signature, a checksum and a precondition are worth is then judged by others.
//! - Its ports lie below those that the kernel gives out by itself. It opens the last of them seconds after they were
//!   chosen, when connections of other tests could have them.
use std::collections::HashMap;
use std::fs::File;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use rigpost_daemon::clock::Clock;
use rusty_s3::actions::{AbortMultipartUpload, CreateBucket, DeleteObject, GetObject, PutObject};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::soon;

const PROGRAM: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../python/bin/weed");
const BUCKET: &str = "footage";
const ROLE: &str = "arn:aws:iam::000000000001:role/rig";
/// May put objects, and neither look at them nor list.
const WRITER: &str = "arn:aws:iam::000000000001:role/writer";
/// The keys of whoever looks into the bucket.
const ADMIN: (&str, &str) = ("admin", "admin-secret");
/// How long our own addresses are good.
const OURS: Duration = Duration::from_secs(3600);
/// The services that it is made of, each with a port for HTTP and one for gRPC.
const SERVICES: [&str; 4] = ["master", "volume", "filer", "s3"];

/// The server, its bucket, and a role that may do anything there and nothing elsewhere. It ends with this.
pub(crate) struct Seaweed {
    server: Child,
    url: String,
    bucket: Bucket,
    admin: Credentials,
    http: reqwest::Client,
    /// Which it leaves behind where everybody's lie.
    sockets: Vec<String>,
    dir: TempDir,
}

impl Seaweed {
    /// Lets tokens of this issuer, for this audience, take the role, for as long as they ask.
    pub(crate) async fn start(issuer: &str, audience: &str) -> Seaweed {
        Self::start_brief(issuer, audience, Duration::from_secs(43_200)).await
    }

    /// The same, but its keys last no longer than this, whatever was asked for. They say so.
    pub(crate) async fn start_brief(issuer: &str, audience: &str, longest: Duration) -> Seaweed {
        assert!(std::fs::exists(PROGRAM).unwrap(), "no SeaweedFS: run tests/setup tests");
        let access = access(issuer, audience, longest);
        let start = async {
            loop {
                let mut seaweed = Self::spawn(&access);
                // It ends when somebody else has one of the ports.
                if seaweed.answers().await {
                    return seaweed;
                }
            }
        };
        soon("SeaweedFS", start).await
    }

    fn spawn(access: &Value) -> Seaweed {
        let _first = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let admin = json!([{ "accessKey": ADMIN.0, "secretKey": ADMIN.1 }]);
        let admin = json!({ "name": "admin", "credentials": admin, "actions": ["Admin"] });
        for (name, value) in [("keys.json", &json!({ "identities": [admin] })), ("access.json", access)] {
            std::fs::write(dir.path().join(name), value.to_string()).unwrap();
        }
        let mut command = Command::new(PROGRAM);
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=.", "-filer", "-s3"]);
        // Room for what it makes at once for a bucket that is new; the sizes are a bound, and nothing is taken.
        command.args(["-volume.max=100", "-s3.config=keys.json", "-s3.iam.config=access.json"]);
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.args(["-s3.localSocket=s3", "-filer.localSocket=filer"]);
        let ports = ports(2 * SERVICES.len());
        let mut sockets = Vec::new();
        for (service, ports) in SERVICES.iter().zip(ports.chunks(2)) {
            command.arg(format!("-{service}.port={}", ports[0]));
            command.arg(format!("-{service}.port.grpc={}", ports[1]));
            sockets.push(format!("/tmp/seaweedfs-{service}-grpc-{}.sock", ports[1]));
        }
        let log = File::create(dir.path().join("log")).unwrap();
        // Its keys, proxies and files of configuration are none of the user's.
        command.env_clear().env("HOME", dir.path()).env("TMPDIR", dir.path()).current_dir(&dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let server = command.spawn().unwrap();
        let url = format!("http://127.0.0.1:{}", ports[ports.len() - 2]);
        let bucket = Bucket::new(url.parse().unwrap(), UrlStyle::Path, BUCKET, "us-east-1").unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Seaweed { server, url, bucket, admin: Credentials::new(ADMIN.0, ADMIN.1), http, sockets, dir }
    }

    /// Whether it came to take objects, or ended.
    async fn answers(&mut self) -> bool {
        let clock = Clock::system();
        while self.server.try_wait().unwrap().is_none() {
            if self.takes_objects().await {
                return true;
            }
            clock.sleep_until(clock.now().boot + Duration::from_millis(50)).await;
        }
        false
    }

    /// It answers before it has where to put them.
    async fn takes_objects(&self) -> bool {
        let probe = "probe";
        let steps = [
            (Method::PUT, CreateBucket::new(&self.bucket, &self.admin).sign(OURS)),
            (Method::PUT, PutObject::new(&self.bucket, Some(&self.admin), probe).sign(OURS)),
            (Method::DELETE, DeleteObject::new(&self.bucket, Some(&self.admin), probe).sign(OURS)),
        ];
        for (method, url) in steps {
            // Not empty, or it would lie in no volume.
            let answer = self.http.request(method, url).body("probe").send().await;
            // The bucket may be there since the last time.
            if !answer.is_ok_and(|a| a.status().is_success() || a.status() == StatusCode::CONFLICT) {
                return false;
            }
        }
        true
    }

    /// It answers nothing from now on.
    pub(crate) fn stop(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// It does again.
    pub(crate) fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.server.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
        rustix::process::kill_process(pid.expect("it runs"), signal).unwrap();
    }

    /// Of the storage, and of the token service.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The role to ask for.
    pub(crate) fn role(&self) -> &'static str {
        ROLE
    }

    /// The one that only writes.
    pub(crate) fn writer(&self) -> &'static str {
        WRITER
    }

    pub(crate) fn bucket(&self) -> &'static str {
        BUCKET
    }

    async fn get(&self, key: &str, query: &[(&'static str, &'static str)]) -> Response {
        // What isn't signed is refused.
        const CHECKSUMS: (&str, &str) = ("x-amz-checksum-mode", "ENABLED");
        let mut get = GetObject::new(&self.bucket, Some(&self.admin), key);
        get.headers_mut().insert(CHECKSUMS.0, CHECKSUMS.1);
        for (name, value) in query {
            get.query_mut().insert(*name, *value);
        }
        let request = self.http.get(get.sign(OURS)).header(CHECKSUMS.0, CHECKSUMS.1);
        soon("the storage", request.send()).await.unwrap()
    }

    /// The bytes of an object and its headers, whose names are in lower case: what the uploader said of it
    /// (`x-amz-meta-*`, `content-type`), and the storage's own checksum (`x-amz-checksum-*`).
    pub(crate) async fn object(&self, key: &str) -> Option<(Vec<u8>, HashMap<String, String>)> {
        let answer = self.get(key, &[]).await;
        if answer.status() == StatusCode::NOT_FOUND {
            return None;
        }
        let answer = answer.error_for_status().unwrap();
        let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers = answer.headers().iter().map(header).collect();
        Some((answer.bytes().await.unwrap().to_vec(), headers))
    }

    /// The texts of all elements of the name in a list of the bucket.
    async fn list(&self, query: &[(&'static str, &'static str)], element: &str) -> Vec<String> {
        let answer = self.get("", query).await.error_for_status().unwrap().text().await.unwrap();
        let list = roxmltree::Document::parse(&answer).unwrap();
        let all = |name: &str| -> Vec<String> {
            let named = list.descendants().filter(|node| node.has_tag_name(name));
            named.map(|node| node.text().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(all("IsTruncated"), ["false"], "more than one page: {answer}");
        all(element)
    }

    /// Of all objects, in order.
    pub(crate) async fn keys(&self) -> Vec<String> {
        self.list(&[("list-type", "2")], "Key").await
    }

    /// How many multipart uploads have neither been completed nor aborted.
    pub(crate) async fn uploads(&self) -> usize {
        self.list(&[("uploads", "")], "UploadId").await.len()
    }

    /// Its owner takes all of those away.
    pub(crate) async fn abort_all(&self) {
        let query = [("uploads", "")];
        let (keys, ids) = (self.list(&query, "Key").await, self.list(&query, "UploadId").await);
        for (key, id) in keys.iter().zip(ids) {
            let url = AbortMultipartUpload::new(&self.bucket, Some(&self.admin), key, &id).sign(OURS);
            let answer = soon("the storage", self.http.delete(url).send()).await.unwrap();
            assert!(answer.status().is_success(), "{answer:?}");
        }
    }
}

impl Drop for Seaweed {
    /// Tells what it complained of when the test failed.
    fn drop(&mut self) {
        let _ = self.server.start_kill();
        for socket in &self.sockets {
            let _ = std::fs::remove_file(socket);
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            let complaints: Vec<_> = log.lines().filter(|line| line.starts_with(['W', 'E', 'F'])).collect();
            eprintln!("--- the storage complained ---\n{}", complaints.join("\n"));
        }
    }
}

/// Whom it lets in, and to what.
fn access(issuer: &str, audience: &str, longest: Duration) -> Value {
    let life = format!("{}s", longest.as_secs());
    let policy = |statement: Value| json!({ "Version": "2012-10-17", "Statement": [statement] });
    let trust = policy(json!({
        "Effect": "Allow",
        "Principal": { "Federated": "provider" },
        "Action": ["sts:AssumeRoleWithWebIdentity"],
    }));
    let bucket = [format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{BUCKET}/*")];
    let allowed = |what: &[&str]| policy(json!({ "Effect": "Allow", "Action": what, "Resource": bucket }));
    let (footage, writing) = (allowed(&["s3:*"]), allowed(&["s3:PutObject", "s3:AbortMultipartUpload"]));
    let role = |name: &str, arn: &str, policy: &str| json!({ "roleName": name, "roleArn": arn, "trustPolicy": trust, "attachedPolicies": [policy] });
    json!({
        "sts": {
            "tokenDuration": life,
            "maxSessionLength": life,
            "issuer": "seaweedfs-sts",
            // Base64 of 32 bytes or more.
            "signingKey": "dGVzdC1zaWduaW5nLWtleS0zMi1jaGFyYWN0ZXJzLWxvbmc=",
        },
        "providers": [{
            "name": "provider",
            "type": "oidc",
            "enabled": true,
            "config": { "issuer": issuer, "clientId": audience },
        }],
        "policy": { "defaultEffect": "Deny", "storeType": "memory" },
        "policies": [
            { "name": "footage", "document": footage },
            { "name": "writing", "document": writing },
        ],
        "roles": [role("rig", ROLE, "footage"), role("writer", WRITER, "writing")],
    })
}

/// Ports that nobody has at this moment.
fn ports(number: usize) -> Vec<u16> {
    let first = 10_000 + u16::try_from(uuid::Uuid::new_v4().as_u128() % 20_000).unwrap();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..).filter(free).take(number).collect()
}
