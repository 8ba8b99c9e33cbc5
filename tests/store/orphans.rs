//! Assets that were begun and will never be finished: each way to leave one behind is counted, once.
use rigpost_core::identity::rig::Parting;
use rigpost_core::queue::item::{ItemId, ItemReason, ItemState};
use rigpost_daemon::store::{Store, StoreError};
use tempfile::TempDir;

use crate::support::*;

/// A rig paired with project p, and a clip of it that has its turn.
async fn turn() -> (TempDir, Store, ItemId) {
    let dir = dir();
    let store = ready(dir.path()).await;
    store.save_device(&device("p")).await.unwrap();
    let id = add_one(&store, clip(1, None)).await;
    assert!(store.claim("p", &[], None).await.unwrap().is_some_and(|item| item.id == id));
    (dir, store, id)
}

/// The same, and an asset for it of which a part is there.
async fn begun() -> (TempDir, Store, ItemId) {
    let (dir, store, id) = turn().await;
    store.asset_asked(id, at(3)).await.unwrap();
    store.save_asset(id, &asset("x", 2)).await.unwrap();
    store.finish_part(id, "x", 0, "e", 501, digest(1)).await.unwrap();
    assert_eq!(store.orphans().await, Ok(0));
    (dir, store, id)
}

async fn fail(store: &Store, id: ItemId, reason: ItemReason) {
    store.finish(id, ItemState::Failed, reason, "why", at(99)).await.unwrap();
}

#[tokio::test]
async fn an_asset_whose_answer_was_cut_off_is_counted_at_the_next_start() {
    let (dir, store, id) = turn().await;
    store.asset_asked(id, at(3)).await.unwrap();
    assert_eq!((store.asset_of(id).await, store.orphans().await), (Ok(None), Ok(0)), "not known yet");
    let copy = cut_power(dir.path());
    let store = ready(copy.path()).await;
    assert_eq!(store.resume_uploading().await, Ok(1));
    assert_eq!((store.asset_of(id).await, store.orphans().await), (Ok(None), Ok(1)));
    assert_eq!(store.resume_uploading().await, Ok(0));
    assert_eq!(store.orphans().await, Ok(1), "once");
}

#[tokio::test]
async fn an_asset_that_is_known_is_none_after_a_power_cut() {
    let (dir, _store, id) = begun().await;
    let copy = cut_power(dir.path());
    let store = ready(copy.path()).await;
    assert_eq!(store.resume_uploading().await, Ok(1));
    assert!(store.asset_of(id).await.unwrap().is_some_and(|asset| asset.id == "x" && asset.finished == [0]));
    assert_eq!(store.orphans().await, Ok(0));
}

#[tokio::test]
async fn what_the_cloud_refused_is_none_and_what_it_never_answered_is_one() {
    let (_dir, store, id) = turn().await;
    store.asset_asked(id, at(3)).await.unwrap();
    store.asset_refused(id).await.unwrap();
    assert_eq!((store.drop_asset(id).await, store.orphans().await), (Ok(false), Ok(0)));
    store.asset_asked(id, at(4)).await.unwrap();
    assert_eq!((store.drop_asset(id).await, store.orphans().await), (Ok(true), Ok(1)));
    // Asked again before anybody could write down how the last one ended.
    store.asset_asked(id, at(5)).await.unwrap();
    store.asset_asked(id, at(6)).await.unwrap();
    store.save_asset(id, &asset("x", 2)).await.unwrap();
    assert_eq!(store.orphans().await, Ok(2));
    // A late word on a question says nothing of the asset that is there.
    store.asset_refused(id).await.unwrap();
    assert!(store.asset_of(id).await.unwrap().is_some());
}

