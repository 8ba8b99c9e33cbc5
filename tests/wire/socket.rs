//! Sockets that stay open: through a proxy and TLS, with answers that are none, and with what comes over them.
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rigpost_core::oauth::Cause;
use rigpost_core::provider::{SocketEnd, SocketRequest};
use rigpost_core::secret::Secret;
use rigpost_daemon::http::Socket;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::server::Io;
use crate::*;

const TOKEN: &str = "topsecret+/token==";

fn request(server: &Server) -> SocketRequest {
    let scheme = if server.url().starts_with("https") { "wss" } else { "ws" };
    let query = "Authorization=Bearer%20topsecret%2B%2Ftoken%3D%3D";
    SocketRequest {
        url: Secret::new(format!("{scheme}://{}/devices/websocket?{query}", server.address)),
        headers: vec![("x-client-version", "1.2.3".to_owned())],
        secrets: vec![Secret::new(TOKEN)],
    }
}

async fn open(authority: Option<&Authority>, server: &Server) -> Result<Socket, SocketEnd> {
    Rig::new(authority).http.socket(request(server)).await
}

fn trouble(end: SocketEnd) -> Trouble {
    match end {
        SocketEnd::Trouble(trouble) => trouble,
        SocketEnd::Refused(word) => panic!("refused: {word}"),
    }
}

