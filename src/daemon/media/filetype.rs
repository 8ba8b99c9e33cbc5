//! What a file is said to be, by the end of its name.
//!
//! # Decisions
//! - The table is that of `mime_guess`, and over it what cameras make, each with where its type comes from
//!   (`filetypes`). The storage takes a part only with the type that the asset was made with, so it is looked up once, and
//!   kept with the clip.
//! - It is text that the build script writes: text stays in the file and is shared. As
//!   the crate brings it, it is 1400 slices of slices, and the loader writes their addresses into 65 kB of each process.
use std::path::Path;

/// A line for each extension, in the order of their bytes: `mov video/quicktime`.
const TABLE: &str = include_str!(concat!(env!("OUT_DIR"), "/filetypes"));

/// The media type of a file with this name, whatever the case of its letters; that of mere bytes where nobody knows.
pub fn filetype(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.and_then(|extension| find(TABLE, &extension)).unwrap_or("application/octet-stream")
}

/// Halves the lines until one is left.
fn find<'t>(mut lines: &'t str, extension: &str) -> Option<&'t str> {
    while !lines.is_empty() {
        let start = lines[..lines.len() / 2].rfind('\n').map_or(0, |end| end + 1);
        let (before, rest) = lines.split_at(start);
        let (line, after) = rest.split_once('\n')?;
        let (name, filetype) = line.split_once(' ')?;
        lines = match extension.cmp(name) {
            std::cmp::Ordering::Less => before,
            std::cmp::Ordering::Equal => return Some(filetype),
            std::cmp::Ordering::Greater => after,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{TABLE, filetype};

    /// Ours, over those of the crate.
    fn own() -> impl Iterator<Item = (&'static str, &'static str)> {
        let lines = include_str!("filetypes").lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once(' '))
    }

    #[test]
    fn files_are_named_as_the_crate_names_them_and_what_cameras_make_as_we_do() {
        assert!(TABLE.lines().count() > 1000 && own().count() > 40);
        let known = TABLE.lines().filter_map(|line| line.split(' ').next());
        for extension in known.chain(["MOV", "Mp4", "none", "a b", "", "mov\n", "é", "zzzzzz", "0"]) {
            let path = Path::new("/media/A001_C001").with_extension(extension);
            let theirs = mime_guess::from_path(&path).first_raw().unwrap_or("application/octet-stream");
            let ours = own().find_map(|(ours, filetype)| (ours == extension).then_some(filetype));
            assert_eq!(filetype(&path), ours.unwrap_or(theirs), "{path:?}");
        }
        assert_eq!(filetype(Path::new("/media/clip.mov")), "video/quicktime");
        assert_eq!(filetype(Path::new("/media/mov")), "application/octet-stream");
    }

    #[test]
    fn what_is_ours_is_needed_and_each_type_is_one_that_can_be_signed() {
        let theirs = |ending: &str| mime_guess::from_ext(ending).first_raw();
        for (ending, filetype) in own() {
            assert_eq!(ending, ending.to_ascii_lowercase());
            assert_eq!(own().filter(|(other, _)| *other == ending).count(), 1, "{ending} is there once");
            assert_ne!(theirs(ending), Some(filetype), "the crate has {ending}");
        }
        // RFC 6838 section 4.2: what goes into a header as it is.
        let named = |word: &str| {
            let first = word.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
            first
                && word.len() <= 127
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
        };
        for (extension, filetype) in TABLE.lines().filter_map(|line| line.split_once(' ')) {
            let (kind, subtype) = filetype.split_once('/').unwrap();
            assert!(named(kind) && named(subtype), "{extension}: {filetype}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn what_cameras_and_recorders_write_is_what_it_is() {
        for (name, is) in [
            // Action cameras, drones and spheres.
            ("GL010001.LRV", "video/mp4"), ("GX010001.THM", "image/jpeg"), ("GS010001.360", "video/mp4"),
            ("DJI_0001.LRF", "video/mp4"), ("VID_20260110_00_657.insv", "video/mp4"), ("IMG_0001.insp", "image/jpeg"),
            ("GOPR0001.GPR", "image/x-gopro-gpr"), ("DJI_0001.SRT", "application/x-subrip"),
            // Cinema cameras.
            ("A001_C001.braw", "video/x-blackmagic-raw"), ("A001_C001_001.R3D", "video/x-red-r3d"),
            ("A001C001.0000001.ari", "image/x-arriraw"), ("A001C001.0000001.arx", "image/x-arriraw"),
            ("A_0001C001.CRM", "video/x-canon-crm"), ("A001.RMF", "video/x-canon-rmf"), ("C001.NEV", "video/x-nikon-nev"),
            ("shot.cine", "video/x-phantom-cine"), ("M01-1234.MLV", "video/x-magic-lantern-mlv"),
            ("C0001.MXF", "application/mxf"), ("C0001.MP4", "video/mp4"), ("A001.mov", "video/quicktime"),
            ("00000.MTS", "video/vnd.dlna.mpeg-tts"), ("00000.m2ts", "video/vnd.dlna.mpeg-tts"), ("tape.m2t", "video/mp2t"),
            ("MOV001.TOD", "video/mp2t"), ("MOV001.MOD", "video/mpeg"),
            // Frames.
            ("A001_000001.dng", "image/x-adobe-dng"), ("A001_000001.cdng", "image/x-adobe-dng"),
            ("shot.1001.exr", "image/x-exr"), ("scan_0086400.dpx", "image/dpx"), ("scan.0001.cin", "image/x-cineon"),
            ("plate.0001.TIF", "image/tiff"),
            // Stills.
            ("IMG_0001.CR3", "image/x-canon-cr3"), ("IMG_0001.HIF", "image/heif"), ("IMG_0001.HEIC", "image/heic"),
            ("DSC_0001.NEF", "image/x-nikon-nef"), ("DSC00001.ARW", "image/x-sony-arw"), ("DSCF0001.RAF", "image/x-fuji-raf"),
            ("DSC00001.SRF", "image/x-sony-srf"), ("B0001.3FR", "image/x-hasselblad-3fr"), ("CF0001.IIQ", "image/x-raw"),
            // Sound, and what goes with clips.
            ("T001.WAV", "audio/wav"), ("T001.BWF", "audio/wav"), ("T001.rf64", "audio/wav"),
            ("C0001M01.XML", "text/xml"), ("A001.ale", "text/plain"), ("A001.mhl", "application/xml"),
            ("look.cube", "text/plain"), ("A001.xmp", "application/rdf+xml"), ("C0001.SMI", "application/smil+xml"),
            ("INDEX.BDM", "application/octet-stream"), ("C0001.BIM", "application/octet-stream"),
        ] {
            assert_eq!(filetype(Path::new(name)), is, "{name}");
        }
    }
}
