//! Reading the daemon's command line.
//!
//! # Decisions
//! - `lexopt` and not clap: for two options clap would cost the daemon two hundred kilobytes of a small board's memory
//!   card. The definition in [`super::args`] stays the one that the man page is made from; a test holds the two together.
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

/// For `--help` and after a mistake.
pub const USAGE: &str = "\
Usage: rigpostd [--config FILE] [--check-config]

  --config FILE   the main configuration file [default: /etc/rigpost/rigpost.toml, which may be missing]
  --check-config  read the configuration, say what is wrong with it, and end
  --help, --version

Started by systemd as rigpost.service; see rigpostd(8).";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Be the daemon.
    Run {
        /// `None`: the installed file, which may be missing.
        config_path: Option<PathBuf>,
    },
    /// Only check the configuration.
    Check {
        /// As above.
        config_path: Option<PathBuf>,
    },
    /// Print this and end.
    Tell(String),
}

/// Reads the arguments, the program's name first.
pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, lexopt::Error> {
    let mut parser = Parser::from_iter(args);
    let (mut config_path, mut check) = (None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("config") => config_path = Some(parser.value()?.into()),
            Arg::Long("check-config") => check = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(Invocation::Tell(USAGE.to_owned())),
            Arg::Long("version") | Arg::Short('V') => {
                return Ok(Invocation::Tell(format!("rigpostd {}", super::version::VERSION)));
            }
            Arg::Long(_) | Arg::Short(_) | Arg::Value(_) => return Err(arg.unexpected()),
        }
    }
    Ok(if check { Invocation::Check { config_path } } else { Invocation::Run { config_path } })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn read_words(words: &[&str]) -> Result<Invocation, lexopt::Error> {
        read(std::iter::once("rigpostd").chain(words.iter().copied()).map(OsString::from))
    }

    #[test]
    fn the_options_are_those_of_the_man_page() {
        let mut command = crate::run::args::DaemonArgs::command();
        command.build();
        for arg in command.get_arguments() {
            let long = format!("--{}", arg.get_long().unwrap());
            let words: &[&str] =
                if arg.get_num_args().unwrap().takes_values() { &[&long, "x"] } else { &[&long] };
            assert!(read_words(words).is_ok(), "{long} is in the man page only");
            assert!(USAGE.contains(&long), "{long} is not in --help");
        }
        assert!(command.try_get_matches_from(["rigpostd", "--config", "x", "--check-config"]).is_ok());
    }

    #[test]
    fn the_words_mean_what_they_say() {
        let config_path = Some(PathBuf::from("/x"));
        assert_eq!(read_words(&[]).unwrap(), Invocation::Run { config_path: None });
        assert_eq!(
            read_words(&["--config=/x"]).unwrap(),
            Invocation::Run { config_path: config_path.clone() }
        );
        assert_eq!(
            read_words(&["--check-config", "--config", "/x"]).unwrap(),
            Invocation::Check { config_path }
        );
        for bad in [&["--confg", "x"][..], &["--config"], &["stray"], &["-x"], &["--check-config=yes"]] {
            assert!(read_words(bad).is_err(), "{bad:?}");
        }
    }
}
