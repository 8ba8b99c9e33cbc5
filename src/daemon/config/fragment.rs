//! Step one: the text of one file becomes entries that are known keys with values of the right kind.
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, LISTS};
use super::near::nearest;
use super::problem::Problem;
use super::rule::Kind;
use rigpost_core::few;

/// A value of one of the kinds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Flag(bool),
    Number(i64),
    /// Each with its line.
    Texts(Vec<(String, usize)>),
}

/// One key of one file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) value: Value,
    /// From 1.
    pub(super) line: usize,
}

/// One `[[section]]` of one file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Element {
    pub(super) section: &'static str,
    pub(super) entries: Vec<Entry>,
    /// There is a key `name`, right or wrong.
    pub(super) named: bool,
    /// Where it begins, from 1.
    pub(super) line: usize,
}

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) entries: Vec<Entry>,
    pub(super) elements: Vec<Element>,
}

/// Reads what can be read and notes everything that is wrong.
pub(super) fn parse(file: &Path, text: &str, problems: &mut Vec<Problem>) -> Parsed {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { file, text, problems, parsed: Parsed::default() };
    if errors.is_empty() {
        reader.root(root.get_ref());
    } else {
        // What a broken text seems to say would only add to the noise. One mistake often is several errors in a line.
        let mut last = 0;
        for e in errors {
            let at = e.span().map_or(0, |span| span.start);
            let line = line_of(text, at);
            if line != last {
                let why = if lacks_quotes(text, line) {
                    "a text must stand in quotes".into()
                } else {
                    e.message().replace('\n', ", ")
                };
                let reason = format!("is not valid TOML: {why}");
                reader.problem(at, key_near(text, line), reason);
            }
            last = line;
        }
    }
    reader.parsed
}

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    parsed: Parsed,
}

impl Reader<'_> {
    fn root(&mut self, root: &DeTable<'_>) {
        for (name, value) in in_order(root) {
            let (name, at) = (name.get_ref(), name.span().start);
            let known = Key::ALL.iter().any(|key| key.section() == name);
            if let Some(list) = LISTS.iter().find(|list| *list == name) {
                self.list(list, at, value);
                continue;
            }
            match value.get_ref().as_table() {
                Some(table) if known => {
                    let entries = self.section(name, table);
                    self.parsed.entries.extend(entries);
                }
                Some(_) => self.unknown_section(name, at),
                None if known => {
                    self.problem(
                        at,
                        Some(name.to_string()),
                        format!("is a section: write [{name}] on a line of its own"),
                    );
                }
                None if value.get_ref().is_array() => self.unknown_section(name, at),
                None => self.unknown(name, at),
            }
        }
    }

    fn unknown_section(&mut self, name: &str, at: usize) {
        let near = nearest(name, Key::ALL.iter().map(|key| key.section()));
        self.problem(at, Some(name.to_owned()), format!("there is no such section{}", maybe(near)));
    }

    /// `[[section]]`, each time it is written.
    fn list(&mut self, section: &'static str, at: usize, value: &Spanned<DeValue<'_>>) {
        let tables = value.get_ref().as_array().map(|array| {
            array
                .iter()
                .map(|e| e.get_ref().as_table().map(|t| (t, e.span().start)))
                .collect::<Option<Vec<_>>>()
        });
        let Some(Some(tables)) = tables else {
            let reason = format!("can be there several times: write [[{section}]] on a line of its own");
            return self.problem(at, Some(section.to_owned()), reason);
        };
        for (table, at) in tables {
            let entries = self.section(section, table);
            let named = table.iter().any(|(key, _)| key.get_ref() == "name");
            self.parsed.elements.push(Element { section, entries, named, line: line_of(self.text, at) });
        }
    }

    fn section(&mut self, section: &str, table: &DeTable<'_>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (name, value) in in_order(table) {
            let full = format!("{section}.{}", name.get_ref());
            let Some(key) = Key::ALL.iter().copied().find(|key| key.name() == full) else {
                self.unknown(&full, name.span().start);
                continue;
            };
            if let Some(value) = self.value(key, value) {
                entries.push(Entry { key, value, line: line_of(self.text, name.span().start) });
            }
        }
        entries
    }

    fn unknown(&mut self, key: &str, at: usize) {
        let last = key.rsplit('.').next().unwrap_or(key);
        let known = Key::ALL.iter().map(|known| known.name());
        let elsewhere = known.clone().find(|known| known.ends_with(&format!(".{last}")));
        let near = elsewhere.or_else(|| nearest(key, known));
        self.problem(at, Some(key.to_owned()), format!("there is no such key{}", maybe(near)));
    }

    fn value(&mut self, key: Key, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let found = value.get_ref();
        let (read, wanted) = match key.rule().kind {
            Kind::Text(_) | Kind::Word(_) | Kind::Path | Kind::Url | Kind::Proxy | Kind::Span { .. } => {
                (found.as_str().map(|text| Value::Text(text.to_owned())), "a text in quotes")
            }
            Kind::Flag => (found.as_bool().map(Value::Flag), "true or false"),
            Kind::Whole { .. } => (found.as_integer().and_then(number).map(Value::Number), "a whole number"),
            Kind::Channel { .. } => (channel(found), "a number, or { model = \"...\" }"),
            Kind::Paths | Kind::Patterns | Kind::Parameters => {
                (self.texts(found), "a list of texts, [\"...\", \"...\"]")
            }
        };
        if read.is_none() {
            let reason = format!("must be {wanted}, not {}", plainly(found));
            self.problem(value.span().start, Some(key.name().to_owned()), reason);
        }
        read
    }

    fn texts(&self, found: &DeValue<'_>) -> Option<Value> {
        let texts = found.as_array()?.iter().map(|element| {
            let line = line_of(self.text, element.span().start);
            Some((element.get_ref().as_str()?.to_owned(), line))
        });
        texts.collect::<Option<_>>().map(Value::Texts)
    }

    fn problem(&mut self, at: usize, key: Option<String>, reason: String) {
        let line = Some(line_of(self.text, at));
        self.problems.push(Problem { file: self.file.to_owned(), line, key, reason });
    }
}

/// As they stand in the file; the tree sorts by name.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<toml::de::DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    few::sort_by_key(&mut entries, |(name, _)| name.span().start);
    entries
}

/// A number, or a table that names a model and nothing else.
fn channel(found: &DeValue<'_>) -> Option<Value> {
    let Some(table) = found.as_table() else { return found.as_integer().and_then(number).map(Value::Number) };
    let model = table.iter().find(|(name, _)| name.get_ref() == "model").filter(|_| table.len() == 1);
    Some(Value::Text(model?.1.get_ref().as_str()?.to_owned()))
}

fn number(n: &toml::de::DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(n.as_str(), n.radix()).ok()
}

fn plainly(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "this list",
        DeValue::Table(_) => "a section",
    }
}

fn maybe(near: Option<&str>) -> String {
    near.map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// From 1.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

/// The key that a line which is no TOML seems to set.
fn key_near(text: &str, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let (name, _) = lines.last()?.split_once('=')?;
    let name = name.trim();
    let plain =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let header = lines.iter().rev().find_map(|l| l.trim().strip_prefix('[')?.strip_suffix(']'));
    plain(name).then(|| header.filter(|h| plain(h)).map_or(name.to_owned(), |h| format!("{h}.{name}")))
}

/// The most common mistake, which the parser takes for a misspelt `true` or a bad number.
fn lacks_quotes(text: &str, line: usize) -> bool {
    let value =
        text.lines().nth(line - 1).and_then(|l| l.split_once('=')).map_or("", |(_, value)| value.trim());
    value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
}
