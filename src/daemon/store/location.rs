//! Where the store is, and for whom it is opened.
use std::path::{Path, PathBuf};

use crate::vault::KeySource;
use rigpost_core::provider::{ProviderKey, ProviderKind};

/// What the daemon's configuration says of it.
#[derive(Clone, Debug)]
pub struct Location {
    /// The state directory.
    pub dir: PathBuf,
    /// Where the root key comes from.
    pub key: KeySource,
    /// The identity that the configuration names, if it does.
    pub client_id: Option<String>,
    /// Whose secrets and grants these are. What one provider has granted is never shown to another. It is there again when
    /// the configuration is put back, unless the rig was paired with another one meanwhile.
    pub provider: ProviderKey,
    /// How the rig introduces itself there.
    pub client: ClientKind,
}

/// The rig as a client of its provider (RFC 6749 §2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientKind {
    /// The `client_id` that the provider gave to all rigs; `None`: each rig's own identity is one.
    pub client_id: Option<String>,
    /// There is no client secret to wait for.
    pub public: bool,
}

impl Location {
    /// A state directory as it is found: the key beside the database, Frame.io's own address.
    pub(super) fn of_dir(dir: &Path) -> Location {
        Location {
            dir: dir.to_owned(),
            key: KeySource::File { path: dir.join("root.key") },
            client_id: None,
            provider: ProviderKey {
                kind: ProviderKind::Frameio,
                origin: String::new(),
                application: String::new(),
                takes_clips: true,
            },
            client: ClientKind::default(),
        }
    }
}
