//! Names become numbers, and addresses lose what may be secret in them.
//!
//! # Decisions
//!
//! - A name is learned where it stands by itself (a key of the status, of an item, a field of the journal) and then found
//!   wherever else it stands. One that is an everyday word makes a sentence odd; better that than a name that is told.
//! - What stands in a directory of the media is a clip, also where nobody has told of it.

use std::collections::HashMap;

use serde_json::Value;

use rigpost_contract::blocker::Blocker;
use rigpost_contract::pairing::State;

/// What is known of names, and whether they are hidden.
#[derive(Debug, Default)]
pub(super) struct Veil {
    is_thin: bool,
    /// With what stands instead, by their first character; the longest first.
    names: HashMap<char, Vec<(String, String)>>,
    counts: HashMap<&'static str, usize>,
    /// Where clips lie: no names themselves.
    dirs: Vec<String>,
}

/// Keys that have a name, with what it is the name of.
const KEYS: [(&str, &str); 7] = [
    ("name", "clip"),
    ("path", "clip"),
    ("project_name", "project"),
    ("authorized_by", "person"),
    ("FILE", "clip"),
    ("PATH", "clip"),
    ("LINK", "clip"),
];

impl Veil {
    /// `is_thin`: nothing is hidden but what may be secret. `dirs`: where clips lie.
    pub(super) fn new(is_thin: bool, dirs: Vec<String>) -> Self {
        Self { is_thin, dirs, ..Self::default() }
    }

