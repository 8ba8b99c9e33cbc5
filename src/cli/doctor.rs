//! `rigpost doctor`: goes down the list that a support engineer would, and says what it found.
//!
//! # Decisions
//!
//! - It looks for itself instead of asking the daemon, so that it works best when the daemon does not work.
//! - It changes nothing and never starts the daemon: what it finds must be what was there before.
//! - A check that can't be made is said to be "not checked" with the reason; it is never passed over in silence.
//! - Its output is safe to post: no code, no secret, no query of a URL, nothing from the queue but how much
//!   is in it, and the storage's own words.

pub(crate) mod account;
mod config;
mod disk;
mod net;
mod proxy;
mod report;
mod service;
mod sources;
mod storage;

use std::path::Path;

use super::args::DoctorArgs;
use super::bus::Daemon;
use super::exit::{ExitCode, Failure};
use super::out::Out;
use report::{Check, Report};
use rigpost_contract::pairing::Protection;
use rigpost_core::time::WallTime;

/// Makes all checks. The code is [`ExitCode::Failed`] when one failed.
pub(crate) async fn run(args: &DoctorArgs, out: &mut Out, built: WallTime) -> Result<ExitCode, Failure> {
    let mut report = Report { out, is_json: args.json, checks: Vec::new() };
    let (facts, check) = config::check(&args.config);
    report.add(check)?;
    report.add(net::clock_alone(built))?;
    let http = net::provider(&facts, built, &mut report).await?;
    let daemon = Daemon::open().await;
    let seen = match &daemon {
        Ok(daemon) => storage::seen(&facts, daemon).await,
        Err(_) => None,
    };
    storage::check(&facts, &http, seen.as_ref(), &mut report).await?;
    let (device, queue) = match daemon {
        Ok(daemon) => {
            report.add(Check::ok("bus", "the system bus answers"))?;
            let device = service::check(&daemon, &mut report).await?;
            // One that does not run must not be started.
            let queue = if device.is_some() { daemon.read_queue().await.ok() } else { None };
            report.add_all(seen.iter().flat_map(storage::sent))?;
            (device, queue)
        }
        Err(error) => {
            let failure = super::exit::from_bus(&error, super::exit::Doing::Group);
            report.add(Check::fail("bus", failure.what, failure.next))?;
            (None, None)
        }
    };
    let queue = service::queue(queue.map(|queue| u64::from(queue.files_left)));
    report.add(service::policy())?;
    report.add(service::authorization(device.as_ref()))?;
    report.add(service::protection(device.as_ref()))?;
    report.add_all(service::identity(Path::new("/")))?;
    report.add(queue)?;
    let is_needed = device.as_ref().is_some_and(|device| device.protection == Protection::File.as_str());
    let owner = account::Account::daemon().await;
    report.add_all(disk::key_file(&facts, is_needed, owner.as_ref()))?;
    report.add_all(disk::state(&facts.state_dir, owner.as_ref()))?;
    report.add_all(disk::media(&facts.media_dirs, owner.as_ref()))?;
    report.add_all(sources::sources(&facts.sources, &facts.media_dirs))?;
    report.close()
}
