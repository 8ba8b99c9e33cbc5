//! Codes in letters that can be read from three metres, in glare, without glasses.
//!
//! # Decisions
//!
//! - An own 5 by 7 font: terminals have no larger letters, and a font crate for 38 characters would be larger than this.
//! - 0 carries a slash, 1 has a foot and 3 a flat top, because a code is typed by somebody who can't ask what was meant. I and O differ
//!   from them for the same reason.
//! - A dot of the font is two columns wide and one row high, which is about square; where that does not fit, one column
//!   and half a row.

/// Each row of a character from the top, five dots, the leftmost in the highest of five bits.
fn glyph(c: char) -> Option<[u8; 7]> {
    Some(match c.to_ascii_uppercase() {
        '0' => [0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e],
        '1' => [0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e],
        '2' => [0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f],
        '3' => [0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e],
        '4' => [0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02],
        '5' => [0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e],
        '6' => [0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e],
        '7' => [0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08],
        '8' => [0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e],
        '9' => [0x0e, 0x11, 0x11, 0x0f, 0x01, 0x02, 0x0c],
        'A' => [0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11],
        'B' => [0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e],
        'C' => [0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e],
        'D' => [0x1c, 0x12, 0x11, 0x11, 0x11, 0x12, 0x1c],
        'E' => [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f],
        'F' => [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10],
        'G' => [0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0f],
        'H' => [0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11],
        'I' => [0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x1f],
        'J' => [0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0c],
        'K' => [0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11],
        'L' => [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f],
        'M' => [0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11],
        'N' => [0x11, 0x11, 0x19, 0x15, 0x13, 0x11, 0x11],
        'O' => [0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e],
        'P' => [0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10],
        'Q' => [0x0e, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0d],
        'R' => [0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11],
        'S' => [0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e],
        'T' => [0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04],
        'U' => [0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e],
        'V' => [0x11, 0x11, 0x11, 0x11, 0x11, 0x0a, 0x04],
        'W' => [0x11, 0x11, 0x11, 0x15, 0x15, 0x15, 0x0a],
        'X' => [0x11, 0x11, 0x0a, 0x04, 0x0a, 0x11, 0x11],
        'Y' => [0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04],
        'Z' => [0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f],
        '-' => [0x00, 0x00, 0x00, 0x0e, 0x00, 0x00, 0x00],
        ' ' => [0; 7],
        _ => return None,
    })
}

/// Dots of a character's width, and of the gap behind it.
const ADVANCE: usize = 6;

/// The code in large letters of at most `columns` by `rows`; `None` when it has characters that the font lacks, has lower
/// and upper case (which large letters would not tell apart), or does not fit.
pub(crate) fn large(code: &str, columns: usize, rows: usize) -> Option<Vec<String>> {
    let is_mixed =
        code.contains(|c: char| c.is_ascii_lowercase()) && code.contains(|c: char| c.is_ascii_uppercase());
    let glyphs = code.chars().map(glyph).collect::<Option<Vec<_>>>()?;
    if is_mixed || glyphs.is_empty() {
        return None;
    }
    let dots = glyphs.len() * ADVANCE - 1;
    match () {
        () if dots * 4 <= columns && 14 <= rows => Some(blocks(&glyphs, 2)),
        () if dots * 2 <= columns && 7 <= rows => Some(blocks(&glyphs, 1)),
        () if dots <= columns && 4 <= rows => Some(half_blocks(&glyphs)),
        () => None,
    }
}

fn is_set(glyphs: &[[u8; 7]], x: usize, y: usize) -> bool {
    let (glyph, column) = (x / ADVANCE, x % ADVANCE);
    y < 7 && column < 5 && glyphs[glyph][y] >> (4 - column) & 1 == 1
}

fn blocks(glyphs: &[[u8; 7]], scale: usize) -> Vec<String> {
    let row = |y: usize| -> String {
        let dots = (0..glyphs.len() * ADVANCE).map(|x| if is_set(glyphs, x, y) { "██" } else { "  " });
        dots.map(|dot| dot.repeat(scale)).collect::<String>().trim_end().to_owned()
    };
    (0..7 * scale).map(|y| row(y / scale)).collect()
}

fn half_blocks(glyphs: &[[u8; 7]]) -> Vec<String> {
    let row = |y: usize| -> String {
        let pairs =
            (0..glyphs.len() * ADVANCE).map(|x| (is_set(glyphs, x, 2 * y), is_set(glyphs, x, 2 * y + 1)));
        let halves = pairs.map(|pair| match pair {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
        halves.collect::<String>().trim_end().to_owned()
    };
    (0..4).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::width;

    #[test]
    fn a_six_digit_code_fills_a_common_screen() {
        let lines = large("042137", 80, 24).unwrap();
        assert_eq!(lines.len(), 7);
        assert!(lines.iter().all(|line| width(line) <= 70));
        assert_eq!(lines[0], "  ██████          ██      ██████        ██      ██████████  ██████████");
    }

    #[test]
    fn smaller_where_it_must_be() {
        assert_eq!(large("WDJB-MJHT", 80, 24).unwrap().len(), 4);
        assert_eq!(large("042137", 160, 40).unwrap().len(), 14);
        assert_eq!(large("042137", 160, 10).unwrap().len(), 7);
        assert_eq!(large("042137", 30, 24), None);
    }

    #[test]
    fn codes_that_would_be_misread_stay_small() {
        assert_eq!(large("aBc", 80, 24), None);
        assert_eq!(large("12#4", 80, 24), None);
        assert_eq!(large("", 80, 24), None);
        assert!(large("abc", 80, 24).is_some());
    }

    #[test]
    fn no_two_characters_look_alike() {
        let all: Vec<char> = ('0'..='9').chain('A'..='Z').chain("- ".chars()).collect();
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(glyph(*a), glyph(*b), "{a} and {b}");
            }
        }
    }
}
