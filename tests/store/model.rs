//! Random sequences of everything the daemon may ask of the queue, checked after each step by counting the slow way.
use std::collections::BTreeSet;

use rigpost_core::backoff::Jitter;
use rigpost_core::identity::rig::Parting;
use rigpost_core::queue::evidence::Fingerprint;
use rigpost_core::queue::item::{BeforePairing, Clip, Item, ItemId, ItemReason, ItemState};
use rigpost_daemon::store::{Store, StoreError};
use tempfile::TempDir;

use crate::support::*;

const PROJECTS: [&str; 3] = ["p", "q", "r"];

struct World {
    dir: TempDir,
    store: Store,
    random: Jitter,
    /// What save_device was last told, until it was erased.
    current: Option<&'static str>,
    assets: usize,
    rewrites: u64,
}

impl World {
    fn below(&mut self, n: usize) -> usize {
        (self.random.unit() * n as f64) as usize
    }

    fn clip(&mut self) -> Clip {
        let n = self.below(40) as u64;
        // Usually the project that is paired; sometimes what a caller believed a moment ago.
        let project = match self.below(4) {
            0 => None,
            1 => Some(PROJECTS[self.below(3)]),
            _ => self.current,
        };
        let before_pairing = [BeforePairing::Queue, BeforePairing::Ask, BeforePairing::Ignore][self.below(3)];
        let (priority, uid) = (self.below(3) as i32, self.below(3) as u32);
        let mut item = Clip { priority, uid, before_pairing, ..clip(n, project) };
        // Now and then it has grown, or has another name.
        let grown = self.below(8) as u64 / 7;
        item.facts.size += grown;
        item.fingerprint = Some(Fingerprint { whole: n + 1000 * grown, head: n });
        if self.below(8) == 0 {
            item.path.set_extension("mp4");
        }
        item
    }

    fn some_id(&mut self) -> ItemId {
        ItemId(1 + self.below(40) as u64)
    }

    async fn step(&mut self) -> Result<(), StoreError> {
        let id = self.some_id();
        match self.below(26) {
            0..=3 => {
                let items = (0..1 + self.below(3)).map(|_| self.clip()).collect();
                add(&self.store, items, most(30)).await.map(drop)
            }
            4..=6 => {
                let Some(project) = self.current else { return Ok(()) };
                let waiting = [self.some_id(), self.some_id()];
                self.store.claim(project, &waiting, None).await.map(drop)
            }
            7 | 8 => {
                self.assets += 1;
                let asset = asset(&format!("a{}", self.assets), 1 + self.below(5));
                self.store.save_asset(id, &asset).await
            }
            9..=12 => self.send_a_part(id).await,
            13 => {
                let to = [ItemState::Done, ItemState::Failed, ItemState::Queued][self.below(3)];
                self.store.finish(id, to, ItemReason::Refused, "detail", at(99)).await.map(drop)
            }
            14 => self.store.cancel(&[id]).await.map(drop),
            15 => self.store.retry(&[id]).await.map(drop),
            16 => self.store.drop_asset(id).await.map(drop),
            17 => {
                let project = PROJECTS[self.below(3)];
                self.current = Some(project);
                self.store.save_device(&device(project)).await.map(drop)
            }
            18 => self.store.resume_uploading().await.map(drop),
            19 | 20 => {
                let items = (0..3).map(|_| Clip { source: Some("card".into()), ..self.clip() }).collect();
                self.store.found(items, 30).await.map(drop)
            }
            21 => self.store.release(&[id]).await.map(drop),
            22 => self.clear(id).await,
            23 => self.store.set_priority(&[id], self.random.unit() as i32).await.map(drop),
            24 => {
                let Some(item) = self.store.get(&[id]).await?.pop() else { return Ok(()) };
                let mut seen = item.clip.sighting();
                self.rewrites += 1;
                seen.facts.size += 1;
                seen.fingerprint = Some(Fingerprint { whole: 1_000_000 + self.rewrites, head: 1 });
                self.store.rewritten(id, &seen, at(1)).await.map(drop)
            }
            _ => self.upheaval().await,
        }
    }

    async fn send_a_part(&mut self, id: ItemId) -> Result<(), StoreError> {
        let Some(asset) = self.store.asset_of(id).await? else { return Ok(()) };
        let n = self.below(asset.urls.len()) as u32;
        let size = self.store.get(&[id]).await?[0].clip.facts.size;
        let bytes = asset.range(n, size).map_or(0, |(_, len)| len);
        self.store.finish_part(id, &asset.id, n, "e", bytes, digest(1)).await
    }

    async fn clear(&mut self, id: ItemId) -> Result<(), StoreError> {
        let state = [ItemState::Done, ItemState::Failed, ItemState::Cancelled][self.below(3)];
        let (states, ids) = if self.below(2) == 0 { (vec![state], vec![]) } else { (vec![], vec![id]) };
        self.store.clear(&states, &ids).await.map(drop)
    }

