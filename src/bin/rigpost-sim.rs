//! The cloud simulator; everything is in [`rigpost_sim`].

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use rigpost_sim::args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = match runtime {
        Ok(runtime) => runtime.block_on(rigpost_sim::run::run(args)),
        Err(error) => Err(format!("cannot start: {error}")),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "rigpost-sim: {error}");
            ExitCode::FAILURE
        }
    }
}
