mod isobmff;
mod jpeg;
mod mxf;
mod riff;
mod walk;

use super::*;

/// What a check came to, and what it cost.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    wholeness: Wholeness,
    reads: usize,
    bytes: usize,
}

/// Checks a file that may be larger than what there is of it, and holds the bounds.
fn outcome(size: u64, read: impl Fn(u64, usize) -> Vec<u8>) -> Outcome {
    let mut check = Check::new(size);
    let (mut step, mut reads, mut bytes) = (check.start(), 0, 0);
    loop {
        match step {
            Step::Read { offset, length } => {
                assert!((1..=MAX_READ).contains(&length), "{length} bytes at once");
                assert!(offset + length as u64 <= size, "{length} bytes from {offset} of {size}");
                reads += 1;
                bytes += length;
                assert!(reads <= MAX_READS && bytes <= MAX_BYTES, "{reads} reads, {bytes} bytes");
                assert_eq!(check.start(), step, "asked again");
                step = check.read(&read(offset, length));
            }
            Step::Done(wholeness) => {
                assert_eq!((check.start(), check.read(b"more")), (step, step), "the end stays the end");
                return Outcome { wholeness, reads, bytes };
            }
        }
    }
}

fn of(file: &[u8]) -> Wholeness {
    outcome(file.len() as u64, |at, length| file[at as usize..][..length].to_vec()).wholeness
}

/// A file with zeros between and behind these parts.
fn sparse(size: u64, parts: &[(u64, Vec<u8>)]) -> Wholeness {
    let read = |at: u64, length: usize| {
        let mut bytes = vec![0; length];
        for (start, part) in parts {
            for (n, byte) in part.iter().enumerate() {
                if let Some(to) = (start + n as u64).checked_sub(at).filter(|to| *to < length as u64) {
                    bytes[to as usize] = *byte;
                }
            }
        }
        bytes
    };
    outcome(size, read).wholeness
}

/// Bytes that are no zeros, and no marker of any format.
fn media(length: usize) -> Vec<u8> {
    (0..length).map(|n| 1 + (n * 7 % 200) as u8).collect()
}

const WHOLE: Wholeness = Wholeness::Whole;
const UNKNOWN: Wholeness = Wholeness::Unknown;
const EMPTY: Wholeness = Wholeness::Cut(Cut::Empty);
const SHRANK: Wholeness = Wholeness::Cut(Cut::Shrank);
const NO_INDEX: Wholeness = Wholeness::Cut(Cut::NoIndex);
const SHORT: Wholeness = Wholeness::Cut(Cut::Short);
const UNFINISHED: Wholeness = Wholeness::Cut(Cut::Unfinished);
const NO_FOOTER: Wholeness = Wholeness::Cut(Cut::NoFooter);
const NO_END: Wholeness = Wholeness::Cut(Cut::NoEnd);

#[test]
fn a_file_without_bytes_is_cut_and_asks_for_none() {
    assert_eq!(outcome(0, |_, _| panic!("a read")), Outcome { wholeness: EMPTY, reads: 0, bytes: 0 });
}

#[test]
fn a_file_that_is_shorter_than_its_size_is_cut_wherever_that_shows() {
    let file =
        [isobmff::file_type(b"isom"), isobmff::of(b"mdat", &media(100_000)), isobmff::movie()].concat();
    let size = file.len() as u64;
    assert_eq!(of(&file), WHOLE);
    for length in [0, 1, 31, 20_000, file.len() - 1] {
        let read = |at: u64, wanted: usize| {
            let left = &file[..length][length.min(at as usize)..];
            left[..left.len().min(wanted)].to_vec()
        };
        assert_eq!(outcome(size, read).wholeness, SHRANK, "{length} of {size}");
    }
}

#[test]
fn more_bytes_than_were_asked_for_change_nothing() {
    let file =
        [isobmff::file_type(b"isom"), isobmff::of(b"mdat", &media(100_000)), isobmff::movie()].concat();
    let read = |at: u64, length: usize| [&file[at as usize..][..length], b"\0\0\0\x08junk"].concat();
    assert_eq!(outcome(file.len() as u64, read).wholeness, WHOLE);
}

#[test]
fn a_format_that_nobody_knows_is_not_judged() {
    for file in [
        &b"x"[..],
        b"II*\0",
        b"\x1A\x45\xDF\xA3webm",
        b"\0\0\0\x01RED2",
        b"GIF89a",
        b"ftyp",
        &[0; 90_000],
        &media(90_000),
    ] {
        assert_eq!(of(file), UNKNOWN, "{:?}", &file[..file.len().min(8)]);
    }
    assert_eq!(sparse(u64::MAX >> 1, &[]), UNKNOWN);
}

#[test]
fn every_cut_has_a_sentence_of_its_own() {
    let cuts =
        [Cut::Empty, Cut::Shrank, Cut::NoIndex, Cut::Short, Cut::Unfinished, Cut::NoFooter, Cut::NoEnd];
    let sentences: std::collections::BTreeSet<_> = cuts.iter().map(ToString::to_string).collect();
    assert_eq!(sentences.len(), cuts.len());
}
