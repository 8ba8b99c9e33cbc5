//! Step two: all files, in their order; of each key, the last word.
use super::{
    Roots,
    fragment::{self, Entry, Value},
    problem::Problem,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The entries of one file.
#[derive(Debug)]
pub(super) struct Fragment {
    file: PathBuf,
    entries: Vec<Entry>,
}

/// What a key is set to, and where.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    pub(super) value: Value,
    /// Position of the file in the order; a larger one wins.
    pub(super) rank: usize,
}

/// Every key that is set.
pub(super) type Merged = BTreeMap<&'static str, Setting>;

/// Reads all files there are.
pub(super) fn read_all(main: Option<&Path>, roots: &Roots) -> (Vec<Fragment>, Vec<Problem>) {
    let mut problems = Vec::new();
    let path = main.unwrap_or(&roots.main);
    let mut files: Vec<_> =
        drop_ins(&roots.vendor, &mut problems).into_iter().map(|file| (file, true)).collect();
    files.push((path.to_owned(), main.is_some()));
    let beside = path.parent().unwrap_or(Path::new("")).join("conf.d");
    files.extend(drop_ins(&beside, &mut problems).into_iter().map(|file| (file, true)));
    let mut fragments = Vec::new();
    for (file, must_exist) in files {
        match read(&file) {
            Ok(text) => {
                let entries = fragment::parse(&file, &text, &mut problems);
                fragments.push(Fragment { file, entries });
            }
            Err((None, e)) if e.kind() == io::ErrorKind::NotFound && !must_exist => {}
            Err((line, e)) => {
                problems.push(Problem { file, line, key: None, reason: format!("can't be read: {e}") });
            }
        }
    }
    (fragments, problems)
}

/// Later fragments win, key by key.
pub(super) fn merge(fragments: Vec<Fragment>) -> Merged {
    let mut merged = Merged::new();
    for (rank, Fragment { file, entries }) in fragments.into_iter().enumerate() {
        for Entry { key, value, line } in entries {
            merged.insert(key, Setting { file: file.clone(), line, value, rank });
        }
    }
    merged
}

/// The text, or the line from which on it is none.
fn read(file: &Path) -> Result<String, (Option<usize>, io::Error)> {
    let bytes = fs::read(file).map_err(|e| (None, e))?;
    String::from_utf8(bytes).map_err(|e| {
        let sound = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes()[..sound].iter().filter(|b| **b == b'\n').count();
        (Some(line), io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
    })
}

/// `*.toml`, in the order of names; editors' and packagers' leftovers end differently or begin with a dot.
fn drop_ins(dir: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let listed =
        fs::read_dir(dir).and_then(|entries| entries.map(|e| Ok(e?.path())).collect::<io::Result<Vec<_>>>());
    match listed {
        Ok(mut files) => {
            files.retain(|f| f.extension().is_some_and(|e| e == "toml") && !is_hidden(f));
            files.sort();
            files
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(e) => {
            let reason = format!("can't be read: {e}");
            problems.push(Problem { file: dir.to_owned(), line: None, key: None, reason });
            Vec::new()
        }
    }
}

fn is_hidden(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
