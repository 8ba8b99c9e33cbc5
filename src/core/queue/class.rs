//! Which class a file falls in, and with it how soon it is sent: a proxy before its original.
//!
//! # Decisions
//! - By name only. Opening a file to look at its kind would cost a card's slowest operation for each of a million files.
//! - What is built in is told by its ending, which is compared as such: a hundred patterns for every file would be the
//!   most expensive thing in a walk.
//! - A frame of a sequence is an original, though one alone were a still: a thousand frames would go before every take.
use std::path::Path;

use rigpost_contract::glob::Glob;

/// A class of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// For people, and for sources that put everything they find in one class.
    pub name: String,
    /// Larger goes first.
    pub priority: i32,
    /// Files that match any of these are of this class.
    pub patterns: Vec<Glob>,
    /// And files that end so, in lower case and without the dot.
    endings: &'static [&'static str],
}

/// A class as somebody configured it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfiguredClass {
    /// That of a class that is built in changes that one.
    pub name: String,
    /// `None`: as built in, else 0.
    pub priority: Option<i32>,
    /// Looked at before everything that is built in.
    pub patterns: Vec<Glob>,
}

const STILLS: &str = "stills";
const ORIGINALS: &str = "originals";

/// Name, priority, patterns, endings: in the order in which they are tried.
type BuiltIn = (&'static str, i32, &'static [&'static str], &'static [&'static str]);

const BUILT_IN: &[BuiltIn] = &[
    (
        "proxy",
        300,
        &[
            // Canon's Cinema EOS, ARRI, and what people make themselves.
            "*_proxy.*",
            "*-proxy.*",
            // Blackmagic; P2 keeps them in CONTENTS/PROXY.
            "*/proxy/*",
            "*/proxies/*",
            // Sony: M4ROOT/SUB and XDROOT/Sub, C0001S03.MP4 beside C0001.MXF; chunks while it still records.
            "*/sub/*s0[1-9].mp4",
            "*/sub/*s0[1-9].mxf",
            "*/pxtmp/*.mp4",
            // RED: the ProRes or DNx file in the folder of the R3D.
            "*.rdc/*.mov",
            "*.rdc/*.mp4",
            "*.rdc/*.mxf",
            // Insta360: LRV_20220110_121609_11_657.insv
            "lrv_*",
        ],
        // GoPro and Insta360, DJI.
        &["lrv", "lrf"],
    ),
    (
        // Small, and of use only when it is there with the clip.
        "metadata",
        250,
        &[],
        &[
            "xml", "ale", "edl", "aaf", "otio", "fcpxml", "csv", "json", "mhl", "ascmhl", "srt", "xmp",
            "cube", "3dl", "lut", "cdl", "cc", "ccc", "look", "aml", "amf", "rmd", "rtn", "bim", "smi",
            "cpi", "mpl", "thm", "sidecar", "gyroflow", "gcsv", "ppn", "sif", "bdm", "moi", "aae", "pdf",
            "txt",
        ],
    ),
    (
        // Sound recorders write WAV or RF64, and MP3 or AAC for the script.
        "audio",
        200,
        &[],
        &["wav", "bwf", "rf64", "w64", "aif", "aiff", "caf", "flac", "mp3", "aac", "m4a", "ogg", "opus"],
    ),
    (
        STILLS,
        100,
        &[],
        &[
            "jpg", "jpeg", "heif", "heic", "hif", "avif", "jxl", "png", "webp", "tif", "tiff", "dng", "cr2",
            "cr3", "crw", "nef", "nrw", "arw", "sr2", "srf", "raf", "rw2", "rwl", "orf", "pef", "srw", "3fr",
            "fff", "iiq", "x3f", "gpr", "insp",
        ],
    ),
    (
        ORIGINALS,
        0,
        &[],
        &[
            "mov", "mp4", "m4v", "mxf", "mts", "m2ts", "m2t", "avi", "mkv", "webm", "mpg", "mpeg", "r3d",
            "braw", "ari", "arx", "crm", "rmf", "nev", "cine", "mlv", "cdng", "dpx", "cin", "exr", "j2c",
            "insv", "360", "dv", "3gp", "ts", "mod", "tod",
        ],
    ),
];

/// Every class there is, in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes(Vec<Class>);

impl Default for Classes {
    fn default() -> Classes {
        Classes::new(Vec::new())
    }
}

impl Classes {
    /// What somebody configured, in that order, and then what is built in.
    pub fn new(configured: Vec<ConfiguredClass>) -> Classes {
        let own = |name: &str| configured.iter().find(|entry| entry.name == name);
        let built_in: Vec<Class> = BUILT_IN
            .iter()
            .map(|(name, priority, patterns, endings)| Class {
                name: (*name).to_owned(),
                priority: own(name).and_then(|entry| entry.priority).unwrap_or(*priority),
                patterns: patterns.iter().filter_map(|p| Glob::parse(p).ok()).collect(),
                endings,
            })
            .collect();
        let priority_of = |entry: &ConfiguredClass| {
            let like = built_in.iter().find(|class| class.name == entry.name);
            entry.priority.or(like.map(|class| class.priority)).unwrap_or_default()
        };
        let configured: Vec<Class> = configured
            .iter()
            .map(|entry| Class {
                name: entry.name.clone(),
                priority: priority_of(entry),
                patterns: entry.patterns.clone(),
                endings: &[],
            })
            .collect();
        Classes(configured.into_iter().chain(built_in).collect())
    }

    /// The first class that this file falls in. `path` is absolute.
    pub fn of(&self, path: &Path) -> Option<&Class> {
        let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        self.0.iter().find(|class| {
            class.endings.contains(&ending.as_str()) || class.patterns.iter().any(|p| p.matches(path))
        })
    }

    /// The class of a frame of a sequence, where its name alone would make it a still: that of the originals. What
    /// somebody configured stays.
    pub fn of_frame(&self, path: &Path) -> Option<&Class> {
        let found = self.of(path)?;
        let is_still = found.name == STILLS && !found.endings.is_empty();
        if is_still { self.named(ORIGINALS) } else { Some(found) }
    }

    /// The class of that name.
    pub fn named(&self, name: &str) -> Option<&Class> {
        self.0.iter().find(|class| class.name == name)
    }

    /// Every name once, in the order in which they are tried.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for class in &self.0 {
            if !names.contains(&class.name.as_str()) {
                names.push(&class.name);
            }
        }
        names
    }
}

/// Whether a class of this name is built in.
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|(built_in, ..)| *built_in == name)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn what_cameras_and_recorders_write_falls_in_the_right_class() {
        let classes = Classes::default();
        for (path, class) in [
            ("/media/c/CONTENTS/CLIPS001/A_0001C001X260101_101010XX_CANON_001_Proxy.MP4", "proxy"),
            ("/media/c/CONTENTS/CLIPS001/A_0001C001X260101_101010XX_CANON_001.CRM", "originals"),
            ("/media/c/PRIVATE/M4ROOT/SUB/C0001S03.MP4", "proxy"),
            ("/media/c/PRIVATE/M4ROOT/CLIP/C0001.MP4", "originals"),
            ("/media/c/PRIVATE/M4ROOT/CLIP/C0001M01.XML", "metadata"),
            ("/media/c/XDROOT/Sub/C0001S01.MXF", "proxy"),
            ("/media/c/XDROOT/Clip/C0001.MXF", "originals"),
            ("/media/c/M4ROOT/GENERAL/SONY/PXTMP/C0001_001S03.MP4", "proxy"),
            ("/media/c/A001_0101AB.RDM/A001_C001_0101AB.RDC/A001_C001_0101AB_001.R3D", "originals"),
            ("/media/c/A001_0101AB.RDM/A001_C001_0101AB.RDC/A001_C001_0101AB.mov", "proxy"),
            ("/media/c/A001_0101AB.RDM/A001_C001_0101AB.RDC/A001_C001_0101AB.RMD", "metadata"),
            ("/media/c/A001C001_260101_R1AB.mxf", "originals"),
            ("/media/c/A001C001_260101_R1AB.ari", "originals"),
            ("/media/c/A001R1AB/A001.ale", "metadata"),
            ("/media/c/look.aml", "metadata"),
            ("/media/c/A001_01011010_C001.braw", "originals"),
            ("/media/c/Proxy/A001_01011010_C001.mp4", "proxy"),
            ("/media/c/CONTENTS/PROXY/0001AB.MP4", "proxy"),
            ("/media/c/DCIM/100GOPRO/GL010001.LRV", "proxy"),
            ("/media/c/DCIM/100GOPRO/GX010001.MP4", "originals"),
            ("/media/c/DCIM/100GOPRO/GX010001.THM", "metadata"),
            ("/media/c/DCIM/100MEDIA/DJI_20260101101010_0001_D.LRF", "proxy"),
            ("/media/c/DCIM/100MEDIA/DJI_20260101101010_0001_D.SRT", "metadata"),
            ("/media/c/DCIM/Camera01/LRV_20260110_121609_11_657.insv", "proxy"),
            ("/media/c/DCIM/Camera01/VID_20260110_121609_00_657.insv", "originals"),
            ("/media/sd/26Y01M01/26Y01M01-T001.WAV", "audio"),
            ("/media/sd/FALSETAKES/T002.wav", "audio"),
            ("/media/c/DCIM/100EOSR5/IMG_0001.CR3", "stills"),
            ("/media/c/DCIM/100EOSR5/IMG_0001.HIF", "stills"),
            ("/media/c/DCIM/101_FUJI/DSCF0001.JPG", "stills"),
            ("/media/c/show.cube", "metadata"),
            ("/media/c/plate.TIFF", "stills"),
            ("/media/c/still.dng", "stills"),
            ("/media/c/DCIM/100GOPRO/GS010001.360", "originals"),
            ("/media/c/XDROOT/Clip/C0001.PPN", "metadata"),
            ("/media/c/XDROOT/Clip/C0001R01.BIM", "metadata"),
            ("/media/c/PRIVATE/AVCHD/BDMV/INDEX.BDM", "metadata"),
            ("/media/c/PRIVATE/AVCHD/BDMV/STREAM/00000.MTS", "originals"),
            ("/media/c/SD_VIDEO/PRG001/MOV001.MOD", "originals"),
            ("/media/c/SD_VIDEO/PRG001/MOV001.MOI", "metadata"),
            ("/media/c/IMG_0001.AAE", "metadata"),
            ("/media/c/A001C001/A001C001.0086400.arx", "originals"),
            ("/media/c/scan/scan_00001.cin", "originals"),
        ] {
            assert_eq!(classes.of(Path::new(path)).map(|c| c.name.as_str()), Some(class), "{path}");
        }
        for unknown in ["/media/c/README", "/media/c/a.xyz", "/media/c/.mov", "/media/c/mov"] {
            assert_eq!(classes.of(Path::new(unknown)), None, "{unknown}");
        }
        assert_eq!(classes.of(Path::new(OsStr::from_bytes(b"/media/\xff/\xfe.MOV"))).unwrap().priority, 0);
        let first = classes.names();
        assert_eq!(first, ["proxy", "metadata", "audio", "stills", "originals"]);
        let priorities: Vec<i32> = first.iter().map(|n| classes.named(n).unwrap().priority).collect();
        assert!(priorities.is_sorted_by(|a, b| a > b), "{priorities:?}");
    }

    #[test]
    fn frames_go_with_the_originals_unless_somebody_said_otherwise() {
        let wish = |name: &str, pattern| ConfiguredClass {
            name: name.to_owned(),
            priority: Some(7),
            patterns: vec![Glob::parse(pattern).unwrap()],
        };
        let (frame, proxy) = (Path::new("/c/A001/A001_000001.dng"), Path::new("/c/Proxy/A001_000001.dng"));
        let class = |classes: &Classes, path| classes.of_frame(path).map(|c| (c.name.clone(), c.priority));
        let is = |name: &str, priority| Some((name.to_owned(), priority));
        let plain = Classes::default();
        assert_eq!(class(&plain, frame), is("originals", 0));
        assert_eq!(class(&plain, proxy), is("proxy", 300));
        assert_eq!(class(&plain, Path::new("/c/A001.0001.ari")), is("originals", 0));
        assert_eq!(class(&plain, Path::new("/c/A001")), None);
        assert_eq!(class(&Classes::new(vec![wish("stills", "*.dng")]), frame), is("stills", 7));
        assert_eq!(class(&Classes::new(vec![wish("rushes", "*.dng")]), frame), is("rushes", 7));
        assert_eq!(class(&Classes::new(vec![wish("originals", "*.xyz")]), frame), is("originals", 7));
    }

    #[test]
    fn what_is_built_in_is_sound() {
        for (name, _, patterns, endings) in BUILT_IN {
            assert!(is_built_in(name));
            for pattern in *patterns {
                assert!(Glob::parse(pattern).is_ok(), "{pattern}");
            }
            for ending in *endings {
                assert_eq!(*ending, ending.to_ascii_lowercase());
                let others = BUILT_IN.iter().filter(|(_, _, _, all)| all.contains(ending)).count();
                assert_eq!(others, 1, "{ending} is of one class");
            }
        }
        assert!(!is_built_in("video"));
    }

    #[test]
    fn what_is_configured_comes_first_and_the_first_of_it_wins() {
        let entry = |name: &str, priority, patterns: &[&str]| ConfiguredClass {
            name: name.to_owned(),
            priority,
            patterns: patterns.iter().map(|p| Glob::parse(p).unwrap()).collect(),
        };
        let classes = Classes::new(vec![
            entry("rushes", Some(-5), &["*/Dailies/*.mov"]),
            entry("vfx", None, &["*.exr", "*.mov"]),
            entry("proxy", None, &["*_P.MP4"]),
            entry("stills", Some(900), &[]),
        ]);
        for (path, class, priority) in [
            ("/media/dailies/day 1/a.MOV", "rushes", -5),
            ("/media/x/a.mov", "vfx", 0),
            ("/media/x/a.EXR", "vfx", 0),
            ("/media/x/a_p.mp4", "proxy", 300),
            ("/media/x/a_proxy.mp4", "proxy", 300),
            ("/media/x/a.jpg", "stills", 900),
            ("/media/x/a.wav", "audio", 200),
        ] {
            let found = classes.of(Path::new(path)).map(|c| (c.name.as_str(), c.priority));
            assert_eq!(found, Some((class, priority)), "{path}");
        }
        let names = classes.names();
        assert_eq!(names, ["rushes", "vfx", "proxy", "stills", "metadata", "audio", "originals"]);
    }
}
