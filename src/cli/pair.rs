//! `rigpost pair`: from "not paired" to "paired with Moonrise" on one screen.
//!
//! # Decisions
//!
//! - Only the countdown line is rewritten. When the code is renewed or used up, the block is wiped, so that no dead code
//!   stays on the screen to be typed by mistake. No alternate screen: the outcome must stay after the program ends.
//! - The QR code gets white on black whatever the terminal's colours are: scanners need the contrast the right way round.
//! - The truth is what the properties say; signals only say when to look. Once in a while it looks anyway.
//! - However a person leaves (Ctrl-C, closing the terminal, or a terminal that is gone and takes nothing any more), the
//!   pairing is cancelled: a code that nobody sees any more must not stay valid. That comes first, because nothing may be
//!   said any more.
//! - But not a pairing that ran before: whoever began it, here or on the rig's screen, still looks.
//! - With `--json` the same is told to a program: what is done and how it ends does not depend on who looks.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use zbus::Variant;

use super::args::PairArgs;
use super::bus::{Daemon, Event, Options, Pairing};
use super::exit::{ExitCode, Failure, bus_went_away, group};
use super::leave::Leaving;
use super::out::Out;
use super::{clock, words};
use rigpost_contract::error::ErrorName;
use rigpost_contract::option::OptionKey;
use rigpost_contract::pairing::{Reason, State};

mod layout;
mod lines;
mod screen;
mod view;

use view::View;

/// How long the name of what the rig is paired with may come after the authorization.
const NAME_PATIENCE: u64 = 5_000_000;
/// How often to look at the properties without a signal.
const LOOK_ANYWAY: u64 = 10_000_000;
/// How often a daemon is told that somebody still looks; it believes that for 15 minutes.
const ATTEND_EVERY: u64 = 300_000_000;

/// Pairs, and tells how it went.
pub(crate) async fn run(args: &PairArgs, out: &mut Out) -> Result<(), Failure> {
    let mut view = View::new(args, out);
    let outcome = pair(args, &mut view).await;
    match &outcome {
        Err(failure) if !failure.is_closed_pipe() => {
            let told = view.failed(failure);
            outcome.and(told)
        }
        Err(_) | Ok(()) => outcome,
    }
}

async fn pair(args: &PairArgs, view: &mut View<'_>) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    let mut leaving = Leaving::new()?;
    // Before the start, so that nothing that follows it is missed.
    let events = daemon.events().await.map_err(group)?;
    let before = daemon.read_pairing().await.map_err(group)?;
    let is_ours = !matches!(before.state.parse(), Ok(State::RequestingCode | State::WaitingForUser));
    view.is_ours(is_ours);
    view.is_for(&daemon.read_device().await.map_err(group)?);
    view.waits()?;
    let outcome = tokio::select! {
        outcome = start_and_follow(&daemon, events, args, view) => outcome,
        () = leaving.next() => return Err(leave(&daemon, view, is_ours).await),
    };
    if is_ours && outcome.as_ref().is_err_and(|failure| failure.is_unheard) {
        // Whoever read the code is gone.
        daemon.pairing().cancel(Options::new()).await.map_err(group)?;
    }
    outcome
}

/// What becomes of a pairing that a person has left.
async fn leave(daemon: &Daemon, view: &mut View<'_>, is_ours: bool) -> Failure {
    if !is_ours {
        look(daemon, view).await;
        return Failure::new(
            ExitCode::Failed,
            "nobody looks from here any more; the pairing was begun elsewhere, and goes on",
            "rigpost cancel ends it",
        );
    }
    if let Err(error) = daemon.pairing().cancel(Options::new()).await {
        return group(error);
    }
    look(daemon, view).await;
    Failure::new(
        ExitCode::Ended,
        "the pairing is cancelled; the code is no longer valid",
        "start again: rigpost pair",
    )
}

/// What the daemon says at the end. That it can't be asked is no failure of its own.
async fn look(daemon: &Daemon, view: &mut View<'_>) {
    if let Ok(now) = daemon.read_pairing().await {
        view.saw(&now);
    }
}

