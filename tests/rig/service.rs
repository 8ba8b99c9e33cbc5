//! The daemon under a service manager: readiness, status, watchdog, stop, and what ends it with an error.
use std::time::Duration;

use rigpost_sim::{Endpoint, EventKind, HoldPoint};
use rustix::process::Signal;

use crate::common::*;

#[tokio::test]
async fn ready_means_that_the_name_is_there_and_answers() {
    let mut rig = Setup::new().build().await;
    assert!(!rig.bus.owned(&rig.ui).await);
    rig.spawn();
    rig.notes.wait(0, "READY=1").await;
    assert!(rig.bus.owned(&rig.ui).await);
    assert_eq!(rig.state().await, "unprovisioned");
}

#[tokio::test]
async fn the_status_line_follows_the_rig() {
    let rig = Setup::new().start().await;
    rig.notes.wait(0, "STATUS=not provisioned").await;
    rig.provision(SECRET).await.unwrap();
    rig.notes.wait(0, "STATUS=not paired").await;
    rig.queue("Pause").await.unwrap();
    rig.add(rig.clip("clip.mp4", 5000)).await.unwrap();
    rig.pair().await;
    let line = rig.notes.wait(0, "STATUS=paired with Testbed").await;
    assert!(line.contains("1 file left") && line.contains("paused"), "{line}");
    rig.queue("Resume").await.unwrap();
    rig.notes.wait(0, "STATUS=paired with Testbed, nothing left to send").await;
}

#[tokio::test]
async fn a_stop_is_orderly_and_announced() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut rig = Setup::new().paired().await;
        rig.daemon.as_ref().unwrap().signal(signal);
        let status = rig.ended().await;
        assert_eq!(status.code(), Some(0), "{signal:?}");
        let said = rig.notes.wait(0, "STOPPING=1").await;
        assert_eq!(said, "STOPPING=1");
        assert!(!rig.bus.owned(&rig.ui).await);
        rig.start().await;
        assert_eq!(rig.state().await, "paired");
    }
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_the_network() {
    let mut rig = Setup::cloud(|c| c.access_expires_in = 3).provisioned().await;
    rig.sim.hold(HoldPoint::Next(Endpoint::Refresh, EventKind::Received));
    rig.pair().await;
    rig.held().await;
    rig.daemon.as_ref().unwrap().signal(Signal::TERM);
    rig.notes.wait(0, "STOPPING=1").await;
    rig.daemon.as_ref().unwrap().signal(Signal::TERM);
    let ended = tokio::time::timeout(Duration::from_secs(5), rig.ended()).await;
    assert_eq!(ended.expect("it ends at once").code(), Some(0));
}

#[tokio::test]
async fn the_watchdog_is_fed_before_its_limit() {
    let rig = Setup { watchdog: Some(Duration::from_millis(800)), ..Setup::new() }.start().await;
    let begun = tokio::time::Instant::now();
    let mut seen = 0;
    for _ in 0..4 {
        rig.notes.wait(seen, "WATCHDOG=1").await;
        seen = rig.notes.all().iter().rposition(|l| l == "WATCHDOG=1").unwrap() + 1;
    }
    assert!(begun.elapsed() < Duration::from_millis(3200), "four times in {:?}", begun.elapsed());
}

#[tokio::test]
async fn without_a_service_manager_it_works_too() {
    let mut rig = Setup::new().build().await;
    std::fs::remove_file(rig.path("notify")).unwrap();
    rig.spawn();
    let bus = zbus::fdo::DBusProxy::new(&rig.ui).await.unwrap();
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await.unwrap();
    if !rig.bus.owned(&rig.ui).await {
        use futures_util::StreamExt as _;

        soon("the name", owners.next()).await.unwrap();
    }
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
}

#[tokio::test]
async fn a_bad_configuration_ends_it_with_the_code_that_is_not_restarted() {
    let mut rig = Setup::new().build().await;
    let good = std::fs::read_to_string(rig.config()).unwrap();
    let cases = [
        (good.replace("max_items", "max_itemz"), "max_itemz"),
        (good.replace("parallel_parts = 2", "parallel_parts = \"many\""), "parallel_parts"),
        (good.replace("[vault]", "[vault] # TOML\n]"), "TOML"),
    ];
    for (text, word) in cases {
        std::fs::write(rig.config(), &text).unwrap();
        let said = rig.log.len();
        rig.spawn();
        assert_eq!(rig.ended().await.code(), Some(78), "{word}");
        let lines = rig.log.all()[said..].join("\n");
        assert!(lines.contains(word) && lines.contains("rigpost.toml"), "{lines}");
        let line = text.lines().position(|l| l.contains(word)).unwrap() + 1;
        let line = if word == "TOML" { line + 1 } else { line };
        assert!(lines.contains(&line.to_string()), "line {line}: {lines}");
    }
    assert!(!rig.state_dir().exists(), "nothing was begun");
    std::fs::remove_file(rig.config()).unwrap();
    rig.spawn();
    let status = rig.ended().await;
    assert!(
        !status.success() || rig.notes.len() > 0,
        "without a file there are defaults or there is an error"
    );
}

#[tokio::test]
async fn without_a_bus_it_ends_with_an_error_that_is_restarted() {
    let mut rig = Setup::new().paired().await;
    rig.announce_error("bus");
    rig.bus.kill();
    assert_eq!(rig.ended().await.code(), Some(1));
    // And while it is still away.
    rig.spawn();
    assert_eq!(rig.ended().await.code(), Some(1));
}

