//! The report: what was looked at, what was found, what to do about it.
use serde::Serialize;

use crate::exit::{ExitCode, Failure};
use crate::out::{Out, Tone};
use crate::text;

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
    pub(super) check: &'static str,
    pub(super) verdict: Verdict,
    pub(super) finding: String,
    /// What to do about it; empty when there is nothing to do.
    pub(super) next: String,
}

impl Check {
    pub(super) fn new(
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

    pub(super) fn ok(check: &'static str, finding: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, finding, "")
    }

    pub(super) fn warn(check: &'static str, finding: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warn, finding, next)
    }

    pub(super) fn fail(check: &'static str, finding: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fail, finding, next)
    }

    pub(super) fn skipped(check: &'static str, why: &str) -> Self {
        Self::new(check, Verdict::Skipped, format!("not checked: {why}"), "")
    }
}

/// The checks so far, shown as they come: some of them wait for the network.
pub(super) struct Report<'a> {
    pub(super) out: &'a mut Out,
    pub(super) is_json: bool,
    pub(super) checks: Vec<Check>,
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
    pub(super) fn add(&mut self, check: Check) -> Result<(), Failure> {
        if !self.is_json {
            for line in lines(&check, self.out) {
                self.out.line(&line)?;
            }
        }
        self.checks.push(check);
        Ok(())
    }

    pub(super) fn add_all(&mut self, checks: impl IntoIterator<Item = Check>) -> Result<(), Failure> {
        checks.into_iter().try_for_each(|check| self.add(check))
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    pub(super) fn close(self) -> Result<ExitCode, Failure> {
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
    let room = out.columns().saturating_sub(VERDICT + NAME + 2).max(18);
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
