//! `rigpost add`: hands clips to the daemon by their absolute paths, or open where it can't reach them.
//!
//! # Decisions
//!
//! - A batch is accepted whole or not at all, because that is what the daemon promises. To find the bad one in a refused
//!   batch, `--keep-going` halves it: the daemon's sentence is for people, and adding twice does no harm.
//! - What is in the queue or in the project already is as good as queued: a script that adds a card twice is told so and
//!   ends with 0. What another project has is not in this one, and nothing will bring it there: that ends with 1.
//! - Only what is the fault of a single path is passed over; a full disk or queue ends it all.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use zbus::Variant;

use super::args::AddArgs;
use super::bus::{Daemon, Options, QueueMethods};
use super::exit::{ExitCode, Failure, group};
use super::out::{self, Out};
use super::watch::{self, Waiting};
use super::{frames, text};
use hand_over::{Handed, Refused, can_read};
use rigpost_contract::method::{LONG_CALL, MAX_MANY};
use rigpost_contract::option::OptionKey;
use summary::{Summary, remark};

mod expand;
mod find;
mod hand_over;
mod summary;

/// The most bytes of paths in one call. On the wire each takes up to eight more, and there are a header and options.
const BATCH_BYTES: usize = LONG_CALL - MAX_MANY * 8 - (16 << 10);
/// More items than this are only counted on a terminal.
const SHOWN: usize = 20;

/// Queues what was given, and waits for it where that was asked.
pub(crate) async fn run(args: &AddArgs, out: &mut Out) -> Result<(), Failure> {
    let found = find::collect(args)?;
    if found.skipped > 0 {
        out::remark(&format!(
            "skipped {} (hidden, unfinished, a system's own, empty, a link, or of another name)",
            text::count(found.skipped, "file")
        ));
    }
    if found.frames.count > 0 {
        let verb = if args.no_sequences { "left out" } else { "among them" };
        let means =
            if args.no_sequences { String::new() } else { format!("; {}", frames::pace(found.frames.count)) };
        out::remark(&format!("{verb} {}{means}", found.frames.said()));
    }
    found.refused.iter().for_each(out::complain);
    if found.paths.is_empty() {
        let next = if found.refused.is_empty() { "" } else { "check the names" };
        return Err(Failure::new(ExitCode::Failed, "there is nothing to queue in there", next));
    }
    let daemon = Daemon::connect().await?;
    // Before the first clip is queued, so that nothing of it is missed.
    let events = if args.wait { Some(daemon.events().await.map_err(group)?) } else { None };
    let Added { summary, refused } = add(&daemon, args, &found.paths, out).await?;
    let refused = refused + found.refused.len();
    if args.json && args.wait {
        out.json_line(&summary)?;
    } else if args.json {
        out.json(&summary)?;
    } else {
        for line in summary.lines(found.paths.len(), found.bytes) {
            out.say(&line)?;
        }
    }
    let ids = summary.in_the_queue();
    if let Some(events) = events
        && !ids.is_empty()
    {
        watch::wait(&daemon, events, Waiting::new(ids), args.json, out).await?;
    }
    match (refused, summary.elsewhere()) {
        (0, None) => Ok(()),
        (0, Some(failure)) => Err(failure),
        (n, elsewhere) => {
            elsewhere.iter().for_each(out::complain);
            Err(were_refused(n))
        }
    }
}

fn were_refused(n: usize) -> Failure {
    let verb = if n == 1 { "was" } else { "were" };
    let what = format!("{} {verb} refused", text::count(n as u64, "file"));
    Failure::new(ExitCode::Failed, what, "each is named above, with its reason")
}

/// What became of the paths.
struct Added {
    summary: Summary,
    refused: usize,
}

async fn add(daemon: &Daemon, args: &AddArgs, paths: &[PathBuf], out: &mut Out) -> Result<Added, Failure> {
    let queue = daemon.queue();
    let mut added = Added { summary: Summary::default(), refused: 0 };
    let mut handed = Handed::default();
    let mut todo: Vec<&[PathBuf]> =
        if args.by_descriptor { paths.chunks(1).collect() } else { batches(paths) };
    todo.reverse();
    while let Some(batch) = todo.pop() {
        let outcome = match batch {
            [path] if args.by_descriptor || handed.knows(batch) => {
                handed.add(queue, path, args, options(args)).await
            }
            [_, _, ..] if handed.knows(batch) => {
                todo.extend(batch.rchunks(1));
                continue;
            }
            [path] => match send(queue, batch, args).await {
                Err(by_path) if by_path.is_out_of_reach() => {
                    let handed = handed.add(queue, path, args, options(args)).await;
                    handed.map_err(|open| if open.says_less() { by_path } else { open })
                }
                outcome => outcome,
            },
            _ => send(queue, batch, args).await,
        };
        let refused = match outcome {
            Ok(files) => {
                if !args.json {
                    report(batch, &files, paths.len(), out)?;
                }
                added.summary.extend(batch, files);
                continue;
            }
            Err(refused) => refused,
        };
        let failure = refused.failure();
        match batch {
            [_] if args.keep_going && refused.is_about_a_path() => {
                out::complain(&failure);
                added.refused += 1;
            }
            [_, _, ..] if may_be_halved(&refused, batch, args) => {
                let (first, second) = batch.split_at(batch.len() / 2);
                todo.extend([second, first]);
            }
            _ => {
                handed.remark();
                return Err(after(failure, added.summary.len(), paths.len()));
            }
        }
    }
    handed.remark();
    Ok(added)
}

