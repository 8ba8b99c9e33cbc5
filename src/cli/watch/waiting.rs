//! Which clips are waited for, and what became of them.

use std::collections::BTreeSet;

use crate::bus::{Daemon, Item, Options};
use crate::exit::{ExitCode, Failure};
use crate::text;
use rigpost_contract::item::ItemState;
use rigpost_contract::method::MAX_PAGE;

/// Clips that are waited for; without any, nothing ever is over.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    all: BTreeSet<u64>,
    left: BTreeSet<u64>,
    /// Numbers and why they were not sent.
    not_sent: Vec<(u64, String)>,
}

impl Waiting {
    /// For these; the same file may have been named twice.
    pub(crate) fn new(ids: Vec<u64>) -> Self {
        let all: BTreeSet<u64> = ids.into_iter().collect();
        Self { left: all.clone(), all, not_sent: Vec::new() }
    }

    /// Somebody waits for something.
    pub(crate) fn is_asked(&self) -> bool {
        !self.all.is_empty()
    }

    /// Each of them is in the cloud, failed, cancelled, held or away.
    pub(crate) fn is_over(&self) -> bool {
        self.is_asked() && self.left.is_empty()
    }

    /// True for what is waited for, and for everything where nothing is.
    pub(crate) fn is_about(&self, id: u64) -> bool {
        !self.is_asked() || self.all.contains(&id)
    }

    /// An item is in this state now.
    pub(crate) fn heard(&mut self, item: &Item) {
        let why = match item.state.parse() {
            Ok(ItemState::Done) => None,
            Ok(ItemState::Failed | ItemState::Cancelled | ItemState::Held | ItemState::Away) => {
                let colon = if item.why().is_empty() { "" } else { ": " };
                Some(format!(
                    "{} {}{colon}{}",
                    text::clean(item.title()),
                    item.state,
                    text::clean(&item.why())
                ))
            }
            Ok(ItemState::Queued | ItemState::Uploading | ItemState::Incomplete) | Err(_) => return,
        };
        if self.left.remove(&item.id) {
            self.not_sent.extend(why.map(|why| (item.id, why)));
        }
    }

    /// Reads the list, newest first: what was just queued is at its end.
    pub(crate) async fn look(&mut self, daemon: &Daemon) -> zbus::Result<()> {
        let Some(oldest) = self.left.first().copied() else { return Ok(()) };
        let queue = daemon.queue();
        let (_, mut end) = queue.list(Options::new(), 0, 1).await?;
        let mut seen = BTreeSet::new();
        while end > 0 {
            let start = end.saturating_sub(MAX_PAGE);
            let (items, _) = queue.list(Options::new(), start, end - start).await?;
            for mut item in items {
                let item = Item::read(&mut item);
                seen.insert(item.id);
                self.heard(&item);
            }
            if self.left.is_empty() || seen.first().is_some_and(|first| *first <= oldest) {
                break;
            }
            end = start;
        }
        let gone: Vec<u64> = self.left.difference(&seen).copied().collect();
        for id in gone {
            self.left.remove(&id);
            self.not_sent.push((id, format!("item {id} was taken off the list")));
        }
        Ok(())
    }

    /// What to say at the end.
    ///
    /// # Errors
    ///
    /// [`ExitCode::NotSent`] when not all are in the cloud.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        const NAMED: usize = 5;
        let all = text::count(self.all.len() as u64, "clip");
        if !self.left.is_empty() {
            let what = format!("stopped waiting: {} of {all} not sent yet", self.left.len());
            return Err(Failure::new(ExitCode::NotSent, what, "the clips stay queued: rigpost watch"));
        }
        if self.not_sent.is_empty() {
            return Ok(());
        }
        let mut named: Vec<&str> = self.not_sent.iter().take(NAMED).map(|(_, why)| why.as_str()).collect();
        if self.not_sent.len() > NAMED {
            named.push("…");
        }
        let what = format!("{} of {all} not sent: {}", self.not_sent.len(), named.join("; "));
        Err(Failure::new(ExitCode::NotSent, what, "rigpost queue --failed, or rigpost queue --held"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: u64, state: &str) -> Item {
        Item { id, state: state.into(), name: format!("{id}.mov"), ..Item::default() }
    }

    #[test]
    fn each_clip_counts_once_and_strangers_do_not() {
        let mut waiting = Waiting::new(vec![1, 2, 2, 3]);
        for state in ["queued", "uploading", "asleep"] {
            waiting.heard(&item(1, state));
        }
        waiting.heard(&item(9, "done"));
        assert!(!waiting.is_over() && !waiting.is_about(9));
        waiting.heard(&item(1, "done"));
        waiting.heard(&item(2, "failed"));
        waiting.heard(&item(2, "failed"));
        assert_eq!(waiting.verdict().unwrap_err().code, ExitCode::NotSent);
        assert!(waiting.verdict().unwrap_err().what.contains("1 of 3 clips not sent yet"));
        waiting.heard(&item(3, "held"));
        assert!(waiting.is_over());
        assert_eq!(waiting.verdict().unwrap_err().what, "2 of 3 clips not sent: 2.mov failed; 3.mov held");
    }

    #[test]
    fn all_sent_is_good_and_nothing_asked_never_ends() {
        let mut waiting = Waiting::new(vec![4]);
        waiting.heard(&item(4, "done"));
        assert!(waiting.is_over() && waiting.verdict().is_ok());
        let nothing = Waiting::new(vec![]);
        assert!(!nothing.is_over() && nothing.is_about(4));
    }
}
