//! The daemon: arguments, configuration, exit code.
use rigpost::{
    config::{self, ClientIdSource, Settings},
    daemon::{
        self,
        command_line::{self, Wish},
    },
};
use std::{io::Write, process::ExitCode};

/// `EX_CONFIG` of `sysexits.h`: the unit does not restart the daemon after it.
const BAD_CONFIGURATION: u8 = 78;
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    let (config_path, check_only) = match command_line::read(std::env::args_os()) {
        Ok(Wish::Run { config_path }) => (config_path, false),
        Ok(Wish::Check { config_path }) => (config_path, true),
        Ok(Wish::Tell(text)) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "rigpostd: {e}\n{}", command_line::USAGE);
            return ExitCode::from(BAD_USAGE);
        }
    };
    // Before anything secret is read.
    let secluded = daemon::seclude();
    let read = config::load_installed(config_path.as_deref());
    let named = |s: Settings| Ok((s.device.client_id.as_ref().map(ClientIdSource::resolve).transpose()?, s));
    let (client_id, settings) = match read.and_then(named) {
        Ok(read) => read,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "{e}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    if check_only {
        return ExitCode::SUCCESS;
    }
    let log = daemon::start_logging(settings.log.level);
    if let Err(e) = secluded {
        tracing::warn!("secrets could end up in a core dump: {e}");
    }
    // One transaction at a time, two look-ups of names, a few looks at files. The threads end when idle.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(8).build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome =
                runtime.block_on(daemon::run(daemon::Launch { settings, client_id, config_path, log }));
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
            outcome
        }
        Err(e) => Err(daemon::Fatal::System(e)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!("{e}");
            ExitCode::FAILURE
        }
    }
}
