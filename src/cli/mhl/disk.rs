//! A history's files: read as such and no others, and written whole or not at all.
//!
//! # Decisions
//!
//! - A manifest gets its name when all of it is on the disk, and the chain names it right after; both are written aside first. What
//!   a run has begun and can't finish it takes away again. Of a power cut between the two, a manifest of ours that the chain does
//!   not name yet is what is left: the next run goes on with it.
//! - Reading a card takes hours, and others write histories too: what is written follows on what is there then, or nothing is.
//! - A link, a pipe or a device is no part of a history, whoever runs this.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};

pub(super) const CHAIN: &str = "ascmhl_chain.xml";
/// More than the manifest of any card has.
const LARGEST: u64 = 64 << 20;
/// More generations than anybody makes.
pub(super) const MOST: usize = 1000;

/// Writes both, or neither: the manifest, and the chain in the place of the one before, if that is still there as it was.
pub(super) fn write(
    folder: &Path,
    manifest: &Path,
    xml: &str,
    (before, chain): (Option<&str>, &str),
) -> io::Result<()> {
    let is_new = match fs::create_dir(folder) {
        Ok(()) => true,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
        Err(e) => return Err(e),
    };
    let part = |of: &Path| of.with_extension("part");
    let at = folder.join(CHAIN);
    let written = (|| {
        let held = File::options().read(true).custom_flags(nofollow()).open(folder)?;
        // Not every file system of a card knows locks.
        match flock(&held, FlockOperation::NonBlockingLockExclusive) {
            Err(e) if e == rustix::io::Errno::WOULDBLOCK => {
                return Err(io::Error::other("somebody else is writing to it"));
            }
            Ok(()) | Err(_) => {}
        }
        let now = match text_of(&at) {
            Ok(now) => Some(now),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        if now.as_deref() != before {
            return Err(io::Error::other("somebody else has written to it meanwhile; try again"));
        }
        write_new(&part(manifest), xml.as_bytes())?;
        write_new(&part(&at), chain.as_bytes())?;
        if manifest.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(part(manifest), manifest)?;
        held.sync_all()?;
        fs::rename(part(&at), &at).inspect_err(|_| drop(fs::remove_file(manifest)))?;
        held.sync_all()?;
        if is_new && let Some(root) = folder.parent() {
            File::open(root)?.sync_all()?;
        }
        Ok(())
    })();
    if written.is_err() {
        // Where nothing of them was written nothing is there.
        let _ = (fs::remove_file(part(manifest)), fs::remove_file(part(&at)));
        if is_new {
            let _ = fs::remove_dir(folder);
        }
    }
    written
}

/// The names of the manifests that are there.
pub(super) fn manifests(folder: &Path) -> io::Result<BTreeSet<String>> {
    if !fs::symlink_metadata(folder)?.is_dir() {
        return Err(io::Error::other("it is no folder"));
    }
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // What the systems of computers put beside a file begins with a dot.
        if name.ends_with(".mhl") && !name.starts_with('.') {
            names.insert(name);
        }
        if names.len() > MOST {
            return Err(io::Error::other("it has too many generations"));
        }
    }
    Ok(names)
}

fn nofollow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

pub(super) fn text_of(path: &Path) -> io::Result<String> {
    let file = File::options().read(true).custom_flags(nofollow()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other("it is too large to be one"));
    }
    Ok(text)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Of a run that was cut off.
    let _ = fs::remove_file(path);
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
