//! `rigpost doctor`: goes down the list that a support engineer would, and says what it found.
//!
//! # Decisions
//!
//! - It looks for itself instead of asking the daemon, so that it works best when the daemon does not work.
//! - It changes nothing and never starts the daemon: what it finds must be what was there before.
//! - A check that can't be made is said to be "not checked" with the reason; it is never passed over in silence.
//! - Its output is safe to post: no code, no secret, no query of a URL, nothing from the queue.

mod account;
mod config;
mod disk;
mod net;
mod service;

use serde::Serialize;

use super::args::DoctorArgs;
use super::bus::Daemon;
use super::exit::{ExitCode, Failure};
use super::out::{Out, Tone};
use super::text;
use rigpost_contract::pairing::Protection;
use rigpost_core::time::WallTime;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but a person should know.
    Warn,
    /// Keeps the rig from working.
    Fail,
    /// Could not be found out.
    Skipped,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at; stable, for scripts.
    check: &'static str,
    verdict: Verdict,
    finding: String,
    /// What to do about it; empty when there is nothing to do.
    next: String,
}

impl Check {
    fn new(
        check: &'static str,
        verdict: Verdict,
        finding: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            check,
            verdict,
            finding: text::clean(&text::without_errno(&finding.into().replace('\n', "; "))),
            next: next.into(),
        }
    }

    fn ok(check: &'static str, finding: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, finding, "")
    }

    fn warn(check: &'static str, finding: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warn, finding, next)
    }

    fn fail(check: &'static str, finding: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fail, finding, next)
    }

    fn skipped(check: &'static str, why: &str) -> Self {
        Self::new(check, Verdict::Skipped, format!("not checked: {why}"), "")
    }
}

/// The checks so far, shown as they come: some of them wait for the network.
struct Report<'a> {
    out: &'a mut Out,
    is_json: bool,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Json<'a> {
    ok: bool,
    checks: &'a [Check],
}

/// Columns of the verdict and of the check's name.
const VERDICT: usize = 5;
const NAME: usize = 15;

impl Report<'_> {
    fn add(&mut self, check: Check) -> Result<(), Failure> {
        if !self.is_json {
            for line in lines(&check, self.out) {
                self.out.line(&line)?;
            }
        }
        self.checks.push(check);
        Ok(())
    }

    fn add_all(&mut self, checks: impl IntoIterator<Item = Check>) -> Result<(), Failure> {
        checks.into_iter().try_for_each(|check| self.add(check))
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    fn close(self) -> Result<ExitCode, Failure> {
        let (fails, warns) = (self.count(Verdict::Fail), self.count(Verdict::Warn));
        if self.is_json {
            self.out.json(&Json { ok: fails == 0, checks: &self.checks })?;
        } else {
            let verdict = match (fails, warns) {
                (0, 0) => self.out.paint(Tone::Good, "Nothing is wrong with what was checked."),
                (0, n) => {
                    self.out.paint(Tone::Warn, &format!("Works, with {}.", text::count(n as u64, "warning")))
                }
                (n, _) => {
                    let n = text::count(n as u64, "check");
                    self.out.paint(
                        Tone::Bad,
                        &format!("{n} failed. Begin with the first: the others may follow from it."),
                    )
                }
            };
            self.out.line(&format!("\n{verdict}"))?;
        }
        Ok(if fails == 0 { ExitCode::Done } else { ExitCode::Failed })
    }
}

fn lines(check: &Check, out: &Out) -> Vec<String> {
    let (tone, word) = match check.verdict {
        Verdict::Ok => (Tone::Good, "ok"),
        Verdict::Warn => (Tone::Warn, "warn"),
        Verdict::Fail => (Tone::Bad, "FAIL"),
        Verdict::Skipped => (Tone::Dim, "--"),
    };
    let room = out.columns().saturating_sub(VERDICT + NAME + 2).max(20);
    let word = out.paint(tone, &text::left(word, VERDICT));
    let mut lines = Vec::new();
    for (i, line) in text::wrap(&check.finding, room).iter().enumerate() {
        let head = if i == 0 { format!("{word} {}", text::left(check.check, NAME)) } else { indent() };
        lines.push(format!("{head} {line}"));
    }
    if !check.next.is_empty() {
        let next = text::wrap(&check.next, room.saturating_sub(3));
        let arrow = |i| if i == 0 { "-> " } else { "   " };
        lines.extend(next.iter().enumerate().map(|(i, line)| format!("{} {}{line}", indent(), arrow(i))));
    }
    lines
}

fn indent() -> String {
    " ".repeat(VERDICT + 1 + NAME)
}

/// Makes all checks. The code is [`ExitCode::Failed`] when one failed.
pub(crate) async fn run(args: &DoctorArgs, out: &mut Out, built: WallTime) -> Result<ExitCode, Failure> {
    let mut report = Report { out, is_json: args.json, checks: Vec::new() };
    let (facts, check) = config::check(&args.config);
    report.add(check)?;
    report.add(net::clock_alone(built))?;
    net::provider(&facts, &mut report).await?;
    let device = match Daemon::open().await {
        Ok(daemon) => {
            report.add(Check::ok("bus", "the system bus answers"))?;
            service::check(&daemon, &mut report).await?
        }
        Err(error) => {
            let failure = super::exit::from_bus(&error, super::exit::Doing::Group);
            report.add(Check::fail("bus", failure.what, failure.next))?;
            None
        }
    };
    report.add(service::policy())?;
    report.add(service::protection(device.as_ref()))?;
    let is_needed = device.as_ref().is_some_and(|device| device.protection == Protection::File.as_str());
    let owner = account::Account::daemon().await;
    report.add_all(disk::key_file(&facts, is_needed, owner.as_ref()))?;
    report.add_all(disk::state(&facts.state_dir, owner.as_ref()))?;
    report.add_all(disk::media(&facts.media_dirs, owner.as_ref()))?;
    report.close()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_wrapped_beside_their_names() {
        let out = Out::to(Box::new(std::io::sink()), true, 60, 24);
        let check = Check::fail(
            "clock",
            "the clock is wrong by more than it may be wrong",
            "sudo timedatectl set-ntp true",
        );
        let lines = lines(&check, &out);
        assert_eq!(lines[0], "FAIL  clock           the clock is wrong by more than it may");
        assert_eq!(lines[1], "                      be wrong");
        assert_eq!(lines[2], "                      -> sudo timedatectl set-ntp true");
        assert!(lines.iter().all(|line| text::width(line) <= 60));
    }

    #[test]
    fn only_failures_make_it_fail() {
        let report = |checks: Vec<Check>| {
            let mut out = Out::to(Box::new(std::io::sink()), false, 80, 24);
            Report { out: &mut out, is_json: false, checks }.close().unwrap()
        };
        assert_eq!(
            report(vec![Check::warn("a", "b", "c"), Check::skipped("d", "needs root")]),
            ExitCode::Done
        );
        assert_eq!(report(vec![Check::ok("a", "b"), Check::fail("c", "d", "e")]), ExitCode::Failed);
    }
}
