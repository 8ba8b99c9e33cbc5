//! What came of each item that was named, in words.
//!
//! # Decisions
//!
//! - Whoever names a clip means it: one that stays as it was is a failure with a code of its own. Of "all", which were looked
//!   up a moment before, some may have gone on by themselves: that is said, and is a failure only where nothing changed.

use serde::Serialize;

use crate::args::SelectArgs;
use crate::exit::{ExitCode, Failure};
use crate::out::Out;
use crate::text;
use rigpost_contract::steered::Steered;

/// Numbers that are named; of more the list says it.
const NAMED: usize = 5;

/// What was asked of the items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Retry,
    Cancel,
    Release,
    Priority,
    Clear,
}

/// What the daemon said of the items, in the order in which it was told of them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outcome {
    items: Vec<Said>,
    /// How many were named; a daemon of an older version says nothing of them.
    #[serde(skip)]
    named: usize,
}

#[derive(Debug, Serialize)]
struct Said {
    id: u64,
    /// The word as it came: a newer daemon may know more.
    result: String,
}

impl Outcome {
    /// Takes the answer to one call.
    pub(super) fn extend(&mut self, named: &[u64], found: Vec<(u64, String)>) {
        self.named += named.len();
        self.items.extend(found.into_iter().map(|(id, result)| Said { id, result }));
    }

    /// Those of which what was asked was done.
    pub(super) fn done(&self) -> Vec<u64> {
        self.items.iter().filter(|said| is_done(&said.result)).map(|said| said.id).collect()
    }

    /// Says what came of it: `lines`, where anything was done, and what stays as it was.
    pub(super) fn tell(
        &self,
        asked: Asked,
        args: &SelectArgs,
        lines: Vec<String>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        if args.json {
            out.json(self)?;
        } else if !self.done().is_empty() {
            lines.iter().try_for_each(|line| out.say(line))?;
        }
        match self.unchanged(asked) {
            Some(failure) if !args.all || self.done().is_empty() => Err(failure),
            Some(failure) if !args.json => Ok(out.say(&format!("{}.", text::capitalized(&failure.what)))?),
            Some(_) | None => Ok(()),
        }
    }

    /// What stays as it was, and why.
    pub(super) fn unchanged(&self, asked: Asked) -> Option<Failure> {
        let failure = |what, next: &str| Some(Failure::new(ExitCode::Unchanged, what, next));
        if self.items.len() < self.named {
            return failure(
                "the daemon that runs does not say what came of it".to_owned(),
                "rigpost queue --all shows the clips; after an upgrade: sudo systemctl restart rigpost",
            );
        }
        let mut kinds: Vec<(&str, Vec<u64>)> = Vec::new();
        for said in self.items.iter().filter(|said| !is_done(&said.result)) {
            match kinds.iter_mut().find(|(word, _)| *word == said.result) {
                Some((_, ids)) => ids.push(said.id),
                None => kinds.push((&said.result, vec![said.id])),
            }
        }
        let (first, ids) = kinds.first()?;
        let next = advice(asked, first.parse().ok(), ids);
        let why: Vec<String> = kinds.iter().map(|(word, ids)| because(word, ids)).collect();
        let count: usize = kinds.iter().map(|(_, ids)| ids.len()).sum();
        let of = text::count(self.named as u64, "clip");
        let verb = if count == 1 { "was" } else { "were" };
        failure(format!("{count} of {of} {verb} not {}: {}", participle(asked), why.join("; ")), &next)
    }
}

fn is_done(word: &str) -> bool {
    word.parse().is_ok_and(Steered::is_done)
}

fn participle(asked: Asked) -> &'static str {
    match asked {
        Asked::Retry => "tried again",
        Asked::Cancel => "taken off the queue",
        Asked::Release => "released",
        Asked::Priority => "given the priority",
        Asked::Clear => "cleared",
    }
}

/// "#7 waits for its turn", "#7, #8: each waits for its turn".
fn because(word: &str, ids: &[u64]) -> String {
    let clause =
        word.parse::<Steered>().map_or_else(|_| text::clean(word), |known| known.clause().to_owned());
    let each = if ids.len() > 1 { ": each" } else { "" };
    let mut named: Vec<String> = ids.iter().take(NAMED).map(|id| format!("#{id}")).collect();
    if ids.len() > NAMED {
        named.push("…".to_owned());
    }
    format!("{}{each} {clause}", named.join(", "))
}

/// What helps, where something does.
fn advice(asked: Asked, why: Option<Steered>, ids: &[u64]) -> String {
    let id = ids.first().copied().unwrap_or_default();
    match (asked, why) {
        (Asked::Retry, Some(Steered::Delivered)) => "rigpost add --again FILE sends it once more".to_owned(),
        (Asked::Retry | Asked::Release, Some(Steered::Held)) => {
            format!("rigpost queue release {id} sends it to the project that is paired now")
        }
        (Asked::Release, Some(Steered::Failed | Steered::Cancelled | Steered::Away)) => {
            format!("rigpost queue retry {id} tries it again")
        }
        (Asked::Clear, Some(_)) => format!("to take it off the queue first: rigpost queue cancel {id}"),
        (Asked::Retry | Asked::Cancel | Asked::Release | Asked::Priority | Asked::Clear, _) => {
            format!("rigpost queue show {id} says where it stands")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(items: &[(u64, &str)]) -> Outcome {
        let mut outcome = Outcome::default();
        let ids: Vec<u64> = items.iter().map(|(id, _)| *id).collect();
        outcome.extend(&ids, items.iter().map(|(id, word)| (*id, (*word).to_owned())).collect());
        outcome
    }

    #[test]
    fn what_stays_as_it_was_is_named_with_its_reason() {
        let some = outcome(&[
            (1, "changed"),
            (7, "delivered"),
            (8, "delivered"),
            (9, "sending"),
            (10, "asleep\u{1b}"),
        ]);
        let failure = some.unchanged(Asked::Retry).unwrap();
        assert_eq!(
            failure.what,
            "4 of 5 clips were not tried again: #7, #8: each was delivered already; #9 is being sent now; \
             #10 asleep\u{fffd}"
        );
        assert_eq!((failure.code, failure.next.contains("--again")), (ExitCode::Unchanged, true));
        assert_eq!(some.done(), [1]);
        let one = outcome(&[(7, "held")]).unchanged(Asked::Retry).unwrap();
        assert_eq!(one.what, "1 of 1 clip was not tried again: #7 is held until somebody releases it");
        assert_eq!(one.next, "rigpost queue release 7 sends it to the project that is paired now");
        let many: Vec<(u64, &str)> = (1..=6).map(|id| (id, "waiting")).collect();
        let failure = outcome(&many).unchanged(Asked::Clear).unwrap();
        assert!(failure.what.ends_with("#1, #2, #3, #4, #5, …: each waits for its turn"), "{}", failure.what);
    }

    #[test]
    fn what_was_done_needs_no_words_and_silence_is_not_taken_for_it() {
        assert_eq!(outcome(&[(1, "changed"), (2, "due")]).unchanged(Asked::Retry), None);
        let mut older = Outcome::default();
        older.extend(&[7], vec![]);
        assert!(older.done().is_empty());
        assert!(older.unchanged(Asked::Cancel).unwrap().what.contains("does not say"));
    }
}
