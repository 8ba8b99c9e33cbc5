//! What `rigpost add` was given, as files.
//!
//! # Decisions
//!
//! - Paths are made absolute but links in them are not resolved: whether a link leads out of a media directory is for the
//!   daemon to judge, on what was really given.
//! - A directory is refused unless `--recursive` or `--pattern` was given: a slip of the finger must not queue a whole card.
//! - What a person names is passed on whole, so that the daemon can refuse it by name; what is merely found, in a directory
//!   or by a pattern, is filtered (names that nobody means to send, as in media sources; empty files; links), because one
//!   stray file must not make the daemon refuse the card.

use std::fs;
use std::path::{Path, PathBuf};

use super::expand::{expand, is_junk, not_too_deep, plain, walk};
use crate::args::AddArgs;
use crate::exit::{ExitCode, Failure};
use crate::frames::Frames;
use crate::text;
use rigpost_contract::glob::{Glob, is_pattern};
use rigpost_contract::left_out::is_left_out;

/// Files to be queued.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) paths: Vec<PathBuf>,
    pub(super) bytes: u64,
    pub(super) skipped: u64,
    /// Frames of sequences, queued or left out.
    pub(super) frames: Frames,
    /// What can't be queued; only with `--keep-going`, else the first of them is the answer.
    pub(super) refused: Vec<Failure>,
}

/// Looks for what was given.
pub(super) fn collect(args: &AddArgs) -> Result<Found, Failure> {
    let pattern = |text: &String| {
        Glob::parse(text).map_err(|why| {
            Failure::new(ExitCode::Usage, format!("--pattern: {why}"), "quote it: --pattern '*.mov'")
        })
    };
    let patterns = args.pattern.iter().map(pattern).collect::<Result<Vec<_>, _>>()?;
    let recursive = args.recursive || !patterns.is_empty();
    let search = Search { recursive, patterns, sequences: !args.no_sequences };
    let mut found = Found::default();
    for given in &args.files {
        match search.given(given, &mut found) {
            Err(failure) if args.keep_going && failure.code == ExitCode::Failed => {
                found.refused.push(failure)
            }
            outcome => outcome?,
        }
    }
    if args.name.is_some() && found.paths.len() > 1 {
        return Err(Failure::new(
            ExitCode::Usage,
            "--name is for a single clip",
            "leave it out, or name one file",
        ));
    }
    Ok(found)
}

struct Search {
    recursive: bool,
    patterns: Vec<Glob>,
    sequences: bool,
}

impl Search {
    fn given(&self, given: &Path, found: &mut Found) -> Result<(), Failure> {
        let path = std::path::absolute(given)
            .map_err(|error| unusable(given, &error.to_string(), "check the name"))?;
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() && self.recursive => self.walk(&path, found),
            Ok(meta) if meta.is_dir() => {
                Err(unusable(given, "is a directory", "add --recursive to queue what is in it"))
            }
            Ok(meta) => {
                self.take(path, meta.len(), found);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match path.to_str() {
                Some(text) if is_pattern(text) => self.expand(given, &path, found),
                Some(_) | None => Err(unusable(given, "there is no such file", "check the name")),
            },
            // The daemon may be allowed to see what this user is not.
            Err(_) => {
                found.paths.push(path);
                Ok(())
            }
        }
    }

    /// A pattern that no shell has expanded.
    fn expand(&self, given: &Path, pattern: &Path, found: &mut Found) -> Result<(), Failure> {
        let all =
            expand(pattern).map_err(|error| unusable(given, &error.to_string(), "check the pattern"))?;
        if all.is_empty() {
            return Err(unusable(given, "nothing has such a name", "check the pattern"));
        }
        for path in all {
            match fs::metadata(&path) {
                _ if path.file_name().is_some_and(is_junk) => found.skipped += 1,
                Ok(meta) if meta.is_dir() && self.recursive => self.walk(&path, found)?,
                Ok(meta) if meta.is_file() && meta.len() > 0 => self.take(path, meta.len(), found),
                Ok(_) | Err(_) => found.skipped += 1,
            }
        }
        Ok(())
    }

    fn walk(&self, dir: &Path, found: &mut Found) -> Result<(), Failure> {
        let failed = |error: walkdir::Error| {
            let at = error.path().unwrap_or(dir).to_owned();
            unusable(&at, &plain(error).to_string(), "check its permissions")
        };
        let mut entries = walk(dir);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(failed)?;
            match () {
                () if is_left_out(entry.file_name()) => {
                    found.skipped += 1;
                    if entry.file_type().is_dir() {
                        entries.skip_current_dir();
                    }
                }
                () if entry.file_type().is_dir() => {
                    not_too_deep(&entry)
                        .map_err(|error| unusable(entry.path(), &error.to_string(), "name it"))?;
                }
                () if entry.file_type().is_file() && self.wants(entry.path()) => {
                    match entry.metadata().map_err(failed)?.len() {
                        0 => found.skipped += 1,
                        bytes => self.take(entry.into_path(), bytes, found),
                    }
                }
                () => found.skipped += 1,
            }
        }
        Ok(())
    }

    fn take(&self, path: PathBuf, bytes: u64, found: &mut Found) {
        if found.frames.is_one(&path) && !self.sequences {
            return;
        }
        found.bytes += bytes;
        found.paths.push(path);
    }

    fn wants(&self, file: &Path) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(file))
    }
}

