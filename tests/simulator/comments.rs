//! Comments of devices on their clips.

use rigpost_sim::{Sim, SimOptions};
use serde_json::{Value, json};

use crate::client::{Answer, Rig, quick};

async fn comment(rig: &Rig<'_>, id: &str, body: Value) -> Answer {
    rig.post(&format!("/v2/devices/assets/{id}/comments"), &body).await
}

#[tokio::test]
async fn a_comment_is_kept_and_shown() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (id, _) = rig.clip(4, 1).await;
    let answer = comment(&rig, &id, json!({"text": "Good <take>", "timestamp": 12.5})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!(
        (&body["text"], &body["asset_id"], &body["timestamp"]),
        (&json!("Good <take>"), &json!(id), &json!(12.5))
    );
    assert_eq!(
        (&body["timestamp_microseconds"], &body["device_channel_input_id"]),
        (&json!(500_000), &Value::Null)
    );
    let whole = comment(&rig, &id, json!({"text": "All of it"})).await.json();
    assert_eq!((&whole["timestamp"], &whole["timestamp_microseconds"]), (&Value::Null, &Value::Null));
    let grows = rig.grow("B001.mov").await;
    assert_eq!(comment(&rig, &grows, json!({"text": "while it grows", "timestamp": 0})).await.status, 200);
    let assets = sim.assets();
    let said: Vec<_> = assets[0].comments.iter().map(|c| (c.text.as_str(), c.timestamp)).collect();
    assert_eq!(said, [("Good <take>", Some(12.5)), ("All of it", None)]);
    assert_eq!(assets[1].comments[0].timestamp, Some(0.0));
    let page = rig.http.get(rig.at("/lists")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("frame 12.5: Good &lt;take&gt;") && page.contains(">All of it<"), "{page}");
    let state = rig.send(rig.http.get(rig.at("/_sim/state"))).await.unwrap().json();
    assert_eq!(state["assets"][0]["comments"][1]["text"], "All of it", "{state}");
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_no_comment_is_refused() {
    let sim = Sim::start(SimOptions { enforce_rate_limit: true, ..quick() }).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (id, _) = rig.clip(4, 1).await;
    for (n, body) in [
        json!([]),
        json!({}),
        json!({"text": " "}),
        json!({"text": 7}),
        json!({"text": "x".repeat(10_001)}),
        json!({"text": "x", "timestamp": -1}),
        json!({"text": "x", "timestamp": "00:01"}),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(comment(&rig, &id, body).await.title(), (400, "Bad Request".into()));
        assert_eq!(sim.violations().len(), n + 1, "{:?}", sim.violations());
    }
    let form = rig.http.post(rig.at(&format!("/v2/devices/assets/{id}/comments"))).bearer_auth(&rig.access);
    assert_eq!(rig.send(form.form(&[("text", "x")])).await.unwrap().title().0, 400);
    let good = || json!({"text": "x"});
    let nobody = "7fd0aa9b-5ac0-4d3a-b9a3-6dd2a2a1d9b0";
    assert_eq!(comment(&rig, nobody, good()).await.title(), (404, "Not Found".into()));
    let mut other = Rig { client_id: "rig-2".into(), ..Rig::new(&sim) };
    other.pair("Testbed").await;
    assert_eq!(comment(&other, &id, good()).await.title().0, 404, "another device's clip");
    let stranger = Rig { access: "made-up".into(), ..Rig::new(&sim) };
    assert_eq!(comment(&stranger, &id, good()).await.title().0, 401);
    assert!(sim.assets()[0].comments.is_empty());
    sim.inject("comment@A001.mov:404".parse().unwrap());
    assert_eq!(comment(&rig, &id, good()).await.title().0, 404);
    let mut taken = 0;
    let limited = loop {
        let answer = comment(&rig, &id, good()).await;
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
    };
    assert_eq!((limited.title().0, taken), (429, 91), "a hundred calls a minute, nine of them refused");
    sim.advance(60);
    assert_eq!(comment(&rig, &id, good()).await.status, 200);
}
