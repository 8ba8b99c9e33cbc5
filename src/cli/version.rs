//! `rigpost version`: both halves, because after an upgrade they may differ.

use serde_json::json;

use super::args::JsonArgs;
use super::bus::Daemon;
use super::exit::{Doing, Failure, from_bus};
use super::out::Out;
use super::text;

/// Prints the version of this program and, if it runs and answers, of the daemon. Does not start the daemon.
pub(crate) async fn run(args: &JsonArgs, out: &mut Out) -> Result<(), Failure> {
    if args.json {
        let daemon = running().await.unwrap_or_default();
        return Ok(out.json(&json!({ "rigpost": env!("CARGO_PKG_VERSION"), "rigpostd": daemon }))?);
    }
    out.line(&format!("rigpost {}", env!("CARGO_PKG_VERSION")))?;
    let daemon = match running().await {
        Ok(Some(version)) => version,
        Ok(None) => "is not running".to_owned(),
        Err(error) => format!("can't be asked: {}", from_bus(&error, Doing::Group).what),
    };
    out.line(&format!("rigpostd {daemon}"))?;
    Ok(())
}

async fn running() -> zbus::Result<Option<String>> {
    let daemon = Daemon::open().await?;
    if !daemon.is_running().await? {
        return Ok(None);
    }
    Ok(Some(text::clean(&daemon.read_device().await?.version)))
}
