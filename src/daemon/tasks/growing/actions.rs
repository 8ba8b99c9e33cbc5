//! What the machine of a recording wants, and what came of it.
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::entry::{Compared, Entry};
use super::{GrowingTask, Key, Outcome};
use crate::http::Transport;
use crate::link::{ToQueue, ToRig};
use crate::media::{PartBody, PartWatch, ReadPlan, digests, look_closer};
use crate::store::StoreError;
use crate::tasks::creation::{Asks, Creation, tell_rig};
use crate::tasks::delivery::put_to;
use crate::tasks::sent::sent_part;
use rigpost_core::oauth::{AccessToken, Cause};
use rigpost_core::provider::FrameIo;
use rigpost_core::provider::wire::trouble;
use rigpost_core::queue::growing::plan::{last_part, range};
use rigpost_core::queue::growing::{Action, Event, NewPart};
use rigpost_core::queue::item::{Clip, Item, ItemId, ItemState, shown};
use rigpost_core::queue::upload::{AssetRequest, Confirmed, CreateError, PartError};
use rigpost_core::seq::Seq;

impl<T: Transport> GrowingTask<T> {
    pub(super) fn perform(&mut self, key: Key, action: Action) {
        match action {
            Action::Create(seq) => self.create(key, seq),
            Action::Record(seq, asset_id) => self.record(key, seq, asset_id),
            Action::Register(seq, parts, size) => self.register(key, seq, parts, size),
            Action::Keep(seq) => self.keep(key, seq),
            Action::Send(n) => self.send(key, n),
            Action::RecordPart(n, bytes, confirmed) => self.record_part(key, n, bytes, confirmed),
            Action::Compare(seq) => self.compare(key, seq),
            Action::Drop(n) => self.drop_part(key, n),
            Action::ReportRefused => self.report_refused(key),
            Action::Finish(ending) => self.finish(key, ending),
        }
    }

    /// The token of now, which what follows is asked for with.
    fn token(&mut self, key: Key) -> Option<AccessToken> {
        let token = self.links.access.borrow().as_ref().map(|access| access.token.clone());
        self.with(key, |entry| entry.token.clone_from(&token));
        token
    }

    fn create(&mut self, key: Key, seq: Seq) {
        let token = self.token(key);
        let max_items = self.settings.borrow().limits.max_items;
        let floor = self.settings.borrow().intake.earliest;
        let (Some(entry), Some(token), Some(cloud)) = (self.entries.get(&key), token, self.cloud.clone())
        else {
            return self
                .running
                .push(Box::pin(async move { Outcome::Created(key, seq, None, Err(CreateError::Storage)) }));
        };
        let (Some(clip), item) = (entry.clip.clone(), entry.item.clone()) else { return };
        let clip = Clip { facts: entry.sighting().facts, ..clip };
        let wanted = AssetRequest {
            name: clip.name.clone(),
            filetype: clip.filetype.clone(),
            size: None,
            offset: Duration::ZERO,
            channel: clip.channel,
            version_of: None,
        };
        let channel = self.settings.borrow().intake.channel_of(&clip, &self.links.sub_devices);
        let (store, clock, to_rig) = (self.store.clone(), self.clock.clone(), self.links.to_rig.clone());
        let (transport, dropped) = (self.transport.clone(), entry.dropped.clone());
        self.with(key, |entry| entry.creating = true);
        self.running.push(Box::pin(async move {
            let (item, is_new) = match item {
                Some(item) => (Some(item), false),
                None => match store.begin_recording(clip.clone(), max_items).await {
                    Ok(item) => (item, true),
                    Err(e) => {
                        warn!("a recording can't be written down: {e}");
                        return Outcome::Created(key, seq, None, Err(CreateError::Storage));
                    }
                },
            };
            let Some(item) = item else {
                let why = "it is in the queue already, or not to be sent as things are".to_owned();
                return Outcome::Created(key, seq, None, Err(CreateError::Refused(why)));
            };
            let at = clock.now().boot;
            let creation = Creation {
                id: item.id,
                at,
                created: item.clip.created,
                wanted,
                token,
                floor,
                clock,
                store,
                asks: Asks::<T>::FrameIo(cloud, FrameIo::read_growing_asset),
                to_rig,
                project: item.clip.project_id.clone().unwrap_or_default(),
                channel,
            };
            let answer = creation.run(transport.as_ref(), &dropped).await.map(|(id, _)| id);
            Outcome::Created(key, seq, is_new.then(|| Box::new(item)), answer)
        }));
    }

    pub(super) fn created(
        &mut self,
        key: Key,
        seq: Seq,
        item: Option<Box<Item>>,
        answer: Result<String, CreateError>,
    ) {
        if !self.entries.contains_key(&key) {
            // Let go of meanwhile: what is on disk says what is left to do.
            return self.read_what_was_left();
        }
        self.with(key, |entry| entry.creating = false);
        if let (Some(item), Some(entry)) = (item, self.entries.get_mut(&key)) {
            info!(item = item.id.0, file = %shown(&entry.path), "sending while it is recorded");
            let id = item.id;
            entry.item = Some(*item);
            self.tell_queue(id);
        }
        self.event(key, Event::Created(seq, answer));
    }