fn unusable(path: &Path, why: &str, next: &str) -> Failure {
    let why = crate::text::without_errno(why);
    Failure::new(ExitCode::Failed, format!("{}: {why}", text::path(path)), next)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;
    use rigpost_contract::left_out::MAX_DEPTH;

    fn args(files: &[&Path], recursive: bool) -> AddArgs {
        let files = files.iter().map(|file| file.to_path_buf()).collect();
        AddArgs { recursive, files, ..AddArgs::default() }
    }

    #[test]
    fn links_are_kept_and_paths_are_absolute() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("clip.mov"), b"x").unwrap();
        std::os::unix::fs::symlink("clip.mov", dir.path().join("link.mov")).unwrap();
        let link = dir.path().join("./link.mov");
        let found = collect(&args(&[&link], false)).unwrap();
        assert_eq!(found.paths, [dir.path().join("link.mov")]);
        let relative = collect(&args(&[Path::new("Cargo.toml")], false)).unwrap();
        assert!(relative.paths[0].is_absolute() && relative.paths[0].ends_with("Cargo.toml"));
    }

    #[test]
    fn directories_need_the_option() {
        let dir = tempfile::tempdir().unwrap();
        let failure = collect(&args(&[dir.path()], false)).unwrap_err();
        assert!(failure.what.ends_with("is a directory") && failure.next.contains("--recursive"));
    }

    #[test]
    fn a_directory_is_walked_in_order_and_filtered() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("B");
        fs::create_dir(&sub).unwrap();
        fs::create_dir(dir.path().join(".trash")).unwrap();
        for (name, content) in [
            ("a.mov", "12"),
            (".hidden", "x"),
            ("empty", ""),
            ("B/c.mov", "345"),
            (".trash/t", "x"),
            ("d.mov.PART", "x"),
            ("e~", "x"),
        ] {
            fs::write(dir.path().join(name), content).unwrap();
        }
        std::os::unix::fs::symlink("/etc", dir.path().join("etc")).unwrap();
        let found = collect(&args(&[dir.path()], true)).unwrap();
        let expected = ["B/c.mov", "a.mov"].map(|name| dir.path().join(name));
        assert_eq!(found.paths, expected);
        assert_eq!((found.bytes, found.skipped), (5, 6));
    }

    #[test]
    fn what_is_too_deep_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let level = |n: usize| (0..n).fold(dir.path().to_owned(), |p, _| p.join("d"));
        fs::create_dir_all(level(MAX_DEPTH)).unwrap();
        fs::write(level(MAX_DEPTH).join("a.mov"), b"x").unwrap();
        assert_eq!(collect(&args(&[dir.path()], true)).unwrap().paths.len(), 1);
        fs::create_dir(level(MAX_DEPTH + 1)).unwrap();
        let what = collect(&args(&[dir.path()], true)).unwrap_err().what;
        assert!(what.ends_with("more than 96 levels deep"), "{what}");
        let pattern = dir.path().join("**/*.mov");
        assert!(collect(&args(&[&pattern], false)).unwrap_err().what.ends_with("levels deep"));
    }

    #[test]
    fn patterns_choose_in_directories_and_beside_a_shell() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("card/DCIM")).unwrap();
        for name in ["card/a.mov", "card/a.wav", "card/DCIM/b.mov", "card/DCIM/.c.mov", "card/DCIM/x[1].mov"]
        {
            fs::write(dir.path().join(name), b"x").unwrap();
        }
        let names = |found: Found| -> Vec<String> {
            let name = |p: &PathBuf| p.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned();
            found.paths.iter().map(name).collect()
        };
        let card = dir.path().join("card");
        let chosen = AddArgs { pattern: vec!["*.wav".into(), "b.*".into()], ..args(&[&card], false) };
        assert_eq!(names(collect(&chosen).unwrap()), ["card/DCIM/b.mov", "card/a.wav"]);
        let quoted = |pattern: &str| collect(&args(&[&dir.path().join(pattern)], false));
        assert_eq!(names(quoted("card/*.mov").unwrap()), ["card/a.mov"]);
        assert_eq!(
            names(quoted("card/**/*.mov").unwrap()),
            ["card/a.mov", "card/DCIM/b.mov", "card/DCIM/x[1].mov"]
        );
        // A file that is called like a pattern is a file.
        assert_eq!(names(quoted("card/DCIM/x[1].mov").unwrap()), ["card/DCIM/x[1].mov"]);
        assert!(quoted("card/*.mxf").unwrap_err().what.ends_with("nothing has such a name"));
        let bad = AddArgs { pattern: vec!["[".into()], ..args(&[&card], false) };
        assert_eq!(collect(&bad).unwrap_err().code, ExitCode::Usage);
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join(OsStr::from_bytes(b"clip\xff.mov"));
        fs::write(&odd, b"x").unwrap();
        assert_eq!(collect(&args(&[&odd], false)).unwrap().paths, std::slice::from_ref(&odd));
        let quoted = dir.path().join("*.mov");
        assert_eq!(collect(&args(&[&quoted], false)).unwrap().paths, std::slice::from_ref(&odd));
        let chosen = AddArgs { pattern: vec!["clip?.mov".into()], ..args(&[dir.path()], false) };
        assert_eq!(collect(&chosen).unwrap().paths, [odd]);
    }

    #[test]
    fn what_is_not_there_ends_it_or_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (missing, there) = (dir.path().join("missing.mov"), dir.path().join("a.mov"));
        fs::write(&there, b"x").unwrap();
        assert!(
            collect(&args(&[&missing, &there], false)).unwrap_err().what.ends_with("there is no such file")
        );
        let going = AddArgs { keep_going: true, ..args(&[&missing, &there], false) };
        let found = collect(&going).unwrap();
        assert_eq!((found.paths.len(), found.refused.len()), (1, 1));
        let named = AddArgs { name: Some("x".into()), ..args(&[&there, &there], false) };
        assert_eq!(collect(&named).unwrap_err().code, ExitCode::Usage);
    }
}
