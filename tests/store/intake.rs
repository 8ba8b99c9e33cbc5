//! How files come in: bounds, media sources, and clips that are older than the pairing.
use std::time::Duration;

use rigpost_core::identity::rig::Parting;
use rigpost_core::queue::evidence::Fingerprint;
use rigpost_core::queue::item::{BeforePairing, Clip, Item, ItemId, ItemReason, ItemState};
use rigpost_core::queue::ledger::BootWall;
use rigpost_core::time::{BootId, BootTime, Now, WallTime};
use rigpost_daemon::store::{Discovery, Limit, Limits, Store, StoreError};

use crate::support::*;

async fn one(store: &Store, id: ItemId) -> Item {
    store.get(&[id]).await.unwrap().remove(0)
}

fn of_user(n: u64, uid: u32) -> Clip {
    Clip { uid, ..clip(n, Some("p")) }
}

/// As a source finds it.
fn seen(n: u64) -> Clip {
    Clip { source: Some("card".into()), class: "proxy".into(), ..clip(n, None) }
}

async fn find(store: &Store, items: Vec<Clip>) -> Discovery {
    store.found(items, 100).await.unwrap()
}

fn known(n: u64) -> Discovery {
    Discovery { known: n, ..Discovery::default() }
}

#[tokio::test]
async fn no_user_but_root_may_fill_the_queue() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let limits = Limits { max_items: 7, max_per_user: 2 };
    let full = |limit, max| Err(StoreError::LimitExceeded { limit, max });
    let mine = add(&store, vec![of_user(1, 1000), of_user(2, 1000)], limits).await.unwrap();
    assert_eq!(add(&store, vec![of_user(3, 1000)], limits).await, full(Limit::PerUser, 2));
    assert_eq!(add(&store, vec![of_user(2, 1000)], limits).await.unwrap(), mine[1..], "accepted already");
    assert_eq!(
        add(&store, vec![of_user(3, 1001), of_user(4, 1000)], limits).await,
        full(Limit::PerUser, 2),
        "all or none"
    );
    let other = add(&store, vec![of_user(3, 1001)], limits).await.unwrap();
    add(&store, (4..8).map(|n| of_user(n, 0)).collect(), limits).await.unwrap();
    assert_eq!(add(&store, vec![of_user(9, 1001)], limits).await, full(Limit::Items, 7));
    // What is sent, taken off or cleared makes room; what failed does not.
    store.cancel(&mine).await.unwrap();
    store.clear(&[], &mine[..1]).await.unwrap();
    let wide = Limits { max_items: 100, ..limits };
    add(&store, vec![of_user(10, 1000), of_user(11, 1000)], wide).await.unwrap();
    assert_eq!(add(&store, vec![of_user(2, 1000)], wide).await, full(Limit::PerUser, 2), "revived");
    assert_eq!(one(&store, mine[1]).await.state, ItemState::Cancelled);
    let failed = store.claim("p", &[mine[0], mine[1]], None).await.unwrap().unwrap();
    assert_eq!(failed.id, other[0]);
    store.finish(failed.id, ItemState::Failed, ItemReason::Refused, "", at(9)).await.unwrap();
    add(&store, vec![of_user(12, 1001)], wide).await.unwrap();
    assert_eq!(add(&store, vec![of_user(13, 1001)], wide).await, full(Limit::PerUser, 2));
    let text = add(&store, vec![of_user(13, 1001)], wide).await.unwrap_err().to_string();
    assert_eq!(text, "this user's share of the queue is full: at most 2 items that are not sent");
}

#[tokio::test]
async fn a_source_brings_a_file_once_and_changes_nothing_that_is_there() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_device(&device("p")).await.unwrap();
    let all = || (0..4).map(seen).collect::<Vec<_>>();
    let found = find(&store, all()).await;
    let ids = found.added.clone();
    assert_eq!(found, Discovery { added: ids.clone(), ..Discovery::default() });
    assert_eq!(one(&store, ids[1]).await.clip, Clip { project_id: Some("p".into()), ..seen(1) });
    for (to, n) in [(ItemState::Done, 0), (ItemState::Failed, 1), (ItemState::Cancelled, 2)] {
        assert_eq!(store.claim("p", &[], None).await.unwrap().map(|item| item.id), Some(ids[n]));
        store.finish(ids[n], to, ItemReason::Refused, "", at(9)).await.unwrap();
    }
    let before = store.list(None, None, 0, 10).await.unwrap();
    assert_eq!(find(&store, all()).await, known(4));
    assert_eq!(store.list(None, None, 0, 10).await.unwrap(), before);
    // Another project: the card that was sent to the former one is not news.
    store.save_device(&device("q")).await.unwrap();
    assert_eq!(find(&store, all()).await, known(4));
}

