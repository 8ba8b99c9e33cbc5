//! What people do with items: other projects, order, clearing, and what they are told of what was sent.
use rigpost_core::identity::rig::Parting;
use rigpost_core::oauth::DeviceInfo;
use rigpost_core::queue::item::{Clip, Counters, Item, ItemId, ItemReason, ItemState, Receipt, file_digest};
use rigpost_daemon::store::{QueueSummary, Store, StoreError};

use crate::support::*;

async fn one(store: &Store, id: ItemId) -> Item {
    store.get(&[id]).await.unwrap().remove(0)
}

/// Claims the next item and ends its turn.
async fn end(store: &Store, project: &str, to: ItemState) -> ItemId {
    let id = store.claim(project, &[], None).await.unwrap().unwrap().id;
    store.finish(id, to, ItemReason::None, "", at(9)).await.unwrap();
    id
}

#[tokio::test]
async fn a_held_item_is_released_to_the_project_that_is_paired() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = add(&store, (0..3).map(|n| clip(n, Some("p"))).collect(), MAX).await.unwrap();
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(ids[0], &asset("x", 2)).await.unwrap();
    store.finish_part(ids[0], "x", 0, "e", 500, digest(1)).await.unwrap();
    assert_eq!(store.release(&ids).await, Err(StoreError::NotPaired));
    store.save_device(&device("q")).await.unwrap();
    assert_eq!(store.release(&[ids[1], ItemId(9)]).await, Err(StoreError::NotFound("item 9".into())));
    assert_eq!(one(&store, ids[1]).await.state, ItemState::Held, "all or none");
    let mine = add_one(&store, clip(8, None)).await;
    let three = [ids[0], ids[1], mine];
    let said = words(&store.release(&three).await.unwrap(), &three);
    assert_eq!(said, [Steered::Changed, Steered::Changed, Steered::Waiting]);
    for id in &ids[..2] {
        let item = one(&store, *id).await;
        assert_eq!((item.state, item.reason.as_str(), item.sent), (ItemState::Queued, "none", 0));
        assert_eq!((item.clip.project_id.as_deref(), item.asset_id.as_str()), (Some("q"), ""));
    }
    assert_eq!((store.asset_of(ids[0]).await, store.orphans().await), (Ok(None), Ok(1)));
    let expected =
        Counters { files_left: 3, bytes_left: 1000 + 1001 + 1008, held: 1, failed: 0, ..Counters::default() };
    assert_eq!(store.counters().await.unwrap(), expected);
    // Back to the first project: what was released is the other one's now.
    assert_eq!(store.save_device(&device("p")).await.unwrap(), [ids[0], ids[1], ids[2], mine]);
    assert_eq!(one(&store, ids[2]).await.state, ItemState::Queued);
}

#[tokio::test]
async fn a_project_keeps_its_name_as_long_as_its_clips_wait() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_device(&device("p")).await.unwrap();
    let mine = add_one(&store, clip(1, None)).await;
    let unknown = add_one(&store, clip(2, Some("a"))).await;
    assert_eq!(one(&store, mine).await.project_name, "Project p");
    let renamed = DeviceInfo { project_name: "Moonrise".to_owned(), ..device("p") };
    store.save_device(&renamed).await.unwrap();
    assert_eq!(store.queue_summary().await.unwrap().held_of, [""], "held, and nobody knows the name");
    store.erase_tokens(&Parting::default()).await.unwrap();
    store.save_device(&device("q")).await.unwrap();
    let (items, _) = store.list(Some(ItemState::Held), None, 0, 9).await.unwrap();
    let names: Vec<_> = items.iter().map(|item| item.project_name.as_str()).collect();
    assert_eq!(names, ["Moonrise", ""]);
    assert_eq!(store.queue_summary().await.unwrap().held_of, ["", "Moonrise"], "by their identifiers");
    store.release(&[unknown]).await.unwrap();
    assert_eq!(store.queue_summary().await.unwrap().held_of, ["Moonrise"]);
    assert_eq!(one(&store, unknown).await.project_name, "Project q");
    store.release(&[mine]).await.unwrap();
    assert_eq!(store.queue_summary().await.unwrap().held_of, Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_is_done_for_one_project_can_be_sent_to_the_next() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_device(&device("p")).await.unwrap();
    let (sent, held) = (add_one(&store, clip(1, None)).await, add_one(&store, clip(2, None)).await);
    end(&store, "p", ItemState::Done).await;
    assert_eq!(add_one(&store, clip(1, None)).await, sent, "the same project");
    store.save_device(&device("q")).await.unwrap();
    assert_eq!(add_one(&store, clip(1, None)).await, sent, "another project has it");
    let again = add_here(&store, clip(1, None)).await;
    assert!(again > held);
    assert_eq!(one(&store, again).await.clip.project_id.as_deref(), Some("q"));
    assert_eq!(add_one(&store, clip(1, None)).await, again);
    assert_eq!(one(&store, sent).await.state, ItemState::Done);
    // Adding a whole card again releases nothing.
    assert_eq!(add_one(&store, clip(2, None)).await, held);
    assert_eq!(one(&store, held).await.state, ItemState::Held);
    assert_eq!(end(&store, "q", ItemState::Done).await, again);
    assert_eq!(store.totals().await.unwrap().done.items, 2);
}

