//! What is done to items: by their numbers, or to all in a state.
//!
//! # Decisions
//!
//! - "All" is looked up first and then named by number, so that a clip which comes in between is not hit by a decision that
//!   was made without it.
//! - What a person can regret asks first: what goes to another project, or goes cut off, by number too. Nothing brings it back.
//! - A number that is given twice is meant once.

use std::collections::BTreeSet;

use serde::Serialize;
use zbus::Variant;

use super::outcome::{Asked, Outcome};
use crate::args::{ClearArgs, CommentArgs, PriorityArgs, SelectArgs};
use crate::bus::{Daemon, Item, Options, QueueMethods};
use crate::control::confirm;
use crate::exit::{Failure, group};
use crate::out::Out;
use crate::text;
use rigpost_contract::error::ErrorName;
use rigpost_contract::item::ItemState;
use rigpost_contract::method::{MAX_MANY, MAX_PAGE};
use rigpost_contract::option::OptionKey;
use rigpost_contract::pairing::State;

/// `rigpost queue retry`.
pub(super) async fn retry(daemon: &Daemon, args: &SelectArgs, out: &mut Out) -> Result<(), Failure> {
    let queue = daemon.queue();
    let Some(ids) = select(queue, args, &[ItemState::Failed], out).await? else { return Ok(()) };
    let mut outcome = Outcome::default();
    for batch in ids.chunks(MAX_MANY) {
        outcome.extend(batch, queue.retry(batch, Options::new()).await.map_err(group)?);
    }
    let lines = vec![format!("Trying {} again.", clips(&outcome.done()))];
    outcome.tell(Asked::Retry, args, lines, out)
}

/// `rigpost queue cancel`.
//= frameio-c2c#7
//# One upload can be cancelled, and all.
pub(super) async fn cancel(daemon: &Daemon, args: &SelectArgs, out: &mut Out) -> Result<(), Failure> {
    let queue = daemon.queue();
    let open = [
        ItemState::Uploading,
        ItemState::Recording,
        ItemState::Queued,
        ItemState::Held,
        ItemState::Incomplete,
        ItemState::Away,
    ];
    let Some(ids) = select(queue, args, &open, out).await? else { return Ok(()) };
    if args.all {
        confirm(args.yes, &format!("Take {} off the queue? The files stay where they are.", clips(&ids)))?;
    }
    let mut outcome = Outcome::default();
    for batch in ids.chunks(MAX_MANY) {
        outcome.extend(batch, queue.cancel(batch, Options::new()).await.map_err(group)?);
    }
    let lines =
        vec![format!("Took {} off the queue. The files are where they were.", clips(&outcome.done()))];
    outcome.tell(Asked::Cancel, args, lines, out)
}

/// `rigpost queue release`.
pub(super) async fn release(daemon: &Daemon, args: &SelectArgs, out: &mut Out) -> Result<(), Failure> {
    let project = paired_with(daemon).await?;
    let queue = daemon.queue();
    let Some(ids) = select(queue, args, &[ItemState::Held], out).await? else { return Ok(()) };
    let (held, cut) = sort(queue, args, &ids).await?;
    let cut: Vec<u64> = cut.iter().map(|item| item.id).collect();
    let mut what = Vec::new();
    if !held.is_empty() {
        what.push(format!(
            "{}{} to {project}",
            text::count(held.len() as u64, "clip"),
            whose(&held, &project)
        ));
    }
    if !cut.is_empty() {
        what.push(format!("{} {}", clips(&cut), how_cut(&cut)));
    }
    if !what.is_empty() {
        confirm(args.yes, &format!("Send {}? That can't be taken back.", what.join(", and ")))?;
    }
    let mut outcome = Outcome::default();
    for batch in ids.chunks(MAX_MANY) {
        outcome.extend(batch, queue.release(batch, Options::new()).await.map_err(group)?);
    }
    let (cut, released): (Vec<u64>, Vec<u64>) = outcome.done().into_iter().partition(|id| cut.contains(id));
    let mut lines = Vec::new();
    if !released.is_empty() {
        lines.push(format!("Released {} to {project}.", clips(&released)));
    }
    if !cut.is_empty() {
        lines.push(format!("Sending {} {}.", clips(&cut), how_cut(&cut)));
    }
    outcome.tell(Asked::Release, args, lines, out)
}

