//! The history of a folder: its generations, and the chain that names them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use roxmltree::{Document, Node};

use super::card::FOLDER;
use super::disk::{CHAIN, MOST, manifests, text_of, write};
use super::hash::c4;
use super::manifest::{self, Entry, escaped};
use crate::exit::{ExitCode, Failure};
use crate::text;

/// Bytes of a folder's name in that of a manifest.
const NAME: usize = 150;

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
    /// What the last generation leaves out.
    patterns: Vec<String>,
    /// The chain as it was read.
    chain: Option<String>,
}

impl History {
    /// Reads it; a folder without one has an empty one.
    pub(super) fn read(root: &Path) -> Result<History, Failure> {
        let (generations, known, patterns) = (vec![], BTreeMap::new(), vec![]);
        let mut history = History { root: root.to_owned(), generations, known, patterns, chain: None };
        for outer in root.ancestors().skip(1) {
            if outer.join(FOLDER).join(CHAIN).exists() {
                return Err(Failure::new(
                    ExitCode::Failed,
                    format!(
                        "{} has a history, and this folder is in it",
                        text::clean(&outer.to_string_lossy())
                    ),
                    "name that folder: --mhl DIR",
                ));
            }
        }
        let folder = root.join(FOLDER);
        let manifests = match manifests(&folder) {
            Ok(manifests) => manifests,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(history),
            Err(e) => return Err(broken(root, &text::without_errno(&e.to_string()))),
        };
        match text_of(&folder.join(CHAIN)) {
            Ok(chain) => history.load_chain(&folder, &chain)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(broken(root, &text::without_errno(&e.to_string()))),
        }
        history.adopt(&folder, manifests)?;
        Ok(history)
    }

    fn load_chain(&mut self, folder: &Path, chain: &str) -> Result<(), Failure> {
        let document =
            Document::parse(chain).map_err(|e| broken(&self.root, &format!("its chain is no XML: {e}")))?;
        for node in elements(document.root_element(), "hashlist") {
            let number = node.attribute("sequencenr").and_then(|n| n.parse().ok());
            let (path, sum) = (child(node, "path"), child(node, "c4"));
            let (Some(number), Some(path), Some(c4)) = (number, path, sum) else {
                return Err(broken(&self.root, "a generation of its chain has no number, path or C4 ID"));
            };
            self.load(folder, Generation { number, path, c4: c4.trim().to_owned() })?;
        }
        self.chain = Some(chain.to_owned());
        Ok(())
    }

    /// Goes on with the one manifest of ours that no chain names.
    fn adopt(&mut self, folder: &Path, manifests: BTreeSet<String>) -> Result<(), Failure> {
        let is_named = |path: &String| self.generations.iter().any(|generation| generation.path == *path);
        let mut others = manifests.into_iter().filter(|path| !is_named(path)).collect::<Vec<_>>();
        let Some(path) = others.pop() else {
            let is_empty = fs::read_dir(folder).is_ok_and(|mut inside| inside.next().is_none());
            return match self.chain {
                None if !is_empty => Err(broken(&self.root, "its chain is missing")),
                Some(_) | None => Ok(()),
            };
        };
        let number = self.next();
        let manifest = text_of(&folder.join(&path)).unwrap_or_default();
        let is_ours = Document::parse(&manifest).is_ok_and(|document| {
            let mut tools = document.descendants().filter(|node| node.tag_name().name() == "tool");
            tools.any(|tool| tool.text() == Some(manifest::TOOL))
        });
        if !others.is_empty() || !is_ours || !path.starts_with(&format!("{number:04}_")) {
            return Err(broken(&self.root, &format!("{} is in no chain", text::clean(&path))));
        }
        self.load(folder, Generation { number, path, c4: c4(manifest.as_bytes()) })
    }

    fn next(&self) -> u32 {
        self.generations.last().map_or(1, |last| last.number.saturating_add(1))
    }

    fn load(&mut self, folder: &Path, generation: Generation) -> Result<(), Failure> {
        let Generation { number, path, c4: sum } = &generation;
        let is_next = self.next() == *number && self.generations.len() < MOST;
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
        let patterns = document.descendants().filter(|node| node.tag_name().name() == "pattern");
        self.patterns = patterns.filter_map(|node| node.text().map(str::to_owned)).collect();
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
        let folder = self.root.join(FOLDER);
        let path = format!("{:04}_{}_{}.mhl", self.next(), self.name(), at.strftime("%Y-%m-%d_%H%M%SZ"));
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let xml = manifest::write(entries, &self.patterns, &host, env!("CARGO_PKG_VERSION"), at);
        let before = self.chain.take();
        self.generations.push(Generation { number: self.next(), path: path.clone(), c4: c4(xml.as_bytes()) });
        let chain = chain(&self.generations);
        if Document::parse(&chain).is_err() || Document::parse(&xml).is_err() {
            return Err(broken(&self.root, "a name in it can't be written"));
        }
        let manifest = folder.join(&path);
        write(&folder, &manifest, &xml, (before.as_deref(), &chain)).map_err(|e| {
            let why = text::without_errno(&e.to_string());
            Failure::new(
                ExitCode::Failed,
                format!("no history can be written to {}: {why}", text::clean(&folder.to_string_lossy())),
                "look at whether the card is full or write-protected, or name a copy of it: --mhl DIR",
            )
        })?;
        Ok(manifest)
    }

