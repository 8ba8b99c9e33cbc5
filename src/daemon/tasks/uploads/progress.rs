//! What people see of the uploads: counts, progress, rate, news.
use std::sync::Arc;
use std::time::Duration;

use super::{Turn, Uploader};
use crate::http::Transport;
use rigpost_core::queue::item::{Item, ItemId};
use rigpost_core::time::BootTime;
use rigpost_core::view::{ItemNews, Sending};

/// How often the bytes of running uploads are shown.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// Bytes that moved since the last look.
#[derive(Default)]
pub(super) struct Meter {
    since: BootTime,
    /// Of parts that have ended since.
    moved: u64,
}

impl Meter {
    /// Nothing was sent since the connections were closed.
    pub(super) fn at_rest(&self) -> bool {
        self.since == BootTime::default()
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.moved += bytes;
    }
}

impl<T: Transport> Uploader<T> {
    /// When the progress is to be shown next.
    pub(super) fn show_at(&self) -> Option<BootTime> {
        let moving = self.turns.values().any(|t| t.upload.in_flight() > 0);
        (moving && !self.view.borrow().recording).then(|| self.meter.since + SHOW_EVERY)
    }

    pub(super) fn show_progress(&mut self) {
        let now = self.clock.now().boot;
        let elapsed = now.since(self.meter.since).as_secs_f64();
        let moved = self.meter.moved + self.turns.values_mut().map(Turn::moved).sum::<u64>();
        let rate = if elapsed > 0.05 && !self.meter.at_rest() { (moved as f64 / elapsed) as u64 } else { 0 };
        (self.meter.since, self.meter.moved) = (now, 0);
        let current: Vec<_> = self.turns.values().map(sending).collect();
        self.view.send_if_modified(|v| {
            let rate = if v.recording { 0 } else { rate };
            let changed = v.current != current || v.rate != rate;
            (v.current, v.rate) = (current, rate);
            changed
        });
    }

    pub(super) async fn refresh_view(&mut self) {
        let Some(glance) = self.room.queue_glance().await else { return };
        self.pacer.set_limit(Some(glance.bandwidth_limit).filter(|limit| *limit > 0));
        let current: Vec<_> = self.turns.values().map(sending).collect();
        self.view.send_if_modified(|v| {
            let old = v.clone();
            v.counters = glance.counters;
            v.paused = glance.paused;
            v.bandwidth_limit = glance.bandwidth_limit;
            if glance.counters.files_left == 0 {
                v.trouble = None;
            }
            if current.is_empty() {
                v.rate = 0;
            }
            v.current = current;
            *v != old
        });
    }

    /// Part `n` is confirmed and on disk.
    pub(super) fn count_down(&mut self, id: ItemId, n: u32) {
        let len = self.turns.get(&id).and_then(|t| t.upload.part(n)).map_or(0, |(_, _, len)| len);
        self.view.send_modify(|v| v.counters.bytes_left = v.counters.bytes_left.saturating_sub(len));
    }

    pub(super) fn tell(&self, item: &Item) {
        // Without listeners there is nobody to tell.
        let _ = self.news.send(Arc::new(ItemNews {
            id: item.id,
            state: item.state,
            reason: item.reason.clone(),
            name: item.new.name.clone(),
            size: item.new.facts.size,
            sent: item.sent,
        }));
    }
}

fn sending(turn: &Turn) -> Sending {
    let (id, size) = (turn.item.id, turn.item.new.facts.size);
    Sending { id, name: turn.item.new.name.clone(), size, sent: turn.sent().min(size) }
}
