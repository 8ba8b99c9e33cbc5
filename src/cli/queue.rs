//! `rigpost queue`: the clips as a table that fits the screen, and the two things that can be done to them.
//!
//! # Decisions
//!
//! - By default only what is open: on a rig that has sent thousands of clips, those are not what a person looks for.
//! - The name gets the room that is left and loses its middle, the other columns never do; what stands in an item's way
//!   gets a line of its own below it, whole.

use serde::Serialize;
use zbus::Variant;

use super::args::{ItemState, QueueArgs, QueueCommand};
use super::bus::{Daemon, Item, Options};
use super::exit::{Doing, Failure, from_bus};
use super::out::{Out, Tone};
use super::status::percent;
use super::text::{self, clean};

/// The most items that one call returns.
const PAGE: u32 = 1000;

fn group(error: zbus::Error) -> Failure {
    from_bus(&error, Doing::Group)
}

/// Lists items, or does to them what was asked.
pub(crate) async fn run(args: &QueueArgs, out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    match &args.command {
        Some(QueueCommand::Retry(items)) => {
            let queue = daemon.queue().await.map_err(group)?;
            queue.retry(&items.ids, Options::new()).await.map_err(group)?;
            out.line(&format!("Trying {} again.", text::count(items.ids.len() as u64, "clip")))?;
        }
        Some(QueueCommand::Cancel(items)) => {
            let queue = daemon.queue().await.map_err(group)?;
            queue.cancel(&items.ids, Options::new()).await.map_err(group)?;
            let n = text::count(items.ids.len() as u64, "clip");
            out.line(&format!("Took {n} off the queue. The files are where they were."))?;
        }
        None => {
            let list = fetch(&daemon, args).await.map_err(group)?;
            show(args, &list, out)?;
        }
    }
    Ok(())
}

/// Items, and how many there are in all.
#[derive(Debug, Default, Serialize)]
struct List {
    total: u32,
    items: Vec<Item>,
}

async fn fetch(daemon: &Daemon, args: &QueueArgs) -> zbus::Result<List> {
    use ItemState::{Failed, Held, Queued, Uploading};
    let states: Vec<Option<ItemState>> = match (args.all, args.state) {
        (true, _) => vec![None],
        (false, Some(state)) => vec![Some(state)],
        (false, None) => [Uploading, Queued, Held, Failed].map(Some).to_vec(),
    };
    let queue = daemon.queue().await?;
    let mut list = List::default();
    for state in states {
        let mut offset = 0;
        loop {
            let room = args.limit.saturating_sub(u32::try_from(list.items.len()).unwrap_or(u32::MAX));
            let filter: Options<'_> =
                state.map(|state| ("state", Variant::from(state.name()))).into_iter().collect();
            // One is the least that can be asked for; it still brings the total.
            let (items, total) = queue.list(filter, offset, room.clamp(1, PAGE)).await?;
            let got = u32::try_from(items.len()).unwrap_or(u32::MAX);
            list.items.extend(items.into_iter().take(room as usize).map(|mut item| Item::read(&mut item)));
            offset += got;
            if got == 0 || room <= got || offset >= total {
                list.total += total;
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
        let what = match (args.state, args.all) {
            (Some(state), _) => format!("No clip is {}.", state.name()),
            (None, true) => "No clip was ever queued here.".to_owned(),
            (None, false) => "Nothing is left to send. `rigpost queue --all` shows what was sent.".to_owned(),
        };
        out.line(&what)?;
        return Ok(());
    }
    for line in table(&list.items, out.columns(), out) {
        out.line(&line)?;
    }
    let hidden = list.total.saturating_sub(u32::try_from(list.items.len()).unwrap_or(u32::MAX));
    if hidden > 0 {
        out.line(&format!("… and {hidden} more; --limit {} shows them all", list.total))?;
    }
    Ok(())
}

const HEADS: [&str; 4] = ["ID", "STATE", "SIZE", "SENT"];

fn table(items: &[Item], columns: usize, out: &Out) -> Vec<String> {
    let cells: Vec<[String; 4]> = items.iter().map(cells).collect();
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|i| {
            cells.iter().map(|row| text::width(&row[i])).chain([HEADS[i].len()]).max().unwrap_or_default()
        })
        .collect();
    let row = |cells: [&str; 4], name: &str| {
        let [id, state, size, sent] = cells;
        let fixed = [
            text::right(id, widths[0]),
            text::left(state, widths[1]),
            text::right(size, widths[2]),
            text::right(sent, widths[3]),
        ]
        .join("  ");
        let room = columns.saturating_sub(text::width(&fixed) + 2).max(8);
        format!("{fixed}  {}", text::fit(name, room))
    };
    let mut lines = vec![out.paint(Tone::Dim, &row(HEADS, "NAME"))];
    for (item, cells) in items.iter().zip(&cells) {
        let line = row([&cells[0], &cells[1], &cells[2], &cells[3]], &clean(item.title()));
        lines.push(match item.state.as_str() {
            "failed" => out.paint(Tone::Bad, &line),
            "held" => out.paint(Tone::Warn, &line),
            "uploading" => out.paint(Tone::Strong, &line),
            "done" | "cancelled" => out.paint(Tone::Dim, &line),
            _ => line,
        });
        let indent = widths[0] + 2;
        let why = why(item);
        let wrapped = text::wrap(&clean(why), columns.saturating_sub(indent));
        lines.extend(wrapped.iter().map(|line| format!("{}{line}", " ".repeat(indent))));
    }
    lines
}

/// What there is to say of an item's state, if anything.
pub(super) fn why(item: &Item) -> &str {
    match (item.detail.as_str(), item.reason.as_str()) {
        ("", "none") => "",
        ("", reason) => reason,
        (detail, _) => detail,
    }
}

fn cells(item: &Item) -> [String; 4] {
    let sent = match (item.state.as_str(), item.sent) {
        ("done", _) => "100 %".to_owned(),
        (_, 0) => "-".to_owned(),
        (_, sent) => format!("{} %", percent(sent, item.size)),
    };
    [item.id.to_string(), clean(&item.state), text::size(item.size), sent]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: u64, name: &str, state: &str, detail: &str) -> Item {
        let (size, sent) = (2_000_000_000, 500_000_000);
        Item {
            id,
            name: name.into(),
            state: state.into(),
            detail: detail.into(),
            size,
            sent,
            ..Item::default()
        }
    }

    #[test]
    fn the_table_keeps_to_the_screen() {
        let out = Out::to(Box::new(std::io::sink()), true, 50, 24);
        let long = "A001_C002_0101AB_a_very_long_name_that_does_not_fit.mov";
        let items = [
            item(7, long, "uploading", ""),
            item(
                1234,
                "明日.mov",
                "failed",
                "The file was changed while it was being sent, so it has to be queued again.",
            ),
        ];
        let lines = table(&items, 50, &out);
        assert!(lines.iter().all(|line| text::width(line) <= 50), "{lines:#?}");
        assert_eq!(lines[0], "  ID  STATE         SIZE  SENT  NAME");
        assert_eq!(lines[1], "   7  uploading  2.00 GB  25 %  A001_C002…_fit.mov");
        assert_eq!(lines[2], "1234  failed     2.00 GB  25 %  明日.mov");
        assert_eq!(lines[3], "      The file was changed while it was being");
    }

    #[test]
    fn names_can_not_steer_the_terminal() {
        let out = Out::to(Box::new(std::io::sink()), false, 80, 24);
        let lines = table(&[item(1, "a\u{1b}[2Jb", "held\r", "x\u{7}")], usize::MAX, &out);
        assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:?}");
    }
}
