//! Why the rig's own disk did not take something.
use crate::command::Refusal;

/// By what helps. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// Room, and then it works again.
    #[error("there is no space left")]
    Full,
    /// Somebody has to mount it for writing.
    #[error("it is read-only")]
    ReadOnly,
    /// There is no key to seal with, or no database that this program may write. Trying again does not help.
    #[error("{0}")]
    NoKey(String),
    /// Anything else; trying again may help.
    #[error("{0}")]
    Failed(String),
}

impl DiskError {
    /// It goes when the disk is good again, without a decision about what is on it: worth trying again.
    pub fn may_pass(&self) -> bool {
        match self {
            DiskError::Full | DiskError::ReadOnly | DiskError::Failed(_) => true,
            DiskError::NoKey(_) => false,
        }
    }
}

impl From<DiskError> for Refusal {
    fn from(e: DiskError) -> Refusal {
        match e {
            DiskError::Full => Refusal::StorageFull,
            DiskError::NoKey(why) => Refusal::SecretUnavailable(why),
            DiskError::ReadOnly | DiskError::Failed(_) => Refusal::StorageFailed(e.to_string()),
        }
    }
}
