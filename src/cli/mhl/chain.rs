//! The history of a folder: its generations, and the chain that names them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};

use super::card::FOLDER;
use super::hash::c4;
use super::manifest::{self, Entry, escaped};
use crate::exit::{ExitCode, Failure};
use crate::text;

const CHAIN: &str = "ascmhl_chain.xml";
/// More than the manifest of any card has.
const LARGEST: u64 = 256 << 20;

/// A generation that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Generation {
    number: u32,
    path: String,
    c4: String,
}

/// What is known of a folder.
#[derive(Debug)]
pub(super) struct History {
    root: PathBuf,
    generations: Vec<Generation>,
    /// Hashes by the paths of files, each with its format.
    known: BTreeMap<String, Vec<(String, String)>>,
}

impl History {
    /// Reads it; a folder without one has an empty one.
    pub(super) fn read(root: &Path) -> Result<History, Failure> {
        let mut history = History { root: root.to_owned(), generations: vec![], known: BTreeMap::new() };
        let folder = root.join(FOLDER);
        let chain = match text_of(&folder.join(CHAIN)) {
            Ok(chain) => chain,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return match fs::read_dir(&folder).map(|mut inside| inside.next().is_some()) {
                    Ok(true) => Err(broken(root, "its chain is missing")),
                    Ok(false) | Err(_) => Ok(history),
                };
            }
            Err(e) => return Err(broken(root, &text::without_errno(&e.to_string()))),
        };
        let document =
            Document::parse(&chain).map_err(|e| broken(root, &format!("its chain is no XML: {e}")))?;
        for node in elements(document.root_element(), "hashlist") {
            let number = node.attribute("sequencenr").and_then(|n| n.parse().ok());
            let (path, sum) = (child(node, "path"), child(node, "c4"));
            let (Some(number), Some(path), Some(c4)) = (number, path, sum) else {
                return Err(broken(root, "a generation of its chain has no number, path or C4 ID"));
            };
            history.load(&folder, Generation { number, path, c4 })?;
        }
        Ok(history)
    }

    fn load(&mut self, folder: &Path, generation: Generation) -> Result<(), Failure> {
        let Generation { number, path, c4: sum } = &generation;
        let is_next = self.generations.last().map_or(1, |last| last.number.saturating_add(1)) == *number;
        let is_name = Path::new(path).file_name().is_some_and(|name| name == path.as_str());
        if !is_next || !is_name {
            return Err(broken(&self.root, &format!("generation {number} is out of its place")));
        }
        let manifest = text_of(&folder.join(path)).map_err(|e| {
            broken(&self.root, &format!("{}: {}", text::clean(path), text::without_errno(&e.to_string())))
        })?;
        if c4(manifest.as_bytes()) != *sum {
            return Err(broken(&self.root, &format!("{} is not what its chain says", text::clean(path))));
        }
        let document = Document::parse(&manifest)
            .map_err(|e| broken(&self.root, &format!("{} is no XML: {e}", text::clean(path))))?;
        for node in document.descendants().filter(|node| node.tag_name().name() == "hash") {
            let Some(name) = child(node, "path") else { continue };
            let hashes = node.children().filter(|hash| {
                hash.is_element()
                    && !matches!(hash.tag_name().name(), "path" | "metadata" | "previousPath")
                    && hash.attribute("action") != Some("failed")
            });
            for hash in hashes {
                let sum = hash.text().unwrap_or_default().trim().to_owned();
                let known = (hash.tag_name().name().to_owned(), sum);
                let all = self.known.entry(name.clone()).or_default();
                if !all.contains(&known) {
                    all.push(known);
                }
            }
        }
        self.generations.push(generation);
        Ok(())
    }

    /// The hashes of a file, each with its format.
    pub(super) fn of(&self, name: &str) -> &[(String, String)] {
        self.known.get(name).map_or(&[], Vec::as_slice)
    }

    /// Adds a generation, and returns where it is.
    pub(super) fn add(mut self, entries: &[Entry]) -> Result<PathBuf, Failure> {
        let at = manifest::now();
        let number = self.generations.last().map_or(1, |last| last.number.saturating_add(1));
        let folder_name = self.root.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy());
        let stamp = at.strftime("%Y-%m-%d_%H%M%SZ");
        let path = format!("{number:04}_{folder_name}_{stamp}.mhl");
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let xml = manifest::write(entries, &host, env!("CARGO_PKG_VERSION"), at);
        let folder = self.root.join(FOLDER);
        let unwritten = |e: io::Error| {
            let why = text::without_errno(&e.to_string());
            Failure::new(
                ExitCode::Failed,
                format!("no history can be written to {}: {why}", text::clean(&folder.to_string_lossy())),
                "look at whether the card is write-protected, or name a copy of it: --mhl DIR",
            )
        };
        match fs::create_dir(&folder) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(unwritten(e)),
            Ok(()) | Err(_) => {}
        }
        let manifest = folder.join(&path);
        write_new(&manifest, xml.as_bytes()).map_err(unwritten)?;
        self.generations.push(Generation { number, path, c4: c4(xml.as_bytes()) });
        let new = folder.join(format!("{CHAIN}.new"));
        let _ = fs::remove_file(&new);
        write_new(&new, chain(&self.generations).as_bytes()).map_err(unwritten)?;
        fs::rename(&new, folder.join(CHAIN))
            .and_then(|()| File::open(&folder)?.sync_all())
            .map_err(unwritten)?;
        Ok(manifest)
    }
}

