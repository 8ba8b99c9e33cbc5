//! The daemon's user, and what the permissions of a file allow it.
//!
//! # Decisions
//!
//! - Asked of the system's name services (`nsswitch.conf(5)`): a studio has its users in LDAP. `nix` makes the C library's
//!   calls safe. They may wait for a server, so they are made beside the runtime, and waited for no longer than for any
//!   other answer.

use std::ffi::CString;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{Gid, User, getgrouplist};
use rustix::fs::getxattr;

use rigpost_core::queue::rights::{self, ACL, Inode, LONGEST_ACL};

/// The daemon's user and group.
pub(crate) const USER: &str = "rigpost";

const PATIENCE: Duration = Duration::from_secs(10);

/// A user and the groups it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    gids: Vec<u32>,
}

/// Why nothing is known of a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAccount {
    /// Installing the package makes it.
    #[error("there is no user {0} on this system")]
    Missing(String),
    /// Somebody has to look at the name services.
    #[error("the system's users can't be looked up: {0}")]
    Unknown(String),
}

impl Account {
    /// The daemon's account.
    pub(crate) async fn daemon() -> Result<Self, NoAccount> {
        Self::look_up(USER).await
    }

    async fn look_up(name: &'static str) -> Result<Self, NoAccount> {
        let found = tokio::task::spawn_blocking(move || Self::ask(name));
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(Ok(Ok(Some(account)))) => Ok(account),
            Ok(Ok(Ok(None))) => Err(NoAccount::Missing(name.to_owned())),
            Ok(Ok(Err(error))) => Err(NoAccount::Unknown(error.desc().to_owned())),
            Ok(Err(error)) => Err(NoAccount::Unknown(error.to_string())),
            Err(_) => Err(NoAccount::Unknown("no answer within 10 seconds".to_owned())),
        }
    }

    fn ask(name: &str) -> Result<Option<Self>, Errno> {
        let Some(user) = User::from_name(name)? else { return Ok(None) };
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        let gids = getgrouplist(&name, user.gid)?.into_iter().map(Gid::as_raw).collect();
        Ok(Some(Self { uid: user.uid.as_raw(), gids }))
    }

    /// Whether the permission bits (4 read, 2 write, 1 search), and the file's access list, allow this user to use it.
    fn may(&self, path: &Path, meta: &Metadata, bits: u32) -> bool {
        let mut list = [0; LONGEST_ACL];
        // Most file systems have none, and where it can't be had the bits are all that is known.
        let acl = getxattr(path, ACL, &mut list).ok().and_then(|length| list.get(..length));
        let user = rights::User { uid: self.uid, groups: self.gids.clone() };
        let (uid, gid, mode) = (meta.uid(), meta.gid(), meta.permissions().mode());
        user.may(bits, &Inode { uid, gid, mode, acl })
    }

    /// The first part of the path that keeps this user from reading the directory, if any does.
    pub(crate) fn stopped_at<'a>(&self, dir: &'a Path) -> Option<&'a Path> {
        self.closed(dir, 5)
    }

    /// The same of a file.
    pub(crate) fn kept_from<'a>(&self, file: &'a Path) -> Option<&'a Path> {
        self.closed(file, 4)
    }

    /// `bits`: what it takes at the path itself.
    fn closed<'a>(&self, path: &'a Path, bits: u32) -> Option<&'a Path> {
        let is_closed = |part: &&Path| {
            let bits = if *part == path { bits } else { 1 };
            fs::metadata(part).is_ok_and(|meta| !self.may(part, &meta, bits))
        };
        path.ancestors().filter(|part| !part.as_os_str().is_empty()).filter(is_closed).last()
    }

    #[cfg(test)]
    /// Somebody.
    pub(crate) fn of(uid: u32, gids: Vec<u32>) -> Self {
        Self { uid, gids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `id` says, which asks the same sources.
    fn id(flag: &str, user: &str) -> Vec<u32> {
        let output = std::process::Command::new("id").args([flag, user]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().map(|number| number.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn accounts_are_found_with_their_groups() {
        for user in ["root", "nobody", "daemon", "www-data"] {
            let account = Account::look_up(user).await.unwrap();
            assert_eq!([account.uid], id("-u", user)[..], "{user}");
            let sorted = |mut gids: Vec<u32>| {
                gids.sort_unstable();
                gids
            };
            assert_eq!(sorted(account.gids), sorted(id("-G", user)), "{user}");
        }
        let missing = Account::look_up("no-such-user").await.unwrap_err();
        assert_eq!(missing, NoAccount::Missing("no-such-user".to_owned()));
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
        // As `setfacl -m u:64321:rx` leaves it, which is what helps.
        let all = u32::MAX;
        let list = [(1u16, 7u16, all), (2, 5, 64_321), (4, 0, all), (0x10, 5, all), (0x20, 0, all)];
        let list = list.iter().flat_map(|(tag, may, id)| {
            [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat()
        });
        let list: Vec<u8> = 2u32.to_le_bytes().into_iter().chain(list).collect();
        rustix::fs::setxattr(&closed, ACL, &list, rustix::fs::XattrFlags::empty()).unwrap();
        assert_eq!(stranger.stopped_at(&closed), None);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(stranger.stopped_at(&closed), Some(closed.as_path()), "the mask takes it away");
        let owner = Account { uid: fs::metadata(&closed).unwrap().uid(), gids: vec![] };
        assert_eq!(owner.stopped_at(&closed), None);
    }
}
