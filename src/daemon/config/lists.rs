//! The sections that can be there several times: `[[class]]` and `[[source]]`.
use std::path::PathBuf;
use std::time::Duration;

use super::check::{Checker, PRESET};
use super::forms;
use super::keys::Key;
use super::merge::Named;
use super::problem::Problem;
use rigpost_core::queue::class::{Classes, ConfiguredClass, is_built_in};
use rigpost_core::queue::clip_name::NameTemplate;
use rigpost_core::queue::source::Source;

/// What is configured, before what is built in.
pub(super) fn classes(lists: &[Named], problems: &mut Vec<Problem>) -> Classes {
    let mut configured = Vec::new();
    for named in lists.iter().filter(|named| named.section == Key::ClassName.section()) {
        check_name(named, Key::ClassName, problems);
        if !named.keys.contains_key(&Key::ClassPatterns) && !is_built_in(&named.name) {
            missing(named, Key::ClassPatterns, "it matches nothing without them", problems);
        }
        let mut c = Checker { keys: &named.keys, problems };
        configured.push(ConfiguredClass {
            name: named.name.clone(),
            patterns: c.patterns(Key::ClassPatterns),
            priority: priority(&mut c, Key::ClassPriority),
        });
    }
    Classes::new(configured)
}

/// What only the dialect of projects has: recordings that are sent while they grow, and channels.
pub(super) fn refuse_projects(lists: &[Named], problems: &mut Vec<Problem>) {
    for named in lists.iter().filter(|named| named.section == Key::SourceName.section()) {
        let mut c = Checker { keys: &named.keys, problems };
        let wants = [
            (Key::SourceWhileRecording, c.flag(Key::SourceWhileRecording)),
            (Key::SourceChannel, named.keys.contains_key(&Key::SourceChannel)),
        ];
        for (key, _) in wants.into_iter().filter(|(_, wanted)| *wanted) {
            c.refuse(key, "is of projects only: a bucket takes finished clips of one rig");
        }
    }
}

/// Where no clips go.
pub(super) fn refuse(lists: &[Named], problems: &mut Vec<Problem>) {
    for named in lists.iter().filter(|named| named.section == Key::SourceName.section()) {
        let reason = "no clips go anywhere here: remove this section, or say where in [delivery]".to_owned();
        let (file, line) = (named.file.clone(), Some(named.line));
        problems.push(Problem { file, line, key: Some(named.section.to_owned()), reason });
    }
}

/// In the order in which they look at a file.
pub(super) fn sources(
    lists: &[Named],
    classes: &Classes,
    media_dirs: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Vec<Source> {
    let of = lists.iter().filter(|named| named.section == Key::SourceName.section());
    of.map(|named| source(named, classes, media_dirs, problems)).collect()
}

fn source(named: &Named, classes: &Classes, media_dirs: &[PathBuf], problems: &mut Vec<Problem>) -> Source {
    check_name(named, Key::SourceName, problems);
    if !named.keys.contains_key(&Key::SourcePath) {
        missing(named, Key::SourcePath, "where shall it look?", problems);
    }
    let mut c = Checker { keys: &named.keys, problems };
    let path = c.parsed(Key::SourcePath, |text| beneath(text, media_dirs));
    let patterns = c.patterns(Key::SourcePatterns);
    let exclude = c.patterns(Key::SourceExclude);
    let class = c.parsed(Key::SourceClass, |text| match classes.named(text) {
        Some(class) => Ok(class.name.clone()),
        None => Err(format!("there is no class {text:?}; there are {}", classes.names().join(", "))),
    });
    Source {
        name: named.name.clone(),
        path: path.unwrap_or_default(),
        patterns,
        exclude,
        class,
        channel: c.count(Key::SourceChannel),
        model: c.parsed(Key::SourceChannel, forms::uuid),
        priority: priority(&mut c, Key::SourcePriority),
        before_pairing: c.word(Key::SourceBeforePairing, |word| word.parse().ok()).expect(PRESET),
        incomplete: c.span(Key::SourceIncomplete, incomplete, Some).expect(PRESET),
        scan: c.span(Key::SourceScan, |_| None, Some).expect(PRESET),
        without_sequences: !c.flag(Key::SourceSequences),
        while_recording: c.flag(Key::SourceWhileRecording),
        clip_name: c.parsed(Key::SourceClipName, NameTemplate::parse),
    }
}

/// "hold" or "send".
fn incomplete(word: &str) -> Option<Duration> {
    (word == "send").then_some(Duration::ZERO)
}

fn priority(c: &mut Checker<'_>, key: Key) -> Option<i32> {
    c.number(key).and_then(|n| i32::try_from(n).ok())
}

fn beneath(text: &str, media_dirs: &[PathBuf]) -> Result<PathBuf, String> {
    let path = forms::absolute(text)?;
    if media_dirs.iter().any(|dir| path.starts_with(dir)) {
        return Ok(path);
    }
    let dirs: Vec<String> = media_dirs.iter().map(|dir| dir.display().to_string()).collect();
    let (key, dirs) = (Key::QueueMediaDirs.name(), dirs.join(", "));
    Err(format!("must lie beneath one of `{key}` ({dirs}), not {text:?}"))
}

/// A later file that names the section spells the name anew, so the place may be another one.
fn check_name(named: &Named, key: Key, problems: &mut Vec<Problem>) {
    let Err(reason) = forms::label(&named.name) else { return };
    let (file, line) = named.keys.get(&key).map_or((&named.file, named.line), |s| (&s.file, s.line));
    problems.push(Problem { file: file.clone(), line: Some(line), key: Some(key.name().to_owned()), reason });
}

fn missing(named: &Named, key: Key, why: &str, problems: &mut Vec<Problem>) {
    let reason = format!("is missing in the [[{}]] named {:?}: {why}", named.section, named.name);
    let (file, line) = (named.file.clone(), Some(named.line));
    problems.push(Problem { file, line, key: Some(key.name().to_owned()), reason });
}
