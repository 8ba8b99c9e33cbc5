//! A pattern as a shell would expand it.
//!
//! # Decisions
//!
//! - Unlike a shell, it is blind to case, as patterns are everywhere here, and goes into no directory that nobody means to
//!   send.
//! - The `glob` crate's own search passes over names that are not UTF-8, and panics at them where hidden files are left out.
//! - `**` does not follow links, so that it ends.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Component, Path, PathBuf};

use rigpost_contract::glob::{Glob, is_pattern};
use rigpost_contract::left_out::{is_hidden, is_left_out};

/// Why a pattern could not be expanded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Pattern(String),
    #[error("{0}")]
    Directory(#[from] io::Error),
}

/// Everything that matches an absolute pattern, in the order of the names. Directories that may not be read are an error.
pub(super) fn expand(pattern: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut found = vec![PathBuf::new()];
    let last = pattern.components().next_back();
    for component in pattern.components() {
        let text = component.as_os_str().to_str().filter(|text| is_pattern(text));
        found = match (component, text) {
            (Component::Normal(_), Some("**")) => beneath(found)?,
            (Component::Normal(_), Some(text)) => {
                matching(&found, &Glob::parse(text).map_err(Trouble::Pattern)?)?
            }
            _ => found.into_iter().map(|dir| dir.join(component)).collect(),
        };
        if text.is_some() && Some(component) != last {
            found.retain(|dir| !dir.file_name().is_some_and(is_junk));
        }
    }
    found.retain(|path| path.symlink_metadata().is_ok());
    Ok(found)
}

fn matching(dirs: &[PathBuf], pattern: &Glob) -> Result<Vec<PathBuf>, Trouble> {
    let mut found = Vec::new();
    for dir in dirs.iter().filter(|dir| dir.is_dir()) {
        let fits = |entry: &&DirEntry| pattern.expands_to(&entry.file_name());
        found.extend(entries(dir)?.iter().filter(fits).map(DirEntry::path));
    }
    Ok(found)
}

/// A name that nobody means to send; but a hidden one is there only because the pattern says its dot.
pub(super) fn is_junk(name: &OsStr) -> bool {
    is_left_out(name) && !is_hidden(name)
}

/// These directories and all beneath them whose names are not left out.
fn beneath(dirs: Vec<PathBuf>) -> Result<Vec<PathBuf>, Trouble> {
    let mut found = Vec::new();
    for dir in dirs {
        if !dir.is_dir() {
            continue;
        }
        let mut below = Vec::new();
        for entry in entries(&dir)? {
            if !is_left_out(&entry.file_name()) && entry.file_type()?.is_dir() {
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
