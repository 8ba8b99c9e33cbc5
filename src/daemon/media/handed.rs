//! Open files that somebody hands over: which are taken, and how they look.
//!
//! # Decisions
//! - A file that others can be asked for again: regular, with a name, opened for reading and for nothing else. The daemon
//!   would hold a descriptor for writing for hours, and one of a pipe, a memory or a device is no clip.
//! - What the kernel knows of a descriptor (its name, its flags) is asked where it arrives. What asks the file system goes
//!   to the workers of its volume, as everywhere.
//! - The offset is shared with whoever handed it over, and so are the flags. So it is read by `pread` only.
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{OFlags, fcntl_getfl, fstat};

use super::file::{MediaFile, ReadError};
use super::sighting::{fingerprint, name_of, volume};
use super::walk;
use super::workers::Workers;
use rigpost_core::command::Refusal;
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::handed::handed_over;
use rigpost_core::queue::item::shown;
use rigpost_core::time::BootId;

impl Workers {
    /// A descriptor as a file, and what the queue calls it. It is closed by the workers of its volume, taken or not.
    ///
    /// # Errors
    /// It is none that can be read: [`Refusal::NotAllowed`].
    pub async fn receive(&self, fd: OwnedFd, boot: BootId) -> Result<(Arc<MediaFile>, Sighting), Refusal> {
        let (name, flags) = (name_of(fd.as_fd()).unwrap_or_default(), fcntl_getfl(&fd));
        let path = handed_over(&name);
        let file = Arc::new(self.file_at(File::from(fd), &path));
        let refused = |why: &str| Refusal::NotAllowed(format!("{why}: {}", shown(&name)));
        let only_reads = flags
            .is_ok_and(|flags| !flags.contains(OFlags::PATH) && flags & OFlags::RWMODE == OFlags::RDONLY);
        if !only_reads {
            return Err(refused("the descriptor must be opened for reading, and for nothing else"));
        }
        let reader = file.clone();
        let looked = file.volume().run(move || -> io::Result<_> {
            let open = reader.file()?;
            let has_name = fstat(open)?.st_nlink > 0;
            look(open, path, boot).map(|seen| seen.map(|seen| (has_name, seen)))
        });
        match looked.await? {
            Ok(None) => Err(refused("not a regular file")),
            Ok(Some((false, _))) => Err(refused("a file without a name could not be handed over again")),
            Ok(Some((true, seen))) if seen.facts.size == 0 => Err(refused("the file is empty")),
            Ok(Some((true, seen))) => Ok((file, seen)),
            Err(e) => Err(refused(&format!("can't be read ({e})"))),
        }
    }

    /// An open file that is known by this path.
    pub(super) fn file_at(&self, file: File, path: &Path) -> MediaFile {
        MediaFile::new(file, self.volumes().of(path))
    }
}

/// How an open file looks now that is known by this path.
///
/// # Errors
/// [`ReadError::Unreadable`] and [`ReadError::NotAnswering`].
pub async fn look_at_open(file: &Arc<MediaFile>, path: PathBuf, boot: BootId) -> Result<Sighting, ReadError> {
    let reader = file.clone();
    let seen = file.volume().run(move || -> Result<_, ReadError> {
        look(reader.file()?, path, boot).map_err(ReadError::Unreadable)
    });
    seen.await??.ok_or_else(|| ReadError::Unreadable(io::ErrorKind::InvalidData.into()))
}

/// `None`: it is no regular file.
fn look(open: &File, path: PathBuf, boot: BootId) -> io::Result<Option<Sighting>> {
    let Some(facts) = walk::facts(&fstat(open)?) else { return Ok(None) };
    let volume = volume(open.as_fd(), facts, boot);
    Ok(Some(Sighting { path, facts, volume, fingerprint: Some(fingerprint(open, facts)?) }))
}
