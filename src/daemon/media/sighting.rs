//! How a file looks: where it really lies, on which volume, and evidence of its bytes.
//!
//! # Decisions
//! - What udev knows of a device names its file system, read from udev's own record: nothing of the card is touched for it,
//!   and no right is needed. Where there is no udev, `f_fsid` does, of the file systems that make it of their UUID.
//! - The kernel's number of a mount is used again as soon as it is free, and a card that is put into a reader would be
//!   taken for the one before: where the kernel has none that is never used again (Linux 6.8), the volume is mixed in.
//! - The path is the kernel's word for what is open, so that no `.`, `..`, doubled slash or link is left in it; but the
//!   directory that the configuration names keeps that name.
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fd::{AsRawFd as _, BorrowedFd};
use rustix::fs::{AtFlags, Statx, StatxFlags, fstat, fstatvfs, readlink, statx};
use xxhash_rust::xxh64::Xxh64;

use super::walk;
use rigpost_core::queue::evidence::{FINGERPRINT_END, Fingerprint, Sighting, Volume};
use rigpost_core::queue::item::FileFacts;
use rigpost_core::time::BootId;

/// `STATX_MNT_ID` and `STATX_MNT_ID_UNIQUE` (`statx(2)`).
const MNT_ID: StatxFlags = StatxFlags::from_bits_retain(0x1000);
const MNT_ID_UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);
/// Whose `f_fsid` is of their UUID: ext2 to ext4, btrfs, F2FS, XFS. That of tmpfs is drawn anew for each.
const TELLING: [u32; 4] = [0xef53, 0x9123_683e, 0xf2f5_2010, 0x5846_5342];

/// How the file that is open looks, but for its fingerprint; `None`: it is no regular file. `dir` is what is open of the
/// directory `named`, beneath which `path` was opened.
pub(super) fn sighting(
    file: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    named: &Path,
    path: &Path,
    boot: BootId,
) -> io::Result<Option<Sighting>> {
    let Some(facts) = walk::facts(&fstat(file)?) else { return Ok(None) };
    let path = real(file, dir, named).unwrap_or_else(|| path.components().collect());
    Ok(Some(Sighting { path, facts, volume: volume(file, facts, boot), fingerprint: None }))
}

/// Reads both ends of a file: at most 128 KiB. Blocks on the disk.
pub fn fingerprint(file: &File, facts: FileFacts) -> io::Result<Fingerprint> {
    let head_len = facts.size.min(FINGERPRINT_END);
    let tail_len = (facts.size - head_len).min(FINGERPRINT_END);
    let read = |len: u64, at: u64| -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    };
    Ok(Fingerprint::of(&read(head_len, 0)?, &read(tail_len, facts.size - tail_len)?, facts.size))
}

/// Where the file lies, without links, beneath the directory as the configuration names it.
fn real(file: BorrowedFd<'_>, dir: BorrowedFd<'_>, named: &Path) -> Option<PathBuf> {
    let rest = name_of(file)?.strip_prefix(name_of(dir)?).ok()?.to_owned();
    let named: PathBuf = named.components().collect();
    Some(named.join(rest))
}

/// Where the kernel says that it lies, without links.
pub(super) fn name_of(fd: BorrowedFd<'_>) -> Option<PathBuf> {
    let name = readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new()).ok()?;
    Some(OsString::from_vec(name.into_bytes()).into())
}

pub(super) fn volume(file: BorrowedFd<'_>, facts: FileFacts, boot: BootId) -> Volume {
    let id = known_to_udev(facts.dev).or_else(|| by_fsid(file)).unwrap_or_default();
    let mut mount = Xxh64::new(0);
    mount.update(&boot.0.to_be_bytes());
    match mount_number(file) {
        Some((number, true)) => mount.update(&number.to_be_bytes()),
        Some((number, false)) => {
            mount.update(&number.to_be_bytes());
            mount.update(&facts.dev.to_be_bytes());
            mount.update(id.as_bytes());
        }
        None => return Volume { id, mount: 0 },
    }
    // Zero stands for a mount that is not known.
    Volume { id, mount: mount.digest().max(1) }
}

