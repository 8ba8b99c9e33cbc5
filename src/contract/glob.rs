//! Patterns for names and paths, the same in the configuration and on the command line.
//!
//! # Decisions
//! - Case never matters: cameras write `.MOV`, people write `.mov`. `glob` folds ASCII; the rest is folded here, on both
//!   sides.
//! - A pattern with a `/` is held against the whole path, and its `*` stands for `/` too; one without is held against the
//!   file's name.
//! - A byte that is not UTF-8 is one character, as a person sees it.
use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

use glob::{MatchOptions, Pattern};

use crate::left_out::is_hidden;

const FOLDED: MatchOptions = MatchOptions {
    case_sensitive: false,
    require_literal_separator: false,
    require_literal_leading_dot: false,
};
const AS_A_SHELL: MatchOptions =
    MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..FOLDED };

/// A pattern with `*`, `?`, `[abc]`, `[!abc]` and, in place of directories, `**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Pattern);

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// One sentence for the person who wrote it, without a full stop.
    pub fn parse(text: &str) -> Result<Glob, String> {
        if text.is_empty() {
            return Err("an empty pattern matches nothing".to_owned());
        }
        Pattern::new(&folded(text)).map(Glob).map_err(|e| format!("{text:?} is no pattern: {}", e.msg))
    }

    /// Whether this file or directory is meant. `path` is absolute.
    pub fn matches(&self, path: &Path) -> bool {
        let text = if self.0.as_str().contains('/') { Some(path.as_os_str()) } else { path.file_name() };
        text.is_some_and(|text| self.holds(text, FOLDED))
    }

    /// Whether a shell would put this name of a file in the place of the pattern: a hidden one only where the pattern says
    /// the dot.
    pub fn expands_to(&self, name: &OsStr) -> bool {
        // To `glob`, the star of `*.mov` may stand for nothing before a dot.
        let says_dot = self.0.as_str().starts_with('.');
        (says_dot || !is_hidden(name)) && self.holds(name, AS_A_SHELL)
    }

    fn holds(&self, text: &OsStr, options: MatchOptions) -> bool {
        let text = text.to_string_lossy();
        let text = if text.is_ascii() { text } else { Cow::Owned(folded(&text)) };
        self.0.matches_with(&text, options)
    }
}

/// Letter by letter: the language's own rule would look at a letter's neighbours, and a pattern has other ones.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// True for a text that a shell would take for a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    use super::{Glob, is_pattern};

    #[test]
    fn case_never_matters() {
        for (pattern, path) in [
            ("*.mov", "/media/card/A001.MOV"),
            ("*.MOV", "/media/card/a001.mov"),
            ("a00[1-3]_*.r3d", "/media/card/A002_C001.R3D"),
            ("[A-C]*.Mxf", "/media/card/b.mXF"),
            ("*/dcim/*", "/MEDIA/Card/DCIM/a.mov"),
            ("*/DCIM/*", "/media/card/dcim/a.mov"),
            ("é*.mov", "/media/card/ÉTÉ.MOV"),
            ("ÄRGER.*", "/media/card/ärger.wav"),
            ("ΟΔΟΣ*", "/media/card/οδοσ.mov"),
            ("съёмка*", "/media/card/СЪЁМКА 1.mov"),
        ] {
            assert!(Glob::parse(pattern).unwrap().matches(Path::new(path)), "{pattern} on {path}");
            let name = Path::new(path).file_name().unwrap();
            let of_a_name = !pattern.contains('/');
            assert_eq!(Glob::parse(pattern).unwrap().expands_to(name), of_a_name, "{pattern} on {name:?}");
        }
    }

    #[test]
    fn a_pattern_is_of_a_name_or_of_a_path() {
        for (pattern, path, matches) in [
            ("*.mov", "/m/a b.MOV", true),
            ("*.mov", "/m/a.mov.xml", false),
            ("*", "/m/.hidden", true),
            ("Proxy", "/m/Proxy/a.mov", false),
            ("*/Proxy/*", "/m/deep/proxy/er/a.mov", true),
            ("/m/card/*", "/m/card/a/b.mov", true),
            ("/m/card/*", "/m/cards/a.mov", false),
            ("a[!1]*", "/m/a1.mov", false),
            ("a?.mov", "/m/a1.mov", true),
            ("x[[]1].mov", "/m/x[1].mov", true),
        ] {
            let glob = Glob::parse(pattern).unwrap();
            assert_eq!(glob.matches(Path::new(path)), matches, "{pattern} on {path}");
        }
    }

    #[test]
    fn a_shell_passes_over_hidden_names() {
        let expands = |pattern: &str, name: &str| Glob::parse(pattern).unwrap().expands_to(OsStr::new(name));
        assert!(expands("*", "a.mov") && !expands("*", ".a.mov") && !expands("?a*", ".a.mov"));
        assert!(!expands("*.mov", ".a.mov") && !expands("*.*", ".a.mov") && !expands("[.]*", ".a.mov"));
        assert!(expands(".*", ".a.mov") && expands(".A*.mov", ".a.mov"));
    }

    #[test]
    fn a_name_that_is_not_utf_8_can_be_meant() {
        let odd = OsStr::from_bytes(b"/m/clip\xff.MOV");
        for pattern in ["*.mov", "clip?.mov"] {
            assert!(Glob::parse(pattern).unwrap().matches(Path::new(odd)), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_a_reason() {
        for bad in ["", "[", "a***", "x**y"] {
            assert!(!Glob::parse(bad).unwrap_err().is_empty(), "{bad:?}");
        }
        assert!(is_pattern("a[1].mov") && is_pattern("*") && is_pattern("a?") && !is_pattern("a.mov"));
    }
}
