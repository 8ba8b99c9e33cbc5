//! What the cloud shall call a clip whose file got another name.
use std::path::Path;

use crate::queue::item::{Clip, Item, shown};

/// What a row is called from now on whose file has another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// What the cloud shall call it.
    pub name: String,
    /// MIME type.
    pub filetype: String,
    /// The class it falls in.
    pub class: String,
    /// Larger goes first.
    pub priority: i32,
}

/// What `item` is called whose file is now `new`; `None`: as before, because the cloud has been told already. A name and
/// a priority that a person chose stay.
pub fn renamed(item: &Item, new: &Clip) -> Option<Naming> {
    if !item.asset_id.is_empty() {
        return None;
    }
    // A source names its clips by their paths, and a person never one of a source's.
    let own = item.clip.source.is_some()
        || item.clip.path.file_name().is_some_and(|n| shown(Path::new(n)) == item.clip.name);
    let name = if own { &new.name } else { &item.clip.name };
    let priority = if item.clip.class == new.class { item.clip.priority } else { new.priority };
    Some(Naming { name: name.clone(), filetype: new.filetype.clone(), class: new.class.clone(), priority })
}
