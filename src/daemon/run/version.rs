//! Which program this is.

/// The daemon's version, semantic versioning.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
