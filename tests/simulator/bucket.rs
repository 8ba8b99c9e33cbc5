//! An S3 server in this process: s3s-fs, with a directory of its own.

use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rigpost_sim::S3Options;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

pub(crate) const ACCESS_KEY: &str = "SIMSECRETaccess";
pub(crate) const SECRET_KEY: &str = "SIMSECRETsecret";

/// The server. Its end is the end of the value.
pub(crate) struct Bucket {
    port: u16,
    dir: tempfile::TempDir,
    server: Option<AbortOnDropHandle<()>>,
}

impl Bucket {
    pub(crate) async fn start() -> Self {
        let mut bucket = Self { port: 0, dir: tempfile::tempdir().unwrap(), server: None };
        bucket.open().await;
        bucket
    }

    /// Serves, on the same port as before if there was one.
    pub(crate) async fn open(&mut self) {
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(self.dir.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        let server = async move {
            // They end with the set.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // A client that hangs up is its own business.
                    let _gone = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        };
        self.server = Some(AbortOnDropHandle::new(tokio::spawn(server)));
    }

    /// Hangs up on everybody and lets nobody in.
    pub(crate) fn shut(&mut self) {
        self.server = None;
    }

    pub(crate) fn options(&self) -> S3Options {
        S3Options {
            endpoint: format!("http://127.0.0.1:{}", self.port).parse().unwrap(),
            bucket: "clips".to_owned(),
            region: "us-east-1".to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
        }
    }

    /// Where the server keeps everything, one directory a bucket.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn part(&self, asset: &str, n: u64) -> PathBuf {
        self.dir().join(self.options().bucket).join("parts").join(asset).join(n.to_string())
    }

    pub(crate) fn has(&self, asset: &str, n: u64) -> bool {
        self.part(asset, n).exists()
    }

    /// What changes when a part is put again: its file is another one then, written at another time.
    pub(crate) fn stamp(&self, asset: &str, n: u64) -> Option<(u64, std::time::SystemTime)> {
        let facts = std::fs::metadata(self.part(asset, n)).ok()?;
        Some((std::os::unix::fs::MetadataExt::ino(&facts), facts.modified().unwrap()))
    }

    /// The bytes of a clip, from its parts as they lie on the server's disk.
    pub(crate) fn clip(&self, asset: &str, parts: u64) -> Vec<u8> {
        (1..=parts).flat_map(|n| std::fs::read(self.part(asset, n)).unwrap()).collect()
    }
}
