//! The rig in the project's eyes and the project in the rig's: heard from, paused, renamed; a network that comes back, and
//! the true clock of a boot.
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rigpost_daemon::clock::Clock;
use rigpost_daemon::watch::network::Network;
use rigpost_sim::{Endpoint, Event, EventKind};

use crate::common::*;

/// A cloud whose access tokens live for seconds, so that who we are is asked every few seconds.
fn short_lived(seconds: u64) -> Setup {
    Setup::cloud(|c| c.access_expires_in = seconds)
}

//= frameio-c2c#4.3
//= type=test
//# The cloud hears from the device at least every five minutes, and of heartbeats at most one a minute; parts
//# do not count.
#[tokio::test]
async fn a_rig_that_has_nothing_to_say_says_that_it_is_there() {
    let rig = Setup { heartbeat: 60, ..Setup::new() }.paired().await;
    let beat = |e: &Event| e.endpoint == Endpoint::Heartbeat && e.kind == EventKind::Replied;
    // The shortest that providers allow, and a margin.
    let beat = rig.sim.wait_for_after(0, beat, Duration::from_secs(60) + PATIENCE).await;
    let beat = beat.unwrap_or_else(|| panic!("no heartbeat: {:#?}", rig.calls()));
    assert_eq!(beat.status, Some(204));
    let asked = rig.event(0, Endpoint::Me, EventKind::Replied).await;
    assert!(beat.n > asked.n, "what was heard before counts as a beat");
    assert_eq!(rig.called(Endpoint::Heartbeat), 1);
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"));
}

#[tokio::test]
async fn a_pause_in_the_project_is_shown_and_its_end_too() {
    let rig = short_lived(3).paired().await;
    let id = rig.device_id().await;
    rig.sim.pause_device(&id).unwrap();
    rig.wait_blocker("device-paused").await;
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("paired", "none"));
    rig.notes.wait(0, "STATUS=paired with Testbed, paused in the project").await;
    rig.sim.resume_device(&id).unwrap();
    let well = |p: &Dict| {
        let blockers: Vec<(String, String, String)> = p["Blockers"].try_clone().unwrap().try_into().unwrap();
        blockers.iter().all(|(code, ..)| code != "device-paused")
    };
    rig.wait(DEVICE, "no pause any more", well).await;
    let clip = rig.clip("after.mp4", 3000);
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
}

//= frameio-c2c#7
//= type=test
//# A project that gets another name is the same project: it is known by its id.
#[tokio::test]
async fn a_project_gets_another_name_and_stays_the_same_project() {
    let mut rig = short_lived(3).paired().await;
    let id = rig.text(PAIRING, "ProjectId").await;
    rig.sim.rename_project(PROJECT, "Autumn").unwrap();
    rig.wait_project("Autumn").await;
    assert_eq!(rig.text(PAIRING, "ProjectId").await, id);
    let clip = rig.clip("renamed.mp4", 3000);
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
    rig.assert_arrived(&clip, "Autumn");
    rig.kill_and_start().await;
    assert_eq!(rig.text(PAIRING, "ProjectName").await, "Autumn");
}

#[tokio::test]
async fn the_ledger_learns_the_true_clock_of_this_boot_from_the_provider() {
    const AHEAD: i64 = 3 * 86_400;
    let mut rig = Setup::new().build().await;
    rig.sim.set_skew(AHEAD);
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    rig.stop().await;
    let boots = rig.column("SELECT boot_id || ' ' || wall_s FROM boot");
    let now = Clock::system().now();
    let [line] = &boots[..] else { panic!("one boot: {boots:?}") };
    let (boot, wall) = line.split_once(' ').unwrap();
    assert_eq!(boot, now.boot_id.to_string());
    let begun = now.wall.0 - i64::try_from(now.boot.0.as_secs()).unwrap() + AHEAD;
    assert!(
        begun.abs_diff(wall.parse().unwrap()) <= 5,
        "{wall} and not {begun}: the server's word goes first"
    );
}

/// Runs the test of that name once more in a network of its own; false where that is not allowed.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn in_a_network_of_its_own(name: &str) -> bool {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.arg("--net");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command
    };
    let links = "ip link add rig0 type veth peer name rig1";
    let allowed = unshare().args(["sh", "-c", links]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("LEFT OUT: {name}: no network namespace with a veth pair is to be had here");
        return false;
    }
    let inner = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .process_group(0)
        .status();
    assert!(inner.unwrap().success(), "{name} failed in a network of its own; what it said is above");
    true
}

/// In the network that the test has for itself.
fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "ip {arguments}");
}

#[test]
fn what_the_kernel_announces_is_noticed() {
    in_a_network_of_its_own("presence::inside::what_the_kernel_announces_is_noticed");
}

//= frameio-c2c#7
//= type=test
//# The state of the network is shown.
#[test]
fn a_network_that_comes_back_ends_the_waiting() {
    in_a_network_of_its_own("presence::inside::a_network_that_comes_back_ends_the_waiting");
}

mod inside {
    use super::*;

    #[tokio::test]
    #[ignore = "run by the test of the same name, in a network of its own"]
    async fn what_the_kernel_announces_is_noticed() {
        let clock = Clock::system();
        let mut network = Network::listen().unwrap();
        for (what, orders) in [
            (
                "a link",
                &["link add rig0 type veth peer name rig1", "link set rig1 up", "link set rig0 up"][..],
            ),
            ("an address", &["address add 10.9.0.2/24 dev rig0"]),
            ("a default route", &["route add default via 10.9.0.1"]),
            ("a link that was away", &["link set rig1 down", "link set rig1 up"]),
            ("a route that was away", &["route del default", "route add default via 10.9.0.1"]),
            ("IPv6", &["address add 2001:db8::2/64 dev rig0 nodad", "route add default via 2001:db8::1"]),
        ] {
            orders.iter().for_each(|order| ip(order));
            soon(what, network.came_up(&clock)).await.unwrap();
        }
    }

    #[tokio::test]
    #[ignore = "run by the test of the same name, in a network of its own"]
    async fn a_network_that_comes_back_ends_the_waiting() {
        ip("link set lo up");
        let rig = short_lived(4).paired().await;
        ip("link set lo down");
        let shown = rig.wait_reason("network").await;
        assert_eq!(text(&shown, "State"), "paired");
        assert!(!rig.get::<bool>(DEVICE, "Online").await);
        let before = rig.log.len();
        ip("link set lo up");
        ip("link add rig0 type veth peer name rig1");
        ip("link set rig1 up");
        ip("link set rig0 up");
        rig.log.wait(before, "a network came up").await;
        rig.wait_reason("none").await;
        assert_eq!(rig.state().await, "paired");
    }
}
