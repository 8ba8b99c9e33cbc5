//! Clips whose open files somebody has handed over: what the queue calls them, and how long their files stay open.
//!
//! # Decisions
//! - Whoever hands a descriptor over can read the file: that is the right by which it is sent, and no directory above it is
//!   asked. What the file is called says nothing: in mounts of their own, people can call a file as they like.
//! - So its name is kept as a path that is not absolute: what the kernel calls the open file, without the root. The door
//!   opens absolute paths only, so nothing is ever opened by such a name, whoever retries the clip; and no file at a path is
//!   taken for one that was handed over. A clip that is seen the other way is known by its bytes, and its row follows.
//! - The file stays open until the clip is delivered or taken off. Of one that can't be read any more the descriptor is of
//!   no use: it is let go, and its clip waits to be handed over again.
//! - What is open is there, whatever lies at its name: it is never displaced by another file.
use std::path::{Path, PathBuf};

use crate::queue::item::{Item, ItemReason, ItemState};

/// Files that are kept open at most: each holds its card's mount, and takes one of the daemon's descriptors.
pub const MOST: usize = 64;

/// Why one is `away` whose descriptor the daemon does not have.
pub const LET_GO: &str = "its open file was handed over, and did not outlast a restart or a fault of its card; it goes on \
                          when the file is handed over again (rigpost add)";

/// What the queue calls a file that was handed over and that the kernel calls so.
pub fn handed_over(name: &Path) -> PathBuf {
    name.strip_prefix("/").unwrap_or(name).to_owned()
}

/// It was handed over: nobody opens it by this path.
pub fn is_handed_over(path: &Path) -> bool {
    path.is_relative()
}

/// What people know a file by: where it lies, or what the kernel called it when it was handed over.
pub fn known_as(path: &Path) -> PathBuf {
    Path::new("/").join(path)
}

/// Its open file is needed, now or when somebody retries it.
pub fn stays_open(item: &Item) -> bool {
    let is_needed = match item.state {
        ItemState::Queued | ItemState::Uploading | ItemState::Held | ItemState::Incomplete => true,
        ItemState::Failed => ![ItemReason::Vanished, ItemReason::Unreadable].contains(&item.reason),
        ItemState::Recording | ItemState::Away | ItemState::Done | ItemState::Cancelled => false,
    };
    is_needed && is_handed_over(&item.clip.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::item::{Clip, ItemId};

    #[test]
    fn a_name_is_kept_so_that_nothing_is_opened_by_it() {
        for name in ["/media/ana/A CAM/A001.mov", "/A001.mov", "/"] {
            let kept = handed_over(Path::new(name));
            assert!(is_handed_over(&kept) && !is_handed_over(Path::new(name)), "{kept:?}");
            assert_eq!(known_as(&kept), Path::new(name));
            assert_eq!(known_as(Path::new(name)), Path::new(name));
        }
        assert_eq!(handed_over(Path::new("media/A001.mov")), Path::new("media/A001.mov"));
    }

    #[test]
    fn a_file_stays_open_until_nobody_can_want_it() {
        let item = |path: &str, state, reason| Item {
            id: ItemId(1),
            clip: Clip { path: path.into(), ..Clip::default() },
            state,
            reason,
            detail: String::new(),
            attempts: 0,
            sent: 0,
            asset_id: String::new(),
            project_name: String::new(),
        };
        for (state, reason, open) in [
            (ItemState::Queued, ItemReason::None, true),
            (ItemState::Uploading, ItemReason::None, true),
            (ItemState::Held, ItemReason::OtherProject, true),
            (ItemState::Incomplete, ItemReason::None, true),
            (ItemState::Failed, ItemReason::Refused, true),
            (ItemState::Failed, ItemReason::Unreadable, false),
            (ItemState::Failed, ItemReason::Vanished, false),
            (ItemState::Away, ItemReason::Vanished, false),
            (ItemState::Done, ItemReason::None, false),
            (ItemState::Cancelled, ItemReason::None, false),
        ] {
            assert_eq!(stays_open(&item("card/A001.mov", state, reason)), open, "{state} {reason}");
            assert!(!stays_open(&item("/card/A001.mov", state, reason)), "it is there by its path");
        }
    }
}
