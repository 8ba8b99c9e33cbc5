//! What is done to items: by their numbers, or to all in a state.
//!
//! # Decisions
//!
//! - "All" is looked up first and then named by number, so that a clip which comes in between is not hit by a decision that
//!   was made without it.
//! - What a person can regret asks first. Items that were named by number were meant.

use zbus::Variant;

use crate::args::{ClearArgs, PriorityArgs, SelectArgs};
use crate::bus::{Daemon, Item, Options, QueueMethods};
use crate::control::confirm;
use crate::exit::{ExitCode, Failure, group};
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
    for batch in ids.chunks(MAX_MANY) {
        queue.retry(batch, Options::new()).await.map_err(group)?;
    }
    out.line(&format!("Trying {} again.", clips(&ids)))?;
    Ok(())
}

/// `rigpost queue cancel`.
//= frameio-c2c#7
//# One upload can be cancelled, and all.
pub(super) async fn cancel(daemon: &Daemon, args: &SelectArgs, out: &mut Out) -> Result<(), Failure> {
    let queue = daemon.queue();
    let open =
        [ItemState::Uploading, ItemState::Queued, ItemState::Held, ItemState::Incomplete, ItemState::Away];
    let Some(ids) = select(queue, args, &open, out).await? else { return Ok(()) };
    if args.all {
        confirm(args.yes, &format!("Take {} off the queue? The files stay where they are.", clips(&ids)))?;
    }
    for batch in ids.chunks(MAX_MANY) {
        queue.cancel(batch, Options::new()).await.map_err(group)?;
    }
    out.line(&format!("Took {} off the queue. The files are where they were.", clips(&ids)))?;
    Ok(())
}

/// `rigpost queue release`.
pub(super) async fn release(daemon: &Daemon, args: &SelectArgs, out: &mut Out) -> Result<(), Failure> {
    match args.state {
        None | Some(ItemState::Held | ItemState::Incomplete) => {}
        Some(
            state @ (ItemState::Queued
            | ItemState::Uploading
            | ItemState::Away
            | ItemState::Done
            | ItemState::Failed
            | ItemState::Cancelled),
        ) => {
            let what = format!("what is {state} can't be released: only held and incomplete clips can");
            return Err(Failure::new(ExitCode::Usage, what, "rigpost queue release --all"));
        }
    }
    let pairing = daemon.read_pairing().await.map_err(group)?;
    if pairing.state.parse() != Ok(State::Paired) {
        let error = ErrorName::NotPaired;
        return Err(Failure::new(error.exit_code(), error.clause(), error.advice()));
    }
    let project = match pairing.project_name.as_str() {
        "" => "the project that is paired".to_owned(),
        name => text::clean(name),
    };
    let queue = daemon.queue();
    let Some(ids) = select(queue, args, &[ItemState::Held], out).await? else { return Ok(()) };
    let incomplete = all(queue, ItemState::Incomplete).await.map_err(group)?;
    let (cut, held): (Vec<u64>, Vec<u64>) = ids.iter().partition(|id| incomplete.binary_search(id).is_ok());
    if args.all {
        let how = if cut.is_empty() { format!("to {project}") } else { "as they are, cut off".to_owned() };
        confirm(args.yes, &format!("Send {} {how}? That can't be taken back.", clips(&ids)))?;
    }
    for batch in ids.chunks(MAX_MANY) {
        queue.release(batch, Options::new()).await.map_err(group)?;
    }
    if !held.is_empty() {
        out.line(&format!("Released {} to {project}.", clips(&held)))?;
    }
    if !cut.is_empty() {
        let how = if cut.len() == 1 { "as it is, though it is" } else { "as they are, though they are" };
        out.line(&format!("Sending {} {how} cut off.", clips(&cut)))?;
    }
    Ok(())
}

/// `rigpost queue priority`.
pub(super) async fn priority(daemon: &Daemon, args: &PriorityArgs, out: &mut Out) -> Result<(), Failure> {
    let queue = daemon.queue();
    let Some(ids) = select(queue, &args.items, &[ItemState::Queued], out).await? else { return Ok(()) };
    for batch in ids.chunks(MAX_MANY) {
        queue.set_priority(batch, args.priority, Options::new()).await.map_err(group)?;
    }
    out.line(&format!("Gave {} the priority {}.", clips(&ids), args.priority))?;
    Ok(())
}

/// `rigpost queue clear`.
pub(super) async fn clear(daemon: &Daemon, args: &ClearArgs, out: &mut Out) -> Result<(), Failure> {
    if let Some(state) = args.state.iter().find(|state| !state.is_over()) {
        let what = format!("what is {} is not over, so it stays on the list", state);
        return Err(Failure::new(ExitCode::Usage, what, "to take it off the queue: rigpost queue cancel"));
    }
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
    let count = daemon.queue().clear(options).await.map_err(group)?;
    out.line(&format!("Took {} off the list. The files are where they were.", text::count(count, "clip")))?;
    Ok(())
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
        return Ok(Some(args.ids.clone()));
    }
    let one = args.state.map(|state| [state]);
    let states = one.as_ref().map_or(usual, |one| one.as_slice());
    let mut ids = Vec::new();
    for state in states {
        ids.extend(all(queue, *state).await.map_err(group)?);
    }
    // An item may have gone on from one state to the next while they were read.
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        let name =
            |state: &ItemState| if *state == ItemState::Uploading { "being sent" } else { state.as_str() };
        let names: Vec<&str> = states.iter().map(name).collect();
        out.line(&format!("No clip is {}.", names.join(", ")))?;
        return Ok(None);
    }
    Ok(Some(ids))
}

async fn all(queue: QueueMethods<'_>, state: ItemState) -> zbus::Result<Vec<u64>> {
    let mut ids: Vec<u64> = Vec::new();
    loop {
        let mut filter = Options::from([(OptionKey::State.as_str(), Variant::from(state.as_str()))]);
        // Not on the first page, which is all that most need: a daemon that is older than this program may not know it.
        filter.extend(ids.last().map(|id| (OptionKey::After.as_str(), Variant::from(*id))));
        let (items, _) = queue.list(filter, 0, MAX_PAGE).await?;
        let got = items.len();
        ids.extend(items.into_iter().map(|mut item| Item::read(&mut item).id));
        if got < MAX_PAGE as usize {
            return Ok(ids);
        }
    }
}
