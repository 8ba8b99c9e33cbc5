//! Where the words go: standard output, and what is known about the terminal behind it.
//!
//! # Decisions
//!
//! - A `dyn Write` that is passed around, not `println!`: a closed pipe becomes an error that ends the program quietly,
//!   and tests read what was written.
//! - Colours only where a person looks: a terminal, not `dumb`, and `NO_COLOR` not set. Nothing is said by colour alone.
//! - Where the locale knows no UTF-8, what this program draws with is drawn in ASCII, here and nowhere else. Names that
//!   are not ASCII are spelled with question marks on a terminal, and left as they are for whatever else reads them; JSON is
//!   UTF-8 by its definition.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetwinsize;

use super::text;

/// An output and what can be done with it.
pub(crate) struct Out {
    sink: Box<dyn Write>,
    /// Cursor movement is understood.
    pub(crate) live: bool,
    /// Colours are understood and wanted.
    pub(crate) colour: bool,
    /// The locale knows no UTF-8.
    pub(crate) ascii: bool,
    fixed: Option<(usize, usize)>,
}

/// What a word is about, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Wants attention.
    Warn,
    /// Does not work.
    Bad,
    /// Less important than the rest.
    Dim,
    /// More important than the rest.
    Strong,
}

impl Out {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let live = stdout.is_terminal() && !dumb;
        let colour = live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            sink: Box::new(stdout),
            live,
            colour,
            ascii: is_ascii(|name| std::env::var_os(name)),
            fixed: None,
        }
    }

    #[cfg(test)]
    /// Somewhere else, as wide and high as given; without colours.
    pub(crate) fn to(sink: Box<dyn Write>, live: bool, columns: usize, rows: usize) -> Self {
        Self { sink, live, colour: false, ascii: false, fixed: Some((columns, rows)) }
    }

    #[cfg(test)]
    /// A person has resized it.
    pub(crate) fn resize(&mut self, columns: usize, rows: usize) {
        self.fixed = Some((columns, rows));
    }

    /// An error as soon as nobody can read any more what would be written: the terminal is closed, or the reader of a pipe gone.
    pub(crate) fn heard(&self) -> io::Result<()> {
        if self.fixed.is_some() {
            return Ok(());
        }
        let stdout = rustix::stdio::stdout();
        let mut asked = [PollFd::from_borrowed_fd(stdout, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A poll that fails says nothing of the reader.
        let answered = poll(&mut asked, Some(&now)).unwrap_or_default() > 0;
        if answered && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    /// Columns and rows, asked anew each time because people resize; 80 by 24 when nobody knows.
    pub(crate) fn size(&self) -> (usize, usize) {
        if let Some(size) = self.fixed {
            return size;
        }
        match tcgetwinsize(rustix::stdio::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            Ok(_) | Err(_) => (80, 24),
        }
    }

    /// Columns for text: those of the terminal, and no limit where no person looks.
    pub(crate) fn columns(&self) -> usize {
        if self.live { self.size().0 } else { usize::MAX }
    }

    /// The text in its colour, where colours are wanted.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "1;31",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The text as the locale can spell it.
    pub(crate) fn spelled<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.ascii { spelled(text, self.live) } else { Cow::Borrowed(text) }
    }

    /// One line.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        self.raw(&format!("{line}\n"))
    }

    /// Sentences, cut between words where the terminal is narrower.
    pub(crate) fn say(&mut self, sentences: &str) -> io::Result<()> {
        text::wrap(sentences, self.columns()).iter().try_for_each(|line| self.line(line))
    }

    /// Text without a line break, shown at once.
    pub(crate) fn raw(&mut self, text: &str) -> io::Result<()> {
        let spelled = self.spelled(text).into_owned();
        self.sink.write_all(spelled.as_bytes())?;
        self.sink.flush()
    }

    fn as_it_is(&mut self, line: &str) -> io::Result<()> {
        self.sink.write_all(line.as_bytes())?;
        self.sink.write_all(b"\n")?;
        self.sink.flush()
    }

    /// A value as JSON on one line.
    pub(crate) fn json_line<T: serde::Serialize>(&mut self, value: &T) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        self.as_it_is(&text)
    }

    /// A value as indented JSON.
    pub(crate) fn json<T: serde::Serialize>(&mut self, value: &T) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        self.as_it_is(&text)
    }
}

