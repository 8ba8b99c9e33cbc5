//! The last look before a clip counts as sent: whether the bytes that left are those that were queued.
//!
//! | At its path lies | What was opened and sent | What follows |
//! | --- | --- | --- |
//! | the file, untouched | – | it is sent |
//! | the file, written on | – | it is begun anew |
//! | the file, touched or on another mount, or a copy in its place | is as it was sent | it is sent |
//! | | was written on | it is begun anew |
//! | another file, none, or one that can't be read | is as it was sent | it is sent |
//! | | was written on | it is away, and begun anew when it is back |
//! | nobody knows: its card does not answer | – | it is sent |
//!
//! What was opened and sent, by a closer look at it ([`closer`]):
//!
//! | Its size | its date | its ends | Then it |
//! | --- | --- | --- | --- |
//! | another | – | – | was written on |
//! | the same | the same | can't be read | is as it was sent |
//! | | | the same, and so is its time of change | is as it was sent |
//! | | | others, or it has another time of change | is compared, byte by byte, with what was sent |
//! | | another | can be read | is compared as well |
//! | | | can't be read | was written on |
//!
//! # Decisions
//! - A file that is open is there though its name is gone, and tells what was done to it before. So no asset counts as a
//!   whole clip that was read before and after somebody wrote to it, and what was only moved or taken out has been sent all
//!   the same.
//! - Without a sign that it was written on it is taken for what it was: a card is pulled when its last clip is through.
//! - Dates can be put back and the time of change can't: so that is a reason to compare, and no sign. Rights and names
//!   change it too.
use super::event::{FileError, Opened, Seen};
use crate::queue::evidence::{Relation, Sighting};

/// What follows from the last look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Last {
    Sent,
    /// It looks like this now.
    Anew(Sighting),
    /// It is not there any more, and looked like this at last.
    AnewWhenBack(Sighting),
}

/// What is at the path does not say whether what was sent is whole: a closer look at the open file is wanted. `sent`: how the
/// file looked when its turn began.
pub fn wants_closer_look(sent: &Sighting, at_path: &Result<Box<Seen>, FileError>) -> bool {
    match at_path {
        Ok(seen) => match seen.relation {
            Relation::Rewritten => false,
            Relation::Same => !seen.sighting.untouched_since(sent),
            Relation::Redated
            | Relation::Renamed
            | Relation::Recopied
            | Relation::Replaced
            | Relation::Twin
            | Relation::Displaced
            | Relation::None => true,
        },
        Err(FileError::Gone | FileError::Unreadable(_)) => true,
        Err(FileError::NotAnswering(_)) => false,
    }
}

pub(super) fn last(at_path: Result<Box<Seen>, FileError>, opened: Opened) -> Last {
    match (at_path, opened) {
        (Ok(seen), _) if seen.relation == Relation::Rewritten => Last::Anew(seen.sighting),
        (Ok(seen), Opened::WrittenOn(_)) if seen.relation.is_the_same_file() => Last::Anew(seen.sighting),
        (_, Opened::WrittenOn(at_last)) => Last::AnewWhenBack(*at_last),
        (_, Opened::AsSent | Opened::Unknown) => Last::Sent,
    }
}

/// What a closer look says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closer {
    /// It is as it was sent, as far as anybody can tell.
    AsSent,
    /// Others have left than are there now.
    WrittenOn,
    /// Only all bytes can tell.
    Compare,
}

/// `sent`: how the file looked when its turn began; `now`: what was opened, by the same path; its fingerprint is missing where
/// it can't be read.
pub fn closer(sent: &Sighting, now: &Sighting) -> Closer {
    let same_date = sent.facts.mtime_ns == now.facts.mtime_ns;
    let same_ends = now.fingerprint.map(|ends| sent.fingerprint == Some(ends));
    let same_change = sent.facts.ctime_ns == now.facts.ctime_ns;
    match (sent.facts.size == now.facts.size, same_date, same_ends) {
        (false, _, _) | (true, false, None) => Closer::WrittenOn,
        (true, true, None) => Closer::AsSent,
        (true, true, Some(true)) if same_change => Closer::AsSent,
        (true, true, Some(_)) | (true, false, Some(_)) => Closer::Compare,
    }
}

