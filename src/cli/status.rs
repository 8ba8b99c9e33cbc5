//! `rigpost status`: one screen that answers "is it working, what is left, can I cut the power".
//!
//! # Decisions
//!
//! - The most important sentence first and by itself; then pairs of label and value that stay in the same place, so that
//!   the eye finds them on the second visit; last, what stands in the way and the one thing to do next.
//! - The code is shown on the screen, for the person who needs it; `--json` leaves it out unless asked, because that
//!   output ends up in files.

use std::path::Path;

use super::args::StatusArgs;
use super::bus::{Daemon, Pairing, Place, Snapshot};
use super::exit::Failure;
use super::out::{Out, Tone};
use super::text::{self, clean};
use super::{clock, start, words};
use rigpost_contract::UnknownWord;
use rigpost_contract::channel::ChannelState;
use rigpost_contract::item::ItemState;
use rigpost_contract::pairing::{Protection, State};
use rigpost_contract::provider::ProviderKind;
use rigpost_daemon::config::Delivery;

mod json;

pub(crate) use json::{PairingJson, Status};

/// Shows the state of the rig.
pub(crate) async fn run(args: &StatusArgs, out: &mut Out) -> Result<(), Failure> {
    let daemon = Daemon::connect().await?;
    let now = start::read(&daemon, &args.config).await?;
    if args.json {
        out.json(&Status::new(&now, args.show_code))?;
        return Ok(());
    }
    for line in screen(&now, &Configured::read(&args.config), out) {
        out.line(&line)?;
    }
    Ok(())
}

/// What the daemon does not say of itself, and the configuration does, as far as this user can read it.
#[derive(Default)]
struct Configured {
    /// The host of the server that stands in Frame.io's place.
    stand_in: Option<String>,
    /// No clips go anywhere.
    nowhere: bool,
}

impl Configured {
    fn read(config: &Path) -> Self {
        let Ok(settings) = start::configured(config) else { return Self::default() };
        let host = start::stand_in(&settings.provider).and_then(|url| url.host_str());
        Self { stand_in: host.map(str::to_owned), nowhere: settings.delivery == Delivery::None }
    }
}

/// The lines of the screen.
fn screen(now: &Snapshot, configured: &Configured, out: &Out) -> Vec<String> {
    let (tone, _) = words::headline(&now.pairing, &now.device.provider);
    let summary = words::summary(&now.pairing, &now.device.provider);
    let is_well = words::reason(&now.pairing.reason).is_none();
    let tone = if is_well || tone == Tone::Bad { tone } else { Tone::Warn };
    let wrapped = text::wrap(&summary, out.columns().saturating_sub(2));
    let head = |(i, line): (usize, &String)| {
        let bullet = if i == 0 { out.paint(tone, "●") } else { " ".to_owned() };
        format!("{bullet} {}", out.paint(Tone::Strong, line))
    };
    let mut lines: Vec<String> = wrapped.iter().enumerate().map(head).collect();
    lines.push(String::new());
    let rows = pairing_rows(now, configured).into_iter();
    let rows = rows.chain(device_rows(now, configured)).chain(queue_rows(now));
    let room = out.columns().saturating_sub(LABEL + 3);
    for (label, value) in rows {
        for (i, part) in text::wrap(&value, room).iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            lines.push(format!("  {} {part}", out.paint(Tone::Dim, &text::right(label, LABEL))));
        }
    }
    let (tone, power) = power(now);
    for (i, line) in text::wrap(&power, room).iter().enumerate() {
        let label = if i == 0 { "power" } else { "" };
        lines.push(format!(
            "  {} {}",
            out.paint(Tone::Dim, &text::right(label, LABEL)),
            out.paint(tone, line)
        ));
    }
    lines.extend(closing(now, out));
    lines
}

/// Columns of the labels.
const LABEL: usize = 14;
/// Columns for the name of a clip.
const TITLE: usize = 36;

