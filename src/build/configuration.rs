//! What people read of the configuration, written from the daemon's table of keys: the example that is installed, the
//! manual page rigpost.toml(5), and the rows in the README.
//!
//! # Decisions
//! - The example and the README are in the repository, where people look for them, and a test holds them to what is
//!   written here; the page is made by each build, as all pages are.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use textwrap::{Options, WordSplitter};

use super::keys::{Change, Key, LISTS, SECTIONS, Section, TABLE};
use super::rule::{Form, Kind, Of, Preset, Row};

/// Columns of the example.
const WIDTH: usize = 118;
/// In the README.
const MOST_USED: &[Key] = &[
    Key::DeviceClientId,
    Key::ProviderCaFile,
    Key::ProviderHeartbeat,
    Key::QueueMediaDirs,
    Key::QueueMaxItems,
    Key::QueueParallelParts,
    Key::QueueSettleSeconds,
    Key::LogLevel,
];
/// Files, and whose they are, in the order in which they are read.
const FILES: &[(&str, &str)] = &[
    ("/usr/lib/rigpost/conf.d/*.toml", "the maker's"),
    ("/etc/rigpost/rigpost.toml", "the main file, if there is one"),
    ("/etc/rigpost/conf.d/*.toml", "the site's"),
];
const ORDER: &str = "Files are read in this order, and a later one wins key by key:";
const CHECK: &str =
    "\"rigpostd --check-config\" reads them all and says what is wrong, with file, line and key.";
const SECRETS: &str = "No secret but a proxy's password belongs in these files: the client secret is given with \"rigpost provision\".";

/// `config/rigpost.toml`: everything is a comment, so that a copy of it changes nothing.
pub(super) fn example() -> String {
    let mut out = String::new();
    let shows = "A line that begins with \"#\" and a key shows the default. What is to be otherwise goes, with the name of \
                 its section, into a file of the site's, such as /etc/rigpost/conf.d/50-site.toml.";
    comment(&mut out, "# ", &format!("Configuration of rigpostd, see rigpost.toml(5). {shows}"));
    out.push_str("#\n");
    comment(&mut out, "# ", ORDER);
    for (file, whose) in FILES {
        out.push_str(&format!("#   {file:<31}  {whose}\n"));
    }
    let at_once: Vec<String> =
        SECTIONS.iter().filter(|section| section.change != Change::Restart).map(header).collect();
    comment(
        &mut out,
        "# ",
        &format!(
            "{CHECK} {SECRETS} A change takes effect after \"systemctl restart rigpost\"; in {} \"systemctl reload \
             rigpost\" is enough.",
            at_once.join(", ")
        ),
    );
    for section in SECTIONS {
        out.push('\n');
        match LISTS.contains(&section.name) {
            true => show_list(&mut out, section),
            false => show_section(&mut out, section),
        }
    }
    out
}

fn show_section(out: &mut String, section: &Section) {
    out.push_str(&format!("{}\n", header(section)));
    let mut before = None;
    if !section.says.is_empty() {
        comment(out, "# ", section.says);
    }
    for row in rows(section) {
        // The first paragraph follows its header at once.
        if before.is_some() || !section.says.is_empty() {
            out.push('\n');
        }
        let begins = before.is_some_and(|before| before != row.rule.of) && row.rule.of != Of::Every;
        if begins && section.name == Key::ProviderKind.section() {
            out.push_str(&format!("# --- With {}\n\n", of(row.rule.of)));
        }
        before = Some(row.rule.of);
        comment(out, "# ", &paragraph(row));
        // What stands for another provider than the default one is an example, though it has a default.
        let is_default = row.example.is_empty() && row.rule.of != Of::OAuth;
        let mark = if is_default { "#" } else { "#   " };
        out.push_str(&format!("{mark}{} = {}\n", name(row), shown(row)));
    }
}

