//! What people do with an item, and why it stays as it is.
//!
//! | It is | cancel | retry | release | priority | clear |
//! | --- | --- | --- | --- | --- | --- |
//! | queued | taken off | `due` | `waiting` | given | `waiting` |
//! | uploading | taken off | `sending` | `sending` | given | `sending` |
//! | recording | taken off | `sending` | `sending` | given | `sending` |
//! | held | taken off | `held` | queued for the project that is paired | given | `held` |
//! | away | taken off | queued afresh | `away` | given | `away` |
//! | incomplete | taken off | queued afresh | queued as it is | given | `incomplete` |
//! | done | `delivered` | `delivered` | `delivered` | `delivered` | cleared |
//! | failed | taken off | queued afresh | `failed` | given | cleared |
//! | cancelled | `cancelled` | queued afresh | `cancelled` | `cancelled` | cleared |
//!
//! What is queued afresh or as it is, and belongs to another project than the one that is paired, is held instead: `held`.
//!
//! # Decisions
//! - Each function says what is to be written, or the word for why nothing is: nobody is told of a change that was none.
use crate::queue::clip::{Pairing, Place, place_of};
use crate::queue::item::{Item, ItemState};
use rigpost_contract::steered::Steered;

/// What a release does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It goes on in its own project.
    GoOn,
    /// It goes to the project that is paired, which is not its own; an asset that it has stays behind. Not where another item
    /// is the same clip for that project.
    Move,
    /// It goes cut off.
    AsItIs(Place),
}

/// Whether it can be taken off the queue.
///
/// # Errors
/// Why it stays.
pub fn cancel(state: ItemState) -> Result<(), Steered> {
    match state {
        ItemState::Done => Err(Steered::Delivered),
        ItemState::Cancelled => Err(Steered::Cancelled),
        ItemState::Queued
        | ItemState::Uploading
        | ItemState::Recording
        | ItemState::Held
        | ItemState::Away
        | ItemState::Incomplete
        | ItemState::Failed => Ok(()),
    }
}

/// Where an item waits that is tried again.
///
/// # Errors
/// Why it stays.
pub fn retry(item: &Item, pairing: &Pairing) -> Result<Place, Steered> {
    match item.state {
        ItemState::Failed | ItemState::Cancelled | ItemState::Away | ItemState::Incomplete => {
            Ok(place_of(item.clip.project_id.as_deref(), pairing))
        }
        ItemState::Queued => Err(Steered::Due),
        ItemState::Uploading | ItemState::Recording | ItemState::Held | ItemState::Done => {
            Err(as_it_stands(item.state))
        }
    }
}

/// What a release does to an item. Something has to be paired.
///
/// # Errors
/// Why it stays.
pub fn release(item: &Item, pairing: &Pairing) -> Result<Release, Steered> {
    match item.state {
        ItemState::Held if item.clip.project_id == pairing.project => Ok(Release::GoOn),
        ItemState::Held => Ok(Release::Move),
        ItemState::Incomplete => Ok(Release::AsItIs(place_of(item.clip.project_id.as_deref(), pairing))),
        ItemState::Queued
        | ItemState::Uploading
        | ItemState::Recording
        | ItemState::Away
        | ItemState::Done
        | ItemState::Failed
        | ItemState::Cancelled => Err(as_it_stands(item.state)),
    }
}

/// Whether it can be given this priority.
///
/// # Errors
/// Why it stays.
pub fn prioritize(item: &Item, priority: i32) -> Result<(), Steered> {
    // Over, and for good.
    cancel(item.state)?;
    if item.clip.priority == priority { Err(Steered::SamePriority) } else { Ok(()) }
}

/// Whether it can be taken off the list.
///
/// # Errors
/// Why it stays.
pub fn clear(state: ItemState) -> Result<(), Steered> {
    if state.is_over() { Ok(()) } else { Err(as_it_stands(state)) }
}

/// The word for an item that was queued again, by where it waits now.
pub fn queued_at(place: Place) -> Steered {
    if place.state == ItemState::Held { Steered::Held } else { Steered::Changed }
}

