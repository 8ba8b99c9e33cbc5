//! The parts of the bundle: commands that run side by side, each with a bound.
//!
//! # Decisions
//!
//! - Programs of their own, this one again among them: what hangs (a network mount, a service manager, a bus) is left
//!   behind, and the rest is written. Nobody waits for a program that even a kill does not end.
//! - Their output goes to memory that is read when they have ended, so that none of them waits for us.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use serde::Serialize;

use crate::clock;

/// For all of them together.
const PATIENCE: Duration = Duration::from_secs(45);
/// How often they are looked after.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes that are taken of what a program says to standard error.
const MAX_ERRORS: u64 = 4 << 10;

/// What an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One value.
    Json,
    /// Entries of the journal, each a line.
    Journal,
    /// For people.
    Text,
}

/// A part, and how it is had.
#[derive(Debug)]
pub(super) struct Part {
    /// The file in the bundle.
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// A program and its arguments.
    pub(super) command: Vec<String>,
    /// Bytes that are taken of it.
    pub(super) most: u64,
}

/// What came of a part.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    pub(super) name: &'static str,
    pub(super) command: String,
    /// In words: "exit status: 0", or why there is nothing.
    pub(super) ended: String,
    #[serde(skip)]
    pub(super) succeeded: bool,
    /// It said more than is taken.
    pub(super) cut: bool,
    /// What it said to standard error.
    pub(super) errors: String,
    #[serde(skip)]
    pub(super) form: Form,
    #[serde(skip)]
    pub(super) output: Vec<u8>,
}

/// A program that was begun.
struct Running {
    part: Part,
    child: io::Result<(Child, File, File)>,
    ended: Option<Ended>,
}

enum Ended {
    Itself(ExitStatus),
    TooLong,
    TooMuch,
    Unknown(io::Error),
}

/// Runs all of them.
pub(super) async fn make(parts: Vec<Part>, program: &Path) -> Vec<Made> {
    let mut all: Vec<Running> = parts.into_iter().map(|part| begin(part, program)).collect();
    let until = clock::after(PATIENCE);
    while all.iter().any(|running| running.child.is_ok() && running.ended.is_none()) {
        let is_late = clock::is_over(until);
        all.iter_mut().for_each(|running| look_after(running, is_late));
        clock::sleep_until(Some(clock::after(LOOK))).await;
    }
    all.into_iter().map(made).collect()
}

fn begin(part: Part, program: &Path) -> Running {
    let memory = || memfd_create("rigpost", MemfdFlags::CLOEXEC).map(File::from);
    let spawn = || -> io::Result<(Child, File, File)> {
        let (out, errors) = (memory()?, memory()?);
        let mut command = match part.command[0].as_str() {
            "rigpost" => Command::new(program),
            name => Command::new(name),
        };
        command.args(&part.command[1..]).env("LC_ALL", "C.UTF-8").env("SYSTEMD_COLORS", "0");
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(errors.try_clone()?);
        Ok((command.spawn()?, out, errors))
    };
    let child = spawn();
    Running { part, child, ended: None }
}

fn look_after(running: &mut Running, is_late: bool) {
    let (Ok((child, out, errors)), None) = (&mut running.child, &running.ended) else { return };
    let length = |file: &File| file.metadata().map_or(0, |meta| meta.len());
    running.ended = match child.try_wait() {
        Ok(Some(status)) => Some(Ended::Itself(status)),
        Err(error) => Some(Ended::Unknown(error)),
        Ok(None) if length(out) > running.part.most || length(errors) > running.part.most => {
            Some(Ended::TooMuch)
        }
        Ok(None) if is_late => Some(Ended::TooLong),
        Ok(None) => None,
    };
    if matches!(running.ended, Some(Ended::TooMuch | Ended::TooLong)) {
        // It may have ended by itself just now.
        let _ = child.kill();
    }
}

fn made(Running { part, child, ended }: Running) -> Made {
    let (output, errors, cut) = match &child {
        Ok((_, out, errors)) => {
            let (output, cut) = read(out, part.most);
            (output, read(errors, MAX_ERRORS).0, cut)
        }
        Err(_) => (Vec::new(), Vec::new(), false),
    };
    let succeeded = matches!(ended, Some(Ended::Itself(status)) if status.success());
    let ended = match (child, ended) {
        (Err(error), _) => format!("not started: {error}"),
        (Ok(_), Some(Ended::Itself(status))) => status.to_string(),
        (Ok(_), Some(Ended::Unknown(error))) => format!("not known: {error}"),
        (Ok(_), Some(Ended::TooMuch)) => "it said too much, and was ended".to_owned(),
        (Ok(_), Some(Ended::TooLong) | None) => {
            format!("it took more than {} s, and was ended", PATIENCE.as_secs())
        }
    };
    Made {
        name: part.name,
        command: part.command.join(" "),
        ended,
        succeeded,
        cut,
        errors: String::from_utf8_lossy(&errors).into_owned(),
        form: part.form,
        output,
    }
}

/// What was written, up to so many bytes; and whether that is not all. What can't be read is nothing.
fn read(file: &File, most: u64) -> (Vec<u8>, bool) {
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut bytes = vec![0; usize::try_from(length.min(most)).unwrap_or_default()];
    if file.read_exact_at(&mut bytes, 0).is_err() {
        bytes.clear();
    }
    (bytes, length > most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(command: &[&str], most: u64) -> Part {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Part { name: "a", form: Form::Text, command, most }
    }

    #[tokio::test]
    async fn every_end_has_its_words_and_what_was_said_is_kept() {
        let parts = vec![
            part(&["sh", "-c", "echo said; echo wrong >&2; exit 3"], 100),
            part(&["sh", "-c", "yes"], 1000),
            part(&["/no/such/program"], 100),
            part(&["rigpost", "-c", "echo this one"], 100),
        ];
        let made = make(parts, Path::new("/bin/sh")).await;
        let of = |n: usize| (made[n].ended.as_str(), made[n].output.len(), made[n].cut);
        assert_eq!((of(0), made[0].errors.as_str()), (("exit status: 3", 5, false), "wrong\n"));
        assert_eq!(of(1), ("it said too much, and was ended", 1000, true));
        assert!(of(2).0.starts_with("not started: No such file"), "{made:?}");
        assert_eq!(
            (made[3].output.as_slice(), made[3].command.as_str()),
            (&b"this one\n"[..], "rigpost -c echo this one")
        );
    }
}