/// It was written on; what is known of it by that. A row that knew no ends any more could not be told from another clip's.
pub fn written_on(sent: Sighting, now: Sighting) -> Opened {
    let mut known = if now.fingerprint.is_some() { now } else { sent };
    // No row is of an empty file.
    known.facts.size = known.facts.size.max(1);
    Opened::WrittenOn(Box::new(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::evidence::{FileFacts, Fingerprint, Volume};

    fn sighting(size: u64, mtime_ns: i64, ends: Option<u64>) -> Sighting {
        let facts = FileFacts { size, mtime_ns, ino: 1, ..FileFacts::default() };
        let fingerprint = ends.map(|ends| Fingerprint { whole: ends, head: ends });
        Sighting { path: "/card/a.mov".into(), facts, fingerprint, ..Sighting::default() }
    }

    fn touched(seen: Sighting) -> Sighting {
        Sighting { facts: FileFacts { ctime_ns: 7, ..seen.facts }, ..seen }
    }

    #[test]
    fn what_was_opened_tells_what_was_done_to_it() {
        let sent = sighting(9, 5, Some(1));
        for (now, want) in [
            (sighting(9, 5, Some(1)), Closer::AsSent),
            (sighting(9, 5, None), Closer::AsSent),
            (touched(sighting(9, 5, Some(1))), Closer::Compare),
            (touched(sighting(9, 5, None)), Closer::AsSent),
            (sighting(9, 5, Some(2)), Closer::Compare),
            (sighting(9, 6, Some(1)), Closer::Compare),
            (sighting(9, 6, Some(2)), Closer::Compare),
            (sighting(9, 6, None), Closer::WrittenOn),
            (sighting(8, 5, Some(1)), Closer::WrittenOn),
            (sighting(10, 6, None), Closer::WrittenOn),
        ] {
            assert_eq!(closer(&sent, &now), want, "{now:?}");
        }
    }

    #[test]
    fn what_can_t_be_read_is_known_as_it_was() {
        let sent = || sighting(9, 5, Some(1));
        for (now, want) in [
            (sighting(9, 6, Some(2)), sighting(9, 6, Some(2))),
            (sighting(10, 6, None), sent()),
            (sighting(0, 6, Some(3)), sighting(1, 6, Some(3))),
        ] {
            assert_eq!(written_on(sent(), now), Opened::WrittenOn(Box::new(want)));
        }
    }

    #[test]
    fn the_last_look_says_whether_it_is_sent() {
        let at_path =
            |relation| Ok(Box::new(Seen { sighting: sighting(9, 7, Some(3)), relation, cut: None }));
        let at_last = || sighting(9, 6, None);
        let torn = || Opened::WrittenOn(Box::new(at_last()));
        let anew = || Last::Anew(sighting(9, 7, Some(3)));
        let gone = || Last::AnewWhenBack(at_last());
        let unreadable = || Err(FileError::Unreadable("I/O error".to_owned()));
        let silent = || Err(FileError::NotAnswering("hangs".to_owned()));
        for (found, if_written_on) in [
            (at_path(Relation::Same), anew()),
            (at_path(Relation::Redated), anew()),
            (at_path(Relation::Recopied), anew()),
            (at_path(Relation::Replaced), gone()),
            (at_path(Relation::Displaced), gone()),
            (at_path(Relation::Twin), gone()),
            (Err(FileError::Gone), gone()),
            (unreadable(), gone()),
            (silent(), gone()),
        ] {
            for opened in [Opened::AsSent, Opened::Unknown] {
                assert_eq!(last(found.clone(), opened), Last::Sent, "{found:?}");
            }
            assert_eq!(last(found.clone(), torn()), if_written_on, "{found:?}");
        }
        let rewritten = at_path(Relation::Rewritten);
        for opened in [Opened::AsSent, Opened::Unknown, torn()] {
            assert_eq!(last(rewritten.clone(), opened), anew());
        }
    }

    #[test]
    fn what_is_open_is_looked_at_unless_nothing_was_touched() {
        let mounted =
            |mount| Sighting { volume: Volume { id: String::new(), mount }, ..sighting(9, 5, Some(1)) };
        let sent = mounted(1);
        let wants = |sighting, relation| {
            wants_closer_look(&sent, &Ok(Box::new(Seen { sighting, relation, cut: None })))
        };
        assert!(!wants(mounted(1), Relation::Same));
        assert!(wants(mounted(2), Relation::Same), "it was out of sight: this may be another card's");
        let touched = Sighting { facts: FileFacts { ctime_ns: 1, ..sent.facts }, ..mounted(1) };
        assert!(wants(touched, Relation::Same));
        assert!(wants(mounted(1), Relation::Replaced), "a file system that dates nothing");
        assert!(wants(mounted(2), Relation::Displaced) && wants(mounted(2), Relation::Recopied));
        assert!(!wants(mounted(2), Relation::Rewritten), "nothing more is to be known");
        for (error, closer) in [
            (FileError::Gone, true),
            (FileError::Unreadable(String::new()), true),
            (FileError::NotAnswering(String::new()), false),
        ] {
            assert_eq!(wants_closer_look(&sent, &Err(error.clone())), closer, "{error:?}");
        }
    }
}