#[tokio::test]
async fn a_file_goes_to_a_project_once_whichever_way_it_gets_there() {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_device(&device("p")).await.unwrap();
    let first = add_one(&store, clip(1, None)).await;
    end(&store, "p", ItemState::Done).await;
    // Held for the next project, then released to the one that has it.
    store.save_device(&device("q")).await.unwrap();
    let second = add_here(&store, clip(1, None)).await;
    assert_ne!(first, second);
    store.save_device(&device("p")).await.unwrap();
    assert_eq!(store.release(&[second]).await.unwrap(), [(second, Steered::Duplicate)]);
    let item = one(&store, second).await;
    assert_eq!((item.state, item.reason.as_str()), (ItemState::Cancelled, "duplicate"));
    assert_eq!(item.clip.project_id.as_deref(), Some("q"));
    // Asked for while nobody knew whose it would be.
    store.erase_tokens(&Parting::default()).await.unwrap();
    let third = add_one(&store, clip(1, None)).await;
    assert_eq!(third, second, "what was given up is tried again");
    assert_eq!(one(&store, third).await.state, ItemState::Queued);
    assert_eq!(store.save_device(&device("p")).await.unwrap(), [third]);
    assert_eq!(one(&store, third).await.reason, ItemReason::Duplicate);
    assert_eq!(store.claim("p", &[], None).await.unwrap(), None);
    store.retry(&[third]).await.unwrap();
    assert_eq!(store.claim("p", &[], None).await.unwrap(), None, "nor by trying again");
    // The next project has not got it.
    store.erase_tokens(&Parting::default()).await.unwrap();
    store.retry(&[third]).await.unwrap();
    store.save_device(&device("r")).await.unwrap();
    assert_eq!(end(&store, "r", ItemState::Done).await, third);
}

#[tokio::test]
async fn only_what_is_more_urgent_interrupts() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let mut items: Vec<_> = (0..3).map(|n| clip(n, Some("p"))).collect();
    items[1].priority = 5;
    items[2].priority = i32::MIN;
    let ids = add(&store, items, MAX).await.unwrap();
    assert_eq!(store.claim("p", &[], Some(5)).await, Ok(None), "not of the same priority");
    assert_eq!(store.claim("p", &[], Some(4)).await.unwrap().map(|item| item.id), Some(ids[1]));
    assert_eq!(store.claim("p", &[ids[0]], Some(i32::MIN)).await, Ok(None));
    assert_eq!(store.claim("p", &[ids[0]], None).await.unwrap().map(|item| item.id), Some(ids[2]));
}

