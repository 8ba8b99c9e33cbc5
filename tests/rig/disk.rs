//! The rig's own disk is of no use when the daemon starts: it says so, loses nothing, and goes on by itself when the disk
//! does.
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::common::*;

/// How long a rig may take to see that its disk is good again.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// What the journal says of it at level error, each once, however often the disk is looked at.
const ERRORS: [&str; 2] = ["the store can't be opened", "nothing can be kept"];

/// A file system of its own, unmounted when dropped.
struct Mount(TempDir);

impl Mount {
    fn new() -> Mount {
        let mount = Mount(tempfile::tempdir().unwrap());
        mount.run("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs"]);
        mount
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, program: &str, args: &[&str]) {
        let status = Command::new(program).args(args).arg(self.path()).status();
        assert!(status.is_ok_and(|s| s.success()), "{program} {args:?}: this needs root to mount a tmpfs");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Paired, with a paused queue that holds one clip, and off; its identity.
async fn shut_down(state: &Path) -> (Rig, String, u64) {
    let setup = Setup { state_dir: Some(state.to_owned()), ..Setup::new() };
    let mut rig = setup.paired().await;
    rig.queue("Pause").await.unwrap();
    let item = rig.add(rig.clip("kept.mp4", 3000)).await.unwrap();
    let id = rig.device_id().await;
    assert!(rig.stop().await.success());
    ERRORS.into_iter().for_each(|words| rig.announce_error(words));
    (rig, id, item)
}

/// It is up, says that it is the disk, and gives nothing up for lost.
async fn assert_waits(rig: &Rig, refusal: &str) {
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("secret-unavailable", "storage"));
    assert_eq!(rig.blockers().await, ["storage"], "no key is lost, and provisioning mends nothing");
    let refusals = [
        rig.ask_to_pair().await,
        rig.unpair().await,
        rig.forget().await,
        rig.provision("another-secret").await,
        rig.queue("Pause").await,
    ];
    for refused in refusals {
        assert_eq!(refused.unwrap_err().name, refusal);
    }
}

/// Soon it is what it was.
async fn assert_goes_on(rig: &Rig, id: &str, item: u64) {
    let paired = tokio::time::timeout(SEEN_WITHIN, rig.wait_state("paired")).await;
    paired.expect("within 5 s of the disk being good");
    assert_eq!((rig.reason().await.as_str(), rig.device_id().await.as_str()), ("none", id));
    rig.wait(QUEUE, "a paused queue with one clip", |p| {
        p["Paused"].try_clone().unwrap().try_into() == Ok(true)
            && p["FilesLeft"].try_clone().unwrap().try_into() == Ok(1_u32)
    })
    .await;
    rig.queue("Resume").await.unwrap();
    rig.wait_item(item, "done").await;
    rig.assert_arrived(&rig.path("media/kept.mp4"), PROJECT);
    let lines = rig.log.all();
    for words in ERRORS {
        let said = lines.iter().filter(|line| line.contains(words)).count();
        assert_eq!(said, 1, "{words}: {lines:#?}");
    }
}

#[tokio::test]
async fn a_full_disk_at_the_start_is_named_and_left_behind() {
    let mount = Mount::new();
    let (mut rig, id, item) = shut_down(mount.path()).await;
    let ballast = mount.path().join("ballast");
    let _ = fs::write(&ballast, vec![1; 4 << 20]);
    rig.start().await;
    assert_waits(&rig, "StorageFull").await;
    fs::remove_file(ballast).unwrap();
    assert_goes_on(&rig, &id, item).await;
}

#[tokio::test]
async fn a_read_only_disk_at_the_start_is_named_and_left_behind() {
    let mount = Mount::new();
    let (mut rig, id, item) = shut_down(mount.path()).await;
    mount.run("mount", &["-o", "remount,ro"]);
    rig.start().await;
    assert_waits(&rig, "IOError").await;
    mount.run("mount", &["-o", "remount,rw"]);
    assert_goes_on(&rig, &id, item).await;
}

#[tokio::test]
async fn a_directory_that_comes_late_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (above, away) = (dir.path().join("above"), dir.path().join("away"));
    let (mut rig, id, item) = shut_down(&above.join("state")).await;
    fs::rename(&above, &away).unwrap();
    // What can't be a directory: a new rig in its place would be another one.
    fs::write(&above, "").unwrap();
    rig.start().await;
    assert_waits(&rig, "IOError").await;
    fs::remove_file(&above).unwrap();
    fs::rename(&away, &above).unwrap();
    assert_goes_on(&rig, &id, item).await;
}
