//! Where QR code, directions and large code go on a screen of a given size.
//!
//! # Decisions
//!
//! - What fits is tried from the best to the least: one above the other, side by side, QR code with a code in small
//!   letters, and at last no QR code. Nothing is shown in part: half a QR code is none, and a code that has scrolled away
//!   is of no use.

use crate::{digits, text};

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it is.
    Text(String),
    /// White on black, whatever the colours of the terminal.
    Qr(String),
    /// Bold.
    Strong(String),
}

impl Part {
    fn width(&self) -> usize {
        match self {
            Self::Text(text) | Self::Qr(text) | Self::Strong(text) => text::width(text),
        }
    }
}

/// One line of the block.
pub(super) type Line = Vec<Part>;

/// Columns left free at the left, and between things that stand side by side.
const MARGIN: usize = 2;
/// The fewest columns for text beside a QR code.
const BESIDE: usize = 30;

/// The lines of the block: fewer than `rows`, so that the countdown below it fits too, unless even the least is too much.
pub(super) fn block(qr: &str, text: Text<'_>, columns: usize, rows: usize) -> Vec<Line> {
    let qr: Vec<&str> = qr.lines().filter(|line| !line.is_empty()).collect();
    let qr_width = qr.iter().map(|line| text::width(line)).max().unwrap_or_default();
    let fits = |lines: &Vec<Line>| {
        lines.len() < rows && lines.iter().all(|line| line.iter().map(Part::width).sum::<usize>() <= columns)
    };
    let room = columns.saturating_sub(MARGIN);
    let alone = || words(&text, room, rows.saturating_sub(8), true);
    if qr.is_empty() {
        return indented(alone());
    }
    let image: Vec<Line> = qr.iter().map(|line| vec![Part::Qr((*line).to_owned())]).collect();
    let stacked = || indented([image.clone(), alone()].concat());
    let beside = || {
        let room = room.saturating_sub(qr_width + MARGIN);
        (room >= BESIDE).then(|| side_by_side(&image, qr_width, words(&text, room, rows, true)))
    };
    let compact = || indented([image.clone(), words(&text, room, 0, false)].concat());
    let candidates = [Some(stacked()), beside(), Some(compact())];
    candidates.into_iter().flatten().find(fits).unwrap_or_else(|| indented(alone()))
}

/// A light module of [`in_spaces`].
pub(super) const LIGHT: char = '#';

/// A QR code of half blocks for a terminal that has none: each module two blanks wide, in letters that stand for their colour.
pub(super) fn in_spaces(qr: &str) -> String {
    let mut lines = String::new();
    for line in qr.lines().filter(|line| !line.is_empty()) {
        for half in [['█', '▀'], ['█', '▄']] {
            for c in line.chars() {
                let letter = if half.contains(&c) { LIGHT } else { ' ' };
                lines.extend([letter, letter]);
            }
            lines.push('\n');
        }
    }
    lines
}

/// What there is to say beside a QR code.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) directions: &'a [String],
    pub(super) code: &'a str,
    /// What else is known of it, below the code.
    pub(super) about: &'a [String],
    /// The terminal has no half blocks.
    pub(super) is_ascii: bool,
}

/// Directions, code, and what else is known of it. `is_airy`: with the code in large letters, where they fit, and blank
/// lines around it.
//= https://www.rfc-editor.org/rfc/rfc8628#section-3.3.1
//# Clients MUST still display the "user_code"
fn words(text: &Text<'_>, columns: usize, rows: usize, is_airy: bool) -> Vec<Line> {
    let wrapped = |lines: &[String]| -> Vec<Line> {
        let all = lines.iter().flat_map(|line| text::wrap(line, columns));
        all.map(|line| vec![Part::Text(line)]).collect()
    };
    let blank = || is_airy.then(Vec::new);
    // A terminal that has no half blocks has whole ones.
    let drawable =
        |large: &Vec<String>| !text.is_ascii || !large.iter().any(|line| line.contains(['▀', '▄']));
    let large = digits::large(text.code, columns, rows).filter(|large| is_airy && drawable(large));
    let large = large.unwrap_or_default();
    let gap = if large.is_empty() { None } else { blank() };
    let large = large.into_iter().map(|line| vec![Part::Strong(line)]);
    // Once more in the terminal's own letters, to be copied or read out.
    let small = vec![Part::Text("Code: ".to_owned()), Part::Strong(text.code.to_owned())];
    let top = blank().into_iter().chain(wrapped(text.directions)).chain(blank());
    top.chain(large).chain(gap).chain([small]).chain(wrapped(text.about)).chain(blank()).collect()
}