#[tokio::test]
async fn an_item_that_loses_its_turn_while_the_cloud_answers_leaves_one() {
    // Cancelled: counted with it, and the answer that comes late is not counted again.
    let (_dir, store, id) = turn().await;
    store.asset_asked(id, at(3)).await.unwrap();
    store.cancel(&[id]).await.unwrap();
    assert_eq!(store.orphans().await, Ok(1));
    let late = store.save_asset(id, &asset("x", 2)).await;
    assert!(matches!(late, Err(StoreError::NotFound(_))), "{late:?}");
    assert_eq!((store.drop_asset(id).await, store.orphans().await), (Ok(false), Ok(1)));
    // Held for another project: counted by who gets the answer.
    let (_dir, store, id) = turn().await;
    store.asset_asked(id, at(3)).await.unwrap();
    assert_eq!(store.save_device(&device("q")).await.unwrap(), [id]);
    assert!(store.save_asset(id, &asset("x", 2)).await.is_err());
    assert_eq!((store.drop_asset(id).await, store.orphans().await), (Ok(true), Ok(1)));
    // Nothing is asked for an item that has no turn.
    assert!(matches!(store.asset_asked(id, at(4)).await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn every_way_to_give_an_asset_up_is_counted_once() {
    for way in [
        "addresses ran out",
        "asked anew",
        "cancelled",
        "file changed",
        "cleared",
        "released to another",
        "forgotten",
    ] {
        let (_dir, store, id) = begun().await;
        match way {
            "addresses ran out" => assert_eq!(store.drop_asset(id).await, Ok(true)),
            "asked anew" => {
                store.asset_asked(id, at(5)).await.unwrap();
                store.save_asset(id, &asset("y", 2)).await.unwrap();
            }
            "cancelled" => {
                store.cancel(&[id]).await.unwrap();
                assert_eq!(store.orphans().await, Ok(1));
                // Its row goes later, and is no second one.
                assert_eq!(store.clear(&[ItemState::Cancelled], &[]).await.unwrap().0, 1);
            }
            "file changed" => {
                fail(&store, id, ItemReason::Changed).await;
                assert_eq!((store.asset_of(id).await, store.orphans().await), (Ok(None), Ok(1)));
                store.retry(&[id]).await.unwrap();
            }
            "cleared" => {
                fail(&store, id, ItemReason::Unreadable).await;
                assert_eq!(store.orphans().await, Ok(0), "a retry can go on with it");
                assert_eq!(store.clear(&[ItemState::Failed], &[]).await.unwrap().0, 1);
            }
            "released to another" => {
                assert_eq!(store.save_device(&device("q")).await.unwrap(), [id]);
                assert_eq!(store.orphans().await, Ok(0), "its project may come back");
                assert_eq!(store.release(&[id]).await.unwrap(), [(id, Steered::Changed)]);
            }
            _ => drop(store.forget(&Parting::default()).await.unwrap()),
        }
        assert_eq!(store.orphans().await, Ok(1), "{way}");
        assert_eq!(store.queue_summary().await.unwrap().orphans, 1, "{way}");
    }
}

#[tokio::test]
async fn an_asset_that_goes_on_is_none() {
    for way in ["requeued", "vanished and back", "retried", "another project and back"] {
        let (_dir, store, id) = begun().await;
        match way {
            "requeued" => {
                drop(store.finish(id, ItemState::Queued, ItemReason::Network, "", at(1)).await.unwrap())
            }
            "vanished and back" => {
                fail(&store, id, ItemReason::Vanished).await;
                let back = store.found(vec![clip(1, None)], 10).await.unwrap();
                assert_eq!(back.changed, [id]);
            }
            "retried" => {
                fail(&store, id, ItemReason::Unreadable).await;
                store.retry(&[id]).await.unwrap();
            }
            _ => {
                store.save_device(&device("q")).await.unwrap();
                store.save_device(&device("p")).await.unwrap();
            }
        }
        assert!(store.claim("p", &[], None).await.unwrap().is_some_and(|item| item.id == id), "{way}");
        assert!(store.asset_of(id).await.unwrap().is_some_and(|asset| asset.finished == [0]), "{way}");
        assert_eq!(store.orphans().await, Ok(0), "{way}");
    }
}

#[tokio::test]
async fn a_finished_asset_never_becomes_one() {
    let (_dir, store, id) = begun().await;
    store.finish_part(id, "x", 1, "e", 500, digest(2)).await.unwrap();
    store.finish(id, ItemState::Done, ItemReason::None, "", at(99)).await.unwrap();
    assert_eq!(store.cancel(&[id]).await.unwrap(), [(id, Steered::Delivered)]);
    assert_eq!(store.retry(&[id]).await.unwrap(), [(id, Steered::Delivered)]);
    assert_eq!(store.drop_asset(id).await, Ok(false));
    // Its last part was confirmed, and then its project went and the pairing was forgotten.
    store.save_device(&device("q")).await.unwrap();
    store.forget(&Parting::default()).await.unwrap();
    assert_eq!(store.clear(&[ItemState::Done], &[]).await.unwrap().0, 1);
    assert_eq!(store.orphans().await, Ok(0));
}

/// The last part is confirmed, and something comes between before the item is done.
#[tokio::test]
async fn an_asset_of_which_every_part_is_there_is_none() {
    for way in ["cancelled", "file changed", "forgotten", "released to another"] {
        let (_dir, store, id) = begun().await;
        store.finish_part(id, "x", 1, "e", 500, digest(2)).await.unwrap();
        match way {
            "cancelled" => drop(store.cancel(&[id]).await.unwrap()),
            "file changed" => {
                fail(&store, id, ItemReason::Changed).await;
                let item = store.get(&[id]).await.unwrap().remove(0);
                assert_eq!(item.asset_id, "x", "a person can find it");
                assert_eq!(store.clear(&[ItemState::Failed], &[]).await.unwrap().0, 1);
            }
            "forgotten" => drop(store.forget(&Parting::default()).await.unwrap()),
            _ => {
                store.save_device(&device("q")).await.unwrap();
                store.release(&[id]).await.unwrap();
            }
        }
        assert_eq!(store.orphans().await, Ok(0), "{way}");
    }
}
