//! What lies in a media source: a walk that stops whenever it is told to, and a look at one file.
//!
//! # Decisions
//! - Never through a link, in no part of a path: what a source takes is what lies in it. Mounts are told and not entered:
//!   each is a card, and has its own threads.
//! - Depth first with one open directory a level, of which there are at most [`MAX_DEPTH`], so that memory is bounded by the depth, and not by the number of files
//!   or directories. The path of each is known without asking for it, and may be any bytes.
//! - By hand, and not `walkdir` or `ignore`: both name a directory anew by its whole path to open it, and then a link that
//!   somebody puts into its place leads out of the source.
//! - Each directory is entered by its visitor before it is read: who begins to watch it there misses nothing.
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, StatxFlags, fstat, fstatfs, major, open,
    openat2, statat, statx,
};
use rustix::io::Errno;

use super::beneath::{beneath, open_named};
use rigpost_contract::left_out::MAX_DEPTH;
use rigpost_core::queue::item::FileFacts;

const WITHIN: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Decides where a walk goes, by names alone.
pub trait Visitor {
    /// Whether to go into this directory.
    fn enters(&self, dir: &Path) -> bool;
    /// Whether to look at this file.
    fn wants(&self, file: &Path) -> bool;
    /// The walk is in this directory and has not read it yet. Answers whether what happens there will be told.
    fn entered(&mut self, dir: BorrowedFd<'_>, path: &Path) -> bool;
}

/// A walk under way. Holds directories open, so that what they are on can't be unmounted.
#[derive(Debug)]
pub struct Walk {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    dir: Dir,
    path: PathBuf,
    dev: u64,
    told: Told,
    elsewhere: bool,
}

/// Whose doings this kernel tells of in a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Everybody's.
    All,
    /// Of everybody who goes by this mount, and others may go around it.
    Through,
    /// Of this machine's.
    Ours,
}

/// A file that a walk came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// As its directory was named.
    pub path: PathBuf,
    /// As the file system has them in mind, which may be a minute old where that is another machine's.
    pub facts: FileFacts,
    /// Others may write it, or nobody tells of its writers.
    pub elsewhere: bool,
}

/// What a part of a walk came to.
#[derive(Debug, Default)]
pub struct Step {
    /// Regular files, empty ones too.
    pub files: Vec<Met>,
    /// What could not be read, and why.
    pub unread: Vec<(PathBuf, String)>,
    /// Directories on which something else is mounted. The walk did not go there.
    pub mounts: Vec<PathBuf>,
    /// A directory is on a file system in which things happen that this kernel does not tell.
    pub untold: bool,
    /// There is nothing more.
    pub done: bool,
}

impl Walk {
    /// Begins at `path`, which lies beneath one of `dirs` or is one of them.
    ///
    /// # Errors
    /// The system's: it is not there, is no directory or a link, may not be read.
    pub fn begin(dirs: &[PathBuf], path: &Path, visitor: &mut dyn Visitor) -> std::io::Result<(Walk, Step)> {
        let (dir, rest) = beneath(dirs, path).ok_or(Errno::XDEV)?;
        let fd = if rest.as_os_str().is_empty() {
            open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?
        } else {
            open_dir(open_named(dir)?.as_fd(), rest, WITHIN)?
        };
        let (mut walk, mut step) = (Walk { levels: Vec::new() }, Step::default());
        walk.enter(fd, path.to_owned(), visitor, &mut step)?;
        Ok((walk, step))
    }

    /// Goes on until it has seen `most` entries or everything. Blocks on the disk.
    pub fn step(&mut self, most: usize, visitor: &mut dyn Visitor) -> Step {
        let mut step = Step::default();
        for _ in 0..most {
            let Some(level) = self.levels.last_mut() else { break };
            match level.dir.read() {
                None => drop(self.levels.pop()),
                Some(Err(e)) => {
                    step.unread.push((level.path.clone(), e.to_string()));
                    self.levels.pop();
                }
                Some(Ok(entry)) => {
                    let name = entry.file_name();
                    if name != c"." && name != c".." {
                        let path = level.path.join(OsStr::from_bytes(name.to_bytes()));
                        if let Err(e) = self.see(name, entry.file_type(), &path, visitor, &mut step) {
                            step.unread.push((path, e.to_string()));
                        }
                    }
                }
            }
        }
        step.done = self.levels.is_empty();
        step
    }

