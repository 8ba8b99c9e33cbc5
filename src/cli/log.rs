//! `rigpost log`: the daemon's lines in the journal.
//!
//! # Decisions
//!
//! - `journalctl` takes this program's place: it knows pagers, colours and who may read what, and its own words say what
//!   is missing.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::args::LogArgs;
use super::exit::{ExitCode, Failure};

/// Only returns where there is no such program.
pub(crate) fn run(args: &LogArgs) -> Failure {
    let error = Command::new("journalctl").args(arguments(args)).exec();
    Failure::new(
        ExitCode::Failed,
        format!("journalctl can't be started: {error}"),
        "install systemd, or look where this system keeps its log",
    )
}

fn arguments(args: &LogArgs) -> Vec<String> {
    let mut all = vec!["--unit=rigpost.service".to_owned()];
    match args.lines {
        Some(lines) => all.push(format!("--lines={lines}")),
        None if args.follow => {}
        // The newest is what a person looks for.
        None => all.push("--pager-end".to_owned()),
    }
    if args.follow {
        all.push("--follow".to_owned());
    }
    if let Some(since) = &args.since {
        all.push(format!("--since={since}"));
    }
    if args.json {
        all.push("--output=json".to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_asked_for_what_was_asked_for() {
        let none = LogArgs { follow: false, lines: None, since: None, json: false };
        assert_eq!(arguments(&none), ["--unit=rigpost.service", "--pager-end"]);
        let all = LogArgs { follow: true, lines: Some(7), since: Some("today".to_owned()), json: true };
        assert_eq!(arguments(&all)[1..], ["--lines=7", "--follow", "--since=today", "--output=json"]);
    }
}
