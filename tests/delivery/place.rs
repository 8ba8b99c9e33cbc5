//! Where clips go, each way of it, with what a test wants of all of them.
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use zbus::Variant;

use crate::common::*;

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Frameio,
    S3,
    Tus,
}

/// What is not as usual.
#[derive(Clone, Copy, Default)]
pub(crate) struct Unusual {
    /// The rig's clock.
    pub(crate) clock: Option<&'static str>,
    /// Access, or keys, live no longer than these seconds.
    pub(crate) brief: Option<u64>,
    /// Bytes of the largest request that something before the server takes.
    pub(crate) largest: u64,
}

enum There {
    Frameio,
    S3(Box<Seaweed>),
    Tus(Box<TusServer>),
}

/// A rig that is paired, and the place that its clips go to.
pub(crate) struct Place {
    pub(crate) rig: Rig,
    pub(crate) kind: Kind,
    oidc: Option<Oidc>,
    there: There,
    /// On the way to it; the simulator has faults of its own.
    line: Option<Relay>,
    _clock: Option<tempfile::NamedTempFile>,
}

const CLIENT: &str = "public";

fn address(url: &str) -> std::net::SocketAddr {
    let url: url::Url = url.parse().unwrap();
    url.socket_addrs(|| None).unwrap()[0]
}

impl Place {
    pub(crate) async fn new(kind: Kind, unusual: Unusual) -> Place {
        if kind == Kind::Frameio {
            let mut setup = Setup::cloud(|sim| {
                sim.chunk_size = 8 << 20;
                sim.access_expires_in = unusual.brief.unwrap_or(sim.access_expires_in);
            });
            let clock = unusual.clock.map(|time| clock_of(&mut setup, time));
            let rig = setup.paired().await;
            return Place { rig, kind, oidc: None, there: There::Frameio, line: None, _clock: clock };
        }
        let access = match kind {
            Kind::Tus => unusual.brief.unwrap_or(3600),
            Kind::Frameio | Kind::S3 => 3600,
        };
        let edits = json!({ "device-code": { "interval": 1 } });
        let oidc = Oidc::start(json!({ "access": access, "code": 120, "edits": edits })).await;
        let keys = Duration::from_secs(unusual.brief.unwrap_or(43_200));
        let there = match kind {
            Kind::S3 => There::S3(Box::new(Seaweed::start_brief(oidc.issuer(), CLIENT, keys).await)),
            Kind::Frameio | Kind::Tus => There::Tus(Box::new(
                TusServer::start(oidc.issuer(), json!({ "largest": unusual.largest })).await,
            )),
        };
        let (line, delivery) = match &there {
            There::S3(storage) => {
                let line = Relay::start(address(storage.url())).await;
                let (url, bucket, role) = (line.url(storage.url()), storage.bucket(), storage.role());
                let told =
                    format!("kind = \"s3\"\nendpoint = {url:?}\nbucket = {bucket:?}\nrole = {role:?}\n");
                (line, told)
            }
            There::Tus(server) => {
                let line = Relay::start(address(server.url())).await;
                let told = format!("kind = \"tus\"\nendpoint = {:?}\n", line.url(server.url()));
                (line, told)
            }
            There::Frameio => unreachable!("it has a cloud of its own"),
        };
        let issuer = oidc.issuer();
        let provider = format!("kind = \"oauth\"\nissuer = {issuer:?}\nclient_id = {CLIENT:?}\n");
        let drop_in = format!("[delivery]\n{delivery}");
        let mut setup = Setup { provider: Some(provider), drop_in, ..Setup::new() };
        let clock = unusual.clock.map(|time| clock_of(&mut setup, time));
        let rig = setup.start().await;
        let place = Place { rig, kind, oidc: Some(oidc), there, line: Some(line), _clock: clock };
        place.sign_in().await;
        place
    }

    /// Somebody lets the rig in.
    pub(crate) async fn sign_in(&self) {
        let Some(oidc) = &self.oidc else { return drop(self.rig.pair().await) };
        let code = self.rig.start_pairing().await;
        oidc.approve(&code, "ada.lovelace").await;
        self.rig.wait_project(if self.kind == Kind::S3 { "footage" } else { "127.0.0.1" }).await;
    }

    pub(crate) fn seaweed(&self) -> &Seaweed {
        match &self.there {
            There::S3(storage) => storage,
            There::Frameio | There::Tus(_) => panic!("it is another place"),
        }
    }

    pub(crate) fn tus(&self) -> &TusServer {
        match &self.there {
            There::Tus(server) => server,
            There::Frameio | There::S3(_) => panic!("it is another place"),
        }
    }

    /// The clip is there once, finished, with its bytes.
    pub(crate) async fn has(&self, clip: &Path) {
        let found = self.found(clip).await;
        assert_eq!(found.len(), 1, "{:?}: {clip:?} is there {} times", self.kind, found.len());
        assert!(found[0] == std::fs::read(clip).unwrap(), "{:?}: other bytes of {clip:?}", self.kind);
    }

