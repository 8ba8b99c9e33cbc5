//! What the store knows of a row.
use crate::queue::evidence::Sighting;
use crate::queue::item::{ItemId, ItemReason, ItemState};

/// What is known of a row that may be about the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The item's number.
    pub id: ItemId,
    /// Where it stands.
    pub state: ItemState,
    /// The word that goes with it.
    pub reason: ItemReason,
    /// `None`: of the next one that is paired.
    pub project: Option<String>,
    /// There is an asset for it.
    pub begun: bool,
    /// A media source has seen its file.
    pub watched: bool,
    /// How its file looked.
    pub seen: Sighting,
}
