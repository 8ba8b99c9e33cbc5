//! What a row takes over of a look at its file, and what becomes of another clip at its path.
use crate::queue::evidence::Sighting;
use crate::queue::item::{Clip, ItemState};
use crate::time::Now;

/// What a row takes over of a look at its file that has read its ends only. `begun`: it has an asset. Of one that has sent
/// some and is to send the rest it is the name: how the file looked then is what its next turn goes by.
pub fn taken(begun: bool, state: ItemState, was: &Sighting, seen: &Sighting) -> Sighting {
    match begun && state != ItemState::Done {
        true => Sighting { path: seen.path.clone(), ..was.clone() },
        false => seen.clone(),
    }
}

/// The row of a clip that lies at the place of `clip`, begins and ends as that one, and is another: nobody has said more of it.
pub fn beside(clip: Clip, created: Now) -> Clip {
    Clip {
        created,
        settled: false,
        version_of: String::new(),
        anyway: false,
        as_is: false,
        afresh: false,
        ..clip
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::evidence::{FileFacts, Volume};

    #[test]
    fn of_what_was_begun_nobody_but_its_turn_takes_facts_over() {
        let was = Sighting { path: "/card/a.mov".into(), ..Sighting::default() };
        let facts = FileFacts { size: 5, mtime_ns: 6, ctime_ns: 7, dev: 8, ino: 9 };
        let volume = Volume { id: String::new(), mount: 3 };
        let seen = Sighting { path: "/card/b.mov".into(), facts, volume, fingerprint: None };
        let named = Sighting { path: seen.path.clone(), ..was.clone() };
        for (begun, state, want) in [
            (false, ItemState::Queued, &seen),
            (false, ItemState::Away, &seen),
            (true, ItemState::Queued, &named),
            (true, ItemState::Away, &named),
            (true, ItemState::Failed, &named),
            (true, ItemState::Cancelled, &named),
            (true, ItemState::Held, &named),
            (true, ItemState::Done, &seen),
        ] {
            assert_eq!(taken(begun, state, &was, &seen), *want, "{begun}, {state:?}");
        }
    }

    #[test]
    fn what_lies_beside_another_has_nothing_of_what_was_said_of_that_one() {
        let said = Clip {
            name: "A001.MOV".to_owned(),
            settled: true,
            version_of: "7".to_owned(),
            anyway: true,
            as_is: true,
            afresh: true,
            ..Clip::default()
        };
        let wanted = Clip { name: "A001.MOV".to_owned(), ..Clip::default() };
        assert_eq!(beside(said, Now::default()), wanted);
    }
}
