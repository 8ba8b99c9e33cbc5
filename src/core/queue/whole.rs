//! Files that may still be written: each waits here until its writer is done.
//!
//! # Decisions
//! - Whoever was seen to open a file for writing will be seen to close it, so such a file waits for that, and is believed
//!   finished without it only after a much longer silence. Everybody else (another machine, a camera behind a network
//!   share, a writer from before our start) shows only in the file: it is finished once two looks are the same.
//! - A short grace after the close: many a writer gives the file its name only then, and a burst becomes one batch.
//! - The number of files is bounded. What does not fit is the caller's to find again by a walk.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::queue::item::FileFacts;
use crate::time::BootTime;

const GRACE: Duration = Duration::from_millis(250);
/// A file that is known to be open is believed finished after this many settle times without a change.
const SILENCE: u32 = 20;

/// What is known of a file's writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// Nothing.
    Unknown,
    /// Has it open.
    Writing,
    /// Is done.
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    writer: Writer,
    /// At the last look.
    facts: Option<FileFacts>,
    /// When to look; `None` while somebody does.
    due: Option<BootTime>,
}

/// What a look at a file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is finished, and waits here no more.
    Finished,
    /// It will be looked at again.
    Wait,
    /// It is not there any more, or was forgotten in the meantime.
    Forgotten,
}

/// The files that wait.
#[derive(Debug)]
pub struct Settling {
    settle: Duration,
    most: usize,
    files: BTreeMap<PathBuf, Waiting>,
}

