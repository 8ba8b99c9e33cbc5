//! `rigpost status`: one screen that answers "is it working, what is left, can I cut the power".
//!
//! # Decisions
//!
//! - The most important sentence first and by itself; then pairs of label and value that stay in the same place, so that
//!   the eye finds them on the second visit; last, what stands in the way and the one thing to do next.
//! - The code is shown on the screen, for the person who needs it; `--json` leaves it out unless asked, because that
//!   output ends up in files.

use super::args::StatusArgs;
use super::bus::{Daemon, Pairing, Snapshot};
use super::exit::Failure;
use super::out::{Out, Tone};
use super::text::{self, clean};
use super::{clock, start, words};
use rigpost_contract::UnknownWord;
use rigpost_contract::channel::ChannelState;
use rigpost_contract::item::ItemState;
use rigpost_contract::pairing::{Protection, State};
use rigpost_contract::provider::ProviderKind;

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
    for line in screen(&now, out) {
        out.line(&line)?;
    }
    Ok(())
}

/// The lines of the screen.
fn screen(now: &Snapshot, out: &Out) -> Vec<String> {
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
    let rows = pairing_rows(now).into_iter().chain(device_rows(now)).chain(queue_rows(now));
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

fn pairing_rows(Snapshot { device, pairing, .. }: &Snapshot) -> Vec<Row> {
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
        let label = storage(pairing).unwrap_or_else(by_provider);
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

/// What clips go to, where that is storage of one's own: they are bound to its address then, which of a bucket ends with its
/// name.
fn storage(pairing: &Pairing) -> Option<&'static str> {
    let (id, name) = (&pairing.project_id, &pairing.project_name);
    if !id.starts_with("https://") && !id.starts_with("http://") {
        return None;
    }
    let is_bucket = id.strip_suffix(name).is_some_and(|at| at.ends_with('/') && !at.ends_with("//"));
    Some(if is_bucket { "bucket" } else { "uploads to" })
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

fn device_rows(Snapshot { device, pairing, .. }: &Snapshot) -> Vec<Row> {
    let secrets = match device.protection.parse() {
        Ok(Protection::None) if words::is_without_disk(pairing) => NOT_KNOWN.to_owned(),
        Ok(_) | Err(UnknownWord) => words::protection(&device.protection),
    };
    let id = match device.device_id.is_empty() {
        true => "unknown".to_owned(),
        false => clean(&device.device_id),
    };
    let online = if device.online { "reached at the last attempt" } else { "not reached" };
    let mut rows = vec![
        ("provider", format!("{}, {online}", words::provider(&device.provider))),
        ("device", id),
        ("secrets", secrets),
    ];
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
mod tests {
    use super::*;

    fn plain() -> Out {
        Out::to(Box::new(std::io::sink()), false, 60, 24)
    }

    fn blocker(code: &str, text: &str) -> crate::bus::Blocker {
        crate::bus::Blocker { code: code.into(), text: text.into(), ..Default::default() }
    }

    fn paired() -> Snapshot {
        let mut now = Snapshot::default();
        now.pairing.state = "paired".into();
        now.pairing.reason = "none".into();
        now.pairing.project_name = "Moonrise\u{1b}[31m".into();
        now.pairing.access_expires_at = clock::boot_micros() + 25_920_000_000;
        now.device.safe_to_power_off = true;
        now.device.clock_trusted = true;
        now.device.provider = "frameio".into();
        now
    }

    #[test]
    fn a_paired_rig_on_one_screen() {
        let mut now = paired();
        (now.queue.files_left, now.queue.bytes_left, now.queue.rate) = (12, 34_120_000_000, 41_000_000);
        let text = screen(&now, &plain()).join("\n");
        assert!(text.starts_with("● Paired with Moonrise\u{fffd}[31m\n"), "{text}");
        assert!(text.contains("queue 12 clips left, 34.1 GB; 41.0 MB/s; about 14 min"), "{text}");
        assert!(text.contains("power can be cut now"), "{text}");
        assert!(text.contains("authorized until somebody ends it"), "{text}");
        assert!(text.contains("provider Frame.io, not reached"), "{text}");
        assert!(!text.contains("What to do next") && !text.contains('\u{1b}'), "{text}");
        assert!(screen(&now, &plain()).len() <= 24);
    }

    #[test]
    fn trouble_says_why_and_what_to_do() {
        let mut now = paired();
        now.pairing.reason = "captive-portal".into();
        now.device.blockers =
            vec![blocker("captive-portal", "The network wants somebody to log in first, in a browser.")];
        let text = screen(&now, &plain()).join("\n");
        assert!(text.starts_with("● Paired with Moonrise\u{fffd}[31m: this network shows"), "{text}");
        assert!(text.contains("Why nothing moves\n  - The network wants somebody"), "{text}");
        assert!(text.contains("What to do next\n  log in to this network"), "{text}");
    }

    #[test]
    fn what_moves_is_not_said_to_stand_still() {
        let mut now = paired();
        now.device.blockers = vec![blocker("held", "1 clip is of another project.")];
        let text = screen(&now, &plain()).join("\n");
        assert!(text.contains("Why nothing moves\n  - 1 clip is of"), "{text}");
        let item = |on_the_way| crate::bus::Item { size: 100, sent: 20, on_the_way, ..Default::default() };
        now.queue.current = vec![item(30)];
        (now.queue.files_left, now.queue.bytes_left, now.queue.rate) = (1, 80, 10);
        let text = screen(&now, &plain()).join("\n");
        assert!(text.contains("What does not move, and why\n  - 1 clip is of"), "{text}");
        assert!(text.contains("(50 % of 100 B)"), "what is on its way has left: {text}");
        assert_eq!(now.queue.to_go(), 50);
        now.queue.paused = true;
        assert!(screen(&now, &plain()).join("\n").contains("Why nothing moves"));
    }

    #[test]
    fn when_it_is_tried_again_is_said_while_nothing_is_sent() {
        let mut now = paired();
        now.queue.retry_at = clock::boot_micros() + 30_500_000;
        assert!(!screen(&now, &plain()).join("\n").contains("tried again"), "nothing is left");
        now.queue.files_left = 2;
        let text = screen(&now, &plain()).join("\n");
        assert!(
            text.contains("2 clips left, 0 B; tried again in 30 s") || text.contains("in 31 s"),
            "{text}"
        );
    }

    #[test]
    fn what_only_the_disk_could_say_is_not_claimed() {
        let mut now = Snapshot::default();
        (now.pairing.state, now.pairing.reason) = ("secret-unavailable".into(), "storage".into());
        now.device.protection = "none".into();
        let text = screen(&now, &plain()).join("\n");
        assert!(text.contains("secrets not known before the disk can be read"), "{text}");
        assert!(text.contains("queue not known before the disk can be read"), "{text}");
        assert!(!text.contains("no usable key") && !text.contains("nothing left"), "{text}");
        now.pairing.reason = "none".into();
        let text = screen(&now, &plain()).join("\n");
        assert!(text.contains("there is no usable key") && text.contains("nothing left to send"), "{text}");
    }

    #[test]
    fn a_camera_that_records_is_said() {
        let mut now = paired();
        (now.queue.files_left, now.queue.rate, now.queue.recording) = (2, 41_000_000, true);
        (now.queue.bandwidth_limit, now.device.safe_to_power_off) = (5_000_000, false);
        let text = screen(&now, &plain()).join("\n");
        assert!(text.contains("2 clips left, 0 B; waiting while the"), "{text}");
        assert!(text.contains("limit 5.00 MB/s"), "{text}");
        assert!(text.contains("power better wait: the camera is recording"), "{text}");
    }

    #[test]
    fn uploads_that_nobody_will_finish_are_said_where_there_are_any() {
        let mut now = paired();
        let lines = |now: &Snapshot| {
            screen(now, &plain()).join("\n").split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(!lines(&now).contains("left behind"), "{}", lines(&now));
        now.queue.orphans = 1;
        let one = "left behind 1 upload was begun in the cloud and never finished; it counts against the account's \
                   storage: delete it there";
        assert!(lines(&now).contains(one), "{}", lines(&now));
        now.queue.orphans = 12;
        let more = "left behind 12 uploads were begun in the cloud and never finished; they count against the \
                    account's storage: delete them there";
        assert!(lines(&now).contains(more), "{}", lines(&now));
    }

    #[test]
    fn shares() {
        assert_eq!(
            [percent(0, 0), percent(1, 3), percent(3, 3), percent(u64::MAX, u64::MAX)],
            [0, 33, 100, 100]
        );
        assert_eq!(percent(u64::MAX, 1), 100);
    }
}
