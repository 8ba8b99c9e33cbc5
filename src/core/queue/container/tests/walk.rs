//! Files that nobody made on purpose: noise, good files with bytes changed, lost, added and swapped, sizes that are
//! lies.
use super::*;
use crate::backoff::Jitter;

const FILES: u64 = 4000;

fn below(dice: &mut Jitter, n: usize) -> usize {
    (dice.unit() * n as f64) as usize
}

/// Letters and numbers that the formats know, so that noise gets further than its first bytes.
const WORDS: &[&[u8]] = &[
    b"ftyp",
    b"moov",
    b"mdat",
    b"moof",
    b"mfro",
    b"mfra",
    b"mvex",
    b"meta",
    b"free",
    b"uuid",
    b"RIFF",
    b"RF64",
    b"BW64",
    b"WAVE",
    b"AVI ",
    b"ds64",
    b"data",
    b"LIST",
    b"movi",
    b"FORM",
    b"AIFF",
    b"SSND",
    b"caff",
    b"\xFF\xD8\xFF",
    b"\xFF\xDA",
    b"\xFF\xD9",
    b"\xFF\xE2",
    b"MPF\0MM\0\x2A\0\0\0\x08",
    b"SEFT",
    b"\0\0\0\0",
    b"\0\0\0\x01",
    b"\0\0\0\x08",
    b"\0\0\0\x10",
    b"\xFF\xFF\xFF\xFF",
    b"\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    b"\x80\0\0\0\0\0\0\0",
    b"\x83",
    b"\x88",
    b"\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02\x01\x01\x02\x01\0",
    b"\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02\x01\x01\x04\x04\0",
    b"\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02\x01\x01\x11\x01\0",
    b"8db42d694ccc418790edff439fe026bf",
];

fn noise(dice: &mut Jitter) -> Vec<u8> {
    let mut file = Vec::new();
    for _ in 0..below(dice, 60) {
        match below(dice, 3) {
            0 => file.extend(WORDS[below(dice, WORDS.len())]),
            1 => file.extend((below(dice, 1 << 12) as u32).to_be_bytes()),
            _ => file.extend((0..below(dice, 90)).map(|n| (n * 31) as u8)),
        }
    }
    file
}

fn mutated(dice: &mut Jitter, seed: &[u8]) -> Vec<u8> {
    let mut file = seed.to_vec();
    for _ in 0..=below(dice, 4) {
        let at = below(dice, file.len());
        let word = WORDS[below(dice, WORDS.len())];
        match below(dice, 6) {
            0 if !file.is_empty() => file[at] = below(dice, 256) as u8,
            1 => file.truncate(at),
            2 => drop(file.splice(at..at, word.iter().copied())),
            3 => drop(file.splice(at..(at + word.len()).min(file.len()), word.iter().copied())),
            4 => drop(file.drain(at..(at + below(dice, 40)).min(file.len()))),
            _ => file.rotate_left(at),
        }
    }
    file
}

/// Judges it within the bounds, in a file that may say that it is larger.
fn survive(dice: &mut Jitter, file: &[u8]) -> Wholeness {
    let size = match below(dice, 8) {
        0 => file.len() as u64 + below(dice, 1 << 20) as u64,
        1 => file.len() as u64 + (dice.unit() * i64::MAX as f64) as u64 / 2,
        _ => file.len() as u64,
    };
    let read = |at: u64, length: usize| {
        let start = usize::try_from(at).unwrap_or(usize::MAX).min(file.len());
        let there = &file[start..][..length.min(file.len() - start)];
        [there, &vec![0; length - there.len()]].concat()
    };
    outcome(size, read).wholeness
}

#[test]
fn whatever_the_bytes_are_a_check_ends_within_its_bounds() {
    let mut dice = Jitter::new(1);
    let seeds = [isobmff::samples(), mxf::samples(), riff::samples(), jpeg::samples()].concat();
    assert!(seeds.iter().all(|seed| of(seed) == WHOLE), "each is a good one");
    let (mut whole, mut cut, mut unknown) = (0, 0, 0);
    for n in 0..FILES {
        let seed = &seeds[below(&mut dice, seeds.len())];
        let file = if n % 4 == 0 { noise(&mut dice) } else { mutated(&mut dice, seed) };
        match survive(&mut dice, &file) {
            Wholeness::Whole => whole += 1,
            Wholeness::Cut(_) => cut += 1,
            Wholeness::Unknown => unknown += 1,
        }
    }
    assert!(whole > 100 && cut > 100 && unknown > 100, "{whole} whole, {cut} cut, {unknown} unknown");
}

#[test]
fn a_good_file_that_ends_early_is_never_whole() {
    let mut dice = Jitter::new(2);
    for seed in [isobmff::samples(), mxf::samples(), riff::samples(), jpeg::samples()].concat() {
        for _ in 0..100 {
            let length = below(&mut dice, seed.len());
            assert_ne!(of(&seed[..length]), WHOLE, "{:?} at {length} of {}", &seed[..8], seed.len());
        }
    }
}

#[test]
fn a_file_of_the_largest_size_is_looked_at_like_any_other() {
    for seed in [isobmff::samples(), mxf::samples(), riff::samples(), jpeg::samples()].concat() {
        for size in [i64::MAX as u64, i64::MAX as u64 - 1, u64::MAX] {
            let read = |at: u64, length: usize| {
                let start = usize::try_from(at).unwrap().min(seed.len());
                let there = &seed[start..][..length.min(seed.len() - start)];
                [there, &vec![0; length - there.len()]].concat()
            };
            outcome(size, read);
        }
    }
}