#[tokio::test]
async fn a_new_priority_changes_whose_turn_is_next() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = add(&store, (0..4).map(|n| clip(n, Some("p"))).collect(), MAX).await.unwrap();
    let done = end(&store, "p", ItemState::Done).await;
    let refused = store.set_priority(&[ids[3], ItemId(9)], 7).await;
    assert_eq!(refused, Err(StoreError::NotFound("item 9".into())));
    let said = words(&store.set_priority(&[done, ids[3]], 7).await.unwrap(), &[done, ids[3]]);
    assert_eq!(said, [Steered::Delivered, Steered::Changed]);
    assert_eq!(store.set_priority(&[ids[3]], 7).await.unwrap(), [(ids[3], Steered::SamePriority)]);
    assert_eq!(store.claim("p", &[], None).await.unwrap().map(|item| item.id), Some(ids[3]));
    store.finish(ids[3], ItemState::Queued, ItemReason::None, "", at(99)).await.unwrap();
    store.set_priority(&[ids[3]], -1).await.unwrap();
    assert_eq!(store.claim("p", &[], None).await.unwrap().map(|item| item.id), Some(ids[1]));
}

#[tokio::test]
async fn clearing_takes_what_is_over_and_nothing_else() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = add(&store, (0..7).map(|n| clip(n, Some("p"))).collect(), MAX).await.unwrap();
    let done = end(&store, "p", ItemState::Done).await;
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(ids[1], &asset("x", 2)).await.unwrap();
    store.finish(ids[1], ItemState::Failed, ItemReason::Refused, "", at(9)).await.unwrap();
    store.cancel(&ids[2..4]).await.unwrap();
    assert_eq!(store.claim("p", &[], None).await.unwrap().map(|item| item.id), Some(ids[4]));
    for state in [ItemState::Queued, ItemState::Uploading, ItemState::Held] {
        let refused = store.clear(&[ItemState::Done, state], &[]).await.unwrap_err();
        assert!(refused.to_string().contains(state.as_str()), "{refused}");
    }
    assert_eq!(store.clear(&[], &[done, ItemId(99)]).await, Err(StoreError::NotFound("item 99".into())));
    assert_eq!(store.totals().await.unwrap().all(), 7, "nothing went");
    let some = [ids[4], ids[2], ids[5], ids[2]];
    let (count, found) = store.clear(&[ItemState::Done], &some).await.unwrap();
    let said = [Steered::Sending, Steered::Changed, Steered::Waiting, Steered::Changed];
    assert_eq!((count, words(&found, &some)), (2, said.to_vec()), "one of them twice, and what is done");
    assert_eq!(store.receipt(done).await, Err(StoreError::NotFound("item 1".into())));
    assert_eq!(store.clear(&[ItemState::Failed, ItemState::Cancelled], &[]).await.unwrap().0, 2);
    assert_eq!(store.orphans().await, Ok(1), "the asset of the one that failed");
    assert_eq!(store.clear(&[ItemState::Failed, ItemState::Cancelled], &[]).await.unwrap().0, 0);
    let left: Vec<_> = store.list(None, None, 0, 9).await.unwrap().0.iter().map(|item| item.id).collect();
    assert_eq!(left, ids[4..]);
}

#[tokio::test]
async fn clearing_gives_the_room_back() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let long = "x".repeat(300);
    let items = (0..5000).map(|n| Clip { name: long.clone(), ..clip(n, Some("p")) }).collect();
    let ids = add(&store, items, MAX).await.unwrap();
    let pages =
        |dir: &std::path::Path| raw(dir).query_row("PRAGMA page_count", [], |r| r.get::<_, u32>(0)).unwrap();
    let full = pages(dir.path());
    store.cancel(&ids[50..]).await.unwrap();
    assert_eq!(store.clear(&[ItemState::Cancelled], &[]).await.unwrap().0, 4950);
    let cleared = pages(dir.path());
    assert!(full > 600 && cleared < 300, "{full} pages, then {cleared}");
    assert_eq!(store.verify().await, Ok(()));
    assert_eq!(store.totals().await.unwrap().all(), 50);
}

