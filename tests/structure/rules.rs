//! The rules for the whole tree.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::graph::{Edge, circles};
use crate::read::What;
use crate::{CODE, EDGES, SOURCES, folders, is_test, part};

/// Each folder of the daemon, and the folders it may name besides itself. The list is an order: nothing names what comes
/// after it.
const LAYERS: &[(&str, &[&str])] = &[
    ("egress", &[]),
    ("config", &["egress"]),
    ("clock", &[]),
    ("vault", &[]),
    ("watch", &["clock"]),
    ("media", &["clock", "watch"]),
    ("link", &[]),
    ("store", &["clock", "vault"]),
    ("http", &["clock", "media", "egress"]),
    ("bus", &["link", "clock"]),
    ("tasks", &["http", "store", "vault", "clock", "link", "media", "watch"]),
    (
        "run",
        &["egress", "config", "clock", "watch", "vault", "media", "link", "store", "http", "bus", "tasks"],
    ),
];

/// Folders in which files still need each other. The list only gets shorter.
const CIRCLES: &[&str] = &[];

/// Words, what they stand for, and the only files or folders that may hold them. `a::b` is a piece of a path, wherever its
/// beginning was imported from; `.a` a method; `#a` a word in an attribute.
const PRIVILEGES: &[(&[&str], &str, &[&str])] = &[
    (
        &[
            "SystemTime::now",
            "Instant::now",
            "clock_gettime",
            "timerfd_create",
            "time::sleep",
            "time::sleep_until",
            "time::interval",
            "time::interval_at",
            "Timestamp::now",
            "Zoned::now",
        ],
        "reads a clock",
        // The last stamps the manual pages.
        &["src/daemon/clock.rs", "src/sim/clock.rs", "src/cli/clock.rs", "src/build.rs"],
    ),
    (&["rusqlite"], "speaks SQL", &["src/daemon/store/"]),
    (&["zbus", "#zbus"], "speaks D-Bus", &["src/daemon/bus/", "src/daemon/bus.rs", "src/cli/"]),
    (
        &[
            "SignalEmitter::new",
            "SignalEmitter::from_parts",
            "Properties::properties_changed",
            "Queue::item_changed",
            "Message::signal",
            ".emit_signal",
            ".signal_emitter",
            "#signal_emitter",
        ],
        "emits signals",
        &["src/daemon/bus/announce.rs"],
    ),
    (&["reqwest"], "speaks HTTP", &["src/daemon/http/api.rs", "src/sim/s3.rs"]),
    (&["openat2"], "opens media files", &["src/daemon/media.rs", "src/daemon/media/"]),
    (
        &[".expose"],
        "holds a secret in the open",
        &[
            // The types themselves: it is defined in src/core/secret.rs.
            "src/core/oauth.rs",
            // Out to the provider.
            "src/daemon/http/",
            // Down to the disk, sealed.
            "src/daemon/store/grant.rs",
            "src/daemon/store/pairing.rs",
            "src/daemon/store/queue/growing.rs",
            "src/daemon/store/revocation.rs",
            "src/daemon/store/storage_key.rs",
            // A signature is the issuer's or not.
            "src/core/provider/id_token.rs",
            "src/core/provider/proof.rs",
            "src/core/provider/socket.rs",
            // Addresses of uploads, some of which are all that it takes.
            "src/core/delivery/keys.rs",
            "src/core/delivery/s3.rs",
            "src/core/delivery/tus.rs",
            // Out to a program that a maker has let in.
            "src/daemon/bus/tokens.rs",
            // Codes, which the screen is there to show.
            "src/daemon/bus/announce.rs",
            "src/daemon/bus/pairing.rs",
        ],
    ),
];

const MAX_LINES: usize = 450;

/// Lines to read. A citation of a rule (`tests/rules`) is none: it is passed over like a line of a margin, and a file must not
/// be torn apart because it keeps many.
fn length(text: &str) -> usize {
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//=") && !line.starts_with("//#"))
        .count()
}

fn said(edge: &Edge) -> String {
    format!("{}:{} needs {}", edge.from, edge.what.line(&SOURCES[&edge.from]), edge.to)
}

#[test]
fn every_file_is_in_the_tree_where_its_declaration_says() {
    assert_eq!(CODE.missing, Vec::<String>::new(), "declared, and not where `x.rs` beside `x/` puts it");
    let read: BTreeSet<&str> = CODE.modules.iter().map(|m| m.file.as_str()).collect();
    let dead: Vec<&String> = SOURCES.keys().filter(|file| !read.contains(file.as_str())).collect();
    assert!(dead.is_empty(), "no module: {dead:?}");
}

#[test]
fn no_layer_names_one_that_it_should_not_know() {
    let mut wrong = String::new();
    for edge in &*EDGES {
        let (Some(from), Some(to)) = (part(&edge.from, "src/daemon"), part(&edge.to, "src/daemon")) else {
            continue;
        };
        if matches!(from, "lib" | "build") || from == to {
            continue;
        }
        let allowed = LAYERS.iter().find(|(name, _)| *name == from).map(|(_, allowed)| *allowed);
        if !allowed.is_some_and(|allowed| allowed.contains(&to)) {
            writeln!(wrong, "{}, and {from} may not name {to}", said(edge)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_table_is_an_order_of_all_there_is() {
    for (n, (name, allowed)) in LAYERS.iter().enumerate() {
        for other in *allowed {
            let place = LAYERS.iter().position(|(name, _)| name == other);
            assert!(place.is_some_and(|place| place < n), "{name} and {other}");
        }
    }
    let there: BTreeSet<&str> = SOURCES.keys().filter_map(|file| part(file, "src/daemon")).collect();
    let told: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).chain(["lib", "build"]).collect();
    assert_eq!(there, told);
}

/// The folder that all of these files have in common.
fn home<'a>(files: &[&'a str]) -> &'a str {
    let above = |path: &'a str| path.rsplit_once('/').map_or("", |(folder, _)| folder);
    // `src/daemon/store.rs` is of the folder `src/daemon/store`.
    let mut home = files[0].trim_end_matches(".rs");
    while !files.iter().all(|file| part(file, home).is_some() || file.strip_suffix(".rs") == Some(home)) {
        home = above(home);
    }
    home
}