/// What stands before what is not an answer.
const NAME: &str = "rigpost: ";
const NEXT: &str = "  next: ";

/// Writes a failure to standard error; there is nobody to tell when that fails.
pub(crate) fn complain(failure: &super::exit::Failure) {
    remark(&failure.what);
    if !failure.next.is_empty() {
        to_stderr(NEXT, &failure.next);
    }
}

/// A remark for the person that must not get mixed with the output.
pub(crate) fn remark(text: &str) {
    to_stderr(NAME, text);
}

fn to_stderr(head: &str, text: &str) {
    let stderr = io::stderr();
    let columns = if stderr.is_terminal() {
        tcgetwinsize(rustix::stdio::stderr())
            .map_or(80, |size| if size.ws_col > 0 { size.ws_col.into() } else { 80 })
    } else {
        usize::MAX
    };
    let is_ascii = is_ascii(|name| std::env::var_os(name));
    for line in beside(head, text, columns) {
        let line = if is_ascii { spelled(&line, stderr.is_terminal()) } else { Cow::Borrowed(line.as_str()) };
        let _ = writeln!(stderr.lock(), "{line}");
    }
}

/// The text behind its head, the lines below each other; as it is where nobody cuts it.
fn beside(head: &str, text: &str, columns: usize) -> Vec<String> {
    if columns == usize::MAX {
        return vec![format!("{head}{text}")];
    }
    let lines = text::wrap(text, columns.saturating_sub(head.len()).max(20));
    let indent = " ".repeat(head.len());
    lines
        .iter()
        .enumerate()
        .map(|(i, line)| format!("{}{line}", if i == 0 { head } else { &indent }))
        .collect()
}

/// Whether the locale, by the first of its names that says anything, knows no UTF-8.
fn is_ascii(var: impl Fn(&str) -> Option<OsString>) -> bool {
    let set = |name: &&str| var(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default();
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    !(locale.contains("utf-8") || locale.contains("utf8"))
}

/// In ASCII, as far as it is ours; `whole`: names of others too.
fn spelled(text: &str, whole: bool) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '●' => ascii.push('*'),
            '✔' => ascii.push('+'),
            '·' | '–' | '—' => ascii.push('-'),
            '…' => ascii.push_str("..."),
            '█' | '▀' | '▄' | '▌' => ascii.push('#'),
            '░' => ascii.push('.'),
            c if whole && !c.is_ascii() => ascii.push('?'),
            c => ascii.push(c),
        }
    }
    Cow::Owned(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_says_how_it_is_spelled() {
        let of = |vars: &[(&str, &str)]| {
            let vars: Vec<(String, OsString)> =
                vars.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            is_ascii(move |name| vars.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
        };
        assert!(of(&[]) && of(&[("LANG", "C")]) && of(&[("LANG", "de_DE.ISO-8859-1")]));
        assert!(!of(&[("LANG", "C.UTF-8")]) && !of(&[("LANG", "en_US.utf8")]));
        assert!(of(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]), "the first that says anything");
        assert!(!of(&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C")]));
    }

    #[test]
    fn what_is_drawn_is_ascii_and_names_stay_for_whoever_reads_them() {
        assert_eq!(spelled("● Paired with Mañana · 4 clips …", false), "* Paired with Mañana - 4 clips ...");
        assert_eq!(spelled("✔ Mañana 明", true), "+ Ma?ana ?");
        assert_eq!(spelled("█▌░", true), "##.");
    }

    #[test]
    fn a_failure_is_cut_between_words() {
        let lines = beside(NEXT, "correct that line, then: sudo systemctl restart rigpost", 40);
        assert_eq!(lines, ["  next: correct that line, then: sudo", "        systemctl restart rigpost"]);
        assert_eq!(beside(NAME, "a  b", usize::MAX), ["rigpost: a  b"]);
    }
}
