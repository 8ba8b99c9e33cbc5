use super::*;

const OPEN_INCOMPLETE: u8 = 1;
const CLOSED_COMPLETE: u8 = 4;

fn key(kind: u8, status: u8) -> Vec<u8> {
    vec![6, 0x0E, 0x2B, 0x34, 2, 5, 1, 1, 0x0D, 1, 2, 1, 1, kind, status, 0]
}

/// With a length of four bytes.
fn klv(key: &[u8], value: &[u8]) -> Vec<u8> {
    [key, &[0x83], &(value.len() as u32).to_be_bytes()[1..], value].concat()
}

/// `index`: how many bytes of it follow.
fn partition(kind: u8, status: u8, this: u64, footer: u64, index: u64) -> Vec<u8> {
    let offsets = [this, 0, footer, 0, index].map(u64::to_be_bytes).concat();
    klv(&key(kind, status), &[&[0, 1, 0, 3, 0, 0, 2, 0][..], &offsets, &[0; 56]].concat())
}

fn set(value: &[u8]) -> Vec<u8> {
    klv(&[6, 0x0E, 0x2B, 0x34, 2, 0x53, 1, 1, 0x0D, 1, 1, 1, 1, 1, 0x2F, 0], value)
}

fn essence(length: usize) -> Vec<u8> {
    klv(&[6, 0x0E, 0x2B, 0x34, 1, 2, 1, 1, 0x0D, 1, 3, 1, 0x15, 1, 5, 1], &media(length))
}

fn random_index(footer: u64) -> Vec<u8> {
    let entry = |stream: u32, at: u64| [&stream.to_be_bytes()[..], &at.to_be_bytes()].concat();
    let value = [entry(1, 0), entry(0, footer)].concat();
    klv(&key(0x11, 0), &[value, (16 + 4 + 24 + 4u32).to_be_bytes().to_vec()].concat())
}

#[derive(Debug)]
struct Parts {
    body: Vec<u8>,
    footer: Vec<u8>,
    index: Vec<u8>,
}

/// A header that tells of its footer, or not; essence, a footer with an index table, a random index.
fn parts(status: u8, told: bool) -> Parts {
    let start = partition(2, status, 0, 0, 0).len() + set(&media(400)).len() + essence(900).len();
    let footer = start as u64;
    let header = partition(2, status, 0, if told { footer } else { 0 }, 0);
    let table = set(&media(300));
    Parts {
        body: [header, set(&media(400)), essence(900)].concat(),
        footer: [partition(4, CLOSED_COMPLETE, footer, footer, table.len() as u64), table].concat(),
        index: random_index(footer),
    }
}

fn joined(parts: &Parts) -> Vec<u8> {
    [&parts.body[..], &parts.footer, &parts.index].concat()
}

#[test]
fn a_random_index_at_the_end_and_its_last_partition_are_all_that_is_needed() {
    for (status, told) in [(OPEN_INCOMPLETE, false), (OPEN_INCOMPLETE, true), (CLOSED_COMPLETE, true)] {
        let parts = parts(status, told);
        let file = joined(&parts);
        assert_eq!(of(&file), WHOLE, "{status} {told}");
        for length in 20..file.len() {
            let verdict = of(&file[..length]);
            let seam = length == file.len() - parts.index.len();
            assert_eq!(
                verdict == UNKNOWN,
                seam,
                "{status} {told}: {verdict:?} at {length} of {}",
                file.len()
            );
            assert_ne!(verdict, WHOLE);
        }
    }
}

#[test]
fn a_footer_that_the_header_tells_of_must_be_there() {
    let Parts { body, footer, index } = parts(CLOSED_COMPLETE, true);
    assert_eq!(of(&body), NO_FOOTER);
    assert_eq!(of(&body[..body.len() - 1]), NO_FOOTER);
    assert_eq!(of(&[&body[..], &[0; 5000]].concat()), NO_FOOTER, "room that was taken for a copy");
    assert_eq!(of(&[&body[..], &footer[..10]].concat()), SHORT);
    assert_eq!(of(&[&body[..], &footer[..footer.len() - 1]].concat()), SHORT);
    assert_eq!(of(&[&body[..], &footer].concat()), UNKNOWN, "the random index may be left out");
    assert_eq!(of(&[&body[..], &footer, &index[..20]].concat()), SHORT);
    assert_eq!(of(&[&body[..], &essence(300)].concat()), UNKNOWN, "something else is there");
    assert_eq!(of(&[&body[..], &media(300)].concat()), UNKNOWN);
}

#[test]
fn an_open_header_needs_a_footer() {
    let Parts { body, footer, .. } = parts(OPEN_INCOMPLETE, false);
    assert_eq!(of(&body), NO_FOOTER);
    assert_eq!(of(&[&body[..], &essence(400_000)].concat()), NO_FOOTER);
    assert_eq!(of(&[&body[..], &footer].concat()), UNKNOWN);
    assert_eq!(of(&[&body[..], &footer[..footer.len() - 1]].concat()), SHORT);
    let late = [&essence(300_000)[..], &footer[..footer.len() - 1]].concat();
    assert_eq!(of(&[&body[..], &late].concat()), SHORT);
}

#[test]
fn a_closed_and_complete_header_may_do_without_a_footer() {
    let Parts { body, .. } = parts(CLOSED_COMPLETE, false);
    assert_eq!(of(&body), UNKNOWN);
    assert_eq!(of(&body[..body.len() - 1]), SHORT);
    assert_eq!(of(&body[..90]), SHORT);
}

#[test]
fn a_run_in_is_stepped_over() {
    for length in [1, 100, 20_000, 65_000] {
        let parts = parts(CLOSED_COMPLETE, true);
        let file = [media(length), joined(&parts)].concat();
        assert_eq!(of(&file), WHOLE, "{length}");
        assert_eq!(of(&file[..file.len() - 1]), SHORT, "{length}");
        assert_eq!(of(&file[..length + parts.body.len()]), NO_FOOTER, "{length}");
    }
    let file = [media(70_000), joined(&parts(CLOSED_COMPLETE, true))].concat();
    assert_eq!(of(&file[..file.len() - 1]), UNKNOWN);
}

#[test]
fn what_follows_a_random_index_does_not_make_a_file_cut() {
    let file = joined(&parts(CLOSED_COMPLETE, true));
    for zeros in [1, 30, 5000] {
        assert_eq!(of(&[&file[..], &vec![0; zeros]].concat()), WHOLE, "{zeros} zeros");
    }
    assert_eq!(of(&[&file[..], &media(300)].concat()), UNKNOWN);
}

#[test]
fn a_random_index_of_partitions_that_are_not_there_proves_nothing() {
    let Parts { body, footer, .. } = parts(CLOSED_COMPLETE, true);
    for last in [3, 1 << 40, u64::MAX] {
        let index = random_index(last);
        assert_eq!(of(&[&body[..], &index].concat()), UNKNOWN, "{last}");
        assert_eq!(of(&[&body[..], &footer[..footer.len() - 1], &index].concat()), UNKNOWN, "{last}");
    }
}

pub(super) fn samples() -> Vec<Vec<u8>> {
    vec![joined(&parts(OPEN_INCOMPLETE, false)), joined(&parts(CLOSED_COMPLETE, true))]
}
