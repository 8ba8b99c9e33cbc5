//! Cameras behind a rig that the project knows by themselves: connected once, used for their clips, and refused by name.
use std::fs;

use rigpost_sim::DeviceModel;

use super::sources::found;
use crate::common::*;

const CAMERA: &str = "7b2b68e5-5ac0-4d3a-b9a3-6dd2a2a1d9b0";
const RECORDER: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const UNKNOWN: &str = "11111111-2222-4333-8444-555555555555";

fn model(id: &str) -> DeviceModel {
    DeviceModel { id: id.to_owned(), name: "A model".to_owned() }
}

fn source(name: &str, model: &str) -> String {
    format!(
        "[[source]]\nname = \"{name}\"\npath = \"{{dir}}/media/{name}\"\nbefore_pairing = \"queue\"\n\
         channel = {{ model = \"{model}\" }}\n"
    )
}

/// A paired rig with such sources, of which the cloud allows the first two models.
async fn rig(sources: &[(&str, &str)]) -> Rig {
    let mut setup = Setup::cloud(|c| {
        c.device_models = vec![model(CAMERA), model(RECORDER)];
    });
    let sections: String = sources.iter().map(|(name, model)| source(name, model)).collect();
    setup.drop_in = format!("[queue]\nsettle_seconds = 1\n{sections}");
    let mut rig = setup.build().await;
    for (name, _) in sources {
        fs::create_dir(rig.path(&format!("media/{name}"))).unwrap();
    }
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    rig
}

/// Source, state and number of each.
async fn channels(rig: &Rig, wanted: &[(&str, &str, u32)]) {
    let shown = |p: &Dict| {
        let all: Vec<(String, String, u32, String)> = p["Channels"].try_clone().unwrap().try_into().unwrap();
        all.into_iter().map(|(source, state, index, _)| (source, state, index)).collect::<Vec<_>>()
    };
    let wanted: Vec<_> = wanted.iter().map(|(a, b, n)| ((*a).to_owned(), (*b).to_owned(), *n)).collect();
    rig.wait(QUEUE, &format!("{wanted:?}"), |p| shown(p) == wanted).await;
}

fn channel_of(rig: &Rig, name: &str) -> u64 {
    rig.sim.assets().iter().find(|asset| asset.name == name).expect(name).channel
}

#[tokio::test]
async fn each_is_connected_once_and_its_clips_carry_its_number() {
    let mut rig = rig(&[("A", CAMERA), ("B", CAMERA), ("sound", RECORDER)]).await;
    let all = [("A", "connected", 1), ("B", "connected", 2), ("sound", "connected", 3)];
    channels(&rig, &all).await;
    for (name, channel) in [("B", 2), ("sound", 3), ("A", 1)] {
        let clip = rig.clip(&format!("{name}/{name}.mov"), 5000);
        let id = found(&rig, &format!("{name}.mov")).await;
        rig.wait_item(id, "done").await;
        assert_eq!(channel_of(&rig, clip.file_name().unwrap().to_str().unwrap()), channel);
    }
    rig.restart().await;
    channels(&rig, &all).await;
    let device = rig.sim.devices().remove(0);
    assert_eq!(
        device.channels.iter().filter(|channel| channel.external_index > 0).count(),
        3,
        "connected once"
    );
    assert_eq!(rig.sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_model_that_is_not_allowed_keeps_its_own_clips_waiting_and_no_others() {
    let rig = rig(&[("A", CAMERA), ("odd", UNKNOWN)]).await;
    channels(&rig, &[("A", "connected", 1), ("odd", "conflict", 0)]).await;
    rig.clip("odd/odd.mov", 5000);
    let odd = found(&rig, "odd.mov").await;
    let says = |i: &Dict| text(i, "detail").contains("the channel of the media source \"odd\"");
    rig.wait_item_that(odd, "why it waits", says).await;
    rig.clip("A/A.mov", 5000);
    let good = found(&rig, "A.mov").await;
    rig.wait_item(good, "done").await;
    assert_eq!(text(&rig.item(odd).await, "state"), "queued");
    assert_eq!(rig.sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_that_got_lost_leaves_no_channel_behind() {
    let mut setup = Setup::cloud(|c| c.device_models = vec![model(CAMERA)]);
    setup.drop_in = source("A", CAMERA);
    let mut rig = setup.build().await;
    fs::create_dir(rig.path("media/A")).unwrap();
    rig.sim.inject("connect:lost-answer".parse().unwrap());
    rig.start().await;
    rig.provision(SECRET).await.unwrap();
    rig.pair().await;
    channels(&rig, &[("A", "connected", 1)]).await;
    assert_eq!(rig.sim.violations(), Vec::<String>::new());
}
