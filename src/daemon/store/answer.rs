//! What the disk's errors mean to the rig's machine and to people.
use super::error::StoreError;
use rigpost_core::command::Refusal;
use rigpost_core::disk::DiskError;

impl From<StoreError> for DiskError {
    fn from(e: StoreError) -> DiskError {
        match e {
            StoreError::Full => DiskError::Full,
            StoreError::ReadOnly(_) => DiskError::ReadOnly,
            StoreError::Sealed { .. } => DiskError::NoKey(e.to_string()),
            StoreError::TooNew { .. } | StoreError::Corrupt(_) => DiskError::Database(e.to_string()),
            StoreError::Io(_)
            | StoreError::NotFound(_)
            | StoreError::LimitExceeded { .. }
            | StoreError::NotPaired
            | StoreError::NotOver(_) => DiskError::Failed(e.to_string()),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Refusal {
        match e {
            StoreError::Full => Refusal::StorageFull,
            StoreError::NotFound(what) => Refusal::NotFound(what),
            StoreError::LimitExceeded { .. } => Refusal::LimitsExceeded(e.to_string()),
            StoreError::NotPaired => Refusal::NotPaired,
            StoreError::NotOver(_) => Refusal::NotAllowed(e.to_string()),
            StoreError::Sealed { .. } => Refusal::SecretUnavailable(e.to_string()),
            StoreError::TooNew { .. } | StoreError::Corrupt(_) => Refusal::StorageFailed(e.to_string()),
            StoreError::ReadOnly(why) | StoreError::Io(why) => Refusal::StorageFailed(why),
        }
    }
}
