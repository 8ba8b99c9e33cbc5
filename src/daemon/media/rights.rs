//! Whether somebody else may read a file that the daemon can read.
use std::fs::File;
use std::path::Path;

use rustix::fs::{Stat, fgetxattr, fstat, getxattr, stat};
use rustix::io::{Errno, Result};

use rigpost_core::queue::rights::{Inode, READ, SEARCH, User};

const ACL: &str = "system.posix_acl_access";
/// Bytes of a list: hundreds of entries. One that is longer can't be told.
const LONGEST: usize = 4096;

/// Whether all the directories above a path let this user through, as far as there are such.
pub fn may_pass(user: &User, path: &Path) -> bool {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    above.into_iter().all(|dir| {
        let list = || |bytes: &mut [u8]| getxattr(dir, ACL, bytes);
        match stat(dir) {
            Ok(found) => may(user, SEARCH, &found, list()),
            // What is beneath it is not there for anybody, and refused for that.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL | Errno::NAMETOOLONG) => true,
            Err(_) => false,
        }
    })
}

/// Whether this user may read the file itself.
pub fn may_read(user: &User, file: &File) -> bool {
    fstat(file).is_ok_and(|found| may(user, READ, &found, |bytes: &mut [u8]| fgetxattr(file, ACL, bytes)))
}

fn may(user: &User, want: u32, found: &Stat, list: impl Fn(&mut [u8]) -> Result<usize>) -> bool {
    let mut bytes = [0; LONGEST];
    let acl = match list(&mut bytes) {
        Ok(length) => bytes.get(..length),
        Err(Errno::NODATA | Errno::NOTSUP) => None,
        Err(_) => return false,
    };
    user.may(want, &Inode { uid: found.st_uid, gid: found.st_gid, mode: found.st_mode, acl })
}
