//! The daemon's user, and what the permissions of a file allow it.
//!
//! # Decisions
//!
//! - Read from `/etc/passwd` and `/etc/group`: the user is made by the package, on this system. Name services would need
//!   the C library's calls, which are not safe Rust.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// The daemon's user and group.
pub(crate) const USER: &str = "rigpost";

/// A user and the groups it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    gids: Vec<u32>,
}

impl Account {
    /// The daemon's account; `None` when there is none.
    pub(crate) fn daemon() -> Option<Self> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::find(USER, &read("/etc/passwd"), &read("/etc/group"))
    }

    fn find(name: &str, passwd: &str, group: &str) -> Option<Self> {
        let entry = passwd.lines().map(fields).find(|entry| entry.first() == Some(&name))?;
        let (uid, gid) = (entry.get(2)?.parse().ok()?, entry.get(3)?.parse().ok()?);
        let is_member =
            |entry: &Vec<&str>| entry.get(3).is_some_and(|members| members.split(',').any(|m| m == name));
        let others =
            group.lines().map(fields).filter(is_member).filter_map(|entry| entry.get(2)?.parse().ok());
        Some(Self { uid, gids: [gid].into_iter().chain(others).collect() })
    }

    /// Whether the permission bits (4 read, 2 write, 1 search) allow this user to use the file. Access lists are not seen.
    fn may(&self, meta: &Metadata, bits: u32) -> bool {
        let mode = meta.permissions().mode();
        let mine = match () {
            () if meta.uid() == self.uid => mode >> 6,
            () if self.gids.contains(&meta.gid()) => mode >> 3,
            () => mode,
        };
        self.uid == 0 || mine & bits == bits
    }

    /// The first part of the path that keeps this user from reading the directory, if any does.
    pub(crate) fn stopped_at<'a>(&self, dir: &'a Path) -> Option<&'a Path> {
        let is_closed = |path: &&Path| {
            let bits = if *path == dir { 5 } else { 1 };
            fs::metadata(path).is_ok_and(|meta| !self.may(&meta, bits))
        };
        dir.ancestors().filter(|path| !path.as_os_str().is_empty()).filter(is_closed).last()
    }
}

fn fields(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_with_their_groups() {
        let passwd = "root:x:0:0::/root:/bin/sh\nrigpost:x:990:991::/:/usr/sbin/nologin\n";
        let group = "root:x:0:\nrigpost:x:991:\nvideo:x:44:ana,rigpost\nplugdev:x:46:ana\n";
        let account = Account::find("rigpost", passwd, group).unwrap();
        assert_eq!(account, Account { uid: 990, gids: vec![991, 44] });
        assert_eq!(Account::find("nobody", passwd, group), None);
    }

    #[test]
    fn the_directory_in_the_way_is_named() {
        let top = tempfile::tempdir().unwrap();
        let (closed, inner) = (top.path().join("closed"), top.path().join("closed/inner"));
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o755)).unwrap();
        let stranger = Account { uid: 64_321, gids: vec![64_321] };
        assert_eq!(stranger.stopped_at(&inner), None);
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(stranger.stopped_at(&inner), Some(inner.as_path()));
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(stranger.stopped_at(&inner), Some(closed.as_path()));
        let owner = Account { uid: fs::metadata(&closed).unwrap().uid(), gids: vec![] };
        assert_eq!(owner.stopped_at(&closed), None);
    }
}
