//! The command line `rigpost`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    rigpost::cli::main()
}
