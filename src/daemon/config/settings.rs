//! What a configuration that passed every check says, in the types that the daemon works with.
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::egress::proxy::Choice;
use rigpost_contract::item::BeforePairing;
use rigpost_core::delivery::s3::template::Template;
use rigpost_core::identity::socket::SocketUse;
use rigpost_core::oauth::ClientAuth;
use rigpost_core::provider::{Binds, ProviderKind};
use rigpost_core::queue::checksum::Algorithm;
use rigpost_core::queue::class::Classes;
use rigpost_core::queue::source::Source;

/// What the daemon runs with. Every value has passed its checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `[device]`.
    pub device: Device,
    /// `[provider]`.
    pub provider: Provider,
    /// `[delivery]`.
    pub delivery: Delivery,
    /// `[state]`.
    pub state: State,
    /// `[tokens]`.
    pub tokens: Tokens,
    /// `[vault]`.
    pub vault: Vault,
    /// `[queue]`.
    pub queue: Queue,
    /// `[log]`.
    pub log: Log,
    /// `[[class]]`, and the classes that are built in.
    pub classes: Classes,
    /// `[[source]]`, in the order in which they look at a file.
    pub sources: Vec<Source>,
}

/// Who the rig is.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// `None`: a random one is made once.
    pub client_id: Option<ClientIdSource>,
}

/// Where a `client_id` of the maker's choice comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientIdSource {
    /// `client_id`.
    Literal(String),
    /// `client_id_file`, absolute; for example the device tree's serial number.
    File(PathBuf),
}

/// The cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Which dialect it speaks.
    pub kind: ProviderKind,
    /// Of the kind `oauth`, and then there.
    pub oauth: Option<OAuth>,
    /// Without query, fragment and user; https unless the host is this machine.
    pub base_url: Url,
    /// Semantic version that the provider is told.
    pub client_version: String,
    /// Ask for a web address beside the code (`x-client-platypus-enabled`).
    pub url_pairing: bool,
    /// Send the client secret when polling for tokens too.
    pub secret_on_poll: bool,
    /// How often the cloud hears from a quiet rig: 60 to 290 seconds; `None`: no heartbeat.
    pub heartbeat: Option<Duration>,
    /// When the rig holds a socket to the cloud.
    pub socket: SocketUse,
    /// PEM file with certificates to trust besides the system's; absolute.
    pub ca_file: Option<PathBuf>,
    /// Through which proxy everything goes.
    pub proxy: Choice,
}

/// A provider of RFC 8628. All URLs are https unless the host is this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct OAuth {
    /// Asked for the endpoints that are not named; `None`: token and device authorization endpoint are.
    pub issuer: Option<Url>,
    /// What the provider calls the application.
    pub client_id: String,
    /// How the application shows who it is.
    pub client_auth: ClientAuth,
    /// Whether new grants are bound to the rig's key.
    pub binds: Binds,
    /// Empty: not sent.
    pub scope: String,
    /// More fields of the request for a code, `audience` among them.
    pub parameters: Vec<(String, String)>,
    /// RFC 8628 §4.
    pub device_authorization_endpoint: Option<Url>,
    /// RFC 8414 §2.
    pub token_endpoint: Option<Url>,
    /// RFC 8414 §2.
    pub revocation_endpoint: Option<Url>,
    /// RFC 8414 §2.
    pub jwks_uri: Option<Url>,
}

/// Where clips go.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// To the project of the pairing.
    Frameio,
    /// To a bucket.
    Bucket(Box<Bucket>),
    /// To a tus server, by where uploads are created there.
    Tus(Url),
    /// Nowhere.
    None,
}

/// A bucket. Both URLs are https unless the host is this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Of the storage.
    pub endpoint: Url,
    /// Its name.
    pub name: String,
    /// What requests are signed for.
    pub region: String,
    /// The name is in the path.
    pub path_style: bool,
    /// It is known by a key that is in the vault.
    pub own_key: bool,
    /// The role that the rig assumes.
    pub role: Option<String>,
    /// Where keys come from.
    pub sts: Url,
    /// What objects are called.
    pub template: Template,
    /// By which the storage checks what arrives.
    pub checksum: Option<Algorithm>,
}

/// Access tokens for other programs.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// Members of the group `rigpost-token` may fetch them.
    pub allow: bool,
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Absolute.
    pub dir: PathBuf,
}

/// The root key where no credential brings it.
#[derive(Clone, Debug, PartialEq)]
pub struct Vault {
    /// Absolute.
    pub key_file: PathBuf,
}

/// What may be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Absolute, without `..`, at least one.
    pub media_dirs: Vec<PathBuf>,
    /// Open files that are handed over are taken, wherever they lie.
    pub take_open_files: bool,
    /// At least 1.
    pub max_items: u64,
    /// Of one user but root; at least 1.
    pub max_items_per_user: u64,
    /// 1 to 16; `None`: as the link needs.
    pub parallel_parts: Option<usize>,
    /// A file that did not change for this long is finished. 1 to 3600.
    pub settle_seconds: u64,
    /// What becomes of clips that somebody adds and that were made before the pairing.
    pub before_pairing: BeforePairing,
}

/// What is written to the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The least important level that is written.
    pub level: Level,
}

/// As `tracing` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something a person must see to.
    Error,
    /// Something that went wrong and goes on.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}
