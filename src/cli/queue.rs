//! `rigpost queue`: the clips as a table, and what can be done to them.
//!
//! # Decisions
//!
//! - By default only what is open: on a rig that has sent thousands of clips, those are not what a person looks for.
//! - The newest last, where the prompt is, and of many the newest: what a person has just queued is what they look for.
//! - The daemon finds items by their state only; what is shown of several states is put in the order of their numbers here. The
//!   daemon counts an offset from the nearer end.

use serde::Serialize;
use zbus::Variant;

use super::args::{QueueArgs, QueueCommand, ReceiptArgs};
use super::bus::{Daemon, Item, Options, QueueMethods};
use super::exit::{Failure, group};
use super::mhl;
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
        Some(QueueCommand::Comment(args)) => steer::comment(&daemon, args, out).await,
        Some(QueueCommand::Clear(args)) => steer::clear(&daemon, args, out).await,
        Some(QueueCommand::Receipt(args)) => receipt_of(&daemon, args, out).await,
        None => {
            let queue = daemon.queue();
            let list = fetch(queue, &states(args), args.offset, args.limit).await.map_err(group)?;
            show(args, &list, out)
        }
    }
}

/// `rigpost receipt`.
pub(crate) async fn receipt(args: &ReceiptArgs, out: &mut Out) -> Result<(), Failure> {
    receipt_of(&Daemon::connect().await?, args, out).await
}

async fn receipt_of(daemon: &Daemon, args: &ReceiptArgs, out: &mut Out) -> Result<(), Failure> {
    match (&args.mhl, args.id) {
        (Some(dir), _) => mhl::run(daemon, dir, args.json, out).await,
        (None, Some(id)) => receipt::run(daemon, id, args, out).await,
        // The arguments have one of both.
        (None, None) => Ok(()),
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
    use ItemState::{Away, Failed, Held, Incomplete, Queued, Recording, Uploading};

    match (args.state, args.failed, args.held, args.all) {
        (Some(state), ..) => vec![Some(state)],
        (None, true, ..) => vec![Some(Failed)],
        (None, false, true, _) => vec![Some(Held)],
        (None, false, false, true) => vec![None],
        (None, false, false, false) => {
            [Uploading, Recording, Queued, Held, Away, Incomplete, Failed].map(Some).to_vec()
        }
    }
}

/// The newest of these states, at most `limit` of them without the newest `offset`, in the order of their numbers.
async fn fetch(
    queue: QueueMethods<'_>,
    states: &[Option<ItemState>],
    offset: u32,
    limit: u32,
) -> zbus::Result<List> {
    let mut list = List::default();
    let wanted = offset.saturating_add(limit);
    for state in states {
        let filter = || -> Options<'_> {
            let state = state.map(|state| (OptionKey::State.as_str(), Variant::from(state.as_str())));
            state.into_iter().collect()
        };
        // One is the least that can be asked for; it still brings the total.
        let (_, total) = queue.list(filter(), 0, 1).await?;
        list.total = list.total.saturating_add(total);
        let mut from = total.saturating_sub(wanted);
        while from < total {
            let (items, _) = queue.list(filter(), from, MAX_PAGE).await?;
            let Some(got) = u32::try_from(items.len()).ok().filter(|got| *got > 0) else { break };
            list.items.extend(items.into_iter().map(|mut item| Item::read(&mut item)));
            from = from.saturating_add(got);
        }
    }
    // One may have gone on from one state to the next while they were read.
    list.items.sort_by_key(|item| item.id);
    list.items.dedup_by_key(|item| item.id);
    list.items.truncate(list.items.len().saturating_sub(offset as usize));
    list.items.drain(..list.items.len().saturating_sub(limit as usize));
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
    let shown = args.offset.saturating_add(u32::try_from(list.items.len()).unwrap_or(u32::MAX));
    let older = list.total.saturating_sub(shown);
    if older > 0 {
        let all = list.total;
        out.say(&format!("… {older} older ones; --offset {shown} shows them, --limit {all} shows all"))?;
    }
    for line in table::table(&list.items, out.columns(), out) {
        out.line(&line)?;
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
