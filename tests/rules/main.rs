//! Which rule of which standard is kept where, and which test would notice if it were not.
//!
//! A rule is a sentence that binds a client, in one of the lists beside this file. Above the code that keeps it stands
//!
//! ```text
//! //= https://www.rfc-editor.org/rfc/rfc8628#section-3.5
//! //# the client MUST wait at least the number of seconds specified by the "interval"
//! ```
//!
//! and the same above the test, with `//= type=test` as the second line. That is how `duvet` (aws/s2n-quic) has it.
//!
//! `cargo test --test rules -- --ignored --nocapture` prints each rule with the places that cite it.
//!
//! # Decisions
//! - A list of sentences and not the text of the standard: what binds a server is nothing that can be looked for here.
//! - The sentence, or a part of it that is in no other of its section: whoever reads the code sees what it is about, and a
//!   slip of the pen is found.
//! - A MUST without code, without a test and without an argument fails. A SHOULD is shown as open: it is advice.
//! - What is not kept says why in the list (`exception`); what is kept but for a case, too (`departs`).
//! - What a second standard says again is cited once (`as`): two sentences above one line say no more than one.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, and what it prints is asked for")]
mod cite;
mod list;
mod reader;
mod trace;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::cite::{Citation, Texts};
use crate::list::Standard;
use crate::trace::trace;

/// Of these something is still being built. The list only gets shorter.
const PENDING: &[&str] = &[];

static STANDARDS: LazyLock<Vec<Standard>> = LazyLock::new(list::all);
static CITED: LazyLock<(Vec<Citation>, Vec<String>)> = LazyLock::new(|| cite::read(&texts()));

/// All Rust of the repository but this program's own, by its name from the root.
fn texts() -> Texts {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Texts::new();
    let mut dirs: Vec<PathBuf> = vec![root.join("src"), root.join("tests")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let is_ours = !path.ends_with("node_modules") && !path.ends_with("tests/rules");
            if path.is_dir() && is_ours {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(found.len() > 50, "this reads the wrong place");
    found
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_lists_are_sound() {
    let wrong: Vec<String> = STANDARDS.iter().flat_map(|standard| list::faults(standard, PENDING)).collect();
    none(&wrong);
    for name in PENDING {
        let standard = STANDARDS.iter().find(|s| s.name == *name);
        let still = standard.is_some_and(|s| s.rules.iter().any(|rule| rule.pending));
        assert!(still, "nothing of {name} is pending: take it off the list");
    }
}

#[test]
fn citations_are_written_as_they_have_to_be() {
    none(&CITED.1);
}

#[test]
fn each_rule_is_kept_and_tested_or_argued() {
    none(&trace(&STANDARDS, &CITED.0).1);
}

#[test]
#[ignore = "prints what the tests read"]
fn the_report() {
    let (traced, wrong) = trace(&STANDARDS, &CITED.0);
    for standard in &*STANDARDS {
        println!("{}", trace::report(standard, &traced));
    }
    println!("All: {}", trace::count(traced.iter()));
    none(&wrong);
}
