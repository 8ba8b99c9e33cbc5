//! The table of mounts, as `proc_pid_mountinfo(5)` describes it.
//!
//! # Decisions
//! - By hand: a line is ten fields, and the crates that read it bring a parser's library or read all of `/proc`.
//! - Bytes: a mount point and an option can be anything but a blank.
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// The mounts that this process sees.
pub const MOUNT_TABLE: &str = "/proc/self/mountinfo";

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountEntry<'a> {
    /// Number, number of the mount it is mounted on, and device: what tells two mounts at one place apart.
    pub ids: &'a [u8],
    /// Where it is mounted.
    pub point: PathBuf,
    /// The file system: `ext4`, `exfat`.
    pub kind: &'a [u8],
    /// Of the mount, comma-separated.
    pub options: &'a [u8],
    /// Of the file system, comma-separated.
    pub super_options: &'a [u8],
}

/// The mounts of a table in its order; a line that is none is passed over.
pub fn entries(table: &[u8]) -> impl Iterator<Item = MountEntry<'_>> {
    table.split(|b| *b == b'\n').filter_map(entry)
}

/// The mount that holds an absolute path without links.
pub fn holding<'a>(table: &'a [u8], path: &Path) -> Option<MountEntry<'a>> {
    // Of two on one place, the later hides the earlier.
    entries(table).filter(|e| path.starts_with(&e.point)).max_by_key(|e| e.point.components().count())
}

/// Number, parent, device, root, mount point, options, any number of tags, a hyphen, kind, source, options.
fn entry(line: &[u8]) -> Option<MountEntry<'_>> {
    let third = line.iter().enumerate().filter(|(_, b)| **b == b' ').nth(2)?.0;
    let (ids, rest) = (&line[..third], &line[third + 1..]);
    let mut fields = rest.split(|b| *b == b' ');
    let point = unescape(fields.nth(1)?);
    let options = fields.next()?;
    let kind = fields.by_ref().skip_while(|field| *field != b"-").nth(1)?;
    Some(MountEntry { ids, point, kind, options, super_options: fields.nth(1)? })
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
        let line = br"36 35 98:0 /mnt1 /media/my\040card\134x rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue";
        let mount = entry(line).unwrap();
        assert_eq!((mount.ids, mount.point.as_path()), (&b"36 35 98:0"[..], Path::new("/media/my card\\x")));
        assert_eq!(
            (mount.options, mount.kind, mount.super_options),
            (&b"rw,noatime"[..], &b"ext3"[..], &b"rw,errors=continue"[..])
        );
        assert_eq!(
            entry(b"31 22 8:3 / /srv ro - squashfs /dev/loop0 ro").map(|e| e.kind),
            Some(&b"squashfs"[..])
        );
        // A source and a tag may hold a hyphen, and a source may be empty.
        assert_eq!(entry(b"1 2 0:3 / /a rw x:- - tmpfs  rw").map(|e| e.super_options), Some(&b"rw"[..]));
        for none in [&b""[..], b"36 35", b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1"] {
            assert_eq!(entry(none), None);
        }
        assert_eq!(unescape(br"\04"), Path::new(r"\04"));
        assert_eq!(unescape(br"\999x"), Path::new(r"\999x"));
    }

    #[test]
    fn the_nearest_and_latest_mount_holds_a_path() {
        let table = b"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /var rw - xfs /dev/b rw\n3 2 8:3 / /var rw - f2fs /dev/c rw\n";
        let kind = |path: &str| holding(table, Path::new(path)).map(|e| e.kind);
        assert_eq!(kind("/var/lib"), Some(&b"f2fs"[..]));
        assert_eq!(kind("/variety"), Some(&b"ext4"[..]));
        assert_eq!(holding(b"", Path::new("/")), None);
    }
}