/// The bad one is looked for where the others go all the same; or where all can be handed over.
fn may_be_halved(refused: &Refused, batch: &[PathBuf], args: &AddArgs) -> bool {
    (args.keep_going && refused.is_about_a_path())
        || (refused.is_out_of_reach() && batch.iter().all(|path| can_read(path)))
}

/// The failure, with what was queued before it and how to go on.
fn after(failure: Failure, done: usize, all: usize) -> Failure {
    let queued = match done {
        0 => String::new(),
        1 => " (the clip before is queued)".to_owned(),
        n => format!(" (the {n} clips before are queued)"),
    };
    let next = match all {
        1 => failure.next,
        _ => format!("{}; or queue the others: rigpost add --keep-going", failure.next),
    };
    Failure { what: format!("{}{queued}", failure.what), next, ..failure }
}

/// One call. The answers come in the order of the paths.
async fn send(
    queue: QueueMethods<'_>,
    paths: &[PathBuf],
    args: &AddArgs,
) -> Result<Vec<(u64, String)>, Refused> {
    let mut options = options(args);
    options.extend(args.name.as_deref().map(|name| (OptionKey::Name.as_str(), Variant::from(name))));
    let texts: Vec<&str> = paths.iter().filter_map(|path| path.to_str()).collect();
    let odd: Vec<&[u8]> =
        paths.iter().filter(|path| path.to_str().is_none()).map(|path| path.as_os_str().as_bytes()).collect();
    let mut of_texts = queue.add_files(&texts, &odd, options).await.map_err(Refused::Bus)?;
    // Those that are text come first in the answer.
    let of_odd = of_texts.split_off(texts.len().min(of_texts.len()));
    let (mut of_texts, mut of_odd) = (of_texts.into_iter(), of_odd.into_iter());
    let next = |path: &PathBuf| if path.to_str().is_some() { of_texts.next() } else { of_odd.next() };
    Ok(paths.iter().filter_map(next).collect())
}

fn options(args: &AddArgs) -> Options<'_> {
    let mut options = Options::new();
    options.extend(args.priority.map(|n| (OptionKey::Priority.as_str(), Variant::from(n))));
    options.extend(args.channel.map(|n| (OptionKey::Channel.as_str(), Variant::from(n))));
    options.extend(args.closed.then(|| (OptionKey::Closed.as_str(), Variant::from(true))));
    options.extend(args.again.then(|| (OptionKey::Again.as_str(), Variant::from(true))));
    options.extend(args.to_this_project.then(|| (OptionKey::ToThisProject.as_str(), Variant::from(true))));
    options
}

fn report(batch: &[PathBuf], files: &[(u64, String)], total: usize, out: &mut Out) -> Result<(), Failure> {
    if out.live && total > SHOWN {
        return Ok(());
    }
    for (path, (id, word)) in batch.iter().zip(files) {
        out.line(&format!("{id}  {}{}", text::path(path), remark(word)))?;
    }
    Ok(())
}

/// Splits into what one call takes.
fn batches(paths: &[PathBuf]) -> Vec<&[PathBuf]> {
    let (mut batches, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (i, path) in paths.iter().enumerate() {
        let len = path.as_os_str().len();
        if i - start == MAX_MANY || bytes + len > BATCH_BYTES && i > start {
            batches.push(&paths[start..i]);
            (start, bytes) = (i, 0);
        }
        bytes += len;
    }
    batches.push(&paths[start..]);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_to_the_limits() {
        let many: Vec<PathBuf> = (0..MAX_MANY * 2 + 1).map(|i| i.to_string().into()).collect();
        let sizes: Vec<usize> = batches(&many).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [MAX_MANY, MAX_MANY, 1]);
        let long = vec![PathBuf::from("x".repeat(BATCH_BYTES / 2 + 1)); 3];
        assert_eq!(batches(&long).len(), 3);
        assert_eq!(batches(&many[..1]).len(), 1);
    }
}
