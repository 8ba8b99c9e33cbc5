//! The table of what to do in which trouble, row by row: the real daemon, and a cloud that is in that trouble.
//!
//! A row names the trouble as the cloud's faults are written, and what a person sees of it in the end. The trouble is
//! with one clip; another one is always there to show whether others go on.
//!
//! # Decisions
//! Rows mostly wait, so several run at once; `RIGPOST_ROW=part_is_reset` runs one of them. What every row asks besides:
//! nothing finished is sent again, the pairing stays, and whatever arrives is the file.
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use rigpost_sim::{Endpoint, Event, EventKind, Fault, Sim, SimOptions, TlsValidity};

use crate::common::*;

/// Rigs at the same time: mostly they wait.
const AT_ONCE: usize = 12;
/// Parts in flight at once.
const PARALLEL: usize = 2;
const CHUNK: u64 = 64 * 1024;
/// The clip in trouble, of four parts and a bit.
const BAD: &str = "bad.mov";
const BAD_SIZE: usize = 4 * CHUNK as usize + 17;

/// What comes of it.
#[derive(Clone, Copy)]
enum Then {
    /// The clip arrives by itself, under the last of so many assets.
    Arrives(usize),
    /// It fails for this reason and is not tried again before a person says so.
    Fails(&'static str),
    /// It waits for a person and says this; the others go on.
    Waits(&'static str),
    /// Nothing goes on, and the screen says this, until the trouble is over.
    HoldsAll(&'static str),
}

struct Scene {
    rig: Rig,
    clip: PathBuf,
    id: u64,
}

impl Scene {
    async fn set(faults: &[&str]) -> Scene {
        let setup = Setup::cloud(|c| c.chunk_size = CHUNK);
        Scene::with(Setup { parallel_parts: PARALLEL, ..setup }, faults, BAD_SIZE).await
    }

    async fn with(setup: Setup, faults: &[&str], size: usize) -> Scene {
        let rig = setup.paired().await;
        for fault in faults {
            rig.sim.inject(fault.parse::<Fault>().unwrap());
        }
        let clip = rig.clip(BAD, size);
        let id = rig.add(&clip).await.unwrap();
        Scene { rig, clip, id }
    }

    /// Another clip goes its way.
    async fn others_go_on(&self) {
        let good = self.rig.clip("good.mov", 2 * CHUNK as usize);
        let id = self.rig.add(&good).await.unwrap();
        self.rig.wait_item(id, "done").await;
        self.rig.assert_arrived(&good, PROJECT);
    }

    async fn arrives(&self, assets: usize) {
        let item = self.rig.wait_item(self.id, "done").await;
        assert_eq!(text(&item, "reason"), "none");
        self.rig.assert_arrived(&self.clip, PROJECT);
        let tried: Vec<_> = self.rig.sim.assets().into_iter().filter(|a| a.name == BAD).collect();
        assert_eq!(tried.len(), assets, "assets of the clip: {tried:#?}");
        assert_eq!(text(&item, "asset_id"), tried.last().unwrap().id);
    }

    /// The trouble is over and a person says: again.
    async fn is_retried(&self) {
        self.rig.sim.clear_faults();
        self.rig.queue_items("Retry", &[self.id]).await.unwrap();
        self.arrives(1).await;
    }

    fn creations(&self) -> usize {
        let asked = |e: &&Event| e.endpoint == Endpoint::Create && e.kind == EventKind::Replied;
        self.rig.sim.log().iter().filter(asked).count()
    }
}

async fn row(faults: &[&str], then: Then) {
    let scene = Scene::set(faults).await;
    match then {
        Then::Arrives(assets) => {
            scene.arrives(assets).await;
            scene.others_go_on().await;
        }
        Then::Fails(reason) => {
            let item = scene.rig.wait_item(scene.id, "failed").await;
            assert_eq!(text(&item, "reason"), reason);
            assert_ne!(text(&item, "detail"), "");
            scene.others_go_on().await;
            assert_eq!(scene.creations(), 2, "one for each clip: it is not tried again by itself");
            assert_eq!(scene.rig.get::<u32>(QUEUE, "Failed").await, 1);
            scene.is_retried().await;
        }
        Then::Waits(word) => {
            let says = |i: &Dict| text(i, "reason") == "provider" && text(i, "detail").contains(word);
            let item = scene.rig.wait_item_that(scene.id, "put aside, and why", says).await;
            assert!(["queued", "held"].contains(&text(&item, "state").as_str()), "{item:#?}");
            scene.others_go_on().await;
            assert_eq!(scene.rig.complete(BAD).len(), 0);
            scene.is_retried().await;
        }
        Then::HoldsAll(word) => {
            let says = |p: &Dict| {
                let all: Vec<(String, String, String)> =
                    p["Blockers"].try_clone().unwrap().try_into().unwrap();
                all.iter().any(|(code, _, detail)| code == "provider" && detail.contains(word))
            };
            scene.rig.wait(DEVICE, &format!("a blocker that says {word}"), says).await;
            assert_eq!(text(&scene.rig.item(scene.id).await, "state"), "queued");
            scene.is_retried().await;
            scene.others_go_on().await;
            let none = |p: &Dict| {
                Vec::<(String, String, String)>::try_from(p["Blockers"].try_clone().unwrap()).unwrap()
            };
            scene.rig.wait(DEVICE, "no blocker", |p| none(p).is_empty()).await;
        }
    }
    assert_eq!(scene.rig.state().await, "paired");
    // An answer that is lost after the effect leaves no choice but to send the part again.
    let lost = |fault: &&str| fault.contains("lost-answer") || fault.contains("reset-mid-body");
    // What looks like a checksum and differs is doubted once by each part that is under way.
    let doubted = if faults.iter().any(|f| f.contains("opaque-etag")) { PARALLEL } else { 0 };
    let allowed = faults.iter().filter(|f| f.starts_with("part") && lost(f)).count() + doubted;
    let again = scene.rig.sim.parts_begun_again();
    assert!(again.len() <= allowed, "finished parts were sent again: {again:#?}");
}

/// A row: its name, the faults in force, and what comes of it.
type Row = (&'static str, &'static [&'static str], Then);

macro_rules! rows {
    ($($name:ident: $($fault:literal)+ => $then:expr;)+) => {
        &[$((stringify!($name), &[$($fault),+], $then)),+]
    };
}

use Then::{Arrives, Fails, HoldsAll, Waits};

const ROWS: &[Row] = rows! {
    // Connect, timeout, reset: again, for as long as it takes, with what is there already.
    creation_is_reset: "create@bad.mov:reset:2" => Arrives(1);
    creation_is_answered_with_half_a_json: "create@bad.mov:garbage" => Arrives(2);
    creation_s_answer_is_lost: "create@bad.mov:lost-answer" => Arrives(2);
    part_is_reset: "part#3@bad.mov:reset" => Arrives(1);
    part_is_reset_in_the_middle: "part#2@bad.mov:reset-after=20000:2" => Arrives(1);
    part_s_answer_is_lost: "part#2@bad.mov:lost-answer" => Arrives(1);
    part_s_answer_is_cut: "part#5@bad.mov:reset-mid-body" => Arrives(1);
    part_is_slow: "part#1@bad.mov:slow=200000" => Arrives(1);
    // The plan's limit: no clip will be taken, and a person has to act.
    no_room_in_the_plan: "create:402:forever" => HoldsAll("402");
    // The provider's own no to this clip: a person has to act, the others go on.
    no_permission: "create@bad.mov:403:forever" => Waits("403");
    something_is_gone: "create@bad.mov:404:forever" => Waits("404");
    another_conflict: "create@bad.mov:409:forever" => Waits("Conflict");
    // The same numbers from something in between: as good as no network.
    proxy_says_not_found: "create@bad.mov:html-404" => Arrives(1);
    proxy_says_not_found_in_plain_text: "create@bad.mov:bare=404" => Arrives(1);
    proxy_says_forbidden: "create@bad.mov:bare=403" => Arrives(1);
    proxy_says_unauthorized: "create@bad.mov:bare=401" => Arrives(1);
    proxy_says_bad_gateway: "create@bad.mov:html-502" => Arrives(1);
    captive_portal_takes_a_creation: "create@bad.mov:captive-portal" => Arrives(1);
    captive_portal_takes_a_part: "part#2@bad.mov:captive-portal" => Arrives(1);
    captive_portal_redirects_a_part: "part#2@bad.mov:redirect" => Arrives(1);
    proxy_takes_a_part: "part#2@bad.mov:html-404" => Arrives(1);
    proxy_forbids_a_part: "part#2@bad.mov:html-403" => Arrives(1);
    // Recorded while paused: never by itself, but a person may ask for it.
    recorded_while_paused: "create@bad.mov:paused" => Fails("recorded-while-paused");
    // A clip that is no good.
    invalid_arguments: "create@bad.mov:422" => Fails("refused");
    malformed: "create@bad.mov:detailed=400" => Fails("refused");
    // Too fast, and the cloud in trouble.
    creation_is_too_fast: "create@bad.mov:429=2" => Arrives(1);
    part_is_too_fast: "part#2@bad.mov:429=2" => Arrives(1);
    creation_meets_500: "create@bad.mov:500" => Arrives(1);
    creation_meets_503_twice: "create@bad.mov:503:2" => Arrives(1);
    // The storage's own words.
    url_has_expired: "part#2@bad.mov:expired" => Arrives(2);
    storage_times_out: "part#2@bad.mov:s3=RequestTimeout" => Arrives(1);
    storage_fails: "part#2@bad.mov:s3=InternalError" => Arrives(1);
    storage_asks_for_patience: "part#2@bad.mov:s3=SlowDown" => Arrives(1);
    storage_is_away: "part#2@bad.mov:s3=ServiceUnavailable:2" => Arrives(1);
    // Refused for another reason: another address.
    signature_is_refused_twice: "part#2@bad.mov:s3=SignatureDoesNotMatch:2" => Arrives(2);
    access_is_denied_twice: "part#2@bad.mov:s3=AccessDenied:2" => Arrives(2);
    // Nothing moves any more, and nothing says so.
    creation_stalls: "create@bad.mov:stall" => Arrives(1);
    // One refresh, and the same call again.
    token_is_refused_once: "create@bad.mov:401" => Arrives(1);
    // An ETag that is no hash proves nothing; once that is known, nothing is sent again for it.
    etag_is_no_md5: "part@bad.mov:opaque-etag:forever" => Arrives(1);
};

//= frameio-c2c#6.1
//= type=test
//# What has neither shape comes from something on the way, whatever its number
//= frameio-c2c#6.3
//= type=test
//# Trouble with the network is tried again for as long as it takes; no clip is dropped.
//= frameio-c2c#6.3
//= type=test
//# 400 and 422 to a creation: that clip has failed, and the others go on.
//= frameio-c2c#6.3
//= type=test
//# A storage that says that an address has expired: another asset.
//= frameio-c2c#6.3
//= type=test
//# costs that part another try
#[tokio::test]
async fn every_row_of_the_table() {
    let only = std::env::var("RIGPOST_ROW").ok();
    let wanted = |row: &&Row| only.as_deref().is_none_or(|only| row.0 == only);
    let rows: Vec<&Row> = ROWS.iter().filter(wanted).collect();
    assert!(!rows.is_empty(), "RIGPOST_ROW names no row");
    let tried = rows.into_iter().map(async |(name, faults, then)| {
        // One row's failure must not hide the others'.
        let ran = AssertUnwindSafe(row(faults, *then)).catch_unwind().await;
        ran.err().map(|_printed_already| *name)
    });
    let failed: Vec<&str> =
        stream::iter(tried).buffer_unordered(AT_ONCE).filter_map(async |failed| failed).collect().await;
    assert_eq!(failed, Vec::<&str>::new(), "run one of them alone with RIGPOST_ROW=NAME");
}

/// The pause is the project's, and the cloud compares the time of the recording with it.
//= frameio-c2c#4.5
//= type=test
//# What was recorded during a pause (409 Channel Paused) is not sent by itself.
#[tokio::test]
async fn a_clip_made_in_a_pause_fails_and_one_made_after_it_goes() {
    // By a socket it would know of the pause, and not even ask.
    let unaware = "[provider]\npresence = \"none\"\n".to_owned();
    let rig = Setup { drop_in: unaware, ..Setup::new() }.paired().await;
    let device = rig.device_id().await;
    rig.sim.pause_device(&device).unwrap();
    let clip = made_now(rig.clip(BAD, 5000));
    let id = rig.add(&clip).await.unwrap();
    let item = rig.wait_item(id, "failed").await;
    assert_eq!(text(&item, "reason"), "recorded-while-paused");
    rig.sim.resume_device(&device).unwrap();
    // Its offset counts in whole seconds, down; the cloud's clock moves on instead of ours.
    rig.sim.advance(2);
    let later = made_now(rig.clip("later.mov", 5000));
    rig.wait_item(rig.add(&later).await.unwrap(), "done").await;
    rig.assert_arrived(&later, PROJECT);
    assert_eq!(rig.sim.assets().len(), 1);
}

/// Clips are dated a while back; this one is of this moment.
fn made_now(clip: std::path::PathBuf) -> std::path::PathBuf {
    std::fs::write(&clip, std::fs::read(&clip).unwrap()).unwrap();
    clip
}

/// A token that has run out costs one refresh, and the clip goes on.
#[tokio::test]
async fn a_token_that_ran_out_is_renewed_once() {
    // The daemon refreshes before the end by itself, so the end comes early.
    let mut rig = Setup::cloud(|c| c.chunk_size = CHUNK).paired().await;
    rig.kill().await;
    rig.sim.advance(8 * 3600);
    rig.start().await;
    let clip = rig.clip(BAD, BAD_SIZE);
    rig.wait_item(rig.add(&clip).await.unwrap(), "done").await;
    rig.assert_arrived(&clip, PROJECT);
    assert_eq!(rig.called(Endpoint::Refresh), 1);
    assert_eq!(rig.state().await, "paired");
}

/// A 429 says how long; nothing is asked before.
#[tokio::test]
async fn the_cloud_s_wish_for_a_pause_is_kept() {
    let scene = Scene::set(&["create@bad.mov:429=3"]).await;
    scene.arrives(1).await;
    let log = scene.rig.sim.log();
    let at = |kind| move |e: &&Event| e.endpoint == Endpoint::Create && e.kind == kind;
    let refused = log.iter().find(at(EventKind::Replied)).unwrap();
    let again = log.iter().filter(at(EventKind::Received)).nth(1).unwrap();
    assert_eq!(refused.status, Some(429));
    assert!(again.ms - refused.ms >= 3000, "asked again after {} ms", again.ms - refused.ms);
}

/// A day passes while the rig is off: the addresses are dead, and nobody but the storage says so.
#[tokio::test]
async fn a_day_old_upload_begins_anew() {
    let setup = Setup::cloud(|c| c.chunk_size = CHUNK);
    let setup = Setup { parallel_parts: 1, ..setup };
    let mut scene = Scene::with(setup, &["part#3@bad.mov:stall"], BAD_SIZE).await;
    let stalled = |e: &Event| e.fault.as_deref() == Some("stall");
    scene.rig.sim.wait_for(stalled, PATIENCE).await.expect("the third part is under way");
    scene.rig.kill().await;
    scene.rig.sim.advance(86_400);
    scene.rig.start().await;
    scene.arrives(2).await;
    let first = scene.rig.sim.assets().remove(0);
    assert_eq!((first.parts_done, first.complete), (2, false), "and the old one stays as it was");
}

/// The storage takes some of a part and then no more, and the connection stays: nobody says that anything is wrong.
#[tokio::test]
async fn a_part_that_moves_no_more_is_sent_again() {
    let setup = Setup::cloud(|c| c.chunk_size = 64 << 20);
    let scene = Scene::with(setup, &["part@bad.mov:stall-after=1000000"], 48 << 20).await;
    scene.arrives(1).await;
    let begun = scene.rig.sim.parts().remove(0);
    assert_eq!((begun.begun, begun.begun_again), (2, 0));
}

/// The storage has the part, and its answer comes a byte at a time: the part is over in a bounded time, and meanwhile it
/// keeps its own slot and nobody else's.
#[tokio::test]
async fn a_part_whose_answer_never_ends_is_sent_again_and_others_go_on() {
    // As long as a storage may need to put a part together, and what a busy machine adds.
    const BOUNDED: Duration = Duration::from_secs(110);
    let scene = Scene::set(&["part#2@bad.mov:trickle=3000"]).await;
    let trickles = |e: &Event| e.fault.is_some() && e.kind == EventKind::Effect;
    scene.rig.sim.wait_for(trickles, PATIENCE).await.expect("the storage has the part");
    scene.others_go_on().await;
    assert_eq!(text(&scene.rig.item(scene.id).await, "state"), "uploading", "nobody has given it up by then");
    let given_up = |e: &Event| e.fault.is_some() && e.kind == EventKind::Cut;
    scene.rig.sim.wait_for(given_up, BOUNDED).await.expect("it ends");
    scene.arrives(1).await;
    assert_eq!(scene.rig.sim.parts_begun_again().len(), 1, "that part, and no other");
}

/// As storage may do it: the refusal comes at once, and who goes on sending sees the connection break.
#[tokio::test]
async fn an_address_that_is_refused_early_is_not_taken_for_a_dead_network() {
    let setup = Setup::cloud(|c| {
        c.chunk_size = 64 << 20;
        c.reject_early = true;
    });
    let mut scene = Scene::with(setup, &["part@bad.mov:stall-after=1000"], 48 << 20).await;
    let begun = |e: &Event| e.endpoint == Endpoint::Part && e.kind == EventKind::Received;
    scene.rig.sim.wait_for(begun, PATIENCE).await.expect("the part is under way");
    scene.rig.kill().await;
    scene.rig.sim.advance(86_400);
    scene.rig.start().await;
    scene.arrives(2).await;
    let refused = |e: &&Event| e.kind == EventKind::Replied && e.status == Some(403);
    assert_eq!(scene.rig.sim.log().iter().filter(refused).count(), 1, "it was understood the first time");
}

/// The device is forgotten while it has clips: they stay, and go when it is paired again.
#[tokio::test]
async fn a_device_that_was_forgotten_keeps_its_queue() {
    let rig = Setup::new().paired().await;
    rig.sim.revoke_device(&rig.device_id().await).unwrap();
    let clip = rig.clip(BAD, 5000);
    let id = rig.add(&clip).await.unwrap();
    rig.wait_state("needs-pairing").await;
    assert_eq!(rig.reason().await, "revoked");
    assert_eq!(text(&rig.item(id).await, "state"), "queued");
    rig.wait_blocker("needs-pairing").await;
    rig.pair().await;
    rig.wait_item(id, "done").await;
    rig.assert_arrived(&clip, PROJECT);
}

/// A certificate that is not valid yet, or no more: the clip waits and the screen speaks of the clock.
//= frameio-c2c#6.3
//= type=test
//# A certificate that is over or not valid yet speaks of the clock.
#[tokio::test]
async fn a_certificate_out_of_its_time_speaks_of_the_clock() {
    for validity in [TlsValidity::NotYetValid, TlsValidity::Expired] {
        let mut rig = Setup::cloud(|c| c.tls = true).paired().await;
        rig.kill().await;
        // The same cloud: another address would be another provider, to which this rig has never been.
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, rig.sim.url().port().unwrap()));
        rig.sim = Sim::start(rig.setup.sim.clone()).await.unwrap();
        let options = SimOptions { tls_validity: validity, listen, ..rig.setup.sim.clone() };
        let freed = async {
            loop {
                match Sim::start(options.clone()).await {
                    Ok(sim) => return sim,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        rig.sim = soon("the address that the cloud has let go of", freed).await;
        rig.write_config();
        rig.start().await;
        let id = rig.add(rig.clip(BAD, 5000)).await.unwrap();
        rig.wait_blocker("clock").await;
        rig.wait_item(id, "queued").await;
        assert_eq!(rig.state().await, "paired");
    }
}

/// A file that is not there any more, or not the one that was queued, fails by itself.
//= frameio-c2c#6.3
//= type=test
//# A file that can't be read, has gone or is being written waits or fails alone.
#[tokio::test]
async fn a_file_that_is_gone_waits_alone_and_one_that_was_written_on_goes_as_it_is_now() {
    let rig = Setup::new().paired().await;
    rig.queue("Pause").await.unwrap();
    let clips = ["gone.mov", "changed.mov", "good.mov"].map(|name| rig.clip(name, 9000));
    let mut ids = Vec::new();
    for clip in &clips {
        ids.push(rig.add(clip).await.unwrap());
    }
    std::fs::remove_file(&clips[0]).unwrap();
    fill(&clips[1], 9001, 1);
    rig.queue("Resume").await.unwrap();
    assert_eq!(text(&rig.wait_item(ids[0], "away").await, "reason"), "vanished");
    for n in [1, 2] {
        rig.wait_item(ids[n], "done").await;
        rig.assert_arrived(&clips[n], PROJECT);
    }
    assert_eq!(rig.sim.assets().len(), 2);
}