    fn record(&mut self, key: Key, seq: Seq, asset_id: String) {
        let Some(id) = self.entries.get(&key).and_then(Entry::id) else { return };
        let (store, now) = (self.store.clone(), self.clock.now());
        self.running.push(Box::pin(async move {
            let saved = store.save_growing_asset(id, &asset_id, now).await;
            if let Err(StoreError::NotFound(_)) = &saved {
                // It was made, and is an orphan that is counted where its row is there.
                let _ = store.drop_asset(id).await;
            }
            written(key, id, saved, |ok| Event::Recorded(seq, ok))
        }));
    }

    fn register(&mut self, key: Key, seq: Seq, parts: Vec<NewPart>, size: Option<u64>) {
        let token = self.token(key);
        let (Some(entry), Some(token), Some(cloud)) = (self.entries.get(&key), token, self.cloud.clone())
        else {
            let answer = Event::Registered(seq, Err(CreateError::Storage));
            return self.running.push(Box::pin(async move { Outcome::Event(key, answer) }));
        };
        let request = cloud.register_parts_request(&token, entry.machine.asset_id(), &parts, size);
        let (transport, to_rig) = (self.transport.clone(), self.links.to_rig.clone());
        self.running.push(Box::pin(async move {
            let answer = transport.send(request).await;
            if let Some(date) = answer.as_ref().ok().and_then(|r| r.date) {
                let _ = to_rig.try_send(ToRig::ServerDate(date));
            }
            let answer = answer.map_err(CreateError::Transient);
            let answer = answer.and_then(|r| cloud.read_registered(&r, parts.len()));
            tell_rig(&to_rig, &token, &answer);
            Outcome::Event(key, Event::Registered(seq, answer))
        }));
    }

    fn keep(&mut self, key: Key, seq: Seq) {
        let Some(entry) = self.entries.get(&key) else { return };
        let Some(id) = entry.id() else { return };
        let (asset_id, urls) = (entry.machine.asset_id().to_owned(), entry.machine.urls().clone());
        let (store, closed) = (self.store.clone(), entry.machine.closed());
        self.running.push(Box::pin(async move {
            let kept = store.keep_registered(id, &asset_id, urls, closed).await;
            written(key, id, kept, |ok| Event::Recorded(seq, ok))
        }));
    }

    fn send(&mut self, key: Key, n: u32) {
        let slots = self.slots();
        let Some(entry) = self.entries.get(&key) else { return };
        let part = entry.machine.part(n).map(|(url, from, len)| (url.clone(), from, len));
        let (Some((url, from, len)), Some(file), Some(cloud), Some(clip)) =
            (part, entry.file.clone(), self.cloud.clone(), entry.clip.as_ref())
        else {
            let trouble = trouble(Cause::Network, "its file is not open", None);
            let answer = Event::Sent(n, Err(PartError::Transient(trouble)));
            return self.running.push(Box::pin(async move { Outcome::Event(key, answer) }));
        };
        let watch = Arc::new(PartWatch::default());
        let plan = ReadPlan::new(false, slots);
        let body = PartBody::new(file, from, len, plan, watch.clone(), self.links.pacer.clone());
        let filetype = clip.filetype.clone();
        let (transport, dropped) = (self.transport.clone(), entry.dropped.clone());
        self.running.push(Box::pin(async move {
            let put = put_to(&cloud, transport.as_ref(), &url, &filetype, len, body);
            let sent = dropped.run_until_cancelled(put).await;
            Outcome::Event(key, Event::Sent(n, sent_part(sent, len, &watch)))
        }));
    }

    /// What the machine hears, but that the ends of the clip left with the bytes that were compared.
    pub(super) fn answered(&mut self, key: Key, event: Event) {
        let event = match (event, self.entries.get(&key)) {
            (Event::Sent(n, Ok(confirmed)), Some(entry)) if !left_as_compared(entry, n, &confirmed) => {
                let why = "it was written on while the end of it was sent".to_owned();
                Event::Sent(n, Err(PartError::Refused(why)))
            }
            (event, _) => event,
        };
        if let Event::Recorded(_, true) = event {
            self.links.comments.tell();
        }
        let is_news = matches!(event, Event::PartRecorded(_, true));
        let told = self.entries.get(&key).and_then(Entry::id).filter(|_| is_news);
        self.event(key, event);
        if let Some(id) = told {
            self.tell_queue(id);
        }
    }

