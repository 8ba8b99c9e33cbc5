//! Whether somebody else may read a file that the daemon can read.
//!
//! # Decisions
//! - By what the file system shows here. One that asks elsewhere (NFS, some of FUSE) shows modes that allow more than it
//!   does; the documentation says so.
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use rustix::fd::AsFd as _;
use rustix::fs::{Stat, fgetxattr, fstat, getxattr, stat};
use rustix::io::Errno;

use super::sighting::name_of;
use rigpost_core::queue::rights::{ACL, Inode, LONGEST_ACL, READ, SEARCH, User};

/// What keeps a user from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// They may not pass.
    ToThem,
    /// The daemon may not look, so nobody knows of them.
    ToUs,
}

/// Whether all the directories above a path let this user through, as far as there are such.
fn may_pass(user: &User, path: &Path) -> Result<(), Closed> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    above.into_iter().try_for_each(|dir| {
        match stat(dir) {
            Ok(found) if may(user, SEARCH, &found, |bytes| getxattr(dir, ACL, bytes)) => Ok(()),
            // What is beneath it is not there for anybody, and refused for that.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL | Errno::NAMETOOLONG) => Ok(()),
            Err(Errno::ACCESS) => Err(Closed::ToUs),
            Ok(_) | Err(_) => Err(Closed::ToThem),
        }
    })
}

/// The same, and also where its links lead. A link to nothing that can be seen leads nowhere for them.
pub fn may_reach(user: &User, path: &Path) -> Result<(), Closed> {
    if user.uid == 0 {
        return Ok(());
    }
    may_pass(user, path)?;
    match (path.canonicalize(), path.parent()) {
        (Ok(real), _) => may_pass(user, &real),
        (Err(e), _) if e.kind() == ErrorKind::PermissionDenied => Err(Closed::ToUs),
        (Err(_), _) if path.is_symlink() => Err(Closed::ToThem),
        (Err(_), None) => Ok(()),
        (Err(_), Some(dir)) => dir.canonicalize().map_or(Ok(()), |real| may_pass(user, &real.join("x"))),
    }
}

/// Whether this user may read the file that is open, wherever it lies.
pub fn may_read(user: &User, file: &File) -> bool {
    let reads = |found: Stat| may(user, READ, &found, |bytes| fgetxattr(file, ACL, bytes));
    user.uid == 0
        || name_of(file.as_fd()).is_some_and(|path| may_pass(user, &path).is_ok())
            && fstat(file).is_ok_and(reads)
}

fn may(user: &User, want: u32, found: &Stat, list: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> bool {
    let mut bytes = [0; LONGEST_ACL];
    let acl = match list(&mut bytes) {
        Ok(length) => bytes.get(..length),
        Err(Errno::NODATA | Errno::NOTSUP) => None,
        Err(_) => return false,
    };
    user.may(want, &Inode { uid: found.st_uid, gid: found.st_gid, mode: found.st_mode, acl })
}
