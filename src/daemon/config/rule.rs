//! What a key of the configuration takes, and what it is without anybody's word.
//!
//! # Decisions
//! - Only the standard library, as in the table: the build script includes both to write the manual page and the example.
//! - Choices are one text and ranges are numbers: the loader writes the address of every slice into each process.

/// What the daemon goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Section and key, `queue.max_items`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is where no file sets it.
    pub preset: Preset,
    /// Where it means something.
    pub of: Of,
}

/// A rule, and what people are told. The daemon keeps only the rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// What the daemon goes by.
    pub rule: Rule,
    /// One paragraph: what it is for, not what it takes.
    pub says: &'static str,
    /// A good value as it is written in a file, instead of the preset; empty: the preset is shown.
    pub example: &'static str,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A text of this form.
    Text(Form),
    /// One of these words, which blanks part.
    Word(&'static str),
    /// An absolute path without `..`.
    Path,
    /// https, or http to this machine; without user, query and fragment.
    Url,
    /// `http://host:port`, with user and password before the host where the proxy wants them, or `none`.
    Proxy,
    /// `true` or `false`.
    Flag,
    /// A whole number, both ends included.
    Whole {
        /// Not smaller; of [`Unit::SecondsOrNone`], 0 is taken besides.
        least: i64,
        /// Not larger; `i64::MAX`: no limit.
        most: i64,
        /// Of what.
        unit: Unit,
    },
    /// A length of time as people write it (`90s`, `10min`, `1h 30min`), or one of these words, which blanks part.
    Span {
        /// Instead of a time.
        words: &'static str,
        /// Seconds; not shorter.
        least: u64,
        /// Seconds; not longer.
        most: u64,
    },
    /// A channel's number, both ends included; or `{ model = "UUID" }`.
    Channel {
        /// Not smaller.
        least: i64,
        /// Not larger.
        most: i64,
    },
    /// A list of paths, at least one.
    Paths,
    /// A list of the shell's patterns.
    Patterns,
    /// A list of `name=value`.
    Parameters,
}

/// Texts that a plain check tells right from wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A name for the life of a rig.
    RigName,
    /// RFC 6749 appendix A.1.
    ClientId,
    /// RFC 6749 appendix A.4.
    Scope,
    /// One line.
    Line,
    /// Semantic Versioning 2.0.0.
    Version,
    /// What tells one `[[section]]` from another.
    Label,
    /// The label of a `[[class]]`, or of one that is built in.
    Class,
    /// A template of clips' names.
    ClipName,
    /// A bucket's name.
    Bucket,
    /// A region's name.
    Region,
    /// A template of objects' names.
    ObjectName,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// What the key says.
    Things,
    /// Seconds.
    Seconds,
    /// Seconds, and 0 switches off what they are for.
    SecondsOrNone,
}

/// What a key is where no file sets it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Preset {
    /// Not set; its paragraph says what happens then.
    Nothing,
    /// This text.
    Text(&'static str),
    /// This answer.
    Flag(bool),
    /// This number.
    Number(i64),
    /// These texts.
    Texts(&'static [&'static str]),
}

/// To which kind of provider a key means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// To each.
    Every,
    /// To Frame.io.
    Frameio,
    /// To providers of RFC 8628.
    OAuth,
}

impl Row {
    /// Not set without anybody's word, and of every provider.
    pub const fn new(name: &'static str, kind: Kind, says: &'static str) -> Row {
        Row { rule: Rule { name, kind, preset: Preset::Nothing, of: Of::Every }, says, example: "" }
    }

    /// With what it is where no file sets it.
    pub const fn preset(mut self, preset: Preset) -> Row {
        self.rule.preset = preset;
        self
    }

    /// Only for this kind of provider.
    pub const fn of(mut self, of: Of) -> Row {
        self.rule.of = of;
        self
    }

    /// With a value to show.
    pub const fn example(mut self, written: &'static str) -> Row {
        self.example = written;
        self
    }
}

impl Kind {
    /// Which numbers are taken: `between 1 and 16`. Of other kinds than numbers, nothing.
    pub fn range(self) -> String {
        if let Kind::Channel { least, most } = self {
            return format!(
                "between {least} and {most}, or {{ model = \"...\" }} with the id of a device model"
            );
        }
        let Kind::Whole { least, most, unit } = self else { return String::new() };
        let what = match unit {
            Unit::Things => "",
            Unit::Seconds => " seconds",
            Unit::SecondsOrNone => " seconds, or 0 for none",
        };
        match most {
            i64::MAX => format!("at least {least}{what}"),
            _ => format!("between {least} and {most}{what}"),
        }
    }

    /// Whether this number is taken. Other kinds than numbers take none.
    pub fn takes(self, n: i64) -> bool {
        if let Kind::Channel { least, most } = self {
            return (least..=most).contains(&n);
        }
        let Kind::Whole { least, most, unit } = self else { return false };
        (least..=most).contains(&n) || (unit == Unit::SecondsOrNone && n == 0)
    }

    /// The words that are taken, in their order. Of other kinds than words, none.
    pub fn words(self) -> std::str::SplitWhitespace<'static> {
        let (Kind::Word(words) | Kind::Span { words, .. }) = self else { return "".split_whitespace() };
        words.split_whitespace()
    }

    /// The same for people: `"queue", "ask" or "ignore"`.
    pub fn choice(self) -> String {
        let quoted: Vec<String> = self.words().map(|word| format!("{word:?}")).collect();
        match quoted.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            few => few.concat(),
        }
    }
}
