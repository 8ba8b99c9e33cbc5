//! Whatever happens to key and database: the daemon comes up, says why it can't work, and never becomes another rig.
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rigpost_sim::{Endpoint, Sim};

use crate::common::*;

/// A paired rig that is off, with one clip in its queue; its identity.
async fn shut_down() -> (Rig, String, u64) {
    let mut rig = Setup::new().paired().await;
    rig.queue("Pause").await.unwrap();
    let item = rig.add(rig.clip("kept.mp4", 3000)).await.unwrap();
    let id = rig.device_id().await;
    assert!(rig.stop().await.success());
    // Whatever is broken next is an error in the journal, too.
    rig.announce_error("");
    (rig, id, item)
}

/// The rig is up, says so, changes nothing, and sends nothing.
async fn assert_unavailable(rig: &Rig, id: &str) {
    assert_eq!(rig.state().await, "secret-unavailable");
    assert_eq!(rig.reason().await, "no-key", "the disk is fine");
    assert_eq!(rig.blockers().await[..2], ["secret-unavailable", "no-key"]);
    assert!(rig.blocker_details().await[1].len() > 10, "support reads what was seen");
    assert!(rig.blocker_sentences().await.iter().all(|sentence| !sentence.contains("journalctl")));
    assert_eq!(rig.device_id().await, id);
    assert_eq!(rig.text(DEVICE, "Protection").await, "none");
    let refused = rig.ask_to_pair().await.unwrap_err();
    assert_eq!(refused.name, "SecretUnavailable");
    assert_ne!(refused.text, "");
    assert_eq!(rig.unpair().await.unwrap_err().name, "SecretUnavailable");
    assert_eq!(rig.forget().await.unwrap_err().name, "SecretUnavailable");
}

/// The rig is up and says that it is the disk: no secret is lost, so none is asked for.
async fn assert_storage_unavailable(rig: &Rig) {
    assert_eq!(rig.state().await, "secret-unavailable");
    assert_eq!((rig.reason().await.as_str(), rig.blockers().await), ("storage", vec!["storage".to_owned()]));
    assert_eq!(rig.device_id().await, "");
    assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "IOError");
    rig.provision(SECRET).await.unwrap_err();
}

/// Provisioned again, the same rig pairs and sends what it had.
async fn assert_mended(rig: &mut Rig, id: &str, item: u64) {
    rig.provision(SECRET).await.unwrap();
    assert_eq!(rig.device_id().await, id);
    assert_ne!(rig.state().await, "secret-unavailable");
    rig.pair().await;
    rig.queue("Resume").await.unwrap();
    rig.wait_item(item, "done").await;
    rig.assert_arrived(&rig.path("media/kept.mp4"), PROJECT);
    rig.kill_and_start().await;
    assert_eq!((rig.state().await.as_str(), rig.device_id().await.as_str()), ("paired", id));
}

#[tokio::test]
async fn with_another_key_the_rig_waits_for_its_secret() {
    let (mut rig, id, item) = shut_down().await;
    fs::write(rig.path("root.key"), [7; 32]).unwrap();
    rig.start().await;
    assert_unavailable(&rig, &id).await;
    assert_eq!(text(&rig.item(item).await, "state"), "queued");
    assert_mended(&mut rig, &id, item).await;
}

#[tokio::test]
async fn without_its_key_the_rig_waits_for_its_secret() {
    let (mut rig, id, item) = shut_down().await;
    fs::remove_file(rig.path("root.key")).unwrap();
    rig.start().await;
    assert_unavailable(&rig, &id).await;
    assert!(!rig.path("root.key").exists(), "no key is made in place of the lost one");
    // A start changes nothing for the worse.
    rig.kill_and_start().await;
    assert_unavailable(&rig, &id).await;
    assert_mended(&mut rig, &id, item).await;
}

