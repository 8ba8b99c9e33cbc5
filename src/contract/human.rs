//! Numbers and sentences as people read them.
//!
//! # Decisions
//! - Sizes are decimal (1 GB = 10⁹ bytes), as on the cards that clips come from, with three digits: enough to see that
//!   something moves, and a column that keeps its width.

/// Bytes with three digits: "734 B", "1.25 GB", "34.1 GB".
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1000.0, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// Seconds in the two largest units: "42 s", "5 min 3 s", "7 h 12 min", "3 days 4 h", "42 days".
pub fn duration(seconds: u64) -> String {
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
pub fn about(seconds: u64) -> String {
    match seconds {
        0..60 => "less than a minute".to_owned(),
        60..3600 => format!("about {} min", seconds.div_ceil(60)),
        _ => format!("about {}", duration(seconds)),
    }
}

/// A countdown in seconds that keeps its width: "4:05", "1:00:00".
pub fn countdown(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match h {
        0 => format!("{m}:{s:02}"),
        h => format!("{h}:{m:02}:{s:02}"),
    }
}

/// "no files", "1 file", "2 files".
pub fn count(n: u64, thing: &str) -> String {
    match n {
        0 => format!("no {thing}s"),
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
    }
}

/// The text with a capital letter at its beginning.
pub fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A clause as a sentence, and then another sentence; nothing of nothing.
pub(crate) fn sentence(clause: &str, follows: &str) -> String {
    match (clause, follows) {
        ("", follows) => follows.to_owned(),
        (clause, "") => format!("{}.", capitalized(clause)),
        (clause, follows) => format!("{}. {follows}", capitalized(clause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9994, "9.99 kB"),
            (9995, "10.0 kB"),
            (99_949, "99.9 kB"),
            (99_950, "100 kB"),
            (21_136_250, "21.1 MB"),
            (1_254_000_000, "1.25 GB"),
            (34_120_000_000, "34.1 GB"),
            (999_499_999, "999 MB"),
            (999_500_000, "1.00 GB"),
            (9_996_000, "10.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn durations() {
        for (seconds, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (303, "5 min 3 s"),
            (25_920, "7 h 12 min"),
            (3600, "1 h"),
            (86_400, "1 day"),
            (273_600, "3 days 4 h"),
            (3_700_000, "42 days"),
        ] {
            assert_eq!(duration(seconds), shown);
        }
        for (seconds, shown) in [
            (0, "less than a minute"),
            (59, "less than a minute"),
            (61, "about 2 min"),
            (3599, "about 60 min"),
            (7800, "about 2 h 10 min"),
        ] {
            assert_eq!(about(seconds), shown);
        }
        assert_eq!([countdown(0), countdown(245), countdown(3600)], ["0:00", "4:05", "1:00:00"]);
    }

    #[test]
    fn counts() {
        assert_eq!([0, 1, 2].map(|n| count(n, "file")), ["no files", "1 file", "2 files"]);
    }

    #[test]
    fn clauses_become_sentences() {
        for (clause, follows, whole) in [
            ("", "", ""),
            ("", "Wait.", "Wait."),
            ("it is so", "", "It is so."),
            ("it is so", "Wait.", "It is so. Wait."),
            ("élan is missing", "", "Élan is missing."),
        ] {
            assert_eq!(sentence(clause, follows), whole);
        }
    }
}
