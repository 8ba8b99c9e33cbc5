//! Step three: values that make sense, or a sentence about why not.
use std::path::{Component, Path, PathBuf};

use super::fragment::Value;
use super::merge::{Keys, Merged, Setting};
use super::problem::Problem;
use super::{ClientIdSource, Level, ProviderKind, Roots, Settings, provider, sources};
use rigpost_contract::item::BeforePairing;

/// Settings with a default in the place of everything that is wrong and noted.
pub(super) fn settings(merged: &Merged, roots: &Roots, problems: &mut Vec<Problem>) -> Settings {
    let mut s = Settings::default();
    let mut c = Checker { merged: &merged.keys, problems };
    if let Some(dir) = &roots.state_dir {
        s.state.dir.clone_from(dir);
    }
    s.device.client_id = c.client_id_source();
    provider::section(&mut c, &mut s.provider);
    provider::tokens(&mut c, s.provider.kind, &mut s.tokens);
    c.text("state.dir", &mut s.state.dir, absolute);
    s.vault.key_file = s.state.dir.join("root.key");
    c.text("vault.key_file", &mut s.vault.key_file, absolute);
    c.media_dirs(&mut s.queue.media_dirs);
    c.number("queue.max_items", &mut s.queue.max_items, 1, i64::MAX as u64);
    c.number("queue.max_items_per_user", &mut s.queue.max_items_per_user, 1, i64::MAX as u64);
    let mut parts = s.queue.parallel_parts as u64;
    c.number("queue.parallel_parts", &mut parts, 1, 16);
    s.queue.parallel_parts = parts as usize;
    c.number("queue.settle_seconds", &mut s.queue.settle_seconds, 1, 3600);
    c.text("queue.before_pairing", &mut s.queue.before_pairing, before_pairing);
    c.text("log.level", &mut s.log.level, level);
    s.classes = sources::classes(&merged.lists, problems);
    s.sources = sources::sources(&merged.lists, &s.classes, &s.queue.media_dirs, problems);
    if s.provider.kind == ProviderKind::OAuth {
        sources::refuse(&merged.lists, problems);
    }
    s
}

/// Judges the keys of one place: the plain ones, or those of one `[[section]]`.
pub(super) struct Checker<'a> {
    pub(super) merged: &'a Keys,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    pub(super) fn wrong(&mut self, key: &str, setting: &Setting, line: usize, reason: String) {
        let key = Some(key.to_owned());
        self.problems.push(Problem { file: setting.file.clone(), line: Some(line), key, reason });
    }

    pub(super) fn text<T>(&mut self, key: &str, into: &mut T, check: impl Fn(&str) -> Result<T, String>) {
        let Some(setting @ Setting { value: Value::Text(text), .. }) = self.merged.get(key) else { return };
        match check(text) {
            Ok(value) => *into = value,
            Err(reason) => self.wrong(key, setting, setting.line, reason),
        }
    }

    pub(super) fn flag(&mut self, key: &str, into: &mut bool) {
        if let Some(Setting { value: Value::Flag(flag), .. }) = self.merged.get(key) {
            *into = *flag;
        }
    }

    pub(super) fn number(&mut self, key: &str, into: &mut u64, least: u64, most: u64) {
        let Some(setting @ Setting { value: Value::Number(n), .. }) = self.merged.get(key) else { return };
        match u64::try_from(*n).ok().filter(|n| (least..=most).contains(n)) {
            Some(n) => *into = n,
            None if most == i64::MAX as u64 => {
                self.wrong(key, setting, setting.line, format!("must be at least {least}, not {n}"));
            }
            None => {
                self.wrong(
                    key,
                    setting,
                    setting.line,
                    format!("must be between {least} and {most}, not {n}"),
                );
            }
        }
    }

    /// For numbers that may be negative.
    pub(super) fn signed(&mut self, key: &str, into: &mut Option<i32>) {
        let Some(setting @ Setting { value: Value::Number(n), .. }) = self.merged.get(key) else { return };
        match i32::try_from(*n) {
            Ok(n) => *into = Some(n),
            Err(_) => {
                let reason = format!("must be between {} and {}, not {n}", i32::MIN, i32::MAX);
                self.wrong(key, setting, setting.line, reason);
            }
        }
    }

    /// Each text of a list for itself.
    pub(super) fn texts<T>(
        &mut self,
        key: &str,
        into: &mut Vec<T>,
        check: impl Fn(&str) -> Result<T, String>,
    ) {
        let Some(setting @ Setting { value: Value::Texts(texts), .. }) = self.merged.get(key) else { return };
        into.clear();
        for (text, line) in texts {
            match check(text) {
                Ok(value) => into.push(value),
                Err(reason) => self.wrong(key, setting, *line, reason),
            }
        }
    }

    /// Of a name and a file, the one that a later file sets wins: a site may override its maker either way.
    fn client_id_source(&mut self) -> Option<ClientIdSource> {
        let (mut id, mut file) = (None, None);
        self.text("device.client_id", &mut id, |text| client_id(text).map(Some));
        self.text("device.client_id_file", &mut file, |text| absolute(text).map(Some));
        let rank = |key| self.merged.get(key).map(|setting: &Setting| setting.rank);
        let (id_rank, file_rank) = (rank("device.client_id"), rank("device.client_id_file"));
        if id_rank.is_some() && id_rank == file_rank {
            let key = "device.client_id_file";
            if let Some(setting) = self.merged.get(key) {
                self.wrong(
                    key,
                    setting,
                    setting.line,
                    "can't stand beside `device.client_id`: remove one of them".into(),
                );
            }
        }
        if id_rank > file_rank { id.map(ClientIdSource::Literal) } else { file.map(ClientIdSource::File) }
    }

    fn media_dirs(&mut self, into: &mut Vec<PathBuf>) {
        let key = "queue.media_dirs";
        let Some(setting @ Setting { value: Value::Texts(texts), .. }) = self.merged.get(key) else { return };
        if texts.is_empty() {
            self.wrong(key, setting, setting.line, "must name at least one directory".into());
        }
        self.texts(key, into, absolute);
    }
}

