//! What people and programs see: the snapshot, and what they are told once it shows what it speaks of. Who is told
//! "paused" must not read otherwise.
use std::sync::Arc;

use tracing::{info, warn};

use super::commands::told;
use super::progress::sending;
use super::state::{Outcome, Publication, UploadTask};
use crate::http::Transport;
use crate::link::ToRig;
use crate::store::{QueueSummary, StoreError};
use rigpost_core::queue::item::{Item, ItemId};
use rigpost_core::queue::schedule::{Event, Intent, Summary};
use rigpost_core::view::ItemNews;

impl<T: Transport> UploadTask<T> {
    /// What the machine says by itself.
    pub(super) fn publish(&mut self) {
        let (recording, trouble) = (self.schedule.recording(), self.schedule.trouble());
        let retry_at = self.schedule.retry_at();
        let silent_cards = self.workers.silent_cards();
        let missing_sources = self.channels.missing_sources.borrow().clone();
        let channels = self.channels.sub_devices.borrow().clone();
        let growing = self.channels.lines.under_way() as u64;
        let mut turned = false;
        self.channels.view.send_if_modified(|v| {
            turned = v.recording != recording;
            v.recording = recording;
            let changed = v.trouble.as_ref() != trouble
                || v.retry_at != retry_at
                || v.growing != growing
                || v.channels != channels
                || v.silent_cards != silent_cards
                || v.missing_sources != missing_sources;
            if changed {
                v.trouble = trouble.cloned();
                v.retry_at = retry_at;
                v.growing = growing;
                v.channels = channels;
                v.silent_cards = silent_cards;
                v.missing_sources = missing_sources;
            }
            turned || changed
        });
        let sends = growing > 0 || self.schedule.turns().next().is_some();
        // What the rig's task has no room for now it is told with the next news.
        if sends != self.told_sends && self.channels.to_rig.try_send(ToRig::Sends(sends)).is_ok() {
            self.told_sends = sends;
        }
        if turned {
            self.pacer.freeze(recording);
            self.show_progress();
        }
    }

    /// The queue as it was read, what follows from that, and what waited for it.
    pub(super) fn show_queue(&mut self, queue_summary: Result<QueueSummary, StoreError>) {
        let due = std::mem::take(&mut self.publications.now);
        let summary = queue_summary.map(|queue_summary| self.show_summary(queue_summary));
        let summary = summary.map_err(|e| e.to_string());
        let was_unread = std::mem::replace(&mut self.publications.unread, summary.is_err());
        match &summary {
            Err(why) if !was_unread => warn!("the queue can't be read: {why}"),
            Ok(_) if was_unread => info!("the queue can be read again"),
            Ok(_) | Err(_) => {}
        }
        if !std::mem::replace(&mut self.publications.begun, true) {
            // The first snapshot is one, also where it shows what everybody thought.
            self.channels.view.send_modify(|_| ());
        }
        self.event(Event::Summary(summary));
        self.let_go();
        for publication in due {
            match publication {
                Publication::Answer(answer) => answer.send(),
                Publication::News(item) => self.tell(&item),
            }
        }
    }

    fn show_summary(&mut self, queue_summary: QueueSummary) -> Summary {
        self.pacer.set_limit(Some(queue_summary.bandwidth_limit).filter(|limit| *limit > 0));
        let current: Vec<_> = self.schedule.turns().map(|turn| sending(turn, &self.media)).collect();
        self.channels.view.send_if_modified(|v| {
            let old = v.clone();
            v.count(queue_summary.counters);
            v.held_of = queue_summary.held_of;
            v.orphans = queue_summary.orphans;
            v.paused = queue_summary.paused;
            v.bandwidth_limit = queue_summary.bandwidth_limit;
            if current.is_empty() {
                v.rate = 0;
            }
            v.current = current;
            *v != old
        });
        Summary { paused: queue_summary.paused, left: queue_summary.counters.files_left }
    }

    /// Part `n` is confirmed and on disk.
    pub(super) fn count_down(&mut self, id: ItemId, n: u32) {
        let len = self.schedule.turn(id).and_then(|t| t.upload.part(n)).map_or(0, |(_, _, len)| len);
        self.channels.view.send_modify(|v| v.confirmed(id, len));
    }

    pub(super) fn tell(&self, item: &Item) {
        // Without listeners there is nobody to tell.
        let _ = self.channels.news.send(Arc::new(ItemNews {
            id: item.id,
            state: item.state,
            reason: item.reason,
            detail: item.detail.clone(),
            name: item.clip.name.clone(),
            size: item.clip.facts.size,
            sent: item.sent,
        }));
    }

    /// A media source has brought these.
    pub(super) fn found(&mut self, ids: Vec<ItemId>) {
        self.event(Event::Found);
        let store = self.store.clone();
        self.running.push(Box::pin(async move {
            let items = told(&store, &ids).await;
            Outcome::Answered(Some(Intent::Change), items, None)
        }));
    }
}
