//! How far the uploads are, for the screen.
use std::collections::BTreeMap;
use std::time::Duration;

use super::state::{Media, UploadTask};
use crate::http::Transport;
use rigpost_core::queue::item::ItemId;
use rigpost_core::queue::schedule::Turn;
use rigpost_core::time::BootTime;
use rigpost_core::view::Sending;

/// How often the bytes of running uploads are shown.
const SHOW_EVERY: Duration = Duration::from_millis(500);

impl<T: Transport> UploadTask<T> {
    /// When the progress is to be shown next.
    pub(super) fn progress_due(&self) -> Option<BootTime> {
        let moving = self.schedule.turns().any(|t| t.upload.in_flight() > 0);
        (moving && !self.schedule.recording()).then(|| self.progress.since + SHOW_EVERY)
    }

    pub(super) fn show_progress(&mut self) {
        let now = self.clock.now().boot;
        let elapsed = now.since(self.progress.since).as_secs_f64();
        let moved = self.progress.moved + self.media.values_mut().map(Media::moved).sum::<u64>();
        let rate =
            if elapsed > 0.05 && !self.progress.at_rest() { (moved as f64 / elapsed) as u64 } else { 0 };
        (self.progress.since, self.progress.moved) = (now, 0);
        let current: Vec<_> = self.schedule.turns().map(|turn| sending(turn, &self.media)).collect();
        self.channels.view.send_if_modified(|v| {
            let rate = if v.recording { 0 } else { rate };
            let changed = v.current != current || v.rate != rate;
            (v.current, v.rate) = (current, rate);
            changed
        });
    }
}

/// What the cloud has confirmed, and what has left beyond that.
pub(super) fn sending(turn: &Turn, media: &BTreeMap<ItemId, Media>) -> Sending {
    let (id, size) = (turn.item.id, turn.item.clip.facts.size);
    let sent = turn.item.sent;
    let on_the_way = turn.upload.unrecorded() + media.get(&id).map_or(0, Media::on_the_way);
    Sending {
        id,
        name: turn.item.clip.name.clone(),
        size,
        sent,
        on_the_way: on_the_way.min(size.saturating_sub(sent)),
    }
}