#[tokio::test]
async fn what_is_done_has_a_receipt() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = add(&store, (0..4).map(|n| clip(n, Some("p"))).collect(), MAX).await.unwrap();
    assert_eq!(store.receipt(ids[0]).await, Ok(None), "not done");
    // Three parts, the second confirmed before a power cut and the first twice.
    let id = store.claim("p", &[], None).await.unwrap().unwrap().id;
    store.save_asset(id, &asset("x", 3)).await.unwrap();
    store.finish_part(id, "x", 1, "e", 334, digest(22)).await.unwrap();
    let copy = cut_power(dir.path());
    let store = ready(copy.path()).await;
    store.resume_uploading().await.unwrap();
    store.claim("p", &[], None).await.unwrap();
    for (n, xxh64) in [(2, u64::MAX), (0, 11), (0, 12)] {
        store.finish_part(id, "x", n, "e", 334, digest(xxh64)).await.unwrap();
    }
    let item = store.finish(id, ItemState::Done, ItemReason::None, "", at(77)).await.unwrap();
    let parts = vec![11, 22, u64::MAX];
    let digest_of_all = Some(file_digest(&parts));
    let expected = Receipt {
        item,
        delivered: at(77),
        chunk_size: 334,
        parts,
        digest: digest_of_all,
        vouched: String::new(),
    };
    assert_eq!(store.receipt(id).await, Ok(Some(expected.clone())));
    // Told again, later: the delivery stays when it was.
    store.finish(id, ItemState::Done, ItemReason::None, "", at(99)).await.unwrap();
    assert_eq!(store.receipt(id).await, Ok(Some(expected)));
    // More URLs than parts: five bytes in four.
    let small = Clip {
        facts: rigpost_core::queue::item::FileFacts { size: 5, ..clip(9, None).facts },
        priority: 1,
        ..clip(9, Some("p"))
    };
    let id = add_one(&store, small).await;
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(id, &asset("y", 4)).await.unwrap();
    for n in 0..3 {
        store.finish_part(id, "y", n, "e", 2, digest(n.into())).await.unwrap();
    }
    store.finish(id, ItemState::Done, ItemReason::None, "", at(78)).await.unwrap();
    let receipt = store.receipt(id).await.unwrap().unwrap();
    assert_eq!((receipt.chunk_size, receipt.parts), (2, vec![0, 1, 2]));
}

#[tokio::test]
async fn a_receipt_invents_no_digest() {
    let dir = dir();
    let store = ready(dir.path()).await;
    let ids = add(&store, (0..3).map(|n| clip(n, Some("p"))).collect(), MAX).await.unwrap();
    for (id, known) in ids.iter().zip([&[0][..], &[0, 1], &[]]) {
        store.claim("p", &[], None).await.unwrap();
        if !known.is_empty() {
            store.save_asset(*id, &asset("x", 2)).await.unwrap();
        }
        for n in known {
            let digest = if *n == 0 { digest(7) } else { None };
            store.finish_part(*id, "x", *n, "e", 500, digest).await.unwrap();
        }
        store.finish(*id, ItemState::Done, ItemReason::None, "", at(77)).await.unwrap();
        let receipt = store.receipt(*id).await.unwrap().unwrap();
        assert_eq!((receipt.digest, receipt.parts, receipt.delivered), (None, vec![], at(77)), "{known:?}");
    }
}

#[tokio::test]
async fn the_wishes_that_last_are_seen_at_a_glance() {
    let dir = dir();
    let store = ready(dir.path()).await;
    assert_eq!(store.queue_summary().await.unwrap(), QueueSummary::default());
    store.set_bandwidth_limit(u64::MAX).await.unwrap();
    store.set_bandwidth_limit(250_000).await.unwrap();
    store.set_paused(true).await.unwrap();
    let id = add_one(&store, clip(0, Some("p"))).await;
    store.claim("p", &[], None).await.unwrap();
    store.save_asset(id, &asset("x", 2)).await.unwrap();
    store.drop_asset(id).await.unwrap();
    drop(store);
    let store = ready(dir.path()).await;
    let counters = Counters { files_left: 1, bytes_left: 1000, held: 0, failed: 0, ..Counters::default() };
    let expected =
        QueueSummary { counters, paused: true, bandwidth_limit: 250_000, orphans: 1, held_of: vec![] };
    assert_eq!(store.queue_summary().await.unwrap(), expected);
}
