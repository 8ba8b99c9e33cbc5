//! From each rule to the code that keeps it and the tests that would notice.
use std::fmt::{self, Write as _};

use crate::cite::Citation;
use crate::list::{Rule, Standard, one_line};

/// A rule with all that cites it.
pub(crate) struct Traced<'a> {
    pub(crate) standard: &'a Standard,
    pub(crate) rule: &'a Rule,
    pub(crate) code: Vec<&'a Citation>,
    pub(crate) tests: Vec<&'a Citation>,
}

/// How a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Code and a test.
    Kept,
    /// The same, but for something that is argued.
    Departs,
    /// Argued.
    Exception,
    /// Being built.
    Pending,
    /// Code or test is missing.
    Open,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Standing::Kept => "kept",
            Standing::Departs => "kept, with a departure",
            Standing::Exception => "not kept, argued",
            Standing::Pending => "pending",
            Standing::Open => "open",
        })
    }
}

impl Traced<'_> {
    pub(crate) fn standing(&self) -> Standing {
        let whole = !self.code.is_empty() && !self.tests.is_empty();
        match self.rule {
            Rule { exception: Some(_), .. } => Standing::Exception,
            Rule { pending: true, .. } => Standing::Pending,
            _ if !whole => Standing::Open,
            Rule { departs: Some(_), .. } => Standing::Departs,
            _ => Standing::Kept,
        }
    }

    fn name(&self) -> String {
        format!("{}.toml, {} ({} {})", self.standard.name, self.rule.id, self.rule.section, self.rule.level)
    }

    /// What is wrong with how it stands.
    fn faults(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let (code, tests) = (self.code.len(), self.tests.len());
        let argued = self.rule.departs.is_some();
        if self.standing() == Standing::Open && (self.rule.level.is_must() || argued) {
            let missing = match (code, tests) {
                (0, 0) => "neither code nor test",
                (0, _) => "no code",
                _ => "no test",
            };
            wrong.push(format!("{}: {missing} cites it, and no exception is argued", self.name()));
        }
        if self.rule.exception.is_some() && code + tests > 0 {
            wrong.push(format!("{}: an exception, and it is cited", self.name()));
        }
        if self.rule.pending && code > 0 && tests > 0 {
            wrong.push(format!("{}: it is there; take `pending` off", self.name()));
        }
        wrong
    }
}

/// Joins both, and says what is wrong with that.
pub(crate) fn trace<'a>(
    standards: &'a [Standard],
    citations: &'a [Citation],
) -> (Vec<Traced<'a>>, Vec<String>) {
    let mut wrong = Vec::new();
    let all = standards.iter().flat_map(|standard| standard.rules.iter().map(move |rule| (standard, rule)));
    let mut traced: Vec<Traced<'_>> =
        all.map(|(standard, rule)| Traced { standard, rule, code: vec![], tests: vec![] }).collect();
    for citation in citations {
        match cited(standards, citation) {
            Ok(rule) => {
                let traced = traced.iter_mut().find(|t| std::ptr::eq(t.rule, rule)).unwrap();
                if citation.test.is_some() { &mut traced.tests } else { &mut traced.code }.push(citation);
            }
            Err(why) => wrong.push(format!("{}:{}: {why}", citation.file, citation.line)),
        }
    }
    for n in 0..traced.len() {
        let Some(same) = &traced[n].rule.same else { continue };
        let other = traced.iter().find(|t| format!("{} {}", t.standard.name, t.rule.id) == *same);
        match other.filter(|other| other.rule.same.is_none() && other.rule.exception.is_none()) {
            _ if traced[n].code.len() + traced[n].tests.len() > 0 => {
                wrong.push(format!("{}: as {same}, and it is cited itself", traced[n].name()));
            }
            Some(other) => (traced[n].code, traced[n].tests) = (other.code.clone(), other.tests.clone()),
            None => wrong.push(format!("{}: as {same}, which nothing cites", traced[n].name())),
        }
    }
    wrong.extend(traced.iter().flat_map(Traced::faults));
    (traced, wrong)
}

/// The rule whose sentence is quoted, or a part of it that is in no other of its section.
fn cited<'a>(standards: &'a [Standard], citation: &Citation) -> Result<&'a Rule, String> {
    let target = citation.target.as_str();
    let Some((standard, section)) = standards.iter().find_map(|s| Some((s, target.strip_prefix(&s.url)?)))
    else {
        return Err(format!("there is no list for {target}"));
    };
    let Some(title) = standard.sections.get(section) else {
        return Err(format!("{}.toml knows no section {section}", standard.name));
    };
    let quoted = |rule: &&Rule| rule.section == section && one_line(&rule.text).contains(&citation.quote);
    let mut rules = standard.rules.iter().filter(quoted);
    match (rules.next(), rules.next()) {
        (Some(rule), None) => Ok(rule),
        (None, _) => Err(format!("section {section}, {title}, has no such rule: {:?}", citation.quote)),
        (Some(_), Some(_)) => Err(format!("that is in more than one rule: {:?}", citation.quote)),
    }
}

/// All rules of a standard, and what keeps them.
pub(crate) fn report(standard: &Standard, traced: &[Traced<'_>]) -> String {
    let mut out = format!("{} ({})\n{}\n", standard.title, standard.name, one_line(&standard.scope));
    let ours: Vec<&Traced<'_>> = traced.iter().filter(|t| std::ptr::eq(t.standard, standard)).collect();
    for t in &ours {
        let Rule { id, section, level, text, .. } = t.rule;
        let title = standard.sections.get(section).map_or("", String::as_str);
        writeln!(out, "\n  {section} {title} · {level} · {id}: {}", t.standing()).unwrap();
        writeln!(out, "      {}", one_line(text)).unwrap();
        if let Some(same) = &t.rule.same {
            writeln!(out, "      as    {same}").unwrap();
        }
        for citation in &t.code {
            writeln!(out, "      code  {}:{}", citation.file, citation.line).unwrap();
        }
        for Citation { file, line, test, .. } in &t.tests {
            writeln!(out, "      test  {file}:{line} {}", test.as_deref().unwrap_or_default()).unwrap();
        }
        if let Some(why) = t.rule.exception.as_ref().or(t.rule.departs.as_ref()) {
            writeln!(out, "      but   {}", one_line(why)).unwrap();
        }
        if let Some(source) = &t.rule.source {
            writeln!(out, "      says  {source}").unwrap();
        }
    }
    writeln!(out, "\n  {}", count(ours.iter().copied())).unwrap();
    out
}

/// How many stand how.
pub(crate) fn count<'a>(traced: impl Iterator<Item = &'a Traced<'a>>) -> String {
    let traced: Vec<_> = traced.collect();
    let of = |must: bool| {
        let level: Vec<_> = traced.iter().filter(|t| t.rule.level.is_must() == must).collect();
        let stand = |standing| level.iter().filter(|t| t.standing() == standing).count();
        let all = [Standing::Kept, Standing::Departs, Standing::Exception, Standing::Pending, Standing::Open];
        let parts = all.map(|standing| (standing, stand(standing)));
        let parts = parts.iter().filter(|(_, n)| *n > 0).map(|(standing, n)| format!("{n} {standing}"));
        format!(
            "{} {}: {}",
            level.len(),
            if must { "MUST" } else { "SHOULD" },
            parts.collect::<Vec<_>>().join(", ")
        )
    };
    format!("{}; {}", of(true), of(false))
}
