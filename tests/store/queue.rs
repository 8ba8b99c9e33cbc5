//! Items, their turn, their parts.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rigpost_core::command::AddOutcome;
use rigpost_core::queue::clip::Wanted;
use rigpost_core::queue::evidence::{Fingerprint, Volume};
use rigpost_core::queue::item::{Clip, Counters, Item, ItemId, ItemReason, ItemState};
use rigpost_daemon::store::{Limit, Store, StoreError};

use crate::support::*;

async fn one(store: &Store, id: ItemId) -> Item {
    store.get(&[id]).await.unwrap().remove(0)
}

#[tokio::test]
async fn an_item_comes_back_as_it_was_added() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let mut new = clip(3, None);
    new.path = OsStr::from_bytes(b"/media/\xff\xfe\n/A.mov").into();
    new.facts.dev = u64::MAX - 1;
    new.facts.mtime_ns = i64::MIN;
    new.priority = i32::MIN;
    let id = add_one(&store, new.clone()).await;
    let expected = Item {
        id,
        clip: new,
        state: ItemState::Queued,
        reason: ItemReason::None,
        detail: String::new(),
        attempts: 0,
        sent: 0,
        asset_id: String::new(),
        project_name: String::new(),
    };
    drop(store);
    let store = ready(dir.path()).await;
    assert_eq!(store.list(None, None, 0, 10).await.unwrap(), (vec![expected], 1));
}

#[tokio::test]
async fn ten_thousand_are_accepted_at_once_or_not_at_all() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let items: Vec<_> = (0..10_000).map(|n| clip(n, Some("p"))).collect();
    let full = add(&store, items.clone(), most(9_999)).await;
    assert_eq!(full, Err(StoreError::LimitExceeded { limit: Limit::Items, max: 9_999 }));
    assert_eq!(store.counters().await.unwrap(), Counters::default());
    let ids = add(&store, items.clone(), most(10_000)).await.unwrap();
    assert!(ids.windows(2).all(|w| w[0] < w[1]) && ids.len() == 10_000);
    assert_eq!(add(&store, items, most(10_000)).await.unwrap(), ids, "the same again");
    let bytes = (0..10_000).map(|n| 1000 + n).sum();
    let expected = Counters { files_left: 10_000, bytes_left: bytes, ..Counters::default() };
    assert_eq!(store.counters().await.unwrap(), expected);
    let (page, total) = store.list(Some(ItemState::Queued), None, 9_990, 100).await.unwrap();
    assert_eq!((page.len(), total, page[0].id), (10, 10_000, ids[9_990]));
    assert_eq!(store.list(Some(ItemState::Failed), None, 0, 100).await.unwrap(), (vec![], 0));
}

#[tokio::test]
async fn the_same_file_is_one_item_and_a_changed_one_is_another() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let (mut later, mut other, mut moved) = (clip(1, None), clip(1, None), clip(1, None));
    later.facts.mtime_ns += 1;
    // Another card in the same reader.
    other.volume = Volume { id: "B".to_owned(), mount: 2 };
    other.fingerprint = Some(Fingerprint { whole: 99, head: 99 });
    moved.path = "/media/card/B.mov".into();
    let added =
        store.add(vec![clip(1, None), later, clip(1, None), other, moved], Wanted::default(), MAX).await;
    let ids: Vec<_> = added.unwrap().into_iter().map(|added| (added.id.0, added.outcome)).collect();
    let waiting = |id| (id, AddOutcome::Waiting);
    let new = |id| (id, AddOutcome::New);
    assert_eq!(ids, [new(1), waiting(1), waiting(1), new(2), waiting(1)]);
    let first = one(&store, ItemId(1)).await;
    assert_eq!((first.state, first.clip.path.to_str()), (ItemState::Queued, Some("/media/card/B.mov")));
    assert_eq!(store.counters().await.unwrap().files_left, 2);
}