/// A name that the cloud keeps for the life of the rig.
pub(super) fn client_id(text: &str) -> Result<String, String> {
    let wrong = |reason: &str| Err(format!("{text:?} {reason}"));
    if text.is_empty() || text.len() > 128 {
        return Err(format!("must have 1 to 128 characters, not {}", text.chars().count()));
    }
    if !text.chars().all(|c| c.is_ascii_graphic() || c == ' ') || text.trim() != text {
        return wrong("must be printable ASCII without blanks around it");
    }
    if text.contains('@') {
        return wrong("looks like a mail address: the name of a rig must not be a person's");
    }
    if is_mac_address(text) {
        return wrong(
            "is a MAC address: it changes with the network card and lets others track the rig; use a serial number, or leave it out for a random name",
        );
    }
    Ok(text.to_owned())
}

/// Twelve hexadecimal digits in twos or fours, or without marks when there is a letter: twelve digits are a serial number.
fn is_mac_address(text: &str) -> bool {
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let marks = text.len() - hex.len();
    let grouped = |mark: char, len: usize| {
        text.split(mark).all(|group| group.len() == len && group.chars().all(|c| c.is_ascii_hexdigit()))
    };
    hex.len() == 12
        && match marks {
            0 => hex.chars().any(|c| c.is_ascii_alphabetic()),
            5 => grouped(':', 2) || grouped('-', 2),
            2 => grouped('.', 4),
            _ => false,
        }
}

pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if !path.is_absolute() {
        return Err(format!("must be an absolute path, not {text:?}"));
    }
    if text.contains('\0') || path.components().any(|c| c == Component::ParentDir) {
        return Err(format!("must be a path without \"..\", not {text:?}"));
    }
    Ok(path.components().collect())
}

pub(super) fn before_pairing(text: &str) -> Result<BeforePairing, String> {
    text.parse().map_err(|_| format!("must be \"queue\", \"ask\" or \"ignore\", not {text:?}"))
}

fn level(text: &str) -> Result<Level, String> {
    [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace]
        .into_iter()
        .find(|level| level.as_str() == text)
        .ok_or_else(|| format!("must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\", not {text:?}"))
}
