//! The sections that can be there several times: `[[class]]` and `[[source]]`.
use std::path::PathBuf;

use super::merge::Named;
use super::problem::Problem;
use super::validate::{Checker, absolute, before_pairing};
use rigpost_contract::glob::Glob;
use rigpost_contract::item::BeforePairing;
use rigpost_core::queue::class::{ClassWish, Classes, is_built_in};
use rigpost_core::queue::source::Source;

const MAX_NAME: usize = 64;
/// As many channels as Frame.io gives to one device (contract §5.6).
const MAX_CHANNEL: u64 = 100;

/// What is configured, before what is built in.
pub(super) fn classes(lists: &[Named], problems: &mut Vec<Problem>) -> Classes {
    let mut wishes = Vec::new();
    for named in lists.iter().filter(|named| named.section == "class") {
        let mut wish = ClassWish { name: named.name.clone(), ..ClassWish::default() };
        check_name(named, problems);
        if !named.keys.contains_key("class.patterns") && !is_built_in(&wish.name) {
            missing(named, "class.patterns", "it matches nothing without them", problems);
        }
        let mut c = Checker { merged: &named.keys, problems };
        c.texts("class.patterns", &mut wish.patterns, Glob::parse);
        c.signed("class.priority", &mut wish.priority);
        wishes.push(wish);
    }
    Classes::new(wishes)
}

/// Where the provider takes no clips.
pub(super) fn refuse(lists: &[Named], problems: &mut Vec<Problem>) {
    for named in lists.iter().filter(|named| named.section == "source") {
        let reason = "a provider of the kind \"oauth\" takes no clips: remove this section".to_owned();
        let (file, line) = (named.file.clone(), Some(named.line));
        problems.push(Problem { file, line, key: Some("source".to_owned()), reason });
    }
}

/// In the order in which they look at a file.
pub(super) fn sources(
    lists: &[Named],
    classes: &Classes,
    media_dirs: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Vec<Source> {
    let of = lists.iter().filter(|named| named.section == "source");
    of.map(|named| source(named, classes, media_dirs, problems)).collect()
}

fn source(named: &Named, classes: &Classes, media_dirs: &[PathBuf], problems: &mut Vec<Problem>) -> Source {
    let mut s = Source { name: named.name.clone(), before_pairing: BeforePairing::Ask, ..Source::default() };
    check_name(named, problems);
    if !named.keys.contains_key("source.path") {
        missing(named, "source.path", "where shall it look?", problems);
    }
    let mut c = Checker { merged: &named.keys, problems };
    c.text("source.path", &mut s.path, |text| beneath(text, media_dirs));
    c.texts("source.patterns", &mut s.patterns, Glob::parse);
    c.texts("source.exclude", &mut s.exclude, Glob::parse);
    c.text("source.class", &mut s.class, |text| match classes.named(text) {
        Some(class) => Ok(Some(class.name.clone())),
        None => Err(format!("there is no class {text:?}; there are {}", classes.names().join(", "))),
    });
    let mut channel = 0;
    c.number("source.channel", &mut channel, 0, MAX_CHANNEL);
    s.channel = u8::try_from(channel).unwrap_or_default();
    c.signed("source.priority", &mut s.priority);
    c.text("source.before_pairing", &mut s.before_pairing, before_pairing);
    s
}

fn beneath(text: &str, media_dirs: &[PathBuf]) -> Result<PathBuf, String> {
    let path = absolute(text)?;
    if media_dirs.iter().any(|dir| path.starts_with(dir)) {
        return Ok(path);
    }
    let dirs: Vec<String> = media_dirs.iter().map(|dir| dir.display().to_string()).collect();
    Err(format!("must lie beneath one of `queue.media_dirs` ({}), not {text:?}", dirs.join(", ")))
}

fn check_name(named: &Named, problems: &mut Vec<Problem>) {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    let name = &named.name;
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(good) && name.trim() == name {
        return;
    }
    let reason =
        format!("must have 1 to {MAX_NAME} letters, digits, \"-\", \"_\", \".\" or blanks, not {name:?}");
    let at = named.keys.get(if named.section == "class" { "class.name" } else { "source.name" });
    let (file, line) = at.map_or((&named.file, named.line), |s| (&s.file, s.line));
    let key = Some(format!("{}.name", named.section));
    problems.push(Problem { file: file.clone(), line: Some(line), key, reason });
}

fn missing(named: &Named, key: &str, why: &str, problems: &mut Vec<Problem>) {
    let reason = format!("is missing in the [[{}]] named {:?}: {why}", named.section, named.name);
    let (file, line) = (named.file.clone(), Some(named.line));
    problems.push(Problem { file, line, key: Some(key.to_owned()), reason });
}
