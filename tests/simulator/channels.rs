//! Channels: what is behind a device, and which of it can make clips.

use rigpost_sim::{DeviceModel, Sim, SimError, SimOptions};
use serde_json::{Value, json};

use crate::client::{Answer, Rig, quick};

const MIC: &str = "11111111-2222-4333-8444-555555555555";
const LENS: &str = "66666666-2222-4333-8444-555555555555";

fn sub(n: u64) -> String {
    format!("aaaaaaaa-0000-4000-8000-{n:012}")
}

/// A cloud that allows microphones and lenses.
async fn cloud() -> Sim {
    let model = |id: &str, name: &str| DeviceModel { id: id.into(), name: name.into() };
    let device_models = vec![model(MIC, "Microphone <1>"), model(LENS, "Lens")];
    Sim::start(SimOptions { device_models, ..quick() }).await.unwrap()
}

async fn connect(rig: &Rig<'_>, client_id: &str, model: &str) -> Answer {
    rig.post("/v2/devices/channels", &json!({"client_id": client_id, "device_model_id": model})).await
}

async fn create(rig: &Rig<'_>, channel: Value) -> u16 {
    let body = json!({"name": "a.mov", "filetype": "video/quicktime", "filesize": 1, "channel": channel});
    rig.create(body).await.status.as_u16()
}

/// Index, name and status of each channel, as the device is told.
async fn told(rig: &Rig<'_>) -> Vec<(u64, String, String)> {
    let me = rig.me().await.json();
    let word = |channel: &Value, name: &str| channel[name].as_str().unwrap().to_owned();
    let channels = me["channels"].as_array().unwrap().iter();
    channels.map(|c| (c["external_index"].as_u64().unwrap(), word(c, "name"), word(c, "status"))).collect()
}