fn how_cut(cut: &[u64]) -> String {
    let how = if cut.len() == 1 { "as it is, though it is" } else { "as they are, though they are" };
    format!("{how} cut off")
}

/// The project that released clips go to.
async fn paired_with(daemon: &Daemon) -> Result<String, Failure> {
    let pairing = daemon.read_pairing().await.map_err(group)?;
    if pairing.state.parse() != Ok(State::Paired) {
        let error = ErrorName::NotPaired;
        return Err(Failure::new(error.exit_code(), error.clause(), error.advice()));
    }
    Ok(match pairing.project_name.as_str() {
        "" => "the project that is paired".to_owned(),
        name => text::clean(name),
    })
}

/// What is held, and what is cut off, of what was named or looked up.
async fn sort(
    queue: QueueMethods<'_>,
    args: &SelectArgs,
    ids: &[u64],
) -> Result<(Vec<Item>, Vec<Item>), Failure> {
    let mut items = Vec::new();
    if args.all {
        let state = args.state.unwrap_or(ItemState::Held);
        items = all(queue, state).await.map_err(group)?;
        items.retain(|item| ids.binary_search(&item.id).is_ok());
    } else {
        for id in ids {
            items.push(Item::read(&mut queue.get_item(*id, Options::new()).await.map_err(group)?));
        }
    }
    items.retain(|item| matches!(item.state.parse(), Ok(ItemState::Held | ItemState::Incomplete)));
    Ok(items.into_iter().partition(|item| item.state.parse() == Ok(ItemState::Held)))
}

/// The projects that clips belong to, where they are others than the one that is paired and their names are known.
fn whose(held: &[Item], paired: &str) -> String {
    let names: BTreeSet<String> = held.iter().map(|item| text::clean(&item.project_name)).collect();
    let named: Vec<&str> =
        names.iter().map(String::as_str).filter(|n| !n.is_empty() && *n != paired).collect();
    match named.as_slice() {
        [] => String::new(),
        [one] => format!(" of {one}"),
        [one, other] => format!(" of {one} and {other}"),
        [one, ..] => format!(" of {one} and other projects"),
    }
}

/// `rigpost queue priority`.
pub(super) async fn priority(daemon: &Daemon, args: &PriorityArgs, out: &mut Out) -> Result<(), Failure> {
    let queue = daemon.queue();
    let Some(ids) = select(queue, &args.items, &[ItemState::Queued], out).await? else { return Ok(()) };
    let mut outcome = Outcome::default();
    for batch in ids.chunks(MAX_MANY) {
        let found = queue.set_priority(batch, args.priority, Options::new()).await.map_err(group)?;
        outcome.extend(batch, found);
    }
    let lines = vec![format!("Gave {} the priority {}.", clips(&outcome.done()), args.priority)];
    outcome.tell(Asked::Priority, &args.items, lines, out)
}

/// `rigpost queue comment`.
pub(super) async fn comment(daemon: &Daemon, args: &CommentArgs, out: &mut Out) -> Result<(), Failure> {
    daemon.queue().comment(args.id, &args.text, args.frame, Options::new()).await.map_err(group)?;
    if args.json {
        return Ok(out.json(&serde_json::json!({ "commented": args.id }))?);
    }
    out.say("Noted: the cloud gets it as soon as it has an asset of the clip.")?;
    Ok(())
}

