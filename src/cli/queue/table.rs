//! Items as a table that fits the screen.
//!
//! # Decisions
//!
//! - The name gets the room that is left and loses its middle, the other columns never do; what stands in an item's way
//!   gets a line of its own below it, whole.

use crate::bus::Item;
use crate::out::{Out, Tone};
use crate::status::percent;
use crate::text::{self, clean};
use rigpost_contract::item::ItemState;

const HEADS: [&str; 4] = ["ID", "STATE", "SIZE", "SENT"];

/// The lines, the head first.
pub(super) fn table(items: &[Item], columns: usize, out: &Out) -> Vec<String> {
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
        lines.push(match item.state.parse() {
            Ok(ItemState::Failed) => out.paint(Tone::Bad, &line),
            Ok(ItemState::Held | ItemState::Away | ItemState::Incomplete) => out.paint(Tone::Warn, &line),
            Ok(ItemState::Uploading | ItemState::Recording) => out.paint(Tone::Strong, &line),
            Ok(ItemState::Done | ItemState::Cancelled) => out.paint(Tone::Dim, &line),
            Ok(ItemState::Queued) | Err(_) => line,
        });
        let indent = widths[0] + 2;
        let wrapped = text::wrap(&clean(&item.why()), columns.saturating_sub(indent));
        lines.extend(wrapped.iter().map(|line| format!("{}{line}", " ".repeat(indent))));
    }
    lines
}

fn cells(item: &Item) -> [String; 4] {
    let sent = match (item.state.parse(), item.sent) {
        (Ok(ItemState::Done), _) => "100 %".to_owned(),
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
