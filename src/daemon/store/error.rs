//! What can go wrong with the store, by what happens next.
use std::path::Path;
use std::{fmt, io};

use rusqlite::{Error as Sql, ErrorCode, ffi};

use crate::vault::SealError;
use rigpost_core::queue::item::ItemId;

/// One variant for each thing that happens next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room. Nothing of the transaction is on disk; it works again when there is room.
    #[error("the disk that holds the state is full")]
    Full,
    /// It is mounted read-only, or the file is: somebody has to change that. Nothing was changed.
    #[error("the database can't be written: {0}")]
    ReadOnly(String),
    /// Written by a newer rigpost: install that one again. The file is as it was.
    #[error(
        "the database has version {found} and this program knows versions up to {known}; install the newer rigpost again"
    )]
    TooNew {
        /// `user_version` in the file.
        found: u32,
        /// The newest that this program can read.
        known: u32,
    },
    /// The file is damaged or gone: a person decides. It is never replaced here.
    #[error("the database is damaged: {0}; restore it from a copy, or move it away to begin as a new rig")]
    Corrupt(String),
    /// A sealed record does not open, or there is no root key to open or seal it with: provision again.
    #[error("the sealed record `{record}` can't be opened or sealed with the root key at hand")]
    Sealed {
        /// Its name.
        record: String,
    },
    /// There is no such thing (any more). Nothing was changed.
    #[error("not found: {0}")]
    NotFound(String),
    /// The queue may not grow further. Nothing was added.
    #[error("{limit}: at most {max} items that are not sent")]
    LimitExceeded {
        /// Which of them.
        limit: Limit,
        /// From the configuration.
        max: u64,
    },
    /// It needs a project, and none is paired. Nothing was changed.
    #[error("the rig is not paired")]
    NotPaired,
    /// Only what is over can be cleared. Nothing was changed.
    #[error("only what is done, failed or cancelled can be cleared, not {0}")]
    NotOver(String),
    /// Anything else that the system or SQLite reports: try again later.
    #[error("the database can't be used: {0}")]
    Io(String),
}

/// What bounds the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Of everybody.
    Items,
    /// Of one user.
    PerUser,
    /// Of comments that wait.
    Comments,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Items => "the queue is full",
            Limit::Comments => "too many comments wait",
            Limit::PerUser => "this user's share of the queue is full",
        })
    }
}

impl StoreError {
    /// It is of the disk and of the moment: the same may work later, without a person's decision about the database.
    pub fn may_pass(&self) -> bool {
        match self {
            StoreError::Full | StoreError::ReadOnly(_) | StoreError::Io(_) => true,
            StoreError::TooNew { .. }
            | StoreError::Corrupt(_)
            | StoreError::Sealed { .. }
            | StoreError::NotFound(_)
            | StoreError::LimitExceeded { .. }
            | StoreError::NotPaired
            | StoreError::NotOver(_) => false,
        }
    }

    pub(super) fn no_item(id: ItemId) -> StoreError {
        StoreError::NotFound(format!("item {id}"))
    }

    /// An error of the system about `path`.
    pub(super) fn file(path: &Path, e: &io::Error) -> StoreError {
        #[expect(clippy::wildcard_enum_match_arm, reason = "io::ErrorKind is not ours and grows")]
        match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
            io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly(format!("{}: {e}", path.display())),
            _ => StoreError::Io(format!("{}: {e}", path.display())),
        }
    }
}

impl From<Sql> for StoreError {
    fn from(e: Sql) -> StoreError {
        #[expect(clippy::wildcard_enum_match_arm, reason = "rusqlite::Error is not ours and grows")]
        match &e {
            Sql::SqliteFailure(code, _) => failure(*code, &e),
            // What we wrote can always be read back; a value of another kind was not written by us.
            Sql::FromSqlConversionFailure(..)
            | Sql::IntegralValueOutOfRange(..)
            | Sql::InvalidColumnType(..)
            | Sql::QueryReturnedNoRows => StoreError::Corrupt(e.to_string()),
            _ => StoreError::Io(e.to_string()),
        }
    }
}

fn failure(code: ffi::Error, e: &Sql) -> StoreError {
    match (code.code, code.extended_code) {
        (ErrorCode::DiskFull, _)
        // Growing the shared-memory file fails this way when there is no room.
        | (_, ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_SHMOPEN) => StoreError::Full,
        (ErrorCode::ReadOnly, _) => StoreError::ReadOnly(e.to_string()),
        (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)
        | (_, ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA)
        // SQL that every test has run, and a table that is not there.
        | (ErrorCode::Unknown, _) => StoreError::Corrupt(e.to_string()),
        _ => StoreError::Io(e.to_string()),
    }
}

impl From<SealError> for StoreError {
    fn from(e: SealError) -> StoreError {
        match e {
            SealError::Broken { record } => StoreError::Sealed { record },
            SealError::NoRandomness { .. } => StoreError::Io(e.to_string()),
        }
    }
}
