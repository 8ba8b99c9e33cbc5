//! Faults, hold points, the control interface, TLS, and input nobody should send.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rigpost_sim::{Endpoint, Event, EventKind, Fault, FaultKind, HoldPoint, Sim, SimOptions, TlsValidity};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Answer, PATIENCE, Rig, http, pass, quick};
use crate::uploads::hex_sha256;

fn inject(sim: &Sim, spec: &str) {
    sim.inject(spec.parse().unwrap());
}

#[tokio::test]
async fn answers_instead_of_the_model_change_nothing() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    for (spec, status, title) in [
        ("create:402", 402, "Payment Required"),
        ("create:403", 403, "Forbidden"),
        ("create:404", 404, "Not Found"),
        ("create:paused", 409, "Channel Paused"),
        ("create:429", 429, "Too Many Requests"),
        ("create:401", 401, "Not Authorized"),
        ("create:409", 409, "Conflict"),
        ("create:422", 422, "Invalid Arguments"),
        ("create:detailed=400", 400, "Bad Request"),
    ] {
        inject(&sim, spec);
        assert_eq!(rig.create(json!({})).await.title(), (status, title.into()), "{spec}");
    }
    for (spec, status, text) in [
        ("create:500", 500, "simulated failure\n"),
        ("create:503", 503, "simulated failure\n"),
        ("create:bare=403", 403, "simulated failure\n"),
        ("create:bare=404", 404, "simulated failure\n"),
        ("create:redirect", 302, ""),
        ("create:raw=418", 418, "null"),
    ] {
        inject(&sim, spec);
        let answer = rig.create(json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, text), "{spec}");
        if status == 302 {
            assert_eq!(answer.headers["location"], "http://captive.example/login");
        }
    }
    for (spec, status) in [("create:html-404", 404), ("create:html-502", 502), ("create:captive-portal", 200)]
    {
        inject(&sim, spec);
        let answer = rig.create(json!({})).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["content-type"]),
            (status, &"text/html".parse().unwrap())
        );
    }
    sim.inject(Fault::once(Endpoint::Create, FaultKind::RateLimited(7)));
    assert_eq!(rig.create(json!({})).await.headers["retry-after"], "7");
    assert!(sim.faults().is_empty() && sim.assets().is_empty());
    assert_eq!(rig.create(json!({})).await.status, 422, "the model is back");
}

#[tokio::test]
async fn an_injected_slow_down_binds_like_a_real_one() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::new(&sim);
    let code = rig.request_code().await.text_of("device_code");
    inject(&sim, "token-poll:slow_down");
    assert_eq!(rig.poll(&code).await.error(), (400, "slow_down".into()));
    assert_eq!(rig.poll(&code).await.error(), (400, "slow_down".into()), "five seconds are due now");
    assert_eq!(sim.violations().len(), 1);
}

#[tokio::test]
async fn spoiled_answers_come_after_the_effect() {
    let sim = Sim::start(quick()).await.unwrap();
    let mut rig = Rig::paired(&sim).await;
    let body = || json!({"name": "a", "filetype": "a/b", "filesize": 1});
    let spoiled = async |kind: &str| {
        inject(&sim, &format!("create:{kind}"));
        rig.create(body()).await
    };
    let garbage = spoiled("garbage").await;
    assert!(serde_json::from_str::<Value>(&garbage.text).is_err() && garbage.text.starts_with('{'));
    let types = spoiled("wrong-types").await.json();
    assert!(types["id"].is_number() && types["upload_urls"].is_string() && types["filesize"].is_object());
    assert_eq!(spoiled("missing-fields").await.json(), json!({}));
    assert_eq!(spoiled("negative-numbers").await.json()["filesize"], -1);
    assert_eq!(spoiled("huge-numbers").await.json()["filesize"], 1e300);
    let huge = spoiled("oversized").await;
    assert_eq!(huge.text.len(), 64 << 20);
    assert!(huge.json()["filler"].is_string());
    assert_eq!(sim.assets().len(), 6, "each of them was created");

    inject(&sim, "device-code:negative-numbers");
    let code = rig.request_code().await;
    assert_eq!((code.json()["interval"].as_i64(), code.json()["expires_in"].as_i64()), (Some(-1), Some(-1)));
    inject(&sim, "create:reset-mid-body");
    let request = rig.http.post(rig.at("/v2/devices/assets")).bearer_auth(&rig.access);
    let mut response =
        request.form(&[("name", "a"), ("filetype", "a/b"), ("filesize", "1")]).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let mut got = Vec::new();
    let broken = loop {
        match response.chunk().await {
            Ok(Some(bytes)) => got.extend_from_slice(&bytes),
            Ok(None) => panic!("the whole body came"),
            Err(error) => break error,
        }
    };
    assert!(got.starts_with(b"{"), "{broken}");
    assert_eq!(sim.assets().len(), 7);
    inject(&sim, "refresh:garbage");
    rig.refresh(&rig.refresh).await;
    assert_eq!(rig.me().await.status, 401, "the old tokens are dead all the same");
    rig.pair("Testbed").await;
}