    fn see(
        &mut self,
        name: &CStr,
        kind: FileType,
        path: &Path,
        visitor: &mut dyn Visitor,
        step: &mut Step,
    ) -> Result<(), Errno> {
        let Some(level) = self.levels.last() else { return Ok(()) };
        let (dir, may_be) = (level.dir.fd()?, |wanted| kind == wanted || kind == FileType::Unknown);
        if may_be(FileType::RegularFile) && visitor.wants(path) {
            let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                // It went in the meantime.
                Err(Errno::NOENT) => return Ok(()),
                stat => stat?,
            };
            if let Some(facts) = facts(&stat) {
                step.files.push(Met { path: path.to_owned(), facts, elsewhere: level.elsewhere });
                return Ok(());
            }
        }
        if may_be(FileType::Directory) && visitor.enters(path) {
            if self.levels.len() > MAX_DEPTH {
                step.unread.push((path.to_owned(), format!("more than {MAX_DEPTH} levels deep")));
                return Ok(());
            }
            let here = WITHIN.union(ResolveFlags::NO_XDEV);
            match open_dir(dir, Path::new(OsStr::from_bytes(name.to_bytes())), here) {
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(Errno::XDEV) => step.mounts.push(path.to_owned()),
                fd => self.enter(fd?, path.to_owned(), visitor, step)?,
            }
        }
        Ok(())
    }

    fn enter(
        &mut self,
        fd: OwnedFd,
        path: PathBuf,
        visitor: &mut dyn Visitor,
        step: &mut Step,
    ) -> Result<(), Errno> {
        #[allow(clippy::useless_conversion, reason = "not useless on every architecture")]
        let dev = u64::from(fstat(&fd)?.st_dev);
        let above = self.levels.last().filter(|above| above.dev == dev);
        let told = above.map_or_else(|| Told::of(&fd, dev), |above| above.told);
        step.untold |= told != Told::All;
        let watched = visitor.entered(fd.as_fd(), &path);
        self.levels.push(Level {
            dir: Dir::new(fd)?,
            path,
            dev,
            told,
            elsewhere: !watched || told == Told::Ours,
        });
        Ok(())
    }
}

/// Looks at a file beneath one of the directories without opening it; `None` where there is no regular file. Blocks on
/// the disk.
pub fn glance(dirs: &[PathBuf], path: &Path) -> Option<FileFacts> {
    let (dir, rest) = beneath(dirs, path)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat2(open_named(dir).ok()?, rest, flags, Mode::empty(), WITHIN).ok()?;
    // NFS, SMB and FUSE keep attributes for seconds or a minute, and ask anew when told to. Others don't care.
    let fresh = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
    let _ = statx(&file, "", fresh, StatxFlags::BASIC_STATS);
    facts(&fstat(&file).ok()?)
}

/// The kind of the file system (`statfs(2)`).
pub(super) fn magic(file: impl AsFd) -> Option<u32> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "magic numbers have 32 bits")]
    fstatfs(file).ok().map(|fs| fs.f_type as u32)
}

/// What identifies the bytes of a regular file; `None` of anything else.
pub(super) fn facts(stat: &Stat) -> Option<FileFacts> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    // The widths and signs of these fields differ between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "not useless on 32-bit boards")]
    let (size, mtime_ns, ctime_ns) = (
        u64::try_from(stat.st_size).unwrap_or(0),
        (stat.st_mtime as i64).saturating_mul(1_000_000_000).saturating_add(stat.st_mtime_nsec as i64),
        (stat.st_ctime as i64).saturating_mul(1_000_000_000).saturating_add(stat.st_ctime_nsec as i64),
    );
    #[allow(clippy::useless_conversion, reason = "not useless on 32-bit boards")]
    Some(FileFacts { size, mtime_ns, ctime_ns, dev: u64::from(stat.st_dev), ino: u64::from(stat.st_ino) })
}

fn open_dir(dir: BorrowedFd<'_>, rest: &Path, how: ResolveFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    open_quietly(dir, rest, flags, how)
}

/// Access times are left alone where the kernel lets us: whoever looks at a card later sees what the camera wrote.
pub(super) fn open_quietly(
    dir: BorrowedFd<'_>,
    rest: &Path,
    flags: OFlags,
    how: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    match openat2(dir, rest, flags | OFlags::NOATIME, Mode::empty(), how) {
        // Its owner is another.
        Err(Errno::PERM) => openat2(dir, rest, flags, Mode::empty(), how),
        opened => opened,
    }
}

