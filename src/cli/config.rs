//! `rigpost check-config` and `rigpost config show`: what the files say, whether it is right, and which of them says so.
//!
//! # Decisions
//!
//! - Read here and not asked of the daemon: the commands are for whoever changes a file, before the daemon reads it.
//! - Root reads everything, and the daemon does not run as root. So for root each file is held against what the daemon's
//!   user may read: a file that only root can read is a mistake that nobody else would see.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::ConfigArgs;
use super::doctor::account::{Account, USER};
use super::exit::{ExitCode, Failure};
use super::out::{Out, Tone};
use super::start::{INSTALLED, is_hidden};
use super::text;
use rigpost_daemon::config::{Effective, Held, Problem, Roots, effective};

/// What is wrong, in the order in which it was found.
#[derive(Serialize)]
struct Checked {
    ok: bool,
    files: Vec<PathBuf>,
    problems: Vec<Wrong>,
}

#[derive(Serialize)]
struct Wrong {
    file: PathBuf,
    line: Option<usize>,
    key: Option<String>,
    reason: String,
}

impl From<Problem> for Wrong {
    fn from(Problem { file, line, key, reason }: Problem) -> Self {
        Self { file, line, key, reason }
    }
}

/// `rigpost check-config`.
pub(crate) async fn check(args: &ConfigArgs, out: &mut Out) -> Result<(), Failure> {
    let (files, problems) = match read(args).await {
        Ok(effective) => (effective.files, Vec::new()),
        Err(problems) => (Vec::new(), problems),
    };
    let failure = mistakes(&problems);
    if args.json {
        let ok = problems.is_empty();
        out.json(&Checked { ok, files, problems: problems.into_iter().map(Wrong::from).collect() })?;
    } else if problems.is_empty() {
        for file in &files {
            out.line(&text::path(file))?;
        }
        let verdict = match files.len() {
            0 => "There is no file; everything is as it is by default.".to_owned(),
            n => {
                format!("The configuration in {} is good.", if n == 1 { "this file" } else { "these files" })
            }
        };
        out.say(&out.paint(Tone::Good, &verdict))?;
    } else {
        for problem in &problems {
            out.line(&text::clean(&problem.to_string()))?;
        }
    }
    failure.map_or(Ok(()), Err)
}

/// One key, as `--json` has it.
#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    /// The name of the `[[section]]`.
    #[serde(skip_serializing_if = "str::is_empty")]
    of: &'a str,
    /// As it is written in a file; `null`: it is not set.
    value: Option<&'a str>,
    /// `null`: nobody says so, it is the default.
    file: Option<&'a Path>,
    line: Option<usize>,
}

impl<'a> Shown<'a> {
    fn of(held: &'a Held) -> Self {
        let (file, line) = held.from.as_ref().map(|(file, line)| (file.as_path(), *line)).unzip();
        Self { key: held.key, of: &held.of, value: held.value.as_deref(), file, line }
    }
}

#[derive(Serialize)]
struct Whole<'a> {
    files: &'a [PathBuf],
    values: Vec<Shown<'a>>,
}

/// `rigpost config show`.
pub(crate) async fn show(args: &ConfigArgs, out: &mut Out) -> Result<(), Failure> {
    let effective = match read(args).await {
        Ok(effective) => effective,
        Err(problems) => {
            for problem in &problems {
                super::out::remark(&text::clean(&problem.to_string()));
            }
            return mistakes(&problems).map_or(Ok(()), Err);
        }
    };
    if args.json {
        let values = effective.values.iter().map(Shown::of).collect();
        return Ok(out.json(&Whole { files: &effective.files, values })?);
    }
    for line in lines(&effective) {
        out.line(&line)?;
    }
    Ok(())
}