fn show_list(out: &mut String, section: &Section) {
    comment(out, "# ", section.says);
    out.push_str(&format!("#   {}\n", header(section)));
    for row in rows(section) {
        comment(out, "#   # ", &paragraph(row));
        out.push_str(&format!("#   {} = {}\n", name(row), shown(row)));
    }
}

fn comment(out: &mut String, mark: &str, text: &str) {
    let options = Options::new(WIDTH)
        .initial_indent(mark)
        .subsequent_indent(mark)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(false);
    for line in textwrap::wrap(text, options) {
        out.push_str(&format!("{line}\n"));
    }
}

/// A table of the keys that are changed most.
pub(super) fn readme_rows() -> String {
    let mut out = "| key | by default | |\n| --- | --- | --- |\n".to_owned();
    for key in MOST_USED {
        let row = &TABLE[*key as usize];
        let default = written(row.rule.preset).map_or(String::new(), |value| format!("`{value}`"));
        // Of its paragraph the first sentence.
        let says = row.says.split_inclusive(". ").next().unwrap_or_default().trim_end().trim_end_matches('.');
        out.push_str(&format!("| `{}` | {default} | {says} |\n", row.rule.name));
    }
    out
}

/// rigpost.toml(5). `date` as `2026-11-22`.
pub(super) fn page(date: &str) -> String {
    let mut roff = Roff::new();
    let source = format!("rigpost {}", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["RIGPOST.TOML", "5", date, &source, "rigpost"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("rigpost.toml - configuration of rigpostd")]);
    roff.control("SH", ["SYNOPSIS"]);
    for (file, _) in FILES {
        roff.text([italic(*file)]);
        roff.control("br", []);
    }
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(format!("rigpostd is configured in TOML. {ORDER}"))]);
    for (file, whose) in FILES {
        roff.control("TP", []);
        roff.text([italic(*file)]);
        roff.text([roman(*whose)]);
    }
    for says in [
        format!(
            "A mistake, such as a key that does not exist, keeps rigpostd from starting; at a reload, what was in force \
             stays so. {CHECK}"
        ),
        SECRETS.to_owned(),
        "The file that is installed is a comment from end to end, and shows every key.".to_owned(),
    ] {
        roff.control("PP", []);
        roff.text([roman(says)]);
    }
    for section in SECTIONS {
        describe(&mut roff, section);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("rigpostd(8), rigpost(1), rigpost-doctor(1)")]);
    roff.render()
}

fn describe(roff: &mut Roff, section: &Section) {
    roff.control("SH", [header(section).as_str()]);
    let change = match section.change {
        Change::Reload => "A change takes effect with \"systemctl reload rigpost\".",
        Change::ReloadButSources => {
            "A change takes effect with \"systemctl reload rigpost\", for what media sources find after a restart."
        }
        Change::Restart => "A change takes effect after \"systemctl restart rigpost\".",
    };
    roff.text([roman(sentences(&[section.says, change]))]);
    for row in rows(section) {
        roff.control("TP", []);
        let title: Vec<Inline> = vec![bold(name(row)), roman(format!(" = {}", shown(row)))];
        roff.text(title);
        let default = match written(row.rule.preset) {
            Some(value) => format!("By default {value}."),
            None => String::new(),
        };
        let of = match row.rule.of {
            Of::Every => String::new(),
            Of::Frameio | Of::OAuth => format!("Only with {}.", of(row.rule.of)),
        };
        roff.text([roman(sentences(&[row.says, &takes(row.rule.kind), &default, &of]))]);
    }
}

fn sentences(parts: &[&str]) -> String {
    parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn rows(section: &Section) -> impl Iterator<Item = &'static Row> {
    let name = section.name;
    TABLE.iter().filter(move |row| row.rule.name.split_once('.').is_some_and(|(of, _)| of == name))
}

fn header(section: &Section) -> String {
    match LISTS.contains(&section.name) {
        true => format!("[[{}]]", section.name),
        false => format!("[{}]", section.name),
    }
}

