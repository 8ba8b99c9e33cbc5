//! Mounts that come and go.
//!
//! # Decisions
//! - `/proc/self/mountinfo` can be polled, and then says so at no cost in between. inotify alone does not see a card that
//!   is mounted over a directory: the directory stays, and what is watched lies beneath.
//! - Numbers of mounts are used again, so one that came and went between two looks may leave no trace here; inotify tells
//!   of the file system that went.
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

const TABLE: &str = "/proc/self/mountinfo";

/// The mounts of this process.
#[derive(Debug)]
pub struct Mounts {
    table: AsyncFd<File>,
    /// Those that matter.
    known: BTreeSet<Mount>,
    /// Only those above, at or beneath one of these.
    matter: Vec<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mount {
    /// Number, number of the one it is mounted on, and device.
    what: String,
    point: PathBuf,
}

impl Mounts {
    /// Of those above, at or beneath one of these. Belongs into a tokio runtime.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn new(matter: Vec<PathBuf>) -> io::Result<Mounts> {
        let file = File::open(TABLE)?;
        #[expect(
            deprecated,
            reason = "deprecated for types whose descriptor may change under it; a File's can't"
        )]
        let table = AsyncFd::with_interest(file, Interest::PRIORITY)?;
        let known = read(&matter)?;
        Ok(Mounts { table, known, matter })
    }

    /// Waits for a change that matters; where something was mounted or unmounted.
    ///
    /// # Errors
    /// The table can't be read.
    pub async fn changed(&mut self) -> io::Result<BTreeSet<PathBuf>> {
        loop {
            self.table.ready(Interest::PRIORITY).await?.clear_ready();
            let now = read(&self.matter)?;
            let points: BTreeSet<PathBuf> =
                now.symmetric_difference(&self.known).map(|mount| mount.point.clone()).collect();
            self.known = now;
            if !points.is_empty() {
                return Ok(points);
            }
        }
    }
}

fn read(matter: &[PathBuf]) -> io::Result<BTreeSet<Mount>> {
    let related = |point: &Path| matter.iter().any(|m| m.starts_with(point) || point.starts_with(m));
    let table = std::fs::read(TABLE)?;
    let all = table.split(|b| *b == b'\n').filter_map(parse);
    Ok(all.filter(|mount| related(&mount.point)).collect())
}

/// `proc_pid_mountinfo(5)`: number, parent, device, root, mount point, ...
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let what: Vec<&[u8]> = fields.by_ref().take(3).collect();
    let point = unescape(fields.nth(1)?);
    Some(Mount { what: String::from_utf8(what.join(&b' ')).ok()?, point })
}

/// Blanks, tabs, line breaks and backslashes are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let (mut path, mut rest) = (Vec::with_capacity(field.len()), field);
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|o| std::str::from_utf8(o).ok());
        match octal.and_then(|o| u8::from_str_radix(o, 8).ok()) {
            Some(byte) => {
                path.push(byte);
                rest = &after[3..];
            }
            None => {
                path.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(path).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = br"36 35 98:0 /mnt1 /media/my\040card\134x rw,noatime master:1 - ext3 /dev/root rw";
        let mount = parse(line).unwrap();
        assert_eq!(
            (mount.what.as_str(), mount.point.as_path()),
            ("36 35 98:0", Path::new("/media/my card\\x"))
        );
        assert_eq!(parse(b""), None);
        assert_eq!(unescape(br"\04"), Path::new(r"\04"));
        assert_eq!(unescape(br"\999x"), Path::new(r"\999x"));
    }

    #[tokio::test]
    async fn the_table_of_this_process_is_read() {
        let mounts = Mounts::new(vec!["/proc/self".into()]).unwrap();
        assert!(mounts.known.iter().any(|m| m.point == Path::new("/")));
        assert!(mounts.known.iter().any(|m| m.point == Path::new("/proc")));
    }
}
