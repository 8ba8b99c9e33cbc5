//! Mounts that come and go.
//!
//! # Decisions
//! - `/proc/self/mountinfo` can be polled, and then says so at no cost in between. inotify alone does not see a card that
//!   is mounted over a directory: the directory stays, and what is watched lies beneath.
//! - Numbers of mounts are used again, so one that came and went between two looks may leave no trace here; inotify tells
//!   of the file system that went.
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::mountinfo::{MOUNT_TABLE, entries};
use rigpost_core::few;

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
    what: Vec<u8>,
    point: PathBuf,
}

impl Mounts {
    /// Of those above, at or beneath one of these. Belongs into a tokio runtime.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn new(matter: Vec<PathBuf>) -> io::Result<Mounts> {
        let file = File::open(MOUNT_TABLE)?;
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
            let points = few::set(now.symmetric_difference(&self.known).map(|mount| mount.point.clone()));
            self.known = now;
            if !points.is_empty() {
                return Ok(points);
            }
        }
    }
}

fn read(matter: &[PathBuf]) -> io::Result<BTreeSet<Mount>> {
    let related = |point: &Path| matter.iter().any(|m| m.starts_with(point) || point.starts_with(m));
    let table = std::fs::read(MOUNT_TABLE)?;
    let all = entries(&table).filter(|entry| related(&entry.point));
    Ok(few::set(all.map(|entry| Mount { what: entry.ids.to_vec(), point: entry.point })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_table_of_this_process_is_read() {
        let mounts = Mounts::new(vec!["/proc/self".into()]).unwrap();
        assert!(mounts.known.iter().any(|m| m.point == Path::new("/")));
        assert!(mounts.known.iter().any(|m| m.point == Path::new("/proc")));
    }
}
