//! Where a source lies whose path leads over links.
//!
//! # Decisions
//! - The path of a source is a person's word, so links on it are followed; what lies in a source is anybody's, so there
//!   none is. Where it leads must lie beneath a media directory: whoever can make a link must not choose what is read.
//! - By hand, a step at a time, each by the workers of the card that it asks: the system's own way would hang on one card
//!   on behalf of another.
use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::readlink;
use rustix::io::Errno;
use tracing::warn;

use crate::media::{NotAnswering, Workers, beneath};
use crate::watch::Watcher;

/// As the kernel's own limit.
const MOST_LINKS: usize = 40;

/// A source, and where it really lies.
pub(super) struct Resolved {
    /// Its name.
    pub(super) source: String,
    /// `None`: that can't be told, or nothing of ours lies there.
    pub(super) path: Option<PathBuf>,
    /// The links on the way.
    pub(super) links: Vec<PathBuf>,
}

/// Where `path` leads, which lies beneath one of `dirs`, and must lead beneath one of them. What is not there leads
/// nowhere else. `links`: those that were passed, also where nothing was found.
pub(super) async fn follow(
    workers: &Workers,
    watcher: Option<&Arc<Watcher>>,
    dirs: &[PathBuf],
    path: &Path,
    links: &mut Vec<PathBuf>,
) -> Result<io::Result<PathBuf>, NotAnswering> {
    let Some((mut at, mut rest)) = steps(dirs, path) else { return Ok(Err(leads_out(path))) };
    while let Some(next) = rest.pop() {
        let step = at.join(&next);
        let (asked, watcher) = (step.clone(), watcher.cloned());
        match workers.run(&step, move || read_and_watch(&asked, watcher.as_deref())).await? {
            Ok(_) if links.len() >= MOST_LINKS => return Ok(Err(Errno::LOOP.into())),
            Ok(target) => {
                links.push(step);
                let target = at.join(OsStr::from_bytes(target.to_bytes()));
                let Some((dir, more)) = steps(dirs, &plain(&target)) else {
                    return Ok(Err(leads_out(path)));
                };
                at = dir;
                rest.extend(more);
            }
            // No link.
            Err(Errno::INVAL) => at = step,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                rest.push(next);
                return Ok(Ok(rest.iter().rev().fold(at, |path, name| path.join(name))));
            }
            Err(e) => return Ok(Err(e.into())),
        }
    }
    Ok(Ok(at))
}

/// Its target, which will not change from now on without a word. A link that can't be watched is read at each walk.
fn read_and_watch(link: &Path, watcher: Option<&Watcher>) -> Result<CString, Errno> {
    readlink(link, Vec::new())?;
    if let Some(Err(why)) = watcher.map(|watcher| watcher.watch_way_to(link)) {
        warn!(link = %link.display(), "a link to a media source can't be watched: {why}");
    }
    readlink(link, Vec::new())
}

/// The media directory, and the names from there on, the last first.
fn steps(dirs: &[PathBuf], path: &Path) -> Option<(PathBuf, Vec<PathBuf>)> {
    let (dir, rest) = beneath(dirs, path)?;
    Some((dir.to_owned(), rest.iter().rev().map(PathBuf::from).collect()))
}

/// Without `.` and `..`: what comes before them is no link.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

fn leads_out(path: &Path) -> io::Error {
    let path = path.display();
    io::Error::other(format!("{path} is a link that leads out of the media directories (`queue.media_dirs`)"))
}
