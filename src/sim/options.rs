//! What a simulator can be started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::fault::Fault;

/// Whether polls may, must or must not carry the client secret. The published papers contradict each other here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretOnPoll {
    /// Both are fine; a wrong secret is refused.
    #[default]
    Accept,
    /// A poll without it gets `invalid_client`.
    Require,
    /// A poll with it gets `bad_request`.
    Refuse,
}

/// The validity of the TLS certificate shown to clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsValidity {
    /// Valid now.
    #[default]
    Valid,
    /// Ended last year, as a rig sees it whose clock runs ahead.
    Expired,
    /// Begins next year, as a rig sees it that woke up in 1970.
    NotYetValid,
}

/// What the `ETag` of a part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Etags {
    /// The MD5 of the bytes, in quotes.
    #[default]
    Md5,
    /// Something of the same look that is no MD5, as of storage that encrypts with a key service.
    Opaque,
}

/// What becomes of a device that asks for a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sockets {
    /// It gets one, if its token is good.
    #[default]
    Served,
    /// There is none: 404.
    Missing,
    /// It may not have one: 403.
    Refused,
}

/// A kind of sub-device that may be connected as a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceModel {
    /// What devices name it by, a uuid.
    pub id: String,
    /// What its channels are called.
    pub name: String,
}

impl Default for DeviceModel {
    /// The one that is allowed where nobody says otherwise.
    fn default() -> Self {
        Self {
            id: "d5b1c3a0-5f0e-4c86-9a57-2f1f6c0e7b11".to_owned(),
            name: "Simulated sub-device".to_owned(),
        }
    }
}

/// Real object storage for the parts, in place of the simulator's own.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Options {
    /// Where the server is, without the bucket: `http://127.0.0.1:9000`. Buckets are addressed by path.
    pub endpoint: Url,
    /// The bucket; it is made if it is not there.
    pub bucket: String,
    /// The region that signatures name.
    pub region: String,
    /// Who signs.
    pub access_key: String,
    /// What it is signed with. Not printed.
    pub secret_key: String,
}

impl std::fmt::Debug for S3Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("S3Options");
        shown.field("endpoint", &self.endpoint.as_str()).field("bucket", &self.bucket);
        shown.field("region", &self.region).finish_non_exhaustive()
    }
}

/// How long things live. Can be changed while the simulator runs; what was handed out before keeps its life.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifetimes {
    /// Seconds a pairing code can be approved and collected.
    pub code_expires_in: f64,
    /// Seconds between two polls.
    pub interval: f64,
    /// Seconds an access token works.
    pub access_expires_in: u64,
    /// Seconds a refresh token works.
    pub refresh_expires_in: u64,
    /// Seconds an upload URL works.
    pub url_expires_in: u64,
}

impl Default for Lifetimes {
    /// The lifetimes Frame.io publishes.
    fn default() -> Self {
        Self {
            code_expires_in: 120.0,
            interval: 5.0,
            access_expires_in: 28_800,
            refresh_expires_in: 14 * 86_400,
            url_expires_in: 86_400,
        }
    }
}

/// Everything a simulator can be started with; the defaults are Frame.io's published values on a free port of
/// the loopback interface.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Serve HTTPS with a certificate of a CA made at start.
    pub tls: bool,
    /// Validity of that certificate.
    pub tls_validity: TlsValidity,
    /// Where the CA's certificate is written, and its key beside it: with that key it is the same CA at the next start.
    pub ca_file: Option<PathBuf>,
    /// Seconds a pairing code lives.
    pub code_expires_in: f64,
    /// Seconds between polls.
    pub interval: f64,
    /// Seconds an access token lives.
    pub access_expires_in: u64,
    /// Seconds a refresh token lives.
    pub refresh_expires_in: u64,
    /// Seconds an upload URL lives.
    pub url_expires_in: u64,
    /// Bytes per part when the client does not ask for a number of parts.
    pub chunk_size: u64,
    /// Names of the projects a person can choose from.
    pub projects: Vec<String>,
    /// The secret devices must show.
    pub client_secret: String,
    /// A word inside every secret handed out, to search logs for.
    pub marker: String,
    /// Approve every code by itself (first project) after this long.
    pub auto_approve_after: Option<Duration>,
    /// Whether polls carry the secret.
    pub secret_on_poll: SecretOnPoll,
    /// Answer 429 to a device's sixth asset creation within a second, to its 101st registration of parts or comment within a minute,
    /// and to its second heartbeat within a minute.
    pub enforce_rate_limit: bool,
    /// The kinds of sub-devices that may be connected as channels.
    pub device_models: Vec<DeviceModel>,
    /// What the `ETag` of a part is.
    pub etags: Etags,
    /// Refuse parts at once and hang up, their bodies unread, as storage may; else the refused body is read and
    /// thrown away, so that every client can hear the refusal.
    pub reject_early: bool,
    /// What becomes of a device that asks for a socket.
    pub sockets: Sockets,
    /// Hand out upload addresses of this storage instead of the simulator's own.
    pub s3: Option<S3Options>,
    /// Where finished clips are written; a temporary directory, removed on drop, if `None`.
    pub storage_dir: Option<PathBuf>,
    /// Where the pairing page is reachable for the person's browser; else the host the device called.
    pub verification_base: Option<Url>,
    /// Append events here as JSON lines.
    pub log_file: Option<PathBuf>,
    /// Faults in force from the start.
    pub faults: Vec<Fault>,
}

impl Default for SimOptions {
    fn default() -> Self {
        let lives = Lifetimes::default();
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: false,
            tls_validity: TlsValidity::Valid,
            ca_file: None,
            code_expires_in: lives.code_expires_in,
            interval: lives.interval,
            access_expires_in: lives.access_expires_in,
            refresh_expires_in: lives.refresh_expires_in,
            url_expires_in: lives.url_expires_in,
            chunk_size: 10 * 1024 * 1024,
            projects: vec!["Testbed".to_owned(), "Second Unit".to_owned()],
            client_secret: "sim-client-secret".to_owned(),
            marker: "SIMSECRET".to_owned(),
            auto_approve_after: None,
            secret_on_poll: SecretOnPoll::Accept,
            enforce_rate_limit: false,
            device_models: vec![DeviceModel::default()],
            etags: Etags::Md5,
            reject_early: false,
            sockets: Sockets::Served,
            s3: None,
            storage_dir: None,
            verification_base: None,
            log_file: None,
            faults: Vec::new(),
        }
    }
}

impl SimOptions {
    pub(crate) fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            code_expires_in: self.code_expires_in,
            interval: self.interval,
            access_expires_in: self.access_expires_in,
            refresh_expires_in: self.refresh_expires_in,
            url_expires_in: self.url_expires_in,
        }
    }
}
