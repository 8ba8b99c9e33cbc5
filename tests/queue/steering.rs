//! What people do with a queue that has clips in it, from the bus to the cloud.
use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;

use rigpost_sim::Endpoint;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use zbus::Variant;

use crate::common::*;

const CHUNK: u64 = 5_000_000;

pub(crate) async fn set_limit(rig: &Rig, limit: u64) -> Result<(), Refused> {
    let body = (QUEUE, "BandwidthLimit", Variant::from(limit));
    rig.call("org.freedesktop.DBus.Properties", "Set", &body).await.map(drop)
}

async fn receipt(rig: &Rig, id: u64) -> Result<Dict, Refused> {
    Ok(rig.call(QUEUE, "GetReceipt", &(id, none())).await?.body().deserialize().unwrap())
}

async fn clear(rig: &Rig, options: HashMap<&'static str, Variant<'static>>) -> Result<u64, Refused> {
    Ok(cleared(rig, options).await?.0)
}

async fn cleared(
    rig: &Rig,
    options: HashMap<&'static str, Variant<'static>>,
) -> Result<(u64, Vec<(u64, String)>), Refused> {
    Ok(rig.call(QUEUE, "Clear", &(options,)).await?.body().deserialize().unwrap())
}

fn digests(path: &Path, chunk: usize) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    bytes.chunks(chunk).map(|part| format!("{:016x}", xxhash_rust::xxh64::xxh64(part, 0))).collect()
}

/// `rigpost` as a camera's program: holds while it runs.
async fn hold(rig: &Rig) -> tokio::process::Child {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rigpost"));
    command.args(["pause", "--while-recording"]).env("DBUS_SYSTEM_BUS_ADDRESS", &rig.bus.address);
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = soon("the hold", lines.next_line()).await.unwrap().unwrap();
    assert!(line.starts_with("Nothing more is sent"), "{line}");
    child
}

#[tokio::test]
async fn a_held_clip_is_released_to_the_project_that_is_paired() {
    let rig = Setup::new().paired().await;
    rig.queue("Pause").await.unwrap();
    let clip = rig.clip("ours.mp4", 5000);
    let id = rig.add(&clip).await.unwrap();
    rig.unpair().await.unwrap();
    rig.queue("Resume").await.unwrap();
    rig.pair_with("Second Unit").await;
    let held = rig.wait_item(id, "held").await;
    assert_eq!(text(&held, "project_name"), PROJECT);
    rig.wait_blocker("held").await;
    let sentence = format!(
        "1 clip is of {PROJECT}, or older than the pairing with Second Unit. Release it or cancel it."
    );
    assert_eq!(rig.blocker_sentences().await, [sentence]);
    assert_eq!(rig.queue_items("Release", &[id, 4711]).await.unwrap_err().name, "NotFound");
    assert_eq!(text(&rig.item(id).await, "state"), "held", "all or none");
    rig.queue_items("Release", &[id]).await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, "Second Unit");
    rig.wait(DEVICE, "no blocker", |p| {
        let all: Vec<(String, String, String)> = p["Blockers"].try_clone().unwrap().try_into().unwrap();
        all.is_empty()
    })
    .await;
}

#[tokio::test]
async fn the_larger_priority_goes_first() {
    let rig = Setup { parallel_parts: 1, ..Setup::new() }.paired().await;
    rig.queue("Pause").await.unwrap();
    let mut ids = Vec::new();
    for name in ["a.mp4", "b.mp4", "c.mp4"] {
        ids.push(rig.add(rig.clip(name, 1000)).await.unwrap());
    }
    rig.call(QUEUE, "SetPriority", &(&[ids[2]][..], 9i32, none())).await.unwrap();
    rig.call(QUEUE, "SetPriority", &(&[ids[0]][..], -9i32, none())).await.unwrap();
    rig.queue("Resume").await.unwrap();
    for id in &ids {
        rig.wait_item(*id, "done").await;
    }
    let order: Vec<String> = rig.sim.assets().into_iter().map(|a| a.name).collect();
    assert_eq!(order, ["c.mp4", "b.mp4", "a.mp4"]);
}

