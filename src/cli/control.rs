//! The commands that are one call to the daemon and one line for the person.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use futures_util::StreamExt as _;
use serde_json::json;
use zbus::Variant;

use super::args::{JsonArgs, LimitArgs, PauseArgs, TokenArgs};
use super::bus::{Daemon, Event, Options};
use super::exit::{Doing, ExitCode, Failure, bus_went_away, from_bus, group};
use super::leave::Leaving;
use super::out::Out;
use super::{clock, text};
use rigpost_contract::option::OptionKey;
use rigpost_contract::pairing::State;

/// `rigpost cancel`.
pub(crate) async fn cancel(args: &JsonArgs, out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    let before = daemon.read_pairing().await.map_err(group)?;
    daemon.pairing().cancel(Options::new()).await.map_err(group)?;
    let was_pairing = matches!(before.state.parse(), Ok(State::RequestingCode | State::WaitingForUser));
    if args.json {
        return Ok(out.json(&json!({ "cancelled": was_pairing }))?);
    }
    out.say(if was_pairing { "Pairing cancelled." } else { "There was no pairing to cancel." })?;
    Ok(())
}

/// `rigpost token`.
pub(crate) async fn token(args: &TokenArgs, out: &mut Out) -> Result<(), Failure> {
    let token = |error: zbus::Error| from_bus(&error, Doing::Token);
    let daemon = Daemon::connect().await?;
    if let [method, url] = args.proof.as_slice() {
        let tokens = daemon.tokens();
        let proof = tokens.get_dpop_proof(method, url, &args.nonce, Options::new()).await.map_err(token)?;
        match args.json {
            true => out.json(&json!({ "proof": proof }))?,
            false => out.line(&proof)?,
        }
        return Ok(());
    }
    let mut options = Options::from([(OptionKey::MinValidity.as_str(), Variant::from(args.min_validity))]);
    if args.dpop {
        options.insert(OptionKey::Dpop.as_str(), Variant::from(true));
    }
    let (text, expires_at) = daemon.tokens().get_access_token(options).await.map_err(token)?;
    if args.json {
        return Ok(out.json(&json!({ "token": text, "expires_in": clock::seconds_until(expires_at) }))?);
    }
    out.line(&text)?;
    Ok(())
}

/// `rigpost pause`.
pub(crate) async fn pause(args: &PauseArgs, out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    if args.while_recording {
        return hold(&daemon, args.json, out).await;
    }
    daemon.queue().pause(Options::new()).await.map_err(group)?;
    if args.json {
        return Ok(out.json(&json!({ "paused": true }))?);
    }
    out.say("Paused: nothing more is sent until `rigpost resume`. New clips can still be queued.")?;
    Ok(())
}

/// Holds the sending as long as this program runs. A daemon that was started again is told again.
async fn hold(daemon: &Daemon, is_json: bool, out: &mut Out) -> Result<(), Failure> {
    let mut leaving = Leaving::new()?;
    let mut events = daemon.events().await.map_err(group)?;
    let queue = daemon.queue();
    let hold = || Options::from([(OptionKey::WhileRecording.as_str(), Variant::from(true))]);
    queue.pause(hold()).await.map_err(group)?;
    if is_json {
        out.json_line(&json!({ "recording": true }))?;
    } else {
        out.say("Nothing more is sent while this runs. Ctrl-C ends it.")?;
    }
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = leaving.next() => break,
        };
        match event {
            Some(Event::Owner(true)) => queue.pause(hold()).await.map_err(group)?,
            Some(Event::Owner(false) | Event::Changed | Event::Item(_)) => {}
            None => return Err(bus_went_away()),
        }
    }
    queue.resume(hold()).await.map_err(group)?;
    Ok(())
}

/// `rigpost limit`.
pub(crate) async fn limit(args: &LimitArgs, out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    let limit = match args.rate {
        Some(limit) => {
            daemon.set_bandwidth_limit(limit).await.map_err(group)?;
            limit
        }
        None => daemon.read_queue().await.map_err(group)?.bandwidth_limit,
    };
    if args.json {
        return Ok(out.json(&json!({ "bandwidth_limit": (limit > 0).then_some(limit) }))?);
    }
    match limit {
        0 => out.say("No limit: clips are sent as fast as the network allows.")?,
        limit => out.say(&format!("Clips are sent at {}/s at most.", text::size(limit)))?,
    }
    Ok(())
}

/// `rigpost resume`.
pub(crate) async fn resume(args: &JsonArgs, out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    daemon.queue().resume(Options::new()).await.map_err(group)?;
    let queue = daemon.read_queue().await.map_err(group)?;
    if args.json {
        return Ok(out.json(&json!({
            "paused": queue.paused,
            "recording": queue.recording,
            "files_left": queue.files_left,
            "bytes_left": queue.bytes_left,
        }))?);
    }
    let left = text::count(queue.files_left.into(), "clip");
    let but = if queue.recording { " (as soon as the camera no longer records)" } else { "" };
    out.say(&format!("Sending again{but}: {left} left, {}.", text::size(queue.bytes_left)))?;
    Ok(())
}

/// Asks on the terminal. Without a terminal nobody can answer, so `--yes` is asked for instead.
pub(crate) fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new(
            ExitCode::Usage,
            "there is no terminal to ask on",
            "add --yes if you are sure",
        ));
    }
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(|error| {
        Failure::new(ExitCode::Failed, format!("can't read the answer: {error}"), "add --yes if you are sure")
    })?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(ExitCode::Failed, "nothing was done", "")),
    }
}
