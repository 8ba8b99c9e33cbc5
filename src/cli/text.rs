//! Numbers, times and names as people read them.
//!
//! # Decisions
//!
//! - Everything that came from elsewhere (file names, names given in the cloud, error texts) goes through [`clean`]
//!   before it reaches a terminal: an escape sequence in a file name must not steer it.
//! - unicode-width for columns: clip names may be in any script, and a table that is off by one column is unreadable.
//!   `textwrap` counts with it too.

use std::borrow::Cow;
use std::path::Path;

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

pub(crate) use rigpost_contract::human::{about, capitalized, count, countdown, duration, size};

/// A path for people.
pub(crate) fn path(path: &Path) -> String {
    clean(&path.to_string_lossy())
}

/// The text with everything replaced that a terminal would act on instead of showing.
pub(crate) fn clean(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hostile(c) { '\u{fffd}' } else { c }).collect()
}

/// The words of an I/O error without the number that only programmers look up.
pub(crate) fn without_errno(text: &str) -> String {
    match text.split_once(" (os error ") {
        Some((before, after)) => format!("{before}{}", after.split_once(')').map_or("", |(_, rest)| rest)),
        None => text.to_owned(),
    }
}

/// A point in time in the rig's time zone, from Unix seconds: "4 Jan 2027, 09:12".
pub(crate) fn date(unix: i64) -> String {
    match jiff::Timestamp::from_second(unix) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime("%-d %b %Y, %H:%M").to_string(),
        Err(_) => "at an impossible time".to_owned(),
    }
}

/// A point in time for everybody, from Unix seconds: "2027-01-04T09:12:00Z".
pub(crate) fn utc(unix: i64) -> String {
    jiff::Timestamp::from_second(unix)
        .map_or_else(|_| "at an impossible time".to_owned(), |time| time.to_string())
}

/// A time of the day in the rig's time zone, from Unix seconds: "09:12:33".
pub(crate) fn time_of_day(unix: i64) -> String {
    match jiff::Timestamp::from_second(unix) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string(),
        Err(_) => "--:--:--".to_owned(),
    }
}

/// Columns that the text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `columns`, with "…" in place of its middle: the end of a clip's name is what tells takes apart.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    let head = take(text.chars(), room - room / 2);
    let tail: String = take(text.chars().rev(), room / 2).chars().rev().collect();
    if columns == 0 { String::new() } else { format!("{head}…{tail}") }
}

fn take(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns;
    chars
        .map_while(|c| {
            left = left.checked_sub(c.width().unwrap_or(0))?;
            Some(c)
        })
        .collect()
}

/// The text cut into lines of at most `columns`, between words alone: what is longer is a command or a path, to be copied
/// whole. Blanks and line breaks are all one.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Vec::new();
    }
    let options = Options::new(columns)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(&text, options).into_iter().map(Cow::into_owned).collect()
}

/// Pads with blanks on the right.
pub(crate) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())))
}

/// Pads with blanks on the left.
pub(crate) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(text.width())))
}

/// The name a person logged in with, if it can stand in a command line as it is.
pub(crate) fn login_name() -> Option<String> {
    let plain = |name: &String| {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        !name.is_empty() && !name.starts_with('-') && name.chars().all(fine)
    };
    ["SUDO_USER", "USER", "LOGNAME"].iter().filter_map(|key| std::env::var(key).ok()).find(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_disarmed() {
        assert_eq!(clean("A001\u{1b}[2J\n.mov"), "A001\u{fffd}[2J\u{fffd}.mov");
        assert_eq!(clean("a\u{202e}b"), "a\u{fffd}b");
        assert_eq!(clean("Mañana 明日.mov"), "Mañana 明日.mov");
    }

    #[test]
    fn names_lose_their_middle() {
        assert_eq!(fit("A001_C002.mov", 20), "A001_C002.mov");
        assert_eq!(fit("A001_C002_0101AB.mov", 11), "A001_…B.mov");
        assert_eq!(fit("明日明日明日", 6), "明…日");
        assert!(width(&fit("明日明日明日", 5)) <= 5);
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit("abc", 1), "…");
    }

    #[test]
    fn lines_are_cut_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), Vec::<String>::new());
        assert_eq!(wrap("extraordinary", 5), ["extraordinary"]);
        assert_eq!(wrap("one  two\n three", 80), ["one two three"]);
        assert_eq!(wrap("timedatectl set-ntp true", 16), ["timedatectl", "set-ntp true"]);
        // Two columns each.
        assert_eq!(wrap("明日 明日 明日", 9), ["明日 明日", "明日"]);
    }

    #[test]
    fn errors_lose_their_numbers() {
        assert_eq!(without_errno("/x: No such file (os error 2), sorry"), "/x: No such file, sorry");
        assert_eq!(without_errno("plain (text)"), "plain (text)");
    }
}