#[tokio::test]
async fn a_receipt_is_what_the_file_is() {
    let mut rig = Setup::cloud(|c| c.chunk_size = CHUNK).paired().await;
    let (small, large) = (rig.clip("small.mp4", 1000), rig.clip("large.mov", 2 * CHUNK as usize + 77));
    let ids = [rig.add(&small).await.unwrap(), rig.add(&large).await.unwrap()];
    for id in ids {
        rig.wait_item(id, "done").await;
    }
    rig.kill_and_start().await;
    for (id, path) in ids.into_iter().zip([&small, &large]) {
        let receipt = receipt(&rig, id).await.unwrap();
        let chunk: u64 = receipt["chunk_size"].downcast_ref().unwrap();
        let parts: Vec<String> = receipt["parts"].try_clone().unwrap().try_into().unwrap();
        assert_eq!(parts, digests(path, chunk as usize));
        let mut check = tokio::process::Command::new(env!("CARGO_BIN_EXE_rigpost"));
        check.args(["queue", "receipt", &id.to_string(), "--check"]);
        let output = check.env("DBUS_SYSTEM_BUS_ADDRESS", &rig.bus.address).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(receipt(&rig, 4711).await.unwrap_err().name, "NotFound");
}

/// The command line, with its code and both of its outputs.
async fn rigpost(rig: &Rig, args: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rigpost"));
    command.args(args).env("DBUS_SYSTEM_BUS_ADDRESS", &rig.bus.address).stdin(Stdio::null());
    let output = soon("rigpost", command.output()).await.unwrap();
    let [out, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), out, errors)
}

#[tokio::test]
async fn a_delivered_clip_can_t_be_steered_and_whoever_tries_is_told() {
    let rig = Setup::new().paired().await;
    let sent = rig.add(rig.clip("sent.mp4", 1000)).await.unwrap();
    let before = rig.wait_item(sent, "done").await;
    rig.queue("Pause").await.unwrap();
    let waits = rig.add(rig.clip("waits.mp4", 1000)).await.unwrap();
    let (id, other) = (sent.to_string(), waits.to_string());
    for args in [&["retry"][..], &["cancel"], &["release", "--yes"], &["priority", "7"]] {
        let (code, out, errors) = rigpost(&rig, &[&["queue"], args, &[&id]].concat()).await;
        assert_eq!((code, out.as_str()), (12, ""), "{args:?}");
        assert!(errors.contains(&format!("#{id} was delivered already")), "{args:?}: {errors}");
    }
    assert_eq!(rig.item(sent).await, before, "and nothing changed");
    let (code, out, errors) = rigpost(&rig, &["queue", "cancel", &id, &other]).await;
    assert_eq!((code, out.starts_with("Took 1 clip off the queue.")), (12, true), "{errors}");
    rig.wait_item(waits, "cancelled").await;
    assert_eq!(rigpost(&rig, &["queue", "retry", &other]).await.0, 0);
    let (code, _, errors) = rigpost(&rig, &["queue", "release", "-y", &other]).await;
    assert!(code == 12 && errors.contains("waits for its turn"), "{errors}");
    let unknown = rigpost(&rig, &["queue", "retry", &other, "4711"]).await;
    assert!(unknown.0 == 1 && unknown.2.contains("item 4711"), "{unknown:?}");
}

