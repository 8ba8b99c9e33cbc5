//! What lies between the rig and its provider, as people name it: certificates to trust, and a proxy. The configuration
//! judges both with what is here, and the clients go by them.
//!
//! # Decisions
//! - Apart from the configuration and from the clients, so that a mistake is found by the same lines before anything runs
//!   and when it is used.
pub mod authorities;
pub mod der;
pub mod proxy;

use std::path::PathBuf;

use proxy::Proxies;
use rigpost_core::time::WallTime;

/// What the clients are told.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// A PEM file of certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Which proxy leads where.
    pub proxies: Proxies,
    /// When this program was built: a clock before that was never set, and a certificate that ended before that has ended.
    pub built: WallTime,
}