#[tokio::test]
async fn adding_again_revives_only_what_failed_or_was_cancelled() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let id = add_one(&store, clip(1, Some("p"))).await;
    for (to, revived) in [(ItemState::Failed, true), (ItemState::Cancelled, true), (ItemState::Done, false)] {
        store.claim("p", &[], None).await.unwrap().unwrap();
        store.save_asset(id, &asset("x", 2)).await.unwrap();
        store.finish(id, to, ItemReason::Source, "gone", at(99)).await.unwrap();
        let mut again = clip(1, Some("p"));
        again.priority = 5;
        again.facts.ino = 99;
        assert_eq!(add_one(&store, again.clone()).await, id);
        let item = one(&store, id).await;
        if revived {
            assert_eq!((item.state, item.attempts, item.reason.as_str()), (ItemState::Queued, 0, "none"));
            // Where its asset goes on, how its file looked when that was begun is what the next turn compares with.
            let facts = if item.asset_id.is_empty() { again.facts } else { clip(1, None).facts };
            assert_eq!(
                (item.asset_id.is_empty(), item.clip),
                (to == ItemState::Cancelled, Clip { facts, ..again })
            );
        } else {
            assert_eq!((item.state, item.reason.as_str(), item.sent), (ItemState::Done, "source", 1001));
        }
    }
}

#[tokio::test]
async fn what_was_begun_keeps_how_its_file_looked_whoever_sees_it_again() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let id = add_one(&store, clip(1, Some("p"))).await;
    store.claim("p", &[], None).await.unwrap().unwrap();
    store.save_asset(id, &asset("x", 2)).await.unwrap();
    store.finish(id, ItemState::Away, ItemReason::Vanished, "", at(99)).await.unwrap();
    let began = one(&store, id).await.clip;
    let (mut back, mut renamed) = (clip(1, Some("p")), clip(1, Some("p")));
    (back.volume.mount, back.facts.mtime_ns) = (7, 7);
    renamed.path = "/media/card/B.mov".into();
    assert_eq!(store.found(vec![back.clone()], 10).await.unwrap().changed, [id]);
    let item = one(&store, id).await;
    assert_eq!((item.state, &item.clip), (ItemState::Queued, &began));
    assert_eq!(store.found(vec![renamed.clone()], 10).await.unwrap().changed, [id]);
    assert_eq!(one(&store, id).await.clip, Clip { path: renamed.path.clone(), ..began.clone() });
    assert_eq!(store.asset_of(id).await.unwrap().unwrap().id, "x");
    // Its turn has compared them.
    back.path = renamed.path;
    store.take_sighting(id, &back.sighting()).await.unwrap();
    assert_eq!(one(&store, id).await.clip.sighting(), back.sighting());
}

#[tokio::test]
async fn what_lies_beside_another_has_one_row_of_its_own() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let id = add_one(&store, clip(1, Some("p"))).await;
    let mut seen = clip(1, None).sighting();
    (seen.volume, seen.facts.ino) = (Volume { id: String::new(), mount: 7 }, 9);
    let beside = store.beside(id, &seen, at(5)).await.unwrap().expect("it is new");
    let item = one(&store, beside).await;
    assert_eq!((item.state, item.clip.sighting()), (ItemState::Queued, seen.clone()));
    assert_eq!((item.clip.project_id.as_deref(), item.clip.created), (Some("p"), at(5)));
    // Wherever and whenever its card is mounted.
    (seen.volume.mount, seen.facts.dev) = (8, 8);
    assert_eq!(store.beside(id, &seen, at(6)).await.unwrap(), None);
    assert_eq!(one(&store, id).await.clip, clip(1, Some("p")));
}

#[tokio::test]
async fn an_asset_never_follows_its_item_to_another_project() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let id = add_one(&store, clip(1, Some("p"))).await;
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(id, &asset("x", 2)).await.unwrap();
    store.finish(id, ItemState::Failed, ItemReason::Source, "", at(99)).await.unwrap();
    add_one(&store, clip(1, Some("q"))).await;
    assert_eq!((store.asset_of(id).await, store.orphans().await), (Ok(None), Ok(1)));
    assert_eq!(one(&store, id).await.clip.project_id.as_deref(), Some("q"));
}

