//! The files of a card, and whether they are what was delivered.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use walkdir::WalkDir;
use xxhash_rust::xxh64::Xxh64;

use super::hash::{Format, Hasher};
use super::manifest::{Action, Entry, Hash, is_writable, now};
use crate::bus::{Item, Receipt};
use crate::exit::{ExitCode, Failure};
use crate::text;
use rigpost_core::queue::item::file_digest as digest_of;

/// Where a history lies.
pub(super) const FOLDER: &str = "ascmhl";
/// More files than a card has.
const MOST: usize = 200_000;
/// Deeper than anybody's folders.
const DEEPEST: usize = 64;
const BUFFER: usize = 1 << 20;

/// By which a file and a receipt are known to belong together: the name, and the size.
pub(super) type Key = (OsString, u64);

/// A file of the card.
#[derive(Debug)]
pub(super) struct File {
    /// In the folder, with slashes; with replacement characters where it is not UTF-8.
    pub(super) name: String,
    path: PathBuf,
    size: u64,
    modified: Timestamp,
}

/// What is to be said of it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing was delivered that has its name.
    Other,
    /// Something was, and it is not that. Holds why.
    Differs(String),
    /// It can't be found out. Holds why.
    Unknown(String),
    /// These bytes were.
    Delivered(Entry),
}

/// Of a receipt's item.
pub(super) fn key_of(item: &Item) -> Option<Key> {
    let path = match &item.path_bytes {
        Some(bytes) => PathBuf::from(OsString::from_vec(bytes.clone())),
        None => PathBuf::from(&item.path),
    };
    path.file_name().map(|name| (name.to_owned(), item.size))
}

impl File {
    pub(super) fn key(&self) -> Key {
        (self.path.file_name().unwrap_or(OsStr::new("")).to_owned(), self.size)
    }
}

/// All files beneath it, in the order of their names, and where nobody can look; links are none.
pub(super) fn files(root: &Path) -> Result<(Vec<File>, Vec<String>), Failure> {
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    let walk = WalkDir::new(root).max_depth(DEEPEST).sort_by_file_name().into_iter();
    let is_history = |entry: &walkdir::DirEntry| entry.depth() == 1 && entry.file_name() == FOLDER;
    for entry in walk.filter_entry(|entry| !is_history(entry)) {
        let entry = match entry {
            Ok(entry) => entry,
            // A folder of the file system's own, which nobody but root may read.
            Err(e) if e.depth() > 0 => {
                let path = e.path().and_then(|path| path.strip_prefix(root).ok()).unwrap_or(root);
                unread.push(path.to_string_lossy().into_owned());
                continue;
            }
            Err(e) => return Err(unreadable(root, &e.into())),
        };
        if entry.file_type().is_dir() && entry.depth() == DEEPEST {
            unread.push(entry.path().strip_prefix(root).unwrap_or(root).to_string_lossy().into_owned());
        }
        if entry.file_type().is_dir() && entry.file_name() == FOLDER {
            let inner = entry.path().parent().unwrap_or(root);
            return Err(Failure::new(
                ExitCode::Failed,
                format!("{} has a history of its own", text::clean(&inner.to_string_lossy())),
                "name that folder: --mhl DIR",
            ));
        }
        if !entry.file_type().is_file() || entry.file_name() == ".DS_Store" {
            continue;
        }
        if files.len() >= MOST {
            return Err(Failure::new(
                ExitCode::Failed,
                format!("there are more than {MOST} files"),
                "name one card's folder: --mhl DIR",
            ));
        }
        files.push(file(root, entry.path()).map_err(|e| unreadable(entry.path(), &e))?);
    }
    Ok((files, unread))
}

fn file(root: &Path, path: &Path) -> io::Result<File> {
    let facts = fs::symlink_metadata(path)?;
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let modified = facts.modified()?.try_into().unwrap_or_default();
    Ok(File { name, path: path.to_owned(), size: facts.len(), modified })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let why = text::without_errno(&error.to_string());
    let path = text::clean(&path.to_string_lossy());
    Failure::new(
        ExitCode::Failed,
        format!("{path} can't be read: {why}"),
        "look at the card, or at who may read it",
    )
}

