use super::*;

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xFF, marker][..], &(2 + body.len() as u16).to_be_bytes(), body].concat()
}

/// As an encoder leaves it: an FF only before 00 and restarts.
fn coded(length: usize) -> Vec<u8> {
    let mut bytes = media(length);
    for (n, at) in (0..length.saturating_sub(1)).step_by(100).enumerate() {
        bytes[at] = 0xFF;
        bytes[at + 1] = if n % 5 == 4 { 0xD0 + (n % 8) as u8 } else { 0 };
    }
    bytes
}

/// Up to the coded data; with a preview of its own, which ends like an image.
fn header(more: &[u8]) -> Vec<u8> {
    let preview = [&b"Exif\0\0"[..], &[0xFF, 0xD8, 0xFF, 0xDB], &media(90), &[0xFF, 0xD9]].concat();
    let tables = [segment(0xDB, &[1; 65]), segment(0xC0, &[1; 15]), segment(0xC4, &[1; 29])].concat();
    [&[0xFF, 0xD8][..], &segment(0xE1, &preview), more, &tables, &segment(0xDA, &[1; 10])].concat()
}

fn image(more: &[u8], length: usize) -> Vec<u8> {
    [&header(more)[..], &coded(length), &[0xFF, 0xD9]].concat()
}

/// The index of images, in the first of them; `big`: as Motorola counts.
fn index(big: bool, images: &[(u32, u32)]) -> Vec<u8> {
    let two = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let four = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let entry =
        |tag: u16, count: u32, value: u32| [&two(tag)[..], &two(7), &four(count), &four(value)].concat();
    let list = images.iter().map(|(at, length)| [four(0), four(*length), four(*at), [0; 4]].concat());
    let tiff = if big { b"MM\0\x2A" } else { b"II\x2A\0" };
    let count = images.len() as u32;
    let entries = [entry(0xB000, 4, 0), entry(0xB001, 1, count), entry(0xB002, 16 * count, 50)].concat();
    let body =
        [b"MPF\0", &tiff[..], &four(8), &two(3), &entries, &four(0), &list.collect::<Vec<_>>().concat()]
            .concat();
    segment(0xE2, &body)
}

/// Two images with their index, and where the second begins.
fn two_images(big: bool) -> (Vec<u8>, usize) {
    let second = image(b"", 4000);
    let first = |at: u32| image(&index(big, &[(0, at), (at, second.len() as u32)]), 9000);
    let length = first(0).len();
    let base = header(b"").len() - segment(0xDA, &[1; 10]).len();
    let at = first(0).windows(4).position(|w| w == b"MPF\0").unwrap() + 4;
    assert!(base < length && at < length);
    let whole = image(&index(big, &[(0, length as u32), ((length - at) as u32, second.len() as u32)]), 9000);
    ([whole, second].concat(), length)
}

#[test]
fn an_image_is_whole_with_its_end_and_cut_without() {
    for length in [5, 300, 30_000, 200_000] {
        let file = image(b"", length);
        assert_eq!(of(&file), WHOLE, "{length}");
        for cut in (3..file.len()).step_by(1 + file.len() / 97).chain(file.len() - 30..file.len()) {
            assert_eq!(of(&file[..cut]), NO_END, "at {cut} of {}", file.len());
        }
    }
}

#[test]
fn an_image_of_little_has_little_but_zeros_and_is_read_through() {
    let flat = |length: usize| {
        let data: Vec<u8> = (0..length).map(|n| if n % 900 == 0 { 0x28 } else { 0 }).collect();
        [&header(b"")[..], &data, &[0xFF, 0xD9]].concat()
    };
    for length in [300_000, 700_000] {
        let file = flat(length);
        assert_eq!(of(&file), WHOLE, "{length}");
        for cut in [1, 2, 5000, 100_000, 299_000] {
            assert_eq!(of(&file[..file.len() - cut]), NO_END, "{cut} bytes less than {length}");
        }
        assert_eq!(of(&[&file[..], b"GPS"].concat()), UNKNOWN, "the end is before these");
    }
    let file = flat(900_000);
    assert_eq!(of(&file[..file.len() - 2]), UNKNOWN, "beyond what is read");
}

#[test]
fn a_large_image_is_known_by_its_last_bytes() {
    let file = image(b"", 2_000_000);
    assert_eq!(of(&file), WHOLE);
    for cut in [1, 2, 100_000, 1_000_000] {
        assert_eq!(of(&file[..file.len() - cut]), NO_END, "{cut} bytes less");
    }
    // FF 00 across the seam of two reads, and an end of image there.
    let mut seam = file[..1_500_000].to_vec();
    let at = seam.len() - MAX_READ;
    seam[at - 1..=at].copy_from_slice(&[0xFF, 0]);
    assert_eq!(of(&seam), NO_END);
    seam[at - 1..=at].copy_from_slice(&[0xFF, 0xD9]);
    assert_eq!(of(&seam), UNKNOWN);
}

