//! Which clips are waited for, and what became of them.
//!
//! # Decisions
//!
//! - A clip that is cut off is waited for while it has a time at which it goes as it is. Without one, as its source may say,
//!   only the rest of it or a person ends its waiting, and that may be never.

use std::collections::BTreeSet;

use crate::bus::{Daemon, Item, OneItem, Options};
use crate::exit::{ExitCode, Failure};
use crate::text;
use rigpost_contract::item::ItemState;
use rigpost_contract::method::MAX_PAGE;

/// Of more than these not all are named.
const NAMED: usize = 5;

/// Clips that are waited for; without any, nothing ever is over.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    all: BTreeSet<u64>,
    left: BTreeSet<u64>,
    /// Numbers and why they were not sent.
    not_sent: Vec<(u64, String)>,
    /// Those that are cut off, and nobody knows yet for how long they wait.
    cut_off: BTreeSet<u64>,
    /// Those that are cut off, and wait for a person.
    kept: Vec<u64>,
}

impl Waiting {
    /// For these; the same file may have been named twice.
    pub(crate) fn new(ids: Vec<u64>) -> Self {
        let all: BTreeSet<u64> = ids.into_iter().collect();
        Self { left: all.clone(), all, ..Self::default() }
    }

    /// Somebody waits for something.
    pub(crate) fn is_asked(&self) -> bool {
        !self.all.is_empty()
    }

    /// Each of them is in the cloud, failed, cancelled, held or away, or is cut off and waits for a person.
    pub(crate) fn is_over(&self) -> bool {
        self.is_asked() && self.left.is_empty()
    }

    /// True for what is waited for, and for everything where nothing is.
    pub(crate) fn is_about(&self, id: u64) -> bool {
        !self.is_asked() || self.all.contains(&id)
    }

    /// An item is in this state now.
    pub(crate) fn heard(&mut self, item: &Item) {
        self.cut_off.remove(&item.id);
        match item.state.parse() {
            Ok(ItemState::Done) => drop(self.left.remove(&item.id)),
            Ok(ItemState::Failed | ItemState::Cancelled | ItemState::Held | ItemState::Away) => {
                self.is_not_sent(item, &item.state);
            }
            Ok(ItemState::Incomplete) if self.left.contains(&item.id) => drop(self.cut_off.insert(item.id)),
            Ok(ItemState::Queued | ItemState::Uploading | ItemState::Recording | ItemState::Incomplete)
            | Err(_) => {}
        }
    }

    /// True when it was waited for until now.
    fn is_not_sent(&mut self, item: &Item, how: &str) -> bool {
        let is_new = self.left.remove(&item.id);
        if is_new {
            let colon = if item.why().is_empty() { "" } else { ": " };
            let (title, why) = (text::clean(item.title()), text::clean(&item.why()));
            self.not_sent.push((item.id, format!("{title} {how}{colon}{why}")));
        }
        is_new
    }

    /// Asks of those that are cut off whether they go by themselves.
    pub(crate) async fn ask(&mut self, daemon: &Daemon) -> zbus::Result<()> {
        while let Some(id) = self.cut_off.first().copied() {
            let mut answer = daemon.queue().get_item(id, Options::new()).await?;
            self.told(&OneItem::read(&mut answer));
        }
        Ok(())
    }

    /// All that there is to say of an item.
    fn told(&mut self, one: &OneItem) {
        self.heard(&one.item);
        if self.cut_off.remove(&one.item.id)
            && one.next_try_in.is_none()
            && self.is_not_sent(&one.item, "is held as incomplete")
        {
            self.kept.push(one.item.id);
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
        self.ask(daemon).await
    }

    /// How those go that wait for a person.
    fn release(&self) -> Option<String> {
        let numbers: Vec<String> = self.kept.iter().take(NAMED).map(u64::to_string).collect();
        match self.kept.len() {
            0 => None,
            1..=NAMED => {
                Some(format!("to send what there is of it: rigpost queue release {}", numbers.join(" ")))
            }
            _ => Some(
                "to send what there is of them: rigpost queue release --all --state incomplete".to_owned(),
            ),
        }
    }

    /// What to say at the end.
    ///
    /// # Errors
    ///
    /// [`ExitCode::NotSent`] when not all are in the cloud.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
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
        let others = self.not_sent.len() > self.kept.len();
        let list = others.then(|| "rigpost queue --failed, or rigpost queue --held".to_owned());
        let next: Vec<String> = self.release().into_iter().chain(list).collect();
        Err(Failure::new(ExitCode::NotSent, what, next.join("; ")))
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
    fn what_is_cut_off_is_waited_for_while_it_has_a_time() {
        let one = |id, next_try_in| {
            let item = Item { detail: "the index is missing".into(), ..item(id, "incomplete") };
            OneItem { item, next_try_in, ..OneItem::default() }
        };
        let mut waiting = Waiting::new(vec![1, 2, 3]);
        waiting.told(&one(1, Some(0)));
        waiting.told(&one(9, None));
        assert_eq!((waiting.left.len(), waiting.cut_off.len()), (3, 0), "it goes by itself");
        waiting.heard(&item(2, "incomplete"));
        waiting.heard(&item(2, "queued"));
        assert!(waiting.cut_off.is_empty(), "the rest has come");
        waiting.told(&one(1, None));
        waiting.heard(&item(1, "queued"));
        waiting.heard(&item(2, "done"));
        waiting.heard(&item(3, "done"));
        let failure = waiting.verdict().unwrap_err();
        assert_eq!(failure.code, ExitCode::NotSent);
        assert_eq!(failure.what, "1 of 3 clips not sent: 1.mov is held as incomplete: the index is missing");
        assert_eq!(failure.next, "to send what there is of it: rigpost queue release 1");
        let mut many = Waiting::new((1..=7).collect());
        (1..=6).for_each(|id| many.told(&one(id, None)));
        many.heard(&item(7, "failed"));
        let next = many.verdict().unwrap_err().next;
        assert!(next.contains("release --all --state incomplete; rigpost queue --failed"), "{next}");
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
