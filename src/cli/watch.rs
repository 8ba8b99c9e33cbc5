//! `rigpost watch`: what the rig does, while it does it; and the same for `rigpost add --wait`, until it is done.
//!
//! # Decisions
//!
//! - Only what was heard is believed, and the list says what was missed: the daemon does not tell large changes one by one,
//!   so that the list is read again some seconds after anything moved.
//! - While the daemon is away nothing is asked, because asking would start it: watching must not change anything.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio::time::Instant;

use super::args::JsonArgs;
use super::bus::{Daemon, Event, Snapshot};
use super::clock;
use super::exit::{Doing, Failure, bus_went_away, from_bus};
use super::leave::Leaving;
use super::out::Out;
use teller::Teller;

mod board;
mod lines;
mod pace;
mod teller;
mod waiting;

pub(crate) use waiting::Waiting;

/// Signals that come together are answered by one look.
const TOGETHER: Duration = Duration::from_millis(50);
/// Something moved: the list is read again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// How often a time that passes is told anew.
const COUNT_DOWN: Duration = Duration::from_secs(1);

fn group(error: zbus::Error) -> Failure {
    from_bus(&error, Doing::Group)
}

/// Shows events until Ctrl-C.
pub(crate) async fn run(args: &JsonArgs, out: &mut Out) -> Result<(), Failure> {
    let mut leaving = Leaving::new()?;
    let daemon = Daemon::connect().await?;
    let events = daemon.events().await.map_err(group)?;
    let now = daemon.read().await.map_err(group)?;
    let mut board = Teller::new(args.json, out);
    board.begin(&now)?;
    let mut nothing = Waiting::default();
    let outcome = tokio::select! {
        outcome = follow(&daemon, events, now, &mut board, &mut nothing) => outcome,
        () = leaving.next() => Ok(()),
    };
    board.end()?;
    outcome
}

/// Shows how these clips are sent, until each of them is over. `events` were asked for before they were queued.
pub(crate) async fn wait(
    daemon: &Daemon,
    events: BoxStream<'static, Event>,
    mut waiting: Waiting,
    is_json: bool,
    out: &mut Out,
) -> Result<(), Failure> {
    let mut leaving = Leaving::new()?;
    let now = daemon.read().await.map_err(group)?;
    waiting.look(daemon).await.map_err(group)?;
    let mut board = Teller::new(is_json, out);
    board.draw(&now);
    let outcome = tokio::select! {
        outcome = follow(daemon, events, now, &mut board, &mut waiting) => outcome,
        () = leaving.next() => Ok(()),
    };
    board.end()?;
    outcome?;
    waiting.verdict()
}

/// Ends when the last clip that is waited for is over; where none is, only when the bus goes away or nobody reads any more.
async fn follow(
    daemon: &Daemon,
    mut events: BoxStream<'static, Event>,
    mut now: Snapshot,
    board: &mut Teller<'_>,
    waiting: &mut Waiting,
) -> Result<(), Failure> {
    let mut look_at: Option<Instant> = None;
    let mut runs = true;
    while !waiting.is_over() {
        let counts = runs && now.queue.files_left > 0 && now.queue.retry_at > 0;
        let first = tokio::select! {
            first = events.next() => first,
            () = clock::sleep_until(Some(clock::after(COUNT_DOWN))), if counts => {
                board.draw(&now);
                continue;
            }
            () = clock::sleep_until(look_at) => {
                look_at = None;
                // A daemon that is just stopping can't answer; the next event tells.
                let _ = waiting.look(daemon).await;
                continue;
            }
        };
        let Some(first) = first else { return Err(bus_went_away()) };
        let batch = together(first, &mut events).await;
        let mut is_away = false;
        for event in &batch {
            match event {
                Event::Changed => {}
                Event::Item(item) => {
                    if waiting.is_about(item.id) {
                        board.item(item)?;
                    }
                    waiting.heard(item);
                }
                Event::Owner(is_here) => {
                    is_away = !is_here;
                    board.daemon(*is_here)?;
                }
            }
        }
        runs = !is_away;
        if is_away {
            look_at = None;
            continue;
        }
        if waiting.is_asked() {
            look_at.get_or_insert_with(|| clock::after(LOOK_AGAIN));
        }
        // As above.
        let _ = waiting.ask(daemon).await;
        if let Ok(next) = daemon.read().await {
            board.changed(&now, &next)?;
            now = next;
        }
    }
    Ok(())
}

/// An event, and those that follow at once.
async fn together(first: Event, events: &mut BoxStream<'static, Event>) -> Vec<Event> {
    let mut batch = vec![first];
    while let Ok(Some(event)) = tokio::time::timeout(TOGETHER, events.next()).await {
        batch.push(event);
        // A steady stream of signals must not keep the screen from moving.
        if batch.len() >= 64 {
            break;
        }
    }
    batch
}
