//! Who may know whom, who alone may do what, and one way to write a file. What a crate may know of another its `Cargo.toml`
//! says; what is said here no compiler holds.
//!
//! `cargo test --test structure -- --ignored --nocapture` prints the graph and the sizes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, and what it prints is asked for")]
#![allow(clippy::wildcard_enum_match_arm, reason = "the syntax of a language may grow")]
mod graph;
mod pictures;
mod read;
mod reader;
mod rules;
mod style;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::graph::Edge;
use crate::read::{Code, Texts};

/// Everything under `src/`.
static SOURCES: LazyLock<Texts> = LazyLock::new(|| texts("src"));
static CODE: LazyLock<Code> = LazyLock::new(|| code(&SOURCES));
static EDGES: LazyLock<Vec<Edge>> = LazyLock::new(|| CODE.edges());

/// All Rust of the repository below `folder`, by its name from the root.
fn texts(folder: &str) -> Texts {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Texts::new();
    let mut dirs: Vec<PathBuf> = vec![root.join(folder)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            // What npm has installed.
            if path.is_dir() && !path.ends_with("node_modules") {
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

/// The crates under `src/`, each from its roots.
fn code(texts: &Texts) -> Code {
    let mut code = Code::default();
    for file in texts.keys() {
        let parts: Vec<&str> = file.split('/').collect();
        match parts[..] {
            ["src", name, "lib.rs"] => code.read(texts, &format!("rigpost_{name}"), file),
            ["src", "build.rs"] | ["src", _, "build.rs"] | ["src", "bin", _] => code.read(texts, file, file),
            _ => {}
        }
    }
    assert!(code.crates.len() > 5, "crates and programs: {:?}", code.crates);
    code
}

/// The first directory or file of `file` below `folder`: `src/daemon/http/api.rs` and `src/daemon/http.rs` are `http`.
fn part<'a>(file: &'a str, folder: &str) -> Option<&'a str> {
    let rest = file.strip_prefix(folder)?.strip_prefix('/')?;
    let part = rest.split('/').next()?;
    Some(part.strip_suffix(".rs").unwrap_or(part))
}

fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

fn folders(texts: &Texts) -> Vec<String> {
    let mut folders: Vec<String> =
        texts.keys().filter_map(|file| file.rsplit_once('/')).map(|(folder, _)| folder.to_owned()).collect();
    folders.sort();
    folders.dedup();
    folders
}
