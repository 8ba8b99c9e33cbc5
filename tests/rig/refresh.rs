//! The months after the pairing: tokens are renewed, and only the server ends a grant.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use rigpost_core::time::BootTime;
use rigpost_daemon::clock::Clock;
use rigpost_sim::{Endpoint, EventKind, HoldPoint};

use crate::common::*;

/// A cloud whose access tokens live for seconds.
fn short_lived(seconds: u64) -> Setup {
    Setup::cloud(|c| c.access_expires_in = seconds)
}

/// Waits until `n` refreshes were answered well.
async fn refreshed(rig: &Rig, n: usize) {
    let mut seen = 0;
    for _ in 0..n {
        let good = |e: &rigpost_sim::Event| {
            e.endpoint == Endpoint::Refresh && e.kind == EventKind::Replied && e.status == Some(200)
        };
        let event = rig.sim.wait_for_after(seen, good, PATIENCE).await;
        seen = event.unwrap_or_else(|| panic!("too few refreshes: {:#?}", rig.calls())).n;
    }
}

//= frameio-c2c#3.3
//= type=test
//# A refresh needs nobody and raises no alert, unless it fails itself.
//= frameio-c2c#3.3
//= type=test
//# After every pairing and after every refresh GET /v2/devices/me is asked.
#[tokio::test]
async fn tokens_are_renewed_again_and_again_and_who_we_are_is_asked_each_time() {
    // A socket would ask once more, when it has joined.
    let without = "[provider]\npresence = \"heartbeat\"\n".to_owned();
    let rig = Setup { drop_in: without, ..short_lived(2) }.paired().await;
    refreshed(&rig, 3).await;
    let after = rig.now();
    rig.event(after, Endpoint::Me, EventKind::Replied).await;
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"));
    let (asked, renewed) = (rig.called(Endpoint::Me), rig.called(Endpoint::Refresh));
    assert!((renewed..=renewed + 1).contains(&asked), "{asked} times asked, {renewed} times renewed");
    let clip = rig.clip("later.mp4", 5000);
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
    rig.assert_arrived(&clip, PROJECT);
}

//= frameio-c2c#3.3
//= type=test
//# Where the answer to a refresh was lost, a person pairs the device anew.
#[tokio::test]
async fn a_renewal_whose_answer_is_lost_is_tried_once_more_and_then_named() {
    let kinds =
        ["lost-answer", "garbage", "reset-mid-body", "oversized", "missing-fields"].map(async |kind| {
            let rig = short_lived(3).provisioned().await;
            rig.allow_violations();
            rig.sim.inject(format!("refresh:{kind}").parse().unwrap());
            rig.pair().await;
            rig.wait_state("needs-pairing").await;
            assert_eq!(rig.reason().await, "interrupted-refresh", "{kind}");
            assert_eq!(rig.called(Endpoint::Refresh), 2, "{kind}: once more, and no storm");
            assert_eq!(rig.sim.violations().len(), 1, "{kind}: {:?}", rig.sim.violations());
            // The way back is a pairing.
            rig.sim.set_lifetimes(Default::default());
            rig.pair().await;
            assert_eq!(rig.reason().await, "none");
        });
    join_all(kinds).await;
}

#[tokio::test]
async fn trouble_on_the_way_never_costs_the_pairing() {
    let cases = [
        ("500", "provider"),
        ("503", "provider"),
        ("429", "provider"),
        ("html-404", "captive-portal"),
        ("captive-portal", "captive-portal"),
        ("redirect", "captive-portal"),
        ("reset", "network"),
        ("stall", "network"),
        ("detailed=403", "provider"),
        ("bad_request", "provider"),
    ];
    let tried = cases.map(async |(kind, reason)| {
        let rig = short_lived(3).provisioned().await;
        rig.sim.inject(format!("refresh:{kind}").parse().unwrap());
        rig.pair().await;
        let shown = rig.wait_reason(reason).await;
        assert_eq!(text(&shown, "State"), "paired", "{kind}");
        refreshed(&rig, 1).await;
        rig.wait_reason("none").await;
        assert_eq!(rig.state().await, "paired", "{kind}");
    });
    join_all(tried).await;
}

