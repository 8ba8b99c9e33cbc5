//! The media sources: a path that is wrong finds nothing, and looks like a card that is out.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::report::Check;

/// Checks each source, by its name and path.
pub(super) fn sources(sources: &[(String, PathBuf)], media_dirs: &[PathBuf]) -> Vec<Check> {
    sources.iter().map(|(name, path)| source(name, path, media_dirs)).collect()
}

fn source(name: &str, path: &Path, media_dirs: &[PathBuf]) -> Check {
    const NAME: &str = "source";
    let shown = format!("\"{name}\": {}", path.display());
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Check::skipped(NAME, "needs root");
        }
        Err(error) => {
            let is_link = path.is_symlink();
            let what = if is_link { "is a link that leads nowhere" } else { "is not there" };
            let why = if error.kind() == ErrorKind::NotFound { String::new() } else { format!(" ({error})") };
            let next = "mount the card or disk; if the path is wrong, correct it in its [[source]]";
            return Check::warn(NAME, format!("{shown} {what}{why}"), next);
        }
    };
    if !real.is_dir() {
        return Check::fail(NAME, format!("{shown} is not a directory"), "correct `path` in its [[source]]");
    }
    let dirs = media_dirs.iter().filter_map(|dir| fs::canonicalize(dir).ok());
    if !dirs.into_iter().any(|dir| real.starts_with(dir)) {
        return Check::fail(
            NAME,
            format!("{shown} leads to {}, out of the media directories", real.display()),
            "add that directory to `queue.media_dirs`, or correct `path` in its [[source]]",
        );
    }
    match real == path {
        true => Check::ok(NAME, shown),
        false => Check::ok(NAME, format!("{shown} leads to {}", real.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::doctor::report::Verdict;

    #[test]
    fn a_source_is_judged_by_where_it_leads() {
        let dir = tempfile::tempdir().unwrap();
        let media = dir.path().canonicalize().unwrap().join("media");
        fs::create_dir_all(media.join("slot 1")).unwrap();
        fs::write(media.join("file"), "").unwrap();
        symlink("slot 1", media.join("card")).unwrap();
        symlink("missing", media.join("broken")).unwrap();
        symlink("/usr", media.join("out")).unwrap();
        for (path, verdict, says) in [
            ("slot 1", Verdict::Ok, "/slot 1"),
            ("card", Verdict::Ok, "/card leads to "),
            ("none", Verdict::Warn, "is not there"),
            ("broken", Verdict::Warn, "is a link that leads nowhere"),
            ("out", Verdict::Fail, "leads to /usr, out of the media directories"),
            ("file", Verdict::Fail, "is not a directory"),
        ] {
            let found = sources(&[("A cam".to_owned(), media.join(path))], std::slice::from_ref(&media));
            assert_eq!(found[0].verdict, verdict, "{path}");
            assert!(found[0].finding.contains(says), "{}", found[0].finding);
            assert!(found[0].finding.starts_with("\"A cam\": "), "{}", found[0].finding);
        }
    }
}