#[test]
fn a_progressive_image_has_more_than_one_scan() {
    let scan = [segment(0xC4, &[1; 29]), segment(0xDA, &[1; 10]), coded(3000)].concat();
    let file = [&header(b"")[..], &coded(3000), &scan, &scan, &[0xFF, 0xD9]].concat();
    assert_eq!(of(&file), WHOLE);
    for cut in [1, 2, 900, 3000, 3010, 3050, 4000] {
        assert_eq!(of(&file[..file.len() - cut]), NO_END, "{cut} bytes less");
    }
}

#[test]
fn the_end_of_a_preview_is_not_that_of_the_image() {
    let file = image(b"", 5000);
    let preview = file.windows(2).position(|w| w == [0xFF, 0xD9]).unwrap() + 2;
    assert_eq!(of(&file[..preview]), NO_END);
}

#[test]
fn zeros_behind_the_end_are_padding_and_behind_coded_data_a_cut() {
    for zeros in [1, 511, 70_000, 150_000] {
        let padded = |file: &[u8]| of(&[file, &vec![0; zeros]].concat());
        for length in [3000, 100_000] {
            let file = image(b"", length);
            assert_eq!(padded(&file), WHOLE, "{length} and {zeros} zeros");
            assert_eq!(padded(&file[..file.len() - 500]), NO_END, "{length} and {zeros} zeros");
        }
    }
    assert_eq!(of(&[image(b"", 100_000), vec![0; 900_000]].concat()), UNKNOWN, "beyond what is read");
}

#[test]
fn every_image_that_the_index_counts_must_be_there() {
    for big in [true, false] {
        let (file, seam) = two_images(big);
        assert_eq!(of(&file), WHOLE);
        assert_eq!(of(&[&file[..], &[0; 900]].concat()), WHOLE);
        assert_eq!(of(&file[..seam]), UNKNOWN, "a program may have left the second one out");
        for cut in [1, 2, 500, 3000, 3999] {
            assert_eq!(of(&file[..file.len() - cut]), NO_END, "{cut} bytes less");
        }
        assert_eq!(of(&file[..seam - 1]), NO_END);
        let moved = [&file[..seam], &[0xFF, 0xD8, 7], &file[seam..]].concat();
        assert_eq!(of(&moved), UNKNOWN, "images that are not where the index says");
    }
}

#[test]
fn an_index_that_makes_no_sense_is_none() {
    for body in [
        &b"MPF\0"[..],
        b"MPF\0MM\0\x2A\xFF\xFF\xFF\xFF",
        b"MPF\0II\x2A\0\x08\0\0\0\xFF\xFF",
        b"MPF\0XX",
        b"ICC_PROFILE",
    ] {
        assert_eq!(of(&image(&segment(0xE2, body), 3000)), WHOLE);
    }
    let none = index(true, &[(0, 0), (u32::MAX, 0)]);
    assert_eq!(of(&image(&none, 3000)), UNKNOWN);
}

#[test]
fn what_makers_put_behind_an_image_does_not_make_it_cut() {
    for length in [3000, 200_000] {
        let file = image(b"", length);
        let movie =
            [isobmff::file_type(b"isom"), isobmff::of(b"mdat", &media(90_000)), isobmff::movie()].concat();
        let with = |rest: &[u8]| of(&[&file, rest].concat());
        assert_eq!(with(&movie), UNKNOWN, "a moving picture");
        assert_eq!(with(&movie[..50_000]), UNKNOWN, "which may be cut");
        assert_eq!(with(b"\0\0\x01\x0ASEFH and so on\x20\0\0\0SEFT"), WHOLE);
        assert_eq!(
            with(
                &[&[9; 500][..], &540u32.to_le_bytes(), b"\x03\0\0\x008db42d694ccc418790edff439fe026bf"]
                    .concat()
            ),
            WHOLE
        );
        assert_eq!(with(&[7; 900]), UNKNOWN);
        let depths: Vec<u8> =
            (0..90_000).map(|n| if n % 2 == 0 { 255 - (n % 256) as u8 / 100 } else { 0 }).collect();
        assert_eq!(with(&depths), UNKNOWN, "samples of 16 bits");
    }
}

#[test]
fn a_header_that_is_none_is_not_judged() {
    for start in [&[0xFF, 0xD8, 0xFF, 0x00][..], &[0xFF, 0xD8, 0xFF, 0xE0, 0, 1], &[0xFF, 0xD8, 0xFF, 0xD9]] {
        assert_eq!(of(&[start, &[0x11; 500]].concat()), UNKNOWN, "{start:?}");
    }
    let filled = [&[0xFF, 0xD8, 0xFF, 0xFF, 0xFF][..], &image(b"", 500)[2..]].concat();
    assert_eq!(of(&filled), WHOLE, "bytes that fill up before a marker");
    let many = segment(0xFE, b"x").repeat(3000);
    assert_eq!(of(&image(&many, 500)), UNKNOWN, "more segments than are looked at");
}

pub(super) fn samples() -> Vec<Vec<u8>> {
    vec![image(b"", 900)]
}
