//! The lists: a file for each standard, with the sentences in it that bind a client.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fmt, fs};

use serde::Deserialize;

/// A standard, as its file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Standard {
    /// Of the file, without `.toml`.
    #[serde(skip)]
    pub(crate) name: String,
    pub(crate) title: String,
    /// What a citation begins with; the section follows.
    pub(crate) url: String,
    /// Which parts were looked through, and what was left out.
    pub(crate) scope: String,
    /// Each section that was looked through, and its title.
    pub(crate) sections: BTreeMap<String, String>,
    #[serde(rename = "rule")]
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) section: String,
    pub(crate) level: Level,
    /// The sentence, word by word.
    pub(crate) text: String,
    /// Nothing here keeps it, and why that is right.
    pub(crate) exception: Option<String>,
    /// It is kept but for this, and why that is right.
    pub(crate) departs: Option<String>,
    /// Another rule, `standard id`, that says the same: whatever keeps that keeps this.
    #[serde(rename = "as")]
    pub(crate) same: Option<String>,
    /// What is to keep it is being built.
    #[serde(default)]
    pub(crate) pending: bool,
    /// Where the standard has no text of its own: who says so.
    pub(crate) source: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum Level {
    #[serde(rename = "MUST")]
    Must,
    #[serde(rename = "MUST NOT")]
    MustNot,
    #[serde(rename = "SHOULD")]
    Should,
    #[serde(rename = "SHOULD NOT")]
    ShouldNot,
}

impl Level {
    pub(crate) fn is_must(self) -> bool {
        match self {
            Level::Must | Level::MustNot => true,
            Level::Should | Level::ShouldNot => false,
        }
    }

    /// By which words a sentence is of this level (RFC 2119; the older ones of them write small).
    fn words(self) -> &'static [&'static str] {
        match self {
            Level::Must => &["must", "required", "verify"],
            Level::MustNot => &["must not"],
            Level::Should => &["should", "recommended"],
            Level::ShouldNot => &["should not", "not recommended"],
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Must => "MUST",
            Level::MustNot => "MUST NOT",
            Level::Should => "SHOULD",
            Level::ShouldNot => "SHOULD NOT",
        })
    }
}

/// In one line, as a citation is compared.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All lists, by the names of their files.
pub(crate) fn all() -> Vec<Standard> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "toml") {
            found
                .push(read(path.file_stem().unwrap().to_str().unwrap(), &fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

pub(crate) fn read(name: &str, text: &str) -> Standard {
    let mut standard: Standard = toml::from_str(text).unwrap_or_else(|e| panic!("{name}.toml: {e}"));
    name.clone_into(&mut standard.name);
    standard
}

/// What is wrong with a list by itself. `pending`: of which standards something may still be missing.
pub(crate) fn faults(standard: &Standard, pending: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    // The cloud's rules are in words of our own.
    let is_quoted = standard.url.starts_with("https:");
    for rule in &standard.rules {
        let mut say = |what: String| wrong.push(format!("{}.toml, {}: {what}", standard.name, rule.id));
        if !ids.insert(&rule.id) {
            say("the name is there twice".to_owned());
        }
        if !standard.sections.contains_key(&rule.section) {
            say(format!("section {} is not among the sections", rule.section));
        }
        let small = rule.text.to_lowercase();
        if is_quoted && !rule.level.words().iter().any(|word| small.contains(word)) {
            say(format!("the sentence is not one of level {}", rule.level));
        }
        if is_quoted == rule.source.is_some() {
            say("a source is for what is not quoted from the standard itself".to_owned());
        }
        if rule.pending && !pending.contains(&&*standard.name) {
            say("of this standard nothing is pending".to_owned());
        }
        let argued = [&rule.exception, &rule.departs];
        if argued.iter().filter(|why| why.is_some()).count() + usize::from(rule.pending) > 1 {
            say("an exception, a departure or pending: one of them".to_owned());
        }
        if rule.same.is_some() && (rule.exception.is_some() || rule.pending) {
            say("as another, and not kept".to_owned());
        }
        if argued.into_iter().flatten().any(|why| why.trim().len() < 20) {
            say("an exception says why".to_owned());
        }
    }
    wrong
}