#[tokio::test]
async fn turns_go_by_priority_then_age_and_never_to_another_project() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let mut items: Vec<_> = (0..6).map(|n| clip(n, Some("p"))).collect();
    items[3].priority = 2;
    items[4].priority = -1;
    items[5].project_id = Some("q".into());
    let ids = add(&store, items, MAX).await.unwrap();
    let mut turns = Vec::new();
    while let Some(item) = store.claim("p", &[ids[1]], None).await.unwrap() {
        assert_eq!((item.state, item.attempts), (ItemState::Uploading, 1));
        turns.push(item.id);
    }
    assert_eq!(turns, [ids[3], ids[0], ids[2], ids[4]]);
    assert_eq!(
        store.claim("p", &[], None).await.unwrap().map(|item| item.id),
        Some(ids[1]),
        "no longer waiting"
    );
    assert_eq!(store.claim("r", &[], None).await.unwrap(), None);
    assert_eq!(store.claim("q", &[], None).await.unwrap().map(|item| item.id), Some(ids[5]));
}

#[tokio::test]
async fn an_item_without_a_project_belongs_to_the_first_that_comes() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let (a, b) = (add_one(&store, clip(1, None)).await, add_one(&store, clip(2, None)).await);
    assert_eq!(
        store.claim("p", &[], None).await.unwrap().and_then(|item| item.clip.project_id).as_deref(),
        Some("p")
    );
    assert_eq!(one(&store, b).await.clip.project_id.as_deref(), Some("p"));
    assert_eq!(store.save_device(&device("q")).await.unwrap(), [a, b]);
}

#[tokio::test]
async fn an_item_that_names_no_project_belongs_to_the_one_that_is_paired() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_device(&device("p")).await.unwrap();
    let id = add_one(&store, clip(1, None)).await;
    assert_eq!(one(&store, id).await.clip.project_id.as_deref(), Some("p"));
    // Revived: still of that project, so its asset is kept.
    store.claim("p", &[], None).await.unwrap().unwrap();
    store.save_asset(id, &asset("x", 2)).await.unwrap();
    store.finish(id, ItemState::Failed, ItemReason::Source, "gone", at(99)).await.unwrap();
    assert_eq!(add_one(&store, clip(1, None)).await, id);
    assert_eq!((store.asset_of(id).await, store.orphans().await), (Ok(Some(asset("x", 2))), Ok(0)));
    // Nothing of it goes to the next project.
    store.save_pairing(None, None).await.unwrap();
    store.save_tokens(&tokens(2)).await.unwrap();
    let unknown = add_one(&store, clip(2, None)).await;
    assert_eq!(one(&store, unknown).await.clip.project_id, None, "whose tokens these are is not known yet");
    assert_eq!(store.save_device(&device("q")).await.unwrap(), [id]);
    assert_eq!(store.claim("q", &[], None).await.unwrap().map(|item| item.id), Some(unknown));
}

#[tokio::test]
async fn another_pairing_holds_and_the_same_one_releases() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = add(&store, (0..4).map(|n| clip(n, (n > 0).then_some("p"))).collect(), MAX).await.unwrap();
    store.claim("p", &[], None).await.unwrap();
    store.finish(ids[0], ItemState::Done, ItemReason::None, "", at(99)).await.unwrap();
    store.claim("p", &[], None).await.unwrap();
    assert_eq!(store.save_device(&device("p")).await.unwrap(), []);
    // One is being sent, two wait; one that comes late from a caller who has not heard is held at once.
    assert_eq!(store.save_device(&device("q")).await.unwrap(), ids[1..]);
    let late = add_one(&store, clip(9, Some("p"))).await;
    let mine = add_one(&store, clip(10, Some("q"))).await;
    for id in [ids[1], ids[2], late] {
        let item = one(&store, id).await;
        assert_eq!((item.state, item.reason.as_str()), (ItemState::Held, "other-project"));
    }
    let expected = Counters { files_left: 1, bytes_left: 1010, held: 4, failed: 0, ..Counters::default() };
    assert_eq!(store.counters().await.unwrap(), expected);
    assert_eq!(store.claim("q", &[], None).await.unwrap().map(|item| item.id), Some(mine));
    assert_eq!(store.claim("q", &[], None).await.unwrap(), None);
    // Its last part was on the way when it was held: it has arrived.
    assert_eq!(
        store.finish(ids[1], ItemState::Failed, ItemReason::Refused, "", at(99)).await.unwrap().state,
        ItemState::Held
    );
    assert_eq!(
        store.finish(ids[1], ItemState::Done, ItemReason::None, "", at(99)).await.unwrap().state,
        ItemState::Done
    );
    assert_eq!(store.save_device(&device("p")).await.unwrap(), [ids[2], ids[3], mine, late].sorted());
    assert_eq!(one(&store, mine).await.state, ItemState::Held);
}

