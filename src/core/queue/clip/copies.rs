//! Rows of the same evidence: which goes first, and what is compared with what was delivered.
use super::row::Row;
use crate::queue::item::{ItemId, ItemState};

/// What stands between a row and what is to be sent of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copy {
    /// Nothing.
    Free,
    /// This one may have the same bytes, and goes first.
    After(ItemId),
    /// This one may have the same bytes, and was delivered: to be compared with.
    Of(ItemId),
}

/// What stands between a row of `project` and what is to be sent of it. `begun`: it has an asset; `others`: rows of the same
/// fingerprint, itself among them or not.
pub fn copy_of(id: ItemId, project: Option<&str>, begun: bool, others: &[Row]) -> Copy {
    let others = || others.iter().filter(|row| row.id != id);
    let here = |row: &&Row| row.project.as_deref() == project;
    let under_way = |row: &&Row| match row.state {
        ItemState::Uploading | ItemState::Recording => true,
        // Of two that wait for each other neither would go.
        ItemState::Queued => row.begun && !begun,
        ItemState::Held
        | ItemState::Away
        | ItemState::Incomplete
        | ItemState::Done
        | ItemState::Failed
        | ItemState::Cancelled => false,
    };
    if let Some(row) = others().filter(here).find(under_way) {
        return Copy::After(row.id);
    }
    let done = |row: &&Row| row.state == ItemState::Done;
    let delivered = others().filter(here).find(done).or_else(|| others().find(done));
    delivered.map_or(Copy::Free, |row| Copy::Of(row.id))
}
