//! From the configuration's files to [`Settings`], in three steps: each file becomes a fragment of entries that know
//! their line, the fragments are merged, later ones winning key by key, and what is left is validated.
//!
//! Order: `/usr/lib/rigpost/conf.d/*.toml` (the maker), the main file, then `conf.d/*.toml` beside the main file (the
//! site), each directory in the order of names. What can be there several times (`[[source]]`) has a name, and a later
//! file that says the name again changes what it says anew.
//!
//! # Decisions
//! - TOML (`toml`): comments, and one way to write each thing. Its spanned tree and a table of our keys, not serde:
//!   serde stops at the first mistake and forgets the line of a value before we can judge it, and a person without a
//!   keyboard should have to come back once.
//! - Every mistake is an error, also an unknown key: a misspelt key that is ignored is found on set.
//! - What the core decides by (classes, sources) is read into the core's own types: two spellings of one thing drift.
//! - No secret is configured here; the client secret comes by provisioning.
mod fragment;
mod merge;
mod problem;
mod provider;
mod sources;
mod validate;

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use rigpost_core::identity::oauth::ClientAuth;
use rigpost_core::queue::class::Classes;
use rigpost_core::queue::item::BeforePairing;
use rigpost_core::queue::source::Source;

pub use problem::{ConfigError, Problem};

/// Where things are when nothing says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The maker's drop-ins.
    pub vendor: PathBuf,
    /// The main file; may be missing.
    pub main: PathBuf,
    /// What systemd made for us, if it did.
    pub state_dir: Option<PathBuf>,
}

impl Roots {
    /// The installed layout, and `$STATE_DIRECTORY` (of several, the first).
    pub fn system() -> Roots {
        let state_dir = env::var_os("STATE_DIRECTORY").and_then(|dirs| env::split_paths(&dirs).next());
        Roots {
            vendor: "/usr/lib/rigpost/conf.d".into(),
            main: "/etc/rigpost/rigpost.toml".into(),
            state_dir: state_dir.filter(|dir| !dir.as_os_str().is_empty()),
        }
    }
}

/// What the daemon runs with. Every value has passed its checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `[device]`.
    pub device: Device,
    /// `[provider]`.
    pub provider: Provider,
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
    /// PEM file with certificates to trust besides the system's; absolute.
    pub ca_file: Option<PathBuf>,
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

/// Access tokens for other programs.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// Members of the group `rigpost-token` may fetch them.
    pub allow: bool,
}

/// The dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// Frame.io Camera to Cloud, hardware devices.
    Frameio,
    /// Any provider of RFC 8628, with OpenID Connect where it has that.
    OAuth,
}

impl ProviderKind {
    /// The word in the configuration and on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            ProviderKind::Frameio => "frameio",
            ProviderKind::OAuth => "oauth",
        }
    }
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
    /// At least 1.
    pub max_items: u64,
    /// Of one user but root; at least 1.
    pub max_items_per_user: u64,
    /// 1 to 16.
    pub parallel_parts: usize,
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

impl Default for Settings {
    /// What an empty configuration means, where systemd has made no state directory.
    fn default() -> Settings {
        Settings {
            device: Device { client_id: None },
            provider: Provider {
                kind: ProviderKind::Frameio,
                oauth: None,
                base_url: Url::parse("https://api.frame.io").expect("a URL that a test has parsed"),
                client_version: env!("CARGO_PKG_VERSION").into(),
                url_pairing: true,
                secret_on_poll: false,
                heartbeat: Some(Duration::from_secs(120)),
                ca_file: None,
            },
            state: State { dir: "/var/lib/rigpost".into() },
            tokens: Tokens { allow: false },
            vault: Vault { key_file: "/var/lib/rigpost/root.key".into() },
            queue: Queue {
                media_dirs: vec!["/media".into(), "/mnt".into()],
                max_items: 1_000_000,
                max_items_per_user: 100_000,
                parallel_parts: 4,
                settle_seconds: 3,
                before_pairing: BeforePairing::Queue,
            },
            log: Log { level: Level::Info },
            classes: Classes::default(),
            sources: Vec::new(),
        }
    }
}

/// Reads every file and returns what they say together. A main file that is named must exist.
///
/// # Errors
/// All mistakes of all files, each on a line of its own.
pub fn load(main: Option<&Path>, roots: &Roots) -> Result<Settings, ConfigError> {
    let (fragments, mut problems) = merge::read_all(main, roots);
    let merged = merge::merge(fragments, &mut problems);
    let settings = validate::settings(&merged, roots, &mut problems);
    if problems.is_empty() { Ok(settings) } else { Err(ConfigError { problems }) }
}

/// [`load`] with the installed layout.
///
/// # Errors
/// As [`load`].
pub fn load_installed(main: Option<&Path>) -> Result<Settings, ConfigError> {
    load(main, &Roots::system())
}

impl ClientIdSource {
    /// The `client_id` itself: of a file, its text without blanks and NULs at the end (device trees have one). Reads
    /// the file each time.
    ///
    /// # Errors
    /// The file can't be read or holds what is no `client_id`.
    pub fn resolve(&self) -> Result<String, ConfigError> {
        let path = match self {
            ClientIdSource::Literal(id) => return Ok(id.clone()),
            ClientIdSource::File(path) => path,
        };
        let wrong = |reason: String| ConfigError {
            problems: vec![Problem {
                file: path.clone(),
                line: None,
                key: Some("device.client_id_file".into()),
                reason,
            }],
        };
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut bytes));
        read.map_err(|e| wrong(format!("can't be read: {e}")))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("is not text".into()))?;
        let id = text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0');
        validate::client_id(id).map_err(wrong)
    }
}
