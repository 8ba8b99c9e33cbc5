//! What `doctor` needs to know from the configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Check;

/// The settings that are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) base_url: url::Url,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) state_dir: PathBuf,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) media_dirs: Vec<PathBuf>,
}

/// Reads the configuration. When it is not good, the other checks go on with the defaults.
pub(crate) fn check(path: &Path) -> (Facts, Check) {
    match load(path) {
        Ok(facts) => (facts, Check::ok("configuration", format!("{} is good", path.display()))),
        Err(error) => (
            File::default().into(),
            Check::fail(
                "configuration",
                error,
                "correct that line, then: sudo systemctl restart rigpost; the checks below use the defaults",
            ),
        ),
    }
}

/// The one place that knows how the configuration is read.
fn load(path: &Path) -> Result<Facts, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file: File = toml::from_str(&text).map_err(|error| {
        let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
        format!("{}:{}: {}", path.display(), before.matches('\n').count() + 1, error.message())
    })?;
    Ok(file.into())
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct File {
    provider: Provider,
    state: State,
    vault: Vault,
    queue: Queue,
}

#[derive(Deserialize)]
#[serde(default)]
struct Provider {
    base_url: url::Url,
    ca_file: Option<PathBuf>,
}

impl Default for Provider {
    fn default() -> Self {
        let base_url = url::Url::parse("https://api.frame.io").expect("a constant that is a URL");
        Self { base_url, ca_file: None }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct State {
    dir: PathBuf,
}

impl Default for State {
    fn default() -> Self {
        Self { dir: "/var/lib/rigpost".into() }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Vault {
    key_file: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Queue {
    media_dirs: Vec<PathBuf>,
}

impl From<File> for Facts {
    fn from(file: File) -> Self {
        Self {
            base_url: file.provider.base_url,
            ca_file: file.provider.ca_file,
            state_dir: file.state.dir,
            key_file: file.vault.key_file,
            media_dirs: file.queue.media_dirs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn an_error_names_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rigpost.toml");
        std::fs::write(&path, "[state]\ndir = \"/srv\"\n[provider]\nbase_url = 7\n").unwrap();
        let (facts, check) = check(&path);
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.finding.starts_with(&format!("{}:4: ", path.display())), "{}", check.finding);
        assert_eq!(facts.state_dir, Path::new("/var/lib/rigpost"));
    }

    #[test]
    fn a_missing_file_is_said_to_be_missing() {
        let (_, check) = check(Path::new("/nonexistent/rigpost.toml"));
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.finding.contains("No such file"), "{}", check.finding);
    }
}