async fn start_and_follow(
    daemon: &Daemon,
    mut events: BoxStream<'static, Event>,
    args: &PairArgs,
    view: &mut View<'_>,
) -> Result<(), Failure> {
    let limit = args.limit.map(|n| (OptionKey::Limit.as_str(), Variant::from(n)));
    let pairing = daemon.pairing();
    let mut starting = std::pin::pin!(pairing.start(limit.into_iter().collect()));
    let started = loop {
        tokio::select! {
            started = &mut starting => break started,
            Some(event) = events.next() => if matches!(event, Event::Changed) {
                tell_asking(daemon, view).await?;
            },
        }
    };
    if let Err(error) = started {
        look(daemon, view).await;
        return Err(group(error));
    }
    follow(daemon, events, args, view).await
}

/// A code may take a while, and what keeps it is worth a line.
async fn tell_asking(daemon: &Daemon, view: &mut View<'_>) -> Result<(), Failure> {
    let now = daemon.read_pairing().await.map_err(group)?;
    if now.state.parse() == Ok(State::RequestingCode) {
        view.saw(&now);
        view.asks(&now)?;
    }
    Ok(())
}

/// Shows each code until the pairing ends.
async fn follow(
    daemon: &Daemon,
    mut events: BoxStream<'static, Event>,
    args: &PairArgs,
    view: &mut View<'_>,
) -> Result<(), Failure> {
    let give_up = args.limit.map(|limit| clock::boot_micros() + u64::from(limit) * 1_000_000);
    let (mut paired_since, mut attended) = (None, clock::boot_micros());
    loop {
        let now = daemon.read_pairing().await.map_err(group)?;
        view.saw(&now);
        // Without a limit a pairing goes on as long as somebody looks.
        let goes_on = matches!(now.state.parse(), Ok(State::WaitingForUser | State::RequestingCode));
        if give_up.is_none() && goes_on && clock::boot_micros() > attended + ATTEND_EVERY {
            attended = clock::boot_micros();
            daemon.pairing().start(Default::default()).await.map_err(group)?;
        }
        match now.state.parse() {
            // The code may be read a moment before or after the state.
            Ok(State::WaitingForUser) if now.user_code.is_empty() => view.waits()?,
            Ok(State::WaitingForUser) => view.offers(daemon, &now).await?,
            Ok(State::RequestingCode) => view.asks(&now)?,
            Ok(State::Paired) => {
                let since = *paired_since.get_or_insert_with(clock::boot_micros);
                if !now.project_name.is_empty() || clock::boot_micros() > since + NAME_PATIENCE {
                    return view.done(&now);
                }
                view.is_paired()?;
            }
            Ok(State::SecretUnavailable | State::Unprovisioned | State::Unpaired | State::NeedsPairing)
            | Err(_) => return Err(ended(&now)),
        }
        wait(&mut events, &now, give_up, view).await?;
    }
}

/// Moves the countdown until something happened, or it is time to look.
async fn wait(
    events: &mut BoxStream<'static, Event>,
    now: &Pairing,
    give_up: Option<u64>,
    view: &mut View<'_>,
) -> Result<(), Failure> {
    let look = clock::boot_micros() + LOOK_ANYWAY;
    while clock::boot_micros() < look {
        view.tick(now, give_up)?;
        match tokio::time::timeout(clock::TICK, events.next()).await {
            Ok(Some(Event::Changed)) => return Ok(()),
            Ok(Some(Event::Item(..) | Event::Owner(true))) => {}
            Ok(Some(Event::Owner(false))) => {
                return Err(Failure::new(
                    ExitCode::Unreachable,
                    "the daemon stopped during the pairing",
                    "journalctl -u rigpost -e says why; then: rigpost pair",
                ));
            }
            Ok(None) => return Err(bus_went_away()),
            // The time limit passes in the daemon, whose answer is what counts.
            Err(_) if now.state.parse() == Ok(State::Paired) => return Ok(()),
            Err(_) => {}
        }
    }
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
        Ok(
            Reason::AccessExpired
            | Reason::Revoked
            | Reason::InterruptedRefresh
            | Reason::NoKey
            | Reason::Storage,
        )
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
