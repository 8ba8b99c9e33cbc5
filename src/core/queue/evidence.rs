//! What two looks at files say about each other, by evidence alone.
//!
//! | The path | The bytes | The volume | The file | Then the row's clip |
//! | --- | --- | --- | --- | --- |
//! | the same | the same evidence | not known to be another | – | is it: [`Relation::Same`], with another date [`Relation::Redated`] |
//! | | | in the same mount | another inode took its place | was copied over: [`Relation::Recopied`] |
//! | | | another | – | may be it: [`Relation::Twin`] |
//! | | others | in the same mount | the same inode | was written on in its place: [`Relation::Rewritten`] |
//! | | the same head, more of it | the same | – | has grown: [`Relation::Rewritten`] |
//! | | others, of the same date | in the same mount | another inode took its place | was edited: [`Relation::Replaced`] |
//! | | others | – | – | is another one, and not there now: [`Relation::Displaced`] |
//! | another | the same evidence | the same | the same inode and date | was renamed: [`Relation::Renamed`] |
//! | | | – | – | may be it: [`Relation::Twin`] |
//! | | others | – | – | has nothing to do with it: [`Relation::None`] |
//!
//! # Decisions
//! - That evidence is the same says that bytes *may* be the same: whoever merges two clips compares all of them first. That
//!   it differs says that they do differ.
//! - File systems without inode numbers make them up (FAT, exFAT), at each mount and sometimes between: a number counts
//!   only together with other evidence. Those of deleted files come again: a file under another name is the one of a row only
//!   if it has its date as well, which a rename keeps.
//! - A volume that can't be told from another (a network share, a file system in memory) is taken to be the same: name, size
//!   and both ends of the file are evidence enough that it came back. The same head alone is not that it has grown.
//! - A row of a version that took no fingerprints is judged by path, size and date, as that version did.
use std::path::PathBuf;

use xxhash_rust::xxh64::{Xxh64, xxh64};

/// Bytes at each end of a file that make its fingerprint.
pub const FINGERPRINT_END: u64 = 64 * 1024;

/// What the file system says of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Bytes; at least 1.
    pub size: u64,
    /// Nanoseconds since 1970 by the file system's clock.
    pub mtime_ns: i64,
    /// The same for the time of change of its entry; 0 where nobody looked.
    pub ctime_ns: i64,
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

/// One file system, as it was mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Volume {
    /// The same wherever and whenever it is mounted: its UUID or serial number. Empty where nobody can tell.
    pub id: String,
    /// Another number at each mount; 0 where it is not known.
    pub mount: u64,
}

impl Volume {
    /// It is known to be that one.
    pub fn is_that_of(&self, other: &Volume) -> bool {
        self.is_in_the_mount_of(other) || (!self.id.is_empty() && self.id == other.id)
    }

    fn is_in_the_mount_of(&self, other: &Volume) -> bool {
        self.mount != 0 && self.mount == other.mount
    }

    /// Both are known, and it is not that one.
    pub fn is_known_to_differ(&self, other: &Volume) -> bool {
        !self.id.is_empty() && !other.id.is_empty() && self.id != other.id
    }
}

/// Evidence of a file's bytes: equal for equal bytes, and for most others not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// XXH64 over the first and the last [`FINGERPRINT_END`] bytes, and the size.
    pub whole: u64,
    /// XXH64 over the first [`FINGERPRINT_END`] bytes, or what there is.
    pub head: u64,
}

impl Fingerprint {
    /// Of a file of `size` bytes that begins with `head` and ends with `tail`, each of at most [`FINGERPRINT_END`] bytes.
    /// Where the file is not longer than that, `tail` is empty.
    pub fn of(head: &[u8], tail: &[u8], size: u64) -> Fingerprint {
        let mut whole = Xxh64::new(0);
        whole.update(head);
        whole.update(tail);
        whole.update(&size.to_be_bytes());
        Fingerprint { whole: whole.digest(), head: xxh64(head, 0) }
    }
}

/// One look at a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sighting {
    /// Resolved: absolute, without `.`, `..`, doubled slashes and links.
    pub path: PathBuf,
    /// What the file system says.
    pub facts: FileFacts,
    /// Where it lies.
    pub volume: Volume,
    /// `None`: nobody took it.
    pub fingerprint: Option<Fingerprint>,
}

