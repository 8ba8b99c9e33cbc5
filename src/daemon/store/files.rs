//! The database's file and what lies beside it: names, modes, and taking them away.
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// The name of the database in the state directory.
pub const FILE: &str = "rigpost.db";
/// SQLite's files beside the database.
const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// An empty file with mode 0600, whatever the umask.
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
        .map_err(|e| StoreError::file(path, &e))
}

/// Removes a database that nobody needs, with its side files.
pub(super) fn remove(path: &Path) {
    let _ = fs::remove_file(path);
    for suffix in SIDE_FILES {
        let _ = fs::remove_file(beside(path, suffix));
    }
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