/// Reads it, and holds it against what was delivered and against what its history knows of it.
pub(super) fn judge(file: &File, receipts: &[Receipt], known: &[(String, String)]) -> Verdict {
    if !is_writable(&file.name) {
        return Verdict::Unknown("a manifest can't hold its name".to_owned());
    }
    let usable = receipts.iter().filter(|receipt| receipt.algorithm == "xxh64" && !receipt.digest.is_empty());
    let chunks: BTreeSet<u64> = usable.clone().map(|receipt| receipt.chunk_size.max(1)).collect();
    if chunks.is_empty() {
        return Verdict::Unknown("its receipt has no digest".to_owned());
    }
    let formats = match formats(known) {
        Ok(formats) => formats,
        Err(why) => return Verdict::Unknown(why),
    };
    for chunk in chunks {
        let (parts, hashes) = match read(&file.path, chunk, &formats) {
            Ok(read) => read,
            Err(e) => {
                return Verdict::Unknown(format!(
                    "it can't be read: {}",
                    text::without_errno(&e.to_string())
                ));
            }
        };
        let whole = format!("{:016x}", digest_of(&parts));
        let is_sent = |receipt: &Receipt| receipt.chunk_size.max(1) == chunk && receipt.digest == whole;
        if usable.clone().any(is_sent) {
            return entry(file, hashes, known);
        }
    }
    Verdict::Differs("it is not what was delivered under its name".to_owned())
}

/// Which hashes are computed: XXH64, and where its history has none, one that it has.
fn formats(known: &[(String, String)]) -> Result<Vec<Format>, String> {
    let has = |format: &Format| known.iter().any(|(name, _)| name == format.as_str());
    let mut formats = vec![Format::Xxh64];
    match Format::ALL.into_iter().find(has) {
        Some(Format::Xxh64) => {}
        Some(other) => formats.push(other),
        None if known.is_empty() => {}
        None => {
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            return Err(format!(
                "its history knows it by {} only, which rigpost can't compute",
                names.join(", ")
            ));
        }
    }
    Ok(formats)
}

fn entry(file: &File, hashes: Sums, known: &[(String, String)]) -> Verdict {
    let action = if known.is_empty() { Action::Original } else { Action::Verified };
    for (format, sum) in &hashes {
        let before = known.iter().filter(|(name, _)| name == format.as_str());
        if let Some((name, before)) = before.map(|(name, sum)| (name, sum)).find(|(_, before)| *before != sum)
        {
            return Verdict::Differs(format!(
                "its history has {name} {}, and it is {sum}",
                text::clean(before)
            ));
        }
    }
    let at = now();
    let hashes = hashes.into_iter().map(|(format, sum)| Hash { format, sum, action, at }).collect();
    Verdict::Delivered(Entry { name: file.name.clone(), size: file.size, modified: file.modified, hashes })
}

/// Each with its format.
type Sums = Vec<(Format, String)>;

