use super::*;

pub(super) fn of(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(8 + body.len() as u32).to_be_bytes(), &kind[..], body].concat()
}

/// With a size of 64 bits.
fn large(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&1u32.to_be_bytes(), &kind[..], &(16 + body.len() as u64).to_be_bytes(), body].concat()
}

pub(super) fn file_type(brand: &[u8; 4]) -> Vec<u8> {
    of(b"ftyp", &[&brand[..], b"\0\0\x02\0", brand, b"iso2"].concat())
}

pub(super) fn movie() -> Vec<u8> {
    of(b"moov", &[of(b"mvhd", &[1; 100]), of(b"trak", &media(300))].concat())
}

fn fragmented_movie() -> Vec<u8> {
    of(b"moov", &[of(b"mvhd", &[1; 100]), of(b"mvex", &of(b"trex", &[0; 24]))].concat())
}

fn fragment(length: usize) -> Vec<u8> {
    let header = of(b"mfhd", &[0, 0, 0, 0, 0, 0, 0, 1]);
    [of(b"moof", &[header, of(b"traf", &[3; 60])].concat()), of(b"mdat", &media(length))].concat()
}

/// The index of fragments, with its length at its end.
fn fragment_index() -> Vec<u8> {
    let table = of(b"tfra", &[1; 40]);
    let length = (8 + table.len() + 16) as u32;
    of(b"mfra", &[table, of(b"mfro", &[&[0; 4][..], &length.to_be_bytes()].concat())].concat())
}

fn insta360(length: usize) -> Vec<u8> {
    let all = (length + 40) as u32;
    let end = [&all.to_le_bytes()[..], &3u32.to_le_bytes(), b"8db42d694ccc418790edff439fe026bf"].concat();
    [vec![0xEE; length], end].concat()
}

/// Judges a file, and the same cut at each of its bytes: never whole, and always cut from `told` on.
fn cut_everywhere(file: &[u8], told: usize) {
    for length in 1..file.len() {
        let verdict = super::of(&file[..length]);
        assert_ne!(verdict, WHOLE, "at {length} of {}", file.len());
        assert!(
            length < told || matches!(verdict, Wholeness::Cut(_)),
            "at {length} of {}: {verdict:?}",
            file.len()
        );
    }
}

#[test]
fn a_movie_with_its_index_at_its_end_is_whole_and_without_it_cut() {
    for start in [
        file_type(b"isom"),
        [file_type(b"qt  "), of(b"wide", b"")].concat(),
        of(b"wide", b""),
        of(b"skip", &[0; 9]),
    ] {
        for media_box in [of(b"mdat", &media(3000)), large(b"mdat", &media(3000))] {
            let file = [start.clone(), media_box, movie()].concat();
            assert_eq!(super::of(&file), WHOLE);
            cut_everywhere(&file, start.len().max(8));
        }
    }
}

#[test]
fn a_movie_may_begin_with_its_media_or_a_preview() {
    let preview = [of(b"pnot", &[0; 12]), of(b"PICT", &media(50))].concat();
    for start in
        [of(b"mdat", &media(500)), [preview, of(b"mdat", &media(500))].concat(), large(b"mdat", &media(500))]
    {
        assert_eq!(super::of(&[start.clone(), movie()].concat()), WHOLE);
        assert_eq!(super::of(&start), NO_INDEX);
    }
}

#[test]
fn a_movie_with_its_index_first_is_whole_when_its_media_is_all_there() {
    let start = [file_type(b"isom"), movie(), of(b"free", &[0; 60])].concat();
    let file = [start.clone(), of(b"mdat", &media(3000))].concat();
    assert_eq!(super::of(&file), WHOLE);
    cut_everywhere(&file, file.len() - 2992);
    assert_eq!(super::of(&file[..file.len() - 1]), SHORT);
    assert_eq!(super::of(&start), UNKNOWN, "as a movie does that refers to other files");
}