type Row = (&'static str, String);

fn pairing_rows(Snapshot { device, pairing, .. }: &Snapshot, configured: &Configured) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    if !pairing.user_code.is_empty() {
        let left = text::countdown(clock::seconds_until(pairing.code_expires_at));
        rows.push(("code", format!("{} (renewed in {left})", clean(&pairing.user_code))));
    }
    let place = if pairing.verification_uri_complete.is_empty() {
        &pairing.verification_uri
    } else {
        &pairing.verification_uri_complete
    };
    if !place.is_empty() {
        rows.push(("open", clean(place)));
        rows.push(("host", clean(&words::host(pairing))));
    }
    if !pairing.project_name.is_empty() {
        let by_provider = || words::kind(&device.provider).map_or("with", ProviderKind::label);
        let label = match Place::of(&pairing.project_id, &pairing.project_name) {
            Some(Place::Bucket) => "bucket",
            Some(Place::Uploads) if !configured.nowhere => "uploads to",
            Some(Place::Uploads) | None => by_provider(),
        };
        rows.push((label, clean(&pairing.project_name)));
    }
    if !pairing.device_name.is_empty() {
        rows.push(("known there as", clean(&pairing.device_name)));
    }
    if !pairing.authorized_by.is_empty() {
        rows.push(("authorized by", clean(&pairing.authorized_by)));
    }
    if pairing.state == State::Paired.as_str() {
        rows.push(("authorized", authorization(pairing)));
        rows.push(("access", access(pairing)));
    }
    if pairing.revocations_pending > 0 {
        rows.push(("to revoke", to_revoke(pairing)));
    }
    rows
}

/// Of what was ended here, and perhaps not there.
fn to_revoke(pairing: &Pairing) -> String {
    let former = text::count(pairing.revocations_pending.into(), "former authorization");
    let when = match pairing.state == State::Paired.as_str() {
        true => "when this one is over",
        false => "the rig tries again by itself",
    };
    format!("{former}, of which the provider has not heard yet; {when}")
}

fn authorization(pairing: &Pairing) -> String {
    if pairing.authorization_expires == 0 {
        return "until somebody ends it".to_owned();
    }
    let date = text::date(pairing.authorization_expires);
    match u64::try_from(pairing.authorization_expires - clock::wall_seconds()) {
        Ok(left) if left > 0 => format!("until {date} (in {})", text::duration(left)),
        Ok(_) | Err(_) => format!("until {date}, which has passed by this rig's clock"),
    }
}

fn access(pairing: &Pairing) -> String {
    let renewed = match pairing.refreshed_at {
        0 => String::new(),
        at => format!("; last renewed {}", text::date(at)),
    };
    match clock::seconds_until(pairing.access_expires_at) {
        0 => format!("to be renewed with the next connection{renewed}"),
        left => format!("renews itself; {} left{renewed}", text::duration(left)),
    }
}

/// Of what only the disk could say.
const NOT_KNOWN: &str = "not known before the disk can be read";

fn device_rows(Snapshot { device, pairing, .. }: &Snapshot, configured: &Configured) -> Vec<Row> {
    let secrets = match device.protection.parse() {
        Ok(Protection::None) if words::is_without_disk(pairing) => NOT_KNOWN.to_owned(),
        Ok(_) | Err(UnknownWord) => words::protection(&device.protection),
    };
    let id = match device.device_id.is_empty() {
        true => "unknown".to_owned(),
        false => clean(&device.device_id),
    };
    let online = if device.online { "reached at the last attempt" } else { "not reached" };
    let frame_io = device.provider == ProviderKind::Frameio.as_str();
    let provider = match configured.stand_in.as_ref().filter(|_| frame_io) {
        // It may have been written since the daemon started.
        Some(host) => format!("{host} in Frame.io's place, by the configuration"),
        None => words::provider(&device.provider),
    };
    let mut rows = vec![("provider", format!("{provider}, {online}")), ("device", id), ("secrets", secrets)];
    if !device.clock_trusted {
        rows.push(("clock", format!("{}: can't be right", text::date(clock::wall_seconds()))));
    }
    rows
}

