//! What objects are called: a pattern of the site's, filled in with what is known of a clip.
//!
//! | Word | What stands there |
//! | --- | --- |
//! | `{date}` | the day on which the clip was made, UTC: `2026-11-30` |
//! | `{device}` | the rig's name |
//! | `{reel}` | the clip's reel ([`crate::delivery::reel`]) |
//! | `{name}` | the clip's name |
//! | `{id}` | the clip's own mark: no two clips of one rig have the same |
//!
//! # Decisions
//! - `{id}` has to be in it: two cards bring the same names on the same day, and an upload in parts learns that its name is
//!   taken only when all of it is there.
//! - No step is empty, `.` or `..`: servers refuse those, or resolve them.
use jiff::Timestamp;
use jiff::tz::Offset;

/// Bytes of an object's name, by S3's own limit.
const LONGEST: usize = 1024;
const WORDS: [&str; 5] = ["date", "device", "reel", "name", "id"];

/// A pattern that is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(String);

/// What is known of a clip.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// When it was made, Unix seconds.
    pub made: i64,
    /// The rig's name.
    pub device: &'a str,
    /// The reel that it is of.
    pub reel: &'a str,
    /// Its own.
    pub name: &'a str,
    /// Its mark.
    pub mark: &'a str,
}

impl Default for Template {
    fn default() -> Template {
        Template("{date}/{device}/{id}/{name}".to_owned())
    }
}

impl Template {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence's end.
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut rest = text;
        let mut has_id = false;
        while let Some(at) = rest.find(['{', '}']) {
            let inner = rest[at..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let Some((word, after)) = inner else {
                return Err("has a brace that belongs to no word".to_owned());
            };
            if !WORDS.contains(&word) {
                let known: Vec<String> = WORDS.iter().map(|word| format!("{{{word}}}")).collect();
                return Err(format!("has the word {{{word}}}; there are {}", known.join(", ")));
            }
            has_id |= word == "id";
            rest = after;
        }
        let filled = |step: &str| step.contains('{') || !matches!(step, "" | "." | "..");
        match text {
            _ if !has_id => Err("must have {id} in it, so that no clip takes another's place".to_owned()),
            _ if !text.split('/').all(filled) => Err("has an empty step, or one of dots".to_owned()),
            _ if text.len() > LONGEST / 4 => Err(format!("is longer than {} bytes", LONGEST / 4)),
            _ if text.chars().any(char::is_control) => Err("has a control character".to_owned()),
            _ => Ok(Template(text.to_owned())),
        }
    }

    /// The name of a clip's object. Where it would be too long the clip's own name is cut, its end kept.
    pub fn fill(&self, facts: Facts<'_>) -> String {
        let day = Timestamp::from_second(facts.made).unwrap_or_default();
        let date = Offset::UTC.to_datetime(day).date().to_string();
        let (device, id) = (step(facts.device), step(facts.mark));
        let words = [("{date}", date), ("{device}", device), ("{reel}", step(facts.reel)), ("{id}", id)];
        let fixed = words.iter().fold(self.0.clone(), |name, (word, is)| name.replace(word, is));
        let names = fixed.matches("{name}").count().max(1);
        let room = LONGEST.saturating_sub(fixed.len()) / names;
        let name = step(facts.name);
        let mut from = name.len().saturating_sub(room);
        while !name.is_char_boundary(from) {
            from += 1;
        }
        fixed.replace("{name}", &step(&name[from..]))
    }
}

/// A text as one step of a name: nothing in it ends the step, or is a step of its own.
fn step(text: &str) -> String {
    let clean: String =
        text.chars().map(|c| if "/\\{}".contains(c) || c.is_control() { '_' } else { c }).collect();
    match clean.trim() {
        "" | "." | ".." => "_".to_owned(),
        clean => clean.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'_> =
        Facts { made: 1_796_000_000, device: "rig 7", reel: "A001", name: "A001.mov", mark: "12ab-3" };

    #[test]
    fn a_pattern_is_filled_in() {
        for (pattern, name) in [
            ("{date}/{device}/{id}/{name}", "2026-11-30/rig 7/12ab-3/A001.mov"),
            ("footage/{id}-{name}", "footage/12ab-3-A001.mov"),
            ("{id}", "12ab-3"),
            ("{date}/{device}/{reel}/{id}-{name}", "2026-11-30/rig 7/A001/12ab-3-A001.mov"),
        ] {
            assert_eq!(Template::parse(pattern).unwrap().fill(FACTS), name);
        }
        assert_eq!(Template::parse("{date}/{device}/{id}/{name}"), Ok(Template::default()));
    }

    #[test]
    fn a_pattern_that_is_none_says_why() {
        for (pattern, why) in [
            ("{date}/{name}", "must have {id}"),
            ("{id}/{roll}", "has the word {roll}"),
            ("{id}/{name", "brace"),
            ("{id}}", "brace"),
            ("/{id}", "empty step"),
            ("{id}/", "empty step"),
            ("a//{id}", "empty step"),
            ("../{id}", "dots"),
            ("{id}\u{7}", "control"),
            ("", "must have {id}"),
        ] {
            let error = Template::parse(pattern).unwrap_err();
            assert!(error.contains(why), "{pattern}: {error}");
        }
        assert!(Template::parse(&format!("{{id}}{}", "x".repeat(300))).is_err());
    }

    #[test]
    fn no_name_of_a_file_or_a_rig_makes_a_step_of_its_own() {
        let template = Template::default();
        for (device, name, key) in [
            ("..", "../../etc/passwd", "2026-11-30/_/12ab-3/.._.._etc_passwd"),
            ("", "..", "2026-11-30/_/12ab-3/_"),
            ("a/b\\c", "a\u{0}b", "2026-11-30/a_b_c/12ab-3/a_b"),
            ("{name}", "{id}", "2026-11-30/_name_/12ab-3/_id_"),
        ] {
            assert_eq!(template.fill(Facts { device, name, ..FACTS }), key);
        }
        let long = format!("{}ü{}.mov", "x".repeat(600), "é".repeat(600));
        let key = template.fill(Facts { name: &long, ..FACTS });
        assert!(key.len() <= LONGEST && key.ends_with("é.mov"), "{key}");
    }
}
