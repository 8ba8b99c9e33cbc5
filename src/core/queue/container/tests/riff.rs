use super::*;

/// With the byte that makes it even.
fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&id[..], &(body.len() as u32).to_le_bytes(), body, &[0][..body.len() % 2]].concat()
}

fn riff(form: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [&form[..], &chunks.concat()].concat();
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

fn format() -> Vec<u8> {
    chunk(b"fmt ", &[1, 0, 1, 0, 0x80, 0xBB, 0, 0, 0, 0x77, 1, 0, 2, 0, 16, 0])
}

fn wav(samples: usize) -> Vec<u8> {
    riff(
        b"WAVE",
        &[chunk(b"bext", &[1; 602]), format(), chunk(b"data", &media(samples)), chunk(b"iXML", &[0x20; 90])],
    )
}

fn rf64(id: &[u8; 4], riff_size: u64, data_size: u64, samples: usize) -> Vec<u8> {
    let sizes = [riff_size, data_size, 7].map(u64::to_le_bytes).concat();
    let data = [&b"data\xFF\xFF\xFF\xFF"[..], &media(samples)].concat();
    [&id[..], b"\xFF\xFF\xFF\xFFWAVE", &chunk(b"ds64", &[&sizes[..], &[0; 4]].concat()), &format(), &data]
        .concat()
}

/// The same with its sizes, of 64 bits.
fn finished(id: &[u8; 4], samples: usize) -> Vec<u8> {
    let size = rf64(id, 0, 0, samples).len() as u64 - 8;
    rf64(id, size, samples as u64, samples)
}

fn list(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    chunk(b"LIST", &[&kind[..], body].concat())
}

fn avi(form: &[u8; 4]) -> Vec<u8> {
    let movie = list(b"movi", &chunk(b"00dc", &media(3001)));
    match form {
        b"AVI " => riff(
            form,
            &[list(b"hdrl", &media(300)), chunk(b"JUNK", &[0; 99]), movie, chunk(b"idx1", &[7; 32])],
        ),
        _ => riff(form, &[movie]),
    }
}

fn patched(mut file: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// Where the size of the chunk stands.
fn size_of(file: &[u8], id: &[u8; 4]) -> usize {
    file.windows(4).position(|w| w == id).unwrap() + 4
}

fn cut_everywhere(file: &[u8], from: usize) {
    assert_eq!(of(file), WHOLE);
    for length in from..file.len() {
        assert!(matches!(of(&file[..length]), Wholeness::Cut(_)), "at {length} of {}", file.len());
    }
}

#[test]
fn a_file_that_is_as_long_as_its_sizes_say_is_whole_and_every_shorter_one_cut() {
    for file in [
        wav(3000),
        avi(b"AVI "),
        finished(b"RF64", 3000),
        finished(b"BW64", 3000),
        riff(b"WEBP", &[chunk(b"VP8 ", &media(90))]),
    ] {
        cut_everywhere(&file, 48);
    }
}

#[test]
fn an_odd_chunk_at_the_end_may_lack_its_padding() {
    let file = riff(b"WAVE", &[format(), chunk(b"data", &media(3001))]);
    assert_eq!(of(&file), WHOLE);
    assert_eq!(of(&file[..file.len() - 1]), UNKNOWN, "the header counts it");
    let uncounted = patched(file.clone(), 4, &(file.len() as u32 - 9).to_le_bytes());
    assert_eq!(of(&uncounted[..file.len() - 1]), WHOLE);
    assert_eq!(of(&uncounted), WHOLE);
    assert_eq!(of(&uncounted[..file.len() - 2]), SHORT);
}

#[test]
fn sizes_that_were_never_filled_in_are_a_recording_that_was_not_ended() {
    for size in [0, u32::MAX] {
        for file in [wav(3000), avi(b"AVI ")] {
            assert_eq!(of(&patched(file, 4, &size.to_le_bytes())), UNFINISHED, "{size}");
        }
    }
    let ones = u32::MAX.to_le_bytes();
    let file = wav(3000);
    let data = size_of(&file, b"data");
    assert_eq!(of(&patched(file.clone(), data, &ones)), UNFINISHED);
    let file = avi(b"AVI ");
    let list = size_of(&file, b"movi") - 8;
    assert_eq!(of(&patched(file.clone(), list, &[0; 4])), UNFINISHED);
    assert_eq!(of(&patched(file, list, &ones)), UNFINISHED);
    for size in [0, u64::MAX] {
        assert_eq!(of(&rf64(b"RF64", size, 3000, 3000)), UNFINISHED);
    }
    let whole = rf64(b"RF64", 0, 0, 3000).len() as u64 - 8;
    assert_eq!(of(&rf64(b"RF64", whole, u64::MAX, 3000)), UNFINISHED);
}

#[test]
fn a_header_from_the_start_of_a_recording_counts_no_samples() {
    let start = riff(b"WAVE", &[format(), chunk(b"data", b"")]);
    assert_eq!(of(&start), WHOLE, "nobody said anything");
    assert_eq!(of(&[&start[..], &media(3000)].concat()), UNFINISHED);
    let file = wav(3000);
    let data = size_of(&file, b"data");
    assert_eq!(of(&patched(file, data, &[0; 4])), UNFINISHED);
}

#[test]
fn beyond_four_gigabytes_all_ones_may_be_the_best_that_can_be_said() {
    let start = riff(b"WAVE", &[format(), chunk(b"data", b"")]);
    let ones = |size| patched(start.clone(), size, &u32::MAX.to_le_bytes());
    assert_eq!(sparse(5 << 30, &[(0, ones(4))]), UNKNOWN);
    assert_eq!(sparse(3 << 30, &[(0, ones(4))]), UNFINISHED);
    assert_eq!(sparse(5 << 30, &[(0, patched(start, 4, &[0; 4]))]), UNFINISHED);
}

#[test]
fn sizes_of_64_bits_are_counted() {
    let size = 6u64 << 30;
    let start = rf64(b"RF64", size - 8, size - 80, 0);
    assert_eq!(start.len(), 80);
    assert_eq!(sparse(size, &[(0, start.clone())]), WHOLE);
    assert_eq!(sparse(size - 1, &[(0, start.clone())]), SHORT);
    assert_eq!(sparse(5 << 30, &[(0, start)]), SHORT);
}

#[test]
fn without_ds64_nothing_is_known_of_a_file_that_needs_it() {
    let file = [&b"RF64\xFF\xFF\xFF\xFFWAVE"[..], &format(), &chunk(b"data", &media(90))].concat();
    assert_eq!(of(&file), UNKNOWN);
}

#[test]
fn an_avi_may_have_more_than_one_riff() {
    let file = [avi(b"AVI "), avi(b"AVIX"), avi(b"AVIX")].concat();
    assert_eq!(of(&file), WHOLE);
    let seams = [avi(b"AVI ").len(), avi(b"AVI ").len() + avi(b"AVIX").len()];
    for length in 48..file.len() {
        let verdict = of(&file[..length]);
        match length {
            _ if seams.contains(&length) => assert_eq!(verdict, WHOLE, "nothing counts them together"),
            _ if seams.iter().any(|seam| (*seam..seam + 8).contains(&length)) => assert_ne!(verdict, WHOLE),
            _ => assert!(matches!(verdict, Wholeness::Cut(_)), "{verdict:?} at {length} of {}", file.len()),
        }
    }
}

#[test]
fn what_programs_put_behind_the_end_does_not_make_a_file_cut() {
    for file in [wav(3000), avi(b"AVI "), finished(b"RF64", 3000)] {
        let with = |rest: &[u8]| of(&[&file, rest].concat());
        for zeros in [1, 2, 9, 60_000] {
            assert_eq!(with(&vec![0; zeros]), WHOLE, "{zeros} zeros");
        }
        assert_eq!(with(&vec![0; 70_000]), UNKNOWN);
        assert_eq!(with(&[b"TAG", &[b' '; 125][..]].concat()), UNKNOWN);
        assert_eq!(with(&chunk(b"LIST", b"INFO")), UNKNOWN);
    }
}

#[test]
fn a_size_that_counts_its_own_header_is_a_mistake_and_not_a_cut() {
    let file = wav(3000);
    let mistaken = patched(file.clone(), 4, &(file.len() as u32).to_le_bytes());
    assert_eq!(of(&mistaken), UNKNOWN);
    assert_eq!(of(&mistaken[..file.len() - 1]), SHORT);
    assert_eq!(of(&patched(file.clone(), 4, &(file.len() as u32 + 1).to_le_bytes())), SHORT);
}

#[test]
fn a_file_without_what_it_is_for_is_not_judged() {
    assert_eq!(of(&riff(b"WAVE", &[format()])), UNKNOWN);
    assert_eq!(of(&riff(b"AVI ", &[list(b"hdrl", &[1; 30])])), UNKNOWN);
    let odd = riff(b"WAVE", &[format(), media(500)]);
    assert_eq!(of(&odd), UNKNOWN);
    let longer = riff(b"WAVE", &[format(), chunk(b"data", &media(500))]);
    let shrunk = patched(longer, 4, &300u32.to_le_bytes());
    assert_eq!(of(&shrunk), UNKNOWN, "a chunk that is longer than the whole");
}

#[test]
fn aiff_counts_as_riff_does_the_other_way_round() {
    let chunk = |id: &[u8; 4], body: &[u8]| [&id[..], &(body.len() as u32).to_be_bytes(), body].concat();
    let body = [b"AIFF".to_vec(), chunk(b"COMM", &[0; 18]), chunk(b"SSND", &media(3000))].concat();
    let file = chunk(b"FORM", &body);
    cut_everywhere(&file, 48);
    assert_eq!(of(&patched(file.clone(), 4, &[0; 4])), UNFINISHED);
    let sound = size_of(&file, b"SSND");
    assert_eq!(of(&patched(file, sound, &[0; 4])), UNFINISHED);
}

#[test]
fn wave64_counts_in_64_bits_with_its_headers() {
    const REST: [u8; 12] = [0xF3, 0xAC, 0xD3, 0x11, 0x8C, 0xD1, 0, 0xC0, 0x4F, 0x8E, 0xDB, 0x8A];
    let chunk =
        |id: &[u8; 4], body: &[u8]| [&id[..], &REST, &(24 + body.len() as u64).to_le_bytes(), body].concat();
    let chunks = [chunk(b"fmt ", &[1; 16]), chunk(b"data", &media(3000))].concat();
    let riff = [0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 4, 0xC1, 0, 0];
    let all = |size: u64| [&b"riff"[..], &riff, &size.to_le_bytes(), b"wave", &REST, &chunks].concat();
    let file = all(40 + chunks.len() as u64);
    assert_eq!(file.len() % 8, 0);
    cut_everywhere(&file, 90);
    assert_eq!(of(&all(0)), UNFINISHED);
}

#[test]
fn caf_does_not_say_how_long_all_of_it_is() {
    let chunk = |id: &[u8; 4], size: u64, body: &[u8]| [&id[..], &size.to_be_bytes(), body].concat();
    let start = [b"caff\0\x01\0\0".to_vec(), chunk(b"desc", 32, &[1; 32])].concat();
    let file = [start.clone(), chunk(b"data", 3000, &media(3000))].concat();
    assert_eq!(of(&file), UNKNOWN);
    assert_eq!(of(&file[..file.len() - 1]), SHORT);
    assert_eq!(of(&[start, chunk(b"data", u64::MAX, &media(3000))].concat()), UNKNOWN);
}

pub(super) fn samples() -> Vec<Vec<u8>> {
    vec![wav(500), avi(b"AVI "), finished(b"RF64", 500)]
}