#[tokio::test]
async fn a_second_daemon_says_why_it_ends_and_leaves_the_first_alone() {
    let rig = Setup::new().paired().await;
    // On the same bus and in the same directory.
    let output = soon("the second daemon's end", rig.command().stderr(std::process::Stdio::piped()).output())
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by another rigpostd") || said.contains("another daemon"), "{said}");
    // On the same bus only.
    let config = std::fs::read_to_string(rig.config()).unwrap();
    let other = config.replace(rig.state_dir().to_str().unwrap(), rig.path("state2").to_str().unwrap());
    std::fs::write(rig.config(), other).unwrap();
    let output = soon("the second daemon's end", rig.command().stderr(std::process::Stdio::piped()).output())
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another daemon"), "{said}");
    assert_eq!(rig.state().await, "paired");
    let clip = rig.clip("clip.mp4", 3000);
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
    rig.assert_arrived(&clip, PROJECT);
}

#[tokio::test]
async fn a_second_daemon_on_another_bus_cannot_touch_the_same_state() {
    let rig = Setup::new().paired().await;
    let setup =
        Setup { state_dir: Some(rig.state_dir()), base_url: Some(rig.sim.url().to_string()), ..Setup::new() };
    let other = setup.build().await;
    other.announce_error("in use by another rigpostd");
    let mut other = other;
    other.start().await;
    assert_eq!(other.state().await, "secret-unavailable");
    assert_eq!(other.device_id().await, "");
    assert_eq!(
        (other.reason().await.as_str(), other.blockers().await),
        ("storage", vec!["storage".to_owned()])
    );
    assert_eq!(other.ask_to_pair().await.unwrap_err().name, "IOError");
    assert_eq!(other.provision("another-secret").await.unwrap_err().name, "IOError");
    assert_eq!(rig.state().await, "paired");
    // When the first has gone, it is this one's.
    let id = rig.device_id().await;
    let mut rig = rig;
    assert!(rig.stop().await.success());
    std::fs::copy(rig.path("root.key"), other.path("root.key")).unwrap();
    other.wait_state("paired").await;
    assert_eq!(other.device_id().await, id);
}

#[tokio::test]
async fn a_reload_takes_a_good_configuration_and_nothing_of_a_bad_one() {
    let mut rig = Setup::new().paired().await;
    let text = std::fs::read_to_string(rig.config()).unwrap();
    let clip = rig.path("elsewhere/clip.mp4");
    std::fs::create_dir(rig.path("elsewhere")).unwrap();
    fill(&clip, 3000, 7);
    assert_eq!(rig.add(&clip).await.unwrap_err().name, "OutsideMediaDirs");
    let wider = text.replace("media_dirs = [", &format!("media_dirs = [{:?}, ", rig.path("elsewhere")));

    // One mistake, and nothing of it is taken.
    let typing_error = wider.replace("parallel_parts", "paralel_parts");
    rig.announce_error("paralel_parts");
    let status = rig.reload(&typing_error).await;
    let line = typing_error.lines().position(|l| l.contains("paralel_parts")).unwrap() + 1;
    assert!(status.contains(&format!("rigpost.toml:{line}: key `queue.paralel_parts`")), "{status}");
    assert!(status.starts_with("STATUS=paired with Testbed"), "{status}");
    assert_eq!(rig.add(&clip).await.unwrap_err().name, "OutsideMediaDirs");
    // The next thing that happens does not wipe it away.
    let before = rig.notes.len();
    rig.queue("Pause").await.unwrap();
    rig.add(rig.clip("another.mp4", 5000)).await.unwrap();
    assert!(rig.notes.wait(before, "1 file left").await.contains("was not taken"));

    // Mended, it is.
    let status = rig.reload(&wider).await;
    assert!(!status.contains("configuration"), "{status}");
    rig.add(&clip).await.unwrap();

    // What a running daemon can't change is said.
    let status = rig.reload(&wider.replace("[state]\ndir = \"", "[state]\ndir = \"/new")).await;
    assert!(status.ends_with("changes in [state] wait for a restart"), "{status}");
    assert_eq!(rig.state().await, "paired");
    let status = rig.reload(&wider.replace("level = \"debug\"", "level = \"error\"")).await;
    assert!(!status.contains("restart"), "{status}");
    rig.queue("Resume").await.unwrap();
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
    let (_, status) = (rig.kill_and_start().await, rig.log.all());
    assert!(!status.iter().any(|l| l.contains("sending")), "that is not said at level error: {status:#?}");
}

#[tokio::test]
async fn who_sees_the_name_reads_what_is_so() {
    use futures_util::StreamExt as _;

    let mut rig = Setup::new().start().await;
    rig.queue("Pause").await.unwrap();
    let bus = zbus::fdo::DBusProxy::new(&rig.ui).await.unwrap();
    for _ in 0..5 {
        assert!(rig.stop().await.success());
        let mut owners = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await.unwrap();
        assert!(!rig.bus.owned(&rig.ui).await);
        rig.spawn();
        soon("the name", owners.next()).await.unwrap();
        assert!(rig.get::<bool>(QUEUE, "Paused").await);
    }
}