/// A server that does this on every socket.
async fn serving<F: Future<Output = ()> + Send>(
    authority: Option<&Authority>,
    serve: impl Fn(WebSocketStream<Box<dyn Io>>) -> F + Send + Sync + Clone + 'static,
) -> Server {
    Server::start(authority, move |peer: Peer| {
        let serve = serve.clone();
        async move {
            if let Ok(stream) = accept_async(peer.io).await {
                serve(stream).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn texts_go_both_ways_and_pings_are_answered() {
    for authority in both() {
        let server = serving(authority.as_ref(), |mut stream| async move {
            stream.send(Message::Ping(b"there?".to_vec().into())).await.unwrap();
            stream.send(Message::Binary(vec![0; 100].into())).await.unwrap();
            stream.send(Message::text("hello")).await.unwrap();
            let mut heard = Vec::new();
            while let Some(Ok(message)) = stream.next().await {
                if message.is_close() {
                    break;
                }
                heard.push(message.to_string());
                if heard.len() == 2 {
                    stream.send(Message::text(heard.join(" and "))).await.unwrap();
                }
            }
        })
        .await;
        let mut socket = open(authority.as_ref(), &server).await.ok().unwrap();
        assert_eq!(socket.next().await, Ok("hello".to_owned()));
        socket.send("me too".to_owned()).await.unwrap();
        assert_eq!(socket.next().await, Ok("there? and me too".to_owned()));
        socket.close().await;
    }
}

#[tokio::test]
async fn it_asks_as_the_rfc_wants_it_and_with_the_rigs_own_headers() {
    let (seen, mut heads) = mpsc::unbounded_channel();
    let server = Server::start(None, move |mut peer: Peer| {
        let seen = seen.clone();
        async move {
            seen.send(peer.head().await).unwrap();
            peer.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
        }
    })
    .await;
    let refused = open(None, &server).await.err();
    assert_eq!(refused, Some(SocketEnd::Refused("HTTP 403".to_owned())));
    let head = heads.recv().await.unwrap();
    for line in [
        "get /devices/websocket?authorization=bearer%20topsecret%2b%2ftoken%3d%3d http/1.1",
        &format!("host: {}", server.address),
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "x-client-version: 1.2.3",
        "user-agent: rigpost/0.0.0",
    ] {
        assert!(head.lines().any(|l| l.eq_ignore_ascii_case(line)), "{line}: {head}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_socket_is_named_and_shows_no_token() {
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\n\r\n";
    let echo = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{{\"error\":\"bad {TOKEN}\"}}",
        16 + TOKEN.len()
    );
    for (answer, expected) in [
        (redirect, Ok(Cause::CaptivePortal)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Ok(Cause::Provider)),
        ("HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", Ok(Cause::RateLimited)),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Ok(Cause::Provider)),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
            Ok(Cause::Provider),
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", Ok(Cause::Provider)),
        ("", Ok(Cause::Network)),
        (echo.as_str(), Err("bad [redacted]")),
    ] {
        let text = answer.to_owned();
        let server = Server::start(None, move |mut peer: Peer| {
            let text = text.clone();
            async move {
                peer.head().await;
                peer.say(&text).await;
            }
        })
        .await;
        let end = open(None, &server).await.err().expect(answer);
        let said = format!("{end:?}");
        assert!(!said.contains("topsecret") && !said.contains("websocket?"), "{said}");
        let is = match end {
            SocketEnd::Trouble(trouble) => Ok(trouble.cause),
            SocketEnd::Refused(word) => Err(word),
        };
        assert_eq!(is, expected.map_err(str::to_owned), "{answer}: {said}");
    }
}

#[tokio::test]
async fn nobody_there_is_the_networks_fault() {
    let server = Server::start(None, |_: Peer| async {}).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut wanted = request(&server);
    wanted.url = Secret::new(format!("ws://{closed}/devices/websocket?Authorization=topsecret"));
    let end = Rig::new(None).http.socket(wanted.clone()).await.err().unwrap();
    let told = trouble(end);
    assert_eq!(told.cause, Cause::Network);
    assert!(!told.why.contains("topsecret"), "{}", told.why);
    wanted.url = Secret::new("topsecret");
    let told = trouble(Rig::new(None).http.socket(wanted).await.err().unwrap());
    assert!(!told.why.contains("topsecret"), "{}", told.why);
    // A certificate of somebody else.
    let (good, other) = (Authority::good(), Authority::good());
    let server = serving(Some(&good), |_| async {}).await;
    assert_eq!(trouble(open(Some(&other), &server).await.err().unwrap()).cause, Cause::Certificate);
}

#[tokio::test]
async fn an_end_is_told_whatever_it_is() {
    let long = "x".repeat((64 << 10) + 1);
    for (ending, cause) in [("close", Cause::Provider), ("long", Cause::Provider), ("cut", Cause::Network)] {
        let long = long.clone();
        let server = serving(None, move |mut stream| {
            let long = long.clone();
            async move {
                match ending {
                    "close" => {
                        let frame = CloseFrame { code: 1001.into(), reason: "going\u{7}away".into() };
                        stream.send(Message::Close(Some(frame))).await.unwrap();
                    }
                    "long" => drop(stream.send(Message::text(long)).await),
                    _ => {}
                }
            }
        })
        .await;
        let mut socket = open(None, &server).await.ok().unwrap();
        let end = trouble(socket.next().await.unwrap_err());
        assert_eq!(end.cause, cause, "{ending}: {}", end.why);
        if ending == "close" {
            assert_eq!(end.why, "the provider closed the socket: going away");
        }
    }
}

#[tokio::test]
async fn a_socket_goes_through_the_proxy_too() {
    let authority = Authority::named(&["storage.example"]);
    let server = serving(Some(&authority), |mut stream| async move {
        stream.send(Message::text("hello")).await.unwrap();
        drop(stream.next().await);
    })
    .await;
    let (proxy, mut asked) = crate::proxies::leading_to(&server).await;
    let proxies = crate::proxies::through(&format!("http://{}", proxy.address));
    let rig = crate::proxies::rig(Some(&authority), proxies);
    let mut wanted = request(&server);
    wanted.url = Secret::new("wss://storage.example/devices/websocket?Authorization=topsecret");
    let mut socket = rig.http.socket(wanted).await.unwrap_or_else(|end| panic!("{end:?}"));
    assert_eq!(socket.next().await, Ok("hello".to_owned()));
    let head = asked.recv().await.unwrap();
    assert!(head.starts_with("connect storage.example:443 "), "{head}");
    assert!(!head.contains("topsecret"), "{head}");
}

#[tokio::test]
async fn a_handshake_nobody_answers_ends() {
    let server = Server::start(None, |mut peer: Peer| async move {
        peer.head().await;
        std::future::pending::<()>().await;
    })
    .await;
    let opening = open(None, &server);
    let end = tokio::time::timeout(Duration::from_secs(30), opening).await.expect("it is bounded");
    assert_eq!(trouble(end.err().unwrap()).why, "no socket in time");
}
