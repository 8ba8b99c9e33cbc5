//! Who may know whom. The code is read as text, so that a forbidden path fails with its file and line.
#![expect(clippy::unwrap_used, reason = "a test")]
mod words;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Each folder of the daemon, and the folders it may name besides itself. The list is an order: nothing names what comes
/// after it. What a crate may know of another one its `Cargo.toml` says.
const LAYERS: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("clock", &[]),
    ("vault", &[]),
    ("media", &["clock"]),
    ("link", &[]),
    ("watch", &["clock"]),
    ("store", &["vault"]),
    ("http", &["clock", "media"]),
    ("bus", &["link", "clock"]),
    ("tasks", &["http", "store", "vault", "clock", "link", "media", "watch"]),
    ("run", &["config", "clock", "watch", "vault", "media", "link", "store", "http", "bus", "tasks"]),
];

/// Words, what they stand for, and the only files or folders that may hold them.
const PRIVILEGES: &[(&[&str], &str, &[&str])] = &[
    (
        &[
            "SystemTime::now",
            "Instant::now",
            "clock_gettime",
            "timerfd_create",
            "time::sleep",
            "time::interval",
            "Timestamp::now",
            "Zoned::now",
        ],
        "reads a clock",
        // The last stamps the manual pages.
        &["src/daemon/clock.rs", "src/sim/clock.rs", "src/cli/clock.rs", "src/build.rs"],
    ),
    (&["rusqlite"], "speaks SQL", &["src/daemon/store/", "src/daemon/store.rs"]),
    (&["zbus::", "zbus("], "speaks D-Bus", &["src/daemon/bus/", "src/daemon/bus.rs", "src/cli/"]),
    (&["reqwest"], "speaks HTTP", &["src/daemon/http/api.rs", "src/sim/s3.rs"]),
    (&["openat2"], "opens media files", &["src/daemon/media.rs", "src/daemon/media/"]),
    (
        &[".expose()"],
        "holds a secret in the open",
        &[
            // The types themselves: it is defined in src/core/secret.rs.
            "src/core/identity/oauth.rs",
            // Out to the provider.
            "src/daemon/http/",
            // Down to the disk, sealed.
            "src/daemon/store/grant.rs",
            "src/daemon/store/pairing.rs",
            // A signature is the issuer's or not.
            "src/core/provider/id_token.rs",
            // Out to a program that a maker has let in.
            "src/daemon/bus/tokens.rs",
            // Codes, which the screen is there to show.
            "src/daemon/bus/announce.rs",
            "src/daemon/bus/pairing.rs",
        ],
    ),
];

const MAX_LINES: usize = 450;
/// Files that are longer already, and may not grow.
const LONGER: &[(&str, usize)] = &[];

struct Source {
    /// From the root of the repository, with `/`.
    name: String,
    text: String,
}

