//! The open file of a turn, and its parts on their way to the storage.
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::state::{OnTheWay, Outcome, UploadTask};
use crate::http::{PutError, Transport};
use crate::media::{PartBody, PartWatch, ReadPlan};
use rigpost_core::oauth::Cause;
use rigpost_core::provider::FrameIo;
use rigpost_core::provider::wire::{Response, trouble};
use rigpost_core::queue::item::{ItemId, ItemReason};
use rigpost_core::queue::upload::{Confirmed, PartError};

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
        let plan = ReadPlan::new(md5, self.options.slots.count);
        let body = PartBody::new(media.file.clone(), from, len, plan, watch.clone(), self.pacer.clone());
        let headers = cloud.part_headers(&turn.item.clip.filetype);
        let (transport, dropped) = (self.transport.clone(), media.dropped.clone());
        self.running.push(Box::pin(async move {
            let sent = dropped.run_until_cancelled(transport.put(&url, headers, len, body)).await;
            let cancelled = || PutError { trouble: trouble(Cause::Network, "cancelled", None), sent: 0 };
            let sent = sent.unwrap_or_else(|| Err(cancelled()));
            Outcome::PartSent(id, n, read(&cloud, sent, len, &watch))
        }));
    }

    /// It is not on its way any more.
    pub(super) fn part_over(&mut self, id: ItemId, n: u32) {
        if let Some(part) = self.media.get_mut(&id).and_then(|media| media.parts.remove(&n)) {
            self.progress.add(part.watch.sent.load(Relaxed).saturating_sub(part.shown));
        }
    }
}

/// What came of a part of `len` bytes.
fn read(
    cloud: &FrameIo,
    sent: Result<Response, PutError>,
    len: u64,
    watch: &PartWatch,
) -> Result<Confirmed, PartError> {
    match sent {
        Ok(r) => cloud.read_part(&r).map(|()| Confirmed { etag: r.etag, digest: watch.digest() }),
        Err(_) if watch.shorter.load(Relaxed) => {
            Err(PartError::File(ItemReason::Changed, "the file became shorter".to_owned()))
        }
        Err(_) if watch.unreadable.load(Relaxed) => {
            Err(PartError::File(ItemReason::Unreadable, "the file can't be read any more".to_owned()))
        }
        Err(e) => match watch.silent.get() {
            Some(why) => Err(PartError::NotAnswering(why.to_string())),
            None => Err(PartError::unanswered(e.trouble, e.sent, len, watch.held())),
        },
    }
}
