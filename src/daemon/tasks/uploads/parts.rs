//! One turn: what its machine asks for, done.
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Done, Uploader};
use crate::clock::Clock;
use crate::http::{PutError, Transport};
use crate::link::{Access, ToKeeper};
use crate::media::{Checks, PartBody, PartWatch};
use crate::store::StoreError;
use crate::tasks::Strongroom;
use rigpost_core::identity::oauth::{AccessToken, Cause};
use rigpost_core::provider::FrameIo;
use rigpost_core::provider::wire::trouble;
use rigpost_core::queue::etag::Verdict;
use rigpost_core::queue::item::{Item, ItemId};
use rigpost_core::queue::ledger;
use rigpost_core::queue::order::Standing;
use rigpost_core::queue::upload::{self, Action, AssetRequest, Confirmed, CreateError, PartError, Upload};
use rigpost_core::time::{BootTime, Now, WallTime};

/// Assets are asked for no more often: the provider allows five in a second to all devices of one person.
const CREATE_EVERY: Duration = Duration::from_millis(250);

/// A connection that ends before this much of a part has left, without an answer, was perhaps not wanted.
const EARLY: u64 = 1 << 20;

/// One item that has its turn.
pub(super) struct Turn {
    pub(super) item: Item,
    pub(super) upload: Upload,
    file: Arc<File>,
    parts: BTreeMap<u32, OnTheWay>,
    /// Parts that were sent again because their ETag was not what they should be.
    doubted: BTreeSet<u32>,
    /// The token that the asset was asked for with.
    pub(super) used: Option<AccessToken>,
    /// Lets go of what is in flight: nobody wants it any more.
    pub(super) dropped: CancellationToken,
}

struct OnTheWay {
    watch: Arc<PartWatch>,
    /// Bytes of it that were shown.
    shown: u64,
}

impl Turn {
    pub(super) fn new(item: Item, upload: Upload, file: File) -> Turn {
        let (file, parts, dropped) = (Arc::new(file), BTreeMap::new(), CancellationToken::new());
        Turn { item, upload, file, parts, doubted: BTreeSet::new(), used: None, dropped }
    }

    pub(super) fn standing(&self) -> Standing {
        Standing {
            id: self.item.id,
            priority: self.item.new.priority,
            ready: self.upload.ready(),
            preparing: self.upload.preparing(),
            in_flight: self.upload.in_flight(),
        }
    }

    /// Bytes sent, those of unfinished parts included.
    pub(super) fn sent(&self) -> u64 {
        self.item.sent + self.parts.values().map(|p| p.watch.sent.load(Relaxed)).sum::<u64>()
    }

    /// Bytes that left since this was last asked.
    pub(super) fn moved(&mut self) -> u64 {
        let step = |p: &mut OnTheWay| {
            let sent = p.watch.sent.load(Relaxed);
            sent.saturating_sub(std::mem::replace(&mut p.shown, sent))
        };
        self.parts.values_mut().map(step).sum()
    }
}

