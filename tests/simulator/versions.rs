//! Versions: an asset that is another take of the bytes of one that is there.

use rigpost_sim::{AssetView, Sim, SimOptions};
use serde_json::{Value, json};

use crate::client::{Rig, quick};

/// A body that makes a new version of `id`.
fn version_of(id: impl Into<Value>) -> Value {
    json!({"name": "a.mov", "filetype": "video/quicktime", "filesize": 4, "auto_version_id": id.into()})
}

/// Each clip as the identifiers of its versions, with their numbers.
fn clips(sim: &Sim) -> Vec<Vec<(String, u64)>> {
    let versions = |clip: Vec<AssetView>| clip.into_iter().map(|asset| (asset.id, asset.version)).collect();
    sim.clips().into_iter().map(versions).collect()
}

#[tokio::test]
async fn versions_are_one_clip_and_twins_are_two() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (first, _) = rig.clip(4, 1).await;
    let (twin, _) = rig.clip(4, 1).await;
    let second = rig.create(version_of(first.as_str())).await;
    assert_eq!((second.status.as_u16(), second.text_of("autoversion_id")), (201, first.clone()));
    let second = second.text_of("id");
    let form = [
        ("name", "a.mov"),
        ("filetype", "video/quicktime"),
        ("filesize", "4"),
        ("auto_version_id", second.as_str()),
    ];
    let alias = rig.http.post(rig.at("/v2/assets")).bearer_auth(&rig.access).form(&form);
    let third = rig.send(alias).await.unwrap().text_of("id");
    // Of the first again: it comes after the newest all the same.
    let fourth = rig.create(version_of(first.to_uppercase())).await.text_of("id");

    let clip = [first.clone(), second.clone(), third, fourth];
    let clip = clip.into_iter().zip(1..).collect::<Vec<_>>();
    assert_eq!(clips(&sim), [clip, vec![(twin.clone(), 1)]]);
    let assets = sim.assets();
    let named: Vec<Option<&str>> = assets.iter().map(|asset| asset.version_of.as_deref()).collect();
    let (one, two) = (Some(first.as_str()), Some(second.as_str()));
    assert_eq!(named, [None, None, one, two, one]);

    let told = rig.send(rig.http.get(rig.at("/_sim/clips"))).await.unwrap().json();
    assert_eq!(told[0].as_array().unwrap().len(), 4, "{told}");
    assert_eq!((&told[0][2]["version"], &told[0][2]["clip"]), (&json!(3), &json!(first)), "{told}");
    assert_eq!((&told[1][0]["id"], &told[1][0]["version_of"]), (&json!(twin), &Value::Null), "{told}");
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn every_version_takes_bytes_of_its_own() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (first, urls) = rig.clip(4, 1).await;
    assert_eq!(rig.put(&urls[0], "half").await.status, 200);
    let second = rig.create(version_of(first)).await.json();
    assert_eq!(rig.put(second["upload_urls"][0].as_str().unwrap(), "full").await.status, 200);
    let clip = sim.clips().remove(0);
    let bytes = clip.iter().map(|version| std::fs::read(sim.asset_file(version)).unwrap());
    assert_eq!(bytes.collect::<Vec<_>>(), [b"half", b"full"]);
}

#[tokio::test]
async fn only_an_asset_of_the_project_can_get_a_version() {
    let projects = vec!["Testbed".to_owned(), "Second Unit".to_owned()];
    let sim = Sim::start(SimOptions { projects, ..quick() }).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (first, _) = rig.clip(4, 1).await;
    let no_uuid =
        [json!(""), json!("latest"), json!(7), json!(true), json!([first]), json!(first.replace('-', ""))];
    for id in no_uuid {
        let answer = rig.create(version_of(id.clone())).await;
        assert_eq!(answer.title(), (422, "Invalid Arguments".to_owned()), "{id}");
    }
    let unknown = "7fd0aa9b-5ac0-4d3a-b9a3-6dd2a2a1d9b0";
    assert_eq!(rig.create(version_of(unknown)).await.title(), (404, "Not Found".to_owned()));

    let mut other = Rig { client_id: "rig-2".into(), ..Rig::new(&sim) };
    other.pair("Second Unit").await;
    assert_eq!(other.create(version_of(first.as_str())).await.title().0, 404, "another project's");
    assert_eq!(sim.assets().len(), 1, "a refusal makes nothing");
    sim.move_device("rig-2", "Testbed").unwrap();
    assert_eq!(other.create(version_of(first.as_str())).await.status, 201, "another device's");
    assert_eq!(rig.create(version_of(Value::Null)).await.status, 201);
    let versions: Vec<usize> = sim.clips().iter().map(Vec::len).collect();
    assert_eq!(versions, [2, 1], "null asks for a clip of its own");
}
