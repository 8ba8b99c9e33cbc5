//! The three steps in their order, and what is read only when it is needed.
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::keys::Key;
use super::problem::{ConfigError, Problem};
use super::roots::Roots;
use super::settings::{ClientIdSource, Settings};
use super::{forms, merge, validate};

/// Reads every file and returns what they say together. A main file that is named must exist.
///
/// # Errors
/// All mistakes of all files, each on a line of its own.
pub fn load(main: Option<&Path>, roots: &Roots) -> Result<Settings, ConfigError> {
    let (fragments, mut problems) = merge::read_all(main, roots);
    let merged = merge::merge(fragments, &mut problems);
    let settings = validate::settings(&merged, roots.state_dir.as_deref(), &mut problems);
    if problems.is_empty() { Ok(settings) } else { Err(ConfigError { problems }) }
}

/// [`load`] with the installed layout.
///
/// # Errors
/// As [`load`].
pub fn load_installed(main: Option<&Path>) -> Result<Settings, ConfigError> {
    load(main, &Roots::system())
}

impl ClientIdSource {
    /// The `client_id` itself: of a file, its text without blanks and NULs at the end (device trees have one). Reads
    /// the file each time.
    ///
    /// # Errors
    /// The file can't be read or holds what is no `client_id`.
    pub fn resolve(&self) -> Result<String, ConfigError> {
        let path = match self {
            ClientIdSource::Literal(id) => return Ok(id.clone()),
            ClientIdSource::File(path) => path,
        };
        let wrong = |reason: String| ConfigError {
            problems: vec![Problem {
                file: path.clone(),
                line: None,
                key: Some(Key::DeviceClientIdFile.name().into()),
                reason,
            }],
        };
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut bytes));
        read.map_err(|e| wrong(format!("can't be read: {e}")))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("is not text".into()))?;
        let id = text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0');
        forms::rig_name(id).map_err(wrong)
    }
}