/// What the clip of a row is to a file that is seen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// It is this file.
    Same,
    /// It is this file, with another date or change time.
    Redated,
    /// It is this file, under its former name.
    Renamed,
    /// It was at this path, and a file with the same evidence was put into its place.
    Recopied,
    /// It was this file, which has grown or was changed in its place: what it was is no more.
    Rewritten,
    /// It was at this path, and a file with its date was put into its place, as tools do that write into clips.
    Replaced,
    /// It may have the same bytes.
    Twin,
    /// It was at this path, and another clip is there now.
    Displaced,
    /// There is nothing that they have in common.
    None,
}

impl Relation {
    /// What is seen is the row's clip, as far as evidence goes, and at the row's path.
    pub fn is_the_same_file(self) -> bool {
        match self {
            Relation::Same | Relation::Redated | Relation::Recopied => true,
            Relation::Renamed
            | Relation::Rewritten
            | Relation::Replaced
            | Relation::Twin
            | Relation::Displaced
            | Relation::None => false,
        }
    }
}

impl Sighting {
    /// Nothing has been done to the file since it was looked at: not even its bytes need to be read. Fingerprints are not
    /// compared, and the earlier one must have one.
    pub fn untouched_since(&self, earlier: &Sighting) -> bool {
        earlier.fingerprint.is_some()
            && self.volume.is_in_the_mount_of(&earlier.volume)
            && self.path == earlier.path
            && self.facts == earlier.facts
    }

    /// Nothing that people see of the two differs, wherever and whenever the card was mounted.
    pub fn looks_like(&self, other: &Sighting) -> bool {
        let facts = |seen: &Sighting| FileFacts { dev: 0, ..seen.facts };
        self.path == other.path && self.fingerprint == other.fingerprint && facts(self) == facts(other)
    }

    /// The same with the dates that it had at `begun`, when the first of what was sent was read: the last look goes by those.
    #[must_use]
    pub fn dated_as(self, begun: &Sighting) -> Sighting {
        let FileFacts { mtime_ns, ctime_ns, .. } = begun.facts;
        Sighting { facts: FileFacts { mtime_ns, ctime_ns, ..self.facts }, ..self }
    }

    /// What `row` is to what is seen now.
    pub fn relation(&self, row: &Sighting) -> Relation {
        let same_path = self.path == row.path;
        let Some((now, then)) = self.fingerprint.zip(row.fingerprint) else {
            return self.relation_by_date(row, same_path);
        };
        let same_bytes = now.whole == then.whole && self.facts.size == row.facts.size;
        let same_mount = self.volume.is_in_the_mount_of(&row.volume);
        let other_volume = !same_mount && self.volume.is_known_to_differ(&row.volume);
        let same_inode = self.facts.ino != 0 && self.facts.ino == row.facts.ino;
        let same_date = self.facts.mtime_ns == row.facts.mtime_ns;
        let other_change = self.facts.ctime_ns != row.facts.ctime_ns;
        match (same_path, same_bytes) {
            (true, true) if other_volume => Relation::Twin,
            (true, true) if same_mount && !same_inode && other_change => Relation::Recopied,
            (true, true) if same_date => Relation::Same,
            (true, true) => Relation::Redated,
            (true, false) if same_mount && same_inode => Relation::Rewritten,
            (true, false) if self.volume.is_that_of(&row.volume) && self.has_grown_from(row, now, then) => {
                Relation::Rewritten
            }
            (true, false) if same_mount && same_date => Relation::Replaced,
            (true, false) => Relation::Displaced,
            (false, true) if same_inode && same_date && self.volume.is_that_of(&row.volume) => {
                Relation::Renamed
            }
            (false, true) => Relation::Twin,
            (false, false) => Relation::None,
        }
    }

    /// Where the row, or whoever looked, has no fingerprint.
    fn relation_by_date(&self, row: &Sighting, same_path: bool) -> Relation {
        let (now, then) = (self.facts, row.facts);
        let same_date = now.size == then.size && now.mtime_ns == then.mtime_ns;
        let same_inode = now.ino != 0 && now.ino == then.ino && now.dev == then.dev;
        match (same_path, same_date) {
            (true, true) => Relation::Same,
            (true, false) if same_inode && now.size > then.size => Relation::Rewritten,
            (true, false) if same_inode && now.size == then.size => Relation::Redated,
            (true, false) => Relation::Displaced,
            (false, true) if same_inode => Relation::Renamed,
            (false, _) => Relation::None,
        }
    }