impl Told {
    /// `statfs(2)`. A FUSE that is mounted from a block device (NTFS, exFAT) is a card like any other.
    fn of(dir: &OwnedFd, dev: u64) -> Told {
        /// NFS, SMB (three of its clients), 9p, Ceph, AFS (two), Lustre, OCFS2, GFS2, VirtualBox's folders.
        const REMOTE: &[u32] = &[
            0x6969,
            0x517b,
            0xff53_4d42,
            0xfe53_4d42,
            0x0102_1997,
            0x00c3_6400,
            0x5346_414f,
            0x6b41_4653,
            0x0bd0_0bd0,
            0x7461_636f,
            0x0116_1970,
            0x786f_4256,
        ];
        const FUSE: u32 = 0x6573_5546;
        const OVERLAY: u32 = 0x794c_7630;
        match magic(dir) {
            Some(FUSE) if major(dev) == 0 => Told::Ours,
            Some(OVERLAY) => Told::Through,
            Some(kind) if REMOTE.contains(&kind) => Told::Ours,
            Some(_) | None => Told::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[derive(Default)]
    struct All(Vec<PathBuf>);

    impl Visitor for All {
        fn enters(&self, dir: &Path) -> bool {
            !dir.ends_with("not here")
        }
        fn wants(&self, file: &Path) -> bool {
            !file.ends_with("not this")
        }
        fn entered(&mut self, _: BorrowedFd<'_>, path: &Path) -> bool {
            self.0.push(path.to_owned());
            true
        }
    }

    /// All files from `path` on, relative to the media directory, and the number of steps of `most` entries.
    fn walk(root: &Path, path: &Path, most: usize) -> (Vec<PathBuf>, usize, Vec<String>) {
        let mut all = All::default();
        let (mut walk, _) = Walk::begin(&[root.to_owned()], path, &mut all).unwrap();
        let (mut files, mut steps, mut unread) = (Vec::new(), 0, Vec::new());
        loop {
            let step = walk.step(most, &mut all);
            assert!(step.files.len() <= most);
            steps += 1;
            files.extend(step.files.into_iter().map(|met| met.path.strip_prefix(root).unwrap().to_owned()));
            unread.extend(step.unread.into_iter().map(|(_, why)| why));
            if step.done {
                files.sort();
                return (files, steps, unread);
            }
        }
    }

    #[test]
    fn a_walk_finds_every_file_in_small_steps() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<&OsStr> = vec![
            OsStr::new("A001.mov"),
            OsStr::new("a b\nc/\u{1f3ac} take.mov"),
            OsStr::from_bytes(b"a b\nc/\xff\xfe.mov"),
            OsStr::new("not here/x.mov"),
            OsStr::new("not this"),
        ];
        for name in &names {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        symlink(dir.path().join("A001.mov"), dir.path().join("link.mov")).unwrap();
        symlink(dir.path(), dir.path().join("loop")).unwrap();
        let mut expected: Vec<PathBuf> = names[..3].iter().map(PathBuf::from).collect();
        expected.sort();
        let (files, steps, unread) = walk(dir.path(), dir.path(), 1);
        assert_eq!((files, unread), (expected.clone(), vec![]));
        assert!(steps > 5);
        let (files, steps, _) = walk(dir.path(), dir.path(), 1000);
        assert_eq!((files, steps), (expected, 1));
    }

    #[test]
    fn a_walk_goes_deep_and_holds_no_more_than_it_must() {
        let dir = tempfile::tempdir().unwrap();
        let deep = (0..MAX_DEPTH + 3).fold(dir.path().to_owned(), |p, n| p.join(n.to_string()));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("too deep.mov"), "x").unwrap();
        let fifty: PathBuf = deep.strip_prefix(dir.path()).unwrap().components().take(50).collect();
        fs::write(dir.path().join(&fifty).join("deep.mov"), "x").unwrap();
        let (files, _, unread) = walk(dir.path(), dir.path(), 10);
        assert_eq!(files, [fifty.join("deep.mov")]);
        assert_eq!(unread, [format!("more than {MAX_DEPTH} levels deep")]);
    }

    #[test]
    fn a_walk_begins_only_where_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let (media, outside) = (dir.path().join("media"), dir.path().join("outside"));
        fs::create_dir_all(media.join("card")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        symlink(&outside, media.join("out")).unwrap();
        symlink("card", media.join("in")).unwrap();
        let begin = |path: PathBuf| {
            Walk::begin(std::slice::from_ref(&media), &path, &mut All::default())
                .map(drop)
                .map_err(|e| e.kind())
        };
        assert!(begin(media.clone()).is_ok() && begin(media.join("card")).is_ok());
        for bad in ["out", "in", "missing"] {
            assert!(begin(media.join(bad)).is_err(), "{bad}");
        }
        assert!(begin(outside).is_err());
    }

    #[test]
    fn what_can_not_be_read_is_told_and_the_rest_is_walked() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("locked")).unwrap();
        fs::write(dir.path().join("a.mov"), "x").unwrap();
        fs::set_permissions(dir.path().join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
        let (files, _, unread) = walk(dir.path(), dir.path(), 10);
        assert_eq!(files, [Path::new("a.mov")]);
        // Root may read everything.
        assert_eq!(unread.len(), usize::from(!rustix::process::geteuid().is_root()));
    }

    #[test]
    fn a_glance_sees_regular_files_only() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = [dir.path().to_owned()];
        fs::write(dir.path().join("a.mov"), "abc").unwrap();
        symlink("a.mov", dir.path().join("link.mov")).unwrap();
        assert_eq!(glance(&dirs, &dir.path().join("a.mov")).map(|f| f.size), Some(3));
        for none in ["link.mov", "missing", "", "../a.mov"] {
            assert_eq!(glance(&dirs, &dir.path().join(none)), None, "{none}");
        }
    }
}