#[tokio::test]
async fn a_scan_that_finds_nothing_new_writes_nothing() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let asked = add_one(&store, clip(7, Some("p"))).await;
    find(&store, vec![seen(1), seen(7)]).await;
    // As a power cut would leave them: readers leave traces in the shared memory.
    let before = contents(cut_power(dir.path()).path());
    assert_eq!(find(&store, vec![seen(1), seen(7)]).await, known(2));
    assert!(contents(cut_power(dir.path()).path()) == before, "the files changed");
    assert_eq!(one(&store, asked).await.clip.source, None, "still somebody's wish");
}

#[tokio::test]
async fn what_a_source_found_is_known_after_its_row_is_gone() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = find(&store, vec![seen(1), seen(2), seen(3)]).await.added;
    // Somebody asked for it before the source came by: the source has seen it all the same.
    let mine = add_one(&store, clip(4, Some("p"))).await;
    find(&store, vec![seen(4)]).await;
    let unseen = add_one(&store, clip(5, Some("p"))).await;
    store.cancel(&[ids[0], ids[1], mine, unseen]).await.unwrap();
    assert_eq!(store.clear(&[], &[ids[0], mine, unseen]).await.unwrap().0, 3);
    // Pruned, because the queue would outgrow its limit.
    add(&store, vec![clip(20, None), clip(21, None)], most(3)).await.unwrap();
    assert_eq!(store.get(&[ids[1]]).await.unwrap(), []);
    let copy = cut_power(dir.path());
    let store = ready(copy.path()).await;
    let again = find(&store, (1..=5).map(seen).collect()).await;
    assert_eq!((again.known, again.added.len()), (4, 1), "only what no source had seen is news");
    // A person may want it again, and then it is a clip like others.
    let again = add_one(&store, clip(1, None)).await;
    assert_eq!(one(&store, again).await.state, ItemState::Queued);
}

#[tokio::test]
async fn the_oldest_of_too_many_are_forgotten() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = find(&store, vec![seen(1), seen(2)]).await.added;
    store.cancel(&ids).await.unwrap();
    store.clear(&[], &ids[..1]).await.unwrap();
    // As if a million had come since.
    raw(dir.path()).execute("INSERT INTO remembered (n, hash) VALUES (1000000, 5)", []).unwrap();
    store.clear(&[], &ids[1..]).await.unwrap();
    assert_eq!(find(&store, vec![seen(1), seen(2)]).await.known, 1);
}

#[tokio::test]
async fn a_source_fills_the_queue_and_says_what_is_left_out() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let found = store.found((0..5).map(seen).collect(), 3).await.unwrap();
    assert_eq!((found.added.len(), found.left_out), (3, 2));
    store.cancel(&found.added[..1]).await.unwrap();
    let found = store.found((0..5).map(seen).collect(), 3).await.unwrap();
    assert_eq!((found.added.len(), found.known, found.left_out), (1, 3, 1));
}

#[tokio::test]
async fn a_file_that_was_renamed_is_followed_while_it_waits() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let temporary = Clip {
        path: "/media/card/A0001.mov.part".into(),
        name: "A0001.mov.part".into(),
        filetype: "application/octet-stream".into(),
        class: "other".into(),
        ..seen(1)
    };
    let id = find(&store, vec![temporary.clone()]).await.added[0];
    let followed = Discovery { changed: vec![id], known: 1, ..Discovery::default() };
    assert_eq!(find(&store, vec![Clip { priority: 9, ..seen(1) }]).await, followed);
    assert_eq!(one(&store, id).await.clip, Clip { priority: 9, ..seen(1) });
    assert_eq!(find(&store, vec![seen(1)]).await, known(1), "under its new name");
    // A name that a person chose stays, and so does what the cloud has been told.
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(id, &asset("x", 2)).await.unwrap();
    assert_eq!(find(&store, vec![temporary.clone()]).await, followed);
    let item = one(&store, id).await;
    assert_eq!((item.clip.path, item.clip.name.as_str()), (temporary.path.clone(), "A0001.mov"));
    let mine = add_one(&store, Clip { name: "Hero shot.mov".into(), ..clip(2, None) }).await;
    let moved = Clip { path: "/media/card/B/A0002.mov".into(), ..seen(2) };
    assert_eq!(find(&store, vec![moved]).await.changed, [mine]);
    assert_eq!(one(&store, mine).await.clip.name, "Hero shot.mov");
    // What failed because nobody found it under its former name goes on under the new one.
    store.finish(id, ItemState::Failed, ItemReason::Vanished, "", at(9)).await.unwrap();
    assert_eq!(find(&store, vec![seen(1)]).await, followed);
    assert_eq!(one(&store, id).await.state, ItemState::Queued);
    // What is over is followed too, and stays so.
    store.finish(id, ItemState::Done, ItemReason::None, "", at(9)).await.unwrap();
    assert_eq!(find(&store, vec![temporary.clone()]).await, followed);
    let item = one(&store, id).await;
    assert_eq!((item.state, item.clip.path), (ItemState::Done, temporary.path));
}

