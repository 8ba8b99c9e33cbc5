//! Clips that grow while they are sent: creation, registration of parts, completion.

use rigpost_sim::{EventKind, RegisteredView, Sim};
use serde_json::{Value, json};

use crate::client::{Rig, addresses, quick};
use crate::uploads::{hex_sha256, media, xml_code};

/// The smallest part but the last.
pub(crate) const PART: usize = 5 << 20;

fn part(number: u64, size: usize) -> Value {
    json!({"number": number, "size": size, "is_final": false})
}

fn last(number: u64, size: usize, filesize: usize) -> Value {
    json!({"parts": [{"number": number, "size": size, "is_final": true}], "asset_filesize": filesize})
}

#[tokio::test]
async fn a_clip_that_grew_is_its_parts_in_the_order_of_their_numbers() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let body = json!({"name": "A001.mov", "filetype": "video/quicktime", "filesize": null, "channel": 0,
        "is_realtime_upload": true, "offset": -10});
    let answer = rig.create(body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let id = answer.text_of("id");
    assert_eq!(answer.json(), json!({"id": id, "name": "A001.mov"}), "no addresses yet");

    let clip = media(3 * PART + 101);
    let chunks: Vec<Vec<u8>> = clip.chunks(PART).map(<[u8]>::to_vec).collect();
    let first = rig.place(&id, 2, PART).await;
    for wanted in ["X-Amz-Expires=86400", "is_realtime_upload=true", "part_number=2", "SIMSECRET"] {
        assert!(first.contains(wanted), "no {wanted} in {first}");
    }
    assert_eq!(rig.put(&first, chunks[0].clone()).await.status, 200);
    // Gaps, any order, several at a time: addresses come in the order of the request.
    let urls = addresses(&rig.register(&id, json!({"parts": [part(9, PART), part(5, PART)]})).await);
    assert_eq!(rig.put(&urls[0], chunks[2].clone()).await.status, 200);
    assert_eq!(rig.put(&urls[1], chunks[1].clone()).await.status, 200);
    let asset = sim.assets().remove(0);
    assert_eq!((asset.parts_done, asset.parts_total, asset.complete), (3, 3, false), "it may grow");
    assert_eq!((asset.size, asset.bytes_done, asset.offset), (3 * PART as u64, 3 * PART as u64, -10));

    let answer = rig.register(&id, last(10_000, 101, clip.len())).await;
    assert_eq!(answer.json().as_object().unwrap().len(), 1, "{}", answer.text);
    assert!(!sim.assets()[0].complete, "registered is not there");
    assert_eq!(rig.put(&addresses(&answer)[0], chunks[3].clone()).await.status, 200);
    let asset = sim.assets().remove(0);
    assert_eq!((asset.sha256.clone(), asset.complete), (Some(hex_sha256(&clip)), true));
    assert_eq!(std::fs::read(sim.asset_file(&asset)).unwrap(), clip);
    let grown = asset.realtime.unwrap();
    assert_eq!(
        (grown.registered, grown.put, grown.ended),
        (vec![2, 9, 5, 10_000], vec![2, 9, 5, 10_000], true)
    );
    let end = RegisteredView { number: 10_000, size: 101, is_final: true, addresses: 1 };
    assert_eq!(grown.parts.last(), Some(&end));
    assert_eq!(sim.log().iter().filter(|event| event.kind == EventKind::Assembled).count(), 1);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_part_sent_after_the_final_one_completes_the_clip() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let id = rig.grow("A001.mov").await;
    let early = rig.place(&id, 1, PART).await;
    let end = addresses(&rig.register(&id, last(2, 1, PART + 1)).await).remove(0);
    assert_eq!(rig.put(&end, "x").await.status, 200);
    assert!(!sim.assets()[0].complete);
    assert_eq!(rig.put(&early, media(PART)).await.status, 200);
    let asset = sim.assets().remove(0);
    assert_eq!(asset.sha256, Some(hex_sha256(&[media(PART), b"x".to_vec()].concat())));
    assert_eq!(asset.realtime.unwrap().put, [2, 1]);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn creation_takes_json_a_name_and_no_size() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let base = json!({"filetype": "video/mp4", "is_realtime_upload": true});
    let with = |more: Value| {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (n, more) in [
        json!({}),
        json!({"name": "a.mp4", "filesize": 1}),
        json!({"name": "a.mp4", "filesize": "0"}),
        json!({"name": "a"}),
        json!({"name": ".mp4"}),
        json!({"name": "a."}),
        json!({"name": "a.mp4", "extension": ".mp4"}),
        json!({"extension": "mp4"}),
        json!({"extension": "."}),
        json!({"extension": ".m/4"}),
        json!({"extension": 4}),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(rig.create(with(more.clone())).await.title(), (422, "Invalid Arguments".into()), "{more}");
        assert_eq!(sim.violations().len(), n + 1, "{more}: {:?}", sim.violations());
    }
    for flag in [json!("true"), json!(1), json!([])] {
        let body = json!({"name": "a.mp4", "filetype": "video/mp4", "is_realtime_upload": flag});
        assert_eq!(rig.create(body).await.title().0, 422, "{flag}");
    }
    let fields = [("name", "a.mp4"), ("filetype", "video/mp4"), ("is_realtime_upload", "true")];
    let form = rig.http.post(rig.at("/v2/devices/assets")).bearer_auth(&rig.access).form(&fields);
    assert_eq!(rig.send(form).await.unwrap().title().0, 422, "a form will not do");
    assert!(sim.assets().is_empty());
    for flag in [json!(false), Value::Null] {
        let body = json!({"name": "a", "filetype": "video/mp4", "filesize": 1, "is_realtime_upload": flag});
        assert_eq!(rig.create(body).await.json()["upload_urls"].as_array().unwrap().len(), 1, "{flag}");
    }
    assert!(sim.assets().iter().all(|asset| asset.realtime.is_none()));
}

#[tokio::test]
async fn only_a_made_up_name_is_replaced() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let body = json!({"extension": ".mov", "filetype": "video/quicktime", "is_realtime_upload": true});
    let answer = rig.create(body).await;
    let (id, made_up) = (answer.text_of("id"), answer.text_of("name"));
    assert!(made_up.len() > 4 && made_up.ends_with(".mov"), "{made_up}");
    let mut end = last(1, 4, 4);
    end["asset_name"] = json!("A001C003.mov");
    let url = addresses(&rig.register(&id, end.clone()).await).remove(0);
    assert_eq!(sim.assets()[0].name, "A001C003.mov");
    assert_eq!(rig.put(&url, "abcd").await.status, 200);
    let asset = sim.assets().remove(0);
    assert_eq!(std::fs::read(sim.asset_file(&asset)).unwrap(), b"abcd");
    end["asset_name"] = json!("late.mov");
    assert_eq!(rig.register(&id, end.clone()).await.status, 200);
    assert_eq!(sim.assets()[0].name, "A001C003.mov", "it is complete");

    let id = rig.grow("mine.mov").await;
    assert_eq!(rig.register(&id, end.clone()).await.status, 200);
    assert_eq!(sim.assets()[1].name, "mine.mov");
    assert_eq!(sim.violations(), Vec::<String>::new());
    end["asset_name"] = json!("");
    assert_eq!(rig.register(&id, end).await.title().0, 400);
}

