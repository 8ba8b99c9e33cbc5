//! Presence by socket: who gets one, what goes over it, and when it ends.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use rigpost_sim::{Event, Sim, SimOptions, SocketView, Sockets};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::{PATIENCE, Rig, http, quick};

/// A device's end of a socket.
struct Line<S = TcpStream>(WebSocketStream<S>);

fn percent(token: &str) -> String {
    url::form_urlencoded::byte_serialize(format!("Bearer {token}").as_bytes()).collect()
}

/// Opens a socket with these words in its address; else the status and the text of the refusal.
async fn open(sim: &Sim, path: &str) -> Result<Line, (u16, String)> {
    let address = sim.url().as_str().replace("http://", "ws://");
    let mut request = format!("{}{path}", address.trim_end_matches('/')).into_client_request().unwrap();
    request.headers_mut().insert("x-client-version", "1.2.3".parse().unwrap());
    let stream = TcpStream::connect(("127.0.0.1", sim.url().port().unwrap())).await.unwrap();
    match timeout(PATIENCE, client_async(request, stream)).await.unwrap() {
        Ok((stream, answer)) => {
            assert_eq!(answer.status(), 101);
            Ok(Line(stream))
        }
        Err(Error::Http(answer)) => {
            let text = answer.body().clone().unwrap_or_default();
            Err((answer.status().as_u16(), String::from_utf8(text).unwrap()))
        }
        Err(error) => Err((0, error.to_string())),
    }
}