/// `rigpost queue clear`.
pub(super) async fn clear(daemon: &Daemon, args: &ClearArgs, out: &mut Out) -> Result<(), Failure> {
    if args.state.contains(&ItemState::Failed) {
        confirm(
            args.yes,
            "Clear the clips that failed too? Then nothing says any more that they were not sent.",
        )?;
    }
    let mut options = Options::new();
    if !args.ids.is_empty() {
        options.insert(OptionKey::Ids.as_str(), Variant::from(args.ids.clone()));
    } else if !args.state.is_empty() {
        let states: Vec<&str> = args.state.iter().map(|state| state.as_str()).collect();
        options.insert(OptionKey::States.as_str(), Variant::from(states));
    }
    let (count, found) = daemon.queue().clear(options).await.map_err(group)?;
    let mut outcome = Outcome::default();
    outcome.extend(&args.ids, found);
    if args.json {
        out.json(&Cleared { count, outcome: &outcome })?;
    } else if count > 0 || args.ids.is_empty() {
        let clips = text::count(count, "clip");
        out.say(&format!("Took {clips} off the list. The files are where they were."))?;
    }
    outcome.unchanged(Asked::Clear).map_or(Ok(()), Err)
}

#[derive(Serialize)]
struct Cleared<'a> {
    count: u64,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

fn clips(ids: &[u64]) -> String {
    text::count(ids.len() as u64, "clip")
}

/// The numbers that were given, or those of all items in `usual` states or in the one that was asked for. `None`, and said
/// so, when there is none.
async fn select(
    queue: QueueMethods<'_>,
    args: &SelectArgs,
    usual: &[ItemState],
    out: &mut Out,
) -> Result<Option<Vec<u64>>, Failure> {
    if !args.all {
        let mut ids: Vec<u64> = Vec::new();
        args.ids.iter().for_each(|id| {
            if !ids.contains(id) {
                ids.push(*id)
            }
        });
        return Ok(Some(ids));
    }
    let one = args.state.map(|state| [state]);
    let states = one.as_ref().map_or(usual, |one| one.as_slice());
    let mut ids = Vec::new();
    for state in states {
        ids.extend(all(queue, *state).await.map_err(group)?.iter().map(|item| item.id));
    }
    // An item may have gone on from one state to the next while they were read.
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() && args.json {
        out.json(&Outcome::default())?;
        return Ok(None);
    }
    if ids.is_empty() {
        let name = |state: &ItemState| match state {
            ItemState::Uploading => "being sent",
            ItemState::Recording => "being recorded",
            ItemState::Queued
            | ItemState::Held
            | ItemState::Away
            | ItemState::Incomplete
            | ItemState::Done
            | ItemState::Failed
            | ItemState::Cancelled => state.as_str(),
        };
        let names: Vec<&str> = states.iter().map(name).collect();
        // Whoever wants to hurry one has the other kind in mind.
        let more = if states == [ItemState::Failed] && one.is_none() {
            " Those that wait are tried at once with --state queued."
        } else {
            ""
        };
        out.say(&format!("No clip is {}.{more}", names.join(", ")))?;
        return Ok(None);
    }
    Ok(Some(ids))
}

/// All items in a state.
async fn all(queue: QueueMethods<'_>, state: ItemState) -> zbus::Result<Vec<Item>> {
    let mut all: Vec<Item> = Vec::new();
    loop {
        let mut filter = Options::from([(OptionKey::State.as_str(), Variant::from(state.as_str()))]);
        // Not on the first page, which is all that most need: a daemon that is older than this program may not know it.
        filter.extend(all.last().map(|item| (OptionKey::After.as_str(), Variant::from(item.id))));
        let (items, _) = queue.list(filter, 0, MAX_PAGE).await?;
        let got = items.len();
        all.extend(items.into_iter().map(|mut item| Item::read(&mut item)));
        if got < MAX_PAGE as usize {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_the_projects_that_clips_leave() {
        let of = |names: &[&str]| -> Vec<Item> {
            names.iter().map(|name| Item { project_name: (*name).into(), ..Item::default() }).collect()
        };
        for (names, said) in [
            (&["Moonrise", "Moonrise"][..], " of Moonrise"),
            (&["Moonrise", ""], " of Moonrise"),
            (&["Dune", "", "Dune"], ""),
            (&["B", "A"], " of A and B"),
            (&["C", "B", "A"], " of A and other projects"),
            (&["\u{1b}[2J"], " of \u{fffd}[2J"),
        ] {
            assert_eq!(whose(&of(names), "Dune"), said, "{names:?}");
        }
    }
}
