mod commands;
mod retry;
mod turn;
mod walk;

use std::time::Duration;

use super::*;
use crate::oauth::{AccessToken, Cause, Trouble};
use crate::queue::clip::Copy;
use crate::queue::evidence::{Fingerprint, Relation, Sighting, Volume};
use crate::queue::item::{Asset, Clip, FileFacts, Item, ItemReason, ItemState, PartDigest};
use crate::queue::order::Slots;
use crate::queue::promises::Promises;
use crate::queue::upload::{Completed, Confirmed, CreateError, PartError};
use crate::secret::Secret;
use crate::seq::Seq;
use crate::time::{BootId, WallTime};

const SLOTS: usize = 2;
const SETTLE: Duration = Duration::from_secs(3);
const SIZE: u64 = 1000;

fn options(count: usize) -> Options {
    Options {
        slots: Slots { count, limit: false },
        settle: SETTLE,
        usable: true,
        promises: Promises::FRAMEIO,
    }
}

fn at(ms: u64) -> Now {
    let boot = Duration::from_millis(ms);
    Now { boot_id: BootId(1), boot: BootTime(boot), wall: WallTime(1_790_000_000 + boot.as_secs() as i64) }
}

fn facts(size: u64) -> FileFacts {
    FileFacts { size, mtime_ns: size as i64, ctime_ns: 0, dev: 1, ino: 1 }
}

/// A file of these facts on the first card; its bytes are told by its size.
fn sighting(id: u64, facts: FileFacts) -> Sighting {
    Sighting {
        path: format!("/media/{id}.mov").into(),
        facts,
        volume: Volume { id: "A".to_owned(), mount: 1 },
        fingerprint: Some(Fingerprint { whole: facts.size, head: 1 }),
    }
}

/// What a look at an item's file says.
fn look_at(item: &Item, sighting: Sighting) -> Seen {
    Seen { relation: sighting.relation(&item.clip.sighting()), sighting, cut: None }
}

fn token(name: &str) -> AccessToken {
    AccessToken(Secret::new(name))
}

fn access(name: &str, project: &str) -> Option<Access> {
    Some(Access { token: token(name), project_id: project.to_owned(), paused: false })
}

fn item(id: u64, project: &str) -> Item {
    let mut clip = Clip { settled: true, project_id: Some(project.to_owned()), ..Clip::default() };
    clip.take(sighting(id, facts(SIZE)));
    Item {
        id: ItemId(id),
        clip,
        state: ItemState::Uploading,
        reason: ItemReason::None,
        detail: String::new(),
        attempts: 1,
        sent: 0,
        asset_id: String::new(),
        project_name: String::new(),
    }
}

fn urls(n: usize) -> Vec<Secret> {
    (0..n).map(|n| Secret::new(format!("https://s3/{n}"))).collect()
}

fn asset(parts: usize, finished: &[u32], created: Now) -> Asset {
    Asset { id: "asset".to_owned(), urls: urls(parts), created, finished: finished.to_vec() }
}

fn confirmed() -> Confirmed {
    Confirmed { etag: "etag".to_owned(), digest: None }
}

fn trouble(cause: Cause, retry_after: Option<Duration>) -> Trouble {
    Trouble { cause, why: "why".to_owned(), retry_after, maybe_applied: false }
}

fn queued(id: u64, reason: ItemReason) -> (ItemId, ItemState, ItemReason) {
    (ItemId(id), ItemState::Queued, reason)
}

/// The machine at a time that only goes on.
struct Bench {
    s: Schedule,
    ms: u64,
}

impl Bench {
    /// Nothing is known yet.
    fn new() -> Bench {
        Bench { s: Schedule::new(options(SLOTS), 7), ms: 1000 }
    }

    /// Paired with the project `p`, the token is `a1`; the first claim has left.
    fn paired() -> Bench {
        let mut b = Bench::new();
        assert_eq!(b.on(Event::Started), [Action::Resume]);
        assert_eq!(b.on(Event::Resumed(true)), [Action::Read]);
        assert_eq!(b.read(false), []);
        let actions = b.on(Event::Access(access("a1", "p")));
        assert_eq!(actions, [Action::Read, b.claim_of(None, &[])]);
        assert_eq!(b.read(false), []);
        b
    }

    /// The same, and an item has its turn, with an asset of `parts` parts on disk. The parts that left first.
    fn sending(parts: usize) -> (Bench, Vec<Action>) {
        let mut b = Bench::paired();
        let actions = b.claimed(item(1, "p"), Some(asset(parts, &[], at(0))));
        assert_eq!(actions.first(), Some(&Action::Began(ItemId(1))));
        // Another may want to go, and there is none.
        (b, actions)
    }