/// There is no room for another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl Settling {
    /// At most `most` files at a time, each finished after `settle` without a change.
    pub fn new(settle: Duration, most: usize) -> Settling {
        Settling { settle, most, files: BTreeMap::new() }
    }

    /// How many more files there is room for.
    pub fn room(&self) -> usize {
        self.most.saturating_sub(self.files.len())
    }

    /// A writer was seen to make it.
    ///
    /// # Errors
    /// [`NoRoom`]; so for the others.
    pub fn opened(&mut self, path: PathBuf, now: BootTime) -> Result<(), NoRoom> {
        self.put(path, Writer::Writing, None, now + self.settle * SILENCE)
    }

    /// Its writer was seen to close it, or to move it in.
    pub fn closed(&mut self, path: PathBuf, now: BootTime) -> Result<(), NoRoom> {
        self.put(path, Writer::Done, None, now + GRACE)
    }

    /// It is there, like this.
    pub fn seen(&mut self, path: PathBuf, facts: FileFacts, now: BootTime) -> Result<(), NoRoom> {
        if self.files.contains_key(&path) {
            return Ok(());
        }
        self.put(path, Writer::Unknown, Some(facts), now + self.settle)
    }

    fn put(
        &mut self,
        path: PathBuf,
        writer: Writer,
        facts: Option<FileFacts>,
        due: BootTime,
    ) -> Result<(), NoRoom> {
        if self.room() == 0 && !self.files.contains_key(&path) {
            return Err(NoRoom);
        }
        self.files.insert(path, Waiting { writer, facts, due: Some(due) });
        Ok(())
    }

    /// It has another name now; `from` where that was known. Whoever moves a file is done with it, unless it was seen
    /// to be open.
    pub fn moved(&mut self, from: Option<&Path>, to: PathBuf, now: BootTime) -> Result<(), NoRoom> {
        match from.and_then(|from| self.files.remove(from)) {
            Some(old) => {
                self.files.insert(to, Waiting { due: Some(now + self.pace(old.writer)), facts: None, ..old });
                Ok(())
            }
            None => self.closed(to, now),
        }
    }

    /// It is gone from here.
    pub fn forget(&mut self, path: &Path) {
        self.files.remove(path);
    }

    /// Whether the file waits here.
    pub fn holds(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// What was seen of writers may have been followed by something that was not seen.
    pub fn doubt(&mut self, now: BootTime) {
        for waiting in self.files.values_mut().filter(|w| w.writer == Writer::Writing) {
            *waiting = Waiting { writer: Writer::Unknown, facts: None, due: Some(now + self.settle) };
        }
    }

    /// When to look at a file next.
    pub fn deadline(&self) -> Option<BootTime> {
        self.files.values().filter_map(|w| w.due).min()
    }

    /// At most `most` files to look at now. Each comes back by [`Settling::looked`].
    pub fn due(&mut self, most: usize, now: BootTime) -> Vec<PathBuf> {
        let due = self.files.iter_mut().filter(|(_, w)| w.due.is_some_and(|due| due <= now)).take(most);
        due.map(|(path, waiting)| {
            waiting.due = None;
            path.clone()
        })
        .collect()
    }

    /// What was seen; `None`: nothing that could be sent.
    pub fn looked(&mut self, path: &Path, facts: Option<FileFacts>, now: BootTime) -> Verdict {
        let Some(waiting) = self.files.get(path).copied() else { return Verdict::Forgotten };
        if waiting.due.is_some() {
            // Something happened to it while it was looked at.
            return Verdict::Wait;
        }
        let same = waiting.facts == facts;
        match facts {
            Some(facts) if facts.size > 0 && (same || waiting.writer == Writer::Done) => {
                self.files.remove(path);
                Verdict::Finished
            }
            // The first look has nothing to compare with.
            Some(facts) if waiting.writer != Writer::Done && !same => {
                let due = Some(now + self.pace(waiting.writer));
                self.files.insert(path.to_owned(), Waiting { facts: Some(facts), due, ..waiting });
                Verdict::Wait
            }
            // It is gone, or empty and stays so: whatever happens to it next will be told.
            _ => {
                self.files.remove(path);
                Verdict::Forgotten
            }
        }
    }

    fn pace(&self, writer: Writer) -> Duration {
        match writer {
            Writer::Unknown => self.settle,
            Writer::Writing => self.settle * SILENCE,
            Writer::Done => GRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(3);

    fn at(ms: u64) -> BootTime {
        BootTime(Duration::from_millis(ms))
    }

    fn size(size: u64) -> Option<FileFacts> {
        Some(FileFacts { size, mtime_ns: size as i64, ..FileFacts::default() })
    }

    fn file() -> PathBuf {
        "/m/a.mov".into()
    }

    fn settling() -> Settling {
        Settling::new(SETTLE, 2)
    }

    /// Looks at the deadline, which is as expected.
    fn look(s: &mut Settling, deadline_ms: u64, facts: Option<FileFacts>) -> Verdict {
        assert_eq!(s.deadline(), Some(at(deadline_ms)));
        assert_eq!(s.due(10, at(deadline_ms - 1)), Vec::<PathBuf>::new(), "not before its time");
        let due = s.due(10, at(deadline_ms));
        assert_eq!(due.len(), 1);
        assert_eq!(s.deadline(), None, "while it is looked at");
        s.looked(&due[0], facts, at(deadline_ms))
    }

    #[test]
    fn a_file_that_was_closed_is_finished_after_the_grace() {
        let mut s = settling();
        s.opened(file(), at(0)).unwrap();
        s.closed(file(), at(1000)).unwrap();
        assert_eq!(look(&mut s, 1250, size(5)), Verdict::Finished);
        assert_eq!((s.deadline(), s.room()), (None, 2));
    }

    #[test]
    fn a_file_of_an_unknown_writer_is_finished_when_two_looks_are_the_same() {
        let mut s = settling();
        s.seen(file(), size(5).unwrap(), at(0)).unwrap();
        assert_eq!(look(&mut s, 3000, size(6)), Verdict::Wait);
        assert_eq!(look(&mut s, 6000, size(7)), Verdict::Wait);
        assert_eq!(look(&mut s, 9000, size(7)), Verdict::Finished);
    }

    #[test]
    fn seeing_a_file_again_does_not_start_its_wait_anew() {
        let mut s = settling();
        s.seen(file(), size(5).unwrap(), at(0)).unwrap();
        s.seen(file(), size(5).unwrap(), at(2000)).unwrap();
        assert_eq!(look(&mut s, 3000, size(5)), Verdict::Finished);
        s.closed(file(), at(0)).unwrap();
        s.seen(file(), size(5).unwrap(), at(100)).unwrap();
        assert_eq!(look(&mut s, 250, size(5)), Verdict::Finished, "what is known of its writer stays known");
    }

    #[test]
    fn a_file_that_is_open_is_not_finished_by_a_pause_of_its_writer() {
        let mut s = settling();
        s.opened(file(), at(0)).unwrap();
        assert_eq!(look(&mut s, 60_000, size(5)), Verdict::Wait, "the first look is no comparison");
        assert_eq!(look(&mut s, 120_000, size(6)), Verdict::Wait);
        assert_eq!(look(&mut s, 180_000, size(6)), Verdict::Finished, "a close that was never told");
    }

    #[test]
    fn an_empty_file_is_forgotten_until_something_happens_to_it() {
        let mut s = settling();
        s.closed(file(), at(0)).unwrap();
        assert_eq!(look(&mut s, 250, size(0)), Verdict::Forgotten);
        s.seen(file(), size(0).unwrap(), at(0)).unwrap();
        assert_eq!(look(&mut s, 3000, size(0)), Verdict::Forgotten);
        s.opened(file(), at(0)).unwrap();
        assert_eq!(look(&mut s, 60_000, size(0)), Verdict::Wait);
        assert_eq!(look(&mut s, 120_000, size(9)), Verdict::Wait);
        assert_eq!(s.room(), 1);
    }

    #[test]
    fn a_file_that_vanished_is_forgotten() {
        let mut s = settling();
        s.closed(file(), at(0)).unwrap();
        assert_eq!(look(&mut s, 250, None), Verdict::Forgotten);
        s.closed(file(), at(0)).unwrap();
        let due = s.due(1, at(250));
        s.forget(&file());
        assert_eq!(s.looked(&due[0], size(5), at(250)), Verdict::Forgotten);
        assert_eq!(s.room(), 2);
    }

    #[test]
    fn what_happens_during_a_look_counts() {
        let mut s = settling();
        s.closed(file(), at(0)).unwrap();
        let due = s.due(1, at(250));
        s.opened(file(), at(260)).unwrap();
        assert_eq!(s.looked(&due[0], size(5), at(270)), Verdict::Wait);
        assert_eq!(s.deadline(), Some(at(60_260)));
    }

    #[test]
    fn after_a_doubt_an_open_file_is_one_of_an_unknown_writer() {
        let mut s = settling();
        s.opened(file(), at(0)).unwrap();
        s.doubt(at(100));
        assert!(s.holds(&file()));
        assert_eq!(look(&mut s, 3100, size(5)), Verdict::Wait);
        assert_eq!(look(&mut s, 6100, size(5)), Verdict::Finished);
        assert!(!s.holds(&file()));
    }

    #[test]
    fn a_file_keeps_its_writer_under_another_name() {
        let (old, new) = (file(), PathBuf::from("/m/b.mov"));
        let mut s = settling();
        s.closed(old.clone(), at(0)).unwrap();
        s.moved(Some(&old), new.clone(), at(100)).unwrap();
        assert_eq!(s.due(10, at(350)), std::slice::from_ref(&new), "only the last name is looked at");
        assert_eq!(s.looked(&new, size(5), at(350)), Verdict::Finished);
        s.opened(old.clone(), at(0)).unwrap();
        s.moved(Some(&old), new.clone(), at(1000)).unwrap();
        assert_eq!(s.deadline(), Some(at(61_000)), "still open");
        s.forget(&new);
        s.seen(old.clone(), size(5).unwrap(), at(0)).unwrap();
        s.moved(Some(&old), new.clone(), at(1000)).unwrap();
        assert_eq!(look(&mut s, 4000, size(5)), Verdict::Wait, "the first look under this name");
        assert_eq!(look(&mut s, 7000, size(5)), Verdict::Finished);
        s.moved(None, new, at(0)).unwrap();
        assert_eq!(look(&mut s, 250, size(5)), Verdict::Finished, "moved in from elsewhere");
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let mut s = settling();
        s.closed("/m/1".into(), at(0)).unwrap();
        s.closed("/m/2".into(), at(0)).unwrap();
        assert_eq!(s.closed("/m/3".into(), at(0)), Err(NoRoom));
        assert_eq!(s.opened("/m/3".into(), at(0)), Err(NoRoom));
        assert_eq!(s.seen("/m/3".into(), size(1).unwrap(), at(0)), Err(NoRoom));
        s.opened("/m/1".into(), at(10)).unwrap();
        s.moved(Some(Path::new("/m/1")), "/m/4".into(), at(10)).unwrap();
        assert_eq!(s.room(), 0);
        assert_eq!(s.due(1, at(99_999_999)).len(), 1);
    }
}
