use std::sync::mpsc::{Sender, channel};

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

/// Time goes on by itself while everything waits.
fn workers() -> Workers {
    Workers::new(Clock::Virtual { epoch: Instant::now(), wall: 0 })
}

/// A call that comes back when the other end says so.
fn hang(volume: &Volume) -> (Sender<()>, JoinHandle<Result<(), NotAnswering>>) {
    let (come_back, gate) = channel::<()>();
    let volume = volume.clone();
    let call = tokio::spawn(async move { volume.run(move || gate.recv().unwrap_or_default()).await });
    (come_back, call)
}

async fn names(workers: &Workers, wanted: &[&str]) {
    let all = |silent: &BTreeSet<VolumeKey>| silent.iter().map(VolumeKey::name).eq(wanted.iter().copied());
    workers.silent().wait_for(all).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_hangs_is_marked_and_refuses_and_others_go_on_until_it_is_back() {
    let workers = workers();
    let volumes = workers.volumes();
    let (proc, began) = (volumes.of(Path::new("/proc/self")), Instant::now());
    let (come_back, call) = hang(&proc);
    names(&workers, &["proc"]).await;
    assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
    assert_eq!(call.await.unwrap(), Err(NotAnswering("proc".to_owned())));
    // From here on with the time of the threads.
    tokio::time::resume();
    let began = Instant::now();
    assert_eq!(proc.run(|| 1).await, Err(NotAnswering("proc".to_owned())));
    assert_eq!(workers.run(Path::new("/"), || 2).await, Ok(2));
    assert!(volumes.is_silent(Path::new("/proc/1")) && !volumes.is_silent(Path::new("/procession")));
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(come_back);
    names(&workers, &[]).await;
    assert_eq!(proc.run(|| 3).await, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_hang_than_a_volume_has_threads() {
    let workers = workers();
    let volume = workers.volumes().of(Path::new("/"));
    let calls: Vec<_> = (0..3 * THREADS).map(|_| hang(&volume)).collect();
    names(&workers, &["/"]).await;
    let gates: Vec<_> = calls.iter().map(|(gate, _)| gate.clone()).collect();
    for (_, call) in calls {
        assert!(call.await.unwrap().is_err());
    }
    assert_eq!(volume.inner.calls().running.len(), THREADS);
    // One that comes back is not all of them.
    tokio::time::resume();
    gates[0].send(()).unwrap();
    while volume.inner.calls().running.len() == THREADS {
        tokio::task::yield_now().await;
    }
    assert!(workers.volumes().is_silent(Path::new("/")));
    drop(gates);
    names(&workers, &[]).await;
}

#[expect(clippy::disallowed_methods, reason = "virtual time, which never sleeps through a suspend")]
#[tokio::test(start_paused = true)]
async fn an_unused_volume_leaves_nothing_behind() {
    let workers = workers();
    tokio::time::resume();
    let volume = workers.volumes().of(Path::new("/proc"));
    assert_eq!(volume.run(|| 7).await, Ok(7));
    let inner = Arc::downgrade(&volume.inner);
    drop(volume);
    assert!(inner.upgrade().is_some(), "the next call finds its threads");
    tokio::time::pause();
    tokio::time::sleep(PATIENCE + Duration::from_secs(1)).await;
    assert!(inner.upgrade().is_none());
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_is_done_and_one_that_panics_keeps_no_thread() {
    let volume = Workers::new(Clock::system()).volumes().of(Path::new("/proc"));
    let (done, gate) = channel();
    volume.last(move || done.send(()).unwrap());
    tokio::task::spawn_blocking(move || gate.recv().unwrap()).await.unwrap();
    for _ in 0..2 * THREADS {
        let volume = volume.clone();
        let announced = tokio::spawn(async move { volume.run(|| panic!("announced")).await });
        assert!(announced.await.unwrap_err().is_panic());
    }
    assert_eq!(volume.run(|| 1).await, Ok(1));
}

#[tokio::test]
async fn a_volume_is_found_by_the_nearest_mount_and_told_from_another_at_its_place() {
    let workers = Workers::new(Clock::system());
    let key = |ids: &str, point: &str| VolumeKey { point: point.into(), ids: ids.into() };
    let mounts = vec![key("1", "/"), key("2", "/media/A CAM"), key("3", "/media/A CAM"), key("4", "/media")];
    let before = Volumes { workers: workers.clone(), mounts: mounts[..2].to_vec() };
    let after = Volumes { workers, mounts };
    let clip = Path::new("/media/A CAM/clip.mov");
    assert_eq!(after.of(clip).inner.key, key("3", "/media/A CAM"));
    assert_eq!(after.of(clip).inner.key.name(), "A CAM");
    assert_eq!(after.of(Path::new("/media/B/clip.mov")).inner.key, key("4", "/media"));
    let (old, new) = (before.of(clip), after.of(clip));
    assert!(!Arc::ptr_eq(&old.inner, &new.inner) && Arc::ptr_eq(&old.inner, &before.of(clip).inner));
}