//= frameio-c2c#3.3
//= type=test
//# A 401 to a refresh: the grant is over, and a person pairs the device anew.
#[tokio::test]
async fn a_device_that_the_project_forgot_needs_pairing_and_can_be_paired_again() {
    let mut rig = short_lived(3).paired().await;
    let clip = rig.clip("waiting.mp4", 5000);
    rig.queue("Pause").await.unwrap();
    let id = rig.add(&clip).await.unwrap();
    rig.sim.revoke_device(&rig.device_id().await).unwrap();
    rig.wait_state("needs-pairing").await;
    assert_eq!(rig.reason().await, "revoked");
    rig.kill_and_start().await;
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("needs-pairing", "revoked"));
    assert_eq!(text(&rig.item(id).await, "state"), "queued");
    rig.sim.set_lifetimes(Default::default());
    rig.pair().await;
    rig.queue("Resume").await.unwrap();
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
}

#[tokio::test]
async fn a_kill_before_the_server_acted_costs_nothing() {
    let mut rig = short_lived(3).provisioned().await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Refresh, EventKind::Received));
    rig.pair().await;
    rig.held().await;
    rig.kill().await;
    // The handler sees that nobody listens any more.
    rig.event(0, Endpoint::Refresh, EventKind::Cut).await;
    rig.sim.release();
    rig.start().await;
    refreshed(&rig, 1).await;
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"));
}

//= frameio-c2c#3.3
//= type=test
//# That a refresh is under way is on disk before it leaves, so that after a crash it is known why a token is
//# dead.
#[tokio::test]
async fn a_kill_after_the_server_acted_is_told_from_a_revocation() {
    let mut rig = short_lived(3).provisioned().await;
    rig.allow_violations();
    rig.sim.hold(HoldPoint::Next(Endpoint::Refresh, EventKind::Effect));
    rig.pair().await;
    rig.held().await;
    rig.kill().await;
    rig.sim.release();
    rig.start().await;
    rig.wait_state("needs-pairing").await;
    assert_eq!(rig.reason().await, "interrupted-refresh");
    assert_eq!(rig.sim.violations().len(), 1);
    rig.sim.set_lifetimes(Default::default());
    rig.pair().await;
}

#[tokio::test]
async fn a_stop_waits_for_the_renewal_in_flight() {
    let mut rig = short_lived(3).provisioned().await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Refresh, EventKind::Effect));
    rig.pair().await;
    rig.held().await;
    assert!(!rig.get::<bool>(DEVICE, "SafeToPowerOff").await);
    rig.daemon.as_ref().unwrap().signal(rustix::process::Signal::TERM);
    rig.notes.wait(0, "STOPPING=1").await;
    rig.sim.release();
    assert!(rig.ended().await.success());
    rig.start().await;
    rig.wait_project(PROJECT).await;
    refreshed(&rig, 2).await;
    assert_eq!(rig.reason().await, "none");
}

#[tokio::test]
async fn a_token_that_ran_out_while_the_rig_was_off_is_renewed() {
    let mut rig = short_lived(4).paired().await;
    let until: u64 = rig.get(PAIRING, "AccessExpiresAt").await;
    let before = rig.called(Endpoint::Refresh);
    rig.kill().await;
    Clock::system().sleep_until(BootTime(Duration::from_micros(until + 100_000))).await;
    rig.start().await;
    assert_eq!(rig.state().await, "paired");
    refreshed(&rig, before + 1).await;
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"));
}

//= frameio-c2c#3.5
//= type=test
//# A 401 of the API: it is refreshed once, and asked again.
#[tokio::test]
async fn one_401_causes_one_renewal_and_the_clip_arrives() {
    let rig = Setup::new().paired().await;
    rig.sim.expire_access(&rig.device_id().await).unwrap();
    let clips = ["one.mp4", "two.mp4", "three.mp4"].map(|n| rig.clip(n, 3000));
    let mut ids = Vec::new();
    for clip in &clips {
        ids.push(rig.add(clip).await.unwrap());
    }
    for id in ids {
        rig.wait_item(id, "done").await;
    }
    assert_eq!(rig.called(Endpoint::Refresh), 1);
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"));
}