#[test]
fn sizes_beyond_four_gigabytes_are_counted() {
    let start = [file_type(b"qt  "), of(b"wide", b"")].concat();
    let (at, length) = (start.len() as u64, 6 << 30);
    let media_box = [&1u32.to_be_bytes()[..], b"mdat", &u64::to_be_bytes(16 + length)].concat();
    let index = at + 16 + length;
    let end = index + movie().len() as u64;
    let parts = [(0, start), (at, media_box), (index, movie())];
    assert_eq!(sparse(end, &parts), WHOLE);
    assert_eq!(sparse(end - 1, &parts), NO_INDEX);
    assert_eq!(sparse(5 << 30, &parts), NO_INDEX);
}

#[test]
fn media_of_no_size_needs_an_index_before_it() {
    let open = |size: &[u8]| [size, b"mdat", &media(500)].concat();
    for size in [[0, 0, 0, 0], [0, 0, 0, 7]] {
        assert_eq!(super::of(&[file_type(b"isom"), open(&size)].concat()), NO_INDEX);
        assert_eq!(super::of(&[file_type(b"isom"), movie(), open(&size)].concat()), UNKNOWN);
    }
    // A recorder that is not done: 64 bits that are not filled in yet, and what Android writes until then.
    let unset = [&[0, 0, 0, 1][..], b"mdat", &[0; 8], &media(500)].concat();
    for start in [unset, open(b"????")] {
        assert_eq!(super::of(&[file_type(b"isom"), start].concat()), NO_INDEX);
    }
    let last =
        [file_type(b"isom"), of(b"mdat", &media(90)), [&[0; 4][..], b"moov", &media(90)].concat()].concat();
    assert_eq!(super::of(&last), UNKNOWN, "an index that goes on to the end");
}

#[test]
fn what_makers_put_behind_the_last_box_does_not_make_a_file_cut() {
    let movies = [
        [file_type(b"avc1"), of(b"mdat", &media(3000)), movie()].concat(),
        [file_type(b"avc1"), movie(), of(b"mdat", &media(3000))].concat(),
        [file_type(b"avc1"), fragmented_movie(), fragment(3000), fragment_index()].concat(),
    ];
    for movie in movies {
        let with = |rest: &[u8]| super::of(&[&movie, rest].concat());
        for zeros in [1, 3, 7, 8, 9, 511, 100_000] {
            assert_eq!(with(&vec![0; zeros]), WHOLE, "{zeros} zeros");
        }
        assert_eq!(with(&insta360(5000)), WHOLE);
        assert_eq!(with(&of(b"uuid", &[9; 900])), WHOLE);
        assert_eq!(with(&of(b"free", &[0; 9000])), WHOLE);
        assert_eq!(with(&of(b"frea", &[9; 900])), WHOLE, "a box of one maker");
        for rest in [
            &[9; 3][..],
            &[9; 900],
            b"\0\0\x09\x09sefdSEFH",
            &[&[0; 20][..], b"SEFT"].concat(),
            b"\0\0\0\x00abcd",
        ] {
            assert_eq!(with(rest), UNKNOWN, "{rest:?}");
        }
        let cut = insta360(5000);
        assert_eq!(with(&cut[..cut.len() - 1]), UNKNOWN, "a trailer that is cut");
        assert_eq!(with(&cut[1..]), UNKNOWN, "and one that is not all there");
        assert_eq!(with(&of(b"free", &[0; 9000])[..5000]), UNKNOWN, "room is no media");
        assert_eq!(with(&of(b"uuid", &[9; 900])[..500]), SHORT);
        assert_eq!(with(&of(b"mdat", &media(900))[..500]), SHORT);
    }
}

#[test]
fn bytes_that_are_no_box_before_an_index_leave_none() {
    let start = [file_type(b"isom"), of(b"mdat", &media(500))].concat();
    for rest in [vec![0; 5], vec![0; 5000], media(5000), of(b"abcd", &media(50))[..30].to_vec()] {
        assert_eq!(super::of(&[start.clone(), rest].concat()), NO_INDEX);
    }
    // Room that was taken for the copy of a movie with its index first.
    assert_eq!(super::of(&[file_type(b"isom"), movie(), vec![0; 5000]].concat()), UNKNOWN);
    let media_box = [&of(b"mdat", &media(50_000))[..20_000], &[0; 30_008]].concat();
    assert_eq!(super::of(&[file_type(b"isom"), movie(), media_box].concat()), UNKNOWN);
}

