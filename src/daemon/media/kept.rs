//! The open files that were handed over and are needed yet.
//!
//! # Decisions
//! - systemd keeps a copy of each while the daemon is away (`FDSTORE=1`, `sd_notify(3)`), under the number of its item: a
//!   crash and an upgrade lose nothing. Where there is nobody who keeps them, or at a reboot, the clip is away.
//! - Told by hand: what passes descriptors in `sd-notify` brings another crate for one call of the kernel. And without
//!   waiting: what systemd has no room for is not kept, and no clip waits for that.
//! - One that was handed over again takes the place of the earlier one: that may be on a card that is gone.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tracing::{debug, info, warn};

use super::file::MediaFile;
use super::sighting::name_of;
use super::workers::Workers;
use rigpost_core::command::Refusal;
use rigpost_core::queue::handed::{MOST, handed_over};
use rigpost_core::queue::item::ItemId;

/// Before the number of the item.
const PREFIX: &str = "clip-";

/// Who keeps descriptors while the daemon is away.
#[derive(Debug, Default)]
pub struct FdStore {
    /// `NOTIFY_SOCKET`.
    pub socket: Option<PathBuf>,
    /// What was kept, and the names that it was kept by.
    pub kept: Vec<(String, OwnedFd)>,
}

/// The files, by the items that need them. Clones are one.
#[derive(Clone, Debug)]
pub struct Kept {
    files: Arc<Mutex<Files>>,
    socket: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Files {
    open: BTreeMap<ItemId, Arc<MediaFile>>,
    /// Not known yet of which items; by what the queue calls them. Their turn may come before anybody knows.
    coming: Vec<(PathBuf, Arc<MediaFile>)>,
}

impl Kept {
    /// With what was kept while the daemon was away.
    pub fn new(workers: &Workers, store: FdStore) -> Kept {
        let mut files = Files::default();
        for (name, fd) in store.kept {
            let path = handed_over(&name_of(fd.as_fd()).unwrap_or_default());
            // Closed by the workers, where nobody knows it.
            let file = workers.file_at(File::from(fd), &path);
            let id = name.strip_prefix(PREFIX).and_then(|id| id.parse().ok());
            match id {
                Some(id) => drop(files.open.insert(ItemId(id), Arc::new(file))),
                None => warn!("systemd has kept a descriptor that nobody knows, {name:?}"),
            }
        }
        if !files.open.is_empty() {
            info!(files = files.open.len(), "open files that were handed over are back");
        }
        Kept { files: Arc::new(Mutex::new(files)), socket: store.socket }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        // Nothing that could panic happens under it.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps one for an item that is written down next.
    ///
    /// # Errors
    /// [`Refusal::LimitsExceeded`].
    pub fn bring(&self, path: PathBuf, file: Arc<MediaFile>) -> Result<Coming, Refusal> {
        let mut files = self.files();
        if files.open.len() + files.coming.len() >= MOST {
            return Err(Refusal::LimitsExceeded(format!(
                "{MOST} files that were handed over are open, and no more are kept: wait until some are sent, or cancel some"
            )));
        }
        files.coming.push((path, file.clone()));
        Ok(Coming { kept: self.clone(), file })
    }

    /// The open file of an item that is known by this path.
    pub fn get(&self, id: ItemId, path: &Path) -> Option<Arc<MediaFile>> {
        let files = self.files();
        let coming = || files.coming.iter().rev().find(|(name, _)| name == path).map(|(_, file)| file);
        files.open.get(&id).or_else(coming).cloned()
    }

    /// The items.
    pub fn ids(&self) -> Vec<ItemId> {
        self.files().open.keys().copied().collect()
    }

    /// Nobody needs these any more. They are closed when their turns are over.
    pub fn let_go(&self, ids: &[ItemId]) {
        for id in ids {
            let file = self.files().open.remove(id);
            if file.is_some() {
                self.forget(*id);
            }
        }
    }

    fn forget(&self, id: ItemId) {
        self.tell(&format!("FDSTOREREMOVE=1\nFDNAME={PREFIX}{id}\n"), None);
    }

    fn tell(&self, words: &str, file: Option<BorrowedFd<'_>>) {
        let Some(socket) = &self.socket else { return };
        let told = || -> std::io::Result<()> {
            let to = UnixDatagram::unbound()?;
            to.connect(socket)?;
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let fds: Vec<_> = file.into_iter().collect();
            if !fds.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&fds));
            }
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            sendmsg(&to, &[IoSlice::new(words.as_bytes())], &mut control, flags)?;
            Ok(())
        };
        if let Err(e) = told() {
            debug!("nobody keeps a descriptor through a restart: {e}");
        }
    }
}

/// A file on its way in.
#[derive(Debug)]
pub struct Coming {
    kept: Kept,
    file: Arc<MediaFile>,
}

impl Coming {
    /// It is this item's from now on.
    pub fn keep(self, id: ItemId) {
        let earlier = self.kept.files().open.insert(id, self.file.clone());
        if earlier.is_some() {
            self.kept.forget(id);
        }
        if let Ok(open) = self.file.file() {
            self.kept.tell(&format!("FDSTORE=1\nFDNAME={PREFIX}{id}\n"), Some(open.as_fd()));
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.kept.files().coming.retain(|(_, file)| !Arc::ptr_eq(file, &self.file));
    }
}
