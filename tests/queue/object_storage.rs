//! The daemon against real object storage: signatures, headers and expiry are judged by s3s, which is not ours.
use rigpost_sim::{Endpoint, Event, EventKind};
use sha2::{Digest as _, Sha256};

use crate::bucket::Bucket;
use crate::common::*;

const CHUNK: u64 = 16 * 1024;

fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn setup(bucket: &Bucket) -> Setup {
    Setup::cloud(|c| {
        c.chunk_size = CHUNK;
        c.s3 = Some(bucket.options());
    })
}

#[tokio::test]
async fn a_clip_of_many_parts_lies_in_the_bucket_as_it_is() {
    let bucket = Bucket::start().await;
    let rig = setup(&bucket).paired().await;
    let clip = rig.clip("A001.mov", 20 * CHUNK as usize + 17);
    let id = rig.add(&clip).await.unwrap();
    let item = rig.wait_item(id, "done").await;
    let asset = text(&item, "asset_id");
    assert_eq!(hex_sha256(&bucket.clip(&asset, 21)), sha256(&clip));
    rig.event(0, Endpoint::Part, EventKind::Assembled).await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.sim.assets().len(), 1);
    assert_eq!(rig.called(Endpoint::Part), 0, "no part passed through the simulator");
}

#[tokio::test]
async fn a_killed_daemon_leaves_alone_what_lies_in_the_bucket() {
    const PARTS: u64 = 400;
    let mut bucket = Bucket::start().await;
    let mut rig = Setup { parallel_parts: 1, ..setup(&bucket) }.paired().await;
    let clip = rig.clip("long.mov", (PARTS * CHUNK) as usize);
    let id = rig.add(&clip).await.unwrap();
    let fifth = |e: &Event| e.part == Some(5) && e.kind == EventKind::Effect;
    rig.sim.wait_for(fifth, PATIENCE).await.expect("the fifth part is in the bucket");
    // The turn ends when all it has sent is written down.
    bucket.shut();
    rig.wait_item(id, "queued").await;
    rig.kill().await;
    let asset = rig.sim.assets().remove(0).id;
    let there: Vec<_> = (1..=PARTS).filter_map(|n| Some((n, bucket.stamp(&asset, n)?))).collect();
    assert!((5..PARTS as usize).contains(&there.len()), "killed in the middle: {} parts", there.len());
    bucket.open().await;
    rig.start().await;
    rig.wait_item(id, "done").await;
    rig.event(0, Endpoint::Part, EventKind::Assembled).await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.sim.assets().len(), 1, "the same asset");
    // The answer to the last one may have been lost.
    let (_last, before) = there.split_last().unwrap();
    for (n, stamp) in before {
        assert_eq!(bucket.stamp(&asset, *n).as_ref(), Some(stamp), "part {n} was put again");
    }
}

#[tokio::test]
async fn addresses_that_the_bucket_finds_too_old_are_asked_for_anew() {
    let bucket = Bucket::start().await;
    let rig = setup(&bucket).paired().await;
    // As if they had been asked for a day ago.
    rig.sim.set_skew(-86_401);
    let clip = rig.clip("A001.mov", 3 * CHUNK as usize);
    let id = rig.add(&clip).await.unwrap();
    let refused = |i: &Dict| text(i, "reason") == "provider" && text(i, "detail").contains("403");
    rig.wait_item_that(id, "put aside, and why", refused).await;
    assert!(rig.sim.assets().len() >= 2, "another asset was tried");
    assert!(rig.sim.assets().iter().all(|a| a.parts_done == 0));
    rig.sim.set_skew(0);
    rig.queue_items("Retry", &[id]).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.event(0, Endpoint::Part, EventKind::Assembled).await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.state().await, "paired");
}
