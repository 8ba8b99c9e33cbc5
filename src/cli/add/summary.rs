//! What `add` found, in words.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use serde::Serialize;

use crate::exit::{ExitCode, Failure};
use crate::text;
use rigpost_contract::added::AddedAs;

/// Numbers that are named; of more the list says it.
const NAMED: usize = 5;

/// What the daemon said of the files, in the order in which it was told of them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    files: Vec<Said>,
}

/// What it said of one.
#[derive(Debug, Serialize)]
struct Said {
    id: u64,
    /// The word as it came: a newer daemon may know more.
    found: String,
    path: String,
    /// The whole path, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<Vec<u8>>,
}

impl Summary {
    /// Takes the answer to one call.
    pub(super) fn extend(&mut self, paths: &[PathBuf], files: Vec<(u64, String)>) {
        self.files.extend(paths.iter().zip(files).map(|(path, (id, found))| Said {
            id,
            found,
            path: path.to_string_lossy().into_owned(),
            path_bytes: path.to_str().is_none().then(|| path.as_os_str().as_bytes().to_vec()),
        }));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Those that are queued or were; a word that this program does not know may be of one of these.
    pub(super) fn in_the_queue(&self) -> Vec<u64> {
        let waits = |file: &&Said| file.found.parse().map_or(true, AddedAs::is_in_the_queue);
        self.files.iter().filter(waits).map(|file| file.id).collect()
    }

    /// The lines below those of the files; `bytes`: of all files that were asked for. One file says it all in its own line,
    /// where it is new.
    pub(super) fn lines(&self, asked: usize, bytes: u64) -> Vec<String> {
        let (new, waiting, delivered) =
            (self.of(AddedAs::New), self.of(AddedAs::Waiting), self.of(AddedAs::Delivered));
        let mut lines = Vec::new();
        if asked > 1 {
            let size = if new.len() == asked { format!(", {}", text::size(bytes)) } else { String::new() };
            lines.push(format!("Queued {}{size}.", text::count(new.len() as u64, "clip")));
        }
        if !waiting.is_empty() {
            let verb = if waiting.len() == 1 { "is" } else { "are" };
            lines.push(format!("{} {verb} in the queue already ({}).", clips(&waiting), numbers(&waiting)));
        }
        if !delivered.is_empty() {
            let (verb, them) = were(&delivered);
            lines.push(format!(
                "{} {verb} delivered already ({}): rigpost add --again sends {them} once more.",
                clips(&delivered),
                numbers(&delivered)
            ));
        }
        lines
    }

    /// What is not on its way to this project: it was delivered to another one.
    pub(super) fn elsewhere(&self) -> Option<Failure> {
        let ids = self.of(AddedAs::DeliveredElsewhere);
        (!ids.is_empty()).then(|| {
            let (verb, them) = were(&ids);
            Failure::new(
                ExitCode::Failed,
                format!(
                    "{} {verb} delivered to another project ({}), and not queued",
                    clips(&ids),
                    numbers(&ids)
                ),
                format!("rigpost add --to-this-project sends {them} here too"),
            )
        })
    }

    fn of(&self, what: AddedAs) -> Vec<u64> {
        self.files.iter().filter(|file| file.found.parse() == Ok(what)).map(|file| file.id).collect()
    }
}

/// What stands behind the name of a file; empty where it is queued now.
pub(super) fn remark(word: &str) -> String {
    match word.parse::<AddedAs>() {
        Ok(known) if known.clause().is_empty() => String::new(),
        Ok(known) => format!("  ({})", known.clause()),
        Err(_) => format!("  ({})", text::clean(word)),
    }
}

fn clips(ids: &[u64]) -> String {
    text::count(ids.len() as u64, "clip")
}

fn were(ids: &[u64]) -> (&'static str, &'static str) {
    if ids.len() == 1 { ("was", "it") } else { ("were", "them") }
}

fn numbers(ids: &[u64]) -> String {
    let mut named: Vec<String> = ids.iter().take(NAMED).map(|id| format!("#{id}")).collect();
    if ids.len() > NAMED {
        named.push("…".to_owned());
    }
    named.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(files: &[(u64, &str)]) -> Summary {
        let mut summary = Summary::default();
        let paths = vec![PathBuf::from("a.mov"); files.len()];
        summary.extend(&paths, files.iter().map(|(id, word)| (*id, (*word).to_owned())).collect());
        summary
    }

    #[test]
    fn each_kind_is_said_once_with_its_numbers() {
        let all = summary(&[
            (1, "new"),
            (4, "waiting"),
            (7, "delivered"),
            (8, "delivered"),
            (9, "delivered-elsewhere"),
            (10, "asleep"),
        ]);
        assert_eq!(
            all.lines(6, 1000),
            [
                "Queued 1 clip.",
                "1 clip is in the queue already (#4).",
                "2 clips were delivered already (#7, #8): rigpost add --again sends them once more.",
            ]
        );
        assert_eq!(all.in_the_queue(), [1, 4, 10], "what is not known may be on its way");
        let failure = all.elsewhere().unwrap();
        assert_eq!(failure.what, "1 clip was delivered to another project (#9), and not queued");
        assert!(failure.next.contains("--to-this-project") && failure.code == ExitCode::Failed);
        assert_eq!(remark("asleep\u{1b}"), "  (asleep\u{fffd})");
    }

    #[test]
    fn what_is_new_is_said_as_ever() {
        let new = summary(&[(1, "new"), (2, "new")]);
        assert_eq!(new.lines(2, 8), ["Queued 2 clips, 8 B."]);
        assert!(new.elsewhere().is_none() && remark("new").is_empty());
        assert!(summary(&[(1, "new")]).lines(1, 8).is_empty());
        let many: Vec<(u64, &str)> = (1..=6).map(|id| (id, "waiting")).collect();
        assert_eq!(
            summary(&many).lines(6, 8)[1],
            "6 clips are in the queue already (#1, #2, #3, #4, #5, …)."
        );
    }
}
