//! What the daemon has seen of the storage.

use zbus::Variant;

use crate::bus::{Daemon, Item, Options, Receipt};
use crate::doctor::config::Facts;
use crate::doctor::report::Check;
use crate::text;
use rigpost_contract::item::{ItemReason, ItemState};
use rigpost_contract::option::OptionKey;

/// What the daemon has seen of the storage.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of the last clip that went there.
    receipt: Option<Receipt>,
    /// Why a clip waits; never empty.
    waits: Option<String>,
}

/// What the last clip came to that went there, and what keeps the next one: as a daemon has seen it that runs. It is not
/// started.
pub(crate) async fn seen(facts: &Facts, daemon: &Daemon) -> Option<Seen> {
    let storage = facts.storage.as_ref()?;
    if !daemon.is_running().await.is_ok_and(|is_running| is_running) {
        return None;
    }
    let last = last_of(daemon, ItemState::Done).await.ok()?;
    let receipt = match last.filter(|item| item.project_id == storage.binding()) {
        Some(item) => daemon.queue().get_receipt(item.id, Options::new()).await.ok(),
        None => None,
    };
    let waiting = last_of(daemon, ItemState::Queued).await.ok()?;
    let waiting = waiting.filter(|item| item.attempts > 0 && is_of_the_way(&item.reason));
    Some(Seen {
        receipt: receipt.map(|mut receipt| Receipt::read(&mut receipt)),
        waits: waiting.map(|item| item.detail).filter(|why| !why.is_empty()),
    })
}

/// What keeps a clip is the way to the storage, or the storage; not its file, or whom it is for.
fn is_of_the_way(reason: &str) -> bool {
    use ItemReason::{CaptivePortal, Certificate, ClientRejected, Clock, Network, Provider, Proxy, Refused};

    let of_the_way = [Network, CaptivePortal, Certificate, Proxy, Clock, ClientRejected, Provider, Refused];
    reason.parse().is_ok_and(|reason: ItemReason| of_the_way.contains(&reason))
}

async fn last_of(daemon: &Daemon, state: ItemState) -> zbus::Result<Option<Item>> {
    let queue = daemon.queue();
    let filter = || -> Options<'_> {
        [(OptionKey::State.as_str(), Variant::from(state.as_str()))].into_iter().collect()
    };
    let (_, total) = queue.list(filter(), 0, 1).await?;
    let Some(last) = total.checked_sub(1) else { return Ok(None) };
    let (items, _) = queue.list(filter(), last, 1).await?;
    Ok(items.into_iter().next().map(|mut item| Item::read(&mut item)))
}

/// The last steps, as the daemon has seen them.
pub(crate) fn sent(seen: &Seen) -> [Check; 2] {
    const PUT: &str = "put";
    const CHECKSUM: &str = "checksum";
    const NOTHING: &str = "no clip has gone there that the queue still knows of";
    let put = match (&seen.waits, &seen.receipt) {
        (Some(why), _) => Check::fail(
            PUT,
            format!("a clip waits: {}", text::clean(why)),
            "mend that; rigpost queue retry --all --state queued tries again at once",
        ),
        (None, Some(receipt)) => {
            Check::ok(PUT, format!("the last clip was taken there on {}", text::date(receipt.delivered)))
        }
        (None, None) => Check::skipped(PUT, NOTHING),
    };
    let checksum = match &seen.receipt {
        Some(receipt) if receipt.vouched.is_empty() => Check::warn(
            CHECKSUM,
            "the storage has named no checksum of it",
            "it is as safe as the line and the storage are; compare clips there, or use storage that names CRC64NVME",
        ),
        Some(receipt) => {
            let algorithm = receipt.vouched.split(':').next().unwrap_or_default();
            Check::ok(CHECKSUM, format!("the storage vouches for what arrives by {}", text::clean(algorithm)))
        }
        None => Check::skipped(CHECKSUM, NOTHING),
    };
    [put, checksum]
}

/// Whether the last clip was taken, and none has waited since.
pub(super) fn is_well(seen: Option<&Seen>) -> bool {
    seen.is_some_and(|seen| seen.receipt.is_some() && seen.waits.is_none())
}

/// What can't be told from outside: the daemon may have seen it. `key`: what it depends on.
pub(super) fn untold(check: &'static str, finding: &str, key: &str, seen: Option<&Seen>) -> Check {
    match seen {
        Some(Seen { waits: Some(_), .. }) => {
            Check::warn(check, finding, "what the daemon was told there stands below, at `put`")
        }
        Some(Seen { receipt: Some(receipt), waits: None }) => {
            let date = text::date(receipt.delivered);
            Check::ok(check, format!("{finding}; but the last clip was taken on {date}"))
        }
        Some(Seen { receipt: None, waits: None }) => {
            Check::warn(check, finding, format!("whether `{key}` is right shows with the first clip"))
        }
        None => Check::warn(check, finding, format!("whether `{key}` is right shows with the next clip")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    /// Of a clip that was delivered, perhaps, and of one that waits, perhaps.
    pub(crate) fn seen(vouched: Option<&str>, waits: Option<&str>) -> Seen {
        let receipt = |vouched: &str| Receipt {
            item: Item::default(),
            delivered: 1_796_000_000,
            algorithm: String::new(),
            chunk_size: 1,
            parts: vec![],
            digest: String::new(),
            vouched: vouched.to_owned(),
        };
        Seen { receipt: vouched.map(receipt), waits: waits.map(str::to_owned) }
    }

    #[test]
    fn what_was_sent_tells_of_the_last_steps() {
        for (vouched, waits, verdicts) in [
            (Some("crc64nvme:rosUhgp5mIg="), None, [Verdict::Ok, Verdict::Ok]),
            (Some(""), None, [Verdict::Ok, Verdict::Warn]),
            (Some("md5"), Some("HTTP 403 AccessDenied"), [Verdict::Fail, Verdict::Ok]),
            (None, None, [Verdict::Skipped, Verdict::Skipped]),
        ] {
            let checks = sent(&seen(vouched, waits));
            assert_eq!(checks.map(|check| check.verdict), verdicts, "{vouched:?} {waits:?}");
        }
    }

    #[test]
    fn what_is_advised_of_a_clip_that_waits_is_a_command_there_is() {
        use clap::Parser as _;
        let [put, _] = sent(&seen(None, Some("HTTP 403")));
        let (_, command) = put.next.split_once("; ").unwrap();
        let command = command.strip_suffix(" tries again at once").unwrap();
        assert!(crate::args::RigpostArgs::try_parse_from(command.split(' ')).is_ok(), "{command}");
        assert!(command.ends_with("--state queued"), "without it, only what failed is tried: {command}");
    }

    #[test]
    fn what_strangers_are_not_told_the_daemon_may_have_seen() {
        for (seen, verdict, word) in [
            (Some(seen(Some(""), None)), Verdict::Ok, "the last clip was taken on"),
            (Some(seen(Some(""), Some("HTTP 403"))), Verdict::Warn, "at `put`"),
            (Some(seen(None, Some("HTTP 403"))), Verdict::Warn, "at `put`"),
            (Some(seen(None, None)), Verdict::Warn, "`a.b` is right shows with the first clip"),
            (None, Verdict::Warn, "with the next clip"),
        ] {
            let check = untold("bucket", "it can't be told", "a.b", seen.as_ref());
            let all = format!("{} {}", check.finding, check.next);
            assert_eq!((check.verdict, all.contains(word)), (verdict, true), "{all}");
        }
    }
}