fn as_it_stands(state: ItemState) -> Steered {
    match state {
        ItemState::Queued => Steered::Waiting,
        ItemState::Uploading | ItemState::Recording => Steered::Sending,
        ItemState::Held => Steered::Held,
        ItemState::Away => Steered::Away,
        ItemState::Incomplete => Steered::Incomplete,
        ItemState::Done => Steered::Delivered,
        ItemState::Failed => Steered::Failed,
        ItemState::Cancelled => Steered::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::item::{Clip, ItemId, ItemReason};

    const QUEUED: Place = Place { state: ItemState::Queued, reason: ItemReason::None };
    const ELSEWHERE: Place = Place { state: ItemState::Held, reason: ItemReason::OtherProject };

    fn item(state: ItemState, project: Option<&str>) -> Item {
        Item {
            id: ItemId(7),
            clip: Clip { project_id: project.map(str::to_owned), priority: 3, ..Clip::default() },
            state,
            reason: ItemReason::None,
            detail: String::new(),
            attempts: 0,
            sent: 0,
            asset_id: String::new(),
            project_name: String::new(),
        }
    }

    fn paired() -> Pairing {
        Pairing { project: Some("p".to_owned()), since: None }
    }

    /// What is said of it: of one that changes, as if it did.
    fn words(state: ItemState, project: Option<&str>) -> [Steered; 5] {
        let item = item(state, project);
        let done = |()| Steered::Changed;
        let release = release(&item, &paired()).map(|what| match what {
            Release::GoOn | Release::Move => Steered::Changed,
            Release::AsItIs(place) => queued_at(place),
        });
        [
            cancel(state).map(done),
            retry(&item, &paired()).map(queued_at),
            release,
            prioritize(&item, 5).map(done),
            clear(state).map(done),
        ]
        .map(|said| said.unwrap_or_else(|why| why))
    }

    #[test]
    fn each_row_of_the_table() {
        use Steered::{Away, Cancelled, Changed, Delivered, Due, Failed, Held, Incomplete, Sending, Waiting};
        for (state, said) in [
            (ItemState::Queued, [Changed, Due, Waiting, Changed, Waiting]),
            (ItemState::Uploading, [Changed, Sending, Sending, Changed, Sending]),
            (ItemState::Recording, [Changed, Sending, Sending, Changed, Sending]),
            (ItemState::Held, [Changed, Held, Changed, Changed, Held]),
            (ItemState::Away, [Changed, Changed, Away, Changed, Away]),
            (ItemState::Incomplete, [Changed, Changed, Changed, Changed, Incomplete]),
            (ItemState::Done, [Delivered, Delivered, Delivered, Delivered, Changed]),
            (ItemState::Failed, [Changed, Changed, Failed, Changed, Changed]),
            (ItemState::Cancelled, [Cancelled, Changed, Cancelled, Cancelled, Changed]),
        ] {
            assert_eq!(words(state, Some("p")), said, "{state}");
            assert_eq!(words(state, None), said, "{state}, of no project yet");
        }
        assert_eq!(ItemState::ALL.len(), 9, "a new state needs its row");
    }

    #[test]
    fn what_belongs_to_another_project_is_held_and_said_to_be() {
        for state in [ItemState::Failed, ItemState::Cancelled, ItemState::Away, ItemState::Incomplete] {
            assert_eq!(retry(&item(state, Some("q")), &paired()), Ok(ELSEWHERE), "{state}");
            assert_eq!(retry(&item(state, Some("q")), &Pairing::default()), Ok(QUEUED), "{state}");
        }
        assert_eq!(queued_at(ELSEWHERE), Steered::Held);
        let cut = |project| release(&item(ItemState::Incomplete, project), &paired());
        assert_eq!(cut(Some("q")), Ok(Release::AsItIs(ELSEWHERE)));
        assert_eq!(cut(Some("p")), Ok(Release::AsItIs(QUEUED)));
    }

    #[test]
    fn a_release_moves_only_what_is_not_there() {
        let held = |project| release(&item(ItemState::Held, project), &paired());
        assert_eq!(held(Some("p")), Ok(Release::GoOn));
        assert_eq!(held(Some("q")), Ok(Release::Move));
        assert_eq!(held(None), Ok(Release::Move));
    }

    #[test]
    fn a_priority_that_it_has_is_no_change() {
        assert_eq!(prioritize(&item(ItemState::Queued, None), 3), Err(Steered::SamePriority));
        assert_eq!(prioritize(&item(ItemState::Done, None), 3), Err(Steered::Delivered));
    }

    #[test]
    fn only_what_was_done_needs_no_words() {
        let done: Vec<_> = Steered::ALL.iter().filter(|word| word.is_done()).collect();
        assert_eq!(done, [&Steered::Changed, &Steered::Due]);
    }
}