impl Source {
    /// `src/daemon/http.rs` is of the layer `http`, and so is everything in `src/daemon/http/`; what is not of the daemon
    /// is of none.
    fn layer(&self) -> Option<&str> {
        let rest = self.name.strip_prefix("src/daemon/")?;
        Some(rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs"))
    }

    fn is_test(&self) -> bool {
        self.name.ends_with("/tests.rs") || self.name.contains("/tests/")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut dirs = vec![root.join("src")];
    while let Some(dir) = dirs.pop() {
        let entries = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path());
        for path in entries.collect::<BTreeSet<PathBuf>>() {
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                found.push(Source { name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    assert!(found.len() > 50, "this reads the wrong place");
    found
}

/// The text with comments blanked and, where asked for, without the tests at its end. Lines stay where they are.
fn code(source: &Source, with_tests: bool) -> String {
    let end = if with_tests { None } else { source.text.find("#[cfg(test)]\nmod tests {") };
    let text = &source.text[..end.unwrap_or(source.text.len())];
    text.split_inclusive('\n')
        .map(|line| match line.find("//") {
            // Not the two slashes of a URL.
            Some(at) if !line[..at].ends_with(':') => format!("{}\n", &line[..at]),
            _ => line.to_owned(),
        })
        .collect()
}

fn line(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// First segments of what is named after `crate::` at the beginning of `rest`: one, or those of a group.
fn heads(rest: &str) -> Vec<&str> {
    let ident = |s: &str| s.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(s.len());
    if !rest.starts_with('{') {
        return vec![&rest[..ident(rest)]];
    }
    let (mut depth, mut out, mut fresh) = (0, Vec::new(), false);
    for (at, c) in rest.char_indices() {
        match c {
            '{' => {
                depth += 1;
                fresh = depth == 1;
            }
            '}' => depth -= 1,
            ',' => fresh = depth == 1,
            c if fresh && !c.is_whitespace() => {
                out.push(&rest[at..at + ident(&rest[at..])]);
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    out
}

/// Where in the code what is named with `crate::`.
fn named(code: &str) -> Vec<(usize, &str)> {
    let at = code.match_indices("crate::").filter(|(at, _)| {
        // Not `$crate::`, and not the end of another word.
        !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
    });
    at.flat_map(|(at, word)| heads(&code[at + word.len()..]).into_iter().map(move |head| (at, head)))
        .collect()
}

#[test]
fn no_layer_names_one_that_it_should_not_know() {
    let mut wrong = String::new();
    for source in sources() {
        let Some(layer) = source.layer().filter(|layer| !matches!(*layer, "lib" | "build")) else { continue };
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
            writeln!(wrong, "{}: the layer \"{layer}\" is not in the table", source.name).unwrap();
            continue;
        };
        let code = code(&source, true);
        for (at, head) in named(&code) {
            if head != layer && !allowed.contains(&head) {
                let (name, line) = (&source.name, line(&code, at));
                writeln!(wrong, "{name}:{line}: {layer} may name {allowed:?} and not \"{head}\"").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_table_is_an_order() {
    for (n, (name, allowed)) in LAYERS.iter().enumerate() {
        for other in *allowed {
            let place = LAYERS.iter().position(|(name, _)| name == other);
            assert!(place.is_some_and(|place| place < n), "{name} and {other}");
        }
    }
}

#[test]
fn what_only_a_few_may_do_is_done_only_there() {
    let mut wrong = String::new();
    for source in sources().iter().filter(|s| !s.is_test()) {
        let code = code(source, false);
        for (words, what, places) in PRIVILEGES {
            if places.iter().any(|place| source.name.starts_with(place)) {
                continue;
            }
            for word in *words {
                for (at, _) in code.match_indices(word) {
                    let line = line(&code, at);
                    writeln!(wrong, "{}:{line}: \"{word}\" {what}; only {places:?} may", source.name)
                        .unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn no_privilege_is_held_for_nothing() {
    let sources = sources();
    for (words, what, places) in PRIVILEGES {
        for place in *places {
            let used = sources.iter().filter(|s| s.name.starts_with(place)).any(|s| {
                let code = code(s, false);
                words.iter().any(|word| code.contains(word))
            });
            assert!(used, "{place} nowhere {what}: take it off the list");
        }
    }
}

#[test]
fn files_fit_in_one_head() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|s| {
            let longer = LONGER.iter().find(|(name, _)| *name == s.name);
            !s.is_test() && s.text.lines().count() > longer.map_or(MAX_LINES, |(_, most)| *most)
        })
        .map(|s| format!("{}: {} lines", s.name, s.text.lines().count()))
        .collect();
    assert!(long.is_empty(), "more than {MAX_LINES} lines: {long:?}");
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let text = "use crate::{a::{b, c}, d, e::f::{self, g}};\nuse crate::h::i;\nlet x = crate::j::k(); pub(crate) fn l() {}\n$crate::m";
    let heads: Vec<&str> = named(text).into_iter().map(|(_, head)| head).collect();
    assert_eq!(heads, ["a", "d", "e", "h", "j"]);
    let source = Source {
        name: "src/daemon/http.rs".to_owned(),
        text: "a // crate::b\n\"http://x\" crate::c\n#[cfg(test)]\nmod tests {}\n".to_owned(),
    };
    assert_eq!(source.layer(), Some("http"));
    assert_eq!(code(&source, false), "a \n\"http://x\" crate::c\n");
}
