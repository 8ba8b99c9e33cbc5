//! Numbers, times and names as people read them.
//!
//! # Decisions
//!
//! - Sizes are decimal (1 GB = 10⁹ bytes), as on the cards that clips come from.
//! - Everything that came from elsewhere (file names, names given in the cloud, error texts) goes through [`clean`]
//!   before it reaches a terminal: an escape sequence in a file name must not steer it.
//! - unicode-width for columns: clip names may be in any script, and a table that is off by one column is unreadable.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

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

/// Bytes with three digits: "734 B", "1.25 GB", "34.1 GB".
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1000.0, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// Seconds in the two largest units: "42 s", "5 min 3 s", "7 h 12 min", "3 days 4 h", "42 days".
pub(crate) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let both = |big: String, small: u64, unit: &str| match small {
        0 => big,
        small => format!("{big} {small} {unit}"),
    };
    match () {
        () if seconds < 60 => format!("{seconds} s"),
        () if hours == 0 => both(format!("{minutes} min"), seconds % 60, "s"),
        () if days == 0 => both(format!("{hours} h"), minutes % 60, "min"),
        () if days < 7 => both(count(days, "day"), hours % 24, "h"),
        () => count(days, "day"),
    }
}

/// An estimate in seconds, no finer than it deserves: "less than a minute", "about 14 min", "about 2 h 10 min".
pub(crate) fn about(seconds: u64) -> String {
    match seconds {
        0..60 => "less than a minute".to_owned(),
        60..3600 => format!("about {} min", seconds.div_ceil(60)),
        _ => format!("about {}", duration(seconds)),
    }
}

/// A countdown that keeps its width: "4:05", "1:00:00".
pub(crate) fn countdown(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match h {
        0 => format!("{m}:{s:02}"),
        h => format!("{h}:{m:02}:{s:02}"),
    }
}

/// "1 file", "2 files", "no files".
pub(crate) fn count(n: u64, thing: &str) -> String {
    match n {
        0 => format!("no {thing}s"),
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
    }
}

/// A point in time in the rig's time zone, from Unix seconds: "4 Jan 2027, 09:12".
pub(crate) fn date(unix: i64) -> String {
    match jiff::Timestamp::from_second(unix) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime("%-d %b %Y, %H:%M").to_string(),
        Err(_) => "at an impossible time".to_owned(),
    }
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

/// The text cut into lines of at most `columns`, between words.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
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
    fn sizes() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (1_254_000_000, "1.25 GB"),
            (34_120_000_000, "34.1 GB"),
            (999_499_999, "999 MB"),
            (999_500_000, "1.00 GB"),
            (9_996_000, "10.0 MB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn durations() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (303, "5 min 3 s"),
            (25_920, "7 h 12 min"),
            (3600, "1 h"),
            (86_400, "1 day"),
            (273_600, "3 days 4 h"),
            (3_700_000, "42 days"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(duration(seconds), shown);
        }
        assert_eq!([about(59), about(61)], ["less than a minute", "about 2 min"]);
        assert_eq!(countdown(245), "4:05");
        assert_eq!(countdown(3600), "1:00:00");
    }

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
    }

    #[test]
    fn errors_lose_their_numbers() {
        assert_eq!(without_errno("/x: No such file (os error 2), sorry"), "/x: No such file, sorry");
        assert_eq!(without_errno("plain (text)"), "plain (text)");
    }

    #[test]
    fn counts() {
        assert_eq!([count(0, "file"), count(1, "file"), count(2, "file")], ["no files", "1 file", "2 files"]);
    }
}