async fn opened(rig: &Rig<'_>) -> Line {
    open(rig.sim, &format!("/devices/websocket?Authorization={}", percent(&rig.access))).await.ok().unwrap()
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    async fn say(&mut self, topic: &str, event: &str) {
        let message = json!({"topic": topic, "event": event, "payload": {}, "ref": "7"});
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// What comes next; `None` where the socket ends.
    async fn hear(&mut self) -> Option<Value> {
        match timeout(PATIENCE, self.0.next()).await.expect("something comes, or it ends")? {
            Ok(Message::Text(text)) => Some(serde_json::from_str(&text).unwrap()),
            Ok(Message::Pong(_)) => Some(json!("pong")),
            Ok(other) => {
                assert!(other.is_close(), "{other:?}");
                None
            }
            Err(_) => None,
        }
    }

    /// Joins the device's topic; answers what the simulator says.
    async fn join(&mut self, id: &str) -> Value {
        self.say(&format!("devices:{id}"), "phx_join").await;
        self.hear().await.unwrap()
    }
}

fn accepted(topic: &str) -> Value {
    json!({"topic": topic, "event": "phx_reply", "payload": {"status": "ok", "response": {}}, "ref": "7"})
}

fn refused(topic: &str) -> Value {
    let response = json!({"reason": "unmatched topic"});
    json!({"topic": topic, "event": "phx_reply", "payload": {"status": "error", "response": response}, "ref": "7"})
}

/// Waits until the log says so of a socket.
async fn said(sim: &Sim, words: &str) -> Event {
    let wanted = |event: &Event| event.detail.as_deref().is_some_and(|detail| detail.contains(words));
    sim.wait_for(wanted, PATIENCE).await.unwrap_or_else(|| panic!("never: {words}"))
}

fn presence(sim: &Sim) -> (String, u64) {
    let device = sim.devices().remove(0);
    (device.presence, device.sockets)
}

/// The last socket.
fn last(sim: &Sim) -> SocketView {
    sim.sockets().pop().unwrap()
}

#[tokio::test]
async fn a_device_on_its_socket_is_online_and_is_told_of_pauses() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let id = rig.me().await.text_of("id");
    let topic = format!("devices:{id}");
    let mut line = opened(&rig).await;
    said(&sim, "opened").await;
    assert_eq!(presence(&sim), ("online".into(), 0), "by its calls");
    assert_eq!(line.join(&id).await, accepted(&topic));
    assert_eq!(presence(&sim), ("online".into(), 1));
    for beats in 1..=8 {
        sim.advance(50);
        line.say("phoenix", "heartbeat").await;
        assert_eq!(line.hear().await.unwrap(), accepted("phoenix"));
        assert_eq!(last(&sim).heartbeats, beats);
    }
    assert_eq!(presence(&sim), ("online".into(), 1), "400 seconds without another call");
    let page = rig.http.get(rig.at("/lists")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(", socket open"), "{page}");
    let state = rig.send(rig.http.get(rig.at("/_sim/state"))).await.unwrap().json();
    assert_eq!(
        (&state["sockets"][0]["topic"], &state["sockets"][0]["closed"]),
        (&json!(topic), &Value::Null)
    );

    let news = |status: &str| json!({"topic": topic, "event": "status_updated", "ref": null, "payload": {"status": status}});
    sim.pause_device("rig-1").unwrap();
    assert_eq!(line.hear().await.unwrap(), news("paused"));
    sim.pause_device("rig-1").unwrap();
    let press = rig.http.post(rig.at("/devices")).form(&[("client_id", "rig-1"), ("action", "resume")]);
    assert_eq!(rig.send(press).await.unwrap().status, 303);
    assert_eq!(line.hear().await.unwrap(), news("online"));
    assert_eq!(last(&sim).pushed, ["paused", "online"]);
    line.0.close(None).await.unwrap();
    said(&sim, "the device closed it").await;
    let socket = last(&sim);
    assert_eq!((socket.closed.as_deref(), socket.topic), (Some("the device closed it"), None));
    assert_eq!(presence(&sim), ("online".into(), 0));
    sim.advance(300);
    assert_eq!(presence(&sim), ("offline".into(), 0));
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn nobody_is_told_before_they_join_or_after_they_leave() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let me = rig.me().await;
    let topic = format!("devices:{}", me.text_of("device_id"));
    let mut line = opened(&rig).await;
    said(&sim, "opened").await;
    sim.pause_device("rig-1").unwrap();
    assert_eq!(line.join(&me.text_of("device_id")).await, accepted(&topic), "nothing came before");
    sim.resume_device("rig-1").unwrap();
    assert_eq!(line.hear().await.unwrap()["payload"]["status"], "online");
    line.say(&topic, "phx_leave").await;
    assert_eq!(line.hear().await.unwrap(), accepted(&topic));
    assert_eq!(presence(&sim).1, 0);
    sim.pause_device("rig-1").unwrap();
    line.say("phoenix", "heartbeat").await;
    assert_eq!(line.hear().await.unwrap(), accepted("phoenix"), "nothing came before");
    assert_eq!(last(&sim).pushed, ["online"]);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_socket_goes_over_tls_too() {
    let sim = Sim::start(SimOptions { tls: true, ..quick() }).await.unwrap();
    let pem = sim.ca_pem().unwrap();
    let authority = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    let http = http().tls_certs_only([authority]).build().unwrap();
    let mut rig = Rig { http, ..Rig::new(&sim) };
    let fresh =
        [("client_id", "rig-1"), ("client_secret", "sim-client-secret"), ("scope", "asset_create offline")];
    let code = rig.form("/v2/auth/device/code", &fresh).await.unwrap();
    sim.approve(&code.text_of("user_code"), "Testbed").unwrap();
    let tokens = rig.poll(&code.text_of("device_code")).await;
    rig.take(&tokens);
    let id = rig.me().await.text_of("id");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", sim.url().port().unwrap())).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let path = format!("wss://localhost/devices/websocket?Authorization={}", percent(&rig.access));
    let mut request = path.into_client_request().unwrap();
    request.headers_mut().insert("x-client-version", "1.2.3".parse().unwrap());
    let mut line = Line(client_async(request, stream).await.unwrap().0);
    assert_eq!(line.join(&id).await, accepted(&format!("devices:{id}")));
    sim.pause_device("rig-1").unwrap();
    assert_eq!(line.hear().await.unwrap()["payload"]["status"], "paused");
    sim.cut_sockets("rig-1").unwrap();
    assert_eq!(line.hear().await, None);
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn only_a_good_token_opens_a_socket() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let good = format!("/devices/websocket?Authorization={}", percent(&rig.access));
    for path in [
        "/devices/websocket".to_owned(),
        format!("/devices/websocket?Authorization={}", rig.access),
        format!("/devices/websocket?Authorization={}", percent("made-up")),
        format!("/devices/websocket?Authorization={}", percent(&rig.refresh)),
        format!("/devices/websocket?token={}", percent(&rig.access)),
    ] {
        let (status, text) = open(&sim, &path).await.err().unwrap();
        assert_eq!(status, 403, "{path}");
        assert!(text.contains("\"Forbidden\""), "{text}");
    }
    assert_eq!(open(&sim, "/devices/socket").await.err().unwrap().0, 404);
    assert_eq!(rig.send(rig.http.get(rig.at(&good))).await.unwrap().title(), (400, "Bad Request".into()));
    for (spec, status) in
        [("socket:404", 404), ("socket:403", 403), ("socket:html-502", 502), ("socket:garbage", 101)]
    {
        sim.inject(spec.parse().unwrap());
        let answer = open(&sim, &good).await;
        assert_eq!(answer.map_or_else(|(status, _)| status, |_| 101), status, "{spec}");
    }
    sim.inject("socket:reset".parse().unwrap());
    assert_eq!(open(&sim, &good).await.err().unwrap().0, 0);
    sim.inject("socket:oversized".parse().unwrap());
    assert_ne!(open(&sim, &good).await.err().unwrap().0, 101);
    assert!(open(&sim, &good).await.is_ok());
    let log = format!("{:?}", sim.log());
    assert!(!log.contains(&rig.access), "no token in the log");
    sim.expire_access("rig-1").unwrap();
    assert_eq!(open(&sim, &good).await.err().unwrap().0, 403);
    assert_eq!(sim.violations(), Vec::<String>::new());
    for (sockets, status) in [(Sockets::Missing, 404), (Sockets::Refused, 403)] {
        let sim = Sim::start(SimOptions { sockets, ..quick() }).await.unwrap();
        let rig = Rig::paired(&sim).await;
        let path = format!("/devices/websocket?Authorization={}", percent(&rig.access));
        assert_eq!(open(&sim, &path).await.err().unwrap().0, status);
        assert!(sim.sockets().is_empty());
    }
}

#[tokio::test]
async fn a_silent_socket_is_closed_after_a_minute() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let id = rig.me().await.text_of("id");
    let mut line = opened(&rig).await;
    line.join(&id).await;
    sim.advance(59);
    line.0.send(Message::Ping(vec![1].into())).await.unwrap();
    assert_eq!(line.hear().await.unwrap(), "pong", "a sign of life");
    sim.advance(59);
    line.say("phoenix", "heartbeat").await;
    assert!(line.hear().await.is_some());
    sim.advance(60);
    assert_eq!(line.hear().await, None);
    said(&sim, "no message for a minute").await;
    assert_eq!(presence(&sim), ("online".into(), 0), "five minutes count from its last message");
    sim.advance(240);
    assert_eq!(presence(&sim).0, "offline");
    assert_eq!(last(&sim).closed.as_deref(), Some("no message for a minute"));
}