#[tokio::test]
async fn what_is_over_can_be_cleared_and_nothing_else() {
    let rig = Setup::new().paired().await;
    let sent = rig.add(rig.clip("sent.mp4", 1000)).await.unwrap();
    rig.wait_item(sent, "done").await;
    rig.queue("Pause").await.unwrap();
    let waits = rig.add(rig.clip("waits.mp4", 1000)).await.unwrap();
    let dropped = rig.add(rig.clip("dropped.mp4", 1000)).await.unwrap();
    rig.queue_items("Cancel", &[dropped]).await.unwrap();
    let ids = |ids: Vec<u64>| HashMap::from([("ids", Variant::from(ids))]);
    assert_eq!(clear(&rig, ids(vec![sent, 4711])).await.unwrap_err().name, "NotFound");
    assert_eq!(rig.items().await.len(), 3, "all or none");
    let found = [(waits, "waiting".to_owned()), (sent, "changed".to_owned())];
    assert_eq!(cleared(&rig, ids(vec![waits, sent])).await.unwrap(), (1, found.to_vec()));
    assert_eq!(receipt(&rig, sent).await.unwrap_err().name, "NotFound");
    assert_eq!(clear(&rig, none()).await.unwrap(), 1);
    assert_eq!(rig.items().await.len(), 1);
    assert_eq!(text(&rig.item(waits).await, "state"), "queued");
}

#[tokio::test]
async fn the_limit_survives_a_power_cut() {
    let mut rig = Setup::new().paired().await;
    set_limit(&rig, 123_456).await.unwrap();
    assert_eq!(rig.get::<u64>(QUEUE, "BandwidthLimit").await, 123_456);
    rig.kill_and_start().await;
    rig.wait(QUEUE, "the limit", |p| p["BandwidthLimit"].downcast_ref::<u64>().unwrap() == 123_456).await;
    set_limit(&rig, 0).await.unwrap();
    rig.kill_and_start().await;
    let id = rig.add(rig.clip("free.mp4", 1000)).await.unwrap();
    rig.wait_item(id, "done").await;
    assert_eq!(rig.get::<u64>(QUEUE, "BandwidthLimit").await, 0);
}

#[tokio::test]
async fn nothing_is_sent_while_a_camera_records_and_a_killed_one_ends_it() {
    let rig = Setup::new().paired().await;
    let (mut one, mut two) = (hold(&rig).await, hold(&rig).await);
    rig.wait(QUEUE, "recording", |p| p["Recording"].downcast_ref::<bool>().unwrap()).await;
    let clip = rig.clip("later.mp4", 5000);
    let id = rig.add(&clip).await.unwrap();
    rig.wait_blocker("recording").await;
    assert!(!rig.get::<bool>(DEVICE, "SafeToPowerOff").await);
    one.kill().await.unwrap();
    // The other one still records, and a person's Resume is another thing.
    rig.queue("Resume").await.unwrap();
    assert!(rig.get::<bool>(QUEUE, "Recording").await);
    assert_eq!((rig.called(Endpoint::Create), text(&rig.item(id).await, "state")), (0, "queued".to_owned()));
    two.kill().await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    rig.wait(QUEUE, "the end of it", |p| !p["Recording"].downcast_ref::<bool>().unwrap()).await;
}

#[tokio::test]
async fn a_hold_survives_no_restart() {
    let mut rig = Setup::new().paired().await;
    rig.call(QUEUE, "Pause", &(HashMap::from([("while_recording", Variant::from(true))]),)).await.unwrap();
    let clip = rig.clip("later.mp4", 5000);
    let id = rig.add(&clip).await.unwrap();
    rig.wait_blocker("recording").await;
    rig.kill_and_start().await;
    rig.wait_item(id, "done").await;
    assert!(!rig.get::<bool>(QUEUE, "Recording").await);
}

#[tokio::test]
async fn a_name_that_is_not_utf_8_arrives() {
    use std::os::unix::ffi::OsStrExt as _;

    let rig = Setup::new().paired().await;
    let plain = rig.clip("plain.mp4", 3000);
    let odd = plain.with_file_name(std::ffi::OsStr::from_bytes(b"odd\xff.mp4"));
    std::fs::rename(&plain, &odd).unwrap();
    let bytes = HashMap::from([("paths_bytes", Variant::from(vec![odd.as_os_str().as_bytes().to_vec()]))]);
    let answer = rig.call(QUEUE, "AddMany", &(&[] as &[&str], bytes)).await.unwrap();
    let ids: Vec<u64> = answer.body().deserialize().unwrap();
    rig.wait_item(ids[0], "done").await;
    assert_eq!(rig.sim.assets()[0].sha256.as_deref(), Some(sha256(&odd).as_str()));
}