fn queue_rows(Snapshot { queue, pairing, .. }: &Snapshot) -> Vec<Row> {
    let mut parts = vec![match queue.files_left {
        0 if words::is_without_disk(pairing) => NOT_KNOWN.to_owned(),
        0 => "nothing left to send".to_owned(),
        n => format!("{} left, {}", text::count(n.into(), "clip"), text::size(queue.bytes_left)),
    }];
    if queue.paused {
        parts.push("paused".to_owned());
    }
    if queue.recording {
        parts.push("waiting while the camera records".to_owned());
    }
    if queue.paused || queue.recording {
        // The rate of what is still in flight says nothing about the rest.
    } else if queue.rate > 0 {
        parts.push(format!("{}/s", text::size(queue.rate)));
        parts.push(text::about(queue.to_go() / queue.rate));
    } else if queue.files_left > 0 && queue.retry_at > 0 {
        parts.push(next_try(queue.retry_at));
    }
    let others = [
        (queue.held, ItemState::Held),
        (queue.away, ItemState::Away),
        (queue.incomplete, ItemState::Incomplete),
        (queue.failed, ItemState::Failed),
    ];
    for (n, what) in others {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    }
    let mut rows = vec![("queue", parts.join("; "))];
    if queue.bandwidth_limit > 0 {
        rows.push(("limit", format!("{}/s; rigpost limit off ends it", text::size(queue.bandwidth_limit))));
    }
    rows.extend(left_behind(queue.orphans).map(|sentence| ("left behind", sentence)));
    let missing = queue.missing_sources.iter().map(|path| clean(path));
    rows.extend(
        missing.map(|path| ("source", format!("{path} is not there; it is looked through when it comes"))),
    );
    rows.extend(queue.channels.iter().filter_map(|(source, state, ..)| {
        let known = state.parse::<ChannelState>();
        let clause = known.map_or_else(|_| state.clone(), |state| state.clause().to_owned());
        (!clause.is_empty()).then(|| ("channel", format!("{} {clause}; its clips wait", clean(source))))
    }));
    for item in &queue.current {
        let share = percent(item.moved(), item.size);
        rows.push((
            "sending",
            format!("{} ({share} % of {})", text::fit(&clean(item.title()), TITLE), text::size(item.size)),
        ));
    }
    rows
}

/// When what waits goes on.
pub(crate) fn next_try(boot: u64) -> String {
    format!("tried again in {}", text::duration(clock::seconds_until(boot)))
}

/// What a person has to know of uploads that nobody will finish.
fn left_behind(orphans: u32) -> Option<String> {
    let (were, them) = match orphans {
        0 => return None,
        1 => ("was begun in the cloud and never finished; it counts", "it"),
        _ => ("were begun in the cloud and never finished; they count", "them"),
    };
    let count = text::count(orphans.into(), "upload");
    Some(format!("{count} {were} against the account's storage: delete {them} there"))
}

/// How much of the whole; 0 for nothing of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(100).min(100)
}

fn power(now: &Snapshot) -> (Tone, String) {
    match now.device.safe_to_power_off {
        true => (Tone::Good, "can be cut now".to_owned()),
        false => (Tone::Warn, format!("better wait: {}", words::why_not_safe(&now.queue))),
    }
}

fn closing(now: &Snapshot, out: &Out) -> Vec<String> {
    let columns = out.columns();
    let mut lines = Vec::new();
    if !now.device.blockers.is_empty() {
        let moves = !now.queue.current.is_empty() && !now.queue.paused && !now.queue.recording;
        let title = if moves { "What does not move, and why" } else { "Why nothing moves" };
        lines.extend([String::new(), out.paint(Tone::Strong, title)]);
    }
    for blocker in &now.device.blockers {
        let wrapped = text::wrap(&clean(&blocker.whole()), columns.saturating_sub(4));
        lines.extend(
            wrapped
                .iter()
                .enumerate()
                .map(|(i, line)| format!("  {} {line}", if i == 0 { '-' } else { ' ' })),
        );
    }
    if let Some(next) = words::next(now) {
        lines.extend([String::new(), out.paint(Tone::Strong, "What to do next")]);
        lines.extend(text::wrap(&next, columns.saturating_sub(2)).iter().map(|line| format!("  {line}")));
    }
    lines
}

#[cfg(test)]
mod tests;
