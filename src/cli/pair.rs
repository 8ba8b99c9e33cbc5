//! `rigpost pair`: from "no project" to "paired with Moonrise" on one screen.
//!
//! # Decisions
//!
//! - Only the countdown line is rewritten. When the code is renewed or used up, the block is wiped, so that no dead code
//!   stays on the screen to be typed by mistake. No alternate screen: the outcome must stay after the program ends.
//! - The QR code gets white on black whatever the terminal's colours are: scanners need the contrast the right way round.
//! - The truth is what the properties say; signals only say when to look. Once in a while it looks anyway.
//! - However a person leaves (Ctrl-C, closing the terminal), the pairing is cancelled: a code that nobody sees any more
//!   must not stay valid.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use zbus::Variant;

use super::args::PairArgs;
use super::bus::{Daemon, Event, Options, Pairing};
use super::exit::{ExitCode, Failure, group};
use super::leave::Leaving;
use super::out::Out;
use super::text::clean;
use super::{clock, words};
use rigpost_contract::error::ErrorName;
use rigpost_contract::option::OptionKey;
use rigpost_contract::pairing::{Reason, State};

mod layout;
mod screen;

use screen::Screen;

/// How long the project's name may come after the authorization.
const NAME_PATIENCE: u64 = 5_000_000;
/// How often to look at the properties without a signal.
const LOOK_ANYWAY: u64 = 10_000_000;

/// Pairs, and tells how it went.
pub(crate) async fn run(args: &PairArgs, out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    let mut leaving = Leaving::new()?;
    // Before the start, so that nothing that follows it is missed.
    let events = daemon.events().await.map_err(group)?;
    let provider = daemon.read_device().await.map_err(group)?.provider;
    let mut screen = Screen::new(out, &provider);

    screen.note("Asking for a code …")?;
    let options: Options<'_> =
        args.limit.map(|n| (OptionKey::Limit.as_str(), Variant::from(n))).into_iter().collect();
    let pairing = daemon.pairing();
    let started = tokio::select! {
        started = pairing.start(options) => started,
        () = leaving.next() => return cancel(&daemon, &mut screen).await,
    };
    if let Err(error) = started {
        screen.wipe()?;
        return Err(group(error));
    }
    let outcome = tokio::select! {
        outcome = follow(&daemon, events, args, &mut screen) => outcome,
        () = leaving.next() => return cancel(&daemon, &mut screen).await,
    };
    if outcome.as_ref().is_err_and(Failure::is_closed_pipe) {
        // Whoever read the code is gone.
        pairing.cancel(Options::new()).await.map_err(group)?;
    }
    outcome
}

async fn cancel(daemon: &Daemon, screen: &mut Screen<'_>) -> Result<(), Failure> {
    screen.wipe()?;
    daemon.pairing().cancel(Options::new()).await.map_err(group)?;
    Err(Failure::new(
        ExitCode::Ended,
        "the pairing is cancelled; the code is no longer valid",
        "start again: rigpost pair",
    ))
}

/// Shows each code until the pairing ends.
async fn follow(
    daemon: &Daemon,
    mut events: BoxStream<'static, Event>,
    args: &PairArgs,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let give_up = args.limit.map(|limit| clock::boot_micros() + u64::from(limit) * 1_000_000);
    let mut paired_since = None;
    loop {
        let now = daemon.read_pairing().await.map_err(group)?;
        match now.state.parse() {
            // The code may be read a moment before or after the state.
            Ok(State::WaitingForUser) if now.user_code.is_empty() => screen.note("Asking for a code …")?,
            Ok(State::WaitingForUser) => show(daemon, &now, args, screen).await?,
            Ok(State::RequestingCode) => {
                let why = words::reason(&now.reason).map(|why| format!(": {why}")).unwrap_or_default();
                screen.note(&format!("Asking for a new code{why} …"))?;
            }
            Ok(State::Paired) => {
                let since = *paired_since.get_or_insert_with(clock::boot_micros);
                if !now.project_name.is_empty() || clock::boot_micros() > since + NAME_PATIENCE {
                    return finish(&now, screen);
                }
            }
            Ok(State::SecretUnavailable | State::Unprovisioned | State::Unpaired | State::NeedsPairing)
            | Err(_) => {
                screen.wipe()?;
                return Err(ended(&now));
            }
        }
        wait(&mut events, &now, give_up, screen).await?;
    }
}