/// The digests of its parts as a receipt has them, and these hashes of all of it.
fn read(path: &Path, chunk: u64, formats: &[Format]) -> io::Result<(Vec<u64>, Sums)> {
    let mut file = fs::File::open(path)?;
    let mut hashers: Vec<Hasher> = formats.iter().map(|format| Hasher::new(*format)).collect();
    let (mut parts, mut part, mut in_part) = (Vec::new(), Xxh64::new(0), 0);
    let mut buffer = vec![0; BUFFER];
    loop {
        let room = usize::try_from(chunk - in_part).unwrap_or(BUFFER).min(BUFFER);
        let n = match file.read(&mut buffer[..room]) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hashers.iter_mut().for_each(|hasher| hasher.update(&buffer[..n]));
        part.update(&buffer[..n]);
        in_part += n as u64;
        if in_part == chunk || (n == 0 && in_part > 0) {
            parts.push(part.digest());
            (part, in_part) = (Xxh64::new(0), 0);
        }
        if n == 0 {
            return Ok((parts, hashers.into_iter().map(Hasher::finish).collect()));
        }
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh64::xxh64;

    use super::*;

    fn receipt(bytes: &[u8], chunk: usize) -> Receipt {
        let parts: Vec<u64> = bytes.chunks(chunk).map(|part| xxh64(part, 0)).collect();
        Receipt {
            item: Item::default(),
            delivered: 0,
            algorithm: "xxh64".to_owned(),
            chunk_size: chunk as u64,
            digest: format!("{:016x}", digest_of(&parts)),
            // Of what was sent while it was recorded there are none.
            parts: vec![],
            vouched: String::new(),
        }
    }

    #[test]
    fn a_file_is_what_was_delivered_by_all_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("Clips")).unwrap();
        fs::write(dir.path().join("Clips/a.mov"), b"0123456789").unwrap();
        let [file] = &files(dir.path()).unwrap().0[..] else { panic!("one file") };
        assert_eq!((file.name.as_str(), file.key()), ("Clips/a.mov", (OsString::from("a.mov"), 10)));
        let whole = format!("{:016x}", xxh64(b"0123456789", 0));
        for chunk in [1, 3, 4, 5, 10, 11] {
            let others = receipt(b"0123456780", 4);
            let Verdict::Delivered(entry) = judge(file, &[others, receipt(b"0123456789", chunk)], &[]) else {
                panic!("{chunk}")
            };
            assert_eq!((entry.hashes[0].sum.as_str(), entry.hashes[0].action), (&*whole, Action::Original));
        }
        let unknown = Receipt { digest: String::new(), ..receipt(b"0123456789", 10) };
        assert!(matches!(judge(file, &[unknown], &[]), Verdict::Unknown(_)));
        for receipts in [vec![receipt(b"0123456780", 4)], vec![receipt(b"012345678", 4)]] {
            assert!(matches!(judge(file, &receipts, &[]), Verdict::Differs(_)), "{receipts:?}");
        }
    }

    #[test]
    fn what_a_history_knows_is_held_against_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.mov"), b"hello\n").unwrap();
        let (files, _) = files(dir.path()).unwrap();
        let receipts = [receipt(b"hello\n", 6)];
        let judged = |known: &[(&str, &str)]| {
            let known: Vec<_> = known.iter().map(|(f, s)| ((*f).to_owned(), (*s).to_owned())).collect();
            judge(&files[0], &receipts, &known)
        };
        let md5 = "b1946ac92492d2347c6235b4d2611184";
        for known in [
            &[("xxh64", "e4c191d091bd8853")][..],
            &[("md5", md5)],
            &[("md5", md5), ("xxh64", "e4c191d091bd8853")],
        ] {
            let Verdict::Delivered(entry) = judged(known) else { panic!("{known:?}") };
            assert!(entry.hashes.iter().all(|hash| hash.action == Action::Verified), "{known:?}");
            let formats: Vec<&str> = entry.hashes.iter().map(|hash| hash.format.as_str()).collect();
            assert!(
                formats.contains(&"xxh64") && known.iter().any(|(f, _)| formats.contains(f)),
                "{formats:?}"
            );
        }
        assert!(matches!(judged(&[("blake3", "0")]), Verdict::Unknown(_)));
        for known in [&[("xxh64", "0000000000000000")][..], &[("md5", "0")]] {
            assert!(matches!(judged(known), Verdict::Differs(_)), "{known:?}");
        }
    }

    #[test]
    fn a_history_further_down_is_named_and_the_own_one_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["ascmhl", "A001/Clips"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for file in ["ascmhl/ascmhl_chain.xml", "A001/Clips/a.mov", ".DS_Store"] {
            fs::write(dir.path().join(file), b"x").unwrap();
        }
        assert_eq!(files(dir.path()).unwrap().0.len(), 1);
        fs::create_dir(dir.path().join("A001/ascmhl")).unwrap();
        assert!(files(dir.path()).unwrap_err().what.contains("history of its own"));
    }
}