/// The number of the mount, and whether it is never used again.
fn mount_number(file: BorrowedFd<'_>) -> Option<(u64, bool)> {
    let has = |stat: &Statx, flag: StatxFlags| stat.stx_mask & flag.bits() != 0;
    let stat = statx(file, c"", AtFlags::EMPTY_PATH, MNT_ID_UNIQUE | MNT_ID).ok()?;
    if has(&stat, MNT_ID_UNIQUE) {
        return Some((stat.stx_mnt_id, true));
    }
    has(&stat, MNT_ID).then_some((stat.stx_mnt_id, false))
}

/// `ID_FS_UUID` of the device in udev's record.
fn known_to_udev(dev: u64) -> Option<String> {
    let (major, minor) = (rustix::fs::major(dev), rustix::fs::minor(dev));
    let record = std::fs::read_to_string(format!("/run/udev/data/b{major}:{minor}")).ok()?;
    let uuid = record.lines().find_map(|line| line.strip_prefix("E:ID_FS_UUID="))?;
    (!uuid.is_empty()).then(|| uuid.to_owned())
}

fn by_fsid(file: BorrowedFd<'_>) -> Option<String> {
    let kind = walk::magic(file)?;
    let id = fstatvfs(file).ok()?.f_fsid;
    (TELLING.contains(&kind) && id != 0).then(|| format!("{kind:x}-{id:016x}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fd::AsFd as _;

    use super::*;

    /// Of a file, named by its directory.
    fn of(path: &Path) -> Sighting {
        let named = path.parent().unwrap();
        let (dir, file) = (File::open(named).unwrap(), File::open(path).unwrap());
        let seen = sighting(file.as_fd(), dir.as_fd(), named, path, BootId(1)).unwrap().unwrap();
        Sighting { fingerprint: Some(fingerprint(&file, seen.facts).unwrap()), ..seen }
    }

    #[test]
    fn the_fingerprint_is_of_both_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mov");
        let mut bytes = vec![7u8; 3 * 64 * 1024];
        let mut prints = Vec::new();
        for at in [usize::MAX, 0, 64 * 1024 - 1, 64 * 1024, 128 * 1024 - 1, 128 * 1024, bytes.len() - 1] {
            let mut changed = bytes.clone();
            if let Some(byte) = changed.get_mut(at) {
                *byte = 8;
            }
            fs::write(&path, &changed).unwrap();
            prints.push(of(&path).fingerprint.unwrap());
        }
        let whole = |n: usize| prints[n].whole;
        assert!([1, 2, 5, 6].iter().all(|n| whole(*n) != whole(0)), "an end differs");
        assert!([3, 4].iter().all(|n| whole(*n) == whole(0)), "only the middle differs");
        assert_eq!(prints.iter().filter(|p| p.head != prints[0].head).count(), 2);
        for len in [1, 64 * 1024, 64 * 1024 + 1, 128 * 1024] {
            bytes.truncate(len);
            fs::write(&path, &bytes).unwrap();
            let before = of(&path).fingerprint.unwrap();
            bytes[len - 1] = 9;
            fs::write(&path, &bytes).unwrap();
            assert_ne!(before.whole, of(&path).fingerprint.unwrap().whole, "the last of {len}");
            bytes = vec![7u8; 3 * 64 * 1024];
        }
    }

    #[test]
    fn a_mount_has_a_number_and_the_same_one_for_all_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.mov", "b.mov"].map(|name| dir.path().join(name));
        paths.iter().for_each(|path| fs::write(path, "x").unwrap());
        let [a, b] = paths.each_ref().map(|path| of(path).volume);
        assert_ne!(a.mount, 0);
        assert_eq!(a, b);
        let proc = of(Path::new("/proc/self/../version"));
        assert_ne!(proc.volume.mount, a.mount, "another mount");
        assert_eq!(
            proc.path,
            Path::new("/proc/self/../version"),
            "the directory keeps the name it was given"
        );
    }

    #[test]
    fn the_path_is_where_the_file_really_lies() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("card/DCIM")).unwrap();
        fs::write(dir.path().join("card/DCIM/A.MOV"), "x").unwrap();
        std::os::unix::fs::symlink("card", dir.path().join("link")).unwrap();
        let named = dir.path().join("link");
        let (dir_fd, file) = (File::open(&named).unwrap(), File::open(named.join("DCIM/A.MOV")).unwrap());
        let odd = named.join(".//DCIM/../DCIM/A.MOV");
        let seen = sighting(file.as_fd(), dir_fd.as_fd(), &named, &odd, BootId(1)).unwrap().unwrap();
        assert_eq!(seen.path, named.join("DCIM/A.MOV"));
    }
}
