//! The daemon: arguments, configuration, exit code.
use std::io::Write;
use std::process::ExitCode;

use rigpost_core::time::WallTime;
use rigpost_daemon::config::{self, ClientIdSource, Settings};
use rigpost_daemon::run;
use rigpost_daemon::run::command_line::{self, Invocation};

/// `EX_CONFIG` of `sysexits.h`: the unit does not restart the daemon after it.
const BAD_CONFIGURATION: u8 = 78;
const BAD_USAGE: u8 = 2;
/// Unix time of this build, by src/build.rs: a wall clock before it was never set.
const BUILT: WallTime = WallTime::of_build(env!("RIGPOST_BUILD_EPOCH"));

fn main() -> ExitCode {
    let (config_path, check_only) = match command_line::read(std::env::args_os()) {
        Ok(Invocation::Run { config_path }) => (config_path, false),
        Ok(Invocation::Check { config_path }) => (config_path, true),
        Ok(Invocation::Tell(text)) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            return ExitCode::SUCCESS;
        }
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "rigpostd: {e}\n{}", command_line::USAGE);
            return ExitCode::from(BAD_USAGE);
        }
    };
    // Before anything secret is read.
    let secluded = run::seclude();
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
    let log = run::start_logging(settings.log.level);
    if let Err(e) = secluded {
        tracing::warn!("secrets could end up in a core dump: {e}");
    }
    // One transaction at a time, two look-ups of names, a key, a configuration. The threads end when idle. Cards are
    // touched by other threads. Who asks on the bus waits for one turn of something else, and not for the usual 61.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(1)
        .max_blocking_threads(8)
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run::run(run::Launch {
                settings,
                client_id,
                config_path,
                log,
                built: BUILT,
            }));
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
            outcome
        }
        Err(e) => Err(run::Fatal::System(e)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!("{e}");
            ExitCode::FAILURE
        }
    }
}
