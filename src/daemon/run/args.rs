//! What the daemon `rigpostd` can be told on its command line: where its configuration is, and no more.
//!
//! # Decisions
//!
//! - Only clap and the standard library, because the build script includes this file to write `rigpostd(8)`.
//! - No option overrides a key of the configuration: there is one place to look at when a rig in the field surprises.

use std::path::PathBuf;

use clap::Parser;

/// Keep a rig paired with the cloud and carry its clips there
///
/// rigpostd is started by systemd (rigpost.service) and spoken to over the system bus, by `rigpost` and by the screen of
/// the rig. It always comes up: what keeps it from working is a state that can be read on the bus, not an exit.
#[derive(Debug, Parser)]
#[command(name = "rigpostd", version, max_term_width = 100)]
pub struct DaemonArgs {
    /// The main configuration file
    ///
    /// Drop-ins are read from the directory conf.d beside it. Without this option /etc/rigpost/rigpost.toml is read, and
    /// may be missing; a file that is named here must exist.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Read the configuration, say what is wrong with it, and end
    ///
    /// Ends with 0 when the configuration is good, else with 78.
    #[arg(long)]
    pub check_config: bool,
}