async fn show(
    daemon: &Daemon,
    now: &Pairing,
    args: &PairArgs,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    if screen.shows(&now.user_code) {
        return Ok(());
    }
    // A QR code that holds only the code itself helps nobody with a phone.
    let has_link = !now.verification_uri.is_empty() || !now.verification_uri_complete.is_empty();
    let mut qr = String::new();
    if has_link && !args.no_qr && screen.is_live() {
        let proxy = daemon.pairing();
        // Without it the code can still be typed, so this failure is not worth ending the pairing.
        let image = proxy.qr_code("text", Options::new()).await.unwrap_or_default();
        qr = String::from_utf8(image).unwrap_or_default();
    }
    screen.show(now, &qr)?;
    Ok(())
}

/// Moves the countdown until something happened, or it is time to look.
async fn wait(
    events: &mut BoxStream<'static, Event>,
    now: &Pairing,
    give_up: Option<u64>,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let look = clock::boot_micros() + LOOK_ANYWAY;
    while clock::boot_micros() < look {
        screen.tick(now, give_up)?;
        match tokio::time::timeout(clock::TICK, events.next()).await {
            Ok(Some(Event::Changed)) => return Ok(()),
            Ok(Some(Event::Item(..) | Event::Owner(true))) => {}
            Ok(Some(Event::Owner(false))) => {
                screen.wipe()?;
                return Err(Failure::new(
                    ExitCode::Unreachable,
                    "the daemon stopped during the pairing",
                    "journalctl -u rigpost -e says why; then: rigpost pair",
                ));
            }
            Ok(None) => {
                screen.wipe()?;
                return Err(Failure::new(
                    ExitCode::Unreachable,
                    "the system bus went away",
                    "rigpost doctor",
                ));
            }
            // The time limit passes in the daemon, whose answer is what counts.
            Err(_) if now.state.parse() == Ok(State::Paired) => return Ok(()),
            Err(_) => {}
        }
    }
    Ok(())
}

fn finish(now: &Pairing, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let name = match now.project_name.is_empty() {
        true => "(the cloud did not say its name)".to_owned(),
        false => clean(&now.project_name),
    };
    screen.done(&name, &clean(&now.authorized_by), &clean(&now.device_name))?;
    Ok(())
}

/// Why the pairing ended without a grant.
fn ended(now: &Pairing) -> Failure {
    let failed = |code, next: String| {
        let why = words::reason(&now.reason).unwrap_or_default();
        let code = if now.state.parse() == Ok(State::Unprovisioned) { ExitCode::NotPaired } else { code };
        Failure::new(code, format!("the pairing failed: {why}"), next)
    };
    // An older daemon may say nothing.
    let reason = if now.reason.is_empty() { Ok(Reason::None) } else { now.reason.parse() };
    match reason {
        Ok(Reason::None) => Failure::new(
            ErrorName::Cancelled.exit_code(),
            format!("{}, here or on the rig's screen", ErrorName::Cancelled.clause()),
            ErrorName::Cancelled.advice(),
        ),
        Ok(reason @ (Reason::Denied | Reason::Expired)) => {
            Failure::new(reason.exit_code(), reason.clause(), reason.advice())
        }
        Ok(Reason::Provider) => {
            let error = ErrorName::ProviderError;
            failed(error.exit_code(), format!("{}: rigpost pair", error.advice()))
        }
        Ok(
            reason @ (Reason::Network
            | Reason::CaptivePortal
            | Reason::Certificate
            | Reason::Proxy
            | Reason::Clock),
        ) => failed(reason.exit_code(), format!("{}; then: rigpost pair", reason.advice())),
        Ok(reason @ (Reason::ClientRejected | Reason::SignInBlocked | Reason::Configuration)) => {
            failed(reason.exit_code(), reason.advice().to_owned())
        }
        Ok(Reason::AccessExpired | Reason::Revoked | Reason::InterruptedRefresh | Reason::Storage)
        | Err(_) => failed(ExitCode::Failed, "`rigpost status` and `rigpost doctor` say more".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ending_has_its_code() {
        let end = |state: &str, reason: &str| {
            ended(&Pairing { state: state.into(), reason: reason.into(), ..Pairing::default() })
        };
        assert_eq!(end("unpaired", "denied").code, ExitCode::Denied);
        assert_eq!(end("unpaired", "expired").code, ExitCode::Ended);
        assert_eq!(end("needs-pairing", "none").code, ExitCode::Ended);
        assert_eq!(end("unpaired", "network").code, ExitCode::Network);
        assert_eq!(end("unpaired", "client-rejected").code, ExitCode::Failed);
        assert_eq!(end("unprovisioned", "storage").code, ExitCode::NotPaired);
        for reason in ["denied", "expired", "none", "clock", "client-rejected", "storage", "quota"] {
            assert!(!end("unpaired", reason).next.is_empty(), "{reason}");
        }
    }
}
