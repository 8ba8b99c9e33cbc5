//! The directories that media may lie in.
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

/// The one of `dirs` that `path` lies beneath, or is, and the rest of the path. The longest match is the directory that
/// the file is really meant to be in.
pub fn beneath<'a>(dirs: &'a [PathBuf], path: &'a Path) -> Option<(&'a Path, &'a Path)> {
    let dirs = dirs.iter().filter_map(|dir| Some((dir.as_path(), path.strip_prefix(dir).ok()?)));
    dirs.max_by_key(|(dir, _)| dir.as_os_str().len())
}

/// Opens one of them by its name only, as what `openat2` looks beneath.
pub(super) fn open_named(dir: &Path) -> Result<OwnedFd, Errno> {
    open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}