    /// Only where the head of the smaller one is all of the head can the two be compared.
    fn has_grown_from(&self, row: &Sighting, now: Fingerprint, then: Fingerprint) -> bool {
        self.facts.size > row.facts.size && row.facts.size >= FINGERPRINT_END && now.head == then.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// At `/card/C0001.MOV`, by a fingerprint of these bytes' name.
    fn seen(bytes: u64) -> Sighting {
        Sighting {
            path: "/card/C0001.MOV".into(),
            facts: FileFacts { size: MIB, mtime_ns: 5, ctime_ns: 5, dev: 1, ino: 9 },
            volume: Volume { id: "A".to_owned(), mount: 1 },
            fingerprint: Some(Fingerprint { whole: bytes, head: bytes }),
        }
    }

    fn with(change: impl FnOnce(&mut Sighting)) -> Sighting {
        let mut other = seen(1);
        change(&mut other);
        other
    }

    fn bytes(s: &mut Sighting, bytes: u64) {
        s.fingerprint = Some(Fingerprint { whole: bytes, head: bytes });
    }

    #[test]
    fn every_row_of_the_table() {
        let other_path = |s: &mut Sighting| s.path = "/card/C0002.MOV".into();
        let remounted = |s: &mut Sighting| s.volume.mount = 2;
        let other_volume = |s: &mut Sighting| s.volume = Volume { id: "B".to_owned(), mount: 2 };
        let nameless = |s: &mut Sighting| s.volume = Volume { id: String::new(), mount: 2 };
        let other_inode = |s: &mut Sighting| s.facts.ino = 10;
        let grown = |s: &mut Sighting| {
            s.facts.size = 2 * MIB;
            s.fingerprint = Some(Fingerprint { whole: 2, head: 1 });
        };
        #[rustfmt::skip]
        let rows: [(&str, Sighting, Relation); 29] = [
            ("the same file", with(|_| ()), Relation::Same),
            ("after a remount", with(remounted), Relation::Same),
            ("after a remount, with another inode", with(|s| { remounted(s); other_inode(s); }), Relation::Same),
            ("on a volume without a name", with(nameless), Relation::Same),
            ("with another date", with(|s| s.facts.mtime_ns = 6), Relation::Redated),
            ("with another date after a remount", with(|s| { remounted(s); s.facts.mtime_ns = 6; }), Relation::Redated),
            ("with another number, as FAT gives", with(other_inode), Relation::Same),
            ("a copy that was put into its place", with(|s| { other_inode(s); s.facts.ctime_ns = 6; }), Relation::Recopied),
            ("a copy on another card", with(other_volume), Relation::Twin),
            ("changed in its place", with(|s| bytes(s, 2)), Relation::Rewritten),
            ("cut in its place", with(|s| { bytes(s, 2); s.facts.size = 5; }), Relation::Rewritten),
            ("grown", with(grown), Relation::Rewritten),
            ("grown while it was away", with(|s| { grown(s); remounted(s); }), Relation::Rewritten),
            ("grown, copied anew", with(|s| { grown(s); other_inode(s); }), Relation::Rewritten),
            ("larger, with the same head, on a card without a name", with(|s| { grown(s); nameless(s); }), Relation::Displaced),
            ("grown, on another card", with(|s| { grown(s); other_volume(s); }), Relation::Displaced),
            ("larger, with another head", with(|s| { grown(s); remounted(s); bytes(s, 3); }), Relation::Displaced),
            ("smaller, with the same head", with(|s| { grown(s); remounted(s); s.facts.size = MIB - 1; }), Relation::Displaced),
            ("edited, with its date kept", with(|s| { bytes(s, 2); other_inode(s); }), Relation::Replaced),
            ("another one of another date", with(|s| { bytes(s, 2); other_inode(s); s.facts.mtime_ns = 6; }), Relation::Displaced),
            ("another one of the same date and size", with(|s| { bytes(s, 2); other_volume(s); }), Relation::Displaced),
            ("another one of the same date on a card without a name", with(|s| { bytes(s, 2); nameless(s); }), Relation::Displaced),
            ("renamed", with(other_path), Relation::Renamed),
            ("renamed while it was away", with(|s| { other_path(s); remounted(s); }), Relation::Renamed),
            ("under another name, with another date", with(|s| { other_path(s); s.facts.mtime_ns = 6; }), Relation::Twin),
            ("copied", with(|s| { other_path(s); other_inode(s); }), Relation::Twin),
            ("copied to another card", with(|s| { other_path(s); other_volume(s); }), Relation::Twin),
            ("under another name on a card without a name", with(|s| { other_path(s); nameless(s); }), Relation::Twin),
            ("another file", with(|s| { other_path(s); bytes(s, 2); }), Relation::None),
        ];
        for (name, now, want) in rows {
            assert_eq!(now.relation(&seen(1)), want, "{name}");
        }
    }

    #[test]
    fn a_row_without_a_fingerprint_is_judged_by_path_size_and_date() {
        let old = with(|s| {
            s.fingerprint = None;
            s.volume = Volume::default();
            s.facts.ctime_ns = 0;
        });
        #[rustfmt::skip]
        let rows: [(&str, Sighting, Relation); 8] = [
            ("the same", with(|_| ()), Relation::Same),
            ("grown", with(|s| s.facts.size += 1), Relation::Rewritten),
            ("with another date", with(|s| s.facts.mtime_ns += 1), Relation::Redated),
            ("smaller", with(|s| s.facts.size -= 1), Relation::Displaced),
            ("another inode", with(|s| { s.facts.size += 1; s.facts.ino = 10; }), Relation::Displaced),
            ("renamed", with(|s| s.path = "/card/x".into()), Relation::Renamed),
            ("a file system without numbers", with(|s| { s.path = "/card/x".into(); s.facts.ino = 0; }), Relation::None),
            ("another file", with(|s| { s.path = "/card/x".into(); s.facts.size = 4; }), Relation::None),
        ];
        for (name, now, want) in rows {
            assert_eq!(now.relation(&old), want, "{name}");
        }
        let without_numbers = with(|s| {
            s.fingerprint = None;
            s.facts.ino = 0;
        });
        let renamed = with(|s| {
            s.path = "/card/x".into();
            s.facts.ino = 0;
        });
        assert_eq!(renamed.relation(&without_numbers), Relation::None);
    }

    #[test]
    fn a_small_file_tells_nothing_of_a_larger_one() {
        let small = with(|s| {
            s.facts.size = FINGERPRINT_END - 1;
            s.volume.mount = 2;
        });
        let large = with(|s| s.fingerprint = Some(Fingerprint { whole: 2, head: 1 }));
        assert_eq!(large.relation(&small), Relation::Displaced);
        let enough = with(|s| {
            s.facts.size = FINGERPRINT_END;
            s.volume.mount = 2;
        });
        assert_eq!(large.relation(&enough), Relation::Rewritten);
    }

    #[test]
    fn what_nobody_touched_needs_no_second_reading() {
        let earlier = seen(1);
        assert!(with(|s| s.fingerprint = None).untouched_since(&earlier));
        type Touch = fn(&mut Sighting);
        let touched: [(&str, Touch); 5] = [
            ("path", |s| s.path = "/card/x".into()),
            ("mount", |s| s.volume.mount = 2),
            ("change time", |s| s.facts.ctime_ns = 6),
            ("size", |s| s.facts.size += 1),
            ("inode", |s| s.facts.ino += 1),
        ];
        for (name, change) in touched {
            assert!(!with(change).untouched_since(&earlier), "{name}");
        }
        assert!(!seen(1).untouched_since(&with(|s| s.fingerprint = None)), "a row of an older version");
        let unknown = with(|s| s.volume.mount = 0);
        assert!(!unknown.untouched_since(&unknown));
    }

    #[test]
    fn a_fingerprint_is_of_both_ends_and_of_the_size() {
        let base = Fingerprint::of(b"head", b"tail", 100);
        assert_eq!(base, Fingerprint::of(b"head", b"tail", 100));
        for other in [
            Fingerprint::of(b"Head", b"tail", 100),
            Fingerprint::of(b"head", b"Tail", 100),
            Fingerprint::of(b"head", b"tail", 101),
        ] {
            assert_ne!(base.whole, other.whole);
        }
        assert_eq!(base.head, Fingerprint::of(b"head", b"other", 7).head);
    }
}