/// Circles of files: in which folder, and what makes them.
fn file_circles() -> Vec<(String, String)> {
    let code: Vec<&Edge> = EDGES.iter().filter(|edge| !edge.test).collect();
    let mut found = Vec::new();
    for circle in circles(code.iter().map(|edge| (edge.from.as_str(), edge.to.as_str()))) {
        let mut text = format!("files in {}:\n", home(&circle));
        let inside = |file: &str| circle.contains(&file);
        for edge in code.iter().filter(|edge| inside(&edge.from) && inside(&edge.to)) {
            writeln!(text, "  {}", said(edge)).unwrap();
        }
        found.push((home(&circle).to_owned(), text));
    }
    found
}

/// Circles of what lies side by side in a folder, each a file or a folder with the file of its name.
fn folder_circles() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders(&SOURCES) {
        let mut between: BTreeMap<(&str, &str), &Edge> = BTreeMap::new();
        for edge in EDGES.iter().filter(|edge| !edge.test) {
            if let (Some(from), Some(to)) = (part(&edge.from, &folder), part(&edge.to, &folder))
                && from != to
            {
                between.entry((from, to)).or_insert(edge);
            }
        }
        for circle in circles(between.keys().copied()) {
            let mut text = format!("{} in {folder}:\n", circle.join(", "));
            for ((from, to), edge) in &between {
                if circle.contains(from) && circle.contains(to) {
                    writeln!(text, "  {}", said(edge)).unwrap();
                }
            }
            found.push((folder.clone(), text));
        }
    }
    found
}

#[test]
fn neither_files_nor_folders_need_each_other() {
    let found = [file_circles(), folder_circles()].concat();
    let listed = |home: &str| CIRCLES.contains(&home);
    let left: Vec<&str> = found.iter().filter(|(home, _)| !listed(home)).map(|(_, text)| &**text).collect();
    assert!(left.is_empty(), "circles:\n{}", left.join("\n"));
    for home in CIRCLES {
        assert!(
            found.iter().any(|(at, _)| at == home),
            "{home} has no circle any more: take it off the list"
        );
    }
}

/// Each use of a privilege outside of tests: which, in what file and line, and the word.
fn uses() -> Vec<(usize, &'static str, usize, &'static str)> {
    let mut uses = Vec::new();
    for (id, mention, meaning) in CODE.named().filter(|(_, mention, _)| !mention.test) {
        let holds = |word: &str| match (&mention.what, word.split_at(1)) {
            (What::Method(name), (".", method)) => name == method,
            (What::Word(name), ("#", wanted)) => name == wanted,
            (What::Path(written), _) => {
                let wanted: Vec<&str> = word.split("::").collect();
                let piece = |path: &Vec<String>| path.windows(wanted.len()).any(|piece| piece == wanted);
                piece(written) || meaning.foreign.as_ref().is_some_and(piece)
            }
            (What::Method(_) | What::Word(_), _) => false,
        };
        let file = CODE.modules[id].file.as_str();
        for (n, (words, _, _)) in PRIVILEGES.iter().enumerate() {
            let line = || mention.what.line(&SOURCES[file]);
            uses.extend(words.iter().filter(|word| holds(word)).map(|word| (n, file, line(), *word)));
        }
    }
    uses
}

#[test]
fn what_only_a_few_may_do_is_done_only_there() {
    let mut wrong = String::new();
    for (n, file, line, word) in uses() {
        let (_, what, places) = PRIVILEGES[n];
        if !places.iter().any(|place| file.starts_with(place)) {
            writeln!(wrong, "{file}:{line}: \"{word}\" {what}; only {places:?} may").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn no_privilege_is_held_for_nothing() {
    let uses = uses();
    for (n, (_, what, places)) in PRIVILEGES.iter().enumerate() {
        for place in *places {
            let used = uses.iter().any(|(m, file, _, _)| *m == n && file.starts_with(place));
            assert!(used, "{place} nowhere {what}: take it off the list");
        }
    }
}

#[test]
fn files_fit_in_one_head() {
    let long: Vec<String> = SOURCES
        .iter()
        .map(|(name, text)| (name, length(text)))
        .filter(|(name, lines)| !is_test(name) && *lines > MAX_LINES)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "more than {MAX_LINES} lines: {long:?}");
}

#[test]
#[ignore = "prints what the tests read"]
fn the_graph() {
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for edge in EDGES.iter().filter(|edge| !edge.test) {
        needs.entry(&edge.from).or_default().insert(&edge.to);
    }
    for (_, text) in [file_circles(), folder_circles()].concat() {
        println!("CIRCLE of {text}");
    }
    for (file, lines) in SOURCES.iter().map(|(name, text)| (name.as_str(), length(text))) {
        println!("{file} ({lines} lines)");
        needs.get(file).into_iter().flatten().for_each(|to| println!("    {to}"));
    }
}