#[tokio::test]
async fn a_file_that_was_gone_and_is_back_goes_on() {
    for (reason, back) in [
        (ItemReason::Vanished, true),
        (ItemReason::Unreadable, true),
        (ItemReason::Refused, false),
        (ItemReason::Changed, false),
    ] {
        let dir = dir();
        let store = ready(dir.path()).await;
        let id = find(&store, vec![seen(1)]).await.added[0];
        store.claim("p", &[], None).await.unwrap();
        store.save_asset(id, &asset("x", 2)).await.unwrap();
        store.finish_part(id, "x", 0, "e", 500, None).await.unwrap();
        store.finish(id, ItemState::Failed, reason, "why", at(9)).await.unwrap();
        let again = find(&store, vec![seen(1)]).await;
        let item = one(&store, id).await;
        if back {
            assert_eq!(again, Discovery { changed: vec![id], known: 1, ..Discovery::default() }, "{reason}");
            assert_eq!(
                (item.state, item.reason.as_str(), item.detail.as_str()),
                (ItemState::Queued, "none", "")
            );
            assert_eq!((item.sent, item.asset_id.as_str()), (500, "x"), "with what has arrived");
        } else {
            assert_eq!(again, known(1), "{reason}");
            assert_eq!(item.state, ItemState::Failed, "{reason}");
        }
    }
}

#[tokio::test]
async fn another_inode_or_other_bytes_are_another_file() {
    let dir = dir();
    let store = ready(dir.path()).await;
    find(&store, vec![seen(1)]).await;
    let base = Clip { path: "/media/card/B.mov".into(), ..seen(1) };
    let change: [fn(&mut Clip); 4] = [
        |c| c.facts.ino += 1,
        |c| c.facts.size += 1,
        |c| c.fingerprint = Some(Fingerprint { whole: 99, head: 1 }),
        |c| c.facts.ino = 0,
    ];
    for (n, change) in change.into_iter().enumerate() {
        let mut other = base.clone();
        other.path = format!("/media/card/B{n}.mov").into();
        change(&mut other);
        assert_eq!(find(&store, vec![other]).await.added.len(), 1, "{n}");
    }
}

fn bigger(n: u64, by: u64) -> Clip {
    let mut item = seen(n);
    item.facts.size += by;
    item.facts.mtime_ns += by as i64;
    item.fingerprint = Some(Fingerprint { whole: 10_000 * by + n, head: n });
    item.created = at(500 + by);
    item
}

#[tokio::test]
async fn a_file_that_grows_is_one_item_until_it_has_an_asset() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let id = find(&store, vec![seen(1)]).await.added[0];
    let settled = Clip { settled: true, ..bigger(1, 5) };
    assert_eq!(find(&store, vec![settled.clone()]).await.changed, [id]);
    assert_eq!(one(&store, id).await.clip, settled);
    assert_eq!(store.counters().await.unwrap().bytes_left, 1006);
    store.claim("p", &[], None).await.unwrap();
    // Its turn finds out what happens to the file meanwhile.
    assert_eq!(find(&store, vec![bigger(1, 6)]).await, Discovery { known: 1, ..Discovery::default() });
    let newest = bigger(1, 6);
    store.rewritten(id, &newest.sighting(), newest.created).await.unwrap();
    let item = one(&store, id).await;
    assert_eq!(
        (item.state, item.clip.sighting(), item.clip.created),
        (ItemState::Uploading, newest.sighting(), at(506))
    );
    assert_eq!(item.clip.version_of, "", "nothing had left");
    let nobody = store.rewritten(ItemId(99), &newest.sighting(), at(1)).await;
    assert_eq!(nobody, Err(StoreError::NotFound("item 99".into())));
    store.finish(id, ItemState::Cancelled, ItemReason::None, "", at(9)).await.unwrap();
    store.rewritten(id, &bigger(1, 8).sighting(), at(1)).await.unwrap();
    assert_eq!(one(&store, id).await.clip.sighting(), newest.sighting(), "it is over");
}