#[tokio::test]
async fn what_frame_io_does_not_take_is_refused_and_written_down() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let id = rig.grow("A001.mov").await;
    let parts = |parts: &[Value]| json!({"parts": parts});
    let all = |number: Value, size: Value| parts(&[json!({"number": number, "size": size})]);
    let sized = |filesize: Value| {
        json!({"parts": [part(1, PART), {"number": 2, "size": 3, "is_final": true}],
            "asset_filesize": filesize})
    };
    let terabytes: Vec<Value> = (1..=1025).map(|n| part(n, 5 << 30)).collect();
    let wrong = [
        (json!([]), "no list"),
        (json!({}), "no list"),
        (parts(&[]), "no list"),
        (json!({"parts": part(1, PART)}), "no list"),
        (all(json!(0), json!(PART)), "from 1 to 10000"),
        (all(json!(10_001), json!(PART)), "from 1 to 10000"),
        (all(json!("1"), json!(PART)), "from 1 to 10000"),
        (all(json!(1), json!(PART - 1)), "5242879 bytes"),
        (all(json!(1), json!((5_u64 << 30) + 1)), "5368709121 bytes"),
        (all(json!(1), json!("5242880")), "no size"),
        (all(json!(1), Value::Null), "no size"),
        (parts(&[json!({"number": 1, "size": PART, "is_final": "no"})]), "no boolean"),
        (parts(&[part(1, PART), part(1, PART)]), "named twice"),
        (parts(&terabytes), "larger than 5 TiB"),
        (last(1, 0, 0), "0 bytes"),
        (sized(Value::Null), "asset_filesize is missing"),
        (sized(json!(PART + 4)), "asset_filesize is 5242884, and the parts have 5242883"),
        (sized(json!("5242883")), "no whole number"),
        (
            json!({"parts": [part(3, PART), {"number": 2, "size": 3, "is_final": true}], "asset_filesize": PART + 3}),
            "highest number",
        ),
        (
            json!({"parts": [{"number": 1, "size": PART, "is_final": true}, {"number": 2, "size": 3, "is_final": true}],
                "asset_filesize": PART + 3}),
            "highest number",
        ),
        (json!({"parts": [part(1, PART)], "asset_name": 7}), "asset_name"),
    ];
    for (n, (body, word)) in wrong.iter().enumerate() {
        let answer = rig.register(&id, body.clone()).await;
        assert_eq!(answer.title(), (400, "Bad Request".into()), "{word}");
        assert!(answer.text.contains(word), "{word}: {}", answer.text);
        let said = sim.violations();
        assert_eq!(said.len(), n + 1, "{said:?}");
        assert!(said[n].contains(word) && said[n].contains(&id), "{said:?}");
    }
    let path = format!("/v2/devices/assets/{id}/realtime_upload/parts");
    assert_eq!(rig.send(rig.http.post(rig.at(&path)).bearer_auth(&rig.access)).await.unwrap().title().0, 400);
    let grown = sim.assets().remove(0).realtime.unwrap();
    assert!(grown.registered.is_empty() && !grown.ended, "all of a call or nothing: {grown:?}");

    // And by what was registered before.
    rig.place(&id, 1, PART).await;
    let before = sim.violations().len();
    for (body, word) in [
        (parts(&[part(1, PART + 1)]), "registered otherwise"),
        (last(1, PART, PART), "registered otherwise"),
        (last(2, 3, 3), "the parts have 5242883"),
    ] {
        assert!(rig.register(&id, body).await.text.contains(word), "{word}");
    }
    assert_eq!(rig.register(&id, last(7, 3, PART + 3)).await.status, 200);
    for (body, word) in [
        (parts(&[part(2, PART)]), "after the final one"),
        (parts(&[part(8, PART)]), "after the final one"),
        (last(7, 3, PART), "the parts have 5242883"),
    ] {
        assert!(rig.register(&id, body).await.text.contains(word), "{word}");
    }
    assert_eq!(sim.violations().len(), before + 6);
    assert_eq!(sim.assets()[0].realtime.as_ref().unwrap().registered, [1, 7]);
}