/// As a file that says the same, with a remark behind each key.
fn lines(effective: &Effective) -> Vec<String> {
    let mut lines = Vec::new();
    let mut last: Option<(&str, &str)> = None;
    for held in &effective.values {
        let (section, key) = held.key.split_once('.').unwrap_or(("", held.key));
        if last != Some((section, &held.of)) {
            if last.is_some() {
                lines.push(String::new());
            }
            lines.push(if held.of.is_empty() { format!("[{section}]") } else { format!("[[{section}]]") });
            last = Some((section, &held.of));
        }
        let from = match &held.from {
            Some((file, line)) => format!("{}:{line}", text::path(file)),
            None => "default".to_owned(),
        };
        lines.push(match &held.value {
            Some(value) => format!("{key} = {}  # {from}", text::clean(value)),
            None => format!("# {key} is not set"),
        });
    }
    lines
}

fn mistakes(problems: &[Problem]) -> Option<Failure> {
    let is_root = rustix::process::geteuid().is_root();
    if !problems.is_empty() && !is_root && problems.iter().all(is_hidden) {
        return Some(Failure::new(
            ExitCode::Failed,
            "whether the daemon takes this configuration can't be told: not all of it can be read by you",
            "sudo rigpost check-config",
        ));
    }
    let what = match problems.len() {
        0 => return None,
        1 => "the daemon does not take this configuration: 1 mistake".to_owned(),
        n => format!("the daemon does not take this configuration: {n} mistakes"),
    };
    Some(Failure::new(ExitCode::Failed, what, "correct what is named above"))
}

async fn read(args: &ConfigArgs) -> Result<Effective, Vec<Problem>> {
    // The installed file may be missing, as for the daemon; one that is named must exist.
    let named = (args.config != Path::new(INSTALLED)).then_some(args.config.as_path());
    let effective = effective(named, &Roots::system()).map_err(|error| error.problems)?;
    let owner = if rustix::process::geteuid().is_root() { Account::daemon().await.ok() } else { None };
    let hidden: Vec<Problem> = owner
        .iter()
        .flat_map(|owner| effective.files.iter().filter_map(|file| hidden(owner, file)))
        .collect();
    if hidden.is_empty() { Ok(effective) } else { Err(hidden) }
}

/// What keeps the daemon's user from a file that root could read.
fn hidden(owner: &Account, file: &Path) -> Option<Problem> {
    let at = owner.kept_from(file)?;
    let which = if at == file { "it".to_owned() } else { text::path(at) };
    let reason = format!("can't be read by the daemon's user {USER}: {which} is closed to it");
    Some(Problem { file: file.to_owned(), line: None, key: None, reason })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_reads_like_a_file_and_says_who_says_so() {
        let held = |of: &str, key, value: Option<&str>, line: usize| Held {
            of: of.to_owned(),
            key,
            value: value.map(str::to_owned),
            from: (line > 0).then(|| ("/etc/x.toml".into(), line)),
        };
        let values = vec![
            held("", "queue.max_items", Some("7"), 3),
            held("", "queue.parallel_parts", None, 0),
            held("", "log.level", Some("\"info\""), 0),
            held("A", "source.name", Some("\"A\""), 8),
        ];
        let expected = [
            "[queue]",
            "max_items = 7  # /etc/x.toml:3",
            "# parallel_parts is not set",
            "",
            "[log]",
            "level = \"info\"  # default",
            "",
            "[[source]]",
            "name = \"A\"  # /etc/x.toml:8",
        ];
        assert_eq!(lines(&Effective { files: vec![], values }), expected);
    }

    #[test]
    fn what_only_root_reads_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rigpost.toml");
        std::fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(dir.path(), 0o755);
        mode(&file, 0o644);
        let stranger = Account::of(64_321, vec![64_321]);
        assert_eq!(hidden(&stranger, &file), None);
        mode(&file, 0o600);
        assert!(hidden(&stranger, &file).unwrap().reason.ends_with("it is closed to it"));
        mode(&file, 0o644);
        mode(dir.path(), 0o700);
        let reason = hidden(&stranger, &file).unwrap().reason;
        assert!(reason.contains(&dir.path().display().to_string()), "{reason}");
    }
}