//= https://www.rfc-editor.org/rfc/rfc7009#section-2.1
//= type=test
//# clients must not try to use the token after receipt of an HTTP 200 response
#[tokio::test]
async fn unpairing_revokes_upstream_and_leaves_no_token_behind() {
    let mut rig = Setup::new().paired().await;
    let id = rig.device_id().await;
    rig.unpair().await.unwrap();
    let shown = rig.wait_state("unpaired").await;
    assert_eq!((text(&shown, "ProjectName").as_str(), text(&shown, "AuthorizedBy").as_str()), ("", ""));
    let revoked = rig.event(0, Endpoint::Revoke, EventKind::Replied).await;
    assert_eq!(revoked.status, Some(200));
    assert_eq!(rig.device_id().await, id);
    rig.stop().await;
    let names = rig.column("SELECT name FROM sealed");
    assert!(!names.iter().any(|n| n.contains("token") || n.contains("code")), "{names:?}");
    rig.start().await;
    assert_eq!(rig.state().await, "unpaired");
    rig.pair().await;
}

#[tokio::test]
async fn unpairing_needs_no_network_and_waits_for_none_for_long() {
    let tried = ["reset", "stall", "500"].map(async |kind| {
        let rig = Setup::new().paired().await;
        rig.sim.inject(format!("any:{kind}:forever").parse().unwrap());
        let done = tokio::time::timeout(Duration::from_secs(12), rig.unpair()).await;
        done.expect("it does not wait for the network for long").unwrap();
        assert_eq!(rig.state().await, "unpaired");
        assert_eq!(rig.unpair().await, Ok(()));
    });
    join_all(tried).await;
}

/// A file system of two megabytes, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> SmallDisk {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m,mode=700", "none"])
            .arg(dir.path())
            .status();
        assert!(mounted.unwrap().success(), "only root can mount");
        SmallDisk(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the space there is.
    fn fill(&self) {
        let mut filler = std::fs::File::create(self.path().join("filler")).unwrap();
        for size in [65_536, 4096] {
            while std::io::Write::write_all(&mut filler, &vec![1; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_before_a_renewal_postpones_it() {
    let disk = SmallDisk::mount();
    let setup = Setup { state_dir: Some(disk.path().join("state")), ..short_lived(3) };
    let rig = setup.paired().await;
    disk.fill();
    let shown = rig.wait_reason("storage").await;
    assert_eq!(text(&shown, "State"), "paired");
    assert!(rig.blockers().await.contains(&"storage".to_owned()));
    let asked = rig.called(Endpoint::Refresh);
    disk.free();
    rig.wait_reason("none").await;
    refreshed(&rig, asked + 1).await;
    assert_eq!(rig.state().await, "paired");
}

//= frameio-c2c#3.3
//= type=test
//# New tokens are on disk before one of them is used: both old ones are dead, and no answer comes twice.
#[tokio::test]
async fn a_full_disk_between_the_answer_and_the_writing_loses_no_token() {
    let disk = SmallDisk::mount();
    let setup = Setup { state_dir: Some(disk.path().join("state")), ..short_lived(4) };
    let rig = setup.provisioned().await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Refresh, EventKind::Effect));
    rig.pair().await;
    rig.held().await;
    disk.fill();
    rig.sim.set_lifetimes(Default::default());
    rig.sim.release();
    let shown = rig.wait_reason("storage").await;
    assert_eq!(text(&shown, "State"), "paired");
    let clip = rig.path("media/clip.mp4");
    fill(&clip, 3000, 1);
    assert_eq!(rig.add(&clip).await.unwrap_err().name, "StorageFull");
    disk.free();
    rig.wait_reason("none").await;
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
    assert_eq!(rig.state().await, "paired");
}

#[tokio::test]
async fn a_clock_far_from_the_servers_is_not_trusted_and_hinders_nothing() {
    let rig = Setup::new().build().await;
    rig.sim.set_skew(40 * 365 * 86_400);
    let mut rig = rig;
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    let untrusted = |p: &Dict| !p["ClockTrusted"].downcast_ref::<bool>().unwrap();
    rig.wait(DEVICE, "an untrusted clock", untrusted).await;
    let clip = rig.clip("clip.mp4", 3000);
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
    rig.assert_arrived(&clip, PROJECT);
}