/// Lets a call arrive, gives it a moment to be answered all the same, and hangs up. Answers what the log says.
async fn given_up(sim: &Sim, call: impl Future<Output = Answer>) -> Event {
    let start = sim.log().len() as u64;
    let arrived = async {
        sim.wait_for_after(start, |event| event.kind == EventKind::Received, PATIENCE).await.unwrap();
        pass(200).await;
    };
    tokio::select! {
        answer = call => panic!("answered: {answer:?}"),
        () = arrived => {}
    }
    sim.wait_for_after(start, |event| event.kind == EventKind::Cut, PATIENCE).await.unwrap()
}

#[tokio::test]
async fn connections_break_the_way_asked_for() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let kind = async |spec: &str| {
        inject(&sim, spec);
        let fresh = http().build().unwrap();
        let error = fresh.get(rig.at("/v2/devices/me")).bearer_auth(&rig.access).send().await.unwrap_err();
        let mut source: &dyn std::error::Error = &error;
        while let Some(next) = source.source() {
            source = next;
        }
        source.to_string()
    };
    assert!(kind("me:reset").await.contains("reset"), "RST");
    let closed = kind("me:lost-answer").await;
    assert!(!closed.contains("reset"), "FIN: {closed}");

    inject(&sim, "me:stall");
    let gone = given_up(&sim, rig.me()).await;
    assert_eq!(
        (gone.fault.as_deref(), gone.detail.as_deref()),
        (Some("stall"), Some("the client went away"))
    );

    inject(&sim, "any:delay=200");
    let before = sim.log().last().unwrap().ms;
    assert_eq!(rig.me().await.status, 200);
    assert!(sim.log().last().unwrap().ms - before >= 200);
    let (_, urls) = rig.clip(4, 1).await;
    inject(&sim, "part:stall-after=2");
    let gone = given_up(&sim, rig.put(&urls[0], "abcd")).await;
    assert_eq!((gone.fault.as_deref(), gone.status), (Some("stall-after=2"), None));
    for spec in ["part:503", "part:reset", "part:lost-answer"] {
        inject(&sim, spec);
        let sent = rig.send(rig.part(&urls[0], "abcd")).await;
        assert_eq!(sent.is_ok(), spec == "part:503", "{spec}: {sent:?}");
        if let Ok(answer) = sent {
            assert!(answer.status == 503 && answer.text.contains("<Code>SlowDown</Code>"), "{answer:?}");
        }
        assert_eq!(sim.assets()[0].complete, spec == "part:lost-answer", "{spec}");
    }
}

#[tokio::test]
async fn an_answer_that_trickles_comes_after_the_effect_and_goes_on_until_the_client_leaves() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(4, 1).await;
    inject(&sim, "part:trickle=20");
    let mut answer = rig.part(&urls[0], "abcd").header("x-client-version", "1.2.3").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for _ in 0..5 {
        assert_eq!(answer.chunk().await.unwrap().unwrap(), " ");
    }
    assert!(sim.assets()[0].complete);
    drop(answer);
    let gone = |e: &Event| e.endpoint == Endpoint::Part && e.kind == EventKind::Cut;
    let gone = sim.wait_for(gone, PATIENCE).await.expect("the client has left");
    assert_eq!((gone.fault.as_deref(), gone.status), (Some("trickle=20"), Some(200)));
}

