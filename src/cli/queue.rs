//! `rigpost queue`: the clips as a table, and what can be done to them.
//!
//! # Decisions
//!
//! - By default only what is open: on a rig that has sent thousands of clips, those are not what a person looks for.
//! - The daemon finds items by their state only; an offset counts through the states that are shown. It is counted once:
//!   every further page begins behind the last item of the one before, which costs the same wherever that is.

use serde::Serialize;
use zbus::Variant;

use super::args::{QueueArgs, QueueCommand};
use super::bus::{Daemon, Item, Options, QueueMethods};
use super::exit::{Failure, group};
use super::out::Out;
use rigpost_contract::item::ItemState;
use rigpost_contract::method::MAX_PAGE;
use rigpost_contract::option::OptionKey;

mod outcome;
mod receipt;
mod show;
mod steer;
mod table;

/// Lists items, or does to them what was asked.
pub(crate) async fn run(args: &QueueArgs, out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    match &args.command {
        Some(QueueCommand::Show(args)) => show::run(&daemon, args, out).await,
        Some(QueueCommand::Retry(items)) => steer::retry(&daemon, items, out).await,
        Some(QueueCommand::Cancel(items)) => steer::cancel(&daemon, items, out).await,
        Some(QueueCommand::Release(items)) => steer::release(&daemon, items, out).await,
        Some(QueueCommand::Priority(args)) => steer::priority(&daemon, args, out).await,
        Some(QueueCommand::Clear(args)) => steer::clear(&daemon, args, out).await,
        Some(QueueCommand::Receipt(args)) => receipt::run(&daemon, args, out).await,
        None => {
            let queue = daemon.queue();
            let list = fetch(queue, &states(args), args.offset, args.limit).await.map_err(group)?;
            show(args, &list, out)
        }
    }
}

/// Items, and how many there are in all.
#[derive(Debug, Default, Serialize)]
struct List {
    total: u32,
    items: Vec<Item>,
}

/// Which states were asked for; `None`: any.
fn states(args: &QueueArgs) -> Vec<Option<ItemState>> {
    use ItemState::{Away, Failed, Held, Incomplete, Queued, Uploading};

    match (args.state, args.failed, args.held, args.all) {
        (Some(state), ..) => vec![Some(state)],
        (None, true, ..) => vec![Some(Failed)],
        (None, false, true, _) => vec![Some(Held)],
        (None, false, false, true) => vec![None],
        (None, false, false, false) => [Uploading, Queued, Held, Away, Incomplete, Failed].map(Some).to_vec(),
    }
}

/// At most `limit` items of these states, one state after the other, without the first `offset`.
async fn fetch(
    queue: QueueMethods<'_>,
    states: &[Option<ItemState>],
    offset: u32,
    limit: u32,
) -> zbus::Result<List> {
    let mut list = List::default();
    for state in states {
        // Where this state begins, counted from the first one.
        let before = list.total;
        let mut from = offset.saturating_sub(before);
        let mut after = None;
        loop {
            let room = limit.saturating_sub(u32::try_from(list.items.len()).unwrap_or(u32::MAX));
            let mut filter: Options<'_> = state
                .map(|state| (OptionKey::State.as_str(), Variant::from(state.as_str())))
                .into_iter()
                .collect();
            filter.extend(after.map(|id: u64| (OptionKey::After.as_str(), Variant::from(id))));
            // One is the least that can be asked for; it still brings the total.
            let (items, total) = queue.list(filter, from, room.clamp(1, MAX_PAGE)).await?;
            let got = u32::try_from(items.len()).unwrap_or(u32::MAX);
            list.items.extend(items.into_iter().take(room as usize).map(|mut item| Item::read(&mut item)));
            (from, after) = (0, list.items.last().map(|item| item.id));
            if room <= got || got < MAX_PAGE {
                list.total = before.saturating_add(total);
                break;
            }
        }
    }
    Ok(list)
}

fn show(args: &QueueArgs, list: &List, out: &mut Out) -> Result<(), Failure> {
    if args.json {
        out.json(list)?;
        return Ok(());
    }
    if list.items.is_empty() {
        out.say(&nothing(args, list.total))?;
        return Ok(());
    }
    for line in table::table(&list.items, out.columns(), out) {
        out.line(&line)?;
    }
    let shown = args.offset.saturating_add(u32::try_from(list.items.len()).unwrap_or(u32::MAX));
    let hidden = list.total.saturating_sub(shown);
    if hidden > 0 {
        out.say(&format!("… and {hidden} more; --offset {shown} goes on, --limit {} shows all", list.total))?;
    }
    Ok(())
}

fn nothing(args: &QueueArgs, total: u32) -> String {
    if total > 0 {
        return format!("There are only {total}; --offset {} leaves out all of them.", args.offset);
    }
    match states(args).as_slice() {
        [None] => "The list is empty. What is over may have been cleared from it.".to_owned(),
        [Some(state)] => format!("No clip is {}.", state),
        _ => "Nothing is left to send. `rigpost queue --all` shows what was sent.".to_owned(),
    }
}
