//! The parts of the bundle: commands that run side by side, each with a bound.
//!
//! # Decisions
//!
//! - Programs of their own, this one again among them: what hangs (a network mount, a service manager, a bus) is left
//!   behind, and the rest is written. Nobody waits for a program that even a kill does not end.
//! - A thread for each of their outputs takes as much as is wanted and closes the pipe, which ends whoever writes on: also
//!   the children of a program that was killed. A file would take all that they write.

use std::io::{self, Read};
use std::mem::take;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;

use crate::clock;

/// For all of them together.
const PATIENCE: Duration = Duration::from_secs(100);
/// How often they are looked after.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes that are taken at once.
const CHUNK: usize = 16 << 10;
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

/// A program that was begun, what it writes, and what to standard error.
struct Running {
    part: Part,
    child: io::Result<(Child, Taken, Taken)>,
    ended: Option<Ended>,
}

/// What has been taken of an output so far. Clones are one.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Bytes>>);

#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    /// There was more.
    cut: bool,
    /// The output has ended, or no more of it is wanted.
    over: bool,
}

impl Taken {
    /// Takes up to so many bytes, on a thread of its own.
    fn from(mut output: impl Read + Send + 'static, most: u64) -> io::Result<Taken> {
        let taken = Taken::default();
        let here = taken.clone();
        thread::Builder::new().name("take".to_owned()).spawn(move || {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let mut chunk = vec![0; CHUNK];
            loop {
                let got = output.read(&mut chunk);
                let mut bytes = here.lock();
                match got {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Ok(0) | Err(_) => bytes.over = true,
                    Ok(got) => {
                        let wanted = got.min(most - bytes.bytes.len());
                        bytes.bytes.extend_from_slice(&chunk[..wanted]);
                        bytes.cut = wanted < got;
                        bytes.over = bytes.cut;
                    }
                }
                if bytes.over {
                    break;
                }
            }
        })?;
        Ok(taken)
    }

    fn lock(&self) -> MutexGuard<'_, Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    loop {
        let is_late = clock::is_over(until);
        let mut under_way = false;
        for running in &mut all {
            under_way |= look_after(running, is_late);
        }
        if !under_way || is_late {
            break;
        }
        clock::sleep_until(Some(clock::after(LOOK))).await;
    }
    all.into_iter().map(made).collect()
}

fn begin(part: Part, program: &Path) -> Running {
    let spawn = || -> io::Result<(Child, Taken, Taken)> {
        let mut command = match part.command[0].as_str() {
            "rigpost" => Command::new(program),
            name => Command::new(name),
        };
        command.args(&part.command[1..]).env("LC_ALL", "C.UTF-8").env("SYSTEMD_COLORS", "0");
        // A group of its own, so that a kill ends its children too.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let taken = match (child.stdout.take(), child.stderr.take()) {
            (Some(out), Some(errors)) => {
                Taken::from(out, part.most).and_then(|out| Ok((out, Taken::from(errors, MAX_ERRORS)?)))
            }
            (_, None) | (None, _) => Err(io::ErrorKind::BrokenPipe.into()),
        };
        match taken {
            Ok((out, errors)) => Ok((child, out, errors)),
            Err(error) => {
                kill(&child);
                Err(error)
            }
        }
    };
    let child = spawn();
    Running { part, child, ended: None }
}

/// Whether it is under way yet.
fn look_after(running: &mut Running, is_late: bool) -> bool {
    let Ok((child, out, errors)) = &mut running.child else { return false };
    if running.ended.is_none() {
        let (ended, is_cut) = (child.try_wait(), out.lock().cut);
        running.ended = match ended {
            Ok(_) if is_cut => Some(Ended::TooMuch),
            Ok(Some(status)) => Some(Ended::Itself(status)),
            Err(error) => Some(Ended::Unknown(error)),
            Ok(None) => is_late.then_some(Ended::TooLong),
        };
        if matches!(running.ended, Some(Ended::TooMuch | Ended::TooLong)) {
            kill(child);
        }
    }
    running.ended.is_none() || !(out.lock().over && errors.lock().over)
}

/// It may have ended by itself just now.
fn kill(child: &Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

fn made(Running { part, child, ended }: Running) -> Made {
    let (output, errors, cut) = match &child {
        Ok((_, out, errors)) => {
            let (mut out, mut errors) = (out.lock(), errors.lock());
            (take(&mut out.bytes), take(&mut errors.bytes), out.cut)
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
        let words = "exec 3>&1; (cat /dev/zero >&3) & cat /dev/zero";
        let made_two = make(vec![part(&["bash", "-c", words], 9)], Path::new("/bin/sh")).await;
        assert_eq!((made_two[0].output.len(), made_two[0].cut), (9, true), "and its children");
        assert!(of(2).0.starts_with("not started: No such file"), "{made:?}");
        assert_eq!(
            (made[3].output.as_slice(), made[3].command.as_str()),
            (&b"this one\n"[..], "rigpost -c echo this one")
        );
    }
}