    /// The bytes of everything that is finished and has this clip's name.
    pub(crate) async fn found(&self, clip: &Path) -> Vec<Vec<u8>> {
        let name = clip.file_name().unwrap().to_str().unwrap();
        let mut found = Vec::new();
        match &self.there {
            There::Frameio => {
                for asset in self.rig.complete(name) {
                    found.push(std::fs::read(self.rig.sim.asset_file(&asset)).unwrap());
                }
            }
            There::S3(storage) => {
                for key in storage.keys().await {
                    if key.rsplit('/').next() == Some(name) {
                        found.push(storage.object(&key).await.unwrap().0);
                    }
                }
            }
            There::Tus(server) => {
                for upload in server.uploads().await {
                    if upload.offset == upload.size && upload.metadata["filename"] == name {
                        found.push(server.bytes(&upload.id));
                    }
                }
            }
        }
        found
    }

    /// How many are begun there and not finished.
    pub(crate) async fn unfinished(&self) -> usize {
        match &self.there {
            There::Frameio => self.rig.sim.assets().iter().filter(|asset| !asset.complete).count(),
            There::S3(storage) => storage.uploads().await,
            There::Tus(server) => server.uploads().await.iter().filter(|u| u.offset < u.size).count(),
        }
    }

    /// What was begun and is not finished is forgotten there.
    pub(crate) async fn forget(&self) {
        match &self.there {
            There::Frameio => {
                for asset in self.rig.sim.assets().iter().filter(|asset| !asset.complete) {
                    let fault = format!("part@{}:s3=NoSuchUpload", asset.name);
                    self.rig.sim.inject(fault.parse().unwrap());
                }
            }
            There::S3(storage) => storage.abort_all().await,
            There::Tus(server) => server.forget().await,
        }
    }

    /// The line breaks once more bytes than these have left.
    pub(crate) fn cut_after(&self, bytes: u64) {
        match &self.line {
            Some(line) => line.cut_after(bytes),
            None => self.rig.sim.inject(format!("part:reset-after={bytes}").parse().unwrap()),
        }
    }

    /// The server does the next thing of this kind, and its answer is lost.
    pub(crate) fn lose_answer(&self, what: What) {
        match (&self.line, what, self.kind) {
            (None, What::Begin, _) => self.rig.sim.inject("create:lost-answer".parse().unwrap()),
            (None, What::Part, _) => self.rig.sim.inject("part:lost-answer".parse().unwrap()),
            (Some(line), What::Begin, _) => line.lose_answer("POST /f"),
            (Some(line), What::Part, Kind::S3) => line.lose_answer("PUT /"),
            (Some(line), What::Part, _) => line.lose_answer("PATCH /"),
        }
    }

    /// Parts are refused with this status, so many times.
    pub(crate) async fn refuse_parts(&self, times: u32, status: u16, code: &str) {
        let body = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        match (&self.there, &self.line) {
            (There::S3(_), Some(line)) => line.refuse("PUT /", times, status, &body),
            (There::Tus(server), _) => {
                server.fault("PATCH", json!({ "status": status, "times": times })).await;
            }
            (There::Frameio | There::S3(_), _) => {
                self.rig.sim.inject(format!("part:{status}:{times}").parse().unwrap());
            }
        }
    }

    /// What was to go wrong has.
    pub(crate) async fn has_struck(&self) -> bool {
        match &self.there {
            There::Frameio => self.rig.sim.faults().is_empty(),
            There::S3(_) => self.line.as_ref().is_some_and(Relay::has_struck),
            There::Tus(server) => {
                server.pending().await == 0 && self.line.as_ref().is_some_and(Relay::has_struck)
            }
        }
    }

    /// When what is there was made, as it is said there.
    pub(crate) async fn dates(&self) -> Vec<String> {
        match &self.there {
            There::Frameio => vec![],
            There::S3(storage) => storage.keys().await,
            There::Tus(server) => {
                let uploads = server.uploads().await;
                uploads.into_iter().map(|upload| upload.metadata["rigpost-created"].clone()).collect()
            }
        }
    }

    pub(crate) async fn limit(&self, bytes: u64) {
        let body = (QUEUE, "BandwidthLimit", Variant::from(bytes));
        self.rig.call("org.freedesktop.DBus.Properties", "Set", &body).await.unwrap();
    }

    /// Waits until so much of it is confirmed.
    pub(crate) async fn sent(&self, id: u64, bytes: u64) {
        let enough = |i: &Dict| *i["sent"].downcast_ref::<&u64>().unwrap() >= bytes;
        self.rig.wait_item_that(id, "some of it", enough).await;
    }

    /// How many uploads the rig knows to have left behind.
    pub(crate) async fn orphans(&self) -> usize {
        self.rig.column("SELECT CAST(orphans AS TEXT) FROM rig")[0].parse().unwrap()
    }
}

/// What a server does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Begin,
    Part,
}
