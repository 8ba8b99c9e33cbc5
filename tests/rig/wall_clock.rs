//! A wall clock that is wrong, and one that jumps: codes, tokens and clips follow the boot clock. Uses libfaketime.
use std::fs;

use rigpost_sim::{Endpoint, EventKind};

use crate::common::*;

async fn trusted(rig: &Rig) -> bool {
    rig.get(DEVICE, "ClockTrusted").await
}

#[tokio::test]
async fn a_rig_that_wakes_up_in_1970_pairs_renews_and_sends() {
    let mut setup = Setup::cloud(|c| c.access_expires_in = 4);
    let _clock = clock_of(&mut setup, EARLY);
    let mut rig = setup.provisioned().await;
    assert!(!trusted(&rig).await);
    let clip = rig.clip("first.mp4", 3000);
    let id = rig.add(&clip).await.unwrap();
    rig.pair().await;
    assert!(rig.get::<i64>(PAIRING, "RefreshedAt").await < 100_000, "the daemon does live in 1970");
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
    let renewed = rig.event(0, Endpoint::Refresh, EventKind::Replied).await;
    // The new tokens are on disk once they are used.
    rig.event(renewed.n, Endpoint::Me, EventKind::Received).await;
    rig.kill_and_start().await;
    assert_eq!(rig.state().await, "paired");
}

#[tokio::test]
async fn a_certificate_is_not_yet_valid_in_1970_and_is_once_the_clock_is_set() {
    let mut setup = Setup::cloud(|c| c.tls = true);
    let clock = clock_of(&mut setup, EARLY);
    let rig = setup.provisioned().await;
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "ClockUntrusted");
    assert_eq!(rig.reason().await, "clock");
    fs::write(clock.path(), "+0").unwrap();
    rig.pair().await;
    assert_eq!(rig.reason().await, "none");
    assert!(trusted(&rig).await);
}

#[tokio::test]
async fn steps_by_years_end_neither_a_code_nor_a_pairing() {
    let mut setup = Setup::new();
    let clock = clock_of(&mut setup, "+0");
    let rig = setup.provisioned().await;
    let code = rig.start_pairing().await;
    for step in ["+5y", EARLY, "-10y", "+0"] {
        fs::write(clock.path(), step).unwrap();
        let after = rig.now();
        let poll = rig.event(after, Endpoint::TokenPoll, EventKind::Replied).await;
        assert_eq!(poll.error.as_deref(), Some("authorization_pending"), "{step}");
        assert_eq!(
            (rig.state().await, rig.code().await),
            ("waiting-for-user".to_owned(), code.clone()),
            "{step}"
        );
    }
    rig.sim.approve(&code, PROJECT).unwrap();
    rig.wait_project(PROJECT).await;
    for (n, step) in ["+5y", EARLY, "-10y", "+0"].into_iter().enumerate() {
        fs::write(clock.path(), step).unwrap();
        let clip = rig.clip(&format!("{n}.mp4"), 3000);
        rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
        rig.assert_arrived(&clip, PROJECT);
        assert_eq!(rig.state().await, "paired", "{step}");
    }
    assert_eq!(rig.called(Endpoint::Refresh), 0, "a token of eight hours needs no renewal");
    assert_eq!(rig.called(Endpoint::DeviceCode), 1);
}

#[tokio::test]
async fn a_restart_at_another_time_keeps_the_code_and_the_pairing() {
    let mut setup = Setup::new();
    let clock = clock_of(&mut setup, EARLY);
    let mut rig = setup.provisioned().await;
    let code = rig.start_pairing().await;
    rig.kill().await;
    fs::write(clock.path(), "+1y").unwrap();
    rig.start().await;
    assert_eq!(rig.code().await, code);
    rig.sim.approve(&code, PROJECT).unwrap();
    rig.wait_project(PROJECT).await;
    rig.kill().await;
    fs::write(clock.path(), EARLY).unwrap();
    rig.start().await;
    rig.wait_project(PROJECT).await;
    assert_eq!(rig.called(Endpoint::Refresh), 0);
}