#[tokio::test]
async fn what_grows_after_its_asset_was_made_is_a_new_version_of_it() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let id = find(&store, vec![seen(1)]).await.added[0];
    store.save_device(&device("p")).await.unwrap();
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(id, &asset("x", 2)).await.unwrap();
    store.finish_part(id, "x", 0, "e", 500, digest(1)).await.unwrap();
    let grown = bigger(1, 6);
    store.rewritten(id, &grown.sighting(), grown.created).await.unwrap();
    let item = one(&store, id).await;
    assert_eq!((item.clip.version_of.as_str(), item.asset_id.as_str(), item.sent), ("x", "", 0));
    assert_eq!((store.orphans().await, store.asset_of(id).await), (Ok(1), Ok(None)));
    store.save_asset(id, &asset("y", 1)).await.unwrap();
    store.finish_part(id, "y", 0, "e", item.clip.facts.size, digest(1)).await.unwrap();
    store.finish(id, ItemState::Done, ItemReason::None, "", at(9)).await.unwrap();
    // The recorder comes back to what was delivered.
    let more = find(&store, vec![bigger(1, 9)]).await.added[0];
    assert_eq!(one(&store, more).await.clip.version_of, "y");
    // And to what waits with an asset.
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(more, &asset("z", 1)).await.unwrap();
    store.finish(more, ItemState::Queued, ItemReason::Network, "", at(9)).await.unwrap();
    assert_eq!(find(&store, vec![bigger(1, 11)]).await.changed, [more]);
    let item = one(&store, more).await;
    assert_eq!((item.clip.version_of.as_str(), item.asset_id.as_str()), ("z", ""));
}

#[tokio::test]
async fn settling_is_remembered() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let id = add_one(&store, clip(1, None)).await;
    assert!(!one(&store, id).await.clip.settled);
    store.settle(id).await.unwrap();
    assert!(one(&store, id).await.clip.settled);
    assert_eq!(store.settle(ItemId(9)).await, Err(StoreError::NotFound("item 9".into())));
}

// -- before the pairing

const DAY: i64 = 86_400;
const TRUE: i64 = 1_790_000_000;

fn moment(boot: u128, secs: u64, wall: i64) -> Now {
    Now { boot_id: BootId(boot), boot: BootTime(Duration::from_secs(secs)), wall: WallTime(wall) }
}

/// Paired with `project`, by a grant of this moment.
async fn pair(store: &Store, project: &str, at: Now) -> Vec<ItemId> {
    store.save_pairing(None, None).await.unwrap();
    store.save_tokens(&rigpost_core::oauth::TokenSet { obtained: at, ..tokens(1) }).await.unwrap();
    store.save_device(&device(project)).await.unwrap()
}

fn made(n: u64, created: Now, added: Now, before_pairing: BeforePairing) -> Clip {
    Clip { created, added, before_pairing, ..seen(n) }
}

#[tokio::test]
async fn what_waits_for_a_pairing_follows_its_policy_when_it_comes() {
    use BeforePairing::*;

    let dir = dir();
    let store = ready(dir.path()).await;
    let now = moment(1, 60, TRUE);
    let ids = find(&store, [Queue, Ask, Ignore].map(|p| made(p as u64, now, now, p)).to_vec()).await.added;
    assert_eq!(pair(&store, "p", moment(1, 100, TRUE)).await, ids[1..]);
    let places = |items: Vec<Item>| -> Vec<_> {
        items.into_iter().map(|i| (i.state, i.reason, i.clip.project_id.unwrap_or_default())).collect()
    };
    let (p, none, before) = (|| "p".to_owned(), || ItemReason::None, || ItemReason::BeforePairing);
    let expected = vec![
        (ItemState::Queued, none(), p()),
        (ItemState::Held, before(), p()),
        (ItemState::Cancelled, before(), p()),
    ];
    assert_eq!(places(store.get(&ids).await.unwrap()), expected);
    // Only a person frees what waits for one.
    store.save_device(&device("p")).await.unwrap();
    pair(&store, "q", moment(1, 200, TRUE)).await;
    assert_eq!(pair(&store, "p", moment(1, 300, TRUE)).await, [ids[0]]);
    assert_eq!(places(store.get(&ids).await.unwrap()), expected);
    assert_eq!(words(&store.release(&ids[1..2]).await.unwrap(), &ids[1..2]), [Steered::Changed]);
    store.retry(&ids[2..]).await.unwrap();
    assert!(store.get(&ids).await.unwrap().iter().all(|item| item.state == ItemState::Queued));
}