#[tokio::test]
async fn a_channel_is_connected_and_can_make_clips_until_it_is_not() {
    let sim = cloud().await;
    let rig = Rig::paired(&sim).await;
    assert_eq!(create(&rig, json!(0)).await, 201, "its own");
    assert_eq!(create(&rig, json!(1)).await, 422);
    let answer = connect(&rig, &sub(1), MIC).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let (id, mut body) = (answer.text_of("id"), answer.json());
    body["inserted_at"].take();
    let wanted = json!({"_type": "project_device_channel", "id": id, "asset_type": "video", "external_index": 1,
        "inserted_at": null, "name": "Microphone <1>", "real_time_logging_capable": false, "status": "online"});
    assert_eq!(body, wanted);
    assert_eq!(connect(&rig, &sub(2), &LENS.to_uppercase()).await.json()["external_index"], 2);
    let row = |index: u64, name: &str, status: &str| (index, name.to_owned(), status.to_owned());
    let all = [row(0, "Channel 0", "online"), row(1, "Microphone <1>", "online"), row(2, "Lens", "online")];
    assert_eq!(told(&rig).await, all);
    for index in [json!(1), json!("2"), json!(0), Value::Null] {
        assert_eq!(create(&rig, index.clone()).await, 201, "{index}");
    }
    assert_eq!(create(&rig, json!(3)).await, 422);
    let page = rig.http.get(rig.at("/lists")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("channel 1: Microphone &lt;1&gt;, connected"), "{page}");

    let path = format!("/v2/devices/channels/{id}/disconnect");
    let answer = rig.call(&path).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(rig.call(&path).await.title(), (404, "Not Found".into()), "once");
    assert_eq!(told(&rig).await[1], row(1, "Microphone <1>", "offline"));
    assert_eq!((create(&rig, json!(1)).await, create(&rig, json!(2)).await), (422, 201));
    let back = connect(&rig, &sub(1), MIC).await;
    assert_eq!(
        (back.text_of("id"), &back.json()["external_index"]),
        (id, &json!(1)),
        "it has its place still"
    );
    assert_eq!(create(&rig, json!(1)).await, 201);
    assert_eq!(rig.call("/v2/devices/channels/disconnect").await.status, 204);
    assert_eq!((create(&rig, json!(1)).await, create(&rig, json!(2)).await), (422, 422));
    assert_eq!(create(&rig, json!(0)).await, 201);
    assert_eq!(rig.call("/v2/devices/channels/disconnect").await.status, 204, "of none");
    let channels = sim.devices().remove(0).channels;
    let seen: Vec<_> =
        channels.iter().map(|c| (c.external_index, c.client_id.clone(), c.connected)).collect();
    assert_eq!(seen, [(0, None, true), (1, Some(sub(1)), false), (2, Some(sub(2)), false)]);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn who_may_not_be_connected_is_refused() {
    let sim = cloud().await;
    let mut rig = Rig::paired(&sim).await;
    let conflict = (409, "Conflict".to_owned());
    let other = "99999999-2222-4333-8444-555555555555";
    assert_eq!(connect(&rig, &sub(1), other).await.title(), conflict, "a model that is not allowed");
    let id = connect(&rig, &sub(1), MIC).await.text_of("id");
    assert_eq!(connect(&rig, &sub(1), MIC).await.title(), conflict, "twice");
    assert_eq!(rig.call(&format!("/v2/devices/channels/{id}/disconnect")).await.status, 204);
    assert_eq!(connect(&rig, &sub(1), LENS).await.title(), conflict, "as another model");
    let own = sim.devices().remove(0).channels.remove(0).id;
    assert_eq!(rig.call(&format!("/v2/devices/channels/{own}/disconnect")).await.title().0, 404);
    let stranger = Rig { access: "made-up".into(), ..Rig::new(&sim) };
    assert_eq!(connect(&stranger, &sub(2), MIC).await.title().0, 401);
    assert_eq!(stranger.call("/v2/devices/channels/disconnect").await.title().0, 401);
    let mut second = Rig { client_id: "rig-2".into(), ..Rig::new(&sim) };
    second.pair("Testbed").await;
    assert_eq!(second.call(&format!("/v2/devices/channels/{id}/disconnect")).await.title().0, 404);
    assert_eq!(sim.violations(), Vec::<String>::new());
    for (n, body) in [
        json!({"client_id": "mic-1", "device_model_id": MIC}),
        json!({"client_id": sub(2), "device_model_id": "mic"}),
        json!({"client_id": sub(2)}),
        json!([]),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(rig.post("/v2/devices/channels", &body).await.title().0, 422, "{body}");
        assert_eq!(sim.violations().len(), n + 1);
    }
    assert_eq!(rig.form("/v2/devices/channels", &[("client_id", "x")]).await.unwrap().title().0, 401);

    for n in 2..=100 {
        assert_eq!(connect(&rig, &sub(n), MIC).await.json()["external_index"], n);
    }
    assert_eq!(connect(&rig, &sub(101), MIC).await.title(), conflict, "no index is left");
    rig.pair("Testbed").await;
    assert_eq!(told(&rig).await.len(), 1, "a new pairing begins anew");
    sim.inject("connect:503".parse().unwrap());
    assert_eq!(connect(&rig, &sub(1), MIC).await.status, 503);
    assert_eq!(connect(&rig, &sub(1), MIC).await.status, 200);
}

#[tokio::test]
async fn a_person_can_plug_something_in() {
    let sim = cloud().await;
    let rig = Rig::paired(&sim).await;
    assert_eq!(sim.connect_channel("rig-2", 1), Err(SimError::NoSuchDevice("rig-2".into())));
    for index in [0, 101] {
        assert_eq!(sim.connect_channel("rig-1", index), Err(SimError::NoSuchChannel(index)));
    }
    assert_eq!(sim.disconnect_channel("rig-1", 7), Err(SimError::NoSuchChannel(7)));
    sim.connect_channel("rig-1", 7).unwrap();
    assert_eq!(create(&rig, json!(7)).await, 201);
    let order = async |word: &str, body: Value| {
        let request = rig.http.post(rig.at(&format!("/_sim/{word}"))).body(body.to_string());
        rig.send(request).await.unwrap().status.as_u16()
    };
    assert_eq!(order("disconnect-channel", json!({"client_id": "rig-1", "index": 7})).await, 200);
    assert_eq!(create(&rig, json!(7)).await, 422);
    assert_eq!(order("connect-channel", json!({"client_id": "rig-1", "index": 7})).await, 200);
    assert_eq!(create(&rig, json!(7)).await, 201);
    assert_eq!(order("connect-channel", json!({"client_id": "rig-1", "index": "7"})).await, 400);
    assert_eq!(order("connect-channel", json!({"client_id": "rig-1", "index": 0})).await, 404);
    assert_eq!(connect(&rig, &sub(1), MIC).await.json()["external_index"], 1);
}
