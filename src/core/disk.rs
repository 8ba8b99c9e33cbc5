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
    /// There is no key to seal with. Trying again does not help; provisioning does.
    #[error("{0}")]
    NoKey(String),
    /// The database is damaged, or of a newer program: a person decides. Neither trying again nor provisioning helps.
    #[error("{0}")]
    Database(String),
    /// Anything else; trying again may help.
    #[error("{0}")]
    Failed(String),
}

impl DiskError {
    /// It goes when the disk is good again, without a decision about what is on it: worth trying again.
    pub fn may_pass(&self) -> bool {
        match self {
            DiskError::Full | DiskError::ReadOnly | DiskError::Failed(_) => true,
            DiskError::NoKey(_) | DiskError::Database(_) => false,
        }
    }

    /// The disk is what is in the way, and no secret is lost by it as far as anybody knows.
    pub fn is_of_disk(&self) -> bool {
        match self {
            DiskError::Full | DiskError::ReadOnly | DiskError::Database(_) | DiskError::Failed(_) => true,
            DiskError::NoKey(_) => false,
        }
    }
}

impl From<DiskError> for Refusal {
    fn from(e: DiskError) -> Refusal {
        match e {
            DiskError::Full => Refusal::StorageFull,
            DiskError::NoKey(why) => Refusal::SecretUnavailable(why),
            DiskError::ReadOnly | DiskError::Database(_) | DiskError::Failed(_) => {
                Refusal::StorageFailed(e.to_string())
            }
        }
    }
}