    /// The same, with nothing else in the queue.
    fn alone(parts: usize) -> Bench {
        let (mut b, actions) = Bench::sending(parts);
        if actions.iter().any(|a| matches!(a, Action::Claim { .. })) {
            drop(b.nothing_waits());
        }
        b
    }

    fn now(&self) -> Now {
        at(self.ms)
    }

    fn pass(&mut self, time: Duration) {
        self.ms += u64::try_from(time.as_millis()).unwrap();
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        let now = self.now();
        self.s.on(event, now)
    }

    /// Goes to the deadline, which must be there.
    fn timer(&mut self) -> Vec<Action> {
        let at = self.s.deadline().expect("a deadline");
        self.ms = self.ms.max(u64::try_from(at.0.as_millis()).unwrap() + 1);
        self.on(Event::Timer)
    }

    /// How long until the deadline.
    fn wait(&self) -> Option<Duration> {
        self.s.deadline().map(|at| at.since(self.now().boot))
    }

    fn read(&mut self, paused: bool) -> Vec<Action> {
        self.on(Event::Summary(Ok(Summary { paused, left: 1 })))
    }

    fn claim_of(&self, above: Option<i32>, but: &[u64]) -> Action {
        let but = but.iter().copied().map(ItemId).collect();
        Action::Claim { project: "p".to_owned(), above, but, resume: false }
    }

    fn nothing_waits(&mut self) -> Vec<Action> {
        self.on(Event::Claimed(Ok(None)))
    }

    fn claimed(&mut self, item: Item, asset: Option<Asset>) -> Vec<Action> {
        let file = look_at(&item, item.clip.sighting());
        self.claimed_as(item, Ok(file), Ok(asset))
    }

    fn claimed_as(
        &mut self,
        item: Item,
        file: Result<Seen, FileError>,
        asset: Result<Option<Asset>, String>,
    ) -> Vec<Action> {
        self.take(Claimed { item, file, asset, copy: Copy::Free, patience: None })
    }

    fn take(&mut self, claimed: Claimed) -> Vec<Action> {
        self.on(Event::Claimed(Ok(Some(Box::new(claimed)))))
    }

    /// An item without an asset is claimed and asks for one: by this number.
    fn creating(&mut self, id: u64) -> Seq {
        self.creating_of(item(id, "p"))
    }

    fn creating_of(&mut self, item: Item) -> Seq {
        let id = item.id;
        let actions = self.claimed(item, None);
        let asked = actions.iter().find_map(|a| {
            let Action::Create { id: of, seq, .. } = a else { return None };
            (*of == id).then_some(*seq)
        });
        asked.unwrap_or_else(|| panic!("no asset is asked for: {actions:?}"))
    }

    fn sent(&mut self, n: u32, answer: Result<Confirmed, PartError>) -> Vec<Action> {
        self.on(Event::PartSent(ItemId(1), n, answer))
    }

    fn written(&mut self, id: u64, written: Written) -> Vec<Action> {
        self.on(Event::Written(ItemId(id), written))
    }

    /// The end is on disk, what follows is read, and the next claim brings nothing.
    fn put_back(&mut self, id: u64) {
        let actions = self.written(id, Written::Row(ItemState::Queued));
        assert_eq!(reads(&actions), 1, "{actions:?}");
        let more = self.read(false);
        if claims(&actions) + claims(&more) > 0 {
            assert_eq!(claims(&self.nothing_waits()), 0);
        }
    }
}

fn claims(actions: &[Action]) -> usize {
    actions.iter().filter(|a| matches!(a, Action::Claim { .. })).count()
}

fn reads(actions: &[Action]) -> usize {
    actions.iter().filter(|a| **a == Action::Read).count()
}

/// The ends that are to be written.
fn ends(actions: &[Action]) -> Vec<(ItemId, ItemState, ItemReason)> {
    let end = |a: &Action| {
        let Action::WriteEnd(end) = a else { return None };
        Some((end.id, end.to, end.reason))
    };
    actions.iter().filter_map(end).collect()
}

/// The parts that leave, as item and number.
fn parts(actions: &[Action]) -> Vec<(u64, u32)> {
    let part = |a: &Action| {
        let Action::Send { id, n, .. } = a else { return None };
        Some((id.0, *n))
    };
    actions.iter().filter_map(part).collect()
}
