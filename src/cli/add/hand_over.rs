//! Clips that the daemon can't reach and this user can: they are handed over open.
//!
//! # Decisions
//!
//! - Only where the daemon has said that it can't: by its path a clip outlasts a reboot, and holds no card.
//! - What it says of a path that lies outside the media directories stands: that is a rule, and a person who wants it
//!   otherwise says so (`--by-descriptor`).

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::args::AddArgs;
use crate::bus::{Options, QueueMethods};
use crate::exit::{Doing, ExitCode, Failure, from_bus, name_of};
use crate::{out, text};
use rigpost_contract::error::ErrorName;

/// What was handed over so far.
#[derive(Debug, Default)]
pub(super) struct Handed {
    files: u64,
    /// Directories of which the daemon can't reach what is in them.
    closed: BTreeSet<PathBuf>,
}

impl Handed {
    /// The daemon has not reached what lies beside these.
    pub(super) fn knows(&self, paths: &[PathBuf]) -> bool {
        let is_closed = |path: &PathBuf| path.parent().is_some_and(|dir| self.closed.contains(dir));
        !self.closed.is_empty() && paths.iter().all(is_closed)
    }

    /// Hands one over: its number, and what it was to the queue.
    pub(super) async fn add(
        &mut self,
        queue: QueueMethods<'_>,
        path: &Path,
        args: &AddArgs,
        options: Options<'_>,
    ) -> Result<Vec<(u64, String)>, Refused> {
        let file = open(path).map_err(|error| Refused::Here(unusable(path, &error)))?;
        // What is behind a link is called as the link is.
        let own = path.file_name().and_then(|name| name.to_str());
        let own = own.filter(|name| !name.chars().any(char::is_control));
        let name = args.name.as_deref().or(own).unwrap_or_default();
        let added = queue.add_fd(zbus::Fd::from(file.as_fd()), name, options).await.map_err(Refused::Bus)?;
        self.files += 1;
        if !args.by_descriptor {
            self.closed.extend(path.parent().map(Path::to_owned));
        }
        Ok(vec![added])
    }

    /// What follows for whoever has the card.
    pub(super) fn remark(&self) {
        if self.files > 0 {
            out::remark(&format!(
                "handed over {} open: the card can't be unmounted before that is sent, and after a reboot it has to be added \
                 again",
                text::count(self.files, "clip")
            ));
        }
    }
}

/// Why a clip is not queued.
#[derive(Debug)]
pub(super) enum Refused {
    /// The daemon or the bus says so.
    Bus(zbus::Error),
    /// It was never asked.
    Here(Failure),
}

impl Refused {
    /// For a person.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Refused::Bus(error) => from_bus(error, Doing::Add),
            Refused::Here(failure) => failure.clone(),
        }
    }

    /// The name of the daemon's error.
    pub(super) fn name(&self) -> Option<ErrorName> {
        match self {
            Refused::Bus(error) => name_of(error).and_then(|(name, _)| name.parse().ok()),
            Refused::Here(_) => None,
        }
    }

    /// The daemon does not reach the file, or says nothing else of it than that.
    pub(super) fn is_out_of_reach(&self) -> bool {
        matches!(self.name(), Some(ErrorName::NotFound | ErrorName::NotAllowed))
    }

    /// Of a clip that could not be handed over either: why it was not taken by its path says more.
    pub(super) fn says_less(&self) -> bool {
        matches!(self.name(), None | Some(ErrorName::NotAllowed))
    }

    /// The others may be accepted all the same.
    pub(super) fn is_about_a_path(&self) -> bool {
        let of_a_path = [
            ErrorName::NotFound,
            ErrorName::OutsideMediaDirs,
            ErrorName::NotAllowed,
            ErrorName::NotAnswering,
            ErrorName::InvalidArgs,
        ];
        matches!(self, Refused::Here(_)) || self.name().is_some_and(|name| of_a_path.contains(&name))
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    let why = text::without_errno(&error.to_string());
    Failure::new(
        ExitCode::Failed,
        format!("{}: {why}", text::path(path)),
        "check its name and its permissions",
    )
}

/// This user can read a clip there.
pub(super) fn can_read(path: &Path) -> bool {
    open(path).is_ok()
}

/// Nothing but a file is opened: to open a device can have effects.
fn open(path: &Path) -> io::Result<File> {
    let found = fs::metadata(path)?;
    if !found.is_file() || found.len() == 0 {
        return Err(io::Error::other("not a regular file, or empty"));
    }
    let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_clip_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let [clip, empty] = ["a.mov", "empty.mov"].map(|name| dir.path().join(name));
        fs::write(&clip, "x").unwrap();
        fs::write(&empty, "").unwrap();
        assert!(can_read(&clip));
        for none in [&empty, &dir.path().to_owned(), &dir.path().join("missing"), &"/dev/zero".into()] {
            assert!(!can_read(none), "{none:?}");
        }
    }

    #[test]
    fn what_lies_beside_a_clip_that_was_out_of_reach_is_too() {
        let mut handed = Handed::default();
        let [a, b, c] = ["/card/a.mov", "/card/b.mov", "/other/c.mov"].map(PathBuf::from);
        assert!(!handed.knows(std::slice::from_ref(&a)) && !handed.knows(&[]));
        handed.closed.insert("/card".into());
        assert!(handed.knows(&[a.clone(), b]) && !handed.knows(&[a, c]));
    }
}
