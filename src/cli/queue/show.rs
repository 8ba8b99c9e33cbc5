//! `rigpost queue show`: all there is to say about one clip.

use crate::args::ShowArgs;
use crate::bus::{Daemon, OneItem, Options};
use crate::exit::{Failure, group};
use crate::out::Out;
use crate::status::percent;
use crate::text::{self, clean};
use rigpost_contract::item::ItemState;

/// Wide enough for the longest label.
const LABELS: usize = 14;

/// Shows one item.
pub(super) async fn run(daemon: &Daemon, args: &ShowArgs, out: &mut Out) -> Result<(), Failure> {
    let mut answer = daemon.queue().get_item(args.id, Options::new()).await.map_err(group)?;
    let item = OneItem::read(&mut answer);
    if args.json {
        out.json(&item)?;
        return Ok(());
    }
    for (label, value) in rows(&item) {
        let room = out.columns().saturating_sub(LABELS + 2).max(20);
        // A path is for copying, and stays in one piece.
        let lines = if label == "file" { vec![value] } else { text::wrap(&value, room) };
        for (n, line) in lines.iter().enumerate() {
            out.line(&format!("{}  {line}", text::right(if n == 0 { label } else { "" }, LABELS)))?;
        }
    }
    Ok(())
}

/// Labels, and what is known; what is empty is left out.
fn rows(one: &OneItem) -> Vec<(&'static str, String)> {
    let item = &one.item;
    let state = item.state.parse::<ItemState>();
    let why = match (item.why().as_str(), state) {
        ("", Ok(state)) => state.meaning().to_owned(),
        (why, _) => text::capitalized(&clean(why)),
    };
    let next = one.next_try_in.map(|seconds| match state {
        Ok(ItemState::Incomplete) => format!("goes as it is in {}", text::duration(seconds)),
        _ => format!("in {}", text::duration(seconds)),
    });
    let whose = match item.source.as_str() {
        "" => format!("user {}", item.uid),
        source => format!("source {}", clean(source)),
    };
    let sent = match item.sent {
        0 => "nothing yet".to_owned(),
        sent => format!("{} ({} %)", text::size(sent), percent(sent, item.size)),
    };
    let project = match item.project_name.as_str() {
        "" => clean(&item.project_id),
        name => format!("{} ({})", clean(name), clean(&item.project_id)),
    };
    let number = |n: i64| if n == 0 { String::new() } else { n.to_string() };
    let handed_over = match (item.handed_over, state) {
        (false, _) => "",
        (true, Ok(ItemState::Away)) => "as an open file, which the daemon does not have any more",
        (true, _) => "as an open file: the daemon reads that, and nothing by its path",
    };
    let as_is = if one.as_is { "yes: it is cut off" } else { "" };
    let rows = [
        ("clip", clean(item.title())),
        ("file", clean(&item.path)),
        ("handed over", handed_over.to_owned()),
        ("size", format!("{} ({} bytes)", text::size(item.size), item.size)),
        ("state", clean(&item.state)),
        ("why", why),
        ("next try", next.unwrap_or_default()),
        ("sent", sent),
        ("goes as it is", as_is.to_owned()),
        ("tried", text::count(item.attempts.into(), "time")),
        ("queued", text::date(item.added)),
        ("by", whose),
        ("class", clean(&item.class)),
        ("priority", item.priority.to_string()),
        ("channel", number(item.channel.into())),
        ("project", project),
        ("asset", clean(&item.asset_id)),
        ("new version of", clean(&one.version_of)),
    ];
    rows.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Item;

    fn shown(one: &OneItem, label: &str) -> Option<String> {
        rows(one).into_iter().find(|(l, _)| *l == label).map(|(_, value)| value)
    }

    #[test]
    fn why_it_waits_and_until_when_is_said_in_words() {
        let item = Item { state: "queued".into(), ..Item::default() };
        let mut one = OneItem { item, ..OneItem::default() };
        assert_eq!(shown(&one, "why").as_deref(), Some("Waiting for its turn"));
        assert_eq!(shown(&one, "next try"), None);
        one.item.reason = "network".into();
        one.next_try_in = Some(90);
        assert_eq!(shown(&one, "why").as_deref(), Some("The provider can't be reached"));
        assert!(shown(&one, "next try").unwrap().starts_with("in "));
        one.item.project_id = "https://s3.example/footage".into();
        assert_eq!(shown(&one, "why").as_deref(), Some("The provider or the storage can't be reached"));
        one.item.state = "incomplete".into();
        one.item.detail = "the index at its end is missing\u{1b}".into();
        assert_eq!(shown(&one, "why").as_deref(), Some("The index at its end is missing\u{fffd}"));
        assert!(shown(&one, "next try").unwrap().starts_with("goes as it is in "));
    }

    #[test]
    fn labels_fit_and_what_is_not_known_is_left_out() {
        let one = OneItem { as_is: true, version_of: "a-1".into(), ..OneItem::default() };
        assert!(rows(&one).iter().all(|(label, _)| label.len() <= LABELS));
        assert_eq!(shown(&one, "new version of").as_deref(), Some("a-1"));
        assert!(shown(&one, "goes as it is").is_some() && shown(&one, "asset").is_none());
    }
}