#[tokio::test]
async fn the_skew_shows_in_dates_only() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let year =
        |answer: &Answer| answer.headers["date"].to_str().unwrap().split(' ').nth(3).unwrap().to_owned();
    let now: i32 = year(&rig.me().await).parse().unwrap();
    sim.set_skew(-366 * 86_400);
    let answer = rig.me().await;
    let then: i32 = year(&answer).parse().unwrap();
    assert!(answer.status == 200 && then < now, "{then}");
    let (_, urls) = rig.clip(4, 1).await;
    assert!(urls[0].contains(&format!("X-Amz-Date={then}")), "{}", urls[0]);
    assert_eq!(rig.put(&urls[0], "abcd").await.status, 200);
}

#[tokio::test]
async fn a_handler_stands_still_where_it_is_told_to() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    sim.hold(HoldPoint::Next(Endpoint::Refresh, EventKind::Effect));
    let old = rig.refresh.clone();
    let client = rig.http.clone();
    let (at, token) = (rig.at("/v2/auth/token"), old.clone());
    let call = tokio::spawn(async move {
        let fields = [
            ("client_id", "rig-1"),
            ("client_secret", "sim-client-secret"),
            ("grant_type", "refresh_token"),
            ("refresh_token", &token),
        ];
        client.post(at).form(&fields).send().await.unwrap().status()
    });
    let held = timeout(PATIENCE, sim.held()).await.unwrap().unwrap();
    assert_eq!((held.endpoint, held.kind), (Endpoint::Refresh, EventKind::Effect));
    assert_eq!(sim.log().last().unwrap().n, held.n, "nothing went on");
    assert_eq!(rig.me().await.status, 401, "but the effect is there, and other connections live");
    assert!(!call.is_finished());
    sim.release();
    assert_eq!(call.await.unwrap(), 200);

    // By number: the next call's arrival.
    let next = sim.log().last().unwrap().n + 1;
    sim.hold_at(next);
    let mut me = Box::pin(rig.me());
    tokio::select! {
        _ = &mut me => panic!("not held"),
        held = sim.held() => assert_eq!(held.unwrap().n, next),
    }
    sim.release();
    assert_eq!(timeout(PATIENCE, me).await.unwrap().status, 401);

    // At `replied` the answer is out, and the next request on the connection waits.
    sim.hold(HoldPoint::Next(Endpoint::Me, EventKind::Replied));
    assert_eq!(rig.me().await.status, 401);
    assert!(timeout(Duration::from_millis(200), rig.me()).await.is_err());
    sim.release();
    assert_eq!(timeout(PATIENCE, rig.me()).await.unwrap().status, 401);
}

#[tokio::test]
async fn events_count_without_gaps_and_are_written_as_json_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let sim = Sim::start(SimOptions { log_file: Some(path.clone()), ..quick() }).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let (_, urls) = rig.clip(4, 1).await;
    rig.put(&urls[0], "abcd").await;
    let log = sim.log();
    assert!(log.iter().enumerate().all(|(i, event)| event.n == i as u64 + 1));
    let stages: Vec<EventKind> =
        log.iter().filter(|event| event.endpoint == Endpoint::Part).map(|event| event.kind).collect();
    use EventKind::{Assembled, Effect, Received, Replied};

    assert_eq!(stages, [Received, Effect, Assembled, Replied]);
    let [begun, arrived, whole, last] = &log[log.len() - 4..] else { panic!("four stages") };
    assert_eq!((last.status, last.body_in, last.path.contains('?')), (Some(200), 4, false));
    let (asset, sum) = (Some(sim.assets()[0].id.clone()), Some(hex_sha256(b"abcd")));
    assert_eq!((&begun.asset, begun.part, begun.size, &begun.sha256), (&asset, Some(1), Some(4), &None));
    assert_eq!(
        (&arrived.asset, arrived.part, arrived.size, &arrived.sha256),
        (&asset, Some(1), Some(4), &sum)
    );
    assert_eq!((&whole.asset, whole.part, whole.size, &whole.sha256), (&asset, None, Some(4), &sum));
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().count(), log.len());
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["n"].is_u64()));
    assert!(!text.contains("SIMSECRET"), "{text}");
}

