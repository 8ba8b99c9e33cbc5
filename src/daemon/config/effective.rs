//! What holds, and which file says so: for whoever looks from outside. The daemon itself has [`Settings`](super::Settings).
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::fragment::Value;
use super::keys::{Key, LISTS};
use super::merge::{self, Keys, Setting};
use super::problem::ConfigError;
use super::roots::Roots;
use super::rule::{Kind, Of, Preset};
use super::validate;
use rigpost_core::provider::ProviderKind;

/// What the files say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Those that were read, in their order: a later one wins.
    pub files: Vec<PathBuf>,
    /// Every key that means something to this provider, in the order of the documents; those of a `[[section]]` where they
    /// are set.
    pub values: Vec<Held>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The name of the `[[section]]`; empty for all others.
    pub of: String,
    /// Section and key, `queue.max_items`.
    pub key: &'static str,
    /// As it would be written in a file, a password left out; `None`: it is not set, and there is no preset.
    pub value: Option<String>,
    /// Who says so, and in which line; `None`: nobody, it is the preset.
    pub from: Option<(PathBuf, usize)>,
}

/// Reads every file as [`load`](super::load) does.
///
/// # Errors
/// As those of [`load`](super::load).
pub fn effective(main: Option<&Path>, roots: &Roots) -> Result<Effective, ConfigError> {
    let (fragments, mut problems) = merge::read_all(main, roots);
    let files = fragments.iter().map(|fragment| fragment.file.clone()).collect();
    let merged = merge::merge(fragments, &mut problems);
    let settings = validate::settings(&merged, roots.state_dir.as_deref(), &mut problems);
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    let means = |key: &Key| match key.rule().of {
        Of::Every => true,
        Of::Frameio => settings.provider.kind == ProviderKind::Frameio,
        Of::OAuth => settings.provider.kind == ProviderKind::OAuth,
    };
    let plain = Key::ALL.iter().filter(|key| !LISTS.contains(&key.section()) && means(key));
    let mut values: Vec<Held> = plain.map(|key| held(String::new(), *key, &merged.keys)).collect();
    for named in &merged.lists {
        values.extend(named.keys.keys().map(|key| held(named.name.clone(), *key, &named.keys)));
    }
    Ok(Effective { files, values })
}

fn held(of: String, key: Key, keys: &Keys) -> Held {
    let (value, from) = match keys.get(&key) {
        Some(Setting { file, line, value, .. }) => (Some(written(key, value)), Some((file.clone(), *line))),
        None => (preset(key), None),
    };
    Held { of, key: key.name(), value, from }
}

fn preset(key: Key) -> Option<String> {
    match key.rule().preset {
        Preset::Nothing => None,
        Preset::Text(text) => Some(quoted(text)),
        Preset::Flag(flag) => Some(flag.to_string()),
        Preset::Number(number) => Some(number.to_string()),
        Preset::Texts(texts) => Some(list(texts.iter().copied())),
    }
}

fn written(key: Key, value: &Value) -> String {
    match value {
        Value::Text(text) if key.rule().kind == Kind::Proxy => quoted(&without_password(text)),
        Value::Text(text) if matches!(key.rule().kind, Kind::Channel { .. }) => {
            format!("{{ model = {} }}", quoted(text))
        }
        Value::Text(text) => quoted(text),
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Texts(texts) => list(texts.iter().map(|(text, _)| text.as_str())),
    }
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(quoted).collect::<Vec<_>>().join(", "))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => drop(write!(quoted, "\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Of an address, what stands before the host.
fn without_password(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        (None, Some((_, host))) => format!("***@{host}"),
        (_, None) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dir: &Path, main: &str, later: &str) -> Effective {
        let path = dir.join("rigpost.toml");
        std::fs::create_dir_all(dir.join("conf.d")).unwrap();
        std::fs::write(&path, main).unwrap();
        std::fs::write(dir.join("conf.d/site.toml"), later).unwrap();
        let roots = Roots { vendor: dir.join("vendor"), main: path.clone(), state_dir: None };
        effective(Some(&path), &roots).unwrap()
    }

    #[test]
    fn every_key_says_what_it_is_and_who_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let main = "[queue]\nmax_items = 7\nmedia_dirs = [\"/a \\\"b\"]\n[[source]]\nname = \"A\"\npath = \"/a \\\"b/x\"\n";
        let all = of(dir.path(), main, "[queue]\nmax_items = 8\n");
        let get = |key: &str| all.values.iter().find(|held| held.key == key).unwrap();
        let site = dir.path().join("conf.d/site.toml");
        assert_eq!(get("queue.max_items").value.as_deref(), Some("8"));
        assert_eq!(get("queue.max_items").from, Some((site.clone(), 2)));
        assert_eq!(get("queue.media_dirs").value.as_deref(), Some("[\"/a \\\"b\"]"));
        assert_eq!((get("log.level").value.as_deref(), &get("log.level").from), (Some("\"info\""), &None));
        assert_eq!((&get("provider.ca_file").value, get("source.path").of.as_str()), (&None, "A"));
        assert!(!all.values.iter().any(|held| held.key == "provider.issuer"), "of another provider");
        assert_eq!(all.files, [dir.path().join("rigpost.toml"), site]);
        // What is written is read again as the same.
        let read = all.values.iter().filter(|held| held.of.is_empty()).filter_map(|held| {
            let (section, key) = held.key.split_once('.')?;
            Some(format!("[{section}]\n{key} = {}\n", held.value.as_ref()?))
        });
        for text in read {
            let again = tempfile::tempdir().unwrap();
            assert!(of(again.path(), &text, "").values.len() > 10, "{text}");
        }
    }

    #[test]
    fn a_password_is_not_told() {
        let dir = tempfile::tempdir().unwrap();
        let proxy = "[provider]\nproxy = \"http://ana:hunter2@proxy.example:3128\"\n";
        let all = of(dir.path(), proxy, "");
        let shown = all.values.iter().find(|held| held.key == "provider.proxy").unwrap();
        assert_eq!(shown.value.as_deref(), Some("\"http://***@proxy.example:3128\""));
        assert_eq!(without_password("none"), "none");
    }

    #[test]
    fn mistakes_are_told_instead() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rigpost.toml");
        std::fs::write(&path, "[queue]\nmax_items = 0\n").unwrap();
        let roots = Roots { vendor: dir.path().join("vendor"), main: path.clone(), state_dir: None };
        assert_eq!(effective(Some(&path), &roots).unwrap_err().problems.len(), 1);
    }
}
