use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Frame, MOST_SEQUENCES, Tally, Told};

/// Which of the files are frames of sequences, where there are no others.
fn sequences<'a>(files: &[&'a str]) -> Vec<&'a str> {
    let there: BTreeSet<&Path> = files.iter().map(Path::new).collect();
    let is_of =
        |file: &&&str| Frame::of(Path::new(file)).is_some_and(|f| f.is_of_sequence(|p| there.contains(p)));
    files.iter().filter(is_of).copied().collect()
}

#[test]
fn frames_that_follow_each_other_are_a_sequence() {
    for files in [
        // Beside other files of the take, and of another number of digits at a round number.
        ["/c/A001/A001_C001_000000.dng", "/c/A001/A001_C001_000001.dng", "/c/A001/A001_C001_000002.dng"],
        [
            "/c/x/A001C001_260101_R1AB.0000001.ari",
            "/c/x/A001C001_260101_R1AB.0000002.ari",
            "/c/x/a.0000003.arx",
        ],
        ["/c/x/shot.99.exr", "/c/x/shot.100.exr", "/c/x/shot.101.exr"],
        ["/c/x/scan_0086399.DPX", "/c/x/scan_0086400.DPX", "/c/x/scan_0086402.DPX"],
        ["/c/x/00000.tif", "/c/x/00001.tif", "/c/x/00002.tif"],
        ["/c/x/frame-000001.cdng", "/c/x/frame-000002.cdng", "/c/x/frame-000003.cdng"],
        ["/c/x/00000000.dng", "/c/x/00000001.dng", "/c/x/00000002.dng"],
        [
            "/c/DCIM/100MEDIA/DJI_0001/DJI_0001_000001.DNG",
            "/c/DCIM/100MEDIA/DJI_0001/DJI_0001_000002.DNG",
            "/c/a.mov",
        ],
    ] {
        let found = sequences(&files);
        assert!(found.len() >= 2 && found.starts_with(&files[..2]), "{files:?}: {found:?}");
    }
}

#[test]
fn a_frame_alone_is_one_where_its_folder_is_called_like_it() {
    for file in [
        // Blackmagic, ARRI, Sigma, Atomos, and a folder in another case.
        "/c/A001_08101350_C001/A001_08101350_C001_000000.dng",
        "/c/A001C001_260101_R1AB/A001C001_260101_R1AB.0086400.ari",
        "/c/CINEMA/A001_001_20260101_000001/A001_001_20260101_000001_000007.DNG",
        "/c/SHOGUN_S001_S001_T001/SHOGUN_S001_S001_T001-0000000.dng",
        "/c/M01-1234/m01-1234_0000.dng",
        "/c/shot/shot.1001.exr",
    ] {
        assert_eq!(sequences(&[file]), [file]);
    }
}