trait Sorted {
    fn sorted(self) -> Vec<ItemId>;
}
impl<const N: usize> Sorted for [ItemId; N] {
    fn sorted(mut self) -> Vec<ItemId> {
        self.sort();
        self.to_vec()
    }
}

#[tokio::test]
async fn an_upload_goes_on_from_its_parts_after_a_power_cut() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let id = add_one(&store, clip(0, Some("p"))).await;
    assert_eq!(store.save_asset(id, &asset("x", 3)).await, Err(StoreError::NotFound("item 1".into())));
    store.claim("p", &[], None).await.unwrap();
    assert_eq!(store.asset_of(id).await, Ok(None));
    store.save_asset(id, &asset("x", 3)).await.unwrap();
    for n in [2, 0, 2] {
        store.finish_part(id, "x", n, "etag", if n == 2 { 332 } else { 334 }, digest(1)).await.unwrap();
    }
    let copy = cut_power(dir.path());
    let store = ready(copy.path()).await;
    assert_eq!(store.resume_uploading().await, Ok(1));
    let item = store.claim("p", &[], None).await.unwrap().unwrap();
    assert_eq!((item.attempts, item.sent, item.asset_id.as_str()), (2, 666, "x"));
    let mut expected = asset("x", 3);
    expected.finished = vec![0, 2];
    assert_eq!(store.asset_of(id).await, Ok(Some(expected)));
    assert_eq!(store.counters().await.unwrap().bytes_left, 334);
    store.finish(id, ItemState::Queued, ItemReason::Network, "no route", at(99)).await.unwrap();
    assert!(store.asset_of(id).await.unwrap().is_some());
    store.claim("p", &[], None).await.unwrap();
    store.finish_part(id, "x", 1, "etag", 334, digest(1)).await.unwrap();
    let done = store.finish(id, ItemState::Done, ItemReason::None, "", at(99)).await.unwrap();
    assert_eq!((done.sent, done.asset_id.as_str()), (1000, "x"));
    assert_eq!((store.asset_of(id).await, store.orphans().await), (Ok(None), Ok(0)));
    let rest: u32 = raw(copy.path())
        .query_row("SELECT (SELECT count(*) FROM part) + (SELECT count(*) FROM sealed)", [], |r| r.get(0))
        .unwrap();
    assert_eq!(rest, 1, "only the key-check");
}

