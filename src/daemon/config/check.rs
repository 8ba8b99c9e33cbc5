//! Values of the kinds that the table names: what is set and right, else what the key is without anybody's word.
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::forms;
use super::fragment::Value;
use super::keys::Key;
use super::merge::{Keys, Setting};
use super::problem::Problem;
use super::rule::{Kind, Preset};
use rigpost_contract::glob::Glob;

/// For what always is something.
pub(super) const PRESET: &str = "a preset passes its own check: a test tries each";

/// Judges the keys of one place: the plain ones, or those of one `[[section]]`.
pub(super) struct Checker<'a> {
    pub(super) keys: &'a Keys,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    /// Where this key is set, that is wrong.
    pub(super) fn refuse(&mut self, key: Key, reason: impl Into<String>) {
        if let Some(setting) = self.keys.get(&key) {
            self.wrong(key, setting, setting.line, reason.into());
        }
    }

    /// Notes what is wrong with a key, at this line of the file that sets it.
    pub(super) fn wrong(&mut self, key: Key, setting: &Setting, line: usize, reason: String) {
        let key = Some(key.name().to_owned());
        self.problems.push(Problem { file: setting.file.clone(), line: Some(line), key, reason });
    }

    /// A text as `check` reads it. `None`: neither set and right, nor preset.
    pub(super) fn parsed<T>(&mut self, key: Key, check: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        if let Some(setting @ Setting { value: Value::Text(text), .. }) = self.keys.get(&key) {
            match check(text) {
                Ok(value) => return Some(value),
                Err(reason) => self.wrong(key, setting, setting.line, reason),
            }
        }
        match key.rule().preset {
            Preset::Text(text) => check(text).ok(),
            Preset::Nothing | Preset::Flag(_) | Preset::Number(_) | Preset::Texts(_) => None,
        }
    }

    /// A text of its form.
    pub(super) fn text(&mut self, key: Key) -> Option<String> {
        let Kind::Text(form) = key.rule().kind else { return None };
        self.parsed(key, |text| forms::text(form, text))
    }

    /// One of the key's words, and what `read` makes of it.
    pub(super) fn word<T>(&mut self, key: Key, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let kind = key.rule().kind;
        self.parsed(key, |text| {
            let word = kind.words().find(|word| *word == text);
            word.and_then(&read).ok_or_else(|| format!("must be {}, not {text:?}", kind.choice()))
        })
    }

    /// A time, or what `read` makes of one of the key's words.
    pub(super) fn span<T>(
        &mut self,
        key: Key,
        word: impl Fn(&str) -> T,
        time: impl Fn(Duration) -> T,
    ) -> Option<T> {
        let Kind::Span { least, most, .. } = key.rule().kind else { return None };
        self.parsed(key, |text| match key.rule().kind.words().find(|known| *known == text) {
            Some(known) => Ok(word(known)),
            None => forms::span(text, least, most).map(&time),
        })
    }

    pub(super) fn path(&mut self, key: Key) -> Option<PathBuf> {
        self.parsed(key, forms::absolute)
    }

    pub(super) fn url(&mut self, key: Key) -> Option<Url> {
        self.parsed(key, forms::url)
    }

    pub(super) fn flag(&mut self, key: Key) -> bool {
        match (self.keys.get(&key), key.rule().preset) {
            (Some(Setting { value: Value::Flag(flag), .. }), _) => *flag,
            (_, preset) => preset == Preset::Flag(true),
        }
    }

    /// A number in its range. `None`: neither set and right, nor preset.
    pub(super) fn number(&mut self, key: Key) -> Option<i64> {
        let kind = key.rule().kind;
        if let Some(setting @ Setting { value: Value::Number(n), .. }) = self.keys.get(&key) {
            if kind.takes(*n) {
                return Some(*n);
            }
            self.wrong(key, setting, setting.line, format!("must be {}, not {n}", kind.range()));
        }
        match key.rule().preset {
            Preset::Number(n) => Some(n),
            Preset::Nothing | Preset::Text(_) | Preset::Flag(_) | Preset::Texts(_) => None,
        }
    }

    /// The same in the type of its place, whose range is not the narrower one.
    pub(super) fn count<T: TryFrom<i64> + Default>(&mut self, key: Key) -> T {
        self.number(key).and_then(|n| T::try_from(n).ok()).unwrap_or_default()
    }

    pub(super) fn patterns(&mut self, key: Key) -> Vec<Glob> {
        self.each(key, Glob::parse)
    }

    /// Names and values. None comes twice in a request but a `resource` (RFC 8707 §2).
    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.1
    //# Request and response parameters MUST NOT be included more than once.
    pub(super) fn parameters(&mut self, key: Key) -> Vec<(String, String)> {
        if let Some(setting @ Setting { value: Value::Texts(texts), .. }) = self.keys.get(&key) {
            let name = |n: usize| texts.get(n).and_then(|(text, _)| text.split('=').next());
            for (n, (_, line)) in texts.iter().enumerate() {
                if name(n) != Some("resource") && (0..n).any(|before| name(before) == name(n)) {
                    self.wrong(
                        key,
                        setting,
                        *line,
                        format!("{:?} is there twice", name(n).unwrap_or_default()),
                    );
                }
            }
        }
        self.each(key, forms::parameter)
    }

    /// At least one, unless that is noted.
    pub(super) fn paths(&mut self, key: Key) -> Vec<PathBuf> {
        if let Some(setting @ Setting { value: Value::Texts(texts), .. }) = self.keys.get(&key)
            && texts.is_empty()
        {
            self.wrong(key, setting, setting.line, "must name at least one directory".into());
        }
        self.each(key, forms::absolute)
    }

    /// Each text of a list for itself.
    fn each<T>(&mut self, key: Key, check: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        if let Some(setting @ Setting { value: Value::Texts(texts), .. }) = self.keys.get(&key) {
            let mut good = Vec::new();
            for (text, line) in texts {
                match check(text) {
                    Ok(value) => good.push(value),
                    Err(reason) => self.wrong(key, setting, *line, reason),
                }
            }
            return good;
        }
        match key.rule().preset {
            Preset::Texts(texts) => texts.iter().filter_map(|text| check(text).ok()).collect(),
            Preset::Nothing | Preset::Text(_) | Preset::Flag(_) | Preset::Number(_) => Vec::new(),
        }
    }
}
