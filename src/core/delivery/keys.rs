//! Keys that requests to a bucket are signed with.
use crate::secret::Secret;

/// Of a role, for an hour or so; or of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// `AccessKeyId`.
    pub id: String,
    /// `SecretAccessKey`.
    pub secret: Secret,
    /// `SessionToken`; `None`: of a user.
    pub session: Option<Secret>,
    /// Unix seconds at which they end, by the server's clock; `None`: never, or nothing is said.
    pub ends: Option<i64>,
}
