//! Whether somebody else may read a file that the daemon can read.
//!
//! # Decisions
//! - By what the file system shows here. One that asks elsewhere (NFS, some of FUSE) shows modes that allow more than it
//!   does; the documentation says so.
use std::fs::File;
use std::path::Path;

use rustix::fd::AsFd as _;
use rustix::fs::{Stat, fgetxattr, fstat, getxattr, stat};
use rustix::io::{Errno, Result};

use super::sighting::name_of;
use rigpost_core::queue::rights::{ACL, Inode, LONGEST_ACL, READ, SEARCH, User};

/// Whether all the directories above a path let this user through, as far as there are such.
fn may_pass(user: &User, path: &Path) -> bool {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    above.into_iter().all(|dir| {
        match stat(dir) {
            Ok(found) => may(user, SEARCH, &found, |bytes| getxattr(dir, ACL, bytes)),
            // What is beneath it is not there for anybody, and refused for that.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL | Errno::NAMETOOLONG) => true,
            Err(_) => false,
        }
    })
}

/// The same, and also where its links lead. A link to nothing that can be seen leads nowhere for them.
pub fn may_reach(user: &User, path: &Path) -> bool {
    if user.uid == 0 {
        return true;
    }
    let beside = |dir: &Path| dir.canonicalize().map_or(true, |real| may_pass(user, &real.join("x")));
    may_pass(user, path)
        && match path.canonicalize() {
            Ok(real) => may_pass(user, &real),
            Err(_) => !path.is_symlink() && path.parent().is_none_or(beside),
        }
}

/// Whether this user may read the file that is open, wherever it lies.
pub fn may_read(user: &User, file: &File) -> bool {
    let reads = |found: Stat| may(user, READ, &found, |bytes| fgetxattr(file, ACL, bytes));
    user.uid == 0
        || name_of(file.as_fd()).is_some_and(|path| may_pass(user, &path)) && fstat(file).is_ok_and(reads)
}

fn may(user: &User, want: u32, found: &Stat, list: impl FnOnce(&mut [u8]) -> Result<usize>) -> bool {
    let mut bytes = [0; LONGEST_ACL];
    let acl = match list(&mut bytes) {
        Ok(length) => bytes.get(..length),
        Err(Errno::NODATA | Errno::NOTSUP) => None,
        Err(_) => return false,
    };
    user.may(want, &Inode { uid: found.st_uid, gid: found.st_gid, mode: found.st_mode, acl })
}