impl<T: Transport> Uploader<T> {
    pub(super) fn perform(&mut self, id: ItemId, action: Action) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let room = self.room.clone();
        match action {
            Action::Create(seq) => self.create(id, seq),
            Action::Record(seq, asset) => {
                turn.item.sent = 0;
                turn.item.asset_id.clone_from(&asset.id);
                self.running.push(Box::pin(async move {
                    let ok = logged(room.save_asset(id, asset).await);
                    Done::Machine(id, upload::Event::Recorded(seq, ok))
                }));
            }
            Action::Forget(seq) => {
                turn.doubted.clear();
                self.running.push(Box::pin(async move {
                    let ok = logged(room.drop_asset(id).await);
                    Done::Machine(id, upload::Event::Recorded(seq, ok))
                }));
            }
            Action::Send(n) => self.send(id, n),
            Action::RecordPart(n, confirmed) => {
                let bytes = turn.upload.part(n).map_or(0, |(_, _, len)| len);
                let asset_id = turn.item.asset_id.clone();
                self.running.push(Box::pin(async move {
                    let Confirmed { etag, digest } = confirmed;
                    let ok = logged(room.finish_part(id, &asset_id, n, &etag, bytes, digest).await);
                    Done::Machine(id, upload::Event::PartRecorded(n, ok))
                }));
            }
            Action::Finish(ending) => self.finish(id, ending),
        }
    }

    fn create(&mut self, id: ItemId, seq: rigpost_core::seq::Seq) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        // Token and project come in one value: what was claimed for one project never goes to another.
        let ours = |a: &Access| turn.item.new.project_id.as_deref() == Some(a.project_id.as_str());
        let access = self.access.borrow().clone().filter(ours);
        let Some((access, cloud)) = access.zip(self.cloud.clone()) else {
            let answer = Err(CreateError::Unauthorized);
            return self
                .running
                .push(Box::pin(async move { Done::Machine(id, upload::Event::Created(seq, answer)) }));
        };
        turn.used = Some(access.token.clone());
        let at = self.clock.now().boot.max(self.next_create);
        self.next_create = at + CREATE_EVERY;
        let creation = Creation {
            at,
            created: turn.item.new.created,
            wanted: AssetRequest {
                name: turn.item.new.name.clone(),
                filetype: turn.item.new.filetype.clone(),
                size: turn.item.new.facts.size,
                offset: Duration::ZERO,
                channel: turn.item.new.channel,
            },
            token: access.token,
            floor: self.settings.borrow().door.earliest,
            clock: self.clock.clone(),
            room: self.room.clone(),
            cloud,
            keeper: self.keeper.clone(),
        };
        let (transport, dropped) = (self.transport.clone(), turn.dropped.clone());
        self.running.push(Box::pin(async move {
            let answer = creation.run(transport.as_ref(), &dropped).await;
            Done::Machine(id, upload::Event::Created(seq, answer))
        }));
    }

    fn send(&mut self, id: ItemId, n: u32) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        let (Some((url, from, len)), Some(cloud)) = (turn.upload.part(n), self.cloud.clone()) else { return };
        let url = url.clone();
        let watch = Arc::new(PartWatch::default());
        turn.parts.insert(n, OnTheWay { watch: watch.clone(), shown: 0 });
        let (checks, pacer) = (Checks { md5: self.etags.wants_md5() }, self.pacer.clone());
        let body = PartBody::new(turn.file.clone(), from, len, checks, watch.clone(), pacer);
        let headers = cloud.part_headers(&turn.item.new.filetype);
        let transport = self.transport.clone();
        let dropped = turn.dropped.clone();
        self.running.push(Box::pin(async move {
            let sent = dropped.run_until_cancelled(transport.put(&url, headers, len, body)).await;
            let cancelled = || PutError { trouble: trouble(Cause::Network, "cancelled", None), sent: 0 };
            let sent = sent.unwrap_or_else(|| Err(cancelled()));
            let answer = match sent {
                Ok(r) => cloud.read_part(&r).map(|()| Confirmed { etag: r.etag, digest: watch.digest() }),
                Err(_) if watch.shorter.load(Relaxed) => {
                    Err(PartError::File("changed", "the file became shorter".to_owned()))
                }
                Err(_) if watch.unreadable.load(Relaxed) => {
                    Err(PartError::File("unreadable", "the file can't be read any more".to_owned()))
                }
                // A server does not wait for ever for a part that we hold back.
                Err(e) if e.trouble.maybe_applied && e.sent < EARLY.min(len) && !watch.held() => {
                    Err(PartError::CutEarly(e.trouble))
                }
                Err(e) => Err(PartError::Transient(e.trouble)),
            };
            Done::PartSent(id, n, answer)
        }));
    }

    pub(super) fn part_sent(&mut self, id: ItemId, n: u32, answer: Result<Confirmed, PartError>) {
        let Some(turn) = self.turns.get_mut(&id) else { return };
        if let Some(part) = turn.parts.remove(&n) {
            self.meter.add(part.watch.sent.load(Relaxed).saturating_sub(part.shown));
        }
        let answer = answer.and_then(|confirmed| {
            let md5 = confirmed.digest.and_then(|d| d.md5);
            let again = turn.doubted.contains(&n);
            match self.etags.judge(&confirmed.etag, md5, again) {
                Verdict::Accept => Ok(confirmed),
                Verdict::Resend => {
                    turn.doubted.insert(n);
                    Err(PartError::Damaged("the storage's ETag of a part is not its MD5".to_owned()))
                }
            }
        });
        if answer.is_ok() {
            turn.item.sent += turn.upload.part(n).map_or(0, |(_, _, len)| len);
        }
        self.feed(id, upload::Event::Sent(n, answer));
    }
}

/// Everything that asking for an asset needs.
struct Creation {
    at: BootTime,
    created: Now,
    wanted: AssetRequest,
    token: AccessToken,
    floor: WallTime,
    clock: Clock,
    room: Arc<Strongroom>,
    cloud: FrameIo,
    keeper: mpsc::Sender<ToKeeper>,
}

type Created = Result<(String, Vec<rigpost_core::secret::Secret>), CreateError>;

impl Creation {
    async fn run(mut self, transport: &impl Transport, dropped: &CancellationToken) -> Created {
        if dropped.run_until_cancelled(self.clock.sleep_until(self.at)).await.is_none() {
            return Err(CreateError::Transient(trouble(Cause::Network, "cancelled", None)));
        }
        self.wanted.offset = self.age().await;
        let answer = transport.send(self.cloud.create_asset_request(&self.token, &self.wanted)).await;
        if let Some(date) = answer.as_ref().ok().and_then(|r| r.date) {
            let _ = self.keeper.try_send(ToKeeper::ServerDate(date));
        }
        let answer = answer.map_err(CreateError::Transient).and_then(|r| self.cloud.read_asset(&r));
        // What the keeper has no room for now it learns from the next call.
        let _ = match &answer {
            Ok(_) => self.keeper.try_send(ToKeeper::Accepted(self.token)),
            Err(CreateError::Transient(t)) => self.keeper.try_send(ToKeeper::Unreached(t.cause)),
            Err(_) => Ok(()),
        };
        answer
    }

    /// At this moment, by what is known of the clocks now.
    async fn age(&self) -> Duration {
        let now = self.clock.now();
        // What can't be read is as good as not known.
        let then_boot = self.room.boot_wall(self.created.boot_id).await.unwrap_or_default();
        let now_boot = self.room.boot_wall(now.boot_id).await.unwrap_or_default();
        ledger::age(self.created, then_boot, now, now_boot, self.floor)
    }
}

fn logged(outcome: Result<(), StoreError>) -> bool {
    if let Err(e) = &outcome {
        warn!("the queue can't be written: {e}");
    }
    outcome.is_ok()
}
