//! `rigpost receipt --mhl`: a generation of an ASC MHL history (American Society of Cinematographers, Media Hash List 2.0) for a
//! card, of what was delivered from it.
//!
//! # Decisions
//!
//! - In it stands what a receipt stands for, and nothing else: each file is read whole, and its bytes are those that left. What
//!   else lies on the card is named to the person, and to whoever asks the reference tool (`ascmhl diff`).
//! - A file is known by its bytes, under the name that it was sent under: a copy of a card is as good as the card.
//! - Nothing of what lies there is changed: a generation is a new file, made only where there was none of its name. Only the
//!   chain, which names the generations, is written anew, in one step.
//! - One writes what the standard calls a generation for certain files: no hashes of directories, which would speak of all that
//!   is in them.

mod card;
mod chain;
mod disk;
mod hash;
mod manifest;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use zbus::Variant;

use super::bus::{Daemon, Item, Options, Receipt};
use super::exit::{ExitCode, Failure, group, name_of};
use super::out::{Out, Tone};
use super::text;
use card::{File, Verdict};
use chain::History;
use rigpost_contract::error::ErrorName;
use rigpost_contract::item::ItemState;
use rigpost_contract::method::MAX_PAGE;
use rigpost_contract::option::OptionKey;

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// The generation; empty: none was written.
    manifest: String,
    /// In it, by their paths in the folder.
    delivered: Vec<String>,
    /// Not in it: nothing was delivered that has these names.
    others: Vec<String>,
    /// Not in it, and why: something was.
    differ: Vec<Differs>,
    /// Not in it, and why: it can't be found out.
    unknown: Vec<Differs>,
}

#[derive(Debug, Serialize)]
struct Differs {
    path: String,
    why: String,
}

/// Reads the folder, and writes what of it was delivered.
pub(crate) async fn run(daemon: &Daemon, dir: &Path, json: bool, out: &mut Out) -> Result<(), Failure> {
    let unreadable = |e: std::io::Error| {
        let why = text::without_errno(&e.to_string());
        Failure::new(
            ExitCode::Failed,
            format!("{} can't be read: {why}", text::clean(&dir.to_string_lossy())),
            "name the folder of a card, or of a copy of one: --mhl DIR",
        )
    };
    let root = dir.canonicalize().map_err(unreadable)?;
    let history = History::read(&root)?;
    let (files, unread) = card::files(&root)?;
    let receipts = receipts(daemon, &files).await?;
    let mut summary = Summary::default();
    for path in unread {
        summary.unknown.push(Differs { path, why: "it can't be looked into".to_owned() });
    }
    let mut entries = Vec::new();
    for file in &files {
        let known = history.of(&file.name);
        let verdict = match receipts.get(&file.key()) {
            None => Verdict::Other,
            Some(receipts) => card::judge(file, receipts, known),
        };
        match verdict {
            Verdict::Other => summary.others.push(file.name.clone()),
            Verdict::Differs(why) => {
                if !json {
                    out.line(&out.paint(Tone::Bad, &format!("{}: {why}", text::clean(&file.name))))?;
                }
                summary.differ.push(Differs { path: file.name.clone(), why });
            }
            Verdict::Unknown(why) => {
                if !json {
                    out.line(&out.paint(Tone::Warn, &format!("{}: {why}", text::clean(&file.name))))?;
                }
                summary.unknown.push(Differs { path: file.name.clone(), why });
            }
            Verdict::Delivered(entry) => {
                if !json {
                    out.line(&format!("{}  {}", entry.shown(), text::clean(&file.name)))?;
                }
                summary.delivered.push(file.name.clone());
                entries.push(entry);
            }
        }
    }
    if !entries.is_empty() {
        summary.manifest = history.add(&entries)?.to_string_lossy().into_owned();
    }
    end(&summary, json, out)
}

fn end(summary: &Summary, json: bool, out: &mut Out) -> Result<(), Failure> {
    if json {
        out.json(summary)?;
    } else {
        for line in lines(summary) {
            out.say(&line)?;
        }
    }
    let (delivered, differ, unknown) = (summary.delivered.len(), summary.differ.len(), summary.unknown.len());
    match (delivered, differ, unknown) {
        (_, 1.., _) => Err(Failure::new(
            ExitCode::Failed,
            format!("{} not what was delivered under their names", text::count(differ as u64, "file")),
            "compare them with what is in the cloud: rigpost receipt ID --check FILE",
        )),
        (_, 0, 1..) => Err(Failure::new(
            ExitCode::Failed,
            format!(
                "of {} it can't be found out whether they were delivered",
                text::count(unknown as u64, "path")
            ),
            "look at each; --json has them all, with why",
        )),
        (0, 0, 0) => Err(Failure::new(
            ExitCode::Failed,
            "nothing there was delivered by this rig, as far as it has receipts",
            "look at rigpost queue --state done; receipts go when what is done is cleared",
        )),
        _ => Ok(()),
    }
}

fn lines(summary: &Summary) -> Vec<String> {
    let count = |n: usize| text::count(n as u64, "file");
    let mut lines = Vec::new();
    if !summary.manifest.is_empty() {
        let manifest = text::clean(&summary.manifest);
        lines.push(format!("{} as delivered, in {manifest}.", count(summary.delivered.len())));
    }
    if !summary.others.is_empty() {
        let first = text::clean(&summary.others[0]);
        let n = summary.others.len();
        lines.push(format!(
            "{} not in it, as nothing of the name was delivered: {first}{}",
            count(n),
            more(n)
        ));
    }
    lines
}

fn more(n: usize) -> String {
    if n > 1 { format!(" and {} more; --json names all.", n - 1) } else { ".".to_owned() }
}

/// Receipts of what has the name and the size of one of these files, by both.
async fn receipts(daemon: &Daemon, files: &[File]) -> Result<BTreeMap<card::Key, Vec<Receipt>>, Failure> {
    let queue = daemon.queue();
    let mut found: BTreeMap<card::Key, Vec<Receipt>> = BTreeMap::new();
    let wanted: std::collections::BTreeSet<card::Key> = files.iter().map(File::key).collect();
    let mut after = 0;
    loop {
        // By their numbers: what is cleared meanwhile moves nothing.
        let done = (OptionKey::State.as_str(), Variant::from(ItemState::Done.as_str()));
        let filter: Options<'_> =
            [done, (OptionKey::After.as_str(), Variant::from(after))].into_iter().collect();
        let (items, _) = queue.list(filter, 0, MAX_PAGE).await.map_err(group)?;
        if items.is_empty() {
            return Ok(found);
        }
        for mut item in items {
            let item = Item::read(&mut item);
            after = after.max(item.id);
            let Some(key) = card::key_of(&item).filter(|key| wanted.contains(key)) else { continue };
            match queue.get_receipt(item.id, Options::new()).await {
                Ok(mut receipt) => found.entry(key).or_default().push(Receipt::read(&mut receipt)),
                // It was cleared since.
                Err(e) if is_not_found(&e) => {}
                Err(e) => return Err(group(e)),
            }
        }
    }
}

fn is_not_found(error: &zbus::Error) -> bool {
    name_of(error).is_some_and(|(name, _)| name.parse() == Ok(ErrorName::NotFound))
}
