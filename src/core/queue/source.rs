//! A media source: a directory whose new files are queued without anybody asking.
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::queue::clip_name::NameTemplate;
use rigpost_contract::glob::Glob;
use rigpost_contract::item::BeforePairing;
use rigpost_contract::left_out::is_left_out;

/// One source. What it wants is decided by names alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// For people.
    pub name: String,
    /// Absolute, beneath a media directory. It need not exist all the time: a card comes and goes.
    pub path: PathBuf,
    /// Only files that match one of these; empty: all.
    pub patterns: Vec<Glob>,
    /// Files that match one of these are left out, and directories with everything in them.
    pub exclude: Vec<Glob>,
    /// Everything it finds is of this class; `None`: as each file's name says.
    pub class: Option<String>,
    /// Which camera or recorder behind this rig writes here.
    pub channel: u8,
    /// The model of the camera or recorder, by the provider's id: it is a channel of its own, and its number comes from the
    /// project.
    pub model: Option<String>,
    /// Instead of the class's.
    pub priority: Option<i32>,
    /// What becomes of clips that were made before the pairing.
    pub before_pairing: BeforePairing,
    /// A clip that is visibly cut is sent as it is after so long without a change; `None`: only when a person says so.
    pub incomplete: Option<Duration>,
    /// How often it is walked where others may write unseen; `None`: never for that.
    pub scan: Option<Duration>,
    /// Frames of sequences are not queued.
    pub without_sequences: bool,
    /// What is recorded here is sent meanwhile.
    pub while_recording: bool,
    /// What the cloud shall call what it finds; `None`: as the file is called.
    pub clip_name: Option<NameTemplate>,
}

impl Source {
    /// Whether a file at this path is to be queued.
    pub fn wants(&self, path: &Path) -> bool {
        self.reaches(path) && (self.patterns.is_empty() || self.patterns.iter().any(|p| p.matches(path)))
    }

    /// Whether files may lie at or beneath this path: it is the source's own directory, or lies beneath it and nothing
    /// on the way is left out.
    pub fn reaches(&self, path: &Path) -> bool {
        let inner = path.ancestors().take_while(|step| *step != self.path);
        path.starts_with(&self.path)
            && inner.into_iter().all(|step| {
                !step.file_name().is_some_and(is_left_out) && !self.exclude.iter().any(|p| p.matches(step))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(patterns: &[&str]) -> Vec<Glob> {
        patterns.iter().map(|p| Glob::parse(p).unwrap()).collect()
    }

    #[test]
    fn a_source_wants_what_it_was_told_to() {
        let source = Source {
            path: "/media/card".into(),
            patterns: globs(&["*.mov", "*/audio/*"]),
            exclude: globs(&["*_test.*", "trial*", "*/private/*"]),
            ..Source::default()
        };
        for (path, wanted) in [
            ("/media/card/a.MOV", true),
            ("/media/card/deep/er/a b.mov", true),
            ("/media/card/Audio/t1.wav", true),
            ("/media/card/t1.wav", false),
            ("/media/card/a_test.mov", false),
            ("/media/card/Trial 7/a.mov", false),
            ("/media/card/private/a.mov", false),
            ("/media/card/.a.mov", false),
            ("/media/card/.Trash-1000/files/a.mov", false),
            ("/media/card/a.mov.part", false),
            ("/media/card2/a.mov", false),
            ("/media/a.mov", false),
        ] {
            assert_eq!(source.wants(Path::new(path)), wanted, "{path}");
        }
        assert!(source.reaches(Path::new("/media/card")) && source.reaches(Path::new("/media/card/x")));
        assert!(!source.reaches(Path::new("/media/card/trials")) && !source.reaches(Path::new("/media")));
    }

    #[test]
    fn a_source_beneath_a_hidden_directory_works() {
        let source = Source { path: "/media/.rig/card".into(), ..Source::default() };
        assert!(source.wants(Path::new("/media/.rig/card/a.mov")));
        assert!(!source.wants(Path::new("/media/.rig/card/.b/a.mov")));
    }
}
