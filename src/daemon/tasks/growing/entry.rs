//! One recording in hand.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::media::{Growth, MediaFile};
use crate::store::Recording;
use rigpost_core::oauth::AccessToken;
use rigpost_core::queue::evidence::Sighting;
use rigpost_core::queue::growing::Growing;
use rigpost_core::queue::item::{Clip, Item, ItemId};
use rigpost_core::time::BootTime;

/// What all bytes of the clip were when its recorder was done.
#[derive(Debug)]
pub(super) struct Compared {
    /// XXH64 of each part.
    pub(super) parts: Vec<u64>,
    /// And of the whole.
    pub(super) whole: u64,
    /// The file then.
    pub(super) seen: Sighting,
}

/// One recording: what the machine does not know of it.
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) machine: Growing,
    /// What it is queued as; `None` before its file is opened.
    pub(super) clip: Option<Clip>,
    /// Its row; `None` before anything is sent of it.
    pub(super) item: Option<Item>,
    /// Held as long as its recorder writes, and while something is done with it.
    pub(super) file: Option<Arc<MediaFile>>,
    /// At the last look.
    pub(super) growth: Option<Growth>,
    /// When that was another than before.
    pub(super) changed_at: BootTime,
    /// Its size, where its recorder is done.
    pub(super) over: Option<u64>,
    /// Somebody was seen to have it open: their close is told.
    pub(super) is_watched: bool,
    /// Its writer has closed it.
    pub(super) closed: bool,
    /// So it had, and has not changed since.
    pub(super) was_closed: bool,
    /// It goes the usual way once its recorder is done.
    pub(super) left: Option<String>,
    /// When to look at it next.
    pub(super) look_at: BootTime,
    /// A look, or an opening, is under way.
    pub(super) looking: bool,
    /// A row and an asset are asked for.
    pub(super) creating: bool,
    /// Its end is being written.
    pub(super) ending: bool,
    /// As the machine knows it.
    pub(super) may: bool,
    /// Whoever watches has said that its recorder is done: the next look says its size.
    pub(super) is_done: bool,
    /// At the last look its name did not lead to it.
    pub(super) lost: bool,
    /// XXH64 of the parts that were sent, as they left.
    pub(super) digests: BTreeMap<u32, u64>,
    pub(super) compared: Option<Compared>,
    /// What is asked and sent for it carries this.
    pub(super) token: Option<AccessToken>,
    /// Lets go of what is in flight.
    pub(super) dropped: CancellationToken,
}

impl Entry {
    /// A file that somebody was seen to write.
    pub(super) fn seen(path: PathBuf, now: BootTime) -> Entry {
        Entry {
            path,
            machine: Growing::new(None),
            clip: None,
            item: None,
            file: None,
            growth: None,
            changed_at: now,
            over: None,
            is_watched: true,
            closed: false,
            was_closed: false,
            left: None,
            look_at: now,
            looking: false,
            creating: false,
            ending: false,
            may: false,
            is_done: false,
            lost: false,
            digests: BTreeMap::new(),
            compared: None,
            token: None,
            dropped: CancellationToken::new(),
        }
    }

    /// What an earlier run has left.
    pub(super) fn left_by(recording: Recording, now: BootTime) -> Entry {
        let Recording { item, kept, digests } = recording;
        let left = kept.is_none().then(|| item.detail.clone());
        let (path, clip) = (item.clip.path.clone(), item.clip.clone());
        Entry {
            machine: Growing::new(kept),
            item: Some(item),
            is_watched: false,
            left,
            digests,
            clip: Some(clip),
            ..Entry::seen(path, now)
        }
    }

    pub(super) fn id(&self) -> Option<ItemId> {
        self.item.as_ref().map(|item| item.id)
    }

    /// How its file looked when that was last written down.
    pub(super) fn sighting(&self) -> Sighting {
        let clip = self.clip.as_ref().map(Clip::sighting).unwrap_or_default();
        let facts = self.growth.map_or(clip.facts, |growth| growth.facts);
        Sighting { path: self.path.clone(), facts, ..clip }
    }

    /// Something of it is registered or on its way.
    pub(super) fn wants_a_line(&self) -> bool {
        let is_ready = self.may && self.file.is_some() && self.machine.deadline().is_none();
        self.machine.in_flight() > 0 || (self.left.is_none() && is_ready && !self.machine.urls().is_empty())
    }

    /// Nothing of the disk is under way for it.
    pub(super) fn is_idle(&self) -> bool {
        !self.looking && !self.ending
    }

    /// It would be cut, or a part of it sent again, if the power went now.
    pub(super) fn is_under_way(&self) -> bool {
        let is_written = self.is_watched && self.over.is_none();
        self.item.is_some() && (is_written || self.machine.in_flight() > 0)
    }
}