fn indented(lines: Vec<Line>) -> Vec<Line> {
    let indent = || Part::Text(" ".repeat(MARGIN));
    lines
        .into_iter()
        .map(|line| if line.is_empty() { line } else { [vec![indent()], line].concat() })
        .collect()
}

/// The words in the middle of the height, to the right of the image.
fn side_by_side(image: &[Line], width: usize, words: Vec<Line>) -> Vec<Line> {
    let height = image.len().max(words.len());
    let above = (height - words.len()) / 2;
    let mut words = words.into_iter();
    let line = |i: usize| {
        let mut left = image.get(i).cloned().unwrap_or_default();
        let used: usize = left.iter().map(Part::width).sum();
        left.push(Part::Text(" ".repeat(width - used + MARGIN)));
        left.extend(if i < above { Vec::new() } else { words.next().unwrap_or_default() });
        left
    };
    indented((0..height).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qr(size: usize) -> String {
        format!("{}\n", "█".repeat(size)).repeat(size.div_ceil(2))
    }

    fn about() -> Vec<String> {
        ["Host: example.com", "Rig:  CAM A (SN-7)"].map(str::to_owned).to_vec()
    }

    fn drawn(directions: &[String], code: &str, columns: usize, rows: usize) -> Vec<Line> {
        let text = Text { directions, code, about: &about(), is_ascii: false };
        block(&qr(37), text, columns, rows)
    }

    fn shape(lines: &[Line]) -> (bool, bool, bool) {
        let has = |test: fn(&Part) -> bool| lines.iter().flatten().any(test);
        let has_qr = has(|part| matches!(part, Part::Qr(_)));
        let has_large = has(|part| matches!(part, Part::Strong(text) if text.contains(['█', '▀'])));
        let is_beside = lines.iter().any(|line| {
            line.iter().any(|part| matches!(part, Part::Qr(_)))
                && line.iter().any(|part| matches!(part, Part::Strong(_)))
        });
        (has_qr, has_large, is_beside)
    }

    #[test]
    fn the_best_that_fits_is_chosen() {
        let directions = ["Open https://example.com/device and enter this code:".to_owned()];
        let on = |code: &str, columns, rows| {
            let lines = drawn(&directions, code, columns, rows);
            assert!(lines.len() < rows, "{columns} by {rows}");
            assert!(lines.iter().all(|line| line.iter().map(Part::width).sum::<usize>() <= columns));
            shape(&lines)
        };
        assert_eq!(on("042137", 80, 45), (true, true, false), "one above the other");
        assert_eq!(on("042137", 80, 24), (true, true, true), "side by side");
        assert_eq!(on("WDJB-MJHT", 80, 24), (true, false, true), "side by side in small letters");
        assert_eq!(on("WDJB-MJHT", 60, 24), (true, false, false), "small letters below");
        assert_eq!(on("042137", 80, 16), (false, true, false), "no room for the QR code");
        assert_eq!(on("042137", 30, 45), (false, false, false), "narrower than the QR code");
    }

    #[test]
    fn without_half_blocks_letters_are_of_whole_ones_or_small() {
        for (columns, is_large) in [(100, true), (60, false)] {
            let text = Text { directions: &[], code: "042137", about: &[], is_ascii: true };
            assert_eq!(shape(&block("", text, columns, 30)).1, is_large, "{columns} columns");
            let halves = block("", Text { is_ascii: false, ..text }, columns, 30);
            assert!(shape(&halves).1, "with half blocks there is room");
        }
    }

    #[test]
    fn without_half_blocks_a_module_is_two_blanks() {
        assert_eq!(in_spaces("█▀▄ \n\n"), "####    \n##  ##  \n");
    }

    //= https://www.rfc-editor.org/rfc/rfc8628#section-3.3.1
    //= type=test
    //# Clients MUST still display the "user_code"
    #[test]
    fn the_code_is_always_there_in_plain_letters() {
        for (columns, rows) in [(200, 60), (80, 24), (40, 10), (20, 5)] {
            let lines = drawn(&[], "042137", columns, rows);
            assert!(
                lines.iter().any(|line| line.ends_with(&[Part::Strong("042137".into())])),
                "{columns} by {rows}"
            );
        }
    }
}
