//! Where the words go: standard output, and what is known about the terminal behind it.
//!
//! # Decisions
//!
//! - A `dyn Write` that is passed around, not `println!`: a closed pipe becomes an error that ends the program quietly,
//!   and tests read what was written.
//! - Colours only where a person looks: a terminal, not `dumb`, and `NO_COLOR` not set. Nothing is said by colour alone.

use std::io::{self, IsTerminal as _, Write};

use rustix::termios::tcgetwinsize;

/// An output and what can be done with it.
pub(crate) struct Out {
    sink: Box<dyn Write>,
    /// Cursor movement is understood.
    pub(crate) live: bool,
    /// Colours are understood and wanted.
    pub(crate) colour: bool,
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
        Self { sink: Box::new(stdout), live, colour, fixed: None }
    }

    #[cfg(test)]
    /// Somewhere else, as wide and high as given; without colours.
    pub(crate) fn to(sink: Box<dyn Write>, live: bool, columns: usize, rows: usize) -> Self {
        Self { sink, live, colour: false, fixed: Some((columns, rows)) }
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

    /// One line.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        self.sink.write_all(line.as_bytes())?;
        self.sink.write_all(b"\n")?;
        self.sink.flush()
    }

    /// Text without a line break, shown at once.
    pub(crate) fn raw(&mut self, text: &str) -> io::Result<()> {
        self.sink.write_all(text.as_bytes())?;
        self.sink.flush()
    }

    /// A value as JSON on one line.
    pub(crate) fn json_line<T: serde::Serialize>(&mut self, value: &T) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        self.line(&text)
    }

    /// A value as indented JSON.
    pub(crate) fn json<T: serde::Serialize>(&mut self, value: &T) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        self.line(&text)
    }
}

/// Writes a failure to standard error; there is nobody to tell when that fails.
pub(crate) fn complain(failure: &super::exit::Failure) {
    let _ = writeln!(io::stderr().lock(), "{failure}");
}

/// A remark for the person that must not get mixed with the output.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(io::stderr().lock(), "rigpost: {text}");
}