#[tokio::test]
async fn late_news_of_a_former_asset_does_not_count() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let id = add_one(&store, clip(0, Some("p"))).await;
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(id, &asset("old", 2)).await.unwrap();
    store.finish_part(id, "old", 0, "e", 500, digest(1)).await.unwrap();
    assert_eq!(store.drop_asset(id).await, Ok(true));
    assert_eq!(store.drop_asset(id).await, Ok(false));
    assert_eq!(store.counters().await.unwrap().bytes_left, 1000);
    store.save_asset(id, &asset("new", 2)).await.unwrap();
    assert!(matches!(
        store.finish_part(id, "old", 1, "e", 500, digest(1)).await,
        Err(StoreError::NotFound(_))
    ));
    assert!(matches!(
        store.finish_part(id, "new", 2, "e", 500, digest(1)).await,
        Err(StoreError::NotFound(_))
    ));
    store.save_asset(id, &asset("newer", 2)).await.unwrap();
    assert_eq!((store.counters().await.unwrap().bytes_left, store.orphans().await), (1000, Ok(2)));
    assert!(matches!(store.drop_asset(ItemId(77)).await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn cancel_and_retry_change_all_or_nothing() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = add(&store, (0..4).map(|n| clip(n, Some("p"))).collect(), MAX).await.unwrap();
    for id in &ids[..2] {
        store.claim("p", &[], None).await.unwrap();
        store.save_asset(*id, &asset("x", 2)).await.unwrap();
    }
    store.finish(ids[0], ItemState::Done, ItemReason::None, "", at(99)).await.unwrap();
    assert_eq!(store.cancel(&[ids[1], ItemId(99)]).await, Err(StoreError::NotFound("item 99".into())));
    assert_eq!(one(&store, ids[1]).await.state, ItemState::Uploading);
    let said = words(&store.cancel(&ids[..3]).await.unwrap(), &ids[..3]);
    assert_eq!(said, [Steered::Delivered, Steered::Changed, Steered::Changed]);
    assert_eq!(store.orphans().await, Ok(1));
    // The sender hears of it late.
    assert!(store.finish_part(ids[1], "x", 0, "e", 1, digest(1)).await.is_err());
    assert_eq!(
        store.finish(ids[1], ItemState::Done, ItemReason::None, "", at(99)).await.unwrap().state,
        ItemState::Cancelled
    );
    assert_eq!(
        store.finish(ids[1], ItemState::Queued, ItemReason::Refused, "", at(99)).await.unwrap().state,
        ItemState::Cancelled
    );
    assert_eq!(store.retry(&[ids[1], ItemId(99)]).await, Err(StoreError::NotFound("item 99".into())));
    store.save_device(&device("q")).await.unwrap();
    let said = words(&store.retry(&ids).await.unwrap(), &ids);
    assert_eq!(said, [Steered::Delivered, Steered::Held, Steered::Held, Steered::Held]);
    let said = words(&store.cancel(&[ids[1], ids[1]]).await.unwrap(), &[ids[1], ids[1]]);
    assert_eq!(said, [Steered::Changed, Steered::Cancelled]);
    assert_eq!(one(&store, ids[1]).await.state, ItemState::Cancelled);
    store.retry(&ids[1..2]).await.unwrap();
    assert_eq!(one(&store, ids[1]).await.state, ItemState::Held, "not its project");
    assert_eq!(store.totals().await.unwrap().held.items, 3);
}

#[tokio::test]
async fn history_makes_room_but_unsent_items_never_do() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = add(&store, (0..3).map(|n| clip(n, Some("p"))).collect(), most(3)).await.unwrap();
    for id in &ids[..2] {
        store.claim("p", &[], None).await.unwrap();
        store.finish(*id, ItemState::Done, ItemReason::None, "", at(99)).await.unwrap();
    }
    let more = add(&store, vec![clip(7, Some("p")), clip(8, Some("p"))], most(3)).await.unwrap();
    let left: Vec<_> = store.list(None, None, 0, 10).await.unwrap().0.iter().map(|item| item.id).collect();
    assert_eq!(left, [ids[2], more[0], more[1]]);
    assert_eq!(
        add(&store, vec![clip(9, None)], most(3)).await,
        Err(StoreError::LimitExceeded { limit: Limit::Items, max: 3 })
    );
    assert!(more[0] > ids[2], "ids are never used twice");
}

#[tokio::test]
async fn every_page_of_the_list_is_there_once() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = add(&store, (0..25).map(|n| clip(n, Some("p"))).collect(), MAX).await.unwrap();
    store.cancel(&ids[20..]).await.unwrap();
    for (filter, all) in
        [(None, &ids[..]), (Some(ItemState::Queued), &ids[..20]), (Some(ItemState::Done), &[])]
    {
        for limit in [1, 3, 7, 20, 100] {
            let mut seen = Vec::new();
            for offset in (0..30).step_by(limit) {
                let (page, total) = store.list(filter, None, offset, limit as u64).await.unwrap();
                assert_eq!(total, all.len() as u64, "{filter:?} {offset} {limit}");
                seen.extend(page.into_iter().map(|item| item.id));
            }
            assert_eq!(seen, all, "{filter:?} {limit}");
        }
    }
    assert_eq!(store.list(None, None, u64::MAX, u64::MAX).await.unwrap(), (vec![], 25));
    assert_eq!(store.list(None, None, 24, u64::MAX).await.unwrap().0.len(), 1);
}
