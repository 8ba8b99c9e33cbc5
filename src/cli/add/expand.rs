//! A pattern as a shell would expand it.
//!
//! # Decisions
//!
//! - Unlike a shell, it is blind to case, as patterns are everywhere here, and goes into no directory that nobody means to
//!   send.
//! - The `glob` crate's own search passes over names that are not UTF-8, and panics at them where hidden files are left out.
//! - `walkdir` reads directories, for a card too: it names the directory that may not be read, and holds few open.
//! - `**` does not follow links, so that it ends.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use rigpost_contract::glob::{Glob, is_pattern};
use rigpost_contract::left_out::{MAX_DEPTH, is_hidden, is_left_out};

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
        let fits = |entry: &DirEntry| pattern.expands_to(entry.file_name());
        found.extend(entries(dir)?.into_iter().filter(fits).map(DirEntry::into_path));
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
    for dir in dirs.into_iter().filter(|dir| dir.is_dir()) {
        let enters = |entry: &DirEntry| entry.file_type().is_dir() && !is_left_out(entry.file_name());
        let below = walk(&dir).filter_entry(enters).map(|entry| {
            let entry = entry.map_err(plain)?;
            not_too_deep(&entry)?;
            Ok(entry.into_path())
        });
        let below: Vec<PathBuf> = below.collect::<io::Result<_>>()?;
        found.push(dir);
        found.extend(below);
    }
    Ok(found)
}

/// What is in a directory, in the order of the names.
fn entries(dir: &Path) -> io::Result<Vec<DirEntry>> {
    beneath_one(dir).max_depth(1).into_iter().map(|entry| entry.map_err(plain)).collect()
}

/// All that is beneath a directory, in the order of the names, through no link but the directory itself.
pub(super) fn walk(dir: &Path) -> walkdir::IntoIter {
    beneath_one(dir).into_iter()
}

fn beneath_one(dir: &Path) -> WalkDir {
    WalkDir::new(dir).min_depth(1).sort_by_file_name()
}

/// Refuses a directory that is further down than anybody goes.
pub(super) fn not_too_deep(entry: &DirEntry) -> io::Result<()> {
    match entry.depth() {
        0..=MAX_DEPTH => Ok(()),
        _ => Err(io::Error::other(format!("more than {MAX_DEPTH} levels deep"))),
    }
}

/// The system's own error, which knows no path.
pub(super) fn plain(error: walkdir::Error) -> io::Error {
    error.into_io_error().unwrap_or_else(|| io::Error::other("leads back to itself"))
}
