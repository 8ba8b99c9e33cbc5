//! Clips that grow, in trouble: old addresses, refusals, lost answers.

use rigpost_sim::{EventKind, Sim, SimOptions};
use serde_json::{Value, json};

use crate::client::{Rig, addresses, quick};
use crate::growing::PART;
use crate::uploads::{hex_sha256, xml_code};

fn inject(sim: &Sim, spec: &str) {
    sim.inject(spec.parse().unwrap());
}

fn small() -> Value {
    json!({"parts": [{"number": 1, "size": 4, "is_final": true}], "asset_filesize": 4})
}

#[tokio::test]
async fn a_part_registered_again_gets_a_fresh_address() {
    let sim = Sim::start(SimOptions { access_expires_in: 1_000_000, ..quick() }).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let id = rig.grow("A001.mov").await;
    let old = addresses(&rig.register(&id, small()).await).remove(0);
    sim.advance(86_399);
    let fresh = addresses(&rig.register(&id, small()).await).remove(0);
    assert_ne!(old, fresh);
    assert_eq!(rig.put(&old, "abcd").await.status, 200, "the old one still works");
    assert_eq!(sim.assets()[0].sha256, Some(hex_sha256(b"abcd")));

    let id = rig.grow("B001.mov").await;
    let old = addresses(&rig.register(&id, small()).await).remove(0);
    sim.advance(86_400);
    let refused = rig.put(&old, "abcd").await;
    assert_eq!(xml_code(&refused), (403, "AccessDenied".into()));
    assert!(refused.text.contains("Request has expired"));
    let fresh = addresses(&rig.register(&id, small()).await).remove(0);
    assert_eq!(xml_code(&rig.put(&old, "abcd").await), (403, "AccessDenied".into()), "old is old");
    assert_eq!(rig.put(&fresh, "efgh").await.status, 200);
    let asset = sim.assets().remove(1);
    assert_eq!(asset.sha256, Some(hex_sha256(b"efgh")));
    let grown = asset.realtime.unwrap();
    assert_eq!((grown.registered, grown.parts[0].addresses), (vec![1, 1], 2));
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_fresh_address_can_be_refused() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    inject(&sim, "register:refuse-again");
    let id = rig.grow("A001.mov").await;
    for number in [1, 2] {
        rig.place(&id, number, PART).await;
    }
    assert_eq!(sim.faults().len(), 1, "first registrations pass and don't count");
    let again = json!({"parts": [{"number": 3, "size": PART}, {"number": 2, "size": PART}]});
    assert_eq!(rig.register(&id, again.clone()).await.title(), (400, "Bad Request".into()));
    assert_eq!(sim.assets()[0].realtime.as_ref().unwrap().registered, [1, 2]);
    assert_eq!(rig.register(&id, again).await.status, 200, "it struck");
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn only_the_device_s_own_clips_that_grow_can_be_registered_for() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let id = rig.grow("A001.mov").await;
    let not_found = (404, "Not Found".to_owned());
    assert_eq!(rig.register("7fd0aa9b-5ac0-4d3a-b9a3-6dd2a2a1d9b0", small()).await.title(), not_found);
    let mut other = Rig { client_id: "rig-2".into(), ..Rig::new(&sim) };
    other.pair("Testbed").await;
    assert_eq!(other.register(&id, small()).await.title(), not_found, "another device's");
    let stranger = Rig { access: "made-up".into(), ..Rig::new(&sim) };
    assert_eq!(stranger.register(&id, small()).await.title(), (401, "Not Authorized".into()));
    sim.move_device("rig-1", "Second Unit").unwrap();
    assert_eq!(rig.register(&id, small()).await.title(), not_found, "of the project it has left");
    sim.move_device("rig-1", "Testbed").unwrap();
    assert_eq!(sim.violations(), Vec::<String>::new());
    let (whole, _) = rig.clip(4, 1).await;
    assert_eq!(rig.register(&whole, small()).await.title(), not_found, "it does not grow");
    assert_eq!(sim.violations().len(), 1);
    assert_eq!(rig.register(&id, small()).await.status, 200);
}

#[tokio::test]
async fn a_pause_keeps_new_clips_out_and_lets_those_go_on_that_grow() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let id = rig.grow("A001.mov").await;
    sim.pause_device("rig-1").unwrap();
    let body = json!({"name": "B.mov", "filetype": "video/quicktime", "is_realtime_upload": true});
    assert_eq!(rig.create(body).await.title(), (409, "Channel Paused".into()));
    let url = addresses(&rig.register(&id, small()).await).remove(0);
    assert_eq!(rig.put(&url, "abcd").await.status, 200);
    assert!(sim.assets()[0].complete);
    sim.revoke_device("rig-1").unwrap();
    assert_eq!(rig.register(&id, small()).await.title().0, 401);
}

#[tokio::test]
async fn faults_choose_registrations() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (id, other) = (rig.grow("A001.mov").await, rig.grow("B001.mov").await);
    inject(&sim, "register#2@A001.mov:429=7");
    inject(&sim, "register@B001.mov:404");
    let both = || json!({"parts": [{"number": 1, "size": PART}, {"number": 2, "size": PART}]});
    rig.place(&id, 1, PART).await;
    assert_eq!(rig.register(&other, both()).await.title(), (404, "Not Found".into()));
    let limited = rig.register(&id, both()).await;
    assert_eq!((limited.title().0, &limited.headers["retry-after"]), (429, &"7".parse().unwrap()));
    assert!(sim.faults().is_empty());
    assert_eq!(sim.assets()[0].realtime.as_ref().unwrap().registered, [1], "nothing happened");

    inject(&sim, "register:lost-answer");
    let path = format!("/v2/devices/assets/{id}/realtime_upload/parts");
    let request = rig.http.post(rig.at(&path)).bearer_auth(&rig.access);
    let request = request.header("content-type", "application/json").body(both().to_string());
    assert!(rig.send(request).await.is_err());
    assert_eq!(sim.assets()[0].realtime.as_ref().unwrap().registered, [1, 1, 2], "but it was done");
    let effect = sim.log().into_iter().rfind(|event| event.kind == EventKind::Effect).unwrap();
    assert_eq!((effect.asset.as_deref(), effect.part), (Some(id.as_str()), Some(1)));
    assert_eq!(effect.fault.as_deref(), Some("lost-answer"));
    inject(&sim, "register:missing-fields");
    assert_eq!(rig.register(&id, both()).await.json(), json!({}));
    inject(&sim, "part#2@A001.mov:503");
    let urls = addresses(&rig.register(&id, both()).await);
    assert_eq!(rig.put(&urls[1], vec![0; PART]).await.status, 503);
    assert_eq!(rig.put(&urls[1], vec![0; PART]).await.status, 200);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn registrations_are_limited_on_request() {
    for enforce_rate_limit in [false, true] {
        let sim = Sim::start(SimOptions { enforce_rate_limit, ..quick() }).await.unwrap();
        let rig = Rig::paired(&sim).await;
        let id = rig.grow("A001.mov").await;
        for n in 0..100 {
            let answer = rig.register(&id, small()).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.headers["x-ratelimit-remaining"], (99 - n).to_string().as_str());
        }
        let answer = rig.register(&id, small()).await;
        assert_eq!(answer.status, if enforce_rate_limit { 429 } else { 200 });
        assert_eq!(answer.headers["x-ratelimit-limit"], "100");
        sim.advance(60);
        assert_eq!(rig.register(&id, small()).await.status, 200);
    }
}
