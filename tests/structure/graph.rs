//! What the names mean: from each file, the files that it needs, and the names of other people's crates.
use std::collections::{BTreeMap, BTreeSet};

use crate::read::{Code, Id, Mention, What};

/// Longer chains of re-exports are a circle.
const CHAIN: usize = 32;

/// What one name leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// The modules that are asked for the name, the last one has it: a name that is passed on belongs to both.
    pub(crate) modules: Vec<Id>,
    /// The whole path, where it leads to a crate that was not read.
    pub(crate) foreign: Option<Vec<String>>,
}

/// `from` needs `to`, because of what it names.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) what: What,
    pub(crate) test: bool,
}

impl Code {
    pub(crate) fn meaning(&self, from: Id, segments: &[String]) -> Meaning {
        let mut meaning = Meaning::default();
        self.resolve(from, segments, None, CHAIN, &mut meaning);
        meaning
    }

    /// `except`: an import is not its own beginning (`use glob::glob`).
    fn resolve(&self, from: Id, segments: &[String], except: Option<&str>, chain: usize, out: &mut Meaning) {
        let Some(left) = chain.checked_sub(1) else { return };
        let Some((first, rest)) = segments.split_first() else { return };
        let module = &self.modules[from];
        match first.as_str() {
            "crate" => self.walk(module.root, rest, left, out),
            "self" => self.walk(from, rest, left, out),
            "super" => {
                let Some(parent) = module.parent else { return };
                if rest.first().is_some_and(|s| s == "super") {
                    self.resolve(parent, rest, None, left, out);
                } else {
                    self.walk(parent, rest, left, out);
                }
            }
            "Self" => {}
            name => {
                let import = module.imports.get(name).filter(|_| except != Some(name));
                if let Some(child) = module.children.get(name) {
                    self.walk(*child, rest, left, out);
                } else if let Some(import) = import {
                    let whole = [import, rest].concat();
                    self.resolve(from, &whole, Some(name), left, out);
                } else if module.items.iter().any(|item| item == name) {
                    out.modules.push(from);
                } else if let Some(found) = self.by_glob(from, segments, left) {
                    out.modules.extend(found.modules);
                } else if let Some(root) = self.crates.get(name) {
                    self.walk(*root, rest, left, out);
                } else {
                    out.foreign = Some(segments.to_vec());
                }
            }
        }
    }

    /// In that module, what is called so?
    fn walk(&self, at: Id, segments: &[String], chain: usize, out: &mut Meaning) {
        let Some(left) = chain.checked_sub(1) else { return };
        let Some((first, rest)) = segments.split_first() else {
            out.modules.push(at);
            return;
        };
        let module = &self.modules[at];
        if let Some(child) = module.children.get(first) {
            self.walk(*child, rest, left, out);
        } else if let Some(import) = module.imports.get(first) {
            out.modules.push(at);
            self.resolve(at, &[import, rest].concat(), Some(first), left, out);
        } else {
            out.modules.push(at);
            if !module.items.contains(first)
                && let Some(found) = self.by_glob(at, segments, left)
            {
                out.modules.extend(found.modules);
            }
        }
    }

    /// The name comes from a module of which everything is imported.
    fn by_glob(&self, at: Id, segments: &[String], chain: usize) -> Option<Meaning> {
        let left = chain.checked_sub(1)?;
        self.modules[at].globs.iter().find_map(|glob| {
            let target = *self.meaning_within(at, glob, left).modules.last()?;
            let module = &self.modules[target];
            let name = &segments[0];
            let has = module.children.contains_key(name)
                || module.imports.contains_key(name)
                || module.items.contains(name);
            (has && target != at).then(|| {
                let mut meaning = Meaning::default();
                self.walk(target, segments, left, &mut meaning);
                meaning
            })
        })
    }

    fn meaning_within(&self, from: Id, segments: &[String], chain: usize) -> Meaning {
        let mut meaning = Meaning::default();
        self.resolve(from, segments, None, chain, &mut meaning);
        meaning
    }

    /// Everything that is named in these crates: where, what, and what it means.
    pub(crate) fn named(&self) -> impl Iterator<Item = (Id, &Mention, Meaning)> {
        self.modules.iter().enumerate().flat_map(move |(id, module)| {
            module.mentions.iter().map(move |mention| {
                let meaning = match &mention.what {
                    What::Path(segments) => self.meaning(id, segments),
                    What::Method(_) | What::Word(_) => Meaning::default(),
                };
                (id, mention, meaning)
            })
        })
    }

    /// Each pair of files once, with the first name that says so; code goes before tests.
    pub(crate) fn edges(&self) -> Vec<Edge> {
        let mut edges: BTreeMap<(&str, &str), &Mention> = BTreeMap::new();
        for (id, mention, meaning) in self.named() {
            let from = self.modules[id].file.as_str();
            for to in
                meaning.modules.iter().map(|to| self.modules[*to].file.as_str()).filter(|to| *to != from)
            {
                let known = edges.entry((from, to)).or_insert(mention);
                if known.test && !mention.test {
                    *known = mention;
                }
            }
        }
        let edge = |((from, to), mention): ((&str, &str), &Mention)| Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            what: mention.what.clone(),
            test: mention.test,
        };
        edges.into_iter().map(edge).collect()
    }
}

/// Groups of two or more that need each other, smallest name first.
pub(crate) fn circles<'a>(edges: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Vec<&'a str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().insert(to);
        next.entry(to).or_default();
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> = next
        .keys()
        .map(|start| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![*start]);
            while let Some(at) = open.pop() {
                open.extend(next[at].iter().filter(|to| seen.insert(**to)));
            }
            (*start, seen)
        })
        .collect();
    let mut found: Vec<Vec<&str>> = next
        .keys()
        .filter(|start| reach[*start].contains(*start))
        .map(|start| reach[start].iter().copied().filter(|other| reach[other].contains(start)).collect())
        .collect();
    found.retain(|circle: &Vec<&str>| circle.len() > 1);
    found.sort();
    found.dedup();
    found
}