#[tokio::test]
async fn the_control_interface_does_what_the_library_does() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::new(&sim);
    let order = async |name: &str, body: Value| {
        rig.send(rig.http.post(rig.at(&format!("/_sim/{name}"))).body(body.to_string())).await.unwrap()
    };
    let state = async || rig.send(rig.http.get(rig.at("/_sim/state"))).await.unwrap().json();
    let code = rig.request_code().await;
    let shown = code.text_of("user_code");
    assert_eq!(state().await["codes"][0]["user_code"], shown.as_str());
    let approved = order("approve", json!({"user_code": shown, "project": "Testbed"})).await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    assert_eq!(order("deny", json!({"user_code": shown})).await.error(), (409, "code_used".into()));
    rig.poll(&code.text_of("device_code")).await;
    for (name, status) in [("pause", "paused"), ("resume", "online"), ("revoke", "forgotten")] {
        assert_eq!(order(name, json!({"client_id": "rig-1"})).await.status, 200);
        assert_eq!(state().await["devices"][0]["status"], status);
    }
    let raw =
        json!({"endpoint": "health", "kind": "raw", "status": 418, "body": {"tea": true}, "times": null});
    assert_eq!(order("fault", raw).await.status, 200);
    assert_eq!(state().await["faults"][0]["times"], Value::Null);
    let health = rig.send(rig.http.get(rig.at("/health"))).await.unwrap();
    assert_eq!((health.status.as_u16(), health.json()), (418, json!({"tea": true})));
    rig.send(rig.http.delete(rig.at("/_sim/fault"))).await.unwrap();
    assert_eq!(rig.send(rig.http.get(rig.at("/health"))).await.unwrap().status, 200);
    let chosen = json!({"endpoint": "part", "kind": "stall", "part": 2, "name": "A:1.mov"});
    assert_eq!(order("fault", chosen).await.status, 200);
    assert_eq!(state().await["faults"][0]["endpoint"], "part#2@A:1.mov");
    sim.clear_faults();
    assert_eq!(order("rename", json!({"project": "Testbed", "to": "Pickups"})).await.status, 200);
    assert_eq!(state().await["projects"][0]["name"], "Pickups");
    assert_eq!(order("clock", json!({"advance": 400})).await.status, 200);
    assert!(state().await["devices"][0]["quiet_seconds"].as_u64().unwrap() >= 400);
    order("lifetimes", json!({"interval": 2.5})).await;
    assert_eq!((sim.lifetimes().interval, sim.lifetimes().access_expires_in), (2.5, 28_800));
    for (name, body, word) in [
        ("fault", json!({"spec": "me:explode"}), "bad_fault"),
        ("lifetimes", json!({"interval": -1}), "bad_request"),
        ("lifetimes", json!({"inteval": 1}), "bad_request"),
        ("approve", json!({"project": "Testbed"}), "bad_request"),
        ("approve", json!({"user_code": "1", "project": "Pickups"}), "no_such_code"),
        ("pause", json!({"client_id": "rig-1"}), "no_such_device"),
        ("pause-window", json!({"client_id": "rig-1", "from": 1, "until": 2}), "bad_request"),
        ("rename", json!({"project": "Pickups", "to": "Second Unit"}), "name_taken"),
        ("rename", json!({"project": "Pickups", "to": " "}), "bad_request"),
        ("clock", json!({"advance": -1}), "bad_request"),
        ("fault", json!({"endpoint": "me", "kind": "stall", "part": 1}), "bad_fault"),
        ("explode", json!({}), "no_such_order"),
        ("hold", json!([]), "bad_request"),
    ] {
        assert_eq!(order(name, body).await.error().1, word, "{name}");
    }
    let last = state().await["last_event"].as_u64().unwrap();
    let url = rig.at(&format!("/_sim/log?since={last}&wait=30"));
    let waiting = rig.send(rig.http.get(url));
    let (news, _) = tokio::join!(waiting, rig.request_code());
    assert_eq!(news.unwrap().json()[0]["endpoint"], "device-code");
    let foreign = rig.http.post(rig.at("/_sim/release")).header("origin", "http://elsewhere.example");
    assert_eq!(rig.send(foreign).await.unwrap().status, 403);
}