#[tokio::test]
async fn forgetting_and_pairing_again_frees_nothing_that_waits_for_a_person() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let now = moment(1, 60, TRUE);
    let held = find(&store, vec![made(1, now, now, BeforePairing::Ask)]).await.added[0];
    pair(&store, "p", moment(1, 100, TRUE)).await;
    store.forget(&Parting::default()).await.unwrap();
    store.identity(None, &cloud()).await.unwrap();
    pair(&store, "p", moment(1, 200, TRUE)).await;
    let item = one(&store, held).await;
    assert_eq!((item.state, item.reason.as_str()), (ItemState::Held, "before-pairing"));
}

#[tokio::test]
async fn a_clip_is_older_than_the_pairing_by_the_ledger_of_boots() {
    // The rig of boot 2 was paired 100 s after its start, and knows the time. It is boot 2 or 3 now.
    let paired = moment(2, 100, TRUE);
    let (later, next) = (moment(2, 5000, TRUE + 4900), moment(3, 50, TRUE + DAY));
    let unset = moment(3, 50, 50);
    let rows = [
        ("same boot, before", moment(2, 98, TRUE + DAY), later, true),
        ("same boot, after, by a clock that jumped", moment(2, 101, 5), later, false),
        ("same boot, seen from the next", moment(2, 98, TRUE), next, true),
        ("same boot, after, seen from the next", moment(2, 101, 5), next, false),
        ("the boot before", moment(1, 99, TRUE - DAY), later, true),
        ("the boot before, without a clock", moment(1, 99, 99), later, true),
        ("the boot before, dated later", moment(9, 99, 99), later, true),
        ("a file's time alone, before", moment(0, 0, TRUE - 1), later, true),
        ("a file's time alone, after", moment(0, 0, TRUE + 5), next, false),
        ("this boot, when the pairing was in the last", moment(3, 10, 10), next, false),
        ("nobody knows", moment(7, 99, 99), unset, false),
    ];
    for (what, created, now, before) in rows {
        let dir = dir();
        let store = ready(dir.path()).await;
        pair(&store, "p", paired).await;
        store.note_boot(BootId(9), BootWall(TRUE - 2 * DAY)).await.unwrap();
        // Saying again whom the rig serves is no new pairing.
        store.save_tokens(&rigpost_core::oauth::TokenSet { obtained: now, ..tokens(2) }).await.unwrap();
        store.save_device(&device("p")).await.unwrap();
        let ask = find(&store, vec![made(1, created, now, BeforePairing::Ask)]).await.added[0];
        let (held, why) =
            if before { (ItemState::Held, "before-pairing") } else { (ItemState::Queued, "none") };
        let item = one(&store, ask).await;
        assert_eq!((item.state, item.reason.as_str()), (held, why), "{what}");
        let ignore = add_one(&store, made(2, created, now, BeforePairing::Ignore)).await;
        let cancelled = if before { ItemState::Cancelled } else { ItemState::Queued };
        assert_eq!(one(&store, ignore).await.state, cancelled, "{what}");
        let queue = add_one(&store, made(3, created, now, BeforePairing::Queue)).await;
        assert_eq!(one(&store, queue).await.state, ItemState::Queued, "{what}");
    }
}

#[tokio::test]
async fn boots_are_kept_while_a_clip_of_theirs_may_be_sent() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let now = moment(1, 1, TRUE);
    let ids: Vec<_> = [made(1, now, now, BeforePairing::Queue), clip(2, None)].to_vec();
    let ids = add(&store, ids, MAX).await.unwrap();
    assert_eq!(store.boot_wall(BootId(1)).await, Ok(None));
    for boot in 1..1000 {
        store.note_boot(BootId(boot), BootWall(boot as i64)).await.unwrap();
    }
    store.note_boot(BootId(999), BootWall(-5)).await.unwrap();
    assert_eq!(store.boot_wall(BootId(999)).await, Ok(Some(BootWall(-5))), "as it was told last");
    assert_eq!(store.boot_wall(BootId(1)).await, Ok(Some(BootWall(1))));
    assert_eq!(store.boot_wall(BootId(2)).await, Ok(None));
    let boots = |dir: &std::path::Path| {
        raw(dir).query_row("SELECT count(*) FROM boot", [], |r| r.get::<_, u32>(0)).unwrap()
    };
    assert!(boots(dir.path()) <= 257, "{} boots", boots(dir.path()));
    store.claim("p", &ids[1..], None).await.unwrap();
    store.finish(ids[0], ItemState::Done, ItemReason::None, "", at(9)).await.unwrap();
    for boot in 1000..1300 {
        store.note_boot(BootId(boot), BootWall(0)).await.unwrap();
    }
    assert_eq!(store.boot_wall(BootId(1)).await, Ok(None));
}
