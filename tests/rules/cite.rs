//! Reads the citations out of Rust.
use std::collections::BTreeMap;

use crate::list::one_line;

/// The text of each file, by its name from the root of the repository.
pub(crate) type Texts = BTreeMap<String, String>;

/// One citation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Citation {
    pub(crate) file: String,
    /// Of what it stands above.
    pub(crate) line: usize,
    /// The standard and its section, as they are written.
    pub(crate) target: String,
    /// In one line.
    pub(crate) quote: String,
    /// The test that it stands above; `None`: code.
    pub(crate) test: Option<String>,
}

/// These functions have no attribute: a table makes a test of each, and the compiler warns of one that it does not play.
const PLAYED: &str = "tests/providers/scenarios.rs";

/// A citation that is being read.
struct Open {
    begins: usize,
    target: String,
    is_test: bool,
    quote: Vec<String>,
}

/// All citations, and what is wrong with the way they are written.
pub(crate) fn read(texts: &Texts) -> (Vec<Citation>, Vec<String>) {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (file, text) in texts {
        let lines: Vec<&str> = text.lines().collect();
        for open in blocks(file, &lines, &mut wrong) {
            match complete(file, &lines, open) {
                Ok(citation) => found.push(citation),
                Err(why) => wrong.push(why),
            }
        }
    }
    (found, wrong)
}

fn blocks(file: &str, lines: &[&str], wrong: &mut Vec<String>) -> Vec<Open> {
    let mut done = Vec::new();
    let mut open: Option<Open> = None;
    for (n, line) in lines.iter().enumerate() {
        let line = line.trim_start();
        if let Some(quote) = line.strip_prefix("//#") {
            match &mut open {
                Some(open) => open.quote.push(quote.to_owned()),
                None => wrong.push(format!("{file}:{}: a quotation from nowhere", n + 1)),
            }
        } else if let Some(head) = line.strip_prefix("//=").map(str::trim) {
            match &mut open {
                Some(open) if head == "type=test" && open.quote.is_empty() => open.is_test = true,
                _ if head.starts_with("type=") => {
                    wrong.push(format!("{file}:{}: `{head}` is not known here", n + 1));
                }
                _ => {
                    let next = Open { begins: n, target: head.to_owned(), is_test: false, quote: Vec::new() };
                    done.extend(open.replace(next));
                }
            }
        } else {
            done.extend(open.take());
        }
    }
    done.extend(open);
    done
}

fn complete(file: &str, lines: &[&str], open: Open) -> Result<Citation, String> {
    let at = format!("{file}:{}", open.begins + 1);
    let quote = one_line(&open.quote.join(" "));
    if quote.split(' ').count() < 3 {
        return Err(format!("{at}: nothing is quoted"));
    }
    let is_test = is_test(file, lines, open.begins);
    if open.is_test != is_test {
        let what = if is_test { "`//= type=test` is missing" } else { "`type=test`, and no test" };
        return Err(format!("{at}: {what}"));
    }
    let Some(below) = (open.begins..lines.len()).find(|n| !is_passed_over(lines[*n])) else {
        return Err(format!("{at}: it stands above nothing"));
    };
    let test = match is_test {
        true => Some(test_at(file, lines, open.begins, below).ok_or_else(|| format!("{at}: in no test"))?),
        false => None,
    };
    Ok(Citation { file: file.to_owned(), line: below + 1, target: open.target, quote, test })
}

/// Between a citation and what it is about.
fn is_passed_over(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with("//") || line.starts_with("#[")
}

fn is_test(file: &str, lines: &[&str], n: usize) -> bool {
    // The tests of a file of code stand at its end.
    let within = |pair: &[&str]| pair[0].trim() == "#[cfg(test)]" && pair[1].trim_end().ends_with('{');
    file.starts_with("tests/")
        || file.ends_with("/tests.rs")
        || file.contains("/tests/")
        || lines.windows(2).position(within).is_some_and(|tests| tests < n)
}

/// The test that begins at `below`, or that this is a line of.
fn test_at(file: &str, lines: &[&str], begins: usize, below: usize) -> Option<String> {
    let indent = |n: usize| lines[n].len() - lines[n].trim_start().len();
    let declared = match function(lines[below]) {
        Some(_) => below,
        None => (0..begins).rev().find(|n| indent(*n) < indent(below) && function(lines[*n]).is_some())?,
    };
    let above = (0..declared).rev().take_while(|n| is_passed_over(lines[*n]) && !lines[*n].is_empty());
    let has_attribute = above.into_iter().any(|n| {
        let line = lines[n].trim_start();
        line == "#[test]" || line.starts_with("#[tokio::test")
    });
    (has_attribute || file == PLAYED).then(|| function(lines[declared]).unwrap_or_default().to_owned())
}

/// The name of the function that this line declares.
fn function(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    for word in ["pub(crate) ", "pub(super) ", "pub ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.strip_prefix("fn ")?.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}