#[tokio::test]
async fn a_socket_ends_with_its_pairing_and_when_it_is_cut() {
    let sim = Sim::start(quick()).await.unwrap();
    let mut rig = Rig::paired(&sim).await;
    let id = rig.me().await.text_of("id");
    let mut line = opened(&rig).await;
    line.join(&id).await;
    rig.pair("Second Unit").await;
    assert_eq!(line.hear().await, None);
    said(&sim, "the pairing has ended").await;
    let mut line = opened(&rig).await;
    line.join(&id).await;
    assert!(sim.cut_sockets("rig-2").is_err());
    sim.cut_sockets("rig-1").unwrap();
    assert_eq!(line.hear().await, None);
    said(&sim, "closed: cut off").await;
    let mut line = opened(&rig).await;
    line.join(&id).await;
    assert_eq!(presence(&sim).1, 1);
    sim.revoke_device("rig-1").unwrap();
    assert_eq!(line.hear().await, None);
    rig.pair("Testbed").await;
    let line = opened(&rig).await;
    said(&sim, "socket").await;
    drop(line);
    said(&sim, "the device hung up").await;
    let open = sim.sockets().iter().filter(|socket| socket.closed.is_none()).count();
    assert_eq!((open, sim.sockets().len()), (0, 4));
    let mut line = opened(&rig).await;
    drop(sim);
    assert_eq!(line.hear().await, None, "it ends with the simulator");
}

#[tokio::test]
async fn what_is_not_the_protocol_is_refused_and_written_down() {
    let sim = Sim::start(quick()).await.unwrap();
    let rig = Rig::paired(&sim).await;
    let id = rig.me().await.text_of("id");
    let topic = format!("devices:{id}");
    let mut line = opened(&rig).await;
    for (n, (topic, event)) in [
        ("devices:7fd0aa9b", "phx_join"),
        (id.as_str(), "phx_join"),
        (topic.as_str(), "status_updated"),
        (topic.as_str(), "phx_leave"),
    ]
    .into_iter()
    .enumerate()
    {
        line.say(topic, event).await;
        assert_eq!(line.hear().await.unwrap(), refused(topic), "{event}");
        assert_eq!(sim.violations().len(), n + 1, "{:?}", sim.violations());
    }
    line.join(&id).await;
    line.say(&topic, "new_clip").await;
    assert_eq!(line.hear().await.unwrap(), refused(&topic));
    assert!(sim.violations()[4].contains("unknown event") && sim.violations()[4].contains("new_clip"));
    for (n, message) in [
        Message::text("[]"),
        Message::text(json!({"topic": "phoenix", "event": "heartbeat", "payload": {}}).to_string()),
        Message::binary(vec![1, 2]),
    ]
    .into_iter()
    .enumerate()
    {
        line.0.send(message).await.unwrap();
        assert_eq!(line.hear().await, None);
        assert_eq!(sim.violations().len(), n + 6, "{:?}", sim.violations());
        line = opened(&rig).await;
    }
    let stream = TcpStream::connect(("127.0.0.1", sim.url().port().unwrap())).await.unwrap();
    let path = format!(
        "{}devices/websocket?Authorization={}",
        sim.url().as_str().replace("http", "ws"),
        percent(&rig.access)
    );
    assert!(client_async(path, stream).await.is_ok());
    assert!(
        sim.violations()[8].contains("no x-client-version header: rig-1 at socket"),
        "{:?}",
        sim.violations()
    );
}
