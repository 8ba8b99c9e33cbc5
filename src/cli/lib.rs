//! The command line `rigpost`: what a person on set, in a workshop or behind a support desk types.
//!
//! It is a client of the daemon like any other; all it can do, a rig's screen can do over the same bus.
//!
//! # Decisions
//!
//! - It knows the daemon only through the D-Bus contract, never through the library's other modules: what the screen of a
//!   rig can't do, this program can't either. `doctor` alone looks beyond: at files, at the daemon's settings, and with the
//!   daemon's client at the network; and at the settings whoever says why a daemon does not run.
//! - One thread: a command waits for one answer at a time.
//! - Every failure is a [`exit::Failure`]: what, what to do next, and an exit code. Nothing is printed with `{:?}`.

use std::process;

use clap::Parser as _;

/// What can be said on the command line.
pub mod args;

/// `rigpost add`.
mod add;
/// `rigpost support-bundle`.
mod bundle;
/// The daemon, as a client sees it.
mod bus;
/// The two clocks that are read here.
mod clock;
/// `rigpost check-config` and `rigpost config`.
mod config;
/// Commands that are one call and one line.
mod control;
/// Codes in letters for three metres.
mod digits;
/// `rigpost doctor`.
mod doctor;
/// What ends an authorization.
mod ending;
/// Failures, what to do next, and exit codes.
mod exit;
/// What the cloud's pace means for sequences of frames.
mod frames;
/// Ctrl-C, `kill`, a terminal that closes.
mod leave;
/// `rigpost log`.
mod log;
/// `rigpost receipt --mhl`.
mod mhl;
/// Standard output, and the terminal behind it.
mod out;
/// `rigpost pair`.
mod pair;
/// `rigpost provision`.
mod provision;
/// `rigpost queue`.
mod queue;
/// Why the daemon does not run.
mod start;
/// `rigpost status`.
mod status;
/// Numbers, times and names for people.
mod text;
/// `rigpost version`.
mod version;
/// `rigpost wait`.
mod wait;
/// `rigpost watch`, and `rigpost add --wait`.
mod watch;
/// States and reasons in plain words.
mod words;

use args::{Command, ConfigCommand, RigpostArgs};
use exit::{ExitCode, Failure};
use out::Out;
use rigpost_core::time::WallTime;

/// Parses the arguments of the process, does what they say, and reports how it went. `built`: when this program was built.
pub fn main(built: WallTime) -> process::ExitCode {
    let args = RigpostArgs::parse();
    let mut out = Out::stdout();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(ExitCode::Failed, format!("can't start: {error}"), "check the memory that is left")
        })
        .and_then(|runtime| {
            let outcome = runtime.block_on(run(args.command, &mut out, built));
            // A look-up that nobody waits for any more keeps nobody waiting.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(code) => process::ExitCode::from(code.number()),
        Err(failure) if failure.is_closed_pipe() => process::ExitCode::SUCCESS,
        Err(failure) => {
            out::complain(&failure);
            process::ExitCode::from(failure.code.number())
        }
    }
}

async fn run(command: Command, out: &mut Out, built: WallTime) -> Result<ExitCode, Failure> {
    match command {
        Command::Status(args) => Box::pin(status::run(&args, out)).await?,
        Command::Pair(args) => Box::pin(pair::run(&args, out)).await?,
        Command::Cancel(args) => control::cancel(&args, out).await?,
        Command::Unpair(args) => ending::unpair(&args, out).await?,
        Command::Token(args) => control::token(&args, out).await?,
        Command::Forget(args) => ending::forget(&args, out).await?,
        Command::Provision(args) => provision::run(&args, out).await?,
        Command::Add(args) => Box::pin(add::run(&args, out)).await?,
        Command::Queue(args) => Box::pin(queue::run(&args, out)).await?,
        Command::Receipt(args) => Box::pin(queue::receipt(&args, out)).await?,
        Command::Pause(args) => control::pause(&args, out).await?,
        Command::Resume(args) => control::resume(&args, out).await?,
        Command::Limit(args) => control::limit(&args, out).await?,
        Command::Wait(args) => Box::pin(wait::run(&args, out)).await?,
        Command::Watch(args) => Box::pin(watch::run(&args, out)).await?,
        Command::Doctor(args) => return Box::pin(doctor::run(&args, out, built)).await,
        Command::CheckConfig(args) => config::check(&args, out).await?,
        Command::Config(ConfigCommand::Show(args)) => config::show(&args, out).await?,
        Command::Log(args) => return Err(log::run(&args)),
        Command::SupportBundle(args) => Box::pin(bundle::run(&args, out)).await?,
        Command::Version(args) => version::run(&args, out).await?,
    }
    Ok(ExitCode::Done)
}
