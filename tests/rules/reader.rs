//! The readers themselves, on small files.
use crate::cite::{self, Texts};
use crate::list::{self, Standard};
use crate::trace::{self, Standing, trace};

fn list(rules: &str) -> Standard {
    let head = "title = \"T\"\nurl = \"https://example/#\"\nscope = \"all\"\n[sections]\n\"1\" = \"One\"\n\"2\" = \"Two\"\n";
    list::read("small", &format!("{head}{rules}"))
}

fn rule(id: &str, section: &str, level: &str, text: &str, more: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\nsection = \"{section}\"\nlevel = \"{level}\"\ntext = '''{text}'''\n{more}\n"
    )
}

fn files(files: &[(&str, &str)]) -> Texts {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

const CODE: &str = "//= https://example/#1\n//# the client MUST\n//#   do it\nfn does_it() {}\n";
const TEST: &str = "//= https://example/#1\n//= type=test\n//# the client MUST do it\n/// Says more.\n#[test]\nfn it_is_done() {\n}\n";

fn one() -> Standard {
    list(&rule("it", "1", "MUST", "Then the client MUST\n   do it.", ""))
}

/// What is wrong with these files.
fn wrong(standard: &Standard, these: &[(&str, &str)]) -> Vec<String> {
    let (citations, mut wrong) = cite::read(&files(these));
    wrong.extend(trace(std::slice::from_ref(standard), &citations).1);
    wrong
}

fn only(wrong: &[String], words: &str) {
    assert!(wrong.len() == 1 && wrong[0].contains(words), "{words}: {wrong:#?}");
}

#[test]
fn a_rule_leads_to_its_code_and_its_test() {
    let standard = [one()];
    let (citations, wrong) = cite::read(&files(&[("src/a.rs", CODE), ("src/a/tests.rs", TEST)]));
    assert_eq!(wrong, Vec::<String>::new());
    let (traced, wrong) = trace(&standard, &citations);
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(traced[0].standing(), Standing::Kept);
    let code: Vec<_> = traced[0].code.iter().map(|c| (c.file.as_str(), c.line)).collect();
    assert_eq!(code, [("src/a.rs", 4)]);
    let tests: Vec<_> = traced[0].tests.iter().map(|c| (c.line, c.test.as_deref())).collect();
    assert_eq!(tests, [(6, Some("it_is_done"))]);
    let report = trace::report(&standard[0], &traced);
    for told in ["Then the client MUST do it.", "code  src/a.rs:4", "test  src/a/tests.rs:6 it_is_done"] {
        assert!(report.contains(told), "{report}");
    }
}

#[test]
fn what_is_missing_is_named() {
    only(&wrong(&one(), &[]), "neither code nor test");
    only(&wrong(&one(), &[("src/a.rs", CODE)]), "no test");
    only(&wrong(&one(), &[("tests/a.rs", TEST)]), "no code");
    for argued in ["exception = 'there is no client here at all'", "pending = true"] {
        let standard = list(&rule("it", "1", "MUST", "the client MUST do it", argued));
        assert_eq!(wrong(&standard, &[]), Vec::<String>::new());
    }
    let advice = [list(&rule("it", "1", "SHOULD", "the client SHOULD do it", ""))];
    let (traced, wrong) = trace(&advice, &[]);
    assert_eq!((traced[0].standing(), wrong), (Standing::Open, vec![]), "advice is shown and fails nothing");
}

#[test]
fn an_argument_that_holds_no_more_is_named() {
    let all: [(&str, &str); 2] = [("src/a.rs", CODE), ("tests/a.rs", TEST)];
    let with = |more: &str| list(&rule("it", "1", "MUST", "the client MUST do it", more));
    only(
        &wrong(&with("exception = 'there is no client here at all'"), &all),
        "an exception, and it is cited",
    );
    only(&wrong(&with("pending = true"), &all), "take `pending` off");
    assert_eq!(wrong(&with("departs = 'but not on the desk of a maker'"), &all), Vec::<String>::new());
    let advice = rule(
        "it",
        "1",
        "SHOULD",
        "the client SHOULD, or it MUST do it",
        "departs = 'but not on the desk of a maker'",
    );
    only(&wrong(&list(&advice), &[]), "neither code nor test");
}

#[test]
fn what_two_standards_say_is_cited_once() {
    let all: [(&str, &str); 2] = [("src/a.rs", CODE), ("tests/a.rs", TEST)];
    let and = |section: &str, text: &str, same: &str| {
        let it = rule("it", "1", "MUST", "the client MUST do it", "");
        list(&[it, rule("too", section, "MUST", text, &format!("as = '{same}'"))].concat())
    };
    let good = [and("2", "The client MUST, of course.", "small it")];
    let (citations, _) = cite::read(&files(&all));
    let (traced, wrong_too) = trace(&good, &citations);
    assert_eq!((traced[1].standing(), wrong_too), (Standing::Kept, vec![]));
    assert!(trace::report(&good[0], &traced).contains("as    small it"));
    assert_eq!(wrong(&good[0], &[]).len(), 2, "neither of them");
    let nowhere = wrong(&and("2", "it MUST", "small that"), &all);
    assert!(nowhere[0].contains("which nothing cites"), "{nowhere:?}");
    let cited = "//= https://example/#2\n//# The client MUST, of course\nfn b() {}\n";
    let both = wrong(&good[0], &[all[0], all[1], ("src/b.rs", cited)]);
    assert!(both[0].contains("it is cited itself"), "{both:?}");
}

#[test]
fn a_citation_that_leads_nowhere_is_named() {
    let good: [(&str, &str); 2] = [("src/a.rs", CODE), ("tests/a.rs", TEST)];
    let and = |text: &str| wrong(&one(), &[good[0], good[1], ("src/b.rs", text)]);
    only(
        &and("//= https://other/#1\n//# the client MUST do it\nfn b() {}\n"),
        "no list for https://other/#1",
    );
    only(&and("//= https://example/#7\n//# the client MUST do it\nfn b() {}\n"), "knows no section 7");
    only(
        &and("//= https://example/#2\n//# the client MUST do it\nfn b() {}\n"),
        "section 2, Two, has no such rule",
    );
    only(&and("//= https://example/#1\n//# the client MUST not\nfn b() {}\n"), "has no such rule");
    only(&and("//= https://example/#1\nfn b() {}\n"), "nothing is quoted");
    only(&and("//# the client MUST do it\nfn b() {}\n"), "a quotation from nowhere");
    only(&and("//= https://example/#1\n//# the client MUST do it\n"), "stands above nothing");
    only(&and(TEST), "and no test");
    only(
        &and("//= https://example/#1\n//= type=todo\n//# the client MUST do it\nfn b() {}\n"),
        "is not known here",
    );
    let twice =
        [rule("a", "1", "MUST", "it MUST be so, and", ""), rule("b", "1", "MUST", "it MUST be so.", "")];
    let both = wrong(
        &list(&twice.concat()),
        &[("src/a.rs", "//= https://example/#1\n//# it MUST be so\nfn b() {}\n")],
    );
    assert!(both[0].contains("more than one rule"), "{both:?}");
}

#[test]
fn a_citation_of_a_test_stands_above_one_or_within() {
    let and =
        |file: &str, text: &str| wrong(&one(), &[("src/a.rs", CODE), ("tests/a.rs", TEST), (file, text)]);
    let within = "#[tokio::test]\nasync fn b() {\n    //= https://example/#1\n    //= type=test\n    //# the client MUST do it\n    assert!(true);\n}\n";
    assert_eq!(and("tests/b.rs", within), Vec::<String>::new());
    assert_eq!(
        and("src/b.rs", &format!("fn b() {{}}\n#[cfg(test)]\nmod tests {{\n{TEST}}}\n")),
        Vec::<String>::new()
    );
    only(&and("tests/b.rs", CODE), "`//= type=test` is missing");
    only(&and("tests/b.rs", &TEST.replace("#[test]\n", "")), "in no test");
    assert_eq!(and("tests/providers/scenarios.rs", &TEST.replace("#[test]\n", "")), Vec::<String>::new());
}

#[test]
fn a_list_that_is_not_sound_is_named() {
    let faults = |rules: &[String]| list::faults(&list(&rules.concat()), &[]);
    let good = rule("it", "1", "MUST NOT", "the client MUST NOT do it", "");
    assert_eq!(faults(std::slice::from_ref(&good)), Vec::<String>::new());
    only(&faults(&[good.clone(), good]), "is there twice");
    only(&faults(&[rule("it", "7", "MUST", "the client MUST do it", "")]), "not among the sections");
    only(&faults(&[rule("it", "1", "MUST NOT", "the client MUST do it", "")]), "not one of level MUST NOT");
    let with = |more: &str| faults(&[rule("it", "1", "MUST", "the client MUST do it", more)]);
    only(&with("pending = true"), "nothing is pending");
    only(&with("exception = 'no'"), "says why");
    only(&with("source = 'somebody'"), "a source is for");
    only(
        &with("exception = 'there is no client here'\ndeparts = 'but not on the desk of a maker'"),
        "one of them",
    );
}
