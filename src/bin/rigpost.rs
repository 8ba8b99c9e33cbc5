//! The command line `rigpost`: everything is in [`rigpost_cli`].

use std::process::ExitCode;

use rigpost_core::time::WallTime;

/// By src/build.rs.
const BUILT: WallTime = WallTime::of_build(env!("RIGPOST_BUILD_EPOCH"));

fn main() -> ExitCode {
    rigpost_cli::main(BUILT)
}
