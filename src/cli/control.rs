//! The commands that are one call to the daemon and one line for the person.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::args::ConfirmArgs;
use super::bus::{Daemon, Options};
use super::exit::{Code, Doing, Failure, from_bus};
use super::out::Out;
use super::text;

fn group(error: zbus::Error) -> Failure {
    from_bus(&error, Doing::Group)
}

/// `rigpost cancel`.
pub(crate) async fn cancel(out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    let before = daemon.read_pairing().await.map_err(group)?;
    daemon.pairing().await.map_err(group)?.cancel(Options::new()).await.map_err(group)?;
    let was_pairing = matches!(before.state.as_str(), "requesting-code" | "waiting-for-user");
    out.line(if was_pairing { "Pairing cancelled." } else { "There was no pairing to cancel." })?;
    Ok(())
}

/// `rigpost unpair`.
pub(crate) async fn unpair(args: &ConfirmArgs, out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    let before = daemon.read_pairing().await.map_err(group)?;
    let project = text::clean(&before.project_name);
    let from = if project.is_empty() { String::new() } else { format!(" from {project}") };
    confirm(args, &format!("Unpair this rig{from}? Queued clips stay queued."))?;
    daemon.pairing().await.map_err(group)?.unpair(Options::new()).await.map_err(group)?;
    match before.state.as_str() {
        "paired" | "needs-pairing" => out.line(&format!("Unpaired{from}. To pair again: rigpost pair"))?,
        _ => out.line("This rig was not paired.")?,
    }
    Ok(())
}

/// `rigpost forget`.
pub(crate) async fn forget(args: &ConfirmArgs, out: &mut Out) -> Result<(), Failure> {
    let root = |error: zbus::Error| from_bus(&error, Doing::Root("forget"));
    let daemon = Daemon::connect().await?;
    confirm(args, "Erase this rig's identity, client secret and authorization? This can't be undone.")?;
    daemon.device().await.map_err(root)?.forget(Options::new()).await.map_err(root)?;
    out.line("Identity and secrets are erased. To use this rig again: sudo rigpost provision")?;
    Ok(())
}

/// `rigpost pause`.
pub(crate) async fn pause(out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    daemon.queue().await.map_err(group)?.pause(Options::new()).await.map_err(group)?;
    out.line("Paused: nothing more is sent until `rigpost resume`. New clips can still be queued.")?;
    Ok(())
}

/// `rigpost resume`.
pub(crate) async fn resume(out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    daemon.queue().await.map_err(group)?.resume(Options::new()).await.map_err(group)?;
    let queue = daemon.read_queue().await.map_err(group)?;
    let left = text::count(queue.files_left.into(), "clip");
    out.line(&format!("Sending again: {left} left, {}.", text::size(queue.bytes_left)))?;
    Ok(())
}

/// Asks on the terminal. Without a terminal nobody can answer, so `--yes` is asked for instead.
fn confirm(args: &ConfirmArgs, question: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new(Code::Usage, "there is no terminal to ask on", "add --yes if you are sure"));
    }
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(|error| {
        Failure::new(Code::Failure, format!("can't read the answer: {error}"), "add --yes if you are sure")
    })?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(Code::Failure, "nothing was done", "")),
    }
}