    async fn upheaval(&mut self) -> Result<(), StoreError> {
        match self.below(4) {
            0 => {
                self.current = None;
                self.store.erase_tokens(&Parting::default()).await
            }
            1 => {
                self.current = None;
                self.store.forget(&Parting::default()).await?;
                self.store.identity(None, &cloud()).await.map(drop)
            }
            2 => self.store.readopt(vault(1), &client_secret()).await,
            _ => {
                let copy = cut_power(self.dir.path());
                self.store = ready(copy.path()).await;
                self.dir = copy;
                Ok(())
            }
        }
    }

    async fn check(&self, what: &str) {
        let (items, total) = self.store.list(None, None, 0, 1000).await.unwrap();
        assert_eq!(items.len() as u64, total, "{what}");
        let totals = self.store.totals().await.unwrap();
        for state in [
            ItemState::Queued,
            ItemState::Uploading,
            ItemState::Held,
            ItemState::Done,
            ItemState::Failed,
            ItemState::Cancelled,
        ] {
            let of_state = || items.iter().filter(|item| item.state == state);
            let tally = (of_state().count() as u64, of_state().map(left).sum::<u64>());
            assert_eq!((totals.of(state).items, totals.of(state).left_bytes), tally, "{what}: {state:?}");
            assert_eq!(
                self.store.list(Some(state), None, 0, 1000).await.unwrap().1,
                tally.0,
                "{what}: {state:?}"
            );
        }
        let counters = self.store.counters().await.unwrap();
        let on_the_way =
            || items.iter().filter(|i| matches!(i.state, ItemState::Queued | ItemState::Uploading));
        assert_eq!(counters.files_left, on_the_way().count() as u64, "{what}");
        assert_eq!(counters.bytes_left, on_the_way().map(left).sum::<u64>(), "{what}");
        self.check_users(&items, what);
        let files: BTreeSet<_> = items
            .iter()
            .map(|i| {
                (&i.clip.path, i.clip.facts.size, i.clip.fingerprint.map(|f| f.whole), &i.clip.project_id)
            })
            .collect();
        assert_eq!(files.len(), items.len(), "{what}: a file twice in one project");
        for item in &items {
            self.check_item(item, what).await;
        }
    }

    fn check_users(&self, items: &[Item], what: &str) {
        let conn = raw(self.dir.path());
        for uid in 0..3 {
            let of_user = |i: &&Item| {
                i.clip.uid == uid && uid > 0 && !matches!(i.state, ItemState::Done | ItemState::Cancelled)
            };
            let sql = "SELECT coalesce(max(items), 0) FROM caller WHERE uid = ?1";
            let counted: u32 = conn.query_row(sql, [uid], |r| r.get(0)).unwrap();
            assert_eq!(counted as usize, items.iter().filter(of_user).count(), "{what}: user {uid}");
        }
    }

    async fn check_item(&self, item: &Item, what: &str) {
        let asset = self.store.asset_of(item.id).await.unwrap();
        let size = item.clip.facts.size;
        let sent = match (&asset, item.state) {
            (Some(asset), _) => {
                asset.finished.iter().filter_map(|n| asset.range(*n, size)).map(|(_, len)| len).sum()
            }
            (None, ItemState::Done) => {
                assert!(self.store.receipt(item.id).await.unwrap().is_some(), "{what}: {item:?}");
                size
            }
            (None, _) => 0,
        };
        assert_eq!(item.sent, sent, "{what}: {item:?}");
        if let Some(asset) = asset {
            assert_eq!(item.asset_id, asset.id, "{what}: {item:?}");
        }
        if let (Some(current), ItemState::Queued | ItemState::Uploading) = (self.current, item.state) {
            assert!(item.clip.project_id.as_deref().is_none_or(|p| p == current), "{what}: {item:?}");
        }
    }
}

fn left(item: &Item) -> u64 {
    item.clip.facts.size - item.sent
}

#[tokio::test]
async fn counters_progress_and_projects_are_right_after_any_sequence() {
    for seed in 0..8 {
        let dir = dir();
        let store = ready(dir.path()).await;
        let mut world =
            World { dir, store, random: Jitter::new(seed), current: None, assets: 0, rewrites: 0 };
        let mut worked = 0;
        for step in 0..250 {
            let what = format!("seed {seed}, step {step}");
            match world.step().await {
                Ok(()) => worked += 1,
                Err(
                    StoreError::NotFound(_)
                    | StoreError::LimitExceeded { .. }
                    | StoreError::NotPaired
                    | StoreError::NotOver(_),
                ) => {}
                Err(e) => panic!("{what}: {e}"),
            }
            world.check(&what).await;
        }
        assert!(worked > 100, "seed {seed}: only {worked} steps did anything");
        assert_eq!(world.store.verify().await, Ok(()));
    }
}
