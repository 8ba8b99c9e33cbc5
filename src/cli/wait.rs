//! `rigpost wait`: nothing until the rig is as a script needs it.
//!
//! # Decisions
//!
//! - Signals say when to look, and nothing is asked without one. While the daemon is away nothing is asked either, because
//!   asking would start it; when it is back it is asked anew.
//! - All conditions must hold in one look: a rig that was online before it was paired is no use to anybody.
//! - The first look is taken whatever the time limit is, so that `--timeout 0` asks whether it is so now.
//! - Signals end the process as they end any other: nothing has to be undone, and a shell sees why it ended.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde::Serialize;

use super::args::WaitArgs;
use super::bus::{Daemon, Event, Snapshot};
use super::exit::{ExitCode, Failure, bus_went_away, group, name_of};
use super::out::{self, Out};
use super::status::Status;
use super::{clock, text, words};
use condition::Condition;

mod condition;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// All that was waited for is so.
    holds: bool,
    /// What is not.
    waiting_for: Vec<&'static str>,
    /// As `rigpost status --json` has it; `null` while the daemon is away.
    status: Option<Status>,
}

/// Waits until all conditions hold, or the time is up.
pub(crate) async fn run(args: &WaitArgs, out: &mut Out) -> Result<(), Failure> {
    let conditions = Condition::asked(args);
    let give_up = args.timeout.map(|seconds| clock::after(Duration::from_secs(seconds.into())));
    let daemon = Daemon::connect().await?;
    // Before the first look, so that nothing that follows it is missed.
    let events = daemon.events().await.map_err(group)?;
    let mut now = Some(daemon.read().await.map_err(group)?);
    tokio::select! {
        outcome = follow(&daemon, events, &conditions, &mut now) => outcome?,
        () = clock::sleep_until(give_up) => {}
    }
    let missing = missing(&conditions, now.as_ref());
    if args.json {
        out.json(&Report {
            holds: missing.is_empty(),
            waiting_for: missing.iter().map(|condition| condition.word()).collect(),
            status: now.as_ref().map(|now| Status::new(now, false)),
        })?;
    }
    if !missing.is_empty() {
        return Err(in_vain(&missing, now.as_ref(), args.timeout.unwrap_or_default()));
    }
    if let Some(remark) = now.filter(|_| args.empty).and_then(|now| condition::not_sent(&now.queue)) {
        out::remark(&remark);
    }
    Ok(())
}

/// Those that do not hold: all of them while nobody can be asked.
fn missing(conditions: &[Condition], now: Option<&Snapshot>) -> Vec<Condition> {
    let lacks = |condition: &Condition| !now.is_some_and(|now| condition.holds(now));
    conditions.iter().copied().filter(lacks).collect()
}

/// Ends when all hold, or when the bus goes away. `now`: what was seen last, or nothing while the daemon is away.
async fn follow(
    daemon: &Daemon,
    mut events: BoxStream<'static, Event>,
    conditions: &[Condition],
    now: &mut Option<Snapshot>,
) -> Result<(), Failure> {
    let mut is_away = false;
    while !missing(conditions, now.as_ref()).is_empty() {
        match events.next().await {
            Some(Event::Owner(is_here)) => is_away = !is_here,
            Some(Event::Changed) => {}
            Some(Event::Item(_)) => continue,
            None => return Err(bus_went_away()),
        }
        *now = if is_away { None } else { look(daemon).await? };
    }
    Ok(())
}

/// Nothing from a daemon that is just leaving: the next event tells of it.
async fn look(daemon: &Daemon) -> Result<Option<Snapshot>, Failure> {
    match daemon.read().await {
        Ok(now) => Ok(Some(now)),
        Err(error) => {
            let has_left = name_of(&error).is_some();
            let failure = group(error);
            if has_left && failure.code == ExitCode::Unreachable { Ok(None) } else { Err(failure) }
        }
    }
}

/// What is still waited for when the time is up, and why.
fn in_vain(missing: &[Condition], now: Option<&Snapshot>, seconds: u32) -> Failure {
    let when = match seconds {
        0 => "not now".to_owned(),
        seconds => format!("not within {}", text::duration(seconds.into())),
    };
    let failure =
        |why: String, next: String| Failure::new(ExitCode::TimedOut, format!("{when}: {why}"), next);
    match now {
        None => {
            failure("the daemon is not running".to_owned(), "journalctl -u rigpost -e says why".to_owned())
        }
        Some(now) => {
            let clauses: Vec<String> = missing.iter().map(|condition| condition.missing(now)).collect();
            let why = condition::blockers(missing, now).map(|why| format!(". {why}")).unwrap_or_default();
            failure(clauses.join("; ") + &why, words::next(now).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Blocker;

    #[test]
    fn what_is_missing_and_why_is_said_once() {
        let mut now = Snapshot::default();
        now.pairing.state = "unpaired".into();
        now.pairing.reason = "expired".into();
        (now.device.device_id, now.device.provider) = ("a".into(), "frameio".into());
        let blocker =
            |code: &str, text: &str| Blocker { code: code.into(), text: text.into(), ..Blocker::default() };
        now.device.blockers = vec![
            blocker("unpaired", "This rig is not paired with a project. Pair it."),
            blocker("expired", "Nobody entered the code in time."),
        ];
        (now.queue.files_left, now.queue.bytes_left) = (2, 6_000_000_000);
        let all = [Condition::Paired, Condition::Empty];
        let failure = in_vain(&missing(&all, Some(&now)), Some(&now), 90);
        assert_eq!(
            failure.what,
            "not within 1 min 30 s: this rig is not paired with a project; 2 clips are left to send, 6.00 GB. \
             What stands in the way: Nobody entered the code in time"
        );
        assert_eq!((failure.code, failure.next.as_str()), (ExitCode::TimedOut, "start again: rigpost pair"));
        let failure = in_vain(&all, None, 0);
        assert_eq!(failure.what, "not now: the daemon is not running");
    }
}