fn text_of(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large to be one"));
    }
    fs::read_to_string(path)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn chain(generations: &[Generation]) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ascmhldirectory xmlns=\"urn:ASC:MHL:DIRECTORY:v2.0\">\n",
    );
    for Generation { number, path, c4 } in generations {
        let (path, c4) = (escaped(path), escaped(c4));
        xml += &format!(
            "  <hashlist sequencenr=\"{number}\">\n    <path>{path}</path>\n    <c4>{c4}</c4>\n  </hashlist>\n"
        );
    }
    xml + "</ascmhldirectory>\n"
}

fn elements<'a, 'b: 'a>(node: Node<'a, 'b>, name: &'static str) -> impl Iterator<Item = Node<'a, 'b>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn child(node: Node<'_, '_>, name: &'static str) -> Option<String> {
    elements(node, name).next().and_then(|child| child.text()).map(|text| text.trim().to_owned())
}

fn broken(root: &Path, why: &str) -> Failure {
    let root = text::clean(&root.to_string_lossy());
    Failure::new(
        ExitCode::Failed,
        format!("the history in {root} can't be gone on with: {why}"),
        "look at it with ascmhl info, or name a copy without it: --mhl DIR",
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::hash::Format;
    use super::super::manifest::{Action, Hash};
    use super::*;

    fn entry(name: &str, sum: &str) -> Entry {
        let at = Timestamp::from_second(1_796_000_000).unwrap();
        let hash = Hash { format: Format::Xxh64, sum: sum.to_owned(), action: Action::Original, at };
        Entry { name: name.to_owned(), size: 6, modified: at, hashes: vec![hash] }
    }

    #[test]
    fn a_history_grows_by_generations_and_knows_all_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let first = History::read(dir.path()).unwrap().add(&[entry("a & b.mov", "1")]).unwrap();
        assert!(first.file_name().unwrap().to_str().unwrap().starts_with("0001_"), "{first:?}");
        let second = History::read(dir.path()).unwrap();
        assert_eq!(second.of("a & b.mov"), [("xxh64".to_owned(), "1".to_owned())]);
        let second = second.add(&[entry("a & b.mov", "1"), entry("c.mov", "2")]).unwrap();
        assert!(second.file_name().unwrap().to_str().unwrap().starts_with("0002_"), "{second:?}");
        let third = History::read(dir.path()).unwrap();
        assert_eq!((third.generations.len(), third.of("c.mov").len(), third.of("d.mov").len()), (2, 1, 0));
    }

    #[test]
    fn a_history_that_somebody_changed_is_left_alone_and_named() {
        for (what, why) in
            [("manifest", "not what its chain says"), ("chain", "no XML"), ("no chain", "is missing")]
        {
            let dir = tempfile::tempdir().unwrap();
            let manifest = History::read(dir.path()).unwrap().add(&[entry("a.mov", "1")]).unwrap();
            let chain = dir.path().join(FOLDER).join(CHAIN);
            match what {
                "manifest" => {
                    fs::write(&manifest, fs::read_to_string(&manifest).unwrap().replace('1', "2")).unwrap()
                }
                "chain" => fs::write(&chain, "<a>").unwrap(),
                _ => fs::remove_file(&chain).unwrap(),
            }
            let failure = History::read(dir.path()).unwrap_err();
            assert!(failure.what.contains(why), "{what}: {}", failure.what);
        }
    }
}