#[tokio::test]
async fn tls_is_trusted_by_its_authority_and_only_while_valid() {
    for (tls_validity, works) in
        [(TlsValidity::Valid, true), (TlsValidity::Expired, false), (TlsValidity::NotYetValid, false)]
    {
        let sim = Sim::start(SimOptions { tls: true, tls_validity, ..quick() }).await.unwrap();
        assert_eq!((sim.url().scheme(), sim.url().host_str()), ("https", Some("localhost")));
        let authority = reqwest::Certificate::from_pem(sim.ca_pem().unwrap().as_bytes()).unwrap();
        let trusting = http().tls_certs_only([authority]).build().unwrap();
        let answer = trusting.get(sim.url().join("/health").unwrap()).send().await;
        assert_eq!(answer.is_ok(), works, "{answer:?}");
        if let Err(error) = answer {
            assert!(format!("{error:?}").contains("ertificate"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn tls_is_for_the_address_it_listens_at() {
    let listen = "127.0.0.2:0".parse().unwrap();
    let sim = Sim::start(SimOptions { tls: true, listen, ..quick() }).await.unwrap();
    let authority = reqwest::Certificate::from_pem(sim.ca_pem().unwrap().as_bytes()).unwrap();
    let trusting = http().tls_certs_only([authority]).build().unwrap();
    let port = sim.url().port().unwrap();
    let answer = trusting.get(format!("https://127.0.0.2:{port}/health")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn tls_goes_on_with_its_authority_at_every_address_of_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    let ca_file = Some(dir.path().join("ca.pem"));
    let listen = "0.0.0.0:0".parse().unwrap();
    let options = SimOptions { tls: true, listen, ca_file, ..quick() };
    let first = Sim::start(options.clone()).await.unwrap();
    let given = std::fs::read(dir.path().join("ca.pem")).unwrap();
    assert_eq!(first.ca_pem().unwrap().as_bytes(), given);
    drop(first);
    let key = std::fs::metadata(dir.path().join("ca.pem.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);

    // Who trusted the first one trusts the second, by whatever address.
    let sim = Sim::start(options.clone()).await.unwrap();
    let authority = reqwest::Certificate::from_pem(&given).unwrap();
    let trusting = http().tls_certs_only([authority]).build().unwrap();
    for url in [Some(sim.url()), sim.lan_url()].into_iter().flatten() {
        assert_eq!(trusting.get(url.join("/health").unwrap()).send().await.unwrap().status(), 200, "{url}");
    }
    drop(sim);

    // What is no key is not replaced by one.
    std::fs::write(dir.path().join("ca.pem.key"), "no key").unwrap();
    let refused = Sim::start(options).await.err().unwrap().to_string();
    assert!(refused.contains("ca.pem.key"), "{refused}");
}

#[tokio::test]
async fn input_nobody_should_send_is_refused_without_harm() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let post = |kind: &'static str, body: Vec<u8>| {
        rig.http.post(rig.at("/v2/auth/token")).header("content-type", kind).body(body)
    };
    for (kind, body) in [
        ("multipart/form-data", b"--".to_vec()),
        ("multipart/form-data; boundary=x", b"--x\r\ngarbage".to_vec()),
        ("application/x-www-form-urlencoded", vec![0xff; 5000]),
        ("application/json", b"{".repeat(5000)),
        ("text/plain", vec![0; 5000]),
    ] {
        assert_eq!(rig.send(post(kind, body)).await.unwrap().error().0, 400, "{kind}");
    }
    let long = rig.send(post("application/x-www-form-urlencoded", vec![b'a'; 3 << 20])).await;
    assert!(long.is_err() || long.unwrap().status == 413);
    for path in ["/v2/devices/assets/1", "/v2/%00", "/nowhere", "/s3/parts/", "/v2/devices/me/SIMSECRET"] {
        assert_eq!(rig.send(rig.http.get(rig.at(path))).await.unwrap().title().0, 404, "{path}");
    }
    let odd = rig.http.put(rig.at("/s3/parts/x/-1?%ff=%ff&X-Amz-Signature=%ff")).body("x");
    assert_eq!(rig.send(odd).await.unwrap().status, 403);
    let address = format!("127.0.0.1:{}", sim.url().port().unwrap());
    for noise in
        [&b"\x16\x03\x01\x02\x00"[..], b"GET\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: -5\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(noise).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _reset = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    }
    assert!(sim.log().iter().all(|event| !event.path.contains("SIMSECRET")));
    assert_eq!(rig.me().await.status, 200, "and the simulator lives");
}