#[tokio::test]
async fn a_key_that_comes_back_brings_everything_back() {
    let (mut rig, id, item) = shut_down().await;
    let (key, away) = (rig.path("root.key"), rig.path("away.key"));
    for damage in 0..4 {
        match damage {
            0 => fs::rename(&key, &away).unwrap(),
            1 => fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap(),
            2 => fs::write(&key, [7; 31]).unwrap(),
            _ => fs::write(&key, [7; 32]).unwrap(),
        }
        rig.start().await;
        assert_unavailable(&rig, &id).await;
        assert_eq!(text(&rig.item(item).await, "state"), "queued");
        if damage == 1 {
            // Others could have read it: it is not used, whatever is asked.
            rig.provision(SECRET).await.unwrap_err();
            assert_unavailable(&rig, &id).await;
        }
        rig.kill().await;
        fs::copy(&away, &key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        rig.start().await;
        assert_eq!((rig.state().await, rig.device_id().await), ("paired".to_owned(), id.clone()));
        rig.stop().await;
    }
    assert_eq!(rig.called(Endpoint::DeviceCode), 1);
}

#[tokio::test]
async fn a_cut_database_is_left_as_it_is_and_makes_no_new_rig() {
    let (mut rig, id, _) = shut_down().await;
    let file = rig.state_dir().join("rigpost.db");
    let whole = fs::read(&file).unwrap();
    for keep in [0, 1, 99, 100, 4095, 4096, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        fs::write(&file, &whole[..keep]).unwrap();
        rig.start().await;
        // The last pages may hold nothing that is asked for.
        let now = rig.device_id().await;
        if rig.state().await == "paired" {
            assert_eq!(now, id, "{keep} bytes");
        } else {
            assert_eq!(rig.state().await, "secret-unavailable", "{keep} bytes");
            assert!(now.is_empty() || now == id, "{keep} bytes: {now}");
            assert_eq!(rig.reason().await, "storage", "no key is lost");
            assert_eq!(rig.ask_to_pair().await.unwrap_err().name, "IOError");
            rig.provision(SECRET).await.unwrap_err();
            rig.add(rig.path("media/kept.mp4")).await.unwrap_err();
            rig.kill().await;
            assert_eq!(fs::read(&file).unwrap(), &whole[..keep], "a damaged file is left for a person");
            rig.start().await;
        }
        rig.kill().await;
        for side in ["rigpost.db-wal", "rigpost.db-shm"] {
            let _ = fs::remove_file(rig.state_dir().join(side));
        }
    }
    fs::write(&file, &whole).unwrap();
    rig.start().await;
    assert_eq!((rig.state().await, rig.device_id().await), ("paired".to_owned(), id));
}

#[tokio::test]
async fn a_lost_database_beside_its_log_makes_no_new_rig() {
    let (mut rig, id, _) = shut_down().await;
    rig.start().await;
    rig.kill().await;
    let file = rig.state_dir().join("rigpost.db");
    fs::rename(&file, rig.path("moved.db")).unwrap();
    fs::write(rig.state_dir().join("rigpost.db-wal"), "the log of what is gone").unwrap();
    rig.start().await;
    assert_eq!((rig.state().await.as_str(), rig.device_id().await.as_str()), ("secret-unavailable", ""));
    rig.kill().await;
    assert!(!file.exists());
    fs::remove_file(rig.state_dir().join("rigpost.db-wal")).unwrap();
    fs::rename(rig.path("moved.db"), &file).unwrap();
    rig.start().await;
    assert_eq!(rig.device_id().await, id);
}

/// Exchanges what two records hold, as somebody with the file in their hands might.
fn swap(rig: &Rig, a: &str, b: &str) {
    let db = rig.database();
    let get = |name: &str| -> Vec<u8> {
        db.query_row("SELECT value FROM sealed WHERE name = ?1", [name], |r| r.get(0))
            .expect("the record is there")
    };
    let put = |name: &str, value: Vec<u8>| {
        db.execute("UPDATE sealed SET value = ?2 WHERE name = ?1", (name, value)).unwrap();
    };
    let (of_a, of_b) = (get(a), get(b));
    put(a, of_b);
    put(b, of_a);
}

#[tokio::test]
async fn swapped_tokens_are_noticed_and_cost_no_more_than_a_pairing() {
    let (mut rig, id, item) = shut_down().await;
    swap(&rig, "access_token", "refresh_token");
    rig.start().await;
    assert_eq!((rig.state().await.as_str(), rig.reason().await.as_str()), ("needs-pairing", "no-key"));
    assert_eq!(rig.device_id().await, id);
    assert_mended(&mut rig, &id, item).await;
}

#[tokio::test]
async fn a_swapped_secret_is_noticed_and_mended_by_provisioning() {
    let (mut rig, id, item) = shut_down().await;
    swap(&rig, "client_secret", "refresh_token");
    rig.start().await;
    assert_unavailable(&rig, &id).await;
    assert_mended(&mut rig, &id, item).await;
}

#[tokio::test]
async fn a_damaged_secret_alone_does_not_cost_the_pairing() {
    let (mut rig, id, item) = shut_down().await;
    rig.database()
        .execute("UPDATE sealed SET value = zeroblob(80) WHERE name = 'client_secret'", [])
        .unwrap();
    rig.start().await;
    assert_unavailable(&rig, &id).await;
    rig.provision(SECRET).await.unwrap();
    rig.wait_project(PROJECT).await;
    rig.queue("Resume").await.unwrap();
    rig.wait_item(item, "done").await;
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let (mut rig, id, _) = shut_down().await;
    let version: i64 = rig.database().query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap();
    rig.database().pragma_update(None, "user_version", 99).unwrap();
    let file = rig.state_dir().join("rigpost.db");
    let before = fs::read(&file).unwrap();
    rig.start().await;
    assert_storage_unavailable(&rig).await;
    rig.kill().await;
    assert_eq!(fs::read(&file).unwrap(), before);
    rig.database().pragma_update(None, "user_version", version).unwrap();
    rig.start().await;
    assert_eq!((rig.state().await, rig.device_id().await), ("paired".to_owned(), id));
}

#[tokio::test]
async fn a_name_in_the_configuration_wins_and_is_paired_anew() {
    let (mut rig, id, _) = shut_down().await;
    rig.setup.client_id = Some("SN-000123".to_owned());
    rig.write_config();
    rig.start().await;
    assert_eq!(rig.device_id().await, "SN-000123");
    assert_ne!(rig.state().await, "paired");
    // A secret belongs to the rig's model, not to its name, so it may be there already.
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    let devices: Vec<String> = rig.sim.devices().into_iter().map(|d| d.client_id).collect();
    assert!(devices.contains(&"SN-000123".to_owned()) && devices.contains(&id), "{devices:?}");
    rig.kill_and_start().await;
    assert_eq!((rig.state().await.as_str(), rig.device_id().await.as_str()), ("paired", "SN-000123"));
}

//= frameio-c2c#2
//= type=test
//# The client_id is unique for each physical device and ours to make: a serial number, or a random UUID made
//# once and stored.
//= frameio-c2c#2
//= type=test
//# The client_id stays the same from the request for a code to the revocation.
#[tokio::test]
async fn an_identity_is_made_once_for_life_and_two_rigs_differ() {
    let mut rig = Setup::new().start().await;
    let id = rig.device_id().await;
    assert!(id.len() >= 32, "{id}");
    rig.kill_and_start().await;
    assert_eq!(rig.device_id().await, id);
    rig.restart().await;
    assert_eq!(rig.device_id().await, id);
    let other = Setup::new().start().await;
    assert_ne!(other.device_id().await, id);
}

#[tokio::test]
async fn a_forgotten_rig_is_another_one_and_keeps_its_clips() {
    let mut rig = Setup::new().paired().await;
    rig.queue("Pause").await.unwrap();
    let item = rig.add(rig.clip("kept.mp4", 3000)).await.unwrap();
    let id = rig.device_id().await;
    rig.forget().await.unwrap();
    let new = rig.device_id().await;
    assert!(new != id && !new.is_empty(), "{new}");
    assert_eq!(rig.state().await, "unprovisioned");
    rig.event(0, Endpoint::Revoke, rigpost_sim::EventKind::Replied).await;
    rig.kill().await;
    assert_eq!(
        rig.column("SELECT name FROM sealed WHERE name LIKE '%secret%' OR name LIKE '%token%'"),
        Vec::<String>::new()
    );
    rig.start().await;
    assert_eq!((rig.state().await, rig.device_id().await), ("unprovisioned".to_owned(), new));
    assert_eq!(text(&rig.item(item).await, "name"), "kept.mp4");
}

/// Another cloud in the place of the first one's, while the daemon is off.
fn move_to(rig: &Rig, from: &str, to: &str) {
    let text = fs::read_to_string(rig.config()).unwrap();
    let from = format!("base_url = {from:?}");
    assert!(text.contains(&from), "{text}");
    fs::write(rig.config(), text.replace(&from, &format!("base_url = {to:?}"))).unwrap();
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-10.3
//= type=test
//# MUST be kept confidential in transit and storage
#[tokio::test]
async fn another_cloud_sees_nothing_of_the_first_one_s_grant_which_waits_for_its_return() {
    let (mut rig, id, item) = shut_down().await;
    let (first, other) = (rig.sim.url().to_string(), Sim::start(rig.setup.sim.clone()).await.unwrap());
    let asked = rig.now();
    move_to(&rig, &first, other.url().as_str());
    rig.start().await;
    assert_eq!((rig.state().await.as_str(), rig.device_id().await), ("unprovisioned", id.clone()));
    rig.provision(SECRET).await.unwrap();
    assert_eq!(rig.state().await, "unpaired");
    rig.queue("Resume").await.unwrap();
    assert_eq!(text(&rig.item(item).await, "state"), "queued");
    assert_eq!(rig.unpair().await, Ok(()), "there is nothing to erase here");
    assert!(rig.stop().await.success());
    assert_eq!(other.log().len(), 0, "nothing was asked there, and so nothing shown");
    assert_eq!(rig.now(), asked, "nor at the first");

    // The same address, as somebody else writes it.
    let spelled = first.replace("http://", "HTTP://").trim_end_matches('/').to_owned();
    move_to(&rig, other.url().as_str(), &spelled);
    rig.start().await;
    assert_eq!((rig.state().await.as_str(), rig.device_id().await), ("paired", id));
    rig.wait_item(item, "done").await;
    rig.assert_arrived(&rig.path("media/kept.mp4"), PROJECT);
    assert_eq!(other.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_of_one_cloud_s_project_stays_held_at_a_copy_of_it() {
    let (mut rig, _, item) = shut_down().await;
    let (first, copy) = (rig.sim.url().to_string(), Sim::start(rig.setup.sim.clone()).await.unwrap());
    move_to(&rig, &first, copy.url().as_str());
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.queue("Resume").await.unwrap();
    let code = rig.start_pairing().await;
    copy.approve(&code, PROJECT).unwrap();
    rig.wait_state("paired").await;
    rig.wait_project(PROJECT).await;
    let held = rig.wait_item(item, "held").await;
    assert_eq!(text(&held, "reason"), "other-project", "it has the same name and number there");
    let own = rig.add(rig.clip("own.mp4", 4000)).await.unwrap();
    rig.wait_item(own, "done").await;
    let there: Vec<String> = copy.assets().into_iter().map(|asset| asset.name).collect();
    assert_eq!(there, ["own.mp4"]);
    assert_eq!(rig.sim.assets(), []);
    assert_eq!(copy.violations(), Vec::<String>::new());
}