    fn record_part(&mut self, key: Key, n: u32, bytes: u64, confirmed: Confirmed) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Some(id) = entry.id() else { return };
        if let Some(digest) = confirmed.digest {
            entry.digests.insert(n, digest.xxh64);
        }
        let size = entry.sighting().facts.size;
        let (store, asset_id) = (self.store.clone(), entry.machine.asset_id().to_owned());
        self.running.push(Box::pin(async move {
            let recorded = store.finish_growing_part(id, &asset_id, n, bytes, confirmed, size).await;
            written(key, id, recorded, |ok| Event::PartRecorded(n, ok))
        }));
    }

    fn drop_part(&mut self, key: Key, n: u32) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Some(id) = entry.id() else { return };
        entry.digests.remove(&n);
        info!(item = id.0, part = n + 1, "its recorder wrote it again: sent again");
        let (store, asset_id) = (self.store.clone(), entry.machine.asset_id().to_owned());
        self.running.push(Box::pin(async move {
            let dropped = store.drop_growing_part(id, &asset_id, n).await;
            written(key, id, dropped, |ok| Event::Dropped(n, ok))
        }));
    }

    fn compare(&mut self, key: Key, seq: Seq) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.compared = None;
        let (Some(file), Some(size)) = (entry.file.clone(), entry.over) else {
            let answer = Outcome::Compared(key, seq, Err("its file is not open".to_owned()));
            return self.running.push(Box::pin(async move { answer }));
        };
        let before = entry.sighting();
        let lengths: Vec<u64> = (0..=last_part(size)).map(|n| range(n, size).1).collect();
        let dropped = entry.dropped.clone();
        self.running.push(Box::pin(async move {
            let compare = async {
                let seen = look_closer(&file, &before).await?;
                digests(&file, &lengths).await.map(|d| Compared { parts: d.stretches, whole: d.whole, seen })
            };
            match dropped.run_until_cancelled(compare).await {
                Some(compared) => {
                    Outcome::Compared(key, seq, compared.map(Box::new).map_err(|e| e.to_string()))
                }
                None => Outcome::Told,
            }
        }));
    }

    pub(super) fn compared(&mut self, key: Key, seq: Seq, compared: Result<Box<Compared>, String>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let answer = compared.map(|compared| {
            let is_as_sent = |(n, digest): &(&u32, &u64)| compared.parts.get(**n as usize) == Some(*digest);
            let changed = entry.digests.iter().filter(|part| !is_as_sent(part)).map(|(n, _)| *n).collect();
            entry.compared = Some(*compared);
            changed
        });
        self.event(key, Event::Compared(seq, answer));
    }

    fn report_refused(&mut self, key: Key) {
        let token = self.entries.get(&key).and_then(|entry| entry.token.clone());
        let to_rig = self.links.to_rig.clone();
        self.running.push(Box::pin(async move {
            if let Some(token) = token {
                // The rig's task ends only with the daemon.
                let _ = to_rig.send(ToRig::Unauthorized(token)).await;
            }
            Outcome::Told
        }));
    }

    /// Its end is on disk, or can't be.
    pub(super) fn ended(&mut self, key: Key, ended: Result<Box<Item>, StoreError>) {
        match ended {
            Ok(item) => {
                let (id, file) = (item.id, shown(&item.clip.path));
                if item.state == ItemState::Done {
                    info!(item = id.0, asset_id = item.asset_id, file, "sent while it was recorded");
                } else {
                    info!(item = id.0, state = item.state.as_str(), file, "{}", item.detail);
                }
                self.remove(key);
                self.tell(match item.state {
                    ItemState::Done => ToQueue::Recorded(id),
                    ItemState::Queued
                    | ItemState::Uploading
                    | ItemState::Recording
                    | ItemState::Held
                    | ItemState::Away
                    | ItemState::Incomplete
                    | ItemState::Failed
                    | ItemState::Cancelled => ToQueue::Found(vec![id]),
                });
            }
            Err(StoreError::NotFound(_)) => self.remove(key),
            Err(e) => {
                warn!("the end of a recording can't be written: {e}");
                self.write_end_later(key);
            }
        }
    }
}

/// What was written, for the machine; what is a recording no more is let go.
fn written(
    key: Key,
    id: ItemId,
    wrote: Result<(), StoreError>,
    event: impl FnOnce(bool) -> Event,
) -> Outcome {
    match wrote {
        Ok(()) => Outcome::Event(key, event(true)),
        Err(StoreError::NotFound(_)) => Outcome::TakenAway(key),
        Err(e) => {
            warn!(item = id.0, "a recording can't be written down: {e}");
            Outcome::Event(key, event(false))
        }
    }
}

/// A part that is sent after everything was compared is one of what was compared.
fn left_as_compared(entry: &Entry, n: u32, confirmed: &Confirmed) -> bool {
    let Some(compared) = &entry.compared else { return true };
    let expected = compared.parts.get(n as usize);
    match (expected, confirmed.digest) {
        (Some(expected), Some(digest)) => digest.xxh64 == *expected,
        (None, _) | (_, None) => true,
    }
}
