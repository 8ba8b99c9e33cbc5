//! What the daemon answers to whoever ends an authorization.

use super::dict::{Dict, take};
use rigpost_contract::ending::EndedKey;

/// Words that this program does not know are kept as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) revocation: String,
    pub(crate) detail: String,
    /// What is needed to revoke it stays on the rig, and it is tried again.
    pub(crate) kept: bool,
    pub(crate) erased: Vec<String>,
    /// Unix seconds.
    pub(crate) at: i64,
}

impl Ended {
    /// Takes the keys out of the answer.
    pub(crate) fn read(all: &mut Dict) -> Self {
        Self {
            revocation: take(all, EndedKey::Revocation.as_str()),
            detail: take(all, EndedKey::Detail.as_str()),
            kept: take(all, EndedKey::Kept.as_str()),
            erased: take(all, EndedKey::Erased.as_str()),
            at: take(all, EndedKey::At.as_str()),
        }
    }
}
