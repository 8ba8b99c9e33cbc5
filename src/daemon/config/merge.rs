//! Step two: all files, in their order; of each key, the last word.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::fragment::{self, Element, Entry, Parsed, Value};
use super::keys::Key;
use super::problem::Problem;
use super::roots::Roots;
use rigpost_core::few;

/// The entries of one file.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) file: PathBuf,
    parsed: Parsed,
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

/// Keys that are set.
pub(super) type Keys = BTreeMap<Key, Setting>;

/// One `[[section]]`: a later file that says the name again changes what it says anew.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) section: &'static str,
    pub(super) name: String,
    /// What is said of it.
    pub(super) keys: Keys,
    /// Where it was first.
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

/// Everything that is set.
#[derive(Clone, Debug, Default)]
pub(super) struct Merged {
    pub(super) keys: Keys,
    /// In the order in which they were first named.
    pub(super) lists: Vec<Named>,
}

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
                let parsed = fragment::parse(&file, &text, &mut problems);
                fragments.push(Fragment { file, parsed });
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
pub(super) fn merge(fragments: Vec<Fragment>, problems: &mut Vec<Problem>) -> Merged {
    let mut merged = Merged::default();
    for (rank, Fragment { file, parsed }) in fragments.into_iter().enumerate() {
        set(&mut merged.keys, parsed.entries, &file, rank);
        let mut here: Vec<(&str, String, usize)> = Vec::new();
        for Element { section, entries, named, line } in parsed.elements {
            let mut wrong = |reason: String| {
                let key = Some(format!("{section}.name"));
                problems.push(Problem { file: file.clone(), line: Some(line), key, reason });
            };
            let Some(name) = name_of(&entries) else {
                if !named {
                    wrong(format!("is missing: each [[{section}]] needs a name"));
                }
                continue;
            };
            if let Some((.., before)) = here.iter().find(|(s, n, _)| *s == section && *n == name) {
                wrong(format!("{name:?} is the name of the [[{section}]] in line {before} already"));
                continue;
            }
            here.push((section, name.clone(), line));
            let known = merged.lists.iter_mut().find(|n| n.section == section && n.name == name);
            if let Some(known) = known {
                set(&mut known.keys, entries, &file, rank);
            } else {
                let mut keys = Keys::new();
                set(&mut keys, entries, &file, rank);
                merged.lists.push(Named { section, name, keys, file: file.clone(), line });
            }
        }
    }
    merged
}

fn set(keys: &mut Keys, entries: Vec<Entry>, file: &Path, rank: usize) {
    for Entry { key, value, line } in entries {
        keys.insert(key, Setting { file: file.to_owned(), line, value, rank });
    }
}

fn name_of(entries: &[Entry]) -> Option<String> {
    entries.iter().find(|e| e.key.name().ends_with(".name")).and_then(|e| match &e.value {
        Value::Text(name) => Some(name.clone()),
        Value::Flag(_) | Value::Number(_) | Value::Texts(_) => None,
    })
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
            few::sort_by_key(&mut files, PathBuf::clone);
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