fn name(row: &Row) -> &'static str {
    row.rule.name.split_once('.').map_or(row.rule.name, |(_, name)| name)
}

fn shown(row: &Row) -> String {
    match row.example {
        "" => written(row.rule.preset).unwrap_or_default(),
        example => example.to_owned(),
    }
}

/// As it stands in a file.
fn written(preset: Preset) -> Option<String> {
    match preset {
        Preset::Nothing => None,
        Preset::Text(text) => Some(format!("{text:?}")),
        Preset::Flag(flag) => Some(flag.to_string()),
        Preset::Number(n) => Some(n.to_string()),
        Preset::Texts(texts) => Some(format!("{texts:?}")),
    }
}

fn of(of: Of) -> &'static str {
    match of {
        Of::Every => "any kind",
        Of::Frameio => "kind = \"frameio\"",
        Of::OAuth => "kind = \"oauth\"",
    }
}

/// What a row says in the example. Of most kinds the value that is shown tells what they take.
fn paragraph(row: &Row) -> String {
    let kind = row.rule.kind;
    let takes = match kind {
        Kind::Text(_) | Kind::Whole { .. } | Kind::Channel { .. } => takes(kind),
        Kind::Word(_)
        | Kind::Path
        | Kind::Url
        | Kind::Proxy
        | Kind::Flag
        | Kind::Span { .. }
        | Kind::Paths
        | Kind::Patterns
        | Kind::Parameters => String::new(),
    };
    sentences(&[row.says, &takes])
}

/// Nothing of what is as wide as the machine's numbers.
fn range(kind: Kind) -> String {
    let range = kind.range();
    match (kind, range.split_at_checked(1)) {
        (Kind::Whole { least, .. } | Kind::Channel { least, .. }, Some((first, rest))) if least >= 0 => {
            format!("{}{rest}.", first.to_uppercase())
        }
        _ => String::new(),
    }
}

/// The check, in words. Those of a choice its paragraph explains.
fn takes(kind: Kind) -> String {
    match kind {
        Kind::Text(form) => match form {
            Form::RigName => "1 to 128 printable ASCII characters.",
            Form::ClientId => "1 to 512 printable ASCII characters.",
            Form::Scope => "Words of printable ASCII with single blanks between them, or nothing.",
            Form::Line => "1 to 1024 characters in one line.",
            Form::Version => "A semantic version.",
            Form::Label => "1 to 64 letters, digits, \"-\", \"_\", \".\" or blanks.",
            Form::Class => "The name of a class.",
            Form::Bucket => "3 to 63 small letters, digits, \"-\" and \".\".",
            Form::Region => "Letters, digits and \"-\".",
            Form::ObjectName => "At most 256 bytes, without empty steps; it has {id}.",
            Form::ClipName => {
                "A text of at most 128 bytes in which {file}, {stem}, {ext} (with its point), {parent} (the folder) and \
                 {source} stand for these; it has {file} or {stem}, and ends with {file} or {ext}."
            }
        }
        .to_owned(),
        Kind::Word(_) => String::new(),
        Kind::Path => "An absolute path without \"..\".".to_owned(),
        Kind::Url => {
            "An https URL without user, password, query and fragment; http only where the host is this machine.".to_owned()
        }
        Kind::Proxy => "An http URL with host and port and nothing behind them, or \"none\".".to_owned(),
        Kind::Flag => "True or false.".to_owned(),
        Kind::Span { .. } => "A time as \"90s\", \"10min\" or \"1h 30min\", or one of these words.".to_owned(),
        Kind::Whole { .. } | Kind::Channel { .. } => range(kind),
        Kind::Paths => "A list of absolute paths without \"..\", at least one.".to_owned(),
        Kind::Patterns => "A list of patterns as the shell has them.".to_owned(),
        Kind::Parameters => "A list of \"name=value\".".to_owned(),
    }
}
