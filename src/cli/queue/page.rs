//! How the list is read.

/// The most items that one call returns.
pub(super) const PAGE: u32 = 1000;
