//! What a file is said to be, by the end of its name.
//!
//! # Decisions
//! - The table is that of `mime_guess`, as text that the build script writes: text stays in the file and is shared. As
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

    #[test]
    fn files_are_named_as_the_crate_names_them() {
        assert!(TABLE.lines().count() > 1000);
        let known = TABLE.lines().filter_map(|line| line.split(' ').next());
        for extension in known.chain(["MOV", "Mp4", "none", "a b", "", "mov\n", "é", "zzzzzz", "0"]) {
            let path = Path::new("/media/A001_C001").with_extension(extension);
            let theirs = mime_guess::from_path(&path).first_raw().unwrap_or("application/octet-stream");
            assert_eq!(filetype(&path), theirs, "{path:?}");
        }
        assert_eq!(filetype(Path::new("/media/clip.mov")), "video/quicktime");
        assert_eq!(filetype(Path::new("/media/mov")), "application/octet-stream");
    }
}