#[test]
fn fragments_are_whole_with_their_index_and_cut_within_one() {
    let start = [file_type(b"iso5"), fragmented_movie()].concat();
    let file = [start.clone(), fragment(700), fragment(600)].concat();
    let indexed = [file.clone(), fragment_index()].concat();
    assert_eq!(super::of(&indexed), WHOLE);
    assert_eq!(super::of(&file), UNKNOWN, "the index may be left out");
    cut_everywhere(&indexed, indexed.len());
    for cut in [1, 300, 599, 607, 700, 900, 1000] {
        let verdict = super::of(&file[..file.len() - cut]);
        assert_eq!(verdict, if cut == 700 { UNKNOWN } else { SHORT }, "{cut} bytes less");
    }
    // The first samples lie in the movie itself.
    assert_eq!(super::of(&[start.clone(), of(b"mdat", &media(300))].concat()), UNKNOWN);
    assert_eq!(super::of(&start), UNKNOWN);
}

#[test]
fn the_last_of_too_many_fragments_is_found_from_the_end() {
    let mut file = [file_type(b"iso5"), fragmented_movie()].concat();
    for _ in 0..200 {
        file.extend(fragment(20_000));
    }
    let whole = [file.clone(), fragment_index()].concat();
    assert_eq!(super::of(&whole), WHOLE);
    assert_eq!(super::of(&file), UNKNOWN);
    for cut in [1, 9_000, 19_999, 20_003, 20_020, 45_000] {
        assert_eq!(super::of(&file[..file.len() - cut]), SHORT, "{cut} bytes less");
    }
    let far = [&file[..], &fragment(400_000)[..350_000]].concat();
    assert_eq!(super::of(&far), UNKNOWN, "beyond what is read");
}

#[test]
fn a_segment_of_a_stream_has_its_index_elsewhere() {
    for start in [of(b"styp", b"msdh\0\0\0\0msdh"), of(b"sidx", &[1; 30]), vec![]] {
        let file = [start, fragment(500)].concat();
        assert_eq!(super::of(&file), UNKNOWN);
        assert_eq!(super::of(&file[..file.len() - 1]), SHORT);
    }
}

#[test]
fn a_picture_has_its_index_in_meta() {
    let start = [file_type(b"heic"), of(b"meta", &[1; 300])].concat();
    let file = [start.clone(), of(b"mdat", &media(3000))].concat();
    assert_eq!(super::of(&file), WHOLE);
    assert_eq!(super::of(&file[..file.len() - 1]), SHORT);
    assert_eq!(super::of(&file[..200]), NO_INDEX);
    assert_eq!(super::of(&start), UNKNOWN);
    let compatible = of(b"ftyp", b"abcd\0\0\0\0abcdmif1");
    assert_eq!(super::of(&[compatible, of(b"meta", &[1; 9]), of(b"mdat", &media(30))].concat()), WHOLE);
    let sequence = [file_type(b"msf1"), of(b"meta", &[1; 300]), of(b"mdat", &media(3000))].concat();
    assert_eq!(super::of(&sequence), UNKNOWN, "its movie may be missing, or it is a single one");
    assert_eq!(super::of(&[sequence, movie()].concat()), WHOLE);
    let version = of(b"ftyp", b"isommif1isom");
    assert_eq!(
        super::of(&[version, of(b"meta", &[1; 9]), of(b"mdat", &media(30))].concat()),
        NO_INDEX,
        "a version is no brand"
    );
    let raw = [file_type(b"crx "), movie(), of(b"uuid", &[1; 90]), large(b"mdat", &media(3000))].concat();
    assert_eq!(super::of(&raw), WHOLE);
    assert_eq!(super::of(&raw[..raw.len() - 1]), SHORT);
}

pub(super) fn samples() -> Vec<Vec<u8>> {
    let start = file_type(b"isom");
    vec![
        [start.clone(), of(b"mdat", &media(500)), movie()].concat(),
        [start.clone(), movie(), large(b"mdat", &media(500))].concat(),
        [start, fragmented_movie(), fragment(200), fragment(90), fragment_index()].concat(),
        [file_type(b"heic"), of(b"meta", &[1; 60]), of(b"mdat", &media(300))].concat(),
    ]
}