#[tokio::test]
async fn a_registered_part_is_sent_as_it_was_registered() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let id = rig.grow("A001.mov").await;
    let url = addresses(&rig.register(&id, last(1, 4, 4)).await).remove(0);
    assert_eq!(xml_code(&rig.put(&url, "abc").await), (400, "EntityTooSmall".into()));
    assert_eq!(xml_code(&rig.put(&url, "abcde").await), (400, "EntityTooLarge".into()));
    let refused = (403, "SignatureDoesNotMatch".to_owned());
    let other =
        rig.http.put(&url).body("abcd").header("content-type", "video/mp4").header("x-amz-acl", "private");
    assert_eq!(xml_code(&rig.send(other).await.unwrap()), refused);
    assert_eq!(xml_code(&rig.put(&url.replace("/1?", "/2?"), "abcd").await), refused, "not registered");
    assert_eq!(sim.violations().len(), 3, "{:?}", sim.violations());
    assert_eq!(rig.put(&url, "xxxx").await.status, 200);
    assert_eq!(rig.put(&url, "abcd").await.status, 200, "a copy, after the end");
    let asset = sim.assets().remove(0);
    assert_eq!((asset.sha256, asset.resent), (Some(hex_sha256(b"xxxx")), 1));
    assert_eq!(asset.realtime.unwrap().put, [1, 1]);
}

#[tokio::test]
async fn the_page_shows_that_it_grows() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let page = async || rig.http.get(rig.at("/lists")).send().await.unwrap().text().await.unwrap();
    let id = rig.grow("A001.mov").await;
    let url = rig.place(&id, 1, PART).await;
    assert!(page().await.contains(">growing<"));
    assert_eq!(rig.put(&url, media(PART)).await.status, 200);
    let html = page().await;
    assert!(html.contains("5.2 MB so far") && html.contains("1 of 1 parts so far"), "{html}");
    let end = addresses(&rig.register(&id, last(2, 4, PART + 4)).await).remove(0);
    let html = page().await;
    assert!(
        html.contains(">arriving<") && html.contains("1 of 2 parts") && !html.contains("so far"),
        "{html}"
    );
    assert_eq!(rig.put(&end, "abcd").await.status, 200);
    assert!(page().await.contains(">arrived<"));
    let state = rig.send(rig.http.get(rig.at("/_sim/state"))).await.unwrap().json();
    assert_eq!(state["assets"][0]["realtime"]["registered"], json!([1, 2]), "{state}");
}