#[test]
fn photographs_and_lonely_files_are_no_sequence() {
    for files in [
        // One photograph, and many of them: as cameras and phones call them, where those put them and where people do.
        vec!["/c/DCIM/100LEICA/L1000001.DNG"],
        vec!["/c/DCIM/100LEICA/L1000001.DNG", "/c/DCIM/100LEICA/L1000002.DNG"],
        vec!["/d/Monday/L1000001.DNG", "/d/Monday/L1000002.DNG"],
        vec!["/d/Monday/DSC_0001.DNG", "/d/Monday/DSC_0002.DNG"],
        vec!["/c/DCIM/IMG_00001.DNG", "/c/DCIM/IMG_00002.DNG"],
        vec!["/c/dcim/Camera/IMG_20260101_101010.dng", "/c/dcim/Camera/IMG_20260101_101011.dng"],
        vec!["/c/DCIM/100MEDIA/DJI_0001.DNG", "/c/DCIM/100MEDIA/DJI_0002.DNG"],
        vec![
            "/c/DCIM/DJI_001/DJI_20260101101010_0001_D.DNG",
            "/c/DCIM/DJI_001/DJI_20260101101010_0002_D.DNG",
        ],
        vec!["/d/Wedding/Wedding-001.dng", "/d/Wedding/Wedding-002.dng"],
        vec!["/d/album/scan 0001.tif", "/d/album/scan 0002.tif"],
        // Numbered, and nothing follows: another stem, ending, case, folder or width.
        vec!["/c/x/A01_000001.dng"],
        vec![
            "/c/x/A01_000001.dng",
            "/c/x/B01_000002.dng",
            "/c/x/A01_000002.tif",
            "/c/x/A01_000002.DNG",
            "/c/y/A01_000002.dng",
        ],
        vec!["/c/x/A01_000001.dng", "/c/x/A01_0000002.dng", "/c/x/A01_000003.dng"],
        vec!["/c/x/shot.1001.exr"],
        // Clips and what goes with them are never frames.
        vec!["/c/x/A001_00001.mov", "/c/x/A001_00002.mov"],
        vec!["/c/x/00000.MTS", "/c/x/00001.MTS"],
        vec!["/c/x/A001_000001.wav", "/c/x/A001_000002.wav"],
        vec!["/c/x/IMG_000001.jpg", "/c/x/IMG_000002.jpg"],
        vec!["/c/x/dng", "/c/x/.dng", "/c/x/a.dng", "/c/x/000001", "/c/x/000002"],
        // More digits than any number has that counts frames.
        vec!["/c/x/a_0000000000000000000001.dng", "/c/x/a_0000000000000000000002.dng"],
    ] {
        assert_eq!(sequences(&files), Vec::<&str>::new());
    }
}

#[test]
fn names_may_be_any_bytes() {
    let path = |n: &[u8]| PathBuf::from(OsStr::from_bytes(&[b"/c/\xff/a\xfe_", n, b".dng"].concat()));
    let (one, two) = (path(b"000001"), path(b"000002"));
    let frame = Frame::of(&one).unwrap();
    assert!(frame.is_of_sequence(|other| other == two) && frame.is_photograph());
    assert_eq!(frame.sequence(), path(b"######"));
    assert_eq!(Frame::of(Path::new("/")), None);
}

#[test]
fn two_names_are_looked_up_and_no_more() {
    for (name, neighbours) in
        [("/c/x/a.00000.exr", 1), ("/c/x/a.00001.exr", 2), ("/c/x/a.999999999999.exr", 2)]
    {
        let mut asked = 0;
        let path = PathBuf::from(name);
        let is_there = |other: &Path| {
            assert_ne!(other, path);
            asked += 1;
            false
        };
        assert!(!Frame::of(&path).unwrap().is_of_sequence(is_there));
        assert_eq!(asked, neighbours, "{name}");
    }
}

#[test]
fn what_was_left_out_is_told_once() {
    let mut tally = Tally::default();
    let mut walk = |takes: &[(&str, u64)]| {
        for (take, frames) in takes {
            (0..*frames).for_each(|_| tally.count(PathBuf::from(take)));
        }
        tally.tell()
    };
    let told = |frames, sequences| Some(Told { frames, sequences });
    assert_eq!(walk(&[]), None);
    assert_eq!(walk(&[("a", 3), ("b", 2)]), told(5, 2));
    assert_eq!(walk(&[("a", 3), ("b", 2)]), None, "the same card again");
    assert_eq!(walk(&[("a", 1)]), None, "a part of it");
    assert_eq!(walk(&[("a", 3), ("b", 4)]), told(7, 2), "one has grown");
    assert_eq!(walk(&[("a", 3), ("c", 1)]), told(4, 2), "one is new");
}

#[test]
fn counting_is_bounded() {
    let mut tally = Tally::default();
    let many = MOST_SEQUENCES as u64 * 2;
    for _ in 0..2 {
        (0..many).for_each(|n| tally.count(n.to_string().into()));
        let told = tally.tell();
        assert!(tally.told.len() <= MOST_SEQUENCES + 1 && tally.frames.is_empty());
        let all = Told { frames: many, sequences: MOST_SEQUENCES as u64 + 1 };
        assert!(told.is_none_or(|told| told == all), "{told:?}");
    }
}
