//! A pattern as a shell would expand it.
//!
//! # Decisions
//!
//! - Only the matching is `glob`'s: its own search passes over names that are not UTF-8, and panics at them where hidden
//!   files are left out. Here a byte that is not UTF-8 is one character, as a person sees it.
//! - `**` does not follow links, so that it ends.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern, PatternError};

/// Hidden names only where the pattern says the dot.
pub(super) const LIKE_A_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Why a pattern could not be expanded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{}", .0.msg)]
    Pattern(#[from] PatternError),
    #[error("{0}")]
    Directory(#[from] io::Error),
}

/// Everything that matches an absolute pattern, in the order of the names. Directories that may not be read are an error.
pub(super) fn expand(pattern: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_str().filter(|text| text.contains(['*', '?', '[']));
        found = match (component, text) {
            (Component::Normal(_), Some("**")) => beneath(found)?,
            (Component::Normal(_), Some(text)) => matching(&found, &Pattern::new(text)?)?,
            _ => found.into_iter().map(|dir| dir.join(component)).collect(),
        };
    }
    found.retain(|path| path.symlink_metadata().is_ok());
    Ok(found)
}

fn matching(dirs: &[PathBuf], pattern: &Pattern) -> Result<Vec<PathBuf>, Trouble> {
    let mut found = Vec::new();
    for dir in dirs.iter().filter(|dir| dir.is_dir()) {
        let fits =
            |entry: &&DirEntry| pattern.matches_with(&entry.file_name().to_string_lossy(), LIKE_A_SHELL);
        found.extend(entries(dir)?.iter().filter(fits).map(DirEntry::path));
    }
    Ok(found)
}

/// These directories and all beneath them that are not hidden.
fn beneath(dirs: Vec<PathBuf>) -> Result<Vec<PathBuf>, Trouble> {
    let mut found = Vec::new();
    for dir in dirs {
        if !dir.is_dir() {
            continue;
        }
        let mut below = Vec::new();
        for entry in entries(&dir)? {
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !is_hidden && entry.file_type()?.is_dir() {
                below.push(entry.path());
            }
        }
        found.push(dir);
        found.extend(beneath(below)?);
    }
    Ok(found)
}

/// What is in a directory, in the order of the names.
pub(super) fn entries(dir: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}
