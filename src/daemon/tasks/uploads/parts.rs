//! The open file of a turn, and its parts on their way to the storage.
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::state::{OnTheWay, Outcome, UploadTask};
use crate::http::Transport;
use crate::media::{PartBody, PartWatch, ReadPlan};
use crate::tasks::sent::sent_part;
use crate::tasks::storage::{Sending, mark};
use rigpost_core::queue::item::ItemId;

impl<T: Transport> UploadTask<T> {
    pub(super) fn send(&mut self, id: ItemId, n: u32, md5: bool) {
        if self.progress.moved == 0 && self.media.values().all(|media| media.parts.is_empty()) {
            // A speed counts from the first byte, and not from when its clip was begun.
            self.progress.since = self.clock.now().boot;
        }
        let Some(turn) = self.schedule.turn(id) else { return };
        let Some(media) = self.media.get_mut(&id) else { return };
        let (Some((url, from, len)), Some(cloud)) = (turn.upload.part(n), self.cloud.clone()) else { return };
        let url = url.clone();
        let watch = Arc::new(PartWatch::default());
        media.parts.insert(n, OnTheWay { watch: watch.clone(), shown: 0 });
        // A storage of one's own decides when its checksums are computed.
        let plan = ReadPlan::new(md5 && cloud.frameio().is_some(), self.options.slots.count);
        let body = PartBody::new(media.file.clone(), from, len, plan, watch.clone(), self.pacer.clone());
        let clip = turn.item.clip.clone();
        let (transport, dropped) = (self.transport.clone(), media.dropped.clone());
        self.running.push(Box::pin(async move {
            let part = Sending { address: &url, mark: mark(id, &clip), clip: &clip, from, len, md5 };
            let put = cloud.put(&transport, part, body);
            let sent = dropped.run_until_cancelled(put).await;
            Outcome::PartSent(id, n, sent_part(sent, len, &watch))
        }));
    }

    /// It is not on its way any more.
    pub(super) fn part_over(&mut self, id: ItemId, n: u32) {
        if let Some(part) = self.media.get_mut(&id).and_then(|media| media.parts.remove(&n)) {
            self.progress.add(part.watch.sent.load(Relaxed).saturating_sub(part.shown));
        }
    }
}