    /// The folder's own, as a manifest can be called.
    fn name(&self) -> String {
        let name = self.root.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy());
        let plain = |c: char| if c.is_control() || ('\u{fffd}'..='\u{ffff}').contains(&c) { '_' } else { c };
        let mut cut = String::new();
        name.chars()
            .map(plain)
            .take_while(|c| {
                let fits = cut.len() + c.len_utf8() <= NAME;
                if fits {
                    cut.push(*c);
                }
                fits
            })
            .for_each(drop);
        cut
    }
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
    elements(node, name).next().and_then(|child| child.text()).map(str::to_owned)
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

    fn history() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let manifest = History::read(dir.path()).unwrap().add(&[entry("a.mov", "1")]).unwrap();
        (dir, manifest)
    }

    fn refused(root: &Path) -> String {
        History::read(root).unwrap_err().what
    }

    #[test]
    fn a_history_that_somebody_changed_is_left_alone_and_named() {
        for (what, why) in [
            ("manifest", "not what its chain says"),
            ("chain", "no XML"),
            ("no manifest", "No such file"),
            ("a stranger", "is in no chain"),
            ("a link", "levels of symbolic links"),
        ] {
            let (dir, manifest) = history();
            let chain = dir.path().join(FOLDER).join(CHAIN);
            match what {
                "manifest" => {
                    fs::write(&manifest, fs::read_to_string(&manifest).unwrap().replace('1', "2")).unwrap();
                }
                "chain" => fs::write(&chain, "<a>").unwrap(),
                "no manifest" => fs::remove_file(&manifest).unwrap(),
                "a stranger" => fs::write(manifest.with_file_name("0002_x.mhl"), "<hashlist/>").unwrap(),
                _ => {
                    fs::remove_file(&chain).unwrap();
                    std::os::unix::fs::symlink("/dev/zero", &chain).unwrap();
                }
            }
            let said = refused(dir.path());
            assert!(said.contains(why), "{what}: {said}");
        }
    }

    #[test]
    fn after_a_power_cut_the_manifest_that_has_its_name_is_gone_on_with() {
        let (dir, manifest) = history();
        let chain = dir.path().join(FOLDER).join(CHAIN);
        let before = fs::read_to_string(&chain).unwrap();
        let second = History::read(dir.path()).unwrap().add(&[entry("b.mov", "2")]).unwrap();
        fs::write(&chain, &before).unwrap();
        fs::write(chain.with_extension("part"), "half").unwrap();
        let adopted = History::read(dir.path()).unwrap();
        assert_eq!((adopted.generations.len(), adopted.of("b.mov").len()), (2, 1));
        let third = adopted.add(&[entry("c.mov", "3")]).unwrap();
        assert_eq!(History::read(dir.path()).unwrap().generations.len(), 3);
        assert!(second.exists() && third.exists() && manifest.exists());
        // And of the first one of all.
        fs::remove_file(&chain).unwrap();
        fs::remove_file(&second).unwrap();
        fs::remove_file(&third).unwrap();
        assert_eq!(History::read(dir.path()).unwrap().generations.len(), 1);
    }

    #[test]
    fn what_somebody_else_has_added_meanwhile_stays_in_the_chain() {
        let (dir, _) = history();
        let slow = History::read(dir.path()).unwrap();
        History::read(dir.path()).unwrap().add(&[entry("b.mov", "2")]).unwrap();
        let chain = fs::read_to_string(dir.path().join(FOLDER).join(CHAIN)).unwrap();
        let failure = slow.add(&[entry("c.mov", "3")]).unwrap_err();
        assert!(failure.what.contains("meanwhile"), "{}", failure.what);
        assert_eq!(fs::read_to_string(dir.path().join(FOLDER).join(CHAIN)).unwrap(), chain);
        assert_eq!(fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 3, "nothing is left of it");
    }

    #[test]
    fn odd_names_of_folders_and_what_is_left_out_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a\u{1}b\nc".to_owned(), "é".repeat(120), "A & <B>".to_owned()] {
            let root = dir.path().join(name);
            fs::create_dir(&root).unwrap();
            let manifest = History::read(&root).unwrap().add(&[entry("a.mov", "1")]).unwrap();
            let text = fs::read_to_string(&manifest).unwrap();
            fs::write(&manifest, text.replace(".DS_Store", "*.tmp")).unwrap();
            let chain = root.join(FOLDER).join(CHAIN);
            let changed = c4(fs::read_to_string(&manifest).unwrap().as_bytes());
            let old = c4(text.as_bytes());
            fs::write(&chain, fs::read_to_string(&chain).unwrap().replace(&old, &changed)).unwrap();
            let second = History::read(&root).unwrap().add(&[entry(" b.mov", "2")]).unwrap();
            let text = fs::read_to_string(&second).unwrap();
            assert!(text.contains("<pattern>*.tmp</pattern>") && !text.contains(".DS_Store"), "{text}");
            let last = History::read(&root).unwrap();
            assert_eq!((last.of(" b.mov").len(), last.of("b.mov").len()), (1, 0));
            let inner = root.join("Clips");
            fs::create_dir(&inner).unwrap();
            assert!(refused(&inner).contains("this folder is in it"));
        }
    }

    #[test]
    fn what_can_t_be_written_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::read(dir.path()).unwrap();
        // A folder lies where the chain is to be.
        let chain = dir.path().join(FOLDER).join(CHAIN);
        fs::create_dir_all(chain.join("x")).unwrap();
        assert!(history.add(&[entry("a.mov", "1")]).is_err());
        assert_eq!(fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 1);
    }
}