    /// Learns the names in the status, the list of items, or an entry of the journal.
    pub(super) fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match (KEYS.iter().find(|(name, _)| name == key), value) {
                        (Some((_, kind)), Value::String(name)) => self.learn_name(kind, name),
                        (None, Value::String(line)) if key == "MESSAGE" => self.learn_line(line),
                        (None, Value::String(text)) if key == "text" => self.learn_sentence(text),
                        (_, value) => self.learn(value),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.learn(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The lines of the daemon that have a project's name.
    fn learn_line(&mut self, line: &str) {
        let headline = format!("{} with ", State::Paired.headline());
        let named = line.strip_prefix(&headline);
        let renamed = line.split_once(" is called ").and_then(|(_, name)| name.strip_suffix(" now"));
        if let Some(name) = named.or(renamed) {
            self.learn_name("project", name);
        }
    }

    /// What is held may belong to a project that none of the newest items has.
    fn learn_sentence(&mut self, sentence: &str) {
        if let Some(name) = Blocker::held_project(sentence) {
            self.learn_name("project", name);
        }
    }

    fn learn_name(&mut self, kind: &'static str, name: &str) {
        let Some(first) = name.chars().next().filter(|_| !self.dirs.iter().any(|dir| dir == name)) else {
            return;
        };
        let alike = self.names.entry(first).or_default();
        if alike.iter().any(|(known, _)| known == name) {
            return;
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let at = alike.partition_point(|(known, _)| known.len() >= name.len());
        alike.insert(at, (name.to_owned(), format!("[{kind} {count}]")));
        // A path ends with the name of its file, which a sentence may have alone, and without what says its kind.
        let file = name.rsplit('/').next().unwrap_or_default();
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        for part in [file, stem].into_iter().filter(|part| *part != name && part.len() > 3) {
            self.learn_name(kind, part);
        }
    }

    /// The value as it may be told. Numbers and keys stay.
    pub(super) fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(object) => {
                if !self.is_thin {
                    // A name in numbers, beside the same in letters.
                    object.remove("path_bytes");
                }
                object.values_mut().for_each(|value| self.value(value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The text as it may be told.
    pub(super) fn text(&self, text: &str) -> String {
        let text = without_secrets(text);
        if self.is_thin { text } else { self.without_names(&text) }
    }

    fn without_names(&self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        let (mut rest, mut last) = (text, ' ');
        while let Some(c) = rest.chars().next() {
            let is_word = |a: char, b: char| a.is_alphanumeric() && b.is_alphanumeric();
            let named = self.names.get(&c).filter(|_| !is_word(last, c)).and_then(|alike| {
                alike.iter().find(|(name, _)| {
                    let ends = |after: &str| match (name.chars().next_back(), after.chars().next()) {
                        (Some(end), Some(next)) => !is_word(end, next),
                        (_, None) | (None, _) => true,
                    };
                    rest.strip_prefix(name.as_str()).is_some_and(ends)
                })
            });
            let in_dir = self.dirs.iter().find_map(|dir| rest.strip_prefix(dir.as_str())?.strip_prefix('/'));
            let (length, instead) = match (named, in_dir) {
                (Some((name, number)), _) => (name.len(), number.as_str()),
                (None, Some(path)) if !path.is_empty() => {
                    let ends = [path.find(['"', '\n']), path.find(": ")];
                    let end = ends.into_iter().flatten().min().unwrap_or(path.len());
                    (rest.len() - path.len() + end, "[clip]")
                }
                (None, _) => (c.len_utf8(), &rest[..c.len_utf8()]),
            };
            told.push_str(instead);
            last = rest[..length].chars().next_back().unwrap_or(' ');
            rest = &rest[length..];
        }
        told
    }
}

/// Addresses keep where they lead, and nothing of the user or the query.
fn without_secrets(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let is_over = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ')' | ']' | '}');
        let (address, next) = after.split_at(after.find(is_over).unwrap_or(after.len()));
        let (host, path) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
        told.push_str(before);
        told.push_str("://");
        told.push_str(host.rsplit_once('@').map_or(host, |(_, host)| host));
        told.push_str(path.find(['?', '#']).map_or(path, |end| &path[..end]));
        rest = next;
    }
    told.push_str(rest);
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn veil(is_thin: bool) -> Veil {
        let mut veil = Veil::new(is_thin, vec!["/media".to_owned()]);
        veil.learn(&json!({
            "summary": "Paired with Moonrise",
            "pairing": {"project_name": "Moonrise", "authorized_by": "Ana María"},
            "items": [{"name": "A001.mov", "path": "/media/card/A001.mov", "project_name": "Moon"}],
        }));
        veil.learn(&json!({"MESSAGE": "sending", "FILE": "/srv/old/Finale_07.mxf", "PATH": "/media"}));
        veil.learn(&json!({"MESSAGE": format!("{} with Dune Two", State::Paired.headline())}));
        veil.learn(&json!({"MESSAGE": "the project is called Dune Three now"}));
        let sentence = Blocker::of_held(2, &["Dune Four".to_owned()], "Moonrise");
        veil.learn(&json!({"blockers": [{"code": "held", "text": sentence}]}));
        veil
    }

    #[test]
    fn a_name_is_a_number_wherever_it_stands() {
        let veil = veil(false);
        let told = veil.text("Paired with Moonrise by Ana María; A001.mov of Moon, Moonlight");
        assert_eq!(told, "Paired with [project 2] by [person 1]; [clip 1] of [project 1], Moonlight");
        for text in [
            "Finale_07.mxf",
            "(Finale_07)",
            "to Dune Two",
            "Dune Three.",
            "of Dune Four, or",
            "/media/card/A001.mov is gone",
        ] {
            let told = veil.text(text);
            assert!(
                told.contains('[') && !["Finale", "Dune", "A001"].iter().any(|name| told.contains(name)),
                "{told}"
            );
        }
        assert_eq!(veil.text("/media/card/B 2.mov: no such file"), "[clip]: no such file");
        assert_eq!(veil.text("\"/media/x.mov\" and /media itself"), "\"[clip]\" and /media itself");
        let mut value = json!({"name": ["A001.mov", 7, null], "Moonrise": "x"});
        veil.value(&mut value);
        assert_eq!(value["name"][1], 7);
        assert_eq!(value["Moonrise"], "x");
        assert!(value["name"][0].as_str().unwrap().starts_with("[clip"));
    }

    #[test]
    fn with_names_they_stay_and_secrets_do_not() {
        let veil = veil(true);
        assert_eq!(veil.text("Moonrise, A001.mov"), "Moonrise, A001.mov");
        for (text, told) in [
            ("to https://ana:pw@a.example/b?code=123#x, now", "to https://a.example/b now"),
            ("(http://a.example?code=1) \"s3://b/c?d\"", "(http://a.example) \"s3://b/c\""),
            ("://", "://"),
            ("no address", "no address"),
        ] {
            assert_eq!(veil.text(text), told);
        }
    }
}
